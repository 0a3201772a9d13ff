"""What the parameters of ItClustClassifier may be, and what "auto" stands for."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from numbers import Integral, Real

import numpy as np

from celltyping._utils._compat import Interval, StrOptions

# Widths of the layers, the latent last, for up to so many labelled cells.
WIDTHS = ((10_000, (64,)), (np.inf, (128,)))

# Entries are left out of a training step where cells have at least so many genes.
MANY_FEATURES = 200

# Least number of training steps for few labelled cells and for many: one per cell
# between. And how many times as many cells are drawn as there are, at least.
MIN_STEPS, MIN_EPOCHS = (100, 300), 2


class ItClustParameters:
    """The part of `ItClustClassifier` that judges and completes its parameters."""

    _parameter_constraints = {
        "hidden_layer_sizes": [StrOptions({"auto"}), "array-like"],
        "n_networks": [Interval(Integral, 1, None, closed="left")],
        "alpha": [Interval(Real, 0, None, closed="neither")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "input_dropout": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="left")],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "scaling": [StrOptions({"auto", "unit", "standard"}), None],
        "batch_size": [Interval(Integral, 2, None, closed="left")],
        "max_epochs": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "pretrain_epochs": [Interval(Integral, 0, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "adaptation": [StrOptions({"auto", "always", "never"})],
        "shrinkage": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, 1, closed="left")],
        "reject_threshold": [Interval(Real, 0, None, closed="neither"), None],
        "unlabeled_marker": "no_validation",
        "callbacks": [list, None],
        "device": [str],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def _check_widths(self):
        """Refuse widths that no layer can have."""
        widths = self.hidden_layer_sizes
        if isinstance(widths, str):
            return
        if len(widths) == 0 or not all(
            isinstance(width, Integral) and width > 0 for width in widths
        ):
            raise ValueError(
                "hidden_layer_sizes must be 'auto' or at least one positive integer, "
                f"got {widths!r}"
            )

    def _check_unknown_label(self):
        """Refuse a type that has the name of rejected cells."""
        if self.reject_threshold is None:
            return
        kind = self.classes_.dtype.kind
        if kind == "b" or self._unknown_label() in self.classes_:
            raise ValueError(
                "reject_threshold gives cells the type "
                f"{self._unknown_label()!r}, which must not be a type in y, got the "
                f"types {self.classes_.tolist()}"
            )

    def _unknown_label(self):
        """Return the type of rejected cells."""
        return "unknown" if self.classes_.dtype.kind in "OUS" else -1

    def _widths(self, n_labelled):
        """Return the width of each layer."""
        if isinstance(self.hidden_layer_sizes, str):
            return next(widths for most, widths in WIDTHS if n_labelled <= most)
        return tuple(int(width) for width in self.hidden_layer_sizes)

    def _input_dropout(self, n_features):
        """Return the share of the genes that are left out in a training step."""
        if self.input_dropout == "auto":
            return 0.5 if n_features >= MANY_FEATURES else 0.0
        return self.input_dropout

    def _max_epochs(self, n_labelled):
        """Return how many epochs the networks learn types."""
        if self.max_epochs == "auto":
            steps = -(-n_labelled // self.batch_size)
            min_steps = int(np.clip(n_labelled, *MIN_STEPS))
            return max(-(-min_steps // steps), MIN_EPOCHS)
        return self.max_epochs
