"""Helpers of the benchmarks: runs in separate processes, and tables."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import csv
import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

RESULTS = Path(__file__).parent / "results"

# The settings of the published method.
SEED_SETTINGS = {
    "edge_weighting": "linear",
    "membership": "hard",
    "second_order_weight": 0,
    "consensus_weight": 0,
}


def run_alone(script, arguments, *, n_threads=2):
    """Run a script in a fresh process and read the JSON in its last line.

    Parameters
    ----------
    script : str or Path
        The script.
    arguments : list of str
        Its arguments.
    n_threads : int, default=2
        Threads of every library in it.

    Returns
    -------
    answer : dict
        The printed result.
    """
    threads = {
        f"{library}_NUM_THREADS": str(n_threads)
        for library in ("NUMBA", "OMP", "OPENBLAS", "MKL")
    }
    finished = subprocess.run(
        [sys.executable, str(script), *arguments],
        env={**os.environ, **threads},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return json.loads(finished.stdout.splitlines()[-1])


def peak_memory():
    """Return the peak memory of this process, in MB.

    From Linux's own mark, where there is one: what getrusage gives begins with what the
    process held that started this one.
    """
    import resource

    status = Path("/proc/self/status")
    for line in status.read_text().splitlines() if status.exists() else []:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# Besides celltyping, numpy and scikit-learn: what tables of this name compare with.
COMPARED = {
    "ntac": ("ntac", "numba"),
    "label": ("numba",),
    "across": ("scipy", "numba"),
    "embedding": ("numap", "umap-learn", "torch", "numba"),
    "transfer": ("torch", "anndata", "scanpy"),
    "synapses": ("umap-learn", "hdbscan", "xgboost", "imbalanced-learn"),
}


def write_table(name, header, rows):
    """Print a table, and write it with date and machine where the docs read it.

    Parameters
    ----------
    name : str
        Name of the file in the folder of results, without ending. What is before the
        first underscore says which versions are written; see `COMPARED`.
    header : list of str
        Names of the columns.
    rows : list of list
        Cells; floats are written as they are, so round them before.
    """
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row in [header, *rows]:
        print("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)))
    RESULTS.mkdir(exist_ok=True)
    with open(RESULTS / f"{name}.csv", "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
    measured = machine(COMPARED[name.partition("_")[0]])
    (RESULTS / f"{name}.txt").write_text(f"Measured on {measured}.\n")
    print(measured)


def machine(packages=()):
    """Describe when and on what a benchmark ran, with versions of more packages."""
    versions = ", ".join(
        f"{package} {importlib.metadata.version(package)}"
        for package in ("celltyping", "numpy", "scikit-learn", *packages)
    )
    return (
        f"{datetime.date.today()}, {_processor()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, {versions}"
    )


def _processor():
    """Return the processor's name."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
