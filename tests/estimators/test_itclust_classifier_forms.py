"""ItClustClassifier: forms of X and y, copies, pipelines, callbacks, interrupts."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import copy
import pickle
import warnings
from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler
from skorch.callbacks import EarlyStopping

from celltyping._nn import _training
from celltyping.model_selection import SeedShuffleSplit
from tests._callbacks import Interrupt, Log, LoseTheNumbers
from tests._itclust import (
    IS_TARGET,
    NAMES,
    NEW,
    NEW_CODES,
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


# ------------------------------------------------------------------ forms of a table


def test_inputs_stay_as_they_are(subtests):
    cases = [
        ("deep", np.float32, "F"),
        ("unscaled", np.float32, "F"),
        ("unscaled", np.float64, "C"),
        ("reject", np.float64, "C"),
        ("reject", np.int64, "F"),
    ]
    for settings_of, dtype, order in cases:
        with subtests.test(dtype=dtype, order=order, settings_of=settings_of):
            options = SETTINGS[settings_of]
            data = np.array(10 * X, dtype=dtype, order=order)
            y = Y.astype(object)
            before = data.copy(), y.copy()
            data.setflags(write=False)
            y.setflags(write=False)
            fitted = hasty(**options).fit(data, y)
            fitted.predict(data)
            latents = fitted.adapt(data).transform(data)
            assert latents.dtype == (np.float32 if dtype == np.float32 else np.float64)
            np.testing.assert_array_equal(data, before[0])
            np.testing.assert_array_equal(y, before[1])
            assert_same(hasty(**options).fit(np.ascontiguousarray(data), y), fitted)


LAYOUTS = {
    "csr": sparse.csr_array,
    "csr_matrix": sparse.csr_matrix,
    "csc": sparse.csc_array,
    "coo": sparse.coo_array,
    "lil": sparse.lil_array,
}


def test_sparse_tables_stay_as_they_are(subtests):
    cases = [(layout, np.int32) for layout in LAYOUTS]
    cases += [(layout, np.int64) for layout in ("csr", "csr_matrix", "csc")]
    for layout, index_dtype in cases:
        with subtests.test(layout=layout, index_dtype=index_dtype):
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
                options = {
                    "pretrain_epochs": 1,
                    "reject_threshold": 1.2,
                    "n_networks": 1,
                }
                fitted = hasty(scaling=scaling, **options).fit(data, Y)
                fitted.adapt(data).predict(data)
            for array, copied in zip(arrays, before, strict=True):
                np.testing.assert_array_equal(array, copied)


def indices_of(table):
    """Return the index arrays of a sparse table."""
    return table.coords if table.format == "coo" else (table.indices, table.indptr)


def test_sparse_equals_dense(subtests):
    cases = [(name, "csr") for name in SETTINGS] + [
        ("reject", name) for name in LAYOUTS
    ]
    for settings_of, layout in cases:
        with subtests.test(settings_of=settings_of, layout=layout):
            settings = SETTINGS[settings_of]
            # Sparse columns are not centred, which the labels do not depend on.
            expected = hasty(**settings).fit(X, Y)
            found = hasty(**settings).fit(LAYOUTS[layout](X), Y)
            if settings.get("scaling") == "standard":
                assert np.mean(found.transduction_ == expected.transduction_) > 0.95
                continue
            np.testing.assert_array_equal(found.transduction_, expected.transduction_)
            np.testing.assert_allclose(
                found.label_confidence_, expected.label_confidence_, atol=1e-9
            )
            table = LAYOUTS[layout](NEW)
            np.testing.assert_array_equal(found.predict(table), expected.predict(NEW))
            np.testing.assert_allclose(
                found.predict_proba(NEW), expected.predict_proba(NEW)
            )
            np.testing.assert_allclose(
                found.transform(table), expected.transform(NEW), atol=1e-9
            )


def test_entries_that_are_given_in_parts(subtests):
    for scaling in ["auto", "unit", "standard", None]:
        with subtests.test(scaling=scaling):
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


def test_single_and_double_precision_agree(subtests):
    for name, settings in SETTINGS.items():
        with subtests.test(name=name):
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


def test_unknown_types_may_be_written_in_many_ways(subtests):
    cases = [
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
    ]
    expected = hasty(n_networks=1).fit(X, Y)
    for known_as, unknown, marker in cases:
        with subtests.test(known_as=known_as, unknown=unknown, marker=marker):
            codes = np.searchsorted(NAMES, TYPES)
            y = known_as[codes].astype(object)
            y[IS_TARGET] = unknown
            if known_as.dtype != object:
                y = y.astype(np.result_type(known_as, np.array(unknown)))
            for given in (y, y.tolist(), pd.Series(y)):
                fitted = hasty(unlabeled_marker=marker, n_networks=1).fit(X, given)
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
    with pytest.raises(ValueError, match="score needs labelled samples"):
        fitted.score(TARGET, Y[IS_TARGET])


# -------------------------------------------------- copies, pipelines, grid search


def test_copies(subtests):
    for name, settings in SETTINGS.items():
        with subtests.test(name=name):
            fitted = hasty(**settings).fit(X, Y)
            history = fitted.net_.history[:, "train_loss"]
            for copied in (
                pickle.loads(pickle.dumps(fitted)),
                copy.deepcopy(fitted),
                fitted,
            ):
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
    # All cells are rejected with the low threshold, and shrinkage has an effect.
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


def test_nothing_half_fitted_is_left(subtests):
    for pretrain_epochs, (callback, error, message) in product(
        [0, 2],
        [
            (Interrupt(), KeyboardInterrupt, None),
            (LoseTheNumbers(), FloatingPointError, r"diverged: .* Lower learning_rate"),
        ],
    ):
        with subtests.test(pretrain_epochs=pretrain_epochs, callback=callback):
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
