"""The runs of NtacClusterer: plans, agreement, and which nodes are alike."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joblib import Parallel
from scipy import sparse
from sklearn.metrics import adjusted_rand_score

from celltyping.estimators._ntac import restarts
from celltyping.estimators._ntac.growth import Rules, Run

RULES = Rules(n_representatives=5, candidate_fraction=0.1, max_iter=4)


@pytest.fixture(scope="module")
def graph():
    """Give a random graph of 60 nodes without features, for the kernels."""
    rng = np.random.default_rng(0)
    adjacency = rng.uniform(0.5, 1.5, (60, 60)) * (rng.random((60, 60)) < 0.2)
    tables = adjacency, adjacency.T, np.zeros((60, 0))
    return tuple(sparse.csr_array(table.astype(np.float32)) for table in tables)


def grow(graph, plan, n_wanted, begun=None, verbose=False):
    """Grow runs with a seed, on one thread."""
    return restarts.grow_runs(
        graph,
        np.arange(60),
        plan,
        n_wanted,
        begun,
        np.random.RandomState(0),
        Parallel(n_jobs=1),
        verbose,
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("greedy", "auto", "auto", "auto"), ("greedy", 5, 1.1, (0.0, 1.0))),
        (("spectral", "auto", "auto", "auto"), ("spectral", 4, 1.7, (0.0, 1.0))),
        (("greedy", 1, 2, "auto"), ("greedy", 1, 2.0, (0.0,))),
        (("spectral", 3, 1.5, 0.7), ("spectral", 3, 1.5, (0.7,))),
    ],
)
def test_a_plan_says_what_auto_means(given, expected):
    assert restarts.plan(*given, RULES) == (*expected, RULES)


def test_agreement_is_the_mean_adjusted_rand_index():
    rng = np.random.default_rng(0)
    parts = [rng.integers(0, 4, (2, 30)).astype(np.uint16) for _ in range(3)]
    runs = [Run((2, 4), tuple(part), None, None, 1) for part in parts]
    for n_clusters, place in [(1, 0), (2, 0), (3, 1), (4, 1)]:
        one, two, three = (part[place] for part in parts)
        pairs = [(one, two), (one, three), (two, three)]
        expected = np.mean([adjusted_rand_score(*pair) for pair in pairs])
        assert restarts.agreement(runs, n_clusters) == expected
    assert np.isnan(restarts.agreement(runs[:1], 2))


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_features=st.integers(0, 2))
def test_kinds_are_rows_that_differ(seed, n_features):
    rng = np.random.default_rng(seed)
    copies = rng.integers(0, 6, 15)
    adjacency = rng.integers(0, 2, (6, 6))[copies][:, copies]
    adjacency = adjacency * rng.choice([0.1, 1.0])
    features = rng.integers(0, 2, (15, n_features))
    tables = [adjacency, adjacency.T, features]
    kinds = restarts.number_kinds(*(sparse.csr_array(t, dtype=float) for t in tables))
    _, expected = np.unique(np.hstack(tables), axis=0, return_inverse=True)
    expected = expected.ravel()
    assert len(set(zip(kinds, expected, strict=True))) == expected.max() + 1
    assert np.unique(kinds).tolist() == list(range(expected.max() + 1))


@pytest.mark.parametrize("init", ["greedy", "spectral"])
def test_all_runs_have_the_same_sizes(graph, init):
    for n_wanted in (1, 5, 9, 20, 40, 60):
        plan = restarts.plan(init, 3, "auto", 0.0, RULES)
        runs, correction = grow(graph, plan, n_wanted)
        assert correction == 0.0
        assert {run.sizes for run in runs} == {runs[0].sizes}
        assert runs[0].sizes[0] == {"greedy": 1, "spectral": 16}[init]
        assert runs[0].sizes[-1] >= min(2 * n_wanted, 60)


def test_all_runs_but_the_first_bar_a_fifth_of_the_nodes(graph):
    runs, _ = grow(graph, restarts.plan("greedy", 4, "auto", 0.0, RULES), 5)
    barred = np.array([run.barred for run in runs])
    assert barred.sum(axis=1).tolist() == [0, 12, 12, 12]
    assert len(np.unique(barred, axis=0)) == 4
    fewer, _ = grow(graph, restarts.plan("greedy", 2, "auto", 0.0, RULES), 5)
    assert (fewer[1].barred == barred[1]).all()


@pytest.mark.parametrize("init", ["greedy", "spectral"])
@pytest.mark.parametrize("correction", ["auto", 0.5])
def test_the_bar_fills(graph, init, correction, monkeypatch):
    bars = []

    class Bar:
        def __init__(self, total, **options):
            self.total, self.n, self.options = total, 0, options
            bars.append(self)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            return None

        def update(self, n):
            assert n >= 0
            self.n += n

    monkeypatch.setattr(restarts, "progress_bar", Bar)
    plan = restarts.plan(init, 5, "auto", correction, RULES)
    begun = grow(graph, plan, 9, verbose=True)
    more = grow(graph, plan, 20, begun)
    grow(graph, plan, 3, more)
    assert [bar.n for bar in bars] == [bar.total for bar in bars]
    assert min(bars[0].n, bars[1].n) > bars[2].n == 0
    assert [bar.options["verbose"] for bar in bars] == [True, False, False]


def test_what_has_begun_is_not_changed(graph):
    plan = restarts.plan("greedy", 2, "auto", 1.0, RULES)
    begun = grow(graph, plan, 4)
    before = [(run.sizes, run.partitions) for run in begun[0]]
    runs, correction = grow(graph, plan, 9, begun)
    assert correction == 1.0
    assert [(run.sizes, run.partitions) for run in begun[0]] == before
    fresh, _ = grow(graph, plan, 9)
    for one, other in zip(runs, fresh, strict=True):
        assert one.sizes == other.sizes
        for a, b in zip(one.partitions, other.partitions, strict=True):
            assert (a == b).all()
