"""Columns of delimited text: csv, tsv and the edge lists of SNAP."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import codecs
import csv
import gzip
import re
from typing import NamedTuple

from celltyping._utils._files import check_content, reading
from celltyping.connectome._ids import warn_of_zeros

# Number of bytes, and of rows, from which the layout of a file is found.
_SAMPLE_SIZE = 1 << 16
_SAMPLE_ROWS = 100

# Maximum number of bytes that complete the last line, and of the line after it: a
# matrix has long lines.
_LINE_SIZE = 1 << 24

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
    is_matrix: bool = False  # `names` are then the ids in the first row


def find_layout(path, find, *, matrix=False):
    """Find the layout of a delimited file, and the columns to read.

    Parameters
    ----------
    path : Path
        File, gzipped if its name ends in .gz.
    find : callable
        Function of the names in the file that returns its Columns, or raises a
        ValueError if it does not have them.
    matrix : bool, default=False
        Whether the file may be an adjacency matrix.

    Returns
    -------
    layout : Layout
        The layout.
    columns : Columns or None
        The columns. None: the file is an adjacency matrix.
    """
    is_gzipped = path.name.lower().endswith(".gz")
    check_content(path, "gzip" if is_gzipped else "text")
    layout = _find_layout(path, gzip.open if is_gzipped else open, find, matrix)
    if layout.is_matrix:
        return layout, None
    columns = find(layout.names)
    return _with_unnamed(path, layout), columns


def read_text(path, layout, names, **options):
    """Read the columns `names` of a delimited file, with options of pandas."""
    options = _options(layout, names) | options
    table = read_csv(path, layout, options)
    for name in names:
        if options["skipinitialspace"] and table[name].dtype.kind not in "biuf":
            table[name] = table[name].str.strip()
    return table


def read_csv(path, layout, options):
    """Call pandas.read_csv; try Latin-1 if a file that looked like UTF-8 is not."""
    import pandas as pd

    with reading(path, "delimited text"):
        try:
            return pd.read_csv(path, **options)
        except UnicodeDecodeError:
            if layout.encoding != "utf-8":
                raise
            return pd.read_csv(path, **options | {"encoding": "latin-1"})


def read_edge_columns(path, layout, columns, text_ids):
    """Read the Columns of edges; `text_ids` tells whether to read ids as text."""
    dtype = dict.fromkeys(columns.ids, str) if text_ids else None
    # a ROI may be called "None", which pandas would take for a missing value
    missing = {"keep_default_na": False, "na_values": [""]} if columns.roi else {}
    table = read_text(path, layout, columns.wanted, dtype=dtype, **missing)
    if not text_ids:
        for name in columns.ids:
            _check_ids(table[name], layout, path.name)
    if columns.weight is not None:
        weights = table[columns.weight]
        table[columns.weight] = _decimal_commas(weights, path.name)
    return table


def _find_layout(path, open_file, find, matrix):
    """Return the Layout of a file in which `find` finds columns, if it does."""
    with reading(path, "delimited text"), open_file(path, "rb") as file:
        sample = file.read(_SAMPLE_SIZE)
        sample += file.readline(_LINE_SIZE) + file.readline(_LINE_SIZE)
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

    def layout(separator, names, header, is_matrix=False):
        below = rows if header is None else rows[1:]
        return Layout(separator, names, header, below, n_skipped, encoding, is_matrix)

    for header, line in [(0, rows[0]), *[(None, line) for line in comments[-1:]]]:
        for separator in _SEPARATORS:
            names = _split(line, separator)
            if _finds(find, names):
                return layout(separator, names, header)
    for separator in _SEPARATORS if matrix else []:
        ids = _ids_of_matrix([_split(row, separator) for row in rows])
        if ids:
            return layout(separator, ids, 0, is_matrix=True)
    for separator in _SEPARATORS:
        fields, below = (_split(row, separator) for row in (rows[0], rows[:2][-1]))
        if _lacks_header(fields, below, find):
            return layout(separator, list(range(len(fields))), None)
    separator = max(_SEPARATORS, key=lambda separator: len(_split(rows[0], separator)))
    return layout(separator, _split(rows[0], separator), 0)


def _finds(find, names):
    """Tell whether `find` finds its columns among the names."""
    try:
        find(names)
    except ValueError:
        return False
    return True


def _ids_of_matrix(rows):
    """Return the ids in the first row, if they are also those of the other rows."""
    header, below = rows[0], rows[1:]
    n_columns = len(below[0]) - 1 if below else 0
    if n_columns < 1 or len(header) - n_columns not in (0, 1):
        return None
    corner, ids = header[:-n_columns], header[-n_columns:]
    is_data = any(field in ids or _NUMBER.fullmatch(field) for field in corner)
    known = set(ids)
    if is_data or len(known) < n_columns or any(row[0] not in known for row in below):
        return None
    return ids


def _lacks_header(fields, below, find):
    """Tell whether the first row of a table is data, not the names of columns."""
    is_number = [bool(_NUMBER.fullmatch(field)) for field in fields]
    if len(fields) < 2:
        return False
    if all(is_number) or all(field.isdecimal() for field in fields[:2]):
        return True
    has_header = not any(is_number) and any(map(_NUMBER.fullmatch, below))
    return not has_header and _finds(find, list(range(len(fields))))


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
    if len(line) > csv.field_size_limit():  # only a matrix has such lines
        return [field.strip(' "') for field in line.split(separator)]
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
    blanks = re.compile(rf' "?({separator}|$)|(^|{separator})"? ')
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
        warn_of_zeros(ids, f"column {column.name!r} of {table}")
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
