"""Choosing parameters with partly labelled data."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT
