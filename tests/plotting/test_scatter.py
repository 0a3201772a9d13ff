"""Scatter plots: positions, colours and order of the points."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from celltyping.plotting._scatter import (
    OTHERS_GREY,
    PALETTE,
    TRAINING_GREY,
    UNKNOWN_GREY,
    PointColors,
    check_points,
    count_points,
    legend_point,
    point_area,
    scatter_points,
    type_colors,
)


def test_palette_differs_and_is_repeated():
    assert len(set(PALETTE)) == len(PALETTE) == 20
    colors = type_colors(np.arange(21), None)
    np.testing.assert_array_equal(colors[:20], [to_rgba(color) for color in PALETTE])
    np.testing.assert_array_equal(colors[20], colors[0])


def test_colours_follow_the_sorted_types():
    colors = type_colors(np.array(["PN", "KC"]), None)
    np.testing.assert_array_equal(colors, [to_rgba(PALETTE[1]), to_rgba(PALETTE[0])])
    assert type_colors(np.empty(0, dtype=object), None).shape == (0, 4)


def test_colours_of_a_colour_map():
    colors = type_colors(np.arange(2), "viridis")
    expected = [to_rgba("#440154"), to_rgba("#fde725")]
    np.testing.assert_allclose(colors, expected, atol=0.5 / 255)
    colors = type_colors(np.arange(12), "tab10")
    np.testing.assert_array_equal(colors[0], colors[10])


def test_colours_of_a_dict():
    # A colour of the palette that is taken is not given to another type.
    given = {"PN": PALETTE[0], "LHN": PALETTE[2]}
    colors = type_colors(np.array(["CN", "KC", "PN"]), given)
    expected = [PALETTE[1], PALETTE[3], PALETTE[0]]
    np.testing.assert_array_equal(colors, [to_rgba(color) for color in expected])
    everything = dict(zip(range(20), PALETTE, strict=True))
    colors = type_colors(np.array([3, 99]), everything)
    np.testing.assert_array_equal(colors, [to_rgba(PALETTE[3]), to_rgba(PALETTE[0])])
    many = dict(zip(range(300), np.linspace(0, 1, 300).astype(str), strict=True))
    colors = type_colors(np.arange(300), many)
    np.testing.assert_array_equal(colors, [to_rgba(color) for color in many.values()])


def point_colors(color, new_color=None, n_new=0, missing=(), cmap=None, kind="auto"):
    """Return the colours of some points, of which some have no position."""
    n_training = len(color) if color is not None else 4
    placed = np.full(n_training + n_new, True)
    placed[list(missing)] = False
    options = {"kind": kind, "unlabeled_marker": "auto", "cmap": cmap}
    return PointColors(color, new_color, placed, n_training, **options)


def kind_of(color, new_color=None, kind="auto"):
    """Return the kind that colours are taken for."""
    return point_colors(color, new_color, len(new_color or ()), kind=kind).kind


def test_kind(subtests):
    cases = [
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
    ]
    for color, kind in cases:
        with subtests.test(color=color, kind=kind):
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
    new = np.array([1, None, 3], dtype=object)
    colors = point_colors(None, new, 3, kind="value")
    assert colors.has_color.tolist() == [False] * 4 + [True] * 3
    np.testing.assert_array_equal(colors.values, [1, np.nan, 3])


def test_bad_colors():
    with pytest.raises(ValueError, match="color must hold numbers to be drawn as val"):
        kind_of(["KC"], kind="value")
    with pytest.raises(ValueError, match="color holds infinity"):
        kind_of([0.5, np.inf])
    with pytest.raises(ValueError, match=r"must hold strings, .* got datetime64"):
        kind_of(np.array(["2026-01-01"], dtype="datetime64[D]"))
    with pytest.raises(ValueError, match=r"new_color must .* the 3 points, got 2"):
        point_colors([1, 2, 3], [1, 2], 3)
    with pytest.raises(ValueError, match=r"color must be a list .* got 'red'"):
        point_colors("red")
    with pytest.raises(ValueError, match="of one kind, got a mix of int, str"):
        point_colors(np.array([3, "KC"], dtype=object))


def labels(handles):
    """Return the labels of a legend."""
    return [handle.get_label() for handle in handles]


def test_types_of_points_that_are_drawn():
    found = point_colors(["KC", "LHN", "?", "PN"], ["PN", "CN"], 2, missing=[1, 5])
    assert found.kind == "category"
    assert found.types.tolist() == ["KC", "PN"]
    assert found.codes.tolist() == [0, -1, 1, 1]
    assert found.n_training == 3
    assert found.has_color.tolist() == [True] * 4


def test_values_of_points_that_are_drawn():
    colors = point_colors([0.5, 9.0, np.nan, 0.7], missing=[1], cmap="gray")
    colors.assign(20)
    np.testing.assert_array_equal(colors.values, [0.5, np.nan, 0.7])
    expected = [to_rgba("black"), to_rgba(UNKNOWN_GREY), to_rgba("white")]
    np.testing.assert_allclose(colors.colors, expected)
    assert colors.layer.tolist() == [2, 0, 2]
    assert colors.scale.get_clim() == (0.5, 0.7)
    assert colors.by_type == {}
    assert labels(colors.legend_handles()) == ["(unknown)"]


def test_all_values_are_unknown():
    colors = point_colors([np.nan], kind="value")
    colors.assign(20)
    assert colors.scale is None
    assert colors.layer.tolist() == [0]


def test_new_points_alone_have_colours():
    colors = point_colors(None, ["KC", "PN"], n_new=2, missing=[0])
    colors.assign(20)
    expected = [to_rgba(TRAINING_GREY)] * 3
    expected += [to_rgba(PALETTE[0]), to_rgba(PALETTE[1])]
    np.testing.assert_array_equal(colors.colors, expected)
    assert [rows.tolist() for _, rows, _ in colors.groups] == [[3], [4]]
    handles = colors.training_handles()
    assert labels(handles) == ["training points", "new points"]
    assert to_rgba(handles[1].get_markerfacecolor()) == to_rgba(TRAINING_GREY)


def test_training_points_alone_have_colours():
    colors = point_colors(["KC", "PN"], n_new=1)
    colors.assign(20)
    expected = [to_rgba(PALETTE[0]), to_rgba(PALETTE[1]), to_rgba("white")]
    np.testing.assert_array_equal(colors.colors, expected)
    handles = colors.training_handles()
    assert to_rgba(handles[1].get_markerfacecolor()) == to_rgba("white")
    alone = point_colors(["KC"])
    alone.assign(20)
    assert alone.training_handles() == []


def test_no_colours():
    colors = point_colors(None)
    assert colors.kind is None
    colors.assign(20)
    assert len(np.unique(colors.colors, axis=0)) == 1
    assert colors.legend_handles() == []


@pytest.mark.parametrize("marker", ["auto", "KC"])
def test_all_types_are_unknown(marker):
    placed = np.full(2, True)
    options = {"kind": "auto", "unlabeled_marker": marker, "cmap": None}
    color = ["?", "?"] if marker == "auto" else ["KC", "KC"]
    colors = PointColors(color, None, placed, 2, **options)
    colors.assign(20)
    np.testing.assert_array_equal(colors.colors, [to_rgba(UNKNOWN_GREY)] * 2)
    assert labels(colors.legend_handles()) == ["(unknown)"]


def test_types_that_share_a_grey():
    colors = point_colors([3, 3, 7, -1, 5, 5], cmap={5: "red"})
    colors.assign(2)
    assert colors.by_type == {3: PALETTE[0].lower(), 5: "#ff0000"}
    assert colors.n_own == 2
    assert colors.layer.tolist() == [2, 2, 1, 0, 2, 2]
    np.testing.assert_array_equal(colors.colors[2], to_rgba(OTHERS_GREY))
    np.testing.assert_array_equal(colors.colors[3], to_rgba(UNKNOWN_GREY))
    handles = colors.legend_handles()
    assert labels(handles) == ["3", "5", "(1 other type)", "(unknown)"]
    assert to_rgba(handles[1].get_markerfacecolor()) == to_rgba("red")
    unnamed = colors.legend_handles(with_own=False)
    assert labels(unnamed) == ["(1 other type)", "(unknown)"]


def test_largest_types_have_colours():
    colors = point_colors([0, 1, 1, 2, 2, 2, -1, -1, -1, -1])
    colors.assign(2)
    assert list(colors.by_type) == [1, 2]
    colors.assign(9)
    assert list(colors.by_type) == [0, 1, 2]


def test_colours_that_do_not_fit():
    with pytest.raises(ValueError, match="new_color is for new points, but there are"):
        point_colors(["KC"], ["PN"])
    with pytest.raises(ValueError, match="one entry for each of the 2 points"):
        point_colors(["KC"], ["PN"], n_new=2, missing=[2])
    with pytest.raises(ValueError, match="cmap must be a colour map where"):
        point_colors([0.5, 0.7], cmap={3: "red"})


def scattered(ax, n_training, n, size=None, alpha=None, color=None):
    """Draw points in a row, the higher the later."""
    rank = np.arange(n, dtype=float)
    colors = PointColors(
        color,
        None,
        np.full(n, True),
        n_training,
        kind="auto",
        unlabeled_marker="auto",
        cmap=None,
    )
    colors.assign(1)
    return scatter_points(ax, np.column_stack([rank, rank]), colors, size, alpha)


def test_points_are_shuffled_within_layers(pyplot):
    _, ax = pyplot.subplots()
    # Unknown ones, those of a small type and those of the largest one.
    color = np.array([-1, 3, 7] * 30)
    color[-1] = 7
    color[1] = 7
    layer = np.select([color < 0, color == 3], [0, 1], 2)
    points, new = scattered(ax, 90, 90, color=color)
    assert new is None
    drawn = points.get_offsets()[:, 0].astype(int)
    assert sorted(drawn) == list(range(90))
    assert (np.diff(layer[drawn]) >= 0).all()
    assert (np.diff(drawn[:30]) < 0).any()
    again, _ = scattered(ax, 90, 90, color=color)
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
    np.testing.assert_array_equal(new.get_edgecolors()[0], to_rgba("0.1"))
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


def test_new_points_are_on_top_in_three_dimensions(pyplot):
    ax = pyplot.figure().add_subplot(projection="3d")
    colors = point_colors(["KC"] * 40, n_new=10)
    colors.assign(20)
    xyz = np.random.RandomState(0).rand(50, 3)
    points, new = scatter_points(ax, xyz, colors, None, None)
    ax.figure.draw_without_rendering()
    assert new.get_zorder() > points.get_zorder()


def check(points, new_points=None):
    """Check the points of an embedding."""
    return check_points(points, new_points, ("embedding", "new_embedding"), "comps")


def test_check_points():
    points, n_training = check([[0, 1]], [[2, 3], [4, 5]])
    assert points.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert n_training == 1
    with pytest.raises(
        ValueError, match=r"embedding must .* 2 comps .* shape \(2, 1\)"
    ):
        check([[0], [1]])
    with pytest.raises(
        ValueError, match=r"new_embedding must have 2 comps, as embedding has, got 3"
    ):
        check([[0, 1]], [[0, 1, 2]])
    with pytest.raises(ValueError, match="new_embedding holds infinity"):
        check([[0, 1]], [[0, np.inf]])
    with pytest.raises(ValueError, match="embedding holds infinity"):
        check([[0, 1], [np.nan, -np.inf]])


def test_points_without_a_position():
    points, n_training = check([[0, 1], [np.nan, 3]], [[np.nan, np.nan]])
    np.testing.assert_array_equal(points, [[0, 1], [np.nan, 3], [np.nan, np.nan]])
    assert n_training == 2
    message = "embedding must have a row without NaN .* each of its 2 rows has one"
    with pytest.raises(ValueError, match=message):
        check([[np.nan, 0], [0, np.nan]], [[0, 1]])


def test_count_points(subtests):
    cases = [
        (1234, 0, [], "1,234 points"),
        (1, 0, [], "1 point"),
        (640, 0, range(21), "640 points, 21 lost"),
        (640, 30, [], "640 training points, 30 new points"),
        (640, 30, range(21), "640 training points, 21 lost; 30 new points"),
        (640, 1, [640], "640 training points; 1 new point, 1 lost"),
        (2000, 9, range(1, 1502), "2,000 training points, 1,501 lost; 9 new points"),
    ]
    for n_training, n_new, missing, text in cases:
        with subtests.test(
            n_training=n_training, n_new=n_new, missing=missing, text=text
        ):
            placed = np.full(n_training + n_new, True)
            placed[list(missing)] = False
            assert count_points(placed, n_training, "lost") == text


def test_point_area():
    assert point_area(10**9, 0) == 0.5
    assert point_area(1, 0) == 30
    assert point_area(1600, 0) > point_area(1600, 1) > point_area(6400, 1)


def test_legend_point():
    point = legend_point("PN", "red", markersize=3)
    assert point.get_label() == "PN"
    assert point.get_markerfacecolor() == "red"
    assert point.get_markersize() == 3
    assert point.get_linestyle() == "None"
