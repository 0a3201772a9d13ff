"""TypeConnectivityDisplay: synapses from type to type."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pytest
from matplotlib.colors import LogNorm

from celltyping import Connectome
from celltyping.plotting import TypeConnectivityDisplay


def counted(connectome, types, names):
    """Count the synapses between types by dense indexing."""
    adjacency = connectome.adjacency.toarray()
    return np.array(
        [
            [adjacency[np.ix_(types == pre, types == post)].sum() for post in names]
            for pre in names
        ]
    )


def test_counts(subtests, typed_connectome):
    for order in ["similarity", "size", "name"]:
        with subtests.test(order=order):
            connectome, types = typed_connectome
            display = TypeConnectivityDisplay.from_predictions(
                connectome, types, order=order
            )
            assert sorted(display.types) == ["KC", "LHN", "PN"]
            np.testing.assert_array_equal(
                display.synapses, counted(connectome, types, display.types)
            )
            sizes = {"KC": 20, "LHN": 8, "PN": 10}
            assert display.n_neurons.tolist() == [sizes[name] for name in display.types]


def test_order(typed_connectome):
    by_size = TypeConnectivityDisplay.from_predictions(*typed_connectome, order="size")
    assert by_size.types.tolist() == ["KC", "PN", "LHN"]
    by_name = TypeConnectivityDisplay.from_predictions(*typed_connectome, order="name")
    assert by_name.types.tolist() == ["KC", "LHN", "PN"]


def test_order_by_similarity_puts_like_types_together():
    rng = np.random.RandomState(0)
    group = np.array([0, 1, 0, 1, 0, 1])
    adjacency = rng.poisson(1 + 30 * (group[:, None] == group[None, :]))
    display = TypeConnectivityDisplay.from_predictions(
        Connectome(adjacency), np.arange(6)
    )
    assert np.count_nonzero(np.diff(group[display.types])) == 1


def test_a_view_shows_its_own_synapses(typed_connectome):
    connectome, types = typed_connectome
    rows = np.arange(0, 40, 3)
    view = TypeConnectivityDisplay.from_predictions(
        connectome[rows], types[rows], order="name"
    )
    np.testing.assert_array_equal(
        view.synapses, counted(connectome[rows], types[rows], view.types)
    )


def test_draws_the_numbers(typed_connectome):
    display = TypeConnectivityDisplay.from_predictions(*typed_connectome)
    np.testing.assert_array_equal(display.image_.get_array(), display.synapses)
    ax = display.ax_
    assert ax.get_xlabel() == "Postsynaptic type"
    assert ax.get_ylabel() == "Presynaptic type"
    assert display.colorbar_.ax.get_ylabel() == "Synapses (log scale)"
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == display.types.tolist()
    assert (
        ax.get_title() == f"3 types, 38 neurons, {display.synapses.sum():,.0f} synapses"
    )


@pytest.mark.parametrize(("normalize", "axis"), [("pre", 1), ("post", 0)])
def test_normalize(typed_connectome, normalize, axis):
    display = TypeConnectivityDisplay.from_predictions(
        *typed_connectome, normalize=normalize
    )
    np.testing.assert_allclose(display.image_.get_array().sum(axis=axis), 1)
    expected = display.synapses / display.synapses.sum(axis=axis, keepdims=True)
    np.testing.assert_allclose(display.image_.get_array(), expected)
    assert f"Share of the {normalize}synaptic" in display.colorbar_.ax.get_ylabel()


def test_scale(typed_connectome):
    display = TypeConnectivityDisplay.from_predictions(*typed_connectome)
    assert isinstance(display.image_.norm, LogNorm)
    display.plot(scale="linear")
    assert not isinstance(display.image_.norm, LogNorm)
    assert display.image_.norm.vmin == 0
    assert display.colorbar_.ax.get_ylabel() == "Synapses (linear scale)"


def test_cells_without_synapses_are_white():
    display = TypeConnectivityDisplay.from_predictions(
        Connectome([[0, 3], [0, 2]]), ["KC", "PN"], order="name"
    )
    assert display.image_.get_array().mask.tolist() == [[True, False], [True, False]]


def test_hardly_any_synapse(subtests):
    none, one = np.zeros((2, 2)), np.diag([1, 0])
    for adjacency, normalize, scale in [
        (none, "none", "log"),
        (none, "pre", "linear"),
        (one, "none", "linear"),
        (one, "post", "log"),
    ]:
        with subtests.test(adjacency=adjacency, normalize=normalize, scale=scale):
            display = TypeConnectivityDisplay.from_predictions(
                Connectome(adjacency),
                ["KC", "PN"],
                normalize=normalize,
                scale=scale,
            )
            display.figure_.draw_without_rendering()
            assert display.synapses.sum() == adjacency.sum()


def test_integer_types_and_a_marker(typed_connectome):
    connectome, _ = typed_connectome
    types = np.repeat([-1, 0, 1, 2], 10)
    display = TypeConnectivityDisplay.from_predictions(connectome, types, order="name")
    assert display.types.tolist() == [0, 1, 2]
    display = TypeConnectivityDisplay.from_predictions(
        connectome, types, order="name", unlabeled_marker=0
    )
    assert display.types.tolist() == [-1, 1, 2]


def test_from_estimator_takes_known_types_first(typed_connectome, oracle):
    connectome, types = typed_connectome
    predicted = np.array(["KC"] * 40)
    only_predicted = TypeConnectivityDisplay.from_estimator(
        oracle(predicted), connectome
    )
    assert only_predicted.types.tolist() == ["KC"]
    assert only_predicted.ax_.get_title().startswith("Oracle: 1 type, 40 neurons")
    both = TypeConnectivityDisplay.from_estimator(
        oracle(predicted), connectome, types, order="size", name="Larva"
    )
    assert both.types.tolist() == ["KC", "PN", "LHN"]
    assert both.n_neurons.tolist() == [22, 10, 8]
    assert both.ax_.get_title().startswith("Larva: ")


def test_options_reach_the_plot(typed_connectome, oracle, pyplot):
    connectome, types = typed_connectome
    _, ax = pyplot.subplots()
    display = TypeConnectivityDisplay.from_estimator(
        oracle(types),
        connectome,
        unlabeled_marker="PN",
        ax=ax,
        normalize="pre",
        scale="linear",
        cmap="cividis",
        colorbar=False,
        im_kw={"alpha": 0.5},
    )
    assert display.ax_ is ax
    assert not {"PN", "?"} & set(display.types)
    assert display.image_.get_cmap().name == "cividis"
    assert display.image_.norm.vmin == 0
    assert display.image_.get_alpha() == 0.5
    assert display.colorbar_ is None


def test_lines_do_not_hide_small_cells(typed_connectome, pyplot):
    display = TypeConnectivityDisplay.from_predictions(*typed_connectome)
    assert len(display.ax_.collections) == 2
    figure = pyplot.figure()
    display.plot(ax=figure.add_axes((0.5, 0.5, 0.01, 0.01)), colorbar=False)
    assert len(display.ax_.collections) == 0


def test_not_a_connectome(typed_connectome, oracle):
    connectome, types = typed_connectome
    with pytest.raises(TypeError, match="needs a Connectome, got csr_array"):
        TypeConnectivityDisplay.from_predictions(connectome.adjacency, types)
    with pytest.raises(TypeError, match="from_estimator needs a Connectome, got list"):
        TypeConnectivityDisplay.from_estimator(oracle(types), [[1]])


def test_bad_order(typed_connectome):
    with pytest.raises(ValueError, match="'similarity', 'size', 'name', got 'random'"):
        TypeConnectivityDisplay.from_predictions(*typed_connectome, order="random")


def test_bad_normalize(typed_connectome):
    with pytest.raises(ValueError, match="'none', 'pre', 'post', got 'all'"):
        TypeConnectivityDisplay.from_predictions(*typed_connectome, normalize="all")


def test_bad_scale(typed_connectome):
    with pytest.raises(ValueError, match="one of 'log', 'linear', got 'sqrt'"):
        TypeConnectivityDisplay.from_predictions(*typed_connectome, scale="sqrt")


def test_bad_lengths(typed_connectome):
    with pytest.raises(ValueError, match=r"types must .* the 40 neurons, got 3"):
        TypeConnectivityDisplay.from_predictions(typed_connectome[0], ["KC", "PN", "?"])


def test_no_known_type(typed_connectome):
    with pytest.raises(ValueError, match="all 40 labels in y are unknown"):
        TypeConnectivityDisplay.from_predictions(typed_connectome[0], ["?"] * 40)
