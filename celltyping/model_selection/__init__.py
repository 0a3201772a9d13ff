"""Cross-validation of partly labelled data, and the search for wrong labels."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from celltyping.model_selection._label_issues import (
    compare_partners,
    find_label_issues,
)
from celltyping.model_selection._seed_shuffle_split import SeedShuffleSplit

__all__ = ["SeedShuffleSplit", "compare_partners", "find_label_issues"]
