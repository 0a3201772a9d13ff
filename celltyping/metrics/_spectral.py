"""Metrics for approximate eigenvectors and eigenvalues."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
from scipy.linalg import qr
from sklearn.utils import check_array, check_consistent_length, column_or_1d


def grassmann_score(U, V):
    """Compute the mean squared sine of the principal angles between two subspaces.

    Parameters
    ----------
    U : array-like of shape (n_samples, n_components)
        Columns that span the first subspace, such as the exact eigenvectors of a graph
        Laplacian. They need not be orthogonal or of unit length.
    V : array-like of shape (n_samples, n_components)
        Columns that span the second subspace, such as approximate eigenvectors.

    Returns
    -------
    score : float
        Value from 0 for equal to 1 for orthogonal subspaces; smaller is better. The
        expected value for random subspaces is 1 - n_components / n_samples.

    Raises
    ------
    ValueError
        If the shapes differ, a value is NaN or infinite, or the columns of `U` or `V`
        are linearly dependent.

    See Also
    --------
    fiedler_distance : Distance between single vectors.
    spectrum_distance : Distance between eigenvalues.
    scipy.linalg.subspace_angles : Principal angles.

    Notes
    -----
    With the principal angles θ_1, ..., θ_k between the subspaces, and matrices P_U and
    P_V that project onto the subspaces, the score is

    Σ_i sin² θ_i / k = ‖P_U − P_V‖_F² / 2k,

    which is the square of the projection F-norm [1]_, a common distance on the
    Grassmann manifold, divided by its maximum. Such a distance is used for networks
    trained for spectral coordinates, because their training determines the subspace but
    not the single eigenvectors [2]_.

    An eigenvector that is known to be the same in both, such as the constant
    eigenvector of a graph Laplacian, makes the score smaller: leave it out of both.

    References
    ----------
    .. [1] A. Edelman, T. A. Arias, S. T. Smith (1998). The geometry of algorithms with
       orthogonality constraints. SIAM Journal on Matrix Analysis and Applications 20,
       303-353. :doi:`10.1137/S0895479895290954`

    .. [2] N. Ben-Ari, A. Yacobi, U. Shaham (2025). Generalizable spectral embedding
       with an application to UMAP. :arxiv:`2501.11305`

    Examples
    --------
    >>> from celltyping.metrics import grassmann_score
    >>> U = [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]
    >>> round(grassmann_score(U, [[1.0, 1.0], [1.0, -1.0], [0.0, 0.0]]), 3)
    0.0
    >>> round(grassmann_score(U, [[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]]), 3)
    0.5
    """
    U, V = _basis(U, "U"), _basis(V, "V")
    if U.shape != V.shape:
        raise ValueError(
            "U and V must have the same shape (n_samples, n_components), got "
            f"{U.shape} and {V.shape}"
        )
    # The part of V outside the span of U. One minus the squared cosines is the same,
    # but less exact for nearly equal subspaces.
    outside = V - U @ (U.T @ V)
    return float(min(np.sum(outside**2) / U.shape[1], 1.0))


def spectrum_distance(eigenvalues_true, eigenvalues_pred):
    """Compute the relative L2 distance between eigenvalues.

    Parameters
    ----------
    eigenvalues_true : float or array-like of shape (n_components,)
        Exact eigenvalues, in any order.
    eigenvalues_pred : float or array-like of shape (n_components,)
        Approximate eigenvalues, in any order: both arrays are sorted first.

    Returns
    -------
    distance : float
        ‖true − pred‖ / ‖true‖; 0 for equal eigenvalues.

    Raises
    ------
    ValueError
        If the lengths differ, a value is NaN or infinite, or all true eigenvalues are
        0.

    See Also
    --------
    grassmann_score : Distance between subspaces spanned by eigenvectors.
    fiedler_distance : Distance between single eigenvectors.

    Notes
    -----
    For two single eigenvalues, such as Fiedler values, this is the relative error.

    Examples
    --------
    >>> from celltyping.metrics import spectrum_distance
    >>> spectrum_distance([0.0, 3.0, 4.0], [4.0, 0.0, 4.0])
    0.2
    >>> spectrum_distance(0.5, 0.25)
    0.5
    """
    true = np.sort(_vector(np.atleast_1d(eigenvalues_true), "eigenvalues_true"))
    pred = np.sort(_vector(np.atleast_1d(eigenvalues_pred), "eigenvalues_pred"))
    check_consistent_length(true, pred)
    largest = np.max(np.abs(true))
    if largest == 0:
        raise ValueError(
            "eigenvalues_true must not all be 0, because the distance is relative to "
            f"them, got {true.tolist()}"
        )
    # By a power of 2, which is exact, so that squares neither underflow nor overflow.
    power = -np.frexp(largest)[1]
    with np.errstate(over="ignore"):  # then the distance is infinite
        true, pred = np.ldexp(true, power), np.ldexp(pred, power)
        return float(np.linalg.norm(true - pred) / np.linalg.norm(true))


def fiedler_distance(u, v):
    """Compute the distance between two vectors up to sign and length.

    It is meant for Fiedler vectors (the eigenvector of a graph Laplacian with the
    second smallest eigenvalue) or other single eigenvectors.

    Parameters
    ----------
    u : array-like of shape (n_samples,) or (n_samples, 1)
        First vector.
    v : array-like of shape (n_samples,) or (n_samples, 1)
        Second vector.

    Returns
    -------
    distance : float
        1 − \\|cos φ\\| with the angle φ between the vectors: 0 for parallel and 1 for
        orthogonal vectors.

    Raises
    ------
    ValueError
        If the lengths differ, a value is NaN or infinite, or a vector is 0.

    See Also
    --------
    grassmann_score : Distance between subspaces spanned by several vectors.
    spectrum_distance : Distance between eigenvalues.

    Examples
    --------
    >>> from celltyping.metrics import fiedler_distance
    >>> round(fiedler_distance([1.0, 1.0, -1.0], [-2.0, -2.0, 2.0]), 3)
    0.0
    >>> round(fiedler_distance([1.0, 0.0], [1.0, 1.0]), 3)
    0.293
    """
    u, v = _unit(u, "u"), _unit(v, "v")
    check_consistent_length(u, v)
    if u @ v < 0:
        v = -v
    # ‖u − v‖² = 2 − 2 cos φ, which rounding cannot make negative.
    return float(min(np.sum((u - v) ** 2) / 2, 1.0))


def _basis(matrix, name):
    """Return an orthonormal basis of the column space of a matrix."""
    matrix = check_array(matrix, dtype=(np.float64, np.float32), input_name=name)
    n_rows, n_columns = matrix.shape
    # Linearly dependent columns leave a residual of rounding errors of the input dtype.
    rounding = max(n_rows, n_columns) * np.finfo(matrix.dtype).eps
    matrix = matrix.astype(np.float64)
    largest = np.max(np.abs(matrix), axis=0)
    matrix = matrix / np.where(largest > 0, largest, 1)
    matrix /= np.maximum(np.linalg.norm(matrix, axis=0), 1)
    basis, triangle, _ = qr(matrix, mode="economic", pivoting=True)
    rank = int(np.sum(np.abs(np.diag(triangle)) > rounding))
    if rank < n_columns:
        raise ValueError(
            f"the {n_columns} columns of {name} must be linearly independent, got a "
            f"matrix of shape {n_rows, n_columns} and rank {rank}"
        )
    return basis


def _unit(values, name):
    """Scale a vector to length 1."""
    values = _vector(values, name)
    largest = np.max(np.abs(values))
    if largest == 0:
        raise ValueError(f"{name} must not be 0 everywhere: it has no direction then")
    values = values / largest  # so that squares neither underflow nor overflow
    return values / np.linalg.norm(values)


def _vector(values, name):
    """Validate and return a 1-D float64 array."""
    values = check_array(values, ensure_2d=False, dtype=np.float64, input_name=name)
    return column_or_1d(values)
