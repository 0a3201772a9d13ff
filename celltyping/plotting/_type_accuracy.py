"""Accuracy within each type against the size of the type."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
from scipy.stats import norm

from celltyping.metrics import type_report
from celltyping.plotting._base import (
    BLUE,
    GREY,
    _PredictionsDisplay,
    counted,
    style,
    type_names,
)
from celltyping.plotting._checks import check_options, check_vectors, number, optional
from celltyping.plotting._text import legend_below, name_points, plain_log_ticks


class TypeAccuracyDisplay(_PredictionsDisplay):
    """Accuracy within each type against the number of its neurons.

    Small types have few seeds, and an accuracy over all neurons hides them. Use
    `from_estimator` or `from_predictions` to make a display. All parameters are stored
    as attributes.

    Parameters
    ----------
    types : ndarray of shape (n_types,)
        The types.
    n_neurons : ndarray of shape (n_types,), dtype=int
        Number of judged neurons of each type.
    n_correct : ndarray of shape (n_types,), dtype=int
        Number of them whose predicted type is right.

    Attributes
    ----------
    accuracy : ndarray of shape (n_types,)
        Accuracy within each type, its recall.
    overall_accuracy : float
        Accuracy over all neurons.
    mean_accuracy : float
        Unweighted mean over the types (balanced accuracy).
    points_ : matplotlib.collections.PathCollection
        The types.
    intervals_ : matplotlib.collections.LineCollection or None
        The confidence intervals.
    lines_ : list of matplotlib.lines.Line2D
        The lines of the accuracy over all neurons and of the mean over types.
    names_ : list of matplotlib.text.Annotation
        The names beside points.
    |ax_|

    See Also
    --------
    celltyping.metrics.type_report : The same as a table.
    ConfusedTypesDisplay : Confusion matrix of the types with the most errors.

    Examples
    --------
    >>> from celltyping.plotting import TypeAccuracyDisplay
    >>> display = TypeAccuracyDisplay.from_predictions(
    ...     ["KC", "KC", "KC", "PN", "PN", "?"], ["KC", "KC", "PN", "PN", "KC", "KC"]
    ... )
    >>> display.types.tolist(), display.accuracy.round(2).tolist()
    (['KC', 'PN'], [0.67, 0.5])
    >>> display.overall_accuracy
    0.6
    """

    _rules = {"confidence": optional(number(lambda x: 0 < x < 1, "between 0 and 1"))}

    def __init__(self, *, types, n_neurons, n_correct):
        self.types = types
        self.n_neurons = n_neurons
        self.n_correct = n_correct

    @property
    def accuracy(self):
        """Accuracy within each type."""
        return np.asarray(self.n_correct) / np.asarray(self.n_neurons)

    @property
    def overall_accuracy(self):
        """Accuracy over all neurons."""
        return float(np.sum(self.n_correct) / np.sum(self.n_neurons))

    @property
    def mean_accuracy(self):
        """Unweighted mean over the types."""
        return float(np.mean(self.accuracy))

    @check_options()
    def plot(
        self,
        *,
        ax=None,
        max_names=10,
        confidence=0.95,
        name=None,
        point_kw=None,
        line_kw=None,
    ):
        """Draw the display.

        Parameters
        ----------
        |ax|
        max_names : int, default=10
            Maximum number of types that are named, those with the most errors.
        confidence : float or None, default=0.95
            Level of the confidence interval (Wilson's) that is drawn for each type.
            None: no intervals.
        |name|
        point_kw : dict, default=None
            Properties of the points, see `matplotlib.axes.Axes.scatter`.
        line_kw : dict, default=None
            Properties of the two lines, see `matplotlib.lines.Line2D`.
        |Returns|
        """
        ax = self._start(ax, (7.5, 5))
        accuracy, levels = self.accuracy, (self.overall_accuracy, self.mean_accuracy)
        sizes = _spread_ties(self.n_neurons, accuracy)
        ax.set_xscale("log")
        ax.set_xlim(min(sizes.min() * 0.8, 0.9), sizes.max() * 1.4)
        ax.set_ylim(-0.05, 1.05)
        plain_log_ticks(ax.xaxis)

        self.intervals_ = None
        if confidence is not None:
            low, high = _wilson_interval(self.n_correct, self.n_neurons, confidence)
            self.intervals_ = ax.vlines(
                sizes, low, high, color=GREY, alpha=0.3, linewidth=1, zorder=1
            )
            self.intervals_.set_label(f"{100 * confidence:g} % interval of a type")
        look = {"s": 30, "color": BLUE, "edgecolor": "white", "linewidth": 0.5}
        look = style(
            look | {"zorder": 3}, point_kw, "matplotlib.collections.PathCollection"
        )
        self.points_ = ax.scatter(sizes, accuracy, **look)
        self.lines_ = []
        for level, what, line in zip(
            levels, ("all neurons", "mean over types"), ("-", (0, (4, 3))), strict=True
        ):
            look = {"color": "0.15", "linewidth": 1.2, "zorder": 2, "linestyle": line}
            look["label"] = f"{what} {level:.3f}"
            look = style(look, line_kw, "matplotlib.lines.Line2D")
            self.lines_.append(ax.axhline(level, **look))
        ax.set(
            xlabel="Judged neurons of the type (log scale)",
            ylabel="Accuracy within the type",
        )
        ax.spines[["top", "right"]].set_visible(False)
        legend_below(ax, [*self.lines_, self.intervals_])
        neurons = counted(np.sum(self.n_neurons), "judged neuron")
        self._finish(f"{counted(len(self.types), 'type')}, {neurons}", name)
        n_errors = np.asarray(self.n_neurons) - np.asarray(self.n_correct)
        worst = np.argsort(-n_errors, kind="stable")[:max_names]
        names = type_names(self.types)
        self.names_ = name_points(ax, sizes, accuracy, names, worst, levels=levels)
        return self

    @classmethod
    @check_options("plot")
    def from_predictions(
        cls, y_true, y_pred, *, unlabeled_marker="auto", **plot_options
    ):
        """Draw the accuracy of predictions within each type.

        Parameters
        ----------
        |y_true|
        |y_pred|
        |unlabeled_marker|
        |**plot_options|
        |Returns|
        """
        y_true, y_pred = check_vectors({"y_true": y_true, "y_pred": y_pred})
        report = type_report(y_true, y_pred, unlabeled_marker=unlabeled_marker)
        occurs = report.n_true > 0  # a type that is only predicted has no accuracy
        return cls(
            types=report.type[occurs],
            n_neurons=report.n_true[occurs],
            n_correct=report.n_correct[occurs],
        ).plot(**plot_options)


def _wilson_interval(n_correct, n_neurons, confidence):
    """Return the ends of Wilson's intervals for shares; good for few neurons too."""
    n = np.asarray(n_neurons, dtype=float)
    share = np.asarray(n_correct) / n
    z = norm.isf((1 - confidence) / 2)
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)


def _spread_ties(sizes, accuracy):
    """Move types of the same size and accuracy apart sideways, by 6 % a step."""
    spread = np.asarray(sizes, dtype=float).copy()
    points = np.column_stack([sizes, accuracy])
    _, group = np.unique(points, axis=0, return_inverse=True)
    group = group.ravel()
    for code in np.flatnonzero(np.bincount(group) > 1):
        members = np.flatnonzero(group == code)
        spread[members] *= 1.06 ** (np.arange(len(members)) - (len(members) - 1) / 2)
    return spread
