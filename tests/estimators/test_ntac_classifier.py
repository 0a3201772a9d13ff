"""NtacClassifier: the published method, the graph contract, labels, scikit-learn."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import subprocess
import sys
import warnings
from unittest.mock import patch

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_blobs
from sklearn.ensemble import StackingClassifier
from sklearn.exceptions import ConvergenceWarning, NotFittedError
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

from celltyping import Connectome, NtacClassifier, SeedShuffleSplit, TypeProfile
from celltyping.datasets import make_connectome
from celltyping.estimators import _ntac_classifier
from celltyping.estimators._ntac import propagation
from celltyping.metrics import make_typed_scorer
from tests._comparison import assert_same_answers

PUBLISHED = {
    "edge_weighting": "linear",
    "membership": "hard",
    "second_order_weight": 0,
    "consensus_weight": 0,
}

# Settings under which everything that holds of the classifier has to hold.
SETTINGS = {
    "default": {},
    "published": PUBLISHED,
    "soft alone": {"second_order_weight": 0, "consensus_weight": 0},
    "three vote": {"n_neighbors": 3},
    "seven vote, hard": {"n_neighbors": 7, "membership": "hard"},
    "all is consensus": {"consensus_weight": 1, "max_memberships": 2},
}


@pytest.fixture(params=SETTINGS.values(), ids=SETTINGS.keys())
def settings(request):
    return request.param


@pytest.fixture(scope="module")
def brain():
    """Give a connectome without two equal weights, and its types, a third known."""
    sample = make_connectome(150, n_types=4, n_edges=4500, noise=0.05, random_state=0)
    rng = np.random.default_rng(0)
    adjacency = sample.data.adjacency.copy()
    adjacency.data *= rng.uniform(0.5, 1.5, adjacency.nnz).astype(np.float32)
    y = sample.target.copy()
    y[rng.permutation(150)[50:]] = "?"
    con = Connectome(adjacency, node_ids=np.arange(150) + 10**17)
    return con, y, sample.target


def answers(ntac, X):
    """Return all that a fitted model says about X."""
    return [
        ntac.transduction_,
        ntac.label_confidence_,
        ntac.predict(X),
        ntac.predict_proba(X),
        *ntac.rank_types(X, k=len(ntac.classes_)),
    ]


# ------------------------------------------------------------- the published method


def jaccard(rows, references):
    """Compute sum of minima / sum of maxima; data may not hold two empty rows."""
    shared = np.minimum(rows[:, np.newaxis], references).sum(axis=2)
    return shared / np.maximum(rows[:, np.newaxis], references).sum(axis=2)


def one_hot(codes, n_types):
    return (codes[:, np.newaxis] == np.arange(n_types)).astype(float)


def dense_ntac(adjacency, codes, learning_rate, tol, sharpness=None):
    """Do NTAC the plain way: dense, on float64, hard, or soft if there is sharpness.

    Nodes of no known type yet count in a last column of their own.
    """
    known = codes >= 0
    n_types = codes.max() + 1
    hard = members = np.column_stack([one_hot(codes, n_types), ~known])
    types, embedding, history = codes.copy(), None, [1.0]
    while history[-1] > tol:
        in_flux = history[-1] > _ntac_classifier.UNSETTLED
        counted = hard if in_flux else members
        counts = np.hstack([adjacency.T @ counted, adjacency @ counted])
        if sharpness is not None and not in_flux:
            sums, largest = counts.sum(axis=1), counts.max(axis=1)
            bounds = np.minimum(propagation.LEAST_ENTRY * sums, 0.1 * largest)
            counts[counts < bounds[:, np.newaxis]] = 0
        if embedding is not None:
            counts = (1 - learning_rate) * embedding + learning_rate * counts
        embedding = counts
        similarities = jaccard(embedding, embedding[known])
        per_type = np.stack(
            [similarities[:, codes[known] == c].max(axis=1) for c in range(n_types)], 1
        )
        new_types = np.where(known, codes, per_type.argmax(axis=1))
        hard = one_hot(new_types, n_types + 1)
        members = hard.copy()
        if sharpness is not None:
            best = per_type.max(axis=1, keepdims=True)
            shares = np.exp(sharpness / best[~known].mean() * (per_type - best))
            shares[shares < propagation.LEAST_SHARE] = 0
            shares /= shares.sum(axis=1, keepdims=True)
            members[~known, :n_types] = shares[~known]
        history.append(np.mean(new_types != types))
        if history[-1] >= history[-2]:
            learning_rate /= 2  # the types oscillate
        types = new_types
    return types, per_type, history[1:], members[:, :n_types], counted


@pytest.mark.parametrize("membership", ["hard", "soft"])
@pytest.mark.parametrize("learning_rate", [1.0, 0.5])
def test_the_published_method(brain, learning_rate, membership):
    con, y, _ = brain
    classes, codes = np.unique(y, return_inverse=True)
    assert classes[0] == "?"
    adjacency = con.adjacency.toarray().astype(float)
    sharpness = None if membership == "hard" else 6.0
    types, similarities, history, members, _ = dense_ntac(
        adjacency, codes - 1, learning_rate, tol=0, sharpness=sharpness
    )
    ntac = NtacClassifier(
        **{**PUBLISHED, "membership": membership},
        sharpness=6.0,
        learning_rate=learning_rate,
        tol=0,
    ).fit(con, y)
    assert ntac.classes_.tolist() == classes[1:].tolist()
    assert ntac.transduction_.tolist() == ntac.classes_[types].tolist()
    assert ntac.n_iter_ == len(history) > 2
    np.testing.assert_allclose(ntac.history_.changed, history)
    ranked, found = ntac.rank_types(con, k=4)
    order = np.searchsorted(ntac.classes_, ranked)
    np.testing.assert_allclose(
        found, np.take_along_axis(similarities, order, axis=1), rtol=1e-4
    )
    if membership == "soft":
        np.testing.assert_allclose(ntac.predict_proba(con), members, rtol=1e-3)


def test_types_that_oscillate_come_to_rest():
    sample = make_connectome(150, n_types=4, n_edges=4500, noise=0.3, random_state=2)
    y = np.where(np.arange(150) < 30, sample.target, "?").astype(object)
    ntac = NtacClassifier(**PUBLISHED, max_iter=100, tol=0).fit(sample.data, y)
    changed = np.array(ntac.history_.changed)
    assert (np.diff(changed) >= 0).any()
    assert changed[-1] == 0


def test_the_second_order_block_joins_once_the_first_has_settled(brain):
    con, y, _ = brain
    without = NtacClassifier(second_order_weight=0).fit(con, y)
    ntac = NtacClassifier(second_order_weight=0.5).fit(con, y)
    changed, alone = ntac.history_.changed, without.history_.changed
    joins = next(
        step + 1
        for step in range(1, len(changed))
        if changed[step] <= _ntac_classifier.SETTLED
        or changed[step] >= changed[step - 1]
    )
    assert 1 < joins < ntac.n_iter_
    assert changed[:joins] == alone[:joins]
    assert ntac._embedding.shape[1] == 3 * without._embedding.shape[1]


def test_defaults_find_the_types(brain):
    con, y, target = brain
    ntac = NtacClassifier().fit(con, y)
    assert accuracy_score(target, ntac.transduction_) > 0.9
    assert ntac.label_confidence_.min() > 0.2
    wrong = ntac.transduction_ != target
    confidence = ntac.label_confidence_
    assert confidence[wrong].mean() < confidence[(y == "?") & ~wrong].mean()


# ------------------------------------------------------------------ what has to hold


def test_fitted_attributes(brain, settings):
    con, y, _ = brain
    ntac = NtacClassifier(**settings).fit(con, y)
    assert ntac.transduction_.shape == ntac.label_confidence_.shape == (150,)
    assert ntac.n_features_in_ == 150
    assert ntac.n_iter_ == len(ntac.history_.changed) == len(ntac.history_.similarity)
    assert 0 < ntac.history_.similarity[-1] < 1
    assert ntac.history_.changed[-1] <= ntac.tol
    assert (ntac.transduction_ == ntac.predict(con)).all()


def test_predictions_are_the_largest_probabilities(brain, settings):
    con, y, _ = brain
    ntac = NtacClassifier(**settings).fit(con, y)
    for X in (con, con[10:40], con.adjacency.toarray()):
        probabilities = ntac.predict_proba(X)
        assert probabilities.shape == (len(ntac.predict(X)), 4)
        assert probabilities.min() >= 0
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
        largest = ntac.classes_[probabilities.argmax(axis=1)]
        assert (largest == ntac.predict(X)).all()
        ranked, _ = ntac.rank_types(X, k=1)
        assert (ranked[:, 0] == largest).all()
    np.testing.assert_array_equal(
        ntac.label_confidence_, ntac.predict_proba(con).max(axis=1)
    )


def test_labelled_nodes_keep_their_types(brain, settings):
    con, y, _ = brain
    ntac = NtacClassifier(**settings).fit(con, y)
    known = y != "?"
    assert (ntac.transduction_[known] == y[known]).all()
    assert (ntac.label_confidence_[known] == 1).all()
    assert (ntac.predict_proba(con[known]).max(axis=1) == 1).all()


def test_permuting_the_nodes_permutes_the_answers(brain, settings):
    con, y, _ = brain
    order = np.random.default_rng(1).permutation(150)
    permuted = Connectome(con.adjacency[order][:, order])
    one = NtacClassifier(**settings).fit(con, y)
    other = NtacClassifier(**settings).fit(permuted, y[order])
    assert (other.transduction_ == one.transduction_[order]).all()
    assert other.n_iter_ == one.n_iter_
    np.testing.assert_allclose(
        other.predict_proba(permuted), one.predict_proba(con)[order], atol=1e-5
    )
    ranked, similarities = other.rank_types(permuted, k=4)
    expected = one.rank_types(con[order], k=4)
    assert (ranked == expected[0]).all()
    np.testing.assert_allclose(similarities, expected[1], atol=1e-5)


def test_threads_blocks_and_repetitions_change_no_bit(brain, settings):
    con, y, _ = brain
    expected = answers(NtacClassifier(**settings).fit(con, y), con)
    assert_same_answers(answers(NtacClassifier(**settings).fit(con, y), con), expected)
    for n_jobs in (1, 2):
        with (
            patch.object(propagation, "BLOCK", 7),
            patch.object(propagation, "TILE", 40),
        ):
            ntac = NtacClassifier(**settings, n_jobs=n_jobs).fit(con, y)
            found = answers(ntac, con)
        assert_same_answers(found, expected)


def test_batches_change_no_bit(brain, settings, monkeypatch):
    con, y, _ = brain
    rows = con.adjacency.toarray()
    ntac = NtacClassifier(**settings).fit(con, y)
    expected = [answers(ntac, X) for X in (con, rows)]
    monkeypatch.setattr(_ntac_classifier, "BATCH", 11)
    for X, answer in zip((con, rows), expected, strict=True):
        assert_same_answers(answers(ntac, X), answer)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("index_dtype", [np.int32, np.int64])
@pytest.mark.parametrize(
    "form", [sparse.csr_array, sparse.csc_array, sparse.coo_array, np.asarray]
)
def test_adjacencies_of_any_form_give_the_same(brain, form, index_dtype, dtype):
    con, y, _ = brain
    expected = NtacClassifier().fit(con, y)
    matrix = form(con.adjacency.toarray().astype(dtype))
    for name in {"indices", "indptr", "row", "col"} & set(dir(matrix)):
        setattr(matrix, name, getattr(matrix, name).astype(index_dtype))
    fits = [NtacClassifier().fit(Connectome(matrix), y)]
    fits += [NtacClassifier(affinity="precomputed").fit(matrix, y)]
    for ntac in fits:
        assert (ntac.transduction_ == expected.transduction_).all()
        np.testing.assert_array_equal(
            ntac.label_confidence_, expected.label_confidence_
        )
        np.testing.assert_array_equal(
            ntac.predict_proba(matrix), expected.predict_proba(con.adjacency)
        )


def islands():
    """Make a graph of two typed cliques, what is not joined to them, and its types.

    Nodes 0-4: A and B; 5: isolated; 6-8: a component without a type; 9: isolated, and
    typed; 10: has a self loop alone; 11: a partner of untyped nodes alone.
    """
    adjacency = np.zeros((12, 12))
    adjacency[:2, :2] = adjacency[2:5, 2:5] = 3
    adjacency[6:9, 6:9] = 2
    adjacency[10, 10] = 1
    adjacency[11, 1] = 4
    return adjacency, np.array(list("A?B?B????B??"))


def test_nodes_that_nothing_connects_to_a_type(settings):
    adjacency, y = islands()
    con = Connectome(adjacency)
    ntac = NtacClassifier(**settings).fit(con, y)
    assert "".join(ntac.transduction_) == "AABBBBBBBBBA"
    lonely = [5, 6, 7, 8, 10]
    assert ntac.label_confidence_[lonely].tolist() == [0] * 5
    assert ntac.label_confidence_[[1, 3, 9]].min() > 0.5
    probabilities = ntac.predict_proba(con)
    np.testing.assert_array_equal(probabilities[lonely], [[0.25, 0.75]] * 5)
    assert np.isfinite(probabilities).all()
    assert (ntac.predict(con) == ntac.transduction_).all()
    ranked, similarities = ntac.rank_types(con, k=2)
    assert ranked[lonely].tolist() == [["B", "A"]] * 5
    assert similarities[lonely].max() == 0
    assert np.isfinite(similarities).all()
    nothing = np.zeros((1, 12))
    assert ntac.predict(nothing).tolist() == ["B"]
    assert ntac.predict_proba(nothing).tolist() == [[0.25, 0.75]]
    assert ntac.rank_types(nothing, k=2)[0].tolist() == [["B", "A"]]


def test_a_graph_without_edges(settings):
    con = Connectome(np.zeros((5, 5)))
    ntac = NtacClassifier(**settings).fit(con, ["B", "A", "?", "?", "B"])
    assert ntac.transduction_.tolist() == ["B", "A", "B", "B", "B"]
    assert ntac.label_confidence_.tolist() == [1, 1, 0, 0, 1]


def test_two_brains_side_by_side_are_as_each_alone():
    # With hard memberships: a soft one may also be in types that only the other has.
    adjacency, y = islands()
    one = Connectome(adjacency, node_ids=np.arange(12))
    other = Connectome(adjacency.T, node_ids=np.arange(12, 24))
    settings = {**PUBLISHED, "n_neighbors": 1}
    ys = [np.where(y == "?", y, np.char.add(prefix, y)) for prefix in ("l", "r")]
    both = NtacClassifier(**settings).fit(Connectome.concat([one, other]), np.r_[*ys])
    for con, own, part in [(one, ys[0], slice(12)), (other, ys[1], slice(12, 24))]:
        alone = NtacClassifier(**settings).fit(con, own)
        connected = alone.label_confidence_ > 0
        found = both.transduction_[part]
        assert (found[connected] == alone.transduction_[connected]).all()


def test_a_single_step_and_every_node_labelled(brain, settings):
    con, _, target = brain
    ntac = NtacClassifier(**settings).fit(con, target)
    assert (ntac.transduction_ == target).all()
    assert (ntac.label_confidence_ == 1).all()
    assert ntac.history_.changed[0] == 0
    assert ntac.n_iter_ <= 2
    rows = con.adjacency.toarray()
    assert ntac.score(rows, target) > 0.9
    assert ntac.predict_proba(rows).shape == (150, 4)


def test_a_fit_changes_nothing_it_is_given(brain, settings):
    con, y, _ = brain
    graph = con.graph
    features = np.random.default_rng(0).random((150, 2))
    before = y.copy(), features.copy(), graph.adjacency.copy()
    NtacClassifier(**settings).fit(
        Connectome(con.adjacency, node_features=features), y
    ).predict(Connectome(con.adjacency, node_features=features))
    ntac = NtacClassifier(**settings).fit(con, y)
    answers(ntac, con)
    assert (before[0] == y).all()
    assert (before[1] == features).all()
    assert (before[2] != graph.adjacency).nnz == 0
    matrix = con.adjacency.toarray()
    frozen = matrix.copy()
    frozen.flags.writeable = False
    ntac = NtacClassifier(affinity="precomputed", **settings).fit(frozen, y)
    answers(ntac, frozen)
    assert (frozen == matrix).all()


# ------------------------------------------------------------------------ parameters

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
    "learning_rate": (1.0, 0.3, {"tol": 0.2}),
    "tol": (0.0, 0.3, {"max_iter": 100}),
    "affinity": ("rbf", "nearest_neighbors", {"tol": 0.2}),
    "gamma": (None, 2.0, {"affinity": "rbf"}),
    "n_graph_neighbors": (3, 15, {"affinity": "nearest_neighbors", "tol": 0.2}),
}
# Those that change no answer, or the meaning of y, have tests of their own.
TESTED_APART = {"max_iter", "unlabeled_marker", "n_jobs", "verbose"}


def test_every_parameter_is_tested():
    assert EFFECTS.keys() | TESTED_APART == NtacClassifier().get_params().keys()


@pytest.mark.parametrize("name", EFFECTS)
def test_every_parameter_does_something(brain, name):
    con, y, target = brain
    one, other, shared = EFFECTS[name]
    features = np.abs(np.random.default_rng(0).normal(10, 5, (150, 2)))
    features += 20 * one_hot(np.unique(target, return_inverse=True)[1], 2)
    X = Connectome(con.adjacency, node_features=features)
    if name in ("affinity", "gamma", "n_graph_neighbors"):
        X = features
    fits = [
        NtacClassifier(**shared, **{name: value}).fit(X, y) for value in (one, other)
    ]
    assert fits[0].predict_proba(X).shape == (150, 4)
    assert not np.allclose(fits[0].label_confidence_, fits[1].label_confidence_)


def test_node_features_tell_types_apart():
    # Nobody has a partner, so that the features decide alone.
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


# ---------------------------------------------------------------------------- labels

STRINGS = np.array(["T0", "T1", "T2", "T3"], dtype=object)


@pytest.mark.parametrize(
    ("known_as", "unknown", "marker"),
    [
        (STRINGS, "?", "auto"),
        (STRINGS, None, "auto"),
        (STRINGS, np.nan, "auto"),
        (STRINGS, pd.NA, "auto"),
        (STRINGS, "", ""),
        (STRINGS, "nobody", "nobody"),
        (np.array([0, 1, 2, 3]), -1, "auto"),
        (np.array([5, 7, 9, 11], dtype=object), None, "auto"),
        (np.array([0.0, 1.0, 2.0, 3.0]), np.nan, "auto"),
        (np.array([-1, 1, 2, 3]), 0, 0),
    ],
)
def test_unknown_types_may_be_written_in_many_ways(brain, known_as, unknown, marker):
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


def test_types_may_be_categories(brain):
    con, y, _ = brain
    expected = NtacClassifier().fit(con, y)
    column = pd.Series(y, dtype="category")
    assert (
        NtacClassifier().fit(con, column).transduction_ == expected.transduction_
    ).all()


# ------------------------------------------------------------- what a model is asked


def test_rank_types(brain, settings):
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
    assert (np.diff(similarities, axis=1) <= 0)[zero[:, 1:] & zero[:, :-1]].all()
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


@pytest.mark.parametrize("k", [0, 5, -1, 2.0, "3", None])
def test_rank_types_refuses_other_numbers(brain, k):
    con, y, _ = brain
    ntac = NtacClassifier().fit(con, y)
    with pytest.raises(
        ValueError, match=r"k must be an integer between 1 and .* \(4\), got"
    ):
        ntac.rank_types(con, k=k)


def test_nearly_equal_probabilities_rank_as_predict_says(brain):
    con, y, _ = brain
    ntac = NtacClassifier().fit(con, y)
    close = np.array([[0.5 - 2**-54, 0.5, 0, 0]])
    ntac._probabilities = sparse.csr_array(np.tile(close, (150, 1)))
    ntac._types = propagation.most_likely(ntac._probabilities)
    ranked, _ = ntac.rank_types(con, k=1)
    assert (ranked[:, 0] == ntac.predict(con)).all()


def test_score_judges_known_types_alone(brain):
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
    with pytest.raises(ValueError, match="all types in y are unknown"):
        ntac.score(con[:3], ["?", "?", "?"])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        ntac.score(con, y[:10])


def test_any_view_has_the_joint_answer(brain, settings):
    con, y, _ = brain
    rows = np.flatnonzero(y != "?")
    all_in_view = NtacClassifier(**settings).fit(con, y)
    ntac = NtacClassifier(**settings).fit(con[rows], y[rows])
    assert len(ntac.transduction_) == len(ntac.label_confidence_) == len(rows)
    assert (ntac.transduction_ == y[rows]).all()
    assert ntac.n_features_in_ == 150
    order = np.random.default_rng(0).permutation(150)[:70]
    expected = all_in_view.predict_proba(con)
    np.testing.assert_array_equal(ntac.predict_proba(con[order]), expected[order])
    same_graph = Connectome(con.adjacency.toarray(), con.node_ids)
    assert (ntac.predict(same_graph) == all_in_view.transduction_).all()
    assert (ntac.predict(con[7]) == all_in_view.transduction_[7]).all()


def test_an_empty_view_has_empty_answers(brain):
    con, y, _ = brain
    ntac = NtacClassifier().fit(con, y)
    nobody = con[[]]
    assert ntac.predict(nobody).shape == (0,)
    assert ntac.predict_proba(nobody).shape == (0, 4)
    types, similarities = ntac.rank_types(nobody, k=2)
    assert types.shape == similarities.shape == (0, 2)


@pytest.mark.parametrize("fitted_on", ["connectome", "matrix"])
@pytest.mark.parametrize(("tol", "n_steps"), [(0.7, 1), (0.3, 2)])
def test_new_rows_are_typed_by_their_edges_out(brain, fitted_on, tol, n_steps):
    con, y, target = brain
    adjacency = con.adjacency.toarray()
    ntac = NtacClassifier(**PUBLISHED, tol=tol)
    if fitted_on == "connectome":
        ntac.fit(con, y)
    else:
        ntac.set_params(affinity="precomputed").fit(adjacency, y)
    codes = np.unique(y, return_inverse=True)[1] - 1
    *_, history, _, counted = dense_ntac(adjacency, codes, 1.0, tol)
    assert ntac.n_iter_ == len(history) == n_steps
    labelled, unlabelled = codes >= 0, np.flatnonzero(codes < 0)[:30]
    rows = np.vstack([adjacency[unlabelled], adjacency[:5] * 0.5, adjacency[:1] + 1])
    similarities = jaccard(rows @ counted, (adjacency @ counted)[labelled])
    best = y[labelled][similarities.argmax(axis=1)]
    assert (ntac.predict(rows) == best).all()
    _, found = ntac.rank_types(rows, k=1)
    np.testing.assert_allclose(found[:, 0], similarities.max(axis=1), rtol=1e-4)
    assert accuracy_score(target[unlabelled], best[:30]) > 0.4
    for form in (sparse.csr_array, sparse.coo_matrix):
        assert (ntac.predict(form(rows)) == best).all()


def test_new_rows_are_shared_out_as_in_the_fit():
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


@pytest.mark.parametrize("fitted_on", ["connectome", "matrix"])
def test_new_rows_do_not_depend_on_one_another(brain, settings, fitted_on):
    con, y, _ = brain
    rows = con.adjacency.toarray()[:20]
    ntac = NtacClassifier(**settings)
    if fitted_on == "connectome":
        ntac.fit(con, y)
    else:
        ntac.set_params(affinity="precomputed").fit(con.adjacency, y)
    together = ntac.predict_proba(rows)
    one_by_one = np.vstack([ntac.predict_proba(row[np.newaxis]) for row in rows])
    np.testing.assert_array_equal(one_by_one, together)
    np.testing.assert_array_equal(ntac.predict_proba(rows[::-1]), together[::-1])


@pytest.mark.parametrize("affinity", ["auto", "rbf", "nearest_neighbors"])
def test_a_table_of_features(affinity):
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
    # Affinities of 0 once made a kernel write past its end, see test_wiring.
    X, target = make_blobs(60, centers=2, random_state=0)
    X = np.vstack([X, [[1e3, 1e3]]])
    y = np.r_[target[:20], [-1] * 41]
    ntac = NtacClassifier(gamma=1.0, membership="hard").fit(X, y)
    assert accuracy_score(target, ntac.transduction_[:60]) > 0.9
    assert ntac.label_confidence_[60] == 0


# ---------------------------------------------------------------- pickles and clones

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
    assert_same_answers(answers(loaded, own_con), answers(ntac, con))
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
    assert_same_answers(answers(mapped, own_con), answers(ntac, con))
    refitted = clone(mapped).fit(own_con, y)
    assert_same_answers(answers(refitted, own_con), answers(ntac, con))


def test_clone(brain, settings):
    con, y, _ = brain
    ntac = NtacClassifier(**settings).fit(con, y)
    copy = clone(ntac)
    assert copy.get_params() == ntac.get_params()
    assert not hasattr(copy, "classes_")
    with pytest.raises(NotFittedError):
        copy.predict(con)


def test_a_second_fit_forgets_the_first(brain):
    con, y, _ = brain
    X, target = make_blobs(40, centers=2, random_state=0)
    expected = answers(NtacClassifier().fit(con, y), con)
    ntac = NtacClassifier().fit(X, target).fit(con, y)
    assert_same_answers(answers(ntac, con), expected)
    assert (ntac.fit(X, target).predict(X) == target).all()


# ------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("n_neighbors", 0),
        ("membership", "fuzzy"),
        ("sharpness", 0),
        ("max_memberships", 0),
        ("second_order_weight", -1),
        ("consensus_weight", 1.5),
        ("feature_weight", -0.1),
        ("edge_weighting", "log"),
        ("learning_rate", 0),
        ("learning_rate", 1.1),
        ("max_iter", 0),
        ("tol", -0.1),
        ("tol", 1.0),
        ("affinity", "cosine"),
        ("gamma", 0),
        ("n_graph_neighbors", 0),
        ("n_jobs", "many"),
        ("verbose", "yes"),
    ],
)
def test_parameters_out_of_range(brain, parameter, value):
    con, y, _ = brain
    with pytest.raises(ValueError, match=f"The '{parameter}' parameter of Ntac"):
        NtacClassifier(**{parameter: value}).fit(con, y)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["A", "B", "?"], r"one type per sample of X: got 3 types for 4 samples"),
        (["?"] * 4, "needs labelled samples, but all 4 labels in y are unknown"),
        ([-1] * 4, "needs labelled samples, but all 4 labels in y are unknown"),
        (["A", "A", "?", "?"], r"at least 2 classes.*only one class: 'A'"),
        ([-1, 5, 5, -1], r"at least 2 classes.*only one class: 5"),
        (None, "requires y to be passed, but the target y is None"),
        ([0.5, 1.5, 0.0, 2.0], "Unknown label type: continuous"),
        (["A", 1, "B", 2], "types of one kind, got a mix of int, str"),
        ([["A", "B"]] * 4, "y should be a 1d array"),
    ],
)
def test_bad_types(y, message):
    with pytest.raises(ValueError, match=message):
        NtacClassifier().fit(Connectome(np.ones((4, 4))), y)


def test_a_marker_is_a_scalar(brain):
    con, y, _ = brain
    with pytest.raises(ValueError, match=r"must be 'auto', None or a scalar, got \["):
        NtacClassifier(unlabeled_marker=["?"]).fit(con, y)


Y = ["A", "B", "?", "?"]


@pytest.mark.parametrize(
    ("affinity", "X", "error", "message"),
    [
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
    ],
)
def test_bad_X(affinity, X, error, message):
    with pytest.raises(error, match=message):
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


# ---------------------------------------------------------------------- scikit-learn


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


def test_cross_validation_sees_the_whole_wiring(brain):
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


def test_nothing_warns_on_a_good_day(brain):
    con, y, _ = brain
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ntac = NtacClassifier().fit(con, y)
        answers(ntac, con)
        answers(ntac, con.adjacency)
