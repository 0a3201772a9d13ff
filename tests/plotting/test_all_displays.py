"""What holds for every display."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import inspect

import numpy as np
import pytest

from celltyping import plotting

DISPLAYS = [getattr(plotting, name) for name in plotting.__all__]

# What the methods that need it are asked for.
NEEDED = {
    plotting.TypeEmbeddingDisplay: {"compare": ("PN", "KC")},
    plotting.TypeCompositionDisplay: {"predicted_type": "PN"},
    plotting.EmbeddingDisplay: {"color": ["KC", "PN", "LHN", "?"] * 10},
}

# What an estimator has, so that only the method without one asks for it.
KNOWN_TO_THE_ESTIMATOR = {
    plotting.ClusterCostDisplay: {"chosen"},
    plotting.EmbeddingDisplay: {"new_embedding", "axis_names", "loss_curve"},
    plotting.FeaturePairsDisplay: {"X_new", "new_color"},
    plotting.TransferDisplay: {"start_name", "end_name", "unlabeled_marker"},
}


def from_data(display):
    """Return the method that makes a display without an estimator."""
    if display is plotting.ClusterCostDisplay:
        return display.from_path
    if display is plotting.MarkerGenesDisplay:
        return display.from_expression
    return display.from_predictions


def draw(display, wiring, **options):
    """Draw a display of the connectome's types, or of what else it is made for."""
    connectome, types = wiring
    method = from_data(display)
    data = (types, types)
    if "connectome" in inspect.signature(method).parameters:
        data = (connectome, types)
    elif display is plotting.ClusterCostDisplay:
        data = ([1, 2, 4, 8], [0.9, 0.5, 0.4, 0.3])
    elif display is plotting.ClusterPersistenceDisplay:
        data = (types, [0.5] * len(types), [0.1, 0.4, 0.9])
    elif display is plotting.FeaturePairsDisplay:
        data = (connectome.adjacency[:, :3].toarray(), types)
    elif display is plotting.EmbeddingDisplay:
        data = (connectome.adjacency[:, :2].toarray(),)
    elif display is plotting.MarkerGenesDisplay:
        data = (np.log1p(connectome.adjacency), types, range(40))
    return method(*data, **NEEDED.get(display, {}), **options)


def options_of(method):
    """Return {name: default} of a method's keyword-only parameters."""
    return {
        name: parameter.default
        for name, parameter in inspect.signature(method).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


@pytest.mark.parametrize("display", DISPLAYS)
def test_both_ways_have_the_options_of_plot(display):
    without = options_of(from_data(display))
    plot = options_of(display.plot)
    assert {name: without[name] for name in plot} == plot
    for name in KNOWN_TO_THE_ESTIMATOR.get(display, ()):
        del without[name]
    assert options_of(display.from_estimator) == without


@pytest.mark.parametrize("display", DISPLAYS)
def test_what_is_stored_is_enough_to_draw_again(display, wiring):
    first = draw(display, wiring)
    stored = inspect.signature(display).parameters
    again = display(**{name: getattr(first, name) for name in stored})
    assert not hasattr(again, "ax_")
    assert again.plot() is again
    assert again.ax_.get_title() == first.ax_.get_title()


@pytest.mark.parametrize("display", DISPLAYS)
def test_draws_into_a_subfigure(display, wiring, pyplot):
    figure = pyplot.figure(figsize=(10, 4), layout="constrained")
    part = figure.subfigures(1, 2)[1]
    drawn = draw(display, wiring, ax=part.subplots())
    assert drawn.figure_ is part
    figure.draw_without_rendering()


@pytest.mark.parametrize("display", DISPLAYS)
def test_draws_on_small_axes(display, wiring, pyplot):
    figure, axes = pyplot.subplots(2, 2, figsize=(5, 4), layout="constrained")
    drawn = draw(display, wiring, ax=axes[0, 1])
    figure.draw_without_rendering()
    width, height = drawn.ax_.get_window_extent().size
    assert min(width, height) > 20
