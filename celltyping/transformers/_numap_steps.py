"""Steps of NUMAP's fit: reduced features, graph, coordinates, layout, distances."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
from sklearn.base import clone

from celltyping.transformers._embedding import layout, neighbors, training
from celltyping.transformers._embedding.distances import DistanceMap
from celltyping.transformers._embedding.laplacian import leading_eigenvectors
from celltyping.transformers._embedding.out_of_sample import (
    N_NEAR,
    InputPCA,
    choose_anchors,
    flatten,
    resolve_n_anchors,
    softmax_weights,
)
from celltyping.transformers._grease import GrEASE


def reduce_features(numap, X, earlier, seed):
    """Return the reduction of the features and its result, None for distances.

    `earlier` is the map of the fit before, whose reduction is kept, or None.
    """
    if training.is_string(numap.metric, "precomputed"):
        return None, None
    pca = InputPCA(numap.metric) if earlier is None else earlier.pca
    if earlier is None:
        pca.fit(flatten(X), numap.n_input_components, seed=seed)
    return pca, pca.transform(flatten(X))


def build_graph(numap, X, reduced, neighbor_graph, codes, seed):
    """Build the graph of nearest neighbours, see `neighbors.build_graph`."""
    # Distances between rows of fewer columns take less time; if no column was left
    # out, they are the same.
    with np.errstate(over="ignore"):  # the search refuses infinite values
        euclidean = training.is_string(numap.metric, "euclidean")
        table = reduced.astype(np.float32) if euclidean else flatten(X)
    return neighbors.build_graph(
        table,
        n_neighbors=numap.n_neighbors,
        neighbor_graph=neighbor_graph,
        codes=codes,
        target_weight=numap.target_weight,
        metric=numap.metric,
        metric_params=numap.metric_params,
        random_state=seed,
        n_jobs=numap.n_jobs,
    )


def find_coordinates(numap, X, joined, encoder, seed):
    """Return spectral coordinates as a dict of NUMAP's attributes, empty without.

    `joined` is the graph of the samples that have neighbours; others are at 0.
    """
    n_samples = X.shape[0]
    n_coordinates = training.count_coordinates(numap, encoder, joined.shape[0])
    if n_coordinates is None:
        return {}
    if n_coordinates < 1:
        return {"spectral_embedding_": np.zeros((n_samples, 1))}
    if isinstance(numap.init, GrEASE) or training.list_spectral_needs(encoder):
        grease = _make_grease(numap, n_coordinates, n_samples, encoder, seed)
        coordinates = grease.fit(flatten(X)).embedding_.astype(np.float64)
        return {"spectral_": grease, "spectral_embedding_": coordinates}
    _, coordinates = leading_eigenvectors(joined, n_coordinates, random_state=seed)
    return {"spectral_embedding_": numap._apart.fill(coordinates, n_samples)}


def _make_grease(numap, n_coordinates, n_samples, encoder, seed):
    """Make an unfitted GrEASE, from `init` or with the same graph as NUMAP."""
    if isinstance(numap.init, GrEASE):
        grease = clone(numap.init)
        if grease.random_state is None:
            grease.random_state = seed
        return grease
    shared = ("metric", "metric_params", "n_input_components")
    shared += ("device", "n_jobs", "verbose")
    return GrEASE(
        n_coordinates,
        n_neighbors=min(numap.n_neighbors, n_samples - 1),
        solver="exact",
        n_anchors=0 if encoder.weights == "spectral" else numap.n_anchors,
        hidden_layer_sizes=encoder.hidden_layer_sizes,
        random_state=seed,
        **{name: getattr(numap, name) for name in shared},
    )


def make_forces(numap, curve, graph, rows):
    """Return the forces of the layout of rows, with the density term if wanted."""
    density = None
    if numap.densmap:
        radii = layout.original_radii(graph.weights, graph.indices, graph.distances)
        density = layout.Density(
            radii[rows],
            numap.dens_frac,
            numap.dens_lambda,
            numap.dens_var_shift,
            numap.dens_subsample_size,
        )
    strength = numap.negative_sample_rate, numap.repulsion_strength
    return layout.Forces(*curve, *strength, density)


def lay_out(numap, joined, start, forces, samples, run):
    """Lay out the graph of samples, and mix in a share of spectral coordinates."""
    options = {"n_epochs": numap.n_epochs, "n_jobs": numap.n_jobs, **run}
    positions = layout.lay_out(joined, start, forces, **options)
    if samples.coordinates is None:
        return positions
    return layout.mix(positions, samples.coordinates, numap.spectral_weight)


def make_distance_map(numap, seed):
    """Make the map from distances to positions in the layout."""
    n_samples = len(numap.layout_)
    n_anchors = resolve_n_anchors(numap.n_anchors, n_samples)
    kept = choose_anchors(n_anchors, n_samples, seed)
    return DistanceMap(kept, numap.layout_[kept], N_NEAR, softmax_weights)
