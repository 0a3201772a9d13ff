"""Magnitudes, sparse matrices and integer parameters."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from numbers import Integral, Real

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import BaseEstimator

from celltyping._utils._compat import ANY_N_JOBS, Interval
from celltyping._utils._validation import (
    LARGEST,
    canonical_sparse,
    check_magnitude,
    check_sparse,
    is_integer,
    validate_array,
    validate_samples,
)

FORMATS = ["bsr", "coo", "csc", "csr", "dia", "dok", "lil"]


def test_integers_of_python_and_numpy_are_integers():
    for value in (3, np.int8(3), np.int64(3), np.uint64(3)):
        assert is_integer(value)
    for value in (True, np.True_, 3.0, np.float64(3), "3", None):
        assert not is_integer(value)


@pytest.mark.parametrize("kind", [Integral, Real])
def test_an_interval_holds_numbers_but_no_booleans(kind):
    for boolean in (True, False, np.True_):
        interval = Interval(kind, 0, None, closed="left")
        assert interval.is_satisfied_by(1)
        assert interval.is_satisfied_by(np.int64(1))
        assert not interval.is_satisfied_by(-1)
        assert not interval.is_satisfied_by(boolean)
        assert str(interval).startswith("an int" if kind is Integral else "a float")
        assert not any(each.is_satisfied_by(boolean) for each in ANY_N_JOBS[:1])


def test_too_large_values_are_named_with_their_place(subtests):
    message = r"X holds values too large for Name: -1e\+71 in row 2, column 1 \(at most"
    for make in (np.array, sparse.csr_array, sparse.csc_array):
        with subtests.test(make=make):
            X = np.zeros((3, 2))
            X[2, 1] = -1e71
            with pytest.raises(ValueError, match=message):
                check_magnitude(make(X), "Name")
            check_magnitude(make(X), "Name", 1e71)
            X[2, 1] = LARGEST
            check_magnitude(make(X), "Name")


def test_too_large_values_of_other_tables():
    with pytest.raises(ValueError, match=r"v holds .*: 3 in row 1 "):
        check_magnitude(np.array([1, 3]), "Name", 2, name="v")
    with pytest.raises(ValueError, match="4 in row 0, column 1, index 2 "):
        check_magnitude(np.array([[[0, 0, 0], [0, 0, 4]]]), "Name", 2)
    frame = pd.DataFrame({"a": [1, 2], "text": ["a", "b"], "c": [1.0, -9.0]})
    with pytest.raises(ValueError, match="-9 in row 1, column 'c' "):
        check_magnitude(frame, "Name", 2)
    check_magnitude(frame, "Name", 9)
    single = np.array([3e38, 0], dtype=np.float32)
    check_magnitude(single, "Name", 1e70)
    with pytest.raises(ValueError, match=r"3e\+38 in row 0 \(at most 1e\+15 "):
        check_magnitude(single, "Name")
    with pytest.raises(ValueError, match=r"9\.223e\+18 in row 0 "):
        check_magnitude(np.array([-(2**63)]), "Name", 9e18)
    with pytest.raises(ValueError, match="inf in row 1 "):
        check_magnitude(np.array(["text", 10**400], dtype=object), "Name")


def test_what_is_no_number_has_no_magnitude():
    for X in ([np.nan, 1.0], [np.nan], [], ["text"], [None, True, 2**64]):
        check_magnitude(np.array(X), "Name")
        check_magnitude(np.array(X, dtype=object), "Name")


def damaged(kind, **arrays):
    """Make a CSR or CSC matrix of shape (3, 3), and overwrite some of its arrays."""
    X = kind((np.arange(1.0, 5), [0, 2, 1, 2], [0, 2, 3, 4]), shape=(3, 3))
    assert X.has_canonical_format
    for name, array in arrays.items():
        getattr(X, name)[:] = array
    return X


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"indptr": [0, 3, 2, 4]}, "indptr falls at position 2"),
        ({"indptr": [0, 10**9, 2, 4]}, "indptr falls at position 2"),
        ({"indptr": [0, 2, 3, 5]}, "Last value of index pointer"),
        ({"indptr": [1, 2, 3, 4]}, "index pointer should start with 0"),
        ({"indices": [0, 2, 10**9, 2]}, "indices must be between 0 and 2"),
        ({"indices": [0, 3, 1, 2]}, "indices must be between 0 and 2"),
        ({"indices": [-1, 2, 1, 2]}, "indices must be between 0 and 2"),
        ({"indices": [9, 2, 1, 2]}, "indices must be between 0 and 2"),
    ],
)
def test_damaged_compressed_matrices(arrays, message, subtests):
    for check in (check_sparse, canonical_sparse):
        for kind in (sparse.csr_array, sparse.csc_matrix):
            with (
                subtests.test(check=check, kind=kind),
                pytest.raises(
                    ValueError, match=f"X is a damaged .* 'cs[cr]'.*{message}"
                ),
            ):
                check(damaged(kind, **arrays))


def test_other_damaged_matrices():
    X = sparse.coo_array(np.eye(3))
    X.coords[0][1] = 7
    with pytest.raises(ValueError, match=r"graph is a damaged .* 'coo'"):
        canonical_sparse(X, "graph")
    X = sparse.bsr_array(np.eye(4), blocksize=(2, 2))
    X.indices[0] = 5
    with pytest.raises(ValueError, match=r"damaged .* 'bsr'"):
        canonical_sparse(X)
    X = sparse.lil_array(np.eye(3))
    X.rows[0] = [9]
    with pytest.raises(ValueError, match=r"damaged .* 'lil'"):
        canonical_sparse(X)


def test_canonical_form_on_a_copy(subtests):
    values = np.array([1.0, 2.0, 5.0, 3.0])
    for kind in (sparse.csr_array, sparse.csr_matrix):
        for index_dtype in (np.int32, np.int64):
            with subtests.test(kind=kind, index_dtype=index_dtype):
                X = kind((values.copy(), [2, 0, 2, 1], [0, 3, 4]), shape=(2, 3))
                X.indices = X.indices.astype(index_dtype)
                X.indptr = X.indptr.astype(index_dtype)
                for array in (X.data, X.indices, X.indptr):
                    array.flags.writeable = False
                dense, before = X.toarray(), vars(X).copy()
                found = canonical_sparse(X)
                assert type(found) is kind
                assert found.indices.dtype == found.indptr.dtype == np.int32
                assert found.indices.tolist() == [0, 2, 1]
                assert found.data.tolist() == [2, 6, 3]
                np.testing.assert_array_equal(found.toarray(), dense)
                assert all(vars(X)[name] is value for name, value in before.items())


def test_a_canonical_matrix_is_not_copied():
    X = sparse.csr_array(np.eye(3))
    found = canonical_sparse(X)
    assert found is not X
    for name in ("data", "indices", "indptr"):
        assert np.shares_memory(getattr(found, name), getattr(X, name))


def test_a_wrong_mark_and_unused_memory_are_seen():
    X = sparse.csr_array(np.ones((2, 2)))
    assert X.has_canonical_format
    X.indices[:] = [1, 0, 1, 0]
    X.data[:] = [1, 2, 3, 4]
    assert canonical_sparse(X).data.tolist() == [2, 1, 4, 3]
    X = sparse.csr_array((np.ones(9), np.zeros(9, int), [0, 1, 2]), shape=(2, 1))
    X.data = np.append(X.data, np.nan)
    X.indices = np.append(X.indices, 99)
    assert canonical_sparse(X).data.tolist() == [1, 1]


def test_sums_of_small_integers_do_not_overflow():
    parts = np.array([100, 100], dtype=np.int8), [0, 0], [0, 2]
    for X in (sparse.csr_array(parts), sparse.csr_array(parts).tocoo()):
        assert canonical_sparse(X).data.tolist() == [200]


def test_anything_else_is_returned_as_it_is():
    for X in (None, [[1]], np.eye(2), sparse.coo_array([1, 0, 2])):
        assert canonical_sparse(X) is X
        assert check_sparse(X) is X


@given(st.data(), st.sampled_from(FORMATS), st.booleans())
def test_any_format_keeps_its_values(data, to_format, is_csc):
    shape = data.draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    entry = st.tuples(*(st.integers(0, n - 1) for n in shape), st.integers(-3, 3))
    entries = np.array(data.draw(st.lists(entry, max_size=9)), dtype=int).reshape(-1, 3)
    rows, columns, values = entries.T
    X = sparse.coo_array((values.astype(float), (rows, columns)), shape=shape)
    dense = X.toarray()
    X = X.asformat(to_format)
    found = canonical_sparse(X)
    assert found.format == (to_format if to_format == "csc" else "csr")
    assert found.has_canonical_format
    np.testing.assert_array_equal(found.toarray(), dense)
    np.testing.assert_array_equal(X.toarray(), dense)


def test_samples_are_validated_in_one_call():
    twice = sparse.csr_array(([1.0, 2.0, 5.0], [1, 1, 0], [0, 3, 3]), shape=(2, 2))
    estimator = BaseEstimator()
    found = validate_samples(estimator, twice, accept_sparse="csr")
    assert found.data.tolist() == [5, 3]
    assert estimator.n_features_in_ == 2
    with pytest.raises(ValueError, match=r"for BaseEstimator: 1e\+71 in row 0"):
        validate_samples(estimator, [[1e71, 0]], reset=False)
    with pytest.raises(ValueError, match="X holds values too large for BaseEstimator"):
        validate_samples(estimator, [[10**400, 0]])
    found = validate_samples(estimator, [[2**64, 0]], dtype=np.float64, reset=False)
    assert found.tolist() == [[2.0**64, 0]]


def test_arrays_of_functions_are_named():
    with pytest.raises(ValueError, match=r"points holds .* for plot: 9 in row 0 \("):
        validate_array([9.0], "plot", "points", limit=5, ensure_2d=False)
    with pytest.raises(ValueError, match="points is a damaged sparse matrix"):
        validate_array(damaged(sparse.csr_array, indptr=[0, 3, 2, 4]), "plot", "points")
    with pytest.raises(ValueError, match="Input points contains NaN"):
        validate_array([[np.nan]], "plot", "points")
