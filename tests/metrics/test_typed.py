"""Metrics and scorers for the samples of known type."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import DataConversionWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    log_loss,
    precision_recall_fscore_support,
    top_k_accuracy_score,
)
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.semi_supervised import LabelPropagation

from celltyping import Connectome
from celltyping.metrics import make_typed_scorer, ranked_accuracy_score, type_report

TYPES = ["KC", "LHN", "PN"]


@pytest.fixture
def table():
    """Return features and types of 60 samples, a third of them of unknown type."""
    rng = np.random.RandomState(0)
    X = rng.normal(size=(60, 2))
    y = np.array(TYPES)[np.arange(60) % 3].astype(object)
    X[:, 0] += 2.0 * (np.arange(60) % 3)
    typed = y.copy()
    typed[rng.permutation(60)[:20]] = "?"
    return X, typed


class Recorder(ClassifierMixin, BaseEstimator):
    """Predicts one type and stores the X of its last prediction."""

    def predict(self, X):
        self.X = X
        return np.full(len(X), "KC")


def test_scorer_equals_the_metric_on_known_samples(table):
    X, y = table
    known = y != "?"
    model = KNeighborsClassifier(3).fit(X[known], y[known])
    scorer = make_typed_scorer(f1_score, average="macro")
    expected = f1_score(y[known], model.predict(X[known]), average="macro")
    assert scorer(model, X, y) == expected
    assert scorer(model, X[known], y[known]) == expected
    assert scorer(model, X.tolist(), y.tolist()) == expected


def test_scorer_predicts_only_for_known_samples(table):
    X, y = table
    model = Recorder()
    assert make_typed_scorer(accuracy_score)(model, X, y) == np.mean(
        y[y != "?"] == "KC"
    )
    assert np.array_equal(model.X, X[y != "?"])


def test_scorer_slices_a_connectome():
    con = Connectome(np.ones((10, 10)))
    model = Recorder()
    view = con[[4, 2, 9]]
    assert make_typed_scorer(accuracy_score)(model, view, ["KC", "?", "PN"]) == 0.5
    assert model.X.graph is con.graph
    assert model.X.node_ids.tolist() == [4, 9]


def test_scorer_passes_x_unchanged_if_all_types_are_known(table):
    X, _ = table
    model = Recorder()
    make_typed_scorer(accuracy_score)(model, X, ["KC"] * 60)
    assert model.X is X


def test_scorer_of_numbers_and_none(table):
    X, _ = table
    y = np.arange(60) % 2
    model = LogisticRegression().fit(X, y)
    partly = y.astype(object)
    partly[:30] = None
    scorer = make_typed_scorer(accuracy_score)
    assert scorer(model, X, partly) == model.score(X[30:], y[30:])
    assert scorer(model, X, pd.Series(partly)) == model.score(X[30:], y[30:])


def test_scorer_marker(table):
    X, y = table
    model = Recorder()
    y = np.where(y == "?", "KC", "no")
    assert make_typed_scorer(accuracy_score)(model, X, y) == 1 / 3
    assert make_typed_scorer(accuracy_score, unlabeled_marker="no")(model, X, y) == 1


def test_scorer_of_a_column(table):
    X, y = table
    scorer = make_typed_scorer(accuracy_score)
    with pytest.warns(DataConversionWarning, match="column-vector"):
        score = scorer(Recorder(), X, y[:, np.newaxis])
    assert score == scorer(Recorder(), X, y)


def test_names_that_may_be_unknown_warn_once(table):
    X, y = table
    y = np.where(y == "?", "unassigned", y)
    message = r"takes these labels in y as types .*: 'unassigned' \(\d+\)"
    for call in (
        lambda: make_typed_scorer(accuracy_score)(Recorder(), X, y),
        lambda: type_report(y, y),
        lambda: ranked_accuracy_score(y, y[:, np.newaxis]),
    ):
        with pytest.warns(UserWarning, match=message) as record:
            call()
        assert len(record) == 1


def test_scorer_of_a_loss(table):
    X, y = table
    known = y != "?"
    model = LogisticRegression().fit(X[known], y[known])
    scorer = make_typed_scorer(
        log_loss, response_method="predict_proba", greater_is_better=False
    )
    expected = log_loss(y[known], model.predict_proba(X[known]))
    assert scorer(model, X, y) == pytest.approx(-expected)
    zero_one = make_typed_scorer(accuracy_score, greater_is_better=False)
    assert zero_one(model, X, y) == -model.score(X[known], y[known])


@pytest.mark.parametrize("response_method", ["predict_proba", "decision_function"])
def test_scorer_where_a_type_is_not_tested(table, response_method):
    X, y = table
    known = y != "?"
    model = LogisticRegression().fit(X[known], y[known])
    rows = np.flatnonzero(known & (y != "PN"))
    partly = np.append(rows, np.flatnonzero(~known))
    scorer = make_typed_scorer(
        top_k_accuracy_score, response_method=response_method, k=2
    )
    expected = top_k_accuracy_score(
        y[rows], model.predict_proba(X[rows]), k=2, labels=model.classes_
    )
    assert scorer(model, X[partly], y[partly]) == expected


def test_scorer_uses_the_first_available_response(table):
    X, y = table
    known = y != "?"
    model = KNeighborsClassifier(3).fit(X[known], y[known])  # no decision_function
    scorers = [
        make_typed_scorer(top_k_accuracy_score, response_method=response, k=2)
        for response in (["decision_function", "predict_proba"], "predict_proba")
    ]
    assert scorers[0](model, X, y) == scorers[1](model, X, y)


def test_scorer_of_two_types(table):
    X, y = table
    rows = y != "PN"
    known = rows & (y != "?")
    model = LogisticRegression().fit(X[known], y[known])
    macro = make_typed_scorer(f1_score, average="macro")
    expected = f1_score(y[known], model.predict(X[known]), average="macro")
    assert macro(model, X[rows], y[rows]) == expected
    loss = make_typed_scorer(log_loss, response_method="predict_proba")
    expected = log_loss(y[known], model.predict_proba(X[known]))
    assert loss(model, X[rows], y[rows]) == pytest.approx(expected)


def test_scorer_refuses_types_without_a_column(table):
    X, y = table
    seen = (y == "KC") | (y == "LHN")
    model = LogisticRegression().fit(X[seen], y[seen])
    scorer = make_typed_scorer(log_loss, response_method="predict_proba")
    with pytest.raises(ValueError, match=r"log_loss.* but y has others: 'PN'"):
        scorer(model, X, y)


def test_scorer_refuses_unknown_alone(table):
    X, _ = table
    scorer = make_typed_scorer(accuracy_score)
    message = r"accuracy_score.* needs labelled samples, but all 60 labels in y are unk"
    with pytest.raises(ValueError, match=message):
        scorer(Recorder(), X, ["?"] * 60)


def test_scorer_refuses_another_length(table):
    X, y = table
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        make_typed_scorer(accuracy_score)(Recorder(), X, y[:-1])


def test_scorer_refuses_bad_arguments():
    with pytest.raises(TypeError, match=r"score_func must be a callable.*'f1_macro'"):
        make_typed_scorer("f1_macro")
    with pytest.raises(ValueError, match="response_method"):
        make_typed_scorer(accuracy_score, response_method="guess")


def test_scorer_repr_and_pickle(table):
    X, _ = table
    scorer = make_typed_scorer(f1_score, average="macro", greater_is_better=False)
    assert repr(scorer) == (
        "make_typed_scorer(f1_score, response_method='predict', "
        "greater_is_better=False, average='macro')"
    )
    again = pickle.loads(pickle.dumps(scorer))
    model = Recorder()
    assert again(model, X, ["KC"] * 60) == scorer(model, X, ["KC"] * 60) == -1


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_scorer_in_a_grid_search(table, n_jobs):
    X, y = table
    y = np.where(y == "?", -1, np.arange(60) % 3)
    search = GridSearchCV(
        LabelPropagation(kernel="knn"),
        {"n_neighbors": [3, 5]},
        scoring=make_typed_scorer(accuracy_score),
        cv=[(np.arange(40), np.arange(40, 60))],
        n_jobs=n_jobs,
        error_score="raise",
    ).fit(X, y)
    model = LabelPropagation(kernel="knn", n_neighbors=3).fit(X[:40], y[:40])
    known = np.arange(60)[40:][y[40:] >= 0]
    expected = model.score(X[known], y[known])
    assert search.cv_results_["mean_test_score"][0] == expected
    assert search.score(X, y) > 0.5


def test_scorers_by_name(table):
    X, y = table
    known = y != "?"
    search = GridSearchCV(
        KNeighborsClassifier(),
        {"n_neighbors": [3]},
        scoring={
            "accuracy": make_typed_scorer(accuracy_score),
            "loss": make_typed_scorer(log_loss, response_method="predict_proba"),
        },
        refit="accuracy",
        cv=2,
        error_score="raise",
    ).fit(X[known], y[known])
    assert search.cv_results_["mean_test_loss"][0] > 0


def test_plain_scorer_counts_unknown_samples_as_errors(table):
    """Show the reason for the typed scorer."""
    X, y = table
    model = KNeighborsClassifier(3)
    train, test = np.flatnonzero(y != "?"), np.arange(60)
    plain = cross_val_score(model, X, y, cv=[(train, test)])
    typed = cross_val_score(
        model, X, y, cv=[(train, test)], scoring=make_typed_scorer(accuracy_score)
    )
    assert plain[0] == pytest.approx(typed[0] * len(train) / 60)


# --- ranked_accuracy_score


def test_ranked_accuracy():
    y = ["KC", "PN", "?", "LHN"]
    ranked = np.array([["KC", "PN"], ["KC", "PN"], ["KC", "PN"], ["KC", "PN"]])
    assert ranked_accuracy_score(y, ranked) == pytest.approx(2 / 3)
    assert ranked_accuracy_score(y, ranked, k=2) == pytest.approx(2 / 3)
    assert ranked_accuracy_score(y, ranked, k=1) == pytest.approx(1 / 3)
    assert ranked_accuracy_score(y[:2], ranked[:2], k=np.int64(1)) == 0.5


def test_ranked_accuracy_of_entries_without_a_type():
    ranked = np.array([["KC", None], [None, None]], dtype=object)
    assert ranked_accuracy_score(["KC", "KC"], ranked) == 0.5
    assert ranked_accuracy_score([3, 3, -1], [[3, -1], [2, -1], [-1, 3]]) == 0.5


def test_ranked_accuracy_marker():
    ranked = [["KC"], ["PN"]]
    assert ranked_accuracy_score(["KC", "no"], ranked) == 0.5
    assert ranked_accuracy_score(["KC", "no"], ranked, unlabeled_marker="no") == 1


@given(st.integers(0, 1000), st.integers(1, 4))
def test_ranked_accuracy_equals_top_k(seed, k):
    rng = np.random.RandomState(seed)
    y = rng.randint(5, size=12)
    scores = rng.permutation(60).reshape(12, 5)  # no ties
    ranked = np.argsort(-scores, axis=1)
    assert ranked_accuracy_score(y, ranked, k=k) == pytest.approx(
        top_k_accuracy_score(y, scores, k=k, labels=np.arange(5))
    )


def test_ranked_accuracy_refuses(subtests):
    for ranked, k, message in (
        (["KC", "PN"], None, r"shape \(n_samples, n_ranks\).* got \(2,\)"),
        (np.empty((2, 0)), None, r"at least one rank, got \(2, 0\)"),
        ([["KC"], ["PN"]], 2, "k must be an integer from 1 to 1, .* got 2"),
        ([["KC"], ["PN"]], 0, "k must be an integer from 1 to 1, .* got 0"),
        ([["KC"], ["PN"]], 1.0, "k must be an integer from 1 to 1, .* got 1.0"),
        ([["KC"]], None, "inconsistent numbers of samples"),
        ([[1], [2]], None, "one kind, got a mix of int, str"),
    ):
        with (
            subtests.test(ranked=ranked, k=k),
            pytest.raises(ValueError, match=message),
        ):
            ranked_accuracy_score(["KC", "PN"], ranked, k=k)


# --- type_report


def test_type_report():
    y_true = ["KC", "KC", "KC", "PN", "PN", "?", "?"]
    y_pred = ["KC", "KC", "PN", "PN", "LHN", "KC", "MBON"]
    report = type_report(y_true, y_pred)
    assert report.type.tolist() == ["KC", "LHN", "PN"]
    assert report.n_true.tolist() == [3, 0, 2]
    assert report.n_pred.tolist() == [2, 1, 2]
    assert report.n_correct.tolist() == [2, 0, 1]
    np.testing.assert_allclose(report.recall, [2 / 3, np.nan, 0.5])
    np.testing.assert_allclose(report.precision, [1, 0, 0.5])
    np.testing.assert_allclose(report.f1, [0.8, 0, 0.5])


def test_type_report_of_unknown_predictions():
    report = type_report(["KC", "PN"], ["KC", "?"])
    assert report.n_pred.tolist() == [1, 0]
    np.testing.assert_allclose(report.recall, [1, 0])
    np.testing.assert_allclose(report.precision, [1, np.nan])


def test_type_report_marker():
    report = type_report(["KC", "no"], ["KC", "KC"], unlabeled_marker="no")
    assert (report.type.tolist(), report.precision.tolist()) == (["KC"], [1.0])


def test_type_report_as_frame():
    y_true, y_pred = ["KC", "PN", "PN"], ["KC", "KC", "PN"]
    frame = type_report(y_true, y_pred, as_frame=True)
    report = type_report(y_true, y_pred)
    assert frame.index.name == "type"
    assert frame.index.tolist() == report.type.tolist()
    assert frame.columns.tolist() == [name for name in report if name != "type"]
    for name in frame:
        np.testing.assert_array_equal(frame[name], report[name])


@given(
    st.lists(
        st.tuples(st.sampled_from(TYPES), st.sampled_from(TYPES + ["MBON"])),
        min_size=1,
    )
)
def test_type_report_agrees_with_scikit_learn(rows):
    y_true, y_pred = (np.array(column) for column in zip(*rows, strict=True))
    report = type_report(y_true, y_pred)
    precision, recall, f1, n_true = precision_recall_fscore_support(
        y_true, y_pred, labels=report.type, zero_division=np.nan
    )
    np.testing.assert_allclose(report.precision, precision)
    np.testing.assert_allclose(report.recall, recall)
    np.testing.assert_allclose(report.f1, f1)
    np.testing.assert_array_equal(report.n_true, n_true)
    assert report.n_correct.sum() / len(rows) == accuracy_score(y_true, y_pred)


def test_type_report_refuses(subtests):
    for y_true, y_pred, message in (
        (["?"], ["KC"], "type_report needs labelled samples"),
        (["KC"], [["KC"]], "y_pred must be one-dimensional, got 2-D"),
        (["KC", "PN"], ["KC"], "inconsistent numbers of samples"),
    ):
        with subtests.test(message), pytest.raises(ValueError, match=message):
            type_report(y_true, y_pred)
