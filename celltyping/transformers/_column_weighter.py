"""Multiplication of columns by weights."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from celltyping._utils._compat import _fit_context
from celltyping._utils._messages import list_names
from celltyping._utils._restore import restore_on_error
from celltyping._utils._tables import (
    check_table,
    column_names,
    column_values,
    find_columns,
    replace_columns,
    validate_table,
)
from celltyping._utils._validation import check_magnitude


class ColumnWeighter(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Multiply columns by weights.

    After scaling, all columns contribute equally to distances, and so to neighbours,
    clusters and embeddings. Weights of 2 for coordinates and 1 for areas double the
    contribution of the coordinates.

    Parameters
    ----------
    weights : dict or array-like of shape (n_features,), default=None
        Nonnegative weights. A dict contains weights by name of column, or by index for
        an array; other columns stay as they are, and need not be numeric. Otherwise one
        weight per column. None: all columns stay as they are.

    Attributes
    ----------
    weights_ : ndarray of shape (n_features,), dtype=float64
        Weight of each column.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Defined only if X has feature names that are all strings.

    See Also
    --------
    celltyping.ColumnSelector : Selection of columns.
    sklearn.preprocessing.RobustScaler : Scaling, the step before.

    Notes
    -----
    A DataFrame gives a DataFrame with the same index, an array an array of dtype
    float64. A weight of zero makes the column constant.

    Examples
    --------
    >>> import pandas as pd
    >>> from celltyping import ColumnWeighter
    >>> synapses = pd.DataFrame({"x": [1.0, 3.0], "y": [2.0, 4.0], "area": [5.0, 6.0]})
    >>> ColumnWeighter({"x": 2, "y": 2}).fit_transform(synapses)
         x    y  area
    0  2.0  4.0   5.0
    1  6.0  8.0   6.0
    """

    _parameter_constraints = {"weights": [dict, "array-like", None]}

    def __init__(self, weights=None):
        self.weights = weights

    @_fit_context(prefer_skip_nested_validation=True)
    @restore_on_error
    def fit(self, X, y=None):
        """Validate the weights.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Table.
        y : None, default=None
            Ignored.

        Returns
        -------
        self : ColumnWeighter
            Fitted transformer.

        Raises
        ------
        ValueError
            If a weight is not a finite nonnegative number, a weighted column is missing
            or does not contain finite numbers, or there is not one weight per column.
        """
        X = validate_table(self, X, reset=True)
        names = column_names(X)
        weights = {} if self.weights is None else self.weights
        if isinstance(weights, dict):
            positions = find_columns(X, list(weights), "weights") if weights else []
            given = weights.values()
        else:
            positions, given = range(len(names)), weights
            if len(given) != len(names):
                raise ValueError(
                    f"weights has {len(given)} weights, but X has {len(names)} columns"
                )
        column_values(X, positions)
        self.weights_ = np.ones(len(names))
        for position, weight in zip(positions, given, strict=True):
            self.weights_[position] = _check_weight(weight, names[position])
        self._weighted = np.array(positions, dtype=np.intp)
        return self

    def transform(self, X):
        """Multiply the columns by their weights.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Table. It is not changed.

        Returns
        -------
        X_new : {ndarray, DataFrame} of shape (n_samples, n_features)
            Weighted table.

        Raises
        ------
        ValueError
            If a weighted column does not contain finite numbers.
        """
        check_is_fitted(self)
        X = validate_table(self, X, reset=False)
        return self._apply(np.multiply, X, self.weights_[self._weighted])

    def inverse_transform(self, X):
        """Divide the columns by their weights.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Weighted table. It is not changed.

        Returns
        -------
        X_original : {ndarray, DataFrame} of shape (n_samples, n_features)
            Table before `transform`.

        Raises
        ------
        ValueError
            If a weight is zero, or the number of columns is not that of `fit`.
        """
        check_is_fitted(self)
        X = check_table(X)
        if X.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X has {X.shape[1]} columns, but {type(self).__name__} was fitted on "
                f"{self.n_features_in_}"
            )
        lost = np.flatnonzero(self.weights_ == 0)
        if len(lost):
            names = column_names(X)
            raise ValueError(
                f"a weight of 0 has no inverse: weights={self.weights!r} are 0 for the "
                f"columns {list_names([names[position] for position in lost])}"
            )
        return self._apply(np.divide, X, self.weights_[self._weighted])

    def _apply(self, operation, X, weights):
        """Multiply or divide the weighted columns, and refuse results that overflow."""
        values, names = column_values(X, self._weighted), column_names(X)
        with np.errstate(over="ignore"):
            operation(values, weights, out=values)
        for k, position in enumerate(self._weighted):
            where = f"column {names[position]!r} of X times or divided by its weight"
            check_magnitude(
                values[:, k], type(self).__name__, np.finfo(float).max, name=where
            )
        return replace_columns(X, self._weighted, values)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def _check_weight(weight, name):
    """Return a weight as a float, or raise if it is negative or not finite."""
    try:
        number = float(weight)
    except (OverflowError, TypeError, ValueError):
        number = np.nan
    if not 0 <= number < np.inf:
        raise ValueError(
            f"weights must be finite and nonnegative, got {weight!r} for column "
            f"{name!r}"
        )
    return number
