"""Type-to-type connectivity matrix."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np

from celltyping._utils._labels import encode_types
from celltyping._utils._sparse import one_hot
from celltyping.plotting._base import (
    _ConnectomeDisplay,
    check_connectome,
    counted,
    seriate,
    type_names,
)
from celltyping.plotting._checks import check_options, one_of
from celltyping.plotting._matrix import _MatrixDisplay, divide_by_sums

COLORBAR_LABELS = {
    "none": "Synapses",
    "pre": "Share of the presynaptic type's outputs",
    "post": "Share of the postsynaptic type's inputs",
}


class TypeConnectivityDisplay(_MatrixDisplay, _ConnectomeDisplay):
    """Number of synapses from each type to each type.

    Use `from_estimator` or `from_predictions` to make a display. All parameters are
    stored as attributes.

    Parameters
    ----------
    types : ndarray of shape (n_types,)
        The types, in the order of rows and columns.
    synapses : ndarray of shape (n_types, n_types)
        Number of synapses from neurons of each presynaptic type (rows) to neurons of
        each postsynaptic type (columns).
    n_neurons : ndarray of shape (n_types,), dtype=int
        Number of neurons of each type.

    Attributes
    ----------
    image_ : matplotlib.image.AxesImage
        The coloured cells.
    |colorbar_|
    |ax_|

    See Also
    --------
    TypeProfileDisplay : The partners of two types, with their spread.
    celltyping.TypeProfile : Synapses with each type, neuron by neuron.

    Notes
    -----
    Only synapses between two neurons of known type count, also in the shares: a type's
    outputs are those to typed neurons in view.

    A matrix of more than some hundred types cannot be read, and takes memory that grows
    with the square of their number. Pass a view of the connectome with fewer types.

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

    _rules = {"normalize": one_of(*COLORBAR_LABELS)}

    def __init__(self, *, types, synapses, n_neurons):
        self.types = types
        self.synapses = synapses
        self.n_neurons = n_neurons

    @check_options()
    def plot(
        self,
        *,
        ax=None,
        normalize="none",
        scale="log",
        cmap="magma_r",
        colorbar=True,
        name=None,
        im_kw=None,
    ):
        """Draw the display.

        Parameters
        ----------
        |ax|
        normalize : {"none", "pre", "post"}, default="none"
            Values that the colours show: numbers of synapses, shares of the presynaptic
            type's outputs, or shares of the postsynaptic type's inputs.
        scale : {"log", "linear"}, default="log"
            Scale of the colours. Cells without a synapse are white.
        cmap : str or matplotlib.colors.Colormap, default="magma_r"
            Colour map of the cells.
        |colorbar|
        name : str, default=None
            Source of the types, for the title.
        |im_kw|
        |Returns|
        """
        names = type_names(self.types)
        side = float(np.clip(2.4 + 0.16 * len(names), 4.5, 16))
        ax = self._start(ax, (side + 0.8 * colorbar, side))
        values = np.asarray(self.synapses, dtype=float)
        if normalize != "none":
            values = divide_by_sums(values, axis=1 if normalize == "pre" else 0)
        shown = np.ma.masked_equal(values, 0)
        ax.set_facecolor("white")
        ax.set(xlabel="Postsynaptic type", ylabel="Presynaptic type")
        look = {"label": f"{COLORBAR_LABELS[normalize]} ({scale} scale)"}
        im_kw = {"cmap": cmap, "norm": _norm(shown, scale)} | (im_kw or {})
        self._draw_matrix(
            shown, names, names, im_kw, colorbar and look, shown.shape, 0.3
        )
        title = [
            counted(len(names), "type"),
            counted(np.sum(self.n_neurons), "neuron"),
            counted(np.sum(self.synapses), "synapse"),
        ]
        self._finish(", ".join(title), name)
        return self

    @classmethod
    @check_options("plot")
    def from_predictions(
        cls,
        connectome,
        types,
        *,
        order="similarity",
        unlabeled_marker="auto",
        **plot_options,
    ):
        """Draw the connectivity of types.

        Parameters
        ----------
        connectome : Connectome
            The neurons and the synapses between them.
        types : array-like of shape (n_neurons,)
            True or predicted types; neurons of unknown type are left out.
        order : {"similarity", "size", "name"}, default="similarity"
            Order of the types: "similarity", by seriation of their inputs and outputs;
            "size", by number of neurons, the largest first; "name", sorted.
        |unlabeled_marker|
        |**plot_options|
        |Returns|
        """
        caller = f"{cls.__name__}.from_predictions"
        (types,) = check_connectome(connectome, caller, types=types)
        classes, codes = encode_types(
            types, unlabeled_marker, caller=caller, min_types=1
        )
        members = one_hot(codes, len(classes))
        synapses = (members.T @ connectome.adjacency @ members).toarray()
        n_neurons = np.bincount(codes[codes >= 0], minlength=len(classes))
        ranked = np.arange(len(classes))
        if order == "similarity":
            shares = [divide_by_sums(synapses, 1), divide_by_sums(synapses.T, 1)]
            ranked = seriate(np.hstack(shares))
        elif order == "size":
            ranked = np.argsort(-n_neurons, kind="stable")
        return cls(
            types=classes[ranked],
            synapses=synapses[ranked][:, ranked],
            n_neurons=n_neurons[ranked],
        ).plot(**plot_options)


def _norm(values, scale):
    """Return the norm of the colours: from the least value above 0, or from 0."""
    from matplotlib.colors import LogNorm, Normalize

    least, most = (values.min(), values.max()) if values.count() else (1, 10)
    if scale == "linear":
        return Normalize(0, most)
    return LogNorm(least, most if most > least else 10 * least)
