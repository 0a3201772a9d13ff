"""One progress bar for all that takes long."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT


def progress_bar(total, *, description, verbose):
    """Make a progress bar, silent unless it is asked for.

    Parameters
    ----------
    total : int
        Number of steps at most.
    description : str
        What is going on.
    verbose : bool or int
        Whether to show the bar.

    Returns
    -------
    bar : tqdm.tqdm
        To be updated once a step; closes as a context manager.

    Examples
    --------
    >>> from celltyping._utils._progress import progress_bar
    >>> with progress_bar(2, description="example", verbose=False) as bar:
    ...     _ = bar.update()
    """
    from tqdm import tqdm

    return tqdm(total=total, desc=description, disable=not verbose)
