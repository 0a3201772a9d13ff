"""Histogram of the true types inside one predicted type."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numbers

import numpy as np
from sklearn.utils import check_consistent_length, column_or_1d

from celltyping._utils._labels import as_array, encode_types
from celltyping.plotting._common import (
    BLUE,
    GREY,
    ORANGE,
    counted,
    figure_and_axes,
    predict_types,
    pyplot,
    style,
    type_names,
)
from celltyping.plotting._text import label_rows, title_that_fits


class TypeCompositionDisplay:
    """Histogram of the true types inside one predicted type.

    The predictions may also be clusters, whose numbers have nothing to do with the
    names of the types. Use `from_estimator` or `from_predictions` to make a display.
    All parameters are stored as attributes.

    Parameters
    ----------
    predicted_type : str or int
        The predicted type, or the cluster.
    types : ndarray of shape (n_types,)
        The true types inside it, the most frequent first.
    counts : ndarray of shape (n_types,), dtype=int
        Number of neurons of each.
    n_unknown : int, default=0
        Number of neurons inside it whose true type is unknown; they have no bar.

    Attributes
    ----------
    purity : float
        Share of the most frequent true type among the neurons of known type.
    bars_ : matplotlib.container.BarContainer
        The bars.
    texts_ : list of matplotlib.text.Text
        The numbers at the ends of the bars.
    ax_ : matplotlib.axes.Axes
        Axes with the plot.
    figure_ : matplotlib.figure.Figure
        Figure that holds the axes.

    See Also
    --------
    ConfusedTypesDisplay : The same for the most confused types, in a matrix.

    Examples
    --------
    >>> from celltyping.plotting import TypeCompositionDisplay
    >>> display = TypeCompositionDisplay.from_predictions(
    ...     ["KC", "PN", "KC", "?", "PN"],
    ...     ["KC", "KC", "KC", "KC", "PN"],
    ...     predicted_type="KC",
    ... )
    >>> display.types.tolist(), display.counts.tolist(), display.n_unknown
    (['KC', 'PN'], [2, 1], 1)
    >>> round(display.purity, 2)
    0.67
    """

    def __init__(self, *, predicted_type, types, counts, n_unknown=0):
        self.predicted_type = predicted_type
        self.types = types
        self.counts = counts
        self.n_unknown = n_unknown

    @property
    def purity(self):
        """Share of the most frequent true type."""
        return float(np.max(self.counts) / np.sum(self.counts))

    def plot(self, *, ax=None, max_types=20, name=None, bar_kw=None):
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. None: a new figure.
        max_types : int, default=20
            At most so many types have a bar of their own; the rest share one.
        name : str, default=None
            Name of the method, for the title.
        bar_kw : dict, default=None
            Properties of the bars, see `matplotlib.patches.Rectangle`. Without a
            colour, the bar of the predicted type itself is blue, others are orange, and
            the bar of the rest is grey.

        Returns
        -------
        display : TypeCompositionDisplay
            The display itself.

        Raises
        ------
        ValueError
            If `max_types` is under 1.
        """
        if not isinstance(max_types, numbers.Integral) or max_types < 1:
            raise ValueError(
                f"max_types must be an integer of at least 1, got {max_types!r}"
            )
        own = np.asarray(self.types[:max_types]) == self.predicted_type
        counts = list(self.counts[:max_types])
        names = type_names(self.types[:max_types])
        colors = [BLUE if is_own else ORANGE for is_own in own]
        if len(self.types) > max_types:
            counts.append(int(np.sum(self.counts[max_types:])))
            names.append(f"({len(self.types) - max_types} more)")
            colors.append(GREY)
        figsize = (6.5, float(np.clip(1.3 + 0.26 * len(names), 2.8, 12)))
        self.figure_, ax = figure_and_axes(ax, "TypeCompositionDisplay", figsize)
        self.ax_ = ax
        self.bars_ = ax.barh(
            range(len(names)),
            counts,
            **style({"color": colors}, bar_kw, "matplotlib.patches.Rectangle"),
        )
        total = np.sum(self.counts)
        self.texts_ = ax.bar_label(
            self.bars_,
            [f" {count:,} ({_percent(count / total)})" for count in counts],
            fontsize="small",
        )
        ax.set_ylim(len(names) - 0.4, -0.6)  # the most frequent type on top
        ax.set_xlim(0, 1.18 * max(counts))  # with room for the numbers
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.set(xlabel="Neurons", ylabel="True type")
        ax.spines[["top", "right"]].set_visible(False)
        label_rows(ax, names)
        title_that_fits(ax, self._title(name))
        return self

    def _title(self, name):
        """Say what is inside which type."""
        title = f"Predicted {type_names([self.predicted_type])[0]}: "
        title += f"{counted(np.sum(self.counts), 'neuron')} of known type"
        if self.n_unknown:
            title += f", {self.n_unknown:,} of unknown"
        return title if name is None else f"{name}: {title[0].lower()}{title[1:]}"

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        *,
        predicted_type,
        unlabeled_marker="auto",
        ax=None,
        max_types=20,
        name=None,
        bar_kw=None,
    ):
        """Count the true types inside a type that a fitted estimator predicts.

        Parameters
        ----------
        estimator : estimator instance
            Fitted classifier or clusterer, or a pipeline that ends in one.
        X : {Connectome, array-like, sparse matrix} of shape (n_samples, n_features)
            What it predicts for.
        y : array-like of shape (n_samples,)
            True types; neurons of unknown type have no bar.
        predicted_type : str or int
            The predicted type, or the cluster, to look into.
        unlabeled_marker : "auto" or scalar, default="auto"
            What means unknown in `y`. By default "?", None and NaN among strings, -1
            among integers.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. None: a new figure.
        max_types : int, default=20
            At most so many types have a bar of their own; the rest share one.
        name : str, default=None
            Name of the method, for the title. None: that of the estimator's class.
        bar_kw : dict, default=None
            Properties of the bars.

        Returns
        -------
        display : TypeCompositionDisplay
            What was computed and drawn.

        Examples
        --------
        >>> from sklearn.cluster import KMeans
        >>> from celltyping.plotting import TypeCompositionDisplay
        >>> X, y = [[0.0], [0.1], [5.0], [5.1]], ["KC", "KC", "PN", "?"]
        >>> clusterer = KMeans(n_clusters=2, random_state=0).fit(X)
        >>> display = TypeCompositionDisplay.from_estimator(
        ...     clusterer, X, y, predicted_type=clusterer.labels_[0]
        ... )
        >>> display.types.tolist(), display.counts.tolist()
        (['KC'], [2])
        """
        caller = f"{cls.__name__}.from_estimator"
        pyplot(caller)
        return cls.from_predictions(
            y,
            predict_types(estimator, X, y, caller),
            predicted_type=predicted_type,
            unlabeled_marker=unlabeled_marker,
            ax=ax,
            max_types=max_types,
            name=type(estimator).__name__ if name is None else name,
            bar_kw=bar_kw,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true,
        y_pred,
        *,
        predicted_type,
        unlabeled_marker="auto",
        ax=None,
        max_types=20,
        name=None,
        bar_kw=None,
    ):
        """Count the true types inside one predicted type.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True types; neurons of unknown type have no bar.
        y_pred : array-like of shape (n_samples,)
            Predicted types, or clusters.
        predicted_type : str or int
            The predicted type, or the cluster, to look into.
        unlabeled_marker : "auto" or scalar, default="auto"
            What means unknown in `y_true`. By default "?", None and NaN among strings,
            -1 among integers.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. None: a new figure.
        max_types : int, default=20
            At most so many types have a bar of their own; the rest share one.
        name : str, default=None
            Name of the method, for the title.
        bar_kw : dict, default=None
            Properties of the bars.

        Returns
        -------
        display : TypeCompositionDisplay
            What was computed and drawn.

        Raises
        ------
        ValueError
            If the lengths differ, nothing is predicted to be of that type, or no neuron
            inside it has a known type.
        """
        caller = f"{cls.__name__}.from_predictions"
        pyplot(caller)
        check_consistent_length(y_true, y_pred)
        classes, codes = encode_types(
            y_true, unlabeled_marker, caller=caller, min_types=1
        )
        y_pred = column_or_1d(as_array(y_pred))
        inside = np.fromiter(
            (value == predicted_type for value in y_pred), dtype=bool, count=len(y_pred)
        )
        if not inside.any():
            raise ValueError(
                f"nothing is predicted to be of type {predicted_type!r}; there are "
                f"{_some(y_pred)}"
            )
        known = codes[inside & (codes >= 0)]
        n_unknown = int(inside.sum()) - len(known)
        if len(known) == 0:
            raise ValueError(
                f"all {n_unknown} neurons predicted to be of type {predicted_type!r} "
                "are of unknown true type: there is nothing to count"
            )
        counts = np.bincount(known, minlength=len(classes))
        ranked = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
        display = cls(
            predicted_type=predicted_type,
            types=classes[ranked],
            counts=counts[ranked],
            n_unknown=n_unknown,
        )
        return display.plot(ax=ax, max_types=max_types, name=name, bar_kw=bar_kw)


def _percent(share):
    """Write a share that is not 0."""
    return "<1%" if share < 0.005 else f"{share:.0%}"


def _some(values):
    """List some of the values that occur, for a message."""
    names = list(dict.fromkeys(values.tolist()))
    more = f", ... ({len(names)} types)" if len(names) > 5 else ""
    return ", ".join(map(repr, names[:5])) + more
