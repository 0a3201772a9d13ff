"""Consensus clustering: co-association, merging, and the number of clusters."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from sklearn.metrics import adjusted_rand_score

from celltyping.estimators._ntac import consensus
from celltyping.estimators._ntac.growth import compact


def same_partition(one, other):
    """Return whether two partitions are the same but for the clusters' numbers."""
    pairs = set(zip(one, other, strict=True))
    return len(pairs) == len(set(one)) == len(set(other))


@st.composite
def draw_partition(draw, n_nodes, n_least):
    """Draw a partition of some nodes into at least `n_least` clusters."""
    n_clusters = draw(st.integers(n_least, n_nodes))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels = np.r_[np.arange(n_clusters), rng.integers(0, n_clusters, n_nodes)]
    return rng.permutation(labels[:n_nodes])


@st.composite
def votes(draw):
    """Draw the finest partitions of some runs, all to combine, and a wanted number."""
    n_nodes = draw(st.integers(2, 15))
    wanted = draw(st.integers(2, n_nodes))
    finest = [
        draw(draw_partition(n_nodes, wanted)) for _ in range(draw(st.integers(1, 4)))
    ]
    others = [draw(draw_partition(n_nodes, 1)) for _ in range(draw(st.integers(1, 4)))]
    return finest, others + finest * draw(st.integers(0, 1)), wanted


# ------------------------------------------------------------------------------ sizes


def test_consensus_sizes():
    sizes = [1, 2, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17, 19, 21, 23, 25]
    assert consensus.consensus_sizes(sizes, 10) == [21, 15, 11, 8, 6]
    # What comes after the finest one does not count.
    assert consensus.consensus_sizes(sizes[:-2], 10) == [21, 15, 11, 8, 6]


def test_consensus_sizes_of_short_runs(subtests):
    cases = [
        ([1], 1, [1]),
        ([1, 2], 1, [2, 1]),
        ([1, 2, 3, 4], 2, [4, 3, 2, 1]),
        ([16, 27, 46], 3, [16]),
        ([1, 3, 9], 9, [9]),
        ([1, 3, 9, 10], 9, [10]),
        ([1, 100], 9, [100]),
    ]
    for sizes, n_clusters, expected in cases:
        with subtests.test(sizes=sizes, n_clusters=n_clusters):
            assert consensus.consensus_sizes(sizes, n_clusters) == expected


@given(
    steps=st.lists(st.integers(1, 20), min_size=1, max_size=30),
    data=st.data(),
)
def test_consensus_sizes_are_apart_and_near_the_wanted_number(steps, data):
    sizes = np.cumsum(steps).tolist()
    wanted = data.draw(st.integers(1, sizes[-1]))
    finest, *others = chosen = consensus.consensus_sizes(sizes, wanted)
    assert set(chosen) <= set(sizes)
    assert finest >= wanted
    assert finest == sizes[-1] or finest >= 2 * wanted
    assert all(size < 2 * wanted for size in sizes if size < finest)
    assert all(one >= 1.3 * other for one, other in pairwise(chosen))
    assert all(size >= wanted / 2 for size in others)
    for size in sizes:  # each other size has a reason
        near = any(v / 1.3 < size <= v for v in chosen)
        assert near or size > finest or size < wanted / 2


# ------------------------------------------------------------------------ association


@settings(deadline=None)
@given(drawn=votes())
def test_closeness_is_the_mean_chance_to_be_together(drawn):
    finest, combined, _ = drawn
    clusters = [
        np.flatnonzero(labels == c)
        for labels in finest
        for c in range(labels.max() + 1)
    ]
    expected = np.zeros((len(clusters),) * 2)
    for labels in combined:
        same = labels[:, np.newaxis] == labels
        for a, one in enumerate(clusters):
            for b, other in enumerate(clusters):
                expected[a, b] += same[np.ix_(one, other)].mean() / len(combined)
    members = sparse.hstack(
        [consensus._indicators(labels) for labels in finest], format="csr"
    )
    association = consensus.coassociation(members, combined)
    np.testing.assert_allclose(association, expected, atol=1e-6)


# ----------------------------------------------------------------------------- the tree


def test_cut_undoes_the_last_merges(subtests):
    for seed in range(5):
        with subtests.test(seed=seed):
            points = np.random.default_rng(seed).random((30, 3))
            tree = linkage(points, method="average")
            for n_groups in range(1, 31):
                groups = consensus._cut(tree, n_groups)
                assert np.unique(groups).tolist() == list(range(n_groups))
                assert same_partition(
                    groups, fcluster(tree, n_groups, criterion="maxclust")
                )


def test_cut_through_merges_of_equal_height():
    tree = linkage(squareform(np.ones((5, 5)) - np.eye(5)), method="average")
    for n_groups in range(1, 6):
        assert consensus._cut(tree, n_groups).max() == n_groups - 1


# --------------------------------------------------------------------------- consensus


@settings(deadline=None, max_examples=300)
@given(drawn=votes())
def test_the_number_of_clusters_is_the_wanted_one(drawn):
    finest, combined, wanted = drawn
    before = [labels.tolist() for labels in combined]
    labels = consensus.consensus_clusters(finest, combined, wanted)
    assert labels.dtype == np.uint32
    assert np.unique(labels).tolist() == list(range(wanted))
    assert [part.tolist() for part in combined] == before


@settings(deadline=None)
@given(data=st.data(), n_runs=st.integers(1, 4))
def test_the_consensus_of_equal_partitions_is_the_partition(data, n_runs):
    labels = data.draw(draw_partition(data.draw(st.integers(2, 15)), 2))
    runs = [labels] * n_runs
    found = consensus.consensus_clusters(runs, runs, int(labels.max()) + 1)
    assert same_partition(found, labels)


def reference_votes(finest, combined, n_clusters):
    """Count the votes of each node for each group, node by node."""
    clusters = [labels == c for labels in finest for c in range(labels.max() + 1)]
    chance = sum((v[:, np.newaxis] == v).astype(float) for v in combined) / len(
        combined
    )
    distances = np.zeros((len(clusters),) * 2)
    for a, one in enumerate(clusters):
        for b, other in enumerate(clusters):
            distances[a, b] = (a != b) * (1 - chance[np.ix_(one, other)].mean())
    tree = linkage(squareform(distances, checks=False), method="average")
    groups = fcluster(tree, n_clusters, criterion="maxclust") - 1
    return np.column_stack(
        [np.mean(np.array(clusters)[groups == g], axis=0) for g in range(n_clusters)]
    )


def test_consensus_clusters(subtests):
    for seed in range(8):
        with subtests.test(seed=seed):
            rng = np.random.default_rng(seed)
            truth = rng.integers(0, 5, 80)
            finest = []
            for _ in range(4):
                # Each true cluster in two or three parts, and some nodes misplaced.
                parts = truth * 3 + rng.integers(0, rng.integers(2, 4), 80)
                misplaced = rng.random(80) < 0.1
                parts[misplaced] = rng.permutation(parts[misplaced])
                finest.append(compact(parts))
            combined = [*finest, compact(np.where(rng.random(80) < 0.1, 0, truth))]
            labels = consensus.consensus_clusters(finest, combined, 5)
            votes = reference_votes(finest, combined, 5)
            best = votes >= votes.max(axis=1, keepdims=True) - 1e-9
            sure = best.sum(axis=1) == 1  # the others may go to either
            assert same_partition(labels[sure], votes[sure].argmax(axis=1))
            group_of = dict(zip(labels[sure], votes[sure].argmax(axis=1), strict=True))
            assert all(best[i, group_of[label]] for i, label in enumerate(labels))
            assert adjusted_rand_score(truth, labels) > 0.6


def test_a_large_group_does_not_attract_uncertain_nodes():
    # Node 9 is with the small group in one run and with one of the many clusters of
    # the large group in the other.
    one = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 2])
    other = np.array([0, 0, 1, 1, 2, 2, 2, 3, 3, 0])
    members = sparse.hstack(
        [consensus._indicators(labels) for labels in (one, other)], format="csr"
    )
    groups = np.array([0, 1, 2, 0, 0, 1, 2])
    labels = consensus._choose_groups(members, groups)
    assert labels.tolist() == [0, 0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_the_smallest_cluster_joins_the_closest():
    labels = np.array([0, 0, 0, 1, 1, 2])
    groups = np.array([0, 0, 1, 2])
    association = np.eye(4)
    association[3, :3] = association[:3, 3] = [0.9, 0.1, 0.6]  # on average 0.5 and 0.6
    joined = consensus._join_smallest(labels, groups, association)
    assert joined.tolist() == [0, 0, 0, 1, 1, 1]
    assert labels.tolist() == [0, 0, 0, 1, 1, 2]


@pytest.mark.parametrize(
    ("finest", "combined", "wanted", "expected", "cuts", "n_joins"),
    [
        # One group is no node's first choice; cut finer, each of three is.
        ([[0, 1, 0], [0, 0, 1]], [[1, 0, 0]], 2, [0, 1, 0], [2, 3], 0),
        # Cut finer, there is one group more than wanted.
        (
            [[1, 0, 0, 0], [0, 1, 1, 0]],
            [[1, 1, 0, 0]],
            2,
            [0, 1, 1, 1],
            [2, 3],
            1,
        ),
        # In the end, each cluster is a group, and the first run decides.
        (
            [[2, 0, 1, 1], [0, 0, 1, 2]],
            [[0, 0, 1, 0]],
            3,
            [2, 0, 1, 1],
            [3, 4, 5, 6],
            0,
        ),
    ],
)
def test_a_group_that_no_node_chooses(
    finest, combined, wanted, expected, cuts, n_joins, monkeypatch
):
    asked = {"_cut": [], "_join_smallest": []}
    for name, calls in asked.items():
        function = getattr(consensus, name)
        monkeypatch.setattr(
            consensus,
            name,
            lambda *args, calls=calls, function=function: (
                calls.append(args) or function(*args)
            ),
        )
    labels = consensus.consensus_clusters(
        [np.array(part) for part in finest],
        [np.array(part) for part in combined],
        wanted,
    )
    assert labels.tolist() == expected
    assert [n_groups for _, n_groups in asked["_cut"]] == cuts
    assert len(asked["_join_smallest"]) == n_joins


def test_too_many_finest_clusters_are_those_of_the_first_runs(monkeypatch):
    rng = np.random.default_rng(0)
    runs = [np.r_[np.arange(10), rng.integers(0, 10, 40)] for _ in range(4)]
    monkeypatch.setattr(consensus, "MAX_FINEST", 29)
    few = consensus.consensus_clusters(runs, runs, 5)
    monkeypatch.undo()
    expected = consensus.consensus_clusters(runs[:2], runs, 5)
    assert few.tolist() == expected.tolist()
    assert few.tolist() != consensus.consensus_clusters(runs, runs, 5).tolist()
    monkeypatch.setattr(consensus, "MAX_FINEST", 1)
    alone = consensus.consensus_clusters(runs, runs, 5)
    assert len(set(zip(alone, runs[0], strict=True))) == 10  # merges whole clusters
