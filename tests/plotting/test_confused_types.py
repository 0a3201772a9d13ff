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
    display = ConfusedTypesDisplay.from_predictions(y_true, y_pred, n_types=10)
    full = confusion_matrix(y_true, y_pred)
    errors = full.sum(axis=0) + full.sum(axis=1) - 2 * full.diagonal()
    assert sorted(errors[display.types]) == sorted(errors)[-10:]
    assert display.n_types_in_all == 30
    assert display.ax_.get_title() == "The 10 most confused of 30 types"
    assert display.ax_.get_xlabel() == "Predicted type"
    assert display.ax_.get_ylabel() == "True type"


def test_numbers_add_up():
    y_true, y_pred = many_types()
    display = ConfusedTypesDisplay.from_predictions(y_true, y_pred, n_types=4)
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
        *many_types(), n_types=4, normalize=normalize
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


def test_cmap_and_colorbar(predictions):
    display = ConfusedTypesDisplay.from_predictions(
        *predictions, cmap="cividis", colorbar=False
    )
    assert display.image_.get_cmap().name == "cividis"
    assert display.colorbar_ is None
    assert len(display.figure_.axes) == 1


def test_stored_numbers_are_enough():
    display = ConfusedTypesDisplay(
        types=np.array(["KC", "PN"]), confusion_matrix=np.array([[3, 1], [0, 0]])
    )
    assert display.plot() is display
    assert display.image_.get_array()[0].tolist() == [0.75, 0.25]


def test_from_estimator_is_from_predictions(predictions, oracle, pyplot):
    y_true, y_pred = predictions
    _, ax = pyplot.subplots()
    display = ConfusedTypesDisplay.from_estimator(
        oracle(y_pred), np.zeros((30, 1)), y_true, n_types=2, ax=ax, colorbar=False
    )
    assert display.ax_ is ax
    assert len(display.types) == 2
    title = display.ax_.get_title().replace("\n", " ")
    assert title == "Oracle: the 2 most confused of 4 types"
    named = ConfusedTypesDisplay.from_estimator(
        oracle(y_pred), np.zeros((30, 1)), y_true, name="NTAC", unlabeled_marker="CN"
    )
    assert named.ax_.get_title().startswith("NTAC: ")
    assert "?" in named.types


def test_nothing_is_clipped(clipped):
    y_true, y_pred = many_types()
    names = np.array([f"a type with a name {i}" for i in range(30)])
    display = ConfusedTypesDisplay.from_predictions(names[y_true], names[y_pred])
    assert clipped(display.figure_) == []


@pytest.mark.parametrize("n_types", [1, 2.5])
def test_bad_n_types(predictions, n_types):
    with pytest.raises(
        ValueError, match=f"n_types must be .* at least 2, got {n_types}"
    ):
        ConfusedTypesDisplay.from_predictions(*predictions, n_types=n_types)


def test_bad_normalize(predictions):
    with pytest.raises(ValueError, match="must be 'true' or 'pred', got 'all'"):
        ConfusedTypesDisplay.from_predictions(*predictions, normalize="all")


def test_bad_predictions():
    with pytest.raises(ValueError, match="y_pred must be one-dimensional, got 2-D"):
        ConfusedTypesDisplay.from_predictions(["KC", "PN"], [["KC"], ["PN"]])


def test_bad_lengths():
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[2, 1\]"):
        ConfusedTypesDisplay.from_predictions(["KC", "PN"], ["KC"])


def test_without_matplotlib(predictions, oracle, no_matplotlib):
    y_true, y_pred = predictions
    with pytest.raises(
        ImportError, match=r"ConfusedTypesDisplay\.from_predictions needs"
    ):
        ConfusedTypesDisplay.from_predictions(y_true, y_pred)
    with pytest.raises(
        ImportError, match=r"ConfusedTypesDisplay\.from_estimator needs"
    ):
        ConfusedTypesDisplay.from_estimator(oracle(y_pred), y_pred, y_true)


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
