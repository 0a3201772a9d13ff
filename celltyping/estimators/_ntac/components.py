"""Types in components of a graph that hardly any known type reaches."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from celltyping._kernels._profiles import Memberships
from celltyping.estimators._ntac import matching, propagation


def match_components(result, graph, codes, settings, parallel):
    """Type the other components by matching them with the one with most known types.

    A component without any known type, such as another brain, gives its nodes nothing
    to be compared by. Where some types are known there, the nodes that have them match
    only with nodes of the same type, and the types that were found inside the component
    weigh as much as its share of known types is of the reference's; and more, the more
    of them are types that the reference lacks, which matching cannot find. A component
    with fewer nodes than types is a fragment and stays as it is.

    Parameters
    ----------
    result : Propagation
        What `propagate` found.
    graph, codes, settings, parallel
        As in `propagate`.

    Returns
    -------
    result : Propagation
        The result with other probabilities, types and rows in these components.
    """
    n_nodes = len(codes)
    _, component = connected_components(graph.adjacency, connection="weak")
    n_members = np.bincount(component)
    n_known = np.bincount(component[codes >= 0], minlength=len(n_members))
    first = np.argmax(n_known)
    is_reference = component == first
    is_foreign = (codes >= 0) & ~np.isin(codes, codes[is_reference])
    n_foreign = np.bincount(component[is_foreign], minlength=len(n_members))
    share = n_known / n_members
    foreign = n_foreign / np.maximum(n_known, 1)
    weight = 1.0 - (1.0 - share / share[first]).clip(0.0) * (1.0 - foreign)
    n_types = result.probabilities.shape[1]
    weight[n_members < max(n_types, 2)] = 1.0
    weight = weight[component]
    other = np.flatnonzero((weight < 1.0) & ~is_reference)
    reference = np.flatnonzero(is_reference)
    if len(other) == 0 or len(reference) < 2:
        return result
    nodes = np.concatenate([reference, other])
    parts = matching.Parts.from_adjacency(
        graph.adjacency[nodes][:, nodes], len(reference)
    )
    matches = matching.match(
        parts,
        parallel,
        capacities=np.full(len(reference), len(other) / len(reference)),
        groups=matching.group_by_category(codes[reference], codes[other]),
    )
    found = matches.to_csr(len(reference)) @ result.probabilities[reference]
    weight = weight[other]
    weight[codes[other] >= 0] = 1.0
    weight[np.diff(sparse.csr_array(found).indptr) == 0] = 1.0
    inside = sparse.diags_array(weight) @ result.probabilities[other]
    mixed = inside + sparse.diags_array(1.0 - weight) @ found
    order = np.arange(n_nodes)
    order[other] = n_nodes + np.arange(len(other))
    probabilities = propagation.normalize_rows(
        sparse.vstack([result.probabilities, mixed], format="csr")[order]
    )
    members = _largest_entries(probabilities, settings.max_memberships)
    rows, references = propagation.embed_members(
        members, graph, codes, settings, parallel
    )
    return result._replace(
        types=propagation.most_likely(probabilities, result.prior),
        probabilities=probabilities,
        rows=rows,
        references=references,
        members=members.to_csr(probabilities.shape[1] + 1),
    )


def _largest_entries(matrix, n_largest):
    """Return the largest entries of each row of a CSR matrix as Memberships."""
    matrix = sparse.coo_array(matrix)
    kept, place = matching.largest_of_rows(
        matrix.row, matrix.col, matrix.data, matrix.shape[0], n_largest
    )
    types = np.full((matrix.shape[0], n_largest), -1, dtype=np.int32)
    shares = np.zeros(types.shape, dtype=np.float32)
    types[matrix.row[kept], place] = matrix.col[kept]
    shares[matrix.row[kept], place] = matrix.data[kept]
    return Memberships(types, shares)
