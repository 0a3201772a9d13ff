"""Batches of a data set, and draws by weight."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import math

import numpy as np
import torch


class Batches:
    """Batches of an epoch; a subclass defines `__iter__`.

    Parameters
    ----------
    data : torch.utils.data.Dataset
        Data that batches are drawn from.
    batch_size : int
        Maximum number of rows per batch.
    """

    def __init__(self, data, batch_size):
        self.data, self.batch_size = data, batch_size

    def __len__(self):
        return math.ceil(len(self.data) / self.batch_size)


class ShuffledBatches(Batches):
    """Batches of rows in random order, each taken by one indexing operation.

    The data are a `skorch.dataset.Dataset` of tensors. Batches differ by one row at
    most, so that none is tiny.
    """

    def __iter__(self):
        inputs, targets = self.data.X, self.data.y
        order = torch.randperm(len(inputs))
        for rows in order.tensor_split(len(self)):
            rows = rows.to(inputs.device)
            yield inputs[rows], targets[rows]


def cumulative_shares(weights, device):
    """Return the cumulative sums of weights, relative to their total, as a tensor."""
    sums = np.cumsum(weights, dtype=np.float64)
    return torch.as_tensor(sums / sums[-1], device=device)


def draw_by_weight(cumulative, n_draws):
    """Draw indices with replacement, by the cumulative sums of their weights."""
    at = torch.rand(n_draws, dtype=torch.float64, device=cumulative.device)
    at = torch.searchsorted(cumulative, at * cumulative[-1])
    return at.clamp_(max=len(cumulative) - 1)


def edge_tensors(graph, device):
    """Return rows, columns and cumulative shares of the edges of a csr_array."""
    coo = graph.tocoo()
    heads, tails = (
        torch.as_tensor(nodes.astype(np.int64), device=device)
        for nodes in (coo.row, coo.col)
    )
    return heads, tails, cumulative_shares(coo.data, device)
