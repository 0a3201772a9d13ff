"""Columns and rows of tables: validation, selection, replacement."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import subprocess
import sys
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator

from celltyping._utils._tables import (
    check_table,
    column_names,
    column_values,
    encode_groups,
    find_columns,
    find_distinct_rows,
    find_groups,
    is_frame,
    is_repeated,
    list_unknown,
    raw_column,
    replace_columns,
    take_rows,
    validate_table,
)


@pytest.fixture
def frame():
    """Give three synapses, with an index of their own."""
    return pd.DataFrame(
        {"NeuronId": ["cb1", "pv3", "cb1"], "x": [1, 2, 3], "y": [0.5, 1.5, 2.5]},
        index=["s1", "s2", "s3"],
    )


def test_is_frame():
    for X, expected in (
        (pd.DataFrame({"x": [1]}), True),
        (pd.Series([1]), False),
        (np.ones((2, 2)), False),
        ([[1, 2]], False),
        (sparse.csr_array(np.ones((2, 2))), False),
    ):
        assert is_frame(X) is expected


def test_validate_table(frame):
    estimator = BaseEstimator()
    assert validate_table(estimator, frame, reset=True) is frame
    assert estimator.feature_names_in_.tolist() == ["NeuronId", "x", "y"]
    with pytest.raises(ValueError, match="feature names should match"):
        validate_table(estimator, frame[["x", "y", "NeuronId"]], reset=False)
    with pytest.raises(ValueError, match="Found a DataFrame with 0 sample"):
        validate_table(estimator, frame.iloc[:0], reset=True)
    with pytest.raises(
        ValueError, match=r"and 0 feature\(s\), but BaseEstimator needs"
    ):
        validate_table(estimator, frame.iloc[:, :0], reset=True)


@pytest.mark.parametrize(
    "read", [check_table, lambda X: validate_table(E(), X, reset=True)]
)
def test_check_tables(read, frame):
    X = read([[1, 2], [np.nan, np.inf]])
    assert X.dtype == np.float64
    np.testing.assert_array_equal(X, [[1, 2], [np.nan, np.inf]])
    assert read(frame) is frame
    with pytest.raises(TypeError, match="Sparse data was passed"):
        read(sparse.csr_array(np.ones((2, 2))))
    with pytest.raises(ValueError, match="could not convert string to float"):
        read([["cb1", 2.0]])


class E(BaseEstimator):
    """An estimator that stores number and names of columns."""


def test_find_columns(frame):
    for form in (list, tuple, np.array, pd.Index):
        assert find_columns(frame, form(["y", "NeuronId"]), "columns") == [2, 0]
        assert find_columns(frame.to_numpy(), form([2, 0]), "columns") == [2, 0]
        assert column_names(frame) == ["NeuronId", "x", "y"]


def test_names_that_are_no_strings():
    frame = pd.DataFrame(np.ones((2, 3)), columns=[5, ("area", "mean"), "x"])
    assert find_columns(frame, [("area", "mean"), 5], "columns") == [1, 0]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ([], r"coordinates must name at least one column, got \[\]"),
        (
            ["z", "y", "soma_z", 1],
            r"X does not have the columns \['z', 'soma_z', 1\] of coordinates: "
            r"its columns are 'NeuronId', 'x', 'y'",
        ),
        (["y", "x", "y"], r"columns \['y'\] of coordinates are listed more than once"),
    ],
)
def test_columns_that_a_frame_lacks(frame, columns, message):
    with pytest.raises(ValueError, match=message):
        find_columns(frame, columns, "coordinates")


def test_columns_that_an_array_lacks(subtests):
    for column in ("x", 3, -1, True, 1.0, None, np.nan):
        with (
            subtests.test(column=column),
            pytest.raises(ValueError, match=r"not have the columns .*: X is an array"),
        ):
            find_columns(np.ones((2, 3)), [0, column], "columns")


def test_columns_of_one_name(frame):
    frame.columns = ["x", "x", "y"]
    assert find_columns(frame, ["y"], "columns") == [2]
    with pytest.raises(ValueError, match=r"several columns of the names \['x'\]$"):
        find_columns(frame, ["y", "x"], "columns")


def test_unknown_groups_and_kinds_of_ids():
    numbers, text = np.array([7, 9]), np.array(["7", "b"])
    assert list_unknown(text, np.array(["a"])) == "'7', 'b'"
    assert list_unknown(numbers, np.array([1.5])) == "7, 9"
    assert "which are text, but those in fit are numbers such as 7: convert" in (
        list_unknown(text, numbers)
    )
    assert "which are numbers, but those in fit are text such as '7'" in (
        list_unknown(numbers, text)
    )


def test_repeated_rows(subtests):
    rows = np.array([[0.0, 1], [2, 0], [-0.0, 1], [2, 0], [3, 3], [2, 0]])
    for form in (np.asarray, pd.DataFrame, sparse.csr_array):
        with subtests.test(form=form):
            if form is not sparse.csr_array:
                found = is_repeated(form(rows))
                assert found.tolist() == [False, False, True, True, False, True]
            if form is not pd.DataFrame:
                first, counts = find_distinct_rows(form(rows))
                assert (first, counts) == ([0, 1, 4], [2, 3, 1])


def test_a_message_of_many_columns():
    frame = pd.DataFrame(np.ones((1, 500))).add_prefix("gene")
    with pytest.raises(ValueError, match=r"'gene18', 'gene19', \.\.\. \(500 in all\)$"):
        find_columns(frame, ["x"], "columns")


def test_kinds_of_numbers(subtests):
    for column, expected in (
        (pd.Series([1, 2], dtype="int8"), [1, 2]),
        (pd.Series([True, False]), [1, 0]),
        (pd.Series([1, 2], dtype="Int64"), [1, 2]),
        (pd.Series([1.5, 2], dtype="Float64"), [1.5, 2]),
        (pd.Series([1.5, 2], dtype="category"), [1.5, 2]),
        (pd.Series(["1.5", "2"]), [1.5, 2]),
        (pd.Series([Decimal("1.5"), 2], dtype=object), [1.5, 2]),
        (pd.Series([0, 2], dtype=pd.SparseDtype(float)), [0, 2]),
    ):
        with subtests.test(dtype=column.dtype):
            values = column_values(pd.DataFrame({"x": column}), [0])
            assert values.dtype == np.float64
            assert values.ravel().tolist() == expected


def test_what_is_no_number(subtests):
    for column, message in (
        (["1.5", "12,3"], "column 'x' of X contains '12,3', which is not a number"),
        ([1.5, "far"], "column 'x' of X contains 'far', which is not a number"),
        ([None, "far"], "column 'x' of X contains 'far', which is not a number"),
        ([1.5, {}], "column 'x' of X contains {}, which is not a number"),
        ([1.5, 2j], "column 'x' of X contains .*j.*, which is not a number"),
        (
            pd.to_datetime(["2020-01-01"] * 2).as_unit("ns"),
            "datetime.* is not a number",
        ),
        (pd.to_timedelta([1, 2], "ns"), "timedelta.* is not a number"),
        ([1.5, np.nan], "column 'x' of X contains NaN in 1 of 2 rows"),
        ([None, None], "column 'x' of X contains NaN in 2 of 2 rows"),
        (["nan", "1"], "column 'x' of X contains NaN in 1 of 2 rows"),
        (pd.array([None, 3], dtype="Int64"), "column 'x' of X contains NaN in 1 of 2"),
        ([np.inf, -np.inf], "column 'x' of X contains infinity in 2 of 2 rows"),
    ):
        with subtests.test(column=column):
            frame = pd.DataFrame({"NeuronId": ["cb1", "cb1"], "x": column})
            with pytest.raises(ValueError, match=message):
                column_values(frame, [1])


def test_values_of_an_array():
    X = np.array([[0.0, np.nan, 2.0], [1.0, np.inf, 3.0]])
    values = column_values(X, [2, 0])
    assert values.tolist() == [[2, 0], [3, 1]]
    assert not np.shares_memory(values, X)
    with pytest.raises(ValueError, match="column 1 of X contains NaN in 1 of 2 rows"):
        column_values(X, [0, 1])
    assert column_values(X, []).shape == (2, 0)


def test_replaced_columns(frame):
    before = frame.copy()
    new = np.array([[7.5, 1.0], [8.5, 2.0], [9.5, 3.0]])
    found = replace_columns(frame, [1, 2], new)
    pd.testing.assert_frame_equal(found, frame.assign(x=new[:, 0], y=new[:, 1]))
    pd.testing.assert_frame_equal(frame, before)
    new[:], found.loc["s1", "NeuronId"] = 0, "pv1"
    assert found["x"].tolist() == [7.5, 8.5, 9.5]
    pd.testing.assert_frame_equal(frame, before)
    X = np.zeros((3, 2))
    assert replace_columns(X, [1], np.ones((3, 1))).tolist() == [[0, 1]] * 3
    assert not X.any()


def test_columns_of_one_name_are_replaced_by_position(frame):
    frame.columns = ["a", "b", "b"]
    found = replace_columns(frame, [2], np.array([[7.0], [8.0], [9.0]]))
    assert found.iloc[:, 2].tolist() == [7, 8, 9]
    assert found.iloc[:, 1].tolist() == [1, 2, 3]


def test_taken_rows(frame):
    rows = np.array([2, 0])
    pd.testing.assert_frame_equal(take_rows(frame, rows), frame.loc[["s3", "s1"]])
    pd.testing.assert_series_equal(take_rows(frame["x"], rows), frame["x"].iloc[rows])
    assert take_rows(np.arange(6).reshape(3, 2), rows).tolist() == [[4, 5], [0, 1]]
    assert take_rows(["a", 1, None], rows) == [None, "a"]
    assert take_rows(frame, None) is frame
    assert take_rows(None, rows) is None


def test_encoded_groups(subtests):
    for column, names, codes in (
        (["pv3", "cb1", "pv3"], ["cb1", "pv3"], [1, 0, 1]),
        (pd.Series(["b", "a", "b"], dtype="category"), ["a", "b"], [1, 0, 1]),
        ([10, 9, 10], [9, 10], [1, 0, 1]),
        (np.array([2**60 + 1, 2**60, 3]), [3, 2**60, 2**60 + 1], [2, 1, 0]),
        (pd.array([10, 9, 10], dtype="Int64"), [9, 10], [1, 0, 1]),
        (pd.Series([10, 9.5, 10], dtype=object), [9.5, 10], [1, 0, 1]),
    ):
        with subtests.test(column=column):
            found = encode_groups(pd.DataFrame({"id": column}), 0)
            assert found[0].tolist() == names
            assert found[0].dtype.kind in "Uif", (
                "no objects: these cannot be stored safely"
            )
            assert found[1].tolist() == codes


def test_groups_that_cannot_be(subtests):
    for column, message in (
        (
            ["a", None, None],
            "column 'id' .* group of every cell, but it is missing in 2",
        ),
        ([1, np.nan, 2], "missing in 1 of 3 rows, the first at position 1"),
        (pd.array([None, 1, 2], dtype="Int64"), "the first at position 0"),
        (["a", 1, 2.5], "must contain either strings or numbers, got float, int, str"),
    ):
        with subtests.test(column=column), pytest.raises(ValueError, match=message):
            encode_groups(pd.DataFrame({"id": column}), 0, member="cell")


def test_find_groups():
    for names, known, codes in (
        (["b", "c"], ["a", "b"], [1, -1]),
        ([2, 5], [1.0, 2.0], [1, -1]),
        (["1", "2"], [1, 2], [-1, -1]),
    ):
        assert find_groups(np.array(names), np.array(known)).tolist() == codes


def test_raw_columns(frame):
    assert raw_column(frame, 0).tolist() == ["cb1", "pv3", "cb1"]
    assert raw_column(np.eye(2), 1).tolist() == [0, 1]


def test_arrays_need_no_pandas():
    # scikit-learn imports pandas if it is installed, so it must not be found.
    code = """
import sys
class NoPandas:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "pandas":
            raise ImportError(name)
sys.meta_path.insert(0, NoPandas())
import numpy as np
from celltyping import ColumnSelector, ColumnWeighter, NeuronAligner, OutlierRowRemover
X = np.random.default_rng(0).normal(size=(30, 4))
X[:, 0] = np.arange(30) % 3
assert "pandas" not in sys.modules
X = ColumnSelector([0, 1, 2], numeric=[1]).fit_transform(X)
X = ColumnWeighter({1: 2}).fit_transform(NeuronAligner(0).fit_transform(X))
print(OutlierRowRemover([1, 2]).fit_resample(X)[0].shape[1])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "3"
