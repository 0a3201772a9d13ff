"""NUMAP: what each parameter does, what holds of every answer, bad input."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import copy
import pickle
import sys
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier, kneighbors_graph
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import EarlyStopping

from celltyping import NUMAP
from celltyping._kernels._layout import fit_curve
from celltyping._nn._losses import SMALLEST
from celltyping.metrics import density_correlation, make_neighborhood_scorer
from tests._callbacks import Interrupt, Log, LoseTheNumbers

QUICK = {
    "n_epochs": 40,
    "max_epochs": 3,
    "n_anchors": 1000,
    "fine_tune_epochs": 0,
    "random_state": 0,
}

# Settings under which everything that holds of an answer has to hold.
SETTINGS = {
    "default": {"n_anchors": "auto", "fine_tune_epochs": "auto"},
    "network alone": {"n_anchors": 0},
    "few anchors": {"n_anchors": 40, "spectral": None},
    "tuned": {"n_anchors": 0, "fine_tune_epochs": 2, "densmap": True},
    "own encoder": {"encoder": torch.nn.Linear(6, 2)},
    "reduced": {"n_input_components": 3, "n_components": 3},
    "cosine": {"metric": "cosine"},
    "mixed": {"spectral_weight": 0.5},
    "both": {"learn_from": "both", "residual": True},
}


@pytest.fixture(params=SETTINGS.values(), ids=SETTINGS.keys())
def settings(request):
    return {**QUICK, **request.param}


def make_clumps(n_samples=120, n_features=6, seed=0, spreads=(1.0, 1.0, 1.0)):
    """Draw samples around the corners of a simplex, and say around which."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, len(spreads), n_samples)
    spread = np.array(spreads)[y, np.newaxis]
    noise = spread * rng.normal(size=(n_samples, n_features))
    return 6 * np.eye(len(spreads), n_features)[y] + noise, y


X, TYPES = make_clumps()
NEW, NEW_TYPES = make_clumps(80, seed=1)


def quick(n_components=2, **options):
    """Make a NUMAP that takes little time."""
    return NUMAP(n_components, **{**QUICK, **options})


def embed(X=X, y=None, **options):
    """Fit and return the embedding."""
    return quick(**options).fit(X, y).embedding_


def conv_net(n_outputs=2):
    """Make a small network for images of 8 x 8 points."""
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3, stride=2),
        torch.nn.BatchNorm2d(4),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(36, n_outputs),
    )


# ---------------------------------------------------------------- what parameters do

# Parameter: (what else is set, its value). The embedding differs from the one with the
# parameter's default.
EFFECTS = {
    "n_neighbors": ({}, 5),
    "min_dist": ({}, 0.7),
    "spread": ({}, 2.0),
    "metric": ({}, "manhattan"),
    "metric_params": ({"metric": "minkowski"}, {"p": 1}),
    "n_input_components": ({}, 3),
    "spectral": ({}, None),
    "spectral_components": ({"spectral_weight": 0.5}, 1),
    "spectral_weight": ({}, 0.5),
    "learn_from": ({}, "spectral"),
    "residual": ({}, True),
    "encoder": ({}, torch.nn.Linear(6, 2)),
    "encoder_init": ({}, "identity"),
    "hidden_layer_sizes": ({}, (16,)),
    "dropout": ({}, 0.0),
    "input_noise": ({}, 0.0),
    "n_anchors": ({}, 0),
    "n_epochs": ({}, 20),
    "negative_sample_rate": ({}, 1),
    "repulsion_strength": ({}, 3.0),
    "max_epochs": ({}, 6),
    "fine_tune_epochs": ({"n_anchors": 0}, 2),
    "batch_size": ({}, 10),
    "learning_rate": ({}, 0.03),
    "densmap": ({}, True),
    "dens_lambda": ({"densmap": True}, 0.1),
    "dens_frac": ({"densmap": True}, 0.6),
    "dens_var_shift": ({"densmap": True}, 2.0),
    "dens_subsample_size": ({"densmap": True}, 20),
    "target_weight": ({"y": np.arange(120) % 2}, 0.9),
    "unlabeled_marker": ({"y": np.arange(120) % 3}, 2),
    "random_state": ({}, 1),
}

# Parameters whose effect other tests show.
SHOWN_ELSEWHERE = {
    "n_components",  # test_number_of_components
    "decoder",  # test_inverse_transform
    "warm_start",  # test_warm_start_keeps_places
    "callbacks",  # test_callbacks
    "device",  # test_device
    "n_jobs",  # test_number_of_threads
    "verbose",  # test_progress_bars
}


def test_every_parameter_has_a_test():
    assert set(EFFECTS) | SHOWN_ELSEWHERE == set(NUMAP().get_params())
    assert not set(EFFECTS) & SHOWN_ELSEWHERE


@pytest.mark.parametrize("parameter", EFFECTS)
def test_a_parameter_has_an_effect(parameter):
    others, value = EFFECTS[parameter]
    before = embed(**others)
    assert before.shape == (120, 2)
    np.testing.assert_array_equal(before, embed(**others))
    after = embed(**{**others, parameter: value})
    assert np.abs(after - before).max() > 1e-3


@pytest.mark.parametrize("n_components", [1, 2, 3, 8])
def test_number_of_components(n_components):
    numap = quick(n_components).fit(X)
    assert numap.transform(NEW).shape == (80, n_components)
    assert numap.layout_.shape == (120, n_components)
    expected = [f"numap{k}" for k in range(n_components)]
    assert numap.get_feature_names_out().tolist() == expected


@pytest.mark.parametrize("encoder_init", ["xavier", "identity", "one_hot"])
def test_starts_of_the_encoder(encoder_init):
    numap = quick(encoder_init=encoder_init, n_anchors=0)
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
    numap.set_params(spectral=None, fine_tune_epochs=2, decoder=True).fit(X)
    assert numap.fine_tune_loss_curve_.shape == (2,)
    assert numap.decoder_net_.module_ is not None
    assert not hasattr(numap, "spectral_embedding_")
    numap.set_params(fine_tune_epochs=0, decoder=False).fit(X)
    assert not any(hasattr(numap, name) for name in missing)


# -------------------------------------------------------- what holds of every answer


def test_embedding_is_what_transform_gives(settings):
    numap = NUMAP(**settings).fit(X)
    assert np.isfinite(numap.embedding_).all()
    np.testing.assert_array_equal(numap.transform(X), numap.embedding_)
    again = NUMAP(**settings).fit_transform(X)
    np.testing.assert_array_equal(again, numap.embedding_)


def test_fit_transform_gives_a_copy():
    numap = quick()
    given = numap.fit_transform(X)
    given[:] = 0
    assert numap.embedding_.any()


def test_an_answer_does_not_depend_on_the_batch(settings):
    numap = NUMAP(**settings).fit(X)
    placed = numap.transform(NEW)
    order = np.random.default_rng(0).permutation(80)
    np.testing.assert_allclose(numap.transform(NEW[order]), placed[order], rtol=1e-12)
    for row in range(0, 80, 9):
        alone = numap.transform(NEW[row : row + 1])
        np.testing.assert_allclose(alone, placed[row : row + 1], rtol=1e-12)
    many = numap.transform(np.tile(NEW, (110, 1)))
    np.testing.assert_allclose(many, np.tile(placed, (110, 1)), rtol=1e-12)


def test_an_answer_far_away_does_not_depend_on_the_batch():
    wide, _ = make_clumps(120, 70)
    numap = quick().fit(wide)
    far = np.vstack([wide[:20] * scale for scale in (1, 100, 10_000)])
    placed = numap.transform(far)
    assert np.isfinite(placed).all()
    for row in range(60):
        alone = numap.transform(far[row : row + 1])
        np.testing.assert_allclose(alone, placed[row : row + 1], rtol=1e-6)


def test_the_same_random_state_gives_the_same_bits(settings):
    expected = embed(**settings)
    np.testing.assert_array_equal(embed(**settings), expected)
    np.testing.assert_array_equal(embed(**settings, n_jobs=2), expected)
    state = np.random.RandomState(3)
    first, second = (embed(**{**settings, "random_state": state}) for _ in range(2))
    again = embed(**{**settings, "random_state": np.random.RandomState(3)})
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "manhattan"])
def test_number_of_threads(metric):
    data, _ = make_clumps(700, 30)
    numaps = [quick(metric=metric, n_jobs=n_jobs).fit(data) for n_jobs in (1, 2)]
    np.testing.assert_array_equal(numaps[0].embedding_, numaps[1].embedding_)
    new, _ = make_clumps(1500, 30, seed=1)
    np.testing.assert_array_equal(numaps[0].transform(new), numaps[1].transform(new))
    with pytest.raises(ValueError, match="n_jobs == 0"):
        quick(n_jobs=0).fit(data)


def test_fits_in_threads_do_not_disturb_each_other():
    before, n_threads = torch.get_rng_state(), torch.get_num_threads()
    expected = [embed(random_state=seed) for seed in range(4)]
    found = joblib.Parallel(n_jobs=4, backend="threading")(
        joblib.delayed(embed)(random_state=seed) for seed in range(4)
    )
    np.testing.assert_array_equal(found, expected)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == n_threads


def test_random_states_outside_stay_as_they_are(settings):
    before = torch.get_rng_state(), joblib.hash(np.random.mtrand._rand)
    n_threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        numap = NUMAP(**settings, decoder=True).fit(X, TYPES)
        numap.inverse_transform(numap.transform(NEW))
        pickle.loads(pickle.dumps(numap))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(n_threads)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert joblib.hash(np.random.mtrand._rand) == before[1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("order", ["C", "F"])
def test_inputs_stay_as_they_are(settings, dtype, order):
    data = np.array(X, dtype=dtype, order=order)
    before = data.copy()
    data.setflags(write=False)
    encoder = settings.get("encoder")
    weights = None if encoder is None else copy.deepcopy(encoder.state_dict())
    numap = NUMAP(**settings, decoder=True)
    placed = numap.fit(data, TYPES).transform(data)
    assert placed.dtype == numap.embedding_.dtype == dtype
    assert numap.inverse_transform(placed).dtype == dtype
    np.testing.assert_array_equal(data, before)
    other = NUMAP(**settings).fit(np.ascontiguousarray(data), TYPES)
    np.testing.assert_array_equal(other.embedding_, numap.embedding_)
    if encoder is not None:
        for name, weight in encoder.state_dict().items():
            assert torch.equal(weight, weights[name])


def test_single_and_double_precision_agree():
    numap = quick().fit(X)
    placed = numap.transform(NEW.astype(np.float32))
    assert placed.dtype == np.float32
    np.testing.assert_allclose(placed, numap.transform(NEW), atol=0.05)
    assert numap.transform(np.round(NEW).astype(int)).dtype == np.float64


def test_an_encoder_cannot_write_to_the_samples():
    encoder = torch.nn.Sequential(torch.nn.ReLU(inplace=True), torch.nn.Linear(6, 2))
    for dtype in (np.float32, np.float64):
        data = X.astype(dtype)
        quick(encoder=encoder, fine_tune_epochs=1).fit(data).transform(data)
        np.testing.assert_array_equal(data, X.astype(dtype))


def test_views_of_any_strides():
    options = {"encoder": torch.nn.Linear(6, 2)}
    backwards = quick(**options).fit(X[::-1, ::-1])
    copied = quick(**options).fit(X[::-1, ::-1].copy())
    np.testing.assert_array_equal(backwards.embedding_, copied.embedding_)
    np.testing.assert_array_equal(
        backwards.transform(NEW[::2]), copied.transform(NEW)[::2]
    )


@pytest.mark.parametrize("layout", [sparse.csr_array, sparse.csr_matrix, "csc", "coo"])
def test_sparse_equals_dense(layout):
    data = np.where(np.abs(X) < 0.5, 0, X)
    table = sparse.csr_array(data)
    table = table.asformat(layout) if isinstance(layout, str) else layout(table)
    expected = quick(decoder=True).fit(data)
    found = quick(decoder=True).fit(table)
    np.testing.assert_array_equal(found.embedding_, expected.embedding_)
    np.testing.assert_array_equal(found.transform(table), found.embedding_)
    np.testing.assert_array_equal(found.transform(data), found.embedding_)
    np.testing.assert_allclose(
        found.inverse_transform(NEW[:, :2]), expected.inverse_transform(NEW[:, :2])
    )


def test_a_wide_sparse_table():
    data, y = make_clumps(120, 300)
    table = sparse.csr_array(np.where(np.abs(data) < 1, 0, data))
    numap = quick(n_input_components=10).fit(table)
    assert numap.net_.module_.options["n_inputs"] == 10
    assert separation(numap.embedding_, y) > 0.9
    np.testing.assert_allclose(
        numap.transform(table[3:4].toarray()), numap.embedding_[3:4], rtol=1e-9
    )
    own = quick(decoder=torch.nn.Linear(2, 300)).fit(table)
    assert own.inverse_transform(own.embedding_).shape == (120, 300)


def test_tables_with_names():
    frame = pd.DataFrame(X, columns=list("abcdef"), index=[f"n{k}" for k in range(120)])
    numap = quick().set_output(transform="pandas")
    placed = numap.fit_transform(frame)
    assert list(placed.columns) == ["numap0", "numap1"]
    assert placed.index.equals(frame.index)
    np.testing.assert_array_equal(placed, embed())
    assert numap.feature_names_in_.tolist() == list("abcdef")
    pd.testing.assert_frame_equal(numap.transform(frame[:3]), placed[:3])
    with pytest.raises(ValueError, match="feature names should match"):
        numap.transform(frame[list("fedcba")])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        numap.transform(NEW)


# ------------------------------------------------------------------ what comes out


def separation(places, y, train=None):
    """Tell how many samples are of the type of their nearest neighbours."""
    model = KNeighborsClassifier(5).fit(places, y)
    return model.score(places, y)


def umap_loss(numap, X):
    """Compute UMAP's loss of what the network alone says, over all pairs."""
    places = numap.transform(X)
    a, b = fit_curve(numap.min_dist, numap.spread)
    squares = np.square(places[:, np.newaxis] - places).sum(axis=2)
    odds = a * squares**b
    graph = numap.graph_.toarray()
    pull = (graph * np.log1p(odds)).sum() / graph.sum()
    push = np.log1p(odds) - np.log(odds + SMALLEST)
    np.fill_diagonal(push, 0)
    degrees = graph.sum(axis=1) / graph.sum()
    rate = numap.negative_sample_rate
    return pull + rate * (degrees @ push).sum() / len(places)


def test_new_samples_are_placed_among_their_type():
    numap = NUMAP(random_state=0, n_epochs=100, max_epochs=10).fit(X)
    model = KNeighborsClassifier(5).fit(numap.embedding_, TYPES)
    assert model.score(numap.transform(NEW), NEW_TYPES) > 0.9


def test_training_samples_stay_near_the_layout():
    numap = quick(n_epochs=100, max_epochs=40).fit(X)
    moved = np.linalg.norm(numap.embedding_ - numap.layout_, axis=1)
    assert np.median(moved) < 0.1 * numap.layout_.std()


def test_more_epochs_lower_the_loss():
    curve = NUMAP(random_state=0, n_epochs=40, max_epochs=30).fit(X).loss_curve_
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
        *make_clumps(300, 6, seed=0, spreads=spreads),
        *make_clumps(200, 6, seed=1, spreads=spreads),
    )


def test_densmap_shows_densities(uneven):
    data, y, new, new_y = uneven
    common = {"random_state": 0, "n_epochs": 200, "max_epochs": 20}
    plain = NUMAP(**common).fit(data)
    dense = NUMAP(densmap=True, **common).fit(data)
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
    smooth = NUMAP(random_state=0, n_epochs=100).fit(circle)
    assert smooth.n_anchors_ == 0
    assert smooth.fine_tune_loss_curve_.shape == (20,)
    common = {"random_state": 0, "n_epochs": 100, "max_epochs": 5}
    assert NUMAP(**common, n_anchors=30).fit(circle).n_anchors_ == 30
    # Of few samples a network learns each by heart, and says little of new ones.
    for n_digits in (150, 800):
        digits = load_digits().data[:n_digits]
        rough = NUMAP(**common).fit(digits)
        assert rough.n_anchors_ == n_digits
        assert not hasattr(rough, "fine_tune_loss_curve_")
    for options in ({"spectral_weight": 0.5}, {}):
        types = None if options else rng.integers(0, 2, 150)
        anchored = NUMAP(**common, **options).fit(circle, types)
        assert anchored.n_anchors_ == 150


def test_types_pull_together():
    rng = np.random.default_rng(0)
    data, y = make_clumps(200, 6, spreads=(2.5, 2.5))
    common = {"random_state": 0, "n_epochs": 150, "max_epochs": 10}
    alone = separation(NUMAP(**common).fit(data).layout_, y)
    assert alone < 0.95
    half = np.where(rng.random(200) < 0.5, y, -1)
    semi = separation(NUMAP(target_weight=0.9, **common).fit(data, half).layout_, y)
    full = separation(NUMAP(target_weight=0.9, **common).fit(data, y).layout_, y)
    assert full > 0.97
    assert alone < semi < full
    names = np.array(["PN", "KC", "?"])[half]
    named = NUMAP(target_weight=0.9, **common).fit(data, names).layout_
    assert separation(named, y) == semi
    none = NUMAP(target_weight=0.0, **common).fit(data, y).layout_
    assert separation(none, y) == alone


def test_a_spectral_embedding_at_full_weight():
    numap = quick(spectral_weight=1.0).fit(X)
    for k in range(2):
        leading = numap.spectral_embedding_[:, :2]
        fit = np.linalg.lstsq(
            np.column_stack([leading, np.ones(120)]), numap.layout_[:, k], rcond=None
        )
        assert fit[1][0] < 1e-12 * len(X)


FRONTS = {
    "spectral": {"learn_from": "spectral"},
    "both": {"learn_from": "both"},
    "residual": {"residual": True},
    "both and residual": {"learn_from": "both", "residual": True, "n_components": 3},
    "weights": {"encoder_init": "spectral"},
    "minibatch": {"spectral": "grease"},
}


@pytest.mark.parametrize("options", FRONTS.values(), ids=FRONTS.keys())
def test_spectral_coordinates_of_new_samples(options):
    numap = quick(n_anchors=0, max_epochs=20, **options).fit(X)
    assert numap.spectral_.n_components == 10
    np.testing.assert_array_equal(numap.spectral_embedding_, numap.spectral_.embedding_)
    widths = {"features": 6, "spectral": 10, "both": 16}
    n_inputs = numap.net_.module_.options["n_inputs"]
    assert n_inputs == widths[numap.learn_from]
    model = KNeighborsClassifier(5).fit(numap.embedding_, TYPES)
    assert model.score(numap.transform(NEW), NEW_TYPES) > 0.9
    again = pickle.loads(pickle.dumps(numap))
    np.testing.assert_array_equal(again.transform(NEW), numap.transform(NEW))
    table = sparse.csr_array(NEW)
    np.testing.assert_allclose(numap.transform(table), numap.transform(NEW), rtol=1e-9)


def test_weights_of_the_spectral_network():
    options = {"encoder_init": "spectral", "hidden_layer_sizes": (16, 16)}
    numap = quick(learning_rate=1e-12, **options).fit(X)
    layers = numap.net_.module_.layers, numap.spectral_.net_.module_.layers
    for own, learnt in zip(*layers, strict=True):
        if own.out_features == learnt.out_features:
            np.testing.assert_allclose(
                own.weight.detach(), learnt.weight.detach(), atol=1e-5
            )
    assert [layer.out_features for layer in layers[0]] == [16, 16, 2]
    assert [layer.out_features for layer in layers[1]] == [16, 16, 10]


def test_spectral_coordinates_of_images():
    encoder = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(6, 2))
    images = X.reshape(-1, 2, 3)
    numap = quick(spectral="grease", encoder=encoder).fit(images)
    assert numap.spectral_embedding_.shape == (120, 10)
    np.testing.assert_array_equal(numap.transform(images), numap.embedding_)


def test_too_few_samples_for_spectral_coordinates():
    message = r"residual=True needs at least 2 spectral coordinates, but .* and 3 sam"
    with pytest.raises(ValueError, match=message):
        quick(residual=True, n_neighbors=1).fit(X[:3])
    message = "learn_from='spectral' needs at least 1 spectral coordinates, but"
    with pytest.raises(ValueError, match=message):
        quick(learn_from="spectral", n_neighbors=1).fit(X[:2])
    numap = quick(learn_from="both", n_neighbors=1).fit(X[:3])
    assert np.isfinite(numap.transform(NEW)).all()


def test_without_spectral_coordinates_samples_start_at_principal_components():
    data = np.column_stack([np.zeros(120), 1e-6 * X[:, 3], X[:, :2] * 5])
    turned = NUMAP(spectral=None, n_epochs=1, max_epochs=1, random_state=0).fit(data)
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
        numap = NUMAP(metric=metric, random_state=0, n_epochs=100, max_epochs=10).fit(X)
        assert separation(numap.embedding_, TYPES) > 0.9
        moved = numap.transform(lengths * X + shift)
        np.testing.assert_allclose(moved, numap.embedding_, atol=1e-6)


def test_cosine_of_a_row_of_zeros():
    data = X.copy()
    data[3] = 0
    assert np.isfinite(embed(data, metric="cosine")).all()


# ---------------------------------------------------------------- neighbour graphs


@pytest.mark.parametrize("layout", ["csr", "csc", "coo"])
def test_neighbor_graph(layout):
    expected = quick(n_neighbors=7).fit(X)
    graph = kneighbors_graph(X, 7, mode="distance").asformat(layout)
    found = quick().fit(np.zeros((120, 6)) + X, neighbor_graph=graph)
    np.testing.assert_allclose(found.graph_.toarray(), expected.graph_.toarray(), 1e-4)
    with_self = kneighbors_graph(X, 8, mode="distance", include_self=True)
    same = quick().fit(X, neighbor_graph=with_self)
    np.testing.assert_array_equal(same.graph_.toarray(), found.graph_.toarray())
    np.testing.assert_array_equal(same.embedding_, found.embedding_)
    again = quick().fit_transform(X, neighbor_graph=graph)
    np.testing.assert_array_equal(again, found.embedding_)


def test_neighbor_graph_decides_who_is_near():
    other, _ = make_clumps(120, 2, seed=5)
    graph = kneighbors_graph(other, 7, mode="distance")
    numap = quick().fit(X, neighbor_graph=graph)
    expected = quick(n_neighbors=7).fit(other).graph_
    np.testing.assert_allclose(numap.graph_.toarray(), expected.toarray(), 1e-4)


def test_rows_of_different_length_in_a_neighbor_graph():
    graph = kneighbors_graph(X, 9, mode="distance").tolil()
    row = graph[4].toarray().ravel()
    graph[4] = np.where(row <= np.sort(row[row > 0])[4], row, 0)
    found = quick().fit(X, neighbor_graph=graph)
    expected = quick(n_neighbors=5).fit(X)
    np.testing.assert_allclose(found.graph_.toarray(), expected.graph_.toarray(), 1e-4)


def test_neighbor_graphs_that_are_refused():
    graph = kneighbors_graph(X, 7, mode="distance")
    missing = graph.copy()
    missing.data[missing.indptr[5] : missing.indptr[6]] = 0
    missing.eliminate_zeros()
    cases = [
        (graph.toarray(), "neighbor_graph must be a sparse matrix of distances"),
        (graph[:, :100], r"must have shape \(120, 120\), .* got \(120, 100\)"),
        (-graph, "must hold distances, finite and at least 0"),
        (missing, "none for 1 of 120 samples, such as sample 5"),
    ]
    for wrong, message in cases:
        with pytest.raises(ValueError, match=message):
            quick().fit(X, neighbor_graph=wrong)


# ---------------------------------------------------------- networks of the user


@pytest.mark.parametrize("n_dims", [3, 4])
def test_images(n_dims):
    images, y = load_digits(n_class=3, return_X_y=True)
    shape = (-1, 8, 8) if n_dims == 3 else (-1, 1, 8, 8)
    images = (images / 16).reshape(shape)
    encoder = conv_net()
    if n_dims == 3:
        encoder = torch.nn.Sequential(torch.nn.Unflatten(1, (1, 8)), encoder)
    settings = {"n_epochs": 100, "max_epochs": 8, "random_state": 0, "decoder": True}
    numap = NUMAP(encoder=encoder, **settings).fit(images[:200])
    assert type(numap.net_.module_) is torch.nn.Sequential
    placed = numap.transform(images[200:300])
    model = KNeighborsClassifier(5).fit(numap.embedding_, y[:200])
    assert model.score(placed, y[200:300]) > 0.9
    np.testing.assert_allclose(
        numap.transform(images[204:205]), placed[4:5], rtol=1e-12
    )
    back = numap.inverse_transform(placed)
    assert back.shape == images[200:300].shape
    again = pickle.loads(pickle.dumps(numap))
    np.testing.assert_array_equal(again.transform(images[200:300]), placed)
    with pytest.raises(ValueError, match="X has samples of shape"):
        numap.transform(images[:5, ..., :7])
    with pytest.raises(ValueError, match="X has 64 features, but NUMAP is expecting"):
        numap.transform(images[:5].reshape(5, -1))


def test_images_need_an_encoder():
    with pytest.raises(ValueError, match="Found array with dim 3"):
        quick().fit(np.zeros((20, 8, 8)))


@pytest.mark.parametrize(
    ("encoder", "error", "message"),
    [
        ("Linear", TypeError, r"encoder must be a torch\.nn\.Module, such as"),
        (torch.nn.Linear, TypeError, r"encoder must be a torch\.nn\.Module, such as"),
        (
            torch.nn.Linear(6, 3),
            ValueError,
            r"encoder must return an array of shape \(2, 2\) for 2 samples, one column "
            r"for each of n_components, got \(2, 3\)",
        ),
        (
            torch.nn.Linear(5, 2),
            ValueError,
            r"encoder cannot take a batch of shape \(2, 6\)",
        ),
    ],
)
def test_encoders_that_are_refused(encoder, error, message):
    with pytest.raises(error, match=message):
        quick(encoder=encoder).fit(X)


# -------------------------------------------------------------------- the way back


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("n_input_components", [None, 4])
@pytest.mark.parametrize("own", [False, True])
def test_inverse_transform(own, n_input_components, metric):
    decoder = True
    if own:
        decoder = torch.nn.Sequential(torch.nn.Linear(2, 32), torch.nn.ReLU())
        decoder.append(torch.nn.Linear(32, 6))
    numap = NUMAP(
        decoder=decoder,
        n_input_components=n_input_components,
        metric=metric,
        n_epochs=100,
        max_epochs=40,
        random_state=0,
    ).fit(X)
    back = numap.inverse_transform(numap.transform(NEW))
    assert back.shape == NEW.shape
    expected = NEW
    if metric == "cosine" and not own:
        expected = NEW / np.linalg.norm(NEW, axis=1, keepdims=True)
    left = np.square(back - expected).mean()
    assert left < 0.6 * np.square(expected - expected.mean(axis=0)).mean()


def test_no_way_back():
    numap = quick().fit(X)
    for decoder in (False, np.False_):
        assert not hasattr(numap.set_params(decoder=decoder), "inverse_transform")
    with pytest.raises(AttributeError, match="inverse_transform"):
        numap.inverse_transform(numap.embedding_)
    with pytest.raises(NotFittedError):
        numap.set_params(decoder=True).inverse_transform(numap.embedding_)
    numap.set_params(decoder=np.True_).fit(X)
    assert numap.inverse_transform(numap.embedding_).shape == X.shape


def test_bad_input_of_the_way_back():
    numap = quick(decoder=True).fit(X)
    message = r"a column for each of n_components \(2\), got 3"
    with pytest.raises(ValueError, match=message):
        numap.inverse_transform(np.zeros((4, 3)))
    with pytest.raises(ValueError, match="X contains NaN"):
        numap.inverse_transform([[0.0, np.nan]])
    for decoder, message in (
        (torch.nn.Linear(2, 5), r"decoder must return an array of shape \(2, 6\)"),
        (torch.nn.Linear(3, 6), r"decoder cannot take a batch of shape \(2, 2\)"),
    ):
        with pytest.raises(ValueError, match=message):
            quick(decoder=decoder).fit(X)
    with pytest.raises(TypeError, match=r"decoder must be a torch\.nn\.Module"):
        quick(decoder="yes").fit(X)


# ---------------------------------------------------------------------- warm start


def turned(places, others):
    """Tell how far places are from others, relative to their spread."""
    return np.linalg.norm(places - others) / np.linalg.norm(others - others.mean(0))


@pytest.mark.parametrize(
    "options", [{}, {"encoder": torch.nn.Linear(6, 2)}, {"learn_from": "both"}]
)
def test_warm_start_keeps_places(options):
    numap = quick(warm_start=True, **options).fit(X)
    before, net = numap.embedding_, numap.net_
    more = np.vstack([X, NEW])
    numap.set_params(random_state=5).fit(more)
    assert numap.embedding_.shape == (200, 2)
    assert numap.graph_.shape == (200, 200)
    assert numap.net_ is not net
    assert turned(numap.embedding_[:120], before) < 0.35
    cold = quick(random_state=5, **options).fit(more)
    assert turned(cold.embedding_[:120], before) > 0.6


def test_warm_start_goes_on_with_the_weights():
    numap = NUMAP(warm_start=True, decoder=True, random_state=0, n_epochs=5)
    first = numap.fit(X).loss_curve_
    second = numap.set_params(max_epochs=1).fit(X).loss_curve_
    assert second[0] < 0.5 * first[0]


def test_warm_start_after_loading_is_the_same():
    options = {"fine_tune_epochs": 2, "n_anchors": 0, "decoder": True}
    numap = quick(warm_start=True, **options).fit(X)
    loaded = pickle.loads(pickle.dumps(numap))
    np.testing.assert_array_equal(loaded.fit(NEW).embedding_, numap.fit(NEW).embedding_)


def test_warm_start_heeds_dropout():
    fits = []
    for dropout in (0.2, 0.9):
        numap = quick(warm_start=True).fit(X)
        fits.append(numap.set_params(dropout=dropout).fit(X).loss_curve_[0])
    assert fits[0] < fits[1]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"n_components": 3}, "n_components is 3, but was 2 in the fit before, and wi"),
        ({"hidden_layer_sizes": (5,)}, r"hidden_layer_sizes is \(5,\), but was \(128"),
        ({"n_input_components": 3}, "n_input_components is 3, but was 50"),
        ({"metric": "cosine"}, "metric is 'cosine', but was 'euclidean'"),
        ({"encoder": torch.nn.Linear(6, 2)}, "encoder is 'one of your own', but was"),
    ],
)
def test_warm_start_with_other_parameters(changed, message):
    numap = quick(warm_start=True).fit(X)
    placed = numap.transform(NEW)
    with pytest.raises(ValueError, match=message):
        numap.set_params(**changed).fit(X)
    np.testing.assert_array_equal(numap.transform(NEW), placed)
    numap.set_params(warm_start=False).fit(X)


def test_warm_start_with_other_features():
    numap = quick(warm_start=True).fit(X)
    with pytest.raises(ValueError, match="X has 5 features, but NUMAP is expecting 6"):
        numap.fit(X[:, :5])
    assert numap.n_features_in_ == 6
    numap.set_params(warm_start=False).fit(X[:, :5])


def test_warm_start_with_another_kind_of_decoder():
    numap = quick(warm_start=True).fit(X)
    for decoder in (True, torch.nn.Linear(2, 6), True, False, True):
        numap.set_params(decoder=decoder).fit(X)
        if decoder:
            assert numap.inverse_transform(numap.embedding_).shape == X.shape


# ------------------------------------------------------------------- copies, search


def test_copies(settings):
    numap = NUMAP(**settings, decoder=True).fit(X)
    places = NEW[:, : numap.n_components]
    placed, back = numap.transform(NEW), numap.inverse_transform(places)
    history = numap.net_.history[:, "train_loss"]
    for copied in (pickle.loads(pickle.dumps(numap)), copy.deepcopy(numap), numap):
        np.testing.assert_array_equal(copied.transform(NEW), placed)
        np.testing.assert_array_equal(copied.embedding_, numap.embedding_)
        np.testing.assert_array_equal(copied.inverse_transform(places), back)
        assert copied.net_.history[:, "train_loss"] == history
    fresh = clone(numap)
    assert repr(fresh) == repr(numap)
    with pytest.raises(NotFittedError):
        fresh.transform(NEW)
    np.testing.assert_array_equal(fresh.fit(X).transform(NEW), placed)


def test_joblib(tmp_path):
    numap = quick(encoder=torch.nn.Linear(6, 2), callbacks=[Log()]).fit(X)
    joblib.dump(numap, tmp_path / "numap.joblib")
    loaded = joblib.load(tmp_path / "numap.joblib")
    np.testing.assert_array_equal(loaded.transform(NEW), numap.transform(NEW))


def test_a_model_from_a_gpu_opens_without_one():
    numap = quick(decoder=True).fit(X)
    placed = numap.transform(NEW)
    numap.device_ = "cuda:97"
    loaded = pickle.loads(pickle.dumps(numap))
    assert loaded.device_ == "cpu"
    np.testing.assert_array_equal(loaded.transform(NEW), placed)


def test_pipeline():
    pipeline = make_pipeline(
        StandardScaler(), quick(decoder=True), LogisticRegression()
    )
    pipeline.fit(X, TYPES)
    assert pipeline.score(NEW, NEW_TYPES) > 0.9
    there_and_back = pipeline[:-1]
    back = there_and_back.inverse_transform(there_and_back.transform(NEW))
    assert back.shape == NEW.shape
    graph = kneighbors_graph(X, 7, mode="distance")
    pipeline.fit(X, TYPES, numap__neighbor_graph=graph)


def test_grid_search():
    search = GridSearchCV(
        quick(),
        {"n_neighbors": [5, 10], "decoder": np.array([False, True])},
        scoring=make_neighborhood_scorer(n_neighbors=8),
        cv=2,
        error_score="raise",
    )
    search.fit(X)
    scores = search.cv_results_["mean_test_score"]
    assert len(scores) == 4
    assert (scores > 0.2).all()
    assert len(np.unique(scores)) == 2
    assert search.best_estimator_.transform(NEW).shape == (80, 2)


# -------------------------------------------------- callbacks, progress, interrupts


@pytest.mark.parametrize("fine_tune_epochs", [0, 2])
def test_callbacks(fine_tune_epochs):
    log = Log()
    numap = quick(callbacks=[log], fine_tune_epochs=fine_tune_epochs).fit(X)
    last = numap.loss_curve_
    if fine_tune_epochs:
        last = numap.fine_tune_loss_curve_
    assert log.losses == list(last)


def test_early_stopping():
    stopping = EarlyStopping(monitor="train_loss", patience=2, threshold=1e6)
    numap = NUMAP(callbacks=[stopping], random_state=0, n_epochs=10).fit(X)
    assert numap.n_iter_ == 3
    assert numap.transform(NEW).shape == (80, 2)


@pytest.mark.parametrize("verbose", [False, 0, True, 1])
def test_progress_bars(verbose, capsys):
    options = {"decoder": True, "densmap": True, "fine_tune_epochs": 2}
    quick(verbose=verbose, **options).fit(X)
    out, err = capsys.readouterr()
    assert out == ""
    for name in ("layout", "density", "encoder", "fine-tuning", "decoder"):
        assert (name in err) == bool(verbose)
    assert bool(err) == bool(verbose)


@pytest.mark.parametrize(
    ("callback", "error", "message"),
    [
        (Interrupt(), KeyboardInterrupt, None),
        (LoseTheNumbers(), FloatingPointError, r"diverged: .* Lower learning_rate"),
    ],
)
def test_nothing_half_fitted_is_left(callback, error, message):
    numap = quick(callbacks=[callback])
    before = set(vars(numap))
    with pytest.raises(error, match=message):
        numap.fit(X)
    assert set(vars(numap)) == before
    with pytest.raises(NotFittedError):
        numap.transform(X)
    for warm_start in (False, True):
        numap.set_params(callbacks=None, warm_start=False).fit(X)
        state, placed = dict(vars(numap)), numap.transform(NEW)
        numap.set_params(callbacks=[callback], warm_start=warm_start)
        with pytest.raises(error, match=message):
            numap.fit(NEW if warm_start else NEW[:, :4])
        assert set(vars(numap)) == set(state)
        assert all(
            vars(numap)[name] is value
            for name, value in state.items()
            if name not in ("callbacks", "warm_start")
        )
        np.testing.assert_array_equal(numap.transform(NEW), placed)


def test_a_loss_that_is_nan():
    with pytest.raises(FloatingPointError, match="the training diverged"):
        quick(learning_rate=1e30).fit(X)
    with pytest.raises(FloatingPointError, match="the training diverged"):
        quick(learning_rate=1e30, fine_tune_epochs=1).fit(X)


# ---------------------------------------------------------------------- odd data


@pytest.mark.parametrize("n_samples", [2, 3, 4])
@pytest.mark.parametrize("n_components", [1, 2, 3])
def test_very_few_samples(n_samples, n_components):
    options = {"decoder": True, "densmap": True, "fine_tune_epochs": 1}
    numap = quick(n_components, n_neighbors=1, **options).fit(X[:n_samples])
    assert numap.embedding_.shape == (n_samples, n_components)
    assert np.isfinite(numap.embedding_).all()
    assert np.isfinite(numap.transform(NEW)).all()


def test_fewer_samples_than_neighbors():
    message = r"n_neighbors \(15\) must be less than .* \(10\): 9 are used"
    with pytest.warns(UserWarning, match=message) as caught:
        found = quick().fit(X[:10]).embedding_
    assert [warning.filename for warning in caught] == [__file__]
    np.testing.assert_array_equal(found, embed(X[:10], n_neighbors=9))


@pytest.mark.parametrize(
    "data",
    [
        np.hstack([np.ones((120, 2)), X]),
        np.ones((40, 3)),
        np.repeat(X[:12], 10, axis=0),
        np.vstack([np.ones((60, 6)), X[:60]]),
        np.ones((70, 60)),
        sparse.csr_array(np.ones((70, 60))),
        np.outer(np.arange(70), np.ones(60)),
        X * 1e-20,
        X * 1e12,
        X + 1e6,
        X[:, :1],
    ],
    ids=[
        "constant columns",
        "all rows alike",
        "duplicates",
        "half the rows alike",
        "all rows alike and wide",
        "all rows alike, wide and sparse",
        "one direction",
        "tiny",
        "large",
        "far from 0",
        "one column",
    ],
)
def test_odd_data(data):
    options = {"decoder": True, "densmap": True, "fine_tune_epochs": 1}
    numap = quick(**options).fit(data)
    assert np.isfinite(numap.embedding_).all()
    assert np.isfinite(numap.inverse_transform(numap.embedding_)).all()
    np.testing.assert_array_equal(numap.transform(data), numap.embedding_)
    data = data.toarray() if sparse.issparse(data) else data
    _, first, which = np.unique(data, axis=0, return_index=True, return_inverse=True)
    alike = numap.embedding_[first][which]
    np.testing.assert_allclose(alike, numap.embedding_, rtol=1e-9, atol=1e-9)


def test_clumps_that_nothing_joins():
    data = np.vstack([X, X + 1000])
    numap = quick().fit(data)
    assert np.isfinite(numap.embedding_).all()
    side = np.repeat([0, 1], 120)
    assert separation(numap.embedding_, side) == 1
    assert abs(numap.graph_[:120, 120:]).sum() == 0
    few, _ = make_clumps(22, 30)
    assert embed(np.vstack([few, few + 1000]), n_components=25).shape == (44, 25)


# ---------------------------------------------------------------------- bad input


def with_value(value):
    """Return samples that hold it."""
    data = X.copy()
    data[3, 2] = value
    return data


@pytest.mark.parametrize(
    ("data", "y", "message"),
    [
        (with_value(np.nan), None, "Input X contains NaN"),
        (with_value(np.inf), None, "Input X contains infinity"),
        (X[:1], None, r"Found array with 1 sample\(s\) .* a minimum of 2"),
        (X[:, 0], None, "Expected 2D array, got 1D array"),
        (X, TYPES[:50], r"inconsistent numbers of samples: \[120, 50\]"),
        (X, np.full(120, -1), "NUMAP needs labelled samples, but all 120 labels in"),
        (X, np.full(120, "?"), "NUMAP needs labelled samples, but all 120 labels in"),
        (X, X[:, 0], "Unknown label type: continuous"),
        (X, X[:, :2], r"y should be a 1d array"),
        (X * 1e30, None, "gives distances that are not finite.* numbers that are too"),
    ],
)
def test_data_that_are_refused(data, y, message):
    with pytest.raises(ValueError, match=message):
        quick().fit(data, y)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"metric": "miles"}, r"metric \('miles'\) must be a function or, for a dense"),
        ({"metric": "precomputed"}, r"metric \('precomputed'\) must be a function"),
        ({"metric": "seuclidean"}, "needs metric_params: V, the variances"),
        ({"learn_from": "spectral"}, "learn_from='spectral' needs spectral coord"),
        ({"learn_from": "both"}, "learn_from='both' needs spectral coordinates"),
        ({"residual": True}, "residual=True needs spectral coordinates, but spectral"),
        ({"encoder_init": "spectral"}, "encoder_init='spectral' needs spectral coo"),
        ({"spectral_weight": 0.1}, "spectral_weight=0.1 needs spectral coordinates"),
        ({"min_dist": 1.5}, r"min_dist \(1.5\) must be at most spread \(1.0\)"),
        ({"hidden_layer_sizes": (8, 0)}, r"must be positive integers, got \(8, 0\)"),
        ({"hidden_layer_sizes": (8.5,)}, r"must be positive integers, got \(8.5,\)"),
        ({"device": "cuda:97"}, "device='cuda:97' cannot be used here"),
        ({"n_components": 0}, "The 'n_components' parameter of NUMAP must be an int"),
        ({"hidden_layer_sizes": 8}, "The 'hidden_layer_sizes' parameter of NUMAP"),
    ],
)
def test_parameters_that_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        NUMAP(**{**QUICK, "spectral": None, **parameters}).fit(X)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"encoder": torch.nn.Linear(6, 2), "learn_from": "both"},
            "learn_from='both' is about the encoder that NUMAP makes, but encoder is",
        ),
        (
            {"encoder": torch.nn.Linear(6, 2), "residual": True},
            "residual=True is about the encoder that NUMAP makes",
        ),
        (
            {"encoder": torch.nn.Linear(6, 2), "encoder_init": "one_hot"},
            "encoder_init='one_hot' is about the encoder that NUMAP makes",
        ),
        (
            {"encoder_init": "spectral", "learn_from": "both"},
            "learn_from must be 'features', got 'both'",
        ),
        (
            {"encoder_init": "spectral", "learn_from": "spectral"},
            "learn_from must be 'features', got 'spectral'",
        ),
        (
            {"residual": True, "n_components": 3, "spectral_components": 2},
            "residual=True needs at least 3 spectral coordinates, but spectral_compo",
        ),
    ],
)
def test_parameters_that_contradict_each_other(parameters, message):
    with pytest.raises(ValueError, match=message):
        quick(**parameters).fit(X)


def test_device():
    assert quick(device="cpu").fit(X).device_ == "cpu"
    numap = quick(device="cpu:0").fit(X)
    np.testing.assert_array_equal(numap.embedding_, embed(device="cpu"))
    with pytest.raises(ValueError, match=r"device='meta' cannot be used here"):
        quick(device="meta").fit(X)


def test_metric_that_is_not_defined_for_a_row():
    data = X.copy()
    data[3] = 7.0
    message = "metric='correlation' gives distances that are not finite, such as nan"
    with pytest.raises(ValueError, match=message):
        quick(metric="correlation").fit(data)
    with pytest.raises(ValueError, match="metric='correlation' needs a dense X"):
        quick(metric="correlation").fit(sparse.csr_array(X))
    with pytest.raises(ValueError, match=r"'chebyshev'.* for a sparse X, one of"):
        quick(metric="chebyshev").fit(sparse.csr_array(X))


def test_types_that_leave_no_edge():
    message = r"no two neighbours have the same type in y, .* target_weight=1.0 leaves"
    with pytest.raises(ValueError, match=message):
        quick(target_weight=1.0).fit(X, np.arange(120))
    assert np.isfinite(embed(y=np.arange(120), target_weight=0.9)).all()


def test_other_features_in_transform():
    numap = quick().fit(X)
    with pytest.raises(ValueError, match="X has 5 features, but NUMAP is expecting 6"):
        numap.transform(X[:, :5])
    with pytest.raises(ValueError, match="X contains NaN"):
        numap.transform(with_value(np.nan))
    for name in ("transform", "get_feature_names_out"):
        with pytest.raises(NotFittedError):
            getattr(NUMAP(), name)(*[X] * (name == "transform"))


@pytest.mark.parametrize("package", ["torch", "skorch"])
def test_missing_package(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    message = rf"NUMAP needs {package}, which the extra 'nn' brings: pip install"
    numap = quick()
    with pytest.raises(ImportError, match=message):
        numap.fit(X)
    assert set(vars(numap)) == set(numap.get_params())


def test_no_warnings_where_nothing_is_odd():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quick().fit(X, TYPES).transform(NEW)
