"""Kernels that compare nodes with clusters of nodes, without storing a profile.

The profile of a node holds the weights of its edges from and to each cluster. It is
computed when it is needed, into an array that stays in the first cache. The mean
profiles of all clusters come from one sweep over the edges. They are stored by column,
with the clusters side by side, so that one entry of a profile is compared with all
clusters in a few vector instructions.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from typing import NamedTuple

import numpy as np

from celltyping._kernels._csr import CSRGraph, CSRMatrix
from celltyping._kernels._jit import jit
from celltyping._kernels._sort import argsort

# Rows that stand side by side are padded to a multiple of this, so that vector loops
# have no remainder.
LANES = 16

# Where at most this fraction of the nodes moves, the sums of profiles are updated. That
# takes eight updates per edge of a moved node; a new sum takes two per edge of all.
MANY = 0.2


class ProfileInput(NamedTuple):
    """Everything that the profiles of nodes are computed from."""

    graph: CSRGraph
    features: CSRMatrix
    n_features: int
    scale: np.ndarray  # factor on the edge weights of a node's profile, per node
    totals: np.ndarray  # sum of a node's profile, per node


class Clusters(NamedTuple):
    """A partition, and its nodes by cluster: those of cluster c are
    `members[ends[c]:ends[c + 1]]`, by falling similarity to the mean of the cluster.
    """

    labels: np.ndarray  # cluster of each node, uint32
    similarities: np.ndarray  # of each node to the mean of its cluster, float32
    members: np.ndarray
    ends: np.ndarray


@jit
def _allocate(n_clusters, n_cols):
    """Allocate zeros for the sums of a profile, and its columns and values, padded."""
    scratch = np.zeros(2 * n_clusters)
    return scratch, np.empty(n_cols + 4, np.uint32), np.empty(n_cols + 4, np.float32)


@jit
def _write_profile(i, data, labels, n_clusters, scratch, cols, values):
    """Write the entries of node i's profile, in the order of its edges.

    Cluster c of the in-partners is column c, of the out-partners `n_clusters` + c; the
    node features follow. `scratch` holds zeros, before and after. Returns the number of
    entries.
    """
    n_entries = 0
    for e in range(data.graph.incoming.ptr[i], data.graph.incoming.ptr[i + 1]):
        c = labels[data.graph.incoming.indices[e]]
        cols[n_entries] = c  # without a branch, which would often be guessed wrongly
        n_entries += scratch[c] == 0.0
        scratch[c] += data.graph.incoming.values[e]
    for e in range(data.graph.outgoing.ptr[i], data.graph.outgoing.ptr[i + 1]):
        c = n_clusters + labels[data.graph.outgoing.indices[e]]
        cols[n_entries] = c
        n_entries += scratch[c] == 0.0
        scratch[c] += data.graph.outgoing.values[e]
    for m in range(n_entries):
        values[m] = scratch[cols[m]] * data.scale[i]
        scratch[cols[m]] = 0.0
    for e in range(data.features.ptr[i], data.features.ptr[i + 1]):
        cols[n_entries] = 2 * n_clusters + data.features.indices[e]
        values[n_entries] = data.features.values[e]
        n_entries += 1
    return n_entries


@jit
def _add_minima(n_entries, cols, values, table, shared):
    """Add the minima of a profile with each of the rows side by side in `table`.

    Four entries at a time, which takes a quarter of the accesses to `shared`. Entries
    of 0 are the padding.
    """
    for m in range(n_entries, _padded(n_entries, 4)):
        cols[m] = 0
        values[m] = 0.0
    for m in range(0, n_entries, 4):
        first, second = values[m], values[m + 1]
        third, fourth = values[m + 2], values[m + 3]
        to_first, to_second = table[cols[m]], table[cols[m + 1]]
        to_third, to_fourth = table[cols[m + 2]], table[cols[m + 3]]
        for k in range(len(shared)):
            shared[k] += (min(first, to_first[k]) + min(second, to_second[k])) + (
                min(third, to_third[k]) + min(fourth, to_fourth[k])
            )


@jit
def _padded(n, multiple):
    """Round up to a multiple of a number."""
    return (n + multiple - 1) // multiple * multiple


@jit
def mean_profiles(data, labels, n_clusters, groups, n_groups):
    """Average the profiles of the nodes of each group.

    Parameters
    ----------
    data : ProfileInput
        The graph and the node features.
    labels : ndarray of shape (n_nodes,), dtype=uint32
        Cluster of each node, to which the columns of a profile refer.
    n_clusters : int
        Number of clusters.
    groups : ndarray of shape (n_nodes,), dtype=uint32
        Group of each node, often its cluster.
    n_groups : int
        Number of groups.

    Returns
    -------
    means : ndarray of shape (2 * n_clusters + n_features, n_padded), dtype=float32
        The mean profile of group g is column g; columns from `n_groups` on are 0.
    """
    return _divide(*_sum_profiles(data, labels, n_clusters, groups, n_groups))


@jit
def _sum_profiles(data, labels, n_clusters, groups, n_groups):
    """Sum the profiles of the nodes of each group, and count the nodes."""
    n_padded = _padded(n_groups, LANES)
    sums = np.zeros((2 * n_clusters + data.n_features, n_padded))
    sizes = np.zeros(n_padded)
    for i in range(len(labels)):
        cluster, group = labels[i], groups[i]
        sizes[group] += 1.0
        for e in range(data.graph.outgoing.ptr[i], data.graph.outgoing.ptr[i + 1]):
            partner = data.graph.outgoing.indices[e]
            weight = data.graph.outgoing.values[e]
            sums[n_clusters + labels[partner], group] += weight * data.scale[i]
            sums[cluster, groups[partner]] += weight * data.scale[partner]
        for e in range(data.features.ptr[i], data.features.ptr[i + 1]):
            column = 2 * n_clusters + data.features.indices[e]
            sums[column, group] += data.features.values[e]
    return sums, sizes


@jit
def _divide(sums, sizes):
    """Divide sums by sizes; the mean of an empty group is 0."""
    means = np.zeros(sums.shape, np.float32)
    for k in range(len(sizes)):
        if sizes[k] > 0.0:
            for c in range(len(sums)):
                means[c, k] = sums[c, k] / sizes[k]
    return means


@jit
def _move_sums(i, new, data, labels, n_clusters, sums, sizes):
    """Move one node to another cluster, and update the sums and the sizes."""
    old = labels[i]
    sizes[old] -= 1.0
    sizes[new] += 1.0
    for e in range(data.graph.incoming.ptr[i], data.graph.incoming.ptr[i + 1]):
        column = labels[data.graph.incoming.indices[e]]
        _shift(sums[column], old, new, data.graph.incoming.values[e] * data.scale[i])
    for e in range(data.graph.outgoing.ptr[i], data.graph.outgoing.ptr[i + 1]):
        column = n_clusters + labels[data.graph.outgoing.indices[e]]
        _shift(sums[column], old, new, data.graph.outgoing.values[e] * data.scale[i])
    for e in range(data.features.ptr[i], data.features.ptr[i + 1]):
        column = 2 * n_clusters + data.features.indices[e]
        _shift(sums[column], old, new, data.features.values[e])
    labels[i] = new  # before its partners: a self loop leads to the new cluster
    for e in range(data.graph.outgoing.ptr[i], data.graph.outgoing.ptr[i + 1]):
        partner = data.graph.outgoing.indices[e]
        weight = data.graph.outgoing.values[e] * data.scale[partner]
        _shift(sums[:, labels[partner]], old, new, weight)
    for e in range(data.graph.incoming.ptr[i], data.graph.incoming.ptr[i + 1]):
        partner = data.graph.incoming.indices[e]
        weight = data.graph.incoming.values[e] * data.scale[partner]
        _shift(sums[:, labels[partner]], n_clusters + old, n_clusters + new, weight)


@jit
def _shift(sums, old, new, weight):
    """Move a weight from one entry to another."""
    sums[old] -= weight
    sums[new] += weight


@jit
def _column_sums(table):
    """Sum the columns; the sum of an empty one is 1, to be a divisor."""
    sums = np.zeros(table.shape[1])
    for c in range(table.shape[0]):
        for k in range(table.shape[1]):
            sums[k] += table[c, k]
    for k in range(table.shape[1]):
        if sums[k] == 0.0:
            sums[k] = 1.0
    return sums.astype(np.float32)


@jit
def move_to_nearest(data, labels, is_fixed, n_clusters, means):
    """Move every node to the cluster whose mean profile is most similar to its own.

    Parameters
    ----------
    data, labels, n_clusters
        As in `mean_profiles`.
    is_fixed : ndarray of shape (n_nodes,), dtype=bool
        Nodes that keep their cluster. So do those with an empty profile, and those that
        are not more similar to another cluster than to their own.
    means : ndarray
        Mean profiles of the clusters, as `mean_profiles` returns them.

    Returns
    -------
    labels : ndarray of shape (n_nodes,), dtype=uint32
        New clusters.
    similarities : ndarray of shape (n_nodes,), dtype=float32
        Similarity of each node to the mean of its new cluster; 1 where the profile is
        empty.
    """
    n_padded = means.shape[1]
    mean_sums = _column_sums(means)
    scratch, cols, values = _allocate(n_clusters, means.shape[0])
    shared = np.zeros(n_padded, np.float32)
    new_labels = labels.copy()
    similarities = np.ones(len(labels), np.float32)
    for i in range(len(labels)):
        total = data.totals[i]
        if total == 0.0:
            continue
        n_entries = _write_profile(i, data, labels, n_clusters, scratch, cols, values)
        _add_minima(n_entries, cols, values, means, shared)
        best = np.float32(0.0)
        for k in range(n_padded):
            shared[k] = shared[k] / (total + mean_sums[k] - shared[k])
            best = max(best, shared[k])
        own = shared[labels[i]]
        if own < best and not is_fixed[i]:
            for k in range(n_clusters):
                if shared[k] == best:
                    new_labels[i] = np.uint32(k)
                    break
            own = best
        similarities[i] = min(own, np.float32(1.0))  # rounding can pass it
        shared[:] = 0.0
    return new_labels, similarities


@jit
def reassign(data, labels, is_fixed, n_clusters, max_iter, tol):
    """Repeat `move_to_nearest`, a Lloyd iteration, until few nodes move.

    The passes stop when at most the fraction `tol` of the nodes moves, or after
    `max_iter`, at least 1. Returns the labels and similarities of the last pass, and
    the number of passes.
    """
    sums, sizes = _sum_profiles(data, labels, n_clusters, labels, n_clusters)
    n_iter = 0
    while True:
        means = _divide(sums, sizes)
        new_labels, similarities = move_to_nearest(
            data, labels, is_fixed, n_clusters, means
        )
        n_iter += 1
        n_moved = np.count_nonzero(new_labels != labels)
        if n_moved <= tol * len(labels) or n_iter == max_iter:
            return new_labels, similarities, n_iter
        if n_moved > MANY * len(labels):
            sums, sizes = _sum_profiles(
                data, new_labels, n_clusters, new_labels, n_clusters
            )
        else:
            labels = labels.copy()
            for i in range(len(labels)):
                if new_labels[i] != labels[i]:
                    _move_sums(i, new_labels[i], data, labels, n_clusters, sums, sizes)
        labels = new_labels


@jit
def take_candidates(clusters, is_fixed, deferred, classes, n_candidates):
    """Take the farthest node of each cluster, then the second farthest, and so on.

    Parameters
    ----------
    clusters : Clusters
        The partition.
    is_fixed : ndarray of shape (n_nodes,), dtype=bool
        The representatives of the clusters. Where those of a cluster are structurally
        equivalent, no node that is equivalent to them is taken: one has to stay.
    deferred : ndarray of shape (n_nodes,), dtype=bool
        Nodes that are taken after all others.
    classes : ndarray of shape (n_nodes,)
        Equivalence class of each node.
    n_candidates : int
        Maximum number of candidates.

    Returns
    -------
    candidates : ndarray of shape (n_taken,), dtype=int64
        Nodes, ordered by cluster.
    candidate_ends : ndarray of shape (n_clusters + 1,), dtype=int64
        The candidates of cluster c are
        `candidates[candidate_ends[c]:candidate_ends[c + 1]]`.
    """
    labels, similarities, members, ends = clusters
    n_clusters = len(ends) - 1
    only_class = _only_classes(labels, is_fixed, classes, n_clusters)
    largest = 0
    for c in range(n_clusters):
        largest = max(largest, ends[c + 1] - ends[c])
    taken = np.zeros(len(labels), np.bool_)
    n_taken = 0
    in_turn = np.empty(n_clusters, np.int64)
    for late in range(2):
        for turn in range(largest):
            n_in_turn = 0
            for c in range(n_clusters):
                place = ends[c + 1] - 1 - turn
                if place < ends[c]:
                    continue
                i = members[place]
                if deferred[i] == (late == 1) and classes[i] != only_class[c]:
                    in_turn[n_in_turn] = i
                    n_in_turn += 1
            farthest = in_turn[:n_in_turn]
            if n_taken + n_in_turn > n_candidates:
                order = argsort(similarities[farthest])
                farthest = farthest[order[: n_candidates - n_taken]]
            taken[farthest] = True
            n_taken += len(farthest)
            if n_taken == n_candidates:
                break
        if n_taken == n_candidates:
            break
    return _by_cluster(taken, members, ends)


@jit
def _only_classes(labels, is_fixed, classes, n_clusters):
    """Find the class of each cluster's fixed nodes: -1 for none, -2 for several."""
    only_class = np.full(n_clusters, -1, np.int64)
    for i in range(len(labels)):
        if is_fixed[i] and only_class[labels[i]] != classes[i]:
            only_class[labels[i]] = classes[i] if only_class[labels[i]] == -1 else -2
    return only_class


@jit
def _by_cluster(taken, members, ends):
    """List the nodes that are taken by cluster, with the ends of the clusters."""
    n_clusters = len(ends) - 1
    candidates = np.empty(np.count_nonzero(taken), np.int64)
    candidate_ends = np.zeros(n_clusters + 1, np.int64)
    n_taken = 0
    for c in range(n_clusters):
        for place in range(ends[c], ends[c + 1]):
            if taken[members[place]]:
                candidates[n_taken] = members[place]
                n_taken += 1
        candidate_ends[c + 1] = n_taken
    return candidates, candidate_ends


@jit
def candidate_gains(data, clusters, candidates, candidate_ends):
    """Sum the gain in similarity of each candidate's cluster if it were the centre.

    Parameters
    ----------
    data : ProfileInput
        The graph and the node features.
    clusters : Clusters
        The partition.
    candidates, candidate_ends : ndarray
        Candidates by cluster, as `take_candidates` returns them.

    Returns
    -------
    gains : ndarray of shape (n_candidates,), dtype=float64
        Sum over the members u of the candidate's cluster of
        max(similarity(u, candidate) - similarity(u, mean), 0).
    """
    labels, similarities, members, ends = clusters
    n_clusters = len(ends) - 1
    gains = np.zeros(len(candidates))
    scratch, cols, values = _allocate(n_clusters, 2 * n_clusters + data.n_features)
    for cluster in range(n_clusters):
        first, last = candidate_ends[cluster], candidate_ends[cluster + 1]
        if first == last:
            continue
        table, sums = _write_table(
            data, labels, n_clusters, candidates[first:last], scratch, cols, values
        )
        n_padded = len(sums)
        shared = np.zeros(n_padded, np.float32)
        gained = np.zeros(n_padded)
        for u in range(ends[cluster], ends[cluster + 1]):
            i = members[u]
            total = data.totals[i]
            if total == 0.0:
                continue
            n_entries = _write_profile(
                i, data, labels, n_clusters, scratch, cols, values
            )
            _add_minima(n_entries, cols, values, table, shared)
            for k in range(n_padded):
                similarity = shared[k] / (total + sums[k] - shared[k])
                gained[k] += max(similarity - similarities[i], np.float32(0.0))
                shared[k] = np.float32(0.0)
        for k in range(last - first):
            gains[first + k] = gained[k]
    return gains


@jit
def _write_table(data, labels, n_clusters, nodes, scratch, cols, values):
    """Write the profiles of nodes side by side, and their sums (1 where empty)."""
    n_padded = _padded(len(nodes), LANES)
    table = np.zeros((2 * n_clusters + data.n_features, n_padded), np.float32)
    sums = np.ones(n_padded, np.float32)
    for k in range(len(nodes)):
        n_entries = _write_profile(
            nodes[k], data, labels, n_clusters, scratch, cols, values
        )
        for m in range(n_entries):
            table[cols[m], k] = values[m]
        if n_entries > 0:
            sums[k] = data.totals[nodes[k]]
    return table, sums


@jit
def mean_distance(data, labels, n_clusters, groups, n_groups):
    """Average the Jaccard distance of the nodes from the mean profile of their group.

    Parameters are those of `mean_profiles`. The distance of an empty profile is 0.
    """
    means = mean_profiles(data, labels, n_clusters, groups, n_groups)
    mean_sums = _column_sums(means)
    scratch, cols, values = _allocate(n_clusters, means.shape[0])
    distance = 0.0
    for i in range(len(labels)):
        total = data.totals[i]
        if total == 0.0:
            continue
        n_entries = _write_profile(i, data, labels, n_clusters, scratch, cols, values)
        group = groups[i]
        shared = 0.0
        for m in range(n_entries):
            shared += min(values[m], means[cols[m], group])
        distance += max(1.0 - shared / (total + mean_sums[group] - shared), 0.0)
    return distance / len(labels)
