"""Fixtures of all tests."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from types import SimpleNamespace

import pytest


@pytest.fixture
def subtests(subtests):
    """Name subtests by text alone: pytest-xdist can send no other objects."""

    def test(msg=None, **values):
        shown = {name: repr(value) for name, value in values.items()}
        return subtests.test(None if msg is None else str(msg), **shown)

    return SimpleNamespace(test=test)
