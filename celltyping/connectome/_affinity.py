"""Graphs from X: a Connectome, an adjacency matrix or a table of features.

Shared by the estimators on graphs; their `affinity` is the kind of a plain matrix.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import warnings
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn.neighbors import NearestNeighbors
from sklearn.utils.validation import check_non_negative

from celltyping._utils._compat import Interval, StrOptions
from celltyping._utils._containers import is_frame, is_sparse_frame
from celltyping._utils._validation import validate_samples
from celltyping._utils._warnings import find_stack_level
from celltyping.connectome import Connectome
from celltyping.connectome._frames import check_is_matrix, check_order

# An RBF affinity has an edge for every pair of rows: with this many rows it takes
# 0.8 GB, and several times that during construction.
MAX_RBF_ROWS = 10_000

# Weights up to this sum leave room for every float32 sum of sums.
MAX_TOTAL_WEIGHT = 1e30


class GraphInput(NamedTuple):
    """The graph that X stands for, with weights transformed by `edge_weighting`."""

    adjacency: sparse.csr_array  # (n_nodes, n_nodes)
    transpose: sparse.csr_array
    features: sparse.csr_array  # node features, (n_nodes, n_features), often none
    in_view: np.ndarray  # indices of the nodes that are samples of X


class RBFAffinity(NamedTuple):
    """The affinity exp(-gamma * d²) to the rows of X."""

    X: np.ndarray
    gamma: float

    def edges(self, X):
        """Return the affinities of new rows, an edge for every pair.

        Distances are computed pair by pair: a matrix product would round a row's
        distances differently in batches of different sizes.
        """
        with np.errstate(over="ignore"):  # exp(-inf) is 0
            weights = np.exp(-self.gamma * cdist(X, self.X, "sqeuclidean"))
        n_rows, n_cols = weights.shape
        return sparse.csr_array(
            (
                weights.ravel().astype(np.float32),
                np.tile(np.arange(n_cols, dtype=np.int32), n_rows),
                np.arange(n_rows + 1, dtype=np.int32) * np.int32(n_cols),
            ),
            shape=weights.shape,
        )


class GraphInputMixin:
    """Validation of X and the tags that depend on `affinity`, for graph estimators.

    An estimator that uses it has the parameters `edge_weighting`, `affinity`, `gamma`
    and `n_graph_neighbors`.
    """

    _graph_constraints = {
        "edge_weighting": [StrOptions({"linear", "sqrt", "log1p"})],
        "affinity": [StrOptions({"auto", "precomputed", "rbf", "nearest_neighbors"})],
        "gamma": [Interval(Real, 0, None, closed="neither"), None],
        "n_graph_neighbors": [Interval(Integral, 1, None, closed="left")],
    }

    def _validate_graph(self, X, feature_weight=0):
        """Turn the X of `fit` into a GraphInput, and keep the state for new rows.

        `feature_weight` is a factor of the node features; 0 leaves them out.
        """
        self._graph_hash = None
        self._affinity_model = None
        if isinstance(X, Connectome):
            self._check_connectome(X)
            graph = X.graph
            self._graph_hash = graph.content_hash
            self.n_features_in_ = graph.n_nodes
            if hasattr(self, "feature_names_in_"):
                del self.feature_names_in_
            adjacency, transpose = graph.adjacency, graph.transpose
            features, in_view = graph.node_features, X.indices
        else:
            X = self._validate_X(X, reset=True)
            adjacency, transpose = self._affinity_graph(X)
            features, in_view = None, np.arange(X.shape[0])
        return GraphInput(
            self._weighted(adjacency),
            self._weighted(transpose),
            _weighted_features(features, adjacency.shape[0], feature_weight),
            in_view,
        )

    def _check_connectome(self, X):
        """Check that a Connectome is allowed, and has nodes in view."""
        if self.affinity not in ("auto", "precomputed"):
            raise TypeError(
                f"affinity={self.affinity!r} is for tables of features, but X is a "
                "Connectome, which is a graph by itself: use affinity='auto'"
            )
        if len(X) == 0:
            raise ValueError(
                f"{type(self).__name__} needs nodes, but X has none in view"
            )

    def _validate_X(self, X, *, reset):
        """Validate a plain matrix of the kind `affinity`; `reset` is true in `fit`."""
        check_is_matrix(X, "X")
        is_sparse = sparse.issparse(X) or is_sparse_frame(X)
        if self.affinity == "auto" and is_sparse and not self._is_rows(reset):
            raise TypeError(
                "X is a sparse matrix, and affinity='auto' does not guess what it "
                "holds: pass Connectome(X) or affinity='precomputed' if it is an "
                "adjacency matrix, affinity='nearest_neighbors' if it is a table of "
                "features"
            )
        if self.affinity == "precomputed" and is_frame(X) and reset:
            check_order(X, "X")
        takes_sparse = self.affinity != "rbf"
        X = validate_samples(
            self,
            X,
            accept_sparse="csr" if takes_sparse else False,
            dtype=(np.float64, np.float32),
            reset=reset,
        )
        name = type(self).__name__
        if self.affinity == "precomputed" or self._is_rows(reset):
            check_non_negative(X, f"{name} (weights of a graph)")
        if not reset:
            return X
        if self.affinity == "precomputed" and X.shape[0] != X.shape[1]:
            raise ValueError(
                "affinity='precomputed' takes a square matrix of weights between the "
                f"samples, got n_samples = {X.shape[0]}, n_features = {X.shape[1]}"
            )
        is_square = X.shape[0] == X.shape[1] > 1
        if self.affinity == "auto" and is_square and np.all(X >= 0):
            warnings.warn(
                "X is a square matrix without negative entries, and affinity='auto' "
                "takes its rows as features; if it is an adjacency matrix, pass "
                "Connectome(X) or affinity='precomputed'",
                UserWarning,
                stacklevel=find_stack_level(),
            )
        if self.affinity in ("auto", "rbf") and X.shape[0] > MAX_RBF_ROWS:
            raise ValueError(
                f"affinity={self.affinity!r} makes an edge for every pair of rows, and "
                f"X has {X.shape[0]} of them (at most {MAX_RBF_ROWS}): use "
                "affinity='nearest_neighbors'"
            )
        return X

    def _is_rows(self, reset):
        """Return whether a plain matrix holds new rows of a fitted Connectome."""
        return not reset and self._graph_hash is not None

    def _affinity_graph(self, X):
        """Return the adjacency and the transpose of a plain matrix."""
        if self.affinity == "precomputed":
            adjacency = sparse.csr_array(X, copy=True)
            adjacency.eliminate_zeros()
            return adjacency, adjacency.T.tocsr()
        if self.affinity == "nearest_neighbors":
            n_neighbors = min(self.n_graph_neighbors, max(X.shape[0] - 1, 1))
            self._affinity_model = NearestNeighbors(n_neighbors=n_neighbors).fit(X)
            if X.shape[0] == 1:
                adjacency = sparse.csr_array((1, 1))
            else:
                graph = self._affinity_model.kneighbors_graph()
                adjacency = sparse.csr_array(graph)
                adjacency.sort_indices()  # they came nearest first
            return adjacency, adjacency.T.tocsr()
        gamma = self.gamma
        if gamma is None:
            gamma = _default_gamma(X)
        self._affinity_model = RBFAffinity(X, gamma)
        adjacency = self._affinity_model.edges(X)
        return adjacency, adjacency

    def _out_edges(self, X):
        """Return the transformed edges of new, validated rows to the fitted nodes."""
        model = self._affinity_model
        if model is None:
            edges = sparse.csr_array(X)
        elif isinstance(model, NearestNeighbors):
            edges = sparse.csr_array(model.kneighbors_graph(X))
        else:
            edges = model.edges(X)
        return self._weighted(edges)

    def _weighted(self, adjacency):
        """Transform weights by `edge_weighting`; return read-only float32."""
        transform = {"linear": np.ndarray.view, "sqrt": np.sqrt, "log1p": np.log1p}
        data = transform[self.edge_weighting](adjacency.data)
        with np.errstate(over="ignore"):  # refused below
            total = data.sum(dtype=np.float64)
        if not total <= MAX_TOTAL_WEIGHT:
            raise ValueError(
                f"the weights of X add up to {total:.3g} (under edge_weighting="
                f"{self.edge_weighting!r}), but float32 sums need at most "
                f"{MAX_TOTAL_WEIGHT:g}: scale them down"
            )
        data = data.astype(np.float32, copy=False)
        parts = data, adjacency.indices.view(), adjacency.indptr.view()
        if not data.all():  # too small for float32: no edge, as the kernels expect
            nonzero = sparse.csr_array(parts, shape=adjacency.shape, copy=True)
            nonzero.eliminate_zeros()
            parts = nonzero.data, nonzero.indices, nonzero.indptr
        for part in parts:
            part.flags.writeable = False
        return sparse.csr_array(parts, shape=adjacency.shape)

    def _positions(self, X):
        """Return the indices in the fitted graph of the nodes in view of X."""
        name = type(self).__name__
        if self._graph_hash is None:
            raise ValueError(
                f"this {name} was fitted on a matrix with {self.n_features_in_} "
                "columns, so X cannot be a Connectome"
            )
        if X.graph.content_hash != self._graph_hash:
            raise ValueError(
                f"X is a view of another graph ({X.graph.n_nodes} nodes, "
                f"{X.graph.adjacency.nnz} edges) than the one {name} was fitted on "
                f"({self.n_features_in_} nodes): nodes are described by the edges of "
                "their own graph, so fit on that graph, or join both graphs by "
                "Connectome.concat before fit"
            )
        return X.indices

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = self.affinity == "precomputed"
        tags.input_tags.positive_only = self.affinity == "precomputed"
        tags.input_tags.sparse = self.affinity in ("precomputed", "nearest_neighbors")
        return tags


def _default_gamma(X):
    """Return 1 / (n_features * X.var()), and 1 where it would be infinite."""
    with np.errstate(over="ignore"):
        variance = X.var()
    if not np.finfo(X.dtype).tiny < variance < np.inf:  # of float32, too
        variance = X.var(dtype=np.float64)
    # The inverse of a subnormal number is infinite.
    if variance < np.finfo(np.float64).tiny:
        return 1.0
    return 1.0 / (X.shape[1] * variance)


def _weighted_features(features, n_nodes, weight):
    """Multiply node features by a weight, as a csr_array of float32."""
    if features is None or weight == 0:
        return sparse.csr_array((n_nodes, 0), dtype=np.float32)
    with np.errstate(over="ignore"):  # refused below
        features = sparse.csr_array(weight * features)
        total = features.sum()
    if not total <= MAX_TOTAL_WEIGHT:
        raise ValueError(
            f"the node features times feature_weight={weight:g} add up to "
            f"{total:.3g}, but float32 sums need at most "
            f"{MAX_TOTAL_WEIGHT:g}: scale them down"
        )
    features = features.astype(np.float32)
    features.eliminate_zeros()
    return features
