"""OutlierRowRemover: bounds, and removal of training rows."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pandas as pd
import pytest
from imblearn.pipeline import make_pipeline
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.neighbors import KNeighborsClassifier

from celltyping import ColumnSelector, OutlierRowRemover
from tests._persistence import through_pickle, through_skops


@pytest.fixture
def synapses():
    """Give 101 synapses: areas 0 to 100, quartiles 25 and 75, and a constant."""
    return pd.DataFrame(
        {
            "NeuronId": ["cb1", *["pv3"] * 100],
            "area": np.arange(101.0),
            "volume": np.arange(101.0)[::-1],
            "thickness": 20,
        },
        index=[f"s{i}" for i in range(101)],
    )


@pytest.mark.parametrize(
    ("iqr_factor", "lower", "upper"),
    [(3.0, -125, 225), (1.5, -50, 150), (0.25, 12.5, 87.5), (0, 25, 75)],
)
def test_bounds(synapses, iqr_factor, lower, upper):
    remover = OutlierRowRemover(["area"], iqr_factor=iqr_factor).fit(synapses)
    assert remover.lower_.tolist() == [lower]
    assert remover.upper_.tolist() == [upper]
    expected = np.flatnonzero(synapses["area"].between(lower, upper))
    np.testing.assert_array_equal(remover.sample_indices_, expected)
    kept, y = remover.fit_resample(synapses, synapses["volume"])
    pd.testing.assert_frame_equal(kept, synapses.iloc[expected])
    pd.testing.assert_series_equal(y, synapses["volume"].iloc[expected])


def test_a_row_on_the_bound_stays(synapses):
    # These values change without an effect on the quartiles.
    synapses.loc[["s0", "s1", "s99", "s100"], "area"] = [-125, -125.1, 225.1, 225]
    remover = OutlierRowRemover(["area"]).fit(synapses)
    gone = np.setdiff1d(np.arange(101), remover.sample_indices_)
    assert gone.tolist() == [1, 99]


def test_any_column_may_remove_a_row(synapses):
    synapses.loc["s3", "area"] = 1e6
    synapses.loc["s5", "volume"] = -1e6
    before = synapses.copy()
    kept, y = OutlierRowRemover(["area", "volume"]).fit_resample(synapses)
    pd.testing.assert_frame_equal(kept, synapses.drop(["s3", "s5"]))
    assert y is None
    assert len(OutlierRowRemover(["volume"]).fit_resample(synapses)[0]) == 100
    pd.testing.assert_frame_equal(synapses, before)


def test_a_column_without_spread_removes_nothing(synapses):
    synapses.loc["s3", "thickness"] = 10**6
    remover = OutlierRowRemover(["thickness", "area"]).fit(synapses)
    assert len(remover.sample_indices_) == 101
    assert remover.lower_.tolist() == [-np.inf, -125]
    assert remover.upper_.tolist() == [np.inf, 225]
    assert len(OutlierRowRemover().fit([[5.0]]).sample_indices_) == 1


def test_arrays():
    X = np.arange(40).reshape(20, 2)
    X[4, 1] = 10**6
    remover = OutlierRowRemover()
    kept, y = remover.fit_resample(X, list("abcdefghijklmnopqrst"))
    assert kept.dtype == np.float64
    np.testing.assert_array_equal(kept, np.delete(X, 4, axis=0))
    assert "".join(y) == "abcdfghijklmnopqrst"
    assert len(remover.lower_) == 2
    two, y = OutlierRowRemover([0]).fit_resample(
        X.tolist(), np.arange(40).reshape(20, 2)
    )
    assert len(two) == len(y) == 20
    # Other columns are not used.
    X = X.astype(float)
    X[0, 0] = np.nan
    assert len(OutlierRowRemover([1]).fit(X).sample_indices_) == 19


def test_bad_parameters(synapses, subtests):
    for parameters, message in (
        (
            {"columns": ["area", "SynArea"]},
            r"X does not have the columns \['SynArea'\]: its columns",
        ),
        ({}, "column 'NeuronId' of X contains 'cb1', which is not a number"),
    ):
        for method in ("fit", "fit_resample"):
            with (
                subtests.test(parameters=parameters, method=method),
                pytest.raises(ValueError, match=message),
            ):
                getattr(OutlierRowRemover(**parameters), method)(synapses)


def test_bad_values(synapses):
    synapses.loc["s2", "area"] = np.nan
    with pytest.raises(ValueError, match="column 'area' of X contains NaN in 1 of 101"):
        OutlierRowRemover(["area"]).fit(synapses)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        OutlierRowRemover(["volume"]).fit_resample(synapses, [1, 2])


def test_no_row_is_left():
    # Each row has an outlying value in another column.
    X = np.tile(np.arange(8.0)[:, np.newaxis], (1, 8)) + 1e6 * np.eye(8)
    message = (
        "none of the 8 rows of X remains: each is beyond the bounds of one of 8 col"
    )
    with pytest.raises(ValueError, match=message):
        OutlierRowRemover().fit(X)
    assert len(OutlierRowRemover(range(7)).fit(X).sample_indices_) == 1


def test_in_a_pipeline_fit_drops_and_predict_does_not(synapses):
    synapses.loc["s3", "area"] = 1e6
    y = (synapses["volume"] > 50).to_numpy().astype(int)
    y[3] = 2
    pipe = make_pipeline(
        ColumnSelector(["area", "volume"]),
        OutlierRowRemover(["area"]),
        KNeighborsClassifier(1),
    )
    pipe.fit(synapses, y)
    assert pipe[-1].n_samples_fit_ == 100
    assert pipe.classes_.tolist() == [0, 1]
    assert pipe.predict(synapses).shape == (101,)
    assert set(pipe.predict(synapses)) == {0, 1}
    without_y = make_pipeline(
        ColumnSelector(["area", "volume"]), OutlierRowRemover(), KMeans(2, n_init=1)
    )
    without_y.fit(synapses)
    assert len(without_y[-1].labels_) == 100
    assert len(without_y.predict(synapses)) == 101
    assert without_y.transform(synapses).shape == (101, 2)


def test_clone_and_pickle(synapses):
    remover = OutlierRowRemover(["area", "volume"], iqr_factor=0.3)
    assert clone(remover).get_params() == remover.get_params()
    expected = remover.fit_resample(synapses)[0]
    for loaded in (through_pickle(remover), through_skops(remover)):
        for name in ("lower_", "upper_", "sample_indices_"):
            np.testing.assert_array_equal(getattr(loaded, name), getattr(remover, name))
        pd.testing.assert_frame_equal(loaded.fit_resample(synapses)[0], expected)


def test_a_failed_fit_resample_changes_nothing(synapses):
    remover = OutlierRowRemover(["area"]).fit(synapses)
    before = vars(remover).copy()
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        remover.fit_resample(synapses[["area"]][:50], [1, 2])
    assert vars(remover) == before


@pytest.mark.parametrize("form", [pd.DataFrame, np.asarray])
def test_repeated_rows(form):
    rng = np.random.default_rng(0)
    rows = np.column_stack([rng.normal(size=50), np.arange(50)])
    rows[7, 0] = 99
    X = form(np.vstack([rows, rows[::-1], rows[:3]]))
    once = OutlierRowRemover([0], drop_repeats=True).fit(rows)
    assert len(once.sample_indices_) == 49
    remover = OutlierRowRemover([0], drop_repeats=True)
    with pytest.warns(UserWarning, match="53 of 103 rows of X equal an earlier row"):
        kept, y = remover.fit_resample(X, np.arange(103))
    np.testing.assert_array_equal(kept, rows[once.sample_indices_])
    np.testing.assert_array_equal(y, once.sample_indices_)
    assert (remover.lower_, remover.upper_) == (once.lower_, once.upper_)
    assert len(OutlierRowRemover([0]).fit(X).sample_indices_) == 101


def test_no_limit():
    X = np.array([[0.0], [1], [2], [1e9]])
    remover = OutlierRowRemover(iqr_factor=None).fit(X)
    assert remover.sample_indices_.tolist() == [0, 1, 2, 3]
    assert remover.upper_.tolist() == [np.inf]
