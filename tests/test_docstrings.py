"""Docstrings say what is there: every parameter, its type and its default."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import ast
import inspect
import re

import pytest
from numpydoc.docscrape import ClassDoc, FunctionDoc
from numpydoc.validate import Validator, validate

# Codes of numpydoc.validate that are not asked for.
NOT_ASKED = {
    "RT02",  # `y : ndarray of shape (n,)`, scikit-learn's way: the value has a name
    "ES01",  # a summary may be enough
    "SA01",  # See Also stands where it is natural
    "EX01",  # asked for below, of classes and functions alone
}


def load(name):
    """Return the class, function, method or property of that full name."""
    return Validator._load_obj(name)


def documented_parameters(public):
    """Return {name: type} from the Parameters section of a docstring."""
    kind = ClassDoc if inspect.isclass(public) else FunctionDoc
    parsed = kind(public)
    return {param.name: param.type for param in parsed["Parameters"]}


def defaults(public):
    """Return {name: default} of the parameters in a signature."""
    return {
        name: parameter.default
        for name, parameter in inspect.signature(public).parameters.items()
        if name not in ("self", "cls")
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    }


def test_docstring_is_valid(public_callable_name):
    found = validate(public_callable_name)
    errors = [
        f"{code}: {message}"
        for code, message in found["errors"]
        if code not in NOT_ASKED
    ]
    assert not errors, f"{public_callable_name}: " + "; ".join(errors)


def test_has_an_example(public_name):
    public = load(public_name)
    if not (inspect.isclass(public) or inspect.isroutine(public)):
        pytest.skip("a constant")
    assert ">>> " in (inspect.getdoc(public) or ""), f"{public_name} has no example"


def test_default_in_docstring_is_the_one_in_the_signature(public_callable_name):
    public = load(public_callable_name)
    if not callable(public):
        pytest.skip("a property")
    types = documented_parameters(public)
    for name, default in defaults(public).items():
        stated = re.search(r"default=(.+)$", types[name])
        where = f"{public_callable_name}: {name} : {types[name]}"
        if default is inspect.Parameter.empty:
            assert stated is None, f"{where} has no default in the signature"
            continue
        assert stated, f"{where} does not end with default={default!r}"
        try:
            value = ast.literal_eval(stated[1])
        except (SyntaxError, ValueError):
            assert stated[1] == str(default), f"{where}, but it is {default!r}"
        else:
            assert value == default, f"{where}, but it is {default!r}"
            assert type(value) is type(default), f"{where}, but it is {default!r}"


def test_constraints_are_those_of_the_signature(public_name):
    public = load(public_name)
    if inspect.isclass(public):
        constraints = getattr(public, "_parameter_constraints", None)
        if hasattr(public, "get_params"):
            assert constraints is not None, f"{public_name} declares no constraints"
    else:
        constraints = getattr(public, "_skl_parameter_constraints", None)
    if constraints is None:
        pytest.skip("declares no constraints")
    assert set(constraints) == set(defaults(public))


def test_types_are_valid_markup(public_callable_name):
    # `n_features_in_` without backticks is a link to nowhere; Sphinx would stop.
    public = load(public_callable_name)
    parsed = ClassDoc(public) if inspect.isclass(public) else FunctionDoc(public)
    sections = ["Parameters", "Returns", "Yields"]
    sections += ["Attributes"] if inspect.isclass(public) else []
    for section in sections:
        for entry in parsed[section]:
            bare = re.search(r"(?<![`\w])\w+_(?![`\w])", entry.type)
            assert bare is None, f"put backticks around {bare[0]} in {entry.name}"
