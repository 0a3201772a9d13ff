"""Meta-estimator that fits one clone of an estimator per group of samples."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numbers
from contextlib import contextmanager

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, clone
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import check_consistent_length, get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from celltyping._utils._compat import (
    HasMethods,
    Interval,
    StrOptions,
    _fit_context,
    _num_samples,
    _RoutingNotSupportedMixin,
)
from celltyping._utils._labels import check_known
from celltyping._utils._messages import list_names
from celltyping._utils._restore import restore_on_error
from celltyping._utils._sub_estimators import (
    check_rows,
    make_generator,
    remove_attributes,
    set_random_states,
)
from celltyping._utils._tables import (
    encode_groups,
    find_columns,
    is_frame,
    list_unknown,
    take_rows,
)
from celltyping.estimators._inductive_clusterer import NOISE, InductiveClusterer


def _is_type(*types):
    """Return a check for `available_if`: the estimator has one of these types."""
    return lambda self: get_tags(self._get_fitted()).estimator_type in types


def _has(method):
    """Return a check for `available_if`: the estimator has a method."""
    return lambda self: hasattr(self._get_fitted(), method)


class GroupedEstimator(_RoutingNotSupportedMixin, BaseEstimator):
    """Fit one clone of an estimator to each group of samples.

    The groups are the values of a column, such as the type of synapse or of neuron; the
    clones do not get this column. Clusters of different groups get different numbers.

    Parameters
    ----------
    estimator : estimator, default=None
        Clusterer, classifier, regressor or transformer to clone. None: an
        `InductiveClusterer`.
    group : str or int, default=None
        Column that contains the groups: a name in a DataFrame, an index in an array.
        None: all samples are one group, named None, and the clone gets all columns.
    min_group_size : int, default=2
        Minimum number of training samples of a group; smaller groups are handled as
        `handle_small` says.
    handle_small : {"error", "noise", "pool"}, default="error"
        Treatment of small groups. "error": raise an error. "noise": label their samples
        as noise, also in `predict`; only for clusterers. "pool": merge them into one
        group.
    handle_unknown : {"error", "noise"}, default="error"
        Treatment of samples whose group was not in `fit`. "error": raise an error.
        "noise": label them as noise; only for clusterers.
    shared_steps : int, default=0
        Number of first steps of a pipeline that are fitted once, to the samples of all
        groups that are not noise, and shared by all clones. For steps that need all
        samples, such as the alignment of neurons with samples in several groups.
    random_state : int, RandomState instance or None, default=None
        Seed for clones whose `random_state` is None.

    Attributes
    ----------
    groups_ : list
        Groups, sorted: strings or numbers.
    estimators_ : dict of {group: estimator}
        Fitted clones. Pooled groups have the same clone; small groups that are noise
        have none.
    offsets_ : dict of {group: int}
        Number added to the cluster numbers of each group's clone. Defined only for
        clusterers.
    labels_ : ndarray of shape (n_samples,)
        Clusters of the training samples: `labels_` of the clones, or the predictions of
        pipelines that have `predict`, which may drop samples in `fit`. Defined only for
        clusterers.
    clusters_ : ndarray of shape (n_clusters,)
        All clusters, sorted, without noise. Defined only for clusterers.
    classes_ : ndarray of shape (n_classes,)
        All classes. Defined only for classifiers.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Defined only if X has feature names that are all strings.

    See Also
    --------
    celltyping.make_synapse_pipeline : With `group`, a grouped pipeline for synapses.

    Notes
    -----
    With `group` and a DataFrame, columns are not compared with those of `fit`; the
    clones do this for the columns that they use.

    Metadata routing is not supported.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.cluster import KMeans
    >>> from celltyping import GroupedEstimator
    >>> X = pd.DataFrame({"kind": list("aaaabbbb"), "size": [1, 1, 5, 5, 2, 2, 9, 9]})
    >>> grouped = GroupedEstimator(KMeans(2), group="kind", random_state=0).fit(X)
    >>> len(set(grouped.labels_)), grouped.groups_
    (4, ['a', 'b'])
    """

    _parameter_constraints = {
        "estimator": [HasMethods(["fit"]), None],
        "group": [str, numbers.Integral, None],
        "min_group_size": [Interval(numbers.Integral, 1, None, closed="left")],
        "handle_small": [StrOptions({"error", "noise", "pool"})],
        "handle_unknown": [StrOptions({"error", "noise"})],
        "shared_steps": [Interval(numbers.Integral, 0, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator=None,
        group=None,
        *,
        min_group_size=2,
        handle_small="error",
        handle_unknown="error",
        shared_steps=0,
        random_state=None,
    ):
        self.estimator = estimator
        self.group = group
        self.min_group_size = min_group_size
        self.handle_small = handle_small
        self.handle_unknown = handle_unknown
        self.shared_steps = shared_steps
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    @restore_on_error
    def fit(self, X, y=None):
        """Fit a clone to each group.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Training samples.
        y : array-like of shape (n_samples,), default=None
            Targets of the samples.

        Returns
        -------
        self : GroupedEstimator
            Fitted estimator.

        Raises
        ------
        ValueError
            If the column of groups is missing or contains missing values, a class in y
            is unknown and the classifier has no `unlabeled_marker`, groups are too
            small, or `shared_steps` is not less than the number of steps of a pipeline.
            An exception of a clone gets a note with the name of its group.
        """
        remove_attributes(
            self, "classes_", "clusters_", "estimators_", "labels_", "offsets_"
        )
        for name in ("handle_small", "handle_unknown"):
            if getattr(self, name) == "noise" and not _is_type("clusterer")(self):
                raise ValueError(
                    f"{name}='noise' is for clusterers, and "
                    f"{type(self._get_estimator()).__name__} is not a clusterer"
                )
        self._group = self.group
        X = self._validate_X(X, reset=True)
        if y is not None:
            check_consistent_length(X, y)
            if _is_type("classifier")(self) and not self._takes_unknown():
                check_known(y)
        X, rows_by_group = self._split(X)
        self.groups_ = list(rows_by_group)
        merged = self._merge_small_groups(rows_by_group)
        random_state = make_generator(self.random_state)
        shared = self._fit_shared_steps(X, y, merged, random_state)
        self.estimators_ = {}
        for names, rows in merged:
            fitted = set_random_states(clone(self._get_estimator()), random_state)
            X_group, y_group = take_rows(X, rows), take_rows(y, rows)
            with self._note_groups(names):
                if shared is None:
                    fitted.fit(X_group, y_group)
                else:
                    own = fitted[self.shared_steps :]
                    own.fit(shared.transform(X_group), y_group)
                    fitted.steps = [*shared.steps, *own.steps]
            self.estimators_ |= dict.fromkeys(names, fitted)
        if _is_type("clusterer")(self):
            self._number_clusters(X, merged)
        elif _is_type("classifier")(self):
            classes = [fitted.classes_ for fitted in self.estimators_.values()]
            if isinstance(classes[0], list):
                raise ValueError(
                    "y must contain one label per sample, got several outputs"
                )
            self.classes_ = np.unique(np.concatenate(classes))
        return self

    @available_if(_is_type("clusterer"))
    def fit_predict(self, X, y=None):
        """Fit, and return the clusters of the training samples.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Training samples.
        y : object, default=None
            Ignored by clusterers.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            The attribute `labels_`.
        """
        return self.fit(X, y).labels_

    @available_if(_has("predict"))
    def predict(self, X):
        """Predict each sample with the clone of its group.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Predictions; for clusterers, clusters, and -1 for noise.

        Raises
        ------
        ValueError
            If a group was not in `fit` and ``handle_unknown="error"``.
        """
        return self._call("predict", X)

    @available_if(_has("predict_proba"))
    def predict_proba(self, X):
        """Predict the probabilities of classes or clusters.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Probabilities; columns as in `classes_` or `clusters_`, 0 for those that a
            sample's group does not have.
        """
        return self._call("predict_proba", X)

    @available_if(_has("transform"))
    def transform(self, X):
        """Transform each sample with the clone of its group.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        X_out : ndarray of shape (n_samples, n_features_out)
            Transformed samples; NaN for groups without a clone. All clones must return
            the same number of columns.
        """
        return self._call("transform", X)

    @available_if(_has("transform"))
    @restore_on_error
    def fit_transform(self, X, y=None):
        """Fit, and transform the training samples.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Training samples.
        y : array-like of shape (n_samples,), default=None
            Targets of the samples.

        Returns
        -------
        X_out : ndarray of shape (n_samples, n_features_out)
            Transformed samples.
        """
        return self.fit(X, y).transform(X)

    @available_if(_is_type("classifier", "regressor"))
    def score(self, X, y, sample_weight=None):
        """Return the accuracy of a classifier, or R² of a regressor.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,)
            True classes or values.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights.

        Returns
        -------
        score : float
            Accuracy or R².
        """
        metric = r2_score
        if _is_type("classifier")(self):
            check_known(y)
            metric = accuracy_score
        return metric(y, self.predict(X), sample_weight=sample_weight)

    def split_by_group(self, X):
        """Split samples by group, with the fitted clone of each group.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        groups : list of tuple
            For each group in X that has a clone: the clone; the samples of the group,
            without the column of groups; their rows in X (a slice or an array of
            indices); the number added to the clone's cluster numbers (0 if it is not a
            clusterer).

        Raises
        ------
        ValueError
            If a group was not in `fit` and ``handle_unknown="error"``.
        """
        check_is_fitted(self)
        X, rows_by_group = self._split(self._validate_X(X, reset=False))
        known = set(self.groups_)
        unknown = [name for name in rows_by_group if name not in known]
        is_noise = self.handle_unknown == "noise" and _is_type("clusterer")(self)
        if unknown and not is_noise:
            raise ValueError(
                f"the column {self._group!r} of X contains groups that were not in "
                f"fit: {list_unknown(np.array(unknown), np.array(self.groups_))}; the "
                f"groups in fit are {list_names(self.groups_, limit=20)}"
            )
        offsets = getattr(self, "offsets_", {})
        return [
            (
                self.estimators_[name],
                take_rows(X, rows),
                slice(None) if rows is None else rows,
                offsets.get(name, 0),
            )
            for name, rows in rows_by_group.items()
            if name in self.estimators_
        ]

    def _get_estimator(self):
        """Return the estimator to clone, or the default."""
        return InductiveClusterer() if self.estimator is None else self.estimator

    def _get_fitted(self):
        """Return one of the fitted clones, or the estimator to clone."""
        fitted = getattr(self, "estimators_", None)
        return next(iter(fitted.values())) if fitted else self._get_estimator()

    def _validate_X(self, X, *, reset):
        """Validate X, except for the columns of a DataFrame with a column of groups."""
        if is_frame(X) and len(X) == 0:
            raise ValueError(
                f"Found a DataFrame with 0 samples, but {type(self).__name__} needs 1"
            )
        if self._group is None or not is_frame(X) or reset:
            X = check_rows(self, X, reset=reset)
        return X

    def _split(self, X):
        """Return X without the column of groups, and {group: rows or None for all}."""
        if self._group is None:
            return X, {None: None}
        (position,) = find_columns(X, [self._group], "group")
        names, codes = encode_groups(X, position, member="sample")
        if is_frame(X):
            X = X.drop(columns=X.columns[position])
        else:
            X = np.delete(X, position, axis=1)
        order = np.argsort(codes, kind="stable")
        rows = np.split(order, np.cumsum(np.bincount(codes))[:-1])
        return X, dict(zip(names.tolist(), rows, strict=True))

    def _merge_small_groups(self, rows_by_group):
        """Return names and rows of the groups of each clone, after `handle_small`."""
        if self._group is None:
            return [([None], None)]
        sizes = {name: len(rows) for name, rows in rows_by_group.items()}
        small = [name for name, size in sizes.items() if size < self.min_group_size]
        merged = [([k], rows) for k, rows in rows_by_group.items() if k not in small]
        if not small or (self.handle_small == "noise" and merged):
            return merged
        counts = ", ".join(f"{name!r} ({sizes[name]})" for name in small)
        least = f"fewer than min_group_size={self.min_group_size} samples"
        if self.handle_small == "noise":
            raise ValueError(f"all groups have {least}: {counts}")
        if self.handle_small == "pool":
            rows = np.sort(np.concatenate([rows_by_group[name] for name in small]))
            if len(rows) >= self.min_group_size:
                return [*merged, (small, rows)]
            pooled, advice = " even if pooled", ""
        else:
            pooled, advice = "", ", pool them (handle_small='pool')"
        raise ValueError(
            f"groups of {least}{pooled}: {counts}; leave them out, lower "
            f"min_group_size{advice}, or label them as noise (handle_small='noise')"
        )

    @contextmanager
    def _note_groups(self, names):
        """Add the names of groups to exceptions."""
        try:
            yield
        except Exception as exc:
            if self._group is not None:
                exc.add_note(
                    f"(in the groups {list_names(names)} of the column {self._group!r})"
                )
            raise

    def _takes_unknown(self):
        """Return whether the estimator knows of unknown classes in y."""
        params = self._get_estimator().get_params(deep=True)
        return any(
            name.endswith(("unlabeled_marker", "outlier_label")) for name in params
        )

    def _fit_shared_steps(self, X, y, merged, random_state):
        """Fit the steps that all clones share; return them as a pipeline, or None."""
        if self.shared_steps == 0:
            return None
        estimator = self._get_estimator()
        n_steps = len(getattr(estimator, "steps", ()))
        if self.shared_steps >= n_steps:
            raise ValueError(
                f"shared_steps ({self.shared_steps}) must be less than the number of "
                f"steps of the pipeline, and {type(estimator).__name__} has {n_steps}"
            )
        shared = set_random_states(clone(estimator), random_state)[: self.shared_steps]
        rows = None
        if self._group is not None:
            rows = np.sort(np.concatenate([rows for _, rows in merged]))
        return shared.fit(take_rows(X, rows), take_rows(y, rows))

    def _number_clusters(self, X, merged):
        """Set labels, clusters and offsets, with different numbers for each clone."""
        self.offsets_, clusters, n_used, labels = {}, [], 0, None
        for names, rows in merged:
            fitted = self.estimators_[names[0]]
            found = np.asarray(_get_labels(fitted, take_rows(X, rows)))
            if labels is None:
                n_samples = len(found) if rows is None else X.shape[0]
                labels = np.full(n_samples, NOISE, dtype=np.int64)
            here = slice(None) if rows is None else rows
            labels[here] = np.where(found < 0, NOISE, found + n_used)
            own = _get_clusters(fitted, found)
            self.offsets_ |= dict.fromkeys(names, n_used)
            clusters.append(own + n_used)
            n_used += int(own.max(initial=-1)) + 1
        self.labels_, self.clusters_ = labels, np.concatenate(clusters)

    def _call(self, method, X):
        """Call a method of each group's clone, and join the results."""
        results, n_samples = [], _num_samples(X)
        for fitted, X_group, rows, offset in self.split_by_group(X):
            names = [name for name, each in self.estimators_.items() if each is fitted]
            with self._note_groups(names):
                result = self._call_clone(fitted, method, X_group, offset)
            results.append((rows, result))
        if not results:
            if method == "transform":
                raise ValueError(
                    f"no group of the {n_samples} samples has a fitted clone"
                )
            if method == "predict":
                return np.full(n_samples, NOISE, dtype=np.int64)
            return np.zeros((n_samples, len(self.clusters_)))
        shapes = {result.shape[1:] for _, result in results}
        if len(shapes) > 1:
            counts = sorted(shape[0] for shape in shapes)
            raise ValueError(
                f"{method} must return the same number of columns for all groups, got "
                f"{counts}"
            )
        fill_value = 0
        if _is_type("clusterer")(self):
            fill_value = {"predict": NOISE, "transform": np.nan}.get(method, 0)
        # Strings of one group may be longer than those of another.
        dtype = np.result_type(*(result for _, result in results))
        out = np.full((n_samples, *shapes.pop()), fill_value).astype(dtype)
        for rows, result in results:
            out[rows] = result
        return out

    def _call_clone(self, fitted, method, X, offset):
        """Return the result of a clone, in terms of all clusters or classes."""
        result = getattr(fitted, method)(X)
        result = result.toarray() if issparse(result) else np.asarray(result)
        is_clusterer = _is_type("clusterer")(self)
        if method == "predict" and is_clusterer:
            return np.where(result < 0, NOISE, result + offset)
        if method != "predict_proba" or not _is_type("clusterer", "classifier")(self):
            return result
        if is_clusterer:
            columns, own = self.clusters_, _get_clusters(fitted) + offset
        else:
            columns, own = self.classes_, fitted.classes_
        out = np.zeros((len(result), len(columns)), dtype=result.dtype)
        out[:, np.searchsorted(columns, own)] = result
        return out

    def __sklearn_tags__(self):
        tags = get_tags(self._get_estimator())
        tags.requires_fit, tags.no_validation, tags.array_api_support = (
            True,
            False,
            False,
        )
        if tags.classifier_tags is not None:
            tags.classifier_tags.multi_label = tags.target_tags.multi_output = False
        if self.group is not None:
            tags.input_tags.sparse = False
            tags.input_tags.string = True
        return tags


def _get_labels(fitted, X):
    """Return the clusters of the training samples of a clone."""
    if hasattr(fitted, "steps"):
        return fitted.predict(X) if hasattr(fitted, "predict") else fitted[-1].labels_
    return fitted.labels_ if hasattr(fitted, "labels_") else fitted.predict(X)


def _get_clusters(fitted, labels=None):
    """Return the clusters of a clone, from its attributes or the given labels."""
    last = fitted[-1] if hasattr(fitted, "steps") else fitted
    if hasattr(last, "clusters_"):
        return last.clusters_
    if hasattr(last, "labels_"):
        labels = np.asarray(last.labels_)
    return np.unique(labels[labels >= 0])
