"""Tables and checks that the tests of nearest neighbours share."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
from scipy.spatial.distance import cdist


def draw_table(n_samples=60, n_features=4, seed=0):
    return np.random.default_rng(seed).normal(size=(n_samples, n_features))


def sorted_distances(X, n_neighbors, metric="euclidean", **params):
    """Sort each row's distances to all others."""
    table = cdist(X, X, metric, **params)
    np.fill_diagonal(table, np.inf)
    return np.sort(table, axis=1)[:, :n_neighbors]


def check_neighbors(X, indices, distances, metric="euclidean", **params):
    """Check dtypes, order and distances of neighbours, but not which they are."""
    n_samples = len(indices)
    assert indices.dtype == np.int32
    assert distances.dtype == np.float32
    assert indices.min() >= 0
    assert (indices != np.arange(n_samples)[:, np.newaxis]).all()
    assert (np.diff(np.sort(indices, axis=1), axis=1) > 0).all()
    assert (np.diff(distances, axis=1) >= 0).all()
    table = cdist(X, X, metric, **params)
    own = np.take_along_axis(table, indices, axis=1)
    np.testing.assert_allclose(distances, own, rtol=1e-4, atol=1e-3)
