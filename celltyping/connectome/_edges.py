"""Graphs from tables of edges and from networkx."""

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
    locate_ids,
)


def graph_from_edges(
    edges, *, pre, post, weight, nodes=None, min_weight=None, node_features=None
):
    """Build a graph from a table; see `Connectome.from_edges`."""
    _check_min_weight(min_weight)
    check_columns(_column_names(edges), pre=pre, post=post, weight=weight)
    pre_name, post_name = f"column {pre!r}", f"column {post!r}"
    pre_codes, pre_ids = factorize_ids(edges[pre], pre_name)
    post_codes, post_ids = factorize_ids(edges[post], post_name)
    _check_lengths(pre_codes, pre, post_codes, post)
    check_same_kind(pre_ids, pre_name, post_ids, post_name)
    if weight is None:
        # uint8 is enough, because Graph sums in float64
        weights = np.ones(len(pre_codes), dtype=np.uint8)
    else:
        weights = _as_weights(edges[weight], f"column {weight!r}")
        _check_lengths(pre_codes, pre, weights, weight)
    ids = _union(pre_ids, post_ids) if nodes is None else _as_nodes(nodes)
    index_dtype = np.int32 if len(ids) < 2**31 else np.int64
    rows = locate_ids(pre_ids, pre_name, ids, "nodes").astype(index_dtype)[pre_codes]
    cols = locate_ids(post_ids, post_name, ids, "nodes").astype(index_dtype)[post_codes]
    adjacency = sparse.coo_array((weights, (rows, cols)), shape=(len(ids), len(ids)))
    return Graph(adjacency, ids, node_features, min_weight=min_weight)


def edges_of_networkx(graph, weight):
    """Return columns pre, post and weight; undirected edges in both directions."""
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
    names = enumerate(["pre", "post", "weight"])
    return {name: [triple[i] for triple in triples] for i, name in names}


def check_columns(available, *, pre, post, weight, table="edges"):
    """Raise a ValueError if a table lacks a column.

    Parameters
    ----------
    available : list of str
        Columns of the table.
    pre, post : str
        Columns with the ids.
    weight : str or None
        Column with the weights, if any.
    table : str, default="edges"
        Name of the table in the message.
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
    """Return the names of the columns of any supported table."""
    for attribute in ("column_names", "columns"):  # pyarrow; pandas and polars
        if hasattr(edges, attribute):
            return list(getattr(edges, attribute))
    if hasattr(edges, "keys"):
        return list(edges.keys())
    names = getattr(getattr(edges, "dtype", None), "names", None)
    if names is None:
        raise TypeError(
            "edges must be a DataFrame, a dict of arrays or another table with named "
            f"columns, got {type(edges).__name__}"
        )
    return list(names)


def _check_lengths(first, first_name, second, second_name):
    """Raise a ValueError if two columns have different lengths."""
    if len(first) != len(second):
        raise ValueError(
            f"the columns of edges must have equal lengths, got {len(first)} values in "
            f"{first_name!r} and {len(second)} in {second_name!r}"
        )


def _as_weights(column, name):
    """Convert a column to a numeric array."""
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
    """Raise an error unless `min_weight` is None or a nonnegative number."""
    if min_weight is None:
        return
    if not isinstance(min_weight, numbers.Real) or isinstance(min_weight, bool):
        raise TypeError(f"min_weight must be a number or None, got {min_weight!r}")
    if not 0 <= min_weight < np.inf:
        raise ValueError(
            f"min_weight must be finite and not negative, got {min_weight}"
        )


def _union(pre_ids, post_ids):
    """Return the sorted ids that occur in either column."""
    if not (pre_ids.size or post_ids.size):
        raise ValueError(
            "edges has no rows: pass nodes= for a connectome of isolated nodes"
        )
    return np.union1d(pre_ids, post_ids)


def _as_nodes(nodes):
    """Convert the node ids to an array; raise an error if empty or not unique."""
    ids = as_ids(nodes, "nodes")
    if ids.size == 0:
        raise ValueError("nodes must name at least one node, got none")
    check_unique(ids, "nodes")
    return ids
