"""Stack level of warnings."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import sys

# Packages whose frames are skipped.
_LIBRARIES = {"celltyping", "imblearn", "joblib", "sklearn"}


def find_stack_level():
    """Return the `stacklevel` at which a warning points to the user's code."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None:
        package = frame.f_globals.get("__name__", "").partition(".")[0]
        if package not in _LIBRARIES:
            break
        frame, level = frame.f_back, level + 1
    return level
