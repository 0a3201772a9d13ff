"""Rotational registration of point sets (Gaussian-weighted Kabsch)."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
from scipy.spatial.distance import cdist

# Kernel widths, from coarse to fine, in units of the median distance from the centre.
# The first ones correct rotations of about 30 degrees, the last ones of about 1 degree.
WIDTHS = np.geomspace(0.5, 0.08, 15)

# Point sets of a smaller size stay as they are: squares of kernel widths could be 0.
LEAST_SIZE = 1e-150

# Maximum number of reference points. More of them improve rotations hardly, and take
# more time.
MAX_REFERENCES = 1000

# Kernel mass, relative to a full match, at which a point gets half weight; points
# without a counterpart in the reference get almost none.
BACKGROUND = 1e-3


def pick_references(points):
    """Return the indices of at most `MAX_REFERENCES` points, evenly spaced."""
    n_references = min(len(points), MAX_REFERENCES)
    return np.linspace(0, len(points) - 1, n_references).round().astype(np.intp)


def kabsch_rotation(points, reference, width):
    """Return the rotation about the origin that moves points towards a reference.

    Parameters
    ----------
    points : ndarray of shape (n_points, n_dimensions)
        Points.
    reference : ndarray of shape (n_references, n_dimensions)
        Reference points.
    width : float
        Standard deviation of the Gaussian kernel.

    Returns
    -------
    rotation : ndarray of shape (n_dimensions, n_dimensions)
        Proper rotation (no reflection); ``points @ rotation`` are the rotated points.

    Notes
    -----
    Each point's target is the kernel-weighted mean of the reference. The rotation has
    the least weighted sum of squared distances to the targets, by singular value
    decomposition (Kabsch).
    """
    kernel = np.exp(cdist(points, reference, "sqeuclidean") / (-2 * width**2))
    mass = kernel.sum(axis=1, keepdims=True)
    targets = kernel @ reference / np.maximum(mass, np.finfo(float).tiny)
    weights = mass / (mass + BACKGROUND * len(reference))
    left, _, right = np.linalg.svd((weights * points).T @ targets)
    left[:, -1] *= np.sign(np.linalg.det(left @ right))
    return left @ right


def register(offsets, codes, axes):
    """Rotate all point sets onto each other.

    Point sets are rotated in turn, the largest first, towards the points of all others,
    with ever narrower kernels (compare coherent point drift [1]_).

    Parameters
    ----------
    offsets : ndarray of shape (n_points, n_dimensions)
        Points, relative to the centre of their set.
    codes : ndarray of shape (n_points,), dtype=intp
        Index of each point's set.
    axes : ndarray of shape (n_sets, n_dimensions, n_dimensions)
        Initial axes of each set, in columns.

    Returns
    -------
    axes : ndarray of shape (n_sets, n_dimensions, n_dimensions)
        New axes; unchanged for sets without points.
    reference : ndarray of shape (n_references, n_dimensions)
        Some of the rotated points, for `register_to`.
    size : float
        Median distance of a point from its centre, for `register_to`.

    References
    ----------
    .. [1] A. Myronenko and X. Song (2010). Point set registration: coherent point
       drift. IEEE Transactions on Pattern Analysis and Machine Intelligence 32,
       2262-2275. :doi:`10.1109/TPAMI.2010.46`
    """
    axes = axes.copy()
    if len(offsets) == 0:
        return axes, offsets.copy(), 0.0
    order = np.argsort(codes, kind="stable")
    counts = np.bincount(codes, minlength=len(axes))
    members = np.split(order, np.cumsum(counts)[:-1])
    points = np.einsum("ij,ijk->ik", offsets, axes[codes])
    size = float(np.median(np.linalg.norm(offsets, axis=1)))
    references = order[pick_references(points)]
    others = [references[codes[references] != i] for i in range(len(axes))]
    for width in size * WIDTHS:
        for i in np.argsort(-counts, kind="stable"):
            rows = members[i]
            if len(rows) == 0 or len(others[i]) == 0 or size < LEAST_SIZE:
                continue
            axes[i] @= kabsch_rotation(points[rows], points[others[i]], width)
            points[rows] = offsets[rows] @ axes[i]
    return axes, points[references], size


def register_to(offsets, codes, axes, reference, size):
    """Rotate new point sets onto a reference.

    Parameters
    ----------
    offsets, codes, axes : ndarray
        As in `register`.
    reference : ndarray of shape (n_references, n_dimensions)
        Reference points of `register`.
    size : float
        Median distance of `register`.

    Returns
    -------
    axes : ndarray of shape (n_sets, n_dimensions, n_dimensions)
        New axes.
    """
    axes = axes.copy()
    for i in np.unique(codes):
        points = offsets[codes == i]
        for width in size * WIDTHS if size > LEAST_SIZE else ():
            axes[i] @= kabsch_rotation(points @ axes[i], reference, width)
    return axes
