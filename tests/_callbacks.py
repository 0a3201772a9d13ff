"""Callbacks of skorch for tests of networks."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import torch
from skorch.callbacks import Callback


class Log(Callback):
    """Record the training loss of every epoch in `losses`."""

    def __init__(self):
        self.losses = []

    def initialize(self):
        self.losses = []
        return self

    def on_epoch_end(self, net, **kwargs):
        self.losses.append(net.history[-1, "train_loss"])


class Interrupt(Callback):
    """Raise KeyboardInterrupt after the first epoch."""

    def on_epoch_end(self, net, **kwargs):
        raise KeyboardInterrupt


class LoseTheNumbers(Callback):
    """Set all weights to NaN after every epoch."""

    def on_epoch_end(self, net, **kwargs):
        with torch.no_grad():
            for weight in net.module_.parameters():
                weight.fill_(np.nan)
