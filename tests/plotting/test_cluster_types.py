"""ClusterTypesDisplay: types against clusters."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pytest
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from sklearn.metrics.cluster import contingency_matrix

from celltyping.metrics import match_clusters, matched_accuracy_score
from celltyping.plotting import ClusterTypesDisplay


@pytest.fixture
def clusters():
    """Give types and clusters: KC is split, PN and LHN are merged, CN is noise."""
    y_true = ["KC"] * 12 + ["PN"] * 6 + ["LHN"] * 4 + ["CN"] * 2 + ["?"] * 3
    labels = [0] * 6 + [3] * 4 + [1, -1] + [7] * 6 + [7] * 3 + [0] + [-1] * 2
    return np.array(y_true, dtype=object), np.array([*labels, 0, 7, -1])


@pytest.fixture
def undrawn(monkeypatch):
    """Let displays compute what they store, but draw nothing."""
    monkeypatch.setattr(ClusterTypesDisplay, "plot", lambda self, **options: self)


def many(n_types=40, n_clusters=50, n_neurons=1500, seed=0):
    """Return types and clusters that agree in part, with types of different sizes."""
    rng = np.random.RandomState(seed)
    y_true = (n_types * rng.rand(n_neurons) ** 2).astype(int)
    labels = (y_true * 7) % n_clusters
    astray = rng.rand(n_neurons) < 0.4
    labels[astray] = rng.randint(-1, n_clusters, size=astray.sum())
    return y_true, labels


def totals(display):
    """Return the number of neurons of each type shown."""
    return display.counts.sum(axis=1) + display.n_to_others + display.n_noise


@pytest.mark.usefixtures("undrawn")
def test_numbers(clusters):
    display = ClusterTypesDisplay.from_predictions(*clusters)
    order = [display.types.tolist().index(name) for name in ("KC", "PN", "LHN", "CN")]
    columns = [display.clusters.tolist().index(label) for label in (0, 3, 1, 7)]
    assert display.counts[order][:, columns].tolist() == [
        [6, 4, 1, 0],
        [0, 0, 0, 6],
        [1, 0, 0, 3],
        [0, 0, 0, 0],
    ]
    assert display.n_noise[order].tolist() == [1, 0, 0, 2]
    assert display.n_to_others.tolist() == [0] * 4
    assert display.n_from_others.tolist() == [0] * 4
    assert display.n_types_in_all == display.n_clusters_in_all == 4


@pytest.mark.usefixtures("undrawn")
def test_those_that_belong_together_are_neighbours(clusters):
    display = ClusterTypesDisplay.from_predictions(*clusters)
    # A match first, then the type's other clusters, the largest ones first.
    assert display.clusters.tolist() == [0, 3, 1, 7]
    assert display.types.tolist() == ["KC", "PN", "LHN", "CN"]
    assert display.matches.tolist() == [0, 3, -1, -1]


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(("max_types", "seed"), [(5, 0), (20, 1), (100, 2)])
def test_the_match_runs_down_the_diagonal(max_types, seed):
    y_true, labels = many(seed=seed)
    display = ClusterTypesDisplay.from_predictions(y_true, labels, max_types=max_types)
    matched = display.matches >= 0
    assert matched.any()
    assert (np.diff(display.matches[matched]) > 0).all()
    expected = dict(zip(*match_clusters(y_true, labels)[::-1], strict=True))
    for name, column in zip(display.types, display.matches, strict=True):
        assert (column >= 0) == (name in expected)
        if column >= 0:
            assert display.clusters[column] == expected[name]


@pytest.mark.usefixtures("undrawn")
def test_clusters_of_a_split_type_are_adjacent():
    y_true, labels = many(n_types=20)
    display = ClusterTypesDisplay.from_predictions(y_true, labels)
    rows = {column: row for row, column in enumerate(display.matches) if column >= 0}
    leader = rows[0]
    n_split = 0
    for column, numbers in enumerate(display.counts.T):
        if column in rows:
            leader, previous = rows[column], np.inf
        else:
            # No type has more of it than the one whose match stands before it.
            assert numbers[leader] == numbers.max()
            assert numbers[leader] <= previous  # the largest ones first
            previous = numbers[leader]
            n_split += 1
    assert n_split == 30


@pytest.mark.usefixtures("undrawn")
def test_merged_types_stand_below_the_type_of_their_cluster():
    y_true, labels = many(n_clusters=15)
    display = ClusterTypesDisplay.from_predictions(y_true, labels, max_types=100)
    leader = display.matches[0]
    assert leader == 0
    n_merged = 0
    for row, column in enumerate(display.matches):
        if column >= 0:
            leader = column
        else:
            assert display.counts[row, leader] == display.counts[row].max()
            n_merged += 1
    assert n_merged == 25


@pytest.mark.usefixtures("undrawn")
def test_all_types_and_clusters_is_the_contingency_table():
    y_true, labels = many()
    display = ClusterTypesDisplay.from_predictions(y_true, labels, max_types=40)
    kept = labels >= 0
    expected = contingency_matrix(y_true[kept], labels[kept])
    types, clusters = np.unique(y_true[kept]), np.unique(labels[kept])
    rows = np.searchsorted(types, display.types)
    columns = np.searchsorted(clusters, display.clusters)
    np.testing.assert_array_equal(display.counts, expected[rows][:, columns])
    assert sorted(rows) == list(range(len(types)))
    assert sorted(columns) == list(range(len(clusters)))
    matched = np.flatnonzero(display.matches >= 0)
    n_agreeing = display.counts[matched, display.matches[matched]].sum()
    score = matched_accuracy_score(y_true, labels)
    assert n_agreeing / len(y_true) == pytest.approx(score)


@pytest.mark.usefixtures("undrawn")
def test_shows_the_largest_types_and_adds_up():
    y_true, labels = many()
    display = ClusterTypesDisplay.from_predictions(y_true, labels, max_types=8)
    sizes = np.bincount(y_true)
    assert len(display.types) == 8
    assert sorted(sizes[display.types]) == sorted(sizes)[-8:]
    np.testing.assert_array_equal(totals(display), sizes[display.types])
    np.testing.assert_array_equal(
        display.counts.sum(axis=0) + display.n_from_others,
        [np.count_nonzero(labels == cluster) for cluster in display.clusters],
    )
    assert display.n_to_others.sum() > 0
    assert display.n_noise.sum() > 0
    assert display.n_types_in_all == len(np.unique(y_true))
    # Every cluster that is mostly of a type shown is shown.
    table = contingency_matrix(y_true[labels >= 0], labels[labels >= 0])
    mostly = np.flatnonzero(np.isin(table.argmax(axis=0), display.types))
    assert set(mostly) <= set(display.clusters)


@pytest.mark.usefixtures("undrawn")
def test_a_type_without_a_match_brings_its_cluster():
    # KC is the largest type, but the main type of no cluster.
    y_true = ["KC", "KC", *["PN"] * 5, "KC", "KC", *["CN"] * 5, "KC", "KC", *["LN"] * 5]
    labels = [0] * 7 + [1] * 7 + [2] * 7
    display = ClusterTypesDisplay.from_predictions(y_true, labels, max_types=1)
    assert display.types.tolist() == ["KC"]
    assert display.clusters.tolist() == [0]
    assert display.counts.tolist() == [[2]]
    assert display.matches.tolist() == [-1]
    assert display.n_to_others.tolist() == [4]
    assert display.n_from_others.tolist() == [5]


def test_title_and_labels():
    y_true, labels = many()
    n_types = len(np.unique(y_true))
    display = ClusterTypesDisplay.from_predictions(y_true, labels, max_types=8)
    title = display.ax_.get_title().replace("\n", " ")
    n_clusters, n_in_all = len(display.clusters), display.n_clusters_in_all
    assert n_clusters < n_in_all == 50
    assert title == (
        f"The 8 largest of {n_types} types ({n_types - 8} left out), {n_clusters} of "
        f"{n_in_all} clusters"
    )
    rows = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert rows == [*map(str, display.types), "(others)"]
    columns = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert columns == [*map(str, display.clusters), "(others)", "(noise)"]
    assert display.ax_.get_xlabel() == "Cluster (framed: matched with the type)"
    assert display.ax_.get_ylabel() == "True type"
    assert display.colorbar_.ax.get_ylabel() == "Share of the type's samples"


def test_title_of_all(clusters):
    display = ClusterTypesDisplay.from_predictions(*clusters)
    assert display.ax_.get_title() == "4 types, 4 clusters"
    one = ClusterTypesDisplay.from_predictions(["KC"], [3], name="Ours")
    assert one.ax_.get_title() == "Ours: 1 type, 1 cluster"


def test_colours_are_shares_of_the_type():
    y_true, labels = many()
    display = ClusterTypesDisplay.from_predictions(y_true, labels, max_types=8)
    share = np.asarray(display.image_.get_array())
    assert share.shape == (9, len(display.clusters) + 2)
    np.testing.assert_allclose(share[:8].sum(axis=1), 1)
    np.testing.assert_allclose(
        share[:8, : len(display.clusters)], display.counts / totals(display)[:, None]
    )
    assert not share[8].any()  # the total of the other types is unknown
    assert display.image_.get_clim() == (0, 1)


def test_matched_cells_are_framed(clusters):
    display = ClusterTypesDisplay.from_predictions(*clusters)
    framed = {
        (round(frame.get_y() + 0.5), round(frame.get_x() + 0.5))
        for frame in display.frames_
    }
    matched = np.flatnonzero(display.matches >= 0)
    assert framed == set(zip(matched, display.matches[matched], strict=True))


def test_values_in_the_cells(clusters):
    display = ClusterTypesDisplay.from_predictions(*clusters)
    written = sorted(int(text.get_text()) for text in display.texts_)
    assert written == [1, 1, 1, 2, 3, 4, 6, 6]
    assert display.plot(include_values=False).texts_ == []


def test_no_numbers_that_cannot_be_read(pyplot):
    y_true, labels = many()
    _, ax = pyplot.subplots(figsize=(3, 3), layout="constrained")
    display = ClusterTypesDisplay.from_predictions(y_true, labels, ax=ax)
    assert display.texts_ == []
    display.plot()
    assert len(display.texts_) > 100
    assert min(text.get_fontsize() for text in display.texts_) >= 5
    display.plot(text_kw={"size": 3})
    assert {text.get_fontsize() for text in display.texts_} == {3}


def test_long_numbers_have_smaller_letters():
    y_true = ["KC"] * 2000 + ["PN"] * 7
    display = ClusterTypesDisplay.from_predictions(
        y_true, y_true, ax=Figure((0.8, 0.8)).subplots(), colorbar=False
    )
    size = {text.get_text(): text.get_fontsize() for text in display.texts_}
    assert 5 <= size["2000"] < size["7"]


def test_styles(clusters):
    display = ClusterTypesDisplay.from_predictions(
        *clusters,
        colorbar=False,
        cmap="cividis",
        im_kw={"vmax": 0.5},
        text_kw={"c": "red", "ha": "left"},
    )
    assert display.colorbar_ is None
    assert len(display.figure_.axes) == 1
    assert display.image_.get_cmap().name == "cividis"
    assert display.image_.get_clim() == (0, 0.5)
    assert {text.get_color() for text in display.texts_} == {"red"}
    assert {text.get_horizontalalignment() for text in display.texts_} == {"left"}
    norm = PowerNorm(0.5, 0, 1)
    display.plot(im_kw={"norm": norm, "cmap": "Greens"})
    assert display.image_.norm is norm
    assert display.image_.get_cmap().name == "Greens"


def test_only_noise():
    display = ClusterTypesDisplay.from_predictions(["KC", "PN", "KC"], [-1, -1, -1])
    assert display.counts.shape == (2, 0)
    assert display.matches.tolist() == [-1, -1]
    assert display.n_noise.tolist() == [2, 1]
    assert np.asarray(display.image_.get_array()).tolist() == [[1], [1]]


@pytest.mark.usefixtures("undrawn")
def test_clusters_of_any_kind():
    y_true = ["KC", "KC", "PN", "PN"]
    display = ClusterTypesDisplay.from_predictions(y_true, ["a", "a", "b", None])
    assert sorted(display.clusters) == ["a", "b"]
    assert sorted(display.n_noise) == [0, 1]
    display = ClusterTypesDisplay.from_predictions(y_true, [0.0, 0.0, 1.0, np.nan])
    assert sorted(display.clusters) == [0, 1]
    assert sorted(display.n_noise) == [0, 1]


@pytest.mark.usefixtures("undrawn")
def test_integers_and_a_marker():
    y_true, labels = [0, 0, 1, 1, -1, 2], [5, 5, 6, 6, 6, 7]
    display = ClusterTypesDisplay.from_predictions(y_true, labels)
    assert sorted(display.types) == [0, 1, 2]
    display = ClusterTypesDisplay.from_predictions(y_true, labels, unlabeled_marker=0)
    assert sorted(display.types) == [-1, 1, 2]
    assert sorted(display.clusters) == [6, 7]


def test_bad_max_types(clusters):
    with pytest.raises(ValueError, match=r"max_types must be .* at least 1, got 0"):
        ClusterTypesDisplay.from_predictions(*clusters, max_types=0)


def test_bad_lengths():
    with pytest.raises(ValueError, match=r"one entry for each of the 2 .*, got 1"):
        ClusterTypesDisplay.from_predictions(["KC", "PN"], [0])


def test_no_known_type():
    with pytest.raises(ValueError, match="all 2 labels in y are unknown"):
        ClusterTypesDisplay.from_predictions(["?", "?"], [0, 1])


@pytest.mark.usefixtures("undrawn")
def test_true_noise_is_a_row_if_asked_for():
    y, labels = [0, 0, 1, 1, -1, -1], [5, 5, 3, 3, -1, 3]
    without = ClusterTypesDisplay.from_predictions(y, labels)
    assert sorted(without.types) == [0, 1]
    display = ClusterTypesDisplay.from_predictions(y, labels, unlabeled_marker=None)
    row = display.types.tolist().index(-1)
    assert display.n_noise[row] == 1
    assert display.counts[row].tolist() == (display.clusters == 3).astype(int).tolist()
    assert display.n_noise.sum() == 1
