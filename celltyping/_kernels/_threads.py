"""Threads that hand back their results at once."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import contextlib
from concurrent.futures import ThreadPoolExecutor

from joblib import effective_n_jobs


@contextlib.contextmanager
def threads(n_jobs):
    """Stand in for joblib.Parallel where a kernel takes milliseconds.

    joblib looks every hundredth of a second whether a thread has finished.

    Parameters
    ----------
    n_jobs : int or None
        Number of threads, as in joblib.

    Yields
    ------
    parallel : callable
        Runs what `joblib.delayed` made, and returns the results in order.

    Examples
    --------
    >>> from joblib import delayed
    >>> from celltyping._kernels._threads import threads
    >>> with threads(2) as parallel:
    ...     parallel(delayed(pow)(base, 2) for base in range(4))
    [0, 1, 4, 9]
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
