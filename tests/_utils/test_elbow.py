"""Elbow of a cost curve."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from celltyping._utils._elbow import find_elbow


def elbow_by_geometry(n_clusters, cost):
    """Measure each point's distance to the chord with a cross product."""
    x = (n_clusters - n_clusters[0]) / (n_clusters[-1] - n_clusters[0])
    y = (cost - cost.min()) / (cost.max() - cost.min())
    chord = np.array([1.0, y[-1] - y[0]])
    distances = [
        (chord[1] * (x[i] - x[0]) - chord[0] * (y[i] - y[0])) / np.hypot(*chord)
        for i in range(len(x))
    ]
    return n_clusters[np.argmax(distances)]


def test_a_kink():
    n_clusters = np.arange(1, 31)
    cost = np.where(n_clusters < 7, 10 - n_clusters, 3 - n_clusters / 30)
    elbow = find_elbow(n_clusters, cost)
    assert elbow == 7
    assert type(elbow) is int


def test_is_the_point_farthest_below_the_chord(subtests):
    for seed in range(5):
        with subtests.test(seed=seed):
            rng = np.random.RandomState(seed)
            n_clusters = np.cumsum(rng.randint(1, 9, size=20))
            cost = np.sort(rng.exponential(size=20))[::-1]
            assert find_elbow(n_clusters, cost) == elbow_by_geometry(n_clusters, cost)


@pytest.mark.parametrize(
    ("n_clusters", "elbow"),
    [([1, 2, 3, 4, 5], 3), ([1, 2, 3, 4, 50], 4), ([1, 2, 20, 30, 40], 2)],
)
def test_gaps_between_the_numbers_count(n_clusters, elbow):
    assert find_elbow(n_clusters, [10, 6, 3, 1, 0]) == elbow


@given(
    st.lists(st.integers(0, 100), min_size=3, max_size=20),
    st.sampled_from([0.5, 4.0, 1024.0]),
    st.integers(-50, 50),
)
def test_scale_and_offset_of_the_cost_do_not_matter(cost, scale, offset):
    cost = np.array(cost)
    n_clusters = np.arange(1, len(cost) + 1)
    elbow = find_elbow(n_clusters, cost)
    assert find_elbow(n_clusters, scale * cost + offset) == elbow


def test_first_one_among_equals():
    assert find_elbow([1, 2, 3, 4, 5], [4, 2, 1, 0, 0]) == 2
    # All on the chord; the middle ones are not, by the last bit of their cost.
    n_clusters = np.arange(1, 30)
    assert find_elbow(n_clusters, 1 - n_clusters / 30) == 1


def test_never_below_the_chord():
    for cost in ([3, 3, 3, 3], [9, 8, 6, 0], [0, 5, 8, 9]):
        assert find_elbow([1, 2, 3, 4], cost) == 1


def test_too_few_points():
    for n_clusters in ([7], [1, 7]):
        assert find_elbow(n_clusters, [2.0, 1.0][: len(n_clusters)]) == 7


def test_inputs_are_not_changed():
    n_clusters, cost = np.arange(1, 6), np.array([10, 5, 2, 1.5, 1])
    find_elbow(n_clusters, cost)
    assert n_clusters.tolist() == [1, 2, 3, 4, 5]
    assert cost.tolist() == [10, 5, 2, 1.5, 1]
