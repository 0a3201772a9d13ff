"""How far cells are from all labelled ones, judged together with their neighbours."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors
from sklearn.utils.sparsefuncs import mean_variance_axis

# Principal components in which cells are compared.
N_COMPONENTS = 30

# Labelled cells that are kept to compare others with, and cells of the target from
# which principal components are learnt.
MAX_KEPT = 3000

# Nearest labelled cells whose mean distance counts, and neighbours among whom it is
# averaged, so many times.
N_NEAREST, N_NEIGHBORS, N_ROUNDS = 10, 15, 3

# The distance that this share of the cells is under is the unit: where fewer than that
# are of a type that the source has, the unit is wrong.
UNIT_QUANTILE = 0.25


# Rows that are projected at once.
ROWS_AT_ONCE = 1024


class Components(NamedTuple):
    """Directions in which cells are compared, and where they are 0."""

    axes: np.ndarray
    center: np.ndarray


class Novelty(NamedTuple):
    """What is needed to judge new cells."""

    components: Components
    keys: np.ndarray
    values: np.ndarray


def choose_cells(codes, n_kept, random_state):
    """Choose labelled cells to keep: all types, each with as many as possible.

    Parameters
    ----------
    codes : ndarray of shape (n_samples,)
        Index of the type of each cell.
    n_kept : int
        Number of cells to keep.
    random_state : RandomState
        Chooses.

    Returns
    -------
    rows : ndarray of shape (n_chosen,)
        Which, ascending; all where there are no more.
    """
    if len(codes) <= n_kept:
        return np.arange(len(codes))
    order = random_state.permutation(len(codes))
    # The rank of a cell within its type: the first of all types come first.
    by_type = order[np.argsort(codes[order], kind="stable")]
    counts = np.bincount(codes)
    starts = np.cumsum(counts) - counts
    rank = np.arange(len(codes)) - starts[codes[by_type]]
    return np.sort(by_type[np.argsort(rank, kind="stable")[:n_kept]])


def fit_components(X, random_state):
    """Learn principal components.

    Parameters
    ----------
    X : {ndarray, csr_matrix} of shape (n_samples, n_features)
        Cells; a sparse table stays sparse.
    random_state : RandomState
        Starts the solver.

    Returns
    -------
    components : Components
        `N_COMPONENTS` components, or as many as there can be. One that is 0 for every
        cell where all are alike; the column itself where there is one.
    """
    seed = int(random_state.randint(np.iinfo(np.int32).max))
    n_features = X.shape[1]
    if sparse.issparse(X):
        center, variance = mean_variance_axis(X, axis=0)
    else:
        center, variance = (f(X, axis=0, dtype=np.float64) for f in (np.mean, np.var))
    # What is left of alike cells is their rounding.
    size = np.square(center).sum() + variance.sum()
    if variance.sum() <= np.finfo(X.dtype).eps ** 1.5 * size:
        return Components(np.zeros((1, n_features)), np.zeros(n_features))
    n_components = min(N_COMPONENTS, X.shape[0] - 1, n_features - 1)
    if n_components < 1:
        return Components(np.ones((1, 1)), np.asarray(center, dtype=np.float64))
    pca = PCA(n_components, svd_solver="arpack", random_state=seed).fit(X)
    return Components(pca.components_.astype(np.float64), pca.mean_.astype(np.float64))


def project(components, X):
    """Return cells in principal components, in double precision.

    Parameters
    ----------
    components : Components
        What `fit_components` returned.
    X : {ndarray, csr_matrix} of shape (n_samples, n_features)
        Cells.

    Returns
    -------
    projected : ndarray of shape (n_samples, n_components), dtype=float64
        In single precision the last digits would depend on the other cells.
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
    """Draw at most `MAX_KEPT` cells, in the order in which they are given.

    Parameters
    ----------
    X : {ndarray, csr_matrix} of shape (n_samples, n_features)
        Cells.
    random_state : RandomState
        Draws.

    Returns
    -------
    drawn : {ndarray, csr_matrix} of shape (n_drawn, n_features)
        A copy of their rows.
    """
    return X[np.sort(random_state.permutation(X.shape[0])[:MAX_KEPT])]


def project_together(source, target, random_state):
    """Return labelled cells and those of the target in common components.

    Parameters
    ----------
    source : {ndarray, csr_matrix} of shape (n_source, n_features)
        Labelled cells.
    target : {ndarray, csr_matrix} of shape (n_target, n_features)
        Cells of the target.
    random_state : RandomState
        Draws the cells of the target that are learnt from, and starts the solver.

    Returns
    -------
    source : ndarray of shape (n_source, n_components), dtype=float64
        Labelled cells in these components.
    target : ndarray of shape (n_target, n_components), dtype=float64
        The target's.
    """
    together = stack(source, draw_cells(target, random_state))
    components = fit_components(together, random_state)
    return project(components, source), project(components, target)


def distances_to_labelled(source, target):
    """Return the mean distance of each cell to the nearest labelled ones.

    Parameters
    ----------
    source : ndarray of shape (n_source, n_components)
        Labelled cells.
    target : ndarray of shape (n_target, n_components)
        Cells of the target.

    Returns
    -------
    distances : ndarray of shape (n_target,)
        After both tables were centred, so that what differs between the experiments
        does not count.
    """
    search = NearestNeighbors(n_neighbors=min(N_NEAREST, len(source)))
    search.fit(source - source.mean(axis=0))
    return search.kneighbors(target - target.mean(axis=0))[0].mean(axis=1)


def fit_novelty(X, distances, random_state):
    """Average distances among neighbours, so that cells which hang together agree.

    Parameters
    ----------
    X : {ndarray, csr_matrix} of shape (n_samples, n_features)
        Cells of the target.
    distances : ndarray of shape (n_samples,)
        What `distances_to_labelled` returned.
    random_state : RandomState
        Starts the solver.

    Returns
    -------
    novelty : Novelty
        To be asked by `judge`.
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


def judge(novelty, X):
    """Tell how new cells are.

    Parameters
    ----------
    novelty : Novelty
        What `fit_novelty` returned.
    X : {ndarray, csr_matrix} of shape (n_samples, n_features)
        Cells, of the target or others of its kind.

    Returns
    -------
    values : ndarray of shape (n_samples,)
        Distance to the labelled cells, in units of that of familiar cells, as a mean
        over the nearest cells of the target.
    """
    search = NearestNeighbors(n_neighbors=min(N_NEIGHBORS, len(novelty.keys)))
    search.fit(novelty.keys)
    near = search.kneighbors(project(novelty.components, X), return_distance=False)
    return novelty.values[near].mean(axis=1)
