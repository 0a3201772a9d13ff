"""Fixtures: a backend without windows, data, text outside a figure."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import matplotlib
import numpy as np
import pytest

from celltyping import Connectome


@pytest.fixture(autouse=True)
def pyplot():
    """Give pyplot without a window; close the figures that a test leaves."""
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")


@pytest.fixture
def typed_connectome():
    """Give a small connectome and its types, two of them unknown."""
    rng = np.random.RandomState(0)
    adjacency = rng.poisson(0.4, (40, 40)) * rng.randint(1, 6, (40, 40))
    types = np.array(["KC"] * 20 + ["PN"] * 10 + ["LHN"] * 8 + ["?"] * 2, dtype=object)
    return Connectome(adjacency), types


@pytest.fixture
def predictions():
    """Give true and predicted types of 30 neurons, three of them of unknown type."""
    y_true = ["KC"] * 12 + ["PN"] * 8 + ["LHN"] * 4 + ["CN"] * 3 + ["?"] * 3
    y_pred = ["KC"] * 10 + ["PN"] * 2 + ["PN"] * 5 + ["KC"] * 3
    y_pred += ["LHN"] * 2 + ["CN", "PN"] + ["CN"] * 3 + ["KC", "KC", "PN"]
    return np.array(y_true, dtype=object), np.array(y_pred, dtype=object)


@pytest.fixture
def no_matplotlib(monkeypatch):
    """Pretend that matplotlib is not installed."""
    import sys

    for name in [name for name in sys.modules if name.startswith("matplotlib")]:
        monkeypatch.setitem(sys.modules, name, None)


class Oracle:
    """Estimator with fixed predictions."""

    def __init__(self, answers):
        self.answers = answers

    def predict(self, X):
        """Return the answers."""
        return self.answers


@pytest.fixture
def oracle():
    """Give the class of estimators with fixed predictions."""
    return Oracle


def drawn_ticks(axis):
    """Return the labels of the ticks within the limits of an axis: of those drawn."""
    low, high = sorted(axis.get_view_interval())
    ticks = [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
    labels = [label for tick in ticks for label in (tick.label1, tick.label2)]
    return [label for label in labels if label.get_visible()]


def outside(figure):
    """Return the texts of a figure that lie outside it, so would be cut off."""
    figure.draw_without_rendering()
    frame = figure.bbox
    texts = []
    for ax in figure.axes:
        texts += [ax.title, *ax.texts]
        for axis in (ax.xaxis, ax.yaxis):
            if ax.axison and axis.get_visible():
                texts += [axis.label, *drawn_ticks(axis)]
        if ax.get_legend() is not None:
            texts += ax.get_legend().get_texts()
    found = []
    for text in texts:
        box = text.get_window_extent()
        inside = (
            frame.x0 - 1 <= box.x0
            and frame.y0 - 1 <= box.y0
            and box.x1 <= frame.x1 + 1
            and box.y1 <= frame.y1 + 1
        )
        if text.get_text() and not inside:
            found.append(text.get_text())
    return found


@pytest.fixture
def clipped():
    """Give a function that lists the texts that do not fit into a figure."""
    return outside
