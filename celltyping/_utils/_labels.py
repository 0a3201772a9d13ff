"""Which labels are known: the one place that decides it.

``unlabeled_marker="auto"`` means, for a one-dimensional ``y``:

- string or object: ``"?"``, ``None``, NaN and ``pandas.NA`` are unknown;
- integer: -1 is unknown, scikit-learn's convention, except where ``y`` holds exactly
  the values -1 and 1, which is a binary problem;
- float: NaN is unknown; and where all known values are whole numbers (integers that
  pandas turned into floats to hold a NaN), -1 as in an integer ``y``;
- boolean: everything is known.

An object ``y`` that holds numbers beside ``None``, NaN or ``pandas.NA``, as a nullable
column of pandas becomes, is read as those numbers.

A marker that is given wins: then it alone, and ``None`` and NaN, which can never be
the name of a type, are unknown.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numbers
from typing import NamedTuple

import numpy as np
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
    >>> from celltyping._utils._labels import is_unlabeled
    >>> is_unlabeled(["PN", "?", "KC"]).tolist()
    [False, True, False]
    >>> is_unlabeled(np.array([0, -1, 3])).tolist()
    [False, True, False]
    >>> is_unlabeled(np.array([1, -1, 1])).tolist()
    [False, False, False]
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
    """Turn types into integers, unknown ones into -1.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Types; some of them unknown.
    unlabeled_marker : "auto" or scalar, default="auto"
        What means unknown.
    caller : str, default="NtacClassifier"
        The estimator's name, for the messages.
    found : str, default=""
        What came with `y`, such as the shape of X, for the messages.
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
        continuous or infinite, has no known type or fewer than `min_types`.

    Examples
    --------
    >>> from celltyping._utils._labels import encode_types
    >>> classes, codes = encode_types(["PN", "?", "KC", "PN"])
    >>> classes.tolist(), codes.tolist()
    (['KC', 'PN'], [1, -1, 0, 1])
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
    # scikit-learn's own check also warns of many classes with few samples each, which
    # is how the first typed neurons of a brain look.
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


def as_array(y):
    """Return `y` as an array in which every value is still what it was.

    numpy would make the strings "nan" and "1" of a NaN and a 1 in a list of strings.
    """
    if isinstance(y, (list, tuple)):
        n_strings = sum(isinstance(value, str) for value in y)
        return np.asarray(y, dtype=object if 0 < n_strings < len(y) else None)
    y = np.asarray(y)
    # scikit-learn does not know numpy's own dtype for strings of any length.
    return y.astype(object) if y.dtype.kind == "T" else y


def as_numbers(known):
    """Return an object array that holds nothing but numbers in a numeric dtype."""
    if known.dtype == object and known.size > 0:
        kinds = (numbers.Real, np.bool_)
        if all(isinstance(value, kinds) for value in known):
            return np.asarray(known.tolist())
    return known


def is_missing(y):
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
