"""Scores of a typing."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from celltyping.metrics._matching import match_clusters, matched_accuracy_score
from celltyping.metrics._typed import (
    make_typed_scorer,
    ranked_accuracy_score,
    type_report,
)

__all__ = [
    "make_typed_scorer",
    "match_clusters",
    "matched_accuracy_score",
    "ranked_accuracy_score",
    "type_report",
]
