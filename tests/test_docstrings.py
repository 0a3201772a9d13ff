"""Docstrings of everything public: form, parameters, types, defaults, examples."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import ast
import inspect
import re

import pytest
from numpydoc.docscrape import ClassDoc, FunctionDoc
from numpydoc.validate import validate

from tests._public import load, public_callables, public_names

# Codes of numpydoc.validate that are not asked for.
NOT_ASKED = {
    "RT02",  # `y : ndarray of shape (n,)`, scikit-learn's way: the value has a name
    "ES01",  # a summary may be enough
    "SA01",  # See Also stands where it is natural
    "EX01",  # asked for below, of classes and functions alone
}


def parse(public):
    """Return the sections of a docstring."""
    return ClassDoc(public) if inspect.isclass(public) else FunctionDoc(public)


def defaults(public):
    """Return {name: default} of the parameters in a signature."""
    return {
        name: parameter.default
        for name, parameter in inspect.signature(public).parameters.items()
        if name not in ("self", "cls")
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    }


def states_default(text, default):
    """Tell whether the type of a parameter ends with its default."""
    stated = re.search(r"default=(.+)$", text)
    if default is inspect.Parameter.empty or stated is None:
        return default is inspect.Parameter.empty and stated is None
    try:
        value = ast.literal_eval(stated[1])
    except (SyntaxError, ValueError):
        return stated[1] == str(default)
    return value == default and type(value) is type(default)


def test_docstrings_are_valid():
    wrong = [
        f"{name}: {code}: {message}"
        for name in public_callables()
        for code, message in validate(name)["errors"]
        if code not in NOT_ASKED
    ]
    assert not wrong, "\n".join(wrong)


def test_classes_and_functions_have_an_example():
    found = {name: load(name) for name in public_names()}
    without = [
        name
        for name, public in found.items()
        if inspect.isclass(public) or inspect.isroutine(public)
        if ">>> " not in (inspect.getdoc(public) or "")
    ]
    assert not without, "\n".join(without)


def test_defaults_are_those_of_the_signature():
    wrong = []
    for name in public_callables():
        public = load(name)
        if callable(public):
            types = {param.name: param.type for param in parse(public)["Parameters"]}
            wrong += [
                f"{name}: {parameter} : {types.get(parameter)}, but it is {default!r}"
                for parameter, default in defaults(public).items()
                if not states_default(types.get(parameter, ""), default)
            ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("text", "default", "expected"),
    [
        ("int, default=3", 3, True),
        ("int, default=3", 4, False),
        ("bool, default=1", True, False),
        ("callable, default=max", "max", True),
        ("int", 3, False),
        ("int", inspect.Parameter.empty, True),
        ("int, default=3", inspect.Parameter.empty, False),
    ],
)
def test_a_wrong_default_is_found(text, default, expected):
    assert states_default(text, default) == expected


def test_constraints_are_those_of_the_signature():
    wrong = []
    for name in public_names():
        public = load(name)
        constraints = getattr(
            public,
            "_parameter_constraints",
            getattr(public, "_skl_parameter_constraints", None),
        )
        if constraints is None:
            # Estimators have to declare them; of the functions, those that check.
            wrong += [name] if hasattr(public, "get_params") else []
        elif list(constraints) != list(defaults(public)):
            wrong.append(f"{name}: {list(constraints)} vs {list(defaults(public))}")
    assert not wrong, "\n".join(wrong)


def test_types_are_valid_markup():
    # `n_features_in_` without backticks is a link to nowhere; Sphinx would stop.
    wrong = []
    for name in public_callables():
        parsed = parse(load(name))
        for section in ("Parameters", "Returns", "Yields", "Attributes"):
            for entry in parsed.get(section, []):
                for bare in re.findall(r"(?<![`\w])\w+_(?![`\w])", entry.type):
                    wrong.append(f"{name}: put backticks around {bare} in {entry.name}")
    assert not wrong, "\n".join(wrong)
