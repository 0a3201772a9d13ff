"""Alignment of neurons by somas, principal axes and registration."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import warnings
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from celltyping._utils._compat import Interval, StrOptions, _fit_context
from celltyping._utils._messages import list_names
from celltyping._utils._restore import restore_on_error
from celltyping._utils._sub_estimators import remove_attributes
from celltyping._utils._tables import (
    column_values,
    encode_groups,
    find_columns,
    find_distinct_rows,
    find_groups,
    list_unknown,
    replace_columns,
    take_rows,
    validate_table,
)
from celltyping._utils._warnings import find_stack_level
from celltyping.transformers._registration import register, register_to

# Ratio of lengths from which two units differ: the geometric mean of 1 and 1000.
UNIT_RATIO = 1000**0.5


def mean_centers(coordinates, codes, n_neurons):
    """Return the mean of each neuron's coordinates, of shape (n_neurons, n_dim).

    `codes` contains the index of each row's neuron; each neuron has at least one row.
    """
    sums = [
        np.bincount(codes, weights=column, minlength=n_neurons)
        for column in coordinates.T
    ]
    return np.stack(sums, axis=1) / np.bincount(codes, minlength=n_neurons)[:, None]


def distance_bounds(distances, codes, n_neurons, iqr_factor):
    """Return upper fences of the distances from each neuron's centre.

    Parameters
    ----------
    distances : ndarray of shape (n_synapses,)
        Distance of each synapse from the centre.
    codes : ndarray of shape (n_synapses,), dtype=intp
        Index of each synapse's neuron.
    n_neurons : int
        Number of neurons, each with at least one synapse.
    iqr_factor : float
        Number of interquartile ranges between the third quartile and the fence.

    Returns
    -------
    bounds : ndarray of shape (n_neurons,)
        Third quartile plus `iqr_factor` times the interquartile range.
    """
    ordered = distances[np.lexsort((distances, codes))]
    counts = np.bincount(codes, minlength=n_neurons)
    starts = np.cumsum(counts) - counts

    def quantile(q):
        position = q * (counts - 1)
        below = np.floor(position).astype(np.intp)
        above = np.minimum(below + 1, counts - 1)
        low, high = ordered[starts + below], ordered[starts + above]
        return low + (position - below) * (high - low)

    third = quantile(0.75)
    with np.errstate(over="ignore"):  # a huge factor: no outliers
        return third + iqr_factor * (third - quantile(0.25))


def principal_axes(offsets, codes, n_neurons):
    """Return the principal axes of each neuron's synapses about its centre.

    Parameters
    ----------
    offsets : ndarray of shape (n_synapses, n_dimensions)
        Coordinates relative to the centre of the neuron.
    codes : ndarray of shape (n_synapses,), dtype=intp
        Index of each synapse's neuron.
    n_neurons : int
        Number of neurons.

    Returns
    -------
    axes : ndarray of shape (n_neurons, n_dimensions, n_dimensions)
        ``axes[i, :, k]`` is the k-th axis of neuron i: a unit eigenvector of the second
        moment, in decreasing order of eigenvalues. Its largest component (the first of
        equal ones) is positive.
    """
    n_dimensions = offsets.shape[1]
    moments = np.empty((n_neurons, n_dimensions, n_dimensions))
    for i in range(n_dimensions):
        for j in range(i + 1):
            products = offsets[:, i] * offsets[:, j]
            sums = np.bincount(codes, weights=products, minlength=n_neurons)
            moments[:, i, j] = moments[:, j, i] = sums
    eigenvalues, axes = np.linalg.eigh(moments)
    # A stable sort keeps the axes of the volume if all eigenvalues are equal.
    order = np.argsort(-eigenvalues, axis=1, kind="stable")
    axes = np.take_along_axis(axes, order[:, None, :], axis=2)
    largest = np.abs(axes).argmax(axis=1)[:, None, :]
    axes *= np.where(np.take_along_axis(axes, largest, axis=1) < 0, -1.0, 1.0)
    return axes


def rotate(offsets, codes, axes):
    """Return coordinates along the axes of each synapse's neuron.

    Parameters
    ----------
    offsets : ndarray of shape (n_synapses, n_dimensions)
        Coordinates relative to the centre of the neuron.
    codes : ndarray of shape (n_synapses,), dtype=intp
        Index of each synapse's neuron.
    axes : ndarray of shape (n_neurons, n_dimensions, n_dimensions)
        Axes, in columns.

    Returns
    -------
    coordinates : ndarray of shape (n_synapses, n_dimensions)
        Rotated coordinates. The order of additions is fixed: a matrix product may use
        another order for another number of rows, which changes the last bit.
    """
    coordinates = np.empty_like(offsets)
    for k in range(offsets.shape[1]):
        total = offsets[:, 0] * axes[codes, 0, k]
        for i in range(1, offsets.shape[1]):
            total += offsets[:, i] * axes[codes, i, k]
        coordinates[:, k] = total
    return coordinates


class NeuronAligner(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Transform the synapses of each neuron to coordinates along its own axes.

    Neurons have any position and orientation in a volume; positions of synapses are
    comparable between neurons only in a coordinate system of each neuron. Its origin is
    the soma, or the mean of the synapses, and its axes are the principal axes of the
    synapses about the origin, the longest first. The largest component of each axis is
    positive. New synapses of a known neuron get the coordinate system of `fit`.

    Parameters
    ----------
    group : str or int, default=None
        Column that contains the neuron: a name in a DataFrame, an index in an array.
        None: all rows are of one neuron.
    coordinates : array-like of shape (n_dimensions,), default=None
        Columns of the coordinates, usually three. None: all columns except `group` and
        `soma`.
    soma : array-like of shape (n_dimensions,), default=None
        Columns of the soma's coordinates, in the order of `coordinates`; equal in all
        rows of a neuron. None: the centre is the mean of the synapses within the bound
        of `iqr_factor`.
    handle_unknown : {"error", "fit"}, default="error"
        Treatment of neurons in `transform` that were not in `fit`. "error": raise an
        error. "fit": align each by its rows in X, without storing the result.
    handle_small : {"error", "center"}, default="error"
        Treatment of neurons with fewer synapses than dimensions, whose axes are
        undefined. "error": raise an error. "center": centre them without rotation.
    iqr_factor : float, default=3.0
        Synapses farther from the centre than Q3 + `iqr_factor` (Q3 - Q1) are left out
        of the fit, where Q1 and Q3 are the quartiles of the distances of their neuron:
        a few outliers could rotate all other synapses. None: all synapses are used.
    register : bool, default=False
        Whether neurons are then rotated onto each other, to correct principal axes for
        different numbers of synapses in the same place. Use it only for neurons of the
        same shape.

    Attributes
    ----------
    neurons_ : ndarray of shape (n_neurons,)
        Neurons of `fit`, sorted; 0 if `group` is None.
    centers_ : ndarray of shape (n_neurons, n_dimensions), dtype=float64
        Centre of each neuron.
    axes_ : ndarray of shape (n_neurons, n_dimensions, n_dimensions), dtype=float64
        ``axes_[i, :, k]`` is axis k of neuron i, of length 1.
    n_synapses_ : ndarray of shape (n_neurons,), dtype=intp
        Number of synapses of each neuron in `fit`, at different positions.
    n_far_ : ndarray of shape (n_neurons,), dtype=intp
        Number of them beyond the bound of `iqr_factor`.
    reference_ : ndarray of shape (n_references, n_dimensions)
        Some aligned synapses, onto which unknown neurons are rotated. Defined only with
        ``register=True``.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Defined only if X has feature names that are all strings.

    See Also
    --------
    celltyping.ColumnWeighter : Weights of coordinates and other columns.
    sklearn.decomposition.PCA : Principal axes of one table about its mean.

    Notes
    -----
    Other columns, including `group` and `soma`, stay as they are. A DataFrame gives a
    DataFrame with the same index, an array an array of dtype float64.

    Synapses of a neuron with the same coordinates count once.

    With the centre c and the offsets of the synapses within the bound as the rows of P,
    the axes are the eigenvectors of PᵀP. About a soma this is not a covariance: the
    first axis may point from the soma to the synapses. If two eigenvalues, or two
    components of an axis, are close, few additional synapses may rotate or flip axes:
    alignment is most reliable for elongated neurons. The axes may be a rotation or a
    reflection.

    With ``register=True``, each neuron is rotated about its centre by the rotation with
    the least squared distances from its synapses to the Gaussian-weighted means of
    those of other neurons, 15 times with ever narrower kernels, from 0.5 to 0.08 of the
    median distance of a synapse from the centre. This does not correct an axis of the
    wrong sign, which may occur in neurons with few synapses.

    The result of a row depends on that row alone, bit by bit, except for neurons that
    were not in `fit`. Somas of new rows of known neurons are not used.

    Examples
    --------
    >>> import pandas as pd
    >>> from celltyping import NeuronAligner
    >>> synapses = pd.DataFrame(
    ...     {
    ...         "NeuronId": ["cb1", "cb1", "cb1", "pv3", "pv3", "pv3"],
    ...         "x": [1.0, 3.0, 2.0, 10.0, 10.0, 11.5],
    ...         "y": [5.0, 5.0, 5.5, 0.0, 4.0, 2.0],
    ...     }
    ... )
    >>> aligner = NeuronAligner("NeuronId", coordinates=["x", "y"]).fit(synapses)
    >>> aligner.transform(synapses).round(2)
      NeuronId    x     y
    0      cb1 -1.0 -0.17
    1      cb1  1.0 -0.17
    2      cb1  0.0  0.33
    3      pv3 -2.0 -0.50
    4      pv3  2.0 -0.50
    5      pv3  0.0  1.00
    """

    _parameter_constraints = {
        "group": [str, Integral, None],
        "coordinates": ["array-like", None],
        "soma": ["array-like", None],
        "handle_unknown": [StrOptions({"error", "fit"})],
        "handle_small": [StrOptions({"center", "error"})],
        "iqr_factor": [Interval(Real, 0, None, closed="left"), None],
        "register": ["boolean"],
    }

    def __init__(
        self,
        group=None,
        *,
        coordinates=None,
        soma=None,
        handle_unknown="error",
        handle_small="error",
        iqr_factor=3.0,
        register=False,
    ):
        self.group = group
        self.coordinates = coordinates
        self.soma = soma
        self.handle_unknown = handle_unknown
        self.handle_small = handle_small
        self.iqr_factor = iqr_factor
        self.register = register

    @_fit_context(prefer_skip_nested_validation=True)
    @restore_on_error
    def fit(self, X, y=None):
        """Compute centre and axes of each neuron.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Table with one row per synapse.
        y : None, default=None
            Ignored.

        Returns
        -------
        self : NeuronAligner
            Fitted transformer.

        Raises
        ------
        ValueError
            If columns are missing, coordinates are not finite numbers, the neuron of a
            synapse is missing, a neuron has several somas, or too few synapses and
            ``handle_small="error"``.

        Warns
        -----
        UserWarning
            If a neuron has too few synapses and ``handle_small="center"``, or most
            somas lie so far outside their synapses that their unit seems to be another.
        """
        X = validate_table(self, X, reset=True)
        group, coordinates, soma = self._find_columns(X)
        neurons, codes = _encode_neurons(X, group)
        self._group, self._coordinates, self._soma = group, coordinates, soma
        self._iqr_factor, self._registers = self.iqr_factor, self.register
        remove_attributes(self, "reference_")
        self.centers_, self.axes_, self.n_synapses_, self.n_far_ = self._fit_frames(
            self._values(X, coordinates), self._values(X, soma), codes, neurons
        )
        self.neurons_ = neurons
        return self

    def transform(self, X):
        """Transform synapses to the coordinate system of their neuron.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            Table with one row per synapse. It is not changed.

        Returns
        -------
        X_new : {ndarray, DataFrame} of shape (n_samples, n_features)
            The same table with aligned coordinates.

        Raises
        ------
        ValueError
            If coordinates are not finite numbers, the neuron of a synapse is missing,
            or was not in `fit` and ``handle_unknown="error"``.

        Warns
        -----
        UserWarning
            If an unknown neuron has too few synapses and ``handle_small="center"``.
        """
        check_is_fitted(self)
        X = validate_table(self, X, reset=False)
        neurons, codes = _encode_neurons(X, self._group)
        known = find_groups(neurons, self.neurons_)
        values = self._values(X, self._coordinates)
        centers, axes = self.centers_[known], self.axes_[known]
        unknown = np.flatnonzero(known < 0)
        if len(unknown):
            if self.handle_unknown != "fit":
                raise ValueError(
                    "X has synapses of neurons that were not in fit: "
                    f"{list_unknown(neurons[unknown], self.neurons_)}; "
                    "handle_unknown='fit' aligns each by its own synapses"
                )
            rows = np.flatnonzero(known[codes] < 0)
            somas = self._values(take_rows(X, rows), self._soma)
            new_codes = np.searchsorted(unknown, codes[rows])
            centers[unknown], axes[unknown], _, _ = self._fit_frames(
                values[rows], somas, new_codes, neurons[unknown]
            )
        aligned = rotate(values - centers[codes], codes, axes)
        return replace_columns(X, self._coordinates, aligned)

    def _find_columns(self, X):
        """Return the positions of group (or None), coordinates and soma."""
        group = None
        if self.group is not None:
            group = find_columns(X, [self.group], "group")[0]
        soma = [] if self.soma is None else find_columns(X, self.soma, "soma")
        others = {*soma, group}
        if self.coordinates is None:
            coordinates = [i for i in range(X.shape[1]) if i not in others]
        else:
            coordinates = find_columns(X, self.coordinates, "coordinates")
        if group in soma or others & set(coordinates):
            raise ValueError(
                f"group={self.group!r}, coordinates={self.coordinates!r} and "
                f"soma={self.soma!r} must name different columns"
            )
        if not coordinates:
            raise ValueError(
                "X must have columns of coordinates, besides those of group and soma"
            )
        if self.soma is not None and len(soma) != len(coordinates):
            raise ValueError(
                f"soma names {len(soma)} columns, but there are {len(coordinates)} "
                "coordinates: each must have one"
            )
        return group, coordinates, soma

    def _values(self, X, positions):
        """Return columns as finite numbers that can be squared."""
        return column_values(X, positions, type(self).__name__)

    def _fit_frames(self, values, somas, codes, neurons):
        """Fit the coordinate systems of neurons.

        Parameters
        ----------
        values, somas : ndarray of shape (n_synapses, n_dimensions)
            Coordinates of synapses, and of their neurons' somas (or without columns).
        codes : ndarray of shape (n_synapses,), dtype=intp
            Index of each synapse's neuron.
        neurons : ndarray of shape (n_neurons,)
            Neurons, for messages.

        Returns
        -------
        centers, axes, n_synapses, n_far : ndarray of shape (n_neurons, ...)
            As the attributes of these names.
        """
        n_neurons, n_dimensions = len(neurons), values.shape[1]
        if somas.shape[1]:
            centers = self._find_somas(somas, codes, neurons)
        rows = find_distinct_rows(np.column_stack([codes, values]))[0]
        if len(rows) < len(values):
            values, codes = values[rows], codes[rows]
        n_synapses = np.bincount(codes, minlength=n_neurons)
        is_small = n_synapses < n_dimensions
        if is_small.any():
            self._report_small(neurons[is_small], n_synapses[is_small], n_dimensions)
        means = mean_centers(values, codes, n_neurons)
        if somas.shape[1]:
            _warn_of_units(values, codes, means, centers)
        else:
            centers = means
        if self._iqr_factor is not None:
            distances = np.sqrt(np.sum((values - centers[codes]) ** 2, axis=1))
            bounds = distance_bounds(distances, codes, n_neurons, self._iqr_factor)
            is_near = distances <= bounds[codes]
            values, codes = values[is_near], codes[is_near]
            if not somas.shape[1]:
                centers = mean_centers(values, codes, n_neurons)
        offsets = values - centers[codes]
        axes = principal_axes(offsets, codes, n_neurons)
        axes[is_small] = np.eye(n_dimensions)
        if self._registers:
            is_large = ~is_small[codes]
            axes = self._register(offsets[is_large], codes[is_large], axes)
        n_far = n_synapses - np.bincount(codes, minlength=n_neurons)
        return centers, axes, n_synapses, n_far

    def _register(self, offsets, codes, axes):
        """Return axes of neurons rotated onto each other, or onto those of `fit`."""
        if hasattr(self, "reference_"):
            return register_to(offsets, codes, axes, self.reference_, self._size)
        axes, self.reference_, self._size = register(offsets, codes, axes)
        return axes

    def _find_somas(self, somas, codes, neurons):
        """Return the soma of each neuron, or raise if a neuron has several."""
        # The last row of each neuron is stored.
        centers = np.empty((len(neurons), somas.shape[1]))
        centers[codes] = somas
        differ = (somas != centers[codes]).any(axis=1)
        if differ.any():
            row = np.flatnonzero(differ)[0]
            found = f"{somas[row].tolist()} and {centers[codes[row]].tolist()}"
            if self._group is None:
                raise ValueError(
                    "without a column of neurons, all rows of X are of one neuron and "
                    f"must have one soma, but X has several, such as {found}: name the "
                    "column of neurons, or pass soma=None"
                )
            raise ValueError(
                "each neuron must have one soma, but X has several for "
                f"{list_names(neurons[np.unique(codes[differ])])}: {found} for "
                f"{neurons[codes[row]].item()!r}"
            )
        return centers

    def _report_small(self, neurons, n_synapses, n_dimensions):
        """Raise or warn because of neurons with too few synapses."""
        if self._group is None:
            found = f"X has n_samples={n_synapses[0]}"
        else:
            pairs = zip(neurons.tolist(), n_synapses.tolist(), strict=True)
            found = (
                "X has neurons with few synapses: "
                f"{list_names([f'{name}: {n}' for name, n in pairs])}"
            )
        if self.handle_small != "center":
            raise ValueError(
                f"{found}, but {n_dimensions} axes need at least {n_dimensions} "
                "synapses of a neuron; handle_small='center' centres them without "
                "rotation"
            )
        warnings.warn(
            f"{found}; {n_dimensions} axes need at least {n_dimensions}, so they are "
            "centred without rotation",
            UserWarning,
            stacklevel=find_stack_level(),
        )


def _encode_neurons(X, group):
    """Return the neurons in a table, and the index of each row's neuron."""
    if group is None:
        return np.zeros(1, dtype=np.intp), np.zeros(X.shape[0], dtype=np.intp)
    return encode_groups(X, group, member="synapse")


def _warn_of_units(values, codes, means, somas):
    """Warn if most somas seem to have another unit than their neurons' synapses.

    Parameters
    ----------
    values : ndarray of shape (n_synapses, n_dimensions)
        Coordinates of synapses.
    codes : ndarray of shape (n_synapses,), dtype=intp
        Index of each synapse's neuron.
    means, somas : ndarray of shape (n_neurons, n_dimensions)
        Mean of each neuron's synapses, and its soma.
    """
    low, high = means.copy(), means.copy()
    np.minimum.at(low, codes, values)
    np.maximum.at(high, codes, values)
    is_outside = ((somas < low) | (somas > high)).any(axis=1)
    sizes = np.sort([np.linalg.norm(each, axis=1) for each in (somas, means)], axis=0)
    is_apart = is_outside & (sizes[0] > 0) & (sizes[0] < sizes[1] / UNIT_RATIO)
    if 2 * is_apart.sum() > len(somas):
        warnings.warn(
            f"the somas of {is_apart.sum()} of {len(somas)} neurons lie far outside "
            f"their synapses: the coordinates of synapses extend from {values.min():g} "
            f"to {values.max():g}, those of somas from {somas.min():g} to "
            f"{somas.max():g}; use the same unit, such as µm, for both",
            UserWarning,
            stacklevel=find_stack_level(),
        )
