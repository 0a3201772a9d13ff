"""Connectomes: a graph container that scikit-learn can slice, and its readers."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from celltyping.connectome._connectome import Connectome
from celltyping.connectome._io import read_edges, read_types

__all__ = ["Connectome", "read_edges", "read_types"]
