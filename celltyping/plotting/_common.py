"""What the displays share: colours, names, predictions, checks of what comes in."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import pdist
from sklearn.utils import check_consistent_length, column_or_1d

from celltyping._utils._labels import as_array, is_unlabeled
from celltyping._utils._optional import import_optional
from celltyping.connectome import Connectome

# Okabe and Ito's palette: these differ for every kind of colour vision, and in grey.
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#7F7F7F"

# Longer names would leave no room for the plot.
LONGEST_NAME = 28

# Beyond it, putting the leaves of a tree into the best order takes more than seconds.
MOST_LEAVES = 1000


def pyplot(needed_by):
    """Import matplotlib.pyplot, or say which extra brings it.

    Parameters
    ----------
    needed_by : str
        The display's name, for the message.

    Returns
    -------
    module : module
        `matplotlib.pyplot`.

    Examples
    --------
    >>> from celltyping.plotting._common import pyplot
    >>> pyplot("this example").__name__
    'matplotlib.pyplot'
    """
    return import_optional("matplotlib.pyplot", extra="plot", needed_by=needed_by)


def figure_and_axes(ax, needed_by, figsize):
    """Return the axes given and their figure, or new ones.

    Parameters
    ----------
    ax : matplotlib.axes.Axes or None
        Axes to draw on. None: a new figure, with a layout that clips nothing.
    needed_by : str
        The display's name, for the message if matplotlib is not there.
    figsize : tuple of float
        Width and height of a new figure in inches.

    Returns
    -------
    figure : matplotlib.figure.Figure or matplotlib.figure.SubFigure
        What the axes are in.
    ax : matplotlib.axes.Axes
        The axes.

    Examples
    --------
    >>> from celltyping.plotting._common import figure_and_axes
    >>> figure, ax = figure_and_axes(None, "this example", (4, 3))
    >>> figure.get_size_inches().tolist()
    [4.0, 3.0]
    """
    plt = pyplot(needed_by)
    if ax is None:
        return plt.subplots(figsize=figsize, layout="compressed")
    return ax.figure, ax


def style(defaults, given, artist):
    """Merge what a user wants of an artist into the defaults.

    Parameters
    ----------
    defaults : dict
        Properties of the artist.
    given : dict or None
        What the user wants of it; aliases such as "c" and "lw" are understood.
    artist : str
        Full name of the artist's class, which knows the aliases.

    Returns
    -------
    properties : dict
        One value per property.

    Examples
    --------
    >>> from celltyping.plotting._common import style
    >>> style({"color": "k", "zorder": 1}, {"c": "r"}, "matplotlib.lines.Line2D")
    {'color': 'r', 'zorder': 1}
    """
    module, _, name = artist.rpartition(".")
    kind = getattr(import_optional(module, extra="plot", needed_by="plotting"), name)
    cbook = import_optional("matplotlib.cbook", extra="plot", needed_by="plotting")
    merged = defaults | cbook.normalize_kwargs(given or {}, kind)
    if "c" in merged:  # of a scatter plot, which refuses the two together
        del merged["color"]
    return merged


def type_names(types):
    """Turn types into text that matplotlib writes as it is.

    Parameters
    ----------
    types : array-like of shape (n_types,)
        Strings or numbers.

    Returns
    -------
    names : list of str
        Long names lose their middle; a dollar sign does not start a formula.

    Examples
    --------
    >>> from celltyping.plotting._common import type_names
    >>> type_names(["KC", 7, "a name that goes on and on for ever"])
    ['KC', '7', 'a name that go…n for ever']
    """
    names = []
    for value in np.asarray(types, dtype=object):
        name = str(value)
        if len(name) > LONGEST_NAME:
            name = f"{name[: LONGEST_NAME // 2]}…{name[-(LONGEST_NAME // 3 + 1) :]}"
        names.append(name.replace("$", r"\$"))
    return names


def counted(number, thing):
    """Write how many of a thing there are.

    Parameters
    ----------
    number : int
        How many.
    thing : str
        One of them.

    Returns
    -------
    text : str
        Such as "1 type" or "1,939 neurons".

    Examples
    --------
    >>> from celltyping.plotting._common import counted
    >>> counted(1, "type"), counted(1939, "neuron")
    ('1 type', '1,939 neurons')
    """
    return f"{number:,.15g} {thing}{'' if number == 1 else 's'}"


def percent(share):
    """Write a share as per cent; all and none only where it is exactly that.

    Parameters
    ----------
    share : float
        Between 0 and 1.

    Returns
    -------
    text : str
        Whole per cent.

    Examples
    --------
    >>> from celltyping.plotting._common import percent
    >>> percent(1), percent(0.9996), percent(0.423), percent(0.001)
    ('100 %', '> 99 %', '42 %', '< 1 %')
    """
    whole = round(100 * share)
    if whole == 100 and share < 1:
        return "> 99 %"
    if whole == 0 and share > 0:
        return "< 1 %"
    return f"{whole} %"


def predict_types(estimator, X, y, caller):
    """Predict for a display, after a look at what it got.

    Parameters
    ----------
    estimator : estimator instance
        A fitted estimator that predicts.
    X : {Connectome, array-like, sparse matrix} of shape (n_samples, n_features)
        What it predicts for.
    y : array-like of shape (n_samples,) or None
        The types, to check their number; None if there are none.
    caller : str
        The method's name, for the messages.

    Returns
    -------
    y_pred : ndarray of shape (n_samples,)
        The predictions.

    Raises
    ------
    TypeError
        If the estimator does not predict.
    ValueError
        If `X` and `y` differ in length.

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> from celltyping.plotting._common import predict_types
    >>> X, y = [[0], [1], [2]], ["KC", "PN", "KC"]
    >>> predict_types(DummyClassifier().fit(X, y), X, y, "this example").tolist()
    ['KC', 'KC', 'KC']
    """
    if isinstance(estimator, type) or not hasattr(estimator, "predict"):
        name = getattr(estimator, "__name__", type(estimator).__name__)
        raise TypeError(
            f"{caller} needs a fitted estimator that has predict, got {name}"
            f"{', a class' if isinstance(estimator, type) else ''}"
        )
    if y is not None:
        check_consistent_length(X, y)
    return estimator.predict(X)


def with_known(types, y, unlabeled_marker):
    """Put known types in the place of predictions.

    Parameters
    ----------
    types : ndarray of shape (n_samples,)
        Predictions.
    y : array-like of shape (n_samples,) or None
        Types; some of them unknown. None: all unknown.
    unlabeled_marker : "auto" or scalar
        What means unknown in `y`.

    Returns
    -------
    types : ndarray of shape (n_samples,)
        Another array, `y` where it is known.

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping.plotting._common import with_known
    >>> with_known(np.array(["KC", "KC"]), ["?", "PN"], "auto").tolist()
    ['KC', 'PN']
    """
    types = np.array(types, dtype=object)
    if y is not None:
        y = column_or_1d(as_array(y))
        known = ~is_unlabeled(y, unlabeled_marker)
        types[known] = y[known]
    return types


def check_connectome(connectome, caller):
    """Refuse what is not a connectome.

    Parameters
    ----------
    connectome : Connectome
        What the user passed.
    caller : str
        The method's name, for the message.

    Raises
    ------
    TypeError
        If it is something else.

    Examples
    --------
    >>> from celltyping import Connectome
    >>> from celltyping.plotting._common import check_connectome
    >>> check_connectome(Connectome([[0, 1], [2, 0]]), "this example")
    """
    if not isinstance(connectome, Connectome):
        raise TypeError(
            f"{caller} needs a Connectome, got {type(connectome).__name__}: make one "
            "of an adjacency matrix by Connectome(adjacency)"
        )


def order_by_likeness(profiles):
    """Order types so that those with like profiles stand side by side.

    Parameters
    ----------
    profiles : ndarray of shape (n_types, n_columns)
        Nonnegative numbers; only the proportions within a row count.

    Returns
    -------
    order : ndarray of shape (n_types,), dtype=intp
        Average-linkage clustering of the cosine distances, its leaves put next to
        their likes; empty rows come last.

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping.plotting._common import order_by_likeness
    >>> profiles = np.array([[9, 0], [0, 0], [0, 5], [7, 1]])
    >>> order_by_likeness(profiles).tolist()
    [2, 3, 0, 1]
    """
    empty = ~profiles.any(axis=1)
    filled = np.flatnonzero(~empty)
    if len(filled) > 2:
        # Square roots, so that the strongest entries do not decide alone.
        distances = pdist(np.sqrt(profiles[filled]), "cosine").clip(0)
        # The best order of leaves takes time that grows with the cube of their number.
        tree = linkage(
            distances, "average", optimal_ordering=len(filled) <= MOST_LEAVES
        )
        filled = filled[leaves_list(tree)]
    return np.concatenate([filled, np.flatnonzero(empty)]).astype(np.intp)
