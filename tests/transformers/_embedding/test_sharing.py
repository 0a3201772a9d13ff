"""Rows that have nothing in common with any other row."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import warnings

import numpy as np
import pytest
from scipy import sparse
from scipy.spatial.distance import cdist

from celltyping.transformers._embedding.neighbors import fuzzy_graph, nearest_neighbors
from celltyping.transformers._embedding.sharing import (
    SHARING,
    Apart,
    find_blank,
    largest_distance,
)

KINDS = (np.asarray, sparse.csr_array)
BLANK, ALONE = [4, 9, 30], [11, 12]


def draw_sets(as_table=np.asarray, n_samples=40):
    """Draw sets of 20 elements; some are empty, two have elements of their own."""
    rng = np.random.default_rng(0)
    X = (rng.random((n_samples, 22)) < 0.3).astype(float)
    X[:, 0] = 1
    X[:, 20:] = 0
    X[BLANK] = 0
    X[ALONE] = np.eye(22)[20:]
    return as_table(X)


def search(X, metric, n_neighbors=5):
    """Search neighbours without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return nearest_neighbors(X, n_neighbors, metric=metric, random_state=0)


def test_rows_without_a_common_column_are_no_neighbors(subtests):
    X = draw_sets()
    for metric in SHARING:
        with subtests.test(metric=metric):
            indices, distances = search(X, metric)
            assert np.isinf(distances[indices < 0]).all()
            assert (indices[ALONE] == -1).all()
            # Rows of zeros are equal: at distance 0 of each other, and of no other row.
            for row in BLANK:
                assert sorted(indices[row]) == [-1] * 3 + sorted(set(BLANK) - {row})
                np.testing.assert_array_equal(distances[row, :2], 0)
            others = np.setdiff1d(np.arange(40), BLANK + ALONE)
            assert np.isin(indices[others], others).all()
            table = cdist(X[others] != 0, X[others] != 0, metric)
            if metric in ("braycurtis", "cosine"):
                table = cdist(X[others], X[others], metric)
            np.fill_diagonal(table, np.inf)
            expected = np.sort(table, axis=1)[:, :5]
            np.testing.assert_allclose(distances[others], expected, atol=1e-6)


def test_sparse_rows_of_zeros():
    dense, found = (search(draw_sets(kind), "cosine") for kind in KINDS)
    np.testing.assert_array_equal(dense[0], found[0])
    np.testing.assert_allclose(dense[1], found[1], atol=1e-6)


def test_cosine_of_numbers_of_both_signs():
    """1 is an ordinary distance there; only a row of zeros is apart."""
    X = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.1], [0.0, 0.0]])
    indices, distances = search(X, "cosine", 2)
    assert largest_distance(X, "cosine") == 2
    assert (indices[3] == -1).all()
    assert sorted(indices[0]) == [-1, 1] or sorted(indices[0]) == [1, 2]
    assert distances[0, 0] == 1


def test_the_maximum_of_other_metrics(subtests):
    X = draw_sets()[:, :20]
    X[7] = 1 - X[8]
    for metric in ("hamming", "rogerstanimoto", "yule"):
        with subtests.test(metric=metric):
            indices, distances = search(X, metric, 39)
            table = cdist(X != 0, X != 0, metric)
            assert (indices[7] == 8).sum() == 0
            np.testing.assert_array_equal(
                (indices >= 0).sum(axis=1) + 1,
                (table < largest_distance(X, metric)).sum(1),
            )
            assert (distances[indices >= 0] < largest_distance(X, metric)).all()


def test_constant_rows_under_correlation(subtests):
    X = np.random.default_rng(0).normal(size=(30, 7))
    for value in (7.0, 0.1, 0.0):
        with subtests.test(value=value):
            X[[3, 8]] = value
            indices, distances = search(X, "correlation")
            assert indices[3].tolist() == [8, -1, -1, -1, -1]
            assert distances[3, 0] == 0
            assert not np.isin(indices[[0, 1, 2]], [3, 8, -1]).any()


def test_metrics_without_a_maximum():
    X = draw_sets()
    for metric in ("euclidean", "manhattan", "canberra", len):
        assert largest_distance(X, metric) == np.inf
        assert not find_blank(X, metric).any()
    assert largest_distance(X - 1, "braycurtis") == np.inf


def make_apart(X, metric="jaccard"):
    """Set samples apart."""
    graph = fuzzy_graph(*search(X, metric))
    return Apart(X, metric, graph, "so it is")


def test_samples_apart(subtests):
    X = draw_sets()
    expected = np.isin(np.arange(40), BLANK + ALONE)
    message = "5 of 40 rows of X, such as row 4, have no neighbours, .*: so it is"
    new = np.zeros((3, 22))
    new[0, [20, 21]] = 1  # like the rows that are apart
    new[1, [3, 21]] = 1
    of_new = "2 of 3 rows of X, such as row 0, .* in common with the fitted ones: so"
    for metric in ("jaccard", "cosine"):
        graph = fuzzy_graph(*search(X, metric))
        for as_table in (np.asarray, sparse.csr_array, sparse.csr_matrix):
            with subtests.test(metric=metric, as_table=as_table):
                with pytest.warns(UserWarning, match=message) as caught:
                    apart = Apart(as_table(X), metric, graph, "so it is")
                assert [warning.filename for warning in caught] == [__file__]
                np.testing.assert_array_equal(apart.rows, np.flatnonzero(~expected))
                with warnings.catch_warnings():
                    warnings.simplefilter("error")
                    np.testing.assert_array_equal(apart.find(as_table(X)), expected)
                with pytest.warns(UserWarning, match=of_new):
                    found = apart.find(as_table(new), warn=True)
                assert found.tolist() == [True, False, True]
                apart.position = np.array([8.0, 9.0])
                full = apart.fill(np.ones((35, 2)), 40)
                np.testing.assert_array_equal(full[expected], [[8, 9]] * 5)
                np.testing.assert_array_equal(full[~expected], 1)


def test_no_sample_apart():
    X = np.random.default_rng(0).random((20, 4))
    apart = make_apart(X, "cosine")
    assert apart.rows == slice(None)
    values = np.ones((20, 2))
    assert apart.fill(values, 20) is values


def test_no_two_rows_have_anything_in_common():
    message = "no row of X has a neighbour: .* under metric='jaccard'; use a metric"
    for X in (np.eye(9), np.zeros((9, 3))):
        with pytest.raises(ValueError, match=message):
            make_apart(X)
