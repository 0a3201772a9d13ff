"""NtacClassifier against a dense implementation of the published method."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from itertools import product

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import accuracy_score

from celltyping import NtacClassifier
from celltyping._kernels import _profiles
from celltyping.datasets import make_connectome
from celltyping.estimators._ntac import propagation
from tests._ntac import jaccard, make_typed_brain, one_hot

PUBLISHED = {
    "edge_weighting": "linear",
    "membership": "hard",
    "second_order_weight": 0,
    "consensus_weight": 0,
}


@pytest.fixture(scope="module")
def brain():
    return make_typed_brain()


def dense_ntac(adjacency, codes, rate, tol, sharpness=None):
    """Compute NTAC dense, on float64: hard, or soft if `sharpness` is given.

    Nodes of unknown type count in a last column of their own.
    """
    known = codes >= 0
    n_types = codes.max() + 1
    hard = members = np.column_stack([one_hot(codes, n_types), ~known])
    types, embedding, history = codes.copy(), None, [1.0]
    while history[-1] > tol:
        in_flux = history[-1] > propagation.UNSETTLED
        counted = hard if in_flux else members
        counts = np.hstack([adjacency.T @ counted, adjacency @ counted])
        if sharpness is not None and not in_flux:
            sums, largest = counts.sum(axis=1), counts.max(axis=1)
            bounds = np.minimum(_profiles.LEAST_ENTRY * sums, 0.1 * largest)
            counts[counts < bounds[:, np.newaxis]] = 0
        if embedding is not None:
            counts = (1 - rate) * embedding + rate * counts
        embedding = counts
        similarities = jaccard(embedding, embedding[known])
        per_type = np.stack(
            [similarities[:, codes[known] == c].max(axis=1) for c in range(n_types)], 1
        )
        new_types = np.where(known, codes, per_type.argmax(axis=1))
        hard = one_hot(new_types, n_types + 1)
        members = hard.copy()
        if sharpness is not None:
            best = per_type.max(axis=1, keepdims=True)
            shares = np.exp(sharpness / best[~known].mean() * (per_type - best))
            shares[shares < propagation.LEAST_SHARE] = 0
            shares /= shares.sum(axis=1, keepdims=True)
            members[~known, :n_types] = shares[~known]
        history.append(np.mean(new_types != types))
        if history[-1] >= history[-2]:
            rate /= 2  # the types oscillate
        types = new_types
    return types, per_type, history[1:], members[:, :n_types], counted


def test_the_published_method(subtests, brain):
    for membership, rate in product(["hard", "soft"], [1.0, 0.5]):
        with subtests.test(membership=membership, rate=rate):
            con, y, _ = brain
            classes, codes = np.unique(y, return_inverse=True)
            assert classes[0] == "?"
            adjacency = con.adjacency.toarray().astype(float)
            sharpness = None if membership == "hard" else 6.0
            types, similarities, history, members, _ = dense_ntac(
                adjacency, codes - 1, rate, tol=0, sharpness=sharpness
            )
            ntac = NtacClassifier(
                **{**PUBLISHED, "membership": membership},
                sharpness=6.0,
                damping=1 - rate,
                tol=0,
            ).fit(con, y)
            assert ntac.classes_.tolist() == classes[1:].tolist()
            assert ntac.transduction_.tolist() == ntac.classes_[types].tolist()
            assert ntac.n_iter_ == len(history) > 2
            np.testing.assert_allclose(ntac.history_.changed, history)
            ranked, found = ntac.rank_types(con, k=4)
            order = np.searchsorted(ntac.classes_, ranked)
            np.testing.assert_allclose(
                found, np.take_along_axis(similarities, order, axis=1), rtol=1e-4
            )
            if membership == "soft":
                np.testing.assert_allclose(ntac.predict_proba(con), members, rtol=1e-3)


def test_oscillations_end():
    sample = make_connectome(150, n_types=4, n_edges=4500, noise=0.3, random_state=2)
    y = np.where(np.arange(150) < 30, sample.target, "?").astype(object)
    ntac = NtacClassifier(**PUBLISHED, max_iter=100, tol=0).fit(sample.data, y)
    changed = np.array(ntac.history_.changed)
    assert (np.diff(changed) >= 0).any()
    assert changed[-1] == 0


def test_the_second_order_block_joins_once_the_first_has_settled(brain):
    con, y, _ = brain
    without = NtacClassifier(second_order_weight=0).fit(con, y)
    ntac = NtacClassifier(second_order_weight=0.5).fit(con, y)
    changed, alone = ntac.history_.changed, without.history_.changed
    joins = next(
        step + 1
        for step in range(1, len(changed))
        if changed[step] <= propagation.SETTLED or changed[step] >= changed[step - 1]
    )
    assert 1 < joins < ntac.n_iter_
    assert changed[:joins] == alone[:joins]
    n_columns = [len(fit._result.references.ptr) - 1 for fit in (ntac, without)]
    assert n_columns[0] == 3 * n_columns[1]


def test_defaults_find_the_types(brain):
    con, y, target = brain
    ntac = NtacClassifier().fit(con, y)
    assert accuracy_score(target, ntac.transduction_) > 0.9
    assert ntac.label_confidence_.min() > 0.2
    wrong = ntac.transduction_ != target
    confidence = ntac.label_confidence_
    assert confidence[wrong].mean() < confidence[(y == "?") & ~wrong].mean()


def test_new_rows_are_typed_by_their_edges_out(subtests, brain):
    for fitted_on, (tol, n_steps) in product(
        ["connectome", "matrix"], [(0.7, 1), (0.3, 2)]
    ):
        with subtests.test(fitted_on=fitted_on, tol=tol, n_steps=n_steps):
            con, y, target = brain
            adjacency = con.adjacency.toarray()
            ntac = NtacClassifier(**PUBLISHED, tol=tol)
            if fitted_on == "connectome":
                ntac.fit(con, y)
            else:
                ntac.set_params(affinity="precomputed").fit(adjacency, y)
            codes = np.unique(y, return_inverse=True)[1] - 1
            *_, history, _, counted = dense_ntac(adjacency, codes, 1.0, tol)
            assert ntac.n_iter_ == len(history) == n_steps
            labelled, unlabelled = codes >= 0, np.flatnonzero(codes < 0)[:30]
            rows = np.vstack(
                [adjacency[unlabelled], adjacency[:5] * 0.5, adjacency[:1] + 1]
            )
            similarities = jaccard(rows @ counted, (adjacency @ counted)[labelled])
            best = y[labelled][similarities.argmax(axis=1)]
            assert (ntac.predict(rows) == best).all()
            _, found = ntac.rank_types(rows, k=1)
            np.testing.assert_allclose(found[:, 0], similarities.max(axis=1), rtol=1e-4)
            assert accuracy_score(target[unlabelled], best[:30]) > 0.4
            for form in (sparse.csr_array, sparse.coo_matrix):
                assert (ntac.predict(form(rows)) == best).all()
