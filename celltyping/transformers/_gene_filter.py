"""Filter of genes by the number of cells that express them, and by name."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import re
from numbers import Integral

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator

from celltyping._utils._compat import Interval, _fit_context
from celltyping._utils._expression import GeneSelectorMixin
from celltyping._utils._restore import restore_on_error


class GeneFilter(GeneSelectorMixin, BaseEstimator):
    """Select genes that enough cells express and whose name is not excluded.

    Spike-ins and mitochondrial genes reflect the handling of cells rather than their
    type, and genes of very few cells have little information: this is the filter
    before normalisation in [1]_ and in most programs.

    Parameters
    ----------
    min_cells : int, default=3
        Minimum number of cells in which a gene is positive; 1 if X has fewer cells
        than that. 0: genes that no cell expresses are also selected.
    exclude : list or tuple of str, default=()
        Regular expressions. A gene is excluded if its name begins with a match of any
        of them, regardless of case. ``("^ERCC-", "^MT-")`` are spike-ins and the
        mitochondrial genes of humans (MT-CO1) and mice (mt-Co1).
    gene_names : array-like of shape (n_features,), default=None
        Names of the columns for `exclude`, such as symbols for a table with columns by
        identifier. None: the column names of X, which must then be a DataFrame.

    Attributes
    ----------
    n_cells_ : ndarray of shape (n_features,), dtype=intp
        Number of cells that express each gene.
    support_ : ndarray of shape (n_features,), dtype=bool
        True where a gene is kept.
    n_features_in_ : int
        Number of genes in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the genes. Defined only if X is a table with column names.

    See Also
    --------
    celltyping.HighlyVariableGenes : Selection of genes by their variance.
    celltyping.ExpressionNormalizer : Normalisation of expression, applied after.

    Notes
    -----
    A sparse matrix stays sparse. `gene_names` may contain duplicates; the columns of a
    DataFrame may not, as everywhere in scikit-learn.

    References
    ----------
    .. [1] Hu, J. et al. Iterative transfer learning with neural network for clustering
       and cell type classification in single-cell RNA-seq analysis. Nature Machine
       Intelligence 2, 607-618 (2020). :doi:`10.1038/s42256-020-00233-7`

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping import GeneFilter
    >>> counts = np.array([[3, 0, 1, 9], [0, 0, 2, 8], [4, 1, 5, 7]])
    >>> names = ["CD3E", "CD19", "LYZ", "MT-CO1"]
    >>> genes = GeneFilter(min_cells=2, exclude=["^MT-"], gene_names=names).fit(counts)
    >>> genes.get_feature_names_out(names).tolist()
    ['CD3E', 'LYZ']
    >>> genes.transform(counts)
    array([[3, 1],
           [0, 2],
           [4, 5]])
    """

    _parameter_constraints = {
        "min_cells": [Interval(Integral, 0, None, closed="left")],
        "exclude": [list, tuple],
        "gene_names": ["array-like", None],
    }

    def __init__(self, min_cells=3, *, exclude=(), gene_names=None):
        self.min_cells = min_cells
        self.exclude = exclude
        self.gene_names = gene_names

    @_fit_context(prefer_skip_nested_validation=True)
    @restore_on_error
    def fit(self, X, y=None):
        """Count the cells that express each gene, and match the names.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Expression of any kind: zero where a cell does not express a gene.
        y : None, default=None
            Not used, present for API consistency.

        Returns
        -------
        self : GeneFilter
            The fitted filter.

        Raises
        ------
        ValueError
            If X has negative, infinite or missing values, no gene is selected, names
            are missing or are not one per gene, or a pattern is no regular expression.
        """
        X = self._validate_X(X, reset=True)
        excluded = self._excluded()
        self.n_cells_ = _count_cells(X)
        least = self.min_cells if X.shape[0] >= self.min_cells else 1
        self.support_ = (self.n_cells_ >= least) & ~excluded
        if not self.support_.any():
            raise ValueError(
                f"No gene is left of the {X.shape[1]} in X: "
                f"{(self.n_cells_ < least).sum()} are expressed in fewer than {least} "
                f"of {X.shape[0]} cells (min_cells={self.min_cells}), and "
                f"{excluded.sum()} have a name that exclude={self.exclude!r} matches"
            )
        return self

    def _excluded(self):
        """Return a mask of the genes whose name matches a pattern."""
        n_genes = self.n_features_in_
        names = self.gene_names
        if names is None:
            names = getattr(self, "feature_names_in_", None)
        elif len(names) != n_genes:
            raise ValueError(
                f"gene_names has {len(names)} names, but X has {n_genes} genes"
            )
        patterns = [_compile(pattern) for pattern in self.exclude]
        if not patterns:
            return np.zeros(n_genes, dtype=bool)
        if names is None:
            raise ValueError(
                f"exclude={self.exclude!r} needs the names of the genes, but X has "
                "none: pass a DataFrame whose columns are genes, or gene_names"
            )
        return np.array(
            [any(pattern.match(str(name)) for pattern in patterns) for name in names]
        )


def _compile(pattern):
    """Compile a regular expression, or raise with its text."""
    try:
        return re.compile(pattern, re.IGNORECASE)
    except (re.error, TypeError) as exc:
        raise ValueError(
            f"exclude must hold regular expressions, got {pattern!r}: {exc}"
        ) from exc


def _count_cells(X):
    """Return the number of cells in which each gene is positive."""
    if sparse.issparse(X):
        return np.bincount(X.indices[X.data > 0], minlength=X.shape[1])
    return np.count_nonzero(X > 0, axis=0)
