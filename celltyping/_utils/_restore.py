"""Restoration of an estimator's attributes if `fit` raises."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import functools


def restore_on_error(method):
    """Decorate a method such that the estimator is unchanged if it raises.

    The method may set and delete attributes, but must not change them in place. A
    KeyboardInterrupt counts as an error.
    """

    @functools.wraps(method)
    def restoring(estimator, *args, **kwargs):
        before = vars(estimator).copy()
        try:
            return method(estimator, *args, **kwargs)
        except BaseException:
            vars(estimator).clear()
            vars(estimator).update(before)
            raise

    return restoring
