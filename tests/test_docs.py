"""API page, code in the docs, titles of examples, links to other projects."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import ast
import csv
import doctest
import importlib
import re
import runpy
from pathlib import Path

import numpy as np
import pytest

import celltyping
from tests._public import public_names

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
WRITTEN = [
    path
    for path in sorted(DOCS.rglob("*.rst"))
    if not {"_build", "_templates", "api", "auto_examples"}
    & set(path.relative_to(DOCS).parts)
]


def api_reference():
    """Return the dict behind the API page."""
    return runpy.run_path(DOCS / "api_reference.py")["API_REFERENCE"]


def listed():
    """Return the full names on the API page, in order."""
    return [
        f"{section}.{name}"
        for section, entry in api_reference().items()
        for name in entry["names"]
    ]


def test_the_api_page_lists_everything_public_once():
    assert sorted(listed()) == sorted(public_names())


def test_every_top_level_name_is_on_the_api_page():
    known = {name.rpartition(".")[2] for name in [*listed(), *api_reference()]}
    assert set(celltyping.__all__) - known == {"__version__"}


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.name)
def test_code_in_the_docs_runs(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # an example may write a file
    results = doctest.testfile(
        str(path),
        module_relative=False,
        optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS,
        encoding="utf-8",
    )
    assert results.failed == 0, f"{results.failed} examples failed, see the output"


def test_names_in_the_readme_exist():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    assert len(blocks) == 6
    for block in blocks:
        ast.parse(block)
        exec("\n".join(re.findall(r"^(?:from|import) .*", block, re.M)), {})


def test_pages_that_teach_have_code():
    pages = [DOCS / "getting_started.rst", *(DOCS / "user_guide").glob("*.rst")]
    without = [p.name for p in pages if ">>> " not in p.read_text(encoding="utf-8")]
    assert set(without) <= {
        "index.rst",
        "single_cell.rst",  # needs files
        "tuned_constants.rst",
    }


def test_tuned_constants_have_the_values_of_the_table():
    table = (DOCS / "user_guide" / "tuned_constants.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(table.splitlines()))
    assert len(rows) > 50
    wrong = []
    for row in rows:
        module, _, name = row["Constant"].rpartition(".")
        value = getattr(importlib.import_module(f"celltyping.{module}"), name)
        stated = eval(row["Value"], {"inf": np.inf, "geomspace": np.geomspace})
        if not np.all(value == stated):
            wrong.append(f"{row['Constant']} is {value}, not {row['Value']}")
    assert not wrong, "\n".join(wrong)


def test_titles_of_examples_have_long_enough_lines():
    examples = sorted((ROOT / "examples").glob("plot_*.py"))
    assert examples
    wrong = []
    for path in examples:
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        overline, title, underline = docstring.splitlines()[:3]
        is_line = overline == underline == len(overline) * "="
        if not is_line or len(overline) < len(title):
            wrong.append(f"{path.name}: {title}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("reference", "address"),
    [
        (
            ("py", "obj", "sklearn.base.clone"),
            "https://scikit-learn.org/stable/modules/generated/sklearn.base.clone.html",
        ),
        (
            ("std", "term", "meta estimator"),
            "https://scikit-learn.org/stable/glossary.html#term-meta-estimator",
        ),
        (
            ("std", "ref", "sphx_glr_auto_examples_cluster_plot_kmeans.py"),
            "https://scikit-learn.org/stable/auto_examples/cluster/plot_kmeans.html",
        ),
        (("std", "ref", "a-label-that-nobody-has"), None),
        (("py", "obj", "celltyping.Neuron"), None),
    ],
)
def test_links_to_other_projects(reference, address):
    links = runpy.run_path(DOCS / "external_references.py")
    assert links["address"](*reference) == address
