"""Ribbons between two stacks of bars: their order, and where bars and names stand."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
from sklearn.isotonic import isotonic_regression

from celltyping._utils._optional import import_optional
from celltyping.plotting._common import order_by_likeness

# Hardly any crossing is left to be avoided after so many passes over all types.
MOST_PASSES = 5


def count_crossings(flows):
    """Count the pairs of cells whose ways from left to right cross.

    Parameters
    ----------
    flows : ndarray of shape (n_left, n_right), dtype=int
        Number of cells from each bar on the left to each on the right, both from top
        to bottom.

    Returns
    -------
    n_crossings : int
        Two cells that leave the same bar, or come to the same one, do not cross.

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping.plotting._flows import count_crossings
    >>> count_crossings(np.array([[5, 1], [2, 7]]))
    2
    """
    flows = np.asarray(flows, dtype=np.int64)
    # Those that start lower and end higher, for all flows but the last row and the
    # first column, which have none.
    lower = flows[1:][::-1].cumsum(axis=0)[::-1]
    lower_to_higher = lower[:, :-1].cumsum(axis=1)
    return int((flows[:-1, 1:] * lower_to_higher).sum())


def order_of_few_crossings(flows, n_last=0):
    """Order types, alike on both sides, so that few ribbons cross.

    Parameters
    ----------
    flows : ndarray of shape (n_types, n_types), dtype=int
        Number of cells that go from each type on the left to each type on the right.
    n_last : int, default=0
        So many of the last types stay where they are.

    Returns
    -------
    order : ndarray of shape (n_types,), dtype=intp
        Starting with types that exchange cells side by side, each type in turn is put
        where it crosses least, until nothing is gained. The same flows always have the
        same order.

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping.plotting._flows import order_of_few_crossings
    >>> order_of_few_crossings(np.array([[5, 0, 2], [0, 9, 0], [1, 0, 4]])).tolist()
    [1, 2, 0]
    """
    flows = np.asarray(flows, dtype=np.int64)
    n_free = len(flows) - n_last
    last = list(range(n_free, len(flows)))
    both_ways = (flows + flows.T)[:n_free, :n_free]
    # A type is like itself and like those it exchanges cells with.
    profiles = both_ways + np.diag(both_ways.sum(axis=1))
    start = order_by_likeness(profiles).tolist()
    by_size = np.argsort(-profiles.sum(axis=1), kind="stable").tolist()

    def cost(order):
        rows = np.array(order + last, dtype=np.intp)
        return count_crossings(flows[rows][:, rows])

    candidates = []
    for order in (start, start[::-1]):
        best = cost(order)
        for _ in range(MOST_PASSES):
            before = best
            for moved in by_size:
                others = [one for one in order if one != moved]
                for place in range(n_free):
                    tried = [*others[:place], moved, *others[place:]]
                    if (found := cost(tried)) < best:
                        best, order = found, tried
            if best == before:
                break
        candidates.append((best, order))
    _, order = min(candidates, key=lambda candidate: candidate[0])
    return np.array(order + last, dtype=np.intp)


def stack_bars(sizes, gap):
    """Stack bars with gaps between them, from top to bottom.

    Parameters
    ----------
    sizes : ndarray of shape (n_bars,)
        Height of each bar; one of height 0 needs no gap.
    gap : float
        Space between two bars.

    Returns
    -------
    tops : ndarray of shape (n_bars,)
        Where each bar starts; the first one at 0.
    height : float
        Where the last one ends.

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping.plotting._flows import stack_bars
    >>> tops, height = stack_bars(np.array([5, 0, 3]), 1)
    >>> tops.tolist(), float(height)
    ([0.0, 6.0, 6.0], 9.0)
    """
    steps = np.where(sizes > 0, sizes + gap, 0.0)
    tops = np.concatenate([[0], steps.cumsum()])[:-1].astype(float)
    return tops, max(steps.sum() - gap, 0.0)


def spread(wanted, gap, low, high):
    """Move names as little as possible so that none covers another.

    Parameters
    ----------
    wanted : ndarray of shape (n_names,)
        Where each name belongs, ascending.
    gap : float
        Least distance of two of them.
    low, high : float
        Where the first may stand and where the last may.

    Returns
    -------
    places : ndarray of shape (n_names,)
        Those with the least sum of squared moves. Where there is no room for all, they
        stand at equal distances.

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping.plotting._flows import spread
    >>> spread(np.array([1.0, 1.2, 8.0]), 1, 0, 10).tolist()
    [0.6, 1.6, 8.0]
    """
    if len(wanted) == 0:
        return np.empty(0)
    gap = min(gap, (high - low) / max(len(wanted) - 1, 1))
    shifts = gap * np.arange(len(wanted))
    # Without the gaps in between, places that keep them are just ascending.
    packed = isotonic_regression(wanted - shifts, y_min=low, y_max=high - shifts[-1])
    return packed + shifts


def ribbon(left, right, height, x):
    """Return the outline of a ribbon from one bar to another.

    Parameters
    ----------
    left, right : float
        Its upper edge at both ends.
    height : float
        Its height at both ends.
    x : tuple of float
        Where it starts and where it ends.

    Returns
    -------
    path : matplotlib.path.Path
        Two curves that leave and arrive horizontally, closed.

    Examples
    --------
    >>> from celltyping.plotting._flows import ribbon
    >>> ribbon(0, 3, 2, (0, 1)).get_extents().max.tolist()
    [1.0, 5.0]
    """
    paths = import_optional("matplotlib.path", extra="plot", needed_by="plotting")
    start, end = x
    middle = (start + end) / 2
    upper = [(start, left), (middle, left), (middle, right), (end, right)]
    lower = [(x, y + height) for x, y in reversed(upper)]
    kind = paths.Path
    curve = [kind.CURVE4] * 3
    codes = [kind.MOVETO, *curve, kind.LINETO, *curve, kind.CLOSEPOLY]
    return kind([*upper, *lower, upper[0]], codes)
