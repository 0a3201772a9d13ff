"""Counts of partners' types and of their profiles agree with dense products."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celltyping._kernels._csr import CSRMatrix
from celltyping._kernels._profiles import (
    ENTRY,
    Memberships,
    average_profiles,
    count_types,
    strongest_entries,
)
from tests import _reference as reference

pytestmark = pytest.mark.pure_python

INDEX_DTYPES = [np.int32, np.int64]

# A node's columns are put in order by a sweep over few types or by a sort of many.
N_TYPES = [1, 4, 300]


@pytest.mark.parametrize("index_dtype", INDEX_DTYPES)
@pytest.mark.parametrize("n_types", N_TYPES)
@settings(deadline=None, max_examples=30)
@given(data=st.data())
def test_count_types(n_types, index_dtype, data):
    adjacency = data.draw(reference.graphs())
    n_nodes = len(adjacency)
    drawn = data.draw(reference.memberships(n_nodes, n_types))
    members = Memberships(*reference.closed(*drawn))
    start = data.draw(st.integers(0, n_nodes))
    stop = data.draw(st.integers(start, n_nodes))
    least = data.draw(st.sampled_from([0.0, 0.05, 0.25]))
    graph = reference.as_graph(adjacency, index_dtype)
    ptr, cols, values = count_types(start, stop, graph, members, n_types, least)
    assert (ptr.dtype, cols.dtype, values.dtype) == (np.int64, np.int32, np.float32)
    assert ptr[-1] == len(cols) == len(values)
    for begin, end in itertools.pairwise(ptr):
        assert (np.diff(cols[begin:end]) > 0).all()
    expected = reference.count_partners(adjacency, *members, n_types, least)
    np.testing.assert_array_equal(
        reference.from_blocks(ptr, cols, values, 2 * n_types), expected[start:stop]
    )


def test_weights_and_shares_of_zero_count_nothing():
    # As entries, they once took more room than there was.
    graph = reference.as_graph(np.ones((50, 50), dtype=np.float32))
    members = Memberships.from_labels(np.zeros(50))
    no_shares = members._replace(shares=0 * members.shares)
    assert count_types(0, 50, graph, no_shares, 2, 0.0)[0][-1] == 0
    no_weights = graph.outgoing._replace(values=np.zeros(2500, dtype=np.float32))
    graph = graph._replace(outgoing=no_weights, incoming=no_weights)
    assert count_types(0, 50, graph, members, 2, 0.0)[0][-1] == 0


def test_count_types_keeps_the_parts_apart():
    adjacency = np.array([[7, 2, 0], [0, 0, 3], [0, 0, 0]], dtype=np.float32)
    members = Memberships.from_labels([0, 1, -1])
    parts = count_types(0, 3, reference.as_graph(adjacency), members, 2, 0.0)
    assert reference.from_blocks(*parts, 4).tolist() == [
        [7, 0, 7, 2],  # a self loop counts on both sides
        [2, 0, 0, 0],  # its partner out of no type counts nowhere
        [0, 3, 0, 0],
    ]


def test_count_types_does_not_depend_on_the_order_of_edges():
    rng = np.random.default_rng(0)
    adjacency = rng.random((40, 40), dtype=np.float32) + 0.1
    labels = rng.integers(0, 3, 40)
    members = Memberships.from_labels(labels)
    expected = count_types(0, 40, reference.as_graph(adjacency), members, 3, 0.0)
    order = rng.permutation(40)
    graph = reference.as_graph(adjacency[np.ix_(order, order)])
    found = count_types(0, 40, graph, Memberships.from_labels(labels[order]), 3, 0.0)
    np.testing.assert_array_equal(
        reference.from_blocks(*found, 6), reference.from_blocks(*expected, 6)[order]
    )


@pytest.mark.parametrize("n_partners", [10, 1000])
def test_a_hub_with_many_equal_partners_loses_none(n_partners):
    adjacency = np.zeros((n_partners + 1, n_partners + 1), dtype=np.float32)
    adjacency[:-1, -1] = 1
    members = Memberships.from_labels(np.arange(n_partners + 1))
    graph = reference.as_graph(adjacency)
    parts = count_types(
        n_partners, n_partners + 1, graph, members, n_partners + 1, 0.005
    )
    assert parts[2].tolist() == [1] * n_partners


@pytest.mark.parametrize("index_dtype", INDEX_DTYPES)
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_strongest_entries(index_dtype, data):
    table = data.draw(reference.tables(max_cols=8))
    n_keep = data.draw(st.integers(1, 10))
    matrix = reference.as_csr(table, index_dtype)
    start = data.draw(st.integers(0, len(table)))
    entries = strongest_entries(start, len(table), CSRMatrix.from_scipy(matrix), n_keep)
    table = table[start:]
    assert entries.dtype == ENTRY
    assert entries.shape == (len(table), n_keep)
    present = entries["col"] >= 0
    assert (np.diff(present.astype(int), axis=1) <= 0).all()  # -1 closes a row
    assert (entries["value"][~present] == 0).all()
    expected = reference.shares_of(reference.strongest(table, n_keep))
    found = reference.from_entries(entries, table.shape[1])
    assert ((found > 0) == (expected > 0)).all()
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("n_keep", [2, 4, 5])
def test_strongest_entries_are_never_stored_zeros(n_keep):
    ptr, cols = np.array([0, 4, 8]), np.array([0, 1, 2, 3] * 2, dtype=np.uint32)
    values = np.array([0, 0, 5, 0, 0, 0, 0, 0], dtype=np.float32)
    entries = strongest_entries(0, 2, CSRMatrix(ptr, cols, values), n_keep)
    assert entries["col"].tolist() == [[2] + [-1] * (n_keep - 1), [-1] * n_keep]
    assert entries["value"][0, 0] == 1


@pytest.mark.parametrize("index_dtype", INDEX_DTYPES)
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_average_profiles(index_dtype, data):
    adjacency = data.draw(reference.graphs())
    n_nodes, n_cols, n_entries = len(adjacency), 5, 3
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    profiles = rng.random((n_nodes, n_cols)) * rng.integers(0, 2, (n_nodes, n_cols))
    profiles = reference.shares_of(reference.strongest(profiles, n_entries)).astype(
        np.float32
    )
    masses = reference.closed(rng.random(n_nodes, dtype=np.float32))
    n_keep = data.draw(st.integers(1, 2 * n_cols))
    start = data.draw(st.integers(0, n_nodes))
    stop = data.draw(st.integers(start, n_nodes))
    parts = average_profiles(
        start,
        stop,
        reference.as_graph(adjacency, index_dtype),
        reference.as_entries(profiles, n_entries),
        n_cols,
        n_keep,
        masses,
    )
    found = reference.from_blocks(*parts, 2 * n_cols)
    expected = reference.average_profiles(adjacency, profiles, n_keep, masses)
    expected = expected[start:stop]
    assert ((found > 0) == (expected > 0)).all()
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    there = expected.any(axis=1)
    np.testing.assert_allclose(
        found.sum(axis=1)[there], masses[start:stop][there], rtol=1e-6
    )
    assert (np.diff(parts[0]) <= n_keep).all()


def test_a_node_without_counts_has_no_second_order_mass():
    adjacency = np.ones((2, 2), dtype=np.float32)
    profiles = reference.as_entries(np.array([[0.5, 0.5], [0, 1]], dtype=np.float32), 2)
    masses = np.array([0, 2], dtype=np.float32)
    parts = average_profiles(
        0, 2, reference.as_graph(adjacency), profiles, 2, 4, masses
    )
    assert reference.from_blocks(*parts, 4).tolist() == [[0, 0, 0, 0], [0.25, 0.75] * 2]
