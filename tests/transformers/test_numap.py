"""NUMAP: effects of its parameters, and its results."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import pickle

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.metrics import pairwise_distances, silhouette_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors, kneighbors_graph
from sklearn.pipeline import make_pipeline

from celltyping import NUMAP, GrEASE, MLPEncoder
from celltyping._nn._losses import SMALLEST
from celltyping.metrics import density_correlation, make_neighborhood_scorer
from celltyping.transformers._embedding.layout import fit_curve
from tests._numap import (
    NEW,
    NEW_TYPES,
    TYPES,
    X,
    embed,
    make_clumps,
    make_numap,
    quick,
    separation,
)

# -------------------------------------------------------------------------- parameters


# Settings, and values of further parameters: the embedding differs from the one with
# a parameter's default.
EFFECTS = [
    (
        {},
        {
            "n_neighbors": 5,
            "min_dist": 0.7,
            "spread": 2.0,
            "metric": "manhattan",
            "n_input_components": 3,
            "init": "pca",
            "spectral_weight": 0.5,
            "inputs": "spectral",
            "residual": True,
            "module": torch.nn.Linear(6, 2),
            "weights": "identity",
            "hidden_layer_sizes": (16,),
            "dropout": 0.0,
            "input_noise": 0.0,
            "n_anchors": 0,
            "n_epochs": 20,
            "negative_sample_rate": 1,
            "repulsion_strength": 3.0,
            "max_epochs": 6,
            "batch_size": 10,
            "learning_rate": 0.03,
            "densmap": True,
            "random_state": 1,
        },
    ),
    ({"metric": "minkowski"}, {"metric_params": {"p": 1}}),
    ({"n_anchors": 0}, {"fine_tune_epochs": 2}),
    (
        {"densmap": True},
        {
            "dens_lambda": 0.1,
            "dens_frac": 0.6,
            "dens_var_shift": 2.0,
            "dens_subsample_size": 20,
        },
    ),
    ({"y": np.arange(120) % 2}, {"target_weight": 0.9}),
    ({"y": np.arange(120) % 3}, {"unlabeled_marker": 2}),
]

# Parameters whose effect other tests show.
SHOWN_ELSEWHERE = {
    "n_components",  # test_number_of_components
    "encoder",  # the parameters of MLPEncoder, and test_a_module_is_an_encoder
    "decoder",  # test_inverse_transform
    "warm_start",  # test_warm_start_keeps_positions
    "callbacks",  # test_callbacks
    "device",  # test_device
    "n_jobs",  # test_number_of_threads
    "verbose",  # test_progress_bars
}


def test_every_parameter_has_a_test():
    every = {**NUMAP().get_params(), **MLPEncoder().get_params()}
    shown = [name for _, values in EFFECTS for name in values]
    assert sorted([*shown, *SHOWN_ELSEWHERE]) == sorted(every)


@pytest.mark.parametrize(("settings", "values"), EFFECTS)
def test_a_parameter_has_an_effect(settings, values, subtests):
    before = embed(**settings)
    assert before.shape == (120, 2)
    np.testing.assert_array_equal(before, embed(**settings))
    for name, value in values.items():
        with subtests.test(name):
            after = embed(**{**settings, name: value})
            assert np.abs(after - before).max() > 1e-3


def test_number_of_components(subtests):
    for n_components in (1, 2, 3, 8):
        with subtests.test(n_components=n_components):
            numap = quick(n_components).fit(X)
            assert numap.transform(NEW).shape == (80, n_components)
            assert numap.layout_.shape == (120, n_components)
            expected = [f"numap{k}" for k in range(n_components)]
            assert numap.get_feature_names_out().tolist() == expected


def test_starts_of_the_encoder(subtests):
    for weights in ("xavier", "identity", "one_hot"):
        with subtests.test(weights=weights):
            numap = quick(weights=weights, n_anchors=0)
            assert separation(numap.fit(X).transform(NEW), NEW_TYPES) > 0.9


def test_hidden_layers():
    numap = quick(hidden_layer_sizes=[9, 7]).fit(X)
    widths = [layer.out_features for layer in numap.net_.module_.layers]
    assert widths == [9, 7, 2]
    assert len(quick(hidden_layer_sizes=()).fit(X).net_.module_.layers) == 1


def test_attributes():
    numap = quick().fit(X)
    assert numap.embedding_.shape == numap.layout_.shape == (120, 2)
    assert isinstance(numap.graph_, sparse.csr_array)
    assert numap.graph_.dtype == np.float32
    assert abs(numap.graph_ - numap.graph_.T).max() == 0
    assert numap.graph_.max() <= 1
    assert numap.spectral_embedding_.shape == (120, 10)
    assert numap.loss_curve_.shape == (3,)
    assert numap.n_iter_ == 3
    assert numap.device_ in ("cpu", "cuda")
    assert numap.n_features_in_ == 6
    assert numap.net_.module_ is not None
    assert numap.n_anchors_ == 120
    missing = ("spectral_", "decoder_net_", "fine_tune_loss_curve_")
    assert not any(hasattr(numap, name) for name in missing)
    numap.set_params(init="pca", encoder__fine_tune_epochs=2, decoder=True).fit(X)
    assert numap.fine_tune_loss_curve_.shape == (2,)
    assert numap.decoder_net_.module_ is not None
    assert not hasattr(numap, "spectral_embedding_")
    numap.set_params(encoder__fine_tune_epochs=0, decoder=False).fit(X)
    assert not any(hasattr(numap, name) for name in missing)


# ----------------------------------------------------------------------------- results


def umap_loss(numap, X):
    """Compute UMAP's loss of the network's output, over all pairs."""
    positions = numap.transform(X)
    a, b = fit_curve(numap.min_dist, numap.spread)
    squares = np.square(positions[:, np.newaxis] - positions).sum(axis=2)
    odds = a * squares**b
    graph = numap.graph_.toarray()
    pull = (graph * np.log1p(odds)).sum() / graph.sum()
    push = np.log1p(odds) - np.log(odds + SMALLEST)
    np.fill_diagonal(push, 0)
    degrees = graph.sum(axis=1) / graph.sum()
    rate = numap.negative_sample_rate
    return pull + rate * (degrees @ push).sum() / len(positions)


def test_new_samples_are_mapped_to_their_type():
    numap = make_numap(random_state=0, n_epochs=100, max_epochs=10).fit(X)
    model = KNeighborsClassifier(5).fit(numap.embedding_, TYPES)
    assert model.score(numap.transform(NEW), NEW_TYPES) > 0.9


def test_training_samples_stay_near_the_layout():
    numap = quick(n_epochs=100, max_epochs=40).fit(X)
    moved = np.linalg.norm(numap.embedding_ - numap.layout_, axis=1)
    assert np.median(moved) < 0.1 * numap.layout_.std()


def test_more_epochs_lower_the_loss():
    curve = quick(max_epochs=30).fit(X).loss_curve_
    assert curve.shape == (30,)
    assert curve[-5:].mean() < 0.5 * curve[0]


@pytest.mark.parametrize("densmap", [False, True])
def test_fine_tuning_lowers_umaps_loss(densmap):
    common = {"n_anchors": 0, "learning_rate": 0.01, "densmap": densmap}
    common["dens_lambda"] = 0.1
    before = quick(**common).fit(X)
    after = quick(fine_tune_epochs=20, **common).fit(X)
    assert umap_loss(after, X) < umap_loss(before, X) - 0.1
    np.testing.assert_array_equal(after.layout_, before.layout_)


@pytest.fixture(scope="module")
def uneven():
    """Give training and new samples in clumps of different density, and types."""
    spreads = (0.1, 0.4, 1.2, 2.0)
    return (
        *make_clumps(200, 6, seed=0, spreads=spreads),
        *make_clumps(200, 6, seed=1, spreads=spreads),
    )


def test_densmap_shows_densities(uneven):
    data, y, new, new_y = uneven
    common = {"n_epochs": 200, "max_epochs": 20}
    plain = quick(**common).fit(data)
    dense = quick(densmap=True, **common).fit(data)
    for samples in (data, new):
        gain = density_correlation(samples, dense.transform(samples))
        gain -= density_correlation(samples, plain.transform(samples))
        assert gain >= 0.2
    scores = [
        KNeighborsClassifier(5)
        .fit(numap.embedding_, y)
        .score(numap.transform(new), new_y)
        for numap in (plain, dense)
    ]
    assert scores[1] >= scores[0] - 0.02


def test_where_anchors_help_is_found_out():
    rng = np.random.default_rng(0)
    angle = np.linspace(0, 2 * np.pi, 150, endpoint=False)
    circle = np.column_stack([np.cos(angle), np.sin(angle)])
    circle = circle @ rng.normal(size=(2, 6)) + 0.01 * rng.normal(size=(150, 6))
    smooth = make_numap(random_state=0, n_epochs=100).fit(circle)
    assert smooth.n_anchors_ == 0
    assert smooth.fine_tune_loss_curve_.shape == (20,)
    common = {"random_state": 0, "n_epochs": 100, "max_epochs": 5}
    assert make_numap(**common, n_anchors=30).fit(circle).n_anchors_ == 30
    # With few samples the network overfits, so that anchors are kept.
    for n_digits in (150, 500):
        digits = load_digits().data[:n_digits]
        rough = make_numap(**common).fit(digits)
        assert rough.n_anchors_ == n_digits
        assert not hasattr(rough, "fine_tune_loss_curve_")
    for options in ({"spectral_weight": 0.5}, {}):
        types = None if options else rng.integers(0, 2, 150)
        anchored = make_numap(**common, **options).fit(circle, types)
        assert anchored.n_anchors_ == 150


def test_types_pull_together():
    """More known types separate the clusters more; a weight of 0 ignores them."""
    data, y = make_clumps(200, 6, spreads=(3.0, 3.0))
    half = np.where(np.random.default_rng(0).random(200) < 0.5, y, -1)

    def lay_out(types, target_weight=0.9):
        numap = make_numap(
            target_weight=target_weight,
            random_state=0,
            n_epochs=150,
            max_epochs=1,
            n_anchors=200,
        )
        return numap.fit(data, types).layout_

    alone, semi, full = lay_out(None), lay_out(half), lay_out(y)
    # Measured: accuracies of 0.895, 0.925, 0.99; silhouettes of 0.42, 0.50, 0.83.
    assert separation(alone, y) < separation(semi, y) < separation(full, y)
    assert separation(alone, y) < 0.95
    assert separation(full, y) > 0.97
    assert silhouette_score(alone, y) + 0.05 < silhouette_score(semi, y)
    assert silhouette_score(semi, y) + 0.2 < silhouette_score(full, y)
    np.testing.assert_array_equal(lay_out(np.array(["PN", "KC", "?"])[half]), semi)
    np.testing.assert_array_equal(lay_out(y, target_weight=0.0), alone)


def test_a_spectral_embedding_at_full_weight():
    numap = quick(spectral_weight=1.0).fit(X)
    for k in range(2):
        leading = numap.spectral_embedding_[:, :2]
        fit = np.linalg.lstsq(
            np.column_stack([leading, np.ones(120)]), numap.layout_[:, k], rcond=None
        )
        assert fit[1][0] < 1e-12 * len(X)


FRONTS = {
    "spectral": {"inputs": "spectral"},
    "both": {"inputs": "both"},
    "residual": {"residual": True},
    "both and residual": {"inputs": "both", "residual": True, "n_components": 3},
    "weights": {"weights": "spectral"},
    "GrEASE": {"init": GrEASE(10, solver="minibatch", max_epochs=20)},
    "GrEASE and weights": {
        "init": GrEASE(10, n_anchors=0, max_epochs=5),
        "weights": "spectral",
    },
}


@pytest.mark.parametrize("options", FRONTS.values(), ids=FRONTS.keys())
def test_spectral_coordinates_of_new_samples(options):
    numap = quick(n_anchors=0, max_epochs=20, **options).fit(X)
    assert numap.spectral_.n_components == 10
    np.testing.assert_array_equal(numap.spectral_embedding_, numap.spectral_.embedding_)
    widths = {"features": 6, "spectral": 10, "both": 16}
    n_inputs = numap.net_.module_.options["n_inputs"]
    assert n_inputs == widths[numap.encoder.inputs]
    model = KNeighborsClassifier(5).fit(numap.embedding_, TYPES)
    assert model.score(numap.transform(NEW), NEW_TYPES) > 0.9
    again = pickle.loads(pickle.dumps(numap))
    np.testing.assert_array_equal(again.transform(NEW), numap.transform(NEW))
    table = sparse.csr_array(NEW)
    np.testing.assert_allclose(numap.transform(table), numap.transform(NEW), rtol=1e-9)


def test_weights_of_the_spectral_network():
    options = {"weights": "spectral", "hidden_layer_sizes": (16, 16)}
    numap = quick(learning_rate=1e-12, **options).fit(X)
    layers = numap.net_.module_.layers, numap.spectral_.net_.module_.layers
    for own, learnt in zip(*layers, strict=True):
        if own.out_features == learnt.out_features:
            np.testing.assert_allclose(
                own.weight.detach(), learnt.weight.detach(), atol=1e-5
            )
    assert [layer.out_features for layer in layers[0]] == [16, 16, 2]
    assert [layer.out_features for layer in layers[1]] == [16, 16, 10]


def test_coordinates_of_a_grease():
    init = GrEASE(4, n_neighbors=9, laplacian="symmetric")
    numap = quick(init=init).fit(X)
    assert not hasattr(init, "embedding_")
    assert init.random_state is None
    seed = np.random.RandomState(0).randint(np.iinfo(np.int32).max)
    expected = clone(init).set_params(random_state=seed).fit(X).embedding_
    np.testing.assert_array_equal(numap.spectral_embedding_, expected)
    seeded = quick(init=clone(init).set_params(random_state=7)).fit(X)
    assert seeded.spectral_.random_state == 7


def test_start_positions():
    start = 5 * np.random.default_rng(0).normal(size=(120, 2))
    before = start.copy()
    kept = quick(init=start, n_epochs=1, repulsion_strength=0.0).fit(X)
    np.testing.assert_array_equal(start, before)
    assert np.corrcoef(kept.layout_[:, 0], start[:, 0])[0, 1] > 0.5
    assert not hasattr(kept, "spectral_embedding_")
    expected = quick(init=start).fit(X).embedding_
    np.testing.assert_array_equal(embed(init=start.tolist()), expected)
    fresh = clone(quick(init=start))
    np.testing.assert_array_equal(fresh.fit(X).embedding_, expected)
    assert "array" in repr(fresh)
    # A fit that continues starts from its own positions.
    numap = quick(init=start, warm_start=True).fit(X)
    assert numap.fit(np.vstack([X, NEW])).embedding_.shape == (200, 2)


def test_start_positions_that_are_refused(subtests):
    numap = quick(warm_start=True).fit(X)
    for init, message in (
        (np.zeros((120, 3)), r"init must have shape \(120, 2\), .* got \(120, 3\)"),
        (np.zeros((119, 2)), r"init must have shape \(120, 2\), .* got \(119, 2\)"),
        (np.full((120, 2), np.nan), "init must be an array of finite .* got nan"),
        (
            np.zeros(120),
            r"init must have shape \(120, 2\), .* got \(120,\); an array d",
        ),
        ([["a", "b"]] * 120, r"init must be 'spectral', .* of shape \(120, 2\), got"),
        (GrEASE(n_neighbors=-1), "The 'n_neighbors' parameter of GrEASE must be"),
        (GrEASE(120), r"n_components \(120\) must be less than the number of samples"),
        ("random", "The 'init' parameter of NUMAP must be"),
    ):
        with subtests.test(message):
            with pytest.raises(ValueError, match=message):
                quick(init=init).fit(X)
            if np.shape(init) == (119, 2):  # positions come from the fit before
                numap.set_params(init=init).fit(X)
            else:
                with pytest.raises(ValueError, match=message):
                    numap.set_params(init=init).fit(X)


def test_spectral_coordinates_of_images():
    encoder = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(6, 2))
    images = X.reshape(-1, 2, 3)
    init = GrEASE(10, solver="minibatch", max_epochs=2)
    numap = quick(init=init, module=encoder).fit(images)
    assert numap.spectral_embedding_.shape == (120, 10)
    np.testing.assert_array_equal(numap.transform(images), numap.embedding_)


def test_too_few_samples_for_spectral_coordinates():
    message = "residual=True needs at least 2 spectral .* init gives 1 for 3 samples"
    with pytest.raises(ValueError, match=message):
        quick(residual=True, n_neighbors=1).fit(X[:3])
    message = "inputs='spectral' needs at least 1 spectral coordinates, but"
    with pytest.raises(ValueError, match=message):
        quick(inputs="spectral", n_neighbors=1).fit(X[:2])
    numap = quick(inputs="both", n_neighbors=1).fit(X[:3])
    assert np.isfinite(numap.transform(NEW)).all()


def test_without_spectral_coordinates_samples_start_at_principal_components():
    data = np.column_stack([np.zeros(120), 1e-6 * X[:, 3], X[:, :2] * 5])
    turned = quick(init="pca", n_epochs=1, max_epochs=1).fit(data)
    fits = [
        np.corrcoef(turned.layout_[:, k], data[:, 2:] @ axis)[0, 1] ** 2
        for k, axis in enumerate(np.linalg.svd(data[:, 2:] - data[:, 2:].mean(0))[2])
    ]
    assert min(fits) > 0.9


def test_metrics():
    expected = embed(metric="manhattan")
    found = embed(metric=lambda a, b: np.abs(a - b).sum())
    np.testing.assert_array_equal(found, expected)
    lengths = np.random.default_rng(0).uniform(0.5, 2, (120, 1))
    for metric in ("cosine", "correlation"):
        shift = 5.0 if metric == "correlation" else 0.0
        numap = quick(metric=metric, max_epochs=10).fit(X)
        assert separation(numap.embedding_, TYPES) > 0.9
        moved = numap.transform(lengths * X + shift)
        np.testing.assert_allclose(moved, numap.embedding_, atol=1e-6)


# -------------------------------------------------------------------- neighbour graphs


def test_neighbor_graph():
    expected = quick(n_neighbors=7).fit(X).graph_.toarray()
    graph = kneighbors_graph(X, 7, mode="distance")
    found = quick().fit(X, neighbor_graph=graph)
    np.testing.assert_allclose(found.graph_.toarray(), expected, 1e-4)
    for layout in ("csc", "coo"):
        same = quick().fit(X, neighbor_graph=graph.asformat(layout))
        np.testing.assert_array_equal(same.embedding_, found.embedding_, layout)
    with_self = kneighbors_graph(X, 8, mode="distance", include_self=True)
    same = quick().fit(X, neighbor_graph=with_self)
    np.testing.assert_array_equal(same.graph_.toarray(), found.graph_.toarray())
    np.testing.assert_array_equal(same.embedding_, found.embedding_)
    more = kneighbors_graph(X, 20, mode="distance")
    again = quick(n_neighbors=7).fit_transform(X, neighbor_graph=more)
    np.testing.assert_array_equal(again, found.embedding_)


def test_neighbor_graph_decides_who_is_near():
    other, _ = make_clumps(120, 2, seed=5)
    graph = kneighbors_graph(other, 7, mode="distance")
    numap = quick().fit(X, neighbor_graph=graph)
    expected = quick(n_neighbors=7).fit(other).graph_
    np.testing.assert_allclose(numap.graph_.toarray(), expected.toarray(), 1e-4)


def test_a_row_without_neighbors_in_a_neighbor_graph():
    graph = kneighbors_graph(X, 7, mode="distance").tolil()
    graph[4], graph[:, 4] = 0, 0
    graph = sparse.csr_array(graph)
    with pytest.warns(UserWarning, match="1 of 120 rows of X, such as row 4, have no"):
        numap = quick().fit(X, neighbor_graph=graph)
    assert numap.graph_[[4]].nnz == 0
    assert numap.n_anchors_ == 119
    rest = np.delete(numap.layout_, 4, axis=0)
    assert (numap.layout_[4] < rest.min(axis=0)).all()
    # The graph says nothing of it, but its features do.
    assert np.linalg.norm(rest - numap.embedding_[4], axis=1).min() < 2


def test_neighbor_graphs_that_are_refused():
    graph = kneighbors_graph(X, 7, mode="distance")
    cases = [
        (graph.toarray(), "neighbor_graph must be a sparse matrix of distances"),
        (graph[:, :100], r"must have shape \(120, 120\), .* got \(120, 100\)"),
        (-graph, "neighbor_graph must hold distances: finite, at least 0"),
        (kneighbors_graph(X, 7), "stored in neighbor_graph are 1"),
    ]
    for wrong, message in cases:
        with pytest.raises(ValueError, match=message):
            quick().fit(X, neighbor_graph=wrong)
    with pytest.raises(ValueError, match="are two ways to pass distances"):
        given().fit(pairwise_distances(X), neighbor_graph=graph)


# ----------------------------------------------------------------------- distances as X


def given(**options):
    """Make a NUMAP of distances that takes little time."""
    return NUMAP(metric="precomputed", n_epochs=40, random_state=0, **options)


TABLE = pairwise_distances(X)


def test_distances_as_X():
    numap = given().fit(TABLE)
    expected = quick().fit(X)
    np.testing.assert_allclose(numap.graph_.toarray(), expected.graph_.toarray(), 1e-3)
    np.testing.assert_allclose(numap.embedding_, numap.layout_, atol=0.2)
    np.testing.assert_array_equal(numap.transform(TABLE), numap.embedding_)
    np.testing.assert_array_equal(given().fit_transform(TABLE), numap.embedding_)
    new = pairwise_distances(NEW, X)
    placed = numap.transform(new)
    model = KNeighborsClassifier(5).fit(numap.embedding_, TYPES)
    assert model.score(placed, NEW_TYPES) > 0.9
    np.testing.assert_array_equal(numap.transform(new[:1]), placed[:1])
    nearest = kneighbors_graph(X, 15, mode="distance")
    graphs = NearestNeighbors(n_neighbors=15).fit(X)
    same = given().fit(nearest)
    np.testing.assert_allclose(same.graph_.toarray(), numap.graph_.toarray(), 1e-4)
    found = same.transform(graphs.kneighbors_graph(NEW, mode="distance"))
    assert separation(found, NEW_TYPES) > 0.9
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(numap)).transform(new), placed
    )
    with pytest.raises(AttributeError, match="there is no net_"):
        numap.net_  # noqa: B018
    assert not any(hasattr(numap, name) for name in ("loss_curve_", "n_iter_"))
    assert numap.n_anchors_ == 120
    assert given(n_anchors=50).fit(TABLE).n_anchors_ == 50


def test_parameters_with_distances(subtests):
    plain = given().fit(TABLE).embedding_
    for options in (
        {"spectral_weight": 0.5},
        {"densmap": True},
        {"init": np.array(X[:, :2])},
        {"init": GrEASE(3, metric="precomputed")},
        {"n_anchors": 40},
        {"n_neighbors": 5},
    ):
        with subtests.test(options=options):
            found = given(**options).fit(TABLE).embedding_
            assert np.isfinite(found).all()
            assert np.abs(found - plain).max() > 1e-3
    supervised = given(target_weight=0.9).fit(TABLE, TYPES)
    assert separation(supervised.embedding_, TYPES) > 0.95


def test_components_of_a_graph_of_distances():
    table = pairwise_distances(np.vstack([X, X + 1000]))
    numap = given(n_neighbors=8).fit(table)
    side = np.repeat([0, 1], 120)
    assert separation(numap.embedding_, side) == 1
    assert separation(numap.embedding_, np.tile(TYPES, 2)) > 0.9


def test_a_row_without_distances():
    graph = kneighbors_graph(X, 15, mode="distance").tolil()
    graph[4], graph[:, 4] = 0, 0
    graph = sparse.csr_array(graph)
    with pytest.warns(UserWarning, match="1 of 120 rows of X, such as row 4, have no"):
        numap = given().fit(graph)
    assert (numap.embedding_[4] < np.delete(numap.embedding_, 4, 0).min(axis=0)).all()
    with pytest.warns(UserWarning, match="1 of 2 rows of X, such as row 1, have no"):
        placed = numap.transform(sparse.csr_array(graph[[3, 4]]))
    np.testing.assert_allclose(placed[1], numap.embedding_[4])


def test_parameters_that_need_features(subtests):
    for options, message in (
        ({"encoder": MLPEncoder(dropout=0.1)}, "encoder must be None, got MLPEncoder"),
        ({"decoder": True}, "decoder must be False, got True"),
        ({"n_anchors": 0}, "n_anchors must be 'auto' or at least 1, got 0"),
        ({"init": "pca"}, r"init must be 'spectral', a GrEASE\(metric='precomputed'\)"),
        ({"init": GrEASE(2)}, "is 'precomputed' and that of init, a GrEASE, is 'eucl"),
        ({"metric_params": {"p": 1}}, "metric_params must be None"),
        ({"warm_start": True}, "warm_start must be False; continue from positions by"),
    ):
        with subtests.test(options=options), pytest.raises(ValueError, match=message):
            given(**options).fit(TABLE)
    init = GrEASE(2, metric="precomputed")
    with pytest.raises(ValueError, match="metric is 'euclidean' and that of init"):
        quick(init=init).fit(X)


def test_search_of_parameters_with_distances():
    pipeline = make_pipeline(given(), KNeighborsClassifier(3))
    grid = {"numap__n_neighbors": [5, 12]}
    search = GridSearchCV(pipeline, grid, cv=3, error_score="raise")
    for table in (TABLE, sparse.csr_array(kneighbors_graph(X, 60, mode="distance"))):
        assert search.fit(table, TYPES).best_score_ > 0.9
        assert search.best_estimator_[0].n_features_in_ == 120
    scorer = make_neighborhood_scorer(n_neighbors=5)
    with pytest.raises(ValueError, match="in a test fold those to the training sample"):
        cross_val_score(given(), TABLE, scoring=scorer, cv=2, error_score="raise")


# --------------------------------------- outliers, and rows with nothing in common


@pytest.mark.parametrize(("outlier", "init"), [("entry", "spectral"), ("row", "pca")])
def test_an_outlier_leaves_the_map_as_it_is(outlier, init):
    data, y = load_digits(return_X_y=True)
    data, new, y, new_y = data[:400], data[400:700], y[:400], y[400:700]
    spoilt = data.copy()
    if outlier == "entry":
        spoilt[7, 20] = -9999
    else:
        spoilt[7] *= 1e6
    scores = []
    for table in (data, spoilt):
        options = {"n_epochs": 150, "max_epochs": 20, "n_anchors": 400}
        numap = make_numap(init=init, random_state=0, **options).fit(table)
        near = KNeighborsClassifier(5).fit(numap.embedding_, y)
        scores.append(near.score(numap.transform(new), new_y))
        assert 0.8 < numap.embedding_.std() / numap.layout_.std() < 1.2
    assert scores[1] > scores[0] - 0.03


def test_density_beside_an_outlier(uneven):
    data = uneven[0].copy()
    data[7] *= 1e6
    numap = quick(densmap=True, n_epochs=200, max_epochs=1).fit(data)
    rest = np.arange(200) != 7
    assert density_correlation(data[rest], numap.layout_[rest]) > 0.5
    assert density_correlation(data, numap.layout_) > 0.3


@pytest.mark.parametrize(
    ("as_table", "options"),
    [
        (np.asarray, {}),
        (sparse.csr_array, {}),
        (np.asarray, {"n_anchors": 0}),
        (sparse.csr_array, {"init": "pca"}),
    ],
)
def test_rows_of_zeros_under_cosine(as_table, options):
    data = np.maximum(X, 0) + 0.01
    data[[3, 7, 50]] = 0
    with pytest.warns(
        UserWarning, match="3 of 120 rows of X, such as row 3, have no n"
    ):
        numap = quick(metric="cosine", densmap=True, **options).fit(as_table(data))
    apart, rest = numap.layout_[[3, 7, 50]], np.delete(numap.layout_, [3, 7, 50], 0)
    np.testing.assert_array_equal(apart, apart[[0, 0, 0]])
    assert (apart < rest.min(axis=0) - 1).all()
    np.testing.assert_array_equal(numap.embedding_[[3, 7, 50]], apart)
    joined = numap.graph_[[3, 7, 50]]
    np.testing.assert_array_equal(np.unique(joined.indices), [3, 7, 50])
    np.testing.assert_array_equal(joined.data, 1)
    if not options:
        alone = quick(metric="cosine", densmap=True).fit(np.delete(data, [3, 7, 50], 0))
        np.testing.assert_allclose(alone.graph_.sum(), numap.graph_.sum() - 6, 1e-5)
        assert numap.n_anchors_ == 117
    with pytest.warns(
        UserWarning, match="1 of 2 rows of X, such as row 0, .* fitted on"
    ):
        placed = numap.transform(as_table(data[[3, 4]]))
    np.testing.assert_array_equal(placed[0], apart[0])


def test_sets_without_a_common_element():
    rng = np.random.default_rng(0)
    sets = np.zeros((90, 12))
    sets[:, :10] = rng.random((90, 10)) < 0.4
    sets[:, 0] = 1
    sets[5], sets[6] = np.eye(12)[10], np.eye(12)[11]
    with pytest.warns(UserWarning, match="2 of 90 rows of X, such as row 5") as caught:
        numap = quick(metric="jaccard").fit(sets)
    assert len(caught) == 1
    assert numap.graph_[[5, 6]].nnz == 0
    np.testing.assert_array_equal(numap.embedding_[5], numap.embedding_[6])
    assert (numap.embedding_[5] < np.delete(numap.layout_, [5, 6], 0).min(axis=0)).all()
    message = "no two of them have anything in common under metric='hamming'"
    with pytest.raises(ValueError, match=message):
        quick(metric="hamming").fit(X)


def test_a_regression_passes_on_its_y():
    with pytest.raises(ValueError, match=r"NUMAP\(target_weight=0\) ignores y"):
        quick().fit(X, X[:, 0])
    np.testing.assert_array_equal(embed(y=X[:, 0], target_weight=0), embed())
