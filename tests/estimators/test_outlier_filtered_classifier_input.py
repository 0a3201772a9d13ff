"""OutlierFilteredClassifier: tables, sparse matrices, missing values, tags."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy import sparse
from sklearn.base import BaseEstimator, clone
from sklearn.covariance import EllipticEnvelope
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM
from sklearn.utils import get_tags

from celltyping import OutlierFilteredClassifier


@pytest.fixture
def blobs():
    """Give three clouds of 40 rows each, and the cloud of each row."""
    codes = np.arange(120) % 3
    X = 8 * np.eye(3)[codes] + np.random.default_rng(0).normal(size=(120, 3))
    return X, codes


def test_names_of_columns(blobs):
    X, codes = blobs
    table = pd.DataFrame(X, columns=["x", "y", "z"])
    model = OutlierFilteredClassifier(
        make_pipeline(StandardScaler(), LogisticRegression())
    ).fit(table, codes)
    for part in (model, model.outlier_detector_, model.estimator_):
        assert part.feature_names_in_.tolist() == ["x", "y", "z"]
    expected = clone(model).fit(X, codes).predict_proba(X)
    np.testing.assert_allclose(model.predict_proba(table), expected, atol=1e-10)
    for method in ("predict", "predict_proba", "predict_outlier", "outlier_score"):
        with pytest.raises(ValueError, match="must be in the same order as they were"):
            getattr(model, method)(table[["y", "x", "z"]])
        with pytest.raises(ValueError, match="seen at fit time, yet now missing:\n- z"):
            getattr(model, method)(table[["x", "y"]])
        with pytest.raises(ValueError, match="X has 2 features, but OutlierFiltered"):
            getattr(clone(model).fit(X, codes), method)(X[:, :2])


def test_tables_of_names_and_numbers():
    table = pd.DataFrame({"x": [0.0, 1, 0, 1, 9, 8, 9, 8], "name": list("aabbaabb")})
    encode = make_pipeline(
        sklearn.compose.make_column_transformer(
            (sklearn.preprocessing.OneHotEncoder(), ["name"]), remainder="passthrough"
        ),
        KNeighborsClassifier(1),
    )
    model = OutlierFilteredClassifier(encode, outlier_detector=TableDetector()).fit(
        table, [0, 1] * 4
    )
    assert model.predict(table[:3]).tolist() == [0, 1, 0]


class TableDetector(BaseEstimator):
    """A detector that wants a table with a column x."""

    def fit(self, X, y=None):
        self.mean_ = X["x"].mean()
        return self

    def predict(self, X):
        return np.where(X["x"] - self.mean_ > 50, -1, 1)


def test_sparse_rows(subtests, blobs):
    for form in [sparse.csr_array, sparse.csc_matrix, sparse.coo_array]:
        with subtests.test(form=form):
            X, codes = blobs
            X[np.abs(X) < 1] = 0
            model = OutlierFilteredClassifier(
                RandomForestClassifier(10, random_state=0)
            ).fit(form(X), codes)
            expected = clone(model).fit(X, codes)
            np.testing.assert_array_equal(model.inlier_mask_, expected.inlier_mask_)
            np.testing.assert_array_equal(
                model.predict_proba(form(X)), expected.predict_proba(X)
            )
            dense_only = OutlierFilteredClassifier(outlier_detector=EllipticEnvelope())
            with pytest.raises(TypeError, match="Sparse data was passed for X"):
                dense_only.fit(form(X), codes)


def test_missing_values(blobs):
    X, codes = blobs
    X[::10, 1] = np.nan
    table = pd.DataFrame(X, columns=["x", "y", "z"])
    with pytest.raises(
        ValueError, match="OutlierFilteredClassifier does not accept mi"
    ):
        OutlierFilteredClassifier().fit(X, codes)
    with pytest.raises(
        ValueError, match=r"X has missing values in the columns 'y' \(12\)"
    ):
        OutlierFilteredClassifier().fit(table, codes)
    detector = make_pipeline(SimpleImputer(), OneClassSVM(nu=0.05))
    for estimator in (
        RandomForestClassifier(5, random_state=0),
        make_pipeline(SimpleImputer(), KNeighborsClassifier()),
    ):
        model = OutlierFilteredClassifier(estimator, outlier_detector=detector)
        assert model.fit(X, codes).score(X, codes) > 0.8
        assert model.fit(table, codes).predict(table).shape == (120,)
    # One part that does not take them is enough.
    with pytest.raises(
        ValueError, match="NeighborDistanceDetector does not accept missing"
    ):
        OutlierFilteredClassifier(estimator).fit(X, codes)


class TwoClasses(KNeighborsClassifier):
    """A classifier that says it takes two classes at most."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags


def test_tags_are_those_of_the_parts():
    def tags(estimator=None, detector=None):
        model = OutlierFilteredClassifier(estimator, outlier_detector=detector)
        return get_tags(model)

    assert tags().input_tags.sparse
    assert not tags(None, EllipticEnvelope()).input_tags.sparse
    assert not tags(RandomForestClassifier()).input_tags.allow_nan
    assert tags().classifier_tags.multi_class
    assert not tags(TwoClasses()).classifier_tags.multi_class
    assert tags().target_tags.required
