"""The layout of a fuzzy graph in a few dimensions, by attraction and repulsion.

In each epoch every vertex moves by itself and reads where the others stood when the
epoch began. So no two blocks write to one row, and the layout is the same to the bit
for any number of threads. Random numbers are hashes of the seed, the epoch and the
edge, for the same reason.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from itertools import pairwise

import numpy as np
from joblib import delayed
from scipy import optimize

from celltyping._kernels._jit import jit
from celltyping._kernels._threads import threads

# Edges per block of rows: some 0.3 ms, several times what it takes to hand a
# block to a thread.
BLOCK = 16384

# The largest move along a coordinate that one pair can cause, in units of the step.
MAX_PULL = np.float32(4.0)

# Keeps the repulsion of two vertices finite where they meet.
SOFTENING = 0.001

# The forces are read from tables over the squared distance, with linear interpolation
# between 2**TABLE_BITS values per power of two: no power, no division, and an error
# under 2e-4. Squared distances beyond the tables' ends count as the ends.
TABLE_BITS = 6
SMALLEST_POWER, LARGEST_POWER = -40, 40
SHIFT = np.int32(23 - TABLE_BITS)  # a float32 has 23 bits behind its exponent
LOW_BITS = np.int32((1 << (23 - TABLE_BITS)) - 1)
PER_LOW_BIT = np.float32(1.0 / (1 << (23 - TABLE_BITS)))
SMALLEST = np.float32(2.0**SMALLEST_POWER)
LARGEST = np.float32(2.0**LARGEST_POWER)
FIRST = np.int32((SMALLEST_POWER + 127) << TABLE_BITS)

# Increment and multipliers of the hash splitmix64 (Steele, Lea and Flood, 2014).
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
MIX_2 = np.uint64(0x94D049BB133111EB)
HALF = np.uint64(32)


def fit_curve(min_dist, spread):
    """Fit the curve by which similarity falls with distance in the layout.

    Parameters
    ----------
    min_dist : float
        Vertices nearer than this are as similar as can be.
    spread : float
        How fast the similarity falls beyond: exp(-(distance - min_dist) / spread).

    Returns
    -------
    a, b : float
        The similarity at distance x is about 1 / (1 + a x^(2b)).
    """

    def curve(x, a, b):
        return 1.0 / (1.0 + a * x ** (2.0 * b))

    # In units of the spread, so that the fit starts near its end for any spread.
    x = np.linspace(0.0, 3.0, 300)
    target = np.exp(-np.maximum(x - min_dist / spread, 0.0))
    (a, b), _ = optimize.curve_fit(curve, x, target)
    return float(a / spread ** (2.0 * b)), float(b)


def _tabulate(a, b, repulsion_strength):
    """Tabulate the forces of a pair, per coordinate difference.

    Parameters
    ----------
    a, b : float
        As `fit_curve` returns them.
    repulsion_strength : float
        Factor of the repulsion.

    Returns
    -------
    attraction, repulsion : ndarray of shape (n_values,), dtype=float32
        The forces at 2**`SMALLEST_POWER` and on.
    """
    n_octaves = LARGEST_POWER - SMALLEST_POWER
    n_steps = 1 << TABLE_BITS
    mantissas = 1.0 + np.arange(n_steps) / n_steps
    squares = np.ldexp(mantissas, np.arange(n_octaves)[:, np.newaxis] + SMALLEST_POWER)
    squares = np.append(squares.ravel(), 2.0**LARGEST_POWER)
    powers = squares**b
    attraction = -2.0 * a * b * powers / squares / (1.0 + a * powers)
    repulsion = 2.0 * repulsion_strength * b
    repulsion = repulsion / ((SOFTENING + squares) * (1.0 + a * powers))
    # One more value, which the last one's interpolation multiplies by 0.
    return tuple(
        np.append(table, table[-1]).astype(np.float32)
        for table in (attraction, repulsion)
    )


@jit
def _look_up(table, square):
    """Read a table of `_tabulate` at a squared distance."""
    square = min(max(square, SMALLEST), LARGEST)
    bits = np.float32(square).view(np.int32)
    place = np.uint32((bits >> SHIFT) - FIRST)
    part = np.float32(bits & LOW_BITS) * PER_LOW_BIT
    return table[place] + part * (table[place + np.uint32(1)] - table[place])


@jit
def _hash(counter):
    """Turn a counter into 64 random bits."""
    bits = counter * GOLDEN
    bits = (bits ^ (bits >> np.uint64(30))) * MIX_1
    bits = (bits ^ (bits >> np.uint64(27))) * MIX_2
    return bits ^ (bits >> np.uint64(31))


@jit
def _key(seed, epoch):
    """Turn a seed and an epoch into the start of that epoch's counters."""
    return _hash(_hash(np.uint64(seed)) + np.uint64(epoch))


@jit
def _other_vertex(key, draw, i, n_vertices):
    """Draw a vertex that is not `i`."""
    bits = _hash(key + np.uint64(draw)) >> HALF
    other = (bits * np.uint64(n_vertices - 1)) >> HALF
    return other + np.uint64(other >= np.uint64(i))


@jit
def _clip(force):
    """Limit a force along a coordinate."""
    return min(max(force, -MAX_PULL), MAX_PULL)


@jit
def _find_due(begin, end, shares, epoch, due):
    """List the edges of a row that count in this epoch; return how many there are."""
    n_due = 0
    for e in range(begin, end):
        # Exact: a float32 times a small whole number in double precision.
        share = np.float64(shares[e])
        if np.int64(share * (epoch + 1)) > np.int64(share * epoch):
            due[n_due] = e
            n_due += 1
    return n_due


@jit
def _longest_row(ptr, start, stop):
    """Find the largest number of edges of a row."""
    longest = 0
    for i in range(start, stop):
        longest = max(longest, np.int64(ptr[i + 1] - ptr[i]))
    return longest


@jit
def _square(own, other):
    """Compute the squared distance of two positions."""
    square = np.float32(0.0)
    for d in range(len(own)):
        square += (own[d] - other[d]) * (own[d] - other[d])
    return square


@jit
def _attract(own, other, attraction, step):
    """Move a vertex towards another one."""
    force = _look_up(attraction, _square(own, other))
    for d in range(len(own)):
        own[d] += step * _clip(force * (own[d] - other[d]))


@jit
def _move(
    start,
    stop,
    ptr,
    cols,
    shares,
    positions,
    attraction,
    repulsion,
    epoch,
    key,
    step,
    n_negatives,
):
    """Move a block of vertices for one epoch.

    Parameters
    ----------
    start, stop : int
        The block.
    ptr, cols, shares : ndarray
        Edges in CSR form, indices unsigned, and in what share of epochs each counts.
    positions : ndarray of shape (n_vertices, n_dims), dtype=float32
        Where all vertices stood when the epoch began.
    attraction, repulsion : ndarray, dtype=float32
        As `_tabulate` returns them.
    epoch : int
        Number of the epoch.
    key : uint64
        Start of the epoch's random numbers.
    step : float32
        Factor of all moves.
    n_negatives : uint64
        Random vertices that push per edge.

    Returns
    -------
    moved : ndarray of shape (stop - start, n_dims), dtype=float32
        Where the block's vertices stand now.
    """
    n_vertices, n_dims = positions.shape
    moved = positions[start:stop].copy()
    due = np.empty(_longest_row(ptr, start, stop), np.uint64)
    push = np.empty(n_dims, np.float32)
    for i in range(start, stop):
        own = moved[i - start]
        n_due = _find_due(ptr[i], ptr[i + 1], shares, epoch, due)
        for k in range(n_due):
            _attract(own, positions[cols[due[k]]], attraction, step)
        for k in range(n_due):
            _attract(own, positions[cols[due[k]]], attraction, step)
            push[:] = 0.0
            for s in range(n_negatives):
                r = _other_vertex(key, due[k] * n_negatives + s, i, n_vertices)
                other = positions[r]
                force = _look_up(repulsion, _square(own, other))
                for d in range(n_dims):
                    push[d] += _clip(force * (own[d] - other[d]))
            for d in range(n_dims):
                own[d] += step * push[d]
    return moved


@jit
def _move_in_plane(
    start,
    stop,
    ptr,
    cols,
    shares,
    positions,
    attraction,
    repulsion,
    epoch,
    key,
    step,
    n_negatives,
):
    """Do what `_move` does in two dimensions, to the bit, in 0.7 of its time."""
    n_vertices = len(positions)
    moved = np.empty((stop - start, 2), np.float32)
    due = np.empty(_longest_row(ptr, start, stop), np.uint64)
    for i in range(start, stop):
        x, y = positions[i, 0], positions[i, 1]
        n_due = _find_due(ptr[i], ptr[i + 1], shares, epoch, due)
        for k in range(2 * n_due):
            e = due[k % n_due]
            j = cols[e]
            dx, dy = x - positions[j, 0], y - positions[j, 1]
            force = _look_up(attraction, dx * dx + dy * dy)
            x += step * _clip(force * dx)
            y += step * _clip(force * dy)
            if k < n_due:
                continue
            push_x = push_y = np.float32(0.0)
            for s in range(n_negatives):
                r = _other_vertex(key, e * n_negatives + s, i, n_vertices)
                dx, dy = x - positions[r, 0], y - positions[r, 1]
                force = _look_up(repulsion, dx * dx + dy * dy)
                push_x += _clip(force * dx)
                push_y += _clip(force * dy)
            x += step * push_x
            y += step * push_y
        moved[i - start, 0] = x
        moved[i - start, 1] = y
    return moved


def _edges_ever_due(graph, n_epochs):
    """Leave out the edges that would never count, and weigh the others.

    Parameters
    ----------
    graph : csr_array of shape (n_vertices, n_vertices)
        The fuzzy graph.
    n_epochs : int
        Number of epochs.

    Returns
    -------
    ptr, cols, shares : ndarray
        Edges in CSR form, and in what share of epochs each counts.
    """
    largest = graph.data.max(initial=0.0)
    kept = (graph.data > 0.0) & (graph.data * n_epochs >= largest)
    ends = np.concatenate([[0], np.cumsum(kept)])
    return (
        ends[graph.indptr].astype(np.uint64),
        graph.indices[kept].astype(np.uint32),
        (graph.data[kept] / largest).astype(np.float32),
    )


def _cut(ptr):
    """Cut rows into blocks of about `BLOCK` edges; return where they begin and end."""
    n_blocks = max(int(ptr[-1]) // BLOCK, 1)
    inner = np.searchsorted(ptr, np.arange(1, n_blocks) * float(BLOCK))
    return np.unique(np.concatenate([[0], inner, [len(ptr) - 1]]))


def optimize_layout(
    initial,
    graph,
    *,
    a,
    b,
    n_epochs,
    negative_sample_rate,
    learning_rate,
    repulsion_strength,
    seed,
    n_jobs=None,
    advance=None,
):
    """Lay out a fuzzy graph: edges attract, random pairs repel.

    Parameters
    ----------
    initial : ndarray of shape (n_vertices, n_dims)
        Where the vertices start; UMAP's forces suit a range of about 10.
    graph : csr_array of shape (n_vertices, n_vertices)
        The fuzzy graph: symmetric, nonnegative, nothing on the diagonal.
    a, b : float
        As `fit_curve` returns them.
    n_epochs : int
        Number of epochs. The strongest edge counts in each, an edge of a third of its
        weight in every third.
    negative_sample_rate : int
        Random vertices that push a vertex each time that one of its edges counts.
    learning_rate : float
        Step of the first epoch; it falls in a straight line to 0.
    repulsion_strength : float
        Factor of the repulsion.
    seed : int
        Seed of the random vertices, between 0 and 2**64 - 1.
    n_jobs : int, default=None
        Number of threads; the result is the same for any.
    advance : callable, default=None
        Called after each epoch.

    Returns
    -------
    positions : ndarray of shape (n_vertices, n_dims), dtype=float32
        Where the vertices stand in the end.

    Notes
    -----
    UMAP [1]_ moves both ends of an edge. Here a vertex takes all its moves at once:
    first those as the far end of its edges, then those as the near end, each followed
    by a push from random vertices. The order matters: on MNIST, both pulls and the push
    edge by edge gave a worse cross-entropy, and both pulls after the push a far worse
    one. How fresh the others' positions are hardly matters.

    References
    ----------
    .. [1] L. McInnes, J. Healy, J. Melville (2018). UMAP: Uniform manifold
       approximation and projection for dimension reduction. :arxiv:`1802.03426`
    """
    edges = _edges_ever_due(graph, n_epochs)
    tables = _tabulate(a, b, repulsion_strength)
    bounds = _cut(edges[0])
    positions = np.array(initial, dtype=np.float32, order="C")
    move = _move_in_plane if positions.shape[1] == 2 else _move
    with threads(n_jobs) as parallel:
        for epoch in range(n_epochs):
            step = np.float32(learning_rate * (1.0 - epoch / n_epochs))
            key = np.uint64(_key(np.uint64(seed), epoch))
            moved = parallel(
                delayed(move)(
                    start,
                    stop,
                    *edges,
                    positions,
                    *tables,
                    epoch,
                    key,
                    step,
                    np.uint64(negative_sample_rate),
                )
                for start, stop in pairwise(bounds)
            )
            positions = np.concatenate(moved)
            if advance is not None:
                advance()
    return positions
