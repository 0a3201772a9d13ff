"""Base class of the displays, and the checks, names and colours that they share."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import importlib
import inspect
import re
import textwrap

import numpy as np
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import pdist
from sklearn.utils.validation import check_is_fitted

from celltyping._utils._compat import _num_samples
from celltyping._utils._labels import is_unlabeled
from celltyping.connectome import Connectome
from celltyping.plotting._checks import check_options, check_vectors
from celltyping.plotting._text import title_that_fits

# Okabe and Ito's palette: these differ for every kind of colour vision, and in grey.
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#7F7F7F"

# Markers of matplotlib that have no edge beside their face.
UNFILLED = tuple("1234+x|_,")

# Longer names would leave no room for the plot.
LONGEST_NAME = 28

# Optimal leaf ordering takes more than seconds for larger trees.
MOST_LEAVES = 1000


def complete(docstring):
    """Return a docstring with the parts in `_Display` in place of their names."""
    # A part begins with a name at the margin; the last one is a section.
    parts = re.split(r"\n(?=[*\w])(?!display)", inspect.cleandoc(_Display.__doc__))
    parts = {part.split()[0].strip(","): part for part in parts}
    parts["Returns"] = "\n" + parts["Returns"]
    return re.sub(
        r"^( *)\|([\w*]+)\|$",
        lambda match: textwrap.indent(parts[match[2]], match[1]),
        docstring,
        flags=re.MULTILINE,
    )


class _Display:
    """Base class of the displays.

    Parts of docstrings that several displays share stand here, once: in their place,
    the displays write |ax| for the part that begins with `ax`.

    ax : matplotlib.axes.Axes, default=None
        Axes to draw on. None: a new figure.
    name : str, default=None
        Name of the method, for the title.
    colorbar : bool, default=True
        Whether to draw a colour bar.
    im_kw : dict, default=None
        Properties of the coloured cells, see `matplotlib.axes.Axes.imshow`.
    include_values : bool, default=True
        Whether to write the numbers of neurons into the cells where they can be
        read.
    text_kw : dict, default=None
        Properties of the numbers, see `matplotlib.text.Text`. With a font size,
        all of them are written, in that size.
    color : array-like of shape (n_points,), default=None
        Types, clusters or values of the training points.
    color_name : str, default=None
        Meaning of the colours, for the legend or the colour bar.
    new_color : array-like of shape (n_new_points,), default=None
        Types, clusters or values of the new points.
    kind : {"auto", "category", "value"}, default="auto"
        Kind of the colours: "category", types or clusters; "value", numbers on
        a scale. "auto": strings, booleans and integers of at most 50 distinct
        values are categories, other numbers are values.
    cmap : str, matplotlib.colors.Colormap or dict, default=None
        Colours of the types or of the values. None: 20 colours that are easy to
        distinguish, repeated beyond the 20th type; "viridis" for values. A dict
        holds the colour of each type, such as the `colors_` of another display;
        types that it lacks get colours that are not in it.
    point_size : float, default=None
        Area of a training point in square points of print, at most 10,000; new
        points are larger. None: the more points (and features, in a pair plot),
        the smaller.
    alpha : float, default=None
        Opacity of the training points. None: 0.8, or 0.45 with new points.
    max_legend : int, default=20
        Maximum number of types with a colour of their own and an entry in the
        legend, the largest types; all others are grey.
    legend : bool, default=True
        Whether to draw the legend or the colour bar.
    y_true : array-like of shape (n_samples,)
        True types; neurons of unknown type are left out.
    y_pred : array-like of shape (n_samples,)
        Predicted types.
    unlabeled_marker : "auto", scalar or list of scalars, default="auto"
        Markers of unknown types, beside "?", None, NaN and blank strings. "auto":
        -1 among integers.
    **options : dict
        Further parameters, of the method without an estimator and of `plot`. The
        default of `name` is the class of the estimator, or of the step that is drawn.
    **plot_options : dict
        Keyword arguments of `plot`. With an estimator, the default of `name` is its
        class, or that of the step that is drawn.
    Returns
    -------
    display : display instance
        The display, drawn.
    ax_, figure_ : matplotlib.axes.Axes, matplotlib.figure.Figure
        Axes with the plot, and the figure that holds them.
    colorbar_ : matplotlib.colorbar.Colorbar or None
        The colour bar, if drawn.
    texts_ : list of matplotlib.text.Text
        The numbers in the cells.
    legends_ : list of matplotlib.legend.Legend
        Legend of the types, then that of training and new points, if drawn.
    """

    def __init_subclass__(cls):
        """Complete the docstrings of the class."""
        for one in (cls, *vars(cls).values()):
            method = getattr(one, "__func__", one)
            if "|" in (getattr(method, "__doc__", None) or ""):
                method.__doc__ = complete(method.__doc__)

    def _start(self, ax, figsize, projection=None):
        """Set `ax_` (the axes given, or new ones) and `figure_`; return `ax_`."""
        self.ax_ = get_axes(ax, figsize, projection)
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
    @check_options("from_predictions", "plot")
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
        |**options|
        |Returns|

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
        y_pred = predict_types(estimator, X, y, f"{cls.__name__}.from_estimator")
        return cls.from_predictions(y, y_pred, **name_after(options, estimator))


class _ConnectomeDisplay(_Display):
    """Base class of the displays of a connectome and the types of its neurons."""

    @classmethod
    @check_options("from_predictions", "plot")
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
        |**options|
        |Returns|

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
        caller = f"{cls.__name__}.from_estimator"
        check_connectome(X, caller)
        y_pred = predict_types(estimator, X, y, caller)
        types = with_known(y_pred, y, unlabeled_marker)
        options["unlabeled_marker"] = unlabeled_marker
        return cls.from_predictions(X, types, **name_after(options, estimator))


def get_axes(ax, figsize, projection=None):
    """Return `ax`, or the axes of a new figure whose layout clips nothing."""
    from matplotlib import pyplot

    if ax is None:
        look = {"projection": projection}
        _, ax = pyplot.subplots(figsize=figsize, layout="compressed", subplot_kw=look)
    return ax


def style(defaults, given, artist):
    """Override default properties of an artist by those given, perhaps as aliases."""
    from matplotlib import cbook

    module, _, name = artist.rpartition(".")
    kind = getattr(importlib.import_module(module), name)
    given = cbook.normalize_kwargs(given or {}, kind)
    # matplotlib refuses, or ignores, some properties together.
    dropped = set()
    if given.keys() & {"c", "facecolor"}:
        dropped.add("color")
    if "color" in given and "facecolor" in defaults:
        dropped |= {"edgecolor", "facecolor"}
    if given.get("marker") in UNFILLED:
        dropped.add("edgecolor")
    return {key: defaults[key] for key in defaults if key not in dropped} | given


def type_names(types):
    """Return types as text, long names without their middle, "$" not as a formula."""
    names = []
    for value in np.asarray(types, dtype=object):
        name = "".join(char if char.isprintable() else " " for char in str(value))
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


def name_after(options, estimator):
    """Return options whose `name`, if missing, is that of the estimator's class."""
    return options | {"name": options.get("name") or type(estimator).__name__}


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
        check_vectors({"y": y}, ("samples in X", _num_samples(X)))
    return predict(X)


def with_known(types, y, unlabeled_marker):
    """Return predictions with the known types of `y` in their place."""
    if y is None:
        return types
    types, y = check_vectors({"the prediction": types, "y": y})
    return np.where(is_unlabeled(y, unlabeled_marker), types.astype(object), y)


def check_connectome(connectome, caller, **types):
    """Refuse anything but a connectome; return arrays of types of its neurons.

    `caller` is the full name of the calling method, for the messages.
    """
    if not isinstance(connectome, Connectome):
        raise TypeError(
            f"{caller} needs a Connectome, got {type(connectome).__name__}: make one "
            "of an adjacency matrix by Connectome(adjacency)"
        )
    return check_vectors(types, ("neurons", len(connectome)))


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
