"""How networks are trained and asked: skorch's loop over batches that are slices."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import contextlib
import copy
import math
import threading

import numpy as np
import skorch
import torch
from scipy import sparse
from sklearn.utils import gen_batches
from skorch.callbacks import Callback, EarlyStopping, LRScheduler

from celltyping._nn._modules import Perceptron, TypeNet
from celltyping._utils._progress import progress_bar

# Rows that are sent through a network at once when it is asked: their activations fit
# into a second-level cache.
ROWS_AT_ONCE = 1024

# Numbers in these rows at most: 8 MB.
NUMBERS_AT_ONCE = 1 << 20

# torch has one random state and one number of threads for all threads of Python: only
# one of these may change them at a time.
LOCK = threading.RLock()

# Networks that are stored as their options and weights.
OWN_MODULES = {"Perceptron": Perceptron, "TypeNet": TypeNet}

# Names of the callbacks that `train` adds.
OWN_CALLBACKS = ("schedule", "progress", "stop")


def resolve_device(device):
    """Find the device that a network runs on.

    Parameters
    ----------
    device : str
        "auto", or a name that torch knows, such as "cpu" or "cuda:1". "auto": the
        first GPU where there is one.

    Returns
    -------
    device : str
        Its name.

    Raises
    ------
    ValueError
        If torch does not know the name, or the device is not there.
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
    """Return a device if it is there, and "cpu" otherwise."""
    try:
        return resolve_device(device)
    except ValueError:
        return "cpu"


@contextlib.contextmanager
def seeded(seed, device):
    """Seed torch inside, and leave its random state outside as it was.

    On a CPU one thread does the work inside, because the order of a sum, and with it
    the last bit of every weight, would depend on their number. Other threads of Python
    wait.

    Parameters
    ----------
    seed : int
        The seed.
    device : str
        Where the network runs.
    """
    devices = [device] if device.startswith("cuda") else []
    with LOCK, torch.random.fork_rng(devices=devices), _threads_for(device):
        torch.manual_seed(seed)
        yield


@contextlib.contextmanager
def _threads_for(device):
    """Let one thread do the work on a CPU inside."""
    with LOCK:
        n_threads = torch.get_num_threads()
        try:
            if device.startswith("cpu"):
                torch.set_num_threads(1)
            yield
        finally:
            torch.set_num_threads(n_threads)


class ShuffledBatches:
    """Batches of rows in random order, cut out of tensors all at once.

    Parameters
    ----------
    dataset : skorch.dataset.Dataset
        Tensors of inputs and targets.
    batch_size : int
        Rows per batch. Batches differ by one row at most, so that none is tiny.
    """

    def __init__(self, dataset, batch_size):
        self.inputs, self.targets = dataset.X, dataset.y
        self.n_batches = math.ceil(len(self.inputs) / batch_size)

    def __len__(self):
        return self.n_batches

    def __iter__(self):
        order = torch.randperm(len(self.inputs))
        for rows in order.tensor_split(self.n_batches):
            rows = rows.to(self.inputs.device)
            yield self.inputs[rows], self.targets[rows]


class _Progress(Callback):
    """A progress bar over epochs that shows the loss."""

    def __init__(self, bar):
        self.bar = bar

    def on_epoch_end(self, net, **kwargs):
        self.bar.set_postfix(loss=f"{net.history[-1, 'train_loss']:.4g}")
        self.bar.update()


class _StopWhereLossIsNan(Callback):
    """Stop a training that has diverged."""

    def on_epoch_end(self, net, **kwargs):
        loss = net.history[-1, "train_loss"]
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"the training diverged: the loss of epoch {len(net.history)} is "
                f"{loss}. Lower learning_rate (now {net.lr:g}), or scale the features"
            )


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
    """Train a network with AdamW, its rate rising and falling once.

    Parameters
    ----------
    module : torch.nn.Module
        The network; it is trained in place.
    dataset : skorch.dataset.Dataset
        What `batches` cuts up.
    criterion : torch.nn.Module
        The loss of a batch, called with what the network says and the targets.
    batches : callable, default=ShuffledBatches
        Called with the dataset and `batch_size` for each epoch; has a length.
    batch_size : int
        Rows per batch.
    max_epochs : int
        Number of epochs.
    learning_rate : float
        The largest rate, reached after three tenths of the steps.
    weight_decay : float, default=0.0
        How fast weights shrink, in units of the rate.
    description : str
        What is learnt, for the progress bar.
    callbacks : list of skorch callbacks, default=None
        Called along the way.
    device : str, default="cpu"
        Where the network runs.
    verbose : bool or int, default=False
        Whether to show a progress bar.
    optimizer : callable, default=torch.optim.AdamW
        Makes the optimizer.

    Returns
    -------
    net : skorch.NeuralNet
        The trained net.

    Raises
    ------
    FloatingPointError
        If the loss of an epoch is not finite.
    """
    n_steps = max_epochs * len(batches(dataset, batch_size=batch_size))
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
                ("progress", _Progress(bar)),
                ("stop", _StopWhereLossIsNan()),
                *(callbacks or []),
            ],
            callbacks__print_log=None,
            callbacks__valid_loss=None,
            device=device,
            verbose=0,
        )
        net.initialize()
        # Not `net.fit`, which would take any interrupt for the end of the training.
        net.notify("on_train_begin", X=dataset, y=None)
        try:
            net.fit_loop(dataset)
        except KeyboardInterrupt:
            if not _stopped_early(net):
                raise
        net.notify("on_train_end", X=dataset, y=None)
    # They belong to this training alone, and a progress bar cannot be pickled. Not by
    # `set_params`, which would initialize the other callbacks anew.
    net.callbacks = list(callbacks or [])
    net.callbacks_ = [
        named for named in net.callbacks_ if named[0] not in OWN_CALLBACKS
    ]
    return net


def _stopped_early(net):
    """Tell whether it was skorch's callback that interrupted the training."""
    return any(
        isinstance(callback, EarlyStopping) and callback.misses_ == callback.patience
        for _, callback in net.callbacks_
    )


def as_tensor(array, dtype, device="cpu"):
    """Copy an array to a tensor, so that no network can change the array.

    Parameters
    ----------
    array : ndarray
        May be closed for writing, or a view of any strides.
    dtype : dtype
        numpy's name of what the tensor shall hold.
    device : str, default="cpu"
        Where it shall be.

    Returns
    -------
    tensor : Tensor
        The copy.
    """
    return torch.from_numpy(np.array(array, dtype=dtype, order="C")).to(device)


def predict_float64(module, inputs, device="cpu"):
    """Ask a network, in double precision.

    In single precision the last bits of a row's answer would depend on the rows that
    are asked with it. On a CPU one thread works: layers of this size take no less time
    with two, and many times as long where another program keeps a core busy.

    Parameters
    ----------
    module : torch.nn.Module
        The network; it stays as it is.
    inputs : {ndarray, csr_matrix} of shape (n_samples, ...)
        What it is asked; few rows at a time are made dense.
    device : str, default="cpu"
        Where the network runs.

    Returns
    -------
    outputs : ndarray of shape (n_samples, n_outputs), dtype=float64
        What it says.
    """
    module = copy.deepcopy(module).to(device, torch.float64).eval()
    n_rows, n_numbers = inputs.shape[0], math.prod(inputs.shape[1:])
    at_once = min(ROWS_AT_ONCE, max(NUMBERS_AT_ONCE // n_numbers, 1))
    outputs = None
    with _threads_for(device), torch.inference_mode():
        for rows in gen_batches(n_rows, at_once):
            piece = inputs[rows]
            piece = piece.toarray() if sparse.issparse(piece) else piece
            piece = module(as_tensor(piece, np.float64, device)).cpu().numpy()
            if outputs is None:
                outputs = np.empty((n_rows, *piece.shape[1:]))
            outputs[rows] = piece
    return outputs


def pack_net(net):
    """Turn a trained net into plain data, where its module is one of our own.

    Parameters
    ----------
    net : skorch.NeuralNet
        A trained net.

    Returns
    -------
    packed : dict or skorch.NeuralNet
        Sizes, weights as arrays, and history, which skops can store; what was needed
        for training alone is left out. A net with another module: a copy on the CPU,
        so that it can be loaded where there is no GPU.
    """
    module = copy.deepcopy(net.module_).cpu()
    if type(module) in OWN_MODULES.values():
        return {
            "module": type(module).__name__,
            "options": module.options,
            "weights": {name: w.numpy() for name, w in module.state_dict().items()},
            "history": net.history.to_list(),
        }
    return _bare_net(module, net.history)


def unpack_net(packed):
    """Undo `pack_net`.

    Parameters
    ----------
    packed : dict or skorch.NeuralNet
        What `pack_net` returned.

    Returns
    -------
    net : skorch.NeuralNet
        A net that answers as the packed one did.
    """
    if not isinstance(packed, dict):
        return packed
    with seeded(0, "cpu"):  # the weights that it starts with are thrown away
        module = OWN_MODULES[packed["module"]](**packed["options"])
    module.load_state_dict({k: torch.tensor(w) for k, w in packed["weights"].items()})
    return _bare_net(module, skorch.history.History(packed["history"]))


def _bare_net(module, history):
    """Make a net of a trained module, without what training needs."""
    net = skorch.NeuralNet(
        module,
        criterion=torch.nn.SmoothL1Loss,
        train_split=None,
        callbacks__print_log=None,
        callbacks__valid_loss=None,
        verbose=0,
    ).initialize()
    net.history = history
    return net
