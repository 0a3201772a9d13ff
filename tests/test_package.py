"""Agreement of versions, extras, pins, licences and shipped files."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import ast
import importlib.metadata
import importlib.resources
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import celltyping

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
EXTRAS = PROJECT["optional-dependencies"]

# Module: the package on PyPI that brings it, where the names differ.
BROUGHT_AS = {
    "imblearn": "imbalanced-learn",
    "sklearn": "scikit-learn",
    "skmisc": "scikit-misc",
    "umap": "umap-learn",
}


def pins(name="constraints.txt"):
    """Return {name: version} of a file of constraints."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    pinned = {}
    for line in lines:
        if line and not line.startswith("#"):
            name, version = line.split("==")
            pinned[canonicalize_name(name)] = version
    return pinned


def test_version_is_the_installed_one():
    installed = importlib.metadata.version("celltyping")
    assert installed == celltyping.__version__, "install the package again"


def test_version_is_the_cited_one():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: (.+)$", citation, re.M)[1] == celltyping.__version__


def test_changelog_has_the_version():
    release = celltyping.__version__.partition(".dev")[0]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## .*\b{re.escape(release)}\b", changelog, re.M)


def requirements():
    """List what the package needs, and what its extras bring."""
    lines = list(PROJECT["dependencies"])
    for extra in set(EXTRAS) - {"all"}:
        lines += EXTRAS[extra]
    return [Requirement(line) for line in lines]


def test_extra_all_is_everything():
    (everything,) = EXTRAS["all"]
    assert Requirement(everything).extras == set(EXTRAS) - {"all"}


def test_installed_extras_are_those_of_pyproject():
    provided = importlib.metadata.metadata("celltyping").get_all("Provides-Extra")
    assert set(provided) == set(EXTRAS)


def test_optional_imports_name_extras_that_bring_them():
    calls = []
    for path in sorted((ROOT / "celltyping").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and (
                getattr(node.func, "id", None) == "import_optional"
            ):
                extra = {k.arg: k.value for k in node.keywords}["extra"]
                if isinstance(extra, ast.Constant):
                    assert extra.value in EXTRAS, path.name
                    if isinstance(node.args[0], ast.Constant):
                        calls.append((path.name, node.args[0].value, extra.value))
    assert calls
    for where, module, extra in calls:
        package = module.partition(".")[0]
        brought = {canonicalize_name(Requirement(r).name) for r in EXTRAS[extra]}
        assert canonicalize_name(BROUGHT_AS.get(package, package)) in brought, (
            f"{where}: the extra {extra!r} does not bring {package}"
        )


@pytest.mark.parametrize("group", ["demo", "test", "docs", "benchmark"])
def test_what_make_installs_is_pinned(group):
    pinned = pins()
    needed = list(PROJECT["dependencies"])
    for line in PYPROJECT["dependency-groups"][group]:
        requirement = Requirement(line)
        if requirement.name == "celltyping":
            for extra in requirement.extras:
                needed += EXTRAS[extra]
        else:
            needed.append(line)
    for requirement in map(Requirement, needed):
        version = pinned.get(canonicalize_name(requirement.name))
        assert version is not None, f"constraints.txt does not pin {requirement.name}"
        assert requirement.specifier.contains(version), f"{requirement} vs {version}"


def test_the_oldest_versions_are_the_lower_bounds():
    oldest = pins("constraints-oldest.txt")
    for requirement in requirements():
        (bound,) = requirement.specifier
        assert bound.operator == ">=", requirement
        version = oldest[canonicalize_name(requirement.name)]
        assert Version(version) == Version(bound.version), requirement


def test_every_dependency_is_imported():
    sources = [
        path.read_text(encoding="utf-8")
        for path in sorted((ROOT / "celltyping").rglob("*.py"))
    ]
    names = {name: module for module, name in BROUGHT_AS.items()}
    for requirement in requirements():
        module = names.get(requirement.name, requirement.name.replace("-", "_"))
        pattern = rf"(?:import |from |import_optional\(\s*\"){module}\b"
        assert any(re.search(pattern, source) for source in sources), requirement


@pytest.mark.parametrize(
    "name",
    [
        "blood_transfer.npz",
        "larva_edges.csv.gz",
        "larva_nodes.csv.gz",
        "LICENSE-blood_transfer.txt",
        "LICENSE-larva_connectome.txt",
    ],
)
def test_data_is_in_the_package(name):
    file = importlib.resources.files("celltyping.datasets") / "data" / name
    assert len(file.read_bytes()) > 1000


def test_licences_are_declared():
    for name in PROJECT["license-files"]:
        assert "Permission is hereby granted" in (ROOT / name).read_text("utf-8")
