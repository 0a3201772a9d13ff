"""NUMAP: networks of the user, decoders, warm starts, callbacks."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import copy
import pickle

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.neighbors import KNeighborsClassifier
from skorch.callbacks import EarlyStopping

from celltyping import NUMAP, MLPEncoder
from tests._callbacks import Interrupt, Log, LoseTheNumbers
from tests._numap import NEW, X, make_numap, quick


def conv_net(n_outputs=2):
    """Make a small network for images of 8 x 8 points."""
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3, stride=2),
        torch.nn.BatchNorm2d(4),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(36, n_outputs),
    )


# ---------------------------------------------------------------- networks of the user


@pytest.mark.parametrize("n_dims", [3, 4])
def test_images(n_dims):
    images, y = load_digits(n_class=3, return_X_y=True)
    shape = (-1, 8, 8) if n_dims == 3 else (-1, 1, 8, 8)
    images = (images / 16).reshape(shape)
    encoder = conv_net()
    if n_dims == 3:
        encoder = torch.nn.Sequential(torch.nn.Unflatten(1, (1, 8)), encoder)
    settings = {"n_epochs": 100, "max_epochs": 8, "random_state": 0, "decoder": True}
    numap = make_numap(module=encoder, **settings).fit(images[:200])
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


def test_encoders_that_are_refused(subtests):
    for encoder, error, message in (
        ("Linear", TypeError, r"encoder must be an MLPEncoder, such as"),
        (torch.nn.Linear, TypeError, r"encoder must be an MLPEncoder, such as"),
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
    ):
        with subtests.test(encoder=encoder), pytest.raises(error, match=message):
            quick(module=encoder).fit(X)


def test_a_module_is_an_encoder():
    module = torch.nn.Linear(6, 2)
    options = {"n_epochs": 20, "n_anchors": 40, "random_state": 0}
    short = NUMAP(encoder=module, **options).fit(X)
    full = NUMAP(encoder=MLPEncoder(module=module), **options).fit(X)
    np.testing.assert_array_equal(short.embedding_, full.embedding_)
    assert type(short.net_.module_) is torch.nn.Linear


# ---------------------------------------------------------------------------- decoders


@pytest.mark.parametrize(
    ("own", "n_input_components", "metric"),
    [
        (False, None, "euclidean"),
        (False, 4, "cosine"),
        (True, None, "cosine"),
        (True, 4, "euclidean"),
    ],
)
def test_inverse_transform(own, n_input_components, metric):
    decoder = True
    if own:
        decoder = torch.nn.Sequential(torch.nn.Linear(2, 32), torch.nn.ReLU())
        decoder.append(torch.nn.Linear(32, 6))
    numap = quick(
        decoder=decoder,
        n_input_components=n_input_components,
        metric=metric,
        n_epochs=100,
        max_epochs=40,
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
    with pytest.raises(AttributeError, match="inverse_transform") as caught:
        numap.inverse_transform(numap.embedding_)
    assert "without a decoder: pass decoder=True" in str(caught.value.__cause__)
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
    with pytest.raises(
        TypeError, match=r"such as torch\.nn\.Linear\(2, 6\), got 'yes'"
    ):
        quick(decoder="yes").fit(X)
    # The widths are those of a perceptron as decoder, too.
    own = torch.nn.Linear(6, 2)
    numap = quick(module=own, decoder=True, hidden_layer_sizes=(9,)).fit(X)
    assert numap.decoder_net_.module_.options["hidden_layer_sizes"] == (9,)


# ------------------------------------------------------------------------- warm starts


def relative_distance(positions, others):
    """Compute the distance of positions from others, relative to their spread."""
    return np.linalg.norm(positions - others) / np.linalg.norm(others - others.mean(0))


@pytest.mark.parametrize(
    "options", [{}, {"module": torch.nn.Linear(6, 2)}, {"inputs": "both"}]
)
def test_warm_start_keeps_positions(options):
    numap = quick(warm_start=True, **options).fit(X)
    before, net = numap.embedding_, numap.net_
    more = np.vstack([X, NEW])
    numap.set_params(random_state=5).fit(more)
    assert numap.embedding_.shape == (200, 2)
    assert numap.graph_.shape == (200, 200)
    assert numap.net_ is not net
    assert relative_distance(numap.embedding_[:120], before) < 0.35
    cold = quick(random_state=5, **options).fit(more)
    assert relative_distance(cold.embedding_[:120], before) > 0.6


def test_warm_start_goes_on_with_the_weights():
    numap = quick(max_epochs=40, warm_start=True, decoder=True, n_epochs=5)
    first = numap.fit(X).loss_curve_
    second = numap.set_params(encoder__max_epochs=1).fit(X).loss_curve_
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
        fits.append(numap.set_params(encoder__dropout=dropout).fit(X).loss_curve_[0])
    assert fits[0] < fits[1]


def test_warm_start_with_other_parameters(subtests):
    fitted = quick(warm_start=True).fit(X)
    placed = fitted.transform(NEW)
    for changed, message in (
        ({"n_components": 3}, "n_components is 3, but was 2 in the fit before, and wi"),
        (
            {"encoder__hidden_layer_sizes": (5,)},
            r"hidden_layer_sizes is \(5,\), but was \(128",
        ),
        ({"n_input_components": 3}, "n_input_components is 3, but was 50"),
        ({"metric": "cosine"}, "metric is 'cosine', but was 'euclidean'"),
        ({"encoder__residual": True}, "residual is True, but was False"),
        (
            {"encoder": torch.nn.Linear(6, 2)},
            "'one of your own', but was 'a perceptron'",
        ),
    ):
        with subtests.test(changed=changed):
            numap = copy.deepcopy(fitted)
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


# ----------------------------------------------------- callbacks, progress, interrupts


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
    numap = make_numap(callbacks=[stopping], random_state=0, n_epochs=10).fit(X)
    assert numap.n_iter_ == 3
    assert numap.transform(NEW).shape == (80, 2)


def test_progress_bars(capsys):
    options = {"decoder": True, "densmap": True, "fine_tune_epochs": 2}
    for verbose in (False, 0, True, 1):
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
        numap.set_params(encoder__callbacks=None, warm_start=False).fit(X)
        state, placed = dict(vars(numap)), numap.transform(NEW)
        numap.set_params(encoder__callbacks=[callback], warm_start=warm_start)
        with pytest.raises(error, match=message):
            numap.fit(NEW if warm_start else NEW[:, :4])
        assert set(vars(numap)) == set(state)
        assert all(
            vars(numap)[name] is value
            for name, value in state.items()
            if name != "warm_start"
        )
        np.testing.assert_array_equal(numap.transform(NEW), placed)


def test_a_loss_that_is_nan():
    with pytest.raises(FloatingPointError, match="the training diverged"):
        quick(learning_rate=1e30).fit(X)
    with pytest.raises(FloatingPointError, match="the training diverged"):
        quick(learning_rate=1e30, fine_tune_epochs=1).fit(X)
