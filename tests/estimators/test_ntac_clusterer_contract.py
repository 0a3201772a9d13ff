"""NtacClusterer: the graph contract, under several settings.

- Permuting the nodes permutes the result; threads and batches change no bit.
- The form of an adjacency matrix and its dtypes do not matter.
- Isolated nodes share a cluster of their own, unless one cluster is asked for.
- There are at most as many clusters as classes of structurally equivalent nodes.
- Self loops count; a graph may have several components; inputs are not changed.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sklearn.base import clone

from celltyping import Connectome, NtacClusterer
from celltyping.estimators import _ntac_clusterer
from tests._comparison import assert_same_answers
from tests._ntac import (
    CLUSTERER_SETTINGS,
    FORMS,
    clusterer_answers,
    make_islands,
    make_untyped_brain,
    same_partition,
    write_as,
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


def test_fitted_attributes(subtests, brain):
    for name, settings in SETTINGS.items():
        with subtests.test(name=name):
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


def test_isolated_nodes_share_a_cluster(subtests, islands):
    for name, settings in SETTINGS.items():
        with subtests.test(name=name):
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
                # Their similarity of 1 does not count in the cost.
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


def test_one_cluster_holds_isolated_nodes_too(subtests, islands):
    for name, settings in SETTINGS.items():
        with subtests.test(name=name):
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


def test_threads_batches_and_repetitions_change_no_bit(subtests, brain, monkeypatch):
    for name, settings in SETTINGS.items():
        with subtests.test(name=name):
            con, _ = brain
            expected = clusterer_answers(NtacClusterer(9, **settings).fit(con), con)
            rows = con.adjacency.toarray()[:50]
            for n_jobs in (None, 1, 2):
                ntac = NtacClusterer(9, n_jobs=n_jobs, **settings).fit(con)
                assert_same_answers(clusterer_answers(ntac, con), expected)
                of_rows = ntac.transform(rows)
                with monkeypatch.context() as patch:
                    patch.setattr(_ntac_clusterer, "BATCH", 11)
                    assert_same_answers(clusterer_answers(ntac, con), expected)
                    np.testing.assert_array_equal(ntac.transform(rows), of_rows)
                    np.testing.assert_array_equal(
                        ntac.predict(rows), np.argmax(of_rows, axis=1)
                    )


def test_adjacencies_of_any_form_give_the_same(subtests, brain):
    for form, index_dtype, dtype in FORMS:
        with subtests.test(form=form, index_dtype=index_dtype, dtype=dtype):
            con, _ = brain
            ntac = NtacClusterer(6, n_init=2, random_state=0)
            expected = clusterer_answers(
                ntac.fit(Connectome(con.adjacency)), con.adjacency
            )
            matrix = write_as(con.adjacency.toarray(), form, index_dtype, dtype)
            assert_same_answers(
                clusterer_answers(ntac.fit(Connectome(matrix)), matrix), expected
            )
            ntac.set_params(affinity="precomputed").fit(matrix)
            assert_same_answers(clusterer_answers(ntac, matrix), expected)


def test_a_fit_changes_nothing_it_is_given(subtests, brain):
    for name, settings in SETTINGS.items():
        with subtests.test(name=name):
            con, _ = brain
            features = np.random.default_rng(0).random((200, 2))
            with_features = Connectome(con.adjacency, node_features=features)
            before = features.copy(), con.adjacency.copy()
            clusterer_answers(
                NtacClusterer(6, **settings).fit(with_features), with_features
            )
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
    """Draw a graph with equivalent or isolated nodes, self loops and components.

    Returns a connectome, its number of equivalence classes, and which are isolated.
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
    if draw(st.booleans()):  # structurally equivalent nodes
        copies = rng.integers(0, n_nodes, draw(st.integers(1, 24)))
        adjacency = adjacency[copies][:, copies]
    features = np.zeros((len(adjacency), 2))
    if draw(st.booleans()):
        features = rng.integers(0, 3, features.shape) * (rng.random(2) < 0.5)
    if not adjacency.any() and not features.any():
        adjacency[0, 0] = 1
    rows = np.hstack([adjacency, adjacency.T, features])
    con = Connectome(adjacency, node_features=features)
    return con, len(np.unique(rows, axis=0)), ~rows.any(axis=1)


@pytest.mark.parametrize("init", ["greedy", "spectral"])
@pytest.mark.parametrize("growth", [1.0, 3.0])
@hypothesis_settings(deadline=None, max_examples=60)
@given(drawn=small_graphs(), data=st.data())
def test_any_graph_has_up_to_a_cluster_per_class(init, growth, drawn, data):
    con, n_classes, isolated = drawn
    ntac = NtacClusterer(
        data.draw(st.integers(1, n_classes)),
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
    with pytest.raises(
        ValueError, match=rf"different edges or features \({n_classes} of"
    ):
        ntac.set_params(n_clusters=n_classes + 1).fit(con)


def test_equivalent_nodes_count_once():
    adjacency = np.zeros((9, 9))
    adjacency[:4, 8] = 1
    adjacency[4:8, 8] = 2
    with pytest.raises(
        ValueError,
        match=r"n_clusters \(4\) must be at most the number of nodes with different "
        r"edges or features \(3 of n_samples = 9\)",
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
