"""A map of an embedding in two or three dimensions."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
from sklearn.utils.validation import check_is_fitted

from celltyping.plotting._common import (
    BLUE,
    counted,
    figure_and_axes,
    pyplot,
    type_names,
)
from celltyping.plotting._point_colors import (
    check_look,
    color_points,
    legend_of_groups,
    legend_of_types,
    read_colors,
)
from celltyping.plotting._points import (
    axes_of_dimension,
    check_points,
    count_points,
    scatter_points,
)
from celltyping.plotting._text import (
    legend_below,
    legend_beside,
    name_equal_axes,
    title_that_fits,
    write_names,
)

# Area of axes per name in square points: with less, names would cover all points.
NAME_AREA = 1300


class EmbeddingDisplay:
    """Map of an embedding, coloured by types or by a value.

    Each point is a neuron, or any other sample, at its place in the embedding. New
    points, which the embedding was not trained on, stand out from the training points.
    Use `from_estimator` or `from_predictions` to make a display. All parameters are
    stored as attributes.

    Parameters
    ----------
    embedding : array-like of shape (n_points, n_components)
        The training points. Of more than three components, the first two are drawn. A
        row that holds NaN has no place, and is not drawn: the title counts such rows.
    color : array-like of shape (n_points,), default=None
        Types, clusters or values of the training points. None: none.
    color_name : str, default=None
        What the colours mean, for the legend or the colour bar.
    new_embedding : array-like of shape (n_new_points, n_components), default=None
        The new points; NaN as in `embedding`. None: none.
    new_color : array-like of shape (n_new_points,), default=None
        Types, clusters or values of the new points. None: none.
    kind : {"auto", "category", "value"}, default="auto"
        What the colours are: "category", types or clusters; "value", numbers on a
        scale. "auto": strings, booleans and integers of at most 50 distinct values are
        categories, other numbers are values.
    unlabeled_marker : "auto" or scalar, default="auto"
        What means unknown among categories. By default "?", None and NaN among
        strings, -1 among integers. Among values, None and NaN are unknown.
    axis_names : array-like of shape (n_components,), default=None
        Names of the components. None: "component 1" and so on.
    loss_curve : array-like of shape (n_epochs,), default=None
        Mean loss of each epoch of the training. None: there is none.

    Attributes
    ----------
    points_ : matplotlib.collections.PathCollection
        The training points.
    new_points_ : matplotlib.collections.PathCollection or None
        The new points.
    colors_ : dict of {type: colour}
        The types that have a colour of their own, and this colour; as the `cmap` of
        another display, it gives the same types the same colours there.
    names_ : list of matplotlib.text.Text
        The names of types beside their points.
    legends_ : list of matplotlib.legend.Legend
        The legend of the types, then that of training and new points, if they are
        there.
    colorbar_ : matplotlib.colorbar.Colorbar or None
        The colour bar of values.
    ax_ : matplotlib.axes.Axes
        Axes with the map.
    figure_ : matplotlib.figure.Figure
        Figure that holds the axes.
    loss_line_ : matplotlib.lines.Line2D
        The loss; only after `plot_loss`.
    loss_ax_ : matplotlib.axes.Axes
        Axes with the loss; only after `plot_loss`.

    See Also
    --------
    TypeProfileDisplay : The mean wiring of two types.

    Notes
    -----
    Points are drawn in a random order, always the same one, so that no type hides
    another by its place in the table. In two dimensions, points of unknown type lie
    below all others. All axes have the same scale, but in three dimensions the sides
    are at least half as long as the longest one.

    Points without a place are those that something before the embedding left out, such
    as the outliers of `OutlierFilteredTransformer`. They have no say in the colours and
    their legend.

    Examples
    --------
    >>> from celltyping.plotting import EmbeddingDisplay
    >>> display = EmbeddingDisplay.from_predictions(
    ...     [[0.0, 1.0], [0.2, 1.1], [3.0, 0.0]],
    ...     color=["KC", "KC", "PN"],
    ...     color_name="cell type",
    ...     new_embedding=[[2.9, 0.1]],
    ... )
    >>> display.ax_.get_title()
    '3 training points, 1 new point'
    >>> [text.get_text() for text in display.legends_[0].get_texts()]
    ['KC', 'PN']
    >>> display.colors_
    {'KC': '#0072b2', 'PN': '#d55e00'}
    """

    def __init__(
        self,
        embedding,
        *,
        color=None,
        color_name=None,
        new_embedding=None,
        new_color=None,
        kind="auto",
        unlabeled_marker="auto",
        axis_names=None,
        loss_curve=None,
    ):
        self.embedding = embedding
        self.color = color
        self.color_name = color_name
        self.new_embedding = new_embedding
        self.new_color = new_color
        self.kind = kind
        self.unlabeled_marker = unlabeled_marker
        self.axis_names = axis_names
        self.loss_curve = loss_curve

    def plot(
        self,
        *,
        ax=None,
        cmap=None,
        point_size=None,
        alpha=None,
        max_legend=20,
        legend=True,
        label_types=False,
        name=None,
    ):
        """Draw the map.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; for three components, 3-d ones. None: a new figure.
        cmap : str, matplotlib.colors.Colormap or dict, default=None
            Colours of the types or of the values. None: 20 colours that differ well,
            repeated beyond the 20th type; "viridis" for values. A dict holds the
            colour of each type, such as the `colors_` of another display; types that
            it lacks get colours that it does not use.
        point_size : float, default=None
            Area of a point in square points of print; new points are larger. None:
            the more points, the smaller.
        alpha : float, default=None
            Opacity of the training points, between 0 and 1. None: 0.8, but 0.45 if
            there are new points, which are opaque.
        max_legend : int, default=20
            At most so many types have a colour of their own and stand in the legend,
            the largest ones; the others are grey.
        legend : bool, default=True
            Whether to draw the legend, or the colour bar.
        label_types : bool, default=False
            Whether to write the name of each type at the median of its points instead
            of in a legend: of as many types as there is room for, the largest ones.
        name : str, default=None
            Name of the method, for the title.

        Returns
        -------
        display : EmbeddingDisplay
            The display itself.

        Raises
        ------
        ValueError
            If the embedding has one component, infinity, or NaN in all rows, lengths
            or kinds of colours differ, the axes have other dimensions, `cmap` is a
            dict where values are drawn, or an option is not allowed.
        """
        check_look(max_legend, point_size)
        points, n_training = check_points(
            self.embedding,
            self.new_embedding,
            names=("embedding", "new_embedding"),
            columns="components",
        )
        names = _checked_axis_names(self.axis_names, points.shape[1])
        placed = ~np.isnan(points).any(axis=1)
        title = count_points(placed, n_training, "without a place")
        read = read_colors(
            self.color,
            self.new_color,
            placed,
            n_training,
            kind=self.kind,
            unlabeled_marker=self.unlabeled_marker,
            cmap=cmap,
        )
        n_drawn = 3 if points.shape[1] == 3 else 2
        beside = read.kind == "category" and not label_types
        figsize = (6 + 1.2 * beside, 5.2)
        self.figure_, ax = axes_of_dimension(ax, n_drawn, "EmbeddingDisplay", figsize)
        self.ax_ = ax
        if label_types:
            # Not drawn to be measured: empty 3-d axes would spoil the layout.
            size = ax.bbox.size * 72 / ax.figure.figure.dpi
            max_legend = max(int(size.prod() / NAME_AREA), 1)
        colored = color_points(read, cmap, max_legend)
        drawn = points[placed, :n_drawn]
        self.points_, self.new_points_ = scatter_points(
            ax,
            drawn,
            read.n_training,
            colors=colored.colors,
            layer=colored.layer,
            size=point_size,
            alpha=alpha,
        )
        name_equal_axes(ax, names)
        self.colors_ = colored.by_type
        self.legends_, self.colorbar_ = [], None
        if legend:
            self._explain(colored, read.n_training, beside, label_types)
        if points.shape[1] > 3:
            title += f", components 1 and 2 of {points.shape[1]}"
        title_that_fits(ax, title if name is None else f"{name}: {title}")
        self.names_ = []
        if label_types and colored.members:
            medians = [np.median(drawn[some], axis=0) for some in colored.members]
            self.names_ = write_names(ax, np.array(medians), colored.names)
        return self

    def plot_loss(self, *, ax=None):
        """Draw the loss of each epoch.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on, such as those beside the map. None: a new figure.

        Returns
        -------
        display : EmbeddingDisplay
            The display itself.

        Raises
        ------
        ValueError
            If there is no loss curve, or it is not one-dimensional.

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from celltyping.plotting import EmbeddingDisplay
        >>> _, (left, right) = plt.subplots(1, 2, layout="compressed")
        >>> display = EmbeddingDisplay.from_predictions(
        ...     [[0.0, 1.0], [3.0, 0.0]], loss_curve=[0.9, 0.5, 0.4], ax=left
        ... )
        >>> display.plot_loss(ax=right).loss_line_.get_ydata().tolist()
        [0.9, 0.5, 0.4]
        """
        if self.loss_curve is None:
            raise ValueError(
                "there is no loss to plot: loss_curve is None; pass loss_curve, or an "
                "estimator that has loss_curve_"
            )
        loss = np.array(self.loss_curve, dtype=float)
        if loss.ndim != 1 or len(loss) == 0:
            raise ValueError(
                "loss_curve must be one-dimensional, with a number for each epoch, got "
                f"shape {loss.shape}"
            )
        _, ax = figure_and_axes(ax, "EmbeddingDisplay", (5, 3.6))
        self.loss_ax_ = ax
        (self.loss_line_,) = ax.plot(
            np.arange(1, len(loss) + 1),
            loss,
            color=BLUE,
            linewidth=1.5,
            marker="." if len(loss) <= 30 else None,
        )
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.set(xlabel="Epoch", ylabel="Mean loss")
        ax.spines[["top", "right"]].set_visible(False)
        title_that_fits(ax, f"Loss, {loss[-1]:.4g} after {counted(len(loss), 'epoch')}")
        return self

    def _explain(self, colored, n_training, beside, label_types):
        """Draw the legends or the colour bar."""
        ax, below = self.ax_, legend_of_groups(colored, n_training)
        handles = legend_of_types(colored, named=not label_types)
        if colored.scale is not None:
            self.colorbar_ = self.figure_.colorbar(
                colored.scale,
                ax=ax,
                label=self.color_name or "",
                shrink=0.8,
                aspect=30,
                pad=0.1 if ax.name == "3d" else 0.03,
            )
        if not beside:
            below += handles
        if below:
            self.legends_.append(legend_below(ax, below))
        if beside and handles:
            self.legends_.insert(0, legend_beside(ax, handles, self.color_name))
            if below:  # axes know of one legend alone, the last one
                self.legends_[1].set_clip_on(False)
                ax.add_artist(self.legends_[1])

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X_new=None,
        *,
        color=None,
        color_name=None,
        new_color=None,
        kind="auto",
        unlabeled_marker="auto",
        ax=None,
        cmap=None,
        point_size=None,
        alpha=None,
        max_legend=20,
        legend=True,
        label_types=False,
        name=None,
    ):
        """Draw the embedding of a fitted estimator, and where it puts new points.

        Parameters
        ----------
        estimator : estimator instance
            Fitted estimator with `embedding_`, or a pipeline that ends in one. Its
            feature names out and its `loss_curve_` are taken if it has them.
        X_new : {array-like, sparse matrix} of shape (n_new_points, n_features), \
                default=None
            New points, which the estimator transforms. None: none.
        color : array-like of shape (n_points,), default=None
            Types, clusters or values of the training points.
        color_name : str, default=None
            What the colours mean.
        new_color : array-like of shape (n_new_points,), default=None
            Types, clusters or values of the new points.
        kind : {"auto", "category", "value"}, default="auto"
            What the colours are. "auto": what they look like, see the class.
        unlabeled_marker : "auto" or scalar, default="auto"
            What means unknown among categories.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; for three components, 3-d ones. None: a new figure.
        cmap : str, matplotlib.colors.Colormap or dict, default=None
            Colours of the types or of the values, or that of each type.
        point_size : float, default=None
            Area of a point in square points of print.
        alpha : float, default=None
            Opacity of the training points, between 0 and 1.
        max_legend : int, default=20
            At most so many types have a colour of their own and stand in the legend.
        legend : bool, default=True
            Whether to draw the legend, or the colour bar.
        label_types : bool, default=False
            Whether to write the names of types into the map, not into a legend.
        name : str, default=None
            Name of the method, for the title. None: that of the (last step's) class.

        Returns
        -------
        display : EmbeddingDisplay
            What was read and drawn.

        Raises
        ------
        TypeError
            If the estimator has no `embedding_`, or cannot transform `X_new`.
        sklearn.exceptions.NotFittedError
            If it is not fitted.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.manifold import Isomap
        >>> from celltyping.plotting import EmbeddingDisplay
        >>> X, y = load_iris(return_X_y=True)
        >>> isomap = Isomap(n_neighbors=30).fit(X[::2])
        >>> display = EmbeddingDisplay.from_estimator(
        ...     isomap, X[1::2], color=y[::2], new_color=y[1::2]
        ... )
        >>> display.axis_names
        ['isomap0', 'isomap1']
        """
        caller = f"{cls.__name__}.from_estimator"
        pyplot(caller)
        last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
        embedding = _fitted_embedding(last, caller)
        new_embedding = None
        if X_new is not None:
            if not hasattr(estimator, "transform"):
                raise TypeError(
                    f"{caller} needs an estimator that has transform to place X_new, "
                    f"got {type(last).__name__}: leave X_new out"
                )
            new_embedding = estimator.transform(X_new)
        axis_names = None
        if hasattr(last, "get_feature_names_out"):
            axis_names = list(last.get_feature_names_out())
        return cls.from_predictions(
            embedding,
            color=color,
            color_name=color_name,
            new_embedding=new_embedding,
            new_color=new_color,
            kind=kind,
            unlabeled_marker=unlabeled_marker,
            axis_names=axis_names,
            loss_curve=getattr(last, "loss_curve_", None),
            ax=ax,
            cmap=cmap,
            point_size=point_size,
            alpha=alpha,
            max_legend=max_legend,
            legend=legend,
            label_types=label_types,
            name=type(last).__name__ if name is None else name,
        )

    @classmethod
    def from_predictions(
        cls,
        embedding,
        *,
        color=None,
        color_name=None,
        new_embedding=None,
        new_color=None,
        kind="auto",
        unlabeled_marker="auto",
        axis_names=None,
        loss_curve=None,
        ax=None,
        cmap=None,
        point_size=None,
        alpha=None,
        max_legend=20,
        legend=True,
        label_types=False,
        name=None,
    ):
        """Draw an embedding.

        Parameters
        ----------
        embedding : array-like of shape (n_points, n_components)
            The training points.
        color : array-like of shape (n_points,), default=None
            Types, clusters or values of the training points.
        color_name : str, default=None
            What the colours mean.
        new_embedding : array-like of shape (n_new_points, n_components), default=None
            The new points.
        new_color : array-like of shape (n_new_points,), default=None
            Types, clusters or values of the new points.
        kind : {"auto", "category", "value"}, default="auto"
            What the colours are. "auto": what they look like, see the class.
        unlabeled_marker : "auto" or scalar, default="auto"
            What means unknown among categories.
        axis_names : array-like of shape (n_components,), default=None
            Names of the components. None: "component 1" and so on.
        loss_curve : array-like of shape (n_epochs,), default=None
            Mean loss of each epoch, for `plot_loss`.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; for three components, 3-d ones. None: a new figure.
        cmap : str, matplotlib.colors.Colormap or dict, default=None
            Colours of the types or of the values, or that of each type.
        point_size : float, default=None
            Area of a point in square points of print.
        alpha : float, default=None
            Opacity of the training points, between 0 and 1.
        max_legend : int, default=20
            At most so many types have a colour of their own and stand in the legend.
        legend : bool, default=True
            Whether to draw the legend, or the colour bar.
        label_types : bool, default=False
            Whether to write the names of types into the map, not into a legend.
        name : str, default=None
            Name of the method, for the title.

        Returns
        -------
        display : EmbeddingDisplay
            What was stored and drawn.

        Raises
        ------
        ValueError
            If these do not fit together; see `plot`.
        """
        pyplot(f"{cls.__name__}.from_predictions")
        display = cls(
            embedding,
            color=color,
            color_name=color_name,
            new_embedding=new_embedding,
            new_color=new_color,
            kind=kind,
            unlabeled_marker=unlabeled_marker,
            axis_names=axis_names,
            loss_curve=loss_curve,
        )
        return display.plot(
            ax=ax,
            cmap=cmap,
            point_size=point_size,
            alpha=alpha,
            max_legend=max_legend,
            legend=legend,
            label_types=label_types,
            name=name,
        )


def _fitted_embedding(estimator, caller):
    """Return the embedding of a fitted estimator, or say what is missing."""
    is_class = isinstance(estimator, type)
    if not is_class and hasattr(estimator, "embedding_"):
        return estimator.embedding_
    if not is_class and hasattr(estimator, "fit"):
        check_is_fitted(estimator)
    name = getattr(estimator, "__name__", type(estimator).__name__)
    raise TypeError(
        f"{caller} needs a fitted estimator that has embedding_, the embedding of its "
        f"training points, got {name}{', a class' if is_class else ''}; of another, "
        "pass what its transform gives to from_predictions"
    )


def _checked_axis_names(axis_names, n_components):
    """Return the name of each component."""
    if axis_names is None:
        return [f"component {i + 1}" for i in range(n_components)]
    if isinstance(axis_names, str) or len(axis_names) != n_components:
        raise ValueError(
            f"axis_names must hold one name for each of the {n_components} components, "
            f"got {axis_names!r}"
        )
    return type_names(axis_names)
