"""Transfer of cell types between experiments, compared with other methods.

Four tables, chosen with --tables. "pairs": accuracy, calibration and time on four pairs
of experiments, with a logistic regression that is run here, and the figures of ItClust
1.2.0 that were recorded on another day. "rejection": effect of a threshold on cells
whose type the source lacks, and on the others. "memory": peak during the fit of a
default ItClustClassifier. "ablation": eight transfers, one setting changed at a time,
two transfers at once, one seed.

The experiments are not part of this package, except for some of their genes: pass the
folder with pbmc3k_10xv1.h5ad, kang_ifnb1k.h5ad, mixology_sc_celseq2.h5ad,
mixology_sc_celseq2_5cl_p1.h5ad and mixology_sc_dropseq.h5ad as --single-cell or in the
environment variable SINGLE_CELL. Without it, the tables that need them are skipped. The
first two have types in obs["celltype_common"], the others in obs["celltype"].

Accuracy, the adjusted Rand index (ARI) and the expected calibration error (ECE, the
mean difference between probability and accuracy in 15 intervals of equal width) are
over the cells of the target whose type the source has. Figures are means over three
seeds, with the minimum and the maximum if they differ. It is unknown which cells the
recorded ARI of kang → pbmc3k includes; for the other pairs it is all.

In "pairs" every method has its own process, on two threads, and types a few cells
before the clock starts, which imports all modules. Its time is that of transfer_labels,
from two AnnData in memory to the table. ItClust's was measured on two cores as well,
with Python 3.7 and TensorFlow 1.15: the ratio is an order of magnitude.

The logistic regression is scikit-learn's with its default C=1 and balanced classes, on
cells of unit length, of the 2,000 genes that vary most in the source.

In "memory" each fit has its own process, which has typed a few cells before; the memory
held then is subtracted. The data are included: they are read afterwards.

--quick uses one seed, two transfers for the ablation and a smaller simulation, as a
test, and writes other files.

Run: python benchmarks/bench_transfer.py --single-cell FOLDER
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from _common import run_alone, write_table
from _transfer import PAIRS, prepare, read_pair, simulate
from joblib import Parallel, delayed
from scipy import sparse

FOUR = list(PAIRS)[:4]
N_SEEDS = 3
N_BINS = 15

# Accuracy, ARI and seconds of ItClust 1.2.0.
RECORDED = {
    "pbmc3k → kang": (0.481, 0.822, 56),
    "kang → pbmc3k": (0.929, 0.811, 22),
    "celseq2 → dropseq": (0.969, 0.906, 9),
    "celseq2 5cl → dropseq": (0.822, 0.737, 10),
}
ITCLUST = "ItClust 1.2.0 (recorded, not run)"
LOGISTIC = "logistic regression"

# Settings of ItClustClassifier, by method.
METHODS = {
    "transfer_labels": {},
    'transfer_labels, adaptation="never"': {"adaptation": "never"},
    LOGISTIC: None,
}

# Transfers where the source lacks types, and one where it lacks none.
REJECTING = ["kang → pbmc3k", "celseq2 → celseq2 5cl", "pbmc3k → kang"]
THRESHOLDS = [1.1, 1.2, 1.3, 1.5]

# Cells and genes of the simulated experiments.
SIMULATED = 50_000, 4_000
SIMULATED_QUICK = 4_000, 1_000

# Settings of ItClustClassifier, and of the selection of genes.
ADAPTATIONS = {"default": "auto", "no adaptation": "never", "always": "always"}
VARIATIONS = {
    "one network": ({"n_networks": 1}, {}),
    "no genes left out (input_dropout=0)": ({"input_dropout": 0.0}, {}),
    "no unit length (scaling=None)": ({"scaling": None}, {}),
    'scaling="standard"': ({"scaling": "standard"}, {}),
    "2,000 genes": ({}, {"n_genes": 2000}),
    "genes ranked in all cells at once": ({}, {"by": "pooled"}),
    "alpha=1": ({"alpha": 1.0}, {}),
    "label_smoothing=0": ({"label_smoothing": 0.0}, {}),
    "layers of 64 and 16, dropout=0.3": (
        {"hidden_layer_sizes": (64, 16), "dropout": 0.3},
        {},
    ),
    "pretrain_epochs=5": ({"pretrain_epochs": 5}, {}),
}


def report(message):
    """Print progress on the error stream."""
    print(time.strftime("%H:%M:%S"), message, file=sys.stderr, flush=True)


def has_data(table, options):
    """Return whether the experiments are available; print a message if not."""
    if options.single_cell:
        return True
    print(f'The experiments of "{table}" were not given, see --help: left out.')
    return False


def finish(name, header, rows, options):
    """Write a table."""
    write_table(f"transfer_{name}{'_quick' if options.quick else ''}", header, rows)


def itclust(seed=0, **settings):
    """Return an ItClustClassifier."""
    from celltyping import ItClustClassifier

    return ItClustClassifier(random_state=seed, **settings)


def logistic_regression():
    """Return a logistic regression on cells of unit length."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import Normalizer

    classifier = LogisticRegression(class_weight="balanced", max_iter=1000)
    return make_pipeline(Normalizer(), classifier)


def make(method, seed):
    """Return the estimator of a method for transfer_labels."""
    from sklearn.pipeline import make_pipeline

    from celltyping import HighlyVariableGenes
    from celltyping.pipelines import make_single_cell_pipeline

    if method == LOGISTIC:
        return make_pipeline(HighlyVariableGenes(2000), *logistic_regression())
    return make_single_cell_pipeline(itclust(seed, **METHODS[method]), kind="log")


def warm_up(seed=0):
    """Fit a few cells, which imports all modules."""
    task = simulate(200, 300, n_types=2, random_state=seed)
    itclust(seed).fit(task.X, task.y)


def calibration_error(probability, right):
    """Return the expected calibration error of predictions, of shape (n_cells,)."""
    interval = np.minimum((probability * N_BINS).astype(int), N_BINS - 1)
    gaps = np.bincount(interval, probability - right, N_BINS)
    return float(np.abs(gaps).sum() / len(right))


def run_contestant(options):
    """Type the four targets with one method; print the results as JSON."""
    from sklearn.metrics import adjusted_rand_score

    from celltyping.pipelines import transfer_labels

    method, answers = options.contestant, {}
    warm_up()
    for pair in FOUR:
        source, target = read_pair(pair, options.single_cell)
        key = PAIRS[pair].label_key
        true = target.obs[key].astype(str).to_numpy(object)
        shared = np.isin(true, source.obs[key].astype(str))
        answers[pair] = []
        n_seeds = 1 if options.quick or method == LOGISTIC else N_SEEDS
        for seed in range(n_seeds):
            estimator = make(method, seed)
            start = time.perf_counter()
            table = transfer_labels(target, source, key, estimator=estimator)
            seconds = time.perf_counter() - start
            found = table["type"].to_numpy(object)[shared]
            right = found == true[shared]
            probability = table["probability"].to_numpy()[shared]
            answers[pair].append(
                {
                    "accuracy": float(right.mean()),
                    "ARI": float(adjusted_rand_score(true[shared], found)),
                    "ECE": calibration_error(probability, right),
                    "time (s)": seconds,
                }
            )
    print(json.dumps(answers))


def mean_and_range(values, form=".3f"):
    """Format a mean, with the minimum and the maximum if they differ."""
    low, high = format(min(values), form), format(max(values), form)
    mean = format(np.mean(values), form)
    return mean if low == high else f"{mean} ({low} to {high})"


def pairs(options):
    """Write the table of accuracy, calibration and time."""
    if not has_data("pairs", options):
        return
    scores = {}
    for method in METHODS:
        report(method)
        arguments = ["--contestant", method, "--single-cell", options.single_cell]
        arguments += ["--quick"] if options.quick else []
        scores[method] = run_alone(__file__, arguments)
    rows = []
    for pair in FOUR:
        accuracy, rand, recorded = RECORDED[pair]
        rows.append([pair, ITCLUST, accuracy, rand, "-", recorded, "1"])
        for method, answers in scores.items():
            columns = {
                key: [answer[key] for answer in answers[pair]]
                for key in ("accuracy", "ARI", "ECE", "time (s)")
            }
            seconds = columns.pop("time (s)")
            cells = [mean_and_range(values) for values in columns.values()]
            cells += [f"{np.mean(seconds):.1f}", f"{np.mean(seconds) / recorded:.2f}"]
            rows.append([pair, method, *cells])
    header = ["source → target", "method", "accuracy", "ARI", "ECE", "time (s)"]
    finish("pairs", [*header, "of ItClust's recorded time"], rows, options)


def rejection(options):
    """Write the table of rejected cells."""
    if not has_data("rejection", options):
        return
    rows = []
    for pair in REJECTING:
        report(f"rejection, {pair}")
        task = prepare(pair, options.single_cell)
        model = itclust(reject_threshold=1.2).fit(task.X, task.y)
        target = task.X[~task.is_source]
        right = model.classes_[model.predict_proba(target).argmax(axis=1)] == task.true
        novelty, shared = model.novelty_[~task.is_source], task.is_shared
        for threshold in THRESHOLDS:
            rejected, kept = novelty > threshold, novelty <= threshold
            rows.append(
                [
                    pair,
                    threshold,
                    f"{np.mean(~shared):.3f}",
                    f"{rejected[~shared].mean():.3f}" if not shared.all() else "-",
                    f"{rejected[shared].mean():.3f}",
                    f"{right.mean():.3f}",
                    f"{right[kept].mean():.3f}" if kept.any() else "-",
                ]
            )
    header = [
        "source → target",
        "reject_threshold",
        "cells of types that the source lacks",
        "of them unknown",
        "of the others unknown",
        "accuracy of all cells",
        "accuracy of cells with a type",
    ]
    finish("rejection", header, rows, options)


def memory_of(name):
    """Return the memory of this process ("VmRSS") or its peak ("VmHWM"), in MB.

    The peak of getrusage would include the parent process.
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise OSError(f"this system does not report {name}")


def run_fit(options):
    """Fit a table from a file; print the time and the peak of memory as JSON."""
    warm_up()
    before = memory_of("VmRSS")
    with np.load(options.fit, allow_pickle=True) as file:
        X = sparse.csr_array(
            (file["data"], file["indices"], file["indptr"]), shape=file["shape"]
        )
        y = file["y"]
    start = time.perf_counter()
    itclust().fit(X, y)
    seconds = time.perf_counter() - start
    print(json.dumps({"fit (s)": seconds, "memory": memory_of("VmHWM") - before}))


def memory(options):
    """Write the table of memory."""
    size = SIMULATED_QUICK if options.quick else SIMULATED
    tasks = {}
    if has_data("memory, blood", options):
        tasks["pbmc3k → kang"] = prepare("pbmc3k → kang", options.single_cell)
    tasks["simulated"] = simulate(*size)
    rows = []
    for name, task in tasks.items():
        report(f"memory, {name}")
        X = task.X
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "task.npz"
            arrays = {"data": X.data, "indices": X.indices, "indptr": X.indptr}
            np.savez(path, **arrays, shape=X.shape, y=task.y.astype(str))
            answer = run_alone(__file__, ["--fit", str(path)])
        dense = X.shape[0] * X.shape[1] * 4 / 2**20
        stored = sum(array.nbytes for array in arrays.values()) / 2**20
        rows.append(
            [
                name,
                f"{X.shape[0]:,}",
                f"{X.shape[1]:,}",
                f"{dense:.0f}",
                f"{stored:.0f}",
                f"{answer['memory']:.0f}",
                f"{answer['memory'] / dense:.2f}",
                f"{answer['fit (s)']:.1f}",
            ]
        )
    header = ["data", "cells", "genes", "dense (MB)", "sparse (MB)", "peak (MB)"]
    finish("memory", [*header, "peak, of dense", "fit (s)"], rows, options)


def accuracy_of(model, task):
    """Return the accuracy on the target, over the types that the source has."""
    target = task.X[~task.is_source]
    return float(np.mean((model.predict(target) == task.true)[task.is_shared]))


def ablate(pair, options):
    """Return the accuracy of each setting on one transfer."""
    report(f"ablation, {pair}")
    folder = options.single_cell
    task, answers = prepare(pair, folder), {}
    model = itclust().fit(task.X, task.y)
    target = task.X[~task.is_source]
    for name, adaptation in ADAPTATIONS.items():
        # The same networks: only the adaptation is repeated.
        model.set_params(adaptation=adaptation)
        answers[name] = accuracy_of(model.adapt(target), task)
    for name, (settings, genes) in VARIATIONS.items():
        task = prepare(pair, folder, **genes)
        answers[name] = accuracy_of(itclust(**settings).fit(task.X, task.y), task)
    task = prepare(pair, folder, n_genes=2000, by="source")
    known = task.is_source
    model = logistic_regression().fit(task.X[known], task.y[known])
    answers[LOGISTIC] = accuracy_of(model, task)
    return answers


def ablation(options):
    """Write the table of settings changed one at a time."""
    if not has_data("ablation", options):
        return
    names = list(PAIRS)[2:4] if options.quick else list(PAIRS)
    answers = Parallel(n_jobs=2)(delayed(ablate)(pair, options) for pair in names)
    rows = []
    for setting in answers[0]:
        scores = np.array([answer[setting] for answer in answers])
        losses = scores - [answer["default"] for answer in answers]
        worst = int(losses.argmin())
        rows.append(
            [
                setting,
                f"{scores.mean():.3f}",
                f"{losses[worst]:+.3f}",
                names[worst] if losses[worst] < 0 else "-",
                *(f"{score:.3f}" for score in scores),
            ]
        )
    header = ["", "mean accuracy", "worst difference to default", "where", *names]
    finish("ablation", header, rows, options)


TABLES = {
    "pairs": pairs,
    "rejection": rejection,
    "memory": memory,
    "ablation": ablation,
}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument(
        "--single-cell", default=os.environ.get("SINGLE_CELL"), help="a folder"
    )
    parser.add_argument("--quick", action="store_true", help="one seed, few transfers")
    parser.add_argument("--contestant", choices=METHODS, help=argparse.SUPPRESS)
    parser.add_argument("--fit", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contestant:
        sys.exit(run_contestant(options))
    if options.fit:
        sys.exit(run_fit(options))
    for table in options.tables:
        TABLES[table](options)
