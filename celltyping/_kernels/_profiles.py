"""Type profiles of nodes: weights of edges from and to each type."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from typing import NamedTuple

import numpy as np
from joblib import delayed
from scipy import sparse

from celltyping._kernels._csr import CSRMatrix, row_sums, stack_rows
from celltyping._kernels._jit import jit
from celltyping._kernels._threads import iter_blocks

# An entry of a profile: column and value side by side, because reading the profile of a
# partner is a random memory access, and eight entries fill a cache line.
ENTRY = np.dtype([("col", np.int32), ("value", np.float32)])

# The second-order block would be dense. Of each partner's profile this many entries
# count, and of each node's average this many are kept: on the larva, keeping all gains
# about 0.1 points of accuracy.
N_PROFILE_ENTRIES = 8
N_SECOND_ORDER_ENTRIES = 32

# With soft memberships, entries under this fraction of a node's sum (and under a tenth
# of its largest entry) are left out: they are many and carry little information.
# Comparing profiles then takes a third of the time; the larva's accuracy is the same to
# within the noise of splits.
LEAST_ENTRY = 0.005


class Memberships(NamedTuple):
    """Types in which each node counts, and its share in each; -1 closes a row.

    `types` (int32) and `shares` (float32) have the shape (n_nodes, n_memberships).
    """

    types: np.ndarray
    shares: np.ndarray

    @classmethod
    def from_labels(cls, labels):
        """Let each node count in one type alone, or in none where its label is -1."""
        types = np.asarray(labels, dtype=np.int32)[:, np.newaxis]
        return cls(types, (types >= 0).astype(np.float32))

    def to_csr(self, n_types):
        """Return the shares as a sparse matrix of nodes by types, dtype float64."""
        present = self.types >= 0
        rows = np.repeat(np.arange(len(present)), present.sum(axis=1))
        return sparse.csr_array(
            (self.shares[present].astype(float), (rows, self.types[present])),
            shape=(len(present), n_types),
        )


def count_partners(graph, memberships, n_types, parallel, *, first=0):
    """Count the types of the partners of nodes, the published embedding.

    Parameters
    ----------
    graph : CSRGraph
        The edges.
    memberships : Memberships
        The types in which each node counts.
    n_types : int
        Number of types.
    parallel : joblib.Parallel
        Runs the blocks of nodes.
    first : int, default=0
        The first node.

    Returns
    -------
    counts : csr_array of shape (n_nodes - first, 2 * n_types), dtype=float32
        Weights of edges from each type, then to each type.
    """
    least = LEAST_ENTRY if memberships.types.shape[1] > 1 else 0.0
    blocks = parallel(
        delayed(count_types)(
            first + start, first + stop, graph, memberships, n_types, least
        )
        for start, stop in iter_blocks(len(memberships.types) - first)
    )
    return stack_rows(blocks, 2 * n_types)


def add_second_order(counts, graph, weight, parallel):
    """Append the mean type profile of the partners, cut to its largest entries.

    `counts` are those of `count_partners`. The result (float32) has the counts, the
    mean profile of the in-partners and that of the out-partners. `weight` is the sum of
    a node's new block, in units of the sum of its counts.
    """
    n_nodes, n_cols = counts.shape
    rows = CSRMatrix.from_scipy(counts)
    profiles = np.concatenate(
        parallel(
            delayed(strongest_entries)(start, stop, rows, N_PROFILE_ENTRIES)
            for start, stop in iter_blocks(n_nodes)
        )
    )
    masses = weight * row_sums(counts)
    blocks = parallel(
        delayed(average_profiles)(
            start, stop, graph, profiles, n_cols, N_SECOND_ORDER_ENTRIES, masses
        )
        for start, stop in iter_blocks(n_nodes)
    )
    second_order = stack_rows(blocks, 2 * n_cols)
    return sparse.hstack([counts, second_order], format="csr", dtype=np.float32)


@jit
def count_types(start, stop, graph, memberships, n_types, least):
    """Count the types of the in-partners and the out-partners of a block of nodes.

    Parameters
    ----------
    start, stop : int
        First node and end of the block.
    graph : CSRGraph
        The edges.
    memberships : Memberships
        The types in which each node counts.
    n_types : int
        Number of types.
    least : float
        Entries under this fraction of a node's sum are left out if they are also under
        a tenth of its largest: a hub may have many partner types of small shares.

    Returns
    -------
    ptr : ndarray of shape (stop - start + 1,), dtype=int64
        Start of each node's entries.
    cols : ndarray, dtype=int32
        Columns, ascending within a node: c for in-partners of type c, `n_types` + c for
        out-partners.
    values : ndarray, dtype=float32
        Summed weights.
    """
    capacity = 0
    for i in range(start, stop):
        capacity += _max_types(i, graph.incoming, memberships, n_types)
        capacity += _max_types(i, graph.outgoing, memberships, n_types)
    ptr = np.zeros(stop - start + 1, np.int64)
    cols = np.empty(capacity, np.int32)
    values = np.empty(capacity, np.float32)
    # Sums in double precision: the order of the edges then shows in no float32 result
    # but by the rarest of roundings.
    total = np.zeros(2 * n_types, np.float64)
    end = 0
    for i in range(start, stop):
        begin = end
        middle = _add_types(i, graph.incoming, memberships, 0, total, cols, begin)
        _sort_columns(total, 0, n_types, cols[begin:middle])
        end = _add_types(i, graph.outgoing, memberships, n_types, total, cols, middle)
        _sort_columns(total, n_types, n_types, cols[middle:end])
        row_sum = 0.0
        row_max = 0.0
        for k in range(begin, end):
            c = cols[k]
            values[k] = total[c]
            row_sum += total[c]
            row_max = max(row_max, total[c])
            total[c] = 0.0
        if least > 0.0:
            bound = np.float32(min(least * row_sum, 0.1 * row_max))
            end = _drop_small(cols, values, begin, end, bound)
        ptr[i - start + 1] = end
    return ptr, cols[:end].copy(), values[:end].copy()


@jit
def _max_types(i, edges, memberships, n_types):
    """Bound the number of types among the partners of a node."""
    n_edges = edges.ptr[i + 1] - edges.ptr[i]
    return min(n_edges * memberships.types.shape[1], n_types)


@jit
def _add_types(i, edges, memberships, first, total, cols, end):
    """Add the partners' types to `total` from column `first` on; list new columns."""
    for e in range(edges.ptr[i], edges.ptr[i + 1]):
        partner = edges.indices[e]
        weight = edges.values[e]
        for m in range(memberships.types.shape[1]):
            if memberships.types[partner, m] < 0:
                break
            c = first + memberships.types[partner, m]
            share_of_weight = weight * memberships.shares[partner, m]
            if total[c] == 0.0 and share_of_weight > 0.0:
                cols[end] = c
                end += 1
            total[c] += share_of_weight
    return end


@jit
def _sort_columns(total, first, n_types, cols):
    """Sort the columns with a total, which start at `first`."""
    if 8 * len(cols) > n_types:  # a sweep is then faster than a sort
        k = 0
        for c in range(first, first + n_types):
            if total[c] != 0.0:
                cols[k] = c
                k += 1
        return
    gap = 1  # Shell sort: numba takes seconds to compile `np.argsort`
    while 3 * gap < len(cols):
        gap = 3 * gap + 1
    while gap > 0:
        for k in range(gap, len(cols)):
            col = cols[k]
            while k >= gap and cols[k - gap] > col:
                cols[k] = cols[k - gap]
                k -= gap
            cols[k] = col
        gap //= 3


@jit
def _drop_small(cols, values, begin, end, bound):
    """Remove entries under a bound; return the new end."""
    kept = begin
    for k in range(begin, end):
        if values[k] >= bound:
            cols[kept] = cols[k]
            values[kept] = values[k]
            kept += 1
    return kept


@jit
def strongest_entries(start, stop, matrix, n_keep):
    """Keep the largest entries of each row, scaled to sum to 1.

    Works on rows `start` to `stop` - 1 of a nonnegative CSRMatrix. Of equal entries the
    lower column is kept. Returns an array of `ENTRY` of shape (stop - start, n_keep)
    with columns, closed by -1 where there are fewer, and shares.
    """
    entries = np.zeros((stop - start, n_keep), ENTRY)
    kept_cols = np.empty(n_keep, np.int32)
    kept_values = np.empty(n_keep, np.float32)
    for i in range(start, stop):
        begin, end = matrix.ptr[i], matrix.ptr[i + 1]
        cols, values = matrix.indices[begin:end], matrix.values[begin:end]
        n_kept = _keep_strongest(cols, values, n_keep, kept_cols, kept_values, 0)
        total = 0.0
        for k in range(n_kept):
            total += kept_values[k]
        for k in range(n_keep):
            entry = entries[i - start, k]
            entry["col"] = kept_cols[k] if k < n_kept else -1
            entry["value"] = kept_values[k] / total if k < n_kept else 0.0
    return entries


@jit
def _keep_strongest(cols, values, n_keep, kept_cols, kept_values, end):
    """Append a row's largest entries, by ascending column; return the new end.

    Of equal values, those with the lower columns are kept. Two insertion sorts: the
    kept entries are few, and numba takes seconds to compile `np.partition`.
    """
    begin = end
    for k in range(len(cols)):  # kept entries stay ordered from large to small
        col, value = cols[k], values[k]
        if end - begin == n_keep:
            last = kept_values[end - 1]
            if value < last or (value == last and col > kept_cols[end - 1]):
                continue
            end -= 1
        elif not value > 0:
            continue
        position = end
        while position > begin and (
            kept_values[position - 1] < value
            or (kept_values[position - 1] == value and kept_cols[position - 1] > col)
        ):
            kept_values[position] = kept_values[position - 1]
            kept_cols[position] = kept_cols[position - 1]
            position -= 1
        kept_cols[position], kept_values[position] = col, value
        end += 1
    for k in range(begin + 1, end):
        col, value = kept_cols[k], kept_values[k]
        position = k
        while position > begin and kept_cols[position - 1] > col:
            kept_values[position] = kept_values[position - 1]
            kept_cols[position] = kept_cols[position - 1]
            position -= 1
        kept_cols[position], kept_values[position] = col, value
    return end


@jit
def average_profiles(start, stop, graph, profiles, n_cols, n_keep, masses):
    """Average the profiles of the in-partners and the out-partners of a block of nodes.

    Parameters
    ----------
    start, stop : int
        First node and end of the block.
    graph : CSRGraph
        The edges.
    profiles : ndarray of shape (n_nodes, n_entries), dtype=ENTRY
        Profiles of all nodes as `strongest_entries` returns them.
    n_cols : int
        Number of columns of a profile.
    n_keep : int
        Maximum number of entries of both averages of a node together.
    masses : ndarray of shape (n_nodes,)
        Sum to which the kept entries of a node are scaled.

    Returns
    -------
    ptr, cols, values : ndarray
        As in `count_types`: the in-partners' average in columns up to `n_cols`, the
        out-partners' in the `n_cols` columns after them.
    """
    ptr = np.zeros(stop - start + 1, np.int64)
    cols = np.empty((stop - start) * n_keep, np.int32)
    values = np.empty((stop - start) * n_keep, np.float32)
    total = np.zeros(2 * n_cols, np.float64)
    touched = np.empty(2 * n_cols, np.int32)
    averages = np.empty(2 * n_cols, np.float32)
    end = 0
    for i in range(start, stop):
        n = _add_profiles(i, graph.incoming, profiles, 0, total, touched, 0)
        n = _add_profiles(i, graph.outgoing, profiles, n_cols, total, touched, n)
        for k in range(n):
            averages[k] = total[touched[k]]
            total[touched[k]] = 0.0
        begin = end
        end = _keep_strongest(touched[:n], averages[:n], n_keep, cols, values, end)
        kept = 0.0
        for k in range(begin, end):
            kept += values[k]
        for k in range(begin, end):
            values[k] *= masses[i] / kept
        ptr[i - start + 1] = end
    return ptr, cols[:end].copy(), values[:end].copy()


@jit
def _add_profiles(i, edges, profiles, first, total, touched, n_touched):
    """Add the partners' mean profile to `total` from `first` on; list new columns."""
    strength = 0.0
    for e in range(edges.ptr[i], edges.ptr[i + 1]):
        strength += edges.values[e]
    for e in range(edges.ptr[i], edges.ptr[i + 1]):
        partner = edges.indices[e]
        weight = edges.values[e] / strength
        for m in range(profiles.shape[1]):
            entry = profiles[partner, m]
            if entry["col"] < 0:
                break
            c = np.uint32(first) + np.uint32(entry["col"])
            if total[c] == 0.0:
                touched[n_touched] = c
                n_touched += 1
            total[c] += weight * entry["value"]
    return n_touched
