"""InductiveClusterer: any clusterer, any classifier, noise and missing values."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import pickle
from itertools import product

import hdbscan
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.cluster import DBSCAN, HDBSCAN, Birch, KMeans
from sklearn.datasets import make_blobs
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score, make_scorer
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier, RadiusNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from xgboost import XGBClassifier

from celltyping import (
    InductiveClusterer,
    NtacClassifier,
    NtacClusterer,
    OutlierFilteredClassifier,
)
from celltyping.datasets import make_connectome
from tests._persistence import through_skops

CENTERS = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])

# All of them find the three clusters of `blobs`, and label the far points as noise.
DENSITY = [
    hdbscan.HDBSCAN(min_cluster_size=10),
    HDBSCAN(min_cluster_size=10, copy=True),
    DBSCAN(eps=1.5, min_samples=4),
]
EXHAUSTIVE = [
    KMeans(3, random_state=0),
    Birch(n_clusters=3),
    GaussianMixture(3, random_state=0),
    make_pipeline(StandardScaler(), KMeans(3, random_state=0)),
]


def name_of(part):
    """Return a short name for a test."""
    return f"{type(part).__module__.partition('.')[0]}-{type(part).__name__}"


@pytest.fixture(scope="module")
def blobs():
    """Give three clusters, three points far from them, and the clusters."""
    X, y = make_blobs([40, 40, 40], centers=CENTERS, cluster_std=0.6, random_state=0)
    far = [[60.0, 60.0], [-70.0, 50.0], [80.0, -90.0]]
    X, y = np.vstack([X, far]), np.append(y, [-1, -1, -1])
    X.flags.writeable = False
    return X, y


def fitted_labels(clusterer, X):
    """Return the labels of the bare clusterer."""
    return clone(clusterer).fit_predict(X.copy())


def test_noise_stays_noise_and_new_samples_are_placed(subtests, blobs):
    for clusterer in DENSITY:
        with subtests.test(clusterer=clusterer):
            X, y = blobs
            model = InductiveClusterer(clusterer).fit(X)
            assert_array_equal(model.labels_, fitted_labels(clusterer, X))
            assert model.labels_.dtype == np.int64
            assert (model.labels_[y < 0] == -1).all()
            assert adjusted_rand_score(y[y >= 0], model.labels_[y >= 0]) > 0.95
            assert model.clusters_.tolist() == [0, 1, 2]
            assert model.n_clusters_ == 3
            # The classifier is not trained on noise, so noise is not a class.
            assert model.classifier_.classes_.tolist() == [0, 1, 2]
            assert model.classifier_.n_samples_fit_ == (model.labels_ >= 0).sum()
            new = model.predict(CENTERS + 0.3)
            assert len(set(new)) == 3
            assert_array_equal(new, [model.labels_[y == k].max() for k in range(3)])
            proba = model.predict_proba(CENTERS + 0.3)
            assert_array_equal(model.clusters_[proba.argmax(axis=1)], new)
            assert proba.sum(axis=1) == pytest.approx(1)


def test_clusterers_without_noise(subtests, blobs):
    for membership, clusterer in product(["classifier", "clusterer"], EXHAUSTIVE):
        with subtests.test(membership=membership, clusterer=clusterer):
            X, y = blobs[0][:120], blobs[1][:120]
            model = InductiveClusterer(clusterer, membership=membership).fit(X)
            assert_array_equal(model.labels_, fitted_labels(clusterer, X))
            assert adjusted_rand_score(y, model.labels_) == 1
            assert_array_equal(model.predict(X), model.labels_)
            assert hasattr(model, "classifier_") == (membership == "classifier")
            if membership == "clusterer":
                assert_array_equal(
                    model.predict(X + 1), model.clusterer_.predict(X + 1)
                )
                has_proba = isinstance(clusterer, GaussianMixture)
                assert hasattr(model, "predict_proba") == has_proba


def test_clusterers_own_memberships(blobs):
    X, _ = blobs
    mixture = GaussianMixture(3, random_state=0)
    model = InductiveClusterer(mixture, membership="clusterer").fit(X)
    assert_array_equal(model.predict_proba(X), clone(mixture).fit(X).predict_proba(X))
    assert not hasattr(model, "membership_")


def test_components_of_a_mixture_without_samples(blobs):
    X, _ = blobs
    mixture = BayesianGaussianMixture(
        n_components=6,
        weight_concentration_prior=1e-3,
        init_params="random",
        random_state=0,
    )
    mixture.set_params(max_iter=500, tol=1e-2)
    model = InductiveClusterer(mixture, membership="clusterer").fit(X)
    bare = clone(mixture).fit(X)
    used = np.unique(bare.predict(X))
    assert 1 < len(used) < 6, "the test needs components without samples"
    assert_array_equal(model.clusters_, used)
    assert_array_equal(model.predict_proba(X), bare.predict_proba(X)[:, used])
    grid = np.random.default_rng(0).uniform(-200, 200, size=(500, 2))
    assert set(model.predict(grid)) <= {-1, *used}
    expected = bare.predict(grid)
    expected[~np.isin(expected, used)] = -1
    assert_array_equal(model.predict(grid), expected)


def test_approximate_predict_and_soft_memberships_of_hdbscan(blobs):
    X, y = blobs
    clusterer = hdbscan.HDBSCAN(min_cluster_size=10)
    model = InductiveClusterer(clusterer, membership="clusterer").fit(X)
    bare = hdbscan.HDBSCAN(min_cluster_size=10, prediction_data=True).fit(X.copy())
    assert not clusterer.prediction_data, "the parameter is not changed"
    new = np.vstack([CENTERS + 0.2, [[300.0, 300.0]]])
    expected = hdbscan.approximate_predict(bare, new)[0]
    assert_array_equal(model.predict(new), expected)
    assert expected[3] == -1
    assert set(expected[:3]) == {0, 1, 2}
    assert_array_equal(model.predict_proba(new), hdbscan.membership_vector(bare, new))
    assert_array_equal(model.membership_, hdbscan.all_points_membership_vectors(bare))
    assert model.membership_.shape == (123, 3)
    strongest = model.membership_[y >= 0].argmax(axis=1)
    assert adjusted_rand_score(y[y >= 0], strongest) > 0.95


@pytest.mark.parametrize("membership", ["classifier", "clusterer"])
def test_scores_of_hdbscan_are_passed_on(blobs, membership):
    X, y = blobs
    model = InductiveClusterer(
        hdbscan.HDBSCAN(min_cluster_size=10), membership=membership
    ).fit(X)
    bare = hdbscan.HDBSCAN(min_cluster_size=10).fit(X.copy())
    assert_array_equal(model.probabilities_, bare.probabilities_)
    assert_array_equal(model.outlier_scores_, bare.outlier_scores_)
    assert model.probabilities_.shape == model.outlier_scores_.shape == y.shape
    assert hasattr(model, "membership_") == (membership == "clusterer")
    # scikit-learn's HDBSCAN has no outlier scores, k-means neither.
    of_sklearn = InductiveClusterer(HDBSCAN(copy=True)).fit(X)
    assert of_sklearn.probabilities_.shape == y.shape
    assert not hasattr(of_sklearn, "outlier_scores_")
    assert not hasattr(InductiveClusterer(KMeans(3)).fit(X), "probabilities_")


def test_rows_with_nan_are_noise(subtests, blobs):
    for as_frame, membership in product([False, True], ["classifier", "clusterer"]):
        with subtests.test(as_frame=as_frame, membership=membership):
            X, _ = blobs
            gaps = np.array([0, 50, 122])
            holed = X.copy()
            holed[gaps, [0, 1, 0]] = np.nan
            model = InductiveClusterer(
                hdbscan.HDBSCAN(min_cluster_size=10), membership=membership
            )
            full = clone(model).fit(np.delete(X, gaps, axis=0))
            given = pd.DataFrame(holed, columns=["a", "b"]) if as_frame else holed
            model.fit(given)
            others = np.setdiff1d(np.arange(len(X)), gaps)
            for name in ("labels_", "probabilities_", "outlier_scores_"):
                assert_array_equal(getattr(model, name)[others], getattr(full, name))
            assert (model.labels_[gaps] == -1).all()
            assert (model.probabilities_[gaps] == 0).all()
            assert np.isnan(model.outlier_scores_[gaps]).all()
            if membership == "clusterer":
                assert_array_equal(model.membership_[others], full.membership_)
                assert (model.membership_[gaps] == 0).all()
            labels, proba = model.predict(given), model.predict_proba(given)
            assert_array_equal(labels[others], full.predict(X[others]))
            assert (labels[gaps] == -1).all()
            assert_array_equal(proba[others], full.predict_proba(X[others]))
            assert (proba[gaps] == 0).all()
            nothing = given[:2] * np.nan
            assert model.predict(nothing).tolist() == [-1, -1]
            assert model.predict_proba(nothing).tolist() == [[0, 0, 0]] * 2


def test_nan_in_objects_and_in_sparse_matrices(blobs):
    X, _ = blobs
    holed = X[:120].copy()
    holed[5, 1] = np.nan
    model = InductiveClusterer(KMeans(3, random_state=0))
    expected = model.fit(holed).labels_
    assert expected[5] == -1
    for given in (holed.astype(object), sparse.csr_array(holed)):
        assert_array_equal(model.fit(given).labels_, expected)
        assert_array_equal(model.predict(given), expected)
    objects = holed.astype(object)
    objects[5, 1] = None
    assert model.fit(objects).predict(objects)[5] == -1


def test_only_missing_values(blobs):
    with pytest.raises(ValueError, match="all 4 rows of X have missing values"):
        InductiveClusterer().fit(np.full((4, 2), np.nan))


@pytest.mark.parametrize("membership", ["classifier", "clusterer"])
@pytest.mark.parametrize("maker", [hdbscan.HDBSCAN, DBSCAN, HDBSCAN])
def test_no_cluster(maker, membership):
    X = np.random.default_rng(0).uniform(size=(30, 2)) * 1e3
    options = {"eps": 1e-3} if maker is DBSCAN else {"min_cluster_size": 25}
    if maker is HDBSCAN:
        options["copy"] = True
    model = InductiveClusterer(maker(**options), membership=membership)
    if membership == "clusterer" and maker is not hdbscan.HDBSCAN:
        with pytest.raises(ValueError, match=r"requires a clusterer with predict"):
            model.fit(X)
        return
    with pytest.warns(UserWarning, match="finds no cluster in 30 .*min_cluster_size"):
        model.fit(X)
    assert model.n_clusters_ == len(model.clusters_) == 0
    assert (model.labels_ == -1).all()
    assert not hasattr(model, "classifier_")
    assert model.predict(X[:4]).tolist() == [-1] * 4
    assert model.predict_proba(X[:4]).shape == (4, 0)


def test_one_cluster(subtests, blobs):
    cases = [
        None,
        XGBClassifier(n_estimators=3),
        LogisticRegression(),
        LinearSVC(),
        KNeighborsClassifier(3),
        OutlierFilteredClassifier(KNeighborsClassifier(3)),
        OutlierFilteredClassifier(XGBClassifier(n_estimators=3), outlier_label=-1),
    ]
    for classifier in cases:
        with subtests.test(classifier=classifier):
            X = blobs[0][blobs[1] == 0]
            X = np.vstack([X, [[60.0, 60.0]]])
            model = InductiveClusterer(
                DBSCAN(eps=2), classifier=classifier, random_state=0
            ).fit(X)
            assert model.labels_.tolist() == [0] * 40 + [-1]
            assert model.clusters_.tolist() == [0]
            refuses = getattr(classifier, "outlier_label", None) == -1
            center = X[:40].mean(axis=0)
            found = model.predict([center, [60.0, 60.0]]).tolist()
            assert found == [0, -1 if refuses else 0]
            if hasattr(model, "predict_proba"):
                assert model.predict_proba([center]).tolist() == [[1.0]]


def test_one_cluster_of_hdbscan_itself(blobs):
    X = blobs[0][blobs[1] == 0]
    clusterer = hdbscan.HDBSCAN(min_cluster_size=10, allow_single_cluster=True)
    model = InductiveClusterer(clusterer).fit(X)
    assert model.clusters_.tolist() == [0]
    assert (model.predict(X) == 0).all()
    # Its approximate_predict would label everything as noise.
    model.set_params(membership="clusterer")
    with pytest.raises(ValueError, match="one cluster: use membership='classifier'"):
        model.fit(X)


class Gappy(KMeans):
    """A clusterer with the clusters 7, 14, ... and with -7 for noise."""

    def fit_predict(self, X, y=None):
        labels = super().fit_predict(X)
        self.labels_ = np.where(labels == labels[0], -7, 7 * labels + 7)
        return self.labels_


def test_numbers_with_gaps(subtests, blobs):
    for classifier in [None, XGBClassifier(n_estimators=3), LogisticRegression()]:
        with subtests.test(classifier=classifier):
            X, y = blobs[0][:120], blobs[1][:120]
            model = InductiveClusterer(
                Gappy(3, random_state=0), classifier=classifier
            ).fit(X)
            assert set(model.clusters_) < {7, 14, 21}
            assert set(model.labels_) == {-1, *model.clusters_}
            is_in = model.labels_ >= 0
            assert_array_equal(model.predict(X[is_in]), model.labels_[is_in])
            proba = model.predict_proba(X[is_in])
            assert_array_equal(
                model.clusters_[proba.argmax(axis=1)], model.labels_[is_in]
            )
            assert adjusted_rand_score(y, model.labels_) == 1


# RadiusNeighborsClassifier warns in each prediction.
@pytest.mark.filterwarnings("ignore:Outlier label -1 is not in training:UserWarning")
@pytest.mark.parametrize(
    "classifier",
    [
        OutlierFilteredClassifier(RandomForestClassifier(10), outlier_label=-1),
        RadiusNeighborsClassifier(2.0, outlier_label=-1),
    ],
    ids=name_of,
)
def test_classifiers_that_refuse(blobs, classifier):
    X, y = blobs
    model = InductiveClusterer(DENSITY[0], classifier=classifier, random_state=0).fit(X)
    found = model.predict(X)
    assert (found[y < 0] == -1).all()
    assert (found[y >= 0] == -1).mean() < 0.1
    assert adjusted_rand_score(y, found) > 0.85


def test_outlier_label_that_may_be_a_cluster(subtests, blobs):
    for label in [1, 99, "noise"]:
        with subtests.test(label=label):
            classifier = OutlierFilteredClassifier(outlier_label=label)
            with pytest.raises(
                ValueError, match=r"outlier_label .* must be -1 or None.*got"
            ):
                InductiveClusterer(DENSITY[0], classifier=classifier).fit(blobs[0])


def test_connectome():
    X, y = make_connectome(
        200, 5, 7000, n_partner_types=2, random_state=0, return_X_y=True
    )
    ntac = NtacClusterer(5)
    model = InductiveClusterer(ntac, classifier=NtacClassifier(), random_state=0).fit(X)
    assert adjusted_rand_score(y, model.labels_) > 0.8
    assert np.mean(model.predict(X) == model.labels_) > 0.9
    assert model.predict_proba(X).shape == (200, 5)
    own = InductiveClusterer(ntac, membership="clusterer", random_state=0).fit(X)
    assert_array_equal(own.labels_, model.labels_)
    assert_array_equal(own.predict(X), own.labels_)
    assert not hasattr(own, "predict_proba")
    assert (
        InductiveClusterer(ntac, classifier=NtacClassifier()).predict_proba is not None
    )


def test_tables_with_names(blobs):
    X = pd.DataFrame(blobs[0], columns=["u", "v"], index=np.arange(123) + 7)
    model = InductiveClusterer(HDBSCAN(copy=True)).fit(X)
    assert model.feature_names_in_.tolist() == ["u", "v"]
    assert_array_equal(
        model.labels_, InductiveClusterer(HDBSCAN(copy=True)).fit(blobs[0]).labels_
    )
    assert isinstance(model.predict(X), np.ndarray)
    for wrong in (X[["v", "u"]], X.rename(columns={"u": "w"})):
        with pytest.raises(ValueError, match="feature names"):
            model.predict(wrong)
    with pytest.raises(ValueError, match="unseen at fit time"):
        model.predict(X.assign(w=1))
    model.fit(blobs[0])
    assert not hasattr(model, "feature_names_in_")
    with pytest.raises(ValueError, match=r"3 features, but .* is expecting 2"):
        model.predict(np.ones((2, 3)))
    with pytest.raises(ValueError, match="infinity"):
        model.fit(np.array([[0.0, np.inf], [1.0, 2.0]]))


def test_layout_and_precision_do_not_matter(blobs):
    X = blobs[0].astype(np.float32)
    model = InductiveClusterer(DENSITY[0], membership="clusterer")
    expected = model.fit(X.astype(float)).membership_
    for given in (X, np.asfortranarray(X), pd.DataFrame(X), X[::-1][::-1]):
        assert_array_equal(model.fit(given).membership_, expected)
        assert_array_equal(model.predict(given[:9]), model.labels_[:9])


def test_input_is_not_changed(blobs):
    X, kept = blobs[0].copy(), blobs[0].copy()
    for clusterer in (*DENSITY, *EXHAUSTIVE):
        InductiveClusterer(clusterer).fit(X).predict(X)
        assert_array_equal(X, kept)


def test_hdbscan_takes_memory_that_is_closed_and_refuses_one_row(blobs):
    assert not blobs[0].flags.writeable
    for membership in ("classifier", "clusterer"):
        model = InductiveClusterer(DENSITY[0], membership=membership)
        assert model.fit(blobs[0]).predict(blobs[0]).max() == 2
    with pytest.raises(ValueError, match="needs 2 samples or more, got n_samples = 1"):
        model.fit([[1.0, 2.0]])


def test_random_state_is_passed(blobs):
    X, _ = blobs
    parts = {"clusterer": KMeans(3), "classifier": RandomForestClassifier(5)}
    model = InductiveClusterer(**parts, random_state=0).fit(X)
    again = InductiveClusterer(**parts, random_state=0).fit(X)
    seeds = [model.clusterer_.random_state, model.classifier_.random_state]
    assert all(isinstance(seed, int) for seed in seeds)
    assert seeds[0] != seeds[1]
    assert seeds == [again.clusterer_.random_state, again.classifier_.random_state]
    assert_array_equal(model.labels_, again.labels_)
    assert_array_equal(model.predict_proba(X), again.predict_proba(X))
    assert parts["clusterer"].random_state is None
    kept = InductiveClusterer(KMeans(3, random_state=5), random_state=0).fit(X)
    assert kept.clusterer_.random_state == 5
    assert InductiveClusterer(KMeans(3)).fit(X).clusterer_.random_state is None


def test_refit_leaves_nothing_behind(blobs):
    X, _ = blobs
    model = InductiveClusterer(DENSITY[0], membership="clusterer").fit(X)
    model.set_params(membership="classifier").fit(X)
    assert not hasattr(model, "membership_")
    model.set_params(clusterer=KMeans(3)).fit(X)
    assert not hasattr(model, "probabilities_")
    assert not hasattr(model, "outlier_scores_")
    model.set_params(clusterer=DBSCAN(eps=1e-9))
    with pytest.warns(UserWarning, match="DBSCAN finds no cluster in 123 samples"):
        model.fit(X)
    assert not hasattr(model, "classifier_")
    assert (model.predict(X) == -1).all()


def test_methods_that_parts_lack(blobs):
    without = InductiveClusterer(KMeans(3), classifier=LinearSVC())
    assert not hasattr(without, "predict_proba")
    assert not hasattr(without.fit(blobs[0]), "predict_proba")
    assert hasattr(InductiveClusterer(), "predict_proba")
    assert not hasattr(InductiveClusterer(membership="clusterer"), "predict_proba")
    with pytest.raises(
        ValueError, match="HDBSCAN does not have: use membership='class"
    ):
        InductiveClusterer(membership="clusterer").fit(blobs[0])
    with pytest.raises(NotFittedError):
        InductiveClusterer().predict(blobs[0])


class Named(KMeans):
    """A clusterer with strings as labels."""

    def fit_predict(self, X, y=None):
        return np.array(["a", "b", "c"])[super().fit_predict(X)]


def test_clusters_are_integers(blobs):
    with pytest.raises(
        ValueError, match="must be integers, and Named returns labels such"
    ):
        InductiveClusterer(Named(3)).fit(blobs[0])


def test_grid_search(blobs):
    X, y = blobs[0][:120], blobs[1][:120]
    order = np.random.default_rng(0).permutation(120)
    search = GridSearchCV(
        InductiveClusterer(KMeans(random_state=0), classifier=KNeighborsClassifier()),
        {"clusterer__n_clusters": [2, 3, 5], "classifier__n_neighbors": [1, 7]},
        scoring=make_scorer(adjusted_rand_score),
        cv=3,
    ).fit(X[order], y[order])
    assert search.best_params_["clusterer__n_clusters"] == 3
    assert search.best_score_ == 1
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@pytest.mark.parametrize("membership", ["classifier", "clusterer"])
def test_pickle(blobs, membership):
    X, _ = blobs
    model = InductiveClusterer(
        DENSITY[0],
        classifier=OutlierFilteredClassifier(
            outlier_detector=IsolationForest(n_estimators=20), outlier_label=-1
        ),
        membership=membership,
        random_state=0,
    ).fit(X)
    loaded = pickle.loads(pickle.dumps(model))
    assert set(vars(loaded)) == set(vars(model))
    assert_array_equal(loaded.predict(X), model.predict(X))
    assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


def test_skops(blobs):
    model = InductiveClusterer(HDBSCAN(copy=True), random_state=0).fit(blobs[0])
    loaded = through_skops(model)
    assert_array_equal(loaded.labels_, model.labels_)
    assert_array_equal(loaded.predict_proba(blobs[0]), model.predict_proba(blobs[0]))


def test_a_failed_fit_changes_nothing(blobs):
    # The classifier is refused after the clusterer was fitted.
    model = InductiveClusterer(KMeans(2)).fit(blobs[0])
    model.set_params(classifier=OutlierFilteredClassifier(outlier_label=1))
    before = vars(model).copy()
    for method in ("fit", "fit_predict"):
        with pytest.raises(ValueError, match="outlier_label of the classifier must be"):
            getattr(model, method)(blobs[0] + 1)
        assert vars(model) == before


def test_predictions_that_contradict_the_clusters():
    # The package hdbscan predicts other clusters after a merger.
    X, _ = make_blobs(240, centers=6, cluster_std=0.5, random_state=1)
    clusterer = hdbscan.HDBSCAN(min_cluster_size=5, cluster_selection_epsilon=2.0)
    bare = clone(clusterer).set_params(prediction_data=True).fit(X)
    differs = hdbscan.approximate_predict(bare, X)[0] != bare.labels_
    assert differs[bare.labels_ >= 0].mean() > 0.5
    model = InductiveClusterer(clusterer, membership="clusterer")
    with pytest.raises(
        ValueError, match=r"or noise, for \d+ of the 240 .*'classifier'"
    ):
        model.fit(X)
    model.set_params(membership="classifier").fit(X)
    assert_array_equal(model.predict(X), model.labels_)


class Moved(KMeans):
    """A clusterer that predicts another cluster for the first rows."""

    def __init__(self, share=0.0):
        super().__init__(3, random_state=0)
        self.share = share

    def predict(self, X):
        labels, n_moved = super().predict(X), round(self.share * len(X))
        labels[:n_moved] = (labels[:n_moved] + 1) % 3
        return labels


@pytest.mark.parametrize(("share", "is_refused"), [(0.09, False), (0.12, True)])
def test_few_other_predictions_are_allowed(blobs, share, is_refused):
    model = InductiveClusterer(Moved(share), membership="clusterer")
    if is_refused:
        with pytest.raises(ValueError, match=r"Moved predicts .* for 15 of the 123"):
            model.fit(blobs[0])
    else:
        assert model.fit(blobs[0]).n_clusters_ == 3


def test_predictions_after_a_failed_fit_are_those_before(blobs):
    X, _ = blobs
    model = InductiveClusterer(KMeans(3, random_state=0)).fit(X)
    expected = model.predict(X), model.predict_proba(X)
    changed = {
        "membership": "clusterer",
        "clusterer": DBSCAN(),
        "classifier": LinearSVC(),
    }
    model.set_params(**changed)
    with pytest.raises(ValueError, match="DBSCAN does not have"):
        model.fit(X)
    assert_array_equal(model.predict(X), expected[0])
    assert_array_equal(model.predict_proba(X), expected[1])
