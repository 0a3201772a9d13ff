"""Bandwidths of fuzzy neighbourhoods."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np

from celltyping._kernels._jit import jit

# The search for a bandwidth ends when the sum of the memberships is this near to its
# target, and after this number of steps, since not all sums can be reached.
TOLERANCE = 1e-6
MAX_STEPS = 64


@jit
def _sum_memberships(distances, nearest, bandwidth):
    """Sum the memberships of one row."""
    total = 0.0
    for distance in distances:
        beyond = np.float64(distance) - nearest
        total += np.exp(-beyond / bandwidth) if beyond > 0.0 else 1.0
    return total


@jit
def search_bandwidths(distances, nearest, targets):
    """Find each row's bandwidth by bisection.

    Parameters
    ----------
    distances : ndarray of shape (n_samples, n_neighbors)
        Distances to the neighbours of each row, ascending, infinite where there is no
        neighbour.
    nearest : ndarray of shape (n_samples,), dtype=float64
        Smallest positive distance of each row.
    targets : ndarray of shape (n_samples,), dtype=float64
        Sums of the memberships exp(-max(0, distance - nearest) / bandwidth) of the
        rows.

    Returns
    -------
    bandwidths : ndarray of shape (n_samples,), dtype=float64
        The bandwidths.
    """
    bandwidths = np.empty(len(distances), np.float64)
    for i in range(len(distances)):
        low, high, middle = 0.0, np.inf, 1.0
        for _ in range(MAX_STEPS):
            total = _sum_memberships(distances[i], nearest[i], middle)
            if abs(total - targets[i]) < TOLERANCE:
                break
            if total > targets[i]:
                high = middle
            else:
                low = middle
            middle = 2.0 * middle if high == np.inf else 0.5 * (low + high)
        bandwidths[i] = middle
    return bandwidths
