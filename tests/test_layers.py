"""Which package may import which."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "celltyping"
PUBLIC = {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()}
PUBLIC = {name for name in PUBLIC if not name.startswith("_")}
SOURCES = {path.relative_to(ROOT): path for path in sorted(ROOT.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text("utf-8")) for name, path in SOURCES.items()}


def imported(tree):
    """Yield the full name of everything that a module imports, anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def offenders(is_inside, is_forbidden):
    """List the imports that modules `is_inside` have and must not have."""
    return [
        f"{path}: {name}"
        for path, tree in TREES.items()
        if is_inside(path)
        for name in imported(tree)
        if is_forbidden(name.split("."))
    ]


def is_private(path):
    """Tell whether a module lies in a private package."""
    return any(folder.startswith("_") for folder in path.parts[:-1])


def names_public(parts, *allowed):
    """Tell whether an import names a public package that is not allowed."""
    public = PUBLIC.difference(allowed)
    inside = [part for part in parts[1:] if part.startswith("_")]
    return parts[0] == "celltyping" and parts[1] in public and not inside


def test_nothing_private_lies_at_the_top():
    top = {path.parts[0] for path in SOURCES if len(path.parts) > 1}
    assert {name for name in top if name.startswith("_")} == {
        "_kernels",
        "_nn",
        "_utils",
    }
    assert [path for path in SOURCES if len(path.parts) == 1] == [Path("__init__.py")]


def test_kernels_know_nothing_of_scikit_learn():
    assert not offenders(
        lambda path: path.parts[0] == "_kernels",
        lambda name: (
            name[0] == "sklearn" or (name[0] == "celltyping" and name[1] != "_kernels")
        ),
    )


@pytest.mark.parametrize("package", ["torch", "skorch"])
def test_networks_stay_in_nn(package):
    assert not offenders(
        lambda path: path.parts[0] != "_nn", lambda name: name[0] == package
    )


def test_private_packages_import_nothing_public_but_connectome():
    assert not offenders(is_private, lambda name: names_public(name, "connectome"))


def test_estimators_and_transformers_do_not_draw():
    assert not offenders(
        lambda path: path.parts[0] in ("estimators", "transformers"),
        lambda name: name[:2] == ["celltyping", "plotting"],
    )
