"""Alignment of types by id with the nodes in view."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from collections.abc import Hashable, Mapping

import numpy as np

from celltyping._utils._containers import is_frame
from celltyping._utils._labels import UNKNOWN, is_unlabeled
from celltyping._utils._validation import is_integer
from celltyping.connectome._ids import (
    as_column,
    as_exact,
    as_ids,
    check_option,
    check_unique,
)


def align_labels(labels, graph, indices, missing="auto", unknown_ids="raise"):
    """Return the types of the nodes in view; see `Connectome.align`.

    Parameters
    ----------
    labels : Series or dict
        Types by id.
    graph : Graph
        Graph that contains all the ids.
    indices : ndarray of shape (n_view,), dtype=intp
        Positions in the graph of the nodes in view.
    missing : scalar, default="auto"
        Value for an unknown type.
    unknown_ids : {"raise", "ignore"}, default="raise"
        What to do with ids that are not in the graph.

    Returns
    -------
    y : ndarray of shape (n_view,), dtype=object or int64
        Type of each node in view.
    """
    check_option(unknown_ids, "unknown_ids", ["raise", "ignore"])
    if not isinstance(missing, Hashable) or np.ndim(missing) > 0:
        raise TypeError(f"missing must be a scalar, got {missing!r}")
    ids, types = _split_labels(labels)
    positions = graph.find(
        ids,
        "labels",
        advice="; unknown_ids='ignore' leaves them out",
        allow_unknown=unknown_ids == "ignore",
    )
    known = ~is_unlabeled(types, None) & (positions >= 0)
    types = _as_types(types[known])
    if isinstance(missing, str) and missing == "auto":
        missing = UNKNOWN if types.dtype == object else -1
    fits = is_integer(missing) and -(2**63) <= missing < 2**63
    y = np.full(graph.n_nodes, missing, dtype=types.dtype if fits else object)
    y[positions[known]] = types
    y = y[indices]
    _check_not_binary(y, missing, is_known=np.isin(indices, positions[known]))
    return y


def _split_labels(labels):
    """Return the ids and the types of a Series or dict."""
    if isinstance(labels, Mapping):
        ids, types = list(labels), list(labels.values())
    elif hasattr(labels, "index") and hasattr(labels, "to_numpy"):
        ids, types = labels.index, labels
    else:
        raise TypeError(
            f"labels must be a Series or a dict by id, got {type(labels).__name__}"
        )
    if is_frame(labels):
        raise TypeError(
            "labels must be a Series or a dict by id, got a DataFrame: pass the column "
            "with the types, such as table.set_index('id')['type']"
        )
    ids = as_ids(ids, "the ids of labels")
    check_unique(
        ids,
        "the ids of labels",
        "; labels[~labels.index.duplicated()] keeps the first of each",
    )
    return ids, as_column(types, "labels")


def _as_types(types):
    """Convert known types to int64 or to an object array of strings."""
    if types.dtype == object and types.size == 0:
        return types
    # Types follow the rule for ids: all strings or all integers, and floats only where
    # pandas converted integers to floats to hold a NaN.
    types = as_exact(types, "labels")
    return types.astype(object) if types.dtype.kind == "U" else types


def _check_not_binary(y, missing, is_known):
    """Raise a ValueError if -1 for unknown makes `y` look like a binary problem."""
    n_unknown = np.count_nonzero(~is_known)
    if y.dtype == object or missing != -1 or n_unknown == 0:
        return
    if 1 in y[is_known] and np.isin(y, [-1, 1]).all():
        raise ValueError(
            f"labels holds only the types 1 and -1, so that -1 for the {n_unknown} "
            "unknown nodes would look like a binary problem: use strings as types, or "
            "another value of missing="
        )
