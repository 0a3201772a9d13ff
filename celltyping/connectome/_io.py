"""Connectomes and cell types from files."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from functools import partial

from celltyping._utils._files import find_file
from celltyping._utils._labels import is_unlabeled
from celltyping._utils._messages import list_names
from celltyping._utils._optional import import_optional
from celltyping.connectome._columnar import read_columnar
from celltyping.connectome._connectome import Connectome
from celltyping.connectome._delimited import (
    find_layout,
    read_edge_columns,
    read_text,
)
from celltyping.connectome._edges import check_are_names, check_names
from celltyping.connectome._ids import as_ids, ids_of_text
from celltyping.connectome._matrix import read_matrix, read_sheet
from celltyping.connectome._releases import (
    AUTO,
    describe_edges,
    find_edge_columns,
    find_type_columns,
)

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
    pre="auto",
    post="auto",
    weight="auto",
    synapse_type=None,
    sheet=None,
    nodes=None,
    other_ids="raise",
    min_weight=None,
    node_features=None,
    text_ids=False,
    verbose=True,
):
    """Read a connectome from a csv, parquet, feather or Excel file.

    The file is a table with one row per edge, or per synapse, or an adjacency matrix.
    The columns of the public releases of connectomes are recognised, see
    :ref:`downloads`; those of any other table are named with `pre`, `post` and
    `weight`. Integer ids are never converted to floats, so ids of 18 digits stay exact.

    Separators of text (comma, tab, semicolon, vertical bar, blanks), decimal commas and
    the encoding (UTF-8, UTF-16 with a byte-order mark, else Latin-1) are recognised,
    and comments above the table are skipped, as in the edge lists of SNAP. Without a
    header, columns are named 0, 1, ...

    Parameters
    ----------
    path : str or path-like
        A local file whose name ends in .csv, .tsv or .txt, possibly followed by .gz, or
        in .parquet, .feather or .xlsx.
    pre : str or int, default="auto"
        Name of the column with the ids of the presynaptic neurons. "auto": the column
        of a known release, or the first of two or three columns without a header.
    post : str or int, default="auto"
        Name of the column with the ids of the postsynaptic neurons.
    weight : str, int or None, default="auto"
        Name of the column with the numbers of synapses. Rows of the same pair are
        summed. None: each row counts 1. "auto" is None for known tables of synapses,
        such as those of CAVE.
    synapse_type : str, default=None
        Synapses to read, such as "chemical", from a file with a column "type". None:
        all, unless there are electrical synapses and others.
    sheet : str, default=None
        Name of the sheet of an Excel file, which holds a matrix in the layout of Cook
        et al. (2019). None: the only sheet.
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
    verbose : bool, default=True
        Whether to print which columns were recognised.

    Returns
    -------
    connectome : Connectome
        The connectome with all its nodes in view.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If a named column is missing or none is known, the ending of the file name is
        unknown, the content is damaged or of another kind, rows for ROIs and for totals
        or chemical and electrical synapses are mixed, or `Connectome.from_edges` raises
        it.

    See Also
    --------
    read_types : Read the types of neurons from a file.
    Connectome.from_edges : The same for a table in memory.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from celltyping.connectome import read_edges
    >>> header = "pre_root_id,post_root_id,neuropil,syn_count\\n"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "connections.csv"
    ...     _ = path.write_text(header + "7,8,AL,3\\n8,7,AL,1\\n7,8,LH,2\\n")
    ...     con = read_edges(path)
    connections.csv: pre='pre_root_id', post='post_root_id', weight='syn_count', summed
    over 'neuropil'
    >>> con
    <Connectome of 2 nodes: 2 edges, 6 synapses>
    """
    path, file_format = find_file(
        path,
        _FORMATS | {".xlsx": "xlsx"},
        advice="load other formats as a table and pass it to Connectome.from_edges",
    )
    _check_flags(text_ids=text_ids, verbose=verbose)
    given = {"pre": pre, "post": post, "weight": weight}
    _check_given(path, file_format, given, synapse_type, sheet)
    import_optional("pandas", extra="io", needed_by="read_edges")
    find = partial(find_edge_columns, **given, table=path.name)
    edges, columns, ids = _read_edges(path, file_format, find, given, sheet, text_ids)
    if columns is None:
        if synapse_type is not None:
            raise ValueError(
                f"synapse_type must be None for a matrix, got {synapse_type!r}"
            )
        nodes = ids if nodes is None else nodes
        names = {"pre": "pre", "post": "post", "weight": "weight"}
        found = f"a matrix of {len(ids)} neurons"
    else:
        edges = _select(edges, columns, synapse_type, path.name)
        names = dict(zip(given, [*columns.ids, columns.weight], strict=True))
        found = describe_edges(columns)
    if edges.empty and nodes is None:
        raise ValueError(f"{path.name} has no rows: pass nodes= for isolated nodes")
    is_default = found == "pre='pre', post='post', weight='weight'"
    if verbose and AUTO in given.values() and not is_default:
        print(f"{path.name}: {found}")  # noqa: T201
    try:
        return Connectome.from_edges(
            edges,
            **names,
            nodes=nodes,
            other_ids=other_ids,
            min_weight=min_weight,
            node_features=node_features,
        )
    except (TypeError, ValueError) as exc:
        error = TypeError if isinstance(exc, TypeError) else ValueError
        raise error(f"{path.name}: {exc}") from exc


def read_types(path, *, ids="auto", types="auto", text_ids=False, verbose=True):
    """Read the types of neurons from a csv, parquet or feather file.

    The columns of the public releases are recognised, see :ref:`downloads`. The file is
    read as by `read_edges`.

    Parameters
    ----------
    path : str or path-like
        A local file whose name ends in .csv, .tsv or .txt, possibly followed by .gz, or
        in .parquet or .feather.
    ids : str or int, default="auto"
        Name of the column with the ids of the neurons. "auto": that of a known release.
    types : str or int, default="auto"
        Name of the column with the types. "auto": that of a known release.
    text_ids : bool, default=False
        Whether to read ids as text even if they look like integers.
    verbose : bool, default=True
        Whether to print which columns were recognised.

    Returns
    -------
    types : Series of shape (n_typed,)
        Types by id, for `Connectome.align`; integers or text, as in the file. Neurons
        without a type, rows without an id and repeated rows are left out.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If a named column is missing or none is known, an id is not exact, the ending of
        the file name is unknown, or the content is damaged or of another kind.

    See Also
    --------
    read_edges : Read a connectome from a file.
    Connectome.align : Types in the order of the nodes.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from celltyping.connectome import read_types
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "neurons.csv"
    ...     _ = path.write_text("bodyId,type,instance\\n7,PN,PN_R\\n8,,\\n9,KC,KC_R\\n")
    ...     types = read_types(path)
    neurons.csv: ids='bodyId', types='type', 2 neurons typed
    >>> types.to_dict()
    {7: 'PN', 9: 'KC'}
    """
    path, file_format = find_file(
        path, _FORMATS, advice="load other formats as a table and take its column"
    )
    _check_flags(text_ids=text_ids, verbose=verbose)
    check_are_names(ids=ids, types=types)
    if ids == types != AUTO:
        raise ValueError(f"ids and types must be different columns, got {ids!r}")
    pd = import_optional("pandas", extra="io", needed_by="read_types")
    find = partial(find_type_columns, ids=ids, types=types, table=path.name)
    if file_format == "text":
        layout, columns = find_layout(path, find)
        table = read_text(path, layout, columns.wanted, dtype=str)
    else:
        table, columns = read_columnar(
            path, file_format, find, text_ids, needed_by="read_types"
        )
    (id_name,) = columns.ids
    table = table.dropna(subset=[id_name]).drop_duplicates()
    table = table[~is_unlabeled(table[columns.types], None)]
    index, values = table[id_name], table[columns.types]
    name = f"column {id_name!r} of {path.name}"
    if file_format == "text":
        index = ids_of_text(index.str.strip().tolist(), name, text_ids)
        values = _exact(values)
    else:
        index = as_ids(index, name)
    if verbose and AUTO in (ids, types):
        print(  # noqa: T201
            f"{path.name}: ids={id_name!r}, types={columns.types!r}, {len(values)} "
            "neurons typed"
        )
    index = pd.Index(index, name=id_name)
    return pd.Series(values.to_numpy(), index=index, name=columns.types)


def _check_flags(**flags):
    """Raise a TypeError unless the values of these parameters are True or False."""
    for parameter, value in flags.items():
        if not isinstance(value, bool):
            raise TypeError(f"{parameter} must be True or False, got {value!r}")


def _check_given(path, file_format, given, synapse_type, sheet):
    """Raise an error unless the parameters of read_edges suit the file."""
    fixed = {name: value for name, value in given.items() if value is not None}
    check_are_names(**fixed)
    fixed = {name: value for name, value in fixed.items() if value != AUTO}
    if len(set(fixed.values())) < len(fixed):
        check_names(**given)
    for parameter, value in {"synapse_type": synapse_type, "sheet": sheet}.items():
        if not (value is None or isinstance(value, str)):
            raise TypeError(f"{parameter} must be a str or None, got {value!r}")
    is_excel = file_format == "xlsx"
    if sheet is not None and not is_excel:
        raise ValueError(f"sheet must be None for {path.name}, got {sheet!r}")
    if is_excel and set(given.values()) != {AUTO}:
        raise ValueError(
            f"{path.name} is read as a matrix, without pre=, post= and weight=: load a "
            "table of edges with pandas and pass it to Connectome.from_edges"
        )


def _read_edges(path, file_format, find, given, sheet, text_ids):
    """Return a table, and its Columns or, of a matrix, None and the ids."""
    if file_format == "xlsx":
        edges, ids = read_sheet(path, sheet, text_ids)
        return edges, None, ids
    if file_format != "text":
        table = read_columnar(path, file_format, find, text_ids, needed_by="read_edges")
        return *table, None
    layout, columns = find_layout(path, find, matrix=set(given.values()) == {AUTO})
    if columns is None:
        edges, ids = read_matrix(path, layout, text_ids)
        return edges, None, ids
    return read_edge_columns(path, layout, columns, text_ids), columns, None


def _select(edges, columns, synapse_type, table):
    """Return the rows of a synapse type; refuse rows that must not be summed."""
    if columns.roi is not None:
        has_roi = edges[columns.roi].notna() & (edges[columns.roi] != "")
        if 0 < has_roi.sum() < len(edges):
            raise ValueError(
                f"{table} has {has_roi.sum()} rows with a value in {columns.roi!r} and "
                f"{len(edges) - has_roi.sum()} without, which are totals: pass a table "
                "of one kind to Connectome.from_edges"
            )
    if columns.kind is None:
        if synapse_type is not None:
            raise ValueError(
                f"synapse_type={synapse_type!r} needs a column 'type' in {table}"
            )
        return edges
    kinds = edges[columns.kind].astype(str).str.strip()
    is_wanted = kinds.str.casefold() == str(synapse_type).casefold()
    found = sorted(set(kinds))
    if synapse_type is not None and not is_wanted.any():
        raise ValueError(
            f"synapse_type must be a value in column {columns.kind!r} of {table}, got "
            f"{synapse_type!r}; it has {list_names(found)}"
        )
    if synapse_type is not None:
        return edges[is_wanted]
    if len(found) > 1 and "electrical" in map(str.casefold, found):
        raise ValueError(
            f"{table} mixes synapses in column {columns.kind!r}, {list_names(found)}: "
            "pass one of them as synapse_type"
        )
    return edges


def _exact(types):
    """Return text without blanks at its ends, as integers if all of it is."""
    types = types.str.strip()
    is_integer = types.str.fullmatch(r"-?(0|[1-9]\d{0,17})")
    return types.astype("int64") if len(types) and is_integer.all() else types
