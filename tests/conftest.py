"""Fixtures of all tests, and their distribution over processes."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from types import SimpleNamespace

import pytest

# What runs umap-learn or pynndescent, by parts of its id.
RUN_UMAP_LEARN = (
    "tests/test_umap_learn.py::",
    "::celltyping.pipelines._synapses.make_synapse_pipeline",
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Let one process run what runs umap-learn, so that it compiles once.

    The mark xdist_group is for that, but pytest-xdist 3.8.0 loses it with pytest 9.2
    (https://github.com/pytest-dev/pytest-xdist/issues/1386).
    """
    from xdist.scheduler import LoadGroupScheduling

    class Scheduler(LoadGroupScheduling):
        def _split_scope(self, nodeid):
            if any(part in nodeid for part in RUN_UMAP_LEARN):
                return "umap-learn"
            return super()._split_scope(nodeid)

    return Scheduler(config, log) if config.getvalue("dist") == "loadgroup" else None


@pytest.fixture
def subtests(subtests):
    """Name subtests by text alone: pytest-xdist can send no other objects."""

    def test(msg=None, **values):
        shown = {name: repr(value) for name, value in values.items()}
        return subtests.test(None if msg is None else str(msg), **shown)

    return SimpleNamespace(test=test)
