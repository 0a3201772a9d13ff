"""Layers and training of NUMAP's encoder."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from numbers import Integral, Real

from sklearn.base import BaseEstimator

from celltyping._utils._compat import Interval, StrOptions


class MLPEncoder(BaseEstimator):
    """Parameters of the network that `NUMAP` trains as its encoder.

    The network maps features to positions in the embedding. By default it is a
    multi-layer perceptron. This object has parameters alone: `NUMAP` makes and trains
    the network, and never changes the object.

    Parameters
    ----------
    hidden_layer_sizes : tuple of int, default=(128, 128, 128)
        Widths of the hidden layers.
    module : torch.nn.Module, default=None
        Network of your own instead of the perceptron, from a batch of samples to
        `n_components` columns; it is copied. Its inputs are the samples as they are,
        which may have more than two dimensions, such as images. The parameters of the
        perceptron (`hidden_layer_sizes`, `dropout`, `input_noise`, `weights`, `inputs`
        and `residual`) do not apply to it.
    dropout : float, default=0.2
        Probability of dropping a hidden unit in training.
    input_noise : float, default=0.3
        Standard deviation of the noise added to the inputs in training, in units of the
        standard deviation of the inputs.
    weights : {"xavier", "identity", "one_hot", "spectral"}, default="xavier"
        Initial weights: random, the identity with a little noise, a single 1 in each
        row, or the hidden layers of GrEASE's network.
    inputs : {"features", "spectral", "both"}, default="features"
        Inputs of the network: the features, the spectral coordinates, or both.
    residual : bool, default=False
        Whether the network's output is added to the spectral coordinates.
    max_epochs : int, default=40
        Number of epochs in which the network learns the layout.
    fine_tune_epochs : int or "auto", default="auto"
        Number of further epochs with UMAP's own loss, each with as many edges as count
        in an epoch of the layout. "auto": 20 if the network alone maps new samples or
        keeps nearly as many neighbours as with anchors, else 0.
    batch_size : int or "auto", default="auto"
        Number of samples per training step. "auto": a sixteenth of the data, between 32
        and 1,024.
    learning_rate : float, default=0.003
        Maximum learning rate.
    callbacks : list of skorch callbacks, default=None
        Callbacks of the training.

    See Also
    --------
    celltyping.NUMAP : The embedding that trains the encoder.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from celltyping import NUMAP, MLPEncoder
    >>> X, _ = load_digits(return_X_y=True)
    >>> encoder = MLPEncoder((64, 64), dropout=0.1, max_epochs=10)
    >>> NUMAP(encoder=encoder, n_epochs=50).fit_transform(X[:200]).shape
    (200, 2)
    """

    _parameter_constraints = {
        "hidden_layer_sizes": ["array-like"],
        "module": "no_validation",
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "input_noise": [Interval(Real, 0, None, closed="left")],
        "weights": [StrOptions({"xavier", "identity", "one_hot", "spectral"})],
        "inputs": [StrOptions({"features", "spectral", "both"})],
        "residual": ["boolean"],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "fine_tune_epochs": [
            Interval(Integral, 0, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "batch_size": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "callbacks": [list, None],
    }

    def __init__(
        self,
        hidden_layer_sizes=(128, 128, 128),
        *,
        module=None,
        dropout=0.2,
        input_noise=0.3,
        weights="xavier",
        inputs="features",
        residual=False,
        max_epochs=40,
        fine_tune_epochs="auto",
        batch_size="auto",
        learning_rate=0.003,
        callbacks=None,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.module = module
        self.dropout = dropout
        self.input_noise = input_noise
        self.weights = weights
        self.inputs = inputs
        self.residual = residual
        self.max_epochs = max_epochs
        self.fine_tune_epochs = fine_tune_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.callbacks = callbacks
