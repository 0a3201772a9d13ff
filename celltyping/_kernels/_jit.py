"""The one switch for how kernels are compiled."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import os

import numba

# Compiled kernels are kept on disk, so that a second process starts at once. Where no
# folder can be written (numba then raises at import), or for debugging, set
# CELLTYPING_NUMBA_CACHE=0.
CACHE = os.environ.get("CELLTYPING_NUMBA_CACHE", "1") != "0"

# What may be assumed of floats: no NaN and no difference between 0.0 and -0.0, which
# lets maxima be vectorised. Nothing that reorders a sum: results stay the same to the
# bit on one machine.
FLOAT_FLAGS = {"nnan", "nsz"}


def jit(function):
    """Compile a kernel on first use; it releases the GIL while it runs.

    Kernels must not sort in place (``array.sort()``, ``np.sort``), but by `np.argsort`.
    Compiled, both are closures of one function, told apart by a counter that starts
    anew in each process. Of two kernels that were kept on disk by two processes, one
    may then call the sort of the other: with both kinds, `sort` was seen to return an
    array unsorted, without an error.

    Parameters
    ----------
    function : callable
        A pure function on arrays.

    Returns
    -------
    kernel : callable
        The compiled function.
    """
    options = {"nogil": True, "fastmath": FLOAT_FLAGS}
    try:
        return numba.njit(cache=CACHE, **options)(function)
    except RuntimeError:  # numba found no folder for its cache
        return numba.njit(**options)(function)
