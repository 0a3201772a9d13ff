"""Reference implementations of the kernels: dense, row by row, slow.

Where the data are small whole numbers, as `graphs` and `tables` draw them, float32
sums are exact and ties are ties, so the fast kernels must agree with them to the last
bit, order included.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse

from celltyping._kernels import _profiles
from celltyping._kernels._csr import CSRGraph
from celltyping.connectome._affinity import GraphInput


def small_numbers(shape):
    """Draw a float32 matrix of small whole numbers, most of them 0."""
    numbers = st.integers(0, 4).map(float)
    return arrays(np.float32, shape, elements=numbers, fill=st.just(np.float32(0)))


@st.composite
def graphs(draw, max_nodes=12):
    """Draw a dense adjacency matrix."""
    n_nodes = draw(st.integers(1, max_nodes))
    return draw(small_numbers((n_nodes, n_nodes)))


@st.composite
def tables(draw, min_rows=0, max_rows=12, max_cols=5):
    """Draw a dense nonnegative table."""
    n_rows, n_cols = (
        draw(st.integers(min_rows, max_rows)),
        draw(st.integers(1, max_cols)),
    )
    return draw(small_numbers((n_rows, n_cols)))


@st.composite
def memberships(draw, n_nodes, n_types, n_memberships=3):
    """Draw types and shares per node; shares are sums of powers of 1/2."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    types = np.full((n_nodes, n_memberships), -1, np.int32)
    shares = np.zeros((n_nodes, n_memberships), np.float32)
    for i in range(n_nodes):
        n_own = rng.integers(0, min(n_memberships, n_types) + 1)
        types[i, :n_own] = rng.permutation(n_types)[:n_own]
        shares[i, :n_own] = rng.integers(1, 9, n_own) / 8
    return types, shares


def closed(*arrays_):
    """Close arrays for writing, so that a kernel that writes to them fails."""
    for array in arrays_:
        array.flags.writeable = False
    return arrays_ if len(arrays_) > 1 else arrays_[0]


def as_csr(table, index_dtype=np.int32):
    """Return a table as CSR whose arrays are closed for writing."""
    matrix = sparse.csr_array(np.asarray(table, dtype=np.float32))
    matrix.indices = matrix.indices.astype(index_dtype)
    matrix.indptr = matrix.indptr.astype(index_dtype)
    closed(matrix.data, matrix.indices, matrix.indptr)
    return matrix


def as_graph(adjacency, index_dtype=np.int32):
    """Return a dense adjacency matrix as a CSRGraph."""
    transpose = np.ascontiguousarray(adjacency.T)
    return CSRGraph.from_scipy(
        as_csr(adjacency, index_dtype), as_csr(transpose, index_dtype)
    )


def as_graph_input(adjacency, features=None, index_dtype=np.int32):
    """Return a dense adjacency matrix and dense node features as a GraphInput."""
    n_nodes = len(adjacency)
    features = np.zeros((n_nodes, 0)) if features is None else features
    tables = adjacency, np.ascontiguousarray(np.transpose(adjacency)), features
    matrices = [as_csr(table, index_dtype) for table in tables]
    return GraphInput(*matrices, in_view=np.arange(n_nodes))


def as_entries(table, n_keep):
    """Write a dense table of shares as an array of `_profiles.ENTRY`."""
    entries = np.zeros((len(table), n_keep), _profiles.ENTRY)
    entries["col"] = -1
    for i, row in enumerate(table):
        cols = np.flatnonzero(row)
        entries["col"][i, : len(cols)] = cols
        entries["value"][i, : len(cols)] = row[cols]
    return closed(entries)


def from_entries(entries, n_cols):
    """Write an array of `_profiles.ENTRY` as a dense table."""
    table = np.zeros((len(entries), n_cols))
    for i, row in enumerate(entries):
        for col, value in row:
            if col >= 0:
                table[i, col] += value
    return table


def from_blocks(ptr, cols, values, n_cols):
    """Write CSR parts as a dense table; no column may stand twice in a row."""
    table = np.zeros((len(ptr) - 1, n_cols))
    for i in range(len(ptr) - 1):
        own = cols[ptr[i] : ptr[i + 1]]
        assert len(set(own.tolist())) == len(own)
        table[i, own] = values[ptr[i] : ptr[i + 1]]
    return table


def one_hot(types, shares, n_types):
    """Write memberships as a dense table of nodes by types."""
    table = np.zeros((len(types), n_types))
    for i, row in enumerate(types):
        for c, share in zip(row, shares[i], strict=True):
            if c >= 0:
                table[i, c] += share
    return table


def count_partners(adjacency, types, shares, n_types, least=0.0):
    """Multiply the adjacency and its transpose with the memberships.

    Entries under the part `least` of their row's sum, and under a tenth of its largest,
    are left out.
    """
    members = one_hot(types, shares, n_types)
    adjacency = adjacency.astype(float)
    counts = np.hstack([adjacency.T @ members, adjacency @ members])
    bounds = np.minimum(least * counts.sum(axis=1), 0.1 * counts.max(axis=1))
    counts[counts < bounds.astype(np.float32)[:, np.newaxis]] = 0
    return counts


def strongest(table, n_keep):
    """Keep the largest entries of each row, the lower column among equals."""
    result = np.zeros_like(table)
    for i, row in enumerate(table):
        kept = np.argsort(-row, kind="stable")[:n_keep]
        result[i, kept] = row[kept]
    return result


def shares_of(table):
    """Scale rows to sum to 1; empty ones stay empty."""
    table = np.asarray(table, dtype=float)
    total = table.sum(axis=1, keepdims=True)
    return np.divide(table, total, out=np.zeros_like(table), where=total > 0)


def average_profiles(adjacency, profiles, n_keep, masses):
    """Average the partners' profiles, keep the strongest, scale to the masses."""
    averages = []
    for edges_of in (adjacency.T, adjacency):
        average = np.zeros((len(adjacency), profiles.shape[1]))
        for i, row in enumerate(edges_of.astype(float)):
            for partner in np.flatnonzero(row):  # one by one, for the same roundings
                average[i] += row[partner] / row.sum() * profiles[partner]
        averages.append(average)
    kept = strongest(np.hstack(averages).astype(np.float32), n_keep)
    return shares_of(kept) * np.asarray(masses)[:, np.newaxis]


def second_order(counts, adjacency, weight, n_entries, n_keep):
    """Append the mean profile of the partners to the counts."""
    counts = counts.astype(np.float32)
    profiles = shares_of(strongest(counts, n_entries)).astype(np.float32)
    masses = weight * counts.sum(axis=1)
    block = average_profiles(adjacency, profiles, n_keep, masses)
    return np.hstack([counts, block])


def jaccard(rows, references):
    """Compute sum of minima / sum of maxima, 0 where both rows are empty."""
    result = np.zeros((len(rows), len(references)), np.float32)
    for i, row in enumerate(np.asarray(rows, dtype=float)):
        for j, reference in enumerate(np.asarray(references, dtype=float)):
            union = np.maximum(row, reference).sum()
            if union > 0:
                result[i, j] = np.minimum(row, reference).sum() / union
    return result


def best_per_type(similarities, ref_types, n_types):
    """Take the largest similarity to a reference of each type."""
    result = np.zeros((len(similarities), n_types), np.float32)
    for j, c in enumerate(ref_types):
        result[:, c] = np.maximum(result[:, c], similarities[:, j])
    return result


def top_list(scores, n_best):
    """List the columns by falling score, the lower among equals; -1 closes a row."""
    columns = np.full((len(scores), n_best), -1, np.int32)
    values = np.zeros((len(scores), n_best), np.float32)
    for i, row in enumerate(scores):
        best = [c for c in np.argsort(-row, kind="stable") if row[c] > 0][:n_best]
        columns[i, : len(best)] = best
        values[i, : len(best)] = row[best]
    return columns, values


def vote(similarities, ref_types, n_neighbors, n_types):
    """Compute 1 - product of (1 - s) over the nearest references of each type."""
    nearest, values = top_list(similarities, n_neighbors)
    scores = np.zeros((len(similarities), n_types))
    for i, row in enumerate(nearest):
        for r, s in zip(row, values[i], strict=True):
            if r >= 0:
                left = (1 - scores[i, ref_types[r]]) * max(1 - float(s), 1e-5)
                scores[i, ref_types[r]] = 1 - left
    return scores


def smooth_over_neighbors(counts, rows, probabilities, weight, n_neighbors):
    """Mix the probabilities of rows with those of their most similar nodes."""
    similarities = jaccard(counts, counts)
    np.fill_diagonal(similarities, 0)
    neighbors, values = top_list(similarities, n_neighbors)
    result = probabilities.copy()
    for i in rows:
        found = neighbors[i] >= 0
        if found.any():
            strength = values[i, found].astype(float) ** 2
            theirs = strength @ probabilities[neighbors[i, found]] / strength.sum()
            result[i] = (1 - weight) * probabilities[i] + weight * theirs
    return shares_of(result)
