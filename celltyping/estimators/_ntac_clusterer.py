"""NTAC without labels: clusters of neurons with the same partners."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from numbers import Integral, Real

import joblib
import numpy as np
from joblib import Parallel, delayed
from scipy import sparse
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    TransformerMixin,
)
from sklearn.utils import Bunch, check_random_state, gen_batches
from sklearn.utils.validation import check_is_fitted

from celltyping._kernels._clusters import mean_distance, mean_profiles, settle
from celltyping._utils._compat import Interval, StrOptions, _fit_context
from celltyping._utils._elbow import find_elbow
from celltyping._utils._restore import restore_on_error
from celltyping.connectome import Connectome
from celltyping.connectome._affinity import WiringMixin
from celltyping.estimators._ntac import consensus, growth, propagation, restarts

# Rows for which a dense table of all clusters is held at once.
BATCH = 4096


class NtacClusterer(
    WiringMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    ClusterMixin,
    BaseEstimator,
):
    """Neuronal clusters from connectivity, with no type known.

    Neurons of one type have partners of the same types. So each neuron is described by
    how many synapses it gets from, and makes onto, each *cluster*; neurons that are
    described alike are one cluster; and as clusters get finer, so do descriptions.

    As in the published method [1]_, a run starts from one cluster and splits those
    that gain most. Other than there, it splits several at a time, goes on to twice the
    number that is wanted, and is one of several: the clusters that most runs put
    together are merged. The user guide has formulas and figures.

    Parameters
    ----------
    n_clusters : int or "auto", default=8
        Number of clusters. "auto": the elbow of `cost_path_`, up to `max_clusters`.
    init : {"greedy", "spectral"}, default="greedy"
        Where runs start. "greedy": from one cluster. "spectral": from 16 clusters of a
        spectral embedding, and in larger steps: several times faster; less accurate on
        the larva, as good on simulated brains.
    n_init : int or "auto", default="auto"
        Number of runs. "auto": 5 for the greedy and 4 for the spectral start.
    growth : float or "auto", default="auto"
        Factor by which the number of clusters grows in a round, at least by one; 1.0
        adds one cluster at a time. "auto": 1.1 for the greedy and 1.7 for the spectral
        start.
    n_representatives : int, default=5
        So many neurons, those nearest to the mean of their cluster but at most half of
        it, stay in it during a round.
    candidate_fraction : float, default=0.1
        This part of the neurons, the farthest of each cluster in turn, may become
        centres of new clusters in a round.
    degree_correction : float or "auto", default="auto"
        Descriptions are divided by strength ** degree_correction, where a neuron's
        strength is the sum of its weights: 0 compares amounts, 1 compares shares alone,
        which is right where neurons of one type differ much in their number of
        synapses. "auto": 1 if the runs then agree by 0.1 more in their mean adjusted
        Rand index, else 0; and 0 for one run.
    max_iter : int, default=4
        Largest number of passes over the neurons in a round.
    max_clusters : int, default=100
        Largest number of clusters that "auto" considers.
    feature_weight : float, default=1.0
        Factor of the node features of a Connectome, which must be nonnegative; they
        are compared along with the counts. 0: not used.
    edge_weighting : {"sqrt", "linear", "log1p"}, default="sqrt"
        How the number of synapses of an edge counts.
    affinity : {"auto", "precomputed", "rbf", "nearest_neighbors"}, default="auto"
        What a plain matrix is. "auto" and "rbf": a table of features, from which an
        RBF affinity graph is made. "nearest_neighbors": a table of features, dense or
        sparse, from which a graph of nearest neighbours is made. "precomputed": the
        graph's adjacency matrix. A Connectome is always a graph.
    gamma : float, default=None
        Of the RBF affinity exp(-gamma * d²). None: 1 / (n_features * X.var()).
    n_graph_neighbors : int, default=15
        Neighbours of each row in the nearest-neighbour graph.
    warm_start : bool, default=False
        Whether `fit` on the same data goes on with the runs of the fit before. With a
        larger `n_clusters` this gives what a fresh fit gives, in less time; but a
        `degree_correction_` that was chosen is kept.
    random_state : int, RandomState instance or None, default=None
        What the runs differ by. With ``init="greedy", n_init=1`` nothing is random.
    n_jobs : int, default=None
        Number of threads, among which the runs are shared. The result is the same for
        any number.
    verbose : bool, default=False
        Whether to show a progress bar over the clusters of all runs.

    Attributes
    ----------
    labels_ : ndarray of shape (n_samples,), dtype=int64
        Cluster of each sample; the larger a cluster, the lower its number.
    n_clusters_ : int
        Number of clusters.
    representatives_ : list of ndarray
        For each cluster the positions of its `n_representatives` samples that are
        nearest to its mean, at most half of its members; the nearest first.
    cluster_means_ : ndarray of shape (n_clusters, n_columns)
        Mean description of each cluster: summed weights from each cluster, then onto
        each cluster, then node features.
    cost_ : float
        Mean distance between the description of a node and the mean of its cluster.
    cost_path_ : Bunch
        For numbers of clusters on the way of the first run, `n_clusters` ascending,
        the mean distance between a node and the mean of its cluster, `cost`. It is
        measured in descriptions by the finest clusters of the run: in those by the
        clusters themselves, few would always seem better than many.
    degree_correction_ : float
        What `degree_correction` was, or was found to be.
    agreement_ : float
        How far the runs agree: mean adjusted Rand index between two of them when they
        had `n_clusters_` clusters or just more. NaN with one run.
    n_iter_ : int
        Largest number of passes that a round took.
    n_features_in_ : int
        Number of nodes of a Connectome's graph, or of columns of a matrix.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Defined only if a table with column names was fitted.

    See Also
    --------
    celltyping.NtacClassifier : When some types are known.
    celltyping.metrics.match_clusters : Which cluster is which type.
    celltyping.plotting.ElbowDisplay : The cost path, with the elbow.
    celltyping.plotting.ClusterTypesDisplay : Where clusters split and merge types.

    Notes
    -----
    All nodes of a Connectome's graph are clustered, in view or not; `labels_` is about
    those in view. `predict` on another view of the graph gives the joint answer. New
    rows of a plain matrix go to the nearest mean, one by one, by their edges *to* the
    fitted nodes, because the edges *from* those are not there.

    This is a method for wiring. It takes tables of features, too, but clusterers made
    for those, such as k-means, make better clusters of them.

    Nodes without any edge or feature share a cluster of their own, unless one cluster
    is asked for.

    References
    ----------
    .. [1] G. Schwartzman, B. Jourdan, D. García-Soriano, A. Matsliah. "NTAC: Neuronal
       Type Assignment from Connectivity." Nature Communications 17, 1284 (2026).
       :doi:`10.1038/s41467-025-68044-1`

    Examples
    --------
    >>> from celltyping import NtacClusterer
    >>> from celltyping.datasets import make_connectome
    >>> from celltyping.metrics import matched_accuracy_score
    >>> brain = make_connectome(
    ...     500, n_types=5, n_edges=20000, n_partner_types=2, random_state=0
    ... )
    >>> ntac = NtacClusterer(5, random_state=0).fit(brain.data)
    >>> matched_accuracy_score(brain.target, ntac.labels_) > 0.9
    True
    """

    _parameter_constraints = {
        "n_clusters": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "init": [StrOptions({"greedy", "spectral"})],
        "n_init": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "growth": [Interval(Real, 1, None, closed="left"), StrOptions({"auto"})],
        "n_representatives": [Interval(Integral, 1, None, closed="left")],
        "candidate_fraction": [Interval(Real, 0, 1, closed="right")],
        "degree_correction": [
            Interval(Real, 0, 1, closed="both"),
            StrOptions({"auto"}),
        ],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "max_clusters": [Interval(Integral, 2, None, closed="left")],
        "feature_weight": [Interval(Real, 0, None, closed="left")],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
        **WiringMixin._wiring_constraints,
    }

    def __init__(
        self,
        n_clusters=8,
        *,
        init="greedy",
        n_init="auto",
        growth="auto",
        n_representatives=5,
        candidate_fraction=0.1,
        degree_correction="auto",
        max_iter=4,
        max_clusters=100,
        feature_weight=1.0,
        edge_weighting="sqrt",
        affinity="auto",
        gamma=None,
        n_graph_neighbors=15,
        warm_start=False,
        random_state=None,
        n_jobs=None,
        verbose=False,
    ):
        self.n_clusters = n_clusters
        self.init = init
        self.n_init = n_init
        self.growth = growth
        self.n_representatives = n_representatives
        self.candidate_fraction = candidate_fraction
        self.degree_correction = degree_correction
        self.max_iter = max_iter
        self.max_clusters = max_clusters
        self.feature_weight = feature_weight
        self.edge_weighting = edge_weighting
        self.affinity = affinity
        self.gamma = gamma
        self.n_graph_neighbors = n_graph_neighbors
        self.warm_start = warm_start
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    @restore_on_error
    def fit(self, X, y=None):
        """Cluster the samples.

        Parameters
        ----------
        X : Connectome or {array-like, sparse matrix} of shape (n_samples, n_features)
            A view of a connectome, or what `affinity` says.
        y : None, default=None
            Not used; here for scikit-learn's conventions.

        Returns
        -------
        self : NtacClusterer
            The fitted estimator.

        Raises
        ------
        ValueError
            If X has no edge, fewer nodes that differ in their wiring than `n_clusters`,
            or is no graph where one is meant.
        TypeError
            If X is sparse and `affinity` does not say what it is.
        """
        wiring = self._fit_wiring(X)
        features = self._weighted_features(wiring)
        graph = wiring.adjacency, wiring.transpose, features
        self._in_view = wiring.in_view
        self._connected = _has_entries(*graph)
        if not self._connected.any():
            raise ValueError(
                f"X has no edge and no node features (n_samples = {len(self._in_view)})"
                ": there is nothing to cluster by"
            )
        if not self._connected.all():
            kept = np.flatnonzero(self._connected)
            graph = *(part[kept][:, kept] for part in graph[:2]), features[kept]
        kinds = restarts.number_kinds(*graph)
        most = self._check_n_clusters(int(kinds.max()) + 1)
        with Parallel(n_jobs=self.n_jobs, prefer="threads") as parallel:
            self._grow_runs(graph, kinds, most, parallel)
            wires = growth.wires_from_csr(*graph, self.degree_correction_)
            self.cost_path_ = self._cost_path(wires, most, parallel)
            self.n_clusters_ = most
            if self.n_clusters == "auto":
                self.n_clusters_ = find_elbow(**self.cost_path_)
            self._most = most
            self._labels = self._agree(self.n_clusters_)
            self._describe(wiring, features, parallel)
        self.agreement_ = restarts.agreement(
            self._runs, self._n_connected(self.n_clusters_)
        )
        self.labels_ = self._labels[self._in_view]
        self.n_iter_ = max(run.n_iter for run in self._runs)
        return self

    def _check_n_clusters(self, n_kinds):
        """Return the largest number of clusters that is asked for."""
        n_kinds += int(not self._connected.all())
        if self.n_clusters != "auto":
            if self.n_clusters > n_kinds:
                raise ValueError(
                    f"n_clusters ({self.n_clusters}) must be at most the number of "
                    f"nodes that differ in their wiring ({n_kinds} of n_samples = "
                    f"{len(self._connected)})"
                )
            return self.n_clusters
        least = restarts.SPECTRAL_CLUSTERS + int(not self._connected.all())
        if self.init == "spectral" and self.max_clusters < least:
            raise ValueError(
                "n_clusters='auto' with init='spectral' chooses among "
                f"{least} clusters and more, but max_clusters is "
                f"{self.max_clusters}: raise it, or use init='greedy'"
            )
        return min(self.max_clusters, n_kinds)

    def _n_connected(self, n_clusters):
        """Return how many of the clusters are left to nodes that have edges."""
        return max(n_clusters - int(not self._connected.all()), 1)

    def _grow_runs(self, graph, kinds, most, parallel):
        """Start the runs, or go on with those of the last fit."""
        n_wanted = self._n_connected(most)
        rules = growth.Rules(
            self.n_representatives, self.candidate_fraction, self.max_iter
        )
        plan = restarts.plan(
            self.init, self.n_init, self.growth, self.degree_correction, rules
        )
        source = self._graph_hash
        if source is None:
            source = joblib.hash([(p.data, p.indices, p.indptr) for p in graph])
        seed = self.random_state if isinstance(self.random_state, Integral) else None
        key = source, self.edge_weighting, self.feature_weight, plan, seed
        begun = None
        if self.warm_start and getattr(self, "_runs_key", None) == key:
            begun = self._runs, self.degree_correction_
        self._runs, self.degree_correction_ = restarts.grow_runs(
            graph,
            kinds,
            plan,
            n_wanted,
            begun,
            check_random_state(self.random_state),
            parallel,
            self.verbose,
        )
        self._runs_key = key

    def _cost_path(self, wires, most, parallel):
        """Measure how the cost falls as the clusters of the first run get finer."""
        n_clusters = self._n_connected(most)
        run = self._runs[0]
        sizes = [size for size in run.sizes if size <= n_clusters]
        if self.n_clusters != "auto" and n_clusters not in sizes:
            sizes.append(run.sizes[len(sizes)])  # the first one above it
        finest = consensus.voting_sizes(run.sizes, n_clusters)[0]
        labels = run.at(finest)
        costs = parallel(
            delayed(mean_distance)(wires, labels, finest, run.at(size), size)
            for size in sizes
        )
        return Bunch(
            n_clusters=np.array(sizes) + int(not self._connected.all()),
            cost=np.array(costs),
        )

    def _agree(self, n_clusters):
        """Let the runs agree on so many clusters of all nodes, the largest first."""
        labels = np.zeros(len(self._connected), dtype=np.int64)
        n_connected = self._n_connected(n_clusters)
        if n_connected > 1:
            voting = consensus.voting_sizes(self._runs[0].sizes, n_connected)
            labels[self._connected] = consensus.agree_on_clusters(
                [run.at(voting[0]) for run in self._runs],
                [run.at(size) for run in self._runs for size in voting],
                n_connected,
            )
        if n_clusters > 1:
            labels[~self._connected] = n_connected
        return _by_size(labels)

    def _describe(self, wiring, features, parallel):
        """Describe nodes and clusters by the clusters; find representatives."""
        n_nodes, n_clusters = len(self._labels), self.n_clusters_
        memberships = propagation.Memberships(
            self._labels.astype(np.int32)[:, np.newaxis],
            np.ones((n_nodes, 1), dtype=np.float32),
        )
        edges = propagation.Edges.from_csr(wiring.adjacency, wiring.transpose)
        counts = propagation.count_partners(edges, memberships, n_clusters, parallel)
        labels = self._labels.astype(np.uint32)
        wires = growth.wires_from_csr(
            wiring.adjacency, wiring.transpose, features, self.degree_correction_
        )
        self._mean_strength = growth.strengths(wiring.adjacency, wiring.transpose)[1]
        counts = sparse.diags_array(wires.scale) @ counts
        self._profiles = sparse.hstack([counts, features], format="csr")
        means = mean_profiles(wires, labels, n_clusters, labels, n_clusters)
        self.cluster_means_ = means[:, :n_clusters].T.astype(np.float64)
        stays = np.ones(n_nodes, dtype=bool)
        _, similarities, _ = settle(wires, labels, stays, n_clusters, 1, 0.0)
        distances = 1.0 - similarities[self._connected].astype(np.float64)
        self.cost_ = float(distances.mean())
        in_view = self._in_view
        chosen, members, ends = growth.choose_representatives(
            self._labels[in_view],
            similarities[in_view],
            n_clusters,
            self.n_representatives,
        )
        groups = np.split(members, ends[1:-1])
        self.representatives_ = [group[chosen[group]] for group in groups]
        # What rows that are not fitted are compared with: edges out.
        self._members = propagation.to_csr(memberships, n_clusters)

    def predict(self, X):
        """Give the clusters of a view's nodes, or of new rows.

        Parameters
        ----------
        X : Connectome or {array-like, sparse matrix} of shape (n_samples, n_features)
            A view of the connectome that was fitted; or new rows, which go to the
            nearest mean one by one: features, or weights of edges to the fitted nodes.

        Returns
        -------
        labels : ndarray of shape (n_samples,), dtype=int64
            Clusters.

        Raises
        ------
        ValueError
            If X is a view of another graph.
        """
        check_is_fitted(self)
        if isinstance(X, Connectome):
            return self._labels[self._positions(X)]
        tables = list(self._similarities(X))
        return np.concatenate([np.argmax(table, axis=1) for table in tables])

    def transform(self, X):
        """Compute the similarity to the mean of each cluster.

        Parameters
        ----------
        X : Connectome or {array-like, sparse matrix} of shape (n_samples, n_features)
            As in `predict`.

        Returns
        -------
        similarities : ndarray of shape (n_samples, n_clusters)
            Weighted Jaccard similarities, between 0 and 1.

        Raises
        ------
        ValueError
            If X is a view of another graph.
        """
        check_is_fitted(self)
        return np.concatenate(list(self._similarities(X)))

    def labels_at(self, n_clusters):
        """Give the clusters of another, smaller number, without a new fit.

        Parameters
        ----------
        n_clusters : int
            Number of clusters, at most the one that was fitted; for
            ``n_clusters="auto"``, at most `max_clusters`.

        Returns
        -------
        labels : ndarray of shape (n_samples,), dtype=int64
            What `labels_` is after a fit with this number of clusters and the same
            `degree_correction_`.

        Raises
        ------
        ValueError
            If `n_clusters` is not between 1 and that number.
        """
        check_is_fitted(self)
        if not isinstance(n_clusters, Integral) or not 1 <= n_clusters <= self._most:
            raise ValueError(
                f"n_clusters must be an integer between 1 and {self._most}, up to "
                f"which this {type(self).__name__} was fitted, got {n_clusters!r}"
            )
        return self._agree(n_clusters)[self._in_view]

    def _similarities(self, X):
        """Compare rows with the cluster means, batch by batch."""
        n_clusters = self.n_clusters_
        if isinstance(X, Connectome):
            rows = self._profiles[self._positions(X)]
            means = self.cluster_means_
            # At least one batch, for the shape of the answer to a view without nodes.
            n_rows = max(rows.shape[0], 1)
            batches = [rows[batch] for batch in gen_batches(n_rows, BATCH)]
        else:
            X = self._read_matrix(X, reset=False)
            means = self.cluster_means_[:, n_clusters : 2 * n_clusters]
            batches = (
                self._new_profiles(X[batch]) for batch in gen_batches(X.shape[0], BATCH)
            )
        references = propagation.gather_references(
            sparse.csr_array(means.astype(np.float32)),
            np.arange(n_clusters),
            np.arange(n_clusters),
        )
        alone = None
        if not self._connected.all() and n_clusters > 1:
            alone = self._labels[np.argmin(self._connected)]
        with Parallel(n_jobs=self.n_jobs, prefer="threads") as parallel:
            for batch in batches:
                rows = sparse.csr_array(batch, dtype=np.float32)
                rows.sort_indices()
                sums = propagation.row_sums(rows)
                table = propagation.score_all_types(
                    np.arange(rows.shape[0]),
                    rows,
                    sums,
                    references,
                    n_clusters,
                    parallel,
                ).astype(np.float64)
                if alone is not None:
                    table[sums == 0, alone] = 1.0
                yield table

    def _new_profiles(self, X):
        """Describe new rows by their edges out, as if they got as much as they give."""
        edges = self._out_edges(X)
        scale = growth.degree_scale(
            2.0 * edges.sum(axis=1), self._mean_strength, self.degree_correction_
        )
        return sparse.diags_array(scale) @ (edges @ self._members)

    @property
    def _n_features_out(self):
        """Number of columns of `transform`, for `get_feature_names_out`."""
        return self.n_clusters_


def _has_entries(adjacency, transpose, features):
    """Tell which nodes have an edge or a feature."""
    return sum(np.diff(part.indptr) for part in (adjacency, transpose, features)) > 0


def _by_size(labels):
    """Number clusters by falling size, the one with the first member among equals."""
    _, first, labels, sizes = np.unique(
        labels, return_index=True, return_inverse=True, return_counts=True
    )
    order = np.lexsort((first, -sizes))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank[labels]
