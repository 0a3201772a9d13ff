"""Reader of expression files."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import csv
import mmap
import os
import struct
import warnings
from pathlib import Path

import numpy as np
from scipy import io, sparse

from celltyping._utils._compat import StrOptions, validate_params
from celltyping._utils._files import check_content, find_file, reading
from celltyping._utils._messages import list_names
from celltyping._utils._optional import import_optional
from celltyping._utils._validation import check_sparse

# Format by the ending of the file name. pandas infers the compression.
_FORMATS = {
    ".h5ad": "HDF5",
    ".h5": "HDF5",
    ".mtx": "matrix",
    ".mtx.gz": "matrix",
    ".csv": "csv",
    ".csv.gz": "csv",
    ".tsv": "tsv",
    ".tsv.gz": "tsv",
    ".txt": "tsv",
    ".txt.gz": "tsv",
}
_SEPARATORS = {"csv": ",", "tsv": "\t"}

# First bytes of a global heap of HDF5.
_HEAP = b"GCOL\x01\0\0\0"

# Type of the features that are genes, in files of 10x with other features.
_GENES = "Gene Expression"


@validate_params(
    {
        "path": "no_validation",
        "genes_in": [StrOptions({"columns", "rows"})],
        "sep": [str, None],
        "genome": [str, None],
    },
    prefer_skip_nested_validation=True,
)
def read_expression(path, *, genes_in="columns", sep=None, genome=None):
    """Read an experiment from a file, or from a folder written by 10x Genomics.

    Parameters
    ----------
    path : str or path-like
        One of the following, where "~" is the home folder; all but the first two may be
        gzipped:

        - a file of AnnData, .h5ad;
        - a file of 10x, .h5;
        - a folder of 10x with matrix.mtx, barcodes.tsv and features.tsv or genes.tsv;
          the three names may have a common prefix;
        - the file matrix.mtx of such a folder, to select one of several samples: a
          series of GEO has a prefix per sample, such as GSM1_matrix.mtx.gz;
        - a table, .csv, or .tsv or .txt with tabs, whose first column and first row
          contain names.
    genes_in : {"columns", "rows"}, default="columns"
        Orientation of a table. Not used for other formats.
    sep : str, default=None
        Character that separates the columns of a table. None: a comma in .csv, else a
        tab.
    genome : str, default=None
        Genome whose genes are read from a .h5 file of 10x, such as "GRCh38". None: all;
        a file of Cell Ranger 2 must then have only one.

    Returns
    -------
    adata : AnnData of shape (n_cells, n_genes)
        Expression in `X`, sparse unless it is dense in an .h5ad file. Duplicate gene
        names are made unique by anndata's rule: the second ACTB is ACTB-1. Of the
        features of 10x only genes are returned, named by their symbol, with their
        identifiers in ``var["gene_ids"]``.

    Raises
    ------
    FileNotFoundError
        If `path` or a file of a folder does not exist.
    TypeError
        If `path` is no path.
    ValueError
        If the ending of the file name is unknown or contradicts the content, a file is
        empty or damaged, a folder has several matrices or inconsistent files, a table
        contains anything but numbers, or a parameter is not for this kind of file.
    ImportError
        If anndata or scanpy is not installed; the extra "single-cell" installs both.

    See Also
    --------
    transfer_labels : Transfer types from an annotated experiment to another.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from celltyping.pipelines import read_expression
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "counts.csv"
    ...     _ = path.write_text("cell,CD3E,LYZ\\nAAAC,3,0\\nAAAG,0,9\\nAAAT,1,1\\n")
    ...     adata = read_expression(path)
    >>> adata.to_df()
          CD3E  LYZ
    AAAC   3.0  0.0
    AAAG   0.0  9.0
    AAAT   1.0  1.0
    """
    path, file_format = _find(path)
    if file_format not in _SEPARATORS and (genes_in == "rows" or sep is not None):
        given = "genes_in='rows'" if genes_in == "rows" else f"sep={sep!r}"
        raise ValueError(f"{given} is for tables (.csv, .tsv, .txt), got {path.name!r}")
    if sep is not None and len(sep) != 1:
        raise ValueError(f"sep must be a single character, such as ';', got {sep!r}")
    if genome is not None and file_format != "HDF5":
        raise ValueError(f"genome={genome!r} is for .h5 files, got {path.name!r}")
    with warnings.catch_warnings():
        # They are made unique below.
        warnings.filterwarnings("ignore", message="Variable names are not unique")
        if file_format == "folder":
            adata = _read_sample(path, _find_matrix(path))
        elif file_format == "matrix":
            adata = _read_sample(path.parent, path)
        elif file_format == "HDF5":
            adata = _read_hdf5(path, genome)
        else:
            adata = _read_table(path, sep or _SEPARATORS[file_format], genes_in)
        adata.var_names_make_unique()
    return adata


def _import(module):
    """Import pandas, anndata or scanpy."""
    extra = "io" if module == "pandas" else "single-cell"
    return import_optional(module, extra=extra, needed_by="read_expression")


def _find(path):
    """Return a path and its format."""
    if isinstance(path, (str, os.PathLike)):
        found = Path(path).expanduser()
        if found.is_dir():
            return found, "folder"
        if not found.exists():
            raise FileNotFoundError(f"there is no file or folder {str(found)!r}")
    advice = "folders of 10x are read too, other formats by scanpy"
    return find_file(path, _FORMATS, advice=advice)


def _check_text(path):
    """Raise if a file is no text, or not gzipped if its name says so."""
    check_content(path, "gzip" if path.name.lower().endswith(".gz") else "text")


def _read_hdf5(path, genome):
    """Read a file of AnnData or of 10x, which may have either ending."""
    check_content(path, "HDF5")
    _check_heaps(path)
    with reading(path, "HDF5"), _import("h5py").File(path, "r") as file:
        members = {name: set(getattr(file[name], "keys", set)()) for name in file}
    if {"obs", "var"} <= members.keys():
        with reading(path, "AnnData"):
            adata = _import("anndata").read_h5ad(path)
        _check_genome(path, genome, [])
        return _checked(adata, path)
    legacy = [name for name, inside in members.items() if "gene_names" in inside]
    if "matrix" not in members and not legacy:
        advice = "read filtered_feature_bc_matrix.h5 of the same run"
        raise ValueError(
            f"{path.name} has {list_names(sorted(members), 20) or 'no members'}, but a "
            "file of 10x has 'matrix' and one of AnnData 'X', 'obs' and 'var'"
            f"{f': it holds single molecules, {advice}' if 'umi' in members else ''}"
        )
    if legacy:
        _check_genome(path, genome, legacy)
        if genome is None and len(legacy) > 1:
            raise ValueError(
                f"{path.name} has several genomes, {list_names(legacy)}: select one by "
                "genome"
            )
    # scanpy would select genes before the indices are checked.
    options = {"genome": genome} if legacy else {"gex_only": False}
    with reading(path, "10x"):
        adata = _checked(_import("scanpy").read_10x_h5(path, **options), path)
    if legacy:
        return adata
    keep = adata.var["feature_types"] == _GENES
    if genome is not None:
        is_recorded = "genome" in adata.var
        found = adata.var["genome"].unique().tolist() if is_recorded else []
        _check_genome(path, genome, found)
        keep = keep & (adata.var["genome"] == genome)
    return adata[:, keep.to_numpy()].copy()


def _check_heaps(path):
    """Raise if a global heap, which holds text, has a free space of size 0.

    The library of HDF5 would never return.
    """
    with (
        reading(path, "HDF5"),
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        start = content.find(_HEAP)
        while start >= 0:
            (size,) = struct.unpack_from("<Q", content, start + 8)
            place, end = start + 16, min(start + size, len(content))
            while place + 16 <= end:
                index, length = struct.unpack_from("<H6xQ", content, place)
                if index == 0 and length == 0:
                    raise ValueError("inconsistent global heap")
                # Objects are padded to 8 bytes. Index 0 is the free space, whose length
                # includes its header.
                place += 16 + -(-length // 8) * 8 if index else length
            start = content.find(_HEAP, start + 1)


def _check_genome(path, genome, found):
    """Raise if a file does not hold the genome."""
    if genome is not None and genome not in found:
        raise ValueError(
            f"genome={genome!r} is not in {path.name}, whose genomes are "
            f"{list_names(found) or 'not recorded'}"
        )


def _checked(adata, path):
    """Return an AnnData after checking the indices of its sparse matrices."""
    matrices = [adata.X, *adata.layers.values()]
    for X in matrices if adata.raw is None else [*matrices, adata.raw.X]:
        check_sparse(X, path.name)
    return adata


def _find_matrix(path):
    """Return the only matrix of a folder of 10x."""
    found = [file for file in sorted(path.iterdir()) if _prefix_of(file) is not None]
    prefixes = {_prefix_of(file) for file in found}
    if not found:
        inside = sorted({file.parent.name for file in path.glob("*/*matrix.mtx*")})
        hint = f", but in its folders {list_names(inside)}" if inside else ""
        raise FileNotFoundError(
            f"there is no matrix.mtx or matrix.mtx.gz in {path}{hint}"
        )
    if len(prefixes) > 1:
        raise ValueError(
            f"{path} has the matrices of {len(prefixes)} samples: pass the path of one "
            f"of the files {list_names([file.name for file in found], 20)}"
        )
    return found[-1]


def _prefix_of(file):
    """Return the prefix of PREFIXmatrix.mtx, gzipped or not; None for other files."""
    prefix, is_matrix, rest = file.name.partition("matrix.mtx")
    return prefix if is_matrix and rest in ("", ".gz") else None


def _read_sample(path, file):
    """Read a matrix of 10x with its names, of any version of Cell Ranger."""
    prefix = _prefix_of(file)
    if prefix is None:
        raise ValueError(
            f"path must be a file of 10x named matrix.mtx, after a prefix or not, got "
            f"{file.name!r}"
        )
    features = _read_names(path, prefix, ["features.tsv", "genes.tsv"])
    barcodes = _read_names(path, prefix, ["barcodes.tsv"])
    _check_text(file)
    with reading(file, "Matrix Market"):
        *shape, n_entries = io.mminfo(file)[:3]
    if shape != [len(features), len(barcodes)]:
        raise ValueError(
            f"{file.name} has {shape[0]} rows and {shape[1]} columns, but "
            f"there are {len(features)} features and {len(barcodes)} barcodes"
        )
    if n_entries > shape[0] * shape[1]:
        raise ValueError(
            f"{file.name} has {n_entries} entries by its header, but only {shape[0]} "
            f"rows and {shape[1]} columns"
        )
    with reading(file, "Matrix Market"), np.errstate(over="ignore"):
        X = sparse.csr_matrix(io.mmread(file).astype(np.float32))
    pd = _import("pandas")
    # One column: names. Two: identifiers and symbols. Three: and the feature type.
    var = pd.DataFrame(index=features[min(1, features.shape[1] - 1)].to_numpy(object))
    if features.shape[1] > 1:
        var["gene_ids"] = features[0].to_numpy(object)
    adata = _make_anndata(X.T, barcodes[0].to_numpy(object), var)
    if features.shape[1] > 2 and _GENES in set(features[2]):
        adata = adata[:, (features[2] == _GENES).to_numpy()].copy()
    return adata


def _read_names(path, prefix, names):
    """Read the first of these tables that exists, gzipped or not, as text."""
    candidates = [f"{prefix}{name}{end}" for name in names for end in ("", ".gz")]
    found = [name for name in candidates if (path / name).is_file()]
    if not found:
        raise FileNotFoundError(f"there is no {' or '.join(candidates)} in {path}")
    file = path / found[0]
    _check_text(file)
    with reading(file, "tab-separated names"):
        return _import("pandas").read_csv(
            file,
            sep="\t",
            header=None,
            dtype=str,
            keep_default_na=False,  # there are genes called NA
            quoting=csv.QUOTE_NONE,
        )


def _read_table(path, separator, genes_in):
    """Read a table with names in its first column and first row."""
    pd = _import("pandas")
    # Names are read separately, as text: pandas would change duplicates, and names that
    # look like numbers or missing values.
    numbers = {"sep": separator, "header": None}
    text = {**numbers, "dtype": str, "keep_default_na": False}
    _check_text(path)
    with reading(path, "a table in UTF-8"):
        head = pd.read_csv(path, nrows=1, **text).iloc[0].tolist()
        names = pd.read_csv(path, skiprows=1, usecols=[0], **text)[0].to_numpy(object)
        body = pd.read_csv(path, skiprows=1, low_memory=False, **numbers)
    candidates = "\t;|" if body.shape[1] > 1 else "\t;|, "
    others = [other for other in candidates if other in "".join(head)]
    hint = f"; its first row contains {others[0]!r}, see sep" if others else ""
    if body.shape[1] < 2:
        raise ValueError(
            f"{path.name} has a single column if {separator!r} separates columns{hint}"
        )
    values = body.iloc[:, 1:]
    # R omits the name of the first column.
    head = head[1:] if len(head) == body.shape[1] else head
    if len(head) != values.shape[1]:
        raise ValueError(
            f"{path.name} has {len(head)} names in its first row, but {body.shape[1]} "
            "columns, the first of which holds names"
        )
    for name, dtype in zip(head, values.dtypes, strict=True):
        if dtype.kind not in "iufb":
            raise ValueError(
                f"{path.name} must hold numbers beside the names, but column {name!r} "
                f"has something else{hint}"
            )
    with np.errstate(over="ignore"):
        X = sparse.csr_matrix(values.to_numpy(dtype=np.float32))
    cells, genes = names, head
    if genes_in == "rows":
        X, cells, genes = X.T, head, names
    return _make_anndata(X, cells, pd.DataFrame(index=np.asarray(genes, dtype=object)))


def _make_anndata(X, cells, var):
    """Return an AnnData with X as CSR."""
    pd = _import("pandas")
    obs = pd.DataFrame(index=np.asarray(cells, dtype=object))
    return _import("anndata").AnnData(sparse.csr_matrix(X), obs=obs, var=var)
