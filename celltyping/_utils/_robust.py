"""Limits that one row in a hundred cannot move."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np

# Lengths count up to this multiple of their median. With outliers in 1 % of the rows,
# units change by at most a sixth (with 3 by a twentieth, with 12 by a half). No row of
# digits or normal clusters is beyond it, and one in 200 of counts and of the larva's
# table of types (with 3 one in 15).
FAR = 6.0


def median_limit(values, factor=FAR):
    """Return a multiple of the median of the positive values, infinity without any."""
    positive = values[values > 0]
    return factor * np.median(positive) if len(positive) else np.inf
