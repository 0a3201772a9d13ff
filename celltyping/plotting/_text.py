"""Texts in axes: labels, legends and titles that can be read and cover nothing."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import math
import textwrap

import numpy as np

from celltyping._utils._optional import import_optional

# Smaller letters cannot be read on paper, larger ones look like headings.
SMALLEST, LARGEST = 5.0, 10.0

# Where a name may stand around its point, the best places first: directions in degrees,
# and distances in points. Beyond the first distance, a line leads to the point.
DIRECTIONS = np.array([0, 180, 90, 270, 45, 315, 135, 225, *range(15, 360, 30)])
DISTANCES = (5, 11, 18, 27, 38, 50)


def label_cells(ax, rows, columns):
    """Name the rows and columns of a matrix that `imshow` drew, in letters that fit.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        The axes of the picture; row i is at y = i.
    rows, columns : list of str
        The names. Where there are too many, every second, third, ... is written.

    Returns
    -------
    size : float
        Size of the letters in points.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from celltyping.plotting._text import label_cells
    >>> ax = Figure(figsize=(4, 3)).subplots()
    >>> image = ax.imshow(np.eye(2))
    >>> label_cells(ax, ["KC", "PN"], ["KC", "PN"])
    10.0
    """
    ax.set_xticks(range(len(columns)), columns, rotation=90, fontsize=SMALLEST)
    ax.set_yticks(range(len(rows)), rows, fontsize=SMALLEST)
    for _ in range(2):  # the room depends on the letters, and they on the room
        width, height = axes_size(ax)
        cell = min(width / len(columns), height / len(rows))
        # Lines of text are 1.2 times as high as their letters.
        size = float(np.clip(cell / 1.2, SMALLEST, LARGEST))
        ax.tick_params(labelsize=size)
    step = math.ceil(1.2 * SMALLEST / cell)
    ax.set_xticks(range(0, len(columns), step), columns[::step], rotation=90)
    ax.set_yticks(range(0, len(rows), step), rows[::step])
    if step == 1 and widest(ax.get_xticklabels()) < 0.9 * cell:
        ax.tick_params(axis="x", rotation=0)
    return size


def label_rows(ax, names):
    """Name the rows of a chart with one category per row, in letters that fit.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Axes whose y axis goes from -0.5 to ``len(names)`` - 0.5.
    names : list of str
        Where there are too many, every second, third, ... is written.

    Returns
    -------
    size : float
        Size of the letters in points.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from celltyping.plotting._text import label_rows
    >>> ax = Figure(figsize=(4, 3)).subplots()
    >>> label_rows(ax, ["KC", "PN"])
    10.0
    """
    ax.set_yticks(range(len(names)), names, fontsize=SMALLEST)
    _, height = axes_size(ax)
    size = float(np.clip(height / len(names) / 1.2, SMALLEST, LARGEST))
    step = math.ceil(1.2 * SMALLEST * len(names) / height)
    ax.set_yticks(range(0, len(names), step), names[::step], fontsize=size)
    return size


def legend_below(ax, handles):
    """Put the legend below the axes, where it covers nothing.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Axes with a label below.
    handles : list of matplotlib.artist.Artist or None
        What the legend explains, by their labels; None is left out.

    Returns
    -------
    legend : matplotlib.legend.Legend
        The legend, in one row if that is not wider than the axes.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from celltyping.plotting._text import legend_below
    >>> ax = Figure(figsize=(4, 3)).subplots()
    >>> legend = legend_below(ax, [ax.axhline(0.5, label="half"), None])
    >>> [text.get_text() for text in legend.get_texts()]
    ['half']
    """
    transforms = import_optional(
        "matplotlib.transforms", extra="plot", needed_by="plotting"
    )
    # In points, as the ticks and the axis label above it are.
    down = transforms.ScaledTranslation(0, -36 / 72, ax.figure.dpi_scale_trans)
    handles = [handle for handle in handles if handle is not None]
    # Measured without the legend: a legend wider than the figure breaks the layout.
    width, _ = axes_size(ax)
    for n_columns in (len(handles), 1):
        legend = ax.legend(
            handles=handles,
            loc="upper center",
            bbox_to_anchor=(0.5, 0),
            bbox_transform=ax.transAxes + down,
            ncols=n_columns,
            frameon=False,
            fontsize="small",
        )
        if legend.get_window_extent().width * 72 / ax.figure.figure.dpi <= width:
            break
    return legend


def legend_beside(ax, handles, title):
    """Put the legend to the right of the axes, in letters and columns that fit.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        The axes.
    handles : list of matplotlib.artist.Artist
        What the legend explains, by their labels.
    title : str or None
        What they are.

    Returns
    -------
    legend : matplotlib.legend.Legend
        The legend, in one column if that is not higher than the axes.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from celltyping.plotting._text import legend_beside
    >>> ax = Figure(figsize=(4, 3)).subplots()
    >>> legend_beside(ax, [ax.axhline(0.5, label="half")], "line").get_title()
    Text(0, 0, 'line')
    """
    _, height = axes_size(ax)
    n_lines = len(handles) + 1.5  # with the title
    size = float(np.clip(height / n_lines / 1.35, SMALLEST, 8.5))
    return ax.legend(
        handles=handles,
        title=title,
        loc="upper left",
        # The name of the third axis stands outside 3-d axes.
        bbox_to_anchor=(1.15 if ax.name == "3d" else 1, 1),
        ncols=math.ceil(n_lines * 1.35 * size / height - 1e-6),
        frameon=False,
        fontsize=size,
        title_fontsize=size,
        alignment="left",
        handletextpad=0.2,
        labelspacing=0.3,
        columnspacing=1,
    )


def name_equal_axes(ax, names):
    """Name the axes of a map, after its points are drawn; all get the same scale.

    In three dimensions, a side under half the longest one is stretched to that, as on a
    shorter one the numbers and the name of the axis cover each other.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Axes of two or three dimensions.
    names : list of str
        A name for each; more are left out.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from celltyping.plotting._text import name_equal_axes
    >>> ax = Figure(figsize=(4, 3)).subplots()
    >>> name_equal_axes(ax, ["component 1", "component 2"])
    >>> ax.get_aspect()
    1.0
    """
    ax.set(xlabel=names[0], ylabel=names[1])
    if ax.name == "3d":
        ax.set_zlabel(names[2])
        sides = np.ptp([ax.get_xlim3d(), ax.get_ylim3d(), ax.get_zlim3d()], axis=1)
        # Smaller than its place, so that the names of the axes are in it.
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
    """Set a title, broken into lines that are no wider than the axes.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        The axes, after everything else is drawn.
    title : str
        The title.

    Returns
    -------
    text : matplotlib.text.Text
        The title.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from celltyping.plotting._text import title_that_fits
    >>> ax = Figure(figsize=(2, 2)).subplots()
    >>> title_that_fits(ax, "More words than fit on one line").get_text().count("\\n")
    1
    """
    text = ax.set_title(title, fontsize="medium")
    _break_lines(text, axes_size(ax)[0])
    return text


def xlabel_that_fits(ax, label):
    """Name the x axis in lines and letters that are no wider than the axes.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        The axes.
    label : str
        What is on the axis.

    Returns
    -------
    text : matplotlib.text.Text
        The label.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from celltyping.plotting._text import xlabel_that_fits
    >>> ax = Figure(figsize=(2, 2)).subplots()
    >>> xlabel_that_fits(ax, "More words than fit on one line").get_text().count("\\n")
    1
    """
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
        The points, all of which are kept free.
    names : list of str
        Names of all points.
    chosen : iterable of int
        Which points get their name; the first ones get the best places.
    levels : iterable of float, default=()
        Where horizontal lines are that are kept free, too.

    Returns
    -------
    texts : list of matplotlib.text.Annotation
        The names, in the order of `chosen`.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from celltyping.plotting._text import name_points
    >>> ax = Figure(figsize=(4, 3)).subplots()
    >>> points = np.array([0.0, 1.0])
    >>> dots = ax.scatter(points, points)
    >>> [text.get_text() for text in name_points(ax, points, points, ["a", "b"], [1])]
    ['b']
    """
    effects = import_optional(
        "matplotlib.patheffects", extra="plot", needed_by="plotting"
    )
    halo = effects.withStroke(linewidth=2, foreground="white")
    axes_size(ax)  # lets the layout settle
    pixels = ax.figure.figure.dpi / 72
    centres = ax.transData.transform(np.column_stack([x, y]))
    frame = ax.get_window_extent().extents
    # Boxes are (left, bottom, right, top) in pixels; a point is some 6 points wide.
    taken = [(*(centre - 3 * pixels), *(centre + 3 * pixels)) for centre in centres]
    for level in levels:
        _, height = ax.transData.transform((x[0], level))
        taken.append((frame[0], height - 2 * pixels, frame[2], height + 2 * pixels))
    texts = []
    for index in chosen:
        look = {"fontsize": 8, "color": "0.15", "ha": "left", "va": "bottom"}
        sample = ax.text(x[index], y[index], names[index], **look)
        extent = sample.get_window_extent()
        sample.remove()
        size = np.array([extent.width, extent.height])
        offset, box, is_near = _free_place(centres, index, size, pixels, taken, frame)
        line = {"arrowstyle": "-", "color": "0.4", "linewidth": 0.6, "shrinkB": 3}
        texts.append(
            ax.annotate(
                names[index],
                (x[index], y[index]),
                xytext=offset,
                textcoords="offset points",
                arrowprops=None if is_near else line,
                path_effects=[halo],
                zorder=4,
                **look,
            )
        )
        taken.append(box)
    return texts


def write_names(ax, places, names):
    """Write names in bold letters on top of clouds of points.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Axes with the points.
    places : ndarray of shape (n_names, 2) or (n_names, 3)
        Where the names belong. In 2-d axes they stand beside their places, so that
        they do not cover each other; in 3-d ones, which turn, right there.
    names : list of str
        The names.

    Returns
    -------
    texts : list of matplotlib.text.Text
        The names in the picture.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from celltyping.plotting._text import write_names
    >>> ax = Figure(figsize=(4, 3)).subplots()
    >>> texts = write_names(ax, np.array([[0.2, 0.5], [0.7, 0.5]]), ["KC", "PN"])
    >>> [text.get_text() for text in texts]
    ['KC', 'PN']
    """
    effects = import_optional(
        "matplotlib.patheffects", extra="plot", needed_by="plotting"
    )
    halo = [effects.withStroke(linewidth=3, foreground="white")]
    if ax.name == "3d":
        look = {"fontsize": 8, "color": "0.15", "ha": "center", "va": "center"}
        texts = [
            ax.text(*place, name, zorder=4, **look)
            for place, name in zip(places, names, strict=True)
        ]
    else:
        texts = name_points(ax, *places.T, names, range(len(names)))
    for text in texts:
        text.set(path_effects=halo, fontweight="bold")
    return texts


def _break_lines(text, width):
    """Break a text into lines that are no wider than so many points."""
    words = text.get_text()
    room = int(len(words) * width / max(widest([text]), 1))
    if room < len(words):
        lines = textwrap.wrap(words, max(room, 12), break_long_words=False)
        text.set_text("\n".join(lines))


def _free_place(centres, index, size, pixels, taken, frame):
    """Find the nearest place around a point where a box covers the least."""
    centre, others = centres[index], np.delete(centres, index, axis=0)
    best = None
    for distance in DISTANCES:
        is_near = distance == DISTANCES[0]
        for angle in np.deg2rad(DIRECTIONS):
            way = np.array([np.cos(angle), np.sin(angle)])
            # From a text beside the point to one above it, without a jump.
            middle = centre + way * distance * pixels
            middle += np.clip(1.5 * way, -1, 1) * size / 2
            corner = middle - size / 2
            box = (*corner, *(corner + size))
            cost = sum(_overlap(box, other) for other in taken)
            cost += size.prod() - _overlap(box, frame)
            if len(others) > 0:
                # A name that is about as near to another point may be of that one; less
                # so where a line leads from the name to its point.
                nearest = np.hypot(*(others - np.clip(others, *_corners(box))).T).min()
                free = (2 * distance if is_near else 8) * pixels
                cost += size.prod() * (nearest < free)
            if best is None or cost < best[0]:
                offset = tuple((corner - centre) / pixels)
                best = (cost, offset, box, is_near)
            if best[0] <= 0:
                return best[1:]
    return best[1:]


def _corners(box):
    """Return the lower left and the upper right corner of a box."""
    return np.array(box[:2]), np.array(box[2:])


def _overlap(a, b):
    """Return the area that two boxes share."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return max(width, 0) * max(height, 0)


def axes_size(ax):
    """Measure axes after the layout.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        The axes.

    Returns
    -------
    width, height : float
        In points.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from celltyping.plotting._text import axes_size
    >>> ax = Figure(figsize=(4, 3)).subplots()
    >>> width, height = axes_size(ax)
    >>> 200 < width < 4 * 72
    True
    """
    figure = ax.figure.figure  # of a subfigure, the figure it is in
    figure.draw_without_rendering()
    box = ax.get_window_extent()
    return float(box.width) * 72 / figure.dpi, float(box.height) * 72 / figure.dpi


def widest(texts):
    """Return the width in points of the widest text, as if it were not rotated.

    Parameters
    ----------
    texts : list of matplotlib.text.Text
        Texts.

    Returns
    -------
    width : float
        In points.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from celltyping.plotting._text import widest
    >>> ax = Figure(figsize=(4, 3)).subplots()
    >>> 10 < widest([ax.text(0, 0, "KC-1claw", fontsize=10)]) < 100
    True
    """
    width = 0.0
    for text in texts:
        rotation = text.get_rotation()
        text.set_rotation(0)
        width = max(width, float(text.get_window_extent().width))
        text.set_rotation(rotation)
    return width * 72 / texts[0].figure.figure.dpi if texts else 0.0


def plain_log_ticks(axis):
    """Write 1, 2, 5, 10, 20, ... on a logarithmic axis."""
    ticker = import_optional("matplotlib.ticker", extra="plot", needed_by="plotting")
    axis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(ticker.StrMethodFormatter("{x:,g}"))
    axis.set_minor_formatter(ticker.NullFormatter())
