"""NTAC on plain arrays: propagation, growth, restarts, consensus."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT
