"""Trained networks as plain data, for pickle and skops."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import copy

import skorch
import torch
from torch import nn

from celltyping._nn._training import Perceptron, seeded
from celltyping._nn._type_net import TypeNet

# Networks that are stored as their options and weights.
OWN_MODULES = {"Perceptron": Perceptron, "TypeNet": TypeNet}


def pack_net(net):
    """Turn a trained net into plain data, which skops can store.

    A dict of options, weights as arrays, and history, if the module is one of this
    package; else a net with a copy on the CPU, without the parts needed for training.
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
    """Make a net with the same output from the result of `pack_net`."""
    if not isinstance(packed, dict):
        return packed
    with seeded(0, "cpu"):  # the initial weights are replaced
        module = OWN_MODULES[packed["module"]](**packed["options"])
    module.load_state_dict({k: torch.tensor(w) for k, w in packed["weights"].items()})
    return _bare_net(module, skorch.history.History(packed["history"]))


def _bare_net(module, history):
    """Make a net of a trained module, without the parts needed for training."""
    net = skorch.NeuralNet(
        module,
        criterion=nn.SmoothL1Loss,
        train_split=None,
        callbacks__print_log=None,
        callbacks__valid_loss=None,
        verbose=0,
    ).initialize()
    net.history = history
    return net
