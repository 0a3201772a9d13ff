"""Validation of X by graph estimators, and the graph that it becomes."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import warnings
from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils import get_tags

from celltyping import Connectome
from celltyping.connectome import _affinity
from celltyping.connectome._affinity import GraphInputMixin
from tests._ntac import FORMS, write_as

ADJACENCY = np.array([[4, 3, 0, 0], [1, 0, 0, 2], [0, 0, 0, 0], [0, 5, 0, 0]])
TABLE = np.random.default_rng(0).normal(size=(12, 3))


class Reader(GraphInputMixin, BaseEstimator):
    """An estimator that reads X and no more."""

    def __init__(
        self,
        affinity="auto",
        gamma=None,
        n_graph_neighbors=15,
        edge_weighting="linear",
        feature_weight=0,
    ):
        self.affinity = affinity
        self.gamma = gamma
        self.n_graph_neighbors = n_graph_neighbors
        self.edge_weighting = edge_weighting
        self.feature_weight = feature_weight

    def fit(self, X, y=None):
        self.graph_ = self._validate_graph(X, self.feature_weight)
        return self

    def edges_of(self, X):
        """Return the edges of new rows, dense."""
        return self._out_edges(self._validate_X(X, reset=False)).toarray()


@pytest.fixture
def con():
    return Connectome(ADJACENCY, ["d", "a", "c", "b"], np.arange(8).reshape(4, 2))


@pytest.mark.parametrize("affinity", ["auto", "precomputed"])
def test_a_connectome_is_the_graph(con, affinity):
    reader = Reader(affinity).fit(con[[3, 1]])
    graph = reader.graph_
    assert (graph.adjacency.toarray() == ADJACENCY).all()
    assert (graph.transpose.toarray() == ADJACENCY.T).all()
    assert graph.in_view.tolist() == [3, 1]
    assert graph.features.shape == (4, 0)
    assert reader.n_features_in_ == 4


def test_a_view_does_not_copy_the_graph(con):
    for matrix, own in [
        (con.graph.adjacency, Reader().fit(con[:2]).graph_.adjacency),
        (con.graph.transpose, Reader().fit(con[:2]).graph_.transpose),
    ]:
        assert np.shares_memory(matrix.indices, own.indices)
        assert np.shares_memory(matrix.indptr, own.indptr)


def test_edge_weighting(subtests):
    for (edge_weighting, transform), scale in product(
        [("linear", lambda x: x), ("sqrt", np.sqrt), ("log1p", np.log1p)], [1, 0.1]
    ):
        with subtests.test(edge_weighting=edge_weighting, scale=scale):
            weights = scale * ADJACENCY
            expected = transform(weights).astype(np.float32)
            for X, affinity in [
                (Connectome(weights), "auto"),
                (weights, "precomputed"),
            ]:
                graph = Reader(affinity, edge_weighting=edge_weighting).fit(X).graph_
                assert graph.adjacency.dtype == graph.transpose.dtype == np.float32
                np.testing.assert_allclose(
                    graph.adjacency.toarray(), expected, rtol=1e-7
                )
                np.testing.assert_array_equal(
                    graph.transpose.toarray(), graph.adjacency.toarray().T
                )


def test_an_adjacency_in_any_form(subtests):
    cases = [
        *FORMS,
        (np.array, np.int32, int),
        (sparse.csr_matrix, np.int64, int),
        (sparse.csc_matrix, np.int32, np.float64),
        (sparse.coo_matrix, np.int64, np.float32),
    ]
    for form, index_dtype, dtype in cases:
        with subtests.test(form=form, index_dtype=index_dtype, dtype=dtype):
            X = write_as(ADJACENCY, form, index_dtype, dtype)
            before = X.copy()
            graph = Reader("precomputed").fit(X).graph_
            assert (graph.adjacency.toarray() == ADJACENCY).all()
            assert (graph.transpose.toarray() == ADJACENCY.T).all()
            assert graph.in_view.tolist() == [0, 1, 2, 3]
            assert graph.features.shape == (4, 0)
            if sparse.issparse(X):
                assert (before != X).nnz == 0
                assert X.data.flags.writeable
                X.data[:] = 0  # what was read is a copy
            else:
                assert (before == X).all()
                X[:] = 0
            assert (graph.adjacency.toarray() == ADJACENCY).all()


def test_a_stored_zero_is_no_edge_and_duplicates_are_summed():
    X = sparse.csr_array(
        (np.array([1.0, 2, 0, 5]), np.array([1, 1, 0, 0]), np.array([0, 3, 4])),
        shape=(2, 2),
    )
    before = X.data.copy(), X.indices.copy(), X.indptr.copy()
    graph = Reader("precomputed").fit(X).graph_
    assert graph.adjacency.toarray().tolist() == [[0, 3], [5, 0]]
    assert graph.adjacency.nnz == graph.transpose.nnz == 2
    for part, old in zip((X.data, X.indices, X.indptr), before, strict=True):
        assert part.tolist() == old.tolist()
        assert part.flags.writeable


def test_what_was_read_is_closed_for_writing(subtests, con):
    for affinity in ["auto", "precomputed", "nearest_neighbors"]:
        with subtests.test(affinity=affinity):
            X = con if affinity == "auto" else ADJACENCY
            graph = Reader(affinity).fit(X).graph_
            for matrix in (graph.adjacency, graph.transpose):
                for part in (matrix.data, matrix.indices, matrix.indptr):
                    assert not part.flags.writeable


def test_rbf(subtests):
    for affinity, gamma in product(["auto", "rbf"], [None, 0.3]):
        with subtests.test(affinity=affinity, gamma=gamma):
            reader = Reader(affinity, gamma=gamma).fit(TABLE)
            gamma = 1 / (3 * TABLE.var()) if gamma is None else gamma
            distances = ((TABLE[:, np.newaxis] - TABLE) ** 2).sum(axis=2)
            expected = np.exp(-gamma * distances)
            found = reader.graph_.adjacency.toarray()
            np.testing.assert_allclose(found, expected, rtol=1e-6)
            np.testing.assert_array_equal(found, found.T)
            np.testing.assert_array_equal(reader.graph_.transpose.toarray(), found)
            np.testing.assert_array_equal(reader.edges_of(TABLE[3:7]), found[3:7])


def test_rbf_of_a_constant_table():
    assert (Reader().fit(np.ones((5, 2))).graph_.adjacency.toarray() == 1).all()


def test_pairs_too_far_apart_have_no_edge():
    # exp(-1000²) is 0: as a stored edge, it once made a kernel write past its end.
    X = np.array([[0.0], [0.1], [1000.0]])
    reader = Reader("rbf", gamma=1.0).fit(X)
    assert reader.graph_.adjacency.nnz == 5
    assert np.diff(reader.graph_.transpose.indptr).tolist() == [2, 2, 1]
    assert reader._out_edges(X[:1]).nnz == 2


def test_weights_that_float32_rounds_to_zero_are_no_edges():
    con = Connectome(np.array([[0, 1e-60], [1, 0]]))
    graph = Reader().fit(con).graph_
    assert graph.adjacency.nnz == graph.transpose.nnz == 1
    assert con.n_edges == 2
    assert Reader(edge_weighting="sqrt").fit(con).graph_.adjacency.nnz == 2


def test_nearest_neighbors(subtests):
    for form in [np.asarray, sparse.csr_array, sparse.csc_array]:
        with subtests.test(form=form):
            reader = Reader("nearest_neighbors", n_graph_neighbors=4).fit(form(TABLE))
            found = reader.graph_.adjacency.toarray()
            distances = ((TABLE[:, np.newaxis] - TABLE) ** 2).sum(axis=2)
            order = np.argsort(distances, axis=1)
            expected = np.zeros((12, 12))
            np.put_along_axis(expected, order[:, 1:5], 1, axis=1)
            assert (found == expected).all()
            assert (reader.graph_.transpose.toarray() == expected.T).all()
            assert reader.graph_.adjacency.has_canonical_format
            # A row asked about is new, even if it equals a fitted one, which it
            # then finds.
            expected = np.zeros((12, 12))
            np.put_along_axis(expected, order[:, :4], 1, axis=1)
            assert (reader.edges_of(form(TABLE)) == expected).all()


def test_fewer_rows_than_neighbors(subtests):
    for n_rows, n_edges in [(1, 0), (2, 2), (3, 6)]:
        with subtests.test(n_rows=n_rows):
            reader = Reader("nearest_neighbors").fit(TABLE[:n_rows])
            assert reader.graph_.adjacency.nnz == n_edges
            assert (
                reader.edges_of(TABLE).sum(axis=1).tolist() == [max(n_rows - 1, 1)] * 12
            )


def test_new_rows_do_not_depend_on_their_batch(subtests):
    for affinity in ["rbf", "nearest_neighbors", "precomputed"]:
        with subtests.test(affinity=affinity):
            X = np.abs(TABLE @ TABLE.T) if affinity == "precomputed" else TABLE
            reader = Reader(affinity, edge_weighting="sqrt").fit(X)
            together = reader.edges_of(X)
            for i in range(len(X)):
                assert (reader.edges_of(X[i : i + 1]) == together[i]).all()


def test_new_rows_of_a_connectome_are_edges(subtests, con):
    for form in [np.asarray, sparse.csr_array, sparse.coo_matrix]:
        with subtests.test(form=form):
            reader = Reader(edge_weighting="sqrt").fit(con[:2])
            found = reader.edges_of(form(ADJACENCY[:3]))
            np.testing.assert_allclose(found, np.sqrt(ADJACENCY[:3]), rtol=1e-6)


def test_fits_replace_one_another(con):
    frame = pd.DataFrame(TABLE, columns=["x", "y", "z"])
    reader = Reader().fit(frame)
    assert reader.feature_names_in_.tolist() == ["x", "y", "z"]
    assert reader.edges_of(frame).shape == (12, 12)
    reader.fit(con)
    assert not hasattr(reader, "feature_names_in_")
    assert reader._positions(con).tolist() == [0, 1, 2, 3]
    reader.fit(frame)
    with pytest.raises(ValueError, match="was fitted on a matrix with 3 columns"):
        reader._positions(con)


def test_positions_are_those_in_the_graph(con):
    reader = Reader().fit(con[:2])
    same = Connectome(ADJACENCY.astype(float), con.node_ids, con.node_features)
    assert reader._positions(same[[3, 0, 3]]).tolist() == [3, 0, 3]


def test_tags(subtests):
    cases = [
        ("auto", False, False),
        ("rbf", False, False),
        ("nearest_neighbors", False, True),
        ("precomputed", True, True),
    ]
    for affinity, pairwise, takes_sparse in cases:
        with subtests.test(
            affinity=affinity, pairwise=pairwise, takes_sparse=takes_sparse
        ):
            tags = get_tags(Reader(affinity)).input_tags
            assert tags.pairwise is pairwise
            assert tags.positive_only is pairwise
            assert tags.sparse is takes_sparse


def test_a_sparse_matrix_is_not_guessed():
    with pytest.raises(
        TypeError,
        match=r"(?s)does not guess.*Connectome\(X\).*affinity='precomputed'.*"
        r"affinity='nearest_neighbors'",
    ):
        Reader().fit(sparse.csr_array(ADJACENCY))


def test_a_sparse_table_has_no_rbf_affinity():
    with pytest.raises(TypeError, match="Sparse data was passed"):
        Reader("rbf").fit(sparse.csr_array(TABLE))


def test_a_table_that_may_be_an_adjacency_warns():
    with pytest.warns(UserWarning, match=r"square matrix without negative.*Connectome"):
        Reader().fit(ADJACENCY)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Reader("rbf").fit(ADJACENCY)  # said so
        Reader().fit(ADJACENCY - 1)
        Reader().fit(ADJACENCY[:3])
        Reader().fit(np.ones((1, 1)))


@pytest.mark.parametrize("affinity", ["auto", "rbf"])
def test_a_table_too_large_for_an_rbf_affinity(affinity, monkeypatch):
    monkeypatch.setattr(_affinity, "MAX_RBF_ROWS", 11)
    with pytest.raises(
        ValueError,
        match=rf"affinity='{affinity}' makes an edge for every pair of rows, and X has "
        r"12 of them \(at most 11\): use affinity='nearest_neighbors'",
    ):
        Reader(affinity).fit(TABLE)
    Reader(affinity).fit(TABLE[:11])
    Reader("nearest_neighbors").fit(TABLE)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_a_precomputed_graph_is_square(form):
    with pytest.raises(
        ValueError, match=r"takes a square matrix.*n_samples = 3, n_features = 4"
    ):
        Reader("precomputed").fit(form(ADJACENCY[:3]))


def test_a_graph_has_no_negative_weights(subtests, con):
    for form in [np.asarray, sparse.csr_array, sparse.coo_array]:
        with subtests.test(form=form):
            with pytest.raises(
                ValueError, match="Negative values in data passed to Reader"
            ):
                Reader("precomputed").fit(form(-ADJACENCY))
            for reader in [Reader().fit(con), Reader("precomputed").fit(ADJACENCY)]:
                with pytest.raises(ValueError, match="Negative values in data"):
                    reader.edges_of(form(-ADJACENCY))


def test_weights_and_features_are_finite(subtests):
    for bad, affinity in product(
        [np.nan, np.inf], ["auto", "precomputed", "nearest_neighbors"]
    ):
        with subtests.test(bad=bad, affinity=affinity):
            X = ADJACENCY.astype(float)
            X[1, 2] = bad
            with pytest.raises(ValueError, match=r"Input X contains (NaN|infinity)"):
                Reader(affinity).fit(X)


def test_weights_that_float32_cannot_add_up_are_refused():
    huge = Connectome(ADJACENCY * 1e300)
    with pytest.raises(
        ValueError,
        match=r"add up to 1.5e\+301 \(under edge_weighting='linear'\).*at most 1e\+30",
    ):
        Reader().fit(huge)
    with pytest.raises(ValueError, match="edge_weighting='sqrt'"):
        Reader(edge_weighting="sqrt").fit(huge)
    Reader(edge_weighting="log1p").fit(huge)


def test_a_view_without_nodes(con):
    with pytest.raises(ValueError, match="Reader needs nodes, but X has none in view"):
        Reader().fit(con[[]])


@pytest.mark.parametrize("affinity", ["rbf", "nearest_neighbors"])
def test_a_connectome_is_no_table(con, affinity):
    with pytest.raises(
        TypeError,
        match=f"affinity='{affinity}' is for tables of features, but X is a Connectome",
    ):
        Reader(affinity).fit(con)


def test_a_view_of_another_graph(con):
    other = Connectome(np.eye(3))
    with pytest.raises(
        ValueError,
        match=r"another graph \(3 nodes, 3 edges\) than the one Reader was fitted on "
        r"\(4 nodes\).*Connectome.concat",
    ):
        Reader().fit(con)._positions(other)


def test_new_rows_have_an_entry_per_fitted_node(con):
    with pytest.raises(ValueError, match="X has 3 features, but Reader is expecting 4"):
        Reader().fit(con).edges_of(np.ones((2, 3)))


def features_of(con, feature_weight=1.0):
    """Return the weighted node features, as an estimator on `con` gets them."""
    return Reader(feature_weight=feature_weight).fit(con).graph_.features


def test_weighted_features(subtests):
    for feature_weight, dtype in product([1, 0.3, 2.0], [int, np.float32, np.float64]):
        with subtests.test(feature_weight=feature_weight, dtype=dtype):
            table = np.array([[0, 3], [0, 0], [5, 0], [1, 2]], dtype=dtype)
            con = Connectome(ADJACENCY, node_features=table)
            before = con.graph.node_features.copy()
            features = features_of(con[:2], feature_weight)
            assert isinstance(features, sparse.csr_array)
            assert features.dtype == np.float32
            assert features.shape == (4, 2)  # of all nodes, in view or not
            np.testing.assert_allclose(
                features.toarray(), feature_weight * table, rtol=1e-7
            )
            assert features.nnz == 4
            assert features.has_sorted_indices
            assert (con.graph.node_features == before).all()


@pytest.mark.parametrize("feature_weight", [0, 0.0])
def test_a_weight_of_zero_leaves_features_out(con, feature_weight):
    features = features_of(con, feature_weight)
    assert features.shape == (4, 0)
    assert features.dtype == np.float32


def test_a_graph_without_features_has_no_column():
    assert features_of(Connectome(ADJACENCY)).shape == (4, 0)
    assert features_of(TABLE).shape == (12, 0)


def test_features_that_float32_rounds_to_zero_are_none():
    table = np.array([[1e-60], [0], [1], [1e-40]])
    features = features_of(Connectome(ADJACENCY, node_features=table))
    assert np.diff(features.indptr).tolist() == [0, 0, 1, 1]
    assert features_of(Connectome(ADJACENCY, node_features=table), 1e-10).nnz == 1


def test_features_that_float32_cannot_add_up_are_refused(subtests):
    cases = [
        (1e30, 1, r"times feature_weight=1 add up to 4e\+30, but .* at most 1e\+30"),
        (1.0, 1e30, r"times feature_weight=1e\+30 add up to 4e\+30"),
        (1e300, 0.5, r"times feature_weight=0.5 add up to 2e\+300"),
    ]
    for value, feature_weight, message in cases:
        with subtests.test(value=value, feature_weight=feature_weight):
            con = Connectome(ADJACENCY, node_features=np.full((4, 1), value))
            with pytest.raises(ValueError, match=f"node features {message}"):
                features_of(con, feature_weight)
            features_of(con, 0.2e30 / value)
