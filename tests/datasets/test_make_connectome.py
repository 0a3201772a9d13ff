"""Simulated connectomes."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from celltyping import Connectome
from celltyping.datasets import make_connectome
from celltyping.datasets._make_connectome import (
    _draw_distinct,
    _draw_in_groups,
    _is_among,
    _partner_types,
    _sorted_unique,
    _type_sizes,
    _zero_truncated_poisson,
)


def edges_of(sample):
    """Return the type codes of both neurons of each edge, and the weights."""
    coo = sample.data.adjacency.tocoo()
    types = np.searchsorted(sample.target_names, sample.target)
    return types[coo.row], types[coo.col], coo.data


def block_counts(sample):
    """Return the number of edges from each type to each type."""
    n_types = len(sample.target_names)
    pre, post, _ = edges_of(sample)
    return np.bincount(pre * n_types + post, minlength=n_types**2).reshape(n_types, -1)


def sizes_of(sample):
    """Return the number of neurons of each type."""
    return np.unique(sample.target, return_counts=True)[1]


def test_bunch():
    sample = make_connectome(n_neurons=120, n_types=11, n_edges=900, random_state=0)
    assert isinstance(sample.data, Connectome)
    assert (sample.data.shape, sample.data.n_edges) == ((120, 120), 900)
    assert sample.data.node_ids.tolist() == list(range(120))
    assert sample.target.dtype == sample.target_names.dtype == object
    assert sample.target_names.tolist() == [f"T{code:02d}" for code in range(11)]
    assert sorted(set(sample.target)) == sample.target_names.tolist()
    frame = sample.frame
    assert (frame.index.name, frame.index.tolist()) == ("id", list(range(120)))
    assert frame["type"].tolist() == sample.target.tolist()
    assert frame["out_propensity"].mean() == pytest.approx(1)
    assert frame["in_propensity"].mean() == pytest.approx(1)


def test_defaults():
    sample = make_connectome(random_state=0)
    assert (len(sample.data), sample.data.n_edges) == (1000, 20000)
    assert len(sample.target_names) == 20


@given(st.integers(2, 40), st.integers(1, 12), st.integers(1, 200), st.integers(0, 100))
def test_number_of_edges_is_exact(n_neurons, n_types, n_edges, seed):
    n_types = min(n_types, n_neurons)
    n_edges = min(n_edges, n_neurons**2 // 2)
    X, y = make_connectome(
        n_neurons, n_types, n_edges, noise=1, random_state=seed, return_X_y=True
    )
    assert (len(X), X.n_edges) == (n_neurons, n_edges)
    sizes = np.unique(y, return_counts=True)[1]
    assert len(sizes) == n_types
    assert sizes.min() >= min(2, n_neurons // n_types)


def test_same_seed_same_bits():
    def made(random_state):
        return make_connectome(100, 4, 800, random_state=random_state)

    one, same, other = made(7), made(7), made(8)
    assert one.data.graph.content_hash == same.data.graph.content_hash
    assert one.frame.equals(same.frame)
    assert made(np.random.RandomState(7)).data.is_same_graph(one.data)
    assert not other.data.is_same_graph(one.data)


def test_return_X_y_needs_no_pandas(monkeypatch):
    X, y = make_connectome(100, 4, 800, random_state=7, return_X_y=True)
    sample = make_connectome(100, 4, 800, random_state=7)
    assert X.is_same_graph(sample.data)
    assert np.array_equal(y, sample.target)
    monkeypatch.setitem(sys.modules, "pandas", None)
    make_connectome(100, 4, 800, random_state=7, return_X_y=True)
    with pytest.raises(ImportError, match=r"make_connectome.* needs pandas.*'io'"):
        make_connectome(100, 4, 800, random_state=7)


def test_n_partner_types():
    params = {"n_types": 10, "n_edges": 8000, "noise": 0, "random_state": 0}
    for n_partner_types in (1, 3):
        blocks = block_counts(
            make_connectome(n_partner_types=n_partner_types, **params)
        )
        assert ((blocks > 0).sum(axis=1) <= n_partner_types).all()
        assert (blocks > 0).sum() > 8 * n_partner_types
    more_than_there_are = make_connectome(n_partner_types=99, **params)
    assert (block_counts(more_than_there_are) > 0).sum() > 90


def test_noise():
    params = {"n_types": 10, "n_edges": 10000, "n_partner_types": 1, "random_state": 0}
    params["type_size_sigma"] = 0
    for noise in (0, 0.2, 1):
        blocks = block_counts(make_connectome(noise=noise, **params))
        partners = np.sort(blocks, axis=1)[:, -1].sum() / 10000
        # A tenth of the noise also connects to the partner type.
        expected = 1 - 0.9 * noise
        assert partners == pytest.approx(expected, abs=0.03)


def test_mean_synapses():
    for mean in (1, 1.5, 4):
        sample = make_connectome(mean_synapses=mean, random_state=0)
        assert sample.data.n_synapses / 20000 == pytest.approx(mean, rel=0.02)
        assert edges_of(sample)[2].min() == 1


def test_degree_sigma():
    def spread(degree_sigma):
        sample = make_connectome(
            degree_sigma=degree_sigma, noise=0, n_partner_types=20, random_state=0
        )
        return sample, np.std((sample.data.adjacency > 0).sum(axis=1))

    equal, narrow = spread(0)
    assert (equal.frame[["out_propensity", "in_propensity"]] == 1).all(axis=None)
    _, wide = spread(1.0)
    assert narrow < 6 < wide


def test_degrees_follow_the_propensities():
    sample = make_connectome(500, 2, 20000, noise=0, n_partner_types=2, random_state=0)
    has_edge = sample.data.adjacency > 0
    frame = sample.frame.assign(sent=has_edge.sum(axis=1), got=has_edge.sum(axis=0))
    expected = 40 * frame["out_propensity"]  # approximately, as pairs are unique
    assert np.corrcoef(frame["sent"], expected)[0, 1] > 0.9
    assert frame["sent"].mean() == 40
    for _, of_type in frame.groupby("type"):
        assert np.corrcoef(of_type["got"], of_type["in_propensity"])[0, 1] > 0.85


def test_type_size_sigma():
    equal = make_connectome(1000, 10, type_size_sigma=0, random_state=0)
    assert sizes_of(equal).tolist() == [100] * 10
    uneven = make_connectome(1000, 10, type_size_sigma=1.5, random_state=0)
    assert sizes_of(uneven).max() > 300
    assert sizes_of(uneven).min() >= 2
    crowded = make_connectome(15, 10, 60, random_state=0)
    assert sizes_of(crowded).min() == 1


def test_sizes_are_log_normal():
    rng = np.random.RandomState(0)
    logs = np.log(_type_sizes(10**6, 2000, 0.7, rng))
    assert np.std(logs) == pytest.approx(0.7, rel=0.05)
    centred = (logs - logs.mean()) / logs.std()
    assert np.mean(centred**3) == pytest.approx(0, abs=0.15)  # symmetric


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 100))
def test_partner_types_differ(n_types, n_partners, seed):
    n_partners = min(n_types, n_partners)
    partners = _partner_types(n_types, n_partners, np.random.RandomState(seed))
    assert partners.shape == (n_types, n_partners)
    for row in partners:
        assert len(set(row)) == n_partners
        assert set(row) <= set(range(n_types))


def test_partner_types_are_uniform():
    rng = np.random.RandomState(0)
    draws = np.concatenate([_partner_types(7, 3, rng).ravel() for _ in range(2000)])
    assert np.bincount(draws) / draws.size == pytest.approx(np.full(7, 1 / 7), rel=0.05)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=5), st.integers(0, 100))
def test_draws_are_in_their_group(group_sizes, seed):
    rng = np.random.RandomState(seed)
    bounds = np.concatenate([[0], np.cumsum(group_sizes)])
    weights = 10.0 ** rng.uniform(-12, 12, size=bounds[-1])
    group = rng.randint(len(group_sizes), size=200)
    position = _draw_in_groups(weights, bounds, group, rng)
    assert np.array_equal(np.searchsorted(bounds, position, side="right") - 1, group)


def test_draws_follow_the_weights():
    rng = np.random.RandomState(0)
    weights = np.array([1.0, 3.0, 100.0, 2.0, 2.0, 4.0])
    drawn = _draw_in_groups(weights, np.array([0, 2, 3, 6]), np.full(20000, 2), rng)
    found = np.bincount(drawn, minlength=6) / 20000
    assert found == pytest.approx([0, 0, 0, 0.25, 0.25, 0.5], abs=0.02)


def test_zero_truncated_poisson(subtests):
    for mean in (1.0, 1.0001, 1.5, 3.0, 40.0, 1e5):
        with subtests.test(mean=mean):
            drawn = _zero_truncated_poisson(mean, 40000, np.random.RandomState(0))
            assert drawn.min() >= 1
            assert drawn.mean() == pytest.approx(mean, rel=0.02)


def test_zero_truncated_poisson_distribution():
    drawn = _zero_truncated_poisson(2.0, 100000, np.random.RandomState(0))
    rate = 1.593624260  # solves rate / (1 - exp(-rate)) = 2
    probability, expected = np.exp(-rate) / (1 - np.exp(-rate)), []
    for number in range(1, 6):
        probability *= rate / number
        expected.append(probability)
    found = np.bincount(drawn, minlength=6)[1:6] / 100000
    assert found == pytest.approx(expected, abs=0.005)


@given(st.lists(st.integers(0, 20)), st.lists(st.integers(0, 20)))
def test_sorted_sets(keys, known):
    keys, known = np.array(keys, np.int64), np.unique(np.array(known, np.int64))
    assert np.array_equal(_sorted_unique(keys), np.unique(keys))
    assert np.array_equal(_is_among(keys, known), np.isin(keys, known))


def test_draw_distinct():
    rng = np.random.RandomState(0)
    taken = np.arange(0, 100, 2)
    keys = _draw_distinct(lambda n: rng.randint(100, size=n), 45, taken, rng)
    assert len(set(keys.tolist())) == 45
    assert np.array_equal(keys, np.sort(keys))
    assert (keys % 2 == 1).all()


def test_memory_is_less_than_quadratic():
    tracemalloc.start()
    make_connectome(20000, 5000, 20000, random_state=0, return_X_y=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 25e6  # one bit per pair of types would be 3 MB, a byte 25 MB


def test_refuses(subtests):
    for params, message in (
        ({"n_neurons": 1}, r"'n_neurons' parameter .* in the range \[2, inf\). Got 1"),
        ({"mean_synapses": 0.9}, "'mean_synapses' parameter .* Got 0.9"),
        ({"n_types": 2000}, r"n_types \(2000\) must be at most n_neurons \(1000\)"),
        ({"n_edges": 500001}, r"n_edges \(500001\) must be at most half .* \(500000\)"),
        (
            {"n_partner_types": 1, "n_edges": 100000},
            "leaves 90000 edges between partner types, .* raise n_partner_types or noi",
        ),
        (
            {"degree_sigma": 9},
            r"only \d+ of 18000 edges were different in \d+ draws",
        ),
    ):
        with subtests.test(params=params), pytest.raises(ValueError, match=message):
            make_connectome(**{"random_state": 0, **params})
