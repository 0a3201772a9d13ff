"""The columns that the next steps need, from any table that has them."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from celltyping._utils._compat import _fit_context
from celltyping._utils._restore import restore_on_error
from celltyping._utils._tables import (
    column_values,
    find_columns,
    is_frame,
    read_array,
    read_table,
    replace_columns,
)


class ColumnSelector(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Keep some columns of a table, in a given order, whatever else it holds.

    The first step of a pipeline that is to take any table with the columns it needs:
    in another order than in `fit`, or beside other columns. That the numbers among
    them are numbers is checked here, before work starts.

    Parameters
    ----------
    columns : array-like of shape (n_columns,), default=None
        The columns to keep, in this order: names of a DataFrame, indices of an array.
        None: all of them, and then names and number must be those of `fit`.
    numeric : array-like of shape (n_numeric,), default=()
        Those of `columns` that must hold finite numbers. They become floats.

    Attributes
    ----------
    positions_ : ndarray of shape (n_columns,), dtype=intp
        Index in the table of `fit` of each column that is kept.
    n_features_in_ : int
        Number of columns in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Defined only if a table with column names was fitted.

    See Also
    --------
    celltyping.ColumnWeighter : Makes columns count more or less.
    sklearn.compose.ColumnTransformer : Another transformer for each part of a table.

    Notes
    -----
    A DataFrame gives a DataFrame with the same index, an array an array of floats.

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
    ValueError: columns names columns ['NeuronId'], which X does not have: it has \
['x', 'y']
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
        """Look for the columns.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            The table.
        y : None, default=None
            Not used; here for scikit-learn's conventions.

        Returns
        -------
        self : ColumnSelector
            The fitted transformer.

        Raises
        ------
        ValueError
            If X does not have all columns, `numeric` names one that is not kept, or
            such a column does not hold finite numbers.
        """
        X = read_table(self, X, reset=True)
        positions = self._find(X)
        self._take(X, positions)
        self.positions_ = np.array(positions, dtype=np.intp)
        return self

    def transform(self, X):
        """Take the columns.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            A table with these columns. It is not changed.

        Returns
        -------
        X_new : {ndarray, DataFrame} of shape (n_samples, n_columns)
            The columns.

        Raises
        ------
        ValueError
            If X does not have all columns, or one in `numeric` does not hold finite
            numbers.
        """
        check_is_fitted(self)
        if self.columns is None:
            X = read_table(self, X, reset=False)
        else:
            X = read_array(X)
        return self._take(X, self._find(X))

    def get_feature_names_out(self, input_features=None):
        """Return the names of the columns that are kept.

        Parameters
        ----------
        input_features : array-like of shape (n_features,), default=None
            Names of the columns in `fit`. None: those of the DataFrame, or "x0", "x1",
            and so on.

        Returns
        -------
        names : ndarray of shape (n_columns,), dtype=object
            The names.
        """
        return super().get_feature_names_out(input_features)[self.positions_]

    def _find(self, X):
        """Return where in `X` the columns stand."""
        if self.columns is None:
            return list(range(X.shape[1]))
        return find_columns(X, self.columns, "columns")

    def _take(self, X, positions):
        """Return the columns of `X` at `positions`, those in `numeric` as floats."""
        kept = X.iloc[:, positions] if is_frame(X) else X[:, positions]
        if len(self.numeric) == 0:
            return kept
        numeric = find_columns(X, self.numeric, "numeric")
        others = [
            name
            for name, at in zip(self.numeric, numeric, strict=True)
            if at not in positions
        ]
        if others:
            raise ValueError(
                f"numeric names columns {others}, which columns={self.columns!r} does "
                "not keep"
            )
        places = [positions.index(position) for position in numeric]
        return replace_columns(kept, places, column_values(X, numeric))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags
