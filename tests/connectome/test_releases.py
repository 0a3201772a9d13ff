"""Small files with the columns of the public releases."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from celltyping.connectome import Connectome, read_edges, read_types
from celltyping.connectome._releases import EDGE_TABLES, TYPE_TABLES

ROOT = 720575940612345678
EDGES = {"pre": [ROOT, ROOT + 1, ROOT], "post": [ROOT + 1, ROOT + 2, ROOT + 2]}
WEIGHTS = [3, 1, 2]
EXPECTED = Connectome.from_edges(EDGES | {"weight": WEIGHTS})
COUNTED = Connectome.from_edges(EDGES, weight=None)

# Columns that a release has beside the ids and the weight; none of them is a weight.
OTHERS = {
    "FlyWire Codex": {"neuropil": ["AL_R", "LH_R", "AL_R"], "nt_type": ["ACH"] * 3},
    "FlyWire Zenodo": {"neuropil": ["AL_R", "LH_R", "AL_R"], "gaba_avg": [0.1] * 3},
    "MICrONS": {"sum_size": [900, 901, 902]},
    "hemibrain, neuPrint": {"roi": ["AL(R)", "LH(R)", "AL(R)"]},
    "male CNS": {"type_pre": ["a", "b", "a"], "type_post": ["b", "c", "c"]},
    "BANC": {"norm": [0.1, 0.2, 0.3], "total_input": [30, 5, 7]},
    "CAVE synapses": {"id": [1, 2, 3], "size": [500, 600, 700]},
    "BANC synapses": {"id": [1, 2, 3], "size": [500, 600, 700]},
}


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a table or text and returns its path."""

    def write_file(content, name):
        path = tmp_path / name
        if isinstance(content, str):
            data = content.encode()
            path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        elif name.endswith(".feather"):
            content.to_feather(path)
        elif name.endswith(".parquet"):
            content.to_parquet(path)
        else:
            content.to_csv(path, index=False, sep="\t" if ".tsv" in name else ",")
        return path

    return write_file


def frame_of(entry):
    """Return a table with the columns of a release."""
    frame = pd.DataFrame(OTHERS.get(entry.release, {}), index=range(3))
    frame.insert(0, entry.post, EDGES["post"])
    frame.insert(0, entry.pre, EDGES["pre"])
    return frame if entry.weight is None else frame.assign(**{entry.weight: WEIGHTS})


@pytest.mark.parametrize("ending", ["csv.gz", "tsv", "feather", "parquet"])
def test_every_release(subtests, write, capsys, ending):
    assert set(OTHERS) <= {entry.release for entry in EDGE_TABLES}
    for entry in EDGE_TABLES:
        with subtests.test(release=entry.release):
            path = write(frame_of(entry), f"edges.{ending}")
            con = read_edges(path)
            expected = COUNTED if entry.weight is None else EXPECTED
            assert con.is_same_graph(expected)
            output = capsys.readouterr().out
            message = f"pre={entry.pre!r}, post={entry.post!r}, weight={entry.weight!r}"
            places = [name for name in frame_of(entry) if name in ("roi", "neuropil")]
            message += " (one synapse per row)" * (entry.weight is None)
            message += "".join(f", summed over {name!r}" for name in places)
            if message == "pre='pre', post='post', weight='weight'":
                assert not output  # the names that from_edges expects
            else:
                assert output == f"edges.{ending}: {message}\n"
            assert read_edges(path, verbose=False).is_same_graph(con)
            assert not capsys.readouterr().out


def test_rows_of_a_pair_are_summed_before_the_threshold(write):
    path = write(
        "pre_root_id,post_root_id,neuropil,syn_count,nt_type\n"
        "1,2,AL_R,3,ACH\n1,2,LH_R,4,ACH\n2,1,AL_R,3,ACH\n2,1,,1,ACH\n",
        "connections.csv",
    )
    con = read_edges(path, min_weight=5)
    assert con.adjacency.toarray().tolist() == [[0, 7], [0, 0]]


def test_names_given_by_the_user_win(write, capsys):
    path = write("pre,post,weight,count,a\n1,2,3,4,2\n2,1,5,6,1\n", "edges.csv")
    assert read_edges(path).n_synapses == 8
    assert not capsys.readouterr().out
    assert read_edges(path, weight="count").n_synapses == 10
    assert capsys.readouterr().out.startswith("edges.csv: pre='pre', post='post', weig")
    assert read_edges(path, weight=None).n_synapses == 2
    assert "weight=None (one synapse per row)" in capsys.readouterr().out
    con = read_edges(path, pre="a", weight="count")
    assert con.adjacency.toarray().tolist() == [[6, 0], [0, 4]]
    capsys.readouterr()
    read_edges(path, pre="post", post="pre", weight="count")
    assert not capsys.readouterr().out


def test_a_size_is_no_count_and_an_unknown_weight_is_not_left_out(subtests, write):
    for header in [
        "pre_root_id,post_root_id,strength",
        "pre_pt_root_id,post_pt_root_id,n",
        "pre,post,size",
        "pre,post,norm",
    ]:
        with subtests.test(header=header):
            path = write(f"{header}\n1,2,3\n", "edges.csv")
            message = (
                r"edges\.csv lacks a known column for weight; it has 'pre.* weight="
            )
            with pytest.raises(ValueError, match=message):
                read_edges(path)
            assert read_edges(path, weight=header.split(",")[2]).n_synapses == 3
            assert read_edges(path, weight=None).n_synapses == 1


def test_an_unknown_header_is_listed(write):
    path = write("neuron_a,neuron_b,n\n1,2,3\n", "edges.csv")
    message = (
        "lacks a known column for pre and post and weight; it has 'neuron_a', "
        r"'neuron_b', 'n': name the columns with pre=, post= and weight= \(weight=None"
    )
    with pytest.raises(ValueError, match=message):
        read_edges(path)


def test_without_a_header(write, capsys):
    rows = f"{ROOT},{ROOT + 1},3\n{ROOT + 1},{ROOT + 2},1\n{ROOT},{ROOT + 2},2\n"
    path = write(rows, "no_threshold_connections.csv.gz")
    assert read_edges(path).is_same_graph(EXPECTED)
    assert ": pre=0, post=1, weight=2\n" in capsys.readouterr().out
    assert read_edges(path, text_ids=True).node_ids[0] == str(ROOT)
    with pytest.raises(ValueError, match=r"lacks a known column .*; it has 0, 1, 2, 3"):
        read_edges(write("7,8,AL_R,3\n8,7,LH,1\n", "edges.csv"))
    path = write("7,8,AL_R,3\n8,7,LH,1\n", "edges.csv")
    assert read_edges(path, pre=0, post=1, weight=3).n_synapses == 4
    path = write("# FromNodeId\tToNodeId\n7\t8\n8\t7\n", "edges.txt")
    assert read_edges(path, weight=None).n_synapses == 2
    assert read_edges(write("AVAL\tAVAR\t3\n", "edges.tsv")).n_synapses == 3


def test_totals_and_rows_per_roi_are_not_added(write):
    rows = "bodyId_pre,bodyId_post,roi,weight\n1,2,AL(R),3\n1,2,LH(R),4\n"
    assert read_edges(write(rows, "edges.csv")).n_synapses == 7
    assert read_edges(write(rows + "1,2,None,2\n", "edges.csv")).n_synapses == 9
    path = write(rows + "1,2,,7\n", "edges.csv")
    with pytest.raises(
        ValueError, match=r"edges\.csv has 2 rows with a value in 'roi'"
    ):
        read_edges(path)
    path = write("bodyId_pre,bodyId_post,roi,weight\n1,2,,7\n", "edges.csv")
    assert read_edges(path).n_synapses == 7


def test_chemical_and_electrical_synapses(subtests, write):
    for header in ["pre\tpost\ttype\tsynapses", "Source\tTarget\tType\tWeight"]:
        with subtests.test(header=header):
            rows = "AVAL\tAVAR\tchemical\t3\nAVAL\tAVAR\telectrical\t4\n"
            path = write(f"{header}\n{rows}", "edges.csv")
            message = "mixes synapses in column '.ype', 'chemical', 'electrical': pass"
            with pytest.raises(ValueError, match=message):
                read_edges(path)
            assert read_edges(path, synapse_type="chemical").n_synapses == 3
            assert read_edges(path, synapse_type="Electrical").n_synapses == 4
            with pytest.raises(
                ValueError, match=r"synapse_type must be .* got 'gap'; it"
            ):
                read_edges(path, synapse_type="gap")
    path = write("pre,post,synapses\nAVAL,AVAR,3\n", "edges.csv")
    with pytest.raises(ValueError, match="'chemical' needs a column 'type' in edges"):
        read_edges(path, synapse_type="chemical")
    with pytest.raises(TypeError, match="synapse_type must be a str or None, got 3"):
        read_edges(path, synapse_type=3)


def test_padded_names(subtests, write):
    for text in [
        "Source        ,Target        ,Weight,Type\n"
        "AVAL          ,AVAR          ,     3,chemical\n"
        "AVAR          ,AVAL          ,     1,chemical\n",
        '"Source","Target","Weight","Type"\n'
        '"AVAL  ","AVAR  ",3,"chemical"\n"AVAR  ","AVAL  ",1,"chemical"\n',
        "Weight,Source,Target\n3,AVAL,AVAR \n1,AVAR,AVAL \n",
    ]:
        with subtests.test(text=text):
            con = read_edges(write(text, "edges.csv"))
            assert con.node_ids.tolist() == ["AVAL", "AVAR"]
            assert con.adjacency.toarray().tolist() == [[0, 3], [1, 0]]


def type_frame(entry):
    """Return a table of types with the columns of a release."""
    ids = [ROOT + k for k in range(4)]
    types = ["KC", None, "PN", "LN"]
    frame = pd.DataFrame({entry.ids: ids, entry.types: types})
    frame.insert(0, "supervoxel_id", [k + 1 for k in range(4)])
    return frame.assign(hemibrain_type="x", instance="KC_R", additional_type="y")


@pytest.mark.parametrize("ending", ["csv", "tsv", "feather"])
def test_types_of_every_release(subtests, write, capsys, ending):
    for entry in TYPE_TABLES:
        with subtests.test(release=entry.release):
            path = write(type_frame(entry), f"types.{ending}")
            types = read_types(path)
            assert types.to_dict() == {ROOT: "KC", ROOT + 2: "PN", ROOT + 3: "LN"}
            assert (types.index.name, types.name) == (entry.ids, entry.types)
            assert types.index.dtype == np.int64
            y = EXPECTED.align(types, unknown_ids="ignore")
            assert y.tolist() == ["KC", "?", "PN"]
            message = f"ids={entry.ids!r}, types={entry.types!r}, 3 neurons typed\n"
            assert capsys.readouterr().out == f"types.{ending}: {message}"
            assert read_types(path, verbose=False).equals(types)
            assert not capsys.readouterr().out


def test_types_by_given_columns(write, capsys):
    path = write(type_frame(TYPE_TABLES[1]), "annotations.tsv")
    types = read_types(path, ids="supervoxel_id", types="instance")
    assert types.to_dict() == dict.fromkeys([1, 2, 3, 4], "KC_R")
    assert not capsys.readouterr().out
    assert read_types(path, types="hemibrain_type").index[0] == ROOT
    assert read_types(path, ids="supervoxel_id").to_dict() == {
        1: "KC",
        3: "PN",
        4: "LN",
    }
    with pytest.raises(
        ValueError, match=r"tsv lacks the column 'x'; it has 'super.*ids="
    ):
        read_types(path, ids="x")
    with pytest.raises(ValueError, match="different columns, got 'root_id'"):
        read_types(path, ids="root_id", types="root_id")
    with pytest.raises(
        TypeError, match="types must be the name of a column, got a Non"
    ):
        read_types(path, types=None)
    path = write("neuron,label\n7,KC\n", "types.csv")
    message = "lacks known columns of ids and types; it has 'neuron', 'label': name"
    with pytest.raises(ValueError, match=message):
        read_types(path)
    assert read_types(write("7,KC\n8,PN\n", "x.csv"), ids=0, types=1)[8] == "PN"


def test_values_of_types(subtests, write):
    cases = [
        ("7,3\n8,\n9,4\n", {7: 3, 9: 4}),
        ("7,03\n8,4\n", {7: "03", 8: "4"}),
        ("7,1.10\n8,4\n", {7: "1.10", 8: "4"}),
        ("7, KC\n8,?\n9,PN \n", {7: "KC", 9: "PN"}),
        ("7,KC\n,PN\n7,KC\n", {7: "KC"}),
        ("AVAL ,KC\n8,PN\n", {"AVAL": "KC", "8": "PN"}),
        (f"{ROOT},KC\n", {ROOT: "KC"}),
    ]
    for rows, expected in cases:
        with subtests.test(rows=rows):
            assert read_types(write("vertex,cluster\n" + rows, "x.csv")).to_dict() == (
                expected
            )
    path = write("vertex,cluster\n7,KC\n7,PN\n", "x.csv")
    with pytest.raises(ValueError, match="repeat the ids 7"):
        Connectome([[1]], node_ids=[7]).align(read_types(path))
    path = write("root_id,cell_type\n007,KC\n8,PN\n", "x.csv")
    with pytest.warns(UserWarning, match="ids such as '007' in column 'root_id' of x"):
        assert read_types(path).index.tolist() == [7, 8]
    assert read_types(path, text_ids=True).index.tolist() == ["007", "8"]
    path = write("root_id,cell_type\n7.2E+17,KC\n", "x.csv")
    with pytest.raises(
        ValueError, match=r"column 'root_id' of x\.csv must hold exact ids"
    ):
        read_types(path)
    empty = read_types(write("root_id,cell_type\n7,\n", "x.csv"))
    assert EXPECTED.align(empty).tolist() == ["?"] * 3


def test_text_ids_of_banc(write):
    ids = [str(ROOT), str(ROOT + 1)]
    frame = pd.DataFrame({"banc_888_id": ids, "cell_type": ["KC", "PN"]})
    types = read_types(write(frame, "meta.feather"))
    assert types.to_dict() == dict(zip(ids, ["KC", "PN"], strict=True))
    edges = pd.DataFrame({"pre": ids, "post": ids[::-1], "count": [1, 2]})
    con = read_edges(write(edges, "edges.feather"))
    assert con.align(types).tolist() == ["KC", "PN"]
    frame = frame.astype({"banc_888_id": "int64"})
    types = read_types(write(frame, "meta.feather"), text_ids=True)
    assert con.align(types).tolist() == ["KC", "PN"]
    frame = pd.DataFrame({"bodyId": [7.0, None], "type": pd.Categorical(["KC", "PN"])})
    types = read_types(write(frame, "meta.feather"))
    assert types.to_dict() == {7: "KC"}


def test_releases_are_in_the_user_guide():
    page = Path(__file__).parents[2] / "docs" / "user_guide" / "downloads.rst"
    lines = {" ".join(line.split()) for line in page.read_text("utf-8").splitlines()}
    for release, *names in [*EDGE_TABLES, *TYPE_TABLES]:
        names = ", ".join(name for name in names if name is not None)
        assert f"{release} {names}" in lines
