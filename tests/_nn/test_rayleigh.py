"""Rayleigh quotients on batches and rotated outputs, against plain numpy."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import copy

import numpy as np
import pytest
import torch
from scipy import sparse

from celltyping._nn._rayleigh import (
    BATCH,
    MIN_STEPS,
    AffinityBatches,
    AffinityData,
    RayleighLoss,
    learn_coordinates,
    rotate_outputs,
)
from celltyping._nn._training import Perceptron

TRAINING = {
    "learning_rate": 0.01,
    "description": "test",
    "device": "cpu",
    "seed": 0,
}


def ring(n_nodes):
    """Make a ring, one edge of which is three times as strong as the others."""
    rows = np.arange(n_nodes)
    weights = np.ones(n_nodes)
    weights[0] = 3.0
    graph = sparse.coo_array((weights, (rows, (rows + 1) % n_nodes)), (n_nodes,) * 2)
    return sparse.csr_array(graph + graph.T)


def data(graph, n_targets=0):
    """Give each node of a graph its number as its input."""
    numbers = torch.arange(graph.shape[0], dtype=torch.float32)[:, None]
    return AffinityData(numbers, graph, graph.sum(axis=1), numbers[:, :n_targets])


def test_loss():
    rng = np.random.default_rng(0)
    heads, tails, others = rng.normal(size=(3, 50, 4))
    loss = RayleighLoss()(
        torch.as_tensor(np.concatenate([heads, tails, others])), torch.empty(150, 0)
    )
    covariance = np.cov(others.T, bias=True)
    gaps = heads - tails
    expected = np.trace(np.linalg.solve(covariance, gaps.T @ gaps / 50)) / 2
    np.testing.assert_allclose(loss, expected, rtol=1e-3)  # RIDGE is in it


def test_loss_does_not_depend_on_the_basis():
    rng = np.random.default_rng(0)
    outputs = torch.as_tensor(rng.normal(size=(90, 3)))
    turn = torch.as_tensor(np.linalg.qr(rng.normal(size=(3, 3)))[0])
    targets = torch.empty(90, 0)
    expected = RayleighLoss()(outputs, targets)
    torch.testing.assert_close(
        RayleighLoss()(7 * outputs @ turn + 2, targets), expected
    )


def test_loss_with_targets():
    rng = np.random.default_rng(0)
    outputs = torch.as_tensor(rng.normal(size=(90, 3)))
    targets = outputs[:, 2:] + 0.5
    alone = RayleighLoss()(outputs[:, :2], torch.empty(90, 0))
    torch.testing.assert_close(RayleighLoss()(outputs, targets), alone + 0.25)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_loss_of_constant_outputs_is_finite(value):
    outputs = torch.full((30, 2), value, requires_grad=True)
    loss = RayleighLoss()(outputs, torch.empty(30, 0))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(outputs.grad).all()


def test_loss_of_infinite_outputs_is_not_an_error():
    outputs = torch.full((30, 2), torch.inf)
    assert not torch.isfinite(RayleighLoss()(outputs, torch.empty(30, 0)))


def test_batches():
    graph = ring(10)
    batches = AffinityBatches(data(graph, n_targets=1), 4)
    assert len(batches) == len(list(batches)) == 3
    inputs, targets = next(iter(batches))
    assert inputs.shape == (12, 1)
    assert torch.equal(inputs, targets)
    for _ in range(20):
        heads, tails, _ = next(iter(batches))[0].long().ravel().chunk(3)
        assert all(graph[i, j] > 0 for i, j in zip(heads, tails, strict=True))


def test_edges_and_samples_are_drawn_by_weight():
    torch.manual_seed(0)
    graph = ring(10)
    inputs, _ = next(iter(AffinityBatches(data(graph), 100_000)))
    heads, tails, others = inputs.long().ravel().chunk(3)
    found = sparse.coo_array((np.ones(len(heads)), (heads, tails)), (10, 10)).toarray()
    expected = (graph / graph.sum()).toarray()
    np.testing.assert_allclose(found / found.sum(), expected, atol=0.005)
    shares = np.bincount(others, minlength=10) / len(others)
    np.testing.assert_allclose(shares, graph.sum(axis=1) / graph.sum(), atol=0.005)


def test_rotated_outputs():
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    module = Perceptron(4, (8,), 3)
    inputs = torch.randn(20, 4)
    before = module(inputs).detach().numpy()
    centre, rotation = rng.normal(size=2), rng.normal(size=(2, 2))
    rotated = copy.deepcopy(module)
    rotate_outputs(rotated, centre, rotation)
    after = rotated(inputs).detach().numpy()
    np.testing.assert_allclose(
        after[:, :2], (before[:, :2] - centre) @ rotation, atol=1e-5
    )
    np.testing.assert_array_equal(after[:, 2], before[:, 2])


@pytest.mark.parametrize("n_samples", [20, 1500])
def test_auto_makes_as_many_steps_for_few_as_for_many(n_samples, monkeypatch):
    monkeypatch.setattr("celltyping._nn._rayleigh.MIN_STEPS", 12)
    inputs = np.random.default_rng(0).normal(size=(n_samples, 2))
    graph = ring(n_samples)
    net = learn_coordinates(
        Perceptron(2, (4,), 1),
        inputs,
        graph,
        graph.sum(axis=1),
        np.empty((n_samples, 0)),
        batch_size="auto",
        max_epochs="auto",
        **TRAINING,
    )
    steps = [len(epoch["batches"]) for epoch in net.history]
    assert steps[0] == -(-n_samples // min(BATCH, n_samples))
    assert sum(steps) == 12


def test_a_line_is_found():
    # Nodes on a line in a plane: the Fiedler vector is a cosine along it.
    n_nodes = 200
    ones = np.ones(n_nodes - 1)
    graph = sparse.csr_array(sparse.diags_array([ones, ones], offsets=[1, -1]))
    place = np.linspace(0, np.pi, n_nodes)
    inputs = np.stack([place, np.random.default_rng(0).normal(size=n_nodes)], axis=1)
    torch.manual_seed(0)
    module = Perceptron(2, (32, 32), 1)
    learn_coordinates(
        module,
        inputs,
        graph,
        graph.sum(axis=1),
        np.empty((n_nodes, 0)),
        batch_size=100,
        max_epochs=MIN_STEPS // 4,
        **TRAINING,
    )
    found = module.eval()(torch.as_tensor(inputs, dtype=torch.float32)).detach().numpy()
    assert abs(np.corrcoef(found[:, 0], np.cos(place))[0, 1]) > 0.98
