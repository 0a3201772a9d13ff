"""Transformers that re-represent cells."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from celltyping.transformers._column_selector import ColumnSelector
from celltyping.transformers._column_weighter import ColumnWeighter
from celltyping.transformers._expression_normalizer import ExpressionNormalizer
from celltyping.transformers._gene_filter import GeneFilter
from celltyping.transformers._grease import GrEASE
from celltyping.transformers._highly_variable_genes import HighlyVariableGenes
from celltyping.transformers._mlp_encoder import MLPEncoder
from celltyping.transformers._neuron_aligner import NeuronAligner
from celltyping.transformers._numap import NUMAP
from celltyping.transformers._outlier_filtered_transformer import (
    OutlierFilteredTransformer,
)
from celltyping.transformers._outlier_row_remover import OutlierRowRemover
from celltyping.transformers._type_profile import TypeProfile

__all__ = [
    "NUMAP",
    "ColumnSelector",
    "ColumnWeighter",
    "ExpressionNormalizer",
    "GeneFilter",
    "GrEASE",
    "HighlyVariableGenes",
    "MLPEncoder",
    "NeuronAligner",
    "OutlierFilteredTransformer",
    "OutlierRowRemover",
    "TypeProfile",
]
