"""Accuracy on the samples of known type, for semi-supervised classifiers."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
from sklearn.metrics import accuracy_score
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted

from celltyping._utils._labels import as_array, as_numbers, is_unlabeled


class KnownScoreMixin:
    """A `score` that leaves out samples of unknown type.

    The estimator has `classes_`, `predict` and the parameter `unlabeled_marker`.
    """

    def score(self, X, y, sample_weight=None):
        """Return the accuracy on the samples of known type.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            As in `predict`.
        y : array-like of shape (n_samples,)
            True types; samples of unknown type are left out.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights.

        Returns
        -------
        accuracy : float
            Fraction of the samples of known type with a correct prediction.
        """
        check_is_fitted(self)
        check_consistent_length(X, y)
        y = as_array(y)
        known = ~is_unlabeled(y, self._marker())
        if not known.any():
            raise ValueError("score needs known types, but all types in y are unknown")
        if sample_weight is not None:
            sample_weight = np.asarray(sample_weight)[known]
        return accuracy_score(
            as_numbers(y[known]), self.predict(X)[known], sample_weight=sample_weight
        )

    def _marker(self):
        """Return the marker of unknown types in a `y` that may lack some types."""
        marker = self.unlabeled_marker
        is_auto = isinstance(marker, str) and marker == "auto"
        if is_auto and self.classes_.dtype.kind in "iuf":
            return None if -1 in self.classes_ else -1
        return marker
