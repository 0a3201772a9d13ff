"""Samples that have nothing in common with any other under a bounded metric.

Under such a metric all samples without anything in common are equally distant, at its
maximum, and who is nearest among them says nothing: they are no neighbours. A sample
without neighbours has no position relative to the others. It is left out of layouts and
eigenvectors, and has a position of its own apart from them, which new samples without
anything in common with the fitted ones share.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import warnings

import numpy as np
from scipy import sparse

from celltyping._utils._warnings import find_stack_level

# Metrics at 1 between rows that share no column: those of sets, and those of numbers if
# none is negative. A row of zeros shares nothing with any row.
SHARING = ("braycurtis", "cosine", "dice", "jaccard", "russellrao", "sokalsneath")
OF_NUMBERS = ("braycurtis", "cosine")

# Maxima of metrics, where they have one, for rows of any numbers.
LARGEST = {
    "correlation": 2.0,
    "cosine": 2.0,
    "dice": 1.0,
    "hamming": 1.0,
    "jaccard": 1.0,
    "rogerstanimoto": 1.0,
    "russellrao": 1.0,
    "sokalsneath": 1.0,
    "yule": 2.0,
}

# A row whose numbers differ by at most this share of the largest is constant.
CONSTANT = 1e-12


def largest_distance(X, metric):
    """Return the maximum of a metric between rows like those of X, infinite without."""
    if not isinstance(metric, str):
        return np.inf
    if metric in OF_NUMBERS and X.min() >= 0:
        return 1.0
    return LARGEST.get(metric, np.inf)


def find_blank(X, metric):
    """Return which rows have nothing that the metric compares.

    Rows of zeros under the metrics `SHARING`, constant rows under "correlation".
    """
    if isinstance(metric, str) and metric in SHARING:
        return _count_nonzero(X, np.ones(X.shape[1])) == 0
    if isinstance(metric, str) and metric == "correlation" and not sparse.issparse(X):
        return np.ptp(X, axis=1) <= CONSTANT * np.abs(X).max(axis=1)
    return np.zeros(X.shape[0], dtype=bool)


def _count_nonzero(X, columns):
    """Count the entries of each row in columns marked by 1."""
    return (X != 0) @ columns


class Apart:
    """Samples without neighbours, fitted and new ones.

    Parameters
    ----------
    X : {ndarray, csr_array} of shape (n_samples, n_features)
        The fitted samples.
    metric : str or callable
        Metric of the graph. None: new samples are never apart.
    graph : csr_array of shape (n_samples, n_samples)
        The graph of neighbours.
    consequence : str
        What becomes of samples apart, for warnings.

    Attributes
    ----------
    rows : ndarray or slice
        The fitted samples that have neighbours.
    position : ndarray of shape (n_components,) or float
        Position of samples apart.

    Raises
    ------
    ValueError
        If no sample has a neighbour.
    """

    def __init__(self, X, metric, graph, consequence):
        self.metric = metric if isinstance(metric, str) else None
        apart = find_blank(X, metric) | (np.diff(graph.indptr) == 0)
        if apart.all():
            raise ValueError(
                "no row of X has a neighbour: no two of them have anything in common "
                f"under metric={metric!r}; use a metric under which they have"
            )
        self.rows = np.flatnonzero(~apart) if apart.any() else slice(None)
        self.position, self.consequence = 0.0, consequence
        if self.metric in SHARING:
            shared = np.ones(X.shape[1])
            if largest_distance(X, metric) == 1.0:
                shared = np.asarray((X[self.rows] != 0).sum(axis=0)).ravel() > 0
            self.columns = shared.astype(np.float64)
        self._warn(apart, "any other row")

    def _warn(self, apart, others):
        """Warn of samples apart, if there are any."""
        if apart.any():
            warnings.warn(
                f"{apart.sum()} of {len(apart)} rows of X, such as row "
                f"{np.argmax(apart)}, have no neighbours, since they have nothing in "
                f"common with {others}: {self.consequence}",
                UserWarning,
                stacklevel=find_stack_level(),
            )

    def find(self, X, *, warn=False):
        """Return which of new samples are apart, with a warning if `warn`."""
        apart = self._find(X)
        if warn:
            self._warn(apart, "the fitted ones")
        return apart

    def _find(self, X):
        """Return which of new samples are apart."""
        if self.metric == "precomputed" and sparse.issparse(X):
            return np.diff(X.indptr) == 0
        if self.metric in SHARING:
            return _count_nonzero(X, self.columns) == 0
        return find_blank(X, self.metric)

    def fill(self, values, n_samples):
        """Complete values of the fitted samples with neighbours by the position."""
        if len(values) == n_samples:
            return values
        full = np.empty((n_samples, values.shape[1]))
        full[:] = self.position
        full[self.rows] = values
        return full
