"""Progress bar."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT


def progress_bar(total, *, description, verbose):
    """Return a tqdm bar of `total` steps, shown only if `verbose`."""
    from tqdm import tqdm

    return tqdm(total=total, desc=description, disable=not verbose)
