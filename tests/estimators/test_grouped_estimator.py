"""GroupedEstimator: one clone per group, of any type of estimator."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import pickle
from itertools import product

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_classifier, is_clusterer, is_regressor
from sklearn.cluster import DBSCAN, HDBSCAN, KMeans
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import adjusted_rand_score, r2_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from celltyping import (
    ColumnSelector,
    GroupedEstimator,
    InductiveClusterer,
    NtacClassifier,
)
from tests._persistence import through_pickle, through_skops

KINDS = np.array(["ss", "as", "ns"])


@pytest.fixture(scope="module")
def table():
    """Give rows of three kinds in any order, with two clusters or classes in each.

    Of kind "as" there are 40, of "ss" 20 and of "ns" 6.
    """
    rng = np.random.default_rng(0)
    kind = rng.permutation(np.repeat([1, 0, 2], [40, 20, 6]))
    half = np.empty(66, dtype=int)
    for code in range(3):
        half[kind == code] = np.arange((kind == code).sum()) % 2
    places = 20 * half[:, None] + rng.normal(size=(66, 2)) + 100 * kind[:, None]
    frame = pd.DataFrame(
        {"u": places[:, 0], "kind": KINDS[kind], "v": places[:, 1]},
        index=rng.permutation(66) + 1000,
    )
    return frame, 2 * kind + half


def as_input(frame, form):
    """Return the table in another form, and the name of the column of groups."""
    if form == "frame":
        return frame, "kind"
    if form == "categories":
        return frame.astype({"kind": "category"}), "kind"
    if form == "objects":
        return frame.to_numpy(dtype=object), 1
    codes = frame.assign(kind=frame["kind"].map({"as": 1, "ns": 2, "ss": 7}))
    if form == "integers":
        return codes, "kind"
    return codes.to_numpy(dtype=float), 1


FORMS = ["frame", "categories", "objects", "integers", "floats"]


def test_clusterers(subtests, table):
    for form in FORMS:
        with subtests.test(form=form):
            X, by = as_input(table[0], form)
            model = GroupedEstimator(KMeans(2), by, random_state=0).fit(X)
            named = form not in ("integers", "floats")
            assert model.groups_ == (["as", "ns", "ss"] if named else [1, 2, 7])
            assert list(model.estimators_) == model.groups_
            assert model.offsets_ == dict(zip(model.groups_, [0, 2, 4], strict=True))
            assert model.clusters_.tolist() == [0, 1, 2, 3, 4, 5]
            assert model.labels_.dtype == np.int64
            assert adjusted_rand_score(table[1], model.labels_) == 1
            assert len(np.unique(model.labels_)) == 6
            assert_array_equal(model.predict(X), model.labels_)
            for kind, (name, copy) in zip(
                ["as", "ns", "ss"], model.estimators_.items(), strict=True
            ):
                assert copy.n_features_in_ == 2
                rows = (table[0]["kind"] == kind).to_numpy()
                found = copy.labels_ + model.offsets_[name]
                assert_array_equal(model.labels_[rows], found)
            assert_array_equal(
                GroupedEstimator(KMeans(2), by, random_state=0).fit_predict(X),
                model.labels_,
            )


def test_order_and_number_of_rows_do_not_matter(subtests, table):
    for form in FORMS:
        with subtests.test(form=form):
            X, by = as_input(table[0], form)
            model = GroupedEstimator(
                InductiveClusterer(KMeans(2)), by, random_state=0
            ).fit(X)
            expected, proba = model.predict(X), model.predict_proba(X)
            order = np.random.default_rng(1).permutation(66)
            for rows in (order, order[:7], np.flatnonzero(table[0]["kind"] == "ns")):
                part = X.iloc[rows] if hasattr(X, "iloc") else X[rows]
                assert_array_equal(model.predict(part), expected[rows])
                assert_array_equal(model.predict_proba(part), proba[rows])


def test_other_columns_and_another_order_of_columns(table):
    frame, _ = table
    copy = make_pipeline(ColumnSelector(["u", "v"]), KMeans(2))
    model = GroupedEstimator(copy, "kind", random_state=0).fit(frame)
    other = frame.assign(note="?")[["note", "v", "kind", "u"]]
    assert_array_equal(model.predict(other), model.predict(frame))
    assert model.n_features_in_ == 3
    assert model.feature_names_in_.tolist() == ["u", "kind", "v"]
    # Clones without a selection of columns refuse other columns.
    model = GroupedEstimator(KMeans(2), "kind").fit(frame)
    with pytest.raises(ValueError, match="feature names") as caught:
        model.predict(other)
    assert caught.value.__notes__ == ["(in the groups 'as' of the column 'kind')"]
    with pytest.raises(
        ValueError, match=r"does not have the columns \['kind'\] of group"
    ):
        model.predict(frame[["u", "v"]])
    with pytest.raises(ValueError, match=r"not have the columns \['Kind'\] of group"):
        GroupedEstimator(KMeans(2), "Kind").fit(frame)
    with pytest.raises(ValueError, match=r"columns \[3\] of group: X is an array"):
        GroupedEstimator(KMeans(2), 3).fit(np.ones((4, 3)))


def test_classifiers_of_different_classes(subtests, table):
    for form in FORMS:
        with subtests.test(form=form):
            X, by = as_input(table[0], form)
            y = np.array(["c10", "c9", "c8", "c7", "only here", "c5"])[table[1]]
            model = GroupedEstimator(KNeighborsClassifier(1), by).fit(X, y)
            assert is_classifier(model)
            assert model.classes_.tolist() == sorted(set(y))
            assert_array_equal(model.predict(X), y)
            assert model.score(X, y) == 1
            assert model.score(X[:1], ["c0"]) == 0
            proba = model.predict_proba(X)
            assert proba.shape == (66, 6)
            assert_array_equal(model.classes_[proba.argmax(axis=1)], y)
            # Only the two classes of a row's group have probabilities.
            here = model.estimators_[model.groups_[1]].classes_
            rows = table[0]["kind"] == "ns"
            assert (proba[rows][:, ~np.isin(model.classes_, here)] == 0).all()
            assert not hasattr(model, "labels_")
            assert not hasattr(model, "transform")


def test_a_class_of_its_own_in_each_group(table):
    frame, y = table
    y = np.where(frame["kind"] == "as", y, -3)
    model = GroupedEstimator(RandomForestClassifier(5), "kind", random_state=0)
    assert_array_equal(model.fit(frame, y).predict(frame), y)
    seeds = [copy.random_state for copy in model.estimators_.values()]
    assert len(set(seeds)) == 3
    again = clone(model).fit(frame, y)
    assert_array_equal(again.predict_proba(frame), model.predict_proba(frame))
    with pytest.raises(ValueError, match="2 classes in the data") as caught:
        GroupedEstimator(LogisticRegression(), "kind").fit(frame, y)
    assert "in the groups 'ns' of the column 'kind'" in caught.value.__notes__[0]


def test_regressors(subtests, table):
    for form in FORMS:
        with subtests.test(form=form):
            X, by = as_input(table[0], form)
            slopes = table[0]["kind"].map({"as": 1.0, "ss": -2.0, "ns": 5.0}).to_numpy()
            y = slopes * table[0]["u"].to_numpy() + 3
            model = GroupedEstimator(LinearRegression(), by).fit(X, list(y))
            assert is_regressor(model)
            assert model.predict(X) == pytest.approx(y)
            assert model.score(X, y) == r2_score(y, model.predict(X))
            assert model.score(X, y) == pytest.approx(1)
            two = GroupedEstimator(LinearRegression(), by).fit(
                X, np.column_stack([y, -y])
            )
            assert two.predict(X) == pytest.approx(np.column_stack([y, -y]))
            assert not hasattr(model, "predict_proba")


def test_transformers(subtests, table):
    for form in FORMS:
        with subtests.test(form=form):
            X, by = as_input(table[0], form)
            model = GroupedEstimator(StandardScaler(), by).fit(X)
            out = model.transform(X)
            kinds = table[0]["kind"].to_numpy()
            for kind in KINDS:
                rows = kinds == kind
                expected = StandardScaler().fit_transform(
                    table[0].loc[rows, ["u", "v"]]
                )
                assert out[rows] == pytest.approx(expected)
            assert_array_equal(
                GroupedEstimator(StandardScaler(), by).fit_transform(X), out
            )
            assert not hasattr(model, "predict")
            assert not hasattr(model, "score")


def test_transformers_that_give_sparse_matrices_or_different_columns(table):
    frame, _ = table
    letters = pd.DataFrame({"kind": list("aabb"), "letter": list("xyzw")})
    out = GroupedEstimator(OneHotEncoder(), "kind").fit_transform(letters)
    assert_array_equal(out, [[1, 0], [0, 1], [0, 1], [1, 0]])
    letters.loc[3, "letter"] = "z"
    model = GroupedEstimator(OneHotEncoder(), "kind").fit(letters)
    with pytest.raises(
        ValueError, match=r"number of columns for all groups, got \[1, 2\]"
    ):
        model.transform(letters)
    assert GroupedEstimator(PCA(1), "kind").fit_transform(frame).shape == (66, 1)


def test_pipelines(table):
    frame, y = table
    steps = make_pipeline(StandardScaler(), InductiveClusterer(KMeans(2)))
    model = GroupedEstimator(steps, "kind", random_state=0).fit(frame)
    assert is_clusterer(model)
    assert adjusted_rand_score(y, model.predict(frame)) == 1
    assert_array_equal(model.labels_, model.predict(frame))
    assert model.predict_proba(frame).shape == (66, 6)
    # Without predict, the labels are those of the last step.
    steps = make_pipeline(StandardScaler(), DBSCAN(eps=1, min_samples=2))
    model = GroupedEstimator(steps, "kind").fit(frame)
    assert adjusted_rand_score(y, model.labels_) == 1
    assert not hasattr(model, "predict")
    classifier = make_pipeline(StandardScaler(), KNeighborsClassifier(1))
    assert GroupedEstimator(classifier, "kind").fit(frame, y).score(frame, y) == 1


def test_noise_is_noise_and_numbers_stay_apart(table):
    frame, y = table
    far = frame.assign(u=frame["u"].where(np.arange(66) != 3, 1e4))
    model = GroupedEstimator(DBSCAN(eps=5, min_samples=2), "kind").fit(far)
    assert model.labels_[3] == -1
    assert adjusted_rand_score(np.where(np.arange(66) == 3, -1, y), model.labels_) == 1
    assert set(model.labels_) - {-1} == set(model.clusters_)
    assert model.clusters_.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.filterwarnings("ignore:HDBSCAN finds no cluster:UserWarning")
def test_a_group_without_clusters(table):
    frame, y = table
    estimator = InductiveClusterer(HDBSCAN(min_cluster_size=5, copy=True))
    model = GroupedEstimator(estimator, "kind").fit(frame)
    ns = (frame["kind"] == "ns").to_numpy()
    assert (model.labels_[ns] == -1).all()
    assert (model.predict(frame)[ns] == -1).all()
    assert model.clusters_.tolist() == [0, 1, 2, 3]
    proba = model.predict_proba(frame)
    assert proba.shape == (66, 4)
    assert (proba[ns] == 0).all()
    assert proba[~ns].sum(axis=1) == pytest.approx(1)
    assert adjusted_rand_score(y[~ns], model.predict(frame)[~ns]) == 1


def test_small_groups(table):
    frame, _ = table
    model = GroupedEstimator(
        InductiveClusterer(KMeans(2)), "kind", min_group_size=21, random_state=0
    )
    with pytest.raises(
        ValueError, match=r"fewer than min_group_size=21 .*: 'ns' \(6\), 'ss' \(20\); "
    ):
        model.fit(frame)
    small = (frame["kind"] != "as").to_numpy()

    model.set_params(handle_small="noise").fit(frame)
    assert model.groups_ == ["as", "ns", "ss"]
    assert list(model.estimators_) == ["as"]
    assert_array_equal(model.labels_ < 0, small)
    assert_array_equal(model.predict(frame), model.labels_)
    assert model.predict_proba(frame).shape == (66, 2)
    assert_array_equal(model.predict_proba(frame).sum(axis=1), (~small).astype(float))
    assert model.predict(frame[small]).tolist() == [-1] * 26
    assert_array_equal(model.predict_proba(frame[small]), np.zeros((26, 2)))

    model.set_params(handle_small="pool").fit(frame)
    assert model.estimators_["ns"] is model.estimators_["ss"]
    assert model.estimators_["as"] is not model.estimators_["ss"]
    assert model.offsets_ == {"as": 0, "ns": 2, "ss": 2}
    assert model.clusters_.tolist() == [0, 1, 2, 3]
    assert_array_equal(model.predict(frame), model.labels_)
    pooled = KMeans(2, random_state=0).fit(frame.loc[small, ["u", "v"]])
    assert adjusted_rand_score(pooled.labels_, model.labels_[small]) == 1

    model.set_params(min_group_size=27)
    with pytest.raises(ValueError, match=r"min_group_size=27 .*'ns' \(6\), 'ss' \(20"):
        model.fit(frame)
    model.set_params(handle_small="noise", min_group_size=41)
    with pytest.raises(ValueError, match="all groups have fewer than min_group_size=4"):
        model.fit(frame)


def test_pooled_classifiers(table):
    frame, y = table
    model = GroupedEstimator(
        KNeighborsClassifier(1), "kind", min_group_size=21, handle_small="pool"
    ).fit(frame, y)
    assert_array_equal(model.predict(frame), y)
    assert model.classes_.tolist() == sorted(set(y))
    assert len(set(map(id, model.estimators_.values()))) == 2


def test_clusterers_that_transform_give_noise_no_place(table):
    frame, _ = table
    model = GroupedEstimator(
        KMeans(2), "kind", min_group_size=7, handle_small="noise", random_state=0
    ).fit(frame)
    out = model.transform(frame)
    ns = (frame["kind"] == "ns").to_numpy()
    assert_array_equal(np.isnan(out), np.column_stack([ns, ns]))
    with pytest.raises(
        ValueError, match="no group of the 6 samples has a fitted clone"
    ):
        model.transform(frame[ns])


def test_unknown_groups(table):
    frame, _ = table
    known = frame[frame["kind"] != "ns"]
    model = GroupedEstimator(InductiveClusterer(KMeans(2)), "kind").fit(known)
    message = r"'kind' of X contains groups that were not in fit: 'ns'; the groups"
    for method in (model.predict, model.predict_proba, model.split_by_group):
        with pytest.raises(ValueError, match=message):
            method(frame)
    many = known.assign(kind=[f"k{i}" for i in range(len(known))])
    with pytest.raises(ValueError, match=r"\.\.\. \(60 in all\); the"):
        model.predict(many)
    model.set_params(handle_unknown="noise")
    ns = (frame["kind"] == "ns").to_numpy()
    assert_array_equal(model.predict(frame)[~ns], model.predict(known))
    assert (model.predict(frame)[ns] == -1).all()
    assert (model.predict_proba(frame)[ns] == 0).all()
    assert model.predict(many).tolist() == [-1] * len(many)
    assert model.predict(many).dtype == np.int64
    assert model.predict_proba(many).shape == (60, 4)


def test_missing_groups(subtests, table):
    cases = [("floats", np.nan), *product(["frame", "objects"], [None, np.nan, pd.NA])]
    for form, gap in cases:
        with subtests.test(form=form, gap=gap):
            X, by = as_input(table[0], form)
            model = GroupedEstimator(InductiveClusterer(KMeans(2)), by).fit(X)
            holed = X.copy()
            if form == "frame":
                holed["kind"] = holed["kind"].astype(object)
                holed.iloc[[2, 5], 1] = gap
            else:
                holed[[2, 5], 1] = gap
            for method in (clone(model).fit, model.predict):
                with pytest.raises(
                    ValueError, match=r"column ('kind'|1) of X .* in 2 of 66"
                ):
                    method(holed)


def test_missing_values_elsewhere(table):
    frame, y = table
    holed = frame.assign(u=frame["u"].where(np.arange(66) != 9))
    for form in ("frame", "objects", "floats"):
        X, by = as_input(holed, form)
        model = GroupedEstimator(InductiveClusterer(KMeans(2)), by, random_state=0)
        found = model.fit(X).predict(X)
        assert_array_equal(model.labels_ == -1, np.arange(66) == 9)
        assert_array_equal(found, model.labels_)
        assert adjusted_rand_score(y[found >= 0], found[found >= 0]) == 1


def test_noise_is_for_clusterers(table):
    frame, y = table
    for options in ({"handle_small": "noise"}, {"handle_unknown": "noise"}):
        (name,) = options
        model = GroupedEstimator(KNeighborsClassifier(1), "kind", **options)
        with pytest.raises(
            ValueError, match=f"{name}='noise' is for clusterers, and KN"
        ):
            model.fit(frame, y)


def test_one_group_is_the_bare_estimator(table):
    frame, y = table
    X = frame[["u", "v"]]
    model = GroupedEstimator(KNeighborsClassifier(3)).fit(X, y)
    bare = KNeighborsClassifier(3).fit(X, y)
    assert model.groups_ == [None]
    assert_array_equal(model.predict_proba(X), bare.predict_proba(X))
    clusterer = GroupedEstimator(KMeans(6, random_state=0)).fit(X)
    assert_array_equal(clusterer.labels_, KMeans(6, random_state=0).fit(X).labels_)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(X[["v", "u"]])


def test_estimators_of_no_kind(table):
    frame, _ = table
    mixture = GaussianMixture(2, random_state=0)
    model = GroupedEstimator(mixture, "kind").fit(frame)
    proba = model.predict_proba(frame)
    assert proba.shape == (66, 2)
    rows = frame["kind"] == "ss"
    bare = clone(mixture).fit(frame.loc[rows, ["u", "v"]])
    assert_array_equal(proba[rows], bare.predict_proba(frame.loc[rows, ["u", "v"]]))
    assert_array_equal(model.predict(frame), proba.argmax(axis=1))


def test_parts(table):
    frame, _ = table
    model = GroupedEstimator(KMeans(2), "kind", random_state=0).fit(frame)
    some = frame[frame["kind"] != "as"]
    labels = np.full(len(some), -1)
    for copy, part, rows, offset in model.split_by_group(some):
        assert part.columns.tolist() == ["u", "v"]
        assert part.index.equals(some.index[rows])
        labels[rows] = copy.predict(part) + offset
    assert_array_equal(labels, model.predict(some))
    with pytest.raises(NotFittedError):
        clone(model).split_by_group(frame)


def test_refit_leaves_nothing_behind(table):
    frame, y = table
    model = GroupedEstimator(KMeans(2), "kind").fit(frame)
    model.set_params(estimator=KNeighborsClassifier(1)).fit(frame, y)
    for name in ("labels_", "clusters_", "offsets_"):
        assert not hasattr(model, name)
    assert model.split_by_group(frame)[2][3] == 0
    model.set_params(estimator=StandardScaler()).fit(frame)
    assert not hasattr(model, "classes_")


def test_unknown_classes(subtests, table):
    for unknown in ["?", None, "", "nan"]:
        with subtests.test(unknown=unknown):
            frame, half = table
            y = np.where(
                np.arange(66) < 5, unknown, np.array(list("abcdef"), object)[half]
            )
            message = "5 of 66 entries mean unknown .*: leave these samples out"
            model = GroupedEstimator(KNeighborsClassifier(1), "kind")
            with pytest.raises(ValueError, match=message):
                model.fit(frame, y)
            model.fit(frame[5:], y[5:])
            with pytest.raises(ValueError, match=message):
                model.score(frame, y)
            # A classifier that takes them.
            model = GroupedEstimator(NtacClassifier(), "kind").fit(frame, y)
            assert model.classes_.tolist() == list("abcdef")
            assert model.score(frame[5:], y[5:]) == 1
            # For clusterers, y means nothing.
            GroupedEstimator(KMeans(2, random_state=0), "kind").fit(frame, y)


def test_bad_input(table):
    frame, y = table
    classifier = GroupedEstimator(KNeighborsClassifier(1), "kind")
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        classifier.fit(frame, np.append(y, y))
    with pytest.raises(ValueError, match="one label per sample"):
        classifier.fit(frame, np.column_stack([y, y]))
    with pytest.raises(ValueError, match="DataFrame with 0 samples"):
        classifier.fit(frame, y).predict(frame[:0])
    with pytest.raises(
        ValueError, match="must contain either strings or numbers, got int"
    ):
        classifier.fit(frame.assign(kind=[1, "a"] * 33), y)


def test_input_is_not_changed(table):
    for form in FORMS:
        X, by = as_input(table[0].copy(), form)
        kept = X.copy()
        model = GroupedEstimator(InductiveClusterer(KMeans(2)), by).fit(X)
        model.predict(X)
        if hasattr(X, "equals"):
            assert X.equals(kept)
        else:
            assert_array_equal(X, kept)


def test_parameters_of_the_copy_are_tuned(table):
    frame, y = table
    model = GroupedEstimator(KNeighborsClassifier(), "kind")
    search = GridSearchCV(
        model, {"estimator__n_neighbors": [1, 3], "group": ["kind"]}, cv=2
    ).fit(frame, y)
    assert search.best_score_ > 0.9
    scores = cross_val_score(GroupedEstimator(LinearRegression(), "kind"), frame, y)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("form", ["frame", "floats"])
def test_clone_pickle_and_skops(table, form):
    X, by = as_input(table[0], form)
    model = GroupedEstimator(InductiveClusterer(KMeans(2)), by, random_state=0).fit(X)
    assert repr(clone(model)) == repr(model)
    for loaded in (through_pickle(model), through_skops(model)):
        assert set(vars(loaded)) == set(vars(model))
        assert_array_equal(loaded.predict(X), model.predict(X))
        assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


# ------------------------------------------------------------------------- shared steps


def test_shared_steps_are_fitted_to_all_groups():
    rng = np.random.default_rng(0)
    X = np.column_stack([np.arange(60) % 3, rng.normal(size=(60, 2))])
    X[X[:, 0] == 1, 1] += 10
    pipeline = make_pipeline(StandardScaler(), PCA(1), KMeans(2, n_init=1))
    grouped = GroupedEstimator(pipeline, 0, shared_steps=1, random_state=0).fit(X)
    scaler = StandardScaler().fit(X[:, 1:])
    for group, copy in grouped.estimators_.items():
        assert copy[0] is grouped.estimators_[0.0][0], "one scaler for all"
        assert_allclose(copy[0].mean_, scaler.mean_)
        rows = X[X[:, 0] == group, 1:]
        # The other steps are fitted to the group alone.
        assert_allclose(copy[1].mean_, scaler.transform(rows).mean(axis=0))
    assert grouped.predict(X).shape == (60,)
    own = GroupedEstimator(pipeline, 0, random_state=0).fit(X)
    assert own.estimators_[0.0][0] is not own.estimators_[1.0][0]
    assert not np.allclose(own.estimators_[1.0][0].mean_, scaler.mean_)
    again = pickle.loads(pickle.dumps(grouped))
    assert_array_equal(again.predict(X), grouped.predict(X))
    assert not hasattr(pipeline[0], "mean_"), "what was given is not fitted"


def test_shared_steps_of_groups_that_are_noise():
    X = np.column_stack([np.r_[np.zeros(30), 1], np.r_[np.arange(30.0), 1e6]])
    pipeline = make_pipeline(StandardScaler(), KMeans(2, n_init=1))
    grouped = GroupedEstimator(pipeline, 0, handle_small="noise", shared_steps=1)
    grouped.fit(X)
    assert grouped.estimators_[0.0][0].mean_[0] == 14.5
    assert grouped.labels_[-1] == -1
    alone = GroupedEstimator(pipeline, shared_steps=1, random_state=0).fit(X[:, 1:])
    assert alone.labels_.shape == (31,)


@pytest.mark.parametrize(
    ("estimator", "found"),
    [
        (make_pipeline(StandardScaler(), KMeans(2)), r"Pipeline has 2"),
        (KMeans(2), "KMeans has 0"),
    ],
)
def test_shared_steps_must_leave_a_step(estimator, found):
    with pytest.raises(ValueError, match=rf"shared_steps \(2\) must be .* {found}"):
        GroupedEstimator(estimator, shared_steps=2).fit(np.eye(5))


def test_small_groups_say_what_can_be_done():
    X = np.column_stack([np.repeat([0.0, 1, 2], [20, 2, 3]), np.arange(25.0)])
    grouped = GroupedEstimator(KMeans(2), 0, min_group_size=6)
    with pytest.raises(
        ValueError, match=r"=6 samples: .*, pool them .* label them as noi"
    ):
        grouped.fit(X)
    grouped.set_params(handle_small="pool")
    with pytest.raises(
        ValueError, match=r"even if pooled: .*size, or label them as noise"
    ):
        grouped.fit(X)


def test_a_failed_fit_predict_or_fit_transform_changes_nothing(table):
    frame, _ = table
    for method, estimator in (("fit_predict", KMeans(2)), ("fit_transform", PCA(1))):
        model = GroupedEstimator(estimator, "kind").fit(frame)
        before = vars(model).copy()
        with pytest.raises(ValueError, match=r"NaN|does not accept missing"):
            getattr(model, method)(frame.assign(v=np.nan))
        assert vars(model) == before


def test_predictions_after_a_failed_fit_are_those_before(subtests, table):
    cases = [
        {"group": "nope"},
        {"estimator": LogisticRegression(C=-1)},
        {"shared_steps": 5},
    ]
    for changed in cases:
        with subtests.test(changed=changed):
            frame, _ = table
            estimator = InductiveClusterer(KMeans(2))
            model = GroupedEstimator(estimator, "kind", random_state=0).fit(frame)
            expected = model.predict(frame), model.predict_proba(frame)
            model.set_params(**changed)
            with pytest.raises((ValueError, TypeError)):
                model.fit(frame)
            assert_array_equal(model.predict(frame), expected[0])
            assert_array_equal(model.predict_proba(frame), expected[1])
            assert is_clusterer(model) == ("estimator" not in changed)


def test_unknown_groups_are_noise_for_clusterers_alone(table):
    frame, y = table
    model = GroupedEstimator(KNeighborsClassifier(1), "kind").fit(frame, y)
    model.set_params(handle_unknown="noise")
    with pytest.raises(ValueError, match="contains groups that were not in fit: 'x'"):
        model.predict(frame.assign(kind="x"))


def test_groups_of_another_kind(table):
    frame, y = table
    model = GroupedEstimator(KNeighborsClassifier(1), "kind").fit(frame, y)
    message = "not in fit: 5, which are numbers, but those in fit are text such as 'as'"
    with pytest.raises(ValueError, match=message):
        model.predict(frame.assign(kind=5))
