"""Text in axes: labels that fit, legends, names beside points."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import math
import textwrap

import numpy as np

# Font sizes in points: smaller letters cannot be read on paper, larger ones look like
# headings.
SMALLEST, LARGEST = 5.0, 10.0

# Positions of a name around its point, the best ones first: directions in degrees, and
# distances in points. Beyond the first distance, a line leads to the point.
DIRECTIONS = np.array([0, 180, 90, 270, 45, 315, 135, 225, *range(15, 360, 30)])
DISTANCES = (5, 11, 18, 27, 38, 50)

# Distance of two lines of text, relative to the size of their letters.
LINE_HEIGHT = 1.2


def label_cells(ax, rows, columns):
    """Label the cells of a matrix in letters that fit; of too many, every n-th one."""
    ax.set_xticks(range(len(columns)), columns, rotation=90, fontsize=SMALLEST)
    ax.set_yticks(range(len(rows)), rows, fontsize=SMALLEST)
    for _ in range(2):  # the axes depend on the letters, and the letters on the axes
        width, height = axes_size(ax)
        cell = min(width / len(columns), height / len(rows))
        size = float(np.clip(cell / LINE_HEIGHT, SMALLEST, LARGEST))
        ax.tick_params(labelsize=size)
    step = math.ceil(LINE_HEIGHT * SMALLEST / cell)
    ax.set_xticks(range(0, len(columns), step), columns[::step], rotation=90)
    ax.set_yticks(range(0, len(rows), step), rows[::step])
    if step == 1 and widest(ax.get_xticklabels()) < 0.9 * cell:
        ax.tick_params(axis="x", rotation=0)


def label_rows(ax, names):
    """Label the rows of a chart in letters that fit; of too many, every n-th one."""
    ax.set_yticks(range(len(names)), names, fontsize=SMALLEST)
    _, height = axes_size(ax)
    size = float(np.clip(height / len(names) / LINE_HEIGHT, SMALLEST, LARGEST))
    step = math.ceil(LINE_HEIGHT * SMALLEST * len(names) / height)
    ax.set_yticks(range(0, len(names), step), names[::step], fontsize=size)


def legend_below(ax, handles):
    """Draw a legend of the handles that are not None below the label of the x axis."""
    from matplotlib.transforms import ScaledTranslation

    # In points, as the ticks and the axis label above it are.
    down = ScaledTranslation(0, -36 / 72, ax.figure.dpi_scale_trans)
    handles = [handle for handle in handles if handle is not None]
    # Measured without the legend: a legend wider than the figure breaks the layout.
    width, _ = axes_size(ax)
    where = {"loc": "upper center", "bbox_transform": ax.transAxes + down}
    look = {"bbox_to_anchor": (0.5, 0), "frameon": False, "fontsize": "small"}
    for n_columns in (len(handles), 1):
        legend = ax.legend(handles=handles, ncols=n_columns, **where, **look)
        if legend.get_window_extent().width * 72 / ax.figure.figure.dpi <= width:
            break
    return legend


def legend_beside(ax, handles, title):
    """Draw a legend to the right of the axes, in letters and columns that fit."""
    _, height = axes_size(ax)
    n_lines = len(handles) + 1.5  # with the title
    size = float(np.clip(height / n_lines / 1.35, SMALLEST, 8.5))
    look = {"fontsize": size, "title_fontsize": size, "frameon": False}
    look |= {"alignment": "left", "loc": "upper left"}
    look |= {"handletextpad": 0.2, "labelspacing": 0.3, "columnspacing": 1}
    return ax.legend(
        handles=handles,
        title=title,
        # The name of the third axis stands outside 3-d axes.
        bbox_to_anchor=(1.15 if ax.name == "3d" else 1, 1),
        ncols=math.ceil(n_lines * 1.35 * size / height - 1e-6),
        **look,
    )


def name_equal_axes(ax, names):
    """Name the two or three axes of a map and give them the same scale.

    In three dimensions, a side under half the longest one is stretched to that, as on a
    shorter one the numbers and the name of the axis cover each other.
    """
    ax.set(xlabel=names[0], ylabel=names[1])
    if ax.name == "3d":
        ax.set_zlabel(names[2])
        sides = np.ptp([ax.get_xlim3d(), ax.get_ylim3d(), ax.get_zlim3d()], axis=1)
        # Zoomed out, so that the names of the axes lie inside.
        ax.set_box_aspect(np.maximum(sides, sides.max() / 2), zoom=0.92)
        for axis in (ax.xaxis, ax.yaxis, ax.zaxis):
            axis.get_major_locator().set_params(nbins=5)
        return
    shared = [ax.get_shared_x_axes(), ax.get_shared_y_axes()]
    # matplotlib refuses to change the limits that axes share.
    is_alone = all(len(group.get_siblings(ax)) == 1 for group in shared)
    ax.set_aspect("equal", adjustable="datalim" if is_alone else "box")
    ax.spines[["top", "right"]].set_visible(False)


def title_that_fits(ax, title):
    """Write a title in lines that are no wider than the axes."""
    text = ax.set_title(title, fontsize="medium")
    _break_lines(text, axes_size(ax)[0])
    return text


def xlabel_that_fits(ax, label):
    """Name the x axis in lines and letters that are no wider than the axes."""
    ax.set_xlabel(label, fontsize=LARGEST)
    text, (width, _) = ax.xaxis.label, axes_size(ax)
    _break_lines(text, width)
    fitting = LARGEST * width / max(widest([text]), 1)
    text.set_fontsize(float(np.clip(fitting, SMALLEST, LARGEST)))
    return text


def name_points(ax, x, y, names, chosen, *, levels=()):
    """Write the names of some points beside them, where they cover nothing.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Axes with the points.
    x, y : ndarray of shape (n_points,)
        All points; names avoid them.
    names : list of str
        Names of all points.
    chosen : iterable of int
        Indices of the points to name, in order of precedence.
    levels : iterable of float, default=()
        Heights of horizontal lines that names avoid, too.

    Returns
    -------
    texts : list of matplotlib.text.Annotation
        The names, in the order of `chosen`.
    """
    from matplotlib.patheffects import withStroke

    axes_size(ax)  # lets the layout settle
    pixels = ax.figure.figure.dpi / 72
    centres = ax.transData.transform(np.column_stack([x, y]))
    frame = ax.get_window_extent().extents
    # Boxes are (left, bottom, right, top) in pixels; a point is some 6 points wide.
    taken = [(*(centre - 3 * pixels), *(centre + 3 * pixels)) for centre in centres]
    for level in levels:
        _, height = ax.transData.transform((x[0], level))
        taken.append((frame[0], height - 2 * pixels, frame[2], height + 2 * pixels))
    look = {"fontsize": 8, "color": "0.15", "ha": "left", "va": "bottom", "zorder": 4}
    look["path_effects"] = [withStroke(linewidth=2, foreground="white")]
    texts = []
    for index in chosen:
        sample = ax.text(x[index], y[index], names[index], **look)
        size = np.array(sample.get_window_extent().size)
        sample.remove()
        box, is_near = _free_position(centres, index, size, pixels, taken, frame)
        taken.append(box)
        line = {"arrowstyle": "-", "color": "0.4", "linewidth": 0.6, "shrinkB": 3}
        text = ax.annotate(
            names[index],
            (x[index], y[index]),
            (box[:2] - centres[index]) / pixels,
            textcoords="offset points",
            arrowprops=None if is_near else line,
            **look,
        )
        texts.append(text)
    return texts


def write_names(ax, positions, names):
    """Write names in bold letters on clouds of points, and return the texts.

    In 2-d axes, they stand beside the positions, so that they do not cover each other;
    in 3-d ones, which turn, at the positions themselves.
    """
    from matplotlib.patheffects import withStroke

    if ax.name == "3d":
        look = {"fontsize": 8, "color": "0.15", "ha": "center", "va": "center"}
        texts = [
            ax.text(*position, name, zorder=4, **look)
            for position, name in zip(positions, names, strict=True)
        ]
    else:
        texts = name_points(ax, *positions.T, names, range(len(names)))
    halo = [withStroke(linewidth=3, foreground="white")]
    for text in texts:
        text.set(path_effects=halo, fontweight="bold")
    return texts


def _break_lines(text, width):
    """Break a text into lines of at most `width` points."""
    words = text.get_text()
    n_fitting = int(len(words) * width / max(widest([text]), 1))
    if n_fitting < len(words):
        lines = textwrap.wrap(words, max(n_fitting, 12), break_long_words=False)
        text.set_text("\n".join(lines))


def _free_position(centres, index, size, pixels, taken, frame):
    """Find the nearest position beside a point where a box overlaps others least.

    Boxes are (left, bottom, right, top) in pixels: those to avoid, `taken`, the one to
    stay in, `frame`, and the one returned, with whether it is at the least distance.
    `centres` are all points, (n_points, 2), and `size` is (width, height) in pixels;
    `pixels` is their number per point of print.
    """
    distances = np.repeat(DISTANCES, len(DIRECTIONS))[:, None]
    angles = np.deg2rad(np.tile(DIRECTIONS, len(DISTANCES)))
    directions = np.column_stack([np.cos(angles), np.sin(angles)])
    middles = centres[index] + directions * distances * pixels
    # From a text beside the point to one above it, without a jump.
    low = middles + (np.clip(1.5 * directions, -1, 1) - 1) * size / 2
    boxes, is_near = np.hstack([low, low + size]), distances[:, 0] == DISTANCES[0]
    cost = sum(_overlaps(boxes, other) for other in taken)
    cost += size.prod() - _overlaps(boxes, frame)
    # A name that is about as near to another point may be of that one; less so where a
    # line leads from the name to its point.
    others = np.delete(centres, index, axis=0)[:, None]
    gaps = others - np.clip(others, low, low + size)
    nearest = np.hypot(gaps[..., 0], gaps[..., 1]).min(axis=0, initial=np.inf)
    free = np.where(is_near, 2 * distances[:, 0], 8) * pixels
    cost += size.prod() * (nearest < free)
    best = np.argmin(cost.round(6))  # the first one, so the nearest
    return boxes[best], is_near[best]


def _overlaps(boxes, other):
    """Return the area that each box shares with another one."""
    low, high = np.maximum(boxes[:, :2], other[:2]), np.minimum(boxes[:, 2:], other[2:])
    return np.clip(high - low, 0, None).prod(axis=1)


def axes_size(ax):
    """Return the width and height of axes in points, after the layout."""
    figure = ax.figure.figure  # of a subfigure, the figure it is in
    figure.draw_without_rendering()
    box = ax.get_window_extent()
    return float(box.width) * 72 / figure.dpi, float(box.height) * 72 / figure.dpi


def widest(texts):
    """Return the width in points of the widest text, as if it were not rotated."""
    width = 0.0
    for text in texts:
        rotation = text.get_rotation()
        text.set_rotation(0)
        width = max(width, float(text.get_window_extent().width))
        text.set_rotation(rotation)
    return width * 72 / texts[0].figure.figure.dpi if texts else 0.0


def plain_log_ticks(axis, most=None):
    """Write numbers such as 1, 2, 5, 10 on a logarithmic axis, `most` at the most."""
    from matplotlib import ticker

    locator = ticker.LogLocator(subs=(1, 2, 5))
    if most is not None:
        locator = _find_log_locator(*axis.get_view_interval(), most)
    axis.set_major_locator(locator)
    axis.set_major_formatter(ticker.StrMethodFormatter("{x:,g}"))
    axis.set_minor_formatter(ticker.NullFormatter())


def _find_log_locator(low, high, most):
    """Return the finest locator of 1 to `most` round numbers between two limits."""
    from matplotlib import ticker

    locators = [
        ticker.LogLocator(subs=(1, 2, 5), numticks=99),
        ticker.LogLocator(subs=(1, 3), numticks=99),
        ticker.LogLocator(numticks=most),
        ticker.MaxNLocator(most, steps=[1, 2, 5, 10], min_n_ticks=1),
    ]
    ticks = [locator.tick_values(low, high) for locator in locators]
    counts = [np.count_nonzero((low <= one) & (one <= high)) for one in ticks]
    fitting = [i for i, count in enumerate(counts) if 0 < count <= most]
    return locators[fitting[0] if fitting else -1]
