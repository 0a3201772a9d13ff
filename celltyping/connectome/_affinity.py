"""From what the user passes as X to a graph: the one place that decides it.

The graph estimators take a `Connectome`, an adjacency matrix or a table of features,
and say by `affinity` which of the last two a plain matrix is. They share this module,
so that they agree.
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
from sklearn.utils.validation import check_non_negative, validate_data

from celltyping._utils._compat import Interval, StrOptions
from celltyping._utils._warnings import find_stack_level
from celltyping.connectome import Connectome

# An RBF affinity has an edge for every pair of rows: at this many rows, 0.8 GB, and
# several times that while it is made.
MAX_RBF_ROWS = 10_000

# Weights that add up to no more than this leave room for every float32 sum of sums.
MAX_TOTAL_WEIGHT = 1e30


class Wiring(NamedTuple):
    """A graph, and which of its nodes are in view."""

    adjacency: sparse.csr_array
    transpose: sparse.csr_array
    node_features: np.ndarray | None
    in_view: np.ndarray


class WiringMixin:
    """What the estimators on graphs share: reading X, and the tags that go with it.

    An estimator that uses it has the parameters `affinity`, `gamma`,
    `n_graph_neighbors` and `edge_weighting`.
    """

    _wiring_constraints = {
        "affinity": [StrOptions({"auto", "precomputed", "rbf", "nearest_neighbors"})],
        "gamma": [Interval(Real, 0, None, closed="neither"), None],
        "n_graph_neighbors": [Interval(Integral, 1, None, closed="left")],
        "edge_weighting": [StrOptions({"linear", "sqrt", "log1p"})],
    }

    def _fit_wiring(self, X):
        """Read X at `fit`, and remember what `predict` needs to read more of it.

        Parameters
        ----------
        X : Connectome, {array-like, sparse matrix} of shape (n_samples, n_features)
            What was passed to `fit`.

        Returns
        -------
        wiring : Wiring
            The graph, its weights transformed as `edge_weighting` says.

        Raises
        ------
        TypeError
            If X is sparse under ``affinity="auto"``, or a Connectome where features
            are meant.
        ValueError
            If X is no graph where one is meant, or too large for an RBF affinity.
        """
        name = type(self).__name__
        self._graph_hash = None
        self._fit_X = None
        if isinstance(X, Connectome):
            if self.affinity not in ("auto", "precomputed"):
                raise TypeError(
                    f"affinity={self.affinity!r} is for tables of features, but X is a "
                    "Connectome, which is a graph by itself: use affinity='auto'"
                )
            if len(X) == 0:
                raise ValueError(f"{name} needs nodes, but X has none in view")
            graph = X.graph
            self._graph_hash = graph.content_hash
            self.n_features_in_ = graph.n_nodes
            vars(self).pop("feature_names_in_", None)
            adjacency, transpose = graph.adjacency, graph.transpose
            features, in_view = graph.node_features, X.indices
        else:
            X = self._read_matrix(X, reset=True)
            adjacency, transpose = self._affinity_graph(X)
            features, in_view = None, np.arange(X.shape[0])
        return Wiring(
            self._weighted(adjacency), self._weighted(transpose), features, in_view
        )

    def _read_matrix(self, X, *, reset):
        """Validate a plain matrix as `affinity` says."""
        if self.affinity == "auto" and sparse.issparse(X) and not self._is_rows(reset):
            raise TypeError(
                "X is a sparse matrix, and affinity='auto' does not guess what it "
                "holds: pass Connectome(X) or affinity='precomputed' if it is an "
                "adjacency matrix, affinity='nearest_neighbors' if it is a table of "
                "features"
            )
        takes_sparse = self.affinity != "rbf"
        X = validate_data(
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
        if self.affinity == "auto" and _may_be_adjacency(X):
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
        """Tell whether a plain matrix holds new rows of a fitted Connectome."""
        return not reset and self._graph_hash is not None

    def _affinity_graph(self, X):
        """Return the adjacency and the transpose of a plain matrix."""
        if self.affinity == "precomputed":
            adjacency = sparse.csr_array(X, copy=True)
            adjacency.sum_duplicates()
            adjacency.eliminate_zeros()
            return adjacency, adjacency.T.tocsr()
        self._fit_X = X
        if self.affinity == "nearest_neighbors":
            n_neighbors = min(self.n_graph_neighbors, max(X.shape[0] - 1, 1))
            self._neighbors = NearestNeighbors(n_neighbors=n_neighbors).fit(X)
            if X.shape[0] == 1:
                adjacency = sparse.csr_array((1, 1))
            else:
                adjacency = sparse.csr_array(self._neighbors.kneighbors_graph())
                adjacency.sort_indices()  # they came nearest first
            return adjacency, adjacency.T.tocsr()
        self._gamma = self.gamma
        if self.gamma is None:
            variance = X.var()
            self._gamma = 1.0 / (X.shape[1] * variance) if variance > 0 else 1.0
        adjacency = self._rbf_edges(X)
        return adjacency, adjacency

    def _rbf_edges(self, X):
        """Return the RBF affinity of rows to the fitted ones, an edge for every pair.

        Distances pair by pair: a matrix product would round a row's distances
        differently in batches of different sizes.
        """
        distances = cdist(X, self._fit_X, "sqeuclidean")
        return _dense_graph(np.exp(-self._gamma * distances))

    def _out_edges(self, X):
        """Return the edges of new rows to the nodes of the fitted graph.

        Parameters
        ----------
        X : ndarray or csr_array of shape (n_samples, n_features)
            Features, or weights of edges to the fitted nodes, as `_read_matrix` gives
            them.

        Returns
        -------
        edges : csr_array of shape (n_samples, n_nodes)
            Transformed weights.
        """
        if self._graph_hash is not None or self.affinity == "precomputed":
            edges = sparse.csr_array(X)
        elif self.affinity == "nearest_neighbors":
            edges = sparse.csr_array(self._neighbors.kneighbors_graph(X))
        else:
            edges = self._rbf_edges(X)
        return self._weighted(edges)

    def _weighted(self, adjacency):
        """Transform weights as `edge_weighting` says; float32, closed for writing."""
        transform = {"linear": np.ndarray.view, "sqrt": np.sqrt, "log1p": np.log1p}
        data = transform[self.edge_weighting](adjacency.data)
        total = data.sum(dtype=np.float64)
        if total > MAX_TOTAL_WEIGHT:
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

    def _weighted_features(self, wiring):
        """Multiply the node features by `feature_weight`.

        Parameters
        ----------
        wiring : Wiring
            What `_fit_wiring` returned.

        Returns
        -------
        features : csr_array of shape (n_nodes, n_node_features), dtype=float32
            No column where there are no features, or they do not count.

        Raises
        ------
        ValueError
            If they add up to too much.
        """
        n_nodes = wiring.adjacency.shape[0]
        if wiring.node_features is None or self.feature_weight == 0:
            return sparse.csr_array((n_nodes, 0), dtype=np.float32)
        features = sparse.csr_array(self.feature_weight * wiring.node_features)
        if features.sum() > MAX_TOTAL_WEIGHT:
            raise ValueError(
                f"the node features times feature_weight={self.feature_weight:g} "
                f"add up to {features.sum():.3g}, but float32 sums need at most "
                f"{MAX_TOTAL_WEIGHT:g}: scale them down"
            )
        features = features.astype(np.float32)
        features.eliminate_zeros()
        return features

    def _positions(self, X):
        """Return the positions in the fitted graph of the nodes in view of X.

        Parameters
        ----------
        X : Connectome
            A view of the graph that was fitted.

        Returns
        -------
        positions : ndarray of shape (n_view,)
            Positions.

        Raises
        ------
        ValueError
            If X is a view of another graph, or no Connectome was fitted.
        """
        name = type(self).__name__
        if self._graph_hash is None:
            raise ValueError(
                f"this {name} was fitted on a matrix with {self.n_features_in_} "
                "columns, and cannot answer for a Connectome"
            )
        if X.graph.content_hash != self._graph_hash:
            raise ValueError(
                f"X is a view of another graph ({X.graph.n_nodes} nodes, "
                f"{X.graph.adjacency.nnz} edges) than the one {name} was fitted on "
                f"({self.n_features_in_} nodes): the types of a graph's nodes come "
                "from its own wiring, so fit on that graph, or join both by "
                "Connectome.concat before the fit"
            )
        return X.indices

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = self.affinity == "precomputed"
        tags.input_tags.positive_only = self.affinity == "precomputed"
        tags.input_tags.sparse = self.affinity in ("precomputed", "nearest_neighbors")
        return tags


def _may_be_adjacency(X):
    """Tell whether a dense table could be an adjacency matrix passed by mistake."""
    return X.shape[0] == X.shape[1] and X.shape[0] > 1 and bool(np.all(X >= 0))


def _dense_graph(weights):
    """Write a matrix in which every pair has an edge as a CSR array."""
    n_rows, n_cols = weights.shape
    return sparse.csr_array(
        (
            weights.ravel().astype(np.float32),
            np.tile(np.arange(n_cols, dtype=np.int32), n_rows),
            np.arange(n_rows + 1, dtype=np.int32) * np.int32(n_cols),
        ),
        shape=weights.shape,
    )
