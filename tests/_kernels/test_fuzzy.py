"""The fuzzy graph agrees with a dense one whose bandwidths scipy finds."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.optimize import brentq

from celltyping.transformers._embedding.neighbors import (
    fuzzy_graph,
    smooth_distances,
    supervise,
)
from tests import _reference as reference


def draw_neighbors(rng, n_samples, n_neighbors, n_dims=3):
    """Draw points; return their nearest neighbours, found by sorting all distances."""
    points = rng.normal(size=(n_samples, n_dims))
    gaps = np.linalg.norm(points[:, np.newaxis] - points, axis=2)
    np.fill_diagonal(gaps, np.inf)
    indices = np.argsort(gaps, axis=1, kind="stable")[:, :n_neighbors]
    distances = np.take_along_axis(gaps, indices, axis=1)
    return indices.astype(np.int32), distances.astype(np.float32)


def unite(table):
    """Unite a dense directed fuzzy graph with its transpose."""
    return 1 - (1 - table) * (1 - table.T)


def plain_bandwidth(distances):
    """Find the bandwidth of a row by root finding."""
    distances = distances.astype(float)
    rho = distances[distances > 0].min()
    beyond = np.maximum(distances - rho, 0)

    def excess(sigma):
        return np.exp(-beyond / sigma).sum() - np.log2(len(distances))

    least = 1e-3 * distances.mean()
    if excess(least) > 0:
        return rho, least
    return rho, brentq(excess, least, 1e6 * distances.max(), xtol=1e-12)


def plain_graph(indices, distances):
    """Compute the fuzzy graph as a dense table."""
    table = np.zeros((len(indices), len(indices)))
    for i, row in enumerate(distances):
        rho, sigma = plain_bandwidth(row)
        table[i, indices[i]] = np.exp(-np.maximum(row - rho, 0) / sigma)
    return unite(table)


# -------------------------------------------------------------------------- bandwidths


@given(
    seed=st.integers(0, 2**32 - 1),
    n_neighbors=st.integers(1, 20),
    scale=st.sampled_from([1e-6, 1.0, 1e6]),
)
@settings(max_examples=50, deadline=None)
def test_bandwidths_agree_with_root_finding(seed, n_neighbors, scale):
    rng = np.random.default_rng(seed)
    distances = np.sort(rng.uniform(0.1, 1, (5, n_neighbors)) * scale, axis=1)
    rho, sigma = smooth_distances(distances)
    expected = np.array([plain_bandwidth(row) for row in distances])
    np.testing.assert_array_equal(rho, expected[:, 0])
    # Of two neighbours, the second's membership should be 0, and any small bandwidth
    # will do; so the memberships are compared.
    beyond = distances - rho[:, np.newaxis]
    np.testing.assert_allclose(
        np.exp(-beyond / sigma[:, np.newaxis]),
        np.exp(-beyond / expected[:, 1:]),
        atol=1e-5,
    )


@pytest.mark.pure_python
def test_duplicates_do_not_count_as_the_nearest():
    rho, _ = smooth_distances(np.array([[0.0, 0.0, 2.0, 3.0], [1, 2, 3, 4]]))
    assert rho.tolist() == [2, 1]


@pytest.mark.pure_python
def test_ties_take_the_least_bandwidth():
    _, sigma = smooth_distances(np.array([[2.0, 2.0, 2.0, 2.0], [1, 2, 3, 4]]))
    np.testing.assert_allclose(sigma[0], 0.002)


@pytest.mark.pure_python
def test_rows_of_duplicates_take_the_mean_of_all():
    rho, sigma = smooth_distances(np.array([[0.0, 0.0, 0.0], [1.0, 2.0, 3.0]]))
    assert rho[0] == 0
    np.testing.assert_allclose(sigma[0], 0.001)


# ------------------------------------------------------------------------------- graph


@given(
    seed=st.integers(0, 2**32 - 1),
    n_samples=st.integers(2, 30),
    n_neighbors=st.integers(1, 8),
)
@settings(max_examples=50, deadline=None)
def test_the_graph_agrees_with_a_dense_one(seed, n_samples, n_neighbors):
    rng = np.random.default_rng(seed)
    n_neighbors = min(n_neighbors, n_samples - 1)
    indices, distances = reference.closed(*draw_neighbors(rng, n_samples, n_neighbors))
    graph = fuzzy_graph(indices, distances)
    assert graph.format == "csr"
    assert graph.dtype == np.float32
    assert graph.indices.dtype == graph.indptr.dtype == np.int32
    assert graph.has_canonical_format
    table = graph.toarray()
    np.testing.assert_array_equal(table, table.T)
    np.testing.assert_array_equal(np.diagonal(table), 0)
    assert graph.data.min() > 0
    assert table.max() == 1
    np.testing.assert_allclose(table, plain_graph(indices, distances), atol=1e-5)


@pytest.mark.pure_python
def test_equal_rows_are_wholly_joined():
    indices = np.array([[1, 2], [2, 0], [0, 1]], dtype=np.int32)
    graph = fuzzy_graph(indices, np.zeros((3, 2), np.float32))
    np.testing.assert_array_equal(graph.toarray(), 1 - np.eye(3))


# ------------------------------------------------------------------------- supervision


@pytest.mark.parametrize("target_weight", [0.0, 0.5, 1.0])
def test_supervision_agrees_with_a_dense_one(target_weight):
    rng = np.random.default_rng(0)
    graph = fuzzy_graph(*draw_neighbors(rng, 40, 6))
    reference.closed(graph.data, graph.indices, graph.indptr)
    codes = reference.closed(rng.integers(-1, 3, 40))
    far = np.exp(-2.5 / (1 - target_weight)) if target_weight < 1 else 0.0
    expected = graph.toarray().astype(float)
    for i in range(40):
        for j in range(40):
            if min(codes[i], codes[j]) < 0:
                expected[i, j] *= np.exp(-1)
            elif codes[i] != codes[j]:
                expected[i, j] *= far
    largest = expected.max(axis=1, keepdims=True)
    expected = unite(expected / np.where(largest > 0, largest, 1))
    supervised = supervise(graph, codes, target_weight)
    assert supervised.dtype == np.float32
    np.testing.assert_allclose(supervised.toarray(), expected, atol=1e-6)
    np.testing.assert_array_equal(supervised.toarray(), supervised.toarray().T)


def test_a_row_among_other_types_alone_is_cut_off():
    ring = np.roll(np.eye(4, dtype=np.float32), 1, axis=1)
    graph = sparse.csr_array(ring + ring.T)
    supervised = supervise(graph, np.array([0, 1, 1, 1]), 1.0)
    assert supervised[[0]].nnz == 0
    assert supervised.nnz == 4


def test_one_type_changes_nothing_but_local_connectivity():
    graph = fuzzy_graph(*draw_neighbors(np.random.default_rng(1), 30, 5))
    supervised = supervise(graph, np.zeros(30, int), 0.5)
    # The nearest neighbour of each row is joined to it by 1 already.
    table = graph.toarray().astype(float)
    np.testing.assert_allclose(supervised.toarray(), unite(table), atol=1e-6)
