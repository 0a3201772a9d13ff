"""Displays of types, clusters, embeddings and connectivity."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from celltyping.plotting._cluster_persistence import ClusterPersistenceDisplay
from celltyping.plotting._cluster_types import ClusterTypesDisplay
from celltyping.plotting._confused_types import ConfusedTypesDisplay
from celltyping.plotting._elbow import ElbowDisplay
from celltyping.plotting._embedding import EmbeddingDisplay
from celltyping.plotting._feature_pairs import FeaturePairsDisplay
from celltyping.plotting._marker_genes import MarkerGenesDisplay
from celltyping.plotting._transfer import TransferDisplay
from celltyping.plotting._type_accuracy import TypeAccuracyDisplay
from celltyping.plotting._type_composition import TypeCompositionDisplay
from celltyping.plotting._type_connectivity import TypeConnectivityDisplay
from celltyping.plotting._type_profile import TypeProfileDisplay

__all__ = [
    "ClusterPersistenceDisplay",
    "ClusterTypesDisplay",
    "ConfusedTypesDisplay",
    "ElbowDisplay",
    "EmbeddingDisplay",
    "FeaturePairsDisplay",
    "MarkerGenesDisplay",
    "TransferDisplay",
    "TypeAccuracyDisplay",
    "TypeCompositionDisplay",
    "TypeConnectivityDisplay",
    "TypeProfileDisplay",
]
