"""Outlier detectors of scikit-learn and pyod: default, fit, common interface."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
from sklearn.base import clone
from sklearn.svm import OneClassSVM
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from celltyping._utils._compat import _num_samples
from celltyping._utils._sub_estimators import (
    check_rows,
    index_metadata,
    set_random_states,
)
from celltyping._utils._tables import take_rows

# Fraction of a large training set that the default detector rejects. It rejects more of
# a small one, where a large part lies on the boundary: 18 % of 100 in 10 dimensions.
NU = 0.03

# Maximum number of rows for the default detector. A one-class SVM takes quadratic time:
# 0.1 s for this number, 51 s for ten times more.
MAX_ROWS = 10_000


def default_detector():
    """Return the detector that is used if none is given."""
    return OneClassSVM(nu=NU)


def fit_detector(detector, X, random_state, **params):
    """Fit a clone of a detector, or the default one.

    Parameters
    ----------
    detector : estimator or None
        Detector with `fit`, and `predict` for new rows. None: a one-class SVM, fitted
        to at most `MAX_ROWS` rows.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Training data.
    random_state : RandomState instance, int or None
        Source of the sampled rows, and of seeds for a detector without one. None:
        always the same rows, and no seeds.
    **params : dict
        Metadata for the detector's `fit`.

    Returns
    -------
    detector : estimator
        Fitted clone.
    """
    n_rows = _num_samples(X)
    if detector is None:
        detector = default_detector()
        if n_rows > MAX_ROWS:
            rng = check_random_state(0 if random_state is None else random_state)
            rows = np.sort(rng.choice(n_rows, MAX_ROWS, replace=False))
            X, params = take_rows(X, rows), index_metadata(params, rows, n_rows)
    if not hasattr(detector, "predict"):
        last = _last_step(detector)
        hint = ": set novelty=True" if hasattr(last, "novelty") else ""
        raise TypeError(
            "outlier_detector must have predict for new samples, and "
            f"{type(last).__name__} does not{hint}"
        )
    detector = set_random_states(clone(detector), random_state)
    detector.fit(X, **params)
    return detector


def is_pyod(detector):
    """Return whether a fitted detector uses pyod's labels (1: outlier)."""
    last = _last_step(detector)
    return hasattr(last, "decision_scores_") and hasattr(last, "threshold_")


def is_outlier(detector, X):
    """Return a boolean mask of the rows that a fitted detector rejects."""
    return np.asarray(detector.predict(X)) == (1 if is_pyod(detector) else -1)


def score_outliers(detector, X):
    """Return outlier scores in the detector's units; positive means outlier."""
    score = np.asarray(detector.decision_function(X), dtype=float)
    return score - _last_step(detector).threshold_ if is_pyod(detector) else -score


def _last_step(detector):
    """Return the last step of a Pipeline, or the detector itself."""
    return detector[-1] if hasattr(detector, "steps") else detector


def _has_scores(estimator):
    """Return whether the detector of a meta-estimator has scores."""
    detector = getattr(estimator, "outlier_detector_", estimator.outlier_detector)
    return detector is None or hasattr(detector, "decision_function")


class OutlierDetectionMixin:
    """Outlier predictions of estimators that fit an `outlier_detector_`."""

    def predict_outlier(self, X):
        """Predict which samples are outliers.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        is_outlier : ndarray of shape (n_samples,), dtype=bool
            True for samples that the detector rejects.
        """
        check_is_fitted(self)
        return is_outlier(self.outlier_detector_, self._validate_X(X))

    @available_if(_has_scores)
    def outlier_score(self, X):
        """Score samples: positive means outlier, opposite to `decision_function`.

        Scikit-learn's outlier detectors use the opposite sign. Available only if the
        detector has `decision_function`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        score : ndarray of shape (n_samples,)
            Outlier scores in the units of the detector's `decision_function`; larger
            for samples farther outside.
        """
        check_is_fitted(self)
        return score_outliers(self.outlier_detector_, self._validate_X(X))

    def _fit_detector(self, X, random_state, **params):
        """Fit the detector, and return a mask of the training samples it rejects."""
        self.outlier_detector_ = fit_detector(
            self.outlier_detector, X, random_state, **params
        )
        return is_outlier(self.outlier_detector_, X)

    def _validate_X(self, X):
        """Validate X after `fit`."""
        return check_rows(self, X, reset=False)
