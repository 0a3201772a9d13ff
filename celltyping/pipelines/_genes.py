"""Alignment of the genes of two experiments by name."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import math
import re
import warnings
from typing import NamedTuple

import numpy as np

from celltyping._utils._messages import list_names
from celltyping._utils._optional import import_optional
from celltyping._utils._warnings import find_stack_level

# Ensembl identifier of any species, with or without a version.
ENSEMBL = re.compile(r"(ENS[A-Z]*[0-9]{6,})(?:\.[0-9]+)?")

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


class SharedGenes(NamedTuple):
    """Genes that two experiments share; see `align_genes`."""

    names: np.ndarray
    in_source: np.ndarray
    in_target: np.ndarray


def align_genes(source_names, target_names):
    """Find the genes that two experiments share.

    Names are compared without regard to case, after duplicates were made unique by
    anndata's rule: the second ACTB is ACTB-1. Versions of Ensembl identifiers (the .11
    of ENSG00000141510.11) are dropped if that gives more matches.

    Parameters
    ----------
    source_names : array-like of shape (n_source_genes,)
        Gene names of the source.
    target_names : array-like of shape (n_target_genes,)
        Gene names of the target.

    Returns
    -------
    names : ndarray of shape (n_shared,), dtype=object
        Names of the shared genes, as spelled and ordered in the source.
    in_source, in_target : ndarray of shape (n_shared,), dtype=intp
        Position of each of them in `source_names` and `target_names`.

    Raises
    ------
    ValueError
        If fewer genes are shared than `LEAST_GENES` or half of those of the smaller
        experiment, or than the fraction `LEAST_SHARE` of these.

    Warns
    -----
    UserWarning
        If fewer genes are shared than `FEW_GENES`, or than the fraction `FEW_SHARE` of
        those of the smaller experiment.
    """
    named = [np.asarray(side, dtype=object) for side in (source_names, target_names)]
    sides = [[str(name).strip().upper() for name in names] for names in named]
    shared = _intersect(*sides)
    bare = [[_without_version(name) for name in names] for names in sides]
    if bare != sides:
        shared = max(shared, _intersect(*bare), key=lambda found: found[0].size)
    in_source, in_target = shared
    _check_shared(in_source.size, *named)
    return SharedGenes(named[0][in_source], in_source, in_target)


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
    n_least = min(source.size, target.size)
    half = math.ceil(n_least / 2)
    needed = max(1, min(LEAST_GENES, half), math.ceil(LEAST_SHARE * n_least))
    found = (
        f"{n_shared} genes have the same name in source ("
        f"{list_names(source, N_EXAMPLES) or 'no genes'}) and in target ("
        f"{list_names(target, N_EXAMPLES) or 'no genes'})"
    )
    if n_shared < needed:
        raise ValueError(
            f"source and target must share at least {needed} genes, but {found}"
            f"{_hint_identifiers(source, target)}"
        )
    if n_shared < FEW_GENES or n_shared < FEW_SHARE * n_least:
        hint = _hint_identifiers(source, target)
        warnings.warn(
            f"only {found}: types may be hard to tell apart{hint}",
            UserWarning,
            stacklevel=find_stack_level(),
        )


def _hint_identifiers(source, target):
    """Return a hint if one experiment has identifiers and the other has symbols."""
    of_source, of_target = (
        sum(ENSEMBL.fullmatch(str(name).strip().upper()) is not None for name in names)
        > names.size / 2
        for names in (source, target)
    )
    if of_source == of_target:
        return ""
    with_ids, with_symbols = ("source", "target") if of_source else ("target", "source")
    return (
        f". The names of {with_ids} are Ensembl identifiers, those of {with_symbols} "
        "look like symbols: give both the same kind as var_names. Files of 10x hold "
        "the identifiers in var['gene_ids']"
    )
