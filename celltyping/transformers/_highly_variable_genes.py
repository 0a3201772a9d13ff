"""Selection of highly variable genes, by variance relative to the mean."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import warnings
from numbers import Integral

import numpy as np
from scipy import sparse, stats
from sklearn.base import BaseEstimator
from sklearn.utils import check_consistent_length, gen_batches

from celltyping._utils._compat import Interval, StrOptions, _fit_context
from celltyping._utils._expression import (
    GeneSelectorMixin,
    conflicting_evidence,
    encode_batch,
    infer_kind,
)
from celltyping._utils._labels import as_array, is_unlabeled
from celltyping._utils._optional import import_optional
from celltyping._utils._restore import restore_on_error
from celltyping._utils._validation import check_magnitude
from celltyping._utils._warnings import find_stack_level

# Maximum logarithm: exp(300) squared can still be summed over any number of cells, and
# no logarithm of expression is near it.
LARGEST = 300.0

# Maximum of logarithms and of counts for scanpy, which squares the expression in its
# dtype: exp(40) squared, and counts of 1e15 squared, are finite in float32. Genes that
# vary by less than the minimum count as constant, since the squares could be zero.
LARGEST_LOG_FOR_SCANPY, LARGEST_COUNT, LEAST_SPREAD = 40.0, 1e15, 1e-15

# Minimum number of genes for "seurat_v3". Its local regression uses 0.3 of the genes at
# a time, and the library for it ends the process if these are fewer than three.
FEWEST = 10

# Number of columns of a dense table, and of stored values of a sparse one, processed at
# once, so that no copy of the table is made.
BLOCK = 512
CHUNK = 1 << 22


class HighlyVariableGenes(GeneSelectorMixin, BaseEstimator):
    """Select the genes whose variance between cells is largest for their mean.

    Most of the variance between cells is chance, and it grows with the mean. The
    dispersion of a gene is the logarithm of its variance divided by its mean,
    standardised over genes of a similar mean: the measure of [1]_, which [2]_ uses and
    [3]_ calls flavor "seurat".

    Parameters
    ----------
    n_genes : int, default=2000
        Number of genes to select; all, if X has fewer. A common choice for clustering
        and embedding. `make_single_cell_pipeline` takes 4000, because its classifier
        drops half of a cell's genes in each training step.
    flavor : {"dispersion", "seurat", "cell_ranger", "seurat_v3"}, default="dispersion"
        Measure by which genes are ranked. "dispersion": see Notes. The others are those
        of ``scanpy.pp.highly_variable_genes`` and need scanpy. "seurat_v3" takes
        counts, all others log(1 + x) of normalised expression.
    n_bins : int, default=20
        Number of groups of genes of a similar mean, for "dispersion" and "seurat".
    unlabeled_marker : "auto", scalar or list of scalars, default="auto"
        Values in `y` that mean unknown; see `celltyping.NtacClassifier`.

    Attributes
    ----------
    dispersions_ : ndarray of shape (n_batches, n_features)
        Standardised dispersion of each gene in each batch, for "seurat_v3" the
        standardised variance; NaN where a gene is constant. One row without batches.
    ranks_ : ndarray of shape (n_features,), dtype=intp
        Rank of each gene, from 1: ``ranks_ <= 500`` are the best 500.
    support_ : ndarray of shape (n_features,), dtype=bool
        True where a gene is kept.
    n_features_in_ : int
        Number of genes in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the genes. Defined only if X is a table with column names.

    See Also
    --------
    celltyping.ExpressionNormalizer : Normalisation of expression, applied before.
    celltyping.GeneFilter : Filter of genes that few cells express.

    Notes
    -----
    With m and v the mean and the variance of exp(x) - 1 over cells, the dispersion of
    a gene is log(v / m). Genes are grouped into `n_bins` intervals of log(1 + m) of
    equal width. In each, dispersions are standardised to mean 0 and standard deviation
    1; the only gene of an interval gets 1. Ties are broken by the order of the columns;
    constant genes are last.

    Genes that differ between two experiments, but not between their cells, are useless.
    So with `batch`, and if `y` has both known and unknown types (the source and the
    target of a transfer), genes are ranked in each batch separately, and those with the
    smallest sum of ranks are selected.

    A sparse matrix is never made dense. The columns keep their order.

    References
    ----------
    .. [1] Satija, R. et al. Spatial reconstruction of single-cell gene expression data.
       Nature Biotechnology 33, 495-502 (2015). :doi:`10.1038/nbt.3192`
    .. [2] Hu, J. et al. Iterative transfer learning with neural network for clustering
       and cell type classification in single-cell RNA-seq analysis. Nature Machine
       Intelligence 2, 607-618 (2020). :doi:`10.1038/s42256-020-00233-7`
    .. [3] Wolf, F. A., Angerer, P. & Theis, F. J. SCANPY: large-scale single-cell gene
       expression data analysis. Genome Biology 19, 15 (2018).
       :doi:`10.1186/s13059-017-1382-0`

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping import ExpressionNormalizer, HighlyVariableGenes
    >>> rng = np.random.default_rng(0)
    >>> means = np.full((200, 60), 2.0)
    >>> means[:100, [7, 31]] = 20  # two genes of one type of cells
    >>> X = ExpressionNormalizer().fit_transform(rng.poisson(means))
    >>> genes = HighlyVariableGenes(n_genes=2, n_bins=1).fit(X)
    >>> genes.get_support(indices=True).tolist()
    [7, 31]
    >>> genes.transform(X).shape
    (200, 2)
    """

    _parameter_constraints = {
        "n_genes": [Interval(Integral, 1, None, closed="left")],
        "flavor": [StrOptions({"dispersion", "seurat", "cell_ranger", "seurat_v3"})],
        "n_bins": [Interval(Integral, 1, None, closed="left")],
        "unlabeled_marker": "no_validation",
    }

    def __init__(
        self, n_genes=2000, *, flavor="dispersion", n_bins=20, unlabeled_marker="auto"
    ):
        self.n_genes = n_genes
        self.flavor = flavor
        self.n_bins = n_bins
        self.unlabeled_marker = unlabeled_marker

    @_fit_context(prefer_skip_nested_validation=True)
    @restore_on_error
    def fit(self, X, y=None, *, batch=None):
        """Rank the genes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Log-normalised expression; counts for ``flavor="seurat_v3"``.
        y : array-like of shape (n_samples,), default=None
            Types, used only to distinguish known from unknown; see Notes of the class.
        batch : array-like of shape (n_samples,), default=None
            Batch of each cell. If given, `y` is not used.

        Returns
        -------
        self : HighlyVariableGenes
            The fitted selector.

        Raises
        ------
        ValueError
            If X has negative, infinite or missing values, or `batch` does not name
            the batch of every cell.
        ImportError
            If `flavor` needs scanpy and it is not installed.

        Warns
        -----
        UserWarning
            If the values are not of the kind that `flavor` requires.
        """
        X = self._validate_X(X, reset=True)
        if self.flavor != "dispersion":
            is_log = self.flavor != "seurat_v3"
            caller = f"{type(self).__name__}(flavor={self.flavor!r})"
            limit = LARGEST_LOG_FOR_SCANPY if is_log else LARGEST_COUNT
            check_magnitude(X, caller, limit)
        self._warn_of_kind(X)
        n_batches, codes = self._find_batches(X, y, batch)
        self.dispersions_ = np.array(
            [
                self._dispersions(X if n_batches == 1 else X[codes == code])
                for code in range(n_batches)
            ]
        )
        # Constant genes share the last rank.
        sums = stats.rankdata(
            -np.nan_to_num(self.dispersions_, nan=-np.inf), method="max", axis=1
        ).sum(axis=0)
        self.ranks_ = np.empty(X.shape[1], dtype=np.intp)
        self.ranks_[np.argsort(sums, kind="stable")] = np.arange(1, X.shape[1] + 1)
        self.support_ = self.ranks_ <= self.n_genes
        return self

    def _warn_of_kind(self, X):
        """Warn if X is not of the kind that `flavor` requires."""
        if self.flavor == "seurat_v3":
            kind, evidence = infer_kind(X)
            wanted, found = "counts", kind != "counts" and evidence
        else:
            wanted, found = "log-normalised expression", conflicting_evidence(X, "log")
        if found:
            warnings.warn(
                f"flavor={self.flavor!r} takes {wanted}, but {found}",
                UserWarning,
                stacklevel=find_stack_level(),
            )

    def _find_batches(self, X, y, batch):
        """Return the number of batches and the batch of each cell, from 0."""
        if batch is not None:
            names, codes = encode_batch(batch, X)
            return len(names), codes
        if y is not None:
            check_consistent_length(X, y)
            y = as_array(y)
            if y.ndim == 1:
                unlabeled = is_unlabeled(y, self.unlabeled_marker)
                if unlabeled.any() and not unlabeled.all():
                    return 2, unlabeled.astype(np.intp)
        return 1, np.zeros(X.shape[0], dtype=np.intp)

    def _dispersions(self, X):
        """Return the measure by which the genes of one batch are ranked."""
        if self.flavor == "dispersion":
            return standardized_dispersions(X, self.n_bins)
        return dispersions_by_scanpy(X, self.flavor, self.n_bins)


def standardized_dispersions(X, n_bins):
    """Standardise the dispersion of each gene over genes of a similar mean.

    Parameters
    ----------
    X : {ndarray, csr_array, csr_matrix} of shape (n_cells, n_genes)
        log(1 + x) of normalised expression, each value stored once.
    n_bins : int
        Number of intervals of the mean.

    Returns
    -------
    dispersions : ndarray of shape (n_genes,)
        Standardised dispersions; NaN for constant genes.
    """
    mean, variance = _moments_of_expm1(X)
    varies = variance > 0
    log_mean = np.log1p(mean)
    dispersion = np.log(variance, where=varies, out=np.full_like(mean, np.nan))
    dispersion[varies] -= np.log(mean[varies])
    # Intervals are closed at their right end, and the first one at both.
    edges = np.linspace(log_mean.min(), log_mean.max(), n_bins + 1)
    interval = np.searchsorted(edges[1:-1], log_mean, side="left")

    found, interval = dispersion[varies], interval[varies]
    n_found = np.bincount(interval, minlength=n_bins)
    center = np.bincount(interval, found, n_bins) / np.maximum(n_found, 1)
    found -= center[interval]
    squares = np.bincount(interval, found**2, n_bins)
    spread = np.sqrt(squares / np.maximum(n_found - 1, 1))
    spread[spread == 0] = 1
    dispersion[varies] = np.where(n_found[interval] == 1, 1.0, found / spread[interval])
    return dispersion


def dispersions_by_scanpy(X, flavor, n_bins):
    """Return the measure by which scanpy ranks genes.

    Parameters
    ----------
    X : {ndarray, csr_array, csr_matrix} of shape (n_cells, n_genes)
        Expression of the kind that the flavor requires.
    flavor : {"seurat", "cell_ranger", "seurat_v3"}
        Parameter of ``scanpy.pp.highly_variable_genes``.
    n_bins : int
        Number of intervals of the mean, for "seurat".

    Returns
    -------
    dispersions : ndarray of shape (n_genes,)
        Standardised dispersions or, for "seurat_v3", variances; NaN for constant
        genes.

    Raises
    ------
    ImportError
        If scanpy is not installed, or scikit-misc for "seurat_v3".
    ValueError
        If scanpy cannot rank the genes, for example because too few of them vary.
    """
    needed_by = f"HighlyVariableGenes(flavor={flavor!r})"
    anndata = import_optional("anndata", extra="single-cell", needed_by=needed_by)
    scanpy = import_optional("scanpy", extra="single-cell", needed_by=needed_by)
    ranked_by = "dispersions_norm"
    if flavor == "seurat_v3":
        import_optional("skmisc", extra="single-cell", needed_by=needed_by)
        ranked_by = "variances_norm"
    # Without constant genes, which would fill intervals of the mean.
    spread = X.max(axis=0) - X.min(axis=0)
    varies = (spread.toarray() if sparse.issparse(spread) else spread).ravel()
    varies = varies > LEAST_SPREAD
    dispersions = np.full(X.shape[1], np.nan)
    if not varies.any():
        return dispersions
    X = X[:, varies]
    cells = anndata.AnnData(sparse.csr_matrix(X) if sparse.issparse(X) else X)
    refused = (
        f"scanpy cannot rank the {cells.n_vars} genes that vary among {cells.n_obs} "
        f"cells by flavor={flavor!r}"
    )
    if flavor == "seurat_v3" and cells.n_vars < FEWEST:
        raise ValueError(f"{refused}: it takes {FEWEST} genes or more")
    try:
        table = scanpy.pp.highly_variable_genes(
            cells, flavor=flavor, n_bins=n_bins, check_values=False, inplace=False
        )
    except ValueError as exc:
        raise ValueError(f"{refused}: {exc}") from exc
    dispersions[varies] = table[ranked_by]
    return dispersions


def _moments_of_expm1(X):
    """Return mean and variance of exp(x) - 1 of each gene, in float64."""
    n_cells, n_genes = X.shape
    mean, squares = np.zeros(n_genes), np.zeros(n_genes)
    if not sparse.issparse(X):
        for genes in gen_batches(n_genes, BLOCK):
            values = _expm1(X[:, genes])
            mean[genes] = values.mean(axis=0)
            squares[genes] = ((values - mean[genes]) ** 2).sum(axis=0)
    else:
        stored = list(gen_batches(X.nnz, CHUNK)) if X.nnz else []
        for part in stored:
            mean += np.bincount(X.indices[part], _expm1(X.data[part]), n_genes)
        mean /= n_cells
        for part in stored:
            genes = X.indices[part]
            deviations = _expm1(X.data[part]) - mean[genes]
            squares += np.bincount(genes, deviations**2, n_genes)
        squares += (n_cells - np.bincount(X.indices, minlength=n_genes)) * mean**2
    # Rounding leaves a variance even if a gene is constant.
    squares[squares <= n_cells * (4 * np.finfo(float).eps * mean) ** 2] = 0
    return mean, squares / max(n_cells - 1, 1)


def _expm1(x):
    """Return exp(x) - 1 in float64; values above `LARGEST` count as `LARGEST`."""
    return np.expm1(np.minimum(x, LARGEST, dtype=np.float64))
