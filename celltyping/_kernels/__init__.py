"""Compiled functions on plain arrays; nothing here knows of scikit-learn."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT
