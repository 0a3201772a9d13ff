"""Columns of delimited text: csv, tsv and the edge lists of SNAP."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import codecs
import csv
import gzip
import re
import warnings
from typing import NamedTuple

from celltyping._utils._files import check_content, reading
from celltyping._utils._optional import import_optional
from celltyping._utils._warnings import find_stack_level

# Number of bytes, and of rows, from which the layout of a file is found.
_SAMPLE_SIZE = 1 << 16
_SAMPLE_ROWS = 100

_SEPARATORS = [",", "\t", ";", "|", r"\s+"]
_COMMENTS = ("#", "%", "sep=")  # the last is Excel's
_ENCODINGS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_NUMBER = re.compile(r"[+-]?\d+([.,]\d*)?([eE][+-]?\d+)?")


class Layout(NamedTuple):
    """Layout of a delimited file."""

    separator: str
    names: list  # of the columns: strings, or 0, 1, ... without a header
    header: int | None  # as for pandas.read_csv
    rows: list  # first rows, without the header
    n_skipped: int  # lines above
    encoding: str


def read_delimited(path, columns, check_columns, text_ids):
    """Read the named columns of a delimited file.

    Parameters
    ----------
    path : Path
        File, gzipped if its name ends in .gz.
    columns : dict
        Names of the columns pre, post and weight; the weight may be None.
    check_columns : callable
        Function of the names in the file that raises an error if one is missing.
    text_ids : bool
        Whether to read ids as text.

    Returns
    -------
    table : DataFrame
        The columns.
    """
    pd = import_optional("pandas", extra="io", needed_by="read_edges")
    wanted = [name for name in columns.values() if name is not None]
    is_gzipped = path.name.lower().endswith(".gz")
    check_content(path, "gzip" if is_gzipped else "text")
    layout = _find_layout(path, gzip.open if is_gzipped else open, wanted)
    check_columns(layout.names)
    layout = _with_unnamed(path, layout)
    ends = [columns["pre"], columns["post"]]
    options = _options(layout, wanted)
    options["dtype"] = dict.fromkeys(ends, str) if text_ids else None
    with reading(path, "delimited text"):
        try:
            table = pd.read_csv(path, **options)
        except UnicodeDecodeError:
            if layout.encoding != "utf-8":
                raise
            table = pd.read_csv(path, **options | {"encoding": "latin-1"})
    for name in wanted:
        if options["skipinitialspace"] and table[name].dtype.kind not in "biuf":
            table[name] = table[name].str.strip()
    if not text_ids:
        for name in ends:
            _check_ids(table[name], layout, path.name)
    if columns["weight"] is not None:
        weights = table[columns["weight"]]
        table[columns["weight"]] = _decimal_commas(weights, path.name)
    return table


def _find_layout(path, open_file, wanted):
    """Return the Layout of a file that has the columns `wanted`, if it has them."""
    with reading(path, "delimited text"), open_file(path, "rb") as file:
        sample = file.read(_SAMPLE_SIZE)
    text, encoding = _decode(sample)
    if "\0" in text:
        raise ValueError(f"{path.name} must hold text, but holds NUL bytes")
    lines = re.split(r"\r\n|\n|\r", text)
    is_row = [bool(line.strip()) and not line.startswith(_COMMENTS) for line in lines]
    if not any(is_row):
        raise ValueError(f"{path.name} holds no table: it is empty or all comments")
    n_skipped = is_row.index(True)
    rows = [line for line in lines[n_skipped:] if line.strip()][:_SAMPLE_ROWS]
    comments = [line.lstrip("#% ") for line in lines[:n_skipped] if line.strip()]
    for header, line in [(0, rows[0]), *[(None, line) for line in comments[-1:]]]:
        for separator in _SEPARATORS:
            names = _split(line, separator)
            if set(wanted) <= set(names):
                rows = rows if header is None else rows[1:]
                return Layout(separator, names, header, rows, n_skipped, encoding)
    by_position = all(isinstance(name, int) for name in wanted)
    for separator in _SEPARATORS:
        fields, below = (_split(row, separator) for row in (rows[0], rows[:2][-1]))
        is_number = [bool(_NUMBER.fullmatch(field)) for field in fields]
        has_header = not any(is_number) and any(map(_NUMBER.fullmatch, below))
        if len(fields) > 1 and (all(is_number) or (by_position and not has_header)):
            names = list(range(len(fields)))
            return Layout(separator, names, None, rows, n_skipped, encoding)
    separator = max(_SEPARATORS, key=lambda separator: len(_split(rows[0], separator)))
    names = _split(rows[0], separator)
    return Layout(separator, names, 0, rows[1:], n_skipped, encoding)


def _decode(sample):
    """Return the text of the first bytes of a file, and its encoding."""
    for mark, encoding in _ENCODINGS.items():
        if sample.startswith(mark):
            return sample.decode(encoding, errors="ignore"), encoding
    try:  # the last character may be cut
        return codecs.getincrementaldecoder("utf-8")().decode(sample), "utf-8"
    except UnicodeDecodeError:
        return sample.decode("latin-1"), "latin-1"


def _split(line, separator):
    """Return the fields of a line, without quotes and blanks."""
    if separator == r"\s+":
        return [field.strip("\"'") for field in line.split()]
    fields = next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
    return [field.strip() for field in fields]


def _with_unnamed(path, layout):
    """Return a Layout that names the field of each row that the header lacks."""
    names = layout.names
    first = _split(layout.rows[0], layout.separator) if layout.rows else names
    if len(first) > len(names) + 1:
        raise ValueError(
            f"{path.name} has {len(first)} fields in its first row, but "
            f"{len(names)} columns: {', '.join(map(repr, names))}"
        )
    if len(first) == len(names) + 1:
        # the names of rows, as R writes them, or nothing behind a last separator
        names = ["", *names] if first[-1] else [*names, ""]
    return layout._replace(names=names)


def _options(layout, wanted):
    """Return the parameters of pandas.read_csv."""
    names = [
        name if name in wanted else f"unused {position}"
        for position, name in enumerate(layout.names)
    ]
    separator = re.escape(layout.separator)
    blanks = re.compile(rf" {separator}|{separator} ")
    return {
        "sep": layout.separator,
        "names": names,
        "header": layout.header,
        # Only without usecols, pandas refuses rows with more fields than names.
        "usecols": None if len(names) == len(wanted) else wanted,
        "skiprows": layout.n_skipped,
        "skipinitialspace": any(map(blanks.search, layout.rows)),
        "encoding": layout.encoding,
        "low_memory": False,  # avoids a mix of dtypes in one column
    }


def _check_ids(column, layout, table):
    """Raise or warn if ids changed or could not be read as integers."""
    if column.dtype.kind in "iu":
        position = layout.names.index(column.name)
        rows = [_split(row, layout.separator) for row in layout.rows]
        ids = ["".join(row[position : position + 1]) for row in rows]
        zeros = [text for text in ids if re.fullmatch(r"[+-]?0\d+", text)]
        if zeros:
            warnings.warn(
                f"ids such as {zeros[0]!r} in column {column.name!r} of {table} lose "
                "their leading zeros: pass text_ids=True to keep them",
                UserWarning,
                stacklevel=find_stack_level(),
            )
    if column.dtype.kind == "i":
        return
    text = column.dropna().drop_duplicates().astype(str)
    if len(text) and text.str.fullmatch(r"[+-]?\d+").all():
        raise ValueError(
            f"column {column.name!r} must hold ids that fit into int64, got ids that "
            f"overflow it, such as {text.loc[text.str.len().idxmax()]}: pass "
            "text_ids=True to read ids as text"
        )


def _decimal_commas(weights, table):
    """Convert text with decimal commas to floats; return other columns as they are."""
    if weights.dtype.kind in "biuf":
        return weights
    text = weights.dropna().drop_duplicates()
    commas = text[text.str.contains(",", regex=False)]
    if commas.empty or not text.str.fullmatch(r"[+-]?\d+(,\d+)?([eE][+-]?\d+)?").all():
        return weights
    if commas.str.fullmatch(r"[+-]?[1-9]\d{0,2},\d{3}").all():
        raise ValueError(
            f"column {weights.name!r} of {table} holds numbers such as "
            f"{commas.iloc[0]!r}, which may be thousands or fractions: write them "
            "without commas"
        )
    return weights.str.replace(",", ".", regex=False).astype(float)
