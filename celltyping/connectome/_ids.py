"""Node ids as exact int64 or text arrays, and their positions."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numbers

import numpy as np

from celltyping._utils._labels import is_missing
from celltyping._utils._messages import list_names

_INT64 = np.iinfo(np.int64)

# From here on, several integers share one float, so that an id that was a float may be
# another neuron's. FlyWire's ids have 18 digits.
_FLOAT_LIMIT = 2.0**53


def as_ids(values, name="node_ids"):
    """Convert ids to an int64 or text array, never by way of a float.

    Parameters
    ----------
    values : array-like of shape (n_ids,)
        Integers or strings in a list, an array, or a pandas or pyarrow column. Floats
        must be whole and small enough to be exact.
    name : str, default="node_ids"
        Name of the ids in messages.

    Returns
    -------
    ids : ndarray of shape (n_ids,), dtype=int64 or str
        A new array; text is as wide as the longest id.
    """
    values = as_column(values, name)
    kind = values.dtype.kind
    if kind in "OT":
        values = _unbox(values.astype(object, copy=False), name)
        kind = values.dtype.kind
    if kind == "f":
        return _whole_floats(values, name)
    if kind == "u" and values.size and values.max() > _INT64.max:
        raise _overflow(name, values.max())
    if kind in "iu":
        return values.astype(np.int64)
    if kind == "U":
        return np.array(values.tolist(), dtype=str)
    raise TypeError(
        f"{name} must be integers or strings, got {values.dtype}"
        + (" (decode bytes first)" if kind == "S" else "")
    )


def as_column(values, name):
    """Convert a column to a 1-D array without changing a value.

    Lists and extension arrays become object arrays: numpy would convert [1, "a"] to
    text, and [1, 2**63] or a column with a missing value to floats.
    """
    if isinstance(values, (str, bytes)) or not hasattr(values, "__len__"):
        raise TypeError(f"{name} must be a sequence, got {type(values).__name__}")
    if hasattr(values, "__array__"):
        exact = isinstance(getattr(values, "dtype", None), np.dtype)
        column = np.asarray(values, dtype=None if exact else object)
    else:
        values = list(values)
        column = np.empty(len(values), dtype=object)
        column[:] = values
    if column.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, got shape {column.shape}")
    return column


def factorize_ids(column, name):
    """Encode the ids in a long column.

    Parameters
    ----------
    column : array-like of shape (n_rows,)
        Ids at one end of each edge.
    name : str
        Name of the column in messages.

    Returns
    -------
    codes : ndarray of shape (n_rows,), integers
        Index in `ids` of each row's id.
    ids : ndarray of shape (n_ids,), dtype=int64 or str
        The different ids.
    """
    if hasattr(column, "factorize"):  # pandas is fast and knows its own dtypes
        codes, uniques = column.factorize()
        n_missing = np.count_nonzero(codes < 0)
        if n_missing:
            raise _missing(name, n_missing)
        return codes, as_ids(uniques, name)
    column = as_column(column, name)
    if column.dtype.kind not in "OT":
        uniques = np.unique(column)
        ids = as_ids(uniques, name)  # may raise, so before the slow part
        return np.searchsorted(uniques, column), ids
    # A dictionary of Python objects is faster than sorting them.
    code_of = dict.fromkeys(column.tolist())
    ids = as_ids(list(code_of), name)
    code_of = {key: code for code, key in enumerate(code_of)}
    codes = np.fromiter(map(code_of.__getitem__, column), np.intp, column.size)
    return codes, ids


def find_ids(wanted, ids, order=None):
    """Find the positions of ids.

    Parameters
    ----------
    wanted : ndarray of shape (n_wanted,)
        Ids to find.
    ids : ndarray of shape (n_ids,)
        Unique ids of the same kind.
    order : ndarray of shape (n_ids,), default=None
        ``argsort`` of `ids`, if known.

    Returns
    -------
    positions : ndarray of shape (n_wanted,), dtype=intp
        Positions in `ids`; -1 for an id that is not in `ids`.
    """
    if wanted.size == 0 or ids.size == 0:  # the dtypes may differ
        return np.full(wanted.size, -1, dtype=np.intp)
    if order is None:
        order = np.argsort(ids)
    slots = np.searchsorted(ids, wanted, sorter=order)
    positions = order[np.minimum(slots, len(ids) - 1)]
    return np.where(ids[positions] == wanted, positions, -1)


def locate_ids(wanted, name, ids, ids_name, order=None):
    """Find the positions of ids; raise an error for unknown ids or another kind.

    `wanted`, `ids` and `order` are as for `find_ids`; the names are for messages.
    """
    check_same_kind(wanted, name, ids, ids_name)
    positions = find_ids(wanted, ids, order)
    unknown = wanted[positions < 0]
    if unknown.size:
        raise ValueError(
            f"{unknown.size} of the {wanted.size} ids in {name} are not in {ids_name}: "
            f"{list_names(unknown)}"
        )
    return positions


def check_unique(ids, name="node_ids"):
    """Raise a ValueError if an id occurs more than once."""
    uniques, counts = np.unique(ids, return_counts=True)
    repeated = uniques[counts > 1]
    if repeated.size:
        raise ValueError(
            f"{name} must be unique, but repeat the ids {list_names(repeated)}"
        )


def check_same_kind(ids, name, others, others_name):
    """Raise a TypeError if one array holds integers and the other strings."""
    if ids.size and others.size and ids.dtype.kind != others.dtype.kind:
        kinds = {"U": "strings", "i": "integers"}
        raise TypeError(
            f"the ids in {name} are {kinds[ids.dtype.kind]} ({ids.tolist()[0]!r}, "
            f"...), but the ids in {others_name} are {kinds[others.dtype.kind]} "
            f"({others.tolist()[0]!r}, ...): convert them to the same kind"
        )


def _unbox(values, name):
    """Convert an object array to an array of strings, int64 or floats."""
    n_missing = np.count_nonzero(is_missing(values))
    if n_missing:
        raise _missing(name, n_missing)
    kinds = set(map(type, values))
    if all(issubclass(kind, str) for kind in kinds):
        return np.array(values.tolist(), dtype=str if values.size else np.int64)
    if bool not in kinds and all(issubclass(kind, numbers.Integral) for kind in kinds):
        try:
            return values.astype(np.int64)
        except OverflowError as exc:
            raise _overflow(name, max(values, key=abs)) from exc
    if all(issubclass(kind, (float, np.floating)) for kind in kinds):
        return values.astype(np.float64)
    found = ", ".join(sorted(kind.__name__ for kind in kinds))
    raise TypeError(f"{name} must be all integers or all strings, got {found}")


def _whole_floats(values, name):
    """Convert floats to int64; raise an error unless that is exact."""
    n_missing = np.count_nonzero(np.isnan(values))
    if n_missing:
        raise _missing(name, n_missing)
    inexact = values[(np.abs(values) >= _FLOAT_LIMIT) | (values != np.rint(values))]
    if inexact.size:
        raise ValueError(
            f"{name} must be integers or strings, got floats of which {inexact.size} "
            f"are not whole or too large to be exact, such as {inexact[0]}: read them "
            "as int64 or as text"
        )
    return values.astype(np.int64)


def _missing(name, n_missing):
    """Return the error for ids that are None, NaN or NA."""
    found = "1 is" if n_missing == 1 else f"{n_missing} are"
    return ValueError(f"{name} must name every node, but {found} missing (None or NaN)")


def _overflow(name, example):
    """Return the error for ids that need more than 64 bits."""
    return ValueError(
        f"{name} must fit into int64, got ids that overflow it, such as {example}: "
        "give such ids as strings"
    )
