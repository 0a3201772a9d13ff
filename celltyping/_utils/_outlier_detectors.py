"""Detectors of outliers: one default, and one way to ask scikit-learn's and pyod's."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
from sklearn.base import clone
from sklearn.svm import OneClassSVM
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from celltyping._utils._compat import _num_samples, _safe_indexing
from celltyping._utils._sub_estimators import pass_random_state, sampled

# Share of many training rows that the default detector rejects; of few it rejects more:
# of 100 in 10 dimensions 18 %, as then a large part of them lies on the boundary.
NU = 0.03

# A one-class SVM takes quadratic time: .1 s for so many rows, 51 s for ten times more.
MOST_ROWS = 10_000


def default_detector():
    """Return the detector that is used where none is given."""
    return OneClassSVM(nu=NU)


def fit_detector(detector, X, random_state, **params):
    """Fit a copy of a detector, or the default one.

    Parameters
    ----------
    detector : estimator or None
        It has `fit`, and `predict` for new rows. None: a one-class SVM, fitted on at
        most `MOST_ROWS` rows.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        The rows.
    random_state : int, RandomState instance or None
        Draws rows, and seeds for a detector that has none. None: always the same rows,
        and no seeds.
    **params : dict
        More arguments of the detector's `fit`.

    Returns
    -------
    detector : estimator
        A fitted copy.

    Raises
    ------
    TypeError
        If the detector cannot judge new rows.
    """
    n_rows = _num_samples(X)
    if detector is None:
        detector = default_detector()
        if n_rows > MOST_ROWS:
            draw = check_random_state(0 if random_state is None else random_state)
            rows = np.sort(draw.choice(n_rows, MOST_ROWS, replace=False))
            X = _safe_indexing(X, rows)
            params = sampled(params, rows, n_rows)
    if not hasattr(detector, "predict"):
        last = _last(detector)
        hint = ": it needs novelty=True" if hasattr(last, "novelty") else ""
        raise TypeError(
            "outlier_detector must have predict, to judge new rows, and "
            f"{type(last).__name__} has not{hint}"
        )
    detector = pass_random_state(clone(detector), random_state)
    detector.fit(X, **params)
    return detector


def is_pyod(detector):
    """Tell whether a fitted detector speaks as pyod's do: 1 is an outlier, not -1."""
    last = _last(detector)
    return hasattr(last, "decision_scores_") and hasattr(last, "threshold_")


def is_outlier(detector, X):
    """Ask a fitted detector which rows are outliers.

    Parameters
    ----------
    detector : estimator
        A fitted detector of scikit-learn's kind (-1: an outlier) or of pyod's (1).
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        The rows.

    Returns
    -------
    mask : ndarray of shape (n_samples,), dtype=bool
        True for outliers.
    """
    return np.asarray(detector.predict(X)) == (1 if is_pyod(detector) else -1)


def score_outliers(detector, X):
    """Ask a fitted detector how far outside rows are; above 0: outliers.

    Parameters
    ----------
    detector : estimator
        A fitted detector that has `decision_function`.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        The rows.

    Returns
    -------
    score : ndarray of shape (n_samples,)
        In the detector's units.
    """
    score = np.asarray(detector.decision_function(X), dtype=float)
    return score - _last(detector).threshold_ if is_pyod(detector) else -score


def _last(detector):
    """Return the last step of a Pipeline; anything else is its own."""
    return detector[-1] if hasattr(detector, "steps") else detector


def _has_scores(estimator):
    """Tell whether the detector of an estimator can score rows."""
    if hasattr(estimator, "outlier_detector_"):
        return hasattr(estimator.outlier_detector_, "decision_function")
    detector = estimator.outlier_detector
    return detector is None or hasattr(detector, "decision_function")


class OutlierJudgeMixin:
    """Say which rows an estimator's fitted `outlier_detector_` takes for outliers."""

    def predict_outlier(self, X):
        """Tell which rows are outliers.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        is_outlier : ndarray of shape (n_samples,), dtype=bool
            True for rows that the detector rejects.
        """
        check_is_fitted(self)
        return is_outlier(self.outlier_detector_, self._checked(X))

    @available_if(_has_scores)
    def outlier_score(self, X):
        """Tell how far outside rows are.

        There only if the detector has `decision_function`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        score : ndarray of shape (n_samples,)
            The larger, the farther outside; above 0: an outlier. In the detector's
            units: those of its `decision_function`.
        """
        check_is_fitted(self)
        return score_outliers(self.outlier_detector_, self._checked(X))
