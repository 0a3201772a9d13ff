"""Example data sets and simulated data."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from celltyping.datasets._blood import load_blood_transfer
from celltyping.datasets._larva import load_larva_connectome
from celltyping.datasets._make_connectome import make_connectome
from celltyping.datasets._make_synapses import make_synapses

__all__ = [
    "load_blood_transfer",
    "load_larva_connectome",
    "make_connectome",
    "make_synapses",
]
