"""Reader of expression files."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import gzip
import re
import sys
from itertools import product

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


def test_folder(subtests, tmp_path_factory):
    for gz, features, prefix in product(
        ["", ".gz"], ["features.tsv", "genes.tsv"], ["", "GSM1_"]
    ):
        with subtests.test(gz=gz, features=features, prefix=prefix):
            names = [
                f"{prefix}{n}{gz}" for n in ("matrix.mtx", features, "barcodes.tsv")
            ]
            rows = [
                [*pair, "Gene Expression"][: 3 if features == "features.tsv" else 2]
                for pair in zip(IDS, GENES, strict=True)
            ]
            folder = tmp_path_factory.mktemp("folder")
            write_folder(folder, names, rows)
            adata = read_expression(folder)
            check(adata)
            assert adata.var["gene_ids"].tolist() == IDS
            assert sorted(path.name for path in folder.iterdir()) == sorted(names)


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
    message = (
        r"matrices of 2 samples: pass the path of one of the files 'a_matrix.mtx', "
        r"'b_matrix.mtx'$"
    )
    with pytest.raises(ValueError, match=message):
        read_expression(tmp_path)


@pytest.mark.parametrize("gz", ["", ".gz"])
def test_series_with_a_prefix_per_sample(tmp_path, gz):
    for prefix, counts in [("GSM1_a_", COUNTS), ("GSM2_b_", 2 * COUNTS)]:
        names = [f"{prefix}{name}{gz}" for name in FOLDER]
        write_folder(tmp_path, names, [[name] for name in GENES], counts)
    check(read_expression(tmp_path / f"GSM1_a_matrix.mtx{gz}"))
    check(read_expression(tmp_path / f"GSM2_b_matrix.mtx{gz}"), counts=2 * COUNTS)
    (tmp_path / "other.mtx").touch()
    with pytest.raises(ValueError, match=r"named matrix.mtx, after .* got 'other.mtx'"):
        read_expression(tmp_path / "other.mtx")


def test_folder_of_folders(tmp_path):
    for genome in ("hg19", "mm10"):
        (tmp_path / genome).mkdir()
        write_folder(tmp_path / genome, FOLDER, [[name] for name in GENES])
    message = r"no matrix.mtx or .* in .*, but in its folders 'hg19', 'mm10'$"
    with pytest.raises(FileNotFoundError, match=message):
        read_expression(tmp_path)
    check(read_expression(tmp_path / "mm10"))


def test_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    write(tmp_path / "x.csv", table(COUNTS, CELLS, GENES, ",", ""))
    check(read_expression("~/x.csv"))


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


def write_10x(path, genomes=("GRCh38",) * 4, kinds=("Gene Expression",) * 4):
    """Write the counts as a file of 10x, of Cell Ranger 3."""
    columns = sparse.csc_array(COUNTS.T)
    with h5py.File(path, "w") as file:
        matrix = file.create_group("matrix")
        matrix["barcodes"] = np.array(CELLS, dtype="S")
        matrix["data"] = columns.data.astype(np.int32)
        matrix["indices"] = columns.indices.astype(np.int64)
        matrix["indptr"] = columns.indptr.astype(np.int64)
        matrix["shape"] = np.array(columns.shape)
        features = matrix.create_group("features")
        features["id"] = np.array(IDS, dtype="S")
        features["name"] = np.array(["ACTB", "LYZ", "ACTB", "CD19"], dtype="S")
        features["feature_type"] = np.array(kinds, dtype="S")
        features["genome"] = np.array(genomes, dtype="S")


def write_legacy_10x(path, genomes):
    """Write the counts as a file of 10x, of Cell Ranger 2."""
    columns = sparse.csc_array(COUNTS.T)
    with h5py.File(path, "w") as file:
        for i, genome in enumerate(genomes, start=1):
            group = file.create_group(genome)
            group["barcodes"] = np.array(CELLS, dtype="S")
            group["data"] = (i * columns.data).astype(np.int32)
            group["indices"] = columns.indices.astype(np.int64)
            group["indptr"] = columns.indptr.astype(np.int64)
            group["shape"] = np.array(columns.shape)
            group["genes"] = np.array(IDS, dtype="S")
            group["gene_names"] = np.array(GENES, dtype="S")


@pytest.mark.parametrize("name", ["filtered.h5", "filtered.h5ad"])
def test_h5_of_10x(tmp_path, name):
    write_10x(tmp_path / name)
    adata = read_expression(tmp_path / name)
    check(adata, ["ACTB", "LYZ", "ACTB-1", "CD19"])
    assert adata.var["gene_ids"].tolist() == IDS


def test_h5_of_10x_with_several_kinds_of_features(tmp_path):
    kinds = ["Gene Expression", "Gene Expression", "Antibody Capture", "Custom"]
    write_10x(tmp_path / "x.h5", kinds=kinds)
    check(read_expression(tmp_path / "x.h5"), ["ACTB", "LYZ"], COUNTS[:, :2])


def test_genome_of_10x(tmp_path):
    path = tmp_path / "x.h5"
    write_10x(path, genomes=["GRCh38", "mm10", "GRCh38", "mm10"])
    adata = read_expression(path, genome="mm10")
    check(adata, ["LYZ", "CD19"], COUNTS[:, [1, 3]])
    assert read_expression(path).shape == (3, 4)
    message = r"genome='hg19' is not in x.h5, whose genomes are 'GRCh38', 'mm10'$"
    with pytest.raises(ValueError, match=message):
        read_expression(path, genome="hg19")
    with h5py.File(path, "r+") as file:
        del file["matrix/features/genome"]
    with pytest.raises(ValueError, match=r"whose genomes are not recorded$"):
        read_expression(path, genome="mm10")


def test_genome_of_10x_of_old_versions(tmp_path):
    write_legacy_10x(tmp_path / "one.h5", ["hg19"])
    check(read_expression(tmp_path / "one.h5"))
    path = tmp_path / "two.h5"
    write_legacy_10x(path, ["hg19", "mm10"])
    check(read_expression(path, genome="mm10"), counts=2 * COUNTS)
    message = r"two.h5 has several genomes, 'hg19', 'mm10': select one by genome"
    with pytest.raises(ValueError, match=message):
        read_expression(path)
    with pytest.raises(ValueError, match=r"genome='GRCh38' is not in two.h5"):
        read_expression(path, genome="GRCh38")
    write(tmp_path / "x.csv", table(COUNTS, CELLS, GENES, ",", ""))
    with pytest.raises(ValueError, match=r"genome='mm10' is for .h5 files, got 'x.csv"):
        read_expression(tmp_path / "x.csv", genome="mm10")


def test_h5_with_content_of_anndata(tmp_path):
    write_h5ad(tmp_path / "blood.h5", GENES)
    check(read_expression(tmp_path / "blood.h5"))
    with pytest.raises(ValueError, match=r"is not in blood.h5, .* are not recorded"):
        read_expression(tmp_path / "blood.h5", genome="hg19")


def test_h5_of_molecules(tmp_path):
    with h5py.File(tmp_path / "molecule_info.h5", "w") as file:
        file["umi"], file["count"] = np.arange(5), np.arange(5)
    message = (
        r"molecule_info.h5 has 'count', 'umi', but .*: it holds single molecules, read "
        r"filtered_feature_bc_matrix.h5"
    )
    with pytest.raises(ValueError, match=message):
        read_expression(tmp_path / "molecule_info.h5")
    with h5py.File(tmp_path / "none.h5", "w"):
        pass
    with pytest.raises(ValueError, match=r"none.h5 has no members, but a .* 'obs' and"):
        read_expression(tmp_path / "none.h5")


def table(counts, rows, columns, separator, corner):
    """Return the text of a table; `corner` None: the first row is one shorter."""
    first = [*([] if corner is None else [corner]), *columns]
    lines = [separator.join(first)]
    lines += [
        separator.join([row, *map(str, values)])
        for row, values in zip(rows, counts, strict=True)
    ]
    return "\n".join(lines) + "\n"


def test_table(subtests, tmp_path):
    for corner, (name, separator) in product(
        ["", "cell", None],
        [("x.csv", ","), ("x.csv.gz", ","), ("x.tsv", "\t"), ("X.TXT.gz", "\t")],
    ):
        with subtests.test(corner=corner, name=name, separator=separator):
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


def test_table_with_other_separators(subtests, tmp_path):
    for separator in [";", "\t", "|", " "]:
        with subtests.test(separator=separator):
            write(tmp_path / "x.csv", table(COUNTS, CELLS, GENES, separator, "cell"))
            contained = re.escape(repr(separator))
            message = rf"x.csv has a single column .*contains {contained}, see"
            with pytest.raises(ValueError, match=message):
                read_expression(tmp_path / "x.csv")
            check(read_expression(tmp_path / "x.csv", sep=separator))


def test_table_with_decimal_commas(tmp_path):
    write(tmp_path / "x.csv", "cell;CD3E;LYZ\na;1,5;2\nb;2;0,5\n")
    with pytest.raises(ValueError, match=r"x.csv .*first row contains ';', see sep"):
        read_expression(tmp_path / "x.csv")


def test_bad_separators(tmp_path):
    write(tmp_path / "x.csv", table(COUNTS, CELLS, GENES, ",", ""))
    for sep in ("", ", "):
        with pytest.raises(ValueError, match="sep must be a single character, such as"):
            read_expression(tmp_path / "x.csv", sep=sep)
    write_folder(tmp_path, FOLDER, [[name] for name in GENES])
    with pytest.raises(ValueError, match="sep=';' is for tables"):
        read_expression(tmp_path, sep=";")


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


def test_nothing_there(subtests, tmp_path):
    for name in ["none.h5ad", "filtered", "x.loom"]:
        with subtests.test(name=name):
            message = rf"there is no file or folder '.*{name}'"
            with pytest.raises(FileNotFoundError, match=message):
                read_expression(tmp_path / name)


def test_other_kinds_of_files(tmp_path):
    (tmp_path / "x.loom").touch()
    message = r"must end in .h5ad, .h5, .mtx, .*, got 'x.loom': folders of 10x are read"
    with pytest.raises(ValueError, match=message):
        read_expression(tmp_path / "x.loom")
    for path in (None, 5, b"x.csv"):
        with pytest.raises(TypeError, match="path must be a str or path-like, got"):
            read_expression(path)


def test_content_of_another_kind(subtests, tmp_path):
    cases = [
        ("x.csv", b"", "nothing"),
        ("x.csv.gz", b"cell,A,B\n1,2,3\n", "something else"),
        ("x.csv", gzip.compress(b"cell,A,B\n1,2,3\n", mtime=0), "gzip"),
        ("x.tsv", b"PK\x03\x04 as of Excel", "zip"),
        ("x.h5ad", b"cell,A,B\n1,2,3\n", "something else"),
        ("x.h5", b"", "nothing"),
        ("x.txt", b"\n<!DOCTYPE html><html>not found</html>", "a web page"),
        ("matrix.mtx.gz", b"%%MatrixMarket", "something else"),
    ]
    for name, content, found in cases:
        with subtests.test(name=name, content=content):
            write_folder(tmp_path, FOLDER, [[gene] for gene in GENES])
            (tmp_path / name).write_bytes(content)
            message = (
                rf"{name} must hold (text|gzip|HDF5) by its name, but holds {found}"
            )
            with pytest.raises(ValueError, match=message):
                read_expression(tmp_path / name)


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_other_encodings(tmp_path, encoding):
    text = table(COUNTS, ["Müller", *CELLS[1:]], GENES, ",", "")
    (tmp_path / "x.csv").write_bytes(text.encode(encoding))
    message = r"x.csv cannot be read as a table in UTF-8 .*UnicodeDecodeError"
    with pytest.raises(ValueError, match=message):
        read_expression(tmp_path / "x.csv")


def test_header_of_a_matrix(tmp_path):
    write_folder(tmp_path, FOLDER, [[name] for name in GENES])
    file = tmp_path / "matrix.mtx"
    before = file.read_text()
    message = "matrix.mtx has 700000000000 entries by its header, but only 4 rows and 3"
    file.write_text(before.replace("4 3 6", "4 3 700000000000"))
    with pytest.raises(ValueError, match=message):
        read_expression(tmp_path)
    file.write_text(before.replace("4 3 6", "4000000000000 3 6"))
    with pytest.raises(ValueError, match="has 4000000000000 rows and 3 columns, but"):
        read_expression(tmp_path)
    file.write_text(before.replace("\n1 1", "\n5 1"))
    with pytest.raises(ValueError, match=r"matrix.mtx cannot be read as Matrix Market"):
        read_expression(tmp_path)


def test_indices_beyond_the_matrix(subtests, tmp_path):
    for member, write_h5 in product(
        ["indices", "indptr"], [write_10x, lambda path: write_h5ad(path, GENES)]
    ):
        with subtests.test(member=member, write_h5=write_h5):
            path = tmp_path / "x.h5"
            write_h5(path)
            with h5py.File(path, "r+") as file:
                indices = file["matrix" if "matrix" in file else "X"][member]
                indices[1] = 2**28
            with pytest.raises(ValueError, match=r"x.h5 "):
                read_expression(path)


@pytest.mark.timeout(60)
def test_a_heap_in_which_the_library_loops_for_ever(tmp_path):
    path = tmp_path / "x.h5ad"
    write_h5ad(path, GENES)
    content = path.read_bytes()
    heap = content.index(b"GCOL")
    path.write_bytes(content[: heap + 16] + bytes(16) + content[heap + 32 :])
    with pytest.raises(ValueError, match=r"x.h5ad cannot be .*: inconsistent glob"):
        read_expression(path)
    path.write_bytes(content[: heap + 10])
    with pytest.raises(ValueError, match=r"x.h5ad cannot be read as HDF5"):
        read_expression(path)


def test_damaged_files(tmp_path):
    names = ["features.tsv.gz", "barcodes.tsv.gz", "matrix.mtx"]
    folder = tmp_path / "sample"
    folder.mkdir()
    write_folder(folder, names, [[gene] for gene in GENES])
    write_10x(tmp_path / "x.h5")
    write_h5ad(tmp_path / "x.h5ad", GENES)
    write(tmp_path / "x.csv.gz", table(COUNTS, CELLS, GENES, ",", ""))
    files = [path for path in sorted(tmp_path.rglob("*")) if path.is_file()]
    rng = np.random.default_rng(0)
    n_refused = 0
    for path in [file for file in files for _ in range(12)]:
        content = bytearray(path.read_bytes())
        damaged, place = content.copy(), rng.integers(len(content))
        damaged[place] ^= 1 << rng.integers(8)
        path.write_bytes(damaged[:place] if rng.random() < 0.3 else damaged)
        try:
            read_expression(folder if path.parent == folder else path)
        except ValueError as exc:  # any other exception fails the test
            n_refused += re.search(rf"{path.name}|matrix.mtx has", str(exc)) is not None
        path.write_bytes(content)
    assert n_refused > 20


@pytest.mark.parametrize(
    ("name", "module"),
    [("x.csv", "anndata"), ("x.h5", "scanpy"), ("x.h5", "h5py"), ("x.csv", "pandas")],
)
def test_without_the_extra(tmp_path, monkeypatch, name, module):
    if name == "x.h5":
        write_10x(tmp_path / name)
    else:
        write(tmp_path / name, table(COUNTS, CELLS, GENES, ",", ""))
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=f"read_expression needs {module}, which"):
        read_expression(tmp_path / name)
