"""ItClustClassifier: effects of parameters, transfer of types, rejection, bad input."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import sys

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from celltyping import ItClustClassifier
from celltyping.estimators._itclust import adaptation as _adaptation
from tests._itclust import (
    IS_TARGET,
    NAMES,
    NEW,
    NEW_CODES,
    TARGET,
    TYPES,
    X,
    Y,
    assert_same,
    hasty,
    make_cells,
    make_transfer,
    quick,
)

pytestmark = pytest.mark.usefixtures("one_thread")


# -------------------------------------------------------------- effects of parameters

# The probabilities differ from those with the parameter's default.
EFFECTS = {
    "hidden_layer_sizes": (8,),
    "n_networks": 1,
    "alpha": 1.0,
    "dropout": 0.5,
    "input_dropout": 0.5,
    "label_smoothing": 0.0,
    "scaling": "standard",
    "batch_size": 16,
    "max_epochs": 5,
    "pretrain_epochs": 5,
    "learning_rate": 0.02,
    "adaptation": "never",
    "shrinkage": 0.0,
    "unlabeled_marker": "Mono",
    "random_state": 1,
}

# Parameters whose effect is in other tests.
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


def test_a_parameter_has_an_effect(subtests):
    before = quick().fit(X, Y).predict_proba(NEW)
    for parameter, value in EFFECTS.items():
        with subtests.test(parameter):
            after = quick(**{parameter: value}).fit(X, Y).predict_proba(NEW)
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


def test_number_of_epochs(subtests):
    cases = [
        (2, 128, 100),
        (120, 128, 120),
        (120, 50, 40),
        (1000, 128, 38),
        (7000, 40, 2),
    ]
    for n_labelled, batch_size, n_epochs in cases:
        with subtests.test(
            n_labelled=n_labelled, batch_size=batch_size, n_epochs=n_epochs
        ):
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
    # Cells of unit length do not depend on their totals.
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
    # A tolerance that ends the steps at the second.
    assert changed[0] > changed[1] > 0
    patient = quick(**{**options, "tol": changed[1]}).fit(cells, y)
    assert patient.n_iter_ == 3


# ------------------------------------------------------------------ transfer of types


def test_types_are_found():
    fitted = ItClustClassifier(random_state=0).fit(X, Y)
    assert np.mean(fitted.transduction_ == TYPES) > 0.99
    new = fitted.adapt(NEW)
    assert np.mean(new.transduction_ == NAMES[NEW_CODES]) > 0.99


def test_a_type_without_a_cell_in_the_target_keeps_its_name(subtests):
    for adaptation in ["auto", "always", "never"]:
        with subtests.test(adaptation=adaptation):
            fitted = quick(adaptation=adaptation).fit(X, Y)
            assert fitted.classes_.tolist() == ["B", "Mono", "NK", "T"]
            assert fitted.predict_proba(TARGET).shape == (95, 4)
            assert "NK" not in fitted.transduction_[IS_TARGET]
            assert np.mean(fitted.transduction_ == TYPES) > 0.99
            assert np.isnan(fitted.cluster_confidence_).tolist() == [
                False,
                False,
                True,
                False,
            ]
            # Later cells of this type are recognised.
            more = make_cells(np.full(20, 2), platform=1, seed=5)
            assert np.mean(fitted.predict(more) == "NK") > 0.9


def test_a_target_of_a_single_type():
    cells, y, types = make_transfer(target=(0, 0, 40, 0))
    fitted = quick().fit(cells, y)
    assert np.mean(fitted.transduction_ == types) > 0.99
    assert np.isnan(fitted.cluster_confidence_).tolist() == [True, True, False, True]


def test_the_target_moves_the_types():
    # Half of the source's genes are hardly detected in the target.
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
    """Simulate a target for which an adaptation without shrinkage is wrong."""
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
    # With another target the adaptation is used.
    assert auto.adapt(cells[y != "?"]).adapted_


def test_an_adaptation_that_does_no_harm_is_kept():
    auto, always = (quick(adaptation=a).fit(X, Y) for a in ("auto", "always"))
    assert auto.adapted_
    assert_same(auto, always)
    before, after = auto.reverse_score_
    assert after >= before - 0.02


@pytest.mark.parametrize("n_refused", [0, 1, 2, 3])
def test_an_unsteady_adaptation_is_tried_with_more_caution(monkeypatch, n_refused):
    adapt, tried = _adaptation.adapt, []

    def watched(types, probabilities, latents, shrinkage, **options):
        tried.append(shrinkage)
        return adapt(types, probabilities, latents, shrinkage, **options)

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
    # New cells of a novel and of a known type, and the results without rejection.
    new = make_cells(np.repeat([5, 0], 20), platform=1, seed=2)
    assert (fitted.predict(layout(new)) == "unknown").mean() == pytest.approx(0.5, 0.2)
    assert "unknown" not in fitted.classes_
    without = quick().fit(layout(cells), y)
    assert not hasattr(without, "novelty_")
    assert "unknown" not in without.transduction_
    np.testing.assert_array_equal(without.predict_proba(new), fitted.predict_proba(new))
    everything = quick(reject_threshold=1e-6).fit(layout(cells), y)
    assert (everything.transduction_[160:] == "unknown").all()


def test_the_type_of_rejected_cells(subtests):
    cases = [
        (np.array(["B", "T"]), "unknown"),
        (np.array(["B", "T"], dtype=object), "unknown"),
        (np.array([3, 8]), -1),
        (np.array([3, 8], dtype=np.uint8), -1),
        (np.array([3, 8], dtype=np.uint64), -1),
        (np.array([3.0, 8.0]), -1.0),
    ]
    for names, unknown in cases:
        with subtests.test(names=names, unknown=unknown):
            y = names[np.arange(len(X)) % 2].astype(object)
            y[IS_TARGET] = None
            fitted = hasty(reject_threshold=1e-6).fit(X, y)
            assert set(fitted.transduction_[IS_TARGET].tolist()) == {unknown}
            assert set(fitted.transduction_[~IS_TARGET].tolist()) == set(names.tolist())
            assert fitted.predict(NEW).tolist() == [unknown] * 60
            assert fitted.classes_.tolist() == names.tolist()


def test_the_type_of_rejected_cells_is_no_type(subtests):
    cases = [
        (["B", "unknown"], "'unknown'"),
        ([-1, 1], "-1"),
        ([False, True], "-1"),
        (np.array(["2020", "2021"], dtype="datetime64[Y]"), "-1"),
    ]
    for names, unknown in cases:
        with subtests.test(names=names, unknown=unknown):
            y = np.array(names)[np.arange(len(X)) % 2]
            message = (
                rf"gives cells the type {unknown}, which must not be a type in y, got "
                rf".* pass unlabeled_marker={unknown} if it means unknown"
            )
            with pytest.raises(ValueError, match=message):
                hasty(reject_threshold=1.2).fit(X, y)
            hasty(unlabeled_marker=None).fit(X, y)


def test_integers_beside_which_there_is_no_label_of_rejected_cells():
    y = np.array([3, 2**63], dtype=np.uint64)[np.arange(len(X)) % 2]
    with pytest.raises(ValueError, match="9223372036854775808 in y does not fit"):
        hasty(reject_threshold=1.2).fit(X, y)


def test_the_dtype_of_integer_types(subtests):
    for dtype in ["int8", "int32", "uint8", "uint64", "float32"]:
        with subtests.test(dtype=dtype):
            y = (3 + np.arange(len(X)) % 2).astype(dtype)
            fitted = hasty(reject_threshold=1e-6).fit(X, y)
            assert fitted.classes_.dtype == dtype
            kept = {"uint8": "int64", "uint64": "int64"}.get(dtype, dtype)
            assert fitted.transduction_.dtype == fitted.predict(NEW).dtype == kept
            assert hasty().fit(X, y).predict(NEW).dtype == dtype


def test_no_target_and_nothing_to_reject():
    fitted = hasty(reject_threshold=0.01).fit(X, TYPES)
    assert not hasattr(fitted, "novelty_")
    assert "unknown" not in fitted.predict(NEW)
    assert (fitted.adapt(NEW).predict(NEW) == "unknown").all()


# ---------------------------------------------------------------------- bad input


def test_widths_that_are_refused(subtests):
    for sizes in [(), (8, 0), [2.0], (-3,), ["8"], [None]]:
        with subtests.test(sizes=sizes):
            message = r"must be 'auto' or at least one positive integer, got [(\[]"
            with pytest.raises(ValueError, match=message):
                quick(hidden_layer_sizes=sizes).fit(X, Y)


def test_device():
    assert quick(device="cpu").fit(X, Y).device_ == "cpu"
    with pytest.raises(ValueError, match="device='cuda:97' cannot be used here"):
        quick(device="cuda:97").fit(X, Y)
    with pytest.raises(ValueError, match="device='gpu' cannot be used here"):
        quick(device="gpu").fit(X, Y)


def test_types_that_are_refused(subtests):
    cases = [
        (["A", "B", "?"], r"inconsistent numbers of samples: \[4, 3\]"),
        (["?"] * 4, "needs labelled samples, but all 4 labels in y are unknown"),
        ([-1] * 4, "needs labelled samples, but all 4 labels in y are unknown"),
        (["A", "A", "?", "?"], r"ItClust.* at least 2 classes.*only one class: 'A'"),
        ([-1, 5, 5, -1], r"at least 2 classes.*only one class: 5"),
        (None, "requires y to be passed, but the target y is None"),
        ([0.5, 1.5, 0.0, 2.0], "Unknown label type: continuous"),
        (["A", 1, "B", 2], "types of one kind, got a mix of int, str"),
        ([["A", "B"]] * 4, "y should be a 1d array"),
    ]
    for y, message in cases:
        with subtests.test(y=y), pytest.raises(ValueError, match=message):
            quick().fit(X[:4], y)


def test_a_marker_is_a_scalar():
    with pytest.raises(
        ValueError, match=r"must be 'auto', None, a scalar .*, got \[\]"
    ):
        quick(unlabeled_marker=[]).fit(X, Y)


def test_cells_that_are_refused(subtests):
    cases = [
        (np.where(np.eye(4) > 0, np.nan, 1.0), ValueError, "Input X contains NaN"),
        (np.where(np.eye(4) > 0, np.inf, 1.0), ValueError, "Input X contains infinity"),
        (sparse.csr_array(np.eye(4) * np.nan), ValueError, "Input X contains NaN"),
        (np.ones(4), ValueError, "Expected 2D array"),
        (np.ones((4, 2, 2)), ValueError, "Found array with dim 3"),
        (np.ones((4, 0)), ValueError, "Found array with 0 feature"),
        ([["a", "b"]] * 4, ValueError, "could not convert string"),
        (np.ones((4, 2)) * 1j, ValueError, "Complex data not supported"),
    ]
    for cells, error, message in cases:
        with subtests.test(cells=cells), pytest.raises(error, match=message):
            quick().fit(cells, ["A", "B", "?", "?"])


@pytest.mark.parametrize("package", ["torch", "skorch"])
def test_missing_package(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    message = rf"ItClustClassifier needs {package}.*celltyping\[nn\]"
    with pytest.raises(ImportError, match=message):
        quick().fit(X, Y)
