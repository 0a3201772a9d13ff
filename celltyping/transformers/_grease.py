"""GrEASE: spectral embedding with out-of-sample extension."""

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
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from celltyping._nn._pickling import PicklableNetMixin
from celltyping._utils._compat import ANY_N_JOBS, Interval, StrOptions, _fit_context
from celltyping._utils._restore import restore_on_error
from celltyping._utils._validation import LARGEST_SINGLE, validate_samples
from celltyping._utils._warnings import find_stack_level
from celltyping.transformers._embedding.distances import (
    DistanceMap,
    check_distances,
    check_without_features,
    with_diagonal,
)
from celltyping.transformers._embedding.laplacian import (
    affinity_graph,
    degree_roots,
    leading_eigenvectors,
    positive_degrees,
    rotation_to_eigenvectors,
    shrinkage,
    signs,
)
from celltyping.transformers._embedding.neighbors import (
    MAX_PRODUCTS,
    limit_n_neighbors,
    nearest_neighbors,
)
from celltyping.transformers._embedding.out_of_sample import (
    InputPCA,
    NystroemMap,
    OutOfSampleMap,
    build_ivf,
    choose_anchors,
    nystroem_weights,
    resolve_n_anchors,
)
from celltyping.transformers._embedding.sharing import Apart
from celltyping.transformers._embedding.training import (
    check_hidden_layer_sizes,
    import_networks,
    is_string,
)

# Maximum number of samples at which "auto" computes the eigenvectors. Lanczos takes
# 1.5 s for 60,000 digits of MNIST; memory and time grow with the samples.
MAX_EXACT = 1_000_000

# Number of functions that are learnt from batches of edges beyond `n_components`: the
# last ones are learnt last, and the best combinations are taken of all. Without them,
# one of 5 coordinates of MNIST is still missing after 1,000 steps.
N_GUARDS = 5

# Standard deviation of the noise added to a network's inputs in training, in units of
# the standard deviation of the inputs: it helps new samples (0.021 instead of 0.031 on
# digits, in the Grassmann score).
INPUT_NOISE = 0.3

# Epochs of a network on eigenvectors if they are "auto".
MAX_EPOCHS = 60


class GrEASE(
    PicklableNetMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Spectral embedding that extends to new samples.

    The coordinates are the leading eigenvectors of a Laplacian of the graph of nearest
    neighbours. They are computed exactly, and new samples get theirs from their nearest
    neighbours among the training samples. Or a network learns them, from the
    eigenvectors or, if there are too many samples for these, from batches of edges
    [1]_.

    Parameters
    ----------
    n_components : int, default=2
        Number of coordinates, less than the number of samples.
    n_neighbors : int, default=15
        Number of neighbours of each sample in the graph, without the sample itself.
    metric : str or callable, default="euclidean"
        Metric of the graph: a name that :class:`sklearn.neighbors.NearestNeighbors`
        accepts, or a function of two rows. "precomputed": X holds distances, see `fit`.
    metric_params : dict, default=None
        Keyword arguments of the metric.
    n_input_components : int or None, default=50
        Maximum number of principal components to which a table with more columns is
        reduced, for the comparison with new samples and for the network. With
        ``metric="euclidean"`` and more samples than can be compared in seconds, they
        also make the graph. None: all columns are used.
    laplacian : {"rw", "symmetric", "unnormalized"}, default="rw"
        The Laplacian, with affinities W and degrees D: I - D⁻¹ W,
        I - D^(-1/2) W D^(-1/2) or D - W.
    solver : {"auto", "exact", "minibatch"}, default="auto"
        "exact": computes the eigenvectors. "minibatch": trains a network on batches of
        edges; for data so large that eigenvectors take too long. "auto": exact up to a
        million samples.
    diffusion_time : float, default=0.0
        Power of the factors (1 - eigenvalue) of the coordinates, which make a diffusion
        map of them. Must be 0 for the unnormalized Laplacian.
    n_anchors : int or "auto", default="auto"
        Number of training samples stored, among which new samples find their
        neighbours. "auto": all, but at most 100,000. 0: none; a network learns the
        eigenvectors, which takes longer and is less accurate, but takes less memory.
        Without effect if ``solver="minibatch"``.
    hidden_layer_sizes : tuple of int, default=(128, 128, 128)
        Widths of the network's hidden layers, if there is a network.
    max_epochs : int or "auto", default="auto"
        Number of epochs of its training; an epoch in batches of edges has as many edges
        as there are samples. "auto": 60, or as many as make 1,000 steps.
    batch_size : int or "auto", default="auto"
        Number of samples, or edges (at least 2), per training step. "auto": a sixteenth
        of the samples, between 32 and 1,024; or 512 edges, at most one per sample.
    learning_rate : float, default=0.01
        Maximum learning rate.
    callbacks : list of skorch callbacks, default=None
        Callbacks of the training.
    device : str, default="auto"
        Device of the network, a name of torch. "auto": a GPU if there is one.
    random_state : int, RandomState instance or None, default=None
        Seed of all that is random. The same number gives the same embedding.
    n_jobs : int, default=None
        Number of threads. The result is the same for any number.
    verbose : bool or int, default=False
        Whether to show a progress bar of the training.

    Attributes
    ----------
    embedding_ : ndarray of shape (n_samples, n_components)
        Coordinates of the training samples, equal to `transform` of them.
    eigenvalues_ : ndarray of shape (n_components,)
        Eigenvalues of the Laplacian, ascending, without the trivial one; with
        ``solver_ == "minibatch"`` approximate ones.
    graph_ : csr_array of shape (n_samples, n_samples)
        The affinities. Samples at the maximum of a bounded metric, such as sets without
        a common element under "jaccard", are no neighbours.
    solver_ : str
        "exact" or "minibatch".
    net_ : skorch.NeuralNet
        The network. Defined only if there is one.
    loss_curve_ : ndarray of shape (`n_iter_`,)
        Mean loss of each epoch. Defined only if there is a network.
    n_iter_ : int
        Number of epochs. Defined only if there is a network.
    device_ : str
        Device of the network. Defined only if there is a network.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns. Defined only if X was a table with column names.

    See Also
    --------
    celltyping.NUMAP : Embedding for plots, which starts from these coordinates.
    celltyping.metrics.grassmann_score : Distance of the spaces that coordinates span.
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
    metric of the graph is; or by the distances, if X holds distances.

    If the graph has several components, the eigenvalue 0 is multiple, and its
    coordinates separate the components, the largest ones first. A warning is given if
    no other coordinates are left. Samples that have nothing in common with any other,
    such as rows of zeros under "cosine", have no neighbours: their coordinates are 0,
    as are those of new samples without anything in common with the fitted ones, and a
    warning counts them.

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
        "n_anchors": [Interval(Integral, 0, None, closed="left"), StrOptions({"auto"})],
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
        "n_jobs": ANY_N_JOBS,
        "verbose": ["verbose"],
    }

    _net_attributes = ()  # the map stores its own

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
        """Compute the coordinates of the training samples.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features) or \
                (n_samples, n_samples)
            The samples. With ``metric="precomputed"`` the distances between all of
            them, or a sparse matrix of those to neighbours, as
            :func:`sklearn.neighbors.kneighbors_graph` computes them with
            ``mode="distance"``; at most `n_neighbors` of each row are used.
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
            the device does not exist.
        ImportError
            If a network is needed and torch is not installed.
        FloatingPointError
            If the training of the network diverges.
        """
        X = self._validate_X(X, reset=True)
        n_samples = X.shape[0]
        self._check_parameters(n_samples)
        auto = "exact" if n_samples <= MAX_EXACT else "minibatch"
        self.solver_ = auto if self.solver == "auto" else self.solver
        if self.solver_ == "minibatch" and self.batch_size == 1:
            raise ValueError("batch_size must be at least 2 with solver='minibatch'")
        given = is_string(self.metric, "precomputed")
        for name in ("device_", "loss_curve_", "n_iter_"):
            vars(self).pop(name, None)
        has_network = self.solver_ == "minibatch" or self.n_anchors == 0
        if has_network:
            networks = import_networks("GrEASE with a network")
            self.device_ = networks.resolve_device(self.device)
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        pca = reduced = None
        if not given:
            pca = InputPCA(self.metric).fit(X, self.n_input_components, seed=seed)
            reduced = pca.transform(X)
        indices, distances = self._find_neighbors(X, reduced, seed)
        self.graph_ = affinity_graph(indices, distances)
        self._apart = Apart(X, self.metric, self.graph_, "their coordinates are 0")
        rows = self._apart.rows
        graph = self.graph_[rows][:, rows]
        self._check_parameters(graph.shape[0])
        self._warn_of_components(graph)
        if not given:
            pca.set_units(reduced, indices)
            reduced = reduced[rows]

        if self.solver_ == "minibatch":
            self.eigenvalues_, self._map = self._fit_batches(graph, pca, reduced, seed)
        else:
            self.eigenvalues_, functions = self._solve_exactly(graph, seed)
            if has_network:
                self._map = self._fit_network(functions, pca, reduced, seed)
            else:
                self._map = self._extend(
                    graph, functions, indices.shape[1], pca, reduced, seed
                )
        if has_network:
            self.loss_curve_ = np.array(self._map.net.history[:, "train_loss"])
            self.n_iter_ = len(self.loss_curve_)
        embedding = self._coordinates(with_diagonal(X, given))
        self.embedding_ = embedding.astype(X.dtype, copy=False)
        self._n_features_out = self.n_components
        return self

    def _check_parameters(self, n_samples):
        """Raise an error if parameters contradict each other or the samples."""
        if self.n_components >= n_samples:
            raise ValueError(
                f"n_components ({self.n_components}) must be less than the number of "
                f"samples in X that have neighbours (n_samples = {n_samples})"
            )
        if self.diffusion_time > 0 and self.laplacian == "unnormalized":
            raise ValueError(
                f"diffusion_time ({self.diffusion_time}) must be 0 with "
                "laplacian='unnormalized', whose eigenvalues are not those of a "
                "diffusion; use 'rw' or 'symmetric'"
            )
        check_hidden_layer_sizes(self.hidden_layer_sizes)
        check_without_features(self)

    def _validate_X(self, X, *, reset):
        """Validate samples."""
        X = validate_samples(
            self,
            X,
            reset=reset,
            accept_sparse="csr",
            dtype=(np.float64, np.float32),
            ensure_min_samples=2 if reset else 1,
            limit=LARGEST_SINGLE,
        )
        if is_string(self.metric, "precomputed"):
            check_distances(X, "X", between_fitted=reset)
        return X

    def _find_neighbors(self, X, reduced, seed):
        """Find the neighbours of every sample."""
        n_samples, n_features = X.shape
        table, euclidean = X, is_string(self.metric, "euclidean")
        if euclidean and n_samples**2 * n_features > MAX_PRODUCTS:
            table = reduced.astype(np.float32)
        return nearest_neighbors(
            table,
            limit_n_neighbors(self.n_neighbors, n_samples),
            metric=self.metric,
            metric_params=self.metric_params,
            random_state=seed,
            n_jobs=self.n_jobs,
        )

    def _warn_of_components(self, graph):
        """Warn if all coordinates separate components of the graph."""
        n_parts = connected_components(graph, directed=False, return_labels=False)
        if n_parts > self.n_components:
            warnings.warn(
                f"the graph of neighbours has {n_parts} components, and n_components "
                f"({self.n_components}) coordinates only separate the largest of them: "
                "raise n_components for the structure inside them, or n_neighbors to "
                "join them",
                UserWarning,
                stacklevel=find_stack_level(),
            )

    def _solve_exactly(self, graph, seed):
        """Return the eigenvalues, and functions that extend to new samples.

        The eigenvectors of the symmetric Laplacian are those of the random walk's times
        the roots of the degrees: both vary slowly over the data.
        """
        values, vectors = leading_eigenvectors(
            graph, self.n_components, kind=self.laplacian, random_state=seed
        )
        if self.laplacian != "symmetric":
            return values, vectors
        roots = degree_roots(graph)
        return values, np.hstack([vectors / roots, roots])

    def _extend(self, graph, functions, n_neighbors, pca, reduced, seed):
        """Return the map by means of functions over neighbours, times factors."""
        kind = self.laplacian
        factors = 1.0 / shrinkage(graph, functions, self.eigenvalues_, kind)
        n_anchors = resolve_n_anchors(self.n_anchors, len(functions))
        kept = choose_anchors(n_anchors, len(functions), seed)
        if reduced is None:
            anchors = np.arange(self.graph_.shape[0])[self._apart.rows][kept]
            average = n_neighbors, nystroem_weights, factors
            return DistanceMap(anchors, functions[kept], *average)
        keys = reduced[kept].astype(np.float32)
        index = build_ivf(keys, functions[kept], seed=seed)
        return NystroemMap(pca, index, factors, n_neighbors)

    def _make_network(self, pca, reduced, centre, scale, seed):
        """Make an untrained network with an output per entry of `centre`, and its map.

        `reduced` are principal components of the training samples; `centre` and `scale`
        are the means and the unit of the functions.
        """
        module = import_networks("GrEASE with a network").make_perceptron(
            reduced.shape[1],
            tuple(self.hidden_layer_sizes),
            len(centre),
            seed=seed,
            noise=INPUT_NOISE,
        )
        return OutOfSampleMap(pca, centre, scale), module

    def _fit_network(self, functions, pca, reduced, seed):
        """Train a network on functions, and return its map."""
        from celltyping._nn._training import regress

        centre, scale = functions.mean(axis=0), float(functions.std()) or 1.0
        mapping, module = self._make_network(pca, reduced, centre, scale, seed)
        mapping.net = regress(
            module,
            mapping.network_inputs(None, reduced),
            mapping.standardize(functions),
            max_epochs=MAX_EPOCHS if self.max_epochs == "auto" else self.max_epochs,
            **self._training_options(seed),
        )
        return mapping

    def _fit_batches(self, graph, pca, reduced, seed):
        """Train a network on batches of edges, and return eigenvalues and its map."""
        from celltyping._nn import _rayleigh
        from celltyping._nn._training import predict_float64

        n_functions = self.n_components + N_GUARDS
        targets, masses = np.empty((len(reduced), 0)), np.ones(len(reduced))
        centre = np.zeros(n_functions)
        if self.laplacian != "unnormalized":
            masses = positive_degrees(graph)
        if self.laplacian == "symmetric":
            targets = degree_roots(graph)
            centre = np.append(centre, targets.mean())
            targets = targets - centre[-1]
        mapping, module = self._make_network(pca, reduced, centre, 1.0, seed)
        inputs = mapping.network_inputs(None, reduced)
        mapping.net = _rayleigh.learn_coordinates(
            module,
            inputs,
            graph,
            masses,
            targets,
            max_epochs=self.max_epochs,
            **self._training_options(seed),
        )
        outputs = predict_float64(mapping.net.module_, inputs, self.device_)
        functions = outputs[:, :n_functions]
        values, shift, rotation = rotation_to_eigenvectors(graph, functions, masses)
        if self.laplacian == "symmetric":
            roots = degree_roots(graph)
            rotation *= signs((functions - shift) @ rotation * roots)
        _rayleigh.rotate_outputs(mapping.net.module_, shift, rotation)
        return values[: self.n_components], mapping

    def _training_options(self, seed):
        """Return the arguments that both ways of training share."""
        return {
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
            "callbacks": self.callbacks,
            "description": "spectral coordinates",
            "device": self.device_,
            "verbose": self.verbose,
            "seed": seed,
        }

    def _coordinates(self, X):
        """Compute the coordinates of samples."""
        device = getattr(self, "device_", None)
        functions = self._map(X, device=device, n_jobs=self.n_jobs)
        coordinates = functions[:, : self.n_components]
        if self.laplacian == "symmetric":
            coordinates = coordinates * functions[:, -1:]
        if self.diffusion_time > 0:
            remaining = np.maximum(1.0 - self.eigenvalues_, 0.0)
            coordinates = coordinates * remaining**self.diffusion_time
        coordinates[self._apart.find(X)] = 0.0
        return coordinates

    def transform(self, X):
        """Compute the coordinates of samples.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features) or \
                (n_samples, n_fitted)
            Samples, new or old; with ``metric="precomputed"`` their distances to all
            fitted samples, or to the nearest ones as a sparse matrix.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_components)
            Coordinates. A row depends on the same row of X alone.

        Raises
        ------
        ValueError
            If X has other features than the training samples.
        """
        check_is_fitted(self)
        X = self._validate_X(X, reset=False)
        self._apart.find(X, warn=True)
        return self._coordinates(X).astype(X.dtype, copy=False)

    @restore_on_error
    def fit_transform(self, X, y=None):
        """Compute the coordinates of the training samples; the same as fit, transform.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features) or \
                (n_samples, n_samples)
            The samples. With ``metric="precomputed"`` the distances between all of
            them, or a sparse matrix of those to neighbours, as
            :func:`sklearn.neighbors.kneighbors_graph` computes them with
            ``mode="distance"``; at most `n_neighbors` of each row are used.
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
        """The network, a `skorch.NeuralNet`, if there is one."""
        check_is_fitted(self)
        if isinstance(self._map, (NystroemMap, DistanceMap)):
            raise AttributeError(
                "there is no net_: eigenvectors were computed, and new samples are "
                "mapped by their neighbours; n_anchors=0 trains a network"
            )
        return self._map.net

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        given = is_string(self.metric, "precomputed")
        tags.input_tags.pairwise = tags.input_tags.positive_only = given
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
