"""The steps of NTAC on plain arrays: embed, score, share out, agree.

Every step is a function of a block of nodes and of arrays that nobody writes to, and
returns its block's answer. So blocks run on threads, in processes or on a cluster, in
any number, and give the same answer to the bit.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from typing import NamedTuple

import numpy as np
from joblib import delayed
from scipy import sparse

from celltyping._kernels._profiles import (
    count_partner_profiles,
    count_types,
    strongest_entries,
)
from celltyping._kernels._similarity import (
    largest_entries,
    nearest_references,
    nearest_types,
    similarity_to_types,
    vote,
)

# Nodes per block: small enough to balance the load, large enough that a block's start
# (an array of one float per reference) does not show.
BLOCK = 1024

# When all nodes are references, they are taken this many at a time, so that one float
# for each stays in the processor's first cache.
TILE = 4096

# The second-order block would be dense. Of each partner's profile these many entries
# count, and of each node's average these many are kept: on the larva, keeping all
# gains about 0.1 points of accuracy.
N_PROFILE_ENTRIES = 8
N_SECOND_ORDER_ENTRIES = 32

# A type whose share would be under this part of the best one's is left out.
LEAST_SHARE = 0.1

# With soft memberships, entries under this part of a node's sum (and under a tenth of
# its largest) are left out: they are many and say little. Comparing profiles then takes
# a third of the time; the larva's accuracy is the same to within the noise of splits.
LEAST_ENTRY = 0.005

# How many of the most similar nodes a node agrees with, see `agree`.
N_PEERS = 2


# An id that no row has.
NOBODY = np.iinfo(np.uint32).max


class Edges(NamedTuple):
    """A graph as two CSR matrices, by source and by target."""

    out_ptr: np.ndarray
    out_nodes: np.ndarray
    out_weights: np.ndarray
    in_ptr: np.ndarray
    in_nodes: np.ndarray
    in_weights: np.ndarray

    @classmethod
    def from_csr(cls, adjacency, transpose):
        """Take the arrays of an adjacency and its transpose, without copies."""
        return cls(
            _unsigned(adjacency.indptr),
            _unsigned(adjacency.indices),
            adjacency.data,
            _unsigned(transpose.indptr),
            _unsigned(transpose.indices),
            transpose.data,
        )


class Memberships(NamedTuple):
    """The types that each node counts in and how much of it; -1 closes a row."""

    types: np.ndarray
    shares: np.ndarray


class References(NamedTuple):
    """The rows that others are compared with, by column."""

    ptr: np.ndarray
    rows: np.ndarray
    values: np.ndarray
    sums: np.ndarray
    types: np.ndarray
    ids: np.ndarray


def _unsigned(indices):
    """View an index array as unsigned; numba then leaves out a check per access."""
    return indices.view(np.dtype(f"u{indices.dtype.itemsize}"))


def _map_blocks(parallel, function, n, *args):
    """Call `function(start, stop, *args)` on blocks of `range(n)`, in order."""
    return parallel(
        delayed(function)(start, min(start + BLOCK, n), *args)
        for start in range(0, n, BLOCK)
    )


def _map_rows(parallel, kernel, rows, matrix, sums, *args):
    """Call a kernel of `_similarity` on blocks of `rows`, and join the answers."""
    rows = np.asarray(rows, dtype=np.uint32)
    query = (_unsigned(matrix.indptr), _unsigned(matrix.indices), matrix.data, sums)
    blocks = parallel(
        delayed(kernel)(rows[start : start + BLOCK], *query, *args)
        for start in range(0, max(len(rows), 1), BLOCK)
    )
    if isinstance(blocks[0], tuple):
        return tuple(np.concatenate(parts) for parts in zip(*blocks, strict=True))
    return np.concatenate(blocks)


def _join_rows(blocks, n_cols):
    """Put blocks of CSR rows under one another."""
    counts = np.concatenate([np.diff(ptr) for ptr, _, _ in blocks])
    ptr = np.concatenate([[0], np.cumsum(counts)])
    if ptr[-1] <= np.iinfo(np.int32).max:
        ptr = ptr.astype(np.int32)
    cols = np.empty(ptr[-1], dtype=np.int32)
    values = np.empty(ptr[-1], dtype=np.float32)
    end = int(ptr[-1])
    while blocks:  # from the last one, each freed as soon as it is copied
        _, block_cols, block_values = blocks.pop()
        begin = end - len(block_cols)
        cols[begin:end], values[begin:end] = block_cols, block_values
        end = begin
    return sparse.csr_array((values, cols, ptr), shape=(len(counts), n_cols))


def count_partners(edges, memberships, n_types, parallel):
    """Count the types of every node's partners, the published embedding.

    Parameters
    ----------
    edges : Edges
        The graph.
    memberships : Memberships
        The types that each node counts in.
    n_types : int
        Number of types.
    parallel : joblib.Parallel
        What runs the blocks.

    Returns
    -------
    counts : csr_array of shape (n_nodes, 2 * n_types), dtype=float32
        Types of the in-partners, then of the out-partners.
    """
    n_nodes = len(edges.out_ptr) - 1
    least = LEAST_ENTRY if memberships.types.shape[1] > 1 else 0.0
    blocks = _map_blocks(
        parallel, count_types, n_nodes, *edges, *memberships, n_types, least
    )
    return _join_rows(blocks, 2 * n_types)


def add_second_order(counts, edges, weight, parallel):
    """Append the mean type profile of the partners, cut to its strongest entries.

    Parameters
    ----------
    counts : csr_array of shape (n_nodes, n_cols)
        As `count_partners` returns them.
    edges : Edges
        The graph.
    weight : float
        Sum of a node's new block, in units of the sum of its counts.
    parallel : joblib.Parallel
        What runs the blocks.

    Returns
    -------
    embedding : csr_array of shape (n_nodes, 3 * n_cols), dtype=float32
        The counts, the mean profile of the in-partners, that of the out-partners.
    """
    n_nodes, n_cols = counts.shape
    profiles = parallel(
        delayed(strongest_entries)(
            counts.indptr[start : start + BLOCK + 1],
            counts.indices,
            counts.data,
            N_PROFILE_ENTRIES,
        )
        for start in range(0, n_nodes, BLOCK)
    )
    blocks = _map_blocks(
        parallel,
        count_partner_profiles,
        n_nodes,
        *edges,
        np.concatenate(profiles),
        n_cols,
        N_SECOND_ORDER_ENTRIES,
        weight * row_sums(counts),
    )
    return sparse.hstack(
        [counts, _join_rows(blocks, 2 * n_cols)], format="csr", dtype=np.float32
    )


def row_sums(matrix):
    """Sum the rows of a sparse matrix in double precision; give float32 back."""
    return (matrix @ np.ones(matrix.shape[1])).astype(np.float32)


def gather_references(matrix, rows, types):
    """Collect the rows that others are compared with, by column.

    Parameters
    ----------
    matrix : csr_array of shape (n_nodes, n_cols)
        The embedding.
    rows : ndarray of shape (n_references,)
        Which rows are references, in ascending order of their types.
    types : ndarray of shape (n_references,)
        Their types.

    Returns
    -------
    references : References
        What the kernels of `_similarity` need.
    """
    chosen = matrix[rows]
    by_column = chosen.tocsc()
    return References(
        _unsigned(by_column.indptr),
        _unsigned(by_column.indices),
        by_column.data,
        row_sums(chosen),
        np.asarray(types, dtype=np.int32),
        np.asarray(rows, dtype=np.uint32),
    )


def score_types(rows, matrix, sums, references, n_neighbors, n_best, drop, parallel):
    """Find each row's best types and their scores.

    Parameters
    ----------
    rows : ndarray
        The rows to score.
    matrix : csr_array of shape (n_nodes, n_cols)
        The embedding.
    sums : ndarray of shape (n_nodes,)
        Its row sums.
    references : References
        The labelled rows.
    n_neighbors : int
        1: a type scores the similarity of its best reference. More: the `n_neighbors`
        best references vote, see `_similarity.vote`.
    n_best : int
        How many types are kept.
    drop : float
        Types that score less than the best by more than this may be left out.
    parallel : joblib.Parallel
        What runs the blocks.

    Returns
    -------
    types : ndarray of shape (n_rows, n_best), dtype=int32
        Types by falling score, closed by -1.
    scores : ndarray of shape (n_rows, n_best), dtype=float32
        Their scores, between 0 and 1.
    """
    refs = (references.ptr, references.rows, references.values, references.sums)
    if n_neighbors == 1:
        return _map_rows(
            parallel,
            nearest_types,
            rows,
            matrix,
            sums,
            *refs,
            references.types,
            n_best,
            drop,
        )
    nearest = _map_rows(
        parallel,
        nearest_references,
        rows,
        matrix,
        sums,
        *refs,
        np.full_like(references.ids, NOBODY),  # no row scored is a reference
        n_neighbors,
    )
    return vote(*nearest, references.types, n_best)


def share_out(types, scores, sharpness):
    """Turn the scores of each row's best types into shares that sum to 1.

    Parameters
    ----------
    types : ndarray of shape (n_rows, n_best)
        As `score_types` returns them.
    scores : ndarray of shape (n_rows, n_best)
        Their scores.
    sharpness : float
        A share is proportional to exp(sharpness * score).

    Returns
    -------
    memberships : Memberships
        Shares that sum to 1 in each row that has a type, those under `LEAST_SHARE` of
        the best left out.
    """
    below_best = scores.astype(np.float64) - scores[:, :1]
    shares = np.exp(sharpness * below_best).astype(np.float32)
    left_out = (types < 0) | (shares < LEAST_SHARE)
    shares[left_out] = 0.0
    total = shares.sum(axis=1, keepdims=True)
    shares = np.divide(shares, total, out=shares, where=total > 0)
    return Memberships(np.where(left_out, np.int32(-1), types), shares)


def agree(matrix, rows, probabilities, weight, parallel):
    """Mix each row's type probabilities with those of its most similar nodes.

    Twins (the same neuron on the other side of the brain, or a neighbour of the same
    type) are wired more alike than any labelled node may be. Each row's `N_PEERS` most
    similar nodes, labelled or not, count by the square of their similarity.

    Parameters
    ----------
    matrix : csr_array of shape (n_nodes, n_cols)
        The embedding.
    rows : ndarray of shape (n_rows,)
        The nodes that agree; others keep their probabilities.
    probabilities : csr_array of shape (n_nodes, n_types)
        Type probabilities; an empty row has none.
    weight : float
        The part that the similar nodes have in the mixture.
    parallel : joblib.Parallel
        What runs the blocks.

    Returns
    -------
    probabilities : csr_array of shape (n_nodes, n_types)
        The mixtures. A row is empty where a node and its peers have no probabilities.
    """
    n_nodes = matrix.shape[0]
    everyone = np.arange(n_nodes)
    peers, similarities = _find_peers(matrix, rows, parallel)
    strength = np.where(peers >= 0, similarities.astype(np.float64) ** 2, 0.0)
    total = strength.sum(axis=1, keepdims=True)
    strength = np.divide(strength, total, out=strength, where=total > 0)
    own = np.ones(n_nodes)
    own[rows] = np.where(total[:, 0] > 0, 1.0 - weight, 1.0)
    mixing = sparse.csr_array(
        (
            np.concatenate([own, weight * strength[peers >= 0]]),
            (
                np.concatenate([everyone, np.repeat(rows, (peers >= 0).sum(axis=1))]),
                np.concatenate([everyone, peers[peers >= 0]]),
            ),
        ),
        shape=(n_nodes, n_nodes),
    )
    return normalize_rows(mixing @ probabilities)


def _find_peers(matrix, rows, parallel):
    """Find the `N_PEERS` rows of the whole matrix that are most similar to each row."""
    n_nodes = matrix.shape[0]
    sums = row_sums(matrix)
    found = []
    for start in range(0, n_nodes, TILE):
        tile = np.arange(start, min(start + TILE, n_nodes))
        references = gather_references(matrix, tile, tile)
        nearest, similarities = _map_rows(
            parallel,
            nearest_references,
            rows,
            matrix,
            sums,
            references.ptr,
            references.rows,
            references.values,
            references.sums,
            references.ids,
            N_PEERS,
        )
        found.append((np.where(nearest >= 0, nearest + start, -1), similarities))
    peers, similarities = (
        np.concatenate(parts, axis=1) for parts in zip(*found, strict=True)
    )
    best = np.argsort(-similarities, axis=1, kind="stable")[:, :N_PEERS]
    return (
        np.take_along_axis(peers, best, axis=1),
        np.take_along_axis(similarities, best, axis=1),
    )


def normalize_rows(matrix):
    """Scale the rows of a nonnegative CSR matrix to sum to 1; empty ones stay empty."""
    matrix = sparse.csr_array(matrix)
    matrix.sum_duplicates()
    total = matrix @ np.ones(matrix.shape[1])
    total[total == 0] = 1.0
    counts = np.diff(matrix.indptr)
    data = matrix.data / np.repeat(total, counts)
    return sparse.csr_array((data, matrix.indices, matrix.indptr), shape=matrix.shape)


def to_csr(memberships, n_types):
    """Write memberships as a sparse matrix of nodes by types."""
    present = memberships.types >= 0
    rows = np.repeat(np.arange(len(present)), present.sum(axis=1))
    return sparse.csr_array(
        (memberships.shares[present].astype(float), (rows, memberships.types[present])),
        shape=(len(present), n_types),
    )


def most_likely(probabilities):
    """Find the most probable type of each row, -1 where there is none."""
    return largest_entries(
        probabilities.indptr, probabilities.indices, probabilities.data
    )


def score_all_types(rows, matrix, sums, references, n_types, parallel):
    """Compute the similarity of rows to every type, as a dense table.

    Parameters
    ----------
    rows, matrix, sums, references, parallel
        As in `score_types`.
    n_types : int
        Number of types.

    Returns
    -------
    similarities : ndarray of shape (n_rows, n_types), dtype=float32
        Similarity to each type's best reference.
    """
    return _map_rows(
        parallel,
        similarity_to_types,
        rows,
        matrix,
        sums,
        references.ptr,
        references.rows,
        references.values,
        references.sums,
        references.types,
        n_types,
    )
