"""Where new samples belong: a network proposes, the training samples near it decide."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.decomposition import PCA
from sklearn.preprocessing import normalize
from sklearn.utils import gen_batches
from threadpoolctl import threadpool_limits

from celltyping._kernels._ivf import build_memory, recall
from celltyping._kernels._threads import threads
from celltyping.metrics import neighborhood_overlap_score

# Weight of the squared distance between a proposed place and an anchor's, in units of
# the variance of the places, beside the squared distance between the samples, in units
# of that to a near neighbour. On digits and MNIST anything from 0.1 to 1 does; without
# it (0) one new digit of MNIST in a hundred more lands in a wrong cluster.
PROPOSAL_WEIGHT = 0.3

# An anchor that is farther than the nearest by this share of the mean squared distance
# to the ten nearest counts 1/e of it. So the nearest few decide: with 0.05, places are
# means of places, and the trustworthiness of MNIST's new digits is 0.942, not 0.949.
TEMPERATURE = 0.02

# Cells of the memory that are searched. With 4 of them in the place of 8, the accuracy
# on MNIST's new digits is 0.927 in the place of 0.931.
N_PROBES = 8

# Training samples that are remembered, unless told otherwise: 20 MB of keys.
MAX_ANCHORS = 100_000

# Near neighbours whose distance is the unit of distances.
N_NEAR = 10

# Fewer rows are placed on one thread: that takes less time than to start others.
WORTH_THREADS = 2000

# Rows that are placed at once: 32 MB where there are 500 features.
ROWS_AT_ONCE = 8192


# Metrics that compare directions alone: then each row is scaled to length 1 first, and
# for the second centred before.
DIRECTIONAL = ("cosine", "correlation")


class Reduction(NamedTuple):
    """A shift, a rotation and a unit: principal components of a table."""

    metric: str
    mean: np.ndarray
    axes: np.ndarray | None
    unit: float


def fit_reduction(X, n_columns, seed, metric="euclidean"):
    """Find the principal components that stand for a table.

    Parameters
    ----------
    X : {ndarray, csr_matrix} of shape (n_samples, n_features)
        The table.
    n_columns : int or None
        Number of components. A table that has no more columns is centred and keeps
        them. None: as many as there are columns.
    seed : int
        Seed of the randomised solver, which large tables need.
    metric : str or callable, default="euclidean"
        How rows are compared; see `DIRECTIONAL`.

    Returns
    -------
    reduction : Reduction
        Of unit 1; see `with_unit`.

    Raises
    ------
    ValueError
        If the table is sparse and the metric "correlation".
    """
    metric = directional(metric)
    if metric == "correlation" and sparse.issparse(X):
        raise ValueError("metric='correlation' needs a dense X, got a sparse one")
    X = _directed(X, metric)
    n_samples, n_features = X.shape
    n_columns = min(n_columns or n_features, n_samples, n_features)
    if n_columns == n_features:
        if sparse.issparse(X):
            X = X.toarray()
        return Reduction(metric, X.mean(axis=0, dtype=np.float64), None, 1.0)
    if (X[1:] != X[:-1]).sum() == 0:  # all rows are alike: no direction to find
        mean = np.asarray(X.mean(axis=0), dtype=np.float64).ravel()
        return Reduction(metric, mean, np.eye(n_features, 1), 1.0)
    solver = "auto"
    if sparse.issparse(X):
        solver = "arpack"
        n_columns = min(n_columns, min(X.shape) - 1)  # all that ARPACK can do
    # One thread: the order of a sum depends on their number. Rows that are all the same
    # have no variance to take shares of, which PCA does all the same.
    with threadpool_limits(limits=1), np.errstate(invalid="ignore"):
        pca = PCA(n_columns, svd_solver=solver, random_state=seed).fit(X)
    axes = pca.components_.T.astype(np.float64)
    mean = pca.mean_.astype(np.float64)
    return Reduction(metric, mean, np.ascontiguousarray(axes), 1.0)


def directional(metric):
    """Return a metric of directions itself, and "euclidean" for all others."""
    return metric if metric in DIRECTIONAL else "euclidean"


def with_unit(reduction, reduced, neighbors):
    """Make the distance to a near neighbour the unit.

    Parameters
    ----------
    reduction : Reduction
        Of unit 1.
    reduced : ndarray of shape (n_samples, n_columns)
        What it gives for the training samples.
    neighbors : ndarray of shape (n_samples, n_neighbors)
        The neighbours of each, nearest first.

    Returns
    -------
    reduction : Reduction
        With the root mean square of these distances as its unit.
    """
    squares = [
        np.square(reduced - reduced[near]).sum(axis=1).mean(dtype=np.float64)
        for near in neighbors[:, :N_NEAR].T
    ]
    unit = float(np.sqrt(np.mean(squares)))
    return reduction._replace(unit=unit if unit > 0 else 1.0)


def reduce(reduction, X):
    """Apply a reduction.

    Parameters
    ----------
    reduction : Reduction
        As `fit_reduction` and `with_unit` return it.
    X : {ndarray, csr_matrix} of shape (n_samples, n_features)
        A table.

    Returns
    -------
    reduced : ndarray of shape (n_samples, n_columns), dtype=float64
        Its columns.
    """
    blocks = []
    for rows in gen_batches(X.shape[0], ROWS_AT_ONCE):
        some = _directed(X[rows], reduction.metric)
        if sparse.issparse(some) and reduction.axes is None:
            some = some.toarray()
        if sparse.issparse(some):
            blocks.append(some @ reduction.axes - reduction.mean @ reduction.axes)
            continue
        some = some - reduction.mean
        blocks.append(some if reduction.axes is None else some @ reduction.axes)
    return np.concatenate(blocks) / reduction.unit


def restore(reduction, reduced):
    """Undo `reduce`, as far as it can be undone.

    Parameters
    ----------
    reduction : Reduction
        As `fit_reduction` and `with_unit` return it.
    reduced : ndarray of shape (n_samples, n_columns)
        Columns.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
        The table whose columns they are; for metrics of directions, of length 1.
    """
    X = reduced * reduction.unit
    if reduction.axes is not None:
        X = X @ reduction.axes.T
    return X + reduction.mean


def _directed(X, metric):
    """Leave of rows what a metric compares."""
    if metric == "correlation":
        X = X - X.mean(axis=1, keepdims=True)
    return normalize(X) if metric in DIRECTIONAL else X


class Placement:
    """Where samples belong among the training samples.

    Parameters
    ----------
    reduction : Reduction
        Makes a few columns of the features.
    centre : ndarray of shape (n_components,)
        Mean of the training samples' places.
    scale : float
        Standard deviation of their places.
    input_scale : float, default=1.0
        Makes the standard deviation of the columns 1 for the network.
    takes : {"columns", "coordinates", "both", "features"}, default="columns"
        What the network sees: the columns, coordinates that come with the samples,
        both, or the features as they are.
    residual : bool, default=False
        Whether the first coordinates are added to what the network says.

    Attributes
    ----------
    net : skorch.NeuralNet
        Proposes a place.
    memory : Memory or None
        The anchors. None: what the network says counts.
    """

    def __init__(
        self,
        reduction,
        centre,
        scale,
        *,
        input_scale=1.0,
        takes="columns",
        residual=False,
    ):
        self.reduction = reduction
        self.centre, self.scale = centre, scale
        self.input_scale, self.takes, self.residual = input_scale, takes, residual
        self.net = self.memory = None

    @property
    def needs_coordinates(self):
        """Whether samples must come with coordinates."""
        return self.takes in ("coordinates", "both") or self.residual

    def inputs(self, X, reduced, coordinates=None):
        """Put together what the network sees.

        Parameters
        ----------
        X : {ndarray, csr_matrix} of shape (n_samples, ...)
            The features.
        reduced : ndarray of shape (n_samples, n_columns)
            Their columns.
        coordinates : ndarray of shape (n_samples, n_coordinates), default=None
            What comes with them.

        Returns
        -------
        inputs : ndarray of shape (n_samples, ...)
            For the network.
        """
        if self.takes == "features":
            return X
        parts = []
        if self.takes in ("columns", "both"):
            parts.append(reduced * self.input_scale)
        if self.takes in ("coordinates", "both"):
            parts.append(coordinates)
        if self.residual:
            parts.append(coordinates[:, : len(self.centre)])
        return np.hstack(parts)

    def remember(self, reduced, places, *, n_anchors, seed):
        """Keep training samples as anchors.

        Parameters
        ----------
        reduced : ndarray of shape (n_samples, n_columns)
            Their columns.
        places : ndarray of shape (n_samples, n_components)
            Where they are.
        n_anchors : int
            How many are kept, drawn at random where there are more.
        seed : int
            Seed of the draw and of the cells.
        """
        self.memory = None
        if n_anchors == 0:
            return
        kept = slice(None)
        if n_anchors < len(places):
            order = np.random.RandomState(seed).permutation(len(places))
            kept = np.sort(order[:n_anchors])
        values = self.standardized(places[kept])
        keys = np.hstack([reduced[kept], np.sqrt(PROPOSAL_WEIGHT) * values])
        self.memory = build_memory(keys.astype(np.float32), values, seed=seed)

    def standardized(self, places):
        """Give places mean 0 and standard deviation 1, as the network learns them."""
        return (np.asarray(places, dtype=np.float64) - self.centre) / self.scale

    def place(self, X, coordinates=None, *, device="cpu", n_jobs=None):
        """Place samples.

        Parameters
        ----------
        X : {ndarray, csr_matrix} of shape (n_samples, ...)
            The features.
        coordinates : ndarray of shape (n_samples, n_coordinates), default=None
            What comes with them, where it is needed.
        device : str, default="cpu"
            Where the network runs.
        n_jobs : int, default=None
            Number of threads.

        Returns
        -------
        places : ndarray of shape (n_samples, n_components), dtype=float64
            Where they belong. Each row depends on that row of the input alone.
        """
        from celltyping._nn._training import predict_float64

        places = []
        if X.shape[0] < WORTH_THREADS:
            n_jobs = 1
        with threads(n_jobs) as parallel:
            for rows in gen_batches(X.shape[0], ROWS_AT_ONCE):
                some = X[rows]
                flat = some if some.ndim == 2 else some.reshape(len(some), -1)
                reduced = reduce(self.reduction, flat)
                inputs = self.inputs(
                    some, reduced, None if coordinates is None else coordinates[rows]
                )
                proposed = predict_float64(self.net.module_, inputs, device)
                places.append(self.decide(reduced, proposed, parallel))
        return np.concatenate(places) * self.scale + self.centre

    def decide(self, reduced, proposed, parallel):
        """Let the anchors decide, if there are any.

        Parameters
        ----------
        reduced : ndarray of shape (n_samples, n_columns), dtype=float64
            Columns of the samples.
        proposed : ndarray of shape (n_samples, n_components), dtype=float64
            What the network says.
        parallel : callable
            Runs blocks of samples, as `threads` makes it.

        Returns
        -------
        places : ndarray of shape (n_samples, n_components)
            Where they belong, in the network's units.
        """
        if self.memory is None:
            return proposed
        return recall(
            self.memory,
            np.hstack([reduced, np.sqrt(PROPOSAL_WEIGHT) * proposed]),
            temperature=TEMPERATURE,
            n_neighbors=N_NEAR,
            n_probes=N_PROBES,
            parallel=parallel,
        )

    def judge(self, reduced, proposed, places, known, new):
        """Compare the network alone with the network and anchors, on new samples.

        Parameters
        ----------
        reduced : ndarray of shape (n_samples, n_columns), dtype=float64
            Columns of samples.
        proposed : ndarray of shape (n_new, n_components), dtype=float64
            What a network that learnt the known samples says of the new ones.
        places : ndarray of shape (n_samples, n_components)
            The layout.
        known, new : ndarray
            Which samples are anchors, and which are placed.

        Returns
        -------
        alone, with_anchors : float
            Share of their neighbours that the new samples keep: by the network, by
            both.
        """
        trial = object.__new__(Placement)
        vars(trial).update(vars(self))  # `copy.copy` would pack the network
        trial.remember(reduced[known], places[known], n_anchors=len(known), seed=0)
        with threads(1) as parallel:
            decided = trial.decide(reduced[new], proposed, parallel)
        n_neighbors = min(N_NEAR, (len(new) - 1) // 2)
        return tuple(
            neighborhood_overlap_score(reduced[new], found, n_neighbors=n_neighbors)
            for found in (proposed, decided)
        )

    def __getstate__(self):
        from celltyping._nn._training import pack_net

        return {**vars(self), "net": pack_net(self.net)}

    def __setstate__(self, state):
        from celltyping._nn._training import unpack_net

        vars(self).update(state)
        self.net = unpack_net(state["net"])
