"""Adaptation to a target and detection of novel types, for ItClustClassifier."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT
