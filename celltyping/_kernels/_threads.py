"""Running kernels on threads, block by block."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import contextlib
from concurrent.futures import ThreadPoolExecutor

from joblib import effective_n_jobs

# Rows per block: small enough to balance the load, large enough that the start of a
# block (for similarities, an array with a float per reference) costs nothing in
# comparison.
BLOCK = 1024


def iter_blocks(n_rows):
    """Yield the first row and the end of each block of rows."""
    for start in range(0, n_rows, BLOCK):
        yield start, min(start + BLOCK, n_rows)


@contextlib.contextmanager
def threads(n_jobs):
    """Run tasks on threads, as joblib.Parallel does, but without its polling.

    joblib checks every hundredth of a second whether a task is done, which is long for
    a kernel that takes milliseconds. Yields a callable that runs an iterable of
    `joblib.delayed` tasks and returns the results in order.
    """
    n_threads = effective_n_jobs(n_jobs)
    if n_threads == 1:
        yield lambda tasks: [function(*a, **k) for function, a, k in tasks]
        return
    with ThreadPoolExecutor(n_threads) as pool:

        def parallel(tasks):
            futures = [pool.submit(function, *a, **k) for function, a, k in tasks]
            return [future.result() for future in futures]

        yield parallel
