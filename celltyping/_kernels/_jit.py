"""Compilation of kernels by numba: cache and floating-point flags."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import os

import numba

# Compiled kernels are stored on disk, so that the next process need not compile them.
# CELLTYPING_NUMBA_CACHE=0 switches this off, for folders that are not writable (numba
# then raises at import) and for debugging.
CACHE = os.environ.get("CELLTYPING_NUMBA_CACHE", "1") != "0"

# The compiler may assume that there is no NaN and that 0.0 equals -0.0, which lets it
# vectorise maxima. It may not reorder sums: results on one machine are reproducible to
# the bit.
FLOAT_FLAGS = {"nnan", "nsz"}


def jit(function, flags=FLOAT_FLAGS):
    """Compile a pure function on arrays at its first call; it releases the GIL.

    Kernels must sort by `np.argsort`, never in place (``array.sort()``, ``np.sort``).
    Compiled, both are closures of one function that are told apart by a counter, which
    starts anew in each process. With kernels cached by two processes, one may call the
    sort of the other; `sort` then returned an array unsorted, without an error.
    """
    options = {"nogil": True, "fastmath": flags}
    try:
        return numba.njit(cache=CACHE, **options)(function)
    except RuntimeError:  # numba found no folder for its cache
        return numba.njit(**options)(function)
