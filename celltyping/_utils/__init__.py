"""Helpers that several packages share; no algorithms."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT
