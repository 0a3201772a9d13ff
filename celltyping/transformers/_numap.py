"""NUMAP: a picture of the data, and a place in it for every new sample."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import warnings

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils import check_array, check_consistent_length, check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from celltyping._kernels._fuzzy import fuzzy_graph, supervise
from celltyping._kernels._layout import fit_curve
from celltyping._utils._compat import _fit_context
from celltyping._utils._labels import encode_types
from celltyping._utils._optional import import_optional
from celltyping._utils._restore import restore_on_error
from celltyping._utils._warnings import find_stack_level
from celltyping.transformers._embedding import initialization, out_of_sample
from celltyping.transformers._embedding.laplacian import leading_eigenvectors
from celltyping.transformers._embedding.neighbors import nearest_neighbors
from celltyping.transformers._numap_networks import (
    NumapNetworks,
    has_decoder,
    has_own_decoder,
)
from celltyping.transformers._numap_parameters import NumapParameters


class NUMAP(
    NumapNetworks,
    NumapParameters,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Embed samples in a few dimensions, and place new ones in the same picture.

    A parametric UMAP that starts from spectral coordinates. Samples are laid out as
    UMAP lays out the graph of their neighbours; a network learns to reproduce the
    layout; and where a new sample belongs is decided by the training samples that are
    nearest to it and to the place that the network proposes. So new samples are mapped
    in one pass, each by itself.

    Parameters
    ----------
    n_components : int, default=2
        Number of dimensions of the embedding.
    n_neighbors : int, default=15
        Neighbours of each sample in the graph, itself not counted. More of them show
        more of the whole and less detail.
    min_dist : float, default=0.1
        How near neighbours come to each other in the embedding, in units of `spread`.
    spread : float, default=1.0
        The scale of the embedding.
    metric : str or callable, default="euclidean"
        Distance between samples that the graph is made with: a name that
        :class:`sklearn.neighbors.NearestNeighbors` knows, or a function of two rows.
    metric_params : dict, default=None
        More arguments of the metric.
    n_input_components : int or None, default=50
        A table with more columns is reduced to so many principal components, which the
        network sees, and with ``metric="euclidean"`` the search for neighbours too.
        None: all columns.
    spectral : {"exact", "grease"} or None, default="exact"
        Where samples start. "exact": at the eigenvectors of the graph's Laplacian.
        "grease": where `celltyping.GrEASE` puts them, trained in batches. None: at
        their principal components.
    spectral_components : int, default=10
        Number of spectral coordinates.
    spectral_weight : float, default=0.0
        Share of the spectral coordinates in the embedding: 0 is UMAP, 1 a spectral
        embedding.
    learn_from : {"features", "spectral", "both"}, default="features"
        What the network sees: the features, the spectral coordinates, or both.
    residual : bool, default=False
        Whether the network learns what is to be added to the spectral coordinates
        instead of the places themselves.
    encoder : torch.nn.Module, default=None
        A network of your own, from a batch of samples to `n_components` numbers each;
        it is copied. It gets the samples as they are, so that X may have more than two
        dimensions, as images have. None: fully connected layers.
    encoder_init : {"xavier", "identity", "one_hot", "spectral"}, default="xavier"
        How the layers start: at random, as identities, with one 1 in each row, or with
        the weights of GrEASE's network, which are then fine-tuned.
    hidden_layer_sizes : tuple of int, default=(128, 128, 128)
        Widths of the layers.
    dropout : float, default=0.2
        Share of units that are left out of a training step.
    input_noise : float, default=0.3
        Standard deviation of the noise that is added to the inputs in training, in
        units of theirs.
    n_anchors : int or "auto", default="auto"
        Number of training samples that are remembered, to decide on new ones. 0: none,
        the network alone decides. "auto": all, but at most 100,000; and none where
        training samples that were held out keep as many neighbours without, as on
        smooth curves and surfaces. With a target `y` or a `spectral_weight`, all.
    decoder : bool or torch.nn.Module, default=False
        Whether to learn the way back, for `inverse_transform`. A network of your own
        maps `n_components` numbers to the features.
    n_epochs : int or "auto", default="auto"
        Epochs of the layout. "auto": 500 for up to 100,000 samples, else 200.
    negative_sample_rate : int, default=5
        Random samples that push a sample away each time that a neighbour pulls.
    repulsion_strength : float, default=1.0
        How much they push.
    max_epochs : int, default=40
        Epochs of the network's training.
    fine_tune_epochs : int or "auto", default="auto"
        Epochs in which the network then goes on to learn UMAP's own loss. An epoch is
        as many edges as count in one of the layout. "auto": 20 if the network alone
        decides or nearly keeps as many neighbours as with anchors, else 0.
    batch_size : int or "auto", default="auto"
        Samples per training step. "auto": a sixteenth of the data, between 32 and
        1,024.
    learning_rate : float, default=0.003
        The largest rate of the training.
    densmap : bool, default=False
        Whether dense groups shall look dense: densMAP.
    dens_lambda : float, default=2.0
        How much that counts beside UMAP's loss.
    dens_frac : float, default=0.3
        In this last part of the layout's epochs densities count.
    dens_var_shift : float, default=0.1
        What is added to the variance of the logarithms of local radii.
    dens_subsample_size : int, default=10000
        Samples whose radii are compared in a step.
    target_weight : float, default=0.5
        If types are given: how much they count beside the distances. 0: not at all; 1:
        samples of different types are never neighbours.
    unlabeled_marker : "auto" or scalar, default="auto"
        What in `y` means that the type is unknown; see `celltyping.NtacClassifier`.
    warm_start : bool, default=False
        Whether `fit` goes on from where the fit before ended: samples start at the
        places that it gives them, and the networks with its weights. So pictures of
        data that grow stay comparable. Parameters that decide on the shape of the
        networks must stay as they were.
    callbacks : list of skorch callbacks, default=None
        Called while the encoder is trained.
    device : str, default="auto"
        Where networks run: a name that torch knows. "auto": a GPU if there is one.
    random_state : int, RandomState instance or None, default=None
        Decides all that is random. The same number gives the same embedding.
    n_jobs : int, default=None
        Number of threads of the layout and of `transform`. The result is the same for
        any number.
    verbose : bool or int, default=False
        Whether to show progress bars.

    Attributes
    ----------
    embedding_ : ndarray of shape (n_samples, n_components)
        Where the training samples are: what `transform` gives for them.
    layout_ : ndarray of shape (n_samples, n_components)
        The layout that the network learnt.
    graph_ : csr_array of shape (n_samples, n_samples), dtype=float32
        The fuzzy graph: how surely two samples are neighbours, between 0 and 1.
    spectral_embedding_ : ndarray of shape (n_samples, n_spectral_components)
        The spectral coordinates. Defined only if `spectral` is not None.
    spectral_ : GrEASE
        Gives new samples their spectral coordinates. Defined only if they are needed
        or ``spectral="grease"``.
    net_ : skorch.NeuralNet
        The encoder.
    decoder_net_ : skorch.NeuralNet
        The decoder. Defined only if there is one.
    loss_curve_ : ndarray of shape (`n_iter_`,)
        Mean loss of each epoch in which the encoder learnt the layout: smooth L1 in
        units of the layout's standard deviation.
    fine_tune_loss_curve_ : ndarray of shape (n_fine_tune_epochs,)
        Mean of UMAP's loss of each later epoch. Defined only if there were any.
    n_iter_ : int
        Number of epochs in which the encoder learnt the layout.
    n_anchors_ : int
        Number of training samples that are remembered.
    device_ : str
        Where the networks run.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Defined only if a table with column names was fitted.

    See Also
    --------
    celltyping.GrEASE : The spectral coordinates alone.
    celltyping.plotting.EmbeddingDisplay : Draws an embedding.
    celltyping.metrics.make_neighborhood_scorer : Scores one, for a search.

    Notes
    -----
    With anchors, a new sample is placed at the weighted mean of the layout over the ten
    nearest ones, exp(-d² / (0.02 m)), where m is the mean of d² over them, and d² is
    the squared distance between the samples in units of that to a near neighbour, plus
    0.3 times that between the proposed place and the anchor's in units of the layout's
    variance. The user guide says what each part gains.

    Networks are trained in single and asked in double precision, so that the answer
    for a row does not depend on the rows beside it.

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
    >>> from celltyping import NUMAP
    >>> X, _ = load_digits(return_X_y=True)
    >>> numap = NUMAP(n_epochs=100, max_epochs=10, random_state=0).fit(X[:500])
    >>> numap.transform(X[500:510]).shape
    (10, 2)
    """

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
        spectral="exact",
        spectral_components=10,
        spectral_weight=0.0,
        learn_from="features",
        residual=False,
        encoder=None,
        encoder_init="xavier",
        hidden_layer_sizes=(128, 128, 128),
        dropout=0.2,
        input_noise=0.3,
        n_anchors="auto",
        decoder=False,
        n_epochs="auto",
        negative_sample_rate=5,
        repulsion_strength=1.0,
        max_epochs=40,
        fine_tune_epochs="auto",
        batch_size="auto",
        learning_rate=0.003,
        densmap=False,
        dens_lambda=2.0,
        dens_frac=0.3,
        dens_var_shift=0.1,
        dens_subsample_size=10000,
        target_weight=0.5,
        unlabeled_marker="auto",
        warm_start=False,
        callbacks=None,
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
        self.spectral = spectral
        self.spectral_components = spectral_components
        self.spectral_weight = spectral_weight
        self.learn_from = learn_from
        self.residual = residual
        self.encoder = encoder
        self.encoder_init = encoder_init
        self.hidden_layer_sizes = hidden_layer_sizes
        self.dropout = dropout
        self.input_noise = input_noise
        self.n_anchors = n_anchors
        self.decoder = decoder
        self.n_epochs = n_epochs
        self.negative_sample_rate = negative_sample_rate
        self.repulsion_strength = repulsion_strength
        self.max_epochs = max_epochs
        self.fine_tune_epochs = fine_tune_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.densmap = densmap
        self.dens_lambda = dens_lambda
        self.dens_frac = dens_frac
        self.dens_var_shift = dens_var_shift
        self.dens_subsample_size = dens_subsample_size
        self.target_weight = target_weight
        self.unlabeled_marker = unlabeled_marker
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.device = device
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    @restore_on_error
    def fit(self, X, y=None, *, neighbor_graph=None):
        """Embed the training samples, and learn where new ones belong.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples. With an encoder of your own they may have more dimensions.
        y : array-like of shape (n_samples,), default=None
            Types, which then count beside the distances (see `target_weight`); unknown
            ones marked as `unlabeled_marker` says.
        neighbor_graph : sparse matrix of shape (n_samples, n_samples), default=None
            Distances to the neighbours of each sample, as
            :func:`sklearn.neighbors.kneighbors_graph` makes them with
            ``mode="distance"``, instead of a search by `n_neighbors` and `metric`.

        Returns
        -------
        self : NUMAP
            The fitted transformer.

        Raises
        ------
        ValueError
            If X holds NaN or has one sample, parameters contradict each other or,
            with `warm_start`, an earlier fit, the encoder gives another number of
            columns, the device is not there, or y or neighbor_graph does not fit.
        FloatingPointError
            If the training diverges; then the estimator is as it was before.
        ImportError
            If torch or skorch is missing.
        """
        for module in ("torch", "skorch"):
            import_optional(module, extra="nn", needed_by="NUMAP")
        return self._fit(X, y, neighbor_graph)

    def _fit(self, X, y, neighbor_graph):
        """Do what `fit` does."""
        from celltyping._nn._training import resolve_device

        self._check_parameters()
        earlier = vars(self).get("_placement") if self.warm_start else None
        if earlier is not None:
            self._check_earlier()
            self._read(X, reset=False)
        X = self._read(X, reset=True)
        if y is not None:
            check_consistent_length(X, y)
        random_state = check_random_state(self.random_state)
        seed = int(random_state.randint(np.iinfo(np.int32).max))
        self.device_ = resolve_device(self.device)
        flat = self._flat(X)

        if earlier is None:
            reduction = out_of_sample.fit_reduction(
                flat, self.n_input_components, seed, self.metric
            )
        else:
            reduction = earlier.reduction
        reduced = out_of_sample.reduce(reduction, flat)
        indices, distances = self._find_neighbors(flat, reduced, neighbor_graph, seed)
        if earlier is None:
            reduction = out_of_sample.with_unit(reduction, reduced, indices)
            reduced /= reduction.unit
        self.graph_ = fuzzy_graph(indices, distances)
        supervised = y is not None and self.target_weight > 0
        if supervised:
            _, codes = encode_types(
                y, self.unlabeled_marker, caller="NUMAP", min_types=1
            )
            self.graph_ = supervise(self.graph_, codes, self.target_weight)
            if self.graph_.nnz == 0:
                raise ValueError(
                    "no two neighbours have the same type in y, so that "
                    f"target_weight={self.target_weight} leaves no edge in the graph: "
                    "lower it"
                )

        start = None if earlier is None else self._place(X, earlier)
        coordinates = self._find_coordinates(X, seed)
        if start is None:
            leading = out_of_sample.reduce(
                out_of_sample.fit_reduction(reduced, self.n_components, seed), reduced
            )
            if coordinates is not None:
                leading = initialization.start_by_component(
                    self.graph_, leading, coordinates, seed
                )
            start = initialization.start_from(leading, self.n_components, random_state)
        radii = None
        if self.densmap:
            radii = initialization.original_radii(self.graph_, indices, distances)
        curve = fit_curve(self.min_dist, self.spread)
        self.layout_ = self._lay_out(start, coordinates, radii, curve, seed)
        placement = self._learn_encoder(
            X, reduced, reduction, coordinates, radii, curve, earlier, supervised, seed
        )
        self._placement = placement
        self._kept = self._list_kept()
        self._sample_shape = X.shape[1:]
        self._n_features_out = self.n_components
        self.embedding_ = self._place(X, placement, coordinates)
        if has_decoder(self):
            self.decoder_net_ = self._learn_decoder(X, reduced, earlier, seed)
        elif "decoder_net_" in vars(self):
            del self.decoder_net_
        self.embedding_ = self.embedding_.astype(X.dtype, copy=False)
        return self

    def _read(self, X, *, reset):
        """Check samples."""
        X = validate_data(
            self,
            X,
            reset=reset,
            accept_sparse="csr" if self.encoder is None else False,
            dtype=(np.float64, np.float32),
            order="C",  # the last bits of sums depend on it
            allow_nd=self.encoder is not None,
            ensure_min_samples=2 if reset else 1,
        )
        if not reset and X.shape[1:] != self._sample_shape:
            raise ValueError(
                f"X has samples of shape {X.shape[1:]}, but those that were fitted "
                f"have {self._sample_shape}"
            )
        return X

    @staticmethod
    def _flat(X):
        """Return one row per sample."""
        return X if X.ndim == 2 else X.reshape(len(X), -1)

    def _find_neighbors(self, flat, reduced, neighbor_graph, seed):
        """Read or find the neighbours of every sample."""
        n_samples = flat.shape[0]
        if neighbor_graph is not None:
            return initialization.read_neighbor_graph(neighbor_graph, n_samples)
        n_neighbors = min(self.n_neighbors, n_samples - 1)
        if n_neighbors < self.n_neighbors:
            warnings.warn(
                f"n_neighbors ({self.n_neighbors}) must be less than the number of "
                f"samples in X ({n_samples}): {n_neighbors} are used",
                UserWarning,
                stacklevel=find_stack_level(),
            )
        # Distances between rows of fewer columns take less time; where none were left
        # out, they are the same.
        with np.errstate(over="ignore"):  # the search refuses what is infinite
            table = reduced.astype(np.float32) if self.metric == "euclidean" else flat
        return nearest_neighbors(
            table,
            n_neighbors,
            metric=self.metric,
            metric_params=self.metric_params,
            random_state=seed,
            n_jobs=self.n_jobs,
        )

    def _find_coordinates(self, X, seed):
        """Find the spectral coordinates of the training samples."""
        for name in ("spectral_", "spectral_embedding_"):
            vars(self).pop(name, None)
        if self.spectral is None:
            return None
        needed = self._list_needs()
        n_components = min(self.spectral_components, X.shape[0] - 2)
        least = self.n_components if self.residual else 1
        if needed and n_components < least:
            raise ValueError(
                f"{needed[0]} needs at least {least} spectral coordinates, but "
                f"spectral_components={self.spectral_components} and {X.shape[0]} "
                f"samples give {n_components}"
            )
        if n_components < 1:
            coordinates = np.zeros((X.shape[0], 1))
        elif needed or self.spectral == "grease":
            from celltyping.transformers._grease import GrEASE

            self.spectral_ = GrEASE(
                n_components,
                n_neighbors=min(self.n_neighbors, X.shape[0] - 1),
                metric=self.metric,
                metric_params=self.metric_params,
                solver="exact" if self.spectral == "exact" else "minibatch",
                n_input_components=self.n_input_components,
                n_anchors=0 if self.encoder_init == "spectral" else self.n_anchors,
                hidden_layer_sizes=self.hidden_layer_sizes,
                device=self.device,
                random_state=seed,
                n_jobs=self.n_jobs,
                verbose=self.verbose,
            ).fit(self._flat(X))
            coordinates = self.spectral_.embedding_.astype(np.float64)
        else:
            _, coordinates = leading_eigenvectors(
                self.graph_, n_components, random_state=seed
            )
        self.spectral_embedding_ = coordinates
        return coordinates

    def _lay_out(self, start, coordinates, radii, curve, seed):
        """Lay out the graph."""
        n_epochs = self.n_epochs
        if n_epochs == "auto":
            n_epochs = initialization.n_layout_epochs(len(start))
        n_dense = round(self.dens_frac * n_epochs) if self.densmap else 0
        places = start
        forces = {
            "negative_sample_rate": self.negative_sample_rate,
            "repulsion_strength": self.repulsion_strength,
            "seed": seed,
            "verbose": self.verbose,
        }
        if n_dense < n_epochs:
            places = initialization.lay_out(
                self.graph_,
                places,
                curve=curve,
                n_epochs=n_epochs - n_dense,
                n_jobs=self.n_jobs,
                **forces,
            )
        if n_dense > 0:
            places = initialization.match_radii(
                places,
                self.graph_,
                radii,
                curve=curve,
                n_epochs=n_dense,
                dens_lambda=self.dens_lambda,
                dens_var_shift=self.dens_var_shift,
                dens_subsample_size=self.dens_subsample_size,
                device=self.device_,
                **forces,
            )
        if coordinates is not None:
            places = initialization.mix(places, coordinates, self.spectral_weight)
        return places

    def _place(self, X, placement, coordinates=None):
        """Place samples."""
        if placement.needs_coordinates and coordinates is None:
            coordinates = self.spectral_.transform(X).astype(np.float64)
        return placement.place(X, coordinates, device=self.device_, n_jobs=self.n_jobs)

    @property
    def net_(self):
        """The encoder, a `skorch.NeuralNet`."""
        check_is_fitted(self)
        return self._placement.net

    def transform(self, X):
        """Place samples in the embedding.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples, new or old.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_components)
            Where they belong. A row depends on that row of X alone.

        Raises
        ------
        ValueError
            If X has other features than the training samples.
        """
        check_is_fitted(self)
        X = self._read(X, reset=False)
        return self._place(X, self._placement).astype(X.dtype, copy=False)

    @restore_on_error
    def fit_transform(self, X, y=None, **fit_params):
        """Embed the training samples; the same as ``fit(X, y).transform(X)``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples.
        y : array-like of shape (n_samples,), default=None
            Types, as in `fit`.
        **fit_params
            More arguments of `fit`.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_components)
            Where they are.
        """
        return self.fit(X, y, **fit_params).embedding_.copy()

    @available_if(has_decoder)
    def inverse_transform(self, X):
        """Estimate the features of places in the embedding.

        Only where `decoder` is not False.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Places.

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features)
            Features of samples that would be there; in the shape of the samples that
            were fitted.
        """
        from celltyping._nn._training import predict_float64

        check_is_fitted(self, "decoder_net_")
        X = check_array(X, dtype=(np.float64, np.float32), input_name="X")
        if X.shape[1] != self.n_components:
            raise ValueError(
                f"X must have a column for each of n_components ({self.n_components}), "
                f"got {X.shape[1]}"
            )
        placement = self._placement
        places = placement.standardized(X)
        features = predict_float64(self.decoder_net_.module_, places, self.device_)
        if not has_own_decoder(self):
            features = out_of_sample.restore(
                placement.reduction, features / placement.input_scale
            )
        return features.reshape(len(X), *self._sample_shape).astype(X.dtype, copy=False)

    def __sklearn_is_fitted__(self):
        return "_placement" in vars(self)

    def __getstate__(self):
        state = dict(super().__getstate__())  # what it gives is the estimator's own
        if "decoder_net_" in state:
            from celltyping._nn._training import pack_net

            state["decoder_net_"] = pack_net(state["decoder_net_"])
        return state

    def __setstate__(self, state):
        super().__setstate__(state)
        if "device_" in state:
            from celltyping._nn._training import device_or_cpu

            self.device_ = device_or_cpu(state["device_"])
        if "decoder_net_" in state:
            from celltyping._nn._training import unpack_net

            self.decoder_net_ = unpack_net(state["decoder_net_"])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self.encoder is None
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
