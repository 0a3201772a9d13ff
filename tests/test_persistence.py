"""Fitted estimators survive skops, which stores data and not code."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pytest
import skops.io

from celltyping import NtacClassifier, TypeProfile
from celltyping.datasets import make_connectome


@pytest.mark.parametrize("estimator", [NtacClassifier(), TypeProfile()], ids=repr)
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
    else:
        expected = estimator.predict_proba(con)
        np.testing.assert_array_equal(loaded.predict_proba(con), expected)
