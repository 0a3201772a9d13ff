"""Selection of columns of a table."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from celltyping._utils._compat import _fit_context
from celltyping._utils._restore import restore_on_error
from celltyping._utils._tables import (
    check_table,
    column_names,
    column_values,
    find_columns,
    is_frame,
    replace_columns,
    validate_table,
)


class ColumnSelector(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Select columns of a table, in a given order.

    As the first step of a pipeline, it accepts tables with additional columns or with
    another order of columns than in `fit`, and validates numeric columns.

    Parameters
    ----------
    columns : array-like of shape (n_columns,), default=None
        Columns to select, in this order: names in a DataFrame, indices in an array.
        None: all columns, which then must be those of `fit`.
    numeric : array-like of shape (n_numeric,), default=()
        Selected columns that must contain finite numbers. They are converted to
        float64.

    Attributes
    ----------
    positions_ : ndarray of shape (n_columns,), dtype=intp
        Index of each selected column in the table of `fit`.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Defined only if X has feature names that are all strings.

    See Also
    --------
    celltyping.ColumnWeighter : Weights of columns.
    sklearn.compose.ColumnTransformer : A transformer for each group of columns.

    Notes
    -----
    A DataFrame gives a DataFrame with the same index, an array an array of dtype
    float64.

    Examples
    --------
    >>> import pandas as pd
    >>> from celltyping import ColumnSelector
    >>> synapses = pd.DataFrame(
    ...     {"NeuronId": ["cb1", "pv3"], "y": [2, 4], "note": ["", "?"], "x": [1, 3]}
    ... )
    >>> columns = ColumnSelector(["NeuronId", "x", "y"], numeric=["x", "y"])
    >>> columns.fit_transform(synapses)
      NeuronId    x    y
    0      cb1  1.0  2.0
    1      pv3  3.0  4.0
    >>> columns.transform(synapses[["x", "y"]])
    Traceback (most recent call last):
        ...
    ValueError: X does not have the columns ['NeuronId']: its columns are 'x', 'y'
    """

    _parameter_constraints = {
        "columns": ["array-like", None],
        "numeric": ["array-like"],
    }

    def __init__(self, columns=None, *, numeric=()):
        self.columns = columns
        self.numeric = numeric

    @_fit_context(prefer_skip_nested_validation=True)
    @restore_on_error
    def fit(self, X, y=None):
        """Find the columns in the table.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Table.
        y : None, default=None
            Ignored.

        Returns
        -------
        self : ColumnSelector
            Fitted transformer.

        Raises
        ------
        ValueError
            If X lacks a column, `numeric` contains a column that is not selected, or
            such a column does not contain finite numbers.
        """
        X = validate_table(self, X, reset=True)
        positions = find_columns(X, self.columns, "columns")
        self._columns, self._numeric = self.columns, self.numeric
        self._select(X, positions)
        self.positions_ = np.array(positions, dtype=np.intp)
        return self

    def transform(self, X):
        """Select the columns.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Table with these columns. It is not changed.

        Returns
        -------
        X_new : {ndarray, DataFrame} of shape (n_samples, n_columns)
            Selected columns.

        Raises
        ------
        ValueError
            If X lacks a column, or a column of `numeric` does not contain finite
            numbers.
        """
        check_is_fitted(self)
        if self._columns is None:
            X = validate_table(self, X, reset=False)
        else:
            X = check_table(X)
        return self._select(X, find_columns(X, self._columns, "columns"))

    def get_feature_names_out(self, input_features=None):
        """Get the names of the selected columns.

        Parameters
        ----------
        input_features : array-like of shape (n_features,), default=None
            Input feature names. None: those of `fit`, or "x0", "x1", and so on.

        Returns
        -------
        names : ndarray of shape (n_columns,), dtype=object
            Names of the selected columns.
        """
        return super().get_feature_names_out(input_features)[self.positions_]

    def _select(self, X, positions):
        """Return the columns at these positions, those of `numeric` as float64."""
        selected = X.iloc[:, positions] if is_frame(X) else X[:, positions]
        if len(self._numeric) == 0:
            return selected
        numeric = find_columns(X, self._numeric, "numeric")
        names = column_names(X)
        others = [names[i] for i in numeric if i not in positions]
        if others:
            raise ValueError(
                f"numeric contains {others}, which columns={self._columns!r} does not "
                "select"
            )
        in_selected = [positions.index(position) for position in numeric]
        return replace_columns(selected, in_selected, column_values(X, numeric))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags
