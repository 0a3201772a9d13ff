"""Colours of training points and new points, by types or by values."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pytest

from celltyping.plotting._point_colors import (
    TRAINING_GREY,
    as_floats,
    check_colors,
    check_look,
    color_points,
    encode_categories,
    legend_of_groups,
    legend_of_types,
    read_colors,
)
from celltyping.plotting._points import OTHERS_GREY, PALETTE, UNKNOWN_GREY, rgba


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


def read(color, new_color=None, n_new=0, missing=(), cmap=None):
    """Read the colours of some points, of which some have no place."""
    n_training = len(color) if color is not None else 4
    placed = np.full(n_training + n_new, True)
    placed[list(missing)] = False
    options = {"kind": "auto", "unlabeled_marker": "auto", "cmap": cmap}
    return read_colors(color, new_color, placed, n_training, **options)


def labels(handles):
    """Return what a legend would say."""
    return [handle.get_label() for handle in handles]


def test_types_of_points_that_are_drawn():
    found = read(["KC", "LHN", "?", "PN"], ["PN", "CN"], n_new=2, missing=[1, 5])
    assert found.kind == "category"
    assert found.types.tolist() == ["KC", "PN"]
    assert found.codes.tolist() == [0, -1, 1, 1]
    assert found.n_training == 3
    assert found.has_color.tolist() == [True] * 4


def test_values_of_points_that_are_drawn():
    found = read([0.5, 9.0, np.nan], missing=[1])
    assert found.kind == "value"
    np.testing.assert_array_equal(found.values, [0.5, np.nan])
    colored = color_points(found, "gray", 20)
    assert colored.scale.get_clim() == (0.5, 0.5)
    assert colored.any_unknown
    assert colored.by_type == {}
    assert labels(legend_of_types(colored)) == ["(unknown)"]


def test_new_points_alone_have_colours():
    found = read(None, ["KC", "PN"], n_new=2, missing=[0])
    colored = color_points(found, None, 20)
    expected = [rgba(TRAINING_GREY)] * 3 + [rgba(PALETTE[0]), rgba(PALETTE[1])]
    np.testing.assert_array_equal(colored.colors, expected)
    assert [some.tolist() for some in colored.members] == [[3], [4]]
    groups = legend_of_groups(colored, found.n_training)
    assert labels(groups) == ["training points", "new points"]
    assert rgba(groups[1].get_markerfacecolor()) == rgba(TRAINING_GREY)


def test_training_points_alone_have_colours():
    found = read(["KC", "PN"], n_new=1)
    colored = color_points(found, None, 20)
    expected = [rgba(PALETTE[0]), rgba(PALETTE[1]), rgba("white")]
    np.testing.assert_array_equal(colored.colors, expected)
    groups = legend_of_groups(colored, found.n_training)
    assert rgba(groups[1].get_markerfacecolor()) == rgba("white")
    assert legend_of_groups(color_points(read(["KC"]), None, 20), 1) == []


def test_no_colours():
    colored = color_points(read(None), None, 20)
    assert len(np.unique(colored.colors, axis=0)) == 1
    assert not colored.any_unknown
    assert legend_of_types(colored) == []


def test_types_that_share_a_grey():
    colors = [3, 3, 7, -1, 5, 5]
    colored = color_points(read(colors, cmap={5: "red"}), {5: "red"}, 2)
    assert colored.by_type == {3: PALETTE[0].lower(), 5: "#ff0000"}
    assert colored.names == ["3", "5"]
    assert colored.n_others == 1
    assert colored.layer.tolist() == [2, 2, 1, 0, 2, 2]
    np.testing.assert_array_equal(colored.colors[2], rgba(OTHERS_GREY))
    np.testing.assert_array_equal(colored.colors[3], rgba(UNKNOWN_GREY))
    handles = legend_of_types(colored)
    assert labels(handles) == ["3", "5", "(1 other type)", "(unknown)"]
    assert rgba(handles[1].get_markerfacecolor()) == rgba("red")
    unnamed = legend_of_types(colored, named=False)
    assert labels(unnamed) == ["(1 other type)", "(unknown)"]


def test_colours_that_do_not_fit():
    with pytest.raises(ValueError, match="new_color is for new points, but there are"):
        read(["KC"], ["PN"])
    with pytest.raises(ValueError, match="one entry for each of the 2 points"):
        read(["KC"], ["PN"], n_new=2, missing=[2])
    with pytest.raises(ValueError, match="cmap must be a colour map where"):
        read([0.5, 0.7], cmap={3: "red"})


def test_as_floats():
    column = np.array([1, None, 2.5], dtype=object)
    np.testing.assert_array_equal(as_floats(column, "x", "here"), [1, np.nan, 2.5])
    with pytest.raises(ValueError, match=r"x must hold numbers to be drawn here: .*KC"):
        as_floats(np.array(["KC"], dtype=object), "x", "here")
    with pytest.raises(ValueError, match="x holds infinity"):
        as_floats(np.array([np.inf]), "x", "here")


def test_check_look():
    check_look(1, 0.1)
    with pytest.raises(ValueError, match=r"max_legend must be an integer .* got 0"):
        check_look(0, None)
    with pytest.raises(ValueError, match="point_size must be positive, or None, got 0"):
        check_look(20, 0)
