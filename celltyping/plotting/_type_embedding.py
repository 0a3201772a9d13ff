"""The mean wiring of two types side by side."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numbers

import numpy as np
from scipy import sparse
from sklearn.utils import check_consistent_length

from celltyping._utils._labels import encode_types
from celltyping.plotting._common import (
    BLUE,
    ORANGE,
    check_connectome,
    counted,
    figure_and_axes,
    predict_types,
    pyplot,
    style,
    type_names,
    with_known,
)
from celltyping.plotting._text import label_rows, legend_below, title_that_fits


class TypeEmbeddingDisplay:
    """Mean embeddings of two types, with their spread.

    The embedding of a neuron is the number of synapses that it gets from, and gives to,
    the neurons of each type. This shows the partner types with which two types differ
    or agree, the strongest first: why they are told apart, or confused. Use
    `from_estimator` or `from_predictions` to make a display. All parameters are stored
    as attributes.

    Parameters
    ----------
    types : ndarray of shape (2,)
        The two types.
    n_neurons : ndarray of shape (2,), dtype=int
        Number of neurons of each.
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
        Weighted Jaccard similarity of the two mean embeddings, over all partner types.

    Attributes
    ----------
    containers_ : list of matplotlib.container.ErrorbarContainer
        Means with error bars, one container per type.
    ax_ : matplotlib.axes.Axes
        Axes with the plot.
    figure_ : matplotlib.figure.Figure
        Figure that holds the axes.

    See Also
    --------
    TypeConnectivityDisplay : Synapses from each type to each type.
    celltyping.TypeProfile : The embedding of each neuron.

    Examples
    --------
    >>> from celltyping import Connectome
    >>> from celltyping.plotting import TypeEmbeddingDisplay
    >>> con = Connectome([[0, 0, 3, 5], [0, 0, 4, 4], [1, 0, 0, 0], [0, 1, 0, 0]])
    >>> display = TypeEmbeddingDisplay.from_predictions(
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
        self,
        *,
        types,
        n_neurons,
        partner_types,
        is_input,
        mean,
        std,
        similarity=None,
    ):
        self.types = types
        self.n_neurons = n_neurons
        self.partner_types = partner_types
        self.is_input = is_input
        self.mean = mean
        self.std = std
        self.similarity = similarity

    def plot(self, *, ax=None, errors="std", name=None, point_kw=None):
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. None: a new figure.
        errors : {"std", "sem"}, default="std"
            What the bars show: "std", the standard deviation over the neurons; "sem",
            the standard error of the mean. They end at 0, since no count is below.
        name : str, default=None
            Where the types come from, for the title.
        point_kw : dict, default=None
            Properties of the points, see `matplotlib.lines.Line2D`.

        Returns
        -------
        display : TypeEmbeddingDisplay
            The display itself.

        Raises
        ------
        ValueError
            If `errors` is something else.
        """
        if errors not in ("std", "sem"):
            raise ValueError(f"errors must be 'std' or 'sem', got {errors!r}")
        n_partners = len(self.partner_types)
        figsize = (7.5, float(np.clip(1.6 + 0.26 * n_partners, 3.5, 14)))
        title = self._title(name)
        self.figure_, ax = figure_and_axes(ax, "TypeEmbeddingDisplay", figsize)
        self.ax_ = ax
        mean, spread = np.asarray(self.mean), np.asarray(self.std, dtype=float)
        if errors == "sem":
            spread = spread / np.sqrt(np.asarray(self.n_neurons))[:, np.newaxis]
        rows = np.arange(n_partners)
        ax.set_ylim(n_partners - 0.5, -0.5)  # the strongest input on top
        ax.barh(rows[1::2], 1, height=1, color="0.96", transform=_across(ax), zorder=0)
        self.containers_ = []
        for i, (color, marker) in enumerate([(BLUE, "o"), (ORANGE, "s")]):
            count = counted(self.n_neurons[i], "neuron")
            properties = {"color": color, "marker": marker, "markersize": 5}
            self.containers_.append(
                ax.errorbar(
                    mean[i],
                    rows + (-0.17, 0.17)[i],
                    xerr=np.vstack([np.minimum(spread[i], mean[i]), spread[i]]),
                    label=f"{type_names(self.types)[i]} ({count})",
                    **{"linestyle": "none", "elinewidth": 1.2, "zorder": 3},
                    **style(properties, point_kw, "matplotlib.lines.Line2D"),
                )
            )
        ax.set_xlim(left=-0.02 * ax.get_xlim()[1])
        words = np.where(self.is_input, "from", "to")
        partners = type_names(self.partner_types)
        what = {"std": "standard deviation", "sem": "standard error"}[errors]
        ax.set(
            xlabel=f"Synapses per neuron (mean ± {what})",
            ylabel="Partner type",
        )
        n_inputs = int(np.sum(self.is_input))
        if 0 < n_inputs < n_partners:
            ax.axhline(n_inputs - 0.5, color="0.3", linewidth=1)
        ax.spines[["top", "right"]].set_visible(False)
        legend_below(ax, self.containers_)
        rows = [f"{word} {name}" for word, name in zip(words, partners, strict=True)]
        label_rows(ax, rows)
        title_that_fits(ax, title)
        return self

    def _title(self, name):
        """Name the two types and say how alike they are."""
        title = " and ".join(type_names(self.types))
        if name is not None:
            title = f"{name}: {title}"
        if self.similarity is not None:
            title += f", similarity of the means {self.similarity:.2f}"
        return title

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y=None,
        *,
        compare,
        n_partners=10,
        unlabeled_marker="auto",
        ax=None,
        errors="std",
        name=None,
        point_kw=None,
    ):
        """Compare two types that a fitted estimator predicts.

        Parameters
        ----------
        estimator : estimator instance
            Fitted classifier or clusterer that predicts for a connectome.
        X : Connectome
            The neurons and the synapses between them.
        y : array-like of shape (n_neurons,), default=None
            Types that are known; they take the place of the predictions. None: none.
        compare : tuple of two types
            The types to compare.
        n_partners : int, default=10
            How many partner types to show, of the inputs and of the outputs.
        unlabeled_marker : "auto" or scalar, default="auto"
            What means unknown. By default "?", None and NaN among strings, -1 among
            integers.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. None: a new figure.
        errors : {"std", "sem"}, default="std"
            What the bars show: standard deviation or standard error of the mean.
        name : str, default=None
            Where the types come from, for the title. None: the name of the
            estimator's class.
        point_kw : dict, default=None
            Properties of the points.

        Returns
        -------
        display : TypeEmbeddingDisplay
            What was computed and drawn.

        Examples
        --------
        >>> from celltyping import Connectome, NtacClassifier
        >>> from celltyping.plotting import TypeEmbeddingDisplay
        >>> con = Connectome([[0, 3, 0, 4], [0, 0, 1, 0], [0, 5, 0, 3], [1, 0, 0, 0]])
        >>> model = NtacClassifier().fit(con, ["PN", "KC", "?", "?"])
        >>> display = TypeEmbeddingDisplay.from_estimator(
        ...     model, con, compare=("PN", "KC")
        ... )
        >>> int(display.n_neurons.sum())
        4
        """
        caller = f"{cls.__name__}.from_estimator"
        pyplot(caller)
        check_connectome(X, caller)
        types = predict_types(estimator, X, y, caller)
        return cls.from_predictions(
            X,
            with_known(types, y, unlabeled_marker),
            compare=compare,
            n_partners=n_partners,
            unlabeled_marker=unlabeled_marker,
            ax=ax,
            errors=errors,
            name=type(estimator).__name__ if name is None else name,
            point_kw=point_kw,
        )

    @classmethod
    def from_predictions(
        cls,
        connectome,
        types,
        *,
        compare,
        n_partners=10,
        unlabeled_marker="auto",
        ax=None,
        errors="std",
        name=None,
        point_kw=None,
    ):
        """Compare the wiring of two types.

        Parameters
        ----------
        connectome : Connectome
            The neurons and the synapses between them.
        types : array-like of shape (n_neurons,)
            Their types, true or predicted. Neurons of unknown type are left out, as
            partners too.
        compare : tuple of two types
            The types to compare.
        n_partners : int, default=10
            How many partner types to show, of the inputs and of the outputs: those
            with the largest mean for either type.
        unlabeled_marker : "auto" or scalar, default="auto"
            What means unknown. By default "?", None and NaN among strings, -1 among
            integers.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. None: a new figure.
        errors : {"std", "sem"}, default="std"
            What the bars show: standard deviation or standard error of the mean.
        name : str, default=None
            Where the types come from, for the title.
        point_kw : dict, default=None
            Properties of the points.

        Returns
        -------
        display : TypeEmbeddingDisplay
            What was computed and drawn.

        Raises
        ------
        TypeError
            If `connectome` is not a `Connectome`.
        ValueError
            If `compare` does not name two types that occur, neither has a synapse with
            a typed neuron, `n_partners` is under 1, or the lengths differ.
        """
        caller = f"{cls.__name__}.from_predictions"
        pyplot(caller)
        check_connectome(connectome, caller)
        check_consistent_length(connectome, types)
        if not isinstance(n_partners, numbers.Integral) or n_partners < 1:
            raise ValueError(
                f"n_partners must be an integer of at least 1, got {n_partners!r}"
            )
        classes, codes = encode_types(
            types, unlabeled_marker, caller=caller, min_types=1
        )
        pair = _find_pair(compare, classes)
        profiles = [_profiles(connectome, codes, code, len(classes)) for code in pair]
        mean = np.array([profile.mean(axis=0) for profile in profiles])
        std = np.full(mean.shape, np.nan)
        for i, profile in enumerate(profiles):
            if len(profile) > 1:
                std[i] = profile.std(axis=0, ddof=1)
        if not mean.any():
            raise ValueError(
                f"neither {compare[0]!r} nor {compare[1]!r} has a synapse with a "
                "neuron of known type in view: there is nothing to compare"
            )
        strongest = mean.max(axis=0)
        shown = []
        for part in np.split(np.arange(len(strongest)), 2):  # inputs, then outputs
            ranked = part[np.argsort(-strongest[part], kind="stable")][:n_partners]
            shown.append(ranked[strongest[ranked] > 0])
        shown = np.concatenate(shown)
        display = cls(
            types=classes[pair],
            n_neurons=np.array([len(profile) for profile in profiles]),
            partner_types=classes[shown % len(classes)],
            is_input=shown < len(classes),
            mean=mean[:, shown],
            std=std[:, shown],
            similarity=float(mean.min(axis=0).sum() / mean.max(axis=0).sum()),
        )
        return display.plot(ax=ax, errors=errors, name=name, point_kw=point_kw)


def _find_pair(compare, classes):
    """Return the codes of the two types to compare."""
    if isinstance(compare, str) or np.shape(compare) != (2,):
        raise ValueError(f"compare must name two types, got {compare!r}")
    names = classes.tolist()
    for value in compare:
        if value not in names:
            known = ", ".join(map(repr, names[:5]))
            more = f", ... ({len(names)} types)" if len(names) > 5 else ""
            raise ValueError(
                f"compare names {value!r}, but the known types are {known}{more}"
            )
    if compare[0] == compare[1]:
        raise ValueError(f"compare must name two different types, got {compare!r}")
    return [names.index(value) for value in compare]


def _profiles(connectome, codes, code, n_types):
    """Count the synapses of one type's neurons from and to each type."""
    rows = np.flatnonzero(codes == code)
    known = np.flatnonzero(codes >= 0)
    members = sparse.csr_array(
        (np.ones(len(known)), (known, codes[known])), shape=(len(codes), n_types)
    )
    adjacency = connectome.adjacency
    inputs = adjacency[:, rows].T @ members
    outputs = adjacency[rows] @ members
    return np.hstack([inputs.toarray(), outputs.toarray()])


def _across(ax):
    """Return the transform of bars that go from one side of the axes to the other."""
    return ax.get_yaxis_transform()
