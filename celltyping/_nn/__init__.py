"""Networks: modules, losses, batches and training; all torch is here."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT
