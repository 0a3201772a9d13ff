"""ColumnSelector: selection and validation of columns."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from celltyping import ColumnSelector
from tests._persistence import through_pickle, through_skops


@pytest.fixture
def synapses():
    """Give four synapses, in a table with additional columns."""
    return pd.DataFrame(
        {
            "note": ["", "broken", None, "?"],
            "y": [1.5, 2.5, 3.5, 4.5],
            "NeuronId": ["cb1", "cb1", "pv3", "pv3"],
            "x": [1, 2, 3, 4],
        },
        index=[10, 11, 12, 13],
    )


def test_columns_in_the_order_asked_for(synapses):
    before = synapses.copy()
    columns = ColumnSelector(["NeuronId", "x", "y"])
    found = columns.fit_transform(synapses)
    pd.testing.assert_frame_equal(found, synapses[["NeuronId", "x", "y"]])
    assert columns.get_feature_names_out().tolist() == ["NeuronId", "x", "y"]
    assert columns.positions_.tolist() == [2, 3, 1]
    found.loc[10, "y"] = 99
    pd.testing.assert_frame_equal(synapses, before)


def test_another_table_with_these_columns(synapses):
    columns = ColumnSelector(["x", "y"], numeric=["y"]).fit(synapses)
    expected = columns.transform(synapses)
    other = synapses[["x", "NeuronId", "y"]].assign(area=3.0, soma_x="unknown")
    pd.testing.assert_frame_equal(columns.transform(other), expected)
    pd.testing.assert_frame_equal(columns.transform(synapses[["y", "x"]]), expected)
    assert columns.get_feature_names_out().tolist() == ["x", "y"]


def test_all_columns_are_those_of_fit(synapses):
    columns = ColumnSelector().fit(synapses)
    pd.testing.assert_frame_equal(columns.transform(synapses), synapses)
    assert columns.get_feature_names_out().tolist() == synapses.columns.tolist()
    with pytest.raises(ValueError, match="feature names should match"):
        columns.transform(synapses[["x", "y", "note", "NeuronId"]])
    with pytest.raises(ValueError, match="missing"):
        columns.transform(synapses[["x", "y"]])


def test_numeric_columns_become_floats(synapses):
    synapses["y"] = ["1.5", "2", "3", "4"]
    found = ColumnSelector(["NeuronId", "x", "y"], numeric=["y", "x"]).fit_transform(
        synapses
    )
    assert found["x"].dtype == found["y"].dtype == np.float64
    assert found["x"].tolist() == [1, 2, 3, 4]
    assert found["y"].tolist() == [1.5, 2, 3, 4]
    assert found["NeuronId"].tolist() == synapses["NeuronId"].tolist()
    kept = ColumnSelector(["x", "y"]).fit_transform(synapses)
    assert kept["x"].dtype == np.int64


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"columns": ["z", "x", "soma_z"]},
            r"X does not have the columns \['z', 'soma_z'\]: its "
            r"columns are 'note', 'y', 'NeuronId', 'x'",
        ),
        ({"numeric": ["z"]}, r"X does not have the columns \['z'\] of numeric: "),
        (
            {"columns": ["x"], "numeric": ["x", "y"]},
            r"numeric contains \['y'\], which columns=\['x'\] does not select",
        ),
        ({"columns": ["x", "x"]}, r"the columns \['x'\] are listed more than once"),
        ({"columns": []}, "columns must name at least one column"),
        (
            {"numeric": ["note"]},
            "column 'note' of X contains '', which is not a number",
        ),
    ],
)
def test_bad_parameters(synapses, parameters, message):
    with pytest.raises(ValueError, match=message):
        ColumnSelector(**parameters).fit(synapses)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("12,3", "column 'y' of X contains '12,3', which is not a number"),
        (None, "column 'y' of X contains NaN in 1 of 4 rows"),
        (np.inf, "column 'y' of X contains infinity in 1 of 4 rows"),
    ],
)
def test_bad_values(synapses, value, message):
    columns = ColumnSelector(["x", "y"], numeric=["x", "y"]).fit(synapses)
    synapses["y"] = synapses["y"].astype(object)
    synapses.loc[11, "y"] = value
    for method in (columns.transform, columns.fit):
        with pytest.raises(ValueError, match=message):
            method(synapses)
    # Columns that are not in `numeric` are not validated.
    assert ColumnSelector(["y"]).fit_transform(synapses).shape == (4, 1)


def test_a_new_table_without_a_column(synapses):
    columns = ColumnSelector(["NeuronId", "x", "y"]).fit(synapses)
    message = r"does not have the columns \['NeuronId', 'y'\]: its columns are 'x'$"
    with pytest.raises(ValueError, match=message):
        columns.transform(synapses[["x"]])
    with pytest.raises(ValueError, match="X is an array with 3 columns"):
        columns.transform(np.ones((2, 3)))


def test_arrays():
    X = np.arange(12).reshape(3, 4)
    columns = ColumnSelector([3, 0], numeric=[0]).fit(X)
    found = columns.transform(X)
    assert found.dtype == np.float64
    assert found.tolist() == [[3, 0], [7, 4], [11, 8]]
    assert columns.transform([[1, 2, 3, 4, 5]]).tolist() == [[4, 1]]
    assert columns.get_feature_names_out().tolist() == ["x3", "x0"]
    assert columns.get_feature_names_out(["a", "b", "c", "d"]).tolist() == ["d", "a"]
    X = np.array([[1.0, np.nan], [2.0, 3.0]])
    np.testing.assert_array_equal(ColumnSelector(numeric=[0]).fit_transform(X), X)
    with pytest.raises(ValueError, match="column 1 of X contains NaN in 1 of 2 rows"):
        ColumnSelector(numeric=[1]).fit(X)


def test_set_output(synapses):
    found = (
        ColumnSelector([1, 0])
        .set_output(transform="pandas")
        .fit_transform(np.arange(4).reshape(2, 2))
    )
    assert found.columns.tolist() == ["x1", "x0"]
    columns = ColumnSelector(["x", "NeuronId"]).set_output(transform="pandas")
    found = columns.fit_transform(synapses)
    pd.testing.assert_frame_equal(found, synapses[["x", "NeuronId"]])


def test_first_step_of_a_pipeline(synapses):
    pipe = make_pipeline(ColumnSelector(["x", "y"], numeric=["x"]), StandardScaler())
    expected = pipe.fit_transform(synapses)
    np.testing.assert_array_equal(pipe.transform(synapses[["y", "x"]]), expected)
    assert pipe.get_feature_names_out().tolist() == ["x", "y"]


def test_clone_and_pickle(synapses):
    columns = ColumnSelector(["y", "x"], numeric=("x",))
    assert clone(columns).get_params() == columns.get_params()
    with pytest.raises(NotFittedError):
        columns.transform(synapses)
    expected = columns.fit_transform(synapses)
    for loaded in (through_pickle(columns), through_skops(columns)):
        pd.testing.assert_frame_equal(loaded.transform(synapses), expected)
        assert loaded.get_feature_names_out().tolist() == ["y", "x"]


def test_a_failed_fit_leaves_the_fitted_columns(synapses):
    columns = ColumnSelector(["x", "y"], numeric=["x"]).fit(synapses)
    expected = columns.transform(synapses)
    columns.set_params(columns=["nope"], numeric=["nope"])
    with pytest.raises(ValueError, match=r"^X does not have the columns \['nope'\]: "):
        columns.fit(synapses)
    pd.testing.assert_frame_equal(columns.transform(synapses), expected)
