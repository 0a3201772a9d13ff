"""Encoders: initial weights, refused modules, regression and fine-tuning."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pytest
import torch

from celltyping._nn import _losses
from celltyping._nn._losses import fine_tune
from celltyping._nn._training import (
    check_module,
    choose_batch_size,
    make_perceptron,
    predict_float64,
    regress,
)
from celltyping.transformers._embedding.layout import Density, Forces, fit_curve
from celltyping.transformers._embedding.neighbors import fuzzy_graph, nearest_neighbors

TRAINING = {
    "batch_size": "auto",
    "max_epochs": 20,
    "learning_rate": 0.01,
    "device": "cpu",
    "seed": 0,
}


class SinglePrecision(torch.nn.Module):
    """A network that accepts single precision alone."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 2)

    def forward(self, inputs):
        return self.layer(inputs.float())


class Pair(torch.nn.Linear):
    """A network that returns a pair."""

    def forward(self, inputs):
        return super().forward(inputs), inputs


class Flipped(torch.nn.Linear):
    """A network that keeps the batch in the second dimension."""

    def forward(self, inputs):
        return super().forward(inputs).T


def clumps(n_samples=90):
    """Draw samples in three clumps of different density."""
    rng = np.random.default_rng(0)
    which = np.arange(n_samples) % 3
    spread = np.array([0.2, 0.6, 1.5])[which]
    noise = spread[:, np.newaxis] * rng.normal(size=(n_samples, 4))
    return 5 * np.eye(3, 4)[which] + noise


def own(module, inputs=None, n_outputs=2):
    """Call `check_module` for a table of four columns."""
    inputs = np.ones((5, 4)) if inputs is None else inputs
    return check_module(module, inputs, n_outputs, parameter="encoder", unit="places")


@pytest.mark.parametrize(
    ("n_samples", "expected"),
    [(2, 32), (512, 32), (1600, 100), (16 * 1024, 1024), (10**6, 1024)],
)
def test_batch_size(n_samples, expected):
    assert choose_batch_size("auto", n_samples) == expected
    assert choose_batch_size(7, n_samples) == 7


def test_weights_follow_from_the_seed():
    state = torch.get_rng_state()
    first, second, other = (make_perceptron(4, (8,), 2, seed=s) for s in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first.layers[0].weight, second.layers[0].weight)
    assert not torch.equal(first.layers[0].weight, other.layers[0].weight)


def test_hidden_layers_of_another_network():
    learnt = make_perceptron(4, (8, 6), 5, seed=1)
    module = make_perceptron(4, (8, 6), 2, seed=0, hidden_from=learnt)
    alone = make_perceptron(4, (8, 6), 2, seed=0)
    for k in range(2):
        assert torch.equal(module.layers[k].weight, learnt.layers[k].weight)
        assert torch.equal(module.layers[k].bias, learnt.layers[k].bias)
    assert torch.equal(module.layers[2].weight, alone.layers[2].weight)
    with torch.no_grad():
        module.layers[0].weight += 1
    assert not torch.equal(module.layers[0].weight, learnt.layers[0].weight)


@pytest.mark.parametrize("training", [True, False])
def test_a_network_of_the_user_is_copied(training):
    module = torch.nn.Linear(4, 2).double().train(training)
    weight = module.weight.detach().clone()
    copied = own(module)
    assert copied is not module
    assert copied.weight.dtype == torch.float32
    assert copied.training == training
    with torch.no_grad():
        copied.weight += 1
    assert torch.equal(module.weight, weight)
    assert module.weight.dtype == torch.float64
    assert module.training == training


@pytest.mark.parametrize("module", [None, "linear", torch.nn.Linear, len])
def test_something_that_is_no_module(module):
    with pytest.raises(TypeError, match=r"encoder must be a torch\.nn\.Module, such"):
        own(module)


@pytest.mark.parametrize(
    "module",
    [
        torch.nn.Linear(3, 2),
        torch.nn.Conv2d(1, 2, 3),
        torch.nn.Embedding(3, 2),
        torch.nn.Module(),
        SinglePrecision(),
        Pair(4, 2),
    ],
    ids=lambda module: type(module).__name__,
)
def test_a_network_that_cannot_take_the_batch(module):
    with pytest.raises(ValueError, match=r"encoder cannot take a batch of shape \(2, "):
        own(module)


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (torch.nn.Linear(4, 3), r"\(2, 3\)"),
        (torch.nn.Linear(4, 1), r"\(2, 1\)"),
        (torch.nn.Flatten(0), r"\(8,\)"),
    ],
)
def test_a_network_of_the_wrong_width(module, shape):
    message = (
        r"encoder must return an array of shape \(2, 2\) for 2 samples, one column for "
        rf"each of places, got {shape}"
    )
    with pytest.raises(ValueError, match=message):
        own(module)
    with pytest.raises(ValueError, match=r"shape \(2, 3\) for 2 samples"):
        own(Flipped(4, 3), n_outputs=3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_regression(dtype):
    inputs = np.random.default_rng(0).normal(size=(200, 4)).astype(dtype)
    targets = np.column_stack([inputs[:, 0] + inputs[:, 1], np.abs(inputs[:, 2])])
    for array in (inputs, targets):
        array.setflags(write=False)
    module = make_perceptron(4, (32,), 2, seed=0)
    net = regress(module, inputs, targets, description="test", **TRAINING)
    assert net.module_ is module
    left = np.abs(predict_float64(module, inputs) - targets).mean()
    assert left < 0.3 * np.abs(targets - targets.mean(axis=0)).mean()
    assert len(net.history) == 20


@pytest.mark.parametrize("parameter", [{"batch_size": 8}, {"seed": 1}])
def test_parameters_of_the_regression(parameter):
    inputs = clumps()
    nets = [
        regress(
            make_perceptron(4, (8,), 2, seed=0),
            inputs,
            inputs[:, :2],
            description="test",
            **TRAINING | chosen,
        )
        for chosen in ({}, {}, parameter)
    ]
    first, second, other = (net.history[:, "train_loss"] for net in nets)
    assert first == second
    assert first != other


@pytest.fixture(scope="module")
def tuned():
    """Fine-tune a network with and without densities; return the radii' match, too."""
    inputs = clumps()
    indices, distances = nearest_neighbors(inputs, 8, random_state=0)
    radii = np.log(np.square(distances).mean(axis=1))
    layout = inputs[:, :2] / inputs[:, :2].std()
    results = {}
    densities = {"plain": None, "dense": Density(radii, 1.0, 5.0, 0.1, 90)}
    for name, density in densities.items():
        module = make_perceptron(4, (32,), 2, seed=0, dropout=0.5, noise=0.5)
        net = fine_tune(
            module,
            inputs,
            layout,
            fuzzy_graph(indices, distances),
            scale=3.0,
            forces=Forces(*fit_curve(0.1, 1.0), 5, 1.0, density),
            **TRAINING | {"learning_rate": 0.05},
        )
        places = 3.0 * predict_float64(module, inputs)
        gaps = places[:, np.newaxis] - places[indices]
        found = np.log(1e-9 + np.square(gaps).sum(axis=2).mean(axis=1))
        results[name] = net, np.corrcoef(radii, found)[0, 1]
    return results


def test_fine_tuning_lowers_umaps_loss(tuned):
    losses = tuned["plain"][0].history[:, "train_loss"]
    assert np.mean(losses[-3:]) < 0.7 * losses[0]


def test_fine_tuning_has_neither_dropout_nor_noise(tuned):
    module = tuned["plain"][0].module_
    assert module.dropout == module.noise == 0.0


def test_fine_tuning_holds_samples_to_the_layout(monkeypatch):
    # Without the layout term, UMAP's loss pushes the clumps apart without limit.
    inputs = clumps()
    layout = inputs[:, :2] / inputs[:, :2].std()
    indices, distances = nearest_neighbors(inputs, 8, random_state=0)
    away = []
    for hold in (0.0, 1.0, 10.0):
        monkeypatch.setattr(_losses, "LAYOUT_WEIGHT", hold)
        module = make_perceptron(4, (32,), 2, seed=0)
        fine_tune(
            module,
            inputs,
            layout,
            fuzzy_graph(indices, distances),
            scale=3.0,
            forces=Forces(*fit_curve(0.1, 1.0), 5, 1.0),
            **TRAINING | {"learning_rate": 0.05},
        )
        away.append(np.square(predict_float64(module, inputs) - layout).mean())
    assert away[0] > 2 * away[1] > 2 * away[2]


def test_fine_tuning_heeds_densities(tuned):
    assert tuned["dense"][1] > tuned["plain"][1] + 0.1
    assert tuned["dense"][1] > 0.8
