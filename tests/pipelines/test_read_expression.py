"""Reader of expression files."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import gzip
import sys

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import io, sparse

from celltyping.pipelines import read_expression

COUNTS = np.array([[3, 0, 1, 0], [0, 9, 0, 2], [1, 1, 0, 0]])
CELLS = ["AAAC-1", "AAAG-1", "AAAT-1"]
GENES = ["CD3E", "LYZ", "NA", "CD19"]
IDS = [f"ENSG{i:011d}" for i in range(4)]


def check(adata, genes=tuple(GENES), counts=COUNTS):
    """Assert that an AnnData has the written counts and names."""
    assert isinstance(adata, anndata.AnnData)
    assert isinstance(adata.X, sparse.csr_matrix)
    assert adata.X.dtype == np.float32
    assert np.array_equal(adata.X.toarray(), counts)
    assert adata.obs_names.tolist() == CELLS
    assert adata.var_names.tolist() == list(genes)


def write(path, text):
    """Write a text, gzipped if the name ends with .gz."""
    opened = gzip.open if path.name.endswith(".gz") else open
    with opened(path, "wt") as file:
        file.write(text)


def write_folder(folder, names, features, counts=COUNTS, cells=CELLS):
    """Write a folder of 10x: `names` of matrix, features and barcodes."""
    plain = folder / "plain.mtx"
    io.mmwrite(plain, sparse.coo_array(counts.T))
    write(folder / names[0], plain.read_text())
    plain.unlink()
    write(folder / names[1], "".join("\t".join(row) + "\n" for row in features))
    write(folder / names[2], "".join(f"{cell}\n" for cell in cells))


@pytest.mark.parametrize("gz", ["", ".gz"])
@pytest.mark.parametrize("features", ["features.tsv", "genes.tsv"])
@pytest.mark.parametrize("prefix", ["", "GSM1_"])
def test_folder(tmp_path, gz, features, prefix):
    names = [f"{prefix}{n}{gz}" for n in ("matrix.mtx", features, "barcodes.tsv")]
    rows = [
        [*pair, "Gene Expression"][: 3 if features == "features.tsv" else 2]
        for pair in zip(IDS, GENES, strict=True)
    ]
    write_folder(tmp_path, names, rows)
    adata = read_expression(tmp_path)
    check(adata)
    assert adata.var["gene_ids"].tolist() == IDS
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


FOLDER = ["matrix.mtx", "features.tsv", "barcodes.tsv"]


def test_folder_of_several_kinds_of_features(tmp_path):
    kinds = ["Gene Expression", "Antibody Capture", "Gene Expression", "Custom"]
    write_folder(tmp_path, FOLDER, list(zip(IDS, GENES, kinds, strict=True)))
    check(read_expression(str(tmp_path)), ["CD3E", "NA"], COUNTS[:, [0, 2]])


def test_folder_with_names_alone(tmp_path):
    write_folder(tmp_path, FOLDER, [[name] for name in GENES])
    adata = read_expression(tmp_path)
    check(adata)
    assert "gene_ids" not in adata.var


def test_folder_with_a_gene_twice(tmp_path):
    names = ["ACTB", "LYZ", "ACTB", "CD19"]
    write_folder(tmp_path, FOLDER, list(zip(IDS, names, strict=True)))
    check(read_expression(tmp_path), ["ACTB", "LYZ", "ACTB-1", "CD19"])


def test_folder_without_a_matrix(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no matrix.mtx or matrix.mtx.gz in"):
        read_expression(tmp_path)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        (1, r"no features.tsv or features.tsv.gz or genes.tsv or genes.tsv.gz in"),
        (2, r"no barcodes.tsv or barcodes.tsv.gz in"),
    ],
)
def test_folder_without_names(tmp_path, missing, message):
    write_folder(tmp_path, FOLDER, [[name] for name in GENES])
    (tmp_path / FOLDER[missing]).unlink()
    with pytest.raises(FileNotFoundError, match=message):
        read_expression(tmp_path)


def test_folder_with_two_matrices(tmp_path):
    for prefix in ("a_", "b_"):
        names = [prefix + name for name in FOLDER]
        write_folder(tmp_path, names, [[name] for name in GENES])
    message = r"must hold one matrix.mtx, got 'a_matrix.mtx', 'b_matrix.mtx'"
    with pytest.raises(ValueError, match=message):
        read_expression(tmp_path)


def test_folder_with_the_matrix_gzipped_and_not(tmp_path):
    write_folder(tmp_path, FOLDER, [[name] for name in GENES])
    with gzip.open(tmp_path / "matrix.mtx.gz", "wt") as file:
        file.write((tmp_path / "matrix.mtx").read_text())
    check(read_expression(tmp_path))


def test_folder_whose_parts_do_not_fit(tmp_path):
    write_folder(tmp_path, FOLDER, [[name] for name in GENES], cells=[*CELLS, "more"])
    message = "has 4 rows and 3 columns, but there are 4 features and 4 barcodes"
    with pytest.raises(ValueError, match=message):
        read_expression(tmp_path)


def write_h5ad(path, genes):
    """Write the counts as .h5ad."""
    # Some releases of anndata cannot write the strings that pandas has since 3.0.
    adata = anndata.AnnData(
        sparse.csr_matrix(COUNTS.astype(np.float32)),
        obs=pd.DataFrame({"n_counts": [4, 11, 2]}, index=pd.Index(CELLS, dtype=object)),
        var=pd.DataFrame(index=pd.Index(genes, dtype=object)),
    )
    adata.write_h5ad(path)


def test_h5ad(tmp_path):
    write_h5ad(tmp_path / "blood.h5ad", GENES)
    read = read_expression(tmp_path / "blood.h5ad")
    check(read)
    assert read.obs["n_counts"].tolist() == [4, 11, 2]


def test_h5ad_with_a_gene_twice(tmp_path):
    with pytest.warns(UserWarning, match="Variable names are not unique"):
        write_h5ad(tmp_path / "blood.h5ad", ["ACTB", "LYZ", "ACTB", "CD19"])
    read = read_expression(tmp_path / "blood.h5ad")
    check(read, ["ACTB", "LYZ", "ACTB-1", "CD19"])


def test_h5_of_10x(tmp_path):
    columns = sparse.csc_array(COUNTS.T)
    with h5py.File(tmp_path / "filtered.h5", "w") as file:
        matrix = file.create_group("matrix")
        matrix["barcodes"] = np.array(CELLS, dtype="S")
        matrix["data"] = columns.data.astype(np.int32)
        matrix["indices"] = columns.indices.astype(np.int64)
        matrix["indptr"] = columns.indptr.astype(np.int64)
        matrix["shape"] = np.array(columns.shape)
        features = matrix.create_group("features")
        features["id"] = np.array(IDS, dtype="S")
        features["name"] = np.array(["ACTB", "LYZ", "ACTB", "CD19"], dtype="S")
        features["feature_type"] = np.array(["Gene Expression"] * 4, dtype="S")
        features["genome"] = np.array(["GRCh38"] * 4, dtype="S")
    adata = read_expression(tmp_path / "filtered.h5")
    check(adata, ["ACTB", "LYZ", "ACTB-1", "CD19"])
    assert adata.var["gene_ids"].tolist() == IDS


def table(counts, rows, columns, separator, corner):
    """Return the text of a table; `corner` None: the first row is one shorter."""
    first = [*([] if corner is None else [corner]), *columns]
    lines = [separator.join(first)]
    lines += [
        separator.join([row, *map(str, values)])
        for row, values in zip(rows, counts, strict=True)
    ]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("corner", ["", "cell", None])
@pytest.mark.parametrize(
    ("name", "separator"),
    [("x.csv", ","), ("x.csv.gz", ","), ("x.tsv", "\t"), ("X.TXT.gz", "\t")],
)
def test_table(tmp_path, name, separator, corner):
    write(tmp_path / name, table(COUNTS, CELLS, GENES, separator, corner))
    check(read_expression(tmp_path / name))


def test_table_with_genes_in_rows(tmp_path):
    quoted = [f'"{name}"' for name in CELLS]
    text = table(COUNTS.T, [f'"{name}"' for name in GENES], quoted, ",", '""')
    write(tmp_path / "x.csv", text)
    check(read_expression(tmp_path / "x.csv", genes_in="rows"))


@pytest.mark.parametrize("genes_in", ["columns", "rows"])
def test_table_with_a_gene_twice(tmp_path, genes_in):
    names = ["ACTB", "LYZ", "ACTB", "CD19"]
    if genes_in == "columns":
        text = table(COUNTS, CELLS, names, ",", "")
    else:
        text = table(COUNTS.T, names, CELLS, ",", "")
    write(tmp_path / "x.csv", text)
    adata = read_expression(tmp_path / "x.csv", genes_in=genes_in)
    check(adata, ["ACTB", "LYZ", "ACTB-1", "CD19"])


def test_table_of_logarithms_with_numbered_cells(tmp_path):
    write(tmp_path / "x.csv", table(COUNTS / 4, ["1", "02", "3"], GENES, ",", ""))
    adata = read_expression(tmp_path / "x.csv")
    assert np.array_equal(adata.X.toarray(), COUNTS / 4)
    assert adata.obs_names.tolist() == ["1", "02", "3"]


def test_table_with_text_inside(tmp_path):
    write(tmp_path / "x.csv", "cell,CD3E,type\na,1,T\nb,2,B\n")
    message = r"x.csv must hold numbers beside the names, but column 'type' has"
    with pytest.raises(ValueError, match=message):
        read_expression(tmp_path / "x.csv")


def test_table_with_other_separators(tmp_path):
    write(tmp_path / "x.csv", table(COUNTS, CELLS, GENES, ";", ""))
    with pytest.raises(ValueError, match=r"x.csv has a single column if ',' separates"):
        read_expression(tmp_path / "x.csv")


def test_table_whose_first_row_does_not_fit(tmp_path):
    write(tmp_path / "x.csv", table(COUNTS, CELLS, GENES[:2], ",", ""))
    with pytest.raises(ValueError, match="has 3 names in its first row, but 5 columns"):
        read_expression(tmp_path / "x.csv")


def test_genes_in_is_for_tables(tmp_path):
    write_folder(tmp_path, FOLDER, [[name] for name in GENES])
    with pytest.raises(ValueError, match="genes_in='rows' is for tables"):
        read_expression(tmp_path, genes_in="rows")
    with pytest.raises(ValueError, match="'genes_in' parameter of read_expression"):
        read_expression(tmp_path, genes_in="cells")


def test_nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file '.*none.h5ad'"):
        read_expression(tmp_path / "none.h5ad")
    message = r"folder of 10x or end in .h5ad, .h5, .csv.*, got 'x.loom'"
    with pytest.raises(ValueError, match=message):
        read_expression(tmp_path / "x.loom")


@pytest.mark.parametrize(
    ("name", "module"), [("x.csv", "anndata"), ("x.h5", "scanpy"), ("x.csv", "pandas")]
)
def test_without_the_extra(tmp_path, monkeypatch, name, module):
    write(tmp_path / name, table(COUNTS, CELLS, GENES, ",", ""))
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=f"read_expression needs {module}, which"):
        read_expression(tmp_path / name)
