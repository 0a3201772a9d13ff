"""Simulated synapses."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.utils import Bunch

from celltyping import NeuronAligner
from celltyping.datasets import make_synapses

COLUMNS = ["NeuronId", "NeuronType", "SynType", "x", "y", "z"]
COLUMNS += ["soma_x", "soma_y", "soma_z", "SynArea", "BoutonArea", "BoutonVolume"]
PLACE, SOMA, SIZES = COLUMNS[3:6], COLUMNS[6:9], COLUMNS[9:]


def distances(frame):
    """Return the distances of synapses from their soma."""
    return np.linalg.norm(frame[PLACE].to_numpy() - frame[SOMA].to_numpy(), axis=1)


@pytest.fixture(scope="module")
def synapses():
    """Give the default synapses."""
    return make_synapses(random_state=0)


@pytest.fixture(scope="module")
def many():
    """Give many synapses, for precise shares and medians."""
    return make_synapses(30, min_synapses=500, max_synapses=1500, random_state=0)


def test_bunch(synapses):
    assert isinstance(synapses, Bunch)
    frame = synapses.frame
    assert frame.columns.tolist() == COLUMNS
    assert synapses.new_frame.columns.tolist() == COLUMNS
    assert frame.index.tolist() == list(range(len(frame)))
    assert frame.dtypes[COLUMNS[3:]].eq("float64").all()
    assert synapses.target.dtype == synapses.new_target.dtype == np.int64
    assert synapses.target.shape == (len(frame),)
    assert synapses.new_target.shape == (len(synapses.new_frame),) == (30,)
    assert set(synapses.target) == {-1, 0, 1, 2, 3, 4, 5}
    assert synapses.cluster_centers.shape == (6, 3)
    assert not frame.isna().any(axis=None)
    assert (frame[SIZES] > 0).all(axis=None)


def test_neurons(synapses):
    counts = synapses.frame["NeuronId"].value_counts()
    names = ["cb1", "cb2", "cb3", "cr1", "cr2", "cr3", "pv1", "pv2", "pv3"]
    assert sorted(counts.index) == names
    assert (counts.min(), counts.max()) == (6, 250)
    expected = 6 * (250 / 6) ** (np.arange(9) / 8)
    assert np.abs(np.sort(counts) - expected).max() <= 0.5
    for frame in (synapses.frame, synapses.new_frame):
        proteins = {"cb": "calbindin", "cr": "calretinin", "pv": "parvalbumin"}
        assert frame["NeuronId"].str[:2].map(proteins).eq(frame["NeuronType"]).all()
        assert set(frame["NeuronId"]) <= set(names)
    # New synapses are of the same neurons: they have the same somas.
    somas = synapses.frame.groupby("NeuronId")[SOMA].agg(["min", "max", "nunique"])
    assert (somas.xs("nunique", axis=1, level=1) == 1).all(axis=None)
    known = somas.xs("min", axis=1, level=1).loc[synapses.new_frame["NeuronId"]]
    assert np.array_equal(known, synapses.new_frame[SOMA])


def test_same_seed_same_bits():
    def made(random_state):
        return make_synapses(random_state=random_state)

    one, same, other = made(7), made(7), made(8)
    of_instance = made(np.random.RandomState(7))
    for again in (same, of_instance):
        assert one.frame.equals(again.frame)
        assert one.new_frame.equals(again.new_frame)
        assert np.array_equal(one.target, again.target)
        assert np.array_equal(one.new_target, again.new_target)
        assert np.array_equal(one.cluster_centers, again.cluster_centers)
    assert not one.frame[PLACE].iloc[:6].equals(other.frame[PLACE].iloc[:6])
    frame, target = make_synapses(random_state=7, return_X_y=True)
    assert frame.equals(one.frame)
    assert np.array_equal(target, one.target)


def test_sizes(many):
    frame, inlier = many.frame, many.target >= 0
    medians = frame[inlier][SIZES].median()
    # The medians of the six clusters are random, so their mean varies by 1.5.
    assert 0.046 / 1.5 < medians["SynArea"] < 0.046 * 1.5
    assert 1.3 / 1.5 < medians["BoutonArea"] < 1.3 * 1.5
    assert 0.2 / 1.7 < medians["BoutonVolume"] < 0.2 * 1.7
    logs = np.log(frame[inlier][SIZES])
    assert np.corrcoef(logs["BoutonArea"], logs["BoutonVolume"])[0, 1] > 0.9
    assert (frame[inlier][SIZES].mean() > 1.1 * medians).all(), "a heavy tail"
    for k in range(6):
        of_cluster = logs[many.target[inlier] == k]
        assert of_cluster["SynArea"].std() == pytest.approx(0.4, rel=0.1)


def test_medians_over_seeds():
    logs = []
    for seed in range(40):
        frame = make_synapses(3, max_synapses=100, random_state=seed).frame
        logs.append(np.log(frame[SIZES].median()))
    found = np.exp(np.mean(logs, axis=0))
    assert found == pytest.approx([0.046, 1.3, 0.2], rel=0.2)


def test_kinds(many):
    inhibitory = many.frame["SynType"] == "ss"
    assert set(many.frame["SynType"]) == {"as", "ss"}
    assert inhibitory.mean() == pytest.approx(1 / 6, abs=0.03)
    inlier = many.target >= 0
    shares = [inhibitory[many.target == k].mean() for k in range(6)]
    radii = np.linalg.norm(many.cluster_centers, axis=1)
    near = np.argsort(radii)[:2]
    assert np.take(shares, near) == pytest.approx(0.5, abs=0.05)
    assert np.delete(shares, near).max() == 0
    distance = distances(many.frame)
    assert distance[inlier & inhibitory].mean() < distance[inlier & ~inhibitory].mean()


def test_outliers(many):
    outlier = many.target < 0
    assert outlier.sum() == round(0.03 * len(outlier))
    distance = distances(many.frame)
    far = outlier & (distance >= 250)
    huge = outlier & ~far
    assert abs(far.sum() - huge.sum()) <= 1
    assert distance[far].max() <= 400
    assert distance[~outlier].max() < 180
    medians = many.frame[SIZES].median()
    assert (many.frame[huge][SIZES].median() > 15 * medians).all()
    assert (many.frame[far][SIZES].median() < 2 * medians).all()


def test_new_synapses():
    for seed in range(5):
        synapses = make_synapses(random_state=seed)
        assert (synapses.new_target == -1).sum() == 1
    assert (make_synapses(n_new=1, random_state=0).new_target == -1).all()
    some = make_synapses(n_new=400, random_state=0)
    assert (some.new_target == -1).sum() == 12
    none = make_synapses(n_new=0, random_state=0)
    assert none.new_frame.shape == (0, 12)
    assert none.new_frame.columns.tolist() == COLUMNS
    assert none.new_target.shape == (0,)
    assert none.frame.equals(make_synapses(random_state=0).frame)
    clean = make_synapses(outlier_share=0, n_new=400, random_state=0)
    assert clean.target.min() == clean.new_target.min() == 0
    # They are near the other synapses of their cluster and neuron.
    neuron = clean.frame["NeuronId"].value_counts().index[0]
    old = (clean.frame["NeuronId"] == neuron).to_numpy()
    new = (clean.new_frame["NeuronId"] == neuron).to_numpy()
    for k in range(6):
        center = clean.frame[old & (clean.target == k)][PLACE].mean()
        places = clean.new_frame[new & (clean.new_target == k)][PLACE]
        assert len(places) > 0
        assert np.abs(places - center).max(axis=None) < 25


def test_alignment_brings_clusters_together():
    synapses = make_synapses(tilt=30, random_state=1)
    frame, inlier = synapses.frame, synapses.target >= 0

    def agreement(places):
        found = KMeans(6, n_init=3, random_state=0).fit_predict(places[inlier])
        return adjusted_rand_score(synapses.target[inlier], found)

    aligner = NeuronAligner("NeuronId", coordinates=PLACE, soma=SOMA)
    raw = agreement(frame[PLACE].to_numpy())
    centred = agreement(frame[PLACE].to_numpy() - frame[SOMA].to_numpy())
    aligned = agreement(aligner.fit_transform(frame)[PLACE].to_numpy())
    assert raw < 0.2
    assert centred < 0.6
    assert aligned > 0.8


def test_tilt_and_spread():
    params = {"n_neurons": 1, "min_synapses": 2000, "max_synapses": 2000}
    params |= {"outlier_share": 0, "random_state": 0}
    straight = make_synapses(**params, tilt=0)
    offsets = straight.frame[PLACE].to_numpy() - straight.frame[SOMA].to_numpy()
    for k, center in enumerate(straight.cluster_centers):
        rest = offsets[straight.target == k] - center
        assert np.abs(rest.mean(axis=0)).max() < 1
        along = rest @ (center / np.linalg.norm(center))
        # 5 along the dendrite, and half of it in every direction.
        assert along.std() == pytest.approx(np.hypot(5, 2.5), rel=0.12)
        assert np.sqrt((rest**2).sum() / len(rest)) == pytest.approx(
            np.sqrt(5**2 + 3 * 2.5**2), rel=0.1
        )
    turned = make_synapses(**params, tilt=90)
    assert np.array_equal(turned.cluster_centers, straight.cluster_centers)
    assert not np.allclose(turned.frame[PLACE], straight.frame[PLACE])
    assert distances(turned.frame) == pytest.approx(distances(straight.frame))
    points = make_synapses(**params, cluster_spread=0, tilt=0)
    offsets = points.frame[PLACE].to_numpy() - points.frame[SOMA].to_numpy()
    assert offsets == pytest.approx(points.cluster_centers[points.target])


@pytest.mark.parametrize("n_dendrites", [1, 2, 3])
def test_clusters_lie_on_dendrites(n_dendrites):
    centers = make_synapses(n_dendrites=n_dendrites, random_state=0).cluster_centers
    assert np.linalg.matrix_rank(centers, tol=1e-6) == n_dendrites
    directions = centers / np.linalg.norm(centers, axis=1)[:, None]
    alike = directions @ directions.T > 1 - 1e-9
    same = np.arange(6) % n_dendrites
    assert np.array_equal(alike, same[:, None] == same)
    extents = np.sqrt((centers**2).mean(axis=0))
    expected = np.where(np.arange(3) < n_dendrites, [60, 38, 22], 0)
    assert extents == pytest.approx(expected)


@settings(max_examples=15, deadline=None)
@given(
    st.integers(1, 12),
    st.integers(1, 9),
    st.integers(1, 5),
    st.integers(1, 30),
    st.integers(0, 30),
    st.floats(0, 0.99),
    st.integers(0, 9),
)
def test_any_numbers(n_neurons, n_clusters, n_dendrites, least, more, share, n_new):
    synapses = make_synapses(
        n_neurons,
        n_clusters=n_clusters,
        n_dendrites=n_dendrites,
        min_synapses=least,
        max_synapses=least + more,
        outlier_share=share,
        n_new=n_new,
        random_state=0,
    )
    frame = synapses.frame
    counts = frame["NeuronId"].value_counts()
    assert len(counts) == n_neurons
    assert counts.min() == least
    assert counts.max() == (least + more if n_neurons > 1 else least)
    assert (synapses.target == -1).sum() == round(share * len(frame))
    assert synapses.target.max() < n_clusters
    assert np.isfinite(frame[COLUMNS[3:]]).all(axis=None)
    assert synapses.new_frame.shape == (n_new, 12)


def test_needs_pandas(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"make_synapses needs pandas.*'synapse'"):
        make_synapses()


def test_refuses(subtests):
    for params, message in (
        ({"n_neurons": 0}, r"'n_neurons' parameter .* Got 0"),
        ({"max_synapses": 5}, r"max_synapses \(5\) must be at least min_synapses \(6"),
    ):
        with subtests.test(params=params), pytest.raises(ValueError, match=message):
            make_synapses(**params)
