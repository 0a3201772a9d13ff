"""Matching of two graphs: recovered correspondences, and steps against plain ones."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pytest
from joblib import Parallel
from scipy import sparse

from celltyping._kernels._profiles import Memberships
from celltyping.estimators._ntac import matching
from celltyping.estimators._ntac.matching import Matches, Parts, match

N = 60
rng = np.random.RandomState(0)
A = rng.poisson(0.3, (N, N)) * rng.poisson(3.0, (N, N))
ORDER = rng.permutation(N)


def parts_of(reference, other, between=None):
    """Return Parts of two dense matrices, and one of the edges between them."""
    n, m = len(reference), len(other)
    full = np.zeros((n + m, n + m), dtype=np.float32)
    full[:n, :n], full[n:, n:] = reference, other
    if between is not None:
        full[:n, n:], full[n:, :n] = between, between
    return Parts.from_adjacency(sparse.csr_array(full), n)


def run(parts, n_jobs=1, **options):
    """Match with equal capacities."""
    n_other = parts.within.shape[0] - parts.n_reference
    options.setdefault("capacities", np.full(parts.n_reference, n_other / N))
    with Parallel(n_jobs=n_jobs, prefer="threads") as parallel:
        return match(parts, parallel, **options)


def test_the_nodes_of_a_shuffled_graph_are_found():
    matches = run(parts_of(A, A[np.ix_(ORDER, ORDER)]))
    np.testing.assert_array_equal(matches.nodes[:, 0], ORDER)
    np.testing.assert_allclose(matches.similarities[:, 0], 1.0, atol=1e-5)
    np.testing.assert_allclose(matches.shares.sum(axis=1), 1.0, atol=1e-3)


def test_most_nodes_of_a_noisy_part_are_found():
    part = ORDER[: N - 8]
    noisy = rng.binomial(A[np.ix_(part, part)], 0.9)
    matches = run(parts_of(A, noisy))
    assert (matches.nodes[:, 0] == part).mean() > 0.9


def test_edges_between_the_graphs_are_a_layer_of_their_own():
    within = [rng.binomial(A, 0.15) for _ in range(2)]
    between = rng.poisson(0.3, (N, N)) * rng.poisson(3.0, (N, N))
    alone, together = parts_of(*within), parts_of(*within, between)
    assert together.within.nnz == alone.within.nnz
    assert together.between.nnz == 2 * np.count_nonzero(between)
    right = [
        (run(parts).nodes[:, 0] == np.arange(N)).mean() for parts in (alone, together)
    ]
    assert right[0] < 0.5
    assert right[1] > 0.9


def test_a_prior_decides_between_equivalent_nodes():
    twins = np.kron(np.eye(2), A[:30, :30])  # two equal components
    swap = np.concatenate([np.arange(30, 60), np.arange(30)])
    prior = sparse.csr_array(np.eye(N)[swap])
    matches = run(parts_of(twins, twins), prior=prior)
    assert (matches.nodes[:, 0] == swap).mean() > 0.95


def test_groups_are_kept_apart():
    groups = [
        (np.arange(0, N, 2), np.arange(0, N, 2)),
        (np.arange(1, N, 2), np.arange(1, N, 2)),
    ]
    matches = run(parts_of(A, A[np.ix_(ORDER, ORDER)]), groups=groups)
    parity = matches.nodes % 2 == np.arange(N)[:, None] % 2
    assert parity[matches.nodes >= 0].all()


def test_capacities_are_sums_of_shares():
    nodes = np.array([[0, 1], [0, 1], [0, 1]], dtype=np.int32)
    logits = np.array([[2.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    found = matching._find_matches(
        nodes, logits, np.zeros((3, 2)), 2, capacities=np.array([1.0, 2.0])
    )
    shares = found.to_csr(2).toarray()
    np.testing.assert_allclose(shares.sum(axis=0), [1.0, 2.0], atol=0.01)
    assert shares[0, 0] > shares[1, 0] > shares[2, 0]
    free = matching._find_matches(nodes, logits, np.zeros((3, 2)), 2, None)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(free.to_csr(2).toarray(), expected, rtol=1e-5)


def test_a_node_without_candidates_stays_without():
    nodes = np.array([[0, 1], [-1, -1]], dtype=np.int32)
    found = matching._find_matches(
        nodes, np.array([[1.0, 0.0], [0.0, 0.0]]), np.zeros((2, 2)), 2, np.ones(2)
    )
    assert found.nodes[1].tolist() == [-1, -1]
    assert found.shares[1].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("n_jobs", [1, 3])
def test_number_of_threads(n_jobs):
    parts = parts_of(A, A[np.ix_(ORDER, ORDER)])
    one, other = run(parts), run(parts, n_jobs=n_jobs)
    for left, right in zip(one, other, strict=True):
        np.testing.assert_array_equal(left, right)


def test_structural_features_do_not_depend_on_the_order_of_nodes():
    plain = matching.structural_features(sparse.csr_array(A.astype(float)))
    shuffled = matching.structural_features(
        sparse.csr_array(A[np.ix_(ORDER, ORDER)].astype(float))
    )
    np.testing.assert_allclose(shuffled, plain[ORDER], atol=1e-8)


def test_mixing_with_a_prior():
    nodes = np.array([[2, 0], [1, -1]], dtype=np.int32)
    similarities = np.array([[0.5, 0.25], [0.75, 0.0]], dtype=np.float32)
    prior = sparse.csr_array(np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]))
    mixed_nodes, scores, kept = matching._add_prior(nodes, similarities, prior, 0.5)
    np.testing.assert_array_equal(mixed_nodes, [[1, 2], [1, -1]])
    np.testing.assert_allclose(scores, [[0.5, 0.25], [0.375, 0.0]])
    np.testing.assert_allclose(kept, [[0.0, 0.5], [0.75, 0.0]])


def test_shares_as_a_matrix():
    matches = Matches(
        np.array([[1, 0], [-1, -1]], dtype=np.int32),
        np.array([[0.75, 0.25], [0.0, 0.0]], dtype=np.float32),
        np.zeros((2, 2), dtype=np.float32),
    )
    assert isinstance(Memberships(matches.nodes, matches.shares), Memberships)
    np.testing.assert_allclose(matches.to_csr(3).toarray(), [[0.25, 0.75, 0], [0] * 3])
