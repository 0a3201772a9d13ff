"""Estimators that type cells."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT
