"""Alignment of the genes of two experiments by name."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import math
import re
import warnings
from collections import Counter
from typing import NamedTuple

import numpy as np

from celltyping._utils._messages import list_names
from celltyping._utils._optional import import_optional
from celltyping._utils._warnings import find_stack_level

# Ensembl identifier of any species, with or without a version.
ENSEMBL = re.compile(r"((ENS[A-Z]*)[0-9]{6,})(?:\.[0-9]+)?")

# Placeholders of missing gene names, which are not matched.
NO_NAME = {"", "NAN", "NONE"}

# Minimum number of shared genes, unless they are half of the genes of a small
# experiment, such as a panel of markers.
LEAST_GENES = 50
# Minimum fraction of the genes of the experiment with fewer genes: below, matches are
# likely accidental, as with symbols of another species.
LEAST_SHARE = 0.05
# A number of shared genes below either of these causes a warning.
FEW_GENES = 500
FEW_SHARE = 0.2

# Number of names that a message shows.
N_EXAMPLES = 3

# Row number as a name: the default of anndata and pandas, or R's, which adds a letter.
ROW_NUMBER = re.compile(r"[VX]?([0-9]+)(?:\.0)?", re.IGNORECASE)
# Numbers may be Entrez identifiers. None of these is 0, and those of a transcriptome
# exceed this, which is more than the genes of any experiment.
MOST_GENES = 100_000

# Minimum fraction of different values in a column of var that may hold gene names.
DISTINCT_SHARE = 0.9


class SharedGenes(NamedTuple):
    """Genes that two experiments share; see `align_genes`."""

    names: np.ndarray
    in_source: np.ndarray
    in_target: np.ndarray


def align_genes(source, target):
    """Find the genes that two experiments share.

    Names are compared without regard to case, after duplicates were made unique by
    anndata's rule: the second ACTB is ACTB-1. Versions of Ensembl identifiers (the .11
    of ENSG00000141510.11) are dropped if that gives more matches.

    Parameters
    ----------
    source, target : DataFrame of n_genes rows
        `var` of both experiments, whose index holds the gene names. Messages name the
        columns with other names.

    Returns
    -------
    names : ndarray of shape (n_shared,), dtype=object
        Names of the shared genes, as spelled and ordered in the source.
    in_source, in_target : ndarray of shape (n_shared,), dtype=intp
        Position of each of them in the rows of `source` and `target`.

    Raises
    ------
    ValueError
        If the names are row numbers, or if fewer genes are shared than `LEAST_GENES` or
        half of those of the smaller experiment, or than the fraction `LEAST_SHARE` of
        these.

    Warns
    -----
    UserWarning
        If fewer genes are shared than `FEW_GENES`, or than the fraction `FEW_SHARE` of
        those of the smaller experiment, or if the names may be row numbers.
    """
    _check_not_numbered(source, target)
    named = [np.asarray(var.index, dtype=object) for var in (source, target)]
    sides = [[str(name).strip().upper() for name in names] for names in named]
    shared = _intersect(*sides)
    bare = [[_without_version(name) for name in names] for names in sides]
    if bare != sides:
        shared = max(shared, _intersect(*bare), key=lambda found: found[0].size)
    in_source, in_target = shared
    _check_shared(in_source.size, source, target)
    return SharedGenes(named[0][in_source], in_source, in_target)


def _check_not_numbered(source, target):
    """Raise if gene names are row numbers, warn if they may be."""
    numbered = {}
    for name, var in (("source", source), ("target", target)):
        matches = [ROW_NUMBER.fullmatch(str(gene).strip()) for gene in var.index]
        if not matches or not all(matches):
            continue
        numbers = {int(match[1]) for match in matches}
        least, most = min(numbers), max(numbers)
        if least == 0 or (
            (least == 1 or len(numbers) > 1) and most - least < len(numbers)
        ):
            way_on = _suggest_names(var, name) or (
                f". {name}.var has no column of names, either: set {name}.var_names "
                "to the names of the genes, in the order of the columns of X"
            )
            raise ValueError(
                f"{name} has no gene names but row numbers, "
                f"{list_names(var.index, N_EXAMPLES)}, and genes are aligned by name"
                f"{way_on}"
            )
        if most < MOST_GENES:
            numbered[name] = var
    if len(numbered) == 2:
        warnings.warn(
            f"the gene names of source and target are numbers "
            f"({list_names(source.index, N_EXAMPLES)}): identifiers of Entrez are "
            "right, but row numbers would align different genes"
            f"{_suggest_names(source, 'source')}{_suggest_names(target, 'target')}",
            UserWarning,
            stacklevel=find_stack_level(),
        )


def _suggest_names(var, name):
    """Return a sentence on the columns of var that may hold gene names, or ""."""
    columns = []
    for position, dtype in enumerate(var.dtypes):
        values = np.asarray(var.iloc[:, position].dropna(), dtype=object)
        if getattr(dtype, "kind", "O") in "biufcmM" or not values.size:
            continue
        values = set(values.tolist())
        if len(values) < DISTINCT_SHARE * len(var):
            continue
        if not any(ROW_NUMBER.fullmatch(str(value).strip()) for value in values):
            columns.append(var.columns[position])
    if not columns:
        return ""
    return (
        f". Names may be in {name}.var[{columns[0]!r}] (columns of different strings: "
        f"{list_names(columns)}): assign them to {name}.var_names"
    )


def _without_version(name):
    """Return an Ensembl identifier without its version, another name as it is."""
    match = ENSEMBL.fullmatch(name)
    return match[1] if match else name


def _intersect(source, target):
    """Return the positions in `source` and in `target` of the names in both."""
    positions = _make_unique(target).get_indexer(_make_unique(source))
    has_name = np.array([name not in NO_NAME for name in source], dtype=bool)
    in_source = np.flatnonzero((positions >= 0) & has_name)
    return in_source, positions[in_source]


def _make_unique(names):
    """Return an Index of the names; duplicates get the suffix -1, -2, ..."""
    utils = import_optional(
        "anndata.utils", extra="single-cell", needed_by="transfer_labels"
    )
    pd = import_optional("pandas", extra="io", needed_by="transfer_labels")
    with warnings.catch_warnings():
        # anndata warns if a name ends with "-1" already.
        warnings.simplefilter("ignore", UserWarning)
        return utils.make_index_unique(pd.Index(names, dtype=object))


def _check_shared(n_shared, source, target):
    """Raise if too few genes are shared, warn if they are few."""
    n_least = min(len(source), len(target))
    half = math.ceil(n_least / 2)
    needed = max(1, min(LEAST_GENES, half), math.ceil(LEAST_SHARE * n_least))
    found = (
        f"{n_shared} genes have the same name in source ("
        f"{list_names(source.index, N_EXAMPLES) or 'no genes'}) and in target ("
        f"{list_names(target.index, N_EXAMPLES) or 'no genes'})"
    )
    if n_shared < needed:
        raise ValueError(
            f"source and target must share at least {needed} genes, but {found}"
            f"{_hint_names(source, target)}"
        )
    if n_shared < FEW_GENES or n_shared < FEW_SHARE * n_least:
        hint = _hint_names(source, target)
        warnings.warn(
            f"only {found}: types may be hard to tell apart{hint}",
            UserWarning,
            stacklevel=find_stack_level(),
        )


def _hint_names(source, target):
    """Return a hint on kinds of names that differ, and on columns with others."""
    prefixes = [_ensembl_prefix(var.index) for var in (source, target)]
    columns = f"{_suggest_names(source, 'source')}{_suggest_names(target, 'target')}"
    if prefixes[0] == prefixes[1]:
        return columns
    if all(prefixes):
        return (
            f". Identifiers in source begin with {prefixes[0]}, in target with "
            f"{prefixes[1]}: map the genes of one species to orthologues of the other"
        )
    names = ("source", "target") if prefixes[0] else ("target", "source")
    return (
        f". The names of {names[0]} are Ensembl identifiers, those of {names[1]} "
        "look like symbols: give both the same kind as var_names. Files of 10x hold "
        f"the identifiers in var['gene_ids']{columns}"
    )


def _ensembl_prefix(names):
    """Return the prefix of Ensembl identifiers (ENSG), "" for other names."""
    matches = [ENSEMBL.fullmatch(str(name).strip().upper()) for name in names]
    prefixes = Counter(match[2] for match in matches if match)
    if not prefixes or prefixes.total() <= len(names) / 2:
        return ""
    return prefixes.most_common(1)[0][0]
