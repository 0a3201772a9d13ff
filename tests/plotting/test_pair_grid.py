"""A lower triangle of axes: where they are, and what is written around them."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import itertools

import numpy as np
import pytest

from celltyping.plotting._pair_grid import (
    NUMBERS_NEED,
    draw_histogram,
    legend_in_corner,
    make_grid,
    name_grid,
)
from celltyping.plotting._point_colors import color_points, read_colors
from celltyping.plotting._points import legend_point


def colored(color, n_training, n_points):
    """Return colours of some training points and new points without a colour."""
    placed = np.full(n_points, True)
    options = {"kind": "auto", "unlabeled_marker": "auto", "cmap": None}
    return color_points(
        read_colors(color, None, placed, n_training, **options), None, 9
    )


def test_axes_fill_the_place(pyplot):
    figure, ax = pyplot.subplots(figsize=(6, 4))
    grid, side = make_grid(ax, [False] * 4)
    figure.draw_without_rendering()
    frame = ax.get_window_extent()
    first, last = grid[0, 0].get_window_extent(), grid[3, 3].get_window_extent()
    np.testing.assert_allclose(first.x0, frame.x0)
    np.testing.assert_allclose([first.y1, last.y0], [frame.y1, frame.y0])
    np.testing.assert_allclose(last.x1, frame.x1)
    np.testing.assert_allclose(side, last.height * 72 / figure.dpi)
    below = grid[1, 0].get_window_extent()
    assert 0 < first.y0 - below.y1 < 0.15 * first.height


@pytest.mark.parametrize("log", [False, True])
def test_constant_feature(pyplot, log):
    _, ax = pyplot.subplots()
    draw_histogram(ax, np.full(5, 3.0), 5, colored(None, 5, 5), log=log, size=4)
    (line,) = ax.patches
    counts, edges, _ = line.get_data()
    assert counts.sum() == 5
    assert edges[0] < 3 < edges[-1]


def test_bins_reach_the_new_points(pyplot):
    _, ax = pyplot.subplots()
    values = np.r_[np.linspace(0, 1, 50), 9.0]
    draw_histogram(ax, values, 50, colored(None, 50, 51), log=False, size=4)
    counts, edges, _ = ax.patches[0].get_data()
    assert (edges[0], edges[-1]) == (0, 9)
    assert counts.sum() == 50
    (marks,) = ax.collections
    assert marks.get_offsets()[:, 0].tolist() == [9]
    assert marks.get_sizes().tolist() == [12]


def test_no_room_for_a_legend(pyplot):
    _, ax = pyplot.subplots(figsize=(2, 2))
    few, many = [[legend_point(f"type {i}", "red") for i in range(n)] for n in (2, 90)]
    legend = legend_in_corner(ax, 2, few, None)
    box, frame = legend.get_window_extent(), ax.get_window_extent()
    assert box.x0 > (frame.x0 + frame.x1) / 2
    assert box.y0 > (frame.y0 + frame.y1) / 2
    assert legend_in_corner(ax, 2, many, None) is None
    assert ax.get_legend() is None


@pytest.mark.parametrize(
    ("low", "high"), [(0.02, 0.9), (1, 9), (0.001, 5000), (2.1, 2.9)]
)
def test_few_numbers_on_logarithmic_axes(pyplot, low, high):
    figure, ax = pyplot.subplots(figsize=(4, 4))
    grid, _ = make_grid(ax, [False, True])
    grid[1, 0].scatter([0, 1], [low, high])
    name_grid(ax, grid, ["depth", "area"])
    figure.draw_without_rendering()
    view = grid[1, 0].get_ylim()
    ticks = [y for y in grid[1, 0].get_yticks() if view[0] <= y <= view[1]]
    assert len(ticks) <= 5
    assert len(ticks) >= 2


def test_no_numbers_on_small_axes(pyplot):
    for inches, is_written in ((0.4, False), (4, True)):
        figure, ax = pyplot.subplots(figsize=(4, inches))
        grid, side = make_grid(ax, [False, False])
        assert (side > NUMBERS_NEED) == is_written
        name_grid(ax, grid, ["a", "b"])
        figure.draw_without_rendering()
        texts = [text.get_text() for text in grid[1, 0].get_yticklabels()]
        assert any(texts) == is_written


def test_names_stand_beyond_the_widest_number(pyplot):
    figure, ax = pyplot.subplots(figsize=(5, 5))
    grid, _ = make_grid(ax, [False] * 3)
    grid[1, 0].scatter([0, 1], [0, 1])
    grid[2, 0].scatter([0, 1], [0, 90_000])
    name_grid(ax, grid, ["a", "b", "a name that is longer than its axes are wide, far"])
    figure.draw_without_rendering()
    labels = [grid[i, 0].yaxis.label.get_window_extent() for i in (1, 2)]
    np.testing.assert_allclose(labels[0].x1, labels[1].x1, atol=2)
    numbers = [text.get_window_extent().x0 for text in grid[2, 0].get_yticklabels()]
    assert labels[1].x1 < min(numbers)
    letters = {cell.xaxis.label.get_fontsize() for cell in grid[-1]}
    assert len(letters) == 1
    assert min(letters) < 9


def test_numbers_neither_stick_out_nor_touch(pyplot):
    figure, ax = pyplot.subplots(figsize=(4, 4))
    grid, _ = make_grid(ax, [False] * 5)
    for j in range(5):
        grid[4, j].scatter([-20_000, 20_000 * (j + 1)], [0, 1])
    for _ in range(2):
        name_grid(ax, grid, list("abcde"))
    figure.draw_without_rendering()
    for cell in grid[-1]:
        frame, (low, high) = cell.get_window_extent(), cell.get_xlim()
        boxes = [
            tick.label1.get_window_extent()
            for tick in cell.xaxis.get_major_ticks()
            if low <= tick.get_loc() <= high and tick.label1.get_visible()
        ]
        assert boxes
        assert boxes[0].x0 >= frame.x0 - 1
        assert boxes[-1].x1 <= frame.x1 + 1
        for left, right in itertools.pairwise(boxes):
            assert left.x1 < right.x0
