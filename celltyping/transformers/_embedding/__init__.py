"""Neighbour graphs, Laplacians, layouts and out-of-sample maps of GrEASE and NUMAP."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT
