"""A transformer behind a filter of outliers."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils import get_tags, indexable
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from celltyping._utils._compat import HasMethods, _check_feature_names_in, _fit_context
from celltyping._utils._outlier_detectors import (
    OutlierJudgeMixin,
    default_detector,
    fit_detector,
    is_outlier,
)
from celltyping._utils._restore import restore_on_error
from celltyping._utils._sub_estimators import (
    check_rows,
    join_input_tags,
    own_random_state,
    pass_random_state,
    take_rows,
)


def _has_names(self):
    """Tell whether names of the columns that come out are known."""
    if hasattr(self, "transformer_"):
        return hasattr(self.transformer_, "get_feature_names_out")
    return self.transformer is None or hasattr(
        self.transformer, "get_feature_names_out"
    )


class OutlierFilteredTransformer(OutlierJudgeMixin, TransformerMixin, BaseEstimator):
    """Transform inliers, and give outliers no place.

    A detector learns from all training samples, a transformer from those that the
    detector accepts. Outliers come out as rows of NaN: an embedding would pull even
    the farthest sample into one of its clusters.

    Parameters
    ----------
    transformer : transformer, default=None
        Any transformer of scikit-learn's kind, such as a `NUMAP`. None: the columns
        stay as they are.
    outlier_detector : estimator, default=None
        As in `OutlierFilteredClassifier`. None: a one-class SVM with ``nu=0.03``.
    random_state : int, RandomState instance or None, default=None
        Is passed to the parts, where they have no own.

    Attributes
    ----------
    inlier_mask_ : ndarray of shape (n_samples,), dtype=bool
        True for training samples that the transformer learnt from.
    outlier_detector_ : estimator
        The fitted detector.
    transformer_ : transformer
        The fitted transformer. Defined only if there is one.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Defined only if a table with column names was fitted.

    See Also
    --------
    celltyping.OutlierFilteredClassifier : The same filter before a classifier.

    Notes
    -----
    What the transformer would make of an outlier is ``transformer_.transform(X)``.
    NaN says the same as in :class:`sklearn.cluster.HDBSCAN`, for which a sample with a
    missing value is noise, and in UMAP, which gives NaN to samples without neighbours.
    `InductiveClusterer` takes such rows for noise, `EmbeddingDisplay` leaves them out.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from celltyping import OutlierFilteredTransformer
    >>> X, _ = load_iris(return_X_y=True)
    >>> embedder = OutlierFilteredTransformer(PCA(2)).fit(X)
    >>> embedder.transform([[5.1, 3.5, 1.4, 0.2], [99.0, 0.0, 99.0, 0.0]]).round(2)
    array([[-2.69,  0.32],
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

    @restore_on_error
    def fit(self, X, y=None):
        """Fit the detector to all samples, and the transformer to the inliers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The samples, as the parts want them.
        y : array-like of shape (n_samples,), default=None
            What the transformer wants beside them, such as types.

        Returns
        -------
        self : OutlierFilteredTransformer
            The fitted transformer.

        Raises
        ------
        ValueError
            If the detector rejects all samples.
        TypeError
            If the detector cannot judge new samples.
        """
        self.fit_transform(X, y)
        return self

    @_fit_context(prefer_skip_nested_validation=False)
    @restore_on_error
    def fit_transform(self, X, y=None):
        """Fit, and transform the same samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The samples.
        y : array-like of shape (n_samples,), default=None
            What the transformer wants beside them.

        Returns
        -------
        X_out : ndarray of shape (n_samples, n_features_out)
            NaN for outliers.
        """
        X, y = indexable(check_rows(self, X, reset=True), y)
        random_state = own_random_state(self.random_state)
        self.outlier_detector_ = fit_detector(self.outlier_detector, X, random_state)
        inlier = ~is_outlier(self.outlier_detector_, X)
        if not inlier.any():
            raise ValueError(
                f"outlier_detector rejects all {len(inlier)} samples: none is left to "
                "learn from; scale X, or let it reject less (nu, contamination)"
            )
        self.inlier_mask_ = inlier
        placed = take_rows(X, inlier)
        vars(self).pop("transformer_", None)
        if self.transformer is not None:
            transformer = pass_random_state(clone(self.transformer), random_state)
            self.transformer_ = transformer
            if y is not None:
                y = take_rows(y, inlier)
            if hasattr(transformer, "fit_transform"):
                placed = transformer.fit_transform(placed, y)
            else:
                placed = transformer.fit(placed, y).transform(placed)
        placed = _dense(placed)
        self._n_features_out, self._dtype = placed.shape[1], placed.dtype.str
        return self._with_gaps(placed, inlier)

    def transform(self, X):
        """Transform samples; outliers become NaN.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        X_out : ndarray of shape (n_samples, n_features_out)
            NaN for outliers.
        """
        check_is_fitted(self)
        X = self._checked(X)
        inlier = ~is_outlier(self.outlier_detector_, X)
        placed = take_rows(X, inlier)
        if hasattr(self, "transformer_") and inlier.any():
            placed = self.transformer_.transform(placed)
        return self._with_gaps(_dense(placed), inlier)

    @available_if(_has_names)
    def get_feature_names_out(self, input_features=None):
        """Name the columns that come out, as the transformer does.

        Parameters
        ----------
        input_features : array-like of shape (n_features,), default=None
            Names of the columns that go in. None: those in `fit`.

        Returns
        -------
        names : ndarray of shape (n_features_out,), dtype=object
            The names.
        """
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features)
        if not hasattr(self, "transformer_"):
            return names
        return self.transformer_.get_feature_names_out(names)

    def _checked(self, X):
        """Return X as rows, with as many columns and the names as in `fit`."""
        return check_rows(self, X, reset=False)

    def _with_gaps(self, placed, inlier):
        """Return the rows of inliers where they belong, and NaN between."""
        dtype = np.result_type(
            placed.dtype if inlier.any() else self._dtype, np.float32
        )
        out = np.full((len(inlier), self._n_features_out), np.nan, dtype=dtype)
        out[inlier] = placed if inlier.any() else 0
        return out

    def __sklearn_tags__(self):
        detector = self.outlier_detector
        parts = [default_detector() if detector is None else detector]
        preserves_dtype = ["float64", "float32"]
        if self.transformer is not None:
            parts.append(self.transformer)
            of_transformer = get_tags(self.transformer).transformer_tags
            if of_transformer is not None:
                preserves_dtype = [
                    name
                    for name in of_transformer.preserves_dtype
                    if name in preserves_dtype
                ]
        tags = join_input_tags(super().__sklearn_tags__(), parts)
        tags.transformer_tags.preserves_dtype = preserves_dtype
        return tags


def _dense(X):
    """Return a dense array."""
    return X.toarray() if issparse(X) else np.asarray(X)
