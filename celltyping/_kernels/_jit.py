"""Compilation of kernels by numba: cache and floating-point flags."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import os

import numba
import numpy as np
from numba.core.registry import CPUDispatcher

# Compiled kernels are stored on disk, so that the next process need not compile them.
# CELLTYPING_NUMBA_CACHE=0 switches this off, for folders that are not writable (numba
# then raises at import) and for debugging.
CACHE = os.environ.get("CELLTYPING_NUMBA_CACHE", "1") != "0"

# The compiler may assume that there is no NaN and that 0.0 equals -0.0, which lets it
# vectorise maxima. It may not reorder sums: results on one machine are reproducible to
# the bit.
FLOAT_FLAGS = {"nnan", "nsz"}


class Kernel(CPUDispatcher):
    """A compiled function, called from Python, that writes to none of its arguments.

    It sees all arrays as read-only. For numba, writable arrays are of another type:
    each mixture of both would be compiled anew, for seconds.

    It raises what a signal handler raises during its call. numba executes bytecode to
    make the arrays that a kernel returns. There Python calls the handler of a signal
    that came during the kernel, and numba ignores that it raised, for instance
    KeyboardInterrupt: then Python raises a SystemError instead.
    """

    def __call__(self, *args):
        try:
            return super().__call__(*map(_read_only, args))
        except SystemError as exc:
            cause = exc
            while isinstance(cause, SystemError) and cause.__cause__ is not None:
                cause = cause.__cause__
            raise cause from None


def _read_only(argument):
    """View an array, or the arrays of a named tuple, as read-only."""
    if isinstance(argument, tuple):
        return type(argument)(*map(_read_only, argument))
    if isinstance(argument, np.ndarray):
        argument = argument.view()
        argument.flags.writeable = False
    return argument


def jit(function, flags=FLOAT_FLAGS):
    """Compile a pure function on arrays at its first call; it releases the GIL.

    Kernels must sort by `argsort` of `_sort` or a loop of their own, never by
    ``array.sort()`` or ``np.sort``. Compiled, both are closures of one function that
    are told apart by a counter, which starts anew in each process. With kernels cached
    by two processes, one may call the sort of the other; `sort` then returned an array
    unsorted, without an error.
    """
    options = {"nogil": True, "fastmath": flags}
    try:
        kernel = numba.njit(cache=CACHE, **options)(function)
    except RuntimeError:  # numba found no folder for its cache
        kernel = numba.njit(**options)(function)
    if isinstance(kernel, CPUDispatcher):  # not with NUMBA_DISABLE_JIT
        kernel.__class__ = Kernel
    return kernel
