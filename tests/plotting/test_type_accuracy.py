"""TypeAccuracyDisplay: accuracy within each type against its size."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from scipy.stats import binomtest

from celltyping.plotting import TypeAccuracyDisplay
from celltyping.plotting._type_accuracy import _spread_ties, _wilson_interval


def test_numbers(predictions):
    display = TypeAccuracyDisplay.from_predictions(*predictions)
    assert display.types.tolist() == ["CN", "KC", "LHN", "PN"]
    assert display.n_neurons.tolist() == [3, 12, 4, 8]
    assert display.n_correct.tolist() == [3, 10, 2, 5]
    np.testing.assert_allclose(display.accuracy, [1, 10 / 12, 1 / 2, 5 / 8])
    assert display.overall_accuracy == pytest.approx(20 / 27)
    assert display.mean_accuracy == pytest.approx(np.mean(display.accuracy))


def test_draws_the_numbers(predictions):
    display = TypeAccuracyDisplay.from_predictions(*predictions)
    np.testing.assert_allclose(
        display.points_.get_offsets(),
        np.column_stack([display.n_neurons, display.accuracy]),
    )
    assert [line.get_ydata()[0] for line in display.lines_] == [
        display.overall_accuracy,
        display.mean_accuracy,
    ]
    assert display.ax_.get_xscale() == "log"
    assert display.ax_.get_xlabel() == "Judged neurons of the type (log scale)"
    assert display.ax_.get_ylabel() == "Accuracy within the type"
    assert display.ax_.get_title() == "4 types, 27 judged neurons"
    assert display.figure_ is display.ax_.figure


def test_unknown_types_are_judged_nowhere(predictions):
    y_true, y_pred = predictions
    known = y_true != "?"
    whole = TypeAccuracyDisplay.from_predictions(y_true, y_pred)
    part = TypeAccuracyDisplay.from_predictions(y_true[known], y_pred[known])
    assert whole.n_neurons.tolist() == part.n_neurons.tolist()
    assert whole.overall_accuracy == part.overall_accuracy


def test_integers_and_a_marker():
    y_true, y_pred = [0, 0, 1, 1, -1], [0, 1, 1, 1, 0]
    assert TypeAccuracyDisplay.from_predictions(y_true, y_pred).types.tolist() == [0, 1]
    display = TypeAccuracyDisplay.from_predictions(y_true, y_pred, unlabeled_marker=0)
    assert display.types.tolist() == [-1, 1]


def test_a_type_that_is_only_predicted_has_no_point():
    display = TypeAccuracyDisplay.from_predictions(["KC", "KC"], ["KC", "PN"])
    assert display.types.tolist() == ["KC"]


def test_max_names(predictions):
    display = TypeAccuracyDisplay.from_predictions(*predictions, max_names=2)
    assert [text.get_text() for text in display.names_] == ["PN", "KC"]
    assert display.plot(max_names=0).names_ == []


def test_confidence(predictions):
    display = TypeAccuracyDisplay.from_predictions(*predictions)
    wide = [np.ptp(line[:, 1]) for line in display.intervals_.get_segments()]
    display.plot(confidence=0.5)
    narrow = [np.ptp(line[:, 1]) for line in display.intervals_.get_segments()]
    assert (np.array(narrow) < wide).all()
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert legend[-1] == "50 % interval of a type"


def test_styles(predictions):
    display = TypeAccuracyDisplay.from_predictions(
        *predictions, point_kw={"c": "k", "s": 99}, line_kw={"c": "r", "ls": ":"}
    )
    assert display.points_.get_sizes().tolist() == [99]
    assert tuple(display.points_.get_facecolor()[0]) == to_rgba("k")
    assert {line.get_color() for line in display.lines_} == {"r"}
    assert {line.get_linestyle() for line in display.lines_} == {":"}


def test_wilson_interval_is_scipys(subtests):
    for n_correct, n in [(0, 1), (1, 1), (3, 7), (50, 50)]:
        with subtests.test(n_correct=n_correct, n=n):
            expected = binomtest(n_correct, n).proportion_ci(0.9, method="wilson")
            np.testing.assert_allclose(
                _wilson_interval([n_correct], [n], 0.9),
                [[expected.low], [expected.high]],
            )


def test_types_at_the_same_place_are_moved_apart():
    spread = _spread_ties([10, 5, 10, 10], [0.5, 0.5, 0.5, 0.6])
    assert spread[1] == 5
    assert spread[3] == 10
    assert spread[0] != spread[2]
    assert spread[0] * spread[2] == pytest.approx(100)


def test_bad_max_names(predictions):
    with pytest.raises(ValueError, match=r"max_names must be .* at least 0, got -1"):
        TypeAccuracyDisplay.from_predictions(*predictions, max_names=-1)


def test_bad_confidence(subtests, predictions):
    for confidence in [0, 1, 95]:
        with (
            subtests.test(confidence=confidence),
            pytest.raises(
                ValueError, match=rf"between 0 and 1, or None, got {confidence}"
            ),
        ):
            TypeAccuracyDisplay.from_predictions(*predictions, confidence=confidence)


def test_bad_lengths():
    with pytest.raises(ValueError, match=r"one entry for each of the 2 .*, got 1"):
        TypeAccuracyDisplay.from_predictions(["KC", "PN"], ["KC"])


def test_no_known_type():
    with pytest.raises(ValueError, match="all 2 types in y_true are unknown"):
        TypeAccuracyDisplay.from_predictions(["?", "?"], ["KC", "PN"])
