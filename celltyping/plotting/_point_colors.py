"""Colours of training points and new points, by types or by values."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numbers
from typing import NamedTuple

import numpy as np

from celltyping._utils._labels import as_array, as_numbers, is_missing, is_unlabeled
from celltyping.plotting._common import BLUE, counted, type_names
from celltyping.plotting._points import (
    DARK,
    OTHERS_GREY,
    UNKNOWN_GREY,
    check_type_colors,
    color_types,
    color_values,
    hex_color,
    largest_types,
    legend_point,
    map_of_types,
    rgba,
)

# Integers with more distinct values are taken for numbers, not for categories.
MOST_CATEGORIES = 50

PLURAL = {"category": "categories", "value": "values"}

# Of training points where only the new points have colours.
TRAINING_GREY = "0.6"


class ColorsRead(NamedTuple):
    """What the colours of points mean; see `read_colors`."""

    kind: str | None
    has_color: np.ndarray
    n_training: int
    values: np.ndarray | None
    types: np.ndarray
    codes: np.ndarray


class PointColors(NamedTuple):
    """How points are coloured; see `color_points`."""

    colors: np.ndarray
    layer: np.ndarray
    names: list
    members: list
    by_type: dict
    n_others: int
    any_unknown: bool
    scale: object


def read_colors(color, new_color, placed, n_training, *, kind, unlabeled_marker, cmap):
    """Check the colours of training points and new points, and tell what they mean.

    Parameters
    ----------
    color, new_color : array-like or None
        Types, clusters or values of the training points and of the new points; None
        if they have none.
    placed : ndarray of shape (n_points,), dtype=bool
        Which points are drawn: the training points, then the new ones. What is not
        drawn has no say in the colours.
    n_training : int
        Number of training points.
    kind : {"auto", "category", "value"}
        What the user says that the colours are.
    unlabeled_marker : "auto" or scalar
        What means unknown among categories.
    cmap : str, matplotlib.colors.Colormap, dict or None
        The colours that will be asked for.

    Returns
    -------
    read : ColorsRead
        Of the points that are drawn: `kind` of the colours, None without any;
        `has_color`, which points have one; `n_training`, how many are training points;
        `values` of those that have a colour; `types` and their `codes`, empty unless
        the colours are categories.

    Raises
    ------
    ValueError
        If there are colours of new points, but none of these, colours or lengths do
        not fit (see `check_colors`), or `cmap` is no colour map for them.

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping.plotting._point_colors import read_colors
    >>> placed = np.array([True, False, True])
    >>> options = {"kind": "auto", "unlabeled_marker": "auto", "cmap": None}
    >>> read = read_colors(["KC", "LHN"], ["PN"], placed, 2, **options)
    >>> read.types.tolist(), read.codes.tolist(), read.n_training
    (['KC', 'PN'], [0, 1], 1)
    """
    n_new = len(placed) - n_training
    if new_color is not None and n_new == 0:
        raise ValueError(
            "new_color is for new points, but there are none: pass the new points, "
            "too, or leave new_color out"
        )
    kind, has_color, values = check_colors(
        {"color": color, "new_color": new_color},
        {"color": n_training, "new_color": n_new},
        kind,
    )
    check_type_colors(cmap, kind)
    if values is not None:
        values = values[placed[has_color]]
    types, codes = np.empty(0, dtype=object), np.empty(0, dtype=np.intp)
    if kind == "category":
        types, codes = encode_categories(values, unlabeled_marker)
    n_drawn = int(np.count_nonzero(placed[:n_training]))
    return ColorsRead(kind, has_color[placed], n_drawn, values, types, codes)


def color_points(read, cmap, max_types):
    """Choose the colours of points by what they mean.

    Parameters
    ----------
    read : ColorsRead
        What `read_colors` returned.
    cmap : str, matplotlib.colors.Colormap, dict or None
        The colours of types or of values.
    max_types : int
        At most so many types have a colour of their own, the largest ones.

    Returns
    -------
    colored : PointColors
        `colors` and `layer` of each point; of the types with a colour of their own,
        their `names`, their `members` (indices of points) and their colours
        `by_type`; `n_others`, how many types share a grey; `any_unknown`, whether a
        point is of unknown type or value; `scale`, what a colour bar shows, or None.

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping.plotting._point_colors import color_points, read_colors
    >>> read = read_colors(
    ...     ["KC", "?", "KC"],
    ...     None,
    ...     np.full(3, True),
    ...     3,
    ...     kind="auto",
    ...     unlabeled_marker="auto",
    ...     cmap=None,
    ... )
    >>> colored = color_points(read, None, 20)
    >>> colored.by_type, colored.members[0].tolist(), colored.any_unknown
    ({'KC': '#0072b2'}, [0, 2], True)
    """
    has_color, n_training = read.has_color, read.n_training
    n_points = len(has_color)
    colors, layer = np.empty((n_points, 4)), np.zeros(n_points, dtype=int)
    # What has no colour of its own: pale training points, and white or blue new ones.
    colors[:n_training] = rgba(TRAINING_GREY if n_training < n_points else BLUE)
    colors[n_training:] = rgba("white" if has_color[:n_training].any() else BLUE)
    shown, scale = np.empty(0, dtype=int), None
    if read.kind == "category":
        shown = largest_types(read.codes, max_types)
        colors[has_color], layer[has_color] = color_types(
            read.codes, shown, map_of_types(cmap, read.types[shown])
        )
    elif read.kind == "value":
        colors[has_color], layer[has_color], scale = color_values(read.values, cmap)
    # The first point of each type has its colour.
    members = [np.flatnonzero(has_color)[read.codes == code] for code in shown]
    own = [hex_color(colors[some[0]]) for some in members]
    return PointColors(
        colors=colors,
        layer=layer,
        names=type_names(read.types[shown]),
        members=members,
        by_type=dict(zip(read.types[shown].tolist(), own, strict=True)),
        n_others=len(read.types) - len(shown),
        any_unknown=bool((layer[has_color] == 0).any()),
        scale=scale,
    )


def legend_of_types(colored, *, named=True):
    """Return the legend's points of types, of other types and of unknown ones.

    Parameters
    ----------
    colored : PointColors
        How the points are coloured.
    named : bool, default=True
        Whether the types with a colour of their own are among them.

    Returns
    -------
    handles : list of matplotlib.lines.Line2D
        The points.

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping.plotting import _point_colors as point_colors
    >>> read = point_colors.read_colors(
    ...     ["KC", "KC", "PN", "?"],
    ...     None,
    ...     np.full(4, True),
    ...     4,
    ...     kind="auto",
    ...     unlabeled_marker="auto",
    ...     cmap=None,
    ... )
    >>> colored = point_colors.color_points(read, None, 1)
    >>> [point.get_label() for point in point_colors.legend_of_types(colored)]
    ['KC', '(1 other type)', '(unknown)']
    """
    handles = []
    if named:
        own = [colored.colors[some[0]] for some in colored.members]
        handles = list(map(legend_point, colored.names, own))
    if colored.n_others > 0:
        others = f"({counted(colored.n_others, 'other type')})"
        handles.append(legend_point(others, OTHERS_GREY))
    if colored.any_unknown:
        handles.append(legend_point("(unknown)", UNKNOWN_GREY))
    return handles


def legend_of_groups(colored, n_training):
    """Return the legend's points of training points and of new points.

    Parameters
    ----------
    colored : PointColors
        How the points are coloured.
    n_training : int
        Number of training points among those drawn.

    Returns
    -------
    handles : list of matplotlib.lines.Line2D
        Two points, or none if all are training points. Points that differ in colour
        are grey here.

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping.plotting import _point_colors as point_colors
    >>> read = point_colors.read_colors(
    ...     None,
    ...     None,
    ...     np.full(4, True),
    ...     3,
    ...     kind="auto",
    ...     unlabeled_marker="auto",
    ...     cmap=None,
    ... )
    >>> colored = point_colors.color_points(read, None, 1)
    >>> handles = point_colors.legend_of_groups(colored, 3)
    >>> [point.get_label() for point in handles]
    ['training points', 'new points']
    """
    if n_training == len(colored.colors):
        return []
    handles = []
    for label, part, look in (
        ("training points", colored.colors[:n_training], {"markersize": 3.5}),
        ("new points", colored.colors[n_training:], {"markeredgecolor": DARK}),
    ):
        color = part[0] if (part == part[0]).all() else TRAINING_GREY
        handles.append(legend_point(label, color, **look))
    return handles


def as_floats(column, name, purpose):
    """Return numbers as floats, NaN where there is none.

    Parameters
    ----------
    column : ndarray of shape (n_points,)
        Numbers; some of them missing.
    name : str
        What they are, for the messages.
    purpose : str
        How they are drawn, for the messages.

    Returns
    -------
    values : ndarray of shape (n_points,), dtype=float64
        Another array.

    Raises
    ------
    ValueError
        If an entry is no number, or infinite.

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping.plotting._point_colors import as_floats
    >>> column = np.array([1, None], dtype=object)
    >>> as_floats(column, "color", "as values").tolist()
    [1.0, nan]
    """
    known = ~is_missing(column)
    values = np.full(column.shape, np.nan)
    try:
        values[known] = column[known].astype(float)
    except (TypeError, ValueError) as exc:
        raise ValueError(
            f"{name} must hold numbers to be drawn {purpose}: {exc}"
        ) from exc
    if np.isinf(values).any():
        raise ValueError(f"{name} holds infinity: values must be finite numbers or NaN")
    return values


def check_look(max_legend, point_size):
    """Refuse a legend without entries, and points that cannot be seen.

    Parameters
    ----------
    max_legend : int
        At most so many types have a colour of their own.
    point_size : float or None
        Area of a point.

    Raises
    ------
    ValueError
        If one of them is not positive, or `max_legend` is no integer.

    Examples
    --------
    >>> from celltyping.plotting._point_colors import check_look
    >>> check_look(20, None)
    """
    if not isinstance(max_legend, numbers.Integral) or max_legend < 1:
        raise ValueError(
            f"max_legend must be an integer of at least 1, got {max_legend!r}"
        )
    if point_size is not None and not point_size > 0:
        raise ValueError(f"point_size must be positive, or None, got {point_size!r}")


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
    >>> from celltyping.plotting._point_colors import check_colors
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
        parts = [as_floats(color, name, "as values") for name, color in there.items()]
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
    >>> from celltyping.plotting._point_colors import encode_categories
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
