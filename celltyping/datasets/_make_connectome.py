"""Simulated connectomes."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numbers

import numpy as np
from scipy.sparse import csr_array
from scipy.special import lambertw
from sklearn.utils import Bunch, check_random_state

from celltyping._utils._compat import Interval, validate_params
from celltyping._utils._optional import import_optional
from celltyping.connectome import Connectome

# Standard deviation of the logarithm of a type's preferences for its partner types.
_PREFERENCE_SIGMA = 1.0

# A single neuron of a type could not be typed by its connections.
_MIN_TYPE_SIZE = 2

# Maximum number of draws per edge. If half of the pairs are free, two draws per edge
# are needed on average.
_MAX_DRAWS_PER_EDGE = 100


@validate_params(
    {
        "n_neurons": [Interval(numbers.Integral, 2, None, closed="left")],
        "n_types": [Interval(numbers.Integral, 1, None, closed="left")],
        "n_edges": [Interval(numbers.Integral, 1, None, closed="left")],
        "n_partner_types": [Interval(numbers.Integral, 1, None, closed="left")],
        "noise": [Interval(numbers.Real, 0, 1, closed="both")],
        "mean_synapses": [Interval(numbers.Real, 1, 1e6, closed="both")],
        "type_size_sigma": [Interval(numbers.Real, 0, 10, closed="both")],
        "degree_sigma": [Interval(numbers.Real, 0, 10, closed="both")],
        "return_X_y": ["boolean"],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_connectome(
    n_neurons=1000,
    n_types=20,
    n_edges=20000,
    *,
    n_partner_types=5,
    noise=0.1,
    mean_synapses=3.0,
    type_size_sigma=1.0,
    degree_sigma=0.5,
    return_X_y=False,
    random_state=None,
):
    """Simulate a connectome whose edges depend on the types of the neurons.

    The model is a directed, degree-corrected stochastic block model [1]_: each type
    sends its edges to a few partner types, and the numbers of outgoing and incoming
    edges vary among the neurons of a type.

    Parameters
    ----------
    n_neurons : int, default=1000
        Number of neurons.
    n_types : int, default=20
        Number of types.
    n_edges : int, default=20000
        Exact number of different directed edges; at most half of the pairs of neurons.
        Self loops are as likely as other pairs.
    n_partner_types : int, default=5
        Number of types that a type sends edges to; at most all.
    noise : float, default=0.1
        Fraction of the edges that connect two neurons drawn uniformly from all neurons.
    mean_synapses : float, default=3.0
        Mean number of synapses per edge, at least 1. The numbers have a zero-truncated
        Poisson distribution.
    type_size_sigma : float, default=1.0
        Standard deviation of the logarithm of the log-normally distributed sizes of
        types. 0 makes all sizes equal. The minimum size is 2 if there are enough
        neurons, else 1.
    degree_sigma : float, default=0.5
        Standard deviation of the logarithm of the log-normally distributed propensities
        of neurons to send and to receive edges.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch; does not need pandas.
    random_state : int, RandomState instance or None, default=None
        Source of randomness. Pass an int for identical results in every call.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch` or tuple of (data, target)
        A dictionary-like object with the attributes:

        data : Connectome
            Connectome with the ids 0, 1, ...
        target : ndarray of shape (n_neurons,), dtype=object
            Type of each neuron, such as "T07".
        target_names : ndarray of shape (n_types,), dtype=object
            Types, sorted.
        frame : DataFrame of `n_neurons` rows
            Columns type, out_propensity and in_propensity, by neuron id. Without noise,
            the expected number of outgoing edges of a neuron is proportional to its
            out_propensity, and the expected number of incoming edges, among neurons of
            one type, to its in_propensity. The mean of each propensity is 1.

    Raises
    ------
    ValueError
        If there are more types than neurons, or too many edges for the pairs of neurons
        or of partner types.
    ImportError
        If `return_X_y` is False and pandas (extra "io") is not installed.

    See Also
    --------
    load_larva_connectome : A measured connectome.

    Notes
    -----
    The sender of an edge is drawn by out_propensity; the type of the receiver from the
    partners of the sender's type, by a log-normal preference times the type's summed
    in_propensity; and the receiver within its type by in_propensity. Repeated pairs are
    drawn again until there are `n_edges` different pairs.

    Time and memory grow with `n_edges` and `n_neurons`. No array has the size of
    `n_neurons` squared or `n_types` squared.

    References
    ----------
    .. [1] B. Karrer and M. E. J. Newman (2011). Stochastic blockmodels and community
       structure in networks. Physical Review E 83, 016107.
       :doi:`10.1103/PhysRevE.83.016107`

    Examples
    --------
    >>> from celltyping.datasets import make_connectome
    >>> simulated = make_connectome(
    ...     n_neurons=100, n_types=4, n_edges=800, random_state=0
    ... )
    >>> simulated.data
    <Connectome of 100 nodes: 800 edges, ... synapses>
    >>> simulated.target_names.tolist()
    ['T0', 'T1', 'T2', 'T3']
    >>> simulated.frame.columns.tolist()
    ['type', 'out_propensity', 'in_propensity']
    """
    if not return_X_y:
        pd = import_optional(
            "pandas", extra="io", needed_by="make_connectome(return_X_y=False)"
        )
    if n_types > n_neurons:
        raise ValueError(f"n_types ({n_types}) must be at most n_neurons ({n_neurons})")
    if n_edges > n_neurons**2 // 2:
        raise ValueError(
            f"n_edges ({n_edges}) must be at most half of the pairs of neurons "
            f"({n_neurons**2 // 2})"
        )
    rng = check_random_state(random_state)
    sizes = _type_sizes(n_neurons, n_types, type_size_sigma, rng)
    types = rng.permutation(np.repeat(np.arange(n_types), sizes))
    out_propensity = _lognormal(degree_sigma, n_neurons, rng)
    in_propensity = _lognormal(degree_sigma, n_neurons, rng)
    partners = _partner_types(n_types, min(n_partner_types, n_types), rng)
    preference = rng.lognormal(0, _PREFERENCE_SIGMA, size=partners.shape)

    n_noise = round(noise * n_edges)
    n_typed = n_edges - n_noise
    room = int((sizes[:, np.newaxis] * sizes[partners]).sum())
    if n_typed > room // 2:
        raise ValueError(
            f"n_edges ({n_edges}) leaves {n_typed} edges between partner types, which "
            f"must be at most half of their {room} pairs of neurons: lower n_edges, or "
            "raise n_partner_types or noise"
        )

    def draw_typed(n_keys):
        return _draw_typed_keys(
            n_keys, types, out_propensity, in_propensity, partners, preference, rng
        )

    def draw_noise(n_keys):
        return rng.randint(n_neurons**2, size=n_keys, dtype=np.int64)

    typed = _draw_distinct(draw_typed, n_typed, np.empty(0, dtype=np.int64), rng)
    keys = np.concatenate([typed, _draw_distinct(draw_noise, n_noise, typed, rng)])
    keys.sort()
    synapses = _zero_truncated_poisson(mean_synapses, n_edges, rng)
    connectome = Connectome(_adjacency(keys, synapses, n_neurons))

    width = len(str(n_types - 1))
    names = np.array([f"T{code:0{width}d}" for code in range(n_types)], dtype=object)
    target = names[types]
    if return_X_y:
        return connectome, target
    columns = {"out_propensity": out_propensity, "in_propensity": in_propensity}
    index = pd.Index(connectome.node_ids, name="id")
    frame = pd.DataFrame({"type": target, **columns}, index=index)
    return Bunch(data=connectome, target=target, target_names=names, frame=frame)


def _type_sizes(n_neurons, n_types, sigma, rng):
    """Distribute the neurons among the types by log-normal proportions."""
    min_size = min(_MIN_TYPE_SIZE, n_neurons // n_types)
    n_free = n_neurons - min_size * n_types
    quotas = n_free * _lognormal(sigma, n_types, rng) / n_types
    sizes = np.floor(quotas).astype(np.int64)
    # The remainder goes to the types with the largest fractions (largest remainder).
    order = np.argsort(sizes - quotas, kind="stable")
    sizes[order[: n_free - sizes.sum()]] += 1
    return sizes + min_size


def _lognormal(sigma, size, rng):
    """Draw log-normal numbers and scale them to a mean of 1."""
    values = rng.lognormal(0, sigma, size=size)
    return values / values.mean()


def _partner_types(n_types, n_partners, rng):
    """Draw `n_partners` different types for each type, with equal probability.

    This is Floyd's algorithm for all rows at once: draw one of the first k + 1 types,
    or take type k if that one was drawn before.
    """
    partners = np.empty((n_types, n_partners), dtype=np.int64)
    for step in range(n_partners):
        last = n_types - n_partners + step
        drawn = rng.randint(last + 1, size=n_types)
        taken = (partners[:, :step] == drawn[:, np.newaxis]).any(axis=1)
        partners[:, step] = np.where(taken, last, drawn)
    return partners


def _draw_typed_keys(
    n_keys, types, out_propensity, in_propensity, partners, preference, rng
):
    """Draw edges by propensity, from types to their partner types.

    Parameters
    ----------
    n_keys : int
        Number of edges.
    types : ndarray of int, shape (n_neurons,)
        Type of each neuron.
    out_propensity, in_propensity : ndarray of shape (n_neurons,)
        Propensities to send and to receive edges.
    partners, preference : ndarray of shape (n_types, n_partners)
        Partner types of each type, and its preferences for them.
    rng : RandomState
        Source of randomness.

    Returns
    -------
    keys : ndarray of shape (n_keys,), dtype=int64
        The edges, encoded as pre * n_neurons + post.
    """
    n_types, n_partners = partners.shape
    n_neurons = types.size
    one_group = np.zeros(n_keys, dtype=np.int64)
    pre = _draw_in_groups(out_propensity, np.array([0, n_neurons]), one_group, rng)

    attraction = np.bincount(types, weights=in_propensity, minlength=n_types)
    weights = (preference * attraction[partners]).ravel()
    slot_bounds = np.arange(n_types + 1) * n_partners
    slot = _draw_in_groups(weights, slot_bounds, types[pre], rng)

    by_type = np.argsort(types, kind="stable")
    type_bounds = np.searchsorted(types[by_type], np.arange(n_types + 1))
    group = partners.ravel()[slot]
    position = _draw_in_groups(in_propensity[by_type], type_bounds, group, rng)
    return pre * n_neurons + by_type[position]


def _draw_in_groups(weights, bounds, group, rng):
    """Draw a position by weight within each given group.

    Group g has the positions from ``bounds[g]`` to ``bounds[g + 1] - 1`` of `weights`.
    """
    total = np.concatenate([[0.0], np.cumsum(weights)])
    low, high = total[bounds[group]], total[bounds[group + 1]]
    at = low + rng.random_sample(group.size) * (high - low)
    position = np.searchsorted(total, at, side="right") - 1
    # Rounding may move a draw just past the end of its group.
    return np.clip(position, bounds[group], bounds[group + 1] - 1)


def _draw_distinct(draw, n_wanted, taken, rng):
    """Draw `n_wanted` different keys that are not in the sorted `taken`; sorted."""
    keys = np.empty(0, dtype=np.int64)
    n_drawn = 0
    while keys.size < n_wanted:
        n_more = (n_wanted - keys.size) * 21 // 20 + 16  # more, as some repeat
        n_drawn += n_more
        if n_drawn > _MAX_DRAWS_PER_EDGE * (n_wanted + 16):
            raise ValueError(
                f"only {keys.size} of {n_wanted} edges were different in {n_drawn} "
                "draws: lower n_edges, degree_sigma or type_size_sigma"
            )
        new = draw(n_more)
        keys = _sorted_unique(np.concatenate([keys, new[~_is_among(new, taken)]]))
    surplus = rng.choice(keys.size, size=keys.size - n_wanted, replace=False)
    return np.delete(keys, surplus)


def _sorted_unique(keys):
    """Return sorted keys without duplicates."""
    # np.unique hashes integers first, which is several times slower for such keys
    keys = np.sort(keys)
    is_first = np.ones(keys.size, dtype=bool)
    is_first[1:] = keys[1:] != keys[:-1]
    return keys[is_first]


def _is_among(keys, known):
    """Return which keys are in the sorted array `known`; all are nonnegative."""
    slots = np.searchsorted(known, keys)
    return np.append(known, -1)[slots] == keys


def _zero_truncated_poisson(mean, size, rng):
    """Draw zero-truncated Poisson numbers with the given mean.

    They count the events of a Poisson process in an interval. Given at least one event,
    the time of the first has a truncated exponential distribution, and the number of
    later events is a Poisson number.
    """
    if mean == 1:
        return np.ones(size, dtype=np.int64)  # the limit for a rate of 0
    # Solution of rate / (1 - exp(-rate)) = mean
    rate = max(mean + lambertw(-mean * np.exp(-mean)).real, 0.0)
    first = -np.log1p(rng.random_sample(size) * np.expm1(-rate))
    return 1 + rng.poisson(np.maximum(rate - first, 0))


def _adjacency(keys, weights, n_neurons):
    """Convert sorted keys to a CSR matrix."""
    pre, post = np.divmod(keys, n_neurons)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(pre, minlength=n_neurons))])
    return csr_array((weights, post, indptr), shape=(n_neurons, n_neurons))
