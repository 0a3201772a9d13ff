"""Connectomes from files."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from pathlib import Path

from celltyping._utils._optional import import_optional
from celltyping.connectome._connectome import Connectome
from celltyping.connectome._edges import check_columns

# Ending of the file name -> format. pandas infers the compression.
_FORMATS = {
    ".csv": "csv",
    ".csv.gz": "csv",
    ".parquet": "parquet",
    ".feather": "feather",
}


def read_edges(
    path,
    *,
    pre="pre",
    post="post",
    weight="weight",
    nodes=None,
    min_weight=None,
    node_features=None,
    text_ids=False,
):
    """Read a connectome from a csv, parquet or feather file of edges.

    The file is a table with one row per edge, or per synapse with ``weight=None``.
    Only the named columns are read. Integer ids are never converted to floats, so ids
    of 18 digits stay exact.

    Parameters
    ----------
    path : str or path-like
        A local file whose name ends in .csv, .csv.gz, .parquet or .feather.
    pre : str, default="pre"
        Name of the column with the ids of the presynaptic neurons.
    post : str, default="post"
        Name of the column with the ids of the postsynaptic neurons.
    weight : str or None, default="weight"
        Name of the column with the numbers of synapses. Rows of the same pair are
        summed. None: each row counts 1.
    nodes : array-like of shape (n_nodes,), default=None
        Ids of all neurons, including isolated ones, in the order of the nodes. None:
        the sorted ids of the file.
    min_weight : float, default=None
        Minimum summed weight of an edge. Lighter edges are dropped, but not their
        neurons.
    node_features : array-like of shape (n_nodes, n_features), default=None
        Finite, nonnegative features. Rows of a DataFrame are matched by its index,
        rows of an array by position.
    text_ids : bool, default=False
        Whether to read ids as text even if they look like integers, which keeps
        leading zeros.

    Returns
    -------
    connectome : Connectome
        The connectome with all its nodes in view.

    Raises
    ------
    ValueError
        If a named column is missing, the ending of the file name is unknown, or
        `Connectome.from_edges` raises it.

    See Also
    --------
    Connectome.from_edges : The same for a table in memory.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from celltyping.connectome import read_edges
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "edges.csv"
    ...     _ = path.write_text("from,to,synapses\\n7,8,3\\n8,7,1\\n7,8,2\\n")
    ...     read_edges(path, pre="from", post="to", weight="synapses")
    <Connectome of 2 nodes: 2 edges, 6 synapses>
    """
    path = Path(path)
    file_format = _format_of(path)
    columns = {"pre": pre, "post": post, "weight": weight}
    if file_format == "csv":
        edges = _read_csv(path, columns, text_ids)
    else:
        edges = _read_columnar(path, file_format, columns, text_ids)
    return Connectome.from_edges(
        edges,
        **columns,
        nodes=nodes,
        min_weight=min_weight,
        node_features=node_features,
    )


def _format_of(path):
    """Return the format of an existing file by the ending of its name."""
    name = path.name.lower()
    endings = [ending for ending in _FORMATS if name.endswith(ending)]
    if not endings:
        raise ValueError(
            f"path must end in {', '.join(_FORMATS)}, got {path.name!r}: load other "
            "formats as a table and pass it to Connectome.from_edges"
        )
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {str(path)!r}")
    return _FORMATS[endings[0]]


def _read_csv(path, columns, text_ids):
    """Read the named columns of a csv file."""
    pd = import_optional("pandas", extra="io", needed_by="read_edges")
    header = pd.read_csv(path, nrows=0)
    check_columns(list(header.columns), **columns, table=path.name)
    ends = [columns["pre"], columns["post"]]
    edges = pd.read_csv(
        path,
        usecols=[name for name in columns.values() if name is not None],
        dtype=dict.fromkeys(ends, str) if text_ids else None,
        low_memory=False,  # avoids a mix of dtypes in one column
    )
    if not text_ids:
        for name in ends:
            _check_overflow(edges[name])
    return edges


def _check_overflow(column):
    """Raise a ValueError for integers that pandas read as text for their size."""
    if column.dtype.kind == "i":
        return
    text = column.dropna().drop_duplicates().astype(str)
    if len(text) and text.str.fullmatch(r"[+-]?\d+").all():
        raise ValueError(
            f"column {column.name!r} must hold ids that fit into int64, got ids that "
            f"overflow it, such as {text.loc[text.str.len().idxmax()]}: pass "
            "text_ids=True to read ids as text"
        )


def _read_columnar(path, file_format, columns, text_ids):
    """Read the named columns of a parquet or feather file."""
    import_optional("pandas", extra="io", needed_by="read_edges")
    dataset = import_optional("pyarrow.dataset", extra="io", needed_by="read_edges")
    source = dataset.dataset(path, format=file_format)
    check_columns(source.schema.names, **columns, table=path.name)
    wanted = [name for name in columns.values() if name is not None]
    table = source.to_table(columns=wanted)
    if text_ids:
        # in arrow, because pandas may convert a missing value to the text "nan"
        for name in (columns["pre"], columns["post"]):
            position = table.column_names.index(name)
            table = table.set_column(position, name, table[name].cast("string"))
    return table.to_pandas(ignore_metadata=True)
