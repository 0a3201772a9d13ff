"""One partition from many: clusters that most partitions join are joined."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
from scipy import sparse
from scipy.cluster.hierarchy import linkage
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import squareform

from celltyping._kernels._similarity import largest_entries
from celltyping.estimators._ntac.growth import compact

# Partitions with clusters between these multiples of the wanted number vote; coarser
# ones know of no detail, and finer ones say little about what belongs together.
COARSEST, FINEST = 0.5, 2.0

# Sizes nearer to each other than this factor say the same: one of them votes.
APART = 1.3

# The finest clusters of all runs are compared with each other, which takes a table of
# so many rows at most. Where there are more, the first runs' clusters are merged, on
# what all runs say.
MAX_FINEST = 5000

# Rows of that table for which a sparse product is held at once.
BATCH = 512


def voting_sizes(sizes, n_clusters):
    """Choose the sizes of a run whose partitions vote.

    Parameters
    ----------
    sizes : sequence of int
        Ascending numbers of clusters.
    n_clusters : int
        The wanted number; the last size is at least this.

    Returns
    -------
    voting : list of int
        Sizes, descending; the first one is the finest.
    """
    finest = next((s for s in sizes if s >= FINEST * n_clusters), sizes[-1])
    voting = [finest]
    for size in sorted(sizes, reverse=True):
        if COARSEST * n_clusters <= size <= voting[-1] / APART:
            voting.append(size)
    return voting


def agree_on_clusters(finest, voters, n_clusters):
    """Merge the finest clusters of several runs into clusters that most runs support.

    Parameters
    ----------
    finest : list of ndarray of shape (n_nodes,)
        The finest partition of each run, each with at least `n_clusters` clusters,
        numbered from 0 and none of them empty.
    voters : list of ndarray of shape (n_nodes,)
        All partitions that vote.
    n_clusters : int
        Number of clusters.

    Returns
    -------
    labels : ndarray of shape (n_nodes,), dtype=uint32
        Cluster of each node; each cluster has a member.
    """
    n_merged = max(1, MAX_FINEST // (int(finest[0].max()) + 1))
    finest = finest[:n_merged]
    members = sparse.hstack([_memberships(labels) for labels in finest], format="csr")
    closeness = _closeness(members, voters)
    distances = np.maximum(1.0 - closeness, 0.0)
    np.fill_diagonal(distances, 0.0)
    tree = linkage(squareform(distances, checks=False), method="average")
    n_groups = n_clusters
    while True:
        groups = _cut(tree, n_groups)
        labels = _choose_groups(members, groups, n_groups)
        n_found = len(np.unique(labels))
        if n_found >= n_clusters:
            break
        n_groups += 1  # some group is no node's first choice: cut a little finer
    while n_found > n_clusters:
        labels = _join_smallest(labels, groups, closeness)
        n_found -= 1
    return compact(labels)


def _memberships(labels):
    """Write a partition as a matrix of nodes by clusters."""
    n_nodes = len(labels)
    return sparse.csr_array(
        (np.ones(n_nodes), labels.astype(np.int32), np.arange(n_nodes + 1)),
        shape=(n_nodes, int(labels.max()) + 1),
    )


def _closeness(members, voters):
    """Tell how often two nodes of two clusters are together, averaged over voters."""
    sizes = members.sum(axis=0)
    together = members.T @ sparse.hstack([_memberships(labels) for labels in voters])
    shares = sparse.csr_array(sparse.diags_array(1.0 / sizes) @ together)
    transposed = sparse.csr_array(shares.T)
    closeness = np.empty((shares.shape[0],) * 2, dtype=np.float32)
    for start in range(0, shares.shape[0], BATCH):
        rows = slice(start, start + BATCH)
        closeness[rows] = (shares[rows] @ transposed).toarray()
    closeness /= len(voters)
    return closeness


def _cut(tree, n_groups):
    """Undo the last merges of a tree until it falls into so many groups."""
    n_leaves = len(tree) + 1
    merges = tree[: n_leaves - n_groups, :2].astype(np.int64)
    parents = np.arange(n_leaves, n_leaves + len(merges)).repeat(2)
    edges = sparse.csr_array(
        (np.ones(len(parents)), (merges.ravel(), parents)),
        shape=(2 * n_leaves - 1,) * 2,
    )
    _, component = connected_components(edges, directed=False)
    return compact(component[:n_leaves])


def _choose_groups(members, groups, n_groups):
    """Put each node into the group that holds most of its clusters.

    A cluster's vote is divided by the number of clusters in its group: otherwise, large
    groups would draw in all nodes in doubt.
    """
    in_group = _memberships(groups)
    votes = sparse.csr_array(members @ in_group / in_group.sum(axis=0))
    votes.sort_indices()
    return largest_entries(votes.indptr, votes.indices, votes.data)


def _join_smallest(labels, groups, closeness):
    """Join the smallest cluster with the one that its group is closest to."""
    present, sizes = np.unique(labels, return_counts=True)
    smallest = present[np.argmin(sizes)]
    others = present[present != smallest]
    to_smallest = closeness[groups == smallest].mean(axis=0)
    means = [to_smallest[groups == other].mean() for other in others]
    return np.where(labels == smallest, others[np.argmax(means)], labels)
