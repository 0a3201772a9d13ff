"""Re-export, in one place, of the private functions of scikit-learn used here.

There is no code for other versions: if one of them moves, only this module changes.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

# validation of hyper-parameters (since scikit-learn 1.2)
from sklearn.base import _fit_context

# rows, metadata and feature names in meta-estimators
from sklearn.utils import _safe_indexing
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    StrOptions,
    validate_params,
)
from sklearn.utils.metadata_routing import _raise_for_params, _RoutingNotSupportedMixin
from sklearn.utils.validation import _check_feature_names_in, _num_samples

__all__ = [
    "HasMethods",
    "Interval",
    "StrOptions",
    "_RoutingNotSupportedMixin",
    "_check_feature_names_in",
    "_fit_context",
    "_num_samples",
    "_raise_for_params",
    "_safe_indexing",
    "validate_params",
]
