"""Imports: public names are there, and heavy packages are not loaded."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

import celltyping
from tests._public import public_names

HEAVY = {
    "anndata",
    "matplotlib",
    "networkx",
    "numba",
    "pyarrow",
    "scanpy",
    "skorch",
    "torch",
}

USE_OF_EXPRESSION = """
import numpy as np
from celltyping import ExpressionNormalizer, GeneFilter, HighlyVariableGenes
X = np.random.default_rng(0).poisson(2, size=(30, 20))
X = ExpressionNormalizer().fit_transform(GeneFilter().fit_transform(X))
HighlyVariableGenes(5).fit_transform(X)
"""


def modules_after(statement):
    """Return the names of the modules that a fresh process holds after `statement`."""
    code = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout))


def test_import_loads_nothing_beyond_scikit_learn():
    loaded = modules_after("import celltyping") - modules_after("import sklearn")
    strangers = {name for name in loaded if name.split(".")[0] != "celltyping"}
    assert strangers == set()


def test_import_loads_nothing_heavy():
    # Alone, not beside scikit-learn: that one imports pandas where it is installed,
    # and pandas imports pyarrow.
    top_level = {name.split(".")[0] for name in modules_after("import celltyping")}
    assert top_level.isdisjoint(HEAVY)


@pytest.mark.parametrize(
    ("statement", "heavy"),
    [
        ("from celltyping import Connectome", ["numba", "matplotlib", "networkx"]),
        ("import celltyping.metrics", ["numba", "matplotlib", "networkx"]),
        ("import celltyping.model_selection", ["numba", "matplotlib", "networkx"]),
        ("import celltyping.datasets", ["numba", "matplotlib", "networkx"]),
        ("import celltyping.pipelines", ["anndata", "scanpy", "torch", "matplotlib"]),
        ("import celltyping.plotting", ["numba", "matplotlib", "networkx"]),
        ("from celltyping import NtacClassifier", ["torch", "matplotlib", "networkx"]),
        ("import celltyping; celltyping.NUMAP()", ["torch", "skorch", "pynndescent"]),
        (USE_OF_EXPRESSION, ["anndata", "scanpy", "torch", "matplotlib"]),
    ],
)
def test_parts_load_what_they_need_alone(statement, heavy):
    top_level = {name.split(".")[0] for name in modules_after(statement)}
    assert top_level.isdisjoint(heavy)


def test_every_public_name_resolves():
    for full_name in public_names():
        module, _, name = full_name.rpartition(".")
        public = getattr(importlib.import_module(module), name)
        assert public is not None, full_name
        if name in celltyping.__all__:
            assert getattr(celltyping, name) is public, full_name


def test_lazy_names_resolve_in_a_fresh_process():
    # In this process a submodule may be there because another test imported it.
    code = "import celltyping as ct\nfor name in ct.__all__: getattr(ct, name)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_type_checkers_see_the_public_names():
    tree = ast.parse(Path(celltyping.__file__).read_text(encoding="utf-8"))
    found = {}
    for node in tree.body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            exec(ast.unparse(node.body), found)
    del found["__builtins__"]
    assert set(found) == {*celltyping._public, "datasets", "metrics", "plotting"}
    assert all(value is getattr(celltyping, name) for name, value in found.items())


def test_star_import():
    namespace = {}
    exec("from celltyping import *", namespace)
    assert set(celltyping.__all__) <= set(namespace)


def test_dir_lists_the_public_names():
    assert dir(celltyping) == sorted(celltyping.__all__)


def test_unknown_attribute():
    with pytest.raises(AttributeError, match="'celltyping' has no attribute 'Neuron'"):
        celltyping.Neuron  # noqa: B018
