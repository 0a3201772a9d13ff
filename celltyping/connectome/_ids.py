"""Node ids as exact int64 or text arrays, and their positions."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numbers
import re
import warnings
from collections.abc import Mapping

import numpy as np
from scipy import sparse

from celltyping._utils._labels import UNKNOWN_TEXTS, is_missing
from celltyping._utils._messages import list_names
from celltyping._utils._warnings import find_stack_level

_INT64 = np.iinfo(np.int64)

# From here on, several integers share one float, so that an id that was a float may be
# another neuron's. FlyWire's ids have 18 digits.
_FLOAT_LIMIT = 2.0**53

# Text that was a float: "7.0" is not "7", and "7.2E+17" is one of many ids.
_FLOAT_TEXT = re.compile(r"[+-]?(\d+\.0*|\d(\.\d*)?[eE]\+\d+)")


def as_ids(values, name="node_ids"):
    """Convert ids to an int64 or text array, never by way of a float.

    The parameters are as for `as_exact`. Text with blanks at its ends, and text that
    was a missing value or a float, raise a ValueError.
    """
    ids = as_exact(values, name)
    if ids.dtype.kind == "U":
        _check_text(ids.tolist(), name)
    return ids


def as_exact(values, name):
    """Convert ids or types to an int64 or text array, never by way of a float.

    Parameters
    ----------
    values : array-like of shape (n_ids,)
        Integers or strings in a list, an array, or a pandas or pyarrow column. Floats
        must be whole and small enough to be exact.
    name : str
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
    unordered = (str, bytes, set, frozenset, Mapping, type)
    no_column = isinstance(values, unordered) or sparse.issparse(values)
    if no_column or not hasattr(values, "__len__"):
        raise TypeError(f"{name} must be a sequence, got {type(values).__name__}")
    if np.ma.isMaskedArray(values):
        raise TypeError(f"{name} must not be a masked array: leave masked rows out")
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


def ids_of_text(texts, name, text_ids):
    """Convert text to ids: to integers if all are, unless `text_ids`."""
    if text_ids or not all(re.fullmatch(r"[+-]?\d+", text) for text in texts):
        return as_ids(texts, name)
    warn_of_zeros(texts, name)
    return as_ids([int(text) for text in texts], name)


def warn_of_zeros(texts, name):
    """Warn if ids as text have leading zeros, which they lose as integers."""
    zeros = [text for text in texts if re.fullmatch(r"[+-]?0\d+", text)]
    if zeros:
        warnings.warn(
            f"ids such as {zeros[0]!r} in {name} lose their leading zeros: pass "
            "text_ids=True to keep them",
            UserWarning,
            stacklevel=find_stack_level(),
        )


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
        try:
            codes, uniques = column.factorize()
        except TypeError as exc:  # not hashable
            raise TypeError(f"{name} must be integers or strings: {exc}") from exc
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
    try:
        code_of = dict.fromkeys(column.tolist())
    except TypeError:  # not hashable, so neither integers nor strings
        code_of = column.tolist()
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


def locate_ids(
    wanted, name, ids, ids_name, order=None, *, advice="", allow_unknown=False
):
    """Find the positions of ids; raise an error for unknown ids or another kind.

    Parameters
    ----------
    wanted, ids, order
        As for `find_ids`.
    name, ids_name : str
        Names of `wanted` and `ids` in messages.
    advice : str, default=""
        How to leave out unknown ids, for the message.
    allow_unknown : bool, default=False
        Whether some ids, but not all of them, may be unknown.

    Returns
    -------
    positions : ndarray of shape (n_wanted,), dtype=intp
        Positions in `ids`; -1 for an unknown id.
    """
    check_same_kind(wanted, name, ids, ids_name)
    positions = find_ids(wanted, ids, order)
    unknown = wanted[positions < 0]
    none_known = unknown.size == wanted.size
    if unknown.size and (none_known or not allow_unknown):
        if none_known:
            advice = f", which has {list_names(ids, 3)}"
        raise ValueError(
            f"{unknown.size} of the {wanted.size} ids in {name} are not in {ids_name}: "
            f"{list_names(unknown)}{advice}"
        )
    return positions


def check_unique(ids, name="node_ids", advice=""):
    """Raise a ValueError if an id occurs more than once."""
    uniques, counts = np.unique(ids, return_counts=True)
    repeated = uniques[counts > 1]
    if repeated.size:
        raise ValueError(
            f"{name} must be unique, but repeat the ids {list_names(repeated)}{advice}"
        )


def check_same_kind(ids, name, others, others_name, advice=""):
    """Raise a TypeError if one array holds integers and the other strings."""
    if ids.size and others.size and ids.dtype.kind != others.dtype.kind:
        raise TypeError(
            f"the ids in {name} are {_kind_of(ids)}, but the ids in {others_name} are "
            f"{_kind_of(others)}: convert them to the same kind, such as "
            f"ids.astype(str){advice}"
        )


def check_option(value, name, options):
    """Raise a ValueError unless a parameter has one of its values."""
    if not (isinstance(value, str) and value in options):
        allowed = " or ".join(map(repr, options))
        raise ValueError(f"{name} must be {allowed}, got {value!r}")


def _kind_of(ids):
    """Return the kind of ids and an example; of text, one that is no number."""
    values = ids.tolist()
    if ids.dtype.kind == "i":
        return f"integers ({values[0]!r}, ...)"
    odd = (value for value in values if not re.fullmatch(r"[+-]?\d+", value))
    return f"strings ({next(odd, values[0])!r}, ...)"


def _check_text(ids, name):
    """Raise a ValueError for text that is no id, or not quite."""
    for problem, is_bad in {
        "a missing id": (UNKNOWN_TEXTS | {""}).__contains__,
        "blanks at its ends (strip them)": lambda text: text != text.strip(),
        "a float (read ids as int64 or as text)": _FLOAT_TEXT.fullmatch,
    }.items():
        bad = [text for text in ids if is_bad(text)]
        if bad:
            raise ValueError(
                f"{name} must hold exact ids, got {len(bad)} such as {bad[0]!r}, text "
                f"with or from {problem}"
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
