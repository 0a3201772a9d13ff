"""The spectral start: blocks are found, and odd graphs do no harm."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pytest
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from celltyping.estimators._ntac import spectral
from celltyping.estimators._ntac.spectral import spectral_partitions


def as_csr(adjacency):
    return sparse.csr_array(np.asarray(adjacency, dtype=np.float32))


def blocks(n_blocks=4, size=30, chance=0.5, seed=0):
    """Make a graph in which block i sends edges to block i + 1, and the blocks."""
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.repeat(np.arange(n_blocks), size))
    sends = (truth[:, np.newaxis] + 1) % n_blocks == truth
    edges = rng.random(sends.shape) < np.where(sends, chance, 0.02)
    return as_csr(edges * rng.integers(1, 5, sends.shape)), truth


def test_blocks_of_a_directed_graph():
    adjacency, truth = blocks()
    partitions = spectral_partitions(adjacency, 4, [0, 1, 2])
    assert len(partitions) == 3
    for labels in partitions:
        assert labels.dtype == np.uint32
        assert labels.shape == (120,)
        assert adjusted_rand_score(truth, labels) > 0.95


def test_who_a_node_hears_from_counts_as_much_as_whom_it_tells():
    # The nodes of one half send alike; what they receive tells them apart.
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2], 30)
    adjacency = np.zeros((90, 90))
    adjacency[:60, 60:] = rng.random((60, 30)) < 0.5
    adjacency[60:75, :30] = adjacency[75:, 30:60] = 1
    partition = spectral_partitions(as_csr(adjacency), 4, [0])[0]
    assert adjusted_rand_score(truth[:60], partition[:60]) == 1


def test_the_coordinates_are_singular_vectors_of_the_laplacian(monkeypatch):
    adjacency, _ = blocks()
    seen = []

    class Spy(KMeans):
        def fit_predict(self, X):
            seen.append((self.get_params(), X))
            return super().fit_predict(X)

    monkeypatch.setattr(spectral, "KMeans", Spy)
    spectral_partitions(adjacency, 5, [7, 8])
    assert [params["random_state"] for params, _ in seen] == [7, 8]
    assert all(params["n_clusters"] == 5 for params, _ in seen)
    dense = adjacency.toarray().astype(float)
    strength = dense.sum() / 120
    left = 1 / np.sqrt(dense.sum(axis=1) + strength)
    right = 1 / np.sqrt(dense.sum(axis=0) + strength)
    u, values, vt = np.linalg.svd(left[:, np.newaxis] * dense * right)
    # The leading four are far from the others, so that a random projection finds them.
    for side, vectors in [(slice(0, 8), u), (slice(8, 16), vt.T)]:
        found = seen[0][1][:, side][:, :4]
        expected = vectors[:, :4] * np.sqrt(values[:4])
        np.testing.assert_allclose(
            found @ found.T, expected @ expected.T, rtol=1e-2, atol=1e-3
        )


def test_seeds_decide_and_nothing_else():
    adjacency, _ = blocks(chance=0.1)
    one = spectral_partitions(adjacency, 16, [0, 1, 2])
    other = spectral_partitions(adjacency, 16, [0, 1, 2])
    for a, b in zip(one, other, strict=True):
        assert (a == b).all()
    assert adjusted_rand_score(one[0], one[1]) < 1


def test_more_runs_do_not_change_the_first_ones():
    adjacency, _ = blocks(chance=0.1)
    few = spectral_partitions(adjacency, 16, [4, 5])
    many = spectral_partitions(adjacency, 16, [4, 5, 6])
    for a, b in zip(few, many[:2], strict=True):
        assert (a == b).all()


@pytest.mark.parametrize("index_dtype", [np.int32, np.int64])
def test_the_graph_is_not_changed(index_dtype):
    adjacency, _ = blocks()
    adjacency.indices = adjacency.indices.astype(index_dtype)
    adjacency.indptr = adjacency.indptr.astype(index_dtype)
    before = adjacency.copy()
    for part in (adjacency.data, adjacency.indices, adjacency.indptr):
        part.flags.writeable = False
    labels = spectral_partitions(adjacency, 4, [0])[0]
    assert (adjacency != before).nnz == 0
    assert labels.tolist() == spectral_partitions(blocks()[0], 4, [0])[0].tolist()


@pytest.mark.parametrize(
    ("adjacency", "n_clusters", "n_found"),
    [
        (np.eye(1), 1, 1),  # one node
        (np.zeros((5, 5)), 3, 1),  # no edge: node features alone
        (np.eye(20, k=1), 16, 16),  # a chain, with nodes that only send or receive
        (np.diag([1.0] * 4 + [0.0] * 4), 3, 3),  # isolated nodes and self loops
        (np.full((6, 6), 1e-30) + np.diag([1e25] * 3 + [0] * 3), 2, 2),
    ],
    ids=["one node", "no edge", "chain", "self loops", "extreme"],
)
def test_odd_graphs(adjacency, n_clusters, n_found):
    for labels in spectral_partitions(as_csr(adjacency), n_clusters, [0, 1]):
        n_own = labels.max() + 1
        assert np.unique(labels).tolist() == list(range(n_own))  # none is empty
        assert n_own == n_found


def test_there_may_be_more_clusters_wanted_than_nodes_that_differ():
    for labels in spectral_partitions(as_csr(np.ones((9, 9))), 4, [0, 1]):
        assert labels.max() < 4
        assert np.bincount(labels).min() > 0
