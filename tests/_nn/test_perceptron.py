"""Outputs and initial weights of perceptrons, against plain numpy."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pytest
import torch

from celltyping._nn._training import INITIAL_NOISE, Perceptron, seeded


def perceptron(*args, seed=0, **options):
    """Make a perceptron with a seed."""
    with seeded(seed, "cpu"):
        return Perceptron(*args, **options)


def plain_outputs(module, inputs):
    """Compute the output of a network, without dropout and noise."""
    units = inputs
    *hidden, last = [
        (layer.weight.detach().numpy(), layer.bias.detach().numpy())
        for layer in module.layers
    ]
    for weight, bias in hidden:
        units = np.maximum(units @ weight.T + bias, 0)
    return units @ last[0].T + last[1]


@pytest.mark.parametrize("sizes", [(), (7,), (7, 5)])
def test_outputs(sizes):
    module = perceptron(4, sizes, 3, dropout=0.5, noise=1.0).eval()
    for layer in module.layers:
        torch.nn.init.normal_(layer.bias)
    inputs = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    with torch.inference_mode():
        found = module(torch.as_tensor(inputs)).numpy()
    np.testing.assert_allclose(found, plain_outputs(module, inputs), rtol=1e-5)


def test_residual_adds_the_last_columns():
    module = perceptron(4, (7,), 3, residual=True).eval()
    inputs = np.random.default_rng(0).normal(size=(6, 7)).astype(np.float32)
    with torch.inference_mode():
        found = module(torch.as_tensor(inputs)).numpy()
    expected = plain_outputs(module, inputs[:, :4]) + inputs[:, 4:]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("options", [{"dropout": 0.5}, {"noise": 0.1}])
def test_dropout_and_noise_are_for_training(options):
    module = perceptron(4, (50,), 3, **options)
    inputs = torch.ones(2, 4)
    with torch.inference_mode(), torch.random.fork_rng():
        torch.manual_seed(0)
        assert not torch.equal(module.train()(inputs), module(inputs))
        assert torch.equal(module.eval()(inputs), module(inputs))
        module.set_noise(dropout=0.0, noise=0.0)
        assert torch.equal(module.train()(inputs), module(inputs))
    assert module.options["dropout"] == module.options["noise"] == 0.0


def test_noise_has_its_standard_deviation():
    module = perceptron(1, (), 1, noise=0.3)
    with torch.inference_mode(), torch.random.fork_rng():
        torch.manual_seed(0)
        torch.nn.init.ones_(module.layers[0].weight)
        outputs = module.train()(torch.zeros(20_000, 1))
    assert abs(outputs.std() - 0.3) < 0.01


def test_weights_start_at_random_within_xaviers_bound():
    weight = perceptron(30, (), 20).layers[0].weight.detach().numpy()
    bound = np.sqrt(6 / 50)
    assert np.abs(weight).max() <= bound
    assert np.abs(weight).max() > 0.95 * bound
    assert abs(weight.mean()) < 0.05 * bound


@pytest.mark.parametrize("shape", [(4, 4), (4, 9), (9, 4)])
def test_weights_start_as_an_identity(shape):
    n_outputs, n_inputs = shape
    module = perceptron(n_inputs, (), n_outputs, weights="identity")
    weight = module.layers[0].weight.detach().numpy()
    difference = weight - np.eye(n_outputs, n_inputs)
    assert 0 < np.abs(difference).max() < 5 * INITIAL_NOISE


@pytest.mark.parametrize("shape", [(4, 4), (4, 9), (9, 4)])
def test_weights_start_with_one_1_in_each_row(shape):
    n_outputs, n_inputs = shape
    module = perceptron(n_inputs, (), n_outputs, weights="one_hot")
    weight = module.layers[0].weight.detach().numpy()
    expected = np.zeros(shape)
    for row in range(n_outputs):
        expected[row, row % n_inputs] = 1
    np.testing.assert_array_equal(weight, expected)


@pytest.mark.parametrize("weights", ["xavier", "identity", "one_hot"])
def test_biases_start_at_zero(weights):
    for layer in perceptron(4, (6, 5), 3, weights=weights).layers:
        assert not layer.bias.any()


def test_options_make_the_same_network():
    module = perceptron(4, [6], 3, dropout=0.1, noise=0.2, residual=True)
    again = Perceptron(**module.options)
    again.load_state_dict(module.state_dict())
    assert again.options == module.options
    inputs = torch.ones(2, 7)
    assert torch.equal(again.eval()(inputs), module.eval()(inputs))
