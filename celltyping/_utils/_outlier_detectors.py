"""Outlier detectors of scikit-learn and pyod: default, fit, common interface."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import math

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from celltyping._utils._compat import _num_samples
from celltyping._utils._sub_estimators import check_rows, set_random_states
from celltyping._utils._tables import find_distinct_rows, take_rows
from celltyping._utils._validation import validate_samples

# Share of rows like the training rows that the default detector rejects.
REJECTED = 0.03

# Neighbour whose distance is the score of the default detector: a group of fewer rows
# than this one is far from all others.
N_NEIGHBORS = 5

# Number of interquartile ranges between the third quartile of the scores' logarithms
# and the fence beyond which the farthest training rows do not set the threshold.
FENCE = 3.0

# Maximum number of training rows of the default detector, for time and memory.
MAX_ROWS = 10_000

# Distances to equal rows may differ by rounding.
_TOLERANCE = 1e-6


class NeighborDistanceDetector(OutlierMixin, BaseEstimator):
    """Detect outliers by the distance to the nearest training rows.

    The score of a row is the distance to its fifth nearest training row that differs
    from it. The threshold is a quantile of the scores of the training rows, each
    without itself. So a row of the same distribution is rejected with probability
    `REJECTED`, for any distribution and number of rows (1 / (n + 1) for n < 33), and
    repeated rows change nothing.

    A few training rows may be outliers themselves. If the quantile is beyond Tukey's
    outer fence of the logarithms of the scores, it is computed without the farthest
    3 % of the rows, but at least one.

    Attributes
    ----------
    offset_ : float
        Threshold of `score_samples`, as in scikit-learn's detectors.
    """

    def fit(self, X, y=None):
        """Store the distinct rows, and compute the threshold."""
        X = self._validate(X, reset=True)
        first, counts = find_distinct_rows(X)
        self._rows = X[first]
        n_neighbors = min(N_NEIGHBORS + 1, len(first))
        self._index = NearestNeighbors(n_neighbors=n_neighbors).fit(self._rows)
        scores = np.repeat(self._distances(self._rows), counts)
        self.offset_ = -_find_threshold(scores) * (1 + _TOLERANCE)
        return self

    def score_samples(self, X):
        """Return the negative distances."""
        check_is_fitted(self)
        return -self._distances(self._validate(X, reset=False))

    def decision_function(self, X):
        """Return the negative distances above the threshold."""
        return self.score_samples(X) - self.offset_

    def predict(self, X):
        """Return -1 for outliers, 1 for the other rows."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def _validate(self, X, *, reset):
        """Validate X, and remove the zeros that a sparse matrix stores."""
        X = validate_samples(
            self, X, accept_sparse="csr", dtype=[np.float64, np.float32], reset=reset
        )
        if issparse(X):
            X = X.copy()
            X.eliminate_zeros()
        return X

    def _distances(self, X):
        """Return the distance of each row to its nearest different rows."""
        distances, indices = self._index.kneighbors(X)
        differs = self._rows[indices[:, 0]] != X
        is_known = np.asarray(differs.sum(axis=1)).ravel() == 0
        if distances.shape[1] == 1:
            return np.where(is_known, 0.0, distances[:, 0])
        return np.where(is_known, distances[:, -1], distances[:, -2])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def default_detector():
    """Return the detector that is used if none is given."""
    return NeighborDistanceDetector()


def _find_threshold(scores):
    """Return the threshold of the training rows' scores, for new rows."""
    scores, n_rows = np.sort(scores), len(scores)
    # The score of a new row is in each of the n + 1 places between the others with the
    # same probability.
    rank = min(math.ceil((n_rows + 1) * (1 - REJECTED)), n_rows)
    low_rank = max(n_rows - math.ceil(REJECTED * n_rows), 1)
    if scores[0] > 0:
        first, third = np.percentile(np.log(scores), [25, 75])
        fence = third + FENCE * (third - first)
        if third > first and np.log(scores[rank - 1]) > fence:
            return max(scores[low_rank - 1], np.exp(fence))
    return scores[rank - 1]


def fit_detector(detector, X, random_state, **params):
    """Fit a clone of a detector, or the default one.

    Parameters
    ----------
    detector : estimator or None
        Detector with `fit`, and `predict` for new rows. None: the default, fitted to a
        random sample of at most `MAX_ROWS` rows.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Training data.
    random_state : RandomState instance, int or None
        Source of the sampled rows, and of seeds for a detector without one. None:
        always the same rows, and no seeds.
    **params : dict
        Metadata for the `fit` of a given detector.

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
            X = take_rows(X, rows)
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
