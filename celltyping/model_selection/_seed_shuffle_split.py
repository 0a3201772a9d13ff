"""Random splits of partly labelled data into seeds and test samples."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numbers

import numpy as np
from sklearn.model_selection import BaseShuffleSplit
from sklearn.utils import check_random_state

from celltyping._utils._labels import encode_types
from celltyping._utils._validation import is_integer

_STRATEGIES = ("at_least_one_per_class", "uniform", "exactly_k_per_class", "stratified")


class SeedShuffleSplit(BaseShuffleSplit):
    """Random splits of partly labelled data into seeds and test samples.

    The training fold consists of seeds: a subset of the samples of known type. The test
    fold consists of other samples of known type. (``cv=5`` is wrong for partly labelled
    data: it tests on samples of unknown type, and trains on four fifths of the types
    where a user may know a twentieth.)

    Parameters
    ----------
    n_splits : int, default=10
        Number of splits.
    train_size : float or int, default=0.1
        Number of seeds. A float between 0 and 1 is a fraction of the samples of known
        type, rounded; an int is the number of seeds, or for "exactly_k_per_class",
        which takes no float, the number of seeds per type.
    strategy : {"at_least_one_per_class", "uniform", "exactly_k_per_class", \
            "stratified"}, default="at_least_one_per_class"
        Sampling of the seeds from the samples of known type:

        - "at_least_one_per_class": one of each type, the others from all remaining
          samples with equal probability. The only sample of a type is always a seed
          and never tested.
        - "uniform": with equal probability. Small types may be tested without a seed.
        - "exactly_k_per_class": `train_size` of each type. A type of exactly this size
          is never tested; a smaller one raises an error.
        - "stratified": of each type in proportion to its size, but at least one.

        Fewer seeds than types raise an error unless the strategy is "uniform".
    test_size : float or int, default=None
        Number of test samples, or a fraction of the samples of known type. None: all
        that are not seeds.
    include_unlabeled : bool, default=False
        Whether to add the samples of unknown type to every training fold, as
        semi-supervised learning on a table needs. Not needed for a `Connectome`, whose
        graph contains these nodes anyway.
    unlabeled_marker : "auto", scalar or list of scalars, default="auto"
        Values that mean unknown in `y`, beside "?", None, NaN and blank strings.
        "auto": -1 among integers.
    random_state : int, RandomState instance or None, default=None
        Source of randomness. Pass an int for the same splits in every call of `split`.

    See Also
    --------
    celltyping.metrics.make_typed_scorer : Scorer for test folds of other splitters.
    sklearn.model_selection.StratifiedShuffleSplit : Splits of fully labelled data.

    Notes
    -----
    Indices are sorted. "stratified" assigns one seed to each type and the others by the
    Sainte-Laguë method, with random ties. The test samples for a `test_size` are those
    that would have been the next seeds.

    Examples
    --------
    >>> import numpy as np
    >>> from celltyping.model_selection import SeedShuffleSplit
    >>> y = np.array(["KC", "PN", "?", "KC", "KC", "?", "PN"])
    >>> splitter = SeedShuffleSplit(n_splits=2, train_size=2, random_state=0)
    >>> for train, test in splitter.split(y, y):
    ...     print(train, y[train], test, y[test])
    [1 3] ['PN' 'KC'] [0 4 6] ['KC' 'KC' 'PN']
    [0 1] ['KC' 'PN'] [3 4 6] ['KC' 'KC' 'PN']
    """

    def __init__(
        self,
        n_splits=10,
        *,
        train_size=0.1,
        strategy="at_least_one_per_class",
        test_size=None,
        include_unlabeled=False,
        unlabeled_marker="auto",
        random_state=None,
    ):
        self.n_splits = n_splits
        self.train_size = train_size
        self.strategy = strategy
        self.test_size = test_size
        self.include_unlabeled = include_unlabeled
        self.unlabeled_marker = unlabeled_marker
        self.random_state = random_state

    def split(self, X, y=None, groups=None):
        """Generate the indices of training and test folds.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or Connectome
            Data, of which only the number of samples is used.
        y : array-like of shape (n_samples,), default=None
            Types; some of them may be unknown. Required: None, the default in
            scikit-learn's signature, raises an error.
        groups : object, default=None
            Ignored; exists for compatibility.

        Yields
        ------
        train : ndarray of shape (n_train,), dtype=intp
            Sorted indices of the seeds, and of the samples of unknown type if
            `include_unlabeled`.
        test : ndarray of shape (n_test,), dtype=intp
            Sorted indices of the test samples.

        Raises
        ------
        ValueError
            If a parameter is out of range, there are too few samples, or no type is
            known.
        """
        yield from super().split(X, y, groups)

    def _iter_indices(self, X, y=None, groups=None):
        """Yield the indices of each split, for scikit-learn's `split`."""
        self._check_parameters()
        classes, codes = encode_types(
            y, self.unlabeled_marker, caller=type(self).__name__, min_types=1
        )
        labelled = np.flatnonzero(codes >= 0)
        unlabelled = np.flatnonzero(codes < 0)
        types = codes[labelled]
        n_seeds, n_test = self._n_seeds_and_test(classes, np.bincount(types))
        rng = check_random_state(self.random_state)
        for _ in range(self.n_splits):
            order = labelled[self._order(types, rng)]
            train, test = order[:n_seeds], order[n_seeds : n_seeds + n_test]
            if self.include_unlabeled:
                train = np.concatenate([train, unlabelled])
            yield np.sort(train), np.sort(test)

    def _order(self, types, rng):
        """Return a random order of the labelled samples, seeds first."""
        shuffled = rng.permutation(types.size)
        if self.strategy == "uniform":
            return shuffled
        # Rank of each sample among those of its type, in the shuffled order.
        by_type = np.argsort(types[shuffled], kind="stable")
        n_per_type = np.bincount(types)
        starts = np.repeat(np.cumsum(n_per_type) - n_per_type, n_per_type)
        rank = np.empty(types.size, dtype=np.intp)
        rank[by_type] = np.arange(types.size) - starts
        if self.strategy == "exactly_k_per_class":
            turn = rank >= self.train_size
        elif self.strategy == "at_least_one_per_class":
            turn = rank > 0
        else:
            turn = np.where(rank == 0, 0, (rank + 0.5) / n_per_type[types[shuffled]])
        return shuffled[np.argsort(turn, kind="stable")]

    def _n_seeds_and_test(self, classes, n_per_type):
        """Return the numbers of seeds and of test samples, or raise a ValueError."""
        n_labelled, n_types = n_per_type.sum(), len(classes)
        if self.strategy == "exactly_k_per_class":
            n_seeds = self.train_size * n_types
            smaller = np.flatnonzero(n_per_type < self.train_size)
            if smaller.size:
                first = smaller[0]
                raise ValueError(
                    f"train_size={self.train_size} seeds per type are too many for "
                    f"{smaller.size} of the {n_types} known types in y: "
                    f"{classes.tolist()[first]!r} has {n_per_type[first]}. Mark such "
                    "types as unknown or use another strategy"
                )
        else:
            n_seeds = _n_samples_of(self.train_size, n_labelled)
        found = (
            f"train_size={self.train_size} is {n_seeds} seeds of {n_labelled} samples "
            "of known type"
        )
        if n_seeds < 1:
            raise ValueError(f"{found}: it must be at least 1")
        if self.strategy != "uniform" and n_seeds < n_types:
            raise ValueError(
                f"{found}, but strategy={self.strategy!r} needs at least one of each "
                f"of the {n_types} types"
            )
        if n_seeds >= n_labelled:
            raise ValueError(f"{found}: no test samples remain")
        if self.test_size is None:
            return n_seeds, n_labelled - n_seeds
        n_test = _n_samples_of(self.test_size, n_labelled)
        if not 1 <= n_test <= n_labelled - n_seeds:
            raise ValueError(
                f"test_size={self.test_size} is {n_test} of {n_labelled} samples of "
                f"known type, but with {n_seeds} seeds it must be from 1 to "
                f"{n_labelled - n_seeds}"
            )
        return n_seeds, n_test

    def _check_parameters(self):
        """Raise a ValueError for parameters that are invalid for all data."""
        if not is_integer(self.n_splits) or self.n_splits < 1:
            raise ValueError(
                f"n_splits must be an integer of at least 1, got {self.n_splits!r}"
            )
        if not (isinstance(self.strategy, str) and self.strategy in _STRATEGIES):
            raise ValueError(
                f"strategy must be one of {', '.join(map(repr, _STRATEGIES))}, got "
                f"{self.strategy!r}"
            )
        if not isinstance(self.include_unlabeled, (bool, np.bool_)):
            raise ValueError(
                f"include_unlabeled must be True or False, got "
                f"{self.include_unlabeled!r}"
            )
        _check_size("train_size", self.train_size)
        if self.test_size is not None:
            _check_size("test_size", self.test_size)
        if self.strategy == "exactly_k_per_class" and not is_integer(self.train_size):
            raise ValueError(
                "train_size must be an integer, the number of seeds of each type, with "
                f"strategy='exactly_k_per_class', got {self.train_size!r}"
            )


def _check_size(name, size):
    """Raise a ValueError for a size that is neither a number nor a fraction."""
    is_fraction = isinstance(size, numbers.Real) and 0 < size < 1
    if not is_fraction and not (is_integer(size) and size >= 1):
        raise ValueError(
            f"{name} must be a float between 0 and 1 or an integer of at least 1, got "
            f"{size!r}"
        )


def _n_samples_of(size, n_labelled):
    """Convert a size to a number of samples."""
    return size if is_integer(size) else round(size * n_labelled)
