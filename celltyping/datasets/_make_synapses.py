"""Simulated synapses of neurons."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numbers

import numpy as np
from scipy.spatial.transform import Rotation
from sklearn.utils import Bunch, check_random_state

from celltyping._utils._compat import Interval, validate_params
from celltyping._utils._optional import import_optional
from celltyping.datasets._synapse_columns import (
    COORDINATES,
    MORPHOLOGY,
    NEURON,
    NEURON_TYPE,
    SOMA,
    SYNAPSE_TYPE,
)

# Types of neurons, by their calcium-binding protein.
_TYPES = {"cb": "calbindin", "cr": "calretinin", "pv": "parvalbumin"}

# Standard deviations of the cluster centres about the soma, along the main axes of a
# neuron, in µm.
_EXTENT = np.array([60.0, 38.0, 22.0])

# Number of random dendritic trees, from which the one with the largest minimum distance
# of clusters is used.
_N_TREES = 500

# Medians over all synapses, in the order of MORPHOLOGY.
_MEDIANS = (0.046, 1.3, 0.2)

# Standard deviations of the logarithms of sizes: between clusters, and within one.
_SIZE_BETWEEN, _SIZE_WITHIN = 0.4, 0.4

# Exponent of the bouton's area in its volume, and scatter of the logarithm.
_VOLUME_POWER, _VOLUME_SCATTER = 1.3, 0.15

# Concentration of the Dirichlet distribution of each neuron's cluster shares; larger
# values give more similar neurons.
_EVENNESS = 60.0

# Ranges of the outliers' distances from the soma, in µm, and of factors of their sizes.
_FAR, _HUGE = (250.0, 400.0), (20.0, 60.0)


@validate_params(
    {
        "n_neurons": [Interval(numbers.Integral, 1, None, closed="left")],
        "n_clusters": [Interval(numbers.Integral, 1, None, closed="left")],
        "n_dendrites": [Interval(numbers.Integral, 1, None, closed="left")],
        "min_synapses": [Interval(numbers.Integral, 1, None, closed="left")],
        "max_synapses": [Interval(numbers.Integral, 1, None, closed="left")],
        "cluster_spread": [Interval(numbers.Real, 0, 1e6, closed="both")],
        "tilt": [Interval(numbers.Real, 0, 180, closed="both")],
        "outlier_share": [Interval(numbers.Real, 0, 1, closed="left")],
        "n_new": [Interval(numbers.Integral, 0, None, closed="left")],
        "return_X_y": ["boolean"],
        "random_state": ["random_state"],
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
    return_X_y=False,
    random_state=None,
):
    """Simulate synapses in clusters on the dendrites of neurons.

    All neurons have the same shape: a few dendrites leave the soma, and clusters lie
    along them. Each neuron has its own soma, orientation and number of synapses, so the
    clusters become visible when neurons are aligned.

    Parameters
    ----------
    n_neurons : int, default=9
        Number of neurons.
    n_clusters : int, default=6
        Number of clusters, the same in all neurons.
    n_dendrites : int, default=4
        Number of dendrites, to which clusters are assigned in turn.
    min_synapses : int, default=6
        Minimum number of synapses of a neuron, and number of those of a single neuron.
    max_synapses : int, default=250
        Maximum number of synapses of a neuron; the numbers of the other neurons are
        spaced evenly on a logarithmic scale.
    cluster_spread : float, default=5.0
        Standard deviation of the positions in a cluster along the dendrite, in µm;
        half of it in every direction.
    tilt : float, default=20.0
        Typical rotation of a neuron, in degrees.
    outlier_share : float, default=0.03
        Fraction of synapses that are in no cluster: half of them are far from all
        dendrites, the others are far too large.
    n_new : int, default=30
        Number of new synapses of the same neurons.
    return_X_y : bool, default=False
        Return ``(frame, target)`` instead of a Bunch.
    random_state : int, RandomState instance or None, default=None
        Seed. Pass an int for reproducible synapses.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch` or tuple of (frame, target)
        A dictionary-like object with the attributes:

        frame : DataFrame of `n_synapses` rows
            NeuronId (cb1 ... pv3), NeuronType (calbindin, calretinin, parvalbumin),
            SynType ("as", asymmetric, excitatory; "ss", symmetric, inhibitory, one in
            six and near the soma), x, y, z and soma_x, soma_y, soma_z (µm), SynArea
            (µm², log-normal, median about 0.046), BoutonArea (µm², median about 1.3)
            and BoutonVolume (µm³, correlated with BoutonArea).
        target : ndarray of shape (n_synapses,), dtype=int64
            Cluster of each synapse; -1 for outliers.
        new_frame : DataFrame of `n_new` rows
            New synapses, with at least one outlier unless `outlier_share` is 0.
        new_target : ndarray of shape (n_new,), dtype=int64
            Clusters of the new synapses.
        cluster_centers : ndarray of shape (n_clusters, 3)
            Cluster centres relative to the soma, along the main axes of a neuron (µm).

    Raises
    ------
    ValueError
        If `max_synapses` is less than `min_synapses`.
    ImportError
        If pandas, of the extra "synapse", is not installed.

    See Also
    --------
    celltyping.make_synapse_pipeline : Pipeline that finds the clusters.

    Notes
    -----
    These are not measured data. Column names, numbers of synapses per neuron, medians
    and the ratio of synapse types follow published tables of interneurons.

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
    codes = np.repeat(np.arange(n_neurons), rng.permutation(sizes))
    columns, target = _draw_synapses(
        neurons, codes, cluster_spread, round(outlier_share * len(codes)), rng
    )
    frame = pd.DataFrame(columns)
    if return_X_y:
        return frame, target
    new_codes = np.sort(rng.choice(codes, n_new))
    n_outliers = max(round(outlier_share * n_new), min(n_new, int(outlier_share > 0)))
    new_columns, new_target = _draw_synapses(
        neurons, new_codes, cluster_spread, n_outliers, rng
    )
    return Bunch(
        frame=frame,
        target=target,
        new_frame=pd.DataFrame(new_columns),
        new_target=new_target,
        cluster_centers=neurons.centers,
    )


def _make_neurons(n_neurons, n_clusters, n_dendrites, tilt, rng):
    """Draw the parameters of neurons and clusters."""
    centers = _make_centers(n_clusters, n_dendrites, rng)
    distance = np.linalg.norm(centers, axis=1)
    # Half of the synapses in the third of the clusters nearest to the soma are
    # inhibitory, which is about one in six of all synapses.
    is_near = distance <= np.sort(distance)[max(n_clusters // 3 - 1, 0)]
    prefixes = list(_TYPES)
    per_type = -(-n_neurons // len(prefixes))
    own = [prefixes[i // per_type] for i in range(n_neurons)]
    return Bunch(
        ids=np.array([f"{prefix}{i % per_type + 1}" for i, prefix in enumerate(own)]),
        types=np.array([_TYPES[prefix] for prefix in own]),
        somas=rng.uniform(0, 400, size=(n_neurons, 3)),
        rotations=Rotation.from_rotvec(
            np.deg2rad(tilt) / np.sqrt(3) * rng.normal(size=(n_neurons, 3))
        ),
        shares=rng.dirichlet(np.full(n_clusters, _EVENNESS), size=n_neurons),
        centers=centers,
        directions=centers / distance[:, np.newaxis],
        inhibitory=np.where(is_near, 0.5, 0.0),
        sizes=rng.normal(0, _SIZE_BETWEEN, size=(n_clusters, 2)),
    )


def _make_centers(n_clusters, n_dendrites, rng):
    """Draw cluster centres on dendrites, relative to the soma, in main axes."""
    best, best_gap = None, -1.0
    for _ in range(_N_TREES):
        directions = _draw_directions(n_dendrites, rng)
        along = rng.uniform(0.4, 1.0, size=n_clusters)
        centers = directions[np.arange(n_clusters) % n_dendrites] * along[:, np.newaxis]
        # Rotate to the main axes, and scale to the extents along them.
        _, sizes, axes = np.linalg.svd(centers, full_matrices=False)
        if n_clusters >= 3:
            # One or two dendrites lie in a line or a plane, and stay there.
            sizes[sizes < 1e-9 * sizes[0]] = np.inf
            centers = centers @ axes.T / (sizes / np.sqrt(n_clusters))
        gaps = np.linalg.norm(centers[:, np.newaxis] - centers, axis=2)
        gap = (gaps + np.diag(np.full(n_clusters, np.inf))).min()
        if gap > best_gap:
            best, best_gap = centers, gap
    return best * _EXTENT


def _draw_directions(n, rng):
    """Draw unit vectors."""
    directions = rng.normal(size=(n, 3))
    directions /= np.linalg.norm(directions, axis=1)[:, np.newaxis]
    return directions


def _draw_synapses(neurons, codes, spread, n_outliers, rng):
    """Draw synapses of given neurons.

    Parameters
    ----------
    neurons : Bunch
        Result of `_make_neurons`.
    codes : ndarray of shape (n_synapses,), dtype=int
        Index of each synapse's neuron.
    spread : float
        Parameter `cluster_spread`.
    n_outliers : int
        Number of outliers.
    rng : RandomState instance
        Random numbers.

    Returns
    -------
    columns : dict of {str: ndarray of shape (n_synapses,)}
        Columns of the table.
    target : ndarray of shape (n_synapses,), dtype=int64
        Cluster of each synapse; -1 for outliers.
    """
    n = len(codes)
    bounds = np.cumsum(neurons.shares, axis=1)[codes]
    cluster = (rng.uniform(size=(n, 1)) > bounds[:, :-1]).sum(axis=1)
    along, across = rng.normal(size=(n, 1)), rng.normal(size=(n, 3))
    offsets = neurons.centers[cluster] + spread * (
        along * neurons.directions[cluster] + across / 2
    )
    logs = neurons.sizes[cluster] + _SIZE_WITHIN * rng.normal(size=(n, 2))
    scatter = _VOLUME_SCATTER * rng.normal(size=n)
    sizes = np.exp(np.column_stack([logs, _VOLUME_POWER * logs[:, 1] + scatter]))
    is_inhibitory = rng.uniform(size=n) < neurons.inhibitory[cluster]

    outliers = rng.permutation(n)[:n_outliers]
    far, huge = outliers[::2], outliers[1::2]
    directions = _draw_directions(len(far), rng)
    offsets[far] = directions * rng.uniform(*_FAR, size=(len(far), 1))
    sizes[huge] *= rng.uniform(*_HUGE, size=(len(huge), 1))
    target = cluster.astype(np.int64)
    target[outliers] = -1

    soma = neurons.somas[codes]
    rotated = neurons.rotations[codes].apply(offsets) if n else offsets
    columns = {
        NEURON: neurons.ids[codes],
        NEURON_TYPE: neurons.types[codes],
        SYNAPSE_TYPE: np.where(is_inhibitory, "ss", "as"),
    }
    columns |= zip(COORDINATES, (rotated + soma).T, strict=True)
    columns |= zip(SOMA, soma.T, strict=True)
    columns |= zip(MORPHOLOGY, (sizes * _MEDIANS).T, strict=True)
    return columns, target
