"""Queries of an inverted-file index: weighted means over the nearest rows.

Rows are grouped into Voronoi cells, and a query is compared with the rows of the cells
with the nearest centres alone. Its result depends neither on the other queries nor on
the number of threads.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from typing import NamedTuple

import numpy as np

from celltyping._kernels._csr import longest_row
from celltyping._kernels._jit import FLOAT_FLAGS, jit

# A query whose squared distance to a row is less is that row.
SAME = 1e-6


class IVFIndex(NamedTuple):
    """Inverted-file index: rows sorted by Voronoi cell.

    Parameters
    ----------
    keys : ndarray of shape (n_rows, n_columns)
        The rows that queries are compared with. With many columns, multiples of 8 of
        them are the fastest.
    values : ndarray of shape (n_rows, n_components)
        Values of the rows.
    cell_starts : ndarray of shape (n_cells + 1,), dtype=int64
        First row of each cell, and the number of rows.
    centres : ndarray of shape (n_cells, n_columns)
        Centres of the cells; the nearest one of a row is its cell's.
    radii : ndarray of shape (n_cells,)
        Distance from each centre to the farthest row of its cell.
    """

    keys: np.ndarray
    values: np.ndarray
    cell_starts: np.ndarray
    centres: np.ndarray
    radii: np.ndarray


def _jit_sums(function):
    """Compile a kernel as `jit` does, but let it add in the order that is fastest.

    Then the sum over columns is vectorised, which makes it several times faster (keys
    stored by columns, the way to vectorise it without, were slower by half). The order
    depends on the processor and on the number of columns, but neither on the query nor
    on its row in the block: on one machine results stay the same to the bit.
    """
    return jit(function, FLOAT_FLAGS | {"reassoc", "contract"})


@_jit_sums
def _squared_distances(query, rows, begin, end, squares):
    """Write the squared distances between a query and some rows to `squares`."""
    for i in range(begin, end):
        square = query[0] * 0
        for c in range(len(query)):
            gap = query[c] - rows[i, c]
            square += gap * gap
        squares[i - begin] = square


@jit
def _search_cells(query, index, n_probes, to_centres, squares, near, rows):
    """Find the nearest rows of a query in the cells with the nearest centres.

    Parameters
    ----------
    query : ndarray of shape (n_columns,)
        The query.
    index : IVFIndex
        The rows.
    n_probes : int
        Number of cells searched, at most the number of cells.
    to_centres, squares : ndarray
        Overwritten: one value per cell, and one per row of the largest cell.
    near : ndarray of shape (n_neighbors,)
        Overwritten: squared distances, ascending; infinite where there is no row.
    rows : ndarray of shape (n_neighbors,), dtype=uint64
        Overwritten: the rows at these distances.
    """
    last = len(near) - 1
    _squared_distances(
        query, index.centres, np.uint64(0), np.uint64(len(index.centres)), to_centres
    )
    near[:] = np.inf
    for _ in range(n_probes):
        cell = np.argmin(to_centres)
        gap = np.sqrt(to_centres[cell]) - index.radii[cell]
        to_centres[cell] = np.inf
        # No row of a cell is nearer than its centre less its radius.
        if gap > 0.0 and gap * gap > near[last]:
            continue
        # Unsigned, or numba would check each index for being negative.
        begin = np.uint64(index.cell_starts[cell])
        end = np.uint64(index.cell_starts[cell + 1])
        _squared_distances(query, index.keys, begin, end, squares)
        for i in range(end - begin):
            square = squares[i]
            if square < near[last]:
                k = last
                while k > 0 and near[k - 1] > square:
                    near[k] = near[k - 1]
                    rows[k] = rows[k - 1]
                    k -= 1
                near[k] = square
                rows[k] = begin + i


@jit
def _find_nearest(queries, index, n_neighbors, n_probes):
    """Find the nearest rows of each query.

    Parameters
    ----------
    queries : ndarray of shape (n_queries, n_columns)
        Contiguous rows of floats; all is computed in their dtype.
    index : IVFIndex
        The rows.
    n_neighbors : int
        Maximum number of rows per query.
    n_probes : int
        Number of cells searched, at most the number of cells.

    Returns
    -------
    squares : ndarray of shape (n_queries, n_neighbors)
        Squared distances, ascending.
    rows : ndarray of shape (n_queries, n_neighbors), dtype=uint64
        The rows at these distances.
    counts : ndarray of shape (n_queries,), dtype=int64
        Number of rows found for each query; the entries after them are undefined.
    """
    to_centres = np.empty(len(index.centres), queries.dtype)
    largest_cell = longest_row(index.cell_starts, 0, len(index.centres))
    work = np.empty(largest_cell, queries.dtype)
    squares = np.empty((len(queries), n_neighbors), queries.dtype)
    rows = np.empty((len(queries), n_neighbors), np.uint64)
    counts = np.zeros(len(queries), np.int64)
    for q in range(len(queries)):
        _search_cells(
            queries[q], index, n_probes, to_centres, work, squares[q], rows[q]
        )
        while counts[q] < n_neighbors and squares[q, counts[q]] < np.inf:
            counts[q] += 1
    return squares, rows, counts


@jit
def softmax_means(queries, index, temperature, n_neighbors, n_probes):
    """Average the values of each query's nearest rows, see `weighted_neighbor_mean`.

    The temperature and the means, (n_queries, n_components), have the queries' dtype;
    other arguments are those of `_find_nearest`.
    """
    squares, rows, counts = _find_nearest(queries, index, n_neighbors, n_probes)
    means = np.zeros((len(queries), index.values.shape[1]), queries.dtype)
    for q in range(len(queries)):
        near, mean = squares[q], means[q]
        unit = temperature * np.float32(0.0)
        for k in range(counts[q]):
            unit += near[k]
        unit *= temperature / counts[q]
        total = temperature * np.float32(0.0)
        for k in range(counts[q]):
            # Relative to the nearest, for queries far from all rows.
            excess = near[k] - near[0]
            weight = np.exp(-excess / unit) if excess > 0.0 else unit * 0 + 1
            total += weight
            for d in range(len(mean)):
                mean[d] += weight * index.values[rows[q, k], d]
        mean /= total
    return means


@jit
def scaled_means(queries, index, factors, n_neighbors, n_probes):
    """Extend the values of rows to queries, see `nystroem_extension`.

    The factors, (n_components,), and the means, (n_queries, n_components), have the
    queries' dtype; other arguments are those of `_find_nearest`.
    """
    squares, rows, counts = _find_nearest(queries, index, n_neighbors, n_probes)
    means = np.zeros((len(queries), index.values.shape[1]), queries.dtype)
    for q in range(len(queries)):
        near, mean = squares[q], means[q]
        n_near, n_same = counts[q], 0
        while n_same < n_near and near[n_same] < SAME:
            for d in range(len(mean)):
                mean[d] += index.values[rows[q, n_same], d]
            n_same += 1
        if n_same > 0:
            mean /= n_same
            continue
        for k in range(n_near):
            near[k] = np.sqrt(near[k])
        median = (near[(n_near - 1) // 2] + near[n_near // 2]) / np.float32(2.0)
        total = median * np.float32(0.0)
        for k in range(n_near):
            # Relative to the nearest, for queries far from all rows.
            weight = np.exp((near[0] - near[k]) / median)
            total += weight
            for d in range(len(mean)):
                mean[d] += weight * index.values[rows[q, k], d]
        for d in range(len(mean)):
            mean[d] *= factors[d] / total
    return means
