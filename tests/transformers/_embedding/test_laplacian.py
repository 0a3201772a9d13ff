"""Affinities, Laplacians and eigenvectors against plain numpy; the graph contract."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from itertools import pairwise

import numpy as np
import pytest
from scipy import linalg, sparse
from scipy.sparse.linalg import ArpackNoConvergence
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from celltyping.transformers._embedding.laplacian import (
    N_DENSE,
    affinity_graph,
    laplacian,
    leading_eigenvectors,
    positive_degrees,
    rotation_to_eigenvectors,
    signs,
)

KINDS = ("rw", "symmetric", "unnormalized")


def neighbor_graph(n_samples, seed=0, n_neighbors=7, clumps=((0, 0, 0),)):
    """Make the affinity graph of points around the centres `clumps`."""
    rng = np.random.default_rng(seed)
    points = [rng.normal(size=(n_samples, 3)) + 100 * np.array(c) for c in clumps]
    finder = NearestNeighbors(n_neighbors=n_neighbors).fit(np.concatenate(points))
    distances, indices = finder.kneighbors()
    return affinity_graph(indices, distances)


def chain(n_nodes):
    """Make a path."""
    ones = np.ones(n_nodes - 1)
    return sparse.diags_array([ones, ones], offsets=[1, -1], format="csr")


def plain_laplacian(graph, kind):
    """Compute a Laplacian of a dense graph whose degrees are positive."""
    degrees = graph.sum(axis=1)
    full = np.diag(degrees) - graph
    if kind == "rw":
        return full / degrees[:, np.newaxis]
    if kind == "symmetric":
        return full / np.sqrt(np.outer(degrees, degrees))
    return full


def test_affinities():
    indices = np.array([[1, 2], [0, 2], [1, 0], [2, 1]])
    distances = np.array([[1.0, 3.0], [1.0, 2.0], [2.0, 3.0], [4.0, 5.0]])
    scale = np.median(distances, axis=1)
    directed = np.zeros((4, 4))
    for i in range(4):
        directed[i, indices[i]] = np.exp(-distances[i] / scale[i])
    graph = affinity_graph(indices, distances)
    assert graph.dtype == np.float64
    np.testing.assert_allclose(graph.toarray(), (directed + directed.T) / 2)


def test_a_sample_is_not_its_own_neighbor():
    with_itself = affinity_graph(
        np.array([[0, 1, 2], [0, 1, 2], [1, 2, -1]]),
        np.array([[0.0, 1.0, 3.0], [1.0, 0.0, 2.0], [2.0, 0.0, np.inf]]),
    )
    assert with_itself.diagonal().tolist() == [0, 0, 0]
    # The medians over the present neighbours are 2, 1.5 and 2.
    expected = (np.exp(-1 / 2) + np.exp(-1 / 1.5)) / 2
    np.testing.assert_allclose(with_itself[0, 1], expected)
    expected = (np.exp(-2 / 1.5) + np.exp(-2 / 2)) / 2
    np.testing.assert_allclose(with_itself[1, 2], expected)


def test_a_sample_without_neighbors_is_isolated():
    graph = affinity_graph(np.array([[1], [0], [-1]]), np.ones((3, 1)))
    assert np.diff(graph.indptr).tolist() == [1, 1, 0]


def test_copies():
    indices = np.array([[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]])
    distances = np.zeros((4, 3))
    graph = affinity_graph(indices, distances)
    np.testing.assert_array_equal(graph.toarray(), 1 - np.eye(4))
    distances[:, 2] = 3.0  # most are copies: the mean, 1, is the scale
    graph = affinity_graph(indices, distances)
    np.testing.assert_allclose(graph[0, 3], np.exp(-3.0) / 2 + np.exp(-0.0) / 2)


def test_laplacian(subtests):
    graph = neighbor_graph(40)
    for kind in KINDS:
        with subtests.test(kind=kind):
            found = laplacian(graph, kind)
            np.testing.assert_allclose(
                found.toarray(), plain_laplacian(graph.toarray(), kind), atol=1e-12
            )


def test_a_node_without_an_edge_has_a_row_of_zeros():
    graph = sparse.block_diag([chain(4), sparse.csr_array((1, 1))], format="csr")
    for kind in KINDS:
        assert not laplacian(graph, kind).toarray()[4].any()


@pytest.mark.parametrize("n_samples", [30, 2 * N_DENSE])
def test_eigenvectors(n_samples, subtests):
    graph = neighbor_graph(n_samples)
    for kind in KINDS:
        with subtests.test(kind=kind):
            values, vectors = leading_eigenvectors(graph, 4, kind=kind, random_state=0)
            dense = graph.toarray()
            degrees = dense.sum(axis=1)
            mass = np.diag(degrees) if kind == "rw" else np.eye(n_samples)
            if kind == "rw":
                dense = degrees[:, np.newaxis] * plain_laplacian(dense, kind)
            else:
                dense = plain_laplacian(dense, kind)
            expected, true = linalg.eigh(dense, mass, subset_by_index=[1, 4])
            np.testing.assert_allclose(values, expected, atol=1e-9)
            # As columns of the pencil (D L, D) they are orthogonal with respect to D.
            cosines = true.T @ mass @ vectors / np.sqrt(mass.sum())
            np.testing.assert_allclose(np.abs(cosines), np.eye(4), atol=1e-5)
            np.testing.assert_allclose(
                np.average(vectors**2, axis=0, weights=mass.sum(axis=1)), 1
            )
            assert (vectors.max(axis=0) == np.abs(vectors).max(axis=0)).all()


@pytest.mark.parametrize("n_samples", [30, N_DENSE])
def test_components_come_first_the_largest_ahead(n_samples, subtests):
    sizes = n_samples, 2 * n_samples, n_samples // 2
    parts = [neighbor_graph(n, seed=n) for n in sizes]
    graph = sparse.block_diag([*parts, sparse.csr_array((1, 1))], format="csr")
    for kind in KINDS:
        with subtests.test(kind=kind):
            values, vectors = leading_eigenvectors(graph, 6, kind=kind, random_state=0)
            assert values[:3].tolist() == [0, 0, 0]
            assert values[3] > 1e-4
            residual = laplacian(graph, kind) @ vectors - vectors * values
            np.testing.assert_allclose(residual, 0, atol=1e-7)
            ends = np.cumsum([0, *sizes, 1])
            inside = vectors.copy()
            if kind == "symmetric":
                degrees = graph.sum(axis=1)
                inside /= np.sqrt(np.where(degrees > 0, degrees, 1))[:, np.newaxis]
            levels = np.array([inside[a:b, :3].mean(axis=0) for a, b in pairwise(ends)])
            steps = np.repeat(levels, [*sizes, 1], axis=0)
            np.testing.assert_allclose(inside[:, :3], steps, atol=1e-9)
            first, second, third = levels.T
            others = [0, 2, 3]
            # The largest, apart from all.
            np.testing.assert_allclose(first[others], first[0])
            assert first[1] * first[0] < 0
            np.testing.assert_allclose(second[1], 0, atol=1e-9)
            np.testing.assert_allclose(second[2], second[3])
            np.testing.assert_allclose(third[:2], 0, atol=1e-9)
            few = leading_eigenvectors(graph, 2, kind=kind, random_state=0)[1]
            np.testing.assert_allclose(few, vectors[:, :2], atol=1e-9)


def test_no_edge_at_all():
    values, vectors = leading_eigenvectors(sparse.csr_array((4, 4)), 3)
    assert values.tolist() == [0, 0, 0]
    np.testing.assert_allclose(vectors.T @ vectors, 4 * np.eye(3), atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_a_thin_graph_is_factorised(kind, monkeypatch):
    graph = chain(1200)
    expected = leading_eigenvectors(graph, 3, kind=kind, random_state=0)
    calls = []

    def eigsh(operator, n_vectors, *, which, **options):
        calls.append(which)
        if which == "LA":
            raise ArpackNoConvergence("%s", np.empty(0), np.empty((1200, 0)))
        return sparse.linalg.eigsh(operator, n_vectors, which=which, **options)

    monkeypatch.setattr(f"{positive_degrees.__module__}.eigsh", eigsh)
    values, vectors = leading_eigenvectors(graph, 3, kind=kind, random_state=0)
    assert calls == ["LA", "LM"]
    np.testing.assert_allclose(values, expected[0], rtol=1e-5)
    # The largest entries of a chain are its two ends: the sign is open.
    np.testing.assert_allclose(np.abs(vectors), np.abs(expected[1]), atol=1e-3)


def test_all_eigenvectors_but_the_trivial_one():
    assert leading_eigenvectors(chain(5), 4)[1].shape == (5, 4)


def test_the_number_of_threads_changes_nothing():
    graph = neighbor_graph(2 * N_DENSE)
    expected = leading_eigenvectors(graph, 3, random_state=0)[1]
    with threadpool_limits(limits=1):
        found = leading_eigenvectors(graph, 3, random_state=0)[1]
    np.testing.assert_array_equal(found, expected)
    other = leading_eigenvectors(graph, 3, random_state=1)[1]
    np.testing.assert_allclose(other, expected, atol=1e-6)


def test_degrees_are_positive():
    graph = sparse.block_diag([chain(3), sparse.csr_array((1, 1))], format="csr")
    assert positive_degrees(graph).tolist() == [1, 2, 1, 1]


def test_signs():
    assert signs(np.array([[1.0, -3.0, 0.0], [-2.0, 2.0, 0.0]])).tolist() == [-1, -1, 1]


def test_rotation_finds_the_eigenvectors_in_their_span(subtests):
    mixture = np.array([[1.0, 2.0, 0.0], [0.0, 1.0, -3.0], [1.0, 1.0, 1.0]])
    graph = neighbor_graph(300)
    for kind in ("rw", "unnormalized"):
        with subtests.test(kind=kind):
            masses = positive_degrees(graph) if kind == "rw" else np.ones(300)
            values, vectors = leading_eigenvectors(graph, 3, kind=kind, random_state=0)
            mixed = vectors @ mixture + 5
            found, centre, rotation = rotation_to_eigenvectors(graph, mixed, masses)
            np.testing.assert_allclose(found, values, atol=1e-9)
            np.testing.assert_allclose((mixed - centre) @ rotation, vectors, atol=1e-6)


def test_rotation_of_dependent_functions_is_moderate():
    for column in (np.zeros(30), np.ones(30), np.arange(30)):
        functions = np.stack([column, column + 1e-15], axis=1).astype(float)
        parts = rotation_to_eigenvectors(neighbor_graph(30), functions, np.ones(30))
        assert np.isfinite(parts[0]).all()
        rotated = (functions - parts[1]) @ parts[2]
        assert np.abs(rotated).max() < 10
