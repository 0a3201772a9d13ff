"""Losses against plain numpy, and batches of edges against the graph."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pytest
import torch
from scipy import sparse

from celltyping._nn._losses import (
    SMALLEST,
    EdgeBatches,
    EdgeData,
    UmapLoss,
    correlation,
    local_radii,
)
from celltyping._nn._training import seeded
from celltyping.transformers._embedding.layout import Density, Forces

A, B = 1.6, 0.9


def make_loss(repulsion_strength=1.0, weight=0.0, shift=0.1, b=B):
    """Make a loss with a density term."""
    density = Density(None, 1.0, weight, shift, 0)
    return UmapLoss(Forces(A, b, 5, repulsion_strength, density))


def make_forces(negative_sample_rate, radii=None, subsample_size=0):
    """Make forces, with a density term if there are radii."""
    density = None if radii is None else Density(radii, 1.0, 1.0, 0.1, subsample_size)
    return Forces(A, B, negative_sample_rate, 1.0, density)


def random_graph(n_samples=30, seed=0):
    """Make a symmetric graph with weights in (0, 1], and no empty row."""
    rng = np.random.default_rng(seed)
    weights = np.triu(rng.uniform(0.01, 1, (n_samples, n_samples)), k=1)
    weights *= rng.random(weights.shape) < 0.2
    for i in range(n_samples - 1):
        weights[i, i + 1] = 0.5
    weights /= weights.max()
    return sparse.csr_array((weights + weights.T).astype(np.float32))


def tensor(array):
    """Turn an array into a tensor of double precision, or of indices."""
    array = np.asarray(array)
    return torch.as_tensor(array, dtype=torch.float64 if array.dtype == float else None)


def draw(edges, batch_size, seed=0):
    """Draw the batches of an epoch."""
    with seeded(seed, "cpu"):
        return list(EdgeBatches(edges, batch_size=batch_size))


def plain_odds(differences):
    """Compute a x^(2b)."""
    return A * (np.square(differences).sum(axis=-1) + SMALLEST**2) ** B


def plain_radius(center, neighbors):
    """Compute the logarithm of the mean squared distance, weighted by similarity."""
    differences = center - neighbors
    weights = 1 / (1 + plain_odds(differences))
    mean = (weights * np.square(differences).sum(axis=1)).sum() / weights.sum()
    return np.log(SMALLEST + mean)


@pytest.mark.parametrize("repulsion_strength", [0.0, 1.0, 2.5])
def test_loss_of_edges(repulsion_strength):
    rng = np.random.default_rng(0)
    positions = 3 * rng.normal(size=(8, 2))
    heads, tails = rng.integers(0, 8, (2, 12))
    others = rng.integers(0, 8, (12, 5))
    expected = 0.0
    for i in range(12):
        near = 1 / (1 + plain_odds(positions[heads[i]] - positions[tails[i]]))
        expected -= np.log(near) / 12
        for j in others[i]:
            odds = plain_odds(positions[heads[i]] - positions[j])
            apart = (odds + SMALLEST) / (1 + odds)
            expected -= repulsion_strength * np.log(apart) / 12
    targets = {"heads": heads, "tails": tails, "others": others}
    loss = make_loss(repulsion_strength)(
        tensor(positions), {name: tensor(value) for name, value in targets.items()}
    )
    np.testing.assert_allclose(loss.item(), expected)


def test_loss_without_pairs_that_repel():
    positions = tensor(np.random.default_rng(0).normal(size=(4, 2)))
    targets = {
        "heads": torch.tensor([0, 1]),
        "tails": torch.tensor([2, 3]),
        "others": torch.empty((2, 0), dtype=torch.int64),
    }
    expected = np.log1p(plain_odds((positions[:2] - positions[2:]).numpy())).mean()
    np.testing.assert_allclose(make_loss()(positions, targets), expected)


def test_samples_at_one_place_have_finite_gradients():
    positions = torch.zeros(4, 2, requires_grad=True)
    rows = torch.arange(4)
    targets = {"heads": rows, "tails": rows.flip(0), "others": rows.reshape(4, 1)}
    targets |= {"centers": rows, "neighbors": rows.flip(0), "rows": rows}
    targets["radii"] = torch.arange(4.0)
    make_loss(weight=2.0, b=0.5)(positions, targets).backward()
    assert torch.isfinite(positions.grad).all()


def test_density_lowers_the_loss_by_the_correlation_of_radii():
    rng = np.random.default_rng(0)
    positions = rng.normal(size=(9, 2))
    rows = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2])
    centers, neighbors = np.array([4, 0, 7]), rng.integers(0, 9, 9)
    radii = rng.normal(size=3)
    found = np.array(
        [
            plain_radius(positions[center], positions[neighbors[rows == i]])
            for i, center in enumerate(centers)
        ]
    )
    x, y = radii - radii.mean(), found - found.mean()
    match = (x * y).mean() / np.sqrt(((x**2).mean() + 0.3) * ((y**2).mean() + 0.3))
    targets = {
        "heads": np.array([0]),
        "tails": np.array([1]),
        "others": np.array([[2]]),
    }
    dense = {"centers": centers, "neighbors": neighbors, "rows": rows, "radii": radii}
    targets = {name: tensor(value) for name, value in (targets | dense).items()}
    with_density = make_loss(1.0, 1.7, 0.3)(tensor(positions), targets)
    del targets["radii"]
    without = make_loss(1.0, 1.7, 0.3)(tensor(positions), targets)
    np.testing.assert_allclose((without - with_density).item(), 1.7 * match)


def test_local_radii():
    rng = np.random.default_rng(0)
    centers, neighbors = rng.normal(size=(3, 2)), rng.normal(size=(6, 2))
    rows = np.array([0, 2, 0, 0, 2, 2])
    radii = local_radii(
        tensor(centers),
        tensor(neighbors),
        tensor(rows),
        lambda difference: 1 / (1 + tensor(plain_odds(difference.numpy()))),
    ).numpy()
    for i in (0, 2):
        expected = plain_radius(centers[i], neighbors[rows == i])
        np.testing.assert_allclose(radii[i], expected)
    np.testing.assert_allclose(radii[1], np.log(SMALLEST))  # it has no neighbour


def test_correlation():
    rng = np.random.default_rng(0)
    x = rng.normal(size=50)
    y = x + rng.normal(size=50)
    expected = np.corrcoef(x, y)[0, 1]
    np.testing.assert_allclose(correlation(tensor(x), tensor(y), 0.0), expected)
    shifted = correlation(tensor(x), tensor(y), 0.5)
    assert 0 < shifted < expected
    assert correlation(tensor(x), tensor(np.ones(50)), 0.1) == 0


def test_an_epoch_has_as_many_edges_as_count_in_the_layout():
    graph = random_graph()
    edges = EdgeData(torch.zeros(30, 1), graph, make_forces(5))
    assert len(edges) == int(np.ceil(graph.data.sum(dtype=float) / graph.data.max()))
    for batch_size in (1, 10, len(edges), 10 * len(edges)):
        batches = EdgeBatches(edges, batch_size=batch_size)
        assert len(batches) == int(np.ceil(len(edges) / batch_size))
    assert len(draw(edges, 10)) == len(EdgeBatches(edges, batch_size=10))


def test_edges_are_drawn_in_proportion_to_their_weight():
    graph = random_graph(12)
    edges = EdgeData(torch.arange(12), graph, make_forces(1))
    n_drawn = 40_000
    inputs, targets = draw(edges, n_drawn)[0]
    counts = np.zeros((12, 12))
    pairs = inputs[targets["heads"]].numpy(), inputs[targets["tails"]].numpy()
    np.add.at(counts, pairs, 1)
    expected = graph.toarray() / graph.data.sum() * n_drawn
    assert not counts[expected == 0].any()
    # Binomial counts: none is off by 5 standard deviations.
    assert (np.abs(counts - expected) <= 5 * np.sqrt(expected + 1)).all()


@pytest.mark.parametrize("rate", [0, 1, 4])
def test_a_batch_asks_for_each_sample_once(rate):
    values = torch.arange(30) + 100
    edges = EdgeData(values, random_graph(), make_forces(rate))
    for inputs, targets in draw(edges, 7):
        assert len(inputs.unique()) == len(inputs)
        assert set(targets) == {"heads", "tails", "others"}
        assert targets["others"].shape == (7, rate)
        used = torch.cat([targets["heads"], targets["tails"]])
        assert set(used.tolist()) == set(range(len(inputs)))
        if rate > 0:
            assert targets["others"].max() < len(inputs)


def test_a_batch_lists_all_neighbors_of_the_samples_whose_radii_count():
    graph = random_graph()
    radii = torch.arange(30.0)
    edges = EdgeData(torch.arange(30), graph, make_forces(2, radii, 8))
    chosen = set()
    for inputs, targets in draw(edges, 5):
        centers = inputs[targets["centers"]].numpy()
        assert len(set(centers)) == len(centers) == 8
        chosen.update(centers.tolist())
        np.testing.assert_array_equal(targets["radii"], radii[centers])
        neighbors = inputs[targets["neighbors"]].numpy()
        for i, center in enumerate(centers):
            own = neighbors[targets["rows"].numpy() == i]
            np.testing.assert_array_equal(own, graph[[center]].indices)
    assert len(chosen) > 8
    everything = EdgeData(torch.arange(30), graph, make_forces(2, radii, 1000))
    assert len(draw(everything, 5)[0][1]["centers"]) == 30


def test_a_batch_says_where_its_samples_should_stay():
    layout = torch.arange(60.0).reshape(30, 2)
    edges = EdgeData(torch.arange(30), random_graph(), make_forces(1), layout)
    for inputs, targets in draw(edges, 7):
        assert torch.equal(targets["layout"], layout[inputs])


def test_batches_follow_from_the_seed():
    edges = EdgeData(torch.arange(30), random_graph(), make_forces(3))
    first, second, other = draw(edges, 50), draw(edges, 50), draw(edges, 50, seed=1)
    assert torch.equal(first[0][1]["others"], second[0][1]["others"])
    assert torch.equal(first[0][0], second[0][0])
    assert not torch.equal(first[0][1]["others"], other[0][1]["others"])
