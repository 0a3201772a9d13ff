"""Similarities and lists of the best agree with brute force, ties included."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celltyping._kernels._similarity import (
    RUN,
    largest_entries,
    nearest_references,
    nearest_types,
    similarity_to_types,
    vote,
)
from celltyping.estimators._ntac import propagation
from tests import _reference as reference

INDEX_DTYPES = [np.int32, np.int64]


@st.composite
def problems(draw, n_types=5):
    """Draw rows, references (more than one run of them, at times) and their types.

    Few columns and small numbers: rows that equal references, and ties, are the rule.
    """
    rows = draw(reference.tables())
    shape = draw(st.integers(0, 3 * RUN)), rows.shape[1]
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    references = rng.integers(0, 4, shape) * rng.integers(0, 2, shape)
    ref_types = np.sort(rng.integers(0, n_types, len(references))).astype(np.int32)
    return rows, references.astype(np.float32), ref_types


def query(table, index_dtype):
    """Return the rows' part of a kernel's arguments."""
    matrix = reference.as_csr(table, index_dtype)
    sums = reference.closed(table.sum(axis=1, dtype=np.float32))
    unsigned = np.dtype(f"u{np.dtype(index_dtype).itemsize}")
    return (
        matrix.indptr.view(unsigned),
        matrix.indices.view(unsigned),
        matrix.data,
        sums,
    )


def by_column(references, index_dtype):
    """Return the references' part of a kernel's arguments."""
    *csc, _ = query(np.ascontiguousarray(references.T), index_dtype)
    return *csc, reference.closed(references.sum(axis=1, dtype=np.float32))


def some_rows(draw, n_rows):
    """Draw rows to work on, in any order."""
    rows = draw(st.permutations(range(n_rows)))[: draw(st.integers(0, n_rows))]
    return np.array(rows, dtype=np.uint32)


@pytest.mark.parametrize("index_dtype", INDEX_DTYPES)
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_nearest_types(index_dtype, data):
    table, references, ref_types = data.draw(problems())
    rows = some_rows(data.draw, len(table))
    n_best = data.draw(st.integers(1, 6))
    types, similarities = nearest_types(
        rows,
        *query(table, index_dtype),
        *by_column(references, index_dtype),
        reference.closed(ref_types),
        n_best,
        np.inf,
    )
    assert (types.dtype, similarities.dtype) == (np.int32, np.float32)
    everything = reference.jaccard(table[rows], references)
    expected = reference.top_list(
        reference.best_per_type(everything, ref_types, 5), n_best
    )
    np.testing.assert_array_equal(types, expected[0])
    np.testing.assert_array_equal(similarities, expected[1])


@settings(deadline=None, max_examples=40)
@given(data=st.data(), drop=st.sampled_from([0.0, 0.1, 0.5, 1.0]))
def test_types_far_below_the_best_may_be_left_out(data, drop):
    table, references, ref_types = data.draw(problems())
    arguments = (
        np.arange(len(table), dtype=np.uint32),
        *query(table, np.int32),
        *by_column(references, np.int32),
        ref_types,
        3,
    )
    types, similarities = nearest_types(*arguments, drop)
    all_types, all_similarities = nearest_types(*arguments, np.inf)
    wanted = all_similarities > all_similarities[:, :1] - np.float32(drop)
    wanted[:, 0] = True
    np.testing.assert_array_equal(types[wanted], all_types[wanted])
    np.testing.assert_array_equal(similarities[wanted], all_similarities[wanted])
    assert (np.diff(similarities, axis=1) <= 0).all()


@pytest.mark.parametrize("index_dtype", INDEX_DTYPES)
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_nearest_references(index_dtype, data):
    table, references, _ = data.draw(problems())
    rows = some_rows(data.draw, len(table))
    n_best = data.draw(st.integers(1, 6))
    # Some references are rows of the table, which are not compared with themselves.
    ids = data.draw(st.permutations(range(max(len(table), len(references)))))
    ids = np.array(ids[: len(references)], dtype=np.uint32)
    nearest, similarities = nearest_references(
        rows,
        *query(table, index_dtype),
        *by_column(references, index_dtype),
        reference.closed(ids),
        n_best,
    )
    assert (nearest.dtype, similarities.dtype) == (np.int32, np.float32)
    everything = reference.jaccard(table[rows], references)
    everything[rows[:, np.newaxis] == ids] = 0
    expected = reference.top_list(everything, n_best)
    np.testing.assert_array_equal(nearest, expected[0])
    np.testing.assert_array_equal(similarities, expected[1])


@pytest.mark.parametrize("index_dtype", INDEX_DTYPES)
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_similarity_to_types(index_dtype, data):
    table, references, ref_types = data.draw(problems())
    rows = some_rows(data.draw, len(table))
    similarities = similarity_to_types(
        rows,
        *query(table, index_dtype),
        *by_column(references, index_dtype),
        reference.closed(ref_types),
        7,
    )
    everything = reference.jaccard(table[rows], references)
    assert similarities.dtype == np.float32
    np.testing.assert_array_equal(
        similarities, reference.best_per_type(everything, ref_types, 7)
    )


@given(seed=st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=20)
def test_fractions_agree_up_to_rounding(seed):
    rng = np.random.default_rng(seed)
    references = rng.random((150, 8), dtype=np.float32) ** 4
    rows = np.concatenate([references[:5], rng.random((15, 8), dtype=np.float32)])
    arguments = (
        np.arange(20, dtype=np.uint32),
        *query(rows, np.int32),
        *by_column(references, np.int32),
    )
    ref_types = np.repeat(np.arange(5, dtype=np.int32), 30)
    expected = reference.jaccard(rows, references)
    by_type = reference.best_per_type(expected, ref_types, 5)
    found = similarity_to_types(*arguments, ref_types, 5)
    np.testing.assert_allclose(found, by_type, rtol=1e-5)
    assert found.max() <= 1
    _, similarities = nearest_types(*arguments, ref_types, 5, np.inf)
    np.testing.assert_allclose(similarities, -np.sort(-by_type), rtol=1e-5)
    # The lists hold the very numbers of the full table.
    np.testing.assert_array_equal(similarities, -np.sort(-found))
    ids = np.full(150, 1000, dtype=np.uint32)
    _, similarities = nearest_references(*arguments, ids, 4)
    np.testing.assert_allclose(similarities, -np.sort(-expected)[:, :4], rtol=1e-5)


def test_a_row_that_equals_a_reference_has_similarity_1():
    rng = np.random.default_rng(0)
    table = rng.random((100, 30), dtype=np.float32)
    arguments = (
        np.arange(100, dtype=np.uint32),
        *query(table, np.int32),
        *by_column(table, np.int32),
    )
    types, similarities = nearest_types(
        *arguments, np.arange(100, dtype=np.int32), 1, 0.0
    )
    assert types.ravel().tolist() == list(range(100))
    np.testing.assert_allclose(similarities, 1, rtol=1e-5)
    assert similarities.max() <= 1


def test_rows_without_entries_are_similar_to_nothing():
    table = np.array([[0, 0], [0, 2]], dtype=np.float32)
    references = np.array([[0, 0], [3, 0]], dtype=np.float32)
    rows = np.arange(2, dtype=np.uint32)
    parts = query(table, np.int32), by_column(references, np.int32)
    ref_types = np.array([0, 1], dtype=np.int32)
    types, similarities = nearest_types(
        rows, *parts[0], *parts[1], ref_types, 2, np.inf
    )
    assert (types == -1).all()
    assert (similarities == 0).all()
    ids = np.array([8, 9], dtype=np.uint32)
    nearest, similarities = nearest_references(rows, *parts[0], *parts[1], ids, 2)
    assert (nearest == -1).all()
    assert (similarities == 0).all()


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_vote(data):
    n_types = 4
    table, references, ref_types = data.draw(problems(n_types=n_types))
    n_neighbors = data.draw(st.integers(1, 7))
    n_best = data.draw(st.integers(1, n_types))
    similarities = reference.jaccard(table, references)
    nearest = reference.top_list(similarities, n_neighbors)
    types, scores = vote(
        *reference.closed(*nearest), reference.closed(ref_types), n_best
    )
    assert (types.dtype, scores.dtype) == (np.int32, np.float32)
    expected = reference.vote(similarities, ref_types, n_neighbors, n_types)
    np.testing.assert_allclose(
        scores, reference.top_list(expected, n_best)[1], rtol=1e-5, atol=1e-6
    )
    assert (np.diff(scores, axis=1) <= 0).all()
    assert ((types >= 0) == (scores > 0)).all()
    for i in range(len(table)):
        there = types[i] >= 0
        assert len(set(types[i, there])) == there.sum()
        np.testing.assert_allclose(
            expected[i, types[i, there]], scores[i, there], rtol=1e-5, atol=1e-6
        )


@settings(deadline=None, max_examples=30)
@given(data=st.data())
def test_one_vote_scores_its_similarity(data):
    table, references, ref_types = data.draw(problems())
    nearest, similarities = reference.top_list(reference.jaccard(table, references), 1)
    types, scores = vote(nearest, similarities, ref_types, 1)
    there = nearest >= 0
    assert (types[there] == ref_types[nearest[there]]).all()
    np.testing.assert_allclose(scores, similarities, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("similarity", [0.9, 0.999, 1.0])
def test_more_votes_win_where_scores_round_to_1(similarity):
    ref_types = np.array([0] * 8 + [1] * 9 + [2] * 8, dtype=np.int32)
    nearest = np.arange(25, dtype=np.int32)[np.newaxis]
    similarities = np.full((1, 25), similarity, dtype=np.float32)
    types, scores = vote(nearest, similarities, ref_types, 3)
    assert types.tolist() == [[1, 0, 2]]
    assert scores[0, 0] > scores[0, 1] == scores[0, 2]
    np.testing.assert_allclose(scores, 1, rtol=1e-6)


def test_the_lower_type_wins_among_equal_votes():
    nearest = np.array([[1, 0, -1]], dtype=np.int32)
    similarities = np.array([[0.5, 0.5, 0]], dtype=np.float32)
    types, scores = vote(nearest, similarities, np.array([3, 7], dtype=np.int32), 3)
    assert types.tolist() == [[3, 7, -1]]
    np.testing.assert_allclose(scores, [[0.5, 0.5, 0]], rtol=1e-6)


@pytest.mark.parametrize("index_dtype", INDEX_DTYPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@settings(deadline=None, max_examples=30)
@given(data=st.data())
def test_largest_entries(index_dtype, dtype, data):
    table = data.draw(reference.tables())
    matrix = reference.as_csr(table, index_dtype)
    values = reference.closed(matrix.data.astype(dtype))
    largest = largest_entries(matrix.indptr, matrix.indices, values)
    expected, _ = reference.top_list(table, 1)
    assert largest.dtype == np.int32
    assert largest.tolist() == expected.ravel().tolist()


def test_references_carry_unsigned_indices():
    references = propagation.gather_references(
        reference.as_csr([[1, 0], [2, 3]]), np.array([1, 0]), np.array([0, 1])
    )
    assert {references.ptr.dtype.kind, references.rows.dtype.kind} == {"u"}
