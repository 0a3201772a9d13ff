"""The score of classifiers that are fitted with types of which some are unknown."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
from sklearn.metrics import accuracy_score
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted

from celltyping._utils._labels import as_array, as_numbers, is_unlabeled


class KnownScoreMixin:
    """Judge samples whose type is known, and no others.

    The estimator has `classes_`, `predict` and the parameter `unlabeled_marker`.
    """

    def score(self, X, y, sample_weight=None):
        """Give the accuracy on the samples whose type is known.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            As in `predict`.
        y : array-like of shape (n_samples,)
            True types; samples of unknown type are not judged.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights.

        Returns
        -------
        accuracy : float
            Share of the known types that are predicted.
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
        """Return what means unknown in a `y` that may lack some of the types."""
        marker = self.unlabeled_marker
        is_auto = isinstance(marker, str) and marker == "auto"
        if is_auto and self.classes_.dtype.kind in "iuf":
            return None if -1 in self.classes_ else -1
        return marker
