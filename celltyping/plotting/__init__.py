"""Displays: pictures of what was computed."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT
