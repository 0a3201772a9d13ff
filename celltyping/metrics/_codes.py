"""True and predicted types as integers of one code."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
from sklearn.utils import check_consistent_length, column_or_1d

from celltyping._utils._labels import as_array, encode_types


def encode_pair(y_true, y_pred, unlabeled_marker, *, caller):
    """Encode predictions like the known types that they are compared with.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Types; rows where it is unknown are left out.
    y_pred : array-like of shape (n_samples,) or (n_samples, n_ranks)
        Predicted types.
    unlabeled_marker : "auto" or scalar
        What means unknown, in both.
    caller : str
        The function's name, for the messages.

    Returns
    -------
    types : ndarray of shape (n_types,)
        What occurs in `y_true` or in `y_pred`, sorted.
    true : ndarray of shape (n_known,), dtype=intp
        Index in `types` of each known type.
    pred : ndarray of shape (n_known,) or (n_known, n_ranks), dtype=intp
        Index in `types` of each prediction for these rows; -1 where it says unknown.

    Raises
    ------
    ValueError
        If the lengths differ, no type is known, or one of the two holds text and the
        other numbers.

    Examples
    --------
    >>> from celltyping.metrics._codes import encode_pair
    >>> types, true, pred = encode_pair(
    ...     ["KC", "?", "PN"], ["KC", "KC", "LHN"], "auto", caller="this example"
    ... )
    >>> types.tolist(), true.tolist(), pred.tolist()
    (['KC', 'LHN', 'PN'], [0, 2], [0, 1])
    """
    check_consistent_length(y_true, y_pred)
    y_true = column_or_1d(as_array(y_true))
    y_pred = as_array(y_pred)
    flat = y_pred.ravel()
    if (y_true.dtype.kind in "OUS") != (flat.dtype.kind in "OUS"):
        # Joined as they are, numbers would become text.
        y_true, flat = y_true.astype(object), flat.astype(object)
    # Together, since whether -1 means unknown depends on all values there are.
    types, codes = encode_types(
        np.concatenate([y_true, flat]), unlabeled_marker, caller=caller, min_types=1
    )
    true = codes[: y_true.size]
    pred = codes[y_true.size :].reshape(y_pred.shape)
    known = true >= 0
    if not known.any():
        raise ValueError(
            f"{caller} needs labelled samples, but all {y_true.size} types in y_true "
            f"are unknown (unlabeled_marker={unlabeled_marker!r})"
        )
    return types, true[known], pred[known]
