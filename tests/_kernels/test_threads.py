"""Threads return the results of a loop, and raise the errors of tasks."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import threading

import pytest
from joblib import delayed

from celltyping._kernels._threads import BLOCK, iter_blocks, threads


@pytest.mark.parametrize("n_jobs", [None, 1, 2, -1])
def test_results_come_in_order(n_jobs):
    with threads(n_jobs) as parallel:
        assert parallel(delayed(divmod)(i, 7) for i in range(50)) == [
            divmod(i, 7) for i in range(50)
        ]
        assert parallel(delayed(sorted)([1, 2], reverse=True) for _ in range(1)) == [
            [2, 1]
        ]
        assert parallel([]) == []


def test_two_tasks_run_at_once():
    barrier = threading.Barrier(2, timeout=30)
    with threads(2) as parallel:
        assert sorted(parallel(delayed(barrier.wait)() for _ in range(2))) == [0, 1]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_errors_come_through(n_jobs):
    with threads(n_jobs) as parallel, pytest.raises(ZeroDivisionError):
        parallel(delayed(divmod)(1, i) for i in range(2))


@pytest.mark.parametrize("n_rows", [0, 1, BLOCK, BLOCK + 1, 5 * BLOCK])
def test_blocks_cover_all_rows_once(n_rows):
    blocks = list(iter_blocks(n_rows))
    assert [i for block in blocks for i in range(*block)] == list(range(n_rows))
    assert all(0 < stop - start <= BLOCK for start, stop in blocks)
