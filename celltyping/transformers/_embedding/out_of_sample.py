"""Out-of-sample mapping: a network's output refined by its nearest training samples."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import warnings

import numpy as np
from joblib import delayed
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import pairwise_distances_argmin
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize
from sklearn.utils import gen_batches
from sklearn.utils.sparsefuncs import csc_median_axis_0
from threadpoolctl import threadpool_limits

from celltyping._kernels._ivf import IVFIndex, scaled_means, softmax_means
from celltyping._kernels._threads import threads
from celltyping._nn._pickling import PicklableNetMixin
from celltyping._utils._robust import FAR, median_limit
from celltyping._utils._validation import LARGEST_SINGLE, check_magnitude

# Weight of the squared distance between the network's output and an anchor's position,
# in units of the variance of the positions, beside the squared distance between the
# samples, in units of the one to a near neighbour. On digits and MNIST anything from
# 0.1 to 1 does; without it (0) one new digit of MNIST in a hundred more lands in a
# wrong cluster.
OUTPUT_WEIGHT = 0.3

# An anchor that is farther than the nearest by this share of the mean squared distance
# to the ten nearest counts 1/e of it. So the nearest few decide: with 0.05, positions
# are averaged, and the trustworthiness of MNIST's new digits is 0.942, not 0.949.
TEMPERATURE = 0.02

# Number of cells searched. With 4 in place of 8, the accuracy on MNIST's new digits is
# 0.927 in place of 0.931.
N_PROBES = 8

# The extension of functions searches cells with this number of rows per neighbour.
ROWS_PER_NEIGHBOR = 8

# Maximum number of anchors if it is "auto": 20 MB of keys.
MAX_ANCHORS = 100_000

# Number of near neighbours whose distance is the unit of distances.
N_NEAR = 10

# Fewer rows are mapped on one thread: that takes less time than to start others.
MIN_ROWS_FOR_THREADS = 2000

# Rows that are mapped at once: 32 MB where there are 500 features.
ROWS_AT_ONCE = 8192

# Queries per block of a thread.
BLOCK = 512

# Rows per cell of the index, up to a number of cells (a multiple of √n) at which it
# takes longer to find the nearest cell than to search it.
CELL_SIZE = 64
CELLS_PER_ROOT = 4

# Rows per cell that k-means sees, and its iterations: finer cells bring nothing.
SAMPLED_PER_CELL = 32
MAX_ITER = 8

# Maximum number of rows whose medians are the robust centre of a table.
N_CENTRED = 2000

# Metrics that compare directions alone: each row is scaled to length 1 first, and for
# the second centred before.
DIRECTIONAL = ("cosine", "correlation")


class InputPCA:
    """Principal components of a table, in units of the distance to a near neighbour.

    Parameters
    ----------
    metric : str or callable, default="euclidean"
        Metric that rows are compared by; see `DIRECTIONAL`.

    Attributes
    ----------
    mean : ndarray of shape (n_features,)
        Mean of the rows.
    axes : ndarray of shape (n_features, n_columns) or None
        Principal axes. None: the features are centred and kept.
    unit : float
        Unit of the components, see `set_units`.
    reach : float
        Maximum length of a row as an input of networks, in the unit.
    input_scale : float
        Factor of the components as inputs of networks.
    """

    def __init__(self, metric="euclidean"):
        self.metric = directional(metric)
        self.unit, self.reach, self.input_scale = 1.0, np.inf, 1.0

    def fit(self, X, n_columns, *, seed):
        """Find at most `n_columns` principal components of a table; None: no maximum.

        A table with no more columns is centred and keeps them. The metric "correlation"
        raises a ValueError for a sparse table.
        """
        if self.metric == "correlation" and sparse.issparse(X):
            raise ValueError("metric='correlation' needs a dense X, got a sparse one")
        X = self._direct(X)
        n_samples, n_features = X.shape
        n_columns = min(n_columns or n_features, n_samples, n_features)
        if n_columns == n_features and sparse.issparse(X):
            X = X.toarray()
        X = pull_in(X, seed)
        if n_columns == n_features:
            self.mean, self.axes = X.mean(axis=0, dtype=np.float64), None
            return self
        if (X[1:] != X[:-1]).sum() == 0:  # all rows are equal: there is no direction
            self.mean = np.asarray(X.mean(axis=0), dtype=np.float64).ravel()
            self.axes = np.eye(n_features, 1)
            return self
        solver = "auto"
        if sparse.issparse(X):
            solver = "arpack"
            n_columns = min(n_columns, min(X.shape) - 1)  # the maximum of ARPACK
        # One thread: the order of a sum depends on their number. PCA divides by the
        # total variance even if rows that are all equal have none.
        with threadpool_limits(limits=1), np.errstate(invalid="ignore"):
            pca = PCA(n_columns, svd_solver=solver, random_state=seed).fit(X)
        self.mean = pca.mean_.astype(np.float64)
        self.axes = np.ascontiguousarray(pca.components_.T.astype(np.float64))
        return self

    def set_units(self, reduced, neighbors):
        """Make the root mean square distance to near neighbours the unit.

        The components of the training samples, `reduced`, are scaled in place;
        `neighbors`, of shape (n_samples, n_neighbors), has the nearest first, -1 where
        there is none. Distances and lengths count up to a multiple of their median.
        """
        near = neighbors[:, :N_NEAR].T
        squares = np.stack(
            [np.square(reduced - reduced[own]).sum(axis=1) for own in near]
        )
        squares[near < 0] = 0.0
        # Where nearly all neighbours are equal, the lengths limit the other distances.
        widest = (2.0 * median_limit(row_norms(reduced))) ** 2
        squares = np.minimum(squares, min(median_limit(squares, FAR**2), widest))
        mean = np.mean(squares.mean(axis=1)) * (near.size / np.sum(near >= 0))
        self.unit = float(np.sqrt(mean)) if mean > 0 else 1.0
        with np.errstate(over="ignore"):  # refused below
            reduced /= self.unit
        _check_reduced(reduced)
        self.reach = median_limit(row_norms(reduced))
        deviation = shorten(reduced, self.reach).std()
        self.input_scale = 1.0 / deviation if deviation > 0 else 1.0

    def network_inputs(self, reduced):
        """Return components in the scale of networks, rows shortened to the reach."""
        return shorten(reduced, self.reach) * self.input_scale

    def transform(self, X):
        """Compute the components of a table, as float64 of shape (rows, n_columns)."""
        blocks = []
        for rows in gen_batches(X.shape[0], ROWS_AT_ONCE):
            block = self._direct(X[rows])
            if sparse.issparse(block) and self.axes is None:
                block = block.toarray()
            if sparse.issparse(block):
                blocks.append(block @ self.axes - self.mean @ self.axes)
                continue
            block = block - self.mean
            blocks.append(block if self.axes is None else block @ self.axes)
        with np.errstate(over="ignore"):  # refused below
            reduced = np.concatenate(blocks) / self.unit
        _check_reduced(reduced)
        return reduced

    def inverse_transform(self, reduced):
        """Compute features, for metrics of directions of length 1, from components."""
        X = reduced * self.unit
        if self.axes is not None:
            X = X @ self.axes.T
        return X + self.mean

    def _direct(self, X):
        """Keep of each row only the part that the metric compares."""
        if self.metric == "correlation":
            X = X - X.mean(axis=1, keepdims=True)
        return normalize(X) if self.metric in DIRECTIONAL else X


def _check_reduced(reduced):
    """Raise if components are too large for the keys of an index, in float32."""
    name = "X, in units of the distance between near neighbours,"
    check_magnitude(reduced, "GrEASE and NUMAP", LARGEST_SINGLE, name=name)


def directional(metric):
    """Return a metric of directions unchanged, and "euclidean" for all others."""
    return metric if metric in DIRECTIONAL else "euclidean"


def row_norms(X):
    """Return the lengths of the rows of an array."""
    return np.sqrt(np.square(X).sum(axis=1))


def shorten(X, length):
    """Return rows shortened to at most that length, X itself if none is longer."""
    norms = row_norms(X)
    if not (norms > length).any():
        return X
    return X * (length / np.maximum(norms, length))[:, np.newaxis]


def pull_in(X, seed):
    """Pull rows far from the median row towards it, so that none decides on its own.

    A distance is at most a multiple of the median one (see `median_limit`). X, which
    may be sparse, is returned as it is if no row is farther.
    """
    sample = X
    if X.shape[0] > N_CENTRED:
        sample = X[np.random.RandomState(seed).permutation(X.shape[0])[:N_CENTRED]]
    if sparse.issparse(X):
        centre = csc_median_axis_0(sparse.csc_matrix(sample))
        squares = np.asarray(X.multiply(X).sum(axis=1)).ravel()
        squares = squares - 2.0 * (X @ centre) + centre @ centre
        distances = np.sqrt(np.maximum(squares, 0.0))
    else:
        centre = np.median(sample, axis=0)
        distances = np.concatenate(
            [row_norms(X[rows] - centre) for rows in gen_batches(len(X), ROWS_AT_ONCE)]
        )
    limit = median_limit(distances)
    far = np.flatnonzero(distances > limit)
    if len(far) == 0:
        return X
    shares = np.ones(X.shape[0], dtype=X.dtype)
    shares[far] = limit / distances[far]
    if sparse.issparse(X):
        rest = sparse.csr_array(1 - shares[:, np.newaxis])
        centre = sparse.csr_array(centre[np.newaxis].astype(X.dtype))
        return sparse.csr_array(sparse.diags_array(shares) @ X + rest @ centre)
    X = X.copy()
    X[far] = centre + shares[far, np.newaxis] * (X[far] - centre)
    return X


def choose_anchors(n_anchors, n_samples, seed):
    """Return the indices of `n_anchors` random training samples, or of all."""
    if n_anchors >= n_samples:
        return np.arange(n_samples)
    return np.sort(np.random.RandomState(seed).permutation(n_samples)[:n_anchors])


def resolve_n_anchors(n_anchors, n_samples):
    """Return the number of anchors, where `n_anchors` may be "auto"."""
    return min(n_samples, MAX_ANCHORS if n_anchors == "auto" else n_anchors)


def build_ivf(keys, values, *, seed):
    """Build an inverted-file index of keys, sorted by cell, with their values.

    Both are arrays of floats with a row per row of the index, and keep their dtypes.
    """
    cells, centres = _assign_cells(keys, seed)
    order = np.argsort(cells, kind="stable")
    used, sizes = np.unique(cells, return_counts=True)
    centres = centres[used]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    keys = np.ascontiguousarray(keys[order])
    gaps = keys.astype(np.float64) - np.repeat(centres, sizes, axis=0)
    radii = np.sqrt(np.maximum.reduceat((gaps**2).sum(axis=1), starts[:-1]))
    values = np.ascontiguousarray(values[order])
    return IVFIndex(keys, values, starts.astype(np.int64), centres, radii)


def _assign_cells(keys, seed):
    """Assign each row to the nearest centre of k-means on a sample of the rows."""
    n_rows = len(keys)
    n_cells = int(min(n_rows // CELL_SIZE, CELLS_PER_ROOT * np.sqrt(n_rows)))
    if n_cells < 2:
        centre = keys.mean(axis=0, keepdims=True, dtype=np.float64)
        return np.zeros(n_rows, dtype=np.intp), centre.astype(keys.dtype)
    rng = np.random.default_rng(seed)
    sample = keys
    if n_rows > SAMPLED_PER_CELL * n_cells:
        sample = keys[rng.permutation(n_rows)[: SAMPLED_PER_CELL * n_cells]]
    starts = sample[rng.permutation(len(sample))[:n_cells]]
    means = KMeans(n_cells, init=starts, n_init=1, max_iter=MAX_ITER, tol=0)
    # One thread: the order of a sum would depend on their number.
    with threadpool_limits(limits=1), warnings.catch_warnings():
        # Fewer distinct rows than cells: then some cells are empty.
        warnings.simplefilter("ignore", ConvergenceWarning)
        means.fit(sample)
        centres = means.cluster_centers_
        return pairwise_distances_argmin(keys, centres), centres


def weighted_neighbor_mean(index, queries, temperature, **search):
    """Average the values of the rows nearest to each query, an array in its dtype.

    A row at squared distance d² has weight exp(-d² / (temperature * m)), where m is the
    mean of d² over the neighbours, so that tight groups of rows are separated as well
    as loose ones. Queries are contiguous rows of floats; `search` are arguments of
    `_query`.
    """
    temperature = queries.dtype.type(temperature)
    return _query(softmax_means, index, queries, temperature, **search)


def nystroem_extension(index, queries, factors, **search):
    """Extend the values of rows to queries, an approximate Nyström extension.

    The result, in the dtype of the queries, are means of the neighbours' values times
    `factors`, (n_components,), weighted by exp(-d / σ) with the median σ of the
    distances d. A query that is equal to a row (see `SAME` in the kernel) gets its
    value, or the mean of equal rows. Queries are contiguous rows of floats; `search`
    are arguments of `_query`.
    """
    factors = factors.astype(queries.dtype)
    return _query(scaled_means, index, queries, factors, **search)


def _query(kernel, index, queries, parameter, *, n_neighbors, n_probes, parallel):
    """Run a kernel on blocks of queries.

    The kernel averages the `n_neighbors` nearest rows in the `n_probes` cells with the
    nearest centres; `parallel` runs blocks in threads, as `threads` makes it.
    """
    n_probes = min(n_probes, len(index.centres))
    blocks = parallel(
        delayed(kernel)(
            queries[start : start + BLOCK], index, parameter, n_neighbors, n_probes
        )
        for start in range(0, max(len(queries), 1), BLOCK)
    )
    return np.concatenate(blocks)


def softmax_weights(distances):
    """Weigh neighbours at ascending distances as `weighted_neighbor_mean` does."""
    present = np.isfinite(distances)
    squares = np.where(present, distances, 0.0) ** 2
    means = squares.sum(axis=1) / np.maximum(present.sum(axis=1), 1)
    unit = np.where(means > 0, TEMPERATURE * means, 1.0)
    excess = squares - squares[:, :1]
    return np.where(present, np.exp(-excess / unit[:, np.newaxis]), 0.0)


def nystroem_weights(distances):
    """Weigh neighbours at ascending distances as `nystroem_extension` does."""
    present = np.isfinite(distances)
    finite = np.where(present, distances, 0.0)
    counts, rows = present.sum(axis=1), np.arange(len(distances))
    low, high = (finite[rows, k] for k in (np.maximum(counts - 1, 0) // 2, counts // 2))
    medians = np.where(counts > 0, low + high, 0.0) / 2.0
    medians = np.where(medians > 0, medians, 1.0)[:, np.newaxis]
    weights = np.where(present, np.exp((finite[:, :1] - finite) / medians), 0.0)
    same = (finite[:, :1] == 0) & (counts > 0)[:, np.newaxis]
    return np.where(same, present & (finite == 0), weights)


class OutOfSampleMap(PicklableNetMixin):
    """Map from features to positions in an embedding.

    Parameters
    ----------
    pca : InputPCA
        Reduction of the features.
    centre : ndarray of shape (n_components,)
        Mean position of the training samples.
    scale : float
        Standard deviation of the positions.
    inputs : {"features", "spectral", "both", "raw"}, default="features"
        Inputs of the network: the principal components of the features, spectral
        coordinates, both, or the features as they are.
    residual : bool, default=False
        Whether the network adds its output to the first spectral coordinates.

    Attributes
    ----------
    net : skorch.NeuralNet
        The trained network, from inputs to standardised positions.
    index : IVFIndex or None
        The anchors. None: the network's output is the position.
    """

    _net_attributes = ("net",)

    def __init__(self, pca, centre, scale, *, inputs="features", residual=False):
        self.pca = pca
        self.centre, self.scale = centre, scale
        self.inputs, self.residual = inputs, residual
        self.net = self.index = None

    @property
    def needs_coordinates(self):
        """Whether samples must come with spectral coordinates."""
        return self.inputs in ("spectral", "both") or self.residual

    @property
    def n_anchors(self):
        """Number of anchors."""
        return 0 if self.index is None else len(self.index.keys)

    def network_inputs(self, X, reduced, coordinates=None):
        """Assemble the inputs of the network, an array of shape (n_samples, ...).

        `X` are the features, `reduced` their principal components, `coordinates` the
        spectral coordinates, where they are needed.
        """
        if self.inputs == "raw":
            return X
        blocks = []
        if self.inputs in ("features", "both"):
            blocks.append(self.pca.network_inputs(reduced))
        if self.inputs in ("spectral", "both"):
            blocks.append(coordinates)
        if self.residual:
            blocks.append(coordinates[:, : len(self.centre)])
        return np.hstack(blocks)

    def set_anchors(self, reduced, positions, *, n_anchors, seed):
        """Store training samples as anchors, random ones if there are more.

        `reduced` are their principal components, `positions` their positions.
        """
        self.index = None
        if n_anchors == 0:
            return
        kept = choose_anchors(n_anchors, len(positions), seed)
        values = self.standardize(positions[kept])
        keys = np.hstack([reduced[kept], np.sqrt(OUTPUT_WEIGHT) * values])
        self.index = build_ivf(keys.astype(np.float32), values, seed=seed)

    def standardize(self, positions):
        """Scale positions to mean 0 and standard deviation 1, the network's units."""
        return (np.asarray(positions, dtype=np.float64) - self.centre) / self.scale

    def __call__(self, X, coordinates=None, *, device="cpu", n_jobs=None):
        """Map samples to positions, float64; rows do not depend on others.

        `X` are features of shape (n_samples, ...), `coordinates` spectral coordinates,
        where they are needed.
        """
        from celltyping._nn._training import predict_float64

        positions = []
        if X.shape[0] < MIN_ROWS_FOR_THREADS:
            n_jobs = 1
        with threads(n_jobs) as parallel:
            for rows in gen_batches(X.shape[0], ROWS_AT_ONCE):
                block = X[rows]
                reduced = self.pca.transform(flatten(block))
                inputs = self.network_inputs(
                    block, reduced, None if coordinates is None else coordinates[rows]
                )
                output = predict_float64(self.net.module_, inputs, device)
                positions.append(self.refine(reduced, output, parallel))
        return np.concatenate(positions) * self.scale + self.centre

    def refine(self, reduced, network_output, parallel):
        """Replace the network's output by a mean over anchors, if there are any.

        Principal components and the output, both float64 with a row per sample, give
        standardised positions; `parallel` runs blocks of samples, as `threads` makes
        it.
        """
        if self.index is None:
            return network_output
        return weighted_neighbor_mean(
            self.index,
            np.hstack([reduced, np.sqrt(OUTPUT_WEIGHT) * network_output]),
            TEMPERATURE,
            n_neighbors=N_NEAR,
            n_probes=N_PROBES,
            parallel=parallel,
        )

    def score(self, reduced, network_output, positions, known, new):
        """Score new samples, mapped by the network alone and with anchors.

        Parameters
        ----------
        reduced : ndarray of shape (n_samples, n_columns), dtype=float64
            Principal components of the samples.
        network_output : ndarray of shape (n_new, n_components), dtype=float64
            Output for the new samples, of a network trained on the known ones.
        positions : ndarray of shape (n_samples, n_components)
            The layout.
        known, new : ndarray
            Indices of the samples that are anchors, and of those that are scored.

        Returns
        -------
        alone, with_anchors : float
            Share of the new samples' neighbours that stay neighbours.
        """
        trial = OutOfSampleMap(self.pca, self.centre, self.scale)
        trial.set_anchors(
            reduced[known], positions[known], n_anchors=len(known), seed=0
        )
        with threads(1) as parallel:
            refined = trial.refine(reduced[new], network_output, parallel)
        n_neighbors = min(N_NEAR, (len(new) - 1) // 2)
        before, alone, with_anchors = (
            NearestNeighbors(n_neighbors=n_neighbors).fit(table).kneighbors_graph()
            for table in (reduced[new], network_output, refined)
        )
        return tuple(
            float(before.multiply(after).sum() / (len(new) * n_neighbors))
            for after in (alone, with_anchors)
        )


class NystroemMap:
    """Map from features to functions, by their means over anchors.

    Parameters
    ----------
    pca : InputPCA
        Reduction of the features.
    index : IVFIndex
        The anchors, with the values of the functions.
    factors : ndarray of shape (n_functions,)
        Factors of the means.
    n_neighbors : int
        Number of anchors that are averaged.
    """

    def __init__(self, pca, index, factors, n_neighbors):
        self.pca, self.index = pca, index
        self.factors, self.n_neighbors = factors, n_neighbors

    def __call__(self, X, *, device=None, n_jobs=None):
        """Map samples to values of the functions, float64, each row by itself.

        `device` is not used; it is an argument of other maps.
        """
        n_rows = ROWS_PER_NEIGHBOR * self.n_neighbors
        values = []
        with threads(n_jobs) as parallel:
            for rows in gen_batches(X.shape[0], ROWS_AT_ONCE):
                reduced = self.pca.transform(X[rows])
                values.append(
                    nystroem_extension(
                        self.index,
                        np.ascontiguousarray(reduced),
                        self.factors,
                        n_neighbors=self.n_neighbors,
                        n_probes=max(N_PROBES, n_rows // CELL_SIZE),
                        parallel=parallel,
                    )
                )
        return np.concatenate(values)


def flatten(X):
    """Return samples of any number of dimensions as one row each."""
    return X if X.ndim == 2 else X.reshape(len(X), -1)
