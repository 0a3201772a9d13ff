"""A sampler that drops training rows whose values are far from the others'."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from numbers import Real

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_consistent_length

from celltyping._utils._compat import Interval, _fit_context
from celltyping._utils._restore import restore_on_error
from celltyping._utils._tables import column_values, find_columns, read_table, take_rows


class OutlierRowRemover(BaseEstimator):
    """Drop training rows that are far from the others in any of the named columns.

    A value is far if it is below Q1 - f (Q3 - Q1) or above Q3 + f (Q3 - Q1), with Q1
    and Q3 the quartiles of its column and f `iqr_factor`: Tukey's fences, of which the
    outer ones have f = 3 [1]_. A transformer may not drop rows, so this is a sampler:
    in a pipeline of imbalanced-learn it works in `fit` alone, and `predict` gives one
    answer for each row.

    Parameters
    ----------
    columns : array-like of shape (n_columns,), default=None
        The columns to look at: names of a DataFrame, indices of an array. None: all
        of them.
    iqr_factor : float, default=3.0
        How many interquartile ranges beyond the quartiles a value may lie.

    Attributes
    ----------
    lower_ : ndarray of shape (n_columns,), dtype=float64
        Least value of each column that stays; -inf where the quartiles are equal.
    upper_ : ndarray of shape (n_columns,), dtype=float64
        Largest value of each column that stays; inf where the quartiles are equal.
    sample_indices_ : ndarray of shape (n_kept,), dtype=intp
        The rows that stay, in their order.
    n_features_in_ : int
        Number of columns in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Defined only if a table with column names was fitted.

    See Also
    --------
    celltyping.ColumnWeighter : Makes columns count more or less.

    Notes
    -----
    A column in which half of the values are the same has no spread to measure by, if
    its quartiles are equal: it removes nothing. Areas and volumes of synapses have
    long tails; taking their logarithm before keeps more of the large ones.

    References
    ----------
    .. [1] Tukey, J. W. Exploratory Data Analysis. Addison-Wesley (1977).

    Examples
    --------
    >>> import pandas as pd
    >>> from celltyping import OutlierRowRemover
    >>> synapses = pd.DataFrame(
    ...     {"NeuronId": ["cb1", "cb1", "pv3", "pv3", "pv3"], "area": [4, 5, 90, 6, 7]}
    ... )
    >>> remover = OutlierRowRemover(["area"])
    >>> kept, y = remover.fit_resample(synapses, ["a", "b", "c", "d", "e"])
    >>> kept
      NeuronId  area
    0      cb1     4
    1      cb1     5
    3      pv3     6
    4      pv3     7
    >>> y.tolist()
    ['a', 'b', 'd', 'e']
    """

    _parameter_constraints = {
        "columns": ["array-like", None],
        "iqr_factor": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(self, columns=None, *, iqr_factor=3.0):
        self.columns = columns
        self.iqr_factor = iqr_factor

    @_fit_context(prefer_skip_nested_validation=True)
    @restore_on_error
    def fit(self, X, y=None):
        """Learn between which values rows stay.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            The table.
        y : array-like of shape (n_samples,), default=None
            Not used; here for the conventions of scikit-learn.

        Returns
        -------
        self : OutlierRowRemover
            The fitted sampler.

        Raises
        ------
        ValueError
            If a column is missing or does not hold finite numbers, or no row is left.
        """
        self._learn(X)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    @restore_on_error
    def fit_resample(self, X, y=None):
        """Learn between which values rows stay, and drop the others.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            The table. It is not changed.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            What belongs to the rows.

        Returns
        -------
        X_resampled : {ndarray, DataFrame} of shape (n_kept, n_features)
            The rows that stay.
        y_resampled : {ndarray, DataFrame, Series} of shape (n_kept,) or None
            What belongs to them; None if `y` is.

        Raises
        ------
        ValueError
            If a column is missing or does not hold finite numbers, `y` has another
            length than X, or no row is left.
        """
        X = self._learn(X)
        if y is None:
            return take_rows(X, self.sample_indices_), None
        check_consistent_length(X, y)
        return take_rows(X, self.sample_indices_), take_rows(y, self.sample_indices_)

    def _learn(self, X):
        """Store the bounds and the rows within them; return the checked table."""
        X = read_table(self, X, reset=True)
        if self.columns is None:
            positions = list(range(X.shape[1]))
        else:
            positions = find_columns(X, self.columns, "columns")
        values = column_values(X, positions)
        first, third = np.percentile(values, [25, 75], axis=0)
        # Without spread there is nothing to measure by.
        reach = np.where(third > first, self.iqr_factor * (third - first), np.inf)
        lower, upper = first - reach, third + reach
        kept = np.flatnonzero(((values >= lower) & (values <= upper)).all(axis=1))
        if len(kept) == 0:
            raise ValueError(
                f"no row is left of the {len(values)} in X: each is beyond the bounds "
                f"of one of {len(positions)} columns; a larger iqr_factor than "
                f"{self.iqr_factor} or fewer columns keep more"
            )
        self.lower_, self.upper_, self.sample_indices_ = lower, upper, kept
        return X
