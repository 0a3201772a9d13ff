"""Mean connectivity profiles of two types, side by side."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np

from celltyping._utils._labels import encode_types
from celltyping._utils._messages import list_names
from celltyping._utils._sparse import one_hot
from celltyping.plotting._base import (
    BLUE,
    ORANGE,
    _ConnectomeDisplay,
    check_connectome,
    counted,
    style,
    type_names,
)
from celltyping.plotting._checks import check_options, check_vectors
from celltyping.plotting._text import label_rows, legend_below


class TypeProfileDisplay(_ConnectomeDisplay):
    """Mean connectivity profiles of two types, with their spread.

    The profile of a neuron is the number of synapses that it gets from, and gives to,
    the neurons of each type. Partner types are shown by their mean, the strongest
    first, so that the plot explains why two types are distinguished or confused. Use
    `from_estimator` or `from_predictions` to make a display. All parameters are stored
    as attributes.

    Parameters
    ----------
    types : ndarray of shape (2,)
        The two types.
    n_neurons : ndarray of shape (2,), dtype=int
        Number of neurons of each type.
    partner_types : ndarray of shape (n_partners,)
        Types of the partners.
    is_input : ndarray of shape (n_partners,), dtype=bool
        True where the partner is presynaptic, False where it is postsynaptic. The
        inputs come first.
    mean : ndarray of shape (2, n_partners)
        Mean number of synapses per neuron.
    std : ndarray of shape (2, n_partners)
        Standard deviation over the neurons; NaN for a type of one neuron.
    similarity : float, default=None
        Weighted Jaccard similarity of the two mean profiles, over all partner types.

    Attributes
    ----------
    containers_ : list of matplotlib.container.ErrorbarContainer
        Means with error bars, one container per type.
    |ax_|

    See Also
    --------
    TypeConnectivityDisplay : Number of synapses from each type to each type.
    celltyping.TypeProfile : The profile of each neuron.

    Examples
    --------
    >>> from celltyping import Connectome
    >>> from celltyping.plotting import TypeProfileDisplay
    >>> con = Connectome([[0, 0, 3, 5], [0, 0, 4, 4], [1, 0, 0, 0], [0, 1, 0, 0]])
    >>> display = TypeProfileDisplay.from_predictions(
    ...     con, ["PN", "PN", "KC", "KC"], compare=("PN", "KC")
    ... )
    >>> display.partner_types.tolist(), display.is_input.tolist()
    (['PN', 'KC', 'KC', 'PN'], [True, True, False, False])
    >>> display.mean
    array([[0., 1., 8., 0.],
           [8., 0., 0., 1.]])
    >>> display.similarity
    0.0
    """

    def __init__(
        self, *, types, n_neurons, partner_types, is_input, mean, std, similarity=None
    ):
        self.types = types
        self.n_neurons = n_neurons
        self.partner_types = partner_types
        self.is_input = is_input
        self.mean = mean
        self.std = std
        self.similarity = similarity

    @check_options()
    def plot(self, *, ax=None, errors="std", name=None, point_kw=None):
        """Draw the display.

        Parameters
        ----------
        |ax|
        errors : {"std", "sem"}, default="std"
            Length of the error bars: "std", the standard deviation over the neurons;
            "sem", the standard error of the mean. Bars end at 0.
        name : str, default=None
            Source of the types, for the title.
        point_kw : dict, default=None
            Properties of the points, see `matplotlib.lines.Line2D`.
        |Returns|
        """
        n_partners = len(self.partner_types)
        ax = self._start(ax, (7.5, float(np.clip(1.6 + 0.26 * n_partners, 3.5, 14))))
        mean, spread = np.asarray(self.mean), np.asarray(self.std, dtype=float)
        measure = "standard deviation"
        if errors == "sem":
            measure = "standard error"
            spread = spread / np.sqrt(np.asarray(self.n_neurons))[:, np.newaxis]
        rows, types = np.arange(n_partners), type_names(self.types)
        ax.set_ylim(n_partners - 0.5, -0.5)  # the strongest input on top
        from_side_to_side = {"height": 1, "transform": ax.get_yaxis_transform()}
        ax.barh(rows[1::2], 1, color="0.96", zorder=0, **from_side_to_side)
        self.containers_ = []
        for i, (color, marker) in enumerate([(BLUE, "o"), (ORANGE, "s")]):
            look = {"color": color, "marker": marker, "markersize": 5, "zorder": 3}
            look |= {"linestyle": "none", "elinewidth": 1.2}
            look["label"] = f"{types[i]} ({counted(self.n_neurons[i], 'neuron')})"
            look = style(look, point_kw, "matplotlib.lines.Line2D")
            errors = np.vstack([np.minimum(spread[i], mean[i]), spread[i]])
            positions = rows + (-0.17, 0.17)[i]
            self.containers_.append(
                ax.errorbar(mean[i], positions, xerr=errors, **look)
            )
        ax.set_xlim(left=-0.02 * ax.get_xlim()[1])
        ax.set(xlabel=f"Synapses per neuron (mean ± {measure})", ylabel="Partner type")
        n_inputs = int(np.sum(self.is_input))
        if 0 < n_inputs < n_partners:
            ax.axhline(n_inputs - 0.5, color="0.3", linewidth=1)
        ax.spines[["top", "right"]].set_visible(False)
        legend_below(ax, self.containers_)
        partners = zip(self.is_input, type_names(self.partner_types), strict=True)
        label_rows(
            ax, [f"{'from' if given else 'to'} {one}" for given, one in partners]
        )
        title = f"Types {' and '.join(types)}"
        if self.similarity is not None:
            title += f", similarity of the means {self.similarity:.2f}"
        self._finish(title, name)
        return self

    @classmethod
    @check_options("plot")
    def from_predictions(
        cls,
        connectome,
        types,
        *,
        compare,
        max_partners=10,
        unlabeled_marker="auto",
        **plot_options,
    ):
        """Draw the profiles of two types.

        Parameters
        ----------
        connectome : Connectome
            The neurons and the synapses between them.
        types : array-like of shape (n_neurons,)
            True or predicted types. Neurons of unknown type are left out, also as
            partners.
        compare : tuple of two types
            The types to compare.
        max_partners : int, default=10
            Maximum number of partner types among the inputs, and among the outputs:
            those with the largest mean for either type.
        |unlabeled_marker|
        |**plot_options|
        |Returns|
        """
        caller = f"{cls.__name__}.from_predictions"
        (types,) = check_connectome(connectome, caller, types=types)
        classes, codes = encode_types(
            types, unlabeled_marker, caller=caller, min_types=1
        )
        pair = _find_pair(compare, classes)
        members, adjacency = one_hot(codes, len(classes)), connectome.adjacency
        mean, std, n_neurons = [], [], []
        for code in pair:
            rows = np.flatnonzero(codes == code)
            inputs, outputs = adjacency[:, rows].T @ members, adjacency[rows] @ members
            profiles = np.hstack([inputs.toarray(), outputs.toarray()])
            mean.append(profiles.mean(axis=0))
            one = np.full(profiles.shape[1], np.nan)  # a single neuron has no spread
            std.append(profiles.std(axis=0, ddof=1) if len(rows) > 1 else one)
            n_neurons.append(len(rows))
        mean, std = np.array(mean), np.array(std)
        strongest = mean.max(axis=0)
        if not strongest.any():
            raise ValueError(
                f"neither {compare[0]!r} nor {compare[1]!r} has a synapse with a "
                "neuron of known type in view: there is nothing to compare"
            )
        shown = []
        for part in np.split(np.arange(len(strongest)), 2):  # inputs, then outputs
            ranked = part[np.argsort(-strongest[part], kind="stable")][:max_partners]
            shown.append(ranked[strongest[ranked] > 0])
        shown = np.concatenate(shown)
        return cls(
            types=classes[pair],
            n_neurons=np.array(n_neurons),
            partner_types=classes[shown % len(classes)],
            is_input=shown < len(classes),
            mean=mean[:, shown],
            std=std[:, shown],
            similarity=float(mean.min(axis=0).sum() / strongest.sum()),
        ).plot(**plot_options)


def _find_pair(compare, classes):
    """Return the codes of the two types to compare."""
    (pair,) = check_vectors({"compare": compare}, ("types to compare", 2))
    pair = pair.tolist()
    names = classes.tolist()
    for value in pair:
        if value not in names:
            raise ValueError(
                f"compare names {value!r}, but the known types are {list_names(names)}"
            )
    if pair[0] == pair[1]:
        raise ValueError(f"compare must name two different types, got {compare!r}")
    return [names.index(value) for value in pair]
