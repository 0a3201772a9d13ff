"""A fit that fails leaves no trace."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import contextlib


@contextlib.contextmanager
def all_or_nothing(estimator):
    """Put an estimator back as it was if anything goes wrong inside.

    Parameters
    ----------
    estimator : estimator
        Its attributes may be set and deleted inside, but not changed in place.

    Examples
    --------
    >>> from celltyping import NUMAP
    >>> from celltyping._fitting import all_or_nothing
    >>> numap = NUMAP()
    >>> try:
    ...     with all_or_nothing(numap):
    ...         numap.n_features_in_ = 3
    ...         raise ValueError("no place for a fourth")
    ... except ValueError:
    ...     hasattr(numap, "n_features_in_")
    False
    """
    before = vars(estimator).copy()
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise
