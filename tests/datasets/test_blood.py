"""Two single-cell experiments on human blood."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import importlib.resources
import sys

import anndata
import numpy as np
import pytest
from scipy import sparse

from celltyping.datasets import load_blood_transfer

TYPES = ["B", "DC", "Mono_CD14", "Mono_CD16", "NK", "Platelet", "T_CD4", "T_CD8"]


@pytest.fixture(scope="module")
def blood():
    """Return the Bunch, loaded once."""
    return load_blood_transfer()


@pytest.fixture(scope="module")
def pair():
    """Return the Bunch with two AnnData, loaded once."""
    return load_blood_transfer(as_anndata=True)


def test_counts(blood):
    assert isinstance(blood.data, sparse.csr_array)
    assert (blood.data.shape, blood.data.dtype) == ((3470, 2500), np.float32)
    assert blood.data.indices.dtype == np.int32
    assert blood.data.has_canonical_format
    assert blood.data.data.min() == 1
    assert np.array_equal(blood.data.data, np.round(blood.data.data))
    # every gene and every cell has counts
    assert blood.data.sum(axis=0).min() > 0
    assert blood.data.sum(axis=1).min() > 0


def test_values_of_known_cells(blood):
    genes = blood.gene_names.tolist()
    cells = blood.cell_names.tolist()
    for cell, gene, count in [
        ("AAACATACAACCAC-1", "CD3D", 4),
        ("AAACATTGAGCTAC-1", "CD79A", 3),
        ("AAACATACCAGAAA.1", "CCL2", 33),
    ]:
        assert blood.data[cells.index(cell), genes.index(gene)] == count


def test_totals_are_of_all_genes(blood):
    # Totals in the original files.
    assert blood.n_counts[[0, 1, 2638, 2639]].tolist() == [2421, 4903, 2481, 1313]
    assert (blood.n_counts > blood.data.sum(axis=1)).all()


def test_types(blood):
    is_target = blood.batch == "kang"
    assert np.array_equal(np.flatnonzero(is_target), np.arange(2638, 3470))
    assert set(blood.batch[~is_target]) == {"pbmc3k"}
    assert (blood.target[is_target] == "?").all()
    assert np.array_equal(blood.target[~is_target], blood.types[~is_target])
    assert blood.target.dtype == blood.types.dtype == object
    assert blood.target_names.tolist() == TYPES
    assert set(blood.types[is_target]) == {
        "B",
        "Mono_CD14",
        "Mono_CD16",
        "T_CD4",
        "T_CD8",
    }


def test_names(blood):
    assert len(blood.cell_names) == len(set(blood.cell_names)) == 3470
    assert len(set(blood.gene_names)) == 2500
    assert all(isinstance(name, str) for name in blood.gene_names)


def test_stimulation(blood):
    is_target = blood.batch == "kang"
    assert set(blood.stim[~is_target]) == {""}
    assert (blood.stim == "STIM").sum() == 441
    assert (blood.stim == "CTRL").sum() == 391


def test_arrays_are_not_shared():
    blood = load_blood_transfer()
    blood.target[:] = "changed"
    assert "changed" not in blood.types.tolist()
    assert "changed" not in load_blood_transfer().target.tolist()


def test_return_X_y(blood):
    X, y = load_blood_transfer(return_X_y=True)
    assert (blood.data != X).nnz == 0
    assert np.array_equal(y, blood.target)


def test_as_anndata(blood, pair):
    assert isinstance(pair.source, anndata.AnnData)
    assert (pair.source.shape, pair.target.shape) == ((2638, 2500), (832, 2500))
    X = sparse.vstack([pair.source.X, pair.target.X])
    assert (blood.data != X).nnz == 0
    for name, adata in (("pbmc3k", pair.source), ("kang", pair.target)):
        rows = blood.batch == name
        assert np.array_equal(adata.obs_names, blood.cell_names[rows])
        assert np.array_equal(adata.var_names, blood.gene_names)
        assert adata.obs["celltype_common"].tolist() == blood.types[rows].tolist()
        assert np.array_equal(adata.obs["n_counts"], blood.n_counts[rows])
    assert "stim" not in pair.source.obs
    assert pair.target.obs["stim"].tolist() == blood.stim[-832:].tolist()
    assert pair.DESCR == blood.DESCR


def test_published_types_are_finer_than_the_common_ones(pair):
    for adata in (pair.source, pair.target):
        published = adata.obs.groupby("celltype", observed=True)["celltype_common"]
        assert (published.nunique() == 1).all()
    assert "Naive CD4 T" in set(pair.source.obs["celltype"])
    assert "CD4 Naive T" in set(pair.target.obs["celltype"])


def test_description_names_source_licence_and_citations(blood):
    for word in [
        "anna-neufeld/countsplit.tutorials",
        "rnabioco/clustifyrdata",
        "hjames1/seuratTools",
        "MIT",
        "10.1038/ncomms14049",
        "10.1038/nbt.4042",
    ]:
        assert word in blood.DESCR
    data = importlib.resources.files("celltyping.datasets") / "data"
    licence = (data / "LICENSE-blood_transfer.txt").read_text(encoding="utf-8")
    for holder in ["countsplit.tutorials authors", "2019 Rui Fu", "2025 James"]:
        assert holder in licence
        assert holder in " ".join(blood.DESCR.split())


def test_at_most_one_megabyte():
    data = importlib.resources.files("celltyping.datasets") / "data"
    assert len((data / "blood_transfer.npz").read_bytes()) <= 1_000_000


def test_return_X_y_and_as_anndata_exclude_each_other():
    with pytest.raises(ValueError, match="return_X_y and as_anndata must not both"):
        load_blood_transfer(return_X_y=True, as_anndata=True)


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"'as_anndata' parameter of load_bl.*'yes'"):
        load_blood_transfer(as_anndata="yes")


def test_without_anndata(monkeypatch):
    monkeypatch.setitem(sys.modules, "anndata", None)
    assert load_blood_transfer().data.shape == (3470, 2500)
    message = r"load_blood_transfer\(as_anndata=True\) needs anndata.*'single-cell'"
    with pytest.raises(ImportError, match=message):
        load_blood_transfer(as_anndata=True)
