"""Private functions of scikit-learn used here, imported in this place alone.

There is no code for other versions: if one of them moves, only this module changes.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import functools
from numbers import Integral, Real

import numpy as np
from sklearn import base

# rows, metadata and feature names in meta-estimators
from sklearn.utils import _param_validation, _safe_indexing
from sklearn.utils._param_validation import HasMethods, StrOptions, validate_params
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.metadata_routing import _raise_for_params, _RoutingNotSupportedMixin
from sklearn.utils.metaestimators import _safe_split
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
    "_safe_split",
    "use_python_numbers",
    "validate_params",
]


class Interval(_param_validation.Interval):
    """Interval of numbers without booleans, which are integers in Python."""

    def is_satisfied_by(self, val):
        return not isinstance(val, bool) and super().is_satisfied_by(val)


def _fit_context(*, prefer_skip_nested_validation):
    """Decorate `fit` as scikit-learn does: parameters are validated.

    Meanwhile, numbers of numpy among them are equal ones of Python: a sum of small
    types, such as uint8, would overflow in silence, and torch takes none.
    """
    validate = base._fit_context(
        prefer_skip_nested_validation=prefer_skip_nested_validation
    )

    def decorate(method):
        fit = validate(method)

        @functools.wraps(method)
        def wrapper(estimator, *args, **kwargs):
            given = use_python_numbers(estimator)
            try:
                return fit(estimator, *args, **kwargs)
            finally:
                vars(estimator).update(given)

        return wrapper

    return decorate


def use_python_numbers(estimator):
    """Replace numbers of numpy by equal ones of Python; return the replaced ones.

    Integers beyond 64 bits become floats where these are allowed: torch takes none.
    """
    given = {}
    for name, value in estimator.get_params(deep=False).items():
        is_duration = isinstance(value, np.timedelta64)  # an integer of numpy, too
        if isinstance(value, np.integer | np.floating) and not is_duration:
            given[name] = value
            setattr(estimator, name, value.item())
        elif isinstance(value, int) and 2**63 <= abs(value) < 2**1023:
            allowed = estimator._parameter_constraints[name]
            if any(isinstance(one, Interval) and one.type is Real for one in allowed):
                given[name] = value
                setattr(estimator, name, float(value))
    return given


# Constraint of the parameter `n_jobs`.
ANY_N_JOBS = [Interval(Integral, None, None, closed="neither"), None]
