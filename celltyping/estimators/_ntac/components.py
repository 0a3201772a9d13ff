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
    only with nodes of the same type, and the more are known, the more the types count
    that were found inside the component. A component with a type that the reference
    lacks stays as it is, since matching would not find that type; so does one with
    fewer nodes than types, which is a fragment.

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
    n_known = np.bincount(component[codes >= 0], minlength=component.max() + 1)
    is_reference = component == np.argmax(n_known)
    n_members = np.bincount(component)
    is_fragment = n_members[component] < max(result.probabilities.shape[1], 2)
    is_foreign = (codes >= 0) & ~np.isin(codes, codes[is_reference])
    has_foreign = np.isin(component, component[is_foreign])
    other = np.flatnonzero(~is_reference & ~is_fragment & ~has_foreign)
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
        groups=_same_types(codes[reference], codes[other]),
    )
    found = matches.to_csr(len(reference)) @ result.probabilities[reference]
    weight = (n_known / n_members)[component[other]]
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


def _same_types(of_reference, of_other):
    """Let nodes of a known type match with those of that type or of an unknown one."""
    groups = [(np.flatnonzero(of_other < 0), np.arange(len(of_reference)))]
    for code in np.unique(of_other[of_other >= 0]):
        allowed = np.flatnonzero((of_reference == code) | (of_reference < 0))
        groups.append((np.flatnonzero(of_other == code), allowed))
    return [(rows, nodes) for rows, nodes in groups if len(rows) and len(nodes)]


def _largest_entries(matrix, n_largest):
    """Return the largest entries of each row of a CSR matrix as Memberships."""
    matrix = sparse.coo_array(matrix)
    n_rows = matrix.shape[0]
    order = np.lexsort((matrix.col, -matrix.data, matrix.row))
    row, col, share = matrix.row[order], matrix.col[order], matrix.data[order]
    place = np.arange(len(row)) - np.searchsorted(row, np.arange(n_rows))[row]
    kept = place < n_largest
    types = np.full((n_rows, n_largest), -1, dtype=np.int32)
    shares = np.zeros(types.shape, dtype=np.float32)
    types[row[kept], place[kept]] = col[kept]
    shares[row[kept], place[kept]] = share[kept]
    return Memberships(types, shares)
