"""Networks that classify cells: scores, batches and training."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import math

import numpy as np
import pytest
import torch
from scipy import sparse

from celltyping._nn import _training, _type_net
from celltyping._nn._storage import pack_net, unpack_net
from celltyping._nn._training import predict_float64, seeded
from celltyping._nn._type_net import (
    CellData,
    DrawnBatches,
    TypeLoss,
    TypeNet,
    learn_types,
    make_type_net,
    pretrain,
    score,
)
from tests._callbacks import Log

TRAINING = {
    "batch_size": 32,
    "learning_rate": 0.01,
    "callbacks": None,
    "device": "cpu",
    "verbose": False,
}


def make_cells(n_samples=90, n_features=12, n_types=3, seed=0):
    """Draw nonnegative cells around the corners of a simplex, with types."""
    codes = np.arange(n_samples) % n_types
    noise = 0.3 * np.random.default_rng(seed).normal(size=(n_samples, n_features))
    return np.maximum(np.eye(n_types, n_features)[codes] + noise, 0), codes


X, CODES = make_cells()


def make_net(sizes=(8,), n_networks=2, seed=0, **options):
    """Return networks for three types and twelve genes."""
    options = {"alpha": 8.0, **options}
    return make_type_net(12, sizes, 3, seed=seed, n_networks=n_networks, **options)


def learn(module, X=X, codes=CODES, **options):
    """Train networks for a few epochs."""
    settings = {"input_dropout": 0.0, "label_smoothing": 0.1, "seed": 0, **TRAINING}
    return learn_types(module, X, codes, **{**settings, "max_epochs": 20, **options})


def scores_slowly(module, latents):
    """Return the logarithm of Student's kernel, with loops."""
    centroids = module.centroids.detach().numpy().astype(float)
    scale = np.exp(module.log_scale.detach().numpy().astype(float)).ravel()
    n_networks, n_types, n_latent = centroids.shape
    found = np.zeros((len(latents), n_networks, n_types))
    for i, row in enumerate(latents.reshape(len(latents), n_networks, n_latent)):
        for k in range(n_networks):
            for c in range(n_types):
                away = sum((row[k] - centroids[k, c]) ** 2)
                kernel = (1 + scale[k] * away / module.alpha) ** (
                    -(module.alpha + 1) / 2
                )
                found[i, k, c] = math.log(kernel)
    return found


def embed(module, X):
    """Return the latents of cells."""
    return predict_float64(module.encoder, X)


# -------------------------------------------------------------------------- networks


@pytest.mark.parametrize(
    ("sizes", "n_networks"), [((8,), 1), ((6, 5), 3), ((7, 6, 4), 3)]
)
def test_scores_are_students_kernel(sizes, n_networks):
    net = learn(make_net(sizes, n_networks, alpha=2.0), max_epochs=2)
    latents = embed(net.module_, X)
    assert latents.dtype == np.float64
    assert latents.shape == (90, n_networks * sizes[-1])
    expected = scores_slowly(net.module_, latents)
    np.testing.assert_allclose(score(net.module_, latents), expected, rtol=1e-9)
    net.module_.eval()
    with torch.inference_mode():
        said = net.module_(torch.tensor(X, dtype=torch.float32)).numpy()
    np.testing.assert_allclose(said, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("sizes", [(8,), (6, 5)])
def test_networks_side_by_side_do_not_see_each_other(sizes):
    module = make_net(sizes, 3).eval()
    before = embed(module, X)
    with torch.no_grad():
        for layer in module.encoder:
            if isinstance(layer, torch.nn.Linear):
                layer.weight[: sizes[0]] = 0
            elif hasattr(layer, "weight") and layer.weight is not None:
                layer.weight[0] = 0
    after = embed(module, X)
    n_latent = sizes[-1]
    assert not np.array_equal(after[:, :n_latent], before[:, :n_latent])
    np.testing.assert_array_equal(after[:, n_latent:], before[:, n_latent:])
    one, other = before[:, :n_latent], before[:, n_latent : 2 * n_latent]
    assert not np.allclose(one, other)


def test_the_loss_is_the_mean_over_the_networks():
    scores = torch.randn(7, 3, 4, dtype=torch.float64, requires_grad=True)
    targets = torch.arange(7) % 4
    loss = TypeLoss(label_smoothing=0.2)
    (slope,) = torch.autograd.grad(loss(scores, targets), scores)
    for k in range(3):
        alone = scores[:, k].detach().requires_grad_()
        value = torch.nn.functional.cross_entropy(alone, targets, label_smoothing=0.2)
        (expected,) = torch.autograd.grad(value, alone)
        torch.testing.assert_close(3 * slope[:, k], expected)


def test_weights_depend_on_the_seed_alone():
    before, n_threads = torch.get_rng_state(), torch.get_num_threads()
    nets = [make_net(seed=seed).state_dict() for seed in (0, 0, 1)]
    assert all(torch.equal(nets[0][name], nets[1][name]) for name in nets[0])
    assert not torch.equal(nets[0]["centroids"], nets[2]["centroids"])
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == n_threads


def test_dropout_is_for_training():
    module = make_net((8, 8), dropout=0.5)
    rows = torch.tensor(X, dtype=torch.float32)
    module.train()
    with seeded(0, "cpu"), torch.no_grad():
        module(rows)  # batch normalisation learns
        assert not torch.equal(module.encoder(rows), module.encoder(rows))
    module.eval()
    with torch.no_grad():
        assert torch.equal(module.encoder(rows), module.encoder(rows))


def test_options_make_the_same_network():
    module = make_net((6, 5), dropout=0.25)
    other = TypeNet(**module.options)
    other.load_state_dict(module.state_dict())
    np.testing.assert_array_equal(embed(other, X), embed(module, X))
    assert other.options == module.options


def test_packing():
    net = learn(make_net((6, 5)), max_epochs=3)
    packed = pack_net(net)
    assert packed["module"] == "TypeNet"
    assert all(isinstance(w, np.ndarray) for w in packed["weights"].values())
    other = unpack_net(packed)
    latents = embed(net.module_, X)
    np.testing.assert_array_equal(embed(other.module_, X), latents)
    np.testing.assert_array_equal(
        score(other.module_, latents), score(net.module_, latents)
    )
    losses = [n.history[:, "train_loss"] for n in (net, other)]
    assert losses[0] == losses[1]


# ----------------------------------------------------------------------- inference


@pytest.mark.parametrize(
    ("layout", "dtype"),
    [
        (np.asarray, np.float32),
        (np.asarray, np.float64),
        (sparse.csr_array, np.float32),
        (sparse.csr_matrix, np.float64),
    ],
)
def test_few_cells_are_asked_at_once(layout, dtype, monkeypatch):
    module = learn(make_net()).module_
    cells = X.astype(dtype)
    latents = embed(module, cells)
    scores = score(module, latents)
    sizes = []
    module.encoder.register_forward_pre_hook(
        lambda module, inputs: sizes.append(tuple(inputs[0].shape))
    )
    for at_once, expected in [(12 * 40, [40, 40, 10]), (1, [1] * 90)]:
        sizes.clear()
        for place in (_training, _type_net):
            monkeypatch.setattr(place, "NUMBERS_AT_ONCE", at_once)
        np.testing.assert_allclose(embed(module, layout(cells)), latents, rtol=1e-9)
        assert sizes == [(rows, 12) for rows in expected]
        np.testing.assert_allclose(score(module, latents), scores, rtol=1e-9)


@pytest.mark.parametrize("layout", [np.asarray, sparse.csr_array])
def test_dense_rows_are_copies(layout):
    for dtype in (np.float32, np.float64):
        given = X.astype(dtype)
        given.flags.writeable = False
        data = CellData(layout(given), CODES, np.ones(90), 0.0, "cpu")
        dense = data.dense(np.arange(5))
        assert dense.dtype == torch.float32
        dense[:] = 0
        np.testing.assert_array_equal(given, X.astype(dtype))


# ------------------------------------------------------------------- drawn batches


@pytest.mark.parametrize("layout", [np.asarray, sparse.csr_array])
def test_types_are_drawn_equally_often(layout):
    codes = np.repeat([0, 1, 2], [80, 9, 1])
    weights = 1 / np.bincount(codes)[codes]
    data = CellData(layout(X), codes, weights, 0.0, "cpu")
    batches = DrawnBatches(data, batch_size=40)
    assert len(data) == 90
    assert len(batches) == 3
    drawn = []
    with seeded(0, "cpu"):
        for _ in range(50):
            parts = list(batches)
            assert [len(cells) for cells, _ in parts] == [40, 40, 40]
            drawn += [targets for _, targets in parts]
            for cells, targets in parts:
                assert cells.dtype == torch.float32
                # Each cell has its own type.
                for cell, target in zip(cells[:3].numpy(), targets[:3], strict=True):
                    rows = np.flatnonzero((X.astype(np.float32) == cell).all(axis=1))
                    assert codes[rows].tolist() == [int(target)]
    shares = torch.bincount(torch.cat(drawn)) / 6000
    np.testing.assert_allclose(shares, 1 / 3, atol=0.03)


def test_every_cell_of_a_type_is_drawn_equally_often():
    marked = np.arange(90.0)[:, None]
    data = CellData(marked, CODES, np.ones(90), 0.0, "cpu")
    with seeded(0, "cpu"):
        batches = DrawnBatches(data, batch_size=90)
        drawn = [cells.ravel() for _ in range(200) for cells, _ in batches]
    counts = torch.bincount(torch.cat(drawn).long(), minlength=90)
    assert len(counts) == 90
    assert counts.min() > 130
    assert counts.max() < 270


@pytest.mark.parametrize("n_marks", [1 << 15, 100])
def test_entries_are_left_out_and_made_up_for(n_marks, monkeypatch):
    monkeypatch.setattr(_type_net, "N_MARKS", n_marks)
    with seeded(0, "cpu"):
        data = CellData(X, CODES, np.ones(90), 0.25, "cpu")
        cells = torch.ones(300, 12)
        first, second = data.corrupt(cells), data.corrupt(cells)
    assert sorted(set(first.ravel().tolist())) == [0.0, pytest.approx(4 / 3)]
    # Few marks are used repeatedly.
    within = 0.02 if n_marks > 1000 else 0.15
    assert float((first == 0).float().mean()) == pytest.approx(0.25, abs=within)
    assert not torch.equal(first, second)
    assert cells.min() == 1
    whole = CellData(X, CODES, np.ones(90), 0.0, "cpu")
    assert torch.equal(whole.corrupt(cells), cells)


# ------------------------------------------------------------------------- learning


@pytest.mark.parametrize(
    ("layout", "input_dropout"), [(np.asarray, 0.0), (sparse.csr_array, 0.3)]
)
def test_types_are_learnt(layout, input_dropout):
    net = learn(make_net(), layout(X), input_dropout=input_dropout)
    losses = net.history[:, "train_loss"]
    assert len(losses) == 20
    assert losses[-1] < 0.8 * losses[0]
    new, codes = make_cells(seed=1)
    for said in np.moveaxis(score(net.module_, embed(net.module_, new)), 1, 0):
        assert np.mean(said.argmax(axis=1) == codes) > 0.9


def test_types_are_shown_equally_often(monkeypatch):
    shown = []

    class Watched(DrawnBatches):
        def __iter__(self):
            for cells, targets in super().__iter__():
                shown.append(targets)
                yield cells, targets

    monkeypatch.setattr(_type_net, "DrawnBatches", Watched)
    learn(make_net(), codes=np.repeat([0, 1, 2], [80, 9, 1]), max_epochs=30)
    shares = torch.bincount(torch.cat(shown)) / len(torch.cat(shown))
    np.testing.assert_allclose(shares, 1 / 3, atol=0.05)


def test_training_depends_on_the_seed_and_not_on_the_layout():
    state = torch.get_rng_state()
    nets = [
        learn(make_net(), cells, input_dropout=0.2, seed=seed, max_epochs=3)
        for cells, seed in [(X, 0), (sparse.csr_array(X), 0), (X, 1)]
    ]
    latents = [embed(net.module_, X) for net in nets]
    np.testing.assert_array_equal(latents[0], latents[1])
    assert not np.allclose(latents[0], latents[2])
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.6])
def test_label_smoothing_keeps_networks_from_being_sure(label_smoothing):
    net = learn(make_net(), label_smoothing=label_smoothing, max_epochs=100)
    scores = score(net.module_, embed(net.module_, X))
    said = np.exp(scores - scores.max(axis=2, keepdims=True))
    surest = (said / said.sum(axis=2, keepdims=True)).max(axis=2).mean()
    assert surest == pytest.approx(1 - label_smoothing * 2 / 3, abs=0.1)


@pytest.mark.parametrize(
    ("layout", "sizes"), [(np.asarray, (8,)), (sparse.csr_array, (8, 6))]
)
def test_pretraining_changes_the_encoder_alone(layout, sizes):
    module = make_net(sizes)
    before = {name: w.clone() for name, w in module.state_dict().items()}
    log = Log()
    options = {**TRAINING, "callbacks": [log]}
    pretrain(module, layout(X), input_dropout=0.1, seed=0, max_epochs=30, **options)
    assert log.losses[-1] < 0.8 * log.losses[0]
    after = module.state_dict()
    assert torch.equal(after["centroids"], before["centroids"])
    assert torch.equal(after["log_scale"], before["log_scale"])
    weights = [name for name in before if name.endswith("weight")]
    assert not any(torch.equal(after[name], before[name]) for name in weights)


def test_genes_count_equally_in_pretraining():
    table = np.hstack([X, np.zeros((90, 1)), 1e-9 * X[:, :1], 100 * X[:, 1:2]])
    for layout in (np.asarray, sparse.csr_array):
        mean, spread = _type_net._moments(layout(table))
        np.testing.assert_allclose(mean, table.mean(axis=0), rtol=1e-5)
        expected = table.std(axis=0)
        # Nearly constant genes are not amplified.
        np.testing.assert_allclose(
            spread, np.maximum(expected, 0.1 * expected.mean()), rtol=1e-5
        )
    mean, spread = _type_net._moments(np.zeros((5, 3)))
    assert (spread > 0).all()
