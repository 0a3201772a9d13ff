"""Networks of ItClust: layers, training and scores."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import copy
import itertools
import math

import numpy as np
import torch
from scipy import sparse
from sklearn.utils import gen_batches
from torch import nn

from celltyping._nn._batches import Batches, draw_by_weight
from celltyping._nn._training import NUMBERS_AT_ONCE, as_tensor, seeded, train

# Weight decay: the default of the publication of AdamW.
WEIGHT_DECAY = 0.01

# Number of random marks. The marks of a batch are a slice of them: drawing new ones for
# each batch takes half the time of a training.
N_MARKS = 1 << 21


class _ParallelLinear(nn.Module):
    """Linear layers of several networks, evaluated in parallel.

    Parameters
    ----------
    n_networks : int
        Number of networks.
    n_inputs, n_outputs : int
        Width of the inputs and the outputs of each network.
    """

    def __init__(self, n_networks, n_inputs, n_outputs):
        super().__init__()
        bound = 1 / math.sqrt(n_inputs)
        self.weight = nn.Parameter(torch.empty(n_networks, n_inputs, n_outputs))
        self.bias = nn.Parameter(torch.empty(n_networks * n_outputs))
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, units):
        n_networks, n_inputs, _ = self.weight.shape
        units = units.view(-1, n_networks, n_inputs).transpose(0, 1)
        return (units @ self.weight).transpose(0, 1).flatten(1) + self.bias


class TypeNet(nn.Module):
    """Encoders, each with a centroid per type in its latent space.

    Several networks with different random weights are trained at once, on the same
    cells: one large product of matrices takes less time than several small ones.

    The score of a type is the logarithm of Student's t kernel between the latent and
    the type's centroid, without its constant; so the softmax of the scores is the soft
    assignment of ItClust.

    Parameters
    ----------
    n_inputs : int
        Number of genes.
    hidden_layer_sizes : sequence of int
        Width of each layer of a network; the last is the latent space.
    n_types : int
        Number of types.
    n_networks : int
        Number of networks.
    alpha : float
        Degrees of freedom of the kernel.
    dropout : float, default=0.0
        Probability of dropping a unit of any layer in training.
    """

    def __init__(
        self, n_inputs, hidden_layer_sizes, n_types, *, n_networks, alpha, dropout=0.0
    ):
        super().__init__()
        self.options = {
            "n_inputs": n_inputs,
            "hidden_layer_sizes": tuple(hidden_layer_sizes),
            "n_types": n_types,
            "n_networks": n_networks,
            "alpha": alpha,
            "dropout": dropout,
        }
        self.alpha = alpha
        first, *others = hidden_layer_sizes
        # All networks see the same cells.
        layers = [nn.Linear(n_inputs, n_networks * first)]
        for before, after in itertools.pairwise([first, *others]):
            layers += [nn.BatchNorm1d(n_networks * before), nn.ReLU()]
            layers += [nn.Dropout(dropout), _ParallelLinear(n_networks, before, after)]
        n_latent = hidden_layer_sizes[-1]
        layers += [nn.BatchNorm1d(n_networks * n_latent, affine=False)]
        layers += [nn.Dropout(dropout)]
        self.encoder = nn.Sequential(*layers)
        self.centroids = nn.Parameter(0.5 * torch.randn(n_networks, n_types, n_latent))
        self.log_scale = nn.Parameter(torch.zeros(n_networks, 1))

    def forward(self, inputs):
        return self.score(self.encoder(inputs))

    def score(self, latents):
        """Score the types in each network.

        Parameters
        ----------
        latents : Tensor of shape (n_samples, n_networks * n_latent)
            Output of the encoder.

        Returns
        -------
        scores : Tensor of shape (n_samples, n_networks, n_types)
            Logarithms of the kernel.
        """
        n_networks, _, n_latent = self.centroids.shape
        latents = latents.view(-1, n_networks, 1, n_latent)
        away = (latents - self.centroids).square().sum(dim=3)
        away = self.log_scale.exp() * away / self.alpha
        return -(self.alpha + 1) / 2 * torch.log1p(away)


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


class DrawnBatches(Batches):
    """Batches of `CellData`, drawn with replacement by the cells' weights."""

    def __iter__(self):
        # torch.multinomial is limited to 2^24 cells.
        cumulative = self.data.weights.cumsum(0)
        for _ in range(len(self)):
            rows = draw_by_weight(cumulative, self.batch_size)
            cells = self.data.corrupt(self.data.dense(rows.numpy()))
            yield cells, self._targets(rows).to(self.data.device)

    def _targets(self, rows):
        """Return the training targets of some cells."""
        return self.data.targets[rows]


class _ReconstructionBatches(DrawnBatches):
    """Batches whose targets are the standardised cells, without dropped entries."""

    def _targets(self, rows):
        cells = self.data.dense(rows.numpy()).cpu()
        return (cells - self.data.mean) / self.data.spread


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
