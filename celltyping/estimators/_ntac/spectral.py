"""A first partition of a directed graph by its singular vectors."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import warnings

import numpy as np
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.extmath import randomized_svd
from threadpoolctl import threadpool_limits

# Singular vectors of each side. On the larva, 16 are a little worse than 8.
N_COMPONENTS = 8


def spectral_partitions(adjacency, n_clusters, seeds):
    """Cluster the nodes of a directed graph several times, fast and roughly.

    Parameters
    ----------
    adjacency : csr_array of shape (n_nodes, n_nodes)
        Nonnegative weights.
    n_clusters : int
        Number of clusters at most.
    seeds : sequence of int
        A seed for each partition.

    Returns
    -------
    partitions : list of ndarray of shape (n_nodes,), dtype=uint32
        Partitions without an empty cluster.

    Notes
    -----
    k-means on the left and right singular vectors of the regularised Laplacian
    D_out^(-1/2) A D_in^(-1/2), as in DI-SIM [1]_. The mean strength of a node is added
    to both D. One thread: the order of a sum would depend on their number.

    References
    ----------
    .. [1] K. Rohe, T. Qin, B. Yu (2016). Co-clustering directed graphs to discover
       asymmetries and directional communities. PNAS 113, 12679-12684.
       :doi:`10.1073/pnas.1525793113`
    """
    strength = adjacency.sum() / adjacency.shape[0] or 1.0  # no edge, only features
    left = sparse.diags_array((adjacency.sum(axis=1) + strength) ** -0.5)
    right = sparse.diags_array((adjacency.sum(axis=0) + strength) ** -0.5)
    partitions = []
    with threadpool_limits(limits=1):
        u, values, vt = randomized_svd(
            sparse.csr_array(left @ adjacency.astype(np.float64) @ right),
            min(N_COMPONENTS, adjacency.shape[0]),
            n_iter=4,
            random_state=seeds[0],
        )
        coordinates = np.hstack([u, vt.T]) * np.sqrt(np.tile(values, 2))
        for seed in seeds:
            means = KMeans(n_clusters, n_init=1, max_iter=20, random_state=seed)
            with warnings.catch_warnings():
                # Fewer distinct points than clusters: then there are fewer clusters.
                warnings.simplefilter("ignore", ConvergenceWarning)
                labels = means.fit_predict(coordinates)
            labels = np.unique(labels, return_inverse=True)[1]
            partitions.append(labels.astype(np.uint32))
    return partitions
