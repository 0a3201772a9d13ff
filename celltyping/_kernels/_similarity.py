"""Kernels for weighted Jaccard similarities between sparse rows and references.

Rows meet references through the references' columns (their CSC form): each entry of a
row adds its minimum with every reference that has the column, so that only pairs that
share something cost time, and no matrix of rows by references is ever stored. Index
arrays come unsigned, because numba otherwise checks each index for being negative,
which doubles the time of the innermost loop.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np

from celltyping._kernels._jit import jit

# References are looked at in runs of this many; a run in which none can enter the list
# is left after one vectorised comparison.
RUN = 64

# How much a threshold is lowered in that comparison, so that rounding hides no one.
SLACK = np.float32(1.0 - 1e-5)


@jit
def _add_minima(begin, end, cols, values, ref_ptr, refs, ref_values, shared):
    """Add the sum of minima of one row with every reference to `shared`."""
    for e in range(begin, end):
        value = values[e]
        c = cols[e]
        for p in range(ref_ptr[c], ref_ptr[c + 1]):
            other = ref_values[p]
            shared[refs[p]] += other if other < value else value


@jit
def _padded(ref_sums):
    """Append references that nothing is similar to, so that all runs are whole."""
    n_runs = (len(ref_sums) + RUN - 1) // RUN
    padded = np.ones(n_runs * RUN, np.float32)
    padded[: len(ref_sums)] = ref_sums
    return padded


@jit
def _run_may_enter(shared, padded_sums, start, row_sum, threshold):
    """Tell whether any reference of a run is more similar than `threshold`.

    The comparison is that of shared / (row_sum + ref_sum - shared) without a division,
    over a fixed length and with a narrow counter: ten times faster than otherwise.
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
def nearest_types(
    rows,
    ptr,
    cols,
    values,
    sums,
    ref_ptr,
    refs,
    ref_values,
    ref_sums,
    ref_types,
    n_best,
    drop,
):
    """Find each row's most similar types: a type is as similar as its best reference.

    Parameters
    ----------
    rows : ndarray of shape (n_rows,), dtype=uint32
        The rows to work on.
    ptr, cols, values : ndarray
        All rows in CSR form, indices unsigned.
    sums : ndarray, dtype=float32
        Their sums.
    ref_ptr, refs, ref_values : ndarray
        The references in CSC form, indices unsigned.
    ref_sums : ndarray of shape (n_references,), dtype=float32
        Their sums.
    ref_types : ndarray of shape (n_references,), dtype=int32
        Their types, ascending.
    n_best : int
        How many types are kept.
    drop : float
        Types less similar than the best by more than this may be left out.

    Returns
    -------
    types : ndarray of shape (n_rows, n_best), dtype=int32
        Types by falling similarity, the lower one first among equals; closed by -1.
    similarities : ndarray of shape (n_rows, n_best), dtype=float32
        Their weighted Jaccard similarities, 0 where there is no type.
    """
    n_refs = len(ref_sums)
    padded_sums = _padded(ref_sums)
    shared = np.zeros(len(padded_sums), np.float32)
    types = np.full((len(rows), n_best), -1, np.int32)
    similarities = np.zeros((len(rows), n_best), np.float32)
    for k in range(len(rows)):
        i = rows[k]
        row_sum = sums[i]
        if row_sum == 0.0:
            continue
        _add_minima(ptr[i], ptr[i + 1], cols, values, ref_ptr, refs, ref_values, shared)
        best_types = types[k]
        best = similarities[k]
        threshold = np.float32(0.0)
        for start in range(0, n_refs, RUN):
            stop = min(start + RUN, n_refs)
            if not _run_may_enter(shared, padded_sums, start, row_sum, threshold):
                continue
            for r in range(start, stop):
                similarity = shared[r] / (row_sum + ref_sums[r] - shared[r])
                if similarity > threshold:
                    _enter(best_types, best, ref_types[r], similarity)
                    threshold = max(best[n_best - 1], best[0] - np.float32(drop))
                    threshold = max(threshold, np.float32(0.0))
        for m in range(n_best):
            best[m] = min(best[m], np.float32(1.0))  # rounding can pass it
        shared[:] = 0.0
    return types, similarities


@jit
def _enter(best_types, best, new_type, similarity):
    """Put a type into a list that falls by similarity, or raise it if it is there."""
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
def nearest_references(
    rows,
    ptr,
    cols,
    values,
    sums,
    ref_ptr,
    refs,
    ref_values,
    ref_sums,
    ref_ids,
    n_best,
):
    """Find each row's most similar references, itself left out.

    Parameters
    ----------
    rows, ptr, cols, values, sums, ref_ptr, refs, ref_values, ref_sums
        As in `nearest_types`.
    ref_ids : ndarray of shape (n_references,), dtype=uint32
        Which row each reference is; a row is not compared with itself.
    n_best : int
        How many references are kept.

    Returns
    -------
    nearest : ndarray of shape (n_rows, n_best), dtype=int32
        Positions of references by falling similarity, the lower one first among
        equals; closed by -1.
    similarities : ndarray of shape (n_rows, n_best), dtype=float32
        Their weighted Jaccard similarities, 0 where there is no reference.
    """
    n_refs = len(ref_sums)
    padded_sums = _padded(ref_sums)
    shared = np.zeros(len(padded_sums), np.float32)
    nearest = np.full((len(rows), n_best), -1, np.int32)
    similarities = np.zeros((len(rows), n_best), np.float32)
    for k in range(len(rows)):
        i = rows[k]
        row_sum = sums[i]
        if row_sum == 0.0:
            continue
        _add_minima(ptr[i], ptr[i + 1], cols, values, ref_ptr, refs, ref_values, shared)
        best = similarities[k]
        threshold = np.float32(0.0)
        for start in range(0, n_refs, RUN):
            stop = min(start + RUN, n_refs)
            if not _run_may_enter(shared, padded_sums, start, row_sum, threshold):
                continue
            for r in range(start, stop):
                similarity = shared[r] / (row_sum + ref_sums[r] - shared[r])
                if similarity > threshold and ref_ids[r] != i:
                    _enter(nearest[k], best, np.int32(r), similarity)
                    threshold = best[n_best - 1]
        for m in range(n_best):
            best[m] = min(best[m], np.float32(1.0))
        shared[:] = 0.0
    return nearest, similarities


@jit
def vote(nearest, similarities, ref_types, n_best):
    """Let each row's most similar references vote for their types.

    The weight of a reference is log(1 + s / (1 - s)) = -log(1 - s), so that the score
    of a type, 1 - exp(-sum of weights) = 1 - product of (1 - s), lies between 0 and 1
    and is s itself where one reference votes.

    Parameters
    ----------
    nearest, similarities : ndarray of shape (n_rows, n_neighbors)
        As `nearest_references` returns them.
    ref_types : ndarray of shape (n_references,), dtype=int32
        Types of the references.
    n_best : int
        How many types are kept.

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
        by_type = np.argsort(voted[:n_voted])  # the lower wins among equals
        ranked = by_type[np.argsort(-weights[by_type], kind="mergesort")]
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
def largest_entries(ptr, cols, values):
    """Find the column of the largest entry of every row.

    Parameters
    ----------
    ptr, cols, values : ndarray
        A nonnegative matrix in CSR form, columns ascending.

    Returns
    -------
    largest : ndarray of shape (n_rows,), dtype=int32
        Columns, the lower one among equals; -1 for an empty row.
    """
    largest = np.full(len(ptr) - 1, -1, np.int32)
    for i in range(len(ptr) - 1):
        best = 0.0
        for e in range(ptr[i], ptr[i + 1]):
            if values[e] > best:
                best = values[e]
                largest[i] = cols[e]
    return largest


@jit
def similarity_to_types(
    rows,
    ptr,
    cols,
    values,
    sums,
    ref_ptr,
    refs,
    ref_values,
    ref_sums,
    ref_types,
    n_types,
):
    """Compute each row's similarity to every type, that of its best reference.

    Parameters
    ----------
    rows, ptr, cols, values, sums, ref_ptr, refs, ref_values, ref_sums, ref_types
        As in `nearest_types`.
    n_types : int
        Number of types.

    Returns
    -------
    similarities : ndarray of shape (n_rows, n_types), dtype=float32
        Weighted Jaccard similarities.
    """
    shared = np.zeros(len(ref_sums), np.float32)
    similarities = np.zeros((len(rows), n_types), np.float32)
    for k in range(len(rows)):
        i = rows[k]
        row_sum = sums[i]
        if row_sum == 0.0:
            continue
        _add_minima(ptr[i], ptr[i + 1], cols, values, ref_ptr, refs, ref_values, shared)
        for r in range(len(ref_sums)):
            similarity = shared[r] / (row_sum + ref_sums[r] - shared[r])
            similarity = min(similarity, np.float32(1.0))
            if similarity > similarities[k, ref_types[r]]:
                similarities[k, ref_types[r]] = similarity
        shared[:] = 0.0
    return similarities
