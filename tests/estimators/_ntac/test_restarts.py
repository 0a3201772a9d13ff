"""Restarts of NtacClusterer: starts, growth, agreement, equivalence classes."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joblib import Parallel
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from celltyping.estimators._ntac import restarts
from celltyping.estimators._ntac.growth import GrowthParams, Run
from tests import _reference as reference

ROUNDS = GrowthParams(n_representatives=5, candidate_fraction=0.1, max_iter=4)


@pytest.fixture(scope="module")
def graph():
    """Return a random graph of 60 nodes without features, for the kernels."""
    rng = np.random.default_rng(0)
    adjacency = rng.uniform(0.5, 1.5, (60, 60)) * (rng.random((60, 60)) < 0.2)
    return reference.as_graph_input(adjacency)


def grow(graph, params, n_clusters, previous=None, verbose=False):
    """Grow runs with a seed, on one thread."""
    return restarts.grow_runs(
        graph,
        np.arange(60),
        params,
        n_clusters,
        previous,
        np.random.RandomState(0),
        Parallel(n_jobs=1),
        verbose,
    )


def test_resolve_auto(subtests):
    cases = [
        (("greedy", "auto", "auto", "auto"), ("greedy", 5, 1.1, (0.0, 1.0))),
        (("spectral", "auto", "auto", "auto"), ("spectral", 4, 1.7, (0.0, 1.0))),
        (("greedy", 1, 2, "auto"), ("greedy", 1, 2.0, (0.0,))),
        (("spectral", 3, 1.5, 0.7), ("spectral", 3, 1.5, (0.7,))),
    ]
    for options, expected in cases:
        with subtests.test(options=options):
            assert restarts.resolve_auto(*options, ROUNDS) == (*expected, ROUNDS)


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
def test_equivalence_classes_are_equal_rows(seed, n_features):
    rng = np.random.default_rng(seed)
    copies = rng.integers(0, 6, 15)
    adjacency = rng.integers(0, 2, (6, 6))[copies][:, copies]
    adjacency = adjacency * rng.choice([0.1, 1.0])
    features = rng.integers(0, 2, (15, n_features))
    graph = reference.as_graph_input(adjacency, features)
    classes = restarts.equivalence_classes(graph)
    rows = np.hstack([adjacency, adjacency.T, features])
    _, expected = np.unique(rows, axis=0, return_inverse=True)
    expected = expected.ravel()
    assert len(set(zip(classes, expected, strict=True))) == expected.max() + 1
    assert np.unique(classes).tolist() == list(range(expected.max() + 1))


@pytest.mark.parametrize("init", ["greedy", "spectral"])
def test_all_runs_have_the_same_sizes(graph, init):
    for n_clusters in (1, 5, 9, 20, 40, 60):
        params = restarts.resolve_auto(init, 3, "auto", 0.0, ROUNDS)
        runs, correction = grow(graph, params, n_clusters)
        assert correction == 0.0
        assert {run.sizes for run in runs} == {runs[0].sizes}
        assert runs[0].sizes[0] == {"greedy": 1, "spectral": 16}[init]
        assert runs[0].sizes[-1] >= min(2 * n_clusters, 60)


def test_all_runs_but_the_first_defer_a_fifth_of_the_nodes(graph):
    runs, _ = grow(graph, restarts.resolve_auto("greedy", 4, "auto", 0.0, ROUNDS), 5)
    deferred = np.array([run.deferred for run in runs])
    assert deferred.sum(axis=1).tolist() == [0, 12, 12, 12]
    assert len(np.unique(deferred, axis=0)) == 4
    fewer, _ = grow(graph, restarts.resolve_auto("greedy", 2, "auto", 0.0, ROUNDS), 5)
    assert (fewer[1].deferred == deferred[1]).all()


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
    params = restarts.resolve_auto(init, 5, "auto", correction, ROUNDS)
    previous = grow(graph, params, 9, verbose=True)
    more = grow(graph, params, 20, previous)
    grow(graph, params, 3, more)
    assert [bar.n for bar in bars] == [bar.total for bar in bars]
    assert min(bars[0].n, bars[1].n) > bars[2].n == 0
    assert [bar.options["verbose"] for bar in bars] == [True, False, False]


def test_previous_runs_are_not_changed(graph):
    params = restarts.resolve_auto("greedy", 2, "auto", 1.0, ROUNDS)
    previous = grow(graph, params, 4)
    before = [(run.sizes, run.partitions) for run in previous[0]]
    runs, correction = grow(graph, params, 9, previous)
    assert correction == 1.0
    assert [(run.sizes, run.partitions) for run in previous[0]] == before
    fresh, _ = grow(graph, params, 9)
    for one, other in zip(runs, fresh, strict=True):
        assert one.sizes == other.sizes
        for a, b in zip(one.partitions, other.partitions, strict=True):
            assert (a == b).all()


# --------------------------------------------------------------------- spectral start


def as_csr(adjacency):
    return sparse.csr_array(np.asarray(adjacency, dtype=np.float32))


def blocks(n_blocks=4, size=30, chance=0.5, seed=0):
    """Make a graph in which block i sends edges to block i + 1, and the blocks."""
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.repeat(np.arange(n_blocks), size))
    sends = (truth[:, np.newaxis] + 1) % n_blocks == truth
    edges = rng.random(sends.shape) < np.where(sends, chance, 0.02)
    return as_csr(edges * rng.integers(1, 5, sends.shape)), truth


def test_blocks_of_a_directed_graph():
    adjacency, truth = blocks()
    partitions = restarts.spectral_partitions(adjacency, 4, [0, 1, 2])
    assert len(partitions) == 3
    for labels in partitions:
        assert labels.dtype == np.uint32
        assert labels.shape == (120,)
        assert adjusted_rand_score(truth, labels) > 0.95


def test_in_edges_count_as_much_as_out_edges():
    # The nodes of one half have similar out-edges, and different in-edges.
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2], 30)
    adjacency = np.zeros((90, 90))
    adjacency[:60, 60:] = rng.random((60, 30)) < 0.5
    adjacency[60:75, :30] = adjacency[75:, 30:60] = 1
    partition = restarts.spectral_partitions(as_csr(adjacency), 4, [0])[0]
    assert adjusted_rand_score(truth[:60], partition[:60]) == 1


def test_the_coordinates_are_singular_vectors_of_the_laplacian(monkeypatch):
    adjacency, _ = blocks()
    seen = []

    class Spy(KMeans):
        def fit_predict(self, X):
            seen.append((self.get_params(), X))
            return super().fit_predict(X)

    monkeypatch.setattr(restarts, "KMeans", Spy)
    restarts.spectral_partitions(adjacency, 5, [7, 8])
    assert [params["random_state"] for params, _ in seen] == [7, 8]
    assert all(params["n_clusters"] == 5 for params, _ in seen)
    dense = adjacency.toarray().astype(float)
    strength = dense.sum() / 120
    left = 1 / np.sqrt(dense.sum(axis=1) + strength)
    right = 1 / np.sqrt(dense.sum(axis=0) + strength)
    u, values, vt = np.linalg.svd(left[:, np.newaxis] * dense * right)
    # The leading four are far from the others, so that a random projection finds them.
    for side, vectors in [(slice(0, 8), u), (slice(8, 16), vt.T)]:
        found = seen[0][1][:, side][:, :4]
        expected = vectors[:, :4] * np.sqrt(values[:4])
        np.testing.assert_allclose(
            found @ found.T, expected @ expected.T, rtol=1e-2, atol=1e-3
        )


def test_seeds_decide_and_nothing_else():
    adjacency, _ = blocks(chance=0.1)
    one = restarts.spectral_partitions(adjacency, 16, [0, 1, 2])
    other = restarts.spectral_partitions(adjacency, 16, [0, 1, 2])
    for a, b in zip(one, other, strict=True):
        assert (a == b).all()
    assert adjusted_rand_score(one[0], one[1]) < 1


def test_more_runs_do_not_change_the_first_ones():
    adjacency, _ = blocks(chance=0.1)
    few = restarts.spectral_partitions(adjacency, 16, [4, 5])
    many = restarts.spectral_partitions(adjacency, 16, [4, 5, 6])
    for a, b in zip(few, many[:2], strict=True):
        assert (a == b).all()


@pytest.mark.parametrize("index_dtype", [np.int32, np.int64])
def test_the_graph_is_not_changed(index_dtype):
    adjacency, _ = blocks()
    adjacency.indices = adjacency.indices.astype(index_dtype)
    adjacency.indptr = adjacency.indptr.astype(index_dtype)
    before = adjacency.copy()
    for part in (adjacency.data, adjacency.indices, adjacency.indptr):
        part.flags.writeable = False
    labels = restarts.spectral_partitions(adjacency, 4, [0])[0]
    assert (adjacency != before).nnz == 0
    assert (
        labels.tolist() == restarts.spectral_partitions(blocks()[0], 4, [0])[0].tolist()
    )


def test_odd_graphs(subtests):
    cases = [
        (np.eye(1), 1, 1),  # one node
        (np.zeros((5, 5)), 3, 1),  # no edge: node features alone
        (np.eye(20, k=1), 16, 16),  # a chain, with nodes that only send or receive
        (np.diag([1.0] * 4 + [0.0] * 4), 3, 3),  # isolated nodes and self loops
        (np.full((6, 6), 1e-30) + np.diag([1e25] * 3 + [0] * 3), 2, 2),
    ]
    for adjacency, n_clusters, n_found in cases:
        with subtests.test(adjacency=adjacency, n_clusters=n_clusters, n_found=n_found):
            for labels in restarts.spectral_partitions(
                as_csr(adjacency), n_clusters, [0, 1]
            ):
                n_own = labels.max() + 1
                assert np.unique(labels).tolist() == list(range(n_own))  # none is empty
                assert n_own == n_found


def test_there_may_be_more_clusters_wanted_than_nodes_that_differ():
    for labels in restarts.spectral_partitions(as_csr(np.ones((9, 9))), 4, [0, 1]):
        assert labels.max() < 4
        assert np.bincount(labels).min() > 0
