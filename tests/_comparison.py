"""Comparison of what two fitted estimators return."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np


def assert_same_answers(one, other):
    """Compare two lists of arrays bit by bit."""
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)
