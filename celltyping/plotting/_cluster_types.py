"""Which clusters are which types, and where types are split or merged."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numbers

import numpy as np
from scipy import sparse
from sklearn.utils import check_consistent_length, column_or_1d

from celltyping._utils._labels import as_array, encode_types, is_unlabeled
from celltyping._utils._optional import import_optional
from celltyping.metrics import match_clusters
from celltyping.plotting._common import (
    ORANGE,
    counted,
    figure_and_axes,
    order_by_likeness,
    predict_types,
    pyplot,
    style,
    type_names,
)
from celltyping.plotting._text import (
    LARGEST,
    SMALLEST,
    axes_size,
    label_cells,
    title_that_fits,
)

OTHERS, NOISE = "(others)", "(noise)"


class ClusterTypesDisplay:
    """Types against clusters, with the best one-to-one match down the diagonal.

    A type whose neurons stand in several clusters of its row is split; a cluster with
    neurons of several types in its column merges them. Types and clusters that belong
    together stand side by side. Use `from_estimator` or `from_predictions` to make a
    display. All parameters are stored as attributes.

    Parameters
    ----------
    types : ndarray of shape (n_types,)
        The types shown, in the order of the rows.
    clusters : ndarray of shape (n_clusters,)
        The clusters shown, in the order of the columns.
    counts : ndarray of shape (n_types, n_clusters), dtype=int
        ``counts[i, j]`` neurons of type i are in cluster j.
    matches : ndarray of shape (n_types,), dtype=int
        Index in `clusters` of the cluster that is matched with each type; -1 if there
        is none.
    n_to_others : ndarray of shape (n_types,), dtype=int, default=None
        Number of neurons of each type in clusters that are not shown. None: zeros.
    n_from_others : ndarray of shape (n_clusters,), dtype=int, default=None
        Number of neurons of types not shown in each cluster. None: zeros.
    n_noise : ndarray of shape (n_types,), dtype=int, default=None
        Number of neurons of each type that are in no cluster. None: zeros.
    n_types_in_all : int, default=None
        Number of types before the choice. None: that of `types`.
    n_clusters_in_all : int, default=None
        Number of clusters before the choice. None: that of `clusters`.

    Attributes
    ----------
    image_ : matplotlib.image.AxesImage
        The coloured cells.
    frames_ : list of matplotlib.patches.Rectangle
        The frames around the cells of matched types and clusters.
    colorbar_ : matplotlib.colorbar.Colorbar or None
        The colour bar.
    texts_ : list of matplotlib.text.Text
        The numbers in the cells.
    ax_ : matplotlib.axes.Axes
        Axes with the plot.
    figure_ : matplotlib.figure.Figure
        Figure that holds the axes.

    See Also
    --------
    celltyping.metrics.match_clusters : The match of clusters with types.
    TypeCompositionDisplay : The true types inside one cluster.
    ConfusedTypesDisplay : The same for predictions that are types.

    Notes
    -----
    Each cluster that is matched with no type stands beside the one of the type it has
    most neurons of, and each type that is matched with no cluster below the one whose
    cluster has most of its neurons. These groups are ordered by likeness, so that
    those that share neurons are near each other.

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

    def plot(
        self,
        *,
        ax=None,
        include_values=True,
        colorbar=True,
        name=None,
        im_kw=None,
        text_kw=None,
    ):
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. None: a new figure.
        include_values : bool, default=True
            Whether to write the numbers of neurons into the cells where they can be
            read.
        colorbar : bool, default=True
            Whether to draw a colour bar.
        name : str, default=None
            Name of the method, for the title.
        im_kw : dict, default=None
            Properties of the coloured cells, see `matplotlib.axes.Axes.imshow`.
        text_kw : dict, default=None
            Properties of the numbers, see `matplotlib.text.Text`. With a font size,
            all of them are written, in that size.

        Returns
        -------
        display : ClusterTypesDisplay
            The display itself.
        """
        counts, rows, columns = self._with_others()
        n_rows, n_columns = counts.shape
        # In inches: a fifth for each cell, and what the names and titles need.
        width = float(np.clip(2.2 + 0.2 * n_columns, 4.5, 16)) + 0.8 * colorbar
        height = float(np.clip(1.6 + 0.2 * n_rows, 3, 16))
        self.figure_, ax = figure_and_axes(ax, "ClusterTypesDisplay", (width, height))
        self.ax_ = ax
        n_types, n_clusters = len(self.types), len(self.clusters)
        share = np.zeros(counts.shape)
        totals = counts[:n_types].sum(axis=1, keepdims=True)
        np.divide(counts[:n_types], totals, out=share[:n_types], where=totals > 0)

        im_kw = {"cmap": "Blues"} | (im_kw or {})
        if "norm" not in im_kw:
            im_kw = {"vmin": 0, "vmax": 1} | im_kw
        self.image_ = ax.imshow(share, **im_kw)
        ax.set(xlabel="Cluster (framed: matched with the type)", ylabel="True type")
        ax.hlines(np.arange(1, n_rows) - 0.5, -0.5, n_columns - 0.5, **_GRID)
        ax.vlines(np.arange(1, n_columns) - 0.5, -0.5, n_rows - 0.5, **_GRID)
        if n_rows > n_types:
            ax.axhline(n_types - 0.5, color="0.3", linewidth=1)
        if n_columns > n_clusters:
            ax.axvline(n_clusters - 0.5, color="0.3", linewidth=1)
        self.frames_ = [
            _frame(ax, row, column)
            for row, column in enumerate(self.matches)
            if column >= 0
        ]
        self.colorbar_ = None
        if colorbar:
            self.colorbar_ = self.figure_.colorbar(
                self.image_,
                ax=ax,
                label="Share of the type's samples",
                shrink=0.8,
                aspect=30,
                pad=0.03,
            )
        label_cells(ax, rows, columns)
        title_that_fits(ax, self._title(name))
        self.texts_ = []
        if include_values:
            self.texts_ = _write_counts(ax, counts, self.image_, text_kw)
        return self

    def _with_others(self):
        """Return the counts with all rows and columns there are, and their names."""
        counts = np.asarray(self.counts)
        rows, columns = type_names(self.types), type_names(self.clusters)
        for more, name in ((self.n_to_others, OTHERS), (self.n_noise, NOISE)):
            if more is not None and np.any(more):
                counts = np.column_stack([counts, more])
                columns.append(name)
        if self.n_from_others is not None and np.any(self.n_from_others):
            row = np.zeros(counts.shape[1], dtype=int)
            row[: len(self.clusters)] = self.n_from_others
            counts = np.vstack([counts, row])
            rows.append(OTHERS)
        return counts, rows, columns

    def _title(self, name):
        """Say how much is shown."""
        n_types, n_clusters = len(self.types), len(self.clusters)
        n_left_out = (self.n_types_in_all or n_types) - n_types
        title = counted(n_types, "type")
        if n_left_out > 0:
            title = f"The {n_types} largest of {n_types + n_left_out} types"
            title += f" ({n_left_out} left out)"
        n_in_all = self.n_clusters_in_all or n_clusters
        some = f"{n_clusters} of " if n_clusters < n_in_all else ""
        title += f", {some}{counted(n_in_all, 'cluster')}"
        return title if name is None else f"{name}: {title[0].lower()}{title[1:]}"

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        *,
        max_types=30,
        unlabeled_marker="auto",
        ax=None,
        include_values=True,
        colorbar=True,
        name=None,
        im_kw=None,
        text_kw=None,
    ):
        """Match the clusters that a fitted estimator predicts with types; draw it.

        Parameters
        ----------
        estimator : estimator instance
            Fitted clusterer that predicts, or a pipeline that ends in one.
        X : {Connectome, array-like, sparse matrix} of shape (n_samples, n_features)
            What it predicts for.
        y : array-like of shape (n_samples,)
            True types; neurons of unknown type are left out.
        max_types : int, default=30
            At most so many types are shown, the largest ones.
        unlabeled_marker : "auto" or scalar, default="auto"
            What means unknown in `y`. By default "?", None and NaN among strings, -1
            among integers.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. None: a new figure.
        include_values : bool, default=True
            Whether to write the numbers of neurons into the cells where they can be
            read.
        colorbar : bool, default=True
            Whether to draw a colour bar.
        name : str, default=None
            Name of the method, for the title. None: that of the estimator's class.
        im_kw : dict, default=None
            Properties of the coloured cells.
        text_kw : dict, default=None
            Properties of the numbers.

        Returns
        -------
        display : ClusterTypesDisplay
            What was computed and drawn.

        Examples
        --------
        >>> from sklearn.cluster import KMeans
        >>> from celltyping.plotting import ClusterTypesDisplay
        >>> X, y = [[0.0], [0.1], [5.0], [5.1]], ["KC", "KC", "PN", "?"]
        >>> clusterer = KMeans(n_clusters=2, random_state=0).fit(X)
        >>> display = ClusterTypesDisplay.from_estimator(clusterer, X, y)
        >>> bool((display.clusters[display.matches] == display.clusters).all())
        True
        >>> display.counts
        array([[2, 0],
               [0, 1]])
        """
        caller = f"{cls.__name__}.from_estimator"
        pyplot(caller)
        return cls.from_predictions(
            y,
            predict_types(estimator, X, y, caller),
            max_types=max_types,
            unlabeled_marker=unlabeled_marker,
            ax=ax,
            include_values=include_values,
            colorbar=colorbar,
            name=type(estimator).__name__ if name is None else name,
            im_kw=im_kw,
            text_kw=text_kw,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true,
        labels,
        *,
        max_types=30,
        unlabeled_marker="auto",
        ax=None,
        include_values=True,
        colorbar=True,
        name=None,
        im_kw=None,
        text_kw=None,
    ):
        """Match clusters with types, and draw it.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True types; neurons of unknown type are left out.
        labels : array-like of shape (n_samples,)
            Cluster of each neuron, of any kind. Noise (-1, "?", None or NaN) has a
            column of its own, the last one.
        max_types : int, default=30
            At most so many types are shown, the largest ones, and the clusters that
            have more neurons of one of them than of any other type or are matched with
            one. A row and a column stand for all others, so that the numbers add up.
        unlabeled_marker : "auto" or scalar, default="auto"
            What means unknown in `y_true`. By default "?", None and NaN among strings,
            -1 among integers. None: true noise (-1) is a row of its own.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. None: a new figure.
        include_values : bool, default=True
            Whether to write the numbers of neurons into the cells where they can be
            read.
        colorbar : bool, default=True
            Whether to draw a colour bar.
        name : str, default=None
            Name of the method, for the title.
        im_kw : dict, default=None
            Properties of the coloured cells.
        text_kw : dict, default=None
            Properties of the numbers.

        Returns
        -------
        display : ClusterTypesDisplay
            What was computed and drawn.

        Raises
        ------
        ValueError
            If `max_types` is under 1, the lengths differ, or no type is known.
        """
        caller = f"{cls.__name__}.from_predictions"
        pyplot(caller)
        if not isinstance(max_types, numbers.Integral) or max_types < 1:
            raise ValueError(
                f"max_types must be an integer of at least 1, got {max_types!r}"
            )
        check_consistent_length(y_true, labels)
        types, codes = encode_types(
            y_true, unlabeled_marker, caller=caller, min_types=1
        )
        labels = column_or_1d(as_array(labels))
        known = codes >= 0
        clustered = known & ~is_unlabeled(labels)
        clusters, columns = np.unique(labels[clustered], return_inverse=True)
        table = sparse.coo_array(
            (np.ones(len(columns), dtype=int), (codes[clustered], columns)),
            shape=(len(types), len(clusters)),
        ).tocsr()
        matches = np.full(len(types), -1)
        matched = match_clusters(y_true, labels, unlabeled_marker=unlabeled_marker)
        matches[np.searchsorted(types, matched[1])] = np.searchsorted(
            clusters, matched[0]
        )
        n_neurons = np.bincount(codes[known], minlength=len(types))
        rows = np.argsort(-n_neurons, kind="stable")[:max_types]
        columns = _clusters_of(table, matches, rows)
        counts = table[rows][:, columns].toarray()
        position = np.full(len(clusters) + 1, -1)  # the last one is for no match
        position[columns] = np.arange(len(columns))
        down, across = _side_by_side(counts, position[matches[rows]])
        rows, columns, counts = rows[down], columns[across], counts[down][:, across]
        position[columns] = np.arange(len(columns))
        n_noise = n_neurons[rows] - table[rows].sum(axis=1)
        display = cls(
            types=types[rows],
            clusters=clusters[columns],
            counts=counts,
            matches=position[matches[rows]],
            n_to_others=n_neurons[rows] - n_noise - counts.sum(axis=1),
            n_from_others=table[:, columns].sum(axis=0) - counts.sum(axis=0),
            n_noise=n_noise,
            n_types_in_all=len(types),
            n_clusters_in_all=len(clusters),
        )
        return display.plot(
            ax=ax,
            include_values=include_values,
            colorbar=colorbar,
            name=name,
            im_kw=im_kw,
            text_kw=text_kw,
        )


_GRID = {"color": "0.9", "linewidth": 0.5}


def _clusters_of(table, matches, rows):
    """Choose the clusters that are mostly of the types in these rows, or their match.

    A type without a match brings the cluster with most of its neurons, too.
    """
    if table.shape[1] == 0:
        return np.empty(0, dtype=np.intp)
    mostly = np.asarray(table.argmax(axis=0)).ravel()
    chosen = np.isin(mostly, rows)
    chosen[matches[rows][matches[rows] >= 0]] = True
    counts = table[rows].toarray()
    lost = (matches[rows] < 0) & counts.any(axis=1)
    chosen[counts[lost].argmax(axis=1)] = True
    return np.flatnonzero(chosen)


def _side_by_side(counts, matches):
    """Order types and clusters so that those that belong together are neighbours.

    A group is a type and its cluster, then other clusters with more of the type than
    of others, and other types with more neurons in that cluster than in others.
    """
    n_types, n_clusters = counts.shape
    matched = np.flatnonzero(matches >= 0)
    leads_row, leads_column = matches >= 0, np.zeros(n_clusters, dtype=bool)
    leads_column[matches[matched]] = True
    group_of_row, group_of_column = np.arange(n_types), counts.argmax(axis=0)
    group_of_column[matches[matched]] = matched
    lost = ~leads_row & counts.any(axis=1)
    if lost.any():
        group_of_row[lost] = group_of_column[counts[lost].argmax(axis=1)]

    between = np.zeros((n_types, n_types), dtype=int)
    np.add.at(between, (group_of_row[:, None], group_of_column[None, :]), counts)
    place = np.argsort(order_by_likeness(between + between.T))
    down = np.lexsort((-counts.sum(axis=1), ~leads_row, place[group_of_row]))
    shared = counts[group_of_column, np.arange(n_clusters)]
    across = np.lexsort((-shared, ~leads_column, place[group_of_column]))
    return down, across


def _frame(ax, row, column):
    """Draw a frame around a cell."""
    patches = import_optional("matplotlib.patches", extra="plot", needed_by="plotting")
    return ax.add_patch(
        patches.Rectangle(
            (column - 0.5, row - 0.5),
            1,
            1,
            fill=False,
            edgecolor=ORANGE,
            linewidth=1.3,
            zorder=3,
            clip_on=False,  # at the border, half of the line lies outside
        )
    )


def _write_counts(ax, counts, image, text_kw):
    """Write the numbers that are not 0 into their cells, where they can be read."""
    width, height = axes_size(ax)
    cell = min(width / counts.shape[1], height / counts.shape[0])
    given = style({}, text_kw, "matplotlib.text.Text")
    texts = []
    for row, column in np.argwhere(counts):
        number = str(counts[row, column])
        size = min(cell / max(0.8 * len(number), 1.4), LARGEST)
        if size < SMALLEST and "fontsize" not in given:
            continue
        red, green, blue, _ = image.cmap(image.norm(image.get_array()[row, column]))
        dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.55
        properties = {
            "horizontalalignment": "center",
            "verticalalignment": "center",
            "fontsize": size,
            "color": "white" if dark else "0.15",
        }
        texts.append(ax.text(column, row, number, **(properties | given)))
    return texts
