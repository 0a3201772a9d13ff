"""Transformers that re-represent cells."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT
