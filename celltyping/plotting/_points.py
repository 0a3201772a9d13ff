"""Points of a map: where they are, the colours there are, and the order they lie in."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import itertools
import math
from collections.abc import Mapping

import numpy as np
from sklearn.utils import check_array

from celltyping._utils._optional import import_optional
from celltyping.plotting._common import counted, figure_and_axes, pyplot

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


def check_points(points, new_points, *, names, columns):
    """Check training points and new points.

    Parameters
    ----------
    points : array-like of shape (n_training, n_columns)
        The training points; NaN where a point has no place.
    new_points : array-like of shape (n_new, n_columns) or None
        The new points; None if there are none.
    names : tuple of (str, str)
        The parameters' names, for the messages.
    columns : str
        What the columns are, such as "components".

    Returns
    -------
    points : ndarray of shape (n_training + n_new, n_columns)
        All points, those without a place, too.
    n_training : int
        Number of training points.

    Raises
    ------
    ValueError
        If they are no numbers, or infinite, no training point has a place, there is a
        single column, or numbers of columns differ.

    Examples
    --------
    >>> from celltyping.plotting._points import check_points
    >>> points, n_training = check_points(
    ...     [[0, 1], [2, 3]], [[4, 5]], names=("X", "X_new"), columns="features"
    ... )
    >>> points.shape, n_training
    ((3, 2), 2)
    """
    checks = {"dtype": float, "ensure_all_finite": "allow-nan"}
    points = check_array(points, input_name=names[0], **checks)
    if points.shape[1] < 2:
        raise ValueError(
            f"{names[0]} must have at least 2 {columns} to be drawn, got shape "
            f"{points.shape}"
        )
    if np.isnan(points).any(axis=1).all():
        raise ValueError(
            f"{names[0]} must have a row without NaN to be drawn, but each of its "
            f"{counted(len(points), 'row')} has one"
        )
    if new_points is None:
        return points, len(points)
    new_points = check_array(new_points, input_name=names[1], **checks)
    if new_points.shape[1] != points.shape[1]:
        raise ValueError(
            f"{names[1]} must have {points.shape[1]} {columns}, as {names[0]} has, "
            f"got {new_points.shape[1]}"
        )
    return np.vstack([points, new_points]), len(points)


def count_points(placed, n_training, lacking):
    """Write how many points there are, and how many of them have no place.

    Parameters
    ----------
    placed : ndarray of shape (n_points,), dtype=bool
        Which points have a place: the training points, then the new ones.
    n_training : int
        Number of training points.
    lacking : str
        What is said of those without a place.

    Returns
    -------
    text : str
        Such as "3 points".

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping.plotting._points import count_points
    >>> placed = np.array([True, True, False, True])
    >>> count_points(placed, 3, "without a place")
    '3 training points, 1 without a place; 1 new point'
    """
    things = ["training point", "new point"] if n_training < len(placed) else ["point"]
    texts = []
    for part, thing in zip(np.split(placed, [n_training]), things, strict=False):
        texts.append(counted(len(part), thing))
        if not part.all():
            texts[-1] += f", {np.count_nonzero(~part):,} {lacking}"
    return (", " if placed.all() else "; ").join(texts)


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


def point_area(n_points, n_new):
    """Return the area of a training point on axes of usual size.

    Parameters
    ----------
    n_points : int
        Number of points: the more, the smaller.
    n_new : int
        How many of them are new ones; with new points, the others are smaller.

    Returns
    -------
    size : float
        In square points of print.

    Examples
    --------
    >>> from celltyping.plotting._points import point_area
    >>> point_area(400, 0), point_area(400, 5)
    (20.0, 12.0)
    """
    return float(np.clip(400 / np.sqrt(n_points), 0.5, 30)) * (0.6 if n_new else 1)


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
        size = point_area(len(points), n_new)
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
