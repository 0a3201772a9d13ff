"""The stages of NTAC agree with dense ones, for any block size and on threads."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from itertools import product
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joblib import Parallel
from scipy import sparse

from celltyping._kernels import _profiles, _threads
from celltyping._kernels._csr import row_sums
from celltyping._kernels._profiles import (
    Memberships,
    add_second_order,
    count_partners,
)
from celltyping._kernels._similarity import References, Rows
from celltyping.estimators._ntac import propagation
from tests import _reference as reference

N_TYPES = 4

SETTINGS = propagation.Settings(
    n_neighbors=1,
    membership="soft",
    sharpness=1e-9,  # no type is dropped
    max_memberships=4,
    second_order_weight=0.5,
    consensus_weight=0.5,
    damping=0.0,
    max_iter=30,
    tol=0.01,
    verbose=False,
)


@pytest.fixture(scope="module")
def serial():
    return Parallel(n_jobs=1)


@pytest.fixture(scope="module", params=[1, 2], ids="{} threads".format)
def parallel(request):
    with Parallel(n_jobs=request.param, prefer="threads") as parallel:
        yield parallel


def labelled_rows(draw, n_rows):
    """Draw references: rows in ascending order of their types."""
    rows = np.array(draw(st.permutations(range(n_rows))), dtype=np.intp)
    rows = rows[: draw(st.integers(0, n_rows))]
    types = np.sort(draw(st.lists(st.integers(0, N_TYPES - 1)))[: len(rows)])
    return rows[: len(types)], types.astype(np.int32)


def assert_same(found, expected):
    """Check that two matrices, or tuples of arrays, are equal to the bit."""
    if sparse.issparse(found):
        found = found.data, found.indices, found.indptr
        expected = expected.data, expected.indices, expected.indptr
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("block", [5, 1024])
@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_count_partners(serial, block, data):
    adjacency = data.draw(reference.graphs())
    n_memberships = data.draw(st.integers(1, 3))
    types, shares = data.draw(
        reference.memberships(len(adjacency), N_TYPES, n_memberships)
    )
    memberships = Memberships(*reference.closed(types, shares))
    with (
        patch.object(_threads, "BLOCK", block),
        patch.object(_profiles, "LEAST_ENTRY", 0.2),
    ):
        counts = count_partners(
            reference.as_graph(adjacency), memberships, N_TYPES, serial
        )
    assert counts.dtype == np.float32
    assert counts.indptr.dtype == np.int32
    assert counts.has_sorted_indices
    least = 0.2 if n_memberships > 1 else 0.0
    expected = reference.count_partners(adjacency, types, shares, N_TYPES, least)
    np.testing.assert_array_equal(counts.toarray(), expected)


@pytest.mark.parametrize("block", [5, 1024])
@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_add_second_order(serial, block, data):
    adjacency = data.draw(reference.graphs())
    types, shares = data.draw(reference.memberships(len(adjacency), N_TYPES))
    counts = reference.count_partners(adjacency, types, shares, N_TYPES)
    n_entries, n_keep = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 17))
    weight = data.draw(st.floats(0.1, 2))
    with (
        patch.object(_threads, "BLOCK", block),
        patch.object(_profiles, "N_PROFILE_ENTRIES", n_entries),
        patch.object(_profiles, "N_SECOND_ORDER_ENTRIES", n_keep),
    ):
        embedding = add_second_order(
            reference.as_csr(counts), reference.as_graph(adjacency), weight, serial
        )
    assert embedding.shape == (len(adjacency), 6 * N_TYPES)
    assert embedding.dtype == np.float32
    expected = reference.second_order(counts, adjacency, weight, n_entries, n_keep)
    np.testing.assert_allclose(embedding.toarray(), expected, rtol=1e-5)


def test_the_second_order_block_weighs_what_it_should(serial):
    rng = np.random.default_rng(0)
    adjacency = rng.integers(0, 3, (20, 20)).astype(np.float32)
    counts = reference.as_csr(rng.integers(1, 9, (20, 2 * N_TYPES)))
    embedding = add_second_order(counts, reference.as_graph(adjacency), 0.5, serial)
    sums = row_sums(embedding)
    np.testing.assert_allclose(sums, 1.5 * row_sums(counts), rtol=1e-6)


@pytest.mark.parametrize("n_neighbors", [1, 3, 7])
@pytest.mark.parametrize("block", [2, 1024])
@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_score_types(serial, block, n_neighbors, data):
    table = data.draw(reference.tables(max_rows=30))
    labelled, types_of = labelled_rows(data.draw, len(table))
    rows = np.setdiff1d(np.arange(len(table)), labelled)
    n_best = data.draw(st.integers(1, N_TYPES))
    matrix = reference.as_csr(table)
    references = References.from_scipy(matrix[labelled], types_of)
    own = SETTINGS._replace(n_neighbors=n_neighbors)
    with patch.object(_threads, "BLOCK", block):
        types, scores = propagation.score_types(
            rows, Rows.from_scipy(matrix), references, n_best, own, serial
        )
    assert types.shape == scores.shape == (len(rows), n_best)
    similarities = reference.jaccard(table[rows], table[labelled])
    if n_neighbors == 1:
        expected = reference.best_per_type(similarities, types_of, N_TYPES)
        assert_same((types, scores), reference.top_list(expected, n_best))
    else:
        expected = reference.vote(similarities, types_of, n_neighbors, N_TYPES)
        _, values = reference.top_list(expected, n_best)
        np.testing.assert_allclose(scores, values, rtol=1e-5, atol=1e-6)


@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_score_all_types(serial, data):
    table = data.draw(reference.tables())
    labelled, types_of = labelled_rows(data.draw, len(table))
    rows = np.arange(len(table))[::-1]
    matrix = reference.as_csr(table)
    with patch.object(_threads, "BLOCK", 3):
        found = propagation.score_all_types(
            rows,
            Rows.from_scipy(matrix),
            References.from_scipy(matrix[labelled], types_of),
            N_TYPES,
            serial,
        )
    similarities = reference.jaccard(table[rows], table[labelled])
    expected = reference.best_per_type(similarities, types_of, N_TYPES)
    np.testing.assert_array_equal(found, expected)


def sorted_scores(draw, n_best):
    """Draw what `score_types` may return."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_rows = draw(st.integers(0, 8))
    scores = -np.sort(-rng.random((n_rows, n_best), dtype=np.float32), axis=1)
    types = rng.permuted(np.tile(np.arange(n_best), (n_rows, 1)), axis=1)
    absent = np.sort(rng.integers(0, 2, (n_rows, n_best)), axis=1).astype(bool)
    scores[absent] = 0
    types[absent] = -1
    return types.astype(np.int32), scores


@settings(deadline=None)
@given(data=st.data(), sharpness=st.sampled_from([0.5, 1.0, 8.0, 50.0]))
def test_softmax_memberships(data, sharpness):
    types, scores = reference.closed(*sorted_scores(data.draw, 4))
    memberships = propagation.softmax_memberships(types, scores, sharpness)
    assert memberships.types.dtype == np.int32
    assert memberships.shares.dtype == np.float32
    softmax = np.where(types >= 0, np.exp(sharpness * scores.astype(float)), 0)
    best = softmax[:, :1]
    kept = (types >= 0) & (softmax >= propagation.LEAST_SHARE * best)
    assert (memberships.types == np.where(kept, types, -1)).all()
    expected = reference.shares_of(np.where(kept, softmax, 0))
    np.testing.assert_allclose(memberships.shares, expected, rtol=1e-5)


def test_shares_are_finite_for_any_sharpness(subtests):
    for sharpness in [1e-3, 1e3, 1e30, 1e39, 1e300]:
        with subtests.test(sharpness=sharpness):
            types = np.array([[0, 1, -1], [2, -1, -1], [-1, -1, -1]], dtype=np.int32)
            scores = np.array([[1, 0.5, 0], [0.9, 0, 0], [0, 0, 0]], dtype=np.float32)
            shares = propagation.softmax_memberships(types, scores, sharpness).shares
            assert shares[1:].tolist() == [[1, 0, 0], [0, 0, 0]]
            if sharpness > 1:
                assert shares[0].tolist() == [1, 0, 0]
            else:
                assert 0.499 < shares[0, 1] < shares[0, 0]


def mixtures(draw, n_nodes):
    """Draw probabilities, some rows empty, and which rows to smooth."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    probabilities = rng.integers(0, 3, (n_nodes, N_TYPES)).astype(float)
    rows = np.flatnonzero(rng.integers(0, 2, n_nodes))
    return reference.shares_of(probabilities), rows


@pytest.mark.parametrize("tile", [1, 4, 4096])
@settings(deadline=None, max_examples=25)
@given(data=st.data(), weight=st.sampled_from([0.25, 0.5, 1.0]))
def test_smooth_over_neighbors(serial, tile, data, weight):
    table = data.draw(reference.tables(min_rows=1))
    probabilities, rows = mixtures(data.draw, len(table))
    before = sparse.csr_array(probabilities)
    reference.closed(before.data, before.indices, before.indptr)
    with patch.object(propagation, "TILE", tile), patch.object(_threads, "BLOCK", 3):
        found = propagation.smooth_over_neighbors(
            reference.as_csr(table), rows, before, weight, serial
        )
    assert found.has_canonical_format
    expected = reference.smooth_over_neighbors(
        table, rows, probabilities, weight, propagation.N_NEIGHBORS
    )
    np.testing.assert_allclose(found.toarray(), expected, rtol=1e-6, atol=1e-12)


@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_tiles_do_not_show(serial, data):
    table = reference.as_csr(data.draw(reference.tables(min_rows=1, max_rows=20)))
    rows = np.arange(table.shape[0])
    expected = propagation._find_neighbors(table, rows, serial)
    for tile in [1, 3, 7]:
        with patch.object(propagation, "TILE", tile):
            assert_same(propagation._find_neighbors(table, rows, serial), expected)


def test_a_node_without_neighbors_keeps_its_probabilities(serial):
    counts = reference.as_csr([[1, 0], [0, 1], [0, 0]])
    probabilities = sparse.csr_array([[0.7, 0.3], [0.5, 0.5], [0.2, 0.8]])
    found = propagation.smooth_over_neighbors(
        counts, np.arange(3), probabilities, 1.0, serial
    )
    np.testing.assert_allclose(found.toarray(), probabilities.toarray())


def test_normalize_rows():
    matrix = sparse.csr_array(np.array([[1.0, 3], [0, 0], [0, 0.1]]))
    found = propagation.normalize_rows(matrix)
    assert found.toarray().tolist() == [[0.25, 0.75], [0, 0], [0, 1]]
    assert matrix.toarray().tolist() == [[1, 3], [0, 0], [0, 0.1]]


@settings(deadline=None)
@given(data=st.data())
def test_to_csr_and_most_likely(data):
    types, shares = data.draw(reference.memberships(6, N_TYPES))
    matrix = Memberships(*reference.closed(types, shares)).to_csr(N_TYPES)
    assert matrix.dtype == np.float64
    assert matrix.has_sorted_indices
    dense = reference.one_hot(types, shares, N_TYPES)
    np.testing.assert_array_equal(matrix.toarray(), dense)
    expected = np.where(dense.any(axis=1), dense.argmax(axis=1), 2)
    prior = np.array([0.1, 0.1, 0.7, 0.1])
    assert propagation.most_likely(matrix, prior).tolist() == expected.tolist()


@pytest.fixture(scope="module")
def brain():
    """Return a random graph of 300 nodes with fractional weights, and its labels."""
    rng = np.random.default_rng(0)
    weights = rng.random((300, 300)) * (rng.random((300, 300)) < 0.05)
    return weights.astype(np.float32), np.sort(rng.integers(0, N_TYPES, 300))


def one_step(brain, n_neighbors, parallel):
    """Do all that a step and the end of a fit do."""
    weights, labels = brain
    graph = reference.as_graph(weights)
    labelled, unlabelled = (
        np.arange(0, 300, 3),
        np.setdiff1d(range(300), range(0, 300, 3)),
    )
    known = np.full(300, -1)
    known[labelled] = labels[labelled]
    counts = count_partners(graph, Memberships.from_labels(known), N_TYPES, parallel)
    embedding = add_second_order(counts, graph, 0.5, parallel)
    references = References.from_scipy(embedding[labelled], labels[labelled])
    scored = unlabelled, Rows.from_scipy(embedding), references
    own = SETTINGS._replace(n_neighbors=n_neighbors, sharpness=10.0)
    best, scores = propagation.score_types(*scored, 3, own, parallel)
    every = propagation.score_all_types(*scored, N_TYPES, parallel)
    shares = propagation.softmax_memberships(best, scores, 20.0)
    types, weights = np.full((2, 300, 3), -1.0)
    types[unlabelled], weights[unlabelled] = shares
    probabilities = Memberships(types.astype(np.int32), weights).to_csr(N_TYPES)
    mixed = propagation.smooth_over_neighbors(
        counts, unlabelled, probabilities, 0.5, parallel
    )
    parts = [counts, embedding, probabilities, mixed]
    return [*(part.data for part in parts), best, scores, every]


def test_threads_blocks_and_tiles_change_no_bit(subtests, brain, parallel, serial):
    for n_neighbors, (block, tile) in product(
        [1, 3], [(1024, 4096), (7, 50), (64, 64)]
    ):
        with subtests.test(n_neighbors=n_neighbors, block=block, tile=tile):
            expected = one_step(brain, n_neighbors, serial)
            with (
                patch.object(_threads, "BLOCK", block),
                patch.object(propagation, "TILE", tile),
            ):
                for _ in range(2):
                    assert_same(one_step(brain, n_neighbors, parallel), expected)
