"""Transformers that re-represent cells."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from celltyping.transformers._expression_normalizer import ExpressionNormalizer
from celltyping.transformers._gene_filter import GeneFilter
from celltyping.transformers._grease import GrEASE
from celltyping.transformers._highly_variable_genes import HighlyVariableGenes
from celltyping.transformers._numap import NUMAP
from celltyping.transformers._type_profile import TypeProfile

__all__ = [
    "NUMAP",
    "ExpressionNormalizer",
    "GeneFilter",
    "GrEASE",
    "HighlyVariableGenes",
    "TypeProfile",
]
