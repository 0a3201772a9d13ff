"""Given types that look wrong, and the partners of a neuron beside those of types."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import (
    GroupKFold,
    RepeatedKFold,
    StratifiedKFold,
    cross_val_predict,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from celltyping import (
    Connectome,
    NtacClassifier,
    SeedShuffleSplit,
    TypeProfile,
    compare_partners,
    find_label_issues,
)
from celltyping.datasets import make_connectome


@pytest.fixture(scope="module")
def brain():
    """Return a simulated connectome of 400 neurons in view, with large ids."""
    sample = make_connectome(420, n_types=6, n_edges=9000, random_state=0)
    con = Connectome(sample.data.adjacency, node_ids=np.arange(420) + 2**60)
    return con[:400], sample.target[:400].astype(str)


@pytest.fixture
def table():
    """Return a table of 60 rows, and types of which every fourth is unknown."""
    rng = np.random.RandomState(0)
    codes = rng.randint(3, size=60)
    X = rng.normal(size=(60, 2)) + codes[:, np.newaxis]
    y = np.array(["KC", "LHN", "PN"])[codes]
    y[::4] = "?"
    return X, y


def swap(y, n_swapped, random_state=0):
    """Return types of which some are wrong, and their positions."""
    rng = np.random.RandomState(random_state)
    swapped = rng.choice(len(y), size=n_swapped, replace=False)
    y_swapped = y.copy()
    for position in swapped:
        y_swapped[position] = rng.choice(np.setdiff1d(y, y[position]))
    return y_swapped, swapped


def test_swapped_types_are_found(brain, subtests):
    con, y = brain
    y_swapped, swapped = swap(y, 20)
    estimators = [
        NtacClassifier(),
        make_pipeline(TypeProfile(), KNeighborsClassifier(9, metric="cosine")),
    ]
    for estimator in estimators:
        with subtests.test(estimator=type(estimator).__name__):
            issues = find_label_issues(estimator, con, y_swapped)
            is_swapped = issues.index.isin(con.node_ids[swapped])
            assert roc_auc_score(is_swapped, issues["score"]) > 0.95
            true = pd.Series(y, con.node_ids)[issues.index]
            right = issues["suggested_type"] == true
            assert right[is_swapped].mean() > 0.8
            assert not right[~is_swapped].any()


def test_types_are_hidden_and_the_graph_is_not(brain):
    con, y = brain
    y = np.where(np.arange(400) % 3 == 0, "?", y)
    issues = find_label_issues(NtacClassifier(), con, y, cv=4)
    known = np.flatnonzero(y != "?")
    in_folds = known[np.argsort(y[known], kind="stable")]
    for k in range(4):
        fold = in_folds[k::4]
        hidden = y.copy()
        hidden[fold] = "?"
        model = NtacClassifier().fit(con, hidden)
        expected = model.predict_proba(con[fold])
        given = np.searchsorted(model.classes_, y[fold])
        rows = issues.loc[con.node_ids[fold]]
        assert rows["given_type"].tolist() == y[fold].tolist()
        found = rows["given_probability"].to_numpy()
        assert np.array_equal(found, expected[np.arange(len(fold)), given])
        n_hidden = pd.Series(hidden).value_counts()
        assert rows["n_others"].tolist() == n_hidden[y[fold]].tolist()


def test_reference_with_tables(table, subtests):
    X, y = table
    known = np.flatnonzero(y != "?")
    splitter = StratifiedKFold(3)
    P = cross_val_predict(
        LogisticRegression(), X[known], y[known], cv=splitter, method="predict_proba"
    )
    types = np.unique(y[known])
    given = np.searchsorted(types, y[known])
    rows = np.arange(len(known))
    p_given = P[rows, given]
    others = P.copy()
    others[rows, given] = -1
    p_suggested = others.max(axis=1)
    expected = pd.DataFrame(
        {
            "given_type": y[known],
            "suggested_type": types[others.argmax(axis=1)],
            "given_probability": p_given,
            "suggested_probability": p_suggested,
            "score": (p_suggested + 0.01) / (p_suggested + p_given + 0.02),
        },
        index=known,
    ).sort_values("score", ascending=False)
    names = [f"cell{k}" for k in range(60)]
    forms = {
        "array": (X, known),
        "list": (X.tolist(), known),
        "DataFrame": (pd.DataFrame(X, index=names), np.array(names)[known]),
        "csr": (sparse.csr_array(X), known),
        "coo": (sparse.coo_array(X), known),
    }
    for form, (table, index) in forms.items():
        with subtests.test(form=form):
            issues = find_label_issues(LogisticRegression(), table, y, cv=splitter)
            wanted = expected.set_axis(pd.Series(index, known)[expected.index])
            pd.testing.assert_frame_equal(
                issues[wanted.columns],
                wanted,
                check_dtype=False,
                check_names=False,
                check_index_type=False,
            )


def test_kernels_are_cut_in_both_directions(table):
    X, y = table
    knn = KNeighborsClassifier(5, algorithm="brute")
    expected = find_label_issues(knn, X, y)
    precomputed = KNeighborsClassifier(5, metric="precomputed")
    pd.testing.assert_frame_equal(
        find_label_issues(precomputed, cdist(X, X), y), expected
    )


def test_types_with_few_samples(table):
    X, y = table
    y[1:4] = ["one", "two", "two"]
    issues = find_label_issues(LogisticRegression(), X, y)
    assert len(issues) == 45
    last = issues.loc[1]
    assert issues.index[-1] == 1
    assert np.isnan([last["given_probability"], last["score"]]).all()
    assert last["n_others"] == 0
    assert last["suggested_type"] in ("KC", "LHN", "PN")
    assert 0 < last["suggested_probability"] < 1
    assert issues.loc[[2, 3], "n_others"].tolist() == [1, 1]
    assert issues["score"].iloc[:-1].notna().all()

    # Among types that cannot be confirmed, the most certain suggestion comes first.
    y[5:7] = ["three", "four"]
    last = find_label_issues(LogisticRegression(), X, y).tail(3)
    assert sorted(last.index) == [1, 5, 6]
    assert last["suggested_probability"].is_monotonic_decreasing


def test_all_types_smaller_than_the_number_of_folds():
    X = np.repeat(np.arange(4.0), 2)[:, np.newaxis]
    y = np.repeat([3, 5, 7, 9], 2)
    issues = find_label_issues(KNeighborsClassifier(1), X, y, cv=5)
    assert issues["score"].tolist() == [0.01 / 1.02] * 8
    assert issues["n_others"].tolist() == [1] * 8
    assert issues["suggested_type"].isna().all()  # none has a probability
    assert issues["given_type"].tolist() == y.tolist()


def test_splitters(table):
    X, y = table
    splitter = SeedShuffleSplit(1, train_size=0.5, random_state=0)
    issues = find_label_issues(LogisticRegression(), X, y, cv=splitter)
    known = np.flatnonzero(y != "?")
    ((_, test),) = splitter.split(known, y[known])
    assert sorted(issues.index) == known[test].tolist()


def test_integers_and_markers(table):
    X, y = table
    codes = np.unique(y, return_inverse=True)[1] - 1  # "?" is -1
    issues = find_label_issues(LogisticRegression(), X, codes)
    expected = find_label_issues(LogisticRegression(), X, y)
    assert issues.index.equals(expected.index)
    names = np.array(["KC", "LHN", "PN"])
    assert names[issues["given_type"]].tolist() == expected["given_type"].tolist()
    suggested = issues["suggested_type"].tolist()
    assert names[suggested].tolist() == expected["suggested_type"].tolist()
    without = find_label_issues(LogisticRegression(), X, y, unlabeled_marker="PN")
    assert set(without["given_type"]) == {"KC", "LHN"}
    assert set(without["suggested_type"]) == {"KC", "LHN"}


def test_same_result_for_any_number_of_jobs_and_batches(brain, monkeypatch):
    con, y = brain
    expected = find_label_issues(NtacClassifier(), con, y)
    pd.testing.assert_frame_equal(
        find_label_issues(NtacClassifier(), con, y, n_jobs=2), expected
    )
    monkeypatch.setattr("celltyping.model_selection._label_issues.BATCH", 7)
    pd.testing.assert_frame_equal(find_label_issues(NtacClassifier(), con, y), expected)


def test_bad_arguments(table, subtests):
    X, y = table
    cases = {
        "implementing 'fit' and 'predict_proba'": {"estimator": LinearSVC()},
        "instance of scikit-learn estimator": {"estimator": LogisticRegression},
        "got 59 types for 60 samples": {"y": y[1:]},
        "cv=46 folds are more than the 45 samples": {"cv": 46},
        "'cv' parameter .* must be": {"cv": 1},
        "'groups' parameter should not be None": {"cv": GroupKFold(2)},
        "must not overlap, but 45 samples": {"cv": RepeatedKFold(n_repeats=2)},
        "only one class": {"y": np.full(60, "KC")},
        "at least 2 types with at least 2 samples": {"y": ["KC"] * 59 + ["PN"]},
        "must be a Connectome, an array": {"connectome": None},
    }
    for message, case in cases.items():
        arguments = {"estimator": LogisticRegression(), "connectome": X, "y": y}
        with subtests.test(message), pytest.raises((TypeError, ValueError)) as caught:
            find_label_issues(**(arguments | case))
        assert caught.match(message)


def reference_profile(A, y, neurons, types):
    """Return the mean numbers of synapses of neurons from and to each type."""
    counts = [
        [part[:, y == one].sum(axis=1) for one in types]
        for part in (A.T[neurons], A[neurons])
    ]
    return np.mean(counts, axis=2).ravel()


def test_compare_partners(brain):
    con, types = brain
    y = np.where(np.arange(400) % 5 == 0, "?", types)
    node, given, suggested = 7, y[7], "T3" if y[7] != "T3" else "T4"
    A = con.adjacency.toarray()
    names = np.unique(types)
    groups = [[node], np.setdiff1d(np.flatnonzero(y == given), node), y == suggested]
    expected = pd.DataFrame(
        np.transpose([reference_profile(A, y, group, names) for group in groups]),
        columns=["neuron", given, suggested],
        index=pd.MultiIndex.from_product([["in", "out"], names]),
    )
    table = compare_partners(con, y, con.node_ids[node], [given, suggested])
    assert table.index.names == ["direction", "partner_type"]
    assert table.max(axis=1).is_monotonic_decreasing
    pd.testing.assert_frame_equal(
        table.sort_index(),
        expected[expected.max(axis=1) > 0].sort_index(),
        check_names=False,
        check_dtype=False,
        check_index_type=False,
        check_column_type=False,
    )


def test_compare_partners_of_the_only_neuron_of_a_type():
    con = Connectome([[0, 2, 0], [0, 0, 3], [0, 0, 0]], node_ids=["a", "b", "c"])
    table = compare_partners(con, [1, 2, 2], "a", [1, 2])
    assert table.index.tolist() == [("out", 2), ("in", 2), ("in", 1)]
    assert table["neuron"].tolist() == [2, 0, 0]
    assert table[1].isna().all()
    assert table[2].tolist() == [1.5, 1.5, 1]


def test_bad_arguments_of_compare_partners(brain, subtests):
    con, y = brain
    node = con.node_ids[0]
    cases = {
        "connectome must be a Connectome, got ndarray": {"connectome": np.eye(400)},
        "got 399 types for 400 nodes": {"y": y[1:]},
        "in node_id are not in the connectome: 5": {"node_id": 5},
        "node_id must be an integer or a string, got NoneType": {"node_id": None},
        "types must be a sequence, got str": {"types": "T1"},
        "must list known types of y, got 'KC', 7: the known types are 'T0'": {
            "types": ["T1", "KC", 7]
        },
        "must list known types of y, got none": {"types": []},
    }
    for message, case in cases.items():
        arguments = {"connectome": con, "y": y, "node_id": node, "types": ["T1"]}
        with subtests.test(message), pytest.raises((TypeError, ValueError)) as caught:
            compare_partners(**(arguments | case))
        assert caught.match(message)
