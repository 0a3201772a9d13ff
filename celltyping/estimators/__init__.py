"""Estimators that type cells."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from celltyping.estimators._grouped_estimator import GroupedEstimator
from celltyping.estimators._inductive_clusterer import InductiveClusterer
from celltyping.estimators._itclust_classifier import ItClustClassifier
from celltyping.estimators._ntac_classifier import NtacClassifier
from celltyping.estimators._ntac_clusterer import NtacClusterer
from celltyping.estimators._outlier_filtered_classifier import (
    OutlierFilteredClassifier,
)

__all__ = [
    "GroupedEstimator",
    "InductiveClusterer",
    "ItClustClassifier",
    "NtacClassifier",
    "NtacClusterer",
    "OutlierFilteredClassifier",
]
