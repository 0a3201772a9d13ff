"""GrEASE: spectral coordinates that new samples get, too."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import warnings
from numbers import Integral, Real

import numpy as np
from scipy.sparse.csgraph import connected_components
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils.validation import check_is_fitted, validate_data

from celltyping._kernels._ivf import CELL_SIZE, build_memory, extend
from celltyping._kernels._threads import threads
from celltyping._utils._compat import Interval, StrOptions, _fit_context
from celltyping._utils._optional import import_optional
from celltyping._utils._restore import restore_on_error
from celltyping._utils._warnings import find_stack_level
from celltyping.transformers._embedding import out_of_sample
from celltyping.transformers._embedding.laplacian import (
    affinity_graph,
    leading_eigenvectors,
    positive_degrees,
    rotation_to_eigenvectors,
    signs,
)
from celltyping.transformers._embedding.neighbors import MAX_PRODUCTS, nearest_neighbors

# Up to so many samples "auto" computes the eigenvectors. Lanczos takes 1.5 s for the
# 60,000 training digits of MNIST, and memory and time grow with the samples.
MAX_EXACT = 1_000_000

# Means over neighbours are not stretched by more than 1 / this: an eigenvector whose
# eigenvalue is near 1 says nothing about new samples, and would be stretched without
# end.
LEAST_SHRINKAGE = 0.25

# Cells of the memory that are searched for neighbours: enough for eight times as many
# rows as are wanted, and at least 8.
ROWS_PER_NEIGHBOR, LEAST_PROBES = 8, 8

# Functions that are learnt from batches of edges beyond those that are wanted: the last
# ones are learnt last, and the best combinations are taken of all. Without them, one of
# 5 coordinates of MNIST is still missing after 1,000 steps.
N_GUARDS = 5

# Standard deviation of the noise that is added to a network's inputs in training, in
# units of theirs: new samples gain by it (0.021 instead of 0.031 on digits, in the
# Grassmann score).
INPUT_NOISE = 0.3

# Epochs in which a network learns to reproduce eigenvectors, unless told otherwise.
MAX_EPOCHS = 60


class GrEASE(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Spectral embedding that extends to new samples.

    The coordinates are the leading eigenvectors of a Laplacian of the graph of nearest
    neighbours. Small ones are computed, to the last digit; new samples get theirs from
    their nearest neighbours among the training samples. Or a network learns them, from
    the eigenvectors or, where there are too many samples for these, from batches of
    edges [1]_.

    Parameters
    ----------
    n_components : int, default=2
        Number of coordinates, less than the number of samples.
    n_neighbors : int, default=15
        Neighbours of each sample in the graph, itself not counted.
    metric : str or callable, default="euclidean"
        Distance between samples that the graph is made with: a name that
        :class:`sklearn.neighbors.NearestNeighbors` knows, or a function of two rows.
    metric_params : dict, default=None
        More arguments of the metric.
    n_input_components : int or None, default=50
        A table with more columns is reduced to so many principal components, in which
        new samples are compared, and which a network sees. With ``metric="euclidean"``
        and more samples than can be compared in seconds, the graph is made of them,
        too. None: all columns.
    laplacian : {"rw", "symmetric", "unnormalized"}, default="rw"
        Which Laplacian, with affinities W and degrees D: I - D⁻¹ W,
        I - D^(-1/2) W D^(-1/2) or D - W.
    solver : {"auto", "exact", "minibatch"}, default="auto"
        "exact": computes the eigenvectors. "minibatch": trains a network on batches of
        edges; for data so large that eigenvectors take too long. "auto": exact up to a
        million samples.
    diffusion_time : float, default=0.0
        Coordinates are multiplied by (1 - eigenvalue) ** diffusion_time, which makes a
        diffusion map of them. Not for the unnormalized Laplacian.
    n_anchors : int or "auto", default="auto"
        Number of training samples that are remembered, to find the neighbours of new
        ones. "auto": all, but at most 100,000. 0: none; a network learns the
        eigenvectors, which takes longer, is less accurate, but takes less memory. With
        ``solver="minibatch"`` there are none.
    hidden_layer_sizes : tuple of int, default=(128, 128, 128)
        Widths of the network's layers, where there is one.
    max_epochs : int or "auto", default="auto"
        Epochs of its training; in batches of edges an epoch is as many edges as there
        are samples. "auto": 60, or as many as make 1,000 steps.
    batch_size : int or "auto", default="auto"
        Samples or edges per training step. "auto": a sixteenth of the samples, between
        32 and 1,024; or 512 edges, but not more than there are samples.
    learning_rate : float, default=0.01
        The largest rate of the training.
    callbacks : list of skorch callbacks, default=None
        Called while the network is trained.
    device : str, default="auto"
        Where the network runs: a name that torch knows. "auto": a GPU if there is one.
    random_state : int, RandomState instance or None, default=None
        Decides all that is random. The same number gives the same embedding.
    n_jobs : int, default=None
        Number of threads. The result is the same for any number.
    verbose : bool or int, default=False
        Whether to show a progress bar of the training.

    Attributes
    ----------
    embedding_ : ndarray of shape (n_samples, n_components)
        The coordinates of the training samples: what `transform` gives for them.
    eigenvalues_ : ndarray of shape (n_components,)
        Eigenvalues of the Laplacian, ascending, without the trivial one; of the
        network's functions if ``solver_ == "minibatch"``.
    graph_ : csr_array of shape (n_samples, n_samples)
        The affinities.
    solver_ : str
        "exact" or "minibatch".
    net_ : skorch.NeuralNet
        Defined only if there is one: the network.
    loss_curve_ : ndarray of shape (`n_iter_`,)
        Defined only if there is a network: mean loss of each epoch.
    n_iter_ : int
        Defined only if there is a network: number of epochs.
    device_ : str
        Defined only if there is a network: where it runs.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Defined only if a table with column names was fitted.

    See Also
    --------
    celltyping.NUMAP : An embedding to look at, which starts from these coordinates.
    celltyping.metrics.grassmann_score : Compares what coordinates span.
    sklearn.manifold.SpectralEmbedding : Without `transform`.

    Notes
    -----
    The affinity of a sample to a neighbour at distance d is exp(-d / σ) with the median
    σ of its distances; the graph has the mean of both directions. Coordinates have mean
    square 1, weighted by degree for "rw", and a positive largest entry. With
    ``n_components=1`` they are the Fiedler vector, and `eigenvalues_` holds the Fiedler
    value.

    New samples get the mean of their neighbours' coordinates with the same affinities,
    divided by 1 - eigenvalue (Nyström's extension). A sample that was fitted gets its
    eigenvectors' entries back. Neighbours are searched among the principal components,
    for "cosine" and "correlation" of the rows scaled to unit length, whatever the
    metric of the graph is.

    If the graph has several components, the eigenvalue 0 is there several times, and
    coordinates that belong to it tell the components apart, the largest ones first. A
    warning says so where nothing else is left to be told.

    References
    ----------
    .. [1] N. Ben-Ari, A. Yacobi, U. Shaham (2025). Generalizable spectral embedding
       with an application to UMAP. :arxiv:`2501.11305`

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from celltyping import GrEASE
    >>> X, _ = load_digits(return_X_y=True)
    >>> grease = GrEASE(n_components=5, random_state=0).fit(X[:1000])
    >>> grease.transform(X[1000:]).shape
    (797, 5)
    """

    _parameter_constraints = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "metric": [str, callable],
        "metric_params": [dict, None],
        "n_input_components": [Interval(Integral, 1, None, closed="left"), None],
        "laplacian": [StrOptions({"rw", "symmetric", "unnormalized"})],
        "solver": [StrOptions({"auto", "exact", "minibatch"})],
        "diffusion_time": [Interval(Real, 0, None, closed="left")],
        "n_anchors": [
            Interval(Integral, 0, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "hidden_layer_sizes": ["array-like"],
        "max_epochs": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "batch_size": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "callbacks": [list, None],
        "device": [str],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        n_components=2,
        *,
        n_neighbors=15,
        metric="euclidean",
        metric_params=None,
        n_input_components=50,
        laplacian="rw",
        solver="auto",
        diffusion_time=0.0,
        n_anchors="auto",
        hidden_layer_sizes=(128, 128, 128),
        max_epochs="auto",
        batch_size="auto",
        learning_rate=0.01,
        callbacks=None,
        device="auto",
        random_state=None,
        n_jobs=None,
        verbose=False,
    ):
        self.n_components = n_components
        self.n_neighbors = n_neighbors
        self.metric = metric
        self.metric_params = metric_params
        self.n_input_components = n_input_components
        self.laplacian = laplacian
        self.solver = solver
        self.diffusion_time = diffusion_time
        self.n_anchors = n_anchors
        self.hidden_layer_sizes = hidden_layer_sizes
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.callbacks = callbacks
        self.device = device
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    @restore_on_error
    def fit(self, X, y=None):
        """Find the coordinates of the training samples.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples.
        y : None, default=None
            Not used; here for scikit-learn's conventions.

        Returns
        -------
        self : GrEASE
            The fitted transformer.

        Raises
        ------
        ValueError
            If there are too few samples for `n_components`, the metric is unknown or
            the device is not there.
        ImportError
            If a network is asked for and torch is not installed.
        FloatingPointError
            If the training of the network diverges.
        """
        return self._fit(X)

    def _fit(self, X):
        """Do what `fit` does."""
        X = self._read(X, reset=True)
        n_samples = X.shape[0]
        self._check_parameters(n_samples)
        solver = self.solver
        if solver == "auto":
            solver = "exact" if n_samples <= MAX_EXACT else "minibatch"
        with_network = solver == "minibatch" or self.n_anchors == 0
        device = self._find_device() if with_network else None
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        reduction = out_of_sample.fit_reduction(
            X, self.n_input_components, seed, self.metric
        )
        reduced = out_of_sample.reduce(reduction, X)
        indices, distances = self._find_neighbors(X, reduced, seed)
        reduction = out_of_sample.with_unit(reduction, reduced, indices)
        reduced /= reduction.unit
        graph = affinity_graph(indices, distances)
        self._warn_of_components(graph)
        fitted = {"graph_": graph, "solver_": solver, "_reduction": reduction}
        if solver == "exact":
            values, parts = self._exact_parts(graph, seed)
        else:
            values, network = self._learn_coordinates(graph, reduced, device, seed)
        if with_network and solver == "exact":
            network = self._learn_parts(parts, reduced, device, seed)
        if with_network:
            network.reduction = reduction
            losses = np.array(network.net.history[:, "train_loss"])
            fitted |= {"_network": network, "device_": device}
            fitted |= {"loss_curve_": losses, "n_iter_": len(losses)}
        else:
            fitted["_memory"] = self._remember(reduced, parts, seed)
            fitted["_factors"] = self._factors_of_means(graph, values, parts)
            fitted["_n_near"] = indices.shape[1]
        of_earlier_fit = "_network", "_memory", "device_", "loss_curve_", "n_iter_"
        for name in of_earlier_fit:
            vars(self).pop(name, None)
        vars(self).update(fitted, eigenvalues_=values)
        self.embedding_ = self._coordinates(X).astype(X.dtype, copy=False)
        return self

    def _check_parameters(self, n_samples):
        """Check what one parameter alone does not show."""
        if self.n_components >= n_samples:
            raise ValueError(
                f"n_components ({self.n_components}) must be less than the number of "
                f"samples in X (n_samples = {n_samples})"
            )
        if self.diffusion_time > 0 and self.laplacian == "unnormalized":
            raise ValueError(
                f"diffusion_time ({self.diffusion_time}) must be 0 with "
                "laplacian='unnormalized', whose eigenvalues are not those of a "
                "diffusion; 'rw' and 'symmetric' have such"
            )
        sizes = tuple(self.hidden_layer_sizes)
        if not all(isinstance(size, Integral) and size > 0 for size in sizes):
            raise ValueError(
                "hidden_layer_sizes must be positive integers, got "
                f"{self.hidden_layer_sizes!r}"
            )

    def _find_device(self):
        """Find the device of the network, and whether torch is there at all."""
        for package in ("torch", "skorch"):
            import_optional(package, extra="nn", needed_by="GrEASE with a network")
        from celltyping._nn._training import resolve_device

        return resolve_device(self.device)

    def _read(self, X, *, reset):
        """Check samples."""
        return validate_data(
            self,
            X,
            reset=reset,
            accept_sparse="csr",
            dtype=(np.float64, np.float32),
            ensure_min_samples=2 if reset else 1,
        )

    def _find_neighbors(self, X, reduced, seed):
        """Find the neighbours of every sample."""
        n_samples, n_features = X.shape
        n_neighbors = min(self.n_neighbors, n_samples - 1)
        if n_neighbors < self.n_neighbors:
            warnings.warn(
                f"n_neighbors ({self.n_neighbors}) must be less than the number of "
                f"samples in X ({n_samples}): {n_neighbors} are used",
                UserWarning,
                stacklevel=find_stack_level(),
            )
        table = X
        if self.metric == "euclidean" and n_samples**2 * n_features > MAX_PRODUCTS:
            table = reduced.astype(np.float32)
        return nearest_neighbors(
            table,
            n_neighbors,
            metric=self.metric,
            metric_params=self.metric_params,
            random_state=seed,
            n_jobs=self.n_jobs,
        )

    def _warn_of_components(self, graph):
        """Warn where coordinates tell nothing but components apart."""
        n_parts = connected_components(graph, directed=False, return_labels=False)
        if n_parts > self.n_components:
            warnings.warn(
                f"the graph of neighbours has {n_parts} components, and n_components "
                f"({self.n_components}) coordinates only tell the largest of them "
                "apart: raise n_components for what is inside them, or n_neighbors to "
                "join them",
                UserWarning,
                stacklevel=find_stack_level(),
            )

    def _exact_parts(self, graph, seed):
        """Compute eigenvectors, as parts that extend to new samples.

        Those of the symmetric Laplacian are those of the random walk's times the roots
        of the degrees: two parts, each of which varies slowly over the data.
        """
        values, vectors = leading_eigenvectors(
            graph, self.n_components, kind=self.laplacian, random_state=seed
        )
        if self.laplacian != "symmetric":
            return values, vectors
        roots = _roots(graph)
        return values, np.hstack([vectors / roots, roots])

    def _remember(self, reduced, parts, seed):
        """Keep training samples, among which new ones find their neighbours."""
        n_anchors = self.n_anchors
        if n_anchors == "auto":
            n_anchors = out_of_sample.MAX_ANCHORS
        if n_anchors < len(reduced):
            order = np.random.RandomState(seed).permutation(len(reduced))
            kept = np.sort(order[:n_anchors])
            reduced, parts = reduced[kept], parts[kept]
        return build_memory(reduced.astype(np.float32), parts, seed=seed)

    def _factors_of_means(self, graph, values, parts):
        """Compute how much smaller means over neighbours are than the parts."""
        degrees = positive_degrees(graph)
        unit = degrees.mean() if self.laplacian == "unnormalized" else 1.0
        shrinkage = np.maximum(1.0 - values / unit, LEAST_SHRINKAGE)
        if self.laplacian == "symmetric":
            # Neighbours have more neighbours than others.
            means = graph @ parts[:, -1] / degrees
            shrinkage = np.append(shrinkage, means.mean() / parts[:, -1].mean())
        return 1.0 / shrinkage

    def _new_network(self, reduced, n_outputs, centre, scale, seed):
        """Make an untrained network, and what is around it."""
        from celltyping._nn import _encoder

        deviation = reduced.std()
        network = out_of_sample.Placement(
            None,  # the reduction, which is there when the network is trained
            centre,
            scale,
            input_scale=1.0 / deviation if deviation > 0 else 1.0,
        )
        module = _encoder.make_perceptron(
            reduced.shape[1],
            tuple(self.hidden_layer_sizes),
            n_outputs,
            seed=seed,
            noise=INPUT_NOISE,
        )
        return network, module

    def _learn_parts(self, parts, reduced, device, seed):
        """Train a network to reproduce eigenvectors."""
        from celltyping._nn import _encoder

        network, module = self._new_network(
            reduced, parts.shape[1], parts.mean(axis=0), float(parts.std()) or 1.0, seed
        )
        max_epochs = MAX_EPOCHS if self.max_epochs == "auto" else self.max_epochs
        network.net = _encoder.regress(
            module,
            network.inputs(None, reduced),
            network.standardized(parts),
            max_epochs=max_epochs,
            **self._training(device, seed),
        )
        return network

    def _learn_coordinates(self, graph, reduced, device, seed):
        """Train a network on batches of edges."""
        from celltyping._nn import _rayleigh
        from celltyping._nn._training import predict_float64

        n_functions = self.n_components + N_GUARDS
        targets, masses = np.empty((len(reduced), 0)), np.ones(len(reduced))
        centre = np.zeros(n_functions)
        if self.laplacian != "unnormalized":
            masses = positive_degrees(graph)
        if self.laplacian == "symmetric":
            targets = _roots(graph)
            centre = np.append(centre, targets.mean())
            targets = targets - centre[-1]
        network, module = self._new_network(reduced, len(centre), centre, 1.0, seed)
        inputs = network.inputs(None, reduced)
        network.net = _rayleigh.learn_coordinates(
            module,
            inputs,
            graph,
            masses,
            targets,
            max_epochs=self.max_epochs,
            **self._training(device, seed),
        )
        functions = predict_float64(network.net.module_, inputs, device)[
            :, :n_functions
        ]
        values, shift, rotation = rotation_to_eigenvectors(graph, functions, masses)
        if self.laplacian == "symmetric":
            rotation *= signs((functions - shift) @ rotation * _roots(graph))
        _rayleigh.rotate_outputs(network.net.module_, shift, rotation)
        return values[: self.n_components], network

    def _training(self, device, seed):
        """Return what both ways of training share."""
        return {
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
            "callbacks": self.callbacks,
            "description": "spectral coordinates",
            "device": device,
            "verbose": self.verbose,
            "seed": seed,
        }

    def _coordinates(self, X):
        """Compute the coordinates of samples."""
        if "_network" in vars(self):
            parts = self._network.place(X, device=self.device_, n_jobs=self.n_jobs)
        else:
            parts = self._extend(X)
        coordinates = parts[:, : self.n_components]
        if self.laplacian == "symmetric":
            coordinates = coordinates * parts[:, -1:]
        if self.diffusion_time > 0:
            remaining = np.maximum(1.0 - self.eigenvalues_, 0.0)
            coordinates = coordinates * remaining**self.diffusion_time
        return coordinates

    def _extend(self, X):
        """Extend the eigenvectors to samples."""
        n_rows = ROWS_PER_NEIGHBOR * self._n_near
        parts = []
        with threads(self.n_jobs) as parallel:
            for rows in gen_batches(X.shape[0], out_of_sample.ROWS_AT_ONCE):
                reduced = out_of_sample.reduce(self._reduction, X[rows])
                parts.append(
                    extend(
                        self._memory,
                        np.ascontiguousarray(reduced),
                        self._factors,
                        n_neighbors=self._n_near,
                        n_probes=max(LEAST_PROBES, n_rows // CELL_SIZE),
                        parallel=parallel,
                    )
                )
        return np.concatenate(parts)

    def transform(self, X):
        """Give samples their coordinates.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples, new or old.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_components)
            Coordinates. A row depends on that row of X alone.

        Raises
        ------
        ValueError
            If X has other features than the training samples.
        """
        check_is_fitted(self)
        X = self._read(X, reset=False)
        return self._coordinates(X).astype(X.dtype, copy=False)

    @restore_on_error
    def fit_transform(self, X, y=None):
        """Find the coordinates of the training samples; the same as fit, transform.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples.
        y : None, default=None
            Not used; here for scikit-learn's conventions.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_components)
            Coordinates.
        """
        return self.fit(X).embedding_.copy()

    @property
    def net_(self):
        """The network, a `skorch.NeuralNet`, where there is one."""
        check_is_fitted(self)
        if "_network" not in vars(self):
            raise AttributeError(
                "there is no net_: eigenvectors were computed, and new samples are "
                "placed by their neighbours; n_anchors=0 trains a network"
            )
        return self._network.net

    @property
    def _n_features_out(self):
        """Number of columns of `transform`, for `get_feature_names_out`."""
        return self.n_components

    def __sklearn_is_fitted__(self):
        return "embedding_" in vars(self)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _roots(graph):
    """Return the roots of the degrees, in one column of mean square 1."""
    degrees = positive_degrees(graph)
    return np.sqrt(degrees / degrees.mean())[:, np.newaxis]
