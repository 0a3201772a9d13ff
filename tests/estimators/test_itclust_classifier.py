"""ItClustClassifier: what parameters do, what holds of every answer, bad input."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import copy
import pickle
import sys
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler
from skorch.callbacks import EarlyStopping
from threadpoolctl import threadpool_limits

from celltyping import ItClustClassifier
from celltyping._nn import _training
from celltyping.estimators._itclust import adaptation as _adaptation
from celltyping.model_selection import SeedShuffleSplit
from tests._callbacks import Interrupt, Log, LoseTheNumbers

QUICK = {"n_networks": 2, "max_epochs": 20, "random_state": 0}

# Where nothing depends on how much is learnt.
HASTY = {**QUICK, "max_epochs": 3}

# Settings under which everything that holds of an answer has to hold.
SETTINGS = {
    "default": {},
    "deep": {
        "hidden_layer_sizes": (16, 8),
        "dropout": 0.1,
        "input_dropout": 0.2,
        "pretrain_epochs": 2,
    },
    "never": {"adaptation": "never"},
    "always": {"adaptation": "always", "scaling": "standard"},
    "unscaled": {"scaling": None, "n_networks": 1},
    "reject": {"reject_threshold": 1.02},
}


@pytest.fixture(params=SETTINGS.values(), ids=SETTINGS.keys())
def settings(request):
    return request.param


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Let one thread compute: several wait for each other where cores are busy."""
    with threadpool_limits(1):
        yield


NAMES = np.array(["B", "Mono", "NK", "T"])


def make_cells(types, *, n_genes=30, noise=0.3, platform=0, seed=0):
    """Draw expression of cells; a platform measures each gene more or less."""
    profiles = np.random.default_rng(99).gamma(1.0, size=(10, n_genes))
    factor = np.random.default_rng(platform).uniform(0.8, 1.2, n_genes)
    rng = np.random.default_rng([seed, platform])
    cells = profiles[types] + noise * rng.normal(size=(len(types), n_genes))
    return np.maximum(cells, 0) * factor


def make_transfer(source=(30, 30, 30, 30), target=(40, 30, 0, 25), **options):
    """Draw a source and a target, mixed up, with so many cells of each type."""
    codes = [np.repeat(np.arange(len(cells)), cells) for cells in (source, target)]
    parts = [make_cells(c, platform=k, **options) for k, c in enumerate(codes)]
    y = np.r_[NAMES[codes[0]], np.full(len(codes[1]), "?")]
    order = np.random.default_rng(7).permutation(len(y))
    return np.vstack(parts)[order], y[order], NAMES[np.concatenate(codes)][order]


X, Y, TYPES = make_transfer(noise=0.6)
IS_TARGET = Y == "?"
TARGET = X[IS_TARGET]
NEW_CODES = np.arange(60) % 4
NEW = make_cells(NEW_CODES, platform=2, seed=1, noise=0.6)


def quick(**options):
    """Make a classifier that takes little time."""
    return ItClustClassifier(**{**QUICK, **options})


def hasty(**options):
    """Make a classifier that takes the least time."""
    return ItClustClassifier(**{**HASTY, **options})


def assert_same(first, second, new=NEW):
    """Check that two classifiers answer with the same bits."""
    for name in ("transduction_", "label_confidence_", "cluster_confidence_"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    for name in ("labels", "centroids"):
        np.testing.assert_array_equal(first.trajectory_[name], second.trajectory_[name])
    np.testing.assert_array_equal(first.predict(new), second.predict(new))
    np.testing.assert_array_equal(first.predict_proba(new), second.predict_proba(new))
    np.testing.assert_array_equal(first.transform(new), second.transform(new))
    assert hasattr(first, "novelty_") == hasattr(second, "novelty_")
    if hasattr(first, "novelty_"):
        np.testing.assert_array_equal(first.novelty_, second.novelty_)


def fingerprint(fitted):
    """Return what may not change when others are made of a classifier."""
    return joblib.hash({k: v for k, v in vars(fitted).items() if k != "net_"})


# ---------------------------------------------------------------- what parameters do

# Parameter: (what else is set, its value). The probabilities differ from those with
# the parameter's default.
EFFECTS = {
    "hidden_layer_sizes": ({}, (8,)),
    "n_networks": ({}, 1),
    "alpha": ({}, 1.0),
    "dropout": ({}, 0.5),
    "input_dropout": ({}, 0.5),
    "label_smoothing": ({}, 0.0),
    "scaling": ({}, "standard"),
    "batch_size": ({}, 16),
    "max_epochs": ({}, 5),
    "pretrain_epochs": ({}, 5),
    "learning_rate": ({}, 0.02),
    "adaptation": ({}, "never"),
    "shrinkage": ({}, 0.0),
    "unlabeled_marker": ({}, "Mono"),
    "random_state": ({}, 1),
}

# Parameters whose effect other tests show.
SHOWN_ELSEWHERE = {
    "max_iter",  # test_too_few_steps_warn
    "tol",  # test_too_few_steps_warn
    "reject_threshold",  # test_a_type_that_the_source_lacks
    "callbacks",  # test_callbacks
    "device",  # test_device
    "verbose",  # test_progress_bars
}


def test_every_parameter_has_a_test():
    assert set(EFFECTS) | SHOWN_ELSEWHERE == set(ItClustClassifier().get_params())
    assert not set(EFFECTS) & SHOWN_ELSEWHERE


@pytest.mark.parametrize("parameter", EFFECTS)
def test_a_parameter_has_an_effect(parameter):
    others, value = EFFECTS[parameter]
    before = quick(**others).fit(X, Y).predict_proba(NEW)
    after = quick(**{**others, parameter: value}).fit(X, Y).predict_proba(NEW)
    assert before.shape != after.shape or np.abs(after - before).max() > 1e-3


@pytest.mark.parametrize("n_genes", [199, 200])
def test_input_dropout_depends_on_the_number_of_genes(n_genes):
    cells, y, _ = make_transfer(n_genes=n_genes)
    share = {199: 0.0, 200: 0.5}[n_genes]
    for value, same in [(share, True), (0.5 - share, False)]:
        auto, given = (
            quick(input_dropout=d, max_epochs=2).fit(cells, y) for d in ("auto", value)
        )
        assert np.array_equal(auto.loss_curve_, given.loss_curve_) == same


@pytest.mark.parametrize(
    ("n_labelled", "batch_size", "n_epochs"),
    [(2, 128, 100), (120, 128, 120), (120, 50, 40), (1000, 128, 38), (7000, 40, 2)],
)
def test_number_of_epochs(n_labelled, batch_size, n_epochs):
    cells = np.random.default_rng(0).uniform(size=(n_labelled, 4))
    options = {"max_epochs": "auto", "batch_size": batch_size, "n_networks": 1}
    fitted = quick(**options).fit(cells, np.arange(n_labelled) % 2)
    assert fitted.loss_curve_.shape == (n_epochs,)


@pytest.mark.parametrize(("n_labelled", "width"), [(10_000, 64), (10_001, 128)])
def test_widths_grow_with_the_source(n_labelled, width):
    cells = np.random.default_rng(0).uniform(size=(n_labelled, 2))
    options = {"max_epochs": 1, "n_networks": 1, "batch_size": n_labelled}
    fitted = quick(**options).fit(cells, np.arange(n_labelled) % 2)
    assert fitted.transform(cells[:1]).shape == (1, width)


def test_hidden_layers():
    for sizes in ([9, 7], np.array([9, 7])):
        fitted = quick(hidden_layer_sizes=sizes).fit(X, Y)
        assert fitted.net_.module_.options["hidden_layer_sizes"] == (9, 7)
        assert fitted.transform(NEW).shape == (60, 14)
        assert fitted.trajectory_.centroids.shape[1:] == (4, 14)


def test_scaling():
    auto, unit = (quick(scaling=scaling).fit(X, Y) for scaling in ("auto", "unit"))
    assert_same(auto, unit)
    # Cells of unit length do not depend on how much was measured of them.
    np.testing.assert_allclose(auto.predict_proba(7 * NEW), auto.predict_proba(NEW))
    moved = X - 1.0
    auto, standard = (quick(scaling=s).fit(moved, Y) for s in ("auto", "standard"))
    assert_same(auto, standard)
    # Standard columns do not depend on their units.
    units = np.geomspace(1e-3, 1e3, 30)
    other = quick().fit(moved * units, Y)
    np.testing.assert_allclose(
        other.predict_proba(NEW * units), standard.predict_proba(NEW), atol=1e-4
    )
    assert np.isfinite(quick(scaling="unit").fit(moved, Y).label_confidence_).all()


def test_standard_scaling_is_that_of_the_source():
    cells = np.where(IS_TARGET[:, None], X, X - 5.0)
    fitted = quick(scaling="standard", adaptation="never").fit(cells, Y)
    alone = quick(scaling="standard", adaptation="never")
    alone.fit(cells[~IS_TARGET], Y[~IS_TARGET])
    np.testing.assert_array_equal(fitted.predict_proba(NEW), alone.predict_proba(NEW))


def test_too_few_steps_warn():
    cells, y, _ = make_transfer(noise=1.0)
    options = {"adaptation": "always", "shrinkage": 0.0, "tol": 0.0}
    long = quick(**options, max_iter=100).fit(cells, y)
    assert 3 < long.n_iter_ < 100
    message = r"more than 0\.00% of the cells \(tol=0\.0\) still .* max_iter=1 steps"
    with pytest.warns(ConvergenceWarning, match=message) as caught:
        short = quick(**options, max_iter=1).fit(cells, y)
    assert [warning.filename for warning in caught] == [__file__]
    assert short.n_iter_ == 2
    for name in ("labels", "centroids"):
        found, expected = short.trajectory_[name], long.trajectory_[name]
        np.testing.assert_array_equal(found, expected[:2])
    with pytest.warns(ConvergenceWarning, match=message) as caught:
        short.adapt(cells[y == "?"])
    assert [warning.filename for warning in caught] == [__file__]
    changed = np.mean(np.diff(long.trajectory_.labels, axis=0) != 0, axis=1)
    # A tolerance that just lets the second step pass.
    assert changed[0] > changed[1] > 0
    patient = quick(**{**options, "tol": changed[1]}).fit(cells, y)
    assert patient.n_iter_ == 3


# ------------------------------------------------------------------ types are carried


def test_types_are_found():
    fitted = ItClustClassifier(random_state=0).fit(X, Y)
    assert np.mean(fitted.transduction_ == TYPES) > 0.99
    new = fitted.adapt(NEW)
    assert np.mean(new.transduction_ == NAMES[NEW_CODES]) > 0.99


@pytest.mark.parametrize("adaptation", ["auto", "always", "never"])
def test_a_type_without_a_cell_in_the_target_keeps_its_name(adaptation):
    fitted = quick(adaptation=adaptation).fit(X, Y)
    assert fitted.classes_.tolist() == ["B", "Mono", "NK", "T"]
    assert fitted.predict_proba(TARGET).shape == (95, 4)
    assert "NK" not in fitted.transduction_[IS_TARGET]
    assert np.mean(fitted.transduction_ == TYPES) > 0.99
    assert np.isnan(fitted.cluster_confidence_).tolist() == [False, False, True, False]
    # Cells of it that come later are known.
    more = make_cells(np.full(20, 2), platform=1, seed=5)
    assert np.mean(fitted.predict(more) == "NK") > 0.9


def test_a_target_of_a_single_type():
    cells, y, types = make_transfer(target=(0, 0, 40, 0))
    fitted = quick().fit(cells, y)
    assert np.mean(fitted.transduction_ == types) > 0.99
    assert np.isnan(fitted.cluster_confidence_).tolist() == [True, True, False, True]


def test_the_target_moves_the_types():
    # Half of the source's genes are hardly seen in the target.
    cells, y, types = make_transfer(target=(60, 60, 60, 60), noise=0.6)
    cells[y == "?", ::2] *= 0.2
    scores = {
        adaptation: np.mean(
            quick(adaptation=adaptation).fit(cells, y).transduction_ == types
        )
        for adaptation in ("never", "always")
    }
    assert scores["always"] > scores["never"] + 0.01


def make_trap():
    """Draw a target that leads types astray which all go their own way."""
    rng = np.random.default_rng(3)
    means = 1.2 * rng.normal(size=(3, 8))
    source, target = np.arange(150) % 3, rng.choice(3, 100, p=[0.8, 0.2, 0.0])
    cells = np.vstack(
        [
            means[source] + rng.normal(size=(150, 8)),
            means[target] + 1.5 * rng.normal(size=(100, 8)),
        ]
    )
    y = np.r_[NAMES[source], np.full(100, "?")]
    return cells, y, np.r_[NAMES[source], NAMES[target]]


def test_an_adaptation_that_does_harm_is_undone():
    cells, y, types = make_trap()
    options = {"shrinkage": 0.0, "max_iter": 50}
    fits = {
        adaptation: quick(adaptation=adaptation, **options).fit(cells, y)
        for adaptation in ("auto", "always", "never")
    }
    scores = {k: np.mean(fit.transduction_ == types) for k, fit in fits.items()}
    assert scores["always"] < scores["never"] - 0.05
    auto, never = fits["auto"], fits["never"]
    assert_same(auto, never, cells)
    assert not auto.adapted_
    assert auto.n_iter_ == 1
    assert auto.reverse_score_[1] < auto.reverse_score_[0] - 0.02
    assert fits["always"].adapted_
    assert np.isnan(fits["always"].reverse_score_).all()
    assert np.isnan(never.reverse_score_).all()
    # Another target may be better.
    assert auto.adapt(cells[y != "?"]).adapted_


def test_an_adaptation_that_does_no_harm_is_kept():
    auto, always = (quick(adaptation=a).fit(X, Y) for a in ("auto", "always"))
    assert auto.adapted_
    assert_same(auto, always)
    before, after = auto.reverse_score_
    assert after >= before - 0.02


# ------------------------------------------------------------ types the source lacks


@pytest.mark.parametrize("layout", [np.asarray, sparse.csr_array])
def test_a_type_that_the_source_lacks(layout):
    source, target = np.arange(160) % 4, np.arange(240) % 4
    target[::8] = 5
    cells = np.vstack(
        [make_cells(source), make_cells(target, platform=1, seed=1)],
    )
    y = np.r_[NAMES[source], np.full(240, "?")]
    fitted = quick(reject_threshold=1.2).fit(layout(cells), y)
    novel = target == 5
    unknown = fitted.transduction_[160:] == "unknown"
    assert unknown[novel].mean() > 0.8
    assert unknown[~novel].mean() < 0.03
    assert np.array_equal(unknown, fitted.novelty_[160:] > 1.2)
    assert np.isnan(fitted.novelty_[:160]).all()
    known = ~novel & ~unknown
    assert np.mean(fitted.transduction_[160:][known] == NAMES[target[known]]) > 0.98
    # New cells of both kinds, and what is left out otherwise.
    new = make_cells(np.repeat([5, 0], 20), platform=1, seed=2)
    assert (fitted.predict(layout(new)) == "unknown").mean() == pytest.approx(0.5, 0.2)
    assert "unknown" not in fitted.classes_
    without = quick().fit(layout(cells), y)
    assert not hasattr(without, "novelty_")
    assert "unknown" not in without.transduction_
    np.testing.assert_array_equal(without.predict_proba(new), fitted.predict_proba(new))
    everything = quick(reject_threshold=1e-6).fit(layout(cells), y)
    assert (everything.transduction_[160:] == "unknown").all()


@pytest.mark.parametrize(
    ("names", "unknown"),
    [
        (np.array(["B", "T"]), "unknown"),
        (np.array(["B", "T"], dtype=object), "unknown"),
        (np.array([3, 8]), -1),
        (np.array([3, 8], dtype=np.uint8), -1),
        (np.array([3.0, 8.0]), -1.0),
    ],
)
def test_the_type_of_rejected_cells(names, unknown):
    y = names[np.arange(len(X)) % 2].astype(object)
    y[IS_TARGET] = None
    fitted = quick(reject_threshold=1e-6).fit(X, y)
    assert set(fitted.transduction_[IS_TARGET].tolist()) == {unknown}
    assert set(fitted.transduction_[~IS_TARGET].tolist()) == set(names.tolist())
    assert fitted.predict(NEW).tolist() == [unknown] * 60
    assert fitted.classes_.tolist() == names.tolist()


@pytest.mark.parametrize(
    ("names", "unknown"),
    [(["B", "unknown"], "'unknown'"), ([-1, 1], "-1"), ([False, True], "-1")],
)
def test_the_type_of_rejected_cells_is_no_type(names, unknown):
    y = np.array(names)[np.arange(len(X)) % 2]
    message = rf"gives cells the type {unknown}, which must not be a type in y, got"
    with pytest.raises(ValueError, match=message):
        quick(reject_threshold=1.2).fit(X, y)
    quick().fit(X, y)


def test_no_target_and_nothing_to_reject():
    fitted = quick(reject_threshold=0.01).fit(X, TYPES)
    assert not hasattr(fitted, "novelty_")
    assert "unknown" not in fitted.predict(NEW)
    assert (fitted.adapt(NEW).predict(NEW) == "unknown").all()


# -------------------------------------------------------- what holds of every answer


def test_attributes(settings):
    fitted = quick(**settings).fit(X, Y)
    n_networks = fitted.n_networks
    n_latent = n_networks * {True: 8, False: 64}["hidden_layer_sizes" in settings]
    assert fitted.transduction_.shape == fitted.label_confidence_.shape == (215,)
    assert fitted.label_confidence_[~IS_TARGET].tolist() == [1.0] * 120
    assert fitted.cluster_confidence_.shape == (4,)
    assert fitted.trajectory_.labels.shape == (fitted.n_iter_, 95)
    assert fitted.trajectory_.centroids.shape == (fitted.n_iter_, 4, n_latent)
    assert fitted.n_iter_ > 1 or settings.get("adaptation") == "never"
    assert fitted.adapted_ == (settings.get("adaptation") != "never")
    assert fitted.reverse_score_.shape == (2,)
    assert np.isnan(fitted.reverse_score_).all() == ("adaptation" in settings)
    assert fitted.loss_curve_.shape == (20,)
    assert fitted.device_ in ("cpu", "cuda")
    assert fitted.n_features_in_ == 30
    assert fitted.transform(X).shape == (215, n_latent)
    names = [f"itclustclassifier{k}" for k in range(n_latent)]
    assert fitted.get_feature_names_out().tolist() == names
    assert hasattr(fitted, "novelty_") == ("reject_threshold" in settings)


def test_transduction_is_what_predict_says(settings):
    fitted = quick(**settings).fit(X, Y)
    found = fitted.transduction_
    np.testing.assert_array_equal(found[~IS_TARGET], Y[~IS_TARGET])
    np.testing.assert_array_equal(found[IS_TARGET], fitted.predict(TARGET))
    assert ("unknown" in found) == ("reject_threshold" in settings)
    probabilities = fitted.predict_proba(TARGET)
    np.testing.assert_array_equal(
        fitted.label_confidence_[IS_TARGET], probabilities.max(axis=1)
    )
    last = fitted.trajectory_.labels[-1]
    np.testing.assert_array_equal(last, probabilities.argmax(axis=1))
    named = found[IS_TARGET] != "unknown"
    np.testing.assert_array_equal(fitted.classes_[last][named], found[IS_TARGET][named])


def test_probabilities(settings):
    fitted = quick(**settings).fit(X, Y)
    for cells in (X, NEW, np.zeros((1, 30)), np.ones((1, 30)) * 1e6):
        probabilities = fitted.predict_proba(cells)
        assert probabilities.shape == (len(cells), 4)
        assert (probabilities >= 0).all()
        np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-12)
        named = fitted.predict(cells)
        expected = fitted.classes_[probabilities.argmax(axis=1)]
        is_known = named != "unknown"
        np.testing.assert_array_equal(named[is_known], expected[is_known])


def test_probabilities_are_no_surer_than_they_are_right():
    cells, y, types = make_transfer(
        (60,) * 4, (100,) * 4, noise=1.5, n_genes=10, seed=3
    )
    fitted = quick(max_epochs="auto").fit(cells, y)
    is_target = y == "?"
    right = (fitted.transduction_ == types)[is_target]
    assert right.mean() < 0.95
    assert fitted.label_confidence_[is_target].mean() == pytest.approx(
        right.mean(), abs=0.1
    )


def test_cluster_confidence(settings):
    cells, y, _ = make_transfer(noise=1.0)
    fitted = quick(**settings).fit(cells, y)
    first, last = fitted.trajectory_.labels[[0, -1]]
    for c, found in enumerate(fitted.cluster_confidence_):
        stayed = [a == c for a, b in zip(first, last, strict=True) if b == c]
        if stayed:
            assert found == sum(stayed) / len(stayed)
        else:
            assert np.isnan(found)


def test_an_answer_does_not_depend_on_the_batch(settings):
    fitted = quick(**settings).fit(X, Y)
    cells = np.vstack([NEW, X])
    said, named = fitted.predict_proba(cells), fitted.predict(cells)
    latents = fitted.transform(cells)
    order = np.random.default_rng(0).permutation(len(cells))
    parts = [order[:1], order[1:3], order[3:], np.tile(order, 6)]
    for rows in parts:
        close = {"rtol": 1e-9, "atol": 1e-12}
        np.testing.assert_allclose(
            fitted.predict_proba(cells[rows]), said[rows], **close
        )
        np.testing.assert_allclose(
            fitted.transform(cells[rows]), latents[rows], **close
        )
        np.testing.assert_array_equal(fitted.predict(cells[rows]), named[rows])


def test_the_same_random_state_gives_the_same_bits(settings):
    first = hasty(**settings).fit(X, Y)
    assert_same(hasty(**settings).fit(X, Y), first)
    state = np.random.RandomState(3)
    fits = [hasty(**settings, random_state=state).fit(X, Y) for _ in range(2)]
    again = hasty(**settings, random_state=np.random.RandomState(3)).fit(X, Y)
    assert_same(fits[0], again)
    assert not np.array_equal(fits[0].predict_proba(NEW), fits[1].predict_proba(NEW))


def test_number_of_threads(settings):
    before = torch.get_num_threads()
    fits = []
    for n_threads in (1, 2):
        torch.set_num_threads(n_threads)
        try:
            with threadpool_limits(n_threads):
                fits.append(hasty(**settings).fit(X, Y))
                assert torch.get_num_threads() == n_threads
        finally:
            torch.set_num_threads(before)
    assert_same(*fits)


def test_fits_in_threads_do_not_disturb_each_other():
    before = torch.get_rng_state()
    fits = [quick(random_state=seed).fit(X, Y) for seed in range(3)]
    found = joblib.Parallel(n_jobs=3, backend="threading")(
        joblib.delayed(quick(random_state=seed).fit)(X, Y) for seed in range(3)
    )
    for first, second in zip(fits, found, strict=True):
        assert_same(first, second)
    assert torch.equal(torch.get_rng_state(), before)


def test_random_states_outside_stay_as_they_are(settings):
    before = torch.get_rng_state(), joblib.hash(np.random.mtrand._rand)
    fitted = hasty(**settings).fit(X, Y)
    fitted.adapt(NEW).predict(NEW)
    fitted.transform(NEW)
    pickle.loads(pickle.dumps(fitted))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert joblib.hash(np.random.mtrand._rand) == before[1]


# ------------------------------------------------------------------ forms of a table


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("settings_of", ["deep", "unscaled", "reject"])
def test_inputs_stay_as_they_are(settings_of, dtype, order):
    settings = SETTINGS[settings_of]
    data = np.array(10 * X, dtype=dtype, order=order)
    y = Y.astype(object)
    before = data.copy(), y.copy()
    data.setflags(write=False)
    y.setflags(write=False)
    fitted = hasty(**settings).fit(data, y)
    fitted.predict(data)
    latents = fitted.adapt(data).transform(data)
    assert latents.dtype == (np.float32 if dtype == np.float32 else np.float64)
    np.testing.assert_array_equal(data, before[0])
    np.testing.assert_array_equal(y, before[1])
    assert_same(hasty(**settings).fit(np.ascontiguousarray(data), y), fitted)


LAYOUTS = {
    "csr": sparse.csr_array,
    "csr_matrix": sparse.csr_matrix,
    "csc": sparse.csc_array,
    "coo": sparse.coo_array,
    "lil": sparse.lil_array,
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("index_dtype", [np.int32, np.int64])
def test_sparse_tables_stay_as_they_are(layout, index_dtype):
    data = LAYOUTS[layout](X)
    arrays = [data.data] if layout == "lil" else [data.data, *indices_of(data)]
    if layout in ("csr", "csr_matrix", "csc"):
        data.indices = data.indices.astype(index_dtype)
        data.indptr = data.indptr.astype(index_dtype)
        arrays = [data.data, data.indices, data.indptr]
    before = copy.deepcopy(arrays)
    for array in arrays:
        array.setflags(write=False)
    for scaling in ("unit", "standard", None):
        options = {"pretrain_epochs": 1, "reject_threshold": 1.2}
        fitted = hasty(scaling=scaling, **options).fit(data, Y)
        fitted.adapt(data).predict(data)
    for array, copied in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copied)


def indices_of(table):
    """Return the arrays that say where the entries of a sparse table are."""
    return table.coords if table.format == "coo" else (table.indices, table.indptr)


@pytest.mark.parametrize(
    ("settings_of", "layout"),
    [(name, "csr") for name in SETTINGS] + [("reject", name) for name in LAYOUTS],
)
def test_sparse_equals_dense(settings_of, layout):
    settings = SETTINGS[settings_of]
    # Sparse columns are not centred, which the labels do not depend on.
    expected = hasty(**settings).fit(X, Y)
    found = hasty(**settings).fit(LAYOUTS[layout](X), Y)
    if settings.get("scaling") == "standard":
        assert np.mean(found.transduction_ == expected.transduction_) > 0.95
        return
    np.testing.assert_array_equal(found.transduction_, expected.transduction_)
    np.testing.assert_allclose(
        found.label_confidence_, expected.label_confidence_, atol=1e-9
    )
    table = LAYOUTS[layout](NEW)
    np.testing.assert_array_equal(found.predict(table), expected.predict(NEW))
    np.testing.assert_allclose(found.predict_proba(NEW), expected.predict_proba(NEW))
    np.testing.assert_allclose(
        found.transform(table), expected.transform(NEW), atol=1e-9
    )


@pytest.mark.parametrize("scaling", ["auto", "unit", "standard", None])
def test_entries_that_are_given_in_parts(scaling):
    table = sparse.csr_array(X)
    parts = sparse.csr_array(
        (
            np.repeat(table.data, 2) * np.tile([0.3, 0.7], table.nnz),
            np.repeat(table.indices, 2),
            2 * table.indptr,
        ),
        shape=table.shape,
    )
    n_parts = parts.nnz
    whole = quick(scaling=scaling).fit(table, Y)
    found = quick(scaling=scaling).fit(parts, Y)
    assert parts.nnz == n_parts, "the input was changed"
    assert np.array_equal(whole.transduction_, found.transduction_)
    np.testing.assert_allclose(
        whole.label_confidence_, found.label_confidence_, rtol=1e-4
    )
    np.testing.assert_allclose(
        whole.predict_proba(parts), found.predict_proba(table), rtol=1e-4
    )


@pytest.mark.parametrize("settings_of", ["default", "deep", "reject"])
def test_a_sparse_table_is_never_made_dense(settings_of, monkeypatch):
    rng = np.random.default_rng(0)
    table = sparse.random_array((3000, 300), density=0.05, format="csr", rng=rng)
    y = np.where(np.arange(3000) < 1400, NAMES[np.arange(3000) % 4], "?")
    sizes = []

    def watch(method):
        def toarray(self, *args, **kwargs):
            dense = method(self, *args, **kwargs)
            sizes.append(dense.shape)
            return dense

        return toarray

    for kind in (sparse.csr_array, sparse.csc_array, sparse.coo_array):
        for name in ("toarray", "todense"):
            monkeypatch.setattr(kind, name, watch(getattr(kind, name)))
    monkeypatch.setattr(_training, "NUMBERS_AT_ONCE", 500 * 300)
    options = {**SETTINGS[settings_of], "max_epochs": 1}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = quick(**options).fit(table, y)
    fitted.predict(table)
    fitted.transform(table)
    assert max(rows for rows, _ in sizes) == 500


def test_single_and_double_precision_agree(settings):
    single = quick(**settings).fit(X.astype(np.float32), Y)
    double = quick(**settings).fit(X, Y)
    assert single.transform(NEW.astype(np.float32)).dtype == np.float32
    assert double.transform(NEW).dtype == np.float64
    assert np.mean(single.transduction_ == double.transduction_) > 0.97
    np.testing.assert_allclose(
        single.predict_proba(NEW), double.predict_proba(NEW), atol=0.02
    )


def test_tables_with_names():
    genes = [f"gene{k}" for k in range(30)]
    frame = pd.DataFrame(X, columns=genes, index=[f"cell{k}" for k in range(len(X))])
    fitted = quick().set_output(transform="pandas").fit(frame, pd.Series(Y))
    assert fitted.feature_names_in_.tolist() == genes
    latents = fitted.transform(frame)
    assert latents.columns[0] == "itclustclassifier0"
    assert latents.index.equals(frame.index)
    np.testing.assert_array_equal(latents, quick().fit(X, Y).transform(X))
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.predict(frame[genes[::-1]])
    assert fitted.adapt(frame).feature_names_in_.tolist() == genes


# --------------------------------------------------------------------- types in `y`


@pytest.mark.parametrize(
    ("known_as", "unknown", "marker"),
    [
        (np.array(["B", "Mono", "NK", "T"]), "?", "auto"),
        (np.array(["B", "Mono", "NK", "T"], dtype=object), None, "auto"),
        (np.array(["B", "Mono", "NK", "T"], dtype=object), np.nan, "auto"),
        (np.array(["B", "Mono", "NK", "T"], dtype=object), pd.NA, "auto"),
        (np.array(["B", "Mono", "NK", "T"]), "none", "none"),
        (np.array([2, 3, 5, 7]), -1, "auto"),
        (np.array([2, 3, 5, 7]), 0, 0),
        (np.array([2.0, 3.0, 5.0, 7.0]), np.nan, "auto"),
        (np.array([2.0, 3.0, 5.0, 7.0]), -1.0, "auto"),
        (np.array([2, 3, 5, 7], dtype=object), None, "auto"),
    ],
)
def test_unknown_types_may_be_written_in_many_ways(known_as, unknown, marker):
    codes = np.searchsorted(NAMES, TYPES)
    y = known_as[codes].astype(object)
    y[IS_TARGET] = unknown
    if known_as.dtype != object:
        y = y.astype(np.result_type(known_as, np.array(unknown)))
    expected = hasty().fit(X, Y)
    for given in (y, y.tolist(), pd.Series(y)):
        fitted = hasty(unlabeled_marker=marker).fit(X, given)
        assert fitted.classes_.tolist() == known_as.tolist()
        found = np.searchsorted(known_as, fitted.transduction_)
        np.testing.assert_array_equal(NAMES[found], expected.transduction_)
        np.testing.assert_array_equal(
            fitted.predict_proba(NEW), expected.predict_proba(NEW)
        )
        assert fitted.score(X, given) == expected.score(X, Y)


def test_types_may_be_categories():
    given = pd.Series(Y).replace("?", None).astype("category")
    assert_same(quick().fit(X, given), quick().fit(X, Y.astype(object)))


def test_score_judges_known_types_alone():
    fitted = quick().fit(X, Y)
    right = fitted.predict(X) == TYPES
    assert fitted.score(X, TYPES) == accuracy_score(TYPES, fitted.predict(X))
    assert fitted.score(X, Y) == right[~IS_TARGET].mean()
    weights = np.arange(len(X)).astype(float)
    assert fitted.score(X, Y, weights) == pytest.approx(
        np.average(right[~IS_TARGET], weights=weights[~IS_TARGET])
    )
    with pytest.raises(ValueError, match="score needs known types"):
        fitted.score(TARGET, Y[IS_TARGET])


# -------------------------------------------------------------------- other targets


def test_adapt_makes_a_new_classifier(settings):
    fitted = quick(**settings).fit(X, Y)
    before, said = fingerprint(fitted), fitted.predict_proba(NEW)
    adapted = fitted.adapt(NEW)
    assert adapted is not fitted
    assert type(adapted) is ItClustClassifier
    assert fingerprint(fitted) == before
    np.testing.assert_array_equal(fitted.predict_proba(NEW), said)
    assert adapted.transduction_.shape == adapted.label_confidence_.shape == (60,)
    assert adapted.trajectory_.labels.shape == (adapted.n_iter_, 60)
    np.testing.assert_array_equal(adapted.predict(NEW), adapted.transduction_)
    np.testing.assert_array_equal(adapted.transform(NEW), fitted.transform(NEW))
    if "reject_threshold" in settings:
        assert adapted.novelty_.shape == (60,)
    changed = settings.get("adaptation") != "never"
    assert changed != np.array_equal(adapted.predict_proba(NEW), said)


def test_adapt_to_the_same_target_changes_no_bit(settings):
    fitted = quick(**settings).fit(X, Y)
    adapted = fitted.adapt(TARGET)
    np.testing.assert_array_equal(
        adapted.transduction_, fitted.transduction_[IS_TARGET]
    )
    np.testing.assert_array_equal(adapted.predict_proba(NEW), fitted.predict_proba(NEW))
    np.testing.assert_array_equal(adapted.predict(NEW), fitted.predict(NEW))


def test_adapt_forgets_the_target_before(settings):
    fitted = hasty(**settings).fit(X, Y)
    expected = fitted.adapt(NEW)
    assert_same(fitted.adapt(X).adapt(TARGET[:7]).adapt(NEW), expected)
    loaded = pickle.loads(pickle.dumps(fitted.adapt(X)))
    assert_same(loaded.adapt(NEW), expected)
    assert_same(pickle.loads(pickle.dumps(expected)), expected)


def test_adapt_what_had_no_target(settings):
    known = ~IS_TARGET
    options = {**settings, "scaling": "unit"}
    fitted = quick(**options).fit(X[known], Y[known])
    assert not fitted.adapted_
    adapted = fitted.adapt(TARGET)
    expected = quick(**options).fit(X, Y)
    if options.get("pretrain_epochs"):  # which sees the target
        assert adapted.score(X[known], Y[known]) > 0.9
        return
    np.testing.assert_array_equal(
        adapted.transduction_, expected.transduction_[IS_TARGET]
    )
    np.testing.assert_array_equal(
        adapted.predict_proba(NEW), expected.predict_proba(NEW)
    )


def test_bad_input_of_a_fitted_classifier():
    fitted = quick().fit(X, Y)
    before = fingerprint(fitted)
    for method in ("adapt", "predict", "predict_proba", "transform"):
        call = getattr(fitted, method)
        with pytest.raises(ValueError, match=r"X has 7 features, but ItClust.* 30"):
            call(X[:, :7])
        with pytest.raises(ValueError, match="Input X contains NaN"):
            call(X * np.nan)
        with pytest.raises(ValueError, match="Found array with 0 sample"):
            call(X[:0])
        with pytest.raises(NotFittedError):
            getattr(quick(), method)(X)
    with pytest.raises(NotFittedError):
        quick().score(X, Y)
    assert fingerprint(fitted) == before


# ---------------------------------------------------------- copies and other tools


def test_copies(settings):
    fitted = hasty(**settings).fit(X, Y)
    history = fitted.net_.history[:, "train_loss"]
    for copied in (pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted), fitted):
        assert_same(copied, fitted)
        assert copied.net_.history[:, "train_loss"] == history
    fresh = clone(fitted)
    assert repr(fresh) == repr(fitted)
    with pytest.raises(NotFittedError):
        fresh.predict(NEW)
    assert_same(fresh.fit(X, Y), fitted)


def test_a_model_from_a_gpu_opens_without_one():
    fitted = quick().fit(X, Y)
    said = fitted.predict_proba(NEW)
    fitted.device_ = "cuda:97"
    loaded = pickle.loads(pickle.dumps(fitted))
    assert loaded.device_ == "cpu"
    np.testing.assert_array_equal(loaded.predict_proba(NEW), said)


def test_a_second_fit_forgets_the_first():
    fitted = quick(reject_threshold=1.2, scaling="standard").fit(X[:, :7], Y)
    fitted.set_params(reject_threshold=None, scaling="auto").fit(X, Y)
    assert_same(fitted, quick().fit(X, Y))
    assert set(vars(fitted)) == set(vars(quick().fit(X, Y)))
    fitted.fit(X[~IS_TARGET], Y[~IS_TARGET])
    assert fitted.trajectory_.labels.shape == (1, 0)


def test_parameters_that_change_after_the_fit_change_no_probability():
    fitted = quick().fit(X, Y)
    said = fitted.predict_proba(NEW)
    others = {"label_smoothing": 0.9, "alpha": 1.0, "scaling": None, "n_networks": 7}
    fitted.set_params(**others, hidden_layer_sizes=(3,), input_dropout=0.9)
    np.testing.assert_array_equal(fitted.predict_proba(NEW), said)
    assert np.mean(fitted.adapt(NEW).transduction_ == NAMES[NEW_CODES]) > 0.9


def test_grid_search():
    cells, y, types = make_transfer((40, 40, 40, 40), (40, 40, 0, 40), noise=1.0)
    options = {"train_size": 40, "include_unlabeled": True, "random_state": 0}
    search = GridSearchCV(
        quick(n_networks=1, adaptation="always"),
        {"reject_threshold": [None, 1e-3], "shrinkage": [0.0, 300.0]},
        cv=SeedShuffleSplit(2, **options),
        error_score="raise",
    )
    search.fit(cells, y)
    scores = search.cv_results_["mean_test_score"].reshape(2, 2)
    # Whatever is rejected is wrong, and how far types move matters.
    assert (scores[1] == 0).all()
    assert scores[0].min() > 0.5
    assert scores[0, 0] != scores[0, 1]
    found = search.best_estimator_.transduction_
    assert np.mean(found == types) > 0.8


def test_pipeline():
    pipeline = make_pipeline(MaxAbsScaler(), quick()).fit(X, Y)
    assert pipeline.score(X, TYPES) > 0.95
    adapted = pipeline[-1].adapt(pipeline[:-1].transform(NEW))
    assert np.mean(adapted.transduction_ == NAMES[NEW_CODES]) > 0.95
    latents = make_pipeline(quick(), MaxAbsScaler()).set_output(transform="pandas")
    frame = latents.fit_transform(X, Y)
    assert frame.shape == (len(X), 128)
    assert frame.columns[-1] == "itclustclassifier127"


# -------------------------------------------------- callbacks, progress, interrupts


def test_callbacks():
    log = Log()
    fitted = quick(callbacks=[log]).fit(X, Y)
    np.testing.assert_array_equal(log.losses, fitted.loss_curve_)
    assert_same(fitted, quick().fit(X, Y))
    assert fitted.loss_curve_[-1] < fitted.loss_curve_[0]


@pytest.mark.parametrize("pretrain_epochs", [0, 10])
def test_early_stopping(pretrain_epochs):
    stopping = EarlyStopping(monitor="train_loss", patience=2, threshold=1e6)
    options = {"callbacks": [stopping], "pretrain_epochs": pretrain_epochs}
    fitted = quick(**options).fit(X, Y)
    assert fitted.loss_curve_.shape == (3,)
    assert_same(pickle.loads(pickle.dumps(fitted)), fitted)


@pytest.mark.parametrize("verbose", [False, 0, True, 1])
def test_progress_bars(verbose, capsys):
    fitted = quick(verbose=verbose, pretrain_epochs=2).fit(X, Y)
    out, err = capsys.readouterr()
    assert out == ""
    for name in ("pretraining", "types", "adaptation"):
        assert (name in err) == bool(verbose)
    assert bool(err) == bool(verbose)
    fitted.adapt(NEW)
    assert ("adaptation" in capsys.readouterr().err) == bool(verbose)


@pytest.mark.parametrize("pretrain_epochs", [0, 2])
@pytest.mark.parametrize(
    ("callback", "error", "message"),
    [
        (Interrupt(), KeyboardInterrupt, None),
        (LoseTheNumbers(), FloatingPointError, r"diverged: .* Lower learning_rate"),
    ],
)
def test_nothing_half_fitted_is_left(callback, error, message, pretrain_epochs):
    fitted = quick(callbacks=[callback], pretrain_epochs=pretrain_epochs)
    before = set(vars(fitted))
    with pytest.raises(error, match=message):
        fitted.fit(X, Y)
    assert set(vars(fitted)) == before
    with pytest.raises(NotFittedError):
        fitted.predict(X)
    fitted.set_params(callbacks=None).fit(X, Y)
    state, said = dict(vars(fitted)), fitted.predict_proba(NEW)
    fitted.set_params(callbacks=[callback])
    with pytest.raises(error, match=message):
        fitted.fit(NEW[:, :4], NAMES[NEW_CODES])
    assert set(vars(fitted)) == set(state)
    assert all(
        vars(fitted)[name] is value
        for name, value in state.items()
        if name != "callbacks"
    )
    np.testing.assert_array_equal(fitted.predict_proba(NEW), said)


def test_a_warning_that_is_an_error_leaves_the_classifier_as_it_was():
    cells, y, _ = make_transfer(noise=1.0)
    fitted = quick().fit(X, Y)
    before = fingerprint(fitted)
    fitted.set_params(max_iter=1, tol=0.0, shrinkage=0.0)
    with pytest.raises(ConvergenceWarning):
        fitted.fit(cells, y)
    with pytest.raises(ConvergenceWarning):
        fitted.adapt(cells)
    fitted.set_params(max_iter=30, tol=1e-3, shrinkage=30.0)
    assert fingerprint(fitted) == before


def test_a_loss_that_is_nan():
    with pytest.raises(FloatingPointError, match="the training diverged"):
        quick(learning_rate=1e30).fit(X, Y)


# ---------------------------------------------------------------------- odd data

AFEW = np.r_[np.flatnonzero(~IS_TARGET)[:40], np.flatnonzero(IS_TARGET)[:40]]


def with_labels(per_type):
    """Return types of which so many per type are known."""
    y = np.full(len(X), "?", dtype=object)
    for name in NAMES:
        y[np.flatnonzero(name == Y)[:per_type]] = name
    return y


ODD = {
    "a type with one cell": (X[Y != "NK"], np.r_[Y[Y != "NK"][1:], ["NK"]]),
    "every type with one cell": (X, with_labels(1)),
    "one gene": (X[:, :1], Y),
    "two genes": (X[:, :2], Y),
    "two labelled cells": (X[:2], ["B", "T"]),
    "two labelled cells and one more": (X[:3], ["B", "T", "?"]),
    "two labelled cells of one gene and one more": (X[:3, :1], ["B", "T", "?"]),
    "one target cell": (X[:21], np.r_[TYPES[:20], ["?"]]),
    "two target cells": (X[:22], np.r_[TYPES[:20], ["?", "?"]]),
    "cells of zeros": (X * (np.arange(len(X)) % 5 > 0)[:, None], Y),
    "nothing but zeros": (np.zeros_like(X), Y),
    "a source of zeros": (X * IS_TARGET[:, None], Y),
    "a target of zeros": (X * ~IS_TARGET[:, None], Y),
    "a target of equal cells": (np.where(IS_TARGET[:, None], X[0], X), Y),
    "equal cells": (np.ones_like(X), Y),
    "every cell thrice": (np.repeat(X[AFEW], 3, axis=0), np.repeat(Y[AFEW], 3)),
    "constant genes": (np.hstack([np.ones((len(X), 5)), X, 0 * X]), Y),
    "large numbers": (X * 1e12, Y),
    "small numbers": (X * 1e-12, Y),
    "negative numbers": (X - 1.0, Y),
    "far from zero": (X - 1e5, Y),
    "more types than units": (X, np.where(IS_TARGET, -1, np.arange(len(X)) // 3)),
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize(
    ("layout", "scaling"), [(sparse.csr_array, "unit"), (np.asarray, "standard")]
)
def test_odd_data(name, layout, scaling):
    cells, y = ODD[name]
    y = np.asarray(y)
    options = {"hidden_layer_sizes": (16,), "pretrain_epochs": 1, "scaling": scaling}
    fitted = hasty(**options, reject_threshold=1.2).fit(layout(cells), y)
    unknown = y == (-1 if y.dtype.kind == "i" else "?")
    assert np.array_equal(fitted.transduction_[~unknown], y[~unknown])
    assert np.isfinite(fitted.label_confidence_).all()
    assert np.isfinite(fitted.trajectory_.centroids).all()
    for other in (fitted, fitted.adapt(layout(cells[:1])), fitted.adapt(layout(cells))):
        said = other.predict_proba(layout(cells))
        np.testing.assert_allclose(said.sum(axis=1), 1.0)
        assert other.predict(layout(cells)).shape == (len(cells),)
    if unknown.any():
        assert np.isfinite(fitted.novelty_[unknown]).all()


def test_every_type_with_one_cell_is_enough():
    y = with_labels(1)
    fitted = ItClustClassifier(random_state=0).fit(X, y)
    assert np.mean(fitted.transduction_ == TYPES) > 0.9


def test_no_target_is_plain_classification():
    known = ~IS_TARGET
    fitted = quick().fit(X[known], Y[known])
    np.testing.assert_array_equal(fitted.transduction_, Y[known])
    assert fitted.label_confidence_.tolist() == [1.0] * known.sum()
    assert np.isnan(fitted.cluster_confidence_).all()
    assert fitted.trajectory_.labels.shape == (1, 0)
    assert fitted.trajectory_.centroids.shape == (1, 4, 128)
    assert (fitted.n_iter_, fitted.adapted_) == (1, False)
    assert fitted.score(TARGET, TYPES[IS_TARGET]) > 0.95
    never = quick(adaptation="never").fit(X, Y)
    np.testing.assert_array_equal(never.predict_proba(NEW), fitted.predict_proba(NEW))


# ---------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("hidden_layer_sizes", 5),
        ("hidden_layer_sizes", "wide"),
        ("n_networks", 0),
        ("n_networks", 2.0),
        ("alpha", 0),
        ("alpha", np.inf),
        ("dropout", 1.0),
        ("dropout", -0.1),
        ("input_dropout", 1.0),
        ("input_dropout", "none"),
        ("label_smoothing", 1.0),
        ("label_smoothing", -0.1),
        ("scaling", "log"),
        ("batch_size", 1),
        ("max_epochs", 0),
        ("max_epochs", None),
        ("pretrain_epochs", -1),
        ("learning_rate", 0),
        ("adaptation", True),
        ("shrinkage", -1.0),
        ("max_iter", 0),
        ("tol", 1.0),
        ("tol", -0.1),
        ("reject_threshold", 0),
        ("reject_threshold", "auto"),
        ("callbacks", Log()),
        ("device", None),
        ("random_state", "now"),
        ("verbose", "yes"),
    ],
)
def test_parameters_that_are_refused(parameter, value):
    message = f"The '{parameter}' parameter of ItClustClassifier must be"
    with pytest.raises(ValueError, match=message):
        quick(**{parameter: value}).fit(X, Y)


@pytest.mark.parametrize("sizes", [(), (8, 0), [2.0], (-3,), ["8"], [None]])
def test_widths_that_are_refused(sizes):
    message = r"must be 'auto' or at least one positive integer, got [(\[]"
    with pytest.raises(ValueError, match=message):
        quick(hidden_layer_sizes=sizes).fit(X, Y)


def test_device():
    assert quick(device="cpu").fit(X, Y).device_ == "cpu"
    with pytest.raises(ValueError, match="device='cuda:97' cannot be used here"):
        quick(device="cuda:97").fit(X, Y)
    with pytest.raises(ValueError, match="device='gpu' cannot be used here"):
        quick(device="gpu").fit(X, Y)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["A", "B", "?"], r"inconsistent numbers of samples: \[4, 3\]"),
        (["?"] * 4, "needs labelled samples, but all 4 labels in y are unknown"),
        ([-1] * 4, "needs labelled samples, but all 4 labels in y are unknown"),
        (["A", "A", "?", "?"], r"ItClust.* at least 2 classes.*only one class: 'A'"),
        ([-1, 5, 5, -1], r"at least 2 classes.*only one class: 5"),
        (None, "requires y to be passed, but the target y is None"),
        ([0.5, 1.5, 0.0, 2.0], "Unknown label type: continuous"),
        (["A", 1, "B", 2], "types of one kind, got a mix of int, str"),
        ([["A", "B"]] * 4, "y should be a 1d array"),
    ],
)
def test_types_that_are_refused(y, message):
    with pytest.raises(ValueError, match=message):
        quick().fit(X[:4], y)


def test_a_marker_is_a_scalar():
    with pytest.raises(ValueError, match=r"must be 'auto', None or a scalar, got \["):
        quick(unlabeled_marker=["?"]).fit(X, Y)


@pytest.mark.parametrize(
    ("cells", "error", "message"),
    [
        (np.where(np.eye(4) > 0, np.nan, 1.0), ValueError, "Input X contains NaN"),
        (np.where(np.eye(4) > 0, np.inf, 1.0), ValueError, "Input X contains infinity"),
        (sparse.csr_array(np.eye(4) * np.nan), ValueError, "Input X contains NaN"),
        (np.ones(4), ValueError, "Expected 2D array"),
        (np.ones((4, 2, 2)), ValueError, "Found array with dim 3"),
        (np.ones((4, 0)), ValueError, "Found array with 0 feature"),
        ([["a", "b"]] * 4, ValueError, "could not convert string"),
        (np.ones((4, 2)) * 1j, ValueError, "Complex data not supported"),
    ],
)
def test_cells_that_are_refused(cells, error, message):
    with pytest.raises(error, match=message):
        quick().fit(cells, ["A", "B", "?", "?"])


@pytest.mark.parametrize("package", ["torch", "skorch"])
def test_missing_package(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    message = rf"ItClustClassifier needs {package}.*celltyping\[nn\]"
    with pytest.raises(ImportError, match=message):
        quick().fit(X, Y)


@pytest.mark.parametrize("n_refused", [0, 1, 2, 3])
def test_an_unsteady_adaptation_is_tried_with_more_caution(monkeypatch, n_refused):
    adapt, tried = _adaptation.adapt, []

    def watched(*arguments, shrinkage, **options):
        tried.append(shrinkage)
        return adapt(*arguments, shrinkage=shrinkage, **options)

    monkeypatch.setattr(_adaptation, "adapt", watched)
    monkeypatch.setattr(_adaptation, "is_steady", lambda *a: len(tried) > n_refused)
    fitted = quick(shrinkage=2.0).fit(X, Y)
    assert tried == [2.0, 6.0, 20.0][: n_refused + 1]
    assert fitted.adapted_ == (n_refused < 3)
    if fitted.adapted_:
        assert fitted.shrinkage_ == tried[-1]
    else:
        assert not hasattr(fitted, "shrinkage_")
        assert fitted.n_iter_ == 1
