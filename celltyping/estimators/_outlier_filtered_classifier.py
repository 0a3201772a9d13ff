"""Classifier with outlier detection before training and prediction."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import warnings

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.utils import check_consistent_length, column_or_1d, get_tags
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from celltyping._utils._compat import HasMethods, _fit_context, _raise_for_params
from celltyping._utils._labels import (
    as_array,
    as_numbers,
    check_known,
    encode_types,
    equals,
    is_missing,
    replace_labels,
)
from celltyping._utils._messages import list_names
from celltyping._utils._outlier_detectors import (
    OutlierDetectionMixin,
    default_detector,
    is_outlier,
)
from celltyping._utils._restore import restore_on_error
from celltyping._utils._sub_estimators import (
    check_rows,
    encode_class_params,
    index_metadata,
    is_per_row,
    join_input_tags,
    make_generator,
    remove_attributes,
    set_random_states,
    sub_estimator_has,
)
from celltyping._utils._tables import take_rows
from celltyping._utils._warnings import find_stack_level

# For each dtype kind of the classes: the dtype kinds of outlier_label, and their name.
_LABEL_KINDS = {
    "O": ("U", "a string"),
    "U": ("U", "a string"),
    "b": ("b", "a bool"),
    "i": ("iu", "an integer"),
    "u": ("iu", "an integer"),
    "f": ("iuf", "a number"),
    "M": ("M", "a numpy.datetime64"),
    "m": ("m", "a numpy.timedelta64"),
}


class OutlierFilteredClassifier(OutlierDetectionMixin, ClassifierMixin, BaseEstimator):
    """Train a classifier on inliers, and detect outliers among new samples.

    An outlier detector is fitted to all training samples, a classifier to those that
    the detector accepts, optionally after resampling. New outliers are classified like
    all other samples, or get a label of their own.

    Parameters
    ----------
    estimator : classifier, default=None
        Any classifier. It gets the classes as 0, 1, ..., so classifiers that require
        integers work with strings; a `class_weight` or `sampling_strategy` by class is
        translated. None: a random forest.
    outlier_detector : estimator, default=None
        Any outlier detector of scikit-learn with `predict` for new samples, or one of
        pyod. None: the distance to the fifth nearest training sample, with a threshold
        that 3 % of the samples of the same distribution exceed, or 1 in n + 1 for
        n < 33 training samples; it is fitted to a random sample of 10,000 if there are
        more.
    resampler : sampler, default=None
        A sampler of imbalanced-learn, such as `RandomOverSampler`, to balance the
        classes of the inliers. None: no resampling.
    outlier_label : int, float or str, default=None
        Prediction for outliers, of the same type as the classes, such as -1 for integer
        classes. Training samples with this label are known outliers: the classifier is
        not fitted to them, and the label is not in `classes_`. None: outliers are
        classified like all other samples.
    random_state : int, RandomState instance or None, default=None
        Seed for sub-estimators whose `random_state` is None. The default random forest
        is deterministic if this is None.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Classes, without `outlier_label`.
    inlier_mask_ : ndarray of shape (n_samples,), dtype=bool
        True for training samples of the classifier, before resampling.
    estimator_ : classifier
        Fitted classifier. Its classes are the indices of `classes_`.
    outlier_detector_ : estimator
        Fitted outlier detector.
    resampler_ : sampler
        Fitted resampler. Defined only if `resampler` is not None.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Defined only if X has feature names that are all strings.

    See Also
    --------
    celltyping.OutlierFilteredTransformer : The same filter before a transformer.
    InductiveClusterer : Clusterer with `predict` for new samples.

    Notes
    -----
    No class is lost: if the detector rejects all samples of a class, the classifier is
    fitted to them nevertheless, with a warning. If the detector accepts all samples,
    the predictions are those of the classifier alone, bit by bit.

    The score of the default detector is the distance to the fifth nearest training
    sample [2]_ other than the sample itself. Its threshold is a quantile of the scores
    of the training samples (conformal prediction [1]_), without far ones; see
    :ref:`synapses`.

    Metadata, such as `sample_weight`, is routed to the sub-estimators that request it
    (see :ref:`metadata_routing`), for the classifier restricted to the inliers. The
    default sub-estimators request none. With a resampler, metadata per sample requires
    a sampler with `sample_indices_`.

    References
    ----------
    .. [1] V. Vovk, A. Gammerman, G. Shafer. Algorithmic Learning in a Random World.
       Springer (2005).
    .. [2] S. Ramaswamy, R. Rastogi, K. Shim (2000). Efficient algorithms for mining
       outliers from large data sets. SIGMOD 2000, 427-438. :doi:`10.1145/342009.335437`

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from celltyping import OutlierFilteredClassifier
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> classifier = OutlierFilteredClassifier(outlier_label=-1).fit(X, y)
    >>> classifier.predict(X[:2]).tolist()
    [0, 0]
    >>> classifier.predict(X[:2] + 100).tolist()
    [-1, -1]
    """

    _parameter_constraints = {
        "estimator": [HasMethods(["fit", "predict"]), None],
        "outlier_detector": [HasMethods(["fit"]), None],
        "resampler": [HasMethods(["fit_resample"]), None],
        "outlier_label": "no_validation",
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator=None,
        *,
        outlier_detector=None,
        resampler=None,
        outlier_label=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.outlier_detector = outlier_detector
        self.resampler = resampler
        self.outlier_label = outlier_label
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    @restore_on_error
    def fit(self, X, y, **params):
        """Fit the detector to all samples, and the classifier to the inliers.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training samples, as the sub-estimators accept them.
        y : array-like of shape (n_samples,)
            Classes, none of them unknown ("?", None, NaN or a blank string).
        **params : dict
            Metadata for `fit` of the sub-estimators that request it; requires
            ``sklearn.set_config(enable_metadata_routing=True)``.

        Returns
        -------
        self : OutlierFilteredClassifier
            Fitted estimator.

        Raises
        ------
        ValueError
            If the detector rejects all samples, a class is unknown, `outlier_label` has
            another type than the classes or is the label of all samples, or the
            resampler removes a class.
        TypeError
            If the detector has no `predict`.
        """
        routed = self._route("fit", params)
        X, y = self._validate_fit(X, y)
        self.classes_, all_codes = self._encode(y)
        random_state = make_generator(self.random_state)
        rejected = self._fit_detector(X, random_state, **routed.outlier_detector.fit)
        self.inlier_mask_ = _select_inliers(rejected, all_codes, self.classes_)
        X, codes = take_rows(X, self.inlier_mask_), all_codes[self.inlier_mask_]
        fit_params = index_metadata(routed.estimator.fit, self.inlier_mask_, len(y))
        remove_attributes(self, "resampler_")
        if self.resampler is not None:
            self.resampler_ = set_random_states(clone(self.resampler), random_state)
            X, codes, fit_params = self._resample(X, codes, fit_params)
        estimator = set_random_states(clone(self._get_estimator()), random_state)
        self.estimator_ = encode_class_params(estimator, self.classes_)
        self.estimator_.fit(X, codes, **fit_params)
        self._outlier_label = self.outlier_label
        return self

    def predict(self, X, **params):
        """Predict the class of each sample, or `outlier_label` for outliers.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        **params : dict
            Metadata for the classifier's `predict`.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Classes; `outlier_label` for outliers if it is not None.
        """
        X, codes = self._call("predict", X, params)
        codes = np.ravel(codes).astype(int)
        if (codes < 0).any():
            raise ValueError(
                "estimator must predict classes of its training, 0 to "
                f"{len(self.classes_) - 1}, got {codes.min()}; set outlier_label of "
                "the outer OutlierFilteredClassifier instead"
            )
        y = self.classes_[codes]
        if self._outlier_label is None:
            return y
        rejected = is_outlier(self.outlier_detector_, X)
        return replace_labels(y, rejected, self._outlier_label)

    @available_if(sub_estimator_has("predict_proba"))
    def predict_proba(self, X, **params):
        """Predict class probabilities, also for outliers.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        **params : dict
            Metadata for the classifier's `predict_proba`.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Probabilities; columns as in `classes_`, without `outlier_label`.
        """
        return self._call("predict_proba", X, params)[1]

    @available_if(sub_estimator_has("decision_function"))
    def decision_function(self, X, **params):
        """Compute the classifier's decision function, also for outliers.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        **params : dict
            Metadata for the classifier's `decision_function`.

        Returns
        -------
        decision : ndarray of shape (n_samples,) or (n_samples, n_classes)
            Decision function; one value per sample for two classes.
        """
        return self._call("decision_function", X, params)[1]

    def score(self, X, y, sample_weight=None):
        """Return the accuracy.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,)
            True classes, none of them unknown; `outlier_label` for outliers.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights.

        Returns
        -------
        accuracy : float
            Fraction of the samples with a correct prediction.

        Raises
        ------
        ValueError
            If lengths differ or a class is unknown.
        """
        y = column_or_1d(as_array(y), warn=True)
        check_known(y[~self._has_label(y)])
        return super().score(X, as_numbers(y), sample_weight)

    def get_metadata_routing(self):
        """Get the metadata routing of this estimator.

        Returns
        -------
        routing : MetadataRouter
            Requests of the sub-estimators; see :ref:`metadata_routing`.
        """
        mapping = MethodMapping()
        for method in ("fit", "predict", "predict_proba", "decision_function"):
            mapping.add(caller=method, callee=method)
        return (
            MetadataRouter(owner=self)
            .add_self_request(self)
            .add(estimator=self.estimator, method_mapping=mapping)
            .add(
                outlier_detector=self.outlier_detector,
                method_mapping=MethodMapping().add(caller="fit", callee="fit"),
            )
        )

    def _get_estimator(self):
        """Return the classifier, or the default."""
        if self.estimator is None:
            return RandomForestClassifier(
                random_state=0 if self.random_state is None else None
            )
        return self.estimator

    def _validate_fit(self, X, y):
        """Validate the training data."""
        if y is None:
            raise ValueError(
                "OutlierFilteredClassifier requires y to be passed, but the target y "
                "is None"
            )
        X = check_rows(self, X, reset=True)
        y = column_or_1d(as_array(y), warn=True)
        check_consistent_length(X, y)
        return X, y

    def _encode(self, y):
        """Return the classes, and their codes, -1 for samples labeled as outliers."""
        label, has_label = self.outlier_label, self._has_label(y)
        if has_label.all():
            raise ValueError(
                f"y must contain classes, but all {len(y)} samples have the "
                f"outlier_label {label!r}"
            )
        check_known(y[~has_label])
        codes = np.full(len(y), -1)
        classes, codes[~has_label] = encode_types(
            y[~has_label], None, caller=type(self).__name__, min_types=1
        )
        if label is not None:  # refuses a label that fits no dtype with the classes
            replace_labels(classes, np.zeros(len(classes), dtype=bool), label)
        return classes, codes

    def _has_label(self, y):
        """Return a mask of the entries of y that are `outlier_label`, after a check."""
        label, has_label = self.outlier_label, np.zeros(len(y), dtype=bool)
        if label is None:
            return has_label
        named = ~is_missing(y)
        kind = as_numbers(y[named]).dtype.kind
        allowed, in_words = _LABEL_KINDS.get(kind, ("OUSbiufMm", ""))
        if np.ndim(label) or np.asarray(label).dtype.kind not in allowed:
            raise ValueError(
                f"outlier_label must be {in_words} like the classes in y, got {label!r}"
            )
        has_label[named] = equals(y[named], label)
        return has_label

    def _route(self, method, params):
        """Return the metadata of each sub-estimator."""
        _raise_for_params(params, self, method)
        return process_routing(self, method, **params)

    def _call(self, method, X, params):
        """Return the validated X, and the result of a method of the classifier."""
        check_is_fitted(self)
        params = self._route(method, params).estimator[method]
        X = self._validate_X(X)
        return X, getattr(self.estimator_, method)(X, **params)

    def _resample(self, X, codes, fit_params):
        """Return resampled rows with codes of their classes and metadata."""
        n_inliers = len(codes)
        try:
            X, names = self.resampler_.fit_resample(X, self.classes_[codes])
        except ValueError as exc:
            counts = np.bincount(codes)
            smallest = counts.argmin()
            raise ValueError(
                f"resampler {self.resampler!r} cannot resample {n_inliers} inliers, of "
                f"which {counts[smallest]} are of the smallest class "
                f"{list_names(self.classes_[[smallest]])} ({exc}): let it use fewer "
                "neighbours (k_neighbors), or use a RandomOverSampler"
            ) from exc
        codes = np.searchsorted(self.classes_, np.asarray(names))
        is_lost = np.bincount(codes, minlength=len(self.classes_)) == 0
        if is_lost.any():
            raise ValueError(
                f"resampler {self.resampler!r} removes all samples of the classes "
                f"{list_names(self.classes_[is_lost])}, but each class needs one"
            )
        per_row = [
            name for name in fit_params if is_per_row(fit_params[name], n_inliers)
        ]
        rows = getattr(self.resampler_, "sample_indices_", None)
        if per_row and rows is None:
            raise ValueError(
                f"{', '.join(sorted(per_row))}: metadata per sample requires a sampler "
                f"with sample_indices_, which {type(self.resampler_).__name__} does "
                "not have; leave the metadata out, or use a RandomOverSampler or an "
                "under-sampler"
            )
        return X, codes, index_metadata(fit_params, rows, n_inliers)

    def __sklearn_tags__(self):
        estimator, detector = self._get_estimator(), self.outlier_detector
        if detector is None:
            detector = default_detector()
        tags = join_input_tags(super().__sklearn_tags__(), [estimator, detector])
        classifier_tags = get_tags(estimator).classifier_tags
        if classifier_tags is not None:
            tags.classifier_tags.multi_class = classifier_tags.multi_class
        return tags


def _select_inliers(rejected, codes, classes):
    """Select the training samples of the classifier, at least one per class.

    Parameters
    ----------
    rejected : ndarray of shape (n_samples,), dtype=bool
        Samples that the detector rejects.
    codes : ndarray of shape (n_samples,), dtype=int
        Index of each sample's class, -1 for samples labeled as outliers.
    classes : ndarray of shape (n_classes,)
        Classes, for messages.

    Returns
    -------
    mask : ndarray of shape (n_samples,), dtype=bool
        Accepted samples, and all samples of classes of which none is accepted.
    """
    inlier = ~rejected & (codes >= 0)
    if not inlier.any():
        raise ValueError(
            f"outlier_detector rejects all {(codes >= 0).sum()} samples that have a "
            "class, so none is left for training: scale X, or lower the fraction that "
            "it rejects (nu, contamination)"
        )
    emptied = np.flatnonzero(np.bincount(codes[inlier], minlength=len(classes)) == 0)
    if len(emptied):
        warnings.warn(
            f"outlier_detector rejects all samples of {len(emptied)} of "
            f"{len(classes)} classes, {list_names(classes[emptied])}: the classifier "
            "is fitted to them nevertheless, so that no class is lost",
            UserWarning,
            stacklevel=find_stack_level(),
        )
        inlier |= np.isin(codes, emptied)
    return inlier
