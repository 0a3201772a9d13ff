"""How NUMAP learns its encoder and its decoder."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import copy

import numpy as np
from scipy import sparse

from celltyping._kernels._fuzzy import fuzzy_graph
from celltyping.transformers._embedding import out_of_sample
from celltyping.transformers._embedding.neighbors import nearest_neighbors

# Epochs on UMAP's own loss, where the network may do without anchors: where before them
# it keeps four fifths of the neighbours that anchors keep. Digits and MNIST have 0.5 to
# 0.6, clusters 0.8 to 0.9, circles, curves and surfaces more.
FINE_TUNE_EPOCHS, WORTH_TUNING = 20, 0.8


# Training samples that are looked at to tell whether anchors help, and how many of them
# at least have to be held out: fewer have anchors.
N_JUDGED, N_WORTH_JUDGING = 4000, 25


def has_decoder(estimator):
    """Tell whether there is a way back."""
    return has_own_decoder(estimator) or bool(estimator.decoder)


def has_own_decoder(estimator):
    """Tell whether the way back is a network of the user."""
    return not isinstance(estimator.decoder, (bool, np.bool_))


class NumapNetworks:
    """The part of `NUMAP` that makes and trains networks."""

    def _learn_encoder(
        self,
        X,
        reduced,
        reduction,
        coordinates,
        radii,
        curve,
        earlier,
        supervised,
        seed,
    ):
        """Learn to place samples where the layout has them."""
        from celltyping._nn import _encoder

        columns_scale = reduced.std()
        takes = {"features": "columns", "spectral": "coordinates"}
        centre = self.layout_.mean(axis=0)
        placement = out_of_sample.Placement(
            reduction,
            centre,
            float((self.layout_ - centre).std()) or 1.0,
            input_scale=1.0 / columns_scale if columns_scale > 0 else 1.0,
            takes="features"
            if self.encoder is not None
            else takes.get(self.learn_from, "both"),
            residual=self.residual,
        )
        if earlier is not None:
            placement.input_scale = earlier.input_scale
            placement.centre, placement.scale = earlier.centre, earlier.scale
        inputs = placement.inputs(X, reduced, coordinates)
        module = self._make_encoder(inputs, earlier, seed)
        targets = placement.standardized(self.layout_)
        training = {
            "learning_rate": self.learning_rate,
            "callbacks": self.callbacks,
            "device": self.device_,
            "verbose": self.verbose,
            "batch_size": self.batch_size,
            "seed": seed,
        }
        placement.net = _encoder.regress(
            module,
            inputs,
            targets,
            max_epochs=self.max_epochs,
            description="encoder",
            **training,
        )
        self.loss_curve_ = np.array(placement.net.history[:, "train_loss"])
        self.n_iter_ = len(self.loss_curve_)
        vars(self).pop("fine_tune_loss_curve_", None)
        n_anchors, n_epochs = self._n_anchors(len(reduced)), self.fine_tune_epochs
        tuning = {
            "scale": placement.scale,
            "curve": curve,
            "negative_sample_rate": self.negative_sample_rate,
            "repulsion_strength": self.repulsion_strength,
        }
        if self.n_anchors == "auto" and not supervised and self.spectral_weight == 0:
            trial = {**training, "callbacks": None, "verbose": False}
            if self._does_alone(placement, inputs, reduced, targets, trial, tuning):
                n_anchors = 0
        if n_epochs == "auto":
            n_epochs = FINE_TUNE_EPOCHS if n_anchors == 0 else 0
        if n_epochs > 0:
            density = (radii, self.dens_lambda, self.dens_var_shift)
            placement.net = _encoder.fine_tune(
                module,
                inputs,
                targets,
                self.graph_,
                density=(*density, self.dens_subsample_size) if self.densmap else None,
                max_epochs=n_epochs,
                **tuning,
                **training,
            )
            losses = np.array(placement.net.history[:, "train_loss"])
            self.fine_tune_loss_curve_ = losses
        self.n_anchors_ = n_anchors
        placement.remember(reduced, self.layout_, n_anchors=n_anchors, seed=seed)
        return placement

    def _does_alone(self, placement, inputs, reduced, targets, training, tuning):
        """Tell whether the network alone keeps as many neighbours of new samples.

        A network like it learns one half of the training samples, or of 4,000 of them.
        The other half is placed by it alone, and by it with the first half as anchors.
        """
        from celltyping._nn import _encoder
        from celltyping._nn._training import predict_float64

        seed = training["seed"]
        order = np.random.RandomState(seed).permutation(len(reduced))[:N_JUDGED]
        known, new = np.array_split(order, 2)
        if len(new) < N_WORTH_JUDGING:
            return False
        module = self._make_encoder(inputs, None, seed)

        def score():
            proposed = predict_float64(module, inputs[new], self.device_)
            return placement.judge(reduced, proposed, self.layout_, known, new)

        _encoder.regress(
            module,
            inputs[known],
            targets[known],
            max_epochs=self.max_epochs,
            description="encoder on trial",
            **training,
        )
        alone, with_anchors = score()
        n_epochs = self.fine_tune_epochs
        if n_epochs == "auto":
            n_epochs = FINE_TUNE_EPOCHS if alone >= WORTH_TUNING * with_anchors else 0
        if n_epochs > 0:
            some = reduced[known].astype(np.float32)
            n_neighbors = min(self.n_neighbors, len(known) - 1)
            graph = fuzzy_graph(*nearest_neighbors(some, n_neighbors, random_state=0))
            _encoder.fine_tune(
                module,
                inputs[known],
                targets[known],
                graph,
                density=None,
                max_epochs=n_epochs,
                **tuning,
                **training,
            )
            alone, with_anchors = score()
        return alone >= with_anchors

    def _n_anchors(self, n_samples):
        """Return how many training samples are remembered."""
        if self.n_anchors == "auto":
            return min(n_samples, out_of_sample.MAX_ANCHORS)
        return min(n_samples, self.n_anchors)

    def _make_encoder(self, inputs, earlier, seed):
        """Make the encoder, or take it over from an earlier fit."""
        from celltyping._nn import _encoder

        if earlier is not None:
            module = copy.deepcopy(earlier.net.module_)
            if self.encoder is None:
                module.set_noise(dropout=self.dropout, noise=self.input_noise)
            return module
        if self.encoder is not None:
            return _encoder.check_module(
                self.encoder,
                inputs,
                self.n_components,
                parameter="encoder",
                unit="n_components",
            )
        spectral = self.encoder_init == "spectral"
        return _encoder.make_perceptron(
            inputs.shape[1] - (self.n_components if self.residual else 0),
            self._hidden_sizes(),
            self.n_components,
            seed=seed,
            dropout=self.dropout,
            noise=self.input_noise,
            weights="xavier" if spectral else self.encoder_init,
            residual=self.residual,
            hidden_from=self.spectral_.net_.module_ if spectral else None,
        )

    def _learn_decoder(self, X, reduced, earlier, seed):
        """Learn the way back from places to features."""
        from celltyping._nn import _encoder
        from celltyping._nn._modules import Perceptron

        placement = self._placement
        places = placement.standardized(self.embedding_)
        own = has_own_decoder(self)
        targets = self._flat(X) if own else reduced * placement.input_scale
        if sparse.issparse(targets):
            targets = targets.toarray()
        before = vars(self).get("decoder_net_") if earlier is not None else None
        if before is not None and own != isinstance(before.module_, Perceptron):
            module = copy.deepcopy(before.module_)
        elif own:
            module = _encoder.check_module(
                self.decoder,
                places,
                targets.shape[1],
                parameter="decoder",
                unit="the features of X",
            )
        else:
            module = _encoder.make_perceptron(
                self.n_components, self._hidden_sizes(), targets.shape[1], seed=seed
            )
        return _encoder.regress(
            module,
            places,
            targets,
            batch_size=self.batch_size,
            max_epochs=self.max_epochs,
            learning_rate=self.learning_rate,
            description="decoder",
            device=self.device_,
            verbose=self.verbose,
            seed=seed,
        )
