"""From neighbours to places: the fuzzy graph, where samples start, and their layout."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
from scipy import sparse
from scipy.linalg import orthogonal_procrustes
from scipy.sparse.csgraph import connected_components

from celltyping._kernels._layout import optimize_layout
from celltyping._utils._progress import progress_bar
from celltyping.transformers._embedding.laplacian import leading_eigenvectors

# Samples start within a square of this half side: UMAP's forces suit such distances.
START_RANGE = 10.0

# Standard deviation of what keeps samples from starting at one place.
START_NOISE = 1e-4

# Components of a graph with fewer samples start at their principal components.
SMALLEST_COMPONENT = 20

# Epochs of the layout, unless told otherwise: 500 as UMAP does, for more samples than
# in UMAP, since they cost little; clusters of MNIST stand out better than at 200.
N_EPOCHS_SMALL, N_EPOCHS_LARGE, SMALL = 500, 200, 100_000

# Adam's largest step, in units of the layout, while samples move to match local radii.
DENSITY_STEP = 0.1


def read_neighbor_graph(neighbor_graph, n_samples):
    """Read neighbours from a sparse matrix of distances.

    Parameters
    ----------
    neighbor_graph : sparse matrix of shape (n_samples, n_samples)
        Distances to the neighbours of each sample, as
        :func:`sklearn.neighbors.kneighbors_graph` makes them. What it says of a sample
        and itself is left out.
    n_samples : int
        Number of samples.

    Returns
    -------
    indices : ndarray of shape (n_samples, n_neighbors), dtype=int32
        Neighbours, nearest first; as many as the sample with the fewest has.
    distances : ndarray of shape (n_samples, n_neighbors), dtype=float32
        Their distances.

    Raises
    ------
    ValueError
        If it is not sparse, has another shape, holds a negative distance or one that
        is not finite, or a sample has no neighbour.
    """
    if not sparse.issparse(neighbor_graph):
        raise ValueError(
            "neighbor_graph must be a sparse matrix of distances, as "
            "sklearn.neighbors.kneighbors_graph(X, 15, mode='distance') makes it, got "
            f"{type(neighbor_graph).__name__}"
        )
    if neighbor_graph.shape != (n_samples, n_samples):
        raise ValueError(
            f"neighbor_graph must have shape {n_samples, n_samples}, a row for each "
            f"sample of X, got {neighbor_graph.shape}"
        )
    graph = sparse.coo_array(neighbor_graph)
    if not np.all(np.isfinite(graph.data)) or np.any(graph.data < 0):
        raise ValueError("neighbor_graph must hold distances, finite and at least 0")
    other = graph.row != graph.col
    rows, columns, values = graph.row[other], graph.col[other], graph.data[other]
    counts = np.bincount(rows, minlength=n_samples)
    n_neighbors = counts.min()
    if n_neighbors == 0:
        raise ValueError(
            f"every sample needs a neighbour, but neighbor_graph has none for "
            f"{np.sum(counts == 0)} of {n_samples} samples, such as sample "
            f"{np.argmin(counts)}"
        )
    order = np.lexsort((columns, values, rows))
    firsts = np.cumsum(counts) - counts
    nearest = order[firsts[:, np.newaxis] + np.arange(n_neighbors)]
    return columns[nearest].astype(np.int32), values[nearest].astype(np.float32)


def start_from(coordinates, n_components, random_state):
    """Turn coordinates into places to start from.

    Parameters
    ----------
    coordinates : ndarray of shape (n_samples, n_coordinates)
        Spectral coordinates or principal components, the leading ones first.
    n_components : int
        How many are wanted; what is missing is noise.
    random_state : RandomState instance
        Draws the noise.

    Returns
    -------
    places : ndarray of shape (n_samples, n_components)
        Centred, and within about 10 of 0.
    """
    places = np.zeros((len(coordinates), n_components))
    kept = coordinates[:, :n_components] - coordinates[:, :n_components].mean(axis=0)
    largest = np.max(np.abs(kept), initial=0.0)
    if largest > 0:
        places[:, : kept.shape[1]] = kept * (START_RANGE / largest)
    noise = START_NOISE if kept.shape[1] == n_components and largest > 0 else 1.0
    return places + noise * random_state.standard_normal(places.shape)


def start_by_component(graph, reduced, coordinates, seed):
    """Put the components of a graph side by side, each by its own spectral coordinates.

    The first eigenvectors of a graph with several components only tell these apart:
    each of them would start in one point.

    Parameters
    ----------
    graph : csr_array of shape (n_samples, n_samples)
        The fuzzy graph.
    reduced : ndarray of shape (n_samples, n_components)
        Leading principal components of the samples. They say where the components
        belong, how large they are and how they are turned.
    coordinates : ndarray of shape (n_samples, n_coordinates)
        Spectral coordinates of the whole graph.
    seed : int
        Seed of the eigensolver.

    Returns
    -------
    start : ndarray of shape (n_samples, n_dimensions)
        The coordinates of a connected graph, else new ones.
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


def n_layout_epochs(n_samples):
    """Choose the number of epochs of the layout."""
    return N_EPOCHS_SMALL if n_samples <= SMALL else N_EPOCHS_LARGE


def mix(places, coordinates, weight):
    """Draw places towards spectral coordinates.

    Parameters
    ----------
    places : ndarray of shape (n_samples, n_components)
        The layout.
    coordinates : ndarray of shape (n_samples, n_coordinates)
        The spectral coordinates, the leading ones first.
    weight : float
        Share of the coordinates, between 0 and 1.

    Returns
    -------
    mixed : ndarray of shape (n_samples, n_components)
        The weighted mean, the coordinates turned and scaled to match the layout.
    """
    if weight == 0:
        return places
    centre = places.mean(axis=0)
    leading = np.zeros(places.shape)
    n_leading = min(places.shape[1], coordinates.shape[1])
    leading[:, :n_leading] = coordinates[:, :n_leading]
    leading -= leading.mean(axis=0)
    spread = np.linalg.norm(leading)
    if spread > 0:
        leading *= np.linalg.norm(places - centre) / spread
    turn, _ = orthogonal_procrustes(leading, places - centre)
    return centre + (1 - weight) * (places - centre) + weight * leading @ turn


def lay_out(graph, start, *, curve, n_epochs, verbose, **options):
    """Lay out a fuzzy graph behind a progress bar; see `optimize_layout`."""
    with progress_bar(n_epochs, description="layout", verbose=verbose) as bar:
        return optimize_layout(
            start,
            graph,
            a=curve[0],
            b=curve[1],
            n_epochs=n_epochs,
            learning_rate=1.0,
            advance=bar.update,
            **options,
        ).astype(np.float64)


def original_radii(graph, indices, distances):
    """Compute the logarithms of the local radii of samples in their own space.

    Parameters
    ----------
    graph : csr_array of shape (n_samples, n_samples)
        The fuzzy graph.
    indices, distances : ndarray of shape (n_samples, n_neighbors)
        Neighbours and their distances.

    Returns
    -------
    radii : ndarray of shape (n_samples,)
        log(ε + Σ w d² / Σ w), standardised to mean 0; ε is a small share of the mean.
    """
    n_samples, n_neighbors = indices.shape
    starts = np.arange(0, n_samples * n_neighbors + 1, n_neighbors)
    squares = np.square(distances.astype(np.float64)).ravel()
    squares = sparse.csr_array((squares, indices.ravel(), starts), shape=graph.shape)
    squares = squares.maximum(squares.T)
    means = graph.multiply(squares).sum(axis=1) / np.maximum(graph.sum(axis=1), 1e-12)
    radii = np.log(1e-8 * max(means.mean(), np.finfo(float).tiny) + means)
    return radii - radii.mean()


def match_radii(
    places,
    graph,
    radii,
    *,
    curve,
    n_epochs,
    negative_sample_rate,
    repulsion_strength,
    dens_lambda,
    dens_var_shift,
    dens_subsample_size,
    seed,
    device,
    verbose,
):
    """Move samples on by UMAP's loss and by how well local radii match.

    Parameters
    ----------
    places : ndarray of shape (n_samples, n_components)
        The layout.
    graph : csr_array of shape (n_samples, n_samples)
        The fuzzy graph.
    radii : ndarray of shape (n_samples,)
        As `original_radii` returns them.
    curve : tuple of float
        a and b, as `fit_curve` returns them.
    n_epochs : int
        Number of steps; each draws as many edges as an epoch of the layout.
    negative_sample_rate : int
        Pairs that repel, per edge.
    repulsion_strength, dens_lambda : float
        Factors of the repulsion and of the radii's correlation.
    dens_var_shift : float
        What is added to the variance of radii.
    dens_subsample_size : int
        Samples whose radii are compared in a step.
    seed : int
        Seed of the draws.
    device : str
        Where the arithmetic is done.
    verbose : bool or int
        Whether to show a progress bar.

    Returns
    -------
    places : ndarray of shape (n_samples, n_components)
        Where the samples are now.
    """
    import torch

    from celltyping._nn._losses import EdgeBatches, EdgeData, UmapLoss
    from celltyping._nn._modules import FreePositions, RowAdam
    from celltyping._nn._training import seeded, train

    edges = EdgeData(
        torch.arange(len(places), device=device),
        graph,
        negative_sample_rate,
        torch.as_tensor(radii, dtype=torch.float32, device=device),
        dens_subsample_size,
    )
    with seeded(seed, device):
        net = train(
            FreePositions(torch.as_tensor(places, dtype=torch.float32)),
            edges,
            criterion=UmapLoss(*curve, repulsion_strength, dens_lambda, dens_var_shift),
            batches=EdgeBatches,
            batch_size=len(edges),
            max_epochs=n_epochs,
            learning_rate=DENSITY_STEP,
            description="density",
            optimizer=RowAdam,
            device=device,
            verbose=verbose,
        )
    return net.module_.positions.detach().cpu().numpy().astype(np.float64)
