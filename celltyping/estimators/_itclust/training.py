"""Training of the networks, with the parameters for which "auto" is allowed."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np

from celltyping._nn._type_net import learn_types, make_type_net, pretrain
from celltyping._utils._validation import is_integer
from celltyping.estimators._itclust.novelty import stack

# Layer widths, the latent last, up to a maximum number of labelled cells.
WIDTHS = ((10_000, (64,)), (np.inf, (128,)))

# Minimum number of genes for which entries are dropped from the input by default.
MANY_FEATURES = 200

# Limits of the minimum number of training steps, which is one per labelled cell, and
# the minimum number of epochs.
MIN_STEPS, MIN_EPOCHS = (100, 300), 2


def train_networks(itclust, source, target, codes, seed):
    """Train networks to classify the source's scaled cells.

    Parameters
    ----------
    itclust : ItClustClassifier
        Estimator whose parameters and `device_` are read.
    source, target : {ndarray, csr_matrix} of shape (n_cells, n_features)
        Scaled cells of the source and of the target; the latter may be empty.
    codes : ndarray of shape (n_source,)
        Type index of the source's cells.
    seed : int
        Seed of the initial weights and of the trainings.

    Returns
    -------
    net : skorch.NeuralNet
        The trained networks, side by side.
    """
    n_labelled, n_genes = source.shape
    widths, max_epochs = itclust.hidden_layer_sizes, itclust.max_epochs
    input_dropout = itclust.input_dropout
    if isinstance(widths, str):
        widths = next(sizes for limit, sizes in WIDTHS if n_labelled <= limit)
    if len(widths) == 0 or not all(is_integer(w) and w > 0 for w in widths):
        raise ValueError(
            "hidden_layer_sizes must be 'auto' or at least one positive integer, got "
            f"{widths!r}"
        )
    if input_dropout == "auto":
        input_dropout = 0.5 if n_genes >= MANY_FEATURES else 0.0
    if max_epochs == "auto":
        steps_per_epoch = -(-n_labelled // itclust.batch_size)
        min_steps = int(np.clip(n_labelled, *MIN_STEPS))
        max_epochs = max(-(-min_steps // steps_per_epoch), MIN_EPOCHS)
    module = make_type_net(
        n_genes,
        [int(width) for width in widths],
        int(codes.max()) + 1,
        seed=seed,
        n_networks=itclust.n_networks,
        alpha=itclust.alpha,
        dropout=itclust.dropout,
    )
    names = ("batch_size", "learning_rate", "callbacks", "verbose")
    options = {name: getattr(itclust, name) for name in names}
    options |= {"device": itclust.device_, "input_dropout": input_dropout, "seed": seed}
    if itclust.pretrain_epochs > 0:
        cells = stack(source, target)
        pretrain(module, cells, max_epochs=itclust.pretrain_epochs, **options)
    smoothing = itclust.label_smoothing
    return learn_types(
        module,
        source,
        codes,
        label_smoothing=smoothing,
        max_epochs=max_epochs,
        **options,
    )
