"""Matrices and ids from DataFrames, and refusal of what is not a matrix."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import os
from collections.abc import Mapping

import numpy as np
from scipy import sparse

from celltyping._utils._containers import is_frame, is_sparse_frame, refuse_container
from celltyping._utils._messages import list_names
from celltyping.connectome._ids import as_ids, check_same_kind, check_unique, find_ids

_ADVICE = (
    "; pass {name}.to_numpy() if rows and columns are in the same order, and a table "
    "of edges to Connectome.from_edges"
)


def check_is_matrix(X, name):
    """Raise a TypeError that names the right call if X is another kind of data."""
    if sparse.issparse(X):  # some of them are mappings
        return
    if is_frame(X):  # whose columns are attributes, too
        if not (text := _text_columns(X)):
            return
        problem = (
            f"a DataFrame with text in {list_names(text)}: pass Connectome.from_edges"
            "(table) for a table of edges, and ids of rows as the index"
        )
    elif hasattr(X, "obsp"):
        problem = (
            "an AnnData: pass its expression, adata.X, or Connectome(adata.obsp[key]) "
            "for a graph of cells"
        )
    elif isinstance(X, (str, bytes, os.PathLike)):
        problem = f"{X!r}: pass read_edges(path) for a file of edges"
    elif isinstance(X, Mapping) or hasattr(X, "column_names") or _has_fields(X):
        problem = f"a {type(X).__name__}: pass Connectome.from_edges(table)"
    else:
        refuse_container(X, name)
        return
    raise TypeError(f"{name} must be a matrix, got {problem}")


def split_frame(frame, node_ids, name="adjacency"):
    """Return the matrix and the node ids of an adjacency as a DataFrame.

    Parameters
    ----------
    frame : DataFrame of shape (n_nodes, n_nodes)
        Weights, by id in the index and in the columns, which may be in another order.
        With the default index and default columns it has no ids.
    node_ids : array-like of shape (n_nodes,) or None
        Ids in the order of the nodes. None: the order of the index.
    name : str, default="adjacency"
        Name of the frame in messages.

    Returns
    -------
    matrix : {ndarray, sparse array} of shape (n_nodes, n_nodes)
        Weights in the order of the ids.
    node_ids : array-like of shape (n_nodes,) or None
        Ids; `node_ids` itself if the frame has no ids.
    """
    matrix = frame_values(frame)
    if is_default(frame.index) and is_default(frame.columns):
        return matrix, node_ids
    rows = as_ids(frame.index, f"the index of {name}")
    columns = _as_kind_of(as_ids(frame.columns, f"the columns of {name}"), rows)
    ids = rows if node_ids is None else as_ids(node_ids)
    row_order = _match(rows, f"the index of {name}", ids, "node_ids", name)
    order = _match(columns, f"the columns of {name}", ids, "its index", name)
    if not np.array_equal(row_order, order) or np.any(np.diff(order) < 0):
        matrix = matrix[row_order][:, order]
    return matrix, ids


def check_order(frame, name):
    """Raise a ValueError if the index and the columns hold ids in different orders."""
    if is_default(frame.index) or is_default(frame.columns):
        return
    rows, columns = frame.index.astype(str), frame.columns.astype(str)
    if len(rows) == len(columns) and not (rows == columns).all():
        raise ValueError(
            f"{name} must have the same ids in its index and its columns, in one "
            "order: Connectome(adjacency) matches them by name"
            + _ADVICE.format(name=name)
        )


def dense_array(values, name):
    """Return array-like numbers as an array that scipy can make sparse."""
    if np.ma.isMaskedArray(values):
        raise TypeError(f"{name} must not be masked: pass {name}.filled(0)")
    try:
        array = np.asarray(values)
    except ValueError as exc:  # lists of different lengths
        raise ValueError(f"{name} must be two-dimensional: {exc}") from exc
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold numbers, got dtype {array.dtype}")
    if not array.dtype.isnative or array.dtype == np.float16:
        array = array.astype(np.float64)
    return array


def frame_values(frame):
    """Return the numbers in a DataFrame, as a sparse array if all columns are sparse.

    Missing values are NaN.
    """
    if is_sparse_frame(frame) and not any(dtype.fill_value for dtype in frame.dtypes):
        return sparse.csr_array(frame.sparse.to_coo())
    if all(isinstance(dtype, np.dtype) for dtype in frame.dtypes):
        return frame.to_numpy()
    if all(dtype.kind in "biuf" for dtype in frame.dtypes):
        return frame.to_numpy(dtype=np.float64, na_value=np.nan)
    return frame.to_numpy(dtype=object)


def is_default(index):
    """Return whether a pandas Index is the one that pandas makes itself."""
    is_range = type(index).__name__ == "RangeIndex"
    return is_range and index.start == 0 and index.step == 1


def _has_fields(X):
    """Return whether X is a structured array."""
    return getattr(getattr(X, "dtype", None), "names", None) is not None


def _text_columns(frame):
    """Return the names of the columns that contain text."""
    return [
        name
        for position, (name, dtype) in enumerate(
            zip(frame.columns, frame.dtypes, strict=True)
        )
        if dtype.kind in "OU"
        and any(isinstance(value, str) for value in frame.iloc[:, position])
    ]


def _as_kind_of(columns, rows):
    """Convert names of columns to integers if the ids of rows are, as csv needs it."""
    if rows.dtype.kind == "i" and columns.dtype.kind == "U":
        try:
            numbers = columns.astype(np.int64)
        except (ValueError, OverflowError):
            return columns
        if np.array_equal(numbers.astype(str), columns):
            return numbers
    return columns


def _match(found, found_name, ids, ids_name, name):
    """Return the position in `found` of each id; raise an error if the ids differ."""
    advice = _ADVICE.format(name=name)
    check_same_kind(found, found_name, ids, ids_name, advice)
    check_unique(found, found_name)
    check_unique(ids, ids_name)
    positions = find_ids(ids, found)
    lacking, extra = ids[positions < 0], found[find_ids(found, ids) < 0]
    if lacking.size or extra.size:
        parts = [
            f"{part.size} are in {where} alone: {list_names(part)}"
            for part, where in [(extra, found_name), (lacking, ids_name)]
            if part.size
        ]
        raise ValueError(
            f"{found_name} and {ids_name} must hold the same ids, but "
            f"{'; '.join(parts)}{advice}"
        )
    return positions
