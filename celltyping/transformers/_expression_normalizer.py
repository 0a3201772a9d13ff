"""Normalisation of expression: equal totals per cell, then the logarithm."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import warnings
from numbers import Real

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.sparsefuncs import mean_variance_axis
from sklearn.utils.validation import check_is_fitted

from celltyping._utils._compat import Interval, StrOptions, _fit_context
from celltyping._utils._expression import (
    ExpressionInputMixin,
    conflicting_evidence,
    encode_batch,
    infer_kind,
)
from celltyping._utils._restore import restore_on_error
from celltyping._utils._validation import check_magnitude
from celltyping._utils._warnings import find_stack_level


class ExpressionNormalizer(
    ExpressionInputMixin, OneToOneFeatureMixin, TransformerMixin, BaseEstimator
):
    """Normalise the expression of cells: counts, TPM or logarithms.

    The number of molecules detected in a cell varies by chance. So each cell's values
    are divided by their total and multiplied by `target_sum`; the logarithm log(1 + x)
    follows, as in [1]_ and [2]_. Values that already are logarithms of normalised
    expression remain unchanged.

    Parameters
    ----------
    kind : {"auto", "counts", "log", "tpm"}, default="auto"
        Kind of expression in X. "counts": molecules or reads. "tpm": normalised
        expression without a logarithm, such as TPM, FPKM or CPM; it is treated like
        counts. "log": log(1 + x) of normalised expression. "auto": inferred from the
        values in `fit`; see Notes.
    target_sum : float, default=10000.0
        Total of each cell after normalisation.
    log : bool, default=True
        Whether to compute log(1 + x) of the result; of no effect on logarithms.
    scale : bool, default=False
        Whether to scale each gene to mean 0 and variance 1 over the cells of `fit`. The
        result is then always dense.
    max_value : float, default=6.0
        Maximum absolute value after scaling; larger values are clipped. None: no limit.

    Attributes
    ----------
    kind_ : {"counts", "log", "tpm"}
        Kind of expression in X, given or inferred.
    batches_ : ndarray of shape (n_batches,) or None
        Batches of `fit`, sorted; None without `batch`. Defined only if ``scale=True``.
    mean_ : ndarray of shape (n_batches, n_features)
        Mean of each gene in each batch; one row without batches. Defined only if
        ``scale=True``.
    scale_ : ndarray of shape (n_batches, n_features)
        Standard deviation of each gene in each batch, 1 where a gene is constant.
        Defined only if ``scale=True``.
    n_features_in_ : int
        Number of genes in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the genes. Defined only if X is a table with column names.

    See Also
    --------
    celltyping.GeneFilter : Filter of genes, applied before the normalisation.
    celltyping.HighlyVariableGenes : Selection of genes, applied after it.

    Notes
    -----
    ``kind="auto"`` infers counts from whole numbers. Other values are "tpm" if one
    exceeds 20, the maximum of log2(1 + TPM); if all cells have the same total, or none
    a total above 1; or if the values of each cell are multiples of a number that
    differs between cells, as of counts divided by a total, also for a subset of the
    genes. Otherwise they are logarithms: pass `kind` for normalised values up to 20
    that are not made from counts. A `UserWarning` is issued if the values contradict
    the kind that is given or was inferred in `fit`.

    Without `scale`, the result of a cell depends on that cell alone, and a sparse
    matrix stays sparse. A cell without any expression stays zero. The result of a
    float32 matrix is float32.

    With `scale` and `batch`, each batch is scaled separately, as in [1]_, which also
    clips at 6. This removes all differences of the means between batches, including
    those due to other proportions of the types. `transform` then only accepts cells of
    these batches. To pass `batch` through a pipeline, enable metadata routing and call
    ``set_fit_request`` and ``set_transform_request``.

    References
    ----------
    .. [1] Hu, J. et al. Iterative transfer learning with neural network for clustering
       and cell type classification in single-cell RNA-seq analysis. Nature Machine
       Intelligence 2, 607-618 (2020). :doi:`10.1038/s42256-020-00233-7`
    .. [2] Wolf, F. A., Angerer, P. & Theis, F. J. SCANPY: large-scale single-cell gene
       expression data analysis. Genome Biology 19, 15 (2018).
       :doi:`10.1186/s13059-017-1382-0`

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping import ExpressionNormalizer
    >>> counts = np.array([[1, 3, 0], [20, 0, 60], [0, 0, 0]])
    >>> normalizer = ExpressionNormalizer(target_sum=100, log=False)
    >>> normalizer.fit_transform(counts)
    array([[25., 75.,  0.],
           [25.,  0., 75.],
           [ 0.,  0.,  0.]])
    >>> normalizer.kind_
    'counts'
    """

    _parameter_constraints = {
        "kind": [StrOptions({"auto", "counts", "log", "tpm"})],
        "target_sum": [Interval(Real, 0, None, closed="neither")],
        "log": ["boolean"],
        "scale": ["boolean"],
        "max_value": [Interval(Real, 0, None, closed="neither"), None],
    }

    def __init__(
        self, *, kind="auto", target_sum=1e4, log=True, scale=False, max_value=6.0
    ):
        self.kind = kind
        self.target_sum = target_sum
        self.log = log
        self.scale = scale
        self.max_value = max_value

    @_fit_context(prefer_skip_nested_validation=True)
    @restore_on_error
    def fit(self, X, y=None, *, batch=None):
        """Infer the kind of expression; with `scale`, fit mean and scale of each gene.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Expression, finite and not negative.
        y : None, default=None
            Not used, present for API consistency.
        batch : array-like of shape (n_samples,), default=None
            Batch of each cell. With ``kind="auto"`` all batches must be logarithms, or
            none; with `scale`, each is scaled separately.

        Returns
        -------
        self : ExpressionNormalizer
            The fitted transformer.

        Raises
        ------
        ValueError
            If X has negative, infinite or missing values, batches are of different
            kinds, or `batch` does not name the batch of every cell.

        Warns
        -----
        UserWarning
            If the values contradict `kind`.
        """
        X = self._validate_X(X, reset=True)
        names, codes = (None, np.zeros(X.shape[0], dtype=np.intp))
        if batch is not None:
            names, codes = encode_batch(batch, X)
        self.kind_ = self._resolve_kind(X, names, codes)
        if self.scale:
            self._fit_scales(self._normalize_cells(X), names, codes)
        return self

    def transform(self, X, *, batch=None):
        """Normalise cells.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Expression of the kind that was fitted. It is not changed.
        batch : array-like of shape (n_samples,), default=None
            Batch of each cell; required if `scale` is True and `batch` was passed to
            `fit`, else not used.

        Returns
        -------
        X_new : {ndarray, csr_array, csr_matrix} of shape (n_samples, n_features)
            Normalised expression, sparse if X is and `scale` is False.

        Raises
        ------
        ValueError
            If X has negative, infinite or missing values, or a batch was not in `fit`.

        Warns
        -----
        UserWarning
            If the values contradict `kind_`.
        """
        check_is_fitted(self)
        X = self._validate_X(X, reset=False)
        evidence = conflicting_evidence(X, self.kind_)
        if evidence:
            warnings.warn(
                f"{type(self).__name__} was fitted on {self.kind_!r}, but in X "
                f"{evidence}",
                UserWarning,
                stacklevel=find_stack_level(),
            )
        return self._normalize(X, batch)

    @restore_on_error
    def fit_transform(self, X, y=None, *, batch=None):
        """Fit to the cells and normalise them.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Expression, finite and not negative. It is not changed.
        y : None, default=None
            Not used, present for API consistency.
        batch : array-like of shape (n_samples,), default=None
            Batch of each cell; see `fit`.

        Returns
        -------
        X_new : {ndarray, csr_array, csr_matrix} of shape (n_samples, n_features)
            Normalised expression, sparse if X is and `scale` is False.
        """
        self.fit(X, y, batch=batch)
        return self._normalize(self._validate_X(X, reset=False), batch)

    def _resolve_kind(self, X, names, codes):
        """Return the kind of expression, given or inferred."""
        if self.kind != "auto":
            evidence = conflicting_evidence(X, self.kind)
            if evidence:
                warnings.warn(
                    f"kind={self.kind!r}, but {evidence}",
                    UserWarning,
                    stacklevel=find_stack_level(),
                )
            return self.kind
        kind, evidence = infer_kind(X)
        for code, name in enumerate([] if names is None else names.tolist()):
            conflict = conflicting_evidence(X[codes == code], kind)
            if conflict:
                raise ValueError(
                    f"kind='auto' takes X for {kind!r} ({evidence}), but in batch "
                    f"{name!r} {conflict}: normalise batches of different kinds "
                    "separately, or pass kind"
                )
        return kind

    def _normalize_cells(self, X):
        """Return a copy of X with equal totals, and by `log` the logarithm."""
        X = X.copy()
        if self.kind_ == "log":
            return X
        totals = np.asarray(X @ np.ones(X.shape[1]))
        totals[totals == 0] = 1
        if sparse.issparse(X):
            values, totals = X.data, np.repeat(totals, np.diff(X.indptr))
        else:
            values, totals = X, totals[:, np.newaxis]
        np.divide(values, totals, out=values, casting="same_kind")
        values *= self.target_sum
        if self.log:
            np.log1p(values, out=values)
        return X

    def _fit_scales(self, X, names, codes):
        """Set mean and standard deviation of each gene in each batch."""
        n_batches = 1 if names is None else len(names)
        self.batches_ = names
        self.mean_ = np.empty((n_batches, X.shape[1]))
        self.scale_ = np.empty((n_batches, X.shape[1]))
        for code in range(n_batches):
            cells = X if n_batches == 1 else X[codes == code]
            if sparse.issparse(cells):
                mean, variance = mean_variance_axis(cells, axis=0)
            else:
                mean = cells.mean(axis=0, dtype=np.float64)
                variance = cells.var(axis=0, dtype=np.float64)
            spread = np.sqrt(variance)
            # Rounding leaves a variance even if a gene is constant.
            limits = np.finfo(X.dtype)
            spread[spread <= np.maximum(10 * limits.eps * mean, limits.tiny)] = 1
            self.mean_[code], self.scale_[code] = mean, spread

    def _normalize(self, X, batch):
        """Return normalised and, by `scale`, scaled cells."""
        normalized = self._normalize_cells(X)
        if not self.scale:
            return normalized
        codes = self._encode_known_batches(batch, X)
        if sparse.issparse(normalized):
            normalized = normalized.toarray()
        for code in range(len(self.mean_)):
            of_batch = codes == code
            # A view, without a copy, if all cells are of one batch.
            rows = slice(None) if of_batch.all() else of_batch
            cells = normalized[rows]
            cells -= self.mean_[code].astype(cells.dtype)
            with np.errstate(over="ignore"):  # clipped or refused below
                cells /= self.scale_[code].astype(cells.dtype)
            normalized[rows] = cells
        if self.max_value is not None:
            np.clip(normalized, -self.max_value, self.max_value, out=normalized)
        limit, name = np.finfo(normalized.dtype).max, "X, scaled,"
        check_magnitude(normalized, type(self).__name__, limit, name=name)
        return normalized

    def _encode_known_batches(self, batch, X):
        """Return the index in `batches_` of each cell's batch."""
        if self.batches_ is None and batch is None:
            return np.zeros(X.shape[0], dtype=np.intp)
        if self.batches_ is None:
            raise ValueError(
                "batch was passed, but not to fit: pass batch to fit, too, if each "
                "batch is to be scaled separately"
            )
        known = {name: code for code, name in enumerate(self.batches_.tolist())}
        if batch is None:
            raise ValueError(
                f"batch must be passed, since fit scaled {list(known)} separately"
            )
        names, codes = encode_batch(batch, X)
        unseen = [name for name in names.tolist() if name not in known]
        if unseen:
            raise ValueError(
                f"batch holds {unseen}, but fit has only seen {list(known)}: a batch "
                "can only be scaled if its cells were passed to fit"
            )
        return np.array([known[name] for name in names.tolist()], dtype=np.intp)[codes]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
