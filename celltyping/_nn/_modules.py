"""Networks of ItClust."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import itertools
import math

import torch
from torch import nn


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
