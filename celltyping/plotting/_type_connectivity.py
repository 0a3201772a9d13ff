"""Type-to-type connectivity matrix."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
from scipy import sparse
from sklearn.utils import check_consistent_length

from celltyping._utils._labels import encode_types
from celltyping._utils._optional import import_optional
from celltyping.plotting._common import (
    check_connectome,
    counted,
    figure_and_axes,
    order_by_likeness,
    predict_types,
    pyplot,
    type_names,
    with_known,
)
from celltyping.plotting._text import axes_size, label_cells, title_that_fits

ORDERS = ("similarity", "size", "name")
WHAT = {
    "none": "Synapses",
    "pre": "Share of the presynaptic type's outputs",
    "post": "Share of the postsynaptic type's inputs",
}

# Cells of that many points or less would be hidden by the lines between them.
FINEST_GRID = 3


class TypeConnectivityDisplay:
    """Synapses from each type to each type.

    Use `from_estimator` or `from_predictions` to make a display. All parameters are
    stored as attributes.

    Parameters
    ----------
    types : ndarray of shape (n_types,)
        The types, in the order of rows and columns.
    synapses : ndarray of shape (n_types, n_types)
        ``synapses[i, j]`` synapses go from neurons of type i (presynaptic) to neurons
        of type j (postsynaptic).
    n_neurons : ndarray of shape (n_types,), dtype=int
        Number of neurons of each type.

    Attributes
    ----------
    image_ : matplotlib.image.AxesImage
        The coloured cells.
    colorbar_ : matplotlib.colorbar.Colorbar or None
        The colour bar.
    ax_ : matplotlib.axes.Axes
        Axes with the plot.
    figure_ : matplotlib.figure.Figure
        Figure that holds the axes.

    See Also
    --------
    TypeEmbeddingDisplay : The partners of two types, with their spread.
    celltyping.TypeProfile : Synapses with each type, neuron by neuron.

    Notes
    -----
    Only synapses between two neurons of known type count, also in the shares: a type's
    outputs are those to typed neurons that are in view.

    A matrix of more than some hundred types cannot be read, and takes memory that grows
    with the square of their number. Pass a view of the connectome that shows fewer.

    Examples
    --------
    >>> from celltyping import Connectome
    >>> from celltyping.plotting import TypeConnectivityDisplay
    >>> con = Connectome([[0, 3, 1], [0, 0, 5], [2, 0, 0]])
    >>> display = TypeConnectivityDisplay.from_predictions(
    ...     con, ["PN", "KC", "KC"], order="name"
    ... )
    >>> display.types.tolist()
    ['KC', 'PN']
    >>> display.synapses
    array([[5., 2.],
           [4., 0.]])
    """

    def __init__(self, *, types, synapses, n_neurons):
        self.types = types
        self.synapses = synapses
        self.n_neurons = n_neurons

    def plot(
        self,
        *,
        ax=None,
        normalize="none",
        scale="log",
        cmap="magma_r",
        colorbar=True,
        name=None,
    ):
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. None: a new figure.
        normalize : {"none", "pre", "post"}, default="none"
            What a colour stands for: "none", the number of synapses; "pre", the share
            of the row's type's outputs; "post", the share of the column's type's
            inputs.
        scale : {"log", "linear"}, default="log"
            Scale of the colours. Where there is no synapse, a cell is white.
        cmap : str or matplotlib.colors.Colormap, default="magma_r"
            Colours.
        colorbar : bool, default=True
            Whether to draw a colour bar.
        name : str, default=None
            Where the types come from, for the title.

        Returns
        -------
        display : TypeConnectivityDisplay
            The display itself.

        Raises
        ------
        ValueError
            If `normalize` or `scale` is something else.
        """
        if normalize not in WHAT:
            raise ValueError(
                f"normalize must be one of {', '.join(map(repr, WHAT))}, got "
                f"{normalize!r}"
            )
        if scale not in ("log", "linear"):
            raise ValueError(f"scale must be 'log' or 'linear', got {scale!r}")
        n_types = len(self.types)
        side = float(np.clip(2.4 + 0.16 * n_types, 4.5, 16))
        self.figure_, ax = figure_and_axes(
            ax, "TypeConnectivityDisplay", (side + 0.8 * colorbar, side)
        )
        self.ax_ = ax
        values = self._shares(normalize)
        shown = np.ma.masked_equal(values, 0)
        self.image_ = ax.imshow(shown, cmap=cmap, norm=_norm(shown, scale))
        ax.set_facecolor("white")
        ax.set(
            xlabel="Postsynaptic type",
            ylabel="Presynaptic type",
        )
        self.colorbar_ = None
        if colorbar:
            self.colorbar_ = self.figure_.colorbar(
                self.image_,
                ax=ax,
                label=f"{WHAT[normalize]} ({scale} scale)",
                shrink=0.8,
            )
        names = type_names(self.types)
        label_cells(ax, names, names)
        title_that_fits(ax, self._title(name))
        if axes_size(ax)[0] / n_types > FINEST_GRID:
            # Faint lines lead the eye from a cell to its two names.
            lines = np.arange(1, n_types) - 0.5
            look = {"color": "0.9", "linewidth": 0.3, "zorder": 2}
            ax.hlines(lines, -0.5, n_types - 0.5, **look)
            ax.vlines(lines, -0.5, n_types - 0.5, **look)
        return self

    def _shares(self, normalize):
        """Return synapse counts or shares."""
        synapses = np.asarray(self.synapses, dtype=float)
        if normalize == "none":
            return synapses
        totals = synapses.sum(axis={"pre": 1, "post": 0}[normalize], keepdims=True)
        shares = np.zeros_like(synapses)
        np.divide(synapses, totals, out=shares, where=totals > 0)
        return shares

    def _title(self, name):
        """Say how much is shown."""
        title = ", ".join(
            [
                counted(len(self.types), "type"),
                counted(np.sum(self.n_neurons), "neuron"),
                counted(np.sum(self.synapses), "synapse"),
            ]
        )
        return title if name is None else f"{name}: {title}"

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y=None,
        *,
        order="similarity",
        unlabeled_marker="auto",
        ax=None,
        normalize="none",
        scale="log",
        cmap="magma_r",
        colorbar=True,
        name=None,
    ):
        """Draw the connectivity of the types that a fitted estimator predicts.

        Parameters
        ----------
        estimator : estimator instance
            Fitted classifier or clusterer that predicts for a connectome.
        X : Connectome
            The neurons to show and the synapses between them.
        y : array-like of shape (n_neurons,), default=None
            Types that are known; they take the place of the predictions. None: none.
        order : {"similarity", "size", "name"}, default="similarity"
            Order of the types; see `from_predictions`.
        unlabeled_marker : "auto" or scalar, default="auto"
            What means unknown. By default "?", None and NaN among strings, -1 among
            integers.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. None: a new figure.
        normalize : {"none", "pre", "post"}, default="none"
            What a colour stands for: the number of synapses, the share of the
            presynaptic type's outputs or of the postsynaptic type's inputs.
        scale : {"log", "linear"}, default="log"
            Scale of the colours.
        cmap : str or matplotlib.colors.Colormap, default="magma_r"
            Colours.
        colorbar : bool, default=True
            Whether to draw a colour bar.
        name : str, default=None
            Where the types come from, for the title. None: the name of the
            estimator's class.

        Returns
        -------
        display : TypeConnectivityDisplay
            What was computed and drawn.

        Examples
        --------
        >>> from celltyping import Connectome, NtacClassifier
        >>> from celltyping.plotting import TypeConnectivityDisplay
        >>> con = Connectome([[0, 3, 0, 4], [0, 0, 1, 0], [0, 5, 0, 3], [1, 0, 0, 0]])
        >>> model = NtacClassifier().fit(con, ["PN", "KC", "?", "?"])
        >>> display = TypeConnectivityDisplay.from_estimator(model, con)
        >>> sorted(display.types)
        ['KC', 'PN']
        """
        caller = f"{cls.__name__}.from_estimator"
        pyplot(caller)
        check_connectome(X, caller)
        types = predict_types(estimator, X, y, caller)
        return cls.from_predictions(
            X,
            with_known(types, y, unlabeled_marker),
            order=order,
            unlabeled_marker=unlabeled_marker,
            ax=ax,
            normalize=normalize,
            scale=scale,
            cmap=cmap,
            colorbar=colorbar,
            name=type(estimator).__name__ if name is None else name,
        )

    @classmethod
    def from_predictions(
        cls,
        connectome,
        types,
        *,
        order="similarity",
        unlabeled_marker="auto",
        ax=None,
        normalize="none",
        scale="log",
        cmap="magma_r",
        colorbar=True,
        name=None,
    ):
        """Count the synapses from type to type, and draw them.

        Parameters
        ----------
        connectome : Connectome
            The neurons to show and the synapses between them.
        types : array-like of shape (n_neurons,)
            Their types, true or predicted; neurons of unknown type are left out.
        order : {"similarity", "size", "name"}, default="similarity"
            Order of the types: "similarity", types with like partners side by side;
            "size", the type with most neurons first; "name", sorted.
        unlabeled_marker : "auto" or scalar, default="auto"
            What means unknown. By default "?", None and NaN among strings, -1 among
            integers.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. None: a new figure.
        normalize : {"none", "pre", "post"}, default="none"
            What a colour stands for: the number of synapses, the share of the
            presynaptic type's outputs or of the postsynaptic type's inputs.
        scale : {"log", "linear"}, default="log"
            Scale of the colours.
        cmap : str or matplotlib.colors.Colormap, default="magma_r"
            Colours.
        colorbar : bool, default=True
            Whether to draw a colour bar.
        name : str, default=None
            Where the types come from, for the title.

        Returns
        -------
        display : TypeConnectivityDisplay
            What was computed and drawn.

        Raises
        ------
        TypeError
            If `connectome` is not a `Connectome`.
        ValueError
            If `order` is something else, the lengths differ, or no type is known.
        """
        caller = f"{cls.__name__}.from_predictions"
        pyplot(caller)
        check_connectome(connectome, caller)
        if order not in ORDERS:
            raise ValueError(
                f"order must be one of {', '.join(map(repr, ORDERS))}, got {order!r}"
            )
        check_consistent_length(connectome, types)
        classes, codes = encode_types(
            types, unlabeled_marker, caller=caller, min_types=1
        )
        known = np.flatnonzero(codes >= 0)
        members = sparse.csr_array(
            (np.ones(len(known)), (known, codes[known])),
            shape=(len(codes), len(classes)),
        )
        synapses = (members.T @ connectome.adjacency @ members).toarray()
        n_neurons = np.bincount(codes[known], minlength=len(classes))
        if order == "similarity":
            ranked = order_by_likeness(_partner_shares(synapses))
        elif order == "size":
            ranked = np.argsort(-n_neurons, kind="stable")
        else:
            ranked = np.arange(len(classes))
        display = cls(
            types=classes[ranked],
            synapses=synapses[ranked][:, ranked],
            n_neurons=n_neurons[ranked],
        )
        return display.plot(
            ax=ax,
            normalize=normalize,
            scale=scale,
            cmap=cmap,
            colorbar=colorbar,
            name=name,
        )


def _partner_shares(synapses):
    """Return each type's inputs and outputs, both as shares, in one row."""
    parts = []
    for part in (synapses, synapses.T):
        totals = part.sum(axis=1, keepdims=True)
        parts.append(part / np.where(totals > 0, totals, 1))
    return np.hstack(parts)


def _norm(shown, scale):
    """Return the scale of the colours: from the least value there is, or from 0."""
    colors = import_optional("matplotlib.colors", extra="plot", needed_by="plotting")
    least, most = (shown.min(), shown.max()) if shown.count() else (1, 10)
    if scale == "linear":
        return colors.Normalize(0, most)
    return colors.LogNorm(least, most if most > least else 10 * least)
