"""One-to-one matching of clusters with types."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
from scipy.sparse import eye_array, hstack
from scipy.sparse.csgraph import min_weight_full_bipartite_matching
from sklearn.metrics.cluster import contingency_matrix
from sklearn.utils import check_consistent_length

from celltyping._utils._labels import encode_clusters, encode_types


def match_clusters(labels_true, labels_pred, *, unlabeled_marker="auto"):
    """Match clusters with types one to one, for the maximum number of correct samples.

    Samples of unknown type are left out, as is noise: a cluster label of -1, "?", None
    or NaN.

    Parameters
    ----------
    labels_true : array-like of shape (n_samples,)
        Types; some of them may be unknown.
    labels_pred : array-like of shape (n_samples,)
        Clusters: integers or strings.
    unlabeled_marker : "auto", scalar or list of scalars, default="auto"
        Values that mean unknown in `labels_true`, beside "?", None, NaN and blank
        strings. "auto": -1 among integers.

    Returns
    -------
    clusters : ndarray of shape (n_matched,)
        Matched clusters, sorted. Clusters that share no sample with an unmatched type
        are left out.
    types : ndarray of shape (n_matched,)
        Type of each of these clusters; no type occurs twice.

    Raises
    ------
    ValueError
        If the lengths differ or no type is known.

    See Also
    --------
    matched_accuracy_score : Accuracy under this matching.

    Notes
    -----
    This is the assignment problem of the Hungarian method [1]_, solved on the sparse
    contingency table, which allows for thousands of types and clusters.

    References
    ----------
    .. [1] H. W. Kuhn (1955). The Hungarian method for the assignment problem. Naval
       Research Logistics Quarterly 2, 83-97. :doi:`10.1002/nav.3800020109`

    Examples
    --------
    >>> from celltyping.metrics import match_clusters
    >>> clusters, types = match_clusters(
    ...     ["KC", "KC", "PN", "PN", "PN", "?"], [2, 2, 0, 0, 1, 1]
    ... )
    >>> dict(zip(clusters.tolist(), types.tolist()))
    {0: 'PN', 2: 'KC'}
    """
    caller = "match_clusters"
    return _match(labels_true, labels_pred, unlabeled_marker, caller=caller)[:2]


def matched_accuracy_score(labels_true, labels_pred, *, unlabeled_marker="auto"):
    """Compute the accuracy of clusters under the best one-to-one matching with types.

    Samples of unknown type are left out; noise (a cluster label of -1, "?", None or
    NaN) counts as wrong.

    Parameters
    ----------
    labels_true : array-like of shape (n_samples,)
        Types; some of them may be unknown.
    labels_pred : array-like of shape (n_samples,)
        Clusters: integers or strings.
    unlabeled_marker : "auto", scalar or list of scalars, default="auto"
        Values that mean unknown in `labels_true`, beside "?", None, NaN and blank
        strings. "auto": -1 among integers.

    Returns
    -------
    score : float
        Fraction of the samples of known type whose cluster is matched with their type,
        from 0 to 1.

    Raises
    ------
    ValueError
        If the lengths differ or no type is known.

    See Also
    --------
    match_clusters : The matching.
    sklearn.metrics.adjusted_rand_score : Agreement of pairs, adjusted for chance.

    Examples
    --------
    >>> from celltyping.metrics import matched_accuracy_score
    >>> y = ["KC", "KC", "PN", "PN", "PN", "?"]
    >>> matched_accuracy_score(y, [2, 2, 0, 0, 1, 1])
    0.8
    """
    _, _, n_correct, n_known = _match(
        labels_true, labels_pred, unlabeled_marker, caller="matched_accuracy_score"
    )
    return n_correct / n_known


def _match(labels_true, labels_pred, unlabeled_marker, *, caller):
    """Return matched clusters, their types, and the numbers of correct and known."""
    check_consistent_length(labels_true, labels_pred)
    types, type_codes = encode_types(
        labels_true, unlabeled_marker, caller=caller, min_types=1
    )
    clusters, cluster_codes = encode_clusters(labels_pred)
    counted = (type_codes >= 0) & (cluster_codes >= 0)
    labels, codes = cluster_codes[counted], type_codes[counted]
    n_shared = contingency_matrix(labels, codes, sparse=True)
    rows, columns = _best_pairs(n_shared)
    n_correct = int(n_shared[rows, columns].sum()) if rows.size else 0
    clusters, types = (
        clusters[np.unique(labels)[rows]],
        types[np.unique(codes)[columns]],
    )
    return clusters, types, n_correct, int((type_codes >= 0).sum())


def _best_pairs(weights):
    """Match rows with columns for the maximum sum of positive sparse weights."""
    if weights.nnz == 0:
        return np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp)
    # The solver matches all rows, so each row gets a further column of weight 1, which
    # means "not matched", and the weights of all pairs increase by 1.
    raised = weights.copy()
    raised.data += 1
    graph = hstack([raised, eye_array(weights.shape[0])], format="csr")
    rows, columns = min_weight_full_bipartite_matching(graph, maximize=True)
    paired = columns < weights.shape[1]
    return rows[paired], columns[paired]
