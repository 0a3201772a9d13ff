"""Sparse matrices and directed graphs as named tuples of arrays, for kernels."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from typing import NamedTuple

import numpy as np
from scipy import sparse

from celltyping._kernels._jit import jit


def unsigned(indices):
    """View an index array as unsigned; numba then leaves out a check per access."""
    return indices.view(np.dtype(f"u{indices.dtype.itemsize}"))


class CSRMatrix(NamedTuple):
    """A sparse matrix by rows (CSR), or by columns (CSC); indices are unsigned."""

    ptr: np.ndarray
    indices: np.ndarray
    values: np.ndarray

    @classmethod
    def from_scipy(cls, matrix):
        """Take the arrays of a CSR or CSC array, without copies."""
        return cls(unsigned(matrix.indptr), unsigned(matrix.indices), matrix.data)


class CSRGraph(NamedTuple):
    """The edges of a directed graph by source node and by target node."""

    outgoing: CSRMatrix
    incoming: CSRMatrix

    @classmethod
    def from_scipy(cls, adjacency, transpose):
        """Take the arrays of an adjacency matrix and its transpose, without copies."""
        return cls(CSRMatrix.from_scipy(adjacency), CSRMatrix.from_scipy(transpose))


@jit
def longest_row(ptr, start, stop):
    """Count the entries of the longest of some rows."""
    longest = 0
    for i in range(start, stop):
        longest = max(longest, np.int64(ptr[i + 1] - ptr[i]))
    return longest


def stack_rows(blocks, n_columns):
    """Stack a list of blocks (ptr, indices, values), emptying it; return float32."""
    counts = np.concatenate([np.diff(ptr) for ptr, _, _ in blocks])
    ptr = np.concatenate([[0], np.cumsum(counts)])
    if ptr[-1] <= np.iinfo(np.int32).max:
        ptr = ptr.astype(np.int32)
    indices = np.empty(ptr[-1], dtype=np.int32)
    values = np.empty(ptr[-1], dtype=np.float32)
    end = int(ptr[-1])
    while blocks:  # from the last one, each freed as soon as it is copied
        _, block_indices, block_values = blocks.pop()
        begin = end - len(block_indices)
        indices[begin:end], values[begin:end] = block_indices, block_values
        end = begin
    return sparse.csr_array((values, indices, ptr), shape=(len(counts), n_columns))


def row_sums(matrix):
    """Sum the rows of a sparse matrix in double precision; return float32."""
    return (matrix @ np.ones(matrix.shape[1])).astype(np.float32)
