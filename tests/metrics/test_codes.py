"""Types and predictions in one code."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pytest

from celltyping.metrics._codes import encode_pair


@pytest.mark.parametrize(
    ("y_true", "y_pred", "types", "true", "pred"),
    [
        (["b", "?", "a"], ["a", "b", "?"], ["a", "b"], [1, 0], [0, -1]),
        ([3, -1, 5], [5, 5, -1], [3, 5], [0, 1], [1, -1]),
        # {1, -1} would be a binary problem by itself: both sides together decide.
        ([0, 1, 0], [1, -1, 1], [0, 1], [0, 1, 0], [1, -1, 1]),
        ([1, -1, 1], [1, -1, -1], [-1, 1], [1, 0, 1], [1, 0, 0]),
        (np.array(["b", None], object), ["a", "b"], ["a", "b"], [1], [0]),
        ([0, 1], [1.0, np.nan], [0.0, 1.0], [0, 1], [1, -1]),
        (["a", "?"], [["b", "a"], ["a", "b"]], ["a", "b"], [0], [[1, 0]]),
    ],
)
def test_encode_pair(y_true, y_pred, types, true, pred):
    found = encode_pair(y_true, y_pred, "auto", caller="a test")
    assert [part.tolist() for part in found] == [types, true, pred]


def test_marker():
    types, true, pred = encode_pair(["a", "no"], ["no", "a"], "no", caller="a test")
    assert (types.tolist(), true.tolist(), pred.tolist()) == (["a"], [0], [-1])


@pytest.mark.parametrize(
    ("y_true", "y_pred", "message"),
    [
        (
            ["?", "?"],
            ["a", "a"],
            "a test needs labelled samples, but all 2 types in y_",
        ),
        (["?", "?"], ["?", "?"], "a test needs labelled samples"),
        (["a", "b"], [0, 1], "one kind, got a mix of int, str"),
        ([0, 1], np.array(["a", "b"]), "one kind, got a mix of int, str"),
        (["a", "b"], ["a"], "inconsistent numbers of samples"),
    ],
)
def test_refuses(y_true, y_pred, message):
    with pytest.raises(ValueError, match=message):
        encode_pair(y_true, y_pred, "auto", caller="a test")
