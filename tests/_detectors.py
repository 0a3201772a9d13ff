"""Outlier detectors whose answers are known in advance."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator


class Band(BaseEstimator):
    """A detector that rejects rows whose first column is above a limit; no scores."""

    def __init__(self, limit=np.inf):
        self.limit = limit

    def fit(self, X, y=None):
        self.n_rows_ = X.shape[0]
        return self

    def predict(self, X):
        first = X.iloc[:, 0] if hasattr(X, "iloc") else X[:, [0]]
        first = first.toarray() if sparse.issparse(first) else np.asarray(first)
        return np.where(first.ravel() > self.limit, -1, 1)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
