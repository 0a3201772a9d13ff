"""Links to the docs of other projects, without fetching their inventories.

intersphinx needs the network at build time; this does not. A name of another project is
turned into the address that this project's pages have followed for years. It is a
Sphinx extension: add ``"external_references"`` to ``extensions``.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import re

from docutils import nodes

# Full names of objects: the first pattern that matches gives the address.
OBJECTS = [
    (
        r"sklearn(\..+)?",
        "https://scikit-learn.org/stable/modules/generated/{name}.html",
    ),
    (r"numpy(\..+)?", "https://numpy.org/doc/stable/reference/generated/{name}.html"),
    (
        r"scipy(\..+)?",
        "https://docs.scipy.org/doc/scipy/reference/generated/{name}.html",
    ),
    (
        r"pandas(\..+)?",
        "https://pandas.pydata.org/docs/reference/api/{name}.html",
    ),
    (r"matplotlib(\..+)?", "https://matplotlib.org/stable/search.html?q={name}"),
    (
        r"networkx(\..+)?",
        "https://networkx.org/documentation/stable/search.html?q={name}",
    ),
    (r"joblib(\..+)?", "https://joblib.readthedocs.io/en/stable/search.html?q={name}"),
]

# Labels and glossary entries that docstrings inherited from scikit-learn refer to.
SKLEARN_LABELS = {
    "accuracy_score": (
        "https://scikit-learn.org/stable/modules/model_evaluation.html#accuracy-score"
    ),
    "metadata_routing": "https://scikit-learn.org/stable/metadata_routing.html",
}
SKLEARN_EXAMPLE = re.compile(
    r"sphx_glr_auto_examples_(?P<folder>[a-z]+)_(?P<page>.+)\.py"
)
SKLEARN_GLOSSARY = "https://scikit-learn.org/stable/glossary.html#term-{name}"


def address(domain, kind, target):
    """Return the address of a name that these pages do not define, or None."""
    if domain == "std" and kind == "term":
        return SKLEARN_GLOSSARY.format(name=target.replace(" ", "-"))
    if domain == "std" and kind == "ref":
        example = SKLEARN_EXAMPLE.fullmatch(target)
        if example:
            return (
                "https://scikit-learn.org/stable/auto_examples/"
                f"{example['folder']}/{example['page']}.html"
            )
        return SKLEARN_LABELS.get(target)
    if domain == "py":
        for pattern, template in OBJECTS:
            if re.fullmatch(pattern, target):
                return template.format(name=target)
    return None


def resolve(app, env, node, contnode):
    """Turn a reference that Sphinx could not resolve into a link to another site."""
    found = address(node.get("refdomain"), node["reftype"], node["reftarget"])
    if found is None:
        return None
    return nodes.reference("", "", contnode, refuri=found, internal=False)


def setup(app):
    """Register with Sphinx."""
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
