"""Outlier detectors of scikit-learn and pyod: predictions, scores, default."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.covariance import EllipticEnvelope
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import SGDOneClassSVM
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from celltyping._utils import _outlier_detectors
from celltyping._utils._outlier_detectors import (
    MAX_ROWS,
    N_NEIGHBORS,
    REJECTED,
    NeighborDistanceDetector,
    OutlierDetectionMixin,
    default_detector,
    fit_detector,
    is_outlier,
    is_pyod,
    score_outliers,
)


class FarFromMean:
    """A detector as in pyod, without scikit-learn's base class: 1 is an outlier."""

    def __init__(self, contamination=0.1):
        self.contamination = contamination

    def get_params(self, deep=True):
        return {"contamination": self.contamination}

    def set_params(self, **params):
        vars(self).update(params)
        return self

    def fit(self, X, y=None):
        self.center_ = np.asarray(X).mean(axis=0)
        self.decision_scores_ = self.decision_function(X)
        self.threshold_ = np.quantile(self.decision_scores_, 1 - self.contamination)
        self.labels_ = (self.decision_scores_ > self.threshold_).astype(int)
        return self

    def decision_function(self, X):
        return np.linalg.norm(np.asarray(X) - self.center_, axis=1)

    def predict(self, X):
        return (self.decision_function(X) > self.threshold_).astype(int)


class NewerFarFromMean(BaseEstimator, FarFromMean):
    """The same with scikit-learn's base class, as newer versions of pyod have it."""


class Fitless(BaseEstimator):
    """A detector whose `fit` returns nothing, and which has no scores."""

    def fit(self, X):
        self.n_rows_ = len(X)

    def predict(self, X):
        return np.ones(len(X), dtype=int)


class Meta(OutlierDetectionMixin, BaseEstimator):
    """A minimal meta-estimator with an outlier detector."""

    def __init__(self, outlier_detector=None):
        self.outlier_detector = outlier_detector

    def fit(self, X):
        self.outlier_detector_ = fit_detector(self.outlier_detector, X, 0)
        return self

    def _validate_X(self, X):
        return np.asarray(X)


DETECTORS = {
    "default": None,
    "one-class SVM": OneClassSVM(nu=0.1),
    "forest": IsolationForest(n_estimators=50, contamination=0.1),
    "ellipse": EllipticEnvelope(),
    "LOF": LocalOutlierFactor(novelty=True),
    "pipeline": make_pipeline(StandardScaler(), OneClassSVM(nu=0.1)),
    "older pyod": FarFromMean(),
    "pyod in a pipeline": make_pipeline(StandardScaler(), NewerFarFromMean()),
}


every_detector = pytest.mark.parametrize("detector", DETECTORS.values(), ids=DETECTORS)


@pytest.fixture
def rows():
    """Give a round cloud of 400 rows, centred at (5, 5)."""
    return np.random.default_rng(0).normal(5, 1, size=(400, 2))


FAR = np.array([[40.0, -30.0], [5, 300]])


@every_detector
def test_a_copy_of_a_detector_is_fitted(detector, rows):
    before = {} if detector is None else dict(vars(detector))
    rows.flags.writeable = False
    fitted = fit_detector(detector, rows, 0)
    assert fitted is not detector
    if detector is not None:
        assert vars(detector) == before
    is_of_pyod = detector in (DETECTORS["older pyod"], DETECTORS["pyod in a pipeline"])
    assert is_pyod(fitted) == is_of_pyod
    new = np.vstack([[[5.2, 4.9]], FAR])
    assert is_outlier(fitted, new).tolist() == [False, True, True]
    X = np.vstack([rows, FAR])
    rejected, scores = is_outlier(fitted, X), score_outliers(fitted, X)
    assert rejected.dtype == bool
    assert 0 < rejected[:400].mean() < 0.12
    # Scores are above zero where a row is rejected.
    assert scores.shape == (402,)
    np.testing.assert_array_equal(scores > 0, rejected)
    assert min(scores[400:]) >= np.quantile(scores[:400], 0.99)


def test_pyod_rejects_as_it_labels(rows):
    fitted = fit_detector(FarFromMean(0.2), rows, None)
    assert is_outlier(fitted, rows).sum() == 80
    np.testing.assert_array_equal(is_outlier(fitted, rows), fitted.labels_ == 1)
    expected = fitted.decision_scores_ - fitted.threshold_
    np.testing.assert_array_equal(score_outliers(fitted, rows), expected)


def test_forms_of_rows(rows, subtests):
    expected = score_outliers(fit_detector(None, rows, None), rows)
    for form in (sparse.csr_array, pd.DataFrame, list):
        with subtests.test(form=form):
            found = score_outliers(fit_detector(None, form(rows), None), form(rows))
            np.testing.assert_allclose(found, expected, atol=1e-9)


# --------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    "detector",
    [LocalOutlierFactor(), make_pipeline(StandardScaler(), LocalOutlierFactor())],
)
def test_lof_needs_novelty(detector, rows):
    with (
        patch.object(LocalOutlierFactor, "fit") as fit,
        pytest.raises(TypeError, match=r"LocalOutlierFactor does not: .*novelty=T"),
    ):
        fit_detector(detector, rows, None)
    assert not fit.called, "refused before it costs anything"


def test_a_detector_without_predict(rows):
    with pytest.raises(TypeError, match=r"must have predict.*StandardScaler does not$"):
        fit_detector(StandardScaler(), rows, None)


def test_fit_may_return_nothing(rows):
    fitted = fit_detector(Fitless(), rows, None)
    assert fitted.n_rows_ == 400
    assert not is_outlier(fitted, rows).any()


# ------------------------------------------------------------- the default, and chance


def test_default(rows):
    assert isinstance(default_detector(), NeighborDistanceDetector)
    fitted = fit_detector(None, rows, None)
    assert isinstance(fitted, NeighborDistanceDetector)
    assert fitted.n_features_in_ == 2


def leave_one_out(rows):
    """Return the distance of each row to its fifth nearest among the others."""
    distances = np.linalg.norm(rows[:, None] - rows, axis=2)
    return np.sort(distances, axis=1)[:, N_NEIGHBORS]


def test_score_is_the_distance_to_the_fifth_nearest_other_row(rows):
    fitted = fit_detector(None, rows, None)
    expected = leave_one_out(rows)
    np.testing.assert_allclose(-fitted.score_samples(rows), expected)
    # Of 400 rows, 389 are accepted: (400 + 1) 0.97 = 388.97.
    assert -fitted.offset_ == pytest.approx(np.sort(expected)[388])
    assert is_outlier(fitted, rows).sum() == 11
    new = rows[:1] + 1e-9
    nearest = np.sort(np.linalg.norm(rows - new, axis=1))
    assert -fitted.score_samples(new)[0] == pytest.approx(nearest[N_NEIGHBORS - 1])


SHAPES = {
    "normal": lambda rng, n: rng.normal(size=(n, 5)),
    "skewed": lambda rng, n: rng.lognormal(size=(n, 3)),
    "heavy tails": lambda rng, n: rng.standard_t(2, size=(n, 4)),
    "counts": lambda rng, n: rng.poisson(2, size=(n, 4)).astype(float),
    "uniform": lambda rng, n: rng.uniform(size=(n, 15)),
    "clusters": lambda rng, n: (
        9 * rng.integers(3, size=(n, 1)) + rng.normal(size=(n, 2))
    ),
}


@pytest.mark.parametrize(("n_rows", "rate"), [(20, 1 / 21), (50, 1 / 51), (200, 0.03)])
def test_rate_of_rejection_is_what_it_should_be(n_rows, rate, subtests):
    for shape, draw in SHAPES.items():
        rng = np.random.default_rng(0)
        rejected = []
        for _ in range(40):
            rows = draw(rng, n_rows + 200)
            training = rows[:n_rows]
            far = training.mean(axis=0) + 99 * training.std(axis=0)
            fitted = fit_detector(None, training, None)
            rejected.append(is_outlier(fitted, np.vstack([rows, far])))
        with subtests.test(shape):
            rejected = np.array(rejected)
            training, like = rejected[:, :n_rows], rejected[:, n_rows:-1]
            assert 0.1 * rate < like.mean() < rate + 0.02
            assert training.mean(axis=1).max() <= np.ceil(REJECTED * n_rows) / n_rows
            assert rejected[:, -1].all()


def test_an_outlier_among_few_rows_hides_no_others(subtests):
    for n_rows in (20, 50, 100):
        with subtests.test(n_rows=n_rows):
            rng = np.random.default_rng(0)
            rows = rng.normal(size=(n_rows, 5))
            rows[3] += 50
            fitted = fit_detector(None, rows, None)
            assert is_outlier(fitted, rows)[3]
            assert (
                is_outlier(fitted, rows).mean() <= np.ceil(REJECTED * n_rows) / n_rows
            )
            assert is_outlier(fitted, rng.normal(size=(50, 5)) + [30, 0, 0, 0, 0]).all()
            assert is_outlier(fitted, rng.normal(size=(500, 5))).mean() < 0.06


def test_repeated_rows(subtests):
    for n_columns in (3, 20):
        X = np.random.default_rng(0).normal(size=(230, n_columns))
        rows, new = X[:30], X[30:]
        for form in (np.asarray, sparse.csr_array):
            with subtests.test(form=form, n_columns=n_columns):
                once = fit_detector(None, form(rows), None)
                often = fit_detector(None, form(np.tile(rows, (9, 1))), None)
                for X in (rows, new):
                    np.testing.assert_array_equal(
                        is_outlier(often, form(X)), is_outlier(once, form(X))
                    )
                assert is_outlier(often, form(new)).mean() < 0.2


def test_rows_that_are_all_equal(subtests):
    for shape in ((1, 2), (1, 30), (7, 2), (7, 30)):
        with subtests.test(shape=shape):
            rows = np.full(shape, 7.3)
            found = is_outlier(fit_detector(None, rows, None), [*rows, rows[0] + 1])
            assert found.tolist() == [*[False] * len(rows), True]


def test_scales_that_differ_by_many_orders_of_magnitude():
    rows = np.logspace(-150, 60, 200)[:, np.newaxis]
    fitted = fit_detector(None, rows, None)
    assert np.isfinite(fitted.offset_)
    assert is_outlier(fitted, rows).mean() <= 2 * REJECTED
    with pytest.raises(ValueError, match="values too large for NeighborDistance"):
        fit_detector(None, rows * 1e100, None)


def test_zeros_that_a_sparse_matrix_stores_are_zeros():
    dense = np.array([[0.0, 1], [0, 1], [2, 0], [-0.0, 3]])
    stored = sparse.csr_array(
        (dense.ravel(), np.tile([0, 1], 4), np.arange(0, 9, 2)), shape=(4, 2)
    )
    assert stored.nnz == 8
    for form in (stored, dense, pd.DataFrame(dense)):
        assert fit_detector(None, form, None)._rows.shape == (3, 2)
    assert stored.nnz == 8


@pytest.fixture(scope="module")
def many_rows():
    return np.random.default_rng(0).normal(size=(MAX_ROWS + 500, 2))


def test_default_learns_from_a_sample_of_many_rows(many_rows, subtests):
    for form in (np.asarray, pd.DataFrame, sparse.csr_array):
        with subtests.test(form=form):
            with patch.object(_outlier_detectors, "MAX_ROWS", 1000):
                fitted = fit_detector(None, form(many_rows), None)
            assert fitted._rows.shape == (1000, 2)
            rejected = is_outlier(fitted, form(many_rows))
            assert abs(rejected.mean() - REJECTED) < 0.02


def test_sample_is_as_large_as_it_says(many_rows):
    assert fit_detector(None, many_rows, None)._rows.shape == (MAX_ROWS, 2)


def test_a_given_detector_learns_from_all_rows(many_rows):
    given = SGDOneClassSVM(nu=0.1)
    with patch.object(given.__class__, "fit", autospec=True) as fit:
        fit_detector(given, many_rows, None)
    assert len(fit.call_args.args[1]) == len(many_rows)


def test_which_rows_are_drawn(many_rows):
    def sample(random_state):
        with patch.object(_outlier_detectors, "MAX_ROWS", 1000):
            return fit_detector(None, many_rows, random_state)._rows

    np.testing.assert_array_equal(sample(None), sample(None))
    np.testing.assert_array_equal(sample(1), sample(1))
    np.testing.assert_array_equal(sample(1), sample(np.random.RandomState(1)))
    generator = np.random.RandomState(1)
    assert not np.array_equal(sample(generator), sample(generator))


def test_seeds_for_detectors_that_have_none(rows):
    given = make_pipeline(StandardScaler(), IsolationForest(n_estimators=5))
    one, other = (fit_detector(given, rows, 3) for _ in range(2))
    assert one[-1].random_state == other[-1].random_state
    np.testing.assert_array_equal(
        score_outliers(one, rows), score_outliers(other, rows)
    )
    assert given[-1].random_state is None
    assert fit_detector(given, rows, None)[-1].random_state is None
    own = IsolationForest(n_estimators=5, random_state=11)
    assert fit_detector(own, rows, 3).random_state == 11


# --------------------------------------------------------------------------- the mixin


@every_detector
def test_mixin_asks_the_fitted_detector(detector, rows):
    meta = Meta(detector)
    X = np.vstack([rows, FAR])
    for method in ("predict_outlier", "outlier_score"):
        with pytest.raises(NotFittedError):
            getattr(meta, method)(rows)
    meta.fit(rows)
    fitted = meta.outlier_detector_
    np.testing.assert_array_equal(meta.predict_outlier(X), is_outlier(fitted, X))
    np.testing.assert_array_equal(meta.outlier_score(X), score_outliers(fitted, X))


def test_scores_are_there_only_if_the_detector_has_them(rows):
    meta = Meta(Fitless())
    assert not hasattr(meta, "outlier_score")
    assert not hasattr(meta.fit(rows), "outlier_score")
    assert meta.predict_outlier(rows).tolist() == [False] * 400
    assert not hasattr(Meta(LocalOutlierFactor()), "outlier_score")
    assert hasattr(Meta(), "outlier_score")
