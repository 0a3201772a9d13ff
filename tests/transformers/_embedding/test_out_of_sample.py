"""Out-of-sample maps against plain numpy: components, inputs, anchors."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import pickle

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.preprocessing import normalize
from threadpoolctl import threadpool_limits

from celltyping._nn._training import predict_float64
from celltyping.transformers._embedding import out_of_sample
from celltyping.transformers._embedding.out_of_sample import (
    N_NEAR,
    OUTPUT_WEIGHT,
    TEMPERATURE,
    InputPCA,
    OutOfSampleMap,
    pull_in,
)


def table(n_samples=60, n_features=8, seed=0):
    """Draw a table with decreasing variances, a nonzero mean and some zeros."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, n_features)) * np.arange(n_features, 0, -1)
    return (X + 3) * (rng.random(X.shape) < 0.7)


def fit_pca(X, n_columns, metric="euclidean"):
    """Fit principal components."""
    return InputPCA(metric).fit(X, n_columns, seed=0)


def plain_scores(X, n_columns):
    """Compute principal components, up to their signs."""
    u, s, _ = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)
    return np.abs(u * s)[:, :n_columns]


def test_principal_components(subtests):
    X = table()
    for layout in (np.asarray, sparse.csr_array, sparse.csr_matrix):
        for n_columns in (1, 3, 7):
            with subtests.test(layout=layout, n_columns=n_columns):
                pca = fit_pca(layout(X), n_columns)
                reduced = pca.transform(layout(X))
                assert type(reduced) is np.ndarray
                assert reduced.dtype == np.float64
                np.testing.assert_allclose(
                    np.abs(reduced), plain_scores(X, n_columns), atol=1e-8
                )


def test_a_narrow_table_keeps_its_columns(subtests):
    X = table()
    for layout in (np.asarray, sparse.csr_array):
        for n_columns in (8, 50, None):
            with subtests.test(layout=layout, n_columns=n_columns):
                pca = fit_pca(layout(X), n_columns)
                reduced = pca.transform(layout(X))
                np.testing.assert_allclose(reduced, X - X.mean(axis=0), atol=1e-12)
                np.testing.assert_allclose(
                    pca.inverse_transform(reduced), X, atol=1e-12
                )


def test_more_columns_than_rows(subtests):
    X = table(5, 30)
    for layout in (np.asarray, sparse.csr_array):
        with subtests.test(layout=layout):
            reduced = fit_pca(layout(X), 50).transform(layout(X))
            assert reduced.shape[1] in (4, 5)
            np.testing.assert_allclose(reduced @ reduced.T, _gram(X), atol=1e-8)


def _gram(X):
    """Compute the products of centred rows."""
    return (X - X.mean(axis=0)) @ (X - X.mean(axis=0)).T


@pytest.mark.parametrize("metric", ["cosine", "correlation"])
def test_directions(metric):
    X = table()
    directed = X - X.mean(axis=1, keepdims=True) if metric == "correlation" else X
    directed = normalize(directed)
    pca = fit_pca(X, 4, metric=metric)
    found = np.abs(pca.transform(X))
    np.testing.assert_allclose(found, plain_scores(directed, 4), atol=1e-8)
    # A direction is the same at any length.
    np.testing.assert_allclose(np.abs(pca.transform(7 * X)), found, atol=1e-8)


def test_correlation_of_a_sparse_table_is_refused():
    with pytest.raises(ValueError, match="metric='correlation' needs a dense X"):
        fit_pca(sparse.csr_array(table()), 4, metric="correlation")


def test_all_other_metrics_take_the_table_as_it_is():
    for metric in ("manhattan", len, "euclidean"):
        pca = fit_pca(table(), 4, metric=metric)
        np.testing.assert_array_equal(pca.mean, fit_pca(table(), 4).mean)
        assert pca.metric == "euclidean"


def test_unit(subtests):
    X = table()
    squares = np.square(X[:, np.newaxis] - X).sum(axis=2)
    for n_neighbors in (3, N_NEAR, 15):
        with subtests.test(n_neighbors=n_neighbors):
            pca = fit_pca(X, None)
            neighbors = np.argsort(squares, axis=1)[:, 1 : 1 + n_neighbors]
            near = neighbors[:, :N_NEAR]
            expected = np.sqrt(squares[np.arange(60)[:, np.newaxis], near].mean())
            reduced = pca.transform(X)
            pca.set_units(reduced, neighbors)
            np.testing.assert_array_equal(reduced, pca.transform(X))
            np.testing.assert_allclose(pca.unit, expected)
            np.testing.assert_allclose(
                pca.transform(X), (X - X.mean(axis=0)) / expected
            )
            np.testing.assert_allclose(
                pca.inverse_transform(pca.transform(X)), X, atol=1e-9
            )


def test_unit_of_equal_rows():
    X = np.ones((5, 3))
    pca = fit_pca(X, None)
    neighbors = (np.arange(5)[:, np.newaxis] + [1, 2]) % 5
    pca.set_units(pca.transform(X), neighbors)
    assert pca.unit == 1.0


def test_unit_without_some_neighbors():
    X = table()
    squares = np.square(X[:, np.newaxis] - X).sum(axis=2)
    neighbors = np.argsort(squares, axis=1)[:, 1:4]
    kept = squares[np.arange(60)[:, np.newaxis], neighbors]
    neighbors[5:, 2] = -1
    pca = fit_pca(X, None)
    pca.set_units(pca.transform(X), neighbors)
    np.testing.assert_allclose(pca.unit**2, kept[neighbors >= 0].mean())


def spoil(X):
    """Return a table with an outlier in each of two rows in a hundred."""
    X = X.copy()
    X[7, -1] = -9999
    X[11] *= 1e6
    return X


def units(X, n_columns, layout=np.asarray):
    """Return fitted components and their inputs of a network."""
    neighbors = np.argsort(np.square(X[:, np.newaxis] - X).sum(axis=2), axis=1)[:, 1:]
    pca = fit_pca(layout(X), n_columns)
    reduced = pca.transform(layout(X))
    pca.set_units(reduced, neighbors[:, :N_NEAR])
    return pca, pca.network_inputs(reduced)


def onehot():
    """Draw categories: most rows are equal to all their neighbours."""
    return np.eye(8)[np.arange(200) % 8] * 3


@pytest.mark.parametrize(
    ("X", "n_columns"),
    [(table(200, 30), 6), (table(200, 5), None), (np.abs(table(200, 2)) + 1, None)],
)
def test_outliers_move_no_scale(X, n_columns, subtests):
    clean = units(X, n_columns)[0]
    for layout in (np.asarray, sparse.csr_array, sparse.csr_matrix):
        with subtests.test(layout=layout):
            spoilt, inputs = units(spoil(X), n_columns, layout)
            assert 0.8 < clean.unit / spoilt.unit < 1.2
            scales = [pca.unit * pca.input_scale for pca in (clean, spoilt)]
            assert 0.6 < scales[0] / scales[1] < 1.7
            assert np.abs(clean.mean - spoilt.mean).max() < 0.5 * X.std()
            reaches = clean.reach * clean.unit, spoilt.reach * spoilt.unit
            np.testing.assert_allclose(*reaches, rtol=1 / 6)  # as documented beside FAR
            lengths = np.linalg.norm(inputs, axis=1)
            assert lengths.max() < 1.0001 * 6 * np.median(lengths)


def test_outliers_among_categories():
    clean, spoilt = units(onehot(), None)[0], units(spoil(onehot()), None)[0]
    assert clean.unit == 1.0
    assert spoilt.unit < 5
    assert 0.5 < spoilt.input_scale / spoilt.unit / clean.input_scale < 2


@pytest.mark.parametrize("n_centred", [50, 2000])
def test_far_rows_are_pulled_towards_the_median_row(n_centred, monkeypatch):
    monkeypatch.setattr(out_of_sample, "N_CENTRED", n_centred)
    X = table(200) + 100
    assert pull_in(X, 0) is X
    spoilt = X.copy()
    spoilt[:2] = 100 + 1e4 * (X[:2] - 100)
    found = pull_in(spoilt, 0)
    np.testing.assert_array_equal(found[2:], X[2:])
    centre = np.median(X, axis=0)
    distances = np.linalg.norm(found - centre, axis=1)
    np.testing.assert_allclose(distances[:2], 6 * np.median(distances), rtol=0.1)
    turned = np.sum((found - 100)[:2] * (X - 100)[:2], axis=1)
    turned /= np.linalg.norm(found[:2] - 100, axis=1) * np.linalg.norm(
        X[:2] - 100, axis=1
    )
    assert (turned > 0.95).all()


def test_far_rows_of_a_sparse_table():
    X = spoil(table(200) * (np.random.default_rng(1).random((200, 8)) < 0.4))
    expected = pull_in(X, 0)
    assert np.abs(expected).max() < 1000
    for kind in (sparse.csr_array, sparse.csr_matrix):
        found = pull_in(kind(X), 0)
        assert sparse.issparse(found)
        np.testing.assert_allclose(found.toarray(), expected, atol=1e-6)


def test_a_wide_table_of_equal_rows(subtests):
    for layout in (np.asarray, sparse.csr_array):
        for value in (0.0, 2.0):
            with subtests.test(layout=layout, value=value):
                X = layout(np.full((7, 30), value))
                pca = fit_pca(X, 4)
                np.testing.assert_allclose(pca.transform(X), 0, atol=1e-12)
                np.testing.assert_allclose(
                    pca.inverse_transform(np.zeros((1, 1))),
                    X[:1].toarray() if sparse.issparse(X) else X[:1],
                )


def test_restored_as_far_as_it_can_be():
    X = table()
    pca = fit_pca(X, 6)
    left = np.abs(pca.inverse_transform(pca.transform(X)) - X).mean()
    assert 0.01 < left < 0.2 * np.abs(X - X.mean(axis=0)).mean()


@pytest.mark.parametrize("layout", [np.asarray, sparse.csr_array])
def test_blocks_of_rows_change_nothing(layout, monkeypatch):
    X = layout(table())
    pca = fit_pca(X, 4)
    expected = pca.transform(X)
    monkeypatch.setattr(out_of_sample, "ROWS_AT_ONCE", 7)
    np.testing.assert_allclose(pca.transform(X), expected, atol=1e-12)


def test_the_number_of_threads_changes_nothing():
    X = table(300, 200)
    axes = []
    for n_threads in (1, 2):
        with threadpool_limits(limits=n_threads):
            axes.append(fit_pca(X, 20).axes)
    np.testing.assert_array_equal(*axes)


class Net:
    """Stands in for a skorch net."""

    def __init__(self, module):
        self.module_ = module


def make_map(X, n_anchors, *, inputs="features", residual=False, n_coordinates=0):
    """Make a map around random positions, with a random network."""
    rng = np.random.default_rng(1)
    pca = fit_pca(X, 4)
    pca.unit, pca.input_scale = 2.0, 0.7
    positions = rng.normal(size=(len(X), 2)) * 5 + [3, -2]
    mapping = OutOfSampleMap(
        pca,
        positions.mean(axis=0),
        float((positions - positions.mean(axis=0)).std()),
        inputs=inputs,
        residual=residual,
    )
    widths = {"features": 4, "spectral": n_coordinates, "raw": X.shape[1]}
    n_inputs = widths.get(inputs, 4 + n_coordinates) + 2 * residual
    with torch.random.fork_rng():
        torch.manual_seed(0)
        mapping.net = Net(torch.nn.Linear(n_inputs, 2))
    mapping.set_anchors(pca.transform(X), positions, n_anchors=n_anchors, seed=0)
    return mapping, positions


def plain_positions(mapping, anchors, positions, queries):
    """Compute the softmax-weighted mean over the nearest of all anchors."""
    columns = mapping.pca.transform(queries)
    output = predict_float64(mapping.net.module_, mapping.pca.input_scale * columns)
    standardized = (positions - mapping.centre) / mapping.scale
    found = []
    for column, proposal in zip(columns, output, strict=True):
        squares = np.square(mapping.pca.transform(anchors) - column).sum(axis=1)
        squares += 0.3 * np.square(standardized - proposal).sum(axis=1)
        nearest = np.argsort(squares)[:10]
        squares = squares[nearest]
        weights = np.exp(-(squares - squares[0]) / (0.02 * squares.mean()))
        found.append(weights @ positions[nearest] / weights.sum())
    return np.array(found)


def test_the_constants_are_those_of_the_docs():
    assert OUTPUT_WEIGHT == 0.3
    assert TEMPERATURE == 0.02
    assert N_NEAR == 10


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("rows_at_once", [7, 1000])
def test_positions_are_a_softmax_over_the_nearest_anchors(
    rows_at_once, n_jobs, monkeypatch
):
    monkeypatch.setattr(out_of_sample, "ROWS_AT_ONCE", rows_at_once)
    X, queries = table(), table(40, seed=1)
    mapping, positions = make_map(X, 60)
    expected = plain_positions(mapping, X, positions, queries)
    found = mapping(queries, n_jobs=n_jobs)
    assert found.dtype == np.float64
    # Keys are stored in single precision.
    np.testing.assert_allclose(found, expected, atol=1e-4)
    placed = mapping(queries[:1], n_jobs=n_jobs)
    np.testing.assert_allclose(placed, found[:1], rtol=1e-12)


def test_many_anchors_in_many_cells():
    X = table(1000)
    mapping, positions = make_map(X, 1000)
    assert len(mapping.index.centres) > 8
    queries = X[::50] + 0.01
    expected = plain_positions(mapping, X, positions, queries)
    near = np.abs(mapping(queries) - expected).max(axis=1) < 1e-3
    assert near.mean() >= 0.9


def test_fewer_anchors():
    X = table()
    mapping, positions = make_map(X, 20)
    kept = np.sort(np.random.RandomState(0).permutation(60)[:20])
    expected = plain_positions(mapping, X[kept], positions[kept], X)
    np.testing.assert_allclose(mapping(X), expected, atol=1e-4)
    mapping.set_anchors(mapping.pca.transform(X), positions, n_anchors=20, seed=1)
    assert np.abs(mapping(X) - expected).max() > 1


def test_no_anchors():
    X = table()
    mapping, _ = make_map(X, 0)
    inputs = 0.7 * mapping.pca.transform(X)
    output = predict_float64(mapping.net.module_, inputs)
    expected = output * mapping.scale + mapping.centre
    np.testing.assert_array_equal(mapping(X), expected)


def test_what_the_network_sees():
    X, coordinates = table(), np.random.default_rng(0).normal(size=(60, 3))
    columns = 0.7 * make_map(X, 0)[0].pca.transform(X)
    expected = {
        ("features", False): columns,
        ("features", True): np.hstack([columns, coordinates[:, :2]]),
        ("spectral", False): coordinates,
        ("spectral", True): np.hstack([coordinates, coordinates[:, :2]]),
        ("both", False): np.hstack([columns, coordinates]),
        ("both", True): np.hstack([columns, coordinates, coordinates[:, :2]]),
        ("raw", False): X,
    }
    for (inputs, residual), array in expected.items():
        mapping, _ = make_map(X, 0, inputs=inputs, residual=residual, n_coordinates=3)
        reduced = mapping.pca.transform(X)
        found = mapping.network_inputs(X, reduced, coordinates)
        np.testing.assert_array_equal(found, array)
        needed = residual or inputs in ("spectral", "both")
        assert mapping.needs_coordinates == needed
        output = predict_float64(mapping.net.module_, array)
        expected = output * mapping.scale + mapping.centre
        np.testing.assert_allclose(mapping(X, coordinates), expected)


def test_score_of_new_samples():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    mapping, _ = make_map(X, 0)
    reduced = 4 * mapping.pca.transform(X)
    known, new = np.arange(150), np.arange(150, 300)
    noise = 0.1 * rng.normal(size=(150, 2))
    # Positions that preserve neighbours, and network outputs that are noise.
    positions = mapping.centre + mapping.scale * reduced[:, :2]
    alone, with_anchors = mapping.score(reduced, noise, positions, known, new)
    assert alone < 0.2 < with_anchors
    exact = mapping.standardize(positions)[new]
    better, _ = mapping.score(reduced, exact, positions, known, new)
    assert better > alone + 0.2
    assert mapping.index is None
    again = mapping.score(reduced, noise, positions, known, new)
    assert again == (alone, with_anchors)
    swapped = mapping.score(reduced, noise, positions, new, known)
    assert swapped != again


def test_standardized():
    mapping, positions = make_map(table(), 0)
    found = mapping.standardize(positions.astype(np.float32))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(np.square(found).sum(), found.size, rtol=1e-5)


def test_a_copy_gives_the_same_positions():
    from skorch import NeuralNet

    X = table()
    mapping, _ = make_map(X, 60)
    mapping.net = NeuralNet(
        mapping.net.module_, criterion=torch.nn.MSELoss
    ).initialize()
    again = pickle.loads(pickle.dumps(mapping))
    assert again.net.module_ is not mapping.net.module_
    np.testing.assert_array_equal(again(X), mapping(X))
