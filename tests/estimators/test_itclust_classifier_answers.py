"""ItClustClassifier: properties of every answer, other targets, odd data."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import pickle
from functools import cache

import joblib
import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.exceptions import NotFittedError
from threadpoolctl import threadpool_limits

from celltyping import ItClustClassifier
from tests._itclust import (
    IS_TARGET,
    NAMES,
    NEW,
    SETTINGS,
    TARGET,
    TYPES,
    X,
    Y,
    assert_same,
    fingerprint,
    hasty,
    make_transfer,
    quick,
)

pytestmark = pytest.mark.usefixtures("one_thread")


@cache
def fitted_with(name):
    """Return a classifier fitted with one of the settings, to be read alone."""
    return quick(**SETTINGS[name]).fit(X, Y)


# ---------------------------------------------------------- properties of every answer


def test_attributes(subtests):
    for name, settings in SETTINGS.items():
        with subtests.test(name=name):
            fitted = fitted_with(name)
            n_networks = fitted.n_networks
            n_latent = (
                n_networks * {True: 8, False: 64}["hidden_layer_sizes" in settings]
            )
            assert (
                fitted.transduction_.shape == fitted.label_confidence_.shape == (215,)
            )
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


def test_transduction_is_what_predict_says(subtests):
    for name, settings in SETTINGS.items():
        with subtests.test(name=name):
            fitted = fitted_with(name)
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
            np.testing.assert_array_equal(
                fitted.classes_[last][named], found[IS_TARGET][named]
            )


def test_probabilities(subtests):
    for name in SETTINGS:
        with subtests.test(name=name):
            fitted = fitted_with(name)
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


def test_cluster_confidence(subtests):
    for name, settings in SETTINGS.items():
        with subtests.test(name=name):
            cells, y, _ = make_transfer(noise=1.0)
            fitted = quick(**settings).fit(cells, y)
            first, last = fitted.trajectory_.labels[[0, -1]]
            for c, found in enumerate(fitted.cluster_confidence_):
                stayed = [a == c for a, b in zip(first, last, strict=True) if b == c]
                if stayed:
                    assert found == sum(stayed) / len(stayed)
                else:
                    assert np.isnan(found)


def test_an_answer_does_not_depend_on_the_batch(subtests):
    for name in SETTINGS:
        with subtests.test(name=name):
            fitted = fitted_with(name)
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


def test_random_states_of_equal_seeds_give_the_same_bits(subtests):
    for name, settings in SETTINGS.items():
        with subtests.test(name=name):
            state = np.random.RandomState(3)
            fits = [hasty(**settings, random_state=state).fit(X, Y) for _ in range(2)]
            again = hasty(**settings, random_state=np.random.RandomState(3)).fit(X, Y)
            assert_same(fits[0], again)
            assert not np.array_equal(
                fits[0].predict_proba(NEW), fits[1].predict_proba(NEW)
            )


def test_number_of_threads(subtests):
    for name, settings in SETTINGS.items():
        with subtests.test(name=name):
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


def test_random_states_outside_stay_as_they_are(subtests):
    for name, settings in SETTINGS.items():
        with subtests.test(name=name):
            before = torch.get_rng_state(), joblib.hash(np.random.mtrand._rand)
            fitted = hasty(**settings).fit(X, Y)
            fitted.adapt(NEW).predict(NEW)
            fitted.transform(NEW)
            pickle.loads(pickle.dumps(fitted))
            assert torch.equal(torch.get_rng_state(), before[0])
            assert joblib.hash(np.random.mtrand._rand) == before[1]


# -------------------------------------------------------------------- other targets


def test_adapt_makes_a_new_classifier(subtests):
    for name, settings in SETTINGS.items():
        with subtests.test(name=name):
            fitted = fitted_with(name)
            before, said = fingerprint(fitted), fitted.predict_proba(NEW)
            adapted = fitted.adapt(NEW)
            assert adapted is not fitted
            assert type(adapted) is ItClustClassifier
            assert fingerprint(fitted) == before
            np.testing.assert_array_equal(fitted.predict_proba(NEW), said)
            assert (
                adapted.transduction_.shape == adapted.label_confidence_.shape == (60,)
            )
            assert adapted.trajectory_.labels.shape == (adapted.n_iter_, 60)
            np.testing.assert_array_equal(adapted.predict(NEW), adapted.transduction_)
            np.testing.assert_array_equal(adapted.transform(NEW), fitted.transform(NEW))
            if "reject_threshold" in settings:
                assert adapted.novelty_.shape == (60,)
            changed = settings.get("adaptation") != "never"
            assert changed != np.array_equal(adapted.predict_proba(NEW), said)


def test_adapt_to_the_same_target_changes_no_bit(subtests):
    for name in SETTINGS:
        with subtests.test(name=name):
            fitted = fitted_with(name)
            adapted = fitted.adapt(TARGET)
            np.testing.assert_array_equal(
                adapted.transduction_, fitted.transduction_[IS_TARGET]
            )
            np.testing.assert_array_equal(
                adapted.predict_proba(NEW), fitted.predict_proba(NEW)
            )
            np.testing.assert_array_equal(adapted.predict(NEW), fitted.predict(NEW))


def test_adapt_forgets_the_target_before(subtests):
    for name, settings in SETTINGS.items():
        with subtests.test(name=name):
            fitted = hasty(**settings).fit(X, Y)
            expected = fitted.adapt(NEW)
            assert_same(fitted.adapt(X).adapt(TARGET[:7]).adapt(NEW), expected)
            loaded = pickle.loads(pickle.dumps(fitted.adapt(X)))
            assert_same(loaded.adapt(NEW), expected)
            assert_same(pickle.loads(pickle.dumps(expected)), expected)


def test_adapt_what_had_no_target(subtests):
    for name, settings in SETTINGS.items():
        with subtests.test(name=name):
            known = ~IS_TARGET
            options = {**settings, "scaling": "unit"}
            fitted = quick(**options).fit(X[known], Y[known])
            assert not fitted.adapted_
            adapted = fitted.adapt(TARGET)
            expected = quick(**options).fit(X, Y)
            if options.get("pretrain_epochs"):  # which sees the target
                assert adapted.score(X[known], Y[known]) > 0.9
            else:
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


# ---------------------------------------------------------------------- odd data

AFEW = np.r_[np.flatnonzero(~IS_TARGET)[:40], np.flatnonzero(IS_TARGET)[:40]]


def with_labels(per_type):
    """Return types of which `per_type` cells per type are known."""
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


@pytest.mark.parametrize(
    ("layout", "scaling"), [(sparse.csr_array, "unit"), (np.asarray, "standard")]
)
def test_odd_data(subtests, layout, scaling):
    options = {"hidden_layer_sizes": (16,), "n_networks": 1, "pretrain_epochs": 1}
    options |= {"scaling": scaling, "reject_threshold": 1.2}
    for name, (cells, y) in ODD.items():
        with subtests.test(name):
            y = np.asarray(y)
            fitted = hasty(**options).fit(layout(cells), y)
            unknown = y == (-1 if y.dtype.kind == "i" else "?")
            assert np.array_equal(fitted.transduction_[~unknown], y[~unknown])
            assert np.isfinite(fitted.label_confidence_).all()
            assert np.isfinite(fitted.trajectory_.centroids).all()
            for other in (
                fitted,
                fitted.adapt(layout(cells[:1])),
                fitted.adapt(layout(cells)),
            ):
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
