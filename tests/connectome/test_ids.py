"""Exact node ids from every kind of column."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from celltyping.connectome._ids import (
    as_column,
    as_exact,
    as_ids,
    check_same_kind,
    check_unique,
    factorize_ids,
    find_ids,
)

LONG = [720575940612345678, 720575940612345679, 720575940612345681]


def test_integers_of_18_digits_survive(subtests):
    cases = [
        LONG,
        tuple(LONG),
        np.array(LONG),
        np.array(LONG, dtype=np.uint64),
        np.array(LONG, dtype=object),
        pd.Series(LONG),
        pd.Series(LONG, dtype="Int64"),
        pd.Series(LONG, dtype="category"),
        pd.Index(LONG),
        pa.chunked_array([LONG]),
    ]
    for values in cases:
        with subtests.test(values=values):
            ids = as_ids(values)
            assert ids.dtype == np.int64
            assert ids.tolist() == LONG
            codes, uniques = factorize_ids(values, "pre")
            assert uniques[codes].tolist() == LONG


def test_strings_become_text(subtests):
    cases = [
        ["b", "a1"],
        np.array(["b", "a1"], dtype="<U30"),
        np.array(["b", "a1"], dtype=object),
        pd.Series(["b", "a1"]),
        pd.Series(["b", "a1"], dtype="string"),
        pd.Series(["b", "a1"], dtype="category"),
        pa.array(["b", "a1"]),
    ]
    for values in cases:
        with subtests.test(values=values):
            ids = as_ids(values)
            assert ids.dtype.kind == "U"
            assert ids.tolist() == ["b", "a1"]
            codes, uniques = factorize_ids(values, "pre")
            assert uniques[codes].tolist() == ["b", "a1"]


def test_small_whole_floats_are_integers():
    assert as_ids(np.array([3.0, 2.0])).dtype == np.int64
    assert as_ids([3.0, 2.0]).tolist() == [3, 2]
    assert as_ids(np.array([2.0**53 - 1])).tolist() == [2**53 - 1]


def test_floats_that_may_have_lost_digits_are_refused(subtests):
    for value in [1.5, 2.0**53, 7.2e17, np.inf]:
        with subtests.test(value=value):
            message = (
                r"node_ids must be integers or strings, got floats of which 1 are not"
            )
            with pytest.raises(ValueError, match=message):
                as_ids(np.array([1.0, value]))


def test_ids_that_overflow_are_refused(subtests):
    for values in [[1, 2**63], np.array([2**63], dtype=np.uint64), [-(2**63) - 1, 3]]:
        with (
            subtests.test(values=values),
            pytest.raises(
                ValueError, match=r"must fit into int64, got ids that overflow"
            ),
        ):
            as_ids(values)


def test_missing_ids_are_refused(subtests):
    cases = [
        [1, None],
        ["a", None],
        ["a", float("nan")],
        np.array([1.0, np.nan]),
        pd.Series([1, None], dtype="Int64"),
        pd.Series(["a", None]),
    ]
    for values in cases:
        with subtests.test(values=values):
            message = r"node_ids must name every node, but 1 is missing"
            with pytest.raises(ValueError, match=message):
                as_ids(values)
            with pytest.raises(
                ValueError, match=r"column 'pre' must name .* but 1 is missing"
            ):
                factorize_ids(values, "column 'pre'")


def test_other_kinds_are_refused(subtests):
    cases = [
        ([1, "a"], "got int, str"),
        ([1, 2.0], "got float, int"),
        ([True, False], "got bool"),
        ([(1, 2), (3, 4)], "got tuple"),
        (np.array([True]), "got bool"),
        (np.array([1j]), "got complex128"),
        (np.array([b"a"]), r"got \|S1 \(decode bytes first\)"),
        (np.array(["2024-01-01"], dtype="M8[D]"), "got datetime64"),
    ]
    for values, found in cases:
        with subtests.test(values=values), pytest.raises(TypeError, match=found):
            as_ids(values)


def test_text_that_is_no_exact_id_is_refused(subtests):
    for bad in ["", "?", "nan", "<NA>", "a ", "\t7", "7.0", "7.2E+17"]:
        with subtests.test(bad=bad):
            message = rf"pre must hold exact ids, got 1 such as {re.escape(repr(bad))}"
            with pytest.raises(ValueError, match=message):
                as_ids(["b", bad], "pre")
            with pytest.raises(ValueError, match=message):
                factorize_ids(pd.Series(["b", bad, bad]), "pre")
            assert as_exact(["b", bad], "types").tolist() == ["b", bad]


def test_other_names_are_ids(subtests):
    for name in ["1e5", "1E10", "a.0", "1.2", "None7", "a b", "-"]:
        with subtests.test(name=name):
            assert as_ids([name]).tolist() == [name]


def test_column_must_be_a_flat_sequence():
    with pytest.raises(ValueError, match=r"pre must be one-dimensional, got shape"):
        as_column(np.zeros((2, 2)), "pre")
    with pytest.raises(TypeError, match="pre must be a sequence, got int"):
        as_column(3, "pre")
    with pytest.raises(TypeError, match="pre must be a sequence, got str"):
        as_column("abc", "pre")


def test_ids_are_not_changed():
    values = np.array([3, 1, 2], dtype=np.int32)
    as_ids(values)[0] = 9
    assert values.tolist() == [3, 1, 2]


def test_find_ids():
    ids = np.array(["b", "ccc", "a"])
    assert find_ids(np.array(["a", "d", "b", "0"]), ids).tolist() == [2, -1, 0, -1]
    assert find_ids(np.array(["a"]), ids, np.argsort(ids)).tolist() == [2]
    assert find_ids(np.array([], dtype=np.int64), ids).tolist() == []
    assert find_ids(np.array([7]), ids[:0]).tolist() == [-1]


def test_check_unique_names_some():
    check_unique(np.array([1, 2]))
    message = r"nodes must be unique, but repeat the ids 1, 2, 3, 4, 5, .* \(6 in all"
    with pytest.raises(ValueError, match=message):
        check_unique(np.array([1, 2, 3, 4, 5, 6] * 2), "nodes")


def test_check_same_kind():
    check_same_kind(np.array(["a"]), "pre", np.array([], dtype=np.int64), "post")
    message = r"in pre are strings \('a', ...\), but the ids in post are integers \(1, "
    with pytest.raises(TypeError, match=message):
        check_same_kind(np.array(["a"]), "pre", np.array([1]), "post")
