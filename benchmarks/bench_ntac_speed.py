"""Time and memory of seeded NTAC: celltyping and ntac 0.1.2, in one run.

Simulated connectomes of 48,300 neurons, 731 types and 2.24 million edges, 5 % of the
neurons typed. Every program runs in a process of its own, on two threads, with kernels
compiled before the clock starts; peak memory is that of the whole process.

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

SIZE = {"n_neurons": 48_300, "n_types": 731, "n_edges": 2_240_000}
# Two kinds of graphs on which ntac is right for 96 %. "clear": few random edges, but
# large differences in size within a type. "noisy": three edges in ten are random, so
# that types settle late, and nearly every neuron has a type in common with every typed
# one.
WIRINGS = {
    "clear": {"n_partner_types": 30, "noise": 0.1, "degree_sigma": 1.0},
    "noisy": {"n_partner_types": 40, "noise": 0.3, "degree_sigma": 0.8},
}
N_STEPS = 15  # of ntac, which has no stopping rule

CONTESTANTS = ["ntac 0.1.2, 15 steps", "celltyping, seed's settings", "celltyping"]


def make_data(path, wiring):
    """Simulate a connectome, choose the typed neurons, and write both to a file."""
    from celltyping import SeedShuffleSplit
    from celltyping.datasets import make_connectome

    X, types = make_connectome(
        **SIZE, **WIRINGS[wiring], random_state=0, return_X_y=True
    )
    splitter = SeedShuffleSplit(1, train_size=0.05, random_state=0)
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
    type_nodes = _ntac if name.startswith("ntac") else _celltyping(name)
    small = np.array(["a", "b"] * 50 + ["?"] * 100)
    ring = sparse.csr_array(np.roll(np.eye(200, dtype=adjacency.dtype), 2, axis=0))
    type_nodes(ring, small)  # compiles
    start = time.perf_counter()
    predicted, n_steps = type_nodes(adjacency, y)
    answer = {
        "time": time.perf_counter() - start,
        "steps": n_steps,
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


def main():
    """Run all contestants on the same data and write the table."""
    rows = []
    for wiring in WIRINGS:
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "connectome.npz")
            make_data(path, wiring)
            answers = [
                run_alone(__file__, ["--contestant", name, "--data", path])
                for name in CONTESTANTS
            ]
        for name, answer in zip(CONTESTANTS, answers, strict=True):
            speedup = answers[0]["time"] / answer["time"]
            memory = answers[0]["memory"] / answer["memory"]
            rows.append(
                [
                    wiring,
                    name,
                    f"{answer['accuracy']:.3f}",
                    answer["steps"],
                    f"{answer['time']:.1f}",
                    f"{speedup:.0f}",
                    f"{answer['memory']:.0f}",
                    f"1/{memory:.1f}",
                ]
            )
    header = "wiring,program,accuracy,steps,fit (s),times faster,memory (MB),ratio"
    write_table("ntac_speed", header.split(","), rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contestant", choices=CONTESTANTS)
    parser.add_argument("--data")
    options = parser.parse_args()
    if options.contestant:
        sys.exit(run_contestant(options.contestant, options.data))
    main()
