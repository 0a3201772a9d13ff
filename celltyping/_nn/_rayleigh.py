"""Spectral coordinates from minibatches, by the Rayleigh quotient of the Laplacian."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import math

import numpy as np
import torch
from torch import nn

from celltyping._nn._training import WEIGHT_DECAY, seeded, train

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
        coo = graph.tocoo()
        device = inputs.device
        self.inputs, self.targets = inputs, targets
        self.heads = torch.as_tensor(coo.row.astype(np.int64), device=device)
        self.tails = torch.as_tensor(coo.col.astype(np.int64), device=device)
        self.edge_shares = _shares(coo.data, device)
        self.sample_shares = _shares(masses, device)

    def __len__(self):
        return len(self.inputs)


def _shares(weights, device):
    """Return cumulative shares, for draws by weight."""
    shares = np.cumsum(weights, dtype=np.float64)
    return torch.as_tensor(shares / shares[-1], device=device)


class AffinityBatches:
    """Batches of edges drawn by affinity, each with a second batch of samples.

    Both have `batch_size` rows.
    """

    def __init__(self, dataset, batch_size):
        self.data, self.batch_size = dataset, batch_size
        self.n_batches = math.ceil(len(dataset) / batch_size)

    def __len__(self):
        return self.n_batches

    def __iter__(self):
        data = self.data
        for _ in range(self.n_batches):
            edges = self._draw(data.edge_shares)
            others = self._draw(data.sample_shares)
            rows = torch.cat([data.heads[edges], data.tails[edges], others])
            yield data.inputs[rows], data.targets[rows]

    def _draw(self, shares):
        """Draw indices by their shares."""
        drawn = torch.rand(self.batch_size, dtype=shares.dtype, device=shares.device)
        return torch.searchsorted(shares, drawn).clamp_(max=len(shares) - 1)


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
        torch.as_tensor(inputs, dtype=torch.float32).to(device),
        graph,
        masses,
        torch.as_tensor(targets, dtype=torch.float32).to(device),
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
