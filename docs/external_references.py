"""Sphinx extension that links to other projects and to short names without network.

intersphinx needs the network at build time. Here, names of other projects are turned
into addresses by patterns, and docstrings may refer to
``celltyping.estimators.NtacClassifier`` as ``celltyping.NtacClassifier``.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import re

from docutils import nodes

import celltyping

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
    "df_output_transform": (
        "https://scikit-learn.org/stable/modules/df_output_transform.html"
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


def resolve_short_name(app, env, node, contnode):
    """Link `celltyping.Name` to the page of the subpackage that defines the name."""
    package, _, rest = node["reftarget"].partition(".")
    name, dot, member = rest.partition(".")
    if node.get("refdomain") != "py" or package != "celltyping":
        return None
    if name not in celltyping._public:
        return None
    return env.domains["py"].resolve_xref(
        env,
        node["refdoc"],
        app.builder,
        node["reftype"],
        f"celltyping.{celltyping._public[name]}.{name}{dot}{member}",
        node,
        contnode,
    )


def resolve(app, env, node, contnode):
    """Turn a reference that Sphinx could not resolve into a link to another site."""
    found = address(node.get("refdomain"), node["reftype"], node["reftarget"])
    if found is None:
        return None
    return nodes.reference("", "", contnode, refuri=found, internal=False)


def setup(app):
    """Register with Sphinx."""
    app.connect("missing-reference", resolve_short_name)
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
