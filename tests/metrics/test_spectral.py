"""Metrics for eigenvectors and eigenvalues."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import subspace_angles

from celltyping.metrics import fiedler_distance, grassmann_score, spectrum_distance

SEEDS = st.integers(0, 10_000)
EIGENVALUES = st.lists(st.floats(0.1, 2), min_size=1, max_size=8)


def pair(seed=0, n_samples=30, n_components=3):
    """Return two matrices with similar column spaces."""
    rng = np.random.default_rng(seed)
    U = rng.normal(size=(n_samples, n_components))
    return U, U + rng.normal(size=U.shape) * rng.choice([0.01, 0.3, 2])


# -- grassmann_score --------------------------------------------------------------


@given(SEEDS, st.integers(1, 6))
def test_mean_squared_sine_of_the_angles(seed, n_components):
    U, V = pair(seed, n_components=n_components)
    expected = np.mean(np.sin(subspace_angles(U, V)) ** 2)
    assert grassmann_score(U, V) == pytest.approx(expected)
    projections = [B @ np.linalg.pinv(B) for B in (U, V)]
    norm = np.linalg.norm(projections[0] - projections[1])
    assert grassmann_score(U, V) == pytest.approx(norm**2 / (2 * n_components))


@given(SEEDS)
def test_score_depends_only_on_the_subspaces(seed):
    U, V = pair(seed)
    rng = np.random.default_rng(seed)
    expected = grassmann_score(U, V)
    assert grassmann_score(V, U) == pytest.approx(expected)
    mixed = V @ (rng.normal(size=(3, 3)) + 3 * np.eye(3)) * [1e-9, -1, 1e9]
    assert grassmann_score(U, mixed) == pytest.approx(expected, rel=1e-6)
    order = rng.permutation(30)
    assert grassmann_score(U[order], V[order]) == pytest.approx(expected)
    rotation, _ = np.linalg.qr(rng.normal(size=(30, 30)))
    assert grassmann_score(rotation @ U, rotation @ V) == pytest.approx(expected)


@given(st.floats(0, np.pi / 2))
def test_score_of_a_known_angle(angle):
    U = np.eye(3)[:, :2]
    V = np.array([[1, 0], [0, np.cos(angle)], [0, np.sin(angle)]])
    expected = np.sin(angle) ** 2 / 2
    assert grassmann_score(U, V) == pytest.approx(expected, abs=1e-15)


def test_score_of_equal_and_of_orthogonal_subspaces():
    U, _ = pair()
    assert grassmann_score(U, U[:, ::-1] * [2, -1, 1]) == pytest.approx(0, abs=1e-28)
    basis, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(30, 6)))
    score = grassmann_score(basis[:, :3], basis[:, 3:])
    assert score == pytest.approx(1)
    assert score <= 1


def test_score_of_random_subspaces_is_chance():
    rng = np.random.default_rng(0)
    U, V = rng.normal(size=(2, 1000, 100))
    assert grassmann_score(U, V) == pytest.approx(0.9, abs=0.01)


def test_score_of_a_float32_net():
    U, V = pair()
    expected = grassmann_score(U, V)
    found = grassmann_score(U, V.astype(np.float32))
    assert found == pytest.approx(expected, rel=1e-3)
    assert grassmann_score(U.tolist(), V.tolist()) == expected
    U, V = U.astype(np.float32), U.astype(np.float32)
    V[:, 2] = V[:, 0] * np.float32(0.1) + V[:, 1]  # dependent up to float32's rounding
    with pytest.raises(ValueError, match="columns of V must be linearly independent"):
        grassmann_score(U, V)


def test_inputs_stay_as_they_are():
    U, V = pair()
    given = U.copy(), V.copy()
    grassmann_score(U, V)
    fiedler_distance(U[:, 0], V[:, 0])
    spectrum_distance(U[:, 0], V[:, 0])
    np.testing.assert_array_equal(U, given[0])
    np.testing.assert_array_equal(V, given[1])


def test_grassmann_score_refuses(subtests):
    U = np.eye(3)[:, :2]
    for V, message in (
        (np.ones((3, 2)), r"the 2 columns of V .* of shape \(3, 2\) and rank 1"),
        (np.zeros((3, 2)), "columns of V must be linearly independent, .* rank 0"),
        ([[1, 0], [0, 0], [0, 0]], "columns of V must be linearly independent"),
        (np.eye(3)[:, :1], r"must have the same shape .* \(3, 2\) and \(3, 1\)"),
        (np.eye(4)[:, :2], r"must have the same shape .* \(3, 2\) and \(4, 2\)"),
        (np.eye(2, 3), "the 3 columns of V .* rank 2"),
        (np.full((3, 2), np.nan), "Input V contains NaN"),
        (np.full((3, 2), np.inf), "Input V contains infinity"),
        (np.ones(3), "Expected 2D array, got 1D"),
    ):
        with subtests.test(V=V), pytest.raises(ValueError, match=message):
            grassmann_score(U, V)


def test_grassmann_score_names_the_first_matrix_too():
    with pytest.raises(ValueError, match="the 2 columns of U must be linearly indep"):
        grassmann_score(np.ones((3, 2)), np.eye(3)[:, :2])


# -- spectrum_distance ------------------------------------------------------------


def test_spectrum_by_hand():
    assert spectrum_distance([3.0, 4.0], [3.0, 4.0]) == 0
    assert spectrum_distance([3.0, 4.0], [0.0, 0.0]) == 1
    assert spectrum_distance([3.0, 4.0], [4.0, 3.5]) == pytest.approx(0.1)
    assert spectrum_distance([4.0], [3.0]) == spectrum_distance(4, 3) == 0.25


@given(EIGENVALUES, SEEDS, st.floats(1e-6, 1e6))
def test_order_and_scale_of_eigenvalues_do_not_matter(values, seed, scale):
    rng = np.random.default_rng(seed)
    true, pred = np.array(values), np.array(values) + rng.normal(size=len(values))
    expected = spectrum_distance(true, pred)
    found = spectrum_distance(rng.permutation(true), rng.permutation(pred))
    assert found == pytest.approx(expected)
    assert spectrum_distance(scale * true, scale * pred) == pytest.approx(expected)
    # No other pairing of the two lists is closer than the sorted one.
    assert expected <= np.linalg.norm(true - pred) / np.linalg.norm(true) + 1e-12


def test_spectrum_refuses(subtests):
    for true, pred, message in (
        ([1.0, 2.0], [1.0], "inconsistent numbers of samples"),
        ([np.nan], [1.0], "Input eigenvalues_true contains NaN"),
        ([1.0], [np.inf], "Input eigenvalues_pred contains infinity"),
        ([0.0, 0.0], [0.0, 1.0], r"must not all be 0, .* got \[0.0, 0.0\]"),
        ([[1.0, 2.0]], [1.0], "should be a 1d array"),
        ([], [], "minimum of 1 is required"),
    ):
        with subtests.test(message), pytest.raises(ValueError, match=message):
            spectrum_distance(true, pred)


# -- fiedler_distance -------------------------------------------------------------


@given(SEEDS, st.floats(-1e6, 1e6).filter(lambda scale: abs(scale) > 1e-6))
def test_sign_and_length_do_not_matter(seed, scale):
    U, V = pair(seed)
    u, v = U[:, 0], V[:, 0]
    expected = 1 - abs(u @ v) / np.linalg.norm(u) / np.linalg.norm(v)
    assert fiedler_distance(u, v) == pytest.approx(expected)
    assert fiedler_distance(v, scale * u) == pytest.approx(expected)
    assert fiedler_distance(U[:, :1], V[:, :1]) == pytest.approx(expected)


@given(SEEDS)
def test_distance_agrees_with_the_score_of_one_column(seed):
    U, V = pair(seed, n_components=1)
    cosine = 1 - fiedler_distance(U, V)
    assert grassmann_score(U, V) == pytest.approx(1 - cosine**2)


@given(st.floats(0, np.pi))
def test_distance_of_a_known_angle(angle):
    found = fiedler_distance([1, 0], [np.cos(angle), np.sin(angle)])
    assert found == pytest.approx(1 - abs(np.cos(angle)), abs=1e-15)


def test_distance_of_vectors_on_one_line_and_of_orthogonal_ones():
    u = np.random.default_rng(0).normal(size=30)
    assert fiedler_distance(u, -3 * u) == pytest.approx(0, abs=1e-28)
    assert fiedler_distance([1.0, 1.0], [1.0, -1.0]) == pytest.approx(1)
    assert fiedler_distance([1e-300, 0.0], [1e300, 0.0]) == 0


def test_fiedler_distance_refuses(subtests):
    for v, message in (
        ([1.0], "inconsistent numbers of samples"),
        ([0.0, 0.0], "v must not be 0 everywhere"),
        ([np.nan, 1.0], "Input v contains NaN"),
        ([np.inf, 1.0], "Input v contains infinity"),
        ([[1.0, 2.0], [3.0, 4.0]], "should be a 1d array"),
    ):
        with subtests.test(message), pytest.raises(ValueError, match=message):
            fiedler_distance([1.0, 0.0], v)


def test_vectors_of_a_path():
    # The Fiedler vector of a path is half a cosine; numpy's may have either sign.
    n_nodes = 20
    path = np.diag(np.ones(n_nodes - 1), 1)
    path += path.T
    values, vectors = np.linalg.eigh(np.diag(path.sum(axis=0)) - path)
    half = np.cos(np.pi * (np.arange(n_nodes) + 0.5) / n_nodes)
    assert fiedler_distance(half, vectors[:, 1]) == pytest.approx(0, abs=1e-12)
    assert fiedler_distance(half, vectors[:, 2]) == pytest.approx(1)
    assert spectrum_distance(2 - 2 * np.cos(np.pi / n_nodes), values[1]) < 1e-12
