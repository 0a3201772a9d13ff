"""Kernels that count the types of a node's partners."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np

from celltyping._kernels._jit import jit

# A profile's entry: a column and its value side by side, because reading a partner's
# profile is a visit to a random place in memory, and eight entries fill a cache line.
ENTRY = np.dtype([("col", np.int32), ("value", np.float32)])


@jit
def count_types(
    start,
    stop,
    out_ptr,
    out_nodes,
    out_weights,
    in_ptr,
    in_nodes,
    in_weights,
    types,
    shares,
    n_types,
    least,
):
    """Count the types of the in-partners and the out-partners of a block of nodes.

    Parameters
    ----------
    start, stop : int
        The block holds the nodes `start` to `stop` - 1.
    out_ptr, out_nodes, out_weights : ndarray
        The graph's adjacency in CSR form.
    in_ptr, in_nodes, in_weights : ndarray
        Its transpose in CSR form.
    types : ndarray of shape (n_nodes, n_memberships), dtype=int32
        The types that each node counts in, closed by -1 where there are fewer.
    shares : ndarray of shape (n_nodes, n_memberships), dtype=float32
        How much of the node counts in each of them.
    n_types : int
        Number of types.
    least : float
        Entries under this part of a node's sum are left out, if they are also under a
        tenth of its largest: a hub may have many partner types, each a small part.

    Returns
    -------
    ptr : ndarray of shape (stop - start + 1,), dtype=int64
        Where each node's entries begin.
    cols : ndarray, dtype=int32
        Columns, ascending within a node: type c of the in-partners is column c, type c
        of the out-partners is column `n_types` + c.
    values : ndarray, dtype=float32
        Summed weights.
    """
    n_memberships = types.shape[1]
    room = 0
    for i in range(start, stop):
        room += min((in_ptr[i + 1] - in_ptr[i]) * n_memberships, n_types)
        room += min((out_ptr[i + 1] - out_ptr[i]) * n_memberships, n_types)
    ptr = np.zeros(stop - start + 1, np.int64)
    cols = np.empty(room, np.int32)
    values = np.empty(room, np.float32)
    # Sums in double precision: the order of the edges then shows in no float32 result
    # but by the rarest of roundings.
    total = np.zeros(n_types, np.float64)
    end = 0
    for i in range(start, stop):
        row_begin = end
        row_sum = 0.0
        row_max = 0.0
        for part in range(2):
            if part == 0:
                edge_ptr, partners, weights = in_ptr, in_nodes, in_weights
            else:
                edge_ptr, partners, weights = out_ptr, out_nodes, out_weights
            begin = end
            for e in range(edge_ptr[i], edge_ptr[i + 1]):
                partner = partners[e]
                weight = weights[e]
                for m in range(n_memberships):
                    c = types[partner, m]
                    if c < 0:
                        break
                    part_of_weight = weight * shares[partner, m]
                    if total[c] == 0.0 and part_of_weight > 0.0:
                        cols[end] = c
                        end += 1
                    total[c] += part_of_weight
            if 8 * (end - begin) > n_types:  # a sweep is then faster than a sort
                k = begin
                for c in range(n_types):
                    if total[c] != 0.0:
                        cols[k] = c
                        k += 1
            else:
                row = cols[begin:end]
                row[:] = row[np.argsort(row)]
            for k in range(begin, end):
                c = cols[k]
                values[k] = total[c]
                row_sum += total[c]
                row_max = max(row_max, total[c])
                total[c] = 0.0
                cols[k] = c + part * n_types
        if least > 0.0:
            bound = np.float32(min(least * row_sum, 0.1 * row_max))
            kept = row_begin
            for k in range(row_begin, end):
                if values[k] >= bound:
                    cols[kept] = cols[k]
                    values[kept] = values[k]
                    kept += 1
            end = kept
        ptr[i - start + 1] = end
    return ptr, cols[:end].copy(), values[:end].copy()


@jit
def strongest_entries(ptr, cols, values, n_keep):
    """Keep the largest entries of every row, scaled to sum to 1.

    Parameters
    ----------
    ptr, cols, values : ndarray
        A nonnegative matrix in CSR form.
    n_keep : int
        How many entries a row keeps. Among equal ones the lower column is kept.

    Returns
    -------
    entries : ndarray of shape (n_rows, n_keep), dtype=ENTRY
        Columns, closed by -1 where there are fewer, and their shares of the kept sum.
    """
    n_rows = len(ptr) - 1
    entries = np.zeros((n_rows, n_keep), ENTRY)
    kept_cols = np.empty(n_keep, np.int32)
    kept_values = np.empty(n_keep, np.float32)
    for i in range(n_rows):
        begin, end = ptr[i], ptr[i + 1]
        n_kept = _keep_strongest(
            cols[begin:end], values[begin:end], n_keep, kept_cols, kept_values, 0
        )
        total = 0.0
        for k in range(n_kept):
            total += kept_values[k]
        for k in range(n_keep):
            entries[i, k].col = kept_cols[k] if k < n_kept else -1
            entries[i, k].value = kept_values[k] / total if k < n_kept else 0.0
    return entries


@jit
def _threshold(values, n_keep):
    """Return the n_keep-th largest value, and how many equal to it are kept."""
    if len(values) <= n_keep:
        return np.float32(0.0), 0
    threshold = np.partition(values, len(values) - n_keep)[len(values) - n_keep]
    n_above = 0
    for value in values:
        if value > threshold:
            n_above += 1
    return threshold, n_keep - n_above


@jit
def _keep_strongest(cols, values, n_keep, kept_cols, kept_values, end):
    """Append a row's largest entries, by ascending column; return the new end."""
    threshold, n_at_threshold = _threshold(values, n_keep)
    begin = end
    for k in range(len(cols)):
        if values[k] > threshold:
            kept_cols[end] = cols[k]
            kept_values[end] = values[k]
            end += 1
    if n_at_threshold > 0 and threshold > 0:
        # Only equals compete for the last places: the lower columns get them.
        equal = cols[values == threshold]
        equal = equal[np.argsort(equal)]
        for k in range(n_at_threshold):
            kept_cols[end] = equal[k]
            kept_values[end] = threshold
            end += 1
    order = np.argsort(kept_cols[begin:end])
    kept_cols[begin:end] = kept_cols[begin:end][order]
    kept_values[begin:end] = kept_values[begin:end][order]
    return end


@jit
def count_partner_profiles(
    start,
    stop,
    out_ptr,
    out_nodes,
    out_weights,
    in_ptr,
    in_nodes,
    in_weights,
    profiles,
    n_cols,
    n_keep,
    masses,
):
    """Average the profiles of the in-partners and the out-partners of a block of nodes.

    Parameters
    ----------
    start, stop : int
        The block holds the nodes `start` to `stop` - 1.
    out_ptr, out_nodes, out_weights, in_ptr, in_nodes, in_weights : ndarray
        The graph, as in `count_types`.
    profiles : ndarray of shape (n_nodes, n_entries), dtype=ENTRY
        Each node's profile as `strongest_entries` returns it.
    n_cols : int
        Number of columns of a profile.
    n_keep : int
        How many entries of a node's two averages together are kept.
    masses : ndarray of shape (n_nodes,)
        What the kept entries of a node are scaled to sum to.

    Returns
    -------
    ptr, cols, values : ndarray
        As in `count_types`: the in-partners' average in the columns up to `n_cols`,
        the out-partners' in the `n_cols` columns after them.
    """
    ptr = np.zeros(stop - start + 1, np.int64)
    cols = np.empty((stop - start) * n_keep, np.int32)
    values = np.empty((stop - start) * n_keep, np.float32)
    total = np.zeros(2 * n_cols, np.float64)
    touched = np.empty(2 * n_cols, np.int32)
    averages = np.empty(2 * n_cols, np.float32)
    n_entries = profiles.shape[1]
    end = 0
    for i in range(start, stop):
        n_touched = 0
        for part in range(2):
            if part == 0:
                edge_ptr, partners, weights = in_ptr, in_nodes, in_weights
            else:
                edge_ptr, partners, weights = out_ptr, out_nodes, out_weights
            offset = np.uint32(part * n_cols)
            strength = 0.0
            for e in range(edge_ptr[i], edge_ptr[i + 1]):
                strength += weights[e]
            for e in range(edge_ptr[i], edge_ptr[i + 1]):
                partner = partners[e]
                weight = weights[e] / strength
                for m in range(n_entries):
                    entry = profiles[partner, m]
                    if entry.col < 0:
                        break
                    c = offset + np.uint32(entry.col)
                    if total[c] == 0.0:
                        touched[n_touched] = c
                        n_touched += 1
                    total[c] += weight * entry.value
        for k in range(n_touched):
            averages[k] = total[touched[k]]
            total[touched[k]] = 0.0
        end = _keep_strongest(
            touched[:n_touched], averages[:n_touched], n_keep, cols, values, end
        )
        begin = ptr[i - start]
        kept = 0.0
        for k in range(begin, end):
            kept += values[k]
        for k in range(begin, end):
            values[k] *= masses[i] / kept
        ptr[i - start + 1] = end
    return ptr, cols[:end].copy(), values[:end].copy()
