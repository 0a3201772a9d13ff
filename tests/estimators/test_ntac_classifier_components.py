"""NtacClassifier on components that no known type reaches, such as another brain."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pytest

from celltyping import Connectome, NtacClassifier
from celltyping.datasets import make_connectome

N = 120


@pytest.fixture(scope="module")
def brains():
    """Return a typed brain beside a shuffled copy of it, and the types of both."""
    sample = make_connectome(N, n_types=6, n_edges=4000, random_state=0)
    order = np.random.RandomState(0).permutation(N)
    brain, copy = sample.data, sample.data[order]
    ids = [f"copy {name}" for name in copy.node_ids]
    brain = Connectome(brain.adjacency, [str(name) for name in brain.node_ids])
    both = Connectome.concat([brain, Connectome(copy.adjacency, ids)])
    return both, np.concatenate([sample.target, sample.target[order]])


def known_in_first(target, share=1.0):
    """Return types of the first brain, a share of them, and none of the second."""
    y = np.full(len(target), "?", dtype=object)
    known = np.arange(N) < share * N
    y[:N][known] = target[:N][known]
    return y


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_another_brain_is_typed_without_a_seed(brains, share):
    both, target = brains
    ntac = NtacClassifier().fit(both, known_in_first(target, share))
    copy = slice(N, None)
    assert np.mean(ntac.transduction_[copy] == target[copy]) > 0.9
    assert np.mean(ntac.label_confidence_[copy]) > 0.5
    probabilities = ntac.predict_proba(both[copy])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    np.testing.assert_allclose(
        probabilities.max(axis=1), ntac.label_confidence_[copy], rtol=1e-6
    )
    ranked, similarities = ntac.rank_types(both[copy], k=2)
    np.testing.assert_array_equal(ranked[:, 0], ntac.transduction_[copy])
    assert np.median(similarities[:, 0]) > np.median(similarities[:, 1])


def test_without_matching_it_gets_the_most_frequent_type(brains):
    both, target = brains
    y = known_in_first(target)
    ntac = NtacClassifier(match_components=False).fit(both, y)
    assert len(set(ntac.transduction_[N:])) == 1
    assert ntac.label_confidence_[N:].max() == 0
    matched = NtacClassifier().fit(both, y)
    np.testing.assert_array_equal(matched.transduction_[:N], ntac.transduction_[:N])


def test_known_types_of_the_other_brain_are_kept(brains):
    both, target = brains
    y = known_in_first(target)
    y[N::10] = target[N::10]
    ntac = NtacClassifier().fit(both, y)
    np.testing.assert_array_equal(ntac.transduction_[y != "?"], y[y != "?"])
    assert np.mean(ntac.transduction_[N:] == target[N:]) > 0.9


def test_a_component_with_a_type_of_its_own_is_not_matched(brains):
    both, target = brains
    y = known_in_first(target)
    y[N::10] = "another"
    fits = [NtacClassifier(match_components=on).fit(both, y) for on in (True, False)]
    np.testing.assert_array_equal(fits[0].transduction_, fits[1].transduction_)


def test_number_of_threads(brains):
    both, target = brains
    y = known_in_first(target)
    one, three = (NtacClassifier(n_jobs=n).fit(both, y) for n in (1, 3))
    np.testing.assert_array_equal(one.label_confidence_, three.label_confidence_)
    np.testing.assert_array_equal(one.transduction_, three.transduction_)


def test_a_component_of_one_node_has_nothing_to_match(brains):
    both, target = brains
    alone = Connectome([[3]], ["alone"])
    con = Connectome.concat([both[np.arange(N)], alone])
    ntac = NtacClassifier().fit(con, np.append(target[:N].astype(object), "?"))
    assert ntac.label_confidence_[-1] == 0
