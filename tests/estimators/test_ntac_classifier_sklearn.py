"""NtacClassifier: pickles, clones, and tools of scikit-learn."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import subprocess
import sys
import warnings

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_blobs
from sklearn.ensemble import StackingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import (
    GridSearchCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MaxAbsScaler

from celltyping import NtacClassifier, SeedShuffleSplit, TypeProfile
from celltyping.metrics import make_typed_scorer
from tests._comparison import assert_same_answers
from tests._ntac import CLASSIFIER_SETTINGS, classifier_answers, make_typed_brain


@pytest.fixture(scope="module")
def brain():
    return make_typed_brain()


# ------------------------------------------------------------------ pickles and clones


ASK_IN_A_FRESH_PROCESS = """
import sys
import joblib
import numpy as np
ntac, con = joblib.load(sys.argv[1])
types, similarities = ntac.rank_types(con, k=2)
np.savez(
    sys.argv[2],
    predict=ntac.predict(con[5:50]).astype(str),
    proba=ntac.predict_proba(con),
    types=types.astype(str),
    similarities=similarities,
    rows=ntac.predict_proba(con.adjacency),
)
"""


def test_a_pickle_answers_the_same_in_a_fresh_process(brain, tmp_path):
    con, y, _ = brain
    ntac = NtacClassifier().fit(con, y)
    joblib.dump((ntac, con), tmp_path / "model.joblib")
    loaded, own_con = joblib.load(tmp_path / "model.joblib")
    assert_same_answers(
        classifier_answers(loaded, own_con), classifier_answers(ntac, con)
    )
    subprocess.run(
        [
            sys.executable,
            "-c",
            ASK_IN_A_FRESH_PROCESS,
            tmp_path / "model.joblib",
            tmp_path / "answers.npz",
        ],
        check=True,
    )
    types, similarities = ntac.rank_types(con, k=2)
    with np.load(tmp_path / "answers.npz") as found:
        assert (found["predict"] == ntac.predict(con[5:50])).all()
        np.testing.assert_array_equal(found["proba"], ntac.predict_proba(con))
        assert (found["types"] == types).all()
        np.testing.assert_array_equal(found["similarities"], similarities)
        np.testing.assert_array_equal(found["rows"], ntac.predict_proba(con.adjacency))


def test_a_model_from_a_memory_map_answers_the_same(brain, tmp_path):
    con, y, _ = brain
    ntac = NtacClassifier().fit(con, y)
    joblib.dump((ntac, con), tmp_path / "model.joblib")
    mapped, own_con = joblib.load(tmp_path / "model.joblib", mmap_mode="r")
    assert_same_answers(
        classifier_answers(mapped, own_con), classifier_answers(ntac, con)
    )
    refitted = clone(mapped).fit(own_con, y)
    assert_same_answers(
        classifier_answers(refitted, own_con), classifier_answers(ntac, con)
    )


def test_clone(subtests, brain):
    for name, settings in CLASSIFIER_SETTINGS.items():
        with subtests.test(name=name):
            con, y, _ = brain
            ntac = NtacClassifier(**settings).fit(con, y)
            copy = clone(ntac)
            assert copy.get_params() == ntac.get_params()
            assert not hasattr(copy, "classes_")
            with pytest.raises(NotFittedError):
                copy.predict(con)


def test_a_second_fit_replaces_the_first(brain):
    con, y, _ = brain
    X, target = make_blobs(40, centers=2, random_state=0)
    expected = classifier_answers(NtacClassifier().fit(con, y), con)
    ntac = NtacClassifier().fit(X, target).fit(con, y)
    assert_same_answers(classifier_answers(ntac, con), expected)
    assert (ntac.fit(X, target).predict(X) == target).all()


# ------------------------------------------------------------------------ scikit-learn


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_grid_search(brain, n_jobs):
    con, _, target = brain
    y = np.where(np.arange(150) < 120, target, "?").astype(object)
    search = GridSearchCV(
        NtacClassifier(tol=0.1),
        {"membership": ["hard", "soft"], "n_neighbors": [1, 3]},
        cv=SeedShuffleSplit(2, train_size=0.3, random_state=0),
        n_jobs=n_jobs,
        error_score="raise",
    ).fit(con, y)
    assert search.best_score_ > 0.6
    assert search.cv_results_["split0_test_score"].std() > 0
    assert search.best_estimator_.transduction_.shape == (150,)
    assert accuracy_score(target, search.predict(con)) > 0.9
    assert search.score(con, y) == 1


def test_grid_search_with_a_scorer_of_typed_nodes(brain):
    con, _, target = brain
    y = np.where(np.arange(150) < 120, target, "?").astype(object)
    scorers = {
        "macro": make_typed_scorer(f1_score, average="macro"),
        "accuracy": make_typed_scorer(accuracy_score),
    }
    search = GridSearchCV(
        NtacClassifier(tol=0.1),
        {"consensus_weight": [0, 0.5]},
        scoring=scorers,
        refit="macro",
        # Unlike SeedShuffleSplit's, these folds hold nodes of unknown type.
        cv=[(np.arange(0, 150, 2), np.arange(1, 150, 2))],
        error_score="raise",
    ).fit(con, y)
    assert search.cv_results_["mean_test_macro"].min() > 0.5
    expected = [
        NtacClassifier(tol=0.1, consensus_weight=weight)
        .fit(con[::2], y[::2])
        .score(con[1::2], y[1::2])
        for weight in (0, 0.5)
    ]
    assert search.cv_results_["mean_test_accuracy"].tolist() == expected


def test_cross_validation_uses_all_edges(brain):
    con, _, target = brain
    predicted = cross_val_predict(NtacClassifier(tol=0.1), con, target, cv=3)
    assert accuracy_score(target, predicted) > 0.85
    typed = np.flatnonzero(np.arange(150) % 5 > 0)
    probabilities = cross_val_predict(
        NtacClassifier(tol=0.1),
        con[typed],
        target[typed],
        cv=3,
        method="predict_proba",
    )
    assert probabilities.shape == (120, 4)
    # Cut out of the matrix, the folds lose the synapses between them.
    matrix = con.adjacency.toarray()
    cut = NtacClassifier(tol=0.1, affinity="precomputed")
    apart = cross_val_score(cut, matrix, target, cv=3).mean()
    assert apart < accuracy_score(target, predicted)


def test_nested_cross_validation(brain):
    con, _, target = brain
    inner = GridSearchCV(
        NtacClassifier(tol=0.2),
        {"edge_weighting": ["linear", "sqrt"]},
        cv=SeedShuffleSplit(2, train_size=0.5, random_state=0),
        error_score="raise",
    )
    outer = SeedShuffleSplit(2, train_size=0.5, random_state=1)
    scores = cross_validate(inner, con, target, cv=outer, error_score="raise")
    assert scores["test_score"].min() > 0.7


def test_calibration(brain):
    con, y, target = brain
    typed = y != "?"
    calibrated = CalibratedClassifierCV(NtacClassifier(tol=0.2), cv=3)
    calibrated.fit(con[typed], y[typed])
    assert accuracy_score(target, calibrated.predict(con)) > 0.8
    np.testing.assert_allclose(calibrated.predict_proba(con).sum(axis=1), 1)


def test_stacking(brain):
    con, y, target = brain
    typed = y != "?"
    stack = StackingClassifier(
        [
            ("ntac", NtacClassifier(tol=0.2)),
            (
                "profile",
                make_pipeline(TypeProfile(), MaxAbsScaler(), LogisticRegression()),
            ),
        ],
        cv=3,
    ).fit(con[typed], y[typed])
    assert accuracy_score(target, stack.predict(con)) > 0.8


def test_pipelines(brain):
    con, y, target = brain
    typed = y != "?"
    alone = Pipeline([("ntac", NtacClassifier())]).fit(con, y)
    expected = NtacClassifier().fit(con, y)
    assert (alone.predict(con) == expected.transduction_).all()
    assert (alone.predict_proba(con) == expected.predict_proba(con)).all()
    assert (alone.classes_ == expected.classes_).all()
    profile = make_pipeline(TypeProfile(), MaxAbsScaler(), LogisticRegression())
    profile.fit(con[typed], y[typed])
    assert accuracy_score(target, profile.predict(con)) > 0.7
    search = GridSearchCV(
        profile,
        {"typeprofile__edge_weighting": ["linear", "sqrt"]},
        cv=3,
        error_score="raise",
    ).fit(con[typed], y[typed])
    assert search.best_score_ > 0.5


def test_bootstraps_repeat_nodes(brain):
    con, y, _ = brain
    rows = np.random.default_rng(0).integers(0, 150, 150)
    ntac = NtacClassifier(tol=0.1).fit(con[rows], y[rows])
    known = y[rows] != "?"
    assert (ntac.transduction_[known] == y[rows][known]).all()
    assert ntac.predict_proba(con).shape == (150, 4)


def test_no_warnings(brain):
    con, y, _ = brain
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ntac = NtacClassifier().fit(con, y)
        classifier_answers(ntac, con)
        classifier_answers(ntac, con.adjacency)
