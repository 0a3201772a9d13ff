"""Ribbons between two stacks of bars: their order and their places."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from itertools import combinations, permutations

import numpy as np

from celltyping.plotting._flows import (
    count_crossings,
    reduce_crossings,
    repel,
    ribbon,
    stack_bars,
)


def crossings_by_hand(flows):
    """Return the number of pairs of cells whose ways cross, pair by pair."""
    ways = [tuple(way) for way in np.argwhere(flows)]
    return sum(
        flows[a] * flows[b]
        for a, b in combinations(ways, 2)
        if (a[0] - b[0]) * (a[1] - b[1]) < 0
    )


def test_crossings(subtests):
    for shape in [(1, 1), (1, 4), (4, 4), (5, 3)]:
        with subtests.test(shape=shape):
            flows = np.random.RandomState(0).randint(0, 4, shape)
            assert count_crossings(flows) == crossings_by_hand(flows)


def test_crossings_of_a_million_cells():
    flows = np.array([[0, 10**6], [10**6, 0]], dtype=np.int32)
    assert count_crossings(flows) == 10**12


def test_no_order_has_fewer_crossings(subtests):
    for seed in range(5):
        with subtests.test(seed=seed):
            rng = np.random.RandomState(seed)
            flows = rng.poisson(0.7, (5, 5)) * rng.randint(1, 9, (5, 5)) + np.diag(
                [9] * 5
            )
            order = reduce_crossings(flows)
            assert sorted(order) == list(range(5))
            least = min(
                crossings_by_hand(flows[list(p)][:, list(p)])
                for p in permutations(range(5))
            )
            assert crossings_by_hand(flows[order][:, order]) == least


def test_a_chain_of_types_needs_no_crossing():
    # Each type loses cells to the next one, and the types are shuffled.
    chain = np.diag([50] * 12) + np.diag([5] * 11, 1)
    shuffled = np.random.RandomState(0).permutation(12)
    flows = chain[shuffled][:, shuffled]
    order = reduce_crossings(flows)
    assert count_crossings(flows) > 0
    assert count_crossings(flows[order][:, order]) == 0


def test_sides_without_a_common_type():
    # The first three types are on the left alone, the others on the right alone.
    flows = np.zeros((6, 6), dtype=int)
    flows[[0, 1, 2], [5, 3, 4]] = 7
    order = reduce_crossings(flows)
    assert count_crossings(flows) > 0
    assert count_crossings(flows[order][:, order]) == 0


def test_the_last_ones_stay():
    flows = np.random.RandomState(0).randint(0, 9, (7, 7))
    assert reduce_crossings(flows, n_last=2)[-2:].tolist() == [5, 6]
    assert reduce_crossings(flows, n_last=7).tolist() == list(range(7))


def test_the_order_is_always_the_same():
    flows = np.random.RandomState(0).randint(0, 9, (7, 7))
    first = reduce_crossings(flows)
    np.testing.assert_array_equal(reduce_crossings(flows.copy()), first)


def test_stack_bars():
    tops, height = stack_bars(np.array([4, 0, 2, 1]), 0.5)
    assert tops.tolist() == [0, 4.5, 4.5, 7]
    assert height == 8
    tops, height = stack_bars(np.array([0, 0]), 0.5)
    assert tops.tolist() == [0, 0]
    assert height == 0


def test_repel_keeps_distances_and_limits(subtests):
    for seed in range(3):
        with subtests.test(seed=seed):
            wanted = np.sort(10 * np.random.RandomState(seed).rand(12))
            places = repel(wanted, 0.7, 0.5, 9.5)
            assert np.diff(places).min() >= 0.7 - 1e-9
            assert places[0] >= 0.5 - 1e-9
            assert places[-1] <= 9.5 + 1e-9


def test_repel_moves_nothing_that_has_room():
    assert repel(np.array([1.0, 3.0, 5.0]), 2, 0, 6).tolist() == [1, 3, 5]
    assert repel(np.empty(0), 2, 0, 6).tolist() == []
    assert repel(np.array([7.0]), 2, 0, 6).tolist() == [6]


def test_repel_without_room():
    np.testing.assert_allclose(repel(np.array([1.0, 1, 1, 1]), 5, 0, 6), [0, 2, 4, 6])


def test_ribbon():
    path = ribbon(1, 4, 2, (0.1, 0.9))
    outline = path.to_polygons(closed_only=True)[0]
    at_start = outline[np.isclose(outline[:, 0], 0.1), 1]
    at_end = outline[np.isclose(outline[:, 0], 0.9), 1]
    assert (at_start.min(), at_start.max()) == (1, 3)
    assert (at_end.min(), at_end.max()) == (4, 6)
