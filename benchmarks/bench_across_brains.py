"""Typing of another brain without a seed: transfer_types and other ways.

The larva's hemispheres (wiring inside each alone, and with the edges between them) and
brains of C. elegans; FAQ is scipy's graph matching. Known matches only serve to judge.
A tenth of the types is taken out of the reference to see whether their neurons come out
as unknown. `python benchmarks/bench_across_brains.py large` measures two simulated
brains of 48,000 and 43,200 neurons without a correspondence of neurons.

The brains of C. elegans are files of the package cect: `pip install --no-deps cect`.

Run: python benchmarks/bench_across_brains.py
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import importlib.util
import json
import re
import sys
import time
from pathlib import Path

import numpy as np
from _common import peak_memory, write_table
from scipy import sparse
from scipy.optimize import quadratic_assignment
from sklearn.metrics import roc_auc_score

from celltyping import Connectome, match_connectomes, transfer_types
from celltyping.datasets import load_larva_connectome, make_connectome
from celltyping.estimators._ntac.matching import structural_features

WORMS = [
    ("Witvliet 7", "WitvlietDataReader7", "Witvliet 8", "WitvlietDataReader8"),
    ("Witvliet 8", "WitvlietDataReader8", "Witvliet 7", "WitvlietDataReader7"),
    ("Cook herm.", "Cook2019HermReader", "White", "White_whole"),
    ("White", "White_whole", "Witvliet 8", "WitvlietDataReader8"),
    ("Witvliet 7", "WitvlietDataReader7", "White", "White_whole"),
    ("Witvliet 5", "WitvlietDataReader5", "Witvliet 7", "WitvlietDataReader7"),
]
ENDS = ("DL", "DR", "VL", "VR", "D", "V", "L", "R")
NEURON = re.compile(
    r"[A-Z]{2,3}\d{0,2}(DL|DR|VL|VR|D|V|L|R)?|[IM]\d[DV]?[LR]?|MC[LR]|MI|NSM[LR]"
)


def load_worm(name):
    """Return a connectome of C. elegans by name, and the class of each neuron."""
    folder = importlib.util.find_spec("cect").submodule_search_locations[0]
    data = json.loads((Path(folder) / "cache" / f"{name}.json").read_text())
    weights = sum(np.array(each, dtype=float) for each in data["connections"].values())
    names = np.array(data["nodes"])
    is_neuron = np.array([NEURON.fullmatch(each) is not None for each in names])
    kept = np.flatnonzero(is_neuron & (weights.sum(axis=0) + weights.sum(axis=1) > 0))
    names = names[kept]
    con = Connectome(weights[np.ix_(kept, kept)], names)
    return con, [neuron_class(each, set(names)) for each in names]


def neuron_class(name, names):
    """Return the class of a neuron: its name without number and side."""
    motor = re.fullmatch(r"(VA|VB|VC|VD|DA|DB|DD|AS)\d+", name)
    if motor:
        return motor[1]
    sided = re.fullmatch(r"(.{2,}?)(DL|DR|VL|VR|D|V|L|R)", name)
    if sided and sum(sided[1] + end in names for end in ENDS) > 1:
        return sided[1]
    return name


def assign_by_faq(reference, other):
    """Return the position in the reference of each neuron, by scipy's FAQ."""
    n = max(len(reference), len(other))
    padded = np.zeros((2, n, n))
    for table, con in zip(padded, (other, reference), strict=True):
        table[: len(con), : len(con)] = np.log1p(con.adjacency.toarray())
    options = {"maximize": True, "maxiter": 60}
    found = quadratic_assignment(*padded, method="faq", options=options)
    return found.col_ind[: len(other)]


def assign_by_structure(reference, other):
    """Return the position of the neuron with the most similar structural features."""
    parts = [
        structural_features(sparse.csr_array(c.adjacency, dtype=float))
        for c in (reference, other)
    ]
    table = np.concatenate(parts) - np.concatenate(parts).mean(axis=0)
    _, vectors = np.linalg.eigh(table.T @ table)
    table = table @ vectors[:, ::-1][:, :20]
    a, b = table[: len(reference)], table[len(reference) :]
    squares = (b**2).sum(axis=1)[:, None] + (a**2).sum(axis=1) - 2 * b @ a.T
    return squares.argmin(axis=1)


def judge(reference, other, of_reference, of_other, pairs):
    """Return rows of (way, type accuracy, pairs found, seconds)."""
    types = dict(zip(reference.node_ids.tolist(), of_reference, strict=True))
    known = of_other != "?"

    def row(way, positions, started):
        seconds = time.perf_counter() - started
        taken = np.where(positions < len(reference), positions, 0)
        found = np.where(positions < len(reference), of_reference[taken], "")
        hits = np.mean([positions[i] == j for i, j in pairs])
        return [
            way,
            f"{np.mean((found == of_other)[known]):.3f}",
            f"{hits:.3f}",
            f"{seconds:.1f}",
        ]

    started = time.perf_counter()
    rows = [row("structure", assign_by_structure(reference, other), started)]
    started = time.perf_counter()
    rows.append(row("FAQ", assign_by_faq(reference, other), started))
    started = time.perf_counter()
    table = transfer_types(other, reference, types, min_probability=0, n_jobs=2)
    seconds = time.perf_counter() - started
    right = (table["type"].to_numpy() == of_other)[known]
    ids = reference.node_ids
    hits = np.mean([table["match"].iloc[i] == ids[j] for i, j in pairs])
    ece = calibration_error(table["probability"].to_numpy()[known], right)
    rows.append(
        [
            "transfer_types",
            f"{right.mean():.3f}",
            f"{hits:.3f}",
            f"{seconds:.1f}",
            f"{ece:.3f}",
        ]
    )
    one = match_connectomes(reference, other, n_jobs=2)["match"]
    hits = np.mean(
        [
            bool(one.iloc[i] == ids[j]) if one.notna().iloc[i] else False
            for i, j in pairs
        ]
    )
    rows.append(["match_connectomes, one to one", "", f"{hits:.3f}"])
    return rows


def calibration_error(probability, right):
    """Return the expected calibration error over ten bins."""
    bins = np.minimum((probability * 10).astype(int), 9)
    return sum(
        np.mean(bins == b)
        * abs(probability[bins == b].mean() - right[bins == b].mean())
        for b in np.unique(bins)
    )


def judge_open(reference, other, of_reference, of_other, seed):
    """Take a tenth of the types out of the reference; judge who is unknown then."""
    names = np.unique(of_reference[of_reference != "?"])
    rng = np.random.RandomState(seed)
    out = rng.choice(names, size=len(names) // 10, replace=False)
    kept = ~np.isin(of_reference, out)
    less = Connectome(reference[kept].adjacency, reference.node_ids[kept])
    types = dict(zip(less.node_ids.tolist(), of_reference[kept], strict=True))
    table = transfer_types(other, less, types, n_jobs=2)
    known, is_new = of_other != "?", np.isin(of_other, out)
    probability = table["probability"].to_numpy()
    limit = np.quantile(probability[known & ~is_new], 0.05)
    return [
        roc_auc_score(is_new[known], -probability[known]),
        np.mean(probability[is_new] < limit),
        np.mean(table["unknown"].to_numpy()[is_new]),
        np.mean(table["unknown"].to_numpy()[known & ~is_new]),
    ]


def simulate(n=96_000, n_types=700, seed=0):
    """Return two halves of a simulated brain, one with noise and fewer neurons."""
    sample = make_connectome(n, n_types=n_types, n_edges=120 * n, random_state=seed)
    rng = np.random.RandomState(seed + 1)
    order = rng.permutation(n)
    first, second = order[: n // 2], order[n // 2 :][: int(0.45 * n)]
    edges = sparse.coo_array(sample.data[second].adjacency)
    moved = rng.rand(edges.nnz) < 0.15
    columns = np.where(moved, rng.randint(0, len(second), edges.nnz), edges.col)
    noisy = sparse.csr_array((edges.data, (edges.row, columns)), shape=edges.shape)
    one = Connectome(sample.data[first].adjacency, first)
    return one, Connectome(noisy, second), sample.target[first], sample.target[second]


def measure_large():
    """Measure transfer_types on two large simulated brains."""
    reference, other, of_reference, of_other = simulate()
    types = dict(zip(reference.node_ids.tolist(), of_reference, strict=True))
    started = time.perf_counter()
    table = transfer_types(other, reference, types, n_jobs=2)
    row = [
        f"{len(reference)} and {len(other)}",
        f"{reference.n_edges} and {other.n_edges}",
        f"{np.mean(table['type'] == of_other):.3f}",
        f"{table['unknown'].mean():.3f}",
        f"{time.perf_counter() - started:.0f}",
        f"{peak_memory() / 1024:.1f}",
    ]
    header = ["neurons", "edges", "right", "unknown", "seconds", "GB"]
    write_table("across_brains_large", header, [row])


def main():
    """Measure on the larva and, where they are, on the worms."""
    larva = load_larva_connectome()
    side = larva.frame["hemisphere"].to_numpy()
    pair = larva.frame["pair_id"].to_numpy()
    target = np.asarray(larva.target, dtype=object)
    rows, open_rows = [], []
    for a, b in ("LR", "RL"):
        first, second = (np.flatnonzero(side == name) for name in (a, b))
        place = {pair[i]: k for k, i in enumerate(first) if pair[i] >= 0}
        pairs = [(k, place[pair[i]]) for k, i in enumerate(second) if pair[i] in place]
        views = larva.data[first], larva.data[second]
        alone = [Connectome(view.adjacency, view.node_ids) for view in views]
        for name, brains in (
            (f"larva {a} to {b}", alone),
            ("with edges between", views),
        ):
            found = judge(*brains, target[first], target[second], pairs)
            rows += [[name, *row] for row in (found if brains is alone else found[2:])]
        for seed in range(3):
            found = judge_open(*alone, target[first], target[second], seed)
            open_rows.append(
                [f"larva {a} to {b}, {seed}", *(f"{v:.3f}" for v in found)]
            )
    if importlib.util.find_spec("cect"):
        for name, a, other_name, b in WORMS:
            (one, classes), (other, other_classes) = load_worm(a), load_worm(b)
            place = {each: k for k, each in enumerate(one.node_ids)}
            pairs = [(k, place[i]) for k, i in enumerate(other.node_ids) if i in place]
            types = [np.array(each, dtype=object) for each in (classes, other_classes)]
            found = judge(one, other, *types, pairs)
            rows += [[f"{name} to {other_name}", *row] for row in found]
    header = ["data", "way", "types right", "pairs found", "seconds", "ECE"]
    write_table("across_brains", header, [row + [""] * (6 - len(row)) for row in rows])
    header = [
        "data",
        "AUROC",
        "found at 5 % false alarms",
        "unknown, new types",
        "unknown, other types",
    ]
    write_table("across_brains_open", header, open_rows)


if __name__ == "__main__":
    measure_large() if sys.argv[1:] == ["large"] else main()
