"""Sphinx configuration of the website (`make docs`, without network)."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import runpy
import sys
from pathlib import Path

import celltyping

DOCS = Path(__file__).parent
API_REFERENCE = runpy.run_path(DOCS / "api_reference.py")["API_REFERENCE"]

sys.path.insert(0, str(DOCS))  # external_references, among the extensions below

# -- Project ---------------------------------------------------------------------

project = "celltyping"
author = "the celltyping developers"
copyright = f"2026, {author}"
version = release = celltyping.__version__

# -- Extensions ------------------------------------------------------------------

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.extlinks",
    "sphinx.ext.mathjax",
    "myst_parser",  # CHANGELOG.md and CONTRIBUTING.md
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "external_references",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "_templates", "user_guide/tables/*"]
default_role = "literal"
nitpicky = True

autosummary_generate = True
autodoc_typehints = "none"  # docstrings have the types
numpydoc_show_class_members = False  # the template of classes lists them
numpydoc_xref_param_type = False

extlinks = {
    "doi": ("https://doi.org/%s", "doi:%s"),
    "arxiv": ("https://arxiv.org/abs/%s", "arXiv:%s"),
}

sphinx_gallery_conf = {
    "examples_dirs": ["../examples"],
    "gallery_dirs": ["auto_examples"],
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"^(?!plot_)",  # leaves out run_demo.py
    "backreferences_dir": "api/backreferences",
    "doc_module": ("celltyping",),
    "abort_on_example_error": True,
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_memory": False,
    "within_subsection_order": "FileNameSortKey",
}

# -- HTML ------------------------------------------------------------------------

html_theme = "pydata_sphinx_theme"
html_title = "celltyping"
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
    "navbar_align": "left",
}


def write_api_pages(folder):
    """Write a page per section of the API and their index; autosummary adds objects."""
    folder.mkdir(exist_ok=True)
    index = [
        ".. _api:",
        "",
        "API",
        "===",
        "",
        "These names can also be imported from ``celltyping``:",
        "",
        "    " + ", ".join(sorted(celltyping._public)),
        "",
        ".. toctree::",
        "   :maxdepth: 2",
        "",
    ]
    for section, entry in API_REFERENCE.items():
        index.append(f"   {section}")
        heading = f"{entry['title']}: ``{section}``"
        page = [
            heading,
            "=" * len(heading),
            "",
            entry["description"],
            "",
            f".. currentmodule:: {section}",
            "",
            ".. autosummary::",
            "   :toctree: generated",
            "",
            *(f"   {name}" for name in entry["names"]),
        ]
        write_if_new(folder / f"{section}.rst", page)
    write_if_new(folder / "index.rst", index)


def write_if_new(path, lines):
    """Write a page unless it is unchanged, so that Sphinx can skip it."""
    text = "\n".join(lines) + "\n"
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


write_api_pages(DOCS / "api")
