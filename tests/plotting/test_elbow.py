"""ElbowDisplay: the cost against the number of clusters."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from itertools import product

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans
from sklearn.exceptions import NotFittedError
from sklearn.utils import Bunch

from celltyping.plotting import ElbowDisplay

PATH = ([1, 2, 3, 4, 8], [0.9, 0.5, 0.3, 0.25, 0.2])


class Clusterer(BaseEstimator):
    """Clusterer with a cost path and 4 clusters."""

    def fit(self, X=None, y=None):
        """Set the learnt attributes."""
        self.cost_path_ = Bunch(n_clusters=np.array(PATH[0]), cost=np.array(PATH[1]))
        self.n_clusters_ = 4
        return self


def test_marks_the_elbow():
    display = ElbowDisplay.from_path(*PATH)
    assert display.chosen == 3
    assert display.n_clusters.tolist() == PATH[0]
    assert display.cost.tolist() == PATH[1]


def test_draws_the_numbers():
    display = ElbowDisplay.from_path(*PATH)
    np.testing.assert_allclose(display.line_.get_xydata().T, PATH)
    np.testing.assert_allclose(display.point_.get_offsets(), [[3, 0.3]])
    assert display.chord_.get_xydata()[[0, -1]].tolist() == [[1, 0.9], [8, 0.2]]
    assert set(display.mark_.get_xdata()) == {3}
    (depth,) = display.depth_.get_segments()
    np.testing.assert_allclose(depth, [[3, 0.3], [3, 0.9 - 2 / 7 * 0.7]])
    ax = display.ax_
    assert display.figure_ is ax.figure
    assert ax.get_xscale() == "linear"
    assert ax.get_xlabel() == "Number of clusters"
    assert ax.get_ylabel() == "Mean distance to cluster mean"
    assert ax.get_title() == "Cost of 1 to 8 clusters"
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == ["3 clusters chosen", "chord from first to last"]


def test_a_number_between_two_points():
    display = ElbowDisplay.from_path(*PATH, chosen=6)
    assert display.chosen == 6
    np.testing.assert_allclose(display.point_.get_offsets(), [[6, 0.225]])


@pytest.mark.parametrize("chosen", [2, 12])
def test_a_number_beyond_the_path_has_a_line_alone(chosen):
    display = ElbowDisplay.from_path([3, 4, 8], PATH[1][2:], chosen=chosen)
    assert display.point_ is None
    assert display.depth_ is None
    assert set(display.mark_.get_xdata()) == {chosen}
    low, high = display.ax_.get_xlim()
    assert low < chosen < high
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert legend[0] == f"{chosen} clusters chosen"
    assert display.plot(log=True).point_ is None


def test_from_estimator_takes_the_number_chosen():
    display = ElbowDisplay.from_estimator(Clusterer().fit(), log=True)
    assert display.chosen == 4
    np.testing.assert_allclose(display.line_.get_xydata().T, PATH)
    assert display.ax_.get_title() == "Clusterer: cost of 1 to 8 clusters"


def test_log_changes_the_axis_and_not_the_elbow():
    linear = ElbowDisplay.from_path(*PATH)
    display = ElbowDisplay.from_path(*PATH, log=True)
    assert display.chosen == linear.chosen
    assert display.ax_.get_xscale() == "log"
    assert display.ax_.get_xlabel() == "Number of clusters (log scale)"
    # The chord is that of the linear axis: many pieces of the same slope.
    x, y = display.chord_.get_xydata().T
    assert len(x) > 100
    np.testing.assert_allclose(np.diff(y) / np.diff(x), -0.1)


def test_two_paths_on_the_same_axes():
    first = ElbowDisplay.from_path(*PATH)
    higher = [10 * cost for cost in PATH[1]]
    ElbowDisplay.from_path(PATH[0], higher, ax=first.ax_)
    low, high = first.ax_.get_ylim()
    assert low < 0.2
    assert high > 9


def test_short_paths(subtests):
    for log, (n_clusters, n_text) in product(
        [False, True], [([7], "7"), ([2, 7], "2 to 7")]
    ):
        with subtests.test(log=log, n_clusters=n_clusters, n_text=n_text):
            display = ElbowDisplay.from_path(
                n_clusters, [0.4] * len(n_clusters), log=log
            )
            display.figure_.draw_without_rendering()
            assert display.chosen == 7
            assert display.ax_.get_title() == f"Cost of {n_text} clusters"


def test_one_cluster_is_singular():
    display = ElbowDisplay.from_path([1], [0.4])
    assert display.ax_.get_title() == "Cost of 1 cluster"
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert legend[0] == "1 cluster chosen"


def test_styles():
    display = ElbowDisplay.from_path(
        *PATH, line_kw={"c": "r", "ls": ":"}, point_kw={"c": "k", "s": 99}
    )
    assert display.line_.get_color() == "r"
    assert display.line_.get_linestyle() == ":"
    assert display.point_.get_sizes().tolist() == [99]
    assert tuple(display.point_.get_facecolor()[0]) == to_rgba("k")


def test_nothing_given_is_changed():
    n_clusters, cost = map(np.array, PATH)
    display = ElbowDisplay.from_path(n_clusters, cost)
    assert (n_clusters.tolist(), cost.tolist()) == PATH
    assert not np.shares_memory(display.cost, cost)
    assert not np.shares_memory(display.n_clusters, n_clusters)


def test_bad_chosen():
    with pytest.raises(ValueError, match=r"chosen must be .* at least 1, .* got 2.5"):
        ElbowDisplay.from_path(*PATH, chosen=2.5)


def test_bad_n_clusters(subtests):
    cases = [
        ([1.5, 2.0], r"be ascending integers from 1 .*, got \[1.5, 2.0\]"),
        ([[1, 2]], r"be a list .* got \[\[1, 2\]\]"),
        (np.empty(0, dtype=int), r"be a list .* not empty, got array\(\[\]"),
        ([0, 1], r"be ascending integers from 1 .*, got \[0, 1\]"),
        ([2, 2], r"be ascending .* got \[2, 2\]"),
        (np.array([2, 1], dtype=np.uint8), r"be ascending .* got array\(\[2, 1\]"),
        ([1, 2**60], "be ascending integers from 1 to 9,007,199,254,740,992, got"),
    ]
    for n_clusters, message in cases:
        with (
            subtests.test(n_clusters=n_clusters),
            pytest.raises(ValueError, match=f"n_clusters must .*{message}"),
        ):
            ElbowDisplay.from_path(n_clusters, [2, 1])


def test_bad_cost(subtests):
    cases = [
        ([3], "cost must hold one entry for each of the 2 entries of n_clusters, got"),
        ([[3, 2]], r"cost must be a list .*, got \[\[3, 2\]\]"),
        ([3, np.nan], "cost holds NaN"),
        ([np.inf, 1], "cost holds infinity"),
        (["a", "b"], "cost must hold numbers"),
    ]
    for cost, message in cases:
        with subtests.test(cost=cost), pytest.raises(ValueError, match=message):
            ElbowDisplay.from_path([1, 2], cost)


def test_not_fitted():
    with pytest.raises(NotFittedError, match="Clusterer instance is not fitted"):
        ElbowDisplay.from_estimator(Clusterer())


def test_no_cost_path():
    fitted = KMeans(n_clusters=2, random_state=0).fit([[0.0], [1.0]])
    with pytest.raises(TypeError, match="fitted estimator that has cost_path_, got KM"):
        ElbowDisplay.from_estimator(fitted)
    with pytest.raises(TypeError, match="cost_path_, got Clusterer, a class"):
        ElbowDisplay.from_estimator(Clusterer)
