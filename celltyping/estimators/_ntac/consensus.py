"""Consensus clustering by co-association of clusters (evidence accumulation).

A. L. N. Fred, A. K. Jain (2005). Combining multiple clusterings using evidence
accumulation. IEEE Transactions on Pattern Analysis and Machine Intelligence 27,
835-850. :doi:`10.1109/TPAMI.2005.113`

They count how often two samples share a cluster. Here, the clusters of the finest
partitions are counted in place of samples, so that the table stays small.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
from scipy import sparse
from scipy.cluster.hierarchy import linkage
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import squareform

from celltyping._kernels._csr import CSRMatrix
from celltyping._kernels._similarity import largest_entries
from celltyping._utils._sparse import one_hot
from celltyping.estimators._ntac.growth import compact

# Partitions with a number of clusters between these multiples of the wanted number are
# combined; coarser ones lack detail, and finer ones say little about which nodes belong
# together.
COARSEST, FINEST = 0.5, 2.0

# Of sizes that differ by less than this factor, one is combined: they carry the same
# information.
APART = 1.3

# The co-association of the finest clusters of all runs is a dense table with at most
# this number of rows. Where there are more, the first runs' clusters are merged, on the
# partitions of all runs.
MAX_FINEST = 5000

# Rows of that table for which a sparse product is held at once.
BATCH = 512


def consensus_sizes(sizes, n_clusters):
    """Choose those of a run's ascending sizes that are combined; the finest first."""
    finest = next((s for s in sizes if s >= FINEST * n_clusters), sizes[-1])
    chosen = [finest]
    for size in sorted(sizes, reverse=True):
        if COARSEST * n_clusters <= size <= chosen[-1] / APART:
            chosen.append(size)
    return chosen


def consensus_clusters(finest, partitions, n_clusters):
    """Merge the finest clusters of several runs by average linkage on co-association.

    Parameters
    ----------
    finest : list of ndarray of shape (n_nodes,)
        The finest partition of each run, each with at least `n_clusters` clusters,
        numbered from 0 and none of them empty.
    partitions : list of ndarray of shape (n_nodes,)
        All partitions to combine.
    n_clusters : int
        Number of clusters.

    Returns
    -------
    labels : ndarray of shape (n_nodes,), dtype=uint32
        Cluster of each node; each cluster has a member.
    """
    n_merged = max(1, MAX_FINEST // (int(finest[0].max()) + 1))
    members = sparse.hstack(
        [_indicators(labels) for labels in finest[:n_merged]], format="csr"
    )
    association = coassociation(members, partitions)
    distances = np.maximum(1.0 - association, 0.0)
    np.fill_diagonal(distances, 0.0)
    tree = linkage(squareform(distances, checks=False), method="average")
    n_groups = n_clusters
    while True:
        groups = _cut(tree, n_groups)
        labels = _choose_groups(members, groups)
        n_found = len(np.unique(labels))
        if n_found >= n_clusters:
            break
        n_groups += 1  # some group is no node's first choice: cut a little finer
    while n_found > n_clusters:
        labels = _join_smallest(labels, groups, association)
        n_found -= 1
    return compact(labels)


def _indicators(labels):
    """Return a partition as a matrix of nodes by clusters."""
    return one_hot(labels, int(labels.max()) + 1)


def coassociation(members, partitions):
    """Average over partitions how often nodes of two clusters share a cluster.

    `members` (nodes by clusters) has the indicators of the clusters. Returns a float32
    table: the fraction of the pairs of nodes, one of each cluster, that share one.
    """
    sizes = members.sum(axis=0)
    together = members.T @ sparse.hstack([_indicators(labels) for labels in partitions])
    shares = sparse.csr_array(sparse.diags_array(1.0 / sizes) @ together)
    transposed = sparse.csr_array(shares.T)
    association = np.empty((shares.shape[0],) * 2, dtype=np.float32)
    for start in range(0, shares.shape[0], BATCH):
        rows = slice(start, start + BATCH)
        association[rows] = (shares[rows] @ transposed).toarray()
    association /= len(partitions)
    return association


def _cut(tree, n_groups):
    """Undo the last merges of a tree, down to a number of groups."""
    n_leaves = len(tree) + 1
    merges = tree[: n_leaves - n_groups, :2].astype(np.int64)
    parents = np.arange(n_leaves, n_leaves + len(merges)).repeat(2)
    edges = sparse.csr_array(
        (np.ones(len(parents)), (merges.ravel(), parents)),
        shape=(2 * n_leaves - 1,) * 2,
    )
    _, component = connected_components(edges, directed=False)
    return compact(component[:n_leaves])


def _choose_groups(members, groups):
    """Assign each node to the group that holds most of its clusters.

    A cluster's vote is divided by the number of clusters in its group: otherwise, large
    groups would attract all uncertain nodes.
    """
    in_group = _indicators(groups)
    votes = sparse.csr_array(members @ in_group / in_group.sum(axis=0))
    votes.sort_indices()
    return largest_entries(CSRMatrix.from_scipy(votes))


def _join_smallest(labels, groups, association):
    """Join the smallest cluster with the one of the highest mean co-association."""
    present, sizes = np.unique(labels, return_counts=True)
    smallest = present[np.argmin(sizes)]
    others = present[present != smallest]
    to_smallest = association[groups == smallest].mean(axis=0)
    means = [to_smallest[groups == other].mean() for other in others]
    return np.where(labels == smallest, others[np.argmax(means)], labels)
