"""Transformer with outlier detection; outliers become NaN."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils import get_tags, indexable
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from celltyping._utils._compat import (
    HasMethods,
    _check_feature_names_in,
    _fit_context,
    _RoutingNotSupportedMixin,
)
from celltyping._utils._outlier_detectors import (
    OutlierDetectionMixin,
    default_detector,
    is_outlier,
)
from celltyping._utils._restore import restore_on_error
from celltyping._utils._sub_estimators import (
    check_rows,
    join_input_tags,
    make_generator,
    remove_attributes,
    set_random_states,
)
from celltyping._utils._tables import take_rows


def _has_names(self):
    """Return whether the names of the output columns are available."""
    transformer = getattr(self, "transformer_", self.transformer)
    return transformer is None or hasattr(transformer, "get_feature_names_out")


class OutlierFilteredTransformer(
    _RoutingNotSupportedMixin, OutlierDetectionMixin, TransformerMixin, BaseEstimator
):
    """Transform inliers; return NaN for outliers.

    An outlier detector is fitted to all training samples, a transformer to those that
    the detector accepts. Outliers become rows of NaN, because an embedding would put
    even the farthest sample into one of its clusters.

    Parameters
    ----------
    transformer : transformer, default=None
        Any transformer with scikit-learn's interface, such as `NUMAP`. None: features
        stay as they are.
    outlier_detector : estimator, default=None
        As in `OutlierFilteredClassifier`. None: the distance to the fifth nearest
        training sample, with a threshold that 3 % of samples exceed.
    random_state : int, RandomState instance or None, default=None
        Seed for sub-estimators whose `random_state` is None.

    Attributes
    ----------
    inlier_mask_ : ndarray of shape (n_samples,), dtype=bool
        True for training samples of the transformer.
    outlier_detector_ : estimator
        Fitted outlier detector.
    transformer_ : transformer
        Fitted transformer. Defined only if `transformer` is not None.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Defined only if X has feature names that are all strings.

    See Also
    --------
    celltyping.OutlierFilteredClassifier : The same filter before a classifier.

    Notes
    -----
    The transformed values of outliers are available as ``transformer_.transform(X)``.
    NaN has the same meaning as in :class:`sklearn.cluster.HDBSCAN`, which labels
    samples with missing values as noise, and in UMAP, which returns NaN for samples
    without neighbours. `InductiveClusterer` labels such rows as noise, and
    `EmbeddingDisplay` leaves them out.

    Metadata routing is not supported.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from celltyping import OutlierFilteredTransformer
    >>> X, _ = load_iris(return_X_y=True)
    >>> embedder = OutlierFilteredTransformer(PCA(2)).fit(X)
    >>> embedder.transform([[5.1, 3.5, 1.4, 0.2], [99.0, 0.0, 99.0, 0.0]]).round(2)
    array([[-2.62,  0.29],
           [  nan,   nan]])
    """

    _parameter_constraints = {
        "transformer": [HasMethods(["fit", "transform"]), None],
        "outlier_detector": [HasMethods(["fit"]), None],
        "random_state": ["random_state"],
    }

    def __init__(self, transformer=None, *, outlier_detector=None, random_state=None):
        self.transformer = transformer
        self.outlier_detector = outlier_detector
        self.random_state = random_state

    def fit(self, X, y=None):
        """Fit the detector to all samples, and the transformer to the inliers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training samples, as the sub-estimators accept them.
        y : array-like of shape (n_samples,), default=None
            Target of the transformer, such as types.

        Returns
        -------
        self : OutlierFilteredTransformer
            Fitted estimator.

        Raises
        ------
        ValueError
            If the detector rejects all samples.
        TypeError
            If the detector has no `predict`.
        """
        self.fit_transform(X, y)
        return self

    @_fit_context(prefer_skip_nested_validation=False)
    @restore_on_error
    def fit_transform(self, X, y=None):
        """Fit, and transform the training samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training samples.
        y : array-like of shape (n_samples,), default=None
            Target of the transformer.

        Returns
        -------
        X_out : ndarray of shape (n_samples, n_features_out)
            Transformed samples; NaN for outliers.
        """
        X, y = indexable(check_rows(self, X, reset=True), y)
        random_state = make_generator(self.random_state)
        inlier = ~self._fit_detector(X, random_state)
        if not inlier.any():
            raise ValueError(
                f"outlier_detector rejects all {len(inlier)} samples, so none is left "
                "for training: scale X, or lower the fraction that it rejects (nu, "
                "contamination)"
            )
        self.inlier_mask_ = inlier
        X, y = take_rows(X, inlier), take_rows(y, inlier)
        remove_attributes(self, "transformer_")
        if self.transformer is not None:
            self.transformer_ = set_random_states(clone(self.transformer), random_state)
            X = self._fit_transformer(X, y, inlier)
        X = _to_dense(X)
        self._n_features_out, self._dtype = X.shape[1], X.dtype.str
        return self._insert_outliers(X, inlier)

    def transform(self, X):
        """Transform samples; return NaN for outliers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        X_out : ndarray of shape (n_samples, n_features_out)
            Transformed samples; NaN for outliers.
        """
        check_is_fitted(self)
        X = self._validate_X(X)
        inlier = ~is_outlier(self.outlier_detector_, X)
        X = take_rows(X, inlier)
        if hasattr(self, "transformer_") and inlier.any():
            X = self.transformer_.transform(X)
        return self._insert_outliers(_to_dense(X), inlier)

    @available_if(_has_names)
    def get_feature_names_out(self, input_features=None):
        """Get the names of the output features from the transformer.

        Parameters
        ----------
        input_features : array-like of shape (n_features,), default=None
            Input feature names. None: those of `fit`.

        Returns
        -------
        names : ndarray of shape (n_features_out,), dtype=object
            Output feature names.
        """
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features)
        if not hasattr(self, "transformer_"):
            return names
        return self.transformer_.get_feature_names_out(names)

    def _fit_transformer(self, X, y, inlier):
        """Fit the transformer to the inliers, and return them transformed."""
        try:
            if hasattr(self.transformer_, "fit_transform"):
                return self.transformer_.fit_transform(X, y)
            return self.transformer_.fit(X, y).transform(X)
        except Exception as exc:
            n_neighbors = getattr(self.transformer_, "n_neighbors", None)
            if n_neighbors is None or inlier.sum() > n_neighbors:
                raise
            raise ValueError(
                f"{type(self.transformer_).__name__} with n_neighbors={n_neighbors} "
                f"cannot be fitted to the {inlier.sum()} inliers of {len(inlier)} "
                "samples: pass more samples, or use fewer neighbours"
            ) from exc

    def _insert_outliers(self, X, inlier):
        """Return the rows of X at the positions of inliers, and NaN at the others."""
        any_inlier = inlier.any()
        dtype = np.result_type(X.dtype if any_inlier else self._dtype, np.float32)
        out = np.full((len(inlier), self._n_features_out), np.nan, dtype=dtype)
        if any_inlier:
            out[inlier] = X
        return out

    def __sklearn_tags__(self):
        detector = self.outlier_detector
        sub_estimators = [default_detector() if detector is None else detector]
        dtypes = ["float64", "float32"]
        if self.transformer is not None:
            sub_estimators.append(self.transformer)
            transformer_tags = get_tags(self.transformer).transformer_tags
            if transformer_tags is not None:
                dtypes = [d for d in transformer_tags.preserves_dtype if d in dtypes]
        tags = join_input_tags(super().__sklearn_tags__(), sub_estimators)
        tags.transformer_tags.preserves_dtype = dtypes
        return tags


def _to_dense(X):
    """Return a dense array."""
    return X.toarray() if issparse(X) else np.asarray(X)
