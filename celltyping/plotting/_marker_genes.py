"""Expression of marker genes in each type, as dots."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import difflib
import numbers
import warnings

import numpy as np
from scipy import sparse
from sklearn.utils import check_array, check_consistent_length

from celltyping._utils._expression import check_not_negative, conflicting_evidence
from celltyping._utils._labels import encode_types
from celltyping._utils._optional import import_optional
from celltyping._utils._warnings import find_stack_level
from celltyping.plotting._common import (
    ORANGE,
    counted,
    figure_and_axes,
    order_by_likeness,
    percent,
    predict_types,
    pyplot,
    type_names,
)
from celltyping.plotting._text import axes_size, label_cells, title_that_fits

# Dots fill their cells up to this share of them, but are no larger than so many points.
FILLED, LARGEST_DOT = 0.88, 15.0

# The dots that the legend explains.
LEGEND_SHARES = (0.1, 0.5, 1.0)

# Height of the colour bar, and of the letters beside it, in points.
BAR_HEIGHT, LETTERS = 130, 8.5

SCALES = {
    "gene": "Mean log expression,\n0 to 1 for each gene",
    "none": "Mean log expression",
}


class MarkerGenesDisplay:
    """Expression of marker genes in each type, as dots.

    A dot's colour is how much of the gene the type's cells express on the mean, and its
    area how many of them express it at all. Use `from_expression` or `from_estimator`
    to make a display. All parameters are stored as attributes.

    Parameters
    ----------
    types : ndarray of shape (n_types,)
        The types, in the order of the rows.
    genes : ndarray of shape (n_genes,)
        Names of the genes, in the order of the columns.
    mean : ndarray of shape (n_types, n_genes)
        Mean log expression of each gene in the cells of each type.
    share : ndarray of shape (n_types, n_genes)
        Share of the cells of each type that express the gene: have more than 0 of it.
    n_cells : ndarray of shape (n_types,), dtype=int
        Number of cells of each type.
    marks : ndarray of shape (n_genes,), dtype=int, default=None
        Index in `types` of the type that each gene was found to mark; -1 if it is none.
        None: the genes were not searched for.

    Attributes
    ----------
    dots_ : matplotlib.collections.PathCollection
        The dots, row by row.
    frames_ : list of matplotlib.patches.Rectangle
        The frames around each type's own markers.
    colorbar_ : matplotlib.colorbar.Colorbar or None
        The colour bar.
    legend_ : matplotlib.legend.Legend or None
        The legend of the sizes.
    ax_ : matplotlib.axes.Axes
        Axes with the plot.
    figure_ : matplotlib.figure.Figure
        Figure that holds the axes.

    See Also
    --------
    TransferDisplay : What the types were before, or should be.
    EmbeddingDisplay : The cells on a map, coloured by type or by the value of a gene.

    Notes
    -----
    The score of a gene for a type is its mean log expression there less that in the
    type where it is next highest, so a gene marks one type at most. The genes of the
    highest scores above 0 are the type's markers. The score is no test: of a type with
    a few cells, markers are found by chance as well.

    Types stand in an order of likeness, by the genes that are shown.

    Examples
    --------
    >>> from celltyping.plotting import MarkerGenesDisplay
    >>> X = [[2.0, 0.1, 1.0], [2.2, 0.0, 1.0], [0.0, 1.5, 1.0], [0.4, 1.6, 0.9]]
    >>> display = MarkerGenesDisplay.from_expression(
    ...     X, ["B", "B", "T", "T"], ["MS4A1", "CD3D", "ACTB"], n_genes=1
    ... )
    >>> display.types.tolist(), display.genes.tolist()
    (['B', 'T'], ['MS4A1', 'CD3D'])
    >>> display.mean.round(2)
    array([[2.1 , 0.05],
           [0.2 , 1.55]])
    >>> display.share
    array([[1. , 0.5],
           [0.5, 1. ]])
    """

    def __init__(self, *, types, genes, mean, share, n_cells, marks=None):
        self.types = types
        self.genes = genes
        self.mean = mean
        self.share = share
        self.n_cells = n_cells
        self.marks = marks

    def plot(
        self,
        *,
        ax=None,
        scale="gene",
        cmap="Blues",
        legend=True,
        name=None,
        dot_kw=None,
    ):
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. None: a new figure.
        scale : {"gene", "none"}, default="gene"
            What a colour stands for: "gene", the mean log expression m among the types'
            means of the same gene, (m - lowest) / (highest - lowest); "none", the mean
            log expression itself.
        cmap : str or matplotlib.colors.Colormap, default="Blues"
            Colours from the lowest expression to the highest.
        legend : bool, default=True
            Whether to draw the colour bar and the legend of the sizes.
        name : str, default=None
            Where the types come from, for the title.
        dot_kw : dict, default=None
            Properties of the dots, see `matplotlib.axes.Axes.scatter`, but for their
            sizes.

        Returns
        -------
        display : MarkerGenesDisplay
            The display itself.

        Raises
        ------
        ValueError
            If `scale` is something else.
        """
        if scale not in SCALES:
            raise ValueError(f"scale must be 'gene' or 'none', got {scale!r}")
        mean, share = np.asarray(self.mean), np.asarray(self.share)
        n_types, n_genes = mean.shape
        # In inches: a fifth for each cell, and what the names and the legend need.
        width = float(np.clip(2 + 0.21 * n_genes, 4.2, 17)) + 1.9 * legend
        height = float(np.clip(1.8 + 0.23 * n_types, 3.4, 14))
        self.figure_, ax = figure_and_axes(ax, "MarkerGenesDisplay", (width, height))
        self.ax_ = ax
        colors = _scaled_by_gene(mean) if scale == "gene" else mean
        columns, rows = np.meshgrid(np.arange(n_genes), np.arange(n_types))
        look = {"cmap": cmap, "edgecolors": "0.4", "linewidths": 0.4, "zorder": 2}
        look |= dot_kw or {}
        if "norm" not in look:
            # Where no type expresses any of the genes, the scale still has two ends.
            look = {"vmin": 0, "vmax": colors.max() or 1} | look
        self.dots_ = ax.scatter(columns.ravel(), rows.ravel(), c=colors.ravel(), **look)
        ax.set(
            xlim=(-0.5, n_genes - 0.5),
            ylim=(n_types - 0.5, -0.5),
            ylabel="Type (cells)",
        )
        self.frames_ = self._frame_markers()
        ax.set_xlabel("Gene (framed: markers of the type)" if self.frames_ else "Gene")
        types = [
            f"{own} ({n:,})"
            for own, n in zip(type_names(self.types), self.n_cells, strict=True)
        ]
        genes = type_names(self.genes)
        label_cells(ax, types, genes)
        self.colorbar_, self.legend_ = None, None
        if legend:
            _, room = axes_size(ax)
            shrink = min(BAR_HEIGHT / room, 1)
            self.colorbar_ = self.figure_.colorbar(
                self.dots_,
                ax=ax,
                shrink=shrink,
                anchor=(0, 1),
                aspect=0.1 * shrink * room,
                pad=0.02,
            )
            self.colorbar_.set_label(SCALES[scale], fontsize=LETTERS)
            self.colorbar_.ax.tick_params(labelsize=LETTERS)
            self.colorbar_.ax.locator_params(nbins=4)
            axes_size(ax)  # lets the layout settle
            self.legend_ = self._explain_sizes(FILLED * LARGEST_DOT)
            label_cells(ax, types, genes)  # in what room is left
        title_that_fits(ax, self._title(name))
        size = self._dot_size()
        self.dots_.set_sizes(share.ravel() * size**2)
        if legend:
            self.legend_.remove()
            self.legend_ = self._explain_sizes(size)
        return self

    def _frame_markers(self):
        """Draw a frame around each type's own markers; those of a type are adjacent."""
        if self.marks is None:
            return []
        patches = import_optional(
            "matplotlib.patches", extra="plot", needed_by="plotting"
        )
        frames = []
        for row in range(len(self.types)):
            columns = np.flatnonzero(np.asarray(self.marks) == row)
            if len(columns) > 0:
                frame = patches.Rectangle(
                    (columns[0] - 0.5, row - 0.5),
                    len(columns),
                    1,
                    fill=False,
                    edgecolor=ORANGE,
                    linewidth=1.3,
                    zorder=3,
                    clip_on=False,  # at the border, half of the line lies outside
                )
                frames.append(self.ax_.add_patch(frame))
        return frames

    def _explain_sizes(self, size):
        """Draw the legend of the sizes, to the right of the colour bar."""
        transforms = import_optional(
            "matplotlib.transforms", extra="plot", needed_by="plotting"
        )
        lines = import_optional("matplotlib.lines", extra="plot", needed_by="plotting")
        look = {"linestyle": "none", "marker": "o", "markeredgewidth": 0.4}
        look |= {"markerfacecolor": "0.75", "markeredgecolor": "0.4"}
        handles = [
            lines.Line2D(
                [], [], label=percent(share), markersize=size * np.sqrt(share), **look
            )
            for share in LEGEND_SHARES
        ]
        bar = self.colorbar_.ax
        figure = bar.figure.figure
        # Beyond the bar's own label, with a space of some letters.
        label = bar.yaxis.label.get_window_extent().x1 - bar.get_window_extent().x1
        right = transforms.ScaledTranslation(
            label / figure.dpi + LETTERS / 72, 0, figure.dpi_scale_trans
        )
        return bar.legend(
            handles=handles,
            title="Cells that\nexpress it",
            loc="upper left",
            bbox_to_anchor=(1, 1),
            bbox_transform=bar.transAxes + right,
            frameon=False,
            fontsize=LETTERS,
            title_fontsize=LETTERS,
            alignment="left",
            borderpad=0,
        )

    def _dot_size(self):
        """Return the diameter in points of a dot for all cells of a type."""
        width, height = axes_size(self.ax_)
        n_types, n_genes = np.shape(self.mean)
        return min(FILLED * min(width / n_genes, height / n_types), LARGEST_DOT)

    def _title(self, name):
        """Say how much is shown."""
        n_genes, n_types = len(self.genes), len(self.types)
        what = "gene" if self.marks is None else "marker gene"
        title = f"{counted(n_genes, what)} in {counted(n_types, 'type')}, "
        title += counted(int(np.sum(self.n_cells)), "cell")
        return title if name is None else f"{name}: {title}"

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        expression=None,
        gene_names=None,
        *,
        genes=None,
        n_genes=3,
        unlabeled_marker="auto",
        ax=None,
        scale="gene",
        cmap="Blues",
        legend=True,
        name=None,
        dot_kw=None,
    ):
        """Draw the expression of genes in the types that a fitted estimator predicts.

        Parameters
        ----------
        estimator : estimator instance
            Fitted classifier, or a pipeline that ends in one.
        X : {array-like, sparse matrix} of shape (n_cells, n_features)
            What it predicts for.
        expression : {array-like, sparse matrix} of shape (n_cells, n_genes_in_all), \
                default=None
            Log-normalised expression of these cells, where X is something else, such
            as counts, or holds some genes only. None: X itself.
        gene_names : array-like of shape (n_genes_in_all,), default=None
            Names of the columns. None: those of a DataFrame.
        genes : array-like of str, default=None
            Names of the genes to show, in this order. None: markers that are found.
        n_genes : int, default=3
            At most so many markers are found for each type.
        unlabeled_marker : "auto" or scalar, default="auto"
            What means unknown among the predictions.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. None: a new figure.
        scale : {"gene", "none"}, default="gene"
            Whether a colour stands for the mean log expression between the lowest and
            the highest of the gene's means, or for itself.
        cmap : str or matplotlib.colors.Colormap, default="Blues"
            Colours from the lowest expression to the highest.
        legend : bool, default=True
            Whether to draw the colour bar and the legend of the sizes.
        name : str, default=None
            Where the types come from, for the title. None: the name of the estimator's
            class.
        dot_kw : dict, default=None
            Properties of the dots.

        Returns
        -------
        display : MarkerGenesDisplay
            What was computed and drawn.

        Examples
        --------
        >>> from sklearn.linear_model import LogisticRegression
        >>> from celltyping.plotting import MarkerGenesDisplay
        >>> X = [[2.0, 0.1, 1.0], [2.2, 0.0, 1.0], [0.0, 1.5, 1.0], [0.4, 1.6, 0.9]]
        >>> model = LogisticRegression().fit(X, ["B", "B", "T", "T"])
        >>> display = MarkerGenesDisplay.from_estimator(
        ...     model, X, gene_names=["MS4A1", "CD3D", "ACTB"], genes=["CD3D"]
        ... )
        >>> display.share.ravel().tolist()
        [0.5, 1.0]
        """
        caller = f"{cls.__name__}.from_estimator"
        pyplot(caller)
        types = predict_types(estimator, X, None, caller)
        return cls.from_expression(
            X if expression is None else expression,
            types,
            gene_names,
            genes=genes,
            n_genes=n_genes,
            unlabeled_marker=unlabeled_marker,
            ax=ax,
            scale=scale,
            cmap=cmap,
            legend=legend,
            name=type(estimator).__name__ if name is None else name,
            dot_kw=dot_kw,
        )

    @classmethod
    def from_expression(
        cls,
        X,
        types,
        gene_names=None,
        *,
        genes=None,
        n_genes=3,
        unlabeled_marker="auto",
        ax=None,
        scale="gene",
        cmap="Blues",
        legend=True,
        name=None,
        dot_kw=None,
    ):
        """Average expression by type, and draw it.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_cells, n_genes_in_all)
            Log-normalised expression, such as `ExpressionNormalizer` makes of counts. A
            sparse matrix stays sparse.
        types : array-like of shape (n_cells,)
            Types, predicted or true ones; cells of unknown type are left out.
        gene_names : array-like of shape (n_genes_in_all,), default=None
            Names of the columns. None: those of a DataFrame.
        genes : array-like of str, default=None
            Names of the genes to show, in this order. None: markers that are found,
            grouped by type; see the Notes of the class.
        n_genes : int, default=3
            At most so many markers are found for each type; without effect if `genes`
            are given.
        unlabeled_marker : "auto" or scalar, default="auto"
            What means unknown. By default "?", None and NaN among strings, -1 among
            integers. Cells that a classifier calls "unknown" have a row of their own.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on. None: a new figure.
        scale : {"gene", "none"}, default="gene"
            Whether a colour stands for the mean log expression between the lowest and
            the highest of the gene's means, or for itself.
        cmap : str or matplotlib.colors.Colormap, default="Blues"
            Colours from the lowest expression to the highest.
        legend : bool, default=True
            Whether to draw the colour bar and the legend of the sizes.
        name : str, default=None
            Where the types come from, for the title.
        dot_kw : dict, default=None
            Properties of the dots.

        Returns
        -------
        display : MarkerGenesDisplay
            What was computed and drawn.

        Raises
        ------
        ValueError
            If lengths differ, names are missing, `genes` names one that is not there or
            is there twice, X has negative or non-finite values, no type is known, or no
            gene marks a type.

        Warns
        -----
        UserWarning
            If the values of X speak against logarithms.
        """
        caller = f"{cls.__name__}.from_expression"
        pyplot(caller)
        names = _checked_names(X, gene_names)
        X = check_array(X, accept_sparse=("csr", "csc"), input_name="X")
        check_not_negative(X, caller)
        if len(names) != X.shape[1]:
            raise ValueError(
                f"gene_names must hold one name for each of the {X.shape[1]} columns "
                f"of X, got {len(names)}"
            )
        chosen = None if genes is None else _find_genes(genes, names)
        if not isinstance(n_genes, numbers.Integral) or n_genes < 1:
            raise ValueError(
                f"n_genes must be an integer of at least 1, got {n_genes!r}"
            )
        check_consistent_length(X, types)
        if (evidence := conflicting_evidence(X, "log")) is not None:
            warnings.warn(
                f"{caller} needs log-normalised expression in X, but {evidence}; see "
                "ExpressionNormalizer",
                UserWarning,
                stacklevel=find_stack_level(),
            )
        classes, codes = encode_types(
            types, unlabeled_marker, caller=caller, min_types=1
        )
        known = np.flatnonzero(codes >= 0)
        members = sparse.csr_array(
            (np.ones(len(known)), (codes[known], known)),
            shape=(len(classes), X.shape[0]),
        )
        n_cells = np.bincount(codes[known], minlength=len(classes))
        mean = np.asarray(_dense(members @ X)) / n_cells[:, None]
        best = None
        if chosen is None:
            chosen, best = _find_markers(mean, n_genes)
        expressed = (X[:, chosen] > 0).astype(float)
        share = np.asarray(_dense(members @ expressed)) / n_cells[:, None]
        order = order_by_likeness(mean[:, chosen])
        marks = None
        if best is not None:
            # The markers of the first row come first.
            marks = np.argsort(order)[best]
            across = np.argsort(marks, kind="stable")
            chosen, marks, share = chosen[across], marks[across], share[:, across]
        display = cls(
            types=classes[order],
            genes=names[chosen],
            mean=mean[order][:, chosen],
            share=share[order],
            n_cells=n_cells[order],
            marks=marks,
        )
        return display.plot(
            ax=ax, scale=scale, cmap=cmap, legend=legend, name=name, dot_kw=dot_kw
        )


def _checked_names(X, gene_names):
    """Return the names of the columns."""
    if gene_names is None:
        gene_names = getattr(X, "columns", None)
    if gene_names is None:
        raise ValueError(
            "gene_names must be given where X is no DataFrame: the names of its columns"
        )
    return np.asarray([str(name) for name in gene_names], dtype=object)


def _find_genes(genes, names):
    """Return the columns of genes, or say which names are meant perhaps."""
    if isinstance(genes, str):
        raise ValueError(f"genes must be a list of names, got the text {genes!r}")
    columns = {}
    for column, name in enumerate(names):
        columns.setdefault(name, []).append(column)
    missing = [gene for gene in genes if gene not in columns]
    if missing:
        same = {name.upper(): name for name in reversed(names.tolist())}
        hints = []
        for gene in missing[:5]:
            close = difflib.get_close_matches(str(gene).upper(), same, n=3)
            like = " or ".join(repr(same[name]) for name in close)
            hints.append(f"{gene!r}" + (f" (close to {like})" if close else ""))
        more = ", ..." if len(missing) > len(hints) else ""
        raise ValueError(
            f"genes names {len(missing)} that gene_names lacks: "
            f"{', '.join(hints)}{more}"
        )
    for gene in genes:
        if len(columns[gene]) > 1:
            raise ValueError(
                f"genes names {gene!r}, but {len(columns[gene])} columns of X have "
                "this name: make gene_names unique"
            )
    if len(genes) == 0:
        raise ValueError("genes must name at least one gene, got none")
    return np.array([columns[gene][0] for gene in genes])


def _find_markers(mean, n_genes):
    """Return the columns of the markers and the type of each."""
    ranked = np.sort(mean, axis=0)
    # A single type is compared with no expression at all.
    next_highest = ranked[-2] if len(mean) > 1 else np.zeros(mean.shape[1])
    score, best = ranked[-1] - next_highest, mean.argmax(axis=0)
    chosen = []
    for code in range(len(mean)):
        own = np.flatnonzero((best == code) & (score > 0))
        chosen.append(own[np.argsort(-score[own], kind="stable")][:n_genes])
    chosen = np.concatenate(chosen)
    if len(chosen) == 0:
        raise ValueError(
            "no gene is expressed more in one type than in all others: pass the names "
            "of genes to show"
        )
    return chosen, best[chosen]


def _scaled_by_gene(mean):
    """Bring each column to the range from 0 to 1; a constant one to 0."""
    low, high = mean.min(axis=0), mean.max(axis=0)
    return (mean - low) / np.where(high > low, high - low, 1)


def _dense(product):
    """Return a small product as an array."""
    return product.toarray() if sparse.issparse(product) else product
