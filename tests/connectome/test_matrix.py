"""Adjacency matrices in text and in Excel sheets."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import openpyxl
import pandas as pd
import pytest

from celltyping.connectome import Connectome, read_edges
from celltyping.datasets import make_connectome

MATRIX = [[0, 3, 0], [1, 0, 2], [0, 0, 0]]
EXPECTED = Connectome(MATRIX, node_ids=[29, 31, 100045])
COOK = Connectome(
    [[0, 0, 4, 1], [0, 0, 0, 0], [2, 0, 0, 0], [0, 0, 0, 0]],
    node_ids=["ADAL", "ADAR", "ADEL", "MDL01"],
)


@pytest.fixture
def read(tmp_path):
    """Return a function that writes text to a file and reads edges from it."""

    def read_text(text, name="matrix.csv", **options):
        path = tmp_path / name
        path.write_text(text)
        return read_edges(path, **options)

    return read_text


@pytest.fixture
def workbook(tmp_path):
    """Return the path of a file in the layout of Cook et al., and the workbook."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "hermaphrodite chemical"
    rows = [
        ["Hermaphrodite chemical"],
        [None, None, None, "PHARYNX", None, None, "BODYWALL MUSCLES", None],
        [None, None, None, "ADAL", "ADAR", "ADEL ", "MDL01"],
        ["SENSORY", None, "ADAL", None, None, 4, 1, 5],
        [None, None, " ADEL", 2, None, " ", None, 2],
        [None, None, "ADAR"],
        [None, None, None, 2, 0, 4, 1],
    ]
    for row in rows:
        sheet.append(row)
    gaps = book.create_sheet("herm gap jn symmetric")
    for row in [[], [], [None] * 3 + ["ADAL", "ADAR"], [None, None, "ADAL", None, 7]]:
        gaps.append(row)
    path = tmp_path / "cook.xlsx"
    book.save(path)
    return path, book


def test_square_matrices(subtests, read, capsys):
    rows = "29,0,3,0\n31,1,0,2\n100045,,0.0,0\n"
    for header in [
        ",29,31,100045",
        "29,31,100045",
        "id,29,31,100045",
        '"",29,31,100045',
    ]:
        for separator in [",", "\t", ";"]:
            with subtests.test(header=header, separator=separator):
                text = f"{header}\n{rows}".replace(",", separator)
                assert read(text).is_same_graph(EXPECTED)
                assert capsys.readouterr().out == "matrix.csv: a matrix of 3 neurons\n"
                con = read(text, text_ids=True, verbose=False)
                assert con.node_ids.tolist() == ["100045", "29", "31"]
    shuffled = ",31,29,100045\n29,3,0,0\n100045,0,0,0\n31,0,1,2\n"
    assert read(shuffled).is_same_graph(EXPECTED)
    names = ",PN 1,PN 2\nPN 1,0,3\nPN 2,1.5,0\n"
    assert read(names).adjacency.toarray().tolist() == [[0, 3], [1.5, 0]]
    con = read(names, nodes=["PN 2", "PN 1", "KC"], min_weight=2)
    assert con.adjacency.toarray().tolist() == [[0, 0, 0], [3, 0, 0], [0, 0, 0]]
    assert read(",7,8\n7,0,0\n8,0,0\n").n_edges == 0


def test_written_matrix_is_read_back(tmp_path):
    brain = make_connectome(600, n_types=5, n_edges=9000, random_state=0).data
    ids = brain.node_ids + 10**12  # a header of more than 4096 characters
    frame = pd.DataFrame(brain.adjacency.toarray(), index=ids, columns=ids)
    frame.to_csv(tmp_path / "matrix.csv.gz")
    con = read_edges(tmp_path / "matrix.csv.gz")
    assert con.is_same_graph(Connectome(brain.adjacency, node_ids=ids))


def test_a_header_longer_than_the_sample(read):
    ids = [f"neuron_{k:060d}" for k in range(1500)]
    rows = "".join(f"{name}" + ",0" * 1499 + ",1\n" for name in ids[:3])
    rows += "".join(f"{name}" + ",0" * 1500 + "\n" for name in ids[3:])
    con = read("," + ",".join(ids) + "\n" + rows)
    assert (len(con), con.n_synapses) == (1500, 3)


def test_edges_that_look_like_a_matrix(read):
    assert read("1,2,1\n2,1,5\n1,2,2\n").n_synapses == 8
    assert read("pre,post,weight\n1,2,3\n").n_synapses == 3


def test_bad_matrices(subtests, read):
    cases = [
        (",7,8\n7,0,1\n", ValueError, "same ids in its first row and column, but '8'"),
        (
            ",7,8\n7,0,1\n7,0,1\n8,0,0\n",
            ValueError,
            "rows of matrix.csv must be unique",
        ),
        (",7,8\n7,0,many\n8,0,0\n", TypeError, "must hold numbers, got 'many'"),
        (",7,8\n7,0,-1\n8,0,0\n", ValueError, "1 negative .* from node 7 to node 8"),
        (",7,8\n7,0,inf\n8,0,0\n", ValueError, "infinite"),
        (",7,8\n7,0,1,2,3\n8,0,0\n", ValueError, "matrix"),
        (",7.0,8\n7.0,0,1\n8,0,0\n", ValueError, r"exact ids, got 1 such as '7\.0'"),
    ]
    for text, error, message in cases:
        with subtests.test(text=text), pytest.raises(error, match=message):
            read(text)
    with pytest.raises(ValueError, match="synapse_type must be None for a matrix"):
        read(",7,8\n7,0,1\n8,0,0\n", synapse_type="chemical")
    with pytest.raises(
        ValueError, match=r"sheet must be None for matrix\.csv, got 'a'"
    ):
        read(",7,8\n7,0,1\n8,0,0\n", sheet="a")
    with pytest.warns(
        UserWarning, match=r"ids such as '07' in the (rows|columns) of ma"
    ):
        read(",07,8\n07,0,1\n8,0,0\n")


def test_sheets_of_cook(workbook, capsys):
    path, _ = workbook
    assert read_edges(path, sheet="hermaphrodite chemical").is_same_graph(COOK)
    assert capsys.readouterr().out == "cook.xlsx: a matrix of 4 neurons\n"
    con = read_edges(path, sheet="herm gap jn symmetric", verbose=False)
    assert con.adjacency.toarray().tolist() == [[0, 7], [0, 0]]
    message = (
        r"sheets of cook\.xlsx, got None; it has 'hermaphrodite chemical', 'herm g"
    )
    with pytest.raises(ValueError, match=message):
        read_edges(path)
    with pytest.raises(ValueError, match="got 'male'; it has"):
        read_edges(path, sheet="male")
    with pytest.raises(TypeError, match="sheet must be a str or None, got 1"):
        read_edges(path, sheet=1)
    with pytest.raises(ValueError, match="read as a matrix, without pre=, post="):
        read_edges(path, pre="a", sheet="male")


def test_bad_sheets(workbook):
    path, book = workbook
    del book["herm gap jn symmetric"]
    book.save(path)
    assert read_edges(path).is_same_graph(COOK)
    book.active["D4"] = "many"
    book.save(path)
    with pytest.raises(TypeError, match=r"cook\.xlsx must hold numbers, got 'many'"):
        read_edges(path)
    book.active["D4"], book.active["E3"] = None, "ADAL"
    book.save(path)
    with pytest.raises(ValueError, match=r"columns of cook\.xlsx must be unique"):
        read_edges(path)
    book.active.delete_rows(1, 20)
    book.save(path)
    with pytest.raises(ValueError, match="ids of the columns in row 3 from D3 on"):
        read_edges(path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"cook\.xlsx cannot be read as xlsx"):
        read_edges(path)
    path.write_text("pre,post,weight\n")
    with pytest.raises(ValueError, match=r"cook\.xlsx must hold zip by its name, but"):
        read_edges(path)


def test_numbers_as_ids_in_a_sheet(workbook):
    path, book = workbook
    sheet = book.active
    for cell, name in {"D3": 7, "E3": 8.0, "F3": 9, "C4": 7, "C5": 9, "C6": 8}.items():
        sheet[cell] = name
    sheet["G3"] = 10
    book.save(path)
    con = read_edges(path, sheet="hermaphrodite chemical")
    assert con.node_ids.tolist() == [7, 8, 9, 10]
    assert np.array_equal(con.adjacency.toarray(), COOK.adjacency.toarray())
    sheet["D3"] = 7.2e17
    book.save(path)
    with pytest.raises(ValueError, match=r"exact ids, got 1 such as '7\.2e"):
        read_edges(path, sheet="hermaphrodite chemical")
