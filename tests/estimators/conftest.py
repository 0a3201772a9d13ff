"""Fixtures for tests of estimators."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(scope="module")
def one_thread():
    """Limit computations to one thread: several wait for each other on busy cores."""
    with threadpool_limits(1):
        yield
