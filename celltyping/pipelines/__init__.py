"""Pipelines from raw tables to cell types and clusters."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from celltyping.pipelines._match_connectomes import match_connectomes
from celltyping.pipelines._read_expression import read_expression
from celltyping.pipelines._single_cell import make_single_cell_pipeline
from celltyping.pipelines._synapses import make_synapse_pipeline, synapse_table
from celltyping.pipelines._transfer_labels import transfer_labels
from celltyping.pipelines._transfer_types import transfer_types

__all__ = [
    "make_single_cell_pipeline",
    "make_synapse_pipeline",
    "match_connectomes",
    "read_expression",
    "synapse_table",
    "transfer_labels",
    "transfer_types",
]
