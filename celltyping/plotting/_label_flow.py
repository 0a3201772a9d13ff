"""Flow diagram from the label of each cell at the start to its label at the end."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np

from celltyping._utils._labels import REJECTED, encode_together, split_markers
from celltyping.plotting._base import (
    _Display,
    counted,
    get_fitted,
    last_step,
    name_after,
    percent,
    style,
    type_names,
)
from celltyping.plotting._checks import check_options, check_vectors
from celltyping.plotting._flows import reduce_crossings, repel, ribbon, stack_bars
from celltyping.plotting._scatter import OTHERS_GREY, UNKNOWN_GREY, type_colors
from celltyping.plotting._text import SMALLEST, axes_size

# Width of a bar, and of the space between it and its name: shares of the axes.
BAR, SPACE = 0.03, 0.03

# Opacity of ribbons: those from a type to itself are background.
SAME, OTHER = 0.3, 0.65

# Sum of all gaps of a stack of bars, and a single gap at most: shares of all bars.
ALL_GAPS, LARGEST_GAP = 0.35, 0.04

# Larger letters look like headings.
LARGEST = 9.0


class LabelFlowDisplay(_Display):
    """Flow diagram between two labellings of the same cells.

    A bar on the left stands for the cells that have a type at the start, a bar on the
    right for those that have it at the end, and a ribbon for the cells that go from one
    to the other. Start and end are the answers of the source networks before and after
    the adaptation to the target, or true and predicted types. Use `from_estimator` or
    `from_predictions` to create a display. All parameters are stored as attributes.

    Parameters
    ----------
    types : ndarray of shape (n_types,)
        Types shown, from top to bottom.
    flows : ndarray of shape (n_types + 2, n_types + 2), dtype=int
        Number of cells of type i at the start and type j at the end. The last row and
        column but one are those of all types that are not shown, the last ones those of
        cells of unknown type.
    confidence : ndarray of shape (n_types,), default=None
        Share of the cells of each type at the end that had it at the start. None:
        computed from `flows`.
    n_same : int, default=None
        Number of cells that have the same type at both ends. None: computed from
        `flows`, for the types shown.
    n_types_in_all : int, default=None
        Number of types before the selection. None: that of `types`.
    start_name : str, default="True type"
        Heading of the left side.
    end_name : str, default="Predicted type"
        Heading of the right side.

    Attributes
    ----------
    bars_ : list of matplotlib.patches.Rectangle
        Bars, the left side first, from top to bottom.
    ribbons_ : list of matplotlib.patches.PathPatch
        Ribbons.
    n_hidden_ : int
        Number of cells in ribbons that are too small to be drawn.
    names_ : list of matplotlib.text.Text
        Names beside the bars, in their order.
    colors_ : dict of {type: colour}
        Colour of each type, a `cmap` for other displays.
    |ax_|

    See Also
    --------
    ConfusedTypesDisplay : True against predicted types as a matrix.
    EmbeddingDisplay : Scatter plot of the cells.

    Notes
    -----
    Types have the same order on both sides, one in which few ribbons cross; it depends
    on nothing but the types and the numbers of cells. The height of a bar is the number
    of all its cells, whether or not their ribbons are drawn.

    Examples
    --------
    >>> from celltyping.plotting import LabelFlowDisplay
    >>> display = LabelFlowDisplay.from_predictions(
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
    '67 % of 6 cells have the same type at both ends'
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

    @check_options()
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
        """Draw the diagram.

        Parameters
        ----------
        |ax|
        min_share : float, default=0.05
            Minimum share of the cells of one of its two bars that a ribbon must hold to
            be drawn. The title has the number of cells in all others.
        cmap : str, matplotlib.colors.Colormap or dict, default=None
            Colours of the types. None: 20 colours that are easy to distinguish. A dict
            holds the colour of each type; see `EmbeddingDisplay.plot`.
        include_values : bool, default=True
            Whether to write the number of cells behind the name of each bar, and on the
            right the share of them that come from the same type.
        |name|
        ribbon_kw : dict, default=None
            Properties of the ribbons, see `matplotlib.patches.PathPatch`. The default
            colour is that of the type at the start.
        |Returns|
        """
        flows = np.asarray(self.flows)
        sizes = np.array([flows.sum(axis=1), flows.sum(axis=0)])
        n_bars = int((sizes > 0).sum(axis=1).max())
        height = float(np.clip(1.6 + 0.27 * n_bars, 3.4, 14))
        ax = self._start(ax, (7.5, height))
        colors = self._assign_colors(cmap)
        gap = sizes[0].sum() * min(LARGEST_GAP, ALL_GAPS / max(n_bars - 1, 1))
        stacks = [stack_bars(side, gap) for side in sizes]
        height = max(end for _, end in stacks)
        # A side with fewer bars is centred.
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
        headings = [self.start_name, self.end_name]
        if include_values:
            headings[0] += "\n(cells)"
            headings[1] += "\n(cells, share from the same type)"
        ax.set_xticks([0, 1], headings, fontsize="medium")
        sides = [self._write_names(i, sizes[i], include_values) for i in (0, 1)]
        self.names_ = sides[0] + sides[1]
        self._finish(self._describe(flows, shown), name)
        _place_names(ax, sides, sizes, tops, height)
        return self

    def _assign_colors(self, cmap):
        """Set `colors_`, and return the colour of each bar of a side."""
        from matplotlib.colors import to_hex

        colors = [to_hex(color) for color in type_colors(np.asarray(self.types), cmap)]
        self.colors_ = dict(zip(np.asarray(self.types).tolist(), colors, strict=True))
        return np.array([*colors, to_hex(OTHERS_GREY), to_hex(UNKNOWN_GREY)])

    def _write_names(self, side, sizes, include_values):
        """Write the names of one side, at any height beside the bars."""
        n_types = len(self.types)
        n_others = (self.n_types_in_all or n_types) - n_types
        names = type_names(self.types)
        names += [f"({counted(n_others, 'other type')})", "(unknown)"]
        confidence = self.confidence
        if confidence is None:
            same = np.diagonal(self.flows)[:n_types]
            confidence = same / np.maximum(np.sum(self.flows, axis=0)[:n_types], 1)
        x, align = ((-SPACE, "right"), (1 + SPACE, "left"))[side]
        look = {"ha": align, "va": "center", "fontsize": LARGEST, "color": "0.15"}
        texts = []
        for bar in np.flatnonzero(sizes):
            text = names[bar]
            if include_values:
                is_type = side == 1 and bar < n_types
                share = f", {percent(confidence[bar])}" if is_type else ""
                text += f" ({sizes[bar]:,}{share})"
            texts.append(self.ax_.text(x, 0, text, **look))
        return texts

    def _describe(self, flows, shown):
        """Return the title: the share of cells of the same type at both ends."""
        n_cells, n_same = int(flows.sum()), self.n_same
        if n_same is None:
            n_same = int(np.diagonal(flows)[:-2].sum())
        share = f"{percent(n_same / n_cells)} of {counted(n_cells, 'cell')}"
        hidden, n_ribbons = "", np.count_nonzero(flows[~shown])
        if n_ribbons:
            ribbons = counted(n_ribbons, "small ribbon")
            hidden = f" ({counted(self.n_hidden_, 'cell')} in {ribbons} not drawn)"
        return f"{share} have the same type at both ends{hidden}"

    @classmethod
    @check_options("plot")
    def from_estimator(cls, estimator, *, max_types=30, **plot_options):
        """Draw the types of target cells before and after the adaptation.

        Parameters
        ----------
        estimator : estimator instance
            Fitted estimator with `trajectory_`, such as `ItClustClassifier`, or a
            pipeline that ends in one.
        max_types : int, default=30
            Maximum number of types with bars of their own, the largest ones.
        |**plot_options|
        |Returns|

        Notes
        -----
        The left side has the answers of the source networks for the target's cells, the
        right side those at the end of the adaptation. Cells that `reject_threshold`
        leaves without a type are in the grey bar of unknown ones; in
        `cluster_confidence_`, which gives the shares on the right, they count as cells
        of the type that they would have.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.datasets import make_blobs
        >>> from celltyping import ItClustClassifier
        >>> from celltyping.plotting import LabelFlowDisplay
        >>> X, codes = make_blobs(300, 5, random_state=0)
        >>> y = np.array(["B", "Mono", "T"])[codes]
        >>> y[150:] = "?"
        >>> itclust = ItClustClassifier(random_state=0).fit(X, y)
        >>> LabelFlowDisplay.from_estimator(itclust).ax_.get_title()
        'ItClustClassifier: 100 % of 150 cells have the same type at both ends'
        """
        last = last_step(estimator)
        start, end = _read_trajectory(last, f"{cls.__name__}.from_estimator")
        chosen, counts = _count_flows(last.classes_, start, end, max_types)
        return cls(
            **counts,
            confidence=np.asarray(last.cluster_confidence_)[chosen],
            start_name="Source networks",
            end_name="After adaptation",
        ).plot(**name_after(plot_options, last))

    @classmethod
    @check_options("plot")
    def from_predictions(
        cls,
        y_start,
        y_end,
        *,
        start_name="True type",
        end_name="Predicted type",
        unlabeled_marker="auto",
        max_types=30,
        **plot_options,
    ):
        """Count the cells that go from type to type, and draw them.

        Parameters
        ----------
        y_start : array-like of shape (n_cells,)
            Types on the left, such as true types.
        y_end : array-like of shape (n_cells,)
            Types on the right, such as predicted types.
        start_name : str, default="True type"
            Heading of the left side.
        end_name : str, default="Predicted type"
            Heading of the right side.
        unlabeled_marker : "auto", scalar or list of scalars, default="auto"
            Values that mean unknown, on both sides, beside "?", None, NaN and blank
            strings; such cells have a grey bar, the last one. "auto": "unknown" among
            strings, -1 among integers.
        max_types : int, default=30
            Maximum number of types with bars of their own, those with most cells at
            both ends together; one grey bar stands for all others.
        |**plot_options|
        |Returns|
        """
        caller = f"{cls.__name__}.from_predictions"
        sides = check_vectors({"y_start": y_start, "y_end": y_end})
        is_auto, markers = split_markers(unlabeled_marker)
        if is_auto:
            unlabeled_marker = [*markers, "auto", REJECTED]
        types, (start, end) = encode_together(
            *sides, unlabeled_marker=unlabeled_marker, caller=caller
        )
        _, counts = _count_flows(types, start, end, max_types)
        display = cls(**counts, start_name=start_name, end_name=end_name)
        return display.plot(**plot_options)


def _read_trajectory(estimator, caller):
    """Return the first and the last type of each target cell, -1 if it has none."""
    trajectory = get_fitted(
        estimator,
        "trajectory_",
        caller,
        "of another, pass types before and after to from_predictions",
    )
    labels = np.asarray(trajectory.labels)
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
    """Count the cells from type to type, and order the types.

    `start` and `end` hold the index in `types` of each cell, -1 if it is unknown.
    Returns the indices of the types shown, in order, and parameters of the display.
    """
    n_types = len(types)
    n_cells = np.bincount(start[start >= 0], minlength=n_types)
    n_cells += np.bincount(end[end >= 0], minlength=n_types)
    n_there = int(np.count_nonzero(n_cells))
    shown = np.sort(np.argsort(-n_cells, kind="stable")[: min(max_types, n_there)])
    # All others have the last position but one, cells of unknown type (-1) the last.
    position = np.full(n_types + 1, len(shown))
    position[shown], position[-1] = np.arange(len(shown)), len(shown) + 1
    flows = np.zeros((len(shown) + 2, len(shown) + 2), dtype=int)
    np.add.at(flows, (position[start], position[end]), 1)
    order = reduce_crossings(flows, n_last=2)
    chosen = shown[order[:-2]]
    return chosen, {
        "types": np.asarray(types)[chosen],
        "flows": flows[order][:, order],
        "n_same": int(((start == end) & (start >= 0)).sum()),
        "n_types_in_all": n_there,
    }


def _draw_ribbons(ax, flows, shown, tops, colors, ribbon_kw):
    """Draw the ribbons `shown`, those between different types on top."""
    from matplotlib.patches import PathPatch

    # Within a bar, ribbons have the order of the bars at their other ends.
    left = tops[0][:, None] + flows.cumsum(axis=1) - flows
    right = tops[1] + flows.cumsum(axis=0) - flows
    drawn = []
    for i, j in np.argwhere(shown):
        look = {"linewidth": 0.4, "zorder": 1}
        look |= {"facecolor": colors[i], "edgecolor": colors[i]}
        look["alpha"] = SAME if i == j else OTHER
        look = style(look, ribbon_kw, "matplotlib.patches.PathPatch")
        look["zorder"] += 0.1 * (i != j)
        path = ribbon(left[i, j], right[i, j], flows[i, j], (BAR, 1 - BAR))
        drawn.append(ax.add_patch(PathPatch(path, **look)))
    return drawn


def _draw_bars(ax, sizes, tops, colors):
    """Draw the bars of both sides that are not empty."""
    bars = []
    # The edge keeps bars of few cells visible.
    look = {"align": "edge", "linewidth": 0.6, "zorder": 2, "clip_on": False}
    for side, x in enumerate((0, 1 - BAR)):
        there = np.flatnonzero(sizes[side])
        look |= {"color": colors[there], "edgecolor": colors[there]}
        left, bottom = np.full(len(there), x), tops[side][there]
        bars += ax.bar(left, sizes[side][there], BAR, bottom, **look)
    return bars


def _place_names(ax, sides, sizes, tops, height):
    """Move the names of both sides beside their bars, in letters that fit."""
    _, room = axes_size(ax)
    look = {"color": "0.6", "linewidth": 0.6, "clip_on": False}
    longest = max(map(len, sides))
    size = float(np.clip(room / longest / 1.25, SMALLEST, LARGEST))
    n_fitting = max(int(room / (1.2 * SMALLEST)), 1)
    for side, texts in enumerate(sides):
        bars = np.flatnonzero(sizes[side])
        # Of too many bars, the largest get their names.
        by_size = np.argsort(-sizes[side][bars], kind="stable")
        for hidden in by_size[n_fitting:]:
            texts[hidden].set_visible(False)
        written = np.sort(by_size[:n_fitting])
        middles = (tops[side] + sizes[side] / 2)[bars[written]]
        positions = repel(middles, 1.25 * size * height / room, 0, height)
        edge, x = ((0, -SPACE), (1, 1 + SPACE))[side]
        for text, middle, y in zip(written, middles, positions, strict=True):
            texts[text].set(y=y, fontsize=size)
            across = edge + np.array([0, 0.3, 0.85]) * (x - edge)
            ax.plot(across, [middle, middle, y], scalex=False, scaley=False, **look)
