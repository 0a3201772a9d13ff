"""Known and unknown types, and their codes."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.exceptions import DataConversionWarning

from celltyping._utils._labels import (
    UNKNOWN,
    encode_pair,
    encode_together,
    encode_types,
    is_unlabeled,
)

NAN = float("nan")

# (what it is, y, what "auto" takes for unknown)
AUTO = [
    ("strings", ["PN", "?", "KC"], [False, True, False]),
    ("string array", np.array(["PN", "?"]), [False, True]),
    ("None among strings", ["PN", None, "?"], [False, True, True]),
    ("NaN among strings", ["PN", NAN, "?"], [False, True, True]),
    ("NA among strings", ["PN", pd.NA, "?"], [False, True, True]),
    ("object array", np.array(["PN", np.nan, None, "?"], object), [0, 1, 1, 1]),
    ("a Series", pd.Series(["PN", None, "?"]), [False, True, True]),
    ("a string Series", pd.Series(["PN", pd.NA], dtype="string"), [False, True]),
    ("a categorical", pd.Series(["PN", None], dtype="category"), [False, True]),
    ("the text nan is a name", ["PN", "nan"], [False, False]),
    ("integers", np.array([0, -1, 3]), [False, True, False]),
    ("unsigned integers", np.array([0, 3], dtype=np.uint8), [False, False]),
    ("two integers", np.array([-1, 5]), [True, False]),
    ("a binary problem", np.array([1, -1, 1]), [False, False, False]),
    ("binary with None", [1, -1, None], [False, False, True]),
    ("integers with None", [1, 2, -1, None], [False, False, True, True]),
    ("nullable integers", pd.Series([1, 2, -1, None], dtype="Int64"), [0, 0, 1, 1]),
    ("all -1", np.array([-1, -1]), [True, True]),
    ("integers as floats", np.array([0.0, -1.0, NAN]), [False, True, True]),
    ("binary as floats", np.array([1.0, -1.0, NAN]), [False, False, True]),
    ("other floats", np.array([0.5, -1.0, NAN]), [False, False, True]),
    ("booleans", np.array([True, False]), [False, False]),
    ("nothing", np.array([]), []),
]


@pytest.mark.parametrize(
    ("y", "expected"), [row[1:] for row in AUTO], ids=[row[0] for row in AUTO]
)
def test_auto_marker(y, expected):
    mask = is_unlabeled(y)
    assert mask.dtype == bool
    assert mask.tolist() == [bool(value) for value in expected]


@pytest.mark.skipif(
    np.lib.NumpyVersion(np.__version__) < "2.0.0", reason="a dtype of numpy 2"
)
@pytest.mark.parametrize("missing", [None, np.nan])
def test_strings_of_any_length(missing):
    dtype = np.dtypes.StringDType(na_object=missing)
    classes, codes = encode_types(np.array(["PN", missing, "KC", "?"], dtype=dtype))
    assert classes.tolist() == ["KC", "PN"]
    assert codes.tolist() == [1, -1, 0, -1]


@pytest.mark.parametrize(
    ("y", "marker", "expected"),
    [
        (["PN", "?", "none"], "none", [False, False, True]),
        (np.array(["PN", "?", None], object), "PN", [True, False, True]),
        (np.array([0, -1, 9]), 9, [False, False, True]),
        (np.array([0, -1, 9]), np.int64(0), [True, False, False]),
        (np.array([0, -1]), None, [False, False]),
        (np.array([0.0, NAN]), None, [False, True]),
        (["PN", None], pd.NA, [False, True]),
        (np.array([0, 1]), "?", [False, False]),
        (np.array(["0", "1"]), 0, [False, False]),
        (np.array([0, 1]), NAN, [False, False]),
    ],
)
def test_marker_that_is_given_wins(y, marker, expected):
    assert is_unlabeled(y, marker).tolist() == expected


def test_marker_must_be_scalar():
    with pytest.raises(ValueError, match=r"'auto', None or a scalar, got \[0\]"):
        is_unlabeled(np.array([0, 1]), [0])


def test_input_is_not_changed():
    y = np.array(["PN", None, "?"], dtype=object)
    before = y.copy()
    is_unlabeled(y)
    encode_types(y, min_types=1)
    assert all(a is b for a, b in zip(y, before, strict=True))


def test_encode_types():
    classes, codes = encode_types(["PN", "?", "KC", "PN", None])
    assert classes.tolist() == ["KC", "PN"]
    assert codes.dtype == np.intp
    assert codes.tolist() == [1, -1, 0, 1, -1]


def test_encode_numbers_beside_none():
    classes, codes = encode_types([3, None, 2**60 + 1, -1])
    assert classes.dtype.kind == "i"
    assert classes.tolist() == [3, 2**60 + 1]  # not through a float
    assert codes.tolist() == [0, -1, 1, -1]
    assert encode_types([True, None, False]).classes.tolist() == [False, True]


@given(
    st.lists(st.sampled_from(["KC", "PN", "LHN", UNKNOWN, None]), min_size=1).filter(
        lambda y: set(y) - {UNKNOWN, None}
    )
)
def test_encoding_is_a_round_trip(y):
    classes, codes = encode_types(y, min_types=1)
    decoded = [classes[code] if code >= 0 else None for code in codes]
    assert decoded == [None if value == UNKNOWN else value for value in y]
    assert classes.tolist() == sorted(set(y) - {UNKNOWN, None})


def test_encode_min_types():
    y = ["PN", "PN", "?"]
    with pytest.raises(ValueError, match=r"NTAC needs at least 2 classes.*'PN' \(2 la"):
        encode_types(y, caller="NTAC")
    assert encode_types(y, min_types=1).classes.tolist() == ["PN"]


def test_encode_column_vector_warns():
    with pytest.warns(DataConversionWarning, match="column-vector"):
        codes = encode_types(np.array([["a"], ["b"]])).codes
    assert codes.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "requires y to be passed, but the target y is None"),
        (["?", None], "all 2 labels in y are unknown"),
        ([], "all 0 labels in y are unknown"),
        ([1, "a", None], "one kind, got a mix of int, str"),
        (["a", 1], "one kind, got a mix of int, str"),
        ([0.5, 1.2, 2.0], "Unknown label type: continuous"),
        ([0.0, np.inf], "Input y contains infinity"),
        ("KC", "1d array"),
    ],
)
def test_encode_refuses(y, message):
    with pytest.raises(ValueError, match=message):
        encode_types(y)


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
    assert [array.tolist() for array in found] == [types, true, pred]


def test_encode_pair_with_a_marker():
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
def test_encode_pair_refuses(y_true, y_pred, message):
    with pytest.raises(ValueError, match=message):
        encode_pair(y_true, y_pred, "auto", caller="a test")


def test_encode_together():
    ys = [["b", "?"], [["a", None], ["b", "c"]], []]
    types, codes = encode_together(*ys, caller="a test")
    assert types.tolist() == ["a", "b", "c"]
    assert [part.tolist() for part in codes] == [[1, -1], [[0, -1], [1, 2]], []]
    assert all(part.dtype == np.intp for part in codes)
