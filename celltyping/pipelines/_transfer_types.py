"""Transfer of types between two connectomes."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from collections.abc import Mapping
from numbers import Integral, Real

import numpy as np

from celltyping._kernels._threads import threads
from celltyping._utils._compat import ANY_N_JOBS, Interval, validate_params
from celltyping._utils._labels import encode_types, rejected_label
from celltyping._utils._messages import list_names
from celltyping._utils._optional import import_optional
from celltyping._utils._sparse import one_hot
from celltyping.estimators._ntac import matching
from celltyping.pipelines._match_connectomes import (
    check_prior,
    read_groups,
    read_parts,
)


@validate_params(
    {
        "other": "no_validation",
        "reference": "no_validation",
        "types": "no_validation",
        "prior": "no_validation",
        "capacities": "no_validation",
        "must_agree": "no_validation",
        "min_probability": [Interval(Real, 0, 1, closed="both")],
        "n_jobs": ANY_N_JOBS,
    },
    prefer_skip_nested_validation=True,
)
def transfer_types(
    other,
    reference,
    types,
    *,
    prior=None,
    capacities="reference",
    must_agree=None,
    min_probability=0.5,
    n_jobs=None,
):
    """Transfer the types of a connectome to another one.

    Parameters
    ----------
    other : Connectome of n_other neurons
        The connectome to type. No type is known there.
    reference : Connectome of n_reference neurons
        The typed connectome; see `match_connectomes`.
    types : Series or dict
        Types by id of the neurons of `reference`, as for `Connectome.align`. Neurons of
        unknown type take part in the matching.
    prior : {array-like, sparse matrix}, default=None
        Finite, nonnegative scores of shape (n_other, n_reference), or (n_other,
        n_types) with the sorted known types in columns; see `match_connectomes`.
    capacities : {"reference", None} or dict, default="reference"
        Number of neurons that each type is expected to have, respected as far as the
        wiring allows. "reference": as many as in the reference, in proportion to the
        numbers of neurons. A dict: by type; others as in the reference. None: any.
    must_agree : Series or dict, or a pair of them, default=None
        Category by id of neurons that may match; see `match_connectomes`.
    min_probability : float, default=0.5
        Probability of the best type under which a neuron is unknown: its type is more
        likely another one, or one that the reference lacks. 0: every neuron that has a
        match gets a type.
    n_jobs : int, default=None
        Number of threads, as in joblib. The result is the same for any number.

    Returns
    -------
    table : DataFrame of n_other rows
        One row per neuron, in the order of `other` and by its id:

        - type: the most probable type, or "unknown" (-1 if types are numbers);
        - probability: that of the most probable type;
        - match: id of the neuron of `reference` that is the best match;
        - similarity: weighted Jaccard similarity of the wiring to this neuron;
        - unknown: True for neurons without a type.

    Raises
    ------
    TypeError
        If a connectome is no Connectome, or types is neither a Series nor a dict.
    ValueError
        If fewer than two types are known, one of them is "unknown", `capacities` has
        other types or negative numbers, or as in `match_connectomes`.

    See Also
    --------
    match_connectomes : The matches alone.
    transfer_labels : The same for cells by their expression.

    Notes
    -----
    The probability of a type is the sum over its neurons of the shares in which a
    neuron matches them. See the user guide for how well it is calibrated, and how many
    neurons of types that the reference lacks are found.

    Examples
    --------
    >>> from celltyping import transfer_types
    >>> from celltyping.datasets import make_connectome
    >>> sample = make_connectome(1000, n_types=10, n_edges=40000, random_state=2)
    >>> types = dict(zip(sample.data.node_ids, sample.target, strict=True))
    >>> reference, other = sample.data[:500], sample.data[500:]
    >>> table = transfer_types(other, reference, types)
    >>> bool((table["type"] == sample.target[500:]).mean() > 0.9)
    True
    """
    pd = import_optional("pandas", extra="io", needed_by="transfer_types")
    parts = read_parts(reference, other)
    classes, codes = encode_types(
        reference.align(types, unknown_ids="ignore"),
        caller="transfer_types",
        found="y is types of the reference's neurons",
        rejects="transfer_types",
    )
    with threads(n_jobs) as parallel:
        matches = matching.match(
            parts,
            parallel,
            prior=_read_prior(prior, codes, len(classes), len(other)),
            capacities=_read_capacities(capacities, classes, codes, len(other)),
            groups=read_groups(must_agree, reference, other),
        )
    by_type = (matches.to_csr(len(codes)) @ one_hot(codes, len(classes))).toarray()
    best = by_type.argmax(axis=1)
    probability = by_type.max(axis=1)
    unknown = (probability < min_probability) | (probability == 0)
    names = classes[best].astype(object)
    names[unknown] = rejected_label(classes)
    ids = pd.Series(reference.node_ids).convert_dtypes()
    return pd.DataFrame(
        {
            "type": names.tolist(),
            "probability": probability,
            "match": ids.reindex(matches.nodes[:, 0]).array,
            "similarity": matches.similarities[:, 0].astype(float),
            "unknown": unknown,
        },
        index=other.node_ids,
    )


def _read_prior(prior, codes, n_types, n_other):
    """Return a prior by neuron; scores of a type hold for all its neurons."""
    if prior is None:
        return None
    by_type = (n_other, n_types)
    if np.shape(prior) == by_type and n_types != len(codes):
        scores = check_prior(prior, by_type)
        return None if scores is None else scores @ one_hot(codes, n_types).T
    return check_prior(prior, (n_other, len(codes)))


def _read_capacities(capacities, classes, codes, n_other):
    """Return the expected number of matches of each neuron of the reference."""
    if capacities is None:
        return None
    expected = np.full(len(codes), n_other / len(codes))
    if isinstance(capacities, str) and capacities == "reference":
        return expected
    if not isinstance(capacities, Mapping):
        raise ValueError(
            "capacities must be 'reference', None or a dict of numbers of neurons by "
            f"type, got {capacities!r}"
        )
    foreign = [name for name in capacities if name not in classes.tolist()]
    if foreign:
        raise ValueError(
            f"capacities has types that no neuron of the reference has: "
            f"{list_names(foreign)}"
        )
    for name, number in capacities.items():
        is_number = isinstance(number, Real | Integral) and not isinstance(number, bool)
        if not is_number or not 0 <= number < np.inf:
            raise ValueError(
                "capacities must hold finite numbers of neurons that are not negative, "
                f"got {number!r} for {name!r}"
            )
        of_type = classes[np.maximum(codes, 0)] == name
        of_type &= codes >= 0
        expected[of_type] = number / of_type.sum()
    return expected
