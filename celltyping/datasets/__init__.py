"""Real and simulated data to try things on."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT
