"""Elbow of a cost curve."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np

# Tolerance for equal distances; both axes have length 1.
ROUNDING = 1e-12


def find_elbow(n_clusters, cost):
    """Find the elbow of a cost that falls with the number of clusters.

    Both axes are scaled to [0, 1]. The elbow is the point farthest below the chord from
    the first point to the last one; of several such points, the first one. The elbow of
    fewer than 3 points is the last one.

    Parameters
    ----------
    n_clusters : array-like of shape (n_points,)
        Numbers of clusters, ascending; at least one.
    cost : array-like of shape (n_points,)
        Cost of each number of clusters.

    Returns
    -------
    n_clusters : int
        One of the numbers given.

    Notes
    -----
    A cost that is nowhere below its chord, such as a constant, has its elbow at the
    first point.

    The method is Kneedle [1]_ without smoothing and threshold.

    References
    ----------
    .. [1] V. Satopaa, J. Albrecht, D. Irwin, B. Raghavan (2011). Finding a "Kneedle" in
       a haystack: detecting knee points in system behavior. 31st International
       Conference on Distributed Computing Systems Workshops, 166-171.
       :doi:`10.1109/ICDCSW.2011.20`
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
