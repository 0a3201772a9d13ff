"""Scatter plot of an embedding in two or three dimensions."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np

from celltyping.plotting._base import (
    BLUE,
    counted,
    get_axes,
    get_fitted,
    last_step,
    name_after,
    type_names,
)
from celltyping.plotting._checks import (
    as_floats,
    axes,
    check_options,
    check_vectors,
    optional,
)
from celltyping.plotting._scatter import _PointsDisplay, scatter_points
from celltyping.plotting._text import (
    legend_below,
    legend_beside,
    name_equal_axes,
    title_that_fits,
    write_names,
)

# Area of axes per name in square points: with less, names would cover all points.
NAME_AREA = 1300


class EmbeddingDisplay(_PointsDisplay):
    """Scatter plot of an embedding, coloured by types or by a value.

    Each point is a neuron, or any other sample, at its position in the embedding. New
    points, which the embedding was not trained on, are larger and have a dark edge. Use
    `from_estimator` or `from_embedding` to create a display. All parameters are stored
    as attributes.

    Parameters
    ----------
    embedding : array-like of shape (n_points, n_components)
        The training points. Of more than three components, the first two are drawn. A
        row that holds NaN has no position and is not drawn; the title has the number of
        such rows.
    |color|
    |color_name|
    new_embedding : array-like of shape (n_new_points, n_components), default=None
        The new points; NaN as in `embedding`.
    |new_color|
    |kind|
    unlabeled_marker : "auto", scalar or list of scalars, default="auto"
        Values that mean unknown among categories, beside "?", None, NaN and blank
        strings. "auto": -1 among integers. Among values, None and NaN are unknown.
    axis_names : array-like of shape (n_components,), default=None
        Names of the components. None: "component 1" and so on.
    loss_curve : array-like of shape (n_epochs,), default=None
        Mean loss of each epoch of the training, for `plot_loss`.

    Attributes
    ----------
    points_ : matplotlib.collections.PathCollection
        The training points.
    new_points_ : matplotlib.collections.PathCollection or None
        The new points.
    colors_ : dict of {type: colour}
        Types that have a colour of their own, and this colour; as the `cmap` of another
        display, it gives the same types the same colours there.
    names_ : list of matplotlib.text.Text
        Names of types beside their points.
    |legends_|
    |colorbar_|
    |ax_|
    loss_line_ : matplotlib.lines.Line2D
        Curve of the loss; only after `plot_loss`.
    loss_ax_ : matplotlib.axes.Axes
        Axes with the loss; only after `plot_loss`.

    See Also
    --------
    PairPlotDisplay : Pairs of features, without an embedding.

    Notes
    -----
    Points are drawn in a random order, always the same one, so that no type hides
    another because of the order of rows. In two dimensions, points of unknown type lie
    below all others. All axes have the same scale; in three dimensions, each side is at
    least half as long as the longest one.

    Points without a position are those that a step before the embedding left out, such
    as the outliers of `OutlierFilteredTransformer`. They do not affect colours and
    legends.

    Examples
    --------
    >>> from celltyping.plotting import EmbeddingDisplay
    >>> display = EmbeddingDisplay.from_embedding(
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

    _names, _columns = ("embedding", "new_embedding"), "components"
    _lacking = "without a position"
    _rules = {"ax": optional(axes("rectilinear", "3d"))}

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

    @check_options()
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
        """Draw the embedding.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on, 3-d ones for three components. None: a new figure.
        |cmap|
        |point_size|
        |alpha|
        |max_legend|
        |legend|
        label_types : bool, default=False
            Whether to write the name of each type at the median of its points instead
            of in the legend: of the largest types, as many as there is room for.
        |name|
        |Returns|
        """
        points, colors, title = self._check_points(cmap)
        n_components = points.shape[1]
        names = [f"component {i + 1}" for i in range(n_components)]
        if self.axis_names is not None:
            given = {"axis_names": self.axis_names}
            (names,) = check_vectors(given, ("components", n_components))
        n_drawn = 3 if n_components == 3 else 2
        if ax is not None and (ax.name == "3d") != (n_drawn == 3):
            raise ValueError(
                f"an embedding of {n_components} components needs {n_drawn}-d axes: "
                "pass other axes (3-d ones are made by "
                "subplots(subplot_kw={'projection': '3d'})) or other components"
            )
        beside = colors.kind == "category" and not label_types
        projection = "3d" if n_drawn == 3 else None
        ax = self._start(ax, (6 + 1.2 * beside, 5.2), projection)
        if label_types:
            # Not drawn to be measured: empty 3-d axes would spoil the layout.
            size = ax.bbox.size * 72 / ax.figure.figure.dpi
            max_legend = max(int(size.prod() / NAME_AREA), 1)
        colors.assign(max_legend)
        drawn = points[:, :n_drawn]
        self.points_, self.new_points_ = scatter_points(
            ax, drawn, colors, point_size, alpha
        )
        name_equal_axes(ax, type_names(names))
        self.colors_ = colors.by_type
        self.legends_, self.colorbar_ = [], None
        if legend:
            self._draw_legends(colors, beside, label_types)
        if n_components > 3:
            title += f", components 1 and 2 of {n_components}"
        self._finish(title, name)
        self.names_ = []
        if label_types and colors.n_own:
            own = colors.groups[: colors.n_own]
            medians = [np.median(drawn[rows], axis=0) for _, rows, _ in own]
            self.names_ = write_names(ax, np.array(medians), [text for text, *_ in own])
        return self

    @check_options()
    def plot_loss(self, *, ax=None):
        """Draw the loss of each epoch.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on, such as those beside the embedding. None: a new figure.
        |Returns|

        Examples
        --------
        >>> import matplotlib.pyplot as plt
        >>> from celltyping.plotting import EmbeddingDisplay
        >>> _, (left, right) = plt.subplots(1, 2, layout="compressed")
        >>> display = EmbeddingDisplay.from_embedding(
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
        (loss,) = check_vectors({"loss_curve": self.loss_curve})
        loss = as_floats(loss, "loss_curve", "as a curve")
        self.loss_ax_ = ax = get_axes(ax, (5, 3.6))
        look = {"color": BLUE, "linewidth": 1.5}
        look["marker"] = "." if len(loss) <= 30 else None
        (self.loss_line_,) = ax.plot(np.arange(1, len(loss) + 1), loss, **look)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.set(xlabel="Epoch", ylabel="Mean loss")
        ax.spines[["top", "right"]].set_visible(False)
        title_that_fits(ax, f"Loss, {loss[-1]:.4g} after {counted(len(loss), 'epoch')}")
        return self

    def _draw_legends(self, colors, beside, label_types):
        """Draw the colour bar, and the legends of types and of training points."""
        ax, below = self.ax_, colors.training_handles()
        handles = colors.legend_handles(with_own=not label_types)
        self._draw_colorbar(colors.scale, ax, pad=0.1 if ax.name == "3d" else 0.03)
        if not beside:
            below += handles
        if below:
            self.legends_.append(legend_below(ax, below))
        if beside and handles:
            self.legends_.insert(0, legend_beside(ax, handles, self.color_name))
            if below:  # axes keep only the last legend
                self.legends_[1].set_clip_on(False)
                ax.add_artist(self.legends_[1])

    @classmethod
    @check_options("__init__", "plot", without=("new_embedding",))
    def from_estimator(cls, estimator, X_new=None, **options):
        """Draw the embedding of a fitted estimator and its transform of new points.

        Parameters
        ----------
        estimator : estimator instance
            Fitted estimator with `embedding_`, or a pipeline that ends in one. Its
            feature names out and its `loss_curve_` are used if it has them.
        X_new : {array-like, sparse matrix} of shape (n_new_points, n_features), \
                default=None
            New points, which the estimator transforms.
        |**options|
        |Returns|

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
        last = last_step(estimator)
        caller = f"{cls.__name__}.from_estimator"
        embedding = get_fitted(
            last,
            "embedding_",
            caller,
            "of another, pass the result of its transform to from_embedding",
        )
        read = {"loss_curve": getattr(last, "loss_curve_", None)}
        if hasattr(last, "get_feature_names_out"):
            read["axis_names"] = list(last.get_feature_names_out())
        if X_new is not None:
            if not hasattr(estimator, "transform"):
                raise TypeError(
                    f"{caller} needs an estimator that has transform to embed X_new, "
                    f"got {type(last).__name__}: leave X_new out"
                )
            read["new_embedding"] = estimator.transform(X_new)
        return cls.from_embedding(embedding, **(read | name_after(options, last)))

    @classmethod
    @check_options("__init__", "plot")
    def from_embedding(cls, embedding, **options):
        """Draw an embedding.

        Parameters
        ----------
        embedding : array-like of shape (n_points, n_components)
            The training points.
        **options : dict
            Further parameters of the display, such as `color` and `new_embedding`, and
            keyword arguments of `plot`.
        |Returns|
        """
        return cls._draw(embedding, options)
