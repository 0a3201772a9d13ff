"""Known and unknown types, and their codes."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.exceptions import DataConversionWarning

from celltyping._utils._labels import (
    UNKNOWN,
    as_numbers,
    encode_clusters,
    encode_pair,
    encode_together,
    encode_types,
    is_missing,
    is_unlabeled,
    replace_labels,
)

NAN = float("nan")
DAYS = np.array(["2020-01-01", "NaT", "2021-01-01"], dtype="datetime64[D]")

# What missing values and empty cells of a table become as text.
TEXTS = ["?", "", " ", "\t\n", "\u3000", "nan", "NaN", "NaT", "None", "<NA>"]

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
    ("blank and missing texts", ["PN", *TEXTS], [False] + [True] * 10),
    ("an array of them", np.array(["PN", *TEXTS]), [False] + [True] * 10),
    ("names like them", ["PN ", "NAN", "none?", "??", "0"], [False] * 5),
    ("numbers and texts", [3, "?", "nan", -1], [False, True, True, True]),
    ("dates", DAYS, [False, True, False]),
    ("dates as objects", pd.Series(DAYS.astype("M8[ns]")).astype(object), [0, 1, 0]),
    ("decimals", [Decimal(1), Decimal("NaN"), Decimal(2)], [False, True, False]),
    ("durations", DAYS - DAYS[0], [False, True, False]),
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


def test_auto_marker(subtests):
    for name, y, expected in AUTO:
        with subtests.test(name):
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


def test_marker_that_is_given_wins(subtests):
    for y, marker, expected in (
        (["PN", "?", "none"], "none", [False, True, True]),
        (np.array(["PN", "?", None], object), "PN", [True, True, True]),
        (["PN", *TEXTS], None, [False] + [True] * 10),
        (["PN", "x", "y"], ["x", "y"], [False, True, True]),
        (["PN", "x", "y", "auto"], np.array(["x", "y"]), [False, True, True, False]),
        (np.array([0, -1, 9]), [9, "?"], [False, False, True]),
        (np.array([0, -1, 9]), {"auto", 9}, [False, True, True]),
        (np.array([0, -1, 9]), ("auto", pd.NA), [False, True, False]),
        (DAYS, np.datetime64("2020-01-01T00"), [True, True, False]),
        (DAYS, 5, [False, True, False]),
        (DAYS, "2020-01-01", [False, True, False]),
        (np.array([0, -1, 9]), 9, [False, False, True]),
        (np.array([0, -1, 9]), np.int64(0), [True, False, False]),
        (np.array([0, -1]), None, [False, False]),
        (np.array([0.0, NAN]), None, [False, True]),
        (["PN", None], pd.NA, [False, True]),
        (np.array([0, 1]), "?", [False, False]),
        (np.array(["0", "1"]), 0, [False, False]),
        (np.array([0, 1]), NAN, [False, False]),
    ):
        with subtests.test(y=y, marker=marker, expected=expected):
            assert is_unlabeled(y, marker).tolist() == expected


def test_markers_must_be_scalars(subtests):
    message = "unlabeled_marker must be 'auto', None, a scalar .* or a list of at least"
    for marker in (
        [],
        (),
        {},
        {"x": 1},
        [["x"]],
        b"x",
        ["x", b"y"],
        np.array([]),
        object,
    ):
        with subtests.test(marker=marker), pytest.raises(ValueError, match=message):
            is_unlabeled(np.array([0, 1]), marker)


def test_mask_has_the_shape_of_y():
    assert is_unlabeled([["KC", "?"], [None, "PN"]]).tolist() == [[0, 1], [1, 0]]
    assert is_missing(np.array([["KC", None]], dtype=object)).tolist() == [[0, 1]]


def test_what_is_no_type(subtests):
    for y, found in (
        (np.array([b"KC", b"PN"]), "bytes such as b'KC'"),
        (["KC", b"PN"], "bytes such as b'PN'"),
        ([1 + 1j, "a"], "complex such as"),
        (np.array([(1, 2)], dtype="i4,i4"), "the dtype .* such as"),
        (pd.Series([("a", 1), ("b", 2)]), r"tuple such as \('a', 1\)"),
        (pd.Series([["a"], ["b"]]), r"objects that are no types \(.*unhashable"),
    ):
        with subtests.test(y=y):
            message = f"must be strings, numbers or dates, got {found}.*convert them"
            for function in (is_unlabeled, encode_types):
                with pytest.raises(ValueError, match=message):
                    function(y)


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
    assert encode_types([1, "?", 2, "nan", -1]).classes.tolist() == [1, 2]


def test_integers_that_would_be_rounded():
    for y in ([2**63 + 1, -1], [2**64, None, 1], [2**60 + 1, 1.0]):
        with pytest.raises(
            ValueError, match=r"the integer .* is too large to be exact in"
        ):
            encode_types(y)


def test_dtype_of_the_classes(subtests):
    for y in (
        np.array(["KC", "PN", "nan"]),
        np.array([3, 1, 2**63 + 2], dtype=np.uint64),
        np.array([3, 1], dtype=np.int8),
        np.array([1.0, 2.0], dtype=np.float32),
        DAYS,
    ):
        with subtests.test(dtype=y.dtype):
            classes, codes = encode_types(y)
            assert classes.dtype == y.dtype
            np.testing.assert_array_equal(classes[codes[codes >= 0]], y[codes >= 0])


AMBIGUOUS = ["Unknown", "UNASSIGNED", "unlabelled", "NA", "n/a", "None ", "null"]


def test_a_type_that_may_be_unknown_warns_once(subtests):
    for name in AMBIGUOUS:
        with subtests.test(name=name):
            y = ["KC", name, "PN", name]
            message = rf"An estimator takes .*: {name!r} \(2\)\. If .*=\[{name!r}\]"
            with pytest.warns(UserWarning, match=message) as record:
                classes = encode_types(y, caller="An estimator").classes
            assert [each.filename for each in record] == [__file__]
            assert classes.tolist() == sorted({*y})
            # Both ways on are silent.
            assert name in encode_types(y, "?").classes
            assert encode_types(y, [name]).classes.tolist() == ["KC", "PN"]
            assert encode_types(y, ["auto", name]).codes.tolist() == [0, -1, 1, -1]
            assert is_unlabeled(y).sum() == 0


def test_a_warning_counts_all_names():
    with pytest.warns(UserWarning, match=r"'NA' \(1\), 'unknown' \(2\)\. If") as record:
        encode_types(["unknown", "KC", "NA", "unknown"])
    assert len(record) == 1


def test_predicted_names_do_not_warn():
    # "unknown" is what classifiers with a reject_threshold predict.
    types, _, pred = encode_pair(["a", "b"], ["unknown", "b"], "auto", caller="a test")
    assert types[pred].tolist() == ["unknown", "b"]
    with pytest.warns(UserWarning, match=r"a test takes .*: 'unknown' \(1\)"):
        encode_pair(["a", "unknown"], ["unknown", "b"], "auto", caller="a test")


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


def test_encode_refuses(subtests):
    for y, message in (
        (None, "requires y to be passed, but the target y is None"),
        (["?", None], "all 2 labels in y are unknown"),
        ([], "all 0 labels in y are unknown"),
        ([1, "a", None], "one kind, got a mix of int, str"),
        (["a", 1], "one kind, got a mix of int, str"),
        ([0.5, 1.2, 2.0], "Unknown label type: continuous. NtacClassifier takes types"),
        ([0.0, np.inf], "Input y contains infinity"),
        ("KC", "1d array"),
    ):
        with subtests.test(y=y), pytest.raises(ValueError, match=message):
            encode_types(y)


def test_encode_pair(subtests):
    for y_true, y_pred, types, true, pred in (
        (["b", "?", "a"], ["a", "b", "?"], ["a", "b"], [1, 0], [0, -1]),
        ([3, -1, 5], [5, 5, -1], [3, 5], [0, 1], [1, -1]),
        # {1, -1} would be a binary problem by itself: both sides together decide.
        ([0, 1, 0], [1, -1, 1], [0, 1], [0, 1, 0], [1, -1, 1]),
        ([1, -1, 1], [1, -1, -1], [-1, 1], [1, 0, 1], [1, 0, 0]),
        (np.array(["b", None], object), ["a", "b"], ["a", "b"], [1], [0]),
        ([0, 1], [1.0, np.nan], [0.0, 1.0], [0, 1], [1, -1]),
        (["a", "?"], [["b", "a"], ["a", "b"]], ["a", "b"], [0], [[1, 0]]),
    ):
        with subtests.test(y_true=y_true, y_pred=y_pred):
            found = encode_pair(y_true, y_pred, "auto", caller="a test")
            assert [array.tolist() for array in found] == [types, true, pred]


def test_encode_pair_with_a_marker():
    types, true, pred = encode_pair(["a", "no"], ["no", "a"], "no", caller="a test")
    assert (types.tolist(), true.tolist(), pred.tolist()) == (["a"], [0], [-1])


def test_encode_pair_refuses(subtests):
    for y_true, y_pred, message in (
        (
            ["?", "?"],
            ["a", "a"],
            "a test needs labelled samples, but all 2 types in y_",
        ),
        (["?", "?"], ["?", "?"], "a test needs labelled samples"),
        (["a", "b"], [0, 1], "one kind, got a mix of int, str"),
        ([0, 1], np.array(["a", "b"]), "one kind, got a mix of int, str"),
        (["a", "b"], ["a"], "inconsistent numbers of samples"),
    ):
        with (
            subtests.test(y_true=y_true, y_pred=y_pred),
            pytest.raises(ValueError, match=message),
        ):
            encode_pair(y_true, y_pred, "auto", caller="a test")


def test_encode_pair_does_not_round_integers():
    y_true = np.array([2**60, 2**60 + 1])
    found = encode_pair(y_true, y_true.astype(np.uint64), "auto", caller="a test")
    assert [array.tolist() for array in found] == [y_true.tolist(), [0, 1], [0, 1]]


def test_encode_together():
    ys = [["b", "?"], [["a", None], ["b", "c"]], []]
    types, codes = encode_together(*ys, caller="a test")
    assert types.tolist() == ["a", "b", "c"]
    assert [part.tolist() for part in codes] == [[1, -1], [[0, -1], [1, 2]], []]
    assert all(part.dtype == np.intp for part in codes)


def test_encode_clusters(subtests):
    for labels, clusters, codes in (
        ([3, -1, 7, 3], [3, 7], [0, -1, 1, 0]),
        ([1, -1, 1], [1], [0, -1, 0]),  # no binary problem
        (["a", "?", "nan", None], ["a"], [0, -1, -1, -1]),
        (["unknown", "a"], ["a", "unknown"], [1, 0]),
        ([-1, -1], [], [-1, -1]),
    ):
        with subtests.test(labels=labels):
            found = encode_clusters(labels)
            assert [array.tolist() for array in found] == [clusters, codes]


def test_replace_labels(subtests):
    for labels, label, dtype in (
        (np.array(["KC", "PN"]), "unknown", "<U7"),
        (np.array(["KC", "PN"]), "?", "<U2"),
        (np.array(["KC", "PN"], dtype=object), "unknown", "O"),
        (np.array([0, 1], dtype=np.int8), -1, "int8"),
        (np.array([0, 1], dtype=np.int8), 1000, "int64"),
        (np.array([0, 1], dtype=np.uint8), 200, "uint8"),
        (np.array([0, 1], dtype=np.uint8), -1, "int64"),
        (np.array([0, 2**60 + 1], dtype=np.uint64), -1, "int64"),
        (np.array([0, 1], dtype=np.float32), -1, "float32"),
        (np.array([False, False]), True, "bool"),
        (DAYS[[0, 2]], np.datetime64("1970-01-01"), "<M8[D]"),
        (DAYS[[0, 2]], np.datetime64("1970-01-01T12"), "<M8[h]"),
    ):
        with subtests.test(labels=labels, label=label, dtype=dtype):
            before = labels.copy()
            found = replace_labels(labels, np.array([False, True]), label)
            assert found.dtype == dtype
            assert found[0] == labels[0]
            assert found[1] == label
            same = replace_labels(labels, np.array([False, False]), label)
            assert same.dtype == dtype
            np.testing.assert_array_equal(labels, before)


def test_replace_labels_that_do_not_fit():
    labels = np.array([0, 2**63], dtype=np.uint64)
    with pytest.raises(ValueError, match="label -1 needs signed integers, but 92233"):
        replace_labels(labels, np.array([True, False]), -1)


def test_as_numbers_keeps_other_objects():
    for values in (["a", "b"], [1, "a"], []):
        known = np.array(values, dtype=object)
        assert as_numbers(known) is known
