"""Neuronal type assignment from connectivity (NTAC), with some types known."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import warnings
from numbers import Integral, Real

import numpy as np
from joblib import Parallel
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Bunch, gen_batches
from sklearn.utils.validation import check_is_fitted

from celltyping._kernels._similarity import Rows
from celltyping._utils._compat import ANY_N_JOBS, Interval, StrOptions, _fit_context
from celltyping._utils._labels import encode_types
from celltyping._utils._restore import restore_on_error
from celltyping._utils._validation import is_integer
from celltyping._utils._warnings import find_stack_level
from celltyping.connectome import Connectome
from celltyping.connectome._affinity import GraphInputMixin
from celltyping.estimators._ntac import components, propagation
from celltyping.estimators._partial_labels import KnownScoreMixin

# Rows for which a dense table of all types is held at once.
BATCH = 4096


class NtacClassifier(GraphInputMixin, KnownScoreMixin, ClassifierMixin, BaseEstimator):
    """Neuronal type assignment from connectivity, with some types known.

    Neurons of one type have partners of the same types. Each neuron is described by its
    number of synapses from and to each type, and takes the type of the typed neuron
    with the most similar description. As this adds types of partners, descriptions
    become more specific; the steps are repeated until few neurons change.

    ``NtacClassifier(edge_weighting="linear", membership="hard",
    second_order_weight=0, consensus_weight=0)`` are the settings of the published
    method [1]_. The defaults were more accurate on the connectomes that were tried; see
    the user guide for the figures.

    Parameters
    ----------
    n_neighbors : int, default=1
        Number of most similar typed neurons that decide. With more than one, they vote,
        each with weight log(1 + s / (1 - s)) for similarity s.
    membership : {"soft", "hard"}, default="soft"
        Types in which a neuron counts as a partner: the best one ("hard"), or the
        `max_memberships` best ones with shares that fall with similarity ("soft").
        Neurons of known type always count in that type, and all neurons count in their
        best type while more than half of them change in a step.
    sharpness : float, default=8.0
        Inverse temperature of the shares, which are proportional to
        exp(sharpness * s / m) for similarity s, where m is the mean similarity of the
        neurons of unknown type to their best type. The shares are also the
        probabilities of `predict_proba`.
    max_memberships : int, default=4
        Maximum number of types in which a neuron counts. Shares under a tenth of the
        best are left out.
    second_order_weight : float, default=0.5
        Weight of a second block of the description, relative to the first: the mean
        description of the partners, that is, the types of *their* partners. It joins
        once the first block has settled. 0: none.
    consensus_weight : float, default=0.5
        Weight of the neighbours in a final smoothing: the probabilities of a neuron
        that counts in several types are mixed with those of the two neurons, typed or
        not, with the most similar partners, often its homologue on the other side of
        the brain. 0: none.
    feature_weight : float, default=1.0
        Factor of the node features of a Connectome, which must be nonnegative; they
        are compared along with the counts. 0: not used.
    damping : float, default=0.0
        Weight of the old description in the new one, in [0, 1): damping * old +
        (1 - damping) * new counts. Once few nodes change, the weight of the new counts
        is halved after each step in which more nodes change than in the step before,
        which ends oscillations; also with the default.
    max_iter : int, default=30
        Maximum number of steps.
    tol : float, default=0.01
        Maximum fraction of nodes that change type in a step at which the steps stop.
    match_components : bool, default=True
        Whether to type the nodes of other components of a Connectome, such as another
        brain, by matching them with the nodes of the component with most known types;
        see `match_connectomes`. Where some types are known there, they weigh as much as
        its share of known types is of that component's, and more if it has types of its
        own. A component with fewer nodes than there are types is not matched. False:
        none is; nodes that no edges connect to a labelled one get the most frequent
        type.
    edge_weighting : {"sqrt", "linear", "log1p"}, default="sqrt"
        Transformation of the number of synapses of an edge.
    affinity : {"auto", "precomputed", "rbf", "nearest_neighbors"}, default="auto"
        Meaning of a plain matrix. "auto" and "rbf": a table of features, which becomes
        an RBF affinity graph. "nearest_neighbors": a table of features, dense or
        sparse, which becomes a graph of nearest neighbours. "precomputed": the
        adjacency matrix of a graph. A Connectome is always a graph.
    gamma : float, default=None
        Coefficient of the RBF affinity exp(-gamma * d²). None: 1 / (n_features *
        X.var()).
    n_graph_neighbors : int, default=15
        Number of neighbours of each row in the nearest-neighbour graph.
    unlabeled_marker : "auto", scalar or list of scalars, default="auto"
        Values in `y` that mean unknown. "?", None, NaN, blank strings and the texts
        "nan", "NaN", "NaT", "None" and "<NA>" always do. "auto": also -1 among
        integers, except that y with exactly the values -1 and 1 is a binary problem;
        and a warning of types with a name such as "Unassigned".
    n_jobs : int, default=None
        Number of threads, as in joblib. The result is the same for any number.
    verbose : bool, default=False
        Whether to show a progress bar over the steps.

    Attributes
    ----------
    classes_ : ndarray of shape (n_types,)
        The known types, sorted.
    transduction_ : ndarray of shape (n_samples,)
        Type of each fitted sample: for labelled ones that of `y`.
    label_confidence_ : ndarray of shape (n_samples,)
        Probability of that type, as in `predict_proba`; but 0, not the share of the
        type, for samples that are similar to no labelled one.
    n_iter_ : int
        Number of steps.
    history_ : Bunch
        Per step: `changed`, the fraction of nodes that changed type, and `similarity`,
        the mean score of the best type of the unlabelled nodes.
    n_features_in_ : int
        Number of nodes of a Connectome's graph, or number of columns of a matrix.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Defined only if a table with column names was fitted.

    See Also
    --------
    celltyping.TypeProfile : The description alone, as a transformer.
    celltyping.SeedShuffleSplit : Cross-validation with partly typed data.

    Notes
    -----
    Samples of unknown type must be part of X in `fit`, because their edges are needed.
    A Connectome holds all its nodes, also those that are not in view.

    `predict` on a view of the fitted graph returns the joint result. New rows of a
    plain matrix are typed one by one from their edges *to* the fitted nodes, because
    they have no edges *from* those.

    Partners of unknown type count in a column of their own. The published method leaves
    them out, and its program counts them to the first type. In the first step most
    partners are of this kind, and their number is informative: on the larva it is worth
    one point of accuracy.

    Nodes without a similar labelled one, such as isolated ones, get the most frequent
    type, the shares of the types among the labelled ones as probabilities, and a
    confidence of 0.

    References
    ----------
    .. [1] G. Schwartzman, B. Jourdan, D. García-Soriano, A. Matsliah. "NTAC: Neuronal
       Type Assignment from Connectivity." Nature Communications 17, 1284 (2026).
       :doi:`10.1038/s41467-025-68044-1`

    Examples
    --------
    >>> from celltyping import NtacClassifier
    >>> from celltyping.datasets import make_connectome
    >>> sample = make_connectome(300, n_types=4, n_edges=12000, random_state=0)
    >>> y = sample.target.copy()
    >>> y[100:] = "?"
    >>> ntac = NtacClassifier().fit(sample.data, y)
    >>> float((ntac.transduction_ == sample.target).mean()) > 0.9
    True
    """

    _parameter_constraints = {
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "membership": [StrOptions({"hard", "soft"})],
        "sharpness": [Interval(Real, 0, None, closed="neither")],
        "max_memberships": [Interval(Integral, 1, None, closed="left")],
        "second_order_weight": [Interval(Real, 0, 1e6, closed="both")],
        "consensus_weight": [Interval(Real, 0, 1, closed="both")],
        "feature_weight": [Interval(Real, 0, None, closed="left")],
        "damping": [Interval(Real, 0, 1, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, 1, closed="left")],
        "match_components": ["boolean"],
        **GraphInputMixin._graph_constraints,
        "unlabeled_marker": "no_validation",
        "n_jobs": ANY_N_JOBS,
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        n_neighbors=1,
        *,
        membership="soft",
        sharpness=8.0,
        max_memberships=4,
        second_order_weight=0.5,
        consensus_weight=0.5,
        feature_weight=1.0,
        damping=0.0,
        max_iter=30,
        tol=0.01,
        match_components=True,
        edge_weighting="sqrt",
        affinity="auto",
        gamma=None,
        n_graph_neighbors=15,
        unlabeled_marker="auto",
        n_jobs=None,
        verbose=False,
    ):
        self.n_neighbors = n_neighbors
        self.membership = membership
        self.sharpness = sharpness
        self.max_memberships = max_memberships
        self.second_order_weight = second_order_weight
        self.consensus_weight = consensus_weight
        self.feature_weight = feature_weight
        self.damping = damping
        self.max_iter = max_iter
        self.tol = tol
        self.match_components = match_components
        self.edge_weighting = edge_weighting
        self.affinity = affinity
        self.gamma = gamma
        self.n_graph_neighbors = n_graph_neighbors
        self.unlabeled_marker = unlabeled_marker
        self.n_jobs = n_jobs
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    @restore_on_error
    def fit(self, X, y):
        """Assign types to the samples of unknown type.

        Parameters
        ----------
        X : Connectome or {array-like, sparse matrix} of shape (n_samples, n_features)
            View of a connectome, or a matrix of the kind that `affinity` names.
        y : array-like of shape (n_samples,)
            Types; unknown ones are marked by `unlabeled_marker`.

        Returns
        -------
        self : NtacClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            If no type or only one is known, y has the wrong length, or X is not a graph
            where one is expected.
        TypeError
            If X is sparse under ``affinity="auto"``.
        """
        graph = self._validate_graph(X, self.feature_weight)
        n_samples = len(graph.in_view)
        self.classes_, codes = encode_types(
            y,
            self.unlabeled_marker,
            caller=type(self).__name__,
            found=f"X has n_samples = {n_samples}, n_features = {self.n_features_in_}",
        )
        if len(codes) != n_samples:
            raise ValueError(
                f"y must have one type per sample of X: got {len(codes)} types for "
                f"{n_samples} samples (inconsistent numbers of samples)"
            )
        is_known = codes >= 0
        node_codes = np.full(graph.adjacency.shape[0], -1, dtype=np.int32)
        node_codes[graph.in_view[is_known]] = codes[is_known]
        counts = np.bincount(codes[is_known], minlength=len(self.classes_))
        with Parallel(n_jobs=self.n_jobs, prefer="threads") as parallel:
            result = propagation.propagate(
                graph, node_codes, counts / counts.sum(), self._settings(), parallel
            )
            if self.match_components and isinstance(X, Connectome):
                result = components.match_components(
                    result, graph, node_codes, self._settings(), parallel
                )
        self.history_ = Bunch(changed=result.changed, similarity=result.similarity)
        self.n_iter_ = len(result.changed)
        if result.changed[-1] > self.tol:
            warnings.warn(
                f"{type(self).__name__} stopped after max_iter={self.max_iter} steps, "
                f"in the last of which {result.changed[-1]:.2%} of the nodes changed "
                f"their type (tol={self.tol:.2%}): raise max_iter, tol or damping",
                ConvergenceWarning,
                stacklevel=find_stack_level(),
            )
        self.transduction_ = self.classes_[result.types[graph.in_view]]
        largest = result.probabilities.max(axis=1).toarray().ravel()
        self.label_confidence_ = largest[graph.in_view]
        self._result = result
        return self

    def _settings(self):
        """Return the parameters of the propagation."""
        names = propagation.Settings._fields
        return propagation.Settings(*(getattr(self, name) for name in names))

    def predict(self, X):
        """Return the types of the nodes of a view, or of new rows.

        Parameters
        ----------
        X : Connectome or {array-like, sparse matrix} of shape (n_samples, n_features)
            A view of the fitted connectome; or new rows, which are typed one by one:
            features, or weights of edges to the fitted nodes.

        Returns
        -------
        types : ndarray of shape (n_samples,)
            Types; for labelled nodes of the fitted connectome those of `y`.

        Raises
        ------
        ValueError
            If X is a view of another graph.
        """
        check_is_fitted(self)
        if isinstance(X, Connectome):
            return self.classes_[self._result.types[self._positions(X)]]
        types = [
            propagation.most_likely(probabilities, self._result.prior)
            for _, probabilities in self._score_batches(X)
        ]
        return self.classes_[np.concatenate(types)]

    def predict_proba(self, X):
        """Return the probabilities of the types; `predict` takes the largest.

        Parameters
        ----------
        X : Connectome or {array-like, sparse matrix} of shape (n_samples, n_features)
            As in `predict`.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_types)
            Probabilities in the order of `classes_`; rows sum to 1. Types that are not
            among the best have 0, and the type of a labelled node has 1.
        """
        check_is_fitted(self)
        if isinstance(X, Connectome):
            return self._fill(self._result.probabilities[self._positions(X)])
        return np.concatenate([self._fill(P) for _, P in self._score_batches(X)])

    def rank_types(self, X, k=3):
        """Return the k most probable types and their similarities.

        Parameters
        ----------
        X : Connectome or {array-like, sparse matrix} of shape (n_samples, n_features)
            As in `predict`.
        k : int, default=3
            Number of types, at most the number of known types.

        Returns
        -------
        types : ndarray of shape (n_samples, k)
            Types by falling probability, and by falling similarity where that is 0; the
            first is that of `predict`.
        similarities : ndarray of shape (n_samples, k)
            Weighted Jaccard similarity to the most similar labelled node of the type.

        Raises
        ------
        ValueError
            If k is not between 1 and the number of known types.
        """
        check_is_fitted(self)
        n_types = len(self.classes_)
        if not is_integer(k) or not 1 <= k <= n_types:
            raise ValueError(
                f"k must be an integer between 1 and the number of known types "
                f"({n_types}), got {k!r}"
            )
        ranked, similarities = [], []
        with Parallel(n_jobs=self.n_jobs, prefer="threads") as parallel:
            for chosen, rows, references, probabilities in self._ranking_batches(X):
                table = propagation.score_all_types(
                    chosen, rows, references, n_types, parallel
                )
                # Types without a probability come after all others.
                key = np.where(probabilities > 0, probabilities, table - 2.0)
                best = np.argsort(-key, axis=1, kind="stable")[:, :k]
                ranked.append(best)
                similarities.append(np.take_along_axis(table, best, axis=1))
        return self.classes_[np.concatenate(ranked)], np.concatenate(similarities)

    def _fill(self, probabilities):
        """Return probabilities as a table, with the prior in empty rows."""
        table = probabilities.toarray()
        table[np.diff(probabilities.indptr) == 0] = self._result.prior
        return table

    def _score_batches(self, X):
        """Yield the embedding and the probabilities of new rows, batch by batch."""
        X = self._validate_X(X, reset=False)
        result, settings = self._result, self._settings()
        n_types = len(self.classes_)
        n_best = min(self.max_memberships, n_types)
        with Parallel(n_jobs=self.n_jobs, prefer="threads") as parallel:
            for batch in gen_batches(X.shape[0], BATCH):
                out = sparse.csr_array(self._out_edges(X[batch]) @ result.members)
                out.sort_indices()
                rows = Rows.from_scipy(out.astype(np.float32))
                best, scores = propagation.score_types(
                    np.arange(out.shape[0]),
                    rows,
                    result.out_references,
                    n_best,
                    settings,
                    parallel,
                )
                shares = propagation.softmax_memberships(best, scores, result.sharpness)
                yield rows, shares.to_csr(n_types)

    def _ranking_batches(self, X):
        """Yield row indices, rows, references and probabilities, batch by batch."""
        result = self._result
        if isinstance(X, Connectome):
            positions = self._positions(X)
            # At least one batch, for the shape of the result.
            for batch in gen_batches(max(len(positions), 1), BATCH):
                chosen = positions[batch]
                probabilities = self._fill(result.probabilities[chosen])
                yield chosen, result.rows, result.references, probabilities
        else:
            for rows, probabilities in self._score_batches(X):
                chosen = np.arange(len(rows.sums))
                yield chosen, rows, result.out_references, self._fill(probabilities)
