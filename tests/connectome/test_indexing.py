"""Indices of a Connectome."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pytest

from celltyping.connectome._indexing import as_rows


def test_positions(subtests):
    cases = [
        (2, [2]),
        (-1, [-1]),
        (np.int32(2), [2]),
        (np.array(2), [2]),
        ([], []),
        ([3, 0, 0], [3, 0, 0]),
        (np.array([3, 1], dtype=np.uint8), [3, 1]),
        (np.array([3, 1], dtype=np.uint64), [3, 1]),
        (range(2), [0, 1]),
        ([True, False, False, True], [0, 3]),
        (np.array([False, True, False, False]), [1]),
        (([3, 0], ...), [3, 0]),
        (([3, 0], slice(None)), [3, 0]),
        ((2, ...), [2]),
        (np.ix_([3, 0], [1, 2, 3]), [3, 0]),
        (np.ix_([True, False, False, True], [1]), [0, 3]),
        (np.ix_([], [1]), []),
    ]
    for key, rows in cases:
        with subtests.test(key=key, rows=rows):
            found = as_rows(key, 4)
            assert found.dtype == np.intp
            assert found.tolist() == rows


@pytest.mark.parametrize("key", [slice(1, 3), slice(None, None, -2)])
def test_a_slice_stays(key):
    assert as_rows(key, 4) == key
    assert as_rows((key, ...), 4) == key


def test_slices_by_id_are_refused(subtests):
    for key in [slice("n0", None), slice(1.0), slice(None, None, "2"), ("n0", "n3")]:
        with subtests.test(key=key):
            key = key if isinstance(key, slice) else slice(*key)
            with pytest.raises(TypeError, match=r"sliced by positions, got .*np\.isin"):
                as_rows(key, 4)
            with pytest.raises(TypeError, match="sliced by positions"):
                as_rows((key, ...), 4)


def test_lists_of_different_lengths_are_refused():
    with pytest.raises(IndexError, match=r"indexed by positions, got \[\[0\], \[1, 2"):
        as_rows([[0], [1, 2]], 4)


def test_out_of_range(subtests):
    for key in [4, -5, [0, 4], np.array([7], dtype=np.uint64)]:
        with subtests.test(key=key):
            message = (
                r"index -?\d is out of range for a Connectome with 4 nodes in view"
            )
            with pytest.raises(IndexError, match=message):
                as_rows(key, 4)


@pytest.mark.parametrize("mask", [[True], np.ones(5, dtype=bool)])
def test_mask_of_the_wrong_length(mask):
    message = rf"a mask must have one entry per node in view \(4\), got {len(mask)}"
    with pytest.raises(IndexError, match=message):
        as_rows(mask, 4)


def test_other_indices_are_refused(subtests):
    for key in [1.0, [0.0, 1.0], "a", ["a"], None, True, np.zeros((2, 2), dtype=int)]:
        with subtests.test(key=key):
            message = (
                r"indexed by positions, a slice or a boolean mask, got an index of "
                r".*np\.isin"
            )
            with pytest.raises(IndexError, match=message):
                as_rows(key, 4)


def test_columns_are_refused(subtests):
    cases = [(0, 1), (slice(None), [1]), ([0, 1], [1, 2]), (0,), (..., 0), (0, 1, 2)]
    for key in cases:
        with (
            subtests.test(key=key),
            pytest.raises(IndexError, match=r"has no columns: .*con\.adjacency"),
        ):
            as_rows(key, 4)
