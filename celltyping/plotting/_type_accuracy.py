"""Accuracy within each type against the size of the type."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numbers

import numpy as np
from scipy.stats import norm

from celltyping.metrics import type_report
from celltyping.plotting._common import (
    BLUE,
    GREY,
    counted,
    figure_and_axes,
    predict_types,
    pyplot,
    style,
    type_names,
)
from celltyping.plotting._text import (
    legend_below,
    name_points,
    plain_log_ticks,
    title_that_fits,
)


class TypeAccuracyDisplay:
    """Accuracy within each type against the number of its neurons.

    Small types are harder: they have few seeds, and an accuracy over all neurons hides
    them. Use `from_estimator` or `from_predictions` to make a display. All parameters
    are stored as attributes.

    Parameters
    ----------
    types : ndarray of shape (n_types,)
        The types.
    n_neurons : ndarray of shape (n_types,), dtype=int
        Number of judged neurons that are of the type.
    n_correct : ndarray of shape (n_types,), dtype=int
        Number of them that were given their type.

    Attributes
    ----------
    accuracy : ndarray of shape (n_types,)
        Accuracy within each type, its recall.
    overall_accuracy : float
        Accuracy over all neurons.
    mean_accuracy : float
        Mean over the types, each of which counts the same (balanced accuracy).
    points_ : matplotlib.collections.PathCollection
        The points, one per type.
    intervals_ : matplotlib.collections.LineCollection or None
        The confidence intervals.
    lines_ : list of matplotlib.lines.Line2D
        The lines of the accuracy over all neurons and of the mean over types.
    names_ : list of matplotlib.text.Annotation
        The names beside points.
    ax_ : matplotlib.axes.Axes
        Axes with the plot.
    figure_ : matplotlib.figure.Figure
        Figure that holds the axes.

    See Also
    --------
    celltyping.metrics.type_report : The same as a table.
    ConfusedTypesDisplay : Which types are taken for which.

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
        """Mean of the types' accuracies."""
        return float(np.mean(self.accuracy))

    def plot(
        self,
        *,
        ax=None,
        n_names=10,
        confidence=0.95,
        name=None,
        point_kw=None,
        line_kw=None,
    ):
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. None: a new figure.
        n_names : int, default=10
            How many types are named, those with the most errors first.
        confidence : float or None, default=0.95
            Level of the confidence interval (Wilson's) that is drawn for each type.
            None: no intervals.
        name : str, default=None
            Name of the method, for the title.
        point_kw : dict, default=None
            Properties of the points, see `matplotlib.axes.Axes.scatter`.
        line_kw : dict, default=None
            Properties of the two lines, see `matplotlib.lines.Line2D`.

        Returns
        -------
        display : TypeAccuracyDisplay
            The display itself.

        Raises
        ------
        ValueError
            If `n_names` is negative or `confidence` is not between 0 and 1.
        """
        if not isinstance(n_names, numbers.Integral) or n_names < 0:
            raise ValueError(
                f"n_names must be an integer of at least 0, got {n_names!r}"
            )
        if confidence is not None and not 0 < confidence < 1:
            raise ValueError(
                f"confidence must be between 0 and 1, or None, got {confidence!r}"
            )
        self.figure_, ax = figure_and_axes(ax, "TypeAccuracyDisplay", (7.5, 5))
        self.ax_ = ax
        sizes = _spread(self.n_neurons, self.accuracy)
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
            self.intervals_.set_label(f"{confidence:.0%} interval of a type")
        properties = {"s": 30, "color": BLUE, "edgecolor": "white", "linewidth": 0.5}
        self.points_ = ax.scatter(
            sizes,
            self.accuracy,
            **style(
                properties | {"zorder": 3},
                point_kw,
                "matplotlib.collections.PathCollection",
            ),
        )
        properties = {"color": "0.15", "linewidth": 1.2, "zorder": 2}
        properties = style(properties, line_kw, "matplotlib.lines.Line2D")
        self.lines_ = [
            ax.axhline(
                self.overall_accuracy,
                label=f"all neurons {self.overall_accuracy:.3f}",
                **properties,
            ),
            ax.axhline(
                self.mean_accuracy,
                label=f"mean over types {self.mean_accuracy:.3f}",
                **({"linestyle": (0, (4, 3))} | properties),
            ),
        ]
        ax.set(
            xlabel="Judged neurons of the type (log scale)",
            ylabel="Accuracy within the type",
        )
        ax.spines[["top", "right"]].set_visible(False)
        legend_below(ax, [*self.lines_, self.intervals_])
        title_that_fits(ax, self._title(name))
        errors = np.asarray(self.n_neurons) - np.asarray(self.n_correct)
        worst = np.argsort(-errors, kind="stable")[:n_names]
        self.names_ = name_points(
            ax,
            sizes,
            self.accuracy,
            type_names(self.types),
            worst,
            levels=(self.overall_accuracy, self.mean_accuracy),
        )
        return self

    def _title(self, name):
        """Say how much is shown."""
        neurons = counted(np.sum(self.n_neurons), "judged neuron")
        title = f"{counted(len(self.types), 'type')}, {neurons}"
        return title if name is None else f"{name}: {title}"

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        *,
        unlabeled_marker="auto",
        ax=None,
        n_names=10,
        confidence=0.95,
        name=None,
        point_kw=None,
        line_kw=None,
    ):
        """Judge a fitted classifier type by type, and draw it.

        Parameters
        ----------
        estimator : estimator instance
            Fitted classifier, or a pipeline that ends in one.
        X : {Connectome, array-like, sparse matrix} of shape (n_samples, n_features)
            What it predicts for: neurons that it was not trained on.
        y : array-like of shape (n_samples,)
            True types; neurons of unknown type are left out.
        unlabeled_marker : "auto" or scalar, default="auto"
            What means unknown in `y`. By default "?", None and NaN among strings, -1
            among integers.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. None: a new figure.
        n_names : int, default=10
            How many types are named, those with the most errors first.
        confidence : float or None, default=0.95
            Level of the confidence interval that is drawn for each type. None: no
            intervals.
        name : str, default=None
            Name of the method, for the title. None: that of the estimator's class.
        point_kw : dict, default=None
            Properties of the points.
        line_kw : dict, default=None
            Properties of the two lines.

        Returns
        -------
        display : TypeAccuracyDisplay
            What was computed and drawn.

        Examples
        --------
        >>> from sklearn.neighbors import KNeighborsClassifier
        >>> from celltyping.plotting import TypeAccuracyDisplay
        >>> X, y = [[0.0], [1.0], [5.0], [6.0]], ["KC", "KC", "PN", "?"]
        >>> knn = KNeighborsClassifier(n_neighbors=1).fit(X[:3], y[:3])
        >>> TypeAccuracyDisplay.from_estimator(knn, X, y).overall_accuracy
        1.0
        """
        caller = f"{cls.__name__}.from_estimator"
        pyplot(caller)
        return cls.from_predictions(
            y,
            predict_types(estimator, X, y, caller),
            unlabeled_marker=unlabeled_marker,
            ax=ax,
            n_names=n_names,
            confidence=confidence,
            name=type(estimator).__name__ if name is None else name,
            point_kw=point_kw,
            line_kw=line_kw,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true,
        y_pred,
        *,
        unlabeled_marker="auto",
        ax=None,
        n_names=10,
        confidence=0.95,
        name=None,
        point_kw=None,
        line_kw=None,
    ):
        """Judge predictions type by type, and draw it.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True types; neurons of unknown type are left out.
        y_pred : array-like of shape (n_samples,)
            Predicted types.
        unlabeled_marker : "auto" or scalar, default="auto"
            What means unknown. By default "?", None and NaN among strings, -1 among
            integers.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. None: a new figure.
        n_names : int, default=10
            How many types are named, those with the most errors first.
        confidence : float or None, default=0.95
            Level of the confidence interval that is drawn for each type. None: no
            intervals.
        name : str, default=None
            Name of the method, for the title.
        point_kw : dict, default=None
            Properties of the points.
        line_kw : dict, default=None
            Properties of the two lines.

        Returns
        -------
        display : TypeAccuracyDisplay
            What was computed and drawn.
        """
        pyplot(f"{cls.__name__}.from_predictions")
        report = type_report(y_true, y_pred, unlabeled_marker=unlabeled_marker)
        there = report.n_true > 0  # a type that is only predicted has no accuracy
        display = cls(
            types=report.type[there],
            n_neurons=report.n_true[there],
            n_correct=report.n_correct[there],
        )
        return display.plot(
            ax=ax,
            n_names=n_names,
            confidence=confidence,
            name=name,
            point_kw=point_kw,
            line_kw=line_kw,
        )


def _wilson_interval(n_correct, n_neurons, confidence):
    """Return the ends of Wilson's interval for a share; good for few neurons too."""
    n = np.asarray(n_neurons, dtype=float)
    share = np.asarray(n_correct) / n
    z = norm.ppf((1 + confidence) / 2)
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)


def _spread(sizes, accuracy):
    """Move types of the same size and accuracy apart sideways, by 6 % a step."""
    spread = np.asarray(sizes, dtype=float).copy()
    _, group = np.unique(
        np.column_stack([sizes, accuracy]), axis=0, return_inverse=True
    )
    group = group.ravel()
    for one in np.flatnonzero(np.bincount(group) > 1):
        members = np.flatnonzero(group == one)
        steps = np.arange(len(members)) - (len(members) - 1) / 2
        spread[members] *= 1.06**steps
    return spread
