"""NtacClusterer: other numbers of clusters, and warm starts."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pytest
from sklearn.base import clone

from celltyping import Connectome, NtacClusterer
from celltyping._utils._elbow import find_elbow
from celltyping.estimators._ntac import restarts
from celltyping.estimators._ntac.growth import schedule
from tests._comparison import assert_same_answers
from tests._ntac import (
    CLUSTERER_SETTINGS,
    clusterer_answers,
    make_islands,
    make_untyped_brain,
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


# ----------------------------------------------------------- other numbers of clusters


def test_labels_at_are_what_a_fit_gives(subtests, brain):
    for name, settings in SETTINGS.items():
        with subtests.test(name=name):
            con, _ = brain
            ntac = NtacClusterer(20, **settings).fit(con)
            settings = {**settings, "degree_correction": ntac.degree_correction_}
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
    expected = clusterer_answers(ntac, con)
    ntac.labels_at(3)
    assert_same_answers(clusterer_answers(ntac, con), expected)


def test_labels_at_refuses_other_numbers(subtests, brain):
    for n_clusters in [0, 7, -1, 2.0, "3", None]:
        with subtests.test(n_clusters=n_clusters):
            ntac = NtacClusterer(6, n_init=1).fit(brain[0])
            with pytest.raises(
                ValueError,
                match="n_clusters must be an integer between 1 and 6, the maximum of "
                f"the last fit of this NtacClusterer, got {n_clusters!r}",
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


def test_numbers_that_auto_considers(subtests, brain):
    cases = [
        ({"max_clusters": 2}, [1, 2]),
        ({"max_clusters": 10, "growth": 3.0}, [1, 3, 9]),
        ({"max_clusters": 16, "init": "spectral"}, [16]),
        ({"max_clusters": 60, "init": "spectral"}, [16, 27, 46]),
    ]
    for settings, path in cases:
        with subtests.test(settings=settings, path=path):
            ntac = NtacClusterer("auto", n_init=1, random_state=0, **settings).fit(
                brain[0]
            )
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


# ------------------------------------------------------------------------- warm starts


def count_starts(monkeypatch):
    """Return a list that gets an entry whenever runs are started."""
    starts = []
    original = restarts._start_partitions

    def counted(*args):
        starts.append(args)
        return original(*args)

    monkeypatch.setattr(restarts, "_start_partitions", counted)
    return starts


def test_a_warm_start_goes_on(subtests, brain, monkeypatch):
    for name, settings in SETTINGS.items():
        with subtests.test(name=name):
            con, _ = brain
            settings = {"degree_correction": 0.0, **settings}
            starts = count_starts(monkeypatch)
            ntac = NtacClusterer(2, warm_start=True, **settings)
            for n_clusters in (2, 3, 9, 30):
                ntac.set_params(n_clusters=n_clusters).fit(con)
                fresh = NtacClusterer(n_clusters, **settings)
                n_starts = len(starts)
                assert_same_answers(
                    clusterer_answers(ntac, con), clusterer_answers(fresh.fit(con), con)
                )
                assert len(starts) == n_starts + 1  # that of the fresh one
            assert len(starts) == 1 + 4
            # Fewer clusters again, of fewer nodes in view.
            ntac.set_params(n_clusters=5).fit(con[:50])
            assert (
                ntac.labels_ == NtacClusterer(5, **settings).fit(con).labels_[:50]
            ).all()
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


def test_a_warm_start_with_other_settings_starts_again(subtests, brain, monkeypatch):
    cases = [
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
    ]
    for change in cases:
        with subtests.test(change=change):
            con, _ = brain
            con = Connectome(
                con.adjacency, node_features=np.arange(400).reshape(200, 2)
            )
            settings = {"n_init": 2, "random_state": 0, "warm_start": True}
            ntac = NtacClusterer(6, **settings).fit(con)
            starts = count_starts(monkeypatch)
            ntac.set_params(**change).fit(con)
            assert len(starts) == 1
            if ntac.random_state is not None:
                fresh = clone(ntac).fit(con)
                assert_same_answers(
                    clusterer_answers(ntac, con), clusterer_answers(fresh, con)
                )


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
    assert_same_answers(
        clusterer_answers(ntac, other), clusterer_answers(clone(ntac).fit(other), other)
    )
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


def test_a_failed_fit_changes_nothing(brain):
    con, _ = brain
    ntac = NtacClusterer(6, n_init=2, random_state=0, warm_start=True).fit(con)
    expected = clusterer_answers(ntac, con)
    with pytest.raises(ValueError, match="must be at most"):
        ntac.set_params(n_clusters=999).fit(con)
    ntac.set_params(n_clusters=6).fit(con)
    assert_same_answers(clusterer_answers(ntac, con), expected)
