"""Metrics for predicted types, clusters and embeddings."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from celltyping.metrics._embedding import (
    density_correlation,
    hierarchy_correlation,
    make_neighborhood_scorer,
    neighbor_accuracy_score,
    neighborhood_overlap_score,
)
from celltyping.metrics._matching import match_clusters, matched_accuracy_score
from celltyping.metrics._spectral import (
    fiedler_distance,
    grassmann_score,
    spectrum_distance,
)
from celltyping.metrics._typed import (
    make_typed_scorer,
    ranked_accuracy_score,
    type_report,
)

__all__ = [
    "density_correlation",
    "fiedler_distance",
    "grassmann_score",
    "hierarchy_correlation",
    "make_neighborhood_scorer",
    "make_typed_scorer",
    "match_clusters",
    "matched_accuracy_score",
    "neighbor_accuracy_score",
    "neighborhood_overlap_score",
    "ranked_accuracy_score",
    "spectrum_distance",
    "type_report",
]
