"""Size, persistence and membership strength of clusters, such as those of HDBSCAN."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np

from celltyping._utils._labels import as_numbers, encode_types, is_unlabeled
from celltyping.plotting._base import (
    BLUE,
    _Display,
    counted,
    get_fitted,
    last_step,
    name_after,
    type_names,
)
from celltyping.plotting._checks import as_floats, check_options, check_vectors
from celltyping.plotting._scatter import type_colors
from celltyping.plotting._text import (
    LARGEST,
    SMALLEST,
    axes_size,
    label_rows,
    xlabel_that_fits,
)

# Percentiles of membership strengths: ends of the thin and thick line, and the point.
PERCENTS = (5, 25, 50, 75, 95)

# Labels of the panels; words with a no-break space between them stay together.
NAMES = {
    "size": "Members",
    "persistence": "Persistence",
    "strength": "Membership strength (median, quartiles, 5\N{NO-BREAK SPACE}to\
\N{NO-BREAK SPACE}95\N{NO-BREAK SPACE}%)",
}

# Space between two panels, as a share of the axes.
GAP = 0.05

# Rounding error that is allowed beyond 0 and 1.
ROUNDING = 1e-9


class ClusterPersistenceDisplay(_Display):
    """Size, persistence and membership strength of clusters.

    A bar is the number of members of a cluster. Its persistence is the range of
    densities over which the cluster exists, from 0 (none) to 1. The membership strength
    of a member is the lower, the lower the density around it compared with the core of
    the cluster: most are low in a cluster with a small core and a wide border. Use
    `from_estimator` or `from_predictions` to create a display. All parameters are
    stored as attributes.

    Parameters
    ----------
    clusters : ndarray of shape (n_clusters,)
        Clusters shown, from top to bottom.
    n_members : ndarray of shape (n_clusters,), dtype=int
        Number of points in each cluster.
    persistence : ndarray of shape (n_clusters,), default=None
        Persistence of each cluster, between 0 and 1. None: not drawn.
    strength : ndarray of shape (n_clusters, 5), default=None
        Percentiles 5, 25, 50, 75 and 95 of the membership strengths in each cluster,
        between 0 and 1. None: not drawn.
    n_noise : int, default=0
        Number of points in no cluster.
    n_points : int, default=None
        Number of all points. None: the sum of members and noise.
    n_clusters_in_all : int, default=None
        Number of clusters before the selection. None: that of `clusters`.

    Attributes
    ----------
    bars_ : matplotlib.container.BarContainer
        Bars of the sizes.
    persistence_bars_ : matplotlib.container.BarContainer or None
        Bars of the persistences.
    strength_points_ : matplotlib.lines.Line2D or None
        Medians of the membership strengths.
    axes_ : dict of {str: matplotlib.axes.Axes}
        Panels that are drawn, of "size", "persistence" and "strength".
    ax_ : matplotlib.axes.Axes
        Axes that hold the panels and the title.
    figure_ : matplotlib.figure.Figure
        Figure that holds the axes.

    See Also
    --------
    EmbeddingDisplay : Scatter plot of the points of the clusters.
    ClusterTypesDisplay : Types of the members of each cluster.

    Notes
    -----
    The persistence of a cluster, with `λ` for the inverse of a distance, is the mean of
    `λ - λ_birth` over its members, divided by the largest `λ` in the tree, where a
    member counts up to the `λ` at which it leaves the cluster [1]_. This is hdbscan's
    `cluster_persistence_`; scikit-learn's HDBSCAN does not compute it.

    References
    ----------
    .. [1] Campello, R. J. G. B., Moulavi, D., Zimek, A. & Sander, J. (2015).
       Hierarchical density estimates for data clustering, visualization, and outlier
       detection. ACM Transactions on Knowledge Discovery from Data 10, 5.
       :doi:`10.1145/2733381`.

    Examples
    --------
    >>> from celltyping.plotting import ClusterPersistenceDisplay
    >>> display = ClusterPersistenceDisplay.from_predictions(
    ...     [0, 0, 1, 1, 1, -1], [0.5, 1.0, 0.8, 0.9, 1.0, 0.0], [0.2, 0.6]
    ... )
    >>> display.clusters.tolist(), display.n_members.tolist()
    ([1, 0], [3, 2])
    >>> display.persistence.tolist()
    [0.6, 0.2]
    >>> display.ax_.get_title()
    '2 clusters of 6 points, 1 of them noise'
    """

    def __init__(
        self,
        *,
        clusters,
        n_members,
        persistence=None,
        strength=None,
        n_noise=0,
        n_points=None,
        n_clusters_in_all=None,
    ):
        self.clusters = clusters
        self.n_members = n_members
        self.persistence = persistence
        self.strength = strength
        self.n_noise = n_noise
        self.n_points = n_points
        self.n_clusters_in_all = n_clusters_in_all

    @check_options()
    def plot(self, *, ax=None, cmap=None, name=None):
        """Draw the clusters.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes that the panels replace. None: a new figure.
        cmap : str, matplotlib.colors.Colormap or dict, default=None
            Colours of the clusters. None: one colour for all. A dict holds the colour
            of each cluster; see `EmbeddingDisplay.plot`.
        |name|
        |Returns|
        """
        clusters = np.asarray(self.clusters)
        n_clusters = len(clusters)
        known = {"persistence": self.persistence, "strength": self.strength}
        shown = ["size", *(part for part, data in known.items() if data is not None)]
        height = float(np.clip(1.5 + 0.22 * n_clusters, 2.6, 14))
        ax = self._start(ax, (2 + 2 * len(shown), height))
        ax.set_axis_off()
        self.axes_ = _panels(ax, shown)
        colors = [BLUE] * n_clusters if cmap is None else type_colors(clusters, cmap)
        rows = np.arange(n_clusters)
        look = {"height": 0.7, "color": colors, "zorder": 2}
        self.bars_ = self.axes_["size"].barh(rows, self.n_members, **look)
        self.persistence_bars_ = self.strength_points_ = None
        if self.persistence is not None:
            panel = self.axes_["persistence"]
            self.persistence_bars_ = panel.barh(rows, self.persistence, **look)
        if self.strength is not None:
            self.strength_points_ = _draw_ranges(
                self.axes_["strength"], np.asarray(self.strength), colors
            )
        self.axes_["size"].set(ylabel="Cluster", ylim=(n_clusters - 0.5, -0.5))
        label_rows(self.axes_["size"], type_names(clusters))
        for part, panel in self.axes_.items():
            _label_ticks(panel, part)
            xlabel_that_fits(panel, NAMES[part])
        self._finish(self._describe(), name)
        return self

    def _describe(self):
        """Return the title: numbers of clusters, of points and of noise."""
        n_shown = len(self.clusters)
        n_in_all = self.n_clusters_in_all or n_shown
        n_points = self.n_points
        if n_points is None:
            n_points = int(np.sum(self.n_members)) + self.n_noise
        largest = f"The {n_shown:,} largest of " if n_shown < n_in_all else ""
        noise = f"{self.n_noise:,} of them" if self.n_noise else "no"
        clusters, points = counted(n_in_all, "cluster"), counted(n_points, "point")
        return f"{largest}{clusters} of {points}, {noise} noise"

    @classmethod
    @check_options("from_predictions", "plot")
    def from_estimator(cls, estimator, **options):
        """Draw the clusters of a fitted clusterer.

        Parameters
        ----------
        estimator : estimator instance
            Fitted clusterer with `labels_`, such as hdbscan's or scikit-learn's HDBSCAN
            or an `InductiveClusterer` of one, or a pipeline that ends in one. Its
            `probabilities_` are used if it has them, and so is the
            `cluster_persistence_` of the clusterer or of its `clusterer_`.
        |**options|
        |Returns|

        Examples
        --------
        >>> from sklearn.cluster import HDBSCAN
        >>> from sklearn.datasets import make_blobs
        >>> from celltyping.plotting import ClusterPersistenceDisplay
        >>> X, _ = make_blobs([60, 40], 2, random_state=0, cluster_std=0.3)
        >>> hdbscan = HDBSCAN(min_cluster_size=15, copy=True).fit(X)
        >>> display = ClusterPersistenceDisplay.from_estimator(hdbscan)
        >>> sorted(display.axes_)
        ['size', 'strength']
        """
        last = last_step(estimator)
        labels = get_fitted(
            last,
            "labels_",
            f"{cls.__name__}.from_estimator",
            "of another, pass labels to from_predictions",
        )
        owner = last
        if not hasattr(owner, "cluster_persistence_"):
            owner = getattr(last, "clusterer_", None)
        return cls.from_predictions(
            labels,
            getattr(last, "probabilities_", None),
            getattr(owner, "cluster_persistence_", None),
            **name_after(options, last),
        )

    @classmethod
    @check_options("plot")
    def from_predictions(
        cls,
        labels,
        probabilities=None,
        persistence=None,
        *,
        max_clusters=40,
        **plot_options,
    ):
        """Count the members of clusters, and draw them.

        Parameters
        ----------
        labels : array-like of shape (n_points,)
            Cluster of each point. Negative numbers, "?", None and NaN are noise.
        probabilities : array-like of shape (n_points,), default=None
            Membership strength of each point in its cluster, between 0 and 1; those of
            noise are ignored.
        persistence : array-like of shape (n_clusters,), default=None
            Persistence of each cluster, between 0 and 1, in the order of the sorted
            clusters.
        max_clusters : int, default=40
            Maximum number of clusters shown, the largest ones.
        |**plot_options|
        |Returns|
        """
        (labels,) = check_vectors({"labels": labels})
        member = ~_is_noise(labels)
        if not member.any():
            raise ValueError(
                f"labels must hold a cluster, but all {len(labels)} points are noise"
            )
        clusters, codes = encode_types(
            labels[member], None, caller=f"{cls.__name__}.from_predictions", min_types=1
        )
        n_members = np.bincount(codes)
        shown = np.argsort(-n_members, kind="stable")[:max_clusters]
        if persistence is not None:
            samples = ("clusters", len(clusters))
            persistence = _check_shares("persistence", persistence, samples, shown)
        strength = None
        if probabilities is not None:
            samples = ("points", len(labels))
            shares = _check_shares("probabilities", probabilities, samples, member)
            members = [shares[codes == code] for code in shown]
            strength = np.array([np.percentile(one, PERCENTS) for one in members])
        return cls(
            clusters=clusters[shown],
            n_members=n_members[shown],
            persistence=persistence,
            strength=strength,
            n_noise=int(np.count_nonzero(~member)),
            n_points=len(labels),
            n_clusters_in_all=len(clusters),
        ).plot(**plot_options)


def _is_noise(labels):
    """Return a mask of noise; scikit-learn's HDBSCAN also uses -2 and -3."""
    noise = is_unlabeled(labels)
    known = as_numbers(labels[~noise])
    if known.dtype.kind in "if":
        noise[~noise] = known < 0
    return noise


def _check_shares(name, shares, samples, chosen):
    """Return the chosen shares, of one for each sample, if they are from 0 to 1."""
    (shares,) = check_vectors({name: shares}, samples)
    shares = as_floats(shares, name, "as shares")[chosen]
    if not ((shares >= -ROUNDING) & (shares <= 1 + ROUNDING)).all():
        raise ValueError(
            f"{name} must be numbers from 0 to 1, got {shares.min():.4g} to "
            f"{shares.max():.4g}"
        )
    return shares.clip(0, 1)


def _panels(ax, shown):
    """Create axes side by side that share the rows."""
    width = (1 + GAP) / len(shown) - GAP
    panels = {}
    for i, part in enumerate(shown):
        first = panels.get("size")
        panel = ax.inset_axes([i * (width + GAP), 0, width, 1], sharey=first)
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(axis="x", color="0.9", linewidth=0.5)
        panel.set_axisbelow(True)
        if first is not None:
            panel.set_xlim(0, 1)
            panel.tick_params(labelleft=False)
        panels[part] = panel
    return panels


def _label_ticks(ax, part):
    """Write numbers, few and small enough not to touch those of the next panel."""
    width, _ = axes_size(ax)
    ax.tick_params(axis="x", labelsize=float(np.clip(width / 9, SMALLEST, LARGEST)))
    if part == "size":
        n_ticks = int(np.clip(width / 35, 1, 4))
        ax.xaxis.get_major_locator().set_params(integer=True, nbins=n_ticks)
        return
    labels = ax.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    for tick, side in zip(labels, ("left", "center", "right"), strict=True):
        tick.label1.set_horizontalalignment(side)


def _draw_ranges(ax, percentiles, colors):
    """Draw the percentiles of strengths, and return the points of the medians."""
    rows = np.arange(len(percentiles))
    _, height = axes_size(ax)
    thick = float(np.clip(0.4 * height / len(rows), 1, 4))
    for low, high, width in ((0, 4, thick / 4), (1, 3, thick)):
        look = {"colors": colors, "linewidth": width, "zorder": 2, "clip_on": False}
        ax.hlines(rows, percentiles[:, low], percentiles[:, high], **look)
    look = {"linestyle": "none", "marker": "o", "zorder": 3, "clip_on": False}
    look |= {"markersize": 1.25 * thick, "markeredgewidth": thick / 4}
    look |= {"markerfacecolor": "white", "markeredgecolor": "0.15"}
    (medians,) = ax.plot(percentiles[:, 2], rows, **look)
    return medians
