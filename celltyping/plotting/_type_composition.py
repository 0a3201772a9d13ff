"""Histogram of the true types inside one predicted type."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np

from celltyping._utils._labels import encode_types, is_missing
from celltyping._utils._messages import list_names
from celltyping.plotting._base import (
    BLUE,
    GREY,
    ORANGE,
    _PredictionsDisplay,
    counted,
    percent,
    style,
    type_names,
)
from celltyping.plotting._checks import check_options, check_vectors, short
from celltyping.plotting._text import label_rows


class TypeCompositionDisplay(_PredictionsDisplay):
    """Histogram of the true types inside one predicted type.

    The predictions may also be clusters, with numbers unrelated to the names of the
    types. Use `from_estimator` or `from_predictions` to make a display. All parameters
    are stored as attributes.

    Parameters
    ----------
    predicted_type : str or int
        The predicted type, or the cluster.
    types : ndarray of shape (n_types,)
        The true types inside it, the most frequent first.
    counts : ndarray of shape (n_types,), dtype=int
        Number of neurons of each true type.
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
    |ax_|

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

    @check_options()
    def plot(self, *, ax=None, max_types=20, name=None, bar_kw=None):
        """Draw the display.

        Parameters
        ----------
        |ax|
        max_types : int, default=20
            Maximum number of types with a bar of their own; the rest share one.
        |name|
        bar_kw : dict, default=None
            Properties of the bars, see `matplotlib.patches.Rectangle`. Without a
            colour, the bar of the predicted type is blue, those of other types are
            orange, and that of the rest is grey.
        |Returns|
        """
        is_own = np.asarray(self.types[:max_types]) == self.predicted_type
        counts = list(self.counts[:max_types])
        names = type_names(self.types[:max_types])
        colors = np.where(is_own, BLUE, ORANGE).tolist()
        if len(self.types) > max_types:
            counts.append(int(np.sum(self.counts[max_types:])))
            names.append(f"({len(self.types) - max_types} more)")
            colors.append(GREY)
        height = float(np.clip(1.3 + 0.26 * len(names), 2.8, 12))
        ax = self._start(ax, (6.5, height))
        self.bars_ = ax.barh(
            range(len(names)),
            counts,
            **style({"color": colors}, bar_kw, "matplotlib.patches.Rectangle"),
        )
        total = np.sum(self.counts)
        self.texts_ = ax.bar_label(
            self.bars_,
            [f" {count:,} ({percent(count / total)})" for count in counts],
            fontsize="small",
        )
        ax.set_ylim(len(names) - 0.4, -0.6)  # the most frequent type on top
        ax.set_xlim(0, 1.18 * max(counts))  # with room for the numbers
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.set(xlabel="Neurons", ylabel="True type")
        ax.spines[["top", "right"]].set_visible(False)
        label_rows(ax, names)
        title = f"Predicted {type_names([self.predicted_type])[0]}: "
        title += f"{counted(total, 'neuron')} of known type"
        if self.n_unknown:
            title += f", {self.n_unknown:,} of unknown"
        self._finish(title, name)
        return self

    @classmethod
    @check_options("plot")
    def from_predictions(
        cls, y_true, y_pred, *, predicted_type, unlabeled_marker="auto", **plot_options
    ):
        """Draw the true types inside one predicted type.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True types; neurons of unknown type have no bar.
        y_pred : array-like of shape (n_samples,)
            Predicted types, or clusters.
        predicted_type : str or int
            The predicted type, or the cluster.
        |unlabeled_marker|
        |**plot_options|
        |Returns|
        """
        caller = f"{cls.__name__}.from_predictions"
        y_true, y_pred = check_vectors({"y_true": y_true, "y_pred": y_pred})
        classes, codes = encode_types(
            y_true, unlabeled_marker, caller=caller, min_types=1
        )
        inside = ~is_missing(y_pred)  # pandas.NA cannot be compared
        inside[inside] = [value == predicted_type for value in y_pred[inside].tolist()]
        y_pred = y_pred.tolist()
        if not inside.any():
            found = list_names(list(dict.fromkeys(y_pred)))
            raise ValueError(
                f"predicted_type must be one of the types predicted, {found}, got "
                f"{short(predicted_type)}"
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
        return cls(
            predicted_type=predicted_type,
            types=classes[ranked],
            counts=counts[ranked],
            n_unknown=n_unknown,
        ).plot(**plot_options)
