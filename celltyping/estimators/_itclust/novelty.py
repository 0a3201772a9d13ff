"""Novelty of cells: distance to the labelled cells, smoothed over neighbours."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors
from sklearn.utils.sparsefuncs import mean_variance_axis

# Number of principal components in which cells are compared.
N_COMPONENTS = 30

# Maximum number of labelled cells that are kept for comparison, and of target cells
# from which principal components are learnt.
MAX_CELLS = 3000

# Number of nearest labelled cells over which distances are averaged, number of
# neighbours over which they are smoothed, and number of such rounds.
N_NEAREST, N_NEIGHBORS, N_ROUNDS = 10, 15, 3

# Quantile of the distances that is the unit: it is wrong if fewer cells than this are
# of a type that the source has.
UNIT_QUANTILE = 0.25

# Number of rows that are projected at once.
ROWS_AT_ONCE = 1024


class Components(NamedTuple):
    """Principal axes in which cells are compared, and their origin."""

    axes: np.ndarray
    center: np.ndarray


class Novelty(NamedTuple):
    """Target cells in principal components, and the smoothed distance of each."""

    components: Components
    keys: np.ndarray
    values: np.ndarray


def choose_cells(codes, max_cells, random_state):
    """Sample at most `max_cells` labelled cells, from all types as equally as possible.

    Returns row numbers, ascending. `codes` has the type index of each cell.
    """
    if len(codes) <= max_cells:
        return np.arange(len(codes))
    order = random_state.permutation(len(codes))
    # The rank of a cell within its type: the first of all types come first.
    by_type = order[np.argsort(codes[order], kind="stable")]
    counts = np.bincount(codes)
    starts = np.cumsum(counts) - counts
    rank = np.arange(len(codes)) - starts[codes[by_type]]
    return np.sort(by_type[np.argsort(rank, kind="stable")[:max_cells]])


def fit_components(X, random_state):
    """Fit at most `N_COMPONENTS` principal components to cells, sparse or dense.

    If all cells are equal, there is one component that is 0 for every cell; if there is
    one column, it is the component.
    """
    seed = int(random_state.randint(np.iinfo(np.int32).max))
    n_features = X.shape[1]
    if sparse.issparse(X):
        center, variance = mean_variance_axis(X, axis=0)
    else:
        center, variance = (f(X, axis=0, dtype=np.float64) for f in (np.mean, np.var))
    # Rounding leaves a variance even if all cells are equal; and the solver fails where
    # squares in the dtype of X are 0.
    limits, size = np.finfo(X.dtype), np.square(center).sum() + variance.sum()
    if variance.sum() <= max(limits.eps**1.5 * size, float(limits.tiny)):
        return Components(np.zeros((1, n_features)), np.zeros(n_features))
    n_components = min(N_COMPONENTS, X.shape[0] - 1, n_features - 1)
    if n_components < 1:
        return Components(np.ones((1, 1)), np.asarray(center, dtype=np.float64))
    pca = PCA(n_components, svd_solver="arpack", random_state=seed).fit(X)
    return Components(pca.components_.astype(np.float64), pca.mean_.astype(np.float64))


def project(components, X):
    """Return cells in principal components.

    In double precision, shape (n_samples, n_components): in single precision the last
    digits would depend on the other cells.
    """
    axes, center = components
    pieces = [
        X[start : start + ROWS_AT_ONCE].astype(np.float64, copy=False) @ axes.T
        for start in range(0, X.shape[0], ROWS_AT_ONCE)
    ]
    return np.vstack(pieces) - axes @ center


def stack(*tables):
    """Return the rows of tables, all sparse or all dense, in one table."""
    if sparse.issparse(tables[0]):
        return sparse.csr_array(sparse.vstack(tables))
    return np.vstack(tables)


def draw_cells(X, random_state):
    """Return a copy of at most `MAX_CELLS` random rows of X, in their order."""
    return X[np.sort(random_state.permutation(X.shape[0])[:MAX_CELLS])]


def project_together(source, target, random_state):
    """Project labelled cells and those of the target on common components.

    Both tables have shape (n_cells, n_features), and (n_cells, n_components) after the
    projection.
    """
    together = stack(source, draw_cells(target, random_state))
    components = fit_components(together, random_state)
    return project(components, source), project(components, target)


def distances_to_labelled(source, target):
    """Return the mean distance of each target cell to its nearest labelled cells.

    Both projected tables, of shape (n_cells, n_components), are centred first, so that
    the difference between the experiments does not count.
    """
    search = NearestNeighbors(n_neighbors=min(N_NEAREST, len(source)))
    search.fit(source - source.mean(axis=0))
    return search.kneighbors(target - target.mean(axis=0))[0].mean(axis=1)


def fit_novelty(X, distances, random_state):
    """Smooth the distances of the target's cells X over their neighbours.

    `distances` of shape (n_samples,) is the result of `distances_to_labelled`.
    """
    components = fit_components(draw_cells(X, random_state), random_state)
    keys = project(components, X)
    search = NearestNeighbors(n_neighbors=min(N_NEIGHBORS, len(keys))).fit(keys)
    near = search.kneighbors(keys, return_distance=False)
    values = distances / max(float(np.quantile(distances, UNIT_QUANTILE)), 1e-12)
    for _ in range(N_ROUNDS - 1):
        values = values[near].mean(axis=1)
    values = values / max(float(np.quantile(values, UNIT_QUANTILE)), 1e-12)
    return Novelty(components, keys, values)


def score_novelty(novelty, X):
    """Return the novelty of cells: the mean over their nearest cells of the target.

    The unit is the distance of familiar cells to the labelled cells.
    """
    search = NearestNeighbors(n_neighbors=min(N_NEIGHBORS, len(novelty.keys)))
    search.fit(novelty.keys)
    near = search.kneighbors(project(novelty.components, X), return_distance=False)
    return novelty.values[near].mean(axis=1)
