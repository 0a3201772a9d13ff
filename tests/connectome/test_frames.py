"""Adjacency and features as DataFrames, and data that is no matrix."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from anndata import AnnData
from scipy import sparse

from celltyping import Connectome, NtacClassifier, NtacClusterer, TypeProfile

DENSE = np.array([[4, 3, 0], [1, 0, 2], [0, 5, 0]])
IDS = ["b", "a", "c"]
FRAME = pd.DataFrame(DENSE, index=IDS, columns=IDS)
EXPECTED = Connectome(DENSE, IDS)


def test_columns_are_matched_by_name_to_the_index(subtests):
    cases = [
        FRAME,
        FRAME[["c", "a", "b"]],
        FRAME.astype("Int64")[["c", "b", "a"]],
        FRAME.astype({"a": "Int64"}),
        FRAME.astype({"a": float}),
        FRAME.astype(pd.SparseDtype(int, 0))[["a", "c", "b"]],
        FRAME.astype({"a": pd.SparseDtype(int, 0)}),
    ]
    for frame in cases:
        with subtests.test(frame=frame):
            before = frame.copy()
            assert Connectome(frame).is_same_graph(EXPECTED)
            pd.testing.assert_frame_equal(frame, before)


def test_ids_that_are_attributes_of_frames(subtests):
    for name in ["sparse", "obsp", "column_names", "index"]:
        with subtests.test(name=name):
            ids = [name, "a", "b"]
            frame = pd.DataFrame(DENSE, index=ids, columns=ids)
            assert Connectome(frame).is_same_graph(Connectome(DENSE, ids))
            edges = pd.DataFrame({"pre": [1], "post": [2], name: [3]})
            assert Connectome.from_edges(edges, weight=name).n_synapses == 3
            NtacClassifier(affinity="precomputed").fit(frame, ["x", "y", "?"])


def test_a_sparse_frame_stays_sparse(monkeypatch):
    frame = FRAME.astype(pd.SparseDtype(int, 0))
    monkeypatch.setattr(pd.DataFrame, "to_numpy", None)
    assert Connectome(frame).is_same_graph(EXPECTED)


def test_integer_ids_of_a_csv_file(tmp_path):
    ids = [720575940612345679, 720575940612345678, 7]
    pd.DataFrame(DENSE, index=ids, columns=ids).to_csv(tmp_path / "adjacency.csv")
    frame = pd.read_csv(tmp_path / "adjacency.csv", index_col=0)
    assert isinstance(frame.columns[0], str)
    assert Connectome(frame).is_same_graph(Connectome(DENSE, ids))


def test_default_labels_are_positions():
    frame = pd.DataFrame(DENSE)
    assert Connectome(frame).is_same_graph(Connectome(DENSE))
    assert Connectome(frame, node_ids=IDS).is_same_graph(EXPECTED)
    part = pd.DataFrame(np.ones((4, 4))).iloc[1:3, 1:3]
    assert Connectome(part).node_ids.tolist() == [1, 2]


def test_node_ids_set_the_order_of_a_frame():
    con = Connectome(FRAME, node_ids=["a", "b", "c"], node_features=[[1], [2], [3]])
    assert con.node_ids.tolist() == ["a", "b", "c"]
    assert con.adjacency.toarray().tolist() == DENSE[[1, 0, 2]][:, [1, 0, 2]].tolist()
    message = (
        "index of adjacency and node_ids must hold the same ids, but 1 are in the "
        "index of adjacency alone: 'c'; 1 are in node_ids alone: 'd'; pass adjacency."
    )
    with pytest.raises(ValueError, match=message):
        Connectome(FRAME, node_ids=["a", "b", "d"])
    with pytest.raises(TypeError, match=r"node_ids are integers .*to_numpy\(\)"):
        Connectome(FRAME, node_ids=[1, 2, 3])


def test_ids_that_differ_are_refused(subtests):
    cases = [
        (
            IDS,
            ["a", "b", "d"],
            ValueError,
            "index alone: 'c'|columns of adjacency alon",
        ),
        (IDS, [1, 2, 3], TypeError, "the ids in the columns of adjacency are integers"),
        (None, IDS, TypeError, "ids in the index of adjacency|ids in its index"),
        ([1, 2, 2], [1, 2, 2], ValueError, "the index of adjacency must be unique"),
        (IDS, ["a", "a", "b"], ValueError, "the columns of adjacency must be unique"),
        (["a", None, "b"], IDS, ValueError, "the index of adjacency must name every"),
        ([1, 2, 3], ["1", "2", "03"], TypeError, r"strings \('1', .*same kind"),
    ]
    for index, columns, error, message in cases:
        with (
            subtests.test(index=index, columns=columns),
            pytest.raises(error, match=message),
        ):
            Connectome(pd.DataFrame(DENSE, index=index, columns=columns))


def test_a_pivoted_table_is_refused_with_the_way_on():
    edges = pd.DataFrame({"pre": [1, 2], "post": [2, 3], "weight": [5, 6]})
    wide = edges.pivot(index="pre", columns="post", values="weight")
    message = r"1 are in .* alone: 3; 1 are in .* 1; .*Connectome\.from_edges"
    with pytest.raises(ValueError, match=message):
        Connectome(wide)
    square = wide.reindex(index=[1, 2, 3], columns=[1, 2, 3])
    with pytest.raises(ValueError, match="got 7 NaN"):
        Connectome(square)
    assert Connectome(square.fillna(0)).is_same_graph(Connectome.from_edges(edges))


def test_node_features_in_any_form(subtests):
    cases = [
        pd.DataFrame({"size": [1, 2, 3]}, index=IDS, dtype="Int64"),
        pd.DataFrame({"size": [2, 1, 3]}, index=["a", "b", "c"]),
        pd.DataFrame({"size": pd.arrays.SparseArray([1, 2, 3])}, index=IDS),
        sparse.csr_array([[1], [2], [3]]),
    ]
    for features in cases:
        with subtests.test(features=features):
            con = Connectome(FRAME, node_features=features)
            assert con.node_features.tolist() == [[1], [2], [3]]


def annotated():
    """Return an AnnData of three cells."""
    return AnnData(np.ones((3, 2)))


FOREIGN = [
    (nx.path_graph(3), r"Graph: celltyping\.Connectome\.from_networkx"),
    (annotated(), r"an AnnData: pass its expression, .* or Connectome\(adata\.obsp"),
    ("edges.csv", r"'edges\.csv': pass read_edges"),
    (Path("edges.csv"), r"pass read_edges"),
    ({"pre": [1], "post": [2]}, r"a dict: pass Connectome\.from_edges"),
    (pa.table({"pre": [1], "post": [2]}), r"a Table: pass Connectome\.from_edges"),
    (np.zeros(3, dtype=[("pre", int)]), r"a ndarray: pass Connectome\.from_edges"),
    (
        pd.DataFrame({"pre": ["a"], "post": ["b"], "weight": [1]}),
        r"text in 'pre', 'post': pass Connectome\.from_edges",
    ),
]


def test_other_data_names_the_call_that_takes_it(subtests):
    for foreign, message in FOREIGN:
        with subtests.test(foreign=foreign):
            with pytest.raises(
                TypeError, match=f"adjacency must be an? .*, got .*{message}"
            ):
                Connectome(foreign)
            for estimator in (NtacClassifier(), NtacClusterer(2), TypeProfile()):
                with pytest.raises(
                    TypeError, match=f"X must be an? .*, got .*{message}"
                ):
                    estimator.fit(foreign, ["a", "b", "c"])


def test_arrays_that_numpy_would_change_are_refused():
    masked = np.ma.masked_equal(DENSE, 4)
    with pytest.raises(TypeError, match=r"pass adjacency\.filled\(0\)"):
        Connectome(masked)
    with pytest.raises(TypeError, match="node_features must not be masked"):
        Connectome(DENSE, node_features=masked)
    with pytest.raises(ValueError, match="adjacency must be two-dimensional"):
        Connectome([[1], [2, 3]])
    with pytest.raises(ValueError, match=r"adjacency must .* got shape \(0, 0\)"):
        Connectome(pd.DataFrame())


def test_dtypes_that_scipy_does_not_take(subtests):
    for dtype in [">f8", ">i4", np.float16, np.longdouble]:
        with subtests.test(dtype=dtype):
            con = Connectome(DENSE.astype(dtype), IDS)
            assert con.is_same_graph(EXPECTED)


def test_long_doubles_that_overflow_give_an_error_and_no_warning():
    huge = np.full((3, 3), np.longdouble("1e4000"))
    with pytest.raises(ValueError, match="their sum overflows"):
        Connectome(huge)
    with pytest.raises(ValueError, match="node_features must be finite"):
        Connectome(DENSE, node_features=huge)


def test_dok_is_a_matrix_and_no_mapping():
    assert Connectome(sparse.dok_array(DENSE), IDS).is_same_graph(EXPECTED)


def test_a_precomputed_frame_in_two_orders_is_refused():
    y = ["x", "y", "?"]
    message = r"index and its columns, in one order: Connectome\(adjacency\) matches"
    clf = NtacClassifier(affinity="precomputed")
    with pytest.raises(ValueError, match=message):
        clf.fit(FRAME[["a", "b", "c"]], y)
    expected = NtacClassifier().fit(EXPECTED, y).transduction_.tolist()
    assert clf.fit(FRAME, y).transduction_.tolist() == expected


def test_a_sparse_frame_is_not_taken_for_features():
    frame = FRAME.astype(pd.SparseDtype(float, 0))
    with pytest.raises(TypeError, match="X is a sparse matrix, and affinity='auto'"):
        NtacClassifier().fit(frame, ["x", "y", "?"])
    clf = NtacClassifier(affinity="precomputed").fit(frame, ["x", "y", "?"])
    assert len(clf.transduction_) == 3
