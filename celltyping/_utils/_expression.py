"""Kinds of expression (counts, TPM, logarithms) and checks of expression tables."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
from scipy import sparse
from sklearn.feature_selection import SelectorMixin
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.validation import check_is_fitted

from celltyping._utils._containers import refuse_non_numeric
from celltyping._utils._labels import as_array, is_missing
from celltyping._utils._validation import check_sparse, validate_samples

# Maximum of log2(1 + x) in a cell with a total of a million, as in TPM, is 19.9. The
# natural logarithm and other usual totals give less.
LARGEST_LOG = 20

# Totals of cells that differ by less than this fraction count as equal.
SAME_TOTAL = 1e-3

# Counts divided by the total of their cell are multiples of a unit that differs between
# cells. Of the multiples up to a maximum, this share is whole up to a tolerance; of the
# logarithms of such values, nearly none is. Rounded values are multiples of one unit.
WHOLE_SHARE, WHOLE_TOLERANCE, LARGEST_MULTIPLE, UNIT_SHARE = 0.9, 0.02, 30, 0.3
# Minimum number of multiples, and maximum number of cells that are examined for it.
FEWEST_MULTIPLES, N_EXAMINED = 20, 200

# With fewer positive values than this, nothing contradicts the kind that is given.
FEW_VALUES = 10

# Number of values that are examined at once.
CHUNK = 1 << 20


class ExpressionInputMixin:
    """Mixin for transformers of expression: validation of X, and its tags."""

    def _validate_X(self, X, *, reset):
        """Return X validated, as canonical CSR if sparse; it may be the input."""
        X = validate_samples(
            self, X, accept_sparse="csr", dtype=[np.float64, np.float32], reset=reset
        )
        check_not_negative(X, type(self).__name__)
        return X

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.positive_only = True
        return tags


class GeneSelectorMixin(ExpressionInputMixin, SelectorMixin):
    """Mixin for transformers that select the genes of their mask `support_`."""

    def transform(self, X):
        """Select the genes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Expression.

        Returns
        -------
        X_new : {ndarray, csr_array, csr_matrix} of shape (n_samples, n_selected)
            Expression of the selected genes.
        """
        refuse_non_numeric(X)
        return super().transform(check_sparse(X))

    def _get_support_mask(self):
        check_is_fitted(self)
        return self.support_


def infer_kind(X):
    """Infer whether expression holds counts, linear values or logarithms.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_cells, n_genes)
        Expression, finite and not negative. A sparse matrix stays sparse.

    Returns
    -------
    kind : {"counts", "tpm", "log"}
        "counts": all values are whole numbers. "tpm": they are not, and either the
        largest is too large for a logarithm, or all cells have the same total, or none
        a total above 1 (fractions of several genes), or values are multiples of a
        number per cell (counts divided by a total, also of a subset of the genes).
        "log": otherwise.
    evidence : str
        Observation in the data that led to it, worded to follow "but" in a message.
    """
    if not sparse.issparse(X):
        X = np.asarray(X)
    values = _values(X)
    largest = values.max(initial=0)
    if largest == 0:
        return "counts", "all values are zero"
    fraction = _first_fraction(values)
    the_largest = f"the largest is {largest:.6g}"
    if fraction is None:
        return "counts", f"all values are whole numbers and {the_largest}"
    evidence = f"not all values are whole numbers (one is {fraction:.4g})"
    if not largest <= LARGEST_LOG:
        return "tpm", f"{evidence} and {the_largest}, too large for a log"
    totals = np.asarray(X.sum(axis=1), dtype=float).ravel()
    totals = totals[totals > 0]
    # Equal values may have equal totals by chance: cells with one gene each.
    least = values.min(where=values > 0, initial=largest)
    if totals.size > 1 and least < largest:
        if np.ptp(totals) <= SAME_TOTAL * totals.max():
            return "tpm", f"{evidence} and every cell has the total {totals.mean():.6g}"
        is_sparse = np.count_nonzero(values) < 2 * totals.size
        if totals.max() <= 1 + SAME_TOTAL and not is_sparse:
            return "tpm", f"{evidence} and no cell has a total above 1"
        if _are_multiples(X):
            return "tpm", f"{evidence} and values are multiples of a number per cell"
    return "log", f"{evidence} and the largest is only {largest:.4g}"


def _are_multiples(X):
    """Return whether the values of each cell are multiples of a unit of the cell."""
    cells = np.unique(np.linspace(0, X.shape[0] - 1, N_EXAMINED).astype(np.intp))
    rows = X[cells] if not sparse.issparse(X) else X.tocsr()[cells]
    if sparse.issparse(rows):
        rows = np.split(rows.data, rows.indptr[1:-1])
    units, multiples = [], []
    for row in rows:
        levels = np.unique(np.append(row, 0)).astype(np.float64)
        steps = np.diff(levels)
        # Levels that differ by rounding are one.
        steps = steps[steps > 1e-6 * levels[1:]]
        if steps.size > 1:
            units.append(steps.min())
            with np.errstate(over="ignore"):  # infinite multiples are left out
                multiples.append(levels[1:] / steps.min())
    multiples = np.concatenate([*multiples, []])
    multiples = multiples[(multiples > 1.5) & (multiples <= LARGEST_MULTIPLE)]
    if multiples.size < FEWEST_MULTIPLES:
        return False
    whole = np.abs(multiples - np.round(multiples)) <= WHOLE_TOLERANCE
    n_units = np.unique(np.round(np.log(units), 3)).size
    return whole.mean() >= WHOLE_SHARE and n_units >= UNIT_SHARE * len(units)


def conflicting_evidence(X, kind):
    """Return evidence in X against `kind`, as a string, or None.

    Only logarithms are distinguished from other values: counts and TPM are treated
    alike, and some programs count fractions of a molecule. X is finite and not
    negative.
    """
    if np.count_nonzero(_values(X)) < FEW_VALUES:
        return None
    found, evidence = infer_kind(X)
    return evidence if (found == "log") != (kind == "log") else None


def check_not_negative(X, caller):
    """Raise a ValueError that names `caller` if X has a negative value."""
    least = _values(X).min(initial=0)
    if least < 0:
        raise ValueError(
            f"Negative values in data passed to X in {caller}: the least is "
            f"{least:.4g}. Expression is zero or more: pass it as it was before genes "
            "were centred or scaled"
        )


def encode_batch(batch, X):
    """Encode the batches of the cells of X as integers.

    Parameters
    ----------
    batch : array-like of shape (n_cells,)
        Batch name of each cell.
    X : {ndarray, sparse matrix} of shape (n_cells, n_genes)
        Expression of these cells.

    Returns
    -------
    names : ndarray of shape (n_batches,)
        Batch names, sorted.
    codes : ndarray of shape (n_cells,), dtype=intp
        Index of each cell's batch in `names`.

    Raises
    ------
    ValueError
        If `batch` has another length than X, is missing for a cell or mixes names
        that cannot be sorted.
    """
    batch = column_or_1d(as_array(batch))
    check_consistent_length(X, batch)
    missing = is_missing(batch)
    if missing.any():
        raise ValueError(
            f"batch must name the batch of every cell, but it is missing for "
            f"{missing.sum()} of {len(batch)}, the first at position "
            f"{np.flatnonzero(missing)[0]}"
        )
    try:
        return np.unique(batch, return_inverse=True)
    except TypeError as exc:
        kinds = sorted({type(value).__name__ for value in batch})
        raise ValueError(
            f"batch must hold names of one kind, got a mix of {', '.join(kinds)}"
        ) from exc


def _values(X):
    """Return all values of X, or the stored values if it is sparse."""
    if not sparse.issparse(X):
        return X.ravel(order="K")
    return (X if X.format in ("csr", "csc", "coo", "bsr") else X.tocsr()).data.ravel()


def _first_fraction(values):
    """Return the first value that is not a whole number, or None."""
    if values.dtype.kind in "iub":
        return None
    for start in range(0, values.size, CHUNK):
        part = values[start : start + CHUNK]
        fractions = part[part != np.floor(part)]
        if fractions.size:
            return fractions[0]
    return None
