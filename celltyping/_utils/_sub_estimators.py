"""What estimators that are made of others do with their parts."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
from sklearn.utils import InputTags, check_array, check_random_state, get_tags
from sklearn.utils.validation import validate_data

from celltyping._utils._compat import _num_samples, _safe_indexing
from celltyping.connectome import Connectome


def own_random_state(random_state):
    """Return the random numbers that one fit draws all its seeds from, or None.

    Parameters
    ----------
    random_state : int, RandomState instance or None
        The parameter of an estimator.

    Returns
    -------
    random_state : RandomState instance or None
        None stays None: parts keep what they have.

    Examples
    --------
    >>> from celltyping._utils._sub_estimators import own_random_state
    >>> own_random_state(None) is None
    True
    """
    return None if random_state is None else check_random_state(random_state)


def pass_random_state(estimator, random_state):
    """Give seeds to all parts of an estimator that have none.

    Parameters
    ----------
    estimator : estimator
        It is changed: every parameter `random_state`, of itself and of its parts, that
        is None gets a number.
    random_state : int, RandomState instance or None
        Where seeds are drawn from. None: nothing is done.

    Returns
    -------
    estimator : estimator
        The same.

    Examples
    --------
    >>> from sklearn.cluster import KMeans
    >>> from celltyping._utils._sub_estimators import pass_random_state
    >>> pass_random_state(KMeans(), 0).random_state
    209652396
    """
    if random_state is None:
        return estimator
    random_state = check_random_state(random_state)
    missing = {
        name: random_state.randint(np.iinfo(np.int32).max)
        for name, value in sorted(estimator.get_params(deep=True).items())
        if value is None and name.rpartition("__")[2] == "random_state"
    }
    return estimator.set_params(**missing) if missing else estimator


def check_rows(estimator, X, *, reset):
    """Check X as far as the parts of an estimator do not, and keep what kind it is.

    Parameters
    ----------
    estimator : estimator
        Its tags say whether X may be sparse or have missing values, unless a part is a
        Pipeline, which checks that by itself; in `fit` it learns the number and the
        names of columns.
    X : array-like, sparse matrix, DataFrame or Connectome
        What a user gave.
    reset : bool
        Whether this is `fit`.

    Returns
    -------
    X : ndarray, sparse matrix, DataFrame or Connectome
        Rows can be taken of it. A DataFrame or a Connectome is left as it is: the parts
        check what is in it.

    Raises
    ------
    ValueError
        If an array is not two-dimensional, is empty, or has missing or infinite values
        that the parts do not take; if columns are not those of `fit`.
    TypeError
        If X is sparse and the parts do not take that.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> from celltyping._utils._sub_estimators import check_rows
    >>> check_rows(LinearRegression(), [[1, 2], [3, 4]], reset=True).shape
    (2, 2)
    """
    if isinstance(X, Connectome):
        return X
    tags = get_tags(estimator).input_tags
    # Tags do not tell what a Pipeline takes, which may impute, or make X dense.
    parts = estimator.get_params(deep=False).values()
    by_steps = any(hasattr(part, "steps") for part in parts)
    allow_nan, sparse = tags.allow_nan or by_steps, tags.sparse or by_steps
    if hasattr(X, "select_dtypes"):
        rows = X
        is_numeric = X.select_dtypes("number").shape == X.shape
        missing = X.isna().sum()
        if is_numeric and not allow_nan and missing.any():
            counts = ", ".join(f"{name!r} ({n})" for name, n in missing.items() if n)
            raise ValueError(
                f"{type(estimator).__name__} does not take missing values (NaN), and "
                f"X has some in the columns {counts}"
            )
    else:
        rows = check_array(
            X,
            accept_sparse="csr" if sparse else False,
            dtype=None,
            ensure_all_finite="allow-nan" if allow_nan else True,
            input_name="X",
            estimator=estimator,
        )
    validate_data(estimator, rows, reset=reset, skip_check_array=True)
    return rows


def join_input_tags(tags, parts):
    """Let an estimator take what all its parts take.

    Parameters
    ----------
    tags : Tags
        Those of the estimator; they are changed.
    parts : list of estimator
        What X goes to.

    Returns
    -------
    tags : Tags
        The same.

    Examples
    --------
    >>> from sklearn.cluster import Birch
    >>> from sklearn.svm import SVC
    >>> from sklearn.utils import get_tags
    >>> from celltyping._utils._sub_estimators import join_input_tags
    >>> join_input_tags(get_tags(SVC()), [SVC(), Birch()]).input_tags.sparse
    True
    """
    # A detector of an older pyod has no tags: it takes what is usual.
    inputs = [
        get_tags(part).input_tags if hasattr(part, "__sklearn_tags__") else InputTags()
        for part in parts
    ]
    for name in ("sparse", "allow_nan", "string", "categorical"):
        setattr(tags.input_tags, name, all(getattr(each, name) for each in inputs))
    tags.input_tags.positive_only = any(each.positive_only for each in inputs)
    return tags


def take_rows(X, mask):
    """Return some rows of X, or X itself where these are all.

    Parameters
    ----------
    X : array-like, sparse matrix, DataFrame or Connectome
        The rows.
    mask : ndarray of shape (n_samples,), dtype=bool
        Which of them.

    Returns
    -------
    rows : the same kind
        A copy of all rows may lie in memory differently, which last digits show.

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping._utils._sub_estimators import take_rows
    >>> take_rows(np.arange(3), np.array([True, False, True]))
    array([0, 2])
    """
    return X if mask.all() else _safe_indexing(X, mask)


def is_per_row(value, n_rows):
    """Tell whether a piece of metadata, such as sample weights, has an entry per row.

    Parameters
    ----------
    value : object
        The metadata.
    n_rows : int
        Number of rows.

    Returns
    -------
    is_per_row : bool
        Whether it is as long as there are rows.

    Examples
    --------
    >>> from celltyping._utils._sub_estimators import is_per_row
    >>> is_per_row([1, 1, 2], 3), is_per_row("uniform", 7)
    (True, False)
    """
    if isinstance(value, (str, dict)) or not hasattr(value, "__len__"):
        return False
    return _num_samples(value) == n_rows


def sampled(params, rows, n_rows):
    """Return metadata of some of the rows.

    Parameters
    ----------
    params : dict
        Metadata; what has no entry per row stays as it is.
    rows : ndarray of int, or of bool of shape (n_rows,)
        The rows.
    n_rows : int
        Number of all rows.

    Returns
    -------
    params : dict
        The same names.

    Examples
    --------
    >>> from celltyping._utils._sub_estimators import sampled
    >>> sampled({"sample_weight": [1, 2, 3], "copy": True}, [0, 2], 3)
    {'sample_weight': [1, 3], 'copy': True}
    """
    return {
        name: _safe_indexing(value, rows) if is_per_row(value, n_rows) else value
        for name, value in params.items()
    }
