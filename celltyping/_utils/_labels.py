"""Known and unknown types in `y`, and their codes.

``unlabeled_marker="auto"`` means, for a one-dimensional ``y``:

- string or object: ``"?"``, ``None``, NaN and ``pandas.NA`` are unknown;
- integer: -1 is unknown, scikit-learn's convention, except where the values in ``y``
  are exactly -1 and 1, which is a binary problem;
- float: NaN is unknown; if all other values are whole numbers (integers that pandas
  converted to floats to hold a NaN), -1 is treated as in an integer ``y``;
- boolean: everything is known.

An object ``y`` of numbers and ``None``, NaN or ``pandas.NA``, such as a nullable column
of pandas, is treated as numeric.

With any other marker, only the marker, ``None``, NaN and ``pandas.NA`` are unknown.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numbers
from typing import NamedTuple

import numpy as np
from sklearn.utils import check_consistent_length, column_or_1d

# Marker that `Connectome.align` writes for a neuron of unknown type. Not None or NaN,
# because several functions of scikit-learn fail on them in `y`.
UNKNOWN = "?"


class EncodedTypes(NamedTuple):
    """Sorted known types, and the index of each sample's type (-1 if unknown)."""

    classes: np.ndarray
    codes: np.ndarray


def is_unlabeled(y, unlabeled_marker="auto"):
    """Return a mask of the entries of `y` that mean "type unknown".

    `unlabeled_marker` is "auto" (see the module's docstring) or a scalar.
    """
    y = as_array(y)
    mask = is_missing(y)
    named = ~mask
    if not (isinstance(unlabeled_marker, str) and unlabeled_marker == "auto"):
        mask[named] = _equals(y[named], unlabeled_marker)
        return mask
    known = as_numbers(y[named])
    if known.dtype.kind in "OUS":
        mask[named] = _equals(known, UNKNOWN)
    elif known.dtype.kind in "if":
        values = np.unique(known)
        whole = known.dtype.kind == "i" or np.array_equal(values, np.round(values))
        if whole and not np.array_equal(values, [-1, 1]):
            mask[named] = known == -1
    return mask


def encode_types(
    y, unlabeled_marker="auto", *, caller="NtacClassifier", found="", min_types=2
):
    """Encode types as integers, unknown types as -1.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Types; some of them unknown.
    unlabeled_marker : "auto" or scalar, default="auto"
        Value that means unknown.
    caller : str, default="NtacClassifier"
        Name of the estimator or function, for the messages.
    found : str, default=""
        Context of `y`, such as the shape of X, for the messages.
    min_types : int, default=2
        Minimum number of known types.

    Returns
    -------
    classes : ndarray of shape (n_types,)
        Known types, sorted.
    codes : ndarray of shape (n_samples,), dtype=intp
        Index of each sample's type in `classes`; -1 where it is unknown.

    Raises
    ------
    ValueError
        If `y` is None, not one-dimensional, of mixed kinds, continuous or infinite, or
        has fewer than `min_types` known types.
    """
    if y is None:
        raise ValueError(
            f"{caller} requires y to be passed, but the target y is None: pass the "
            f"types, with {UNKNOWN!r} (or -1 among integers) where they are unknown"
        )
    y = column_or_1d(as_array(y), warn=True)
    unknown = is_unlabeled(y, unlabeled_marker)
    known = as_numbers(y[~unknown])
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
    if known.dtype.kind == "f" and np.isinf(known).any():
        raise ValueError("Input y contains infinity: types must be finite numbers")
    # Not scikit-learn's check, which also warns of many classes with few samples each:
    # common where the first neurons of a brain have been typed.
    if known.dtype.kind == "f" and np.any(known != np.round(known)):
        raise ValueError(
            "Unknown label type: continuous. y must hold types, got numbers such as "
            f"{known[known != np.round(known)][0]}"
        )
    classes, known_codes = np.unique(known, return_inverse=True)
    if len(classes) < min_types:
        raise ValueError(
            f"{caller} needs at least {min_types} classes, that is known types, but y "
            f"has only one class: {classes.tolist()[0]!r} ({known.size} labelled "
            f"samples, {unknown.sum()} unknown){found and f'; {found}'}"
        )
    codes = np.full(y.shape, -1, dtype=np.intp)
    codes[~unknown] = known_codes
    return EncodedTypes(classes, codes)


def encode_together(*ys, unlabeled_marker="auto", caller):
    """Encode several arrays of types with one set of integers.

    Parameters
    ----------
    *ys : array-like of any shape
        Types; some of them may be unknown.
    unlabeled_marker : "auto" or scalar, default="auto"
        Value that means unknown.
    caller : str
        Name of the public function or class, for the messages.

    Returns
    -------
    types : ndarray of shape (n_types,)
        The known types of all arrays, sorted.
    codes : list of ndarray, dtype=intp
        Index in `types` of each entry, -1 where it is unknown; shapes as in `ys`.

    Raises
    ------
    ValueError
        If no type is known, or one array holds text and another one numbers.
    """
    ys = [as_array(y) for y in ys]
    if len({y.dtype.kind in "OUS" for y in ys}) > 1:
        # Concatenated as they are, numbers would become text.
        ys = [y.astype(object) for y in ys]
    # Together, since whether -1 means unknown depends on all values.
    types, codes = encode_types(
        np.concatenate([y.ravel() for y in ys]),
        unlabeled_marker,
        caller=caller,
        min_types=1,
    )
    parts = np.split(codes, np.cumsum([y.size for y in ys])[:-1])
    return types, [part.reshape(y.shape) for part, y in zip(parts, ys, strict=True)]


def encode_pair(y_true, y_pred, unlabeled_marker, *, caller):
    """Encode known types and the predictions for them with one set of integers.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Types; samples of unknown type are left out.
    y_pred : array-like of shape (n_samples,) or (n_samples, n_ranks)
        Predicted types.
    unlabeled_marker, caller
        As for `encode_together`.

    Returns
    -------
    types : ndarray of shape (n_types,)
        Types that occur in `y_true` or `y_pred`, sorted.
    true, pred : ndarray of shape (n_known,) or (n_known, n_ranks), dtype=intp
        Indices in `types`; -1 for predictions that mean unknown.
    """
    check_consistent_length(y_true, y_pred)
    y_true = column_or_1d(as_array(y_true))
    types, (true, pred) = encode_together(
        y_true, y_pred, unlabeled_marker=unlabeled_marker, caller=caller
    )
    known = true >= 0
    if not known.any():
        raise ValueError(
            f"{caller} needs labelled samples, but all {y_true.size} types in y_true "
            f"are unknown (unlabeled_marker={unlabeled_marker!r})"
        )
    return types, true[known], pred[known]


def as_array(y):
    """Convert `y` to an array without converting numbers and NaN to strings."""
    if isinstance(y, (list, tuple)):
        n_strings = sum(isinstance(value, str) for value in y)
        return np.asarray(y, dtype=object if 0 < n_strings < len(y) else None)
    y = np.asarray(y)
    # scikit-learn does not support StringDType.
    return y.astype(object) if y.dtype.kind == "T" else y


def as_numbers(known):
    """Convert an object array of numbers to a numeric dtype; return others as is."""
    if known.dtype == object and known.size > 0:
        kinds = (numbers.Real, np.bool_)
        if all(isinstance(value, kinds) for value in known):
            return np.asarray(known.tolist())
    return known


def is_missing(y):
    """Return a mask of None, NaN and pandas.NA in an array of any dtype."""
    if y.dtype.kind == "f":
        return np.isnan(y)
    if y.dtype.kind == "O":
        # NaN is the only value that differs from itself; a comparison with pandas.NA
        # is neither true nor false.
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
    """Compare entries with `marker`; text and numbers are never equal."""
    if not np.isscalar(marker):
        if is_missing(np.array([marker], dtype=object))[0]:
            return np.zeros(y.shape, dtype=bool)  # None and pandas.NA equal nothing
        raise ValueError(
            f"unlabeled_marker must be 'auto', None or a scalar, got {marker!r}"
        )
    is_text = isinstance(marker, (str, bytes))
    if (y.dtype.kind in "US" and not is_text) or (y.dtype.kind in "ifub" and is_text):
        return np.zeros(y.shape, dtype=bool)
    return np.asarray(y == marker, dtype=bool)
