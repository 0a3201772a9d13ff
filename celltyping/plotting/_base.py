"""Base class of the displays, and the checks, names and colours that they share."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import importlib
import inspect

import numpy as np
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import pdist
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.validation import check_is_fitted

from celltyping._utils._labels import as_array, is_unlabeled
from celltyping._utils._messages import list_names
from celltyping._utils._optional import import_optional
from celltyping._utils._validation import is_integer
from celltyping.connectome import Connectome
from celltyping.plotting._text import title_that_fits

# Okabe and Ito's palette: these differ for every kind of colour vision, and in grey.
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#7F7F7F"

# Longer names would leave no room for the plot.
LONGEST_NAME = 28

# Optimal leaf ordering takes more than seconds for larger trees.
MOST_LEAVES = 1000


class _Display:
    """Base class of the displays."""

    @classmethod
    def _check_options(cls, method, options, estimator=None, *others):
        """Return the full name of a method, after a check of its options.

        Each option must be a parameter of `plot` or of one of the other callables. The
        option `name` becomes the name of the estimator's class if it is missing.
        """
        caller = f"{cls.__name__}.{method}"
        import_optional("matplotlib", extra="plot", needed_by=caller)
        known = list(inspect.signature(cls.plot).parameters)[1:]
        unknown = set(options).difference(
            known, *(inspect.signature(other).parameters for other in others)
        )
        if unknown:
            raise TypeError(
                f"{caller} got unexpected keyword arguments "
                f"{list_names(sorted(unknown))}; those of plot are {', '.join(known)}"
            )
        if estimator is not None and options.get("name") is None:
            options["name"] = type(estimator).__name__
        return caller

    def _start(self, ax, figsize, projection=None):
        """Set `ax_` (the axes given, or new ones) and `figure_`; return `ax_`."""
        self.ax_ = get_axes(ax, figsize, type(self).__name__, projection)
        self.figure_ = self.ax_.figure
        return self.ax_

    def _finish(self, title, name):
        """Write the title; after the name of a method it begins with a small letter."""
        if name is not None:
            title = f"{name}: {title[0].lower()}{title[1:]}"
        title_that_fits(self.ax_, title)


class _PredictionsDisplay(_Display):
    """Base class of the displays of true types against predictions."""

    @classmethod
    def from_estimator(cls, estimator, X, y, **options):
        """Draw what a fitted estimator predicts.

        Parameters
        ----------
        estimator : estimator instance
            Fitted classifier or clusterer that predicts, or a pipeline that ends in
            one.
        X : {Connectome, array-like, sparse matrix} of shape (n_samples, n_features)
            Neurons to predict for. To evaluate a classifier, neurons that it was not
            trained on.
        y : array-like of shape (n_samples,)
            True types; some may be unknown.
        **options : dict
            Keyword arguments of `from_predictions` and of `plot`. The default of `name`
            is the estimator's class.

        Returns
        -------
        display : display instance
            The display, drawn.

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
        caller = cls._check_options(
            "from_estimator", options, estimator, cls.from_predictions
        )
        y_pred = predict_types(estimator, X, y, caller)
        return cls.from_predictions(y, y_pred, **options)


class _ConnectomeDisplay(_Display):
    """Base class of the displays of a connectome and the types of its neurons."""

    @classmethod
    def from_estimator(
        cls, estimator, X, y=None, *, unlabeled_marker="auto", **options
    ):
        """Draw the types that a fitted estimator predicts.

        Parameters
        ----------
        estimator : estimator instance
            Fitted classifier or clusterer that predicts for a connectome.
        X : Connectome
            The neurons and the synapses between them.
        y : array-like of shape (n_neurons,), default=None
            Types; known ones replace the predictions.
        unlabeled_marker : "auto", scalar or list of scalars, default="auto"
            Markers of unknown types; see `from_predictions`.
        **options : dict
            Keyword arguments of `from_predictions` and of `plot`. The default of `name`
            is the estimator's class.

        Returns
        -------
        display : display instance
            The display, drawn.

        Examples
        --------
        >>> from celltyping import Connectome, NtacClassifier
        >>> from celltyping.plotting import TypeConnectivityDisplay
        >>> con = Connectome([[0, 3, 0, 4], [0, 0, 1, 0], [0, 5, 0, 3], [1, 0, 0, 0]])
        >>> model = NtacClassifier().fit(con, ["PN", "KC", "?", "?"])
        >>> display = TypeConnectivityDisplay.from_estimator(model, con, order="name")
        >>> display.types.tolist()
        ['KC', 'PN']
        """
        caller = cls._check_options(
            "from_estimator", options, estimator, cls.from_predictions
        )
        check_connectome(X, caller)
        y_pred = predict_types(estimator, X, y, caller)
        types = with_known(y_pred, y, unlabeled_marker)
        return cls.from_predictions(
            X, types, unlabeled_marker=unlabeled_marker, **options
        )


def get_axes(ax, figsize, needed_by, projection=None):
    """Return `ax`, or the axes of a new figure whose layout clips nothing."""
    plt = import_optional("matplotlib.pyplot", extra="plot", needed_by=needed_by)
    if ax is None:
        look = {"projection": projection}
        _, ax = plt.subplots(figsize=figsize, layout="compressed", subplot_kw=look)
    return ax


def style(defaults, given, artist):
    """Override default properties of an artist by those given, perhaps as aliases."""
    from matplotlib import cbook

    module, _, name = artist.rpartition(".")
    kind = getattr(importlib.import_module(module), name)
    merged = defaults | cbook.normalize_kwargs(given or {}, kind)
    if "c" in merged:  # of a scatter plot, which refuses the two together
        del merged["color"]
    return merged


def type_names(types):
    """Return types as text, long names without their middle, "$" not as a formula."""
    names = []
    for value in np.asarray(types, dtype=object):
        name = str(value)
        if len(name) > LONGEST_NAME:
            name = f"{name[: LONGEST_NAME // 2]}…{name[-(LONGEST_NAME // 3 + 1) :]}"
        names.append(name.replace("$", r"\$"))
    return names


def counted(number, thing):
    """Return a number and its noun, such as "1 type" or "1,939 neurons"."""
    return f"{number:,.15g} {thing}{'' if number == 1 else 's'}"


def percent(share):
    """Return a share as "42 %"; "100 %" and "0 %" only where they are exact."""
    whole = round(100 * share)
    if whole == 100 and share < 1:
        return "> 99 %"
    if whole == 0 and share > 0:
        return "< 1 %"
    return f"{whole} %"


def check_at_least(name, value, least):
    """Refuse a parameter that is not an integer of at least `least`."""
    if not is_integer(value) or value < least:
        raise ValueError(
            f"{name} must be an integer of at least {least}, got {value!r}"
        )


def check_option(name, value, allowed):
    """Refuse a parameter that is not one of the values allowed."""
    if value not in allowed:
        raise ValueError(
            f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r}"
        )


def last_step(estimator):
    """Return the last step of a pipeline, or another estimator itself."""
    return estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator


def get_fitted(estimator, attribute, caller, otherwise=""):
    """Return an attribute of a fitted estimator.

    `caller`, the full name of the calling method, and `otherwise`, the way on without
    such an estimator, are for the message.
    """
    is_class = isinstance(estimator, type)
    if not is_class and hasattr(estimator, attribute):
        return getattr(estimator, attribute)
    if not is_class and hasattr(estimator, "fit") and attribute.endswith("_"):
        check_is_fitted(estimator)
    name = getattr(estimator, "__name__", type(estimator).__name__)
    raise TypeError(
        f"{caller} needs a fitted estimator that has {attribute}, got {name}"
        f"{', a class' if is_class else ''}{'; ' if otherwise else ''}{otherwise}"
    )


def predict_types(estimator, X, y, caller):
    """Return predictions, after checks of the estimator and of the length of `y`."""
    predict = get_fitted(estimator, "predict", caller)
    if y is not None:
        check_consistent_length(X, y)
    return predict(X)


def with_known(types, y, unlabeled_marker):
    """Return predictions with the known types of `y` in their place."""
    types = np.array(types, dtype=object)
    if y is not None:
        y = column_or_1d(as_array(y))
        known = ~is_unlabeled(y, unlabeled_marker)
        types[known] = y[known]
    return types


def check_connectome(connectome, caller):
    """Refuse anything but a connectome."""
    if not isinstance(connectome, Connectome):
        raise TypeError(
            f"{caller} needs a Connectome, got {type(connectome).__name__}: make one "
            "of an adjacency matrix by Connectome(adjacency)"
        )


def seriate(profiles):
    """Order types so that similar profiles are adjacent.

    Parameters
    ----------
    profiles : ndarray of shape (n_types, n_columns)
        Nonnegative numbers; only the proportions within a row count.

    Returns
    -------
    order : ndarray of shape (n_types,), dtype=intp
        Leaves of an average-linkage tree of cosine distances in optimal order, then
        the empty rows.
    """
    empty = ~profiles.any(axis=1)
    filled = np.flatnonzero(~empty)
    if len(filled) > 2:
        # Square roots, so that the strongest entries do not decide alone.
        distances = pdist(np.sqrt(profiles[filled]), "cosine").clip(0)
        # The time for the optimal order grows with the cube of the number of leaves.
        tree = linkage(
            distances, "average", optimal_ordering=len(filled) <= MOST_LEAVES
        )
        filled = filled[leaves_list(tree)]
    return np.concatenate([filled, np.flatnonzero(empty)]).astype(np.intp)
