"""Connectomes from tables of edges and from networkx."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import networkx as nx
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from celltyping.connectome import Connectome
from celltyping.connectome._edges import check_columns

EDGES = {
    "pre": np.array([30, 10, 30, 20]),
    "post": np.array([10, 20, 10, 20]),
    "weight": np.array([2, 5, 3, 1]),
}
EXPECTED = [[0, 5, 0], [0, 1, 0], [5, 0, 0]]  # of nodes 10, 20, 30


def as_records(edges):
    """Turn a dict of arrays into a structured array."""
    records = np.zeros(len(edges["pre"]), dtype=[(name, "i8") for name in edges])
    for name, column in edges.items():
        records[name] = column
    return records


def test_every_kind_of_table(subtests):
    cases = [
        dict,
        lambda edges: {name: column.tolist() for name, column in edges.items()},
        pd.DataFrame,
        lambda edges: pd.DataFrame(edges, dtype="Int64"),
        pa.table,
        as_records,
    ]
    for make in cases:
        with subtests.test(make=make):
            con = Connectome.from_edges(make(EDGES))
            assert con.node_ids.tolist() == [10, 20, 30]
            assert con.adjacency.toarray().tolist() == EXPECTED


def by_pairs(edges):
    """Return the summed weights as a Series by pre and post."""
    return pd.DataFrame(edges).groupby(["pre", "post"])["weight"].sum()


def test_an_index_of_pairs_counts_as_columns(subtests):
    cases = [
        by_pairs,
        lambda edges: by_pairs(edges).rename(None),
        lambda edges: by_pairs(edges).to_frame(),
        lambda edges: by_pairs(edges).reset_index("post"),
        lambda edges: pd.DataFrame(edges).astype(pd.SparseDtype(int, 0)),
    ]
    for make in cases:
        with subtests.test(make=make):
            table = make(EDGES)
            before = table.copy()
            con = Connectome.from_edges(table)
            assert con.node_ids.tolist() == [10, 20, 30]
            assert con.adjacency.toarray().tolist() == EXPECTED
            assert table.equals(before)


def test_the_weight_of_a_series_is_named():
    counts = pd.DataFrame(EDGES).groupby(["pre", "post"]).size()
    con = Connectome.from_edges(counts, weight="n")
    assert con.is_same_graph(Connectome.from_edges(EDGES, weight=None))
    with pytest.raises(ValueError, match=r"lacks the column 'weight'; .* 'size'"):
        Connectome.from_edges(counts.rename("size"))


@pytest.mark.parametrize("make", [dict, pd.DataFrame])
def test_text_ids(make):
    edges = EDGES | {"pre": list("caca"), "post": list("abab")}
    con = Connectome.from_edges(make(edges))
    assert con.node_ids.tolist() == ["a", "b", "c"]
    assert con.adjacency.toarray().tolist() == [[0, 6, 0], [0, 0, 0], [5, 0, 0]]


@pytest.mark.parametrize("make", [dict, pd.DataFrame])
def test_ids_of_18_digits(make):
    ids = 720575940612345678 + np.arange(3)
    con = Connectome.from_edges(make({"pre": ids, "post": ids[[1, 2, 0]]}), weight=None)
    assert con.node_ids.tolist() == ids.tolist()
    edges = con.to_edges()
    assert edges["pre"].tolist() == ids.tolist()
    assert edges["post"].tolist() == ids[[1, 2, 0]].tolist()


def test_names_of_columns():
    edges = {"a": EDGES["pre"], "b": EDGES["post"], "c": EDGES["weight"]}
    con = Connectome.from_edges(edges, pre="a", post="b", weight="c")
    assert con.adjacency.toarray().tolist() == EXPECTED
    con = Connectome.from_edges(edges, pre="b", post="a", weight="c")
    assert con.adjacency.toarray().tolist() == np.transpose(EXPECTED).tolist()


def test_rows_are_counted_without_weight():
    con = Connectome.from_edges(EDGES, weight=None)
    assert con.adjacency.toarray().tolist() == [[0, 1, 0], [0, 1, 0], [2, 0, 0]]
    many = {"pre": np.zeros(300, int), "post": np.ones(300, int)}
    assert Connectome.from_edges(many, weight=None).n_synapses == 300


def test_nodes_set_the_order_and_keep_isolated_ones():
    con = Connectome.from_edges(EDGES, nodes=[40, 30, 20, 10])
    assert con.node_ids.tolist() == [40, 30, 20, 10]
    assert con.adjacency.toarray()[1:, 1:][::-1, ::-1].tolist() == EXPECTED
    assert con.adjacency.toarray()[0].tolist() == [0, 0, 0, 0]


def test_nodes_without_edges():
    edges = {"pre": [], "post": [], "weight": np.array([])}
    for nodes in ([1, 2], ["a", "b"]):
        assert Connectome.from_edges(edges, nodes=nodes).shape == (2, 2)
    frame = pd.DataFrame(edges)
    assert Connectome.from_edges(frame, nodes=["a"]).n_edges == 0


def test_min_weight_is_applied_to_the_sum_and_keeps_the_nodes():
    con = Connectome.from_edges(EDGES, min_weight=5)
    assert con.node_ids.tolist() == [10, 20, 30]
    assert con.adjacency.toarray().tolist() == [[0, 5, 0], [0, 0, 0], [5, 0, 0]]
    assert Connectome.from_edges(EDGES, min_weight=6).n_edges == 0


def test_node_features():
    frame = pd.DataFrame({"size": [3.0, 1.0, 2.0]}, index=[30, 10, 20])
    con = Connectome.from_edges(EDGES, node_features=frame)
    assert con.node_features[:, 0].tolist() == [1, 2, 3]
    by_position = frame.to_numpy()
    con = Connectome.from_edges(EDGES, nodes=[30, 10, 20], node_features=by_position)
    assert con.node_features[:, 0].tolist() == [3, 1, 2]


def test_the_table_is_not_changed():
    frame = pd.DataFrame(EDGES)
    before = frame.copy()
    Connectome.from_edges(frame, min_weight=2)
    pd.testing.assert_frame_equal(frame, before)


def test_other_ids_are_dropped_on_request():
    con = Connectome.from_edges(EDGES, nodes=[10, 7, 20], other_ids="drop")
    assert con.node_ids.tolist() == [10, 7, 20]
    assert con.adjacency.toarray().tolist() == [[0, 0, 5], [0, 0, 0], [0, 0, 1]]
    whole = Connectome.from_edges(EDGES, other_ids="drop")
    assert whole.is_same_graph(Connectome.from_edges(EDGES))
    rows = Connectome.from_edges(EDGES, weight=None, nodes=[10, 20], other_ids="drop")
    assert rows.n_synapses == 2
    with pytest.raises(ValueError, match="which has 1, 2, 3"):
        Connectome.from_edges(EDGES, nodes=[1, 2, 3], other_ids="drop")
    with pytest.raises(ValueError, match="other_ids='drop' leaves out all rows"):
        Connectome.from_edges(
            EDGES | {"post": [7] * 3 + [10]}, nodes=[30, 10, 8], other_ids="drop"
        )
    with pytest.raises(ValueError, match="other_ids must be 'raise' or 'drop', got 1"):
        Connectome.from_edges(EDGES, other_ids=1)


ROOT = 720575940612345678


@pytest.mark.parametrize(
    ("pre", "post", "n_rows"),
    [
        ([ROOT, 0, ROOT], [0, 0, ROOT + 1], 2),
        (["0", "10001", "10002"], ["10001"] * 3, 1),
    ],
)
def test_the_background_of_a_segmentation_gives_a_warning(pre, post, n_rows):
    edges = {"pre": pre, "post": post, "weight": [1, 2, 3]}
    message = f"^{n_rows} of the 3 rows of edges have the id 0, .*other_ids='drop'"
    with pytest.warns(UserWarning, match=message) as record:
        Connectome.from_edges(edges)
    assert record[0].filename == __file__
    neurons = [name for name in {*pre, *post} if name not in (0, "0")]
    con = Connectome.from_edges(edges, nodes=neurons, other_ids="drop")
    assert len(con) == 2


def test_zero_among_small_ids_is_a_neuron(subtests):
    for others in [[1, 2], [17, 5000], ["a", "bcdef"]]:
        with subtests.test(others=others):
            zero = "0" if isinstance(others[0], str) else 0
            edges = {"pre": [zero, *others], "post": [*others, zero]}
            assert zero in Connectome.from_edges(edges, weight=None).node_ids


def test_columns_are_named(subtests):
    cases = [
        {"pre": EDGES["pre"]},
        {"post": [10, 20]},
        {"pre": None},
        {"weight": np.ones(4)},
        {"weight": {}},
    ]
    for columns in cases:
        with subtests.test(columns=columns):
            message = f"{next(iter(columns))} must be the name of a column, got a "
            with pytest.raises(TypeError, match=message):
                Connectome.from_edges(EDGES, **columns)
            with pytest.raises(
                ValueError, match="pre, post and weight must be different col"
            ):
                Connectome.from_edges(EDGES, post="pre")


def test_repeated_columns_are_refused():
    frame = pd.DataFrame([[1, 2, 3, 4]], columns=["pre", "post", "weight", "post"])
    with pytest.raises(ValueError, match="edges has several columns named 'post'"):
        Connectome.from_edges(frame)


def test_unknown_endpoints_are_refused():
    message = (
        r"1 of the 3 ids in column 'pre' are not in nodes: 30; other_ids='drop' leaves"
    )
    with pytest.raises(ValueError, match=message):
        Connectome.from_edges(EDGES, nodes=[10, 20])
    with pytest.raises(ValueError, match=r"ids in column 'post' are not in nodes: 10"):
        Connectome.from_edges(EDGES | {"pre": [20, 30, 20, 30]}, nodes=[20, 30])


def test_missing_columns_are_named():
    message = r"edges lacks the columns 'a', 'w'; it has 'pre', 'post', 'weight': name"
    with pytest.raises(ValueError, match=message):
        Connectome.from_edges(EDGES, pre="a", weight="w")
    with pytest.raises(
        ValueError, match=r"the column 'w'; .* \(weight=None counts row"
    ):
        Connectome.from_edges(EDGES, weight="w")
    with pytest.raises(ValueError, match=r"x\.csv lacks .* it has none"):
        check_columns([], pre="a", post="b", weight=None, table="x.csv")


def test_bad_weights_are_refused(subtests):
    cases = [
        (
            [1, -2, 3, -1],
            ValueError,
            "got 2 negative .* first is -2.*, from node 10 to",
        ),
        ([1, np.nan, 3, 1], ValueError, "got 1 NaN .* from node 10 to node 20"),
        ([1, np.inf, 3, 1], ValueError, "got 1 infinite .* from node 10 to node 20"),
        (["1", "2", "3", "4"], TypeError, "column 'weight' must hold numbers, got str"),
        ([1, None, 3, 4], TypeError, "must hold numbers, got NoneType, int$"),
        (["1", "2", "x", "y"], TypeError, "must hold numbers, got str such as 'x'"),
        ([1, 10**400, 3, 1], ValueError, "column 'weight'"),
        (np.array(["1"] * 4), TypeError, "must hold numbers, got dtype <U1"),
        ([1, 2], ValueError, "got 4 values in 'pre' and 2 in 'weight'"),
    ]
    for column, error, message in cases:
        with subtests.test(column=column), pytest.raises(error, match=message):
            Connectome.from_edges(EDGES | {"weight": column})


def test_bad_ids_are_refused(subtests):
    cases = [
        (["a", "b", "c", "d"], TypeError, "ids in column 'pre' are strings"),
        (
            [1, 2, 3, None],
            ValueError,
            "column 'pre' must name every node, but 1 is mis",
        ),
        ([1, 2, 3, 2**63], ValueError, "column 'pre' must fit into int64"),
        ([1.5, 2.0, 3.0, 4.0], ValueError, "column 'pre' must be integers or strings"),
        ([7.2e17, 2.0, 3.0, 4.0], ValueError, "too large to be exact, such as 7.2e"),
        ([[1], [2], [3], [4]], TypeError, "'pre' must be all .* strings, got list"),
        ([1, 2], ValueError, "got 2 values in 'pre' and 4 in 'post'"),
        (np.ones((4, 2)), ValueError, "column 'pre' must be one-dimensional"),
        ({1, 2, 3, 4}, TypeError, "column 'pre' must be a sequence, got set"),
        (np.ma.masked_equal([1, 2, 3, 4], 2), TypeError, "must not be a masked array"),
    ]
    for column, error, message in cases:
        with subtests.test(column=column), pytest.raises(error, match=message):
            Connectome.from_edges(EDGES | {"pre": column})


def test_bad_nodes_are_refused(subtests):
    cases = [
        ([10, 20, 30, 30], ValueError, "nodes must be unique, but repeat the ids 30"),
        ([], ValueError, "nodes must name at least one node"),
        (
            ["10", "20", "30"],
            TypeError,
            "'pre' are integers .* in nodes are strings",
        ),
        ([10, 20, 2**63], ValueError, "nodes must fit into int64"),
    ]
    for nodes, error, message in cases:
        with subtests.test(nodes=nodes), pytest.raises(error, match=message):
            Connectome.from_edges(EDGES, nodes=nodes)


def test_bad_min_weight_is_refused(subtests):
    cases = [
        (-1, ValueError, "min_weight must be finite and not negative, got -1"),
        (np.nan, ValueError, "min_weight must be finite and not negative, got nan"),
        ("5", TypeError, "min_weight must be a number or None, got '5'"),
        (True, TypeError, "min_weight must be a number or None, got True"),
    ]
    for min_weight, error, message in cases:
        with subtests.test(min_weight=min_weight), pytest.raises(error, match=message):
            Connectome.from_edges(EDGES, min_weight=min_weight)


def test_a_table_without_rows_needs_nodes():
    with pytest.raises(ValueError, match="edges has no rows: pass nodes="):
        Connectome.from_edges({"pre": [], "post": [], "weight": []})


def test_other_tables_are_refused():
    for other in ([(1, 2, 3)], np.ones((3, 3)), nx.path_graph(3), "edges.csv", None):
        message = f"edges must be a DataFrame.* got {type(other).__name__}; Connectome"
        with pytest.raises(TypeError, match=message):
            Connectome.from_edges(other)


def test_networkx_directed():
    graph = nx.DiGraph()
    graph.add_nodes_from(["c", "alone"])
    graph.add_edge("a", "c", weight=3)
    graph.add_edge("c", "a", weight=1)
    graph.add_edge("a", "a")
    con = Connectome.from_networkx(graph)
    assert con.node_ids.tolist() == ["c", "alone", "a"]
    assert con.adjacency.toarray().tolist() == [[0, 0, 1], [0, 0, 0], [3, 0, 1]]


def test_networkx_agrees_with_networkx(subtests):
    for kind in [nx.Graph, nx.DiGraph, nx.MultiGraph, nx.MultiDiGraph]:
        with subtests.test(kind=kind):
            graph = kind()
            graph.add_nodes_from(range(6))
            rng = np.random.default_rng(0)
            for pre, post in rng.integers(0, 5, size=(20, 2)).tolist():
                graph.add_edge(pre, post, size=int(rng.integers(1, 9)))
            con = Connectome.from_networkx(graph, weight="size")
            expected = nx.to_numpy_array(graph, weight="size")
            assert (con.adjacency.toarray() == expected).all()
            counted = Connectome.from_networkx(graph, weight=None)
            assert (
                counted.adjacency.toarray() == nx.to_numpy_array(graph, weight=None)
            ).all()
            absent = Connectome.from_networkx(graph)  # no edge has a "weight"
            assert absent.is_same_graph(counted)


def test_networkx_min_weight_and_features():
    graph = nx.DiGraph()
    graph.add_edge(720575940612345678, 720575940612345679, weight=2)
    graph.add_edge(720575940612345679, 720575940612345678, weight=5)
    con = Connectome.from_networkx(graph, min_weight=3, node_features=[[1], [2]])
    assert con.node_ids.tolist() == [720575940612345678, 720575940612345679]
    assert con.adjacency.toarray().tolist() == [[0, 0], [5, 0]]
    assert con.node_features.tolist() == [[1], [2]]


def test_networkx_refusals():
    with pytest.raises(TypeError, match="graph must be a networkx graph, got ndarray"):
        Connectome.from_networkx(np.ones((2, 2)))
    with pytest.raises(ValueError, match="nodes must name at least one node"):
        Connectome.from_networkx(nx.DiGraph())
    with pytest.raises(TypeError, match="must be all integers or all strings"):
        Connectome.from_networkx(nx.path_graph(["a", 1]))
    graph = nx.DiGraph()
    graph.add_edge(0, 1, weight=-1)
    with pytest.raises(ValueError, match="got 1 negative"):
        Connectome.from_networkx(graph)
    with pytest.raises(ValueError, match="got 'sise'; they have 'weight'"):
        Connectome.from_networkx(graph, weight="sise")
    with pytest.raises(TypeError, match="weight must be a name or None, got list"):
        Connectome.from_networkx(graph, weight=["weight"])
    graph.add_edge(0, 1, weight="heavy")
    with pytest.raises(TypeError, match="must hold numbers, got str"):
        Connectome.from_networkx(graph)
