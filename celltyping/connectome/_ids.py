"""Node ids: int64 or text, exact, and found by value."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numbers

import numpy as np

from celltyping._utils._labels import is_missing

_INT64 = np.iinfo(np.int64)

# From here on, a float may stand for more than one whole number, so that an id which
# went through a float may be that of another neuron. FlyWire's ids have 18 digits.
_FLOAT_LIMIT = 2.0**53


def as_ids(values, name="node_ids"):
    """Turn ids into an int64 or a text array, never through a float.

    Parameters
    ----------
    values : array-like of shape (n_ids,)
        Integers or strings, in any container: list, array, pandas or pyarrow column.
        Floats are taken where they are whole and small enough to be exact.
    name : str, default="node_ids"
        What the ids are, for the messages.

    Returns
    -------
    ids : ndarray of shape (n_ids,), dtype=int64 or str
        A new array, whose text is as wide as its longest id.

    Raises
    ------
    TypeError
        If the ids are neither integers nor strings, or a mix of both.
    ValueError
        If ids are missing, do not fit into int64, or are floats that may have lost
        digits.

    Examples
    --------
    >>> from celltyping.connectome._ids import as_ids
    >>> as_ids([720575940612345678, 720575940612345679])
    array([720575940612345678, 720575940612345679])
    >>> as_ids(["PN1", "KC12"])
    array(['PN1', 'KC12'], dtype='<U4')
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
    """Turn a column of anything into a 1-D array without changing a value.

    A list becomes an object array, since numpy would turn [1, "a"] into text and
    [1, 2**63] into floats; so does a pandas or pyarrow extension array, which numpy
    may turn into floats to hold a missing value.

    Parameters
    ----------
    values : array-like of shape (n_values,)
        The column.
    name : str
        What it is, for the message.

    Returns
    -------
    column : ndarray of shape (n_values,)
        The column as an array.

    Examples
    --------
    >>> from celltyping.connectome._ids import as_column
    >>> as_column([1, "a"], "node_ids")
    array([1, 'a'], dtype=object)
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
    """Find the different ids of a long column, and which of them stands where.

    Parameters
    ----------
    column : array-like of shape (n_rows,)
        One end of every edge.
    name : str
        What the column is, for the messages.

    Returns
    -------
    codes : ndarray of shape (n_rows,)
        Position in `ids` of each row's id.
    ids : ndarray of shape (n_ids,), dtype=int64 or str
        The different ids.

    Examples
    --------
    >>> from celltyping.connectome._ids import factorize_ids
    >>> codes, ids = factorize_ids(["PN", "KC", "PN"], "pre")
    >>> codes.tolist(), ids.tolist()
    ([0, 1, 0], ['PN', 'KC'])
    """
    if hasattr(column, "factorize"):  # pandas: hashes, and knows its own dtypes
        codes, uniques = column.factorize()
        n_missing = np.count_nonzero(codes < 0)
        if n_missing:
            raise _missing(name, n_missing)
        return codes, as_ids(uniques, name)
    column = as_column(column, name)
    if column.dtype.kind not in "OT":
        uniques = np.unique(column)
        ids = as_ids(uniques, name)  # before the slow part: it may refuse
        return np.searchsorted(uniques, column), ids
    # Sorting boxed values is slow, a dictionary of them is not.
    code_of = dict.fromkeys(column.tolist())
    ids = as_ids(list(code_of), name)
    code_of = {key: code for code, key in enumerate(code_of)}
    codes = np.fromiter(map(code_of.__getitem__, column), np.intp, column.size)
    return codes, ids


def find_ids(wanted, ids, order=None):
    """Find the position of each wanted id.

    Parameters
    ----------
    wanted : ndarray of shape (n_wanted,)
        The ids to look for.
    ids : ndarray of shape (n_ids,)
        Different ids of the same kind; at least one.
    order : ndarray of shape (n_ids,), default=None
        What sorts `ids`, where it is known.

    Returns
    -------
    positions : ndarray of shape (n_wanted,), dtype=intp
        Position in `ids`; -1 for an id that is not there.

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping.connectome._ids import find_ids
    >>> find_ids(np.array([7, 8, 5]), np.array([5, 9, 7]))
    array([ 2, -1,  0])
    """
    if wanted.size == 0:  # an empty column has no kind of its own
        return np.empty(0, dtype=np.intp)
    if order is None:
        order = np.argsort(ids)
    slots = np.searchsorted(ids, wanted, sorter=order)
    positions = order[np.minimum(slots, len(ids) - 1)]
    return np.where(ids[positions] == wanted, positions, -1)


def check_unique(ids, name="node_ids"):
    """Refuse ids that occur twice.

    Parameters
    ----------
    ids : ndarray of shape (n_ids,)
        The ids.
    name : str, default="node_ids"
        What they are, for the message.

    Raises
    ------
    ValueError
        If an id occurs more than once.

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping.connectome._ids import check_unique
    >>> check_unique(np.array([5, 9, 5]))
    Traceback (most recent call last):
    ...
    ValueError: node_ids must not repeat: 1 id occurs more than once, such as 5
    """
    uniques, counts = np.unique(ids, return_counts=True)
    repeated = uniques[counts > 1]
    if repeated.size:
        occur = "id occurs" if repeated.size == 1 else "ids occur"
        raise ValueError(
            f"{name} must not repeat: {repeated.size} {occur} more than once, such as "
            f"{some(repeated)}"
        )


def check_same_kind(ids, name, others, others_name):
    """Refuse to look for integers among strings, and the other way round.

    Parameters
    ----------
    ids, others : ndarray
        Two arrays of ids; an empty one is of either kind.
    name, others_name : str
        What they are, for the message.

    Raises
    ------
    TypeError
        If one holds integers and the other strings.

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping.connectome._ids import check_same_kind
    >>> check_same_kind(np.array(["5"]), "labels", np.array([5]), "node_ids")
    Traceback (most recent call last):
    ...
    TypeError: the ids in labels are strings ('5', ...), those in node_ids integers ...
    """
    if ids.size and others.size and ids.dtype.kind != others.dtype.kind:
        kinds = {"U": "strings", "i": "integers"}
        raise TypeError(
            f"the ids in {name} are {kinds[ids.dtype.kind]} ({ids[:1].tolist()[0]!r}, "
            f"...), those in {others_name} {kinds[others.dtype.kind]} "
            f"({others[:1].tolist()[0]!r}, ...): make them the same kind"
        )


def some(ids, limit=3):
    """Write some ids into a message.

    Parameters
    ----------
    ids : ndarray of shape (n_ids,)
        The ids.
    limit : int, default=3
        How many of them to write.

    Returns
    -------
    text : str
        The first ids.

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping.connectome._ids import some
    >>> some(np.arange(9))
    '0, 1, 2, ...'
    """
    shown = [repr(value) for value in ids[:limit].tolist()]
    return ", ".join(shown + ["..."] * (len(ids) > limit))


def _unbox(values, name):
    """Turn an object array of ids of one kind into an array of that kind."""
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
    """Turn floats into int64 where that is exact."""
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
    """Make the error for ids that are None, NaN or NA."""
    found = "1 is" if n_missing == 1 else f"{n_missing} are"
    return ValueError(f"{name} must name every node, but {found} missing (None or NaN)")


def _overflow(name, example):
    """Make the error for ids that need more than 64 bits."""
    return ValueError(
        f"{name} must fit into int64, got ids that overflow it, such as {example}: "
        "give such ids as strings"
    )
