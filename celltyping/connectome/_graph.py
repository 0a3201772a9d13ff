"""The directed graph that all views of a connectome share.

The graph contract, each line of which has a test:

- `A[i, j]` is the number of synapses (or another nonnegative weight) from i to j. `A`
  need not be symmetric and is never symmetrised.
- Self loops count as other edges.
- Isolated nodes are kept, and a graph may have no edges.
- A graph may have several connected components.
- A stored zero is not an edge.
- Duplicate edges are summed, in any order.
- Equal graphs have equal arrays and hashes, for any sparse or dense format, index dtype
  and number dtype of the input, and any order of its edges.
- Weights are float32 if all of them are exact in float32, else float64.
- The input is neither changed nor kept, and the arrays of the graph are read-only.
- Negative, NaN and infinite weights, matrices that are not square, graphs without
  nodes and duplicate ids raise an error.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import hashlib
from functools import cached_property

import numpy as np
from scipy import sparse

from celltyping._utils._containers import is_frame
from celltyping._utils._messages import list_names
from celltyping._utils._validation import check_sparse
from celltyping.connectome._frames import (
    check_is_matrix,
    dense_array,
    frame_values,
    split_frame,
)
from celltyping.connectome._ids import (
    as_ids,
    check_same_kind,
    check_unique,
    find_ids,
    locate_ids,
)

_INT32_MAX = np.iinfo(np.int32).max


class Graph:
    """An immutable directed graph; see `Connectome` for the parameters.

    Attributes
    ----------
    adjacency : csr_array of shape (n_nodes, n_nodes)
        Weights, presynaptic nodes in rows; sorted, without duplicates and zeros, with
        int32 indices if they fit.
    transpose : csr_array of shape (n_nodes, n_nodes)
        The transposed matrix, likewise; computed on first access.
    node_ids : ndarray of shape (n_nodes,), dtype=int64 or str
        Node ids.
    node_features : ndarray of shape (n_nodes, n_features), dtype=float64, or None
        Node features.
    content_hash : str
        Digest of weights, ids and features: equal for equal graphs, also in different
        processes.
    n_nodes : int
        Number of nodes.
    """

    def __init__(
        self, adjacency, node_ids=None, node_features=None, *, min_weight=None
    ):
        coo, node_ids = _as_coo(adjacency, node_ids)
        n_nodes = coo.shape[0]
        ids = np.arange(n_nodes) if node_ids is None else as_ids(node_ids)
        _check_node_ids(ids, n_nodes)
        features = _as_features(node_features, ids)
        _check_weights(coo, ids)
        self._set(_canonical_csr(coo, min_weight), ids, features)
        self.content_hash = _content_hash(self.adjacency, ids, features)

    def _set(self, adjacency, node_ids, node_features):
        """Set the attributes, with read-only arrays."""
        self.adjacency = _frozen_csr(adjacency)
        self.node_ids = frozen(node_ids)
        self.node_features = None if node_features is None else frozen(node_features)
        self.n_nodes = adjacency.shape[0]

    @cached_property
    def transpose(self):
        """The transposed adjacency: row j holds the inputs of node j."""
        # Two threads may both compute it; either result is right.
        return _frozen_csr(self.adjacency.T.tocsr())

    @cached_property
    def _id_order(self):
        return np.argsort(self.node_ids)

    def find(self, ids, name="ids", *, advice="", allow_unknown=False):
        """Return the positions of nodes by id; see `locate_ids`."""
        return locate_ids(
            as_ids(ids, name),
            name,
            self.node_ids,
            "the connectome",
            self._id_order,
            advice=advice,
            allow_unknown=allow_unknown,
        )

    def __getstate__(self):
        # Plain arrays, which every version of scipy can read. Without the transpose, a
        # pickle is half as large and the same whether the transpose was computed or
        # not, so joblib's caches recognise it. Computing it again takes a fraction of a
        # second for millions of edges.
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

    # The graph is immutable, so a copy would only take memory.
    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self


def frozen(array):
    """Return a read-only view of an array; of a memory map, as a plain array."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view


def _frozen_csr(matrix):
    """Return a canonical CSR matrix with read-only arrays."""
    result = sparse.csr_array(
        (frozen(matrix.data), frozen(matrix.indices), frozen(matrix.indptr)),
        shape=matrix.shape,
    )
    # Set here, so that scipy neither checks again nor tries to sort read-only arrays.
    result.has_sorted_indices = True
    result.has_canonical_format = True
    return result


def _as_coo(adjacency, node_ids):
    """Convert the adjacency to a square, numeric COO array; return also the ids."""
    check_is_matrix(adjacency, "adjacency")
    adjacency = check_sparse(adjacency, "adjacency")
    if is_frame(adjacency):
        adjacency, node_ids = split_frame(adjacency, node_ids)
    if not sparse.issparse(adjacency):
        adjacency = dense_array(adjacency, "adjacency")
    if adjacency.dtype.kind not in "biuf":
        raise TypeError(f"adjacency must hold numbers, got dtype {adjacency.dtype}")
    if adjacency.ndim != 2 or adjacency.shape[0] != adjacency.shape[1]:
        raise ValueError(
            "adjacency must be square, of shape (n_nodes, n_nodes), got shape "
            f"{adjacency.shape}"
        )
    if adjacency.shape[0] == 0:
        raise ValueError("adjacency must have at least one node, got shape (0, 0)")
    return sparse.coo_array(adjacency), node_ids


def _check_node_ids(ids, n_nodes):
    """Raise a ValueError unless there is one unique id per node."""
    if len(ids) != n_nodes:
        raise ValueError(
            f"node_ids must have one id per node, got {len(ids)} ids for an adjacency "
            f"of shape {(n_nodes, n_nodes)}"
        )
    check_unique(ids)


def _check_weights(coo, ids):
    """Raise a ValueError for negative, NaN or infinite weights."""
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
    """Copy node features to a C-ordered float64 array."""
    if node_features is None:
        return None
    if hasattr(node_features, "index") and hasattr(node_features, "to_numpy"):
        node_features = _rows_by_index(node_features, ids)
    if sparse.issparse(node_features):
        node_features = node_features.toarray()
    features = np.array(dense_array(node_features, "node_features"), order="C")
    if features.ndim != 2 or len(features) != len(ids):
        raise ValueError(
            f"node_features must have shape (n_nodes, n_features) with {len(ids)} "
            f"nodes, got shape {features.shape}"
        )
    with np.errstate(over="ignore"):  # of long doubles, an error is raised below
        features = features.astype(np.float64, copy=False)
    n_bad = np.count_nonzero(~(np.isfinite(features) & (features >= 0)))
    if n_bad:
        raise ValueError(
            f"node_features must be finite and not negative, got {n_bad} values that "
            "are negative, NaN or infinite"
        )
    return features


def _rows_by_index(frame, ids):
    """Return the rows of a DataFrame in the order of the nodes."""
    name = "the index of node_features"
    index = as_ids(frame.index, name)
    check_same_kind(index, name, ids, "node_ids")
    check_unique(index, name)
    positions = find_ids(ids, index)
    lacking = ids[positions < 0]
    if lacking.size:
        raise ValueError(
            f"{name} must hold every node id, but lacks {lacking.size}: "
            f"{list_names(lacking)}; pass node_features.to_numpy() if the rows are in "
            "the order of the nodes"
        )
    return (frame_values(frame) if is_frame(frame) else frame.to_numpy())[positions]


def _canonical_csr(coo, min_weight):
    """Sum duplicates, drop zeros and light edges, and choose the dtypes."""
    n_nodes = coo.shape[0]
    rows = coo.row.astype(_index_dtype(n_nodes, coo.nnz), copy=False)
    cols = coo.col.astype(rows.dtype, copy=False)
    # sums of integers are exact in float64, but may overflow int8
    with np.errstate(over="ignore"):  # of long doubles, an error is raised below
        weights = coo.data.astype(np.float64, copy=False)
    csr = _csr(weights, rows, cols, n_nodes)
    if csr.nnz < weights.size and np.any(weights != np.rint(weights)):
        # A sum of fractions depends on its order, but the hash must not.
        order = np.lexsort((weights, cols, rows))
        csr = _csr(weights[order], rows[order], cols[order], n_nodes)
    with np.errstate(over="ignore"):  # an error is raised below
        total = csr.data.sum()
    if not np.isfinite(total):
        raise ValueError("weights must have a finite sum, but their sum overflows")
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
    """Return the smallest index dtype for a graph of this size."""
    return np.int32 if max(n_nodes, n_edges) <= _INT32_MAX else np.int64


def _csr(weights, rows, cols, n_nodes):
    """Return a CSR array with summed duplicates and sorted indices."""
    coo = sparse.coo_array((weights, (rows, cols)), shape=(n_nodes, n_nodes))
    csr = coo.tocsr()
    csr.sum_duplicates()  # also sorts
    return csr


def _narrowed(weights):
    """Return the weights as float32 if all of them are exact in float32."""
    with np.errstate(over="ignore"):  # an overflow is not exact
        narrow = weights.astype(np.float32)
    return narrow if np.array_equal(narrow, weights) else weights


def _content_hash(adjacency, node_ids, node_features):
    """Return a digest of a graph that is the same on every machine."""
    digest = hashlib.blake2b(digest_size=16)
    parts = [adjacency.data, adjacency.indices, adjacency.indptr, node_ids]
    if node_features is not None:
        parts.append(node_features)
    for part in parts:
        part = np.ascontiguousarray(part, dtype=part.dtype.newbyteorder("<"))
        digest.update(f"{part.dtype.str}{part.shape}".encode())
        digest.update(part)
    return digest.hexdigest()
