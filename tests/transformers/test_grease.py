"""GrEASE against exact eigenvectors, for training samples and new ones."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import pickle
import sys

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_digits, make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.metrics import pairwise_distances
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier, kneighbors_graph
from sklearn.pipeline import make_pipeline

from celltyping import GrEASE
from celltyping.metrics import grassmann_score
from celltyping.transformers import _grease
from celltyping.transformers._embedding.laplacian import (
    affinity_graph,
    leading_eigenvectors,
)
from celltyping.transformers._embedding.neighbors import nearest_neighbors
from tests._persistence import through_pickle, through_skops

LAPLACIANS = ["rw", "symmetric", "unnormalized"]
NETWORK = {"n_anchors": 0, "max_epochs": 3, "hidden_layer_sizes": (16,)}
MINIBATCH = {"solver": "minibatch", "max_epochs": 3, "hidden_layer_sizes": (16,)}
WAYS = [{}, NETWORK, MINIBATCH]


@pytest.fixture(scope="module")
def digits():
    """Return training and test samples."""
    X = load_digits().data / 16
    order = np.random.default_rng(0).permutation(len(X))
    return X[order[:1257]], X[order[1257:]]


@pytest.fixture(scope="module")
def few(digits):
    """Return fewer of them."""
    return digits[0][:200], digits[1][:50]


def exact(X, n_components=5, kind="rw", **options):
    """Compute the eigenvectors of the graph of all samples."""
    neighbors = nearest_neighbors(X, 15, random_state=0, **options)
    return leading_eigenvectors(affinity_graph(*neighbors), n_components, kind=kind)


@pytest.mark.parametrize("kind", LAPLACIANS)
def test_exact_coordinates(digits, kind):
    train, test = digits
    grease = GrEASE(5, laplacian=kind, random_state=0).fit(train)
    values, vectors = exact(train, kind=kind)
    np.testing.assert_allclose(grease.eigenvalues_, values, atol=1e-8)
    np.testing.assert_allclose(grease.embedding_, vectors, atol=1e-4)
    joint = exact(np.concatenate([train, test]), kind=kind)[1][len(train) :]
    found = grease.transform(test)
    assert grassmann_score(joint, found) < 0.025
    signs = np.sign((joint * found).sum(axis=0))
    np.testing.assert_allclose(
        (found * signs).std(axis=0), joint.std(axis=0), rtol=0.15
    )
    assert grease.solver_ == "exact"
    with pytest.raises(AttributeError, match="n_anchors=0 trains a network"):
        grease.net_  # noqa: B018


@pytest.mark.parametrize(
    "options",
    [
        {"n_anchors": 0},
        # Half of the default epochs, so a higher learning rate.
        {"solver": "minibatch", "max_epochs": 160, "learning_rate": 0.03},
    ],
)
@pytest.mark.parametrize("kind", ["rw", "symmetric"])
def test_networks(digits, kind, options):
    train, test = digits
    grease = GrEASE(
        3, laplacian=kind, hidden_layer_sizes=(64, 64), random_state=0, **options
    ).fit(train)
    values, vectors = exact(train, 3, kind)
    # Rayleigh quotients are never too small.
    assert (grease.eigenvalues_ > 0.999 * values).all()
    assert (grease.eigenvalues_ < 1.5 * values).all()
    assert grassmann_score(vectors, grease.embedding_) < 0.02
    cosines = (vectors * grease.embedding_).mean(axis=0)
    assert (cosines > 0.9).all()  # sign and length, too
    joint = exact(np.concatenate([train, test]), 3, kind)[1][len(train) :]
    assert grassmann_score(joint, grease.transform(test)) < 0.05
    losses = grease.loss_curve_
    assert len(losses) == grease.n_iter_ == len(grease.net_.history)
    assert losses[-1] < 0.2 * losses[0]
    assert grease.device_ == "cpu" or grease.device_.startswith("cuda")


@pytest.mark.parametrize("way", WAYS)
def test_a_row_depends_on_itself_alone(few, way):
    train, test = few
    grease = GrEASE(3, random_state=0, **way)
    fitted = grease.fit_transform(train)
    np.testing.assert_allclose(fitted, grease.transform(train), atol=1e-12)
    np.testing.assert_array_equal(fitted, grease.embedding_)
    together = grease.transform(test)
    for row in (0, 7, 49):
        alone = grease.transform(test[row : row + 1])
        np.testing.assert_allclose(alone[0], together[row], atol=1e-12)


@pytest.mark.parametrize("way", WAYS)
def test_same_seed_same_answer(few, way):
    train, test = few
    grease = GrEASE(3, random_state=0, **way).fit(train)
    expected = grease.transform(test)
    again = clone(grease).set_params(n_jobs=2).fit(train)
    np.testing.assert_array_equal(again.transform(test), expected)
    for loaded in (through_pickle(grease), through_skops(grease)):
        np.testing.assert_array_equal(loaded.transform(test), expected)
        np.testing.assert_array_equal(loaded.eigenvalues_, grease.eigenvalues_)


def test_a_model_from_a_gpu_opens_without_one(few):
    train, test = few
    grease = GrEASE(random_state=0, **NETWORK).fit(train)
    expected = grease.transform(test)
    grease.device_ = "cuda:97"
    for loaded in (through_pickle(grease), through_skops(grease)):
        assert loaded.device_ == "cpu"
        np.testing.assert_array_equal(loaded.transform(test), expected)


def test_training_leaves_torch_as_it_was(few):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    GrEASE(random_state=0, **NETWORK).fit(few[0])
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("way", WAYS)
def test_dtype_and_sparsity(few, way):
    train, test = few
    grease = GrEASE(3, random_state=0, **way)
    expected = grease.fit(train).transform(test)
    halved = clone(grease).fit(train.astype(np.float32))
    found = halved.transform(test.astype(np.float32))
    assert found.dtype == halved.embedding_.dtype == np.float32
    assert expected.dtype == np.float64
    np.testing.assert_allclose(found, expected, atol=0.05)
    for kind in (sparse.csr_array, sparse.coo_matrix):
        spread = grease.fit(kind(train)).transform(kind(test))
        assert grassmann_score(expected, spread) < 0.02


def test_inputs_stay_as_they_are(few):
    train = few[0].copy()
    train.setflags(write=False)
    GrEASE().fit(train).transform(train)
    np.testing.assert_array_equal(train, few[0])


def test_fiedler_vector(few):
    train = few[0]
    values, vectors = exact(train, 1)
    grease = GrEASE(1).fit(train)
    np.testing.assert_allclose(grease.embedding_, vectors, atol=1e-4)
    np.testing.assert_allclose(grease.eigenvalues_, values)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["rw", "symmetric"])
def test_diffusion_map(few, kind, way):
    train, test = few
    grease = GrEASE(3, laplacian=kind, random_state=0, **way).fit(train)
    mapped = clone(grease).set_params(diffusion_time=2.5).fit(train)
    factors = (1 - grease.eigenvalues_) ** 2.5
    np.testing.assert_allclose(mapped.embedding_, grease.embedding_ * factors)
    expected = grease.transform(test) * factors
    np.testing.assert_allclose(mapped.transform(test), expected)


def test_metrics(digits):
    train, test = digits
    for metric, params in (
        ("cosine", None),
        ("manhattan", None),
        ("minkowski", {"p": 1}),
    ):
        grease = GrEASE(3, metric=metric, metric_params=params, random_state=0).fit(
            train
        )
        options = {"metric": metric, "metric_params": params}
        np.testing.assert_allclose(
            np.abs(grease.embedding_), np.abs(exact(train, 3, **options)[1]), atol=1e-3
        )
        joint = exact(np.concatenate([train, test]), 3, **options)[1][len(train) :]
        assert grassmann_score(joint, grease.transform(test)) < 0.06


def test_anchors(digits):
    train, test = digits
    full = GrEASE(3, random_state=0).fit(train)
    some = GrEASE(3, n_anchors=400, random_state=0).fit(train)
    assert len(pickle.dumps(some)) < 0.8 * len(pickle.dumps(full))
    np.testing.assert_array_equal(some.eigenvalues_, full.eigenvalues_)
    score = grassmann_score(full.transform(test), some.transform(test))
    assert 0 < score < 0.05


def test_neighbors_and_input_components_do_something(digits):
    train, _ = digits
    full = GrEASE(3, random_state=0).fit(train)
    assert GrEASE(3, n_neighbors=5).fit(train).graph_.nnz < full.graph_.nnz
    reduced = GrEASE(3, n_input_components=10, random_state=0).fit(train)
    # The graph is made of all columns; only new samples are compared in 10.
    np.testing.assert_array_equal(reduced.eigenvalues_, full.eigenvalues_)
    assert not np.array_equal(
        reduced.transform(train[:50] + 0.01), full.transform(train[:50] + 0.01)
    )


def test_large_tables_are_searched_in_their_components(few, monkeypatch):
    monkeypatch.setattr(_grease, "MAX_PRODUCTS", 10)
    train = few[0]
    found = GrEASE(3, n_input_components=5, random_state=0).fit(train)
    centred = train - train.mean(axis=0)
    axes = np.linalg.svd(centred, full_matrices=False)[2][:5]
    np.testing.assert_allclose(
        found.eigenvalues_, exact(centred @ axes.T, 3)[0], rtol=1e-4
    )


def test_auto_solver(few, monkeypatch):
    monkeypatch.setattr(_grease, "MAX_EXACT", 100)
    grease = GrEASE(max_epochs=1, hidden_layer_sizes=(4,)).fit(few[0])
    assert grease.solver_ == "minibatch"
    assert grease.set_params(solver="exact").fit(few[0]).solver_ == "exact"
    assert not hasattr(grease, "loss_curve_")


def test_parameters_reach_the_training(few):
    from skorch.callbacks import Callback

    seen = []

    class Watch(Callback):
        def on_epoch_end(self, net, **kwargs):
            seen.append(net.lr)

    for way in (NETWORK, MINIBATCH):
        seen.clear()
        params = {**way, "max_epochs": 2, "hidden_layer_sizes": (7, 5)}
        grease = GrEASE(
            batch_size=20, learning_rate=0.004, callbacks=[Watch()], **params
        ).fit(few[0])
        assert seen == [0.004] * 2
        assert grease.n_iter_ == 2
        assert [len(layer.bias) for layer in grease.net_.module_.layers[:-1]] == [7, 5]
        assert len(grease.net_.history[0, "batches"]) == 10


def test_verbose_shows_a_bar(few, capsys):
    GrEASE(verbose=True, **NETWORK).fit(few[0])
    assert "spectral coordinates" in capsys.readouterr().err
    GrEASE(**NETWORK).fit(few[0])
    assert capsys.readouterr().err == ""


def test_means_are_not_stretched_without_end():
    X = np.random.default_rng(0).normal(size=(40, 3))
    for kind in LAPLACIANS:
        grease = GrEASE(39, laplacian=kind).fit(X)
        assert (
            np.abs(grease.transform(X + 0.1)).max()
            < 4 * np.abs(grease.embedding_).max()
        )


def test_equal_samples(subtests):
    for way in WAYS:
        with subtests.test(way=way):
            grease = GrEASE(random_state=0, **way).fit(np.ones((30, 4)))
            assert np.abs(grease.embedding_).max() < 10
            np.testing.assert_allclose(grease.embedding_, grease.embedding_[[0] * 30])


def test_few_samples(subtests):
    X = np.array([[0.0, 1.0], [1.0, 0.0], [3.0, 3.0]])
    message = r"n_neighbors \(15\) must be less than .* \(3\): 2 are used"
    for way in WAYS:
        with subtests.test(way=way):
            with pytest.warns(UserWarning, match=message):
                grease = GrEASE(2, random_state=0, **way).fit(X)
            assert np.isfinite(grease.transform(X)).all()


def test_components_are_warned_of():
    X, _ = make_blobs(300, centers=4, cluster_std=0.1, random_state=0)
    with pytest.warns(UserWarning, match="has 4 components, and n_components .2."):
        GrEASE(2).fit(X)
    grease = GrEASE(4).fit(X)
    np.testing.assert_allclose(grease.eigenvalues_[:3], 0, atol=1e-12)
    assert grease.eigenvalues_[3] > 0
    levels = {tuple(row) for row in grease.embedding_[:, :3].round(6)}
    assert len(levels) == 4


def test_bad_parameters(few, subtests):
    for params, message in (
        ({"n_components": 200}, r"n_components \(200\) must be less .* = 200\)"),
        ({"metric": "nearly"}, r"metric \('nearly'\) must be"),
        (
            {"laplacian": "unnormalized", "diffusion_time": 1},
            r"diffusion_time \(1\) must be 0 with laplacian='unnormalized'",
        ),
        ({"hidden_layer_sizes": (8, 0)}, r"hidden_layer_sizes must be .* got \(8, 0\)"),
        ({"solver": "minibatch", "batch_size": 1}, "batch_size must be at least 2 wi"),
        ({"n_anchors": 0, "device": "cuda:99"}, "device='cuda:99' cannot be used"),
        ({"solver": "guess"}, "'solver' parameter of GrEASE must be"),
    ):
        with subtests.test(params=params), pytest.raises(ValueError, match=message):
            GrEASE(**params).fit(few[0])


def test_a_training_that_diverges(few, subtests):
    for way in (NETWORK, MINIBATCH):
        with subtests.test(way=way):
            grease = GrEASE(learning_rate=1e30, random_state=0, **way)
            with pytest.raises(FloatingPointError, match="Lower learning_rate"):
                grease.fit(few[0])
            with pytest.raises(NotFittedError):
                grease.transform(few[0])


def test_only_networks_need_torch(few, monkeypatch):
    monkeypatch.delattr("celltyping._nn._training")
    monkeypatch.delitem(sys.modules, "celltyping._nn._training")
    for package in ("torch", "skorch"):
        monkeypatch.setitem(sys.modules, package, None)
    GrEASE().fit(few[0]).transform(few[1])
    with pytest.raises(ImportError, match=r'pip install "celltyping\[nn\]"'):
        GrEASE(n_anchors=0).fit(few[0])


def test_feature_names(few):
    names = GrEASE(3).fit(few[0]).get_feature_names_out()
    assert names.tolist() == ["grease0", "grease1", "grease2"]
    with pytest.raises(NotFittedError):
        GrEASE().get_feature_names_out()


# ----------------------------------------- distances as X, rows with nothing in common


@pytest.mark.parametrize("kind", LAPLACIANS)
def test_distances_as_X(few, kind):
    rng = np.random.default_rng(0)  # no ties
    train, test = (part + 0.01 * rng.random(part.shape) for part in few)
    options = {"laplacian": kind, "n_neighbors": 12}
    expected = GrEASE(3, n_input_components=None, **options).fit(train)
    new = pairwise_distances(test, train)
    for table in (
        pairwise_distances(train),
        kneighbors_graph(train, 12, mode="distance"),
    ):
        options["metric"] = "precomputed"
        grease = GrEASE(3, **options).fit(table)
        np.testing.assert_allclose(grease.eigenvalues_, expected.eigenvalues_, 1e-4)
        np.testing.assert_allclose(grease.embedding_, expected.embedding_, atol=1e-3)
        np.testing.assert_allclose(
            grease.transform(new), expected.transform(test), atol=0.01
        )
        again = through_pickle(grease)
        np.testing.assert_array_equal(again.transform(new), grease.transform(new))
    fitted = grease.fit(pairwise_distances(train))
    table = pairwise_distances(train)
    np.testing.assert_array_equal(fitted.transform(table), fitted.embedding_)
    some = GrEASE(3, n_anchors=60, **options).fit(table)
    np.testing.assert_array_equal(some.eigenvalues_, fitted.eigenvalues_)
    assert 0 < grassmann_score(fitted.transform(new), some.transform(new)) < 0.3


def test_parameters_that_need_features(few, subtests):
    for params, message in (
        ({"solver": "minibatch"}, "solver must be 'auto' or 'exact', got 'minibatch'"),
        ({"n_anchors": 0}, "n_anchors must be 'auto' or at least 1, got 0"),
        ({"metric_params": {"p": 1}}, "metric_params must be None"),
    ):
        with subtests.test(params=params), pytest.raises(ValueError, match=message):
            GrEASE(metric="precomputed", **params).fit(pairwise_distances(few[0]))


def test_matrices_that_are_no_distances(few):
    grease = GrEASE(metric="precomputed")
    for wrong, message in (
        (few[0], r"X must be a square matrix .* got shape \(200, 64\)"),
        (few[0] @ few[0].T, "turn similarities, such as NBLAST scores, into distance"),
        (kneighbors_graph(few[0], 9), "mode='distance' instead of 'connectivity'"),
    ):
        with pytest.raises(ValueError, match=message):
            grease.fit(wrong)


def test_cross_validation_of_distances(few):
    y = load_digits().target[np.random.default_rng(0).permutation(1797)[:200]]
    pipeline = make_pipeline(GrEASE(8, metric="precomputed"), KNeighborsClassifier(3))
    table = pairwise_distances(few[0])
    assert cross_val_score(pipeline, table, y, cv=3).mean() > 0.7


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", LAPLACIANS)
def test_samples_without_neighbors_have_coordinates_0(few, kind, way):
    train = few[0].copy()
    train[[5, 9, 30]] = 0
    rest = np.delete(np.arange(200), [5, 9, 30])
    grease = GrEASE(3, metric="cosine", laplacian=kind, random_state=0, **way)
    with pytest.warns(UserWarning, match="3 of 200 rows .* their coordinates are 0"):
        grease.fit(train)
    expected = clone(grease).fit(train[rest])
    np.testing.assert_array_equal(grease.embedding_[[5, 9, 30]], 0)
    if way is not MINIBATCH:
        found = grease.eigenvalues_
        np.testing.assert_allclose(found, expected.eigenvalues_, rtol=1e-5)
    if not way:
        np.testing.assert_allclose(
            grease.embedding_[rest], expected.embedding_, atol=1e-4
        )
    with pytest.warns(UserWarning, match="1 of 1 rows .* common with the fitted ones"):
        assert grease.transform(np.zeros((1, 64))).tolist() == [[0, 0, 0]]


def test_fewer_samples_with_neighbors_than_coordinates():
    X = np.eye(8)
    X[1] = X[0] + X[2]
    message = r"n_components \(3\) must be less than .* have neighbours .* = 3\)"
    with (
        pytest.raises(ValueError, match=message),
        pytest.warns(UserWarning, match="5 of 8 rows"),
    ):
        GrEASE(3, metric="cosine", n_neighbors=2).fit(X)


def test_an_outlier_does_not_blur_the_others(few):
    train = few[0].copy()
    train[7] *= 1e6
    rest = np.arange(200) != 7
    exact = GrEASE(2, random_state=0).fit(train)
    assert len(np.unique(exact.embedding_, axis=0)) == 200
    network = GrEASE(2, n_anchors=0, hidden_layer_sizes=(64, 64), random_state=0)
    found = network.fit(train).embedding_
    assert grassmann_score(exact.embedding_[rest], found[rest]) < 0.05
