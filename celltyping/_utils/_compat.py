"""Private functions of scikit-learn used here, imported in this place alone.

There is no code for other versions: if one of them moves, only this module changes.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from numbers import Integral

# validation of hyper-parameters (since scikit-learn 1.2)
from sklearn.base import _fit_context

# rows, metadata and feature names in meta-estimators
from sklearn.utils import _param_validation, _safe_indexing
from sklearn.utils._param_validation import HasMethods, StrOptions, validate_params
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.metadata_routing import _raise_for_params, _RoutingNotSupportedMixin
from sklearn.utils.validation import (
    _check_feature_names_in,
    _check_sample_weight,
    _num_samples,
)

__all__ = [
    "ANY_N_JOBS",
    "HasMethods",
    "Interval",
    "StrOptions",
    "_RoutingNotSupportedMixin",
    "_check_feature_names_in",
    "_check_sample_weight",
    "_fit_context",
    "_get_output_config",
    "_num_samples",
    "_raise_for_params",
    "_safe_indexing",
    "validate_params",
]


class Interval(_param_validation.Interval):
    """Interval of numbers without booleans, which are integers in Python."""

    def is_satisfied_by(self, val):
        return not isinstance(val, bool) and super().is_satisfied_by(val)


# Constraint of the parameter `n_jobs`.
ANY_N_JOBS = [Interval(Integral, None, None, closed="neither"), None]
