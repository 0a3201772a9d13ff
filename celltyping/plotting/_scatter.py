"""Scatter plots of training points and new points, coloured by types or by values."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import itertools
import math
from collections.abc import Mapping
from inspect import signature

import numpy as np

from celltyping._utils._labels import as_numbers, is_missing, is_unlabeled
from celltyping.plotting._base import BLUE, _Display, counted, type_names
from celltyping.plotting._checks import as_floats, check_table, check_vectors

# Six of Okabe and Ito's colours, then those farthest from all before them, from white
# and from grey in CIELAB, for full colour vision and for deuteranopia.
PALETTE = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#6DDB3D"),
    *("#8600AA", "#FF0061", "#555500", "#006DFF", "#C2C26D", "#9E493D", "#FF79FF"),
    *("#F3009E", "#FFAA92", "#008618", "#6D3D86", "#3DDBDB", "#9E92FF"),
)

# Greys of points of unknown type, and of types without a colour of their own.
UNKNOWN_GREY, OTHERS_GREY = "0.78", "0.6"

# Grey of training points where only the new points have colours.
TRAINING_GREY = "0.6"

# Colour of the edges of new points.
DARK = "0.1"

# More points make a vector file too large to open.
MAX_VECTORS = 10_000

# Integers with more distinct values are values, not categories.
MAX_CATEGORIES = 50

PLURAL = {"category": "categories", "value": "values"}


class PointColors:
    """Colours of training points and new points, by types or by values.

    Parameters
    ----------
    color, new_color, kind, unlabeled_marker, cmap
        As in the displays.
    placed : ndarray of shape (n_points,), dtype=bool
        Mask of the points that are drawn, training points first. The others do not
        affect the colours.
    n_training : int
        Number of training points.

    Attributes
    ----------
    colors : ndarray of shape (n_drawn, 4)
        Colour of each point; this and what follows after `assign`.
    layer : ndarray of shape (n_drawn,)
        2 for points of a type with a colour of its own or of known value, 1 for points
        of other types, 0 for all others.
    groups : list of tuple (str, ndarray, ndarray)
        Label, indices of the points and colour: of each of the `n_own` types with a
        colour of its own, of all other types together, of unknown types or values.
    by_type : dict of {type: str}
        Types with a colour of their own, and the colours.
    scale : matplotlib.cm.ScalarMappable or None
        Scale of the values, for a colour bar.
    """

    def __init__(
        self, color, new_color, placed, n_training, *, kind, unlabeled_marker, cmap
    ):
        n_new = len(placed) - n_training
        if new_color is not None and n_new == 0:
            raise ValueError(
                "new_color is for new points, but there are none: pass the new points, "
                "too, or leave new_color out"
            )
        self.kind, has_color, values = check_colors(
            {"color": color, "new_color": new_color},
            {"color": n_training, "new_color": n_new},
            kind,
        )
        if self.kind == "value" and isinstance(cmap, Mapping):
            raise ValueError(
                "cmap must be a colour map where the colours are values, got a dict of "
                "a colour for each type"
            )
        self.cmap = cmap
        self.n_training = int(np.count_nonzero(placed[:n_training]))
        self.has_color = has_color[placed]
        self.values = None if values is None else values[placed[has_color]]
        self.types = np.empty(0, dtype=object)
        self.codes = np.full(len(self.has_color), -1)
        if self.kind == "category":
            self.types, self.codes[self.has_color] = encode_categories(
                self.values, unlabeled_marker
            )

    def assign(self, max_types):
        """Choose the colours; the `max_types` largest types have their own."""
        from matplotlib import cm, colors

        n_points, old = len(self.has_color), slice(self.n_training)
        # Colours of points without any: pale training points, white or blue new ones.
        self.colors = np.tile(
            colors.to_rgba("white" if self.has_color[old].any() else BLUE),
            (n_points, 1),
        )
        is_alone = self.n_training == n_points
        self.colors[old] = colors.to_rgba(BLUE if is_alone else TRAINING_GREY)
        self.layer = np.zeros(n_points, dtype=int)
        self.groups, self.by_type, self.scale, self.n_own = [], {}, None, 0
        known = self.codes >= 0
        if self.kind == "category":
            sizes = np.bincount(self.codes[known])
            own = np.sort(np.argsort(-sizes, kind="stable")[:max_types])
            palette = type_colors(self.types[own], self.cmap)
            self.n_own = len(own)
            self.by_type = dict(
                zip(self.types[own].tolist(), map(colors.to_hex, palette), strict=True)
            )
            for name, code, its in zip(
                type_names(self.types[own]), own, palette, strict=True
            ):
                self._add_group(name, self.codes == code, its, 2)
            others = counted(len(self.types) - len(own), "other type")
            is_other = known & ~np.isin(self.codes, own)
            self._add_group(f"({others})", is_other, OTHERS_GREY, 1)
        elif self.kind == "value":
            known[self.has_color] = ~np.isnan(self.values)
            if known.any():
                numbers = self.values[known[self.has_color]]
                self.scale = cm.ScalarMappable(cmap=self.cmap or "viridis")
                self.scale.set_clim(numbers.min(), numbers.max())
                self.colors[known] = self.scale.to_rgba(numbers)
                self.layer[known] = 2
        self._add_group("(unknown)", self.has_color & ~known, UNKNOWN_GREY, 0)

    def _add_group(self, label, members, color, layer):
        """Give points the same colour, and a label in the legend."""
        from matplotlib import colors

        if members.any():
            color = np.array(colors.to_rgba(color))
            self.colors[members], self.layer[members] = color, layer
            self.groups.append((label, np.flatnonzero(members), color))

    def legend_handles(self, with_own=True):
        """Return a handle per group, without those of `by_type` if so wished."""
        groups = self.groups[0 if with_own else self.n_own :]
        return [legend_point(label, color) for label, _, color in groups]

    def training_handles(self):
        """Return handles of training and new points; mixed colours are grey."""
        if self.n_training == len(self.colors):
            return []
        handles = []
        for label, part, look in (
            ("training points", self.colors[: self.n_training], {"markersize": 3.5}),
            ("new points", self.colors[self.n_training :], {"markeredgecolor": DARK}),
        ):
            color = part[0] if (part == part[0]).all() else TRAINING_GREY
            handles.append(legend_point(label, color, **look))
        return handles


class _PointsDisplay(_Display):
    """Base class of the displays of training points and new points."""

    # Names of the parameters that hold the points, and nouns for their columns and for
    # points that cannot be drawn.
    _names, _columns, _lacking = ("X", "X_new"), "features", "with missing values"

    def _check_points(self, cmap):
        """Return the points to draw, their colours and a text of their numbers."""
        both = [getattr(self, name) for name in self._names]
        points, n_training = check_points(*both, self._names, self._columns)
        placed = ~np.isnan(points).any(axis=1)
        colors = PointColors(
            self.color,
            self.new_color,
            placed,
            n_training,
            kind=self.kind,
            unlabeled_marker=self.unlabeled_marker,
            cmap=cmap,
        )
        return points[placed], colors, count_points(placed, n_training, self._lacking)

    @classmethod
    def _draw(cls, points, options):
        """Create a display and draw it, with options of the class and of `plot`."""
        own = [name for name in signature(cls).parameters if name in options]
        data = {name: options.pop(name) for name in own}
        return cls(points, **data).plot(**options)

    def _draw_colorbar(self, scale, axes, pad=0.03):
        """Draw the colour bar of values, if there are any."""
        if scale is not None:
            look = {"label": self.color_name or "", "shrink": 0.8, "aspect": 30}
            self.colorbar_ = self.figure_.colorbar(scale, ax=axes, pad=pad, **look)


def check_points(points, new_points, names, columns):
    """Return all points, and the number of training points.

    `names` are those of the two parameters, `columns` is a noun such as "components".
    """
    points = as_floats(check_table(names[0], points), names[0], "as points")
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
    new_points = as_floats(check_table(names[1], new_points), names[1], "as points")
    if new_points.shape[1] != points.shape[1]:
        raise ValueError(
            f"{names[1]} must have {points.shape[1]} {columns}, as {names[0]} has, "
            f"got {new_points.shape[1]}"
        )
    return np.vstack([points, new_points]), len(points)


def count_points(placed, n_training, lacking):
    """Return numbers of points, such as "3 training points, 1 lacking; 1 new point"."""
    things = ["training point", "new point"] if n_training < len(placed) else ["point"]
    texts = []
    for part, thing in zip(np.split(placed, [n_training]), things, strict=False):
        texts.append(counted(len(part), thing))
        if not part.all():
            texts[-1] += f", {np.count_nonzero(~part):,} {lacking}"
    return (", " if placed.all() else "; ").join(texts)


def type_colors(types, cmap):
    """Return a colour for each type, (n_types, 4), in the order of the sorted types.

    A dict is completed by colours of `PALETTE` that are not in it; a list of colours is
    repeated beyond its end.
    """
    from matplotlib import colormaps
    from matplotlib.colors import to_rgba

    order = np.argsort(types, kind="stable")
    if cmap is None or isinstance(cmap, Mapping):
        given = {name: to_rgba(color) for name, color in (cmap or {}).items()}
        palette = [to_rgba(color) for color in PALETTE]
        free = [color for color in palette if color not in given.values()]
        more = itertools.cycle(free or palette)
        in_order = [
            given[name] if name in given else next(more) for name in types[order]
        ]
    else:
        cmap, ranks = colormaps.get_cmap(cmap), np.arange(len(types))
        if cmap.N < 256:  # a list of colours, such as "tab10"
            in_order = cmap(ranks % cmap.N)
        else:
            in_order = cmap(ranks / max(len(types) - 1, 1))
    colors = np.empty((len(types), 4))
    colors[order] = np.reshape(in_order, (-1, 4))
    return colors


def check_colors(colors, lengths, kind):
    """Return the kind of colours, a mask of the points that have one, and the colours.

    `colors` and `lengths` are dicts by the name of the parameter. Values are returned
    as float64, NaN where they are unknown.
    """
    there = {
        name: check_vectors({name: color}, ("points", lengths[name]))[0]
        for name, color in colors.items()
        if color is not None
    }
    has_color = np.concatenate(
        [np.full(length, name in there) for name, length in lengths.items()]
    )
    if not there:
        return None, has_color, None
    if kind == "auto":
        kind = _find_kind(there)
    if kind == "value":
        parts = [as_floats(color, name, "as values") for name, color in there.items()]
    else:
        parts = [color.astype(object) for color in there.values()]
    return kind, has_color, np.concatenate(parts)


def _find_kind(colors):
    """Tell categories from values, the same for all parts."""
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
        many = part.dtype.kind in "iu" and n_distinct > MAX_CATEGORIES
        # Without a single known entry, a part is of any kind.
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


def encode_categories(values, unlabeled_marker):
    """Return the sorted categories and the codes of the values, -1 if unknown.

    Unlike `encode_types`, this accepts values that are all unknown.
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


def point_area(n_points, n_new):
    """Return the default area of a training point in square points of print."""
    return float(np.clip(400 / np.sqrt(n_points), 0.5, 30)) * (0.6 if n_new else 1)


def scatter_points(ax, points, colors, size, alpha):
    """Draw training points small and pale, and new points on top with a dark edge.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Axes, 3-d ones for three columns.
    points : ndarray of shape (n_points, 2) or (n_points, 3)
        The training points, then the new points.
    colors : PointColors
        Their colours; within a layer, the order is random, always the same one.
    size, alpha : float or None
        Area in square points of print and opacity of the training points.

    Returns
    -------
    training, new : matplotlib.collections.PathCollection
        The training points and the new points; None without new points.
    """
    n_training, n_new = colors.n_training, len(points) - colors.n_training
    if size is None:
        size = point_area(len(points), n_new)
    if alpha is None:
        alpha = 0.45 if n_new else 0.8
    shuffled = np.random.RandomState(0).permutation(len(points))
    order = shuffled[np.argsort(colors.layer[shuffled], kind="stable")]
    common = {"rasterized": len(points) > MAX_VECTORS}
    if points.shape[1] == 3 and n_new:
        ax.computed_zorder = False  # new points are on top in any view
        common["depthshade"] = False  # it would make training points paler still
    old, new = order[order < n_training], order[order >= n_training]
    look = {"s": size, "alpha": alpha, "linewidths": 0, "zorder": 2} | common
    training = ax.scatter(*points[old].T, c=colors.colors[old], **look)
    if not n_new:
        return training, None
    look = {"s": 3 * size, "edgecolors": DARK, "zorder": 3} | common
    look["linewidths"] = min(0.8, 0.2 * math.sqrt(3 * size))
    return training, ax.scatter(*points[new].T, c=colors.colors[new], **look)


def legend_point(label, color, **look):
    """Return a point for a legend; further properties are those of Line2D."""
    from matplotlib.lines import Line2D

    look = {"markersize": 6, "markeredgecolor": "none"} | look
    point = {"linestyle": "none", "marker": "o", "markerfacecolor": color}
    return Line2D([], [], label=label, **point, **look)
