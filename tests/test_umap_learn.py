"""What runs umap-learn or pynndescent, which compile for a minute.

Coverage would make the compilation twice as slow, so these are no unit tests. One
process runs them all, see conftest.py.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.metrics import adjusted_rand_score

from celltyping import make_synapse_pipeline
from celltyping.transformers._embedding import neighbors
from celltyping.transformers._embedding.neighbors import nearest_neighbors
from tests._neighbors import check_neighbors, draw_table, sorted_distances
from tests._synapses import check_far_outliers, check_pickled, make_few_synapses


@pytest.fixture(scope="module")
def few():
    """Give some four hundred synapses."""
    return make_few_synapses()


@pytest.fixture(scope="module")
def umap(few):
    """Give a fitted pipeline with a UMAP, in three dimensions."""
    return make_synapse_pipeline(n_components=3, random_state=0).fit(few.frame)


def test_approximate_neighbors(monkeypatch):
    pytest.importorskip("pynndescent", reason="the extra nn is not installed")
    monkeypatch.setattr(neighbors, "MAX_PRODUCTS", 0)
    X = draw_table(400, 5).astype(np.float32)
    X[:50] = X[0]  # more duplicates than neighbours
    indices, distances = nearest_neighbors(X, 8, random_state=0)
    check_neighbors(X, indices, distances)
    right = distances < sorted_distances(X, 8)[:, -1:] + 1e-3
    assert right.mean() > 0.95
    again = nearest_neighbors(X, 8, random_state=0, n_jobs=2)
    assert_array_equal(again[0], indices)
    assert_array_equal(again[1], distances)


def test_clusters_of_synapses(few, umap):
    labels = umap.predict(few.frame)
    assert adjusted_rand_score(few.target, labels) > 0.8
    assert adjusted_rand_score(few.new_target, umap.predict(few.new_frame)) > 0.7
    embedded = umap[:-1].transform(few.new_frame)
    assert embedded.shape == (40, 3)
    assert_array_equal(embedded, umap[:-1].transform(few.new_frame))


def test_far_outliers_are_noise(few, umap):
    check_far_outliers(umap, few.frame)


def test_too_few_synapses(few):
    with pytest.raises(
        ValueError, match="UMAP with n_neighbors=20 cannot be fitted to"
    ):
        make_synapse_pipeline(random_state=0).fit(few.frame.iloc[-3:])


def test_pickle(few, umap):
    check_pickled(umap, few)
