"""Where new samples belong, against plain numpy: columns, inputs, anchors."""

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
    PROPOSAL_WEIGHT,
    TEMPERATURE,
    Placement,
    fit_reduction,
    reduce,
    restore,
    with_unit,
)


def table(n_samples=60, n_features=8, seed=0):
    """Draw a table of falling variances, off the origin, part of it 0."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, n_features)) * np.arange(n_features, 0, -1)
    return (X + 3) * (rng.random(X.shape) < 0.7)


def plain_scores(X, n_columns):
    """Compute principal components, up to their signs."""
    u, s, _ = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)
    return np.abs(u * s)[:, :n_columns]


@pytest.mark.parametrize("n_columns", [1, 3, 7])
@pytest.mark.parametrize("layout", [np.asarray, sparse.csr_array, sparse.csr_matrix])
def test_principal_components(layout, n_columns):
    X = table()
    reduction = fit_reduction(layout(X), n_columns, seed=0)
    reduced = reduce(reduction, layout(X))
    assert type(reduced) is np.ndarray
    assert reduced.dtype == np.float64
    np.testing.assert_allclose(np.abs(reduced), plain_scores(X, n_columns), atol=1e-8)


@pytest.mark.parametrize("n_columns", [8, 50, None])
@pytest.mark.parametrize("layout", [np.asarray, sparse.csr_array])
def test_a_narrow_table_keeps_its_columns(layout, n_columns):
    X = table()
    reduction = fit_reduction(layout(X), n_columns, seed=0)
    reduced = reduce(reduction, layout(X))
    np.testing.assert_allclose(reduced, X - X.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(restore(reduction, reduced), X, atol=1e-12)


@pytest.mark.parametrize("layout", [np.asarray, sparse.csr_array])
def test_more_columns_than_rows(layout):
    X = table(5, 30)
    reduced = reduce(fit_reduction(layout(X), 50, seed=0), layout(X))
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
    reduction = fit_reduction(X, 4, seed=0, metric=metric)
    found = np.abs(reduce(reduction, X))
    np.testing.assert_allclose(found, plain_scores(directed, 4), atol=1e-8)
    # A direction is the same at any length.
    np.testing.assert_allclose(np.abs(reduce(reduction, 7 * X)), found, atol=1e-8)


def test_correlation_of_a_sparse_table_is_refused():
    with pytest.raises(ValueError, match="metric='correlation' needs a dense X"):
        fit_reduction(sparse.csr_array(table()), 4, seed=0, metric="correlation")


@pytest.mark.parametrize("metric", ["manhattan", len, "euclidean"])
def test_all_other_metrics_take_the_table_as_it_is(metric):
    reduction = fit_reduction(table(), 4, seed=0, metric=metric)
    np.testing.assert_array_equal(reduction.mean, fit_reduction(table(), 4, 0).mean)
    assert reduction.metric == "euclidean"


@pytest.mark.parametrize("n_neighbors", [3, N_NEAR, 15])
def test_unit(n_neighbors):
    X = table()
    reduction = fit_reduction(X, None, seed=0)
    squares = np.square(X[:, np.newaxis] - X).sum(axis=2)
    neighbors = np.argsort(squares, axis=1)[:, 1 : 1 + n_neighbors]
    near = neighbors[:, :N_NEAR]
    expected = np.sqrt(squares[np.arange(60)[:, np.newaxis], near].mean())
    reduction = with_unit(reduction, reduce(reduction, X), neighbors)
    np.testing.assert_allclose(reduction.unit, expected)
    np.testing.assert_allclose(reduce(reduction, X), (X - X.mean(axis=0)) / expected)
    np.testing.assert_allclose(restore(reduction, reduce(reduction, X)), X, atol=1e-9)


def test_unit_of_equal_rows():
    X = np.ones((5, 3))
    reduction = fit_reduction(X, None, seed=0)
    neighbors = (np.arange(5)[:, np.newaxis] + [1, 2]) % 5
    assert with_unit(reduction, reduce(reduction, X), neighbors).unit == 1.0


@pytest.mark.parametrize("layout", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("value", [0.0, 2.0])
def test_a_wide_table_of_equal_rows(layout, value):
    X = layout(np.full((7, 30), value))
    reduction = fit_reduction(X, 4, seed=0)
    np.testing.assert_allclose(reduce(reduction, X), 0, atol=1e-12)
    np.testing.assert_allclose(
        restore(reduction, np.zeros((1, 1))),
        X[:1].toarray() if sparse.issparse(X) else X[:1],
    )


def test_restored_as_far_as_it_can_be():
    X = table()
    reduction = fit_reduction(X, 6, seed=0)
    left = np.abs(restore(reduction, reduce(reduction, X)) - X).mean()
    assert 0.01 < left < 0.2 * np.abs(X - X.mean(axis=0)).mean()


@pytest.mark.parametrize("layout", [np.asarray, sparse.csr_array])
def test_blocks_of_rows_change_nothing(layout, monkeypatch):
    X = layout(table())
    reduction = fit_reduction(X, 4, seed=0)
    expected = reduce(reduction, X)
    monkeypatch.setattr(out_of_sample, "ROWS_AT_ONCE", 7)
    np.testing.assert_allclose(reduce(reduction, X), expected, atol=1e-12)


def test_the_number_of_threads_changes_nothing():
    X = table(300, 200)
    axes = []
    for n_threads in (1, 2):
        with threadpool_limits(limits=n_threads):
            axes.append(fit_reduction(X, 20, seed=0).axes)
    np.testing.assert_array_equal(*axes)


class Net:
    """Stands in for a skorch net."""

    def __init__(self, module):
        self.module_ = module


def make_placement(X, n_anchors, *, takes="columns", residual=False, n_coordinates=0):
    """Make a placement around random places, with a random network."""
    rng = np.random.default_rng(1)
    reduction = fit_reduction(X, 4, seed=0)._replace(unit=2.0)
    places = rng.normal(size=(len(X), 2)) * 5 + [3, -2]
    placement = Placement(
        reduction,
        places.mean(axis=0),
        float((places - places.mean(axis=0)).std()),
        input_scale=0.7,
        takes=takes,
        residual=residual,
    )
    widths = {"columns": 4, "coordinates": n_coordinates, "features": X.shape[1]}
    n_inputs = widths.get(takes, 4 + n_coordinates) + 2 * residual
    with torch.random.fork_rng():
        torch.manual_seed(0)
        placement.net = Net(torch.nn.Linear(n_inputs, 2))
    placement.remember(reduce(reduction, X), places, n_anchors=n_anchors, seed=0)
    return placement, places


def plain_places(placement, anchors, places, queries):
    """Compute the softmax-weighted mean over the nearest of all anchors."""
    columns = reduce(placement.reduction, queries)
    proposed = predict_float64(placement.net.module_, placement.input_scale * columns)
    standardized = (places - placement.centre) / placement.scale
    found = []
    for column, proposal in zip(columns, proposed, strict=True):
        squares = np.square(reduce(placement.reduction, anchors) - column).sum(axis=1)
        squares += 0.3 * np.square(standardized - proposal).sum(axis=1)
        nearest = np.argsort(squares)[:10]
        squares = squares[nearest]
        weights = np.exp(-(squares - squares[0]) / (0.02 * squares.mean()))
        found.append(weights @ places[nearest] / weights.sum())
    return np.array(found)


def test_the_constants_are_those_of_the_docs():
    assert PROPOSAL_WEIGHT == 0.3
    assert TEMPERATURE == 0.02
    assert N_NEAR == 10


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("rows_at_once", [7, 1000])
def test_places_are_a_softmax_over_the_nearest_anchors(
    rows_at_once, n_jobs, monkeypatch
):
    monkeypatch.setattr(out_of_sample, "ROWS_AT_ONCE", rows_at_once)
    X, queries = table(), table(40, seed=1)
    placement, places = make_placement(X, 60)
    expected = plain_places(placement, X, places, queries)
    found = placement.place(queries, n_jobs=n_jobs)
    assert found.dtype == np.float64
    # Keys are remembered in single precision.
    np.testing.assert_allclose(found, expected, atol=1e-4)
    placed = placement.place(queries[:1], n_jobs=n_jobs)
    np.testing.assert_allclose(placed, found[:1], rtol=1e-12)


def test_many_anchors_in_many_cells():
    X = table(1000)
    placement, places = make_placement(X, 1000)
    assert len(placement.memory.centres) > 8
    queries = X[::50] + 0.01
    expected = plain_places(placement, X, places, queries)
    near = np.abs(placement.place(queries) - expected).max(axis=1) < 1e-3
    assert near.mean() >= 0.9


def test_fewer_anchors():
    X = table()
    placement, places = make_placement(X, 20)
    kept = np.sort(np.random.RandomState(0).permutation(60)[:20])
    expected = plain_places(placement, X[kept], places[kept], X)
    np.testing.assert_allclose(placement.place(X), expected, atol=1e-4)
    placement.remember(reduce(placement.reduction, X), places, n_anchors=20, seed=1)
    assert np.abs(placement.place(X) - expected).max() > 1


def test_no_anchors():
    X = table()
    placement, _ = make_placement(X, 0)
    inputs = 0.7 * reduce(placement.reduction, X)
    proposed = predict_float64(placement.net.module_, inputs)
    expected = proposed * placement.scale + placement.centre
    np.testing.assert_array_equal(placement.place(X), expected)


def test_what_the_network_sees():
    X, coordinates = table(), np.random.default_rng(0).normal(size=(60, 3))
    columns = 0.7 * reduce(make_placement(X, 0)[0].reduction, X)
    expected = {
        ("columns", False): columns,
        ("columns", True): np.hstack([columns, coordinates[:, :2]]),
        ("coordinates", False): coordinates,
        ("coordinates", True): np.hstack([coordinates, coordinates[:, :2]]),
        ("both", False): np.hstack([columns, coordinates]),
        ("both", True): np.hstack([columns, coordinates, coordinates[:, :2]]),
        ("features", False): X,
    }
    for (takes, residual), inputs in expected.items():
        placement, _ = make_placement(
            X, 0, takes=takes, residual=residual, n_coordinates=3
        )
        reduced = reduce(placement.reduction, X)
        found = placement.inputs(X, reduced, coordinates)
        np.testing.assert_array_equal(found, inputs)
        needed = residual or takes in ("coordinates", "both")
        assert placement.needs_coordinates == needed
        proposed = predict_float64(placement.net.module_, inputs)
        expected = proposed * placement.scale + placement.centre
        np.testing.assert_allclose(placement.place(X, coordinates), expected)


def test_judgement():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    placement, _ = make_placement(X, 0)
    reduced = 4 * reduce(placement.reduction, X)
    known, new = np.arange(150), np.arange(150, 300)
    noise = 0.1 * rng.normal(size=(150, 2))
    # Places that say where a sample is among its neighbours, and proposals that do not.
    places = placement.centre + placement.scale * reduced[:, :2]
    alone, with_anchors = placement.judge(reduced, noise, places, known, new)
    assert alone < 0.2 < with_anchors
    exact = placement.standardized(places)[new]
    better, _ = placement.judge(reduced, exact, places, known, new)
    assert better > alone + 0.2
    assert placement.memory is None
    again = placement.judge(reduced, noise, places, known, new)
    assert again == (alone, with_anchors)
    swapped = placement.judge(reduced, noise, places, new, known)
    assert swapped != again


def test_standardized():
    placement, places = make_placement(table(), 0)
    found = placement.standardized(places.astype(np.float32))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(np.square(found).sum(), found.size, rtol=1e-5)


def test_a_copy_places_alike():
    from skorch import NeuralNet

    X = table()
    placement, _ = make_placement(X, 60)
    placement.net = NeuralNet(
        placement.net.module_, criterion=torch.nn.MSELoss
    ).initialize()
    again = pickle.loads(pickle.dumps(placement))
    assert again.net.module_ is not placement.net.module_
    np.testing.assert_array_equal(again.place(X), placement.place(X))
