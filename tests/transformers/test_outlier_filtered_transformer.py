"""OutlierFilteredTransformer: inliers are transformed, outliers become NaN."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator, clone
from sklearn.decomposition import NMF, PCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, StandardScaler
from sklearn.svm import OneClassSVM
from sklearn.utils import get_tags

from celltyping import OutlierFilteredTransformer
from tests._detectors import Band
from tests._persistence import through_pickle, through_skops


class Halves(BaseEstimator):
    """A transformer without names of columns, and without `fit_transform`."""

    def fit(self, X, y=None):
        self.n_rows_ = len(X)
        return self

    def transform(self, X):
        return np.asarray(X) // 2


@pytest.fixture
def rows():
    """Give 60 rows; the first column of the last 6 is far above the others."""
    X = np.random.default_rng(0).normal(size=(60, 4))
    X[54:, 0] += 100
    return X


INLIER = np.arange(60) < 54


@pytest.fixture
def table(rows):
    index = [f"synapse{i}" for i in range(60)]
    return pd.DataFrame(rows, columns=["x", "y", "z", "area"], index=index)


# ---------------------------------------------------------------------- what comes out


@pytest.mark.parametrize(
    ("transformer", "form"),
    [
        (PCA(2), np.asarray),
        (PCA(2), pd.DataFrame),
        (PCA(2), list),
        (StandardScaler(), pd.DataFrame),
        (Halves(), list),
        (make_pipeline(PCA(2)), np.asarray),
    ],
)
def test_inliers_are_transformed_and_outliers_are_not(rows, form, transformer):
    embedder = OutlierFilteredTransformer(transformer, outlier_detector=Band(50))
    found = embedder.fit_transform(form(rows))
    expected = clone(transformer).fit(rows[INLIER])
    np.testing.assert_array_equal(embedder.inlier_mask_, INLIER)
    np.testing.assert_allclose(found[INLIER], expected.transform(rows[INLIER]))
    assert np.isnan(found[~INLIER]).all()
    np.testing.assert_allclose(embedder.transform(form(rows)), found)
    assert embedder.outlier_detector_.n_rows_ == 60
    np.testing.assert_array_equal(embedder.predict_outlier(form(rows)), ~INLIER)
    fitted = clone(embedder).fit(form(rows))
    np.testing.assert_allclose(fitted.transform(form(rows)), found)
    assert embedder.transformer is transformer
    assert not hasattr(transformer, "n_features_in_")


def test_without_transformer(rows):
    embedder = OutlierFilteredTransformer(outlier_detector=Band(50))
    found = embedder.fit_transform(rows)
    np.testing.assert_array_equal(found[INLIER], rows[INLIER])
    assert np.isnan(found[~INLIER]).all()
    np.testing.assert_array_equal(embedder.transform(rows), found)
    assert not hasattr(embedder, "transformer_")


def test_a_detector_that_keeps_everything_changes_nothing(rows, subtests):
    for form in (np.asarray, np.asfortranarray, pd.DataFrame):
        with subtests.test(form=form):
            X = form(rows)
            embedder = OutlierFilteredTransformer(PCA(3), outlier_detector=Band())
            for found, expected in (
                (embedder.fit_transform(X), PCA(3).fit_transform(X)),
                (embedder.transform(X), PCA(3).fit(X).transform(X)),
            ):
                assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("transformer", [None, PCA(2)])
def test_rows_that_are_all_outliers(rows, transformer):
    embedder = OutlierFilteredTransformer(transformer, outlier_detector=Band(50)).fit(
        rows
    )
    for X in (rows[54:], rows[54:55]):
        found = embedder.transform(X)
        assert found.shape == (len(X), 4 if transformer is None else 2)
        assert np.isnan(found).all()
    mixed = embedder.transform(rows[50:])
    assert np.isnan(mixed).any(axis=1).tolist() == [False] * 4 + [True] * 6


def test_one_row_is_as_in_a_table(rows):
    embedder = OutlierFilteredTransformer(
        StandardScaler(), outlier_detector=Band(50)
    ).fit(rows)
    one_by_one = np.vstack([embedder.transform(row[np.newaxis]) for row in rows])
    np.testing.assert_array_equal(one_by_one, embedder.transform(rows))


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (np.float32, np.float32),
        (np.float64, np.float64),
        (np.int16, np.float32),
        (np.int64, np.float64),
        (bool, np.float32),
    ],
)
def test_dtype(dtype, expected):
    X = np.arange(40).reshape(20, 2).astype(dtype)
    embedder = OutlierFilteredTransformer(outlier_detector=Band(30)).fit(X)
    assert embedder.transform(X).dtype == expected
    assert embedder.transform(X[19:]).dtype == expected


def test_y_follows_the_inliers(rows):
    y = np.where(INLIER, np.array(["as", "ss"])[np.arange(60) % 2], "far")
    rows[1::2, 3] += 9
    expected = LinearDiscriminantAnalysis().fit(rows[INLIER], y[INLIER])
    for labels in (y, y.tolist(), pd.Series(y, index=np.arange(60) + 7)):
        embedder = OutlierFilteredTransformer(
            LinearDiscriminantAnalysis(), outlier_detector=Band(50)
        )
        embedder.fit(rows, labels)
        assert embedder.transformer_.classes_.tolist() == ["as", "ss"]
        found = embedder.transform(rows)[INLIER]
        np.testing.assert_array_equal(found, expected.transform(rows[INLIER]))


def test_y_of_another_length(rows):
    for transformer in (None, PCA(2), SelectKBest()):
        with pytest.raises(ValueError, match=r"numbers of samples: \[60, 59\]"):
            OutlierFilteredTransformer(transformer).fit(rows, np.arange(59) % 2)


# ---------------------------------------------------------------------------- detectors


@pytest.mark.parametrize(
    "detector",
    [
        None,
        IsolationForest(n_estimators=20, contamination=0.1),
        LocalOutlierFactor(novelty=True),
        make_pipeline(StandardScaler(), OneClassSVM(nu=0.1)),
    ],
)
def test_any_detector(detector):
    X = np.random.default_rng(0).normal(size=(200, 3))
    embedder = OutlierFilteredTransformer(
        PCA(2), outlier_detector=detector, random_state=0
    ).fit(X)
    new = np.vstack([X, np.full((2, 3), 60)])
    rejected = embedder.predict_outlier(new)
    assert rejected[-2:].all()
    assert rejected.mean() < 0.2
    np.testing.assert_array_equal(embedder.outlier_score(new) > 0, rejected)
    found = embedder.transform(new)
    np.testing.assert_array_equal(np.isnan(found).any(axis=1), rejected)
    np.testing.assert_array_equal(np.isnan(found).all(axis=1), rejected)


def test_scores_only_where_the_detector_has_them(rows):
    embedder = OutlierFilteredTransformer(None, outlier_detector=Band(50))
    assert not hasattr(embedder, "outlier_score")
    assert not hasattr(embedder.fit(rows), "outlier_score")
    assert hasattr(OutlierFilteredTransformer(), "outlier_score")


def test_all_rows_rejected(rows):
    embedder = OutlierFilteredTransformer(outlier_detector=Band(-np.inf))
    with pytest.raises(ValueError, match="rejects all 60 samples, so none is left"):
        embedder.fit(rows)


def test_lof_needs_novelty(rows):
    embedder = OutlierFilteredTransformer(outlier_detector=LocalOutlierFactor())
    with pytest.raises(TypeError, match="does not: set novelty=True"):
        embedder.fit(rows)


@pytest.mark.parametrize("method", ["transform", "predict_outlier", "outlier_score"])
def test_not_fitted(rows, method):
    with pytest.raises(NotFittedError):
        getattr(OutlierFilteredTransformer(), method)(rows)
    with pytest.raises(NotFittedError):
        OutlierFilteredTransformer().get_feature_names_out()


# ------------------------------------------------------------------------------- tables


def test_set_output(table):
    for transformer, names in (
        (None, ["x", "y", "z", "area"]),
        (StandardScaler(), ["x", "y", "z", "area"]),
        (PCA(2), ["pca0", "pca1"]),
    ):
        embedder = OutlierFilteredTransformer(transformer, outlier_detector=Band(50))
        plain = embedder.fit_transform(table)
        embedder.set_output(transform="pandas")
        for found in (
            embedder.fit_transform(table),
            embedder.transform(table),
            embedder.fit(table).transform(table),
        ):
            expected = pd.DataFrame(plain, columns=names, index=table.index)
            pd.testing.assert_frame_equal(found, expected)
        assert embedder.get_feature_names_out().tolist() == names
        assert found.isna().all(axis=1).sum() == 6


def test_part_that_gives_tables(table):
    part = PCA(2).set_output(transform="pandas")
    found = OutlierFilteredTransformer(part, outlier_detector=Band(50)).fit_transform(
        table
    )
    assert isinstance(found, np.ndarray)
    expected = OutlierFilteredTransformer(
        PCA(2), outlier_detector=Band(50)
    ).fit_transform(table)
    np.testing.assert_array_equal(found, expected)


def test_names_without_names(rows):
    plain = OutlierFilteredTransformer(outlier_detector=Band(50)).fit(rows)
    assert plain.get_feature_names_out().tolist() == ["x0", "x1", "x2", "x3"]
    names = ["a", "b", "c", "d"]
    assert plain.get_feature_names_out(names).tolist() == names
    with pytest.raises(ValueError, match="length equal to number of features"):
        plain.get_feature_names_out(["a"])
    for embedder in (
        OutlierFilteredTransformer(Halves()),
        OutlierFilteredTransformer(Halves()).fit(rows),
    ):
        assert not hasattr(embedder, "get_feature_names_out")
        assert not hasattr(embedder, "set_output")


def test_other_columns(table):
    embedder = OutlierFilteredTransformer(PCA(2)).fit(table)
    for part in (embedder, embedder.outlier_detector_, embedder.transformer_):
        assert part.feature_names_in_.tolist() == ["x", "y", "z", "area"]
    for method in ("transform", "predict_outlier", "outlier_score"):
        with pytest.raises(ValueError, match="must be in the same order as they were"):
            getattr(embedder, method)(table[["y", "x", "z", "area"]])
        with pytest.raises(ValueError, match="seen at fit time, yet now missing:\n- z"):
            getattr(embedder, method)(table[["x", "y", "area"]])


@pytest.mark.parametrize("form", [sparse.csr_array, sparse.csc_matrix])
def test_sparse_rows(form):
    X = np.random.default_rng(0).poisson(0.5, size=(80, 6)).astype(float)
    for transformer in (None, MaxAbsScaler(), TruncatedSVD(2, random_state=0)):
        embedder = OutlierFilteredTransformer(transformer)
        found = embedder.fit_transform(form(X))
        assert isinstance(found, np.ndarray)
        expected = clone(embedder).fit(X)
        np.testing.assert_array_equal(embedder.inlier_mask_, expected.inlier_mask_)
        assert 0 < (~embedder.inlier_mask_).sum() < 20
        np.testing.assert_allclose(found, expected.transform(X), atol=1e-9)
        np.testing.assert_allclose(embedder.transform(form(X)), found, atol=1e-9)
    with pytest.raises(TypeError, match="Sparse data was passed for X"):
        OutlierFilteredTransformer(Halves()).fit(form(X))


def test_missing_values(table):
    table.iloc[3, 1] = np.nan
    for X, message in (
        (table, r"X has missing values in the columns 'y' \(1\)"),
        (table.to_numpy(), "OutlierFilteredTransformer does not accept missing values"),
    ):
        with pytest.raises(ValueError, match=message):
            OutlierFilteredTransformer(SimpleImputer()).fit(X)
        embedder = OutlierFilteredTransformer(
            make_pipeline(SimpleImputer(), PCA(2)),
            outlier_detector=make_pipeline(SimpleImputer(), Band(50)),
        )
        found = embedder.fit_transform(X)
        assert not np.isnan(found[3]).any()
        assert np.isnan(found[54:]).all()


def test_inputs_are_not_changed(rows, table):
    expected, before = rows.copy(), table.copy()
    rows.flags.writeable = False
    for X in (rows, table):
        embedder = OutlierFilteredTransformer(StandardScaler())
        embedder.fit_transform(X)
        embedder.transform(X)
        embedder.outlier_score(X)
        assert OutlierFilteredTransformer().fit_transform(X) is not X
    np.testing.assert_array_equal(rows, expected)
    pd.testing.assert_frame_equal(table, before)
    same = OutlierFilteredTransformer(outlier_detector=Band()).fit_transform(expected)
    assert not np.shares_memory(same, expected)


def test_tags_are_those_of_the_parts():
    def tags(transformer=None):
        return get_tags(OutlierFilteredTransformer(transformer))

    assert tags().input_tags.sparse
    assert not tags(Halves()).input_tags.sparse
    assert tags(NMF()).input_tags.positive_only
    assert not tags(SimpleImputer()).input_tags.allow_nan
    assert tags().transformer_tags.preserves_dtype == ["float64", "float32"]
    assert tags(SelectKBest()).transformer_tags.preserves_dtype == ["float64"]


# ------------------------------------------------------------ whole, chance and storage


def test_grid_search_in_a_pipeline():
    codes = np.arange(120) % 3
    X = 8 * np.eye(3)[codes] + np.random.default_rng(0).normal(size=(120, 3))
    pipeline = make_pipeline(
        OutlierFilteredTransformer(PCA(), outlier_detector=OneClassSVM(nu=0.05)),
        RandomForestClassifier(5, random_state=0),
    )
    grid = {
        "outlierfilteredtransformer__transformer__n_components": [1, 2],
        "outlierfilteredtransformer__outlier_detector__nu": [0.05, 0.5],
    }
    search = GridSearchCV(pipeline, grid, cv=3).fit(X, codes)
    assert search.best_score_ > 0.8
    assert list(search.best_params_.values()) == [0.05, 2]


def test_random_state_reaches_parts_that_have_none(rows):
    def seeds(random_state, transformer):
        detector = IsolationForest(n_estimators=5)
        embedder = OutlierFilteredTransformer(
            transformer, outlier_detector=detector, random_state=random_state
        ).fit(rows)
        assert detector.random_state is None
        parts = (embedder.outlier_detector_, embedder.transformer_)
        return [part.random_state for part in parts]

    assert seeds(0, PCA()) == seeds(0, PCA())
    assert len({*seeds(0, PCA()), *seeds(1, PCA())}) == 4
    assert seeds(None, PCA()) == [None, None]
    assert seeds(0, PCA(random_state=7)) == [seeds(0, PCA())[0], 7]
    generator = np.random.RandomState(0)
    assert seeds(generator, PCA()) != seeds(generator, PCA())


def test_without_transformer_after_one(rows):
    embedder = OutlierFilteredTransformer(PCA(2)).fit(rows)
    embedder.set_params(transformer=None)
    assert embedder.transform(rows).shape == (60, 2), "what was fitted counts"
    embedder.fit(rows)
    assert not hasattr(embedder, "transformer_")
    assert embedder.transform(rows).shape == (60, 4)


@pytest.mark.parametrize(
    "embedder",
    [
        OutlierFilteredTransformer(),
        OutlierFilteredTransformer(
            make_pipeline(StandardScaler(), PCA(2)),
            outlier_detector=IsolationForest(n_estimators=5),
            random_state=0,
        ),
    ],
)
def test_storage(rows, embedder, subtests):
    embedder = clone(embedder).fit(rows)
    for store in (through_pickle, through_skops):
        with subtests.test(store=store):
            loaded = store(embedder)
            for method in ("transform", "predict_outlier", "outlier_score"):
                np.testing.assert_array_equal(
                    getattr(loaded, method)(rows), getattr(embedder, method)(rows)
                )
            assert (
                loaded.transform(rows[54:]).dtype == embedder.transform(rows[54:]).dtype
            )
            assert repr(loaded) == repr(embedder)


def test_a_failed_fit_changes_nothing(rows):
    # The detector is fitted before the transformer raises.
    embedder = OutlierFilteredTransformer(PCA(2), outlier_detector=Band(50)).fit(rows)
    embedder.set_params(transformer=PCA(99))
    before = vars(embedder).copy()
    for method in ("fit", "fit_transform"):
        with pytest.raises(ValueError, match="n_components=99 must be between"):
            getattr(embedder, method)(rows + 1)
        assert vars(embedder) == before


class FewNeighbors(Halves):
    """A transformer that fails for few rows by an error of its own."""

    def __init__(self, n_neighbors=9):
        self.n_neighbors = n_neighbors

    def fit(self, X, y=None):
        if len(X) < 5:
            raise TypeError("zero-size array to reduction operation")
        return super().fit(X, y)


def test_too_few_rows_for_a_transformer_of_neighbors(rows):
    embedder = OutlierFilteredTransformer(FewNeighbors(), outlier_detector=Band(50))
    message = (
        "FewNeighbors with n_neighbors=9 cannot be fitted to the 3 inliers of 5 sa"
    )
    with pytest.raises(ValueError, match=message):
        embedder.fit(rows[51:56])
    embedder.set_params(transformer__n_neighbors=2)
    with pytest.raises(TypeError, match="zero-size"):
        embedder.fit(rows[51:56])
