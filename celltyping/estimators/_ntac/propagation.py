"""Label propagation by type profiles (NTAC with seeds), as functions on arrays.

Each stage computes blocks of nodes from arrays that it does not write to. So blocks may
run on threads, in processes or on a cluster, in any number, and the result is the same
to the bit.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from typing import NamedTuple

import numpy as np
from joblib import delayed
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from celltyping._kernels._csr import CSRGraph, CSRMatrix
from celltyping._kernels._profiles import (
    Memberships,
    add_second_order,
    count_partners,
)
from celltyping._kernels._similarity import (
    References,
    Rows,
    largest_entries,
    nearest_types,
    similarity_to_types,
    vote,
)
from celltyping._kernels._threads import iter_blocks
from celltyping._utils._progress import progress_bar

# The second-order block joins when at most this fraction of the nodes changes in a
# step, or no fewer than in the step before. Earlier, it would repeat first guesses, at
# the highest cost and without a gain.
SETTLED = 0.05

# While more than this fraction of the nodes changes in a step, each node counts in its
# best type alone: its other types are not informative yet, and comparing would take
# twice as long.
UNSETTLED = 0.5

# Share with which a partner of unknown type counts, in a column of its own.
UNTYPED_SHARE = 1.0

# A type whose share would be under this fraction of the best type's is left out.
LEAST_SHARE = 0.1

# When all nodes are references, they are taken this many at a time, so that one float
# for each stays in the processor's first cache.
TILE = 4096

# Number of most similar nodes whose probabilities a node is smoothed over.
N_NEIGHBORS = 2


class Settings(NamedTuple):
    """Parameters of `propagate`, as in `NtacClassifier`."""

    n_neighbors: int
    membership: str
    sharpness: float
    max_memberships: int
    second_order_weight: float
    consensus_weight: float
    damping: float
    max_iter: int
    tol: float
    verbose: bool


class Seeds(NamedTuple):
    """The labelled nodes of a graph, and the number of types."""

    codes: np.ndarray  # type of each node, -1 where it is unknown
    labelled: np.ndarray  # nodes by ascending type, as the kernels expect
    unlabelled: np.ndarray
    reachable: np.ndarray  # per node, whether its component has a labelled node
    n_types: int


class Propagation(NamedTuple):
    """Types of all nodes, and the arrays that new rows are compared with."""

    types: np.ndarray  # most probable type of each node
    probabilities: sparse.csr_array  # (n_nodes, n_types); a row may be empty
    prior: np.ndarray  # probabilities for an empty row
    changed: list  # per step, the fraction of nodes that changed type
    similarity: list  # per step, the mean score of the best types
    rows: Rows  # embedding of all nodes
    references: References  # embedding of the labelled nodes
    members: sparse.csr_array  # (n_nodes, n_types + 1), as counted in the last step
    out_references: References  # out-part of the labelled nodes' embedding
    sharpness: float  # inverse temperature for the scores of new rows


def propagate(graph, codes, prior, settings, parallel):
    """Type the unlabelled nodes of a graph.

    Parameters
    ----------
    graph : GraphInput
        Edges and node features.
    codes : ndarray of shape (n_nodes,), dtype=int32
        Type of each node, -1 where it is unknown.
    prior : ndarray of shape (n_types,)
        Probabilities of the types for nodes that are similar to no labelled one.
    settings : Settings
        Parameters.
    parallel : joblib.Parallel
        Runs the blocks of nodes.

    Returns
    -------
    result : Propagation
        Types, probabilities, and arrays for the prediction of new rows.
    """
    seeds = _find_seeds(graph.adjacency, codes, len(prior))
    edges = CSRGraph.from_scipy(graph.adjacency, graph.transpose)
    is_soft = settings.membership == "soft"
    n_best = min(settings.max_memberships, seeds.n_types) if is_soft else 1
    best = np.full((len(seeds.unlabelled), n_best), -1, dtype=np.int32)
    scores = np.zeros(best.shape, dtype=np.float32)
    counts = None
    settled = settings.second_order_weight == 0
    rate, last_changed, changed, similarity = 1.0 - settings.damping, 1.0, [], []
    with progress_bar(
        settings.max_iter, description="NTAC steps", verbose=settings.verbose
    ) as bar:
        for _ in range(settings.max_iter):
            n = 1 if last_changed > UNSETTLED else n_best
            members = _memberships(best[:, :n], scores[:, :n], seeds, settings)
            _count_untyped(members, seeds)
            if rate == 1:  # the old embedding has no weight: free it first
                counts = rows = references = None
            counts = _update_counts(counts, edges, members, seeds, rate, parallel)
            weight = settings.second_order_weight if settled else 0
            rows, references = _embed(
                counts, edges, graph.features, weight, seeds, parallel
            )
            old_types = best[:, 0]
            best, scores = score_types(
                seeds.unlabelled, rows, references, n_best, settings, parallel
            )
            n_changed = np.count_nonzero(best[:, 0] != old_types)
            changed.append(float(n_changed / len(codes)))
            similarity.append(float(scores[:, 0].mean()) if len(scores) else 1.0)
            bar.update()
            bar.set_postfix(changed=f"{changed[-1]:.2%}")
            if settled and changed[-1] <= settings.tol:
                break
            if settled and changed[-1] >= last_changed:
                rate /= 2
            settled = settled or changed[-1] <= SETTLED or changed[-1] >= last_changed
            last_changed = changed[-1]
    out_counts = counts[seeds.labelled][:, seeds.n_types + 1 :]
    out_references = References.from_scipy(out_counts, codes[seeds.labelled])
    members = members.to_csr(seeds.n_types + 1)
    del counts
    if not is_soft:  # the steps need the best types alone
        n_best = min(settings.max_memberships, seeds.n_types)
        best, scores = score_types(
            seeds.unlabelled, rows, references, n_best, settings, parallel
        )
    probabilities = _find_probabilities(best, scores, edges, seeds, settings, parallel)
    return Propagation(
        most_likely(probabilities, prior),
        probabilities,
        prior,
        changed,
        similarity,
        rows,
        references,
        members,
        out_references,
        _scale_sharpness(settings.sharpness, scores),
    )


def embed_members(members, graph, codes, settings, parallel):
    """Describe all nodes by given Memberships.

    Returns the Rows of all nodes and the References of the labelled ones, with the
    second-order block and the node features. Other parameters are those of `propagate`.
    """
    n_types = int(codes.max()) + 1
    seeds = _find_seeds(graph.adjacency, codes, n_types)
    edges = CSRGraph.from_scipy(graph.adjacency, graph.transpose)
    _count_untyped(members, seeds)
    counts = count_partners(edges, members, n_types + 1, parallel)
    weight = settings.second_order_weight
    return _embed(counts, edges, graph.features, weight, seeds, parallel)


def _find_seeds(adjacency, codes, n_types):
    """Sort the nodes by type, and find those that are connected to a labelled one."""
    order = np.argsort(codes, kind="stable")
    unlabelled, labelled = np.split(order, [np.count_nonzero(codes < 0)])
    # In a component without a labelled node, being untyped carries no information.
    _, component = connected_components(adjacency, connection="weak")
    reachable = np.isin(component, component[labelled])
    return Seeds(codes, labelled, unlabelled, reachable, n_types)


def _memberships(best, scores, seeds, settings, soft=False):
    """Return the types in which all nodes count, labelled or not."""
    if soft or settings.membership == "soft":
        sharpness = _scale_sharpness(settings.sharpness, scores)
        own = softmax_memberships(best, scores, sharpness)
    else:
        own = Memberships.from_labels(best[:, 0])
    types = np.full((len(seeds.codes), own.types.shape[1]), -1, dtype=np.int32)
    types[:, 0] = seeds.codes
    shares = np.zeros(types.shape, dtype=np.float32)
    shares[seeds.labelled, 0] = 1.0
    types[seeds.unlabelled], shares[seeds.unlabelled] = own
    return Memberships(types, shares)


def _count_untyped(members, seeds):
    """Let nodes without a known type count in a last column of their own."""
    untyped = seeds.reachable & (members.types[:, 0] < 0)
    members.types[untyped, 0] = seeds.n_types
    members.shares[untyped, 0] = UNTYPED_SHARE


def _scale_sharpness(sharpness, scores):
    """Divide the inverse temperature by the mean score of the best types."""
    scored = scores[:, 0] > 0
    if not scored.any():
        return sharpness
    return sharpness / float(scores[scored, 0].mean(dtype=float))


def _update_counts(counts, edges, members, seeds, rate, parallel):
    """Count the partners; with `rate` below 1, average with the old counts."""
    new_counts = count_partners(edges, members, seeds.n_types + 1, parallel)
    if counts is None:
        return new_counts
    rate = np.float32(rate)
    return sparse.csr_array((1 - rate) * counts + rate * new_counts)


def _embed(counts, edges, features, weight, seeds, parallel):
    """Join counts, second-order block (none if `weight` is 0) and node features."""
    embedding = counts
    if weight > 0:
        embedding = add_second_order(counts, edges, weight, parallel)
    embedding = sparse.hstack([embedding, features], format="csr")
    references = References.from_scipy(
        embedding[seeds.labelled], seeds.codes[seeds.labelled]
    )
    return Rows.from_scipy(embedding), references


def _find_probabilities(best, scores, edges, seeds, settings, parallel):
    """Return the memberships, smoothed over neighbours where they are not certain."""
    members = _memberships(best, scores, seeds, settings, soft=True)
    probabilities = members.to_csr(seeds.n_types)
    if settings.consensus_weight == 0:
        return probabilities
    types = seeds.codes.copy()
    types[seeds.unlabelled] = best[:, 0]
    hard = Memberships.from_labels(types)
    counts = count_partners(edges, hard, seeds.n_types, parallel)
    uncertain = np.flatnonzero(members.types[:, 1:2].ravel() >= 0)
    return smooth_over_neighbors(
        counts, uncertain, probabilities, settings.consensus_weight, parallel
    )


def score_types(chosen, rows, references, n_best, settings, parallel):
    """Find the best types of rows and their scores.

    With one neighbour, the score of a type is the similarity of its best reference;
    with more, the best references vote, see `_similarity.vote`.

    Parameters
    ----------
    chosen : ndarray of shape (n_chosen,)
        Indices of the rows to score.
    rows, references : Rows, References
        The embedding of all rows and of the labelled ones.
    n_best : int
        Maximum number of types. Those without a share may be left out.
    settings, parallel
        As in `propagate`.

    Returns
    -------
    types : ndarray of shape (n_chosen, n_best), dtype=int32
        Types by falling score, closed by -1.
    scores : ndarray of shape (n_chosen, n_best), dtype=float32
        Their scores, between 0 and 1.
    """
    if settings.n_neighbors == 1:
        drop = np.log(1 / LEAST_SHARE) / settings.sharpness  # scores are at most 1
        return _map_rows(
            parallel, nearest_types, chosen, rows, references, n_best, drop
        )
    each = references._replace(types=np.arange(len(references.types), dtype=np.int32))
    n_neighbors = min(settings.n_neighbors, len(references.types))
    nearest = _map_rows(
        parallel, nearest_types, chosen, rows, each, n_neighbors, np.inf
    )
    return vote(*nearest, references.types, n_best)


def score_all_types(chosen, rows, references, n_types, parallel):
    """Compute the similarity of rows to every type, as a dense table of float32."""
    return _map_rows(parallel, similarity_to_types, chosen, rows, references, n_types)


def _map_rows(parallel, kernel, chosen, *args):
    """Call a kernel of `_similarity` on blocks of rows, and join the results."""
    chosen = np.asarray(chosen, dtype=np.uint32)
    blocks = parallel(
        delayed(kernel)(chosen[start:stop], *args)
        for start, stop in iter_blocks(max(len(chosen), 1))
    )
    if isinstance(blocks[0], tuple):
        return tuple(np.concatenate(arrays) for arrays in zip(*blocks, strict=True))
    return np.concatenate(blocks)


def softmax_memberships(types, scores, sharpness):
    """Turn the result of `score_types` into Memberships by a truncated softmax.

    Shares are proportional to exp(sharpness * score), those under `LEAST_SHARE` of the
    best are left out, and those of a row sum to 1.
    """
    below_best = scores.astype(np.float64) - scores[:, :1]
    shares = np.exp(sharpness * below_best).astype(np.float32)
    left_out = (types < 0) | (shares < LEAST_SHARE)
    shares[left_out] = 0.0
    total = shares.sum(axis=1, keepdims=True)
    shares = np.divide(shares, total, out=shares, where=total > 0)
    return Memberships(np.where(left_out, np.int32(-1), types), shares)


def smooth_over_neighbors(matrix, rows, probabilities, weight, parallel):
    """Mix each row's type probabilities with those of its most similar rows.

    A neuron is often more similar to its homologue, the same neuron on the other side
    of the brain, or to another neuron of its type, than to any labelled one. Each row's
    `N_NEIGHBORS` most similar rows, labelled or not, count by the square of their
    similarity.

    Parameters
    ----------
    matrix : csr_array of shape (n_nodes, n_cols)
        The embedding.
    rows : ndarray of shape (n_rows,)
        Indices of the rows to smooth; others keep their probabilities.
    probabilities : csr_array of shape (n_nodes, n_types)
        Type probabilities; a row may be empty.
    weight, parallel
        Weight of the neighbours, and joblib.Parallel for the blocks of rows.

    Returns
    -------
    probabilities : csr_array of shape (n_nodes, n_types)
        The mixtures. A row is empty where it and its neighbours have no probabilities.
    """
    n_nodes = matrix.shape[0]
    neighbors, similarities = _find_neighbors(matrix, rows, parallel)
    found = neighbors >= 0
    strength = np.where(found, similarities.astype(np.float64) ** 2, 0.0)
    total = strength.sum(axis=1, keepdims=True)
    strength = np.divide(strength, total, out=strength, where=total > 0)
    own = np.ones(n_nodes)
    own[rows] = np.where(total[:, 0] > 0, 1.0 - weight, 1.0)
    every = np.arange(n_nodes)
    mixed = np.concatenate([every, np.repeat(rows, found.sum(axis=1))])
    sources = np.concatenate([every, neighbors[found]])
    mixing = sparse.csr_array(
        (np.concatenate([own, weight * strength[found]]), (mixed, sources)),
        shape=(n_nodes, n_nodes),
    )
    return normalize_rows(mixing @ probabilities)


def _find_neighbors(matrix, rows, parallel):
    """Find the `N_NEIGHBORS` rows of the matrix that are most similar to each row."""
    n_nodes = matrix.shape[0]
    queries = Rows.from_scipy(matrix)
    found = []
    for start in range(0, n_nodes, TILE):
        ids = np.arange(start, min(start + TILE, n_nodes))
        references = References.from_scipy(matrix[ids], np.arange(len(ids)), ids)
        nearest, similarities = _map_rows(
            parallel, nearest_types, rows, queries, references, N_NEIGHBORS, np.inf
        )
        found.append((np.where(nearest >= 0, nearest + start, -1), similarities))
    neighbors, similarities = (
        np.concatenate(arrays, axis=1) for arrays in zip(*found, strict=True)
    )
    best = np.argsort(-similarities, axis=1, kind="stable")[:, :N_NEIGHBORS]
    return (
        np.take_along_axis(neighbors, best, axis=1),
        np.take_along_axis(similarities, best, axis=1),
    )


def normalize_rows(matrix):
    """Scale the rows of a nonnegative CSR matrix to sum to 1; empty ones stay empty."""
    matrix = sparse.csr_array(matrix)
    matrix.sum_duplicates()
    total = matrix @ np.ones(matrix.shape[1])
    total[total == 0] = 1.0
    data = matrix.data / np.repeat(total, np.diff(matrix.indptr))
    return sparse.csr_array((data, matrix.indices, matrix.indptr), shape=matrix.shape)


def most_likely(probabilities, prior):
    """Find the most probable type of each row; that of the prior where it is empty."""
    types = largest_entries(CSRMatrix.from_scipy(probabilities))
    return np.where(types >= 0, types, np.argmax(prior))
