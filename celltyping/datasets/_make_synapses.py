"""Simulated synapses of neurons."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numbers

import numpy as np
from scipy.spatial.transform import Rotation
from sklearn.utils import Bunch, check_random_state

from celltyping._utils._compat import Interval, validate_params
from celltyping._utils._optional import import_optional
from celltyping.datasets._synapse_columns import COORDINATES, MORPHOLOGY, NEURON, SOMA

# Types of neurons, by the calcium-binding protein that they have.
_TYPES = {"cb": "calbindin", "cr": "calretinin", "pv": "parvalbumin"}

# Standard deviations of the centres of clusters, about the soma and along the main
# axes of a neuron, in µm.
_EXTENT = np.array([60.0, 38.0, 22.0])

# Out of so many trees of dendrites, the one whose clusters are farthest apart is taken.
_N_TREES = 500

# Medians over all synapses: areas in µm², the volume in µm³.
_MEDIANS = {"SynArea": 0.046, "BoutonArea": 1.3, "BoutonVolume": 0.2}

# Standard deviations of logarithms of sizes: between clusters, and in one.
_SIZE_BETWEEN, _SIZE_WITHIN = 0.4, 0.4

# A bouton's volume grows with this power of its area, up to some scatter.
_VOLUME_POWER, _VOLUME_SCATTER = 1.3, 0.15

# The larger, the more alike are the shares that clusters have in different neurons.
_EVENNESS = 60.0

# Where outliers are, in µm from the soma; how many times too large others are.
_FAR, _HUGE = (250.0, 400.0), (20.0, 60.0)


@validate_params(
    {
        "n_neurons": [Interval(numbers.Integral, 1, None, closed="left")],
        "n_clusters": [Interval(numbers.Integral, 1, None, closed="left")],
        "n_dendrites": [Interval(numbers.Integral, 1, None, closed="left")],
        "min_synapses": [Interval(numbers.Integral, 1, None, closed="left")],
        "max_synapses": [Interval(numbers.Integral, 1, None, closed="left")],
        "cluster_spread": [Interval(numbers.Real, 0, None, closed="left")],
        "tilt": [Interval(numbers.Real, 0, 180, closed="both")],
        "outlier_share": [Interval(numbers.Real, 0, 1, closed="left")],
        "n_new": [Interval(numbers.Integral, 0, None, closed="left")],
        "random_state": ["random_state"],
        "return_X_y": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def make_synapses(
    n_neurons=9,
    *,
    n_clusters=6,
    n_dendrites=4,
    min_synapses=6,
    max_synapses=250,
    cluster_spread=5.0,
    tilt=20.0,
    outlier_share=0.03,
    n_new=30,
    random_state=None,
    return_X_y=False,
):
    """Simulate synapses on the dendrites of neurons, in clusters.

    All neurons are built alike: a few dendrites leave the soma, and clusters lie at
    places along them. But each neuron has its own soma, is turned its own way and has
    its own number of synapses, so that the clusters appear when neurons are aligned.

    Parameters
    ----------
    n_neurons : int, default=9
        Number of neurons.
    n_clusters : int, default=6
        Number of clusters, which all neurons share.
    n_dendrites : int, default=4
        Number of dendrites that the clusters take turns on.
    min_synapses : int, default=6
        Synapses of the poorest neuron, and of the only one.
    max_synapses : int, default=250
        Synapses of the richest neuron; the others lie between, in steps of equal ratio.
    cluster_spread : float, default=5.0
        Standard deviation of the places of a cluster's synapses along the dendrite, in
        µm; half of it to the sides.
    tilt : float, default=20.0
        About how far neurons are turned, in degrees.
    outlier_share : float, default=0.03
        Share of the synapses that belong to no cluster: half of them are far from all
        dendrites, the others far too large.
    n_new : int, default=30
        Number of new synapses of the same neurons.
    random_state : int, RandomState instance or None, default=None
        Determines everything that is random. Pass an int for the same synapses in
        every call.
    return_X_y : bool, default=False
        Return ``(frame, target)`` instead of a Bunch.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch` or tuple of (frame, target)
        A dictionary-like object with the attributes:

        frame : DataFrame of `n_synapses` rows
            NeuronId (cb1 ... pv3), NeuronType (calbindin, calretinin, parvalbumin),
            SynType ("as", asymmetric, excitatory; "ss", symmetric, inhibitory, one in
            six and near the soma), x, y, z and soma_x, soma_y, soma_z (µm), SynArea
            (µm², log-normal, median about 0.046), BoutonArea (µm², median about 1.3)
            and BoutonVolume (µm³, which follows it).
        target : ndarray of shape (n_synapses,), dtype=int64
            Cluster of each synapse; -1: an outlier.
        new_frame : DataFrame of `n_new` rows
            New synapses; among them outliers, at least one if there are any.
        new_target : ndarray of shape (n_new,), dtype=int64
            Their clusters.
        cluster_centers : ndarray of shape (n_clusters, 3)
            Where the clusters are from the soma, along the main axes of a neuron (µm).

    Raises
    ------
    ValueError
        If `max_synapses` is less than `min_synapses`.
    ImportError
        If pandas, which the extra "synapse" brings, is not installed.

    See Also
    --------
    celltyping.make_synapse_pipeline : Finds the clusters.

    Notes
    -----
    Nothing here is measured. Column names, numbers of synapses per neuron, medians and
    the ratio of the kinds of synapses follow published tables of interneurons.

    Examples
    --------
    >>> from celltyping.datasets import make_synapses
    >>> synapses = make_synapses(random_state=0)
    >>> synapses.frame.shape, synapses.new_frame.shape
    ((661, 12), (30, 12))
    >>> synapses.frame.groupby("NeuronType").NeuronId.unique().loc["calbindin"].tolist()
    ['cb1', 'cb2', 'cb3']
    """
    pd = import_optional("pandas", extra="synapse", needed_by="make_synapses")
    if max_synapses < min_synapses:
        raise ValueError(
            f"max_synapses ({max_synapses}) must be at least min_synapses "
            f"({min_synapses})"
        )
    rng = check_random_state(random_state)
    neurons = _make_neurons(n_neurons, n_clusters, n_dendrites, tilt, rng)
    sizes = np.geomspace(min_synapses, max_synapses, n_neurons).round().astype(int)
    of_neuron = np.repeat(np.arange(n_neurons), rng.permutation(sizes))
    frame, target = _draw(pd, neurons, of_neuron, cluster_spread, outlier_share, 0, rng)
    if return_X_y:
        return frame, target
    new_of_neuron = np.sort(rng.choice(of_neuron, n_new))
    least = min(n_new, 1 if outlier_share else 0)
    new_frame, new_target = _draw(
        pd, neurons, new_of_neuron, cluster_spread, outlier_share, least, rng
    )
    return Bunch(
        frame=frame,
        target=target,
        new_frame=new_frame,
        new_target=new_target,
        cluster_centers=neurons.centers,
    )


def _make_neurons(n_neurons, n_clusters, n_dendrites, tilt, rng):
    """Draw what stays the same for all synapses of the same neurons."""
    centers = _make_tree(n_clusters, n_dendrites, rng)
    distance = np.linalg.norm(centers, axis=1)
    # Half of the synapses of the third of the clusters that is nearest to the soma are
    # inhibitory, which is about one in six of all.
    near = distance <= np.sort(distance)[max(n_clusters // 3 - 1, 0)]
    kinds = list(_TYPES)
    per_type = -(-n_neurons // len(kinds))
    types = [kinds[i // per_type] for i in range(n_neurons)]
    return Bunch(
        ids=np.array([f"{kind}{i % per_type + 1}" for i, kind in enumerate(types)]),
        types=np.array([_TYPES[kind] for kind in types]),
        somas=rng.uniform(0, 400, size=(n_neurons, 3)),
        turns=Rotation.from_rotvec(
            np.deg2rad(tilt) / np.sqrt(3) * rng.normal(size=(n_neurons, 3))
        ),
        shares=rng.dirichlet(np.full(n_clusters, _EVENNESS), size=n_neurons),
        centers=centers,
        directions=centers / distance[:, np.newaxis],
        inhibitory=np.where(near, 0.5, 0.0),
        sizes=rng.normal(0, _SIZE_BETWEEN, size=(n_clusters, 2)),
    )


def _make_tree(n_clusters, n_dendrites, rng):
    """Draw the places of clusters along dendrites, from the soma and in main axes."""
    best, widest = None, -1.0
    for _ in range(_N_TREES):
        directions = rng.normal(size=(n_dendrites, 3))
        directions /= np.linalg.norm(directions, axis=1)[:, np.newaxis]
        along = rng.uniform(0.4, 1.0, size=n_clusters)
        places = directions[np.arange(n_clusters) % n_dendrites] * along[:, np.newaxis]
        # Turned to their main axes, and stretched so that these have their extents.
        _, sizes, axes = np.linalg.svd(places, full_matrices=False)
        if n_clusters >= 3:
            # One or two dendrites lie in a line or a plane, and stay there.
            sizes[sizes < 1e-9 * sizes[0]] = np.inf
            places = places @ axes.T / (sizes / np.sqrt(n_clusters))
        gaps = np.linalg.norm(places[:, np.newaxis] - places, axis=2)
        gap = (gaps + np.diag(np.full(n_clusters, np.inf))).min()
        if gap > widest:
            best, widest = places, gap
    return best * _EXTENT


def _draw(pd, neurons, of_neuron, spread, outlier_share, least_outliers, rng):
    """Draw synapses of given neurons: their table, and the cluster of each."""
    n = len(of_neuron)
    bounds = np.cumsum(neurons.shares, axis=1)[of_neuron]
    cluster = (rng.uniform(size=(n, 1)) > bounds[:, :-1]).sum(axis=1)
    along, across = rng.normal(size=(n, 1)), rng.normal(size=(n, 3))
    places = neurons.centers[cluster] + spread * (
        along * neurons.directions[cluster] + across / 2
    )
    logs = neurons.sizes[cluster] + _SIZE_WITHIN * rng.normal(size=(n, 2))
    scatter = _VOLUME_SCATTER * rng.normal(size=n)
    sizes = np.exp(np.column_stack([logs, _VOLUME_POWER * logs[:, 1] + scatter]))
    kind = np.where(rng.uniform(size=n) < neurons.inhibitory[cluster], "ss", "as")

    n_outliers = max(round(outlier_share * n), least_outliers)
    outliers = rng.permutation(n)[:n_outliers]
    far, huge = outliers[::2], outliers[1::2]
    directions = rng.normal(size=(len(far), 3))
    directions /= np.linalg.norm(directions, axis=1)[:, np.newaxis]
    places[far] = directions * rng.uniform(*_FAR, size=(len(far), 1))
    sizes[huge] *= rng.uniform(*_HUGE, size=(len(huge), 1))
    target = cluster.astype(np.int64)
    target[outliers] = -1

    soma = neurons.somas[of_neuron]
    turned = neurons.turns[of_neuron].apply(places) if n else places
    columns = {
        NEURON: neurons.ids[of_neuron],
        "NeuronType": neurons.types[of_neuron],
        "SynType": kind,
    }
    columns |= zip(COORDINATES, (turned + soma).T, strict=True)
    columns |= zip(SOMA, soma.T, strict=True)
    columns |= zip(MORPHOLOGY, (sizes * list(_MEDIANS.values())).T, strict=True)
    return pd.DataFrame(columns), target
