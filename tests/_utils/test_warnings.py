"""Warnings point to the user's code."""

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
    messages = {str(warning.message): warning.filename for warning in caught}
    files = [file for text, file in messages.items() if "n_neighbors" in text]
    assert files == [__file__]
