"""Pair plot: scatter plots of all pairs of features, histograms on the diagonal."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np

from celltyping._utils._messages import list_names
from celltyping._utils._optional import import_optional
from celltyping._utils._tables import is_frame, raw_column
from celltyping.plotting._base import counted, name_after, predict_types, type_names
from celltyping.plotting._checks import (
    as_floats,
    check_options,
    check_table,
    check_vectors,
)
from celltyping.plotting._scatter import (
    DARK,
    _PointsDisplay,
    point_area,
    scatter_points,
)
from celltyping.plotting._text import (
    LARGEST,
    SMALLEST,
    axes_size,
    plain_log_ticks,
    widest,
)

# Of more features, a figure has no room for each pair.
MAX_FEATURES = 10

# Number of bins: the square root of the number of points, within these limits.
MIN_BINS, MAX_BINS = 8, 40

# Colour of histograms where the points are coloured by values.
LINE_GREY = "0.35"

# Room in points for a number on a horizontal and on a vertical axis.
NUMBER_WIDTH, NUMBER_HEIGHT = 36, 20

# Height in points of an entry of the legend.
LINE = 14

# Side in points of axes on which points have their usual area.
USUAL_SIDE = 170


class PairPlotDisplay(_PointsDisplay):
    """Pair plot of features, coloured by types or by a value.

    A `seaborn.PairGrid` of a scatter plot for each pair of features and, on the
    diagonal, a histogram of each feature with a line for each type. New points, which
    the training did not include, lie on top as larger marks. Use `from_estimator` or
    `from_predictions` to create a display. All parameters are stored as attributes.

    Parameters
    ----------
    X : array-like of shape (n_points, n_features)
        Features of the training points: 2 to 10 columns of numbers. A row that holds
        NaN is not drawn; the title has the number of such rows.
    |color|
    |color_name|
    X_new : array-like of shape (n_new_points, n_features), default=None
        The new points; NaN as in `X`.
    |new_color|
    |kind|
    unlabeled_marker : "auto", scalar or list of scalars, default="auto"
        Values that mean unknown, or noise, among categories; see `EmbeddingDisplay`.
    feature_names : array-like of shape (n_features,), default=None
        Names of the columns. None: "feature 1" and so on.

    Attributes
    ----------
    grid_ : seaborn.PairGrid
        Grid of axes.
    axes_ : ndarray of shape (n_features, n_features), dtype=object
        Axes of the grid: in row i and column j < i the scatter plot of feature i
        against feature j. None above the diagonal.
    colors_ : dict of {type: colour}
        Colour of each type that has its own, a `cmap` for other displays.
    |legends_|
    |colorbar_|
    figure_ : matplotlib.figure.Figure
        Figure that holds the grid.

    See Also
    --------
    EmbeddingDisplay : Scatter plot of an embedding of the features.

    Notes
    -----
    Colours follow the rules of `EmbeddingDisplay`; points of unknown type, and noise,
    are grey and lie below all others. Histograms count training points; new points are
    marks at their foot. Points coloured by values have one histogram together.

    The grid is a figure of its own, so there is no parameter `ax`.

    Examples
    --------
    >>> from celltyping.plotting import PairPlotDisplay
    >>> display = PairPlotDisplay.from_predictions(
    ...     [[0.1, 12.0], [0.2, 14.0], [1.5, 3.0]],
    ...     [0, 0, 1],
    ...     X_new=[[1.4, 4.0]],
    ...     feature_names=["area", "depth"],
    ...     color_name="cluster",
    ... )
    >>> display.figure_.get_suptitle()
    '2 features of 3 training points, 1 new point'
    >>> display.axes_[1, 0].get_xlabel(), display.axes_[1, 0].get_ylabel()
    ('area', 'depth')
    >>> display.colors_
    {0: '#0072b2', 1: '#d55e00'}
    """

    def __init__(
        self,
        X,
        *,
        color=None,
        color_name=None,
        X_new=None,
        new_color=None,
        kind="auto",
        unlabeled_marker="auto",
        feature_names=None,
    ):
        self.X = X
        self.color = color
        self.color_name = color_name
        self.X_new = X_new
        self.new_color = new_color
        self.kind = kind
        self.unlabeled_marker = unlabeled_marker
        self.feature_names = feature_names

    @check_options()
    def plot(
        self,
        *,
        log=(),
        cmap=None,
        point_size=None,
        alpha=None,
        max_legend=20,
        legend=True,
        name=None,
    ):
        """Draw the pair plot.

        Parameters
        ----------
        log : array-like of str, default=()
            Names of the features on logarithmic axes, such as areas.
        |cmap|
        |point_size|
        |alpha|
        |max_legend|
        |legend|
        |name|
        |Returns|
        """
        seaborn = import_optional("seaborn", extra="plot", needed_by="PairPlotDisplay")
        points, colors, counts = self._check_points(cmap)
        n_features = points.shape[1]
        if n_features > MAX_FEATURES:
            raise ValueError(
                f"X must have at most {MAX_FEATURES} features to be drawn in pairs, "
                f"got {n_features}: name those to draw by features"
            )
        names = _check_names(self.feature_names, n_features)
        log = _check_log(log, names, points)
        colors.assign(max_legend)
        side = float(np.clip(1.4 + 1.35 * n_features, 4.2, 14))
        self.grid_ = self._make_grid(seaborn, points, colors, side / n_features)
        self.axes_, self.figure_ = self.grid_.axes, self.grid_.figure
        self.figure_.set_layout_engine("constrained", wspace=0.02, hspace=0.02)
        if point_size is None:
            point_size = point_area(len(points), len(points) - colors.n_training)
            point_size *= min(72 * side / n_features / USUAL_SIDE, 1)
        for i in log:
            self.axes_[-1, i].set_xscale("log")
            if i > 0:
                self.axes_[i, 0].set_yscale("log")
        for i, j in np.argwhere(np.tri(n_features, k=-1)):
            pair = points[:, [j, i]]
            scatter_points(self.axes_[i, j], pair, colors, point_size, alpha)
        self._draw_histograms(seaborn, points, colors, point_size)
        self.colors_ = colors.by_type
        self.legends_, self.colorbar_ = [], None
        if legend:
            self._draw_legends(colors)
        self._name_axes(type_names(names))
        title = f"{counted(n_features, 'feature')} of {counts}"
        title = title if name is None else f"{name}: {title}"
        self.figure_.suptitle(title, fontsize="medium", wrap=True)
        return self

    def _make_grid(self, seaborn, points, colors, height):
        """Create the grid of the training points, grouped as their histograms are."""
        import pandas

        frame = pandas.DataFrame(points[: colors.n_training])
        features = list(frame)
        palette = {-1: LINE_GREY if colors.scale else tuple(colors.colors[0][:3])}
        frame["group"] = -1
        if colors.scale is None:
            for code, (_, rows, color) in enumerate(colors.groups):
                frame.loc[rows[rows < colors.n_training], "group"] = code
                palette[code] = tuple(color[:3])
        look = {"hue": "group", "palette": palette, "height": height}
        return seaborn.PairGrid(
            frame, vars=features, corner=True, diag_sharey=False, **look
        )

    def _draw_histograms(self, seaborn, points, colors, size):
        """Draw the histograms, and marks of the new points at their foot."""
        n_training = colors.n_training
        look = {"element": "step", "fill": False, "linewidth": 1}
        n_bins = int(np.clip(np.sqrt(n_training), MIN_BINS, MAX_BINS))
        self.grid_.map_diag(seaborn.histplot, bins=n_bins, **look)
        if n_training == len(points):
            return
        look = {"s": 3 * size, "c": colors.colors[n_training:], "edgecolors": DARK}
        look |= {"linewidths": 0.4, "zorder": 4}
        for ax, values in zip(self.grid_.diag_axes, points[n_training:].T, strict=True):
            heights, down = np.full(len(values), 0.05), ax.get_xaxis_transform()
            ax.scatter(values, heights, transform=down, **look)

    def _draw_legends(self, colors):
        """Draw the colour bar, and the legends of types and of training points."""
        axes = list(self.axes_[np.tri(len(self.axes_), dtype=bool)])
        self._draw_colorbar(colors.scale, axes)
        width = self.figure_.get_figwidth() + 0.8 * (colors.scale is not None)
        handles, groups = colors.legend_handles(), colors.training_handles()
        look = {"frameon": False, "fontsize": "small", "title_fontsize": "small"}
        if handles:
            height = 72 * self.figure_.get_figheight() - 50  # title and margins
            types = self.figure_.legend(
                handles=handles,
                title=self.color_name,
                loc="outside right center",
                ncols=int(np.ceil(LINE * (len(handles) + 1) / height)),
                alignment="left",
                **look,
            )
            self.legends_.append(types)
            width += types.get_window_extent().width / self.figure_.dpi
        self.figure_.set_figwidth(float(width))
        if groups:
            below = self.figure_.legend(
                handles=groups, loc="outside lower center", ncols=2, **look
            )
            self.legends_.append(below)

    def _name_axes(self, names):
        """Name the axes, in letters that fit."""
        for ax, name in zip(self.axes_[-1], names, strict=True):
            ax.set_xlabel(name)
        for ax, name in zip(self.axes_[1:, 0], names[1:], strict=True):
            ax.set_ylabel(name)
        self.axes_[0, 0].set_ylabel("")
        side = min(axes_size(self.axes_[-1, 0]))
        for ax in self.axes_[np.tri(len(names), dtype=bool)]:
            ax.tick_params(labelsize=8)
            for axis, room in ((ax.xaxis, NUMBER_WIDTH), (ax.yaxis, NUMBER_HEIGHT)):
                n_ticks = int(np.clip(side / room, 1, 5))
                if axis.get_scale() == "log":
                    plain_log_ticks(axis, n_ticks)
                elif axis is ax.xaxis:
                    axis.get_major_locator().set_params(nbins=n_ticks)
        labels = [ax.xaxis.label for ax in self.axes_[-1]]
        labels += [ax.yaxis.label for ax in self.axes_[1:, 0]]
        fitting = LARGEST * side / widest(labels)
        for label in labels:
            label.set_fontsize(float(np.clip(fitting, SMALLEST, LARGEST)))
        self.figure_.align_ylabels(self.axes_[1:, 0])

    @classmethod
    @check_options(
        "from_predictions", "__init__", "plot", without=("color", "new_color", "X_new")
    )
    def from_estimator(cls, estimator, X, X_new=None, **options):
        """Draw features, coloured by the predictions of a fitted estimator.

        Parameters
        ----------
        estimator : estimator instance
            Fitted classifier or clusterer that predicts, or a pipeline that ends in
            one.
        X : {array-like, DataFrame} of shape (n_points, n_columns)
            The training points, as the estimator accepts them.
        X_new : {array-like, DataFrame} of shape (n_new_points, n_columns), default=None
            New points.
        |**options|
        |Returns|

        Examples
        --------
        >>> from sklearn.cluster import KMeans
        >>> from sklearn.datasets import load_iris
        >>> from celltyping.plotting import PairPlotDisplay
        >>> X = load_iris().data
        >>> kmeans = KMeans(3, random_state=0).fit(X[::2])
        >>> display = PairPlotDisplay.from_estimator(kmeans, X[::2], X[1::50])
        >>> display.figure_.get_suptitle()
        'KMeans: 4 features of 75 training points, 3 new points'
        """
        caller = f"{cls.__name__}.from_estimator"
        color, new_color = predict_types(estimator, X, None, caller), None
        if X_new is not None:
            new_color = predict_types(estimator, X_new, None, caller)
        return cls.from_predictions(
            X, color, X_new=X_new, new_color=new_color, **name_after(options, estimator)
        )

    @classmethod
    @check_options("__init__", "plot")
    def from_predictions(
        cls, X, color=None, *, X_new=None, features=None, feature_names=None, **options
    ):
        """Draw features.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_points, n_columns)
            The training points; the columns that are drawn hold numbers, and NaN where
            they are missing.
        |color|
        X_new : {array-like, DataFrame} of shape (n_new_points, n_columns), default=None
            The new points. The columns of a DataFrame are found by their names.
        features : array-like, default=None
            Names of the columns to draw, 2 to 10 of them, in this order. None: all.
        feature_names : array-like of shape (n_columns,), default=None
            Names of the columns. None: those of a DataFrame, else "feature 1" and so
            on.
        **options : dict
            Further parameters of the display, such as `new_color` and `color_name`, and
            keyword arguments of `plot`.
        |Returns|
        """
        table = X if is_frame(X) else check_table("X", X)
        names = feature_names
        if names is None and is_frame(X):
            names = X.columns
        names = _check_names(names, table.shape[1])
        if features is not None:
            (features,) = check_vectors({"features": features})
        features = names if features is None else features.tolist()
        if X_new is not None:
            by_name = is_frame(X) and is_frame(X_new) and feature_names is None
            new_names = X_new.columns.tolist() if by_name else names
            new_table = X_new if is_frame(X_new) else check_table("X_new", X_new)
            X_new = _read_features(new_table, features, new_names, "X_new")
        options |= {"color": color, "X_new": X_new, "feature_names": features}
        return cls._draw(_read_features(table, features, names, "X"), options)


def _read_features(table, features, names, name):
    """Return the columns of features as float64, NaN where a number is missing."""
    if table.shape[1] != len(names):
        raise ValueError(
            f"{name} must have {len(names)} columns, as X has, got {table.shape[1]}"
        )
    missing = [feature for feature in features if feature not in names]
    if missing:
        raise ValueError(
            f"features names {missing}, not among the columns of {name}: "
            f"{list_names(names)}"
        )
    columns = [raw_column(table, names.index(feature)) for feature in features]
    return np.column_stack(
        [
            as_floats(column, f"column {feature!r} of {name}", "in pairs")
            for column, feature in zip(columns, features, strict=True)
        ]
    )


def _check_names(names, n_columns):
    """Return the name of each column."""
    if names is None:
        return [f"feature {i + 1}" for i in range(n_columns)]
    given, columns = {"feature_names": names}, ("columns of X", n_columns)
    names = check_vectors(given, columns)[0].tolist()
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise ValueError(
            f"the names of the columns of X must be unique, got {repeated[0]!r} more "
            "than once"
        )
    return names


def _check_log(log, names, points):
    """Return the indices of the features on logarithmic axes."""
    if isinstance(log, (list, tuple)) and not log:
        return []
    log = check_vectors({"log": log})[0].tolist()
    missing = [name for name in log if name not in names]
    if missing:
        raise ValueError(
            f"log names {missing}, not among the features: {list_names(names)}"
        )
    columns = [names.index(name) for name in log]
    for i in columns:
        if points[:, i].min() <= 0:
            raise ValueError(
                f"log must name features that are positive, got {names[i]!r}, which "
                f"goes down to {points[:, i].min():.4g}"
            )
    return columns
