"""Clouds of points that are alike, turned about their centres until they coincide."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
from scipy.spatial.distance import cdist

# Widths of the kernel, from coarse to fine, in units of the median distance from the
# centre: turns of some 30 degrees are found at the beginning, and one in the end.
WIDTHS = np.geomspace(0.5, 0.08, 15)

# So many points stand for all others. More of them turn hardly better, but slower.
MOST_REFERENCES = 1000

# A point counts half if it finds as much weight as this share of the reference has
# when all of it is at its place: points that find nothing like them have no say.
BACKGROUND = 1e-3


def pick_references(points):
    """Return at most `MOST_REFERENCES` points, evenly from the table.

    Parameters
    ----------
    points : ndarray of shape (n_points, n_dimensions)
        The points.

    Returns
    -------
    rows : ndarray of shape (n_references,), dtype=intp
        Their rows; the same for the same number of points.

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping.transformers._registration import pick_references
    >>> pick_references(np.zeros((3, 2))).tolist()
    [0, 1, 2]
    """
    n_references = min(len(points), MOST_REFERENCES)
    return np.linspace(0, len(points) - 1, n_references).round().astype(np.intp)


def find_turn(points, reference, width):
    """Return the rotation about the origin that brings points nearer to a reference.

    Parameters
    ----------
    points : ndarray of shape (n_points, n_dimensions)
        The points.
    reference : ndarray of shape (n_references, n_dimensions)
        Where they may belong.
    width : float
        Standard deviation of the Gaussian kernel: how far a point looks around.

    Returns
    -------
    rotation : ndarray of shape (n_dimensions, n_dimensions)
        ``points @ rotation`` are nearer. A proper rotation: nothing is mirrored.

    Notes
    -----
    Each point's target is the mean of the reference, weighted by the kernel; the
    rotation is the one with the least sum of squared distances to the targets, by
    singular value decomposition (Kabsch). Points far from all of the reference weigh
    little.

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping.transformers._registration import find_turn
    >>> reference = np.array([[1.0, 0.0], [0.0, 2.0]])
    >>> find_turn(np.array([[0.8, -0.6], [1.2, 1.6]]), reference, 0.3).round(1)
    array([[ 0.8,  0.6],
           [-0.6,  0.8]])
    """
    kernel = np.exp(cdist(points, reference, "sqeuclidean") / (-2 * width**2))
    found = kernel.sum(axis=1, keepdims=True)
    targets = kernel @ reference / np.maximum(found, np.finfo(float).tiny)
    weights = found / (found + BACKGROUND * len(reference))
    left, _, right = np.linalg.svd((weights * points).T @ targets)
    left[:, -1] *= np.sign(np.linalg.det(left @ right))
    return left @ right


def register(offsets, codes, axes):
    """Turn the axes of all clouds until the clouds lie on each other.

    Parameters
    ----------
    offsets : ndarray of shape (n_points, n_dimensions)
        The points, from the centre of their cloud.
    codes : ndarray of shape (n_points,), dtype=intp
        Index of each point's cloud.
    axes : ndarray of shape (n_clouds, n_dimensions, n_dimensions)
        In its columns, the axes that each cloud has at first.

    Returns
    -------
    axes : ndarray of shape (n_clouds, n_dimensions, n_dimensions)
        The new axes; those of a cloud without points are the old ones.
    reference : ndarray of shape (n_references, n_dimensions)
        Some points in their new places, for `register_to`.
    size : float
        Median distance of a point from its centre, for `register_to`.

    Notes
    -----
    Clouds are turned one after the other, the largest first, towards the points of all
    others, first with a wide kernel and then with narrower ones (see [1]_ for a
    relative of this).

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
    others = [references[codes[references] != cloud] for cloud in range(len(axes))]
    for width in size * WIDTHS:
        for cloud in np.argsort(-counts, kind="stable"):
            rows = members[cloud]
            if len(rows) == 0 or len(others[cloud]) == 0 or size == 0:
                continue
            axes[cloud] @= find_turn(points[rows], points[others[cloud]], width)
            points[rows] = offsets[rows] @ axes[cloud]
    return axes, points[references], size


def register_to(offsets, codes, axes, reference, size):
    """Turn the axes of new clouds until these lie on a reference.

    Parameters
    ----------
    offsets : ndarray of shape (n_points, n_dimensions)
        The points, from the centre of their cloud.
    codes : ndarray of shape (n_points,), dtype=intp
        Index of each point's cloud.
    axes : ndarray of shape (n_clouds, n_dimensions, n_dimensions)
        In its columns, the axes that each cloud has at first.
    reference : ndarray of shape (n_references, n_dimensions)
        What `register` gave.
    size : float
        What `register` gave.

    Returns
    -------
    axes : ndarray of shape (n_clouds, n_dimensions, n_dimensions)
        The new axes.
    """
    axes = axes.copy()
    for cloud in np.unique(codes):
        own = offsets[codes == cloud]
        for width in size * WIDTHS if size > 0 else ():
            axes[cloud] @= find_turn(own @ axes[cloud], reference, width)
    return axes
