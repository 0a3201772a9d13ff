"""NtacClusterer: against a plain version, the graph contract, scikit-learn."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import pickle
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.metrics import adjusted_rand_score, make_scorer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from celltyping import Connectome, NtacClusterer
from celltyping._utils._elbow import find_elbow
from celltyping.datasets import make_connectome
from celltyping.estimators import _ntac_clusterer
from celltyping.estimators._ntac import restarts
from celltyping.estimators._ntac.growth import TOL, schedule
from celltyping.metrics import matched_accuracy_score
from tests._comparison import assert_same_answers

# Settings under which everything that holds of the clusterer has to hold.
SETTINGS = {
    "default": {},
    "one run": {"n_init": 1},
    "spectral": {"init": "spectral"},
    "shares": {"degree_correction": 1.0, "n_init": 2},
    "one at a time": {"growth": 1.0, "n_init": 2, "degree_correction": 0.5},
    "large steps": {"growth": 3.0, "n_init": 3, "candidate_fraction": 0.5},
}


@pytest.fixture(params=SETTINGS.values(), ids=SETTINGS.keys())
def settings(request):
    return {"random_state": 0, **request.param}


@pytest.fixture(scope="module")
def brain():
    """Give a connectome without two equal weights, and its types."""
    sample = make_connectome(
        200, n_types=5, n_edges=7000, n_partner_types=2, random_state=0
    )
    rng = np.random.default_rng(0)
    adjacency = sample.data.adjacency.copy()
    adjacency.data *= rng.uniform(0.8, 1.2, adjacency.nnz).astype(np.float32)
    return Connectome(adjacency, node_ids=np.arange(200) + 10**17), sample.target


@pytest.fixture(scope="module")
def islands(brain):
    """Give a part of it with isolated nodes: every tenth, and two of them in front."""
    adjacency = brain[0].adjacency.toarray()[:60, :60]
    isolated = np.arange(60) % 10 == 0
    isolated[1] = True
    adjacency[isolated] = adjacency[:, isolated] = 0
    assert (adjacency.any(axis=0) | adjacency.any(axis=1)).sum() == 60 - 7
    return Connectome(adjacency), isolated


def answers(ntac, X):
    """Return all that a fitted model says about X."""
    return [
        ntac.labels_,
        ntac.predict(X),
        ntac.transform(X),
        ntac.cluster_means_,
        ntac.cost_,
        ntac.cost_path_.n_clusters,
        ntac.cost_path_.cost,
        ntac.degree_correction_,
        ntac.agreement_,
        ntac.n_iter_,
        *ntac.representatives_,
    ]


def same_partition(one, other):
    """Tell whether two partitions are the same but for the clusters' numbers."""
    pairs = set(zip(one, other, strict=True))
    return len(pairs) == len(set(one)) == len(set(other))


# -------------------------------------------------------------- against a plain version


def jaccard(rows, references):
    """Compute sum of minima / sum of maxima; data may not hold two empty rows."""
    shared = np.minimum(rows[:, np.newaxis], references).sum(axis=2)
    return shared / np.maximum(rows[:, np.newaxis], references).sum(axis=2)


def one_hot(labels, n_clusters):
    return (labels[:, np.newaxis] == np.arange(n_clusters)).astype(float)


def describe(adjacency, labels, n_clusters, correction=0.0):
    """Describe nodes by what they get from and give to each cluster."""
    members = one_hot(labels, n_clusters)
    strengths = adjacency.sum(axis=0) + adjacency.sum(axis=1)
    mean = strengths[strengths > 0].mean()
    scale = (np.where(strengths > 0, strengths, mean) / mean) ** -correction
    counts = np.hstack([adjacency.T @ members, adjacency @ members])
    return scale[:, np.newaxis] * counts


def average(rows, labels, n_clusters):
    return np.array([rows[labels == c].mean(axis=0) for c in range(n_clusters)])


def dense_settle(adjacency, labels, stays, max_iter, correction):
    """Let nodes move to the nearest mean, and return their similarity to it."""
    n_clusters = labels.max() + 1
    for _ in range(max_iter):
        rows = describe(adjacency, labels, n_clusters, correction)
        similarities = jaccard(rows, average(rows, labels, n_clusters))
        moved = np.where(stays, labels, similarities.argmax(axis=1))
        n_moved = np.count_nonzero(moved != labels)
        labels = moved
        if n_moved <= TOL * len(labels):
            break
    return labels, similarities[np.arange(len(labels)), labels]


def dense_run(adjacency, n_clusters, growth, n_representatives, fraction, correction):
    """Do one greedy run the plain way: dense, on float64; no node may have a twin."""
    n_nodes = len(adjacency)
    labels = np.zeros(n_nodes, dtype=int)
    labels, similarities = dense_settle(adjacency, labels, False, 1, correction)
    partitions = {1: labels}
    for size in schedule(1, growth, 2 * n_clusters, n_nodes)[1:]:
        while (n_old := labels.max() + 1) < size:
            stays = np.zeros(n_nodes, dtype=bool)
            place = np.empty(n_nodes)
            for c in range(n_old):
                own = np.flatnonzero(labels == c)
                own = own[np.argsort(similarities[own])]
                place[own] = np.arange(len(own))
                stays[own[-min(n_representatives, (len(own) + 1) // 2) :]] = True
            lonely = np.bincount(labels)[labels] == 1
            allowed = ~lonely & ~(stays & (np.bincount(labels[stays])[labels] == 1))
            order = np.lexsort((similarities, place))
            order = order[allowed[order]]
            n_candidates = max(int(np.ceil(fraction * n_nodes)), size - n_old)
            candidates = order[:n_candidates]
            rows = describe(adjacency, labels, n_old, correction)
            gained = jaccard(rows, rows[candidates]) - similarities[:, np.newaxis]
            gained[labels[:, np.newaxis] != labels[candidates]] = 0
            gains = np.maximum(gained, 0).sum(axis=0)
            best = {}
            for centre, gain in zip(candidates, gains, strict=True):
                if gain > best.get(labels[centre], (-1,))[0]:
                    best[labels[centre]] = gain, centre
            chosen = sorted(best.values(), reverse=True)[: size - n_old]
            for new, (_, centre) in enumerate(chosen):
                labels = np.where(np.arange(n_nodes) == centre, n_old + new, labels)
                stays[centre] = True
            labels, similarities = dense_settle(adjacency, labels, stays, 4, correction)
        partitions[size] = labels
    return partitions


@pytest.mark.parametrize("correction", [0.0, 0.7, 1.0])
@pytest.mark.parametrize(
    ("growth", "n_representatives", "fraction"),
    [(1.0, 5, 0.1), (1.3, 2, 0.05), (3.0, 5, 1.0)],
)
def test_a_run_is_as_the_plain_one(
    brain, growth, n_representatives, fraction, correction
):
    con, _ = brain
    ntac = NtacClusterer(
        4,  # with many more, there are clusters of two nodes, which tie
        n_init=1,
        growth=growth,
        n_representatives=n_representatives,
        candidate_fraction=fraction,
        degree_correction=correction,
    ).fit(con)
    expected = dense_run(
        np.sqrt(con.adjacency.toarray().astype(float)),
        4,
        growth,
        n_representatives,
        fraction,
        correction,
    )
    (run,) = ntac._runs
    assert run.sizes == tuple(expected)
    for size in run.sizes:
        assert run.at(size).tolist() == expected[size].tolist()


@pytest.mark.parametrize("correction", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("init", ["greedy", "spectral"])
def test_what_is_said_about_clusters(brain, init, correction):
    con, _ = brain
    ntac = NtacClusterer(
        12,
        init=init,
        n_init=2,
        degree_correction=correction,
        n_representatives=3,
        random_state=0,
    ).fit(con)
    labels = ntac.labels_
    rows = describe(np.sqrt(con.adjacency.toarray()), labels, 12, correction)
    means = average(rows, labels, 12)
    np.testing.assert_allclose(ntac.cluster_means_, means, rtol=1e-5, atol=1e-9)
    similarities = jaccard(rows, means)
    np.testing.assert_allclose(ntac.transform(con), similarities, atol=1e-5)
    own = similarities[np.arange(200), labels]
    np.testing.assert_allclose(ntac.cost_, 1 - own.mean(), atol=1e-5)
    assert len(ntac.representatives_) == 12
    for c, representatives in enumerate(ntac.representatives_):
        members = np.flatnonzero(labels == c)
        nearest = -np.sort(-own[members])[: min(3, (len(members) + 1) // 2)]
        assert set(representatives) <= set(members)
        # Not by position: two nodes of equal strength are as near to their mean.
        np.testing.assert_allclose(own[representatives], nearest, atol=1e-5)
    # All runs have their say, at the first size that reaches 12.
    size = next(size for size in ntac._runs[0].sizes if size >= 12)
    one, other = (run.at(size) for run in ntac._runs)
    assert ntac.agreement_ == adjusted_rand_score(one, other)


@pytest.mark.parametrize("correction", [0.0, 1.0])
@pytest.mark.parametrize(
    ("init", "growth", "n_clusters", "path"),
    [
        ("greedy", 1.0, 7, [1, 2, 3, 4, 5, 6, 7]),
        ("greedy", 2.0, 7, [1, 2, 4, 8]),
        ("greedy", 2.0, 8, [1, 2, 4, 8]),
        ("greedy", 1.1, 1, [1]),
        ("spectral", 1.7, 30, [16, 27, 46]),
        ("spectral", 1.7, 5, [16]),
    ],
)
def test_the_cost_path(brain, init, growth, n_clusters, path, correction):
    con, _ = brain
    ntac = NtacClusterer(
        n_clusters,
        init=init,
        growth=growth,
        n_init=2,
        degree_correction=correction,
        random_state=0,
    ).fit(con)
    assert ntac.cost_path_.n_clusters.tolist() == path
    run = ntac._runs[0]
    finest = next(size for size in run.sizes if size >= 2 * n_clusters)
    rows = describe(
        np.sqrt(con.adjacency.toarray()), run.at(finest), finest, correction
    )
    costs = []
    for size in path:
        labels = run.at(size)
        similarities = jaccard(rows, average(rows, labels, size))
        costs.append(1 - similarities[np.arange(200), labels].mean())
    np.testing.assert_allclose(ntac.cost_path_.cost, costs, atol=1e-5)
    assert (np.diff(ntac.cost_path_.cost) < 0).all()


def test_types_are_found(brain, settings):
    con, target = brain
    ntac = NtacClusterer(5, **settings).fit(con)
    assert matched_accuracy_score(target, ntac.labels_) > 0.9


def test_shares_are_compared_where_runs_then_agree():
    # Two types of senders; within each, weights differ by a factor of up to a hundred.
    rng = np.random.default_rng(0)
    strength = np.exp(rng.uniform(0, np.log(1e4), (80, 1)))
    rates = np.repeat([[3.0, 1.0], [1.0, 3.0]], 40, axis=0).repeat(10, axis=1)
    adjacency = np.zeros((100, 100))
    adjacency[:80, 80:] = strength * rates * rng.uniform(0.9, 1.1, (80, 20))
    con, truth = Connectome(adjacency), np.repeat([0, 1], 40)
    ntac = NtacClusterer(6, degree_correction=1.0, random_state=0).fit(con)
    assert len(set(zip(ntac.labels_[:80], truth, strict=True))) == len(
        set(ntac.labels_[:80])
    )
    amounts = NtacClusterer(6, degree_correction=0.0, random_state=0).fit(con)
    assert len(set(zip(amounts.labels_[:80], truth, strict=True))) > len(
        set(amounts.labels_[:80])
    )


def test_auto_takes_the_correction_with_which_the_runs_agree(brain, monkeypatch):
    con, _ = brain
    asked = []

    def agreement(runs, n_clusters):
        asked.append((len(runs), n_clusters))
        return {1: 0.5, 2: shares}.get(len(asked), 0.0)

    monkeypatch.setattr(restarts, "agreement", agreement)
    for agreement_of_shares, correction in [(0.59, 0.0), (0.61, 1.0)]:
        asked.clear()
        shares = agreement_of_shares
        ntac = NtacClusterer(6, n_init=5, random_state=0).fit(con)
        assert ntac.degree_correction_ == correction
        assert asked == [(3, 6), (3, 6), (5, 6)]
        expected = NtacClusterer(
            6, n_init=5, random_state=0, degree_correction=correction
        ).fit(con)
        assert (ntac.labels_ == expected.labels_).all()
    one = NtacClusterer(6, n_init=1).fit(con)
    assert one.degree_correction_ == 0


# ------------------------------------------------------------------ what has to hold


def test_fitted_attributes(brain, settings):
    con, _ = brain
    ntac = NtacClusterer(6, **settings).fit(con)
    assert ntac.labels_.shape == (200,)
    assert ntac.labels_.dtype == np.int64
    sizes = np.bincount(ntac.labels_)
    assert ntac.n_clusters_ == len(sizes) == 6
    assert sizes.min() > 0
    assert (np.diff(sizes) <= 0).all()
    assert ntac.cluster_means_.shape == (6, 12)
    assert type(ntac.cost_) is float
    assert 0 < ntac.cost_ < 1
    assert 1 <= ntac.n_iter_ <= ntac.max_iter
    assert ntac.n_features_in_ == 200
    assert (ntac.labels_ == ntac.predict(con)).all()
    assert (ntac.labels_ == clone(ntac).fit_predict(con)).all()
    assert np.isnan(ntac.agreement_) == (settings.get("n_init") == 1)


def test_clusters_of_one_size_are_numbered_by_their_first_members():
    labels = _ntac_clusterer._by_size(np.array([5, 7, 7, 2, 5, 9, 9, 9]))
    assert labels.tolist() == [1, 2, 2, 3, 1, 0, 0, 0]


def test_isolated_nodes_share_a_cluster(islands, settings):
    con, isolated = islands
    for n_clusters in (2, 3, 7):
        ntac = NtacClusterer(n_clusters, **settings).fit(con)
        (own,) = set(ntac.labels_[isolated])
        assert (ntac.labels_ == own).sum() == 7
        assert not ntac.cluster_means_[own].any()
        assert (ntac.predict(con) == ntac.labels_).all()
        similarities = ntac.transform(con)
        assert (similarities[isolated, own] == 1).all()
        assert similarities[isolated].sum() == 7
        assert (similarities[~isolated, own] == 0).all()
        # They are as alike as can be, which says nothing about the others.
        others = similarities[np.arange(60), ntac.labels_][~isolated]
        np.testing.assert_allclose(ntac.cost_, 1 - others.mean(), rtol=1e-5)
    alone = con[~isolated]
    rest = Connectome(alone.adjacency)
    expected = NtacClusterer(6, **settings).fit(rest)
    assert same_partition(expected.labels_, ntac.labels_[~isolated])
    np.testing.assert_allclose(expected.cost_, ntac.cost_, rtol=1e-5)
    assert expected.cost_path_.cost.tolist() == ntac.cost_path_.cost.tolist()
    added = ntac.cost_path_.n_clusters - expected.cost_path_.n_clusters
    assert (added == 1).all()


def test_one_cluster_holds_isolated_nodes_too(islands, settings):
    con, _ = islands
    ntac = NtacClusterer(1, **settings).fit(con)
    assert not ntac.labels_.any()
    assert ntac.n_clusters_ == 1
    assert ntac.transform(con).shape == (60, 1)
    nothing = np.zeros((1, 60))
    assert ntac.predict(nothing).tolist() == [0]
    assert ntac.transform(nothing).tolist() == [[0]]


def test_permuting_the_nodes_permutes_the_answers(brain):
    con, _ = brain
    order = np.random.default_rng(1).permutation(200)
    permuted = Connectome(con.adjacency[order][:, order])
    for settings in ({}, {"growth": 1.0}, {"degree_correction": 1.0}):
        one = NtacClusterer(9, n_init=1, **settings).fit(con)
        other = NtacClusterer(9, n_init=1, **settings).fit(permuted)
        assert same_partition(other.labels_, one.labels_[order])
        assert other.n_iter_ == one.n_iter_
        np.testing.assert_allclose(other.cost_, one.cost_, rtol=1e-5)
        np.testing.assert_allclose(
            other.cost_path_.cost, one.cost_path_.cost, rtol=1e-5
        )
        renamed = dict(zip(other.labels_, one.labels_[order], strict=True))
        columns = [renamed[c] for c in range(9)]
        np.testing.assert_allclose(
            other.transform(permuted), one.transform(con)[order][:, columns], atol=1e-5
        )


def test_threads_batches_and_repetitions_change_no_bit(brain, settings, monkeypatch):
    con, _ = brain
    expected = answers(NtacClusterer(9, **settings).fit(con), con)
    rows = con.adjacency.toarray()[:50]
    for n_jobs in (None, 1, 2):
        ntac = NtacClusterer(9, n_jobs=n_jobs, **settings).fit(con)
        assert_same_answers(answers(ntac, con), expected)
        of_rows = ntac.transform(rows)
        with monkeypatch.context() as patch:
            patch.setattr(_ntac_clusterer, "BATCH", 11)
            assert_same_answers(answers(ntac, con), expected)
            np.testing.assert_array_equal(ntac.transform(rows), of_rows)
            np.testing.assert_array_equal(
                ntac.predict(rows), np.argmax(of_rows, axis=1)
            )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("index_dtype", [np.int32, np.int64])
@pytest.mark.parametrize(
    "form", [sparse.csr_array, sparse.csc_array, sparse.coo_array, np.asarray]
)
def test_adjacencies_of_any_form_give_the_same(brain, form, index_dtype, dtype):
    con, _ = brain
    ntac = NtacClusterer(6, n_init=2, random_state=0)
    expected = answers(ntac.fit(Connectome(con.adjacency)), con.adjacency)
    matrix = form(con.adjacency.toarray().astype(dtype))
    for name in {"indices", "indptr", "row", "col"} & set(dir(matrix)):
        setattr(matrix, name, getattr(matrix, name).astype(index_dtype))
    assert_same_answers(answers(ntac.fit(Connectome(matrix)), matrix), expected)
    ntac.set_params(affinity="precomputed").fit(matrix)
    assert_same_answers(answers(ntac, matrix), expected)


def test_a_fit_changes_nothing_it_is_given(brain, settings):
    con, _ = brain
    features = np.random.default_rng(0).random((200, 2))
    with_features = Connectome(con.adjacency, node_features=features)
    before = features.copy(), con.adjacency.copy()
    answers(NtacClusterer(6, **settings).fit(with_features), with_features)
    matrix = con.adjacency.toarray()
    frozen = matrix.copy()
    frozen.flags.writeable = False
    table = NtacClusterer(6, affinity="precomputed", **settings).fit(frozen)
    table.transform(frozen)
    assert (features == before[0]).all()
    assert (con.adjacency != before[1]).nnz == 0
    assert (frozen == matrix).all()


@st.composite
def small_graphs(draw):
    """Draw a graph that may have twins, isolated nodes, self loops and components.

    Returns a connectome and how many nodes a description can tell apart.
    """
    n_nodes = draw(st.integers(1, 16))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    chance = draw(st.sampled_from([0.05, 0.2, 0.7]))
    adjacency = rng.integers(1, 4, (n_nodes, n_nodes)).astype(float)
    adjacency *= rng.random(adjacency.shape) < chance
    if draw(st.booleans()):
        adjacency *= rng.uniform(0.5, 1.5, adjacency.shape)
    if draw(st.booleans()):  # components
        half = np.arange(n_nodes) < n_nodes // 2
        adjacency[half[:, np.newaxis] != half] = 0
    if draw(st.booleans()):  # isolated nodes
        isolated = rng.random(n_nodes) < 0.3
        adjacency[isolated] = adjacency[:, isolated] = 0
    if draw(st.booleans()):  # twins
        copies = rng.integers(0, n_nodes, draw(st.integers(1, 24)))
        adjacency = adjacency[copies][:, copies]
    features = np.zeros((len(adjacency), 2))
    if draw(st.booleans()):
        features = rng.integers(0, 3, features.shape) * (rng.random(2) < 0.5)
    if not adjacency.any() and not features.any():
        adjacency[0, 0] = 1
    wiring = np.hstack([adjacency, adjacency.T, features])
    con = Connectome(adjacency, node_features=features)
    return con, len(np.unique(wiring, axis=0)), ~wiring.any(axis=1)


@pytest.mark.parametrize("init", ["greedy", "spectral"])
@pytest.mark.parametrize("growth", [1.0, 3.0])
@hypothesis_settings(deadline=None, max_examples=60)
@given(drawn=small_graphs(), data=st.data())
def test_any_graph_has_as_many_clusters_as_nodes_that_differ(init, growth, drawn, data):
    con, n_kinds, isolated = drawn
    ntac = NtacClusterer(
        data.draw(st.integers(1, n_kinds)),
        init=init,
        growth=growth,
        n_init=data.draw(st.integers(1, 3)),
        n_representatives=data.draw(st.integers(1, 3)),
        candidate_fraction=data.draw(st.sampled_from([0.01, 0.1, 1.0])),
        degree_correction=data.draw(st.sampled_from([0.0, 1.0, "auto"])),
        max_iter=data.draw(st.integers(1, 4)),
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ntac.fit(con)
        similarities = ntac.transform(con)
    assert np.unique(ntac.labels_).tolist() == list(range(ntac.n_clusters))
    assert ntac.n_clusters_ == ntac.n_clusters
    for n_clusters in range(1, ntac.n_clusters + 1):
        labels = ntac.labels_at(n_clusters)
        assert np.unique(labels).tolist() == list(range(n_clusters))
        if isolated.any() and n_clusters > 1:
            (own,) = set(labels[isolated])
            assert ((labels == own) == isolated).all()
    assert np.isfinite(similarities).all()
    assert similarities.min() >= 0
    assert similarities.max() <= 1 + 1e-6
    assert -1e-6 <= ntac.cost_ <= 1
    with pytest.raises(ValueError, match=rf"differ in their wiring \({n_kinds} of"):
        ntac.set_params(n_clusters=n_kinds + 1).fit(con)


def test_twins_count_once():
    adjacency = np.zeros((9, 9))
    adjacency[:4, 8] = 1
    adjacency[4:8, 8] = 2
    with pytest.raises(
        ValueError,
        match=r"n_clusters \(4\) must be at most the number of nodes that differ in "
        r"their wiring \(3 of n_samples = 9\)",
    ):
        NtacClusterer(4).fit(Connectome(adjacency))
    labels = NtacClusterer(3, random_state=0).fit_predict(Connectome(adjacency))
    assert labels.tolist() == [0] * 4 + [1] * 4 + [2]


def test_every_node_may_be_a_cluster(brain):
    adjacency = brain[0].adjacency.toarray()[:30, :30]
    for init in ("greedy", "spectral"):
        ntac = NtacClusterer(30, init=init, random_state=0).fit(Connectome(adjacency))
        assert ntac.labels_.tolist() == list(range(30))
        np.testing.assert_allclose(ntac.cost_, 0, atol=1e-6)
        assert ntac.agreement_ == 1


def test_a_single_node():
    ntac = NtacClusterer(1).fit(Connectome([[3]]))
    assert ntac.labels_.tolist() == [0]
    assert ntac.cost_ == 0
    assert ntac.representatives_[0].tolist() == [0]
    assert ntac.cost_path_.n_clusters.tolist() == [1]


# --------------------------------------------------------- other numbers of clusters


def test_labels_at_are_what_a_fit_gives(brain, settings):
    con, _ = brain
    ntac = NtacClusterer(20, **settings).fit(con)
    settings["degree_correction"] = ntac.degree_correction_
    for n_clusters in range(1, 21):
        fresh = NtacClusterer(n_clusters, **settings).fit(con)
        assert (ntac.labels_at(n_clusters) == fresh.labels_).all()
    assert (ntac.labels_at(np.int32(20)) == ntac.labels_).all()


def test_labels_at_with_isolated_nodes(islands):
    con, _ = islands
    for settings in ({"init": "spectral"}, {"growth": 3.0}):
        settings |= {"random_state": 0, "n_init": 2, "degree_correction": 0.0}
        ntac = NtacClusterer(20, **settings).fit(con)
        for n_clusters in range(1, 21):
            fresh = NtacClusterer(n_clusters, **settings).fit(con)
            assert (ntac.labels_at(n_clusters) == fresh.labels_).all()


def test_labels_at_after_the_number_was_found(brain):
    con, _ = brain
    settings = {"n_init": 2, "random_state": 0, "degree_correction": 0.0}
    ntac = NtacClusterer("auto", max_clusters=30, **settings).fit(con)
    assert ntac.n_clusters_ < 30
    for n_clusters in range(1, 31):
        fresh = NtacClusterer(n_clusters, **settings).fit(con)
        assert (ntac.labels_at(n_clusters) == fresh.labels_).all()
    with pytest.raises(ValueError, match="an integer between 1 and 30"):
        ntac.labels_at(31)


def test_labels_at_changes_nothing(brain):
    con, _ = brain
    ntac = NtacClusterer(9, random_state=0).fit(con)
    expected = answers(ntac, con)
    ntac.labels_at(3)
    assert_same_answers(answers(ntac, con), expected)


@pytest.mark.parametrize("n_clusters", [0, 7, -1, 2.0, "3", None])
def test_labels_at_refuses_other_numbers(brain, n_clusters):
    ntac = NtacClusterer(6, n_init=1).fit(brain[0])
    with pytest.raises(
        ValueError,
        match="n_clusters must be an integer between 1 and 6, up to which this "
        f"NtacClusterer was fitted, got {n_clusters!r}",
    ):
        ntac.labels_at(n_clusters)


def test_the_number_of_clusters_is_the_elbow(brain):
    con, _ = brain
    ntac = NtacClusterer("auto", max_clusters=25, n_init=2, random_state=0).fit(con)
    path = ntac.cost_path_
    assert path.n_clusters.tolist() == schedule(1, 1.1, 25, 25)
    assert ntac.n_clusters_ == find_elbow(path.n_clusters, path.cost)
    assert 3 <= ntac.n_clusters_ <= 10
    assert len(np.unique(ntac.labels_)) == ntac.n_clusters_
    assert ntac.transform(con).shape == (200, ntac.n_clusters_)
    assert len(ntac.representatives_) == ntac.n_clusters_


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({"max_clusters": 2}, [1, 2]),
        ({"max_clusters": 10, "growth": 3.0}, [1, 3, 9]),
        ({"max_clusters": 16, "init": "spectral"}, [16]),
        ({"max_clusters": 60, "init": "spectral"}, [16, 27, 46]),
    ],
)
def test_numbers_that_auto_considers(brain, settings, path):
    ntac = NtacClusterer("auto", n_init=1, random_state=0, **settings).fit(brain[0])
    assert ntac.cost_path_.n_clusters.tolist() == path
    assert ntac.n_clusters_ in path


def test_auto_with_isolated_nodes(islands):
    con, isolated = islands
    ntac = NtacClusterer("auto", max_clusters=9, n_init=1, growth=1.0).fit(con)
    assert ntac.cost_path_.n_clusters.tolist() == [2, 3, 4, 5, 6, 7, 8, 9]
    assert len(set(ntac.labels_[isolated])) == 1
    spectral = NtacClusterer(
        "auto", max_clusters=17, init="spectral", random_state=0
    ).fit(con)
    assert spectral.n_clusters_ == 17
    # The spectral start has 16 clusters without that of the isolated nodes.
    with pytest.raises(
        ValueError,
        match=r"(?s)chooses among 17 clusters and more, but max_clusters is 16: raise "
        "it, or use init='greedy'",
    ):
        spectral.set_params(max_clusters=16).fit(con)


def test_auto_with_fewer_nodes_than_clusters(brain):
    con = Connectome(brain[0].adjacency.toarray()[:12, :12])
    ntac = NtacClusterer("auto", growth=1.0, random_state=0).fit(con)
    assert ntac.cost_path_.n_clusters.tolist() == list(range(1, 13))
    assert ntac.labels_at(12).tolist() == list(range(12))


# ------------------------------------------------------------------------ warm starts


def count_starts(monkeypatch):
    """Return a list that gets an entry whenever runs are started."""
    starts = []
    original = restarts._starts

    def counted(*args):
        starts.append(args)
        return original(*args)

    monkeypatch.setattr(restarts, "_starts", counted)
    return starts


def test_a_warm_start_goes_on(brain, settings, monkeypatch):
    con, _ = brain
    settings["degree_correction"] = settings.get("degree_correction", 0.0)
    starts = count_starts(monkeypatch)
    ntac = NtacClusterer(2, warm_start=True, **settings)
    for n_clusters in (2, 3, 9, 30):
        ntac.set_params(n_clusters=n_clusters).fit(con)
        fresh = NtacClusterer(n_clusters, **settings)
        n_starts = len(starts)
        assert_same_answers(answers(ntac, con), answers(fresh.fit(con), con))
        assert len(starts) == n_starts + 1  # that of the fresh one
    assert len(starts) == 1 + 4
    # Fewer clusters again, of fewer nodes in view.
    ntac.set_params(n_clusters=5).fit(con[:50])
    assert (ntac.labels_ == NtacClusterer(5, **settings).fit(con).labels_[:50]).all()
    assert len(starts) == 1 + 5


def test_a_warm_start_keeps_the_correction_that_was_chosen(brain, monkeypatch):
    con, _ = brain
    starts = count_starts(monkeypatch)
    ntac = NtacClusterer(3, warm_start=True, n_init=2, random_state=0).fit(con)
    before = ntac.degree_correction_
    ntac.set_params(n_clusters="auto", max_clusters=20).fit(con)
    assert ntac.degree_correction_ == before
    assert len(starts) == 1
    assert len(ntac.labels_at(20)) == 200


@pytest.mark.parametrize(
    "change",
    [
        {"init": "spectral"},
        {"n_init": 3},
        {"growth": 1.5},
        {"n_representatives": 2},
        {"candidate_fraction": 0.3},
        {"degree_correction": 1.0},
        {"max_iter": 1},
        {"edge_weighting": "linear"},
        {"feature_weight": 0.5},
        {"random_state": 1},
        {"random_state": None},
        {"warm_start": False},
    ],
    ids=repr,
)
def test_a_warm_start_with_other_settings_starts_again(brain, change, monkeypatch):
    con, _ = brain
    con = Connectome(con.adjacency, node_features=np.arange(400).reshape(200, 2))
    settings = {"n_init": 2, "random_state": 0, "warm_start": True}
    ntac = NtacClusterer(6, **settings).fit(con)
    starts = count_starts(monkeypatch)
    ntac.set_params(**change).fit(con)
    assert len(starts) == 1
    if ntac.random_state is not None:
        fresh = clone(ntac).fit(con)
        assert_same_answers(answers(ntac, con), answers(fresh, con))


def test_a_warm_start_on_other_data_starts_again(brain, monkeypatch):
    con, _ = brain
    ntac = NtacClusterer(6, n_init=2, random_state=0, warm_start=True).fit(con)
    starts = count_starts(monkeypatch)
    other = con.adjacency.copy()
    other.data = other.data.copy()
    other.data[7] += 1
    other = Connectome(other)
    ntac.fit(other)
    assert len(starts) == 1
    assert_same_answers(answers(ntac, other), answers(clone(ntac).fit(other), other))
    ntac.fit(Connectome(other.adjacency))  # the same graph again
    assert len(starts) == 2
    ntac.set_params(n_jobs=2, n_clusters=7, verbose=0).fit(other)
    assert len(starts) == 2


def test_a_warm_start_without_a_seed(brain, monkeypatch):
    con, _ = brain
    starts = count_starts(monkeypatch)
    for random_state in (None, np.random.RandomState(0)):
        starts.clear()
        ntac = NtacClusterer(3, n_init=2, warm_start=True, random_state=random_state)
        few = ntac.fit(con).labels_
        ntac.set_params(n_clusters=6).fit(con)
        assert len(starts) == 1
        assert (ntac.labels_at(3) == few).all()


def test_a_fit_that_failed_does_no_harm(brain):
    con, _ = brain
    ntac = NtacClusterer(6, n_init=2, random_state=0, warm_start=True).fit(con)
    expected = answers(ntac, con)
    with pytest.raises(ValueError, match="must be at most"):
        ntac.set_params(n_clusters=999).fit(con)
    ntac.set_params(n_clusters=6).fit(con)
    assert_same_answers(answers(ntac, con), expected)


# -------------------------------------------------------------- views and new rows


def test_any_view_has_the_joint_answer(brain, settings):
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
    nobody = NtacClusterer(9, random_state=0).fit(con[[3]])
    assert sorted(map(len, nobody.representatives_)) == [0] * 8 + [1]


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


@pytest.mark.parametrize("fitted_on", ["connectome", "matrix"])
@pytest.mark.parametrize("correction", [0.0, 0.5, 1.0])
def test_new_rows_go_by_their_edges_out(brain, fitted_on, correction):
    con, _ = brain
    adjacency = con.adjacency.toarray()
    ntac = NtacClusterer(5, degree_correction=correction, random_state=0)
    if fitted_on == "connectome":
        ntac.fit(con)
    else:
        ntac.set_params(affinity="precomputed").fit(adjacency)
    rows = np.vstack([adjacency[:80], adjacency[:5] * 0.5, adjacency[:1] + 1])
    wiring, edges = np.sqrt(adjacency), np.sqrt(rows)
    described = describe(wiring, ntac.labels_, 5, correction)
    means = average(described, ntac.labels_, 5)[:, 5:]
    # As strong as if they got as much as they give.
    strength = 2 * edges.sum(axis=1) / (2 * wiring.sum() / 200)
    new = edges @ one_hot(ntac.labels_, 5) * strength[:, np.newaxis] ** -correction
    expected = jaccard(new, means)
    np.testing.assert_allclose(ntac.transform(rows), expected, atol=1e-5)
    assert (ntac.predict(rows) == expected.argmax(axis=1)).all()
    assert (ntac.predict(rows)[:80] == ntac.labels_[:80]).mean() > 0.6
    for form in (sparse.csr_array, sparse.coo_matrix):
        np.testing.assert_array_equal(ntac.transform(form(rows)), ntac.transform(rows))


@pytest.mark.parametrize("affinity", ["precomputed", "rbf", "nearest_neighbors"])
def test_predictions_are_the_largest_similarities(brain, affinity):
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


@pytest.mark.parametrize(
    ("affinity", "init"),
    [
        ("auto", "greedy"),
        ("auto", "spectral"),
        ("rbf", "greedy"),
        # Every row has as many neighbours, so that one cluster shows no difference.
        ("nearest_neighbors", "spectral"),
    ],
)
def test_a_table_of_features(affinity, init):
    X, target = make_blobs([100, 50, 30], cluster_std=0.5, random_state=1)
    ntac = NtacClusterer(3, affinity=affinity, init=init, random_state=0).fit(X[:150])
    assert adjusted_rand_score(target[:150], ntac.labels_) > 0.9
    assert adjusted_rand_score(target[150:], ntac.predict(X[150:])) > 0.9
    assert ntac.n_features_in_ == 2
    frame = pd.DataFrame(X, columns=["x", "y"])
    named = clone(ntac).fit(frame[:150])
    assert named.feature_names_in_.tolist() == ["x", "y"]
    assert (named.predict(frame[150:]) == ntac.predict(X[150:])).all()


# ------------------------------------------------------------------------ parameters

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


@pytest.mark.parametrize("name", EFFECTS)
def test_every_parameter_does_something(brain, name):
    con, _ = brain
    one, other, shared = EFFECTS[name]
    features = np.abs(np.random.default_rng(0).normal(10, 5, (200, 2)))
    X = Connectome(con.adjacency, node_features=features)
    if name in ("affinity", "gamma", "n_graph_neighbors"):
        X = features
    shared = {"n_clusters": 18, "random_state": 0, "n_init": 2, **shared}
    fits = [NtacClusterer(**{**shared, name: value}).fit(X) for value in (one, other)]
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
    assert_same_answers(answers(ntac, con), answers(explicit.fit(con), con))


def test_one_greedy_run_has_nothing_random(brain):
    con, _ = brain
    expected = answers(NtacClusterer(9, n_init=1, random_state=0).fit(con), con)
    ntac = NtacClusterer(9, n_init=1, random_state=1).fit(con)
    assert_same_answers(answers(ntac, con), expected)


@pytest.mark.parametrize("settings", [{}, {"n_init": 1}, {"degree_correction": 1.0}])
def test_node_features_tell_clusters_apart(settings):
    # Nobody has a partner, so that the features decide alone.
    features = np.array([[9, 1], [1, 9], [8, 1], [2, 9], [0, 0], [9, 2]])
    con = Connectome(np.zeros((6, 6)), node_features=features)
    ntac = NtacClusterer(3, random_state=0, **settings).fit(con)
    assert ntac.labels_.tolist() == [0, 1, 0, 1, 2, 0]
    assert ntac.cluster_means_.shape == (3, 8)
    np.testing.assert_allclose(
        ntac.cluster_means_[:, 6:], [[26 / 3, 4 / 3], [1.5, 9], [0, 0]], rtol=1e-6
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
    # It knows of edges alone; what the features tell apart, the rounds have to find.
    features = np.random.default_rng(0).permutation(np.repeat(np.eye(20), 3, axis=0))
    con = Connectome(np.zeros((60, 60)), node_features=features)
    labels = NtacClusterer(20, init="spectral", random_state=0).fit_predict(con)
    assert same_partition(labels, features.argmax(axis=1))


def test_features_count_along_with_edges(brain):
    con, _ = brain
    kind = np.arange(200) % 2
    features = 1000 * one_hot(kind, 2)
    with_features = Connectome(con.adjacency, node_features=features)
    ntac = NtacClusterer(2, random_state=0).fit(with_features)
    assert same_partition(ntac.labels_, kind)
    ignored = NtacClusterer(2, feature_weight=0, random_state=0).fit(with_features)
    assert (ignored.labels_ == NtacClusterer(2, random_state=0).fit(con).labels_).all()


@pytest.mark.parametrize(
    ("edge_weighting", "transform"),
    [("linear", np.abs), ("sqrt", np.sqrt), ("log1p", np.log1p)],
)
def test_edge_weighting(brain, edge_weighting, transform):
    con, _ = brain
    ntac = NtacClusterer(
        4, edge_weighting=edge_weighting, n_init=1, degree_correction=0
    ).fit(con)
    weights = transform(con.adjacency.toarray().astype(float))
    rows = describe(weights, ntac.labels_, 4)
    np.testing.assert_allclose(
        ntac.cluster_means_, average(rows, ntac.labels_, 4), rtol=1e-5, atol=1e-9
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


# ---------------------------------------------------------------- pickles and clones


def test_a_pickle_answers_the_same(brain, settings, tmp_path):
    con, _ = brain
    ntac = NtacClusterer(6, warm_start=True, **settings).fit(con)
    expected = answers(ntac, con)
    loaded, own_con = pickle.loads(pickle.dumps((ntac, con)))
    assert_same_answers(answers(loaded, own_con), expected)
    joblib.dump((ntac, con), tmp_path / "model.joblib")
    mapped, own_con = joblib.load(tmp_path / "model.joblib", mmap_mode="r")
    assert_same_answers(answers(mapped, own_con), expected)
    rows = con.adjacency.toarray()[:9]
    for model in (loaded, mapped):
        np.testing.assert_array_equal(model.transform(rows), ntac.transform(rows))
        assert (model.labels_at(3) == ntac.labels_at(3)).all()
        more = model.set_params(n_clusters=8).fit(own_con)
        fresh = clone(ntac).set_params(
            n_clusters=8, degree_correction=ntac.degree_correction_
        )
        assert (more.labels_ == fresh.fit(con).labels_).all()


def test_clone(brain, settings):
    con, _ = brain
    ntac = NtacClusterer(6, **settings).fit(con)
    copy = clone(ntac)
    assert copy.get_params() == ntac.get_params()
    assert not hasattr(copy, "labels_")
    for ask in (copy.predict, copy.transform):
        with pytest.raises(NotFittedError):
            ask(con)
    with pytest.raises(NotFittedError):
        copy.labels_at(2)


@pytest.mark.parametrize("warm_start", [False, True])
def test_a_second_fit_forgets_the_first(brain, warm_start):
    con, _ = brain
    X, target = make_blobs(150, centers=2, cluster_std=0.5, random_state=0)
    ntac = NtacClusterer(2, random_state=0, warm_start=warm_start)
    expected = answers(clone(ntac).fit(con), con)
    ntac.fit(X)
    assert adjusted_rand_score(target, ntac.labels_) == 1
    assert_same_answers(answers(ntac.fit(con), con), expected)
    ntac.fit(X)
    assert adjusted_rand_score(target, ntac.predict(X)) == 1
    with pytest.raises(ValueError, match="was fitted on a matrix with 2 columns"):
        ntac.predict(con)


# ------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("n_clusters", 0),
        ("n_clusters", -3),
        ("n_clusters", 2.5),
        ("n_clusters", "many"),
        ("init", "random"),
        ("n_init", 0),
        ("growth", 0.9),
        ("growth", np.inf),
        ("n_representatives", 0),
        ("candidate_fraction", 0),
        ("candidate_fraction", 1.1),
        ("degree_correction", -0.1),
        ("degree_correction", 1.1),
        ("max_iter", 0),
        ("max_clusters", 1),
        ("feature_weight", -0.1),
        ("feature_weight", np.inf),
        ("edge_weighting", "log"),
        ("affinity", "cosine"),
        ("gamma", 0),
        ("n_graph_neighbors", 0),
        ("warm_start", "yes"),
        ("random_state", "now"),
        ("n_jobs", "many"),
        ("verbose", "yes"),
    ],
)
def test_parameters_out_of_range(brain, parameter, value):
    con, _ = brain
    with pytest.raises(ValueError, match=f"The '{parameter}' parameter of Ntac"):
        NtacClusterer(**{parameter: value}).fit(con)


@pytest.mark.parametrize(
    ("affinity", "X", "error", "message"),
    [
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
            r"n_clusters \(2\) must be at most .* wiring \(1 of n_samples = 4\)",
        ),
    ],
)
def test_bad_X(affinity, X, error, message):
    with pytest.raises(error, match=message):
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
def test_auto_with_a_spectral_start_needs_room(brain, max_clusters):
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


# ---------------------------------------------------------------------- scikit-learn


def test_names_of_columns(brain):
    con, _ = brain
    ntac = NtacClusterer(3, n_init=1).fit(con)
    names = ["ntacclusterer0", "ntacclusterer1", "ntacclusterer2"]
    assert ntac.get_feature_names_out().tolist() == names
    table = ntac.set_output(transform="pandas").transform(con)
    assert isinstance(table, pd.DataFrame)
    assert table.columns.tolist() == names
    np.testing.assert_array_equal(
        table, ntac.set_output(transform="default").transform(con)
    )
    with pytest.raises(NotFittedError):
        NtacClusterer().get_feature_names_out()


def test_fit_and_answer_at_once(brain, settings):
    con, _ = brain
    ntac = NtacClusterer(5, **settings).fit(con)
    assert (clone(ntac).fit_predict(con) == ntac.labels_).all()
    np.testing.assert_array_equal(clone(ntac).fit_transform(con), ntac.transform(con))
    assert (clone(ntac).fit(con, y=brain[1]).labels_ == ntac.labels_).all()


def test_pipelines(brain):
    con, target = brain
    similarities = make_pipeline(
        NtacClusterer(20, random_state=0), KMeans(5, n_init=3, random_state=0)
    ).fit(con)
    assert similarities.predict(con[:30]).shape == (30,)
    assert matched_accuracy_score(target, similarities.predict(con)) > 0.7
    alone = make_pipeline(NtacClusterer(5, random_state=0)).fit(con)
    assert matched_accuracy_score(target, alone.predict(con)) > 0.9


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_grid_search(brain, n_jobs):
    con, target = brain
    search = GridSearchCV(
        NtacClusterer(n_init=2, random_state=0),
        {"n_clusters": [2, 5], "edge_weighting": ["sqrt", "linear"]},
        scoring=make_scorer(matched_accuracy_score),
        cv=3,
        n_jobs=n_jobs,
        error_score="raise",
    )
    with joblib.parallel_config("threading"):
        search.fit(con, target)
    assert search.best_params_["n_clusters"] == 5
    assert search.best_score_ > 0.9
    assert matched_accuracy_score(target, search.predict(con)) > 0.9
    assert search.best_estimator_.labels_.shape == (200,)


def test_grid_search_on_a_matrix(brain):
    con, target = brain
    search = GridSearchCV(
        NtacClusterer(n_init=2, random_state=0, affinity="precomputed"),
        {"n_clusters": [2, 5]},
        scoring=make_scorer(matched_accuracy_score),
        cv=[(np.arange(0, 200, 2), np.arange(1, 200, 2))],
        error_score="raise",
    ).fit(con.adjacency.toarray(), target)
    assert search.best_params_ == {"n_clusters": 5}


def test_nothing_warns_on_a_good_day(brain, islands, settings):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for con in (brain[0], islands[0]):
            ntac = NtacClusterer(5, **settings).fit(con)
            answers(ntac, con)
            ntac.transform(con.adjacency)
