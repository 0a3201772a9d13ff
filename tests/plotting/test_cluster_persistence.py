"""ClusterPersistenceDisplay: size, persistence and strength of clusters."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from sklearn.base import BaseEstimator
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.datasets import make_blobs
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from celltyping.plotting import ClusterPersistenceDisplay
from celltyping.plotting._scatter import PALETTE


class Wrapper(BaseEstimator):
    """A clusterer that holds another one, as InductiveClusterer does."""

    def __init__(self, clusterer=None):
        self.clusterer = clusterer

    def fit(self, X, y=None):
        """Fit the other one, and pass on what it found."""
        self.clusterer_ = self.clusterer.fit(X)
        self.labels_ = self.clusterer_.labels_
        self.probabilities_ = self.clusterer_.probabilities_
        return self


@pytest.fixture
def points():
    """Give three dense clouds of 80, 50 and 30 points, and 20 points between them."""
    centers = [[-8, 0], [0, 8], [8, 0]]
    X, _ = make_blobs([80, 50, 30], centers=centers, cluster_std=0.5, random_state=0)
    between = np.random.RandomState(0).uniform(-12, 12, (20, 2))
    return np.vstack([X, between])


def clusters():
    """Return labels, probabilities and persistences of three clusters."""
    labels = np.array([4] * 5 + [0] * 2 + [1] * 9 + [-1] * 4)
    probabilities = np.r_[np.linspace(0, 1, 5), 0.5, 0.7, np.full(9, 0.9), np.zeros(4)]
    return labels, probabilities, [0.2, 0.3, 0.4]


def widths(bars):
    """Return the lengths of bars."""
    return [bar.get_width() for bar in bars]


def row_names(display):
    """Return what stands at the rows."""
    return [text.get_text() for text in display.axes_["size"].get_yticklabels()]


def test_largest_cluster_comes_first():
    labels, probabilities, persistence = clusters()
    display = ClusterPersistenceDisplay.from_predictions(
        labels, probabilities, persistence
    )
    assert display.clusters.tolist() == [1, 4, 0]
    assert display.n_members.tolist() == widths(display.bars_) == [9, 5, 2]
    # In the order of the sorted clusters, 0.2 is of 0, 0.3 of 1 and 0.4 of 4.
    assert display.persistence.tolist() == [0.3, 0.4, 0.2]
    assert widths(display.persistence_bars_) == [0.3, 0.4, 0.2]
    expected = [[0.9] * 5, [0.05, 0.25, 0.5, 0.75, 0.95], [0.51, 0.55, 0.6, 0.65, 0.69]]
    np.testing.assert_allclose(display.strength, expected)
    medians = display.strength_points_
    np.testing.assert_allclose(medians.get_xdata(), [0.9, 0.5, 0.6])
    assert medians.get_ydata().tolist() == [0, 1, 2]
    assert row_names(display) == ["1", "4", "0"]
    assert display.axes_["size"].get_ylim() == (2.5, -0.5)
    assert display.ax_.get_title() == "3 clusters of 20 points, 4 of them noise"


def test_panels_of_what_is_known(subtests):
    cases = [
        (False, False, ["size"]),
        (True, False, ["size", "strength"]),
        (False, True, ["size", "persistence"]),
        (True, True, ["size", "persistence", "strength"]),
    ]
    for has_probabilities, has_persistence, panels in cases:
        with subtests.test(
            has_probabilities=has_probabilities,
            has_persistence=has_persistence,
            panels=panels,
        ):
            labels, probabilities, persistence = clusters()
            display = ClusterPersistenceDisplay.from_predictions(
                labels,
                probabilities if has_probabilities else None,
                persistence if has_persistence else None,
            )
            assert list(display.axes_) == panels
            assert (display.strength_points_ is None) == (not has_probabilities)
            assert (display.persistence_bars_ is None) == (not has_persistence)
            for panel in panels[1:]:
                assert display.axes_[panel].get_xlim() == (0, 1)


def test_noise_is_no_cluster(subtests):
    cases = [
        ([0, 0, 1, -1, -2, -3], [0, 1], 3),
        (["a", "b", "b", "?", None], ["b", "a"], 2),
        ([0.0, 1.0, 1.0, np.nan], [1, 0], 1),
        ([7, 7], [7], 0),
    ]
    for labels, found, n_noise in cases:
        with subtests.test(labels=labels, n_noise=n_noise):
            display = ClusterPersistenceDisplay.from_predictions(
                np.array(labels, dtype=object)
            )
            assert display.clusters.tolist() == found
            assert display.n_noise == n_noise
            noise = f"{n_noise} of them noise" if n_noise else "no noise"
            assert display.ax_.get_title().endswith(f"of {len(labels)} points, {noise}")


def test_strength_of_noise_does_not_matter():
    # scikit-learn's HDBSCAN gives NaN to rows with missing values.
    display = ClusterPersistenceDisplay.from_predictions(
        [0, 0, -3, -1], [1.0, 0.5, np.nan, 9.0]
    )
    np.testing.assert_allclose(display.strength[0, [0, 2]], [0.525, 0.75])


def test_max_clusters():
    labels = np.repeat(np.arange(6), [3, 9, 1, 7, 5, 2])
    display = ClusterPersistenceDisplay.from_predictions(
        labels, persistence=np.arange(6) / 10, max_clusters=2, name="HDBSCAN"
    )
    assert display.clusters.tolist() == [1, 3]
    assert display.persistence.tolist() == [0.1, 0.3]
    title = "HDBSCAN: the 2 largest of 6 clusters of 27 points, no noise"
    assert display.ax_.get_title().replace("\n", " ") == title


def test_same_colours_as_in_a_map():
    labels, _, _ = clusters()
    colors = {4: "black", 0: "red"}
    display = ClusterPersistenceDisplay.from_predictions(labels, cmap=colors)
    faces = [bar.get_facecolor() for bar in display.bars_]
    assert faces == [to_rgba(PALETTE[0]), to_rgba("black"), to_rgba("red")]
    display = ClusterPersistenceDisplay.from_predictions(labels)
    assert len({bar.get_facecolor() for bar in display.bars_}) == 1


def test_rounding_is_no_error():
    display = ClusterPersistenceDisplay.from_predictions(
        [0, 1], [1 + 1e-15, 1], [-1e-17, 1.0]
    )
    assert display.persistence.tolist() == [0, 1]
    assert display.strength.max() == 1


def test_from_estimator_of_scikit_learn(points):
    hdbscan = HDBSCAN(min_cluster_size=15, copy=True).fit(points)
    display = ClusterPersistenceDisplay.from_estimator(hdbscan)
    assert display.n_members.sum() + display.n_noise == len(points)
    assert display.n_members.tolist() == sorted(display.n_members, reverse=True)
    assert display.persistence is None
    assert display.strength.shape == (3, 5)
    assert display.ax_.get_title().startswith("HDBSCAN: 3 clusters of 180 points")


@pytest.mark.parametrize("wrapped", [False, True])
def test_from_estimator_of_hdbscan(points, wrapped):
    hdbscan = pytest.importorskip("hdbscan")
    clusterer = hdbscan.HDBSCAN(min_cluster_size=15)
    estimator = make_pipeline(
        StandardScaler(), Wrapper(clusterer) if wrapped else clusterer
    ).fit(points)
    display = ClusterPersistenceDisplay.from_estimator(estimator)
    np.testing.assert_allclose(
        display.persistence, clusterer.cluster_persistence_[display.clusters]
    )
    assert display.strength is not None
    name = "Wrapper" if wrapped else "HDBSCAN"
    assert display.ax_.get_title().startswith(f"{name}: 3 clusters of 180 points")


def test_from_estimator_without_strengths(points):
    kmeans = KMeans(3, random_state=0, n_init=1).fit(points)
    display = ClusterPersistenceDisplay.from_estimator(kmeans, name="k-means")
    assert list(display.axes_) == ["size"]
    assert display.ax_.get_title() == "k-means: 3 clusters of 180 points, no noise"


def test_from_estimator_says_what_is_missing(points):
    with pytest.raises(TypeError, match="has labels_, got PCA; of"):
        ClusterPersistenceDisplay.from_estimator(PCA(1).fit(points))
    with pytest.raises(TypeError, match="got HDBSCAN, a class"):
        ClusterPersistenceDisplay.from_estimator(HDBSCAN)
    with pytest.raises(NotFittedError):
        ClusterPersistenceDisplay.from_estimator(HDBSCAN())


def test_bad_data(subtests, pyplot):
    cases = [
        (([-1, -1],), "labels must hold a cluster, but all 2 points are noise"),
        (([0, 1], [0.5]), "probabilities must .* of the 2 points, got 1"),
        (
            ([0, 1, -1], [0.5, 1.5, 0]),
            "probabilities must be numbers from 0 to 1, got 0.5 to 1.5",
        ),
        (([0, 1], [0.5, np.nan]), "probabilities must be numbers .* got nan to nan"),
        (
            ([0, 1, 3], None, [0.1, 0.2]),
            "persistence must hold one entry for each of the 3 clusters, got 2",
        ),
        (([0, 1], None, [0.1, -0.2]), "persistence must be numbers .* got -0.2 to 0.1"),
    ]
    for data, message in cases:
        with subtests.test(data=data):
            with pytest.raises(ValueError, match=message):
                ClusterPersistenceDisplay.from_predictions(*data)
            assert pyplot.get_fignums() == []


def test_bad_options(pyplot):
    with pytest.raises(ValueError, match=r"max_clusters must be an integer .* got 0"):
        ClusterPersistenceDisplay.from_predictions([0, 1], max_clusters=0)
    with pytest.raises(ValueError, match="matplotlib knows for each type, got 'rot'"):
        ClusterPersistenceDisplay.from_predictions([0, 1], cmap={0: "rot"})
    assert pyplot.get_fignums() == []


def test_nothing_is_clipped(subtests):
    for n_clusters in [1, 6, 40]:
        with subtests.test(n_clusters=n_clusters):
            rng = np.random.RandomState(0)
            labels = [f"a cluster of synapses, number {i}" for i in range(n_clusters)]
            display = ClusterPersistenceDisplay.from_predictions(
                np.repeat(labels, 20), rng.rand(20 * n_clusters), rng.rand(n_clusters)
            )
            figure = display.figure_
            figure.draw_without_rendering()
            box, size = figure.get_tightbbox(), figure.get_size_inches()
            assert min(box.x0, box.y0) > -0.02
            assert (box.max < size + 0.02).all()
            # Numbers of neighbouring panels do not touch.
            ends = []
            for panel in display.axes_.values():
                low, high = panel.get_xlim()
                for x, text in zip(
                    panel.get_xticks(), panel.get_xticklabels(), strict=True
                ):
                    if low <= x <= high:
                        ends.append(text.get_window_extent().intervalx)
            starts, ends = np.transpose(ends)
            assert (starts[1:] > ends[:-1]).all()
