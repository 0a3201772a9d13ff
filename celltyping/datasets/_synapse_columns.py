"""What the columns of a table of synapses are called."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

NEURON = "NeuronId"

# In µm.
COORDINATES = ("x", "y", "z")
SOMA = ("soma_x", "soma_y", "soma_z")

# Areas in µm², the volume in µm³.
MORPHOLOGY = ("SynArea", "BoutonArea", "BoutonVolume")
