"""Restore an estimator's attributes if `fit` raises."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import functools


def restore_on_error(method):
    """Decorate a method such that the estimator is unchanged if it raises.

    Attributes may be set and deleted by the method, but not changed in place. An
    interrupt from the keyboard counts as an error.
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
