"""Lists of names in messages."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np


def list_names(names, limit=5):
    """Return the first `limit` names for a message, and the number of names if more."""
    names = np.asarray(names, dtype=object).tolist()
    shown = ", ".join(map(repr, names[:limit]))
    return shown if len(names) <= limit else f"{shown}, ... ({len(names)} in all)"
