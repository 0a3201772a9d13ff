"""How encoders and decoders are made, checked and trained."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import copy

import numpy as np
import torch
from skorch.dataset import Dataset

from celltyping._nn._losses import EdgeBatches, EdgeData, UmapLoss
from celltyping._nn._modules import Perceptron
from celltyping._nn._training import as_tensor, seeded, train

# Decay of the weights: what AdamW was published with.
WEIGHT_DECAY = 0.01

# Rows per training step: a sixteenth of the data within these bounds.
BATCHES_PER_EPOCH, SMALLEST_BATCH, LARGEST_BATCH = 16, 32, 1024

# Edges per step of fine-tuning, relative to rows: one needs little of its time.
EDGES_PER_ROW = 2

# Its learning rate, relative to that before: with the same one, clusters leave the
# places that they have in the layout (rank correlation of distances 0.66 for 0.85).
FINE_TUNE_RATE = 0.3

# Weight of the mean squared distance to the layout, in units of its variance, beside
# UMAP's loss, which alone drives parts that no edge joins farther and farther apart.
# With 1 in place of 0.1, rings that the layout has torn stay torn.
HOLD = 0.1


def choose_batch_size(batch_size, n_samples):
    """Choose how many rows are trained on at once."""
    if batch_size != "auto":
        return batch_size
    return int(np.clip(n_samples // BATCHES_PER_EPOCH, SMALLEST_BATCH, LARGEST_BATCH))


def make_perceptron(
    n_inputs, hidden_layer_sizes, n_outputs, *, seed, hidden_from=None, **options
):
    """Make a network of fully connected layers.

    Parameters
    ----------
    n_inputs, n_outputs : int
        Number of columns that the layers see, and that come out.
    hidden_layer_sizes : sequence of int
        Widths of the layers between.
    seed : int
        Seed of the weights.
    hidden_from : Perceptron, default=None
        A trained network with the same hidden layers, whose weights these start with.
    **options
        More arguments of `Perceptron`.

    Returns
    -------
    module : Perceptron
        The network.
    """
    with seeded(seed, "cpu"):
        module = Perceptron(n_inputs, hidden_layer_sizes, n_outputs, **options)
    if hidden_from is not None:
        for layer, learnt in zip(module.layers[:-1], hidden_from.layers, strict=False):
            layer.load_state_dict(learnt.state_dict())
    return module


def check_module(module, inputs, n_outputs, *, parameter, unit):
    """Copy a user's network, and check that it does what it has to.

    Parameters
    ----------
    module : torch.nn.Module
        The network.
    inputs : ndarray of shape (n_samples, ...)
        What it will be asked.
    n_outputs : int
        Number of columns that it must give.
    parameter : str
        Name of the parameter that it comes from, for the messages.
    unit : str
        What the columns are, for the messages.

    Returns
    -------
    module : torch.nn.Module
        The copy.

    Raises
    ------
    TypeError
        If it is no module.
    ValueError
        If it cannot take the inputs, or gives something of another shape.
    """
    if not isinstance(module, torch.nn.Module):
        raise TypeError(
            f"{parameter} must be a torch.nn.Module, such as torch.nn.Linear(50, 2), "
            f"got {module!r}"
        )
    was_training = module.training
    # Trained in single and asked in double precision.
    for dtype in (torch.float64, torch.float32):
        module = copy.deepcopy(module).to(dtype)
        asked = as_tensor(inputs[:2], np.float64).to(dtype)
        try:
            with torch.inference_mode():
                shape = tuple(module.eval()(asked).shape)
        except Exception as exc:  # whatever a user's code may raise
            raise ValueError(
                f"{parameter} cannot take a batch of shape {tuple(asked.shape)} and "
                f"dtype {dtype}: {exc}"
            ) from exc
        if shape != (len(asked), n_outputs):
            raise ValueError(
                f"{parameter} must return an array of shape {len(asked), n_outputs} "
                f"for {len(asked)} samples, one column for each of {unit}, got {shape}"
            )
    return module.train(was_training)


def regress(module, inputs, targets, *, batch_size, description, seed, **options):
    """Train a network to reproduce targets.

    Parameters
    ----------
    module : torch.nn.Module
        The network.
    inputs : ndarray of shape (n_samples, ...)
        What it sees.
    targets : ndarray of shape (n_samples, n_outputs)
        What it has to say.
    batch_size : int or "auto"
        See `choose_batch_size`.
    description : str
        What is learnt, for the progress bar.
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
    dataset = Dataset(
        as_tensor(inputs, np.float32, device),
        as_tensor(targets, np.float32, device),
    )
    with seeded(seed, device):
        return train(
            module,
            dataset,
            criterion=torch.nn.SmoothL1Loss(),
            batch_size=choose_batch_size(batch_size, len(inputs)),
            weight_decay=WEIGHT_DECAY,
            description=description,
            **options,
        )


class _LayoutLoss(UmapLoss):
    """UMAP's loss of places that are standardised and held to the layout."""

    def __init__(self, scale, *arguments):
        super().__init__(*arguments)
        self.scale = scale

    def forward(self, positions, targets):
        away = (positions - targets["layout"]).square().mean()
        return super().forward(positions * self.scale, targets) + HOLD * away


def fine_tune(
    module,
    inputs,
    layout,
    graph,
    *,
    scale,
    curve,
    negative_sample_rate,
    repulsion_strength,
    density,
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
        What it sees.
    layout : ndarray of shape (n_samples, n_components)
        What it has learnt to say, and is held to.
    graph : csr_array of shape (n_samples, n_samples)
        The fuzzy graph.
    scale : float
        Standard deviation of the layout, whose unit the network speaks in.
    curve : tuple of float
        a and b, as `fit_curve` returns them.
    negative_sample_rate : int
        Pairs that repel, per edge.
    repulsion_strength : float
        Factor of the repulsion.
    density : tuple or None
        Local radii, their factor, the shift of their variance, and how many are
        compared in a step. None: without.
    batch_size : int or "auto"
        See `choose_batch_size`; so many rows, twice as many edges.
    learning_rate : float
        The largest rate of the training before; see `FINE_TUNE_RATE`.
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
    radii, weight, shift, size = density or (None, 0.0, 0.1, 0)
    if radii is not None:
        radii = torch.as_tensor(radii, dtype=torch.float32, device=device)
    if isinstance(module, Perceptron):
        module.set_noise(dropout=0.0, noise=0.0)
    edges = EdgeData(
        as_tensor(inputs, np.float32, device),
        graph,
        negative_sample_rate,
        radii,
        size,
        as_tensor(layout, np.float32, device),
    )
    rows = choose_batch_size(batch_size, len(inputs))
    with seeded(seed, device):
        return train(
            module,
            edges,
            criterion=_LayoutLoss(scale, *curve, repulsion_strength, weight, shift),
            batches=EdgeBatches,
            batch_size=min(EDGES_PER_ROW * rows, len(edges)),
            learning_rate=FINE_TUNE_RATE * learning_rate,
            weight_decay=WEIGHT_DECAY,
            description="fine-tuning",
            **options,
        )
