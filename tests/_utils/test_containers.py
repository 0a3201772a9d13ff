"""Kinds of X: DataFrames, and containers of data that are no tables."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import anndata
import networkx
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from celltyping._utils._containers import refuse_container, refuse_non_numeric
from celltyping._utils._tables import check_table

FRAME = pd.DataFrame({"NeuronId": ["cb1", "pv3", "cb1"], "x": [1, 2, 3]})


def test_containers_are_no_tables():
    class Experiment(anndata.AnnData):
        """What others derive from AnnData."""

    for check in (refuse_container, refuse_non_numeric, check_table):
        with pytest.raises(TypeError, match=r"got Experiment: .* adata\.X"):
            check(Experiment(np.ones((2, 2))))
        with pytest.raises(TypeError, match=r"got DiGraph: .*Connectome.from_networkx"):
            check(networkx.DiGraph())
    for X in (FRAME, FRAME.to_numpy(), sparse.csr_array((2, 2)), [[1]], None):
        refuse_container(X)
    # The matrices of an AnnData, which are classes of anndata too, are tables.
    refuse_container(anndata.AnnData(np.ones((2, 2)))[:1].X)


def test_text_in_a_table_of_numbers():
    message = r"2 of its 3 columns contain text: 'NeuronId', 3, such as 'cb1' in 'Neur"
    with pytest.raises(ValueError, match=message):
        refuse_non_numeric(FRAME.assign(**{"3": "left"}).rename(columns={"3": 3}))
    # Dates, missing values and text that numpy converts are for scikit-learn.
    X = FRAME.assign(NeuronId=["1", None, "2e3"], day=pd.Timestamp("2026-01-01"))
    refuse_non_numeric(X)
