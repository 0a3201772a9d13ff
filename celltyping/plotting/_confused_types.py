"""Confusion matrix of the types with the most errors."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np

from celltyping._utils._labels import encode_pair
from celltyping.plotting._base import _PredictionsDisplay, seriate, type_names
from celltyping.plotting._checks import check_options, check_vectors, integer, one_of
from celltyping.plotting._matrix import (
    OTHERS,
    _MatrixDisplay,
    add_others,
    count_pairs,
    divide_by_sums,
    share_style,
)


class ConfusedTypesDisplay(_MatrixDisplay, _PredictionsDisplay):
    """Confusion matrix of the types with the most errors.

    A confusion matrix of all types is mostly empty. This one shows the types with the
    most errors, where a neuron that is given a wrong type is an error of both types. A
    last column and a last row stand for all other types, so that the counts add up. Use
    `from_estimator` or `from_predictions` to make a display. All parameters are stored
    as attributes.

    Parameters
    ----------
    types : ndarray of shape (n_types,)
        The types shown, in the order of rows and columns.
    confusion_matrix : ndarray of shape (n_types, n_types), dtype=int
        Number of neurons of each true type (rows) with each predicted type (columns).
    n_to_others : ndarray of shape (n_types,), dtype=int, default=None
        Number of neurons of each true type whose predicted type is unknown or not
        shown. None: zeros.
    n_from_others : ndarray of shape (n_types,), dtype=int, default=None
        Number of neurons with each predicted type whose true type is not shown. None:
        zeros.
    n_types_in_all : int, default=None
        Number of types before the selection. None: that of `types`.

    Attributes
    ----------
    image_ : matplotlib.image.AxesImage
        The coloured cells.
    |colorbar_|
    |texts_|
    |ax_|

    See Also
    --------
    sklearn.metrics.ConfusionMatrixDisplay : A confusion matrix of all classes.
    TypeCompositionDisplay : The true types inside one predicted type.

    Examples
    --------
    >>> from celltyping.plotting import ConfusedTypesDisplay
    >>> y_true = ["KC", "KC", "PN", "PN", "LHN", "LHN", "?"]
    >>> y_pred = ["KC", "PN", "KC", "PN", "LHN", "PN", "KC"]
    >>> display = ConfusedTypesDisplay.from_predictions(y_true, y_pred, max_types=2)
    >>> display.types.tolist()
    ['KC', 'PN']
    >>> display.confusion_matrix
    array([[1, 1],
           [1, 1]])
    >>> display.n_from_others
    array([0, 1])
    """

    _rules = {
        "max_types": integer(2),
        "normalize": one_of("true", "pred"),
    }

    def __init__(
        self,
        *,
        types,
        confusion_matrix,
        n_to_others=None,
        n_from_others=None,
        n_types_in_all=None,
    ):
        self.types = types
        self.confusion_matrix = confusion_matrix
        self.n_to_others = n_to_others
        self.n_from_others = n_from_others
        self.n_types_in_all = n_types_in_all

    @check_options()
    def plot(
        self,
        *,
        ax=None,
        normalize="true",
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
        normalize : {"true", "pred"}, default="true"
            Whole of the shares that the colours show: the neurons of the row's true
            type, or those of the column's predicted type.
        |include_values|
        cmap : str or matplotlib.colors.Colormap, default="Blues"
            Colour map of the cells.
        |colorbar|
        |name|
        |im_kw|
        |text_kw|
        |Returns|
        """
        names, n_types = type_names(self.types), len(self.types)
        counts, rows, columns = add_others(
            self.confusion_matrix,
            names,
            names,
            {OTHERS: self.n_to_others},
            self.n_from_others,
        )
        side = float(np.clip(2.6 + 0.3 * len(columns), 4.5, 14))
        ax = self._start(ax, (side + 0.8 * colorbar, side))
        shares = divide_by_sums(counts, 1 if normalize == "true" else 0)
        # The other types have no share, as their total is unknown.
        if normalize == "true":
            shares[n_types:] = 0
        else:
            shares[:, n_types:] = 0
        ax.set(xlabel="Predicted type", ylabel="True type")
        whole = {"true": "true type's", "pred": "predicted type's"}[normalize]
        look = {"label": f"Share of the {whole} samples"}
        im_kw, shown = share_style(cmap, im_kw), (n_types, n_types)
        self._draw_matrix(shares, rows, columns, im_kw, colorbar and look, shown)
        n_all = self.n_types_in_all or n_types
        title = f"Confusion of all {n_all} types"
        if n_types < n_all:
            title = f"The {n_types} most confused of {n_all} types"
        self._finish(title, name)
        self.texts_ = self._write_counts(counts, text_kw) if include_values else []
        return self

    @classmethod
    @check_options("plot")
    def from_predictions(
        cls, y_true, y_pred, *, max_types=15, unlabeled_marker="auto", **plot_options
    ):
        """Draw the types that are confused most.

        Parameters
        ----------
        |y_true|
        |y_pred|
        max_types : int, default=15
            Maximum number of types shown, at least 2.
        unlabeled_marker : "auto", scalar or list of scalars, default="auto"
            Markers of unknown types, beside "?", None, NaN and blank strings. "auto":
            -1 among integers. None: of clusters, noise (-1) is a row and a column of
            its own.
        |**plot_options|
        |Returns|
        """
        caller = f"{cls.__name__}.from_predictions"
        y_true, y_pred = check_vectors({"y_true": y_true, "y_pred": y_pred})
        types, true, pred = encode_pair(y_true, y_pred, unlabeled_marker, caller=caller)
        table = count_pairs(true, pred, len(types), len(types))
        n_true = np.bincount(true, minlength=len(types))
        n_pred = np.bincount(pred[pred >= 0], minlength=len(types))
        n_errors = n_true + n_pred - 2 * table.diagonal()
        occurring = np.flatnonzero(n_true + n_pred > 0)
        # The largest type first among those with as many errors.
        rank = np.lexsort((-n_true[occurring], -n_errors[occurring]))
        shown = np.sort(occurring[rank[:max_types]])
        confusion = table[shown][:, shown].toarray()
        order = seriate(confusion + confusion.T)
        shown, confusion = shown[order], confusion[order][:, order]
        return cls(
            types=types[shown],
            confusion_matrix=confusion,
            n_to_others=n_true[shown] - confusion.sum(axis=1),
            n_from_others=n_pred[shown] - confusion.sum(axis=0),
            n_types_in_all=len(occurring),
        ).plot(**plot_options)
