"""Clusters without any types: celltyping and the unseeded mode of ntac 0.1.2.

Four tables, chosen with --tables. "speed": time, memory and quality of both programs
on the larval brain and on 20,000 simulated neurons. "larva": quality on the larval
brain over five random states, with one part of the method changed at a time. "growth":
celltyping alone on 48,000 simulated neurons. "degree": amounts or shares, on brains in
which neurons of one type differ more or less in their number of synapses.

Timed runs have a process of their own, on two threads, with kernels compiled before the
clock starts. Times are those of the solver alone, without the conversion of the graph
for ntac and without the construction of the Connectome. Peak memory is that of the
whole process, data included. Quality is measured on the neurons of known type.

ntac returns the partition of least cost among all on its way, which often has fewer
clusters than requested; in brackets: its last partition, which has the requested
number. It uses no random numbers.

All four take about 20 minutes on two cores. --quick leaves out the simulated neurons
of "speed", on which ntac alone needs about 5, and writes that table under another name.

Run: python benchmarks/bench_ntac_unseeded.py
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import argparse
import contextlib
import io
import json
import sys
import tempfile
import time
import warnings
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from _common import peak_memory, run_alone, write_table
from scipy import sparse

N_CLUSTERS = 59  # as many as the larva has types
RANDOM_STATES = range(5)

# The noisy wiring of bench_ntac_speed.py, but with 10 partner types instead of 40: when
# each of 100 types sends edges to 40 of them, hardly any type can be found.
WIRING = {"n_partner_types": 10, "noise": 0.3, "degree_sigma": 0.8}
MIDDLE = {"n_neurons": 20_000, "n_types": 100, "n_edges": 1_000_000}
LARGE = {"n_neurons": 48_000, "n_types": 230, "n_edges": 2_200_000}

# Name, size of the simulation (None: the larva), number of clusters.
SPEED_CASES = [
    ("larva", None, N_CLUSTERS),
    ("larva", None, 100),
    ("simulated", MIDDLE, MIDDLE["n_types"]),
]

ABLATION = {
    "celltyping": {},
    "n_init=1": {"n_init": 1},
    "n_init=16": {"n_init": 16},
    "growth=1.0": {"growth": 1.0},
    "max_iter=12": {"max_iter": 12},
    'edge_weighting="linear"': {"edge_weighting": "linear"},
    'edge_weighting="log1p"': {"edge_weighting": "log1p"},
    'init="spectral"': {"init": "spectral"},
    "n_representatives=1": {"n_representatives": 1},
    "n_representatives=20": {"n_representatives": 20},
    "candidate_fraction=0.03": {"candidate_fraction": 0.03},
    "candidate_fraction=0.3": {"candidate_fraction": 0.3},
    "degree_correction=1": {"degree_correction": 1.0},
}

# Name, size of the simulation (None: the larva), its wiring, number of clusters.
SMALL = {"n_neurons": 5_000, "n_types": 50, "n_edges": 250_000}
DEGREE_CASES = [
    ("the larva", None, {}, N_CLUSTERS),
    ("degrees alike", SMALL, {"degree_sigma": 0.5}, 50),
    ("unlike", SMALL, {"degree_sigma": 1.0, "n_partner_types": 15}, 50),
    ("unlike, diffuse", SMALL, {"degree_sigma": 1.0, "n_partner_types": 30}, 50),
    ("unlike, noisy", SMALL, WIRING, 50),
]
CORRECTIONS = [0.0, 0.5, 1.0, "auto"]


def prepare_ntac(adjacency):
    """Convert a graph for ntac; return a function for its two partitions."""
    import ntac.unseeded.problem
    from ntac.unseeded import convert, unseeded

    # Its own check for a GPU raises an error on a machine without CUDA. `Problem` calls
    # it in its constructor.
    ntac.unseeded.problem.is_cuda_available = lambda: False
    # It uses these two attributes alone.
    graph = SimpleNamespace(
        adj_csr=sparse.csr_array(adjacency, dtype=np.float64), n=adjacency.shape[0]
    )
    with contextlib.redirect_stdout(io.StringIO()):
        problem = convert.problem_from_data(graph)

    def solve(k):
        with contextlib.redirect_stdout(io.StringIO()):
            # It prints the partition every `info_step` clusters, which takes time:
            # once, at the end, is enough.
            returned, last, _ = unseeded.solve_unseeded(problem, k, info_step=k)
        return [np.asarray(returned.labels()), np.asarray(last.labels())]

    return solve


def prepare_celltyping(adjacency, **settings):
    """Make a connectome; return a function that partitions it into k clusters."""
    from celltyping import Connectome, NtacClusterer

    connectome = Connectome(adjacency)

    def solve(k):
        return [NtacClusterer(k, n_jobs=2, **settings).fit_predict(connectome)]

    return solve


def prepare_spectral(adjacency, random_state):
    """Make the graph undirected; return what cuts it into k with scikit-learn."""
    from sklearn.cluster import SpectralClustering

    root = np.sqrt(sparse.csr_array(adjacency, dtype=np.float64))
    affinity = root + root.T

    def solve(k):
        model = SpectralClustering(k, affinity="precomputed", random_state=random_state)
        with warnings.catch_warnings():
            # the larva's graph has a second, small component
            warnings.filterwarnings("ignore", "Graph is not fully connected")
            return [model.fit_predict(affinity)]

    return solve


CONTESTANTS = {
    "ntac 0.1.2": prepare_ntac,
    "celltyping, greedy": partial(prepare_celltyping, init="greedy", random_state=0),
    "celltyping, spectral": partial(
        prepare_celltyping, init="spectral", random_state=0
    ),
}


def rate(types, labels):
    """Compare a partition with the known types."""
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    from celltyping.metrics import matched_accuracy_score

    known = types != "?"
    true, found = types[known].astype(str), labels[known]
    return {
        "clusters": len(np.unique(labels)),
        "ARI": adjusted_rand_score(true, found),
        "NMI": normalized_mutual_info_score(true, found),
        "matched accuracy": matched_accuracy_score(true, found),
    }


def make_data(path, size):
    """Load the larva, or simulate a connectome, and write it to a file."""
    from celltyping.datasets import load_larva_connectome, make_connectome

    if size is None:
        X, types = load_larva_connectome(return_X_y=True)
    else:
        X, types = make_connectome(**size, **WIRING, random_state=0, return_X_y=True)
    adjacency = X.adjacency
    np.savez(
        path,
        data=adjacency.data,
        indices=adjacency.indices,
        indptr=adjacency.indptr,
        types=types.astype(str),
    )


def run_contestant(name, path, k):
    """Cluster the neurons of a file; print time, memory and quality as JSON."""
    with np.load(path) as file:
        arrays = file["data"], file["indices"], file["indptr"]
        types = file["types"]
    adjacency = sparse.csr_array(arrays, shape=(len(types), len(types)))
    prepare = CONTESTANTS[name]
    # ntac wants an edge at every neuron: here each has about 40. The spectral start
    # begins with 16 clusters, so that 20 make it grow.
    small = np.random.default_rng(0).poisson(0.1, size=(200, 200))
    prepare(sparse.csr_array(small, dtype=adjacency.dtype))(20)  # compiles
    solve = prepare(adjacency)
    start = time.perf_counter()
    partitions = solve(k)
    answer = {
        "time": time.perf_counter() - start,
        "memory": peak_memory(),
        "scores": [rate(types, labels) for labels in partitions],
    }
    print(json.dumps(answer))


def run_contestants(names, size, k):
    """Let contestants cluster the same data, one after the other."""
    answers = []
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "connectome.npz")
        make_data(path, size)
        for name in names:
            arguments = ["--contestant", name, "--data", path, "--k", str(k)]
            answers.append(run_alone(__file__, arguments))
            report(f"{name}, k={k}: {answers[-1]['time']:.1f} s")
    return answers


def report(message):
    """Tell on the error stream how far the benchmark is."""
    print(time.strftime("%H:%M:%S"), message, file=sys.stderr, flush=True)


def both(scores, key, form=".3f"):
    """Write a score of a partition, and in brackets that of the last one."""
    first, *others = [format(score[key], form) for score in scores]
    return first + "".join(f" (last {other})" for other in others)


def speed(quick=False):
    """Write the table of time and memory beside ntac."""
    rows = []
    for data, size, k in SPEED_CASES:
        if size and quick:
            continue
        report(f"speed: {data}, k={k}")
        answers = run_contestants(CONTESTANTS, size, k)
        n_neurons = f", {size['n_neurons']:,} neurons" if size else ""
        for name, answer in zip(CONTESTANTS, answers, strict=True):
            rows.append(
                [
                    data + n_neurons,
                    k,
                    name,
                    both(answer["scores"], "clusters", "d"),
                    both(answer["scores"], "ARI"),
                    both(answer["scores"], "NMI"),
                    f"{answer['time']:.1f}",
                    f"{answers[0]['time'] / answer['time']:.1f}",
                    f"{answer['memory']:.0f}",
                ]
            )
    header = "data,k,program,clusters,ARI,NMI,time (s),times faster,memory (MB)"
    name = "ntac_unseeded_speed_quick" if quick else "ntac_unseeded_speed"
    write_table(name, header.split(","), rows)


def larva():
    """Write the table of quality on the larval brain."""
    from celltyping.datasets import load_larva_connectome

    X, types = load_larva_connectome(return_X_y=True)
    report("larva: ntac")
    partitions = prepare_ntac(X.adjacency)(N_CLUSTERS)
    rows = [
        row(f"ntac 0.1.2, {which}", [rate(types, labels)])
        for which, labels in zip(["returned", "last"], partitions, strict=True)
    ]
    programs = {
        name: partial(prepare_celltyping, **settings)
        for name, settings in ABLATION.items()
    }
    programs["scikit-learn's SpectralClustering"] = prepare_spectral
    for name, prepare in programs.items():
        report(f"larva: {name}")
        scores = []
        for random_state in RANDOM_STATES:
            solve = prepare(X.adjacency, random_state=random_state)
            scores += [rate(types, labels) for labels in solve(N_CLUSTERS)]
        rows.append(row(name, scores))
    write_table("ntac_unseeded_larva", ["", *scores[0]], rows)


def row(name, scores):
    """Make a line of a table: means over runs, with their standard deviation."""
    cells = []
    for key in scores[0]:
        values = [score[key] for score in scores]
        if key == "clusters":
            cells.append(" ".join(map(str, sorted(set(values)))))
        elif len(values) == 1:
            cells.append(f"{values[0]:.3f}")
        else:
            cells.append(f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}")
    return [name, *cells]


def growth():
    """Write the table of the largest case."""
    names = [name for name in CONTESTANTS if name.startswith("celltyping")]
    k = LARGE["n_types"]
    report(f"growth: {LARGE['n_neurons']:,} neurons, k={k}")
    rows = []
    for name, answer in zip(names, run_contestants(names, LARGE, k), strict=True):
        rows.append(
            [
                f"{LARGE['n_neurons']:,}",
                f"{LARGE['n_edges'] / 1e6:g} M",
                k,
                name,
                both(answer["scores"], "ARI"),
                both(answer["scores"], "NMI"),
                f"{answer['time']:.1f}",
                f"{answer['memory']:.0f}",
            ]
        )
    header = "neurons,edges,k,program,ARI,NMI,time (s),memory (MB)"
    write_table("ntac_unseeded_growth", header.split(","), rows)


def degree():
    """Write the table of amounts and shares: agreement with the types, of the runs."""
    from celltyping import NtacClusterer
    from celltyping.datasets import load_larva_connectome, make_connectome

    rows = []
    for name, size, wiring, k in DEGREE_CASES:
        if size is None:
            X, types = load_larva_connectome(return_X_y=True)
        else:
            X, types = make_connectome(
                **size, **wiring, random_state=0, return_X_y=True
            )
        cells = [name]
        for correction in CORRECTIONS:
            report(f"degree: {name}, degree_correction={correction}")
            models = [
                NtacClusterer(
                    k, degree_correction=correction, random_state=seed, n_jobs=2
                ).fit(X)
                for seed in RANDOM_STATES
            ]
            ari = np.mean([rate(types, model.labels_)["ARI"] for model in models])
            agreement = np.mean([model.agreement_ for model in models])
            cells.append(f"{ari:.2f} ({agreement:.2f})")
        rows.append(cells)
    write_table("ntac_unseeded_degree", ["", *map(str, CORRECTIONS)], rows)


TABLES = {"speed": speed, "larva": larva, "growth": growth, "degree": degree}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument(
        "--quick", action="store_true", help="leave simulated neurons out of speed"
    )
    parser.add_argument("--contestant", choices=CONTESTANTS, help=argparse.SUPPRESS)
    parser.add_argument("--data", help=argparse.SUPPRESS)
    parser.add_argument("--k", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contestant:
        sys.exit(run_contestant(options.contestant, options.data, options.k))
    for table in options.tables:
        TABLES[table](**({"quick": options.quick} if table == "speed" else {}))
