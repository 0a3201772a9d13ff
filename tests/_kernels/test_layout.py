"""Layout kernels against a plain implementation, vertex by vertex."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.datasets import make_blobs

from celltyping._kernels import _layout
from celltyping.transformers._embedding import layout
from celltyping.transformers._embedding.neighbors import fuzzy_graph, nearest_neighbors
from tests import _reference as reference

A, B = 1.6, 0.9
MASK = 2**64 - 1

# The hash multiplies modulo 2**64, of which numpy warns if kernels are not compiled.
pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")


def lay_out(start, graph, *, rate=5, strength=1.0, n_epochs=10, seed=0, **options):
    """Lay out a graph with the curve of `A` and `B`."""
    forces = layout.Forces(A, B, rate, strength)
    options |= {"n_epochs": n_epochs, "seed": seed}
    return layout.optimize_layout(graph, start, forces, **options)


def draw_graph(rng, n_vertices, density=0.3):
    """Draw a symmetric graph without a diagonal."""
    weights = rng.uniform(0.01, 1, (n_vertices, n_vertices))
    weights *= rng.random(weights.shape) < density
    weights = np.triu(weights, 1)
    return reference.as_csr(weights + weights.T)


def plain_hash(counter):
    """Compute the output of splitmix64 for a counter, with Python's integers."""
    bits = counter * 0x9E3779B97F4A7C15 & MASK
    bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EB & MASK
    return bits ^ (bits >> 31)


def plain_epoch(positions, graph, epoch, n_epochs, n_negatives, rate, strength, seed):
    """Move all vertices for one epoch, in double precision."""
    n_vertices = len(positions)
    key = plain_hash((plain_hash(seed) + epoch) & MASK)
    step = rate * (1 - epoch / n_epochs)
    moved = positions.astype(float)
    number = 0  # of an edge among those that are ever due
    for i, own in enumerate(moved):
        due = []
        for j, weight in zip(graph[[i]].indices, graph[[i]].data, strict=True):
            share = np.float32(weight / graph.data.max())
            if weight * n_epochs >= graph.data.max():
                share = float(share)
                if np.floor(share * (epoch + 1)) > np.floor(share * epoch):
                    due.append((number, j))
                number += 1
        for turn in range(2):
            for e, j in due:
                gap = own - positions[j]
                square = gap @ gap
                if square > 0:
                    pull = -2 * A * B * square ** (B - 1) / (1 + A * square**B)
                    own += step * np.clip(pull * gap, -4, 4)
                if turn == 0:
                    continue
                pushes = np.zeros_like(own)
                for s in range(n_negatives):
                    bits = plain_hash((key + e * n_negatives + s) & MASK)
                    r = (bits >> 32) * (n_vertices - 1) >> 32
                    gap = own - positions[r + (r >= i)]
                    square = gap @ gap
                    push = 2 * strength * B / (0.001 + square) / (1 + A * square**B)
                    pushes += np.clip(push * gap, -4, 4)
                own += step * pushes
    return moved


# ------------------------------------------------------------------------------ curve


@pytest.mark.parametrize(
    ("min_dist", "spread", "expected"),
    [  # what UMAP's users know of the defaults
        (0.1, 1.0, (1.577, 0.895)),
        (0.5, 1.0, (0.583, 1.334)),
        (0.001, 1.0, (1.929, 0.792)),
    ],
)
def test_known_curves(min_dist, spread, expected):
    np.testing.assert_allclose(layout.fit_curve(min_dist, spread), expected, atol=1e-3)


@given(share=st.floats(0, 1), spread=st.floats(0.01, 100))
@settings(max_examples=30, deadline=None)
def test_the_curve_is_near_its_target(share, spread):
    a, b = layout.fit_curve(share * spread, spread)
    x = np.linspace(0, 3 * spread, 50)
    target = np.where(
        x < share * spread, 1, np.exp(-np.maximum(x / spread - share, 0.0))
    )
    assert np.abs(1 / (1 + a * x ** (2 * b)) - target).max() < 0.16


@pytest.mark.pure_python
def test_the_tables_of_forces():
    attraction, repulsion = layout._tabulate(layout.Forces(A, B, 5, 0.7))
    squares = np.geomspace(1e-11, 1e11, 1000).astype(np.float32)
    read = [
        [_layout._look_up(table, s) for s in squares]
        for table in (attraction, repulsion)
    ]
    squares = squares.astype(float)
    np.testing.assert_allclose(
        read[0], -2 * A * B * squares ** (B - 1) / (1 + A * squares**B), rtol=2e-4
    )
    np.testing.assert_allclose(
        read[1], 1.4 * B / ((0.001 + squares) * (1 + A * squares**B)), rtol=2e-4
    )


@pytest.mark.parametrize("square", [0.0, 1e-30, 1e30, np.inf])
def test_beyond_the_tables_their_ends_count(square):
    table = layout._tabulate(layout.Forces(A, B, 5, 1.0))[1]
    end = table[0] if square < 1 else table[-1]
    assert _layout._look_up(table, np.float32(square)) == end


# ------------------------------------------------------------------------------ moves


@pytest.mark.pure_python
@pytest.mark.parametrize("n_dims", [1, 2, 3])
@pytest.mark.parametrize(("n_negatives", "seed"), [(0, 0), (4, 2**64 - 1)])
def test_epochs_agree_with_plain_ones(n_dims, n_negatives, seed):
    rng = np.random.default_rng(n_dims)
    graph = draw_graph(rng, 12)
    initial = reference.closed(rng.normal(0, 3, (12, n_dims)).astype(np.float32))
    initial_copy = initial.copy()
    expected = initial
    for epoch in range(3):
        # A small step, since rounding errors grow where moves overshoot.
        expected = plain_epoch(expected, graph, epoch, 3, n_negatives, 0.05, 0.7, seed)
    positions = lay_out(
        initial,
        graph,
        n_epochs=3,
        rate=n_negatives,
        learning_rate=0.05,
        strength=0.7,
        seed=seed,
    )
    assert positions.dtype == np.float32
    np.testing.assert_array_equal(initial, initial_copy)
    assert np.abs(expected - initial).max() > 0.01
    np.testing.assert_allclose(positions, expected, atol=1e-4)


def test_in_the_plane_as_in_general(monkeypatch):
    rng = np.random.default_rng(0)
    graph = draw_graph(rng, 100, density=0.1)
    initial = rng.normal(0, 5, (100, 2))
    in_plane = lay_out(initial, graph)
    monkeypatch.setattr(layout, "move_in_plane", layout.move)
    np.testing.assert_array_equal(lay_out(initial, graph), in_plane)


@pytest.mark.parametrize("n_dims", [2, 3])
def test_blocks_and_threads_do_not_change_a_bit(n_dims, monkeypatch):
    rng = np.random.default_rng(0)
    graph = draw_graph(rng, 100, density=0.1)
    initial = rng.normal(0, 5, (100, n_dims))
    expected = lay_out(initial, graph, n_jobs=1)
    np.testing.assert_array_equal(lay_out(initial, graph, n_jobs=2), expected)
    monkeypatch.setattr(layout, "BLOCK", 50)
    assert len(layout._split_rows(graph.indptr)) > 5
    np.testing.assert_array_equal(lay_out(initial, graph, n_jobs=2), expected)
    assert not np.array_equal(lay_out(initial, graph, seed=1), expected)


def test_blocks_cover_all_rows(monkeypatch):
    monkeypatch.setattr(layout, "BLOCK", 4)
    for counts in ([0], [0, 0, 9, 0], [1] * 9, [20, 0, 0, 1], [0, 0, 0]):
        bounds = layout._split_rows(np.concatenate([[0], np.cumsum(counts)]))
        assert bounds[0] == 0
        assert bounds[-1] == len(counts)
        assert (np.diff(bounds) > 0).all()


@pytest.mark.pure_python
def test_random_vertices_are_all_others_alike():
    draws = [_layout._other_vertex(np.uint64(7), e, 2, 5) for e in range(4000)]
    counts = np.bincount(draws, minlength=5)
    assert counts[2] == 0
    assert np.abs(counts[[0, 1, 3, 4]] - 1000).max() < 120


# ------------------------------------------------------------------------- the schedule


@pytest.mark.pure_python
def test_an_edge_counts_in_its_share_of_epochs():
    shares = np.array([1.0, 0.5, 0.3, 0.1], np.float32)
    ptr = np.array([0, 4], np.uint64)
    edges = _layout.Edges(ptr, np.zeros(4, np.uint32), shares)
    # Not as compiled, since it writes to `due`, as kernels called from Python must not.
    find_due = getattr(_layout._find_due, "py_func", _layout._find_due)
    due = np.empty(4, np.uint64)
    counts = np.zeros(4, int)
    for epoch in range(100):
        n_due = find_due(edges, 0, epoch, due)
        counts[due[:n_due].astype(int)] += 1
    np.testing.assert_allclose(counts, 100 * shares, atol=1)


def test_edges_too_weak_for_the_epochs_do_not_count():
    weights = np.zeros((4, 4))
    weights[[0, 1, 1, 2, 2, 3], [1, 0, 2, 1, 3, 2]] = [4, 4, 0.3, 0.3, 1, 1]
    ptr, cols, shares = layout._edges_ever_due(reference.as_csr(weights), 10)
    assert ptr.tolist() == [0, 1, 2, 3, 4]
    assert cols.tolist() == [1, 0, 3, 2]
    assert shares.tolist() == [1, 1, 0.25, 0.25]


def test_each_epoch_is_reported(capsys):
    graph = reference.as_csr([[0, 1], [1, 0]])
    lay_out(np.eye(2), graph, n_epochs=7, verbose=True)
    assert "7/7" in capsys.readouterr().err


# ------------------------------------------------------------------------ special cases


@pytest.mark.pure_python
@pytest.mark.parametrize("n_vertices", [1, 3])
def test_vertices_without_edges_stay(n_vertices):
    graph = reference.as_csr(np.zeros((n_vertices, n_vertices)))
    initial = np.arange(2.0 * n_vertices).reshape(n_vertices, 2)
    np.testing.assert_array_equal(lay_out(initial, graph), initial)


def test_stored_zeros_are_no_edges():
    graph = sparse.csr_array((np.zeros(2, np.float32), ([0, 1], [1, 0])), shape=(2, 2))
    assert graph.nnz == 2
    np.testing.assert_array_equal(lay_out(np.eye(2), graph), np.eye(2))


@pytest.mark.pure_python
def test_vertices_on_one_point_stay_finite():
    graph = draw_graph(np.random.default_rng(0), 10)
    positions = lay_out(np.zeros((10, 2)), graph)
    np.testing.assert_array_equal(positions, 0)  # no force has a direction there


def test_no_epochs_give_the_start():
    graph = draw_graph(np.random.default_rng(0), 5)
    initial = np.ones((5, 2), np.float32)
    positions = lay_out(initial, graph, n_epochs=0)
    np.testing.assert_array_equal(positions, initial)
    assert not np.shares_memory(positions, initial)


def test_clusters_come_apart():
    X, y = make_blobs(400, n_features=10, centers=4, random_state=0)
    graph = fuzzy_graph(*nearest_neighbors(X, 10, random_state=0))
    initial = np.random.default_rng(0).uniform(0, 10, (400, 2))
    positions = lay_out(initial, graph, n_epochs=200, n_jobs=2)
    nearest, _ = nearest_neighbors(positions, 5, random_state=0)
    assert (y[nearest] == y[:, np.newaxis]).mean() > 0.99
