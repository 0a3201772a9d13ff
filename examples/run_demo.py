"""Type the neurons of a larval fly brain by connectivity; `make demo` runs this.

Most of the known types are hidden. The rest are the seeds, from which the types of all
other neurons are predicted. The hidden types measure the accuracy.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import argparse
import tempfile
import time
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from celltyping import NtacClassifier, SeedShuffleSplit
from celltyping.datasets import load_larva_connectome
from celltyping.metrics import ranked_accuracy_score
from celltyping.plotting import TypeAccuracyDisplay, TypeConnectivityDisplay

# Obvious baselines: scikit-learn on each neuron's synapses with every other neuron.
BASELINES = {
    "logistic regression": make_pipeline(
        Normalizer(), LogisticRegression(C=30, max_iter=1000)
    ),
    "5 nearest neighbours": KNeighborsClassifier(
        5, metric="cosine", weights="distance"
    ),
    "most frequent type": DummyClassifier(strategy="prior"),
}

N_ALTERNATIVES = 3


def parse_arguments(arguments=None):
    """Read the command line, or a list of arguments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("demo_output"),
        help="folder for the table and the figures (default: %(default)s)",
    )
    parser.add_argument(
        "--train-size",
        type=float,
        default=0.1,
        help="fraction of the known types that stays known (default: %(default)s)",
    )
    parser.add_argument(
        "--random-state",
        type=int,
        default=0,
        help="seed of their random choice (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    if not 0 < options.train_size < 1:
        parser.error(f"--train-size must be between 0 and 1, got {options.train_size}")
    if options.output.exists() and not options.output.is_dir():
        parser.error(f"--output must be a folder, but {options.output} is a file")
    return options


def edge_rows(connectome):
    """Return the square roots of each neuron's in- and out-weights, for baselines."""
    adjacency = connectome.adjacency
    return sparse.csr_matrix(sparse.hstack([adjacency.T, adjacency])).sqrt()


def score(y_true, y_pred, ranked):
    """Score predicted types and the five best types of each neuron."""
    return {
        "accuracy": accuracy_score(y_true, y_pred),
        "macro F1": f1_score(y_true, y_pred, average="macro", zero_division=0),
        "top-5 accuracy": ranked_accuracy_score(y_true, ranked),
    }


def score_baselines(connectome, y, seeds, hidden):
    """Fit the baselines to the seeds and score them on the hidden types.

    Parameters
    ----------
    connectome : Connectome
        The graph.
    y : ndarray of shape (n_neurons,)
        Types.
    seeds, hidden : ndarray of int
        Indices of the training and of the test neurons.

    Returns
    -------
    scores : dict of dict
        Scores by name, by baseline.
    """
    rows = edge_rows(connectome)
    scores = {}
    for name, baseline in BASELINES.items():
        baseline.fit(rows[seeds], y[seeds])
        probabilities = baseline.predict_proba(rows[hidden])
        ranked = baseline.classes_[np.argsort(-probabilities, axis=1, kind="stable")]
        scores[name] = score(y[hidden], baseline.predict(rows[hidden]), ranked[:, :5])
    return scores


def tabulate(model, connectome, y, seeds):
    """Make the table of all neurons.

    Parameters
    ----------
    model : NtacClassifier
        Fitted to all neurons with the types of the seeds.
    connectome : Connectome
        All neurons.
    y : ndarray of shape (n_neurons,)
        Types, "?" where unknown.
    seeds : ndarray of int
        Indices of the seeds.

    Returns
    -------
    table : DataFrame
        One row per neuron, by id: the predicted type, its confidence, the next best
        types, each with its similarity, and the known type.
    """
    ranked, similarities = model.rank_types(connectome, k=1 + N_ALTERNATIVES)
    columns = {
        "predicted_type": model.transduction_,
        "confidence": model.label_confidence_,
        "similarity": similarities[:, 0],
    }
    for i in range(1, 1 + N_ALTERNATIVES):
        # A type without any similarity is no alternative.
        columns[f"alternative_{i}"] = np.where(similarities[:, i] > 0, ranked[:, i], "")
        columns[f"similarity_{i}"] = similarities[:, i]
    columns["is_seed"] = np.isin(np.arange(len(y)), seeds)
    columns["known_type"] = np.where(y == "?", "", y)
    index = pd.Index(connectome.node_ids, name="neuron_id")
    return pd.DataFrame(columns, index=index)


def write_results(output, table, displays):
    """Write the table and the figures (displays by file name), all of them or none."""
    output.mkdir(parents=True, exist_ok=True)
    # First into a folder beside the old results, which an error leaves unchanged.
    with tempfile.TemporaryDirectory(dir=output, prefix=".partial-") as folder:
        folder = Path(folder)
        table.to_csv(folder / "neuron_types.csv", float_format="%.4f")
        for name, display in displays.items():
            display.figure_.savefig(folder / name, dpi=150)
        for path in folder.iterdir():
            path.replace(output / path.name)


def main(arguments=None):
    """Run the demo."""
    options = parse_arguments(arguments)
    matplotlib.use("Agg")  # into files, also where there is no screen
    start = time.perf_counter()
    larva = load_larva_connectome()
    connectome, y = larva.data, larva.target
    print(f"The brain of a fly larva: {connectome}")
    splitter = SeedShuffleSplit(
        n_splits=1, train_size=options.train_size, random_state=options.random_state
    )
    seeds, hidden = next(splitter.split(connectome, y))
    given = np.full_like(y, "?")
    given[seeds] = y[seeds]
    print(
        f"{np.sum(y != '?'):,} neurons have one of {len(larva.target_names)} known "
        f"types; {len(seeds)} of them are the seeds, {len(hidden):,} types are hidden."
    )
    model = NtacClassifier(n_jobs=-1, verbose=True)
    model.fit(connectome, given)
    predicted = model.predict(connectome[hidden])
    ranked, _ = model.rank_types(connectome[hidden], k=5)
    scores = {"NtacClassifier": score(y[hidden], predicted, ranked)}
    scores |= score_baselines(connectome, y, seeds, hidden)
    print("\nOn the hidden types (baselines: scikit-learn on the adjacency):\n")
    print(pd.DataFrame(scores).T.to_string(float_format="{:.3f}".format))

    table = tabulate(model, connectome, y, seeds)
    share = f"{options.train_size:.0%} of the types known"
    displays = {
        "type_accuracy.png": TypeAccuracyDisplay.from_predictions(
            y[hidden], predicted, name=f"NtacClassifier, {share}"
        ),
        "type_connectivity.png": TypeConnectivityDisplay.from_predictions(
            connectome, table["predicted_type"], name=f"Predicted, {share}"
        ),
    }
    write_results(options.output, table, displays)
    wrote = {
        "neuron_types.csv": f"type, confidence and {N_ALTERNATIVES} alternatives of "
        f"{len(table):,} neurons",
        "type_accuracy.png": "accuracy within each type against its size",
        "type_connectivity.png": "synapses from each predicted type to each",
    }
    print()
    for name, what in wrote.items():
        print(f"Wrote {options.output / name}: {what}")
    print(f"Took {time.perf_counter() - start:.0f} seconds.")


if __name__ == "__main__":
    main()
