"""The type profile: how many synapses a neuron shares with each type."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from numbers import Integral

import numpy as np
from joblib import Parallel
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted

from celltyping._utils._compat import _fit_context
from celltyping._utils._labels import encode_types
from celltyping._utils._restore import restore_on_error
from celltyping.connectome import Connectome
from celltyping.connectome._affinity import WiringMixin
from celltyping.estimators._ntac import propagation


class TypeProfile(WiringMixin, TransformerMixin, BaseEstimator):
    """Count the types of each neuron's partners.

    The counts that `celltyping.NtacClassifier` compares, as a transformer: a
    connectome and the known types go in, a sparse table of type counts comes out, so
    that a pipeline can go on with any classifier. Only nodes whose type is known at
    `fit` are counted, so a cross-validation fold tells its test nodes nothing.

    Parameters
    ----------
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
    unlabeled_marker : "auto" or scalar, default="auto"
        What in `y` means that the type is unknown; see `celltyping.NtacClassifier`.
    n_jobs : int, default=None
        Number of threads, as in joblib. The result is the same for any number.

    Attributes
    ----------
    classes_ : ndarray of shape (n_types,)
        The known types, sorted; the order of the columns.
    n_features_in_ : int
        Number of nodes of a Connectome's graph, or of columns of a matrix.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Defined only if a table with column names was fitted.

    See Also
    --------
    celltyping.NtacClassifier : Repeats the counting with the types that it finds.

    Notes
    -----
    For a plain matrix, edges into a new row are not there, so that rows have out-counts
    alone, whether they were fitted or not.

    A neuron with a synapse onto itself counts itself, if its type is known at `fit`.

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
    """

    _parameter_constraints = {
        "unlabeled_marker": "no_validation",
        "n_jobs": [Integral, None],
        **WiringMixin._wiring_constraints,
    }

    def __init__(
        self,
        *,
        edge_weighting="sqrt",
        affinity="auto",
        gamma=None,
        n_graph_neighbors=15,
        unlabeled_marker="auto",
        n_jobs=None,
    ):
        self.edge_weighting = edge_weighting
        self.affinity = affinity
        self.gamma = gamma
        self.n_graph_neighbors = n_graph_neighbors
        self.unlabeled_marker = unlabeled_marker
        self.n_jobs = n_jobs

    @_fit_context(prefer_skip_nested_validation=True)
    @restore_on_error
    def fit(self, X, y):
        """Remember which nodes have which type.

        Parameters
        ----------
        X : Connectome or {array-like, sparse matrix} of shape (n_samples, n_features)
            A view of a connectome, or what `affinity` says.
        y : array-like of shape (n_samples,)
            Types, unknown ones marked as `unlabeled_marker` says.

        Returns
        -------
        self : TypeProfile
            The fitted transformer.

        Raises
        ------
        ValueError
            If no type is known, y has the wrong length, or X is no graph where one is
            meant.
        TypeError
            If X is sparse and `affinity` does not say what it is.
        """
        wiring = self._fit_wiring(X)
        self.classes_, codes = encode_types(
            y, self.unlabeled_marker, caller=type(self).__name__, min_types=1
        )
        check_consistent_length(wiring.in_view, codes)
        types = np.full((wiring.adjacency.shape[0], 1), -1, dtype=np.int32)
        types[wiring.in_view, 0] = codes
        self._memberships = propagation.Memberships(
            types, (types >= 0).astype(np.float32)
        )
        return self

    def transform(self, X):
        """Count the types of the partners.

        Parameters
        ----------
        X : Connectome or {array-like, sparse matrix} of shape (n_samples, n_features)
            A view of the connectome that was fitted; or features, or weights of edges
            to the fitted nodes.

        Returns
        -------
        counts : csr_array of shape (n_samples, 2 * n_types) or (n_samples, n_types)
            For a Connectome, summed edge weights from each type, then onto each type;
            otherwise onto each type. ``dtype=float32``.

        Raises
        ------
        ValueError
            If X is a view of another graph.
        """
        check_is_fitted(self)
        n_types = len(self.classes_)
        if not isinstance(X, Connectome):
            edges = self._out_edges(self._read_matrix(X, reset=False))
            counts = edges @ propagation.to_csr(self._memberships, n_types)
            counts = sparse.csr_array(counts.astype(np.float32))
            counts.sort_indices()
            return counts
        positions = self._positions(X)
        graph = X.graph
        edges = propagation.Edges.from_csr(
            self._weighted(graph.adjacency), self._weighted(graph.transpose)
        )
        with Parallel(n_jobs=self.n_jobs, prefer="threads") as parallel:
            counts = propagation.count_partners(
                edges, self._memberships, n_types, parallel
            )
        return counts[positions]

    def get_feature_names_out(self, input_features=None):
        """Name the columns.

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
        parts = ["out"] if self._graph_hash is None else ["in", "out"]
        return np.array(
            [f"{part}_{name}" for part in parts for name in self.classes_], dtype=object
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.transformer_tags.preserves_dtype = []
        return tags
