"""Similarities and lists of the best agree with brute force, ties included."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from celltyping._kernels._csr import CSRMatrix
from celltyping._kernels._similarity import (
    NO_ROW,
    RUN,
    References,
    Rows,
    largest_entries,
    nearest_types,
    similarity_to_types,
    vote,
)
from tests import _reference as reference

pytestmark = pytest.mark.pure_python

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


def as_rows(table, index_dtype=np.int32):
    """Write a table as Rows, closed for writing."""
    rows = Rows.from_scipy(reference.as_csr(table, index_dtype))
    reference.closed(*rows)
    return rows


def as_references(table, types, index_dtype=np.int32, ids=None):
    """Write a table as References, closed for writing."""
    matrix = reference.as_csr(table, index_dtype)
    references = References.from_scipy(matrix, types, ids)
    dtype = np.dtype(f"u{np.dtype(index_dtype).itemsize}")
    references = references._replace(
        ptr=references.ptr.astype(dtype), indices=references.indices.astype(dtype)
    )
    reference.closed(*references)
    return references


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
        as_rows(table, index_dtype),
        as_references(references, ref_types, index_dtype),
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
        as_rows(table),
        as_references(references, ref_types),
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
def test_a_row_is_not_compared_with_itself(index_dtype, data):
    table, references, _ = data.draw(problems())
    rows = some_rows(data.draw, len(table))
    n_best = data.draw(st.integers(1, 6))
    ids = data.draw(st.permutations(range(max(len(table), len(references)))))
    ids = np.array(ids[: len(references)], dtype=np.uint32)
    nearest, similarities = nearest_types(
        rows,
        as_rows(table, index_dtype),
        # Each reference is a type: then this finds the nearest references.
        as_references(references, np.arange(len(ids)), index_dtype, ids),
        n_best,
        np.inf,
    )
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
        as_rows(table, index_dtype),
        as_references(references, ref_types, index_dtype),
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
    ref_types = np.repeat(np.arange(5, dtype=np.int32), 30)
    arguments = np.arange(20, dtype=np.uint32), as_rows(rows)
    by_reference = as_references(references, ref_types)
    expected = reference.jaccard(rows, references)
    by_type = reference.best_per_type(expected, ref_types, 5)
    found = similarity_to_types(*arguments, by_reference, 5)
    np.testing.assert_allclose(found, by_type, rtol=1e-5)
    assert found.max() <= 1
    _, similarities = nearest_types(*arguments, by_reference, 5, np.inf)
    np.testing.assert_allclose(similarities, -np.sort(-by_type), rtol=1e-5)
    # The lists hold the very numbers of the full table.
    np.testing.assert_array_equal(similarities, -np.sort(-found))


def test_a_row_that_equals_a_reference_has_similarity_1():
    table = np.random.default_rng(0).random((100, 30), dtype=np.float32)
    references = as_references(table, np.arange(100))
    types, similarities = nearest_types(
        np.arange(100, dtype=np.uint32), as_rows(table), references, 1, 0.0
    )
    assert types.ravel().tolist() == list(range(100))
    np.testing.assert_allclose(similarities, 1, rtol=1e-5)
    assert similarities.max() <= 1


def test_rows_without_entries_are_similar_to_nothing():
    rows = as_rows(np.array([[0, 0], [0, 2]], dtype=np.float32))
    references = as_references(np.array([[0, 0], [3, 0]], dtype=np.float32), [0, 1])
    chosen = np.arange(2, dtype=np.uint32)
    types, similarities = nearest_types(chosen, rows, references, 2, np.inf)
    assert (types == -1).all()
    assert (similarities == 0).all()
    assert (similarity_to_types(chosen, rows, references, 2) == 0).all()


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
    largest = largest_entries(CSRMatrix.from_scipy(matrix)._replace(values=values))
    expected, _ = reference.top_list(table, 1)
    assert largest.dtype == np.int32
    assert largest.tolist() == expected.ravel().tolist()


@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_references_are_rows_by_column(data):
    table = data.draw(reference.tables())
    types = np.arange(len(table)) // 2
    references = References.from_scipy(reference.as_csr(table), types)
    assert {references.ptr.dtype.kind, references.indices.dtype.kind} == {"u"}
    by_column = sparse.csc_array(
        (references.values, references.indices.view(np.int32), references.ptr),
        shape=table.shape,
    )
    np.testing.assert_array_equal(by_column.toarray(), table)
    assert references.sums.tolist() == table.sum(axis=1).tolist()
    assert references.types.tolist() == types.tolist()
    assert (references.ids == NO_ROW).all()
