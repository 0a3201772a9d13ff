"""Metadata routing of the meta-estimators."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pandas as pd
import pytest
import sklearn
from imblearn.over_sampling import SMOTE, RandomOverSampler
from imblearn.under_sampling import RandomUnderSampler
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.svm import OneClassSVM

from celltyping import (
    GroupedEstimator,
    InductiveClusterer,
    OutlierFilteredClassifier,
    OutlierFilteredTransformer,
)
from tests._detectors import Band


class Recorder(ClassifierMixin, BaseEstimator):
    """A classifier that keeps the metadata of the last call of each method."""

    def _record(self, method, **metadata):
        given = {name: value for name, value in metadata.items() if value is not None}
        self.metadata_ = getattr(self, "metadata_", {}) | {method: given}

    def fit(self, X, y=None, sample_weight=None, metadata=None):
        self._record("fit", sample_weight=sample_weight, metadata=metadata)
        self.classes_ = np.unique(np.zeros(len(X)) if y is None else y)
        return self

    def predict(self, X, sample_weight=None, metadata=None):
        self._record("predict", sample_weight=sample_weight, metadata=metadata)
        return np.zeros(len(X), dtype=int)

    def predict_proba(self, X, sample_weight=None, metadata=None):
        self._record("predict_proba", sample_weight=sample_weight, metadata=metadata)
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))

    def decision_function(self, X, sample_weight=None, metadata=None):
        self._record(
            "decision_function", sample_weight=sample_weight, metadata=metadata
        )
        return np.zeros(len(X))


class RecordingBand(Recorder):
    """A detector that keeps its metadata, and rejects rows as `Band` does."""

    def predict(self, X):
        return np.where(X[:, 0] > 4, -1, 1)


def assert_received(estimator, method, **expected):
    """Compare the metadata of the last call of a method with what is expected."""
    found = estimator.metadata_[method]
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(np.asarray(found[name]), value)


@pytest.fixture(autouse=True)
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.fixture
def blobs():
    """Give 100 rows in three clouds, their classes, and a weight of each."""
    codes = np.arange(100) % 3
    X = 8 * np.eye(3)[codes] + np.random.default_rng(0).normal(size=(100, 3))
    return X, codes, np.arange(100) + 0.5


@pytest.fixture
def recorded(blobs):
    """Give a model that requests metadata, its data, and which rows are inliers."""
    X, codes, weight = blobs
    X[:, 0] = np.where(np.arange(100) % 9 == 0, 9, 1)
    ask = {"sample_weight": True, "metadata": True}
    model = OutlierFilteredClassifier(
        Recorder().set_fit_request(**ask),
        outlier_detector=RecordingBand().set_fit_request(**ask),
    )
    return model, X, codes, weight, X[:, 0] < 4


# ----------------------------------------------------------- OutlierFilteredClassifier


@pytest.mark.parametrize("form", [np.asarray, pd.Series])
def test_weights_go_to_both_sub_estimators(recorded, form):
    model, X, codes, weight, inlier = recorded
    model.fit(X, codes, sample_weight=form(weight), metadata="any")
    expected = {"sample_weight": weight, "metadata": "any"}
    assert_received(model.outlier_detector_, "fit", **expected)
    expected["sample_weight"] = weight[inlier]
    assert_received(model.estimator_, "fit", **expected)


@pytest.mark.parametrize("asks", ["estimator", "outlier_detector"])
def test_weights_go_only_to_the_sub_estimator_that_requests_them(recorded, asks):
    model, X, codes, weight, inlier = recorded
    other = {"estimator": "outlier_detector", "outlier_detector": "estimator"}[asks]
    getattr(model, other).set_fit_request(sample_weight=False, metadata=False)
    model.fit(X, codes, sample_weight=weight, metadata="any")
    expected = weight[inlier] if asks == "estimator" else weight
    assert_received(
        getattr(model, f"{asks}_"), "fit", sample_weight=expected, metadata="any"
    )
    assert_received(getattr(model, f"{other}_"), "fit")


@pytest.mark.parametrize("asks", ["estimator", "outlier_detector"])
def test_default_sub_estimators_request_nothing(blobs, asks):
    X, codes, weight = blobs
    given = {"estimator": LogisticRegression(), "outlier_detector": OneClassSVM()}[asks]
    model = OutlierFilteredClassifier(
        **{asks: given.set_fit_request(sample_weight=True)}
    )
    model.fit(X, codes, sample_weight=weight)
    with pytest.raises(TypeError, match=r"got unexpected argument\(s\) {'sample_w"):
        OutlierFilteredClassifier().fit(X, codes, sample_weight=weight)


def test_weights_without_a_request(blobs):
    X, codes, weight = blobs
    model = OutlierFilteredClassifier(LogisticRegression())
    message = "not explicitly set as requested or not requested for LogisticRegression"
    with pytest.raises(ValueError, match=message):
        model.fit(X, codes, sample_weight=weight)


def test_metadata_of_prediction(subtests, recorded):
    for method in ["predict", "predict_proba", "decision_function"]:
        with subtests.test(method=method):
            model, X, codes, weight, _ = recorded
            ask = getattr(model.estimator, f"set_{method}_request")
            ask(sample_weight=True, metadata=True)
            model.fit(X, codes % 2)
            getattr(model, method)(X, sample_weight=weight, metadata="any")
            assert_received(
                model.estimator_, method, sample_weight=weight, metadata="any"
            )


def test_no_metadata_without_routing(subtests, blobs):
    for method in ["fit", "predict", "predict_proba"]:
        with subtests.test(method=method):
            X, codes, weight = blobs
            model = OutlierFilteredClassifier(LogisticRegression())
            args = (X, codes) if method == "fit" else (X,)
            if method != "fit":
                model.fit(X, codes)
            with (
                sklearn.config_context(enable_metadata_routing=False),
                pytest.raises(
                    ValueError, match="only supported if enable_metadata_routing=T"
                ),
            ):
                getattr(model, method)(*args, sample_weight=weight)


@pytest.mark.parametrize("resampler", [RandomOverSampler(), RandomUnderSampler()])
def test_weights_follow_a_resampler(recorded, resampler):
    model, X, codes, weight, inlier = recorded
    codes[:20] = 0
    model.set_params(resampler=resampler, random_state=0)
    model.fit(X, codes, sample_weight=weight, metadata="any")
    rows = model.resampler_.sample_indices_
    assert len(rows) != inlier.sum()
    expected = {"sample_weight": weight[inlier][rows], "metadata": "any"}
    assert_received(model.estimator_, "fit", **expected)
    expected["sample_weight"] = weight
    assert_received(model.outlier_detector_, "fit", **expected)


def test_weights_cannot_follow_generated_samples(recorded):
    model, X, codes, weight, _ = recorded
    model.set_params(resampler=SMOTE(k_neighbors=2), random_state=0)
    with pytest.raises(ValueError, match="sample_weight: metadata per sample requires"):
        model.fit(X, codes, sample_weight=weight)
    model.fit(X, codes, metadata="any")
    model.estimator.set_fit_request(sample_weight=False)
    model.fit(X, codes, sample_weight=weight)
    assert_received(model.outlier_detector_, "fit", sample_weight=weight)


def test_weights_have_the_effect_that_they_have_on_the_classifier(blobs):
    X, codes, weight = blobs
    estimator = LogisticRegression().set_fit_request(sample_weight=True)
    model = OutlierFilteredClassifier(estimator, outlier_detector=Band(9))
    model.fit(X, codes, sample_weight=weight)
    inlier = X[:, 0] <= 9
    assert 0 < (~inlier).sum() < 20
    bare = LogisticRegression().fit(X[inlier], codes[inlier], weight[inlier])
    np.testing.assert_array_equal(model.estimator_.coef_, bare.coef_)


def test_weights_through_a_search(blobs):
    X, codes, weight = blobs
    estimator = LogisticRegression().set_fit_request(sample_weight=True)
    model = OutlierFilteredClassifier(estimator, outlier_detector=Band(9))
    model.set_score_request(sample_weight=False)
    search = GridSearchCV(model, {"estimator__C": [1e-3, 1]}, cv=3)
    assert search.fit(X, codes, sample_weight=weight).best_score_ > 0.9


# ------------------------------------------------------------------------ not supported


@pytest.mark.parametrize(
    "estimator",
    [
        GroupedEstimator(KMeans(2, random_state=0)),
        InductiveClusterer(KMeans(2, random_state=0)),
        OutlierFilteredTransformer(PCA(2)),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_routing_is_not_supported(blobs, estimator):
    X, codes, weight = blobs
    with pytest.raises(NotImplementedError, match="has not implemented metadata rout"):
        estimator.get_metadata_routing()
    # Without metadata they work, also in a pipeline.
    fit = "fit_transform" if hasattr(estimator, "transform") else "fit_predict"
    assert len(getattr(make_pipeline(estimator), fit)(X, codes)) == 100
    with pytest.raises((TypeError, NotImplementedError)):
        make_pipeline(estimator).fit(X, codes, sample_weight=weight)
