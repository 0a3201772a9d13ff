"""One-hot encoding as a sparse matrix."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
from scipy import sparse


def one_hot(codes, n_columns, values=None):
    """Return a CSR array with one entry per row, at the row's code.

    Parameters
    ----------
    codes : ndarray of shape (n_rows,)
        Column of each row's entry; negative for an empty row.
    n_columns : int
        Number of columns.
    values : ndarray of shape (n_rows,), default=None
        Entries. None: float64 ones.

    Returns
    -------
    matrix : csr_array of shape (n_rows, n_columns)
        One-hot matrix with sorted indices.
    """
    codes = np.asarray(codes)
    rows = np.flatnonzero(codes >= 0)
    entries = np.ones(len(rows)) if values is None else np.asarray(values)[rows]
    shape = (len(codes), n_columns)
    return sparse.csr_array((entries, (rows, codes[rows])), shape=shape)
