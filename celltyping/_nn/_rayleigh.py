"""Spectral coordinates without an eigensolver: the Rayleigh quotient on batches."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import math

import numpy as np
import torch
from torch import nn

# Added to the diagonal of the outputs' covariance, in units of its mean: it stays
# positive definite while two outputs are still alike.
RIDGE = 1e-4


class AffinityData(torch.utils.data.Dataset):
    """What `AffinityBatches` draws from; it stands in for a dataset.

    Parameters
    ----------
    inputs : Tensor of shape (n_samples, n_columns)
        What the network is asked for each sample.
    graph : csr_array of shape (n_samples, n_samples)
        Symmetric affinities.
    masses : ndarray of shape (n_samples,)
        How much each sample counts where outputs are made orthogonal.
    scale : ndarray of shape (n_samples,)
        By which the outputs are divided.
    """

    def __init__(self, inputs, graph, masses, scale):
        coo = graph.tocoo()
        device = inputs.device
        self.inputs = inputs
        self.heads = torch.as_tensor(coo.row.astype(np.int64), device=device)
        self.tails = torch.as_tensor(coo.col.astype(np.int64), device=device)
        self.edge_shares = _shares(coo.data, device)
        self.sample_shares = _shares(masses, device)
        self.scale = torch.as_tensor(scale, dtype=inputs.dtype, device=device)

    def __len__(self):
        return len(self.inputs)


def _shares(weights, device):
    """Return cumulative shares, for draws by weight."""
    shares = np.cumsum(weights, dtype=np.float64)
    return torch.as_tensor(shares / shares[-1], device=device)


class AffinityBatches:
    """Batches of edges drawn by affinity, each with a second batch of samples.

    Parameters
    ----------
    dataset : AffinityData
        Edges and inputs.
    batch_size : int
        Edges per batch, and samples of the second batch.
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
            rows = [data.heads[edges], data.tails[edges]]
            rows = torch.cat([*rows, self._draw(data.sample_shares)])
            yield data.inputs[rows], data.scale[rows]

    def _draw(self, shares):
        """Draw positions by their shares."""
        drawn = torch.rand(self.batch_size, dtype=shares.dtype, device=shares.device)
        return torch.searchsorted(shares, drawn).clamp_(max=len(shares) - 1)


class RayleighLoss(nn.Module):
    """The sum of the Laplacian's Rayleigh quotients of the outputs.

    Neighbours are to be alike, while the outputs of the second batch, made orthonormal,
    keep them from being all the same.
    """

    def forward(self, outputs, scale):
        heads, tails, others = (outputs / scale[:, None]).chunk(3)
        others = others - others.mean(dim=0)
        covariance = others.T @ others / len(others)
        ridge = RIDGE * covariance.diagonal().mean() + torch.finfo(outputs.dtype).tiny
        covariance = covariance + ridge * torch.eye(
            len(covariance), dtype=outputs.dtype, device=outputs.device
        )
        # The triangle of a QR decomposition, from the covariance.
        triangle = torch.linalg.cholesky(covariance)
        gaps = torch.linalg.solve_triangular(triangle, (heads - tails).T, upper=False)
        return gaps.square().sum(dim=0).mean() / 2
