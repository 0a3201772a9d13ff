"""Cell typing of neurons and single cells with scikit-learn estimators."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0.dev0"

_submodules = [
    "connectome",
    "datasets",
    "estimators",
    "metrics",
    "model_selection",
    "pipelines",
    "plotting",
    "transformers",
]

# Public name -> submodule that defines it. Submodules are imported on first use, so
# that ``import celltyping`` is fast.
_public = {
    "ColumnSelector": "transformers",
    "ColumnWeighter": "transformers",
    "Connectome": "connectome",
    "ExpressionNormalizer": "transformers",
    "GeneFilter": "transformers",
    "GrEASE": "transformers",
    "GroupedEstimator": "estimators",
    "HighlyVariableGenes": "transformers",
    "InductiveClusterer": "estimators",
    "ItClustClassifier": "estimators",
    "MLPEncoder": "transformers",
    "NUMAP": "transformers",
    "NeuronAligner": "transformers",
    "NtacClassifier": "estimators",
    "NtacClusterer": "estimators",
    "OutlierFilteredClassifier": "estimators",
    "OutlierFilteredTransformer": "transformers",
    "OutlierRowRemover": "transformers",
    "SeedShuffleSplit": "model_selection",
    "TypeProfile": "transformers",
    "compare_partners": "model_selection",
    "find_label_issues": "model_selection",
    "make_single_cell_pipeline": "pipelines",
    "make_synapse_pipeline": "pipelines",
    "match_connectomes": "pipelines",
    "read_edges": "connectome",
    "read_expression": "pipelines",
    "read_types": "connectome",
    "synapse_table": "pipelines",
    "transfer_labels": "pipelines",
    "transfer_types": "pipelines",
}

# The same names for type checkers and editors, which cannot follow lazy imports.
if TYPE_CHECKING:
    # ruff: noqa: F401, F403
    from celltyping import datasets, metrics, plotting
    from celltyping.connectome import *
    from celltyping.estimators import *
    from celltyping.model_selection import *
    from celltyping.pipelines import *
    from celltyping.transformers import *

__all__ = sorted([*_public, *_submodules, "__version__"])


def __dir__():
    return __all__


def __getattr__(name):
    if name in _submodules:
        return importlib.import_module(f"celltyping.{name}")
    if name in _public:
        module = importlib.import_module(f"celltyping.{_public[name]}")
        return getattr(module, name)
    raise AttributeError(f"module 'celltyping' has no attribute {name!r}")
