"""One-hot encoding as a sparse matrix."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np

from celltyping._utils._sparse import one_hot


def test_one_hot():
    found = one_hot(np.array([2, -1, 0]), 3)
    assert found.toarray().tolist() == [[0, 0, 1], [0, 0, 0], [1, 0, 0]]
    found = one_hot(np.array([1, -1, 0]), 2, np.array([0.5, 7, 2]))
    assert found.toarray().tolist() == [[0, 0.5], [0, 0], [2, 0]]
    assert found.has_sorted_indices
