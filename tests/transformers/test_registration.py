"""Rotational registration of point sets."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.transform import Rotation

from celltyping.transformers._registration import (
    MAX_REFERENCES,
    kabsch_rotation,
    pick_references,
    register,
    register_to,
)

SPOTS = np.array(
    [[60.0, 10, 5], [-50, 20, 0], [30, -40, 10], [10, 30, -25], [-20, -30, 20]]
)


def point_sets(n_sets, degrees, seed=0, n_points=60):
    """Return rotated points in five spots about a centre, codes and rotations."""
    rng = np.random.default_rng(seed)
    rotations = Rotation.from_rotvec(
        np.deg2rad(degrees) / np.sqrt(3) * rng.normal(size=(n_sets, 3))
    )
    codes = np.repeat(np.arange(n_sets), n_points)
    # Different numbers of points in the spots rotate the principal axes.
    shares = rng.dirichlet(np.full(5, 5.0), size=n_sets)
    spots = np.concatenate([rng.choice(5, n_points, p=share) for share in shares])
    points = SPOTS[spots] + 2 * rng.normal(size=(len(codes), 3))
    return rotations[codes].apply(points), codes, rotations.as_matrix()


def disagreement(axes, rotations):
    """Return the maximum angle between axes and their mean rotation (degrees)."""
    seen = np.einsum("nji,njk->nik", rotations, axes)
    left, _, right = np.linalg.svd(seen.sum(axis=0))
    common = left @ right
    return max(
        np.rad2deg(Rotation.from_matrix(frame @ common.T).magnitude()) for frame in seen
    )


@pytest.mark.parametrize("degrees", [5, 15])
def test_point_sets_are_registered(degrees):
    offsets, codes, rotations = point_sets(6, degrees)
    axes = np.tile(np.eye(3), (6, 1, 1))
    before = axes.copy()
    found, reference, size = register(offsets, codes, axes)
    assert_array_equal(axes, before)
    assert disagreement(axes, rotations) > degrees / 2
    assert disagreement(found, rotations) < 1.5
    assert_allclose(found @ found.transpose(0, 2, 1), before, atol=1e-12)
    assert_allclose(np.linalg.det(found), 1)
    assert reference.shape == (360, 3)
    assert size == np.median(np.linalg.norm(offsets, axis=1))


def test_points_without_a_counterpart_have_almost_no_weight():
    offsets, codes, rotations = point_sets(5, 10)
    rng = np.random.default_rng(1)
    far = rng.choice(len(codes), 20, replace=False)
    offsets[far] = 300 * rng.normal(size=(20, 3))
    found, _, _ = register(offsets, codes, np.tile(np.eye(3), (5, 1, 1)))
    assert disagreement(found, rotations) < 2


def test_order_of_points_does_not_matter():
    offsets, codes, _ = point_sets(4, 10)
    axes = np.tile(np.eye(3), (4, 1, 1))
    expected, _, _ = register(offsets, codes, axes)
    order = np.random.default_rng(0).permutation(len(codes))
    found, _, _ = register(offsets[order], codes[order], axes)
    assert_allclose(found, expected, atol=1e-9)


def test_a_new_point_set_is_registered_to_the_reference():
    offsets, codes, rotations = point_sets(7, 15)
    known = codes < 6
    axes = np.tile(np.eye(3), (6, 1, 1))
    found, reference, size = register(offsets[known], codes[known], axes)
    new = register_to(
        offsets[~known], codes[~known] - 6, np.eye(3)[np.newaxis], reference, size
    )
    assert disagreement(np.concatenate([found, new]), rotations) < 2


@pytest.mark.parametrize("n_dimensions", [1, 2, 4])
def test_other_dimensions(n_dimensions):
    rng = np.random.default_rng(0)
    offsets = rng.normal(size=(40, n_dimensions))
    codes = np.arange(40) % 2
    axes = np.tile(np.eye(n_dimensions), (2, 1, 1))
    found, _, _ = register(offsets, codes, axes)
    assert_allclose(np.linalg.det(found), 1)


def test_nothing_to_register():
    axes = np.tile(np.eye(3), (2, 1, 1))
    nothing = np.empty((0, 3)), np.empty(0, dtype=np.intp)
    found, reference, size = register(*nothing, axes)
    assert_array_equal(found, axes)
    assert reference.shape == (0, 3)
    assert size == 0
    offsets, codes, _ = point_sets(2, 10)
    assert_array_equal(register_to(offsets, codes, axes, reference, size), axes)
    alone = codes == 0
    assert_array_equal(register(offsets[alone], codes[alone], axes)[0], axes)
    at_centre = np.zeros((5, 3)), np.array([0, 0, 1, 1, 1])
    assert_array_equal(register(*at_centre, axes)[0], axes)


def test_far_points_are_not_rotated():
    reference = np.array([[1.0, 0, 0], [0, 2, 0], [0, 0, 3]])
    assert_array_equal(kabsch_rotation(reference + 1e6, reference, 1.0), np.eye(3))


def test_references():
    assert_array_equal(pick_references(np.zeros((5, 2))), np.arange(5))
    rows = pick_references(np.zeros((10 * MAX_REFERENCES, 2)))
    assert len(np.unique(rows)) == MAX_REFERENCES
    assert rows[0] == 0
    assert rows[-1] == 10 * MAX_REFERENCES - 1
