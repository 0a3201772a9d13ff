"""Sampler that removes training rows with outlying values."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import warnings
from numbers import Real

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_consistent_length

from celltyping._utils._compat import Interval, _fit_context
from celltyping._utils._labels import as_array
from celltyping._utils._restore import restore_on_error
from celltyping._utils._tables import (
    column_values,
    find_columns,
    is_repeated,
    take_rows,
    validate_table,
)
from celltyping._utils._warnings import find_stack_level


class OutlierRowRemover(BaseEstimator):
    """Remove training rows with an outlying value in any of the columns.

    A value is outlying if it is below Q1 - f (Q3 - Q1) or above Q3 + f (Q3 - Q1), where
    Q1 and Q3 are the quartiles of its column and f is `iqr_factor` (Tukey's fences; the
    outer ones have f = 3 [1]_). Transformers must keep all rows, so this is a sampler:
    in a pipeline of imbalanced-learn it removes rows only in `fit`, and `predict`
    returns one prediction per row.

    Parameters
    ----------
    columns : array-like of shape (n_columns,), default=None
        Columns with the values: names in a DataFrame, indices in an array. None: all
        columns.
    iqr_factor : float, default=3.0
        Maximum distance of a value from the quartiles, in interquartile ranges. None:
        no limit.
    drop_repeats : bool, default=False
        Whether rows that equal an earlier row in all columns of X are removed first,
        with a warning that counts them.

    Attributes
    ----------
    lower_ : ndarray of shape (n_columns,), dtype=float64
        Lower bound of each column; -inf if its quartiles are equal.
    upper_ : ndarray of shape (n_columns,), dtype=float64
        Upper bound of each column; inf if its quartiles are equal.
    sample_indices_ : ndarray of shape (n_kept,), dtype=intp
        Indices of the remaining rows, sorted.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Defined only if X has feature names that are all strings.

    See Also
    --------
    celltyping.OutlierFilteredTransformer : Outlier detection in several columns.

    Notes
    -----
    A column with equal quartiles removes no rows. Areas and volumes of synapses are
    skewed; their logarithms keep more of the large values.

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
        "iqr_factor": [Interval(Real, 0, None, closed="left"), None],
        "drop_repeats": ["boolean"],
    }

    def __init__(self, columns=None, *, iqr_factor=3.0, drop_repeats=False):
        self.columns = columns
        self.iqr_factor = iqr_factor
        self.drop_repeats = drop_repeats

    @_fit_context(prefer_skip_nested_validation=True)
    @restore_on_error
    def fit(self, X, y=None):
        """Compute the bounds of each column.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Table.
        y : array-like of shape (n_samples,), default=None
            Ignored.

        Returns
        -------
        self : OutlierRowRemover
            Fitted sampler.

        Raises
        ------
        ValueError
            If a column is missing or does not contain finite numbers, or no row
            remains.
        """
        self._fit(X)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    @restore_on_error
    def fit_resample(self, X, y=None):
        """Compute the bounds of each column, and remove rows beyond them.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Table. It is not changed.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets of the rows.

        Returns
        -------
        X_resampled : {ndarray, DataFrame} of shape (n_kept, n_features)
            Remaining rows.
        y_resampled : {ndarray, DataFrame, Series} of shape (n_kept,) or None
            Their targets; None if `y` is None.

        Raises
        ------
        ValueError
            If a column is missing or does not contain finite numbers, `y` has another
            length than X, or no row remains.
        """
        X = self._fit(X)
        if y is not None:
            check_consistent_length(X, y)
            y = y if hasattr(y, "iloc") else as_array(y)
        return take_rows(X, self.sample_indices_), take_rows(y, self.sample_indices_)

    def _fit(self, X):
        """Set the fitted attributes; return the validated table."""
        X = validate_table(self, X, reset=True)
        positions = find_columns(X, self.columns, "columns")
        values = column_values(X, positions, type(self).__name__)
        rows = self._find_rows(X)
        values = values[rows]
        factor = np.inf if self.iqr_factor is None else self.iqr_factor
        first, third = np.percentile(values, [25, 75], axis=0)
        reach = np.full(len(positions), np.inf)
        with np.errstate(over="ignore"):  # infinite for a huge factor
            np.multiply(factor, third - first, out=reach, where=third > first)
        lower, upper = first - reach, third + reach
        kept = rows[((values >= lower) & (values <= upper)).all(axis=1)]
        if len(kept) == 0:
            raise ValueError(
                f"none of the {len(values)} rows of X remains: each is beyond the "
                f"bounds of one of {len(positions)} columns; increase iqr_factor "
                f"({self.iqr_factor}) or use fewer columns"
            )
        self.lower_, self.upper_, self.sample_indices_ = lower, upper, kept
        return X

    def _find_rows(self, X):
        """Return the indices of all rows, or of those that equal no earlier row."""
        rows = np.arange(X.shape[0])
        if self.drop_repeats:
            rows = np.flatnonzero(~is_repeated(X))
            n_repeats = X.shape[0] - len(rows)
            if n_repeats:
                warnings.warn(
                    f"{n_repeats} of {X.shape[0]} rows of X equal an earlier row in "
                    f"all columns, and are left out of the fit of {type(self).__name__}"
                    " and of the next steps: they seem to be copies, such as of a "
                    "merge of tables",
                    UserWarning,
                    stacklevel=find_stack_level(),
                )
        return rows
