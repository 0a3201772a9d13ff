"""The connectome container and how to read one."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT
