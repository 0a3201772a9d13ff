"""Attention over a memory of rows: a weighted mean of what the nearest keys hold.

A query is answered with Σ_j w_j values_j / Σ_j w_j over the nearest rows j, where w_j
falls with the distance between the query and key_j. Keys are grouped into cells, and
only the cells with the nearest centres are looked into. Each query is answered by
itself: its answer does not depend on the others, nor on the number of threads.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import warnings
from typing import NamedTuple

import numba
import numpy as np
from joblib import delayed
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import pairwise_distances_argmin
from threadpoolctl import threadpool_limits

from celltyping._kernels._jit import CACHE, FLOAT_FLAGS, jit

# Queries per block.
BLOCK = 512

# Rows per cell, until there are so many cells (a multiple of √n) that finding the
# nearest of them would take longer than to look into them.
CELL_SIZE = 64
CELLS_PER_ROOT = 4

# Rows per cell that k-means sees, and its passes over them: finer cells bring nothing.
SAMPLED_PER_CELL = 32
MAX_ITER = 8

# A query whose squared distance to a row is less is that row.
SAME = 1e-6


class Memory(NamedTuple):
    """Rows to remember, those of a cell side by side."""

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
    on its place in the block: on one machine results stay the same to the bit.
    """
    options = {"nogil": True, "fastmath": FLOAT_FLAGS | {"reassoc", "contract"}}
    try:
        return numba.njit(cache=CACHE, **options)(function)
    except RuntimeError:  # numba found no folder for its cache
        return numba.njit(**options)(function)


def build_memory(keys, values, *, seed):
    """Group rows into cells of near ones.

    Parameters
    ----------
    keys : ndarray of shape (n_rows, n_columns)
        What queries are compared with, floats. With many columns, multiples of 8 of
        them are the fastest.
    values : ndarray of shape (n_rows, n_components)
        What the rows hold, floats.
    seed : int
        Seed of k-means.

    Returns
    -------
    memory : Memory
        `keys` (n_rows, n_columns) and `values` (n_rows, n_components) sorted by cell,
        in their dtypes; `cell_starts` (n_cells + 1,), where each cell begins;
        `centres` (n_cells, n_columns), of which that of its cell is a row's nearest;
        and `radii` (n_cells,), the distance from there to the cell's farthest row.
    """
    cells, centres = _cells(keys, seed)
    order = np.argsort(cells, kind="stable")
    used, sizes = np.unique(cells, return_counts=True)
    centres = centres[used]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    keys = np.ascontiguousarray(keys[order])
    gaps = keys.astype(np.float64) - np.repeat(centres, sizes, axis=0)
    radii = np.sqrt(np.maximum.reduceat((gaps**2).sum(axis=1), starts[:-1]))
    return Memory(
        keys,
        np.ascontiguousarray(values[order]),
        starts.astype(np.int64),
        centres,
        radii,
    )


def _cells(keys, seed):
    """Assign each row to the nearest of some centres, k-means of some of the rows."""
    n_rows = len(keys)
    n_cells = int(min(n_rows // CELL_SIZE, CELLS_PER_ROOT * np.sqrt(n_rows)))
    if n_cells < 2:
        centre = keys.mean(axis=0, keepdims=True, dtype=np.float64)
        return np.zeros(n_rows, dtype=np.intp), centre.astype(keys.dtype)
    rng = np.random.default_rng(seed)
    sample = keys
    if n_rows > SAMPLED_PER_CELL * n_cells:
        sample = keys[rng.permutation(n_rows)[: SAMPLED_PER_CELL * n_cells]]
    starts = sample[rng.permutation(len(sample))[:n_cells]]
    means = KMeans(n_cells, init=starts, n_init=1, max_iter=MAX_ITER, tol=0)
    # One thread: the order of a sum would depend on their number.
    with threadpool_limits(limits=1), warnings.catch_warnings():
        # Fewer distinct rows than cells: then some cells are empty.
        warnings.simplefilter("ignore", ConvergenceWarning)
        means.fit(sample)
        centres = means.cluster_centers_
        return pairwise_distances_argmin(keys, centres), centres


def recall(memory, queries, *, temperature, n_neighbors, n_probes, parallel):
    """Answer each query with the weighted mean of what the nearest rows hold.

    Parameters
    ----------
    memory : Memory
        As `build_memory` returns it.
    queries : ndarray of shape (n_queries, n_columns)
        Contiguous rows of floats; all is computed in their dtype.
    temperature : float
        The larger, the more of the nearest rows have a say.
    n_neighbors : int
        Number of the nearest rows that are weighed, among those that are looked at.
    n_probes : int
        The so many cells with the nearest centres are looked into.
    parallel : joblib.Parallel
        Runs blocks of queries, in threads.

    Returns
    -------
    answers : ndarray of shape (n_queries, n_components)
        The means, in the dtype of `queries`. A row at squared distance d² weighs
        exp(-d² / (temperature * m)), where m is the mean of d² over the neighbours: so
        tight groups of rows are told apart as well as loose ones.
    """
    n_probes = min(n_probes, len(memory.centres))
    temperature = queries.dtype.type(temperature)
    blocks = parallel(
        delayed(_recall)(
            queries[start : start + BLOCK], *memory, temperature, n_neighbors, n_probes
        )
        for start in range(0, max(len(queries), 1), BLOCK)
    )
    return np.concatenate(blocks)


def extend(memory, queries, factors, *, n_neighbors, n_probes, parallel):
    """Extend functions of the rows to queries: Nyström's extension, nearly.

    Parameters
    ----------
    memory : Memory
        As `build_memory` returns it.
    queries : ndarray of shape (n_queries, n_columns)
        Contiguous rows of floats; all is computed in their dtype.
    factors : ndarray of shape (n_components,)
        What means over neighbours are multiplied by.
    n_neighbors : int
        Number of the nearest rows that have a say, among those that are looked at.
    n_probes : int
        The so many cells with the nearest centres are looked into.
    parallel : joblib.Parallel
        Runs blocks of queries, in threads.

    Returns
    -------
    answers : ndarray of shape (n_queries, n_components)
        Means of the neighbours' values times `factors`, weighted by exp(-d / σ) with
        the median σ of the distances d. A query that is one of the rows (see `SAME`)
        gets what that row holds, or the mean of these rows. In the dtype of `queries`.
    """
    n_probes = min(n_probes, len(memory.centres))
    factors = factors.astype(queries.dtype)
    blocks = parallel(
        delayed(_extend)(
            queries[start : start + BLOCK], *memory, factors, n_neighbors, n_probes
        )
        for start in range(0, max(len(queries), 1), BLOCK)
    )
    return np.concatenate(blocks)


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
def _find_nearest(query, keys, cell_starts, centres, radii, n_probes, work, near, rows):
    """Find the nearest rows of a query.

    Parameters
    ----------
    query : ndarray of shape (n_columns,)
        The query.
    keys, cell_starts, centres, radii : ndarray
        Of the memory.
    n_probes : int
        At most the number of cells.
    work : tuple of ndarray
        Overwritten: one value per cell, and one per row of the largest cell.
    near : ndarray of shape (n_neighbors,)
        Overwritten: squared distances, ascending; infinite where there is no row.
    rows : ndarray of shape (n_neighbors,), dtype=uint64
        Overwritten: whose distances they are.

    Returns
    -------
    n_near : int
        Number of rows that were found.
    """
    to_centres, squares = work
    last = len(near) - 1
    _squared_distances(
        query, centres, np.uint64(0), np.uint64(len(centres)), to_centres
    )
    near[:] = np.inf
    for _ in range(n_probes):
        cell = np.argmin(to_centres)
        gap = np.sqrt(to_centres[cell]) - radii[cell]
        to_centres[cell] = np.inf
        # No row of a cell is nearer than its centre less its radius.
        if gap > 0.0 and gap * gap > near[last]:
            continue
        # Unsigned, or numba would check each index for being negative.
        begin = np.uint64(cell_starts[cell])
        end = np.uint64(cell_starts[cell + 1])
        _squared_distances(query, keys, begin, end, squares)
        for i in range(end - begin):
            square = squares[i]
            if square < near[last]:
                place = last
                while place > 0 and near[place - 1] > square:
                    near[place] = near[place - 1]
                    rows[place] = rows[place - 1]
                    place -= 1
                near[place] = square
                rows[place] = begin + i
    n_near = 0
    while n_near <= last and near[n_near] < np.inf:
        n_near += 1
    return n_near


@jit
def _recall(
    queries,
    keys,
    values,
    cell_starts,
    centres,
    radii,
    temperature,
    n_neighbors,
    n_probes,
):
    """Answer a block of queries, see `recall`.

    Parameters
    ----------
    queries : ndarray of shape (n_queries, n_columns)
        The block.
    keys, values, cell_starts, centres, radii : ndarray
        The memory.
    temperature : float
        In the dtype of the queries.
    n_neighbors : int
        Number of neighbours.
    n_probes : int
        At most the number of cells.

    Returns
    -------
    answers : ndarray of shape (n_queries, n_components)
        The means.
    """
    work = (
        np.empty(len(centres), queries.dtype),
        np.empty(np.max(np.diff(cell_starts)), queries.dtype),
    )
    near = np.empty(n_neighbors, queries.dtype)
    rows = np.empty(n_neighbors, np.uint64)
    answers = np.zeros((len(queries), values.shape[1]), queries.dtype)
    for r in range(len(queries)):
        answer = answers[r]
        n_near = _find_nearest(
            queries[r], keys, cell_starts, centres, radii, n_probes, work, near, rows
        )
        unit = temperature * np.float32(0.0)
        for k in range(n_near):
            unit += near[k]
        unit *= temperature / n_near
        total = temperature * np.float32(0.0)
        for k in range(n_near):
            # Relative to the nearest, for queries far from all rows.
            excess = near[k] - near[0]
            weight = np.exp(-excess / unit) if excess > 0.0 else unit * 0 + 1
            total += weight
            for d in range(len(answer)):
                answer[d] += weight * values[rows[k], d]
        answer /= total
    return answers


@jit
def _extend(
    queries,
    keys,
    values,
    cell_starts,
    centres,
    radii,
    factors,
    n_neighbors,
    n_probes,
):
    """Answer a block of queries, see `extend`.

    Parameters
    ----------
    queries : ndarray of shape (n_queries, n_columns)
        The block.
    keys, values, cell_starts, centres, radii : ndarray
        The memory.
    factors : ndarray of shape (n_components,)
        In the dtype of the queries.
    n_neighbors : int
        Number of neighbours.
    n_probes : int
        At most the number of cells.

    Returns
    -------
    answers : ndarray of shape (n_queries, n_components)
        The extension.
    """
    work = (
        np.empty(len(centres), queries.dtype),
        np.empty(np.max(np.diff(cell_starts)), queries.dtype),
    )
    near = np.empty(n_neighbors, queries.dtype)
    rows = np.empty(n_neighbors, np.uint64)
    answers = np.zeros((len(queries), values.shape[1]), queries.dtype)
    for r in range(len(queries)):
        answer = answers[r]
        n_near = _find_nearest(
            queries[r], keys, cell_starts, centres, radii, n_probes, work, near, rows
        )
        n_same = 0
        while n_same < n_near and near[n_same] < SAME:
            for d in range(len(answer)):
                answer[d] += values[rows[n_same], d]
            n_same += 1
        if n_same > 0:
            answer /= n_same
            continue
        for k in range(n_near):
            near[k] = np.sqrt(near[k])
        median = (near[(n_near - 1) // 2] + near[n_near // 2]) / np.float32(2.0)
        total = median * np.float32(0.0)
        for k in range(n_near):
            # Relative to the nearest, for queries far from all rows.
            weight = np.exp((near[0] - near[k]) / median)
            total += weight
            for d in range(len(answer)):
                answer[d] += weight * values[rows[k], d]
        for d in range(len(answer)):
            answer[d] *= factors[d] / total
    return answers
