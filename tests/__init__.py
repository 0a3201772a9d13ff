"""Tests of celltyping; they mirror its modules one to one."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT
