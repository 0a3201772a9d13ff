"""One copy of an estimator for each group of samples."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numbers

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
    _safe_indexing,
)
from celltyping._utils._restore import restore_on_error
from celltyping._utils._sub_estimators import (
    check_rows,
    own_random_state,
    pass_random_state,
)
from celltyping._utils._tables import encode_groups, find_columns, is_frame, shortened
from celltyping.estimators._inductive_clusterer import NOISE, InductiveClusterer

# So many groups an error lists at most.
MOST_GROUPS = 5

# What not every fit learns.
_OPTIONAL = ("classes_", "clusters_", "labels_", "offsets_")


def _is(*kinds):
    """Make a test whether the estimator is of a kind, for `available_if`."""
    return lambda self: get_tags(self._estimator()).estimator_type in kinds


def _has(method):
    """Make a test whether the estimator has a method, for `available_if`."""

    def check(self):
        getattr(self._estimator(), method)
        return True

    return check


class GroupedEstimator(BaseEstimator):
    """Fit one copy of an estimator to each group of samples.

    The groups are the values of a column, such as the kind of synapse or the type of
    neuron; the copies do not see this column. Clusters of different groups get
    different numbers.

    Parameters
    ----------
    estimator : estimator, default=None
        What is copied: a clusterer, a classifier, a regressor or a transformer. None:
        an `InductiveClusterer`.
    group : str or int, default=None
        Name of the column (index, in an array) with the groups. None: all samples are
        one group, called None, and the copy sees all columns.
    min_group_size : int, default=2
        Groups of fewer samples in `fit` are too small.
    handle_small : {"error", "noise", "pool"}, default="error"
        What becomes of groups that are too small. "noise": all their samples are, now
        and in `predict`; only for clusterers. "pool": together they make one group.
    handle_unknown : {"error", "noise"}, default="error"
        What becomes of samples of groups that `fit` has not seen. "noise": they are;
        only for clusterers.
    shared_steps : int, default=0
        So many first steps of a pipeline are fitted once, to the samples of all groups
        that are not noise, and are part of each copy. For what needs all samples, such
        as the alignment of neurons that have samples in several groups.
    random_state : int, RandomState instance or None, default=None
        Is passed to each copy, where it has no own.

    Attributes
    ----------
    groups_ : list
        The groups, sorted: strings or numbers.
    estimators_ : dict of {group: estimator}
        The fitted copies. Pooled groups share one; small groups that are noise have
        none.
    offsets_ : dict of {group: int}
        What is added to the numbers of the clusters that a copy found. Defined only
        for clusterers.
    labels_ : ndarray of shape (n_samples,)
        Clusters of the training samples: those that a copy found, or where it is a
        pipeline, which may drop samples in `fit`, those that it predicts if it can.
        Defined only for clusterers.
    clusters_ : ndarray of shape (n_clusters,)
        All clusters, sorted, without noise. Defined only for clusterers.
    classes_ : ndarray of shape (n_classes,)
        All classes. Defined only for classifiers.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Defined only if a table with column names was fitted.

    See Also
    --------
    celltyping.make_synapse_pipeline : With `group`, a grouped pipeline for synapses.

    Notes
    -----
    With `group` and a DataFrame, columns are not compared with those of `fit`: the
    copies know which they need.

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
        """Fit a copy to each group.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            The samples.
        y : array-like of shape (n_samples,), default=None
            What the copies learn; its parts go to their groups.

        Returns
        -------
        self : GroupedEstimator
            The fitted estimator.

        Raises
        ------
        ValueError
            If the column is not there or has missing values, groups are too small, or
            `shared_steps` are not those of a pipeline with more steps.
            What a copy raises has a note that names its group.
        """
        for name in ("handle_small", "handle_unknown"):
            if getattr(self, name) == "noise" and not _is("clusterer")(self):
                raise ValueError(
                    f"{name}='noise' is for clusterers, and "
                    f"{type(self._estimator()).__name__} is none"
                )
        X = self._checked(X, reset=True)
        if y is not None:
            check_consistent_length(X, y)
        for name in _OPTIONAL:
            vars(self).pop(name, None)
        X, groups = self._split(X)
        self.groups_ = list(groups)
        members = self._pooled(groups)
        random_state = own_random_state(self.random_state)
        shared = self._fit_shared(X, y, members, random_state)
        self.estimators_ = {}
        for names, rows in members:
            copy = pass_random_state(clone(self._estimator()), random_state)
            part, of_part = _rows_of(X, rows), _rows_of(y, rows)
            try:
                if shared is None:
                    copy.fit(part, of_part)
                else:
                    rest = copy[self.shared_steps :]
                    rest.fit(shared.transform(part), of_part)
                    copy.steps = [*shared.steps, *rest.steps]
            except Exception as exc:
                self._note(exc, names)
                raise
            self.estimators_ |= dict.fromkeys(names, copy)
        if _is("clusterer")(self):
            self._number_clusters(X, members)
        elif _is("classifier")(self):
            classes = [copy.classes_ for copy in self.estimators_.values()]
            if isinstance(classes[0], list):
                raise ValueError(
                    "classifiers learn one label per sample here, got y with several"
                )
            self.classes_ = np.unique(np.concatenate(classes))
        return self

    @available_if(_is("clusterer"))
    @restore_on_error
    def fit_predict(self, X, y=None):
        """Fit, and return the clusters of the training samples.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            The samples.
        y : object, default=None
            Ignored by clusterers.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            `labels_`.
        """
        return self.fit(X, y).labels_

    @available_if(_has("predict"))
    def predict(self, X):
        """Ask the copy of each sample's group.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Of clusterers, a cluster each, or -1: noise.

        Raises
        ------
        ValueError
            If there are samples of a group that `fit` has not seen.
        """
        return self._ask(X, "predict")

    @available_if(_has("predict_proba"))
    def predict_proba(self, X):
        """Predict the probabilities of classes or clusters.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Columns as in `classes_` or `clusters_`; 0 for those that a sample's group
            does not have.
        """
        return self._ask(X, "predict_proba")

    @available_if(_has("transform"))
    def transform(self, X):
        """Transform each sample with the copy of its group.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        X_out : ndarray of shape (n_samples, n_features_out)
            The copies must give equally many columns. NaN where a group has no copy.
        """
        return self._ask(X, "transform")

    @available_if(_has("transform"))
    @restore_on_error
    def fit_transform(self, X, y=None):
        """Fit, and transform the same samples.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            The samples.
        y : array-like of shape (n_samples,), default=None
            What the copies learn beside them.

        Returns
        -------
        X_out : ndarray of shape (n_samples, n_features_out)
            What `transform` gives.
        """
        return self.fit(X, y).transform(X)

    @available_if(_is("classifier", "regressor"))
    def score(self, X, y, sample_weight=None):
        """Give the accuracy of a classifier, or the R² of a regressor.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            The samples.
        y : array-like of shape (n_samples,)
            Their classes or values.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights.

        Returns
        -------
        score : float
            Share of the samples that are classified as in `y`, or share of the variance
            that is explained.
        """
        measure = accuracy_score if _is("classifier")(self) else r2_score
        return measure(y, self.predict(X), sample_weight=sample_weight)

    def parts_of(self, X):
        """Split samples into what each fitted copy answers for.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        parts : list of tuple
            Per group that X has and that has a copy: the copy; its samples, without
            the column of groups; their rows in X (a slice or an array of indices); and
            what is added to the numbers of the copy's clusters (0 where it finds none).

        Raises
        ------
        ValueError
            If there are samples of a group that `fit` has not seen.
        """
        check_is_fitted(self)
        X, groups = self._split(self._checked(X, reset=False))
        known = set(self.groups_)
        strangers = [name for name in groups if name not in known]
        if strangers and self.handle_unknown == "error":
            raise ValueError(
                f"the column {self.group!r} of X has groups that fit has not seen: "
                f"{shortened(strangers, MOST_GROUPS)}; it has seen "
                f"{shortened(self.groups_, 4 * MOST_GROUPS)}"
            )
        offsets = getattr(self, "offsets_", {})
        return [
            (
                self.estimators_[name],
                X if rows is None else _safe_indexing(X, rows),
                slice(None) if rows is None else rows,
                offsets.get(name, 0),
            )
            for name, rows in groups.items()
            if name in self.estimators_
        ]

    def _estimator(self):
        """Return what is copied."""
        return InductiveClusterer() if self.estimator is None else self.estimator

    def _checked(self, X, *, reset):
        """Return X as rows; with `group`, columns of a frame are the copies' matter."""
        if is_frame(X) and len(X) == 0:
            raise ValueError(
                f"Found a DataFrame with 0 samples, but {type(self).__name__} needs 1"
            )
        if self.group is None or not is_frame(X) or reset:
            X = check_rows(self, X, reset=reset)
        return X

    def _split(self, X):
        """Return X without the column of groups, and the rows of each group."""
        if self.group is None:
            return X, {None: None}
        (position,) = find_columns(X, [self.group], "group")
        names, codes = encode_groups(X, position, member="sample")
        if is_frame(X):
            rest = X.drop(columns=X.columns[position])
        else:
            rest = np.delete(X, position, axis=1)
        order = np.argsort(codes, kind="stable")
        rows = np.split(order, np.cumsum(np.bincount(codes))[:-1])
        return rest, dict(zip(names.tolist(), rows, strict=True))

    def _pooled(self, groups):
        """Return the names and the rows of what gets a copy each."""
        if self.group is None:
            return [([None], None)]
        small = [
            name for name in self.groups_ if len(groups[name]) < self.min_group_size
        ]
        kept = [([name], groups[name]) for name in self.groups_ if name not in small]
        if not small:
            return kept
        counts = ", ".join(f"{name!r} ({len(groups[name])})" for name in small)
        if self.handle_small == "pool":
            rows = np.sort(np.concatenate([groups[name] for name in small]))
            kept.append((small, rows))
            small = [] if len(rows) >= self.min_group_size else small
        if self.handle_small == "error" or (small and self.handle_small == "pool"):
            pooled = " even if pooled" if self.handle_small == "pool" else ""
            others = "" if pooled else ", pool them (handle_small='pool')"
            raise ValueError(
                f"groups of fewer than min_group_size={self.min_group_size} samples"
                f"{pooled}: {counts}; leave them out, lower min_group_size{others}, or "
                "call them noise (handle_small='noise')"
            )
        if not kept:
            raise ValueError(
                f"all groups have fewer than min_group_size={self.min_group_size} "
                f"samples: {counts}"
            )
        return kept

    def _note(self, exc, names):
        """Add to what a copy raises which groups it is of."""
        if self.group is not None:
            listed = shortened(names, MOST_GROUPS)
            exc.add_note(f"(of the groups {listed} in the column {self.group!r})")

    def _fit_shared(self, X, y, members, random_state):
        """Fit the steps that all copies share; return them as a pipeline, or None."""
        if self.shared_steps == 0:
            return None
        estimator = self._estimator()
        n_steps = len(getattr(estimator, "steps", ()))
        if self.shared_steps >= n_steps:
            raise ValueError(
                f"shared_steps ({self.shared_steps}) must be less than the number of "
                f"steps of the pipeline that is copied, and {type(estimator).__name__} "
                f"has {n_steps}"
            )
        shared = pass_random_state(clone(estimator), random_state)[: self.shared_steps]
        rows = None
        if self.group is not None:
            rows = np.sort(np.concatenate([rows for _, rows in members]))
        return shared.fit(_rows_of(X, rows), _rows_of(y, rows))

    def _number_clusters(self, X, members):
        """Give clusters of different copies different numbers."""
        self.offsets_, clusters, end = {}, [], 0
        labels = None
        for names, rows in members:
            copy = self.estimators_[names[0]]
            part = X if rows is None else _safe_indexing(X, rows)
            found = np.asarray(_labels(copy, part))
            if labels is None:
                n_samples = len(found) if rows is None else X.shape[0]
                labels = np.full(n_samples, NOISE, dtype=np.int64)
            here = slice(None) if rows is None else rows
            labels[here] = np.where(found < 0, NOISE, found + end)
            own = _clusters(copy, found)
            self.offsets_ |= dict.fromkeys(names, end)
            clusters.append(own + end)
            end += int(own.max(initial=-1)) + 1
        self.labels_, self.clusters_ = labels, np.concatenate(clusters)

    def _ask(self, X, method):
        """Ask the copy of each sample's group, and put the answers together."""
        out, n_samples = None, _num_samples(X)
        for copy, part, rows, offset in self.parts_of(X):
            try:
                answer = self._answer(copy, method, part, offset)
            except Exception as exc:
                self._note(exc, [k for k, v in self.estimators_.items() if v is copy])
                raise
            if out is None:
                out = self._empty(method, n_samples, answer)
            if answer.shape[1:] != out.shape[1:]:
                raise ValueError(
                    f"{method} gives {answer.shape[1]} columns for one group and "
                    f"{out.shape[1]} for another"
                )
            # Names of another group may be longer than those of the first.
            out = out.astype(np.result_type(out, answer), copy=False)
            out[rows] = answer
        if out is None:
            if method == "transform":
                raise ValueError(
                    f"none of the {n_samples} samples is of a group that has a copy"
                )
            if method == "predict":
                return np.full(n_samples, NOISE, dtype=np.int64)
            return np.zeros((n_samples, len(self.clusters_)))
        return out

    def _empty(self, method, n_samples, answer):
        """Return what noise is answered, for all samples."""
        gap = 0
        if _is("clusterer")(self):
            gap = {"predict": NOISE, "transform": np.nan}.get(method, 0)
        return np.full((n_samples, *answer.shape[1:]), gap).astype(answer.dtype)

    def _answer(self, copy, method, X, offset):
        """Return the answer of one copy, in terms of all."""
        answer = getattr(copy, method)(X)
        answer = answer.toarray() if issparse(answer) else np.asarray(answer)
        if method == "transform" or not _is("clusterer", "classifier")(self):
            return answer
        if method == "predict":
            if _is("clusterer")(self):
                return np.where(answer < 0, NOISE, answer + offset)
            return answer
        if _is("clusterer")(self):
            columns, own = self.clusters_, _clusters(copy) + offset
        else:
            columns, own = self.classes_, copy.classes_
        out = np.zeros((len(answer), len(columns)), dtype=answer.dtype)
        out[:, np.searchsorted(columns, own)] = answer
        return out

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        of_copy = get_tags(self._estimator())
        for name in (
            "estimator_type",
            "classifier_tags",
            "regressor_tags",
            "transformer_tags",
            "target_tags",
            "non_deterministic",
        ):
            setattr(tags, name, getattr(of_copy, name))
        if tags.classifier_tags is not None:
            tags.classifier_tags.multi_label = tags.target_tags.multi_output = False
        tags.input_tags = of_copy.input_tags
        if self.group is not None:
            tags.input_tags.sparse = False
            tags.input_tags.string = True
        return tags


def _rows_of(X, rows):
    """Return some rows; all, if `rows` is None."""
    return X if X is None or rows is None else _safe_indexing(X, rows)


def _labels(copy, X):
    """Return the clusters of what a copy was fitted to."""
    if hasattr(copy, "steps"):
        return copy.predict(X) if hasattr(copy, "predict") else copy[-1].labels_
    return copy.labels_ if hasattr(copy, "labels_") else copy.predict(X)


def _clusters(copy, labels=None):
    """Return the clusters of a fitted copy, as far as it or the labels tell."""
    last = copy[-1] if hasattr(copy, "steps") else copy
    if hasattr(last, "clusters_"):
        return last.clusters_
    if hasattr(last, "labels_"):
        labels = np.asarray(last.labels_)
    return np.unique(labels[labels >= 0])
