"""What GrEASE and NUMAP share: neighbours, Laplacians, initialisation, new samples."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT
