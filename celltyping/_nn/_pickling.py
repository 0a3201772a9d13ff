"""Pickling of objects that hold trained networks."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT


class PicklableNetMixin:
    """Mixin for classes whose attributes are trained networks.

    Networks of this package are stored as arrays, which skops can store, too. A
    `device_` that does not exist where the object is loaded becomes "cpu".
    """

    # Names of the attributes that hold a `skorch.NeuralNet`, where they are defined.
    _net_attributes = ("net_",)

    def __getstate__(self):
        state = dict(super().__getstate__())  # a copy: it may be the object's own dict
        for name in self._net_attributes:
            if name in state:
                from celltyping._nn._storage import pack_net

                state[name] = pack_net(state[name])
        return state

    def __setstate__(self, state):
        getattr(super(), "__setstate__", vars(self).update)(state)
        for name in self._net_attributes:
            if name in state:
                from celltyping._nn._storage import unpack_net

                setattr(self, name, unpack_net(state[name]))
        if "device_" in state:
            from celltyping._nn._training import device_or_cpu

            self.device_ = device_or_cpu(state["device_"])
