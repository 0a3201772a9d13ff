"""Metrics for embeddings: preserved neighbours, densities and hierarchy of types."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
from scipy.cluster.hierarchy import cophenet
from scipy.cluster.hierarchy import linkage as build_tree
from scipy.sparse import issparse
from scipy.spatial.distance import pdist
from scipy.stats import mode, rankdata
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_consistent_length, column_or_1d, get_tags

from celltyping._utils._labels import as_array, encode_together, encode_types
from celltyping._utils._robust import FAR, median_limit
from celltyping._utils._sparse import one_hot
from celltyping._utils._validation import is_integer, validate_array

# Added to a local radius before the logarithm, as in densMAP, so that duplicate samples
# have one. A fraction of the mean radius, so that units do not matter; radii count up
# to a multiple of their median, so that an outlier does not matter either.
RADIUS_FLOOR = 1e-8

# Distances that differ by less than this fraction of the largest one are equal up to
# rounding, and the correlation of rounding errors is meaningless.
EQUAL = 1e-10

LINKAGES = ("average", "complete", "single", "ward")
CORRELATIONS = ("pearson", "spearman")


def neighbor_accuracy_score(
    X_train, y_train, X_test, y_test, *, n_neighbors=5, unlabeled_marker="auto"
):
    """Compute the accuracy of a nearest-neighbour classifier in an embedding.

    Each sample of `X_test` is assigned the most frequent type of its nearest samples in
    `X_train`. Samples of unknown type are left out of both sets.

    Parameters
    ----------
    X_train : array-like of shape (n_train, n_components)
        Embedding of the training samples.
    y_train : array-like of shape (n_train,)
        Types of the training samples; some of them may be unknown.
    X_test : array-like of shape (n_test, n_components)
        Embedding of the test samples.
    y_test : array-like of shape (n_test,)
        Types of the test samples; some of them may be unknown.
    n_neighbors : int, default=5
        Number of neighbours; at most the number of training samples of known type.
    unlabeled_marker : "auto", scalar or list of scalars, default="auto"
        Values that mean unknown, beside "?", None, NaN and blank strings. "auto": -1
        among integers.

    Returns
    -------
    score : float
        Fraction of correct test samples among those of known type, from 0 to 1.

    Raises
    ------
    ValueError
        If lengths or numbers of components differ, no type is known in one of the two
        sets, or `n_neighbors` is larger than the number of training samples of known
        type.

    See Also
    --------
    neighborhood_overlap_score : Fraction of preserved neighbours, without types.
    sklearn.neighbors.KNeighborsClassifier : The same classifier as an estimator.

    Notes
    -----
    Distances are Euclidean. Among equally frequent types, the first in sorted order is
    assigned. Test samples whose type does not occur in `y_train` are always wrong.

    Examples
    --------
    >>> from celltyping.metrics import neighbor_accuracy_score
    >>> X_train, y_train = [[0.0], [1.0], [4.0], [5.0]], ["KC", "KC", "PN", "PN"]
    >>> X_test = [[0.4], [1.4], [4.4], [5.5], [9.0]]
    >>> y_test = ["KC", "PN", "PN", "PN", "?"]
    >>> neighbor_accuracy_score(X_train, y_train, X_test, y_test, n_neighbors=1)
    0.75
    """
    caller = "neighbor_accuracy_score"
    X_train = validate_array(X_train, caller, "X_train", dtype=np.float64)
    X_test = validate_array(X_test, caller, "X_test", dtype=np.float64)
    if X_test.shape[1] != X_train.shape[1]:
        raise ValueError(
            f"X_test must have as many columns as X_train ({X_train.shape[1]}), got "
            f"{X_test.shape[1]}"
        )
    train, test = _encode_both(X_train, y_train, X_test, y_test, unlabeled_marker)
    X_train, train = X_train[train >= 0], train[train >= 0]
    X_test, test = X_test[test >= 0], test[test >= 0]
    _check_n_neighbors(
        n_neighbors, len(train), "the number of samples of known type in X_train"
    )
    nearest = NearestNeighbors(n_neighbors=n_neighbors).fit(X_train)
    neighbors = nearest.kneighbors(X_test, return_distance=False)
    # mode returns the smallest of several modes, and codes are in the order of types
    return float(np.mean(mode(train[neighbors], axis=1).mode == test))


def neighborhood_overlap_score(X, X_embedded, *, n_neighbors=15, metric="euclidean"):
    """Compute the mean fraction of nearest neighbours that an embedding preserves.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features) or \
            (n_samples, n_samples)
        Original samples, or their pairwise distances if `metric` is "precomputed".
    X_embedded : array-like of shape (n_samples, n_components)
        Embedded samples, compared by Euclidean distance.
    n_neighbors : int, default=15
        Number of neighbours; less than the number of samples.
    metric : str or callable, default="euclidean"
        Distance between rows of `X`, as in `sklearn.neighbors.NearestNeighbors`.

    Returns
    -------
    score : float
        Mean fraction, from 0 to 1. Its expected value for a random embedding is
        `n_neighbors` / (n_samples - 1).

    Raises
    ------
    ValueError
        If the lengths differ, a value is NaN or infinite, or `n_neighbors` is not
        less than the number of samples.

    See Also
    --------
    make_neighborhood_scorer : Scorer with this metric for a grid search.
    sklearn.manifold.trustworthiness : Penalises new neighbours by their original rank.
    density_correlation : Preservation of local densities.

    Notes
    -----
    This is the criterion Q_NX of the co-ranking matrix [1]_ at K = `n_neighbors`. A
    sample is not its own neighbour. The choice among equally distant neighbours is
    undefined, so the score of tables with many equal rows is not exact.

    References
    ----------
    .. [1] J. A. Lee, M. Verleysen (2009). Quality assessment of dimensionality
       reduction: rank-based criteria. Neurocomputing 72, 1431-1443.
       :doi:`10.1016/j.neucom.2008.12.017`

    Examples
    --------
    >>> from celltyping.metrics import neighborhood_overlap_score
    >>> X, X_embedded = [[0.0], [1.0], [3.0], [6.0]], [[0.0], [1.0], [5.0], [6.0]]
    >>> neighborhood_overlap_score(X, X_embedded, n_neighbors=1)
    0.75
    """
    X, X_embedded = _check_spaces(X, X_embedded, "neighborhood_overlap_score")
    _check_neighborhood(X, n_neighbors, metric)
    before = NearestNeighbors(n_neighbors=n_neighbors, metric=metric).fit(X)
    after = NearestNeighbors(n_neighbors=n_neighbors).fit(X_embedded)
    shared = before.kneighbors_graph().multiply(after.kneighbors_graph())
    return float(shared.sum() / (X.shape[0] * n_neighbors))


def density_correlation(X, X_embedded, *, n_neighbors=15, metric="euclidean"):
    """Correlate local densities before and after an embedding.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features) or \
            (n_samples, n_samples)
        Original samples, or their pairwise distances if `metric` is "precomputed".
    X_embedded : array-like of shape (n_samples, n_components)
        Embedded samples, compared by Euclidean distance.
    n_neighbors : int, default=15
        Number of neighbours; less than the number of samples.
    metric : str or callable, default="euclidean"
        Distance between rows of `X`, as in `sklearn.neighbors.NearestNeighbors`.

    Returns
    -------
    correlation : float
        Pearson correlation of the logarithms of the local radii, from -1 to 1; NaN if
        all radii are equal in one of the two spaces, as in an embedding where all
        samples coincide.

    Raises
    ------
    ValueError
        If the lengths differ, a value is NaN or infinite, or `n_neighbors` is not
        less than the number of samples.

    See Also
    --------
    neighborhood_overlap_score : Preservation of nearest neighbours.

    Notes
    -----
    The local radius of sample i follows densMAP [1]_:
    R(i) = log(ε + Σ_j w_ij d_ij² / Σ_j w_ij), with w_ij = 1 for the `n_neighbors`
    nearest original samples j of i and 0 for all others. As in densMAP, the neighbours
    are the same in both spaces, so a sample far from its original neighbours has a
    large radius. The weights of densMAP are UMAP's memberships, which increase with
    proximity; equal weights need no UMAP graph, so any two embeddings can be compared.

    ε is 1e-8 times the mean of the mean squared distances in that space (each at most
    1,296 times their median), which makes the correlation independent of the units of
    both spaces.

    References
    ----------
    .. [1] A. Narayan, B. Berger, H. Cho (2021). Assessing single-cell transcriptomic
       variability through density-preserving data visualization. Nature Biotechnology
       39, 765-774. :doi:`10.1038/s41587-020-00801-7`

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping.metrics import density_correlation
    >>> X = np.geomspace(1, 100, 50)[:, np.newaxis]
    >>> round(density_correlation(X, 3 * X), 3)
    1.0

    Here dense regions become sparse:

    >>> round(density_correlation(X, 1 / X), 3)
    -0.971
    """
    X, X_embedded = _check_spaces(X, X_embedded, "density_correlation")
    _check_neighborhood(X, n_neighbors, metric)
    nearest = NearestNeighbors(n_neighbors=n_neighbors, metric=metric).fit(X)
    distances, neighbors = nearest.kneighbors()
    before = np.mean(distances**2, axis=1)
    after = np.zeros(len(X_embedded))
    for column in neighbors.T:
        after += np.sum((X_embedded - X_embedded[column]) ** 2, axis=1)
    return _correlate(before, after / n_neighbors, _log_radii)


def hierarchy_correlation(
    X,
    X_embedded,
    y,
    *,
    linkage="average",
    correlation="pearson",
    unlabeled_marker="auto",
):
    """Correlate the hierarchies of types before and after an embedding.

    The means of the types are clustered hierarchically in both spaces. The score is the
    correlation, over all pairs of types, of their cophenetic distances: the heights at
    which two types join in the trees.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Original samples.
    X_embedded : array-like of shape (n_samples, n_components)
        Embedded samples.
    y : array-like of shape (n_samples,)
        Types; samples of unknown type are left out.
    linkage : {"average", "complete", "single", "ward"} or None, default="average"
        Linkage criterion of the trees. None: distances between the means instead of
        cophenetic distances.
    correlation : {"pearson", "spearman"}, default="pearson"
        Correlation of the distances ("pearson") or of their ranks ("spearman").
    unlabeled_marker : "auto", scalar or list of scalars, default="auto"
        Values that mean unknown, beside "?", None, NaN and blank strings. "auto": -1
        among integers.

    Returns
    -------
    correlation : float
        Correlation from -1 to 1; NaN if all distances are equal in one of the two
        spaces.

    Raises
    ------
    ValueError
        If the lengths differ, a value is NaN or infinite, fewer than three types are
        known, or `linkage` or `correlation` is invalid.

    See Also
    --------
    neighborhood_overlap_score : Preservation of nearest neighbours.
    scipy.cluster.hierarchy.cophenet : Cophenetic distances.

    Notes
    -----
    This is Sokal and Rohlf's comparison of two dendrograms [1]_. All distances are
    Euclidean, and all types have equal weight, whatever their numbers of samples. The
    score is coarse for few types: the tree of three types has only two heights.

    References
    ----------
    .. [1] R. R. Sokal, F. J. Rohlf (1962). The comparison of dendrograms by objective
       methods. Taxon 11, 33-40. :doi:`10.2307/1217208`

    Examples
    --------
    >>> from celltyping.metrics import hierarchy_correlation
    >>> X, y = [[0.0], [1.0], [5.0]], ["KC", "PN", "LHN"]
    >>> round(hierarchy_correlation(X, [[0.0], [2.0], [9.0]], y), 3)
    1.0

    Here PN is nearest to LHN instead of KC:

    >>> round(hierarchy_correlation(X, [[0.0], [4.0], [5.0]], y), 3)
    -0.5
    """
    if linkage is not None and not _is_one_of(linkage, LINKAGES):
        raise ValueError(f"linkage must be one of {LINKAGES} or None, got {linkage!r}")
    if not _is_one_of(correlation, CORRELATIONS):
        raise ValueError(
            f"correlation must be one of {CORRELATIONS}, got {correlation!r}"
        )
    X, X_embedded = _check_spaces(X, X_embedded, "hierarchy_correlation")
    check_consistent_length(X, y)
    types, codes = encode_types(
        y, unlabeled_marker, caller="hierarchy_correlation", min_types=1
    )
    if len(types) < 3:
        raise ValueError(
            "hierarchy_correlation needs at least 3 types, because 2 types have only "
            f"one distance, but y has {len(types)}: {types.tolist()}"
        )
    before = _type_distances(X, codes, linkage)
    after = _type_distances(X_embedded, codes, linkage)
    return _correlate(before, after, rankdata if correlation == "spearman" else None)


def make_neighborhood_scorer(*, n_neighbors=15, metric="euclidean"):
    """Make a scorer of transformers from `neighborhood_overlap_score`.

    With it as ``scoring=``, a grid search tunes the parameters of an embedding without
    types.

    Parameters
    ----------
    n_neighbors : int, default=15
        Number of neighbours; less than the number of samples in a test fold.
    metric : str or callable, default="euclidean"
        Distance between rows of `X`, as in `sklearn.neighbors.NearestNeighbors`.

    Returns
    -------
    scorer : callable
        ``scorer(estimator, X, y=None)`` returns the `neighborhood_overlap_score` of
        `X` and ``estimator.transform(X)``; greater is better. `y` is ignored. An
        estimator whose `X` holds distances (``metric="precomputed"``) is refused.

    Raises
    ------
    ValueError
        If `n_neighbors` is not a positive integer.

    See Also
    --------
    neighborhood_overlap_score : The metric.
    make_typed_scorer : Scorer of predicted types.

    Notes
    -----
    In cross-validation, the neighbours are those in the test fold. In a smaller fold,
    they are more distant and the score of a random embedding is higher, so only scores
    of folds of equal size are comparable.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.model_selection import GridSearchCV
    >>> from celltyping.metrics import make_neighborhood_scorer
    >>> X = np.random.default_rng(0).normal(size=(60, 3))
    >>> scorer = make_neighborhood_scorer(n_neighbors=4)
    >>> search = GridSearchCV(PCA(), {"n_components": [1, 2, 3]}, scoring=scorer)
    >>> search.fit(X).best_params_
    {'n_components': 3}
    """
    return _NeighborhoodScorer(n_neighbors, metric)


class _NeighborhoodScorer:
    """Scorer made by `make_neighborhood_scorer`; a class, so that it can be pickled."""

    def __init__(self, n_neighbors, metric):
        if not is_integer(n_neighbors) or n_neighbors < 1:
            raise ValueError(
                f"n_neighbors must be an integer of at least 1, got {n_neighbors!r}"
            )
        self.n_neighbors = n_neighbors
        self.metric = metric

    def __call__(self, estimator, X, y=None):
        """Return the overlap of neighbours between X and the transformed X."""
        if not hasattr(estimator, "transform"):
            raise TypeError(
                f"{self!r} needs an estimator with a method transform, got "
                f"{estimator!r}"
            )
        if get_tags(estimator).input_tags.pairwise:
            raise ValueError(
                f"{self!r} compares X with its embedding, but X of this estimator "
                "holds distances, in a test fold those to the training samples alone: "
                "score it by neighborhood_overlap_score on the table the distances "
                "come from"
            )
        options = {"n_neighbors": self.n_neighbors, "metric": self.metric}
        return neighborhood_overlap_score(X, estimator.transform(X), **options)

    def __repr__(self):
        return (
            f"make_neighborhood_scorer(n_neighbors={self.n_neighbors!r}, "
            f"metric={self.metric!r})"
        )


def _check_spaces(X, X_embedded, caller):
    """Validate both tables and convert them to float64."""
    options = {"accept_sparse": "csr", "ensure_min_samples": 2}
    X = validate_array(X, caller, dtype=np.float64, **options)
    X_embedded = validate_array(X_embedded, caller, "X_embedded", dtype=np.float64)
    check_consistent_length(X, X_embedded)
    return X, X_embedded


def _check_neighborhood(X, n_neighbors, metric):
    """Raise a ValueError for too many neighbours or distances that are not square."""
    if isinstance(metric, str) and metric == "precomputed" and len(set(X.shape)) > 1:
        raise ValueError(
            "X must be a square matrix of distances if metric='precomputed', got "
            f"shape {X.shape}"
        )
    _check_n_neighbors(
        n_neighbors, X.shape[0] - 1, "one less than the number of samples"
    )


def _check_n_neighbors(n_neighbors, largest, what):
    """Raise a ValueError unless `n_neighbors` is an integer from 1 to `largest`."""
    if not is_integer(n_neighbors) or not 1 <= n_neighbors <= largest:
        raise ValueError(
            f"n_neighbors must be an integer from 1 to {largest}, {what}, got "
            f"{n_neighbors!r}"
        )


def _encode_both(X_train, y_train, X_test, y_test, unlabeled_marker):
    """Encode the types of both sets together, -1 where unknown."""
    labels = []
    for X, y in [(X_train, y_train), (X_test, y_test)]:
        check_consistent_length(X, y)
        labels.append(column_or_1d(as_array(y)))
    caller = "neighbor_accuracy_score"
    _, both = encode_together(*labels, unlabeled_marker=unlabeled_marker, caller=caller)
    for name, codes in zip(("y_train", "y_test"), both, strict=True):
        if np.all(codes < 0):
            raise ValueError(
                f"{caller} needs labelled samples, but all {len(codes)} types in "
                f"{name} are unknown (unlabeled_marker={unlabeled_marker!r})"
            )
    return both


def _is_one_of(value, options):
    """Return whether a value is one of several strings; an array is none."""
    return isinstance(value, str) and value in options


def _type_distances(X, codes, linkage):
    """Return the distances between the types' means, cophenetic if with a linkage."""
    n_samples = np.bincount(codes[codes >= 0])
    means = one_hot(codes, len(n_samples), 1 / n_samples[codes]).T.tocsr() @ X
    distances = pdist(means.toarray() if issparse(means) else means)
    return distances if linkage is None else cophenet(build_tree(distances, linkage))


def _log_radii(radii):
    """Return logarithms of mean squared distances, relative to their mean."""
    mean = np.minimum(radii, median_limit(radii, FAR**4)).mean()
    return np.log(RADIUS_FLOOR + radii / mean)


def _correlate(before, after, transform):
    """Correlate transformed distances; NaN if one of the arrays is constant."""
    pair = [before, after]
    if any(np.ptp(distances) <= EQUAL * np.max(distances) for distances in pair):
        return np.nan
    if transform is not None:
        pair = [transform(distances) for distances in pair]
    return float(np.corrcoef(*pair)[0, 1])
