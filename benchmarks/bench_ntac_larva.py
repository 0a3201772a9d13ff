"""Accuracy on the larval brain: celltyping and ntac 0.1.2, on the same splits.

Settings were chosen on splits 0 to 4; the tables report the ten splits after them, with
a 95 % interval of the mean. The second table takes one part of the method away at a
time, or adds one to the published method.

Run: python benchmarks/bench_ntac_larva.py
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import warnings

import numpy as np
from _common import SEED_SETTINGS, write_table
from ntac import Ntac
from scipy import stats
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import f1_score

from celltyping import NtacClassifier, SeedShuffleSplit
from celltyping.datasets import load_larva_connectome

TRAIN_SIZES = [0.05, 0.1, 0.3]
FIRST_SPLIT, N_SPLITS = 5, 10
N_STEPS = 15  # of ntac, which has no stopping rule

ABLATION = {
    "published method": SEED_SETTINGS,
    "+ square-root weights": {**SEED_SETTINGS, "edge_weighting": "sqrt"},
    "+ soft memberships": {**SEED_SETTINGS, "membership": "soft"},
    "+ second order": {**SEED_SETTINGS, "second_order_weight": 0.5},
    "+ consensus": {**SEED_SETTINGS, "consensus_weight": 0.5},
    "all four, the default": {},
    "default, linear weights": {"edge_weighting": "linear"},
    "default, log1p weights": {"edge_weighting": "log1p"},
    "default, hard memberships": {"membership": "hard"},
    "default, no second order": {"second_order_weight": 0},
    "default, no consensus": {"consensus_weight": 0},
    "default, 3 neighbours vote": {"n_neighbors": 3},
    "default, sharpness 4": {"sharpness": 4},
    "default, sharpness 16": {"sharpness": 16},
    "default, damping 0.5": {"damping": 0.5},
}


def splits(types, train_size):
    """Yield the seeds and the test neurons of the reported splits."""
    splitter = SeedShuffleSplit(
        FIRST_SPLIT + N_SPLITS, train_size=train_size, random_state=0
    )
    for number, (seeds, test) in enumerate(splitter.split(types, types)):
        if number >= FIRST_SPLIT:
            y = np.full(len(types), "?", dtype=object)
            y[seeds] = types[seeds]
            yield y, test


def run_ntac(connectome, y):
    """Type the neurons with ntac."""
    model = Ntac(data=connectome.adjacency, labels=y.astype(str), lr=1.0)
    for _ in range(N_STEPS):
        model.step()
    return np.asarray(model.get_partition())


def run_celltyping(settings):
    """Make a function that types the neurons with these settings."""

    def run(connectome, y):
        model = NtacClassifier(n_jobs=2, **settings)
        with warnings.catch_warnings():
            # ntac does not stop by itself either
            warnings.simplefilter("ignore", ConvergenceWarning)
            return model.fit(connectome, y).transduction_

    return run


def measure(run, connectome, types):
    """Return accuracy and macro F1 per train size and split."""
    scores = []
    for train_size in TRAIN_SIZES:
        for y, test in splits(types, train_size):
            predicted = run(connectome, y)[test].astype(str)
            true = types[test].astype(str)
            scores.append(
                [
                    np.mean(predicted == true),
                    f1_score(
                        true,
                        predicted,
                        average="macro",
                        labels=np.unique(true),
                        zero_division=0,
                    ),
                ]
            )
    return np.reshape(scores, (len(TRAIN_SIZES), N_SPLITS, 2))


def interval(values):
    """Write a mean with the half-width of its 95 % interval."""
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return f"{np.mean(values):.3f} ± {half:.3f}"


def row(name, scores, reference):
    """Make a line of a table; gains are in points of accuracy, split by split."""
    accuracy, macro_f1 = scores[..., 0], scores[..., 1]
    gain = 100 * (accuracy - reference[..., 0]).mean(axis=0)
    return [
        name,
        *(interval(values) for values in accuracy),
        f"{accuracy.mean():.3f}",
        interval(gain).replace("-0.000", "0.000"),
        *(f"{values.mean():.3f}" for values in macro_f1),
    ]


def main():
    """Run everything and write two tables."""
    larva = load_larva_connectome()
    connectome, types = larva.data, larva.target
    shares = [f"{size:.0%}" for size in TRAIN_SIZES]
    header = [
        "",
        *(f"accuracy, {share} typed" for share in shares),
        "mean",
        "gain (points)",
        *(f"macro F1, {share}" for share in shares),
    ]
    ntac = measure(run_ntac, connectome, types)
    ablation = {
        name: measure(run_celltyping(settings), connectome, types)
        for name, settings in ABLATION.items()
    }
    write_table(
        "ntac_larva",
        header,
        [
            row("ntac 0.1.2, 15 steps", ntac, ntac),
            row("celltyping, seed's settings", ablation["published method"], ntac),
            row("celltyping", ablation["all four, the default"], ntac),
        ],
    )
    published = ablation["published method"]
    write_table(
        "ntac_ablation",
        header,
        [row(name, scores, published) for name, scores in ablation.items()],
    )


if __name__ == "__main__":
    main()
