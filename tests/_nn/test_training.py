"""Training, prediction and storage of networks: seeds, devices, callbacks."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import copy
import pickle

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback, EarlyStopping
from skorch.dataset import Dataset

from celltyping._nn import _training
from celltyping._nn._batches import ShuffledBatches
from celltyping._nn._storage import pack_net, unpack_net
from celltyping._nn._training import (
    Perceptron,
    as_tensor,
    device_or_cpu,
    predict_float64,
    resolve_device,
    seeded,
    train,
)
from tests._callbacks import Interrupt

# A device that does not exist.
NOWHERE = "cuda:97"


class Log(Callback):
    """Records the calls of a callback."""

    def __init__(self):
        self.calls = []

    def initialize(self):
        self.calls.append("initialize")
        return self

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        self.calls.append("begin")

    def on_epoch_end(self, net, **kwargs):
        self.calls.append(net.history[-1, "train_loss"])

    def on_train_end(self, net, X=None, y=None, **kwargs):
        self.calls.append("end")


def perceptron(*args, **options):
    """Make a small network of seed 0."""
    with seeded(0, "cpu"):
        return Perceptron(*args, **options)


def table(n_rows=70):
    """Make inputs, and targets that are a linear function of them."""
    inputs = np.random.default_rng(0).normal(size=(n_rows, 4))
    return inputs, inputs[:, :2] - inputs[:, 2:]


def train_quickly(module=None, seed=0, **options):
    """Train on a table."""
    module = perceptron(4, (16,), 2) if module is None else module
    settings = {"batch_size": 16, "max_epochs": 5, "learning_rate": 0.01} | options
    dataset = Dataset(*(as_tensor(array, np.float32) for array in table()))
    with seeded(seed, "cpu"):
        return train(
            module,
            dataset,
            criterion=torch.nn.SmoothL1Loss(),
            description="test",
            **settings,
        )


def losses(net):
    """Return the loss of every epoch."""
    return net.history[:, "train_loss"]


def test_devices():
    assert resolve_device("cpu") == "cpu"
    there = "cuda" if torch.cuda.is_available() else "cpu"
    assert resolve_device("auto") == there
    assert device_or_cpu(there) == there
    assert device_or_cpu(NOWHERE) == "cpu"


@pytest.mark.parametrize("device", [NOWHERE, "gpu", "meta", "cpu, please"])
def test_device_that_is_not_there(device):
    message = rf"device='{device}' cannot be used here \(.+\); 'auto' takes a GPU"
    with pytest.raises(ValueError, match=message):
        resolve_device(device)


def test_seed_inside_and_nothing_changed_outside():
    before, n_threads = torch.get_rng_state(), torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        drawn = []
        for seed in (0, 0, 1):
            with seeded(seed, "cpu"):
                drawn.append(torch.rand(3))
                assert torch.get_num_threads() == 1
        assert torch.equal(drawn[0], drawn[1])
        assert not torch.equal(drawn[0], drawn[2])
        with pytest.raises(ZeroDivisionError), seeded(0, "cpu"):
            torch.rand(1 // 0)
        assert torch.get_num_threads() == 2
        assert torch.equal(torch.get_rng_state(), before)
    finally:
        torch.set_num_threads(n_threads)


@pytest.mark.parametrize("batch_size", [1, 7, 16, 70, 1000])
def test_every_row_once_per_epoch(batch_size):
    rows = torch.arange(70)
    batches = ShuffledBatches(Dataset(rows, rows * 2), batch_size=batch_size)
    orders = []
    with seeded(0, "cpu"):
        for _ in range(2):
            parts = list(batches)
            assert len(parts) == len(batches) == int(np.ceil(70 / batch_size))
            sizes = [len(inputs) for inputs, _ in parts]
            assert max(sizes) <= batch_size
            assert max(sizes) - min(sizes) <= 1
            assert all(torch.equal(2 * inputs, targets) for inputs, targets in parts)
            orders.append(torch.cat([inputs for inputs, _ in parts]))
            assert torch.equal(orders[-1].sort().values, rows)
    assert not torch.equal(*orders)


def test_training_lowers_the_loss():
    net = train_quickly(max_epochs=40)
    assert len(losses(net)) == 40
    assert losses(net)[-1] < 0.1 * losses(net)[0]


def test_training_follows_from_the_seed():
    first, second, other = (train_quickly(seed=seed) for seed in (0, 0, 1))
    assert losses(first) == losses(second)
    assert losses(first) != losses(other)
    weights = [net.module_.layers[0].weight for net in (first, second)]
    assert torch.equal(*weights)


@pytest.mark.parametrize(
    "options",
    [{"batch_size": 70}, {"learning_rate": 0.1}, {"weight_decay": 5.0}],
)
def test_options_change_the_training(options):
    weights = [
        train_quickly(**chosen).module_.layers[0].weight for chosen in ({}, options)
    ]
    assert not torch.allclose(*weights)


def test_the_rate_rises_and_falls_once():
    class Rates(Callback):
        def __init__(self):
            self.rates = []

        def on_batch_end(self, net, **kwargs):
            self.rates.append(net.optimizer_.param_groups[0]["lr"])

    rates = Rates()
    train_quickly(max_epochs=10, callbacks=[rates])
    top = int(np.argmax(rates.rates))
    np.testing.assert_allclose(max(rates.rates), 0.01, rtol=0.02)
    assert abs(top / len(rates.rates) - 0.3) < 0.1
    assert (np.diff(rates.rates[: top + 1]) > 0).all()
    assert (np.diff(rates.rates[top:]) < 0).all()
    assert rates.rates[-1] < 1e-4


def test_a_loss_that_is_nan_stops_with_advice():
    inputs, _ = table()
    targets = np.full((70, 2), np.nan)
    dataset = Dataset(as_tensor(inputs, np.float32), as_tensor(targets, np.float32))
    message = r"loss of epoch 1 is nan\. Lower learning_rate \(now 0\.25\)"
    with pytest.raises(FloatingPointError, match=message):
        train(
            perceptron(4, (), 2),
            dataset,
            criterion=torch.nn.SmoothL1Loss(),
            batch_size=10,
            max_epochs=3,
            learning_rate=0.25,
            description="test",
        )


def test_callbacks_are_called_and_initialized_once():
    log = Log()
    net = train_quickly(callbacks=[("log", log)])
    assert log.calls == ["initialize", "begin", *losses(net), "end"]
    names = {name for name, _ in net.callbacks_}
    assert "log" in names
    assert not names & set(_training.OWN_CALLBACKS)


def test_interrupt_propagates():
    log = Log()
    with pytest.raises(KeyboardInterrupt):
        train_quickly(callbacks=[log, Interrupt()])
    assert len(log.calls) == 3
    assert log.calls[-1] != "end"


def test_early_stopping_ends_the_training_as_in_skorch():
    stopping = EarlyStopping(monitor="train_loss", patience=2, threshold=1e6)
    log = Log()
    net = train_quickly(max_epochs=30, callbacks=[log, stopping])
    assert len(losses(net)) == 3
    assert log.calls[-1] == "end"
    with pytest.raises(KeyboardInterrupt):
        train_quickly(callbacks=[EarlyStopping(monitor="train_loss"), Interrupt()])


@pytest.mark.parametrize("verbose", [False, True, 2])
def test_progress(verbose, capsys):
    net = train_quickly(verbose=verbose)
    out, err = capsys.readouterr()
    assert out == ""
    assert ("test" in err) == bool(verbose)
    assert (f"loss={losses(net)[-1]:.4g}" in err) == bool(verbose)
    assert ("5/5" in err) == bool(verbose)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_tensor_is_a_copy(dtype):
    array = np.arange(6.0).reshape(2, 3)[::-1, ::-1]
    array.setflags(write=False)
    tensor = as_tensor(array, dtype)
    assert tensor.numpy().dtype == dtype
    assert tensor.is_contiguous()
    np.testing.assert_array_equal(tensor, array)
    tensor += 1
    np.testing.assert_array_equal(tensor, array + 1)


def test_answers_are_in_double_precision():
    module = perceptron(4, (16,), 2, dropout=0.5, noise=1.0).train()
    inputs = np.random.default_rng(0).normal(size=(3000, 4)).astype(np.float32)
    found = predict_float64(module, inputs)
    assert found.dtype == np.float64
    with torch.inference_mode():
        expected = copy.deepcopy(module).double().eval()(torch.tensor(inputs).double())
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert module.training
    assert module.layers[0].weight.dtype == torch.float32


def test_answers_do_not_depend_on_the_batch():
    module = perceptron(40, (64, 64), 2)
    inputs = np.random.default_rng(0).normal(size=(2100, 40))
    found = predict_float64(module, inputs)
    order = np.random.default_rng(1).permutation(2100)
    for rows in (order, order[:1], order[:3], slice(1000, 1100)):
        np.testing.assert_allclose(
            predict_float64(module, inputs[rows]), found[rows], rtol=1e-12
        )


def test_asking_changes_neither_inputs_nor_threads():
    class Rectify(torch.nn.Module):
        def forward(self, inputs):
            return inputs.relu_()

    inputs = np.array([[-1.0, 1.0]])
    n_threads = torch.get_num_threads()
    np.testing.assert_array_equal(predict_float64(Rectify(), inputs), [[0.0, 1.0]])
    np.testing.assert_array_equal(inputs, [[-1.0, 1.0]])
    assert torch.get_num_threads() == n_threads


def test_own_networks_are_packed_as_plain_data():
    net = train_quickly(perceptron(4, (16,), 2, dropout=0.1, weights="one_hot"))
    packed = pack_net(net)
    assert set(packed) == {"module", "options", "weights", "history"}
    assert all(type(w) is np.ndarray for w in packed["weights"].values())
    state = torch.get_rng_state()
    again = unpack_net(packed)
    assert torch.equal(torch.get_rng_state(), state)
    inputs, _ = table()
    np.testing.assert_array_equal(
        predict_float64(again.module_, inputs), predict_float64(net.module_, inputs)
    )
    assert losses(again) == losses(net)
    assert again.module_.options == net.module_.options
    assert pack_net(again)["history"] == packed["history"]
    # A network that is trained on does not change what was packed.
    with torch.no_grad():
        net.module_.layers[0].weight += 1
    assert not np.array_equal(
        packed["weights"]["layers.0.weight"], net.module_.layers[0].weight.detach()
    )


def test_other_networks_are_packed_as_they_are():
    module = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU())
    module.append(torch.nn.Linear(8, 2))
    net = train_quickly(module, callbacks=[Log()], verbose=True)
    again = unpack_net(pickle.loads(pickle.dumps(pack_net(net))))
    inputs, _ = table()
    np.testing.assert_array_equal(
        predict_float64(again.module_, inputs), predict_float64(net.module_, inputs)
    )
    assert losses(again) == losses(net)
    assert again.module_ is not net.module_
