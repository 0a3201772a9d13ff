"""Fitted estimators survive skops, which stores data and not code."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pytest
import skops.io

from celltyping import NUMAP, NtacClassifier, NtacClusterer, TypeProfile
from celltyping.datasets import make_connectome


@pytest.mark.parametrize(
    "estimator",
    [NtacClassifier(), NtacClusterer(n_clusters=4, random_state=0), TypeProfile()],
    ids=repr,
)
def test_skops_round_trip(estimator):
    con, y = make_connectome(150, 3, 2000, random_state=0, return_X_y=True)
    y[50:] = "?"
    stored = skops.io.dumps(estimator.fit(con, y))
    unknown = skops.io.get_untrusted_types(data=stored)
    assert all(
        kind.startswith(("celltyping.", "scipy.", "sklearn.")) for kind in unknown
    )
    loaded = skops.io.loads(stored, trusted=unknown)
    if isinstance(estimator, TypeProfile):
        difference = loaded.transform(con) - estimator.transform(con)
        assert difference.nnz == 0
    elif isinstance(estimator, NtacClusterer):
        np.testing.assert_array_equal(loaded.transform(con), estimator.transform(con))
        for n_clusters in range(1, 5):
            expected = estimator.labels_at(n_clusters)
            np.testing.assert_array_equal(loaded.labels_at(n_clusters), expected)
        more = {"n_clusters": 8, "warm_start": True}
        expected = estimator.set_params(**more).fit(con).labels_
        np.testing.assert_array_equal(
            loaded.set_params(**more).fit(con).labels_, expected
        )
    else:
        expected = estimator.predict_proba(con)
        np.testing.assert_array_equal(loaded.predict_proba(con), expected)


@pytest.mark.parametrize("learn_from", ["features", "both"])
@pytest.mark.parametrize("decoder", [False, True])
def test_skops_round_trip_of_networks(decoder, learn_from):
    X = np.random.default_rng(0).normal(size=(60, 5))
    numap = NUMAP(
        n_epochs=20,
        max_epochs=2,
        warm_start=True,
        decoder=decoder,
        learn_from=learn_from,
        random_state=0,
    ).fit(X)
    stored = skops.io.dumps(numap)
    unknown = skops.io.get_untrusted_types(data=stored)
    packages = ("celltyping.", "numpy.", "scipy.", "sklearn.")
    assert all(kind.startswith(packages) for kind in unknown)
    loaded = skops.io.loads(stored, trusted=unknown)
    np.testing.assert_array_equal(loaded.transform(X), numap.embedding_)
    np.testing.assert_array_equal(loaded.graph_.toarray(), numap.graph_.toarray())
    if decoder:
        back = numap.inverse_transform(numap.embedding_)
        np.testing.assert_array_equal(loaded.inverse_transform(numap.embedding_), back)
    np.testing.assert_array_equal(
        loaded.fit(X[:50]).embedding_, numap.fit(X[:50]).embedding_
    )
