"""Splitters for partly labelled data."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from celltyping.model_selection._seed_shuffle_split import SeedShuffleSplit

__all__ = ["SeedShuffleSplit"]
