"""The networks themselves."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import itertools
import math

import torch
from torch import nn
from torch.nn.functional import dropout

# How much the weights of a layer that starts as an identity differ from one.
INITIAL_NOISE = 0.01


class Perceptron(nn.Module):
    """Map rows of a table to a few numbers, through fully connected layers.

    Parameters
    ----------
    n_inputs : int
        Number of columns that the layers see.
    hidden_layer_sizes : sequence of int
        Width of each hidden layer.
    n_outputs : int
        Number of columns that come out.
    dropout : float, default=0.0
        Share of the hidden units that are left out of a training step.
    noise : float, default=0.0
        Standard deviation of what is added to the inputs of a training step; the
        inputs' own is about 1.
    weights : {"xavier", "identity", "one_hot"}, default="xavier"
        How the weights start: at random; as identities with a little noise, so that
        the first columns pass; or with a single 1 in each row.
    residual : bool, default=False
        Whether the last `n_outputs` columns of what comes in are not for the layers,
        but added to what these say.
    """

    def __init__(
        self,
        n_inputs,
        hidden_layer_sizes,
        n_outputs,
        *,
        dropout=0.0,
        noise=0.0,
        weights="xavier",
        residual=False,
    ):
        super().__init__()
        self.options = {
            "n_inputs": n_inputs,
            "hidden_layer_sizes": tuple(hidden_layer_sizes),
            "n_outputs": n_outputs,
            "dropout": dropout,
            "noise": noise,
            "weights": weights,
            "residual": residual,
        }
        self.dropout, self.noise, self.residual = dropout, noise, residual
        sizes = [n_inputs, *hidden_layer_sizes, n_outputs]
        self.layers = nn.ModuleList(
            nn.Linear(before, after) for before, after in itertools.pairwise(sizes)
        )
        for layer in self.layers:
            nn.init.zeros_(layer.bias)
            _START[weights](layer.weight)

    def forward(self, inputs):
        units = inputs[:, : self.layers[0].in_features]
        if self.training and self.noise > 0:
            units = units + self.noise * torch.randn_like(units)
        for layer in self.layers[:-1]:
            units = dropout(layer(units).relu(), self.dropout, self.training)
        outputs = self.layers[-1](units)
        if self.residual:
            outputs = outputs + inputs[:, -outputs.shape[1] :]
        return outputs

    def set_noise(self, *, dropout, noise):
        """Train on with another dropout and another noise."""
        self.dropout, self.noise = dropout, noise
        self.options |= {"dropout": dropout, "noise": noise}


def _start_as_identity(weight):
    """Let the first columns pass."""
    nn.init.eye_(weight)
    with torch.no_grad():
        weight += INITIAL_NOISE * torch.randn_like(weight)


def _start_one_hot(weight):
    """Let each unit pass one column, in turn."""
    n_rows, n_columns = weight.shape
    with torch.no_grad():
        weight.zero_()
        weight[torch.arange(n_rows), torch.arange(n_rows) % n_columns] = 1.0


_START = {
    "xavier": nn.init.xavier_uniform_,
    "identity": _start_as_identity,
    "one_hot": _start_one_hot,
}


class _ParallelLinear(nn.Module):
    """Linear layers of several networks, side by side.

    Parameters
    ----------
    n_networks : int
        Number of networks.
    n_inputs, n_outputs : int
        Width of what comes in and goes out, of each.
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
    """Encoders, each with a centroid per type in its latent.

    Several networks are trained at once, on the same cells: they differ in their
    random start. One large product of matrices takes less time than several small
    ones.

    The score of a type is the logarithm of Student's t kernel between the latent and
    the type's centroid, without its constant; so the softmax of the scores is the soft
    assignment of ItClust.

    Parameters
    ----------
    n_inputs : int
        Number of genes.
    hidden_layer_sizes : sequence of int
        Width of each layer of a network; the last is the latent.
    n_types : int
        Number of types.
    n_networks : int
        Number of networks.
    alpha : float
        Degrees of freedom of the kernel.
    dropout : float, default=0.0
        Share of the units of every layer that are left out of a training step.
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
            What the encoder says.

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


class FreePositions(nn.Module):
    """Positions that are learnt one by one, without a network.

    Parameters
    ----------
    positions : Tensor of shape (n_samples, n_components)
        Where the samples start.
    """

    def __init__(self, positions):
        super().__init__()
        self.positions = nn.Parameter(positions.clone())

    def forward(self, samples):
        return self.positions[samples]


class RowAdam(torch.optim.Optimizer):
    """Adam for positions: the coordinates of a sample share the length of its steps.

    Adam itself scales each coordinate alone, so that samples which all move outwards
    end up in a square.

    Parameters
    ----------
    params : iterable of Tensor
        Positions, one row per sample.
    lr : float
        The length of a step where the gradient does not change.
    betas : tuple of float, default=(0.9, 0.999)
        How much of the means of the gradient and of its square is kept in a step.
    weight_decay : float, default=0.0
        How fast positions shrink towards 0, in units of the rate.
    """

    def __init__(self, params, lr, betas=(0.9, 0.999), weight_decay=0.0):
        defaults = {"lr": lr, "betas": betas, "weight_decay": weight_decay}
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            first, second = group["betas"]
            for positions in group["params"]:
                slope, state = positions.grad, self.state[positions]
                if not state:
                    state["step"] = 0
                    state["mean"] = torch.zeros_like(positions)
                    state["square"] = torch.zeros_like(positions[:, :1])
                state["step"] += 1
                square = slope.square().mean(dim=1, keepdim=True)
                state["mean"].lerp_(slope, 1 - first)
                state["square"].lerp_(square, 1 - second)
                mean = state["mean"] / (1 - first ** state["step"])
                root = (state["square"] / (1 - second ** state["step"])).sqrt()
                positions.mul_(1 - group["lr"] * group["weight_decay"])
                positions.sub_(group["lr"] * mean / (root + 1e-8))
        return loss
