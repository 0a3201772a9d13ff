"""The fuzzy graph of nearest neighbours, and what known types change in it."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
from scipy import sparse

from celltyping._kernels._jit import jit

# When the sum of a row's memberships is this near to its target, the search for its
# bandwidth ends; and it ends after so many steps, since not all sums can be reached.
TOLERANCE = 1e-6
MAX_STEPS = 64

# A bandwidth is at least this part of the mean distance, as in UMAP.
LEAST_BANDWIDTH = 1e-3

# Entries between rows of different types shrink by exp(-2.5 / (1 - target_weight)),
# with target_weight 1 to nothing; those with a row of unknown type by exp(-1).
FAR = 2.5
INFINITELY_FAR = 1e12
UNKNOWN = 1.0


@jit
def _sum_memberships(distances, nearest, bandwidth):
    """Sum the memberships of one row."""
    total = 0.0
    for distance in distances:
        beyond = np.float64(distance) - nearest
        total += np.exp(-beyond / bandwidth) if beyond > 0.0 else 1.0
    return total


@jit
def _search_bandwidths(distances, nearest, target):
    """Find by bisection each row's bandwidth whose memberships sum to the target."""
    bandwidths = np.empty(len(distances), np.float64)
    for i in range(len(distances)):
        low, high, middle = 0.0, np.inf, 1.0
        for _ in range(MAX_STEPS):
            total = _sum_memberships(distances[i], nearest[i], middle)
            if abs(total - target) < TOLERANCE:
                break
            if total > target:
                high = middle
            else:
                low = middle
            middle = 2.0 * middle if high == np.inf else 0.5 * (low + high)
        bandwidths[i] = middle
    return bandwidths


def smooth_distances(distances):
    """Find the distance at which each row's memberships start to fall, and how fast.

    Parameters
    ----------
    distances : ndarray of shape (n_samples, n_neighbors)
        Distances to each row's nearest neighbours, itself left out, ascending.

    Returns
    -------
    rho : ndarray of shape (n_samples,)
        The smallest positive distance of each row, 0 if there is none.
    sigma : ndarray of shape (n_samples,)
        Bandwidths: the memberships exp(-max(0, distance - rho) / sigma) of a row sum to
        log2(n_neighbors), where a bandwidth of at least a thousandth of the mean
        distance can do that.
    """
    positive = np.where(distances > 0.0, distances, np.inf)
    rho = positive.min(axis=1).astype(np.float64)
    rho[np.isinf(rho)] = 0.0
    sigma = _search_bandwidths(distances, rho, np.log2(distances.shape[1]))
    means = distances.mean(axis=1, dtype=np.float64)
    means = np.where(rho > 0.0, means, means.mean())
    return rho, np.maximum(sigma, LEAST_BANDWIDTH * means)


def fuzzy_graph(indices, distances):
    """Join the neighbourhoods of all rows into one symmetric graph.

    Parameters
    ----------
    indices : ndarray of shape (n_samples, n_neighbors)
        Nearest neighbours of each row, itself left out.
    distances : ndarray of shape (n_samples, n_neighbors)
        Their distances, ascending.

    Returns
    -------
    graph : csr_array of shape (n_samples, n_samples), dtype=float32
        The fuzzy simplicial set of UMAP: memberships between 0 and 1, symmetric,
        nothing on the diagonal.
    """
    n_samples, n_neighbors = indices.shape
    rho, sigma = smooth_distances(distances)
    beyond = np.maximum(distances - rho[:, np.newaxis], 0.0)
    # A bandwidth is 0 only where all distances are.
    sigma[sigma == 0.0] = 1.0
    memberships = np.exp(-beyond / sigma[:, np.newaxis]).astype(np.float32)
    ptr = np.arange(n_samples + 1, dtype=np.int32) * np.int32(n_neighbors)
    directed = sparse.csr_array(
        (memberships.ravel(), indices.astype(np.int32).ravel(), ptr),
        shape=(n_samples, n_samples),
    )
    return _unite(directed)


def _unite(directed):
    """Unite a directed fuzzy graph with its transpose: w + w' - w w'."""
    transpose = directed.T.tocsr()
    graph = sparse.csr_array(directed + transpose - directed * transpose)
    graph.data = np.minimum(graph.data, np.float32(1.0))  # rounding can pass it
    graph.eliminate_zeros()
    graph.sort_indices()
    return graph


def supervise(graph, codes, target_weight):
    """Weaken what joins rows of different or unknown types.

    Parameters
    ----------
    graph : csr_array of shape (n_samples, n_samples), dtype=float32
        As `fuzzy_graph` returns it.
    codes : ndarray of shape (n_samples,)
        The types as integers, -1 where unknown.
    target_weight : float
        Between 0 and 1: how much the types count beside the distances.

    Returns
    -------
    graph : csr_array of shape (n_samples, n_samples), dtype=float32
        The intersection with the types. Each row is scaled such that its strongest
        entry is 1, and united with the transpose anew.
    """
    far = FAR / (1.0 - target_weight) if target_weight < 1.0 else INFINITELY_FAR
    rows = np.repeat(np.arange(graph.shape[0]), np.diff(graph.indptr))
    own, other = codes[rows], codes[graph.indices]
    factors = np.where(own == other, 1.0, np.exp(-far))
    factors[(own < 0) | (other < 0)] = np.exp(-UNKNOWN)
    weakened = graph.astype(np.float32, copy=True)
    weakened.data *= factors
    strongest = weakened.max(axis=1).toarray()[rows]
    weakened.data = np.divide(
        weakened.data, strongest, out=weakened.data, where=strongest > 0.0
    )
    return _unite(weakened)
