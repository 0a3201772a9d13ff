"""Sparse matrices as named tuples: unsigned views, stacked rows, sums of rows."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pytest
from scipy import sparse

from celltyping._kernels._csr import CSRGraph, CSRMatrix, row_sums, stack_rows
from tests import _reference as reference

pytestmark = pytest.mark.pure_python


@pytest.mark.parametrize("index_dtype", [np.int32, np.int64])
def test_arrays_are_unsigned_views(index_dtype):
    matrix = reference.as_csr([[0, 2], [3, 0]], index_dtype)
    transpose = reference.as_csr([[0, 3], [2, 0]], index_dtype)
    graph = CSRGraph.from_scipy(matrix, transpose)
    for found, expected in zip(graph, (matrix, transpose), strict=True):
        arrays = expected.indptr, expected.indices, expected.data
        for one, other in zip(found, arrays, strict=True):
            assert np.shares_memory(one, other)
            assert one.tolist() == other.tolist()
        assert (
            found.ptr.dtype
            == found.indices.dtype
            == np.dtype(f"u{index_dtype().itemsize}")
        )


def test_stack_rows():
    table = np.array([[0, 2, 1], [0, 0, 0], [4, 0, 0], [0, 5, 6]], dtype=np.float32)
    blocks = [
        CSRMatrix.from_scipy(sparse.csr_array(table[rows]))
        for rows in (slice(0, 3), slice(3, 3), slice(3, 4))
    ]
    stacked = stack_rows(blocks, 3)
    assert blocks == []
    assert stacked.dtype == np.float32
    assert stacked.indptr.dtype == np.int32
    np.testing.assert_array_equal(stacked.toarray(), table)


def test_row_sums_are_summed_in_double_precision():
    matrix = sparse.csr_array(np.array([[2**24, 1, 1], [0, 0, 0]], dtype=np.float32))
    sums = row_sums(matrix)
    assert sums.dtype == np.float32
    assert sums.tolist() == [2**24 + 2, 0]
