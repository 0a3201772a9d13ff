"""ItClust: cell types of an annotated experiment, carried over to a new one."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import copy
import warnings
from functools import partial

import numpy as np
from scipy import sparse
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler, normalize
from sklearn.utils import Bunch, check_consistent_length, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from celltyping._utils._compat import _fit_context
from celltyping._utils._labels import encode_types
from celltyping._utils._optional import import_optional
from celltyping._utils._progress import progress_bar
from celltyping._utils._restore import restore_on_error
from celltyping._utils._sparse import sum_duplicates
from celltyping._utils._warnings import find_stack_level
from celltyping.estimators._itclust import adaptation as _adaptation
from celltyping.estimators._itclust import novelty as _novelty
from celltyping.estimators._itclust_parameters import ItClustParameters
from celltyping.estimators._partial_labels import KnownScoreMixin


class ItClustClassifier(
    ItClustParameters,
    KnownScoreMixin,
    ClassNamePrefixFeaturesOutMixin,
    ClassifierMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Carry cell types from an annotated experiment over to a new one.

    Networks learn the types of the labelled cells, the source, each with a latent in
    which every type has a centroid. The cells whose type is unknown, the target, then
    move the centroids to where they lie, since two experiments never measure alike;
    and if what came out explains the source worse than before, the move is undone.

    It learns what iterative transfer learning with ItClust [1]_ learns, in another
    way, which has proved more accurate; the user guide has the figures.

    Parameters
    ----------
    hidden_layer_sizes : "auto" or sequence of int, default="auto"
        Width of each layer of the networks; the last is the latent. "auto": (64,) for
        up to 10,000 labelled cells, (128,) for more.
    n_networks : int, default=5
        Networks that differ in their random start, are trained on the same cells at
        once, and decide together.
    alpha : float, default=8.0
        Degrees of freedom of Student's t kernel between a cell and a centroid. Small
        ones forgive cells that are far from theirs.
    dropout : float, default=0.0
        Share of the units of every layer that are left out of a training step.
    input_dropout : "auto" or float, default="auto"
        Share of the genes that are left out of a cell in a training step, as they are
        in an experiment that finds fewer molecules. "auto": 0.5, or 0 where there are
        fewer than 200 columns.
    label_smoothing : float, default=0.2
        Share of the probability that a network has to spread over all types while it
        learns. What it says afterwards is corrected for it.
    scaling : {"auto", "unit", "standard"} or None, default="auto"
        "unit": each cell is scaled to length 1. "standard": each column is scaled to
        mean 0 (unless sparse) and variance 1 of the labelled cells. "auto": the first,
        unless something is negative. None: as it is.
    batch_size : int, default=64
        Cells in a training step.
    max_epochs : "auto" or int, default="auto"
        Times that as many cells are drawn as are labelled, all types equally often.
        "auto": 2, or as many as 300 steps take (fewer for fewer than 300 cells).
    pretrain_epochs : int, default=0
        Times that as many cells are drawn as there are, labelled or not, for the
        encoder to learn to restore them before it learns types.
    learning_rate : float, default=0.004
        The largest rate of a training.
    adaptation : {"auto", "always", "never"}, default="auto"
        Whether the target moves the centroids. "auto": yes, unless it does harm. It
        does if a type has taken more than a fifth of its cells from others, or if a
        classifier that learns the new labels of the target tells the source's types
        worse, by 0.02, than one that learns those from before. Then it is tried again
        with 3 times the `shrinkage`, then with 10 times, and then left out.
    shrinkage : float, default=30.0
        With as many cells in the target as this, a type's centroid goes half of its
        own way; the rest it moves as the others do.
    max_iter : int, default=30
        Largest number of steps of the adaptation.
    tol : float, default=0.001
        The steps end when at most this share of the target's cells changes type.
    reject_threshold : float, default=None
        Cells of the target whose `novelty_` is above it are called "unknown" (-1 among
        numbers): they are of a type that the source lacks. 1.2 is a good value to
        begin with. None: every cell gets a type.
    unlabeled_marker : "auto" or scalar, default="auto"
        What in `y` means that the type is unknown. "auto": "?", None and NaN among
        strings, -1 among integers, except that y with exactly the values -1 and 1 is
        a binary problem.
    callbacks : list of skorch callbacks, default=None
        Called along each training.
    device : str, default="auto"
        Where the networks run: "cpu", "cuda", …; "auto": on a GPU where there is one.
    random_state : int, RandomState instance or None, default=None
        Seed of all that is random. The same seed gives the same result.
    verbose : bool or int, default=False
        Whether to show progress bars.

    Attributes
    ----------
    classes_ : ndarray of shape (n_types,)
        The known types, sorted. A type without a cell in the target keeps its place.
    transduction_ : ndarray of shape (n_samples,)
        The type of each cell that was fitted: for labelled ones that of `y`.
    label_confidence_ : ndarray of shape (n_samples,)
        Probability of that type; 1 for labelled cells. For those that were rejected,
        of the type that they would have got.
    cluster_confidence_ : ndarray of shape (n_types,)
        Share of the target's cells of a type which the source networks alone would
        have called so as well. NaN for a type without a cell in the target.
    trajectory_ : Bunch
        What the adaptation went through, first what the source says and then after
        each step: `labels`, of shape (`n_iter_`, n_target), indices into `classes_`;
        and `centroids`, of shape (`n_iter_`, n_types, n_latent), where types are in
        the latents of all networks side by side, whitened.
    reverse_score_ : ndarray of shape (2,)
        How well a classifier that learns the labels of the target tells those of the
        source: before and after the last adaptation that was tried. NaN where it was
        not asked for.
    adapted_ : bool
        Whether the moved centroids are in use.
    shrinkage_ : float
        The shrinkage that was used. Defined only if `adapted_`.
    n_iter_ : int
        Number of times that the target was typed: once by what the source says, and
        after each step of an adaptation that is in use.
    novelty_ : ndarray of shape (n_samples,)
        Mean distance to the nearest labelled cells, averaged among neighbours, where 1
        is that of familiar cells. NaN for labelled cells. Defined only if
        `reject_threshold` is given and there is a target.
    loss_curve_ : ndarray of shape (n_epochs,)
        Mean loss per epoch.
    net_ : skorch.NeuralNet
        The trained networks, side by side.
    device_ : str
        Where they ran.
    n_features_in_ : int
        Number of genes.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Defined only if a table with column names was fitted.

    See Also
    --------
    celltyping.transfer_labels : Two annotated tables in, types of the second out.
    celltyping.make_single_cell_pipeline : With all that comes before.

    Notes
    -----
    X shall hold log-normalised expression of variable genes, as
    :func:`~celltyping.make_single_cell_pipeline` makes it of counts.

    Without a cell of unknown type there is no target, and this is a plain classifier.
    New cells are typed one by one, as belonging to the target that was fitted;
    `adapt` makes a classifier for another one.

    How it differs from the published method: the network learns to tell types, not
    first to restore expression (`pretrain_epochs` does); centroids move in closed form
    by expectation maximisation, all together and each by itself, in the place of
    gradient steps on KL(p ‖ q) that also change the encoder; a type that no cell is
    assigned to stays.

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
            Types of the source's cells; those of the target are unknown, marked as
            `unlabeled_marker` says.

        Returns
        -------
        self : ItClustClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            If no type or only one is known, X holds NaN or infinity, lengths differ, a
            width is no positive integer or the device is not there.
        FloatingPointError
            If a training diverges; then the estimator is as it was before.
        ImportError
            If torch or skorch is missing.
        """
        for module in ("torch", "skorch"):
            import_optional(module, extra="nn", needed_by=type(self).__name__)
        return self._fit(X, y)

    def _fit(self, X, y):
        """Do what `fit` does."""
        from celltyping._nn._training import resolve_device

        self._check_widths()
        X = self._read(X, reset=True)
        self.classes_, codes = encode_types(
            y,
            self.unlabeled_marker,
            caller=type(self).__name__,
            found=f"X has n_samples = {X.shape[0]}, n_features = {X.shape[1]}",
        )
        check_consistent_length(X, codes)
        self._check_unknown_label()
        random_state = check_random_state(self.random_state)
        self.device_ = resolve_device(self.device)

        known = codes >= 0
        self._learn_scaling(X, known)
        codes = codes[known]
        source, target = (self._scaled(X[rows], copy=False) for rows in (known, ~known))
        widths = self._widths(len(codes))
        self._learn_networks(source, target, codes, widths, random_state)
        self._n_features_out = self.n_networks * widths[-1]
        self._types = [
            _adaptation.describe_types(latent, codes, len(self.classes_))
            for latent in np.split(self._embed(source), self.n_networks, axis=1)
        ]
        self._seed = int(random_state.randint(np.iinfo(np.int32).max))
        rows = _novelty.choose_cells(
            codes, _novelty.MAX_KEPT, np.random.RandomState(self._seed)
        )
        self._kept = source[rows], codes[rows]

        target = self._type_target(target)
        self.transduction_ = np.empty(len(known), dtype=target.labels.dtype)
        self.transduction_[known] = self.classes_[codes]
        self.transduction_[~known] = target.labels
        self.label_confidence_ = np.ones(len(known))
        self.label_confidence_[~known] = target.confidence
        if target.novelty is not None:
            self.novelty_ = np.full(len(known), np.nan)
            self.novelty_[~known] = target.novelty
        return self

    def adapt(self, X):
        """Make a classifier for another target, from the same source.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The cells of the new target.

        Returns
        -------
        adapted : ItClustClassifier
            A new estimator; what it learnt of cells, such as `transduction_`, is of
            those of X. This one stays as it is.

        Raises
        ------
        ValueError
            If X has other features than the training cells.
        """
        check_is_fitted(self)
        adapted = copy.copy(self)
        X = self._scaled(self._read(X, reset=False))
        target = adapted._type_target(X)
        adapted.transduction_ = target.labels
        adapted.label_confidence_ = target.confidence
        if target.novelty is not None:
            adapted.novelty_ = target.novelty
        return adapted

    def _read(self, X, *, reset):
        """Check cells; a sparse matrix that holds a gene of a cell twice is summed."""
        X = validate_data(
            self,
            X,
            reset=reset,
            accept_sparse="csr",
            dtype=(np.float64, np.float32),
            order="C",  # the last bits of sums depend on it
            ensure_min_samples=2 if reset else 1,
        )
        return sum_duplicates(X)

    def _learn_scaling(self, X, known):
        """Decide how cells are scaled."""
        scaling = self.scaling
        if scaling == "auto":
            scaling = "standard" if X.min() < 0 else "unit"
        self._scaling = scaling
        if scaling == "standard":
            self._scaling = StandardScaler(with_mean=not sparse.issparse(X))
            self._scaling.fit(X[known])

    def _scaled(self, X, *, copy=True):
        """Scale cells, in their own place where `copy` is False."""
        if self._scaling is None or X.shape[0] == 0:
            return X
        if self._scaling == "unit":
            return normalize(X, copy=copy)
        return self._scaling.transform(X, copy=copy)

    def _learn_networks(self, source, target, codes, widths, random_state):
        """Train the networks."""
        from celltyping._nn._type_net import learn_types, make_type_net, pretrain

        training = {
            "input_dropout": self._input_dropout(source.shape[1]),
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
            "callbacks": self.callbacks,
            "device": self.device_,
            "verbose": self.verbose,
        }
        seed = int(random_state.randint(np.iinfo(np.int32).max))
        module = make_type_net(
            source.shape[1],
            widths,
            len(self.classes_),
            seed=seed,
            n_networks=self.n_networks,
            alpha=self.alpha,
            dropout=self.dropout,
        )
        if self.pretrain_epochs > 0:
            X = _novelty.stack(source, target)
            pretrain(module, X, seed=seed, max_epochs=self.pretrain_epochs, **training)
        self.net_ = learn_types(
            module,
            source,
            codes,
            label_smoothing=self.label_smoothing,
            seed=seed,
            max_epochs=self._max_epochs(len(codes)),
            **training,
        )
        self._smoothed = self.label_smoothing
        self.loss_curve_ = np.array(self.net_.history[:, "train_loss"])

    def _embed(self, X):
        """Return the latents of scaled cells, those of all networks side by side."""
        from celltyping._nn._type_net import embed

        return embed(self.net_.module_, X, self.device_)

    def _ask_source(self, latents):
        """Return the probabilities that the networks give without the target."""
        from celltyping._nn._type_net import score

        scores = score(self.net_.module_, latents)
        return _adaptation.unsmooth(scores, self._smoothed).mean(axis=1)

    def _whitened(self, latents):
        """Scale latents so that the covariance of every type is 1."""
        return [
            latent @ types.whiten
            for latent, types in zip(self._split(latents), self._types, strict=True)
        ]

    def _split(self, latents):
        """Return the latents of each network."""
        return np.split(latents, len(self._types), axis=1)

    def _type_target(self, X):
        """Type the cells of the target, which are scaled, and keep what is learnt.

        Attributes are set anew, none is changed in place: `adapt` shares them.
        """
        for name in ("novelty_", "_novelty", "shrinkage_"):
            vars(self).pop(name, None)
        self.reverse_score_, novelty = np.full(2, np.nan), None
        if X.shape[0] == 0:
            nothing = np.empty((0, len(self.classes_)))
            found = _adaptation.not_adapted(self._types, nothing)
        else:
            compared = None
            if self.adaptation == "auto" or self.reject_threshold is not None:
                compared = _novelty.project_together(
                    self._kept[0], X, np.random.RandomState(self._seed)
                )
            found = self._choose_adaptation(X, compared)
            if self.reject_threshold is not None:
                novelty = self._judge_novelty(X, compared)
        if found.shrinkage is not None:
            self.shrinkage_ = found.shrinkage
        if not found.converged:
            self._warn_of_steps()
        self._moved, self.adapted_ = found.moved, found.moved is not None
        self.n_iter_ = len(found.labels)
        self.trajectory_ = Bunch(
            labels=np.array(found.labels), centroids=np.array(found.centroids)
        )
        self.cluster_confidence_ = _adaptation.cluster_confidence(
            found.labels[0], found.labels[-1], len(self.classes_)
        )
        return Bunch(
            labels=self._name(found.probabilities, novelty),
            confidence=found.probabilities.max(axis=1),
            novelty=novelty,
        )

    def _choose_adaptation(self, X, compared):
        """Let the target move the types, as far as `adaptation` allows it."""
        latents = self._embed(X)
        probabilities = self._ask_source(latents)
        before = _adaptation.not_adapted(self._types, probabilities)
        if self.adaptation == "never":
            return before
        adapt_with = partial(self._adapt_types, self._whitened(latents), probabilities)
        if self.adaptation == "always":
            return adapt_with(float(self.shrinkage))
        source, target = compared
        judge = partial(_adaptation.reverse_score, source, self._kept[1], target)
        found, self.reverse_score_ = _adaptation.adapt_cautiously(
            before, adapt_with, judge, self.shrinkage
        )
        return found

    def _judge_novelty(self, X, compared):
        """Learn what tells cells of new types, and ask it about the target."""
        self._novelty = _novelty.fit_novelty(
            X,
            _novelty.distances_to_labelled(*compared),
            np.random.RandomState(self._seed),
        )
        return _novelty.judge(self._novelty, X)

    def _adapt_types(self, latents, probabilities, shrinkage):
        """Let the target move the types."""
        with progress_bar(
            self.max_iter, description="adaptation", verbose=self.verbose
        ) as bar:

            def on_step(changed):
                bar.update()
                bar.set_postfix(changed=f"{changed:.2%}")

            return _adaptation.adapt(
                self._types,
                latents,
                probabilities,
                shrinkage=shrinkage,
                max_iter=self.max_iter,
                tol=self.tol,
                on_step=on_step,
            )

    def _warn_of_steps(self):
        """Warn that the steps of the adaptation did not come to an end."""
        warnings.warn(
            f"more than {self.tol:.2%} of the cells (tol={self.tol}) still change type "
            f"after max_iter={self.max_iter} steps: increase max_iter or tol",
            ConvergenceWarning,
            stacklevel=find_stack_level(),
        )

    def _name(self, probabilities, novelty):
        """Return the most probable types, but of cells that are too novel."""
        labels = self.classes_[probabilities.argmax(axis=1)]
        if self.reject_threshold is None:
            return labels
        names = np.append(self.classes_, self._unknown_label())
        labels = labels.astype(names.dtype)
        if novelty is not None:
            labels[novelty > self.reject_threshold] = self._unknown_label()
        return labels

    def _predict_proba(self, X):
        """Return the probabilities of scaled cells."""
        latents = self._embed(X)
        probabilities = self._ask_source(latents)
        if self._moved is None:
            return probabilities
        return _adaptation.mix(probabilities, self._moved, self._whitened(latents))

    def predict(self, X):
        """Tell the type of cells, each by itself.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Cells of the target or others measured like them. Without a target, cells
            measured like the source.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Their types; with `reject_threshold` also "unknown", or -1 among numbers.

        Raises
        ------
        ValueError
            If X has other features than the training cells.
        """
        check_is_fitted(self)
        X = self._scaled(self._read(X, reset=False))
        novelty = None
        if "_novelty" in vars(self):
            novelty = _novelty.judge(self._novelty, X)
        return self._name(self._predict_proba(X), novelty)

    def predict_proba(self, X):
        """Tell the probability of every type.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Cells, as in `predict`.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_types)
            In the order of `classes_`. That a cell may be of none of these types is
            not counted.
        """
        check_is_fitted(self)
        return self._predict_proba(self._scaled(self._read(X, reset=False)))

    def transform(self, X):
        """Return the latents of cells.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Cells, of the source or the target.

        Returns
        -------
        latents : ndarray of shape (n_samples, n_latent)
            Those of all networks side by side.
        """
        check_is_fitted(self)
        X = self._read(X, reset=False)
        return self._embed(self._scaled(X)).astype(X.dtype, copy=False)

    def __sklearn_is_fitted__(self):
        return "trajectory_" in vars(self)

    def __getstate__(self):
        state = dict(super().__getstate__())  # what it gives is the estimator's own
        if "net_" in state:
            from celltyping._nn._training import pack_net

            state["net_"] = pack_net(state["net_"])
        return state

    def __setstate__(self, state):
        super().__setstate__(state)
        if "device_" in state:
            from celltyping._nn._training import device_or_cpu, unpack_net

            self.device_ = device_or_cpu(state["device_"])
            self.net_ = unpack_net(state["net_"])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
