"""The runs of NtacClusterer: where they start and how far they agree."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import math
from itertools import combinations
from typing import NamedTuple

import numpy as np
from joblib import delayed
from sklearn.metrics import adjusted_rand_score

from celltyping._utils._progress import progress_bar
from celltyping.estimators._ntac import consensus
from celltyping.estimators._ntac import growth as _growth
from celltyping.estimators._ntac.spectral import spectral_partitions

# What "auto" means. On the larva, four greedy runs find less, and eight the same.
N_INIT = {"greedy": 5, "spectral": 4}
GROWTH = {"greedy": 1.1, "spectral": 1.7}

# Clusters of the spectral start. It does not depend on the number that is wanted, so
# that a partition is the same whether a run stops there or goes on.
SPECTRAL_CLUSTERS = 16

# All runs but the first make centres of this part of the nodes last. This makes them
# differ; on the larva, a twentieth and a half do worse.
BARRED = 0.2

# With so many runs each, amounts and shares are compared.
N_PILOTS = 3

# Shares are compared instead of amounts if the runs then agree by this much more (mean
# adjusted Rand index). On the larva, where amounts are right, the difference is -0.07
# to 0.08 at 59 and 100 clusters; in simulated brains where amounts find nothing, it is
# 0.2 to 0.5.
MARGIN = 0.1


class Plan(NamedTuple):
    """What the runs depend on, besides the graph and the seed."""

    init: str
    n_init: int
    growth: float
    corrections: tuple  # degree corrections to choose from
    rules: _growth.Rules


def plan(init, n_init, growth, degree_correction, rules):
    """Replace "auto" by what it means.

    Parameters
    ----------
    init, n_init, growth, degree_correction
        As in `NtacClusterer`.
    rules : Rules
        What a round depends on.

    Returns
    -------
    plan : Plan
        What the runs depend on.
    """
    n_init = N_INIT[init] if n_init == "auto" else n_init
    growth = GROWTH[init] if growth == "auto" else growth
    corrections = (degree_correction,)
    if degree_correction == "auto":
        corrections = (0.0, 1.0) if n_init > 1 else (0.0,)
    return Plan(init, n_init, float(growth), corrections, rules)


def grow_runs(graph, kinds, plan, n_wanted, begun, random_state, parallel, verbose):
    """Grow all runs to twice the wanted number of clusters.

    Where there are two degree corrections to choose from, some runs are grown to the
    wanted number with each, and those of one go on.

    Parameters
    ----------
    graph : tuple of csr_array
        Adjacency, its transpose, node features; every node has an edge or a feature.
    kinds : ndarray of shape (n_nodes,)
        As `number_kinds` returns them.
    plan : Plan
        What the runs depend on.
    n_wanted : int
        Number of clusters, at most the number of kinds.
    begun : tuple or None
        What this function returned for a smaller number, to go on from there.
    random_state : RandomState
        What the runs differ by.
    parallel : joblib.Parallel
        What the runs are shared among.
    verbose : bool
        Whether to show a progress bar.

    Returns
    -------
    runs : list of Run
        All at the same sizes; those depend on `plan` and the graph alone.
    degree_correction : float
        The one that was chosen.
    """
    n_kinds = int(kinds.max()) + 1
    first = min(SPECTRAL_CLUSTERS if plan.init == "spectral" else 1, n_kinds)
    enough = math.ceil(consensus.FINEST * n_wanted)
    sizes = _growth.schedule(first, plan.growth, enough, n_kinds)
    pilot_sizes = _growth.schedule(first, plan.growth, n_wanted, n_kinds)
    choose = begun is None and len(plan.corrections) > 1
    n_pilots = min(plan.n_init, N_PILOTS)
    to_grow = plan.n_init * sizes[-1] + choose * n_pilots * pilot_sizes[-1]
    if begun is not None:
        to_grow -= sum(run.sizes[-1] for run in begun[0])
    with progress_bar(
        max(to_grow, 0), description="NTAC clusters of all runs", verbose=verbose
    ) as bar:

        def grow(runs, sizes, correction):
            wires = _growth.wires_from_csr(*graph, correction)
            return parallel(
                delayed(_growth.grow)(wires, run, sizes, kinds, plan.rules, bar.update)
                for run in runs
            )

        if begun is None:
            starts = _starts(graph[0], first, plan, random_state)
            candidates = []
            for correction in plan.corrections:
                wires = _growth.wires_from_csr(*graph, correction)
                runs = [
                    _growth.start_run(wires, *start, plan.rules) for start in starts
                ]
                if choose:
                    bar.update(sum(run.sizes[-1] for run in runs[:n_pilots]))
                    runs[:n_pilots] = grow(runs[:n_pilots], pilot_sizes, correction)
                candidates.append(runs)
            best = 0
            if choose:
                amounts, shares = (
                    agreement(runs[:n_pilots], n_wanted) for runs in candidates
                )
                best = int(shares > amounts + MARGIN)
            begun = candidates[best], float(plan.corrections[best])
            others = begun[0][n_pilots if choose else 0 :]
            bar.update(sum(run.sizes[-1] for run in others))
        runs, correction = begun
        return grow(runs, sizes, correction), correction


def _starts(adjacency, first, plan, random_state):
    """Make the partitions that the runs start from, and bar nodes."""
    n_nodes = adjacency.shape[0]
    seeds = random_state.randint(np.iinfo(np.int32).max, size=plan.n_init)
    starts = [np.zeros(n_nodes, dtype=np.uint32)] * plan.n_init
    if plan.init == "spectral":
        starts = spectral_partitions(adjacency, first, seeds)
    all_barred = np.zeros((plan.n_init, n_nodes), dtype=bool)
    for barred, seed in zip(all_barred[1:], seeds[1:], strict=True):
        order = np.random.RandomState(seed).permutation(n_nodes)
        barred[order[: int(BARRED * n_nodes)]] = True
    return list(zip(starts, all_barred, strict=True))


def agreement(runs, n_clusters):
    """Average the adjusted Rand index over all pairs of runs.

    Parameters
    ----------
    runs : list of Run
        Runs that have come to at least so many clusters.
    n_clusters : int
        The partitions at the first size that reaches this are compared.

    Returns
    -------
    index : float
        Between -0.5 and 1; NaN for one run.
    """
    size = next(size for size in runs[0].sizes if size >= n_clusters)
    pairs = list(combinations([run.at(size) for run in runs], 2))
    if not pairs:
        return np.nan
    return float(np.mean([adjusted_rand_score(*pair) for pair in pairs]))


def number_kinds(adjacency, transpose, features):
    """Number the nodes such that those with equal edges and features have one number.

    Rows are compared by their sums with random weights: equal rows have equal sums to
    the bit, and different ones practically never.

    Parameters
    ----------
    adjacency, transpose : csr_array of shape (n_nodes, n_nodes)
        The graph by source and by target, indices sorted.
    features : csr_array of shape (n_nodes, n_features)
        Node features.

    Returns
    -------
    kinds : ndarray of shape (n_nodes,), dtype=int64
        Numbers from 0.
    """
    weights = np.random.RandomState(0)
    sums = [
        part @ weights.uniform(1, 2, part.shape[1])
        for part in (adjacency, transpose, features)
    ]
    _, kinds = np.unique(np.column_stack(sums), axis=0, return_inverse=True)
    return kinds.ravel()
