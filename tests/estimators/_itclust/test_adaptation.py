"""Adaptation of types to a target, against loops over cells."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import itertools
import math
from itertools import product

import numpy as np
import pytest

from celltyping.estimators._itclust import adaptation as _adaptation
from celltyping.estimators._itclust.adaptation import (
    ADAPTED_SHARE,
    FEWEST_CELLS,
    PRIOR_CELLS,
    ROUNDNESS,
    MovedTypes,
    SourceTypes,
    adapt,
    adapt_with_backoff,
    cluster_confidence,
    describe_types,
    is_steady,
    mean_posterior,
    mix,
    move_types,
    not_adapted,
    reverse_score,
    squared_distances,
    undo_label_smoothing,
)


def make_latent(n_samples=60, n_types=3, n_latent=4, seed=0, shift=0.0):
    """Draw latents around the corners of a simplex; return them and the corners."""
    rng = np.random.default_rng(seed)
    codes = np.arange(n_samples) % n_types
    corners = 3 * np.eye(n_types, n_latent)
    stretch = np.linspace(0.3, 1.0, n_latent)
    latent = corners[codes] + stretch * rng.normal(size=(n_samples, n_latent))
    return latent + shift, codes


def make_probabilities(n_samples, n_types, seed=0):
    """Draw positive probabilities."""
    scores = np.random.default_rng(seed).normal(size=(n_samples, n_types))
    return np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)


# ---------------------------------------------------------- reference implementations


def describe_slowly(latent, codes, n_types):
    """Describe types with loops."""
    n_latent = latent.shape[1]
    means, covariance, n_many = [], np.zeros((n_latent, n_latent)), 0
    for c in range(n_types):
        members = [z for z, code in zip(latent, codes, strict=True) if code == c]
        means.append(sum(members) / len(members))
        if len(members) > 1:
            n_many += 1
            for z in members:
                away = z - means[c]
                covariance += np.outer(away, away) / len(members)
    covariance /= n_many
    variance = sum(covariance[k, k] for k in range(n_latent)) / n_latent
    sphere = variance * np.eye(n_latent)
    return np.array(means), (1 - ROUNDNESS) * covariance + ROUNDNESS * sphere


def move_slowly(means, latent, probabilities, shrinkage):
    """Move types with loops."""
    n_types, n_latent = means.shape
    own, trust = np.zeros_like(means), np.zeros(n_types)
    cells = np.zeros(n_types)
    for c in range(n_types):
        for z, p in zip(latent, probabilities, strict=True):
            cells[c] += p[c]
            own[c] += p[c] * z
        own[c] /= cells[c]
        trust[c] = cells[c] / (cells[c] + shrinkage)
    shift = np.zeros(n_latent)
    for c in range(n_types):
        shift += trust[c] * (own[c] - means[c]) / (sum(trust) + 0.1)
    moved = np.zeros_like(means)
    for c in range(n_types):
        moved[c] = trust[c] * own[c] + (1 - trust[c]) * (means[c] + shift)
    spread = 0.0
    for z, p in zip(latent, probabilities, strict=True):
        for c in range(n_types):
            spread += p[c] * sum((z - moved[c]) ** 2)
    spread = max(1.0, spread / (len(latent) * n_latent))
    log_prior = [
        math.log((cells[c] + PRIOR_CELLS) / (sum(cells) + n_types * PRIOR_CELLS))
        for c in range(n_types)
    ]
    return moved, spread, log_prior


def ask_slowly(moved, spread, log_prior, latent):
    """Return the posterior of normal distributions, cell by cell."""
    found = []
    for z in latent:
        scores = [
            math.exp(log_prior[c] - sum((z - moved[c]) ** 2) / (2 * spread))
            for c in range(len(moved))
        ]
        found.append([score / sum(scores) for score in scores])
    return np.array(found)


def adapt_slowly(means, latents, probabilities, *, shrinkage, max_iter, tol):
    """Adapt the types of several networks with loops."""
    current = probabilities
    labels = [[max(range(len(p)), key=p.__getitem__) for p in current.tolist()]]
    centroids = [np.concatenate(means, axis=1)]
    for _ in range(max_iter):
        moves = [
            move_slowly(m, z, current, shrinkage)
            for m, z in zip(means, latents, strict=True)
        ]
        answers = [ask_slowly(*m, z) for m, z in zip(moves, latents, strict=True)]
        current = sum(answers) / len(answers)
        mixed = ADAPTED_SHARE * current + (1 - ADAPTED_SHARE) * probabilities
        labels.append([max(range(len(p)), key=p.__getitem__) for p in mixed.tolist()])
        centroids.append(np.concatenate([m[0] for m in moves], axis=1))
        n_changed = sum(a != b for a, b in zip(labels[-1], labels[-2], strict=True))
        if n_changed / len(mixed) <= tol:
            return mixed, labels, centroids, True
    return mixed, labels, centroids, False


# -------------------------------------------------------------------------- functions


def test_describe_types():
    latent, codes = make_latent(61)
    latent, codes = np.vstack([latent, [9.0, 9.0, 9.0, 9.0]]), np.append(codes, 3)
    types = describe_types(latent, codes, 4)
    means, covariance = describe_slowly(latent, codes, 4)
    np.testing.assert_allclose(types.means, means @ types.whiten, rtol=1e-9)
    # Whitened, the covariance is 1.
    np.testing.assert_allclose(
        types.whiten.T @ covariance @ types.whiten, np.eye(4), atol=1e-9
    )


@pytest.mark.parametrize("n_cells", [1, 3])
def test_types_that_are_points_are_not_whitened(n_cells):
    corners = np.random.default_rng(0).normal(size=(4, 5))
    latent = np.repeat(corners, n_cells, axis=0)
    codes = np.repeat(np.arange(4), n_cells)
    types = describe_types(latent, codes, 4)
    np.testing.assert_allclose(types.whiten, np.eye(5))
    np.testing.assert_allclose(types.means, corners)


def test_a_type_of_few_cells_counts_as_much_as_one_of_many():
    rng = np.random.default_rng(0)
    narrow, wide = rng.normal(size=(1000, 2)), 5 * rng.normal(size=(10, 2))
    latent = np.vstack([narrow, wide])
    types = describe_types(latent, np.repeat([0, 1], [1000, 10]), 2)
    variance = 1 / np.diag(types.whiten).mean() ** 2
    assert variance == pytest.approx((1 + wide.var()) / 2, rel=0.2)


def test_label_smoothing_is_undone(subtests):
    for label_smoothing in [0.0, 0.2, 0.9]:
        with subtests.test(label_smoothing=label_smoothing):
            said = make_probabilities(20, 4)
            smoothed = (1 - label_smoothing) * said + label_smoothing / 4
            found = undo_label_smoothing(np.log(smoothed) + 7.0, label_smoothing)
            np.testing.assert_allclose(found, said, atol=1e-5)
            np.testing.assert_allclose(found.sum(axis=1), 1.0)


def test_undo_label_smoothing_of_scores_beyond_the_smoothed_range():
    found = undo_label_smoothing(np.array([[0.0, -800.0, -9.0]]), 0.2)
    assert (found > 0).all()
    assert found[0, 0] > 0.99999
    assert found.sum() == pytest.approx(1.0)


def test_undo_label_smoothing_along_the_last_axis():
    scores = np.random.default_rng(0).normal(size=(5, 2, 3))
    found = undo_label_smoothing(scores, 0.2)
    for k in range(2):
        np.testing.assert_array_equal(
            found[:, k], undo_label_smoothing(scores[:, k], 0.2)
        )


def test_move_types(subtests):
    for shrinkage, spread in product([0.0, 1.0, 30.0, 1e6], [0.5, 4.0]):
        with subtests.test(shrinkage=shrinkage, spread=spread):
            latent, _ = make_latent(shift=1.0)
            latent = spread * latent
            means = 3 * np.eye(3, 4)
            probabilities = make_probabilities(60, 3)
            found = move_types(
                SourceTypes(means, None), latent, probabilities, shrinkage
            )
            moved, width, log_prior = move_slowly(
                means, latent, probabilities, shrinkage
            )
            np.testing.assert_allclose(found.means, moved, rtol=1e-10, atol=1e-10)
            assert found.spread == pytest.approx(width)
            np.testing.assert_allclose(found.log_prior, log_prior)
            assert np.exp(found.log_prior).sum() == pytest.approx(1.0)


def test_shrinkage_is_the_number_of_cells_that_go_half_way():
    # The shared shift of two types with opposite shifts is 0.
    latent = np.repeat([[-1.0], [1.0]], 20, axis=0)
    probabilities = np.repeat(np.eye(2), 20, axis=0)
    types = SourceTypes(np.zeros((2, 1)), None)
    for shrinkage, way in [(0.0, 1.0), (20.0, 0.5), (180.0, 0.1)]:
        found = move_types(types, latent, probabilities, shrinkage)
        np.testing.assert_allclose(found.means, [[-way], [way]])


@pytest.mark.parametrize("shrinkage", [0.0, 30.0])
def test_a_type_without_a_cell_moves_as_the_others_do(shrinkage):
    latent, codes = make_latent(60, 2, shift=2.0)
    probabilities = np.eye(3)[codes]
    means = np.vstack([3 * np.eye(2, 4), np.full(4, 50.0)])
    found = move_types(SourceTypes(means, None), latent, probabilities, shrinkage)
    moves = found.means - means
    assert np.isfinite(found.means).all()
    # Approximately, because the shared shift is slightly shrunk.
    np.testing.assert_allclose(moves[2], moves[:2].mean(axis=0), rtol=0.25)
    assert found.log_prior[2] == pytest.approx(math.log(10 / 90))


def test_squared_distances_row_by_row():
    latent, _ = make_latent(50, n_latent=65)
    means = latent[:7] + 0.5
    found = squared_distances(latent, means)
    for i, c in itertools.product(range(50), range(7)):
        assert found[i, c] == pytest.approx(sum((latent[i] - means[c]) ** 2))
    for i in range(50):
        alone = squared_distances(latent[i : i + 1], means)
        np.testing.assert_array_equal(alone, found[i : i + 1])


def test_mean_posterior_and_mix():
    latents = [make_latent(seed=seed)[0] for seed in range(2)]
    moved = [
        MovedTypes(3 * np.eye(3, 4) + 0.1 * k, 1.0 + k, np.log([0.2, 0.3, 0.5]))
        for k in range(2)
    ]
    expected = [ask_slowly(*m, z) for m, z in zip(moved, latents, strict=True)]
    mean = (expected[0] + expected[1]) / 2
    found = mean_posterior(moved, latents)
    np.testing.assert_allclose(found, mean, atol=1e-12)
    said = make_probabilities(60, 3)
    mixed = mix(said, found)
    np.testing.assert_allclose(mixed, 0.7 * mean + 0.3 * said, atol=1e-12)
    np.testing.assert_allclose(mixed.sum(axis=1), 1.0)


def test_posterior_far_from_every_type():
    moved = MovedTypes(np.array([[0.0], [1.0]]), 1.0, np.log([0.5, 0.5]))
    found = mean_posterior([moved], [np.array([[1e6], [-1e6]])])
    assert found.round(6).tolist() == [[0.0, 1.0], [1.0, 0.0]]


# ------------------------------------------------------------------------- all steps


def test_adapt(subtests):
    for options, n_networks in product(
        [
            {"shrinkage": 30.0, "max_iter": 30, "tol": 0.0},
            {"shrinkage": 0.0, "max_iter": 30, "tol": 0.001},
            {"shrinkage": 5.0, "max_iter": 1, "tol": 0.0},
            {"shrinkage": 5.0, "max_iter": 30, "tol": 0.2},
        ],
        [1, 2],
    ):
        with subtests.test(options=options, n_networks=n_networks):
            latents = [
                make_latent(seed=seed, shift=1.0)[0] for seed in range(n_networks)
            ]
            means = [3 * np.eye(3, 4) - 0.2 * k for k in range(n_networks)]
            said = make_probabilities(60, 3, seed=4)
            found = adapt(
                [SourceTypes(m, None) for m in means], said, latents, **options
            )
            mixed, labels, centroids, converged = adapt_slowly(
                means, latents, said, **options
            )
            np.testing.assert_allclose(found.probabilities, mixed, atol=1e-10)
            np.testing.assert_array_equal(found.labels, labels)
            np.testing.assert_allclose(found.centroids, centroids, atol=1e-10)
            assert found.converged == converged
            assert len(labels) <= options["max_iter"] + 1
            # The moved types are those that gave the probabilities.
            mixed = mix(said, mean_posterior(found.moved, latents))
            np.testing.assert_array_equal(mixed, found.probabilities)


def test_adapt_finds_types_that_all_moved():
    shift = np.array([2.4, 0.0, 0.0, 1.0])
    latent, codes = make_latent(300, shift=shift)
    types = SourceTypes(3 * np.eye(3, 4), None)
    at = MovedTypes(types.means, 1.0, np.zeros(3))
    said = mean_posterior([at], [latent])
    found = adapt([types], said, [latent], 30.0, max_iter=50, tol=0.0)
    assert found.converged
    assert np.mean(found.labels[0] == codes) < 0.9
    assert np.mean(found.labels[-1] == codes) > 0.98
    moves = found.moved[0].means - types.means
    np.testing.assert_allclose(moves, np.tile(shift, (3, 1)), atol=0.25)


def test_adapt_changes_nothing_it_is_given():
    latent, _ = make_latent()
    said, means = make_probabilities(60, 3), 3 * np.eye(3, 4)
    for array in (latent, said, means):
        array.flags.writeable = False
    adapt([SourceTypes(means, None)], said, [latent], 0.0, max_iter=3, tol=0.0)


def test_not_adapted():
    types = [SourceTypes(k + np.eye(3, 4), None) for k in range(2)]
    said = make_probabilities(60, 3)
    found = not_adapted(types, said)
    assert found.moved is found.shrinkage is None
    assert found.converged
    assert found.probabilities is said
    np.testing.assert_array_equal(found.labels, [said.argmax(axis=1)])
    np.testing.assert_array_equal(
        found.centroids, [np.hstack([t.means for t in types])]
    )
    assert not_adapted(types, said[:0]).labels[0].shape == (0,)


@pytest.mark.parametrize(
    ("scores", "n_tried"),
    [
        ([0.9, 0.9], 1),
        ([0.9, 0.881], 1),  # hardly worse
        ([0.9, 0.87, 0.95], 2),
        ([0.9, 0.1, 0.1, 0.89], 3),
        ([0.9, 0.1, 0.2, 0.3], 3),
        ([np.nan, 0.1], 1),  # nothing can be said
        ([0.9, np.nan], 1),
    ],
)
@pytest.mark.parametrize("shrinkage", [0.0, 2.0])
def test_adapt_with_backoff(scores, n_tried, shrinkage, monkeypatch):
    types, (latent, _) = SourceTypes(3 * np.eye(3, 4), None), make_latent(shift=0.1)
    at = MovedTypes(types.means, 1.0, np.zeros(3))
    said, tried, left = mean_posterior([at], [latent]), [], iter(scores)

    def watched(types, probabilities, latents, shrinkage, **options):
        tried.append(shrinkage)
        return adapt(types, probabilities, latents, shrinkage, **options)

    monkeypatch.setattr(_adaptation, "adapt", watched)
    monkeypatch.setattr(_adaptation, "reverse_score", lambda *args: next(left))
    found = adapt_with_backoff(
        [types], said, [latent], shrinkage, None, None, None, max_iter=5, tol=0.0
    )
    # With a shrinkage of 0 all trials are the same.
    n_tried = n_tried if shrinkage else 1
    assert tried == [shrinkage, 3 * shrinkage, 10 * shrinkage][:n_tried]
    np.testing.assert_array_equal(found.reverse_score, [scores[0], scores[n_tried]])
    if scores[n_tried] < scores[0] - 0.02:
        assert found.moved is found.shrinkage is None
        assert found.probabilities is said
    else:
        assert found.shrinkage == tried[-1]
        assert len(found.moved) == 1


# ---------------------------------------------------------------- reverse validation


def test_reverse_score_tells_good_labels_from_bad_ones():
    source, codes = make_latent(90)
    target, true = make_latent(60, seed=1)
    assert reverse_score(source, codes, target, true) > 0.9
    assert reverse_score(source, codes, target, (true + 1) % 3) < 0.1
    confused = np.random.default_rng(0).permutation(true)
    assert 0.1 < reverse_score(source, codes, target, confused) < 0.6


def test_reverse_score_is_the_mean_of_the_types():
    # Separated at 0, as in the target, 0 of 90 and 4 of 10 source cells are right.
    target = np.r_[np.linspace(-2, -1, 20), np.linspace(1, 2, 20)][:, None]
    labels = np.repeat([0, 1], 20)
    source = np.r_[np.ones(90), np.full(6, -1.0), np.full(4, 1.0)][:, None]
    codes = np.repeat([0, 1], [90, 10])
    assert reverse_score(source, codes, target, labels) == pytest.approx(0.2)


def test_reverse_score_leaves_out_types_of_few_cells():
    source, codes = make_latent(90)
    target, true = make_latent(60, seed=1)
    labels = np.where(true == 2, 1, true)
    rare = labels.copy()
    rare[np.flatnonzero(true == 2)[: FEWEST_CELLS - 1]] = 2
    told = rare != 2
    assert reverse_score(source, codes, target, rare) == reverse_score(
        source, codes, target[told], rare[told]
    )
    one_more = labels.copy()
    one_more[np.flatnonzero(true == 2)[:FEWEST_CELLS]] = 2
    found = reverse_score(source, codes, target, one_more)
    assert found != reverse_score(source, codes, target, rare)


@pytest.mark.parametrize("n_other", [0, FEWEST_CELLS - 1])
def test_reverse_score_of_one_type(n_other):
    source, codes = make_latent(90)
    target, _ = make_latent(60, seed=1)
    labels = np.zeros(60, dtype=int)
    labels[:n_other] = 1
    assert np.isnan(reverse_score(source, codes, target, labels))


def test_reverse_score_of_cells_that_are_all_alike():
    source, codes = make_latent(90)
    labels = np.repeat([0, 1], 30)
    found = reverse_score(np.zeros_like(source), codes, np.zeros((60, 4)), labels)
    assert found == 0.5


def test_an_adaptation_is_steady_unless_a_type_takes_many_cells():
    start = np.repeat([0, 1, 2], [40, 40, 5])
    end = start.copy()
    assert is_steady(start, end, 3)
    end[:10] = 1  # a fifth of the 50 cells of type 1 came from type 0
    assert is_steady(start, end, 3)
    end[:11] = 1
    assert not is_steady(start, end, 3)
    # Types with few cells do not count.
    end = start.copy()
    end[:4] = 2
    assert is_steady(start, end, 3)
    assert cluster_confidence(start, end, 4)[2] == 5 / 9
    assert np.isnan(cluster_confidence(start, end, 4)[3])
