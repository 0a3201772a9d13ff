"""Matching of the neurons of two connectomes."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from numbers import Integral

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from celltyping._kernels._threads import threads
from celltyping._utils._compat import ANY_N_JOBS, Interval, validate_params
from celltyping._utils._labels import is_unlabeled
from celltyping._utils._optional import import_optional
from celltyping._utils._validation import validate_array
from celltyping.connectome import Connectome
from celltyping.estimators._ntac import matching

# Share with which no match weighs in a one-to-one assignment: less than any match.
NO_MATCH = 1e-9


@validate_params(
    {
        "reference": "no_validation",
        "other": "no_validation",
        "n_best": [Interval(Integral, 1, None, closed="left"), None],
        "prior": "no_validation",
        "must_agree": "no_validation",
        "n_jobs": ANY_N_JOBS,
    },
    prefer_skip_nested_validation=True,
)
def match_connectomes(
    reference, other, *, n_best=None, prior=None, must_agree=None, n_jobs=None
):
    """Match the neurons of a connectome with those of another one by their wiring.

    No neuron needs a known type or a known match: left and right hemisphere, or two
    animals, are matched from the two graphs alone.

    Parameters
    ----------
    reference : Connectome of n_reference neurons
        The connectome that neurons are matched with.
    other : Connectome of n_other neurons
        The connectome whose neurons are matched. Reference and other may be views of
        one graph without common nodes, such as its hemispheres: then the edges between
        them are used, too.
    n_best : int, default=None
        Number of matches per neuron, of which several neurons may share one. None: one
        to one; where there are fewer neurons in the reference, some have no match.
    prior : {array-like, sparse matrix} of shape (n_other, n_reference), default=None
        Finite, nonnegative scores of pairs, such as NBLAST scores of their shapes; 0
        where nothing is known. They decide the first matches, and count less than the
        wiring at the end.
    must_agree : Series or dict, or a pair of them, default=None
        Category by id, such as super class or soma side, for neurons of both
        connectomes, or of the reference and of the other: neurons match only with those
        of the same category. Neurons without one match with any.
    n_jobs : int, default=None
        Number of threads, as in joblib. The result is the same for any number.

    Returns
    -------
    table : DataFrame
        One row per neuron of `other`, in order and by its id, or `n_best` of them:

        - match: id of the neuron of `reference`, missing if there is none;
        - probability: share of this match among those that are possible;
        - similarity: weighted Jaccard similarity of the wiring, between 0 and 1.

    Raises
    ------
    TypeError
        If reference or other is no Connectome.
    ValueError
        If one of them has no edges, if they are views of one graph with common nodes,
        if `prior` has another shape or values that are not finite or negative, or if no
        neurons agree in `must_agree`.

    See Also
    --------
    transfer_types : Types from a typed connectome for another one.
    celltyping.NtacClassifier : Types inside a connectome, from some known ones.

    Notes
    -----
    Each neuron of the reference is a type of its own for NTAC [1]_: neurons are
    described by the weights of their edges from and to the neurons that their partners
    are matched with, and compared by weighted Jaccard similarity. Matches are soft at
    first, and each neuron of the reference is matched about equally often (Sinkhorn's
    scaling); the temperature then falls. The first matches come from structural
    features: strengths and degrees, and their means over partners, hop by hop.

    References
    ----------
    .. [1] G. Schwartzman, B. Jourdan, D. García-Soriano, A. Matsliah. "NTAC: Neuronal
       Type Assignment from Connectivity." Nature Communications 17, 1284 (2026).
       :doi:`10.1038/s41467-025-68044-1`

    Examples
    --------
    >>> from celltyping import match_connectomes
    >>> from celltyping.datasets import load_larva_connectome
    >>> larva = load_larva_connectome()
    >>> is_left = (larva.frame["hemisphere"] == "L").to_numpy()
    >>> table = match_connectomes(larva.data[is_left], larva.data[~is_left])
    >>> list(table)
    ['match', 'probability', 'similarity']
    """
    pd = import_optional("pandas", extra="io", needed_by="match_connectomes")
    parts = read_parts(reference, other)
    prior = check_prior(prior, (len(other), len(reference)))
    groups = read_groups(must_agree, reference, other)
    capacities = np.full(len(reference), len(other) / len(reference))
    with threads(n_jobs) as parallel:
        matches = matching.match(
            parts, parallel, prior=prior, capacities=capacities, groups=groups
        )
    if n_best is None:
        matches = assign_one_to_one(matches, len(reference))
    else:
        matches = matching.Matches(*(array[:, :n_best] for array in matches))
    nodes = matches.nodes.ravel()
    ids = pd.Series(reference.node_ids).convert_dtypes()
    return pd.DataFrame(
        {
            "match": ids.reindex(nodes).array,
            "probability": matches.shares.ravel().astype(float),
            "similarity": matches.similarities.ravel().astype(float),
        },
        index=np.repeat(other.node_ids, matches.nodes.shape[1]),
    )


def read_parts(reference, other):
    """Return the edges of two connectomes; raise unless they can be matched."""
    for name, given in (("reference", reference), ("other", other)):
        if not isinstance(given, Connectome):
            raise TypeError(
                f"{name} must be a Connectome, got {type(given).__name__}: "
                "Connectome(adjacency) or read_edges(path) makes one"
            )
        if given.n_edges == 0:
            raise ValueError(
                f"{name} has no edges between its {len(given)} neurons in view, so "
                "there is no wiring to compare"
            )
    if reference.is_same_graph(other):
        nodes = np.concatenate([reference.indices, other.indices])
        n_common = len(nodes) - len(np.unique(nodes))
        if n_common:
            raise ValueError(
                "reference and other are views of one graph and must have no common "
                f"nodes, but have {n_common}: pass different nodes, such as "
                "connectome[is_left] and connectome[~is_left]"
            )
        adjacency = reference.graph.adjacency[nodes][:, nodes]
    else:
        blocks = [reference.adjacency, other.adjacency]
        adjacency = sparse.block_diag(blocks, format="csr")
    weights = np.sqrt(adjacency.data).astype(np.float32)
    adjacency = sparse.csr_array(
        (weights, adjacency.indices, adjacency.indptr), shape=adjacency.shape
    )
    return matching.Parts.from_adjacency(adjacency, len(reference))


def check_prior(prior, shape):
    """Return a prior as a CSR array scaled to at most 1, None for none."""
    if prior is None:
        return None
    prior = sparse.csr_array(
        validate_array(
            prior,
            "a prior",
            "prior",
            accept_sparse="csr",
            dtype=np.float64,
            ensure_non_negative=True,
        )
    )
    if prior.shape != shape:
        raise ValueError(
            f"prior must have one row per neuron of other and one column per neuron of "
            f"reference, {shape}, got {prior.shape}"
        )
    largest = prior.data.max(initial=0.0)
    return prior / largest if largest > 0 else None


def read_groups(must_agree, reference, other):
    """Return which neurons may match, as `matching.match` expects it; None for any."""
    if must_agree is None:
        return None
    is_pair = isinstance(must_agree, tuple | list) and len(must_agree) == 2
    pair = must_agree if is_pair else (must_agree, must_agree)
    of_reference, of_other = (
        connectome.align(category, unknown_ids="ignore")
        for connectome, category in zip((reference, other), pair, strict=True)
    )
    both = np.concatenate([of_reference, of_other]).astype(object)
    codes = np.full(len(both), -1)
    known = ~is_unlabeled(both)
    codes[known] = np.unique(both[known].astype(str), return_inverse=True)[1]
    groups = matching.group_by_category(*np.split(codes, [len(reference)]))
    if not groups:
        raise ValueError(
            "must_agree gives no neuron of other a category that a neuron of the "
            "reference has: use the same names in both"
        )
    return groups


def assign_one_to_one(matches, n_reference):
    """Choose one candidate per neuron, none of them twice, with the largest shares.

    A neuron whose candidates are all taken has no match.
    """
    n_other = len(matches.nodes)
    shares = sparse.coo_array(matches.to_csr(n_reference))
    rows = np.concatenate([shares.row, np.arange(n_other)])
    columns = np.concatenate([shares.col, n_reference + np.arange(n_other)])
    values = np.concatenate([shares.data + NO_MATCH, np.full(n_other, NO_MATCH)])
    graph = sparse.csr_array(
        (values, (rows, columns)), shape=(n_other, n_reference + n_other)
    )
    chosen = min_weight_full_bipartite_matching(graph, maximize=True)[1]
    is_chosen = (matches.nodes == chosen[:, None]) & (matches.nodes >= 0)
    place = np.argmax(is_chosen, axis=1)[:, None]
    taken = [np.take_along_axis(array, place, axis=1) for array in matches]
    nothing = ~is_chosen.any(axis=1)
    for array, missing in zip(taken, (-1, 0.0, 0.0), strict=True):
        array[nothing] = missing
    return matching.Matches(*taken)
