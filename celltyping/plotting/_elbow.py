"""Elbow plot: the cost against the number of clusters."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np

from celltyping._utils._elbow import find_elbow
from celltyping.plotting._base import (
    BLUE,
    GREY,
    ORANGE,
    _Display,
    check_at_least,
    counted,
    get_fitted,
    style,
)
from celltyping.plotting._text import legend_below, plain_log_ticks

# Number of pieces of the chord, which is a curve on a logarithmic axis.
CHORD_PIECES = 200


class ElbowDisplay(_Display):
    """Elbow plot: the cost against the number of clusters, with the number chosen.

    The cost falls with the number of clusters, quickly at first. Its elbow, the point
    farthest below the chord from the first point to the last one, is a compromise
    between too few clusters and too many. Use `from_estimator` or `from_path` to make a
    display. All parameters are stored as attributes.

    Parameters
    ----------
    n_clusters : ndarray of shape (n_points,), dtype=int
        Numbers of clusters, ascending.
    cost : ndarray of shape (n_points,)
        Cost of each number of clusters.
    chosen : int
        The number chosen.

    Attributes
    ----------
    line_ : matplotlib.lines.Line2D
        The cost.
    chord_ : matplotlib.lines.Line2D
        The line from the first point to the last one.
    mark_ : matplotlib.lines.Line2D
        The thin vertical line at the number chosen.
    depth_ : matplotlib.collections.LineCollection or None
        The vertical line from the cost of the number chosen to the chord. None if this
        number lies outside the path.
    point_ : matplotlib.collections.PathCollection or None
        The cost of the number chosen. None if this number lies outside the path.
    ax_, figure_ : matplotlib.axes.Axes, matplotlib.figure.Figure
        Axes with the plot, and the figure that holds them.

    See Also
    --------
    ClusterTypesDisplay : Contingency matrix of types and clusters.

    Notes
    -----
    Between two points of the path, the cost is interpolated linearly. Outside the path
    it is unknown, so that a number chosen there is marked by a line alone.

    Examples
    --------
    >>> from celltyping.plotting import ElbowDisplay
    >>> display = ElbowDisplay.from_path([1, 2, 3, 4, 5], [10, 5, 2, 1.5, 1])
    >>> display.chosen
    3
    """

    def __init__(self, *, n_clusters, cost, chosen):
        self.n_clusters = n_clusters
        self.cost = cost
        self.chosen = chosen

    def plot(self, *, ax=None, log=False, name=None, line_kw=None, point_kw=None):
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. None: a new figure.
        log : bool, default=False
            Whether the axis of the number of clusters is logarithmic. The chord, which
            is straight on a linear axis, is a curve there.
        name : str, default=None
            Name of the method, for the title.
        line_kw : dict, default=None
            Properties of the line of the cost, see `matplotlib.lines.Line2D`.
        point_kw : dict, default=None
            Properties of the point of the number chosen, see
            `matplotlib.axes.Axes.scatter`.

        Returns
        -------
        display : ElbowDisplay
            The display itself.
        """
        ax = self._start(ax, (6.5, 4.2))
        n_clusters = np.asarray(self.n_clusters)
        cost = np.asarray(self.cost, dtype=float)
        if log:
            ax.set_xscale("log")
            plain_log_ticks(ax.xaxis)
        look = {"color": BLUE, "linewidth": 1.5, "marker": ".", "markersize": 5}
        look = style(look | {"zorder": 3}, line_kw, "matplotlib.lines.Line2D")
        (self.line_,) = ax.plot(n_clusters, cost, **look)
        ends = [0, -1]
        across = np.linspace(*n_clusters[ends], CHORD_PIECES + 1)
        on_chord = np.interp(across, n_clusters[ends], cost[ends])
        look = {"color": GREY, "linewidth": 1, "linestyle": (0, (4, 3)), "zorder": 2}
        label = "chord from first to last"
        (self.chord_,) = ax.plot(across, on_chord, label=label, **look)
        label = f"{counted(self.chosen, 'cluster')} chosen"
        look = {"color": ORANGE, "zorder": 2}
        self.mark_ = ax.axvline(
            self.chosen, linewidth=0.8, linestyle=":", label=label, **look
        )
        self.depth_ = self.point_ = None
        if n_clusters[0] <= self.chosen <= n_clusters[-1]:
            height = float(np.interp(self.chosen, n_clusters, cost))
            on_chord = float(np.interp(self.chosen, n_clusters[ends], cost[ends]))
            self.depth_ = ax.vlines(
                self.chosen, height, on_chord, linewidth=1.2, **look
            )
            look = {"s": 55, "edgecolor": "white", "linewidth": 0.8, "label": label}
            look |= {"color": ORANGE, "zorder": 4}
            look = style(look, point_kw, "matplotlib.collections.PathCollection")
            self.point_ = ax.scatter([self.chosen], [height], **look)
        ax.set(
            xlabel=f"Number of clusters{' (log scale)' if log else ''}",
            ylabel="Mean distance to cluster mean",
        )
        ax.spines[["top", "right"]].set_visible(False)
        legend_below(ax, [self.point_ or self.mark_, self.chord_])
        first, last = n_clusters[ends]
        numbers = f"{first:,} to " if first < last else ""
        self._finish(f"Cost of {numbers}{counted(last, 'cluster')}", name)
        return self

    @classmethod
    def from_estimator(cls, estimator, **plot_options):
        """Draw the cost path of a fitted clusterer.

        Parameters
        ----------
        estimator : estimator instance
            Fitted clusterer with `cost_path_`, which holds the arrays `n_clusters` and
            `cost`, and with `n_clusters_`.
        **plot_options : dict
            Keyword arguments of `plot`. The default of `name` is the estimator's class.

        Returns
        -------
        display : ElbowDisplay
            The display, drawn.

        Raises
        ------
        TypeError
            If the estimator has no cost path.
        sklearn.exceptions.NotFittedError
            If it is not fitted.

        Examples
        --------
        >>> from sklearn.base import BaseEstimator
        >>> from sklearn.utils import Bunch
        >>> from celltyping.plotting import ElbowDisplay
        >>> class Clusterer(BaseEstimator):
        ...     def fit(self, X):
        ...         self.cost_path_ = Bunch(n_clusters=[1, 2, 3], cost=[0.9, 0.4, 0.3])
        ...         self.n_clusters_ = 2
        ...         return self
        >>> display = ElbowDisplay.from_estimator(Clusterer().fit([[0.0]]))
        >>> display.chosen, display.cost.tolist()
        (2, [0.9, 0.4, 0.3])
        """
        caller = cls._check_options("from_estimator", plot_options, estimator)
        path = get_fitted(estimator, "cost_path_", caller)
        return cls.from_path(
            path.n_clusters, path.cost, chosen=estimator.n_clusters_, **plot_options
        )

    @classmethod
    def from_path(cls, n_clusters, cost, *, chosen=None, **plot_options):
        """Draw the cost of several numbers of clusters.

        Parameters
        ----------
        n_clusters : array-like of shape (n_points,)
            Numbers of clusters: integers from 1 on, ascending.
        cost : array-like of shape (n_points,)
            Cost of each number of clusters.
        chosen : int, default=None
            The number to mark. None: the elbow, the point farthest below the chord
            from the first point to the last one on linear axes; of fewer than 3 points,
            the last one.
        **plot_options : dict
            Keyword arguments of `plot`.

        Returns
        -------
        display : ElbowDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the numbers of clusters are no ascending integers, the costs are not as
            many finite numbers, or `chosen` is under 1.
        """
        cls._check_options("from_path", plot_options)
        n_clusters, cost = _check_path(n_clusters, cost)
        if chosen is None:
            chosen = find_elbow(n_clusters, cost)
        check_at_least("chosen", chosen, 1)
        chosen = int(chosen)
        return cls(n_clusters=n_clusters, cost=cost, chosen=chosen).plot(**plot_options)


def _check_path(n_clusters, cost):
    """Return copies of both as arrays, if they are a path."""
    n_clusters, cost = np.array(n_clusters), np.array(cost, dtype=float)
    if n_clusters.ndim != 1 or n_clusters.dtype.kind not in "iu":
        raise ValueError(
            "n_clusters must be a one-dimensional array of integers, got "
            f"{n_clusters.ndim}-D, {n_clusters.dtype}"
        )
    n_clusters = n_clusters.astype(np.int64)
    if len(n_clusters) == 0 or n_clusters[0] < 1 or (np.diff(n_clusters) <= 0).any():
        raise ValueError(
            "n_clusters must hold at least one integer, be ascending and start at 1 or "
            f"more, got {n_clusters.tolist()}"
        )
    if cost.shape != n_clusters.shape or not np.isfinite(cost).all():
        raise ValueError(
            f"cost must hold {len(n_clusters)} finite numbers, one per entry of "
            f"n_clusters, got {cost.tolist()}"
        )
    return n_clusters, cost
