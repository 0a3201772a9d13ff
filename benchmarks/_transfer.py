"""Data of bench_transfer.py: pairs of experiments, and a simulated one."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import sparse

UNKNOWN = "?"


class Pair(NamedTuple):
    """Files of source and target, the column with types, and a selection of cells."""

    source: str
    target: str
    label_key: str
    source_stim: str | None = None
    target_stim: str | None = None


KANG, PBMC = "kang_ifnb1k", "pbmc3k_10xv1"
CELSEQ2, DROPSEQ = "mixology_sc_celseq2", "mixology_sc_dropseq"
CELSEQ2_5CL = "mixology_sc_celseq2_5cl_p1"

PAIRS = {
    "pbmc3k → kang": Pair(PBMC, KANG, "celltype_common"),
    "kang → pbmc3k": Pair(KANG, PBMC, "celltype_common"),
    "celseq2 → dropseq": Pair(CELSEQ2, DROPSEQ, "celltype"),
    "celseq2 5cl → dropseq": Pair(CELSEQ2_5CL, DROPSEQ, "celltype"),
    "kang CTRL → STIM": Pair(KANG, KANG, "celltype_common", "CTRL", "STIM"),
    "kang STIM → CTRL": Pair(KANG, KANG, "celltype_common", "STIM", "CTRL"),
    "dropseq → celseq2": Pair(DROPSEQ, CELSEQ2, "celltype"),
    "celseq2 → celseq2 5cl": Pair(CELSEQ2, CELSEQ2_5CL, "celltype"),
}


class Task(NamedTuple):
    """Log-normalised expression of selected genes, source and target stacked."""

    X: sparse.csr_array
    y: np.ndarray
    true: np.ndarray

    @property
    def is_source(self):
        """Mask of the cells of the source."""
        return self.y != UNKNOWN

    @property
    def is_shared(self):
        """Mask, over the target, of the cells whose type the source has."""
        return np.isin(self.true, self.y)


def read_pair(name, folder):
    """Read source and target of a pair (a key of `PAIRS`) as AnnData."""
    from celltyping.pipelines import read_expression

    pair, sides = PAIRS[name], []
    for file, stim in (
        (pair.source, pair.source_stim),
        (pair.target, pair.target_stim),
    ):
        adata = read_expression(Path(folder) / f"{file}.h5ad")
        sides.append(adata if stim is None else adata[adata.obs["stim"] == stim].copy())
    return sides


@cache
def prepare(name, folder, *, n_genes=4000, by="both"):
    """Select genes of a pair, like the default pipeline or in another way.

    Parameters
    ----------
    name : str
        A key of `PAIRS`.
    folder : str or Path
        Folder of the h5ad files.
    n_genes : int, default=4000
        Number of genes.
    by : {"both", "pooled", "source"}, default="both"
        Whether genes are ranked in source and target separately, in all cells at once,
        or in the source alone.

    Returns
    -------
    task : Task
        Logarithms of the selected genes.
    """
    from celltyping.pipelines import make_single_cell_pipeline

    source, target = read_pair(name, folder)
    key = PAIRS[name].label_key
    genes, in_source, in_target = np.intersect1d(
        source.var_names, target.var_names, return_indices=True
    )
    counts = [source.X[:, in_source], target.X[:, in_target]]
    true = target.obs[key].astype(str).to_numpy(object)
    y = np.append(source.obs[key].astype(str).to_numpy(object), [UNKNOWN] * len(true))
    *before, _, _ = make_single_cell_pipeline(n_genes=n_genes, gene_names=genes).steps
    X = sparse.csr_array(sparse.vstack(counts))
    for _, step in before:
        X = step.fit_transform(X)
    select = make_single_cell_pipeline(n_genes=n_genes).named_steps["select"]
    if by == "both":
        select.fit(X, y)
    else:
        select.fit(X[y != UNKNOWN] if by == "source" else X)
    return Task(sparse.csr_array(select.transform(X), dtype=np.float32), y, true)


def simulate(n_cells, n_genes, *, n_types=10, n_molecules=600, random_state=0):
    """Simulate two experiments with different detection rates of the genes.

    Parameters
    ----------
    n_cells, n_genes : int
        Size of the table.
    n_types : int, default=10
        Number of types, all equally frequent.
    n_molecules : int, default=600
        Number of molecules detected in a cell.
    random_state : int, default=0
        Seed.

    Returns
    -------
    task : Task
        Logarithms; the second half of the cells is the target.
    """
    from celltyping import ExpressionNormalizer

    rng = np.random.RandomState(random_state)
    base = rng.gamma(0.5, size=n_genes)
    # A tenth of the genes differs between types, all genes between experiments.
    marks = rng.random_sample((n_types, n_genes)) < 0.1
    profiles = base * np.exp(marks * rng.normal(size=(n_types, n_genes)))
    codes = rng.randint(n_types, size=n_cells)
    is_target = np.arange(n_cells) >= n_cells // 2
    found = np.empty((n_cells, n_molecules), dtype=np.int32)
    for measured, shift in ((~is_target, 0.0), (is_target, 0.5)):
        rates = profiles * np.exp(shift * rng.normal(size=n_genes))
        for code in range(n_types):
            rows = np.flatnonzero(measured & (codes == code))
            ends = np.cumsum(rates[code] / rates[code].sum())
            drawn = rng.random_sample((len(rows), n_molecules))
            found[rows] = np.minimum(np.searchsorted(ends, drawn), n_genes - 1)
    starts = np.arange(0, found.size + 1, n_molecules)
    ones = np.ones(found.size, dtype=np.float32)
    counts = sparse.csr_array((ones, found.ravel(), starts), shape=(n_cells, n_genes))
    counts.sum_duplicates()
    X = ExpressionNormalizer(kind="counts").fit_transform(counts)
    types = np.array([f"type {code}" for code in codes], dtype=object)
    return Task(X, np.where(is_target, UNKNOWN, types), types[is_target])
