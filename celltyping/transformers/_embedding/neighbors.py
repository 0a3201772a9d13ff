"""Nearest neighbours of the rows of a table, and their fuzzy graph."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import warnings
from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.metrics.pairwise import PAIRWISE_BOOLEAN_FUNCTIONS
from sklearn.neighbors import VALID_METRICS, VALID_METRICS_SPARSE, NearestNeighbors
from sklearn.utils import check_consistent_length

from celltyping._kernels._fuzzy import search_bandwidths
from celltyping._utils._labels import encode_types
from celltyping._utils._optional import import_optional
from celltyping._utils._validation import (
    LARGEST_SINGLE,
    canonical_sparse,
    check_magnitude,
)
from celltyping._utils._warnings import find_stack_level
from celltyping.transformers._embedding.distances import check_distances, nearest_given
from celltyping.transformers._embedding.sharing import find_blank, largest_distance

# Maximum number of products (rows * rows * features) at which all pairs are compared:
# 60,000 rows of 50 features take some 20 seconds on two cores, which is about where an
# approximate search, with its compilation and its errors, starts to pay.
MAX_PRODUCTS = 2e11

# Names of metrics in pynndescent that differ.
ALIASES = {"cityblock": "manhattan"}

# Metrics that need a parameter, and which.
NEEDED = {"mahalanobis": "V, a covariance matrix", "seuclidean": "V, the variances"}

# A bandwidth is at least this part of the mean distance, as in UMAP.
LEAST_BANDWIDTH = 1e-3

# Entries between rows of different types shrink by exp(-2.5 / (1 - target_weight)),
# with target_weight 1 to nothing; those with a row of unknown type by exp(-1).
FAR = 2.5
INFINITELY_FAR = 1e12
UNKNOWN = 1.0


class NeighborGraph(NamedTuple):
    """Nearest neighbours and their fuzzy graph.

    Parameters
    ----------
    indices, distances : ndarray of shape (n_samples, n_neighbors)
        Neighbours of each sample by rising distance, without the sample itself; -1
        and infinite where there is none.
    weights : csr_array of shape (n_samples, n_samples), dtype=float32
        The fuzzy graph.
    memberships : csr_array of shape (n_samples, n_samples), dtype=float32
        The fuzzy graph before it was supervised.
    """

    indices: np.ndarray
    distances: np.ndarray
    weights: sparse.csr_array
    memberships: sparse.csr_array


def build_graph(
    X, *, n_neighbors, neighbor_graph=None, codes=None, target_weight=0.0, **search
):
    """Build the fuzzy graph of samples.

    Parameters
    ----------
    X : {ndarray, csr_array} of shape (n_samples, n_features)
        The table in which neighbours are searched.
    n_neighbors : int
        Number of neighbours; fewer, with a warning, if there are not as many samples.
    neighbor_graph : sparse matrix of shape (n_samples, n_samples), default=None
        Distances to the neighbours, instead of a search.
    codes : ndarray of shape (n_samples,), default=None
        Types as integers, -1 where unknown. None: the graph is not supervised.
    target_weight : float, default=0.0
        Weight of the types, see `supervise`.
    **search
        More arguments of `nearest_neighbors`.

    Returns
    -------
    graph : NeighborGraph
        The neighbours and the graph.

    Raises
    ------
    ValueError
        If the types leave no edge in the graph.
    """
    if neighbor_graph is not None:
        if isinstance(search["metric"], str) and search["metric"] == "precomputed":
            raise ValueError(
                "neighbor_graph and metric='precomputed' are two ways to pass distances"
                ": pass the table as X, or the graph as X alone"
            )
        X = _read_neighbor_graph(neighbor_graph, X.shape[0])
        search["metric"] = "precomputed"
    n_neighbors = limit_n_neighbors(n_neighbors, X.shape[0])
    indices, distances = nearest_neighbors(X, n_neighbors, **search)
    memberships = weights = fuzzy_graph(indices, distances)
    if codes is not None:
        weights = supervise(weights, codes, target_weight)
        if weights.nnz == 0:
            raise ValueError(
                "no two neighbours have the same type in y, so that "
                f"target_weight={target_weight} leaves no edge in the graph: lower it"
            )
    return NeighborGraph(indices, distances, weights, memberships)


def encode_target(X, y, unlabeled_marker, target_weight):
    """Return types as integers, -1 if unknown, or None if `target_weight` is 0.

    `X` is only compared in length with `y`, which may be None.
    """
    if y is None:
        return None
    check_consistent_length(X, y)
    if target_weight == 0:
        return None
    try:
        return encode_types(y, unlabeled_marker, caller="NUMAP", min_types=1)[1]
    except ValueError as exc:
        raise ValueError(f"{exc}; NUMAP(target_weight=0) ignores y") from exc


def limit_n_neighbors(n_neighbors, n_samples):
    """Return the number of neighbours that there are, with a warning if it is less."""
    if n_neighbors < n_samples:
        return n_neighbors
    warnings.warn(
        f"n_neighbors ({n_neighbors}) must be less than the number of samples in X "
        f"({n_samples}): {n_samples - 1} are used",
        UserWarning,
        stacklevel=find_stack_level(),
    )
    return n_samples - 1


def nearest_neighbors(
    X, n_neighbors, *, metric="euclidean", metric_params=None, random_state, n_jobs=None
):
    """Find the nearest other rows of every row.

    Parameters
    ----------
    X : {ndarray, csr_array} of shape (n_samples, n_features)
        The table, or the distances of all samples if the metric is "precomputed".
    n_neighbors : int
        Number of neighbours without the row itself, less than the number of rows.
    metric : str or callable, default="euclidean"
        A distance that :class:`sklearn.neighbors.NearestNeighbors` knows, or a function
        of two rows.
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
        Neighbours by rising distance, never the row itself; -1 where there are no
        more, since a row at the maximum of a bounded metric is no neighbour.
    distances : ndarray of shape (n_samples, n_neighbors), dtype=float32
        Their distances, infinite where there is no neighbour.

    Raises
    ------
    ValueError
        If the metric is unknown or lacks a parameter, or a distance is not finite.
    ImportError
        If the table is too large for an exact search and pynndescent is missing.

    Notes
    -----
    The search is exact up to `MAX_PRODUCTS`, and where pynndescent lacks the metric. A
    larger table goes to pynndescent, to which a function must come compiled by numba.
    It runs on one thread, because its result depends on their number.
    """
    if isinstance(metric, str) and metric == "precomputed":
        indices, distances = nearest_given(X, n_neighbors, between_fitted=True)
        return indices, distances.astype(np.float32)
    metric_params = dict(metric_params or {})
    _check_metric(X, metric, metric_params)
    options = {"metric": metric, "metric_params": metric_params}
    options |= {"random_state": random_state, "n_jobs": n_jobs}
    blank = find_blank(X, metric)
    if blank.any():
        indices, distances = _search_apart(X, n_neighbors, blank, **options)
    else:
        indices, distances = _search(X, n_neighbors, **options)
    absent = distances >= np.float32(largest_distance(X, metric))
    indices[absent], distances[absent] = -1, np.inf
    return indices, distances


def _search_apart(X, n_neighbors, blank, **options):
    """Search neighbours of rows of which some, `blank`, are only like one another.

    These are equal: each is at distance 0 from the next ones in a ring.
    """
    shape = X.shape[0], n_neighbors
    indices, distances = (
        np.full(shape, -1, np.int32),
        np.full(shape, np.inf, np.float32),
    )
    rows, own = np.flatnonzero(~blank), np.flatnonzero(blank)
    n_found = min(n_neighbors, len(rows) - 1)
    if n_found > 0:
        found, values = _search(X[rows], n_found, **options)
        indices[rows, :n_found], distances[rows, :n_found] = rows[found], values
    n_equal = min(n_neighbors, len(own) - 1)
    ring = np.arange(len(own))[:, np.newaxis] + np.arange(1, n_equal + 1)
    indices[own, :n_equal], distances[own, :n_equal] = own[ring % len(own)], 0.0
    return indices, distances


def _search(X, n_neighbors, *, metric, metric_params, random_state, n_jobs):
    """Search the nearest other rows of every row, see `nearest_neighbors`."""
    n_samples, n_features = X.shape
    if metric in PAIRWISE_BOOLEAN_FUNCTIONS and np.isin(X, (0, 1)).all():
        X = X.astype(bool)  # or scikit-learn would, with a warning
    exact = NearestNeighbors(
        n_neighbors=n_neighbors,
        algorithm="brute",
        metric=metric,
        p=metric_params.get("p", 2),
        metric_params={k: v for k, v in metric_params.items() if k != "p"} or None,
        n_jobs=n_jobs,
    )
    if n_samples**2 * n_features > MAX_PRODUCTS and _has_approximate_search(
        metric, metric_params
    ):
        indices, distances = _search_approximately(
            X, n_neighbors, metric, metric_params, random_state
        )
        left = np.flatnonzero((indices < 0).any(axis=1))
        if len(left):
            found = exact.fit(X).kneighbors(X[left], n_neighbors + 1)
            indices[left], distances[left] = _leave_out_self(left, *reversed(found))
    else:
        distances, indices = exact.fit(X).kneighbors()
    with np.errstate(over="ignore"):  # refused here
        distances = distances.astype(np.float32)
    if not np.isfinite(distances).all():
        raise ValueError(
            f"metric={metric!r} gives distances that are not finite, such as "
            f"{distances[~np.isfinite(distances)][0]}: X may hold rows that it is not "
            "defined for, or numbers that are too large"
        )
    return indices.astype(np.int32), distances


def _check_metric(X, metric, metric_params):
    """Check that the metric is known and has its parameters."""
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
    """Return whether pynndescent has the metric as scikit-learn does."""
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
    """Import pynndescent, or name the extra that installs it."""
    return import_optional(
        "pynndescent", extra="nn", needed_by="a neighbour search in a large table"
    )


def _search_approximately(X, n_neighbors, metric, metric_params, random_state):
    """Search by nearest neighbour descent; missing neighbours are -1."""
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


def _leave_out_self(rows, indices, distances):
    """Drop each row from its own neighbours; the last one where it is not there.

    Of more duplicates than neighbours, a search may not list the row itself.
    """
    dropped = indices == rows[:, np.newaxis]
    dropped[~dropped.any(axis=1), -1] = True
    shape = len(rows), indices.shape[1] - 1
    return indices[~dropped].reshape(shape), distances[~dropped].reshape(shape)


def _read_neighbor_graph(neighbor_graph, n_samples):
    """Check a sparse matrix of distances to the neighbours of each sample."""
    if not sparse.issparse(neighbor_graph):
        raise ValueError(
            "neighbor_graph must be a sparse matrix of distances, as "
            "sklearn.neighbors.kneighbors_graph(X, 15, mode='distance') makes it, got "
            f"{type(neighbor_graph).__name__}; pass a dense one as X with "
            "metric='precomputed'"
        )
    if neighbor_graph.shape != (n_samples, n_samples):
        raise ValueError(
            f"neighbor_graph must have shape {n_samples, n_samples}, a row for each "
            f"sample of X, got {neighbor_graph.shape}"
        )
    graph = canonical_sparse(neighbor_graph, "neighbor_graph")
    check_distances(graph, "neighbor_graph", between_fitted=True)
    check_magnitude(graph, "NUMAP", LARGEST_SINGLE, name="neighbor_graph")
    return graph


def smooth_distances(distances):
    """Compute the offset and the bandwidth of each row's memberships.

    Distances, of shape (n_samples, n_neighbors), are ascending and without the row
    itself, infinite where there is no neighbour. The offset is the smallest positive
    one, 0 without. With the bandwidth, the memberships
    exp(-max(0, distance - offset) / bandwidth) of a row sum to log2 of the number of
    its neighbours, unless that takes a bandwidth under a thousandth of the mean
    distance.
    """
    positive = np.where(distances > 0.0, distances, np.inf)
    rho = positive.min(axis=1).astype(np.float64)
    rho[np.isinf(rho)] = 0.0
    present = np.isfinite(distances)
    counts = np.maximum(present.sum(axis=1), 1)
    sigma = search_bandwidths(distances, rho, np.log2(counts))
    means = np.where(present, distances, 0.0).sum(axis=1, dtype=np.float64) / counts
    means = np.where(rho > 0.0, means, means.mean())
    return rho, np.maximum(sigma, LEAST_BANDWIDTH * means)


def fuzzy_graph(indices, distances):
    """Unite the fuzzy neighbourhoods of all rows: UMAP's fuzzy simplicial set.

    Indices and ascending distances of the neighbours, without the row itself, are of
    shape (n_samples, n_neighbors), -1 and infinite where there is none. The graph is a
    symmetric csr_array, dtype=float32, with memberships between 0 and 1 and nothing on
    the diagonal.
    """
    rho, sigma = smooth_distances(distances)
    beyond = np.maximum(distances - rho[:, np.newaxis], 0.0)
    # A bandwidth is 0 only where all distances are.
    sigma[sigma == 0.0] = 1.0
    memberships = np.exp(-beyond / sigma[:, np.newaxis]).astype(np.float32)
    return _unite(table_of_neighbors(indices, memberships))


def table_of_neighbors(indices, values):
    """Return values of neighbours, both of shape (n_samples, n_neighbors), as CSR.

    Entries whose index is -1 are left out.
    """
    present = indices >= 0
    ptr = np.append(0, np.cumsum(present.sum(axis=1))).astype(np.int32)
    parts = values[present], indices[present].astype(np.int32), ptr
    return sparse.csr_array(parts, shape=(len(indices), len(indices)))


def _unite(directed):
    """Unite a directed fuzzy graph with its transpose: w + w' - w w'."""
    transpose = directed.T.tocsr()
    graph = sparse.csr_array(directed + transpose - directed * transpose)
    graph.data = np.minimum(graph.data, np.float32(1.0))  # rounding can pass it
    graph.eliminate_zeros()
    graph.sort_indices()
    return graph


def supervise(graph, codes, target_weight):
    """Weaken the edges between rows of different or unknown types.

    `codes` are the types as integers, -1 if unknown. Each row of the intersected graph
    is scaled such that its strongest entry is 1, and united with the transpose anew.
    """
    far = FAR / (1.0 - target_weight) if target_weight < 1.0 else INFINITELY_FAR
    rows = np.repeat(np.arange(graph.shape[0]), np.diff(graph.indptr))
    own, other = codes[rows], codes[graph.indices]
    factors = np.where(own == other, 1.0, np.exp(-far))
    factors[(own < 0) | (other < 0)] = np.exp(-UNKNOWN)
    weakened = graph.astype(np.float32, copy=True)
    weakened.data *= factors
    strongest = weakened.max(axis=1).toarray()[rows]
    weakened.data = np.divide(
        weakened.data, strongest, out=weakened.data, where=strongest > 0.0
    )
    return _unite(weakened)
