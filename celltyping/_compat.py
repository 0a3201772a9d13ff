"""The private parts of scikit-learn that celltyping uses, imported here alone."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

# Hyper-parameter declarations are private API of scikit-learn (since 1.2). When it
# moves, only this module has to follow.
from sklearn.base import _fit_context
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    Options,
    StrOptions,
    validate_params,
)

__all__ = [
    "HasMethods",
    "Interval",
    "Options",
    "StrOptions",
    "_fit_context",
    "validate_params",
]
