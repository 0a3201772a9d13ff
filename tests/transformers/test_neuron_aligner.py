"""NeuronAligner: centres, principal axes, registration, unknown and small neurons."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import warnings
from itertools import product

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import special_ortho_group
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from celltyping import NeuronAligner
from celltyping.datasets import make_synapses
from celltyping.transformers._neuron_aligner import (
    distance_bounds,
    mean_centers,
    principal_axes,
    rotate,
)
from tests._persistence import through_pickle, through_skops

XYZ = ["x", "y", "z"]
SOMA = ["soma_x", "soma_y", "soma_z"]
NEURONS = ["cb1", "cb2", "cr1", "pv1", "pv2"]


def made(n_far=0, names=NEURONS):
    """Return rotated and shifted copies of one neuron, and its 40 synapses."""
    rng = np.random.default_rng(0)
    neuron = rng.normal(size=(40, 3)) * [50, 20, 5] + [20, 0, 0]
    if n_far:
        away = np.linspace(3000, 3010, n_far)[:, np.newaxis]
        neuron[:n_far] = away * special_ortho_group(3, seed=0).rvs()[0]
    tables = []
    for turn, name in enumerate(names):
        rotation = special_ortho_group(3, seed=turn).rvs()
        soma = rng.normal(size=3) * 300
        table = pd.DataFrame(neuron @ rotation.T + soma, columns=XYZ)
        table[SOMA] = soma
        tables.append(table.assign(NeuronId=name, SynArea=rng.lognormal(size=40)))
    frame = pd.concat(tables, ignore_index=True)
    # The rows of a neuron are not contiguous, and the index is not 0, 1, ...
    frame = frame.sample(frac=1, random_state=0)
    return frame[["SynArea", "NeuronId", *XYZ, *SOMA]], neuron


def aligned_coordinates(aligner, frame):
    """Return the aligned coordinates of each neuron, in the order of its synapses."""
    found = aligner.fit(frame).transform(frame).sort_index()
    return [found.loc[found["NeuronId"] == name, XYZ].to_numpy() for name in NEURONS]


@pytest.mark.parametrize("n_far", [0, 2])
@pytest.mark.parametrize("soma", [None, SOMA])
def test_neurons_that_are_turned_and_moved_come_to_agree(soma, n_far):
    frame, neuron = made(n_far)
    aligner = NeuronAligner("NeuronId", coordinates=XYZ, soma=soma)
    copies = aligned_coordinates(aligner, frame)
    near = neuron[n_far:]
    center = np.zeros(3) if soma else near.mean(axis=0)
    _, _, axes = np.linalg.svd(near - center)
    expected = np.abs((neuron - center) @ axes.T)
    for copy in copies:
        # Signs of axes depend on the volume, not on the neuron.
        assert_allclose(np.abs(copy), expected, atol=1e-8)
        assert_allclose(np.abs(copy / copies[0]), 1, rtol=1e-5)
    assert aligner.neurons_.tolist() == NEURONS
    assert aligner.n_synapses_.tolist() == [40] * 5
    assert aligner.n_far_.tolist() == [n_far] * 5


def test_far_synapses_turn_a_neuron_if_they_count():
    frame, _ = made(n_far=2)
    trimmed = NeuronAligner("NeuronId", coordinates=XYZ, soma=SOMA).fit(frame)
    whole = clone(trimmed).set_params(iqr_factor=None).fit(frame)
    assert whole.n_far_.tolist() == [0] * 5
    first = special_ortho_group(3, seed=0).rvs()[:, 0]  # the long axis of cb1
    assert np.abs(trimmed.axes_[0, :, 0] @ first) > 0.95
    assert np.abs(whole.axes_[0, :, 0] @ first) < 0.9
    # They also shift the mean.
    means = NeuronAligner("NeuronId", coordinates=XYZ, iqr_factor=None).fit(frame)
    assert_allclose(
        means.centers_, frame.groupby("NeuronId")[XYZ].mean().to_numpy(), rtol=1e-10
    )
    centers = NeuronAligner("NeuronId", coordinates=XYZ).fit(frame).centers_
    near = frame[frame.index % 40 >= 2]
    assert_allclose(centers, near.groupby("NeuronId")[XYZ].mean(), rtol=1e-10)


def test_against_a_loop_over_neurons(subtests):
    rng = np.random.default_rng(1)
    codes = np.repeat(np.arange(12), np.arange(3, 15))
    X = rng.standard_t(2, size=(len(codes), 3)) * [4, 2, 1] + codes[:, np.newaxis]
    for iqr_factor in (0, 0.3, 1.5, 3.0):
        with subtests.test(iqr_factor=iqr_factor):
            aligner = NeuronAligner(0, soma=[4, 5, 6], iqr_factor=iqr_factor)
            aligner.fit(np.column_stack([codes, X, np.tile(codes, (3, 1)).T]))
            for code in range(12):
                offsets = X[codes == code] - code
                distances = np.linalg.norm(offsets, axis=1)
                first, third = np.percentile(distances, [25, 75])
                near = offsets[distances <= third + iqr_factor * (third - first)]
                assert aligner.n_far_[code] == len(offsets) - len(near)
                axes = np.linalg.eigh(near.T @ near)[1][:, ::-1]
                assert_allclose(np.abs(np.sum(axes * aligner.axes_[code], axis=0)), 1)
                largest = np.abs(aligner.axes_[code]).argmax(axis=0)
                assert (aligner.axes_[code][largest, range(3)] > 0).all()


@pytest.mark.parametrize("soma", [None, SOMA])
def test_a_row_alone_has_bit_for_bit_what_it_has_in_a_table(soma):
    frame, _ = made(n_far=1)
    aligner = NeuronAligner("NeuronId", coordinates=XYZ, soma=soma).fit(frame)
    together = aligner.transform(frame)
    assert_array_equal(together, aligner.fit_transform(frame))
    for row in range(len(frame)):
        alone = aligner.transform(frame.iloc[[row]])
        pd.testing.assert_frame_equal(alone, together.iloc[[row]], check_exact=True)
    some = np.random.default_rng(0).permutation(len(frame))[:33]
    pd.testing.assert_frame_equal(
        aligner.transform(frame.iloc[some]), together.iloc[some], check_exact=True
    )


def test_rows_of_an_array_alone(subtests):
    for n_dimensions, order in ((1, "C"), (2, "F"), (3, "C"), (3, "F"), (5, "C")):
        with subtests.test(n_dimensions=n_dimensions, order=order):
            rng = np.random.default_rng(0)
            X = np.asarray(rng.normal(size=(50, n_dimensions)) * 1e3, order=order)
            aligner = NeuronAligner().fit(X)
            together = aligner.transform(X)
            alone = np.vstack([aligner.transform(row) for row in X[:, np.newaxis]])
            assert_array_equal(alone, together)
            # Centring, rotation and reflection preserve distances.
            distances = [
                np.linalg.norm(points[:, np.newaxis] - points, axis=2)
                for points in (X, together)
            ]
            assert_allclose(*distances, atol=1e-9)
            assert_allclose(together.mean(axis=0), 0, atol=1e-9)


@pytest.mark.parametrize("soma", [None, SOMA])
def test_new_rows_get_the_stored_frame(soma):
    frame, _ = made()
    train, new = frame.iloc[:150], frame.iloc[150:]
    aligner = NeuronAligner("NeuronId", coordinates=XYZ, soma=soma).fit(train)
    stored = [value.copy() for value in (aligner.centers_, aligner.axes_)]
    # The new synapses alone would have other centres and axes.
    new = new.assign(x=new["x"] + 500)
    found = aligner.transform(new)
    for name, rows in found.groupby("NeuronId"):
        neuron = NEURONS.index(name)
        offsets = new.loc[rows.index, XYZ].to_numpy() - aligner.centers_[neuron]
        assert_allclose(rows[XYZ], offsets @ aligner.axes_[neuron], atol=1e-9)
    assert_array_equal(stored[0], aligner.centers_)
    assert_array_equal(stored[1], aligner.axes_)


def test_somas_of_new_rows_of_known_neurons_are_not_read():
    frame, _ = made()
    aligner = NeuronAligner(
        "NeuronId", coordinates=XYZ, soma=SOMA, handle_unknown="fit"
    )
    expected = aligner.fit_transform(frame)
    found = aligner.transform(frame.assign(soma_x=np.nan, soma_y="?", soma_z=None))
    pd.testing.assert_frame_equal(found[XYZ], expected[XYZ], check_exact=True)


def test_the_largest_component_is_positive():
    axes = principal_axes(
        np.array([[-3.0, 1.0, 0.0], [0.0, 0.1, 0.2], [1.0, -2.0, 0.5]]),
        np.zeros(3, dtype=int),
        1,
    )[0]
    largest = np.abs(axes).argmax(axis=0)
    assert (axes[largest, range(3)] > 0).all()
    assert_allclose(axes.T @ axes, np.eye(3), atol=1e-12)
    # With equal eigenvalues, the axes are those of the volume.
    assert_array_equal(
        principal_axes(np.zeros((4, 3)), np.zeros(4, int), 1)[0], np.eye(3)
    )
    assert_array_equal(principal_axes(-np.eye(3), np.zeros(3, int), 1)[0], np.eye(3))


def test_parts():
    codes = np.array([1, 0, 1, 1, 0])
    values = np.array([[1.0, 0.0], [5.0, 5.0], [3.0, 0.0], [8.0, 3.0], [6.0, 5.0]])
    centers = mean_centers(values, codes, 2)
    assert_array_equal(centers, [[5.5, 5], [4, 1]])
    distances = np.arange(5.0)
    expected = [
        np.percentile(distances[codes == code], 75)
        + 2 * np.subtract(*np.percentile(distances[codes == code], [75, 25]))
        for code in range(2)
    ]
    assert_allclose(distance_bounds(distances, codes, 2, 2.0), expected)
    axes = np.array([np.eye(2), [[0.0, 1.0], [1.0, 0.0]]])
    assert_array_equal(rotate(values, codes, axes)[[0, 1]], [[0, 1], [5, 5]])


def test_a_frame_gives_a_frame():
    frame, _ = made()
    before = frame.copy()
    aligner = NeuronAligner("NeuronId", coordinates=XYZ, soma=SOMA)
    found = aligner.fit_transform(frame)
    assert found.columns.tolist() == frame.columns.tolist()
    assert found.index.equals(frame.index)
    others = ["SynArea", "NeuronId", *SOMA]
    pd.testing.assert_frame_equal(found[others], frame[others])
    assert not np.allclose(found[XYZ], frame[XYZ])
    found.iloc[:] = found.iloc[::-1].to_numpy()
    pd.testing.assert_frame_equal(frame, before)
    assert aligner.get_feature_names_out().tolist() == frame.columns.tolist()


def test_an_array_gives_an_array():
    frame, _ = made()
    numbers = frame.assign(NeuronId=frame["NeuronId"].map(NEURONS.index))
    X = numbers.to_numpy()
    X.flags.writeable = False
    aligner = NeuronAligner(1, coordinates=[2, 3, 4], soma=[5, 6, 7])
    found = aligner.fit_transform(X)
    assert aligner.neurons_.tolist() == [0, 1, 2, 3, 4]
    expected = NeuronAligner("NeuronId", coordinates=XYZ, soma=SOMA).fit_transform(
        frame
    )
    assert_array_equal(found[:, 2:5], expected[XYZ])
    assert_array_equal(found[:, [0, 1, 5, 6, 7]], X[:, [0, 1, 5, 6, 7]])
    # By default, coordinates are all columns except group and soma.
    rest = NeuronAligner(0, soma=[4, 5, 6]).fit_transform(X[:, 1:])
    assert_array_equal(rest, found[:, 1:])


@pytest.mark.parametrize("ids", [[7, 2**60, 2**60 + 1, -3, 0], [*"bcade"]])
def test_neurons_by_number_and_by_name(ids):
    frame, _ = made()
    expected = NeuronAligner("NeuronId", coordinates=XYZ).fit_transform(frame)
    new_names = dict(zip(NEURONS, ids, strict=True))
    named = frame.assign(NeuronId=frame["NeuronId"].map(new_names))
    aligner = NeuronAligner("NeuronId", coordinates=XYZ)
    found = aligner.fit_transform(named)
    assert aligner.neurons_.tolist() == sorted(ids)
    pd.testing.assert_frame_equal(found[XYZ], expected[XYZ], check_exact=True)


def test_one_neuron():
    frame, _ = made()
    one = frame.loc[frame["NeuronId"] == "pv1", [*XYZ, *SOMA]]
    aligner = NeuronAligner(soma=SOMA).fit(one)
    assert aligner.neurons_.tolist() == [0]
    assert aligner.axes_.shape == (1, 3, 3)
    assert_array_equal(aligner.centers_[0], one[SOMA].iloc[0])
    whole = NeuronAligner("NeuronId", coordinates=XYZ, soma=SOMA).fit_transform(frame)
    pd.testing.assert_frame_equal(
        aligner.transform(one)[XYZ], whole.loc[one.index, XYZ], check_exact=True
    )


def test_unknown_neurons():
    frame, _ = made(names=[*NEURONS, *[f"new{i}" for i in range(7)]])
    known = frame[frame["NeuronId"].isin(NEURONS)]
    aligner = NeuronAligner("NeuronId", coordinates=XYZ, soma=SOMA).fit(known)
    message = (
        r"neurons that were not in fit: 'new0', 'new1', 'new2', 'new3', 'new4', \.\.\. "
        r"\(7 in all\); handle_unknown='fit'"
    )
    with pytest.raises(ValueError, match=message):
        aligner.transform(frame)
    expected = clone(aligner).fit_transform(frame)
    aligner.set_params(handle_unknown="fit")
    pd.testing.assert_frame_equal(aligner.transform(frame), expected, check_exact=True)
    assert aligner.neurons_.tolist() == NEURONS
    new = frame[~frame["NeuronId"].isin(NEURONS)]
    pd.testing.assert_frame_equal(
        aligner.transform(new), expected.loc[new.index], check_exact=True
    )
    with pytest.raises(ValueError, match="column 'soma_y' of X contains NaN in 280 of"):
        aligner.transform(frame.assign(soma_y=np.nan))


def test_numbers_are_no_names():
    frame, _ = made()
    aligner = NeuronAligner("NeuronId", coordinates=XYZ).fit(frame.assign(NeuronId=1))
    assert len(aligner.transform(frame.assign(NeuronId=1.0))) == 200
    with pytest.raises(ValueError, match=r"not in fit: '1'"):
        aligner.transform(frame.assign(NeuronId="1"))


def test_few_synapses():
    frame, _ = made()
    frame = pd.concat([frame, frame[frame["NeuronId"] == "cr1"].iloc[:2]])
    frame["NeuronId"] = [*frame["NeuronId"][:-2], "pv9", "pv9"]
    frame.loc[frame["NeuronId"] == "pv9", SOMA] = 1.0
    aligner = NeuronAligner("NeuronId", coordinates=XYZ, soma=SOMA)
    message = r"few synapses: 'pv9: 2', but 3 axes need at least 3 synapses of a"
    with pytest.raises(ValueError, match=message):
        aligner.fit(frame)
    centered = aligner.set_params(handle_small="center")
    with pytest.warns(UserWarning, match=r"'pv9: 2'; 3 axes .* without rotation"):
        centered.fit(frame)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = centered.transform(frame)
    few = (frame["NeuronId"] == "pv9").to_numpy()
    assert_array_equal(found.loc[few, XYZ], frame.loc[few, XYZ] - 1.0)
    rest = NeuronAligner("NeuronId", coordinates=XYZ, soma=SOMA).fit_transform(
        frame[~few]
    )
    pd.testing.assert_frame_equal(found[~few], rest, check_exact=True)


def test_few_synapses_of_an_unknown_neuron():
    frame, _ = made()
    known, new = frame[frame["NeuronId"] != "cr1"], frame[frame["NeuronId"] == "cr1"]
    aligner = NeuronAligner("NeuronId", coordinates=XYZ, handle_unknown="fit").fit(
        known
    )
    with pytest.raises(ValueError, match=r"few synapses: 'cr1: 1'"):
        aligner.transform(new[:1])
    aligner.set_params(handle_small="center")
    with pytest.warns(UserWarning, match="cr1: 1"):
        assert not aligner.transform(new[:1])[XYZ].any(axis=None)


def test_few_rows_without_a_group():
    with pytest.raises(ValueError, match="X has n_samples=2, but 3 axes need at least"):
        NeuronAligner().fit(np.eye(3)[:2])
    assert NeuronAligner().fit_transform([[3.0], [4.0]]).tolist() == [[-0.5], [0.5]]


def test_a_neuron_of_two_somas():
    frame, _ = made()
    frame.loc[frame["NeuronId"].isin(["cb2", "pv2"]).idxmax(), "soma_y"] += 0.001
    name = frame.loc[frame["NeuronId"].isin(["cb2", "pv2"]).idxmax(), "NeuronId"]
    aligner = NeuronAligner("NeuronId", coordinates=XYZ, soma=SOMA)
    with pytest.raises(ValueError, match=rf"X has several for '{name}': .*'{name}'$"):
        aligner.fit(frame)
    assert len(NeuronAligner("NeuronId", coordinates=XYZ).fit(frame).axes_) == 5


def test_bad_parameters(subtests):
    frame, _ = made()
    for parameters, message in (
        (
            {"group": "Neuron"},
            r"X does not have the columns \['Neuron'\] of group",
        ),
        (
            {"coordinates": ["x", "y", "depth", "w"]},
            r"X does not have the columns \['depth', 'w'\] of coordinates: its "
            r"columns are 'SynArea', 'NeuronId', 'x', 'y', 'z', 'soma_x', 'soma_y'",
        ),
        (
            {"soma": ["sx", "sy"]},
            r"X does not have the columns \['sx', 'sy'\] of soma",
        ),
        ({"soma": SOMA[:2]}, "soma names 2 columns, but there are 3 coordinates"),
        ({"soma": XYZ}, "must name different columns"),
        ({"soma": ["NeuronId", "soma_x", "soma_y"]}, "must name different columns"),
        ({"coordinates": ["NeuronId", "x"]}, "must name different columns"),
        ({"coordinates": []}, "coordinates must name at least one column"),
        ({"group": None, "coordinates": None}, "column 'NeuronId' of X contains '"),
    ):
        with subtests.test(parameters=parameters):
            aligner = NeuronAligner("NeuronId", coordinates=XYZ)
            with pytest.raises(ValueError, match=message):
                aligner.set_params(**parameters).fit(frame)


def test_no_coordinates():
    with pytest.raises(ValueError, match="must have columns of coordinates, besides"):
        NeuronAligner(0).fit([[1.0], [1.0]])


def test_bad_values(subtests):
    for column, value, message in (
        ("y", "12,3", "column 'y' of X contains '12,3', which is not a number"),
        ("z", np.nan, "column 'z' of X contains NaN in 1 of 200 rows"),
        ("x", np.inf, "column 'x' of X contains infinity in 1 of 200 rows"),
        (
            "NeuronId",
            None,
            "column 'NeuronId' of X must contain the group of every synapse, but it is "
            "missing in 1 of 200 rows, the first at position 3",
        ),
        (
            "NeuronId",
            5,
            "column 'NeuronId' of X must contain either strings or numbers",
        ),
    ):
        with subtests.test(column=column, value=value):
            frame, _ = made()
            aligner = NeuronAligner("NeuronId", coordinates=XYZ).fit(frame)
            frame[column] = frame[column].astype(object)
            frame.iloc[3, frame.columns.get_loc(column)] = value
            for method in (aligner.transform, aligner.fit):
                with pytest.raises(ValueError, match=message):
                    method(frame)


def test_a_table_without_a_column():
    frame, _ = made()
    aligner = NeuronAligner("NeuronId", coordinates=XYZ).fit(frame)
    with pytest.raises(ValueError, match="missing:\n- y"):
        aligner.transform(frame.drop(columns="y"))


def test_set_output():
    frame, _ = made()
    aligner = NeuronAligner("NeuronId", coordinates=XYZ)
    expected = aligner.fit_transform(frame)
    found = aligner.set_output(transform="pandas").fit_transform(frame)
    pd.testing.assert_frame_equal(found, expected)
    found = (
        NeuronAligner()
        .set_output(transform="pandas")
        .fit_transform(frame[XYZ].to_numpy())
    )
    assert found.columns.tolist() == ["x0", "x1", "x2"]


def test_clone_and_pickle():
    frame, _ = made()
    aligner = NeuronAligner("NeuronId", coordinates=XYZ, soma=SOMA, iqr_factor=2)
    assert clone(aligner).get_params() == aligner.get_params()
    with pytest.raises(NotFittedError):
        aligner.transform(frame)
    expected = aligner.fit_transform(frame)
    for loaded in (through_pickle(aligner), through_skops(aligner)):
        pd.testing.assert_frame_equal(
            loaded.transform(frame), expected, check_exact=True
        )
        assert loaded.neurons_.tolist() == NEURONS


def test_many_neurons():
    # Vectorized over neurons: 2,000 neurons do not need 2,000 passes over the table.
    rng = np.random.default_rng(0)
    X = np.column_stack([np.arange(100_000) % 2000, rng.normal(size=(100_000, 3))])
    aligner = NeuronAligner(0).fit(X)
    assert aligner.axes_.shape == (2000, 3, 3)
    assert_allclose(
        np.linalg.norm(aligner.transform(X)[:, 1:], axis=1),
        np.linalg.norm(X[:, 1:] - aligner.centers_[X[:, 0].astype(int)], axis=1),
    )


# ------------------------------------------------------------------------ registration

COLUMNS = {"coordinates": ["x", "y", "z"], "soma": ["soma_x", "soma_y", "soma_z"]}


def spread_of_clusters(frame, target):
    """Return the mean absolute deviation from the median of each cluster."""
    places = frame[["x", "y", "z"]].to_numpy()[target >= 0]
    target = target[target >= 0]
    middles = np.array([np.median(places[target == k], axis=0) for k in range(6)])
    return np.mean(np.abs(places - middles[target]))


def test_registered_neurons_lie_on_each_other():
    synapses = make_synapses(min_synapses=40, random_state=1)
    plain = NeuronAligner("NeuronId", **COLUMNS).fit(synapses.frame)
    turned = NeuronAligner("NeuronId", **COLUMNS, register=True).fit(synapses.frame)
    assert not hasattr(plain, "reference_")
    assert turned.reference_.shape[1] == 3
    assert_array_equal(turned.centers_, plain.centers_)
    before, after = (
        spread_of_clusters(aligner.transform(synapses.frame), synapses.target)
        for aligner in (plain, turned)
    )
    assert after < 0.75 * before
    # The result of a row does not depend on other rows, as without registration.
    whole = turned.transform(synapses.new_frame)
    rows = [turned.transform(synapses.new_frame.iloc[[i]]) for i in range(5)]
    pd.testing.assert_frame_equal(pd.concat(rows), whole.iloc[:5])


def test_unknown_neurons_are_registered_to_the_known():
    synapses = make_synapses(min_synapses=60, random_state=2)
    frame, known = synapses.frame, synapses.frame["NeuronId"] != "cr2"
    params = {"handle_unknown": "fit", **COLUMNS}
    spreads = []
    for register in (False, True):
        aligner = NeuronAligner("NeuronId", register=register, **params)
        aligned = aligner.fit(frame[known]).transform(frame)
        state = {k: np.copy(v) for k, v in vars(aligner).items() if k.endswith("_")}
        aligner.transform(frame)
        for name, value in state.items():
            assert_array_equal(getattr(aligner, name), value)
        spreads.append(spread_of_clusters(aligned, synapses.target))
    assert spreads[1] < 0.8 * spreads[0]


def test_registration_of_one_or_of_small_neurons():
    frame = make_synapses(1, max_synapses=60, min_synapses=60, random_state=0).frame
    plain, turned = (
        NeuronAligner("NeuronId", **COLUMNS, register=register).fit(frame)
        for register in (False, True)
    )
    assert_array_equal(plain.axes_, turned.axes_)
    few = make_synapses(3, min_synapses=2, max_synapses=2, random_state=0).frame
    aligner = NeuronAligner(
        "NeuronId",
        **COLUMNS,
        register=True,
        handle_small="center",
        handle_unknown="fit",
    )
    with pytest.warns(UserWarning, match="neurons with few synapses"):
        aligner.fit(few)
    assert_array_equal(aligner.axes_, np.tile(np.eye(3), (3, 1, 1)))
    assert aligner.reference_.shape == (0, 3)
    new = frame.assign(NeuronId="new")
    assert_allclose(
        aligner.transform(new)[["x", "y", "z"]], plain.transform(frame)[["x", "y", "z"]]
    )
    assert aligner.reference_.shape == (0, 3)


# ------------------------------------------------------------------ units, kinds of ids


UNITS = "somas of .* neurons lie far outside their synapses: .* use the same unit"


@pytest.mark.parametrize(("seed", "factor"), [(0, 1e3), (1, 1e-3), (2, 250.0)])
def test_somas_in_another_unit(seed, factor):
    frame = make_synapses(random_state=seed).frame
    aligner = NeuronAligner("NeuronId", **COLUMNS, handle_small="center")
    frame[XYZ] *= factor
    with pytest.warns(UserWarning, match=UNITS) as caught:
        aligner.fit(frame)
    message = str(caught[0].message)
    for columns in (XYZ, SOMA):
        values = frame[columns].to_numpy()
        assert f"from {values.min():g} to {values.max():g}" in message
    frame[SOMA] *= factor
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        aligner.fit(frame)


def test_no_warning_for_somas_beside_or_far_from_their_synapses(subtests):
    shapes = [50, 20, 5], [50, 20, 0], [50, 0, 0], [1, 1, 1], [500, 5, 5]
    aligner = NeuronAligner(0, coordinates=[1, 2, 3], soma=[4, 5, 6])
    for shape, away, at_origin in product(shapes, (0, 300), (False, True)):
        rng = np.random.default_rng(0)
        tables = []
        for name in range(4):
            soma = np.zeros(3) if at_origin else rng.uniform(0, 400, size=3)
            places = soma + [away, 0, 0] + np.abs(rng.normal(size=(30, 3))) * shape
            tables.append(
                np.column_stack([np.full(30, name), places, np.tile(soma, (30, 1))])
            )
        with (
            subtests.test(shape=shape, away=away, at_origin=at_origin),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("error")
            aligner.fit(np.vstack(tables))


def test_ids_of_another_kind():
    frame, _ = made(names=[1001, 1002])
    aligner = NeuronAligner("NeuronId", coordinates=XYZ).fit(frame)
    message = (
        "'1001', '1002', which are text, but those in fit are numbers such as 1001"
    )
    with pytest.raises(ValueError, match=message):
        aligner.transform(frame.astype({"NeuronId": str}))


@pytest.mark.parametrize("register", [False, True])
def test_repeated_synapses_count_once(register):
    frame, _ = made(n_far=2)
    aligner = NeuronAligner("NeuronId", **COLUMNS, register=register)
    expected = aligner.fit(frame).transform(frame)
    again = pd.concat([frame, frame[::-1], frame.iloc[:30], frame.iloc[:30]])
    pd.testing.assert_frame_equal(aligner.fit(again).transform(frame), expected)
    assert aligner.n_synapses_.tolist() == [40] * 5
    point = frame.iloc[[0, 0, 0, 0]]
    with pytest.raises(ValueError, match=r"few synapses: .*: 1', but 3 axes need"):
        aligner.fit(point)


def test_several_somas_without_a_column_of_neurons():
    frame, _ = made()
    aligner = NeuronAligner(coordinates=XYZ, soma=SOMA)
    message = (
        "must have one soma, but X has several, .*: name the column of neurons, or"
    )
    with pytest.raises(ValueError, match=message):
        aligner.fit(frame.drop(columns="NeuronId"))


@pytest.mark.parametrize("register", [False, True])
def test_unknown_neurons_are_aligned_as_in_the_last_fit(register):
    frame, _ = made()
    known = frame["NeuronId"] != "pv2"
    aligner = NeuronAligner(
        "NeuronId", coordinates=XYZ, register=register, handle_unknown="fit"
    ).fit(frame[known])
    before = vars(aligner).copy()
    expected = aligner.transform(frame)
    changed = {"register": not register, "iqr_factor": 0.5, "group": "nope"}
    aligner.set_params(**changed)
    with pytest.raises(
        ValueError, match=r"does not have the columns \['nope'\] of group"
    ):
        aligner.fit(frame)
    pd.testing.assert_frame_equal(aligner.transform(frame), expected)
    assert vars(aligner).keys() == before.keys()
