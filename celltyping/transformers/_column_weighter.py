"""Weights of columns: which of them count more where distances are measured."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from celltyping._utils._compat import _fit_context
from celltyping._utils._restore import restore_on_error
from celltyping._utils._tables import (
    column_names,
    column_values,
    find_columns,
    read_array,
    read_table,
    replace_columns,
)


class ColumnWeighter(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Multiply columns by weights.

    Distances, and so neighbours, clusters and embeddings, look at every column alike.
    After scaling, a weight says how much a column is to count: 2 for coordinates and 1
    for areas make place twice as important as size.

    Parameters
    ----------
    weights : dict or array-like of shape (n_features,), default=None
        A dict gives weights to columns by their name, in an array by their index;
        columns that are not named stay as they are, whatever they hold. Anything else
        gives a weight to each column in turn. Weights are zero or more. None: nothing
        is weighted.

    Attributes
    ----------
    weights_ : ndarray of shape (n_features,), dtype=float64
        Weight of each column.
    n_features_in_ : int
        Number of columns in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Defined only if a table with column names was fitted.

    See Also
    --------
    celltyping.ColumnSelector : Keeps some columns of a table.
    sklearn.preprocessing.RobustScaler : Comes before, so that weights mean something.

    Notes
    -----
    A DataFrame gives a DataFrame with the same index, an array an array of floats.
    A weight of zero keeps the column, but makes it constant.

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
        """Give each column its weight.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            The table.
        y : None, default=None
            Not used; here for scikit-learn's conventions.

        Returns
        -------
        self : ColumnWeighter
            The fitted transformer.

        Raises
        ------
        ValueError
            If a weight is negative, NaN, infinite or no number, a column that is named
            is missing or does not hold finite numbers, or there is not one weight per
            column.
        """
        X = read_table(self, X, reset=True)
        n_features = X.shape[1]
        if self.weights is None or (
            isinstance(self.weights, dict) and len(self.weights) == 0
        ):
            positions, given = [], []
        elif isinstance(self.weights, dict):
            positions = find_columns(X, list(self.weights), "weights")
            given = list(self.weights.values())
        else:
            positions, given = list(range(n_features)), list(self.weights)
            if len(given) != n_features:
                raise ValueError(
                    f"weights has {len(given)} weights, but X has {n_features} columns"
                )
        names = column_names(X)
        weights = np.ones(n_features)
        for position, weight in zip(positions, given, strict=True):
            weights[position] = _checked(weight, names[position])
        column_values(X, positions)
        self.weights_ = weights
        self._weighted = np.array(positions, dtype=np.intp)
        return self

    def transform(self, X):
        """Multiply the columns by their weights.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            The table. It is not changed.

        Returns
        -------
        X_new : {ndarray, DataFrame} of shape (n_samples, n_features)
            The weighted table.

        Raises
        ------
        ValueError
            If a weighted column does not hold finite numbers.
        """
        check_is_fitted(self)
        X = read_table(self, X, reset=False)
        values = column_values(X, self._weighted)
        values *= self.weights_[self._weighted]
        return replace_columns(X, self._weighted, values)

    def inverse_transform(self, X):
        """Divide the columns by their weights.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            A weighted table. It is not changed.

        Returns
        -------
        X_original : {ndarray, DataFrame} of shape (n_samples, n_features)
            The table as it was before.

        Raises
        ------
        ValueError
            If a weight is zero, which cannot be undone, or X has another number of
            columns than in `fit`.
        """
        check_is_fitted(self)
        X = read_array(X)
        if X.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X has {X.shape[1]} columns, but {type(self).__name__} was fitted on "
                f"{self.n_features_in_}"
            )
        lost = np.flatnonzero(self.weights_ == 0)
        if len(lost):
            names = column_names(X)
            raise ValueError(
                f"a weight of 0 cannot be undone: weights={self.weights!r} has it for "
                f"columns {[names[position] for position in lost]}"
            )
        values = column_values(X, self._weighted)
        values /= self.weights_[self._weighted]
        return replace_columns(X, self._weighted, values)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def _checked(weight, name):
    """Return a weight as a float, or say what is wrong with it."""
    try:
        number = float(weight)
    except (TypeError, ValueError):
        number = np.nan
    if not 0 <= number < np.inf:
        raise ValueError(
            f"weights must be finite numbers of zero or more, got {weight!r} for "
            f"column {name!r}"
        )
    return number
