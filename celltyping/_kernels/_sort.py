"""Sorting inside kernels."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np

from celltyping._kernels._jit import jit


@jit
def argsort(keys):
    """Find the order that sorts keys, equal ones by position, by a Shell sort.

    numba takes seconds to compile `np.argsort`.
    """
    order = np.arange(len(keys))
    gap = 1
    while 3 * gap < len(keys):
        gap = 3 * gap + 1
    while gap > 0:
        for k in range(gap, len(keys)):
            moved = order[k]
            while k >= gap and _is_after(order[k - gap], moved, keys):
                order[k] = order[k - gap]
                k -= gap
            order[k] = moved
        gap //= 3
    return order


@jit
def _is_after(first, second, keys):
    """Return whether a position is behind another one in the order."""
    if keys[first] == keys[second]:
        return first > second
    return keys[first] > keys[second]
