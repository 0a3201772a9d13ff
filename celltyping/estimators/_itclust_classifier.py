"""ItClust: transfer of cell types from an annotated experiment to a new one."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import copy
import warnings
from numbers import Integral, Real

import numpy as np
from scipy import sparse
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import Normalizer, StandardScaler
from sklearn.utils import Bunch, check_consistent_length, check_random_state
from sklearn.utils.validation import check_is_fitted

from celltyping._nn._pickling import PicklableNetMixin
from celltyping._utils._compat import Interval, StrOptions, _fit_context
from celltyping._utils._labels import encode_types, rejected_label, replace_labels
from celltyping._utils._optional import import_optional
from celltyping._utils._restore import restore_on_error
from celltyping._utils._validation import (
    LARGEST_SINGLE,
    check_magnitude,
    validate_samples,
)
from celltyping._utils._warnings import find_stack_level
from celltyping.estimators._itclust import adaptation as _adaptation
from celltyping.estimators._itclust import novelty as _novelty
from celltyping.estimators._partial_labels import KnownScoreMixin


class ItClustClassifier(
    KnownScoreMixin,
    PicklableNetMixin,
    ClassNamePrefixFeaturesOutMixin,
    ClassifierMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Transfer cell types from an annotated experiment to a new one.

    An ensemble of networks learns the types of the labelled cells, the source; in the
    latent space of a network, every type has a centroid. Then the centroids are moved
    to fit the cells of unknown type, the target, because no two experiments measure
    alike. The move is undone if the new labels of the target explain the source worse
    than before.

    The method solves the task of ItClust [1]_ in another way, which has proved more
    accurate; the user guide has the figures.

    Parameters
    ----------
    hidden_layer_sizes : "auto" or sequence of int, default="auto"
        Width of each layer of the networks; the last is the latent. "auto": (64,) for
        up to 10,000 labelled cells, (128,) for more.
    n_networks : int, default=5
        Number of networks, which differ in their random initial weights. They are
        trained at once on the same cells, and their probabilities are averaged.
    alpha : float, default=8.0
        Degrees of freedom of Student's t kernel between a cell and a centroid. Small
        values tolerate cells far from their centroid.
    dropout : float, default=0.0
        Fraction of the units of every layer that are dropped in a training step.
    input_dropout : "auto" or float, default="auto"
        Fraction of a cell's genes that are set to 0 in a training step, as in an
        experiment that detects fewer molecules. "auto": 0.5, or 0 with fewer than 200
        genes.
    label_smoothing : float, default=0.2
        Fraction of the probability that is spread over all types in the training
        targets. Predicted probabilities are corrected for it.
    scaling : {"auto", "unit", "standard"} or None, default="auto"
        "unit": each cell is scaled to length 1. "standard": each gene is scaled to
        mean 0 (unless X is sparse) and variance 1 over the labelled cells. "auto":
        "standard" if X has negative values, else "unit". None: no scaling.
    batch_size : int, default=64
        Number of cells in a training step.
    max_epochs : "auto" or int, default="auto"
        Number of epochs. In each, as many cells are drawn as are labelled, all types
        equally often. "auto": 2, or more if needed for 300 steps (fewer with fewer
        than 300 labelled cells).
    pretrain_epochs : int, default=0
        Number of epochs in which the encoder first learns to reconstruct all cells,
        labelled or not.
    learning_rate : float, default=0.004
        Maximum learning rate of the schedule.
    adaptation : {"auto", "always", "never"}, default="auto"
        Whether the centroids are moved to fit the target. "auto": unless it does harm,
        that is if a type has taken more than a fifth of its cells from other types, or
        if a classifier trained on the new labels of the target predicts the source's
        types worse, by 0.02, than one trained on the labels from before. Then it is
        tried again with 3 and with 10 times the `shrinkage`, and at last omitted.
    shrinkage : float, default=30.0
        Prior strength, in cells: with this many target cells a type's own shift gets
        weight 1/2, the shift shared by all types the rest.
    max_iter : int, default=30
        Maximum number of steps of the adaptation.
    tol : float, default=0.001
        Fraction of the target's cells. The adaptation ends if no more than this
        change type in a step.
    reject_threshold : float, default=None
        Target cells whose `novelty_` exceeds this are labelled "unknown" (-1 if types
        are numbers): they are of a type that the source lacks. 1.2 is a good first
        value. None: every cell gets a type.
    unlabeled_marker : "auto", scalar or list of scalars, default="auto"
        Values in `y` that mean unknown, beside "?", None, NaN and blank strings.
        "auto": -1 among integers, except that y with exactly the values -1 and 1 is a
        binary problem.
    callbacks : list of skorch callbacks, default=None
        Callbacks of each training.
    device : str, default="auto"
        Device of the networks: "cpu", "cuda", …; "auto": a GPU if there is one.
    random_state : int, RandomState instance or None, default=None
        Seed of all that is random. The same seed gives the same result.
    verbose : bool or int, default=False
        Whether to show progress bars.

    Attributes
    ----------
    classes_ : ndarray of shape (n_types,)
        The known types, sorted, including those without a cell in the target.
    transduction_ : ndarray of shape (n_samples,)
        Type of each cell passed to `fit`; for labelled cells the one in `y`.
    label_confidence_ : ndarray of shape (n_samples,)
        Probability of that type; 1 for labelled cells. For rejected cells, the
        probability of the most probable type.
    cluster_confidence_ : ndarray of shape (n_types,)
        Fraction of the target's cells of a type that had this type before the
        adaptation. NaN for a type without cells.
    trajectory_ : Bunch
        Course of the adaptation, at its start and after each step: `labels`, of shape
        (`n_iter_`, n_target), indices into `classes_`; and `centroids`, of shape
        (`n_iter_`, n_types, n_latent), in the whitened latents of all networks side by
        side.
    reverse_score_ : ndarray of shape (2,)
        Accuracy on the source of a classifier trained on the labels of the target:
        before and after the last adaptation that was tried. NaN unless
        ``adaptation="auto"``.
    adapted_ : bool
        Whether moved centroids are in use.
    shrinkage_ : float
        Shrinkage that was used. Defined only if `adapted_`.
    n_iter_ : int
        Length of `trajectory_`: 1, plus the number of steps of the adaptation in use.
    novelty_ : ndarray of shape (n_samples,)
        Mean distance to the nearest labelled cells, averaged over neighbours, in units
        of a familiar cell's. NaN for labelled cells. Defined only if `reject_threshold`
        is given and there is a target.
    loss_curve_ : ndarray of shape (n_epochs,)
        Mean loss per epoch.
    net_ : skorch.NeuralNet
        The trained networks, side by side.
    device_ : str
        Device of the networks.
    n_features_in_ : int
        Number of genes.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the genes. Defined only if X is a table with column names.

    See Also
    --------
    celltyping.transfer_labels : Transfer types between two AnnData.
    celltyping.make_single_cell_pipeline : Pipeline with all preprocessing.

    Notes
    -----
    X should hold log-normalised expression of variable genes, as the first steps of
    :func:`~celltyping.make_single_cell_pipeline` compute it from counts.

    If no type is unknown, there is no target, and this is an ordinary classifier. New
    cells are typed one by one, as cells of the target; `adapt` returns a classifier
    for another target.

    Differences from the published method: the network learns to classify, not first to
    reconstruct expression (unless `pretrain_epochs` is positive); centroids move in
    closed form by expectation maximisation, with one shift shared by all types and one
    of each type, instead of by gradient steps on KL(p ‖ q) that also change the
    encoder; a type without assigned cells remains.

    References
    ----------
    .. [1] J. Hu, X. Li, G. Hu, Y. Lyu, K. Susztak, M. Li. "Iterative transfer learning
       with neural network for clustering and cell type classification in single-cell
       RNA-seq analysis." Nature Machine Intelligence 2, 607-618 (2020).
       :doi:`10.1038/s42256-020-00233-7`
    .. [2] E. Zhong, W. Fan, Q. Yang, O. Verscheure, J. Ren. "Cross Validation Framework
       to Choose amongst Models and Datasets for Transfer Learning." ECML PKDD 2010.
       :doi:`10.1007/978-3-642-15939-8_35`

    Examples
    --------
    Two experiments with three types; the second measures everything a little shifted.

    >>> import numpy as np
    >>> from sklearn.datasets import make_blobs
    >>> from celltyping import ItClustClassifier
    >>> X, types = make_blobs(300, 5, random_state=0)
    >>> y = np.array(["B", "Mono", "T"])[types]
    >>> y[150:] = "?"
    >>> X[150:] += 1.0
    >>> itclust = ItClustClassifier(random_state=0).fit(X, y)
    >>> float(np.mean(itclust.transduction_ == np.array(["B", "Mono", "T"])[types]))
    1.0
    """

    # `transfer_labels` fits such classifiers on source and target together.
    _is_transductive = True

    _parameter_constraints = {
        "hidden_layer_sizes": [StrOptions({"auto"}), "array-like"],
        "n_networks": [Interval(Integral, 1, None, closed="left")],
        "alpha": [Interval(Real, 0, None, closed="neither")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "input_dropout": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="left")],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "scaling": [StrOptions({"auto", "unit", "standard"}), None],
        "batch_size": [Interval(Integral, 2, None, closed="left")],
        "max_epochs": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "pretrain_epochs": [Interval(Integral, 0, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "adaptation": [StrOptions({"auto", "always", "never"})],
        "shrinkage": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, 1, closed="left")],
        "reject_threshold": [Interval(Real, 0, None, closed="neither"), None],
        "unlabeled_marker": "no_validation",
        "callbacks": [list, None],
        "device": [str],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        hidden_layer_sizes="auto",
        *,
        n_networks=5,
        alpha=8.0,
        dropout=0.0,
        input_dropout="auto",
        label_smoothing=0.2,
        scaling="auto",
        batch_size=64,
        max_epochs="auto",
        pretrain_epochs=0,
        learning_rate=4e-3,
        adaptation="auto",
        shrinkage=30.0,
        max_iter=30,
        tol=1e-3,
        reject_threshold=None,
        unlabeled_marker="auto",
        callbacks=None,
        device="auto",
        random_state=None,
        verbose=False,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.n_networks = n_networks
        self.alpha = alpha
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.label_smoothing = label_smoothing
        self.scaling = scaling
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.pretrain_epochs = pretrain_epochs
        self.learning_rate = learning_rate
        self.adaptation = adaptation
        self.shrinkage = shrinkage
        self.max_iter = max_iter
        self.tol = tol
        self.reject_threshold = reject_threshold
        self.unlabeled_marker = unlabeled_marker
        self.callbacks = callbacks
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    @restore_on_error
    def fit(self, X, y):
        """Learn the types of the labelled cells, and type the others.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Log-normalised expression of the source and of the target, one row per
            cell.
        y : array-like of shape (n_samples,)
            Types of the source's cells, and `unlabeled_marker` for those of the target.

        Returns
        -------
        self : ItClustClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            If fewer than two types are known, X holds NaN or infinity, lengths differ,
            a layer's width is no positive integer or the device is not available.
        FloatingPointError
            If a training diverges.
        ImportError
            If torch or skorch is not installed.
        """
        for module in ("torch", "skorch"):
            import_optional(module, extra="nn", needed_by=type(self).__name__)
        from celltyping._nn._training import resolve_device
        from celltyping.estimators._itclust.training import train_networks

        X = self._validate_X(X, reset=True)
        self.classes_, codes = encode_types(
            y,
            self.unlabeled_marker,
            caller=type(self).__name__,
            found=f"X has n_samples = {X.shape[0]}, n_features = {X.shape[1]}",
            rejects="" if self.reject_threshold is None else "reject_threshold",
        )
        check_consistent_length(X, codes)
        random_state = check_random_state(self.random_state)
        self.device_ = resolve_device(self.device)

        known = codes >= 0
        codes = codes[known]
        self._scaler = self._fit_scaler(X, known)
        source = _scale(self._scaler, X[known], copy=False)
        target = _scale(self._scaler, X[~known], copy=False)
        for cells in (source, target):  # the networks are float32
            check_magnitude(cells, type(self).__name__, LARGEST_SINGLE)
        seeds = random_state.randint(np.iinfo(np.int32).max, size=2).tolist()
        self.net_ = train_networks(self, source, target, codes, seeds[0])
        self.loss_curve_ = np.array(self.net_.history[:, "train_loss"])
        latents = np.split(self._embed(source), self.n_networks, axis=1)
        self._source = _adaptation.describe_source(
            source, codes, latents, label_smoothing=self.label_smoothing, seed=seeds[1]
        )
        labels, confidence, novelty = self._adapt_to_target(target)

        self.transduction_ = np.empty(len(known), dtype=labels.dtype)
        self.transduction_[known] = self.classes_[codes]
        self.transduction_[~known] = labels
        self.label_confidence_ = np.ones(len(known))
        self.label_confidence_[~known] = confidence
        if novelty is not None:
            self.novelty_ = np.full(len(known), np.nan)
            self.novelty_[~known] = novelty
        return self

    def adapt(self, X):
        """Return a classifier for another target, from the same source.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Cells of the new target.

        Returns
        -------
        adapted : ItClustClassifier
            A new estimator, whose attributes per cell, such as `transduction_`, are
            those of the cells of X. This one remains unchanged.

        Raises
        ------
        ValueError
            If X has other features than the training cells.
        """
        X = self._validate_and_scale(X)
        adapted = copy.copy(self)
        labels, confidence, novelty = adapted._adapt_to_target(X)
        adapted.transduction_, adapted.label_confidence_ = labels, confidence
        if novelty is not None:
            adapted.novelty_ = novelty
        return adapted

    def predict(self, X):
        """Predict the type of each cell, independently of the others.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Cells of the target or of a similar experiment. Without a target, cells of
            an experiment similar to the source.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Predicted types; with `reject_threshold` also "unknown", or -1 among
            numbers.

        Raises
        ------
        ValueError
            If X has other features than the training cells.
        """
        X = self._validate_and_scale(X)
        novelty = (
            None if self._novelty is None else _novelty.score_novelty(self._novelty, X)
        )
        return self._to_labels(self._predict_proba(X), novelty)

    def predict_proba(self, X):
        """Predict the probability of each type.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Cells, as in `predict`.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_types)
            In the order of `classes_`, given that the cell is of one of these types.
        """
        return self._predict_proba(self._validate_and_scale(X))

    def transform(self, X):
        """Return the latents of cells.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Cells, of the source or the target.

        Returns
        -------
        latents : ndarray of shape (n_samples, n_latent)
            Latents of all networks side by side.
        """
        X = self._validate_and_scale(X)
        return self._embed(X).astype(X.dtype, copy=False)

    def _validate_X(self, X, *, reset):
        """Validate cells."""
        return validate_samples(
            self,
            X,
            reset=reset,
            accept_sparse="csr",
            dtype=(np.float64, np.float32),
            order="C",  # the last bits of sums depend on it
            ensure_min_samples=2 if reset else 1,
        )

    def _validate_and_scale(self, X):
        """Validate cells passed to a fitted estimator, and scale a copy of them."""
        check_is_fitted(self)
        X = _scale(self._scaler, self._validate_X(X, reset=False))
        name = "X, in units of the labelled cells,"
        check_magnitude(X, type(self).__name__, name=name)
        return X

    def _fit_scaler(self, X, known):
        """Return the transformer that scales cells, or None."""
        scaling = self.scaling
        if scaling == "auto":
            scaling = "standard" if X.min() < 0 else "unit"
        if scaling == "standard":
            return StandardScaler(with_mean=not sparse.issparse(X)).fit(X[known])
        return Normalizer() if scaling == "unit" else None

    def _embed(self, X):
        """Return the latents of scaled cells, those of all networks side by side."""
        from celltyping._nn._training import predict_float64

        return predict_float64(self.net_.module_.encoder, X, self.device_)

    def _apply_networks(self, X):
        """Return probabilities without adaptation, and whitened latents per network."""
        from celltyping._nn._type_net import score

        latents = self._embed(X)
        scores = score(self.net_.module_, latents)
        return _adaptation.apply_source(self._source, latents, scores)

    def _adapt_types(self, X, probabilities, latents):
        """Adapt the types to scaled cells; return an Adaptation, and their Novelty."""
        source, seed = self._source, self._source.seed
        with_novelty = self.reject_threshold is not None
        if self.adaptation == "auto" or with_novelty:
            projected = _novelty.project_together(
                source.cells, X, np.random.RandomState(seed)
            )
        options = {"max_iter": self.max_iter, "tol": self.tol, "verbose": self.verbose}
        inputs = source.types, probabilities, latents, float(self.shrinkage)
        if self.adaptation == "never":
            found = _adaptation.not_adapted(source.types, probabilities)
        elif self.adaptation == "always":
            found = _adaptation.adapt(*inputs, **options)
        else:
            found = _adaptation.adapt_with_backoff(
                *inputs, *projected, source.codes, **options
            )
        if not with_novelty:
            return found, None
        distances = _novelty.distances_to_labelled(*projected)
        random_state = np.random.RandomState(seed)
        return found, _novelty.fit_novelty(X, distances, random_state)

    def _adapt_to_target(self, X):
        """Adapt to scaled cells, of which there may be none, and type them.

        Attributes are replaced, never changed in place: the estimator that `adapt`
        returns shares them. Returns labels, probabilities, and novelty or None.
        """
        n_types, novelty = len(self.classes_), None
        if X.shape[0] == 0:
            nothing = np.empty((0, n_types))
            found = _adaptation.not_adapted(self._source.types, nothing)
            self._novelty = None
        else:
            found, self._novelty = self._adapt_types(X, *self._apply_networks(X))
        if not found.converged:
            warnings.warn(
                f"more than {self.tol:.2%} of the cells (tol={self.tol}) still change "
                f"type after max_iter={self.max_iter} steps: increase max_iter or tol",
                ConvergenceWarning,
                stacklevel=find_stack_level(),
            )
        for name in ("novelty_", "shrinkage_"):  # of another target
            if hasattr(self, name):
                delattr(self, name)
        self._moved, self.adapted_ = found.moved, found.moved is not None
        if self.adapted_:
            self.shrinkage_ = found.shrinkage
        self.reverse_score_ = found.reverse_score
        self.n_iter_ = len(found.labels)
        self.trajectory_ = Bunch(
            labels=np.array(found.labels), centroids=np.array(found.centroids)
        )
        self.cluster_confidence_ = _adaptation.cluster_confidence(
            found.labels[0], found.labels[-1], n_types
        )
        if self._novelty is not None:
            novelty = _novelty.score_novelty(self._novelty, X)
        labels = self._to_labels(found.probabilities, novelty)
        return labels, found.probabilities.max(axis=1), novelty

    def _predict_proba(self, X):
        """Return the probabilities of the types of scaled cells."""
        probabilities, latents = self._apply_networks(X)
        if self._moved is None:
            return probabilities
        adapted = _adaptation.mean_posterior(self._moved, latents)
        return _adaptation.mix(probabilities, adapted)

    def _to_labels(self, probabilities, novelty):
        """Return the most probable types, and the label of rejected cells."""
        labels = self.classes_[probabilities.argmax(axis=1)]
        if self.reject_threshold is None:
            return labels
        rejected = np.zeros(len(labels), dtype=bool)
        if novelty is not None:
            rejected = novelty > self.reject_threshold
        return replace_labels(labels, rejected, rejected_label(self.classes_))

    @property
    def _n_features_out(self):
        return self.trajectory_.centroids.shape[2]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _scale(scaler, X, *, copy=True):
    """Scale cells, in place if `copy` is False; there may be no scaler or no cell."""
    if scaler is None or X.shape[0] == 0:
        return X
    return scaler.transform(X, copy=copy)
