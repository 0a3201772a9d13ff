"""Given types that look wrong, from out-of-sample probabilities, and the evidence."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from numbers import Integral

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.model_selection import check_cv
from sklearn.utils import gen_batches

from celltyping._utils._compat import (
    ANY_N_JOBS,
    HasMethods,
    Interval,
    _num_samples,
    _safe_indexing,
    _safe_split,
    validate_params,
)
from celltyping._utils._containers import is_frame, refuse_container
from celltyping._utils._labels import encode_types
from celltyping._utils._messages import list_names
from celltyping._utils._optional import import_optional
from celltyping._utils._sparse import one_hot
from celltyping._utils._tables import find_groups
from celltyping._utils._validation import canonical_sparse
from celltyping.connectome import Connectome
from celltyping.connectome._ids import as_column

# Rows for which a dense table of all types is held at once.
BATCH = 4096

# Added to both probabilities of the score, so that a given type with a probability of 0
# is worse if the other type is certain. From 0.001 to 0.02, the area under the ROC
# curve is the same within 0.001 on the larva and on simulated connectomes.
SMOOTHING = 0.01


@validate_params(
    {
        "estimator": [HasMethods(["fit", "predict_proba"])],
        "connectome": "no_validation",
        "y": "no_validation",
        "cv": [
            Interval(Integral, 2, None, closed="left"),
            HasMethods(["split", "get_n_splits"]),
        ],
        "unlabeled_marker": "no_validation",
        "n_jobs": ANY_N_JOBS,
    },
    prefer_skip_nested_validation=True,
)
def find_label_issues(
    estimator, connectome, y, *, cv=5, unlabeled_marker="auto", n_jobs=None
):
    """Rank the neurons of known type by the evidence that this type is wrong.

    The type of each neuron is hidden in one fold of a cross-validation, in which the
    estimator computes its probabilities from the wiring and the types of the other
    folds. A neuron is suspect if another type is more probable than its given one.

    Parameters
    ----------
    estimator : estimator
        Classifier with `predict_proba`, such as `NtacClassifier`. A clone is fitted in
        each fold.
    connectome : Connectome or {array-like, sparse matrix} of shape (n_samples, \
            n_features)
        Connectome: all its nodes stay in the graph of each fold, and only types are
        hidden. Any other X that the estimator takes, such as a table: the estimator is
        fitted on the rows of the training fold.
    y : array-like of shape (n_samples,)
        Given types; some of them may be unknown.
    cv : int or cross-validation splitter, default=5
        Number of folds, each with about the same share of every type; or a splitter of
        scikit-learn, which gets the samples of known type alone, and whose test folds
        must not overlap.
    unlabeled_marker : "auto", scalar or list of scalars, default="auto"
        Values that mean unknown in `y`, beside "?", None, NaN and blank strings.
        "auto": -1 among integers.
    n_jobs : int, default=None
        Number of folds computed at the same time, as in joblib. The result is the same
        for any number.

    Returns
    -------
    issues : DataFrame of n_known rows
        One row per sample of known type, the most suspect first, indexed by node id (by
        the index of a DataFrame, by position for other X):

        - given_type: type in `y`;
        - suggested_type: most probable other type; missing if all have a probability of
          0;
        - given_probability, suggested_probability: out-of-sample probabilities of these
          two types;
        - score: share of the suggested type in these two probabilities, see Notes. It
          is above 0.5 where the estimator would not give the given type;
        - n_others: number of samples of the given type in the training fold, on which
          the judgement rests. If it is 0, the given type cannot be confirmed:
          `given_probability` and `score` are NaN, and the row is among the last, sorted
          by `suggested_probability`.

    Raises
    ------
    TypeError
        If `connectome` has no samples, such as a number.
    ValueError
        If lengths differ, fewer than two types have two samples, `cv` is more than the
        number of samples of known type, or test folds overlap.
    ImportError
        If pandas is not installed; the extra "io" installs it.

    See Also
    --------
    compare_partners : The evidence: partners of a neuron beside those of types.
    celltyping.plotting.TypeProfileDisplay : Plot of the partners of two types.
    SeedShuffleSplit : Splits for the accuracy with few known types.

    Notes
    -----
    Cross-validation as a filter of wrong labels is the method of [1]_. With the
    probabilities g of the given and s of the suggested type, the score is (s + 0.01) /
    (s + g + 0.02). It finds more wrong types than the two scores in [2]_: with 5 % of
    the types of the larva replaced by those of random neurons, the area under the ROC
    curve is 0.980 (with `NtacClassifier`), that of the self-confidence g is 0.977, and
    that of the margin g - s is 0.970. The user guide has figures for other data.

    A wrong type is also a training sample of the other folds. A type of which most
    samples are wrong is not found, and of two samples that contradict each other both
    are suspect. Correct the first rows, then repeat.

    References
    ----------
    .. [1] C. E. Brodley and M. A. Friedl (1999). Identifying mislabeled training data.
       Journal of Artificial Intelligence Research 11, 131-167. :doi:`10.1613/jair.606`
    .. [2] C. G. Northcutt, L. Jiang and I. L. Chuang (2021). Confident learning:
       estimating uncertainty in dataset labels. Journal of Artificial Intelligence
       Research 70, 1373-1411. :doi:`10.1613/jair.1.12125`

    Examples
    --------
    >>> from celltyping import NtacClassifier, find_label_issues
    >>> from celltyping.datasets import make_connectome
    >>> brain = make_connectome(300, n_types=4, n_edges=12000, random_state=0)
    >>> y = brain.target.copy()
    >>> y[200:] = "?"
    >>> y[0]
    'T3'
    >>> y[0] = "T0"
    >>> issues = find_label_issues(NtacClassifier(), brain.data, y)
    >>> issues[["given_type", "suggested_type"]].head(1)
            given_type suggested_type
    node_id
    0               T0             T3
    """
    pd = import_optional("pandas", extra="io", needed_by="find_label_issues")
    X, ids = _check_samples(pd, connectome)
    classes, codes = encode_types(y, unlabeled_marker, caller="find_label_issues")
    if len(codes) != len(ids):
        raise ValueError(
            f"y must have one type per sample of connectome: got {len(codes)} types "
            f"for {len(ids)} samples (inconsistent numbers of samples)"
        )
    folds = _make_folds(cv, classes, codes)
    n_jobs = n_jobs if n_jobs is None else min(n_jobs, len(folds))
    parts = Parallel(n_jobs=n_jobs)(
        delayed(_test_fold)(clone(estimator), X, classes, codes, *fold)
        for fold in folds
    )
    tested = np.concatenate([test for _, test in folds])
    given, suggested, p_given, p_suggested, n_others = map(
        np.concatenate, zip(*parts, strict=True)
    )
    score = (p_suggested + SMOOTHING) / (p_suggested + p_given + 2 * SMOOTHING)
    order = np.lexsort((tested, -p_suggested, -score))  # NaN comes last
    names = classes[suggested].astype(object)
    names[p_suggested <= 0] = None
    columns = {
        "given_type": classes[given],
        "suggested_type": names,
        "given_probability": p_given,
        "suggested_probability": p_suggested,
        "score": score,
        "n_others": n_others,
    }
    return pd.DataFrame(columns, index=ids[tested]).iloc[order]


def _check_samples(pd, X):
    """Return X in a form that can be indexed, and the ids of its samples."""
    if isinstance(X, Connectome):
        return X, pd.Index(X.node_ids, name="node_id")
    refuse_container(X, "connectome")
    X = canonical_sparse(X, "connectome")
    if isinstance(X, (str, bytes, dict, set)) or not hasattr(X, "__getitem__"):
        raise TypeError(
            "connectome must be a Connectome, an array, a sparse matrix or a "
            f"DataFrame, got {type(X).__name__}"
        )
    return X, X.index if is_frame(X) else pd.RangeIndex(_num_samples(X))


def _make_folds(cv, classes, codes):
    """Return positions of the training and the test samples of each fold.

    Parameters
    ----------
    cv : int or cross-validation splitter
        Number of folds, or a splitter.
    classes : ndarray of shape (n_types,)
        Known types.
    codes : ndarray of shape (n_samples,)
        Index of each sample's type in `classes`; -1 where it is unknown.

    Returns
    -------
    folds : list of (ndarray, ndarray)
        Sorted positions in `codes`, of samples of known type alone.
    """
    known = np.flatnonzero(codes >= 0)
    if not isinstance(cv, Integral):
        splits = check_cv(cv).split(known, classes[codes[known]])
        folds = [(known[train], known[test]) for train, test in splits]
        tested = np.concatenate([test for _, test in folds])
        if len(np.unique(tested)) < len(tested):
            raise ValueError(
                "the test folds of cv must not overlap, but "
                f"{len(tested) - len(np.unique(tested))} samples are tested again: use "
                "one repetition, such as StratifiedKFold or a number of folds"
            )
        return folds
    if np.count_nonzero(np.bincount(codes[known]) > 1) < 2:
        raise ValueError(
            "find_label_issues needs at least 2 types with at least 2 samples each, as "
            "the types are learnt from other samples, but y has "
            f"{len(known)} samples of {len(classes)} types: {list_names(classes)}"
        )
    if cv > len(known):
        raise ValueError(
            f"cv={cv} folds are more than the {len(known)} samples of known type"
        )
    # Samples of one type are in as many folds as possible, so that a type with two or
    # more is in every training fold.
    fold_of = np.empty(len(known), dtype=np.intp)
    fold_of[np.argsort(codes[known], kind="stable")] = np.arange(len(known)) % cv
    return [(known[fold_of != k], known[fold_of == k]) for k in range(cv)]


def _test_fold(estimator, X, classes, codes, train, test):
    """Fit one fold, and compare given types with the most probable other ones.

    Parameters
    ----------
    estimator : estimator
        Classifier, which is fitted.
    X : Connectome or {array-like, sparse matrix} of shape (n_samples, n_features)
        All samples.
    classes : ndarray of shape (n_types,)
        Known types.
    codes : ndarray of shape (n_samples,)
        Index of each sample's type in `classes`; -1 where it is unknown.
    train, test : ndarray of int
        Positions of the samples of the fold.

    Returns
    -------
    given, suggested : ndarray of shape (n_test,), dtype=intp
        Codes of the given types, and of the most probable other types.
    p_given, p_suggested : ndarray of shape (n_test,), dtype=float64
        Their probabilities; NaN for a given type that the estimator has not learnt.
    n_others : ndarray of shape (n_test,), dtype=intp
        Number of training samples of the given type.
    """
    X_train, codes_train = _safe_split(estimator, X, codes, train)
    X_test, given = _safe_split(estimator, X, codes, test, train)
    estimator.fit(X_train, classes[codes_train])
    learnt = np.asarray(estimator.classes_)
    column_of, code_of = find_groups(classes, learnt), find_groups(learnt, classes)
    suggested = np.empty(len(test), dtype=np.intp)
    p_given, p_suggested = np.empty(len(test)), np.empty(len(test))
    for batch in gen_batches(len(test), BATCH):
        probabilities = estimator.predict_proba(_safe_indexing(X_test, batch))
        probabilities = np.array(probabilities, dtype=np.float64)
        columns, rows = column_of[given[batch]], np.arange(len(probabilities))
        is_learnt = columns >= 0
        p_given[batch] = np.where(is_learnt, probabilities[rows, columns], np.nan)
        probabilities[rows[is_learnt], columns[is_learnt]] = -1
        best = probabilities.argmax(axis=1)
        suggested[batch] = code_of[best]
        p_suggested[batch] = probabilities[rows, best]
    n_others = np.bincount(codes_train, minlength=len(classes))[given]
    return given, suggested, p_given, p_suggested, n_others


def compare_partners(connectome, y, node_id, types, *, unlabeled_marker="auto"):
    """Tabulate the partners of a neuron beside those of types, the evidence for a type.

    Parameters
    ----------
    connectome : Connectome
        The neurons and the synapses between them.
    y : array-like of shape (n_neurons,)
        Types; some of them may be unknown. Partners of unknown type are left out.
    node_id : int or str
        Id of the neuron.
    types : array-like of shape (n_compared,)
        Types to compare it with, such as the given and the suggested one.
    unlabeled_marker : "auto", scalar or list of scalars, default="auto"
        Values that mean unknown in `y`, beside "?", None, NaN and blank strings.
        "auto": -1 among integers.

    Returns
    -------
    partners : DataFrame
        Number of synapses with each partner type (rows): of the neuron, in the column
        "neuron", and on average of the neurons of each of `types`, without this one, in
        a column per type; NaN if there are none. The index has two levels: direction,
        "in" for synapses onto the neuron and "out" for synapses from it, and
        partner_type. Rows are sorted by the largest number; those of zeros are left
        out.

    Raises
    ------
    TypeError
        If `connectome` is no Connectome, `node_id` no integer or string, or `types` no
        list.
    ValueError
        If lengths differ, no neuron of the graph has the id, or a type is not in `y`.
    ImportError
        If pandas is not installed; the extra "io" installs it.

    See Also
    --------
    find_label_issues : Given types that look wrong.
    celltyping.TypeProfile : The counts of all neurons, as a transformer.
    celltyping.plotting.TypeProfileDisplay : Plot of the partners of two types.

    Examples
    --------
    >>> from celltyping import Connectome, compare_partners
    >>> con = Connectome(
    ...     [[0, 0, 0, 8], [0, 0, 0, 6], [0, 0, 0, 1], [0, 0, 5, 0]],
    ...     node_ids=["a", "b", "c", "d"],
    ... )
    >>> compare_partners(con, ["PN", "PN", "KC", "KC"], "b", ["KC", "PN"])
                            neuron   KC   PN
    direction partner_type
    out       KC               6.0  3.0  8.0
    in        PN               0.0  7.0  0.0
              KC               0.0  3.0  0.0
    """
    pd = import_optional("pandas", extra="io", needed_by="compare_partners")
    if not isinstance(connectome, Connectome):
        raise TypeError(
            f"connectome must be a Connectome, got {type(connectome).__name__}: pass "
            "Connectome(X) for an adjacency matrix X"
        )
    classes, codes = encode_types(
        y, unlabeled_marker, caller="compare_partners", min_types=1
    )
    if len(codes) != len(connectome):
        raise ValueError(
            f"y must have one type per node in view: got {len(codes)} types for "
            f"{len(connectome)} nodes"
        )
    if not np.isscalar(node_id):
        raise TypeError(
            f"node_id must be an integer or a string, got {type(node_id).__name__}"
        )
    graph = connectome.graph
    neuron = graph.find([node_id], "node_id")
    compared = _find_types(types, classes)
    node_codes = np.full(graph.n_nodes, -1, dtype=np.intp)
    node_codes[connectome.indices] = codes
    members = one_hot(node_codes, len(classes))
    groups = [np.setdiff1d(np.flatnonzero(node_codes == k), neuron) for k in compared]
    profiles = []
    for nodes in [neuron, *groups]:
        parts = (graph.transpose[nodes] @ members, graph.adjacency[nodes] @ members)
        total = np.concatenate([part.sum(axis=0) for part in parts])
        profiles.append(
            total / len(nodes) if len(nodes) else np.full_like(total, np.nan)
        )
    table = pd.DataFrame(
        np.transpose(profiles),
        index=pd.MultiIndex.from_product(
            [["in", "out"], classes], names=["direction", "partner_type"]
        ),
        columns=["neuron", *classes[compared]],
    )
    largest = np.nanmax(profiles, axis=0)
    order = np.argsort(-largest, kind="stable")
    return table.iloc[order[largest[order] > 0]]


def _find_types(types, classes):
    """Return the codes of the types to compare, or raise an error."""
    types, names = as_column(types, "types").tolist(), classes.tolist()
    unknown = [one for one in types if not (np.isscalar(one) and one in names)]
    if unknown or not types:
        raise ValueError(
            f"types must list known types of y, got {list_names(unknown) or 'none'}: "
            f"the known types are {list_names(names)}"
        )
    return [names.index(one) for one in types]
