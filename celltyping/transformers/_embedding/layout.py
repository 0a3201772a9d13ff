"""Layout of a fuzzy graph: start positions, attraction and repulsion."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from joblib import delayed
from scipy import optimize, sparse
from scipy.linalg import orthogonal_procrustes
from scipy.sparse.csgraph import connected_components
from sklearn.base import BaseEstimator

from celltyping._kernels._layout import (
    LARGEST_POWER,
    SMALLEST_POWER,
    TABLE_BITS,
    Edges,
    ForceTables,
    epoch_key,
    move,
    move_in_plane,
)
from celltyping._kernels._threads import threads
from celltyping._utils._progress import progress_bar
from celltyping._utils._robust import FAR, median_limit
from celltyping._utils._validation import LARGEST_SINGLE, check_magnitude
from celltyping.transformers._embedding.laplacian import leading_eigenvectors
from celltyping.transformers._embedding.neighbors import table_of_neighbors
from celltyping.transformers._embedding.out_of_sample import (
    InputPCA,
    row_norms,
    shorten,
)

# Half side of the square of the start positions: UMAP's forces suit such distances.
START_RANGE = 10.0

# Standard deviation of the noise that keeps samples from starting at one position.
START_NOISE = 1e-4

# Distance of samples without neighbours from the others, relative to the longest side
# of the box that these are in.
MARGIN = 0.25

# Components of a graph with fewer samples start at their principal components.
SMALLEST_COMPONENT = 20

# Epochs of the layout if they are "auto": 500 as in UMAP, for more samples than in
# UMAP, since they cost little; clusters of MNIST stand out better than at 200.
N_EPOCHS_SMALL, N_EPOCHS_LARGE, SMALL = 500, 200, 100_000

# Edges per block of rows: some 0.3 ms, several times what it takes to hand a
# block to a thread.
BLOCK = 16384

# Forces stay finite in float32 for any parameters; moves are limited anyway.
MAX_FORCE = 1e30

# Keeps the repulsion of two vertices finite where they meet.
SOFTENING = 0.001


class Density(NamedTuple):
    """The density term of densMAP.

    Parameters
    ----------
    radii : ndarray of shape (n_samples,)
        Logarithms of the local radii, see `original_radii`.
    fraction : float
        Fraction of the epochs, at the end, that use the term.
    weight : float
        Weight of the term in the loss.
    variance_shift : float
        Constant added to the variance of the radii.
    subsample_size : int
        Number of samples whose radii are compared in a step.
    """

    radii: np.ndarray
    fraction: float
    weight: float
    variance_shift: float
    subsample_size: int


class Forces(NamedTuple):
    """Forces between samples.

    Parameters
    ----------
    a, b : float
        Parameters of the curve: the similarity at distance x is 1 / (1 + a x^(2b)).
    negative_sample_rate : int
        Number of random samples that repel a sample each time that an edge attracts.
    repulsion_strength : float
        Factor of the repulsion.
    density : Density or None, default=None
        The density term.
    """

    a: float
    b: float
    negative_sample_rate: int
    repulsion_strength: float
    density: Density | None = None


def fit_curve(min_dist, spread):
    """Fit a and b of the similarity 1 / (1 + a x^(2b)) at distance x in the layout.

    The target is 1 up to `min_dist` and exp(-(x - min_dist) / spread) beyond.
    """
    if min_dist > spread:
        raise ValueError(f"min_dist ({min_dist}) must be at most spread ({spread})")

    def curve(x, a, b):
        return 1.0 / (1.0 + a * x ** (2.0 * b))

    # In units of the spread, so that the fit starts near its end for any spread.
    x = np.linspace(0.0, 3.0, 300)
    target = np.exp(-np.maximum(x - min_dist / spread, 0.0))
    (a, b), _ = optimize.curve_fit(curve, x, target)
    with np.errstate(over="ignore"):  # a is 0 then
        return float(a / np.float64(spread) ** (2.0 * b)), float(b)


def read_start(init, shape, *, continues=False):
    """Return a copy of `init` if it is an array, which must have this shape.

    A fit that `continues` another starts from its positions: None is returned, and the
    number of rows is not checked.
    """
    if isinstance(init, (str, BaseEstimator)):
        return None
    kind = f"an array of finite numbers of shape {shape}"
    try:
        start = np.array(init, dtype=np.float64)
    except (OverflowError, TypeError, ValueError) as exc:
        raise ValueError(
            f"init must be 'spectral', 'pca', a GrEASE or {kind}, got {init!r:.80}"
        ) from exc
    if start.shape[1:] != shape[1:] or not (continues or start.shape == shape):
        raise ValueError(
            f"init must have shape {shape}, a row for each sample of X and a column "
            f"for each of n_components, got {start.shape}; an array does not go with "
            "cross-validation, whose folds have other rows"
        )
    if not np.isfinite(start).all():
        raise ValueError(f"init must be {kind}, got {start[~np.isfinite(start)][0]}")
    check_magnitude(start, "NUMAP", LARGEST_SINGLE, name="init")
    return None if continues else start


def find_start(graph, reduced, coordinates, n_components, random_state, seed):
    """Return start positions from spectral coordinates or principal components.

    `reduced` are principal components of the samples, or None if there are distances
    alone, `coordinates` spectral coordinates or None; `random_state` draws noise,
    `seed` is the seed of the solvers.
    """
    if reduced is None:
        leading = start_from(coordinates, n_components, random_state, least_noise=1.0)
    else:
        leading = InputPCA().fit(reduced, n_components, seed=seed).transform(reduced)
        leading = shorten(leading, median_limit(row_norms(leading)))
    if coordinates is not None:
        leading = start_by_component(graph, leading, coordinates, seed)
    return start_from(leading, n_components, random_state)


def start_from(coordinates, n_components, random_state, least_noise=START_NOISE):
    """Turn coordinates, the leading ones first, into start positions.

    They are centred, within about 10 of 0, and of shape (n_samples, n_components), with
    noise of the standard deviation `least_noise`; dimensions without coordinates are
    noise of 1.
    """
    positions = np.zeros((len(coordinates), n_components))
    kept = coordinates[:, :n_components] - coordinates[:, :n_components].mean(axis=0)
    largest = np.max(np.abs(kept), initial=0.0)
    if largest > np.finfo(np.float64).tiny:  # the inverse of less is infinite
        positions[:, : kept.shape[1]] = kept * (START_RANGE / largest)
    noise = least_noise if kept.shape[1] == n_components and largest > 0 else 1.0
    return positions + noise * random_state.standard_normal(positions.shape)


def start_by_component(graph, reduced, coordinates, seed):
    """Arrange the components of a graph, each by its own spectral coordinates.

    The first eigenvectors of a graph with several components only separate these: each
    of them would start in one point. The leading principal components of the samples,
    `reduced`, give position, size and orientation of the components. The coordinates of
    a connected graph are returned as they are.
    """
    n_parts, parts = connected_components(graph, directed=False)
    if n_parts == 1:
        return coordinates
    start = np.array(reduced, dtype=np.float64)
    order = np.argsort(parts, kind="stable")
    for members in np.split(order, np.cumsum(np.bincount(parts))[:-1]):
        if len(members) < SMALLEST_COMPONENT:
            continue
        subgraph = sparse.csr_array(graph[members][:, members])
        n_own = min(reduced.shape[1], len(members) - 1)
        _, own = leading_eigenvectors(subgraph, n_own, random_state=seed)
        start[members] = mix(start[members], own, 1.0)
    return start


def position_apart(positions):
    """Return a position outside the box that positions are in, off its lowest corner.

    In one dimension it is below all positions.
    """
    low, high = positions.min(axis=0), positions.max(axis=0)
    return low - (MARGIN * np.max(high - low) or 1.0)


def mix(positions, coordinates, weight):
    """Return the weighted mean of positions and spectral coordinates.

    The coordinates, the leading ones first, are rotated and scaled to match the
    positions; `weight` is their share, between 0 and 1.
    """
    if weight == 0:
        return positions
    centre = positions.mean(axis=0)
    leading = np.zeros(positions.shape)
    n_leading = min(positions.shape[1], coordinates.shape[1])
    leading[:, :n_leading] = coordinates[:, :n_leading]
    leading -= leading.mean(axis=0)
    norm = np.linalg.norm(leading)
    if norm > 0:
        leading *= np.linalg.norm(positions - centre) / norm
    rotation, _ = orthogonal_procrustes(leading, positions - centre)
    return centre + (1 - weight) * (positions - centre) + weight * leading @ rotation


def lay_out(
    graph, start, forces, *, n_epochs, seed, device, n_jobs=None, verbose=False
):
    """Lay out a fuzzy graph, with the density term of densMAP in the last epochs.

    Parameters
    ----------
    graph : csr_array of shape (n_samples, n_samples)
        The fuzzy graph.
    start : ndarray of shape (n_samples, n_components)
        Start positions.
    forces : Forces
        Forces between samples.
    n_epochs : int or "auto"
        Number of epochs.
    seed : int
        Seed of the random samples that repel.
    device : str
        Device of the epochs with the density term.
    n_jobs : int, default=None
        Number of threads of the other epochs.
    verbose : bool or int, default=False
        Whether to show progress bars.

    Returns
    -------
    layout : ndarray of shape (n_samples, n_components), dtype=float64
        The positions.
    """
    if n_epochs == "auto":
        n_epochs = N_EPOCHS_SMALL if len(start) <= SMALL else N_EPOCHS_LARGE
    n_dense = round(forces.density.fraction * n_epochs) if forces.density else 0
    n_plain, options = n_epochs - n_dense, {"seed": seed, "verbose": verbose}
    positions = start
    if n_plain > 0:
        positions = optimize_layout(
            graph, positions, forces, n_epochs=n_plain, n_jobs=n_jobs, **options
        ).astype(np.float64)
    if n_dense > 0:
        from celltyping._nn._densmap import match_radii

        positions = match_radii(
            graph, positions, forces, n_epochs=n_dense, device=device, **options
        )
    return positions


def optimize_layout(
    graph,
    start,
    forces,
    *,
    n_epochs,
    seed,
    learning_rate=1.0,
    n_jobs=None,
    verbose=False,
):
    """Lay out a fuzzy graph: edges attract, random pairs repel.

    Parameters
    ----------
    graph : csr_array of shape (n_vertices, n_vertices)
        The fuzzy graph: symmetric, nonnegative, nothing on the diagonal.
    start : ndarray of shape (n_vertices, n_dims)
        Start positions; UMAP's forces suit a range of about 10.
    forces : Forces
        Forces between vertices.
    n_epochs : int
        Number of epochs. The strongest edge counts in each, an edge of a third of its
        weight in every third.
    seed : int
        Seed of the random vertices, between 0 and 2**64 - 1.
    learning_rate : float, default=1.0
        Step of the first epoch; it falls in a straight line to 0.
    n_jobs : int, default=None
        Number of threads; the result is the same for any.
    verbose : bool or int, default=False
        Whether to show a progress bar.

    Returns
    -------
    positions : ndarray of shape (n_vertices, n_dims), dtype=float32
        Positions after the last epoch.

    Notes
    -----
    UMAP [1]_ moves both ends of an edge. Here a vertex takes all its moves at once:
    first those as the far end of its edges, then those as the near end, each followed
    by a push from random vertices. The order matters: on MNIST, both pulls and the push
    edge by edge gave a worse cross-entropy, and both pulls after the push a far worse
    one. How fresh the others' positions are hardly matters.

    References
    ----------
    .. [1] L. McInnes, J. Healy, J. Melville (2018). UMAP: Uniform manifold
       approximation and projection for dimension reduction. :arxiv:`1802.03426`
    """
    edges = _edges_ever_due(graph, n_epochs)
    tables = _tabulate(forces)
    bounds = _split_rows(edges.ptr)
    positions = np.array(start, dtype=np.float32, order="C")
    kernel = move_in_plane if positions.shape[1] == 2 else move
    n_negatives = np.uint64(forces.negative_sample_rate)
    bar = progress_bar(n_epochs, description="layout", verbose=verbose)
    with threads(n_jobs) as parallel, bar:
        for epoch in range(n_epochs):
            step = np.float32(learning_rate * (1.0 - epoch / n_epochs))
            key = np.uint64(epoch_key(np.uint64(seed), epoch))
            moved = parallel(
                delayed(kernel)(
                    begin, end, edges, positions, tables, epoch, key, step, n_negatives
                )
                for begin, end in pairwise(bounds)
            )
            positions = np.concatenate(moved)
            bar.update()
    return positions


def _tabulate(forces):
    """Tabulate the forces as `ForceTables`."""
    a, b = forces.a, forces.b
    n_octaves = LARGEST_POWER - SMALLEST_POWER
    n_steps = 1 << TABLE_BITS
    mantissas = 1.0 + np.arange(n_steps) / n_steps
    squares = np.ldexp(mantissas, np.arange(n_octaves)[:, np.newaxis] + SMALLEST_POWER)
    squares = np.append(squares.ravel(), 2.0**LARGEST_POWER)
    with np.errstate(over="ignore", invalid="ignore"):
        powers = squares**b
        attraction = -2.0 * a * b * powers / squares / (1.0 + a * powers)
        repulsion = np.float64(2.0) * forces.repulsion_strength * b
        repulsion = repulsion / ((SOFTENING + squares) * (1.0 + a * powers))
    # One more value, which the last one's interpolation multiplies by 0.
    return ForceTables(
        *(
            np.clip(
                np.nan_to_num(np.append(table, table[-1])), -MAX_FORCE, MAX_FORCE
            ).astype(np.float32)
            for table in (attraction, repulsion)
        )
    )


def _edges_ever_due(graph, n_epochs):
    """Return as `Edges` those that count in at least one epoch."""
    largest = graph.data.max(initial=0.0)
    kept = (graph.data > 0.0) & (graph.data * n_epochs >= largest)
    ends = np.concatenate([[0], np.cumsum(kept)])
    return Edges(
        ends[graph.indptr].astype(np.uint64),
        graph.indices[kept].astype(np.uint32),
        (graph.data[kept] / largest).astype(np.float32),
    )


def _split_rows(ptr):
    """Return the bounds of blocks of rows with about `BLOCK` edges."""
    n_blocks = max(int(ptr[-1]) // BLOCK, 1)
    inner = np.searchsorted(ptr, np.arange(1, n_blocks) * float(BLOCK))
    return np.unique(np.concatenate([[0], inner, [len(ptr) - 1]]))


def original_radii(graph, indices, distances):
    """Compute the logarithms of local radii, log(ε + Σ w d² / Σ w), centred.

    ε is a small share of the mean; `indices` and `distances` of the neighbours are of
    shape (n_samples, n_neighbors), -1 and infinite where there is none.
    """
    listed = np.square(distances.astype(np.float64))
    squares = table_of_neighbors(indices, listed)
    squares = sparse.csr_array(squares.maximum(squares.T))
    # An outlier is far from its neighbours, and would be in their radii, too.
    own = np.median(listed, axis=1)
    limits = np.where(own > 0, FAR**2 * own, np.inf)
    limits = np.repeat(limits, np.diff(squares.indptr))
    squares.data = np.minimum(squares.data, limits)
    means = graph.multiply(squares).sum(axis=1) / np.maximum(graph.sum(axis=1), 1e-12)
    typical = np.minimum(means, median_limit(means, FAR**4)).mean()
    radii = np.log(1e-8 * max(typical, np.finfo(float).tiny) + means)
    middle = np.median(radii)
    limit = max(median_limit(np.abs(radii - middle)), 1.0)
    radii = np.clip(radii, middle - limit, middle + limit)
    return radii - radii.mean()
