"""The private parts of scikit-learn that celltyping uses, imported here alone."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

# Hyper-parameter declarations are private API of scikit-learn (since 1.2). When it
# moves, only this module has to follow.
from sklearn.base import _fit_context

# What its own meta-estimators are made with: rows of anything, metadata, names.
from sklearn.utils import _safe_indexing
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    Options,
    StrOptions,
    validate_params,
)
from sklearn.utils.metadata_routing import _raise_for_params, _routing_enabled
from sklearn.utils.validation import _check_feature_names_in, _num_samples

__all__ = [
    "HasMethods",
    "Interval",
    "Options",
    "StrOptions",
    "_check_feature_names_in",
    "_fit_context",
    "_num_samples",
    "_raise_for_params",
    "_routing_enabled",
    "_safe_indexing",
    "validate_params",
]
