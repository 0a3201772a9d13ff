"""Indices of a Connectome."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np


def as_rows(key, n_view):
    """Convert an index to a slice or to an intp array of positions in a view.

    The index is an integer, a slice, an array-like of positions, a boolean mask, or a
    pair ``rows, ...``, ``rows, :`` or ``np.ix_(rows, columns)``; anything else, or a
    position out of range, raises an IndexError.
    """
    if isinstance(key, tuple):
        key = _rows_of_pair(key)
    if isinstance(key, slice):
        _check_slice(key)
        return key
    try:
        rows = np.asarray(key)
    except ValueError as exc:  # lists of different lengths
        raise IndexError(f"a Connectome is indexed by positions, got {key!r}") from exc
    if rows.dtype == bool and rows.ndim == 1:
        if len(rows) != n_view:
            raise IndexError(
                f"a mask must have one entry per node in view ({n_view}), got "
                f"{len(rows)}"
            )
        return np.flatnonzero(rows)
    if rows.ndim == 1 and rows.size == 0:  # an empty list is a float array
        return np.empty(0, dtype=np.intp)
    if rows.ndim > 1 or rows.dtype.kind not in "iu":
        raise IndexError(
            "a Connectome is indexed by positions, a slice or a boolean mask, got an "
            f"index of dtype {rows.dtype} and shape {rows.shape}; "
            "con[np.isin(con.node_ids, ids)] finds nodes by id"
        )
    rows = rows.reshape(-1)  # con[5] is a view of one node
    outside = rows[(rows >= n_view) | (rows < -n_view)]
    if outside.size:
        raise IndexError(
            f"index {outside[0]} is out of range for a Connectome with {n_view} nodes "
            "in view"
        )
    return rows.astype(np.intp, copy=False)


def _check_slice(key):
    """Raise a TypeError for a slice by id."""
    for end in (key.start, key.stop, key.step):
        if end is not None and not hasattr(end, "__index__"):
            raise TypeError(
                f"a Connectome is sliced by positions, got {end!r}; "
                "con[np.isin(con.node_ids, ids)] finds nodes by id"
            )


def _rows_of_pair(key):
    """Return the rows of a pair (rows, columns) as scikit-learn uses them."""
    if len(key) == 2:
        rows, columns = key
        if columns is Ellipsis:
            return rows
        if isinstance(columns, slice) and columns == slice(None):
            return rows
        if np.ndim(rows) == 2 and np.shape(rows)[1] == 1 and np.ndim(columns) == 2:
            return np.ravel(rows)
    raise IndexError(
        "a Connectome has no columns: con[rows], con[rows, ...], con[rows, :] and "
        "con[np.ix_(rows, columns)] give a view of the rows; con.adjacency has the "
        "weights"
    )
