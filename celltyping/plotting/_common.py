"""Earlier names of what `_base` holds."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from celltyping._utils._optional import import_optional
from celltyping.plotting._base import (  # noqa: F401
    BLUE,
    GREY,
    ORANGE,
    check_connectome,
    counted,
    get_axes,
    percent,
    predict_types,
    seriate,
    style,
    type_names,
    with_known,
)

order_by_likeness = seriate


def pyplot(needed_by):
    """Import matplotlib.pyplot, or say which extra brings it."""
    return import_optional("matplotlib.pyplot", extra="plot", needed_by=needed_by)


def figure_and_axes(ax, needed_by, figsize):
    """Return the axes given and their figure, or new ones."""
    ax = get_axes(ax, figsize, needed_by)
    return ax.figure, ax
