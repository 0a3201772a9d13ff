"""NtacClassifier: parameters, labels, prediction, and bad input."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from itertools import product

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.exceptions import (
    ConvergenceWarning,
    DataConversionWarning,
    NotFittedError,
)
from sklearn.metrics import accuracy_score

from celltyping import Connectome, NtacClassifier
from celltyping.estimators import _ntac_classifier
from celltyping.estimators._ntac import propagation
from tests._ntac import CLASSIFIER_SETTINGS, make_typed_brain, one_hot


@pytest.fixture(scope="module")
def brain():
    return make_typed_brain()


# -------------------------------------------------------------------------- parameters


# What must differ, as two settings of one parameter and what both share.
EFFECTS = {
    "n_neighbors": (1, 5, {}),
    "membership": ("soft", "hard", {}),
    "sharpness": (5.0, 40.0, {}),
    "max_memberships": (2, 4, {"sharpness": 2.0}),
    "second_order_weight": (0, 0.5, {}),
    "consensus_weight": (0, 0.5, {}),
    "feature_weight": (0, 2.0, {}),
    "edge_weighting": ("sqrt", "log1p", {}),
    "damping": (0.0, 0.7, {"tol": 0.2}),
    "tol": (0.0, 0.3, {"max_iter": 100}),
    "affinity": ("rbf", "nearest_neighbors", {"tol": 0.2}),
    "gamma": (None, 2.0, {"affinity": "rbf"}),
    "n_graph_neighbors": (3, 15, {"affinity": "nearest_neighbors", "tol": 0.2}),
}
# Those that change no answer, or the meaning of y, have tests of their own.
TESTED_APART = {"max_iter", "match_components", "unlabeled_marker", "n_jobs", "verbose"}


def test_every_parameter_is_tested():
    assert EFFECTS.keys() | TESTED_APART == NtacClassifier().get_params().keys()


def test_every_parameter_does_something(subtests, brain):
    for name in EFFECTS:
        with subtests.test(name=name):
            con, y, target = brain
            one, other, shared = EFFECTS[name]
            features = np.abs(np.random.default_rng(0).normal(10, 5, (150, 2)))
            features += 20 * one_hot(np.unique(target, return_inverse=True)[1], 2)
            X = Connectome(con.adjacency, node_features=features)
            if name in ("affinity", "gamma", "n_graph_neighbors"):
                X = features
            fits = [
                NtacClassifier(**shared, **{name: value}).fit(X, y)
                for value in (one, other)
            ]
            assert fits[0].predict_proba(X).shape == (150, 4)
            assert not np.allclose(fits[0].label_confidence_, fits[1].label_confidence_)


def test_node_features_tell_types_apart():
    # No node has a partner, so that the features decide alone.
    features = np.array([[9, 1], [1, 9], [8, 1], [2, 9], [0, 0]])
    con = Connectome(np.zeros((5, 5)), node_features=features)
    y = ["A", "B", "?", "?", "?"]
    ntac = NtacClassifier().fit(con, y)
    assert ntac.transduction_.tolist() == ["A", "B", "A", "B", "A"]
    assert ntac.label_confidence_[2:4].min() > 0.5
    assert ntac.label_confidence_[4] == 0
    ignored = NtacClassifier(feature_weight=0).fit(con, y)
    assert ignored.label_confidence_.tolist() == [1, 1, 0, 0, 0]


@pytest.mark.parametrize("membership", ["hard", "soft"])
def test_max_memberships_bounds_the_types_of_a_node(brain, membership):
    con, y, _ = brain
    ntac = NtacClassifier(
        sharpness=0.1, max_memberships=2, consensus_weight=0, membership=membership
    ).fit(con, y)
    n_types = (ntac.predict_proba(con) > 0).sum(axis=1)
    assert (n_types[y == "?"] == 2).all()
    ntac.set_params(max_memberships=100).fit(con, y)
    n_types = (ntac.predict_proba(con) > 0).sum(axis=1)
    assert (n_types[y == "?"] == 4).all()


def test_the_majority_wins_among_equal_neighbors():
    # Nodes 0-5 have the same description; with five votes, three Bs beat two As.
    adjacency = np.zeros((8, 8))
    adjacency[:6, 6] = 1
    y = ["A", "A", "B", "B", "B", "?", "P", "Q"]
    ntac = NtacClassifier(5, affinity="precomputed", consensus_weight=0)
    ntac.fit(adjacency, y)
    assert ntac.transduction_[5] == "B"


def test_too_few_steps_warn(brain):
    con, y, _ = brain
    with pytest.warns(ConvergenceWarning) as record:
        ntac = NtacClassifier(max_iter=2, tol=0).fit(con, y)
    assert len(record) == 1
    assert record[0].filename == __file__
    assert "NtacClassifier stopped after max_iter=2 steps" in str(record[0].message)
    assert f"{ntac.history_.changed[-1]:.2%} of the nodes" in str(record[0].message)
    assert ntac.n_iter_ == 2


def test_n_jobs_is_the_number_of_threads(brain, monkeypatch):
    con, y, _ = brain
    asked = []

    def parallel(n_jobs, **options):
        asked.append(n_jobs)
        return joblib.Parallel(n_jobs=n_jobs, **options)

    monkeypatch.setattr(_ntac_classifier, "Parallel", parallel)
    ntac = NtacClassifier(n_jobs=2).fit(con, y)
    ntac.rank_types(con)
    ntac.predict(con.adjacency)
    assert set(asked) == {2}


def test_a_progress_bar_is_shown_if_asked_for(brain, capsys):
    con, y, _ = brain
    NtacClassifier().fit(con, y).predict(con)
    assert capsys.readouterr() == ("", "")
    NtacClassifier(verbose=True).fit(con, y)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "NTAC steps" in shown.err
    assert "changed=" in shown.err


# ------------------------------------------------------------------------------ labels


STRINGS = np.array(["T0", "T1", "T2", "T3"], dtype=object)


def test_unknown_types_may_be_written_in_many_ways(subtests, brain):
    cases = [
        (STRINGS, "?", "auto"),
        (STRINGS, None, "auto"),
        (STRINGS, np.nan, "auto"),
        (STRINGS, pd.NA, "auto"),
        (STRINGS, "", ""),
        (STRINGS, "", "auto"),
        (STRINGS, "nan", "auto"),
        (STRINGS, "?", "unclear"),
        (STRINGS, None, ["unclear", "Unknown"]),
        (STRINGS, "Unknown", ["unclear", "Unknown"]),
        (STRINGS, "none", "none"),
        (np.array([0, 1, 2, 3]), -1, "auto"),
        (np.array([5, 7, 9, 11], dtype=object), None, "auto"),
        (np.array([0.0, 1.0, 2.0, 3.0]), np.nan, "auto"),
        (np.array([-1, 1, 2, 3]), 0, 0),
        (np.array([1, 2, 3, 2**63 + 1], dtype=np.uint64), 0, 0),
    ]
    for known_as, unknown, marker in cases:
        with subtests.test(known_as=known_as, unknown=unknown, marker=marker):
            con, y, target = brain
            classes = np.unique(target)
            expected = NtacClassifier().fit(con, y)
            codes = np.searchsorted(classes, target)
            written = np.array([known_as[code] for code in codes], dtype=known_as.dtype)
            written[y == "?"] = unknown
            for own_y in (written, list(written), pd.Series(written)):
                ntac = NtacClassifier(unlabeled_marker=marker).fit(con, own_y)
                assert ntac.classes_.tolist() == known_as.tolist()
                renamed = known_as[np.searchsorted(classes, expected.transduction_)]
                assert ntac.transduction_.tolist() == renamed.tolist()
                assert ntac.score(con, own_y) == 1


def test_a_binary_problem_with_the_types_minus_1_and_1(brain):
    con, _, target = brain
    y = np.where(target == target[0], 1, -1)
    ntac = NtacClassifier().fit(con[:100], y[:100])
    assert ntac.classes_.tolist() == [-1, 1]
    assert (ntac.transduction_ == y[:100]).all()
    assert accuracy_score(y[100:], ntac.predict(con[100:])) > 0.8


def test_types_may_be_dates(brain):
    con, y, target = brain
    expected = NtacClassifier().fit(con, y)
    days = np.unique(target, return_inverse=True)[1].astype("M8[D]")
    known = days.copy()
    known[y == "?"] = "NaT"
    ntac = NtacClassifier().fit(con, known)
    assert ntac.classes_.dtype == ntac.predict(con).dtype == "M8[D]"
    assert ntac.classes_.tolist() == np.unique(days).tolist()
    assert ntac.score(con, days) == expected.score(con, target)


def test_types_may_be_categories(brain):
    con, y, _ = brain
    expected = NtacClassifier().fit(con, y)
    column = pd.Series(y, dtype="category")
    assert (
        NtacClassifier().fit(con, column).transduction_ == expected.transduction_
    ).all()


# -------------------------------------------------------------------------- prediction


def test_rank_types(subtests, brain):
    for name, settings in CLASSIFIER_SETTINGS.items():
        with subtests.test(name=name):
            con, y, _ = brain
            ntac = NtacClassifier(**settings).fit(con, y)
            types, similarities = ntac.rank_types(con[20:60], k=4)
            assert types.shape == similarities.shape == (40, 4)
            assert similarities.dtype == np.float32
            assert (np.sort(types, axis=1) == ntac.classes_).all()
            assert similarities.min() >= 0
            assert similarities.max() <= 1
            probabilities = ntac.predict_proba(con[20:60])
            order = np.searchsorted(ntac.classes_, types)
            probabilities = np.take_along_axis(probabilities, order, axis=1)
            assert (np.diff(probabilities, axis=1) <= 0).all()
            zero = probabilities == 0
            assert (np.diff(similarities, axis=1) <= 0)[
                zero[:, 1:] & zero[:, :-1]
            ].all()
            for k in (1, 2, 3):
                fewer = ntac.rank_types(con[20:60], k=k)
                assert (fewer[0] == types[:, :k]).all()
                assert (fewer[1] == similarities[:, :k]).all()
            assert ntac.rank_types(con[20:60])[0].shape == (40, 3)


def test_a_labelled_node_is_most_similar_to_itself(brain):
    con, y, _ = brain
    ntac = NtacClassifier().fit(con, y)
    types, similarities = ntac.rank_types(con[y != "?"])
    assert (types[:, 0] == y[y != "?"]).all()
    np.testing.assert_allclose(similarities[:, 0], 1, rtol=1e-5)


def test_rank_types_refuses_other_numbers(subtests, brain):
    for k in [0, 5, -1, 2.0, "3", None]:
        with subtests.test(k=k):
            con, y, _ = brain
            ntac = NtacClassifier().fit(con, y)
            with pytest.raises(
                ValueError, match=r"k must be an integer between 1 and .* \(4\), got"
            ):
                ntac.rank_types(con, k=k)


def test_nearly_equal_probabilities_rank_as_in_predict(brain):
    con, y, _ = brain
    ntac = NtacClassifier().fit(con, y)
    close = np.array([[0.5 - 2**-54, 0.5, 0, 0]])
    probabilities = sparse.csr_array(np.tile(close, (150, 1)))
    types = propagation.most_likely(probabilities, np.full(4, 0.25))
    ntac._result = ntac._result._replace(types=types, probabilities=probabilities)
    ranked, _ = ntac.rank_types(con, k=1)
    assert (ranked[:, 0] == ntac.predict(con)).all()


def test_score_uses_known_types_alone(brain):
    con, y, target = brain
    ntac = NtacClassifier().fit(con, y)
    unknown = y == "?"
    expected = accuracy_score(target[unknown], ntac.transduction_[unknown])
    assert expected < 1
    assert ntac.score(con, np.where(unknown, target, "?")) == expected
    assert ntac.score(con[unknown], target[unknown]) == expected
    assert ntac.score(con, y) == 1
    hits = ntac.transduction_ == target
    weights = np.random.default_rng(0).random(150)
    judged = np.where(np.arange(150) < 100, target, "?")
    np.testing.assert_allclose(
        ntac.score(con, judged, sample_weight=weights),
        np.average(hits[:100], weights=weights[:100]),
    )


def test_a_fold_of_a_binary_problem_may_hold_minus_1_alone(brain):
    con, _, target = brain
    y = np.where(target == target[0], 1, -1)
    ntac = NtacClassifier().fit(con, y)
    assert ntac.score(con[y == -1], y[y == -1]) == 1


def test_a_fold_of_integers_may_hold_minus_1_and_1_alone(brain):
    con, _, target = brain
    y = np.unique(target, return_inverse=True)[1]
    ntac = NtacClassifier().fit(con, y)
    ones = np.flatnonzero(y == 1)
    judged = np.array([-1] + [1] * (len(ones) - 1))
    assert ntac.score(con[ones], judged) == 1


def test_score_needs_known_types(brain):
    con, y, _ = brain
    ntac = NtacClassifier().fit(con, y)
    with pytest.raises(ValueError, match="all 3 labels in y are unknown"):
        ntac.score(con[:3], ["?", "?", "?"])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        ntac.score(con, y[:10])


def test_score_with_bad_weights(subtests, brain):
    cases = [
        (np.ones(149), r"sample_weight.shape == \(149,\), expected \(150,\)"),
        (np.ones((150, 1)), "Sample weights must be 1D array or scalar, got 2D"),
        (np.full(150, np.nan), "sample_weight contains NaN"),
    ]
    for weights, message in cases:
        with subtests.test(weights=weights):
            con, y, _ = brain
            ntac = NtacClassifier().fit(con, y)
            with pytest.raises(ValueError, match=message):
                ntac.score(con, y, sample_weight=weights)


def test_score_with_weights_of_unknown_types_alone(brain):
    con, y, _ = brain
    ntac = NtacClassifier().fit(con, y)
    with pytest.raises(ValueError, match="sample_weight is 0 for all samples of known"):
        ntac.score(con, y, sample_weight=y == "?")


def test_score_of_a_column(brain):
    con, y, target = brain
    ntac = NtacClassifier().fit(con, y)
    with pytest.warns(DataConversionWarning, match="column-vector y was passed"):
        score = ntac.score(con, target[:, np.newaxis])
    assert score == ntac.score(con, target) < 1
    with pytest.raises(ValueError, match="y should be a 1d array"):
        ntac.score(con, np.column_stack([target, target]))


def test_any_view_has_the_joint_answer(subtests, brain):
    for name, settings in CLASSIFIER_SETTINGS.items():
        with subtests.test(name=name):
            con, y, _ = brain
            rows = np.flatnonzero(y != "?")
            all_in_view = NtacClassifier(**settings).fit(con, y)
            ntac = NtacClassifier(**settings).fit(con[rows], y[rows])
            assert len(ntac.transduction_) == len(ntac.label_confidence_) == len(rows)
            assert (ntac.transduction_ == y[rows]).all()
            assert ntac.n_features_in_ == 150
            order = np.random.default_rng(0).permutation(150)[:70]
            expected = all_in_view.predict_proba(con)
            np.testing.assert_array_equal(
                ntac.predict_proba(con[order]), expected[order]
            )
            same_graph = Connectome(con.adjacency.toarray(), con.node_ids)
            assert (ntac.predict(same_graph) == all_in_view.transduction_).all()
            assert (ntac.predict(con[7]) == all_in_view.transduction_[7]).all()


def test_an_empty_view_has_empty_classifier_answers(brain):
    con, y, _ = brain
    ntac = NtacClassifier().fit(con, y)
    empty = con[[]]
    assert ntac.predict(empty).shape == (0,)
    assert ntac.predict_proba(empty).shape == (0, 4)
    types, similarities = ntac.rank_types(empty, k=2)
    assert types.shape == similarities.shape == (0, 2)


def test_new_rows_get_shares_as_in_the_fit():
    # Nodes 0-9 only send and 10-13 only receive, so that new rows lack nothing.
    rng = np.random.default_rng(0)
    adjacency = np.zeros((14, 14))
    adjacency[:5, 10:] = rng.uniform([3, 3, 1, 1], [9, 9, 4, 4], (5, 4))
    adjacency[5:10, 10:] = rng.uniform([1, 1, 3, 3], [4, 4, 9, 9], (5, 4))
    y = np.array(list("AA???BB???CDEF"), dtype=object)
    ntac = NtacClassifier(second_order_weight=0, consensus_weight=0, sharpness=3.0)
    ntac.fit(Connectome(adjacency), y)
    joint = ntac.predict_proba(Connectome(adjacency))
    unlabelled = np.flatnonzero(y == "?")
    assert (joint[unlabelled, :2] > 0.01).all()
    np.testing.assert_allclose(
        ntac.predict_proba(adjacency[unlabelled]), joint[unlabelled], rtol=1e-5
    )


def test_new_rows_do_not_depend_on_one_another(subtests, brain):
    for fitted_on, (name, settings) in product(
        ["connectome", "matrix"], CLASSIFIER_SETTINGS.items()
    ):
        with subtests.test(fitted_on=fitted_on, name=name):
            con, y, _ = brain
            rows = con.adjacency.toarray()[:20]
            ntac = NtacClassifier(**settings)
            if fitted_on == "connectome":
                ntac.fit(con, y)
            else:
                ntac.set_params(affinity="precomputed").fit(con.adjacency, y)
            together = ntac.predict_proba(rows)
            one_by_one = np.vstack(
                [ntac.predict_proba(row[np.newaxis]) for row in rows]
            )
            np.testing.assert_array_equal(one_by_one, together)
            np.testing.assert_array_equal(
                ntac.predict_proba(rows[::-1]), together[::-1]
            )


def test_a_table_of_features(subtests):
    for affinity in ["auto", "rbf", "nearest_neighbors"]:
        with subtests.test(affinity=affinity):
            X, target = make_blobs(120, centers=3, cluster_std=0.7, random_state=0)
            y = np.where(np.arange(120) < 30, target, -1)
            ntac = NtacClassifier(affinity=affinity).fit(X[:90], y[:90])
            assert accuracy_score(target[:90], ntac.transduction_) > 0.9
            assert ntac.score(X[90:], target[90:]) > 0.9
            assert ntac.n_features_in_ == 2
            frame = pd.DataFrame(X, columns=["x", "y"])
            named = NtacClassifier(affinity=affinity).fit(frame[:90], y[:90])
            assert named.feature_names_in_.tolist() == ["x", "y"]
            assert (named.predict(frame[90:]) == ntac.predict(X[90:])).all()


def test_far_rows_of_a_table_do_no_harm():
    # Affinities of 0 once made a kernel write past its end, see test_affinity.
    X, target = make_blobs(60, centers=2, random_state=0)
    X = np.vstack([X, [[1e3, 1e3]]])
    y = np.r_[target[:20], [-1] * 41]
    ntac = NtacClassifier(gamma=1.0, membership="hard").fit(X, y)
    assert accuracy_score(target, ntac.transduction_[:60]) > 0.9
    assert ntac.label_confidence_[60] == 0


# --------------------------------------------------------------------------- bad input


def test_bad_types(subtests):
    cases = [
        (["A", "B", "?"], r"one type per sample of X: got 3 types for 4 samples"),
        (["?"] * 4, "needs labelled samples, but all 4 labels in y are unknown"),
        ([-1] * 4, "needs labelled samples, but all 4 labels in y are unknown"),
        (["A", "A", "?", "?"], r"at least 2 classes.*only one class: 'A'"),
        ([-1, 5, 5, -1], r"at least 2 classes.*only one class: 5"),
        (None, "requires y to be passed, but the target y is None"),
        ([0.5, 1.5, 0.0, 2.0], "Unknown label type: continuous"),
        (["A", 1, "B", 2], "types of one kind, got a mix of int, str"),
        ([["A", "B"]] * 4, "y should be a 1d array"),
    ]
    for y, message in cases:
        with subtests.test(y=y), pytest.raises(ValueError, match=message):
            NtacClassifier().fit(Connectome(np.ones((4, 4))), y)


def test_bad_markers(subtests, brain):
    for marker in [[], [["?"]], {"?": 1}, b"?"]:
        with subtests.test(marker=marker):
            con, y, _ = brain
            with pytest.raises(
                ValueError, match=r"unlabeled_marker must be 'auto', None, a"
            ):
                NtacClassifier(unlabeled_marker=marker).fit(con, y)


def test_types_that_may_mean_unknown_warn_once(brain):
    con, y, _ = brain
    expected = NtacClassifier().fit(con, y).transduction_
    own_y = np.where(y == "?", "Unassigned", y)
    message = r"NtacClassifier takes .*: 'Unassigned' \(\d+\)\. .*=\['Unassigned'\];"
    with pytest.warns(UserWarning, match=message) as record:
        ntac = NtacClassifier().fit(con, own_y)
    assert [warning.filename for warning in record] == [__file__]
    assert "Unassigned" in ntac.classes_
    ntac = NtacClassifier(unlabeled_marker=["Unassigned"]).fit(con, own_y)
    np.testing.assert_array_equal(ntac.transduction_, expected)
    assert "Unassigned" in NtacClassifier(unlabeled_marker="?").fit(con, own_y).classes_


def test_types_that_were_missing_in_a_table(brain):
    # What a table has in place of a missing type, after align or before.
    con, y, _ = brain
    expected = NtacClassifier().fit(con, y).transduction_
    types = pd.Series(np.where(y == "?", None, y), index=con.node_ids)
    for column in (types, types.fillna(""), types.map(str), types.fillna(" ")):
        for own_y in (con.align(column), column, column.to_numpy()):
            ntac = NtacClassifier(unlabeled_marker="unclear").fit(con, own_y)
            assert ntac.classes_.tolist() == sorted({*y} - {"?"})
            np.testing.assert_array_equal(ntac.transduction_, expected)


Y = ["A", "B", "?", "?"]


def test_bad_X(subtests):
    cases = [
        ("precomputed", -np.eye(4), ValueError, "Negative values in data"),
        ("precomputed", np.eye(4) * np.nan, ValueError, "Input X contains NaN"),
        ("precomputed", np.full((4, 4), np.inf), ValueError, "contains infinity"),
        ("precomputed", np.ones((4, 3)), ValueError, "takes a square matrix"),
        ("auto", sparse.eye_array(4), TypeError, r"pass Connectome\(X\) or affinity="),
        ("auto", np.full((4, 2), np.nan), ValueError, "Input X contains NaN"),
        ("rbf", Connectome(np.eye(4)), TypeError, "use affinity='auto'"),
        ("auto", Connectome(np.eye(4))[[]], ValueError, "X has none in view"),
        ("auto", Connectome(np.eye(4) * 1e38), ValueError, "weights of X add up to"),
        ("auto", [["a", "b"]] * 4, ValueError, "could not convert string"),
    ]
    for affinity, X, error, message in cases:
        with subtests.test(affinity=affinity, X=X), pytest.raises(error, match=message):
            NtacClassifier(affinity=affinity, edge_weighting="linear").fit(X, Y)


def test_node_features_that_float32_cannot_add_up_are_refused():
    con = Connectome(np.eye(4), node_features=np.full((4, 1), 1e30))
    with pytest.raises(
        ValueError, match=r"node features times feature_weight=1 add up to 4e\+30"
    ):
        NtacClassifier().fit(con, Y)


def test_a_table_too_large_for_an_rbf_affinity(monkeypatch):
    monkeypatch.setattr("celltyping.connectome._affinity.MAX_RBF_ROWS", 3)
    with pytest.raises(ValueError, match=r"4 of them \(at most 3\): use affinity="):
        NtacClassifier().fit(np.ones((4, 2)), Y)


def test_a_square_table_warns_where_it_was_passed():
    with pytest.warns(UserWarning, match="if it is an adjacency matrix") as record:
        NtacClassifier().fit(np.eye(4), Y)
    assert record[0].filename == __file__


def test_bad_X_of_a_fitted_model(brain):
    con, y, _ = brain
    ntac = NtacClassifier().fit(con, y)
    table = NtacClassifier(affinity="precomputed").fit(con.adjacency, y)
    other = Connectome(np.eye(3))
    for ask in ("predict", "predict_proba", "rank_types"):
        with pytest.raises(ValueError, match="X is a view of another graph"):
            getattr(ntac, ask)(other)
        with pytest.raises(ValueError, match="fitted on a matrix with 150 columns"):
            getattr(table, ask)(con)
        for model in (ntac, table):
            with pytest.raises(ValueError, match="X has 3 features, but Ntac"):
                getattr(model, ask)(np.ones((2, 3)))
            with pytest.raises(ValueError, match="Negative values in data"):
                getattr(model, ask)(-np.ones((2, 150)))
            with pytest.raises(NotFittedError):
                getattr(clone(model), ask)(con)
    with pytest.raises(ValueError, match="another graph"):
        ntac.score(other, ["A", "B", "B"])
