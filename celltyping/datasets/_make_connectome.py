"""Simulated connectomes."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numbers
from functools import partial

import numpy as np
from scipy.sparse import csr_array
from scipy.special import lambertw
from sklearn.utils import Bunch, check_random_state

from celltyping._utils._compat import Interval, validate_params
from celltyping._utils._optional import import_optional
from celltyping.connectome import Connectome

# Spread (of the logarithm) of how strongly a type prefers one of its partner types to
# another of the same size.
_PREFERENCE_SIGMA = 1.0

# A neuron without a partner in its own type could not be typed by its wiring.
_LEAST_TYPE_SIZE = 2

# Pairs that may be drawn per edge that is wanted before the draw is given up: with
# half of the pairs free, two per edge are needed on average.
_MAX_DRAWS_PER_EDGE = 100


@validate_params(
    {
        "n_neurons": [Interval(numbers.Integral, 2, None, closed="left")],
        "n_types": [Interval(numbers.Integral, 1, None, closed="left")],
        "n_edges": [Interval(numbers.Integral, 1, None, closed="left")],
        "n_partner_types": [Interval(numbers.Integral, 1, None, closed="left")],
        "noise": [Interval(numbers.Real, 0, 1, closed="both")],
        "mean_synapses": [Interval(numbers.Real, 1, None, closed="left")],
        "type_size_sigma": [Interval(numbers.Real, 0, None, closed="left")],
        "degree_sigma": [Interval(numbers.Real, 0, None, closed="left")],
        "random_state": ["random_state"],
        "return_X_y": ["boolean"],
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
    random_state=None,
    return_X_y=False,
):
    """Simulate a connectome whose wiring depends on the neurons' types.

    A directed, degree-corrected stochastic block model [1]_: each type sends its edges
    to a few partner types, and neurons of one type differ in how many edges they send
    and receive. Types, their sizes, partners and neurons all come from `random_state`.

    Parameters
    ----------
    n_neurons : int, default=1000
        Number of neurons.
    n_types : int, default=20
        Number of types.
    n_edges : int, default=20000
        Number of different directed edges, which the result has exactly; at most half
        of the pairs of neurons. Self loops are as likely as any other pair.
    n_partner_types : int, default=5
        Number of types that a type sends edges to; all types where there are fewer.
    noise : float, default=0.1
        Share of the edges that join two neurons drawn from all with equal chances,
        whatever their types.
    mean_synapses : float, default=3.0
        Mean number of synapses per edge, at least 1. The numbers are Poisson
        distributed, given that they are not 0.
    type_size_sigma : float, default=1.0
        Spread of the sizes of types: the standard deviation of the logarithm of their
        log-normal distribution. 0 makes all sizes equal. A type has at least 2 neurons
        if there are enough neurons, else at least 1.
    degree_sigma : float, default=0.5
        Spread of the neurons' propensities to send and to receive edges, likewise.
    random_state : int, RandomState instance or None, default=None
        Determines everything that is random. Pass an int for the same connectome, bit
        for bit, in every call.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch; pandas is not needed then.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch` or tuple of (data, target)
        A dictionary-like object with the attributes:

        data : Connectome
            The wiring; ids are 0, 1, ...
        target : ndarray of shape (n_neurons,), dtype=object
            Type of each neuron, such as "T07".
        target_names : ndarray of shape (n_types,), dtype=object
            The types, sorted.
        frame : DataFrame of `n_neurons` rows
            Per neuron, by id: type, out_propensity and in_propensity. The expected
            number of edges that a neuron sends, noise aside, is proportional to its
            out_propensity, and among neurons of one type the number that it receives
            to its in_propensity. The mean of each is 1.

    Raises
    ------
    ValueError
        If there are more types than neurons, or more edges than the pairs of neurons,
        or of partner types, have room for.
    ImportError
        If pandas, which `frame` needs and the extra "io" brings, is not installed.

    See Also
    --------
    load_larva_connectome : A real one.

    Notes
    -----
    The sender of an edge is drawn by out_propensity; the receiver's type from the
    partners of the sender's type, by a log-normal preference times the type's summed
    in_propensity; the receiver in its type by in_propensity. Pairs that come up twice
    are drawn again, until `n_edges` different ones are there.

    Time and memory grow with `n_edges` and `n_neurons`; nothing is as large as
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
        raise ValueError(
            f"n_types ({n_types}) must be at most n_neurons ({n_neurons}): every type "
            "has a neuron"
        )
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

    draw_typed = partial(
        _draw_typed_keys,
        types=types,
        sizes=sizes,
        out_propensity=out_propensity,
        in_propensity=in_propensity,
        partners=partners,
        preference=preference,
        rng=rng,
    )
    draw_noise = partial(_draw_any_keys, n_neurons=n_neurons, rng=rng)
    nothing = np.empty(0, dtype=np.int64)
    typed = _draw_distinct(draw_typed, n_typed, nothing, rng)
    keys = np.concatenate([typed, _draw_distinct(draw_noise, n_noise, typed, rng)])
    keys.sort()
    synapses = _zero_truncated_poisson(mean_synapses, n_edges, rng)
    connectome = Connectome(_adjacency(keys, synapses, n_neurons))

    width = len(str(n_types - 1))
    names = np.array([f"T{code:0{width}d}" for code in range(n_types)], dtype=object)
    target = names[types]
    if return_X_y:
        return connectome, target
    frame = pd.DataFrame(
        {
            "type": target,
            "out_propensity": out_propensity,
            "in_propensity": in_propensity,
        },
        index=pd.Index(connectome.node_ids, name="id"),
    )
    return Bunch(data=connectome, target=target, target_names=names, frame=frame)


def _type_sizes(n_neurons, n_types, sigma, rng):
    """Divide the neurons among the types in log-normal shares."""
    least = min(_LEAST_TYPE_SIZE, n_neurons // n_types)
    n_free = n_neurons - least * n_types
    quotas = n_free * _lognormal(sigma, n_types, rng) / n_types
    sizes = np.floor(quotas).astype(np.int64)
    # What rounding left over goes to the types that it cost most.
    order = np.argsort(sizes - quotas, kind="stable")
    sizes[order[: n_free - sizes.sum()]] += 1
    return sizes + least


def _lognormal(sigma, size, rng):
    """Draw log-normal numbers and scale them to a mean of 1."""
    values = rng.lognormal(0, sigma, size=size)
    return values / values.mean()


def _partner_types(n_types, n_partners, rng):
    """Draw `n_partners` different types for each type, with equal chances.

    Floyd's sampling, for all rows at once: among the first k + 1 types draw one, or
    take type k itself if that one was drawn before.
    """
    partners = np.empty((n_types, n_partners), dtype=np.int64)
    for step in range(n_partners):
        last = n_types - n_partners + step
        drawn = rng.randint(last + 1, size=n_types)
        taken = (partners[:, :step] == drawn[:, np.newaxis]).any(axis=1)
        partners[:, step] = np.where(taken, last, drawn)
    return partners


def _draw_typed_keys(
    n_keys,
    *,
    types,
    sizes,
    out_propensity,
    in_propensity,
    partners,
    preference,
    rng,
):
    """Draw edges by propensity, from types to their partner types.

    An edge is one integer, its key: pre * n_neurons + post.
    """
    n_types, n_partners = partners.shape
    n_neurons = types.size
    everywhere = np.zeros(n_keys, dtype=np.int64)
    pre = _draw_in_groups(out_propensity, np.array([0, n_neurons]), everywhere, rng)

    attraction = np.bincount(types, weights=in_propensity, minlength=n_types)
    weights = (preference * attraction[partners]).ravel()
    slot_bounds = np.arange(n_types + 1) * n_partners
    slot = _draw_in_groups(weights, slot_bounds, types[pre], rng)

    by_type = np.argsort(types, kind="stable")
    type_bounds = np.concatenate([[0], np.cumsum(sizes)])
    place = _draw_in_groups(
        in_propensity[by_type], type_bounds, partners.ravel()[slot], rng
    )
    return pre * n_neurons + by_type[place]


def _draw_any_keys(n_keys, *, n_neurons, rng):
    """Draw edges with equal chances of all pairs of neurons."""
    return rng.randint(n_neurons**2, size=n_keys, dtype=np.int64)


def _draw_in_groups(weights, bounds, group, rng):
    """Draw positions by weight, each within its group.

    Group g has the positions from ``bounds[g]`` to ``bounds[g + 1] - 1``.
    """
    total = np.concatenate([[0.0], np.cumsum(weights)])
    low, high = total[bounds[group]], total[bounds[group + 1]]
    at = low + rng.random_sample(group.size) * (high - low)
    position = np.searchsorted(total, at, side="right") - 1
    # Rounding may carry a draw just past the end of its group.
    return np.clip(position, bounds[group], bounds[group + 1] - 1)


def _draw_distinct(draw, n_wanted, taken, rng):
    """Draw sorted, different keys until there are so many that are not in `taken`."""
    keys = np.empty(0, dtype=np.int64)
    n_drawn = 0
    while keys.size < n_wanted:
        n_more = (n_wanted - keys.size) * 21 // 20 + 16  # a little more: some repeat
        n_drawn += n_more
        if n_drawn > _MAX_DRAWS_PER_EDGE * (n_wanted + 16):
            raise ValueError(
                f"only {keys.size} of {n_wanted} different edges came up in "
                f"{n_drawn} draws: lower n_edges, degree_sigma or type_size_sigma"
            )
        new = draw(n_more)
        keys = _sorted_unique(np.concatenate([keys, new[~_is_among(new, taken)]]))
    surplus = rng.choice(keys.size, size=keys.size - n_wanted, replace=False)
    return np.delete(keys, surplus)


def _sorted_unique(keys):
    """Sort keys and drop those that repeat.

    np.unique hashes integers first, which is several times slower on such keys.
    """
    keys = np.sort(keys)
    is_first = np.ones(keys.size, dtype=bool)
    is_first[1:] = keys[1:] != keys[:-1]
    return keys[is_first]


def _is_among(keys, known):
    """Tell which keys are among others, which are sorted; none is negative."""
    slots = np.searchsorted(known, keys)
    return np.append(known, -1)[slots] == keys


def _zero_truncated_poisson(mean, size, rng):
    """Draw Poisson numbers given that they are not 0, of that mean.

    They count the events of a Poisson process in an interval. Given that there is one,
    the time of the first has a truncated exponential distribution, and what follows it
    is a Poisson number again.
    """
    if mean == 1:
        return np.ones(size, dtype=np.int64)  # the limit at a rate of 0
    # The rate that solves rate / (1 - exp(-rate)) = mean.
    rate = max(mean + lambertw(-mean * np.exp(-mean)).real, 0.0)
    first = -np.log1p(rng.random_sample(size) * np.expm1(-rate))
    return 1 + rng.poisson(np.maximum(rate - first, 0))


def _adjacency(keys, weights, n_neurons):
    """Turn sorted keys into a CSR matrix."""
    pre, post = np.divmod(keys, n_neurons)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(pre, minlength=n_neurons))])
    return csr_array((weights, post, indptr), shape=(n_neurons, n_neurons))
