"""NtacClassifier: the graph contract, under several settings.

- Permuting the nodes permutes the result; threads, blocks and batches change no bit.
- The form of an adjacency matrix and its dtypes do not matter.
- Isolated nodes, and components without a labelled node, get the most frequent type
  with confidence 0; a graph may have no edges at all.
- Self loops count. Components are typed as each alone.
- Labelled nodes keep their types; inputs are not changed.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from unittest.mock import patch

import numpy as np
import pytest

from celltyping import Connectome, NtacClassifier
from celltyping._kernels import _threads
from celltyping.estimators import _ntac_classifier
from celltyping.estimators._ntac import propagation
from tests._comparison import assert_same_answers
from tests._ntac import (
    CLASSIFIER_SETTINGS,
    FORMS,
    PUBLISHED,
    classifier_answers,
    make_typed_brain,
    write_as,
)


@pytest.fixture(scope="module")
def brain():
    return make_typed_brain()


def test_fitted_attributes(subtests, brain):
    for name, settings in CLASSIFIER_SETTINGS.items():
        with subtests.test(name=name):
            con, y, _ = brain
            ntac = NtacClassifier(**settings).fit(con, y)
            assert ntac.transduction_.shape == ntac.label_confidence_.shape == (150,)
            assert ntac.n_features_in_ == 150
            assert (
                ntac.n_iter_
                == len(ntac.history_.changed)
                == len(ntac.history_.similarity)
            )
            assert 0 < ntac.history_.similarity[-1] < 1
            assert ntac.history_.changed[-1] <= ntac.tol
            assert (ntac.transduction_ == ntac.predict(con)).all()


def test_predictions_are_the_largest_probabilities(subtests, brain):
    for name, settings in CLASSIFIER_SETTINGS.items():
        with subtests.test(name=name):
            con, y, _ = brain
            ntac = NtacClassifier(**settings).fit(con, y)
            for X in (con, con[10:40], con.adjacency.toarray()):
                probabilities = ntac.predict_proba(X)
                assert probabilities.shape == (len(ntac.predict(X)), 4)
                assert probabilities.min() >= 0
                np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
                largest = ntac.classes_[probabilities.argmax(axis=1)]
                assert (largest == ntac.predict(X)).all()
                ranked, _ = ntac.rank_types(X, k=1)
                assert (ranked[:, 0] == largest).all()
            np.testing.assert_array_equal(
                ntac.label_confidence_, ntac.predict_proba(con).max(axis=1)
            )


def test_labelled_nodes_keep_their_types(subtests, brain):
    for name, settings in CLASSIFIER_SETTINGS.items():
        with subtests.test(name=name):
            con, y, _ = brain
            ntac = NtacClassifier(**settings).fit(con, y)
            known = y != "?"
            assert (ntac.transduction_[known] == y[known]).all()
            assert (ntac.label_confidence_[known] == 1).all()
            assert (ntac.predict_proba(con[known]).max(axis=1) == 1).all()


def test_permuting_the_nodes_permutes_the_classifier_answers(subtests, brain):
    for name, settings in CLASSIFIER_SETTINGS.items():
        with subtests.test(name=name):
            con, y, _ = brain
            order = np.random.default_rng(1).permutation(150)
            permuted = Connectome(con.adjacency[order][:, order])
            one = NtacClassifier(**settings).fit(con, y)
            other = NtacClassifier(**settings).fit(permuted, y[order])
            assert (other.transduction_ == one.transduction_[order]).all()
            assert other.n_iter_ == one.n_iter_
            np.testing.assert_allclose(
                other.predict_proba(permuted), one.predict_proba(con)[order], atol=1e-5
            )
            ranked, similarities = other.rank_types(permuted, k=4)
            expected = one.rank_types(con[order], k=4)
            assert (ranked == expected[0]).all()
            np.testing.assert_allclose(similarities, expected[1], atol=1e-5)


def test_threads_blocks_and_repetitions_change_no_bit(subtests, brain):
    for name, settings in CLASSIFIER_SETTINGS.items():
        with subtests.test(name=name):
            con, y, _ = brain
            expected = classifier_answers(NtacClassifier(**settings).fit(con, y), con)
            assert_same_answers(
                classifier_answers(NtacClassifier(**settings).fit(con, y), con),
                expected,
            )
            for n_jobs in (1, 2):
                with (
                    patch.object(_threads, "BLOCK", 7),
                    patch.object(propagation, "TILE", 40),
                ):
                    ntac = NtacClassifier(**settings, n_jobs=n_jobs).fit(con, y)
                    found = classifier_answers(ntac, con)
                assert_same_answers(found, expected)


def test_batches_change_no_bit(subtests, brain):
    for name, settings in CLASSIFIER_SETTINGS.items():
        with subtests.test(name=name):
            con, y, _ = brain
            rows = con.adjacency.toarray()
            ntac = NtacClassifier(**settings).fit(con, y)
            expected = [classifier_answers(ntac, X) for X in (con, rows)]
            with patch.object(_ntac_classifier, "BATCH", 11):
                for X, answer in zip((con, rows), expected, strict=True):
                    assert_same_answers(classifier_answers(ntac, X), answer)


def test_adjacencies_of_any_form_give_the_same(subtests, brain):
    for form, index_dtype, dtype in FORMS:
        with subtests.test(form=form, index_dtype=index_dtype, dtype=dtype):
            con, y, _ = brain
            expected = NtacClassifier().fit(con, y)
            matrix = write_as(con.adjacency.toarray(), form, index_dtype, dtype)
            fits = [NtacClassifier().fit(Connectome(matrix), y)]
            fits += [NtacClassifier(affinity="precomputed").fit(matrix, y)]
            for ntac in fits:
                assert (ntac.transduction_ == expected.transduction_).all()
                np.testing.assert_array_equal(
                    ntac.label_confidence_, expected.label_confidence_
                )
                np.testing.assert_array_equal(
                    ntac.predict_proba(matrix), expected.predict_proba(con.adjacency)
                )


def islands():
    """Make a graph of two typed cliques, what is not joined to them, and its types.

    Nodes 0-4: A and B; 5: isolated; 6-8: a component without a type; 9: isolated, and
    typed; 10: has a self loop alone; 11: a partner of untyped nodes alone.
    """
    adjacency = np.zeros((12, 12))
    adjacency[:2, :2] = adjacency[2:5, 2:5] = 3
    adjacency[6:9, 6:9] = 2
    adjacency[10, 10] = 1
    adjacency[11, 1] = 4
    return adjacency, np.array(list("A?B?B????B??"))


def test_nodes_that_nothing_connects_to_a_type(subtests):
    for name, settings in CLASSIFIER_SETTINGS.items():
        with subtests.test(name=name):
            adjacency, y = islands()
            con = Connectome(adjacency)
            ntac = NtacClassifier(**settings, match_components=False).fit(con, y)
            assert "".join(ntac.transduction_) == "AABBBBBBBBBA"
            lonely = [5, 6, 7, 8, 10]
            assert ntac.label_confidence_[lonely].tolist() == [0] * 5
            assert ntac.label_confidence_[[1, 3, 9]].min() > 0.5
            probabilities = ntac.predict_proba(con)
            np.testing.assert_array_equal(probabilities[lonely], [[0.25, 0.75]] * 5)
            assert np.isfinite(probabilities).all()
            assert (ntac.predict(con) == ntac.transduction_).all()
            ranked, similarities = ntac.rank_types(con, k=2)
            assert ranked[lonely].tolist() == [["B", "A"]] * 5
            assert similarities[lonely].max() == 0
            assert np.isfinite(similarities).all()
            nothing = np.zeros((1, 12))
            assert ntac.predict(nothing).tolist() == ["B"]
            assert ntac.predict_proba(nothing).tolist() == [[0.25, 0.75]]
            assert ntac.rank_types(nothing, k=2)[0].tolist() == [["B", "A"]]


def test_a_graph_without_edges(subtests):
    for name, settings in CLASSIFIER_SETTINGS.items():
        with subtests.test(name=name):
            con = Connectome(np.zeros((5, 5)))
            ntac = NtacClassifier(**settings).fit(con, ["B", "A", "?", "?", "B"])
            assert ntac.transduction_.tolist() == ["B", "A", "B", "B", "B"]
            assert ntac.label_confidence_.tolist() == [1, 1, 0, 0, 1]


def test_two_brains_side_by_side_are_as_each_alone():
    # With hard memberships: a soft one may also be in types that only the other has.
    adjacency, y = islands()
    one = Connectome(adjacency, node_ids=np.arange(12))
    other = Connectome(adjacency.T, node_ids=np.arange(12, 24))
    settings = {**PUBLISHED, "n_neighbors": 1, "match_components": False}
    ys = [np.where(y == "?", y, np.char.add(prefix, y)) for prefix in ("l", "r")]
    both = NtacClassifier(**settings).fit(Connectome.concat([one, other]), np.r_[*ys])
    for con, own, part in [(one, ys[0], slice(12)), (other, ys[1], slice(12, 24))]:
        alone = NtacClassifier(**settings).fit(con, own)
        connected = alone.label_confidence_ > 0
        found = both.transduction_[part]
        assert (found[connected] == alone.transduction_[connected]).all()


def test_a_single_step_and_every_node_labelled(subtests, brain):
    for name, settings in CLASSIFIER_SETTINGS.items():
        with subtests.test(name=name):
            con, _, target = brain
            ntac = NtacClassifier(**settings).fit(con, target)
            assert (ntac.transduction_ == target).all()
            assert (ntac.label_confidence_ == 1).all()
            assert ntac.history_.changed[0] == 0
            assert ntac.n_iter_ <= 2
            rows = con.adjacency.toarray()
            assert ntac.score(rows, target) > 0.9
            assert ntac.predict_proba(rows).shape == (150, 4)


def test_a_fit_changes_nothing_it_is_given(subtests, brain):
    for name, settings in CLASSIFIER_SETTINGS.items():
        with subtests.test(name=name):
            con, y, _ = brain
            graph = con.graph
            features = np.random.default_rng(0).random((150, 2))
            before = y.copy(), features.copy(), graph.adjacency.copy()
            NtacClassifier(**settings).fit(
                Connectome(con.adjacency, node_features=features), y
            ).predict(Connectome(con.adjacency, node_features=features))
            ntac = NtacClassifier(**settings).fit(con, y)
            classifier_answers(ntac, con)
            assert (before[0] == y).all()
            assert (before[1] == features).all()
            assert (before[2] != graph.adjacency).nnz == 0
            matrix = con.adjacency.toarray()
            frozen = matrix.copy()
            frozen.flags.writeable = False
            ntac = NtacClassifier(affinity="precomputed", **settings).fit(frozen, y)
            classifier_answers(ntac, frozen)
            assert (frozen == matrix).all()
