"""Connectome of the brain of a fruit fly larva."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import sys

import numpy as np
import pandas as pd
import pytest

from celltyping import Connectome
from celltyping.datasets import load_larva_connectome


@pytest.fixture(scope="module")
def larva():
    """Return the Bunch, loaded once."""
    return load_larva_connectome()


def test_connectome(larva):
    con = larva.data
    assert isinstance(con, Connectome)
    assert (con.shape, con.n_edges, con.n_synapses) == ((3554, 3554), 119010, 376091)
    assert np.count_nonzero(con.adjacency.diagonal()) == 577
    assert con.node_ids.dtype == np.int64
    # first row of the file of edges
    pre, post = np.searchsorted(con.node_ids, [29, 8419602])
    assert con.adjacency[pre, post] == 9


def test_types(larva):
    assert larva.target.dtype == object
    assert larva.target.shape == (3554,)
    assert np.count_nonzero(larva.target != "?") == 1939
    assert larva.target_names.dtype == object
    expected = sorted(set(larva.target) - {"?"})
    assert larva.target_names.tolist() == expected
    assert len(expected) == 59


def test_frame(larva):
    frame = larva.frame
    assert frame.index.name == "id"
    assert np.array_equal(frame.index, larva.data.node_ids)
    assert np.array_equal(frame["type"], larva.target)
    for column in ["name", "hemisphere", "lineage", "pair_id"]:
        assert column in frame
    assert frame["pair_id"].dtype == np.int64
    assert np.array_equal(larva.data.align(frame["type"]), larva.target)


def test_target_is_not_the_frame():
    larva = load_larva_connectome()
    larva.target[:] = "changed"
    assert "changed" not in larva.frame["type"].tolist()
    assert "changed" not in larva.target_names.tolist()


def test_description_names_source_licence_and_citations(larva):
    for word in ["neurodata/bilateral-connectome", "MIT", "Pedigo", "Winding"]:
        assert word in larva.DESCR
    for doi in ["10.7554/eLife.83739", "10.1126/science.add9330"]:
        assert doi in larva.DESCR


def test_return_X_y(larva):
    X, y = load_larva_connectome(return_X_y=True)
    assert X.is_same_graph(larva.data)
    assert np.array_equal(y, larva.target)


def test_as_frame(larva):
    types = load_larva_connectome(as_frame=True).target
    assert isinstance(types, pd.Series)
    assert (types.name, types.index.name) == ("type", "id")
    assert np.array_equal(larva.data.align(types), larva.target)
    _, y = load_larva_connectome(as_frame=True, return_X_y=True)
    pd.testing.assert_series_equal(y, types)


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"'as_frame' parameter of load_larva.*'yes'"):
        load_larva_connectome(as_frame="yes")


def test_without_pandas(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"load_larva_connectome needs pandas.*'io'"):
        load_larva_connectome()
