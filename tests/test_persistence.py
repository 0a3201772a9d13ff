"""Fitted estimators survive skops, which stores data and not code."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pytest
import skops.io

from celltyping import NtacClassifier, NtacClusterer, TypeProfile
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
