"""Synapses of different neurons in one frame: centred, and turned to their own axes."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import warnings
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from celltyping._utils._compat import Interval, StrOptions, _fit_context
from celltyping._utils._restore import restore_on_error
from celltyping._utils._tables import (
    codes_of_groups,
    column_values,
    encode_groups,
    find_columns,
    read_table,
    replace_columns,
    shortened,
    take_rows,
)
from celltyping._utils._warnings import find_stack_level
from celltyping.transformers._registration import register, register_to

# So many neurons a message names at most.
MOST_NEURONS = 5


def mean_centers(coordinates, codes, n_neurons):
    """Return the mean coordinates of each neuron.

    Parameters
    ----------
    coordinates : ndarray of shape (n_synapses, n_dimensions)
        Coordinates.
    codes : ndarray of shape (n_synapses,), dtype=intp
        Index of each synapse's neuron.
    n_neurons : int
        Number of neurons, each with a synapse at least.

    Returns
    -------
    centers : ndarray of shape (n_neurons, n_dimensions)
        The means.

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping.transformers._neuron_aligner import mean_centers
    >>> mean_centers(np.array([[0.0], [2.0], [7.0]]), np.array([0, 0, 1]), 2)
    array([[1.],
           [7.]])
    """
    sums = [
        np.bincount(codes, weights=column, minlength=n_neurons)
        for column in coordinates.T
    ]
    return np.stack(sums, axis=1) / np.bincount(codes, minlength=n_neurons)[:, None]


def distance_bounds(distances, codes, n_neurons, iqr_factor):
    """Return how far from its neuron's centre a synapse may be to count.

    Parameters
    ----------
    distances : ndarray of shape (n_synapses,)
        Distance of each synapse from the centre.
    codes : ndarray of shape (n_synapses,), dtype=intp
        Index of each synapse's neuron.
    n_neurons : int
        Number of neurons, each with a synapse at least.
    iqr_factor : float
        How many interquartile ranges beyond the third quartile it may be.

    Returns
    -------
    bounds : ndarray of shape (n_neurons,)
        The largest distance that counts.

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping.transformers._neuron_aligner import distance_bounds
    >>> distances = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    >>> distance_bounds(distances, np.zeros(5, dtype=int), 1, 3.0)
    array([9.])
    """
    ordered = distances[np.lexsort((distances, codes))]
    counts = np.bincount(codes, minlength=n_neurons)
    starts = np.cumsum(counts) - counts

    def quantile(share):
        place = share * (counts - 1)
        below = np.floor(place).astype(np.intp)
        above = np.minimum(below + 1, counts - 1)
        low, high = ordered[starts + below], ordered[starts + above]
        return low + (place - below) * (high - low)

    third = quantile(0.75)
    return third + iqr_factor * (third - quantile(0.25))


def principal_axes(offsets, codes, n_neurons):
    """Return the principal axes of each neuron's synapses about its centre.

    Parameters
    ----------
    offsets : ndarray of shape (n_synapses, n_dimensions)
        Coordinates from the centre of the neuron.
    codes : ndarray of shape (n_synapses,), dtype=intp
        Index of each synapse's neuron.
    n_neurons : int
        Number of neurons.

    Returns
    -------
    axes : ndarray of shape (n_neurons, n_dimensions, n_dimensions)
        ``axes[i, :, k]`` is the k-th axis of neuron i, of length 1: an eigenvector of
        the second moment, the one of the largest eigenvalue first. Its largest
        component is positive; the first of them, if several are equal.

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping.transformers._neuron_aligner import principal_axes
    >>> offsets = np.array([[0.0, -2.0], [0.0, 2.0], [1.0, 0.0]])
    >>> np.abs(principal_axes(offsets, np.zeros(3, dtype=int), 1)[0])
    array([[0., 1.],
           [1., 0.]])
    """
    n_dimensions = offsets.shape[1]
    moments = np.empty((n_neurons, n_dimensions, n_dimensions))
    for i in range(n_dimensions):
        for j in range(i + 1):
            products = offsets[:, i] * offsets[:, j]
            sums = np.bincount(codes, weights=products, minlength=n_neurons)
            moments[:, i, j] = moments[:, j, i] = sums
    sizes, axes = np.linalg.eigh(moments)
    # A stable sort leaves the axes as they are where no direction stands out.
    order = np.argsort(-sizes, axis=1, kind="stable")
    axes = np.take_along_axis(axes, order[:, None, :], axis=2)
    largest = np.abs(axes).argmax(axis=1)[:, None, :]
    axes *= np.where(np.take_along_axis(axes, largest, axis=1) < 0, -1.0, 1.0)
    return axes


def turned(offsets, codes, axes):
    """Return coordinates along the axes of each synapse's neuron.

    Parameters
    ----------
    offsets : ndarray of shape (n_synapses, n_dimensions)
        Coordinates from the centre of the neuron.
    codes : ndarray of shape (n_synapses,), dtype=intp
        Index of each synapse's neuron.
    axes : ndarray of shape (n_neurons, n_dimensions, n_dimensions)
        The axes, in columns.

    Returns
    -------
    coordinates : ndarray of shape (n_synapses, n_dimensions)
        Multiplied and added one by one: a matrix product may add in another order for
        another number of rows, and a row alone would differ in its last bit.

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping.transformers._neuron_aligner import turned
    >>> axes = np.array([[[0.0, 1.0], [1.0, 0.0]]])
    >>> turned(np.array([[3.0, 4.0]]), np.array([0]), axes)
    array([[4., 3.]])
    """
    coordinates = np.empty_like(offsets)
    for k in range(offsets.shape[1]):
        total = offsets[:, 0] * axes[codes, 0, k]
        for i in range(1, offsets.shape[1]):
            total += offsets[:, i] * axes[codes, i, k]
        coordinates[:, k] = total
    return coordinates


class NeuronAligner(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Give the synapses of every neuron coordinates from its centre, along its axes.

    Neurons lie anywhere in a volume, turned any way; where on its neuron a synapse is
    can be compared between neurons only in a frame of each neuron's own. Its origin is
    the soma, or the mean of the synapses, and its axes are the principal axes of the
    synapses about it, the longest first. Each axis points the way in which its largest
    component is positive. New synapses of a known neuron get the frame of `fit`.

    Parameters
    ----------
    group : str or int, default=None
        The column that names the neuron: a name in a DataFrame, an index in an array.
        None: all rows are of one neuron.
    coordinates : array-like of shape (n_dimensions,), default=None
        The columns of the coordinates, most often three. None: all columns but those
        of `group` and `soma`.
    soma : array-like of shape (n_dimensions,), default=None
        The columns of the soma's coordinates, in the order of `coordinates`; the same
        in all rows of a neuron. None: the centre is the mean of the synapses that
        count.
    handle_unknown : {"error", "fit"}, default="error"
        What `transform` does with neurons that were not in `fit`: raise an error, or
        align each by a frame of the rows it gets, which is not stored.
    handle_small : {"error", "center"}, default="error"
        What is done with a neuron of fewer synapses than dimensions, for which axes
        mean nothing: raise an error, or centre it and do not turn it.
    iqr_factor : float, default=3.0
        Synapses farther from the centre than Q3 + `iqr_factor` (Q3 - Q1) of their
        neuron do not count for the frame, with Q1 and Q3 the quartiles of this
        distance: a few outliers could turn all others. None: all count.
    register : bool, default=False
        Whether neurons are then turned further, until the synapses of each lie where
        those of others do. For neurons that are built alike: principal axes depend on
        how many synapses a neuron has where, and this does not.

    Attributes
    ----------
    neurons_ : ndarray of shape (n_neurons,)
        The neurons of `fit`, sorted; 0 if `group` is None.
    centers_ : ndarray of shape (n_neurons, n_dimensions), dtype=float64
        Centre of each neuron.
    axes_ : ndarray of shape (n_neurons, n_dimensions, n_dimensions), dtype=float64
        ``axes_[i, :, k]`` is axis k of neuron i, of length 1.
    n_synapses_ : ndarray of shape (n_neurons,), dtype=intp
        Number of rows of each neuron in `fit`.
    n_far_ : ndarray of shape (n_neurons,), dtype=intp
        How many of them were too far from the centre to count.
    reference_ : ndarray of shape (n_references, n_dimensions)
        Some aligned synapses, onto which unknown neurons are turned. Defined only with
        ``register=True``.
    n_features_in_ : int
        Number of columns in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Defined only if a table with column names was fitted.

    See Also
    --------
    celltyping.ColumnWeighter : Says how much coordinates count beside areas.
    sklearn.decomposition.PCA : The axes of one table about its mean.

    Notes
    -----
    The coordinates are replaced; other columns stay as they are, `group` and `soma`
    included. A DataFrame gives a DataFrame with the same index, an array an array of
    floats.

    With centre c and the offsets of the synapses that count in the rows of P, the axes
    are the eigenvectors of PᵀP. About a soma this is not a covariance: the first axis
    may point from the soma to where the synapses are. If two eigenvalues are close, a
    few synapses more may turn the axes, and a component that is close to being the
    largest may flip one: neurons are compared best that are longer in one direction
    than in the others. The axes may be a reflection as well as a rotation.

    With ``register=True``, each neuron is turned about its centre by the rotation with
    the least squared distances from its synapses to the Gaussian-weighted means of
    those of other neurons, 15 times with ever narrower kernels, from 0.5 to 0.08 of the
    median distance of a synapse from the centre. A neuron of which an axis points the
    wrong way, as may happen to one with few synapses, stays so.

    A row's result depends on that row alone, to the last bit, but for neurons that
    ``handle_unknown="fit"`` lets in. Somas of new rows of known neurons are not read.

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
        """Find centre and axes of each neuron.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            One row per synapse.
        y : None, default=None
            Not used; here for scikit-learn's conventions.

        Returns
        -------
        self : NeuronAligner
            The fitted transformer.

        Raises
        ------
        ValueError
            If columns are missing, coordinates are not finite numbers, a synapse has
            no neuron, a neuron has several somas, or too few synapses and
            ``handle_small="error"``.

        Warns
        -----
        UserWarning
            If a neuron has too few synapses and ``handle_small="center"``.
        """
        X = read_table(self, X, reset=True)
        group, coordinates, soma = self._find_columns(X)
        neurons, codes = _encode(X, group)
        self._group, self._coordinates, self._soma = group, coordinates, soma
        vars(self).pop("reference_", None)
        frames = self._fit_frames(
            column_values(X, coordinates),
            column_values(X, soma),
            codes,
            neurons,
        )
        self.neurons_ = neurons
        self.centers_, self.axes_, self.n_synapses_, self.n_far_ = frames
        return self

    def transform(self, X):
        """Give synapses coordinates in the frame of their neuron.

        Parameters
        ----------
        X : {array-like, DataFrame} of shape (n_samples, n_features)
            One row per synapse. It is not changed.

        Returns
        -------
        X_new : {ndarray, DataFrame} of shape (n_samples, n_features)
            The same table with aligned coordinates.

        Raises
        ------
        ValueError
            If coordinates are not finite numbers, a synapse has no neuron, or its
            neuron was not in `fit` and ``handle_unknown="error"``.

        Warns
        -----
        UserWarning
            If an unknown neuron has too few synapses and ``handle_small="center"``.
        """
        check_is_fitted(self)
        X = read_table(self, X, reset=False)
        neurons, codes = _encode(X, self._group)
        known = codes_of_groups(neurons, self.neurons_)
        values = column_values(X, self._coordinates)
        centers, axes = self.centers_[known], self.axes_[known]
        unknown = np.flatnonzero(known < 0)
        if len(unknown):
            names = neurons[unknown]
            if self.handle_unknown == "error":
                raise ValueError(
                    f"X has synapses of neurons that were not in fit: "
                    f"{shortened(names.tolist(), MOST_NEURONS)}; "
                    "handle_unknown='fit' aligns each by its own synapses"
                )
            rows = np.flatnonzero(known[codes] < 0)
            somas = column_values(take_rows(X, rows), self._soma)
            own = np.searchsorted(unknown, codes[rows])
            frames = self._fit_frames(values[rows], somas, own, names)
            centers[unknown], axes[unknown] = frames[:2]
        offsets = values - centers[codes]
        return replace_columns(X, self._coordinates, turned(offsets, codes, axes))

    def _find_columns(self, X):
        """Return the positions of group (or None), coordinates and soma."""
        group = None
        if self.group is not None:
            group = find_columns(X, [self.group], "group")[0]
        soma = [] if self.soma is None else find_columns(X, self.soma, "soma")
        taken = {*soma, group}
        if self.coordinates is None:
            coordinates = [i for i in range(X.shape[1]) if i not in taken]
        else:
            coordinates = find_columns(X, self.coordinates, "coordinates")
        if group in soma or taken & set(coordinates):
            raise ValueError(
                f"group={self.group!r}, coordinates={self.coordinates!r} and "
                f"soma={self.soma!r} must name different columns"
            )
        if not coordinates:
            raise ValueError(
                "no column is left for coordinates: X has those of group and soma alone"
            )
        if self.soma is not None and len(soma) != len(coordinates):
            raise ValueError(
                f"soma names {len(soma)} columns, but there are {len(coordinates)} "
                "coordinates: each must have one"
            )
        return group, coordinates, soma

    def _fit_frames(self, values, somas, codes, neurons):
        """Return centres, axes, numbers of synapses and of those too far to count."""
        n_neurons, n_dimensions = len(neurons), values.shape[1]
        n_synapses = np.bincount(codes, minlength=n_neurons)
        few = n_synapses < n_dimensions
        if few.any():
            self._report_few(neurons[few], n_synapses[few], n_dimensions)
        if somas.shape[1]:
            centers = _one_soma_each(somas, codes, neurons)
        else:
            centers = mean_centers(values, codes, n_neurons)
        counted = np.ones(len(values), dtype=bool)
        if self.iqr_factor is not None:
            distances = np.sqrt(np.sum((values - centers[codes]) ** 2, axis=1))
            bounds = distance_bounds(distances, codes, n_neurons, self.iqr_factor)
            counted = distances <= bounds[codes]
            values, codes = values[counted], codes[counted]
            if not somas.shape[1]:
                centers = mean_centers(values, codes, n_neurons)
        offsets = values - centers[codes]
        axes = principal_axes(offsets, codes, n_neurons)
        axes[few] = np.eye(n_dimensions)
        if self.register:
            axes = self._registered(offsets[~few[codes]], codes[~few[codes]], axes)
        n_far = n_synapses - np.bincount(codes, minlength=n_neurons)
        return centers, axes, n_synapses, n_far

    def _registered(self, offsets, codes, axes):
        """Return axes of neurons that lie on each other, or on those of `fit`."""
        if hasattr(self, "reference_"):
            return register_to(offsets, codes, axes, self.reference_, self._size)
        axes, self.reference_, self._size = register(offsets, codes, axes)
        return axes

    def _report_few(self, neurons, n_synapses, n_dimensions):
        """Refuse neurons that have too few synapses, or warn of them."""
        if self.group is None:
            found = f"X has n_samples={n_synapses[0]}"
        else:
            pairs = zip(neurons.tolist(), n_synapses.tolist(), strict=True)
            found = (
                "X has neurons of few synapses: "
                f"{shortened([f'{name}: {n}' for name, n in pairs], MOST_NEURONS)}"
            )
        if self.handle_small == "error":
            raise ValueError(
                f"{found}, but {n_dimensions} axes need at least {n_dimensions} "
                "synapses of a neuron; handle_small='center' centres them without "
                "turning"
            )
        warnings.warn(
            f"{found}; {n_dimensions} axes need at least {n_dimensions}: they are "
            "centred, but not turned",
            UserWarning,
            stacklevel=find_stack_level(),
        )


def _encode(X, group):
    """Return the neurons of a table, and the index of each row's."""
    if group is None:
        return np.zeros(1, dtype=np.intp), np.zeros(X.shape[0], dtype=np.intp)
    return encode_groups(X, group, member="synapse")


def _one_soma_each(somas, codes, neurons):
    """Return the soma of each neuron, or name a neuron that has several."""
    # Of the rows of a neuron the last one stays.
    centers = np.empty((len(neurons), somas.shape[1]))
    centers[codes] = somas
    differ = (somas != centers[codes]).any(axis=1)
    if differ.any():
        row = np.flatnonzero(differ)[0]
        names = neurons[np.unique(codes[differ])].tolist()
        raise ValueError(
            f"a neuron has one soma, but X has several for "
            f"{shortened(names, MOST_NEURONS)}: {somas[row].tolist()} and "
            f"{centers[codes[row]].tolist()} for {neurons[codes[row]].item()!r}"
        )
    return centers
