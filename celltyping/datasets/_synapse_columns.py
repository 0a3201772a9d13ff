"""Columns of tables of synapses."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

NEURON = "NeuronId"
NEURON_TYPE = "NeuronType"
SYNAPSE_TYPE = "SynType"

# In µm.
COORDINATES = ("x", "y", "z")
SOMA = ("soma_x", "soma_y", "soma_z")

# Areas in µm², the volume in µm³.
MORPHOLOGY = ("SynArea", "BoutonArea", "BoutonVolume")
