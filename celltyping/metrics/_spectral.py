"""Scores of spectral coordinates against the exact eigenvectors and eigenvalues."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
from scipy.linalg import qr
from sklearn.utils import check_array, check_consistent_length, column_or_1d


def grassmann_score(U, V):
    """Score how far apart two subspaces are: the mean squared sine of their angles.

    The subspaces are spanned by the columns of `U` and of `V`, which need neither be
    orthogonal nor of unit length.

    Parameters
    ----------
    U : array-like of shape (n_samples, n_components)
        Columns that span the first subspace, such as the exact eigenvectors of a graph
        Laplacian.
    V : array-like of shape (n_samples, n_components)
        Columns that span the second subspace, such as approximate eigenvectors.

    Returns
    -------
    score : float
        Between 0 for the same subspace and 1 for orthogonal ones; smaller is better.
        Two random subspaces have 1 - n_components / n_samples on average.

    Raises
    ------
    ValueError
        If the shapes differ, a value is NaN or infinite, or the columns of one of the
        two are linearly dependent.

    See Also
    --------
    fiedler_distance : The same question for single vectors.
    spectrum_distance : A distance between eigenvalues.
    scipy.linalg.subspace_angles : The angles themselves.

    Notes
    -----
    With the principal angles θ_1, ..., θ_k between the subspaces, and matrices P_U and
    P_V that project onto them, the score is

    Σ_i sin² θ_i / k = ‖P_U − P_V‖_F² / 2k,

    that is the square of the projection F-norm [1]_, one of the usual distances on
    the Grassmann manifold, divided by its largest value. Networks trained for spectral
    coordinates are judged by such a distance, since their training settles the
    subspace and not the single eigenvectors [2]_.

    An eigenvector that both sides share anyway, such as the constant one of a graph
    Laplacian, makes the score smaller: leave it out of both.

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
    # What of V lies outside the span of U. One minus the squared cosines would be the
    # same, but for its rounding where the subspaces are nearly equal.
    outside = V - U @ (U.T @ V)
    return float(min(np.sum(outside**2) / U.shape[1], 1.0))


def spectrum_distance(eigenvalues_true, eigenvalues_pred):
    """Compare eigenvalues: their L2 distance, relative to the true ones.

    Parameters
    ----------
    eigenvalues_true : float or array-like of shape (n_components,)
        The exact eigenvalues, in any order.
    eigenvalues_pred : float or array-like of shape (n_components,)
        The approximate ones, in any order: both are sorted first.

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
    grassmann_score : Compares what the eigenvectors span.
    fiedler_distance : Compares single eigenvectors.

    Notes
    -----
    One eigenvalue is enough. For two Fiedler values this is the relative error, and
    their absolute error needs no function: it is ``abs(a - b)``.

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
    norm = np.linalg.norm(true)
    if norm == 0:
        raise ValueError(
            "eigenvalues_true must not all be 0, since the distance is relative to "
            f"them, got {true.tolist()}"
        )
    return float(np.linalg.norm(true - pred) / norm)


def fiedler_distance(u, v):
    """Compare two vectors that are known up to sign and length.

    Made for the Fiedler vector, the eigenvector of a graph Laplacian that belongs to
    the second smallest eigenvalue; good for any single eigenvector.

    Parameters
    ----------
    u : array-like of shape (n_samples,) or (n_samples, 1)
        The first vector.
    v : array-like of shape (n_samples,) or (n_samples, 1)
        The second vector.

    Returns
    -------
    distance : float
        1 − \\|cos φ\\| with the angle φ between the vectors: 0 for vectors on one line,
        1 for orthogonal ones.

    Raises
    ------
    ValueError
        If the lengths differ, a value is NaN or infinite, or a vector is 0.

    See Also
    --------
    grassmann_score : Compares what several vectors span.
    spectrum_distance : Compares eigenvalues.

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
    # ‖u − v‖² = 2 − 2 cos φ, and no rounding makes it negative.
    return float(min(np.sum((u - v) ** 2) / 2, 1.0))


def _basis(matrix, name):
    """Return an orthonormal basis of what the columns of a matrix span."""
    matrix = check_array(matrix, dtype=(np.float64, np.float32), input_name=name)
    n_rows, n_columns = matrix.shape
    # A column that depends on others leaves rounding behind, that of its own dtype.
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
    """Return a vector of length 1."""
    values = _vector(values, name)
    largest = np.max(np.abs(values))
    if largest == 0:
        raise ValueError(f"{name} must not be 0 everywhere, since it has no direction")
    values = values / largest  # first, so that no square is too small or too large
    return values / np.linalg.norm(values)


def _vector(values, name):
    """Return finite numbers in one dimension."""
    values = check_array(values, ensure_2d=False, dtype=np.float64, input_name=name)
    return column_or_1d(values)
