"""Multi-layer perceptrons, and training and prediction of networks."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import contextlib
import copy
import itertools
import math
import threading

import numpy as np
import skorch
import torch
from scipy import sparse
from sklearn.utils import gen_batches
from skorch.callbacks import Callback, EarlyStopping, LRScheduler
from skorch.dataset import Dataset
from torch import nn
from torch.nn.functional import dropout

from celltyping._nn._batches import ShuffledBatches
from celltyping._utils._progress import progress_bar

# Maximum number of rows per batch of a prediction: their activations fit into a
# second-level cache.
ROWS_AT_ONCE = 1024

# Maximum number of numbers in these rows: 8 MB.
NUMBERS_AT_ONCE = 1 << 20

# torch has one random state and one number of threads for all threads of Python, only
# one of which may change them at a time.
LOCK = threading.RLock()

# Names of the callbacks that `train` adds.
OWN_CALLBACKS = ("schedule", "watch")

# Standard deviation of the noise on weights that start as an identity.
INITIAL_NOISE = 0.01

# Decay of the weights, as AdamW was published.
WEIGHT_DECAY = 0.01

# Rows per training step: a sixteenth of the data within these bounds.
BATCHES_PER_EPOCH, SMALLEST_BATCH, LARGEST_BATCH = 16, 32, 1024


def resolve_device(device):
    """Return the name of a device, where "auto" is the first GPU if there is one.

    Raises
    ------
    ValueError
        If torch does not know the name, or the device does not exist.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError, NotImplementedError) as exc:
        reason = (str(exc).strip() or "no reason given").splitlines()[0]
        raise ValueError(
            f"device={device!r} cannot be used here ({reason}); 'auto' takes a GPU "
            "where there is one, 'cpu' is always there"
        ) from exc
    return device


def device_or_cpu(device):
    """Return the device if it exists, and "cpu" otherwise."""
    try:
        return resolve_device(device)
    except ValueError:
        return "cpu"


@contextlib.contextmanager
def seeded(seed, device):
    """Seed torch in a context, and restore its random state after it.

    On a CPU torch uses one thread in the context, because the order of a sum, and with
    it the last bit of every weight, would depend on their number. Other threads of
    Python wait.
    """
    devices = [device] if device.startswith("cuda") else []
    with LOCK, torch.random.fork_rng(devices=devices), _threads_for(device):
        torch.manual_seed(seed)
        yield


@contextlib.contextmanager
def _threads_for(device):
    """Let torch use one thread on a CPU in a context."""
    with LOCK:
        n_threads = torch.get_num_threads()
        try:
            if device.startswith("cpu"):
                torch.set_num_threads(1)
            yield
        finally:
            torch.set_num_threads(n_threads)


class _Watch(Callback):
    """Callback that shows epochs and the loss, and stops a training that diverges."""

    def __init__(self, bar):
        self.bar = bar

    def on_epoch_end(self, net, **kwargs):
        loss = net.history[-1, "train_loss"]
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"the training diverged: the loss of epoch {len(net.history)} is "
                f"{loss}. Lower learning_rate (now {net.lr:g}), or scale the features"
            )
        self.bar.set_postfix(loss=f"{loss:.4g}")
        self.bar.update()


def train(
    module,
    dataset,
    *,
    criterion,
    batches=ShuffledBatches,
    batch_size,
    max_epochs,
    learning_rate,
    weight_decay=0.0,
    description,
    callbacks=None,
    device="cpu",
    verbose=False,
    optimizer=torch.optim.AdamW,
):
    """Train a network with AdamW and a one-cycle learning rate.

    Parameters
    ----------
    module : torch.nn.Module
        The network; it is trained in place.
    dataset : skorch.dataset.Dataset
        Data that `batches` draws from.
    criterion : torch.nn.Module
        Loss of a batch, a function of the network's output and the targets.
    batches : callable, default=ShuffledBatches
        Class of the batches of an epoch, made from the dataset and `batch_size`.
    batch_size : int
        Rows per batch.
    max_epochs : int
        Number of epochs.
    learning_rate : float
        Maximum rate, reached after three tenths of the steps.
    weight_decay : float, default=0.0
        Decay of the weights, in units of the rate.
    description : str
        Description of the progress bar.
    callbacks : list of skorch callbacks, default=None
        Callbacks of the training.
    device : str, default="cpu"
        Device of the network.
    verbose : bool or int, default=False
        Whether to show a progress bar.
    optimizer : callable, default=torch.optim.AdamW
        Class of the optimizer.

    Returns
    -------
    net : skorch.NeuralNet
        The trained net.

    Raises
    ------
    FloatingPointError
        If the loss of an epoch is not finite.
    TypeError
        If a callback is none of skorch's.
    """
    for callback in callbacks or []:
        named = callback[-1] if isinstance(callback, tuple) else callback
        kind = named if isinstance(named, type) else type(named)
        if not issubclass(kind, Callback):
            raise TypeError(
                f"callbacks must be a list of skorch callbacks, got {callback!r} in it"
            )
    n_steps = max_epochs * len(batches(dataset, batch_size))
    schedule = LRScheduler(
        torch.optim.lr_scheduler.OneCycleLR,
        step_every="batch",
        max_lr=learning_rate,
        total_steps=n_steps + 1,
    )
    with progress_bar(max_epochs, description=description, verbose=verbose) as bar:
        net = skorch.NeuralNet(
            module,
            criterion=criterion,
            optimizer=optimizer,
            optimizer__weight_decay=weight_decay,
            lr=learning_rate,
            max_epochs=max_epochs,
            batch_size=batch_size,
            iterator_train=batches,
            train_split=None,
            callbacks=[
                ("schedule", schedule),
                ("watch", _Watch(bar)),
                *(callbacks or []),
            ],
            callbacks__print_log=None,
            callbacks__valid_loss=None,
            device=device,
            verbose=0,
        )
        net.initialize()
        # Not `net.fit`, which ends the training at any interrupt without an error.
        net.notify("on_train_begin", X=dataset, y=None)
        try:
            net.fit_loop(dataset)
        except KeyboardInterrupt:
            if not _stopped_early(net):
                raise
        net.notify("on_train_end", X=dataset, y=None)
    # Own callbacks belong to this training, and a progress bar cannot be pickled.
    # `set_params` would initialize the other callbacks anew.
    net.callbacks = list(callbacks or [])
    net.callbacks_ = [
        named for named in net.callbacks_ if named[0] not in OWN_CALLBACKS
    ]
    return net


def _stopped_early(net):
    """Return whether skorch's callback interrupted the training."""
    return any(
        isinstance(callback, EarlyStopping) and callback.misses_ == callback.patience
        for _, callback in net.callbacks_
    )


def as_tensor(array, dtype, device="cpu"):
    """Copy an array, read-only or of any strides, to a tensor of a numpy dtype."""
    return torch.from_numpy(np.array(array, dtype=dtype, order="C")).to(device)


def predict_float64(module, inputs, device="cpu"):
    """Compute the output of a network in double precision, without changing it.

    Inputs are an array or CSR matrix of shape (n_samples, ...), made dense batch by
    batch. In single precision the last bits of a row's output would depend on the other
    rows of the batch. On a CPU torch uses one thread: layers of this size take no less
    time with two, and many times as long where another program keeps a core busy.
    """
    module = copy.deepcopy(module).to(device, torch.float64).eval()
    n_rows, n_numbers = inputs.shape[0], math.prod(inputs.shape[1:])
    at_once = min(ROWS_AT_ONCE, max(NUMBERS_AT_ONCE // n_numbers, 1))
    outputs = None
    with _threads_for(device), torch.inference_mode():
        for rows in gen_batches(n_rows, at_once):
            batch = inputs[rows]
            batch = batch.toarray() if sparse.issparse(batch) else batch
            batch = module(as_tensor(batch, np.float64, device)).cpu().numpy()
            if outputs is None:
                outputs = np.empty((n_rows, *batch.shape[1:]))
            outputs[rows] = batch
    return outputs


class Perceptron(nn.Module):
    """Multi-layer perceptron with ReLU units.

    Parameters
    ----------
    n_inputs : int
        Number of columns that enter the layers.
    hidden_layer_sizes : sequence of int
        Width of each hidden layer.
    n_outputs : int
        Number of columns of the output.
    dropout : float, default=0.0
        Probability of dropping a hidden unit in training.
    noise : float, default=0.0
        Standard deviation of the noise added to the inputs in training.
    weights : {"xavier", "identity", "one_hot"}, default="xavier"
        Initial weights: random; the identity with a little noise, which passes on the
        first columns; or a single 1 in each row.
    residual : bool, default=False
        Whether the last `n_outputs` columns of the inputs skip the layers and are added
        to their output.
    """

    def __init__(
        self,
        n_inputs,
        hidden_layer_sizes,
        n_outputs,
        *,
        dropout=0.0,
        noise=0.0,
        weights="xavier",
        residual=False,
    ):
        super().__init__()
        self.options = {
            "n_inputs": n_inputs,
            "hidden_layer_sizes": tuple(hidden_layer_sizes),
            "n_outputs": n_outputs,
            "dropout": dropout,
            "noise": noise,
            "weights": weights,
            "residual": residual,
        }
        self.dropout, self.noise, self.residual = dropout, noise, residual
        sizes = [n_inputs, *hidden_layer_sizes, n_outputs]
        self.layers = nn.ModuleList(
            nn.Linear(before, after) for before, after in itertools.pairwise(sizes)
        )
        for layer in self.layers:
            nn.init.zeros_(layer.bias)
            _START[weights](layer.weight)

    def forward(self, inputs):
        units = inputs[:, : self.layers[0].in_features]
        if self.training and self.noise > 0:
            units = units + self.noise * torch.randn_like(units)
        for layer in self.layers[:-1]:
            units = dropout(layer(units).relu(), self.dropout, self.training)
        outputs = self.layers[-1](units)
        if self.residual:
            outputs = outputs + inputs[:, -outputs.shape[1] :]
        return outputs

    def set_noise(self, *, dropout, noise):
        """Change dropout and noise."""
        self.dropout, self.noise = dropout, noise
        self.options |= {"dropout": dropout, "noise": noise}


def _start_as_identity(weight):
    """Fill a weight matrix with a noisy identity."""
    nn.init.eye_(weight)
    with torch.no_grad():
        weight += INITIAL_NOISE * torch.randn_like(weight)


def _start_one_hot(weight):
    """Fill a weight matrix with a single 1 in each row, in turn."""
    n_rows, n_columns = weight.shape
    with torch.no_grad():
        weight.zero_()
        weight[torch.arange(n_rows), torch.arange(n_rows) % n_columns] = 1.0


_START = {
    "xavier": nn.init.xavier_uniform_,
    "identity": _start_as_identity,
    "one_hot": _start_one_hot,
}


def choose_batch_size(batch_size, n_samples):
    """Return the number of rows per training step, where it may be "auto"."""
    if batch_size != "auto":
        return batch_size
    return int(np.clip(n_samples // BATCHES_PER_EPOCH, SMALLEST_BATCH, LARGEST_BATCH))


def make_perceptron(
    n_inputs, hidden_layer_sizes, n_outputs, *, seed, hidden_from=None, **options
):
    """Make a perceptron with seeded weights.

    The hidden layers of `hidden_from`, a trained perceptron, are copied if it is given;
    `options` are further arguments of `Perceptron`.
    """
    with seeded(seed, "cpu"):
        module = Perceptron(n_inputs, hidden_layer_sizes, n_outputs, **options)
    if hidden_from is not None:
        for layer, learnt in zip(module.layers[:-1], hidden_from.layers, strict=False):
            layer.load_state_dict(learnt.state_dict())
    return module


def check_module(module, inputs, n_outputs, *, parameter, unit):
    """Copy a user's network, and check its output for two rows of its inputs.

    The messages name `parameter`, and `unit`, the meaning of a column. A TypeError is
    raised if it is not a module, a ValueError if it cannot take the inputs in single
    and double precision or returns a shape other than (n_rows, n_outputs).
    """
    n_inputs = math.prod(inputs.shape[1:])
    if not isinstance(module, nn.Module):
        raise TypeError(
            f"{parameter} must be a torch.nn.Module, such as torch.nn.Linear({n_inputs}"
            f", {n_outputs}), got {module!r}"
        )
    was_training = module.training
    # Trained in single precision, and predicts in double precision.
    for dtype in (torch.float64, torch.float32):
        module = copy.deepcopy(module).to(dtype)
        batch = as_tensor(inputs[:2], np.float64).to(dtype)
        try:
            with torch.inference_mode():
                shape = tuple(module.eval()(batch).shape)
        except Exception as exc:  # whatever a user's code may raise
            raise ValueError(
                f"{parameter} cannot take a batch of shape {tuple(batch.shape)} and "
                f"dtype {dtype}: {exc}"
            ) from exc
        if shape != (len(batch), n_outputs):
            raise ValueError(
                f"{parameter} must return an array of shape {len(batch), n_outputs} "
                f"for {len(batch)} samples, one column for each of {unit}, got {shape}"
            )
    return module.train(was_training)


def regress(module, inputs, targets, *, batch_size, seed, **options):
    """Train a network in place to reproduce targets, and return the trained net.

    Inputs are of shape (n_samples, ...), targets of shape (n_samples, n_outputs);
    `options` are further arguments of `train`.
    """
    device = options["device"]
    dataset = Dataset(
        as_tensor(inputs, np.float32, device),
        as_tensor(targets, np.float32, device),
    )
    with seeded(seed, device):
        return train(
            module,
            dataset,
            criterion=nn.SmoothL1Loss(),
            batch_size=choose_batch_size(batch_size, len(inputs)),
            weight_decay=WEIGHT_DECAY,
            **options,
        )
