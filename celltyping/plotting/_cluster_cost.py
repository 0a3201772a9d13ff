"""The cost of so many clusters, and the number chosen."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numbers

import numpy as np
from sklearn.utils.validation import check_is_fitted

from celltyping._utils._elbow import find_elbow
from celltyping.plotting._common import (
    BLUE,
    GREY,
    ORANGE,
    counted,
    figure_and_axes,
    pyplot,
    style,
)
from celltyping.plotting._text import legend_below, plain_log_ticks, title_that_fits

# The chord is a curve on a logarithmic axis; of so many pieces it looks smooth.
CHORD_PIECES = 200


class ClusterCostDisplay:
    """Cost of so many clusters, with the number chosen.

    The cost falls with the number of clusters, quickly at first. Its elbow, the point
    farthest below the chord from the first point to the last one, is a choice between
    too few clusters and too many. Use `from_estimator` or `from_path` to make a
    display. All parameters are stored as attributes.

    Parameters
    ----------
    n_clusters : ndarray of shape (n_points,), dtype=int
        Numbers of clusters, ascending.
    cost : ndarray of shape (n_points,)
        The cost of so many clusters.
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
        The vertical line from the cost of the number chosen to the chord. None if the
        path does not reach this number.
    point_ : matplotlib.collections.PathCollection or None
        The cost of the number chosen. None if the path does not reach this number.
    ax_ : matplotlib.axes.Axes
        Axes with the plot.
    figure_ : matplotlib.figure.Figure
        Figure that holds the axes.

    See Also
    --------
    ClusterTypesDisplay : Which clusters are which types.

    Notes
    -----
    Between two points of the path, the cost is taken to fall in a straight line.
    Beyond its ends it is not known, so that a number chosen there has a line alone.

    Examples
    --------
    >>> from celltyping.plotting import ClusterCostDisplay
    >>> display = ClusterCostDisplay.from_path([1, 2, 3, 4, 5], [10, 5, 2, 1.5, 1])
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
            Whether the numbers of clusters stand on a logarithmic axis. The chord,
            which is straight on a linear one, is a curve there.
        name : str, default=None
            Name of the method, for the title.
        line_kw : dict, default=None
            Properties of the line of the cost, see `matplotlib.lines.Line2D`.
        point_kw : dict, default=None
            Properties of the point of the number chosen, see
            `matplotlib.axes.Axes.scatter`.

        Returns
        -------
        display : ClusterCostDisplay
            The display itself.
        """
        self.figure_, ax = figure_and_axes(ax, "ClusterCostDisplay", (6.5, 4.2))
        self.ax_ = ax
        n_clusters = np.asarray(self.n_clusters)
        cost = np.asarray(self.cost, dtype=float)
        if log:
            ax.set_xscale("log")
            plain_log_ticks(ax.xaxis)
        properties = {"color": BLUE, "linewidth": 1.5, "marker": ".", "markersize": 5}
        (self.line_,) = ax.plot(
            n_clusters,
            cost,
            **style(properties | {"zorder": 3}, line_kw, "matplotlib.lines.Line2D"),
        )
        ends = [0, -1]
        across = np.linspace(*n_clusters[ends], CHORD_PIECES + 1)
        (self.chord_,) = ax.plot(
            across,
            np.interp(across, n_clusters[ends], cost[ends]),
            color=GREY,
            linewidth=1,
            linestyle=(0, (4, 3)),
            zorder=2,
            label="chord from first to last",
        )
        chosen = {"label": f"{counted(self.chosen, 'cluster')} chosen"}
        look = {"color": ORANGE, "zorder": 2}
        self.mark_ = ax.axvline(
            self.chosen, linewidth=0.8, linestyle=":", **look, **chosen
        )
        self.depth_ = self.point_ = None
        if n_clusters[0] <= self.chosen <= n_clusters[-1]:
            height = float(np.interp(self.chosen, n_clusters, cost))
            on_chord = float(np.interp(self.chosen, n_clusters[ends], cost[ends]))
            self.depth_ = ax.vlines(
                self.chosen, height, on_chord, linewidth=1.2, **look
            )
            properties = {"s": 55, "edgecolor": "white", "linewidth": 0.8}
            properties |= {"color": ORANGE, "zorder": 4}
            kind = "matplotlib.collections.PathCollection"
            self.point_ = ax.scatter(
                [self.chosen], [height], **style(properties | chosen, point_kw, kind)
            )
        ax.set(
            xlabel=f"Number of clusters{' (log scale)' if log else ''}",
            ylabel="Mean distance to cluster mean",
        )
        ax.spines[["top", "right"]].set_visible(False)
        legend_below(ax, [self.point_ or self.mark_, self.chord_])
        title_that_fits(ax, self._title(name))
        return self

    def _title(self, name):
        """Say which numbers of clusters there are."""
        first, last = self.n_clusters[0], self.n_clusters[-1]
        title = f"Cost of {counted(last, 'cluster')}"
        if first < last:
            title = f"Cost of {first:,} to {last:,} clusters"
        return title if name is None else f"{name}: {title[0].lower()}{title[1:]}"

    @classmethod
    def from_estimator(
        cls, estimator, *, ax=None, log=False, name=None, line_kw=None, point_kw=None
    ):
        """Draw the cost path of a fitted clusterer.

        Parameters
        ----------
        estimator : estimator instance
            Fitted clusterer with `cost_path_`, which holds the arrays `n_clusters` and
            `cost`, and with `n_clusters_`.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. None: a new figure.
        log : bool, default=False
            Whether the numbers of clusters stand on a logarithmic axis.
        name : str, default=None
            Name of the method, for the title. None: that of the estimator's class.
        line_kw : dict, default=None
            Properties of the line of the cost.
        point_kw : dict, default=None
            Properties of the point of the number chosen.

        Returns
        -------
        display : ClusterCostDisplay
            What was read and drawn.

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
        >>> from celltyping.plotting import ClusterCostDisplay
        >>> class Clusterer(BaseEstimator):
        ...     def fit(self, X):
        ...         self.cost_path_ = Bunch(n_clusters=[1, 2, 3], cost=[0.9, 0.4, 0.3])
        ...         self.n_clusters_ = 2
        ...         return self
        >>> display = ClusterCostDisplay.from_estimator(Clusterer().fit([[0.0]]))
        >>> display.chosen, display.cost.tolist()
        (2, [0.9, 0.4, 0.3])
        """
        caller = f"{cls.__name__}.from_estimator"
        pyplot(caller)
        check_is_fitted(estimator)
        path = getattr(estimator, "cost_path_", None)
        if path is None:
            raise TypeError(
                f"{caller} needs a fitted clusterer that has cost_path_, got "
                f"{type(estimator).__name__}"
            )
        return cls.from_path(
            path.n_clusters,
            path.cost,
            chosen=estimator.n_clusters_,
            ax=ax,
            log=log,
            name=type(estimator).__name__ if name is None else name,
            line_kw=line_kw,
            point_kw=point_kw,
        )

    @classmethod
    def from_path(
        cls,
        n_clusters,
        cost,
        *,
        chosen=None,
        ax=None,
        log=False,
        name=None,
        line_kw=None,
        point_kw=None,
    ):
        """Draw the cost of so many clusters.

        Parameters
        ----------
        n_clusters : array-like of shape (n_points,)
            Numbers of clusters: integers from 1 on, ascending.
        cost : array-like of shape (n_points,)
            The cost of so many clusters.
        chosen : int, default=None
            The number to mark. None: the elbow, the point farthest below the chord
            from the first point to the last one; of fewer than 3 points, the last one.
            It is measured on linear axes, whatever `log` is.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. None: a new figure.
        log : bool, default=False
            Whether the numbers of clusters stand on a logarithmic axis.
        name : str, default=None
            Name of the method, for the title.
        line_kw : dict, default=None
            Properties of the line of the cost.
        point_kw : dict, default=None
            Properties of the point of the number chosen.

        Returns
        -------
        display : ClusterCostDisplay
            What was computed and drawn.

        Raises
        ------
        ValueError
            If the numbers of clusters are no ascending integers, the costs are not as
            many finite numbers, or `chosen` is under 1.
        """
        pyplot(f"{cls.__name__}.from_path")
        n_clusters, cost = _checked_path(n_clusters, cost)
        if chosen is None:
            chosen = find_elbow(n_clusters, cost)
        if not isinstance(chosen, numbers.Integral) or chosen < 1:
            raise ValueError(
                f"chosen must be an integer of at least 1, or None, got {chosen!r}"
            )
        display = cls(n_clusters=n_clusters, cost=cost, chosen=int(chosen))
        return display.plot(
            ax=ax, log=log, name=name, line_kw=line_kw, point_kw=point_kw
        )


def _checked_path(n_clusters, cost):
    """Return both as arrays of their own, if they are a path."""
    n_clusters = np.array(n_clusters)
    cost = np.array(cost, dtype=float)
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
