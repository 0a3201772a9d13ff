"""NtacClusterer: views and new rows, parameters, and bad input."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from itertools import product

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score

from celltyping import Connectome, NtacClusterer
from celltyping.estimators import _ntac_clusterer
from tests._comparison import assert_same_answers
from tests._ntac import (
    CLUSTERER_SETTINGS,
    average,
    clusterer_answers,
    describe,
    jaccard,
    make_islands,
    make_untyped_brain,
    one_hot,
    same_partition,
)

SETTINGS = {
    name: {"random_state": 0, **options} for name, options in CLUSTERER_SETTINGS.items()
}


@pytest.fixture(scope="module")
def brain():
    return make_untyped_brain()


@pytest.fixture(scope="module")
def islands(brain):
    return make_islands(brain[0])


# ------------------------------------------------------------------ views and new rows


def test_any_view_has_the_joint_answer(subtests, brain):
    for name, settings in SETTINGS.items():
        with subtests.test(name=name):
            con, _ = brain
            everything = NtacClusterer(9, **settings).fit(con)
            order = np.random.default_rng(0).permutation(200)[:70]
            ntac = NtacClusterer(9, **settings).fit(con[order])
            assert ntac.labels_.shape == (70,)
            assert (ntac.labels_ == everything.labels_[order]).all()
            assert ntac.n_features_in_ == 200
            assert ntac.cost_ == everything.cost_
            assert (ntac.predict(con) == everything.labels_).all()
            assert (ntac.labels_at(4) == everything.labels_at(4)[order]).all()
            other = np.random.default_rng(1).permutation(200)[:70]
            assert (ntac.predict(con[other]) == everything.labels_[other]).all()
            np.testing.assert_array_equal(
                ntac.transform(con[other]), everything.transform(con)[other]
            )
            same_graph = Connectome(con.adjacency.toarray(), con.node_ids)
            assert (ntac.predict(same_graph) == everything.labels_).all()
            assert (ntac.predict(con[7]) == everything.labels_[7]).all()


def test_representatives_are_positions_in_the_view(brain):
    con, _ = brain
    view = con[np.r_[150:200, 0:40]]
    ntac = NtacClusterer(9, random_state=0).fit(view)
    similarities = ntac.transform(view)
    assert len(ntac.representatives_) == 9
    for c, representatives in enumerate(ntac.representatives_):
        members = np.flatnonzero(ntac.labels_ == c)
        assert len(representatives) == min(5, (len(members) + 1) // 2)
        assert set(representatives) <= set(members)
        nearest = np.sort(similarities[members, c])[::-1][: len(representatives)]
        np.testing.assert_allclose(similarities[representatives, c], nearest)
    single = NtacClusterer(9, random_state=0).fit(con[[3]])
    assert sorted(map(len, single.representatives_)) == [0] * 8 + [1]


def test_a_view_may_repeat_nodes(brain):
    con, _ = brain
    rows = [5, 5, 9, 5]
    ntac = NtacClusterer(4, random_state=0).fit(con[rows])
    assert (ntac.labels_ == ntac.predict(con)[rows]).all()


def test_an_empty_view_has_empty_answers(brain):
    con, _ = brain
    ntac = NtacClusterer(4, n_init=1).fit(con)
    assert ntac.predict(con[[]]).shape == (0,)
    assert ntac.transform(con[[]]).shape == (0, 4)


def test_a_table_of_new_rows_has_at_least_one(brain):
    ntac = NtacClusterer(4, n_init=1).fit(brain[0])
    for ask in (ntac.predict, ntac.transform):
        with pytest.raises(ValueError, match=r"Found array with 0 sample\(s\)"):
            ask(np.empty((0, 200)))


def test_new_rows_go_by_their_edges_out(subtests, brain):
    for fitted_on, correction in product(["connectome", "matrix"], [0.0, 0.5, 1.0]):
        with subtests.test(fitted_on=fitted_on, correction=correction):
            con, _ = brain
            adjacency = con.adjacency.toarray()
            ntac = NtacClusterer(5, degree_correction=correction, random_state=0)
            if fitted_on == "connectome":
                ntac.fit(con)
            else:
                ntac.set_params(affinity="precomputed").fit(adjacency)
            rows = np.vstack([adjacency[:80], adjacency[:5] * 0.5, adjacency[:1] + 1])
            weights, edges = np.sqrt(adjacency), np.sqrt(rows)
            described = describe(weights, ntac.labels_, 5, correction)
            means = average(described, ntac.labels_, 5)[:, 5:]
            # Equal in- and out-strength are assumed.
            strength = 2 * edges.sum(axis=1) / (2 * weights.sum() / 200)
            new = (
                edges
                @ one_hot(ntac.labels_, 5)
                * strength[:, np.newaxis] ** -correction
            )
            expected = jaccard(new, means)
            np.testing.assert_allclose(ntac.transform(rows), expected, atol=1e-5)
            assert (ntac.predict(rows) == expected.argmax(axis=1)).all()
            assert (ntac.predict(rows)[:80] == ntac.labels_[:80]).mean() > 0.6
            for form in (sparse.csr_array, sparse.coo_matrix):
                np.testing.assert_array_equal(
                    ntac.transform(form(rows)), ntac.transform(rows)
                )


def test_predictions_are_the_largest_similarities(subtests, brain):
    for affinity in ["precomputed", "rbf", "nearest_neighbors"]:
        with subtests.test(affinity=affinity):
            X = brain[0].adjacency.toarray()
            if affinity != "precomputed":
                X = make_blobs(200, centers=4, random_state=0)[0]
            ntac = NtacClusterer(4, affinity=affinity, random_state=0).fit(X)
            similarities = ntac.transform(X)
            assert similarities.dtype == np.float64
            assert similarities.shape == (200, 4)
            assert (ntac.predict(X) == similarities.argmax(axis=1)).all()
            assert ntac.predict(X).dtype == np.int64
            one_by_one = np.vstack([ntac.transform(X[i : i + 1]) for i in range(20)])
            np.testing.assert_array_equal(one_by_one, similarities[:20])


def test_new_rows_without_an_edge(brain, islands):
    ntac = NtacClusterer(4, random_state=0).fit(brain[0])
    nothing = np.zeros((2, 200))
    assert ntac.predict(nothing).tolist() == [0, 0]
    assert not ntac.transform(nothing).any()
    con, isolated = islands
    for settings in ({}, {"affinity": "precomputed"}):
        X = con.adjacency if settings else con
        ntac = NtacClusterer(4, random_state=0, **settings).fit(X)
        (own,) = set(ntac.labels_[isolated])
        rows = np.zeros((3, 60))
        rows[1, 5] = 2
        found = ntac.predict(rows)
        assert found[[0, 2]].tolist() == [own, own]
        assert found[1] != own
        assert ntac.transform(rows)[0].tolist() == [float(c == own) for c in range(4)]


def test_a_table_of_features(subtests):
    cases = [
        ("auto", "greedy"),
        ("auto", "spectral"),
        ("rbf", "greedy"),
        # Every row has as many neighbours, so that one cluster shows no difference.
        ("nearest_neighbors", "spectral"),
    ]
    for affinity, init in cases:
        with subtests.test(affinity=affinity, init=init):
            X, target = make_blobs([100, 50, 30], cluster_std=0.5, random_state=1)
            ntac = NtacClusterer(3, affinity=affinity, init=init, random_state=0).fit(
                X[:150]
            )
            assert adjusted_rand_score(target[:150], ntac.labels_) > 0.9
            assert adjusted_rand_score(target[150:], ntac.predict(X[150:])) > 0.9
            assert ntac.n_features_in_ == 2
            frame = pd.DataFrame(X, columns=["x", "y"])
            named = clone(ntac).fit(frame[:150])
            assert named.feature_names_in_.tolist() == ["x", "y"]
            assert (named.predict(frame[150:]) == ntac.predict(X[150:])).all()


# -------------------------------------------------------------------------- parameters


# What must differ, as two settings of one parameter and what both share.
EFFECTS = {
    "n_clusters": (5, 6, {}),
    "init": ("greedy", "spectral", {}),
    "n_init": (1, 4, {}),
    "growth": (1.0, 3.0, {}),
    "n_representatives": (1, 20, {}),
    "candidate_fraction": (0.01, 1.0, {}),
    "degree_correction": (0.0, 0.5, {}),
    "max_iter": (1, 4, {}),
    "max_clusters": (10, 40, {"n_clusters": "auto"}),
    "feature_weight": (0, 2.0, {}),
    "edge_weighting": ("sqrt", "log1p", {}),
    "affinity": ("rbf", "nearest_neighbors", {}),
    "gamma": (None, 2.0, {"affinity": "rbf"}),
    "n_graph_neighbors": (3, 15, {"affinity": "nearest_neighbors"}),
    "random_state": (0, 1, {"n_init": 2}),
}
# Those that change no answer have tests of their own.
TESTED_APART = {"warm_start", "n_jobs", "verbose"}


def test_every_parameter_is_tested():
    assert EFFECTS.keys() | TESTED_APART == NtacClusterer().get_params().keys()


def test_every_parameter_does_something(subtests, brain):
    for name in EFFECTS:
        with subtests.test(name=name):
            con, _ = brain
            one, other, shared = EFFECTS[name]
            features = np.abs(np.random.default_rng(0).normal(10, 5, (200, 2)))
            X = Connectome(con.adjacency, node_features=features)
            if name in ("affinity", "gamma", "n_graph_neighbors"):
                X = features
            shared = {"n_clusters": 18, "random_state": 0, "n_init": 2, **shared}
            fits = [
                NtacClusterer(**{**shared, name: value}).fit(X)
                for value in (one, other)
            ]
            assert any(
                len(a) != len(b) or (a != b).any()
                for a, b in zip(
                    *([fit.labels_, fit.cost_path_.cost] for fit in fits), strict=True
                )
            )


@pytest.mark.parametrize(("init", "n_init"), [("greedy", 5), ("spectral", 4)])
def test_auto_means(brain, init, n_init):
    con, _ = brain
    ntac = NtacClusterer(5, init=init, random_state=0).fit(con)
    assert len(ntac._runs) == n_init
    explicit = NtacClusterer(
        5,
        init=init,
        n_init=n_init,
        growth={"greedy": 1.1, "spectral": 1.7}[init],
        degree_correction=ntac.degree_correction_,
        random_state=0,
    )
    assert_same_answers(
        clusterer_answers(ntac, con), clusterer_answers(explicit.fit(con), con)
    )


def test_one_greedy_run_has_nothing_random(brain):
    con, _ = brain
    expected = clusterer_answers(
        NtacClusterer(9, n_init=1, random_state=0).fit(con), con
    )
    ntac = NtacClusterer(9, n_init=1, random_state=1).fit(con)
    assert_same_answers(clusterer_answers(ntac, con), expected)


def test_node_features_tell_clusters_apart(subtests):
    for settings in [{}, {"n_init": 1}, {"degree_correction": 1.0}]:
        with subtests.test(settings=settings):
            # No node has a partner, so that the features decide alone.
            features = np.array([[9, 1], [1, 9], [8, 1], [2, 9], [0, 0], [9, 2]])
            con = Connectome(np.zeros((6, 6)), node_features=features)
            ntac = NtacClusterer(3, random_state=0, **settings).fit(con)
            assert ntac.labels_.tolist() == [0, 1, 0, 1, 2, 0]
            assert ntac.cluster_means_.shape == (3, 8)
            np.testing.assert_allclose(
                ntac.cluster_means_[:, 6:],
                [[26 / 3, 4 / 3], [1.5, 9], [0, 0]],
                rtol=1e-6,
            )
            assert not ntac.cluster_means_[:, :6].any()
            heavier = clone(ntac).set_params(feature_weight=2.5).fit(con)
            np.testing.assert_allclose(
                heavier.cluster_means_, 2.5 * ntac.cluster_means_, rtol=1e-6
            )
            assert ntac.predict(np.zeros((1, 6))).tolist() == [2]
            with pytest.raises(ValueError, match="X has no edge and no node features"):
                clone(ntac).set_params(feature_weight=0).fit(con)


def test_a_spectral_start_without_edges():
    # The start uses edges alone; the rounds have to find what the features distinguish.
    features = np.random.default_rng(0).permutation(np.repeat(np.eye(20), 3, axis=0))
    con = Connectome(np.zeros((60, 60)), node_features=features)
    labels = NtacClusterer(20, init="spectral", random_state=0).fit_predict(con)
    assert same_partition(labels, features.argmax(axis=1))


def test_features_count_along_with_edges(brain):
    con, _ = brain
    parity = np.arange(200) % 2
    features = 1000 * one_hot(parity, 2)
    with_features = Connectome(con.adjacency, node_features=features)
    ntac = NtacClusterer(2, random_state=0).fit(with_features)
    assert same_partition(ntac.labels_, parity)
    ignored = NtacClusterer(2, feature_weight=0, random_state=0).fit(with_features)
    assert (ignored.labels_ == NtacClusterer(2, random_state=0).fit(con).labels_).all()


def test_edge_weighting(subtests, brain):
    cases = [("linear", np.abs), ("sqrt", np.sqrt), ("log1p", np.log1p)]
    for edge_weighting, transform in cases:
        with subtests.test(edge_weighting=edge_weighting):
            con, _ = brain
            ntac = NtacClusterer(
                4, edge_weighting=edge_weighting, n_init=1, degree_correction=0
            ).fit(con)
            weights = transform(con.adjacency.toarray().astype(float))
            rows = describe(weights, ntac.labels_, 4)
            np.testing.assert_allclose(
                ntac.cluster_means_,
                average(rows, ntac.labels_, 4),
                rtol=1e-5,
                atol=1e-9,
            )


def test_n_representatives_stay_with_their_cluster(brain):
    con, _ = brain
    for n_representatives in (1, 4, 1000):
        ntac = NtacClusterer(5, n_representatives=n_representatives, n_init=1).fit(con)
        sizes = np.bincount(ntac.labels_)
        expected = np.minimum(n_representatives, (sizes + 1) // 2)
        assert [len(r) for r in ntac.representatives_] == expected.tolist()


def test_max_iter_bounds_the_passes(brain):
    con, _ = brain
    n_iter = [
        NtacClusterer(20, n_init=1, max_iter=m, growth=2.0).fit(con).n_iter_
        for m in (1, 2, 100)
    ]
    assert n_iter[:2] == [1, 2]
    assert 2 < n_iter[2] < 100


def test_n_jobs_is_the_number_of_threads(brain, monkeypatch):
    con, _ = brain
    asked = []

    def parallel(n_jobs, **options):
        asked.append((n_jobs, options))
        return joblib.Parallel(n_jobs=n_jobs, **options)

    monkeypatch.setattr(_ntac_clusterer, "Parallel", parallel)
    NtacClusterer(4, n_jobs=2).fit(con).transform(con)
    assert asked == [(2, {"prefer": "threads"})] * 2


def test_a_progress_bar_is_shown_if_asked_for(brain, capsys):
    con, _ = brain
    ntac = NtacClusterer(4, random_state=0).fit(con)
    ntac.transform(con)
    assert capsys.readouterr() == ("", "")
    NtacClusterer(4, random_state=0, verbose=True).fit(con)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "NTAC clusters of all runs" in shown.err


# --------------------------------------------------------------------------- bad input


def test_bad_X(subtests):
    cases = [
        ("precomputed", -np.eye(4), ValueError, "Negative values in data"),
        ("precomputed", np.full((4, 4), np.nan), ValueError, "Input X contains NaN"),
        ("precomputed", np.full((4, 4), np.inf), ValueError, "contains infinity"),
        ("precomputed", np.ones((4, 3)), ValueError, "takes a square matrix"),
        ("auto", sparse.eye_array(4), TypeError, r"pass Connectome\(X\) or affinity="),
        ("auto", np.full((4, 2), np.nan), ValueError, "Input X contains NaN"),
        ("auto", [["a", "b"]] * 4, ValueError, "could not convert string"),
        ("rbf", Connectome(np.eye(4)), TypeError, "use affinity='auto'"),
        ("auto", Connectome(np.eye(4))[[]], ValueError, "X has none in view"),
        ("auto", Connectome(np.eye(4) * 1e38), ValueError, "weights of X add up to"),
        ("precomputed", np.zeros((4, 4)), ValueError, r"X has no edge.*samples = 4"),
        (
            "auto",
            Connectome(np.zeros((4, 4))),
            ValueError,
            r"X has no edge and no node features \(n_samples = 4\): there is nothing",
        ),
        (
            "auto",
            Connectome(np.ones((4, 4))),
            ValueError,
            r"n_clusters \(2\) must be at most .* features \(1 of n_samples = 4\)",
        ),
    ]
    for affinity, X, error, message in cases:
        with subtests.test(affinity=affinity, X=X), pytest.raises(error, match=message):
            NtacClusterer(2, affinity=affinity, edge_weighting="linear").fit(X)


def test_node_features_that_float32_cannot_add_up_are_refused():
    con = Connectome(np.eye(4), node_features=np.full((4, 1), 1e30))
    with pytest.raises(
        ValueError, match=r"node features times feature_weight=1 add up to 4e\+30"
    ):
        NtacClusterer(2).fit(con)


def test_a_square_table_warns_where_it_was_passed():
    with pytest.warns(UserWarning, match="if it is an adjacency matrix") as record:
        NtacClusterer(2).fit(np.eye(4))
    assert record[0].filename == __file__


@pytest.mark.parametrize("max_clusters", [2, 15])
def test_auto_with_a_spectral_start_needs_more_clusters(brain, max_clusters):
    ntac = NtacClusterer("auto", init="spectral", max_clusters=max_clusters)
    with pytest.raises(
        ValueError,
        match="n_clusters='auto' with init='spectral' chooses among 16 clusters and "
        f"more, but max_clusters is {max_clusters}: raise it, or use init='greedy'",
    ):
        ntac.fit(brain[0])


def test_bad_X_of_a_fitted_model(brain):
    con, _ = brain
    ntac = NtacClusterer(4, n_init=1).fit(con)
    table = NtacClusterer(4, n_init=1, affinity="precomputed").fit(con.adjacency)
    other = Connectome(np.eye(3))
    for ask in ("predict", "transform"):
        with pytest.raises(ValueError, match="X is a view of another graph"):
            getattr(ntac, ask)(other)
        with pytest.raises(ValueError, match="fitted on a matrix with 200 columns"):
            getattr(table, ask)(con)
        for model in (ntac, table):
            with pytest.raises(ValueError, match="X has 3 features, but Ntac"):
                getattr(model, ask)(np.ones((2, 3)))
            with pytest.raises(ValueError, match="Negative values in data"):
                getattr(model, ask)(-np.ones((2, 200)))
            with pytest.raises(ValueError, match="contains NaN"):
                getattr(model, ask)(np.full((2, 200), np.nan))


def test_weights_of_any_size(brain):
    con, _ = brain
    expected = NtacClusterer(6, n_init=2, random_state=0).fit(con)
    for factor in (1e-30, 1e-3, 1e25):
        ntac = NtacClusterer(6, n_init=2, random_state=0)
        ntac.fit(Connectome(con.adjacency.astype(float) * factor))
        assert (ntac.labels_ == expected.labels_).all()
        np.testing.assert_allclose(ntac.cost_, expected.cost_, rtol=1e-4)
