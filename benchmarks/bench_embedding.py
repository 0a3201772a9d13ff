"""NUMAP and GrEASE: beside umap-learn 0.5.12, numap 0.2.3 and its GrEASE 0.1.5.

Seven tables, chosen with --tables. "quality": how well digits of known type are placed,
and how long it takes. "large": all of MNIST, with peak memory. "defaults": NUMAP with
one setting changed at a time. "global": what is kept of the large arrangement.
"grease": spectral coordinates beside exact eigenvectors. "density": whether dense
clusters look dense. "import": how long imports take. Each comes with a second table:
what was wanted, and what was reached.

MNIST is not part of this package: give the path of an npz file with X (70000, 784) and
y, the usual 60,000 training samples first, as --mnist or in the environment variable
MNIST. Without it, what needs it is left out.

Accuracy is that of new samples whose type their 5 nearest training samples in the
embedding vote on. Trustworthiness is scikit-learn's, of 5 neighbours, of training
samples and of new ones, each among themselves. Figures are means over random splits,
with their standard deviation.

In "quality" and "large" every contestant runs in a process of its own, on two threads,
and embeds a small table before the clock starts, which compiles its kernels. umap-learn
uses one thread when it is seeded. A time of `transform` is the best of three. Peak
memory is that of the whole process, data included.

numap has the best of its documented settings: 10 neighbours, a rate of 0.001, 10 epochs
and residual connections from 10 spectral coordinates. Its default fails in `fit`.

--small runs everything on few samples, to see that it works, and writes other files.

Run: python benchmarks/bench_embedding.py --mnist mnist.npz
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import argparse
import contextlib
import json
import operator
import os
import subprocess
import sys
import time
from functools import partial

import numpy as np
from _common import peak_memory, run_alone, write_table
from _embedding import GREASE_NEIGHBORS, SIZES, SMALL, Published, make, spectrum, split

N_SPLITS = 3

# umap-learn and pynndescent search in another way from 4,096 samples on, with other
# kernels: so many compile all.
N_WARM = 4_500

# Samples at most whose trustworthiness is measured, training and new: it takes all
# distances.
N_TRUST = 3_000, 5_000

# Library and settings.
FINE_TUNED = {"n_anchors": 0, "fine_tune_epochs": 20}
CONTESTANTS = {
    "umap-learn, seeded": ("umap-learn", {}),
    "umap-learn, not seeded": ("umap-learn", {"random_state": None, "n_jobs": 2}),
    "NUMAP": ("NUMAP", {}),
    "NUMAP, network alone": ("NUMAP", {"n_anchors": 0}),
    "NUMAP, network alone, fine-tuned": ("NUMAP", FINE_TUNED),
    "numap 0.2.3, exact spectral": ("numap", {"use_grease": False}),
    "numap 0.2.3, GrEASE": ("numap", {"use_grease": True}),
}
SEEDED, NOT_SEEDED, OURS, *_ = CONTESTANTS

# What makes the fit before the clock starts short.
SHORT = {
    "umap-learn": {"n_epochs": 12},
    "NUMAP": {"n_epochs": 2, "max_epochs": 1},
    "numap": {"epochs": 1, "use_grease": False},
}

VARIATIONS = {
    "n_neighbors": [10, 30],
    "n_input_components": [30, None],
    "init": ["pca"],
    "spectral_weight": [0.2],
    "inputs": ["spectral", "both"],
    "hidden_layer_sizes": [(256, 256, 256), (64, 64)],
    "dropout": [0.0],
    "input_noise": [0.0],
    "n_anchors": [0, 1000],
    "n_epochs": [200, 1000],
    "max_epochs": [100],
    "fine_tune_epochs": [20],
}

# Made data whose large arrangement is known, and the number of eigenvectors that are
# compared: those that tell clusters apart, or circles and a turn around each.
ARRANGEMENTS = {
    "two circles": 5,
    "9 clusters in 3 groups": 8,
    "8 clusters on a line": 5,
}
ARRANGED = {
    "NUMAP": ("NUMAP", {}),
    "NUMAP, spectral_weight=0.2": ("NUMAP", {"spectral_weight": 0.2}),
    "NUMAP, spectral_weight=0.5": ("NUMAP", {"spectral_weight": 0.5}),
    "NUMAP, n_neighbors=30": ("NUMAP", {"n_neighbors": 30}),
    "NUMAP, init='pca'": ("NUMAP", {"init": "pca"}),
    "NUMAP, network alone": ("NUMAP", {"n_anchors": 0}),
    "umap-learn": ("umap-learn", {}),
    "umap-learn, n_neighbors=30": ("umap-learn", {"n_neighbors": 30}),
    "principal components": ("PCA", {}),
}

DENSE = {
    "NUMAP": ("NUMAP", {}),
    "NUMAP, densmap=True": ("NUMAP", {"densmap": True}),
    "umap-learn": ("umap-learn", {}),
    "umap-learn, densmap=True": ("umap-learn", {"densmap": True}),
}

# Neighbours in the graphs whose eigenvectors are compared in "global": as many as
# numap's authors take.
N_NEIGHBORS = 20

SPECTRAL = {
    'GrEASE, solver="exact"': ("GrEASE", {"solver": "exact"}),
    'GrEASE, solver="minibatch"': ("GrEASE", {"solver": "minibatch"}),
    "grease-embeddings 0.1.5": ("grease", {}),
}

NUMAP = "from celltyping import NUMAP"
FIRST_FIT = f"{NUMAP}; from celltyping._nn import _losses, _training"
IMPORTS = {
    "NUMAP": NUMAP,
    "NUMAP, and what its first fit imports": FIRST_FIT,
    "umap": "import umap",
    "numap": "import numap",
}

# How figures are written, where not with three decimals.
FORMS = {"fit (s)": ".1f", "memory (MB)": ".0f"}

# What targets ask of a figure; another program is to be beaten, not met.
RELATIONS = {"≥": operator.ge, "≤": operator.le, ">": operator.gt, "<": operator.lt}


def has(data, options):
    """Tell whether the data is there, and say so if not."""
    if data == "digits" or options.mnist:
        return True
    print(f"{data} is left out, because its file was not given: see --help.")
    return False


def measure(model, X, y, X_new, y_new):
    """Fit and transform by the clock; rate both embeddings."""
    from sklearn.manifold import trustworthiness

    from celltyping.metrics import neighbor_accuracy_score

    start = time.perf_counter()
    model.fit(X)
    fit = time.perf_counter() - start
    times = []
    for _ in range(3):
        start = time.perf_counter()
        placed = model.transform(X_new)
        times.append(time.perf_counter() - start)
    memory = peak_memory()
    places = model.embedding_
    n_train, n_new = N_TRUST
    return {
        "accuracy": neighbor_accuracy_score(places, y, placed, y_new),
        "trustworthiness": float(trustworthiness(X[:n_train], places[:n_train])),
        "trustworthiness, new": float(trustworthiness(X_new[:n_new], placed[:n_new])),
        "fit (s)": fit,
        "transform (s)": min(times),
        "memory (MB)": memory,
    }


def run_contestant(options):
    """Measure one program on some splits; print the answers as JSON."""
    library, settings = CONTESTANTS[options.contestant]
    answers = []
    for number in range(options.splits):
        samples = split(options.data, number, options)
        if number == 0:
            warm = make(library, {**settings, **SHORT[library]}, 0)
            warm.fit(samples[0][:N_WARM]).transform(samples[2][:100])
        answers.append(measure(make(library, settings, number), *samples))
    print(json.dumps(answers))


def run_contestants(data, names, options):
    """Let contestants place the same samples, one after the other."""
    scores = {}
    for name in names:
        n_splits = N_SPLITS
        if data == "MNIST 60,000" or (data != "digits" and name.startswith("numap")):
            n_splits = 1  # it takes minutes
        arguments = ["--contestant", name, "--data", data, "--splits", str(n_splits)]
        arguments += ["--mnist", options.mnist] if options.mnist else []
        arguments += ["--small"] if options.small else []
        report(f"{data}, {name}")
        scores[name] = gather(run_alone(__file__, arguments))
    return scores


def compare(methods, data, rate, n_splits, options):
    """Rate some methods on the same splits, in this process."""
    scores = {}
    for name, (library, settings) in methods.items():
        report(f"{data}, {name}")
        answers = [
            rate(make(library, settings, number), *split(data, number, options))
            for number in range(n_splits)
        ]
        scores[name] = gather(answers)
    return scores


def gather(answers):
    """Turn a list of scores into the lists of each score."""
    return {key: [answer[key] for answer in answers] for key in answers[0]}


def average(scores):
    """Return the means over splits."""
    return {
        name: {key: np.mean(values) for key, values in score.items()}
        for name, score in scores.items()
    }


def report(message):
    """Tell on the error stream how far the benchmark is."""
    print(time.strftime("%H:%M:%S"), message, file=sys.stderr, flush=True)


def cells(score, keys):
    """Write means and standard deviations; a dash where there is no score."""
    written = []
    for key in keys:
        values, form = score.get(key, []), FORMS.get(key, ".3f")
        text = format(np.mean(values), form) if values else "-"
        if len(values) > 1:
            text += f" ± {np.std(values, ddof=1):{form}}"
        written.append(text)
    return written


def finish(name, header, rows, targets, options):
    """Write a table, and one of its targets: text, measured, relation, bound."""
    name = f"embedding_{name}{'_small' if options.small else ''}"
    write_table(name, header, rows)
    lines = []
    for text, value, relation, bound in targets:
        reached = RELATIONS[relation](value, bound)
        answer = "yes" if reached else "NO"
        lines.append([text, f"{relation} {bound:.4g}", f"{value:.4g}", answer])
        if not reached:
            options.missed.append(f"{name}: {text}")
    header = ["target", "wanted", "measured", "reached"]
    write_table(f"{name}_targets", header, lines)


def quality(options):
    """Write the table of quality and time."""
    rows, targets = [], []
    keys = ["accuracy", "trustworthiness", "trustworthiness, new"]
    keys += ["fit (s)", "transform (s)"]
    for data in ("digits", "MNIST 10,000"):
        if not has(data, options):
            continue
        names = list(CONTESTANTS)
        if data != "digits":
            names.remove("numap 0.2.3, exact spectral")
        scores = run_contestants(data, names, options)
        means = average(scores)
        umap = means[SEEDED]
        for name, mean in means.items():
            slower = f"{mean['fit (s)'] / umap['fit (s)']:.2f}"
            faster = f"{umap['transform (s)'] / mean['transform (s)']:.1f}"
            rows.append([data, name, *cells(scores[name], keys), slower, faster])
        targets += [(f"{data}: {text}", *rest) for text, *rest in wanted(data, means)]
    ratios = ["fit: of umap-learn's time", "transform: times faster"]
    finish("quality", ["data", "method", *keys, *ratios], rows, targets, options)


def wanted(data, means):
    """List the targets of "quality" on one of the two data."""
    ours, umap = means[OURS], means[SEEDED]
    accuracy, trust = ours["accuracy"], ours["trustworthiness, new"]
    if data == "digits":
        targets = [
            ("accuracy", accuracy, "≥", 0.97),
            ("trustworthiness of new samples", trust, "≥", 0.96),
            ("fit (s)", ours["fit (s)"], "≤", 10),
        ]
    else:
        best = max(umap["accuracy"], means[NOT_SEEDED]["accuracy"])
        slower = ours["fit (s)"] / umap["fit (s)"]
        faster = umap["transform (s)"] / ours["transform (s)"]
        targets = [
            ("accuracy, beside the better umap-learn", accuracy, "≥", best),
            ("trustworthiness of new samples", trust, "≥", 0.94),
            ("fit, of umap-learn's time", slower, "≤", 3),
            ("transform, times faster than umap-learn", faster, "≥", 20),
        ]
    for name in (name for name in means if name.startswith("numap")):
        theirs = means[name]
        many = ("≥", 5) if data != "digits" else (">", 1)
        for key, bound in (("fit", many), ("transform", (">", 1))):
            faster = theirs[f"{key} (s)"] / ours[f"{key} (s)"]
            targets.append((f"{key}, times faster than {name}", faster, *bound))
        for key in ("accuracy", "trustworthiness", "trustworthiness, new"):
            targets.append((f"{key}, beside {name}", ours[key], ">", theirs[key]))
    return targets


def large(options):
    """Write the table of all of MNIST."""
    data = "MNIST 60,000"
    if not has(data, options):
        return
    scores = run_contestants(data, [SEEDED, NOT_SEEDED, OURS], options)
    ours = average(scores)[OURS]
    bounds = [
        ("accuracy", "≥", 0.95),
        ("fit (s)", "≤", 600),
        ("memory (MB)", "≤", 4096),
    ]
    targets = [(key, ours[key], *bound) for key, *bound in bounds]
    rows = [[name, *cells(score, score)] for name, score in scores.items()]
    finish("large", ["method", *scores[OURS]], rows, targets, options)


def defaults(options):
    """Write the table of NUMAP with one setting changed at a time."""
    methods = {"default": ("NUMAP", {})}
    for key, values in VARIATIONS.items():
        methods |= {f"{key}={value!r}": ("NUMAP", {key: value}) for value in values}
    header, rows, targets = [""], [[name] for name in methods], []
    keys = ["accuracy", "trustworthiness, new"]
    for data in ("digits", "MNIST 10,000"):
        if not has(data, options):
            continue
        make("NUMAP", SHORT["NUMAP"], 0).fit(split(data, 0, options)[0])  # compiles
        n_splits = N_SPLITS if data == "digits" else 1
        scores = compare(methods, data, measure, n_splits, options)
        for row, score in zip(rows, scores.values(), strict=True):
            row += cells(score, keys)
        header += [f"{data}: {key}" for key in keys]
        means = {name: mean["accuracy"] for name, mean in average(scores).items()}
        best = max(means, key=means.get)
        gap = means[best] - means["default"]
        targets.append((f"{data}: accuracy below the best ({best})", gap, "≤", 0.01))
    finish("defaults", header, rows, targets, options)


def rate_arrangement(model, X, y, X_new, y_new, *, n_vectors):
    """Score what an embedding keeps of the large arrangement."""
    from celltyping import metrics

    model.fit(X)
    places = getattr(model, "embedding_", None)
    places = model.transform(X) if places is None else places
    answer = {}
    tables = [(X, places, y, ""), (X_new, model.transform(X_new), y_new, ", new")]
    for before, after, types, which in tables:
        values, vectors = spectrum(before, n_vectors, N_NEIGHBORS)
        found, axes = spectrum(after, n_vectors, N_NEIGHBORS)
        answer[f"Grassmann{which}"] = metrics.grassmann_score(vectors, axes)
        answer[f"spectrum{which}"] = metrics.spectrum_distance(values, found)
        answer[f"Fiedler{which}"] = metrics.fiedler_distance(vectors[:, 0], axes[:, 0])
        if types.max() > 1:
            answer[f"cluster distances{which}"] = metrics.hierarchy_correlation(
                before, after, types, linkage=None
            )
    return answer


def global_structure(options):
    """Write the table of what is kept of the large arrangement."""
    keys = ["Grassmann", "spectrum", "Fiedler", "cluster distances"]
    keys += [f"{key}, new" for key in keys]
    rows, targets = [], []
    for data, n_vectors in ARRANGEMENTS.items():
        rate = partial(rate_arrangement, n_vectors=n_vectors)
        scores = compare(ARRANGED, data, rate, N_SPLITS, options)
        rows += [[data, name, *cells(score, keys)] for name, score in scores.items()]
        ours, umap = (average(scores)[name] for name in ("NUMAP", "umap-learn"))
        targets += [
            (f"{data}: {key}, beside umap-learn", ours[key], "<", umap[key])
            for key in ours
            if key.startswith(("Grassmann", "spectrum"))
        ]
    finish("global", ["data", "method", *keys], rows, targets, options)


def rate_coordinates(model, X, y, X_new, y_new):
    """Compare spectral coordinates with exact ones; of all samples for the new ones."""
    from sklearn.preprocessing import StandardScaler

    from celltyping.metrics import grassmann_score

    def score(exact, found):
        diverged = not np.all(np.isfinite(found))  # the published GrEASE sometimes
        return np.nan if diverged else grassmann_score(exact, found)

    start = time.perf_counter()
    try:
        model.fit(X)
    except RuntimeError as error:  # of torch: a matrix of the published one is singular
        if not isinstance(model, Published):
            raise
        print(f"    the published GrEASE failed: {error}")
        return dict.fromkeys(["Grassmann", "Grassmann, new", "fit (s)"], np.nan)
    fit = time.perf_counter() - start
    places, placed = model.embedding_, model.transform(X_new)
    if isinstance(model, Published):
        # It standardises columns, so its graph is that of such a table.
        scaler = StandardScaler().fit(X)
        X, X_new = scaler.transform(X), scaler.transform(X_new)
    both = spectrum(np.vstack([X, X_new]), 5, GREASE_NEIGHBORS)[1]
    return {
        "Grassmann": score(spectrum(X, 5, GREASE_NEIGHBORS)[1], places),
        "Grassmann, new": score(both[len(X) :], placed),
        "fit (s)": fit,
    }


def grease(options):
    """Write the table of spectral coordinates beside exact eigenvectors."""
    scores = compare(SPECTRAL, "digits", rate_coordinates, N_SPLITS, options)
    rows = [[name, *cells(score, score)] for name, score in scores.items()]
    ours = average(scores)['GrEASE, solver="exact"']
    targets = [(key, ours[key], "≤", 0.05) for key in ("Grassmann", "Grassmann, new")]
    header = ["program", "Grassmann", "Grassmann, new", "fit (s)"]
    finish("grease", header, rows, targets, options)


def rate_density(model, X, y, X_new, y_new):
    """Score whether dense clusters look dense, and whether they stay clusters."""
    from celltyping.metrics import density_correlation, neighbor_accuracy_score

    places = model.fit(X).embedding_
    # every other sample votes on the rest
    votes = places[::2], y[::2], places[1::2], y[1::2]
    answer = {
        "density": density_correlation(X, places),
        "accuracy": neighbor_accuracy_score(*votes),
    }
    with contextlib.suppress(NotImplementedError):  # umap-learn with densMAP
        placed = model.transform(X_new)
        answer["density, new"] = density_correlation(X_new, placed)
        votes = places, y, placed, y_new
        answer["accuracy, new"] = neighbor_accuracy_score(*votes)
    return answer


def density(options):
    """Write the table of clusters of different density."""
    data = "6 clusters of different density"
    scores = compare(DENSE, data, rate_density, N_SPLITS, options)
    keys = ["density", "density, new", "accuracy", "accuracy, new"]
    rows = [[name, *cells(score, keys)] for name, score in scores.items()]
    means = average(scores)
    gains = {k: means["NUMAP, densmap=True"][k] - means["NUMAP"][k] for k in keys}
    targets = [(f"gain in {key}", gains[key], "≥", 0.2) for key in keys[:2]]
    targets += [(f"loss of {key}", -gains[key], "≤", 0.02) for key in keys[2:]]
    finish("density", ["method", *keys], rows, targets, options)


def imports(options):
    """Write the table of import times, each in a fresh process."""
    rows, means = [], {}
    for name, code in IMPORTS.items():
        code = f"import time; start = time.perf_counter(); {code}"
        command = [sys.executable, "-c", f"{code}; print(time.perf_counter() - start)"]
        times = []
        for _ in range(4):
            answer = subprocess.run(command, check=True, stdout=subprocess.PIPE)
            times.append(float(answer.stdout.split()[-1]))
        rows.append([name, f"{times[0]:.2f}", *cells({"": times[1:]}, [""])])
        means[name] = np.mean(times[1:])  # the first one fills the caches
    targets = [
        (f"{name}: times faster than numap", means["numap"] / means[name], "≥", 3)
        for name in IMPORTS
        if "NUMAP" in name
    ]
    finish("import", ["import", "first (s)", "later (s)"], rows, targets, options)


TABLES = {
    "quality": quality,
    "large": large,
    "defaults": defaults,
    "global": global_structure,
    "grease": grease,
    "density": density,
    "import": imports,
}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--mnist", default=os.environ.get("MNIST"), help="an npz file")
    parser.add_argument("--small", action="store_true", help="few samples")
    parser.add_argument("--contestant", choices=CONTESTANTS, help=argparse.SUPPRESS)
    parser.add_argument("--data", help=argparse.SUPPRESS)
    parser.add_argument("--splits", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.sizes = SMALL if options.small else SIZES
    options.missed = []
    if options.contestant:
        sys.exit(run_contestant(options))
    for table in options.tables:
        TABLES[table](options)
    for target in options.missed:
        print("Missed:", target)
