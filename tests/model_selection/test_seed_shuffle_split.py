"""Splits of partly labelled data into seeds and test samples."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score
from sklearn.model_selection import BaseShuffleSplit, GridSearchCV, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.semi_supervised import LabelPropagation

from celltyping import Connectome
from celltyping.metrics import make_typed_scorer
from celltyping.model_selection import SeedShuffleSplit

STRATEGIES = ["at_least_one_per_class", "uniform", "exactly_k_per_class", "stratified"]
# Types of 1 to 40 samples, and 30 unknown samples, shuffled.
SIZES = {"A": 40, "B": 20, "C": 10, "D": 5, "E": 2, "F": 1, "?": 30}
Y = np.random.RandomState(0).permutation(np.repeat(list(SIZES), list(SIZES.values())))
N_LABELLED = 78


def splits_of(y=Y, **params):
    """Return all splits of `y`."""
    params = {"random_state": 0, **params}
    return list(SeedShuffleSplit(**params).split(np.zeros((len(y), 1)), y))


def size_for(strategy):
    """Return a train_size that is valid for the strategy."""
    return 1 if strategy == "exactly_k_per_class" else 0.2


def counts(y):
    """Return {type: number}."""
    return dict(zip(*np.unique(y, return_counts=True), strict=True))


def test_folds_share_the_labelled_samples(subtests):
    for strategy in STRATEGIES:
        with subtests.test(strategy=strategy):
            folds = splits_of(strategy=strategy, train_size=size_for(strategy))
            assert len(folds) == 10
            for train, test in folds:
                assert train.dtype == test.dtype == np.intp
                together = np.concatenate([train, test])
                assert np.array_equal(np.sort(together), np.flatnonzero(Y != "?"))
                assert np.array_equal(train, np.unique(train))
                assert np.array_equal(test, np.unique(test))
            assert len({tuple(train) for train, _ in folds}) > 5


def test_include_unlabeled_adds_them_to_training_alone(subtests):
    for strategy in STRATEGIES:
        with subtests.test(strategy=strategy):
            params = {"strategy": strategy, "train_size": size_for(strategy)}
            unlabelled = np.flatnonzero(Y == "?")
            without = splits_of(**params)
            for (train, test), (seeds, test_without) in zip(
                splits_of(include_unlabeled=True, **params), without, strict=True
            ):
                assert np.array_equal(train, np.union1d(seeds, unlabelled))
                assert np.array_equal(test, test_without)


def test_train_size(subtests):
    for strategy, train_size, n_seeds in (
        ("at_least_one_per_class", 0.1, 8),
        ("uniform", 0.5, 39),
        ("stratified", 17, 17),
    ):
        with subtests.test(strategy=strategy):
            for train, test in splits_of(strategy=strategy, train_size=train_size):
                assert len(train) == n_seeds
                assert len(test) == N_LABELLED - n_seeds


def test_test_size_caps_the_test_fold(subtests):
    for strategy, test_size, n_test in (
        ("at_least_one_per_class", 0.25, 20),
        ("uniform", 13, 13),
        ("stratified", 62, 62),
    ):
        with subtests.test(strategy=strategy):
            params = {"strategy": strategy, "train_size": 16}
            whole = splits_of(**params)
            for (train, test), (same, rest) in zip(
                splits_of(test_size=test_size, **params), whole, strict=True
            ):
                assert np.array_equal(train, same)
                assert len(test) == n_test
                assert np.isin(test, rest).all()


def test_at_least_one_per_class():
    for train, _ in splits_of(train_size=6, n_splits=20):
        assert counts(Y[train]) == dict.fromkeys("ABCDEF", 1)
    seeds = np.concatenate([train for train, _ in splits_of(train_size=26)])
    share = counts(Y[seeds])
    assert share["F"] == 10  # the only sample of a type is always a seed
    # Beyond the first of each type: 20 of the 72 others.
    assert share["A"] / 10 == pytest.approx(1 + 20 * 39 / 72, rel=0.2)


def test_uniform_may_leave_types_without_a_seed():
    folds = splits_of(strategy="uniform", train_size=8, n_splits=50)
    n_types = [len(counts(Y[train])) for train, _ in folds]
    assert min(n_types) < 6
    seeds = np.concatenate([train for train, _ in folds])
    assert np.mean(Y[seeds] == "A") == pytest.approx(40 / 78, abs=0.1)


def test_exactly_k_per_class():
    y = Y[Y != "F"]
    for train, test in splits_of(y, strategy="exactly_k_per_class", train_size=2):
        assert counts(y[train]) == dict.fromkeys("ABCDE", 2)
        assert "E" not in y[test]  # both of its samples are seeds


def test_stratified(subtests):
    for train_size, expected in (
        (39, {"A": 19, "B": 10, "C": 5, "D": 3, "E": 1, "F": 1}),
        (7, {"A": 2, "B": 1, "C": 1, "D": 1, "E": 1, "F": 1}),
        (77, {"A": 39, "B": 20, "C": 10, "D": 5, "E": 2, "F": 1}),
    ):
        with subtests.test(train_size=train_size):
            for train, _ in splits_of(strategy="stratified", train_size=train_size):
                found = counts(Y[train])
                assert sum(found.values()) == train_size
                # Random ties between types: allow a difference of one.
                assert all(abs(found[name] - expected[name]) <= 1 for name in expected)


def test_stratified_ties_are_random():
    y = np.repeat(["A", "B"], 5)
    folds = splits_of(y, strategy="stratified", train_size=3, n_splits=50)
    extra = [counts(y[train])["A"] for train, _ in folds]
    assert set(extra) == {1, 2}


@given(
    st.lists(st.sampled_from("ABC?"), min_size=3, max_size=30),
    st.integers(1, 20),
    st.sampled_from(STRATEGIES),
    st.integers(0, 5),
)
def test_any_split_is_valid_or_refused(letters, train_size, strategy, seed):
    y = np.array(letters)
    params = {"strategy": strategy, "train_size": train_size, "random_state": seed}
    sizes = counts(y[y != "?"])
    n_labelled = sum(sizes.values())
    if strategy == "exactly_k_per_class":
        n_seeds = train_size * len(sizes)
        possible = all(size >= train_size for size in sizes.values())
    else:
        n_seeds = train_size
        possible = strategy == "uniform" or n_seeds >= len(sizes)
    if not (sizes and possible and n_seeds < n_labelled):
        with pytest.raises(ValueError, match="known"):
            splits_of(y, **params)
        return
    for train, test in splits_of(y, **params):
        assert (len(train), len(test)) == (n_seeds, n_labelled - n_seeds)
        assert not np.isin("?", y[np.concatenate([train, test])])
        if strategy != "uniform":
            assert set(y[train]) == set(sizes)


def test_random_state():
    def seeds(random_state, splitter=None):
        splitter = splitter or SeedShuffleSplit(random_state=random_state)
        return [train.tolist() for train, _ in splitter.split(Y, Y)]

    assert seeds(3) == seeds(3) == seeds(np.random.RandomState(3))
    assert seeds(3) != seeds(4)
    fixed = SeedShuffleSplit(random_state=3)
    assert seeds(None, fixed) == seeds(None, fixed)
    moving = SeedShuffleSplit(random_state=np.random.RandomState(3))
    assert seeds(None, moving) != seeds(None, moving)


def test_first_splits_do_not_depend_on_how_many_follow():
    few, many = splits_of(n_splits=3), splits_of(n_splits=5)
    for one, other in zip(few, many, strict=False):
        assert np.array_equal(one[0], other[0])


def test_kinds_of_y(subtests):
    for y in (
        [3, 3, -1, 5, 5],
        np.array(["A", "A", None, "B", "B"], dtype=object),
        [1.0, 1.0, np.nan, 2.0, 2.0],
    ):
        with subtests.test(y=y):
            for train, test in splits_of(y, train_size=2):
                assert sorted([*train, *test]) == [0, 1, 3, 4]


def test_unlabeled_marker():
    y = ["A", "A", "none", "B", "B"]
    for train, test in splits_of(y, train_size=2, unlabeled_marker="none"):
        assert 2 not in [*train, *test]


def test_y_is_not_changed():
    y = Y.copy()
    splits_of(y)
    assert np.array_equal(y, Y)


def test_scikit_learn_manners():
    splitter = SeedShuffleSplit(n_splits=4, train_size=5)
    assert isinstance(splitter, BaseShuffleSplit)
    assert splitter.get_n_splits() == splitter.get_n_splits(Y, Y) == 4
    assert repr(splitter).startswith("SeedShuffleSplit(include_unlabeled=False, ")
    assert "train_size=5" in repr(splitter)
    again = pickle.loads(pickle.dumps(splitter))
    assert repr(again) == repr(splitter)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_in_a_grid_search(n_jobs):
    y = np.where(Y == "?", -1, np.searchsorted(list("ABCDEF"), Y))
    X = y[:, np.newaxis] + np.random.RandomState(0).normal(scale=0.3, size=(len(y), 2))
    search = GridSearchCV(
        KNeighborsClassifier(),
        {"n_neighbors": [1, 5]},
        cv=SeedShuffleSplit(3, train_size=0.3, random_state=0),
        n_jobs=n_jobs,
        error_score="raise",
    ).fit(X, y)
    scores = search.cv_results_["mean_test_score"]
    assert scores[0] > scores[1] > 0.3


def test_unlabelled_rows_of_a_table_help_in_semi_supervised_learning():
    """Why include_unlabeled is there: two chains of points, seeds at one end."""
    steps = np.arange(40)
    X = np.concatenate(
        [np.column_stack([steps, 0 * steps]), np.column_stack([steps, 0 * steps + 9])]
    ).astype(float)
    y = np.full(80, -1)
    y[[0, 39]], y[[40, 79]] = 0, 1
    model = LabelPropagation(kernel="knn", n_neighbors=3)
    scorer = make_typed_scorer(accuracy_score)
    params = {"n_splits": 3, "train_size": 2, "random_state": 0}
    cv = SeedShuffleSplit(include_unlabeled=True, **params)
    scores = cross_val_score(model, X, y, cv=cv, scoring=scorer)
    assert scores.tolist() == [1, 1, 1]
    assert len(next(cv.split(X, y))[0]) == 78


def test_folds_of_a_connectome_are_views_of_it():
    con = Connectome(np.ones((len(Y), len(Y))))
    for train, test in SeedShuffleSplit(3, random_state=0).split(con, Y):
        assert con[train].graph is con[test].graph is con.graph
        assert con[test].node_ids.tolist() == test.tolist()


def test_refuses_parameters(subtests):
    for params, message in (
        ({"n_splits": 0}, "n_splits must be an integer of at least 1, got 0"),
        ({"n_splits": 2.0}, "n_splits must be an integer of at least 1, got 2.0"),
        ({"strategy": "random"}, "strategy must be one of 'at_least.* got 'random'"),
        ({"include_unlabeled": "yes"}, "must be True or False, got 'yes'"),
        ({"train_size": 0}, "train_size must be a float between 0 and 1 .* got 0"),
        ({"train_size": 1.0}, "train_size must be a float between 0 and 1 .* got 1.0"),
        ({"train_size": True}, "train_size must be a float .* got True"),
        ({"train_size": None}, "train_size must be a float .* got None"),
        ({"train_size": np.nan}, "train_size must be a float .* got nan"),
        ({"test_size": 1.5}, "test_size must be a float between 0 and 1 .* got 1.5"),
        ({"test_size": 0}, "test_size must be a float between 0 and 1 .* got 0"),
        (
            {"strategy": "exactly_k_per_class"},
            "train_size must be an integer, the number of seeds of each .* got 0.1",
        ),
        (
            {"strategy": "exactly_k_per_class", "train_size": 3},
            "too many for 2 of the 6 known types in y: 'E' has 2",
        ),
        (
            {"train_size": 5},
            "is 5 seeds of 78 samples of known type, but .* each of the 6 types",
        ),
        (
            {"train_size": 0.05, "strategy": "stratified"},
            "train_size=0.05 is 4 seeds of 78 .*='stratified' needs at least one of e",
        ),
        ({"train_size": 78}, "is 78 seeds of 78 .* no test samples remain"),
        ({"train_size": 100}, "is 100 seeds of 78 .* no test samples remain"),
        (
            {"train_size": 0.001, "strategy": "uniform"},
            "is 0 seeds of 78 samples of known type: it must be at least 1",
        ),
        (
            {"train_size": 70, "test_size": 9},
            "test_size=9 is 9 of 78 .* with 70 seeds it must be from 1 to 8",
        ),
        ({"test_size": 0.001}, "test_size=0.001 is 0 of 78 .* it must be from 1 to 70"),
    ):
        with subtests.test(params=params), pytest.raises(ValueError, match=message):
            splits_of(**params)


def test_refuses_y():
    for y, message in (
        (["?", "?", "?"], "SeedShuffleSplit needs labelled samples, but all 3 labels"),
        ([0.5, 1.5, 2.5], "Unknown label type: continuous"),
    ):
        with pytest.raises(ValueError, match=message):
            splits_of(y)


def test_needs_y():
    with pytest.raises(ValueError, match="requires y to be passed"):
        next(SeedShuffleSplit().split(np.zeros((5, 1))))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        next(SeedShuffleSplit().split(np.zeros((5, 1)), Y))
