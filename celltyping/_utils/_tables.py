"""Columns and rows of tables: validation, selection and replacement.

A column of a DataFrame is identified by its name, a column of an array by its index.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from collections import Counter
from collections.abc import Hashable
from itertools import pairwise

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.validation import validate_data

from celltyping._utils._compat import _safe_indexing
from celltyping._utils._containers import (
    is_frame,
    is_number,
    is_sparse_frame,
    refuse_container,
)
from celltyping._utils._labels import as_numbers, is_missing
from celltyping._utils._messages import list_names
from celltyping._utils._validation import (
    check_magnitude,
    is_integer,
    validate_array,
    validate_samples,
)

# Options of the validation of an array; columns are validated when they are used.
OPTIONS = {"dtype": np.float64, "ensure_all_finite": False, "limit": np.inf}

# Maximum number of columns listed in a message.
MAX_NAMES = 20


def dense_columns(frame):
    """Return a DataFrame, dense if all columns are sparse: SVMs fail on these."""
    return frame.sparse.to_dense() if is_sparse_frame(frame) else frame


def validate_table(estimator, X, *, reset):
    """Validate a table for an estimator, except for the values of its columns.

    Return a DataFrame itself, otherwise an array of dtype float64, which may be the
    input. NaN and infinity are allowed here; `column_values` refuses them.
    """
    refuse_container(X)
    if is_frame(X):
        validate_data(estimator, X, reset=reset, skip_check_array=True)
        if 0 in X.shape:
            raise ValueError(
                f"Found a DataFrame with {X.shape[0]} sample(s) and {X.shape[1]} "
                f"feature(s), but {type(estimator).__name__} needs at least 1 of each"
            )
        return X
    _refuse_text(X)
    return validate_samples(estimator, X, reset=reset, **OPTIONS)


def check_table(X):
    """Return a table as `validate_table` does, without a comparison with `fit`."""
    refuse_container(X)
    if is_frame(X):
        return X
    _refuse_text(X)
    return validate_array(X, "a table", **OPTIONS)


def _refuse_text(X):
    """Raise if a two-dimensional array contains text that is not a number."""
    array = np.asarray(X) if hasattr(X, "__array__") else None
    if array is None or array.ndim != 2 or array.dtype.kind not in "OUS":
        return
    for value in array.ravel():
        if isinstance(value, str) and not is_number(value):
            raise ValueError(
                f"X is an array that contains text, such as {value!r}: pass a "
                "DataFrame, whose columns have names"
            )


def column_names(X):
    """Return the names of a DataFrame's columns, or 0, 1, ... for an array."""
    return X.columns.tolist() if is_frame(X) else list(range(X.shape[1]))


def find_columns(X, columns, parameter):
    """Return the positions of columns in a table.

    Parameters
    ----------
    X : {ndarray, DataFrame} of shape (n_samples, n_features)
        Table.
    columns : array-like of shape (n_columns,) or None
        Names for a DataFrame, indices for an array. None: all columns.
    parameter : str
        Parameter with these columns, for error messages.

    Returns
    -------
    positions : list of int, of length n_columns
        Index of each column, in the order of `columns`.

    Raises
    ------
    ValueError
        If `columns` is empty or contains a column twice, or if X lacks one of them or
        has several of that name.
    """
    if columns is None:
        return list(range(X.shape[1]))
    wanted = columns.tolist() if hasattr(columns, "tolist") else list(columns)
    if not all(isinstance(name, Hashable) for name in wanted):
        raise ValueError(f"{parameter} must be a list of columns, got {columns!r}")
    if not wanted:
        raise ValueError(f"{parameter} must name at least one column, got {columns!r}")
    source = "" if parameter == "columns" else f" of {parameter}"
    names, by_index = column_names(X), not is_frame(X)
    positions = dict(zip(reversed(names), reversed(range(len(names))), strict=True))
    missing = [
        name
        for name in wanted
        if name not in positions or (by_index and not is_integer(name))
    ]
    if missing:
        if by_index:
            present = (
                f"X is an array with {len(names)} columns, which have the indices 0 to "
                f"{len(names) - 1}"
            )
        else:
            present = f"its columns are {list_names(names, MAX_NAMES)}"
        raise ValueError(f"X does not have the columns {missing}{source}: {present}")
    repeated = [name for name, n_times in Counter(wanted).items() if n_times > 1]
    if repeated:
        raise ValueError(
            f"the columns {repeated}{source} are listed more than once: {wanted}"
        )
    counts = Counter(names)
    repeated = [name for name in wanted if counts[name] > 1]
    if repeated:
        raise ValueError(f"X has several columns of the names {repeated}{source}")
    return [positions[name] for name in wanted]


def column_values(X, positions, caller=None):
    """Return columns of a table as finite numbers.

    Parameters
    ----------
    X : {ndarray, DataFrame} of shape (n_samples, n_features)
        Table.
    positions : array-like of shape (n_columns,), dtype=int
        Index of each column.
    caller : str, default=None
        Estimator that computes with squares of the values, which limits them.

    Returns
    -------
    values : ndarray of shape (n_samples, n_columns), dtype=float64
        Copy of the columns in that order, contiguous by column.

    Raises
    ------
    ValueError
        If a column contains something that is not a number, NaN, infinity or, with a
        `caller`, too large values.
    """
    names = column_names(X)
    values = np.empty((X.shape[0], len(positions)), order="F")
    for k, position in enumerate(positions):
        values[:, k] = _to_floats(raw_column(X, position), names[position])
        _check_finite(values[:, k], names[position])
        if caller is not None:
            where = f"column {names[position]!r} of X"
            check_magnitude(values[:, k], caller, name=where)
    return values


def raw_column(X, position):
    """Return one column of a table as an array of any dtype, possibly a view of X."""
    return np.asarray(X.iloc[:, position]) if is_frame(X) else X[:, position]


def replace_columns(X, positions, values):
    """Return a copy of a table with new values in some columns.

    Parameters
    ----------
    X : {ndarray, DataFrame} of shape (n_samples, n_features)
        Table. It is not changed.
    positions : array-like of shape (n_columns,), dtype=int
        Index of each column.
    values : ndarray of shape (n_samples, n_columns), dtype=float64
        New values.

    Returns
    -------
    X : {ndarray, DataFrame} of shape (n_samples, n_features)
        Table of the same kind; a DataFrame keeps index, names and other columns.
    """
    X = X.copy()
    if is_frame(X):
        for k, position in enumerate(positions):
            X.isetitem(position, values[:, k].copy())
    else:
        X[:, positions] = values
    return X


def take_rows(X, rows):
    """Return rows of anything by an array of indices, a mask, or None for all rows.

    X itself is returned if it is None or a mask keeps all rows: a copy may have another
    memory layout, which changes the last digits of sums.
    """
    if X is None or rows is None or (rows.dtype == bool and rows.all()):
        return X
    return _safe_indexing(X, rows)


def is_repeated(X):
    """Return a mask of the rows of a table that equal an earlier row."""
    if is_frame(X):
        return X.duplicated().to_numpy()
    first = find_distinct_rows(X)[0]
    return ~np.isin(np.arange(len(X)), first)


def find_distinct_rows(X):
    """Return the index of the first of each set of equal rows, and the set's size.

    X is a dense array, or a CSR matrix in canonical form without stored zeros.
    """
    if issparse(X):
        parts = [(X.indices[a:b], X.data[a:b]) for a, b in pairwise(X.indptr)]
        keys = [(indices.tobytes(), data.tobytes()) for indices, data in parts]
    else:
        keys = [row.tobytes() for row in X + 0.0]  # -0.0 equals 0.0
    first, counts = {}, Counter(keys)
    for i, key in enumerate(keys):
        first.setdefault(key, i)
    return list(first.values()), [counts[key] for key in first]


def encode_groups(X, position, *, member="row"):
    """Encode the column that contains each row's group as integers.

    Parameters
    ----------
    X : {ndarray, DataFrame} of shape (n_samples, n_features)
        Table.
    position : int
        Index of the column.
    member : str, default="row"
        Word for a row in error messages.

    Returns
    -------
    names : ndarray of shape (n_groups,)
        Groups, sorted: numbers or strings.
    codes : ndarray of shape (n_samples,), dtype=intp
        Index of each row's group in `names`.

    Raises
    ------
    ValueError
        If a group is missing, or the groups are neither all strings nor all numbers.
    """
    column, name = raw_column(X, position), column_names(X)[position]
    missing = is_missing(column)
    if missing.any():
        raise ValueError(
            f"column {name!r} of X must contain the group of every {member}, but it is "
            f"missing in {missing.sum()} of {len(column)} rows, the first at position "
            f"{np.flatnonzero(missing)[0]}"
        )
    column = as_numbers(column)
    if column.dtype == object:
        types = sorted({type(value).__name__ for value in column})
        if types != ["str"]:
            raise ValueError(
                f"column {name!r} of X must contain either strings or numbers, got "
                f"{', '.join(types)}"
            )
        column = column.astype(str)
    return np.unique(column, return_inverse=True)


def find_groups(names, known):
    """Return the index of each group in the array `known`, -1 for unknown groups."""
    codes = {name: code for code, name in enumerate(known.tolist())}
    return np.array([codes.get(name, -1) for name in names.tolist()], dtype=np.intp)


def list_unknown(names, known):
    """Return unknown groups for a message, and the kind of ids in `fit` if it differs.

    `names` and `known` are arrays of strings or of numbers, as of `encode_groups`.
    """
    text, is_text = list_names(names), known.dtype.kind == "U"
    if is_text == (names.dtype.kind == "U"):
        return text
    kinds = ("numbers", "text") if is_text else ("text", "numbers")
    return (
        f"{text}, which are {kinds[0]}, but those in fit are {kinds[1]} such as "
        f"{known[0].item()!r}: convert the column to one type"
    )


def _to_floats(column, name):
    """Return a column as float64, with NaN for missing values."""
    if column.dtype.kind in "biuf":
        return column.astype(np.float64)
    if column.dtype.kind in "mM":
        # numpy converts nanoseconds to integers, which would make numbers of dates.
        column = column.astype(f"{column.dtype.kind}8[us]")
    column = column.astype(object)
    missing = is_missing(column)
    values = np.full(len(column), np.nan)
    try:
        values[~missing] = column[~missing].astype(np.float64)
    except OverflowError as exc:
        raise ValueError(f"column {name!r} of X contains too large integers") from exc
    except (TypeError, ValueError) as exc:
        example = next(value for value in column[~missing] if not is_number(value))
        raise ValueError(
            f"column {name!r} of X contains {example!r}, which is not a number"
        ) from exc
    return values


def _check_finite(values, name):
    """Raise if a column contains NaN or infinity."""
    for kind, found in [("NaN", np.isnan(values)), ("infinity", np.isinf(values))]:
        if found.any():
            raise ValueError(
                f"column {name!r} of X contains {kind} in {found.sum()} of "
                f"{len(found)} rows"
            )
