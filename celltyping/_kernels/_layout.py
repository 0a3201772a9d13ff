"""Kernels of the layout of a fuzzy graph, by attraction and repulsion.

In each epoch every vertex moves by itself and reads the positions of the others at the
beginning of the epoch. So no two blocks write to one row, and the layout is the same to
the bit for any number of threads. Random numbers are hashes of the seed, the epoch and
the edge, for the same reason.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from typing import NamedTuple

import numpy as np

from celltyping._kernels._csr import longest_row
from celltyping._kernels._jit import jit

# The largest move along a coordinate that one pair can cause, in units of the step.
MAX_PULL = np.float32(4.0)

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


class Edges(NamedTuple):
    """Edges in CSR form.

    `ptr` (n_vertices + 1,), dtype=uint64; `cols` (n_edges,), dtype=uint32; and `shares`
    (n_edges,), dtype=float32, the share of the epochs in which each edge counts.
    """

    ptr: np.ndarray
    cols: np.ndarray
    shares: np.ndarray


class ForceTables(NamedTuple):
    """Forces of a pair per coordinate difference, over the squared distance.

    Arrays of shape (n_values,), dtype=float32, from 2**`SMALLEST_POWER` on.
    """

    attraction: np.ndarray
    repulsion: np.ndarray


@jit
def _look_up(table, square):
    """Read a force from its table at a squared distance."""
    square = min(max(square, SMALLEST), LARGEST)
    bits = np.float32(square).view(np.int32)
    k = np.uint32((bits >> SHIFT) - FIRST)
    part = np.float32(bits & LOW_BITS) * PER_LOW_BIT
    return table[k] + part * (table[k + np.uint32(1)] - table[k])


@jit
def _hash(counter):
    """Turn a counter into 64 random bits."""
    bits = counter * GOLDEN
    bits = (bits ^ (bits >> np.uint64(30))) * MIX_1
    bits = (bits ^ (bits >> np.uint64(27))) * MIX_2
    return bits ^ (bits >> np.uint64(31))


@jit
def epoch_key(seed, epoch):
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
def _find_due(edges, i, epoch, due):
    """List the edges of vertex `i` that count in this epoch; return their number."""
    n_due = 0
    for e in range(edges.ptr[i], edges.ptr[i + 1]):
        # Exact: a float32 times a small whole number in double precision.
        share = np.float64(edges.shares[e])
        if np.int64(share * (epoch + 1)) > np.int64(share * epoch):
            due[n_due] = e
            n_due += 1
    return n_due


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
def move(start, stop, edges, positions, tables, epoch, key, step, n_negatives):
    """Move the vertices from `start` to `stop` for one epoch.

    Parameters
    ----------
    start, stop : int
        The block.
    edges : Edges
        The graph.
    positions : ndarray of shape (n_vertices, n_dims), dtype=float32
        Positions of all vertices at the beginning of the epoch.
    tables : ForceTables
        The forces.
    epoch : int
        Number of the epoch.
    key : uint64
        Start of the epoch's random numbers.
    step : float32
        Factor of all moves.
    n_negatives : uint64
        Number of random vertices that repel per edge.

    Returns
    -------
    moved : ndarray of shape (stop - start, n_dims), dtype=float32
        Positions of the block's vertices at the end of the epoch.
    """
    n_vertices, n_dims = positions.shape
    moved = positions[start:stop].copy()
    due = np.empty(longest_row(edges.ptr, start, stop), np.uint64)
    push = np.empty(n_dims, np.float32)
    for i in range(start, stop):
        own = moved[i - start]
        n_due = _find_due(edges, i, epoch, due)
        for k in range(n_due):
            _attract(own, positions[edges.cols[due[k]]], tables.attraction, step)
        for k in range(n_due):
            _attract(own, positions[edges.cols[due[k]]], tables.attraction, step)
            push[:] = 0.0
            for s in range(n_negatives):
                r = _other_vertex(key, due[k] * n_negatives + s, i, n_vertices)
                other = positions[r]
                force = _look_up(tables.repulsion, _square(own, other))
                for d in range(n_dims):
                    push[d] += _clip(force * (own[d] - other[d]))
            for d in range(n_dims):
                own[d] += step * push[d]
    return moved


@jit
def move_in_plane(start, stop, edges, positions, tables, epoch, key, step, n_negatives):
    """Do the same as `move` in two dimensions, to the bit, in 0.7 of its time."""
    n_vertices = len(positions)
    moved = np.empty((stop - start, 2), np.float32)
    due = np.empty(longest_row(edges.ptr, start, stop), np.uint64)
    for i in range(start, stop):
        x, y = positions[i, 0], positions[i, 1]
        n_due = _find_due(edges, i, epoch, due)
        for k in range(2 * n_due):
            e = due[k % n_due]
            j = edges.cols[e]
            dx, dy = x - positions[j, 0], y - positions[j, 1]
            force = _look_up(tables.attraction, dx * dx + dy * dy)
            x += step * _clip(force * dx)
            y += step * _clip(force * dy)
            if k < n_due:
                continue
            push_x = push_y = np.float32(0.0)
            for s in range(n_negatives):
                r = _other_vertex(key, e * n_negatives + s, i, n_vertices)
                dx, dy = x - positions[r, 0], y - positions[r, 1]
                force = _look_up(tables.repulsion, dx * dx + dy * dy)
                push_x += _clip(force * dx)
                push_y += _clip(force * dy)
            x += step * push_x
            y += step * push_y
        moved[i - start, 0] = x
        moved[i - start, 1] = y
    return moved
