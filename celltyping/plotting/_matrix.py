"""Matrices of counts: heat map, grid, numbers, rows and columns for the rest."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np

from celltyping._utils._sparse import one_hot
from celltyping.plotting._base import _Display, style
from celltyping.plotting._checks import COLORMAP, optional
from celltyping.plotting._text import LARGEST, SMALLEST, axes_size, label_cells

OTHERS = "(others)"

# Size in points up to which the lines between cells would hide them.
FINEST_GRID = 3


def count_pairs(rows, columns, n_rows, n_columns):
    """Return the sparse contingency table of two codes; negative ones count nowhere."""
    table = one_hot(rows, n_rows).T @ one_hot(columns, n_columns)
    return table.astype(int).tocsr()


def divide_by_sums(counts, axis):
    """Return each count's share of the sum along an axis; 0 of nothing."""
    counts = np.asarray(counts, dtype=float)
    totals = counts.sum(axis=axis, keepdims=True)
    return np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)


def add_others(counts, rows, columns, more_columns, more_row):
    """Append columns and a row for what is not shown, if they are not empty.

    `counts` of shape (n_rows, n_columns) and the names of its rows and columns are
    returned with `more_columns`, a dict of counts (n_rows,) by name, and `more_row`,
    counts (n_columns,); None is empty. An appended row and column meet in a 0.
    """
    counts, rows, n_columns = np.asarray(counts), list(rows), len(columns)
    columns = list(columns)
    for name, column in more_columns.items():
        if column is not None and np.any(column):
            counts = np.column_stack([counts, column])
            columns.append(name)
    if more_row is not None and np.any(more_row):
        row = np.zeros(counts.shape[1], dtype=int)
        row[:n_columns] = more_row
        counts = np.vstack([counts, row])
        rows.append(OTHERS)
    return counts, rows, columns


def share_style(cmap, im_kw):
    """Return properties of an image of shares: colours from 0 to 1 without a norm."""
    im_kw = {"cmap": cmap} | (im_kw or {})
    return im_kw if "norm" in im_kw else {"vmin": 0, "vmax": 1} | im_kw


class _MatrixDisplay(_Display):
    """Base class of the displays that are a matrix of coloured cells."""

    _rules = {"cmap": optional(COLORMAP)}

    def _draw_matrix(self, values, rows, columns, im_kw, colorbar, shape, line=0.5):
        """Draw coloured cells, their names, and lines between them.

        `values` of shape (n_rows, n_columns) have the names `rows` and `columns`;
        darker lines separate the first `shape` of them from those for all others.
        `colorbar` are properties of the colour bar, False for none, and `line` is the
        width of the lines in points.
        """
        ax, (n_rows, n_columns) = self.ax_, values.shape
        self.image_ = ax.imshow(values, **im_kw)
        self.colorbar_ = None
        if colorbar:
            look = {"ax": ax, "shrink": 0.8} | colorbar
            self.colorbar_ = self.figure_.colorbar(self.image_, **look)
        label_cells(ax, rows, columns)
        if _cell_size(ax, values.shape) > FINEST_GRID:
            look = {"color": "0.9", "linewidth": line}
            ax.hlines(np.arange(1, n_rows) - 0.5, -0.5, n_columns - 0.5, **look)
            ax.vlines(np.arange(1, n_columns) - 0.5, -0.5, n_rows - 0.5, **look)
        if n_rows > shape[0]:
            ax.axhline(shape[0] - 0.5, color="0.3", linewidth=1)
        if n_columns > shape[1]:
            ax.axvline(shape[1] - 0.5, color="0.3", linewidth=1)

    def _write_counts(self, counts, text_kw):
        """Return the counts above 0, written where they can be read."""
        cell = _cell_size(self.ax_, counts.shape)
        given = style({}, text_kw, "matplotlib.text.Text")
        shown = self.image_.get_array()
        texts = []
        for row, column in np.argwhere(counts):
            number = str(counts[row, column])
            size = min(cell / max(0.8 * len(number), 1.4), LARGEST)
            if size < SMALLEST and "fontsize" not in given:
                continue
            color = self.image_.cmap(self.image_.norm(shown[row, column]))
            is_dark = np.dot(color[:3], (0.299, 0.587, 0.114)) < 0.55
            properties = {
                "horizontalalignment": "center",
                "verticalalignment": "center",
                "fontsize": size,
                "color": "white" if is_dark else "0.15",
            }
            texts.append(self.ax_.text(column, row, number, **(properties | given)))
        return texts


def _cell_size(ax, shape):
    """Return the side of a cell in points, the shorter one."""
    width, height = axes_size(ax)
    return min(width / shape[1], height / shape[0])
