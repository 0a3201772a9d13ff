"""OutlierFilteredClassifier: any classifier, labels, detector and resampler."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from itertools import product

import numpy as np
import pandas as pd
import pytest
from imblearn.over_sampling import SMOTE, RandomOverSampler
from imblearn.pipeline import make_pipeline as make_sampling_pipeline
from imblearn.under_sampling import EditedNearestNeighbours, RandomUnderSampler
from scipy import sparse
from sklearn.base import clone
from sklearn.covariance import EllipticEnvelope
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neighbors import (
    KNeighborsClassifier,
    LocalOutlierFactor,
    RadiusNeighborsClassifier,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, OneClassSVM
from xgboost import XGBClassifier

from celltyping import OutlierFilteredClassifier
from tests._detectors import Band
from tests._persistence import through_pickle, through_skops

CLASSIFIERS = {
    "knn": KNeighborsClassifier(3),
    "forest": RandomForestClassifier(10, random_state=0),
    "xgboost": XGBClassifier(n_estimators=5, n_jobs=1),
    "logistic": LogisticRegression(),
    "pipeline": make_pipeline(StandardScaler(), LogisticRegression()),
}

NAMES = np.array(["as", "ss", "pv"])

# Forms of labels, with a label for outliers of the same type.
LABELS = {
    "names": (lambda codes: NAMES[codes], "outlier"),
    "objects": (lambda codes: NAMES[codes].astype(object), "outlier"),
    "list": (lambda codes: NAMES[codes].tolist(), "outlier"),
    "Series": (lambda codes: pd.Series(NAMES[codes]), "outlier"),
    "string": (lambda codes: pd.Series(NAMES[codes], dtype="string"), "outlier"),
    "Categorical": (lambda codes: pd.Categorical(NAMES[codes]), "outlier"),
    "category": (lambda codes: pd.Series(NAMES[codes], dtype="category"), "outlier"),
    "0, 1, 2": (lambda codes: codes, -1),
    "gaps": (lambda codes: 7 * codes + 3, -1),
    "negative": (lambda codes: np.array([-5, 10**17, -2])[codes], np.int64(-1)),
    "small": (lambda codes: codes.astype(np.uint8), 255),
    "float": (lambda codes: codes.astype(float), -1),
    "float32": (lambda codes: codes.astype(np.float32), np.nan),
    "bool": (lambda codes: codes > 0, None),
    "uint64": (lambda codes: codes.astype(np.uint64) + 2**60, -1),
    "number objects": (lambda codes: codes.astype(object), -1),
    "dates": (lambda codes: codes.astype("M8[D]"), np.datetime64("2020-01-01")),
    "days": (lambda codes: codes.astype("m8[D]"), np.timedelta64(-1, "D")),
}

FAR = np.full((2, 3), 100.0)


@pytest.fixture
def blobs():
    """Give three clouds of 40 rows each, and the cloud of each row."""
    codes = np.arange(120) % 3
    X = 8 * np.eye(3)[codes] + np.random.default_rng(0).normal(size=(120, 3))
    return X, codes


class BandOfPyod(Band):
    """The same with labels as in pyod."""

    def fit(self, X, y=None):
        self.decision_scores_ = self.decision_function(X)
        self.threshold_ = 0.0
        self.labels_ = self.predict(X)
        return self

    def decision_function(self, X):
        return np.asarray(X)[:, 0] - self.limit

    def predict(self, X):
        return (self.decision_function(X) > self.threshold_).astype(int)


# ------------------------------------------------------------------ classes and labels


# Each kind of labels with one classifier, and each classifier with one kind of labels.
def test_any_labels_with_any_classifier(subtests, blobs):
    cases = [
        *(("xgboost", name) for name in LABELS),
        *((name, "names") for name in CLASSIFIERS),
    ]
    for classifier, labels in cases:
        with subtests.test(classifier=classifier, labels=labels):
            X, codes = blobs
            estimator, (form, outlier) = CLASSIFIERS[classifier], LABELS[labels]
            y = form(codes)
            plain = np.asarray(y)
            detector = OneClassSVM(nu=0.05)
            model = OutlierFilteredClassifier(
                estimator, outlier_detector=detector, outlier_label=outlier
            )
            model.fit(X, y)
            np.testing.assert_array_equal(model.classes_, np.unique(plain))
            assert model.predict_proba(X).shape == (120, len(model.classes_))
            new = np.vstack([X, FAR])
            found, is_outlier = model.predict(new), model.predict_outlier(new)
            assert is_outlier[-2:].all()
            assert is_outlier.sum() < 20
            inlier = ~is_outlier[:120]
            assert np.mean(found[:120][inlier] == plain[inlier]) > 0.95
            if outlier is None:
                assert set(found) == set(plain)
            else:
                np.testing.assert_array_equal(
                    found[is_outlier], [outlier] * is_outlier.sum()
                )
            everything = model.set_params(outlier_label=None).fit(X, y)
            assert everything.score(X, y) > 0.95
            assert everything.predict(X).dtype == model.classes_.dtype
            assert found.dtype.kind in (model.classes_.dtype.kind, "i")
            if np.array(outlier).astype(model.classes_.dtype) == outlier:
                assert found.dtype == model.classes_.dtype


def test_columns_of_probabilities_are_the_classes(subtests, blobs):
    for name in ["knn", "forest", "logistic", "pipeline"]:
        with subtests.test(name=name):
            X, codes = blobs
            bare = clone(CLASSIFIERS[name]).fit(X, NAMES[codes])
            model = OutlierFilteredClassifier(
                CLASSIFIERS[name], outlier_detector=Band()
            ).fit(X, NAMES[codes])
            np.testing.assert_array_equal(model.predict_proba(X), bare.predict_proba(X))


def test_class_weight_by_class(subtests):
    for form, values in product(
        [dict, lambda weight: dict(reversed(weight.items()))],
        [NAMES, np.array([-3, 40, 7]), np.arange(1.0, 4.0)],
    ):
        with subtests.test(form=form, values=values):
            rng = np.random.default_rng(0)
            codes = np.arange(90) % 3
            X, y = rng.normal(size=(90, 2)) + codes[:, np.newaxis], values[codes]
            weight = form({values[0]: 1, values[1]: 20, values[2]: 0.5})
            logistic = LogisticRegression(class_weight=weight)
            for estimator, weighted in (
                (logistic, "class_weight"),
                (
                    make_pipeline(StandardScaler(), logistic),
                    "logisticregression__class_weight",
                ),
                (
                    RandomForestClassifier(5, class_weight=weight, random_state=0),
                    "class_weight",
                ),
            ):
                model = OutlierFilteredClassifier(
                    estimator, outlier_detector=Band()
                ).fit(X, y)
                expected = clone(estimator).fit(X, y).predict_proba(X)
                np.testing.assert_array_equal(model.predict_proba(X), expected)
                assert estimator.get_params()[weighted] is weight
            balanced = OutlierFilteredClassifier(
                LogisticRegression(class_weight="balanced")
            )
            assert balanced.fit(X, y).estimator_.class_weight == "balanced"


@pytest.mark.parametrize(
    "sampler",
    [
        RandomUnderSampler(sampling_strategy={5: 7, 9: 4}, random_state=0),
        EditedNearestNeighbours(sampling_strategy=[5, 9]),
    ],
)
def test_sampling_strategy_by_class_in_the_classifier(blobs, sampler):
    X, codes = blobs
    estimator = make_sampling_pipeline(sampler, KNeighborsClassifier(1))
    # The index of class 5 is 1, and class 1 is the one of index 0.
    y = np.array([1, 5, 9])[codes]
    y[:30] = 1
    model = OutlierFilteredClassifier(estimator, outlier_detector=Band()).fit(X, y)
    bare = clone(estimator).fit(X, y)
    assert model.estimator_[-1].n_samples_fit_ == bare[-1].n_samples_fit_ < 120
    np.testing.assert_array_equal(model.predict(X), bare.predict(X))


def test_class_weight_of_an_unknown_class(blobs):
    X, codes = blobs
    model = OutlierFilteredClassifier(
        LogisticRegression(class_weight={"as": 1, "x": 2})
    )
    message = r"contains \['x'\], which are not classes; the classes are \['as', 'pv"
    with pytest.raises(ValueError, match=message):
        model.fit(X, NAMES[codes])


def test_bad_labels(subtests, blobs):
    cases = [
        (None, "requires y to be passed, but the target y is None"),
        (np.arange(119) % 3, r"inconsistent numbers of samples: \[120, 119\]"),
        (np.linspace(0, 1, 120), "Unknown label type: continuous"),
        (np.where(np.arange(120) < 3, np.nan, 1), "3 of 120 .*y contains NaN"),
        (np.array([np.nan, "as"] * 60, dtype=object), "60 of 120 .*as nan does: leave"),
        (np.array([None, "as"] * 60, dtype=object), "60 of 120 .*as None does: leave"),
        (["?", "as"] * 60, r"60 of 120 entries mean unknown .*as '\?' does: leave"),
        (["as", "pv", ""] * 40, r"40 of 120 entries mean unknown .*as '' does: leave"),
        (["as", "pv", "nan"] * 40, "40 of 120 .*as 'nan' does: leave these samples"),
        (np.array([b"as", b"pv"] * 60), "numbers or dates, got bytes such as b'as'"),
        (
            np.ones((120, 2)),
            r"y should be a 1d array, got an array of shape \(120, 2\)",
        ),
        (np.array([1, "as"] * 60, dtype=object), "one kind, got a mix of int, str"),
    ]
    for y, message in cases:
        with subtests.test(y=y), pytest.raises(ValueError, match=message):
            OutlierFilteredClassifier().fit(blobs[0], y)


# -------------------------------------------------------------------------- the filter

DETECTORS = {
    "default": None,
    "svm": OneClassSVM(nu=0.05),
    "forest": IsolationForest(n_estimators=20, contamination=0.05),
    "ellipse": EllipticEnvelope(contamination=0.05),
    "lof": LocalOutlierFactor(novelty=True, contamination=0.05),
    "pipeline": make_pipeline(StandardScaler(), OneClassSVM(nu=0.05)),
    "pyod": BandOfPyod(20),
}


def test_any_detector(subtests, blobs):
    for detector in DETECTORS.values():
        with subtests.test(detector=detector):
            X, codes = blobs
            X = np.vstack([X, FAR])
            y = NAMES[[*codes, 0, 0]]
            model = OutlierFilteredClassifier(
                KNeighborsClassifier(1),
                outlier_detector=detector,
                outlier_label="?",
                random_state=0,
            ).fit(X, y)
            rejected = model.predict_outlier(X)
            assert rejected[-2:].all()
            assert rejected.mean() < 0.3
            np.testing.assert_array_equal(model.inlier_mask_, ~rejected)
            assert model.estimator_.n_samples_fit_ == (~rejected).sum()
            np.testing.assert_array_equal(model.outlier_score(X) > 0, rejected)
            np.testing.assert_array_equal(model.predict(X) == "?", rejected)
            assert (model.predict(X)[~rejected] == y[~rejected]).all()
            # Without outlier_label, outliers are classified too.
            everything = model.set_params(outlier_label=None).fit(X, y).predict(X)
            assert set(everything) == set(NAMES)


def test_lof_needs_novelty(blobs):
    model = OutlierFilteredClassifier(outlier_detector=LocalOutlierFactor())
    with pytest.raises(TypeError, match=r"LocalOutlierFactor does not: .*novelty=True"):
        model.fit(*blobs)


def test_a_detector_that_keeps_everything_changes_nothing(subtests):
    cases = [
        ("knn", np.asarray),
        ("forest", np.float32),
        ("xgboost", sparse.csr_array),
        *(("logistic", form) for form in (np.asarray, np.asfortranarray, np.float32)),
        ("logistic", pd.DataFrame),
        ("logistic", sparse.csr_array),
    ]
    for name, form in cases:
        with subtests.test(name=name, form=form):
            rng = np.random.default_rng(0)
            codes = rng.integers(3, size=300)
            X, new = (
                form(rng.normal(size=(300, 7)) + codes[:, None]) for _ in range(2)
            )
            model = OutlierFilteredClassifier(
                CLASSIFIERS[name], outlier_detector=Band()
            ).fit(X, codes)
            bare = clone(CLASSIFIERS[name]).fit(X, codes)
            assert model.inlier_mask_.all()
            for method in ("predict", "predict_proba", "decision_function"):
                assert hasattr(model, method) == hasattr(bare, method)
                if hasattr(bare, method):
                    found, expected = (
                        getattr(each, method)(new) for each in (model, bare)
                    )
                    assert found.tobytes() == expected.tobytes()


def test_all_rows_rejected(blobs):
    model = OutlierFilteredClassifier(outlier_detector=Band(-np.inf))
    message = "rejects all 120 samples that have a class, .*: scale X, or lower"
    with pytest.raises(ValueError, match=message):
        model.fit(*blobs)
    # The same if all accepted samples are labeled as outliers.
    X, codes = blobs
    y = np.where(X[:, 0] > 4, codes, -1)
    model.set_params(outlier_detector=Band(4), outlier_label=-1)
    with pytest.raises(ValueError, match="rejects all 40 samples that have a class"):
        model.fit(X, y)


def test_a_class_that_would_be_emptied_is_kept(blobs):
    X, codes = blobs
    X[codes == 0, 0] += 50
    model = OutlierFilteredClassifier(
        KNeighborsClassifier(1), outlier_detector=Band(30)
    )
    message = r"rejects all samples of 1 of 3 classes, 'as': the classifier is fitted"
    with pytest.warns(UserWarning, match=message) as record:
        model.fit(X, NAMES[codes])
    assert [warning.filename for warning in record] == [__file__]
    assert model.inlier_mask_.all()
    assert model.classes_.tolist() == ["as", "pv", "ss"]
    assert model.predict_outlier(X).sum() == 40
    assert (model.predict(X) == NAMES[codes]).all()


def test_many_classes_that_would_be_emptied():
    X = np.arange(40.0)[:, np.newaxis]
    model = OutlierFilteredClassifier(
        KNeighborsClassifier(1), outlier_detector=Band(11.5)
    )
    message = r"all samples of 14 of 20 classes, 6, 7, 8, 9, 10, \.\.\. \(14 in all\):"
    with pytest.warns(UserWarning, match=message):
        model.fit(X, np.arange(40) // 2)
    assert model.score(X, np.arange(40) // 2) == 1


def test_many_rows():
    rng = np.random.default_rng(0)
    codes = np.arange(10_500) % 3
    X = 8 * np.eye(3)[codes] + rng.normal(size=(10_500, 3))
    model = OutlierFilteredClassifier(KNeighborsClassifier(3)).fit(X, codes)
    assert model.outlier_detector_._rows.shape == (10_000, 3)
    assert 0.02 < 1 - model.inlier_mask_.mean() < 0.04
    assert model.estimator_.n_samples_fit_ == model.inlier_mask_.sum()
    again = clone(model).fit(X, codes)
    np.testing.assert_array_equal(again.outlier_score(X), model.outlier_score(X))


# -------------------------------------------------------------------- label of outliers


@pytest.mark.parametrize(
    ("form", "outlier"), [(NAMES.__getitem__, "unknown type"), (np.array, -1)]
)
def test_training_rows_that_have_the_label(blobs, form, outlier):
    X, codes = blobs
    y = form(codes)
    unknown = np.arange(120) % 7 == 0
    y = np.where(unknown, outlier, y)
    model = OutlierFilteredClassifier(
        KNeighborsClassifier(1), outlier_detector=Band(), outlier_label=outlier
    ).fit(X, y)
    np.testing.assert_array_equal(model.inlier_mask_, ~unknown)
    np.testing.assert_array_equal(model.classes_, np.unique(form(codes)))
    assert model.predict_proba(X).shape == (120, 3)
    assert model.estimator_.n_samples_fit_ == (~unknown).sum()
    # The detector is fitted to them as to all other samples.
    assert model.outlier_detector_.n_rows_ == 120
    np.testing.assert_array_equal(model.predict(X), form(codes))


@pytest.mark.parametrize(
    "y", [NAMES[np.zeros(120, dtype=int)], np.zeros(120, dtype=int)]
)
def test_all_rows_have_the_label(blobs, y):
    model = OutlierFilteredClassifier(outlier_label=y[0].item())
    message = f"all 120 samples have the outlier_label {y[0].item()!r}"
    with pytest.raises(ValueError, match=message):
        model.fit(blobs[0], y)


def test_label_of_another_kind(subtests, blobs):
    cases = [
        ("names", -1, "a string"),
        ("objects", np.nan, "a string"),
        ("Series", True, "a string"),
        ("Categorical", ["?"], "a string"),
        ("0, 1, 2", "?", "an integer"),
        ("0, 1, 2", True, "an integer"),
        ("gaps", 1.5, "an integer"),
        ("gaps", np.nan, "an integer"),
        ("small", [1, 2], "an integer"),
        ("float", "?", "a number"),
        ("float", True, "a number"),
        ("bool", -1, "a bool"),
        ("dates", "2020-01-01", "a numpy.datetime64"),
        ("days", 5, "a numpy.timedelta64"),
    ]
    for name, outlier, needed in cases:
        with subtests.test(name=name, outlier=outlier, needed=needed):
            X, codes = blobs
            model = OutlierFilteredClassifier(outlier_label=outlier)
            message = f"outlier_label must be {needed} like the classes in y, got "
            with pytest.raises(ValueError, match=message):
                model.fit(X, LABELS[name][0](codes))


def test_unknown_classes_may_be_the_label_of_outliers(blobs):
    X, codes = blobs
    y = np.where(np.arange(120) % 7 == 0, "?", NAMES[codes])
    model = OutlierFilteredClassifier(KNeighborsClassifier(1), outlier_label="?")
    assert model.fit(X, y).classes_.tolist() == sorted(NAMES)
    y = y.astype(object)
    y[:3] = "nan"
    with pytest.raises(ValueError, match="3 of 103 entries mean unknown"):
        model.fit(X, y)
    y = np.where(np.arange(120) % 7 == 0, None, NAMES[codes].astype(object))
    with pytest.raises(ValueError, match="18 of 120 entries mean unknown"):
        model.fit(X, y)


def test_score_refuses_unknown_classes(blobs):
    X, codes = blobs
    model = OutlierFilteredClassifier(KNeighborsClassifier(1)).fit(X, NAMES[codes])
    assert model.score(X, NAMES[codes].tolist()) == 1
    for unknown in (None, "?", ""):
        y = np.where(np.arange(120) < 7, unknown, NAMES[codes].astype(object))
        with pytest.raises(ValueError, match="7 of 120 entries mean unknown"):
            model.score(X, y)
    y = np.where(np.arange(120) < 30, "?", NAMES[codes])
    assert model.set_params(outlier_label="?").fit(X, y).score(X, y) <= 0.75
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.score(X, NAMES[codes], sample_weight=np.ones(7))


def test_a_label_that_does_not_fit_the_classes(blobs):
    X, codes = blobs
    model = OutlierFilteredClassifier(outlier_label=-1)
    with pytest.raises(ValueError, match="needs signed integers, but 9223372036854775"):
        model.fit(X, codes.astype(np.uint64) + 2**63)


def test_parameters_of_the_classifier_that_name_classes(blobs):
    # The outer classifier has encoded the classes.
    X, codes = blobs
    inner = OutlierFilteredClassifier(
        KNeighborsClassifier(1), outlier_detector=Band(20), outlier_label="pv"
    )
    model = OutlierFilteredClassifier(inner, outlier_detector=Band()).fit(
        X, NAMES[codes]
    )
    assert model.predict(FAR).tolist() == ["pv", "pv"]
    assert model.estimator_.outlier_label == 1
    assert inner.outlier_label == "pv"
    radius = RadiusNeighborsClassifier(1e-9, outlier_label="most_frequent")
    model = OutlierFilteredClassifier(radius, outlier_detector=Band())
    assert set(model.fit(X, NAMES[codes]).predict(FAR)) <= set(NAMES)
    assert model.estimator_.outlier_label == "most_frequent"


def test_classifier_that_refuses(blobs):
    # As an index, -1 would be the last class.
    inner = OutlierFilteredClassifier(outlier_detector=Band(50), outlier_label=-1)
    model = OutlierFilteredClassifier(inner).fit(*blobs)
    assert model.score(*blobs) > 0.9
    with pytest.raises(ValueError, match=r"must predict classes .* 0 to 2, got -1"):
        model.predict(FAR)


# --------------------------------------------------------------------------- resampling


@pytest.fixture
def unequal(blobs):
    """Give 20, 40 and 40 rows of three classes, three rows of the first far away."""
    X, codes = blobs
    kept = (codes > 0) | (np.arange(120) < 60)
    X, codes = X[kept], codes[kept]
    X[np.flatnonzero(codes == 0)[:3], 0] = 90
    return X, codes


# Pairs of resampler, labels and form of X; each value occurs at least once.
def test_resamplers_balance_the_inliers(subtests, unequal):
    cases = [
        (RandomOverSampler(), 40, "names", np.asarray),
        (RandomOverSampler(), 40, "category", pd.DataFrame),
        (RandomOverSampler(), 40, "objects", sparse.csr_array),
        (RandomUnderSampler(), 17, "gaps", np.asarray),
        (RandomUnderSampler(), 17, "bool", pd.DataFrame),
        (RandomUnderSampler(), 17, "names", sparse.csr_array),
        (SMOTE(k_neighbors=3), 40, "bool", np.asarray),
        (SMOTE(k_neighbors=3), 40, "gaps", pd.DataFrame),
        (SMOTE(k_neighbors=3), 40, "category", sparse.csr_array),
    ]
    for resampler, n_rows, name, form in cases:
        with subtests.test(resampler=resampler, n_rows=n_rows, name=name, form=form):
            X, codes = unequal
            y = LABELS[name][0](codes)
            if name == "bool":
                n_rows = 80 if n_rows == 40 else n_rows
            table = form(X)
            if form is pd.DataFrame:
                table.columns = ["x", "y", "z"]
            model = OutlierFilteredClassifier(
                KNeighborsClassifier(1),
                outlier_detector=Band(50),
                resampler=resampler,
                random_state=0,
            ).fit(table, y)
            assert model.inlier_mask_.sum() == 97
            learnt = np.bincount(model.estimator_._y)
            assert learnt.tolist() == [n_rows] * len(model.classes_)
            assert resampler.random_state is None
            assert model.resampler_.random_state is not None
            assert model.score(table, y) > 0.9
            if form is pd.DataFrame:
                assert model.estimator_.feature_names_in_.tolist() == ["x", "y", "z"]


def test_classes_of_a_resampler_have_their_names(unequal):
    X, codes = unequal
    sampler = RandomUnderSampler(sampling_strategy={"ss": 11, "pv": 12}, random_state=0)
    model = OutlierFilteredClassifier(
        KNeighborsClassifier(1), outlier_detector=Band(50), resampler=sampler
    )
    model.fit(X, NAMES[codes])
    assert model.classes_.tolist() == ["as", "pv", "ss"]
    assert np.bincount(model.estimator_._y).tolist() == [17, 12, 11]


@pytest.mark.filterwarnings("ignore:The number of unique classes:UserWarning")
def test_a_resampler_that_empties_a_class(blobs):
    X, codes = blobs
    y = NAMES[codes]
    y[:2] = "pa"
    cleaner = EditedNearestNeighbours(sampling_strategy="all")
    model = OutlierFilteredClassifier(
        KNeighborsClassifier(1), outlier_detector=Band(), resampler=cleaner
    )
    message = r"EditedNearestNeighbours.* removes all samples of the classes 'pa', but"
    with pytest.raises(ValueError, match=message):
        model.fit(X, y)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_a_class_that_is_too_small_for_the_resampler(unequal, form):
    X, codes = unequal
    kept = (codes != 1) | (np.arange(100) < 15)
    y = NAMES[codes][kept]
    model = OutlierFilteredClassifier(outlier_detector=Band(50), resampler=SMOTE())
    n_small = int((y == "ss").sum())
    message = (
        rf"resampler SMOTE\(\) cannot resample .*, of which {n_small} are of the "
        r"smallest class 'ss' \(.*n_neighbors.*\): .*\(k_neighbors\), or .*OverSampler"
    )
    with pytest.raises(ValueError, match=message):
        model.fit(form(X[kept]), y)


def test_predictions_after_a_failed_fit_are_those_before(blobs):
    X, codes = blobs
    model = OutlierFilteredClassifier(
        outlier_detector=Band(50), outlier_label=-1, random_state=0
    ).fit(X, codes)
    new = np.vstack([X, FAR])
    expected = model.predict(new)
    model.set_params(outlier_label="far")
    with pytest.raises(ValueError, match="outlier_label must be an integer"):
        model.fit(X, codes)
    np.testing.assert_array_equal(model.predict(new), expected)


def test_without_resampler_after_one(unequal):
    model = OutlierFilteredClassifier(resampler=RandomOverSampler()).fit(*unequal)
    assert hasattr(model, "resampler_")
    assert not hasattr(model.set_params(resampler=None).fit(*unequal), "resampler_")


# ---------------------------------------------------------------------------- methods


def test_methods_of_the_classifier(blobs):
    X, codes = blobs
    for fitted in (False, True):
        for estimator, methods in {
            KNeighborsClassifier(): {"predict_proba"},
            SVC(): {"decision_function"},
            LogisticRegression(): {"predict_proba", "decision_function"},
            make_pipeline(StandardScaler(), SVC()): {"decision_function"},
            None: {"predict_proba"},
        }.items():
            model = OutlierFilteredClassifier(estimator)
            model = model.fit(X, codes) if fitted else model
            for method in ("predict_proba", "decision_function"):
                assert hasattr(model, method) == (method in methods)
    assert not hasattr(OutlierFilteredClassifier(SVC()), "predict_proba")


@pytest.mark.parametrize("n_classes", [2, 3])
def test_decision_function(blobs, n_classes):
    X, codes = blobs
    y = NAMES[codes % n_classes]
    model = OutlierFilteredClassifier(SVC(), outlier_detector=Band()).fit(X, y)
    expected = SVC().fit(X, y).decision_function(X)
    np.testing.assert_array_equal(model.decision_function(X), expected)


def test_scores_of_outliers_only_where_the_detector_has_them(blobs):
    for model in (
        OutlierFilteredClassifier(outlier_detector=Band()),
        OutlierFilteredClassifier(outlier_detector=Band()).fit(*blobs),
    ):
        assert hasattr(model, "predict_outlier")
        assert not hasattr(model, "outlier_score")
    assert hasattr(OutlierFilteredClassifier(), "outlier_score")


def test_not_fitted(subtests, blobs):
    for method in ["predict", "predict_proba", "predict_outlier", "outlier_score"]:
        with subtests.test(method=method), pytest.raises(NotFittedError):
            getattr(OutlierFilteredClassifier(), method)(blobs[0])


# --------------------------------------------------------- sub-estimators as a whole


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_grid_search_through_all_parts(unequal, n_jobs):
    X, codes = unequal
    model = OutlierFilteredClassifier(
        KNeighborsClassifier(),
        outlier_detector=make_pipeline(StandardScaler(), OneClassSVM()),
        resampler=RandomOverSampler(),
        random_state=0,
    )
    grid = {
        "estimator__n_neighbors": [1, 30],
        "outlier_detector__oneclasssvm__nu": [0.05, 0.5],
        "resampler__shrinkage": [None, 1.0],
    }
    search = GridSearchCV(model, grid, cv=2, n_jobs=n_jobs).fit(X, NAMES[codes])
    assert search.best_score_ > 0.9
    assert search.best_params_["estimator__n_neighbors"] == 1
    assert len(search.cv_results_["params"]) == 8
    assert search.predict(X).shape == (100,)


def test_whole_parts_are_searched(blobs):
    X, codes = blobs
    grid = {
        "estimator": [KNeighborsClassifier(1), SVC()],
        "outlier_detector": [None, Band()],
        "resampler": [None, RandomOverSampler()],
    }
    search = GridSearchCV(OutlierFilteredClassifier(), grid, cv=2).fit(X, codes)
    assert search.cv_results_["mean_test_score"].min() > 0.9


def test_in_a_pipeline(blobs):
    X, codes = blobs
    pipeline = make_pipeline(
        StandardScaler(), OutlierFilteredClassifier(LogisticRegression())
    )
    assert cross_val_score(pipeline, X, NAMES[codes], cv=3).min() > 0.9
    pipeline.fit(X, NAMES[codes])
    assert pipeline.decision_function(X).shape == (120, 3)
    assert pipeline.classes_.tolist() == ["as", "pv", "ss"]


def test_inputs_are_not_changed(subtests, unequal):
    for form in [np.array, pd.DataFrame, sparse.csr_array]:
        with subtests.test(form=form):
            X, codes = unequal
            y = NAMES[codes]
            table, names = form(X), pd.Series(y)
            for array in (getattr(table, "data", table), y):
                if isinstance(array, np.ndarray):
                    array.flags.writeable = False
            parts = (KNeighborsClassifier(1), OneClassSVM(nu=0.1), RandomOverSampler())
            before = [repr(vars(part)) for part in parts]
            model = OutlierFilteredClassifier(
                parts[0],
                outlier_detector=parts[1],
                resampler=parts[2],
                outlier_label="?",
                random_state=0,
            )
            model.fit(table, y)
            model.fit(table, names)
            for method in (
                "predict",
                "predict_proba",
                "predict_outlier",
                "outlier_score",
            ):
                getattr(model, method)(table)
            after = table.toarray() if sparse.issparse(table) else np.asarray(table)
            np.testing.assert_array_equal(after, X)
            np.testing.assert_array_equal(names, NAMES[codes])
            assert [repr(vars(part)) for part in parts] == before
            assert model.get_params() == clone(model).get_params() | {
                name: getattr(model, name) for name in model.get_params(deep=False)
            }


# ---------------------------------------------------------------------- chance, storage


def test_random_state_reaches_parts_that_have_none(blobs):
    def seeds(random_state, estimator=None):
        model = OutlierFilteredClassifier(
            RandomForestClassifier(5) if estimator is None else estimator,
            outlier_detector=IsolationForest(n_estimators=5),
            resampler=RandomOverSampler(),
            random_state=random_state,
        ).fit(*blobs)
        parts = (model.outlier_detector_, model.resampler_, model.estimator_)
        return [part.random_state for part in parts]

    assert seeds(0) == seeds(0)
    assert len({*seeds(0), *seeds(1)}) == 6
    assert seeds(None) == [None, None, None]
    assert seeds(0, RandomForestClassifier(5, random_state=77)) == [*seeds(0)[:2], 77]
    generator = np.random.RandomState(0)
    assert seeds(generator) == seeds(0)
    assert seeds(generator) != seeds(0)


def test_default_is_reproducible(subtests):
    for random_state in [None, 0, 5]:
        with subtests.test(random_state=random_state):
            rng = np.random.default_rng(0)
            X, codes = rng.normal(size=(200, 2)), rng.integers(3, size=200)
            model = OutlierFilteredClassifier(random_state=random_state)
            found, again = (
                clone(model).fit(X, codes).predict_proba(X) for _ in range(2)
            )
            np.testing.assert_array_equal(found, again)
            other = (
                OutlierFilteredClassifier(random_state=6).fit(X, codes).predict_proba(X)
            )
            assert not np.array_equal(found, other)


def test_a_generator_goes_on():
    rng = np.random.default_rng(0)
    X, codes = rng.normal(size=(200, 2)), rng.integers(3, size=200)
    model = OutlierFilteredClassifier(random_state=np.random.RandomState(0))
    found, other = (model.fit(X, codes).predict_proba(X) for _ in range(2))
    assert not np.array_equal(found, other)


def test_storage(subtests, blobs):
    for store, model in product(
        [through_pickle, through_skops],
        [
            OutlierFilteredClassifier(),
            OutlierFilteredClassifier(
                make_pipeline(StandardScaler(), KNeighborsClassifier()),
                outlier_detector=IsolationForest(n_estimators=5),
                resampler=RandomOverSampler(),
                outlier_label="outlier",
                random_state=0,
            ),
        ],
    ):
        with subtests.test(store=store, model=model):
            X, codes = blobs
            model = clone(model).fit(X, NAMES[codes])
            loaded = store(model)
            new = np.vstack([X, FAR])
            for method in (
                "predict",
                "predict_proba",
                "predict_outlier",
                "outlier_score",
            ):
                np.testing.assert_array_equal(
                    getattr(loaded, method)(new), getattr(model, method)(new)
                )
            assert repr(loaded) == repr(model)
            assert not hasattr(clone(loaded), "classes_")
