"""A classifier behind a filter of outliers."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import warnings

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.utils import (
    Bunch,
    check_consistent_length,
    column_or_1d,
    get_tags,
)
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    assert_all_finite,
    check_is_fitted,
)

from celltyping._utils._compat import (
    HasMethods,
    _fit_context,
    _raise_for_params,
    _routing_enabled,
)
from celltyping._utils._outlier_detectors import (
    OutlierJudgeMixin,
    default_detector,
    fit_detector,
    is_outlier,
)
from celltyping._utils._restore import restore_on_error
from celltyping._utils._sub_estimators import (
    check_rows,
    is_per_row,
    join_input_tags,
    own_random_state,
    pass_random_state,
    sampled,
    take_rows,
)
from celltyping._utils._tables import shortened
from celltyping._utils._warnings import find_stack_level

# What an outlier_label may be, by the kind of the classes: numpy's kinds, and in words.
LABEL_KINDS = {
    "O": ("U", "a string"),
    "U": ("U", "a string"),
    "b": ("b", "a bool"),
    "i": ("iu", "an integer"),
    "u": ("iu", "an integer"),
    "f": ("iuf", "a number"),
}

# Parameters of classifiers and samplers that name classes.
BY_CLASS = ("class_weight", "sampling_strategy")

# So many classes a message lists at most.
MOST_CLASSES = 5


def _has(method):
    """Make a test whether the classifier has a method, for `available_if`."""

    def check(self):
        getattr(getattr(self, "estimator_", self._estimator()), method)
        return True

    return check


class OutlierFilteredClassifier(OutlierJudgeMixin, ClassifierMixin, BaseEstimator):
    """Learn from inliers, and tell which new samples are like none of them.

    A detector of outliers learns from all training samples, a classifier from those
    that the detector accepts, which a resampler may balance first. New outliers are
    classified as all others are, or get a label of their own.

    Parameters
    ----------
    estimator : classifier, default=None
        Any classifier; it gets the classes as 0, 1, ..., so that ones that want numbers
        work with names, and a `class_weight` or `sampling_strategy` by class is
        translated. None: a random forest.
    outlier_detector : estimator, default=None
        Any detector of scikit-learn that judges new samples, or one of pyod. None: a
        one-class SVM with ``nu=0.03``, which rejects 3 % of some thousand training
        samples, and more of few hundred; of more than 10,000, it learns from a random
        sample of that size.
    resampler : sampler, default=None
        A sampler of imbalanced-learn, such as a `RandomOverSampler`, which balances the
        classes of the inliers. None: they stay as they are.
    outlier_label : int, float or str, default=None
        What `predict` says of outliers; of the kind of the classes, such as -1 where
        they are integers. Training samples that have it are outliers already: the
        classifier does not learn from them, and it is no class. None: outliers are
        classified as all others.
    random_state : int, RandomState instance or None, default=None
        Is passed to the parts, where they have no own. None: the default forest is
        always the same.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes, without `outlier_label`.
    inlier_mask_ : ndarray of shape (n_samples,), dtype=bool
        True for training samples that the classifier, or the resampler, learnt from.
    estimator_ : classifier
        The fitted classifier. Its classes are the indices of `classes_`.
    outlier_detector_ : estimator
        The fitted detector.
    resampler_ : sampler
        The fitted resampler. Defined only if there is one.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Defined only if a table with column names was fitted.

    See Also
    --------
    celltyping.OutlierFilteredTransformer : The same filter before a transformer.
    InductiveClusterer : Places new samples in clusters.

    Notes
    -----
    A class never vanishes: if the detector rejects all samples of one, it keeps them,
    and a warning says so. If the detector keeps everything, the result is that of the
    classifier alone, to the bit.

    Metadata, such as `sample_weight`, goes to the part that asks for it (see
    :ref:`metadata_routing`), reduced to the inliers for the classifier; the default
    parts ask for none. With a resampler it goes along where that tells which samples it
    took.

    References
    ----------
    .. [1] B. Schölkopf, J. C. Platt, J. Shawe-Taylor, A. J. Smola, R. C. Williamson
       (2001). Estimating the support of a high-dimensional distribution. Neural
       Computation 13, 1443-1471. :doi:`10.1162/089976601750264965`

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
            The samples, as the parts want them.
        y : array-like of shape (n_samples,)
            Their classes.
        **params : dict
            Metadata for `fit` of the parts that ask for it; needs
            ``sklearn.set_config(enable_metadata_routing=True)``.

        Returns
        -------
        self : OutlierFilteredClassifier
            The fitted classifier.

        Raises
        ------
        ValueError
            If the detector rejects all samples, if `outlier_label` is not of the kind
            of the classes, if all samples have it, or if the resampler empties a class.
        TypeError
            If the detector cannot judge new samples.
        """
        _raise_for_params(params, self, "fit")
        if y is None:
            raise ValueError(
                "OutlierFilteredClassifier requires y to be passed, but the target y "
                "is None"
            )
        X = check_rows(self, X, reset=True)
        y = column_or_1d(y, warn=True)
        check_consistent_length(X, y)
        assert_all_finite(y, input_name="y")
        check_classification_targets(y)
        routed = self._routed("fit", params)

        learnable = np.ones(len(y), dtype=bool)
        if self.outlier_label is not None:
            _check_outlier_label(self.outlier_label, y)
            learnable = y != self.outlier_label
            if not learnable.any():
                raise ValueError(
                    f"y must have classes, but all {len(y)} samples have the "
                    f"outlier_label {self.outlier_label!r}"
                )
        random_state = own_random_state(self.random_state)
        self.outlier_detector_ = fit_detector(
            self.outlier_detector, X, random_state, **routed.outlier_detector.fit
        )
        rejected = is_outlier(self.outlier_detector_, X)
        self.classes_, codes = np.unique(y[learnable], return_inverse=True)
        all_codes = np.full(len(y), -1)
        all_codes[learnable] = codes
        self.inlier_mask_ = _inliers(rejected, all_codes, self.classes_)

        X = take_rows(X, self.inlier_mask_)
        codes = all_codes[self.inlier_mask_]
        fit_params = sampled(routed.estimator.fit, self.inlier_mask_, len(y))
        vars(self).pop("resampler_", None)
        if self.resampler is not None:
            self.resampler_ = pass_random_state(clone(self.resampler), random_state)
            X, codes, fit_params = self._resampled(X, codes, fit_params)
        estimator = pass_random_state(clone(self._estimator()), random_state)
        self.estimator_ = _with_coded_classes(estimator, self.classes_)
        self.estimator_.fit(X, codes, **fit_params)
        return self

    def predict(self, X, **params):
        """Predict the class of each sample, or that it is an outlier.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples.
        **params : dict
            Metadata for the classifier's `predict`.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            A class, or `outlier_label` if there is one and the sample is an outlier.
        """
        X, params = self._before("predict", X, params)
        codes = np.ravel(self.estimator_.predict(X, **params)).astype(int)
        if (codes < 0).any():
            raise ValueError(
                "estimator must predict classes that it learnt, 0 to "
                f"{len(self.classes_) - 1}, got {codes.min()}; outlier_label is a "
                "parameter of the outer filter"
            )
        y = self.classes_[codes]
        if self.outlier_label is None:
            return y
        label = np.asarray(self.outlier_label)
        return np.where(is_outlier(self.outlier_detector_, X), label, y)

    @available_if(_has("predict_proba"))
    def predict_proba(self, X, **params):
        """Predict the probabilities of the classes, of outliers as of all others.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples.
        **params : dict
            Metadata for the classifier's `predict_proba`.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Columns as in `classes_`; there is none for `outlier_label`.
        """
        X, params = self._before("predict_proba", X, params)
        return self.estimator_.predict_proba(X, **params)

    @available_if(_has("decision_function"))
    def decision_function(self, X, **params):
        """Give the classifier's confidence in the classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples.
        **params : dict
            Metadata for the classifier's `decision_function`.

        Returns
        -------
        decision : ndarray of shape (n_samples,) or (n_samples, n_classes)
            As the classifier gives it: of two classes, one number per sample.
        """
        X, params = self._before("decision_function", X, params)
        return self.estimator_.decision_function(X, **params)

    def get_metadata_routing(self):
        """Say which metadata the parts ask for.

        Returns
        -------
        routing : MetadataRouter
            See :ref:`metadata_routing`.
        """
        methods = ("fit", "predict", "predict_proba", "decision_function")
        to_estimator = MethodMapping()
        for method in methods:
            to_estimator.add(caller=method, callee=method)
        return (
            MetadataRouter(owner=self)
            .add_self_request(self)
            .add(estimator=self.estimator, method_mapping=to_estimator)
            .add(
                outlier_detector=self.outlier_detector,
                method_mapping=MethodMapping().add(caller="fit", callee="fit"),
            )
        )

    def _estimator(self):
        """Return the classifier that is given, or the default."""
        if self.estimator is None:
            return RandomForestClassifier(
                random_state=0 if self.random_state is None else None
            )
        return self.estimator

    def _checked(self, X):
        """Return X as rows, with as many columns and the names as in `fit`."""
        return check_rows(self, X, reset=False)

    def _before(self, method, X, params):
        """Check what a method gets; return X and the metadata of the classifier."""
        check_is_fitted(self)
        _raise_for_params(params, self, method)
        return self._checked(X), getattr(self._routed(method, params).estimator, method)

    def _routed(self, method, params):
        """Return the metadata of each part."""
        if _routing_enabled():
            return process_routing(self, method, **params)
        return Bunch(
            estimator=Bunch(**{method: {}}), outlier_detector=Bunch(**{method: {}})
        )

    def _resampled(self, X, codes, fit_params):
        """Return samples that the resampler took or made, with classes and metadata."""
        n_inliers = len(codes)
        X, names = self.resampler_.fit_resample(X, self.classes_[codes])
        codes = np.searchsorted(self.classes_, np.asarray(names))
        left = np.bincount(codes, minlength=len(self.classes_))
        if (left == 0).any():
            lost = shortened(self.classes_[left == 0].tolist(), MOST_CLASSES)
            raise ValueError(
                f"resampler {self.resampler!r} leaves no sample of the classes {lost}: "
                "none may vanish"
            )
        per_row = [
            name for name in fit_params if is_per_row(fit_params[name], n_inliers)
        ]
        rows = getattr(self.resampler_, "sample_indices_", None)
        if per_row and rows is None:
            raise ValueError(
                f"{', '.join(sorted(per_row))}: metadata of samples cannot follow "
                f"{type(self.resampler_).__name__}, which does not tell which samples "
                "it took; leave it out, or take a RandomOverSampler or an under-sampler"
            )
        return X, codes, sampled(fit_params, rows, n_inliers)

    def __sklearn_tags__(self):
        estimator, detector = self._estimator(), self.outlier_detector
        if detector is None:
            detector = default_detector()
        tags = join_input_tags(super().__sklearn_tags__(), [estimator, detector])
        of_estimator = get_tags(estimator).classifier_tags
        if of_estimator is not None:
            tags.classifier_tags.multi_class = of_estimator.multi_class
        return tags


def _check_outlier_label(label, y):
    """Refuse a label that is not of the kind of the classes."""
    allowed, in_words = LABEL_KINDS[y.dtype.kind]
    if np.ndim(label) or np.asarray(label).dtype.kind not in allowed:
        raise ValueError(
            f"outlier_label must be {in_words}, as the classes in y are, got {label!r}"
        )


def _inliers(rejected, codes, classes):
    """Return what the classifier learns from; of no class nothing.

    Parameters
    ----------
    rejected : ndarray of shape (n_samples,), dtype=bool
        What the detector says.
    codes : ndarray of shape (n_samples,)
        Indices of the classes, -1 for samples that are outliers already.
    classes : ndarray of shape (n_classes,)
        The classes, for the message.

    Returns
    -------
    mask : ndarray of shape (n_samples,), dtype=bool
        The inliers.
    """
    inlier = ~rejected & (codes >= 0)
    if not inlier.any():
        raise ValueError(
            f"outlier_detector rejects all {(codes >= 0).sum()} samples of classes: "
            "none is left to learn from; scale X, or let it reject less (nu, "
            "contamination)"
        )
    left = np.bincount(codes[inlier], minlength=len(classes))
    emptied = np.flatnonzero(left == 0)
    if len(emptied):
        names = shortened(classes[emptied].tolist(), MOST_CLASSES)
        warnings.warn(
            f"outlier_detector rejects all samples of {len(emptied)} of "
            f"{len(classes)} classes, {names}: the classifier learns from them "
            "nevertheless, so that no class is lost",
            UserWarning,
            stacklevel=find_stack_level(),
        )
        inlier |= np.isin(codes, emptied)
    return inlier


def _with_coded_classes(estimator, classes):
    """Translate `class_weight` and the like of an estimator from classes to indices."""
    code = {key: i for i, key in enumerate(classes.tolist())}
    coded = {}
    for name, value in estimator.get_params(deep=True).items():
        if name.rpartition("__")[2] in BY_CLASS and isinstance(value, dict | list):
            unknown = [key for key in value if key not in code]
            if unknown:
                raise ValueError(
                    f"{name} has {unknown}, which are no classes; there are "
                    f"{classes.tolist()}"
                )
            if isinstance(value, dict):
                coded[name] = {code[key]: of_class for key, of_class in value.items()}
            else:
                coded[name] = [code[key] for key in value]
    return estimator.set_params(**coded) if coded else estimator
