"""What the parameters of NUMAP may be, alone and together."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from numbers import Integral, Real

from celltyping._utils._compat import Interval, StrOptions
from celltyping.transformers._embedding import out_of_sample

# Parameters, and with what values they need spectral coordinates of new samples.
_NEED_FRONT = {
    "learn_from": {"spectral", "both"},
    "residual": {True},
    "encoder_init": {"spectral"},
}

# Parameters of the layers that NUMAP makes.
_OWN_LAYERS = {"learn_from": "features", "residual": False, "encoder_init": "xavier"}

# Parameters that the networks of an earlier fit were made with.
_KEPT = (
    "n_components",
    "n_input_components",
    "spectral_components",
    "learn_from",
    "residual",
    "hidden_layer_sizes",
)


class NumapParameters:
    """The part of `NUMAP` that judges its parameters."""

    _parameter_constraints = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "min_dist": [Interval(Real, 0, None, closed="left")],
        "spread": [Interval(Real, 0, None, closed="neither")],
        "metric": [str, callable],
        "metric_params": [dict, None],
        "n_input_components": [Interval(Integral, 1, None, closed="left"), None],
        "spectral": [StrOptions({"exact", "grease"}), None],
        "spectral_components": [Interval(Integral, 1, None, closed="left")],
        "spectral_weight": [Interval(Real, 0, 1, closed="both")],
        "learn_from": [StrOptions({"features", "spectral", "both"})],
        "residual": ["boolean"],
        "encoder": "no_validation",
        "encoder_init": [StrOptions({"xavier", "identity", "one_hot", "spectral"})],
        "hidden_layer_sizes": ["array-like"],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "input_noise": [Interval(Real, 0, None, closed="left")],
        "n_anchors": [
            Interval(Integral, 0, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "decoder": "no_validation",
        "n_epochs": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "negative_sample_rate": [Interval(Integral, 0, None, closed="left")],
        "repulsion_strength": [Interval(Real, 0, None, closed="left")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "fine_tune_epochs": [
            Interval(Integral, 0, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "batch_size": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "densmap": ["boolean"],
        "dens_lambda": [Interval(Real, 0, None, closed="left")],
        "dens_frac": [Interval(Real, 0, 1, closed="both")],
        "dens_var_shift": [Interval(Real, 0, None, closed="neither")],
        "dens_subsample_size": [Interval(Integral, 2, None, closed="left")],
        "target_weight": [Interval(Real, 0, 1, closed="both")],
        "unlabeled_marker": "no_validation",
        "warm_start": ["boolean"],
        "callbacks": [list, None],
        "device": [str],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
    }

    def _check_parameters(self):
        """Refuse parameters that contradict each other."""
        needs = self._list_needs()
        if self.spectral_weight > 0:
            needs.append(f"spectral_weight={self.spectral_weight}")
        if self.spectral is None and needs:
            raise ValueError(
                f"{needs[0]} needs spectral coordinates, but spectral is None: use "
                "'exact' or 'grease'"
            )
        own = [
            f"{name}={getattr(self, name)!r}"
            for name, default in _OWN_LAYERS.items()
            if getattr(self, name) != default
        ]
        if self.encoder is not None and own:
            raise ValueError(
                f"{own[0]} is about the encoder that NUMAP makes, but encoder is one "
                "of your own, which gets the samples as they are"
            )
        if self.encoder_init == "spectral" and self.learn_from != "features":
            raise ValueError(
                "encoder_init='spectral' takes over a network that sees the features, "
                f"so learn_from must be 'features', got {self.learn_from!r}"
            )
        if self.min_dist > self.spread:
            raise ValueError(
                f"min_dist ({self.min_dist}) must be at most spread ({self.spread})"
            )
        sizes = [(w, isinstance(w, Integral) and w > 0) for w in self._hidden_sizes()]
        if not all(good for _, good in sizes):
            raise ValueError(
                "hidden_layer_sizes must be positive integers, got "
                f"{self.hidden_layer_sizes!r}"
            )

    def _hidden_sizes(self):
        """Return the widths of the hidden layers."""
        return tuple(self.hidden_layer_sizes)

    def _list_needs(self):
        """List what needs spectral coordinates of new samples."""
        return [
            f"{name}={getattr(self, name)!r}"
            for name, values in _NEED_FRONT.items()
            if getattr(self, name) in values
        ]

    def _list_kept(self):
        """List what the networks are made with."""
        kept = {name: getattr(self, name) for name in _KEPT}
        return {
            **kept,
            "hidden_layer_sizes": self._hidden_sizes(),
            "encoder": "NUMAP's own" if self.encoder is None else "one of your own",
            "metric": out_of_sample.directional(self.metric),
        }

    def _check_earlier(self):
        """Refuse parameters that do not go with an earlier fit."""
        for name, value in self._list_kept().items():
            if value != self._kept[name]:
                raise ValueError(
                    f"{name} is {value!r}, but was {self._kept[name]!r} in the fit "
                    "before, and with warm_start=True fit goes on from there"
                )
