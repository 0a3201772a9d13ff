"""Confusion matrix of the types that are confused most."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numbers

import numpy as np
from scipy import sparse

from celltyping._utils._labels import encode_pair
from celltyping.plotting._common import (
    figure_and_axes,
    order_by_likeness,
    predict_types,
    pyplot,
    type_names,
)
from celltyping.plotting._text import axes_size, label_cells, title_that_fits

OTHERS = "(others)"


class ConfusedTypesDisplay:
    """Confusion matrix of the types that are confused most.

    A matrix of all types is mostly empty. This one has the types with the most errors,
    where a neuron that is given a wrong type is an error of both types. A last column
    and a last row stand for all other types, so that the numbers add up. Use
    `from_estimator` or `from_predictions` to make a display. All parameters are stored
    as attributes.

    Parameters
    ----------
    types : ndarray of shape (n_types,)
        The types shown, in the order of rows and columns.
    confusion_matrix : ndarray of shape (n_types, n_types), dtype=int
        ``confusion_matrix[i, j]`` neurons of type i were given type j.
    n_to_others : ndarray of shape (n_types,), dtype=int, default=None
        Number of neurons of each type that were given a type that is not shown, or
        none. None: zeros.
    n_from_others : ndarray of shape (n_types,), dtype=int, default=None
        Number of neurons of types not shown that were given each type. None: zeros.
    n_types_in_all : int, default=None
        Number of types before the choice. None: that of `types`.

    Attributes
    ----------
    image_ : matplotlib.image.AxesImage
        The coloured cells.
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
    sklearn.metrics.ConfusionMatrixDisplay : A confusion matrix of all classes.
    TypeCompositionDisplay : The true types inside one predicted type.

    Examples
    --------
    >>> from celltyping.plotting import ConfusedTypesDisplay
    >>> y_true = ["KC", "KC", "PN", "PN", "LHN", "LHN", "?"]
    >>> y_pred = ["KC", "PN", "KC", "PN", "LHN", "PN", "KC"]
    >>> display = ConfusedTypesDisplay.from_predictions(y_true, y_pred, n_types=2)
    >>> display.types.tolist()
    ['KC', 'PN']
    >>> display.confusion_matrix
    array([[1, 1],
           [1, 1]])
    >>> display.n_from_others
    array([0, 1])
    """

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

    def plot(
        self,
        *,
        ax=None,
        normalize="true",
        include_values=True,
        cmap="Blues",
        colorbar=True,
        name=None,
    ):
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. None: a new figure.
        normalize : {"true", "pred"}, default="true"
            What a colour is the share of: "true", of the neurons of the row's type;
            "pred", of the neurons that were given the column's type.
        include_values : bool, default=True
            Whether to write the numbers of neurons into the cells.
        cmap : str or matplotlib.colors.Colormap, default="Blues"
            Colours.
        colorbar : bool, default=True
            Whether to draw a colour bar.
        name : str, default=None
            Name of the method, for the title.

        Returns
        -------
        display : ConfusedTypesDisplay
            The display itself.

        Raises
        ------
        ValueError
            If `normalize` is something else.
        """
        if normalize not in ("true", "pred"):
            raise ValueError(f"normalize must be 'true' or 'pred', got {normalize!r}")
        counts, names = self._with_others()
        n_rows, n_columns = counts.shape
        side = float(np.clip(2.6 + 0.3 * n_columns, 4.5, 14))
        figsize = (side + 0.8 * colorbar, side)
        self.figure_, ax = figure_and_axes(ax, "ConfusedTypesDisplay", figsize)
        self.ax_ = ax
        n_types = len(self.types)
        totals = counts.sum(axis=1, keepdims=True)
        if normalize == "pred":
            totals = counts.sum(axis=0, keepdims=True)
        share = np.zeros(counts.shape)
        np.divide(counts, totals, out=share, where=totals > 0)
        # The number of the other types' neurons is not there to be divided by.
        share[n_types:] = share[n_types:] if normalize == "pred" else 0
        share[:, n_types:] = share[:, n_types:] if normalize == "true" else 0

        self.image_ = ax.imshow(share, cmap=cmap, vmin=0, vmax=1)
        ax.set(
            xlabel="Predicted type",
            ylabel="True type",
        )
        ax.hlines(np.arange(1, n_rows) - 0.5, -0.5, n_columns - 0.5, **_GRID)
        ax.vlines(np.arange(1, n_columns) - 0.5, -0.5, n_rows - 0.5, **_GRID)
        if n_rows > n_types:
            ax.axhline(n_types - 0.5, color="0.3", linewidth=1)
        if n_columns > n_types:
            ax.axvline(n_types - 0.5, color="0.3", linewidth=1)
        self.colorbar_ = None
        if colorbar:
            what = {"true": "true type's", "pred": "predicted type's"}[normalize]
            self.colorbar_ = self.figure_.colorbar(
                self.image_, ax=ax, label=f"Share of the {what} samples", shrink=0.8
            )
        label_cells(ax, names[:n_rows], names[:n_columns])
        title_that_fits(ax, self._title(name))
        self.texts_ = []
        if include_values:
            self.texts_ = _write_counts(ax, counts, self.image_)
        return self

    def _with_others(self):
        """Return the matrix with the row and column for other types, and the names."""
        counts = np.asarray(self.confusion_matrix)
        names = type_names(self.types)
        n_types = len(names)
        to_others = np.zeros(n_types, dtype=int)
        if self.n_to_others is not None:
            to_others = np.asarray(self.n_to_others)
        from_others = np.zeros(n_types, dtype=int)
        if self.n_from_others is not None:
            from_others = np.asarray(self.n_from_others)
        if to_others.any():
            counts = np.column_stack([counts, to_others])
        if from_others.any():
            row = np.zeros(counts.shape[1], dtype=int)
            row[:n_types] = from_others
            counts = np.vstack([counts, row])
        return counts, [*names, OTHERS]

    def _title(self, name):
        """Say what the matrix shows."""
        n_all = self.n_types_in_all or len(self.types)
        title = f"The {len(self.types)} most confused of {n_all} types"
        if n_all == len(self.types):
            title = f"Confusion of all {n_all} types"
        return title if name is None else f"{name}: {title[0].lower()}{title[1:]}"

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        *,
        n_types=15,
        unlabeled_marker="auto",
        ax=None,
        normalize="true",
        include_values=True,
        cmap="Blues",
        colorbar=True,
        name=None,
    ):
        """Find the types that a fitted classifier confuses most, and draw them.

        Parameters
        ----------
        estimator : estimator instance
            Fitted classifier, or a pipeline that ends in one.
        X : {Connectome, array-like, sparse matrix} of shape (n_samples, n_features)
            What it predicts for: neurons that it was not trained on.
        y : array-like of shape (n_samples,)
            True types; neurons of unknown type are left out.
        n_types : int, default=15
            How many types to show.
        unlabeled_marker : "auto" or scalar, default="auto"
            What means unknown in `y`. By default "?", None and NaN among strings, -1
            among integers.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. None: a new figure.
        normalize : {"true", "pred"}, default="true"
            What a colour is the share of: the true or the predicted type's neurons.
        include_values : bool, default=True
            Whether to write the numbers of neurons into the cells.
        cmap : str or matplotlib.colors.Colormap, default="Blues"
            Colours.
        colorbar : bool, default=True
            Whether to draw a colour bar.
        name : str, default=None
            Name of the method, for the title. None: that of the estimator's class.

        Returns
        -------
        display : ConfusedTypesDisplay
            What was computed and drawn.

        Examples
        --------
        >>> from sklearn.neighbors import KNeighborsClassifier
        >>> from celltyping.plotting import ConfusedTypesDisplay
        >>> X, y = [[0.0], [1.0], [5.0], [6.0]], ["KC", "KC", "PN", "?"]
        >>> knn = KNeighborsClassifier(n_neighbors=1).fit(X[:3], y[:3])
        >>> ConfusedTypesDisplay.from_estimator(knn, X, y).confusion_matrix
        array([[2, 0],
               [0, 1]])
        """
        caller = f"{cls.__name__}.from_estimator"
        pyplot(caller)
        return cls.from_predictions(
            y,
            predict_types(estimator, X, y, caller),
            n_types=n_types,
            unlabeled_marker=unlabeled_marker,
            ax=ax,
            normalize=normalize,
            include_values=include_values,
            cmap=cmap,
            colorbar=colorbar,
            name=type(estimator).__name__ if name is None else name,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true,
        y_pred,
        *,
        n_types=15,
        unlabeled_marker="auto",
        ax=None,
        normalize="true",
        include_values=True,
        cmap="Blues",
        colorbar=True,
        name=None,
    ):
        """Find the types that are confused most, and draw them.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True types; neurons of unknown type are left out.
        y_pred : array-like of shape (n_samples,)
            Predicted types.
        n_types : int, default=15
            How many types to show.
        unlabeled_marker : "auto" or scalar, default="auto"
            What means unknown. By default "?", None and NaN among strings, -1 among
            integers. None: of clusters, noise (-1) is a row and a column of its own.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. None: a new figure.
        normalize : {"true", "pred"}, default="true"
            What a colour is the share of: the true or the predicted type's neurons.
        include_values : bool, default=True
            Whether to write the numbers of neurons into the cells.
        cmap : str or matplotlib.colors.Colormap, default="Blues"
            Colours.
        colorbar : bool, default=True
            Whether to draw a colour bar.
        name : str, default=None
            Name of the method, for the title.

        Returns
        -------
        display : ConfusedTypesDisplay
            What was computed and drawn.

        Raises
        ------
        ValueError
            If `n_types` is under 2, or the types cannot be compared.
        """
        caller = f"{cls.__name__}.from_predictions"
        pyplot(caller)
        if not isinstance(n_types, numbers.Integral) or n_types < 2:
            raise ValueError(
                f"n_types must be an integer of at least 2, got {n_types!r}"
            )
        if np.ndim(y_pred) != 1:
            raise ValueError(f"y_pred must be one-dimensional, got {np.ndim(y_pred)}-D")
        types, true, pred = encode_pair(y_true, y_pred, unlabeled_marker, caller=caller)
        n_true = np.bincount(true, minlength=len(types))
        n_pred = np.bincount(pred[pred >= 0], minlength=len(types))
        n_correct = np.bincount(true[true == pred], minlength=len(types))
        n_errors = n_true + n_pred - 2 * n_correct
        there = np.flatnonzero(n_true + n_pred > 0)
        # The largest type first among those with as many errors.
        rank = np.lexsort((-n_true[there], -n_errors[there]))
        shown = np.sort(there[rank[:n_types]])

        typed = pred >= 0
        full = sparse.coo_array(
            (np.ones(typed.sum(), dtype=int), (true[typed], pred[typed])),
            shape=(len(types), len(types)),
        ).tocsr()
        confusion = full[shown][:, shown].toarray()
        shown_order = order_by_likeness(confusion + confusion.T)
        shown, confusion = shown[shown_order], confusion[shown_order][:, shown_order]
        display = cls(
            types=types[shown],
            confusion_matrix=confusion,
            n_to_others=n_true[shown] - confusion.sum(axis=1),
            n_from_others=n_pred[shown] - confusion.sum(axis=0),
            n_types_in_all=len(there),
        )
        return display.plot(
            ax=ax,
            normalize=normalize,
            include_values=include_values,
            cmap=cmap,
            colorbar=colorbar,
            name=name,
        )


_GRID = {"color": "0.9", "linewidth": 0.5}


def _write_counts(ax, counts, image):
    """Write the numbers that are not 0 into their cells, as large as they fit."""
    width, height = axes_size(ax)
    cell = min(width / counts.shape[1], height / counts.shape[0])
    digits = len(str(counts.max()))
    size = float(np.clip(cell / max(0.8 * digits, 1.4), 4, 10))
    texts = []
    for row, column in np.argwhere(counts):
        red, green, blue, _ = image.cmap(image.norm(image.get_array()[row, column]))
        dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.55
        texts.append(
            ax.text(
                column,
                row,
                str(counts[row, column]),
                ha="center",
                va="center",
                fontsize=size,
                color="white" if dark else "0.15",
            )
        )
    return texts
