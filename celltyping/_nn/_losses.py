"""UMAP's loss on edges of the fuzzy graph, and fine-tuning of encoders with it."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import math

import numpy as np
import torch
from torch import nn

from celltyping._nn._batches import Batches, draw_by_weight, edge_tensors
from celltyping._nn._training import (
    WEIGHT_DECAY,
    Perceptron,
    as_tensor,
    choose_batch_size,
    seeded,
    train,
)

# Keeps logarithms finite where two samples coincide.
SMALLEST = 1e-4

# Edges per step of fine-tuning, relative to rows: an edge takes less time.
EDGES_PER_ROW = 2

# Learning rate of fine-tuning, relative to the training before: with the same one,
# clusters leave their positions in the layout (rank correlation of distances 0.66 for
# 0.85).
FINE_TUNE_RATE = 0.3

# Weight of the mean squared distance to the layout, in units of its variance, beside
# UMAP's loss, which alone drives groups that no edge joins farther and farther apart.
# With 1 in place of 0.1, rings that the layout has torn stay torn.
LAYOUT_WEIGHT = 0.1


class EdgeData(torch.utils.data.Dataset):
    """Edges and inputs that `EdgeBatches` draws from.

    Parameters
    ----------
    inputs : Tensor of shape (n_samples, ...)
        Inputs of the network.
    graph : csr_array of shape (n_samples, n_samples)
        The fuzzy graph.
    forces : Forces
        Number of random pairs that repel per edge, and the density term.
    layout : Tensor of shape (n_samples, n_components), default=None
        Positions that samples should stay near.
    """

    def __init__(self, inputs, graph, forces, layout=None):
        device, density = inputs.device, forces.density
        self.inputs, self.forces, self.layout = inputs, forces, layout
        self.heads, self.tails, self.shares = edge_tensors(graph, device)
        # Edges that count in an epoch of the layout: the strongest one always does.
        self.n_due = math.ceil(graph.data.sum() / graph.data.max())
        self.radii = None
        if density is not None:
            radii = torch.as_tensor(density.radii, dtype=torch.float32)
            self.radii = radii.to(device)
            self.starts = torch.as_tensor(graph.indptr.astype(np.int64), device=device)

    def __len__(self):
        return self.n_due


class EdgeBatches(Batches):
    """Batches of `batch_size` edges, drawn by weight, with random pairs that repel."""

    def __iter__(self):
        data, device = self.data, self.data.inputs.device
        for _ in range(len(self)):
            edges = draw_by_weight(data.shares, self.batch_size)
            vertices = [data.heads[edges], data.tails[edges]]
            targets = {}
            if data.radii is not None:
                centers, neighbors, rows = self._neighborhoods()
                vertices += [centers, neighbors]
                targets = {"radii": data.radii[centers], "rows": rows}
            samples, rows_of = torch.cat(vertices).unique(return_inverse=True)
            parts = rows_of.split([len(part) for part in vertices])
            targets |= {"heads": parts[0], "tails": parts[1]}
            if data.radii is not None:
                targets |= {"centers": parts[2], "neighbors": parts[3]}
            if data.layout is not None:
                targets["layout"] = data.layout[samples]
            shape = self.batch_size, data.forces.negative_sample_rate
            targets["others"] = torch.randint(len(samples), shape, device=device)
            yield data.inputs[samples], targets

    def _neighborhoods(self):
        """Draw samples, and list all edges of each."""
        data = self.data
        n_samples, device = len(data.inputs), data.inputs.device
        size = data.forces.density.subsample_size
        centers = torch.randperm(n_samples, device=device)[:size]
        starts = data.starts[centers]
        sizes = data.starts[centers + 1] - starts
        rows = torch.repeat_interleave(torch.arange(len(centers), device=device), sizes)
        ends = sizes.cumsum(0)
        edges = torch.arange(len(rows), device=device) + (starts - ends + sizes)[rows]
        return centers, data.tails[edges], rows


class UmapLoss(nn.Module):
    """Cross-entropy of a fuzzy graph and its embedding, with an optional density term.

    Parameters
    ----------
    forces : Forces
        Curve of the similarity, factor of the repulsion, and the weight of the
        correlation of local radii with the constant added to their variance.
    """

    def __init__(self, forces):
        super().__init__()
        self.forces = forces

    def forward(self, positions, targets):
        heads, tails = positions[targets["heads"]], positions[targets["tails"]]
        others = positions[targets["others"]]
        loss = torch.log1p(self._odds(heads - tails)).mean()
        if others.numel() > 0:
            odds = self._odds(heads.unsqueeze(1) - others)
            push = torch.log1p(odds) - torch.log(odds + SMALLEST)
            loss = loss + self.forces.repulsion_strength * push.sum(1).mean()
        if "radii" in targets:
            radii = local_radii(
                positions[targets["centers"]],
                positions[targets["neighbors"]],
                targets["rows"],
                lambda difference: 1 / (1 + self._odds(difference)),
            )
            density = self.forces.density
            match = correlation(targets["radii"], radii, density.variance_shift)
            loss = loss - density.weight * match
        return loss

    def _odds(self, differences):
        """Compute a x^(2b) of differences between positions."""
        squares = differences.square().sum(-1)
        return self.forces.a * (squares + SMALLEST**2) ** self.forces.b


class _LayoutLoss(UmapLoss):
    """UMAP's loss of standardised positions, and their distance to the layout."""

    def __init__(self, scale, forces):
        super().__init__(forces)
        self.scale = scale

    def forward(self, positions, targets):
        distance = (positions - targets["layout"]).square().mean()
        loss = super().forward(positions * self.scale, targets)
        return loss + LAYOUT_WEIGHT * distance


def local_radii(centers, neighbors, rows, similarity):
    """Compute densMAP's local radii, log(ε + Σ w d² / Σ w), of shape (n_rows,).

    Positions of the samples are of shape (n_rows, n_components), those of their
    neighbours of shape (n_edges, n_components); `rows`, of shape (n_edges,), are the
    samples of the neighbours, and `similarity` computes w from differences of
    positions.
    """
    differences = centers[rows] - neighbors
    weights = similarity(differences)
    zeros = torch.zeros(len(centers), dtype=centers.dtype, device=centers.device)
    squares = zeros.index_add(0, rows, weights * differences.square().sum(-1))
    return torch.log(SMALLEST + squares / (zeros.index_add(0, rows, weights) + 1e-12))


def correlation(x, y, shift):
    """Compute the correlation of two vectors, with `shift` added to the variances."""
    x, y = x - x.mean(), y - y.mean()
    return (x * y).mean() / (
        (x.square().mean() + shift) * (y.square().mean() + shift)
    ).sqrt()


def fine_tune(
    module,
    inputs,
    layout,
    graph,
    *,
    scale,
    forces,
    batch_size,
    learning_rate,
    seed,
    **options,
):
    """Train a network on UMAP's own loss, without dropout and noise.

    Parameters
    ----------
    module : torch.nn.Module
        The network.
    inputs : ndarray of shape (n_samples, ...)
        Its inputs.
    layout : ndarray of shape (n_samples, n_components)
        Standardised positions that it was trained on, and that it stays near.
    graph : csr_array of shape (n_samples, n_samples)
        The fuzzy graph.
    scale : float
        Standard deviation of the layout, the unit of the network's output.
    forces : Forces
        Forces between samples.
    batch_size : int or "auto"
        See `choose_batch_size`; the number of rows, and half the number of edges.
    learning_rate : float
        Maximum rate of the training before; see `FINE_TUNE_RATE`.
    seed : int
        Seed of the training.
    **options
        More arguments of `train`.

    Returns
    -------
    net : skorch.NeuralNet
        The trained net.
    """
    device = options["device"]
    if isinstance(module, Perceptron):
        module.set_noise(dropout=0.0, noise=0.0)
    edges = EdgeData(
        as_tensor(inputs, np.float32, device),
        graph,
        forces,
        as_tensor(layout, np.float32, device),
    )
    rows = choose_batch_size(batch_size, len(inputs))
    with seeded(seed, device):
        return train(
            module,
            edges,
            criterion=_LayoutLoss(scale, forces),
            batches=EdgeBatches,
            batch_size=min(EDGES_PER_ROW * rows, len(edges)),
            learning_rate=FINE_TUNE_RATE * learning_rate,
            weight_decay=WEIGHT_DECAY,
            description="fine-tuning",
            **options,
        )
