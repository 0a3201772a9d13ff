"""The API page is complete, and the code in the docs runs."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import ast
import doctest
import importlib
import runpy
from pathlib import Path

import pytest

import celltyping

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


def test_every_public_object_is_on_the_api_page(public_name):
    assert public_name in listed(), "add it to docs/api_reference.py"


@pytest.mark.parametrize("name", listed())
def test_everything_on_the_api_page_is_public(name):
    section, _, name = name.rpartition(".")
    assert name in importlib.import_module(section).__all__


def test_nothing_is_listed_twice():
    assert len(listed()) == len(set(listed()))


def test_every_top_level_name_is_on_the_api_page():
    sections = set(api_reference())
    names = {full_name.rpartition(".")[2] for full_name in listed()}
    for name in celltyping.__all__:
        assert (
            name in names or f"celltyping.{name}" in sections or name == "__version__"
        )


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


@pytest.mark.parametrize(
    "name",
    [
        "getting_started.rst",
        "user_guide/connectomes.rst",
        "user_guide/embeddings.rst",
        "user_guide/synapses.rst",
    ],
)
def test_pages_that_teach_have_code(name):
    assert ">>> " in (DOCS / name).read_text(encoding="utf-8")


EXAMPLES = sorted((ROOT / "examples").glob("plot_*.py"))


def test_there_are_examples():
    assert EXAMPLES


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_has_a_title(path):
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    overline, title, underline = docstring.splitlines()[:3]
    assert overline == underline == len(overline) * "="
    assert len(overline) >= len(title), "Sphinx wants lines as long as the title"


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
