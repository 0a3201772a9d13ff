"""How networks learn the types of cells, and what they say of new ones."""

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
from celltyping._nn._training import (
    NUMBERS_AT_ONCE,
    as_tensor,
    predict_float64,
    seeded,
    train,
)

# Decay of the weights: what AdamW was published with.
WEIGHT_DECAY = 0.01

# Pieces that are cut out of this many random marks say which entries are left out.
# Drawing new ones for each batch takes half the time of a training.
N_MARKS = 1 << 21


class TypeLoss(nn.CrossEntropyLoss):
    """Cross-entropy with smoothed labels, the mean over all networks."""

    def forward(self, scores, targets):
        targets = targets[:, None].expand(scores.shape[:2])
        return super().forward(scores.transpose(1, 2), targets)


class CellData(torch.utils.data.Dataset):
    """Cells that batches are drawn from, each with entries left out at random.

    Parameters
    ----------
    X : {ndarray, csr_matrix} of shape (n_samples, n_features)
        The cells; only those of a batch are made dense.
    targets : ndarray of shape (n_samples,)
        Index of the type of each.
    weights : ndarray of shape (n_samples,)
        How often each is drawn, relative to the others.
    input_dropout : float
        Share of the entries that are left out.
    device : str
        Where the network runs.
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
        """Leave entries out, and make up for them with the others."""
        if self.marks is None:
            return cells
        repeats = -(-2 * cells.numel() // len(self.marks))
        marks = self.marks.repeat(repeats) if repeats > 1 else self.marks
        start = int(torch.randint(len(marks) - cells.numel() + 1, ()))
        marks = marks[start : start + cells.numel()].view(cells.shape)
        return cells * marks.to(cells.device) / (1 - self.input_dropout)

    def dense(self, rows):
        """Return cells as a tensor."""
        return torch.from_numpy(to_dense(self.X[rows], np.float32)).to(self.device)


class DrawnBatches:
    """Batches of cells, drawn with replacement by their weights.

    Parameters
    ----------
    dataset : CellData
        The cells.
    batch_size : int
        Cells per batch.
    """

    def __init__(self, dataset, batch_size):
        self.dataset, self.batch_size = dataset, batch_size

    def __len__(self):
        return math.ceil(len(self.dataset) / self.batch_size)

    def __iter__(self):
        data = self.dataset
        # By the inverse of the cumulative weights: torch.multinomial takes no more than
        # 2^24 cells.
        ends = data.weights.cumsum(0)
        for _ in range(len(self)):
            at = torch.rand(self.batch_size, dtype=torch.float64) * ends[-1]
            rows = torch.searchsorted(ends, at).clamp_(max=len(data) - 1)
            cells = data.corrupt(data.dense(rows.numpy()))
            yield cells, self._targets(rows).to(data.device)

    def _targets(self, rows):
        """Return what the network has to say of some cells."""
        return self.dataset.targets[rows]


class _ReconstructionBatches(DrawnBatches):
    """Batches whose target is the cell itself, without anything left out."""

    def _targets(self, rows):
        return (
            self.dataset.dense(rows.numpy()).cpu() - self.dataset.mean
        ) / self.dataset.spread


def to_dense(rows, dtype):
    """Copy some rows of a table to a dense array."""
    if sparse.issparse(rows):
        return rows.toarray().astype(dtype, copy=False)
    return np.array(rows, dtype=dtype, order="C")


def make_type_net(n_inputs, hidden_layer_sizes, n_types, *, seed, **options):
    """Make networks with random weights.

    Parameters
    ----------
    n_inputs, n_types : int
        Number of genes and of types.
    hidden_layer_sizes : sequence of int
        Width of each layer.
    seed : int
        Seed of the weights.
    **options
        More arguments of `TypeNet`.

    Returns
    -------
    module : TypeNet
        The networks.
    """
    with seeded(seed, "cpu"):
        return TypeNet(n_inputs, hidden_layer_sizes, n_types, **options)


def pretrain(module, X, *, input_dropout, seed, **options):
    """Train the encoder to restore cells of which entries were left out.

    Parameters
    ----------
    module : TypeNet
        The network; its encoder is trained in place.
    X : {ndarray, csr_matrix} of shape (n_samples, n_features)
        Cells, labelled or not.
    input_dropout : float
        Share of the entries that are left out.
    seed : int
        Seed of the training.
    **options
        More arguments of `train`.
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
    # Genes that hardly vary are not blown up.
    spread = np.maximum(spread, 0.1 * spread.mean() + 1e-12)
    return torch.as_tensor(mean, dtype=torch.float32), torch.as_tensor(
        spread, dtype=torch.float32
    )


def learn_types(module, X, codes, *, input_dropout, label_smoothing, seed, **options):
    """Train a network to tell the types of labelled cells.

    All types are drawn equally often.

    Parameters
    ----------
    module : TypeNet
        The network; it is trained in place.
    X : {ndarray, csr_matrix} of shape (n_samples, n_features)
        Labelled cells.
    codes : ndarray of shape (n_samples,)
        Index of the type of each.
    input_dropout : float
        Share of the entries that are left out.
    label_smoothing : float
        Share of the probability that is to be spread over all types.
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


def embed(module, X, device="cpu"):
    """Return the latents of cells, in double precision.

    Parameters
    ----------
    module : TypeNet
        The networks.
    X : {ndarray, csr_matrix} of shape (n_samples, n_features)
        Cells; few at a time are made dense.
    device : str, default="cpu"
        Where the networks run.

    Returns
    -------
    latents : ndarray of shape (n_samples, n_networks * n_latent), dtype=float64
        What the encoders say.
    """
    return predict_float64(module.encoder, X, device)


def score(module, latents):
    """Return the scores of the types for cells with these latents.

    Parameters
    ----------
    module : TypeNet
        The networks.
    latents : ndarray of shape (n_samples, n_networks * n_latent)
        What `embed` returned.

    Returns
    -------
    scores : ndarray of shape (n_samples, n_networks, n_types), dtype=float64
        Logarithms of Student's t kernel.
    """
    scorer = copy.deepcopy(module).to("cpu", torch.float64)
    centroids = scorer.centroids
    scores = np.empty((len(latents), *centroids.shape[:2]))
    at_once = max(NUMBERS_AT_ONCE // centroids.numel(), 1)
    with torch.inference_mode():
        for rows in gen_batches(len(latents), at_once):
            scores[rows] = scorer.score(as_tensor(latents[rows], np.float64)).numpy()
    return scores
