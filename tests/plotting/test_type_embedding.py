"""TypeEmbeddingDisplay: the mean wiring of two types."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pytest

from celltyping import Connectome
from celltyping.plotting import TypeEmbeddingDisplay


def profiles(connectome, types, name, partners, is_input):
    """Count synapses with each partner type the obvious way, a row per neuron."""
    adjacency = connectome.adjacency.toarray()
    rows = np.flatnonzero(types == name)
    columns = []
    for partner, presynaptic in zip(partners, is_input, strict=True):
        others = types == partner
        if presynaptic:
            columns.append(adjacency[others][:, rows].sum(axis=0))
        else:
            columns.append(adjacency[rows][:, others].sum(axis=1))
    return np.column_stack(columns)


def test_means_and_spread(wiring):
    connectome, types = wiring
    display = TypeEmbeddingDisplay.from_predictions(
        connectome, types, compare=("PN", "KC")
    )
    assert display.types.tolist() == ["PN", "KC"]
    assert display.n_neurons.tolist() == [10, 20]
    assert display.is_input.tolist() == [True] * 3 + [False] * 3
    for i, name in enumerate(["PN", "KC"]):
        expected = profiles(
            connectome, types, name, display.partner_types, display.is_input
        )
        np.testing.assert_allclose(display.mean[i], expected.mean(axis=0))
        np.testing.assert_allclose(display.std[i], expected.std(axis=0, ddof=1))


def test_similarity_is_over_all_partners(wiring):
    display = TypeEmbeddingDisplay.from_predictions(*wiring, compare=("PN", "KC"))
    low, high = display.mean.min(axis=0), display.mean.max(axis=0)
    assert display.similarity == pytest.approx(low.sum() / high.sum())
    few = TypeEmbeddingDisplay.from_predictions(
        *wiring, compare=("PN", "KC"), n_partners=1
    )
    assert few.similarity == display.similarity


def test_strongest_partners_come_first(wiring):
    display = TypeEmbeddingDisplay.from_predictions(*wiring, compare=("PN", "LHN"))
    strongest = display.mean.max(axis=0)
    assert (np.diff(strongest[display.is_input]) <= 0).all()
    assert (np.diff(strongest[~display.is_input]) <= 0).all()


def test_n_partners(wiring):
    display = TypeEmbeddingDisplay.from_predictions(
        *wiring, compare=("PN", "KC"), n_partners=2
    )
    assert display.is_input.tolist() == [True, True, False, False]


def test_partners_without_a_synapse_are_not_shown():
    connectome = Connectome([[0, 0, 3], [0, 0, 4], [0, 0, 0]])
    display = TypeEmbeddingDisplay.from_predictions(
        connectome, ["PN", "LHN", "KC"], compare=("PN", "LHN")
    )
    assert display.partner_types.tolist() == ["KC"]
    assert display.is_input.tolist() == [False]
    assert np.isnan(display.std).all()  # one neuron has no spread
    display.figure_.draw_without_rendering()


def test_draws_the_numbers(wiring):
    display = TypeEmbeddingDisplay.from_predictions(*wiring, compare=("PN", "KC"))
    for i, container in enumerate(display.containers_):
        points, _, (bars,) = container.lines
        np.testing.assert_allclose(points.get_xdata(), display.mean[i])
        ends = np.array([segment[:, 0] for segment in bars.get_segments()])
        mean, std = display.mean[i], display.std[i]
        np.testing.assert_allclose(ends[:, 0], np.maximum(mean - std, 0))
        np.testing.assert_allclose(ends[:, 1], mean + std)
    ax = display.ax_
    assert ax.get_xlabel() == "Synapses per neuron (mean ± standard deviation)"
    assert (
        ax.get_title() == f"PN and KC, similarity of the means {display.similarity:.2f}"
    )
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == ["PN (10 neurons)", "KC (20 neurons)"]
    labels = [label.get_text() for label in ax.get_yticklabels()]
    words = ["from " if is_input else "to " for is_input in display.is_input]
    expected = zip(words, display.partner_types, strict=True)
    assert labels == [word + name for word, name in expected]
    assert ax.yaxis_inverted()


def test_errors(wiring):
    display = TypeEmbeddingDisplay.from_predictions(
        *wiring, compare=("PN", "KC"), errors="sem"
    )
    for i, container in enumerate(display.containers_):
        _, _, (bars,) = container.lines
        ends = np.array([segment[1, 0] for segment in bars.get_segments()])
        sem = display.std[i] / np.sqrt(display.n_neurons[i])
        np.testing.assert_allclose(ends, display.mean[i] + sem)
    assert display.ax_.get_xlabel().endswith("(mean ± standard error)")


def test_unknown_types_are_no_partners(wiring):
    connectome, types = wiring
    display = TypeEmbeddingDisplay.from_predictions(
        connectome, types, compare=("PN", "KC")
    )
    assert "?" not in display.partner_types
    display = TypeEmbeddingDisplay.from_predictions(
        connectome, types, compare=("PN", "KC"), unlabeled_marker="LHN"
    )
    assert "LHN" not in display.partner_types
    assert "?" in display.partner_types


def test_point_kw_and_no_similarity(wiring):
    display = TypeEmbeddingDisplay.from_predictions(
        *wiring, compare=("PN", "KC"), point_kw={"ms": 9, "mec": "k"}
    )
    assert display.containers_[0].lines[0].get_markersize() == 9
    assert display.containers_[0].lines[0].get_markeredgecolor() == "k"
    display.similarity = None
    assert display.plot().ax_.get_title() == "PN and KC"


def test_from_estimator_takes_known_types_first(wiring, oracle, pyplot):
    connectome, types = wiring
    predicted = np.where(types == "?", "PN", "KC")
    _, ax = pyplot.subplots()
    display = TypeEmbeddingDisplay.from_estimator(
        oracle(predicted),
        connectome,
        types,
        compare=("PN", "LHN"),
        n_partners=1,
        ax=ax,
        errors="sem",
    )
    assert display.ax_ is ax
    assert display.n_neurons.tolist() == [12, 8]
    assert len(display.partner_types) == 2
    assert ax.get_title().startswith("Oracle: PN and LHN")
    without = TypeEmbeddingDisplay.from_estimator(
        oracle(predicted), connectome, compare=("PN", "KC"), name="NTAC"
    )
    assert without.n_neurons.tolist() == [2, 38]
    assert without.ax_.get_title().startswith("NTAC: ")


def test_nothing_is_clipped(wiring, clipped):
    connectome, types = wiring
    names = np.array([f"a type of neurons, {name}" for name in types])
    display = TypeEmbeddingDisplay.from_predictions(
        connectome, names, compare=("a type of neurons, PN", "a type of neurons, KC")
    )
    assert clipped(display.figure_) == []


@pytest.mark.parametrize("compare", ["PN", ("PN",), ("PN", "KC", "LHN")])
def test_compare_names_two(wiring, compare):
    with pytest.raises(ValueError, match="compare must name two types, got"):
        TypeEmbeddingDisplay.from_predictions(*wiring, compare=compare)


def test_compare_names_types_that_are_there(wiring):
    with pytest.raises(ValueError, match="names 'CN', but the known types are 'KC', "):
        TypeEmbeddingDisplay.from_predictions(*wiring, compare=("PN", "CN"))
    with pytest.raises(ValueError, match=r"4, \.\.\. \(40 types\)"):
        TypeEmbeddingDisplay.from_predictions(wiring[0], np.arange(40), compare=(1, 77))


def test_compare_names_different_types(wiring):
    with pytest.raises(ValueError, match="two different types, got"):
        TypeEmbeddingDisplay.from_predictions(*wiring, compare=("PN", "PN"))


def test_nothing_to_compare():
    with pytest.raises(ValueError, match="neither 'PN' nor 'KC' has a synapse"):
        TypeEmbeddingDisplay.from_predictions(
            Connectome(np.zeros((2, 2))), ["PN", "KC"], compare=("PN", "KC")
        )


@pytest.mark.parametrize("n_partners", [0, 2.5])
def test_bad_n_partners(wiring, n_partners):
    with pytest.raises(ValueError, match=f"n_partners must be .* got {n_partners}"):
        TypeEmbeddingDisplay.from_predictions(
            *wiring, compare=("PN", "KC"), n_partners=n_partners
        )


def test_bad_errors(wiring):
    with pytest.raises(ValueError, match="errors must be 'std' or 'sem', got 'ci'"):
        TypeEmbeddingDisplay.from_predictions(
            *wiring, compare=("PN", "KC"), errors="ci"
        )


def test_not_a_connectome(wiring, oracle):
    _, types = wiring
    with pytest.raises(TypeError, match="needs a Connectome, got ndarray"):
        TypeEmbeddingDisplay.from_predictions(np.eye(40), types, compare=("PN", "KC"))
    with pytest.raises(TypeError, match="from_estimator needs a Connectome"):
        TypeEmbeddingDisplay.from_estimator(
            oracle(types), np.eye(40), compare=("PN", "KC")
        )


def test_bad_lengths(wiring):
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[40, 2\]"):
        TypeEmbeddingDisplay.from_predictions(
            wiring[0], ["KC", "PN"], compare=("PN", "KC")
        )


def test_without_matplotlib(wiring, oracle, no_matplotlib):
    connectome, types = wiring
    with pytest.raises(
        ImportError, match=r"Display\.from_predictions needs matplotlib"
    ):
        TypeEmbeddingDisplay.from_predictions(connectome, types, compare=("PN", "KC"))
    with pytest.raises(ImportError, match=r"Display\.from_estimator needs matplotlib"):
        TypeEmbeddingDisplay.from_estimator(
            oracle(types), connectome, compare=("PN", "KC")
        )
