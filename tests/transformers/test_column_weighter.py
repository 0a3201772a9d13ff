"""ColumnWeighter: multiplication of columns by weights."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from celltyping import ColumnWeighter
from tests._persistence import through_pickle, through_skops


@pytest.fixture
def synapses():
    """Give three synapses of a neuron, with text and integers."""
    return pd.DataFrame(
        {"NeuronId": ["cb1"] * 3, "x": [1, 2, 3], "area": [0.25, np.nan, 0.5]},
        index=["s1", "s2", "s3"],
    )


def test_named_weights(synapses):
    before = synapses.copy()
    weighter = ColumnWeighter({"x": 2.5}).fit(synapses)
    assert weighter.weights_.tolist() == [1, 2.5, 1]
    found = weighter.transform(synapses)
    pd.testing.assert_frame_equal(found, synapses.assign(x=[2.5, 5.0, 7.5]))
    pd.testing.assert_frame_equal(synapses, before)
    back = weighter.inverse_transform(found)
    pd.testing.assert_frame_equal(back, synapses.assign(x=[1.0, 2.0, 3.0]))


@pytest.mark.parametrize("weights", [None, {}])
def test_no_weights(synapses, weights):
    weighter = ColumnWeighter(weights).fit(synapses)
    assert weighter.weights_.tolist() == [1, 1, 1]
    pd.testing.assert_frame_equal(weighter.transform(synapses), synapses)


def test_a_weight_for_each_column(subtests):
    X = np.array([[1, 2, 3], [4, 5, 6]])
    for form in (list, tuple, np.array, pd.Series):
        with subtests.test(form=form):
            weighter = ColumnWeighter(form([2, 0, 0.5])).fit(X)
            assert weighter.weights_.tolist() == [2, 0, 0.5]
            assert weighter.transform(X).tolist() == [[2, 0, 1.5], [8, 0, 3]]
            assert X.tolist() == [[1, 2, 3], [4, 5, 6]]
            frame = pd.DataFrame(X, columns=["x", "y", "z"])
            found = ColumnWeighter(form([2, 0, 0.5])).fit_transform(frame)
            assert found.to_numpy().tolist() == [[2, 0, 1.5], [8, 0, 3]]
            assert found.columns.tolist() == ["x", "y", "z"]


def test_columns_of_an_array_by_index():
    X = np.array([[1.0, np.nan, 3.0], [4.0, np.inf, 6.0]])
    weighter = ColumnWeighter({2: 2, 0: 3}).fit(X)
    np.testing.assert_array_equal(
        weighter.transform(X), [[3, np.nan, 6], [12, np.inf, 12]]
    )
    np.testing.assert_array_equal(weighter.inverse_transform(weighter.transform(X)), X)


def test_invalid_weights(subtests):
    frame = pd.DataFrame({"x": [1.0, 2.0], "y": [3.0, 4.0]})
    for weight in (-1, np.nan, np.inf, "two", None, -1e-300, 10**400):
        with subtests.test(weight=weight):
            message = f"finite and nonnegative, got {weight!r} for column 'y'"
            for weights in ({"y": weight}, [1, weight]):
                with pytest.raises(ValueError, match=message):
                    ColumnWeighter(weights).fit(frame)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (
            {"z": 2, "x": 1, "u": 0},
            r"X does not have the columns \['z', 'u'\] of weights: its "
            r"columns are 'NeuronId', 'x', 'area'",
        ),
        ([1, 2], "weights has 2 weights, but X has 3 columns"),
        (2.0, "'weights' parameter of ColumnWeighter must be an instance of 'dict'"),
        (
            {"NeuronId": 2},
            "column 'NeuronId' of X contains 'cb1', which is not a number",
        ),
        ({"area": 2}, "column 'area' of X contains NaN in 1 of 3 rows"),
    ],
)
def test_bad_parameters(synapses, weights, message):
    with pytest.raises(ValueError, match=message):
        ColumnWeighter(weights).fit(synapses)


def test_bad_values_of_new_rows(synapses):
    weighter = ColumnWeighter({"x": 2}).fit(synapses)
    with pytest.raises(
        ValueError, match="column 'x' of X contains '12,3', which is not"
    ):
        weighter.transform(synapses.assign(x=["1", "12,3", "2"]))


def test_a_weight_of_zero_cannot_be_undone():
    weighter = ColumnWeighter({"y": 0})
    found = weighter.fit_transform(pd.DataFrame({"x": [1.0, 2.0], "y": [3.0, 4.0]}))
    assert found["y"].tolist() == [0, 0]
    with pytest.raises(ValueError, match=r"a weight of 0 has no inverse: .*'y'"):
        weighter.inverse_transform(found)


def test_inverse_of_an_array():
    weighter = ColumnWeighter({"y": 4}).fit(pd.DataFrame({"x": [1.0], "y": [3.0]}))
    # No warning about missing names, because none is used.
    assert weighter.inverse_transform([[1, 12]]).tolist() == [[1, 3]]
    with pytest.raises(ValueError, match="X has 3 columns, but ColumnWeighter was fit"):
        weighter.inverse_transform(np.ones((2, 3)))


def test_set_output(synapses):
    weighter = ColumnWeighter({"x": 2.0}).set_output(transform="pandas")
    expected = synapses.assign(x=[2.0, 4.0, 6.0])
    pd.testing.assert_frame_equal(weighter.fit_transform(synapses), expected)
    assert weighter.get_feature_names_out().tolist() == ["NeuronId", "x", "area"]
    found = clone(weighter).set_params(weights=[1, 2]).fit_transform(np.eye(2))
    assert found.columns.tolist() == ["x0", "x1"]


def test_weights_change_neighbors():
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    X = pd.DataFrame({"x": y + 0.1 * rng.normal(size=60), "noise": rng.normal(size=60)})
    pipe = make_pipeline(ColumnWeighter(), KNeighborsClassifier(3))
    grid = {"columnweighter__weights": [{"x": 0}, {"noise": 0.01}]}
    search = GridSearchCV(pipe, grid, cv=3).fit(X, y)
    assert search.best_params_ == {"columnweighter__weights": {"noise": 0.01}}
    assert search.best_score_ == 1
    assert search.cv_results_["mean_test_score"][0] < 0.8


def test_clone_and_pickle(synapses):
    weighter = ColumnWeighter({"x": 2})
    assert clone(weighter).get_params() == weighter.get_params()
    with pytest.raises(NotFittedError):
        weighter.transform(synapses)
    expected = weighter.fit_transform(synapses)
    for loaded in (through_pickle(weighter), through_skops(weighter)):
        pd.testing.assert_frame_equal(loaded.transform(synapses), expected)
