"""Geometry of flow diagrams: order of the bars, ribbons, positions of labels."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
from sklearn.isotonic import isotonic_regression

from celltyping.plotting._base import seriate

# Hardly any crossing is avoided by more passes over all types.
MAX_PASSES = 5

# For more types, whose moves take many seconds, the seriation is left as it is.
MOST_MOVED = 60


def count_crossings(flows):
    """Count crossing pairs of flows.

    ``flows[i, j]`` is the number of cells from bar i on the left to bar j on the right;
    two cells that share a bar do not cross.
    """
    flows = np.asarray(flows, dtype=np.int64)
    # Cells that start lower and end higher, for all flows but the last row and the
    # first column, which have none.
    lower = flows[1:][::-1].cumsum(axis=0)[::-1]
    lower_to_higher = lower[:, :-1].cumsum(axis=1)
    return int((flows[:-1, 1:] * lower_to_higher).sum())


def reduce_crossings(flows, n_last=0):
    """Order types, alike on both sides, so that few flows cross.

    Parameters
    ----------
    flows : ndarray of shape (n_types, n_types), dtype=int
        Number of cells from each type on the left to each type on the right.
    n_last : int, default=0
        Number of types at the end that keep their positions.

    Returns
    -------
    order : ndarray of shape (n_types,), dtype=intp
        A local minimum of the number of crossings: from a seriation and from its
        reverse, each type in turn moves to its best position until nothing is gained.
        Deterministic. Of more than `MOST_MOVED` types, the better seriation.
    """
    flows = np.asarray(flows, dtype=np.int64)
    n_free = len(flows) - n_last
    last = list(range(n_free, len(flows)))
    both_ways = (flows + flows.T)[:n_free, :n_free]
    # The diagonal makes a type similar to itself and to those it exchanges cells with.
    profiles = both_ways + np.diag(both_ways.sum(axis=1))
    start = seriate(profiles).tolist()
    by_size = np.argsort(-profiles.sum(axis=1), kind="stable").tolist()

    def cost(order):
        rows = np.array(order + last, dtype=np.intp)
        return count_crossings(flows[rows][:, rows])

    candidates = []
    for order in (start, start[::-1]):
        best = cost(order)
        for _ in range(MAX_PASSES * (n_free <= MOST_MOVED)):
            before = best
            for moved in by_size:
                others = [one for one in order if one != moved]
                for position in range(n_free):
                    tried = [*others[:position], moved, *others[position:]]
                    if (found := cost(tried)) < best:
                        best, order = found, tried
            if best == before:
                break
        candidates.append((best, order))
    _, order = min(candidates, key=lambda candidate: candidate[0])
    return np.array(order + last, dtype=np.intp)


def stack_bars(sizes, gap):
    """Return the top of each bar of a stack and its height; empty bars have no gap."""
    steps = np.where(sizes > 0, sizes + gap, 0.0)
    tops = np.concatenate([[0], steps.cumsum()])[:-1].astype(float)
    return tops, max(steps.sum() - gap, 0.0)


def repel(wanted, gap, low, high):
    """Move ascending positions apart by the least sum of squares.

    `gap` is the minimum distance (without room for it, all are equal), `low` and `high`
    are the limits.
    """
    if len(wanted) == 0:
        return np.empty(0)
    gap = min(gap, (high - low) / max(len(wanted) - 1, 1))
    shifts = gap * np.arange(len(wanted))
    # Without the gaps in between, the constraint is that positions ascend.
    packed = isotonic_regression(wanted - shifts, y_min=low, y_max=high - shifts[-1])
    return packed + shifts


def ribbon(left, right, height, x):
    """Return the path of a ribbon from y = `left` at x[0] to `right` at x[1]."""
    from matplotlib.path import Path

    start, end = x
    middle = (start + end) / 2
    upper = [(start, left), (middle, left), (middle, right), (end, right)]
    lower = [(x, y + height) for x, y in reversed(upper)]
    curve = [Path.CURVE4] * 3
    codes = [Path.MOVETO, *curve, Path.LINETO, *curve, Path.CLOSEPOLY]
    return Path([*upper, *lower, upper[0]], codes)
