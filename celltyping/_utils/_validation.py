"""Validation of numbers: magnitudes, sparse matrices and integer parameters."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from functools import partial
from numbers import Integral, Real

import numpy as np
from scipy import sparse
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from celltyping._utils._containers import refuse_non_numeric

# Largest magnitude of values that are squared in float64 (maximum 1.8e308), such as in
# distances and variances: fourth powers can still be summed over 1e20 values.
LARGEST = 1e70

# The same for float32 (maximum 3.4e38): squares can be summed over 1e8 values.
LARGEST_SINGLE = 1e15


def is_integer(value):
    """Return whether a value is an integer, of Python or numpy, and not a boolean."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def validate_samples(estimator, X, *, limit=None, **options):
    """Validate X of an estimator: scikit-learn's checks, magnitude and sparse format.

    Parameters
    ----------
    estimator : estimator
        The estimator, whose `n_features_in_` is set or compared.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Samples. They are not changed.
    limit : float, default=None
        Maximum magnitude of a value, see `check_magnitude`.
    **options
        Arguments of :func:`sklearn.utils.validation.validate_data`.

    Returns
    -------
    X : {ndarray, sparse matrix}
        The samples, which may share memory with the input; a sparse matrix is in
        canonical form.

    Raises
    ------
    ValueError
        If X is not valid, holds too large values or is a damaged sparse matrix.
    """
    check = partial(validate_data, estimator, **options)
    return _validate(X, check, type(estimator).__name__, limit, "X")


def validate_array(X, caller, name="X", *, limit=None, **options):
    """Validate an array of a function as `validate_samples` does; see there.

    `caller` and `name` are the function and the array in messages, `options` arguments
    of :func:`sklearn.utils.check_array`.
    """
    check = partial(check_array, input_name=name, **options)
    return _validate(X, check, caller, limit, name)


def _validate(X, check, caller, limit, name):
    """Validate an array by scikit-learn's function `check` and by own checks."""
    refuse_non_numeric(X, name)
    try:
        X = check(canonical_sparse(X, name))
    except OverflowError as exc:  # an integer of more than 1,024 bits
        raise ValueError(f"{name} holds values too large for {caller}: {exc}") from exc
    check_magnitude(X, caller, limit, name=name)
    return X


def check_magnitude(X, caller, limit=None, *, name="X"):
    """Raise a ValueError if X holds values of a magnitude above a limit.

    Parameters
    ----------
    X : {ndarray, sparse matrix, DataFrame}
        Values. NaN, and what is no number, is ignored.
    caller : str
        Name of the estimator or function that cannot compute with larger values.
    limit : float, default=None
        Maximum magnitude. None: `LARGEST`, and `LARGEST_SINGLE` for float32.
    name : str, default="X"
        Name of X in the message.
    """
    columns = None
    if hasattr(X, "iloc"):
        X = X.select_dtypes("number")
        X, columns = X.to_numpy(), X.columns
    values = X.data if sparse.issparse(X) else X
    if values.dtype == object:
        values = np.frompyfunc(_float_or_nan, 1, 1)(values).astype(np.float64)
    if values.dtype.kind not in "iuf" or values.size == 0:
        return
    if limit is None:
        limit = LARGEST_SINGLE if values.dtype == np.float32 else LARGEST
    extremes = np.fmax.reduce(values, None), np.fmin.reduce(values, None)
    if not max(float(extremes[0]), -float(extremes[1])) > limit:
        return
    values = values.astype(np.float64)
    first = np.argmax(np.abs(values) > limit)
    if sparse.issparse(X):
        place = [int(index[first]) for index in X.tocoo().coords]
    else:
        place = [int(index) for index in np.unravel_index(first, X.shape)]
    if columns is not None:
        place[1] = repr(columns[place[1]])
    words = ["row", "column", *["index"] * len(place)][: len(place)]
    where = ", ".join(f"{word} {i}" for word, i in zip(words, place, strict=True))
    raise ValueError(
        f"{name} holds values too large for {caller}: {values.ravel()[first]:.4g} in "
        f"{where} (at most {limit:g} in magnitude): scale them down, or correct them "
        "if they are errors"
    )


def _float_or_nan(value):
    """Return a number as a float, infinite if it is too large; NaN for others."""
    try:
        return float(value) if isinstance(value, Real) else np.nan
    except OverflowError:
        return np.inf


def check_sparse(X, name="X"):
    """Check the arrays of a sparse matrix, which compiled code relies on.

    Parameters
    ----------
    X : object
        A sparse matrix of any format, which is not changed. Anything else is returned.
    name : str, default="X"
        Name of X in messages.

    Returns
    -------
    X : object
        A new CSR, CSC or COO matrix, which shares memory with the input if that is of
        one of these formats with 32-bit indices; other formats become CSR.

    Raises
    ------
    ValueError
        If the arrays contradict each other.
    """
    if not sparse.issparse(X) or X.ndim != 2:
        return X
    try:
        if X.format == "coo":
            return type(X)((X.data, X.coords), shape=X.shape)  # checks coordinates
        if X.format == "bsr":
            X = type(X)((X.data, X.indices, X.indptr), shape=X.shape)
            X.check_format(full_check=True)
        return _check_compressed(X if X.format in ("csr", "csc") else X.tocsr())
    except (IndexError, KeyError, TypeError, ValueError) as exc:
        raise ValueError(
            f"{name} is a damaged sparse matrix of format {X.format!r}: {exc}. Build "
            "it anew from its rows, columns and values by scipy.sparse.coo_array"
        ) from exc


def _check_compressed(X):
    """Return a CSR or CSC matrix as a new object with checked arrays."""
    # The constructor checks lengths, and drops unused memory. A new object has no marks
    # such as `has_canonical_format`, which are wrong if arrays were written to.
    X = type(X)((X.data, X.indices, X.indptr), shape=X.shape)
    lengths = np.diff(X.indptr)
    if lengths.min(initial=0) < 0:
        raise ValueError(f"indptr falls at position {np.argmax(lengths < 0) + 1}")
    firsts = lasts = X.indices
    if X.has_canonical_format:  # one sweep; the indices of each row ascend
        starts = X.indptr[:-1][lengths > 0]
        firsts, lasts = firsts[starts], lasts[starts + lengths[lengths > 0] - 1]
    n_minor = X.shape[X.format == "csr"]
    if firsts.min(initial=0) < 0 or lasts.max(initial=-1) >= n_minor:
        raise ValueError(f"indices must be between 0 and {n_minor - 1}")
    if max(*X.shape, X.nnz) <= np.iinfo(np.int32).max:
        # Where they fit: parts of scikit-learn take no others.
        X.indices = X.indices.astype(np.int32, copy=False)
        X.indptr = X.indptr.astype(np.int32, copy=False)
    return X


def canonical_sparse(X, name="X"):
    """Return a sparse matrix in canonical form, after `check_sparse`.

    It is CSR or CSC with ascending indices, in 32 bits if they fit, without duplicate
    entries (they are summed) and without unused memory. It shares memory with the input
    if that is all this. Anything but a sparse matrix is returned as it is.
    """
    X = check_sparse(X, name)
    if not sparse.issparse(X) or X.ndim != 2:
        return X
    if X.format != "coo" and X.has_canonical_format:
        return X
    if X.dtype.kind in "iu":  # a sum could overflow a small type
        X = X.astype(np.float64)
    X = _check_compressed(X.tocsr()) if X.format == "coo" else X.copy()
    X.sum_duplicates()
    return X
