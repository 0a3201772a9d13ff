"""Type profiles of neurons: numbers of synapses from and to each type."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
from joblib import Parallel
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted

from celltyping._kernels._csr import CSRGraph
from celltyping._kernels._profiles import Memberships, count_partners
from celltyping._utils._compat import ANY_N_JOBS, _fit_context, _get_output_config
from celltyping._utils._labels import encode_types
from celltyping._utils._restore import restore_on_error
from celltyping._utils._sparse import one_hot
from celltyping.connectome import Connectome
from celltyping.connectome._affinity import GraphInputMixin


class TypeProfile(GraphInputMixin, TransformerMixin, BaseEstimator):
    """Count the types of each neuron's partners.

    These are the counts that `celltyping.NtacClassifier` compares, as a transformer
    from a connectome and known types to a sparse table, which any classifier takes.
    Only nodes whose type is known in `fit` are counted, so the types of the test nodes
    of a cross-validation fold do not leak.

    Parameters
    ----------
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
        Values in `y` that mean unknown; see `celltyping.NtacClassifier`.
    sparse_output : bool, default=True
        Whether `transform` returns a sparse array. False: a dense one, which
        `set_output` requires.
    n_jobs : int, default=None
        Number of threads, as in joblib. The result is the same for any number.

    Attributes
    ----------
    classes_ : ndarray of shape (n_types,)
        The known types, sorted; the order of the columns.
    n_features_in_ : int
        Number of nodes of a Connectome's graph, or number of columns of a matrix.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Defined only if a table with column names was fitted.

    See Also
    --------
    celltyping.NtacClassifier : Repeat the counting with the predicted types.

    Notes
    -----
    A row of a plain matrix holds no edges *to* it, so such rows have out-counts alone,
    fitted or not.

    A neuron with a synapse onto itself counts itself if its type is known in `fit`.

    **In a pipeline, fit only neurons of known type.** A classifier of scikit-learn
    takes "?" in `y` for one more type. A view of a connectome keeps the whole graph, so
    the counts are the same without the neurons of unknown type, see the example. For a
    plain matrix, whose rows are the graph, fit the two steps one by one:
    ``profile.fit(X, y)``, then ``classifier.fit(profile.transform(X[known]),
    y[known])``.

    Examples
    --------
    >>> from celltyping import Connectome, TypeProfile
    >>> con = Connectome([[0, 4, 0], [1, 0, 9], [0, 0, 0]], node_ids=["a", "b", "c"])
    >>> profile = TypeProfile().fit(con, ["KC", "PN", "?"])
    >>> profile.transform(con).toarray()
    array([[0., 1., 0., 2.],
           [2., 0., 1., 0.],
           [0., 3., 0., 0.]], dtype=float32)
    >>> profile.get_feature_names_out().tolist()
    ['in_KC', 'in_PN', 'out_KC', 'out_PN']

    Train a classifier on the neurons of known type, and predict the types of all:

    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from sklearn.pipeline import make_pipeline
    >>> from celltyping.datasets import make_connectome
    >>> brain = make_connectome(300, n_types=4, n_edges=12000, random_state=0)
    >>> y = brain.target.copy()
    >>> y[100:] = "?"
    >>> known = y != "?"
    >>> knn = KNeighborsClassifier(metric="cosine")
    >>> model = make_pipeline(TypeProfile(), knn).fit(brain.data[known], y[known])
    >>> model.score(brain.data, brain.target) > 0.8
    True
    """

    _parameter_constraints = {
        **GraphInputMixin._graph_constraints,
        "unlabeled_marker": "no_validation",
        "sparse_output": ["boolean"],
        "n_jobs": ANY_N_JOBS,
    }

    def __init__(
        self,
        *,
        edge_weighting="sqrt",
        affinity="auto",
        gamma=None,
        n_graph_neighbors=15,
        unlabeled_marker="auto",
        sparse_output=True,
        n_jobs=None,
    ):
        self.edge_weighting = edge_weighting
        self.affinity = affinity
        self.gamma = gamma
        self.n_graph_neighbors = n_graph_neighbors
        self.unlabeled_marker = unlabeled_marker
        self.sparse_output = sparse_output
        self.n_jobs = n_jobs

    @_fit_context(prefer_skip_nested_validation=True)
    @restore_on_error
    def fit(self, X, y):
        """Validate the graph and store the types of its nodes.

        Parameters
        ----------
        X : Connectome or {array-like, sparse matrix} of shape (n_samples, n_features)
            View of a connectome, or a matrix of the kind that `affinity` names.
        y : array-like of shape (n_samples,)
            Types; unknown ones are marked by `unlabeled_marker`.

        Returns
        -------
        self : TypeProfile
            The fitted transformer.

        Raises
        ------
        ValueError
            If no type is known, y has the wrong length, or X is not a graph where one
            is expected.
        TypeError
            If X is sparse under ``affinity="auto"``.
        """
        graph = self._validate_graph(X)
        self.classes_, codes = encode_types(
            y, self.unlabeled_marker, caller=type(self).__name__, min_types=1
        )
        check_consistent_length(graph.in_view, codes)
        self._codes = np.full(graph.adjacency.shape[0], -1, dtype=np.int32)
        self._codes[graph.in_view] = codes
        return self

    def transform(self, X):
        """Count the types of the partners.

        Parameters
        ----------
        X : Connectome or {array-like, sparse matrix} of shape (n_samples, n_features)
            A view of the fitted connectome; or features, or weights of edges to the
            fitted nodes.

        Returns
        -------
        counts : {csr_array, ndarray} of shape (n_samples, 2 * n_types) or \
                (n_samples, n_types)
            For a Connectome, summed edge weights from each type, then to each type;
            otherwise to each type. ``dtype=float32``; dense if not `sparse_output`.

        Raises
        ------
        ValueError
            If X is a view of another graph, or `set_output` asks for a table and
            `sparse_output` is true.
        """
        check_is_fitted(self)
        wanted = _get_output_config("transform", self)["dense"]
        if self.sparse_output and wanted != "default":
            raise ValueError(
                f"set_output(transform={wanted!r}) needs dense counts: pass "
                f"{type(self).__name__}(sparse_output=False)"
            )
        counts = self._count(X)
        return counts if self.sparse_output else counts.toarray()

    def _count(self, X):
        """Return the counts of `transform`, sparse."""
        n_types = len(self.classes_)
        if not isinstance(X, Connectome):
            edges = self._out_edges(self._validate_X(X, reset=False))
            counts = edges @ one_hot(self._codes, n_types)
            counts = sparse.csr_array(counts.astype(np.float32))
            counts.sort_indices()
            return counts
        positions = self._positions(X)
        edges = CSRGraph.from_scipy(
            self._weighted(X.graph.adjacency), self._weighted(X.graph.transpose)
        )
        members = Memberships.from_labels(self._codes)
        with Parallel(n_jobs=self.n_jobs, prefer="threads") as parallel:
            counts = count_partners(edges, members, n_types, parallel)
        return counts[positions]

    def get_feature_names_out(self, input_features=None):
        """Return the names of the columns.

        Parameters
        ----------
        input_features : None, default=None
            Not used, since the columns are types; here for scikit-learn's conventions.

        Returns
        -------
        names : ndarray of shape (n_columns,), dtype=object
            ``in_<type>`` for each type, then ``out_<type>``.
        """
        check_is_fitted(self)
        directions = ["out"] if self._graph_hash is None else ["in", "out"]
        names = [f"{prefix}_{name}" for prefix in directions for name in self.classes_]
        return np.array(names, dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.transformer_tags.preserves_dtype = []
        return tags
