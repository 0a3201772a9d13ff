"""Neighbours from matrices of distances, and the map from distances."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import kneighbors_graph

from celltyping.transformers._embedding import distances as module
from celltyping.transformers._embedding.distances import (
    DistanceMap,
    check_distances,
    nearest_given,
    with_diagonal,
)
from celltyping.transformers._embedding.neighbors import nearest_neighbors
from celltyping.transformers._embedding.out_of_sample import (
    nystroem_weights,
    softmax_weights,
)

X = np.random.default_rng(0).normal(size=(60, 3))
TABLE = pairwise_distances(X)


@pytest.mark.parametrize("at_once", [7, 1 << 22])
def test_neighbors_of_a_table_of_distances(at_once, monkeypatch):
    monkeypatch.setattr(module, "DISTANCES_AT_ONCE", at_once)
    indices, distances = nearest_given(TABLE, 6, between_fitted=True)
    expected = nearest_neighbors(X, 6, random_state=0)
    assert indices.dtype == np.int32
    np.testing.assert_array_equal(indices, expected[0])
    np.testing.assert_allclose(distances, expected[1], rtol=1e-6)
    # Between other samples, the diagonal is a distance like others.
    indices, distances = nearest_given(TABLE[:5], 6, between_fitted=False)
    np.testing.assert_array_equal(indices[:, 0], np.arange(5))
    np.testing.assert_array_equal(distances[:, 0], 0)
    assert nearest_given(TABLE, 100, between_fitted=True)[0].shape == (60, 59)


def test_neighbors_of_a_graph(subtests):
    for layout in ("csr", "csc", "coo", "lil"):
        for include_self in (False, True):
            with subtests.test(layout=layout, include_self=include_self):
                graph = kneighbors_graph(
                    X, 6, mode="distance", include_self=include_self
                )
                graph = graph.asformat(layout)
                indices, distances = nearest_given(graph, 15, between_fitted=True)
                expected = nearest_neighbors(
                    X, 5 if include_self else 6, random_state=0
                )
                np.testing.assert_array_equal(indices, expected[0])
                np.testing.assert_allclose(distances, expected[1], rtol=1e-6)
                fewer = nearest_given(graph, 3, between_fitted=True)
                np.testing.assert_array_equal(fewer[0], expected[0][:, :3])


def test_rows_of_a_graph_keep_the_neighbors_they_have():
    graph = sparse.csr_array(
        ([3.0, 1.0, 2.0, 4.0, 0.0], ([0, 0, 0, 1, 3], [1, 2, 3, 0, 1])), shape=(4, 4)
    )
    indices, distances = nearest_given(graph, 2, between_fitted=True)
    np.testing.assert_array_equal(indices, [[2, 3], [0, -1], [-1, -1], [1, -1]])
    missing = np.inf
    expected = [[1, 2], [4, missing], [missing, missing], [0, missing]]
    np.testing.assert_array_equal(distances, expected)
    assert nearest_given(graph[[2]], 2, between_fitted=False)[0].tolist() == [[-1]]


def spoilt(value):
    """Return the distances with another value off the diagonal."""
    table = TABLE.copy()
    table[3, 5] = value
    return table


def test_matrices_that_are_no_distances(subtests):
    for distances, message in (
        (TABLE[:, :50], r"must be a square matrix .* got shape \(60, 50\)"),
        (spoilt(-1.0), "must hold distances: finite, .* got -1; turn similarities"),
        (spoilt(np.nan), "must hold distances: finite, .* got nan"),
        (spoilt(np.inf), "must hold distances: finite, .* got inf"),
        (np.ones((4, 4)), "0 on the diagonal, got 1; turn similarities, such as NBL"),
        (sparse.eye_array(4).tocsr() * 2, "0 on the diagonal, got 2"),
        (kneighbors_graph(X, 4), "stored in X are 1, .* compute them with mode='dis"),
    ):
        with subtests.test(message), pytest.raises(ValueError, match=message):
            check_distances(distances, "X", between_fitted=True)


def test_distances_of_new_samples():
    check_distances(TABLE[:4], "X", between_fitted=False)
    check_distances(np.ones((4, 60)), "X", between_fitted=False)
    check_distances(sparse.csr_array((4, 60)), "X", between_fitted=False)
    graph = kneighbors_graph(X, 4)[:9]
    with pytest.raises(ValueError, match="mode='distance' instead of 'connectivity'"):
        check_distances(graph, "X", between_fitted=False)


def test_a_diagonal_is_added():
    graph = kneighbors_graph(X, 4, mode="distance")
    indices, distances = nearest_given(with_diagonal(graph), 9, between_fitted=False)
    np.testing.assert_array_equal(indices[:, 0], np.arange(60))
    np.testing.assert_array_equal(distances[:, 0], 0)
    assert with_diagonal(TABLE) is TABLE
    assert with_diagonal(graph, False) is graph


def plain_means(row, values, weigh, n_neighbors=10):
    """Compute the weighted mean of a row of distances."""
    near = np.argsort(row, kind="stable")[:n_neighbors]
    weights = weigh(row[near])
    return weights @ values[near] / weights.sum()


def plain_softmax(d):
    return np.exp(-(d**2 - d[0] ** 2) / (0.02 * np.mean(d**2)))


def plain_nystroem(d):
    return np.exp(-d / np.median(d))


@pytest.mark.parametrize(
    ("weigh", "plain"),
    [(softmax_weights, plain_softmax), (nystroem_weights, plain_nystroem)],
)
def test_the_map_is_a_mean_over_the_nearest(weigh, plain):
    values = np.random.default_rng(1).normal(size=(60, 2))
    new = pairwise_distances(X[:20] + 0.1, X)
    mapping = DistanceMap(np.arange(60), values, 10, weigh)
    expected = [plain_means(row, values, plain) for row in new]
    found = mapping(new)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    np.testing.assert_array_equal(mapping(new[3:4])[0], found[3])
    kept = np.arange(0, 60, 2)
    mapping = DistanceMap(kept, values[kept], 10, weigh)
    expected = [plain_means(row[kept], values[kept], plain) for row in new]
    np.testing.assert_allclose(mapping(new), expected, rtol=1e-9)
    assert mapping.n_anchors == 30
    # Of a sparse row, the stored distances alone count.
    graph = sparse.csr_array(np.where(new <= np.sort(new)[:, 4:5], new, 0))
    mapping = DistanceMap(np.arange(60), values, 10, weigh)
    expected = [plain_means(row, values, plain, 5) for row in new]
    np.testing.assert_allclose(mapping(graph), expected, rtol=1e-9)
    assert mapping(sparse.csr_array((1, 60))).tolist() == [[0, 0]]


def test_fitted_samples_keep_their_values():
    values = np.random.default_rng(1).normal(size=(60, 2))
    factors = np.array([2.0, 3.0])
    mapping = DistanceMap(np.arange(60), values, 10, nystroem_weights, factors)
    np.testing.assert_allclose(mapping(TABLE), values)
    plain = DistanceMap(np.arange(60), values, 10, nystroem_weights)
    new = TABLE + 0.1
    np.testing.assert_allclose(mapping(new), plain(new) * factors)
    twins = np.array([[0.0, 0.0, 3.0, 9.0]])
    mapping = DistanceMap(np.arange(4), values[:4], 4, nystroem_weights, factors)
    np.testing.assert_allclose(mapping(twins)[0], values[:2].mean(axis=0))
