"""Reader of expression files."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import csv
import warnings
from pathlib import Path

import numpy as np
from scipy import sparse

from celltyping._utils._compat import StrOptions, validate_params
from celltyping._utils._optional import import_optional

# Format by the ending of the file name. pandas infers the compression.
_FORMATS = {
    ".h5ad": "h5ad",
    ".h5": "10x",
    ".csv": "csv",
    ".csv.gz": "csv",
    ".tsv": "tsv",
    ".tsv.gz": "tsv",
    ".txt": "tsv",
    ".txt.gz": "tsv",
}
_SEPARATORS = {"csv": ",", "tsv": "\t"}

# Type of the features that are genes, in files of 10x with other features.
_GENES = "Gene Expression"


@validate_params(
    {"path": "no_validation", "genes_in": [StrOptions({"columns", "rows"})]},
    prefer_skip_nested_validation=True,
)
def read_expression(path, *, genes_in="columns"):
    """Read an experiment from a file, or from a folder written by 10x Genomics.

    Parameters
    ----------
    path : str or path-like
        One of the following; all but the first two may be gzipped:

        - a file of AnnData, .h5ad;
        - a file of 10x, .h5;
        - a folder of 10x with matrix.mtx, barcodes.tsv and features.tsv or genes.tsv;
          the three names may have a common prefix;
        - a table, .csv, or .tsv or .txt with tabs, whose first column and first row
          contain names.
    genes_in : {"columns", "rows"}, default="columns"
        Orientation of a table. Not used for other formats.

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
    ValueError
        If the ending of the file name is unknown, a folder has several matrices or
        inconsistent files, a table contains anything but numbers, or `genes_in` is
        "rows" and the file is no table.
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
    path = Path(path)
    file_format = _format_of(path)
    if genes_in == "rows" and file_format not in _SEPARATORS:
        raise ValueError(
            f"genes_in='rows' is for tables (.csv, .tsv, .txt), got {path.name!r}"
        )
    with warnings.catch_warnings():
        # They are made unique below.
        warnings.filterwarnings("ignore", message="Variable names are not unique")
        if file_format == "folder":
            adata = _read_folder(path)
        elif file_format == "h5ad":
            adata = _import("anndata").read_h5ad(path)
        elif file_format == "10x":
            adata = _import("scanpy").read_10x_h5(path)
        else:
            adata = _read_table(path, _SEPARATORS[file_format], genes_in)
        adata.var_names_make_unique()
    return adata


def _import(module):
    """Import pandas, anndata or scanpy."""
    extra = "io" if module == "pandas" else "single-cell"
    return import_optional(module, extra=extra, needed_by="read_expression")


def _format_of(path):
    """Return the format of a file or folder."""
    if path.is_dir():
        return "folder"
    name = path.name.lower()
    endings = [ending for ending in _FORMATS if name.endswith(ending)]
    if not endings:
        raise ValueError(
            f"path must be a folder of 10x or end in {', '.join(_FORMATS)}, got "
            f"{path.name!r}: scanpy reads other formats"
        )
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {str(path)!r}")
    return _FORMATS[endings[0]]


def _read_folder(path):
    """Read a folder of 10x, of any version of Cell Ranger."""
    matrices = {}
    for file in sorted(path.iterdir()):
        prefix, is_matrix, rest = file.name.partition("matrix.mtx")
        if is_matrix and rest in ("", ".gz"):
            matrices[prefix] = file
    if not matrices:
        raise FileNotFoundError(f"there is no matrix.mtx or matrix.mtx.gz in {path}")
    if len(matrices) > 1:
        found = ", ".join(repr(file.name) for file in matrices.values())
        raise ValueError(
            f"{path} must hold one matrix.mtx, got {found}: give each a folder of its "
            "own, with its features and barcodes"
        )
    ((prefix, file),) = matrices.items()
    features = _read_names(path, prefix, ["features.tsv", "genes.tsv"])
    barcodes = _read_names(path, prefix, ["barcodes.tsv"])
    X = _import("scanpy").read_mtx(file).X
    if X.shape != (len(features), len(barcodes)):
        raise ValueError(
            f"{file.name} has {X.shape[0]} rows and {X.shape[1]} columns, but "
            f"there are {len(features)} features and {len(barcodes)} barcodes"
        )
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
    return _import("pandas").read_csv(
        path / found[0],
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
    head = pd.read_csv(path, nrows=1, **text).iloc[0].tolist()
    names = pd.read_csv(path, skiprows=1, usecols=[0], **text)[0].to_numpy(object)
    body = pd.read_csv(path, skiprows=1, low_memory=False, **numbers)
    if body.shape[1] < 2:
        raise ValueError(
            f"{path.name} has a single column if {separator!r} separates columns"
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
                "has something else"
            )
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
