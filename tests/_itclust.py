"""Data and helpers for tests of ItClustClassifier."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import joblib
import numpy as np
import pytest

from celltyping import ItClustClassifier

QUICK = {"n_networks": 2, "max_epochs": 20, "random_state": 0}

# For tests that do not depend on how much is learnt.
HASTY = {**QUICK, "max_epochs": 3}

# Settings under which the properties of every answer are tested.
SETTINGS = {
    "default": {},
    "deep": {
        "hidden_layer_sizes": (16, 8),
        "dropout": 0.1,
        "input_dropout": 0.2,
        "pretrain_epochs": 2,
    },
    "never": {"adaptation": "never"},
    "always": {"adaptation": "always", "scaling": "standard"},
    "unscaled": {"scaling": None, "n_networks": 1},
    "reject": {"reject_threshold": 1.02},
}


each_setting = pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)


NAMES = np.array(["B", "Mono", "NK", "T"])


def make_cells(types, *, n_genes=30, noise=0.3, platform=0, seed=0):
    """Simulate expression of cells; a platform scales each gene by a factor."""
    profiles = np.random.default_rng(99).gamma(1.0, size=(10, n_genes))
    factor = np.random.default_rng(platform).uniform(0.8, 1.2, n_genes)
    rng = np.random.default_rng([seed, platform])
    cells = profiles[types] + noise * rng.normal(size=(len(types), n_genes))
    return np.maximum(cells, 0) * factor


def make_transfer(source=(30, 30, 30, 30), target=(40, 30, 0, 25), **options):
    """Draw a source and a target in random order, with these numbers of cells."""
    codes = [np.repeat(np.arange(len(cells)), cells) for cells in (source, target)]
    parts = [make_cells(c, platform=k, **options) for k, c in enumerate(codes)]
    y = np.r_[NAMES[codes[0]], np.full(len(codes[1]), "?")]
    order = np.random.default_rng(7).permutation(len(y))
    return np.vstack(parts)[order], y[order], NAMES[np.concatenate(codes)][order]


X, Y, TYPES = make_transfer(noise=0.6)
IS_TARGET = Y == "?"
TARGET = X[IS_TARGET]
NEW_CODES = np.arange(60) % 4
NEW = make_cells(NEW_CODES, platform=2, seed=1, noise=0.6)


def quick(**options):
    """Return a classifier that is trained for a few epochs."""
    return ItClustClassifier(**{**QUICK, **options})


def hasty(**options):
    """Return a classifier that is trained for very few epochs."""
    return ItClustClassifier(**{**HASTY, **options})


def assert_same(first, second, new=NEW):
    """Assert that two classifiers give bitwise equal answers."""
    for name in ("transduction_", "label_confidence_", "cluster_confidence_"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    for name in ("labels", "centroids"):
        np.testing.assert_array_equal(first.trajectory_[name], second.trajectory_[name])
    np.testing.assert_array_equal(first.predict(new), second.predict(new))
    np.testing.assert_array_equal(first.predict_proba(new), second.predict_proba(new))
    np.testing.assert_array_equal(first.transform(new), second.transform(new))
    assert hasattr(first, "novelty_") == hasattr(second, "novelty_")
    if hasattr(first, "novelty_"):
        np.testing.assert_array_equal(first.novelty_, second.novelty_)


def fingerprint(fitted):
    """Return a hash of the attributes of a classifier, without the network."""
    return joblib.hash({k: v for k, v in vars(fitted).items() if k != "net_"})
