"""The kernels that compare nodes with clusters agree with dense ones."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celltyping._kernels import _clusters
from celltyping.estimators._ntac.growth import profile_input, sort_members
from tests import _reference as reference

# Similarities nearer to each other than this are a tie to float32 sums.
CLOSE = 1e-5


class Case(NamedTuple):
    """A graph, two partitions of it, and the graph as the kernels take it."""

    adjacency: np.ndarray
    features: np.ndarray
    degree_correction: float
    labels: np.ndarray
    n_clusters: int
    groups: np.ndarray
    n_groups: int
    data: _clusters.ProfileInput


def data_of(adjacency, features=None, degree_correction=0.0, index_dtype=np.int32):
    """Write a dense graph and dense features as ProfileInput, closed for writing."""
    graph = reference.as_graph_input(adjacency, features, index_dtype)
    return profile_input(graph, degree_correction)


@st.composite
def cases(draw):
    """Draw a graph with weights that tie nowhere, and clusters, some of them empty."""
    adjacency = draw(reference.graphs(max_nodes=24))
    n_nodes = len(adjacency)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    adjacency = (adjacency * rng.uniform(0.5, 1.5, adjacency.shape)).astype(np.float32)
    features = rng.integers(0, 3, (n_nodes, draw(st.integers(0, 3))))
    features = (features * rng.uniform(0.5, 1.5, features.shape)).astype(np.float32)
    # More than 16 clusters take a second vector.
    n_clusters, n_groups = draw(st.integers(1, 20)), draw(st.integers(1, 20))
    labels = rng.integers(0, n_clusters, n_nodes).astype(np.uint32)
    groups = rng.integers(0, n_groups, n_nodes).astype(np.uint32)
    reference.closed(labels, groups)
    correction = draw(st.sampled_from([0.0, 0.5, 1.0]))
    data = data_of(adjacency, features, correction)
    return Case(
        adjacency, features, correction, labels, n_clusters, groups, n_groups, data
    )


def move_to_nearest(data, labels, is_fixed, n_clusters):
    """Move nodes to the nearest mean of the clusters as they are."""
    means = _clusters.mean_profiles(data, labels, n_clusters, labels, n_clusters)
    return _clusters.move_to_nearest(data, labels, is_fixed, n_clusters, means)


# ------------------------------------------------------------------------ references


def profiles_of(case, labels):
    """Count what each node gets from and gives to each cluster; then its features."""
    members = np.eye(case.n_clusters)[labels]
    adjacency = case.adjacency.astype(float)
    counts = np.hstack([adjacency.T @ members, adjacency @ members])
    strengths = counts.sum(axis=1, keepdims=True)
    if (some := strengths > 0).any():
        strengths[~some] = strengths[some].mean()
        counts *= (strengths / strengths[some].mean()) ** -case.degree_correction
    return np.hstack([counts, case.features])


def means_of(profiles, groups, n_groups):
    """Average rows; the mean of no rows is 0."""
    means = np.zeros((n_groups, profiles.shape[1]))
    for group in np.unique(groups):
        means[group] = profiles[groups == group].mean(axis=0)
    return means


def similarities_to_means(case, labels):
    """Compare each node with the mean of each cluster."""
    profiles = profiles_of(case, labels)
    return reference.jaccard(profiles, means_of(profiles, labels, case.n_clusters))


# -------------------------------------------------------------------- mean profiles


@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_mean_profiles(data):
    case = data.draw(cases())
    means = _clusters.mean_profiles(
        case.data, case.labels, case.n_clusters, case.groups, case.n_groups
    )
    assert means.dtype == np.float32
    assert means.shape[1] % _clusters.LANES == 0
    assert 0 <= means.shape[1] - case.n_groups < _clusters.LANES
    assert not means[:, case.n_groups :].any()
    expected = means_of(profiles_of(case, case.labels), case.groups, case.n_groups)
    np.testing.assert_allclose(means[:, : case.n_groups].T, expected, rtol=1e-6)


@pytest.mark.pure_python
def test_a_profile_is_in_weights_then_out_weights_then_features():
    adjacency = np.array([[0, 2, 3], [5, 7, 0], [0, 0, 0]])
    features = np.array([[0, 11], [13, 0], [0, 0]])
    profile_data = data_of(adjacency, features)
    labels = np.array([0, 1, 1], dtype=np.uint32)
    own = np.arange(3, dtype=np.uint32)
    means = _clusters.mean_profiles(profile_data, labels, 2, own, 3)
    assert means[:, :3].T.tolist() == [
        [0, 5, 0, 5, 0, 11],
        [2, 7, 5, 7, 13, 0],
        [3, 0, 0, 0, 0, 0],
    ]


# ----------------------------------------------------------------------------- moves


@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_move_to_nearest(data):
    case = data.draw(cases())
    labels = case.labels
    bits = data.draw(st.integers(0, 2 ** len(labels) - 1))
    is_fixed = reference.closed((bits >> np.arange(len(labels))) & 1 == 1)
    new, similarities = move_to_nearest(case.data, labels, is_fixed, case.n_clusters)
    assert new.dtype == np.uint32
    assert similarities.dtype == np.float32
    expected = similarities_to_means(case, labels)
    empty = ~profiles_of(case, labels).any(axis=1)
    assert (new[is_fixed | empty] == labels[is_fixed | empty]).all()
    assert (similarities[empty] == 1).all()
    rows = np.arange(len(labels))
    np.testing.assert_allclose(
        similarities[~empty], expected[rows, new][~empty], atol=CLOSE
    )
    assert similarities.max() <= 1
    free = ~is_fixed & ~empty
    best = expected.max(axis=1)
    assert (expected[rows, new] >= best - CLOSE)[free].all()
    clear = free & ((expected >= best[:, np.newaxis] - CLOSE).sum(axis=1) == 1)
    assert (new == expected.argmax(axis=1))[clear].all()


@pytest.mark.pure_python
def test_a_node_moves_only_if_another_cluster_is_nearer():
    # Nodes 0 to 3 have one profile. The first three are clusters of their own; node 3
    # has the mean of its cluster pulled away by node 4.
    adjacency = np.zeros((5, 5))
    adjacency[:4, 4] = 1
    profile_data = data_of(adjacency)
    labels = np.array([0, 1, 2, 3, 3], dtype=np.uint32)
    free = np.zeros(5, dtype=bool)
    new, similarities = move_to_nearest(profile_data, labels, free, 4)
    assert new.tolist() == [0, 1, 2, 0, 3]  # the first of those that are as near
    assert similarities[:4].tolist() == [1, 1, 1, 1]
    new, similarities = move_to_nearest(profile_data, labels, ~free, 4)
    assert new.tolist() == [0, 1, 2, 3, 3]
    # It gives 1. The mean gives 0.5, and gets 0.5 from each of the four clusters.
    np.testing.assert_allclose(similarities[3], 0.5 / 3)


@settings(deadline=None, max_examples=50)
@given(
    data=st.data(),
    max_iter=st.integers(1, 6),
    tol=st.sampled_from([0.0, 0.1, 0.5]),
)
def test_reassign_repeats_moves(data, max_iter, tol):
    case = data.draw(cases())
    is_fixed = reference.closed(case.groups % 3 == 0)
    labels, n_moved = case.labels, []
    while True:
        new, similarities = move_to_nearest(
            case.data, labels, is_fixed, case.n_clusters
        )
        n_moved.append(np.count_nonzero(new != labels))
        labels = new
        if n_moved[-1] <= tol * len(labels) or len(n_moved) == max_iter:
            break
    found = _clusters.reassign(
        case.data, case.labels, is_fixed, case.n_clusters, max_iter, tol
    )
    assert found[0].tolist() == labels.tolist()
    np.testing.assert_allclose(found[1], similarities, rtol=1e-6)
    assert found[2] == len(n_moved)


@pytest.mark.parametrize("correction", [0.0, 1.0])
def test_sums_that_move_along_are_those_summed_up_anew(correction):
    # A tenth of the nodes is astray, so that few move; many have self loops.
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 5, 200)
    chances = rng.uniform(0, 0.4, (5, 5))[truth][:, truth] + np.eye(200) / 2
    adjacency = rng.uniform(0.5, 1.5, (200, 200)) * (rng.random((200, 200)) < chances)
    profile_data = data_of(adjacency, rng.random((200, 2)), correction)
    labels = np.where(rng.random(200) < 0.1, rng.integers(0, 5, 200), truth)
    labels = labels.astype(np.uint32)
    free, shares = np.zeros(200, dtype=bool), []
    found = _clusters.reassign(profile_data, labels, free, 5, 20, 0.0)
    while not shares or shares[-1] > 0:
        new, similarities = move_to_nearest(profile_data, labels, free, 5)
        shares.append(np.mean(new != labels))
        labels = new
    assert 0 < shares[0] < _clusters.MANY
    assert found[0].tolist() == labels.tolist()
    np.testing.assert_allclose(found[1], similarities, rtol=1e-6)
    assert found[2] == len(shares) > 1


# ----------------------------------------------------------------- gains, distances


@pytest.mark.pure_python
@settings(deadline=None, max_examples=100)
@given(data=st.data(), n_clusters=st.integers(1, 6), n_candidates=st.integers(1, 30))
def test_take_candidates(data, n_clusters, n_candidates):
    n_nodes = data.draw(st.integers(1, 30))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    labels = rng.integers(0, n_clusters, n_nodes).astype(np.uint32)
    similarities = rng.random(n_nodes).astype(np.float32)
    is_fixed = rng.random(n_nodes) < data.draw(st.sampled_from([0.1, 0.5]))
    deferred = rng.random(n_nodes) < data.draw(st.sampled_from([0.0, 0.2, 1.0]))
    classes = rng.integers(0, data.draw(st.sampled_from([1, 3, 100])), n_nodes)
    clusters = sort_members(labels, similarities, n_clusters)
    reference.closed(*clusters, is_fixed, deferred, classes)
    rank = np.empty(n_nodes, dtype=int)
    excluded = np.zeros(n_nodes, dtype=bool)
    for c in range(n_clusters):
        own = np.flatnonzero(labels == c)
        rank[own[np.argsort(similarities[own])]] = np.arange(len(own))
        staying = np.unique(classes[own[is_fixed[own]]])
        excluded[own] = np.isin(classes[own], staying) & (len(staying) == 1)
    order = np.lexsort((similarities, rank, deferred))
    expected = order[~excluded[order]][:n_candidates]
    candidates, candidate_ends = _clusters.take_candidates(
        clusters, is_fixed, deferred, classes, n_candidates
    )
    assert sorted(candidates) == sorted(expected)
    for c in range(n_clusters):
        own = candidates[candidate_ends[c] : candidate_ends[c + 1]]
        assert (labels[own] == c).all()
    assert candidate_ends[-1] == len(candidates)


@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_candidate_gains(data):
    case = data.draw(cases())
    labels, n_nodes = case.labels, len(case.labels)
    own = np.random.default_rng(case.n_groups).random(n_nodes).astype(np.float32)
    clusters = sort_members(labels, own, case.n_clusters)
    candidates = clusters.members[case.groups[clusters.members] % 2 == 0]
    per_cluster = np.bincount(labels[candidates], minlength=case.n_clusters)
    candidate_ends = np.concatenate([[0], np.cumsum(per_cluster)])
    reference.closed(*clusters, candidates, candidate_ends)
    gains = _clusters.candidate_gains(case.data, clusters, candidates, candidate_ends)
    profiles = profiles_of(case, labels)
    similarities = reference.jaccard(profiles, profiles[candidates])
    gained = np.maximum(similarities - own[:, np.newaxis], 0)
    gained[labels[:, np.newaxis] != labels[candidates]] = 0
    np.testing.assert_allclose(gains, gained.sum(axis=0), atol=n_nodes * CLOSE)


@pytest.mark.pure_python
def test_more_candidates_than_one_vector_holds():
    rng = np.random.default_rng(0)
    adjacency = rng.uniform(0, 1, (40, 40)) * (rng.random((40, 40)) < 0.3)
    labels, own = np.zeros(40, dtype=np.uint32), np.zeros(40, dtype=np.float32)
    clusters = sort_members(labels, own, 1)
    gains = _clusters.candidate_gains(
        data_of(adjacency), clusters, np.arange(40), np.array([0, 40])
    )
    strengths = np.column_stack([adjacency.sum(axis=0), adjacency.sum(axis=1)])
    expected = reference.jaccard(strengths, strengths).sum(axis=0)
    np.testing.assert_allclose(gains, expected, rtol=1e-5)


@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_mean_distance(data):
    case = data.draw(cases())
    distance = _clusters.mean_distance(
        case.data, case.labels, case.n_clusters, case.groups, case.n_groups
    )
    profiles = profiles_of(case, case.labels)
    means = means_of(profiles, case.groups, case.n_groups)
    similarities = np.diag(reference.jaccard(profiles, means[case.groups]))
    expected = np.where(profiles.any(axis=1), 1 - similarities, 0).mean()
    assert distance >= 0
    np.testing.assert_allclose(distance, expected, atol=CLOSE)


# ------------------------------------------------------------------ types of arrays


@pytest.fixture(scope="module")
def brain():
    """Return a random graph of 60 nodes, three of them isolated, and clusters."""
    rng = np.random.default_rng(0)
    adjacency = rng.uniform(0.5, 1.5, (60, 60)) * (rng.random((60, 60)) < 0.1)
    adjacency[:3] = adjacency[:, :3] = 0
    features = rng.random((60, 2)) * (np.arange(60) > 2)[:, np.newaxis]
    return adjacency, features, rng.integers(0, 18, 60).astype(np.uint32)


def test_indices_of_64_bits_change_no_bit(brain):
    adjacency, features, labels = brain
    is_fixed = labels % 5 == 0
    found = []
    for index_dtype in (np.int32, np.int64):
        profile_data = data_of(adjacency, features, 1.0, index_dtype)
        assert (
            profile_data.graph.outgoing.indices.dtype.itemsize
            == np.dtype(index_dtype).itemsize
        )
        moved = _clusters.reassign(profile_data, labels, is_fixed, 18, 3, 0.0)
        distance = _clusters.mean_distance(profile_data, labels, 18, moved[0], 18)
        found.append([moved[0].tolist(), moved[1].tolist(), moved[2], distance])
    assert found[0] == found[1]
    assert found[0][2] > 1


@pytest.mark.parametrize("factor", [1e-30, 1e-4, 1e25])
@pytest.mark.parametrize("correction", [0.0, 1.0])
def test_a_common_factor_of_all_weights_does_not_show(brain, factor, correction):
    adjacency, features, labels = brain
    free = np.zeros(60, dtype=bool)
    found = [
        move_to_nearest(
            data_of(f * adjacency, f * features, correction), labels, free, 18
        )
        for f in (1.0, factor)
    ]
    assert found[0][0].tolist() == found[1][0].tolist()
    np.testing.assert_allclose(found[0][1], found[1][1], atol=CLOSE)


@pytest.mark.pure_python
def test_sums_are_in_double_precision():
    # 2^24 + 1 is no float32: the ones after the first large weight would be lost.
    adjacency = np.zeros((6, 6))
    adjacency[0, 1:] = [2**24, 1, 1, 1, 1]
    profile_data = data_of(adjacency)
    labels = np.zeros(6, dtype=np.uint32)
    means = _clusters.mean_profiles(
        profile_data, labels, 1, np.arange(6, dtype=np.uint32), 6
    )
    assert means[1, 0] == 2**24 + 4
