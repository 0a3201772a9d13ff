"""Names of everything public, as "celltyping.connectome.Connectome.align"."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import importlib
import inspect
import pkgutil
import re
from functools import cache

import numpydoc.validate
from sklearn.base import BaseEstimator

import celltyping


@cache
def public_names():
    """List the names that the public subpackages export."""
    names = []
    for module in pkgutil.iter_modules(celltyping.__path__, "celltyping."):
        if not module.name.startswith("celltyping._"):
            exported = importlib.import_module(module.name).__all__
            names += [f"{module.name}.{name}" for name in exported]
    return names


@cache
def public_callables():
    """List the names of public classes and functions and of their methods."""
    names = []
    for name in public_names():
        public = load(name)
        if inspect.isclass(public) or inspect.isroutine(public):
            names.append(name)
        if inspect.isclass(public):
            names += [f"{name}.{method}" for method in own_methods(public)]
    return names


@cache
def public_estimators():
    """List the public estimator classes that can be fitted."""
    found = [load(name) for name in public_names()]
    return [
        public
        for public in found
        if inspect.isclass(public)
        and issubclass(public, BaseEstimator)
        and hasattr(public, "fit")
    ]


def load(name):
    """Return the class, function, method or property of that full name."""
    return numpydoc.validate.Validator._load_obj(name)


def own_methods(cls):
    """List the public methods and properties that are written in celltyping.

    scikit-learn adds methods such as `set_fit_request` to every estimator.
    """
    names = []
    for base in inspect.getmro(cls):
        if base.__module__.startswith("celltyping"):
            names += [
                name
                for name, member in vars(base).items()
                if not name.startswith("_")
                and name not in names
                and not re.fullmatch(r"set_\w+_request", name)
                # Functions, properties, classmethods, available_if: all descriptors.
                and hasattr(member, "__get__")
            ]
    return names
