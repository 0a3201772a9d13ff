"""NtacClusterer: pickles, clones, and tools of scikit-learn."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import pickle
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.metrics import adjusted_rand_score, make_scorer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from celltyping import NtacClusterer
from celltyping.metrics import matched_accuracy_score
from tests._comparison import assert_same_answers
from tests._ntac import (
    CLUSTERER_SETTINGS,
    clusterer_answers,
    make_islands,
    make_untyped_brain,
)

SETTINGS = {
    name: {"random_state": 0, **options} for name, options in CLUSTERER_SETTINGS.items()
}


@pytest.fixture(scope="module")
def brain():
    return make_untyped_brain()


@pytest.fixture(scope="module")
def islands(brain):
    return make_islands(brain[0])


# ------------------------------------------------------------------ pickles and clones


def test_a_pickle_answers_the_same(subtests, brain, tmp_path):
    for name, settings in SETTINGS.items():
        with subtests.test(name=name):
            con, _ = brain
            ntac = NtacClusterer(6, warm_start=True, **settings).fit(con)
            expected = clusterer_answers(ntac, con)
            loaded, own_con = pickle.loads(pickle.dumps((ntac, con)))
            assert_same_answers(clusterer_answers(loaded, own_con), expected)
            joblib.dump((ntac, con), tmp_path / "model.joblib")
            mapped, own_con = joblib.load(tmp_path / "model.joblib", mmap_mode="r")
            assert_same_answers(clusterer_answers(mapped, own_con), expected)
            rows = con.adjacency.toarray()[:9]
            for model in (loaded, mapped):
                np.testing.assert_array_equal(
                    model.transform(rows), ntac.transform(rows)
                )
                assert (model.labels_at(3) == ntac.labels_at(3)).all()
                more = model.set_params(n_clusters=8).fit(own_con)
                fresh = clone(ntac).set_params(
                    n_clusters=8, degree_correction=ntac.degree_correction_
                )
                assert (more.labels_ == fresh.fit(con).labels_).all()


def test_clone(subtests, brain):
    for name, settings in SETTINGS.items():
        with subtests.test(name=name):
            con, _ = brain
            ntac = NtacClusterer(6, **settings).fit(con)
            copy = clone(ntac)
            assert copy.get_params() == ntac.get_params()
            assert not hasattr(copy, "labels_")
            for ask in (copy.predict, copy.transform):
                with pytest.raises(NotFittedError):
                    ask(con)
            with pytest.raises(NotFittedError):
                copy.labels_at(2)


@pytest.mark.parametrize("warm_start", [False, True])
def test_a_second_fit_replaces_the_first(brain, warm_start):
    con, _ = brain
    X, target = make_blobs(150, centers=2, cluster_std=0.5, random_state=0)
    ntac = NtacClusterer(2, random_state=0, warm_start=warm_start)
    expected = clusterer_answers(clone(ntac).fit(con), con)
    ntac.fit(X)
    assert adjusted_rand_score(target, ntac.labels_) == 1
    assert_same_answers(clusterer_answers(ntac.fit(con), con), expected)
    ntac.fit(X)
    assert adjusted_rand_score(target, ntac.predict(X)) == 1
    with pytest.raises(ValueError, match="was fitted on a matrix with 2 columns"):
        ntac.predict(con)


# ------------------------------------------------------------------------ scikit-learn


def test_names_of_columns(brain):
    con, _ = brain
    ntac = NtacClusterer(3, n_init=1).fit(con)
    names = ["ntacclusterer0", "ntacclusterer1", "ntacclusterer2"]
    assert ntac.get_feature_names_out().tolist() == names
    table = ntac.set_output(transform="pandas").transform(con)
    assert isinstance(table, pd.DataFrame)
    assert table.columns.tolist() == names
    np.testing.assert_array_equal(
        table, ntac.set_output(transform="default").transform(con)
    )
    with pytest.raises(NotFittedError):
        NtacClusterer().get_feature_names_out()


def test_fit_predict_and_fit_transform(subtests, brain):
    for name, settings in SETTINGS.items():
        with subtests.test(name=name):
            con, _ = brain
            ntac = NtacClusterer(5, **settings).fit(con)
            assert (clone(ntac).fit_predict(con) == ntac.labels_).all()
            np.testing.assert_array_equal(
                clone(ntac).fit_transform(con), ntac.transform(con)
            )
            assert (clone(ntac).fit(con, y=brain[1]).labels_ == ntac.labels_).all()


def test_pipelines(brain):
    con, target = brain
    similarities = make_pipeline(
        NtacClusterer(20, random_state=0), KMeans(5, n_init=3, random_state=0)
    ).fit(con)
    assert similarities.predict(con[:30]).shape == (30,)
    assert matched_accuracy_score(target, similarities.predict(con)) > 0.7
    alone = make_pipeline(NtacClusterer(5, random_state=0)).fit(con)
    assert matched_accuracy_score(target, alone.predict(con)) > 0.9


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_grid_search(brain, n_jobs):
    con, target = brain
    search = GridSearchCV(
        NtacClusterer(n_init=2, random_state=0),
        {"n_clusters": [2, 5], "edge_weighting": ["sqrt", "linear"]},
        scoring=make_scorer(matched_accuracy_score),
        cv=3,
        n_jobs=n_jobs,
        error_score="raise",
    )
    with joblib.parallel_config("threading"):
        search.fit(con, target)
    assert search.best_params_["n_clusters"] == 5
    assert search.best_score_ > 0.9
    assert matched_accuracy_score(target, search.predict(con)) > 0.9
    assert search.best_estimator_.labels_.shape == (200,)


def test_grid_search_on_a_matrix(brain):
    con, target = brain
    search = GridSearchCV(
        NtacClusterer(n_init=2, random_state=0, affinity="precomputed"),
        {"n_clusters": [2, 5]},
        scoring=make_scorer(matched_accuracy_score),
        cv=[(np.arange(0, 200, 2), np.arange(1, 200, 2))],
        error_score="raise",
    ).fit(con.adjacency.toarray(), target)
    assert search.best_params_ == {"n_clusters": 5}


def test_no_warnings(subtests, brain, islands):
    for name, settings in SETTINGS.items():
        with subtests.test(name=name), warnings.catch_warnings():
            warnings.simplefilter("error")
            for con in (brain[0], islands[0]):
                ntac = NtacClusterer(5, **settings).fit(con)
                clusterer_answers(ntac, con)
                ntac.transform(con.adjacency)
