"""Points of a map: where they are, the colours there are, the order they lie in."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pytest

from celltyping.plotting._points import (
    OTHERS_GREY,
    PALETTE,
    UNKNOWN_GREY,
    axes_of_dimension,
    check_points,
    check_type_colors,
    color_types,
    color_values,
    count_points,
    hex_color,
    largest_types,
    legend_point,
    map_of_types,
    point_area,
    rgba,
    scatter_points,
)


def test_largest_types():
    codes = np.array([0, 1, 1, 2, 2, 2, -1, -1, -1, -1])
    assert largest_types(codes, 2).tolist() == [1, 2]
    assert largest_types(codes, 9).tolist() == [0, 1, 2]
    assert largest_types(np.array([-1]), 9).tolist() == []


def test_colors_of_types():
    codes = np.array([0, 1, 2, -1])
    colors, layer = color_types(codes, np.array([0, 2]), None)
    expected = [PALETTE[0], OTHERS_GREY, PALETTE[1], UNKNOWN_GREY]
    np.testing.assert_array_equal(colors, [rgba(color) for color in expected])
    assert layer.tolist() == [2, 1, 2, 0]
    colors, _ = color_types(codes, np.array([0, 2]), "viridis")
    expected = [rgba("#440154"), rgba("#fde725")]
    np.testing.assert_allclose(colors[[0, 2]], expected, atol=0.5 / 255)
    colors, _ = color_types(np.arange(12), np.arange(12), "tab10")
    np.testing.assert_array_equal(colors[0], colors[10])
    colors, layer = color_types(np.array([-1, -1]), np.empty(0, dtype=int), None)
    np.testing.assert_array_equal(colors, [rgba(UNKNOWN_GREY)] * 2)
    assert layer.tolist() == [0, 0]


def test_palette_differs_and_is_repeated():
    assert len(set(PALETTE)) == len(PALETTE) == 20
    colors, _ = color_types(np.arange(21), np.arange(21), None)
    np.testing.assert_array_equal(colors[20], colors[0])


def test_colors_by_type():
    assert map_of_types(None, ["KC"]) is None
    assert map_of_types("tab10", ["KC"]) == "tab10"
    # A colour of the palette that is taken is not given to another type.
    cmap = map_of_types({"PN": PALETTE[0], "LHN": PALETTE[2]}, ["CN", "KC", "PN"])
    assert cmap.colors == [PALETTE[1], PALETTE[3], PALETTE[0]]
    everything = dict(zip(range(20), PALETTE, strict=True))
    assert map_of_types(everything, [3, 99]).colors == [PALETTE[3], PALETTE[0]]
    codes = np.arange(300)
    many = dict(zip(range(300), np.linspace(0, 1, 300).astype(str), strict=True))
    colors, _ = color_types(codes, codes, map_of_types(many, range(300)))
    np.testing.assert_array_equal(colors, [rgba(color) for color in many.values()])
    check_type_colors(many, "category")
    check_type_colors("rot", "value")
    with pytest.raises(ValueError, match=r"matplotlib knows .* got 'rot' for 'PN'"):
        check_type_colors({"KC": "red", "PN": "rot"}, "category")
    with pytest.raises(ValueError, match="cmap must be a colour map where the colours"):
        check_type_colors(many, "value")


def test_hex_color():
    assert hex_color((1, 0, 0, 0.5)) == "#ff0000"


def test_colors_of_values():
    colors, layer, scale = color_values(np.array([2.0, np.nan, 7.0]), None)
    expected = [rgba("#440154"), rgba(UNKNOWN_GREY), rgba("#fde725")]
    np.testing.assert_allclose(colors, expected, atol=0.5 / 255)
    assert layer.tolist() == [2, 0, 2]
    assert scale.get_clim() == (2, 7)
    colors, _, _ = color_values(np.array([2.0, 7.0]), "gray")
    np.testing.assert_allclose(colors, [rgba("black"), rgba("white")])
    colors, layer, scale = color_values(np.array([np.nan]), None)
    assert scale is None
    assert layer.tolist() == [0]


def scattered(ax, n_training, n, **options):
    """Draw points in a row, the higher the later."""
    rank = np.arange(n, dtype=float)
    points = np.column_stack([rank, rank])
    options = {"layer": np.zeros(n), "size": None, "alpha": None} | options
    colors = np.tile([0.2, 0.4, 0.6, 1.0], (n, 1))
    return scatter_points(ax, points, n_training, colors=colors, **options)


def test_points_are_shuffled_within_layers(pyplot):
    _, ax = pyplot.subplots()
    layer = np.arange(90) % 3
    points, new = scattered(ax, 90, 90, layer=layer)
    assert new is None
    drawn = points.get_offsets()[:, 0].astype(int)
    assert sorted(drawn) == list(range(90))
    assert (np.diff(layer[drawn]) >= 0).all()
    assert (np.diff(drawn[:30]) < 0).any()
    again, _ = scattered(ax, 90, 90, layer=layer)
    np.testing.assert_array_equal(again.get_offsets(), points.get_offsets())


def test_new_points_stand_out(pyplot):
    _, ax = pyplot.subplots()
    points, new = scattered(ax, 70, 100)
    assert sorted(points.get_offsets()[:, 0]) == list(range(70))
    assert sorted(new.get_offsets()[:, 0]) == list(range(70, 100))
    assert new.get_sizes()[0] > 2 * points.get_sizes()[0]
    assert new.get_zorder() > points.get_zorder()
    assert points.get_alpha() < 0.5
    assert (new.get_facecolors()[:, 3] == 1).all()
    np.testing.assert_array_equal(new.get_edgecolors()[0], rgba("0.1"))
    assert points.get_linewidths()[0] == 0


def test_size_and_opacity(pyplot):
    _, ax = pyplot.subplots()
    few, _ = scattered(ax, 20, 20)
    many, _ = scattered(ax, 20_000, 20_000)
    assert few.get_sizes()[0] > 5 * many.get_sizes()[0]
    assert many.get_rasterized()
    assert not few.get_rasterized()
    points, new = scattered(ax, 20, 30, size=9, alpha=0.1)
    assert points.get_sizes().tolist() == [9]
    assert new.get_sizes().tolist() == [27]
    assert points.get_alpha() == 0.1


def test_new_points_come_on_top_in_three_dimensions(pyplot):
    ax = pyplot.figure().add_subplot(projection="3d")
    rng = np.random.RandomState(0)
    points, new = scatter_points(
        ax,
        rng.rand(50, 3),
        40,
        colors=np.ones((50, 4)),
        layer=np.zeros(50),
        size=None,
        alpha=None,
    )
    ax.figure.draw_without_rendering()
    assert new.get_zorder() > points.get_zorder()


def check(points, new_points=None):
    """Check the points of a map."""
    names = ("embedding", "new_embedding")
    return check_points(points, new_points, names=names, columns="components")


def test_check_points():
    points, n_training = check([[0, 1]], [[2, 3], [4, 5]])
    assert points.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert n_training == 1
    with pytest.raises(
        ValueError, match=r"embedding must .* 2 components .* shape \(2, 1\)"
    ):
        check([[0], [1]])
    with pytest.raises(
        ValueError, match=r"new_embedding must have 2 comp.* as embedding has, got 3"
    ):
        check([[0, 1]], [[0, 1, 2]])
    with pytest.raises(ValueError, match="new_embedding contains infinity"):
        check([[0, 1]], [[0, np.inf]])
    with pytest.raises(ValueError, match="embedding contains infinity"):
        check([[0, 1], [np.nan, -np.inf]])


def test_points_without_a_place():
    points, n_training = check([[0, 1], [np.nan, 3]], [[np.nan, np.nan]])
    np.testing.assert_array_equal(points, [[0, 1], [np.nan, 3], [np.nan, np.nan]])
    assert n_training == 2
    message = "embedding must have a row without NaN .* each of its 2 rows has one"
    with pytest.raises(ValueError, match=message):
        check([[np.nan, 0], [0, np.nan]], [[0, 1]])


@pytest.mark.parametrize(
    ("n_training", "n_new", "missing", "text"),
    [
        (1234, 0, [], "1,234 points"),
        (1, 0, [], "1 point"),
        (640, 0, range(21), "640 points, 21 lost"),
        (640, 30, [], "640 training points, 30 new points"),
        (640, 30, range(21), "640 training points, 21 lost; 30 new points"),
        (640, 1, [640], "640 training points; 1 new point, 1 lost"),
        (2000, 9, range(1, 1502), "2,000 training points, 1,501 lost; 9 new points"),
    ],
)
def test_count_points(n_training, n_new, missing, text):
    placed = np.full(n_training + n_new, True)
    placed[list(missing)] = False
    assert count_points(placed, n_training, "lost") == text


def test_point_area():
    assert point_area(10**9, 0) == 0.5
    assert point_area(1, 0) == 30
    assert point_area(1600, 0) > point_area(1600, 1) > point_area(6400, 1)


def test_axes_of_dimension(pyplot):
    figure, ax = axes_of_dimension(None, 2, "a test", (4, 3))
    assert ax.figure is figure
    assert ax.name == "rectilinear"
    assert axes_of_dimension(ax, 2, "a test", (4, 3)) == (figure, ax)
    with pytest.raises(ValueError, match="3 components needs 3-d axes, got a 2-d ax"):
        axes_of_dimension(ax, 3, "a test", (4, 3))
    figure, ax = axes_of_dimension(None, 3, "a test", (4, 3))
    assert ax.name == "3d"
    assert figure.get_size_inches().tolist() == [4, 3]
    assert axes_of_dimension(ax, 3, "a test", (4, 3)) == (figure, ax)
    with pytest.raises(ValueError, match="ax is 3-d, but two components"):
        axes_of_dimension(ax, 2, "a test", (4, 3))


def test_legend_point():
    point = legend_point("PN", "red", markersize=3)
    assert point.get_label() == "PN"
    assert point.get_markerfacecolor() == "red"
    assert point.get_markersize() == 3
    assert point.get_linestyle() == "None"
