"""One-hot encoding and duplicate entries."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pytest
from scipy import sparse

from celltyping._utils._sparse import one_hot, sum_duplicates


def test_one_hot():
    found = one_hot(np.array([2, -1, 0]), 3)
    assert found.toarray().tolist() == [[0, 0, 1], [0, 0, 0], [1, 0, 0]]
    found = one_hot(np.array([1, -1, 0]), 2, np.array([0.5, 7, 2]))
    assert found.toarray().tolist() == [[0, 0.5], [0, 0], [2, 0]]
    assert found.has_sorted_indices


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csr_matrix])
def test_sum_duplicates(kind):
    dense = np.eye(3)
    once = kind(dense)
    assert sum_duplicates(once) is once
    assert sum_duplicates(dense) is dense
    twice = kind((np.array([1.0, 2.0, 5.0]), [2, 2, 0], [0, 3]), shape=(1, 3))
    found = sum_duplicates(twice)
    assert type(found) is type(twice)
    assert (found.indices.tolist(), found.data.tolist()) == ([0, 2], [5, 3])
    assert twice.data.tolist() == [1, 2, 5]
