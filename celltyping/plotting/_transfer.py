"""From the type of each cell at the start to the one at the end, as ribbons."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numbers

import numpy as np
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.validation import check_is_fitted

from celltyping._utils._labels import as_array, encode_types
from celltyping._utils._optional import import_optional
from celltyping.plotting._common import (
    counted,
    figure_and_axes,
    percent,
    pyplot,
    style,
    type_names,
)
from celltyping.plotting._flows import (
    order_of_few_crossings,
    ribbon,
    spread,
    stack_bars,
)
from celltyping.plotting._points import (
    OTHERS_GREY,
    UNKNOWN_GREY,
    check_type_colors,
    color_types,
    hex_color,
    map_of_types,
)
from celltyping.plotting._text import SMALLEST, axes_size, title_that_fits

# What cells are called that `reject_threshold` leaves without a type.
REJECTED = "unknown"

# Width of a bar, and of the space from there to its name: shares of the axes.
BAR, SPACE = 0.03, 0.03

# Opacity of ribbons: those from a type to itself are background.
SAME, OTHER = 0.3, 0.65

# The gaps of a stack of bars, as a share of all bars together, and the largest of them.
ALL_GAPS, LARGEST_GAP = 0.35, 0.04

# Letters that are larger look like headings.
LARGEST = 9.0


class TransferDisplay:
    """Ribbons from the types of cells at the start to those at the end.

    A bar on the left stands for the cells that have a type at the start, one on the
    right for those that have it at the end, and a ribbon for the cells that go from one
    to the other. Start and end are what the source networks say and what is left of it
    after the adaptation to the target, or true and predicted types. Use
    `from_estimator` or `from_predictions` to make a display. All parameters are stored
    as attributes.

    Parameters
    ----------
    types : ndarray of shape (n_types,)
        The types shown, from top to bottom.
    flows : ndarray of shape (n_types + 2, n_types + 2), dtype=int
        ``flows[i, j]`` cells have type i at the start and type j at the end. The last
        row and column but one are for all types that are not shown, the last ones for
        cells of unknown type.
    confidence : ndarray of shape (n_types,), default=None
        Of the cells of each type at the end, the share that had it at the start. None:
        what `flows` says.
    n_same : int, default=None
        Number of cells that have the same type at both ends. None: what `flows` says of
        the types shown.
    n_types_in_all : int, default=None
        Number of types before the choice. None: that of `types`.
    start_name : str, default="True type"
        What the types on the left are.
    end_name : str, default="Predicted type"
        What the types on the right are.

    Attributes
    ----------
    bars_ : list of matplotlib.patches.Rectangle
        The bars, those on the left first, from top to bottom.
    ribbons_ : list of matplotlib.patches.PathPatch
        The ribbons.
    n_hidden_ : int
        Number of cells whose ribbons are too small to be drawn.
    names_ : list of matplotlib.text.Text
        The names beside the bars, in their order.
    colors_ : dict of {type: colour}
        The colour of each type; as the `cmap` of another display, it gives the same
        types the same colours there.
    ax_ : matplotlib.axes.Axes
        Axes with the plot.
    figure_ : matplotlib.figure.Figure
        Figure that holds the axes.

    See Also
    --------
    ConfusedTypesDisplay : True against predicted types as a matrix.
    EmbeddingDisplay : The cells themselves on a map.

    Notes
    -----
    Types stand in the same order on both sides, the one in which few ribbons cross; the
    same types and numbers always have the same order. A bar has the height of all its
    cells, also where some of their ribbons are not drawn.

    Examples
    --------
    >>> from celltyping.plotting import TransferDisplay
    >>> display = TransferDisplay.from_predictions(
    ...     ["B", "B", "NK", "T", "T", "T"], ["B", "B", "T", "T", "T", "unknown"]
    ... )
    >>> display.types.tolist()
    ['B', 'NK', 'T']
    >>> display.flows
    array([[2, 0, 0, 0, 0],
           [0, 0, 1, 0, 0],
           [0, 0, 2, 0, 1],
           [0, 0, 0, 0, 0],
           [0, 0, 0, 0, 0]])
    >>> display.ax_.get_title()
    '67 % of 6 cells keep their type'
    """

    def __init__(
        self,
        *,
        types,
        flows,
        confidence=None,
        n_same=None,
        n_types_in_all=None,
        start_name="True type",
        end_name="Predicted type",
    ):
        self.types = types
        self.flows = flows
        self.confidence = confidence
        self.n_same = n_same
        self.n_types_in_all = n_types_in_all
        self.start_name = start_name
        self.end_name = end_name

    def plot(
        self,
        *,
        ax=None,
        min_share=0.05,
        cmap=None,
        include_values=True,
        name=None,
        ribbon_kw=None,
    ):
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. None: a new figure.
        min_share : float, default=0.05
            A ribbon is drawn if it holds at least this share of the cells of one of its
            two bars. The title says how many cells the others hold.
        cmap : str, matplotlib.colors.Colormap or dict, default=None
            Colours of the types. None: 20 colours that differ well, repeated beyond the
            20th type. A dict holds the colour of each type, such as the `colors_` of
            another display; types that it lacks get colours that it does not use.
        include_values : bool, default=True
            Whether to write the number of cells behind the name of each bar, and on the
            right the share of them that come from the same type.
        name : str, default=None
            Name of the method, for the title.
        ribbon_kw : dict, default=None
            Properties of the ribbons, see `matplotlib.patches.PathPatch`. Without a
            colour, a ribbon has that of the type at the start.

        Returns
        -------
        display : TransferDisplay
            The display itself.

        Raises
        ------
        ValueError
            If `min_share` is not between 0 and 1, or `cmap` holds no colours.
        """
        if not isinstance(min_share, numbers.Real) or not 0 <= min_share <= 1:
            raise ValueError(f"min_share must be between 0 and 1, got {min_share!r}")
        check_type_colors(cmap, "category")
        flows = np.asarray(self.flows)
        sizes = np.array([flows.sum(axis=1), flows.sum(axis=0)])
        n_bars = int((sizes > 0).sum(axis=1).max())
        figsize = (7.5, float(np.clip(1.6 + 0.27 * n_bars, 3.4, 14)))
        self.figure_, ax = figure_and_axes(ax, "TransferDisplay", figsize)
        self.ax_ = ax
        self.colors_, colors = self._colors(cmap)
        gap = sizes[0].sum() * min(LARGEST_GAP, ALL_GAPS / max(n_bars - 1, 1))
        stacks = [stack_bars(side, gap) for side in sizes]
        height = max(end for _, end in stacks)
        # Where one side has fewer bars, it stands in the middle.
        tops = np.array([starts + (height - end) / 2 for starts, end in stacks])
        shown = flows >= min_share * np.minimum(sizes[0][:, None], sizes[1])
        shown &= flows > 0
        self.n_hidden_ = int(flows[~shown].sum())
        self.ribbons_ = _draw_ribbons(ax, flows, shown, tops, colors, ribbon_kw)
        self.bars_ = _draw_bars(ax, sizes, tops, colors)
        ax.set(xlim=(0, 1), ylim=(height, 0), yticks=[])
        ax.spines[:].set_visible(False)
        ax.xaxis.tick_top()
        ax.tick_params(length=0)
        ax.set_xticks([0, 1], self._headings(include_values), fontsize="medium")
        self.names_ = []
        for side in (0, 1):
            self.names_ += self._write_names(side, sizes[side], include_values)
        title_that_fits(ax, self._title(name, flows, shown))
        _place_names(ax, self.names_, sizes, tops, height)
        return self

    def _colors(self, cmap):
        """Return {type: colour}, and the colour of each bar of a side."""
        types = np.asarray(self.types)
        by_name = np.argsort(types, kind="stable")
        places = np.arange(len(types))
        in_order, _ = color_types(places, places, map_of_types(cmap, types[by_name]))
        colors = np.empty(len(types) + 2, dtype=object)
        colors[by_name] = list(map(hex_color, in_order))
        colors[-2:] = hex_color(OTHERS_GREY), hex_color(UNKNOWN_GREY)
        own = zip(types[by_name].tolist(), colors[by_name], strict=True)
        return dict(own), colors

    def _headings(self, include_values):
        """Say what both sides are, and what the numbers are."""
        if not include_values:
            return [self.start_name, self.end_name]
        return [
            f"{self.start_name}\n(cells)",
            f"{self.end_name}\n(cells, share from the same type)",
        ]

    def _write_names(self, side, sizes, include_values):
        """Write the names of one side, still anywhere beside the bars."""
        n_types = len(self.types)
        n_others = (self.n_types_in_all or n_types) - n_types
        names = type_names(self.types)
        names += [f"({counted(n_others, 'other type')})", "(unknown)"]
        confidence = self.confidence
        if confidence is None:
            same = np.diagonal(self.flows)[:n_types]
            confidence = same / np.maximum(np.sum(self.flows, axis=0)[:n_types], 1)
        texts = []
        for bar in np.flatnonzero(sizes):
            text = names[bar]
            if include_values:
                share = ""
                if side == 1 and bar < n_types:
                    share = f", {percent(confidence[bar])}"
                text += f" ({sizes[bar]:,}{share})"
            texts.append(
                self.ax_.text(
                    (-SPACE, 1 + SPACE)[side],
                    0,
                    text,
                    ha=("right", "left")[side],
                    va="center",
                    fontsize=LARGEST,
                    color="0.15",
                )
            )
        return texts

    def _title(self, name, flows, shown):
        """Say how many cells there are, and what became of them."""
        n_cells, n_same = int(flows.sum()), self.n_same
        if n_same is None:
            n_same = int(np.diagonal(flows)[:-2].sum())
        title = f"{percent(n_same / n_cells)} of {counted(n_cells, 'cell')} keep their "
        title += "type"
        n_ribbons = np.count_nonzero(flows[~shown])
        if n_ribbons:
            title += f" ({counted(self.n_hidden_, 'cell')} in "
            title += f"{counted(n_ribbons, 'small ribbon')} not drawn)"
        return title if name is None else f"{name}: {title}"

    @classmethod
    def from_estimator(
        cls,
        estimator,
        *,
        max_types=30,
        ax=None,
        min_share=0.05,
        cmap=None,
        include_values=True,
        name=None,
        ribbon_kw=None,
    ):
        """Draw what the adaptation to the target did to the types of its cells.

        Parameters
        ----------
        estimator : estimator instance
            Fitted estimator with `trajectory_`, such as `ItClustClassifier`, or a
            pipeline that ends in one.
        max_types : int, default=30
            At most so many types have bars of their own, the largest ones.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. None: a new figure.
        min_share : float, default=0.05
            Least share of one of its bars that a ribbon must hold to be drawn.
        cmap : str, matplotlib.colors.Colormap or dict, default=None
            Colours of the types, or that of each type.
        include_values : bool, default=True
            Whether to write the number of cells behind the name of each bar, and on the
            right the estimator's `cluster_confidence_`.
        name : str, default=None
            Name of the method, for the title. None: that of the (last step's) class.
        ribbon_kw : dict, default=None
            Properties of the ribbons.

        Returns
        -------
        display : TransferDisplay
            What was read and drawn.

        Raises
        ------
        TypeError
            If the estimator has no `trajectory_`.
        sklearn.exceptions.NotFittedError
            If it is not fitted.
        ValueError
            If it was fitted without a target, or `max_types` is under 1.

        Notes
        -----
        The left side is what the source networks say of the target's cells, the right
        side what is left of it when the adaptation ends. Cells that
        `reject_threshold` leaves without a type stand in the grey bar of unknown ones;
        in `cluster_confidence_` they count as of the type that they would have.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.datasets import make_blobs
        >>> from celltyping import ItClustClassifier
        >>> from celltyping.plotting import TransferDisplay
        >>> X, codes = make_blobs(300, 5, random_state=0)
        >>> y = np.array(["B", "Mono", "T"])[codes]
        >>> y[150:] = "?"
        >>> itclust = ItClustClassifier(random_state=0).fit(X, y)
        >>> TransferDisplay.from_estimator(itclust).ax_.get_title()
        'ItClustClassifier: 100 % of 150 cells keep their type'
        """
        caller = f"{cls.__name__}.from_estimator"
        pyplot(caller)
        _check_max_types(max_types)
        last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
        start, end = _ends_of_trajectory(last, caller)
        chosen, counts = _count_flows(last.classes_, start, end, max_types)
        display = cls(
            **counts,
            confidence=np.asarray(last.cluster_confidence_)[chosen],
            start_name="Source networks",
            end_name="After adaptation",
        )
        return display.plot(
            ax=ax,
            min_share=min_share,
            cmap=cmap,
            include_values=include_values,
            name=type(last).__name__ if name is None else name,
            ribbon_kw=ribbon_kw,
        )

    @classmethod
    def from_predictions(
        cls,
        y_start,
        y_end,
        *,
        start_name="True type",
        end_name="Predicted type",
        unlabeled_marker="auto",
        max_types=30,
        ax=None,
        min_share=0.05,
        cmap=None,
        include_values=True,
        name=None,
        ribbon_kw=None,
    ):
        """Count the cells that go from type to type, and draw them.

        Parameters
        ----------
        y_start : array-like of shape (n_cells,)
            Types on the left: true ones, or those before something was done.
        y_end : array-like of shape (n_cells,)
            Types on the right: predicted ones, or those after it.
        start_name : str, default="True type"
            What the types on the left are.
        end_name : str, default="Predicted type"
            What the types on the right are.
        unlabeled_marker : "auto" or scalar, default="auto"
            What means unknown, in both; such cells have a grey bar, the last one. By
            default "?", "unknown", None and NaN among strings, -1 among integers.
        max_types : int, default=30
            At most so many types have bars of their own, those with most cells at both
            ends together; one grey bar stands for all others.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. None: a new figure.
        min_share : float, default=0.05
            Least share of one of its bars that a ribbon must hold to be drawn.
        cmap : str, matplotlib.colors.Colormap or dict, default=None
            Colours of the types, or that of each type.
        include_values : bool, default=True
            Whether to write the number of cells behind the name of each bar, and on the
            right the share of them that come from the same type.
        name : str, default=None
            Name of the method, for the title.
        ribbon_kw : dict, default=None
            Properties of the ribbons.

        Returns
        -------
        display : TransferDisplay
            What was computed and drawn.

        Raises
        ------
        ValueError
            If `max_types` is under 1, the lengths differ, no type is known, or one of
            the two holds text and the other numbers.
        """
        caller = f"{cls.__name__}.from_predictions"
        pyplot(caller)
        _check_max_types(max_types)
        types, start, end = _encode(y_start, y_end, unlabeled_marker, caller)
        _, counts = _count_flows(types, start, end, max_types)
        display = cls(**counts, start_name=start_name, end_name=end_name)
        return display.plot(
            ax=ax,
            min_share=min_share,
            cmap=cmap,
            include_values=include_values,
            name=name,
            ribbon_kw=ribbon_kw,
        )


def _check_max_types(max_types):
    """Refuse a picture without types."""
    if not isinstance(max_types, numbers.Integral) or max_types < 1:
        raise ValueError(
            f"max_types must be an integer of at least 1, got {max_types!r}"
        )


def _ends_of_trajectory(estimator, caller):
    """Return the first and the last type of each target cell, -1 where it has none."""
    is_class = isinstance(estimator, type)
    if is_class or not hasattr(estimator, "trajectory_"):
        if not is_class and hasattr(estimator, "fit"):
            check_is_fitted(estimator)
        name = getattr(estimator, "__name__", type(estimator).__name__)
        raise TypeError(
            f"{caller} needs a fitted estimator that has trajectory_, such as "
            f"ItClustClassifier, got {name}{', a class' if is_class else ''}; of "
            "another, pass types before and after to from_predictions"
        )
    labels = np.asarray(estimator.trajectory_.labels)
    if labels.size == 0:
        raise ValueError(
            f"{caller} draws the cells of a target, but {type(estimator).__name__} was "
            "fitted without one: pass unlabelled cells to fit, or call adapt"
        )
    end = labels[-1].copy()
    novelty = getattr(estimator, "novelty_", None)
    if novelty is not None:
        answers = estimator.transduction_[~np.isnan(novelty)]  # of the target alone
        end[~np.isin(answers, estimator.classes_)] = -1
    return labels[0], end


def _count_flows(types, start, end, max_types):
    """Count the cells from type to type, and put the types in order.

    Returns the indices of the types shown, in order, and what a display stores.
    """
    n_types = len(types)
    n_cells = np.bincount(start[start >= 0], minlength=n_types)
    n_cells += np.bincount(end[end >= 0], minlength=n_types)
    n_there = int(np.count_nonzero(n_cells))
    shown = np.argsort(-n_cells, kind="stable")[: min(max_types, n_there)]
    shown = np.sort(shown)
    # Others are put into one place, cells of unknown type (-1) into the last one.
    place = np.full(n_types + 1, len(shown))
    place[shown], place[-1] = np.arange(len(shown)), len(shown) + 1
    flows = np.zeros((len(shown) + 2, len(shown) + 2), dtype=int)
    np.add.at(flows, (place[start], place[end]), 1)
    order = order_of_few_crossings(flows, n_last=2)
    chosen = shown[order[:-2]]
    return chosen, {
        "types": np.asarray(types)[chosen],
        "flows": flows[order][:, order],
        "n_same": int(((start == end) & (start >= 0)).sum()),
        "n_types_in_all": n_there,
    }


def _encode(y_start, y_end, unlabeled_marker, caller):
    """Return the types, and both sides as indices of them; -1 where unknown."""
    check_consistent_length(y_start, y_end)
    sides = [column_or_1d(as_array(side)) for side in (y_start, y_end)]
    if len({side.dtype.kind in "OUS" for side in sides}) > 1:
        # Joined as they are, numbers would become text.
        sides = [side.astype(object) for side in sides]
    both = np.concatenate(sides)
    if both.dtype.kind in "OU" and str(unlabeled_marker) == "auto":
        rejected = [isinstance(value, str) and value == REJECTED for value in both]
        both = both.astype(object)
        both[rejected] = None
    types, codes = encode_types(both, unlabeled_marker, caller=caller, min_types=1)
    return types, *np.split(codes, 2)


def _draw_ribbons(ax, flows, shown, tops, colors, given):
    """Draw the ribbons, those between different types on top."""
    patches = import_optional("matplotlib.patches", extra="plot", needed_by="plotting")
    # Within a bar, ribbons lie in the order of the bars at their other ends.
    left = tops[0][:, None] + flows.cumsum(axis=1) - flows
    right = tops[1] + flows.cumsum(axis=0) - flows
    look = {"linewidth": 0.4, "zorder": 1}
    drawn = []
    for i, j in np.argwhere(shown):
        color = {"color": colors[i], "alpha": SAME if i == j else OTHER}
        path = ribbon(left[i, j], right[i, j], flows[i, j], (BAR, 1 - BAR))
        properties = style(look | color, given, "matplotlib.patches.PathPatch")
        patch = patches.PathPatch(path, **properties)
        patch.set_zorder(properties["zorder"] + 0.1 * (i != j))
        drawn.append(ax.add_patch(patch))
    return drawn


def _draw_bars(ax, sizes, tops, colors):
    """Draw the bars of both sides that are not empty."""
    bars = []
    for side, x in enumerate((0, 1 - BAR)):
        there = np.flatnonzero(sizes[side])
        bars += ax.bar(
            np.full(len(there), x),
            sizes[side][there],
            width=BAR,
            bottom=tops[side][there],
            align="edge",
            color=colors[there],
            # A line keeps bars of few cells in sight.
            edgecolor=colors[there],
            linewidth=0.6,
            zorder=2,
            clip_on=False,
        )
    return bars


def _place_names(ax, texts, sizes, tops, height):
    """Put the names beside their bars, in letters that fit, with lines to them."""
    _, room = axes_size(ax)
    longest = int((sizes > 0).sum(axis=1).max())
    size = float(np.clip(room / longest / 1.25, SMALLEST, LARGEST))
    start = 0
    for side in (0, 1):
        there = np.flatnonzero(sizes[side])
        mine = np.array(texts[start : start + len(there)], dtype=object)
        start += len(there)
        # Of too many bars, the largest get their names.
        n_fitting = max(int(room / (1.2 * SMALLEST)), 1)
        largest = np.argsort(-sizes[side][there], kind="stable")[:n_fitting]
        written = np.sort(largest)
        for text in np.delete(mine, written):
            text.set_visible(False)
        bars = there[written]
        middles = tops[side][bars] + sizes[side][bars] / 2
        line = 1.25 * size * height / room
        places = spread(middles, line, 0, height)
        edge, x = ((0, -SPACE), (1, 1 + SPACE))[side]
        for text, middle, place in zip(mine[written], middles, places, strict=True):
            text.set(y=place, fontsize=size)
            ax.plot(
                [edge, edge + 0.3 * (x - edge), edge + 0.85 * (x - edge)],
                [middle, middle, place],
                color="0.6",
                linewidth=0.6,
                clip_on=False,
                scalex=False,
                scaley=False,
            )
