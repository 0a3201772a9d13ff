"""Training and inference of the networks that classify cells."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import copy
import math

import numpy as np
import torch
from scipy import sparse
from sklearn.utils import gen_batches
from torch import nn

from celltyping._nn._modules import TypeNet
from celltyping._nn._training import NUMBERS_AT_ONCE, as_tensor, seeded, train

# Weight decay: the default of the publication of AdamW.
WEIGHT_DECAY = 0.01

# Number of random marks. The marks of a batch are a slice of them: drawing new ones for
# each batch takes half the time of a training.
N_MARKS = 1 << 21


class TypeLoss(nn.CrossEntropyLoss):
    """Cross-entropy with smoothed labels, averaged over all networks."""

    def forward(self, scores, targets):
        targets = targets[:, None].expand(scores.shape[:2])
        return super().forward(scores.transpose(1, 2), targets)


class CellData(torch.utils.data.Dataset):
    """Cells that batches are drawn from, with random entries dropped.

    Parameters
    ----------
    X : {ndarray, csr_matrix} of shape (n_samples, n_features)
        Cells; only those of a batch are made dense.
    targets : ndarray of shape (n_samples,)
        Type index of each.
    weights : ndarray of shape (n_samples,)
        Relative frequency with which each is drawn.
    input_dropout : float
        Fraction of the entries that are dropped.
    device : str
        Device of the network.
    """

    def __init__(self, X, targets, weights, input_dropout, device):
        self.X, self.targets = X, torch.as_tensor(targets)
        self.weights = torch.as_tensor(weights, dtype=torch.float64)
        self.input_dropout, self.device = input_dropout, device
        self.marks = None
        if input_dropout > 0:
            self.marks = torch.empty(N_MARKS, dtype=torch.float32)
            self.marks = self.marks.uniform_() >= input_dropout

    def __len__(self):
        return self.X.shape[0]

    def corrupt(self, cells):
        """Drop entries, and scale the others up to the same expected total."""
        if self.marks is None:
            return cells
        repeats = -(-2 * cells.numel() // len(self.marks))
        marks = self.marks.repeat(repeats) if repeats > 1 else self.marks
        start = int(torch.randint(len(marks) - cells.numel() + 1, ()))
        marks = marks[start : start + cells.numel()].view(cells.shape)
        return cells * marks.to(cells.device) / (1 - self.input_dropout)

    def dense(self, rows):
        """Return a copy of some cells as a dense float32 tensor."""
        cells = self.X[rows]
        cells = cells.toarray() if sparse.issparse(cells) else cells
        return as_tensor(cells, np.float32, self.device)


class DrawnBatches:
    """Batches of cells, drawn with replacement by their weights.

    Parameters
    ----------
    dataset : CellData
        The cells.
    batch_size : int
        Number of cells per batch.
    """

    def __init__(self, dataset, batch_size):
        self.dataset, self.batch_size = dataset, batch_size

    def __len__(self):
        return math.ceil(len(self.dataset) / self.batch_size)

    def __iter__(self):
        data = self.dataset
        # By the inverse of the cumulative weights: torch.multinomial is limited to 2^24
        # cells.
        ends = data.weights.cumsum(0)
        for _ in range(len(self)):
            at = torch.rand(self.batch_size, dtype=torch.float64) * ends[-1]
            rows = torch.searchsorted(ends, at).clamp_(max=len(data) - 1)
            cells = data.corrupt(data.dense(rows.numpy()))
            yield cells, self._targets(rows).to(data.device)

    def _targets(self, rows):
        """Return the training targets of some cells."""
        return self.dataset.targets[rows]


class _ReconstructionBatches(DrawnBatches):
    """Batches whose targets are the standardised cells, without dropped entries."""

    def _targets(self, rows):
        cells = self.dataset.dense(rows.numpy()).cpu()
        return (cells - self.dataset.mean) / self.dataset.spread


def make_type_net(n_inputs, hidden_layer_sizes, n_types, *, seed, **options):
    """Return a `TypeNet` with random weights; `options` are its other parameters."""
    with seeded(seed, "cpu"):
        return TypeNet(n_inputs, hidden_layer_sizes, n_types, **options)


def pretrain(module, X, *, input_dropout, seed, **options):
    """Train a TypeNet's encoder in place, to reconstruct cells with dropped entries.

    X has cells, labelled or not; `input_dropout` is the fraction of the entries that
    are dropped, and `options` are other arguments of `train`.
    """
    device = options["device"]
    n_networks, _, n_latent = module.centroids.shape
    with seeded(seed, device):
        data = CellData(
            X, np.zeros(X.shape[0]), np.ones(X.shape[0]), input_dropout, device
        )
        data.mean, data.spread = _moments(X)
        decoder = nn.Linear(n_networks * n_latent, X.shape[1])
        train(
            nn.Sequential(module.encoder, decoder),
            data,
            criterion=nn.MSELoss(),
            batches=_ReconstructionBatches,
            weight_decay=WEIGHT_DECAY,
            description="pretraining",
            **options,
        )


def _moments(X):
    """Return mean and standard deviation of each gene, as tensors."""
    mean = np.asarray(X.mean(axis=0), dtype=np.float64).ravel()
    squares = X.multiply(X) if sparse.issparse(X) else np.square(X)
    square = np.asarray(squares.mean(axis=0), dtype=np.float64).ravel()
    spread = np.sqrt(np.maximum(square - mean**2, 0.0))
    # A floor, so that nearly constant genes are not amplified.
    spread = np.maximum(spread, 0.1 * spread.mean() + 1e-12)
    return tuple(torch.as_tensor(m, dtype=torch.float32) for m in (mean, spread))


def learn_types(module, X, codes, *, input_dropout, label_smoothing, seed, **options):
    """Train networks to classify labelled cells, all types drawn equally often.

    Parameters
    ----------
    module : TypeNet
        Networks that are trained in place.
    X : {ndarray, csr_matrix} of shape (n_samples, n_features)
        Labelled cells.
    codes : ndarray of shape (n_samples,)
        Type index of each.
    input_dropout : float
        Fraction of the entries that are dropped.
    label_smoothing : float
        Fraction of the probability that is spread over all types.
    seed : int
        Seed of the training.
    **options
        Other arguments of `train`.

    Returns
    -------
    net : skorch.NeuralNet
        The trained net.
    """
    device = options["device"]
    counts = np.bincount(codes)
    with seeded(seed, device):
        data = CellData(X, codes, 1 / counts[codes], input_dropout, device)
        return train(
            module,
            data,
            criterion=TypeLoss(label_smoothing=label_smoothing),
            batches=DrawnBatches,
            weight_decay=WEIGHT_DECAY,
            description="types",
            **options,
        )


def score(module, latents):
    """Return the scores of the types in each network, in double precision.

    `latents` has shape (n_samples, n_networks * n_latent), the scores (n_samples,
    n_networks, n_types). They are logarithms of Student's t kernel.
    """
    scorer = copy.deepcopy(module).to("cpu", torch.float64)
    centroids = scorer.centroids
    scores = np.empty((len(latents), *centroids.shape[:2]))
    at_once = max(NUMBERS_AT_ONCE // centroids.numel(), 1)
    with torch.inference_mode():
        for rows in gen_batches(len(latents), at_once):
            scores[rows] = scorer.score(as_tensor(latents[rows], np.float64)).numpy()
    return scores
