"""The wiring that all views share.

The graph contract, each line of which has a test:

- `A[i, j]` is the number (or another nonnegative weight) of synapses from i to j, so a
  graph is directed: `A` need not be symmetric, and nothing makes it so.
- Self loops count like any other edge.
- Isolated nodes stay, and so does a graph without a single edge.
- Several components are one graph.
- A stored zero is no edge.
- Edges given more than once are summed, whatever their order.
- The same graph has the same arrays and the same hash, whatever sparse or dense form,
  index type or number type it came in, and in whatever order its edges came.
- Weights are float32 where that changes none of them, else float64.
- Nothing that was passed in is changed or kept, and nothing in the graph can be
  written to.
- Negative, NaN and infinite weights, matrices that are not square, graphs without
  nodes and ids that repeat are refused.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import hashlib
from functools import cached_property

import numpy as np
from scipy import sparse

from celltyping.connectome._ids import (
    as_ids,
    check_same_kind,
    check_unique,
    find_ids,
    some,
)

_INT32_MAX = np.iinfo(np.int32).max


class Graph:
    """A directed graph whose arrays never change.

    Parameters
    ----------
    adjacency : {array-like, sparse matrix, sparse array} of shape (n_nodes, n_nodes)
        Weights, presynaptic nodes in rows.
    node_ids : array-like of shape (n_nodes,), default=None
        Integers or strings that differ; None counts from 0.
    node_features : array-like of shape (n_nodes, n_features), default=None
        Finite, nonnegative numbers. The rows of a DataFrame are found by its index.
    min_weight : float, default=None
        Edges whose summed weight is smaller are dropped.

    Attributes
    ----------
    adjacency : csr_array of shape (n_nodes, n_nodes)
        Sorted, without duplicates and zeros, indices of type int32 where they fit.
    transpose : csr_array of shape (n_nodes, n_nodes)
        The same for the transposed matrix, made when it is first asked for.
    node_ids : ndarray of shape (n_nodes,), dtype=int64 or str
        The ids.
    node_features : ndarray of shape (n_nodes, n_features) or None
        The features.
    content_hash : str
        A digest of all of this. Two graphs are the same where it is, which objects are
        not in another process.
    n_nodes : int
        Number of nodes.

    Examples
    --------
    >>> from celltyping.connectome._graph import Graph
    >>> graph = Graph([[0, 3], [1, 0]], node_ids=["a", "b"])
    >>> graph.adjacency.toarray()
    array([[0., 3.],
           [1., 0.]], dtype=float32)
    >>> graph.content_hash == Graph([[0.0, 3], [1, 0]], ["a", "b"]).content_hash
    True
    """

    def __init__(
        self, adjacency, node_ids=None, node_features=None, *, min_weight=None
    ):
        coo = _as_coo(adjacency)
        n_nodes = coo.shape[0]
        ids = np.arange(n_nodes) if node_ids is None else as_ids(node_ids)
        _check_node_ids(ids, n_nodes)
        features = _as_features(node_features, ids)
        _check_weights(coo, ids)
        self._set(_canonical_csr(coo, min_weight), ids, features)
        self.content_hash = _content_hash(self.adjacency, ids, features)

    def _set(self, adjacency, node_ids, node_features):
        """Keep the arrays, closed for writing."""
        self.adjacency = _frozen_csr(adjacency)
        self.node_ids = frozen(node_ids)
        self.node_features = None if node_features is None else frozen(node_features)
        self.n_nodes = adjacency.shape[0]

    @cached_property
    def transpose(self):
        """The transposed adjacency: row j holds what comes in to node j."""
        # Two threads that ask at once both compute it; either result is right.
        return _frozen_csr(self.adjacency.T.tocsr())

    @cached_property
    def _id_order(self):
        return np.argsort(self.node_ids)

    def find(self, ids, name="ids"):
        """Find nodes by their ids.

        Parameters
        ----------
        ids : array-like of shape (n_ids,)
            Ids of nodes.
        name : str, default="ids"
            What they are, for the messages.

        Returns
        -------
        positions : ndarray of shape (n_ids,), dtype=intp
            Their positions in the graph.

        Raises
        ------
        ValueError
            If an id is not in the graph.

        Examples
        --------
        >>> from celltyping.connectome._graph import Graph
        >>> Graph([[0, 3], [1, 0]], node_ids=["a", "b"]).find(["b"])
        array([1])
        """
        ids = as_ids(ids, name)
        check_same_kind(ids, name, self.node_ids, "the connectome")
        positions = find_ids(ids, self.node_ids, self._id_order)
        unknown = ids[positions < 0]
        if unknown.size:
            raise ValueError(
                f"{unknown.size} of the {ids.size} ids in {name} are not in the "
                f"connectome: {some(unknown)}"
            )
        return positions

    def __getstate__(self):
        # Plain arrays, which no release of scipy reads differently. The transpose stays
        # behind: without it a pickle is half as long and tells nothing of what was
        # asked before, so that joblib's caches know it again; making it anew takes a
        # fraction of a second for millions of edges.
        return {
            "data": self.adjacency.data,
            "indices": self.adjacency.indices,
            "indptr": self.adjacency.indptr,
            "node_ids": self.node_ids,
            "node_features": self.node_features,
            "content_hash": self.content_hash,
        }

    def __setstate__(self, state):
        n_nodes = len(state["node_ids"])
        adjacency = sparse.csr_array(
            (state["data"], state["indices"], state["indptr"]), shape=(n_nodes, n_nodes)
        )
        self._set(adjacency, state["node_ids"], state["node_features"])
        self.content_hash = state["content_hash"]

    # Nothing can change, so a copy would only take memory.
    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self


def frozen(array):
    """Return a read-only view of an array.

    Parameters
    ----------
    array : ndarray
        An array; a memory map becomes a plain array on the same memory.

    Returns
    -------
    view : ndarray
        The same numbers, closed for writing.

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping.connectome._graph import frozen
    >>> frozen(np.arange(3)).flags.writeable
    False
    """
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view


def _frozen_csr(matrix):
    """Close a canonical CSR matrix for writing."""
    result = sparse.csr_array(
        (frozen(matrix.data), frozen(matrix.indices), frozen(matrix.indptr)),
        shape=matrix.shape,
    )
    # Said once, so that scipy neither looks again nor tries to sort what it may not.
    result.has_sorted_indices = True
    result.has_canonical_format = True
    return result


def _as_coo(adjacency):
    """Turn what the user has into a square COO array of numbers."""
    if not sparse.issparse(adjacency):
        adjacency = np.asarray(adjacency)
    if adjacency.dtype.kind not in "biuf":
        raise TypeError(f"adjacency must hold numbers, got dtype {adjacency.dtype}")
    if adjacency.ndim != 2 or adjacency.shape[0] != adjacency.shape[1]:
        raise ValueError(
            "adjacency must be square, of shape (n_nodes, n_nodes), got shape "
            f"{adjacency.shape}"
        )
    if adjacency.shape[0] == 0:
        raise ValueError("adjacency must have at least one node, got shape (0, 0)")
    return sparse.coo_array(adjacency)


def _check_node_ids(ids, n_nodes):
    """Refuse a wrong number of ids, and ids that repeat."""
    if len(ids) != n_nodes:
        raise ValueError(
            f"node_ids must have one id per node, got {len(ids)} ids for an adjacency "
            f"of shape {(n_nodes, n_nodes)}"
        )
    check_unique(ids)


def _check_weights(coo, ids):
    """Refuse weights that are no numbers of synapses; show the first edge."""
    problems = {
        "NaN": np.isnan,
        "infinite": np.isinf,
        "negative": lambda weights: weights < 0,
    }
    for problem, is_bad in problems.items():
        bad = np.flatnonzero(is_bad(coo.data))
        if bad.size:
            pre, post = ids[coo.row[bad[0]]], ids[coo.col[bad[0]]]
            raise ValueError(
                f"weights must be finite and not negative, got {bad.size} {problem} "
                f"(of {coo.data.size}); the first is {coo.data[bad[0]]}, from node "
                f"{pre} to node {post}"
            )


def _as_features(node_features, ids):
    """Turn node features into a float64 table of their own memory."""
    if node_features is None:
        return None
    if hasattr(node_features, "index") and hasattr(node_features, "to_numpy"):
        node_features = _rows_by_index(node_features, ids)
    # order="C" for the hash, and the copy since nobody else may write to it
    features = np.array(node_features, order="C")
    if features.dtype.kind not in "biuf":
        raise TypeError(f"node_features must hold numbers, got dtype {features.dtype}")
    if features.ndim != 2 or len(features) != len(ids):
        raise ValueError(
            f"node_features must have shape (n_nodes, n_features) with {len(ids)} "
            f"nodes, got shape {features.shape}"
        )
    features = features.astype(np.float64, copy=False)
    n_bad = np.count_nonzero(~(np.isfinite(features) & (features >= 0)))
    if n_bad:
        raise ValueError(
            f"node_features must be finite and not negative, got {n_bad} values that "
            "are negative, NaN or infinite"
        )
    return features


def _rows_by_index(frame, ids):
    """Put the rows of a DataFrame into the order of the nodes."""
    name = "the index of node_features"
    index = as_ids(frame.index, name)
    check_same_kind(index, name, ids, "node_ids")
    check_unique(index, name)
    positions = find_ids(ids, index) if len(index) else np.full(len(ids), -1)
    lacking = ids[positions < 0]
    if lacking.size:
        raise ValueError(
            f"{name} must hold every node id, but lacks {lacking.size}: "
            f"{some(lacking)}; pass node_features.to_numpy() to give the rows in the "
            "order of the nodes"
        )
    return frame.to_numpy()[positions]


def _canonical_csr(coo, min_weight):
    """Sum what occurs twice, drop zeros and weak edges, choose the dtypes."""
    n_nodes = coo.shape[0]
    rows = coo.row.astype(_index_dtype(n_nodes, coo.nnz), copy=False)
    cols = coo.col.astype(rows.dtype, copy=False)
    # float64 adds up whole numbers without error, int8 and bool do not
    weights = coo.data.astype(np.float64, copy=False)
    csr = _csr(weights, rows, cols, n_nodes)
    if csr.nnz < weights.size and np.any(weights != np.rint(weights)):
        # A sum of fractions depends on its order, and the hash must not.
        order = np.lexsort((weights, cols, rows))
        csr = _csr(weights[order], rows[order], cols[order], n_nodes)
    with np.errstate(over="ignore"):  # said by the error
        total = csr.data.sum()
    if not np.isfinite(total):
        raise ValueError("weights must add up to a finite number, their sum overflows")
    if min_weight is not None:
        csr.data[csr.data < min_weight] = 0
    csr.eliminate_zeros()
    index_dtype = _index_dtype(n_nodes, csr.nnz)
    return sparse.csr_array(
        (
            _narrowed(csr.data),
            csr.indices.astype(index_dtype, copy=False),
            csr.indptr.astype(index_dtype, copy=False),
        ),
        shape=csr.shape,
    )


def _index_dtype(n_nodes, n_edges):
    """Choose the smallest index type for a graph of this size."""
    return np.int32 if max(n_nodes, n_edges) <= _INT32_MAX else np.int64


def _csr(weights, rows, cols, n_nodes):
    """Build a CSR array with sorted indices from summed edges."""
    coo = sparse.coo_array((weights, (rows, cols)), shape=(n_nodes, n_nodes))
    csr = coo.tocsr()
    csr.sum_duplicates()  # also sorts
    return csr


def _narrowed(weights):
    """Return the weights as float32 if that changes none of them."""
    with np.errstate(over="ignore"):  # a weight that overflows is one that changes
        narrow = weights.astype(np.float32)
    return narrow if np.array_equal(narrow, weights) else weights


def _content_hash(adjacency, node_ids, node_features):
    """Digest a graph, the same on any machine."""
    digest = hashlib.blake2b(digest_size=16)
    parts = [adjacency.data, adjacency.indices, adjacency.indptr, node_ids]
    if node_features is not None:
        parts.append(node_features)
    for part in parts:
        part = np.ascontiguousarray(part, dtype=part.dtype.newbyteorder("<"))
        digest.update(f"{part.dtype.str}{part.shape}".encode())
        digest.update(part)
    return digest.hexdigest()
