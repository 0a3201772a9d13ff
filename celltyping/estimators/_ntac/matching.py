"""Matching of the nodes of two graphs by their wiring, as functions on arrays.

Each node of the reference is a type of its own, and the nodes of the other graph have
soft memberships in these types: they are described by the nodes of the reference that
their partners are matched with. NTAC's comparison of descriptions then gives new
memberships. The first ones come from structural features, which need no correspondence.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from typing import NamedTuple

import numpy as np
from joblib import delayed
from scipy import sparse
from scipy.stats import norm, rankdata
from sklearn.neighbors import NearestNeighbors

from celltyping._kernels._csr import CSRGraph
from celltyping._kernels._profiles import Memberships, count_partners
from celltyping._kernels._similarity import (
    References,
    Rows,
    nearest_types,
    similarity_to_types,
)
from celltyping._kernels._threads import iter_blocks

# Number of nodes of the reference that a node is compared with at a time, of which it
# keeps the ones with the largest shares: for each node at most the first number, over
# all nodes at most the second one; but no fewer than FEWEST.
CANDIDATES = (400, 400_000)
MATCHES = (50, 500_000)
FEWEST = 5

# Similarities with up to this number of nodes are sorted: long lists of candidates are
# then faster than by insertion.
MAX_SORTED = 4096

# Temperature of the memberships, in units of the similarity: the first one, its factor
# per step in turn of the runs, and the last one.
FIRST_TEMPERATURE = 0.1
COOLING = (0.9, 0.95)
LAST_TEMPERATURE = 0.02

# Once the last temperature is reached, the steps end when the mean similarity rises by
# less than this fraction, and after this number in all.
LEAST_GAIN = 0.0002
MAX_STEPS = 60

# Number of rescalings of rows and columns in each step.
N_SCALINGS = 10

# Runs differ in the cooling and in the weights of the features. They end when the mean
# similarity of the best one was reached by another one to within this fraction, since
# few of those that go wrong end alike; not before this number of pairs of nodes was
# compared, because small graphs have mirror images; and after these numbers of pairs
# and of runs.
AGREEMENT = 0.003
MIN_PAIRS = 400_000
MAX_PAIRS = 1_000_000_000
MAX_RUNS = 8

# Hops over which structural features are averaged, and number of their components.
N_HOPS = 3
N_COMPONENTS = 20

# Weight of the prior in the first and in the last step.
FIRST_PRIOR_WEIGHT = 0.95
LAST_PRIOR_WEIGHT = 0.05

# Memberships under this share are left out.
LEAST_SHARE = 1e-4


class Parts(NamedTuple):
    """Two sets of nodes, whose nodes are numbered one set after the other.

    Edges within the sets and between them are two graphs on the same nodes, since they
    mean different things: a partner on the own or on the other side of the brain.
    """

    within: sparse.csr_array  # (n_reference + n_other, n_reference + n_other)
    between: sparse.csr_array
    n_reference: int

    @classmethod
    def from_adjacency(cls, adjacency, n_reference):
        """Split the edges of a graph whose first nodes are the reference."""
        edges = sparse.coo_array(adjacency)
        is_between = (edges.row < n_reference) != (edges.col < n_reference)
        return cls(
            _select_edges(edges, ~is_between),
            _select_edges(edges, is_between),
            n_reference,
        )


class Matches(NamedTuple):
    """Candidates of each node of the other graph, by falling share.

    Arrays of shape (n_other, n_candidates).
    """

    nodes: np.ndarray  # nodes of the reference, int32; -1 closes a row
    shares: np.ndarray  # float32; those of a row sum to 1
    similarities: np.ndarray  # weighted Jaccard similarities, float32

    def to_csr(self, n_reference):
        """Return the shares as a sparse matrix of other by reference nodes."""
        return Memberships(self.nodes, self.shares).to_csr(n_reference)


def match(parts, parallel, *, prior=None, capacities=None, groups=None):
    """Match each node of the other graph with nodes of the reference.

    Parameters
    ----------
    parts : Parts
        The edges, with transformed weights of dtype float32.
    parallel : joblib.Parallel
        Runs the blocks of nodes.
    prior : csr_array of shape (n_other, n_reference), default=None
        Nonnegative scores, at most 1, that the similarity of the wiring is mixed with.
        They weigh `FIRST_PRIOR_WEIGHT` in the first step and `LAST_PRIOR_WEIGHT` in the
        last.
    capacities : ndarray of shape (n_reference,), default=None
        Number of nodes of the other graph that are expected per node of the reference.
        None: nothing is expected.
    groups : list of (rows, nodes), default=None
        Nodes `rows` of the other graph may be matched with `nodes` of the reference
        alone, arrays of indices. None: any with any.

    Returns
    -------
    matches : Matches
        The candidates of each node.
    """
    n_reference = parts.n_reference
    n_other = parts.within.shape[0] - n_reference
    if groups is None:
        groups = [(np.arange(n_other), np.arange(n_reference))]
    layers = [_as_graph(parts.within)]
    if parts.between.nnz:
        layers.append(_as_graph(parts.between))
    features = [
        structural_features(parts.within[part][:, part])
        for part in (slice(None, n_reference), slice(n_reference, None))
    ]
    own_types = np.concatenate([np.arange(n_reference), np.full(n_other, -1)])
    members = Memberships.from_labels(own_types)
    known = count_partners(layers[0], members, n_reference, parallel)
    settings = known[:n_reference], layers, groups, prior, capacities
    best, n_agree = None, 0
    for run in range(MAX_RUNS):
        weights, cooling = divmod(run, len(COOLING))
        start = _start(features, weights, groups, capacities)
        matches = _anneal(start, COOLING[cooling], *settings, parallel)
        ratio = 2.0 if best is None else _score(matches) / _score(best)
        n_agree = 1 if ratio > 1 + AGREEMENT else n_agree + (ratio > 1 - AGREEMENT)
        if ratio > 1:
            best = matches
        n_pairs = (run + 1) * n_reference * n_other
        if (n_agree >= 2 and n_pairs >= MIN_PAIRS) or n_pairs >= MAX_PAIRS:
            break
    return best


def _score(matches):
    """Average the similarity of the best matches."""
    return float(matches.similarities[:, 0].mean()) + np.finfo(float).tiny


def _anneal(matches, cooling, known, layers, groups, prior, capacities, parallel):
    """Repeat steps with falling temperature until hardly any match changes."""
    temperature, n_steps = FIRST_TEMPERATURE, 0
    n_reference = known.shape[0]
    n_cooling = np.log(LAST_TEMPERATURE / FIRST_TEMPERATURE) / np.log(cooling)
    while True:
        counts = _count(layers, _memberships(matches, n_reference), known, parallel)
        nodes, similarities = _most_similar(
            counts, n_reference, groups, temperature, parallel
        )
        scores = similarities
        if prior is not None:
            done = min(n_steps / n_cooling, 1.0)
            weight = (1 - done) * FIRST_PRIOR_WEIGHT + done * LAST_PRIOR_WEIGHT
            nodes, scores, similarities = _add_prior(nodes, similarities, prior, weight)
        old_score = _score(matches)
        matches = _find_matches(
            nodes, scores / temperature, similarities, n_reference, capacities
        )
        n_steps += 1
        is_settled = _score(matches) < old_score * (1 + LEAST_GAIN)
        is_cold = temperature == LAST_TEMPERATURE
        if (is_cold and is_settled) or n_steps == MAX_STEPS:
            return matches
        temperature = max(temperature * cooling, LAST_TEMPERATURE)


def group_by_category(of_reference, of_other):
    """Group nodes that may match by categories, codes from 0 on; -1 matches with any.

    Returns `groups` of `match`, without nodes that nothing in the reference matches.
    """
    groups = [(np.flatnonzero(of_other < 0), np.arange(len(of_reference)))]
    for code in np.unique(of_other[of_other >= 0]):
        allowed = np.flatnonzero((of_reference == code) | (of_reference < 0))
        groups.append((np.flatnonzero(of_other == code), allowed))
    return [(rows, nodes) for rows, nodes in groups if len(rows) and len(nodes)]


def largest_of_rows(row, column, value, n_rows, n_largest):
    """Find the largest entries of the rows of a COO matrix, the lower column first.

    Returns the positions of these entries, and their places in their rows.
    """
    order = np.lexsort((column, -value, row))
    starts = np.searchsorted(row[order], np.arange(n_rows))
    place = np.arange(len(row)) - starts[row[order]]
    kept = place < n_largest
    return order[kept], place[kept]


def _select_edges(edges, selected):
    """Return some of the edges of a COO array as a CSR array."""
    parts = edges.data[selected], (edges.row[selected], edges.col[selected])
    return sparse.csr_array(parts, shape=edges.shape)


def _as_graph(adjacency):
    """Return a CSRGraph of a CSR array."""
    return CSRGraph.from_scipy(adjacency, adjacency.T.tocsr())


def _memberships(matches, n_reference):
    """Return Memberships of all nodes; those of the reference are their own types."""
    n_other, n_candidates = matches.nodes.shape
    types = np.full((n_reference + n_other, n_candidates), -1, dtype=np.int32)
    shares = np.zeros(types.shape, dtype=np.float32)
    types[:n_reference, 0], shares[:n_reference, 0] = np.arange(n_reference), 1.0
    types[n_reference:], shares[n_reference:] = matches.nodes, matches.shares
    return Memberships(types, shares)


def _count(layers, members, known, parallel):
    """Describe all nodes by their partners' shares.

    `known` are the descriptions of the reference inside itself, which do not change.
    """
    n_reference = known.shape[0]
    within = count_partners(
        layers[0], members, n_reference, parallel, first=n_reference
    )
    counts = [sparse.vstack([known, within], format="csr")]
    counts += [
        count_partners(layer, members, n_reference, parallel) for layer in layers[1:]
    ]
    return sparse.hstack(counts, format="csr") if len(counts) > 1 else counts[0]


def _most_similar(counts, n_reference, groups, temperature, parallel):
    """Find the most similar allowed nodes of the reference, by falling similarity."""
    n_other = counts.shape[0] - n_reference
    n_candidates = min(_limit(CANDIDATES, n_other), n_reference)
    nodes = np.full((n_other, n_candidates), -1, dtype=np.int32)
    similarities = np.zeros(nodes.shape, dtype=np.float32)
    rows = Rows.from_scipy(counts)
    drop = -temperature * np.log(LEAST_SHARE)
    chosen, tasks = [], []
    for of_other, allowed in groups:
        references = References.from_scipy(counts[allowed], np.arange(len(allowed)))
        for start, stop in iter_blocks(len(of_other)):
            queries = (n_reference + of_other[start:stop]).astype(np.uint32)
            chosen.append((of_other[start:stop], allowed))
            tasks.append(
                delayed(_nearest)(queries, rows, references, n_candidates, drop)
            )
    for (block, allowed), found in zip(chosen, parallel(tasks), strict=True):
        near, similarity = found
        width = near.shape[1]
        nodes[block, :width] = np.where(near >= 0, allowed[near], -1)
        similarities[block, :width] = similarity
    return nodes, similarities


def _nearest(queries, rows, references, n_nearest, drop):
    """Find the positions of the most similar references; -1 closes a row."""
    n_references = len(references.types)
    if n_references > MAX_SORTED:
        return nearest_types(queries, rows, references, n_nearest, drop)
    table = similarity_to_types(queries, rows, references, n_references)
    near = np.argsort(-table, axis=1, kind="stable")[:, :n_nearest]
    similarities = np.take_along_axis(table, near, axis=1)
    return np.where(similarities > 0, near, -1), similarities


def _limit(limits, n_other):
    """Return a number per node from limits for each and over all."""
    for_each, over_all = limits
    return int(np.clip(over_all // n_other, FEWEST, for_each))


def _add_prior(nodes, similarities, prior, weight):
    """Mix similarities with the prior; keep the best candidates of either."""
    n_other, n_candidates = nodes.shape
    found = nodes >= 0
    rows = np.repeat(np.arange(n_other), found.sum(axis=1))
    parts = similarities[found].astype(np.float64), (rows, nodes[found])
    wiring = sparse.csr_array(parts, shape=prior.shape)
    mixed = sparse.coo_array((1.0 - weight) * wiring + weight * prior)
    kept, place = largest_of_rows(
        mixed.row, mixed.col, mixed.data, n_other, n_candidates
    )
    row, col = mixed.row[kept], mixed.col[kept]
    new_nodes = np.full(nodes.shape, -1, dtype=np.int32)
    scores, new_similarities = np.zeros((2, *nodes.shape))
    new_nodes[row, place] = col
    scores[row, place] = mixed.data[kept]
    new_similarities[row, place] = wiring[row, col]
    return new_nodes, scores, new_similarities


def _find_matches(nodes, logits, similarities, n_reference, capacities):
    """Turn logits into shares, scaled by Sinkhorn's method where capacities are given.

    The shares of a row sum to 1, those of a node of the reference to its capacity, as
    far as its candidates allow it.
    """
    n_other = len(nodes)
    found = nodes >= 0
    logits = np.where(found, logits, 0.0)
    logits -= logits.max(axis=1, keepdims=True)
    ptr = np.concatenate([[0], np.cumsum(found.sum(axis=1))])
    weights = sparse.csr_array(
        (np.exp(logits[found]), nodes[found], ptr), shape=(n_other, n_reference)
    )
    of_row, of_column = np.ones(n_other), np.ones(n_reference)
    transpose = weights.T.tocsr()
    for _ in range(N_SCALINGS):
        if capacities is not None:
            of_column = _divide(capacities, transpose @ of_row)
        of_row = _divide(1.0, weights @ of_column)
    shares = np.zeros(nodes.shape)
    rows = np.repeat(np.arange(n_other), np.diff(ptr))
    shares[found] = weights.data * of_row[rows] * of_column[weights.indices]
    order = np.argsort(-shares, axis=1, kind="stable")[:, : _limit(MATCHES, n_other)]
    shares, nodes, similarities = (
        np.take_along_axis(array, order, axis=1)
        for array in (shares, nodes, similarities)
    )
    shares[shares < LEAST_SHARE] = 0.0
    total = shares.sum(axis=1, keepdims=True)
    shares = _divide(shares, np.broadcast_to(total, shares.shape))
    left_out = shares == 0
    return Matches(
        np.where(left_out, -1, nodes).astype(np.int32),
        shares.astype(np.float32),
        np.where(left_out, 0.0, similarities).astype(np.float32),
    )


def _divide(dividend, divisor):
    """Divide; what is divided by 0 gives 0."""
    result = np.zeros(np.shape(divisor))
    return np.divide(dividend, divisor, out=result, where=divisor > 0)


def _start(features, seed, groups, capacities):
    """Match nodes by their structural features, weighed at random unless seed is 0."""
    n_reference, n_other = map(len, features)
    table = np.concatenate(features)
    table -= table.mean(axis=0)
    if seed > 0:
        table *= np.exp(np.random.RandomState(seed).standard_normal(table.shape[1]))
    _, vectors = np.linalg.eigh(table.T @ table)
    table = table @ vectors[:, ::-1][:, :N_COMPONENTS]
    n_candidates = min(_limit(CANDIDATES, n_other), n_reference)
    nodes = np.full((n_other, n_candidates), -1, dtype=np.int32)
    squares = np.full(nodes.shape, np.inf)
    for chosen, allowed in groups:
        n_near = min(n_candidates, len(allowed))
        if n_near == 0:
            continue
        index = NearestNeighbors(n_neighbors=n_near).fit(table[allowed])
        distances, near = index.kneighbors(table[n_reference + chosen])
        squares[chosen, :n_near] = distances**2
        nodes[chosen, :n_near] = allowed[near]
    nearest = squares[:, 0]
    unit = np.median(nearest[np.isfinite(nearest)])
    logits = -squares / (unit if unit > 0 else 1.0)
    return _find_matches(nodes, logits, np.zeros(nodes.shape), n_reference, capacities)


def structural_features(adjacency):
    """Describe the nodes of a graph by the structure around them.

    Sums and numbers of the weights in either direction, reciprocal ones and squares;
    then their means over in- and out-partners, hop by hop, and once their variances.
    Each is replaced by the normal score of its rank, so that two graphs with different
    numbers of synapses compare.

    Parameters
    ----------
    adjacency : csr_array of shape (n_nodes, n_nodes)
        Weights.

    Returns
    -------
    features : ndarray of shape (n_nodes, n_features)
        The features.
    """
    transpose = adjacency.T.tocsr()
    ones = np.ones(adjacency.shape[0])
    directions = [
        sparse.diags_array(_divide(1.0, matrix @ ones)) @ matrix
        for matrix in (adjacency, transpose)
    ]
    first = [adjacency.multiply(transpose) @ ones]
    for matrix in (adjacency, transpose):
        first += [matrix @ ones, (matrix > 0) @ ones, matrix.multiply(matrix) @ ones]
    features = [_normal_scores(np.column_stack(first))]
    for hop in range(N_HOPS):
        means = [matrix @ features[-1] for matrix in directions]
        if hop == 0:
            squares = features[-1] ** 2
            means += [
                matrix @ squares - mean**2
                for matrix, mean in zip(directions, list(means), strict=True)
            ]
        features.append(_normal_scores(np.column_stack(means)))
    return np.concatenate(features, axis=1)


def _normal_scores(table):
    """Replace each column by the normal quantiles of its ranks."""
    return norm.ppf(rankdata(table, axis=0) / (len(table) + 1))
