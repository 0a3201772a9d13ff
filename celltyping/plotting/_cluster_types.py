"""Contingency matrix of types and clusters, ordered by their one-to-one match."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np

from celltyping._utils._labels import encode_clusters, encode_types
from celltyping.metrics import match_clusters
from celltyping.plotting._base import (
    ORANGE,
    _PredictionsDisplay,
    counted,
    seriate,
    type_names,
)
from celltyping.plotting._checks import check_options, check_vectors
from celltyping.plotting._matrix import (
    OTHERS,
    _MatrixDisplay,
    add_others,
    count_pairs,
    divide_by_sums,
    share_style,
)

NOISE = "(noise)"


class ClusterTypesDisplay(_MatrixDisplay, _PredictionsDisplay):
    """Contingency matrix of types and clusters, with matched ones on the diagonal.

    A row with several clusters is a type that is split; a column with several types is
    a cluster that merges them. Types and clusters that share neurons are adjacent. Use
    `from_estimator` or `from_predictions` to make a display. All parameters are stored
    as attributes.

    Parameters
    ----------
    types : ndarray of shape (n_types,)
        The types shown, in the order of the rows.
    clusters : ndarray of shape (n_clusters,)
        The clusters shown, in the order of the columns.
    counts : ndarray of shape (n_types, n_clusters), dtype=int
        Number of neurons of each type (rows) in each cluster (columns).
    matches : ndarray of shape (n_types,), dtype=int
        Index in `clusters` of the match of each type; -1 if it has none.
    n_to_others : ndarray of shape (n_types,), dtype=int, default=None
        Number of neurons of each type in clusters that are not shown. None: zeros.
    n_from_others : ndarray of shape (n_clusters,), dtype=int, default=None
        Number of neurons of types not shown in each cluster. None: zeros.
    n_noise : ndarray of shape (n_types,), dtype=int, default=None
        Number of neurons of each type that are in no cluster. None: zeros.
    n_types_in_all : int, default=None
        Number of types before the selection. None: that of `types`.
    n_clusters_in_all : int, default=None
        Number of clusters before the selection. None: that of `clusters`.

    Attributes
    ----------
    image_ : matplotlib.image.AxesImage
        The coloured cells.
    frames_ : list of matplotlib.patches.Rectangle
        The frames around the cells of matched types and clusters.
    |colorbar_|
    |texts_|
    |ax_|

    See Also
    --------
    celltyping.metrics.match_clusters : The match of clusters with types.
    TypeCompositionDisplay : The true types inside one cluster.
    ConfusedTypesDisplay : The same for predictions that are types.

    Notes
    -----
    The match is one-to-one and has the largest number of neurons in all. An unmatched
    cluster stands beside the match of the type that it has most neurons of, an
    unmatched type below the type whose match has most of its neurons. These groups are
    seriated, so that those that share neurons are near each other.

    Examples
    --------
    >>> from celltyping.plotting import ClusterTypesDisplay
    >>> y_true = ["KC", "KC", "KC", "PN", "PN", "LHN", "?"]
    >>> labels = [2, 2, 0, 1, 1, 1, 0]
    >>> display = ClusterTypesDisplay.from_predictions(y_true, labels)
    >>> display.types.tolist(), display.clusters.tolist()
    (['KC', 'PN', 'LHN'], [2, 0, 1])
    >>> display.counts
    array([[2, 1, 0],
           [0, 0, 2],
           [0, 0, 1]])
    >>> display.matches
    array([ 0,  2, -1])
    """

    def __init__(
        self,
        *,
        types,
        clusters,
        counts,
        matches,
        n_to_others=None,
        n_from_others=None,
        n_noise=None,
        n_types_in_all=None,
        n_clusters_in_all=None,
    ):
        self.types = types
        self.clusters = clusters
        self.counts = counts
        self.matches = matches
        self.n_to_others = n_to_others
        self.n_from_others = n_from_others
        self.n_noise = n_noise
        self.n_types_in_all = n_types_in_all
        self.n_clusters_in_all = n_clusters_in_all

    @check_options()
    def plot(
        self,
        *,
        ax=None,
        include_values=True,
        cmap="Blues",
        colorbar=True,
        name=None,
        im_kw=None,
        text_kw=None,
    ):
        """Draw the display.

        Parameters
        ----------
        |ax|
        |include_values|
        cmap : str or matplotlib.colors.Colormap, default="Blues"
            Colour map of the cells.
        |colorbar|
        |name|
        |im_kw|
        |text_kw|
        |Returns|
        """
        counts, rows, columns = add_others(
            self.counts,
            type_names(self.types),
            type_names(self.clusters),
            {OTHERS: self.n_to_others, NOISE: self.n_noise},
            self.n_from_others,
        )
        # In inches: a fifth for each cell, and room for the names and titles.
        width = float(np.clip(2.2 + 0.2 * len(columns), 4.5, 16)) + 0.8 * colorbar
        height = float(np.clip(1.6 + 0.2 * len(rows), 3, 16))
        ax = self._start(ax, (width, height))
        shares = divide_by_sums(counts, axis=1)
        shares[len(self.types) :] = 0  # the total of the other types is unknown
        ax.set(xlabel="Cluster (framed: matched with the type)", ylabel="True type")
        look = {"label": "Share of the type's samples", "aspect": 30, "pad": 0.03}
        im_kw, shown = share_style(cmap, im_kw), (len(self.types), len(self.clusters))
        self._draw_matrix(shares, rows, columns, im_kw, colorbar and look, shown)
        self.frames_ = [
            _frame(ax, row, column)
            for row, column in enumerate(self.matches)
            if column >= 0
        ]
        self._finish(self._title(), name)
        self.texts_ = self._write_counts(counts, text_kw) if include_values else []
        return self

    def _title(self):
        """Return the numbers of types and clusters."""
        n_types, n_clusters = len(self.types), len(self.clusters)
        n_left_out = (self.n_types_in_all or n_types) - n_types
        title = counted(n_types, "type")
        if n_left_out > 0:
            title = f"The {n_types} largest of {n_types + n_left_out} types"
            title += f" ({n_left_out} left out)"
        n_in_all = self.n_clusters_in_all or n_clusters
        shown = f"{n_clusters} of " if n_clusters < n_in_all else ""
        return f"{title}, {shown}{counted(n_in_all, 'cluster')}"

    @classmethod
    @check_options("plot")
    def from_predictions(
        cls, y_true, labels, *, max_types=30, unlabeled_marker="auto", **plot_options
    ):
        """Draw types against clusters.

        Parameters
        ----------
        |y_true|
        labels : array-like of shape (n_samples,)
            Cluster of each neuron, of any kind. Noise (-1, "?", None or NaN) has a
            column of its own, the last one.
        max_types : int, default=30
            Maximum number of types shown, the largest ones. Shown are also the clusters
            that are matched with one of them or have more neurons of it than of any
            other type. A row and a column stand for all others, so that the counts add
            up.
        unlabeled_marker : "auto", scalar or list of scalars, default="auto"
            Markers of unknown types in `y_true`, beside "?", None, NaN and blank
            strings. "auto": -1 among integers. None: true noise (-1) is a row of its
            own.
        |**plot_options|
        |Returns|
        """
        caller = f"{cls.__name__}.from_predictions"
        y_true, labels = check_vectors({"y_true": y_true, "labels": labels})
        types, codes = encode_types(
            y_true, unlabeled_marker, caller=caller, min_types=1
        )
        clusters, columns = encode_clusters(labels)
        clustered = (codes >= 0) & (columns >= 0)
        used, columns = np.unique(columns[clustered], return_inverse=True)
        clusters, codes_in = clusters[used], codes[clustered]
        table = count_pairs(codes_in, columns, len(types), len(clusters))
        matches = np.full(len(types), -1)
        if clustered.any():
            matched = match_clusters(codes_in, columns)
            matches[matched[1]] = matched[0]
        n_neurons = np.bincount(codes[codes >= 0], minlength=len(types))
        rows = np.argsort(-n_neurons, kind="stable")[:max_types]
        columns = _find_clusters(table, matches, rows)
        counts = table[rows][:, columns].toarray()
        position = np.full(len(clusters) + 1, -1)  # the last one is for no match
        position[columns] = np.arange(len(columns))
        down, across = _order_by_match(counts, position[matches[rows]])
        rows, columns, counts = rows[down], columns[across], counts[down][:, across]
        position[columns] = np.arange(len(columns))
        n_noise = n_neurons[rows] - table[rows].sum(axis=1)
        return cls(
            types=types[rows],
            clusters=clusters[columns],
            counts=counts,
            matches=position[matches[rows]],
            n_to_others=n_neurons[rows] - n_noise - counts.sum(axis=1),
            n_from_others=table[:, columns].sum(axis=0) - counts.sum(axis=0),
            n_noise=n_noise,
            n_types_in_all=len(types),
            n_clusters_in_all=len(clusters),
        ).plot(**plot_options)


def _find_clusters(table, matches, rows):
    """Return the clusters that are mostly of the types in these rows, or their match.

    A type without a match adds the cluster with most of its neurons.
    """
    if table.shape[1] == 0:
        return np.empty(0, dtype=np.intp)
    main_type = np.asarray(table.argmax(axis=0)).ravel()
    chosen = np.isin(main_type, rows)
    chosen[matches[rows][matches[rows] >= 0]] = True
    counts = table[rows].toarray()
    unmatched = (matches[rows] < 0) & counts.any(axis=1)
    chosen[counts[unmatched].argmax(axis=1)] = True
    return np.flatnonzero(chosen)


def _order_by_match(counts, matches):
    """Order types and clusters so that groups of them are adjacent.

    A group is a type and its matched cluster, other clusters with more of the type than
    of others, and other types with more neurons in that cluster than in others.

    Parameters
    ----------
    counts : ndarray of shape (n_types, n_clusters), dtype=int
        Contingency table.
    matches : ndarray of shape (n_types,), dtype=int
        Column matched with each row; -1 if there is none.

    Returns
    -------
    rows : ndarray of shape (n_types,), dtype=intp
        Order of the types.
    columns : ndarray of shape (n_clusters,), dtype=intp
        Order of the clusters.
    """
    n_types, n_clusters = counts.shape
    leads_row, leads_column = matches >= 0, np.zeros(n_clusters, dtype=bool)
    matched = np.flatnonzero(leads_row)
    leads_column[matches[matched]] = True
    group_of_row, group_of_column = np.arange(n_types), counts.argmax(axis=0)
    group_of_column[matches[matched]] = matched
    unmatched = ~leads_row & counts.any(axis=1)
    if unmatched.any():
        group_of_row[unmatched] = group_of_column[counts[unmatched].argmax(axis=1)]

    between = np.zeros((n_types, n_types), dtype=int)
    np.add.at(between, (group_of_row[:, None], group_of_column[None, :]), counts)
    rank = np.argsort(seriate(between + between.T))
    rows = np.lexsort((-counts.sum(axis=1), ~leads_row, rank[group_of_row]))
    shared = counts[group_of_column, np.arange(n_clusters)]
    columns = np.lexsort((-shared, ~leads_column, rank[group_of_column]))
    return rows, columns


def _frame(ax, row, column):
    """Draw a frame around a cell."""
    from matplotlib.patches import Rectangle

    look = {"fill": False, "edgecolor": ORANGE, "linewidth": 1.3, "zorder": 3}
    # At the border of the axes, half of the line lies outside.
    corner = (column - 0.5, row - 0.5)
    return ax.add_patch(Rectangle(corner, 1, 1, clip_on=False, **look))
