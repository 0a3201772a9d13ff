"""Genes of two experiments, aligned by name."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import math
import re
import warnings
from typing import NamedTuple

import numpy as np

from celltyping._utils._optional import import_optional
from celltyping._utils._warnings import find_stack_level

# An identifier of Ensembl, of people or of another species, and its version.
ENSEMBL = re.compile(r"(ENS[A-Z]*[0-9]{6,})(?:\.[0-9]+)?")

# What stands where a gene has no name; it must not meet its like.
NO_NAME = {"", "NAN", "NONE"}

# Fewer shared genes than this are an error, unless they are half of the genes of an
# experiment that has not many more, such as a panel of markers.
LEAST_GENES = 50
# So is a smaller share than this of the experiment with fewer genes: then the names
# that meet are likely to be accidents, such as symbols of another species.
LEAST_SHARE = 0.05
# Below either of these a warning tells how many genes are shared.
FEW_GENES = 500
FEW_SHARE = 0.2

N_EXAMPLES = 3


class SharedGenes(NamedTuple):
    """Genes that two experiments share; see `align_genes`."""

    names: np.ndarray
    in_source: np.ndarray
    in_target: np.ndarray


def align_genes(source_names, target_names):
    """Find the genes that two experiments share.

    Names are compared without regard to case, after those that occur twice were made
    unique by anndata's rule: the second ACTB is ACTB-1. Versions of Ensembl
    identifiers (the .11 of ENSG00000141510.11) are dropped if more names meet so.

    Parameters
    ----------
    source_names : array-like of shape (n_source_genes,)
        Gene names of the source.
    target_names : array-like of shape (n_target_genes,)
        Gene names of the target.

    Returns
    -------
    names : ndarray of shape (n_shared,), dtype=object
        Names of the shared genes as the source writes them, in its order.
    in_source : ndarray of shape (n_shared,), dtype=intp
        Position of each of them in `source_names`.
    in_target : ndarray of shape (n_shared,), dtype=intp
        Position of each of them in `target_names`.

    Raises
    ------
    ValueError
        If fewer than 50 genes are shared and they are less than half of the genes of
        the experiment with fewer genes, or if they are less than 5 % of these.

    Warns
    -----
    UserWarning
        If fewer than 500 genes are shared, or less than 20 % of the genes of the
        experiment with fewer genes.

    Examples
    --------
    >>> from celltyping.pipelines._genes import align_genes
    >>> import warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")  # three genes are few
    ...     shared = align_genes(["CD3E", "LYZ", "Cd19"], ["CD19", "cd3e", "NKG7"])
    >>> shared.names.tolist()
    ['CD3E', 'Cd19']
    >>> shared.in_source.tolist(), shared.in_target.tolist()
    ([0, 2], [1, 0])
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
    """Return an Index of the names, those that occur again with -1, -2, ..."""
    utils = import_optional(
        "anndata.utils", extra="single-cell", needed_by="transfer_labels"
    )
    pd = import_optional("pandas", extra="io", needed_by="transfer_labels")
    with warnings.catch_warnings():
        # It tells that "-1" is hard to read where some name ends so by itself.
        warnings.simplefilter("ignore", UserWarning)
        return utils.make_index_unique(pd.Index(names, dtype=object))


def _check_shared(n_shared, source, target):
    """Raise if too few genes are shared, warn if they are few."""
    n_least = min(source.size, target.size)
    half = math.ceil(n_least / 2)
    needed = max(1, min(LEAST_GENES, half), math.ceil(LEAST_SHARE * n_least))
    found = (
        f"{n_shared} genes have the same name in source ({source.size} genes, such as "
        f"{_examples(source)}) and in target ({target.size} genes, such as "
        f"{_examples(target)})"
    )
    if n_shared < needed:
        raise ValueError(
            f"source and target must share at least {needed} genes, but {found}"
            f"{_tell_kinds(source, target)}"
        )
    if n_shared < FEW_GENES or n_shared < FEW_SHARE * n_least:
        hint = _tell_kinds(source, target)
        warnings.warn(
            f"only {found}: types may be hard to tell apart{hint}",
            UserWarning,
            # _check_shared, align_genes, transfer_labels, its check of parameters
            stacklevel=find_stack_level(),
        )


def _examples(names):
    """Return a few of the names for a message."""
    return ", ".join(repr(str(name)) for name in names[:N_EXAMPLES]) or "none"


def _tell_kinds(source, target):
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
