"""Matching of connectomes and transfer of types, on simulated ones."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from celltyping import Connectome, match_connectomes, transfer_types
from celltyping.datasets import make_connectome
from celltyping.pipelines import _match_connectomes, _transfer_types

N = 80
rng = np.random.RandomState(0)
A = rng.poisson(0.3, (N, N)) * rng.poisson(3.0, (N, N))
IDS = [f"n{i}" for i in range(N)]
ORDER = rng.permutation(N)
REFERENCE = Connectome(A, IDS)
OTHER = Connectome(A[np.ix_(ORDER, ORDER)], 1000 + np.arange(N))
TRUE = np.array(IDS)[ORDER]
TYPES = pd.Series(np.array(list("abcd"))[np.arange(N) % 4], index=IDS)


def test_one_row_per_neuron_by_id():
    table = match_connectomes(REFERENCE, OTHER)
    assert table.index.tolist() == (1000 + np.arange(N)).tolist()
    assert list(table) == ["match", "probability", "similarity"]
    np.testing.assert_array_equal(table["match"], TRUE)
    assert table["probability"].between(0.5, 1).all()
    np.testing.assert_allclose(table["similarity"], 1.0, atol=1e-5)


def test_the_best_matches():
    table = match_connectomes(REFERENCE, OTHER, n_best=3)
    assert table.index.tolist() == np.repeat(1000 + np.arange(N), 3).tolist()
    np.testing.assert_array_equal(table["match"][::3], TRUE)
    assert table["match"].isna().any()  # where fewer are possible
    by_neuron = table["probability"].to_numpy().reshape(N, 3)
    assert (np.diff(by_neuron, axis=1) <= 0).all()


def test_integer_ids_stay_exact_beside_missing_matches():
    big = 720575940600000001 + np.arange(N - 10)
    few = Connectome(A[10:, 10:], big)
    table = match_connectomes(few, Connectome(A))
    assert table["match"].isna().sum() >= 10
    assert table["match"].dtype == "Int64"
    matched = table["match"].dropna()
    assert matched.is_unique
    assert matched.isin(big).all()


def test_views_of_one_graph_use_the_edges_between_them(monkeypatch):
    found = []
    monkeypatch.setattr(
        _match_connectomes.matching,
        "match",
        lambda parts, *args, **options: found.append(parts) or 1 / 0,
    )
    for other in (REFERENCE[50:], Connectome(A[50:, 50:], IDS[50:])):
        with pytest.raises(ZeroDivisionError):
            match_connectomes(REFERENCE[:50], other)
    views, apart = found
    np.testing.assert_allclose(
        views.within.toarray()[:50, :50], np.sqrt(A[:50, :50]), rtol=1e-6
    )
    np.testing.assert_allclose(
        views.between.toarray()[50:, :50], np.sqrt(A[50:, :50]), rtol=1e-6
    )
    assert apart.between.nnz == 0


def test_neurons_match_inside_their_category():
    side = pd.Series(np.where(np.arange(N) < 40, "l", "r"), index=IDS)
    of_other = pd.Series(side[TRUE].to_numpy(), index=OTHER.node_ids)
    side.iloc[0], of_other.iloc[0] = None, None
    pair = (side, of_other)
    table = match_connectomes(REFERENCE, OTHER, must_agree=pair, n_best=5)
    known = table[table["match"].notna()].drop(OTHER.node_ids[0])
    agree = of_other[known.index].to_numpy() == side[known["match"]].to_numpy()
    assert (agree | (known["match"] == "n0").to_numpy()).all()
    swapped = (side, of_other.replace({"l": "r", "r": "l"}))
    wrong = match_connectomes(REFERENCE, OTHER, must_agree=swapped)["match"]
    assert (wrong == TRUE).mean() < 0.1


def test_one_table_has_the_categories_of_both():
    named = Connectome(OTHER.adjacency, [f"m{i}" for i in range(N)])
    side = dict(zip(IDS, np.where(np.arange(N) < 40, "l", "r"), strict=True))
    side |= dict(zip(named.node_ids, [side[name] for name in TRUE], strict=True))
    groups = _match_connectomes.read_groups(side, REFERENCE, named)
    assert [nodes.tolist() for _, nodes in groups] == [[*range(40)], [*range(40, N)]]
    for rows, nodes in groups:
        np.testing.assert_array_equal(np.sort(ORDER[rows]), nodes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"other": A}, "other must be a Connectome, got ndarray"),
        ({"other": Connectome(np.zeros((3, 3)))}, "other has no edges between its 3"),
        ({"other": REFERENCE[:3]}, "views of one graph .* no common nodes, but have 3"),
        ({"prior": np.ones((3, N))}, r"prior must have one row .*\(80, 80\), got \(3"),
        ({"prior": -np.eye(N)}, "Negative values in data"),
        ({"must_agree": "l"}, "must be a Series or a dict"),
        (
            {
                "must_agree": (
                    dict.fromkeys(IDS, "l"),
                    dict.fromkeys(OTHER.node_ids, "r"),
                )
            },
            "must_agree gives no neuron of other a category",
        ),
        ({"n_best": 0}, "'n_best' parameter"),
    ],
)
def test_errors(options, message):
    arguments = {"reference": REFERENCE, "other": OTHER} | options
    with pytest.raises((TypeError, ValueError), match=message):
        match_connectomes(**arguments)


def test_one_to_one_takes_the_largest_sum_of_shares():
    nodes = np.array([[0, 1], [0, -1], [0, -1]], dtype=np.int32)
    shares = np.array([[0.6, 0.4], [1.0, 0.0], [0.9, 0.0]], dtype=np.float32)
    matches = _match_connectomes.matching.Matches(nodes, shares, shares / 2)
    found = _match_connectomes.assign_one_to_one(matches, 3)
    assert found.nodes.ravel().tolist() == [1, 0, -1]
    np.testing.assert_allclose(found.shares.ravel(), [0.4, 1.0, 0.0])
    np.testing.assert_allclose(found.similarities.ravel(), [0.2, 0.5, 0.0])


# -------------------------------------------------------------------------------- types


def test_types_come_with_the_matches():
    table = transfer_types(OTHER, REFERENCE, TYPES)
    assert list(table) == ["type", "probability", "match", "similarity", "unknown"]
    np.testing.assert_array_equal(table["type"], TYPES[TRUE])
    np.testing.assert_array_equal(table["match"], TRUE)
    assert not table["unknown"].any()


def test_types_that_are_not_known_give_no_type():
    known = TYPES.where(TYPES != "a")
    table = transfer_types(OTHER, REFERENCE, known)
    is_a = (TYPES[TRUE] == "a").to_numpy()
    np.testing.assert_array_equal(table["unknown"], is_a)
    assert set(table["type"][is_a]) == {"unknown"}
    everything = transfer_types(OTHER, REFERENCE, known, min_probability=0)
    np.testing.assert_array_equal(everything["type"][~is_a], table["type"][~is_a])


def test_numbers_as_types():
    table = transfer_types(
        OTHER, REFERENCE, dict(zip(IDS, np.arange(N) % 3, strict=True))
    )
    np.testing.assert_array_equal(table["type"], ORDER % 3)


def test_no_correspondence_of_neurons():
    sample = make_connectome(1000, n_types=10, n_edges=40000, random_state=2)
    types = dict(zip(sample.data.node_ids, sample.target, strict=True))
    halves = [
        Connectome(view.adjacency, view.node_ids)
        for view in (sample.data[:500], sample.data[500:])
    ]
    table = transfer_types(halves[1], halves[0], types)
    assert np.mean(table["type"] == sample.target[500:]) > 0.85


def test_capacities():
    codes = np.array([0, 0, 1, -1])
    classes = np.array(["a", "b"])
    read = _transfer_types._read_capacities
    assert read(None, classes, codes, 8) is None
    np.testing.assert_allclose(read("reference", classes, codes, 8), [2, 2, 2, 2])
    np.testing.assert_allclose(read({"a": 3}, classes, codes, 8), [1.5, 1.5, 2, 2])
    for wrong, message in [
        ({"c": 1}, "types that no neuron of the reference has: 'c'"),
        ({"a": -1}, "not negative, got -1 for 'a'"),
        ({"a": True}, "got True for 'a'"),
        ("many", "capacities must be 'reference', None or a dict"),
    ]:
        with pytest.raises(ValueError, match=message):
            read(wrong, classes, codes, 8)


def test_scores_of_types_as_prior():
    codes = np.array([0, 1, 0, -1])
    scores = np.array([[4.0, 0.0], [0.0, 2.0], [0.0, 0.0]])
    prior = _transfer_types._read_prior(scores, codes, 2, 3)
    expected = [[1, 0, 1, 0], [0, 0.5, 0, 0], [0, 0, 0, 0]]
    np.testing.assert_allclose(prior.toarray(), expected)
    pairs = sparse.csr_array(np.eye(3, 4))
    np.testing.assert_allclose(
        _transfer_types._read_prior(pairs, codes, 2, 3).toarray(), np.eye(3, 4)
    )


def test_a_type_named_unknown_is_refused():
    with pytest.raises(ValueError, match="unknown"):
        transfer_types(OTHER, REFERENCE, TYPES.replace("a", "unknown"))
