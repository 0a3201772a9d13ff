"""Affinity graphs of points, their Laplacians and leading eigenvectors.

Properties of every graph here (affinities, symmetric, no self loops):

- A node without an edge is a component of its own. Its row of a Laplacian is 0.
- The eigenvalue 0 has one eigenvector per component, known without a solver. The
  trivial one (constant; for the symmetric Laplacian, roots of degrees) is left out. The
  others separate the components, the largest ones first.
- Eigenvectors have mean square 1 (for the random-walk Laplacian weighted by degree),
  so that their scale does not depend on the number of nodes, and a positive largest
  entry.
- The result does not depend on the number of threads.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
from scipy import linalg, sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh, splu
from threadpoolctl import threadpool_limits

# Maximum number of nodes at which a dense solver is used; Lanczos needs more nodes than
# vectors, and the dense solver takes a few milliseconds.
N_DENSE = 256

# Error of an eigenvector, times the gap to the next eigenvalue.
TOLERANCE = 1e-10

# Number of Lanczos vectors beyond twice the eigenvectors, and maximum number of
# restarts. 60,000 points of MNIST take 10, a rolled sheet of as many points 60.
N_EXTRA = 20
MAX_RESTARTS = 150

# Ridge that makes functions independent, relative to their sum of mean squares.
RIDGE = 1e-12

# Shift that makes the Laplacian invertible, relative to its largest eigenvalue.
SHIFT = 1e-10

# Means over neighbours are divided by at least this: an eigenvector whose eigenvalue is
# near 1 says nothing about new samples, and would be stretched without end.
LEAST_SHRINKAGE = 0.25


def affinity_graph(indices, distances):
    """Turn nearest neighbours into affinities.

    Parameters
    ----------
    indices : ndarray of shape (n_samples, n_neighbors)
        Neighbours of each sample. Entries equal to the sample itself and negative ones
        are ignored.
    distances : ndarray of shape (n_samples, n_neighbors)
        Their distances.

    Returns
    -------
    graph : csr_array of shape (n_samples, n_samples), dtype=float64
        The mean of exp(-d_ij / σ_i) and exp(-d_ij / σ_j), 0 in a direction without a
        neighbour; σ_i is the median distance from i to its neighbours. Columns ascend
        in each row.
    """
    n_samples, n_neighbors = indices.shape
    rows = np.arange(n_samples)
    absent = (indices == rows[:, np.newaxis]) | (indices < 0)
    distances = np.where(absent, np.inf, distances).astype(np.float64)
    scale = _medians(np.sort(distances, axis=1), n_neighbors - absent.sum(axis=1))
    affinities = np.exp(-distances / scale[:, np.newaxis])
    present = affinities > 0
    graph = sparse.csr_array(
        (affinities[present], (np.repeat(rows, present.sum(axis=1)), indices[present])),
        shape=(n_samples, n_samples),
    )
    graph = sparse.csr_array((graph + graph.T) / 2)
    graph.sort_indices()
    return graph


def _medians(ascending, counts):
    """Return the median of the first entries of each row, or a positive substitute."""
    rows = np.arange(len(ascending))
    last = ascending.shape[1] - 1
    low = ascending[rows, np.clip((counts - 1) // 2, 0, last)]
    high = ascending[rows, np.clip(counts // 2, 0, last)]
    scale = np.where(counts > 0, (low + high) / 2, 1.0)
    # If most neighbours are copies of the sample, the mean is used; if all of them are,
    # any scale gives affinities of 1.
    sums = np.where(np.isfinite(ascending), ascending, 0.0).sum(axis=1)
    means = sums / np.maximum(counts, 1)
    return np.where(scale > 0, scale, np.where(means > 0, means, 1.0))


def positive_degrees(graph):
    """Return the sum of each node's affinities, 1 for a node without an edge."""
    degrees = graph.sum(axis=1)
    return np.where(degrees > 0, degrees, 1.0)


def degree_roots(graph):
    """Return the roots of the degrees, in one column of mean square 1."""
    degrees = positive_degrees(graph)
    return np.sqrt(degrees / degrees.mean())[:, np.newaxis]


def shrinkage(graph, functions, eigenvalues, kind):
    """Return the ratio of means over neighbours to the functions themselves.

    Functions, in columns, are the eigenvectors of a Laplacian with these eigenvalues;
    for the symmetric one divided by the roots of the degrees, which come last.
    """
    degrees = positive_degrees(graph)
    unit = degrees.mean() if kind == "unnormalized" else 1.0
    ratios = np.maximum(1.0 - eigenvalues / unit, LEAST_SHRINKAGE)
    if kind == "symmetric":
        # Neighbours have more neighbours than others.
        means = graph @ functions[:, -1] / degrees
        ratios = np.append(ratios, means.mean() / functions[:, -1].mean())
    return ratios


def laplacian(graph, kind):
    """Compute the Laplacian of a graph of affinities, see `GrEASE`.

    Both are csr_arrays of shape (n_nodes, n_nodes); a node without an edge has a row of
    zeros.
    """
    diagonal = graph.sum(axis=1)
    if kind != "unnormalized":
        degrees = positive_degrees(graph)
        power = -1.0 if kind == "rw" else -0.5
        graph = sparse.diags_array(degrees**power) @ graph
        if kind == "symmetric":
            graph = graph @ sparse.diags_array(degrees**power)
        diagonal = (diagonal > 0).astype(np.float64)
    return sparse.csr_array(sparse.diags_array(diagonal) - graph)


def leading_eigenvectors(graph, n_components, *, kind="rw", random_state=None):
    """Find the eigenvectors of a Laplacian with the smallest eigenvalues.

    Parameters
    ----------
    graph : csr_array of shape (n_nodes, n_nodes)
        Symmetric affinities.
    n_components : int
        Number of eigenvectors without the trivial one, less than the number of nodes.
    kind : {"rw", "symmetric", "unnormalized"}, default="rw"
        The Laplacian, see `laplacian`.
    random_state : int or None, default=None
        Seed of the start vector of Lanczos.

    Returns
    -------
    eigenvalues : ndarray of shape (n_components,)
        Ascending; 0 once per component but one.
    eigenvectors : ndarray of shape (n_nodes, n_components)
        In columns, with mean square 1 (for "rw" weighted by degree, as they are
        orthogonal only then) and a positive largest entry.

    Notes
    -----
    The Lanczos method on (a multiple of) the identity less the symmetric form of the
    Laplacian, with the eigenvectors of the eigenvalue 0 projected out, so that many
    components cost nothing. If it takes too many restarts, the graph is thin, such as a
    long chain: then a factorisation is cheap, and inverse iteration is used.
    """
    n_nodes = graph.shape[0]
    # The random-walk Laplacian has the eigenvalues of the symmetric one, and its
    # eigenvectors divided by the roots of the degrees.
    symmetric = laplacian(graph, "symmetric" if kind == "rw" else kind)
    degrees = np.ones(n_nodes) if kind == "unnormalized" else positive_degrees(graph)
    # No eigenvalue is larger than twice the largest diagonal entry.
    bound = max(2.0 * symmetric.diagonal().max(), 1.0)
    kernel, flat = _kernel(graph, np.sqrt(degrees), n_components)
    with threadpool_limits(limits=1):
        values, vectors = np.zeros(flat.shape[1]), flat
        if flat.shape[1] < n_components:
            values, vectors = _solve(
                symmetric, kernel, bound, n_components - flat.shape[1], random_state
            )
            values = np.concatenate([np.zeros(flat.shape[1]), np.maximum(values, 0.0)])
            vectors = np.hstack([flat, vectors])
    if kind == "rw":
        vectors = vectors / np.sqrt(degrees / degrees.mean())[:, np.newaxis]
    vectors = vectors * np.sqrt(n_nodes)
    return values, vectors * signs(vectors)


def signs(vectors):
    """Return per column the sign (1.0, -1.0) that makes the largest entry positive."""
    largest = np.argmax(np.abs(vectors), axis=0)
    return np.where(vectors[largest, np.arange(vectors.shape[1])] < 0, -1.0, 1.0)


def rotation_to_eigenvectors(graph, functions, masses):
    """Compute the combinations of functions nearest to eigenvectors.

    The Rayleigh-Ritz method for the pencil of D - W and the diagonal matrix of masses
    (the degrees for the random-walk Laplacian, ones for the unnormalized one), with
    functions in columns. Returns the approximate eigenvalues, ascending; the weighted
    means of the functions; and the rotation, such that ``(functions - means) @
    rotation`` has mean square 1, weighted, and positive largest entries.
    """
    with threadpool_limits(limits=1):
        centre = np.average(functions, axis=0, weights=masses)
        centred = functions - centre
        energy = centred.T @ (laplacian(graph, "unnormalized") @ centred)
        covariance = (centred * masses[:, np.newaxis]).T @ centred
        # Functions that are constant or dependent keep finite combinations.
        size = np.average(functions**2, axis=0, weights=masses).sum() or 1.0
        covariance += RIDGE * masses.sum() * size * np.eye(len(covariance))
        values, rotation = linalg.eigh(energy, covariance)
        rotation *= np.sqrt(masses.sum())
        rotation *= signs(centred @ rotation)
    return np.maximum(values, 0.0), centre, rotation


def _kernel(graph, roots, n_components):
    """Return bases of the null space of the symmetric Laplacian.

    `roots`, of any length, is the trivial eigenvector. The first basis, a csr_array,
    has one unit vector per component. The second one has at most `n_components` columns
    and leaves the trivial vector out: the largest component against the rest, the next
    one against the remaining rest, and so on.
    """
    n_nodes = graph.shape[0]
    n_parts, part = connected_components(graph, directed=False)
    lengths = np.sqrt(np.bincount(part, weights=roots**2))
    rows = np.arange(n_nodes)
    kernel = sparse.csr_array((roots / lengths[part], (rows, part)))
    largest = np.argsort(-np.bincount(part), kind="stable")
    n_flat = min(n_parts - 1, n_components)
    basis = np.zeros((n_parts, n_flat + 1))
    basis[:, 0] = lengths
    basis[largest[:n_flat], np.arange(1, n_flat + 1)] = 1.0
    return kernel, kernel @ np.linalg.qr(basis)[0][:, 1:]


def _solve(symmetric, kernel, bound, n_vectors, random_state):
    """Find the smallest eigenpairs outside the null space, ascending.

    Parameters
    ----------
    symmetric : csr_array of shape (n_nodes, n_nodes)
        A symmetric Laplacian.
    kernel : csr_array of shape (n_nodes, n_components_of_graph)
        Its null space, orthonormal.
    bound : float
        Upper bound of the eigenvalues.
    n_vectors : int
        Number of eigenpairs.
    random_state : int or None
        Seed of the start vector.

    Returns
    -------
    values, vectors : ndarray of shape (n_vectors,) and (n_nodes, n_vectors)
        Eigenvalues and orthonormal eigenvectors.
    """
    n_nodes = symmetric.shape[0]
    n_lanczos = 2 * n_vectors + N_EXTRA
    if n_nodes <= max(N_DENSE, 2 * n_lanczos):
        lifted = symmetric.toarray() + 2.0 * bound * (kernel @ kernel.T).toarray()
        return linalg.eigh(lifted, subset_by_index=[0, n_vectors - 1])

    def outside(x):
        return x - kernel @ (kernel.T @ x)

    def multiply(x):
        # Eigenvalues λ become 1 - λ / bound, and those of the kernel -1.
        x = x.ravel()
        return 2.0 * outside(x) - x - symmetric @ x / bound

    def invert(x):
        return outside(factors.solve(outside(x.ravel())))

    shape = n_nodes, n_nodes
    start = np.random.default_rng(random_state).normal(size=n_nodes)
    options = {"v0": outside(start), "ncv": n_lanczos, "tol": TOLERANCE}
    try:
        operator = LinearOperator(shape, matvec=multiply, dtype=np.float64)
        values, vectors = eigsh(
            operator, n_vectors, which="LA", maxiter=MAX_RESTARTS, **options
        )
        values = bound * (1.0 - values)
    except ArpackNoConvergence:
        shift = SHIFT * bound
        factors = splu(sparse.csc_array(symmetric + shift * sparse.eye_array(n_nodes)))
        operator = LinearOperator(shape, matvec=invert, dtype=np.float64)
        values, vectors = eigsh(operator, n_vectors, which="LM", **options)
        values = 1.0 / values - shift
    order = np.argsort(values, kind="stable")
    return values[order], vectors[:, order]
