"""Metrics for embeddings."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import functools
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from scipy.spatial.distance import cdist, pdist
from scipy.stats import spearmanr
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from celltyping.metrics import (
    density_correlation,
    hierarchy_correlation,
    make_neighborhood_scorer,
    neighbor_accuracy_score,
    neighborhood_overlap_score,
)

TYPES = np.array(["KC", "LHN", "MBON", "PN"])
SEEDS = st.integers(0, 10_000)
OF_TWO_SPACES = [
    functools.partial(neighborhood_overlap_score, n_neighbors=5),
    functools.partial(density_correlation, n_neighbors=5),
    functools.partial(hierarchy_correlation, y=np.arange(60) % 6),
]


def table(seed=0, n_samples=60, n_features=5):
    """Return features, an embedding correlated with them, and types."""
    rng = np.random.default_rng(seed)
    y = np.arange(n_samples) % len(TYPES)
    centers = 3 * rng.normal(size=(len(TYPES), n_features))
    X = centers[y] + rng.normal(size=(n_samples, n_features)) * (1 + y[:, np.newaxis])
    return X, PCA(n_components=2).fit_transform(X) ** 3, TYPES[y]


def moved(X, seed=0):
    """Return the rows rotated, shifted, and scaled by 7."""
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.normal(size=(X.shape[1], X.shape[1])))
    return 7 * (X @ rotation) + rng.normal(size=X.shape[1])


def nearest(X, n_neighbors):
    """Return the nearest neighbours of each row (reference implementation)."""
    distances = cdist(X, X)
    np.fill_diagonal(distances, np.inf)
    return np.argsort(distances, axis=1)[:, :n_neighbors]


# -- neighbor_accuracy_score ------------------------------------------------------


def test_the_most_frequent_type_among_neighbors():
    X_train, y_train = [[0.0], [0.2], [1.0], [5.0]], ["PN", "PN", "KC", "KC"]
    X_test, y_test = [[0.9], [4.0]], ["KC", "KC"]
    score = functools.partial(neighbor_accuracy_score, X_train, y_train, X_test, y_test)
    assert score(n_neighbors=1) == 1  # 1.0 and 5.0
    assert score(n_neighbors=3) == 0.5  # PN, 2 of 3, for 0.9
    # All four: a tie, and KC is first in sorted order.
    assert score(n_neighbors=4) == 1


@given(SEEDS, st.integers(1, 9))
def test_neighbor_accuracy_equals_the_classifier(seed, n_neighbors):
    _, X, y = table(seed)
    train, test = np.split(np.random.default_rng(seed).permutation(60), [40])
    model = KNeighborsClassifier(n_neighbors).fit(X[train], y[train])
    found = neighbor_accuracy_score(
        X[train], y[train], X[test], y[test], n_neighbors=n_neighbors
    )
    assert found == model.score(X[test], y[test])


def test_unknown_types_are_left_out():
    _, X, y = table()
    rng = np.random.default_rng(0)
    y = np.where(rng.random(60) < 0.4, "?", y)
    train, test = np.arange(60) < 35, np.arange(60) >= 35
    known = y != "?"
    expected = neighbor_accuracy_score(
        X[train & known], y[train & known], X[test & known], y[test & known]
    )
    assert 0 < expected < 1
    assert neighbor_accuracy_score(X[train], y[train], X[test], y[test]) == expected
    none = np.where(known, y, None)
    found = neighbor_accuracy_score(X[train], none[train], X[test], none[test])
    assert found == expected
    # With another marker, "?" is a type.
    with_more_types = neighbor_accuracy_score(
        X[train], y[train], X[test], y[test], unlabeled_marker="KC"
    )
    assert with_more_types != expected


def test_both_parts_are_encoded_together():
    # {1, -1} would be a binary problem by itself: both parts together decide.
    X = [[0.0], [1.0], [2.0], [3.0]]
    score = functools.partial(neighbor_accuracy_score, X, n_neighbors=1)
    assert score([1, 1, -1, 0], X, [1, -1, -1, 1]) == 0.5
    assert score([1, 1, -1, -1], X, [1, -1, -1, 1]) == 0.5
    assert score([1, 1, -1, -1], X, [1, -1, -1, -1]) == 0.75
    assert score([1.0, 1.0, np.nan, 0.0], X, [1, 1, 1, 1]) == 0.75


def test_types_missing_in_training_are_wrong():
    X = [[0.0], [1.0]]
    assert neighbor_accuracy_score(X, ["KC"] * 2, X, ["KC", "PN"], n_neighbors=1) == 0.5


def test_as_many_types_as_samples():
    X, _, _ = table()
    y = np.arange(60)
    assert neighbor_accuracy_score(X, y, X, y, n_neighbors=1) == 1


def test_neighbor_accuracy_of_a_random_embedding_is_chance():
    X = np.random.default_rng(0).normal(size=(2000, 2))
    y = TYPES[np.arange(2000) % 4]
    score = neighbor_accuracy_score(X[:1000], y[:1000], X[1000:], y[1000:])
    assert score == pytest.approx(0.25, abs=0.05)


def test_neighbor_accuracy_is_invariant():
    _, X, y = table()
    expected = neighbor_accuracy_score(X[:40], y[:40], X[40:], y[40:])
    other = moved(X)
    assert neighbor_accuracy_score(other[:40], y[:40], other[40:], y[40:]) == expected
    backwards = neighbor_accuracy_score(X[39::-1], y[39::-1], X[:39:-1], y[:39:-1])
    assert backwards == expected


def test_neighbor_accuracy_refuses(subtests):
    arguments = {
        "X_train": [[0.0], [1.0]],
        "y_train": ["KC", "PN"],
        "X_test": [[0.0], [1.0]],
        "y_test": ["KC", "PN"],
        "n_neighbors": 1,
    }
    assert neighbor_accuracy_score(**arguments) == 1
    for changed, message in (
        ({"X_train": [[0.0], [np.nan]]}, "Input X_train contains NaN"),
        ({"X_test": [[np.inf], [0.0]]}, "Input X_test contains infinity"),
        ({"X_test": [[0.0, 1.0]] * 2}, r"as many columns as X_train \(1\), got 2"),
        ({"y_train": ["KC"]}, "inconsistent numbers of samples"),
        ({"y_train": ["?", "?"]}, "all 2 types in y_train are unknown"),
        ({"y_test": ["?", "?"]}, "all 2 types in y_test are unknown"),
        ({"y_train": [1, 2]}, "types of one kind, got a mix of int, str"),
        ({"y_test": [["KC"], ["PN"]] * 2}, "inconsistent numbers of samples"),
        ({"n_neighbors": 3}, "from 1 to 2, the number of samples of known type in X_t"),
        ({"y_train": ["KC", "?"], "n_neighbors": 2}, "n_neighbors must be an integer"),
        ({"n_neighbors": 1.0}, "n_neighbors must be an integer from 1 to 2, .* 1.0"),
    ):
        with subtests.test(changed=changed), pytest.raises(ValueError, match=message):
            neighbor_accuracy_score(**(arguments | changed))


# -- All scores of two spaces -----------------------------------------------------


def test_no_change_scores_one(subtests):
    X, _, _ = table()
    for score in OF_TWO_SPACES:
        with subtests.test(score=score):
            assert score(X, X) == pytest.approx(1)
            assert score(X, moved(X)) == pytest.approx(1)


def test_directions_and_units_do_not_matter(subtests):
    X, X_embedded, _ = table()
    for score in OF_TWO_SPACES:
        with subtests.test(score=score):
            expected = score(X, X_embedded)
            assert 0 < expected < 0.99
            assert score(moved(X), X_embedded) == pytest.approx(expected)
            assert score(X, moved(X_embedded)) == pytest.approx(expected)
            assert score(1e-9 * X, 1e9 * X_embedded) == pytest.approx(expected)


def test_order_of_samples_does_not_matter(subtests):
    X, X_embedded, _ = table()
    order = np.random.default_rng(0).permutation(60)
    for score in (neighborhood_overlap_score, density_correlation):
        with subtests.test(score=score):
            expected = pytest.approx(score(X, X_embedded))
            assert score(X[order], X_embedded[order]) == expected


def test_kinds_of_tables(subtests):
    X, X_embedded, _ = table()
    X[np.abs(X) < 1] = 0
    X = X.astype(np.float32)
    given = X.copy(), X_embedded.copy()
    for score in OF_TWO_SPACES:
        with subtests.test(score=score):
            expected = score(X, X_embedded)
            for kind in (sparse.csr_array, sparse.csc_matrix, sparse.coo_array):
                assert score(kind(X), X_embedded) == pytest.approx(expected)
            assert score(X.tolist(), X_embedded.tolist()) == pytest.approx(expected)
            found = score(pd.DataFrame(X), pd.DataFrame(X_embedded))
            assert found == pytest.approx(expected)
            np.testing.assert_array_equal(X, given[0])
            np.testing.assert_array_equal(X_embedded, given[1])


def test_refuses_tables(subtests):
    for X, X_embedded, message in (
        (np.full((60, 2), np.nan), np.ones((60, 2)), "Input X contains NaN"),
        (np.ones((60, 2)), np.full((60, 2), np.nan), "Input X_embedded contains NaN"),
        (np.full((60, 2), np.inf), np.ones((60, 2)), "Input X contains infinity"),
        (np.ones((60, 2)), np.ones((59, 2)), "inconsistent numbers of samples"),
        (np.ones((1, 2)), np.ones((1, 2)), "a minimum of 2 is required"),
        (np.ones(60), np.ones((60, 2)), "Expected 2D array, got 1D"),
        (np.ones((60, 2)), np.ones(60), "Expected 2D array, got 1D"),
    ):
        with subtests.test(message):
            for score in OF_TWO_SPACES:
                with pytest.raises(ValueError, match=message):
                    score(X, X_embedded)


def test_refuses_numbers_of_neighbors(subtests):
    X, X_embedded, _ = table()
    message = "an integer from 1 to 59, one less than the number of samples, got "
    for score in (neighborhood_overlap_score, density_correlation):
        with subtests.test(score=score):
            for n_neighbors in (0, 60, 2.5, None):
                with pytest.raises(ValueError, match=f"{message}{n_neighbors!r}"):
                    score(X, X_embedded, n_neighbors=n_neighbors)


def test_refuses_distances_that_are_not_square(subtests):
    X, X_embedded, _ = table()
    for score in (neighborhood_overlap_score, density_correlation):
        with (
            subtests.test(score=score),
            pytest.raises(ValueError, match=r"a square matrix .* shape \(60, 5\)"),
        ):
            score(X, X_embedded, metric="precomputed")


def test_metric(subtests):
    X, X_embedded, _ = table()
    for score in (neighborhood_overlap_score, density_correlation):
        with subtests.test(score=score):
            expected = score(X, X_embedded)
            found = score(cdist(X, X), X_embedded, metric="precomputed")
            assert found == pytest.approx(expected)
            found = score(cdist(X, X, "cityblock"), X_embedded, metric="precomputed")
            assert found != pytest.approx(expected)
            assert found == pytest.approx(score(X, X_embedded, metric="manhattan"))


# -- neighborhood_overlap_score ---------------------------------------------------


@given(SEEDS, st.integers(1, 59))
def test_overlap_equals_the_reference(seed, n_neighbors):
    X, X_embedded, _ = table(seed)
    shares = [
        len(set(before) & set(after)) / n_neighbors
        for before, after in zip(
            nearest(X, n_neighbors), nearest(X_embedded, n_neighbors), strict=True
        )
    ]
    found = neighborhood_overlap_score(X, X_embedded, n_neighbors=n_neighbors)
    assert found == pytest.approx(np.mean(shares))


def test_overlap_with_all_others_is_one():
    X, X_embedded, _ = table()
    assert neighborhood_overlap_score(X, X_embedded, n_neighbors=59) == 1


def test_overlap_of_a_random_embedding_is_chance():
    rng = np.random.default_rng(0)
    X, X_embedded = rng.normal(size=(1000, 10)), rng.normal(size=(1000, 2))
    for n_neighbors in (15, 200):
        score = neighborhood_overlap_score(X, X_embedded, n_neighbors=n_neighbors)
        assert score == pytest.approx(n_neighbors / 999, abs=0.01)


def test_overlap_under_the_cosine():
    X, _, _ = table()
    on_sphere = X / np.linalg.norm(X, axis=1, keepdims=True)
    assert neighborhood_overlap_score(X, on_sphere, metric="cosine") == 1
    assert neighborhood_overlap_score(X, on_sphere) < 0.9


def test_no_sample_is_its_own_neighbor_even_among_equal_ones():
    X = np.repeat(np.arange(10.0), 2)[:, np.newaxis]
    assert neighborhood_overlap_score(X, X, n_neighbors=1) == 1
    torn = np.concatenate([X[::2], 100 + X[1::2]])  # one of each pair is moved
    order = np.concatenate([np.arange(0, 20, 2), np.arange(1, 20, 2)])
    assert neighborhood_overlap_score(X[order], torn, n_neighbors=1) == 0


# -- density_correlation ----------------------------------------------------------


def test_density_by_hand():
    X = [[0.0], [1.0], [3.0], [7.0]]  # neighbours 1, 0, 1, 2
    X_embedded = [[0.0], [1.0], [2.0], [12.0]]
    expected = np.corrcoef(np.log([1, 1, 4, 16]), np.log([1, 1, 1, 100]))[0, 1]
    found = density_correlation(X, X_embedded, n_neighbors=1)
    assert found == pytest.approx(expected, abs=1e-6)


@given(SEEDS, st.integers(1, 59))
def test_density_equals_the_reference(seed, n_neighbors):
    X, X_embedded, _ = table(seed)
    neighbors = nearest(X, n_neighbors)  # the original neighbours, in both spaces
    logarithms = []
    for space in (X, X_embedded):
        squares = cdist(space, space, "sqeuclidean")
        radii = np.array([squares[i, near].mean() for i, near in enumerate(neighbors)])
        limit = 1296 * np.median(radii[radii > 0])
        logarithms.append(np.log(1e-8 * np.mean(np.minimum(radii, limit)) + radii))
    found = density_correlation(X, X_embedded, n_neighbors=n_neighbors)
    assert found == pytest.approx(np.corrcoef(*logarithms)[0, 1])


def test_density_of_a_sparse_and_a_dense_cloud():
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(400, 3))
    dense = np.arange(400) < 200
    shift = np.where(dense, 0, 100)[:, np.newaxis]
    X = directions * np.where(dense, 1, 8)[:, np.newaxis] + shift
    assert density_correlation(X, X[:, :2]) > 0.9
    swapped = directions * np.where(dense, 8, 1)[:, np.newaxis] + shift
    assert density_correlation(X, swapped[:, :2]) < -0.5
    evened = density_correlation(X, (directions + shift)[:, :2])
    assert density_correlation(X, swapped[:, :2]) < evened
    assert evened < density_correlation(X, X[:, :2])


def test_density_of_a_random_embedding_is_not_correlated():
    rng = np.random.default_rng(0)
    X, X_embedded = rng.normal(size=(1000, 10)), rng.normal(size=(1000, 2))
    assert abs(density_correlation(X, X_embedded)) < 0.1


def test_density_where_samples_coincide():
    X = np.concatenate(
        [np.zeros((20, 2)), np.random.default_rng(0).normal(size=(9, 2))]
    )
    assert density_correlation(X, X, n_neighbors=3) == pytest.approx(1)


def test_density_that_is_the_same_everywhere():
    X, X_embedded, _ = table()
    angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    ring = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert np.isnan(density_correlation(X, np.ones((60, 2))))
    assert np.isnan(density_correlation(np.ones((60, 2)), X))
    assert np.isnan(density_correlation(ring, X_embedded, n_neighbors=4))


# -- hierarchy_correlation --------------------------------------------------------


def test_hierarchy_by_hand():
    y = ["a", "b", "c", "d"]
    X = [[0.0], [1.0], [10.0], [13.0]]  # ((a, b), (c, d)): heights 1, 3 and 11
    X_embedded = [[0.0], [8.0], [10.0], [14.0]]  # (a, (b, c, d)): 2, then 5, then 32/3
    before = [1, 11, 11, 11, 11, 3]  # ab, ac, ad, bc, bd, cd
    after = [32 / 3] * 3 + [2, 5, 5]
    found = hierarchy_correlation(X, X_embedded, y)
    assert found == pytest.approx(np.corrcoef(before, after)[0, 1])
    found = hierarchy_correlation(X, X_embedded, y, correlation="spearman")
    assert found == pytest.approx(spearmanr(before, after).statistic)
    single = hierarchy_correlation(X, X_embedded, y, linkage="single")
    before, after = [1, 9, 9, 9, 9, 3], [8, 8, 8, 2, 4, 4]
    assert single == pytest.approx(np.corrcoef(before, after)[0, 1])


def test_hierarchy_without_a_tree():
    X, X_embedded, y = table()
    means = [np.array([Z[y == t].mean(axis=0) for t in TYPES]) for Z in (X, X_embedded)]
    before, after = map(pdist, means)
    found = hierarchy_correlation(X, X_embedded, y, linkage=None)
    assert found == pytest.approx(np.corrcoef(before, after)[0, 1])
    ranks = hierarchy_correlation(
        X, X_embedded, y, linkage=None, correlation="spearman"
    )
    assert ranks == pytest.approx(spearmanr(before, after).statistic)


def test_every_linkage_is_another_score():
    rng = np.random.default_rng(0)
    X, X_embedded = rng.normal(size=(12, 4)), rng.normal(size=(12, 2))
    scores = {
        hierarchy_correlation(X, X_embedded, np.arange(12), linkage=linkage)
        for linkage in ("average", "complete", "single", "ward", None)
    }
    assert len(scores) == 5


def test_hierarchy_ignores_samples_of_unknown_type():
    X, X_embedded, y = table()
    partly = y.astype(object)
    partly[::3] = "?"
    known = partly != "?"
    expected = hierarchy_correlation(X[known], X_embedded[known], y[known])
    assert hierarchy_correlation(X, X_embedded, partly) == pytest.approx(expected)
    renamed = np.where(known, partly, "unsure")
    found = hierarchy_correlation(X, X_embedded, renamed, unlabeled_marker="unsure")
    assert found == pytest.approx(expected)
    assert hierarchy_correlation(X, X_embedded, renamed) != pytest.approx(expected)


def test_sizes_names_and_order_of_types_do_not_matter():
    X, X_embedded, y = table()
    expected = hierarchy_correlation(X, X_embedded, y)
    often = np.concatenate([np.arange(60), np.repeat(np.flatnonzero(y == "KC"), 5)])
    found = hierarchy_correlation(X[often], X_embedded[often], y[often])
    assert found == pytest.approx(expected)
    numbers = np.array([7, 3, 0, 5])[np.arange(60) % 4]
    assert hierarchy_correlation(X, X_embedded, numbers) == pytest.approx(expected)


@given(SEEDS)
def test_spearman_is_invariant_to_monotone_heights(seed):
    # Gaps with the same ranks give trees with the same order of joins.
    gaps = np.random.default_rng(seed).permutation(2.0 ** np.arange(8))
    X = np.cumsum(gaps)[:, np.newaxis]
    X_embedded = np.cumsum(gaps**3)[:, np.newaxis]
    score = functools.partial(
        hierarchy_correlation, X, X_embedded, np.arange(8), linkage="single"
    )
    assert score(correlation="spearman") == pytest.approx(1)
    assert score() < 1


def test_hierarchy_of_random_embeddings_is_not_correlated():
    rng = np.random.default_rng(0)
    scores = [
        hierarchy_correlation(
            rng.normal(size=(30, 5)), rng.normal(size=(30, 2)), np.arange(30), **options
        )
        for options in ({}, {"linkage": None}) * 50
    ]
    assert abs(np.mean(scores[::2])) < 0.1
    assert abs(np.mean(scores[1::2])) < 0.1


def test_hierarchy_without_distances_is_not_defined():
    X, X_embedded, y = table()
    assert np.isnan(hierarchy_correlation(X, np.ones((60, 2)), y))
    corners = np.eye(3)  # all at the same distance
    assert np.isnan(hierarchy_correlation(X_embedded[:3], corners, y[:3]))


def test_hierarchy_refuses(subtests):
    X, X_embedded, y = table()
    for changed, message in (
        ({"y": ["KC", "PN"] * 30}, r"at least 3 types, .* but y has 2: \['KC', 'PN'\]"),
        ({"y": ["KC", "PN", "?"] * 20}, "at least 3 types"),
        ({"y": ["?"] * 60}, "hierarchy_correlation needs labelled samples"),
        ({"y": None}, "the target y is None"),
        ({"y": ["KC", "PN", "LHN"]}, "inconsistent numbers of samples"),
        ({"linkage": "median"}, "linkage must be one of .* or None, got 'median'"),
        ({"correlation": "kendall"}, "correlation must be one of .*, got 'kendall'"),
    ):
        with subtests.test(changed=changed), pytest.raises(ValueError, match=message):
            hierarchy_correlation(X, X_embedded, **({"y": y} | changed))


# -- make_neighborhood_scorer -----------------------------------------------------


def test_scorer_equals_the_score():
    X, _, y = table()
    model = PCA(n_components=2).fit(X)
    for options in ({}, {"n_neighbors": 4}, {"metric": "manhattan"}):
        scorer = make_neighborhood_scorer(**options)
        expected = neighborhood_overlap_score(X, model.transform(X), **options)
        assert scorer(model, X) == scorer(model, X, y) == expected
    assert make_neighborhood_scorer()(model, X) != expected


def test_scorer_in_a_grid_search():
    X, _, y = table(n_samples=120)
    scorer = make_neighborhood_scorer(n_neighbors=5)
    search = GridSearchCV(
        PCA(), {"n_components": [1, 2, 5]}, scoring=scorer, cv=3, error_score="raise"
    )
    search.fit(X)
    scores = search.cv_results_["mean_test_score"]
    assert search.best_params_ == {"n_components": 5}
    assert scores[0] < scores[1] < scores[2] == pytest.approx(1)
    assert search.score(X) == pytest.approx(1)
    found = cross_val_score(PCA(n_components=2), X, y, scoring=scorer, cv=3)
    assert found.shape == (3,)
    assert np.all((found > 0) & (found < 1))


def test_scorer_of_frames():
    X, _, _ = table()
    frame = pd.DataFrame(X, columns=list("abcde"))
    model = PCA(n_components=2).set_output(transform="pandas").fit(frame)
    expected = neighborhood_overlap_score(X, model.transform(frame).to_numpy())
    assert make_neighborhood_scorer()(model, frame) == expected


def test_scorer_pickles():
    X, _, _ = table()
    model = PCA(n_components=2).fit(X)
    scorer = make_neighborhood_scorer(n_neighbors=7, metric="cosine")
    again = pickle.loads(pickle.dumps(scorer))
    assert again(model, X) == scorer(model, X)
    assert repr(again) == "make_neighborhood_scorer(n_neighbors=7, metric='cosine')"


def test_scorer_checks_n_neighbors_when_made():
    for n_neighbors in (0, 1.5, None):
        message = f"n_neighbors must be an integer of at least 1, got {n_neighbors}"
        with pytest.raises(ValueError, match=message):
            make_neighborhood_scorer(n_neighbors=n_neighbors)


def test_scorer_refuses():
    X, _, y = table()
    with pytest.raises(ValueError, match="an integer from 1 to 9, one less than the"):
        make_neighborhood_scorer()(PCA().fit(X), X[:10])
    with pytest.raises(TypeError, match="an estimator with a method transform, got KN"):
        make_neighborhood_scorer()(KNeighborsClassifier().fit(X, y), X)
