"""Warnings point to the line of the user, whatever stands between."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import warnings

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from celltyping import GrEASE


@pytest.mark.parametrize("wrap", [lambda grease: grease, make_pipeline])
def test_a_warning_names_this_file(wrap):
    X = np.random.default_rng(0).normal(size=(8, 3))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        wrap(GrEASE(n_neighbors=15)).fit(X)
    told = [warning for warning in caught if "n_neighbors" in str(warning.message)]
    assert [warning.filename for warning in told] == [__file__]
