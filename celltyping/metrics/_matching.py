"""Clusters against types: which cluster is which type, and how well they agree."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
from scipy.sparse import csr_array, eye_array, hstack
from scipy.sparse.csgraph import min_weight_full_bipartite_matching
from sklearn.utils import check_consistent_length, column_or_1d

from celltyping._utils._labels import as_array, encode_types, is_unlabeled


def match_clusters(labels_true, labels_pred, *, unlabeled_marker="auto"):
    """Match clusters with types, one to one, so that most neurons agree.

    Samples of unknown type are left out, and so is noise: a cluster label of -1, "?",
    None or NaN.

    Parameters
    ----------
    labels_true : array-like of shape (n_samples,)
        Types; some of them may be unknown.
    labels_pred : array-like of shape (n_samples,)
        Cluster of each sample, of any kind.
    unlabeled_marker : "auto" or scalar, default="auto"
        What means unknown in `labels_true`. By default "?", None and NaN among
        strings, -1 among integers.

    Returns
    -------
    clusters : ndarray of shape (n_matched,)
        The clusters that were matched, sorted. A cluster that shares no sample with
        any type left for it is not matched.
    types : ndarray of shape (n_matched,)
        The type of each of these clusters; no type occurs twice.

    Raises
    ------
    ValueError
        If the lengths differ or no type is known.

    See Also
    --------
    matched_accuracy_score : The share of samples that agree under this matching.

    Notes
    -----
    This is the assignment problem that the Hungarian method [1]_ solves, solved here
    on the sparse table of types and clusters, so that thousands of each are no
    problem.

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
    clusters, types, _, _ = _match(
        labels_true, labels_pred, unlabeled_marker, caller="match_clusters"
    )
    return clusters, types


def matched_accuracy_score(labels_true, labels_pred, *, unlabeled_marker="auto"):
    """Score clusters by the accuracy of the best one-to-one naming of them.

    Every cluster may bear the name of one type, and every type names one cluster; of
    all such namings the one with the most correct samples counts. Samples of unknown
    type are left out; noise (a cluster label of -1, "?", None or NaN) is wrong.

    Parameters
    ----------
    labels_true : array-like of shape (n_samples,)
        Types; some of them may be unknown.
    labels_pred : array-like of shape (n_samples,)
        Cluster of each sample, of any kind.
    unlabeled_marker : "auto" or scalar, default="auto"
        What means unknown in `labels_true`. By default "?", None and NaN among
        strings, -1 among integers.

    Returns
    -------
    score : float
        Share of the samples of known type whose cluster is the one that was matched
        with their type; between 0 and 1.

    Raises
    ------
    ValueError
        If the lengths differ or no type is known.

    See Also
    --------
    match_clusters : The matching itself.
    sklearn.metrics.adjusted_rand_score : Agreement of pairs, corrected for chance.

    Examples
    --------
    >>> from celltyping.metrics import matched_accuracy_score
    >>> y = ["KC", "KC", "PN", "PN", "PN", "?"]
    >>> matched_accuracy_score(y, [2, 2, 0, 0, 1, 1])
    0.8
    """
    _, _, n_agreeing, n_known = _match(
        labels_true, labels_pred, unlabeled_marker, caller="matched_accuracy_score"
    )
    return n_agreeing / n_known


def _match(labels_true, labels_pred, unlabeled_marker, *, caller):
    """Return matched clusters, their types, and how many known samples agree."""
    check_consistent_length(labels_true, labels_pred)
    types, type_codes = encode_types(
        labels_true, unlabeled_marker, caller=caller, min_types=1
    )
    labels_pred = column_or_1d(as_array(labels_pred))
    counted = (type_codes >= 0) & ~is_unlabeled(labels_pred)
    clusters, cluster_codes = np.unique(labels_pred[counted], return_inverse=True)
    n_shared = csr_array(
        (np.ones(counted.sum()), (cluster_codes, type_codes[counted])),
        shape=(len(clusters), len(types)),
    )
    n_shared.sum_duplicates()
    rows, columns = _best_pairs(n_shared)
    n_agreeing = int(n_shared[rows, columns].sum()) if rows.size else 0
    return clusters[rows], types[columns], n_agreeing, int((type_codes >= 0).sum())


def _best_pairs(weights):
    """Pair rows with columns so that the sum of positive sparse weights is largest.

    The solver wants every row paired. So each row gets a column of its own besides,
    which stands for "not paired": it weighs 1, and every true pair 1 more than before.
    """
    if weights.nnz == 0:
        return np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp)
    raised = weights.copy()
    raised.data += 1
    graph = hstack([raised, eye_array(weights.shape[0])], format="csr")
    rows, columns = min_weight_full_bipartite_matching(graph, maximize=True)
    paired = columns < weights.shape[1]
    return rows[paired], columns[paired]
