"""Transformers that re-represent cells."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from celltyping.transformers._grease import GrEASE
from celltyping.transformers._numap import NUMAP
from celltyping.transformers._type_profile import TypeProfile

__all__ = ["NUMAP", "GrEASE", "TypeProfile"]
