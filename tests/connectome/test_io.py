"""Connectomes from files of edges."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pandas as pd
import pytest

from celltyping import NtacClassifier
from celltyping.connectome import Connectome, read_edges
from celltyping.datasets import make_connectome

LONG = 720575940612345678
EDGES = pd.DataFrame(
    {
        "note": ["x", None, "y"],
        "pre": [LONG, LONG + 1, LONG],
        "weight": [2, 5, 3],
        "post": [LONG + 1, LONG + 2, LONG + 1],
    }
)

ENDINGS = [".csv", ".csv.gz", ".parquet", ".feather"]


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a table and returns its path."""

    def write_table(frame, ending):
        path = tmp_path / f"edges{ending}"
        if ".csv" in ending.lower():
            frame.to_csv(path, index=False)
        elif ending == ".xlsx":
            frame.to_excel(path)
        elif ending == ".parquet":
            frame.to_parquet(path)
        else:
            frame.to_feather(path)
        return path

    return write_table


def test_every_format(subtests, write):
    for ending in [*ENDINGS, ".CSV"]:
        with subtests.test(ending=ending):
            con = read_edges(write(EDGES, ending))
            assert con.is_same_graph(Connectome.from_edges(EDGES))
            assert con.node_ids.tolist() == [LONG, LONG + 1, LONG + 2]
            assert con.n_synapses == 10


def test_written_edges_are_read_back(subtests, write):
    for ending in ENDINGS:
        with subtests.test(ending=ending):
            con = Connectome.from_edges(EDGES)
            assert read_edges(write(con.to_edges(), ending)).is_same_graph(con)


def test_path_may_be_a_string_and_parameters_are_passed_on(subtests, write):
    for ending in ENDINGS:
        with subtests.test(ending=ending):
            path = str(write(EDGES.rename(columns={"pre": "a", "post": "b"}), ending))
            nodes = [LONG + 2, LONG + 1, LONG, 7]
            con = read_edges(
                path,
                pre="b",
                post="a",
                weight=None,
                nodes=nodes,
                min_weight=2,
                node_features=np.ones((4, 1)),
            )
            assert con.node_ids.tolist() == nodes
            assert con.adjacency.nnz == 1
            assert con.adjacency[1, 2] == 2
            assert con.node_features.shape == (4, 1)


def test_text(subtests, write):
    for ending in ENDINGS:
        with subtests.test(ending=ending):
            frame = EDGES.assign(pre=["PN", "KC", "PN"], post=["KC", "LN", "KC"])
            con = read_edges(write(frame, ending))
            assert con.node_ids.tolist() == ["KC", "LN", "PN"]


def test_text_ids_keep_leading_zeros(write):
    frame = EDGES.assign(pre=["001", "002", "001"], post=["002", "003", "002"])
    path = write(frame, ".csv")
    with pytest.warns(UserWarning, match="lose their leading zeros"):
        assert read_edges(path).node_ids.tolist() == [1, 2, 3]
    assert read_edges(path, text_ids=True).node_ids.tolist() == ["001", "002", "003"]


def test_text_ids_of_integers(subtests, write):
    for ending in ENDINGS:
        with subtests.test(ending=ending):
            con = read_edges(write(EDGES, ending), text_ids=True)
            assert con.node_ids.tolist() == [str(LONG), str(LONG + 1), str(LONG + 2)]


def test_missing_columns_are_named_beside_those_found(subtests, write):
    for ending in ENDINGS:
        with subtests.test(ending=ending):
            message = (
                rf"edges{ending} lacks the column 'source'; it has 'note', 'pre', "
                "'weight', 'post'"
            )
            with pytest.raises(ValueError, match=message):
                read_edges(write(EDGES, ending), pre="source")


def test_missing_ids_are_refused(subtests, write):
    cases = [(".csv", True), (".csv", False), (".parquet", True), (".feather", False)]
    for ending, text_ids in cases:
        with subtests.test(ending=ending):
            frame = EDGES.assign(pre=pd.Series([1, None, 3], dtype="Int64"))
            message = "column 'pre' must name every node, but 1 is missing"
            with pytest.raises(ValueError, match=message):
                read_edges(write(frame, ending), text_ids=text_ids)


def test_csv_ids_that_overflow_are_refused(subtests, write):
    for too_large in [2**63, 2**64, 10**30]:
        with subtests.test(too_large=too_large):
            frame = EDGES.assign(post=[str(too_large), "7", "8"])
            path = write(frame, ".csv")
            message = (
                "column 'post' must hold ids that fit into int64, .* such as "
                f"{too_large}"
            )
            with pytest.raises(ValueError, match=message):
                read_edges(path)
            frame["pre"] = frame["pre"].astype(str)
            con = read_edges(path, text_ids=True)
            assert con.is_same_graph(Connectome.from_edges(frame))


@pytest.mark.parametrize("ending", [".parquet", ".feather"])
def test_ids_that_overflow_are_refused(write, ending):
    frame = EDGES.assign(post=np.array([2**63, 7, 8], dtype=np.uint64))
    with pytest.raises(ValueError, match="column 'post' must fit into int64"):
        read_edges(write(frame, ending))


def test_damaged_files(subtests, write):
    for ending in ENDINGS:
        with subtests.test(ending=ending):
            rng = np.random.default_rng(0)
            frame = pd.concat([EDGES] * 20, ignore_index=True)
            path = write(frame, ending)
            data = path.read_bytes()
            found = []
            for trial in range(60):
                damaged = bytearray(data)
                if trial % 4 == 0:
                    del damaged[rng.integers(len(data)) :]
                else:
                    damaged[rng.integers(len(data))] ^= 1 << rng.integers(8)
                path.write_bytes(damaged)
                try:
                    read_edges(path, text_ids=trial % 3 == 0)
                except (ValueError, TypeError) as exc:
                    found.append(str(exc))
                    assert path.name in found[-1] or "text_ids=True" in found[-1]
            assert len(found) > 20


def test_other_ids_are_dropped_on_request(write):
    path = write(EDGES, ".csv")
    with pytest.raises(ValueError, match="other_ids='drop' leaves out their rows"):
        read_edges(path, nodes=[LONG, LONG + 1])
    con = read_edges(path, nodes=[LONG, LONG + 1], other_ids="drop")
    assert (len(con), con.n_synapses) == (2, 5)


@pytest.mark.parametrize("ids", ["int64", "str"])
def test_edges_and_types_of_two_downloads(write, ids):
    """The edges name neurons without a type, the types neurons without an edge."""
    brain = make_connectome(120, n_types=3, n_edges=3000, random_state=0)
    edges = brain.data.to_edges()
    edges[["pre", "post"]] = (edges[["pre", "post"]] + LONG).astype(ids)
    types = pd.Series(brain.target, index=brain.data.node_ids + LONG, name="type")
    types = types.iloc[:60]
    types.loc[7] = "A type without a neuron"
    types.loc[LONG + 100] = None
    types.index = types.index.astype(ids)
    con = read_edges(write(edges, ".csv.gz"), text_ids=ids == "str")
    with pytest.raises(ValueError, match=r"1 of the 62 ids .* unknown_ids='ignore'"):
        con.align(types)
    y = con.align(types, unknown_ids="ignore")
    assert np.count_nonzero(y != "?") == 60
    ntac = NtacClassifier().fit(con, y)
    assert np.mean(ntac.transduction_ == brain.target) > 0.8
    result = con.to_series(ntac.transduction_, name="type")
    assert (result[types.index[:60]] == types[:60]).all()


def test_bad_weights_are_refused(write):
    with pytest.raises(ValueError, match=rf"1 negative .* from node {LONG + 1} to"):
        read_edges(write(EDGES.assign(weight=[1, -2, 3]), ".csv"))
    with pytest.raises(ValueError, match="got 1 NaN"):
        read_edges(write(EDGES.assign(weight=[1, None, 3]), ".csv"))
    with pytest.raises(TypeError, match="column 'weight' must hold numbers, got str"):
        read_edges(write(EDGES.assign(weight=["1", "many", "3"]), ".csv"))


def test_columns_of_lists_are_refused(write):
    path = write(EDGES.assign(pre=[[1], [2], [3]]), ".parquet")
    with pytest.raises(TypeError, match=r"edges\.parquet: column 'pre' must be"):
        read_edges(path)


def test_text_ids_is_a_bool(write):
    with pytest.raises(TypeError, match="text_ids must be True or False, got 'no'"):
        read_edges(write(EDGES, ".csv"), text_ids="no")
    with pytest.raises(TypeError, match="verbose must be True or False, got 1"):
        read_edges(write(EDGES, ".csv"), verbose=1)


def test_path_is_checked_first(tmp_path):
    with pytest.raises(
        ValueError, match=r"path must end in \.csv, .* got 'edges\.xls'"
    ):
        read_edges(tmp_path / "edges.xls")
    with pytest.raises(FileNotFoundError, match=r"there is no file '.*edges\.csv'"):
        read_edges(tmp_path / "edges.csv")


@pytest.mark.parametrize(
    ("ending", "module"),
    [(".csv", "pandas"), (".parquet", "pyarrow.parquet"), (".xlsx", "openpyxl")],
)
def test_the_extra_is_named(write, monkeypatch, ending, module):
    path = write(EDGES, ending)
    package = module.partition(".")[0]

    def absent(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=package)

    import importlib

    original = importlib.import_module
    monkeypatch.setattr(
        "celltyping._utils._optional.importlib.import_module",
        lambda name: absent(name) if name == module else original(name),
    )
    message = rf"read_edges needs {package}.* pip install \"celltyping\[io\]\""
    with pytest.raises(ImportError, match=message):
        read_edges(path)
