"""Divisive clustering of a graph in rounds that split the clusters which gain most."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import math
from typing import NamedTuple

import numpy as np

from celltyping._kernels._clusters import (
    Clusters,
    ProfileInput,
    candidate_gains,
    reassign,
    take_candidates,
)
from celltyping._kernels._csr import CSRGraph, CSRMatrix

# A round stops when at most this fraction of the nodes moves in a pass. Measured on the
# larva and on simulated brains: 0.001 takes up to a sixth longer and finds the same.
TOL = 0.01


class Run(NamedTuple):
    """The partitions of one run, from coarse to fine."""

    sizes: tuple  # numbers of clusters, ascending
    partitions: tuple  # cluster of each node, at each of these sizes
    similarities: np.ndarray  # of each node to its cluster's mean, at the last size
    deferred: np.ndarray  # nodes that become centres only when all others have
    n_iter: int  # maximum number of passes of a round

    def at(self, size):
        """Return the partition of this size."""
        return self.partitions[self.sizes.index(size)].astype(np.uint32)


class GrowthParams(NamedTuple):
    """Parameters of a round, as in `NtacClusterer`."""

    n_representatives: int
    candidate_fraction: float
    max_iter: int


def profile_input(graph, degree_correction):
    """Take the arrays of a GraphInput, and compute the scale of each node's profile."""
    sums, mean = strengths(graph)
    scale = degree_scale(sums, mean, degree_correction)
    return ProfileInput(
        CSRGraph.from_scipy(graph.adjacency, graph.transpose),
        CSRMatrix.from_scipy(graph.features),
        graph.features.shape[1],
        scale,
        (scale * sums + graph.features.sum(axis=1)).astype(np.float32),
    )


def strengths(graph):
    """Sum the weights of each node's edges, and average over nodes that have some."""
    sums = graph.adjacency.sum(axis=1, dtype=np.float64)
    sums += graph.transpose.sum(axis=1, dtype=np.float64)
    return sums, sums.sum() / max(np.count_nonzero(sums), 1)


def degree_scale(sums, mean, degree_correction):
    """Compute the factors (sums / mean) ** -degree_correction on profiles, as float32.

    `sums` are the strengths of nodes, and `mean` is their mean over the nodes of the
    graph that have edges. The factor of a node without edges is 1.
    """
    scale = np.ones(len(sums))
    np.divide(sums, mean, out=scale, where=sums > 0)
    largest = np.finfo(np.float32).max
    return np.minimum(scale**-degree_correction, largest).astype(np.float32)


def schedule(first, growth, target, limit):
    """List the numbers of clusters at which rounds end, from `first` to `target`.

    Sizes grow by the factor `growth`, at least by one. The last one is the first that
    reaches `target`, and none exceeds `limit`. Sizes up to a number do not depend on
    `target`.
    """
    sizes = [min(first, limit)]
    while sizes[-1] < min(target, limit):
        grown = max(int(growth * sizes[-1] + 0.5), sizes[-1] + 1)
        sizes.append(min(grown, limit))
    return sizes


def start_run(data, labels, deferred, params):
    """Begin a run from a partition: move its nodes to the nearest means.

    `labels` (uint32) has no empty cluster; `deferred` is a mask of nodes, as in `Run`.
    """
    labels, similarities, n_iter = _reassign(data, labels, deferred & False, params)
    labels = compact(labels)
    return Run(
        (int(labels.max()) + 1,), (_small(labels),), similarities, deferred, n_iter
    )


def grow(data, run, sizes, classes, params, bar):
    """Continue a run to larger numbers of clusters.

    Parameters
    ----------
    data : ProfileInput
        The graph and the node features.
    run : Run
        The run so far; it is not changed.
    sizes : list of int
        Numbers of clusters at which rounds end, ascending, at most the number of
        classes. A start with fewer clusters than the first size is not kept.
    classes : ndarray of shape (n_nodes,)
        Class of each node; structurally equivalent nodes, which have the same edges and
        features, have the same class, and nothing can distinguish them.
    params : GrowthParams
        Parameters of a round.
    bar : tqdm.tqdm
        Progress bar over the clusters that are added.

    Returns
    -------
    run : Run
        The longer run.
    """
    labels, similarities = run.partitions[-1].astype(np.uint32), run.similarities
    n_clusters, n_iter = run.sizes[-1], run.n_iter
    kept, partitions = list(run.sizes), list(run.partitions)
    if n_clusters < sizes[0]:
        kept, partitions = [], []  # no size that other runs have
    for size in sizes:
        if size <= n_clusters:
            continue
        while n_clusters < size:  # repeated where clusters yield too few centres
            clusters = sort_members(labels, similarities, n_clusters)
            is_fixed = choose_representatives(clusters, params.n_representatives)
            centres = _choose_centres(
                data,
                clusters,
                is_fixed,
                run.deferred,
                classes,
                params,
                size - n_clusters,
            )
            for centre in centres:
                # Equivalent nodes may follow the centre, and may not hold the old mean.
                equivalent = (classes == classes[centre]) & (labels == labels[centre])
                is_fixed[equivalent] = False
            labels = labels.copy()
            labels[centres] = np.arange(n_clusters, n_clusters + len(centres))
            is_fixed[centres] = True
            n_clusters += len(centres)
            labels, similarities, n_passes = _reassign(data, labels, is_fixed, params)
            n_iter = max(n_iter, n_passes)
            bar.update(len(centres))
        kept.append(n_clusters)
        partitions.append(_small(labels))
    return Run(tuple(kept), tuple(partitions), similarities, run.deferred, n_iter)


def _reassign(data, labels, is_fixed, params):
    """Let nodes move to the nearest mean."""
    n_clusters = int(labels.max()) + 1
    return reassign(data, labels, is_fixed, n_clusters, params.max_iter, TOL)


def sort_members(labels, similarities, n_clusters):
    """Sort nodes by cluster, and by falling similarity to the mean of the cluster."""
    sizes = np.bincount(labels, minlength=n_clusters)
    members = np.lexsort((-similarities, labels))
    return Clusters(
        labels, similarities, members, np.concatenate([[0], np.cumsum(sizes)])
    )


def choose_representatives(clusters, n_representatives):
    """Mark the nodes nearest to the mean of each cluster, at most half of it."""
    labels, _, members, ends = clusters
    rank = np.arange(len(labels)) - ends[labels[members]]
    limit = np.minimum(min(n_representatives, ends[-1]), (np.diff(ends) + 1) // 2)
    chosen = np.zeros(len(labels), dtype=bool)
    chosen[members[rank < limit[labels[members]]]] = True
    return chosen


def _choose_centres(data, clusters, is_fixed, deferred, classes, params, n_wanted):
    """Choose new centres, at most one per cluster: those with the largest gains."""
    labels = clusters.labels
    n_candidates = max(math.ceil(params.candidate_fraction * len(labels)), n_wanted)
    candidates, ends = take_candidates(
        clusters, is_fixed, deferred, classes, n_candidates
    )
    gains = candidate_gains(data, clusters, candidates, ends)
    by_gain = np.argsort(-gains, kind="stable")
    _, first = np.unique(labels[candidates[by_gain]], return_index=True)
    return candidates[by_gain[np.sort(first)[:n_wanted]]]


def compact(labels):
    """Number the clusters that have a member 0, 1, 2, ..., in their old order."""
    return np.unique(labels, return_inverse=True)[1].astype(np.uint32)


def _small(labels):
    """Store labels in half the memory where they fit."""
    return labels.astype(np.uint16) if labels.max() < 2**16 else labels
