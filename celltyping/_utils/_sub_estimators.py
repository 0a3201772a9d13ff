"""Helpers for meta-estimators: seeds, validation, tags, row-wise metadata."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
from sklearn.utils import InputTags, check_array, check_random_state, get_tags
from sklearn.utils.validation import validate_data

from celltyping._utils._compat import _num_samples
from celltyping._utils._containers import is_frame, refuse_container
from celltyping._utils._tables import dense_columns, take_rows
from celltyping._utils._validation import canonical_sparse, check_magnitude
from celltyping.connectome import Connectome

# Parameters of classifiers and samplers that contain classes.
_CLASS_PARAMS = ("class_weight", "sampling_strategy")


def make_generator(random_state):
    """Return a RandomState from which one fit draws all its seeds, or None."""
    return None if random_state is None else check_random_state(random_state)


def set_random_states(estimator, random_state):
    """Set each `random_state` that is None, nested ones too, to a random integer."""
    if random_state is None:
        return estimator
    random_state = check_random_state(random_state)
    seeds = {
        name: random_state.randint(np.iinfo(np.int32).max)
        for name, value in sorted(estimator.get_params(deep=True).items())
        if value is None and name.rpartition("__")[2] == "random_state"
    }
    return estimator.set_params(**seeds) if seeds else estimator


def remove_attributes(estimator, *names):
    """Delete those of the attributes that exist: only some fits set them."""
    for name in names:
        if hasattr(estimator, name):
            delattr(estimator, name)


def sub_estimator_has(method):
    """Return a check for `available_if`: the sub-estimator has a method.

    The meta-estimator gives its sub-estimator, or the default, by `_get_estimator()`.
    """

    def check(estimator):
        getattr(getattr(estimator, "estimator_", estimator._get_estimator()), method)
        return True

    return check


def check_rows(estimator, X, *, reset):
    """Validate X of a meta-estimator as far as its sub-estimators do not.

    Return a DataFrame (with dense columns) or a Connectome itself, otherwise an array
    or CSR matrix. The tags of the meta-estimator decide whether X may be sparse or
    contain NaN.
    """
    if isinstance(X, Connectome):
        return X
    refuse_container(X)
    tags = get_tags(estimator).input_tags
    # The tags of a Pipeline are those of its first step, but any step may impute or
    # convert X, and each step validates its input.
    has_steps = any(
        hasattr(value, "steps") for value in estimator.get_params(deep=False).values()
    )
    allow_nan, sparse = tags.allow_nan or has_steps, tags.sparse or has_steps
    if is_frame(X):
        rows = X = dense_columns(X)
        is_numeric = X.select_dtypes("number").shape == X.shape
        missing = X.isna().sum()
        if is_numeric and not allow_nan and missing.any():
            counts = ", ".join(f"{name!r} ({n})" for name, n in missing.items() if n)
            raise ValueError(
                f"{type(estimator).__name__} does not accept missing values (NaN), and "
                f"X has missing values in the columns {counts}"
            )
    else:
        rows = check_array(
            canonical_sparse(X),
            accept_sparse="csr" if sparse else False,
            dtype=None,
            ensure_all_finite="allow-nan" if allow_nan else True,
            input_name="X",
            estimator=estimator,
        )
        if rows.dtype.kind in "mM":
            raise ValueError(f"X must hold numbers, got dtype {rows.dtype}")
        if rows.dtype == np.uint64:  # whose differences wrap around
            rows = rows.astype(np.float64)
    check_magnitude(rows, type(estimator).__name__)
    validate_data(estimator, rows, reset=reset, skip_check_array=True)
    return rows


def join_input_tags(tags, sub_estimators):
    """Set input tags to what all sub-estimators accept; return the changed tags."""
    # Detectors of older versions of pyod have no tags.
    inputs = [
        get_tags(each).input_tags if hasattr(each, "__sklearn_tags__") else InputTags()
        for each in sub_estimators
    ]
    for name in ("sparse", "allow_nan", "string", "categorical"):
        setattr(tags.input_tags, name, all(getattr(each, name) for each in inputs))
    tags.input_tags.positive_only = any(each.positive_only for each in inputs)
    return tags


def is_per_row(value, n_rows):
    """Return whether metadata, such as sample weights, has one entry per row."""
    if isinstance(value, (str, dict)) or not hasattr(value, "__len__"):
        return False
    return _num_samples(value) == n_rows


def index_metadata(params, rows, n_rows):
    """Return metadata of some rows (indices or a mask); keep values not per row."""
    return {
        name: take_rows(value, rows) if is_per_row(value, n_rows) else value
        for name, value in params.items()
    }


def encode_class_params(estimator, classes):
    """Replace classes by their indices in the parameters of an estimator.

    It is going to be fitted with the indices. An `outlier_label` that is no class
    becomes -1, and an `unlabeled_marker` "auto", as all types are known.
    """
    code = {key: i for i, key in enumerate(classes.tolist())}
    coded = {}
    for name, value in estimator.get_params(deep=True).items():
        parameter = name.rpartition("__")[2]
        if parameter == "unlabeled_marker":
            coded[name] = "auto"
        elif parameter == "outlier_label" and np.isscalar(value):
            coded[name] = value if value == "most_frequent" else code.get(value, -1)
        elif parameter in _CLASS_PARAMS and isinstance(value, dict | list):
            unknown = [key for key in value if key not in code]
            if unknown:
                raise ValueError(
                    f"{name} contains {unknown}, which are not classes; the classes "
                    f"are {classes.tolist()}"
                )
            if isinstance(value, dict):
                coded[name] = {code[key]: entry for key, entry in value.items()}
            else:
                coded[name] = [code[key] for key in value]
    return estimator.set_params(**coded) if coded else estimator
