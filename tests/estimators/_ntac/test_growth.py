"""Divisive clustering: candidates, centres, sizes, and no empty cluster."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from itertools import pairwise, product
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celltyping.estimators._ntac import growth as _growth
from celltyping.estimators._ntac.growth import GrowthParams, Run, sort_members
from tests import _reference as reference

PARAMS = GrowthParams(n_representatives=5, candidate_fraction=0.1, max_iter=4)


def data_of(adjacency, degree_correction=0.0):
    """Write a dense graph as ProfileInput, closed for writing."""
    return _growth.profile_input(reference.as_graph_input(adjacency), degree_correction)


def classes_of(adjacency):
    """Number the nodes such that those with the same edges have one number."""
    both = np.hstack([adjacency, adjacency.T])
    return np.unique(both, axis=0, return_inverse=True)[1].ravel()


class Bar:
    """A progress bar that counts."""

    def __init__(self):
        self.updates = []

    def update(self, n):
        self.updates.append(n)


@st.composite
def graphs_with_equivalent_nodes(draw):
    """Draw a graph with an edge, in which some nodes have the same edges."""
    adjacency = draw(reference.graphs(max_nodes=10))
    copies = draw(st.lists(st.integers(0, len(adjacency) - 1), min_size=1, max_size=25))
    adjacency = adjacency[copies][:, copies]
    adjacency[0, -1] += 1
    return adjacency


# --------------------------------------------------------------------------- schedule


@given(
    first=st.integers(1, 20),
    growth=st.floats(1, 5),
    target=st.integers(1, 100),
    more=st.integers(0, 100),
    limit=st.integers(1, 150),
)
def test_schedule(first, growth, target, more, limit):
    sizes = _growth.schedule(first, growth, target, limit)
    assert sizes[0] == min(first, limit)
    assert sizes[-1] >= min(target, limit)
    assert all(size < target for size in sizes[:-1])
    assert sizes[-1] <= limit
    for size, grown in pairwise(sizes):
        assert grown == min(max(int(growth * size + 0.5), size + 1), limit)
    longer = _growth.schedule(first, growth, target + more, limit)
    assert longer[: len(sizes)] == sizes


def test_a_schedule_grows_by_a_factor_and_at_least_by_one(subtests):
    cases = [
        (1.0, [1, 2, 3, 4, 5, 6, 7, 8]),
        (1.1, [1, 2, 3, 4, 5, 6, 7, 8]),
        (1.5, [1, 2, 3, 5, 8]),
        (3.0, [1, 3, 9]),
        (1e300, [1, 10]),
    ]
    for growth, sizes in cases:
        with subtests.test(growth=growth, sizes=sizes):
            assert _growth.schedule(1, growth, 8, 10) == sizes


# ------------------------------------------------------------------------ the choices


@settings(deadline=None)
@given(
    data=st.data(), n_clusters=st.integers(1, 6), n_representatives=st.integers(1, 5)
)
def test_choose_representatives(data, n_clusters, n_representatives):
    labels = np.array(data.draw(st.lists(st.integers(0, n_clusters - 1), min_size=1)))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    similarities = rng.random(len(labels)).astype(np.float32)
    clusters = sort_members(labels, similarities, n_clusters)
    chosen = _growth.choose_representatives(clusters, n_representatives)
    _, _, members, ends = clusters
    assert ends[0] == 0
    assert ends[-1] == len(labels)
    for c in range(n_clusters):
        own = members[ends[c] : ends[c + 1]]
        assert sorted(own) == np.flatnonzero(labels == c).tolist()
        assert (np.diff(similarities[own]) <= 0).all()
        n_chosen = min(n_representatives, (len(own) + 1) // 2)
        assert chosen[own].tolist() == [True] * n_chosen + [False] * (
            len(own) - n_chosen
        )


def jaccard_gains(profiles, labels, similarities):
    """Sum up for each node what its cluster gains if it becomes a centre."""
    gained = reference.jaccard(profiles, profiles) - similarities[:, np.newaxis]
    gained[labels[:, np.newaxis] != labels] = 0
    return np.maximum(gained, 0).sum(axis=0)


def choose_centres(data, run, classes, params, n_wanted):
    """Choose new centres for the last partition of a run."""
    size = run.sizes[-1]
    clusters = sort_members(run.at(size), run.similarities, size)
    is_fixed = _growth.choose_representatives(clusters, params.n_representatives)
    return _growth._choose_centres(
        data, clusters, is_fixed, run.deferred, classes, params, n_wanted
    )


def test_choose_centres(subtests):
    for n_wanted, fraction, deferred_part in product(
        [1, 3, 6], [0.01, 0.09, 1.0], [0.0, 0.2, 1.0]
    ):
        with subtests.test(
            n_wanted=n_wanted, fraction=fraction, deferred_part=deferred_part
        ):
            rng = np.random.default_rng(0)
            adjacency = rng.uniform(0, 1, (50, 50)) * (rng.random((50, 50)) < 0.2)
            labels = rng.integers(0, 4, 50).astype(np.uint32)
            similarities = rng.random(50).astype(np.float32)
            deferred = rng.random(50) < deferred_part
            classes = np.arange(50)
            classes[labels == 2] = 99  # all equivalent, so it cannot be split
            # The farthest of each cluster in turn, those that are deferred after all
            # others.
            rank = np.empty(50, dtype=int)
            for c in range(4):
                own = np.flatnonzero(labels == c)
                rank[own[np.argsort(similarities[own])]] = np.arange(len(own))
            free = [i for i in range(50) if labels[i] != 2]
            free.sort(key=lambda i: (deferred[i], rank[i], similarities[i]))
            candidates = free[: max(int(np.ceil(fraction * 50)), n_wanted)]
            members_of = np.eye(4)[labels]
            profiles = np.hstack([adjacency.T @ members_of, adjacency @ members_of])
            gains = jaccard_gains(profiles, labels, similarities)
            best = [
                max((i for i in candidates if labels[i] == c), key=lambda i: gains[i])
                for c in set(labels[candidates])
            ]
            expected = sorted(best, key=lambda i: -gains[i])[:n_wanted]
            run = Run((4,), (labels,), similarities, deferred, 1)
            params = GrowthParams(5, fraction, 4)
            centres = choose_centres(data_of(adjacency), run, classes, params, n_wanted)
            assert centres.tolist() == expected
            assert len(expected) <= 3


def test_how_many_candidates_there_are(subtests):
    cases = [(0.05, 1, 3), (0.05, 3, 3), (0.05, 7, 7), (0.1, 1, 5), (1.0, 1, 50)]
    for fraction, n_wanted, n_candidates in cases:
        with subtests.test(
            fraction=fraction, n_wanted=n_wanted, n_candidates=n_candidates
        ):
            adjacency = np.random.default_rng(0).random((50, 50))
            free = np.zeros(50, dtype=bool)
            run = Run(
                (1,), (np.zeros(50, np.uint16),), np.ones(50, np.float32), free, 1
            )
            with patch.object(
                _growth, "take_candidates", wraps=_growth.take_candidates
            ) as take:
                params = PARAMS._replace(candidate_fraction=fraction)
                profile_data = data_of(adjacency)
                choose_centres(profile_data, run, np.arange(50), params, n_wanted)
            assert take.call_args.args[-1] == n_candidates


def test_the_class_of_all_representatives_is_no_candidate():
    # Nodes 0 and 1 are the representatives, and nodes 0 to 2 equivalent.
    adjacency = np.zeros((6, 6))
    adjacency[:3, 5] = 1
    adjacency[3, 4] = 1
    labels = np.array([0, 0, 0, 0, 1, 1], dtype=np.uint32)
    similarities = np.array([0.9, 0.8, 0.1, 0.2, 1, 1], dtype=np.float32)
    clusters = sort_members(labels, similarities, 2)
    is_fixed = _growth.choose_representatives(clusters, 2)
    assert np.flatnonzero(is_fixed).tolist() == [0, 1, 4]
    run = Run((2,), (labels,), similarities, np.zeros(6, dtype=bool), 1)
    params, classes = GrowthParams(2, 1.0, 4), classes_of(adjacency)
    centres = choose_centres(data_of(adjacency), run, classes, params, 2)
    assert sorted(centres) == [3, 5]


# ------------------------------------------------------------------------------- runs


def test_a_run_starts_with_reassigned_nodes():
    rng = np.random.default_rng(0)
    adjacency = rng.uniform(0, 1, (30, 30)) * (rng.random((30, 30)) < 0.2)
    profile_data = data_of(adjacency)
    deferred = reference.closed(rng.random(30) < 0.2)
    labels = reference.closed(rng.integers(0, 5, 30).astype(np.uint32))
    run = _growth.start_run(profile_data, labels, deferred, PARAMS)
    moved, similarities, n_iter = _growth.reassign(
        profile_data, labels, np.zeros(30, dtype=bool), 5, PARAMS.max_iter, _growth.TOL
    )
    assert run.n_iter == n_iter > 1
    assert run.similarities.tolist() == similarities.tolist()
    assert run.deferred is deferred
    expected = np.unique(moved, return_inverse=True)[1]
    assert run.partitions[0].tolist() == expected.tolist()
    assert run.sizes == (expected.max() + 1,)


@settings(deadline=None, max_examples=100)
@given(data=st.data(), growth=st.sampled_from([1.0, 1.3, 3.0]))
def test_grow(data, growth):
    adjacency = data.draw(graphs_with_equivalent_nodes())
    n_nodes = len(adjacency)
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    profile_data = data_of(adjacency)
    classes = reference.closed(classes_of(adjacency))
    n_classes = int(classes.max()) + 1
    deferred = reference.closed(rng.random(n_nodes) < 0.5)
    params = GrowthParams(
        data.draw(st.integers(1, 4)),
        data.draw(st.sampled_from([0.01, 0.1, 1.0])),
        data.draw(st.integers(1, 4)),
    )
    start = rng.integers(0, data.draw(st.integers(1, 3)), n_nodes)
    run = _growth.start_run(profile_data, _growth.compact(start), deferred, params)
    before = run.sizes, [part.tolist() for part in run.partitions]
    sizes = _growth.schedule(run.sizes[0], growth, n_classes, n_classes)
    bar = Bar()
    grown = _growth.grow(profile_data, run, sizes, classes, params, bar)
    assert grown.sizes == tuple(sizes)
    assert sum(bar.updates) == sizes[-1] - sizes[0]
    assert min(bar.updates, default=1) > 0
    assert len(grown.partitions) == len(sizes)
    for size in sizes:
        labels = grown.at(size)
        assert labels.dtype == np.uint32
        assert np.unique(labels).tolist() == list(range(size))
    assert 1 <= grown.n_iter <= params.max_iter
    assert before == (run.sizes, [part.tolist() for part in run.partitions])
    # The same, in two parts.
    half = len(sizes) // 2
    first = (
        _growth.grow(profile_data, run, sizes[:half], classes, params, Bar())
        if half
        else run
    )
    again = _growth.grow(profile_data, first, sizes, classes, params, Bar())
    assert again.sizes == grown.sizes
    assert again.n_iter == grown.n_iter
    for one, other in zip(again.partitions, grown.partitions, strict=True):
        assert one.tolist() == other.tolist()
    assert again.similarities.tolist() == grown.similarities.tolist()
    # And nothing is left to do.
    same = _growth.grow(profile_data, grown, sizes, classes, params, Bar())
    assert same.sizes == grown.sizes


@settings(deadline=None)
@given(data=st.data(), n_representatives=st.integers(1, 4))
def test_fixed_nodes_of_a_round(data, n_representatives):
    adjacency = data.draw(graphs_with_equivalent_nodes())
    classes = classes_of(adjacency)
    profile_data = data_of(adjacency)
    params = PARAMS._replace(
        n_representatives=n_representatives, candidate_fraction=1.0
    )
    n_nodes, n_classes = len(classes), int(classes.max()) + 1
    start = np.zeros(n_nodes, dtype=np.uint32)
    run = _growth.start_run(profile_data, start, np.zeros(n_nodes, dtype=bool), params)
    rounds = []

    def reassign(data, labels, is_fixed, params, original=_growth._reassign):
        rounds.append((labels.astype(int), is_fixed.copy()))
        found = original(data, labels, is_fixed, params)
        rounds[-1] += (found[0].astype(int),)
        return found

    with patch.object(_growth, "_reassign", reassign):
        _growth.grow(profile_data, run, [n_classes], classes, params, Bar())
    before = start.astype(int)
    for labels, is_fixed, after in rounds:
        n_old = before.max() + 1
        assert (np.bincount(labels[is_fixed], minlength=labels.max() + 1) > 0).all()
        for centre in np.flatnonzero(labels != before):
            assert labels[centre] >= n_old
            assert is_fixed[centre]
            same = (classes == classes[centre]) & (labels == before[centre])
            assert not is_fixed[same].any()
        assert (after[is_fixed] == labels[is_fixed]).all()
        before = after


def test_equivalent_nodes_follow_their_centre():
    # Nodes 0 to 7 are of two classes by turns, and so are the four that represent them.
    adjacency = np.zeros((10, 10))
    adjacency[0:8:2, 8] = adjacency[1:8:2, 9] = 1
    start = np.array([0] * 8 + [1, 2], dtype=np.uint32)
    profile_data, free = data_of(adjacency), np.zeros(10, dtype=bool)
    _, similarities, _ = _growth.reassign(profile_data, start, ~free, 3, 1, 0.0)
    run = Run((3,), (start,), similarities, free, 1)
    params = PARAMS._replace(candidate_fraction=1.0)
    run = _growth.grow(profile_data, run, [4], classes_of(adjacency), params, Bar())
    labels = run.at(4)[:8]
    assert len(set(labels[::2])) == len(set(labels[1::2])) == 1
    assert labels[0] != labels[1]


def test_a_start_with_too_few_clusters_is_not_kept():
    rng = np.random.default_rng(0)
    adjacency = rng.uniform(0, 1, (30, 30)) * (rng.random((30, 30)) < 0.2)
    profile_data = data_of(adjacency)
    start = np.zeros(30, dtype=np.uint32)
    run = _growth.start_run(profile_data, start, np.zeros(30, dtype=bool), PARAMS)
    assert run.sizes == (1,)
    grown = _growth.grow(profile_data, run, [4, 7], np.arange(30), PARAMS, Bar())
    assert grown.sizes == (4, 7)
    assert [part.max() for part in grown.partitions] == [3, 6]


def test_a_round_splits_the_clusters_that_gain_most():
    # Two blocks of nodes, each in two halves with partners of their own: one round
    # that adds two clusters finds the four halves.
    adjacency = np.zeros((44, 44))
    for half in range(4):
        adjacency[10 * half : 10 * half + 10, 40 + half] = 5 + half
        adjacency[40 + half, 10 * half : 10 * half + 10] = 1 + half
    truth = np.repeat([0, 1, 2, 3], 10)
    start = np.r_[np.repeat([0, 1], 20), [2, 3, 4, 5]].astype(np.uint32)
    profile_data = data_of(adjacency)
    deferred = np.zeros(44, dtype=bool)
    _, similarities, _ = _growth.reassign(profile_data, start, ~deferred, 6, 1, 0.0)
    run = Run((6,), (start,), similarities, deferred, 1)
    run = _growth.grow(profile_data, run, [8], classes_of(adjacency), PARAMS, Bar())
    labels = run.at(8)[:40]
    assert len(set(zip(labels, truth, strict=True))) == len(set(labels)) == 4


# ---------------------------------------------------------------------- small helpers


@pytest.mark.parametrize("index_dtype", [np.int32, np.int64])
def test_profile_input_shares_the_arrays_of_the_graph(index_dtype):
    rng = np.random.default_rng(0)
    adjacency = rng.random((9, 9)) * (rng.random((9, 9)) < 0.4)
    graph = reference.as_graph_input(adjacency, rng.random((9, 2)), index_dtype)
    data = _growth.profile_input(graph, 0.0)
    assert data.n_features == 2
    for found, matrix in [
        (data.graph.outgoing, graph.adjacency),
        (data.graph.incoming, graph.transpose),
        (data.features, graph.features),
    ]:
        arrays = matrix.indptr, matrix.indices, matrix.data
        for one, other in zip(found, arrays, strict=True):
            assert np.shares_memory(one, other)
            assert one.tolist() == other.tolist()
        assert found.ptr.dtype.kind == found.indices.dtype.kind == "u"


def test_degree_correction_divides_by_a_power_of_the_strength(subtests):
    for correction in [0.0, 0.5, 1.0]:
        with subtests.test(correction=correction):
            # Node 3 has a feature alone, node 4 nothing.
            adjacency = np.zeros((5, 5))
            adjacency[[0, 1, 1, 2], [1, 0, 1, 0]] = [3, 1, 2, 4]
            features = np.array([[0, 7], [0, 0], [1, 1], [2, 0], [0, 0]])
            graph = reference.as_graph_input(adjacency, features)
            data = _growth.profile_input(graph, correction)
            sums, mean = _growth.strengths(graph)
            assert sums.tolist() == [8, 8, 4, 0, 0]
            assert mean == 20 / 3
            expected = [(s / mean) ** -correction if s else 1 for s in sums]
            assert data.scale.dtype == data.totals.dtype == np.float32
            np.testing.assert_allclose(data.scale, expected, rtol=1e-6)
            np.testing.assert_allclose(
                data.totals, expected * sums + features.sum(axis=1), rtol=1e-6
            )


def test_a_graph_of_node_features_alone_has_no_strength():
    graph = reference.as_graph_input(np.zeros((3, 3)), np.eye(3))
    for correction in (0.0, 1.0):
        data = _growth.profile_input(graph, correction)
        assert data.scale.tolist() == data.totals.tolist() == [1, 1, 1]


def test_the_weakest_node_has_a_scale_that_float32_holds():
    sums = np.array([1e-44, 1.0, 3.0])
    scale = _growth.degree_scale(sums, sums.mean(), 1.0)
    assert np.isfinite(scale).all()
    assert scale[0] > 1e38


def test_compact():
    labels = _growth.compact(np.array([7, 3, 7, 9, 0], dtype=np.uint32))
    assert labels.tolist() == [2, 1, 2, 3, 0]
    assert labels.dtype == np.uint32


@pytest.mark.parametrize(
    ("most", "dtype"), [(2**16 - 1, np.uint16), (2**16, np.uint32)]
)
def test_labels_take_half_the_memory_where_they_fit(most, dtype):
    labels = np.array([0, most], dtype=np.uint32)
    small = _growth._small(labels)
    assert small.dtype == dtype
    assert small.tolist() == [0, most]
    run = Run((2,), (small,), None, None, 1)
    assert run.at(2).dtype == np.uint32
