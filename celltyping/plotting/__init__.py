"""Displays of types, clusters, embeddings and connectivity."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from celltyping.plotting._cluster_persistence import ClusterPersistenceDisplay
from celltyping.plotting._cluster_types import ClusterTypesDisplay
from celltyping.plotting._confused_types import ConfusedTypesDisplay
from celltyping.plotting._elbow import ElbowDisplay
from celltyping.plotting._embedding import EmbeddingDisplay
from celltyping.plotting._label_flow import LabelFlowDisplay
from celltyping.plotting._pair_plot import PairPlotDisplay
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
    "LabelFlowDisplay",
    "PairPlotDisplay",
    "TypeAccuracyDisplay",
    "TypeCompositionDisplay",
    "TypeConnectivityDisplay",
    "TypeProfileDisplay",
]
