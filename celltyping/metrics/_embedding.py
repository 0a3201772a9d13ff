"""Scores of an embedding: what of the arrangement of the samples it keeps."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numbers

import numpy as np
from scipy.cluster.hierarchy import cophenet
from scipy.cluster.hierarchy import linkage as build_tree
from scipy.sparse import csr_array, issparse
from scipy.spatial.distance import pdist
from scipy.stats import mode, rankdata
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import check_array, check_consistent_length, column_or_1d

from celltyping._utils._labels import as_array, encode_together, encode_types

# What densMAP adds to a local radius before the logarithm, so that samples which
# coincide have one. Here it is a share of the mean radius, whatever the units are.
RADIUS_FLOOR = 1e-8

# Distances that differ by less than this share of the largest one are equal: what is
# left is rounding, and its correlation with anything means nothing.
EQUAL = 1e-10

LINKAGES = ("average", "complete", "single", "ward")
CORRELATIONS = ("pearson", "spearman")


def neighbor_accuracy_score(
    X_train, y_train, X_test, y_test, *, n_neighbors=5, unlabeled_marker="auto"
):
    """Score how well the types of new samples are known by their neighbours.

    Each sample of `X_test` gets the type that most of its nearest samples in `X_train`
    have. Samples of unknown type neither vote nor are judged.

    Parameters
    ----------
    X_train : array-like of shape (n_train, n_components)
        The embedding of the samples that vote.
    y_train : array-like of shape (n_train,)
        Their types; some of them may be unknown.
    X_test : array-like of shape (n_test, n_components)
        The embedding of the samples that are judged.
    y_test : array-like of shape (n_test,)
        Their types; some of them may be unknown.
    n_neighbors : int, default=5
        Number of neighbours that vote, at most the number of samples of known type in
        `X_train`.
    unlabeled_marker : "auto" or scalar, default="auto"
        What means unknown. By default "?", None and NaN among strings, -1 among
        integers.

    Returns
    -------
    score : float
        Share of the samples of known type in `X_test` that get their type; between 0
        and 1.

    Raises
    ------
    ValueError
        If lengths or numbers of components differ, no type is known in one of the two,
        or `n_neighbors` is larger than the number of samples that vote.

    See Also
    --------
    neighborhood_overlap_score : How far neighbours stay neighbours; needs no type.
    sklearn.neighbors.KNeighborsClassifier : The same vote as an estimator.

    Notes
    -----
    Distances are Euclidean. Where two types have as many votes, the first of them in
    sorted order wins. A type that occurs in `y_test` alone is never right.

    Examples
    --------
    >>> from celltyping.metrics import neighbor_accuracy_score
    >>> X_train, y_train = [[0.0], [1.0], [4.0], [5.0]], ["KC", "KC", "PN", "PN"]
    >>> X_test = [[0.4], [1.4], [4.4], [5.5], [9.0]]
    >>> y_test = ["KC", "PN", "PN", "PN", "?"]
    >>> neighbor_accuracy_score(X_train, y_train, X_test, y_test, n_neighbors=1)
    0.75
    """
    X_train = check_array(X_train, dtype=np.float64, input_name="X_train")
    X_test = check_array(X_test, dtype=np.float64, input_name="X_test")
    if X_test.shape[1] != X_train.shape[1]:
        raise ValueError(
            f"X_test must have as many columns as X_train ({X_train.shape[1]}), got "
            f"{X_test.shape[1]}"
        )
    voters, judged = _encode_both(X_train, y_train, X_test, y_test, unlabeled_marker)
    votes, rows = np.flatnonzero(voters >= 0), np.flatnonzero(judged >= 0)
    _check_n_neighbors(
        n_neighbors, len(votes), "the number of samples of known type in X_train"
    )
    nearest = NearestNeighbors(n_neighbors=n_neighbors).fit(X_train[votes])
    neighbors = nearest.kneighbors(X_test[rows], return_distance=False)
    # The smallest code wins a tie, and codes are in the order of the types.
    winners = mode(voters[votes][neighbors], axis=1).mode
    return float(np.mean(winners == judged[rows]))


def neighborhood_overlap_score(X, X_embedded, *, n_neighbors=15, metric="euclidean"):
    """Score how far neighbours stay neighbours in an embedding.

    For each sample: the share of its nearest samples that are among as many nearest
    samples in the embedding; then the mean over the samples. No sample is its own
    neighbour.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features) or \
            (n_samples, n_samples)
        The samples before the embedding; their distances if `metric` is "precomputed".
    X_embedded : array-like of shape (n_samples, n_components)
        The samples in the embedding, where distances are Euclidean.
    n_neighbors : int, default=15
        Number of neighbours, less than the number of samples.
    metric : str or callable, default="euclidean"
        Distance between rows of `X`, as in `sklearn.neighbors.NearestNeighbors`.

    Returns
    -------
    score : float
        Between 0 and 1. A random embedding has `n_neighbors` / (n_samples - 1) on
        average.

    Raises
    ------
    ValueError
        If the lengths differ, a value is NaN or infinite, or `n_neighbors` is not
        less than the number of samples.

    See Also
    --------
    make_neighborhood_scorer : This score for a grid search.
    sklearn.manifold.trustworthiness : Weighs intruders by how far they come from.
    density_correlation : How far dense regions stay dense.

    Notes
    -----
    This is the criterion Q_NX of the co-ranking matrix [1]_ at K = `n_neighbors`.
    Which of several equally far samples is a neighbour is not defined, so tables with
    many equal rows have no exact score.

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
    X, X_embedded = _check_spaces(X, X_embedded)
    _check_neighborhood(X, n_neighbors, metric)
    before = NearestNeighbors(n_neighbors=n_neighbors, metric=metric).fit(X)
    after = NearestNeighbors(n_neighbors=n_neighbors).fit(X_embedded)
    shared = before.kneighbors_graph().multiply(after.kneighbors_graph())
    return float(shared.sum() / (X.shape[0] * n_neighbors))


def density_correlation(X, X_embedded, *, n_neighbors=15, metric="euclidean"):
    """Correlate how densely samples lie before and after an embedding.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features) or \
            (n_samples, n_samples)
        The samples before the embedding; their distances if `metric` is "precomputed".
    X_embedded : array-like of shape (n_samples, n_components)
        The samples in the embedding, where distances are Euclidean.
    n_neighbors : int, default=15
        Number of neighbours, less than the number of samples.
    metric : str or callable, default="euclidean"
        Distance between rows of `X`, as in `sklearn.neighbors.NearestNeighbors`.

    Returns
    -------
    correlation : float
        Pearson correlation of the logarithms of the local radii, between -1 and 1; NaN
        if all radii are equal in one of the two spaces, as in an embedding that is a
        single point.

    Raises
    ------
    ValueError
        If the lengths differ, a value is NaN or infinite, or `n_neighbors` is not
        less than the number of samples.

    See Also
    --------
    neighborhood_overlap_score : How far neighbours stay neighbours.

    Notes
    -----
    The local radius of sample i is that of densMAP [1]_,
    R(i) = log(ε + Σ_j w_ij d_ij² / Σ_j w_ij), with w_ij = 1 for the `n_neighbors`
    nearest samples j of i before the embedding and 0 for all others: the mean squared
    distance from i to these neighbours. The neighbours are the same in both spaces, as
    they are in densMAP, so a sample that is torn from its neighbours gets a large
    radius. densMAP's own weights are UMAP's memberships, which grow with nearness;
    equal weights need no UMAP graph, so that any two embeddings can be compared.

    ε is 1e-8 times the mean of the mean squared distances in that space, which makes
    the answer independent of the units of both spaces.

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
    X, X_embedded = _check_spaces(X, X_embedded)
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
    """Correlate how the types are arranged before and after an embedding.

    The types' means are clustered hierarchically in both spaces. The distance of two
    types is the height at which they join in the tree (their cophenetic distance), and
    these distances are correlated over all pairs of types.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        The samples before the embedding.
    X_embedded : array-like of shape (n_samples, n_components)
        The samples in the embedding.
    y : array-like of shape (n_samples,)
        Types; samples where it is unknown are left out.
    linkage : {"average", "complete", "single", "ward"} or None, default="average"
        How the trees are built. None: no tree, the distances are those between the
        means themselves.
    correlation : {"pearson", "spearman"}, default="pearson"
        Which correlation: of the distances, or of their ranks.
    unlabeled_marker : "auto" or scalar, default="auto"
        What means unknown. By default "?", None and NaN among strings, -1 among
        integers.

    Returns
    -------
    correlation : float
        Between -1 and 1; NaN if all distances are equal in one of the two spaces.

    Raises
    ------
    ValueError
        If the lengths differ, a value is NaN or infinite, fewer than three types are
        known, or `linkage` or `correlation` is none of the above.

    See Also
    --------
    neighborhood_overlap_score : The arrangement of the nearest samples alone.
    scipy.cluster.hierarchy.cophenet : Distances in a tree.

    Notes
    -----
    This is Sokal and Rohlf's comparison of two dendrograms [1]_. All distances are
    Euclidean, and every type counts the same, however many samples it has. With few
    types it is coarse: three of them make trees with two different heights.

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

    Here PN has left KC and joins LHN:

    >>> round(hierarchy_correlation(X, [[0.0], [4.0], [5.0]], y), 3)
    -0.5
    """
    if linkage is not None and linkage not in LINKAGES:
        raise ValueError(f"linkage must be one of {LINKAGES} or None, got {linkage!r}")
    if correlation not in CORRELATIONS:
        raise ValueError(
            f"correlation must be one of {CORRELATIONS}, got {correlation!r}"
        )
    X, X_embedded = _check_spaces(X, X_embedded)
    check_consistent_length(X, y)
    types, codes = encode_types(
        y, unlabeled_marker, caller="hierarchy_correlation", min_types=1
    )
    if len(types) < 3:
        raise ValueError(
            "hierarchy_correlation needs at least 3 types, since two have one distance "
            f"alone, but y has {len(types)}: {types.tolist()}"
        )
    before = _type_distances(X, codes, linkage)
    after = _type_distances(X_embedded, codes, linkage)
    return _correlate(before, after, rankdata if correlation == "spearman" else None)


def make_neighborhood_scorer(*, n_neighbors=15, metric="euclidean"):
    """Make a scorer of transformers: how far neighbours stay neighbours.

    Use it as ``scoring=`` of a grid search over the parameters of an embedding, which
    then needs no types.

    Parameters
    ----------
    n_neighbors : int, default=15
        Number of neighbours, less than the number of samples in a test fold.
    metric : str or callable, default="euclidean"
        Distance between rows of `X`, as in `sklearn.neighbors.NearestNeighbors`.

    Returns
    -------
    scorer : callable
        ``scorer(estimator, X, y=None)`` returns the `neighborhood_overlap_score` of
        `X` and ``estimator.transform(X)``; greater is better. `y` is not used.

    Raises
    ------
    ValueError
        If `n_neighbors` is not a positive integer.

    See Also
    --------
    neighborhood_overlap_score : The score itself.
    make_typed_scorer : A scorer of predicted types.

    Notes
    -----
    In cross-validation the neighbours are sought within the test fold. The smaller the
    fold, the farther away they are, and the higher is the score of a random embedding:
    compare scores from folds of the same size.

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
    """What `make_neighborhood_scorer` returns; at module level, so that it pickles."""

    def __init__(self, n_neighbors, metric):
        if not isinstance(n_neighbors, numbers.Integral) or n_neighbors < 1:
            raise ValueError(
                f"n_neighbors must be an integer of at least 1, got {n_neighbors!r}"
            )
        self.n_neighbors = n_neighbors
        self.metric = metric

    def __call__(self, estimator, X, y=None):
        """Return how far neighbours stay neighbours when `estimator` transforms X."""
        if not hasattr(estimator, "transform"):
            raise TypeError(
                f"{self!r} needs an estimator with a method transform, got "
                f"{estimator!r}"
            )
        return neighborhood_overlap_score(
            X,
            estimator.transform(X),
            n_neighbors=self.n_neighbors,
            metric=self.metric,
        )

    def __repr__(self):
        return (
            f"make_neighborhood_scorer(n_neighbors={self.n_neighbors!r}, "
            f"metric={self.metric!r})"
        )


def _check_spaces(X, X_embedded):
    """Return both tables in float64, one row per sample."""
    X = check_array(
        X, accept_sparse="csr", dtype=np.float64, ensure_min_samples=2, input_name="X"
    )
    X_embedded = check_array(X_embedded, dtype=np.float64, input_name="X_embedded")
    check_consistent_length(X, X_embedded)
    return X, X_embedded


def _check_neighborhood(X, n_neighbors, metric):
    """Raise unless every sample has so many neighbours, and distances are a square."""
    if isinstance(metric, str) and metric == "precomputed" and len(set(X.shape)) > 1:
        raise ValueError(
            "X must be a square matrix of distances where metric='precomputed', got "
            f"shape {X.shape}"
        )
    _check_n_neighbors(
        n_neighbors, X.shape[0] - 1, "one less than the number of samples"
    )


def _check_n_neighbors(n_neighbors, largest, what):
    """Raise unless `n_neighbors` is an integer from 1 to `largest`."""
    if not isinstance(n_neighbors, numbers.Integral) or not 1 <= n_neighbors <= largest:
        raise ValueError(
            f"n_neighbors must be an integer from 1 to {largest}, {what}, got "
            f"{n_neighbors!r}"
        )


def _encode_both(X_train, y_train, X_test, y_test, unlabeled_marker):
    """Return the types of both sets as integers of one code, -1 where unknown."""
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


def _type_distances(X, codes, linkage):
    """Return the distances between the types' means, or their heights in a tree."""
    known = np.flatnonzero(codes >= 0)
    weights = 1 / np.bincount(codes[known])[codes[known]]
    means = csr_array((weights, (codes[known], known)), (codes.max() + 1, len(codes)))
    means = means @ X
    distances = pdist(means.toarray() if issparse(means) else means)
    return distances if linkage is None else cophenet(build_tree(distances, linkage))


def _log_radii(radii):
    """Take logarithms of mean squared distances, in units of their mean."""
    return np.log(RADIUS_FLOOR + radii / radii.mean())


def _correlate(before, after, transform):
    """Correlate distances after a transform; NaN where one of the two is constant."""
    pair = [before, after]
    if any(np.ptp(distances) <= EQUAL * np.max(distances) for distances in pair):
        return np.nan
    if transform is not None:
        pair = [transform(distances) for distances in pair]
    return float(np.corrcoef(*pair)[0, 1])
