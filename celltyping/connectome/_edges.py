"""Graphs from tables of edges and from networkx."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numbers
import warnings
from collections.abc import Hashable

import numpy as np
from scipy import sparse

from celltyping._utils._containers import is_frame, is_number
from celltyping._utils._messages import list_names
from celltyping._utils._warnings import find_stack_level
from celltyping.connectome._graph import Graph
from celltyping.connectome._ids import (
    as_column,
    as_ids,
    check_option,
    check_same_kind,
    check_unique,
    factorize_ids,
    locate_ids,
)

# If all other ids are at least this large, neurons are not numbered from 0.
_FIRST_ID = 1000


def graph_from_edges(
    edges,
    *,
    pre,
    post,
    weight,
    nodes=None,
    other_ids="raise",
    min_weight=None,
    node_features=None,
):
    """Build a graph from a table; see `Connectome.from_edges`."""
    _check_min_weight(min_weight)
    check_option(other_ids, "other_ids", ["raise", "drop"])
    edges = _with_index(edges, weight)
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
    unknown = {
        "advice": "; other_ids='drop' leaves out their rows",
        "allow_unknown": other_ids == "drop",
    }
    pre_positions = locate_ids(pre_ids, pre_name, ids, "nodes", **unknown)
    post_positions = locate_ids(post_ids, post_name, ids, "nodes", **unknown)
    rows = pre_positions.astype(index_dtype)[pre_codes]
    cols = post_positions.astype(index_dtype)[post_codes]
    if np.any(pre_positions < 0) or np.any(post_positions < 0):
        keep = (rows >= 0) & (cols >= 0)
        if not keep.any():
            raise ValueError("other_ids='drop' leaves out all rows of edges")
        rows, cols, weights = rows[keep], cols[keep], weights[keep]
    _warn_of_background(ids, rows, cols)
    adjacency = sparse.coo_array((weights, (rows, cols)), shape=(len(ids), len(ids)))
    return Graph(adjacency, ids, node_features, min_weight=min_weight)


def edges_of_networkx(graph, weight):
    """Return columns pre, post and weight; undirected edges in both directions."""
    if not (hasattr(graph, "is_directed") and hasattr(graph, "edges")):
        raise TypeError(
            f"graph must be a networkx graph, got {type(graph).__name__}; use "
            "Connectome(adjacency) for a matrix and from_edges for a table"
        )
    if not (weight is None or (isinstance(weight, str) and weight == "weight")):
        _check_attribute(graph, weight)
    triples = [
        (pre, post, 1 if weight is None else attributes.get(weight, 1))
        for pre, post, attributes in graph.edges(data=True)
    ]
    if not graph.is_directed():
        triples += [(post, pre, w) for pre, post, w in triples if pre != post]
    names = enumerate(["pre", "post", "weight"])
    return {name: [triple[i] for triple in triples] for i, name in names}


def _check_attribute(graph, weight):
    """Raise an error if no edge of a networkx graph has an attribute."""
    if not isinstance(weight, Hashable):
        raise TypeError(f"weight must be a name or None, got {type(weight).__name__}")
    names = {name for _, _, attributes in graph.edges(data=True) for name in attributes}
    if weight not in names and graph.number_of_edges():
        raise ValueError(
            f"weight must name an attribute of edges, got {weight!r}; they have "
            f"{list_names(sorted(names, key=str)) or 'none'}"
        )


def check_names(pre, post, weight):
    """Return the names of the columns; raise an error unless they are and differ."""
    names = {"pre": pre, "post": post} | ({} if weight is None else {"weight": weight})
    check_are_names(**names)
    if len(set(names.values())) < len(names):
        raise ValueError(f"pre, post and weight must be different columns, got {names}")
    return list(names.values())


def check_are_names(**names):
    """Raise a TypeError unless the values of these parameters can name columns."""
    for parameter, name in names.items():
        if name is None or not isinstance(name, Hashable):
            raise TypeError(
                f"{parameter} must be the name of a column, got a "
                f"{type(name).__name__}: pass arrays as "
                "from_edges({'pre': ..., 'post': ..., 'weight': ...})"
            )


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
    wanted = check_names(pre, post, weight)
    repeated = [name for name in wanted if available.count(name) > 1]
    if repeated:
        raise ValueError(f"{table} has several columns named {repeated[0]!r}")
    lacking = [repr(name) for name in wanted if name not in available]
    if lacking:
        columns = "column" if len(lacking) == 1 else "columns"
        advice = "name the columns with pre=, post= and weight="
        if repr(weight) in lacking:
            advice += " (weight=None counts rows)"
        # The first line of another kind of file may be one long name.
        found = ", ".join(repr(name)[:80] for name in available[:50])
        raise ValueError(
            f"{table} lacks the {columns} {', '.join(lacking)}; it has "
            f"{found or 'none'}: {advice}"
        )


def _with_index(edges, weight):
    """Turn named levels of the index, as after groupby, into columns."""
    names = getattr(getattr(edges, "index", None), "names", None)
    if names is None or not hasattr(edges, "reset_index"):
        return edges
    if not hasattr(edges, "columns"):  # a Series of weights
        unnamed = edges.name is None and weight is not None
        edges = edges.to_frame(weight if unnamed else edges.name)
    levels = [name for name in names if name is not None and name not in edges.columns]
    return edges.reset_index(levels) if levels else edges


def _column_names(edges):
    """Return the names of the columns of any supported table."""
    attributes = ("column_names", "columns")  # pyarrow; pandas and polars
    for attribute in attributes[is_frame(edges) :]:
        if hasattr(edges, attribute):
            return list(getattr(edges, attribute))
    if hasattr(edges, "keys"):
        return list(edges.keys())
    names = getattr(getattr(edges, "dtype", None), "names", None)
    if names is None:
        raise TypeError(
            "edges must be a DataFrame, a dict of arrays or another table with named "
            f"columns, got {type(edges).__name__}; Connectome(adjacency) takes a "
            "matrix, from_networkx a networkx graph and read_edges a file"
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
            try:
                weights = weights.astype(np.float64)
            except OverflowError as exc:
                raise ValueError(f"{name} must fit into float64: {exc}") from exc
        else:
            found = ", ".join(sorted(kind.__name__ for kind in kinds))
            text = [weight for weight in weights if isinstance(weight, str)]
            odd = [value for value in text if not is_number(value)] or text
            example = f" such as {odd[0]!r}" if odd else ""
            raise TypeError(f"{name} must hold numbers, got {found}{example}")
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


def _warn_of_background(ids, rows, cols):
    """Warn if the id 0 looks like the background of a segmentation."""
    is_text = ids.dtype.kind == "U"
    is_zero = ids == ("0" if is_text else 0)
    others = ids[~is_zero]
    if not (is_zero.any() and others.size):
        return
    sizes = np.strings.str_len(others) if is_text else np.abs(others)
    if sizes.min() >= (len(str(_FIRST_ID)) if is_text else _FIRST_ID):
        zero = np.flatnonzero(is_zero)[0]
        n_rows = np.count_nonzero((rows == zero) | (cols == zero))
        warnings.warn(
            f"{n_rows} of the {len(rows)} rows of edges have the id 0, which is the "
            "background in segmentations: leave these rows out unless 0 is a neuron, "
            "or pass the neurons as nodes= with other_ids='drop'",
            UserWarning,
            stacklevel=find_stack_level(),
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
