"""Scores that judge the samples of known type alone."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import inspect
import numbers

import numpy as np
from sklearn.metrics import make_scorer
from sklearn.utils import Bunch, check_consistent_length

from celltyping._utils._compat import _safe_indexing
from celltyping._utils._labels import as_array, as_numbers, encode_pair, is_unlabeled
from celltyping._utils._optional import import_optional


def make_typed_scorer(
    score_func,
    *,
    response_method="predict",
    greater_is_better=True,
    unlabeled_marker="auto",
    **kwargs,
):
    """Make a scorer that judges the samples of known type alone.

    scikit-learn's own scorers count a sample of unknown type as an error. This one
    leaves such samples out of `X` and `y` before it predicts; a view of a `Connectome`
    keeps its whole graph then. Use it as ``scoring=`` of a grid search or of
    cross-validation.

    Parameters
    ----------
    score_func : callable
        Metric with the signature ``score_func(y_true, y_pred, **kwargs)``, such as
        `sklearn.metrics.f1_score`.
    response_method : str or list of str, default="predict"
        Method of the estimator whose output is scored: "predict", "predict_proba",
        "decision_function", or a list, of which the first that is there is taken.
    greater_is_better : bool, default=True
        False for a loss: the scorer then returns it with its sign changed.
    unlabeled_marker : "auto" or scalar, default="auto"
        What means unknown in `y`. By default "?", None and NaN among strings, -1 among
        integers.
    **kwargs : dict
        Passed on to `score_func`.

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
    celltyping.model_selection.SeedShuffleSplit : Splits for partly typed data.
    ranked_accuracy_score : Accuracy of the k best types.

    Notes
    -----
    A metric of probabilities has to know which type each column stands for, and a
    test fold seldom holds all types. Where `score_func` has a parameter ``labels`` and
    is not given it, it gets the estimator's ``classes_``, unless `response_method` is
    "predict". A sample whose type the estimator has not seen in training is an error
    then, since it has no column.

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
    """What `make_typed_scorer` returns; a class at module level, so that it pickles."""

    def __init__(
        self, score_func, response_method, greater_is_better, unlabeled_marker, kwargs
    ):
        self.score_func = score_func
        self.response_method = response_method
        self.greater_is_better = greater_is_better
        self.unlabeled_marker = unlabeled_marker
        self.kwargs = kwargs
        self._scorer()  # scikit-learn checks the arguments here and now

    def __call__(self, estimator, X, y):
        """Return the score of `estimator` on the samples whose type is known."""
        check_consistent_length(X, y)
        y = as_array(y)
        known = np.flatnonzero(~is_unlabeled(y, self.unlabeled_marker))
        if known.size == 0:
            raise ValueError(
                f"{self!r} needs labelled samples, but all {len(y)} labels in y are "
                f"unknown (unlabeled_marker={self.unlabeled_marker!r})"
            )
        if known.size < len(y):
            X = _safe_indexing(X, known)
        y = as_numbers(y[known])
        if self.response_method == "predict":
            # Straight, since scikit-learn's scorer wants a `pos_label` of two types
            # even where the metric, say a macro average, has no use for it.
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
        """Return scikit-learn's scorer of the same metric."""
        return make_scorer(
            self.score_func,
            response_method=self.response_method,
            greater_is_better=self.greater_is_better,
            **self.kwargs,
            **labels,
        )

    def _labels(self, estimator, y):
        """Return what the metric must be told of the estimator's types."""
        if (
            "labels" in self.kwargs
            or "labels" not in inspect.signature(self.score_func).parameters
        ):
            return {}
        unseen = np.setdiff1d(y, estimator.classes_)
        if unseen.size:
            raise ValueError(
                f"{self!r} needs types that the estimator was trained on, but y holds "
                f"{unseen.size} others, such as {unseen.tolist()[0]!r}: use splits "
                "that keep every type in training, as SeedShuffleSplit's "
                '"at_least_one_per_class" does'
            )
        return {"labels": estimator.classes_}


def ranked_accuracy_score(y_true, ranked_types, *, k=None, unlabeled_marker="auto"):
    """Score ranked guesses: how often the true type is among the first `k`.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Types; samples where it is unknown are left out.
    ranked_types : array-like of shape (n_samples, n_ranks)
        Types per sample, the best first, as `NtacClassifier.rank_types` returns them.
        An entry that means unknown is no guess.
    k : int, default=None
        How many of the first columns count. None: all of them.
    unlabeled_marker : "auto" or scalar, default="auto"
        What means unknown. By default "?", None and NaN among strings, -1 among
        integers.

    Returns
    -------
    score : float
        Share of the samples of known type whose type is among their first `k`.

    Raises
    ------
    ValueError
        If the lengths differ, `ranked_types` is not two-dimensional, `k` is not
        between 1 and its number of columns, or no type is known.

    See Also
    --------
    sklearn.metrics.top_k_accuracy_score : The same from scores of all types.

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
    if not isinstance(k, numbers.Integral) or not 1 <= k <= n_ranks:
        raise ValueError(
            f"k must be an integer from 1 to {n_ranks}, the number of ranks in "
            f"ranked_types, got {k!r}"
        )
    _, true, ranked = encode_pair(
        y_true, ranked_types[:, :k], unlabeled_marker, caller="ranked_accuracy_score"
    )
    return float((ranked == true[:, np.newaxis]).any(axis=1).mean())


def type_report(y_true, y_pred, *, unlabeled_marker="auto", as_frame=False):
    """Tabulate how well each type is found.

    Only samples of known type count, in every column.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Types; samples where it is unknown are left out.
    y_pred : array-like of shape (n_samples,)
        Predicted types. A prediction that means unknown is wrong, but counts for no
        type.
    unlabeled_marker : "auto" or scalar, default="auto"
        What means unknown. By default "?", None and NaN among strings, -1 among
        integers.
    as_frame : bool, default=False
        Return a DataFrame (needs pandas, which the extra "io" brings).

    Returns
    -------
    report : :class:`~sklearn.utils.Bunch` or DataFrame
        Arrays of shape (n_types,), or columns of a DataFrame indexed by type:

        type : ndarray
            Every type that occurs in `y_true` or is predicted for a sample of known
            type, sorted.
        n_true : ndarray of int
            Number of samples of that type.
        n_pred : ndarray of int
            Number of samples predicted to be of that type.
        n_correct : ndarray of int
            Number of samples of that type that are predicted so.
        recall : ndarray of float
            The accuracy within the type, `n_correct` / `n_true`; NaN where `n_true` is
            0.
        precision : ndarray of float
            `n_correct` / `n_pred`; NaN where `n_pred` is 0.
        f1 : ndarray of float
            Harmonic mean of the two, 2 `n_correct` / (`n_true` + `n_pred`).

    Raises
    ------
    ValueError
        If the lengths differ or no type is known.

    See Also
    --------
    sklearn.metrics.classification_report : A table as text.

    Examples
    --------
    >>> from celltyping.metrics import type_report
    >>> report = type_report(["KC", "KC", "PN", "?"], ["KC", "PN", "PN", "KC"])
    >>> report.type.tolist(), report.recall.tolist()
    (['KC', 'PN'], [0.5, 1.0])
    """
    pd = None
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
    there = n_true + n_pred > 0  # types that only samples of unknown type are given
    n_true, n_pred, n_correct = n_true[there], n_pred[there], n_correct[there]
    columns = {
        "n_true": n_true,
        "n_pred": n_pred,
        "n_correct": n_correct,
        "recall": _ratio(n_correct, n_true),
        "precision": _ratio(n_correct, n_pred),
        "f1": 2 * n_correct / (n_true + n_pred),
    }
    if as_frame:
        return pd.DataFrame(columns, index=pd.Index(types[there], name="type"))
    return Bunch(type=types[there], **columns)


def _ratio(part, whole):
    """Divide, and say NaN where there is nothing to divide by."""
    result = np.full(len(whole), np.nan)
    np.divide(part, whole, out=result, where=whole > 0)
    return result
