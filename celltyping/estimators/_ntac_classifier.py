"""NTAC: types of neurons from who connects to whom, with some types known."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import warnings
from numbers import Integral, Real

import numpy as np
from joblib import Parallel
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Bunch, gen_batches
from sklearn.utils.validation import check_is_fitted

from celltyping._utils._compat import Interval, StrOptions, _fit_context
from celltyping._utils._labels import encode_types
from celltyping._utils._progress import progress_bar
from celltyping._utils._restore import restore_on_error
from celltyping._utils._warnings import find_stack_level
from celltyping.connectome import Connectome
from celltyping.connectome._affinity import WiringMixin
from celltyping.estimators._ntac import propagation
from celltyping.estimators._partial_labels import KnownScoreMixin

# The second-order block joins when at most this share of the nodes changes in a step,
# or no fewer than in the step before. Earlier, it would repeat first guesses, at the
# highest cost and without a gain.
SETTLED = 0.05

# While more than this share of the nodes changes in a step, each counts in its best
# type alone: its other types say nothing yet, and comparing would take twice as long.
UNSETTLED = 0.5

# How much a partner counts whose type is not known yet, in a column of its own.
UNTYPED_SHARE = 1.0

# Rows for which a dense table of all types is held at once.
BATCH = 4096


class NtacClassifier(WiringMixin, KnownScoreMixin, ClassifierMixin, BaseEstimator):
    """Neuronal type assignment from connectivity, with some types known.

    Neurons of one type have partners of the same types. Each neuron is described by
    how many synapses it gets from, and makes onto, each type; it takes the type of the
    typed neuron that is described most alike; and since that types more partners, the
    descriptions sharpen, until few neurons change.

    ``NtacClassifier(edge_weighting="linear", membership="hard",
    second_order_weight=0, consensus_weight=0)`` are the settings of the published
    method [1]_. The defaults type the neurons of the brains that were tried better;
    the user guide has the figures.

    Parameters
    ----------
    n_neighbors : int, default=1
        1: a neuron takes the type of the most similar typed neuron. More: that many
        vote, each with weight log(1 + s / (1 - s)) for similarity s.
    membership : {"soft", "hard"}, default="soft"
        "hard": a neuron counts as a partner of its type alone. "soft": it counts in
        its `max_memberships` best types, each with a share that falls with similarity.
        Neurons of known type always count in that alone, and so do all while more
        than half of them change in a step.
    sharpness : float, default=8.0
        Shares are proportional to exp(sharpness * s / m) for similarity s, where m is
        the mean similarity of the neurons of unknown type to their best. They are also
        the probabilities of `predict_proba`.
    max_memberships : int, default=4
        In how many types a neuron counts at most. Shares under a tenth of the best
        are left out.
    second_order_weight : float, default=0.5
        Weight of a second block of the description, relative to the first: the mean
        description of the partners, that is, which types *their* partners have. It
        joins once the first block has settled. 0: off.
    consensus_weight : float, default=0.5
        At the end, a neuron that counts in several types mixes its probabilities with
        those of the two neurons, typed or not, that are wired most alike: often its
        twin on the other side of the brain. This is their part in the mixture. 0: off.
    feature_weight : float, default=1.0
        Factor of the node features of a Connectome, which must be nonnegative; they
        are compared along with the counts. 0: not used.
    edge_weighting : {"sqrt", "linear", "log1p"}, default="sqrt"
        How the number of synapses of an edge counts.
    learning_rate : float, default=1.0
        New description = (1 - learning_rate) * old + learning_rate * new counts. It is
        halved after each step in which more nodes change than in the one before, so
        that types which oscillate come to rest.
    max_iter : int, default=30
        Largest number of steps.
    tol : float, default=0.01
        The steps stop when at most this share of the nodes changes type.
    affinity : {"auto", "precomputed", "rbf", "nearest_neighbors"}, default="auto"
        What a plain matrix is. "auto" and "rbf": a table of features, from which an
        RBF affinity graph is made. "nearest_neighbors": a table of features, dense or
        sparse, from which a graph of nearest neighbours is made. "precomputed": the
        graph's adjacency matrix. A Connectome is always a graph.
    gamma : float, default=None
        Of the RBF affinity exp(-gamma * d²). None: 1 / (n_features * X.var()).
    n_graph_neighbors : int, default=15
        Neighbours of each row in the nearest-neighbour graph.
    unlabeled_marker : "auto" or scalar, default="auto"
        What in `y` means that the type is unknown. "auto": "?", None and NaN among
        strings, -1 among integers, except that y with exactly the values -1 and 1 is
        a binary problem.
    n_jobs : int, default=None
        Number of threads, as in joblib. The result is the same for any number.
    verbose : bool, default=False
        Whether to show a progress bar over the steps.

    Attributes
    ----------
    classes_ : ndarray of shape (n_types,)
        The known types, sorted.
    transduction_ : ndarray of shape (n_samples,)
        The type of each sample that was fitted: for labelled ones that of `y`.
    label_confidence_ : ndarray of shape (n_samples,)
        Probability of that type, as in `predict_proba`; but 0, not the share of the
        type, for samples that are similar to no labelled one.
    n_iter_ : int
        Number of steps.
    history_ : Bunch
        Per step: `changed`, the share of nodes that changed type, and
        `similarity`, the mean score of the best type of the unlabelled nodes.
    n_features_in_ : int
        Number of nodes of a Connectome's graph, or of columns of a matrix.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Defined only if a table with column names was fitted.

    See Also
    --------
    celltyping.TypeProfile : The description alone, as a transformer.
    celltyping.SeedShuffleSplit : Cross-validation with partly typed data.

    Notes
    -----
    Samples whose type is unknown have to be there at `fit`: they are part of the
    wiring. A Connectome brings all its nodes, also those not in view.

    `predict` on a view of the fitted graph gives the joint answer. New rows of a plain
    matrix are typed one by one from their edges *to* the fitted nodes, because the
    edges *from* those are not there.

    Partners whose type is not known yet count in a column of their own. The published
    method leaves them out, and its program counts them to the first type; in the first
    step they are most partners, and their number says much: on the larva it is worth
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
        "second_order_weight": [Interval(Real, 0, None, closed="left")],
        "consensus_weight": [Interval(Real, 0, 1, closed="both")],
        "feature_weight": [Interval(Real, 0, None, closed="left")],
        "learning_rate": [Interval(Real, 0, 1, closed="right")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, 1, closed="left")],
        "unlabeled_marker": "no_validation",
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
        **WiringMixin._wiring_constraints,
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
        edge_weighting="sqrt",
        learning_rate=1.0,
        max_iter=30,
        tol=0.01,
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
        self.edge_weighting = edge_weighting
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.tol = tol
        self.affinity = affinity
        self.gamma = gamma
        self.n_graph_neighbors = n_graph_neighbors
        self.unlabeled_marker = unlabeled_marker
        self.n_jobs = n_jobs
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    @restore_on_error
    def fit(self, X, y):
        """Type the samples whose type is unknown.

        Parameters
        ----------
        X : Connectome or {array-like, sparse matrix} of shape (n_samples, n_features)
            A view of a connectome, or what `affinity` says.
        y : array-like of shape (n_samples,)
            Types, unknown ones marked as `unlabeled_marker` says.

        Returns
        -------
        self : NtacClassifier
            The fitted estimator.

        Raises
        ------
        ValueError
            If no type or only one is known, y has the wrong length, or X is no graph
            where one is meant.
        TypeError
            If X is sparse and `affinity` does not say what it is.
        """
        wiring = self._fit_wiring(X)
        self.classes_, codes = encode_types(
            y,
            self.unlabeled_marker,
            caller=type(self).__name__,
            found=f"X has n_samples = {len(wiring.in_view)}, n_features = "
            f"{self.n_features_in_}",
        )
        if len(codes) != len(wiring.in_view):
            raise ValueError(
                f"y must have one type per sample of X: got {len(codes)} types for "
                f"{len(wiring.in_view)} samples (inconsistent numbers of samples)"
            )
        known = codes >= 0
        self._labels = np.full(wiring.adjacency.shape[0], -1, dtype=np.int32)
        self._labels[wiring.in_view[known]] = codes[known]
        counts = np.bincount(codes[known], minlength=len(self.classes_))
        self._prior = counts / counts.sum()
        # Labelled nodes in ascending order of their types, as the kernels expect.
        order = np.argsort(self._labels, kind="stable")
        n_unlabelled = np.count_nonzero(self._labels < 0)
        self._unlabelled, self._labelled = np.split(order, [n_unlabelled])
        # Where no node is labelled, being untyped says nothing.
        _, component = connected_components(wiring.adjacency, connection="weak")
        self._reachable = np.isin(component, component[self._labelled])
        edges = propagation.Edges.from_csr(wiring.adjacency, wiring.transpose)
        features = self._weighted_features(wiring)
        with Parallel(n_jobs=self.n_jobs, prefer="threads") as parallel:
            best, scores = self._propagate(edges, features, parallel)
            self._conclude(best, scores, edges, parallel)
        self.transduction_ = self.classes_[self._types[wiring.in_view]]
        largest = self._probabilities.max(axis=1).toarray().ravel()
        self.label_confidence_ = largest[wiring.in_view]
        return self

    def _propagate(self, edges, features, parallel):
        """Repeat the step until few nodes change their type; return the last scores."""
        n_nodes, n_types = len(self._labels), len(self.classes_)
        n_best = min(self.max_memberships, n_types) if self.membership == "soft" else 1
        nobody = np.full((len(self._unlabelled), n_best), -1, dtype=np.int32)
        best, scores = nobody, np.zeros(nobody.shape, dtype=np.float32)
        counts = None
        settled = self.second_order_weight == 0
        last_changed, rate = 1.0, self.learning_rate
        self.history_ = Bunch(changed=[], similarity=[])
        with progress_bar(
            self.max_iter, description="NTAC steps", verbose=self.verbose
        ) as bar:
            for _ in range(self.max_iter):
                n_counted = 1 if last_changed > UNSETTLED else n_best
                memberships = self._memberships(
                    best[:, :n_counted], scores[:, :n_counted]
                )
                # Partners of no known type count in a last column of their own.
                untyped = self._reachable & (memberships.types[:, 0] < 0)
                memberships.types[untyped, 0] = n_types
                memberships.shares[untyped, 0] = UNTYPED_SHARE
                if rate == 1:  # nothing of the old ones stays: free them first
                    counts = self._embedding = self._references = None
                new_counts = propagation.count_partners(
                    edges, memberships, n_types + 1, parallel
                )
                counts = self._blend(counts, new_counts, rate)
                self._embed(counts, edges, features, settled, parallel)
                old_types = best[:, 0]
                best, scores = self._score(self._unlabelled, n_best, parallel)
                changed = float(np.count_nonzero(best[:, 0] != old_types) / n_nodes)
                self.history_.changed.append(changed)
                similarity = float(scores[:, 0].mean()) if len(scores) else 1.0
                self.history_.similarity.append(similarity)
                bar.update()
                bar.set_postfix(changed=f"{changed:.2%}")
                if settled and changed <= self.tol:
                    break
                if settled and changed >= last_changed:
                    rate /= 2
                settled = settled or changed <= SETTLED or changed >= last_changed
                last_changed = changed
            else:
                if changed > self.tol:
                    warnings.warn(
                        f"{type(self).__name__} stopped after max_iter={self.max_iter} "
                        f"steps, in the last of which {changed:.2%} of the nodes "
                        f"changed their type (tol={self.tol:.2%}): raise max_iter or "
                        "tol, or lower learning_rate",
                        ConvergenceWarning,
                        stacklevel=find_stack_level(),
                    )
        self.n_iter_ = len(self.history_.changed)
        # What new rows of a matrix are compared with: edges out, types as last counted.
        self._counted = propagation.to_csr(memberships, n_types + 1)
        self._out_references = propagation.gather_references(
            counts[self._labelled][:, n_types + 1 :],
            np.arange(len(self._labelled)),
            self._labels[self._labelled],
        )
        return best, scores

    def _conclude(self, best, scores, edges, parallel):
        """Turn the last scores into probabilities; let similar nodes agree on them."""
        n_types = len(self.classes_)
        if self.membership == "hard":  # the steps asked for the best type alone
            best, scores = self._score(self._unlabelled, self.max_memberships, parallel)
        memberships = self._memberships(best, scores, soft=True)
        self._sharpness = self._sharpness_of(scores)  # new rows come without a mean
        self._probabilities = propagation.to_csr(memberships, n_types)
        if self.consensus_weight > 0:
            types = self._labels.copy()
            types[self._unlabelled] = best[:, 0]
            partition = propagation.Memberships(
                types[:, np.newaxis], np.ones((len(types), 1), dtype=np.float32)
            )
            counts = propagation.count_partners(edges, partition, n_types, parallel)
            in_doubt = np.flatnonzero(memberships.types[:, 1:2].ravel() >= 0)
            self._probabilities = propagation.agree(
                counts, in_doubt, self._probabilities, self.consensus_weight, parallel
            )
        types = propagation.most_likely(self._probabilities)
        self._types = np.where(types >= 0, types, np.argmax(self._prior))

    def _memberships(self, best, scores, *, soft=None):
        """Put the types in which each node counts together, labelled or not."""
        if self.membership == "soft" or soft:
            shares = propagation.share_out(best, scores, self._sharpness_of(scores))
        else:
            shares = propagation.Memberships(
                best[:, :1], (best[:, :1] >= 0).astype(np.float32)
            )
        n_best = shares.types.shape[1]
        types = np.full((len(self._labels), n_best), -1, dtype=np.int32)
        types[:, 0] = self._labels
        weights = np.zeros(types.shape, dtype=np.float32)
        weights[self._labelled, 0] = 1.0
        types[self._unlabelled] = shares.types
        weights[self._unlabelled] = shares.shares
        return propagation.Memberships(types, weights)

    def _sharpness_of(self, scores):
        """Turn `sharpness` into units of the mean score of the best types."""
        scored = scores[:, 0] > 0
        if not scored.any():
            return self.sharpness
        return self.sharpness / float(scores[scored, 0].mean(dtype=float))

    @staticmethod
    def _blend(old_counts, new_counts, rate):
        """Move the counts towards the new ones."""
        if old_counts is None or rate == 1:
            return new_counts
        rate = np.float32(rate)
        return sparse.csr_array((1 - rate) * old_counts + rate * new_counts)

    def _embed(self, counts, edges, features, settled, parallel):
        """Describe the nodes by counts, partners' profiles and features."""
        embedding = counts
        if settled and self.second_order_weight > 0:
            embedding = propagation.add_second_order(
                counts, edges, self.second_order_weight, parallel
            )
        embedding = sparse.hstack([embedding, features], format="csr")
        self._embedding = embedding
        self._sums = propagation.row_sums(embedding)
        self._references = propagation.gather_references(
            embedding, self._labelled, self._labels[self._labelled]
        )

    def _score(self, rows, n_best, parallel, new_rows=None):
        """Find the best types of nodes, or of `new_rows` by their edges out."""
        matrix, sums, references = self._embedding, self._sums, self._references
        if new_rows is not None:
            matrix, sums = new_rows, propagation.row_sums(new_rows)
            references = self._out_references
        return propagation.score_types(
            rows,
            matrix,
            sums,
            references,
            self.n_neighbors,
            min(n_best, len(self.classes_)),
            np.log(1 / propagation.LEAST_SHARE)
            / self.sharpness,  # scores are at most 1
            parallel,
        )

    def predict(self, X):
        """Give the types of a view's nodes, or of new rows.

        Parameters
        ----------
        X : Connectome or {array-like, sparse matrix} of shape (n_samples, n_features)
            A view of the connectome that was fitted; or new rows, which are typed one
            by one: features, or weights of edges to the fitted nodes.

        Returns
        -------
        types : ndarray of shape (n_samples,)
            Types; for labelled nodes of the fitted connectome the ones given.

        Raises
        ------
        ValueError
            If X is a view of another graph.
        """
        check_is_fitted(self)
        if isinstance(X, Connectome):
            return self.classes_[self._types[self._positions(X)]]
        types = [
            np.where(largest >= 0, largest, np.argmax(self._prior))
            for largest in map(propagation.most_likely, self._row_probabilities(X))
        ]
        return self.classes_[np.concatenate(types)]

    def predict_proba(self, X):
        """Give the probabilities of the types; `predict` takes the largest.

        Parameters
        ----------
        X : Connectome or {array-like, sparse matrix} of shape (n_samples, n_features)
            As in `predict`.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_types)
            Probabilities in the order of `classes_`; rows sum to 1. Types that are not
            among the best have 0, and labelled nodes have 1 for their type.
        """
        check_is_fitted(self)
        if isinstance(X, Connectome):
            return self._filled(self._probabilities[self._positions(X)])
        return np.concatenate([self._filled(P) for P in self._row_probabilities(X)])

    def rank_types(self, X, k=3):
        """Give the k most probable types and how similar each is.

        Parameters
        ----------
        X : Connectome or {array-like, sparse matrix} of shape (n_samples, n_features)
            As in `predict`.
        k : int, default=3
            How many types to give, at most the number of known types.

        Returns
        -------
        types : ndarray of shape (n_samples, k)
            Types by falling probability, and by falling similarity where that is 0;
            the first is what `predict` gives.
        similarities : ndarray of shape (n_samples, k)
            Weighted Jaccard similarity to the most similar labelled node of the type.

        Raises
        ------
        ValueError
            If k is not between 1 and the number of known types.
        """
        check_is_fitted(self)
        n_types = len(self.classes_)
        if not isinstance(k, Integral) or not 1 <= k <= n_types:
            raise ValueError(
                f"k must be an integer between 1 and the number of known types "
                f"({n_types}), got {k!r}"
            )
        ranked, similarities = [], []
        with Parallel(n_jobs=self.n_jobs, prefer="threads") as parallel:
            for rows, probabilities, *compared in self._ranking_batches(X):
                table = propagation.score_all_types(rows, *compared, n_types, parallel)
                # Types without a probability come after all that have one.
                key = np.where(probabilities > 0, probabilities, table - 2.0)
                best = np.argsort(-key, axis=1, kind="stable")[:, :k]
                ranked.append(best)
                similarities.append(np.take_along_axis(table, best, axis=1))
        return self.classes_[np.concatenate(ranked)], np.concatenate(similarities)

    def _filled(self, probabilities):
        """Write probabilities as a table; an empty row gets the shares of the types."""
        table = probabilities.toarray()
        table[np.diff(probabilities.indptr) == 0] = self._prior
        return table

    def _new_rows(self, X):
        """Describe new rows by their edges to the fitted nodes, batch by batch."""
        X = self._read_matrix(X, reset=False)
        for batch in gen_batches(X.shape[0], BATCH):
            rows = sparse.csr_array(self._out_edges(X[batch]) @ self._counted)
            rows.sort_indices()
            yield rows.astype(np.float32)

    def _row_probabilities(self, X):
        """Score new rows, batch by batch."""
        with Parallel(n_jobs=self.n_jobs, prefer="threads") as parallel:
            for rows in self._new_rows(X):
                best, scores = self._score(
                    np.arange(rows.shape[0]), self.max_memberships, parallel, rows
                )
                shares = propagation.share_out(best, scores, self._sharpness)
                yield propagation.to_csr(shares, len(self.classes_))

    def _ranking_batches(self, X):
        """Yield rows, their probabilities, and what their similarities come from."""
        if isinstance(X, Connectome):
            positions = self._positions(X)
            for batch in gen_batches(max(len(positions), 1), BATCH):
                rows = positions[batch]
                probabilities = self._filled(self._probabilities[rows])
                yield (
                    rows,
                    probabilities,
                    self._embedding,
                    self._sums,
                    self._references,
                )
            return
        for rows, probabilities in zip(
            self._new_rows(X), self._row_probabilities(X), strict=True
        ):
            yield (
                np.arange(rows.shape[0]),
                self._filled(probabilities),
                rows,
                propagation.row_sums(rows),
                self._out_references,
            )
