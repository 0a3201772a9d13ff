"""Properties of every display."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import inspect
from copy import deepcopy
from itertools import product

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.utils import Bunch

from celltyping import Connectome, plotting

DISPLAYS = [getattr(plotting, name) for name in plotting.__all__]

# Displays that are a figure of their own have no parameter `ax`.
ON_AXES = [one for one in DISPLAYS if one is not plotting.PairPlotDisplay]

# Data of `from_estimator` after the estimator, and of the method without one.
DATA = {
    "ClusterPersistenceDisplay": ("", "y strength persistence"),
    "ClusterTypesDisplay": ("X y", "y pred"),
    "ConfusedTypesDisplay": ("X y", "y pred"),
    "ElbowDisplay": ("", "n_clusters cost"),
    "EmbeddingDisplay": ("", "embedding"),
    "LabelFlowDisplay": ("", "y pred"),
    "PairPlotDisplay": ("X", "X pred"),
    "TypeAccuracyDisplay": ("X y", "y pred"),
    "TypeCompositionDisplay": ("X y", "y pred"),
    "TypeConnectivityDisplay": ("connectome", "connectome pred"),
    "TypeProfileDisplay": ("connectome", "connectome pred"),
}

# Required options of both methods, and options that change the data stored.
NEEDED = {
    "TypeProfileDisplay": {"compare": (0, 1)},
    "TypeCompositionDisplay": {"predicted_type": 1},
}
OPTIONS = {
    "ClusterPersistenceDisplay": {"max_clusters": 2},
    "ClusterTypesDisplay": {"max_types": 2, "unlabeled_marker": 3},
    "ConfusedTypesDisplay": {"max_types": 2, "unlabeled_marker": 3},
    "TypeAccuracyDisplay": {"unlabeled_marker": 3},
    "TypeCompositionDisplay": {"unlabeled_marker": 3},
    "TypeConnectivityDisplay": {"order": "size", "unlabeled_marker": 3},
    "TypeProfileDisplay": {"max_partners": 1, "unlabeled_marker": 3},
}


class Data:
    """Neurons, their types and predictions, and a fitted estimator."""

    def __init__(self, n_types, name):
        """Draw data; types are called by a prefix and a number, or by -1."""
        rng = np.random.RandomState(0)
        self.types = np.array([f"{name}{code}" for code in range(n_types)])
        codes = np.arange(3 * n_types) % n_types
        self.y = self.types[codes].astype(object)
        self.pred = self.y.copy()
        self.pred[::4] = self.types[rng.randint(n_types, size=len(self.pred[::4]))]
        self.y[:2] = "?"
        self.connectome = Connectome(rng.poisson(1, (len(codes), len(codes))))
        self.X = rng.rand(len(codes), 3)
        self.embedding = rng.rand(len(codes), 2)
        self.strength = rng.rand(len(codes))
        self.persistence = np.linspace(0, 1, n_types)
        self.n_clusters, self.cost = (
            np.array([1, 2, 4, 8]),
            np.array([0.9, 0.5, 0.4, 0.3]),
        )
        self.estimator = Fitted(self, codes)

    def arguments(self, display, *, of_estimator):
        """Return the positional arguments of a method that makes a display."""
        names = DATA[display.__name__][0 if of_estimator else 1].split()
        first = [self.estimator] if of_estimator else []
        return first + [getattr(self, name) for name in names]

    def options(self, display, table):
        """Return the options of a table, with types instead of their codes."""

        def name(code):
            return self.types[code] if isinstance(code, int) else code

        options = dict(table.get(display.__name__, {}))
        for option in {"compare", "predicted_type", "unlabeled_marker"} & set(options):
            codes = options[option]
            is_tuple = isinstance(codes, tuple)
            options[option] = tuple(map(name, codes)) if is_tuple else name(codes)
        return options


class Fitted:
    """An estimator with the attributes that displays read."""

    def __init__(self, data, codes):
        """Take the attributes from the data."""
        self.pred = data.pred
        self.labels_, self.probabilities_ = data.y, data.strength
        self.cluster_persistence_ = data.persistence
        self.embedding_ = data.embedding
        self.cost_path_ = Bunch(n_clusters=data.n_clusters, cost=data.cost)
        self.n_clusters_ = 2
        self.classes_ = data.types
        self.trajectory_ = Bunch(labels=np.array([codes, codes[::-1]]))
        self.cluster_confidence_ = data.persistence

    def predict(self, X):
        """Return the predictions."""
        return self.pred


def without_estimator(display):
    """Return the method that makes a display without an estimator."""
    (method,) = {"from_path", "from_embedding", "from_predictions"} & set(dir(display))
    return getattr(display, method)


def draw(display, data, *, of_estimator=False, **options):
    """Make a display by one of its two methods."""
    method = display.from_estimator if of_estimator else without_estimator(display)
    arguments = data.arguments(display, of_estimator=of_estimator)
    return method(*arguments, **(data.options(display, NEEDED) | options))


def stored(display):
    """Return the parameters of a display that it stores."""
    return {
        name: getattr(display, name)
        for name in inspect.signature(type(display)).parameters
    }


def title_of(display):
    """Return the title of a display."""
    own_figure = isinstance(display, plotting.PairPlotDisplay)
    return (display.figure_.get_suptitle if own_figure else display.ax_.get_title)()


@pytest.fixture
def data():
    """Give data of four types."""
    return Data(4, "KC")


def test_from_estimator_reads_the_estimator(data, subtests, pyplot, monkeypatch):
    for display in DISPLAYS:
        with subtests.test(display.__name__):
            options = data.options(display, OPTIONS)
            drawn = draw(display, data, of_estimator=True, **options)
            assert title_of(drawn).startswith("Fitted: ")
            if display.__name__ in OPTIONS:
                with monkeypatch.context() as patch:
                    patch.setattr(display, "plot", lambda self, **options: self)
                    expected = stored(draw(display, data, **options))
                for name, value in stored(drawn).items():
                    np.testing.assert_array_equal(value, expected[name])
        pyplot.close("all")


def test_plot_options_reach_plot(data, subtests, pyplot):
    for display in ON_AXES:
        with subtests.test(display.__name__):
            for of_estimator in (True, False):
                # A figure without pyplot will do.
                ax = Figure().subplots()
                options = {"ax": ax, "name": "NTAC"}
                drawn = draw(display, data, of_estimator=of_estimator, **options)
                assert drawn.ax_ is ax
                assert ax.get_title().startswith("NTAC: ")
            assert drawn.plot() is drawn
            assert drawn.ax_ is not ax
        pyplot.close("all")


def test_unknown_options_are_refused_first(data, subtests):
    data.estimator.predict = None
    message = "keyword arguments 'colour'; allowed"
    for display, of_estimator in product(DISPLAYS, [False, True]):
        with (
            subtests.test(display.__name__, of_estimator=of_estimator),
            pytest.raises(TypeError, match=message),
        ):
            draw(display, data, of_estimator=of_estimator, colour="red")


def test_without_matplotlib(data, subtests, no_matplotlib):
    for display, of_estimator in product(DISPLAYS, [False, True]):
        method = display.from_estimator if of_estimator else without_estimator(display)
        message = rf"{display.__name__}\.{method.__name__} needs matplotlib"
        with (
            subtests.test(display.__name__, of_estimator=of_estimator),
            pytest.raises(ImportError, match=message),
        ):
            draw(display, data, of_estimator=of_estimator)


@pytest.mark.parametrize("display", DISPLAYS)
def test_stored_parameters_are_enough_to_draw_again(display, data):
    given = data.arguments(display, of_estimator=False)
    before = deepcopy(given)
    first = draw(display, data)
    again = display(**stored(first))
    assert not hasattr(again, "figure_")
    assert again.plot() is again
    assert title_of(again) == title_of(first)
    # Nothing given is changed.
    for now, then in zip(given, before, strict=True):
        if not isinstance(now, Connectome):
            np.testing.assert_array_equal(now, then)


def test_nothing_is_clipped(clipped, subtests, pyplot):
    data = Data(30, "a type with a name ")
    for display in DISPLAYS:
        with subtests.test(display.__name__):
            drawn = draw(display, data, name="A method with a name")
            assert clipped(drawn.figure_) == []
        pyplot.close("all")


def test_draws_on_small_axes_of_a_subfigure(data, subtests, pyplot):
    for display in ON_AXES:
        with subtests.test(display.__name__):
            figure = pyplot.figure(figsize=(10, 4), layout="constrained")
            part = figure.subfigures(1, 2)[1]
            drawn = draw(display, data, ax=part.subplots(2, 2)[0, 1])
            assert drawn.figure_ is part
            figure.draw_without_rendering()
            width, height = drawn.ax_.get_window_extent().size
            assert min(width, height) > 20
        pyplot.close("all")
