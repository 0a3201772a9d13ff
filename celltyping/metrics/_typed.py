"""Metrics and scorers for the samples of known type."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import inspect

import numpy as np
from sklearn.metrics import make_scorer
from sklearn.utils import Bunch, check_consistent_length

from celltyping._utils._compat import _safe_indexing
from celltyping._utils._labels import encode_pair, encode_types
from celltyping._utils._messages import list_names
from celltyping._utils._optional import import_optional
from celltyping._utils._validation import check_sparse, is_integer


def make_typed_scorer(
    score_func,
    *,
    response_method="predict",
    greater_is_better=True,
    unlabeled_marker="auto",
    **kwargs,
):
    """Make a scorer that ignores samples of unknown type.

    scikit-learn's own scorers count a sample of unknown type as an error. This scorer
    removes such samples from `X` and `y` before prediction; a view of a `Connectome`
    keeps its whole graph. Use it as ``scoring=`` of a grid search or cross-validation.

    Parameters
    ----------
    score_func : callable
        Metric with the signature ``score_func(y_true, y_pred, **kwargs)``, such as
        `sklearn.metrics.f1_score`.
    response_method : str or list of str, default="predict"
        Method of the estimator whose output is scored: "predict", "predict_proba",
        "decision_function", or a list, of which the first available one is used.
    greater_is_better : bool, default=True
        Whether `score_func` is a score. False for a loss, whose sign is changed.
    unlabeled_marker : "auto", scalar or list of scalars, default="auto"
        Values that mean unknown in `y`, beside "?", None, NaN and blank strings.
        "auto": -1 among integers.
    **kwargs : dict
        Keyword arguments of `score_func`.

    Returns
    -------
    scorer : callable
        ``scorer(estimator, X, y)`` returns a number; greater is better.

    Raises
    ------
    TypeError
        If `score_func` is not callable.

    See Also
    --------
    celltyping.model_selection.SeedShuffleSplit : Splits of partly labelled data.
    ranked_accuracy_score : Accuracy of the k best types.

    Notes
    -----
    A metric of probabilities needs the type of each column, and a test fold seldom
    contains all types. If `score_func` has a parameter ``labels`` that is not in
    `kwargs`, it is set to the estimator's ``classes_``, unless `response_method` is
    "predict". Types that the estimator was not trained on have no column and then raise
    an error.

    Examples
    --------
    >>> from sklearn.metrics import f1_score, log_loss
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from celltyping.metrics import make_typed_scorer
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]], ["KC", "KC", "PN", "?"]
    >>> knn = KNeighborsClassifier(n_neighbors=1).fit(X[:3], y[:3])
    >>> macro_f1 = make_typed_scorer(f1_score, average="macro")
    >>> macro_f1(knn, X, y)
    1.0
    >>> loss = make_typed_scorer(
    ...     log_loss, response_method="predict_proba", greater_is_better=False
    ... )
    >>> bool(loss(knn, X, y) <= 0)
    True
    """
    if not callable(score_func):
        raise TypeError(
            "score_func must be a callable such as sklearn.metrics.f1_score, got "
            f"{score_func!r}"
        )
    return _TypedScorer(
        score_func, response_method, greater_is_better, unlabeled_marker, kwargs
    )


class _TypedScorer:
    """Scorer made by `make_typed_scorer`; a class, so that it can be pickled."""

    def __init__(
        self, score_func, response_method, greater_is_better, unlabeled_marker, kwargs
    ):
        self.score_func = score_func
        self.response_method = response_method
        self.greater_is_better = greater_is_better
        self.unlabeled_marker = unlabeled_marker
        self.kwargs = kwargs
        self._scorer()  # lets scikit-learn check the arguments now

    def __call__(self, estimator, X, y):
        """Return the score of `estimator` on the samples of known type."""
        check_consistent_length(X, y)
        types, codes = encode_types(
            y, self.unlabeled_marker, caller=repr(self), min_types=1
        )
        known = np.flatnonzero(codes >= 0)
        if known.size < len(codes):
            X = _safe_indexing(check_sparse(X), known)
        y = types[codes[known]]
        if self.response_method == "predict":
            # Without scikit-learn's scorer, which needs a `pos_label` for two types
            # even if the metric, such as a macro average, does not use it.
            score = self.score_func(y, estimator.predict(X), **self.kwargs)
            return score if self.greater_is_better else -score
        return self._scorer(**self._labels(estimator, y))(estimator, X, y)

    def __repr__(self):
        arguments = [getattr(self.score_func, "__name__", repr(self.score_func))]
        arguments.append(f"response_method={self.response_method!r}")
        if not self.greater_is_better:
            arguments.append("greater_is_better=False")
        arguments += [f"{name}={value!r}" for name, value in self.kwargs.items()]
        return f"make_typed_scorer({', '.join(arguments)})"

    def _scorer(self, **labels):
        """Return scikit-learn's scorer with the same metric."""
        return make_scorer(
            self.score_func,
            response_method=self.response_method,
            greater_is_better=self.greater_is_better,
            **self.kwargs,
            **labels,
        )

    def _labels(self, estimator, y):
        """Return the argument `labels` of the metric, if it has one."""
        if (
            "labels" in self.kwargs
            or "labels" not in inspect.signature(self.score_func).parameters
        ):
            return {}
        unseen = np.setdiff1d(y, estimator.classes_)
        if unseen.size:
            raise ValueError(
                f"{self!r} needs types that the estimator was trained on, but y has "
                f"others: {list_names(unseen)}. Use splits that keep every type in "
                'training, such as SeedShuffleSplit with "at_least_one_per_class"'
            )
        return {"labels": estimator.classes_}


def ranked_accuracy_score(y_true, ranked_types, *, k=None, unlabeled_marker="auto"):
    """Compute how often the true type is among the `k` best types.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Types; samples of unknown type are left out.
    ranked_types : array-like of shape (n_samples, n_ranks)
        Types per sample, the best first, as returned by `NtacClassifier.rank_types`.
        Entries that mean unknown are never correct.
    k : int, default=None
        Number of ranks to use. None: all.
    unlabeled_marker : "auto", scalar or list of scalars, default="auto"
        Values that mean unknown, beside "?", None, NaN and blank strings. "auto": -1
        among integers.

    Returns
    -------
    score : float
        Fraction of the samples of known type whose type is among their `k` best.

    Raises
    ------
    ValueError
        If the lengths differ, `ranked_types` is not two-dimensional, `k` is not
        between 1 and its number of columns, or no type is known.

    See Also
    --------
    sklearn.metrics.top_k_accuracy_score : The same metric from scores of all types.

    Examples
    --------
    >>> from celltyping.metrics import ranked_accuracy_score
    >>> ranked = [["KC", "PN"], ["KC", "PN"], ["PN", "LHN"]]
    >>> ranked_accuracy_score(["KC", "PN", "?"], ranked)
    1.0
    >>> ranked_accuracy_score(["KC", "PN", "?"], ranked, k=1)
    0.5
    """
    ranked_types = np.asarray(ranked_types)
    if ranked_types.ndim != 2 or ranked_types.shape[1] == 0:
        raise ValueError(
            "ranked_types must have shape (n_samples, n_ranks) with at least one "
            f"rank, got {ranked_types.shape}"
        )
    n_ranks = ranked_types.shape[1]
    k = n_ranks if k is None else k
    if not is_integer(k) or not 1 <= k <= n_ranks:
        raise ValueError(
            f"k must be an integer from 1 to {n_ranks}, the number of ranks in "
            f"ranked_types, got {k!r}"
        )
    _, true, ranked = encode_pair(
        y_true, ranked_types[:, :k], unlabeled_marker, caller="ranked_accuracy_score"
    )
    return float((ranked == true[:, np.newaxis]).any(axis=1).mean())


def type_report(y_true, y_pred, *, unlabeled_marker="auto", as_frame=False):
    """Tabulate recall, precision and F1 score of each type.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Types; samples of unknown type are left out.
    y_pred : array-like of shape (n_samples,)
        Predicted types. A prediction that means unknown is wrong, but is not counted in
        the `n_pred` of any type.
    unlabeled_marker : "auto", scalar or list of scalars, default="auto"
        Values that mean unknown, beside "?", None, NaN and blank strings. "auto": -1
        among integers.
    as_frame : bool, default=False
        Whether to return a DataFrame, which needs pandas (extra "io").

    Returns
    -------
    report : :class:`~sklearn.utils.Bunch` or DataFrame
        Arrays of shape (n_types,), or columns of a DataFrame indexed by type:

        type : ndarray
            Types that occur in `y_true` or are predicted for samples of known type,
            sorted.
        n_true : ndarray of int
            Number of samples of the type.
        n_pred : ndarray of int
            Number of samples predicted as the type.
        n_correct : ndarray of int
            Number of samples of the type predicted as the type.
        recall : ndarray of float
            `n_correct` / `n_true`, the accuracy within the type; NaN if `n_true` is 0.
        precision : ndarray of float
            `n_correct` / `n_pred`; NaN if `n_pred` is 0.
        f1 : ndarray of float
            Harmonic mean of recall and precision, 2 `n_correct` / (`n_true` +
            `n_pred`).

    Raises
    ------
    ValueError
        If the lengths differ or no type is known.

    See Also
    --------
    sklearn.metrics.classification_report : Similar report as text.

    Examples
    --------
    >>> from celltyping.metrics import type_report
    >>> report = type_report(["KC", "KC", "PN", "?"], ["KC", "PN", "PN", "KC"])
    >>> report.type.tolist(), report.recall.tolist()
    (['KC', 'PN'], [0.5, 1.0])
    """
    pd = None
    if not isinstance(as_frame, (bool, np.bool_)):
        raise TypeError(f"as_frame must be a bool, got {as_frame!r}")
    if as_frame:
        pd = import_optional("pandas", extra="io", needed_by="type_report")
    if np.ndim(y_pred) != 1:
        raise ValueError(f"y_pred must be one-dimensional, got {np.ndim(y_pred)}-D")
    types, true, pred = encode_pair(
        y_true, y_pred, unlabeled_marker, caller="type_report"
    )
    n_true = np.bincount(true, minlength=len(types))
    n_pred = np.bincount(pred[pred >= 0], minlength=len(types))
    n_correct = np.bincount(true[true == pred], minlength=len(types))
    occurs = n_true + n_pred > 0  # not for types predicted only for unknown samples
    n_true, n_pred, n_correct = n_true[occurs], n_pred[occurs], n_correct[occurs]
    columns = {
        "n_true": n_true,
        "n_pred": n_pred,
        "n_correct": n_correct,
        "recall": _ratio(n_correct, n_true),
        "precision": _ratio(n_correct, n_pred),
        "f1": 2 * n_correct / (n_true + n_pred),
    }
    if as_frame:
        return pd.DataFrame(columns, index=pd.Index(types[occurs], name="type"))
    return Bunch(type=types[occurs], **columns)


def _ratio(part, whole):
    """Divide; NaN where `whole` is 0."""
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
