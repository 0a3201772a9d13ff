"""Detection of wrong types by `find_label_issues`, for several scores.

A twentieth of the known types is replaced: each by the type of a random neuron of
another type ("by size", so large types are frequent), or by a random other type
("uniform"). The scores are compared by the area under the ROC curve for "was replaced".

Run: python benchmarks/bench_label_issues.py
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import warnings

import numpy as np
from _common import write_table
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import roc_auc_score

from celltyping import NtacClassifier, find_label_issues
from celltyping.datasets import load_larva_connectome, make_connectome

SHARE, SEEDS = 0.05, range(3)

SIMULATED = {
    "40 types": {"n_types": 40},
    "40 types, 40 % random edges": {"n_types": 40, "noise": 0.4},
    "40 types, fewer edges": {"n_types": 40, "n_edges": 13_000},
    "40 types, fewer, 40 % random": {"n_types": 40, "n_edges": 13_000, "noise": 0.4},
    "200 types, fewer edges": {"n_types": 200, "n_edges": 13_000},
}


def replace_types(y, drawn, seed):
    """Return types of which some are replaced, and their positions."""
    rng = np.random.RandomState(seed)
    known = np.flatnonzero(y != "?")
    replaced = rng.choice(known, size=round(SHARE * len(known)), replace=False)
    candidates = y[known].astype(str)
    if drawn == "uniform":
        candidates = np.unique(candidates)
    y_wrong = y.copy()
    for position in replaced:
        y_wrong[position] = rng.choice(candidates[candidates != y[position]])
    return y_wrong, replaced


def measure(connectome, y, drawn):
    """Return the areas of three scores, and two rates, as means over the seeds."""
    results = []
    for seed in SEEDS:
        y_wrong, replaced = replace_types(y, drawn, seed)
        issues = find_label_issues(NtacClassifier(n_jobs=2), connectome, y_wrong)
        true = connectome.to_series(y)[issues.index]
        is_wrong = (issues["given_type"] != true).to_numpy()
        is_right = (issues["suggested_type"] == true).to_numpy()
        judged = issues["n_others"] > 0
        given = issues["given_probability"]
        scores = [issues["score"], -given, issues["suggested_probability"] - given]
        results.append(
            [
                *(roc_auc_score(is_wrong[judged], one[judged]) for one in scores),
                is_wrong[: len(replaced)].mean(),
                is_right[is_wrong].mean(),
            ]
        )
    return np.mean(results, axis=0)


def main():
    """Measure on all data, and write the table."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    larva = load_larva_connectome()
    data = {"larva": (larva.data, larva.target)}
    for name, settings in SIMULATED.items():
        settings = {"n_neurons": 2000, "n_edges": 40_000} | settings
        brain = make_connectome(**settings, random_state=0)
        data[name] = (brain.data, brain.target)
    rows = [
        [name, drawn, *(f"{value:.3f}" for value in measure(*given, drawn))]
        for name, given in data.items()
        for drawn in ("uniform", "by size")
    ]
    header = [
        "data",
        "wrong types",
        "score",
        "self-confidence",
        "margin",
        "wrong among the first rows",
        "right suggestions",
    ]
    write_table("label_issues", header, rows)


if __name__ == "__main__":
    main()
