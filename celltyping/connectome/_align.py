"""Types by id, put into the order of the nodes."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numbers
from collections.abc import Mapping

import numpy as np

from celltyping._utils._labels import UNKNOWN, is_missing
from celltyping.connectome._ids import as_column, as_ids, check_unique


def align_labels(labels, graph, indices, missing="auto"):
    """Put types by id into the order of the nodes in view.

    Parameters
    ----------
    labels : Series or dict
        Types by id.
    graph : Graph
        The graph that all ids must be in.
    indices : ndarray of shape (n_view,), dtype=intp
        Positions in the graph of the nodes in view.
    missing : scalar, default="auto"
        What to write for an unknown type; "auto": "?" among strings, -1 among integers.

    Returns
    -------
    y : ndarray of shape (n_view,)
        One type per node in view.

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping.connectome._align import align_labels
    >>> from celltyping.connectome._graph import Graph
    >>> graph = Graph([[0, 3], [1, 0]], node_ids=["a", "b"])
    >>> align_labels({"b": "KC"}, graph, np.array([1, 0]))
    array(['KC', '?'], dtype=object)
    """
    ids, types = _split_labels(labels)
    positions = graph.find(ids, "labels")
    known = ~is_missing(types)
    types = _as_types(types[known])
    if isinstance(missing, str) and missing == "auto":
        missing = UNKNOWN if types.dtype == object else -1
    fits = isinstance(missing, numbers.Integral) and not isinstance(missing, bool)
    y = np.full(graph.n_nodes, missing, dtype=types.dtype if fits else object)
    y[positions[known]] = types
    is_known = np.zeros(graph.n_nodes, dtype=bool)
    is_known[positions[known]] = True
    y, is_known = y[indices], is_known[indices]
    _check_not_binary(y, missing, is_known)
    return y


def _split_labels(labels):
    """Split types by id into the ids and the types."""
    if isinstance(labels, Mapping):
        ids, types = list(labels), list(labels.values())
    elif hasattr(labels, "index") and hasattr(labels, "to_numpy"):
        ids, types = labels.index, labels
    else:
        raise TypeError(
            f"labels must be a Series or a dict by id, got {type(labels).__name__}"
        )
    ids = as_ids(ids, "the ids of labels")
    check_unique(ids, "the ids of labels")
    return ids, as_column(types, "labels")


def _as_types(types):
    """Turn known types into int64 or an object array of strings."""
    if types.dtype == object and types.size == 0:
        return types
    # The rule for ids is right for types too: all strings or all integers, and floats
    # where they are integers that pandas had to put beside a NaN.
    types = as_ids(types, "labels")
    return types.astype(object) if types.dtype.kind == "U" else types


def _check_not_binary(y, missing, is_known):
    """Refuse -1 for unknown where y would then hold -1 and 1 alone.

    scikit-learn takes that for a binary problem, and so do the estimators here.
    """
    n_unknown = np.count_nonzero(~is_known)
    if y.dtype == object or missing != -1 or n_unknown == 0:
        return
    if 1 in y[is_known] and np.isin(y, [-1, 1]).all():
        raise ValueError(
            f"labels holds no types but 1 and -1, so that -1 for the {n_unknown} "
            "unknown nodes would make a binary problem of it: name the types with "
            "strings, or choose another missing="
        )
