"""What holds for every display."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import inspect

import pytest

from celltyping import plotting

DISPLAYS = [getattr(plotting, name) for name in plotting.__all__]

# What the methods that need it are asked for.
NEEDED = {
    plotting.TypeEmbeddingDisplay: {"compare": ("PN", "KC")},
    plotting.TypeCompositionDisplay: {"predicted_type": "PN"},
}


def draw(display, wiring, **options):
    """Draw a display of the connectome's types."""
    connectome, types = wiring
    wants_graph = "connectome" in inspect.signature(display.from_predictions).parameters
    data = (connectome, types) if wants_graph else (types, types)
    return display.from_predictions(*data, **NEEDED.get(display, {}), **options)


def options_of(method):
    """Return {name: default} of a method's keyword-only parameters."""
    return {
        name: parameter.default
        for name, parameter in inspect.signature(method).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


@pytest.mark.parametrize("display", DISPLAYS)
def test_both_ways_have_the_options_of_plot(display):
    predictions = options_of(display.from_predictions)
    assert options_of(display.from_estimator) == predictions
    plot = options_of(display.plot)
    assert {name: predictions[name] for name in plot} == plot


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
