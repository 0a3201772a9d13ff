"""Points of a map: their colours, by types or by values, and the order they lie in."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import itertools
import math
from collections.abc import Mapping

import numpy as np
from sklearn.utils import check_array

from celltyping._labels import as_array, as_numbers, is_missing, is_unlabeled
from celltyping._optional import import_optional
from celltyping.plotting._common import figure_and_axes, pyplot

# Six of Okabe and Ito's colours, then those farthest from all before them, from white
# and from grey in CIELAB, for full colour vision and for deuteranopia.
PALETTE = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#6DDB3D"),
    *("#8600AA", "#FF0061", "#555500", "#006DFF", "#C2C26D", "#9E493D", "#FF79FF"),
    *("#F3009E", "#FFAA92", "#008618", "#6D3D86", "#3DDBDB", "#9E92FF"),
)

# Greys of points of unknown type, and of types without a colour of their own.
UNKNOWN_GREY, OTHERS_GREY = "0.78", "0.6"

# Of the edges of new points.
DARK = "0.1"

# More points make a file of vectors too large to open.
MOST_VECTORS = 10_000

# Integers with more distinct values are taken for numbers, not for categories.
MOST_CATEGORIES = 50

PLURAL = {"category": "categories", "value": "values"}


def check_points(embedding, new_embedding):
    """Check training points and new points.

    Parameters
    ----------
    embedding : array-like of shape (n_training, n_components)
        The training points.
    new_embedding : array-like of shape (n_new, n_components) or None
        The new points; None if there are none.

    Returns
    -------
    points : ndarray of shape (n_training + n_new, n_components)
        All points.
    n_training : int
        Number of training points.

    Raises
    ------
    ValueError
        If they are no finite numbers, have a single component, or numbers of
        components differ.

    Examples
    --------
    >>> from celltyping.plotting._points import check_points
    >>> points, n_training = check_points([[0, 1], [2, 3]], [[4, 5]])
    >>> points.shape, n_training
    ((3, 2), 2)
    """
    points = check_array(embedding, dtype=float, input_name="embedding")
    if points.shape[1] < 2:
        raise ValueError(
            "embedding must have at least 2 components to be drawn, got shape "
            f"{points.shape}"
        )
    if new_embedding is None:
        return points, len(points)
    new_points = check_array(new_embedding, dtype=float, input_name="new_embedding")
    if new_points.shape[1] != points.shape[1]:
        raise ValueError(
            f"new_embedding must have {points.shape[1]} components, as embedding has, "
            f"got {new_points.shape[1]}"
        )
    return np.vstack([points, new_points]), len(points)


def axes_of_dimension(ax, n_dimensions, needed_by, figsize):
    """Return the axes given and their figure, or new ones, for a map.

    Parameters
    ----------
    ax : matplotlib.axes.Axes or None
        Axes to draw on. None: a new figure.
    n_dimensions : {2, 3}
        Dimensions of the map.
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

    Raises
    ------
    ValueError
        If the axes given have other dimensions.

    Examples
    --------
    >>> from celltyping.plotting._points import axes_of_dimension
    >>> axes_of_dimension(None, 3, "this example", (4, 3))[1].name
    '3d'
    """
    if ax is None and n_dimensions == 3:
        figure = pyplot(needed_by).figure(figsize=figsize, layout="compressed")
        return figure, figure.add_subplot(projection="3d")
    is_3d = getattr(ax, "name", None) == "3d"
    if n_dimensions == 3 and not is_3d:
        raise ValueError(
            "an embedding of 3 components needs 3-d axes, got a 2-d ax: make it by "
            "subplots(subplot_kw={'projection': '3d'}), or pass embedding[:, :2]"
        )
    if n_dimensions == 2 and is_3d:
        raise ValueError(
            "ax is 3-d, but two components are drawn: pass 2-d axes, or an embedding "
            "of 3 components"
        )
    return figure_and_axes(ax, needed_by, figsize)


def check_colors(colors, lengths, kind):
    """Check the colours of some groups of points, and tell what they are.

    Parameters
    ----------
    colors : dict of {str: array-like or None}
        The parameter's name and the colours of each group; None if it has none.
    lengths : dict of {str: int}
        How many points are in each group.
    kind : {"auto", "category", "value"}
        What the user says that they are.

    Returns
    -------
    kind : {"category", "value", None}
        What they are; None if no group has any.
    has_color : ndarray of shape (n_points,), dtype=bool
        Which points of all groups together have a colour.
    colors : ndarray of shape (n_colored_points,) or None
        These colours; values are floats, and NaN where they are unknown.

    Raises
    ------
    ValueError
        If `kind` is something else, lengths differ, colours are neither categories nor
        numbers, or are categories in one group and values in another.

    Examples
    --------
    >>> from celltyping.plotting._points import check_colors
    >>> check_colors({"color": ["KC", "PN"]}, {"color": 2}, "auto")[0]
    'category'
    """
    if kind not in ("auto", "category", "value"):
        raise ValueError(f"kind must be 'auto', 'category' or 'value', got {kind!r}")
    there = {}
    for name, color in colors.items():
        if color is None:
            continue
        there[name] = as_array(color)
        if there[name].shape != (lengths[name],):
            raise ValueError(
                f"{name} must hold one entry for each of the {lengths[name]} points, "
                f"got an array of shape {there[name].shape}"
            )
    has_color = [np.full(lengths[name], name in there) for name in colors]
    has_color = np.concatenate(has_color)
    if not there:
        return None, has_color, None
    if kind == "auto":
        kind = _found_kind(there)
    if kind == "value":
        parts = [_as_values(color, name) for name, color in there.items()]
    else:
        parts = [color.astype(object) for color in there.values()]
    return kind, has_color, np.concatenate(parts)


def encode_categories(values, unlabeled_marker):
    """Turn categories into integers, also where none is known.

    Parameters
    ----------
    values : ndarray of shape (n_points,)
        Categories; some, or even all, of them unknown.
    unlabeled_marker : "auto" or scalar
        What means unknown.

    Returns
    -------
    types : ndarray of shape (n_types,)
        The known ones, sorted.
    codes : ndarray of shape (n_points,), dtype=intp
        Index of each in `types`; -1 where it is unknown.

    Raises
    ------
    ValueError
        If kinds of categories are mixed, such as strings and numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping.plotting._points import encode_categories
    >>> types, codes = encode_categories(np.array(["PN", "?", "KC"]), "auto")
    >>> types.tolist(), codes.tolist()
    (['KC', 'PN'], [1, -1, 0])
    """
    codes = np.full(values.shape, -1, dtype=np.intp)
    known = ~is_unlabeled(values, unlabeled_marker)
    try:
        types, codes[known] = np.unique(as_numbers(values[known]), return_inverse=True)
    except TypeError as exc:
        kinds = sorted({type(value).__name__ for value in values[known]})
        raise ValueError(
            "color and new_color must hold categories of one kind, got a mix of "
            f"{', '.join(kinds)}"
        ) from exc
    return types, codes


def check_type_colors(cmap, kind):
    """Refuse a dict of colours that are none, or where values are drawn.

    Parameters
    ----------
    cmap : str, matplotlib.colors.Colormap, dict or None
        The colours; anything but a dict is left to matplotlib.
    kind : {"category", "value", None}
        What is drawn.

    Raises
    ------
    ValueError
        If values are to have the colours of a dict, or matplotlib does not know one.

    Examples
    --------
    >>> from celltyping.plotting._points import check_type_colors
    >>> check_type_colors({"KC": "red"}, "category")
    """
    if not isinstance(cmap, Mapping):
        return
    if kind == "value":
        raise ValueError(
            "cmap must be a colour map where the colours are values, got a dict of a "
            "colour for each type"
        )
    colors = import_optional("matplotlib.colors", extra="plot", needed_by="plotting")
    for name, color in cmap.items():
        if not colors.is_color_like(color):
            raise ValueError(
                "cmap must hold a colour that matplotlib knows for each type, got "
                f"{color!r} for {name!r}"
            )


def map_of_types(cmap, types):
    """Turn colours by type into a colour map of these types.

    Parameters
    ----------
    cmap : str, matplotlib.colors.Colormap, dict or None
        The colours. Of a dict, the colour of each type; types that it lacks get those
        of the palette that it does not use.
    types : ndarray of shape (n_types,)
        The types.

    Returns
    -------
    cmap : str, matplotlib.colors.Colormap or None
        Of a dict, a list of as many colours as types; anything else as it is.

    Examples
    --------
    >>> from celltyping.plotting._points import map_of_types
    >>> cmap = map_of_types({"PN": "black", "LHN": "red"}, ["KC", "PN"])
    >>> cmap.colors
    ['#0072B2', 'black']
    """
    if not isinstance(cmap, Mapping):
        return cmap
    colors = import_optional("matplotlib.colors", extra="plot", needed_by="plotting")
    taken = {rgba(color) for color in cmap.values()}
    free = [color for color in PALETTE if rgba(color) not in taken]
    more = itertools.cycle(free or PALETTE)
    return colors.ListedColormap(
        [cmap[name] if name in cmap else next(more) for name in types]
    )


def color_types(codes, shown, cmap):
    """Choose the colours of points by their types.

    Parameters
    ----------
    codes : ndarray of shape (n_points,), dtype=intp
        Type of each point; -1 if it is unknown.
    shown : ndarray of shape (n_shown,), dtype=intp
        The types that have a colour of their own.
    cmap : str, matplotlib.colors.Colormap or None
        Their colours. None: the palette, repeated beyond its end.

    Returns
    -------
    rgba : ndarray of shape (n_points, 4)
        The colours.
    layer : ndarray of shape (n_points,)
        0 for unknown types, 1 for those without a colour of their own, 2 for others.

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping.plotting._points import color_types
    >>> rgba, layer = color_types(np.array([0, 1, -1, 0]), np.array([0]), None)
    >>> layer.tolist()
    [2, 1, 0, 2]
    """
    n_types = codes.max(initial=-1) + 1
    # The last row is that of code -1.
    table = np.tile(rgba(OTHERS_GREY), (n_types + 1, 1))
    layers = np.ones(n_types + 1, dtype=int)
    table[-1], layers[-1] = rgba(UNKNOWN_GREY), 0
    places = np.arange(len(shown))
    if cmap is None:
        colors = np.array([rgba(color) for color in PALETTE])[places % len(PALETTE)]
    else:
        cmap = pyplot("plotting").get_cmap(cmap)
        if cmap.N < 256:  # a list of colours, such as "tab10"
            colors = cmap(places % cmap.N)
        else:
            colors = cmap(places / max(len(shown) - 1, 1))
    table[shown], layers[shown] = colors, 2
    return table[codes], layers[codes]


def color_values(values, cmap):
    """Choose the colours of points by values.

    Parameters
    ----------
    values : ndarray of shape (n_points,)
        The values; NaN where they are unknown.
    cmap : str, matplotlib.colors.Colormap or None
        The colours from the lowest value to the highest. None: "viridis".

    Returns
    -------
    rgba : ndarray of shape (n_points, 4)
        The colours.
    layer : ndarray of shape (n_points,)
        0 for unknown values, 2 for others.
    scale : matplotlib.cm.ScalarMappable or None
        What a colour bar shows; None if all values are unknown.

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping.plotting._points import color_values
    >>> rgba, layer, scale = color_values(np.array([2.0, np.nan, 7.0]), None)
    >>> layer.tolist(), scale.get_clim()
    ([2, 0, 2], (2.0, 7.0))
    """
    cm = import_optional("matplotlib.cm", extra="plot", needed_by="plotting")
    known = ~np.isnan(values)
    colors = np.tile(rgba(UNKNOWN_GREY), (len(values), 1))
    if not known.any():
        return colors, 2 * known, None
    scale = cm.ScalarMappable(cmap=cmap or "viridis")
    scale.set_clim(values[known].min(), values[known].max())
    colors[known] = scale.to_rgba(values[known])
    return colors, 2 * known, scale


def largest_types(codes, limit):
    """Find the types with most points.

    Parameters
    ----------
    codes : ndarray of shape (n_points,), dtype=intp
        Type of each point; -1 if it is unknown.
    limit : int
        At most so many types.

    Returns
    -------
    shown : ndarray of shape (n_shown,), dtype=intp
        The codes of these types, ascending.

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping.plotting._points import largest_types
    >>> largest_types(np.array([2, 0, -1, 2, 1, 1, -1, -1]), 2).tolist()
    [1, 2]
    """
    sizes = np.bincount(codes[codes >= 0])
    return np.sort(np.argsort(-sizes, kind="stable")[:limit])


def rgba(color):
    """Return a colour as four numbers.

    Parameters
    ----------
    color : str or tuple of float
        Any colour that matplotlib knows.

    Returns
    -------
    rgba : tuple of float
        Red, green, blue and opacity, between 0 and 1.

    Examples
    --------
    >>> from celltyping.plotting._points import rgba
    >>> rgba("white")
    (1.0, 1.0, 1.0, 1.0)
    """
    colors = import_optional("matplotlib.colors", extra="plot", needed_by="plotting")
    return colors.to_rgba(color)


def hex_color(color):
    """Return a colour without its opacity as text.

    Parameters
    ----------
    color : str or array-like of float
        Any colour that matplotlib knows.

    Returns
    -------
    text : str
        Red, green and blue in hexadecimal digits.

    Examples
    --------
    >>> from celltyping.plotting._points import hex_color
    >>> hex_color("white")
    '#ffffff'
    """
    colors = import_optional("matplotlib.colors", extra="plot", needed_by="plotting")
    return colors.to_hex(color)


def scatter_points(ax, points, n_training, *, colors, layer, size, alpha):
    """Draw training points small and pale, and new points on top with a dark edge.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        The axes, 3-d ones for three columns.
    points : ndarray of shape (n_points, 2) or (n_points, 3)
        The training points, then the new ones.
    n_training : int
        Number of training points. If it is that of all, they are not pale.
    colors : ndarray of shape (n_points, 4)
        The colours.
    layer : ndarray of shape (n_points,)
        Points of a lower layer lie below those of a higher one; within a layer, the
        order is random, always the same one.
    size : float or None
        Area of a training point in square points of print. None: the more points, the
        smaller.
    alpha : float or None
        Opacity of the training points. None: 0.8, but 0.45 with new points.

    Returns
    -------
    training : matplotlib.collections.PathCollection
        The training points.
    new : matplotlib.collections.PathCollection or None
        The new points.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from celltyping.plotting._points import scatter_points
    >>> ax = Figure().subplots()
    >>> training, new = scatter_points(
    ...     ax, np.eye(2), 1, colors=np.ones((2, 4)), layer=[0, 0], size=4, alpha=None
    ... )
    >>> training.get_sizes().tolist(), new.get_sizes().tolist()
    ([4], [12])
    """
    n_new = len(points) - n_training
    if size is None:
        size = np.clip(400 / np.sqrt(len(points)), 0.5, 30) * (0.6 if n_new else 1)
    if alpha is None:
        alpha = 0.45 if n_new else 0.8
    shuffled = np.random.RandomState(0).permutation(len(points))
    order = shuffled[np.argsort(np.asarray(layer)[shuffled], kind="stable")]
    common = {"rasterized": len(points) > MOST_VECTORS}
    if points.shape[1] == 3 and n_new:
        ax.computed_zorder = False  # new points come on top in any view
        common["depthshade"] = False  # it would make training points paler still
    old, new = order[order < n_training], order[order >= n_training]
    look = {"s": size, "alpha": alpha, "linewidths": 0, "zorder": 2}
    training = ax.scatter(*points[old].T, c=colors[old], **look, **common)
    if not n_new:
        return training, None
    look = {"s": 3 * size, "edgecolors": DARK, "zorder": 3}
    look["linewidths"] = min(0.8, 0.2 * math.sqrt(look["s"]))
    return training, ax.scatter(*points[new].T, c=colors[new], **look, **common)


def legend_point(label, color, **look):
    """Return a point that is drawn in a legend alone.

    Parameters
    ----------
    label : str
        What it stands for.
    color : str or tuple of float
        Its colour.
    **look : dict
        Other properties, see `matplotlib.lines.Line2D`.

    Returns
    -------
    point : matplotlib.lines.Line2D
        The point.

    Examples
    --------
    >>> from celltyping.plotting._points import legend_point
    >>> legend_point("PN", "white", markeredgecolor="0.1").get_label()
    'PN'
    """
    lines = import_optional("matplotlib.lines", extra="plot", needed_by="plotting")
    look = {"markersize": 6, "markeredgecolor": "none"} | look
    point = {"linestyle": "none", "marker": "o", "markerfacecolor": color}
    return lines.Line2D([], [], label=label, **point, **look)


def _found_kind(colors):
    """Tell whether colours are categories or values, the same for all groups."""
    known = {
        name: as_numbers(color[~is_missing(color)]) for name, color in colors.items()
    }
    integers = [part for part in known.values() if part.dtype.kind in "iu"]
    n_distinct = len(set().union(*(np.unique(part).tolist() for part in integers)))
    kinds = {}
    for name, part in known.items():
        if part.dtype.kind not in "biufOUS":
            raise ValueError(
                f"{name} must hold strings, booleans or numbers, got {part.dtype}"
            )
        many = part.dtype.kind in "iu" and n_distinct > MOST_CATEGORIES
        # Without a single known entry, a group is of any kind.
        if part.size > 0:
            kinds[name] = "value" if part.dtype.kind == "f" or many else "category"
    if len(set(kinds.values())) > 1:
        found = " and ".join(
            f"{name} holds {PLURAL[kind]} ({known[name].dtype})"
            for name, kind in kinds.items()
        )
        raise ValueError(
            f"color and new_color must be of one kind, but {found}; say which by "
            "kind='category' or kind='value'"
        )
    return next(iter(kinds.values()), "category")


def _as_values(color, name):
    """Return colours as numbers, NaN where there is none."""
    known = ~is_missing(color)
    values = np.full(color.shape, np.nan)
    try:
        values[known] = color[known].astype(float)
    except (TypeError, ValueError) as exc:
        raise ValueError(
            f"{name} must hold numbers to be drawn as values: {exc}"
        ) from exc
    if np.isinf(values).any():
        raise ValueError(f"{name} holds infinity: values must be finite numbers or NaN")
    return values
