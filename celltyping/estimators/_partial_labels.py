"""Accuracy on the samples of known type, for semi-supervised classifiers."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from sklearn.metrics import accuracy_score
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted

from celltyping._utils._compat import _check_sample_weight
from celltyping._utils._labels import encode_types, split_markers


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

        Raises
        ------
        ValueError
            If lengths differ, no type in `y` is known, or `sample_weight` is 0 for all
            samples of known type.
        """
        check_is_fitted(self)
        check_consistent_length(X, y)
        classes, codes = encode_types(y, self._marker(), caller="score", min_types=1)
        known = codes >= 0
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, codes)[known]
            if not sample_weight.any():
                raise ValueError("sample_weight is 0 for all samples of known type")
        y_pred = self.predict(X)[known]
        return accuracy_score(
            classes[codes[known]], y_pred, sample_weight=sample_weight
        )

    def _marker(self):
        """Return the marker of unknown types in a `y` that may lack some types."""
        is_auto, markers = split_markers(self.unlabeled_marker)
        if is_auto and self.classes_.dtype.kind in "iuf":
            return [*markers, None if -1 in self.classes_ else -1]
        return self.unlabeled_marker
