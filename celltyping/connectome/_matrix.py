"""Edges of adjacency matrices in delimited text and Excel sheets."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numbers

import numpy as np

from celltyping._utils._files import check_content, reading
from celltyping._utils._messages import list_names
from celltyping._utils._optional import import_optional
from celltyping.connectome._delimited import read_csv
from celltyping.connectome._ids import check_same_kind, check_unique, ids_of_text

# Row and column, from 0, of the first entry in the sheets of Cook et al. (2019). The
# ids are above and left of it.
_FIRST_ROW, _FIRST_COLUMN = 3, 3


def read_matrix(path, layout, text_ids):
    """Read a delimited file whose first row and column hold the same ids.

    Parameters
    ----------
    path : Path
        File.
    layout : Layout
        Its layout; the names are the ids of the columns.
    text_ids : bool
        Whether to read ids as text.

    Returns
    -------
    edges : DataFrame
        Columns pre, post and weight of the entries that are not zero or empty.
    ids : ndarray of shape (n_ids,), dtype=int64 or str
        Sorted ids of the rows and columns.
    """
    options = {
        "sep": layout.separator,
        "header": None,
        "names": range(len(layout.names) + 1),
        "skiprows": layout.n_skipped + 1,
        "skipinitialspace": True,
        "dtype": {0: str},
        "encoding": layout.encoding,
        "low_memory": False,
    }
    table = read_csv(path, layout, options)
    pre = table.pop(0).fillna("").str.strip().tolist()
    odd = sorted(set(pre) ^ set(layout.names))
    if odd:
        raise ValueError(
            f"{path.name} must hold the same ids in its first row and column, but "
            f"{list_names(odd)} are in one of them"
        )
    text = [name for name in table if table[name].dtype.kind not in "biuf"]
    if text:
        entry = table[text[0]].dropna().iloc[0]
        raise _no_number(path, entry)
    return _as_edges(path, table.to_numpy(np.float64), pre, layout.names, text_ids)


def read_sheet(path, sheet, text_ids):
    """Read a sheet of an Excel file in the layout of Cook et al. (2019).

    Row 3 holds the ids of the columns from column D on, column C those of the rows from
    row 4 on. Rows and columns without an id are skipped. `sheet` may be None if the
    file has one; the answer is that of `read_matrix`.
    """
    openpyxl = import_optional("openpyxl", extra="io", needed_by="read_edges")
    check_content(path, "zip")
    with reading(path, "xlsx"):
        workbook = openpyxl.load_workbook(path, read_only=True, data_only=True)
    try:
        sheets = workbook.sheetnames
        if sheet not in sheets and not (sheet is None and len(sheets) == 1):
            raise ValueError(
                f"sheet must be one of the sheets of {path.name}, got {sheet!r}; it "
                f"has {list_names(sheets, 20)}"
            )
        with reading(path, "xlsx"):
            found = workbook[sheets[0] if sheet is None else sheet]
            rows = [list(row) for row in found.iter_rows(values_only=True)]
    finally:
        workbook.close()
    header = rows[_FIRST_ROW - 1] if len(rows) >= _FIRST_ROW else []
    columns = _named(header, start=_FIRST_COLUMN)
    names = [
        row[_FIRST_COLUMN - 1] if len(row) >= _FIRST_COLUMN else "" for row in rows
    ]
    lines = _named(names, start=_FIRST_ROW)
    if not (columns and lines):
        raise ValueError(
            f"{path.name} must hold a matrix with the ids of the columns in row 3 from "
            "D3 on and those of the rows in column C from C4 on, as in Cook et al. 2019"
        )
    values = np.zeros((len(lines), len(columns)))
    for i, line in enumerate(lines):
        for j, column in enumerate(columns):
            entry = rows[line][column] if column < len(rows[line]) else None
            if isinstance(entry, numbers.Real):
                values[i, j] = entry
            elif entry is not None and str(entry).strip():
                raise _no_number(path, entry)
    return _as_edges(path, values, lines.values(), columns.values(), text_ids)


def _named(names, start):
    """Return the names from a position on that are not blank, by position."""
    named = {}
    for position, name in enumerate(names):
        if isinstance(name, float) and name.is_integer() and abs(name) < 2**53:
            name = int(name)
        text = "" if name is None else str(name).strip()
        if position >= start and text:
            named[position] = text
    return named


def _as_edges(path, values, pre, post, text_ids):
    """Return the edges of a matrix, and the ids of its rows and columns as text."""
    import pandas as pd

    ids = []
    for name, texts in {"rows": pre, "columns": post}.items():
        name = f"the {name} of {path.name}"
        ids.append(ids_of_text(list(texts), name, text_ids))
        check_unique(ids[-1], name)
    check_same_kind(ids[0], "the rows", ids[1], "the columns")
    values = np.where(np.isnan(values), 0, values)
    rows, columns = np.nonzero(values)
    ends = {"pre": ids[0][rows], "post": ids[1][columns]}
    edges = pd.DataFrame(ends | {"weight": values[rows, columns]})
    return edges, np.union1d(*ids)


def _no_number(path, entry):
    """Return the error for an entry that is text."""
    return TypeError(f"the matrix in {path.name} must hold numbers, got {entry!r}")
