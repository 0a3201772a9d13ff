"""Connectome: views of a graph that scikit-learn can slice."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import copy
import pickle
import subprocess
import sys

import joblib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    cross_val_predict,
    cross_val_score,
    train_test_split,
)
from sklearn.utils import _safe_indexing, check_array, indexable, resample, shuffle
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.validation import _num_samples

from celltyping.connectome import Connectome

DENSE = np.array([[4, 3, 0, 0], [1, 0, 0, 2], [0, 0, 0, 0], [0, 5, 0, 0]])
IDS = ["d", "a", "c", "b"]


@pytest.fixture
def con():
    return Connectome(DENSE, IDS, np.arange(8).reshape(4, 2))


@pytest.fixture
def two_blocks():
    """Return a connectome of two types with few edges between the types."""
    rng = np.random.default_rng(0)
    y = np.array(["KC", "PN"] * 20, dtype=object)
    rates = np.where(y[:, None] == y, 3.0, 0.3)
    return Connectome(rng.poisson(rates), node_ids=np.arange(40) + 10**17), y


def partner_vote():
    """Make a classifier by the majority type of all partners, in view or not.

    The class is local, so that it is pickled by value for worker processes.
    """

    class PartnerVote(ClassifierMixin, BaseEstimator):
        def __init__(self, pseudo=0.0, con=None):
            self.pseudo = pseudo
            self.con = con

        def fit(self, X, y):
            assert isinstance(X, Connectome)
            assert len(X) == len(y)
            self.classes_, codes = np.unique(y, return_inverse=True)
            one_hot = np.zeros((X.graph.n_nodes, len(self.classes_)))
            one_hot[X.indices, codes] = 1
            both = X.graph.adjacency + X.graph.transpose
            self.votes_ = both @ one_hot + self.pseudo * np.arange(len(self.classes_))
            self.graph_ = X
            return self

        def predict(self, X):
            assert X.is_same_graph(self.graph_)
            return self.classes_[self.votes_[X.indices].argmax(axis=1)]

    return PartnerVote()


def test_attributes(con):
    assert con.shape == (4, 4)
    assert con.ndim == 2
    assert len(con) == 4
    assert con.n_edges == 5
    assert con.n_synapses == 15
    assert con.indices.tolist() == [0, 1, 2, 3]
    assert con.indices.dtype == np.intp
    assert con.node_ids.tolist() == IDS
    assert con.node_features.shape == (4, 2)
    assert con.adjacency is con.graph.adjacency
    assert list(con) == IDS
    assert Connectome(DENSE).node_features is None
    assert Connectome(DENSE).node_ids.tolist() == [0, 1, 2, 3]


def test_a_view(con):
    view = con[[3, 1]]
    assert view.shape == (2, 2)
    assert view.indices.tolist() == [3, 1]
    assert view.node_ids.tolist() == ["b", "a"]
    assert view.node_features.tolist() == [[6, 7], [2, 3]]
    assert view.adjacency.toarray().tolist() == [[0, 5], [2, 0]]
    assert view.adjacency.has_sorted_indices
    assert isinstance(view.adjacency, sparse.csr_array)
    assert (view.n_edges, view.n_synapses) == (2, 7)


def test_every_view_is_of_the_same_graph(subtests, con):
    cases = [
        (1, ["a"]),
        (-1, ["b"]),
        (slice(1, 3), ["a", "c"]),
        (slice(None, None, -1), IDS[::-1]),
        ([], []),
        ([0, 0, 2], ["d", "d", "c"]),
        (np.array([True, False, False, True]), ["d", "b"]),
        (pd.Series([True, False, False, True]), ["d", "b"]),
        (([1, 2], ...), ["a", "c"]),
        (np.ix_([1, 2], [0, 3, 1]), ["a", "c"]),
    ]
    for key, ids in cases:
        with subtests.test(key=key, ids=ids):
            view = con[key]
            assert view.graph is con.graph
            assert view.node_ids.tolist() == ids
            assert not view.indices.flags.writeable


def test_a_permutation_is_not_the_whole_graph(con):
    view = con[::-1]
    assert (view.adjacency.toarray() == DENSE[::-1, ::-1]).all()
    assert view.n_edges == 5


def test_a_bootstrap_repeats_nodes(con):
    view = con[[0, 1, 0]]
    expected = DENSE[np.ix_([0, 1, 0], [0, 1, 0])]
    assert (view.adjacency.toarray() == expected).all()
    assert view.n_edges == np.count_nonzero(expected)
    assert view.n_synapses == expected.sum()


def test_bad_indices_are_refused(con):
    with pytest.raises(IndexError, match="index 4 is out of range"):
        con[4]
    with pytest.raises(IndexError, match=r"index 2 is out of range .* with 2 nodes"):
        con[:2][2]
    with pytest.raises(IndexError, match=r"one entry per node in view \(2\), got 4"):
        con[:2][[True] * 4]
    with pytest.raises(IndexError, match="has no columns"):
        con[:, [0, 1]]


def test_attributes_are_read_only(con):
    with pytest.raises(AttributeError):
        con.indices = [1]
    with pytest.raises(ValueError, match="read-only"):
        con.indices[0] = 1


@settings(deadline=None)
@given(data=st.data())
def test_a_view_of_a_view_has_the_composed_index(data):
    n_nodes = data.draw(st.integers(1, 6))
    weights = st.lists(st.integers(0, 3), min_size=n_nodes**2, max_size=n_nodes**2)
    dense = np.array(data.draw(weights)).reshape(n_nodes, n_nodes)
    con = Connectome(dense)
    first = data.draw(st.lists(st.integers(-n_nodes, n_nodes - 1), min_size=1))
    positions = st.integers(-len(first), len(first) - 1)
    masks = st.lists(st.booleans(), min_size=len(first), max_size=len(first))
    second = data.draw(st.one_of(st.lists(positions), masks, st.slices(len(first))))
    if not isinstance(second, slice):
        dtype = bool if second and isinstance(second[0], bool) else int
        second = np.array(second, dtype=dtype)
    view = con[first][second]
    composed = np.arange(n_nodes)[first][second]
    assert view.graph is con.graph
    assert np.array_equal(view.indices, composed)
    expected = dense[np.ix_(composed, composed)]
    assert np.array_equal(view.adjacency.toarray(), expected)
    assert view.n_edges == np.count_nonzero(expected)
    assert view.n_synapses == expected.sum()


@settings(deadline=None)
@given(
    edges=st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(1, 9)), max_size=20
    ),
    order=st.permutations(range(6)),
    fraction=st.sampled_from([1, 0.5, 0.1]),
)
def test_edges_make_a_round_trip(edges, order, fraction):
    pre, post, weight = np.array(edges, dtype=float).reshape(-1, 3).T
    table = {"pre": pre.astype(int), "post": post.astype(int)}
    table["weight"] = weight * fraction
    nodes = [f"n{position}" for position in order]
    for name in ("pre", "post"):
        table[name] = np.array(nodes)[table[name]]
    con = Connectome.from_edges(table, nodes=nodes)
    back = Connectome.from_edges(con.to_edges(), nodes=con.node_ids)
    assert back.is_same_graph(con)


def test_to_edges(con):
    edges = con[[3, 1]].to_edges()
    assert edges.to_dict("list") == {
        "pre": ["b", "a"],
        "post": ["a", "b"],
        "weight": [5, 2],
    }
    assert edges["weight"].dtype == np.int64
    halves = Connectome(DENSE / 2).to_edges()
    assert halves["weight"].tolist() == [2.0, 1.5, 0.5, 1.0, 2.5]
    assert con[[2]].to_edges().shape == (0, 3)


def test_to_series(con):
    series = con[[3, 1]].to_series(["PN", "KC"], name="type")
    assert series.to_dict() == {"b": "PN", "a": "KC"}
    assert series.name == "type"
    assert series.index.name == "node_id"
    by_another_index = pd.Series([1, 2], index=["x", "y"])
    assert con[[3, 1]].to_series(by_another_index).tolist() == [1, 2]
    assert con.align(series).tolist() == ["?", "KC", "?", "PN"]
    message = r"one entry per node in view, shape \(4,\), got shape \(2,\)"
    with pytest.raises(ValueError, match=message):
        con.to_series(["PN", "KC"])
    with pytest.raises(ValueError, match=r"got shape \(4, 2\)"):
        con.to_series(np.ones((4, 2)))


def test_concat(con):
    other = Connectome([[0, 7], [0, 0]], ["x", "y"], [[1, 1], [2, 2]])
    both = Connectome.concat([con[[1, 3]], other])
    assert both.node_ids.tolist() == ["a", "b", "x", "y"]
    expected = [[0, 2, 0, 0], [5, 0, 0, 0], [0, 0, 0, 7], [0, 0, 0, 0]]
    assert both.adjacency.toarray().tolist() == expected
    assert both.node_features.tolist() == [[2, 3], [6, 7], [1, 1], [2, 2]]
    assert Connectome.concat(iter([con])).is_same_graph(con)
    fractions = Connectome.concat([Connectome(DENSE), Connectome([[0.1]], [9])])
    assert fractions.adjacency[4, 4] == 0.1


def test_concat_refusals(con):
    with pytest.raises(ValueError, match="at least one item, got none"):
        Connectome.concat([])
    for other in (None, con):
        with pytest.raises(TypeError, match="must be a list of Connectomes, got"):
            Connectome.concat(other)
    with pytest.raises(TypeError, match="must be Connectomes, got ndarray"):
        Connectome.concat([con, DENSE])
    with pytest.raises(ValueError, match="node_ids must be unique, but repeat"):
        Connectome.concat([con, con])
    with pytest.raises(TypeError, match="ids of one kind, got integers and strings"):
        Connectome.concat([con, Connectome(DENSE, [1, 2, 3, 4], np.ones((4, 2)))])
    with pytest.raises(ValueError, match="same number of node features, got 2, None"):
        Connectome.concat([con, Connectome(DENSE, list("wxyz"))])
    with pytest.raises(ValueError, match="same number of node features, got 2, 3"):
        Connectome.concat([con, Connectome([[1]], ["z"], [[1, 2, 3]])])


def test_same_graph(con):
    assert con.is_same_graph(con[:2])
    assert con.is_same_graph(
        Connectome(sparse.coo_array(DENSE), IDS, con.node_features)
    )
    assert not con.is_same_graph(Connectome(DENSE, IDS))
    assert not con.is_same_graph(Connectome(DENSE))
    assert not con.is_same_graph(DENSE)
    assert con != con[:]  # compared by identity, as other objects


def test_is_not_converted_to_an_array(subtests, con):
    for convert in [np.asarray, np.array, check_array, pd.DataFrame]:
        with subtests.test(convert=convert):
            message = r"cannot be converted to an array.*pass con\.adjacency"
            with pytest.raises(TypeError, match=message):
                convert(con)


def test_repr(con):
    assert repr(con) == "<Connectome of 4 nodes: 5 edges, 15 synapses>"
    view = "<Connectome view of 2 of 4 nodes: 2 edges, 7 synapses between them>"
    assert repr(con[[3, 1]]) == view
    assert repr(Connectome([[0.5]])) == "<Connectome of 1 node: 1 edge, 0.5 synapses>"
    assert repr(con[[]]).startswith("<Connectome view of 0 of 4 nodes: 0 edges, 0 syn")


def test_copies_share_the_graph(subtests, con):
    for duplicate in [copy.copy, copy.deepcopy, lambda con: clone(con, safe=False)]:
        with subtests.test(duplicate=duplicate):
            view = con[[3, 1]]
            other = duplicate(view)
            assert other is not view
            assert other.graph is view.graph
            assert other.indices.tolist() == [3, 1]
            assert not other.indices.flags.writeable


@pytest.mark.parametrize("protocol", [2, pickle.HIGHEST_PROTOCOL])
def test_pickle(con, protocol):
    views = (con, con[[3, 1]])
    whole, view = pickle.loads(pickle.dumps(views, protocol))
    assert whole.graph is view.graph  # as they were pickled together
    assert view.node_ids.tolist() == ["b", "a"]
    assert not view.indices.flags.writeable
    apart = pickle.loads(pickle.dumps(view, protocol))
    assert apart.graph is not whole.graph
    assert apart.is_same_graph(whole)
    assert apart.adjacency.toarray().tolist() == [[0, 5], [2, 0]]


def test_joblib_hash_is_stable(con):
    before = joblib.hash(con)
    repr(con)
    assert con.graph.transpose is not None
    assert joblib.hash(con) == before
    assert joblib.hash(pickle.loads(pickle.dumps(con))) == before
    assert joblib.hash(con[:2]) != before


def test_memory_maps_are_read(con, tmp_path):
    joblib.dump(con, tmp_path / "con.joblib")
    mapped = joblib.load(tmp_path / "con.joblib", mmap_mode="r")
    assert mapped.is_same_graph(con)
    # of the same type and read-only as before, so that numba compiles only once
    assert type(mapped.graph.adjacency.data) is np.ndarray
    assert (mapped.graph.transpose.toarray() == DENSE.T).all()
    assert repr(mapped[[3, 1]]) == repr(con[[3, 1]])


def test_safe_indexing(subtests, con):
    cases = [
        2,
        slice(1, 3),
        [3, 1],
        np.array([3, 1]),
        (3, 1),
        [True, False, True, False],
    ]
    for key in cases:
        with subtests.test(key=key):
            view = _safe_indexing(con, key)
            assert view.graph is con.graph
            expected = _safe_indexing(np.array(IDS), key)
            assert view.node_ids.tolist() == np.atleast_1d(expected).tolist()


def test_utilities_of_scikit_learn(con):
    assert _num_samples(con) == 4
    assert indexable(con, IDS)[0] is con
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        indexable(con[:2], IDS)
    shuffled, ids = shuffle(con, IDS, random_state=0)
    assert shuffled.node_ids.tolist() == ids
    drawn, ids = resample(con, IDS, n_samples=9, random_state=0)
    assert drawn.node_ids.tolist() == ids
    assert drawn.graph is con.graph


def test_train_test_split(two_blocks):
    con, y = two_blocks
    train, test, y_train, y_test = train_test_split(con, y, stratify=y, random_state=0)
    assert train.graph is test.graph is con.graph
    assert (y[train.indices] == y_train).all()
    assert (y[test.indices] == y_test).all()


@pytest.mark.parametrize("pairwise", [False, True])
def test_safe_split_takes_the_rows(con, pairwise):
    class Pairwise(BaseEstimator):
        def __sklearn_tags__(self):
            tags = super().__sklearn_tags__()
            tags.input_tags.pairwise = pairwise
            return tags

    view, y = _safe_split(Pairwise(), con, np.array(IDS), [3], [0, 1, 2])
    assert view.node_ids.tolist() == y.tolist() == ["b"]


def test_cross_validation_uses_the_whole_graph(two_blocks):
    con, y = two_blocks
    predicted = cross_val_predict(partner_vote(), con, y, cv=KFold(4))
    assert np.mean(predicted == y) > 0.9
    scores = cross_val_score(partner_vote(), con[::-1], y[::-1], cv=3)
    assert scores.mean() > 0.9


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_grid_search(n_jobs):
    # Large enough that joblib passes read-only memory maps to its workers.
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 300)
    dense = rng.poisson(np.where(y[:, None] == y, 3.0, 2.0))
    con = Connectome(dense)
    assert con.graph.adjacency.data.nbytes > 2**20
    search = GridSearchCV(
        partner_vote(), {"pseudo": [0.0, 1e6]}, cv=3, n_jobs=n_jobs, error_score="raise"
    )
    search.fit(con, y)
    assert search.best_params_ == {"pseudo": 0.0}
    assert search.best_score_ > 0.9
    assert np.isclose(search.cv_results_["mean_test_score"][1], 0.5)
    assert (search.predict(con[:5]) == 0).all()


def test_clone_shares_the_graph_of_a_parameter(con):
    model = partner_vote().set_params(con=con)
    other = clone(model)
    assert other.con is not con
    assert other.con.graph is con.graph


def test_import_is_light():
    code = (
        "import sys; import sklearn; before = set(sys.modules);"
        "import celltyping.connectome;"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before};"
        "assert not new & {'pandas', 'networkx', 'numba', 'pyarrow'}, new"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
