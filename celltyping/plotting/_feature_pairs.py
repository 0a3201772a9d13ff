"""Features against each other, in pairs."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from collections import Counter

import numpy as np
from sklearn.utils import check_array

from celltyping._utils._messages import list_names
from celltyping._utils._tables import is_frame, raw_column
from celltyping.plotting._common import (
    counted,
    figure_and_axes,
    predict_types,
    pyplot,
    type_names,
)
from celltyping.plotting._pair_grid import (
    draw_histogram,
    legend_in_corner,
    make_grid,
    name_grid,
)
from celltyping.plotting._point_colors import (
    as_floats,
    check_look,
    color_points,
    legend_of_groups,
    legend_of_types,
    read_colors,
)
from celltyping.plotting._points import (
    check_points,
    count_points,
    point_area,
    scatter_points,
)
from celltyping.plotting._text import legend_below, legend_beside, title_that_fits

# Of more features, a figure has no room for each pair.
MOST_FEATURES = 10

# More types need the corner of a larger figure.
MOST_NAMES = 10

# The side in points of axes on which points have their usual area.
USUAL_SIDE = 170


class FeaturePairsDisplay:
    """Each feature against each other, coloured by types or by a value.

    A grid of maps: one for each pair of features, and on the diagonal a histogram of
    each feature, with a line for each type. New points, which the training did not see,
    lie on top as larger marks. Use `from_estimator` or `from_predictions` to make a
    display. All parameters are stored as attributes.

    Parameters
    ----------
    X : array-like of shape (n_points, n_features)
        Features of the training points: 2 to 10 columns of numbers. A row that holds
        NaN is not drawn: the title counts such rows.
    color : array-like of shape (n_points,), default=None
        Types, clusters or values of the training points. None: none.
    color_name : str, default=None
        What the colours mean, for the legend or the colour bar.
    X_new : array-like of shape (n_new_points, n_features), default=None
        The new points; NaN as in `X`. None: none.
    new_color : array-like of shape (n_new_points,), default=None
        Types, clusters or values of the new points. None: none.
    kind : {"auto", "category", "value"}, default="auto"
        What the colours are: "category", types or clusters; "value", numbers on a
        scale. "auto": strings, booleans and integers of at most 50 distinct values are
        categories, other numbers are values.
    unlabeled_marker : "auto" or scalar, default="auto"
        What means unknown, or noise, among categories. By default "?", None and NaN
        among strings, -1 among integers. Among values, None and NaN are unknown.
    feature_names : array-like of shape (n_features,), default=None
        Names of the columns. None: "feature 1" and so on.

    Attributes
    ----------
    axes_ : ndarray of shape (n_features, n_features), dtype=object
        The axes: in row i and column j < i the map of feature i against feature j, on
        the diagonal the histograms. None above it.
    colors_ : dict of {type: colour}
        The types that have a colour of their own, and this colour; as the `cmap` of
        another display, it gives the same types the same colours there.
    legends_ : list of matplotlib.legend.Legend
        The legend of the types, then that of training and new points, if they are
        there.
    colorbar_ : matplotlib.colorbar.Colorbar or None
        The colour bar of values.
    ax_ : matplotlib.axes.Axes
        Axes that hold the grid, the legends and the title.
    figure_ : matplotlib.figure.Figure
        Figure that holds the axes.

    See Also
    --------
    EmbeddingDisplay : A map of an embedding of the features.

    Notes
    -----
    Colours follow the rules of `EmbeddingDisplay`; points of unknown type, and noise,
    are grey and lie below all others. Histograms count training points; the new ones
    are marks at their foot. Coloured values have one line for all.

    Examples
    --------
    >>> from celltyping.plotting import FeaturePairsDisplay
    >>> display = FeaturePairsDisplay.from_predictions(
    ...     [[0.1, 12.0], [0.2, 14.0], [1.5, 3.0]],
    ...     [0, 0, 1],
    ...     X_new=[[1.4, 4.0]],
    ...     feature_names=["area", "depth"],
    ...     color_name="cluster",
    ... )
    >>> display.ax_.get_title()
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

    def plot(
        self,
        *,
        ax=None,
        log=(),
        cmap=None,
        point_size=None,
        alpha=None,
        max_legend=20,
        legend=True,
        name=None,
    ):
        """Draw the grid.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes whose place the grid takes. None: a new figure.
        log : array-like of str, default=()
            Names of the features that stand on logarithmic axes, such as areas.
        cmap : str, matplotlib.colors.Colormap or dict, default=None
            Colours of the types or of the values. None: 20 colours that differ well,
            repeated beyond the 20th type; "viridis" for values. A dict holds the
            colour of each type, such as the `colors_` of another display; types that
            it lacks get colours that it does not use.
        point_size : float, default=None
            Area of a point in square points of print; new points are larger. None:
            the more points and features, the smaller.
        alpha : float, default=None
            Opacity of the training points, between 0 and 1. None: 0.8, but 0.45 if
            there are new points, which are opaque.
        max_legend : int, default=20
            At most so many types have a colour of their own and stand in the legend,
            the largest ones; the others are grey.
        legend : bool, default=True
            Whether to draw the legend, or the colour bar.
        name : str, default=None
            Name of the method, for the title.

        Returns
        -------
        display : FeaturePairsDisplay
            The display itself.

        Raises
        ------
        ValueError
            If there are fewer than 2 features or more than 10, their names are not as
            many or not unique, a feature in `log` is not there or not positive, X holds
            infinity or NaN in all rows, lengths or kinds of colours differ, or an
            option is not allowed.
        """
        check_look(max_legend, point_size)
        points, n_training = check_points(
            self.X, self.X_new, names=("X", "X_new"), columns="features"
        )
        n_features = points.shape[1]
        if n_features > MOST_FEATURES:
            raise ValueError(
                f"X must have at most {MOST_FEATURES} features to be drawn in pairs, "
                f"got {n_features}: name those to draw by features"
            )
        names = _checked_names(self.feature_names, n_features)
        placed = ~np.isnan(points).any(axis=1)
        title = f"{counted(n_features, 'feature')} of "
        title += count_points(placed, n_training, "with missing values")
        points = points[placed]
        is_log = _checked_log(log, names, points)
        read = read_colors(
            self.color,
            self.new_color,
            placed,
            n_training,
            kind=self.kind,
            unlabeled_marker=self.unlabeled_marker,
            cmap=cmap,
        )
        n_training, n_new = read.n_training, len(points) - read.n_training
        colored = color_points(read, cmap, max_legend)
        # In inches: in a smaller figure, a long legend would not fit into the corner.
        least = 6 if len(colored.names) > MOST_NAMES else 4.2
        side = float(np.clip(1.4 + 1.35 * n_features, least, 14))
        figsize = (side + 0.8 * (colored.scale is not None), side)
        self.figure_, ax = figure_and_axes(ax, "FeaturePairsDisplay", figsize)
        self.ax_ = ax
        self.axes_, cell = make_grid(ax, is_log)
        if point_size is None:
            point_size = point_area(len(points), n_new) * min(cell / USUAL_SIDE, 1)
        look = {"colors": colored.colors, "layer": colored.layer}
        look |= {"size": point_size, "alpha": alpha}
        for i, j in np.argwhere(np.tri(n_features, k=-1)):
            pair = points[:, [j, i]]
            scatter_points(self.axes_[i, j], pair, n_training, **look)
        for i in range(n_features):
            draw_histogram(
                self.axes_[i, i],
                points[:, i],
                n_training,
                colored,
                log=is_log[i],
                size=point_size,
            )
        self.colors_ = colored.by_type
        self.legends_, self.colorbar_ = [], None
        title = title if name is None else f"{name}: {title}"
        if legend:
            self._explain_groups(colored, n_training)
        self._write(names, title)
        if legend:
            self._explain_types(colored, names, title)
        return self

    def _write(self, names, title):
        """Write what is around the grid."""
        name_grid(self.ax_, self.axes_, type_names(names))
        title_that_fits(self.ax_, title)

    def _explain_groups(self, colored, n_training):
        """Draw the colour bar, and the legend of training points and new points."""
        ax = self.ax_
        if colored.scale is not None:
            self.colorbar_ = self.figure_.colorbar(
                colored.scale,
                ax=ax,
                label=self.color_name or "",
                shrink=0.8,
                aspect=30,
                pad=0.03,
            )
        groups = legend_of_groups(colored, n_training)
        if groups:
            self.legends_.append(legend_below(ax, groups))

    def _explain_types(self, colored, names, title):
        """Draw the legend of types in the corner, or beside the grid."""
        handles = legend_of_types(colored)
        if not handles:
            return
        ax, below = self.ax_, self.legends_
        legend = legend_in_corner(ax, len(self.axes_), handles, self.color_name)
        if legend is None:
            # The grid becomes narrower: what is around it is written again.
            ax.set_title("")
            legend = legend_beside(ax, handles, self.color_name)
            self._write(names, title)
        for other in below:  # axes know of one legend alone, the last one
            other.set_clip_on(False)
            ax.add_artist(other)
        self.legends_ = [legend, *below]

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        X_new=None,
        *,
        features=None,
        feature_names=None,
        color_name=None,
        kind="auto",
        unlabeled_marker="auto",
        ax=None,
        log=(),
        cmap=None,
        point_size=None,
        alpha=None,
        max_legend=20,
        legend=True,
        name=None,
    ):
        """Draw features, coloured by what a fitted estimator predicts.

        Parameters
        ----------
        estimator : estimator instance
            Fitted classifier or clusterer that predicts, or a pipeline that ends in
            one.
        X : {array-like, DataFrame} of shape (n_points, n_columns)
            The training points, as the estimator wants them.
        X_new : {array-like, DataFrame} of shape (n_new_points, n_columns), default=None
            New points. None: none.
        features : array-like, default=None
            Names of the columns to draw, 2 to 10 of them. None: all.
        feature_names : array-like of shape (n_columns,), default=None
            Names of the columns. None: those of a DataFrame, else "feature 1" and so
            on.
        color_name : str, default=None
            What the colours mean.
        kind : {"auto", "category", "value"}, default="auto"
            What the colours are. "auto": what they look like, see the class.
        unlabeled_marker : "auto" or scalar, default="auto"
            What means unknown among categories.
        ax : matplotlib.axes.Axes, default=None
            Axes whose place the grid takes. None: a new figure.
        log : array-like of str, default=()
            Names of the features that stand on logarithmic axes.
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
        name : str, default=None
            Name of the method, for the title. None: that of the estimator's class.

        Returns
        -------
        display : FeaturePairsDisplay
            What was predicted and drawn.

        Raises
        ------
        TypeError
            If the estimator does not predict.
        ValueError
            If these do not fit together; see `plot`.

        Examples
        --------
        >>> from sklearn.cluster import KMeans
        >>> from sklearn.datasets import load_iris
        >>> from celltyping.plotting import FeaturePairsDisplay
        >>> X = load_iris().data
        >>> kmeans = KMeans(3, random_state=0).fit(X[::2])
        >>> display = FeaturePairsDisplay.from_estimator(kmeans, X[::2], X[1::50])
        >>> display.ax_.get_title()
        'KMeans: 4 features of 75 training points, 3 new points'
        """
        caller = f"{cls.__name__}.from_estimator"
        pyplot(caller)
        color, new_color = predict_types(estimator, X, None, caller), None
        if X_new is not None:
            new_color = predict_types(estimator, X_new, None, caller)
        return cls.from_predictions(
            X,
            color,
            X_new=X_new,
            new_color=new_color,
            features=features,
            feature_names=feature_names,
            color_name=color_name,
            kind=kind,
            unlabeled_marker=unlabeled_marker,
            ax=ax,
            log=log,
            cmap=cmap,
            point_size=point_size,
            alpha=alpha,
            max_legend=max_legend,
            legend=legend,
            name=type(estimator).__name__ if name is None else name,
        )

    @classmethod
    def from_predictions(
        cls,
        X,
        color=None,
        *,
        X_new=None,
        new_color=None,
        features=None,
        feature_names=None,
        color_name=None,
        kind="auto",
        unlabeled_marker="auto",
        ax=None,
        log=(),
        cmap=None,
        point_size=None,
        alpha=None,
        max_legend=20,
        legend=True,
        name=None,
    ):
        """Draw features.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_points, n_columns)
            The training points; the columns that are drawn hold numbers, and NaN where
            they are missing.
        color : array-like of shape (n_points,), default=None
            Types, clusters or values of the training points.
        X_new : {array-like, DataFrame} of shape (n_new_points, n_columns), default=None
            The new points. The columns of a DataFrame are found by their names.
        new_color : array-like of shape (n_new_points,), default=None
            Types, clusters or values of the new points.
        features : array-like, default=None
            Names of the columns to draw, 2 to 10 of them, in this order. None: all.
        feature_names : array-like of shape (n_columns,), default=None
            Names of the columns. None: those of a DataFrame, else "feature 1" and so
            on.
        color_name : str, default=None
            What the colours mean.
        kind : {"auto", "category", "value"}, default="auto"
            What the colours are. "auto": what they look like, see the class.
        unlabeled_marker : "auto" or scalar, default="auto"
            What means unknown among categories.
        ax : matplotlib.axes.Axes, default=None
            Axes whose place the grid takes. None: a new figure.
        log : array-like of str, default=()
            Names of the features that stand on logarithmic axes.
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
        name : str, default=None
            Name of the method, for the title.

        Returns
        -------
        display : FeaturePairsDisplay
            What was stored and drawn.

        Raises
        ------
        ValueError
            If these do not fit together; see `plot`.
        """
        pyplot(f"{cls.__name__}.from_predictions")
        table = X if is_frame(X) else _as_array(X, "X")
        names = feature_names
        if names is None and is_frame(X):
            names = X.columns
        names = _checked_names(names, table.shape[1])
        chosen = names if features is None else list(features)
        columns = _find(chosen, names, "features", "the columns of X")
        if X_new is not None:
            X_new = _new_columns(X_new, columns, names, feature_names, is_frame(X))
        display = cls(
            _read_columns(table, columns, names, "X"),
            color=color,
            color_name=color_name,
            X_new=X_new,
            new_color=new_color,
            kind=kind,
            unlabeled_marker=unlabeled_marker,
            feature_names=chosen,
        )
        return display.plot(
            ax=ax,
            log=log,
            cmap=cmap,
            point_size=point_size,
            alpha=alpha,
            max_legend=max_legend,
            legend=legend,
            name=name,
        )


def _as_array(X, name):
    """Return a table of any kind but a DataFrame as an array, whatever it holds."""
    return check_array(X, dtype=None, ensure_all_finite=False, input_name=name)


def _checked_names(names, n_columns):
    """Return the name of each column."""
    if names is None:
        return [f"feature {i + 1}" for i in range(n_columns)]
    if isinstance(names, str) or len(names) != n_columns:
        raise ValueError(
            f"feature_names must hold one name for each of the {n_columns} columns of "
            f"X, got {names!r}"
        )
    names = list(names)
    repeated = [name for name, n_times in Counter(names).items() if n_times > 1]
    if repeated:
        raise ValueError(
            f"the names of the columns of X must be unique, got {repeated} more than "
            "once"
        )
    return names


def _find(wanted, names, parameter, where):
    """Return where names stand among others."""
    if isinstance(wanted, str):
        raise ValueError(f"{parameter} must be a list of names, got {wanted!r}")
    wanted = list(wanted)
    missing = [name for name in wanted if name not in names]
    if missing:
        raise ValueError(
            f"{parameter} names {missing}, not among {where}: {list_names(names)}"
        )
    if len(set(wanted)) < len(wanted):
        raise ValueError(f"{parameter} must name each column once, got {wanted}")
    return [names.index(name) for name in wanted]


def _new_columns(X_new, columns, names, feature_names, by_name):
    """Return the columns of new points: by their names, or by their places."""
    if is_frame(X_new):
        if by_name and feature_names is None:
            there = X_new.columns.tolist()
            missing = [names[i] for i in columns if names[i] not in there]
            if missing:
                raise ValueError(
                    f"X_new must have the columns that are drawn of X, but it lacks "
                    f"{missing}: it has {list_names(there)}"
                )
            columns, names = [there.index(names[i]) for i in columns], there
    else:
        X_new = _as_array(X_new, "X_new")
    if X_new.shape[1] != len(names):
        raise ValueError(
            f"X_new must have {len(names)} columns, as X has, got {X_new.shape[1]}"
        )
    return _read_columns(X_new, columns, names, "X_new")


def _read_columns(table, columns, names, name):
    """Return columns of a table as floats, NaN where a number is missing."""
    return np.column_stack(
        [
            as_floats(
                raw_column(table, i), f"column {names[i]!r} of {name}", "in pairs"
            )
            for i in columns
        ]
    )


def _checked_log(log, names, points):
    """Tell which features stand on logarithmic axes."""
    columns = _find(log, names, "log", "the features")
    for i in columns:
        if points[:, i].min() <= 0:
            raise ValueError(
                f"log must name features that are positive, got {names[i]!r}, which "
                f"goes down to {points[:, i].min():.4g}"
            )
    is_log = np.full(len(names), False)
    is_log[columns] = True
    return is_log
