"""Training of the networks, with the parameters for which "auto" is allowed."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from numbers import Integral

import numpy as np

from celltyping._nn._type_net import learn_types, make_type_net, pretrain
from celltyping.estimators._itclust.novelty import stack

# Layer widths, the latent last, up to a maximum number of labelled cells.
WIDTHS = ((10_000, (64,)), (np.inf, (128,)))

# Minimum number of genes for which entries are dropped from the input by default.
MANY_FEATURES = 200

# Limits of the minimum number of training steps, which is one per labelled cell, and
# the minimum number of epochs.
MIN_STEPS, MIN_EPOCHS = (100, 300), 2


def train_networks(
    source,
    target,
    codes,
    *,
    hidden_layer_sizes,
    n_networks,
    alpha,
    dropout,
    input_dropout,
    label_smoothing,
    max_epochs,
    pretrain_epochs,
    seed,
    **options,
):
    """Train networks to classify the source's cells.

    Parameters
    ----------
    source, target : {ndarray, csr_matrix} of shape (n_cells, n_features)
        Scaled cells of the source and of the target; the latter may be empty.
    codes : ndarray of shape (n_source,)
        Type index of the source's cells.
    hidden_layer_sizes, n_networks, ..., pretrain_epochs
        Parameters of `ItClustClassifier`.
    seed : int
        Seed of the initial weights and of the trainings.
    **options
        Other keyword arguments of `celltyping._nn._training.train`.

    Returns
    -------
    net : skorch.NeuralNet
        The trained networks, side by side.
    """
    n_labelled, n_genes = source.shape
    widths = hidden_layer_sizes
    if isinstance(widths, str):
        widths = next(sizes for limit, sizes in WIDTHS if n_labelled <= limit)
    if len(widths) == 0 or not all(isinstance(w, Integral) and w > 0 for w in widths):
        raise ValueError(
            "hidden_layer_sizes must be 'auto' or at least one positive integer, got "
            f"{widths!r}"
        )
    if input_dropout == "auto":
        input_dropout = 0.5 if n_genes >= MANY_FEATURES else 0.0
    if max_epochs == "auto":
        steps_per_epoch = -(-n_labelled // options["batch_size"])
        min_steps = int(np.clip(n_labelled, *MIN_STEPS))
        max_epochs = max(-(-min_steps // steps_per_epoch), MIN_EPOCHS)
    module = make_type_net(
        n_genes,
        [int(width) for width in widths],
        int(codes.max()) + 1,
        seed=seed,
        n_networks=n_networks,
        alpha=alpha,
        dropout=dropout,
    )
    options = {"input_dropout": input_dropout, "seed": seed, **options}
    if pretrain_epochs > 0:
        pretrain(module, stack(source, target), max_epochs=pretrain_epochs, **options)
    return learn_types(
        module,
        source,
        codes,
        label_smoothing=label_smoothing,
        max_epochs=max_epochs,
        **options,
    )
