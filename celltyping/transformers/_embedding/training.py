"""Training of the encoder and the decoder of NUMAP."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import copy
from typing import NamedTuple

import numpy as np
from scipy import sparse

from celltyping._utils._compat import use_python_numbers
from celltyping._utils._optional import import_optional
from celltyping._utils._validation import is_integer
from celltyping.transformers._embedding.distances import check_without_features
from celltyping.transformers._embedding.neighbors import fuzzy_graph, nearest_neighbors
from celltyping.transformers._embedding.out_of_sample import (
    OutOfSampleMap,
    directional,
    flatten,
    resolve_n_anchors,
)

# Epochs of fine-tuning if they are "auto", where the network may suffice without
# anchors: where before them it keeps four fifths of the neighbours that anchors keep.
# Digits and MNIST have 0.5 to 0.6, clusters 0.8 to 0.9, circles, curves and surfaces
# more.
FINE_TUNE_EPOCHS, WORTH_TUNING = 20, 0.8

# Number of spectral coordinates with init="spectral".
N_SPECTRAL = 10

# Parameters of a perceptron, which do not apply to a network of the user; the first
# one is the decoder's, too.
OF_PERCEPTRON = (
    "hidden_layer_sizes",
    "dropout",
    "input_noise",
    "weights",
    "inputs",
    "residual",
)

# Maximum number of training samples in the trial of a network without anchors, and
# minimum number of those held out: with fewer, there are anchors.
N_TRIAL, MIN_HELD_OUT = 4000, 25


class Samples(NamedTuple):
    """Training samples as features, principal components and spectral coordinates."""

    features: np.ndarray
    reduced: np.ndarray | None
    coordinates: np.ndarray | None

    def take(self, rows):
        """Return some samples; what there is not stays None."""
        return Samples(*(None if part is None else part[rows] for part in self))


def import_networks(caller):
    """Import `_nn._training`; an error names the extra that installs what it needs."""
    try:
        from celltyping._nn import _training
    except ImportError:
        for package in ("torch", "skorch"):
            import_optional(package, extra="nn", needed_by=caller)
        raise
    return _training


def check_hidden_layer_sizes(sizes):
    """Raise an error unless all widths are positive integers."""
    if not all(is_integer(size) and size > 0 for size in tuple(sizes)):
        raise ValueError(f"hidden_layer_sizes must be positive integers, got {sizes!r}")


def is_string(value, name):
    """Return whether a parameter that may be an array is this string."""
    return isinstance(value, str) and value == name


def check_parameters(numap, encoder):
    """Raise an error if parameters are wrong or contradict each other."""
    init, spectral_weight = numap.init, numap.spectral_weight
    check_without_features(numap)
    module = encoder.module
    if module is not None and (
        isinstance(module, type) or not hasattr(module, "forward")
    ):
        raise TypeError(
            "encoder must be an MLPEncoder, such as MLPEncoder(dropout=0.1), or an "
            f"instance of torch.nn.Module, got {module!r}"
        )
    use_python_numbers(encoder)
    encoder._validate_params()
    check_hidden_layer_sizes(encoder.hidden_layer_sizes)
    has_perceptron = not is_own_decoder(numap.decoder) and bool(numap.decoder)
    for name in OF_PERCEPTRON[has_perceptron:] if module is not None else ():
        value, default = getattr(encoder, name), getattr(type(encoder)(), name)
        if (tuple(value) if name == "hidden_layer_sizes" else value) != default:
            raise ValueError(
                f"{name}={value!r} is a parameter of the perceptron, but module is a "
                "network of your own, whose inputs are the samples as they are; leave "
                f"it at {default!r}"
            )
    if encoder.weights == "spectral" and encoder.inputs != "features":
        raise ValueError(
            "weights='spectral' copies a network whose inputs are the features, so "
            f"inputs must be 'features', got {encoder.inputs!r}"
        )
    needs = list_spectral_needs(encoder)
    if spectral_weight > 0:
        needs.append(f"spectral_weight={spectral_weight}")
    has_solver = hasattr(init, "solver")
    if needs and not has_solver and not is_string(init, "spectral"):
        given = "'pca'" if is_string(init, "pca") else "an array"
        raise ValueError(
            f"{needs[0]} needs spectral coordinates, but init is {given}: use "
            "'spectral' or a GrEASE"
        )
    if encoder.weights == "spectral" and has_solver:
        if init.solver != "minibatch" and init.n_anchors != 0:
            raise ValueError(
                "weights='spectral' copies the network of init, but this GrEASE has "
                "none: set its n_anchors to 0 or its solver to 'minibatch'"
            )
        sizes = tuple(init.hidden_layer_sizes)
        if sizes != tuple(encoder.hidden_layer_sizes):
            raise ValueError(
                "weights='spectral' copies the network of init, whose "
                f"hidden_layer_sizes are {sizes}, but those of the encoder are "
                f"{tuple(encoder.hidden_layer_sizes)}"
            )


def check_init(numap, n_samples):
    """Raise an error if `init` is a GrEASE that is wrong for NUMAP and the samples."""
    if not hasattr(numap.init, "solver"):
        return
    numap.init._validate_params()
    numap.init._check_parameters(n_samples)
    kinds = [is_string(other.metric, "precomputed") for other in (numap, numap.init)]
    if kinds[0] != kinds[1]:
        raise ValueError(
            "X is either a table or distances, but metric is "
            f"{numap.metric!r} and that of init, a GrEASE, is {numap.init.metric!r}: "
            "set both or neither to 'precomputed'"
        )


def describe_networks(numap, encoder):
    """Return the settings that a warm start cannot change."""
    n_coordinates = None
    if list_spectral_needs(encoder):
        n_coordinates = getattr(numap.init, "n_components", N_SPECTRAL)
    return {
        "n_components": numap.n_components,
        "n_input_components": numap.n_input_components,
        "inputs": encoder.inputs,
        "residual": encoder.residual,
        "hidden_layer_sizes": tuple(encoder.hidden_layer_sizes),
        "the number of spectral coordinates": n_coordinates,
        "encoder": "a perceptron" if encoder.module is None else "one of your own",
        "metric": "precomputed"
        if is_string(numap.metric, "precomputed")
        else directional(numap.metric),
    }


def check_warm_start(before, numap, encoder):
    """Raise an error if a setting differs from the one of an earlier fit."""
    for name, value in describe_networks(numap, encoder).items():
        if value != before[name]:
            raise ValueError(
                f"{name} is {value!r}, but was {before[name]!r} in the fit before, and "
                "with warm_start=True fit continues from there"
            )


def count_coordinates(numap, encoder, n_samples):
    """Return the number of spectral coordinates, None without."""
    if is_string(numap.init, "spectral"):
        n_coordinates = min(N_SPECTRAL, n_samples - 2)
    elif hasattr(numap.init, "solver"):
        n_coordinates = numap.init.n_components
    else:
        return None
    needs = list_spectral_needs(encoder)
    least = numap.n_components if encoder.residual else 1
    if needs and n_coordinates < least:
        raise ValueError(
            f"{needs[0]} needs at least {least} spectral coordinates, but init gives "
            f"{n_coordinates} for {n_samples} samples"
        )
    return n_coordinates


def list_spectral_needs(encoder):
    """List the settings that need spectral coordinates of new samples."""
    needs = {"inputs": ("spectral", "both"), "residual": (True,)}
    needs["weights"] = ("spectral",)
    return [
        f"{name}={getattr(encoder, name)!r}"
        for name, values in needs.items()
        if getattr(encoder, name) in values
    ]


def fit_map(
    samples,
    layout,
    graph,
    forces,
    *,
    pca,
    encoder,
    n_anchors,
    n_neighbors,
    anchors_needed,
    earlier,
    spectral_net,
    **run,
):
    """Fit the map from features to positions in a layout.

    Parameters
    ----------
    samples : Samples
        The training samples.
    layout : ndarray of shape (n_samples, n_components)
        Their positions.
    graph : csr_array of shape (n_samples, n_samples)
        The fuzzy graph.
    forces : Forces
        Forces of the layout.
    pca : InputPCA
        Reduction of the features.
    encoder : MLPEncoder
        Parameters of the network.
    n_anchors : int or "auto"
        Number of anchors.
    n_neighbors : int
        Number of neighbours in the graph of the trial without anchors.
    anchors_needed : bool
        Whether ``n_anchors="auto"`` means anchors without a trial.
    earlier : OutOfSampleMap or None
        Map of the fit before, whose network is trained further.
    spectral_net : skorch.NeuralNet or None
        Network of GrEASE, whose hidden layers are copied.
    **run
        `device`, `seed` and `verbose` of the trainings, see `regress`.

    Returns
    -------
    mapping : OutOfSampleMap
        The map.
    loss_curve : ndarray of shape (n_epochs,)
        Mean loss of each epoch of the training.
    fine_tune_loss_curve : ndarray of shape (n_fine_tune_epochs,) or None
        Mean loss of each epoch of fine-tuning, None without.
    """
    from celltyping._nn._training import regress

    mapping = _start_map(layout, pca, encoder, earlier)
    inputs = mapping.network_inputs(*samples)
    targets = mapping.standardize(layout)
    learnt = None if spectral_net is None else spectral_net.module_
    module = _make_module(
        encoder, inputs, layout.shape[1], run["seed"], learnt, earlier
    )
    options = {**_training_options(encoder), "callbacks": encoder.callbacks, **run}
    mapping.net = regress(
        module,
        inputs,
        targets,
        max_epochs=encoder.max_epochs,
        description="encoder",
        **options,
    )
    loss_curve = np.array(mapping.net.history[:, "train_loss"])
    trial = n_anchors == "auto" and not anchors_needed
    n_anchors = resolve_n_anchors(n_anchors, len(layout))
    if trial:
        fresh = _make_module(encoder, inputs, layout.shape[1], run["seed"], learnt)
        data = fresh, inputs, samples.reduced, layout
        if _network_suffices(mapping, *data, encoder, forces, n_neighbors, options):
            n_anchors = 0
    n_epochs = encoder.fine_tune_epochs
    if n_epochs == "auto":
        n_epochs = FINE_TUNE_EPOCHS if n_anchors == 0 else 0
    fine_tune_loss_curve = None
    if n_epochs > 0:
        from celltyping._nn._losses import fine_tune

        mapping.net = fine_tune(
            module,
            inputs,
            targets,
            graph,
            scale=mapping.scale,
            forces=forces,
            max_epochs=n_epochs,
            **options,
        )
        fine_tune_loss_curve = np.array(mapping.net.history[:, "train_loss"])
    mapping.set_anchors(samples.reduced, layout, n_anchors=n_anchors, seed=run["seed"])
    return mapping, loss_curve, fine_tune_loss_curve


def _training_options(encoder):
    """Return the parameters that the trainings of encoder and decoder share."""
    return {name: getattr(encoder, name) for name in ("batch_size", "learning_rate")}


def _start_map(layout, pca, encoder, earlier):
    """Make a map without a network, in the units of an earlier one if there is one."""
    if earlier is not None:
        centre, scale = earlier.centre, earlier.scale
    else:
        centre = layout.mean(axis=0)
        scale = float((layout - centre).std()) or 1.0
    return OutOfSampleMap(
        pca,
        centre,
        scale,
        inputs="raw" if encoder.module is not None else encoder.inputs,
        residual=encoder.residual,
    )


def _make_module(encoder, inputs, n_components, seed, learnt, earlier=None):
    """Make the network of an encoder, or copy the one of an earlier map.

    The hidden layers of `learnt`, a perceptron, are copied if it is given.
    """
    from celltyping._nn._training import check_module, make_perceptron

    if earlier is not None:
        module = copy.deepcopy(earlier.net.module_)
        if encoder.module is None:
            module.set_noise(dropout=encoder.dropout, noise=encoder.input_noise)
        return module
    if encoder.module is not None:
        return check_module(
            encoder.module,
            inputs,
            n_components,
            parameter="encoder",
            unit="n_components",
        )
    return make_perceptron(
        inputs.shape[1] - (n_components if encoder.residual else 0),
        tuple(encoder.hidden_layer_sizes),
        n_components,
        seed=seed,
        dropout=encoder.dropout,
        noise=encoder.input_noise,
        weights="xavier" if encoder.weights == "spectral" else encoder.weights,
        residual=encoder.residual,
        hidden_from=learnt,
    )


def _network_suffices(
    mapping, module, inputs, reduced, layout, encoder, forces, n_neighbors, options
):
    """Return whether the network alone keeps as many neighbours of new samples.

    A fresh network, `module`, learns one half of the training samples, or of 4,000 of
    them. The other half is mapped by it alone, and by it with the first half as
    anchors. The arguments are those of `fit_map`, with the options of its training.
    """
    from celltyping._nn._training import predict_float64, regress

    options = {**options, "callbacks": None, "verbose": False}
    order = np.random.RandomState(options["seed"]).permutation(len(layout))[:N_TRIAL]
    known, new = np.array_split(order, 2)
    if len(new) < MIN_HELD_OUT:
        return False
    targets = mapping.standardize(layout)[known]

    def score():
        output = predict_float64(module, inputs[new], options["device"])
        return mapping.score(reduced, output, layout, known, new)

    regress(
        module,
        inputs[known],
        targets,
        max_epochs=encoder.max_epochs,
        description="encoder on trial",
        **options,
    )
    alone, with_anchors = score()
    n_epochs = encoder.fine_tune_epochs
    if n_epochs == "auto":
        n_epochs = FINE_TUNE_EPOCHS if alone >= WORTH_TUNING * with_anchors else 0
    if n_epochs > 0:
        from celltyping._nn._losses import fine_tune

        table = reduced[known].astype(np.float32)
        n_neighbors = min(n_neighbors, len(known) - 1)
        fine_tune(
            module,
            inputs[known],
            targets,
            fuzzy_graph(*nearest_neighbors(table, n_neighbors, random_state=0)),
            scale=mapping.scale,
            forces=forces._replace(density=None),
            max_epochs=n_epochs,
            **options,
        )
        alone, with_anchors = score()
    return alone >= with_anchors


def fit_decoder(decoder, mapping, samples, embedding, encoder, earlier, **run):
    """Train the decoder, from positions to features, and return its net.

    Parameters
    ----------
    decoder : torch.nn.Module or True
        Network of the user, or True for a perceptron.
    mapping : OutOfSampleMap
        The map that it inverts.
    samples : Samples
        The training samples.
    embedding : ndarray of shape (n_samples, n_components)
        Their positions.
    encoder : MLPEncoder
        Parameters of the perceptron's layers and of the training.
    earlier : skorch.NeuralNet or None
        Decoder of the fit before, which is trained further if it is of the same kind.
    **run
        See `fit_map`.
    """
    from celltyping._nn._training import (
        Perceptron,
        check_module,
        make_perceptron,
        regress,
    )

    positions = mapping.standardize(embedding)
    own = is_own_decoder(decoder)
    targets = mapping.pca.network_inputs(samples.reduced)
    if own:
        targets = flatten(samples.features)
        targets = targets.toarray() if sparse.issparse(targets) else targets
    n_features = targets.shape[1]
    if earlier is not None and own != isinstance(earlier.module_, Perceptron):
        module = copy.deepcopy(earlier.module_)
    elif own:
        unit = "the features of X"
        module = check_module(
            decoder, positions, n_features, parameter="decoder", unit=unit
        )
    else:
        widths = positions.shape[1], tuple(encoder.hidden_layer_sizes), n_features
        module = make_perceptron(*widths, seed=run["seed"])
    return regress(
        module,
        positions,
        targets,
        max_epochs=encoder.max_epochs,
        description="decoder",
        **_training_options(encoder),
        **run,
    )


def has_decoder(decoder):
    """Return whether a decoder is wanted."""
    return is_own_decoder(decoder) or bool(decoder)


def is_own_decoder(decoder):
    """Return whether `decoder` is a network of the user."""
    return not isinstance(decoder, (bool, np.bool_))
