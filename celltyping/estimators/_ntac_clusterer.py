"""Neuronal clusters from connectivity (NTAC without seeds)."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from numbers import Integral, Real
from typing import NamedTuple

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

from celltyping._kernels._clusters import (
    mean_distance,
    mean_profiles,
    move_to_nearest,
)
from celltyping._kernels._profiles import Memberships, count_partners
from celltyping._kernels._similarity import References, Rows
from celltyping._utils._compat import ANY_N_JOBS, Interval, StrOptions, _fit_context
from celltyping._utils._elbow import find_elbow
from celltyping._utils._restore import restore_on_error
from celltyping._utils._sparse import one_hot
from celltyping._utils._validation import is_integer
from celltyping.connectome import Connectome
from celltyping.connectome._affinity import GraphInputMixin
from celltyping.estimators._ntac import consensus, growth, restarts
from celltyping.estimators._ntac.propagation import score_all_types

# Rows for which a dense table of all clusters is held at once.
BATCH = 4096


class Nodes(NamedTuple):
    """Nodes of the fitted graph: those in view, and those with an edge or a feature."""

    in_view: np.ndarray  # indices
    connected: np.ndarray  # mask of all nodes

    @property
    def n_alone(self):
        """Number of clusters (1 or 0) that only nodes without edge and feature have."""
        return int(not self.connected.all())


class NtacClusterer(
    GraphInputMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    ClusterMixin,
    BaseEstimator,
):
    """Neuronal clusters from connectivity, with no type known.

    Neurons of one type have partners of the same types. Each neuron is described by its
    number of synapses from and to each *cluster*, and neurons with similar descriptions
    form one cluster; as clusters become finer, so do descriptions.

    As in the published method [1]_, a run starts from one cluster and splits those that
    gain most. Unlike there, it splits several at a time, continues to twice the wanted
    number, and is one of several runs, which are combined by consensus clustering
    (evidence accumulation [2]_): clusters that most runs put together are merged. The
    user guide has formulas and figures.

    Parameters
    ----------
    n_clusters : int or "auto", default=8
        Number of clusters. "auto": the elbow of `cost_path_`, up to `max_clusters`.
    init : {"greedy", "spectral"}, default="greedy"
        Start of the runs. "greedy": one cluster. "spectral": 16 clusters of a spectral
        embedding, and larger steps: several times faster; less accurate on the larva,
        as good on simulated brains.
    n_init : int or "auto", default="auto"
        Number of runs. "auto": 5 for the greedy and 4 for the spectral start.
    growth : float or "auto", default="auto"
        Factor by which the number of clusters grows in a round, at least by one; 1.0
        adds one cluster at a time. "auto": 1.1 for the greedy and 1.7 for the spectral
        start.
    n_representatives : int, default=5
        Number of neurons nearest to the mean of a cluster (at most half of the cluster)
        that keep their cluster during a round.
    candidate_fraction : float, default=0.1
        Fraction of the neurons, the farthest of each cluster in turn, that may become
        centres of new clusters in a round.
    degree_correction : float or "auto", default="auto"
        Exponent c in [0, 1] of a division of descriptions by strength ** c, where the
        strength of a neuron is the sum of its weights. 0 compares amounts; 1 compares
        shares alone, which is right where neurons of one type differ much in their
        number of synapses. "auto": 1 if the runs then agree by 0.1 more in their mean
        adjusted Rand index, else 0; and 0 for one run.
    max_iter : int, default=4
        Maximum number of passes over the neurons in a round.
    max_clusters : int, default=100
        Maximum number of clusters that ``n_clusters="auto"`` considers.
    feature_weight : float, default=1.0
        Factor of the node features of a Connectome, which must be nonnegative; they
        are compared along with the counts. 0: not used.
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
    warm_start : bool, default=False
        Whether `fit` on the same data continues the runs of the last `fit`. With a
        larger `n_clusters` the result is that of a fresh fit, in less time; but a
        `degree_correction_` that was chosen is kept.
    random_state : int, RandomState instance or None, default=None
        Seed of the differences between the runs. With ``init="greedy", n_init=1``
        nothing is random.
    n_jobs : int, default=None
        Number of threads, to which the runs are distributed. The result is the same
        for any number.
    verbose : bool, default=False
        Whether to show a progress bar over the clusters of all runs.

    Attributes
    ----------
    labels_ : ndarray of shape (n_samples,), dtype=int64
        Cluster of each sample, numbered by falling size.
    n_clusters_ : int
        Number of clusters.
    representatives_ : list of ndarray
        For each cluster the indices of the `n_representatives` samples nearest to its
        mean (at most half of its members), the nearest first.
    cluster_means_ : ndarray of shape (n_clusters, n_columns)
        Mean description of each cluster: summed weights from each cluster, then to each
        cluster, then node features.
    cost_ : float
        Mean distance between the description of a node and the mean of its cluster.
    cost_path_ : Bunch
        Cost of the partitions of the first run: ascending `n_clusters`, and the mean
        distance between a node and the mean of its cluster, `cost`. Distances are those
        of descriptions by the finest clusters of the run: with descriptions by the
        clusters themselves, few clusters would always seem better than many.
    degree_correction_ : float
        The given or chosen degree correction.
    agreement_ : float
        Mean adjusted Rand index between two runs, at the first size with at least
        `n_clusters_` clusters. NaN with one run.
    n_iter_ : int
        Maximum number of passes of a round.
    n_features_in_ : int
        Number of nodes of a Connectome's graph, or number of columns of a matrix.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Defined only if a table with column names was fitted.

    See Also
    --------
    celltyping.NtacClassifier : Type neurons where some types are known.
    celltyping.metrics.match_clusters : Match clusters with types.
    celltyping.plotting.ElbowDisplay : Draw the cost path and its elbow.
    celltyping.plotting.ClusterTypesDisplay : Draw how clusters split and merge types.

    Notes
    -----
    All nodes of a Connectome's graph are clustered, in view or not; `labels_` holds
    those in view. `predict` on another view of the graph returns the joint result. New
    rows of a plain matrix go to the nearest mean, one by one, by their edges *to* the
    fitted nodes, because they have no edges *from* those.

    The method is made for connectivity. It accepts tables of features, but clusterers
    for tables, such as k-means, find better clusters in them.

    Nodes without any edge or feature share a cluster of their own, unless one cluster
    is asked for.

    References
    ----------
    .. [1] G. Schwartzman, B. Jourdan, D. García-Soriano, A. Matsliah. "NTAC: Neuronal
       Type Assignment from Connectivity." Nature Communications 17, 1284 (2026).
       :doi:`10.1038/s41467-025-68044-1`
    .. [2] A. L. N. Fred, A. K. Jain (2005). "Combining multiple clusterings using
       evidence accumulation." IEEE Transactions on Pattern Analysis and Machine
       Intelligence 27, 835-850. :doi:`10.1109/TPAMI.2005.113`

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
        **GraphInputMixin._graph_constraints,
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "n_jobs": ANY_N_JOBS,
        "verbose": ["verbose"],
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
            View of a connectome, or a matrix of the kind that `affinity` names.
        y : None, default=None
            Not used; present for API consistency.

        Returns
        -------
        self : NtacClusterer
            The fitted estimator.

        Raises
        ------
        ValueError
            If X has no edge, fewer nodes with different edges than `n_clusters`, or is
            not a graph where one is expected.
        TypeError
            If X is sparse under ``affinity="auto"``.
        """
        graph = self._validate_graph(X, self.feature_weight)
        self._nodes = Nodes(graph.in_view, _has_entries(graph))
        connected = self._nodes.connected
        if not connected.any():
            raise ValueError(
                f"X has no edge and no node features (n_samples = {len(graph.in_view)})"
                ": there is nothing to cluster by"
            )
        kept = graph
        if not connected.all():
            kept = _take_nodes(graph, np.flatnonzero(connected))
        classes = restarts.equivalence_classes(kept)
        self._max_clusters = self._check_n_clusters(int(classes.max()) + 1)
        with Parallel(n_jobs=self.n_jobs, prefer="threads") as parallel:
            self._grow_runs(kept, classes, parallel)
            self.cost_path_ = self._cost_path(kept, parallel)
            self.n_clusters_ = self._max_clusters
            if self.n_clusters == "auto":
                self.n_clusters_ = find_elbow(**self.cost_path_)
            self._labels = self._combine_runs(self.n_clusters_)
            self._describe(graph, parallel)
        n_connected = self._n_connected(self.n_clusters_)
        self.agreement_ = restarts.agreement(self._runs, n_connected)
        self.labels_ = self._labels[graph.in_view]
        self.n_iter_ = max(run.n_iter for run in self._runs)
        return self

    def _check_n_clusters(self, n_classes):
        """Return the maximum number of clusters that may be asked for."""
        n_classes += self._nodes.n_alone
        if self.n_clusters != "auto":
            if self.n_clusters > n_classes:
                raise ValueError(
                    f"n_clusters ({self.n_clusters}) must be at most the number of "
                    f"nodes with different edges or features ({n_classes} of n_samples "
                    f"= {len(self._nodes.connected)})"
                )
            return self.n_clusters
        least = restarts.SPECTRAL_CLUSTERS + self._nodes.n_alone
        if self.init == "spectral" and self.max_clusters < least:
            raise ValueError(
                "n_clusters='auto' with init='spectral' chooses among "
                f"{least} clusters and more, but max_clusters is "
                f"{self.max_clusters}: raise it, or use init='greedy'"
            )
        return min(self.max_clusters, n_classes)

    def _n_connected(self, n_clusters):
        """Return the number of clusters of nodes with an edge or a feature."""
        return max(n_clusters - self._nodes.n_alone, 1)

    def _grow_runs(self, graph, classes, parallel):
        """Start the runs, or continue those of the last fit."""
        rounds = growth.GrowthParams(
            self.n_representatives, self.candidate_fraction, self.max_iter
        )
        params = restarts.resolve_auto(
            self.init, self.n_init, self.growth, self.degree_correction, rounds
        )
        source = self._graph_hash
        if source is None:
            matrices = graph.adjacency, graph.transpose, graph.features
            source = joblib.hash([(m.data, m.indices, m.indptr) for m in matrices])
        seed = self.random_state if isinstance(self.random_state, Integral) else None
        key = source, self.edge_weighting, self.feature_weight, params, seed
        previous = None
        if self.warm_start and getattr(self, "_runs_key", None) == key:
            previous = self._runs, self.degree_correction_
        self._runs, self.degree_correction_ = restarts.grow_runs(
            graph,
            classes,
            params,
            self._n_connected(self._max_clusters),
            previous,
            check_random_state(self.random_state),
            parallel,
            self.verbose,
        )
        self._runs_key = key

    def _cost_path(self, graph, parallel):
        """Measure the cost of the partitions of the first run."""
        n_clusters = self._n_connected(self._max_clusters)
        run = self._runs[0]
        sizes = [size for size in run.sizes if size <= n_clusters]
        if self.n_clusters != "auto" and n_clusters not in sizes:
            sizes.append(run.sizes[len(sizes)])  # the first one above it
        finest = consensus.consensus_sizes(run.sizes, n_clusters)[0]
        labels = run.at(finest)
        data = growth.profile_input(graph, self.degree_correction_)
        costs = parallel(
            delayed(mean_distance)(data, labels, finest, run.at(size), size)
            for size in sizes
        )
        return Bunch(
            n_clusters=np.array(sizes) + self._nodes.n_alone, cost=np.array(costs)
        )

    def _combine_runs(self, n_clusters):
        """Return the consensus clusters of all nodes, numbered by falling size."""
        connected = self._nodes.connected
        labels = np.zeros(len(connected), dtype=np.int64)
        n_connected = self._n_connected(n_clusters)
        if n_connected > 1:
            sizes = consensus.consensus_sizes(self._runs[0].sizes, n_connected)
            labels[connected] = consensus.consensus_clusters(
                [run.at(sizes[0]) for run in self._runs],
                [run.at(size) for run in self._runs for size in sizes],
                n_connected,
            )
        if n_clusters > 1:
            labels[~connected] = n_connected
        return _by_size(labels)

    def _describe(self, graph, parallel):
        """Describe nodes and clusters by the clusters; find representatives."""
        n_clusters = self.n_clusters_
        data = growth.profile_input(graph, self.degree_correction_)
        members = Memberships.from_labels(self._labels)
        counts = count_partners(data.graph, members, n_clusters, parallel)
        counts = sparse.diags_array(data.scale) @ counts
        self._profiles = sparse.hstack([counts, graph.features], format="csr")
        self._mean_strength = growth.strengths(graph)[1]
        labels = self._labels.astype(np.uint32)
        means = mean_profiles(data, labels, n_clusters, labels, n_clusters)
        self.cluster_means_ = means[:, :n_clusters].T.astype(np.float64)
        is_fixed = np.ones(len(labels), dtype=bool)
        _, similarities = move_to_nearest(data, labels, is_fixed, n_clusters, means)
        distances = 1.0 - similarities[self._nodes.connected].astype(np.float64)
        self.cost_ = float(distances.mean())
        in_view = graph.in_view
        clusters = growth.sort_members(
            self._labels[in_view], similarities[in_view], n_clusters
        )
        chosen = growth.choose_representatives(clusters, self.n_representatives)
        groups = np.split(clusters.members, clusters.ends[1:-1])
        self.representatives_ = [group[chosen[group]] for group in groups]

    def predict(self, X):
        """Return the clusters of the nodes of a view, or of new rows.

        Parameters
        ----------
        X : Connectome or {array-like, sparse matrix} of shape (n_samples, n_features)
            A view of the fitted connectome; or new rows, which go to the nearest mean
            one by one: features, or weights of edges to the fitted nodes.

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
        """Return the partition into a smaller number of clusters, without a new fit.

        Parameters
        ----------
        n_clusters : int
            Number of clusters, at most that of the fit; for ``n_clusters="auto"``, at
            most `max_clusters`.

        Returns
        -------
        labels : ndarray of shape (n_samples,), dtype=int64
            The `labels_` of a fit with this number of clusters and the same
            `degree_correction_`.

        Raises
        ------
        ValueError
            If `n_clusters` is not between 1 and that number.
        """
        check_is_fitted(self)
        most = self._max_clusters
        if not is_integer(n_clusters) or not 1 <= n_clusters <= most:
            raise ValueError(
                f"n_clusters must be an integer between 1 and {most}, the maximum of "
                f"the last fit of this {type(self).__name__}, got {n_clusters!r}"
            )
        return self._combine_runs(n_clusters)[self._nodes.in_view]

    def _similarities(self, X):
        """Yield the similarities of rows to the cluster means, batch by batch."""
        n_clusters = self.n_clusters_
        if isinstance(X, Connectome):
            profiles = self._profiles[self._positions(X)]
            means = self.cluster_means_
            # At least one batch, for the shape of the result.
            n_rows = max(profiles.shape[0], 1)
            batches = (profiles[batch] for batch in gen_batches(n_rows, BATCH))
        else:
            X = self._validate_X(X, reset=False)
            means = self.cluster_means_[:, n_clusters : 2 * n_clusters]
            members = one_hot(self._labels, n_clusters)
            batches = (
                self._new_profiles(X[batch], members)
                for batch in gen_batches(X.shape[0], BATCH)
            )
        references = References.from_scipy(
            sparse.csr_array(means.astype(np.float32)), np.arange(n_clusters)
        )
        connected = self._nodes.connected
        alone = None  # cluster of the nodes without edge and feature
        if not connected.all() and n_clusters > 1:
            alone = self._labels[np.argmin(connected)]
        with Parallel(n_jobs=self.n_jobs, prefer="threads") as parallel:
            for batch in batches:
                batch = sparse.csr_array(batch, dtype=np.float32)
                batch.sort_indices()
                rows = Rows.from_scipy(batch)
                chosen = np.arange(len(rows.sums))
                table = score_all_types(chosen, rows, references, n_clusters, parallel)
                table = table.astype(np.float64)
                if alone is not None:
                    table[rows.sums == 0, alone] = 1.0
                yield table

    def _new_profiles(self, X, members):
        """Describe new rows by their edges out, assuming equal in- and out-strength."""
        edges = self._out_edges(X)
        scale = growth.degree_scale(
            2.0 * edges.sum(axis=1), self._mean_strength, self.degree_correction_
        )
        return sparse.diags_array(scale) @ (edges @ members)

    @property
    def _n_features_out(self):
        """Number of columns of `transform`, for `get_feature_names_out`."""
        return self.n_clusters_


def _has_entries(graph):
    """Return a mask of the nodes that have an edge or a feature."""
    matrices = graph.adjacency, graph.transpose, graph.features
    return sum(np.diff(matrix.indptr) for matrix in matrices) > 0


def _take_nodes(graph, nodes):
    """Return the graph of some nodes."""
    return graph._replace(
        adjacency=graph.adjacency[nodes][:, nodes],
        transpose=graph.transpose[nodes][:, nodes],
        features=graph.features[nodes],
    )


def _by_size(labels):
    """Number clusters by falling size; of equal ones, by their first member."""
    _, first, labels, sizes = np.unique(
        labels, return_index=True, return_inverse=True, return_counts=True
    )
    order = np.lexsort((first, -sizes))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank[labels]
