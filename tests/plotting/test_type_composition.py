"""TypeCompositionDisplay: the true types inside one predicted type."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba

from celltyping.plotting import TypeCompositionDisplay
from celltyping.plotting._base import BLUE, GREY, ORANGE


def test_counts(predictions):
    display = TypeCompositionDisplay.from_predictions(*predictions, predicted_type="KC")
    assert display.types.tolist() == ["KC", "PN"]
    assert display.counts.tolist() == [10, 3]
    assert display.n_unknown == 2
    assert display.predicted_type == "KC"
    assert display.purity == pytest.approx(10 / 13)


def test_draws_the_numbers(predictions):
    display = TypeCompositionDisplay.from_predictions(*predictions, predicted_type="PN")
    assert [bar.get_width() for bar in display.bars_] == [5, 2, 1]
    texts = [text.get_text().strip() for text in display.texts_]
    assert texts == ["5 (62 %)", "2 (25 %)", "1 (12 %)"]
    ax = display.ax_
    assert [label.get_text() for label in ax.get_yticklabels()] == ["PN", "KC", "LHN"]
    assert ax.get_xlabel() == "Neurons"
    assert ax.get_ylabel() == "True type"
    title = "Predicted PN: 8 neurons of known type, 1 of unknown"
    assert ax.get_title().replace("\n", " ") == title
    assert ax.yaxis_inverted()


def test_colours_tell_right_from_wrong(predictions):
    display = TypeCompositionDisplay.from_predictions(
        *predictions, predicted_type="PN", max_types=2
    )
    assert [bar.get_facecolor() for bar in display.bars_] == [
        to_rgba(BLUE),
        to_rgba(ORANGE),
        to_rgba(GREY),
    ]


def test_max_types():
    y_true = np.repeat(np.arange(30), np.arange(30, 0, -1))
    display = TypeCompositionDisplay.from_predictions(
        y_true, np.zeros(len(y_true)), predicted_type=0, max_types=3
    )
    assert len(display.types) == 30
    widths = [bar.get_width() for bar in display.bars_]
    assert widths == [30, 29, 28, 27 * 28 // 2]
    assert display.ax_.get_yticklabels()[-1].get_text() == "(27 more)"
    display.plot()
    assert len(display.bars_) == 21


def test_small_shares_are_not_nothing():
    y_true = ["KC"] * 999 + ["PN"]
    display = TypeCompositionDisplay.from_predictions(
        y_true, ["KC"] * 1000, predicted_type="KC"
    )
    texts = [text.get_text().strip() for text in display.texts_]
    assert texts == ["999 (> 99 %)", "1 (< 1 %)"]


def test_clusters_against_names():
    display = TypeCompositionDisplay.from_predictions(
        ["KC", "PN", "KC", "?"], np.array([4, 4, 4, -1]), predicted_type=4
    )
    assert display.types.tolist() == ["KC", "PN"]
    assert display.counts.tolist() == [2, 1]
    assert display.n_unknown == 0
    assert display.ax_.get_title() == "Predicted 4: 3 neurons of known type"


def test_marker():
    display = TypeCompositionDisplay.from_predictions(
        [0, 1, 1], [5, 5, 5], predicted_type=5, unlabeled_marker=0
    )
    assert display.types.tolist() == [1]
    assert display.n_unknown == 1


def test_bar_kw(predictions):
    display = TypeCompositionDisplay.from_predictions(
        *predictions, predicted_type="PN", bar_kw={"fc": "k", "lw": 2}
    )
    assert {bar.get_facecolor() for bar in display.bars_} == {to_rgba("k")}
    assert {bar.get_linewidth() for bar in display.bars_} == {2}


def test_nothing_predicted(predictions):
    with pytest.raises(ValueError, match=r"predicted_type .* 'LHN', 'CN', got 'GNG'"):
        TypeCompositionDisplay.from_predictions(*predictions, predicted_type="GNG")


def test_only_unknown_ones_inside():
    with pytest.raises(ValueError, match="all 2 neurons predicted to be of type 'PN'"):
        TypeCompositionDisplay.from_predictions(
            ["KC", "?", "?"], ["KC", "PN", "PN"], predicted_type="PN"
        )


def test_missing_predictions():
    display = TypeCompositionDisplay.from_predictions(
        ["KC", "PN", "PN"], ["KC", None, pd.NA], predicted_type="KC"
    )
    assert display.counts.tolist() == [1]


def test_bad_max_types(predictions):
    with pytest.raises(ValueError, match=r"max_types must be .* at least 1, got 0"):
        TypeCompositionDisplay.from_predictions(
            *predictions, predicted_type="KC", max_types=0
        )


def test_bad_lengths():
    with pytest.raises(ValueError, match=r"one entry for each of the 2 .*, got 1"):
        TypeCompositionDisplay.from_predictions(
            ["KC", "PN"], ["KC"], predicted_type="KC"
        )
