"""Clusters that new samples can be placed in."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import warnings

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, ClusterMixin, clone
from sklearn.cluster import HDBSCAN
from sklearn.dummy import DummyClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from celltyping._utils._compat import (
    HasMethods,
    StrOptions,
    _fit_context,
    _num_samples,
    _safe_indexing,
)
from celltyping._utils._labels import is_missing
from celltyping._utils._optional import import_optional
from celltyping._utils._restore import restore_on_error
from celltyping._utils._sub_estimators import (
    check_rows,
    join_input_tags,
    own_random_state,
    pass_random_state,
)
from celltyping._utils._warnings import find_stack_level
from celltyping.estimators._outlier_filtered_classifier import (
    OutlierFilteredClassifier,
)

NOISE = -1

# What the default classifier asks.
NEIGHBORS = 5

# What not every fit learns.
_OPTIONAL = ("classifier_", "membership_", "outlier_scores_", "probabilities_")


def _has_proba(self):
    """Tell whether memberships can be predicted."""
    if self.membership == "classifier":
        return self.classifier is None or hasattr(self.classifier, "predict_proba")
    return _is_hdbscan(self.clusterer) or hasattr(self.clusterer, "predict_proba")


class InductiveClusterer(ClusterMixin, BaseEstimator):
    """Cluster samples, and place new ones in the clusters.

    Many clusterers, among them HDBSCAN and DBSCAN, label the samples that they are
    fitted to and no others. Here a classifier learns the clusters that were found, and
    says to which of them a new sample belongs. Noise is not a class: the classifier
    does not see it.

    Parameters
    ----------
    clusterer : clusterer, default=None
        Any clusterer that has `labels_` or `fit_predict`; negative labels are noise.
        None: :class:`sklearn.cluster.HDBSCAN`.
    classifier : classifier, default=None
        Learns the clusters. One that answers -1, such as an
        `OutlierFilteredClassifier` with ``outlier_label=-1``, makes new samples noise.
        None: the vote of the 5 nearest samples that are in a cluster. Not used with
        ``membership="clusterer"``.
    membership : {"classifier", "clusterer"}, default="classifier"
        Who says where samples belong: the classifier, or the clusterer's own
        `predict` (of hdbscan's HDBSCAN, `approximate_predict`, which leaves out much
        that lies near a cluster, and `membership_vector`).
    random_state : int, RandomState instance or None, default=None
        Is passed to the parts, where they have no own.

    Attributes
    ----------
    labels_ : ndarray of shape (n_samples,)
        Cluster of each training sample, as the clusterer says; -1: noise.
    clusters_ : ndarray of shape (n_clusters,)
        The clusters, sorted, without noise: the columns of `predict_proba`.
    n_clusters_ : int
        Number of clusters.
    clusterer_ : clusterer
        The fitted clusterer.
    classifier_ : classifier
        The fitted classifier. Its classes are the indices of `clusters_`. Defined only
        if ``membership="classifier"`` and there is a cluster.
    probabilities_ : ndarray of shape (n_samples,)
        How firmly each sample belongs to its cluster, 0 for noise. Defined only if the
        clusterer says it, as HDBSCAN does.
    outlier_scores_ : ndarray of shape (n_samples,)
        How far outside each sample is (GLOSH). Defined only if the clusterer says it,
        as hdbscan's HDBSCAN does.
    membership_ : ndarray of shape (n_samples, n_clusters)
        Soft memberships of the training samples. Defined only with
        ``membership="clusterer"`` and hdbscan's HDBSCAN.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Defined only if a table with column names was fitted.

    See Also
    --------
    celltyping.OutlierFilteredTransformer : Outliers get no place: noise here.
    GroupedEstimator : One clusterer for each group of samples.

    Notes
    -----
    A sample with a missing value (NaN) is noise: in `fit` the parts do not see it.

    `predict` of a training sample is the classifier's answer and may differ from
    `labels_`: noise of the clusterer gets a cluster, unless the classifier can refuse.

    Examples
    --------
    >>> from sklearn.cluster import DBSCAN
    >>> from celltyping import InductiveClusterer
    >>> X = [[0, 0], [0, 1], [1, 0], [8, 8], [8, 9], [9, 8], [50, 50]]
    >>> clusterer = InductiveClusterer(DBSCAN(eps=2, min_samples=2)).fit(X)
    >>> clusterer.labels_.tolist()
    [0, 0, 0, 1, 1, 1, -1]
    >>> clusterer.predict([[2, 2], [7, 7], [float("nan"), 0]]).tolist()
    [0, 1, -1]
    """

    _parameter_constraints = {
        "clusterer": [HasMethods(["fit"]), None],
        "classifier": [HasMethods(["fit", "predict"]), None],
        "membership": [StrOptions({"classifier", "clusterer"})],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        clusterer=None,
        *,
        classifier=None,
        membership="classifier",
        random_state=None,
    ):
        self.clusterer = clusterer
        self.classifier = classifier
        self.membership = membership
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    @restore_on_error
    def fit(self, X, y=None):
        """Find clusters, and learn where they are.

        Parameters
        ----------
        X : {array-like, sparse matrix, Connectome} of shape (n_samples, n_features)
            The samples, as the parts want them; rows with NaN are noise.
        y : object, default=None
            Ignored.

        Returns
        -------
        self : InductiveClusterer
            The fitted clusterer.

        Raises
        ------
        ValueError
            If all rows have missing values, the `outlier_label` of an
            `OutlierFilteredClassifier` is not -1, or ``membership="clusterer"`` and the
            clusterer cannot place new samples (hdbscan's not, if it finds one cluster).

        Warns
        -----
        UserWarning
            If the clusterer finds no cluster: all is noise then, new samples too.
        """
        X = check_rows(self, X, reset=True)
        for name in _OPTIONAL:
            vars(self).pop(name, None)
        random_state = own_random_state(self.random_state)
        clusterer = pass_random_state(clone(self._clusterer()), random_state)
        if self.membership == "clusterer":
            _prepare_to_predict(clusterer)
        there = _is_there(X)
        if not there.any():
            raise ValueError(
                f"all {len(there)} rows of X have missing values: nothing to cluster"
            )
        placed = X if there.all() else _safe_indexing(X, there)
        labels = _fit_labels(clusterer, placed)
        self.clusterer_ = clusterer
        self.clusters_ = np.unique(labels[labels >= 0])
        self.n_clusters_ = len(self.clusters_)
        self.labels_ = _spread(np.where(labels < 0, NOISE, labels), there, NOISE)
        self._pass_on(there)
        if self.n_clusters_ == 0:
            warnings.warn(
                f"{type(clusterer).__name__} finds no cluster in {len(labels)} samples "
                "and calls all of them noise, so predict will answer -1: allow smaller "
                "or sparser clusters (for HDBSCAN a lower min_cluster_size or "
                "min_samples, for DBSCAN a larger eps)",
                UserWarning,
                stacklevel=find_stack_level(),
            )
        elif self.membership == "classifier":
            is_in = labels >= 0
            learnt = placed if is_in.all() else _safe_indexing(placed, is_in)
            codes = np.searchsorted(self.clusters_, labels[is_in])
            self.classifier_ = self._new_classifier(len(codes), random_state)
            self.classifier_.fit(learnt, codes)
        return self

    def predict(self, X):
        """Place samples in the clusters.

        Parameters
        ----------
        X : {array-like, sparse matrix, Connectome} of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            A cluster each, or -1: noise, or a row with NaN.
        """
        check_is_fitted(self)
        X, there, placed = self._split(X)
        out = np.full(len(there), NOISE, dtype=self.labels_.dtype)
        if self.n_clusters_ == 0 or not there.any():
            return out
        if self.membership == "clusterer":
            labels = _ask_clusterer(self.clusterer_, placed)
            # A mixture may have components that no training sample is in.
            out[there] = np.where(np.isin(labels, self.clusters_), labels, NOISE)
        else:
            codes = np.asarray(self.classifier_.predict(placed)).astype(int)
            out[there] = np.where(codes < 0, NOISE, self.clusters_[codes])
        return out

    @available_if(_has_proba)
    def predict_proba(self, X):
        """Predict how surely samples belong to the clusters.

        There only if the classifier has it, or with ``membership="clusterer"`` the
        clusterer.

        Parameters
        ----------
        X : {array-like, sparse matrix, Connectome} of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_clusters)
            Columns as in `clusters_`. Rows sum to 1, but to 0 where X has NaN, and to
            less than 1 where HDBSCAN says that a sample is partly noise, or a mixture
            that it belongs to a component without training samples.
        """
        check_is_fitted(self)
        X, there, placed = self._split(X)
        out = np.zeros((len(there), self.n_clusters_))
        if self.n_clusters_ == 0 or not there.any():
            return out
        if self.membership == "classifier":
            out[there] = self.classifier_.predict_proba(placed)
        elif _is_hdbscan(self.clusterer_):
            rows = np.ascontiguousarray(placed, dtype=np.float64)
            soft = _prediction().membership_vector(self.clusterer_, rows)
            # Of one row it is a vector.
            out[there] = np.reshape(soft, (len(rows), self.n_clusters_))
        else:
            out[there] = self.clusterer_.predict_proba(placed)[:, self.clusters_]
        return out

    def _clusterer(self):
        """Return the clusterer that is given, or the default."""
        # Not given, `copy` warns that its default will change.
        return HDBSCAN(copy=True) if self.clusterer is None else self.clusterer

    def _new_classifier(self, n_samples, random_state):
        """Return a classifier that is not fitted."""
        if self.classifier is None:
            return KNeighborsClassifier(min(NEIGHBORS, n_samples))
        classifier = pass_random_state(clone(self.classifier), random_state)
        is_filtered = isinstance(classifier, OutlierFilteredClassifier)
        if is_filtered and classifier.outlier_label not in (None, NOISE):
            raise ValueError(
                "outlier_label of the classifier must be -1 or None, since other "
                f"integers are clusters, got {classifier.outlier_label!r}"
            )
        if self.n_clusters_ > 1:
            return classifier
        # Many classifiers refuse to learn one class; a filter of outliers is kept.
        everything = DummyClassifier(strategy="prior")
        if is_filtered:
            return classifier.set_params(estimator=everything, resampler=None)
        return everything

    def _split(self, X):
        """Return checked X, which rows have a place, and these rows."""
        X = check_rows(self, X, reset=False)
        there = _is_there(X)
        return X, there, X if there.all() else _safe_indexing(X, there)

    def _pass_on(self, there):
        """Keep what the clusterer says of the training samples."""
        for name in ("probabilities_", "outlier_scores_"):
            values = getattr(self.clusterer_, name, None)
            if values is not None:
                gap = 0.0 if name == "probabilities_" else np.nan
                setattr(self, name, _spread(np.asarray(values), there, gap))
        if (
            self.membership == "clusterer"
            and self.n_clusters_
            and _is_hdbscan(self.clusterer_)
        ):
            if self.n_clusters_ == 1:
                raise ValueError(
                    "hdbscan's HDBSCAN cannot place new samples where it finds one "
                    "cluster: take membership='classifier'"
                )
            soft = _prediction().all_points_membership_vectors(self.clusterer_)
            self.membership_ = _spread(soft, there, 0.0)

    def __sklearn_tags__(self):
        parts = [self._clusterer()]
        if self.classifier is not None and self.membership == "classifier":
            parts.append(self.classifier)
        tags = join_input_tags(super().__sklearn_tags__(), parts)
        # The default clusters sparse samples only with metrics that it is not given.
        tags.input_tags.sparse &= self.clusterer is not None
        tags.input_tags.allow_nan = True
        return tags


def _is_hdbscan(clusterer):
    """Tell whether a clusterer is the one of the package hdbscan."""
    return type(clusterer).__module__.partition(".")[0] == "hdbscan"


def _prediction():
    """Return hdbscan's functions that place new samples."""
    return import_optional(
        "hdbscan.prediction", extra="synapse", needed_by="membership='clusterer'"
    )


def _prepare_to_predict(clusterer):
    """Let a clusterer that is not fitted keep what it needs to place new samples."""
    if _is_hdbscan(clusterer):
        clusterer.set_params(prediction_data=True)
    elif not hasattr(clusterer, "predict"):
        raise ValueError(
            "membership='clusterer' needs a clusterer that has predict, and "
            f"{type(clusterer).__name__} has not: take membership='classifier'"
        )


def _ask_clusterer(clusterer, X):
    """Return the clusters that a fitted clusterer puts new samples in."""
    if _is_hdbscan(clusterer):
        rows = np.ascontiguousarray(X, dtype=np.float64)
        return _prediction().approximate_predict(clusterer, rows)[0]
    return clusterer.predict(X)


def _fit_labels(clusterer, X):
    """Fit a clusterer and return its labels as integers."""
    if _is_hdbscan(clusterer):
        if _num_samples(X) == 1:
            raise ValueError("HDBSCAN needs 2 samples or more, got n_samples = 1")
        # It refuses memory that is closed for writing, as joblib's is, and its soft
        # memberships are wrong where columns, not rows, stand together.
        X = np.require(X, dtype=np.float64, requirements=["C", "W"])
    if hasattr(clusterer, "fit_predict"):
        labels = clusterer.fit_predict(X)
    else:
        labels = clusterer.fit(X).labels_
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iu":
        raise ValueError(
            "clusterer must label clusters with integers, and "
            f"{type(clusterer).__name__} has labels such as {labels[0]!r}"
        )
    return labels.astype(np.int64)


def _is_there(X):
    """Tell which rows have no missing value.

    Parameters
    ----------
    X : ndarray, sparse matrix, DataFrame or Connectome
        The rows.

    Returns
    -------
    mask : ndarray of shape (n_samples,), dtype=bool
        True for complete rows. Zeros that a sparse matrix leaves out are values.
    """
    if hasattr(X, "isna"):
        return ~np.asarray(X.isna().any(axis=1))
    if isinstance(X, np.ndarray):
        return ~is_missing(X).any(axis=1)
    there = np.ones(_num_samples(X), dtype=bool)
    if issparse(X):
        entries = X.tocoo()
        there[entries.row[is_missing(entries.data)]] = False
    return there


def _spread(values, there, gap):
    """Return values of the complete rows in their places, and `gap` in the others."""
    if there.all():
        return values
    out = np.full((len(there), *values.shape[1:]), gap, dtype=values.dtype)
    out[there] = values
    return out
