"""Meta-estimators: seeds, validation of X, tags, metadata per row."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans
from sklearn.decomposition import NMF, PCA
from sklearn.ensemble import (
    AdaBoostClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC
from sklearn.utils import get_tags

from celltyping import OutlierFilteredClassifier
from celltyping._utils._sub_estimators import (
    check_rows,
    index_metadata,
    is_per_row,
    join_input_tags,
    make_generator,
    set_random_states,
)
from celltyping._utils._tables import take_rows
from celltyping.datasets import make_connectome


class Meta(BaseEstimator):
    """A meta-estimator with the input tags of its sub-estimator."""

    def __init__(self, part=None):
        self.part = part

    def __sklearn_tags__(self):
        parts = [] if self.part is None else [self.part]
        return join_input_tags(super().__sklearn_tags__(), parts)


class Untagged:
    """A detector without a base class, as in older versions of pyod."""

    def __init__(self):
        pass

    def fit(self, X):
        return self


@pytest.mark.parametrize("fill_value", [0, np.nan])
def test_sparse_columns_of_a_frame_become_dense(fill_value):
    dense = pd.DataFrame(np.arange(20.0).reshape(10, 2), columns=["a", "b"])
    frame = dense.astype(pd.SparseDtype(float, fill_value))
    before = frame.copy()
    pd.testing.assert_frame_equal(check_rows(Meta(), frame, reset=True), dense)
    y = np.repeat(["x", "y"], 5)
    model = OutlierFilteredClassifier(SVC()).fit(frame, y)
    expected = OutlierFilteredClassifier(SVC()).fit(dense, y).predict(dense)
    assert model.predict(frame).tolist() == expected.tolist()
    pd.testing.assert_frame_equal(frame, before)


# ------------------------------------------------------------------------------ seeds


def test_make_generator():
    assert make_generator(None) is None
    generator = np.random.RandomState(0)
    assert make_generator(generator) is generator
    assert make_generator(0).randint(1000) == generator.randint(1000)


def test_seeds_reach_all_parts_that_have_none():
    pipeline = make_pipeline(
        PCA(), AdaBoostClassifier(RandomForestClassifier(), random_state=7)
    )
    assert set_random_states(pipeline, 0) is pipeline
    boost = pipeline[-1]
    assert boost.random_state == 7
    seeds = [pipeline[0].random_state, boost.estimator.random_state]
    assert all(isinstance(seed, int) for seed in seeds)
    assert seeds[0] != seeds[1]


def test_seeds_are_reproducible_and_go_on():
    def seeds(random_state):
        forests = [set_random_states(RandomForestClassifier(), random_state)]
        forests.append(set_random_states(KMeans(), random_state))
        return [each.random_state for each in forests]

    assert seeds(3) == seeds(3)
    assert seeds(3) != seeds(4)
    of_one_generator = seeds(np.random.RandomState(3))
    assert of_one_generator == seeds(np.random.RandomState(3))
    assert of_one_generator[0] != of_one_generator[1]


def test_no_seed_without_random_state():
    assert set_random_states(KMeans(), None).random_state is None


def test_nothing_to_seed():
    generator = np.random.RandomState(0)
    estimator = KNeighborsClassifier()
    assert set_random_states(estimator, generator) is estimator
    assert generator.randint(1000) == np.random.RandomState(0).randint(1000)


# ---------------------------------------------------------------------- checks of rows


def test_arrays_become_arrays():
    meta = Meta(SVC())
    rows = check_rows(meta, [[1, 2], [3, 4]], reset=True)
    assert isinstance(rows, np.ndarray)
    assert meta.n_features_in_ == 2
    given = np.asfortranarray(np.eye(3))
    assert check_rows(Meta(SVC()), given, reset=True) is given


def test_a_table_stays_as_it_is():
    table = pd.DataFrame({"x": [1.0, 2.0], "name": ["cb1", "pv3"]})
    meta = Meta(SVC())
    assert check_rows(meta, table, reset=True) is table
    assert meta.feature_names_in_.tolist() == ["x", "name"]
    assert check_rows(meta, table, reset=False) is table
    with pytest.raises(ValueError, match="in the same order as they were in fit"):
        check_rows(meta, table[["name", "x"]], reset=False)
    with pytest.raises(ValueError, match="missing:\n- name"):
        check_rows(meta, table[["x"]], reset=False)
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        check_rows(meta, np.eye(2), reset=False)


def test_as_many_columns_as_in_fit():
    meta = Meta(SVC())
    check_rows(meta, np.eye(2), reset=True)
    for width in (1, 3):
        with pytest.raises(
            ValueError, match=f"X has {width} features, but Meta is exp"
        ):
            check_rows(meta, np.ones((4, width)), reset=False)


def test_bad_arrays(subtests):
    for X, message in (
        ([1, 2, 3], "Expected 2D array, got 1D array"),
        (np.empty((0, 2)), r"0 sample\(s\)"),
        (np.empty((2, 0)), r"0 feature\(s\)"),
        ([[0, np.nan]], "X contains NaN"),
        ([[0, np.inf]], "X contains infinity"),
        ([[0, 1j]], "Complex data not supported"),
    ):
        with subtests.test(message), pytest.raises(ValueError, match=message):
            check_rows(Meta(SVC()), X, reset=True)


def test_missing_values_of_a_table_are_counted():
    table = pd.DataFrame({"x": [1, None, None], "y": [1, 2, 3], "z": [None, 1, 2]})
    message = r"Meta does not accept missing.* in the columns 'x' \(2\), 'z' \(1\)"
    with pytest.raises(ValueError, match=message):
        check_rows(Meta(SVC()), table, reset=True)
    with pytest.raises(ValueError, match=message):
        check_rows(Meta(SVC()), table.astype("Float64"), reset=True)
    # Missing values in tables with text are left to the sub-estimators.
    mixed = table.assign(name=["a", None, "c"])
    assert check_rows(Meta(SVC()), mixed, reset=True) is mixed


def test_missing_values_go_to_parts_that_may_take_them():
    for part in (
        HistGradientBoostingClassifier(),
        make_pipeline(SimpleImputer(), SVC()),
    ):
        for form in (np.asarray, pd.DataFrame):
            X = form([[0, np.nan], [1, 2]])
            assert check_rows(Meta(part), X, reset=True) is X


def test_sparse_rows(subtests):
    for form in (sparse.csr_array, sparse.csc_matrix, sparse.coo_array):
        with subtests.test(form=form):
            X = form(np.eye(3))
            for part in (SVC(), make_pipeline(PCA(2), SVC())):
                rows = check_rows(Meta(part), X, reset=True)
                assert rows.format == "csr"
                np.testing.assert_array_equal(rows.toarray(), np.eye(3))
            with pytest.raises(
                TypeError, match="Sparse data was passed for X, but dense"
            ):
                check_rows(Meta(HistGradientBoostingClassifier()), X, reset=True)


def test_a_connectome_stays_as_it_is():
    con, _ = make_connectome(30, 2, 100, random_state=0, return_X_y=True)
    assert check_rows(Meta(SVC()), con, reset=True) is con


# -------------------------------------------------------------------------------- tags


def test_takes_what_all_parts_take():
    def joined(*parts):
        return join_input_tags(get_tags(Meta()), parts).input_tags

    assert joined(SVC(), KNeighborsClassifier()).sparse
    assert not joined(SVC(), HistGradientBoostingClassifier()).sparse
    assert joined(HistGradientBoostingClassifier()).allow_nan
    assert not joined(HistGradientBoostingClassifier(), SVC()).allow_nan
    assert joined(SVC(), NMF()).positive_only
    assert not joined(SVC(), SVC()).positive_only


def test_a_part_without_tags_takes_what_is_usual():
    tags = join_input_tags(get_tags(Meta()), [SVC(), Untagged()]).input_tags
    assert not any([tags.sparse, tags.allow_nan, tags.positive_only])


# -------------------------------------------------------------------- rows and metadata


def test_take_rows(subtests):
    for form in (
        np.asarray,
        list,
        pd.Series,
        pd.Categorical,
        lambda x: np.array(x, object),
    ):
        with subtests.test(form=form):
            values = form(["a", "b", "c"])
            assert take_rows(values, np.ones(3, dtype=bool)) is values
            some = take_rows(values, np.array([True, False, True]))
            assert type(some) is type(values)
            assert list(some) == ["a", "c"]


def test_take_rows_of_tables():
    for form in (pd.DataFrame, sparse.csr_array):
        some = take_rows(form(np.eye(3)), np.array([False, False, True]))
        assert type(some) is form
        assert some.shape == (1, 3)


def test_is_per_row():
    for weights in ([1, 2], (1, 2), np.ones(2), pd.Series([1, 2]), np.ones((2, 3))):
        assert is_per_row(weights, 2)
        assert not is_per_row(weights, 3)
    for value in (None, 2, "ab", {"a": 1, "b": 2}, np.float64(2), True):
        assert not is_per_row(value, 2)


@pytest.mark.parametrize("rows", [np.array([2, 0, 0]), np.array([True, False, True])])
def test_index_metadata(rows):
    given = {
        "weight": np.array([1, 2, 3]),
        "names": ["a", "b", "c"],
        "series": pd.Series([1, 2, 3], index=[7, 8, 9]),
        "other": [1, 2],
        "text": "abc",
        "nothing": None,
    }
    found = index_metadata(given, rows, 3)
    positions = np.arange(3)[rows]
    assert list(found) == list(given)
    np.testing.assert_array_equal(found["weight"], given["weight"][positions])
    assert found["names"] == [given["names"][i] for i in positions]
    assert found["series"].tolist() == (positions + 1).tolist()
    for name in ("other", "text", "nothing"):
        assert found[name] is given[name]
