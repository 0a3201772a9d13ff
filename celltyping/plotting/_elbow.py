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
    counted,
    get_fitted,
    name_after,
    style,
)
from celltyping.plotting._checks import (
    FLAG,
    as_floats,
    check_options,
    check_vectors,
    short,
)
from celltyping.plotting._text import legend_below, plain_log_ticks

# Number of pieces of the chord, which is a curve on a logarithmic axis.
CHORD_PIECES = 200

# Larger integers are not exact in float64.
MOST_CLUSTERS = 2**53


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
    |ax_|

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

    _rules = {"log": FLAG}

    def __init__(self, *, n_clusters, cost, chosen):
        self.n_clusters = n_clusters
        self.cost = cost
        self.chosen = chosen

    @check_options()
    def plot(self, *, ax=None, log=False, name=None, line_kw=None, point_kw=None):
        """Draw the display.

        Parameters
        ----------
        |ax|
        log : bool, default=False
            Whether the axis of the number of clusters is logarithmic. The chord, which
            is straight on a linear axis, is a curve there.
        |name|
        line_kw : dict, default=None
            Properties of the line of the cost, see `matplotlib.lines.Line2D`.
        point_kw : dict, default=None
            Properties of the point of the number chosen, see
            `matplotlib.axes.Axes.scatter`.
        |Returns|
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
    @check_options("plot")
    def from_estimator(cls, estimator, **plot_options):
        """Draw the cost path of a fitted clusterer.

        Parameters
        ----------
        estimator : estimator instance
            Fitted clusterer with `cost_path_`, which holds the arrays `n_clusters` and
            `cost`, and with `n_clusters_`.
        |**plot_options|
        |Returns|
        """
        path = get_fitted(estimator, "cost_path_", f"{cls.__name__}.from_estimator")
        options = name_after(plot_options, estimator)
        return cls.from_path(
            path.n_clusters, path.cost, chosen=estimator.n_clusters_, **options
        )

    @classmethod
    @check_options("plot")
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
        |**plot_options|
        |Returns|
        """
        n_clusters, cost = _check_path(n_clusters, cost)
        chosen = int(chosen or find_elbow(n_clusters, cost))
        return cls(n_clusters=n_clusters, cost=cost, chosen=chosen).plot(**plot_options)


def _check_path(n_clusters, cost):
    """Return copies of both as arrays, if they are a path."""
    numbers, cost = check_vectors({"n_clusters": n_clusters, "cost": cost})
    ascending = numbers.dtype.kind in "iu" and (numbers[1:] > numbers[:-1]).all()
    if not ascending or numbers[0] < 1 or numbers[-1] > MOST_CLUSTERS:
        raise ValueError(
            f"n_clusters must be ascending integers from 1 to {MOST_CLUSTERS:,}, got "
            f"{short(n_clusters)}"
        )
    cost = as_floats(cost, "cost", "as a path")
    if np.isnan(cost).any():
        raise ValueError("cost holds NaN: pass a number for each entry of n_clusters")
    return numbers.astype(np.int64), cost
