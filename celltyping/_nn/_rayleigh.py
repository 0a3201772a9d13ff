"""Spectral coordinates from minibatches, by the Rayleigh quotient of the Laplacian."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import math

import numpy as np
import torch
from torch import nn

from celltyping._nn._batches import (
    Batches,
    cumulative_shares,
    draw_by_weight,
    edge_tensors,
)
from celltyping._nn._training import WEIGHT_DECAY, as_tensor, seeded, train

# Added to the diagonal of the outputs' covariance, in units of its mean: it stays
# positive definite while two outputs are still equal.
RIDGE = 1e-4

# Edges per step, and minimum number of steps. 1,257 digits and 10,000 of MNIST need as
# many; with half of them the span of 5 coordinates is twice as far from the exact one.
BATCH = 512
MIN_STEPS = 1000


class AffinityData(torch.utils.data.Dataset):
    """Edges, inputs and targets that `AffinityBatches` draws from.

    Inputs, masses (weights of the samples in the orthogonality of the outputs) and
    targets of further outputs have one row per node of the graph of affinities, a
    csr_array.
    """

    def __init__(self, inputs, graph, masses, targets):
        device = inputs.device
        self.inputs, self.targets = inputs, targets
        self.heads, self.tails, self.edge_shares = edge_tensors(graph, device)
        self.sample_shares = cumulative_shares(masses, device)

    def __len__(self):
        return len(self.inputs)


class AffinityBatches(Batches):
    """Batches of edges drawn by affinity, each with a second batch of samples.

    Both have `batch_size` rows.
    """

    def __iter__(self):
        data = self.data
        for _ in range(len(self)):
            edges = draw_by_weight(data.edge_shares, self.batch_size)
            others = draw_by_weight(data.sample_shares, self.batch_size)
            rows = torch.cat([data.heads[edges], data.tails[edges], others])
            yield data.inputs[rows], data.targets[rows]


class RayleighLoss(nn.Module):
    """The sum of the Laplacian's Rayleigh quotients of the outputs.

    It draws the outputs of neighbours together, in units in which the outputs of the
    second batch are orthonormal. Targets add the squared error of the last outputs.
    """

    def forward(self, outputs, targets):
        n_targets = targets.shape[1]
        n_components = outputs.shape[1] - n_targets
        heads, tails, others = outputs[:, :n_components].chunk(3)
        others = others - others.mean(dim=0)
        covariance = others.T @ others / len(others)
        ridge = RIDGE * covariance.diagonal().mean() + torch.finfo(outputs.dtype).tiny
        covariance = covariance + ridge * torch.eye(
            n_components, dtype=outputs.dtype, device=outputs.device
        )
        # The triangle of the second batch's QR decomposition, from its covariance; one
        # that is not finite makes the loss so, which ends the training.
        triangle, _ = torch.linalg.cholesky_ex(covariance)
        gaps = torch.linalg.solve_triangular(triangle, (heads - tails).T, upper=False)
        loss = gaps.square().sum(dim=0).mean() / 2
        if n_targets > 0:
            loss = loss + (outputs[:, n_components:] - targets).square().mean()
        return loss


def learn_coordinates(
    module, inputs, graph, masses, targets, *, batch_size, max_epochs, seed, **options
):
    """Train a network on the Rayleigh quotient.

    Parameters
    ----------
    module : torch.nn.Module
        The network.
    inputs : ndarray of shape (n_samples, n_columns)
        Its inputs.
    graph, masses
        See `AffinityData`.
    targets : ndarray of shape (n_samples, n_targets)
        Targets of further outputs, beside the coordinates.
    batch_size : int or "auto"
        Edges per step. "auto": `BATCH`, at most the number of samples.
    max_epochs : int or "auto"
        Number of epochs, each with as many edges as there are samples. "auto": at
        least `MIN_STEPS` steps.
    seed : int
        Seed of the training.
    **options
        More arguments of `train`.

    Returns
    -------
    net : skorch.NeuralNet
        The trained net. Its outputs span the coordinates.
    """
    device = options["device"]
    if batch_size == "auto":
        batch_size = min(BATCH, len(inputs))
    data = AffinityData(
        as_tensor(inputs, np.float32, device),
        graph,
        masses,
        as_tensor(targets, np.float32, device),
    )
    if max_epochs == "auto":
        max_epochs = math.ceil(MIN_STEPS / len(AffinityBatches(data, batch_size)))
    with seeded(seed, device):
        return train(
            module,
            data,
            criterion=RayleighLoss(),
            batches=AffinityBatches,
            batch_size=batch_size,
            max_epochs=max_epochs,
            weight_decay=WEIGHT_DECAY,
            **options,
        )


def rotate_outputs(module, centre, rotation):
    """Change the first outputs of a perceptron to ``(outputs - centre) @ rotation``."""
    last = module.layers[-1]
    n_components = len(centre)
    with torch.no_grad():
        turn = torch.as_tensor(rotation.T, device=last.weight.device)
        shift = torch.as_tensor(centre, device=last.weight.device)
        weight = turn @ last.weight[:n_components].double()
        bias = turn @ (last.bias[:n_components].double() - shift)
        last.weight[:n_components] = weight.to(last.weight.dtype)
        last.bias[:n_components] = bias.to(last.bias.dtype)
