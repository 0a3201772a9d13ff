"""Networks: modules, losses, batches, and how they are trained; all torch is here."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT
