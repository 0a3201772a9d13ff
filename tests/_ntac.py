"""Connectomes and dense reference computations for the tests of NTAC."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
from scipy import sparse

from celltyping import Connectome
from celltyping.datasets import make_connectome

# Forms of an adjacency matrix: type, index dtype, dtype.
FORMS = [
    (sparse.csr_array, np.int32, np.float32),
    (sparse.csr_array, np.int64, np.float64),
    (sparse.csc_array, np.int64, np.float32),
    (sparse.coo_array, np.int32, np.float64),
    (np.asarray, np.int64, np.float64),
]

# Settings under which the contract of the clusterer has to hold.
CLUSTERER_SETTINGS = {
    "default": {},
    "one run": {"n_init": 1},
    "spectral": {"init": "spectral"},
    "one at a time": {"growth": 1.0, "n_init": 2, "degree_correction": 0.5},
    "large steps": {
        "growth": 3.0,
        "n_init": 3,
        "candidate_fraction": 0.5,
        "degree_correction": 1.0,
    },
}

PUBLISHED = {
    "edge_weighting": "linear",
    "membership": "hard",
    "second_order_weight": 0,
    "consensus_weight": 0,
}

# Settings under which the contract of the classifier has to hold.
CLASSIFIER_SETTINGS = {
    "default": {},
    "published": PUBLISHED,
    "three vote": {"n_neighbors": 3, "second_order_weight": 0, "consensus_weight": 0},
    "seven vote, hard": {"n_neighbors": 7, "membership": "hard"},
    "all is consensus": {"consensus_weight": 1, "max_memberships": 2},
}


def write_as(adjacency, form, index_dtype, dtype):
    """Write a dense adjacency matrix in one of the `FORMS`."""
    matrix = form(adjacency.astype(dtype))
    for name in {"indices", "indptr", "row", "col"} & set(dir(matrix)):
        setattr(matrix, name, getattr(matrix, name).astype(index_dtype))
    return matrix


def make_typed_brain():
    """Make a connectome without equal weights, types with a third known, all types."""
    sample = make_connectome(150, n_types=4, n_edges=4500, noise=0.05, random_state=0)
    rng = np.random.default_rng(0)
    adjacency = sample.data.adjacency.copy()
    adjacency.data *= rng.uniform(0.5, 1.5, adjacency.nnz).astype(np.float32)
    y = sample.target.copy()
    y[rng.permutation(150)[50:]] = "?"
    con = Connectome(adjacency, node_ids=np.arange(150) + 10**17)
    return con, y, sample.target


def make_untyped_brain():
    """Make a connectome without equal weights, and its types."""
    sample = make_connectome(
        200, n_types=5, n_edges=7000, n_partner_types=2, random_state=0
    )
    rng = np.random.default_rng(0)
    adjacency = sample.data.adjacency.copy()
    adjacency.data *= rng.uniform(0.8, 1.2, adjacency.nnz).astype(np.float32)
    return Connectome(adjacency, node_ids=np.arange(200) + 10**17), sample.target


def make_islands(con):
    """Cut out 60 nodes, seven of them isolated: every tenth, and two of the first."""
    adjacency = con.adjacency.toarray()[:60, :60]
    isolated = np.arange(60) % 10 == 0
    isolated[1] = True
    adjacency[isolated] = adjacency[:, isolated] = 0
    assert (adjacency.any(axis=0) | adjacency.any(axis=1)).sum() == 60 - 7
    return Connectome(adjacency), isolated


def classifier_answers(ntac, X):
    """Return all results of a fitted classifier for X."""
    return [
        ntac.transduction_,
        ntac.label_confidence_,
        ntac.predict(X),
        ntac.predict_proba(X),
        *ntac.rank_types(X, k=len(ntac.classes_)),
    ]


def clusterer_answers(ntac, X):
    """Return all results of a fitted clusterer for X."""
    return [
        ntac.labels_,
        ntac.predict(X),
        ntac.transform(X),
        ntac.cluster_means_,
        ntac.cost_,
        ntac.cost_path_.n_clusters,
        ntac.cost_path_.cost,
        ntac.degree_correction_,
        ntac.agreement_,
        ntac.n_iter_,
        *ntac.representatives_,
    ]


def same_partition(one, other):
    """Return whether two partitions are the same but for the clusters' numbers."""
    pairs = set(zip(one, other, strict=True))
    return len(pairs) == len(set(one)) == len(set(other))


def jaccard(rows, references):
    """Compute sum of minima / sum of maxima; no two rows may both be empty."""
    shared = np.minimum(rows[:, np.newaxis], references).sum(axis=2)
    return shared / np.maximum(rows[:, np.newaxis], references).sum(axis=2)


def one_hot(labels, n_labels):
    """Return labels as a dense indicator matrix."""
    return (labels[:, np.newaxis] == np.arange(n_labels)).astype(float)


def describe(adjacency, labels, n_clusters, correction=0.0):
    """Describe nodes by their weights from and to each cluster."""
    members = one_hot(labels, n_clusters)
    strengths = adjacency.sum(axis=0) + adjacency.sum(axis=1)
    mean = strengths[strengths > 0].mean()
    scale = (np.where(strengths > 0, strengths, mean) / mean) ** -correction
    counts = np.hstack([adjacency.T @ members, adjacency @ members])
    return scale[:, np.newaxis] * counts


def average(rows, labels, n_clusters):
    """Average the rows of each cluster."""
    return np.array([rows[labels == c].mean(axis=0) for c in range(n_clusters)])
