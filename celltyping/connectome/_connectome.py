"""Connectome, a graph container that scikit-learn can slice."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from collections.abc import Iterable
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
    """A graph of neurons and synapses, with some or all of the neurons in view.

    A connectome consists of a graph and a selection of its nodes. Slicing changes only
    the selection: ``con[idx]`` is a view of the *same* graph with fewer nodes in view.
    A cross-validation fold thus has access to the whole graph, but only the neurons in
    the fold have labels. Slicing the matrix would drop the synapses between the folds.

    Parameters
    ----------
    adjacency : {array-like, sparse matrix, sparse array} of shape (n_nodes, n_nodes)
        ``adjacency[i, j]`` is the number of synapses, or another nonnegative weight,
        from neuron i (presynaptic) to neuron j (postsynaptic). It is copied. A
        DataFrame has the ids in its index; its columns, which may be in another order,
        are matched by name. With pandas' default index and columns it has no ids.
    node_ids : array-like of shape (n_nodes,), default=None
        Unique integers or strings. None: those of a DataFrame, else 0, 1, ... If a
        DataFrame has ids, these must be the same, and set the order of the nodes.
    node_features : array-like of shape (n_nodes, n_features), default=None
        Finite, nonnegative features. Rows of a DataFrame are matched by its index,
        which must hold every id; rows of an array by position.

    Attributes
    ----------
    graph : Graph
        The graph that all views share, with the attributes ``adjacency``, ``transpose``
        (computed on first access), ``node_ids``, ``node_features``, ``n_nodes`` and
        ``content_hash``. Its arrays are read-only.
    indices : ndarray of shape (n_view,), dtype=intp
        Positions in the graph of the nodes in view.
    node_ids : ndarray of shape (n_view,), dtype=int64 or str
        Ids of the nodes in view.
    node_features : ndarray of shape (n_view, n_features) or None
        Features of the nodes in view.
    adjacency : csr_array of shape (n_view, n_view)
        Weights between the nodes in view. If all nodes are in view, this is the graph's
        own read-only matrix.
    n_edges : int
        Number of edges between the nodes in view, self loops included.
    n_synapses : int or float
        Sum of the weights of these edges; an int if it is whole.
    shape : tuple of int
        ``(n_view, n_view)``.
    ndim : int
        Always 2.

    See Also
    --------
    read_edges : Read a connectome from a csv, parquet, feather or Excel file.
    read_types : Read the types of neurons from a file.

    Notes
    -----
    An index is an integer (negative integers count from the end), a list or array of
    integers, a slice or a boolean mask. ``con[5]`` is a view of one node, and an index
    may repeat nodes, as a bootstrap does. ``con[rows, ...]``, ``con[rows, :]`` and
    ``con[np.ix_(rows, columns)]``, which scikit-learn uses, are views of the rows.
    Iterating over a connectome yields ids.

    Whether two connectomes are views of the same graph depends on the content of the
    graphs, not on object identity, which is lost in other processes; see
    `is_same_graph`.

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
        """Return a view of a graph; indices=None: of all its nodes."""
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
        other_ids="raise",
        min_weight=None,
        node_features=None,
    ):
        """Build a connectome from a table of edges or synapses.

        Parameters
        ----------
        edges : DataFrame, Series, dict of arrays, structured array or pyarrow Table
            Table with one row per edge; rows of the same pair are summed. Named levels
            of an index, as after ``groupby([pre, post])``, count as columns.
        pre : str, default="pre"
            Name of the column with the ids of the presynaptic neurons.
        post : str, default="post"
            Name of the column with the ids of the postsynaptic neurons.
        weight : str or None, default="weight"
            Name of the column with the numbers of synapses. None: each row counts 1.
        nodes : array-like of shape (n_nodes,), default=None
            Ids of all neurons, including isolated ones, in the order of the nodes.
            None: the sorted ids of `edges`.
        other_ids : {"raise", "drop"}, default="raise"
            What to do with ids in `edges` that are not in `nodes`: raise an error, or
            drop their rows.
        min_weight : float, default=None
            Minimum summed weight of an edge. Lighter edges are dropped, but not their
            neurons, so the nodes do not depend on the threshold.
        node_features : array-like of shape (n_nodes, n_features), default=None
            Finite, nonnegative features. Rows of a DataFrame are matched by its index,
            rows of an array by position.

        Returns
        -------
        connectome : Connectome
            Connectome with all nodes in view.

        Raises
        ------
        ValueError
            If a column is missing; an id is missing, overflows int64, is a float that
            may have lost digits, or is not in `nodes`; `nodes` has duplicates; a
            weight is negative, NaN or infinite; or `other_ids` would drop all rows.
        TypeError
            If ids are neither integers nor strings, or weights are not numbers.

        Warns
        -----
        UserWarning
            If the id 0 occurs among large ids: in segmentations it is the background.

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
            other_ids=other_ids,
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
            Graph whose nodes are all kept, in their order. Undirected edges count in
            both directions; parallel edges of a multigraph are summed.
        weight : str or None, default="weight"
            Edge attribute with the number of synapses; an edge without it counts 1, as
            in networkx. None: every edge counts 1. A name other than the default must
            occur.
        min_weight : float, default=None
            Minimum summed weight of an edge. Lighter edges are dropped, but not their
            neurons.
        node_features : array-like of shape (n_nodes, n_features), default=None
            Finite, nonnegative features. Rows of a DataFrame are matched by its index,
            rows of an array by position.

        Returns
        -------
        connectome : Connectome
            Connectome with all nodes in view.

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
        """Combine connectomes into one without edges between them.

        Parameters
        ----------
        connectomes : iterable of Connectome
            Connectomes without common ids and with equal numbers of node features. Only
            the nodes in view are used.

        Returns
        -------
        connectome : Connectome
            Connectome of all these nodes, in the given order.

        Raises
        ------
        ValueError
            If `connectomes` is empty, ids repeat, or the numbers of node features
            differ.
        TypeError
            If an item is not a Connectome, or some ids are integers and some strings.

        Examples
        --------
        >>> from celltyping import Connectome
        >>> left = Connectome([[0, 2], [0, 0]], node_ids=["a", "b"])
        >>> right = Connectome([[0, 0], [5, 0]], node_ids=["c", "d"])
        >>> Connectome.concat([left, right])
        <Connectome of 4 nodes: 2 edges, 7 synapses>
        """
        if not isinstance(connectomes, Iterable) or hasattr(connectomes, "shape"):
            raise TypeError(
                "connectomes must be a list of Connectomes, got "
                f"{type(connectomes).__name__}"
            )
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
        """Graph that all views share."""
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
        """Number of dimensions: 2, as for a matrix."""
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
        """Whether all nodes are in view, in their order."""
        n_nodes = self._graph.n_nodes
        return len(self) == n_nodes and np.array_equal(
            self._indices, np.arange(n_nodes)
        )

    @cached_property
    def _sums(self):
        """Number of edges and sum of weights in view, without slicing the matrix."""
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
        """Return whether another connectome is a view of the same graph.

        Parameters
        ----------
        other : Connectome
            Another connectome, possibly from another process or a file.

        Returns
        -------
        same : bool
            True if the weights, ids and node features of both graphs are equal. The
            nodes in view do not matter.

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

    def align(self, labels, missing="auto", *, unknown_ids="raise"):
        """Return the types of the nodes in view, given types by id.

        Parameters
        ----------
        labels : Series or dict
            Types by id: strings or integers. Ids of nodes that are not in view are
            ignored.
        missing : scalar, default="auto"
            Value for nodes that are missing in `labels` or have the type None, NaN,
            "?", a blank string or the text of a missing value such as "nan". "auto":
            "?" among strings and -1 among integers, the markers of an unknown type that
            the estimators expect.
        unknown_ids : {"raise", "ignore"}, default="raise"
            What to do with ids in `labels` that are not in the graph: raise an error,
            or ignore them if there are others.

        Returns
        -------
        y : ndarray of shape (n_view,), dtype=object or int64
            Type of each node in view; of dtype object for strings.

        Raises
        ------
        ValueError
            If an id is not in the graph (see `unknown_ids`) or occurs twice, or if the
            only types are the integers 1 and -1 and some are unknown, which would look
            like a binary problem.
        TypeError
            If the types are neither all strings nor all integers.

        Examples
        --------
        >>> from celltyping import Connectome
        >>> con = Connectome([[0, 3], [1, 0]], node_ids=[7, 8])
        >>> con.align({8: "KC"})
        array(['?', 'KC'], dtype=object)
        >>> con.align({8: 4})
        array([-1,  4])
        """
        return align_labels(labels, self._graph, self._indices, missing, unknown_ids)

    def to_series(self, values, name=None):
        """Return values of the nodes in view as a Series by id.

        Parameters
        ----------
        values : array-like of shape (n_view,)
            One value per node in view, such as an estimator's predictions.
        name : str, default=None
            Name of the series.

        Returns
        -------
        series : pandas.Series of shape (n_view,)
            The values, with the ids as an index named "node_id".

        Examples
        --------
        >>> from celltyping import Connectome
        >>> con = Connectome([[0, 3], [1, 0]], node_ids=[7, 8])
        >>> con.to_series(["PN", "KC"]).to_dict()
        {7: 'PN', 8: 'KC'}
        """
        pd = import_optional("pandas", extra="io", needed_by="Connectome.to_series")
        values = np.asarray(values)  # a Series would be aligned by its own index
        if values.shape != (len(self),):
            raise ValueError(
                f"values must have one entry per node in view, shape ({len(self)},), "
                f"got shape {values.shape}"
            )
        return pd.Series(
            values, index=pd.Index(self.node_ids, name="node_id"), name=name
        )

    def to_edges(self):
        """Return a table of the edges between the nodes in view.

        Returns
        -------
        edges : pandas.DataFrame of shape (n_edges, 3)
            Columns pre, post (ids) and weight; integers if all weights are whole.
            Isolated nodes have no row: `from_edges` restores them with
            ``nodes=con.node_ids``.

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
        # Without this method, numpy would treat a Connectome as a sequence of views of
        # one node, each of them a sequence again, in an endless recursion.
        raise TypeError(
            "a Connectome cannot be converted to an array, because its nodes may have "
            "partners that are not in view: pass con.adjacency for the weights between "
            "the nodes in view, or con.node_ids for their ids"
        )

    def __getstate__(self):
        # without cached properties, so that joblib's caches recognise a view
        return {"_graph": self._graph, "_indices": self._indices}

    def __setstate__(self, state):
        # pickle and joblib's memory maps do not keep arrays read-only
        self._graph = state["_graph"]
        self._indices = frozen(state["_indices"])

    def __repr__(self):
        edges = f"{_count(self.n_edges, 'edge')}, {_count(self.n_synapses, 'synapse')}"
        n_nodes = self._graph.n_nodes
        if self._shows_all:
            return f"<Connectome of {_count(n_nodes, 'node')}: {edges}>"
        view = f"{len(self)} of {n_nodes} nodes"
        return f"<Connectome view of {view}: {edges} between them>"


def _count(number, noun):
    """Write a number and a noun in its singular or plural."""
    return f"{number:.15g} {noun}{'' if number == 1 else 's'}"


def _check_concat(connectomes):
    """Raise an error for connectomes that cannot be combined."""
    if not connectomes:
        raise ValueError("connectomes must have at least one item, got none")
    for con in connectomes:
        if not isinstance(con, Connectome):
            raise TypeError(
                f"connectomes must be Connectomes, got {type(con).__name__}"
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
