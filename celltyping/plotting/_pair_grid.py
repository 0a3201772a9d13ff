"""A lower triangle of axes: a map for each pair of features, histograms between."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import math

import numpy as np

from celltyping._utils._optional import import_optional
from celltyping.plotting._points import DARK
from celltyping.plotting._text import (
    LARGEST,
    SMALLEST,
    axes_size,
    widest,
)

# The space between two axes, as a share of the whole.
GAP = 0.08

# Of histograms: as many bins as the square root of the points, within these limits.
FEWEST_BINS, MOST_BINS = 8, 40

# Of the line of values, which have no colour of their own in a histogram.
LINE_GREY = "0.35"

# Axes that are smaller have no room for numbers, in points.
NUMBERS_NEED = 30


def make_grid(ax, is_log):
    """Put a lower triangle of axes into the place of others.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        The others, which are seen no more.
    is_log : ndarray of shape (n_features,), dtype=bool
        Which features stand on logarithmic axes.

    Returns
    -------
    grid : ndarray of shape (n_features, n_features), dtype=object
        The axes; None above the diagonal. Those of a column share the feature across,
        those of a row left of the diagonal the feature upwards.
    side : float
        The shorter side of one of them in points.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from celltyping.plotting._pair_grid import make_grid
    >>> grid, side = make_grid(Figure(figsize=(4, 3)).subplots(), [False, True])
    >>> grid[0, 1] is None, grid[1, 0].get_yscale(), 50 < side < 110
    (True, 'log', True)
    """
    n_features = len(is_log)
    ax.set_axis_off()
    shorter = min(axes_size(ax))  # measured while it is empty, which is quick
    step = (1 + GAP / n_features) / n_features
    side = step - GAP / n_features
    grid = np.full((n_features, n_features), None)
    for i, j in np.argwhere(np.tri(n_features)):
        above = grid[j, j] if i > j else None
        left = grid[i, 0] if 0 < j < i else None
        place = [j * step, 1 - i * step - side, side, side]
        cell = ax.inset_axes(place, sharex=above, sharey=left)
        if i == j and is_log[j]:
            cell.set_xscale("log")
        if i > j == 0 and is_log[i]:
            cell.set_yscale("log")
        cell.spines[["top", "right"]].set_visible(False)
        cell.tick_params(labelbottom=i == n_features - 1, labelleft=0 == j < i)
        # Nothing is written around inner ones: without them, the layout is quicker.
        cell.set_in_layout(j == 0 or i == n_features - 1)
        grid[i, j] = cell
    for i in range(n_features):
        grid[i, i].spines["left"].set_visible(False)
        grid[i, i].set_yticks([])
    return grid, side * shorter


def draw_histogram(ax, values, n_training, colored, *, log, size):
    """Draw the distribution of a feature: a line for each type of training points.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        The axes.
    values : ndarray of shape (n_points,)
        The feature of the training points, then that of the new ones, which are marks
        at the foot.
    n_training : int
        Number of training points.
    colored : PointColors
        The colours of the points.
    log : bool
        Whether the bins are equal on a logarithmic axis.
    size : float
        Area of a training point in square points; marks are as large as new points.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from celltyping.plotting._pair_grid import draw_histogram
    >>> from celltyping.plotting._point_colors import color_points, read_colors
    >>> options = {"kind": "auto", "unlabeled_marker": "auto", "cmap": None}
    >>> read = read_colors(["KC", "PN", "KC"], None, np.full(3, True), 3, **options)
    >>> ax = Figure(figsize=(4, 3)).subplots()
    >>> colored = color_points(read, None, 20)
    >>> draw_histogram(ax, np.arange(3.0), 3, colored, log=False, size=4)
    >>> len(ax.patches)
    2
    """
    n_bins = int(np.clip(np.sqrt(n_training), FEWEST_BINS, MOST_BINS))
    scaled = np.log(values) if log else values
    edges = np.histogram_bin_edges(scaled, n_bins)
    for rows, color, zorder in _groups(colored, n_training):
        counts, _ = np.histogram(scaled[rows], edges)
        ax.stairs(
            counts,
            np.exp(edges) if log else edges,
            color=color,
            linewidth=1,
            zorder=zorder,
        )
    ax.set_ylim(bottom=0)
    if n_training < len(values):
        ax.scatter(
            values[n_training:],
            np.full(len(values) - n_training, 0.05),
            s=3 * size,
            c=colored.colors[n_training:],
            edgecolors=DARK,
            linewidths=0.4,
            transform=ax.get_xaxis_transform(),
            zorder=4,
        )


def legend_in_corner(ax, n_features, handles, title):
    """Put a legend into the corner above the diagonal, in letters that fit.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        The axes whose place the grid has.
    n_features : int
        Number of features.
    handles : list of matplotlib.artist.Artist
        What the legend explains, by their labels.
    title : str or None
        What they are.

    Returns
    -------
    legend : matplotlib.legend.Legend or None
        The legend; None if the corner has no room for it.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from celltyping.plotting._pair_grid import legend_in_corner
    >>> ax = Figure(figsize=(4, 4)).subplots()
    >>> handles = [ax.axhline(0.5, label="half")]
    >>> legend_in_corner(ax, 3, handles, "line").get_title()
    Text(0, 0, 'line')
    """
    width, height = axes_size(ax)
    # Free of axes are the cells above row `n_rows` and right of as many columns.
    n_rows = (n_features + 1) // 2
    width *= 1 - n_rows / n_features
    height *= n_rows / n_features - GAP / n_features
    for size in np.arange(8.5, SMALLEST - 0.1, -0.5):
        for n_columns in range(1, min(len(handles), 6) + 1):
            legend = ax.legend(
                handles=handles,
                title=title,
                loc="upper right",
                bbox_to_anchor=(1, 1),
                borderaxespad=0,
                ncols=n_columns,
                frameon=False,
                fontsize=size,
                title_fontsize=size,
                alignment="left",
                handletextpad=0.2,
                labelspacing=0.3,
                columnspacing=1,
            )
            box = legend.get_window_extent()
            needed = np.array([box.width, box.height]) * 72 / ax.figure.figure.dpi
            if (needed <= [width, height]).all():
                return legend
    legend.remove()
    return None


def name_grid(ax, grid, names):
    """Name the features, and write as many numbers on their axes as there is room for.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        The axes whose place the grid has, after everything is drawn.
    grid : ndarray of shape (n_features, n_features), dtype=object
        The axes of the grid.
    names : list of str
        The features.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from celltyping.plotting._pair_grid import make_grid, name_grid
    >>> ax = Figure(figsize=(4, 3)).subplots()
    >>> grid, _ = make_grid(ax, [False, False])
    >>> name_grid(ax, grid, ["area", "depth"])
    >>> grid[1, 1].get_xlabel()
    'depth'
    """
    transforms = import_optional(
        "matplotlib.transforms", extra="plot", needed_by="plotting"
    )
    axes_size(ax)  # lets the layout settle
    width, height = _size(grid[0, 0])
    numbers = float(np.clip(min(width, height) / 11, SMALLEST, 8))
    for cell in grid[np.tri(len(grid), dtype=bool)]:
        cell.tick_params(labelsize=numbers, length=2.5, pad=2)
        cell.tick_params(which="minor", length=1)
    for i, name in enumerate(names):
        _place_ticks(grid[-1, i].xaxis, width, numbers)
        grid[-1, i].set_xlabel(name, fontsize=LARGEST - 1)
        if i > 0:
            _place_ticks(grid[i, 0].yaxis, height, numbers)
            grid[i, 0].set_ylabel(name, fontsize=LARGEST - 1)
    side = min(_size(grid[0, 0]))
    labels = [cell.xaxis.label for cell in grid[-1]]
    labels += [cell.yaxis.label for cell in grid[1:, 0]]
    fitting = (LARGEST - 1) * side * (1 + GAP) / widest(labels)
    for label in labels:
        label.set_fontsize(float(np.clip(fitting, SMALLEST, LARGEST - 1)))
    for cell in grid[-1]:
        _keep_inside(cell)
    # All names of a side at the same distance, beyond the widest number.
    away = -(
        widest([tick for row in grid[1:, 0] for tick in row.get_yticklabels()]) + 8
    )
    move = transforms.ScaledTranslation(away / 72, 0, ax.figure.dpi_scale_trans)
    for cell in grid[1:, 0]:
        cell.yaxis.set_label_coords(0, 0.5, transform=cell.transAxes + move)


def _groups(colored, n_training):
    """Return rows, colour and order of each line of a histogram."""
    training = np.arange(n_training)
    if colored.scale is not None:
        return [(training, LINE_GREY, 2)]
    groups = []
    own = np.full(len(colored.colors), False)
    for members in colored.members:
        own[members] = True
        rows = members[members < n_training]
        if len(rows) > 0:
            groups.append((rows, colored.colors[rows[0]], 3))
    rest = training[~own[:n_training]]
    for color in np.unique(colored.colors[rest], axis=0):
        same = (colored.colors[rest] == color).all(axis=1)
        groups.append((rest[same], color, 2))
    return groups


def _size(ax):
    """Return width and height of axes in points, as they were drawn last."""
    box = ax.get_window_extent()
    return np.array([box.width, box.height]) * 72 / ax.figure.figure.dpi


def _keep_inside(ax):
    """Move numbers that stick out of the x axis; leave out those that then touch."""
    frame, (low, high) = ax.get_window_extent(), ax.get_xlim()
    shown = []
    for tick in ax.xaxis.get_major_ticks():
        tick.label1.set(visible=True, horizontalalignment="center")
    for x, text in zip(ax.get_xticks(), ax.get_xticklabels(), strict=True):
        if low <= x <= high and text.get_text():
            shown.append(text)
    for text in shown:
        box = text.get_window_extent()
        if box.x0 < frame.x0:
            text.set_horizontalalignment("left")
        elif box.x1 > frame.x1:
            text.set_horizontalalignment("right")
    free = -np.inf
    for text in shown:
        box = text.get_window_extent()
        text.set_visible(box.x0 > free)
        free = box.x1 if text.get_visible() else free


def _place_ticks(axis, room, letters):
    """Put as many numbers on an axis as there is room for."""
    ticker = import_optional("matplotlib.ticker", extra="plot", needed_by="plotting")
    if room < NUMBERS_NEED:
        for part in (axis.set_major_formatter, axis.set_minor_formatter):
            part(ticker.NullFormatter())
        return
    length = 4.2 if axis.axis_name == "x" else 2.5  # of a number, in letters
    n_ticks = int(np.clip(room / (length * letters), 1, 5))
    if axis.get_scale() == "log":
        axis.set_major_formatter(ticker.StrMethodFormatter("{x:,g}"))
        axis.set_minor_formatter(ticker.NullFormatter())
        ticks = _log_ticks(*axis.get_view_interval(), n_ticks)
        if len(ticks) >= min(2, n_ticks):
            axis.set_major_locator(ticker.FixedLocator(ticks))
            return
    axis.set_major_locator(ticker.MaxNLocator(n_ticks, steps=[1, 2, 5, 10]))


def _log_ticks(low, high, most):
    """Return round numbers on a logarithmic axis."""
    powers = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)))
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = np.outer(powers, steps).ravel()
        ticks = ticks[(ticks >= low) & (ticks <= high)]
        if len(ticks) <= most:
            return ticks
    return ticks[:: math.ceil(len(ticks) / most)]
