"""EmbeddingDisplay: a map of an embedding."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from itertools import product

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.manifold import MDS, Isomap
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from celltyping.plotting import EmbeddingDisplay
from celltyping.plotting._scatter import OTHERS_GREY, PALETTE, UNKNOWN_GREY


class Projection(BaseEstimator):
    """An embedding by the first columns, with a loss curve."""

    def __init__(self, n_components=2):
        self.n_components = n_components

    def fit(self, X, y=None):
        """Keep the first columns."""
        self.embedding_ = self.transform(X)
        self.loss_curve_ = np.array([3.0, 2.0, 1.5])
        return self

    def transform(self, X):
        """Return the first columns."""
        return X[:, : self.n_components]


@pytest.fixture
def data():
    """Give 60 points of three types in five dimensions, and their types."""
    rng = np.random.RandomState(0)
    codes = np.arange(60) % 3
    X = rng.randn(60, 5)
    X[:, 0] += 8 * codes
    return X, np.array(["KC", "PN", "LHN"], dtype=object)[codes]


def colors_at(collection, points):
    """Return the colours that points of a map have, in the order of the points."""
    offsets = np.asarray(collection.get_offsets())
    rows = [np.flatnonzero((offsets == point).all(axis=1))[0] for point in points]
    return collection.get_facecolors()[rows][:, :3]


def legend_texts(legend):
    """Return what a legend says."""
    return [text.get_text() for text in legend.get_texts()]


def test_draws_each_point_in_the_colour_of_its_type(data):
    X, y = data
    embedding = X[:, :2]
    display = EmbeddingDisplay.from_embedding(embedding, color=y, color_name="type")
    colors = dict(zip(["KC", "LHN", "PN"], PALETTE, strict=False))
    expected = [to_rgba(colors[name])[:3] for name in y]
    np.testing.assert_allclose(colors_at(display.points_, embedding), expected)
    (legend,) = display.legends_
    assert legend_texts(legend) == ["KC", "LHN", "PN"]
    assert legend.get_title().get_text() == "type"
    faces = [handle.get_markerfacecolor() for handle in legend.legend_handles]
    np.testing.assert_allclose(faces, [to_rgba(color) for color in PALETTE[:3]])
    ax = display.ax_
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("component 1", "component 2")
    assert ax.get_aspect() == 1
    assert ax.get_title() == "60 points"
    assert display.new_points_ is None
    assert display.colorbar_ is None
    assert display.names_ == []


def test_unknown_types_lie_below_in_grey(data):
    X, y = data
    y[:20] = "?"
    display = EmbeddingDisplay.from_embedding(X[:, :2], color=y)
    colors = colors_at(display.points_, X[:20, :2])
    np.testing.assert_allclose(colors, [to_rgba(UNKNOWN_GREY)[:3]] * 20)
    lowest = np.asarray(display.points_.get_offsets())[:20]
    assert sorted(lowest[:, 0]) == sorted(X[:20, 0])
    assert legend_texts(display.legends_[0]) == ["KC", "LHN", "PN", "(unknown)"]


@pytest.mark.parametrize("label_types", [False, True])
def test_all_unknown(data, label_types):
    display = EmbeddingDisplay.from_embedding(
        data[0][:, :2], color=[-1] * 60, label_types=label_types
    )
    assert legend_texts(display.legends_[0]) == ["(unknown)"]
    assert display.names_ == []


def test_unlabeled_marker(data):
    X, y = data
    display = EmbeddingDisplay.from_embedding(X[:, :2], color=y, unlabeled_marker="PN")
    assert legend_texts(display.legends_[0]) == ["KC", "LHN", "(unknown)"]


def test_small_types_share_grey(data):
    X, _ = data
    y = np.array(["a"] * 30 + ["b"] * 5 + ["c"] * 20 + ["d"] * 5)
    display = EmbeddingDisplay.from_embedding(X[:, :2], color=y, max_legend=2)
    assert legend_texts(display.legends_[0]) == ["a", "c", "(2 other types)"]
    colors = colors_at(display.points_, X[y == "b", :2])
    np.testing.assert_allclose(colors, [to_rgba(OTHERS_GREY)[:3]] * 5)


def test_values_have_a_colour_bar(data):
    X, _ = data
    values = np.linspace(2, 7, 60)
    values[3] = np.nan
    display = EmbeddingDisplay.from_embedding(
        X[:, :2], color=values, color_name="time (h)", cmap="gray"
    )
    colors = colors_at(display.points_, X[[0, 3, 59], :2])
    expected = [to_rgba(color)[:3] for color in ("black", UNKNOWN_GREY, "white")]
    np.testing.assert_allclose(colors, expected)
    bar = display.colorbar_
    assert (bar.vmin, bar.vmax) == (2, 7)
    assert bar.ax.get_ylabel() == "time (h)"
    assert legend_texts(display.legends_[0]) == ["(unknown)"]


@pytest.mark.parametrize("values", [np.full(60, 0.5), np.full(60, np.nan)])
def test_one_value_or_none(data, values):
    display = EmbeddingDisplay.from_embedding(
        data[0][:, :2], color=values, kind="value"
    )
    assert (display.colorbar_ is None) == np.isnan(values).all()
    display.figure_.draw_without_rendering()


def test_kind(data):
    X, _ = data
    clusters = np.arange(60)
    display = EmbeddingDisplay.from_embedding(X[:, :2], color=clusters)
    assert display.colorbar_ is not None
    display = EmbeddingDisplay.from_embedding(X[:, :2], color=clusters, kind="category")
    assert display.colorbar_ is None
    assert legend_texts(display.legends_[0])[-1] == "(40 other types)"


def test_new_points(data):
    X, y = data
    display = EmbeddingDisplay.from_embedding(
        X[:40, :2], color=y[:40], new_embedding=X[40:, :2], new_color=["PN"] * 20
    )
    colors = colors_at(display.new_points_, X[40:, :2])
    np.testing.assert_allclose(colors, [to_rgba(PALETTE[2])[:3]] * 20)
    types, both = display.legends_
    assert legend_texts(types) == ["KC", "LHN", "PN"]
    assert legend_texts(both) == ["training points", "new points"]
    children = display.ax_.get_children()
    assert types in children
    assert both in children
    assert display.ax_.get_title() == "40 training points, 20 new points"


def test_new_points_without_a_colour(data):
    X, y = data
    display = EmbeddingDisplay.from_embedding(
        X[:40, :2], color=y[:40], new_embedding=X[40:, :2]
    )
    assert (display.new_points_.get_facecolors() == 1).all()
    display = EmbeddingDisplay.from_embedding(
        X[:40, :2], new_embedding=X[40:, :2], new_color=y[40:]
    )
    red, green, blue = np.unique(display.points_.get_facecolors()[:, :3], axis=0)[0]
    assert red == green == blue
    assert len(np.unique(display.new_points_.get_facecolors(), axis=0)) == 3
    display = EmbeddingDisplay.from_embedding(X[:40, :2], new_embedding=X[40:, :2])
    assert [legend_texts(one) for one in display.legends_] == [
        ["training points", "new points"]
    ]


def test_points_without_a_position_are_not_drawn(subtests, data):
    for n_components in [2, 3, 5]:
        with subtests.test(n_components=n_components):
            X, y = data
            embedding, new = X[:40, :n_components].copy(), X[40:, :n_components].copy()
            embedding[[3, 7, 20]] = np.nan
            embedding[30, 0] = new[5, -1] = np.nan
            color = y[:40].copy()
            color[[3, 7]] = "LN"
            before = embedding.copy()
            display = EmbeddingDisplay.from_embedding(
                embedding, color=color, new_embedding=new, new_color=y[40:]
            )
            np.testing.assert_array_equal(embedding, before)
            title = (
                "40 training points, 4 without a position; 20 new points, 1 without a "
                "position"
            )
            if n_components == 5:
                title += ", components 1 and 2 of 5"
            assert display.ax_.get_title().replace("\n", " ") == title
            # A type without a single place has no colour.
            assert list(display.colors_) == ["KC", "LHN", "PN"]
            for points, drawn, types in (
                (embedding, display.points_, color),
                (new, display.new_points_, y[40:]),
            ):
                there = ~np.isnan(points).any(axis=1)
                assert len(drawn.get_offsets()) == there.sum()
                if n_components == 3:
                    x, *_ = drawn._offsets3d
                    assert sorted(x) == sorted(points[there, 0])
                    continue
                expected = [to_rgba(display.colors_[name])[:3] for name in types[there]]
                np.testing.assert_allclose(
                    colors_at(drawn, points[there, :2]), expected
                )
            display.figure_.draw_without_rendering()


def test_no_new_point_has_a_place(data):
    X, y = data
    new = np.full((2, 2), np.nan)
    display = EmbeddingDisplay.from_embedding(
        X[:, :2], color=y, new_embedding=new, new_color=["KC", "?"]
    )
    assert display.new_points_ is None
    assert len(display.legends_) == 1
    title = "60 training points; 2 new points, 2 without a position"
    assert display.ax_.get_title() == title


def test_names_stand_at_the_points_with_a_place(data):
    X, y = data
    embedding = X[:, :2].copy()
    embedding[np.flatnonzero(y == "KC")[:4]] = np.nan
    display = EmbeddingDisplay.from_embedding(embedding, color=y, label_types=True)
    name = next(text for text in display.names_ if text.get_text() == "KC")
    np.testing.assert_allclose(name.xy, np.median(embedding[y == "KC"][4:], axis=0))


def test_an_estimator_that_gives_outliers_no_place(data):
    X, y = data
    projection = Projection().fit(X)
    projection.embedding_ = X[:, :2].copy()
    projection.embedding_[:5] = np.nan
    display = EmbeddingDisplay.from_estimator(projection, color=y)
    assert display.ax_.get_title() == "Projection: 60 points, 5 without a position"


def test_embeddings_that_are_no_numbers(data, pyplot):
    X, _ = data
    bad = X[:, :2].copy()
    bad[0, 0] = np.inf
    with pytest.raises(ValueError, match="embedding holds infinity"):
        EmbeddingDisplay.from_embedding(bad)
    message = "embedding must have a row without NaN .* each of its 60 rows has one"
    with pytest.raises(ValueError, match=message):
        EmbeddingDisplay.from_embedding(np.full((60, 2), np.nan))
    assert pyplot.get_fignums() == []


def test_look(data):
    X, y = data
    display = EmbeddingDisplay.from_embedding(
        X[:, :2], color=y, point_size=7, alpha=0.3, legend=False, cmap="tab10"
    )
    assert display.points_.get_sizes().tolist() == [7]
    assert display.points_.get_alpha() == 0.3
    assert display.legends_ == []
    assert display.ax_.get_legend() is None
    first = colors_at(display.points_, X[y == "KC", :2][:1])
    np.testing.assert_allclose(first, [to_rgba("tab:blue")[:3]])


def test_the_same_types_have_the_same_colours_in_two_maps(data):
    X, y = data
    first = EmbeddingDisplay.from_embedding(X[:, :2], color=y)
    hexes = [color.lower() for color in PALETTE]
    assert first.colors_ == dict(zip(["KC", "LHN", "PN"], hexes, strict=False))
    # CN comes before all others by name, and KC is not there.
    other = np.where(y == "KC", "CN", y)
    alone = EmbeddingDisplay.from_embedding(X[:, :2], color=other)
    assert alone.colors_["PN"] == first.colors_["PN"]
    assert alone.colors_["CN"] == first.colors_["KC"]
    second = EmbeddingDisplay.from_embedding(X[:, :2], color=other, cmap=first.colors_)
    assert second.colors_ == {
        "CN": hexes[3],
        "LHN": first.colors_["LHN"],
        "PN": first.colors_["PN"],
    }
    drawn = colors_at(second.points_, X[y == "PN", :2][:1])
    np.testing.assert_allclose(drawn, [to_rgba(first.colors_["PN"])[:3]])


def test_types_in_grey_have_no_colour_of_their_own(data):
    X, _ = data
    y = np.array([7] * 30 + [-1] * 5 + [3] * 20 + [9] * 5)
    display = EmbeddingDisplay.from_embedding(
        X[:, :2], color=y, max_legend=2, cmap={7: "red", 9: "green"}
    )
    assert display.colors_ == {3: PALETTE[0].lower(), 7: "#ff0000"}
    assert EmbeddingDisplay.from_embedding(X[:, :2]).colors_ == {}
    assert EmbeddingDisplay.from_embedding(X[:, :2], color=X[:, 2]).colors_ == {}
    for cmap in (None, {7: "red"}):
        display = EmbeddingDisplay.from_embedding(X[:, :2], color=[-1] * 60, cmap=cmap)
        assert display.colors_ == {}


def test_no_legend_is_no_colour_bar(data):
    display = EmbeddingDisplay.from_embedding(
        data[0][:, :2], color=data[0][:, 2], legend=False
    )
    assert display.colorbar_ is None
    assert len(display.figure_.axes) == 1


def test_label_types(data):
    X, y = data
    display = EmbeddingDisplay.from_embedding(X[:, :2], color=y, label_types=True)
    assert display.legends_ == []
    assert [text.get_text() for text in display.names_] == ["KC", "LHN", "PN"]
    for text in display.names_:
        median = np.median(X[y == text.get_text(), :2], axis=0)
        np.testing.assert_allclose(text.xy, median)


def test_as_many_names_as_there_is_room_for(pyplot):
    rng = np.random.RandomState(0)
    embedding, types = rng.rand(600, 2), np.arange(600) % 200
    display = EmbeddingDisplay.from_embedding(
        embedding, color=types, kind="category", label_types=True
    )
    assert 50 < len(display.names_) < 150
    _, ax = pyplot.subplots(figsize=(2.5, 2), layout="constrained")
    display = EmbeddingDisplay.from_embedding(
        embedding, color=types, kind="category", label_types=True, ax=ax
    )
    assert 2 < len(display.names_) < 20
    left_out = 200 - len(display.names_)
    assert legend_texts(display.legends_[0]) == [f"({left_out} other types)"]


def test_types_with_the_same_short_name(data):
    ends = ["1", "2"] * 30
    long = [f"a long name of a type {end} of neurons" for end in ends]
    display = EmbeddingDisplay.from_embedding(
        data[0][:, :2], color=long, label_types=True
    )
    assert len(display.names_) == 2


def test_three_components(data, pyplot):
    X, y = data
    display = EmbeddingDisplay.from_embedding(
        X[:40, :3],
        color=y[:40],
        new_embedding=X[40:, :3],
        new_color=y[40:],
        axis_names=["a", "b", "c"],
    )
    ax = display.ax_
    assert ax.name == "3d"
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_zlabel()) == ("a", "b", "c")
    assert len(display.legends_) == 2
    figure, ax = pyplot.subplots(subplot_kw={"projection": "3d"})
    display = EmbeddingDisplay.from_embedding(
        X[:, :3], color=y, ax=ax, label_types=True
    )
    assert display.figure_ is figure
    where = [text.get_position_3d() for text in display.names_]
    medians = [np.median(X[y == name, :3], axis=0) for name in ("KC", "LHN", "PN")]
    np.testing.assert_allclose(where, medians)
    display = EmbeddingDisplay.from_embedding(X[:, :3], color=X[:, 0])
    assert display.colorbar_.vmax == X[:, 0].max()


def test_axes_of_other_dimensions(data, pyplot):
    X, _ = data
    _, ax = pyplot.subplots()
    with pytest.raises(ValueError, match="of 3 components needs 3-d axes"):
        EmbeddingDisplay.from_embedding(X[:, :3], ax=ax)
    _, ax = pyplot.subplots(subplot_kw={"projection": "3d"})
    with pytest.raises(ValueError, match="of 2 components needs 2-d axes"):
        EmbeddingDisplay.from_embedding(X[:, :2], ax=ax)


def test_more_components_are_said(data):
    X, _ = data
    display = EmbeddingDisplay.from_embedding(X)
    assert display.ax_.get_title() == "60 points, components 1 and 2 of 5"
    drawn = np.asarray(display.points_.get_offsets())
    assert sorted(drawn[:, 1]) == sorted(X[:, 1])


def test_plot_loss(data, pyplot):
    _, (left, right) = pyplot.subplots(1, 2)
    display = EmbeddingDisplay.from_embedding(
        data[0][:, :2], loss_curve=[0.9, 0.5, 0.25], ax=left
    )
    assert display.plot_loss(ax=right) is display
    assert display.loss_ax_ is right
    assert display.ax_ is left
    assert display.loss_line_.get_xdata().tolist() == [1, 2, 3]
    assert display.loss_line_.get_ydata().tolist() == [0.9, 0.5, 0.25]
    assert right.get_title() == "Loss, 0.25 after 3 epochs"
    assert display.plot_loss().loss_ax_.figure is not left.figure


def test_no_loss(data):
    X, _ = data
    with pytest.raises(ValueError, match="no loss to plot: loss_curve is None"):
        EmbeddingDisplay(X[:, :2]).plot_loss()
    for bad in ([], [[1.0, 2.0]]):
        with pytest.raises(ValueError, match="loss_curve must be a list"):
            EmbeddingDisplay(X[:, :2], loss_curve=bad).plot_loss()


def test_from_estimator(data, pyplot):
    X, y = data
    _, ax = pyplot.subplots()
    isomap = Isomap(n_neighbors=25).fit(X[:40])
    display = EmbeddingDisplay.from_estimator(
        isomap, X[40:], color=y[:40], new_color=y[40:], ax=ax, point_size=5
    )
    assert display.ax_ is ax
    np.testing.assert_array_equal(display.embedding, isomap.embedding_)
    np.testing.assert_array_equal(display.new_embedding, isomap.transform(X[40:]))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("isomap0", "isomap1")
    assert ax.get_title() == "Isomap: 40 training points, 20 new points"
    assert display.points_.get_sizes().tolist() == [5]
    assert display.loss_curve is None


def test_from_estimator_with_a_loss_curve(data):
    display = EmbeddingDisplay.from_estimator(Projection().fit(data[0]), name="NUMAP")
    assert display.plot_loss().loss_line_.get_ydata().tolist() == [3, 2, 1.5]
    assert display.axis_names is None
    assert display.ax_.get_title() == "NUMAP: 60 points"


def test_from_estimator_of_a_pipeline(data):
    X, y = data
    pipeline = make_pipeline(StandardScaler(), Projection(3)).fit(X[:40])
    display = EmbeddingDisplay.from_estimator(pipeline, X[40:], color=y[:40])
    np.testing.assert_allclose(display.embedding, pipeline[0].transform(X[:40])[:, :3])
    np.testing.assert_allclose(display.new_embedding, pipeline.transform(X[40:]))
    assert display.ax_.get_title().startswith("Projection: 40 training points")
    assert display.loss_curve is not None


def test_from_estimator_says_what_is_missing(data):
    X, _ = data
    with pytest.raises(TypeError, match=r"has embedding_, got PCA; of another, pass"):
        EmbeddingDisplay.from_estimator(PCA(2).fit(X))
    with pytest.raises(TypeError, match="got Isomap, a class"):
        EmbeddingDisplay.from_estimator(Isomap)
    with pytest.raises(NotFittedError):
        EmbeddingDisplay.from_estimator(Isomap())
    with pytest.raises(NotFittedError):
        EmbeddingDisplay.from_estimator(make_pipeline(StandardScaler(), Projection()))
    with pytest.raises(TypeError, match="has embedding_, got str"):
        EmbeddingDisplay.from_estimator(make_pipeline(StandardScaler(), "passthrough"))
    mds = MDS(n_init=1, init="random", max_iter=2).fit(X)
    with pytest.raises(TypeError, match="has transform to embed X_new, got MDS"):
        EmbeddingDisplay.from_estimator(mds, X)


def test_bad_options(subtests, data, pyplot):
    cases = [
        ({"color": ["KC"] * 3}, "color must hold one entry .* 60 points, got 3"),
        ({"new_color": ["KC"]}, "new_color is for new points, but there are none"),
        (
            {"new_embedding": np.zeros((2, 2)), "new_color": ["KC"]},
            "new_color must hold one entry for each of the 2 points",
        ),
        (
            {
                "color": ["KC"] * 60,
                "new_embedding": np.zeros((2, 2)),
                "new_color": [0.5, 0.6],
            },
            "color and new_color must be of one kind",
        ),
        ({"color": [0.5] * 60, "cmap": {"KC": "red"}}, "cmap must be a colour map whe"),
        (
            {"color": ["KC"] * 60, "cmap": {"KC": "rot"}},
            "for each type, got 'rot' for 'KC'",
        ),
        ({"kind": "types"}, "kind must be one of 'auto', .* got 'types'"),
        (
            {"axis_names": ["a"]},
            "axis_names must .* 2 components, got 1",
        ),
        ({"axis_names": "ab"}, "axis_names must be a list of names .* got 'ab'"),
        ({"max_legend": 0}, "max_legend must be an integer of at least 1, got 0"),
        ({"max_legend": 2.5}, "max_legend must be an integer of at least 1, got 2.5"),
        ({"point_size": 0}, "point_size must be a number above 0, .* or None, got 0"),
    ]
    for options, message in cases:
        with subtests.test(options=options):
            with pytest.raises(ValueError, match=message):
                EmbeddingDisplay.from_embedding(data[0][:, :2], **options)
            assert pyplot.get_fignums() == []


def test_one_component(data):
    with pytest.raises(ValueError, match="embedding must have at least 2 components"):
        EmbeddingDisplay.from_embedding(data[0][:, :1])


def test_nothing_is_clipped(subtests, data, clipped):
    for label_types, n_components in product([False, True], [2, 3]):
        with subtests.test(label_types=label_types, n_components=n_components):
            X, y = data
            display = EmbeddingDisplay.from_embedding(
                X[:40, :n_components],
                color=[f"a type of neurons, {name}" for name in y[:40]],
                color_name="cell type",
                new_embedding=X[40:, :n_components],
                label_types=label_types,
                name="NUMAP",
            )
            if n_components == 2:
                assert clipped(display.figure_) == []
            display.figure_.draw_without_rendering()
            box, size = (
                display.figure_.get_tightbbox(),
                display.figure_.get_size_inches(),
            )
            assert min(box.x0, box.y0) > -0.02
            assert box.x1 < size[0] + 0.02
            assert box.y1 < size[1] + 0.02
