"""Graph: one test or more per line of the graph contract."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from celltyping.connectome._graph import Graph, frozen

# Asymmetric, with a self loop (0), an isolated node (2) and two components.
DENSE = np.array(
    [
        [4, 3, 0, 0, 0],
        [1, 0, 0, 0, 0],
        [0, 0, 0, 0, 0],
        [0, 0, 0, 0, 9],
        [0, 0, 0, 0, 0],
    ]
)

FORMS = {
    "dense": np.array,
    "list": lambda a: np.asarray(a).tolist(),
    "frame": pd.DataFrame,
    "csr_array": sparse.csr_array,
    "csc_array": sparse.csc_array,
    "coo_array": sparse.coo_array,
    "lil_array": sparse.lil_array,
    "csr_matrix": sparse.csr_matrix,
    "csc_matrix": sparse.csc_matrix,
    "coo_matrix": sparse.coo_matrix,
}

small_weights = st.one_of(st.integers(0, 9), st.floats(0, 9, width=16))
edge_lists = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 5), small_weights), max_size=20
)


def coo_of(edges, n_nodes=6):
    """Build a COO array from (pre, post, weight) triples."""
    rows = np.array([edge[0] for edge in edges], dtype=int)
    cols = np.array([edge[1] for edge in edges], dtype=int)
    weights = np.array([edge[2] for edge in edges], dtype=float)
    return sparse.coo_array((weights, (rows, cols)), shape=(n_nodes, n_nodes))


def test_every_form_gives_the_same_graph(subtests):
    for form in FORMS:
        with subtests.test(form=form):
            graph = Graph(FORMS[form](DENSE))
            assert isinstance(graph.adjacency, sparse.csr_array)
            assert np.array_equal(graph.adjacency.toarray(), DENSE)
            assert graph.content_hash == Graph(DENSE).content_hash


def test_every_dtype_gives_the_same_graph(subtests):
    cases = [
        (bool, np.int32),
        (np.int8, np.int64),
        (np.uint16, np.int32),
        (np.int64, np.int64),
        (np.float32, np.int64),
        (np.float64, np.int32),
    ]
    for dtype, index_dtype in cases:
        with subtests.test(dtype=dtype, index_dtype=index_dtype):
            matrix = sparse.csr_array(DENSE.astype(dtype))
            matrix.indices = matrix.indices.astype(index_dtype)
            matrix.indptr = matrix.indptr.astype(index_dtype)
            graph = Graph(matrix)
            assert graph.adjacency.dtype == np.float32
            assert graph.adjacency.indices.dtype == np.int32
            assert graph.adjacency.indptr.dtype == np.int32
            expected = Graph(DENSE > 0) if dtype is bool else Graph(DENSE)
            assert graph.content_hash == expected.content_hash


def test_direction_is_kept():
    graph = Graph(DENSE)
    assert graph.adjacency[0, 1] == 3
    assert graph.adjacency[1, 0] == 1
    assert graph.adjacency[4, 3] == 0


def test_self_loops_count():
    assert Graph(DENSE).adjacency[0, 0] == 4
    assert Graph(DENSE).transpose[0, 0] == 4


def test_isolated_nodes_and_components_stay():
    graph = Graph(DENSE)
    assert graph.n_nodes == 5
    assert graph.adjacency[[2]].nnz == graph.transpose[[2]].nnz == 0
    assert sparse.csgraph.connected_components(graph.adjacency)[0] == 3


def test_a_graph_without_edges():
    graph = Graph(np.zeros((3, 3)))
    assert graph.adjacency.nnz == graph.transpose.nnz == 0
    assert graph.adjacency.dtype == np.float32
    assert graph.content_hash != Graph(np.zeros((4, 4))).content_hash


def test_stored_zeros_are_no_edges():
    matrix = sparse.csr_array(([0.0, 2.0, -0.0], ([0, 0, 1], [0, 1, 1])), shape=(2, 2))
    assert matrix.nnz == 3
    graph = Graph(matrix)
    assert graph.adjacency.nnz == 1
    assert graph.content_hash == Graph([[0, 2], [0, 0]]).content_hash


def test_repeated_edges_are_summed():
    ones = sparse.coo_array(
        (np.ones(300, dtype=np.int8), (np.zeros(300, int), np.ones(300, int))),
        shape=(2, 2),
    )
    assert Graph(ones).adjacency[0, 1] == 300  # int8 would have overflowed
    csr = sparse.csr_array(
        (np.array([1, 2]), np.array([1, 1]), np.array([0, 2, 2])), shape=(2, 2)
    )
    assert Graph(csr).adjacency[0, 1] == 3


def test_order_of_repeated_fractions_does_not_matter():
    rng = np.random.default_rng(0)
    edges = list(
        zip(*rng.integers(0, 2, size=(2, 200)), rng.random(200) ** 9, strict=True)
    )
    hashes = set()
    for _ in range(5):
        rng.shuffle(edges)
        hashes.add(Graph(coo_of(edges)).content_hash)
    assert len(hashes) == 1


@settings(deadline=None)
@given(edges=edge_lists, seed=st.integers(0, 99))
def test_order_of_edges_does_not_matter(edges, seed):
    shuffled = [edges[i] for i in np.random.default_rng(seed).permutation(len(edges))]
    graph, other = Graph(coo_of(edges)), Graph(coo_of(shuffled))
    assert graph.content_hash == other.content_hash
    assert np.array_equal(graph.adjacency.indices, other.adjacency.indices)
    assert np.array_equal(graph.adjacency.data, other.adjacency.data)


@settings(deadline=None)
@given(edges=edge_lists)
def test_arrays_are_canonical(edges):
    graph = Graph(coo_of(edges))
    expected = np.zeros((6, 6))
    for pre, post, weight in edges:
        expected[pre, post] += weight
    np.testing.assert_allclose(graph.adjacency.toarray(), expected)
    for matrix in (graph.adjacency, graph.transpose):
        assert (matrix.data > 0).all()
        rows = np.repeat(np.arange(6), np.diff(matrix.indptr))
        keys = rows * 6 + matrix.indices
        assert (np.diff(keys) > 0).all()  # sorted, without duplicates


@settings(deadline=None)
@given(edges=edge_lists)
def test_transposing_twice_gives_the_graph_back(edges):
    graph = Graph(coo_of(edges))
    assert (graph.transpose.toarray() == graph.adjacency.toarray().T).all()
    back = Graph(graph.transpose.T)
    assert back.content_hash == graph.content_hash


def test_the_transpose_is_computed_once():
    graph = Graph(DENSE)
    assert graph.transpose is graph.transpose


def test_float32_only_if_exact(subtests):
    cases = [
        (2.0**24, np.float32),
        (2.0**24 + 1, np.float64),
        (0.5, np.float32),
        (0.1, np.float64),
        (np.float32(0.1), np.float32),
        (1e300, np.float64),
    ]
    for weight, dtype in cases:
        with subtests.test(weight=weight, dtype=dtype):
            graph = Graph(np.array([[0, weight], [0, 0]], dtype=np.float64))
            assert graph.adjacency.dtype == dtype
            assert graph.adjacency[0, 1] == weight


def test_input_is_neither_changed_nor_kept(subtests):
    for form in ["dense", "csr_array", "csc_array", "coo_array"]:
        with subtests.test(form=form):
            adjacency = FORMS[form](DENSE.astype(np.float32))
            ids, features = np.arange(5), np.ones((5, 2))
            graph = Graph(adjacency, ids, features)
            before = graph.content_hash
            weights = adjacency if form == "dense" else adjacency.data
            for array in (weights, ids, features):
                array[:] = 7
            assert np.array_equal(graph.adjacency.toarray(), DENSE)
            assert graph.node_ids.tolist() == [0, 1, 2, 3, 4]
            assert (graph.node_features == 1).all()
            assert graph.content_hash == before


def test_unsorted_input_is_left_as_it_is():
    matrix = sparse.csr_array(
        (np.array([1.0, 2, 3]), np.array([1, 0, 1]), np.array([0, 3, 3])), shape=(2, 2)
    )
    Graph(matrix)
    assert matrix.indices.tolist() == [1, 0, 1]
    assert matrix.data.tolist() == [1, 2, 3]


def test_arrays_are_read_only():
    graph = Graph(DENSE, node_features=np.ones((5, 1)))
    for matrix in (graph.adjacency, graph.transpose):
        for array in (matrix.data, matrix.indices, matrix.indptr):
            assert not array.flags.writeable
    assert not graph.node_ids.flags.writeable
    assert not graph.node_features.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        graph.adjacency.data[0] = 2


def test_frozen_returns_a_read_only_view():
    array = np.arange(3)
    assert not frozen(array).flags.writeable
    assert array.flags.writeable
    assert np.shares_memory(array, frozen(array))


def test_bad_weights_are_refused_with_the_first_edge(subtests):
    cases = [
        (-2.0, "negative", "dense"),
        (np.nan, "NaN", "csr_array"),
        (np.inf, "infinite", "csc_array"),
        (-np.inf, "infinite", "coo_matrix"),
    ]
    for value, problem, form in cases:
        with subtests.test(value=value, form=form):
            adjacency = DENSE.astype(float)
            adjacency[3, 1] = value
            message = (
                rf"weights must be finite and not negative, got 1 {problem} \(of 5\); "
                rf"the first is {value}, from node d to node b"
            )
            with pytest.raises(ValueError, match=message):
                Graph(FORMS[form](adjacency), node_ids=list("abcde"))


def test_negative_weights_are_refused_before_summing():
    with pytest.raises(ValueError, match="got 1 negative"):
        Graph(coo_of([(0, 1, 5), (0, 1, -2)]))


def test_weights_must_have_a_finite_sum():
    with pytest.raises(ValueError, match="their sum overflows"):
        Graph([[1e308, 0], [1e308, 0]])


def test_matrices_that_are_not_square_are_refused(subtests):
    for shape in [(3, 4), (4,), (2, 2, 2)]:
        with subtests.test(shape=shape):
            message = rf"adjacency must be square.* got shape \({shape[0]}"
            with pytest.raises(ValueError, match=message):
                Graph(np.zeros(shape))


def test_rectangular_sparse_matrices_are_refused():
    with pytest.raises(ValueError, match=r"must be square.* got shape \(3, 4\)"):
        Graph(sparse.csr_array((3, 4)))


def test_graphs_without_nodes_are_refused():
    with pytest.raises(ValueError, match="adjacency must have at least one node"):
        Graph(np.zeros((0, 0)))


def test_matrices_of_something_else_are_refused(subtests):
    cases = [
        [["a", "b"], ["c", "d"]],
        np.ones((2, 2), dtype=complex),
        np.ones((2, 2), dtype=object),
    ]
    for adjacency in cases:
        with (
            subtests.test(adjacency=adjacency),
            pytest.raises(TypeError, match="adjacency must hold numbers, got dtype"),
        ):
            Graph(adjacency)


def test_ids_must_fit_and_differ():
    message = r"one id per node, got 3 ids for an adjacency of shape \(2, 2\)"
    with pytest.raises(ValueError, match=message):
        Graph(np.ones((2, 2)), node_ids=[1, 2, 3])
    with pytest.raises(
        ValueError, match="node_ids must be unique, but repeat the ids 7"
    ):
        Graph(np.ones((3, 3)), node_ids=[7, 8, 7])
    with pytest.raises(ValueError, match="ids that overflow it"):
        Graph(np.ones((2, 2)), node_ids=[7, 2**64])


def test_min_weight_holds_for_the_sum():
    edges = coo_of([(0, 1, 2), (0, 1, 2), (1, 0, 3), (2, 0, 4)])
    kept = Graph(edges, min_weight=4)
    assert kept.n_nodes == 6
    assert kept.adjacency[0, 1] == kept.adjacency[2, 0] == 4
    assert kept.adjacency.nnz == 2


def test_features():
    graph = Graph(DENSE, node_features=np.arange(10).reshape(5, 2))
    assert graph.node_features.dtype == np.float64
    assert graph.node_features.shape == (5, 2)
    assert graph.content_hash != Graph(DENSE).content_hash
    fortran = np.asfortranarray(np.arange(10).reshape(5, 2))
    assert graph.content_hash == Graph(DENSE, None, fortran).content_hash


def test_features_in_a_frame_are_found_by_id():
    ids = ["d", "b", "a", "c", "e"]
    frame = pd.DataFrame({"size": range(6)}, index=list("abcdef"))
    graph = Graph(DENSE, ids, frame)
    assert graph.node_features[:, 0].tolist() == [3, 1, 0, 2, 4]


def test_features_in_a_frame_need_every_id():
    frame = pd.DataFrame({"size": range(5)})
    message = r"must hold every node id, but lacks 2: 5, 6; pass .*to_numpy\(\)"
    with pytest.raises(ValueError, match=message):
        Graph(DENSE, [0, 1, 2, 5, 6], frame)
    with pytest.raises(TypeError, match="the index of node_features are integers"):
        Graph(DENSE, list("abcde"), frame)
    with pytest.raises(ValueError, match="lacks 5"):
        Graph(DENSE, None, frame.iloc[:0])
    with pytest.raises(ValueError, match="the index of node_features must be unique"):
        Graph(DENSE, None, frame.iloc[[0, 1, 2, 3, 4, 4]])


def test_bad_features_are_refused(subtests):
    for value in [-1, np.nan, np.inf]:
        with subtests.test(value=value):
            message = "node_features must be finite and not negative, got 1 values"
            with pytest.raises(ValueError, match=message):
                Graph(np.ones((2, 2)), node_features=[[1.0], [value]])


def test_features_of_the_wrong_shape_are_refused(subtests):
    for features in [[1, 2], [[1], [2], [3]], 5]:
        with subtests.test(features=features):
            message = r"must have shape \(n_nodes, n_features\) with 2 nodes, got shape"
            with pytest.raises(ValueError, match=message):
                Graph(np.ones((2, 2)), node_features=features)


@pytest.mark.parametrize("features", [[["a"], ["b"]], [[1j], [2j]]])
def test_features_of_another_type_are_refused(features):
    with pytest.raises(TypeError, match="node_features must hold numbers"):
        Graph(np.ones((2, 2)), node_features=features)


def test_different_graphs_have_different_hashes():
    graphs = [
        Graph(DENSE),
        Graph(DENSE.T),
        Graph(DENSE * 2),
        Graph(DENSE, node_ids=[1, 2, 3, 4, 5]),
        Graph(DENSE, node_ids=list("abcde")),
        Graph(DENSE, node_ids=list("abced")),
        Graph(DENSE, node_features=np.zeros((5, 1))),
        Graph(DENSE, node_features=np.zeros((5, 2))),
    ]
    assert len({graph.content_hash for graph in graphs}) == len(graphs)


def test_the_width_of_text_ids_does_not_matter():
    wide = np.array(["a", "b", "c", "d", "e"], dtype="<U50")
    narrow = Graph(DENSE, list("abcde"))
    assert Graph(DENSE, wide).content_hash == narrow.content_hash


def test_the_hash_stays_the_same():
    # Hashes stored with fitted models must remain valid in later versions.
    assert Graph(DENSE).content_hash == "bad63141bdb43ef8bfe3c83eb7b8b6c8"


def test_find():
    graph = Graph(DENSE, node_ids=[50, 40, 30, 20, 10])
    assert graph.find([10, 50]).tolist() == [4, 0]
    with pytest.raises(
        ValueError, match="1 of the 2 ids in labels are not in the conn"
    ):
        graph.find([10, 11], "labels")


def test_pickle():
    graph = Graph(DENSE, list("abcde"), np.ones((5, 2)))
    plain = pickle.dumps(graph)
    assert graph.transpose is not None
    assert pickle.dumps(graph) == plain  # without the transpose
    back = pickle.loads(plain)
    assert back.content_hash == graph.content_hash
    assert back.adjacency.has_canonical_format
    assert not back.adjacency.data.flags.writeable
    assert not back.node_ids.flags.writeable
    assert np.array_equal(back.transpose.toarray(), DENSE.T)
    assert back.node_ids.tolist() == list("abcde")
    assert (back.node_features == 1).all()


def test_copies_share_the_graph():
    graph = Graph(DENSE)
    assert copy.copy(graph) is graph
    assert copy.deepcopy(graph) is graph
