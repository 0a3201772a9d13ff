"""TypeProfileDisplay: the mean profiles of two types."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pytest

from celltyping import Connectome
from celltyping.plotting import TypeProfileDisplay


def profiles(connectome, types, name, partners, is_input):
    """Count synapses with each partner type by dense indexing, a row per neuron."""
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


def test_means_and_spread(typed_connectome):
    connectome, types = typed_connectome
    display = TypeProfileDisplay.from_predictions(
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


def test_similarity_is_over_all_partners(typed_connectome):
    display = TypeProfileDisplay.from_predictions(
        *typed_connectome, compare=("PN", "KC")
    )
    low, high = display.mean.min(axis=0), display.mean.max(axis=0)
    assert display.similarity == pytest.approx(low.sum() / high.sum())
    few = TypeProfileDisplay.from_predictions(
        *typed_connectome, compare=("PN", "KC"), max_partners=1
    )
    assert few.similarity == display.similarity


def test_strongest_partners_come_first(typed_connectome):
    display = TypeProfileDisplay.from_predictions(
        *typed_connectome, compare=("PN", "LHN")
    )
    strongest = display.mean.max(axis=0)
    assert (np.diff(strongest[display.is_input]) <= 0).all()
    assert (np.diff(strongest[~display.is_input]) <= 0).all()


def test_max_partners(typed_connectome):
    display = TypeProfileDisplay.from_predictions(
        *typed_connectome, compare=("PN", "KC"), max_partners=2
    )
    assert display.is_input.tolist() == [True, True, False, False]


def test_partners_without_a_synapse_are_not_shown():
    connectome = Connectome([[0, 0, 3], [0, 0, 4], [0, 0, 0]])
    display = TypeProfileDisplay.from_predictions(
        connectome, ["PN", "LHN", "KC"], compare=("PN", "LHN")
    )
    assert display.partner_types.tolist() == ["KC"]
    assert display.is_input.tolist() == [False]
    assert np.isnan(display.std).all()  # one neuron has no spread
    display.figure_.draw_without_rendering()


def test_draws_the_numbers(typed_connectome):
    display = TypeProfileDisplay.from_predictions(
        *typed_connectome, compare=("PN", "KC")
    )
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
        ax.get_title()
        == f"Types PN and KC, similarity of the means {display.similarity:.2f}"
    )
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == ["PN (10 neurons)", "KC (20 neurons)"]
    labels = [label.get_text() for label in ax.get_yticklabels()]
    words = ["from " if is_input else "to " for is_input in display.is_input]
    expected = zip(words, display.partner_types, strict=True)
    assert labels == [word + name for word, name in expected]
    assert ax.yaxis_inverted()


def test_errors(typed_connectome):
    display = TypeProfileDisplay.from_predictions(
        *typed_connectome, compare=("PN", "KC"), errors="sem"
    )
    for i, container in enumerate(display.containers_):
        _, _, (bars,) = container.lines
        ends = np.array([segment[1, 0] for segment in bars.get_segments()])
        sem = display.std[i] / np.sqrt(display.n_neurons[i])
        np.testing.assert_allclose(ends, display.mean[i] + sem)
    assert display.ax_.get_xlabel().endswith("(mean ± standard error)")


def test_unknown_types_are_no_partners(typed_connectome):
    connectome, types = typed_connectome
    display = TypeProfileDisplay.from_predictions(
        connectome, types, compare=("PN", "KC")
    )
    assert "?" not in display.partner_types
    display = TypeProfileDisplay.from_predictions(
        connectome, types, compare=("PN", "KC"), unlabeled_marker="LHN"
    )
    assert not {"LHN", "?"} & set(display.partner_types)


def test_point_kw_and_no_similarity(typed_connectome):
    display = TypeProfileDisplay.from_predictions(
        *typed_connectome, compare=("PN", "KC"), point_kw={"ms": 9, "mec": "k"}
    )
    assert display.containers_[0].lines[0].get_markersize() == 9
    assert display.containers_[0].lines[0].get_markeredgecolor() == "k"
    display.similarity = None
    assert display.plot().ax_.get_title() == "Types PN and KC"


def test_from_estimator_takes_known_types_first(typed_connectome, oracle, pyplot):
    connectome, types = typed_connectome
    predicted = np.where(types == "?", "PN", "KC")
    _, ax = pyplot.subplots()
    display = TypeProfileDisplay.from_estimator(
        oracle(predicted),
        connectome,
        types,
        compare=("PN", "LHN"),
        max_partners=1,
        ax=ax,
        errors="sem",
    )
    assert display.ax_ is ax
    assert display.n_neurons.tolist() == [12, 8]
    assert len(display.partner_types) == 2
    assert ax.get_title().startswith("Oracle: types PN and LHN")
    without = TypeProfileDisplay.from_estimator(
        oracle(predicted), connectome, compare=("PN", "KC"), name="NTAC"
    )
    assert without.n_neurons.tolist() == [2, 38]
    assert without.ax_.get_title().startswith("NTAC: ")


def test_compare_names_two(subtests, typed_connectome):
    for compare in ["PN", ("PN",), ("PN", "KC", "LHN")]:
        with (
            subtests.test(compare=compare),
            pytest.raises(
                ValueError,
                match=r"compare must (be a list|.* the 2 types)",
            ),
        ):
            TypeProfileDisplay.from_predictions(*typed_connectome, compare=compare)


def test_compare_names_types_that_are_there(typed_connectome):
    with pytest.raises(ValueError, match="names 'CN', but the known types are 'KC', "):
        TypeProfileDisplay.from_predictions(*typed_connectome, compare=("PN", "CN"))
    with pytest.raises(ValueError, match=r"4, \.\.\. \(40 in all\)"):
        TypeProfileDisplay.from_predictions(
            typed_connectome[0], np.arange(40), compare=(1, 77)
        )


def test_compare_names_different_types(typed_connectome):
    with pytest.raises(ValueError, match="two different types, got"):
        TypeProfileDisplay.from_predictions(*typed_connectome, compare=("PN", "PN"))


def test_nothing_to_compare():
    with pytest.raises(ValueError, match="neither 'PN' nor 'KC' has a synapse"):
        TypeProfileDisplay.from_predictions(
            Connectome(np.zeros((2, 2))), ["PN", "KC"], compare=("PN", "KC")
        )


def test_bad_max_partners(typed_connectome):
    with pytest.raises(ValueError, match=r"max_partners must be .* at least 1, got 0"):
        TypeProfileDisplay.from_predictions(
            *typed_connectome, compare=("PN", "KC"), max_partners=0
        )


def test_bad_errors(typed_connectome):
    with pytest.raises(ValueError, match="one of 'std', 'sem', got 'ci'"):
        TypeProfileDisplay.from_predictions(
            *typed_connectome, compare=("PN", "KC"), errors="ci"
        )


def test_not_a_connectome(typed_connectome, oracle):
    _, types = typed_connectome
    with pytest.raises(TypeError, match="needs a Connectome, got ndarray"):
        TypeProfileDisplay.from_predictions(np.eye(40), types, compare=("PN", "KC"))
    with pytest.raises(TypeError, match="from_estimator needs a Connectome"):
        TypeProfileDisplay.from_estimator(
            oracle(types), np.eye(40), compare=("PN", "KC")
        )


def test_bad_lengths(typed_connectome):
    with pytest.raises(ValueError, match=r"types must .* the 40 neurons, got 2"):
        TypeProfileDisplay.from_predictions(
            typed_connectome[0], ["KC", "PN"], compare=("PN", "KC")
        )
