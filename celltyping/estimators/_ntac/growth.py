"""From few clusters to many: rounds that split the clusters which gain most."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import math
from typing import NamedTuple

import numpy as np

from celltyping._kernels._clusters import (
    Wires,
    candidate_gains,
    settle,
    take_candidates,
)
from celltyping.estimators._ntac.propagation import _unsigned

# A round stops when at most this share of the nodes moves in a pass. Measured on the
# larva and on simulated brains: 0.001 takes up to a sixth longer and finds the same.
TOL = 0.01


class Run(NamedTuple):
    """One run of rounds, as far as it has come."""

    sizes: tuple  # numbers of clusters, ascending
    partitions: tuple  # cluster of each node, at each of these sizes
    similarities: np.ndarray  # of each node to its cluster's mean, at the last size
    barred: np.ndarray  # nodes that become centres only when all others have
    n_iter: int  # most passes of a round

    def at(self, size):
        """Return the partition into so many clusters."""
        return self.partitions[self.sizes.index(size)].astype(np.uint32)


class Rules(NamedTuple):
    """What a round depends on, besides the graph."""

    n_representatives: int
    candidate_fraction: float
    max_iter: int


def wires_from_csr(adjacency, transpose, features, degree_correction):
    """Take the arrays of a graph and of sparse node features, without copies.

    Parameters
    ----------
    adjacency, transpose : csr_array of shape (n_nodes, n_nodes)
        The graph by source and by target.
    features : csr_array of shape (n_nodes, n_features)
        Node features.
    degree_correction : float
        See `degree_scale`.

    Returns
    -------
    wires : Wires
        What the kernels of `_clusters` need.
    """
    arrays = [
        part
        for matrix in (adjacency, transpose, features)
        for part in (_unsigned(matrix.indptr), _unsigned(matrix.indices), matrix.data)
    ]
    sums, mean = strengths(adjacency, transpose)
    scale = degree_scale(sums, mean, degree_correction)
    totals = (scale * sums + features.sum(axis=1)).astype(np.float32)
    return Wires(*arrays, features.shape[1], scale, totals)


def strengths(adjacency, transpose):
    """Sum the weights of each node's edges, and average over nodes that have some."""
    sums = adjacency.sum(axis=1, dtype=np.float64)
    sums += transpose.sum(axis=1, dtype=np.float64)
    return sums, sums.sum() / max(np.count_nonzero(sums), 1)


def degree_scale(sums, mean, degree_correction):
    """Compute what the weights in a node's profile are multiplied by.

    Parameters
    ----------
    sums : ndarray of shape (n_nodes,)
        Sum of each node's weights.
    mean : float
        Their mean over the nodes of the graph that have edges.
    degree_correction : float
        Profiles are divided by sums ** degree_correction.

    Returns
    -------
    scale : ndarray of shape (n_nodes,), dtype=float32
        (sums / mean) ** -degree_correction, 1 for nodes without edges.
    """
    scale = np.ones(len(sums))
    np.divide(sums, mean, out=scale, where=sums > 0)
    most = np.finfo(np.float32).max
    return np.minimum(scale**-degree_correction, most).astype(np.float32)


def schedule(first, growth, enough, most):
    """List the numbers of clusters at which rounds end.

    Parameters
    ----------
    first : int
        Number of clusters at the start.
    growth : float
        Factor from one size to the next, which is at least one cluster more.
    enough : int
        The last size is the first one that reaches this.
    most : int
        No size is above this.

    Returns
    -------
    sizes : list of int
        Ascending sizes. Those up to a number are the same whatever `enough` is.
    """
    sizes = [min(first, most)]
    while sizes[-1] < min(enough, most):
        grown = max(int(growth * sizes[-1] + 0.5), sizes[-1] + 1)
        sizes.append(min(grown, most))
    return sizes


def start_run(wires, labels, barred, rules):
    """Begin a run from a partition without an empty cluster.

    Parameters
    ----------
    wires : Wires
        The graph and the node features.
    labels : ndarray of shape (n_nodes,), dtype=uint32
        Cluster of each node.
    barred : ndarray of shape (n_nodes,), dtype=bool
        Nodes that become centres only when all others have.
    rules : Rules
        What the rounds depend on.

    Returns
    -------
    run : Run
        A run with one partition: the one given, settled.
    """
    labels, similarities, n_iter = _settle(wires, labels, barred & False, rules)
    labels = compact(labels)
    size = int(labels.max()) + 1
    return Run((size,), (_small(labels),), similarities, barred, n_iter)


def grow(wires, run, sizes, kinds, rules, report):
    """Go on with a run.

    Parameters
    ----------
    wires : Wires
        The graph and the node features.
    run : Run
        What there is so far; it is not changed.
    sizes : list of int
        Numbers of clusters at which rounds end, ascending, at most the number of kinds.
        A start with fewer clusters than the first of them is not kept.
    kinds : ndarray of shape (n_nodes,)
        Number of each node's wiring: nodes with the same number have the same edges
        and features, so nothing can tell them apart.
    rules : Rules
        What the rounds depend on.
    report : callable
        Called after each round with the number of clusters that it added.

    Returns
    -------
    run : Run
        The longer run.
    """
    labels = run.partitions[-1].astype(np.uint32)
    similarities = run.similarities
    n_clusters = run.sizes[-1]
    done, partitions, most_passes = list(run.sizes), list(run.partitions), run.n_iter
    if n_clusters < sizes[0]:
        done, partitions = [], []  # no size that other runs have
    for size in sizes:
        if size <= n_clusters:
            continue
        while n_clusters < size:  # once, where each cluster gives at most one centre
            groups = choose_representatives(
                labels, similarities, n_clusters, rules.n_representatives
            )
            centres = _choose_centres(
                wires,
                labels,
                similarities,
                groups,
                run,
                kinds,
                rules,
                size - n_clusters,
            )
            stays = groups[0]
            for centre in centres:
                # Its twins may follow it, and none of them holds the old place.
                twins = (kinds == kinds[centre]) & (labels == labels[centre])
                stays[twins] = False
            labels = labels.copy()
            labels[centres] = np.arange(n_clusters, n_clusters + len(centres))
            stays[centres] = True
            n_clusters += len(centres)
            labels, similarities, n_iter = _settle(wires, labels, stays, rules)
            most_passes = max(most_passes, n_iter)
            report(len(centres))
        done.append(n_clusters)
        partitions.append(_small(labels))
    return Run(tuple(done), tuple(partitions), similarities, run.barred, most_passes)


def _settle(wires, labels, stays, rules):
    """Let nodes move to the nearest mean."""
    n_clusters = int(labels.max()) + 1
    return settle(wires, labels, stays, n_clusters, rules.max_iter, TOL)


def choose_representatives(labels, similarities, n_clusters, n_representatives):
    """Find the nodes nearest to the mean of each cluster, at most half of it.

    Parameters
    ----------
    labels : ndarray of shape (n_nodes,)
        Cluster of each node.
    similarities : ndarray of shape (n_nodes,)
        Similarity of each node to the mean of its cluster.
    n_clusters : int
        Number of clusters.
    n_representatives : int
        How many a cluster has at most.

    Returns
    -------
    chosen : ndarray of shape (n_nodes,), dtype=bool
        The representatives.
    members : ndarray of shape (n_nodes,)
        The nodes by cluster, nearest to the mean first.
    ends : ndarray of shape (n_clusters + 1,)
        The members of cluster c are `members[ends[c]:ends[c + 1]]`.
    """
    members = np.lexsort((-similarities, labels))
    sizes = np.bincount(labels, minlength=n_clusters)
    ends = np.concatenate([[0], np.cumsum(sizes)])
    place = np.arange(len(labels)) - ends[labels[members]]
    limit = np.minimum(n_representatives, (sizes + 1) // 2)
    chosen = np.zeros(len(labels), dtype=bool)
    chosen[members[place < limit[labels[members]]]] = True
    return chosen, members, ends


def _choose_centres(wires, labels, similarities, groups, run, kinds, rules, n_wanted):
    """Choose new centres, at most one per cluster: those with the largest gains."""
    stays, members, ends = groups
    n_candidates = max(math.ceil(rules.candidate_fraction * len(labels)), n_wanted)
    candidates, candidate_ends = take_candidates(
        labels, similarities, members, ends, stays, run.barred, kinds, n_candidates
    )
    gains = candidate_gains(
        wires,
        labels,
        len(ends) - 1,
        similarities,
        members,
        ends,
        candidates,
        candidate_ends,
    )
    by_gain = np.argsort(-gains, kind="stable")
    _, first = np.unique(labels[candidates[by_gain]], return_index=True)
    return candidates[by_gain[np.sort(first)[:n_wanted]]]


def compact(labels):
    """Number the clusters that have a member 0, 1, 2, ..., in their old order."""
    return np.unique(labels, return_inverse=True)[1].astype(np.uint32)


def _small(labels):
    """Keep labels in half the memory where they fit."""
    return labels.astype(np.uint16) if labels.max() < 2**16 else labels
