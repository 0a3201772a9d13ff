"""Estimators that type cells."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from celltyping.estimators._itclust_classifier import ItClustClassifier
from celltyping.estimators._ntac_classifier import NtacClassifier
from celltyping.estimators._ntac_clusterer import NtacClusterer

__all__ = ["ItClustClassifier", "NtacClassifier", "NtacClusterer"]
