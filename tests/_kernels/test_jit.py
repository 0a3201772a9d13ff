"""Kernels compile lazily, and also where nothing can be written."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import inspect
import os
import re
import signal
import subprocess
import sys
from itertools import product
from typing import NamedTuple

import numba
import numpy as np
import pytest

from celltyping._kernels import _clusters, _jit, _profiles, _similarity


def double(x):
    return 2 * x


def test_a_kernel_compiles_on_first_use():
    kernel = _jit.jit(double)
    assert kernel.signatures == []
    assert kernel(np.float32(3)) == 6
    assert len(kernel.signatures) == 1
    assert kernel.targetoptions["nogil"]


def count_to(n):
    counts = np.zeros(3)
    for k in range(n):
        counts[k % 3] = counts[(k + 1) % 3] * 0.5 + k
    return counts


def first_of(pair):
    return pair.values[0] + pair.others[0]


class Pair(NamedTuple):
    values: np.ndarray
    others: np.ndarray


def test_a_kernel_compiles_once_for_writable_and_read_only_arrays():
    kernel = _jit.jit(first_of)
    frozen = np.ones(3)
    frozen.flags.writeable = False
    for values, others in product([frozen, np.ones(3)], repeat=2):
        assert kernel(Pair(values, others)) == 2
        assert values is frozen or values.flags.writeable
    assert len(kernel.signatures) == 1


def fill(array):
    array[0] = 5.0


def test_a_kernel_that_writes_to_an_argument_is_refused():
    with pytest.raises(numba.TypingError, match="annot modify readonly array"):
        _jit.jit(fill)(np.ones(3))


@pytest.mark.parametrize("error", [KeyboardInterrupt, TimeoutError])
def test_what_a_signal_handler_raises_comes_out_of_a_kernel(error):
    def handle(signum, frame):
        raise error

    def call_until_the_alarm():
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        while True:
            kernel(3_000_000)

    kernel = _jit.jit(count_to)
    kernel(1)
    before = signal.signal(signal.SIGALRM, handle)
    try:
        for _ in range(5):
            with pytest.raises(error):
                call_until_the_alarm()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_system_error_without_a_cause_stays(monkeypatch):
    def fail(*args):
        raise SystemError("of numba")

    kernel = _jit.jit(double)
    monkeypatch.setattr(_jit.CPUDispatcher, "__call__", fail, raising=False)
    with pytest.raises(SystemError, match="of numba"):
        kernel(1.0)


def test_nothing_that_reorders_sums_is_allowed():
    assert not _jit.FLOAT_FLAGS & {"reassoc", "fast", "arcp", "contract"}


def test_without_a_folder_for_the_cache_kernels_still_compile(monkeypatch):
    njit = numba.njit

    def njit_that_cannot_write(*, cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return njit(**options)

    monkeypatch.setattr(numba, "njit", njit_that_cannot_write)
    monkeypatch.setattr(_jit, "CACHE", True)
    assert _jit.jit(double)(4) == 8


@pytest.mark.parametrize(("setting", "cached"), [("0", False), ("1", True)])
def test_the_cache_can_be_switched_off(setting, cached, tmp_path):
    script = (
        "from celltyping._kernels import _jit, _similarity\n"
        "print(_jit.CACHE, type(_similarity.vote._cache).__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "CELLTYPING_NUMBA_CACHE": setting},
        capture_output=True,
        text=True,
        check=True,
    )
    switch, cache = done.stdout.split()
    assert switch == str(cached)
    assert (cache == "NullCache") is not cached


@pytest.mark.parametrize("module", [_clusters, _profiles, _similarity])
def test_no_kernel_sorts_in_place(module):
    # Beside another sort, one in place that comes from a cache may do nothing, see
    # `jit`. It depends on which process compiled what: tests of results seldom see it.
    in_place = re.findall(r".*(?:\.sort\(|np\.sort\().*", inspect.getsource(module))
    assert in_place == []
