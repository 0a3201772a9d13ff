"""How many clusters: the elbow of a falling cost."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np

# Distances that differ by less are equal: both axes have length 1.
ROUNDING = 1e-12


def find_elbow(n_clusters, cost):
    """Find the number of clusters beyond which more of them save little.

    Both axes are scaled to [0, 1]. The elbow is the point that lies farthest below
    the chord, the line from the first point to the last one; of points that are as
    far, the first one. Fewer than 3 points have no elbow: then it is the last one.

    Parameters
    ----------
    n_clusters : array-like of shape (n_points,)
        Numbers of clusters, ascending; at least one.
    cost : array-like of shape (n_points,)
        The cost of so many clusters.

    Returns
    -------
    n_clusters : int
        One of the numbers given.

    Notes
    -----
    A cost that never lies below its chord, such as one that is the same everywhere,
    has its elbow at the first point: more clusters do not pay.

    The idea is that of Kneedle [1]_, without its smoothing and its threshold.

    References
    ----------
    .. [1] V. Satopaa, J. Albrecht, D. Irwin, B. Raghavan (2011). Finding a "Kneedle" in
       a haystack: detecting knee points in system behavior. 31st International
       Conference on Distributed Computing Systems Workshops, 166-171.
       :doi:`10.1109/ICDCSW.2011.20`

    Examples
    --------
    >>> from celltyping._utils._elbow import find_elbow
    >>> find_elbow([1, 2, 3, 4, 5], [10, 5, 2, 1.5, 1])
    3
    """
    n_clusters = np.asarray(n_clusters)
    if len(n_clusters) < 3:
        return int(n_clusters[-1])
    x, y = _scaled(n_clusters), _scaled(cost)
    below = y[0] + (y[-1] - y[0]) * x - y
    return int(n_clusters[np.argmax(below >= below.max() - ROUNDING)])


def _scaled(values):
    """Scale values to [0, 1]; if they are all the same, to 0."""
    values = np.asarray(values, dtype=float)
    values = values - values.min()
    most = values.max()
    return values / most if most > 0 else values
