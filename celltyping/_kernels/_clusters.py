"""Kernels that compare nodes with clusters of nodes, without storing a profile.

A node's profile says how much it gets from, and gives to, each cluster. It is counted
when it is needed, into an array that stays in the first cache. The mean profiles of all
clusters come from one sweep over the edges. They lie column by column with the clusters
side by side, so that one entry of a profile meets all clusters in a few vector
instructions.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from typing import NamedTuple

import numpy as np

from celltyping._kernels._jit import jit

# Rows that stand side by side are padded to a multiple of this many, so that no vector
# loop has a rest.
LANES = 16

# Where at most this share of the nodes moves, the sums of profiles move along. That
# takes eight updates per edge of a moved node, and to sum up anew two per edge of all.
MANY = 0.2


class Wires(NamedTuple):
    """The graph by source and by target, and the node features, as CSR arrays."""

    out_ptr: np.ndarray
    out_nodes: np.ndarray
    out_weights: np.ndarray
    in_ptr: np.ndarray
    in_nodes: np.ndarray
    in_weights: np.ndarray
    feature_ptr: np.ndarray
    feature_cols: np.ndarray
    feature_values: np.ndarray
    n_features: int
    scale: np.ndarray  # per node, what the weights of its profile are multiplied by
    totals: np.ndarray  # per node, the sum of its profile


@jit
def _write_profile(i, wires, labels, n_clusters, scratch, cols, values):
    """Write the entries of node i's profile, in the order in which its edges come.

    Cluster c of the in-partners is column c, of the out-partners `n_clusters` + c; the
    node features follow. `scratch` has 2 * n_clusters zeros before and after. Returns
    how many entries there are.
    """
    n_entries = 0
    for e in range(wires.in_ptr[i], wires.in_ptr[i + 1]):
        c = labels[wires.in_nodes[e]]
        cols[n_entries] = c  # without a branch, which would often be guessed wrongly
        n_entries += scratch[c] == 0.0
        scratch[c] += wires.in_weights[e]
    for e in range(wires.out_ptr[i], wires.out_ptr[i + 1]):
        c = n_clusters + labels[wires.out_nodes[e]]
        cols[n_entries] = c
        n_entries += scratch[c] == 0.0
        scratch[c] += wires.out_weights[e]
    for m in range(n_entries):
        values[m] = scratch[cols[m]] * wires.scale[i]
        scratch[cols[m]] = 0.0
    for e in range(wires.feature_ptr[i], wires.feature_ptr[i + 1]):
        cols[n_entries] = 2 * n_clusters + wires.feature_cols[e]
        values[n_entries] = wires.feature_values[e]
        n_entries += 1
    return n_entries


@jit
def _add_minima(n_entries, cols, values, table, shared):
    """Add the minima of a profile with each of the rows side by side in `table`.

    Four entries at a time: a quarter of the visits to `shared`. Entries of 0 fill up.
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
def _room(n_cols):
    """Make room for a profile: its columns, its values, and some entries to fill up."""
    return np.empty(n_cols + 4, np.uint32), np.empty(n_cols + 4, np.float32)


@jit
def mean_profiles(wires, labels, n_clusters, groups, n_groups):
    """Average the profiles of the nodes of each group.

    Parameters
    ----------
    wires : Wires
        The graph and the node features.
    labels : ndarray of shape (n_nodes,), dtype=uint32
        Cluster of each node, to which the columns of a profile refer.
    n_clusters : int
        Number of clusters.
    groups : ndarray of shape (n_nodes,), dtype=uint32
        Group of each node, often its cluster again.
    n_groups : int
        Number of groups.

    Returns
    -------
    means : ndarray of shape (2 * n_clusters + n_features, n_padded), dtype=float32
        The mean profile of group g is column g; columns from `n_groups` on are 0.
    """
    return _divide(*_sum_profiles(wires, labels, n_clusters, groups, n_groups))


@jit
def _sum_profiles(wires, labels, n_clusters, groups, n_groups):
    """Sum up the profiles of the nodes of each group, and count the nodes."""
    n_padded = _padded(n_groups, LANES)
    sums = np.zeros((2 * n_clusters + wires.n_features, n_padded))
    sizes = np.zeros(n_padded)
    for i in range(len(labels)):
        cluster, group = labels[i], groups[i]
        sizes[group] += 1.0
        for e in range(wires.out_ptr[i], wires.out_ptr[i + 1]):
            partner = wires.out_nodes[e]
            weight = wires.out_weights[e]
            sums[n_clusters + labels[partner], group] += weight * wires.scale[i]
            sums[cluster, groups[partner]] += weight * wires.scale[partner]
        for e in range(wires.feature_ptr[i], wires.feature_ptr[i + 1]):
            column = 2 * n_clusters + wires.feature_cols[e]
            sums[column, group] += wires.feature_values[e]
    return sums, sizes


@jit
def _divide(sums, sizes):
    """Turn sums over groups into means; an empty group has 0."""
    means = np.zeros(sums.shape, np.float32)
    for k in range(len(sizes)):
        if sizes[k] > 0.0:
            for c in range(len(sums)):
                means[c, k] = sums[c, k] / sizes[k]
    return means


@jit
def _move_sums(i, new, wires, labels, n_clusters, sums, sizes):
    """Move one node to another cluster, and what it adds to the sums along with it."""
    old = labels[i]
    sizes[old] -= 1.0
    sizes[new] += 1.0
    for e in range(wires.in_ptr[i], wires.in_ptr[i + 1]):
        column = labels[wires.in_nodes[e]]
        _shift(sums[column], old, new, wires.in_weights[e] * wires.scale[i])
    for e in range(wires.out_ptr[i], wires.out_ptr[i + 1]):
        column = n_clusters + labels[wires.out_nodes[e]]
        _shift(sums[column], old, new, wires.out_weights[e] * wires.scale[i])
    for e in range(wires.feature_ptr[i], wires.feature_ptr[i + 1]):
        column = 2 * n_clusters + wires.feature_cols[e]
        _shift(sums[column], old, new, wires.feature_values[e])
    labels[i] = new  # now: where the node is its own partner, it is in the new cluster
    for e in range(wires.out_ptr[i], wires.out_ptr[i + 1]):
        partner = wires.out_nodes[e]
        weight = wires.out_weights[e] * wires.scale[partner]
        _shift(sums[:, labels[partner]], old, new, weight)
    for e in range(wires.in_ptr[i], wires.in_ptr[i + 1]):
        partner = wires.in_nodes[e]
        weight = wires.in_weights[e] * wires.scale[partner]
        _shift(sums[:, labels[partner]], n_clusters + old, n_clusters + new, weight)


@jit
def _shift(sums, old, new, weight):
    """Take a weight from one place and add it to another."""
    sums[old] -= weight
    sums[new] += weight


@jit
def _column_sums(table):
    """Sum the columns; an empty one gets 1, so that nothing divides by 0."""
    sums = np.zeros(table.shape[1])
    for c in range(table.shape[0]):
        for k in range(table.shape[1]):
            sums[k] += table[c, k]
    for k in range(table.shape[1]):
        if sums[k] == 0.0:
            sums[k] = 1.0
    return sums.astype(np.float32)


@jit
def move_to_nearest(wires, labels, stays, n_clusters):
    """Move every node to the cluster whose mean profile is most similar to its own.

    Parameters
    ----------
    wires : Wires
        The graph and the node features.
    labels : ndarray of shape (n_nodes,), dtype=uint32
        Cluster of each node.
    stays : ndarray of shape (n_nodes,), dtype=bool
        Nodes that stay where they are. So do those with an empty profile, and those to
        which no cluster is more similar than their own.
    n_clusters : int
        Number of clusters.

    Returns
    -------
    labels : ndarray of shape (n_nodes,), dtype=uint32
        New clusters.
    similarities : ndarray of shape (n_nodes,), dtype=float32
        Similarity to the mean, as it was before, of the cluster that a node is now in;
        1 where the profile is empty.
    """
    means = mean_profiles(wires, labels, n_clusters, labels, n_clusters)
    return _nearest(wires, labels, stays, n_clusters, means)


@jit
def _nearest(wires, labels, stays, n_clusters, means):
    """Do what `move_to_nearest` does, with given means."""
    n_padded = means.shape[1]
    mean_sums = _column_sums(means)
    scratch = np.zeros(2 * n_clusters)
    cols, values = _room(means.shape[0])
    shared = np.zeros(n_padded, np.float32)
    new_labels = labels.copy()
    similarities = np.ones(len(labels), np.float32)
    for i in range(len(labels)):
        total = wires.totals[i]
        if total == 0.0:
            continue
        n_entries = _write_profile(i, wires, labels, n_clusters, scratch, cols, values)
        _add_minima(n_entries, cols, values, means, shared)
        best = np.float32(0.0)
        for k in range(n_padded):
            shared[k] = shared[k] / (total + mean_sums[k] - shared[k])
            best = max(best, shared[k])
        own = shared[labels[i]]
        if own < best and not stays[i]:
            for k in range(n_clusters):
                if shared[k] == best:
                    new_labels[i] = np.uint32(k)
                    break
            own = best
        similarities[i] = min(own, np.float32(1.0))  # rounding can pass it
        shared[:] = 0.0
    return new_labels, similarities


@jit
def settle(wires, labels, stays, n_clusters, max_iter, tol):
    """Repeat `move_to_nearest` until few nodes move.

    Parameters
    ----------
    wires, labels, stays, n_clusters
        As in `move_to_nearest`.
    max_iter : int
        Largest number of passes, at least 1.
    tol : float
        The passes stop when at most this share of the nodes moves.

    Returns
    -------
    labels, similarities
        As `move_to_nearest` returns them, from the last pass.
    n_iter : int
        Number of passes.
    """
    sums, sizes = _sum_profiles(wires, labels, n_clusters, labels, n_clusters)
    n_iter = 0
    while True:
        means = _divide(sums, sizes)
        new_labels, similarities = _nearest(wires, labels, stays, n_clusters, means)
        n_iter += 1
        n_moved = np.count_nonzero(new_labels != labels)
        if n_moved <= tol * len(labels) or n_iter == max_iter:
            return new_labels, similarities, n_iter
        if n_moved > MANY * len(labels):
            sums, sizes = _sum_profiles(
                wires, new_labels, n_clusters, new_labels, n_clusters
            )
        else:
            labels = labels.copy()
            for i in range(len(labels)):
                if new_labels[i] != labels[i]:
                    _move_sums(i, new_labels[i], wires, labels, n_clusters, sums, sizes)
        labels = new_labels


@jit
def take_candidates(
    labels, similarities, members, ends, stays, barred, kinds, n_candidates
):
    """Take the farthest node of each cluster, the second farthest, and so on.

    Parameters
    ----------
    labels : ndarray of shape (n_nodes,), dtype=uint32
        Cluster of each node.
    similarities : ndarray of shape (n_nodes,), dtype=float32
        Similarity of each node to the mean of its cluster.
    members : ndarray of shape (n_nodes,)
        The nodes by cluster, nearest to the mean first.
    ends : ndarray of shape (n_clusters + 1,)
        The members of cluster c are `members[ends[c]:ends[c + 1]]`.
    stays : ndarray of shape (n_nodes,), dtype=bool
        The nodes that represent their cluster. Where all of them are of one kind, no
        node of that kind is taken: one has to stay.
    barred : ndarray of shape (n_nodes,), dtype=bool
        Nodes that are taken after all others.
    kinds : ndarray of shape (n_nodes,)
        Nodes with the same number have the same wiring.
    n_candidates : int
        How many are taken, if there are so many.

    Returns
    -------
    candidates : ndarray of shape (n_taken,), dtype=int64
        Nodes, ordered by cluster.
    candidate_ends : ndarray of shape (n_clusters + 1,), dtype=int64
        Where each cluster's candidates end.
    """
    n_clusters = len(ends) - 1
    only_kind = np.full(n_clusters, -1, np.int64)  # of the representatives; -2: several
    for i in range(len(labels)):
        if stays[i] and only_kind[labels[i]] != kinds[i]:
            only_kind[labels[i]] = kinds[i] if only_kind[labels[i]] == -1 else -2
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
                if barred[i] == (late == 1) and kinds[i] != only_kind[c]:
                    in_turn[n_in_turn] = i
                    n_in_turn += 1
            farthest = in_turn[:n_in_turn]
            if n_taken + n_in_turn > n_candidates:
                order = np.argsort(similarities[farthest], kind="mergesort")
                farthest = farthest[order[: n_candidates - n_taken]]
            taken[farthest] = True
            n_taken += len(farthest)
            if n_taken == n_candidates:
                break
        if n_taken == n_candidates:
            break
    candidates = np.empty(n_taken, np.int64)
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
def candidate_gains(
    wires, labels, n_clusters, similarities, members, ends, candidates, candidate_ends
):
    """Sum up how much nearer the nodes of its cluster are to a candidate than now.

    Parameters
    ----------
    wires : Wires
        The graph and the node features.
    labels : ndarray of shape (n_nodes,), dtype=uint32
        Cluster of each node.
    n_clusters : int
        Number of clusters.
    similarities : ndarray of shape (n_nodes,), dtype=float32
        Similarity of each node to the mean of its cluster.
    members : ndarray of shape (n_nodes,)
        All nodes, ordered by cluster.
    ends : ndarray of shape (n_clusters + 1,)
        The members of cluster c are `members[ends[c]:ends[c + 1]]`.
    candidates : ndarray of shape (n_candidates,)
        Candidates, ordered by cluster.
    candidate_ends : ndarray of shape (n_clusters + 1,)
        Where each cluster's candidates end.

    Returns
    -------
    gains : ndarray of shape (n_candidates,), dtype=float64
        Sum over the members u of the candidate's cluster of
        max(similarity(u, candidate) - similarity(u, mean), 0).
    """
    gains = np.zeros(len(candidates))
    n_cols = 2 * n_clusters + wires.n_features
    scratch = np.zeros(2 * n_clusters)
    cols, values = _room(n_cols)
    for cluster in range(n_clusters):
        first, last = candidate_ends[cluster], candidate_ends[cluster + 1]
        if first == last:
            continue
        n_padded = _padded(last - first, LANES)
        table = np.zeros((n_cols, n_padded), np.float32)
        sums = np.ones(n_padded, np.float32)
        for k in range(last - first):
            candidate = candidates[first + k]
            n_entries = _write_profile(
                candidate, wires, labels, n_clusters, scratch, cols, values
            )
            for m in range(n_entries):
                table[cols[m], k] = values[m]
            if n_entries > 0:
                sums[k] = wires.totals[candidate]
        shared = np.zeros(n_padded, np.float32)
        gained = np.zeros(n_padded)
        for u in range(ends[cluster], ends[cluster + 1]):
            i = members[u]
            total = wires.totals[i]
            if total == 0.0:
                continue
            n_entries = _write_profile(
                i, wires, labels, n_clusters, scratch, cols, values
            )
            _add_minima(n_entries, cols, values, table, shared)
            for k in range(n_padded):
                similarity = shared[k] / (total + sums[k] - shared[k])
                gained[k] += max(similarity - similarities[i], np.float32(0.0))
                shared[k] = np.float32(0.0)
        gains[first:last] = gained[: last - first]
    return gains


@jit
def mean_distance(wires, labels, n_clusters, groups, n_groups):
    """Average the distance of the nodes from the mean profile of their group.

    Parameters
    ----------
    wires, labels, n_clusters, groups, n_groups
        As in `mean_profiles`.

    Returns
    -------
    distance : float
        Mean weighted Jaccard distance; that of an empty profile is 0.
    """
    means = mean_profiles(wires, labels, n_clusters, groups, n_groups)
    mean_sums = _column_sums(means)
    scratch = np.zeros(2 * n_clusters)
    cols, values = _room(means.shape[0])
    distance = 0.0
    for i in range(len(labels)):
        total = wires.totals[i]
        if total == 0.0:
            continue
        n_entries = _write_profile(i, wires, labels, n_clusters, scratch, cols, values)
        group = groups[i]
        shared = 0.0
        for m in range(n_entries):
            shared += min(values[m], means[cols[m], group])
        distance += max(1.0 - shared / (total + mean_sums[group] - shared), 0.0)
    return distance / len(labels)
