"""Precomputed distances: nearest neighbours, and the map of new samples."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
from scipy import sparse
from sklearn.utils import gen_batches

# Distances that are sorted at once: 32 MB.
DISTANCES_AT_ONCE = 1 << 22


def check_distances(distances, name, *, between_fitted):
    """Raise a ValueError unless a matrix holds distances in scikit-learn's form.

    `name` is the argument's; `between_fitted` says that both rows and columns are the
    fitted samples.
    """
    is_sparse = sparse.issparse(distances)
    values = distances.data if is_sparse else distances
    if between_fitted and distances.shape[0] != distances.shape[1]:
        raise ValueError(
            f"{name} must be a square matrix of the distances between the samples, "
            f"got shape {distances.shape}"
        )
    wrong = values[~(np.isfinite(values) & (values >= 0))]
    if between_fitted:
        wrong = np.append(wrong, distances.diagonal()[distances.diagonal() > 0])
    if len(wrong):
        sign = "Negative values in data: " if wrong[0] < 0 else ""
        raise ValueError(
            f"{sign}{name} must hold distances: finite, at least 0, and 0 on the "
            f"diagonal, got {wrong[0]:g}; turn similarities, such as NBLAST scores, "
            "into distances, for instance 1 - scores"
        )
    if is_sparse and len(values) and np.all(values[values > 0] == 1) and values.any():
        raise ValueError(
            f"all distances stored in {name} are 1, which says who is near, but not "
            "how near; compute them with mode='distance' instead of 'connectivity'"
        )


# Parameters whose other values need features: a test of the value, and what passes it.
WITHOUT_FEATURES = {
    "solver": (lambda value: value != "minibatch", "'auto' or 'exact'"),
    "encoder": (lambda value: value is None, "None"),
    "decoder": (lambda value: value is False or value is np.False_, "False"),
    "n_anchors": (lambda value: value != 0, "'auto' or at least 1"),
    "metric_params": (lambda value: not value, "None"),
    "warm_start": (lambda value: not value, "False; continue from positions by init"),
    "init": (
        lambda value: not (isinstance(value, str) and value == "pca"),
        "'spectral', a GrEASE(metric='precomputed') or an array of positions",
    ),
}


def check_without_features(estimator):
    """Raise a ValueError if X holds distances and a parameter needs features."""
    if not (isinstance(estimator.metric, str) and estimator.metric == "precomputed"):
        return
    for name, (passes, allowed) in WITHOUT_FEATURES.items():
        value = getattr(estimator, name, None)
        if hasattr(estimator, name) and not passes(value):
            raise ValueError(
                "metric='precomputed' takes distances as X, which has no features: "
                f"{name} must be {allowed}, got {value!r:.80}"
            )


def nearest_given(distances, n_neighbors, *, between_fitted):
    """List the nearest columns of each row of a matrix of distances.

    Parameters
    ----------
    distances : {ndarray, sparse matrix} of shape (n_rows, n_columns)
        Distances. Of a sparse matrix only stored entries are distances, zeros too.
    n_neighbors : int
        Maximum number of columns.
    between_fitted : bool
        Whether rows and columns are the same samples; then the diagonal is left out.

    Returns
    -------
    indices : ndarray of shape (n_rows, n_listed), dtype=int32
        Columns by rising distance, -1 where a row has no more.
    distances : ndarray of shape (n_rows, n_listed), dtype=float64
        Their distances, infinite where there is none.
    """
    if sparse.issparse(distances):
        return _nearest_stored(distances, n_neighbors, between_fitted)
    n_columns = distances.shape[1]
    n_listed = min(n_neighbors, n_columns - between_fitted)
    found = []
    for rows in gen_batches(len(distances), max(DISTANCES_AT_ONCE // n_columns, 1)):
        block = np.array(distances[rows], dtype=np.float64)
        if between_fitted:
            block[np.arange(len(block)), np.arange(rows.start, rows.stop)] = np.inf
        near = np.argpartition(block, n_listed - 1, axis=1)[:, :n_listed]
        near = np.sort(near, axis=1)  # equal distances in the order of columns
        values = np.take_along_axis(block, near, axis=1)
        order = np.argsort(values, axis=1, kind="stable")
        found.append(
            [np.take_along_axis(part, order, axis=1) for part in (near, values)]
        )
    indices, values = map(np.concatenate, zip(*found, strict=True))
    return indices.astype(np.int32), values


def _nearest_stored(distances, n_neighbors, between_fitted):
    """List the nearest stored columns of each row of a sparse matrix."""
    graph = sparse.coo_array(distances)
    kept = graph.row != graph.col if between_fitted else slice(None)
    rows, columns, values = graph.row[kept], graph.col[kept], graph.data[kept]
    order = np.lexsort((columns, values, rows))
    rows, columns, values = rows[order], columns[order], values[order]
    counts = np.bincount(rows, minlength=graph.shape[0])
    ranks = np.arange(len(rows)) - (np.cumsum(counts) - counts)[rows]
    n_listed = max(min(n_neighbors, counts.max()), 1)
    shape, near = (graph.shape[0], n_listed), ranks < n_listed
    indices, listed = np.full(shape, -1, np.int32), np.full(shape, np.inf)
    indices[rows[near], ranks[near]] = columns[near]
    listed[rows[near], ranks[near]] = values[near]
    return indices, listed


def with_diagonal(distances, between_fitted=True):
    """Return distances between the fitted samples with those of 0 to themselves.

    Anything else is returned as it is.
    """
    if not (between_fitted and sparse.issparse(distances)):
        return distances
    graph = sparse.coo_array(distances)
    nodes = np.arange(graph.shape[0])
    rows, columns = np.append(graph.row, nodes), np.append(graph.col, nodes)
    values = np.append(graph.data, np.zeros(len(nodes)))
    return sparse.csr_array((values, (rows, columns)), shape=graph.shape)


class DistanceMap:
    """Map from distances to the fitted samples to positions, by means over the nearest.

    Parameters
    ----------
    anchors : ndarray of shape (n_anchors,)
        Fitted samples that are used.
    values : ndarray of shape (n_anchors, n_components)
        Their positions, or values of functions.
    n_neighbors : int
        Number of anchors that are averaged.
    weigh : callable
        Weights of the anchors from their ascending distances, both of shape (n_rows,
        n_neighbors), where infinite distances have weight 0.
    factors : ndarray of shape (n_components,), default=None
        Factors of the means of samples that are not at distance 0 of an anchor.
    """

    needs_coordinates = False

    def __init__(self, anchors, values, n_neighbors, weigh, factors=None):
        self.anchors, self.values, self.n_neighbors = anchors, values, n_neighbors
        self.weigh, self.factors = weigh, factors

    @property
    def n_anchors(self):
        """Number of anchors."""
        return len(self.anchors)

    def __call__(self, X, coordinates=None, *, device=None, n_jobs=None):
        """Map samples, float64, each row by itself; 0 where a row has no distance.

        `X` are distances to the fitted samples; other arguments are those of maps from
        features, and not used.
        """
        if self.n_anchors < X.shape[1]:
            X = X[:, self.anchors]
        indices, distances = nearest_given(X, self.n_neighbors, between_fitted=False)
        weights = self.weigh(distances)
        total = weights.sum(axis=1, keepdims=True)
        weights = weights / np.where(total > 0, total, 1.0)
        means = np.einsum("rk,rkd->rd", weights, self.values[indices])
        if self.factors is not None:
            new = distances[:, 0] > 0
            means[new] *= self.factors
        return means
