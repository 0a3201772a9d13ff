"""Reading connectomes from files."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from pathlib import Path

from celltyping._utils._optional import import_optional
from celltyping.connectome._connectome import Connectome
from celltyping.connectome._edges import check_columns

# What ends a file's name -> how it is read. pandas finds the compression by itself.
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
    Other columns than the three that are named are not read. Ids never pass through a
    float, so those of 18 digits survive.

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
        Ids of all neurons, the isolated ones too, in the order wanted. None: the ids
        that occur in the file, sorted.
    min_weight : float, default=None
        Edges whose summed weight is smaller are dropped; their neurons stay.
    node_features : array-like of shape (n_nodes, n_features), default=None
        Finite, nonnegative numbers per node. The rows of a DataFrame are found by its
        index, those of an array by position.
    text_ids : bool, default=False
        Take ids as text even where they look like integers, so that leading zeros stay.

    Returns
    -------
    connectome : Connectome
        The connectome with all its nodes in view.

    Raises
    ------
    ValueError
        If a named column is not there, the file's ending is not known, or the table
        is refused for a reason that `Connectome.from_edges` has.

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
    """Tell the format of a file that is there by the end of its name."""
    name = path.name.lower()
    endings = [ending for ending in _FORMATS if name.endswith(ending)]
    if not endings:
        raise ValueError(
            f"path must end in {', '.join(_FORMATS)}, got {path.name!r}: read other "
            "formats into a table and pass it to Connectome.from_edges"
        )
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {str(path)!r}")
    return _FORMATS[endings[0]]


def _read_csv(path, columns, text_ids):
    """Read three columns of a csv file."""
    pd = import_optional("pandas", extra="io", needed_by="read_edges")
    header = pd.read_csv(path, nrows=0)
    check_columns(list(header.columns), **columns, table=path.name)
    ends = [columns["pre"], columns["post"]]
    edges = pd.read_csv(
        path,
        usecols=[name for name in columns.values() if name is not None],
        dtype=dict.fromkeys(ends, str) if text_ids else None,
        low_memory=False,  # piece by piece, ids may come out as a mix of kinds
    )
    if not text_ids:
        for name in ends:
            _check_overflow(edges[name])
    return edges


def _check_overflow(column):
    """Refuse ids that pandas left as text since they are too large for 64 bits."""
    if column.dtype.kind == "i":
        return
    text = column.dropna().drop_duplicates().astype(str)
    if len(text) and text.str.fullmatch(r"[+-]?\d+").all():
        raise ValueError(
            f"column {column.name!r} must hold ids that fit into int64, got ids that "
            f"overflow it, such as {text.loc[text.str.len().idxmax()]}: pass "
            "text_ids=True to take ids as text"
        )


def _read_columnar(path, file_format, columns, text_ids):
    """Read three columns of a parquet or feather file."""
    import_optional("pandas", extra="io", needed_by="read_edges")
    dataset = import_optional("pyarrow.dataset", extra="io", needed_by="read_edges")
    source = dataset.dataset(path, format=file_format)
    check_columns(source.schema.names, **columns, table=path.name)
    wanted = [name for name in columns.values() if name is not None]
    table = source.to_table(columns=wanted)
    if text_ids:
        # in arrow: pandas may write a missing value as the text "nan"
        for name in (columns["pre"], columns["post"]):
            position = table.column_names.index(name)
            table = table.set_column(position, name, table[name].cast("string"))
    return table.to_pandas(ignore_metadata=True)
