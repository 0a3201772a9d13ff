"""PairPlotDisplay: features against each other, in pairs."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import itertools

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from sklearn.neighbors import KNeighborsClassifier

from celltyping.plotting import EmbeddingDisplay, PairPlotDisplay
from celltyping.plotting._scatter import PALETTE, UNKNOWN_GREY


@pytest.fixture
def table():
    """Give places and areas of 90 synapses, and their clusters; some are noise."""
    rng = np.random.RandomState(0)
    labels = np.arange(90) % 3
    X = rng.randn(90, 4) + 6 * labels[:, None]
    X[:, 3] = np.exp(rng.randn(90) - 2)
    labels[:9] = -1
    return X, labels


NAMES = ["x", "y", "z", "area"]


def frame(X):
    """Return a DataFrame with a column that is no number."""
    pandas = pytest.importorskip("pandas")
    result = pandas.DataFrame(X, columns=NAMES)
    result.insert(0, "neuron", "cb1")
    return result


def scatters(display, i, j):
    """Return the collections of points in a cell of the grid."""
    return display.axes_[i, j].collections


def legend_texts(legend):
    """Return what a legend says."""
    return [text.get_text() for text in legend.get_texts()]


def test_each_pair_has_its_map(table):
    X, labels = table
    before = X.copy()
    display = PairPlotDisplay.from_predictions(X, labels)
    np.testing.assert_array_equal(X, before)
    assert display.axes_.shape == (4, 4)
    for i in range(4):
        for j in range(4):
            if j > i:
                assert display.axes_[i, j] is None
            elif j < i:
                (points,) = scatters(display, i, j)
                drawn = np.asarray(points.get_offsets())
                order, expected = np.lexsort(drawn.T), X[:, [j, i]]
                expected = expected[np.lexsort(expected.T)]
                np.testing.assert_array_equal(drawn[order], expected)
    assert display.figure_.get_suptitle() == "4 features of 90 points"
    bottom = [ax.get_xlabel() for ax in display.axes_[-1]]
    assert bottom == [f"feature {i}" for i in range(1, 5)]
    left = [ax.get_ylabel() for ax in display.axes_[:, 0]]
    assert left == ["", *bottom[1:]]


def test_cells_share_their_axes(table):
    display = PairPlotDisplay.from_predictions(table[0])
    display.axes_[3, 1].set_xlim(-77, 77)
    assert display.axes_[1, 1].get_xlim() == display.axes_[2, 1].get_xlim() == (-77, 77)
    display.axes_[3, 1].set_ylim(-5, 5)
    assert display.axes_[3, 0].get_ylim() == (-5, 5)
    assert display.grid_.diag_axes[3].get_ylim()[0] == 0


def test_colours_are_those_of_an_embedding(table):
    X, labels = table
    display = PairPlotDisplay.from_predictions(X, labels, color_name="cluster")
    other = EmbeddingDisplay.from_embedding(X[:, :2], color=labels)
    assert (
        display.colors_ == other.colors_ == dict(enumerate(map(str.lower, PALETTE[:3])))
    )
    (points,) = scatters(display, 1, 0)
    np.testing.assert_array_equal(points.get_offsets(), other.points_.get_offsets())
    np.testing.assert_array_equal(
        points.get_facecolors(), other.points_.get_facecolors()
    )
    # Noise is grey and lies below all others.
    greys = points.get_facecolors()[:9, :3]
    np.testing.assert_allclose(greys, [to_rgba(UNKNOWN_GREY)[:3]] * 9)
    (legend,) = display.legends_
    assert legend_texts(legend) == ["0", "1", "2", "(unknown)"]
    assert legend.get_title().get_text() == "cluster"
    again = PairPlotDisplay.from_predictions(
        X[:, :2], labels, cmap={2: "red", 7: "blue"}
    )
    assert again.colors_[2] == "#ff0000"


def histograms(display, i):
    """Return colour, counts and edges of each line of a histogram."""
    lines = display.grid_.diag_axes[i].lines
    found = {}
    for line in lines:
        edges, counts = line.get_data()
        assert line.get_drawstyle() == "steps-post"
        found[line.get_color()] = counts[:-1], edges
    return {to_rgba(color): data for color, data in found.items()}


def test_a_line_for_each_type_in_the_histograms(table):
    X, labels = table
    display = PairPlotDisplay.from_predictions(X, labels)
    colors = [to_rgba(color) for color in (*PALETTE[:3], UNKNOWN_GREY)]
    for i in range(4):
        found = histograms(display, i)
        assert set(found) == set(colors)
        for color, cluster in zip(colors, (0, 1, 2, -1), strict=True):
            counts, edges = found[color]
            expected, _ = np.histogram(X[labels == cluster, i], edges)
            np.testing.assert_array_equal(counts, expected)
            assert counts.sum() == (labels == cluster).sum()


@pytest.mark.parametrize("log", [[], ["b"]])
def test_histogram_of_a_constant_feature(log):
    X = np.column_stack([np.arange(5.0), np.full(5, 3.0)])
    display = PairPlotDisplay.from_predictions(X, feature_names=["a", "b"], log=log)
    (found,) = histograms(display, 1).values()
    counts, edges = found
    assert counts.sum() == 5
    assert edges[0] < 3 < edges[-1]


def test_logarithmic_axes(table):
    X, labels = table
    display = PairPlotDisplay.from_predictions(
        X, labels, feature_names=NAMES, log=["area"]
    )
    scales = [(ax.get_xscale(), ax.get_yscale()) for ax in display.axes_[3, :3]]
    assert scales == [("linear", "log")] * 3
    assert display.axes_[3, 3].get_xscale() == "log"
    assert display.grid_.diag_axes[3].get_yscale() == "linear"
    assert display.axes_[2, 1].get_yscale() == "linear"
    for _, edges in histograms(display, 3).values():
        np.testing.assert_allclose(np.diff(np.log(edges)), np.log(edges[1] / edges[0]))
    display.figure_.draw_without_rendering()
    texts = [text.get_text() for text in display.axes_[3, 0].get_yticklabels()]
    assert "0.1" in texts


@pytest.mark.parametrize("scale", [0.5, 3])
def test_numbers_on_logarithmic_axes_do_not_touch(scale):
    X = np.exp(scale * np.random.RandomState(0).randn(100, 3) + 4)
    names = [f"feature {i}" for i in range(1, 4)]
    display = PairPlotDisplay.from_predictions(X, log=names)
    display.figure_.draw_without_rendering()
    for axis, side in (
        *((ax.xaxis, 0) for ax in display.axes_[-1]),
        *((ax.yaxis, 1) for ax in display.axes_[1:, 0]),
    ):
        low, high = axis.get_view_interval()
        ends = [
            text.get_window_extent().get_points()[:, side]
            for minor in (False, True)
            for x, text in zip(
                axis.get_ticklocs(minor=minor),
                axis.get_ticklabels(minor=minor),
                strict=True,
            )
            if low <= x <= high and text.get_text()
        ]
        starts, stops = np.transpose(sorted(map(tuple, ends)))
        assert (starts[1:] > stops[:-1]).all()


def test_new_points_lie_on_top(table):
    X, labels = table
    display = PairPlotDisplay.from_predictions(
        X[:80], labels[:80], X_new=X[80:], new_color=[2] * 10
    )
    points, new = scatters(display, 3, 2)
    assert sorted(new.get_offsets()[:, 1]) == sorted(X[80:, 3])
    assert new.get_zorder() > points.get_zorder()
    assert new.get_sizes()[0] > 2 * points.get_sizes()[0]
    np.testing.assert_array_equal(new.get_facecolors(), [to_rgba(PALETTE[2])] * 10)
    # They are marks in the histograms, and not counted there.
    (marks,) = display.grid_.diag_axes[1].collections
    np.testing.assert_array_equal(
        np.sort(marks.get_offsets()[:, 0]), np.sort(X[80:, 1])
    )
    counts = [counts.sum() for counts, _ in histograms(display, 1).values()]
    assert sum(counts) == 80
    assert display.grid_.diag_axes[1].get_ylim()[1] < 80
    title = "4 features of 80 training points, 10 new points"
    assert display.figure_.get_suptitle() == title
    assert [legend_texts(legend) for legend in display.legends_] == [
        ["0", "1", "2", "(unknown)"],
        ["training points", "new points"],
    ]
    assert display.figure_.legends == display.legends_


def test_values_have_a_colour_bar(table):
    X, _ = table
    display = PairPlotDisplay.from_predictions(
        X, X[:, 0], color_name="depth", X_new=X[:2], cmap="gray"
    )
    bar = display.colorbar_
    assert (bar.vmin, bar.vmax) == (X[:, 0].min(), X[:, 0].max())
    assert bar.ax.get_ylabel() == "depth"
    ((color, (counts, _)),) = histograms(display, 2).items()
    assert color == to_rgba("0.35")
    assert counts.sum() == 90
    assert display.colors_ == {}


def test_rows_with_missing_values_are_not_drawn(table):
    X, labels = table
    X[:2, 0] = X[50, 3] = np.nan
    new = np.array([[0, 0, 0, 1], [0, np.nan, 0, 1]])
    display = PairPlotDisplay.from_predictions(X, labels, X_new=new)
    points, drawn = scatters(display, 2, 1)
    assert len(points.get_offsets()) == 87
    assert len(drawn.get_offsets()) == 1
    assert sum(counts.sum() for counts, _ in histograms(display, 1).values()) == 87
    title = "4 features of 90 training points, 3 with missing values; 2 new points, 1"
    assert display.figure_.get_suptitle().replace("\n", " ").startswith(title)


def test_columns_of_a_table_by_name(table):
    X, labels = table
    df = frame(X)
    new = df.iloc[:5, ::-1]
    display = PairPlotDisplay.from_predictions(
        df, labels, X_new=new, features=["area", "x"]
    )
    np.testing.assert_array_equal(display.X, X[:, [3, 0]])
    np.testing.assert_array_equal(display.X_new, X[:5, [3, 0]])
    assert display.feature_names == ["area", "x"]
    assert display.axes_[1, 0].get_xlabel() == "area"
    by_place = PairPlotDisplay.from_predictions(
        X, labels, X_new=df.iloc[:5, 1:], features=["area", "x"], feature_names=NAMES
    )
    np.testing.assert_array_equal(by_place.X_new, display.X_new)
    with pytest.raises(
        ValueError, match=r"features names \['x'\], not .* of X_new: 'neuron',"
    ):
        PairPlotDisplay.from_predictions(
            df, X_new=df.drop(columns="x"), features=["area", "x"]
        )
    with pytest.raises(
        ValueError, match=r"column 'neuron' of X must hold numbers to be .*'cb1'"
    ):
        PairPlotDisplay.from_predictions(df)
    with pytest.raises(ValueError, match="column 'neuron' of X_new must hold numbers"):
        PairPlotDisplay.from_predictions(
            df.assign(neuron=1.0), X_new=new, features=["neuron", "x"]
        )
    with pytest.raises(ValueError, match=r"names of .* unique, got 'x' more than"):
        PairPlotDisplay.from_predictions(df.rename(columns={"y": "x"}))


def test_whole_numbers_with_gaps():
    pandas = pytest.importorskip("pandas")
    df = pandas.DataFrame({"a": [1, 2, None], "b": [3, 4, 5]}).astype("Int64")
    display = PairPlotDisplay.from_predictions(df)
    assert (
        display.figure_.get_suptitle()
        == "2 features of 3 points, 1 with missing values"
    )


def test_from_estimator(table):
    X, labels = table
    knn = KNeighborsClassifier(1).fit(X[10:80], labels[10:80])
    display = PairPlotDisplay.from_estimator(
        knn, X[10:80], X[80:], features=["feature 2", "feature 1"], log=()
    )
    np.testing.assert_array_equal(display.color, labels[10:80])
    np.testing.assert_array_equal(display.new_color, knn.predict(X[80:]))
    np.testing.assert_array_equal(display.X, X[10:80, [1, 0]])
    title = "KNeighborsClassifier: 2 features of 70 training points, 10 new points"
    assert display.figure_.get_suptitle().replace("\n", " ") == title
    alone = PairPlotDisplay.from_estimator(knn, X, name="nearest")
    assert alone.X_new is None
    assert alone.figure_.get_suptitle() == "nearest: 4 features of 90 points"
    with pytest.raises(TypeError, match="needs a fitted estimator that has predict"):
        PairPlotDisplay.from_estimator(EmbeddingDisplay, X)


def test_look(table):
    X, labels = table
    display = PairPlotDisplay.from_predictions(
        X[:, :2], labels, point_size=7, alpha=0.3, legend=False, max_legend=2
    )
    (points,) = scatters(display, 1, 0)
    assert points.get_sizes().tolist() == [7]
    assert points.get_alpha() == 0.3
    assert display.legends_ == []
    assert len(display.colors_) == 2
    assert len(histograms(display, 0)) == 4
    few = PairPlotDisplay.from_predictions(X[:, :2])
    many = PairPlotDisplay.from_predictions(X[:, :3])
    sizes = [scatters(one, 1, 0)[0].get_sizes()[0] for one in (few, many)]
    assert sizes[0] > sizes[1] > 0


def test_bad_options(subtests, table, pyplot):
    cases = [
        (lambda X: X[:, :1], {}, r"X must have at least 2 features .* \(90, 1\)"),
        (
            lambda X: np.tile(X, 3),
            {},
            "at most 10 features .* got 12: name those to",
        ),
        (lambda X: np.full_like(X, np.nan), {}, "X must have a row without NaN"),
        (lambda X: np.where(X > 5, np.inf, X), {}, "column 'feature 1' of X holds inf"),
        (None, {"log": ["a"]}, r"log names \['a'\], not among the features: 'feat"),
        (None, {"log": "feature 1"}, "log must be a list of names .* got 'feature 1'"),
        (None, {"log": ["feature 1"]}, "positive, got 'feature 1', which goes down to"),
        (None, {"features": ["x"]}, r"features names \['x'\], not among the columns"),
        (
            None,
            {"features": ["feature 2"] * 2},
            "unique, got 'feature 2' more than",
        ),
        (
            None,
            {"feature_names": ["a"]},
            "feature_names .* 4 columns of X, got 1",
        ),
        (
            None,
            {"feature_names": "abcd"},
            "feature_names must be a list .* got 'abcd'",
        ),
        (None, {"feature_names": list("aabc")}, "unique, got 'a' more than once"),
        (
            None,
            {"color": [1, 2]},
            "color must hold one entry for each of the 90 p",
        ),
        (None, {"new_color": [1]}, "new_color is for new points, but there are none"),
        (
            None,
            {"X_new": np.ones((2, 3))},
            "X_new must have 4 columns, as X has, got",
        ),
        (None, {"max_legend": 0}, "max_legend must be an integer of at least 1, got 0"),
        (
            None,
            {"point_size": -1},
            "point_size must be a number .* or None, got -1",
        ),
    ]
    for change, options, message in cases:
        with subtests.test(change=change, options=options):
            X = table[0] if change is None else change(table[0])
            with pytest.raises(ValueError, match=message):
                PairPlotDisplay.from_predictions(X, **options)
            assert pyplot.get_fignums() == []


@pytest.mark.parametrize(("n_features", "n_types"), [(2, 30), (3, 3), (7, 30)])
def test_nothing_is_clipped_or_covered(n_features, n_types):
    rng = np.random.RandomState(0)
    X = rng.randn(60, n_features) * 10.0 ** np.linspace(-2, 7, n_features)
    types = [f"a type of neurons with a name, {i % n_types}" for i in range(60)]
    names = [f"a_feature_with_a_name_{i}" for i in range(n_features)]
    display = PairPlotDisplay.from_predictions(
        X, types, X_new=X[:3], feature_names=names, color_name="type"
    )
    figure = display.figure_
    figure.draw_without_rendering()
    box, size = figure.get_tightbbox(), figure.get_size_inches()
    assert min(box.x0, box.y0) > -0.02
    assert (box.max < size + 0.02).all()
    legend = display.legends_[0].get_window_extent()
    for ax in display.axes_[np.tri(n_features, dtype=bool)]:
        assert not legend.overlaps(ax.get_window_extent())
    boxes = [ax.xaxis.label.get_window_extent() for ax in display.axes_[-1]]
    boxes += [ax.yaxis.label.get_window_extent() for ax in display.axes_[1:, 0]]
    # Names of features, and numbers on the axes below.
    numbers = []
    for ax in display.axes_[-1]:
        low, high = ax.get_xlim()
        ticks = zip(ax.get_xticks(), ax.get_xticklabels(), strict=True)
        texts = [text for x, text in ticks if low <= x <= high]
        assert any(text.get_text() for text in texts)
        numbers += [text.get_window_extent() for text in texts]
    for one in (boxes, numbers):
        for first, second in itertools.combinations(one, 2):
            assert not first.padded(-1).overlaps(second.padded(-1))
    left = [ax.yaxis.label.get_window_extent().x0 for ax in display.axes_[1:, 0]]
    assert np.ptp(left) < 1
