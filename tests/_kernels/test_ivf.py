"""Inverted-file index against plain numpy, for any blocks and number of threads."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pytest
from joblib import Parallel
from threadpoolctl import threadpool_limits

from celltyping.transformers._embedding.out_of_sample import (
    BLOCK,
    build_ivf,
    nystroem_extension,
    weighted_neighbor_mean,
)

EVERYWHERE = 10**6  # more probes than there are cells


def points(n_rows, n_columns=7, n_values=3, dtype=np.float64, seed=0):
    """Draw points in clumps, and their values."""
    rng = np.random.default_rng(seed)
    clumps = 3 * rng.normal(size=(10, n_columns))
    keys = clumps[rng.integers(0, 10, n_rows)] + rng.normal(size=(n_rows, n_columns))
    return keys.astype(dtype), rng.normal(size=(n_rows, n_values)).astype(dtype)


def answer(index, queries, *, temperature=0.5, n_neighbors=10, n_probes=8, n_jobs=1):
    """Call `weighted_neighbor_mean` with read-only arrays."""
    for array in (*index, queries):
        array.setflags(write=False)
    with Parallel(n_jobs=n_jobs, prefer="threads") as parallel:
        return weighted_neighbor_mean(
            index,
            queries,
            temperature,
            n_neighbors=n_neighbors,
            n_probes=n_probes,
            parallel=parallel,
        )


def plain_answer(keys, values, queries, temperature, n_neighbors=10):
    """Compute all distances."""
    squares = ((queries[:, np.newaxis] - keys) ** 2).sum(axis=2)
    nearest = np.argsort(squares, axis=1)[:, :n_neighbors]
    squares = np.take_along_axis(squares, nearest, axis=1)
    unit = squares.mean(axis=1, keepdims=True)
    weights = np.exp((squares[:, :1] - squares) / (temperature * unit))
    weights /= weights.sum(axis=1, keepdims=True)
    return np.einsum("qk,qkd->qd", weights, values[nearest])


@pytest.mark.pure_python
@pytest.mark.parametrize("n_rows", [1, 5, 127, 128, 1000])
def test_the_index_has_every_row_once(n_rows):
    keys, values = points(n_rows)
    index = build_ivf(keys, values, seed=0)
    rows = np.hstack([index.keys, index.values])
    np.testing.assert_array_equal(
        np.unique(rows, axis=0), np.unique(np.hstack([keys, values]), axis=0)
    )
    assert index.cell_starts[0] == 0
    assert index.cell_starts[-1] == n_rows
    assert (np.diff(index.cell_starts) > 0).all()
    assert (len(index.centres) == 1) == (n_rows < 128)


def test_a_row_is_in_the_cell_of_its_nearest_centre():
    index = build_ivf(*points(1000), seed=0)
    distances = np.linalg.norm(index.keys[:, np.newaxis] - index.centres, axis=2)
    cells = np.repeat(np.arange(len(index.centres)), np.diff(index.cell_starts))
    np.testing.assert_array_equal(distances.argmin(axis=1), cells)
    for k, radius in enumerate(index.radii):
        np.testing.assert_allclose(radius, distances[cells == k, k].max())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("temperature", [1e-9, 0.1, 10.0, 1e4])
@pytest.mark.parametrize("n_rows", [1, 50, 700])
def test_all_cells_give_what_numpy_gives(n_rows, temperature, dtype):
    keys, values = points(n_rows, dtype=dtype)
    queries = points(90, dtype=dtype, seed=1)[0]
    found = answer(
        build_ivf(keys, values, seed=0),
        queries,
        temperature=temperature,
        n_probes=EVERYWHERE,
    )
    expected = plain_answer(keys, values, queries, temperature)
    assert found.dtype == dtype
    # At a temperature near 0 rounding decides between the nearest two.
    tolerance = 1e-9 if dtype == np.float64 else 1e-3
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.pure_python
def test_tight_groups_are_told_apart_as_loose_ones_are():
    keys, values = points(700)
    queries = points(90, seed=1)[0]
    loose = answer(build_ivf(keys, values, seed=0), queries, n_probes=EVERYWHERE)
    tight = build_ivf(keys / 1024, values, seed=0)
    found = answer(tight, queries / 1024, n_probes=EVERYWHERE)
    np.testing.assert_allclose(found, loose, rtol=1e-12)


def test_few_probes_are_nearly_as_good_as_all():
    keys, _ = points(12_000, n_columns=8)
    values = np.arange(10_000.0)[:, np.newaxis]
    keys, queries = keys[:10_000], keys[10_000:]
    index = build_ivf(keys, values, seed=0)
    right = answer(index, queries, temperature=1e-9, n_probes=EVERYWHERE)
    assert np.mean(answer(index, queries, temperature=1e-9) == right) > 0.98
    one = answer(index, queries, temperature=1e-9, n_probes=1)
    assert 0.3 < np.mean(one == right) < 0.95


def test_a_row_of_the_index_gets_its_value():
    keys, values = points(1000)
    index = build_ivf(keys, values, seed=0)
    found = answer(index, keys, temperature=1e-6, n_probes=1)
    np.testing.assert_allclose(found, values)


def test_equal_rows_share_their_answer():
    keys = np.zeros((300, 4))
    values = np.arange(300.0)[:, np.newaxis]
    index = build_ivf(keys, values, seed=0)
    for query in (np.zeros((1, 4)), np.ones((1, 4))):
        found = answer(index, query, n_neighbors=400, n_probes=EVERYWHERE)
        np.testing.assert_allclose(found, [[149.5]])


def test_far_queries_do_not_overflow():
    keys, values = points(500)
    index = build_ivf(keys, values, seed=0)
    assert np.isfinite(answer(index, np.full((1, 7), 1e100))).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_row_does_not_depend_on_its_block(dtype):
    keys, values = points(2000, dtype=dtype)
    queries = points(2 * BLOCK + 3, dtype=dtype, seed=1)[0]
    index = build_ivf(keys, values, seed=0)
    together = answer(index, queries)
    np.testing.assert_array_equal(answer(index, queries, n_jobs=2), together)
    for rows in ([0], [BLOCK - 1, 5], [2 * BLOCK + 2], slice(3, 90)):
        alone = answer(index, np.ascontiguousarray(queries[rows]))
        np.testing.assert_array_equal(alone, together[rows])
    assert answer(index, queries[:0]).shape == (0, 3)


def test_keys_of_half_the_size_answer_in_the_dtype_of_the_queries():
    keys, values = points(1000)
    queries = points(90, seed=1)[0]
    halved = build_ivf(keys.astype(np.float32), values.astype(np.float32), seed=0)
    found = answer(halved, queries, n_probes=EVERYWHERE)
    assert found.dtype == np.float64
    expected = plain_answer(keys, values, queries, 0.5)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    again = plain_answer(
        halved.keys.astype(np.float64), halved.values.astype(np.float64), queries, 0.5
    )
    np.testing.assert_allclose(found, again, rtol=1e-9, atol=1e-9)


def test_seed_alone_decides():
    keys, values = points(3000)
    index = build_ivf(keys, values, seed=0)
    with threadpool_limits(limits=1):
        again = build_ivf(keys, values, seed=0)
    for one, two in zip(index, again, strict=True):
        np.testing.assert_array_equal(one, two)
    other = build_ivf(keys, values, seed=1)
    assert not np.array_equal(other.keys, index.keys)


def extended(index, queries, factors, *, n_neighbors=5, n_probes=8, n_jobs=1):
    """Call `nystroem_extension` with read-only arrays."""
    for array in (*index, queries, factors):
        array.setflags(write=False)
    with Parallel(n_jobs=n_jobs, prefer="threads") as parallel:
        return nystroem_extension(
            index,
            queries,
            factors,
            n_neighbors=n_neighbors,
            n_probes=n_probes,
            parallel=parallel,
        )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_neighbors", [1, 2, 5, 80])
@pytest.mark.parametrize("n_rows", [1, 4, 50, 700])
def test_extension_gives_what_numpy_gives(n_rows, n_neighbors, dtype):
    keys, values = points(n_rows, dtype=dtype)
    queries = points(90, dtype=dtype, seed=1)[0]
    factors = np.array([1.0, 1.5, -2.0])
    found = extended(
        build_ivf(keys, values, seed=0),
        queries,
        factors,
        n_neighbors=n_neighbors,
        n_probes=EVERYWHERE,
    )
    distances = np.linalg.norm(queries[:, np.newaxis] - keys, axis=2)
    nearest = np.argsort(distances, axis=1)[:, :n_neighbors]
    distances = np.take_along_axis(distances, nearest, axis=1)
    weights = np.exp(-distances / np.median(distances, axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    expected = np.einsum("qk,qkd->qd", weights, values[nearest]) * factors
    assert found.dtype == dtype
    tolerance = 1e-9 if dtype == np.float64 else 1e-3
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def test_extension_leaves_rows_as_they_are():
    keys, values = points(1000)
    keys[1], keys[2] = keys[0], keys[0]
    index = build_ivf(keys, values, seed=0)
    found = extended(index, keys, np.full(3, 2.0), n_probes=1)
    np.testing.assert_allclose(found[3:], values[3:])
    for row in range(3):
        np.testing.assert_allclose(found[row], values[:3].mean(axis=0))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_extended_row_does_not_depend_on_its_block(dtype):
    keys, values = points(2000, dtype=dtype)
    queries = points(2 * BLOCK + 3, dtype=dtype, seed=1)[0]
    index, factors = build_ivf(keys, values, seed=0), np.ones(3)
    together = extended(index, queries, factors)
    np.testing.assert_array_equal(extended(index, queries, factors, n_jobs=2), together)
    for rows in ([0], [BLOCK - 1, 5], [2 * BLOCK + 2], slice(3, 90)):
        alone = extended(index, np.ascontiguousarray(queries[rows]), factors)
        np.testing.assert_array_equal(alone, together[rows])
    assert extended(index, queries[:0], factors).shape == (0, 3)


def test_extension_to_far_queries_does_not_overflow():
    keys, values = points(500)
    found = extended(
        build_ivf(keys, values, seed=0), np.full((1, 7), 1e100), np.ones(3)
    )
    assert np.isfinite(found).all()
