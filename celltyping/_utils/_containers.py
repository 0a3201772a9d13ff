"""Kinds of X: DataFrames, and containers of data that are no tables."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np

from celltyping._utils._messages import list_names

# Containers by package and class: what to pass instead.
_EXPRESSION = (
    "pass its expression, adata.X, or pass two annotated experiments to "
    "celltyping.transfer_labels, which aligns their genes"
)
_CONTAINERS = {
    ("anndata", "AnnData"): _EXPRESSION,
    ("anndata", "Raw"): _EXPRESSION,
    ("mudata", "MuData"): "pass the expression of a modality, such as mdata['rna'].X",
    ("networkx", "Graph"): "celltyping.Connectome.from_networkx converts a graph",
}


def is_frame(X):
    """Return whether X is a pandas DataFrame, without importing pandas."""
    return hasattr(X, "iloc") and hasattr(X, "columns")


def is_sparse_frame(X):
    """Return whether X is a pandas DataFrame in which every column is sparse."""
    # Not X.sparse, which may be a column of that name.
    kinds = {type(dtype).__name__ for dtype in X.dtypes} if is_frame(X) else set()
    return kinds == {"SparseDtype"}


def is_number(value):
    """Return whether `float` accepts a value."""
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def refuse_container(X, name="X"):
    """Raise if X is an AnnData, MuData or networkx graph.

    numpy would take minutes to find out that it cannot convert them, so this comes
    before any other validation.
    """
    for kind in type(X).__mro__:
        way_on = _CONTAINERS.get((kind.__module__.partition(".")[0], kind.__name__))
        if way_on:
            raise TypeError(
                f"{name} must be an array, a sparse matrix or a DataFrame, got "
                f"{type(X).__name__}: {way_on}"
            )


def refuse_non_numeric(X, name="X"):
    """Raise if X is a container, or a DataFrame with text: X must hold numbers."""
    refuse_container(X, name)
    if not is_frame(X):
        return
    examples = {}
    for position, dtype in enumerate(X.dtypes):
        if getattr(dtype, "kind", "O") not in "biufcmM":
            for value in np.asarray(X.iloc[:, position]):
                if isinstance(value, str) and not is_number(value):
                    examples[X.columns[position]] = value
                    break
    if examples:
        column, value = next(iter(examples.items()))
        raise ValueError(
            f"{name} must hold numbers, but {len(examples)} of its {X.shape[1]} "
            f"columns contain text: {list_names(list(examples))}, such as {value!r} "
            f"in {column!r}. Pass the others alone, such as X.select_dtypes('number')"
        )
