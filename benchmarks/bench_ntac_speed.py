"""Time and memory of seeded NTAC: celltyping beside ntac 0.1.2, in one run.

A simulated connectome of 48,300 neurons, 731 types and 2.24 million edges, 5 % of the
neurons typed. Every contestant runs in a process of its own, on two threads, with its
kernels compiled before the clock starts; peak memory is that of the whole process.

Run: python benchmarks/bench_ntac_speed.py
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from _common import SEED_SETTINGS, peak_memory, run_alone, write_table
from scipy import sparse

# Chosen so that ntac types 96 % rightly, with rows that overlap as they do in a brain:
# nearly every neuron shares a partner type with every typed one.
SIZE = {"n_neurons": 48_300, "n_types": 731, "n_edges": 2_240_000}
WIRING = {"n_partner_types": 40, "noise": 0.3, "degree_sigma": 0.8}
N_STEPS = 15  # of ntac, which has no stopping rule

CONTESTANTS = ["ntac 0.1.2, 15 steps", "celltyping, seed's settings", "celltyping"]


def make_data(path, size=None, train_size=0.05):
    """Simulate a connectome, choose who is typed, and write both to a file."""
    from celltyping import SeedShuffleSplit
    from celltyping.datasets import make_connectome

    size = SIZE if size is None else size
    X, types = make_connectome(**size, **WIRING, random_state=0, return_X_y=True)
    splitter = SeedShuffleSplit(1, train_size=train_size, random_state=0)
    seeds, test = next(splitter.split(X, types))
    adjacency = X.adjacency
    np.savez(
        path,
        data=adjacency.data,
        indices=adjacency.indices,
        indptr=adjacency.indptr,
        types=types.astype(str),
        seeds=seeds,
        test=test,
    )


def run_contestant(name, path):
    """Type the neurons of a file; print time, memory and accuracy as JSON."""
    with np.load(path) as file:
        arrays = file["data"], file["indices"], file["indptr"]
        types, seeds, test = file["types"], file["seeds"], file["test"]
    n_nodes = len(types)
    adjacency = sparse.csr_array(arrays, shape=(n_nodes, n_nodes))
    y = np.full(n_nodes, "?", dtype=types.dtype)
    y[seeds] = types[seeds]
    loaded = peak_memory()
    type_nodes = _ntac if name.startswith("ntac") else _celltyping(name)
    small = np.array(["a", "b"] * 50 + ["?"] * 100)
    ring = sparse.csr_array(np.roll(np.eye(200, dtype=adjacency.dtype), 2, axis=0))
    type_nodes(ring, small)  # compiles
    start = time.perf_counter()
    predicted, n_steps = type_nodes(adjacency, y)
    answer = {
        "time": time.perf_counter() - start,
        "steps": n_steps,
        "loaded": loaded,
        "memory": peak_memory(),
        "accuracy": float(np.mean(predicted[test] == types[test])),
    }
    print(json.dumps(answer))


def _ntac(adjacency, y):
    from ntac import Ntac

    model = Ntac(data=adjacency, labels=y, lr=1.0)
    for _ in range(N_STEPS):
        model.step()
    return model.get_partition(), N_STEPS


def _celltyping(name):
    from celltyping import Connectome, NtacClassifier

    settings = SEED_SETTINGS if "seed" in name else {}

    def type_nodes(adjacency, y):
        model = NtacClassifier(n_jobs=2, **settings).fit(Connectome(adjacency), y)
        return model.transduction_, model.n_iter_

    return type_nodes


def main(contestants):
    """Run all contestants on the same data and write the table."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "connectome.npz")
        make_data(path)
        answers = {
            name: run_alone(__file__, ["--contestant", name, "--data", path])
            for name in contestants
        }
    reference = answers[contestants[0]]
    write_table(
        "ntac_speed",
        ["", "accuracy", "steps", "fit (s)", "times faster", "memory (MB)", "ratio"],
        [
            [
                name,
                f"{answer['accuracy']:.3f}",
                answer["steps"],
                f"{answer['time']:.1f}",
                f"{reference['time'] / answer['time']:.0f}",
                f"{answer['memory']:.0f}",
                f"1/{reference['memory'] / answer['memory']:.1f}",
            ]
            for name, answer in answers.items()
        ],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contestant", choices=CONTESTANTS)
    parser.add_argument("--data")
    options = parser.parse_args()
    if options.contestant:
        sys.exit(run_contestant(options.contestant, options.data))
    main(CONTESTANTS)
