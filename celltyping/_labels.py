"""Which labels are known: the one place that decides it.

``unlabeled_marker="auto"`` means, for a one-dimensional ``y``:

- string or object: ``"?"``, ``None``, NaN and ``pandas.NA`` are unknown;
- integer: -1 is unknown, scikit-learn's convention, except where ``y`` holds exactly
  the values -1 and 1, which is a binary problem;
- float: NaN is unknown; and where all known values are whole numbers (integers that
  pandas turned into floats to hold a NaN), -1 as in an integer ``y``;
- boolean: everything is known.

A marker that is given wins: then it alone, and ``None`` and NaN, which can never be
the name of a type, are unknown.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from typing import NamedTuple

import numpy as np
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

# What `Connectome.align` writes for a neuron without a type. None and NaN would not
# do: several of scikit-learn's tools choke on them in `y`.
UNKNOWN = "?"


class EncodedTypes(NamedTuple):
    """Types as integers; see `encode_types`."""

    classes: np.ndarray
    codes: np.ndarray


def is_unlabeled(y, unlabeled_marker="auto"):
    """Tell which entries of `y` mean "type unknown".

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Types; some of them unknown.
    unlabeled_marker : "auto" or scalar, default="auto"
        What means unknown. The module's docstring says what "auto" does.

    Returns
    -------
    mask : ndarray of shape (n_samples,), dtype=bool
        True where the type is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping._labels import is_unlabeled
    >>> is_unlabeled(["PN", "?", "KC"]).tolist()
    [False, True, False]
    >>> is_unlabeled(np.array([0, -1, 3])).tolist()
    [False, True, False]
    >>> is_unlabeled(np.array([1, -1, 1])).tolist()
    [False, False, False]
    """
    y = np.asarray(y)
    mask = _is_missing(y)
    if not (isinstance(unlabeled_marker, str) and unlabeled_marker == "auto"):
        return mask | _equals(y, unlabeled_marker)
    if y.dtype.kind in "OUST":
        return mask | _equals(y, UNKNOWN)
    if y.dtype.kind in "if":
        known = np.unique(y[~mask])
        whole = y.dtype.kind == "i" or np.array_equal(known, np.round(known))
        if whole and not np.array_equal(known, [-1, 1]):
            return mask | (y == -1)
    return mask


def encode_types(y, unlabeled_marker="auto", *, caller="NtacClassifier", min_types=2):
    """Turn types into integers, unknown ones into -1.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Types; some of them unknown.
    unlabeled_marker : "auto" or scalar, default="auto"
        What means unknown.
    caller : str, default="NtacClassifier"
        The estimator's name, for the messages.
    min_types : int, default=2
        The least number of known types.

    Returns
    -------
    classes : ndarray of shape (n_types,)
        The known types, sorted.
    codes : ndarray of shape (n_samples,), dtype=intp
        Index of each sample's type in `classes`; -1 where it is unknown.

    Raises
    ------
    ValueError
        If `y` is missing, is not one-dimensional, mixes kinds of values, is
        continuous, has no known type or fewer than `min_types`.

    Examples
    --------
    >>> from celltyping._labels import encode_types
    >>> classes, codes = encode_types(["PN", "?", "KC", "PN"])
    >>> classes.tolist(), codes.tolist()
    (['KC', 'PN'], [1, -1, 0, 1])
    """
    if y is None:
        raise ValueError(
            f"{caller} requires y to be passed, but the target y is None: pass the "
            f"types, with {UNKNOWN!r} (or -1 among integers) where they are unknown"
        )
    y = column_or_1d(_as_1d_array(y), warn=True)
    unknown = is_unlabeled(y, unlabeled_marker)
    known = y[~unknown]
    if known.size == 0:
        raise ValueError(
            f"{caller} needs labelled samples, but all {y.size} labels in y are "
            f"unknown (unlabeled_marker={unlabeled_marker!r})"
        )
    if known.dtype == object:
        kinds = sorted({type(value).__name__ for value in known})
        try:
            np.unique(known)
        except TypeError as exc:
            raise ValueError(
                f"y must hold types of one kind, got a mix of {', '.join(kinds)}"
            ) from exc
    check_classification_targets(known)
    classes, known_codes = np.unique(known, return_inverse=True)
    if len(classes) < min_types:
        raise ValueError(
            f"{caller} needs at least {min_types} classes, that is known types, but y "
            f"has only one class: {classes[0]!r} ({known.size} labelled samples, "
            f"{unknown.sum()} unknown)"
        )
    codes = np.full(y.shape, -1, dtype=np.intp)
    codes[~unknown] = known_codes
    return EncodedTypes(classes, codes)


def _as_1d_array(y):
    """Return `y` as an array; a list of strings and None becomes an object array."""
    if isinstance(y, (list, tuple)) and any(isinstance(value, str) for value in y):
        return np.asarray(y, dtype=object if None in y else None)
    return np.asarray(y)


def _is_missing(y):
    """Mark None, NaN and pandas.NA in an array of any dtype."""
    if y.dtype.kind == "f":
        return np.isnan(y)
    if y.dtype.kind == "O":
        # NaN is the one value that differs from itself; pandas.NA says neither.
        return np.fromiter(
            (
                value is None
                or type(value).__name__ in ("NAType", "NaTType")
                or (isinstance(value, (float, np.floating)) and value != value)
                for value in y.ravel()
            ),
            dtype=bool,
            count=y.size,
        ).reshape(y.shape)
    return np.zeros(y.shape, dtype=bool)


def _equals(y, marker):
    """Compare every entry with `marker`; entries of another kind are different."""
    if y.dtype.kind in "US" and not isinstance(marker, (str, bytes)):
        return np.zeros(y.shape, dtype=bool)
    if y.dtype.kind in "ifub" and not np.isscalar(marker):
        return np.zeros(y.shape, dtype=bool)
    if y.dtype.kind in "ifub" and isinstance(marker, (str, bytes)):
        return np.zeros(y.shape, dtype=bool)
    return np.asarray(y == marker, dtype=bool)
