"""One-to-one matching of clusters with types."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from sklearn.metrics.cluster import contingency_matrix

from celltyping.metrics import match_clusters, matched_accuracy_score

SAMPLES = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c", "d", "?"]), st.integers(-1, 5)),
    min_size=1,
    max_size=40,
).filter(lambda rows: any(label != "?" for label, _ in rows))


def test_match_clusters():
    y = np.array(["KC", "KC", "PN", "PN", "PN", "LHN"])
    clusters, types = match_clusters(y, [7, 7, 3, 3, 7, 5])
    assert clusters.tolist() == [3, 5, 7]
    assert types.tolist() == ["PN", "LHN", "KC"]


def test_best_matching_is_not_the_greedy_one():
    # With the largest overlap (a and 0: 3), b has no cluster left.
    y = np.repeat(["a", "a", "b"], [3, 2, 2])
    clusters = np.repeat([0, 1, 0], [3, 2, 2])
    assert matched_accuracy_score(y, clusters) == pytest.approx(4 / 7)
    assert dict(zip(*match_clusters(y, clusters), strict=True)) == {0: "b", 1: "a"}


@given(SAMPLES)
def test_agrees_with_the_dense_assignment(rows):
    y, clusters = (np.array(column) for column in zip(*rows, strict=True))
    counted = (y != "?") & (clusters != -1)
    if {-1, 1} == set(clusters.tolist()):
        return  # then -1 is a cluster
    best = 0
    if counted.any():
        table = contingency_matrix(y[counted], clusters[counted])
        best = table[linear_sum_assignment(table, maximize=True)].sum()
    expected = best / (y != "?").sum()
    assert matched_accuracy_score(y, clusters) == pytest.approx(expected)
    matched, types = match_clusters(y, clusters)
    name = dict(zip(matched, types, strict=True))
    assert len(set(types)) == len(types)
    assert np.array_equal(matched, np.sort(matched))
    agreeing = sum(name.get(c) == t for c, t in zip(clusters, y, strict=True))
    assert agreeing == best


@given(SAMPLES, st.permutations(range(6)))
def test_names_and_order_of_clusters_do_not_matter(rows, names):
    y, clusters = (np.array(column) for column in zip(*rows, strict=True))
    if -1 in clusters:
        clusters = clusters + 1
    renamed = np.array([f"cluster {names[c]}" for c in clusters % 6])
    score = matched_accuracy_score(y, clusters % 6)
    assert matched_accuracy_score(y, renamed) == score
    assert matched_accuracy_score(y[::-1], renamed[::-1]) == score


@pytest.mark.parametrize("noise", [-1, None, np.nan, "?"])
def test_noise_is_not_matched_and_counts_as_wrong(noise):
    y = ["KC", "KC", "PN", "PN"]
    clusters = [0, 0, noise, noise]
    if isinstance(noise, str):
        clusters = ["0", "0", noise, noise]
    assert matched_accuracy_score(y, clusters) == 0.5
    assert match_clusters(y, clusters)[1].tolist() == ["KC"]


def test_noise_beside_one_cluster_is_noise():
    # In `y`, -1 and 1 would be a binary problem.
    assert match_clusters(["KC", "PN", "KC"], [1, -1, 1])[0].tolist() == [1]


def test_all_noise_scores_zero():
    assert matched_accuracy_score(["KC", "PN"], [-1, -1]) == 0
    clusters, types = match_clusters(["KC", "PN"], [-1, -1])
    assert clusters.size == types.size == 0


def test_types_whose_samples_are_all_noise():
    clusters, types = match_clusters(["KC", "LHN", "PN"], [1, -1, 0])
    assert (clusters.tolist(), types.tolist()) == ([0, 1], ["PN", "KC"])


def test_more_clusters_than_types_and_fewer():
    y = ["KC"] * 4
    assert matched_accuracy_score(y, [0, 1, 2, 2]) == 0.5
    assert matched_accuracy_score(["KC", "KC", "PN", "LHN"], [0] * 4) == 0.5


def test_unlabeled_marker():
    y, clusters = ["KC", "no", "no", "PN"], [0, 1, 1, 1]
    assert matched_accuracy_score(y, clusters) == 0.75
    assert matched_accuracy_score(y, clusters, unlabeled_marker="no") == 1
    types = match_clusters(y, clusters, unlabeled_marker="no")[1]
    assert types.tolist() == ["KC", "PN"]
    y = ["KC", "", "nan", "PN"]
    assert matched_accuracy_score(y, clusters) == 1
    assert matched_accuracy_score(y, clusters, unlabeled_marker=["x", "KC"]) == 1


def test_refuses(subtests):
    for y, clusters, message in (
        (["?", "?"], [0, 1], "needs labelled samples, but all 2 labels in y are unkno"),
        (["KC"], [0, 1], "inconsistent numbers of samples"),
        (["KC", "PN"], [[0, 1], [1, 2]], "1d array"),
    ):
        with subtests.test(y=y, clusters=clusters):
            for function in (match_clusters, matched_accuracy_score):
                with pytest.raises(ValueError, match=message):
                    function(y, clusters)
