"""densMAP: positions optimised by UMAP's loss with a density term."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import torch
from torch import nn

from celltyping._nn._losses import EdgeBatches, EdgeData, UmapLoss
from celltyping._nn._training import seeded, train

# Adam's largest step, in units of the layout.
LEARNING_RATE = 0.1


def match_radii(graph, positions, forces, *, n_epochs, seed, **options):
    """Optimise a layout by UMAP's loss and the correlation of local radii.

    Parameters
    ----------
    graph : csr_array of shape (n_samples, n_samples)
        The fuzzy graph.
    positions : ndarray of shape (n_samples, n_components)
        The layout.
    forces : Forces
        Forces between samples, with a density term.
    n_epochs : int
        Number of steps; each draws as many edges as an epoch of the layout.
    seed : int
        Seed of the edges that are drawn.
    **options
        `device` and `verbose` of `train`.

    Returns
    -------
    positions : ndarray of shape (n_samples, n_components), dtype=float64
        The new layout.
    """
    device = options["device"]
    edges = EdgeData(torch.arange(len(positions), device=device), graph, forces)
    with seeded(seed, device):
        net = train(
            FreePositions(torch.as_tensor(positions, dtype=torch.float32)),
            edges,
            criterion=UmapLoss(forces),
            batches=EdgeBatches,
            batch_size=len(edges),
            max_epochs=n_epochs,
            learning_rate=LEARNING_RATE,
            description="density",
            optimizer=RowAdam,
            **options,
        )
    return net.module_.positions.detach().cpu().numpy().astype(np.float64)


class FreePositions(nn.Module):
    """Positions, of shape (n_samples, n_components), that are parameters themselves."""

    def __init__(self, positions):
        super().__init__()
        self.positions = nn.Parameter(positions.clone())

    def forward(self, samples):
        return self.positions[samples]


class RowAdam(torch.optim.Optimizer):
    """Adam for positions: one step size for all coordinates of a sample.

    Adam itself scales each coordinate alone, so that samples which all move outwards
    end up in a square.

    Parameters
    ----------
    params : iterable of Tensor
        Positions, one row per sample.
    lr : float
        Length of a step if the gradient is constant.
    betas : tuple of float, default=(0.9, 0.999)
        Decay rates of the means of the gradient and of its square.
    weight_decay : float, default=0.0
        Decay of the positions towards 0, in units of the rate.
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
