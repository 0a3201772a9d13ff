"""Nearest neighbours against sorted tables of distances."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import VALID_METRICS_SPARSE, NearestNeighbors

from celltyping.transformers._embedding import neighbors
from celltyping.transformers._embedding.neighbors import nearest_neighbors
from tests._neighbors import check_neighbors, draw_table, sorted_distances


@pytest.fixture
def approximate(monkeypatch):
    """Take every table for a large one."""
    pytest.importorskip("pynndescent", reason="the extra nn is not installed")
    monkeypatch.setattr(neighbors, "MAX_PRODUCTS", 0)


@pytest.fixture
def exact_only(monkeypatch):
    """Fail where an approximate search starts."""

    def fail(*args):
        raise AssertionError("an approximate search")

    monkeypatch.setattr(neighbors, "MAX_PRODUCTS", 0)
    monkeypatch.setattr(neighbors, "_search_approximately", fail)


def test_exact_neighbors(subtests):
    for metric in ("euclidean", "cosine", "cityblock", "chebyshev"):
        for dtype in (np.float32, np.float64):
            with subtests.test(metric=metric, dtype=dtype):
                X = draw_table().astype(dtype)
                X.flags.writeable = False
                indices, distances = nearest_neighbors(
                    X, 7, metric=metric, random_state=0
                )
                check_neighbors(X, indices, distances, metric)
                expected = sorted_distances(X, 7, metric)
                np.testing.assert_allclose(distances, expected, atol=1e-4)


@given(
    seed=st.integers(0, 2**32 - 1),
    n_samples=st.integers(2, 20),
    n_neighbors=st.integers(1, 6),
)
@settings(max_examples=50, deadline=None)
def test_a_row_is_not_its_own_neighbor_among_duplicates(seed, n_samples, n_neighbors):
    X = np.random.default_rng(seed).integers(0, 2, (n_samples, 2)).astype(float)
    n_neighbors = min(n_neighbors, n_samples - 1)
    indices, distances = nearest_neighbors(X, n_neighbors, random_state=0)
    check_neighbors(X, indices, distances)
    np.testing.assert_allclose(distances, sorted_distances(X, n_neighbors), atol=1e-6)


def test_sparse_tables(subtests):
    X = np.maximum(draw_table(n_features=6), 0) + np.eye(60, 6)
    X[:, 0] += 0.5
    for dtype in (np.float32, np.float64):
        for metric in ("euclidean", "cosine", "manhattan"):
            with subtests.test(dtype=dtype, metric=metric):
                options = {"metric": metric, "random_state": 0}
                dense = nearest_neighbors(X.astype(dtype), 5, **options)
                indices, distances = nearest_neighbors(
                    sparse.csr_array(X, dtype=dtype), 5, **options
                )
                np.testing.assert_array_equal(indices, dense[0])
                np.testing.assert_allclose(distances, dense[1], atol=1e-5)


def test_parameters_of_the_metric():
    X = draw_table()
    indices, distances = nearest_neighbors(
        X, 5, metric="minkowski", metric_params={"p": 4}, random_state=0
    )
    check_neighbors(X, indices, distances, "minkowski", p=4)
    weights = np.arange(1.0, 5.0)
    _, distances = nearest_neighbors(
        X, 5, metric="minkowski", metric_params={"p": 1, "w": weights}, random_state=0
    )
    expected = sorted_distances(X, 5, "minkowski", p=1, w=weights)
    np.testing.assert_allclose(distances, expected, rtol=1e-5)


def test_a_function_as_metric():
    X = draw_table()
    indices, distances = nearest_neighbors(
        X, 5, metric=lambda x, y: np.abs(x - y).max(), random_state=0
    )
    check_neighbors(X, indices, distances, "chebyshev")
    expected = sorted_distances(X, 5, "chebyshev")
    np.testing.assert_allclose(distances, expected, rtol=1e-5)


def test_threads_do_not_change_a_bit():
    X = draw_table(500)
    one = nearest_neighbors(X, 5, metric="cosine", random_state=0, n_jobs=1)
    two = nearest_neighbors(X, 5, metric="cosine", random_state=0, n_jobs=2)
    np.testing.assert_array_equal(one, two)


# ------------------------------------------------------------------- approximate search


def test_approximate_neighbors_of_a_sparse_table(approximate, monkeypatch, subtests):
    """Replace pynndescent by an exact search: its sparse form compiles for a minute."""
    import pynndescent
    from pynndescent.sparse import sparse_named_distances

    class Exact:
        def __init__(self, X, *, metric, n_neighbors, **options):
            assert isinstance(X, sparse.csr_array)
            assert metric in sparse_named_distances
            searched.append(metric)
            finder = NearestNeighbors(n_neighbors=n_neighbors, metric=metric).fit(X)
            self.neighbor_graph = finder.kneighbors(X)[::-1]

    monkeypatch.setattr(pynndescent, "NNDescent", Exact)
    X = np.maximum(draw_table(), 0) + [0.5, 0, 0, 0]
    for metric in set(VALID_METRICS_SPARSE["brute"]) - {"precomputed"}:
        with subtests.test(metric=metric):
            searched = []
            indices, distances = nearest_neighbors(
                sparse.csr_array(X), 5, metric=metric, random_state=0
            )
            assert len(searched) == 1
            table = pairwise_distances(X, metric=metric)
            np.fill_diagonal(table, np.inf)
            expected = np.sort(table, axis=1)[:, :5]
            np.testing.assert_allclose(distances, expected, atol=1e-5)
            found = np.take_along_axis(table, indices, axis=1)
            np.testing.assert_allclose(found, expected, atol=1e-5)


def test_rows_with_too_few_neighbors_are_searched_exactly(approximate, monkeypatch):
    X = draw_table()
    table = cdist(X, X)
    np.fill_diagonal(table, np.inf)

    def search_with_gaps(X, n_neighbors, *args):
        indices = np.argsort(table, axis=1)[:, :n_neighbors]
        distances = np.take_along_axis(table, indices, axis=1)
        indices[[3, 40], 2:], distances[[3, 40], 2:] = -1, np.inf
        return indices, distances

    monkeypatch.setattr(neighbors, "_search_approximately", search_with_gaps)
    indices, distances = nearest_neighbors(X, 5, random_state=0)
    check_neighbors(X, indices, distances)
    np.testing.assert_allclose(distances, sorted_distances(X, 5), rtol=1e-5)


def test_metrics_that_pynndescent_lacks(exact_only, subtests):
    pytest.importorskip("pynndescent", reason="the extra nn is not installed")
    X = draw_table()
    for metric, params in (
        ("nan_euclidean", None),
        ("seuclidean", {"V": np.ones(4)}),
        ("minkowski", {"p": 2, "w": np.ones(4)}),
    ):
        with subtests.test(metric=metric):
            _, distances = nearest_neighbors(
                X, 5, metric=metric, metric_params=params, random_state=0
            )
            np.testing.assert_allclose(distances, sorted_distances(X, 5), atol=1e-4)


# ------------------------------------------------------------------------------- errors


def test_unknown_metric(subtests):
    for metric in ("euclid", "nearly"):
        message = rf"metric \('{metric}'\) .*cosine, .*euclidean"
        for as_table in (np.asarray, sparse.csr_array):
            X = as_table(draw_table())
            with (
                subtests.test(as_table=as_table, metric=metric),
                pytest.raises(ValueError, match=message),
            ):
                nearest_neighbors(X, 3, metric=metric, random_state=0)


def test_metric_for_dense_tables_alone():
    X = sparse.csr_array(draw_table())
    with pytest.raises(ValueError, match="for a sparse X, one of cityblock, cosine"):
        nearest_neighbors(X, 3, metric="chebyshev", random_state=0)


def test_metric_without_its_parameter():
    for metric in ("mahalanobis", "seuclidean"):
        with pytest.raises(
            ValueError, match=rf"metric \('{metric}'\) needs metric_params: V"
        ):
            nearest_neighbors(draw_table(), 3, metric=metric, random_state=0)


def test_a_function_for_a_large_table_has_to_be_compiled(exact_only):
    with pytest.raises(ValueError, match=r"must be compiled by numba\.njit"):
        nearest_neighbors(draw_table(), 3, metric=np.dot, random_state=0)
