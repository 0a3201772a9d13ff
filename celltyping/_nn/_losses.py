"""UMAP's loss on edges of the fuzzy graph, densMAP's on local radii, their batches."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import math

import numpy as np
import torch
from torch import nn

# Keeps logarithms finite where two samples coincide.
SMALLEST = 1e-4


class EdgeData(torch.utils.data.Dataset):
    """What `EdgeBatches` draws from; it stands in for a dataset.

    Parameters
    ----------
    inputs : Tensor of shape (n_samples, ...)
        What the network is asked for each sample.
    graph : csr_array of shape (n_samples, n_samples)
        The fuzzy graph.
    negative_sample_rate : int
        Pairs that repel, per edge.
    radii : Tensor of shape (n_samples,), default=None
        Logarithms of the local radii in the original space. None: no density term.
    subsample_size : int, default=0
        Samples whose radii are compared in a batch.
    layout : Tensor of shape (n_samples, n_components), default=None
        Where samples should stay, more or less. None: anywhere.
    """

    def __init__(
        self,
        inputs,
        graph,
        negative_sample_rate,
        radii=None,
        subsample_size=0,
        layout=None,
    ):
        device = inputs.device
        coo = graph.tocoo()
        self.inputs, self.radii, self.layout = inputs, radii, layout
        self.negative_sample_rate = negative_sample_rate
        self.subsample_size = min(subsample_size, len(inputs))
        self.heads = torch.as_tensor(coo.row.astype(np.int64), device=device)
        self.tails = torch.as_tensor(coo.col.astype(np.int64), device=device)
        shares = np.cumsum(coo.data, dtype=np.float64)
        self.shares = torch.as_tensor(shares / shares[-1], device=device)
        # How many edges count in an epoch of the layout: the strongest one always does.
        self.n_due = math.ceil(coo.data.sum() / coo.data.max())
        if radii is not None:
            self.starts = torch.as_tensor(graph.indptr.astype(np.int64), device=device)

    def __len__(self):
        return self.n_due


class EdgeBatches:
    """Batches of edges, drawn by weight, with random pairs that repel.

    Parameters
    ----------
    dataset : EdgeData
        Edges and inputs.
    batch_size : int
        Edges per batch.
    """

    def __init__(self, dataset, batch_size):
        self.data, self.batch_size = dataset, batch_size
        self.n_batches = math.ceil(len(dataset) / batch_size)

    def __len__(self):
        return self.n_batches

    def __iter__(self):
        data, device = self.data, self.data.inputs.device
        for _ in range(self.n_batches):
            drawn = torch.rand(self.batch_size, dtype=torch.float64, device=device)
            edges = torch.searchsorted(data.shares, drawn).clamp_(
                max=len(data.heads) - 1
            )
            vertices = [data.heads[edges], data.tails[edges]]
            targets = {}
            if data.radii is not None:
                centers, neighbors, rows = self._neighborhoods()
                vertices += [centers, neighbors]
                targets = {"radii": data.radii[centers], "rows": rows}
            asked, places = torch.cat(vertices).unique(return_inverse=True)
            parts = places.split([len(part) for part in vertices])
            targets |= {"heads": parts[0], "tails": parts[1]}
            if data.radii is not None:
                targets |= {"centers": parts[2], "neighbors": parts[3]}
            if data.layout is not None:
                targets["layout"] = data.layout[asked]
            targets["others"] = torch.randint(
                len(asked),
                (self.batch_size, data.negative_sample_rate),
                device=device,
            )
            yield data.inputs[asked], targets

    def _neighborhoods(self):
        """Draw samples, and list all edges of each."""
        data = self.data
        n_samples, device = len(data.inputs), data.inputs.device
        centers = torch.randperm(n_samples, device=device)[: data.subsample_size]
        starts = data.starts[centers]
        sizes = data.starts[centers + 1] - starts
        rows = torch.repeat_interleave(torch.arange(len(centers), device=device), sizes)
        ends = sizes.cumsum(0)
        edges = torch.arange(len(rows), device=device) + (starts - ends + sizes)[rows]
        return centers, data.tails[edges], rows


class UmapLoss(nn.Module):
    """Cross-entropy of a fuzzy graph and its embedding; may heed local radii.

    Parameters
    ----------
    a, b : float
        Samples at distance x are similar by 1 / (1 + a x^(2b)).
    repulsion_strength : float
        Factor of the repulsion.
    density_weight : float, default=0.0
        Factor of the correlation of local radii.
    variance_shift : float, default=0.1
        What is added to the variance of the radii, so that their correlation is finite
        where all are equal.
    """

    def __init__(
        self, a, b, repulsion_strength, density_weight=0.0, variance_shift=0.1
    ):
        super().__init__()
        self.a, self.b = a, b
        self.repulsion_strength = repulsion_strength
        self.density_weight = density_weight
        self.variance_shift = variance_shift

    def forward(self, positions, targets):
        heads, tails = positions[targets["heads"]], positions[targets["tails"]]
        others = positions[targets["others"]]
        loss = torch.log1p(self._odds(heads - tails)).mean()
        if others.numel() > 0:
            odds = self._odds(heads.unsqueeze(1) - others)
            push = torch.log1p(odds) - torch.log(odds + SMALLEST)
            loss = loss + self.repulsion_strength * push.sum(1).mean()
        if "radii" in targets:
            radii = local_radii(
                positions[targets["centers"]],
                positions[targets["neighbors"]],
                targets["rows"],
                lambda difference: 1 / (1 + self._odds(difference)),
            )
            match = correlation(targets["radii"], radii, self.variance_shift)
            loss = loss - self.density_weight * match
        return loss

    def _odds(self, differences):
        """Compute a x^(2b) of differences between positions."""
        squares = differences.square().sum(-1)
        return self.a * (squares + SMALLEST**2) ** self.b


def local_radii(centers, neighbors, rows, similarity):
    """Compute the logarithm of the mean squared distance to the neighbours.

    Parameters
    ----------
    centers : Tensor of shape (n_rows, n_components)
        Positions of the samples.
    neighbors : Tensor of shape (n_edges, n_components)
        Positions of their neighbours.
    rows : Tensor of shape (n_edges,)
        To which sample each neighbour belongs.
    similarity : callable
        Gives each edge its weight from the difference of positions.

    Returns
    -------
    radii : Tensor of shape (n_rows,)
        log(ε + Σ w d² / Σ w) of each sample; densMAP's local radius.
    """
    differences = centers[rows] - neighbors
    weights = similarity(differences)
    zeros = torch.zeros(len(centers), dtype=centers.dtype, device=centers.device)
    squares = zeros.index_add(0, rows, weights * differences.square().sum(-1))
    return torch.log(SMALLEST + squares / (zeros.index_add(0, rows, weights) + 1e-12))


def correlation(x, y, variance_shift):
    """Compute the correlation of two vectors, drawn towards 0 by `variance_shift`."""
    x, y = x - x.mean(), y - y.mean()
    shift = variance_shift
    return (x * y).mean() / (
        (x.square().mean() + shift) * (y.square().mean() + shift)
    ).sqrt()
