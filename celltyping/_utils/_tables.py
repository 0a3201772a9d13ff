"""Tables whose columns mean different things: find them, read them, replace them.

A column of a DataFrame goes by its name, a column of an array by its index.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from collections import Counter
from numbers import Integral

import numpy as np
from sklearn.utils.validation import check_array, validate_data

from celltyping._utils._labels import as_array, as_numbers, is_missing

# So many names an error lists at most.
MOST_NAMES = 20


def is_frame(X):
    """Tell whether `X` is a DataFrame of pandas.

    Parameters
    ----------
    X : object
        A table of any kind.

    Returns
    -------
    is_frame : bool
        True for a DataFrame. pandas is not imported for it.

    Examples
    --------
    >>> from celltyping._utils._tables import is_frame
    >>> is_frame([[1, 2]])
    False
    """
    return hasattr(X, "iloc") and hasattr(X, "columns")


def read_table(estimator, X, *, reset):
    """Check a table as far as the meaning of its columns does not matter.

    Parameters
    ----------
    estimator : estimator instance
        Gets `n_features_in_` and `feature_names_in_`, or is asked for them.
    X : {array-like, DataFrame} of shape (n_samples, n_features)
        The table.
    reset : bool
        True in `fit`; else number and names of the columns must be those of `fit`.

    Returns
    -------
    X : {ndarray, DataFrame} of shape (n_samples, n_features)
        The DataFrame itself, or an array of floats, which may be the input. NaN and
        infinity are still in it: `column_values` refuses them.

    Raises
    ------
    ValueError
        If X is no table, has no rows or other columns than in `fit`.
    TypeError
        If X is sparse.
    """
    if is_frame(X):
        validate_data(estimator, X, reset=reset, skip_check_array=True)
        if 0 in X.shape:
            raise ValueError(
                f"Found a DataFrame with {X.shape[0]} sample(s) and {X.shape[1]} "
                f"feature(s), but {type(estimator).__name__} needs 1 of each"
            )
        return X
    _refuse_text(X)
    return validate_data(
        estimator, X, dtype=np.float64, ensure_all_finite=False, reset=reset
    )


def read_array(X):
    """Return a table as :func:`read_table` does, with no memory of `fit`.

    Parameters
    ----------
    X : {array-like, DataFrame} of shape (n_samples, n_features)
        The table.

    Returns
    -------
    X : {ndarray, DataFrame} of shape (n_samples, n_features)
        The DataFrame itself, or an array of floats.
    """
    if is_frame(X):
        return X
    _refuse_text(X)
    return check_array(X, dtype=np.float64, ensure_all_finite=False)


def _refuse_text(X):
    """Refuse an array of two dimensions in which some entry is text, but no number."""
    array = np.asarray(X) if hasattr(X, "__array__") else None
    if array is None or array.ndim != 2 or array.dtype.kind not in "OUS":
        return
    for value in array.ravel():
        if isinstance(value, str):
            try:
                float(value)
            except ValueError:
                raise ValueError(
                    f"X is an array that holds text, such as {value!r}: pass a "
                    "DataFrame, whose columns go by name"
                ) from None


def column_names(X):
    """Return what the columns of a table go by.

    Parameters
    ----------
    X : {ndarray, DataFrame} of shape (n_samples, n_features)
        The table.

    Returns
    -------
    names : list of length n_features
        Names of a DataFrame; 0, 1, ... of an array.

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping._utils._tables import column_names
    >>> column_names(np.ones((5, 3)))
    [0, 1, 2]
    """
    return X.columns.tolist() if is_frame(X) else list(range(X.shape[1]))


def find_columns(X, columns, parameter):
    """Return where in a table columns stand.

    Parameters
    ----------
    X : {ndarray, DataFrame} of shape (n_samples, n_features)
        The table.
    columns : array-like of shape (n_columns,)
        Names for a DataFrame, indices for an array.
    parameter : str
        The parameter that names them, for the messages.

    Returns
    -------
    positions : list of int, of length n_columns
        Index of each column, in the order of `columns`.

    Raises
    ------
    ValueError
        If `columns` is empty or names a column twice, or X does not have all of them,
        or has one of them twice.

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping._utils._tables import find_columns
    >>> find_columns(np.ones((5, 3)), [2, 0], "columns")
    [2, 0]
    >>> find_columns(np.ones((5, 3)), [2, 7, "x"], "columns")
    Traceback (most recent call last):
        ...
    ValueError: columns names columns [7, 'x'], which X does not have: X is an array, \
and its 3 columns go by their index, 0 to 2
    """
    wanted = columns.tolist() if hasattr(columns, "tolist") else list(columns)
    if not wanted:
        raise ValueError(f"{parameter} must name one column or more, got {columns!r}")
    names = column_names(X)
    positions = dict(zip(reversed(names), reversed(range(len(names))), strict=True))
    by_index = not is_frame(X)
    missing = [
        name
        for name in wanted
        if name not in positions or (by_index and not _is_index(name))
    ]
    if missing:
        there = f"it has {shortened(names)}"
        if by_index:
            there = (
                f"X is an array, and its {len(names)} columns go by their index, 0 to "
                f"{len(names) - 1}"
            )
        raise ValueError(
            f"{parameter} names columns {missing}, which X does not have: {there}"
        )
    repeated = [name for name, n_times in Counter(wanted).items() if n_times > 1]
    if repeated:
        raise ValueError(f"{parameter} names {repeated} more than once: {wanted}")
    if len(positions) < len(names):
        n_columns = Counter(names)
        repeated = [name for name in wanted if n_columns[name] > 1]
        if repeated:
            raise ValueError(
                f"{parameter} names {repeated}, but X has several columns of that name"
            )
    return [positions[name] for name in wanted]


def column_values(X, positions):
    """Return columns of a table as finite numbers.

    Parameters
    ----------
    X : {ndarray, DataFrame} of shape (n_samples, n_features)
        The table.
    positions : array-like of shape (n_columns,), dtype=int
        Index of each column.

    Returns
    -------
    values : ndarray of shape (n_samples, n_columns), dtype=float64
        The columns in that order, one after the other in memory. A copy.

    Raises
    ------
    ValueError
        If a column holds something that is no number, NaN or infinity; the message
        names it.

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping._utils._tables import column_values
    >>> column_values(np.array([[0.0, 1.0, 2.0], [3.0, np.nan, 5.0]]), [2, 0])
    array([[2., 0.],
           [5., 3.]])
    >>> column_values(np.array([[0.0, 1.0], [3.0, np.nan]]), [1])
    Traceback (most recent call last):
        ...
    ValueError: column 1 of X contains NaN in 1 of 2 rows
    """
    names = column_names(X)
    values = np.empty((X.shape[0], len(positions)), order="F")
    for place, position in enumerate(positions):
        name = names[position]
        values[:, place] = _numbers(raw_column(X, position), name)
        _check_finite(values[:, place], name)
    return values


def raw_column(X, position):
    """Return one column of a table as an array, whatever it holds.

    Parameters
    ----------
    X : {ndarray, DataFrame} of shape (n_samples, n_features)
        The table.
    position : int
        Index of the column.

    Returns
    -------
    column : ndarray of shape (n_samples,)
        Its values; it may be a view of X.
    """
    return np.asarray(X.iloc[:, position]) if is_frame(X) else X[:, position]


def replace_columns(X, positions, values):
    """Return a copy of a table in which some columns have other values.

    Parameters
    ----------
    X : {ndarray, DataFrame} of shape (n_samples, n_features)
        The table. It is not changed.
    positions : array-like of shape (n_columns,), dtype=int
        Index of each column.
    values : ndarray of shape (n_samples, n_columns), dtype=float64
        The new values.

    Returns
    -------
    X : {ndarray, DataFrame} of shape (n_samples, n_features)
        A table of the same kind; a DataFrame keeps index, names and other columns.

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping._utils._tables import replace_columns
    >>> replace_columns(np.zeros((2, 3)), [1], np.array([[4.0], [5.0]]))
    array([[0., 4., 0.],
           [0., 5., 0.]])
    """
    X = X.copy()
    if is_frame(X):
        for place, position in enumerate(positions):
            X.isetitem(position, values[:, place].copy())
    else:
        X[:, positions] = values
    return X


def take_rows(values, rows):
    """Return rows of a table or entries of a vector, of the kind that was given.

    Parameters
    ----------
    values : {array-like, DataFrame, Series} of shape (n_samples,) or (n_samples, ...)
        Where to take from.
    rows : ndarray of shape (n_rows,), dtype=intp
        Which to take.

    Returns
    -------
    taken : {ndarray, DataFrame, Series} of shape (n_rows,) or (n_rows, ...)
        A copy; an array, if the input is neither of pandas nor an array.

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping._utils._tables import take_rows
    >>> take_rows(["as", "ss", "as"], np.array([0, 2])).tolist()
    ['as', 'as']
    """
    if hasattr(values, "iloc"):
        return values.iloc[rows]
    return as_array(values)[rows]


def encode_groups(X, position, *, member="row"):
    """Turn the column that names each row's group into integers.

    Parameters
    ----------
    X : {ndarray, DataFrame} of shape (n_samples, n_features)
        The table.
    position : int
        Index of the column.
    member : str, default="row"
        What a row is, for the messages.

    Returns
    -------
    names : ndarray of shape (n_groups,)
        The groups, sorted: numbers or strings.
    codes : ndarray of shape (n_samples,), dtype=intp
        Index of each row's group in `names`.

    Raises
    ------
    ValueError
        If a group is missing, or they are neither all strings nor all numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping._utils._tables import encode_groups
    >>> names, codes = encode_groups(np.array([[7.0, 0.3], [2.0, 0.5], [7.0, 0.1]]), 0)
    >>> names.tolist(), codes.tolist()
    ([2.0, 7.0], [1, 0, 1])
    """
    column, name = raw_column(X, position), column_names(X)[position]
    missing = is_missing(column)
    if missing.any():
        raise ValueError(
            f"column {name!r} of X must name the group of every {member}, but it is "
            f"missing in {missing.sum()} of {len(column)} rows, the first at position "
            f"{np.flatnonzero(missing)[0]}"
        )
    column = as_numbers(column)
    if column.dtype == object:
        kinds = sorted({type(value).__name__ for value in column})
        if kinds != ["str"]:
            raise ValueError(
                f"column {name!r} of X must hold strings or numbers alone, got "
                f"{', '.join(kinds)}"
            )
        column = column.astype(str)
    return np.unique(column, return_inverse=True)


def codes_of_groups(names, known):
    """Return where groups stand among those of `fit`.

    Parameters
    ----------
    names : ndarray of shape (n_groups,)
        Groups, strings or numbers.
    known : ndarray of shape (n_known,)
        The groups of `fit`.

    Returns
    -------
    codes : ndarray of shape (n_groups,), dtype=intp
        Index of each group in `known`; -1 if it is not there.

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping._utils._tables import codes_of_groups
    >>> codes_of_groups(np.array(["pv1", "cb2"]), np.array(["cb1", "cb2"])).tolist()
    [-1, 1]
    """
    place = {name: code for code, name in enumerate(known.tolist())}
    return np.array([place.get(name, -1) for name in names.tolist()], dtype=np.intp)


def shortened(names, most=MOST_NAMES):
    """Return names for a message: all of them, or the first and how many there are.

    Parameters
    ----------
    names : list
        Names of columns, neurons or groups.
    most : int, default=20
        So many at most.

    Returns
    -------
    text : str
        The names.

    Examples
    --------
    >>> from celltyping._utils._tables import shortened
    >>> shortened(["x", "y", "z"])
    "['x', 'y', 'z']"
    >>> shortened(["x", "y", "z"], most=2)
    "['x', 'y'] and 1 more"
    """
    more = len(names) - most
    return f"{names[:most]} and {more} more" if more > 0 else f"{names}"


def _is_index(name):
    """Tell an index from what merely equals one, such as True or 1.0."""
    return isinstance(name, Integral) and not isinstance(name, bool)


def _numbers(column, name):
    """Return a column as floats, NaN where a value is missing."""
    if column.dtype.kind in "biuf":
        return column.astype(np.float64)
    if column.dtype.kind in "mM":
        # From nanoseconds numpy would make integers, and so numbers of dates.
        column = column.astype(f"{column.dtype.kind}8[us]")
    column = column.astype(object)
    missing = is_missing(column)
    values = np.full(len(column), np.nan)
    try:
        values[~missing] = column[~missing].astype(np.float64)
    except (TypeError, ValueError) as exc:
        example = next(value for value in column[~missing] if not _is_number(value))
        raise ValueError(
            f"column {name!r} of X holds {example!r}, which is no number"
        ) from exc
    return values


def _check_finite(values, name):
    """Refuse a column with NaN or infinity."""
    for kind, found in [("NaN", np.isnan(values)), ("infinity", np.isinf(values))]:
        if found.any():
            raise ValueError(
                f"column {name!r} of X contains {kind} in {found.sum()} of "
                f"{len(found)} rows"
            )


def _is_number(value):
    """Tell whether a value, or what a text spells, is a real number."""
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
