"""Paths, content of another kind than the name says, and damage."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from pathlib import Path

import pytest

from celltyping._utils._files import check_content, find_file, reading

FORMATS = {".csv": "text", ".csv.gz": "gzipped", ".gz": "other"}


def find(path):
    """Look for a file."""
    return find_file(path, FORMATS, advice="use pandas")


@pytest.mark.parametrize("name", ["a.csv", "a.CSV", "b.csv.gz", "c.gz"])
def test_the_longest_ending_decides(tmp_path, name):
    path = tmp_path / name
    path.touch()
    expected = {"v": "text", "V": "text", "z": "gzipped"}[name[-1]]
    expected = "other" if name == "c.gz" else expected
    assert find(path) == find(str(path)) == (path, expected)


def test_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.csv").touch()
    assert find("~/a.csv") == (tmp_path / "a.csv", "text")


def test_what_is_no_file(tmp_path):
    for path in (None, 3, b"a.csv", ["a.csv"]):
        with pytest.raises(TypeError, match="path must be a str or path-like, got"):
            find(path)
    with pytest.raises(ValueError, match=r"path must end in \.csv, .* got 'a\.x': use"):
        find(tmp_path / "a.x")
    (tmp_path / "b.csv").mkdir()
    with pytest.raises(ValueError, match=r"must be a file, but '.*b\.csv' is a folder"):
        find(tmp_path / "b.csv")
    for path in (tmp_path / "c.csv", tmp_path / "none" / "c.csv", Path("a\0.csv")):
        with pytest.raises(FileNotFoundError, match="there is no file"):
            find(path)


@pytest.mark.parametrize(
    ("data", "expected", "found"),
    [
        (b"a,b\n", "text", None),
        (b"\x1f\x8b123", "gzip", None),
        (b"PAR1....", "parquet", None),
        (b"a,b\n", "parquet", "something else"),
        (b"", "gzip", "nothing"),
        (b"\x89HDF\r\n\x1a\n", "text", "HDF5"),
        (b"ARROW1", "parquet", "feather"),
        (b"  <!doctype HTML>", "parquet", r"a web page \(HTML or XML\)"),
        (b"<?xml version='1.0'?>", "text", "a web page"),
    ],
)
def test_content(tmp_path, data, expected, found):
    path = tmp_path / "a.csv"
    path.write_bytes(data)
    if found is None:
        check_content(path, expected)
        return
    message = rf"a\.csv must hold {expected} by its name, but holds {found}.*: rename"
    with pytest.raises(ValueError, match=message):
        check_content(path, expected)


@pytest.mark.parametrize("error", [OSError("x"), MemoryError("x"), KeyError("x")])
def test_what_a_reader_raises_becomes_a_value_error(error):
    message = rf"a\.csv cannot be read as text .*damaged \({type(error).__name__}: '?x"
    with pytest.raises(ValueError, match=message), reading(Path("a.csv"), "text"):
        raise error


@pytest.mark.parametrize(
    "error", [FileNotFoundError, PermissionError, ImportError, KeyboardInterrupt]
)
def test_what_is_no_damage_stays(error):
    with pytest.raises(error), reading(Path("a.csv"), "text"):
        raise error
