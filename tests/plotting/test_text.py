"""Text in axes fits and covers nothing."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pytest
from mpl_toolkits.mplot3d import proj3d

from celltyping.plotting._text import (
    LARGEST,
    SMALLEST,
    axes_size,
    label_cells,
    label_rows,
    legend_below,
    legend_beside,
    name_equal_axes,
    name_points,
    plain_log_ticks,
    title_that_fits,
    widest,
    write_names,
)


def matrix_axes(pyplot, n, side):
    """Return axes with the picture of an n × n matrix."""
    _, ax = pyplot.subplots(figsize=(side, side), layout="compressed")
    ax.imshow(np.eye(n))
    return ax


def boxes(texts):
    """Return the boxes of texts in pixels, as rows x0, y0, x1, y1."""
    return np.array([text.get_window_extent().extents for text in texts])


def overlapping_pairs(found):
    """Count the pairs of boxes that overlap by more than a pixel."""
    count = 0
    for i in range(len(found)):
        for j in range(i):
            low = np.maximum(found[i, :2], found[j, :2])
            high = np.minimum(found[i, 2:], found[j, 2:])
            count += bool((high - low > 1).all())
    return count


def test_names_of_cells_do_not_touch(subtests, pyplot):
    for n, side in [(3, 4), (10, 2.5), (30, 5), (75, 2.5)]:
        with subtests.test(n=n, side=side):
            ax = matrix_axes(pyplot, n, side)
            names = [f"type-{i}" for i in range(n)]
            label_cells(ax, names, names)
            ax.figure.draw_without_rendering()
            sizes = {label.get_fontsize() for label in ax.get_xticklabels()}
            assert SMALLEST <= min(sizes) == max(sizes) <= LARGEST
            assert overlapping_pairs(boxes(ax.get_yticklabels())) == 0
            assert overlapping_pairs(boxes(ax.get_xticklabels())) == 0


def test_many_cells_get_some_of_their_names_at_the_right_places(pyplot):
    ax = matrix_axes(pyplot, 200, 2.5)
    names = [str(i) for i in range(200)]
    label_cells(ax, names, names)
    labels = ax.get_yticklabels()
    assert 10 < len(labels) < 100
    assert [int(label.get_text()) for label in labels] == ax.get_yticks().tolist()


def test_short_names_of_columns_stay_upright(pyplot):
    ax = matrix_axes(pyplot, 3, 4)
    label_cells(ax, ["a", "b", "c"], ["a", "b", "c"])
    assert {label.get_rotation() for label in ax.get_xticklabels()} == {0}
    label_cells(ax, ["a", "b", "c"], ["a long name of a type", "b", "c"])
    assert {label.get_rotation() for label in ax.get_xticklabels()} == {90}


def test_names_of_rows_do_not_touch(subtests, pyplot):
    for n in [2, 15, 100]:
        with subtests.test(n=n):
            _, ax = pyplot.subplots(figsize=(4, 2.5), layout="compressed")
            ax.set_ylim(n - 0.5, -0.5)
            label_rows(ax, [f"type-{i}" for i in range(n)])
            ax.figure.draw_without_rendering()
            assert overlapping_pairs(boxes(ax.get_yticklabels())) == 0


def test_legend_is_below_and_fits(pyplot):
    _, ax = pyplot.subplots(figsize=(3, 3), layout="compressed")
    ax.set_xlabel("Neurons")
    lines = [ax.axhline(i, label=f"a line with a long name {i}") for i in range(3)]
    legend = legend_below(ax, [*lines, None])
    ax.figure.draw_without_rendering()
    assert legend.get_window_extent().y1 <= ax.xaxis.label.get_window_extent().y0 + 1
    assert legend.get_window_extent().y0 >= -1
    assert legend._ncols == 1


def test_legend_with_room_is_one_row(pyplot):
    _, ax = pyplot.subplots(figsize=(8, 3))
    lines = [ax.axhline(i, label=f"line {i}") for i in range(3)]
    assert legend_below(ax, lines)._ncols == 3


@pytest.mark.parametrize("words", [2, 40])
def test_title_is_no_wider_than_the_axes(pyplot, words):
    _, ax = pyplot.subplots(figsize=(4, 4), layout="compressed")
    text = title_that_fits(ax, "neuron " * words)
    width, _ = axes_size(ax)
    assert widest([text]) <= 1.05 * width
    assert ("\n" in text.get_text()) == (words == 40)


def test_names_of_points_cover_neither_points_nor_each_other(pyplot):
    _, ax = pyplot.subplots(figsize=(6, 4), layout="constrained")
    rng = np.random.RandomState(0)
    x, y = rng.rand(2, 40)
    ax.scatter(x, y, s=30)
    texts = name_points(ax, x, y, [f"type-{i}" for i in range(40)], range(12))
    found = np.array([ax_text_box(text) for text in texts])
    assert overlapping_pairs(found) == 0
    centres = ax.transData.transform(np.column_stack([x, y]))
    covered = (found[:, None, :2] < centres) & (centres < found[:, None, 2:])
    assert not covered.all(axis=2).any()


def ax_text_box(annotation):
    """Return the box of an annotation's text without its line."""
    annotation.update_positions(annotation.figure.canvas.get_renderer())
    return super(type(annotation), annotation).get_window_extent().extents


def test_names_in_a_crowd_are_all_written(pyplot):
    _, ax = pyplot.subplots(figsize=(2, 2))
    x = y = np.zeros(30)
    ax.scatter(x, y)
    assert len(name_points(ax, x, y, ["type"] * 30, range(30))) == 30


def test_axes_in_a_subfigure(pyplot):
    figure = pyplot.figure(layout="constrained")
    ax = figure.subfigures(1, 2)[0].subplots()
    width, height = axes_size(ax)
    assert 0 < width < height


def test_widest_of_nothing():
    assert widest([]) == 0


def test_legend_beside_is_not_higher_than_the_axes(subtests, pyplot):
    for n, side in [(4, 5), (21, 5), (21, 2), (60, 5)]:
        with subtests.test(n=n, side=side):
            _, ax = pyplot.subplots(figsize=(side + 2, side), layout="compressed")
            handles = [ax.plot([0], [0], "o", label=f"KC-{i}")[0] for i in range(n)]
            legend = legend_beside(ax, handles, "cell type")
            ax.figure.draw_without_rendering()
            box, frame = legend.get_window_extent(), ax.get_window_extent()
            assert box.height <= frame.height + 2
            assert box.x0 >= frame.x1 - 1
            assert box.x1 <= ax.figure.bbox.x1 + 1
            assert legend.get_title().get_text() == "cell type"
            assert len(legend.get_texts()) == n
            assert legend.get_texts()[0].get_fontsize() >= SMALLEST


def test_equal_axes(pyplot):
    _, (left, right) = pyplot.subplots(1, 2, sharex=True, sharey=True)
    for ax in (left, right):
        ax.plot([0, 10], [0, 1])
        name_equal_axes(ax, ["a", "b", "not drawn"])
        assert ax.get_aspect() == 1
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("a", "b")
    left.figure.draw_without_rendering()
    alone = pyplot.figure().add_subplot()
    alone.plot([0, 10], [0, 1])
    name_equal_axes(alone, ["a", "b"])
    width, height = axes_size(alone)
    (x0, x1), (y0, y1) = alone.get_xlim(), alone.get_ylim()
    assert (x1 - x0) / (y1 - y0) == pytest.approx(width / height)


def test_equal_axes_in_three_dimensions(pyplot):
    ax = pyplot.figure().add_subplot(projection="3d")
    ax.scatter([0, 10], [0, 7], [0, 2])
    name_equal_axes(ax, ["a", "b", "c"])
    assert ax.get_zlabel() == "c"
    ax.set_proj_type("ortho")
    units = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    lengths = []
    for elevation, end in ((90, 1), (90, 2), (0, 3)):  # from above, and from the front
        ax.view_init(elevation, -90)
        x, y, _ = proj3d.proj_transform(*units[[0, end]].T, ax.get_proj())
        lengths.append(np.hypot(x[1] - x[0], y[1] - y[0]))
    assert lengths[1] == pytest.approx(lengths[0])
    sides = np.ptp([ax.get_xlim3d(), ax.get_zlim3d()], axis=1)
    assert lengths[2] * sides[1] == pytest.approx(lengths[0] * sides[0] / 2)


def test_written_names_do_not_touch(pyplot):
    rng = np.random.RandomState(0)
    _, ax = pyplot.subplots(figsize=(6, 5), layout="compressed")
    places = rng.rand(30, 2)
    ax.scatter(*places.T)
    texts = write_names(ax, places, [f"KC-{i}" for i in range(30)])
    ax.figure.draw_without_rendering()
    assert [text.get_text() for text in texts] == [f"KC-{i}" for i in range(30)]
    assert overlapping_pairs(boxes(texts)) <= 2


def test_numbers_on_a_logarithmic_axis(subtests, pyplot):
    cases = [
        (28, 290, 3, [50, 100, 200]),
        (28, 290, 2, [30, 100]),
        (0.009, 70, 4, [0.01, 0.1, 1, 10]),
        (31, 39, 2, [35]),
    ]
    for low, high, most, expected in cases:
        with subtests.test(low=low, high=high, most=most):
            _, ax = pyplot.subplots()
            ax.set(xscale="log", xlim=(low, high))
            plain_log_ticks(ax.xaxis, most)
            ticks = ax.get_xticks()
            np.testing.assert_allclose(
                ticks[(low <= ticks) & (ticks <= high)], expected
            )


def test_names_written_in_three_dimensions(pyplot):
    ax = pyplot.figure().add_subplot(projection="3d")
    places = np.array([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]])
    texts = write_names(ax, places, ["KC", "PN"])
    assert [text.get_position_3d() for text in texts] == [(0, 1, 2), (3, 4, 5)]
