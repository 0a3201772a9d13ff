"""Lists of names in messages."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pytest

from celltyping._utils._messages import list_names


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], ""),
        (["KC", "PN"], "'KC', 'PN'"),
        (np.array(["KC", "PN"]), "'KC', 'PN'"),
        (np.arange(7), "0, 1, ... (7 in all)"),
    ],
)
def test_list_names(names, text):
    assert list_names(names, limit=2) == text
