"""Nearest neighbours of the rows of a table, exact where that takes seconds."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
from scipy import sparse
from sklearn.neighbors import VALID_METRICS, VALID_METRICS_SPARSE, NearestNeighbors

from celltyping._utils._optional import import_optional

# Up to so many products (rows * rows * features) all pairs are compared: 60,000 rows
# of 50 features take some 20 seconds on two cores, which is about where an approximate
# search, with its compilation and its errors, starts to pay.
MAX_PRODUCTS = 2e11

# What pynndescent calls otherwise.
ALIASES = {"cityblock": "manhattan"}

# Metrics that are nothing without a parameter, and what it is.
NEEDED = {"mahalanobis": "V, a covariance matrix", "seuclidean": "V, the variances"}


def nearest_neighbors(
    X, n_neighbors, *, metric="euclidean", metric_params=None, random_state, n_jobs=None
):
    """Find the nearest other rows of every row.

    Parameters
    ----------
    X : {ndarray, csr_array} of shape (n_samples, n_features)
        The table.
    n_neighbors : int
        Number of neighbours, a row itself not counted.
    metric : str or callable, default="euclidean"
        A distance that :class:`sklearn.neighbors.NearestNeighbors` knows, but not
        "precomputed", or a function of two rows.
    metric_params : dict, default=None
        More arguments of the metric, such as ``{"p": 3}`` for "minkowski".
    random_state : int, RandomState instance or None
        Seed of the approximate search.
    n_jobs : int, default=None
        Number of threads of the exact search, see
        :class:`sklearn.neighbors.NearestNeighbors`; "euclidean" takes all cores.

    Returns
    -------
    indices : ndarray of shape (n_samples, n_neighbors), dtype=int32
        Neighbours by rising distance, never the row itself.
    distances : ndarray of shape (n_samples, n_neighbors), dtype=float32
        Their distances.

    Raises
    ------
    ValueError
        If there are too few rows, the metric is unknown or lacks a parameter, or a
        distance is not finite.
    ImportError
        If the table is too large for an exact search and pynndescent is missing.

    Notes
    -----
    The search is exact up to `MAX_PRODUCTS`, and where pynndescent lacks the metric. A
    larger table goes to pynndescent, to which a function must come compiled by numba.
    It runs on one thread, because its result depends on their number.

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping.transformers._embedding.neighbors import nearest_neighbors
    >>> indices, distances = nearest_neighbors(
    ...     np.array([[0.0], [1.0], [3.0]]), 1, random_state=0
    ... )
    >>> indices.ravel()
    array([1, 0, 1], dtype=int32)
    """
    n_samples, n_features = X.shape
    metric_params = dict(metric_params or {})
    _check(X, n_neighbors, metric, metric_params)
    if n_samples**2 * n_features > MAX_PRODUCTS and _has_approximate_search(
        metric, metric_params
    ):
        indices, distances = _search_approximately(
            X, n_neighbors, metric, metric_params, random_state
        )
        left = np.flatnonzero((indices < 0).any(axis=1))
        if len(left):
            indices[left], distances[left] = _search_rows_exactly(
                X, left, n_neighbors, metric, metric_params, n_jobs
            )
    else:
        search = _fit_exact_search(X, n_neighbors, metric, metric_params, n_jobs)
        distances, indices = search.kneighbors()
    if not np.isfinite(distances).all():
        raise ValueError(
            f"metric={metric!r} gives distances that are not finite, such as "
            f"{distances[~np.isfinite(distances)][0]}: X may hold rows that it is not "
            "defined for, or numbers that are too large"
        )
    return indices.astype(np.int32), distances.astype(np.float32)


def _check(X, n_neighbors, metric, metric_params):
    """Check that there are enough rows and that the metric is known."""
    n_samples = X.shape[0]
    if n_neighbors >= n_samples:
        raise ValueError(
            f"n_neighbors ({n_neighbors}) must be less than the number of rows in X "
            f"({n_samples})"
        )
    valid = VALID_METRICS_SPARSE if sparse.issparse(X) else VALID_METRICS
    allowed = sorted(set(valid["brute"]) - {"precomputed"})
    if not callable(metric) and metric not in allowed:
        kind = "sparse" if sparse.issparse(X) else "dense"
        raise ValueError(
            f"metric ({metric!r}) must be a function or, for a {kind} X, one of "
            f"{', '.join(allowed)}"
        )
    if not callable(metric) and metric in NEEDED and not metric_params:
        raise ValueError(
            f"metric ({metric!r}) needs metric_params: {NEEDED[metric]} of the features"
        )


def _has_approximate_search(metric, metric_params):
    """Tell whether pynndescent knows the metric as scikit-learn does."""
    if callable(metric):
        if hasattr(metric, "py_func"):
            return True
        raise ValueError(
            f"metric ({metric!r}) must be compiled by numba.njit, since X is too large "
            "for an exact search"
        )
    if not metric_params.keys() <= {"p"}:
        return False
    pynndescent = _import_pynndescent()
    return ALIASES.get(metric, metric) in pynndescent.distances.named_distances


def _import_pynndescent():
    """Import pynndescent, or say how to install it."""
    return import_optional(
        "pynndescent", extra="nn", needed_by="a neighbour search in a large table"
    )


def _search_approximately(X, n_neighbors, metric, metric_params, random_state):
    """Search by nearest neighbour descent; -1 where it finds too few."""
    index = _import_pynndescent().NNDescent(
        X,
        metric=metric if callable(metric) else ALIASES.get(metric, metric),
        metric_kwds=metric_params,
        n_neighbors=n_neighbors + 1,
        random_state=random_state,
        n_jobs=1,  # its result depends on the number of threads
    )
    indices, distances = index.neighbor_graph
    return _leave_out_self(np.arange(len(indices)), indices, distances)


def _fit_exact_search(X, n_neighbors, metric, metric_params, n_jobs):
    """Prepare an exact search among the rows of a table."""
    params = {key: value for key, value in metric_params.items() if key != "p"}
    return NearestNeighbors(
        n_neighbors=n_neighbors,
        algorithm="brute",
        metric=metric,
        p=metric_params.get("p", 2),
        metric_params=params or None,
        n_jobs=n_jobs,
    ).fit(X)


def _search_rows_exactly(X, rows, n_neighbors, metric, metric_params, n_jobs):
    """Search the neighbours of some rows among all."""
    search = _fit_exact_search(X, n_neighbors + 1, metric, metric_params, n_jobs)
    distances, indices = search.kneighbors(X[rows])
    return _leave_out_self(rows, indices, distances)


def _leave_out_self(rows, indices, distances):
    """Drop each row from its own neighbours; the last one where it is not there.

    Of more duplicates than neighbours, a search may not list the row itself.
    """
    dropped = indices == rows[:, np.newaxis]
    dropped[~dropped.any(axis=1), -1] = True
    shape = len(rows), indices.shape[1] - 1
    return indices[~dropped].reshape(shape), distances[~dropped].reshape(shape)
