"""Connectomes from files."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from functools import partial

from celltyping._utils._files import check_content, find_file, reading
from celltyping._utils._optional import import_optional
from celltyping.connectome._connectome import Connectome
from celltyping.connectome._delimited import read_delimited
from celltyping.connectome._edges import check_columns, check_names

# Ending of the file name -> format.
_FORMATS = {
    ".csv": "text",
    ".csv.gz": "text",
    ".tsv": "text",
    ".tsv.gz": "text",
    ".txt": "text",
    ".txt.gz": "text",
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
    other_ids="raise",
    min_weight=None,
    node_features=None,
    text_ids=False,
):
    """Read a connectome from a csv, parquet or feather file of edges.

    The file is a table with one row per edge, or per synapse with ``weight=None``.
    Only the named columns are read. Integer ids are never converted to floats, so ids
    of 18 digits stay exact.

    Separators of text (comma, tab, semicolon, vertical bar, blanks), decimal commas and
    the encoding (UTF-8, UTF-16 with a byte-order mark, else Latin-1) are recognised,
    and comments above the table are skipped, as in the edge lists of SNAP. Without a
    header, columns are named 0, 1, ...

    Parameters
    ----------
    path : str or path-like
        A local file whose name ends in .csv, .tsv or .txt, possibly followed by .gz, or
        in .parquet or .feather.
    pre : str or int, default="pre"
        Name of the column with the ids of the presynaptic neurons.
    post : str or int, default="post"
        Name of the column with the ids of the postsynaptic neurons.
    weight : str, int or None, default="weight"
        Name of the column with the numbers of synapses. Rows of the same pair are
        summed. None: each row counts 1.
    nodes : array-like of shape (n_nodes,), default=None
        Ids of all neurons, including isolated ones, in the order of the nodes. None:
        the sorted ids of the file.
    other_ids : {"raise", "drop"}, default="raise"
        What to do with ids in the file that are not in `nodes`: raise an error, or drop
        their rows.
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
    FileNotFoundError
        If there is no such file.
    ValueError
        If a named column is missing, the ending of the file name is unknown, the
        content is damaged or of another kind, or `Connectome.from_edges` raises it.

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
    path, file_format = find_file(
        path,
        _FORMATS,
        advice="load other formats as a table and pass it to Connectome.from_edges",
    )
    if not isinstance(text_ids, bool):
        raise TypeError(f"text_ids must be True or False, got {text_ids!r}")
    columns = {"pre": pre, "post": post, "weight": weight}
    check_names(**columns)
    check = partial(check_columns, **columns, table=path.name)
    if file_format == "text":
        edges = read_delimited(path, columns, check, text_ids)
    else:
        edges = _read_columnar(path, file_format, columns, check, text_ids)
    if edges.empty and nodes is None:
        raise ValueError(f"{path.name} has no rows: pass nodes= for isolated nodes")
    try:
        return Connectome.from_edges(
            edges,
            **columns,
            nodes=nodes,
            other_ids=other_ids,
            min_weight=min_weight,
            node_features=node_features,
        )
    except (TypeError, ValueError) as exc:
        error = TypeError if isinstance(exc, TypeError) else ValueError
        raise error(f"{path.name}: {exc}") from exc


def _read_columnar(path, file_format, columns, check, text_ids):
    """Read the named columns of a parquet or feather file."""
    import_optional("pandas", extra="io", needed_by="read_edges")
    pyarrow = import_optional("pyarrow", extra="io", needed_by="read_edges")
    # Not pyarrow.dataset, which reads ahead in threads that crash on damaged files.
    module = "pyarrow.parquet" if file_format == "parquet" else "pyarrow.ipc"
    module = import_optional(module, extra="io", needed_by="read_edges")
    check_content(path, file_format)
    wanted = [name for name in columns.values() if name is not None]
    with pyarrow.OSFile(str(path)) as file:
        with reading(path, file_format):
            if file_format == "parquet":
                source = module.ParquetFile(file)
                names = source.schema_arrow.names
            else:
                names = module.open_file(file).schema.names
        check(names)
        with reading(path, file_format):
            if file_format == "parquet":
                table = source.read(columns=wanted)
            else:
                fields = [names.index(name) for name in wanted]
                options = module.IpcReadOptions(included_fields=fields)
                table = module.open_file(file, options=options).read_all()
            return _to_pandas(table, columns, text_ids)


def _to_pandas(table, columns, text_ids):
    """Convert a table of pyarrow to a DataFrame, after a check of all buffers."""
    table.validate(full=True)
    if text_ids:
        # in arrow, because pandas may convert a missing value to the text "nan"
        for name in (columns["pre"], columns["post"]):
            position = table.column_names.index(name)
            table = table.set_column(position, name, table[name].cast("string"))
    return table.to_pandas(ignore_metadata=True)
