"""Weighted Jaccard similarities between sparse rows and references.

Rows meet references through the references' columns (their CSC form): each entry of a
row adds its minimum with every reference that has the column, so that only pairs with a
common column cost time, and no matrix of rows by references is ever stored.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from typing import NamedTuple

import numpy as np

from celltyping._kernels._csr import CSRMatrix, row_sums
from celltyping._kernels._jit import jit
from celltyping._kernels._sort import argsort

# References are compared in runs of this length; a run without a candidate for the list
# is left after one vectorised comparison.
RUN = 64

# Factor on the threshold of that comparison, so that rounding excludes no candidate.
SLACK = np.float32(1.0 - 1e-5)

# An id that no row has.
NO_ROW = np.iinfo(np.uint32).max


class Rows(NamedTuple):
    """A nonnegative matrix by rows, indices unsigned, with the sums of its rows."""

    ptr: np.ndarray
    indices: np.ndarray
    values: np.ndarray
    sums: np.ndarray

    @classmethod
    def from_scipy(cls, matrix):
        """Take the arrays of a CSR array of float32."""
        return cls(*CSRMatrix.from_scipy(matrix), row_sums(matrix))


class References(NamedTuple):
    """Rows with which others are compared: by column, with sums, types and ids.

    Types ascend. A row is not compared with the reference that has its own id.
    """

    ptr: np.ndarray
    indices: np.ndarray
    values: np.ndarray
    sums: np.ndarray
    types: np.ndarray
    ids: np.ndarray

    @classmethod
    def from_scipy(cls, matrix, types, ids=None):
        """Take the rows of a CSR array of float32; with no `ids`, all are compared."""
        if ids is None:
            ids = np.full(matrix.shape[0], NO_ROW)
        return cls(
            *CSRMatrix.from_scipy(matrix.tocsc()),
            row_sums(matrix),
            np.asarray(types, dtype=np.int32),
            np.asarray(ids, dtype=np.uint32),
        )


@jit
def _add_minima(i, rows, references, shared):
    """Add the sum of minima of row i with every reference to `shared`."""
    for e in range(rows.ptr[i], rows.ptr[i + 1]):
        value = rows.values[e]
        c = rows.indices[e]
        for p in range(references.ptr[c], references.ptr[c + 1]):
            other = references.values[p]
            shared[references.indices[p]] += other if other < value else value


@jit
def _padded(ref_sums):
    """Append references that nothing is similar to, so that all runs are whole."""
    n_runs = (len(ref_sums) + RUN - 1) // RUN
    padded = np.ones(n_runs * RUN, np.float32)
    for r in range(len(ref_sums)):  # numba takes seconds to compile a copy of slices
        padded[r] = ref_sums[r]
    return padded


@jit
def _run_may_enter(shared, padded_sums, start, row_sum, threshold):
    """Return whether any reference of a run may be more similar than `threshold`.

    The comparison is that of shared / (row_sum + ref_sum - shared) without a division,
    over a fixed length and with a narrow counter, which is ten times faster.
    """
    limit = threshold * SLACK
    run_shared = shared[start : start + RUN]
    run_sums = padded_sums[start : start + RUN]
    n_above = np.int32(0)
    for r in range(RUN):
        n_above += np.int32(
            run_shared[r] * (np.float32(1.0) + limit) > limit * (row_sum + run_sums[r])
        )
    return n_above > 0


@jit
def nearest_types(chosen, rows, references, n_best, drop):
    """Find the types of the most similar references of each row.

    The similarity of a type is that of its most similar reference.

    Parameters
    ----------
    chosen : ndarray of shape (n_rows,), dtype=uint32
        Indices of the rows.
    rows : Rows
        All rows.
    references : References
        The references.
    n_best : int
        Maximum number of types.
    drop : float
        Types less similar than the best by more than this may be left out.

    Returns
    -------
    types : ndarray of shape (n_rows, n_best), dtype=int32
        Types by falling similarity, the lower one first among equals; closed by -1.
    similarities : ndarray of shape (n_rows, n_best), dtype=float32
        Their weighted Jaccard similarities, 0 where there is no type.
    """
    ref_sums, ref_types, ref_ids = references.sums, references.types, references.ids
    n_refs = len(ref_sums)
    padded_sums = _padded(ref_sums)
    shared = np.zeros(len(padded_sums), np.float32)
    types = np.full((len(chosen), n_best), -1, np.int32)
    similarities = np.zeros((len(chosen), n_best), np.float32)
    for k in range(len(chosen)):
        i = chosen[k]
        row_sum = rows.sums[i]
        if row_sum == 0.0:
            continue
        _add_minima(i, rows, references, shared)
        best = similarities[k]
        threshold = np.float32(0.0)
        for start in range(0, n_refs, RUN):
            stop = min(start + RUN, n_refs)
            if not _run_may_enter(shared, padded_sums, start, row_sum, threshold):
                continue
            for r in range(start, stop):
                similarity = shared[r] / (row_sum + ref_sums[r] - shared[r])
                if similarity > threshold and ref_ids[r] != i:
                    _enter(types[k], best, ref_types[r], similarity)
                    threshold = max(best[n_best - 1], best[0] - np.float32(drop))
                    threshold = max(threshold, np.float32(0.0))
        for m in range(n_best):
            best[m] = min(best[m], np.float32(1.0))  # rounding can pass it
        shared[:] = 0.0
    return types, similarities


@jit
def _enter(best_types, best, new_type, similarity):
    """Insert a type into a list by falling similarity, or raise its similarity."""
    last = len(best) - 1
    place = last
    for m in range(len(best)):
        if best_types[m] == new_type:
            if similarity <= best[m]:
                return
            place = m
            break
    # An older entry stays ahead of an equal new one: types come in ascending order.
    while place > 0 and best[place - 1] < similarity:
        best[place] = best[place - 1]
        best_types[place] = best_types[place - 1]
        place -= 1
    best[place] = similarity
    best_types[place] = new_type


@jit
def similarity_to_types(chosen, rows, references, n_types):
    """Compute the similarity of each row to every type, that of its best reference.

    Parameters are those of `nearest_types`, but ids of references are not used. Returns
    a float32 table of rows by types.
    """
    ref_sums, ref_types = references.sums, references.types
    shared = np.zeros(len(ref_sums), np.float32)
    similarities = np.zeros((len(chosen), n_types), np.float32)
    for k in range(len(chosen)):
        i = chosen[k]
        row_sum = rows.sums[i]
        if row_sum == 0.0:
            continue
        _add_minima(i, rows, references, shared)
        for r in range(len(ref_sums)):
            similarity = shared[r] / (row_sum + ref_sums[r] - shared[r])
            similarity = min(similarity, np.float32(1.0))
            if similarity > similarities[k, ref_types[r]]:
                similarities[k, ref_types[r]] = similarity
        shared[:] = 0.0
    return similarities


@jit
def vote(nearest, similarities, ref_types, n_best):
    """Score types by the votes of each row's most similar references.

    The weight of a reference is log(1 + s / (1 - s)) = -log(1 - s), so that the score
    of a type, 1 - exp(-sum of weights) = 1 - product of (1 - s), lies between 0 and 1
    and is s itself where one reference votes.

    Parameters
    ----------
    nearest, similarities : ndarray of shape (n_rows, n_neighbors)
        Positions of references, closed by -1, and their similarities.
    ref_types : ndarray of shape (n_references,), dtype=int32
        Types of the references.
    n_best : int
        Maximum number of types.

    Returns
    -------
    types : ndarray of shape (n_rows, n_best), dtype=int32
        Types by falling score, the lower one first among equals; closed by -1.
    scores : ndarray of shape (n_rows, n_best), dtype=float32
        Their scores, 0 where there is no type.
    """
    n_rows, n_neighbors = nearest.shape
    types = np.full((n_rows, n_best), -1, np.int32)
    scores = np.zeros((n_rows, n_best), np.float32)
    voted = np.empty(n_neighbors, np.int32)
    weights = np.empty(n_neighbors, np.float64)
    for i in range(n_rows):
        n_voted = 0
        for k in range(n_neighbors):
            if nearest[i, k] < 0:
                break
            # Capped as in the published method, which adds 1e-5 below the fraction.
            weight = -np.log(max(1.0 - similarities[i, k], 1e-5))
            this_type = ref_types[nearest[i, k]]
            place = 0
            while place < n_voted and voted[place] != this_type:
                place += 1
            if place == n_voted:
                voted[place] = this_type
                weights[place] = 0.0
                n_voted += 1
            weights[place] += weight
        by_type = argsort(voted[:n_voted])  # the lower wins among equals
        ranked = by_type[argsort(-weights[by_type])]
        for m in range(min(n_voted, n_best)):
            k = ranked[m]
            if weights[k] <= 0.0:  # similarities that vanish beside 1
                break
            types[i, m] = voted[k]
            scores[i, m] = 1.0 - np.exp(-weights[k])
            if m > 0:
                # Many votes round to 1, but more of them have to win all the same.
                limit = scores[i, m - 1]
                if weights[k] < weights[ranked[m - 1]]:
                    limit = np.nextafter(limit, np.float32(0.0))
                scores[i, m] = min(scores[i, m], limit)
    return types, scores


@jit
def largest_entries(matrix):
    """Find the column of the largest entry of each row, as int32; -1 if it is empty.

    The matrix is nonnegative, with ascending columns; of equal entries the first wins.
    """
    largest = np.full(len(matrix.ptr) - 1, -1, np.int32)
    for i in range(len(largest)):
        best = 0.0
        for e in range(matrix.ptr[i], matrix.ptr[i + 1]):
            if matrix.values[e] > best:
                best = matrix.values[e]
                largest[i] = matrix.indices[e]
    return largest
