"""ConfusedTypesDisplay: the most confused types as a matrix."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from celltyping.plotting import ConfusedTypesDisplay


def many_types(n_types=30, n_neurons=600):
    """Return true and predicted types of which some are confused."""
    rng = np.random.RandomState(0)
    y_true = rng.randint(n_types, size=n_neurons)
    wrong = (rng.rand(n_neurons) < 0.5) & (y_true < 8)
    y_pred = np.where(wrong, rng.randint(10, size=n_neurons), y_true)
    return y_true, y_pred


def test_all_types_is_scikit_learns_matrix(predictions):
    y_true, y_pred = predictions
    display = ConfusedTypesDisplay.from_predictions(y_true, y_pred)
    known = y_true != "?"
    expected = confusion_matrix(y_true[known], y_pred[known], labels=display.types)
    np.testing.assert_array_equal(display.confusion_matrix, expected)
    assert display.n_to_others.tolist() == [0] * 4
    assert display.n_from_others.tolist() == [0] * 4
    assert display.ax_.get_title() == "Confusion of all 4 types"


def test_shows_the_types_with_most_errors():
    y_true, y_pred = many_types()
    display = ConfusedTypesDisplay.from_predictions(y_true, y_pred, max_types=10)
    full = confusion_matrix(y_true, y_pred)
    errors = full.sum(axis=0) + full.sum(axis=1) - 2 * full.diagonal()
    assert sorted(errors[display.types]) == sorted(errors)[-10:]
    assert display.n_types_in_all == 30
    assert display.ax_.get_title() == "The 10 most confused of 30 types"
    assert display.ax_.get_xlabel() == "Predicted type"
    assert display.ax_.get_ylabel() == "True type"


def test_numbers_add_up():
    y_true, y_pred = many_types()
    display = ConfusedTypesDisplay.from_predictions(y_true, y_pred, max_types=4)
    full = confusion_matrix(y_true, y_pred)
    rows = display.confusion_matrix.sum(axis=1) + display.n_to_others
    columns = display.confusion_matrix.sum(axis=0) + display.n_from_others
    np.testing.assert_array_equal(rows, full.sum(axis=1)[display.types])
    np.testing.assert_array_equal(columns, full.sum(axis=0)[display.types])
    labels = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert labels == [*map(str, display.types), "(others)"]


def test_a_prediction_of_no_type_is_another():
    display = ConfusedTypesDisplay.from_predictions(
        ["KC", "KC", "PN", "PN"], ["KC", "?", "PN", "KC"]
    )
    by_type = dict(zip(display.types, display.n_to_others, strict=True))
    assert by_type == {"KC": 1, "PN": 0}


def test_colours_are_shares(predictions):
    display = ConfusedTypesDisplay.from_predictions(*predictions)
    by_row = np.asarray(display.image_.get_array())
    np.testing.assert_allclose(by_row.sum(axis=1), 1)
    assert display.colorbar_.ax.get_ylabel() == "Share of the true type's samples"
    display.plot(normalize="pred")
    by_column = np.asarray(display.image_.get_array())
    np.testing.assert_allclose(by_column.sum(axis=0), 1)
    assert display.colorbar_.ax.get_ylabel() == "Share of the predicted type's samples"


@pytest.mark.parametrize("normalize", ["true", "pred"])
def test_others_have_no_share_of_their_own(normalize):
    display = ConfusedTypesDisplay.from_predictions(
        *many_types(), max_types=4, normalize=normalize
    )
    shares = np.asarray(display.image_.get_array())
    assert shares.shape == (5, 5)
    own, others = (shares, shares.T) if normalize == "true" else (shares.T, shares)
    np.testing.assert_allclose(own[:4].sum(axis=1), 1)
    assert not own[4].any()
    assert others[4].any()


def test_values_in_the_cells(predictions):
    display = ConfusedTypesDisplay.from_predictions(*predictions)
    written = sorted(int(text.get_text()) for text in display.texts_)
    counts = display.confusion_matrix
    assert written == sorted(counts[counts > 0])
    assert display.plot(include_values=False).texts_ == []


def test_styles(predictions):
    display = ConfusedTypesDisplay.from_predictions(
        *predictions,
        cmap="cividis",
        colorbar=False,
        im_kw={"vmax": 0.5},
        text_kw={"c": "red"},
    )
    assert display.image_.get_cmap().name == "cividis"
    assert display.image_.get_clim() == (0, 0.5)
    assert {text.get_color() for text in display.texts_} == {"red"}
    assert display.colorbar_ is None
    assert len(display.figure_.axes) == 1


def test_bad_max_types(predictions):
    with pytest.raises(ValueError, match=r"max_types must be .* at least 2, got 1"):
        ConfusedTypesDisplay.from_predictions(*predictions, max_types=1)


def test_bad_normalize(predictions):
    with pytest.raises(ValueError, match="one of 'true', 'pred', got 'all'"):
        ConfusedTypesDisplay.from_predictions(*predictions, normalize="all")


def test_bad_predictions():
    with pytest.raises(ValueError, match=r"y_pred must be a list .*, got \[\['KC', "):
        ConfusedTypesDisplay.from_predictions(["KC", "PN"], [["KC", "PN"]] * 2)


def test_bad_lengths():
    with pytest.raises(ValueError, match=r"one entry for each of the 2 .*, got 1"):
        ConfusedTypesDisplay.from_predictions(["KC", "PN"], ["KC"])


def test_clusters_and_noise():
    y_true, y_pred = [0, 0, 1, 1, -1, -1], [0, -1, 1, 1, -1, 1]
    display = ConfusedTypesDisplay.from_predictions(y_true, y_pred)
    order = np.argsort(display.types)
    assert display.types[order].tolist() == [0, 1]
    assert display.confusion_matrix[order][:, order].tolist() == [[1, 0], [0, 2]]
    assert display.n_to_others[order].tolist() == [1, 0]
    # With no marker, noise is a row and a column of its own.
    display = ConfusedTypesDisplay.from_predictions(
        y_true, y_pred, unlabeled_marker=None
    )
    order = np.argsort(display.types)
    assert display.types[order].tolist() == [-1, 0, 1]
    confusion = display.confusion_matrix[order][:, order]
    assert confusion.tolist() == [[1, 0, 1], [1, 1, 0], [0, 0, 2]]
    assert "-1" in [text.get_text() for text in display.ax_.get_yticklabels()]
