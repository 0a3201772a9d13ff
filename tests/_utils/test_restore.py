"""Restoration of an estimator's attributes if `fit` raises."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import inspect

import pytest
from sklearn.base import BaseEstimator

from celltyping._utils._restore import restore_on_error


class Estimator(BaseEstimator):
    """Sets and deletes attributes, then raises `y`."""

    @restore_on_error
    def fit(self, X, y=None):
        self.mean_ = X
        if y is not None:
            del self.mean_
            self.scale_ = 1.0
            raise y
        return self


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_attributes_are_restored(error):
    estimator = Estimator().fit(2.0)
    with pytest.raises(error):
        estimator.fit(3.0, error)
    assert vars(estimator) == {"mean_": 2.0}


def test_the_signature_stays():
    assert list(inspect.signature(Estimator.fit).parameters) == ["self", "X", "y"]
