"""Ways from a file of expression to the types of its cells."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from celltyping.pipelines._read_expression import read_expression
from celltyping.pipelines._single_cell import make_single_cell_pipeline
from celltyping.pipelines._transfer_labels import transfer_labels

__all__ = ["make_single_cell_pipeline", "read_expression", "transfer_labels"]
