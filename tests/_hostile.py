"""Hostile input: tables of values, and the check that every answer to them passes."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import pickle
import warnings
from copy import deepcopy

import joblib
import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning

from celltyping import Connectome

# What a user may see; FloatingPointError if the training of a network diverges. All
# else (RuntimeWarning, DeprecationWarning, ...) is for developers, or says that a check
# is missing.
ALLOWED_ERRORS = (ValueError, TypeError, FloatingPointError)
ALLOWED_WARNINGS = (ConvergenceWarning, DataConversionWarning, UserWarning)

# Messages of numpy, pandas or scipy that name neither a parameter nor a way on.
INTERNAL_MESSAGES = (
    "could not be broadcast",
    "zero-size array to reduction",
    "index out of bounds",
    "object is not subscriptable",
    "object is not iterable",
    "unhashable type",
    "not supported between instances",
    "unsupported operand type",
    "ufunc",
    "positional argument",
    "not understood",
    "truth value of",
    "invalid literal",
    "cannot reshape",
    "need at least one array",
    "has no len()",
)


def hostile_tables(X):
    """Return tables that break a rule, by name, made from a valid one of floats.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), dtype=float64
        Nonnegative table.

    Returns
    -------
    tables : dict of str to function
        Functions without parameters; each makes a new table.
    """
    n_rows, n_columns = X.shape

    def put(value, dtype=np.float64):
        return lambda: _with_entry(X.astype(dtype), value)

    def frame(**columns):
        return lambda: pd.DataFrame(X).add_prefix("c").assign(**columns)

    def corrupt(**parts):
        return lambda: _corrupt_csr(X, **parts)

    return {
        "valid": X.copy,
        # kind
        "None": lambda: None,
        "number": lambda: 3,
        "text": lambda: "X",
        "bytes": lambda: b"X",
        "dict": lambda: {"a": [1, 2]},
        "set": lambda: {1.0, 2.0},
        "function": lambda: len,
        "generator": lambda: (row for row in X),
        "list": X.tolist,
        "ragged list": lambda: [[1.0], [1.0, 2.0]] * (n_rows // 2),
        "empty list": list,
        "Series": lambda: pd.Series(X[:, 0]),
        "masked array": lambda: np.ma.masked_array(X, X > 1),
        "matrix": lambda: sparse.csr_matrix(X).todense(),
        "connectome": lambda: Connectome(np.eye(n_rows)),
        "another connectome": lambda: Connectome(np.ones((n_rows + 1, n_rows + 1))),
        # shape
        "0-d": lambda: np.array(1.0),
        "1-d": X[:, 0].copy,
        "3-d": X[:, :, None].copy,
        "no rows": X[:0].copy,
        "no columns": X[:, :0].copy,
        "one row": X[:1].copy,
        "two rows": X[:2].copy,
        "one column": X[:, :1].copy,
        "fewer rows": X[:-1].copy,
        "more columns": lambda: np.hstack([X, X]),
        "Fortran order": lambda: np.asfortranarray(X),
        "negative strides": lambda: X[::-1, ::-1],
        "read-only": lambda: _read_only(X),
        # dtype
        "text dtype": lambda: X.astype(str),
        "words": lambda: np.full(X.shape, "a"),
        "bytes dtype": lambda: X.astype("S"),
        "objects": lambda: X.astype(object),
        "objects with None": lambda: _with_entry(X.astype(object), None),
        "objects with a list": lambda: _with_entry(X.astype(object), [1]),
        "objects with a huge integer": lambda: _with_entry(X.astype(object), 2**70),
        "complex": lambda: X + 1j,
        "dates": lambda: X.astype("M8[D]"),
        "durations": lambda: X.astype("m8[s]"),
        "bool": lambda: X > 1,
        "int8": lambda: X.astype(np.int8),
        "uint64": put(2**64 - 1, np.uint64),
        "float16": lambda: X.astype(np.float16),
        "float32": lambda: X.astype(np.float32),
        "longdouble": lambda: X.astype(np.longdouble),
        "big-endian": lambda: X.astype(">f8"),
        # numbers
        "NaN": put(np.nan),
        "infinity": put(np.inf),
        "negative": put(-1.0),
        "1e38": put(1e38),
        "1e155": put(1e155),
        "1e200": put(1e200),
        "-1e200": put(-1e200),
        "1.7e308": put(1.7e308),
        "3e38 in float32": put(3e38, np.float32),
        "all 1e200": lambda: np.full(X.shape, 1e200),
        "subnormal": put(1e-310),
        "all subnormal": lambda: X * 1e-310,
        "outlier": put(-9999.0),
        "zeros": lambda: np.zeros(X.shape),
        "constant": lambda: np.ones(X.shape),
        "one row empty": lambda: X * (np.arange(n_rows) > 0)[:, None],
        "equal rows": lambda: np.repeat(X[:1], n_rows, axis=0),
        "repeated rows": lambda: np.repeat(X[:3], n_rows // 3 + 1, axis=0)[:n_rows],
        # sparse
        "csr": lambda: sparse.csr_array(X),
        "csr_matrix": lambda: sparse.csr_matrix(X),
        "csc": lambda: sparse.csc_array(X),
        "coo": lambda: sparse.coo_array(X),
        "lil": lambda: sparse.lil_array(X),
        "dok": lambda: sparse.dok_array(X),
        "csr of integers": lambda: sparse.csr_array(X.astype(np.int64)),
        "csr of int64 indices": lambda: _int64_indices(sparse.csr_array(X)),
        "csr with duplicates": lambda: _with_duplicates(X),
        "csr unsorted": lambda: _unsorted(X),
        "csr with NaN": lambda: sparse.csr_array(_with_entry(X, np.nan)),
        "csr with 1e200": lambda: sparse.csr_array(_with_entry(X, 1e200)),
        "csr empty": lambda: sparse.csr_array(X.shape),
        "csr with a column out of range": corrupt(indices=n_columns + 7),
        "csr with a negative column": corrupt(indices=-3),
        "csr with indptr too large": corrupt(indptr=10**6),
        "csr with indptr negative": corrupt(indptr=-5),
        # frames
        "frame": frame(),
        "frame with text": frame(c0="a"),
        "frame with None": frame(c0=[None] * n_rows),
        "frame with NA": frame(c0=pd.array([pd.NA] * n_rows, dtype="Int64")),
        "frame of nullable": lambda: frame()().convert_dtypes(),
        "frame with a category": frame(c0=pd.Categorical(["a"] * n_rows)),
        "frame with dates": frame(c0=pd.Timestamp("2020-01-01")),
        "frame of sparse columns": lambda: frame()().astype(pd.SparseDtype(float, 0)),
        "frame with a name twice": lambda: pd.DataFrame(X, columns=["c"] * n_columns),
        "frame with names of two kinds": lambda: pd.DataFrame(
            X, columns=["c", *range(1, n_columns)]
        ),
        "frame with a MultiIndex": lambda: pd.DataFrame(
            X, columns=pd.MultiIndex.from_product([["a"], range(n_columns)])
        ),
    }


def hostile_labels(y):
    """Return labels that break a rule, by name, made from valid ones of text."""
    codes = np.unique(y, return_inverse=True)[1]
    n = len(y)
    some = np.arange(n) % 4 == 0

    def mixed(value):
        return lambda: np.where(some, value, np.asarray(y, dtype=object))

    return {
        "valid": y.copy,
        "None": lambda: None,
        "number": lambda: 3,
        "text": lambda: "y",
        "dict": lambda: dict(enumerate(y)),
        "empty": lambda: y[:0],
        "too short": lambda: y[:-1],
        "column": lambda: y[:, None],
        "two columns": lambda: np.stack([y, y], axis=1),
        "ragged list": lambda: [["a"], ["a", "b"]] * (n // 2),
        "list": y.tolist,
        "Series": lambda: pd.Series(y),
        "category": lambda: pd.Categorical(y),
        "bytes": lambda: y.astype("S"),
        "integers": lambda: codes,
        "uint64": lambda: codes.astype(np.uint64) + np.uint64(2**63),
        "huge integers": lambda: np.array([2**70 + int(code) for code in codes]),
        "floats": lambda: codes.astype(float),
        "continuous": lambda: codes + 0.5,
        "complex": lambda: codes + 1j,
        "bool": lambda: codes > 0,
        "dates": lambda: codes.astype("M8[D]"),
        "objects": lambda: y.astype(object),
        "one class": lambda: np.full(n, "a"),
        "each row a class": lambda: np.arange(n).astype(str),
        "one row of a class": lambda: np.where(np.arange(n) == 0, "z", y),
        "all unknown": lambda: np.full(n, "?"),
        "all -1": lambda: np.full(n, -1),
        "with ?": mixed("?"),
        "with None": mixed(None),
        "with NaN": mixed(np.nan),
        "with pandas.NA": mixed(pd.NA),
        "with blanks": mixed(" "),
        "with nan as text": mixed("nan"),
        "with numbers": mixed(3),
        "with -1": lambda: np.where(some, -1, codes),
        "with NaN among numbers": lambda: np.where(some, np.nan, codes),
        "with infinity": lambda: np.where(some, np.inf, codes),
        "with lists": lambda: pd.Series([["a"]] * n).to_numpy(),
    }


# For any parameter. Wrong ones are refused, the others must lead to a right answer.
HOSTILE_PARAMETERS = {
    "None": None,
    "True": True,
    "0": 0,
    "-1": -1,
    "1": 1,
    "numpy integer": np.int64(2),
    "numpy float": np.float32(0.5),
    "half": 0.5,
    "huge integer": 2**70,
    "1e308": 1e308,
    "NaN": np.nan,
    "infinity": np.inf,
    "text": "nope",
    "empty text": "",
    "bytes": b"a",
    "empty list": [],
    "list": [1, "a"],
    "dict": {},
    "array": np.ones((2, 2)),
    "function": len,
    "class": ValueError,
    "object": object(),
}

# Amounts of work: any is allowed, but a huge one would take for ever.
WORK = {
    "max_epochs",
    "pretrain_epochs",
    "n_epochs",
    "n_networks",
    "n_init",
    "max_iter",
    "negative_sample_rate",
}


def check_call(call, inputs, *, estimator=None, name=""):
    """Call a function with hostile input; return what it answers, or None if it raises.

    An error must be a ValueError or a TypeError with a message of its own, and leave
    the estimator as it was. Inputs must not change; a warning must be for users.

    Parameters
    ----------
    call : function without parameters
        The call.
    inputs : list
        Objects that must not change.
    estimator : estimator, default=None
        Estimator whose attributes an error must not change.
    name : str, default=""
        Name of the case, for the messages.

    Returns
    -------
    answer : object or None
        What `call` returns; None if it raises one of the allowed errors.

    Raises
    ------
    AssertionError
        If one of these rules is broken.
    """
    contents = [_digest(one) for one in inputs]
    before = {} if estimator is None else vars(estimator).copy()
    answer = error = None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            answer = call()
        except Exception as exc:
            error = exc
    if error is not None:
        text = f"{name}: {type(error).__name__}: {error}"
        assert isinstance(error, ALLOWED_ERRORS), text
        assert str(error), f"{text} (no message)"
        start = str(error)[:60]  # a message of ours may quote one at its end
        assert not any(part in start for part in INTERNAL_MESSAGES), text
    if estimator is not None and answer is not estimator:
        after = vars(estimator)
        changed = [
            key
            for key in before.keys() | after.keys()
            if after.get(key) is not before.get(key)
        ]
        assert not changed, f"{name}: {sorted(changed)} changed"
    for warning in caught:
        is_allowed = issubclass(warning.category, ALLOWED_WARNINGS)
        # The user's own sub-estimators may warn of what they do.
        is_allowed |= "celltyping" not in warning.filename.split("site-packages")[-1]
        assert is_allowed, f"{name}: {warning.category.__name__}: {warning.message}"
    for one, content in zip(inputs, contents, strict=True):
        assert _digest(one) == content, f"{name}: the input changed"
    return answer


def check_answer(answer, name, classes=None):
    """Raise unless an answer is finite, and its labels are among `classes`."""
    if answer is None:
        return
    if sparse.issparse(answer):
        answer = answer.data
    answer = np.asarray(answer)
    if answer.dtype.kind in "fc":
        assert np.isfinite(answer).all(), f"{name}: the answer is not finite"
    if classes is not None:
        foreign = set(answer.ravel().tolist()) - set(classes)
        assert not foreign, f"{name}: {foreign} are not in classes_"


def collect(cases):
    """Run functions; raise one AssertionError with all messages of those that fail."""
    failures = []
    for case in cases:
        try:
            case()
        except AssertionError as exc:
            failures.append(str(exc).splitlines()[0])
    assert not failures, f"{len(failures)} failures:\n" + "\n".join(failures)


def _digest(value):
    """Return something that is equal for equal content."""
    if isinstance(value, (pd.DataFrame, pd.Series)):
        names = [getattr(value, "name", None), *getattr(value, "columns", [])]
        return repr([value.to_numpy(object).tolist(), list(value.index), names])
    if sparse.issparse(value):
        value = {key: one for key, one in vars(value).items() if "canonical" not in key}
        value.pop("_has_sorted_indices", None)
    try:
        return joblib.hash(value)
    except (TypeError, ValueError, pickle.PicklingError, AttributeError):
        return id(value)


def _with_entry(X, value):
    """Return a copy of X with another entry at row 1, column 1."""
    X = deepcopy(X)
    X[1, 1] = value
    return X


def _read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def _int64_indices(X):
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    return X


def _with_duplicates(X):
    """Return a CSR array that holds each entry as two halves."""
    half = sparse.coo_array(X / 2)
    row, col = np.tile(half.row, 2), np.tile(half.col, 2)
    order = np.argsort(row, kind="stable")
    indptr = np.searchsorted(row[order], np.arange(X.shape[0] + 1))
    parts = np.tile(half.data, 2)[order], col[order], indptr
    return sparse.csr_array(parts, shape=X.shape)


def _unsorted(X):
    """Return a CSR array whose rows hold their columns in descending order."""
    csr = sparse.csr_array(X)
    for start, stop in zip(csr.indptr[:-1], csr.indptr[1:], strict=True):
        csr.indices[start:stop] = csr.indices[start:stop][::-1]
        csr.data[start:stop] = csr.data[start:stop][::-1]
    csr.has_sorted_indices = False
    return csr


def _corrupt_csr(X, *, indices=None, indptr=None):
    """Return a CSR array with a wrong column, or a wrong start of a row."""
    csr = sparse.csr_array(X)
    if indices is not None:
        csr.indices[1] = indices
    if indptr is not None:
        csr.indptr[2] = indptr
    return csr
