"""Novelty of cells, against loops; unusual tables."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from itertools import product

import numpy as np
import pytest
from scipy import sparse
from sklearn.decomposition import PCA

from celltyping.estimators._itclust import novelty as novelty_module
from celltyping.estimators._itclust.novelty import (
    N_COMPONENTS,
    N_NEAREST,
    N_NEIGHBORS,
    choose_cells,
    distances_to_labelled,
    draw_cells,
    fit_components,
    fit_novelty,
    project,
    project_together,
    score_novelty,
)


def state(seed=0):
    """Return a random state."""
    return np.random.RandomState(seed)


def make_cells(n_samples=80, n_features=40, n_types=4, seed=0):
    """Draw nonnegative cells, about half of them zeros."""
    rng = np.random.default_rng(seed)
    means = np.random.default_rng(99).normal(size=(n_types, n_features))
    noise = 0.5 * rng.normal(size=(n_samples, n_features))
    return np.maximum(means[np.arange(n_samples) % n_types] + noise, 0)


def nearest(cell, others, k):
    """Return the distances to the nearest of some cells, and their indices."""
    distances = np.array([np.sqrt(sum((cell - other) ** 2)) for other in others])
    order = np.argsort(distances)[:k]
    return distances[order], order


# --------------------------------------------------------------------- chosen cells


def test_choose_cells_takes_all_there_are():
    codes = np.repeat([0, 1], [5, 3])
    for max_cells in (8, 9):
        assert choose_cells(codes, max_cells, state()).tolist() == list(range(8))


def test_choose_cells_is_fair_to_types(subtests):
    for max_cells, expected in [(3, [1, 1, 1]), (7, [3, 3, 1]), (30, [24, 5, 1])]:
        with subtests.test(max_cells=max_cells):
            codes = np.random.default_rng(0).permutation(
                np.repeat([0, 1, 2], [100, 5, 1])
            )
            rows = choose_cells(codes, max_cells, state())
            assert np.array_equal(rows, np.unique(rows))
            counts = np.bincount(codes[rows], minlength=3)
            assert counts.sum() == max_cells
            assert sorted(counts, reverse=True) == expected
            assert np.array_equal(choose_cells(codes, max_cells, state()), rows)
            assert not np.array_equal(choose_cells(codes, max_cells, state(1)), rows)


# ----------------------------------------------------------------------- components


def test_components_are_principal(subtests):
    for layout, dtype in product(
        [np.asarray, sparse.csr_array, sparse.csr_matrix], [np.float32, np.float64]
    ):
        with subtests.test(layout=layout, dtype=dtype):
            X = make_cells().astype(dtype)
            components = fit_components(layout(X), state())
            found = project(components, layout(X))
            assert found.dtype == np.float64
            expected = PCA(N_COMPONENTS, svd_solver="full").fit_transform(
                X.astype(np.float64)
            )
            found *= np.sign((found * expected).sum(axis=0))
            atol = 1e-3 if dtype == np.float32 else 1e-8
            np.testing.assert_allclose(found, expected, atol=atol)


def test_a_projection_does_not_depend_on_the_other_cells(subtests):
    for layout, dtype in product(
        [np.asarray, sparse.csr_array], [np.float32, np.float64]
    ):
        with subtests.test(layout=layout, dtype=dtype):
            X = make_cells(2500).astype(dtype)
            components = fit_components(layout(X[:80]), state())
            found = project(components, layout(X))
            for start, end in [(0, 1), (7, 30), (1020, 1030), (2499, 2500)]:
                part = project(components, layout(X[start:end]))
                np.testing.assert_allclose(part, found[start:end], atol=1e-12)


def test_components_of_odd_tables(subtests):
    for layout, (X, n_components), dtype in product(
        [np.asarray, sparse.csr_array],
        [
            (make_cells(80, 1), 1),
            (make_cells(80, 2), 1),
            (make_cells(2, 40), 1),
            (make_cells(3, 40), 2),
            (make_cells(1, 40), 1),
            (make_cells(1, 1), 1),
            (np.zeros((20, 40)), 1),
            (np.ones((20, 40)) / 3, 1),
            (np.tile(make_cells(1, 40), (20, 1)), 1),
            (np.repeat(make_cells(4, 40), 20, axis=0), N_COMPONENTS),
            (np.hstack([make_cells(80, 5), np.zeros((80, 60))]), N_COMPONENTS),
        ],
        [np.float32, np.float64],
    ):
        with subtests.test(layout=layout, X=X, n_components=n_components, dtype=dtype):
            X = X.astype(dtype)
            components = fit_components(layout(X), state())
            found = project(components, layout(X))
            assert found.shape == (len(X), n_components)
            assert np.isfinite(found).all()
            # With two genes there is one component.
            if X.shape[1] != 2:
                away = X.astype(np.float64) - X.mean(axis=0)
                np.testing.assert_allclose(
                    np.square(found).sum(axis=1),
                    np.square(away).sum(axis=1),
                    rtol=1e-4,
                    atol=1e-6,
                )


# ---------------------------------------------------------------------- distances


def test_distances_to_labelled(subtests):
    for n_source in [3, N_NEAREST, 50]:
        with subtests.test(n_source=n_source):
            source, target = make_cells(n_source, 5), make_cells(30, 5, seed=1)
            found = distances_to_labelled(source, target)
            for distance, cell in zip(found, target - target.mean(axis=0), strict=True):
                near, _ = nearest(cell, source - source.mean(axis=0), N_NEAREST)
                assert distance == pytest.approx(sum(near) / len(near))
            # A shift of the whole experiment does not count.
            np.testing.assert_allclose(
                distances_to_labelled(source, target + 3.0), found
            )


@pytest.mark.parametrize("layout", [np.asarray, sparse.csr_array])
def test_novelty(layout):
    X, new = make_cells(60, 40), make_cells(20, 40, seed=1)
    distances = np.random.default_rng(0).uniform(1, 3, 60)
    novelty = fit_novelty(layout(X), distances, state())
    pca = PCA(N_COMPONENTS, svd_solver="full").fit(X)
    keys = pca.transform(X)
    values = distances / np.quantile(distances, 0.25)
    near = [nearest(key, keys, N_NEIGHBORS)[1] for key in keys]
    for _ in range(2):
        values = np.array([values[rows].mean() for rows in near])
    values /= np.quantile(values, 0.25)
    for cells in (X, new):
        expected = [
            values[nearest(key, keys, N_NEIGHBORS)[1]].mean()
            for key in pca.transform(cells)
        ]
        np.testing.assert_allclose(score_novelty(novelty, layout(cells)), expected)


def test_novelty_of_few_cells(subtests):
    for n_cells in [1, 2, N_NEIGHBORS]:
        with subtests.test(n_cells=n_cells):
            X = make_cells(n_cells)
            novelty = fit_novelty(X, np.arange(1.0, n_cells + 1), state())
            assert (
                score_novelty(novelty, make_cells(7)).tolist()
                == [pytest.approx(1.0)] * 7
            )


def test_novelty_of_cells_that_are_as_the_labelled_ones():
    novelty = fit_novelty(make_cells(30), np.zeros(30), state())
    assert score_novelty(novelty, make_cells(7)).tolist() == [0.0] * 7


@pytest.mark.parametrize("layout", [np.asarray, sparse.csr_array])
def test_components_are_learnt_from_some_cells(layout, monkeypatch):
    monkeypatch.setattr(novelty_module, "MAX_CELLS", 35)
    X = layout(make_cells(200))
    seen = []

    def spy(X, random_state):
        seen.append(X.shape)
        return fit_components(X, random_state)

    monkeypatch.setattr(novelty_module, "fit_components", spy)
    novelty = fit_novelty(X, np.ones(200), state())
    assert seen == [(35, 40)]
    # All cells are kept as keys.
    assert novelty.keys.shape == (200, N_COMPONENTS)
    np.testing.assert_allclose(score_novelty(novelty, X), 1.0)


def test_nothing_that_is_given_is_changed():
    X, distances = make_cells(), np.ones(80)
    X.flags.writeable = distances.flags.writeable = False
    novelty = fit_novelty(X, distances, state())
    score_novelty(novelty, X)
    distances_to_labelled(X, X)


@pytest.mark.parametrize("layout", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("most", [35, 80, 3000])
def test_draw_cells(layout, most, monkeypatch):
    monkeypatch.setattr(novelty_module, "MAX_CELLS", most)
    marked = np.arange(1.0, 81)[:, None]
    table = layout(marked)
    drawn = draw_cells(table, state())
    assert drawn.shape == (min(most, 80), 1)
    values = drawn.toarray() if sparse.issparse(drawn) else drawn
    # Without duplicates, in order, and not just the first.
    assert (np.diff(values.ravel()) > 0).all()
    assert (values[-1] > most) == (most < 80)
    other = draw_cells(table, state(1))
    assert (abs(drawn - other).max() > 0) == (most < 80)
    # Rows are copies, even if all are drawn.
    parts = (drawn.data, table.data) if sparse.issparse(table) else (drawn, table)
    assert not np.shares_memory(*parts)


@pytest.mark.parametrize("layout", [np.asarray, sparse.csr_array])
def test_project_together(layout):
    source, target = make_cells(60, 40), make_cells(50, 40, seed=1) + 1.0
    found = project_together(layout(source), layout(target), state())
    pca = PCA(N_COMPONENTS, svd_solver="full").fit(np.vstack([source, target]))
    for projected, cells in zip(found, (source, target), strict=True):
        np.testing.assert_allclose(
            np.abs(projected), np.abs(pca.transform(cells)), atol=1e-6
        )
