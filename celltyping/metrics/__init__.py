"""Scores of a typing."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT
