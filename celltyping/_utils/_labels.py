"""Known and unknown types in `y`, and their codes.

Whatever the marker, ``None``, NaN, NaT and ``pandas.NA`` are unknown, and so are the
strings in `UNKNOWN_TEXTS` and blank ones: a missing value often becomes text. In
addition, ``unlabeled_marker="auto"`` means, for a one-dimensional ``y``:

- integer: -1 is unknown, scikit-learn's convention, except where the values in ``y``
  are exactly -1 and 1, which is a binary problem;
- float: if all values are whole numbers (integers that pandas converted to floats to
  hold a NaN), -1 is treated as in an integer ``y``;
- string, boolean, date: everything else is known; but there is a warning of types such
  as "Unassigned", whose name says that they are unknown.

An object ``y`` of numbers and unknown values, such as a nullable column of pandas, is
treated as numeric.

Any other marker, or list of markers, is unknown itself and switches "auto" off, unless
"auto" is in the list.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numbers
import warnings
from decimal import Decimal
from typing import NamedTuple

import numpy as np
from sklearn.utils import check_consistent_length, column_or_1d

from celltyping._utils._messages import list_names
from celltyping._utils._warnings import find_stack_level

# Marker that `Connectome.align` writes for a neuron of unknown type. Not None or NaN,
# because several functions of scikit-learn fail on them in `y`.
UNKNOWN = "?"

# Texts that mean unknown, beside blank ones: what str() makes of missing values.
UNKNOWN_TEXTS = frozenset({UNKNOWN, "nan", "NaN", "NaT", "None", "<NA>"})

# Names, in any case, that atlases give to cells of unknown type.
AMBIGUOUS = frozenset(
    {"unknown", "unassigned", "unlabeled", "unlabelled", "unclassified", "untyped"}
    | {"na", "n/a", "none", "null"}
)

# Answers for rejected cells, if types are strings and if they are numbers.
REJECTED = "unknown"
REJECTED_NUMBER = -1

# Kinds of dtypes whose values may be equal.
_COMPARABLE = ("U", "biuf", "M", "m")

# Types of scalars that have NaN or NaT.
_WITH_NAN = (float, np.floating, np.datetime64, np.timedelta64, Decimal)


class EncodedTypes(NamedTuple):
    """Sorted known types, and the index of each sample's type (-1 if unknown)."""

    classes: np.ndarray
    codes: np.ndarray


def is_unlabeled(y, unlabeled_marker="auto"):
    """Return a mask of the entries of `y` that mean "type unknown".

    `unlabeled_marker` is "auto" (see the module's docstring), None, a scalar or a list.
    """
    y = as_array(y)
    values, codes = _factorize(y.ravel())
    return _find_unknown(values, unlabeled_marker)[codes].reshape(y.shape)


def encode_types(
    y,
    unlabeled_marker="auto",
    *,
    caller="NtacClassifier",
    found="",
    min_types=2,
    rejects="",
    warn=True,
):
    """Encode types as integers, unknown types as -1.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Types; some of them unknown.
    unlabeled_marker : "auto", scalar or list of scalars, default="auto"
        Value or values that mean unknown.
    caller : str, default="NtacClassifier"
        Name of the estimator or function, for the messages.
    found : str, default=""
        Context of `y`, such as the shape of X, for the messages.
    min_types : int, default=2
        Minimum number of known types.
    rejects : str, default=""
        Name of what gives cells the type `rejected_label`, which is then refused as a
        type in `y`.
    warn : bool, default=True
        Whether to warn of types whose name may mean unknown; see `warn_of_names`.

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
    values, codes = _factorize(y)
    unknown = _find_unknown(values, unlabeled_marker)
    known = as_numbers(values[~unknown])
    if known.size == 0:
        raise ValueError(
            f"{caller} needs labelled samples, but all {y.size} labels in y are "
            f"unknown (unlabeled_marker={unlabeled_marker!r}){found and f'; {found}'}"
        )
    _check_types(known, caller)
    classes, known_codes = np.unique(known, return_inverse=True)
    code_of_value = np.full(len(values), -1, dtype=np.intp)
    code_of_value[~unknown] = known_codes
    codes = code_of_value[codes]
    if len(classes) < min_types:
        n_unknown = np.count_nonzero(codes < 0)
        raise ValueError(
            f"{caller} needs at least {min_types} classes, that is known types, but y "
            f"has only one class: {classes.tolist()[0]!r} ({y.size - n_unknown} "
            f"labelled samples, {n_unknown} unknown){found and f'; {found}'}"
        )
    if rejects:
        _check_rejected_label(classes, rejects, found)
    if warn:
        warn_of_names(classes, codes, unlabeled_marker, caller=caller)
    return EncodedTypes(classes, codes)


def check_known(y):
    """Raise a ValueError if a class in `y` is unknown, whatever the marker."""
    y = as_array(y)
    unknown = y[is_unlabeled(y, None)]
    if unknown.size:
        raise ValueError(
            f"y must hold the class of each sample, but {unknown.size} of {y.size} "
            f"entries mean unknown (y contains NaN, None, {UNKNOWN!r} or such), as "
            f"{unknown.item(0)!r} does: leave these samples out"
        )
    _check_one_kind(y)


def warn_of_names(classes, codes, unlabeled_marker="auto", *, caller):
    """Warn of types in `AMBIGUOUS`, unless the user has named the markers."""
    if not split_markers(unlabeled_marker)[0]:
        return
    ambiguous = {
        name: np.count_nonzero(codes == code)
        for code, name in enumerate(classes.tolist())
        if isinstance(name, str) and name.strip().casefold() in AMBIGUOUS
    }
    ambiguous = {name: count for name, count in ambiguous.items() if count}
    if ambiguous:
        counts = ", ".join(f"{name!r} ({n})" for name, n in ambiguous.items())
        warnings.warn(
            f"{caller} takes these labels in y as types (number of samples): {counts}. "
            f"If they mean unknown, pass unlabeled_marker={[*ambiguous]!r}; if they "
            f"are types, pass unlabeled_marker={UNKNOWN!r} to end this warning",
            UserWarning,
            stacklevel=find_stack_level(),
        )


def encode_together(*ys, unlabeled_marker="auto", caller, warn=True):
    """Encode several arrays of types with one set of integers.

    Parameters
    ----------
    *ys : array-like of any shape
        Types; some of them may be unknown.
    unlabeled_marker : "auto", scalar or list of scalars, default="auto"
        Value or values that mean unknown.
    caller : str
        Name of the public function or class, for the messages.
    warn : bool, default=True
        Whether to warn of types whose name may mean unknown.

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
    if len({y.dtype.kind for y in ys}) > 1:
        # Concatenated as they are, numbers would become text, or integers floats.
        ys = [y.astype(object) for y in ys]
    # Together, since whether -1 means unknown depends on all values.
    types, codes = encode_types(
        np.concatenate([y.ravel() for y in ys]),
        unlabeled_marker,
        caller=caller,
        min_types=1,
        warn=warn,
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
    y_true = column_or_1d(as_array(y_true), warn=True)
    types, (true, pred) = encode_together(
        y_true, y_pred, unlabeled_marker=unlabeled_marker, caller=caller, warn=False
    )
    known = true >= 0
    if not known.any():
        raise ValueError(
            f"{caller} needs labelled samples, but all {y_true.size} types in y_true "
            f"are unknown (unlabeled_marker={unlabeled_marker!r})"
        )
    # Not of predictions: `REJECTED` is an answer of our own.
    warn_of_names(types, true, unlabeled_marker, caller=caller)
    return types, true[known], pred[known]


def encode_clusters(labels):
    """Encode clusters as integers, noise (-1 or unknown) as -1; all may be noise."""
    labels = column_or_1d(as_array(labels), warn=True)
    if is_unlabeled(labels, -1).all():
        return EncodedTypes(labels[:0], np.full(labels.size, -1, dtype=np.intp))
    return encode_types(labels, -1, min_types=1)


def rejected_label(classes):
    """Return the answer for rejected cells beside these types."""
    return REJECTED if classes.dtype.kind in "OU" else REJECTED_NUMBER


def replace_labels(labels, mask, label):
    """Return labels with another one where `mask` is true.

    Parameters
    ----------
    labels : ndarray of shape (n_samples,)
        Labels.
    mask : ndarray of shape (n_samples,), dtype=bool
        Entries to replace.
    label : scalar
        The other label.

    Returns
    -------
    labels : ndarray of shape (n_samples,)
        A new array, of the same dtype if it holds `label`, otherwise of one that holds
        both exactly; it does not depend on `mask`.

    Raises
    ------
    ValueError
        If `label` is negative, and an unsigned label does not fit into int64.
    """
    dtype, given = labels.dtype, np.asarray(label)
    if given.astype(dtype) != given == given:  # NaN differs from itself
        is_unsigned = dtype.kind == "u" and given.dtype.kind == "i"
        if is_unsigned and labels.max(initial=0) > np.iinfo(np.int64).max:
            raise ValueError(
                f"the label {label!r} needs signed integers, but {labels.max()} in y "
                "does not fit into int64: use strings as types"
            )
        # The common type of uint64 and int64 would be a float.
        dtype = np.dtype(np.int64) if is_unsigned else np.result_type(dtype, given)
    labels = labels.astype(dtype)
    labels[mask] = label
    return labels


def split_markers(unlabeled_marker):
    """Return whether "auto" is among the markers, and a list of the others."""
    markers = unlabeled_marker
    if hasattr(markers, "tolist") and np.ndim(markers) == 1:
        markers = list(markers)
    if not isinstance(markers, (list, tuple, set, frozenset)):
        markers = [markers]
    if not markers or not all(map(_is_marker, markers)):
        raise ValueError(
            "unlabeled_marker must be 'auto', None, a scalar (no bytes) or a list of "
            f"at least one of them, got {unlabeled_marker!r}"
        )
    others = [each for each in markers if not isinstance(each, str) or each != "auto"]
    return len(others) < len(markers), others


def as_array(y):
    """Convert `y` to an array without converting numbers and NaN to strings."""
    if isinstance(y, (list, tuple)):
        n_strings = sum(isinstance(value, str) for value in y)
        array = np.asarray(y, dtype=object if 0 < n_strings < len(y) else None)
        is_rounded = array.dtype.kind == "f" and any(type(value) is int for value in y)
        return np.asarray(y, dtype=object) if is_rounded else array
    y = np.asarray(y)
    # scikit-learn does not support StringDType.
    return y.astype(object) if y.dtype.kind == "T" else y


def as_numbers(known):
    """Convert an object array of numbers to a numeric dtype; return others as is."""
    if known.dtype != object or known.size == 0:
        return known
    values = known.tolist()
    if not all(isinstance(value, (numbers.Real, np.bool_)) for value in values):
        return known
    converted = np.asarray(values)
    if converted.dtype.kind in "fO":
        for value, number in zip(values, converted.tolist(), strict=True):
            if isinstance(value, numbers.Integral) and (
                converted.dtype == object or int(value) != number
            ):
                raise ValueError(
                    f"the integer {value} is too large to be exact in one array with "
                    "the others: use strings"
                )
    return converted


def is_missing(y):
    """Return a mask of None, NaN, NaT and pandas.NA in an array of any dtype."""
    if y.dtype.kind == "f":
        return np.isnan(y)
    if y.dtype.kind in "mM":
        return np.isnat(y)
    if y.dtype.kind == "O":
        mask = np.fromiter(map(_is_missing_value, y.ravel()), dtype=bool, count=y.size)
        return mask.reshape(y.shape)
    return np.zeros(y.shape, dtype=bool)


def equals(y, label):
    """Compare entries with a label; text, numbers and dates are never equal."""
    kind = np.asarray(label).dtype.kind
    comparable = y.dtype.kind == "O" or any(
        kind in kinds and y.dtype.kind in kinds for kinds in _COMPARABLE
    )
    if not comparable or _is_missing_value(label):
        return np.zeros(y.shape, dtype=bool)
    return np.asarray(y == label, dtype=bool)


def _factorize(y):
    """Return the distinct values of a 1-D array, and the index of each entry's.

    A dictionary is much faster than sorting strings.
    """
    if y.dtype.kind not in "OUbiufMm":
        kind = "bytes" if y.dtype.kind == "S" else f"the dtype {y.dtype}"
        raise _no_types(kind, f" such as {y.item(0)!r}" if y.size else "")
    if y.dtype.kind not in "OU":
        return np.unique(y, return_inverse=True)
    entries = y.tolist()
    try:
        distinct = dict.fromkeys(entries)
    except TypeError as exc:
        raise _no_types("objects that are no types", f" ({exc})") from exc
    values = np.fromiter(distinct, dtype=y.dtype, count=len(distinct))
    if y.dtype.kind == "O":
        for value in distinct:
            if isinstance(value, (bytes, complex, tuple)):
                raise _no_types(type(value).__name__, f" such as {value!r}")
    index = dict(zip(distinct, range(len(distinct)), strict=True))
    codes = np.fromiter(map(index.__getitem__, entries), dtype=np.intp, count=y.size)
    return values, codes


def _find_unknown(values, unlabeled_marker):
    """Return a mask of the distinct values that mean unknown."""
    is_auto, markers = split_markers(unlabeled_marker)
    unknown = is_missing(values)
    if values.dtype.kind in "OU":
        texts = map(_is_unknown_text, values.tolist())
        unknown |= np.fromiter(texts, dtype=bool, count=values.size)
    for marker in markers:
        unknown[~unknown] = equals(values[~unknown], marker)
    known = as_numbers(values[~unknown])
    if is_auto and known.dtype.kind in "if":
        whole = known.dtype.kind == "i" or np.array_equal(known, np.round(known))
        if whole and not np.array_equal(np.unique(known), [-1, 1]):
            unknown[~unknown] = known == -1
    return unknown


def _check_one_kind(known):
    """Raise a ValueError if values cannot be sorted."""
    if known.dtype == object:
        try:
            np.unique(known)
        except TypeError as exc:
            kinds = sorted({type(value).__name__ for value in known.ravel()})
            raise ValueError(
                f"y must hold types of one kind, got a mix of {', '.join(kinds)}"
            ) from exc


def _check_types(known, caller):
    """Raise a ValueError if distinct values are of mixed kinds, or no types."""
    _check_one_kind(known)
    if known.dtype.kind != "f":
        return
    if np.isinf(known).any():
        raise ValueError("Input y contains infinity: types must be finite numbers")
    # Not scikit-learn's check, which also warns of many classes with few samples each:
    # common where the first neurons of a brain have been typed.
    fractions = known[known != np.round(known)]
    if fractions.size:
        raise ValueError(
            f"Unknown label type: continuous. {caller} takes types in y, strings or "
            f"integers, got numbers such as {fractions[0]}"
        )


def _check_rejected_label(classes, rejects, found):
    """Raise a ValueError if the answer for rejected cells is no label beside types."""
    label = rejected_label(classes)
    if classes.dtype.kind not in "OUiuf" or equals(classes, label).any():
        raise ValueError(
            f"{rejects} gives cells the type {label!r}, which must not be a type in y, "
            f"got the types {list_names(classes)}: use other names, such as strings, "
            f"or pass unlabeled_marker={label!r} if it means unknown in y, too"
            f"{found and f'; {found}'}"
        )
    replace_labels(classes, np.zeros(len(classes), dtype=bool), label)


def _is_missing_value(value):
    """Return whether a value is None, NaN, NaT or pandas.NA."""
    # NaN and NaT are the only values that differ from themselves; a comparison with
    # pandas.NA is neither true nor false.
    return (
        value is None
        or type(value).__name__ in ("NAType", "NaTType")
        or (isinstance(value, _WITH_NAN) and value != value)
    )


def _is_unknown_text(value):
    """Return whether a value is text that means unknown."""
    return isinstance(value, str) and (not value.strip() or value in UNKNOWN_TEXTS)


def _is_marker(value):
    """Return whether a value can mark unknown types."""
    is_scalar = np.isscalar(value) and not isinstance(value, bytes)
    return is_scalar or _is_missing_value(value)


def _no_types(found, example):
    """Return the error for values that cannot be types."""
    return ValueError(
        f"types must be strings, numbers or dates, got {found}{example}: convert them, "
        "such as by y.astype(str)"
    )
