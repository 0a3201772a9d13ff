"""Points of a map: what their colours are, and the order they lie in."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pytest

from celltyping.plotting._points import (
    OTHERS_GREY,
    PALETTE,
    UNKNOWN_GREY,
    axes_of_dimension,
    check_colors,
    check_points,
    check_type_colors,
    color_types,
    color_values,
    encode_categories,
    hex_color,
    largest_types,
    legend_point,
    map_of_types,
    rgba,
    scatter_points,
)


def kind_of(color, new_color=None, kind="auto"):
    """Return the kind that colours are taken for."""
    lengths = {"color": len(color), "new_color": len(new_color or ())}
    return check_colors({"color": color, "new_color": new_color}, lengths, kind)[0]


@pytest.mark.parametrize(
    ("color", "kind"),
    [
        (["KC", "PN"], "category"),
        (np.array(["KC", None, np.nan], dtype=object), "category"),
        ([True, False], "category"),
        (list(range(50)), "category"),
        (list(range(51)), "value"),
        (np.arange(51, dtype=np.uint8), "value"),
        (np.array([1, 2, None], dtype=object), "category"),
        ([0.0, 1.0], "value"),
        ([0.5, np.nan], "value"),
        ([None, None], "category"),
        ([np.nan, np.nan], "category"),
    ],
)
def test_kind(color, kind):
    assert kind_of(color) == kind


def test_kind_is_that_of_both():
    assert kind_of(list(range(40)), list(range(40, 80))) == "value"
    assert kind_of(list(range(40)), [39, 38]) == "category"
    assert kind_of(["KC"], [None]) == "category"
    assert kind_of([None], [0.5]) == "value"
    with pytest.raises(
        ValueError, match=r"of one kind, but color holds categories \(<"
    ):
        kind_of(["KC", "PN"], [0.5])
    with pytest.raises(ValueError, match=r"and new_color holds values \(float64\)"):
        kind_of([1, 2], [0.5])
    assert kind_of([1, 2], [0.5], kind="value") == "value"
    assert kind_of([1, 2], [0.5], kind="category") == "category"


def test_colors_as_values():
    _, has_color, values = check_colors(
        {"color": None, "new_color": np.array([1, None, 3], dtype=object)},
        {"color": 2, "new_color": 3},
        "value",
    )
    assert has_color.tolist() == [False, False, True, True, True]
    np.testing.assert_array_equal(values, [1, np.nan, 3])


def test_no_colors():
    kind, has_color, values = check_colors({"color": None}, {"color": 2}, "auto")
    assert kind is None
    assert values is None
    assert has_color.tolist() == [False, False]


def test_bad_colors():
    with pytest.raises(ValueError, match=r"kind must be 'auto', .* got 'type'"):
        kind_of(["KC"], kind="type")
    with pytest.raises(ValueError, match="color must hold numbers to be drawn as val"):
        kind_of(["KC"], kind="value")
    with pytest.raises(ValueError, match="color holds infinity"):
        kind_of([0.5, np.inf])
    with pytest.raises(ValueError, match=r"must hold strings, .* got datetime64"):
        kind_of(np.array(["2026-01-01"], dtype="datetime64[D]"))
    with pytest.raises(ValueError, match=r"each of the 3 points, got .* \(2,\)"):
        check_colors({"color": [1, 2]}, {"color": 3}, "auto")
    with pytest.raises(ValueError, match=r"each of the 3 points, got .* \(\)"):
        check_colors({"color": "red"}, {"color": 3}, "auto")


def test_encode_categories():
    types, codes = encode_categories(np.array([3, -1, 5, 3], dtype=object), "auto")
    assert types.tolist() == [3, 5]
    assert codes.tolist() == [0, -1, 1, 0]
    assert encode_categories(np.array([3, -1, 5]), 5)[1].tolist() == [1, 0, -1]
    types, codes = encode_categories(np.array(["?", None], dtype=object), "auto")
    assert len(types) == 0
    assert codes.tolist() == [-1, -1]
    with pytest.raises(ValueError, match="of one kind, got a mix of int, str"):
        encode_categories(np.array([3, "KC"], dtype=object), "auto")


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


def test_check_points():
    points, n_training = check_points([[0, 1]], [[2, 3], [4, 5]])
    assert points.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert n_training == 1
    with pytest.raises(ValueError, match=r"at least 2 components .* shape \(2, 1\)"):
        check_points([[0], [1]], None)
    with pytest.raises(ValueError, match=r"must have 2 components, .* got 3"):
        check_points([[0, 1]], [[0, 1, 2]])
    with pytest.raises(ValueError, match="embedding contains NaN"):
        check_points([[0, np.nan]], None)
    with pytest.raises(ValueError, match="new_embedding contains infinity"):
        check_points([[0, 1]], [[0, np.inf]])


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
