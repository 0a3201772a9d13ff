"""Tables of expression: which kind of numbers they hold, and checks they share."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
from scipy import sparse
from sklearn.utils import check_consistent_length, column_or_1d

from celltyping._utils._labels import as_array, is_missing

# In a cell whose total is a million, as TPM has it, log2(1 + x) is at most 19.9. The
# natural logarithm and other usual totals give less.
LARGEST_LOG = 20

# Cells whose totals differ by less than this share of them have the same total.
SAME_TOTAL = 1e-3

# Fewer values than this tell nothing against what the user says.
FEW_VALUES = 10

# Values looked at in one go.
CHUNK = 1 << 20


def guess_kind(X):
    """Tell counts, linear and logarithmic expression apart.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_cells, n_genes)
        Expression, finite and not negative. A sparse matrix stays sparse.

    Returns
    -------
    kind : {"counts", "tpm", "log"}
        "counts": all values are whole numbers. "tpm": they are not, and are too large
        for a logarithm, or all cells have the same total. "log": the rest.
    evidence : str
        What in the data says so, to go after "but".

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping._utils._expression import guess_kind
    >>> guess_kind(np.array([[0, 419], [3, 1]]))
    ('counts', 'all values are whole numbers and the largest is 419')
    >>> kind, evidence = guess_kind(np.array([[0, 6.9], [0.7, 1.2]]))
    >>> kind
    'log'
    >>> evidence
    'not all values are whole numbers (one is 6.9) and the largest is only 6.9'
    """
    if not sparse.issparse(X):
        X = np.asarray(X)
    values = _values(X)
    largest = values.max(initial=0)
    if largest == 0:
        return "counts", "all values are zero"
    fraction = _first_fraction(values)
    if fraction is None:
        return (
            "counts",
            f"all values are whole numbers and the largest is {largest:.6g}",
        )
    evidence = f"not all values are whole numbers (one is {fraction:.4g})"
    if not largest <= LARGEST_LOG:
        return (
            "tpm",
            f"{evidence} and the largest is {largest:.6g}, too large for a log",
        )
    totals = np.asarray(X.sum(axis=1), dtype=float).ravel()
    totals = totals[totals > 0]
    # Where all values are the same, so may the totals be: cells of one gene each.
    least = values.min(where=values > 0, initial=largest)
    if (
        totals.size > 1
        and least < largest
        and np.ptp(totals) <= SAME_TOTAL * totals.max()
    ):
        return "tpm", f"{evidence} and every cell has the total {totals.mean():.6g}"
    return "log", f"{evidence} and the largest is only {largest:.4g}"


def contradiction(X, kind):
    """Return what in the data speaks against `kind`, or None.

    Only logarithms and other values are held against each other: counts and TPM are
    treated alike, and some programs count fractions of a molecule.

    Parameters
    ----------
    X : {ndarray, sparse matrix} of shape (n_cells, n_genes)
        Expression, finite and not negative.
    kind : {"counts", "tpm", "log"}
        What the values are said to be.

    Returns
    -------
    evidence : str or None
        None if nothing speaks against `kind`, or too few values are above zero.

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping._utils._expression import contradiction
    >>> X = np.arange(12).reshape(3, 4)
    >>> contradiction(X, "log")
    'all values are whole numbers and the largest is 11'
    >>> contradiction(X, "counts") is None
    True
    """
    if np.count_nonzero(_values(X)) < FEW_VALUES:
        return None
    found, evidence = guess_kind(X)
    return evidence if (found == "log") != (kind == "log") else None


def check_not_negative(X, caller):
    """Raise a ValueError if there is a negative value.

    Parameters
    ----------
    X : {ndarray, sparse matrix} of shape (n_cells, n_genes)
        Expression.
    caller : str
        The estimator's name, for the message.

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping._utils._expression import check_not_negative
    >>> check_not_negative(np.array([[0.0, 2.0]]), "GeneFilter")
    """
    least = _values(X).min(initial=0)
    if least < 0:
        raise ValueError(
            f"Negative values in data passed to X in {caller}: the least is "
            f"{least:.4g}. Expression is zero or more: pass it as it was before genes "
            "were centred or scaled"
        )


def encode_batch(batch, X):
    """Turn the batches of the cells into integers.

    Parameters
    ----------
    batch : array-like of shape (n_cells,)
        Name of each cell's batch.
    X : {ndarray, sparse matrix} of shape (n_cells, n_genes)
        Expression of these cells.

    Returns
    -------
    names : ndarray of shape (n_batches,)
        The batches, sorted.
    codes : ndarray of shape (n_cells,), dtype=intp
        Index of each cell's batch in `names`.

    Raises
    ------
    ValueError
        If `batch` has another length than X, is missing for a cell or mixes names
        that cannot be sorted.

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping._utils._expression import encode_batch
    >>> names, codes = encode_batch(["new", "old", "new"], np.ones((3, 2)))
    >>> names.tolist(), codes.tolist()
    (['new', 'old'], [0, 1, 0])
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
    """Return all values of `X`, of a sparse matrix those that it stores."""
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
