"""Restarts of the divisive clustering: starts, degree correction and growth."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import math
import warnings
from itertools import combinations
from typing import NamedTuple

import numpy as np
from joblib import delayed
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score
from sklearn.utils.extmath import randomized_svd
from threadpoolctl import threadpool_limits

from celltyping._utils._progress import progress_bar
from celltyping.estimators._ntac import consensus, growth

# Values of "auto". On the larva, four greedy runs find less, and eight the same.
N_INIT = {"greedy": 5, "spectral": 4}
GROWTH = {"greedy": 1.1, "spectral": 1.7}

# Number of clusters of the spectral start. It does not depend on the number that is
# wanted, so that a partition is the same whether a run stops there or goes on.
SPECTRAL_CLUSTERS = 16

# Number of singular vectors per side. On the larva, 16 are a little worse than 8.
N_COMPONENTS = 8

# Fraction of the nodes that become centres last, in all runs but the first. It makes
# the runs differ; on the larva, a twentieth and a half do worse.
DEFERRED = 0.2

# Number of runs with which the two degree corrections are compared.
N_PILOTS = 3

# Shares are compared instead of amounts if the runs then agree by this much more (mean
# adjusted Rand index). On the larva, where amounts are right, the difference is -0.07
# to 0.08 at 59 and 100 clusters; in simulated brains where amounts find nothing, it is
# 0.2 to 0.5.
MARGIN = 0.1


class RestartParams(NamedTuple):
    """Parameters of the runs, without "auto"."""

    init: str
    n_init: int
    growth: float
    corrections: tuple  # degree corrections to choose from
    rounds: growth.GrowthParams

    @property
    def n_pilots(self):
        """Number of runs that are grown with each degree correction."""
        return min(self.n_init, N_PILOTS) if len(self.corrections) > 1 else 0


def resolve_auto(init, n_init, growth, degree_correction, rounds):
    """Replace "auto" in the parameters of `NtacClusterer`; return RestartParams."""
    n_init = N_INIT[init] if n_init == "auto" else n_init
    growth = GROWTH[init] if growth == "auto" else growth
    corrections = (degree_correction,)
    if degree_correction == "auto":
        corrections = (0.0, 1.0) if n_init > 1 else (0.0,)
    return RestartParams(init, n_init, float(growth), corrections, rounds)


def grow_runs(
    graph, classes, params, n_clusters, previous, random_state, parallel, verbose
):
    """Grow all runs to twice the wanted number of clusters.

    Parameters
    ----------
    graph : GraphInput
        Edges and node features; every node has an edge or a feature.
    classes : ndarray of shape (n_nodes,)
        Equivalence class of each node, see `equivalence_classes`.
    params : RestartParams
        Parameters of the runs.
    n_clusters : int
        Wanted number of clusters, at most the number of classes.
    previous : tuple or None
        Result of this function for another number of clusters, to continue from.
    random_state : RandomState
        Source of the differences between the runs.
    parallel : joblib.Parallel
        Distributes the runs.
    verbose : bool
        Whether to show a progress bar.

    Returns
    -------
    runs : list of Run
        Runs of the same sizes, which depend on `params` and the graph alone.
    degree_correction : float
        The chosen correction.
    """
    limit = int(classes.max()) + 1
    first = min(SPECTRAL_CLUSTERS if params.init == "spectral" else 1, limit)
    target = math.ceil(consensus.FINEST * n_clusters)
    sizes = growth.schedule(first, params.growth, target, limit)
    pilot_sizes = growth.schedule(first, params.growth, n_clusters, limit)
    total = params.n_init * sizes[-1]
    if previous is None:
        total += params.n_pilots * pilot_sizes[-1]
    else:
        total -= sum(run.sizes[-1] for run in previous[0])
    with progress_bar(
        max(total, 0), description="NTAC clusters of all runs", verbose=verbose
    ) as bar:
        if previous is None:
            starts = _start_partitions(graph.adjacency, first, params, random_state)
            previous = _begin_runs(
                graph, starts, classes, params, pilot_sizes, parallel, bar
            )
        runs, correction = previous
        data = growth.profile_input(graph, correction)
        runs = parallel(
            delayed(growth.grow)(data, run, sizes, classes, params.rounds, bar)
            for run in runs
        )
    return runs, correction


def _begin_runs(graph, starts, classes, params, pilot_sizes, parallel, bar):
    """Begin runs with the degree correction for which the pilots agree best.

    The pilots are grown to `pilot_sizes`. The other parameters and the result are those
    of `grow_runs`.
    """
    n_pilots = params.n_pilots
    candidates = []
    for correction in params.corrections:
        data = growth.profile_input(graph, correction)
        runs = [growth.start_run(data, *start, params.rounds) for start in starts]
        bar.update(sum(run.sizes[-1] for run in runs[:n_pilots]))
        runs[:n_pilots] = parallel(
            delayed(growth.grow)(data, run, pilot_sizes, classes, params.rounds, bar)
            for run in runs[:n_pilots]
        )
        candidates.append((runs, float(correction)))
    best = 0
    if n_pilots > 0:
        amounts, shares = (
            agreement(runs[:n_pilots], pilot_sizes[-1]) for runs, _ in candidates
        )
        best = int(shares > amounts + MARGIN)
    bar.update(sum(run.sizes[-1] for run in candidates[best][0][n_pilots:]))
    return candidates[best]


def _start_partitions(adjacency, n_clusters, params, random_state):
    """Return the start of each run: cluster of each node, and the deferred nodes."""
    n_nodes = adjacency.shape[0]
    seeds = random_state.randint(np.iinfo(np.int32).max, size=params.n_init)
    partitions = [np.zeros(n_nodes, dtype=np.uint32)] * params.n_init
    if params.init == "spectral":
        partitions = spectral_partitions(adjacency, n_clusters, seeds)
    deferred = np.zeros((params.n_init, n_nodes), dtype=bool)
    for own, seed in zip(deferred[1:], seeds[1:], strict=True):
        order = np.random.RandomState(seed).permutation(n_nodes)
        own[order[: int(DEFERRED * n_nodes)]] = True
    return list(zip(partitions, deferred, strict=True))


def spectral_partitions(adjacency, n_clusters, seeds):
    """Partition the nodes of a directed graph by spectral co-clustering (DI-SIM).

    Returns, for each seed, a partition into at most `n_clusters` clusters, none empty.

    Notes
    -----
    k-means on the left and right singular vectors of the regularised Laplacian
    D_out^(-1/2) A D_in^(-1/2) [1]_. The mean strength of a node is added to both D. One
    thread: the order of a sum would depend on their number.

    References
    ----------
    .. [1] K. Rohe, T. Qin, B. Yu (2016). Co-clustering directed graphs to discover
       asymmetries and directional communities. PNAS 113, 12679-12684.
       :doi:`10.1073/pnas.1525793113`
    """
    strength = adjacency.sum() / adjacency.shape[0] or 1.0  # no edge, only features
    left = sparse.diags_array((adjacency.sum(axis=1) + strength) ** -0.5)
    right = sparse.diags_array((adjacency.sum(axis=0) + strength) ** -0.5)
    partitions = []
    with threadpool_limits(limits=1):
        u, values, vt = randomized_svd(
            sparse.csr_array(left @ adjacency.astype(np.float64) @ right),
            min(N_COMPONENTS, adjacency.shape[0]),
            n_iter=4,
            random_state=seeds[0],
        )
        coordinates = np.hstack([u, vt.T]) * np.sqrt(np.tile(values, 2))
        for seed in seeds:
            kmeans = KMeans(n_clusters, n_init=1, max_iter=20, random_state=seed)
            with warnings.catch_warnings():
                # With fewer distinct points than clusters there are fewer clusters.
                warnings.simplefilter("ignore", ConvergenceWarning)
                labels = kmeans.fit_predict(coordinates)
            partitions.append(growth.compact(labels))
    return partitions


def agreement(runs, n_clusters):
    """Average the adjusted Rand index over all pairs of runs; NaN for one run.

    The partitions of the first size that reaches `n_clusters` are compared.
    """
    size = next(size for size in runs[0].sizes if size >= n_clusters)
    pairs = list(combinations([run.at(size) for run in runs], 2))
    if not pairs:
        return np.nan
    return float(np.mean([adjusted_rand_score(*pair) for pair in pairs]))


def equivalence_classes(graph):
    """Return the class of each node; equivalent nodes have the same edges and features.

    Rows (of sorted indices) are compared by their sums with random weights: equal rows
    have equal sums to the bit, and different ones practically never.
    """
    weights = np.random.RandomState(0)
    sums = [
        matrix @ weights.uniform(1, 2, matrix.shape[1])
        for matrix in (graph.adjacency, graph.transpose, graph.features)
    ]
    _, classes = np.unique(np.column_stack(sums), axis=0, return_inverse=True)
    return classes.ravel()
