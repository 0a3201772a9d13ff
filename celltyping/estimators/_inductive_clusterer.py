"""Clusterer with `predict` for new samples."""

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
    _RoutingNotSupportedMixin,
)
from celltyping._utils._labels import is_missing
from celltyping._utils._optional import import_optional
from celltyping._utils._restore import restore_on_error
from celltyping._utils._sub_estimators import (
    check_rows,
    join_input_tags,
    make_generator,
    remove_attributes,
    set_random_states,
)
from celltyping._utils._tables import take_rows
from celltyping._utils._warnings import find_stack_level
from celltyping.estimators._outlier_filtered_classifier import (
    OutlierFilteredClassifier,
)

NOISE = -1

# Number of neighbours of the default classifier.
N_NEIGHBORS = 5

# Maximum share of the training samples in clusters for which the clusterer's own
# predictions may differ from its labels. It is 0 for the clusterers of scikit-learn.
MAX_DIFFERENT = 0.1


def _has_proba(self):
    """Return whether cluster memberships can be predicted."""
    if getattr(self, "_membership", self.membership) == "classifier":
        classifier = getattr(self, "classifier_", self.classifier)
        return classifier is None or hasattr(classifier, "predict_proba")
    clusterer = getattr(self, "clusterer_", self.clusterer)
    return _is_hdbscan(clusterer) or hasattr(clusterer, "predict_proba")


class InductiveClusterer(_RoutingNotSupportedMixin, ClusterMixin, BaseEstimator):
    """Cluster samples, and predict the clusters of new samples.

    Many clusterers, such as HDBSCAN and DBSCAN, label only the samples that they are
    fitted to. Here a classifier is trained on their clusters and predicts the clusters
    of new samples. Noise is not a class: the classifier is not trained on it.

    Parameters
    ----------
    clusterer : clusterer, default=None
        Any clusterer with `labels_` or `fit_predict`; negative labels are noise. None:
        :class:`sklearn.cluster.HDBSCAN`.
    classifier : classifier, default=None
        Classifier that is trained on the clusters. A prediction of -1, as of an
        `OutlierFilteredClassifier` with ``outlier_label=-1``, is noise. None: nearest
        neighbours, with the 5 nearest samples that are in a cluster. Not used with
        ``membership="clusterer"``.
    membership : {"classifier", "clusterer"}, default="classifier"
        Model that assigns new samples: the classifier, or the clusterer's own `predict`
        (for the package hdbscan, `approximate_predict`, which labels many samples near
        a cluster as noise, and `membership_vector`).
    random_state : int, RandomState instance or None, default=None
        Seed for sub-estimators whose `random_state` is None.

    Attributes
    ----------
    labels_ : ndarray of shape (n_samples,)
        Cluster of each training sample, from the clusterer; -1 for noise.
    clusters_ : ndarray of shape (n_clusters,)
        Clusters, sorted, without noise: the columns of `predict_proba`.
    n_clusters_ : int
        Number of clusters.
    clusterer_ : clusterer
        Fitted clusterer.
    classifier_ : classifier
        Fitted classifier. Its classes are the indices of `clusters_`. Defined only
        if ``membership="classifier"`` and there is a cluster.
    probabilities_ : ndarray of shape (n_samples,)
        Strength of each sample's membership in its cluster, 0 for noise. Defined only
        if the clusterer has this attribute, as HDBSCAN.
    outlier_scores_ : ndarray of shape (n_samples,)
        Outlier scores (GLOSH). Defined only if the clusterer has this attribute, as
        HDBSCAN of the package hdbscan.
    membership_ : ndarray of shape (n_samples, n_clusters)
        Soft memberships of the training samples. Defined only with
        ``membership="clusterer"`` and HDBSCAN of the package hdbscan.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Defined only if X has feature names that are all strings.

    See Also
    --------
    celltyping.OutlierFilteredTransformer : Transformer that marks outliers by NaN.
    GroupedEstimator : One clusterer for each group of samples.

    Notes
    -----
    Samples with missing values (NaN) are noise, and are left out in `fit`.

    `predict` of a training sample is the classifier's prediction and may differ from
    `labels_`: noise of the clusterer gets a cluster, unless the classifier can predict
    -1.

    Metadata routing is not supported.

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
        """Fit the clusterer, and the classifier to its clusters.

        Parameters
        ----------
        X : {array-like, sparse matrix, Connectome} of shape (n_samples, n_features)
            Training samples, as the sub-estimators accept them; rows with NaN are
            noise.
        y : object, default=None
            Ignored.

        Returns
        -------
        self : InductiveClusterer
            Fitted estimator.

        Raises
        ------
        ValueError
            If all rows have missing values, the `outlier_label` of an
            `OutlierFilteredClassifier` is not -1, or ``membership="clusterer"`` and the
            clusterer has no `predict`, is hdbscan's and finds a single cluster, or
            predicts other clusters than `labels_` for a tenth of the training samples.

        Warns
        -----
        UserWarning
            If the clusterer finds no cluster; all samples are noise, new ones too.
        """
        X = check_rows(self, X, reset=True)
        remove_attributes(
            self, "classifier_", "membership_", "outlier_scores_", "probabilities_"
        )
        random_state = make_generator(self.random_state)
        clusterer = set_random_states(clone(self._get_clusterer()), random_state)
        if self.membership == "clusterer":
            _prepare_to_predict(clusterer)
        is_complete = _find_complete_rows(X)
        if not is_complete.any():
            raise ValueError(
                f"all {len(is_complete)} rows of X have missing values, so there is "
                "nothing to cluster"
            )
        complete_rows = take_rows(X, is_complete)
        labels = _fit_labels(clusterer, complete_rows)
        is_clustered = labels >= 0
        self.clusterer_ = clusterer
        self.clusters_, codes = np.unique(labels[is_clustered], return_inverse=True)
        self.n_clusters_ = len(self.clusters_)
        self.labels_ = _scatter_rows(
            np.where(is_clustered, labels, NOISE), is_complete, fill_value=NOISE
        )
        self._membership = self.membership
        if self.membership == "clusterer" and self.n_clusters_:
            self._check_agreement(complete_rows, labels)
        self._copy_scores(is_complete)
        if self.n_clusters_ == 0:
            warnings.warn(
                f"{type(clusterer).__name__} finds no cluster in {len(labels)} samples "
                "and labels all of them as noise, so predict will return -1: allow "
                "smaller or sparser clusters (for HDBSCAN a lower min_cluster_size or "
                "min_samples, for DBSCAN a larger eps)",
                UserWarning,
                stacklevel=find_stack_level(),
            )
        elif self.membership == "classifier":
            self.classifier_ = self._make_classifier(len(codes), random_state)
            self.classifier_.fit(take_rows(complete_rows, is_clustered), codes)
        return self

    def predict(self, X):
        """Predict the cluster of each sample.

        Parameters
        ----------
        X : {array-like, sparse matrix, Connectome} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            Clusters; -1 for noise and for rows with NaN.
        """
        check_is_fitted(self)
        is_complete, complete_rows = self._validate_X(X)
        out = np.full(len(is_complete), NOISE, dtype=self.labels_.dtype)
        if self.n_clusters_ == 0 or not is_complete.any():
            return out
        if self._membership == "clusterer":
            labels = _predict_clusterer(self.clusterer_, complete_rows)
            # Mixtures may have components without training samples.
            out[is_complete] = np.where(np.isin(labels, self.clusters_), labels, NOISE)
        else:
            codes = np.asarray(self.classifier_.predict(complete_rows)).astype(int)
            out[is_complete] = np.where(codes < 0, NOISE, self.clusters_[codes])
        return out

    @available_if(_has_proba)
    def predict_proba(self, X):
        """Predict the probabilities of the clusters.

        Available only if the classifier has `predict_proba`, or with
        ``membership="clusterer"`` the clusterer.

        Parameters
        ----------
        X : {array-like, sparse matrix, Connectome} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_clusters)
            Probabilities; columns as in `clusters_`. Rows sum to 1, but to 0 where X
            has NaN, and to less than 1 for partial noise of HDBSCAN and for components
            of a mixture without training samples.
        """
        check_is_fitted(self)
        is_complete, complete_rows = self._validate_X(X)
        out = np.zeros((len(is_complete), self.n_clusters_))
        if self.n_clusters_ == 0 or not is_complete.any():
            return out
        if self._membership == "classifier":
            proba = self.classifier_.predict_proba(complete_rows)
        elif _is_hdbscan(self.clusterer_):
            rows = np.ascontiguousarray(complete_rows, dtype=np.float64)
            proba = _hdbscan_prediction().membership_vector(self.clusterer_, rows)
            # It is a vector for a single row.
            proba = np.reshape(proba, (len(rows), self.n_clusters_))
            undefined = np.isnan(proba).any(axis=1)  # 0 / 0 at an exemplar
            if undefined.any():
                labels = _predict_clusterer(self.clusterer_, rows[undefined])
                proba[undefined] = labels[:, np.newaxis] == np.arange(self.n_clusters_)
        else:
            proba = self.clusterer_.predict_proba(complete_rows)[:, self.clusters_]
        out[is_complete] = proba
        return out

    def _get_clusterer(self):
        """Return the clusterer, or the default."""
        # Without copy=True, it warns that the default of `copy` will change.
        return HDBSCAN(copy=True) if self.clusterer is None else self.clusterer

    def _make_classifier(self, n_samples, random_state):
        """Return an unfitted classifier for the clusters."""
        if self.classifier is None:
            return KNeighborsClassifier(min(N_NEIGHBORS, n_samples))
        classifier = set_random_states(clone(self.classifier), random_state)
        is_filtered = isinstance(classifier, OutlierFilteredClassifier)
        if is_filtered and classifier.outlier_label not in (None, NOISE):
            raise ValueError(
                "outlier_label of the classifier must be -1 or None, since other "
                f"integers are clusters, got {classifier.outlier_label!r}"
            )
        if self.n_clusters_ > 1:
            return classifier
        # Many classifiers refuse a single class; an outlier filter is kept.
        constant = DummyClassifier(strategy="prior")
        if is_filtered:
            return classifier.set_params(estimator=constant, resampler=None)
        return constant

    def _validate_X(self, X):
        """Return a mask of the rows without missing values, and these rows."""
        X = check_rows(self, X, reset=False)
        is_complete = _find_complete_rows(X)
        return is_complete, take_rows(X, is_complete)

    def _copy_scores(self, is_complete):
        """Copy the clusterer's scores of the training samples."""
        for name, fill_value in (("probabilities_", 0.0), ("outlier_scores_", np.nan)):
            scores = getattr(self.clusterer_, name, None)
            if scores is not None:
                scores = _scatter_rows(np.asarray(scores), is_complete, fill_value)
                setattr(self, name, scores)
        if self.membership == "classifier" or not _is_hdbscan(self.clusterer_):
            return
        if self.n_clusters_ > 1:
            memberships = _hdbscan_prediction().all_points_membership_vectors(
                self.clusterer_
            )
            self.membership_ = _scatter_rows(memberships, is_complete, fill_value=0.0)

    def _check_agreement(self, X, labels):
        """Raise if the clusterer predicts other clusters than `labels` for their rows.

        The package hdbscan does so after a merger of clusters
        (`cluster_selection_epsilon`).
        """
        if _is_hdbscan(self.clusterer_) and self.n_clusters_ == 1:
            raise ValueError(
                "HDBSCAN of the package hdbscan cannot predict if it finds one "
                "cluster: use membership='classifier'"
            )
        members = labels >= 0
        differs = np.asarray(_predict_clusterer(self.clusterer_, X) != labels)[members]
        if differs.mean() > MAX_DIFFERENT:
            raise ValueError(
                f"membership='clusterer': {type(self.clusterer_).__name__} predicts "
                f"another cluster than labels_, or noise, for {differs.sum()} of the "
                f"{len(differs)} training samples in clusters: use "
                "membership='classifier'"
            )

    def __sklearn_tags__(self):
        sub_estimators = [self._get_clusterer()]
        if self.classifier is not None and self.membership == "classifier":
            sub_estimators.append(self.classifier)
        tags = join_input_tags(super().__sklearn_tags__(), sub_estimators)
        # The default supports sparse X only with other metrics than its default.
        tags.input_tags.sparse &= self.clusterer is not None
        tags.input_tags.allow_nan = True
        return tags


def _is_hdbscan(clusterer):
    """Return whether a clusterer is from the package hdbscan."""
    return type(clusterer).__module__.partition(".")[0] == "hdbscan"


def _hdbscan_prediction():
    """Return the module hdbscan.prediction."""
    return import_optional(
        "hdbscan.prediction", extra="synapse", needed_by="membership='clusterer'"
    )


def _prepare_to_predict(clusterer):
    """Make an unfitted clusterer store its prediction data, or raise."""
    if _is_hdbscan(clusterer):
        clusterer.set_params(prediction_data=True)
    elif not hasattr(clusterer, "predict"):
        raise ValueError(
            "membership='clusterer' requires a clusterer with predict, which "
            f"{type(clusterer).__name__} does not have: use membership='classifier'"
        )


def _predict_clusterer(clusterer, X):
    """Return the predictions of a fitted clusterer."""
    if _is_hdbscan(clusterer):
        rows = np.ascontiguousarray(X, dtype=np.float64)
        return _hdbscan_prediction().approximate_predict(clusterer, rows)[0]
    return clusterer.predict(X)


def _fit_labels(clusterer, X):
    """Fit a clusterer, and return its labels as integers."""
    if _is_hdbscan(clusterer):
        if _num_samples(X) == 1:
            raise ValueError("HDBSCAN needs 2 samples or more, got n_samples = 1")
        # It refuses read-only memory, such as joblib's memory maps, and its soft
        # memberships are wrong for arrays in Fortran order.
        X = np.require(X, dtype=np.float64, requirements=["C", "W"])
    if hasattr(clusterer, "fit_predict"):
        labels = clusterer.fit_predict(X)
    else:
        labels = clusterer.fit(X).labels_
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iu":
        raise ValueError(
            "the labels of the clusterer must be integers, and "
            f"{type(clusterer).__name__} returns labels such as {labels[0]!r}"
        )
    return labels.astype(np.int64)


def _find_complete_rows(X):
    """Return a mask of the rows without missing values.

    Zeros that a sparse matrix does not store are not missing.
    """
    if hasattr(X, "isna"):
        return ~np.asarray(X.isna().any(axis=1))
    if isinstance(X, np.ndarray):
        return ~is_missing(X).any(axis=1)
    is_complete = np.ones(_num_samples(X), dtype=bool)
    if issparse(X):
        entries = X.tocoo()
        is_complete[entries.row[is_missing(entries.data)]] = False
    return is_complete


def _scatter_rows(values, is_complete, fill_value):
    """Return values at the positions of complete rows, `fill_value` at the others."""
    if is_complete.all():
        return values
    out = np.full((len(is_complete), *values.shape[1:]), fill_value, values.dtype)
    out[is_complete] = values
    return out
