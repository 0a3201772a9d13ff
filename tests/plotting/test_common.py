"""What the displays share: names, predictions, checks, the order of types."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import re

import numpy as np
import pytest

from celltyping.plotting._common import (
    check_connectome,
    counted,
    figure_and_axes,
    order_by_likeness,
    predict_types,
    style,
    type_names,
    with_known,
)


def test_figure_and_axes_makes_a_figure_of_the_size_asked_for():
    figure, ax = figure_and_axes(None, "test", (4, 3))
    assert ax.figure is figure
    np.testing.assert_array_equal(figure.get_size_inches(), [4, 3])


def test_figure_and_axes_takes_the_axes_given(pyplot):
    figure, axes = pyplot.subplots(1, 2)
    assert figure_and_axes(axes[1], "test", (4, 3)) == (figure, axes[1])
    assert len(pyplot.get_fignums()) == 1


def test_without_matplotlib_the_error_names_the_extra(no_matplotlib):
    with pytest.raises(ImportError, match=re.escape('pip install "celltyping[plot]"')):
        figure_and_axes(None, "TypeAccuracyDisplay", (4, 3))


def test_style_knows_aliases():
    merged = style({"color": "k", "linewidth": 1}, {"lw": 3}, "matplotlib.lines.Line2D")
    assert merged == {"color": "k", "linewidth": 3}


def test_style_refuses_a_property_given_twice():
    with pytest.raises(TypeError, match="aliases of one another"):
        style({}, {"lw": 3, "linewidth": 2}, "matplotlib.lines.Line2D")


def test_type_names_are_short_and_never_a_formula(pyplot):
    names = type_names(["a" * 40, "$x$", 3, "KC"])
    assert [len(name) for name in names[:1]] == [25]
    assert names[2:] == ["3", "KC"]
    _, ax = pyplot.subplots()
    as_text = ax.text(0, 0, names[1]).get_window_extent().width
    as_formula = ax.text(0, 0, "$x$").get_window_extent().width
    assert as_text > 2 * as_formula


def test_predict_types_refuses_what_does_not_predict():
    with pytest.raises(
        TypeError, match=r"caller needs a fitted .* has predict, got int"
    ):
        predict_types(3, [[0]], ["KC"], "caller")


def test_predict_types_refuses_a_class(oracle):
    with pytest.raises(TypeError, match="got Oracle, a class"):
        predict_types(oracle, [[0]], ["KC"], "caller")


def test_predict_types_refuses_other_lengths_before_it_predicts(oracle):
    class Busy(oracle):
        def predict(self, X):
            raise AssertionError("predicted")

    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[2, 1\]"):
        predict_types(Busy(None), [[0], [1]], ["KC"], "caller")


def test_with_known_leaves_the_predictions_as_they_are():
    predicted = np.array(["KC", "KC", "PN"])
    merged = with_known(predicted, ["?", "LHN", None], "auto")
    assert merged.tolist() == ["KC", "LHN", "PN"]
    assert predicted.tolist() == ["KC", "KC", "PN"]


def test_with_known_heeds_the_marker():
    assert with_known([1, 2], [-1, -1], -1).tolist() == [1, 2]
    assert with_known([1, 2], [0, 7], 0).tolist() == [1, 7]


def test_check_connectome_says_how_to_make_one():
    with pytest.raises(TypeError, match=r"got ndarray: make one .* Connectome\("):
        check_connectome(np.eye(2), "caller")


def test_order_by_likeness_puts_blocks_together():
    rng = np.random.RandomState(0)
    group = rng.permutation(np.repeat([0, 1, 2], 4))
    profiles = (group[:, None] == group[None, :]) * 10.0 + rng.rand(12, 12)
    ordered = group[order_by_likeness(profiles)]
    assert np.count_nonzero(np.diff(ordered)) == 2


@pytest.mark.parametrize("n_types", [0, 1, 2, 3])
def test_order_by_likeness_of_few_types(n_types):
    order = order_by_likeness(np.eye(3)[:n_types])
    assert sorted(order) == list(range(n_types))


def test_order_by_likeness_puts_empty_rows_last():
    profiles = np.array([[0, 0], [1, 2], [0, 0], [3, 4], [5, 0]])
    assert order_by_likeness(profiles)[-2:].tolist() == [0, 2]


def test_order_by_likeness_of_very_many_types_skips_the_best_order(monkeypatch):
    monkeypatch.setattr("celltyping.plotting._common.MOST_LEAVES", 3)
    profiles = np.random.RandomState(0).rand(6, 6)
    assert sorted(order_by_likeness(profiles)) == list(range(6))


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 types"), (np.int64(1), "1 type"), (1234.0, "1,234 types")],
)
def test_counted(number, text):
    assert counted(number, "type") == text
