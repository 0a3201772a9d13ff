"""What several test modules need: the list of everything public.

A test that has the argument `public_name` runs once per public class and function, one
that has `public_callable_name` once per class, function and method. Both get a name
such as "celltyping.connectome.Connectome.align".
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import importlib
import inspect
import pkgutil
import re

import celltyping


def public_names():
    """Return the full names of what the public subpackages export."""
    names = []
    for module in pkgutil.iter_modules(celltyping.__path__, "celltyping."):
        if not module.name.startswith("celltyping._"):
            exported = importlib.import_module(module.name).__all__
            names += [f"{module.name}.{name}" for name in exported]
    return names


def load(name):
    """Return the public object of that full name."""
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def own_methods(cls):
    """Return the names of the public methods and properties written in celltyping.

    scikit-learn adds methods such as `set_fit_request` to each estimator by itself.
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


def pytest_generate_tests(metafunc):
    if "public_name" in metafunc.fixturenames:
        metafunc.parametrize("public_name", public_names())
    if "public_callable_name" in metafunc.fixturenames:
        names = []
        for name in public_names():
            public = load(name)
            if inspect.isclass(public) or inspect.isroutine(public):
                names.append(name)
            if inspect.isclass(public):
                names += [f"{name}.{method}" for method in own_methods(public)]
        metafunc.parametrize("public_callable_name", names)
