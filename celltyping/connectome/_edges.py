"""From tables of edges, and graphs of networkx, to a Graph."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numbers

import numpy as np
from scipy import sparse

from celltyping.connectome._graph import Graph
from celltyping.connectome._ids import (
    as_column,
    as_ids,
    check_same_kind,
    check_unique,
    factorize_ids,
    find_ids,
    some,
)


def graph_from_edges(
    edges, *, pre, post, weight, nodes=None, min_weight=None, node_features=None
):
    """Build a graph from a table with one row per edge or synapse.

    Parameters
    ----------
    edges : DataFrame, dict, structured array or other table
        Columns by name.
    pre, post : str
        Names of the columns with the ids.
    weight : str or None
        Name of the column with the weights; None: each row counts 1.
    nodes : array-like of shape (n_nodes,), default=None
        The nodes in their order; None: the ids that occur in `edges`, sorted.
    min_weight : float, default=None
        Edges whose summed weight is smaller are dropped; their nodes stay.
    node_features : array-like of shape (n_nodes, n_features), default=None
        Finite, nonnegative numbers.

    Returns
    -------
    graph : Graph
        The graph.

    Examples
    --------
    >>> from celltyping.connectome._edges import graph_from_edges
    >>> edges = {"pre": [1, 1, 2], "post": [2, 2, 1]}
    >>> graph = graph_from_edges(edges, pre="pre", post="post", weight=None)
    >>> graph.adjacency.toarray()
    array([[0., 2.],
           [1., 0.]], dtype=float32)
    """
    _check_min_weight(min_weight)
    check_columns(_column_names(edges), pre=pre, post=post, weight=weight)
    pre_codes, pre_ids = factorize_ids(edges[pre], f"column {pre!r}")
    post_codes, post_ids = factorize_ids(edges[post], f"column {post!r}")
    _check_lengths(pre_codes, pre, post_codes, post)
    check_same_kind(pre_ids, f"column {pre!r}", post_ids, f"column {post!r}")
    if weight is None:
        # uint8 suffices, for the sum is taken in float64
        weights = np.ones(len(pre_codes), dtype=np.uint8)
    else:
        weights = _as_weights(edges[weight], f"column {weight!r}")
        _check_lengths(pre_codes, pre, weights, weight)
    if nodes is None:
        ids = _union(pre_ids, post_ids)
    else:
        ids = _as_nodes(nodes)
    rows = _positions(pre_ids, ids, pre)[pre_codes]
    cols = _positions(post_ids, ids, post)[post_codes]
    adjacency = sparse.coo_array((weights, (rows, cols)), shape=(len(ids), len(ids)))
    return Graph(adjacency, ids, node_features, min_weight=min_weight)


def edges_of_networkx(graph, weight):
    """List the edges of a networkx graph, both directions of undirected ones.

    Parameters
    ----------
    graph : networkx.Graph
        Any of networkx's four kinds of graph.
    weight : str or None
        The edges' attribute; an edge without it counts 1, as in networkx. None: every
        edge counts 1.

    Returns
    -------
    edges : dict of lists
        Columns pre, post and weight.

    Examples
    --------
    >>> import networkx
    >>> from celltyping.connectome._edges import edges_of_networkx
    >>> edges_of_networkx(networkx.path_graph(2), "weight")
    {'pre': [0, 1], 'post': [1, 0], 'weight': [1, 1]}
    """
    if not (hasattr(graph, "is_directed") and hasattr(graph, "edges")):
        raise TypeError(
            f"graph must be a networkx graph, got {type(graph).__name__}; use "
            "Connectome(adjacency) for a matrix and from_edges for a table"
        )
    triples = [
        (pre, post, 1 if weight is None else attributes.get(weight, 1))
        for pre, post, attributes in graph.edges(data=True)
    ]
    if not graph.is_directed():
        triples += [(post, pre, w) for pre, post, w in triples if pre != post]
    columns = zip(*triples, strict=True) if triples else ((), (), ())
    names = ("pre", "post", "weight")
    return dict(zip(names, map(list, columns), strict=True))


def check_columns(available, *, pre, post, weight, table="edges"):
    """Refuse a table that lacks a column.

    Parameters
    ----------
    available : list of str
        The columns that are there.
    pre, post : str
        The columns with the ids.
    weight : str or None
        The column with the weights, if any.
    table : str, default="edges"
        What the table is, for the message.

    Raises
    ------
    ValueError
        If one of the columns is not there.

    Examples
    --------
    >>> from celltyping.connectome._edges import check_columns
    >>> check_columns(["source", "post"], pre="pre", post="post", weight=None)
    Traceback (most recent call last):
    ...
    ValueError: edges lacks the column 'pre'; it has 'source', 'post': name...
    """
    wanted = [pre, post] + ([] if weight is None else [weight])
    lacking = [repr(name) for name in wanted if name not in available]
    if lacking:
        columns = "column" if len(lacking) == 1 else "columns"
        advice = "name the columns with pre=, post= and weight="
        if repr(weight) in lacking:
            advice += " (weight=None counts rows)"
        raise ValueError(
            f"{table} lacks the {columns} {', '.join(lacking)}; it has "
            f"{', '.join(map(repr, available)) or 'none'}: {advice}"
        )


def _column_names(edges):
    """List the names of a table's columns, whatever makes the table."""
    for attribute in ("column_names", "columns"):  # pyarrow; pandas and polars
        if hasattr(edges, attribute):
            return list(getattr(edges, attribute))
    if hasattr(edges, "keys"):
        return list(edges.keys())
    names = getattr(getattr(edges, "dtype", None), "names", None)
    if names is None:
        raise TypeError(
            "edges must be a DataFrame, a dict of arrays or another table with columns "
            f"by name, got {type(edges).__name__}"
        )
    return list(names)


def _check_lengths(first, first_name, second, second_name):
    """Refuse columns of different lengths."""
    if len(first) != len(second):
        raise ValueError(
            f"the columns of edges must have one length, got {len(first)} values in "
            f"{first_name!r} and {len(second)} in {second_name!r}"
        )


def _as_weights(column, name):
    """Turn a column into an array of numbers."""
    weights = as_column(column, name)
    if weights.dtype.kind == "O":
        kinds = set(map(type, weights))
        if all(issubclass(kind, numbers.Real) for kind in kinds):
            weights = weights.astype(np.float64)
        else:
            found = ", ".join(sorted(kind.__name__ for kind in kinds))
            raise TypeError(f"{name} must hold numbers, got {found}")
    if weights.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold numbers, got dtype {weights.dtype}")
    return weights


def _check_min_weight(min_weight):
    """Refuse a threshold that is not one."""
    if min_weight is None:
        return
    if not isinstance(min_weight, numbers.Real) or isinstance(min_weight, bool):
        raise TypeError(f"min_weight must be a number or None, got {min_weight!r}")
    if not 0 <= min_weight < np.inf:
        raise ValueError(
            f"min_weight must be finite and not negative, got {min_weight}"
        )


def _union(pre_ids, post_ids):
    """Sort the ids that occur on either side."""
    if not (pre_ids.size or post_ids.size):
        raise ValueError(
            "edges has no rows: pass nodes= to make a connectome of isolated nodes"
        )
    return np.union1d(pre_ids, post_ids)


def _as_nodes(nodes):
    """Turn the ids of the nodes into an array, and refuse none at all or repeats."""
    ids = as_ids(nodes, "nodes")
    if ids.size == 0:
        raise ValueError("nodes must name at least one node, got none")
    check_unique(ids, "nodes")
    return ids


def _positions(end_ids, ids, column):
    """Find the nodes at one end of the edges; refuse unknown ones."""
    check_same_kind(end_ids, f"column {column!r}", ids, "nodes")
    positions = find_ids(end_ids, ids)
    unknown = end_ids[positions < 0]
    if unknown.size:
        raise ValueError(
            f"edges must join nodes, but {unknown.size} of the {end_ids.size} ids in "
            f"column {column!r} are not in nodes: {some(unknown)}"
        )
    return positions.astype(np.int32 if len(ids) < 2**31 else np.int64)
