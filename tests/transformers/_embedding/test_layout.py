"""Start positions, layouts and local radii, against plain numpy."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pytest
import torch

from celltyping.transformers._embedding import layout as layouts
from celltyping.transformers._embedding.laplacian import leading_eigenvectors
from celltyping.transformers._embedding.layout import (
    N_EPOCHS_LARGE,
    SMALLEST_COMPONENT,
    START_NOISE,
    START_RANGE,
    Density,
    Forces,
    fit_curve,
    lay_out,
    mix,
    original_radii,
    start_by_component,
    start_from,
)
from celltyping.transformers._embedding.neighbors import (
    fuzzy_graph,
    nearest_neighbors,
)


def clumps(n_samples=90):
    """Draw samples in three clumps of different density."""
    rng = np.random.default_rng(0)
    which = np.arange(n_samples) % 3
    spread = np.array([0.2, 0.6, 1.5])[which]
    noise = spread[:, np.newaxis] * rng.normal(size=(n_samples, 4))
    return 8 * np.eye(3, 4)[which] + noise


def plain_radii(graph, distances):
    """Compute log(ε + Σ w d² / Σ w) of a dense graph and all distances."""
    means = (graph * distances**2).sum(axis=1) / graph.sum(axis=1)
    radii = np.log(1e-8 * means.mean() + means)
    return radii - radii.mean()


def pairwise(X):
    """Compute all distances."""
    return np.linalg.norm(X[:, np.newaxis] - X, axis=2)


def test_start(subtests):
    coordinates = clumps()
    for n_components in (1, 2, 4):
        with subtests.test(n_components=n_components):
            rng = np.random.RandomState(0)
            positions = start_from(coordinates, n_components, rng)
            kept = coordinates[:, :n_components]
            kept = kept - kept.mean(axis=0)
            expected = kept * START_RANGE / np.abs(kept).max()
            assert positions.shape == (90, n_components)
            np.testing.assert_allclose(positions, expected, atol=6 * START_NOISE)
            assert (positions != expected).all()


def test_start_with_too_few_coordinates():
    positions = start_from(clumps()[:, :1], 3, np.random.RandomState(0))
    assert np.abs(positions[:, 0]).max() > 8
    assert (np.abs(positions[:, 1:].std(axis=0) - 1) < 0.3).all()


def test_start_of_samples_that_are_all_alike():
    positions = start_from(np.ones((50, 2)), 2, np.random.RandomState(0))
    assert len(np.unique(positions, axis=0)) == 50
    assert (np.abs(positions.std(axis=0) - 1) < 0.3).all()


def test_start_of_a_graph_in_one_piece(prepared):
    X, graph, *_ = prepared
    graph = graph.tolil()
    for part in (1, 2):
        graph[0, part] = graph[part, 0] = 0.5
    coordinates = np.random.default_rng(0).normal(size=(90, 4))
    found = start_by_component(graph.tocsr(), X[:, :2], coordinates, 0)
    assert found is coordinates


@pytest.mark.parametrize("n_components", [2, 4, 25])
def test_each_component_starts_by_itself(n_components):
    rng = np.random.default_rng(0)
    parts = rng.permutation(np.repeat([0, 1, 2], [40, 22, SMALLEST_COMPONENT - 1]))
    X = rng.normal(size=(len(parts), 30)) + 1000 * parts[:, np.newaxis]
    graph = fuzzy_graph(*nearest_neighbors(X, 6, random_state=0))
    reduced = X[:, :n_components]
    found = start_by_component(graph, reduced, np.zeros((len(parts), 1)), 0)
    assert found.shape == reduced.shape
    for part in (0, 1):
        own = parts == part
        # Size and centre are kept, the arrangement is new.
        np.testing.assert_allclose(found[own].mean(axis=0), reduced[own].mean(axis=0))
        sizes = [np.linalg.norm(x[own] - x[own].mean(0)) for x in (found, reduced)]
        np.testing.assert_allclose(*sizes)
        assert not np.allclose(found[own], reduced[own], atol=0.1)
        subgraph = graph[own][:, own]
        n_own = min(n_components, own.sum() - 1)
        _, vectors = leading_eigenvectors(subgraph, n_own, random_state=0)
        mixed = mix(reduced[own], vectors, 1.0)
        np.testing.assert_allclose(found[own], mixed)
    np.testing.assert_array_equal(found[parts == 2], reduced[parts == 2])


def test_number_of_epochs(prepared, monkeypatch, capsys):
    monkeypatch.setattr(layouts, "SMALL", 89)
    lay_out_quickly(prepared, n_epochs="auto", verbose=True)
    assert f"{N_EPOCHS_LARGE}/{N_EPOCHS_LARGE}" in capsys.readouterr().err
    monkeypatch.setattr(layouts, "SMALL", 90)
    lay_out_quickly(prepared, n_epochs="auto", verbose=True)
    assert "500/500" in capsys.readouterr().err


def test_mixture(subtests):
    rng = np.random.default_rng(0)
    positions = rng.normal(size=(40, 2)) * 3 + [7, -1]
    for n_coordinates in (1, 2, 5):
        with subtests.test(n_coordinates=n_coordinates):
            coordinates = rng.normal(size=(40, n_coordinates)) * 100
            assert mix(positions, coordinates, 0.0) is positions
            alone = mix(positions, coordinates, 1.0)
            centre = positions.mean(axis=0)
            np.testing.assert_allclose(alone.mean(axis=0), centre)
            # Rotation and scaling: distances are proportional, the norm is kept.
            leading = coordinates[:, :2]
            np.testing.assert_allclose(
                pairwise(alone) / np.linalg.norm(alone - centre),
                pairwise(leading) / np.linalg.norm(leading - leading.mean(axis=0)),
            )
            np.testing.assert_allclose(
                np.linalg.norm(alone - centre), np.linalg.norm(positions - centre)
            )
            half = mix(positions, coordinates, 0.5)
            np.testing.assert_allclose(half, (positions + alone) / 2)


def test_a_mixture_with_the_rotated_layout_is_the_layout():
    positions = np.random.default_rng(0).normal(size=(40, 2))
    rotated = 5 * (positions - positions.mean(axis=0)) @ [[0.6, -0.8], [0.8, 0.6]]
    np.testing.assert_allclose(mix(positions, rotated, 0.7), positions)
    centred = mix(positions, np.ones((40, 3)), 1.0)
    np.testing.assert_allclose(centred, np.tile(positions.mean(axis=0), (40, 1)))


@pytest.fixture(scope="module")
def prepared():
    """Give the samples, their fuzzy graph, neighbours and a start."""
    X = clumps()
    indices, distances = nearest_neighbors(X, 8, random_state=0)
    start = start_from(X, 2, np.random.RandomState(0))
    return X, fuzzy_graph(indices, distances), indices, distances, start


def test_original_radii(prepared):
    X, graph, indices, distances, _ = prepared
    expected = plain_radii(graph.toarray(), pairwise(X))
    np.testing.assert_allclose(
        original_radii(graph, indices, distances), expected, 1e-5
    )


def test_original_radii_of_samples_that_are_all_alike():
    indices = (np.arange(5)[:, np.newaxis] + [1, 2]) % 5
    distances = np.zeros((5, 2), np.float32)
    graph = fuzzy_graph(indices, distances)
    np.testing.assert_array_equal(original_radii(graph, indices, distances), 0)


def lay_out_quickly(prepared, **options):
    """Lay out in a few epochs."""
    settings = {"n_epochs": 50, "seed": 0, "device": "cpu", "verbose": False}
    forces = Forces(*fit_curve(0.1, 1.0), 5, 1.0)
    return lay_out(prepared[1], prepared[4], forces, **settings | options)


def test_layout_and_its_bar(prepared, capsys):
    for verbose in (False, True):
        positions = lay_out_quickly(prepared, verbose=verbose)
        assert positions.dtype == np.float64
        assert positions.shape == (90, 2)
        err = capsys.readouterr().err
        assert ("layout" in err and "50/50" in err) == verbose
    np.testing.assert_array_equal(positions, lay_out_quickly(prepared, n_jobs=2))


def match(prepared, positions, **options):
    """Optimise positions by UMAP's loss with a density term."""
    settings = {
        "n_epochs": 150,
        "negative_sample_rate": 5,
        "repulsion_strength": 1.0,
        "weight": 2.0,
        "variance_shift": 0.1,
        "subsample_size": 1000,
        "seed": 0,
        "verbose": False,
    } | options
    names = ("fraction", "weight", "variance_shift", "subsample_size")
    density = {"fraction": 1.0, **settings}
    density = Density(
        original_radii(*prepared[1:4]), *(density[name] for name in names)
    )
    rates = settings["negative_sample_rate"], settings["repulsion_strength"]
    return lay_out(
        prepared[1],
        positions,
        Forces(*fit_curve(0.1, 1.0), *rates, density),
        device="cpu",
        **{name: settings[name] for name in ("n_epochs", "seed", "verbose")},
    )


def density_match(prepared, positions):
    """Correlate the radii in both spaces."""
    X, graph = prepared[0], prepared[1].toarray()
    before = plain_radii(graph, pairwise(X))
    return np.corrcoef(before, plain_radii(graph, pairwise(positions)))[0, 1]


def test_radii_come_to_match(prepared):
    positions = lay_out_quickly(prepared)
    state = torch.get_rng_state()
    moved = match(prepared, positions)
    assert torch.equal(torch.get_rng_state(), state)
    assert moved.dtype == np.float64
    assert density_match(prepared, moved) > density_match(prepared, positions) + 0.2
    np.testing.assert_array_equal(moved, match(prepared, positions))
    alone = match(prepared, positions, weight=0.0)
    assert density_match(prepared, moved) > density_match(prepared, alone) + 0.2


def test_options_of_matching(prepared, subtests):
    few = {"n_epochs": 10}
    moved = match(prepared, prepared[4], **few)
    for option in (
        {"n_epochs": 5},
        {"negative_sample_rate": 1},
        {"repulsion_strength": 3.0},
        {"weight": 0.5},
        {"variance_shift": 5.0},
        {"subsample_size": 10},
        {"seed": 1},
    ):
        with subtests.test(option=option):
            found = match(prepared, prepared[4], **few | option)
            assert not np.allclose(moved, found)


def test_bar_of_matching(prepared, capsys):
    match(prepared, prepared[4], n_epochs=4, verbose=True)
    err = capsys.readouterr().err
    assert "density" in err
    assert "4/4" in err
