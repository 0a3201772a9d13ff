"""One partition from many: closeness, merging, and the number that was wanted."""

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


def together(one, other):
    """Tell whether two partitions are the same but for the clusters' numbers."""
    pairs = set(zip(one, other, strict=True))
    return len(pairs) == len(set(one)) == len(set(other))


@st.composite
def partitions(draw, n_nodes, n_least):
    """Draw a partition of some nodes into at least so many clusters."""
    n_clusters = draw(st.integers(n_least, n_nodes))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels = np.r_[np.arange(n_clusters), rng.integers(0, n_clusters, n_nodes)]
    return rng.permutation(labels[:n_nodes])


@st.composite
def votes(draw):
    """Draw the finest partitions of some runs, all that vote, and a wanted number."""
    n_nodes = draw(st.integers(2, 15))
    wanted = draw(st.integers(2, n_nodes))
    finest = [draw(partitions(n_nodes, wanted)) for _ in range(draw(st.integers(1, 4)))]
    others = [draw(partitions(n_nodes, 1)) for _ in range(draw(st.integers(1, 4)))]
    return finest, others + finest * draw(st.integers(0, 1)), wanted


# ------------------------------------------------------------------ the sizes that vote


def test_voting_sizes():
    sizes = [1, 2, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17, 19, 21, 23, 25]
    assert consensus.voting_sizes(sizes, 10) == [21, 15, 11, 8, 6]
    # What comes after the finest one does not count.
    assert consensus.voting_sizes(sizes[:-2], 10) == [21, 15, 11, 8, 6]


@pytest.mark.parametrize(
    ("sizes", "n_clusters", "voting"),
    [
        ([1], 1, [1]),
        ([1, 2], 1, [2, 1]),
        ([1, 2, 3, 4], 2, [4, 3, 2, 1]),
        ([16, 27, 46], 3, [16]),
        ([1, 3, 9], 9, [9]),
        ([1, 3, 9, 10], 9, [10]),
        ([1, 100], 9, [100]),
    ],
)
def test_voting_sizes_of_short_runs(sizes, n_clusters, voting):
    assert consensus.voting_sizes(sizes, n_clusters) == voting


@given(
    steps=st.lists(st.integers(1, 20), min_size=1, max_size=30),
    data=st.data(),
)
def test_voting_sizes_are_apart_and_near_the_wanted_number(steps, data):
    sizes = np.cumsum(steps).tolist()
    wanted = data.draw(st.integers(1, sizes[-1]))
    finest, *others = voting = consensus.voting_sizes(sizes, wanted)
    assert set(voting) <= set(sizes)
    assert finest >= wanted
    assert finest == sizes[-1] or finest >= 2 * wanted
    assert all(size < 2 * wanted for size in sizes if size < finest)
    assert all(one >= 1.3 * other for one, other in pairwise(voting))
    assert all(size >= wanted / 2 for size in others)
    for size in sizes:  # whatever does not vote has a reason
        near = any(v / 1.3 < size <= v for v in voting)
        assert near or size > finest or size < wanted / 2


# ---------------------------------------------------------------------------- closeness


@settings(deadline=None)
@given(drawn=votes())
def test_closeness_is_the_mean_chance_to_be_together(drawn):
    finest, voters, _ = drawn
    clusters = [
        np.flatnonzero(labels == c)
        for labels in finest
        for c in range(labels.max() + 1)
    ]
    expected = np.zeros((len(clusters),) * 2)
    for labels in voters:
        same = labels[:, np.newaxis] == labels
        for a, one in enumerate(clusters):
            for b, other in enumerate(clusters):
                expected[a, b] += same[np.ix_(one, other)].mean() / len(voters)
    members = sparse.hstack(
        [consensus._memberships(labels) for labels in finest], format="csr"
    )
    closeness = consensus._closeness(members, voters)
    np.testing.assert_allclose(closeness, expected, atol=1e-6)


# ----------------------------------------------------------------------------- the tree


@pytest.mark.parametrize("seed", range(5))
def test_cut_undoes_the_last_merges(seed):
    points = np.random.default_rng(seed).random((30, 3))
    tree = linkage(points, method="average")
    for n_groups in range(1, 31):
        groups = consensus._cut(tree, n_groups)
        assert np.unique(groups).tolist() == list(range(n_groups))
        assert together(groups, fcluster(tree, n_groups, criterion="maxclust"))


def test_cut_through_merges_of_equal_height():
    tree = linkage(squareform(np.ones((5, 5)) - np.eye(5)), method="average")
    for n_groups in range(1, 6):
        assert consensus._cut(tree, n_groups).max() == n_groups - 1


# --------------------------------------------------------------------------- the answer


@settings(deadline=None, max_examples=300)
@given(drawn=votes())
def test_the_number_of_clusters_is_the_wanted_one(drawn):
    finest, voters, wanted = drawn
    before = [labels.tolist() for labels in voters]
    labels = consensus.agree_on_clusters(finest, voters, wanted)
    assert labels.dtype == np.uint32
    assert np.unique(labels).tolist() == list(range(wanted))
    assert [part.tolist() for part in voters] == before


@settings(deadline=None)
@given(data=st.data(), n_runs=st.integers(1, 4))
def test_runs_that_say_the_same_are_believed(data, n_runs):
    labels = data.draw(partitions(data.draw(st.integers(2, 15)), 2))
    runs = [labels] * n_runs
    found = consensus.agree_on_clusters(runs, runs, int(labels.max()) + 1)
    assert together(found, labels)


def plain_votes(finest, voters, n_clusters):
    """Do the same node by node, up to the nodes' votes for each group."""
    clusters = [labels == c for labels in finest for c in range(labels.max() + 1)]
    chance = sum((v[:, np.newaxis] == v).astype(float) for v in voters) / len(voters)
    distances = np.zeros((len(clusters),) * 2)
    for a, one in enumerate(clusters):
        for b, other in enumerate(clusters):
            distances[a, b] = (a != b) * (1 - chance[np.ix_(one, other)].mean())
    tree = linkage(squareform(distances, checks=False), method="average")
    groups = fcluster(tree, n_clusters, criterion="maxclust") - 1
    return np.column_stack(
        [np.mean(np.array(clusters)[groups == g], axis=0) for g in range(n_clusters)]
    )


@pytest.mark.parametrize("seed", range(8))
def test_agreement(seed):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 5, 80)
    finest = []
    for _ in range(4):
        # Each true cluster in two or three parts, and some nodes astray.
        parts = truth * 3 + rng.integers(0, rng.integers(2, 4), 80)
        astray = rng.random(80) < 0.1
        parts[astray] = rng.permutation(parts[astray])
        finest.append(compact(parts))
    voters = [*finest, compact(np.where(rng.random(80) < 0.1, 0, truth))]
    labels = consensus.agree_on_clusters(finest, voters, 5)
    votes = plain_votes(finest, voters, 5)
    best = votes >= votes.max(axis=1, keepdims=True) - 1e-9
    sure = best.sum(axis=1) == 1  # the others may go to either
    assert together(labels[sure], votes[sure].argmax(axis=1))
    group_of = dict(zip(labels[sure], votes[sure].argmax(axis=1), strict=True))
    assert all(best[i, group_of[label]] for i, label in enumerate(labels))
    assert adjusted_rand_score(truth, labels) > 0.6


def test_a_large_group_does_not_draw_in_nodes_in_doubt():
    # Node 9 is with the small group in one run and with one of the many clusters of
    # the large group in the other.
    one = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 2])
    other = np.array([0, 0, 1, 1, 2, 2, 2, 3, 3, 0])
    members = sparse.hstack(
        [consensus._memberships(labels) for labels in (one, other)], format="csr"
    )
    groups = np.array([0, 1, 2, 0, 0, 1, 2])
    labels = consensus._choose_groups(members, groups, 3)
    assert labels.tolist() == [0, 0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_the_smallest_cluster_joins_the_closest():
    labels = np.array([0, 0, 0, 1, 1, 2])
    groups = np.array([0, 0, 1, 2])
    closeness = np.eye(4)
    closeness[3, :3] = closeness[:3, 3] = [0.9, 0.1, 0.6]  # on average 0.5 and 0.6
    joined = consensus._join_smallest(labels, groups, closeness)
    assert joined.tolist() == [0, 0, 0, 1, 1, 1]
    assert labels.tolist() == [0, 0, 0, 1, 1, 2]


@pytest.mark.parametrize(
    ("finest", "voters", "wanted", "expected", "cuts", "n_joins"),
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
    finest, voters, wanted, expected, cuts, n_joins, monkeypatch
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
    labels = consensus.agree_on_clusters(
        [np.array(part) for part in finest], [np.array(part) for part in voters], wanted
    )
    assert labels.tolist() == expected
    assert [n_groups for _, n_groups in asked["_cut"]] == cuts
    assert len(asked["_join_smallest"]) == n_joins


def test_too_many_finest_clusters_are_those_of_the_first_runs(monkeypatch):
    rng = np.random.default_rng(0)
    runs = [np.r_[np.arange(10), rng.integers(0, 10, 40)] for _ in range(4)]
    monkeypatch.setattr(consensus, "MAX_FINEST", 29)
    few = consensus.agree_on_clusters(runs, runs, 5)
    monkeypatch.undo()
    expected = consensus.agree_on_clusters(runs[:2], runs, 5)
    assert few.tolist() == expected.tolist()
    assert few.tolist() != consensus.agree_on_clusters(runs, runs, 5).tolist()
    monkeypatch.setattr(consensus, "MAX_FINEST", 1)
    alone = consensus.agree_on_clusters(runs, runs, 5)
    assert len(set(zip(alone, runs[0], strict=True))) == 10  # merges whole clusters
