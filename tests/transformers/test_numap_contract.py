"""NUMAP: properties of every embedding, copies, odd data, bad input."""

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
import skops.io
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import kneighbors_graph
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from celltyping import NUMAP, GrEASE, MLPEncoder
from celltyping.metrics import make_neighborhood_scorer
from tests._callbacks import Log
from tests._numap import (
    NEW,
    NEW_TYPES,
    QUICK,
    SETTINGS,
    TYPES,
    X,
    embed,
    make_clumps,
    make_numap,
    quick,
    separation,
)


@pytest.fixture(scope="module", params=SETTINGS.values(), ids=SETTINGS.keys())
def settings(request):
    return {**QUICK, **request.param}


@pytest.fixture(scope="module")
def fitted(settings):
    """Give a NUMAP that a test only reads."""
    return make_numap(**settings, decoder=True).fit(X)


# --------------------------------------------------------------------- every embedding


def test_embedding_is_what_transform_gives(fitted):
    assert np.isfinite(fitted.embedding_).all()
    np.testing.assert_array_equal(fitted.transform(X), fitted.embedding_)


def test_fit_transform_gives_a_copy():
    numap = quick()
    given = numap.fit_transform(X)
    given[:] = 0
    assert numap.embedding_.any()


def test_an_answer_does_not_depend_on_the_batch(fitted):
    placed = fitted.transform(NEW)
    order = np.random.default_rng(0).permutation(80)
    np.testing.assert_allclose(fitted.transform(NEW[order]), placed[order], rtol=1e-12)
    for row in range(0, 80, 9):
        alone = fitted.transform(NEW[row : row + 1])
        np.testing.assert_allclose(alone, placed[row : row + 1], rtol=1e-12)
    many = fitted.transform(np.tile(NEW, (110, 1)))
    np.testing.assert_allclose(many, np.tile(placed, (110, 1)), rtol=1e-12)


def test_an_answer_far_away_does_not_depend_on_the_batch():
    wide, _ = make_clumps(120, 70)
    numap = quick().fit(wide)
    far = np.vstack([wide[:20] * scale for scale in (1, 100, 10_000)])
    placed = numap.transform(far)
    assert np.isfinite(placed).all()
    for row in range(60):
        alone = numap.transform(far[row : row + 1])
        np.testing.assert_allclose(alone, placed[row : row + 1], rtol=1e-6)


def test_the_same_random_state_gives_the_same_bits(settings, fitted):
    found = embed(**settings, decoder=True, n_jobs=2)
    np.testing.assert_array_equal(found, fitted.embedding_)


def test_a_generator_as_random_state():
    state = np.random.RandomState(3)
    first, second = (embed(random_state=state) for _ in range(2))
    again = embed(random_state=np.random.RandomState(3))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, second)


def test_number_of_threads(subtests):
    data, _ = make_clumps(700, 30)
    new, _ = make_clumps(1500, 30, seed=1)
    for metric in ("euclidean", "cosine", "manhattan"):
        with subtests.test(metric=metric):
            one, two = (quick(metric=metric, n_jobs=n).fit(data) for n in (1, 2))
            np.testing.assert_array_equal(one.embedding_, two.embedding_)
            np.testing.assert_array_equal(one.transform(new), two.transform(new))
    with pytest.raises(ValueError, match="n_jobs == 0"):
        quick(n_jobs=0).fit(data)


def test_fits_in_threads_do_not_disturb_each_other():
    before, n_threads = torch.get_rng_state(), torch.get_num_threads()
    expected = [embed(random_state=seed) for seed in range(4)]
    found = joblib.Parallel(n_jobs=4, backend="threading")(
        joblib.delayed(embed)(random_state=seed) for seed in range(4)
    )
    np.testing.assert_array_equal(found, expected)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == n_threads


@pytest.mark.parametrize(("dtype", "order"), [(np.float32, "F"), (np.float64, "C")])
def test_inputs_and_random_states_outside_stay_as_they_are(settings, dtype, order):
    data = np.array(X, dtype=dtype, order=order)
    before = data.copy()
    data.setflags(write=False)
    module = settings.get("module")
    weights = None if module is None else copy.deepcopy(module.state_dict())
    numap = make_numap(**settings, decoder=True)
    encoder = numap.encoder
    parameters = dict(vars(encoder))
    states = torch.get_rng_state(), joblib.hash(np.random.mtrand._rand)
    n_threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        placed = numap.fit(data, TYPES).transform(data)
        back = numap.inverse_transform(placed)
        pickle.loads(pickle.dumps(numap))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(n_threads)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert joblib.hash(np.random.mtrand._rand) == states[1]
    assert placed.dtype == numap.embedding_.dtype == back.dtype == dtype
    np.testing.assert_array_equal(data, before)
    assert numap.encoder is encoder
    assert vars(encoder) == parameters
    if module is not None:
        for name, weight in module.state_dict().items():
            assert torch.equal(weight, weights[name])


def test_the_order_of_a_table_in_memory_does_not_count():
    expected = quick().fit(np.ascontiguousarray(X, np.float32), TYPES).embedding_
    found = quick().fit(np.asfortranarray(X, np.float32), TYPES).embedding_
    np.testing.assert_array_equal(found, expected)


def test_single_and_double_precision_agree():
    numap = quick().fit(X)
    placed = numap.transform(NEW.astype(np.float32))
    assert placed.dtype == np.float32
    np.testing.assert_allclose(placed, numap.transform(NEW), atol=0.05)
    assert numap.transform(np.round(NEW).astype(int)).dtype == np.float64


def test_an_encoder_cannot_write_to_the_samples():
    encoder = torch.nn.Sequential(torch.nn.ReLU(inplace=True), torch.nn.Linear(6, 2))
    for dtype in (np.float32, np.float64):
        data = X.astype(dtype)
        quick(module=encoder, fine_tune_epochs=1).fit(data).transform(data)
        np.testing.assert_array_equal(data, X.astype(dtype))


def test_views_of_any_strides():
    options = {"module": torch.nn.Linear(6, 2)}
    backwards = quick(**options).fit(X[::-1, ::-1])
    copied = quick(**options).fit(X[::-1, ::-1].copy())
    np.testing.assert_array_equal(backwards.embedding_, copied.embedding_)
    np.testing.assert_array_equal(
        backwards.transform(NEW[::2]), copied.transform(NEW)[::2]
    )


def test_sparse_equals_dense(subtests):
    data = np.where(np.abs(X) < 0.5, 0, X)
    expected = quick(decoder=True).fit(data)
    for layout in (sparse.csr_matrix, sparse.csc_array):
        with subtests.test(layout=layout):
            table = layout(data)
            found = quick(decoder=True).fit(table)
            np.testing.assert_array_equal(found.embedding_, expected.embedding_)
            np.testing.assert_array_equal(found.transform(table), found.embedding_)
            np.testing.assert_array_equal(found.transform(data), found.embedding_)
            np.testing.assert_allclose(
                found.inverse_transform(NEW[:, :2]),
                expected.inverse_transform(NEW[:, :2]),
            )


def test_a_wide_sparse_table():
    data, y = make_clumps(120, 300)
    table = sparse.csr_array(np.where(np.abs(data) < 1, 0, data))
    numap = quick(n_input_components=10).fit(table)
    assert numap.net_.module_.options["n_inputs"] == 10
    assert separation(numap.embedding_, y) > 0.9
    np.testing.assert_allclose(
        numap.transform(table[3:4].toarray()), numap.embedding_[3:4], rtol=1e-9
    )
    own = quick(decoder=torch.nn.Linear(2, 300)).fit(table)
    assert own.inverse_transform(own.embedding_).shape == (120, 300)


def test_tables_with_names():
    frame = pd.DataFrame(X, columns=list("abcdef"), index=[f"n{k}" for k in range(120)])
    numap = quick().set_output(transform="pandas")
    placed = numap.fit_transform(frame)
    assert list(placed.columns) == ["numap0", "numap1"]
    assert placed.index.equals(frame.index)
    np.testing.assert_array_equal(placed, embed())
    assert numap.feature_names_in_.tolist() == list("abcdef")
    pd.testing.assert_frame_equal(numap.transform(frame[:3]), placed[:3])
    with pytest.raises(ValueError, match="feature names should match"):
        numap.transform(frame[list("fedcba")])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        numap.transform(NEW)


# -------------------------------------------------------------------- copies, searches


def test_copies(fitted):
    positions = NEW[:, : fitted.n_components]
    placed, back = fitted.transform(NEW), fitted.inverse_transform(positions)
    history = fitted.net_.history[:, "train_loss"]
    for copied in (pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted), fitted):
        np.testing.assert_array_equal(copied.transform(NEW), placed)
        np.testing.assert_array_equal(copied.embedding_, fitted.embedding_)
        np.testing.assert_array_equal(copied.inverse_transform(positions), back)
        assert copied.net_.history[:, "train_loss"] == history
    fresh = clone(fitted)
    assert repr(fresh) == repr(fitted)
    with pytest.raises(NotFittedError):
        fresh.transform(NEW)
    np.testing.assert_array_equal(fresh.fit_transform(X), fitted.embedding_)
    np.testing.assert_array_equal(fresh.transform(NEW), placed)


def test_joblib(tmp_path):
    numap = quick(module=torch.nn.Linear(6, 2), callbacks=[Log()]).fit(X)
    joblib.dump(numap, tmp_path / "numap.joblib")
    loaded = joblib.load(tmp_path / "numap.joblib")
    np.testing.assert_array_equal(loaded.transform(NEW), numap.transform(NEW))


def test_a_model_from_a_gpu_opens_without_one():
    numap = quick(decoder=True).fit(X)
    placed = numap.transform(NEW)
    numap.device_ = "cuda:97"
    loaded = pickle.loads(pickle.dumps(numap))
    assert loaded.device_ == "cpu"
    np.testing.assert_array_equal(loaded.transform(NEW), placed)


def test_pipeline():
    pipeline = make_pipeline(
        StandardScaler(), quick(decoder=True), LogisticRegression()
    )
    pipeline.fit(X, TYPES)
    assert pipeline.score(NEW, NEW_TYPES) > 0.9
    there_and_back = pipeline[:-1]
    back = there_and_back.inverse_transform(there_and_back.transform(NEW))
    assert back.shape == NEW.shape
    graph = kneighbors_graph(X, 7, mode="distance")
    pipeline.fit(X, TYPES, numap__neighbor_graph=graph)


def test_grid_search():
    search = GridSearchCV(
        quick(),
        {"encoder__dropout": [0.0, 0.5], "decoder": np.array([False, True])},
        scoring=make_neighborhood_scorer(n_neighbors=8),
        cv=2,
        error_score="raise",
    )
    search.fit(X)
    scores = search.cv_results_["mean_test_score"]
    assert len(scores) == 4
    assert (scores > 0.2).all()
    assert len(np.unique(scores)) == 2
    assert search.best_estimator_.transform(NEW).shape == (80, 2)


def test_parameters_of_an_encoder_that_is_not_given():
    for encoder in (None, torch.nn.Linear(6, 2)):
        numap = NUMAP(encoder=encoder).set_params(encoder__max_epochs=7, n_epochs=9)
        assert (numap.encoder.max_epochs, numap.n_epochs) == (7, 9)
        assert numap.encoder.module is encoder
    numap = NUMAP().set_params(encoder=MLPEncoder((8,)), encoder__max_epochs=7)
    assert repr(numap.encoder) == "MLPEncoder(hidden_layer_sizes=(8,), max_epochs=7)"
    assert NUMAP().set_params(n_epochs=9).encoder is None
    with pytest.raises(ValueError, match="Invalid parameter 'depth'"):
        NUMAP().set_params(encoder__depth=7)
    search = GridSearchCV(
        NUMAP(n_epochs=20, n_anchors=40, random_state=0),
        {"encoder__max_epochs": [1, 2]},
        scoring=make_neighborhood_scorer(n_neighbors=8),
        cv=2,
        error_score="raise",
    )
    assert search.fit(X).best_estimator_.n_iter_ in (1, 2)


def test_an_encoder_alone():
    encoder = MLPEncoder((8, 4), dropout=0.1)
    assert clone(encoder).get_params() == encoder.get_params()
    assert repr(encoder) == "MLPEncoder(dropout=0.1, hidden_layer_sizes=(8, 4))"
    again = pickle.loads(pickle.dumps(encoder))
    assert again.get_params() == encoder.get_params()
    stored = skops.io.dumps(encoder)
    trusted = skops.io.get_untrusted_types(data=stored)
    assert skops.io.loads(stored, trusted=trusted).dropout == 0.1
    numap = NUMAP(encoder=encoder).set_params(encoder__dropout=0.3)
    assert encoder.dropout == 0.3
    assert clone(numap).encoder is not encoder
    for estimator in (encoder, numap):
        assert "dropout" in estimator._repr_html_()


# ---------------------------------------------------------------------------- odd data


def test_very_few_samples(subtests):
    options = {"decoder": True, "densmap": True, "fine_tune_epochs": 1}
    for n_samples in (2, 3, 4):
        for n_components in (1, 2, 3):
            with subtests.test(n_samples=n_samples, n_components=n_components):
                numap = quick(n_components, n_neighbors=1, **options).fit(X[:n_samples])
                assert numap.embedding_.shape == (n_samples, n_components)
                assert np.isfinite(numap.embedding_).all()
                assert np.isfinite(numap.transform(NEW)).all()


def test_fewer_samples_than_neighbors():
    message = r"n_neighbors \(15\) must be less than .* \(10\): 9 are used"
    with pytest.warns(UserWarning, match=message) as caught:
        found = quick().fit(X[:10]).embedding_
    assert [warning.filename for warning in caught] == [__file__]
    np.testing.assert_array_equal(found, embed(X[:10], n_neighbors=9))


@pytest.mark.parametrize(
    "data",
    [
        np.hstack([np.ones((120, 2)), X]),
        np.ones((40, 3)),
        np.repeat(X[:12], 10, axis=0),
        np.vstack([np.ones((60, 6)), X[:60]]),
        np.ones((70, 60)),
        sparse.csr_array(np.ones((70, 60))),
        np.outer(np.arange(70), np.ones(60)),
        X * 1e-20,
        X * 1e12,
        X + 1e6,
        X[:, :1],
    ],
    ids=[
        "constant columns",
        "all rows alike",
        "duplicates",
        "half the rows alike",
        "all rows alike and wide",
        "all rows alike, wide and sparse",
        "one direction",
        "tiny",
        "large",
        "far from 0",
        "one column",
    ],
)
def test_odd_data(data):
    options = {"decoder": True, "densmap": True, "fine_tune_epochs": 1}
    numap = quick(**options).fit(data)
    assert np.isfinite(numap.embedding_).all()
    assert np.isfinite(numap.inverse_transform(numap.embedding_)).all()
    np.testing.assert_array_equal(numap.transform(data), numap.embedding_)
    data = data.toarray() if sparse.issparse(data) else data
    _, first, which = np.unique(data, axis=0, return_index=True, return_inverse=True)
    alike = numap.embedding_[first][which]
    np.testing.assert_allclose(alike, numap.embedding_, rtol=1e-9, atol=1e-9)


def test_clumps_that_nothing_joins():
    data = np.vstack([X, X + 1000])
    numap = quick().fit(data)
    assert np.isfinite(numap.embedding_).all()
    side = np.repeat([0, 1], 120)
    assert separation(numap.embedding_, side) == 1
    assert abs(numap.graph_[:120, 120:]).sum() == 0
    few, _ = make_clumps(22, 30)
    assert embed(np.vstack([few, few + 1000]), n_components=25).shape == (44, 25)


# --------------------------------------------------------------------------- bad input


def with_value(value):
    """Return samples that hold it."""
    data = X.copy()
    data[3, 2] = value
    return data


def test_data_that_are_refused(subtests):
    for data, y, message in (
        (with_value(np.nan), None, "Input X contains NaN"),
        (with_value(np.inf), None, "Input X contains infinity"),
        (X[:1], None, r"Found array with 1 sample\(s\) .* a minimum of 2"),
        (X[:, 0], None, "Expected 2D array, got 1D array"),
        (X, TYPES[:50], r"inconsistent numbers of samples: \[120, 50\]"),
        (X, np.full(120, -1), "NUMAP needs labelled samples, but all 120 labels in"),
        (X, np.full(120, "?"), "NUMAP needs labelled samples, but all 120 labels in"),
        (
            X,
            X[:, 0],
            r"label type: continuous\. NUMAP takes types .* NUMAP\(target_weight=0\) i",
        ),
        (X, X[:, :2], r"y should be a 1d array"),
        (X * 1e30, None, "X holds values too large for NUMAP"),
    ):
        with subtests.test(message), pytest.raises(ValueError, match=message):
            quick().fit(data, y)


def test_parameters_that_are_refused(subtests):
    for parameters, message in (
        ({"metric": "miles"}, r"metric \('miles'\) must be a function or, for a dense"),
        ({"metric": "seuclidean"}, "needs metric_params: V, the variances"),
        ({"inputs": "spectral"}, "inputs='spectral' needs spectral coordinates, but"),
        (
            {"inputs": "both"},
            "inputs='both' needs spectral coordinates, but init is 'p",
        ),
        ({"residual": True}, "residual=True needs spectral coordinates, but init is"),
        ({"weights": "spectral"}, "weights='spectral' needs spectral coordinates"),
        ({"spectral_weight": 0.1}, "spectral_weight=0.1 needs spectral coordinates"),
        ({"residual": True, "init": X[:, :2]}, "but init is an array: use 'spectral'"),
        ({"min_dist": 1.5}, r"min_dist \(1.5\) must be at most spread \(1.0\)"),
        ({"hidden_layer_sizes": (8, 0)}, r"must be positive integers, got \(8, 0\)"),
        ({"hidden_layer_sizes": (8.5,)}, r"must be positive integers, got \(8.5,\)"),
        ({"device": "cuda:97"}, "device='cuda:97' cannot be used here"),
        ({"dropout": 1.0}, "The 'dropout' parameter of MLPEncoder must be a float"),
    ):
        with (
            subtests.test(parameters=parameters),
            pytest.raises(ValueError, match=message),
        ):
            quick(**{"init": "pca", **parameters}).fit(X)


def test_parameters_that_contradict_each_other(subtests):
    for parameters, message in (
        (
            {"module": torch.nn.Linear(6, 2), "inputs": "both"},
            "inputs='both' is a parameter of the perceptron, but module is a network",
        ),
        (
            {"module": torch.nn.Linear(6, 2), "residual": True},
            "residual=True is a parameter of the perceptron",
        ),
        (
            {"module": torch.nn.Linear(6, 2), "weights": "one_hot"},
            "weights='one_hot' is a parameter of the perceptron",
        ),
        (
            {"module": torch.nn.Linear(6, 2), "dropout": 0.1},
            "dropout=0.1 is a parameter of the perceptron, .*; leave it at 0.2",
        ),
        (
            {"module": torch.nn.Linear(6, 2), "input_noise": 0.0},
            "input_noise=0.0 is a parameter of the perceptron",
        ),
        (
            {"module": torch.nn.Linear(6, 2), "hidden_layer_sizes": (9,)},
            r"hidden_layer_sizes=\(9,\) is a parameter of the perceptron",
        ),
        (
            {"weights": "spectral", "inputs": "both"},
            "inputs must be 'features', got 'both'",
        ),
        (
            {"weights": "spectral", "init": GrEASE(2)},
            "but this GrEASE has none: set its n_anchors to 0",
        ),
        (
            {
                "weights": "spectral",
                "init": GrEASE(hidden_layer_sizes=(8,), n_anchors=0),
            },
            r"hidden_layer_sizes are \(8,\), but those of the encoder are \(128",
        ),
        (
            {"residual": True, "n_components": 3, "init": GrEASE(2)},
            "residual=True needs at least 3 spectral coordinates, but init gives 2 f",
        ),
    ):
        with (
            subtests.test(parameters=parameters),
            pytest.raises(ValueError, match=message),
        ):
            quick(**parameters).fit(X)


def test_device():
    assert quick(device="cpu").fit(X).device_ == "cpu"
    numap = quick(device="cpu:0").fit(X)
    np.testing.assert_array_equal(numap.embedding_, embed(device="cpu"))
    with pytest.raises(ValueError, match=r"device='meta' cannot be used here"):
        quick(device="meta").fit(X)


def test_metric_that_is_not_defined_for_a_row():
    data = X.copy()
    data[3] = 7.0
    with pytest.warns(
        UserWarning, match="1 of 120 rows of X, such as row 3, have no n"
    ):
        numap = quick(metric="correlation").fit(data)
    np.testing.assert_array_equal(numap.embedding_[3], numap.layout_[3])
    message = "gives distances that are not finite, such as nan"
    with pytest.raises(ValueError, match=message):
        quick(metric=lambda a, b: np.nan).fit(X)
    with pytest.raises(ValueError, match="metric='correlation' needs a dense X"):
        quick(metric="correlation").fit(sparse.csr_array(X))
    with pytest.raises(ValueError, match=r"'chebyshev'.* for a sparse X, one of"):
        quick(metric="chebyshev").fit(sparse.csr_array(X))


def test_types_that_leave_no_edge():
    message = r"no two neighbours have the same type in y, .* target_weight=1.0 leaves"
    with pytest.raises(ValueError, match=message):
        quick(target_weight=1.0).fit(X, np.arange(120))
    assert np.isfinite(embed(y=np.arange(120), target_weight=0.9)).all()


def test_other_features_in_transform():
    numap = quick().fit(X)
    with pytest.raises(ValueError, match="X has 5 features, but NUMAP is expecting 6"):
        numap.transform(X[:, :5])
    with pytest.raises(ValueError, match="X contains NaN"):
        numap.transform(with_value(np.nan))
    for name in ("transform", "get_feature_names_out"):
        with pytest.raises(NotFittedError):
            getattr(NUMAP(), name)(*[X] * (name == "transform"))


@pytest.mark.parametrize("package", ["torch", "skorch"])
def test_missing_package(package, monkeypatch):
    monkeypatch.delattr("celltyping._nn._training")
    monkeypatch.delitem(sys.modules, "celltyping._nn._training")
    monkeypatch.setitem(sys.modules, package, None)
    message = rf"NUMAP needs {package}, which the extra 'nn' brings: pip install"
    numap = quick()
    with pytest.raises(ImportError, match=message):
        numap.fit(X)
    assert set(vars(numap)) == set(numap.get_params(deep=False))


def test_no_warnings_where_nothing_is_odd():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quick().fit(X, TYPES).transform(NEW)
