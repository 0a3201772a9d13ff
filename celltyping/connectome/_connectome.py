"""Connectome, the graph container that scikit-learn can slice."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from functools import cached_property

import numpy as np
from scipy import sparse

from celltyping._utils._optional import import_optional
from celltyping.connectome._align import align_labels
from celltyping.connectome._edges import edges_of_networkx, graph_from_edges
from celltyping.connectome._graph import Graph, frozen
from celltyping.connectome._ids import check_unique
from celltyping.connectome._indexing import as_rows


class Connectome:
    """A wiring diagram with some, or all, of its neurons in view.

    A connectome is a graph and a choice of its nodes. Slicing it changes the choice
    alone: ``con[idx]`` is a view of the *same* graph with fewer nodes in view, so a
    cross-validation fold sees the whole wiring while only its own neurons carry labels.
    Slicing the matrix instead would throw away the synapses between the folds.

    Parameters
    ----------
    adjacency : {array-like, sparse matrix, sparse array} of shape (n_nodes, n_nodes)
        ``adjacency[i, j]`` is the number of synapses, or another nonnegative weight,
        from neuron i (presynaptic) to neuron j (postsynaptic). It is copied.
    node_ids : array-like of shape (n_nodes,), default=None
        Integers or strings that differ. None: 0, 1, ...
    node_features : array-like of shape (n_nodes, n_features), default=None
        Finite, nonnegative numbers per node. The rows of a DataFrame are found by its
        index, which must hold every id; those of an array by position.

    Attributes
    ----------
    graph : Graph
        What all views share: ``graph.adjacency``, ``graph.transpose`` (made when first
        asked for), ``graph.node_ids``, ``graph.node_features``, ``graph.n_nodes`` and
        ``graph.content_hash``. Its arrays are read-only.
    indices : ndarray of shape (n_view,), dtype=intp
        Positions in the graph of the nodes in view.
    node_ids : ndarray of shape (n_view,), dtype=int64 or str
        Ids of the nodes in view.
    node_features : ndarray of shape (n_view, n_features) or None
        Features of the nodes in view.
    adjacency : csr_array of shape (n_view, n_view)
        Weights between the nodes in view. With all nodes in view it is the graph's own
        matrix and read-only.
    n_edges : int
        Number of edges between the nodes in view, self loops included.
    n_synapses : int or float
        Sum of their weights; an int where it is whole.
    shape : tuple of int
        ``(n_view, n_view)``.
    ndim : int
        Always 2.

    See Also
    --------
    read_edges : Reads a connectome from a csv, parquet or feather file.

    Notes
    -----
    Views are made with integers (negative ones count from the end), lists and arrays of
    them, slices and boolean masks; ``con[5]`` is a view of one node, and an index that
    repeats a node, as a bootstrap does, is allowed. ``con[rows, ...]``, ``con[rows,
    :]`` and ``con[np.ix_(rows, columns)]``, which scikit-learn uses, give the view of
    the rows. Iterating gives ids.

    Two connectomes are views of the same graph if the content of the graphs is the
    same, see `is_same_graph`: objects do not stay the same in another process.

    Examples
    --------
    >>> from celltyping import Connectome
    >>> con = Connectome([[0, 3, 0], [1, 0, 2], [0, 0, 0]], node_ids=["a", "b", "c"])
    >>> con
    <Connectome of 3 nodes: 3 edges, 6 synapses>
    >>> view = con[[2, 1]]
    >>> view
    <Connectome view of 2 of 3 nodes: 1 edge, 2 synapses between them>
    >>> view.node_ids
    array(['c', 'b'], dtype='<U1')
    >>> view.adjacency.toarray()
    array([[0., 0.],
           [2., 0.]], dtype=float32)
    >>> view.graph is con.graph
    True
    """

    def __init__(self, adjacency, node_ids=None, node_features=None):
        self._graph = Graph(adjacency, node_ids, node_features)
        self._indices = frozen(np.arange(self._graph.n_nodes, dtype=np.intp))

    @classmethod
    def _of_graph(cls, graph, indices=None):
        """Make a view of a graph; None shows all its nodes."""
        view = cls.__new__(cls)
        view._graph = graph
        if indices is None:
            indices = np.arange(graph.n_nodes, dtype=np.intp)
        view._indices = frozen(indices)
        return view

    @classmethod
    def from_edges(
        cls,
        edges,
        *,
        pre="pre",
        post="post",
        weight="weight",
        nodes=None,
        min_weight=None,
        node_features=None,
    ):
        """Build a connectome from a table of edges or synapses.

        Parameters
        ----------
        edges : DataFrame, dict of arrays, structured array or pyarrow Table
            One row per edge; rows of the same pair are summed.
        pre : str, default="pre"
            Name of the column with the ids of the presynaptic neurons.
        post : str, default="post"
            Name of the column with the ids of the postsynaptic neurons.
        weight : str or None, default="weight"
            Name of the column with the numbers of synapses. None: each row counts 1.
        nodes : array-like of shape (n_nodes,), default=None
            Ids of all neurons, the isolated ones too, in the order wanted. None: the
            ids that occur in `edges`, sorted.
        min_weight : float, default=None
            Edges whose summed weight is smaller are dropped. Their neurons stay, so
            that labels fit whatever the threshold.
        node_features : array-like of shape (n_nodes, n_features), default=None
            Finite, nonnegative numbers per node. The rows of a DataFrame are found by
            its index, those of an array by position.

        Returns
        -------
        connectome : Connectome
            The connectome with all its nodes in view.

        Raises
        ------
        ValueError
            If a column is not there; an id is missing, overflows int64, is a float that
            may have lost digits, or is not in `nodes`; `nodes` repeats an id; or a
            weight is negative, NaN or infinite.
        TypeError
            If ids are neither integers nor strings, or weights are not numbers.

        Examples
        --------
        >>> from celltyping import Connectome
        >>> edges = {"pre": [7, 7, 8], "post": [8, 8, 7], "weight": [3, 2, 1]}
        >>> Connectome.from_edges(edges, nodes=[7, 8, 9])
        <Connectome of 3 nodes: 2 edges, 6 synapses>
        """
        graph = graph_from_edges(
            edges,
            pre=pre,
            post=post,
            weight=weight,
            nodes=nodes,
            min_weight=min_weight,
            node_features=node_features,
        )
        return cls._of_graph(graph)

    @classmethod
    def from_networkx(
        cls, graph, *, weight="weight", min_weight=None, node_features=None
    ):
        """Build a connectome from a networkx graph.

        Parameters
        ----------
        graph : networkx.Graph
            A directed graph, or an undirected one, whose edges then go both ways. The
            parallel edges of a multigraph are summed. All nodes stay, in their order.
        weight : str or None, default="weight"
            The edges' attribute with the number of synapses; an edge without it counts
            1, as in networkx. None: every edge counts 1.
        min_weight : float, default=None
            Edges whose summed weight is smaller are dropped; their neurons stay.
        node_features : array-like of shape (n_nodes, n_features), default=None
            Finite, nonnegative numbers per node. The rows of a DataFrame are found by
            its index, those of an array by position.

        Returns
        -------
        connectome : Connectome
            The connectome with all its nodes in view.

        Examples
        --------
        >>> import networkx
        >>> from celltyping import Connectome
        >>> graph = networkx.DiGraph()
        >>> graph.add_edge("a", "b", weight=3)
        >>> graph.add_node("c")
        >>> Connectome.from_networkx(graph)
        <Connectome of 3 nodes: 1 edge, 3 synapses>
        """
        result = graph_from_edges(
            edges_of_networkx(graph, weight),
            pre="pre",
            post="post",
            weight="weight",
            nodes=list(graph.nodes),
            min_weight=min_weight,
            node_features=node_features,
        )
        return cls._of_graph(result)

    @classmethod
    def concat(cls, connectomes):
        """Put connectomes side by side, without an edge between them.

        Parameters
        ----------
        connectomes : iterable of Connectome
            What is in view of each, its features too, where all have the same number
            of them. No id may occur in two.

        Returns
        -------
        connectome : Connectome
            One connectome with the nodes in the order given.

        Raises
        ------
        ValueError
            If there is none, ids repeat, or only some have node features.

        Examples
        --------
        >>> from celltyping import Connectome
        >>> left = Connectome([[0, 2], [0, 0]], node_ids=["a", "b"])
        >>> right = Connectome([[0, 0], [5, 0]], node_ids=["c", "d"])
        >>> Connectome.concat([left, right])
        <Connectome of 4 nodes: 2 edges, 7 synapses>
        """
        connectomes = list(connectomes)
        _check_concat(connectomes)
        node_ids = np.concatenate([con.node_ids for con in connectomes])
        features = None
        if connectomes[0].node_features is not None:
            features = np.concatenate([con.node_features for con in connectomes])
        blocks = [con.adjacency for con in connectomes]
        return cls(sparse.block_diag(blocks, format="coo"), node_ids, features)

    @property
    def graph(self):
        """The graph that all views share."""
        return self._graph

    @property
    def indices(self):
        """Positions in the graph of the nodes in view."""
        return self._indices

    @property
    def node_ids(self):
        """Ids of the nodes in view."""
        return self._graph.node_ids[self._indices]

    @property
    def node_features(self):
        """Features of the nodes in view, or None."""
        features = self._graph.node_features
        return None if features is None else features[self._indices]

    @property
    def shape(self):
        """Number of nodes in view, twice."""
        return (len(self), len(self))

    @property
    def ndim(self):
        """Two, as for the matrix that this stands for."""
        return 2

    @property
    def adjacency(self):
        """Weights between the nodes in view, presynaptic nodes in rows."""
        if self._shows_all:
            return self._graph.adjacency
        part = self._graph.adjacency[self._indices][:, self._indices]
        part.sort_indices()
        return part

    @property
    def n_edges(self):
        """Number of edges between the nodes in view."""
        return self._sums[0]

    @property
    def n_synapses(self):
        """Sum of the weights between the nodes in view."""
        return self._sums[1]

    @cached_property
    def _shows_all(self):
        """Tell whether all nodes are in view, in their order."""
        n_nodes = self._graph.n_nodes
        return len(self) == n_nodes and np.array_equal(
            self._indices, np.arange(n_nodes)
        )

    @cached_property
    def _sums(self):
        """Count the edges and add up the weights without cutting out the matrix."""
        matrix = self._graph.adjacency
        ones = sparse.csr_array(
            (np.ones(matrix.nnz, dtype=np.int8), matrix.indices, matrix.indptr),
            shape=matrix.shape,
        )
        times = np.bincount(self._indices, minlength=self._graph.n_nodes)
        n_edges = int(times @ (ones @ times))
        n_synapses = float(times @ (matrix @ times.astype(np.float64)))
        return n_edges, int(n_synapses) if n_synapses.is_integer() else n_synapses

    def is_same_graph(self, other):
        """Tell whether another connectome is a view of the same graph.

        Parameters
        ----------
        other : Connectome
            Another connectome, perhaps from another process or from a file.

        Returns
        -------
        same : bool
            True if the weights, ids and node features of both whole graphs are equal,
            whatever is in view.

        Examples
        --------
        >>> from celltyping import Connectome
        >>> con = Connectome([[0, 3], [1, 0]])
        >>> con.is_same_graph(Connectome([[0.0, 3.0], [1.0, 0.0]])[1:])
        True
        >>> con.is_same_graph(Connectome([[0, 3], [2, 0]]))
        False
        """
        return (
            isinstance(other, Connectome)
            and self._graph.content_hash == other._graph.content_hash
        )

    def align(self, labels, missing="auto"):
        """Put types by id into the order of the nodes in view.

        Parameters
        ----------
        labels : Series or dict
            Types by id: strings or integers. Ids of the graph that are not in view do
            no harm, other ids are refused.
        missing : scalar, default="auto"
            What to write for a node that `labels` lacks or has None or NaN for. "auto":
            "?" among strings, -1 among integers, which is what the estimators take for
            an unknown type.

        Returns
        -------
        y : ndarray of shape (n_view,)
            One type per node in view; an object array for strings.

        Raises
        ------
        ValueError
            If an id is not in the graph or occurs twice, or the types are the integers
            1 and -1 alone and some are unknown, which would look like a binary problem.
        TypeError
            If the types are a mix, or neither strings nor integers.

        Examples
        --------
        >>> from celltyping import Connectome
        >>> con = Connectome([[0, 3], [1, 0]], node_ids=[7, 8])
        >>> con.align({8: "KC"})
        array(['?', 'KC'], dtype=object)
        >>> con.align({8: 4})
        array([-1,  4])
        """
        return align_labels(labels, self._graph, self._indices, missing)

    def to_series(self, values, name=None):
        """Turn one value per node in view into a Series by id.

        Parameters
        ----------
        values : array-like of shape (n_view,)
            What an estimator says about the nodes in view.
        name : str, default=None
            Name of the series.

        Returns
        -------
        series : pandas.Series of shape (n_view,)
            The values; the index is named "node_id".

        Examples
        --------
        >>> from celltyping import Connectome
        >>> con = Connectome([[0, 3], [1, 0]], node_ids=[7, 8])
        >>> con.to_series(["PN", "KC"]).to_dict()
        {7: 'PN', 8: 'KC'}
        """
        pd = import_optional("pandas", extra="io", needed_by="Connectome.to_series")
        values = np.asarray(values)  # a Series would be sorted by its own index
        if values.shape != (len(self),):
            raise ValueError(
                f"values must have one entry per node in view, shape ({len(self)},), "
                f"got shape {values.shape}"
            )
        return pd.Series(
            values, index=pd.Index(self.node_ids, name="node_id"), name=name
        )

    def to_edges(self):
        """List the edges between the nodes in view.

        Returns
        -------
        edges : pandas.DataFrame of shape (n_edges, 3)
            Columns pre, post (ids) and weight, integers where all weights are whole.
            Isolated nodes have no row: give `from_edges` ``nodes=con.node_ids`` to get
            them back.

        Examples
        --------
        >>> from celltyping import Connectome
        >>> con = Connectome([[0, 3], [1, 0]], node_ids=[7, 8])
        >>> con.to_edges().to_dict("list")
        {'pre': [7, 8], 'post': [8, 7], 'weight': [3, 1]}
        """
        pd = import_optional("pandas", extra="io", needed_by="Connectome.to_edges")
        edges = self.adjacency.tocoo()
        ids = self.node_ids
        weights = edges.data
        if np.array_equal(weights, np.rint(weights)) and weights.max(initial=0) < 2**53:
            weights = weights.astype(np.int64)
        return pd.DataFrame(
            {"pre": ids[edges.row], "post": ids[edges.col], "weight": weights}
        )

    def __len__(self):
        return len(self._indices)

    def __getitem__(self, key):
        return self._of_graph(self._graph, self._indices[as_rows(key, len(self))])

    def __iter__(self):
        return iter(self.node_ids)

    def __array__(self, dtype=None, copy=None):
        # Without this, numpy would take a Connectome for a sequence of Connectomes of
        # one node, each of them a sequence of itself, for ever.
        raise TypeError(
            "a Connectome does not turn into an array, since its nodes have partners "
            "that are not in view: pass con.adjacency for the weights between those "
            "that are, or con.node_ids for their ids"
        )

    def __getstate__(self):
        # nothing that was only computed, so that joblib's caches know a view again
        return {"_graph": self._graph, "_indices": self._indices}

    def __setstate__(self, state):
        # pickle, and the memory maps of joblib, do not keep arrays closed for writing
        self._graph = state["_graph"]
        self._indices = frozen(state["_indices"])

    def __repr__(self):
        edges = f"{self.n_edges} edge{'' if self.n_edges == 1 else 's'}"
        synapses = (
            f"{self.n_synapses:.15g} synapse{'' if self.n_synapses == 1 else 's'}"
        )
        n_nodes = self._graph.n_nodes
        if self._shows_all:
            nodes = f"{n_nodes} node{'' if n_nodes == 1 else 's'}"
            return f"<Connectome of {nodes}: {edges}, {synapses}>"
        return (
            f"<Connectome view of {len(self)} of {n_nodes} nodes: {edges}, {synapses} "
            "between them>"
        )


def _check_concat(connectomes):
    """Refuse what cannot stand side by side."""
    if not connectomes:
        raise ValueError("connectomes must hold at least one Connectome, got none")
    for con in connectomes:
        if not isinstance(con, Connectome):
            raise TypeError(
                f"connectomes must hold Connectomes, got {type(con).__name__}"
            )
    if len({con.node_ids.dtype.kind for con in connectomes}) > 1:
        raise TypeError(
            "connectomes must have ids of one kind, got integers and strings"
        )
    check_unique(np.concatenate([con.node_ids for con in connectomes]))
    widths = {
        None if con.node_features is None else con.node_features.shape[1]
        for con in connectomes
    }
    if len(widths) > 1:
        raise ValueError(
            "connectomes must have the same number of node features, got "
            f"{', '.join(sorted(map(str, widths)))}"
        )
