"""Time and memory of a fit by edges, typed neurons and types; and the largest case.

Each fit runs in a process of its own, on two threads, with its kernels compiled before
the clock starts. Peak memory is that of the whole process, data included.

Run: python benchmarks/bench_ntac_growth.py
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import argparse
import json
import sys
import time

import numpy as np
from _common import RESULTS, SEED_SETTINGS, peak_memory, run_alone, write_table

from celltyping import NtacClassifier, SeedShuffleSplit
from celltyping.datasets import make_connectome

# Neurons, types, edges, fraction of typed neurons: one quantity grows at a time.
BASE = (20_000, 400, 1_000_000, 0.05)
CASES = [
    BASE,
    (20_000, 400, 2_000_000, 0.05),
    (20_000, 400, 4_000_000, 0.05),
    (20_000, 400, 1_000_000, 0.1),
    (20_000, 400, 1_000_000, 0.2),
    (20_000, 800, 1_000_000, 0.05),
    (20_000, 1600, 1_000_000, 0.1),
    (140_000, 8_000, 15_000_000, 0.1),
]


def run_case(neurons, types, edges, share, settings):
    """Fit once; print time, steps, memory and accuracy as JSON."""
    small, small_y = make_connectome(200, 2, 2000, random_state=0, return_X_y=True)
    small_y[100:] = "?"
    NtacClassifier(n_jobs=2, **settings).fit(small, small_y)  # compiles
    X, true = make_connectome(
        neurons, types, edges, random_state=0, n_partner_types=20, return_X_y=True
    )
    splitter = SeedShuffleSplit(1, train_size=share, random_state=0)
    seeds, test = next(splitter.split(X, true))
    y = np.full(len(true), "?", dtype=object)
    y[seeds] = true[seeds]
    start = time.perf_counter()
    model = NtacClassifier(n_jobs=2, **settings).fit(X, y)
    answer = {
        "time": time.perf_counter() - start,
        "steps": model.n_iter_,
        "memory": peak_memory(),
        "accuracy": float(np.mean(model.transduction_[test] == true[test])),
    }
    print(json.dumps(answer))


def main():
    """Run all cases with both settings and write the table."""
    rows = []
    for neurons, types, edges, share in CASES:
        row = [f"{neurons:,}", f"{types:,}", f"{edges / 1e6:g} M", f"{share:.0%}"]
        for settings in (SEED_SETTINGS, {}):
            case = json.dumps([neurons, types, edges, share, settings])
            answer = run_alone(__file__, ["--case", case])
            row += [
                f"{answer['time']:.1f}",
                f"{answer['time'] / answer['steps']:.2f}",
                f"{answer['memory']:.0f}",
                f"{answer['accuracy']:.3f}",
            ]
        rows.append(row)
    header = ["neurons", "types", "edges", "typed"]
    for name in ("seed's settings", "default"):
        header += [f"{name}: fit (s)", "per step (s)", "memory (MB)", "accuracy"]
    write_table("ntac_growth", header, rows)
    draw(rows)


def draw(rows):
    """Draw the time of a fit against the number of edges, 5 % typed."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    chosen = [row for row in rows[:-1] if row[1] == "400" and row[3] == "5%"]
    edges = [float(row[2].split()[0]) for row in chosen]
    figure, ax = plt.subplots(figsize=(5, 3.5), layout="constrained")
    for name, column in (("published settings", 4), ("default", 8)):
        seconds = [float(row[column]) for row in chosen]
        ax.plot(edges, seconds, marker="o", label=name)
    ax.set(
        xlabel="Edges (millions)",
        ylabel="Time of a fit (s)",
        title="20,000 neurons, 400 types, 5 % typed",
        xlim=(0, None),
        ylim=(0, None),
    )
    ax.legend()
    figure.savefig(RESULTS / "ntac_growth.png", dpi=120)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", type=json.loads)
    options = parser.parse_args()
    if options.case:
        sys.exit(run_case(*options.case))
    main()
