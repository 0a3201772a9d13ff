"""Data and settings that the tests of NUMAP share."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import torch
from sklearn.neighbors import KNeighborsClassifier

from celltyping import NUMAP, MLPEncoder

QUICK = {
    "n_epochs": 40,
    "max_epochs": 3,
    "n_anchors": 1000,
    "fine_tune_epochs": 0,
    "random_state": 0,
}

# Settings under which all properties of an embedding have to hold.
SETTINGS = {
    "default": {"n_anchors": "auto", "fine_tune_epochs": "auto"},
    "network alone": {"n_anchors": 0},
    "few anchors": {"n_anchors": 40, "init": "pca"},
    "tuned": {"n_anchors": 0, "fine_tune_epochs": 2, "densmap": True},
    "own encoder": {"module": torch.nn.Linear(6, 2)},
    "reduced": {"n_input_components": 3, "n_components": 3},
    "cosine": {"metric": "cosine"},
    "mixed": {"spectral_weight": 0.5},
    "both": {"inputs": "both", "residual": True},
}


def make_numap(n_components=2, **options):
    """Make a NUMAP; parameters of the encoder may stand among the others."""
    names = MLPEncoder().get_params()
    own = {name: options.pop(name) for name in list(options) if name in names}
    if own:
        options["encoder"] = MLPEncoder(**own)
    return NUMAP(n_components, **options)


def quick(n_components=2, **options):
    """Make a NUMAP that takes little time."""
    return make_numap(n_components, **{**QUICK, **options})


def make_clumps(n_samples=120, n_features=6, seed=0, spreads=(1.0, 1.0, 1.0)):
    """Draw samples around the corners of a simplex, and return their corners."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, len(spreads), n_samples)
    spread = np.array(spreads)[y, np.newaxis]
    noise = spread * rng.normal(size=(n_samples, n_features))
    return 6 * np.eye(len(spreads), n_features)[y] + noise, y


X, TYPES = make_clumps()
NEW, NEW_TYPES = make_clumps(80, seed=1)


def embed(X=X, y=None, **options):
    """Fit and return the embedding."""
    return quick(**options).fit(X, y).embedding_


def separation(positions, y):
    """Compute the share of samples of the type of their nearest neighbours."""
    return KNeighborsClassifier(5).fit(positions, y).score(positions, y)
