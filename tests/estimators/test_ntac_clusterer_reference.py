"""NtacClusterer against a dense implementation of a run."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from itertools import product

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from celltyping import Connectome, NtacClusterer
from celltyping.estimators._ntac import restarts
from celltyping.estimators._ntac.growth import TOL, schedule
from celltyping.metrics import matched_accuracy_score
from tests._ntac import (
    CLUSTERER_SETTINGS,
    average,
    describe,
    jaccard,
    make_untyped_brain,
)

SETTINGS = {
    name: {"random_state": 0, **options} for name, options in CLUSTERER_SETTINGS.items()
}


@pytest.fixture(scope="module")
def brain():
    return make_untyped_brain()


def dense_reassign(adjacency, labels, is_fixed, max_iter, correction):
    """Move nodes to the nearest mean, and return their similarity to it."""
    n_clusters = labels.max() + 1
    for _ in range(max_iter):
        rows = describe(adjacency, labels, n_clusters, correction)
        similarities = jaccard(rows, average(rows, labels, n_clusters))
        moved = np.where(is_fixed, labels, similarities.argmax(axis=1))
        n_moved = np.count_nonzero(moved != labels)
        labels = moved
        if n_moved <= TOL * len(labels):
            break
    return labels, similarities[np.arange(len(labels)), labels]


def dense_run(adjacency, n_clusters, growth, n_representatives, fraction, correction):
    """Compute a greedy run dense, on float64; no two nodes may be equivalent."""
    n_nodes = len(adjacency)
    labels = np.zeros(n_nodes, dtype=int)
    labels, similarities = dense_reassign(adjacency, labels, False, 1, correction)
    partitions = {1: labels}
    for size in schedule(1, growth, 2 * n_clusters, n_nodes)[1:]:
        while (n_old := labels.max() + 1) < size:
            is_fixed = np.zeros(n_nodes, dtype=bool)
            place = np.empty(n_nodes)
            for c in range(n_old):
                own = np.flatnonzero(labels == c)
                own = own[np.argsort(similarities[own])]
                place[own] = np.arange(len(own))
                is_fixed[own[-min(n_representatives, (len(own) + 1) // 2) :]] = True
            single = np.bincount(labels)[labels] == 1
            fixed_alone = is_fixed & (np.bincount(labels[is_fixed])[labels] == 1)
            allowed = ~single & ~fixed_alone
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
                is_fixed[centre] = True
            labels, similarities = dense_reassign(
                adjacency, labels, is_fixed, 4, correction
            )
        partitions[size] = labels
    return partitions


def test_a_run_equals_the_dense_one(subtests, brain):
    for correction, (growth, n_representatives, fraction) in product(
        [0.0, 0.7, 1.0], [(1.0, 5, 0.1), (1.3, 2, 0.05), (3.0, 5, 1.0)]
    ):
        with subtests.test(
            correction=correction,
            growth=growth,
            n_representatives=n_representatives,
            fraction=fraction,
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


def test_descriptions_of_clusters(subtests, brain):
    for correction, init in product([0.0, 0.7, 1.0], ["greedy", "spectral"]):
        with subtests.test(correction=correction, init=init):
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
                # Not by position: two nodes of equal strength are as near to the mean.
                np.testing.assert_allclose(own[representatives], nearest, atol=1e-5)
            # At the first size that reaches 12.
            size = next(size for size in ntac._runs[0].sizes if size >= 12)
            one, other = (run.at(size) for run in ntac._runs)
            assert ntac.agreement_ == adjusted_rand_score(one, other)


def test_the_cost_path(subtests, brain):
    for correction, (init, growth, n_clusters, path) in product(
        [0.0, 1.0],
        [
            ("greedy", 1.0, 7, [1, 2, 3, 4, 5, 6, 7]),
            ("greedy", 2.0, 7, [1, 2, 4, 8]),
            ("greedy", 2.0, 8, [1, 2, 4, 8]),
            ("greedy", 1.1, 1, [1]),
            ("spectral", 1.7, 30, [16, 27, 46]),
            ("spectral", 1.7, 5, [16]),
        ],
    ):
        with subtests.test(
            correction=correction,
            init=init,
            growth=growth,
            n_clusters=n_clusters,
            path=path,
        ):
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


def test_types_are_found(subtests, brain):
    for name, settings in SETTINGS.items():
        with subtests.test(name=name):
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
