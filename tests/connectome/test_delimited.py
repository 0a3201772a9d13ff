"""Edges in delimited text of many forms."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import gzip
from itertools import product

import pandas as pd
import pytest

from celltyping.connectome import Connectome, read_edges

EDGES = pd.DataFrame({"pre": [7, 8, 7], "post": [8, 9, 8], "weight": [3, 1, 2]})
EXPECTED = Connectome.from_edges(EDGES)
CSV = "pre,post,weight\n7,8,3\n8,9,1\n7,8,2\n"


@pytest.fixture
def read(tmp_path):
    """Return a function that writes text to a file and reads edges from it."""

    def read_text(text, ending=".csv", encoding="utf-8", **options):
        path = tmp_path / f"edges{ending}"
        data = text if isinstance(text, bytes) else text.encode(encoding)
        path.write_bytes(gzip.compress(data) if ending.endswith(".gz") else data)
        return read_edges(path, **options)

    return read_text


def test_separators(subtests, read):
    for ending, separator in product(
        [".csv", ".tsv", ".txt", ".txt.gz", ".csv.gz"],
        [",", "\t", ";", "|", " ", "   ", " , ", "; "],
    ):
        with subtests.test(ending=ending, separator=separator):
            assert read(CSV.replace(",", separator), ending).is_same_graph(EXPECTED)
            quoted = CSV.replace("pre,post,weight", '"pre","post","weight"')
            assert read(quoted.replace(",", separator), ending).is_same_graph(EXPECTED)


def test_encodings(subtests, read):
    for encoding in ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1"]:
        with subtests.test(encoding=encoding):
            text = CSV.replace("7", "Müller-7").replace("8", "8a").replace("9", "µ")
            mark = "\ufeff" if encoding in ("utf-16-le", "utf-16-be") else ""
            con = read(mark + text, encoding=encoding)
            assert con.node_ids.tolist() == ["8a", "Müller-7", "µ"]


def test_latin_1_far_down(read):
    rows = "".join(f"n{i},n{i + 1},1\n" for i in range(9000))
    con = read("pre,post,weight\n" + rows + "Süd,n1,1\n", encoding="latin-1")
    assert con.node_ids[0] == "Süd"


def test_what_surrounds_the_table(subtests, read):
    cases = [
        "# Directed graph\n# Nodes: 3 Edges: 3\n" + CSV,
        "# from SNAP\n# pre,post,weight\n" + CSV.partition("\n")[2],
        "%%graph\n\n" + CSV,
        "sep=,\n" + CSV,
        "\n\n" + CSV + "\n\n",
        CSV.replace("\n", "\r\n"),
        CSV.rstrip("\n"),
        ' pre, "post" ,weight\n7, 8 ,3\n 8,9,1\n7,"8",2\n',
        "pre,post,weight,\n7,8,3,\n8,9,1,\n7,8,2,\n",
        "pre,post,weight\n7,8,3,\n8,9,1,\n7,8,2,\n",  # only rows end in a separator
        "pre,post,weight\nx,7,8,3\ny,8,9,1\nz,7,8,2\n",  # row names, as R writes them
        '"","pre","post","weight"\n"1",7,8,3\n"2",8,9,1\n"3",7,8,2\n',
        "note,pre,note,post,weight\na,7,b,8,3\na#b,8,,9,1\n,7,x,8,2\n",
        "weight,post,pre\n3,8,7\n1,9,8\n2,8,7\n",
    ]
    for text in cases:
        with subtests.test(text=text):
            assert read(text).is_same_graph(EXPECTED)
            assert read(text, weight=None).is_same_graph(
                Connectome.from_edges(EDGES, weight=None)
            )


def test_a_sign_of_comments_inside_an_id_stays(read):
    con = read("pre,post,weight\na#1,a#2,3\n")
    assert con.node_ids.tolist() == ["a#1", "a#2"]


def test_without_a_header(subtests, read):
    for separator in ["\t", " ", ","]:
        with subtests.test(separator=separator):
            text = "# FromNodeId ToNodeId\n" + CSV.partition("\n")[2].replace(
                ",", separator
            )
            con = read(text, ".txt.gz", pre=0, post=1, weight=2)
            assert con.is_same_graph(EXPECTED)
            assert read(text, ".txt").is_same_graph(EXPECTED)
            message = r"edges\.txt lacks the column 3; it has 0, 1, 2: name"
            with pytest.raises(ValueError, match=message):
                read(text, ".txt", pre=0, post=1, weight=3)
            with pytest.raises(
                ValueError, match="lacks the columns 0, 1; it has 'a', 'b'"
            ):
                read("a\tb\n7\t8\n", pre=0, post=1, weight=None)
            with pytest.raises(ValueError, match=r"it has 'x{79}: name"):
                read("x" * 10_000)
            names = read("a\tb\t3\n", pre=0, post=1, weight=None).node_ids
            assert names.tolist() == ["a", "b"]


def test_decimal_commas(read):
    con = read("pre;post;weight\n7;8;3,5\n8;9;1\n7;8;2,25\n")
    assert con.adjacency.toarray().tolist() == [[0, 5.75, 0], [0, 0, 1], [0, 0, 0]]
    message = "'weight' of edges.csv holds numbers such as '1,234', which may be thous"
    with pytest.raises(ValueError, match=message):
        read("pre;post;weight\n7;8;1,234\n8;9;1\n")
    with pytest.raises(TypeError, match=r"numbers, got str such as '1\.234,5'"):
        read("pre;post;weight\n7;8;1.234,5\n8;9;1\n")


def test_what_was_found_is_named(subtests, read):
    cases = [
        ("", r"edges\.csv must hold text by its name, but holds nothing"),
        ("\n\n", r"edges\.csv holds no table"),
        ("# a\n# b\n", r"edges\.csv holds no table"),
        ("pre,post,weight\n", r"edges\.csv has no rows: pass nodes="),
        (
            "pre,post\n1,2\n",
            r"lacks a known column for weight; it has 'pre', 'post': n",
        ),
        ("pre,post,weight,pre\n1,2,3,4\n", r"edges\.csv has several columns named 'pr"),
        ("pre,post,weight\n1,2,3,4,5\n", r"edges\.csv has 5 fields in its first row"),
        (
            "pre,post,weight\n1,2,3\n1,2,3,4\n",
            r"edges\.csv cannot be read .* line 3",
        ),
        ('pre,post,weight\n1,2,3\n"1,2,3\n', r"edges\.csv cannot be read as delim"),
        ("pre,post,weight\n1,2\n", "got 1 NaN"),
        ("pre,post,weight\n1,,3\n", "column 'post' must name every node, but 1 is mis"),
        (b"pre,post\x00weight\n1,2,3\n", r"edges\.csv must hold text, .* NUL bytes"),
        ("<!DOCTYPE html><html></html>", r"holds a web page .*download it again"),
        ("\n<HTML><body>", "holds a web page"),
        (
            gzip.compress(CSV.encode(), mtime=0),
            r"edges\.csv must hold text by .* holds gzip: re",
        ),
        (b"PAR1" + bytes(40), "holds parquet"),
        (b"PK\x03\x04" + bytes(40), "holds zip"),
        ("version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
    ]
    for text, message in cases:
        with subtests.test(text=text), pytest.raises(ValueError, match=message):
            read(text)


def test_only_a_header_is_enough_for_isolated_nodes(read):
    assert read("pre,post,weight\n", nodes=[1, 2]).n_edges == 0


def test_plain_text_named_gz(tmp_path):
    path = tmp_path / "edges.csv.gz"
    path.write_text(CSV)
    with pytest.raises(ValueError, match=r"must hold gzip by its name, but holds som"):
        read_edges(path)


def test_leading_zeros(read):
    with pytest.warns(UserWarning, match="ids such as '09' in column 'post'"):
        read("pre,post,weight\n12,09,01,\n007,12,1,\n".replace("007", "7"))
    text = "pre,post,weight\n12,7,1\n007,12,1\n"
    with pytest.warns(UserWarning, match="ids such as '007' in column 'pre' of edges"):
        assert read(text).node_ids.tolist() == [7, 12]
    assert read(text, text_ids=True).node_ids.tolist() == ["007", "12", "7"]


def test_floats_that_are_ids(read):
    assert read("pre,post,weight\n7.0,8.0,3\n").node_ids.tolist() == [7, 8]
    with pytest.raises(ValueError, match="floats of which 1 are not whole or too la"):
        read("pre,post,weight\n7.20575940612345678e17,8,3\n")
    with pytest.raises(ValueError, match=r"such as '7\.0', text .* float"):
        read("pre,post,weight\n7.0,8,3\n", text_ids=True)


def test_one_odd_id_is_named(read):
    with pytest.raises(TypeError, match=r"in column 'pre' are strings \('8x', \.\.\."):
        read("pre,post,weight\n7,8,3\n8x,9,1\n")
