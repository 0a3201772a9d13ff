"""NUMAP: UMAP with spectral initialisation and out-of-sample mapping."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from copy import copy
from numbers import Integral, Real

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from celltyping._nn._pickling import PicklableNetMixin
from celltyping._utils._compat import ANY_N_JOBS, Interval, StrOptions, _fit_context
from celltyping._utils._restore import restore_on_error
from celltyping._utils._validation import (
    LARGEST_SINGLE,
    validate_array,
    validate_samples,
)
from celltyping.transformers import _numap_steps as steps
from celltyping.transformers._embedding import layout, training
from celltyping.transformers._embedding.distances import (
    DistanceMap,
    check_distances,
    with_diagonal,
)
from celltyping.transformers._embedding.neighbors import encode_target
from celltyping.transformers._embedding.out_of_sample import flatten
from celltyping.transformers._embedding.sharing import Apart
from celltyping.transformers._grease import GrEASE
from celltyping.transformers._mlp_encoder import MLPEncoder

# Parameters of the encoder if they are not given; never changed.
DEFAULT_ENCODER = MLPEncoder()

# What becomes of samples without neighbours, for warnings.
APART = "they are placed in one position apart from the others"

# Attributes that are not defined after every fit.
OPTIONAL_ATTRIBUTES = (
    "loss_curve_",
    "n_iter_",
    "spectral_",
    "spectral_embedding_",
    "decoder_net_",
    "fine_tune_loss_curve_",
)


def _has_decoder(estimator):
    """Return True, or raise an error without a decoder, for `available_if`."""
    if training.has_decoder(estimator.decoder):
        return True
    raise AttributeError(
        "NUMAP has no way back from positions to features without a decoder: pass "
        "decoder=True, or a torch.nn.Module, and call fit"
    )


class NUMAP(
    PicklableNetMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Embed samples in a few dimensions, and map new samples into the embedding.

    A parametric UMAP that starts from spectral coordinates. UMAP lays out the graph of
    the nearest neighbours, a network learns to reproduce the layout, and the training
    samples nearest to a new sample and to the network's output give its position.

    Parameters
    ----------
    n_components : int, default=2
        Number of dimensions of the embedding.
    n_neighbors : int, default=15
        Number of neighbours of each sample in the graph, without the sample itself.
    min_dist : float, default=0.1
        Minimum distance of neighbours in the embedding, in units of `spread`.
    spread : float, default=1.0
        Scale of the embedding.
    metric : str or callable, default="euclidean"
        Metric of the graph: a name that :class:`sklearn.neighbors.NearestNeighbors`
        accepts, or a function of two rows. "precomputed": X holds distances, see `fit`.
    metric_params : dict, default=None
        Keyword arguments of the metric.
    n_input_components : int or None, default=50
        Maximum number of principal components to which a table with more columns is
        reduced, for the network and, with ``metric="euclidean"``, for the neighbour
        search. None: all columns are used.
    init : {"spectral", "pca"}, GrEASE or array-like of shape \
            (n_samples, n_components), default="spectral"
        Start of the layout. "spectral": the leading eigenvectors of the graph's
        Laplacian. "pca": principal components. A `GrEASE`: the first `n_components`
        coordinates of a clone, in a range of 10 (noise in dimensions beyond its
        coordinates); its seed is NUMAP's if its `random_state` is None. An array: the
        positions themselves, for which a range of about 10 is suitable; not for
        cross-validation, whose folds have other samples.
    spectral_weight : float, default=0.0
        Share of the spectral coordinates in the embedding: 0 is UMAP, 1 a spectral
        embedding.
    encoder : MLPEncoder or torch.nn.Module, default=None
        The network and its training. A module is short for
        ``MLPEncoder(module=module)``. None: ``MLPEncoder()``, which is also what
        parameters such as ``encoder__dropout`` then refer to. Must be None if X holds
        distances.
    n_anchors : int or "auto", default="auto"
        Number of training samples stored to refine the network's output. 0: the network
        alone maps samples. "auto": all, but at most 100,000; and none if held-out
        training samples keep as many neighbours without, as on smooth curves and
        surfaces. With a target `y` or a `spectral_weight`, "auto" means all.
    decoder : bool or torch.nn.Module, default=False
        Whether to train a decoder for `inverse_transform`. A module of your own maps
        `n_components` columns to the features.
    n_epochs : int or "auto", default="auto"
        Number of epochs of the layout. "auto": 500 for up to 100,000 samples, else 200.
    negative_sample_rate : int, default=5
        Number of random samples that repel a sample per neighbour that attracts it.
    repulsion_strength : float, default=1.0
        Weight of the repulsive forces.
    densmap : bool, default=False
        Whether to preserve local density by the density term of densMAP.
    dens_lambda : float, default=2.0
        Weight of the density term in the loss.
    dens_frac : float, default=0.3
        Fraction of layout epochs, at the end, that use the density term.
    dens_var_shift : float, default=0.1
        Constant added to the variance of the logarithms of local radii.
    dens_subsample_size : int, default=10000
        Number of samples whose radii are compared in a step.
    target_weight : float, default=0.5
        Weight of the types beside the distances, if there are types. 0: types are
        ignored; 1: samples of different types are never neighbours.
    unlabeled_marker : "auto", scalar or list of scalars, default="auto"
        Values in `y` that mean unknown; see `celltyping.NtacClassifier`.
    warm_start : bool, default=False
        Whether `fit` continues from the fit before: samples start at the positions that
        it gives them, and the networks with its weights. Parameters that define the
        shape of the networks must stay the same.
    device : str, default="auto"
        Device of the networks, a name of torch. "auto": a GPU if there is one.
    random_state : int, RandomState instance or None, default=None
        Seed of all that is random. The same number gives the same embedding.
    n_jobs : int, default=None
        Number of threads of the layout and of `transform`; any gives the same result.
    verbose : bool or int, default=False
        Whether to show progress bars.

    Attributes
    ----------
    embedding_ : ndarray of shape (n_samples, n_components)
        Positions of the training samples, equal to `transform` of them.
    layout_ : ndarray of shape (n_samples, n_components)
        The layout that the network learnt.
    graph_ : csr_array of shape (n_samples, n_samples), dtype=float32
        The fuzzy graph: degrees of membership of neighbours, between 0 and 1. Samples
        at the maximum of a bounded metric, such as sets without a common element under
        "jaccard", are no neighbours.
    spectral_embedding_ : ndarray of shape (n_samples, n_spectral_components)
        The spectral coordinates. Defined only if `init` is "spectral" or a `GrEASE`.
    spectral_ : GrEASE
        Fitted model of the spectral coordinates. Defined only if `init` is a `GrEASE`
        or new samples need spectral coordinates.
    net_ : skorch.NeuralNet
        The encoder. Defined only if X has features.
    decoder_net_ : skorch.NeuralNet
        The decoder. Defined only if there is one.
    loss_curve_ : ndarray of shape (`n_iter_`,)
        Mean loss of each epoch in which the encoder learnt the layout: smooth L1 in
        units of the layout's standard deviation. Defined only if X has features.
    fine_tune_loss_curve_ : ndarray of shape (n_fine_tune_epochs,)
        Mean of UMAP's loss in each epoch of fine-tuning. Defined only after any.
    n_iter_ : int
        Number of epochs in which the encoder learnt the layout. Defined only if X has
        features.
    n_anchors_ : int
        Number of stored training samples.
    device_ : str
        Device of the networks.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns. Defined only if X was a table with column names.

    See Also
    --------
    celltyping.MLPEncoder : Parameters of the encoder.
    celltyping.GrEASE : The spectral coordinates alone.
    celltyping.plotting.EmbeddingDisplay : Plot of an embedding.
    celltyping.metrics.make_neighborhood_scorer : Scorer for a search of parameters.

    Notes
    -----
    With anchors, the position of a new sample is a weighted mean of the layout over the
    ten nearest ones. A squared distance is the one between the samples in units of the
    one to a near neighbour, plus 0.3 times the one between the network's output and the
    anchor's position in units of the layout's variance. If X holds distances, their
    squares are used alone, and there is no network.

    Samples that have nothing in common with any other, such as rows of zeros under
    "cosine" or sets without a common element under "jaccard", have no neighbours. A
    warning counts them. They are placed in one position apart from the others, where
    new samples without anything in common with the fitted ones are mapped, too.

    References
    ----------
    .. [1] L. McInnes, J. Healy, J. Melville (2018). UMAP: Uniform manifold
       approximation and projection for dimension reduction.
       :doi:`10.48550/arXiv.1802.03426`
    .. [2] N. Ben-Ari, A. Yacobi, U. Shaham (2025). Generalizable spectral embedding
       with an application to UMAP. :doi:`10.48550/arXiv.2501.11305`
    .. [3] A. Narayan, B. Berger, H. Cho (2021). Assessing single-cell transcriptomic
       variability through density-preserving data visualization. Nature Biotechnology
       39, 765-774. :doi:`10.1038/s41587-020-00801-7`

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from celltyping import NUMAP, MLPEncoder
    >>> X, _ = load_digits(return_X_y=True)
    >>> numap = NUMAP(n_epochs=100, encoder=MLPEncoder(max_epochs=10), random_state=0)
    >>> numap.fit(X[:500]).transform(X[500:510]).shape
    (10, 2)
    """

    _parameter_constraints = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "min_dist": [Interval(Real, 0, None, closed="left")],
        "spread": [Interval(Real, 0, None, closed="neither")],
        "metric": [str, callable],
        "metric_params": [dict, None],
        "n_input_components": [Interval(Integral, 1, None, closed="left"), None],
        "init": [StrOptions({"spectral", "pca"}), GrEASE, "array-like"],
        "spectral_weight": [Interval(Real, 0, 1, closed="both")],
        "encoder": "no_validation",
        "n_anchors": [Interval(Integral, 0, None, closed="left"), StrOptions({"auto"})],
        "decoder": "no_validation",
        "n_epochs": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "negative_sample_rate": [Interval(Integral, 0, None, closed="left")],
        "repulsion_strength": [Interval(Real, 0, None, closed="left")],
        "densmap": ["boolean"],
        "dens_lambda": [Interval(Real, 0, None, closed="left")],
        "dens_frac": [Interval(Real, 0, 1, closed="both")],
        "dens_var_shift": [Interval(Real, 0, None, closed="neither")],
        "dens_subsample_size": [Interval(Integral, 2, None, closed="left")],
        "target_weight": [Interval(Real, 0, 1, closed="both")],
        "unlabeled_marker": "no_validation",
        "warm_start": ["boolean"],
        "device": [str],
        "random_state": ["random_state"],
        "n_jobs": ANY_N_JOBS,
        "verbose": ["verbose"],
    }

    _net_attributes = ("decoder_net_",)

    def __init__(
        self,
        n_components=2,
        *,
        n_neighbors=15,
        min_dist=0.1,
        spread=1.0,
        metric="euclidean",
        metric_params=None,
        n_input_components=50,
        init="spectral",
        spectral_weight=0.0,
        encoder=None,
        n_anchors="auto",
        decoder=False,
        n_epochs="auto",
        negative_sample_rate=5,
        repulsion_strength=1.0,
        densmap=False,
        dens_lambda=2.0,
        dens_frac=0.3,
        dens_var_shift=0.1,
        dens_subsample_size=10000,
        target_weight=0.5,
        unlabeled_marker="auto",
        warm_start=False,
        device="auto",
        random_state=None,
        n_jobs=None,
        verbose=False,
    ):
        self.n_components = n_components
        self.n_neighbors = n_neighbors
        self.min_dist = min_dist
        self.spread = spread
        self.metric = metric
        self.metric_params = metric_params
        self.n_input_components = n_input_components
        self.init = init
        self.spectral_weight = spectral_weight
        self.encoder = encoder
        self.n_anchors = n_anchors
        self.decoder = decoder
        self.n_epochs = n_epochs
        self.negative_sample_rate = negative_sample_rate
        self.repulsion_strength = repulsion_strength
        self.densmap = densmap
        self.dens_lambda = dens_lambda
        self.dens_frac = dens_frac
        self.dens_var_shift = dens_var_shift
        self.dens_subsample_size = dens_subsample_size
        self.target_weight = target_weight
        self.unlabeled_marker = unlabeled_marker
        self.warm_start = warm_start
        self.device = device
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    @restore_on_error
    def fit(self, X, y=None, *, neighbor_graph=None):
        """Embed the training samples, and train the map of new samples.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features) or \
                (n_samples, n_samples)
            The samples. With a module of your own they may have more dimensions. With
            ``metric="precomputed"`` the distances between all samples, or a sparse
            matrix of those to neighbours, as
            :func:`sklearn.neighbors.kneighbors_graph` computes them with
            ``mode="distance"``; at most `n_neighbors` of each row are used.
        y : array-like of shape (n_samples,), default=None
            Types, which then count beside the distances (see `target_weight`); unknown
            ones are marked as `unlabeled_marker` says.
        neighbor_graph : sparse matrix of shape (n_samples, n_samples), default=None
            Distances to the neighbours of each sample, as
            :func:`sklearn.neighbors.kneighbors_graph` computes them with
            ``mode="distance"``, instead of a search by `metric`; X is a table, from
            which the encoder learns. At most `n_neighbors` of each row are used.

        Returns
        -------
        self : NUMAP
            The fitted transformer.

        Raises
        ------
        ValueError
            If X holds NaN or has one sample, parameters contradict each other or,
            with `warm_start`, an earlier fit, the encoder returns another number of
            columns, the device does not exist, or y or neighbor_graph does not fit X.
        FloatingPointError
            If the training diverges; then the estimator is unchanged.
        ImportError
            If torch or skorch is missing.
        """
        networks = training.import_networks("NUMAP")
        encoder = copy(self._resolve_encoder())  # its numbers of numpy are replaced
        curve = layout.fit_curve(self.min_dist, self.spread)
        training.check_parameters(self, encoder)
        earlier = earlier_decoder = None
        if self.warm_start and hasattr(self, "_map"):
            training.check_warm_start(self._networks, self, encoder)
            earlier, earlier_decoder = self._map, getattr(self, "decoder_net_", None)
            self._validate_X(X, reset=False)
        X = self._validate_X(X, reset=True)
        training.check_init(self, X.shape[0])
        codes = encode_target(X, y, self.unlabeled_marker, self.target_weight)
        random_state = check_random_state(self.random_state)
        seed = int(random_state.randint(np.iinfo(np.int32).max))
        self.device_ = networks.resolve_device(self.device)
        shape = X.shape[0], self.n_components
        start = layout.read_start(self.init, shape, continues=earlier is not None)
        if earlier is not None:
            start = self._map_samples(X)
        run = {"device": self.device_, "seed": seed, "verbose": self.verbose}
        for name in OPTIONAL_ATTRIBUTES:
            vars(self).pop(name, None)

        # Step 1: the graph of nearest neighbours.
        pca, reduced = steps.reduce_features(self, X, earlier, seed)
        graph = steps.build_graph(self, X, reduced, neighbor_graph, codes, seed)
        self.graph_ = graph.weights
        metric = self.metric if neighbor_graph is None else None
        self._apart = Apart(flatten(X), metric, graph.memberships, APART)
        if earlier is None and pca is not None:
            pca.set_units(reduced, graph.indices)

        # Step 2: the layout of the samples that have neighbours.
        rows = self._apart.rows
        joined = self.graph_[rows][:, rows]
        vars(self).update(steps.find_coordinates(self, X, joined, encoder, seed))
        coordinates = getattr(self, "spectral_embedding_", None)
        samples = training.Samples(X, reduced, coordinates).take(rows)
        start = None if start is None else start[rows]
        if start is None:
            options = self.n_components, random_state, seed
            start = layout.find_start(joined, *samples[1:], *options)
        forces = steps.make_forces(self, curve, graph, rows)
        positions = steps.lay_out(self, joined, start, forces, samples, run)
        self._apart.position = layout.position_apart(positions)
        self.layout_ = self._apart.fill(positions, X.shape[0])

        # Step 3: the out-of-sample map, and the embedding.
        if pca is None:
            self._map = steps.make_distance_map(self, seed)
        else:
            needed = codes is not None or self.spectral_weight > 0
            options = {"pca": pca, "earlier": earlier, "anchors_needed": needed, **run}
            self._fit_map(samples, positions, joined, forces, encoder, **options)
        self.n_anchors_ = self._map.n_anchors
        self._networks = training.describe_networks(self, encoder)
        self._sample_shape = X.shape[1:]
        self._n_features_out = self.n_components
        embedding = self._map_samples(with_diagonal(X, pca is None), coordinates)
        self.embedding_ = embedding.astype(X.dtype, copy=False)
        if training.has_decoder(self.decoder):
            args = self.decoder, self._map, samples, embedding[rows], encoder
            self.decoder_net_ = training.fit_decoder(*args, earlier_decoder, **run)
        return self

    def set_params(self, **params):
        """Set parameters of this estimator and of its encoder.

        Parameters
        ----------
        **params : dict
            Parameters. Those of the encoder, such as ``encoder__dropout``, make an
            `MLPEncoder` if `encoder` is None or a module.

        Returns
        -------
        self : NUMAP
            The estimator.
        """
        encoder = params.get("encoder", self.encoder)
        nested = any(name.startswith("encoder__") for name in params)
        if nested and not isinstance(encoder, MLPEncoder):
            params["encoder"] = MLPEncoder(module=encoder)
        return super().set_params(**params)

    def _resolve_encoder(self):
        """Return the encoder's parameters, of the default or of a module, too."""
        if self.encoder is None:
            return DEFAULT_ENCODER
        if isinstance(self.encoder, MLPEncoder):
            return self.encoder
        return MLPEncoder(module=self.encoder)

    def _validate_X(self, X, *, reset):
        """Validate samples."""
        own = self._resolve_encoder().module is not None
        X = validate_samples(
            self,
            X,
            reset=reset,
            accept_sparse=False if own else "csr",
            dtype=(np.float64, np.float32),
            order="C",  # the last bits of sums depend on it
            allow_nd=own,
            ensure_min_samples=2 if reset else 1,
            limit=LARGEST_SINGLE,
        )
        if not reset and X.shape[1:] != self._sample_shape:
            raise ValueError(
                f"X has samples of shape {X.shape[1:]}, but those that were fitted "
                f"have {self._sample_shape}"
            )
        if training.is_string(self.metric, "precomputed"):
            check_distances(X, "X", between_fitted=reset)
        return X

    def _fit_map(self, samples, positions, graph, forces, encoder, **options):
        """Train the map from features to positions, see `training.fit_map`."""
        self._map, self.loss_curve_, fine_tune_loss_curve = training.fit_map(
            samples,
            positions,
            graph,
            forces,
            encoder=encoder,
            n_anchors=self.n_anchors,
            n_neighbors=self.n_neighbors,
            spectral_net=self.spectral_.net_ if encoder.weights == "spectral" else None,
            **options,
        )
        self.n_iter_ = len(self.loss_curve_)
        if fine_tune_loss_curve is not None:
            self.fine_tune_loss_curve_ = fine_tune_loss_curve

    def _map_samples(self, X, coordinates=None, *, warn=False):
        """Map samples to positions, with spectral coordinates if they are needed."""
        if self._map.needs_coordinates and coordinates is None:
            coordinates = self.spectral_._coordinates(X).astype(X.dtype)
            coordinates = coordinates.astype(np.float64)
        positions = self._map(X, coordinates, device=self.device_, n_jobs=self.n_jobs)
        positions[self._apart.find(flatten(X), warn=warn)] = self._apart.position
        return positions

    @property
    def net_(self):
        """The encoder, a `skorch.NeuralNet`, if X had features."""
        check_is_fitted(self)
        if isinstance(self._map, DistanceMap):
            raise AttributeError("there is no net_: metric='precomputed' needs none")
        return self._map.net

    def transform(self, X):
        """Map samples into the embedding.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features) or \
                (n_samples, n_fitted)
            Samples, new or old; with ``metric="precomputed"`` their distances to all
            fitted samples, or to the nearest ones as a sparse matrix.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_components)
            Their positions. A row depends on the same row of X alone.

        Raises
        ------
        ValueError
            If X has other features than the training samples.
        """
        check_is_fitted(self)
        X = self._validate_X(X, reset=False)
        return self._map_samples(X, warn=True).astype(X.dtype, copy=False)

    @restore_on_error
    def fit_transform(self, X, y=None, **fit_params):
        """Embed the training samples; the same as ``fit(X, y).transform(X)``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features) or \
                (n_samples, n_samples)
            The samples, or distances between them.
        y : array-like of shape (n_samples,), default=None
            Types, as in `fit`.
        **fit_params
            More arguments of `fit`.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_components)
            Their positions.
        """
        return self.fit(X, y, **fit_params).embedding_.copy()

    @available_if(_has_decoder)
    def inverse_transform(self, X):
        """Estimate the features at positions in the embedding.

        Available only if `decoder` is not False.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Positions.

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features)
            Features, in the shape of the samples that were fitted.
        """
        check_is_fitted(self, "decoder_net_")
        options = {"dtype": (np.float64, np.float32), "limit": LARGEST_SINGLE}
        X = validate_array(X, type(self).__name__, **options)
        if X.shape[1] != self.n_components:
            raise ValueError(
                f"X must have a column for each of n_components ({self.n_components}), "
                f"got {X.shape[1]}"
            )
        features = training.import_networks("NUMAP").predict_float64(
            self.decoder_net_.module_, self._map.standardize(X), self.device_
        )
        if not training.is_own_decoder(self.decoder):
            pca = self._map.pca
            features = pca.inverse_transform(features / pca.input_scale)
        return features.reshape(len(X), *self._sample_shape).astype(X.dtype, copy=False)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self._resolve_encoder().module is None
        given = training.is_string(self.metric, "precomputed")
        tags.input_tags.pairwise = tags.input_tags.positive_only = given
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
