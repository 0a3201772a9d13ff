"""Storage of fitted estimators by pickle, joblib and skops."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import joblib
import numpy as np
import pytest
from scipy import sparse

from celltyping import (
    NUMAP,
    ItClustClassifier,
    MLPEncoder,
    NtacClassifier,
    NtacClusterer,
    TypeProfile,
)
from celltyping.datasets import make_connectome
from tests._persistence import through_pickle, through_skops


@pytest.mark.parametrize(
    "estimator",
    [NtacClassifier(), NtacClusterer(n_clusters=4, random_state=0), TypeProfile()],
    ids=repr,
)
def test_skops_round_trip(estimator):
    con, y = make_connectome(150, 3, 2000, random_state=0, return_X_y=True)
    y[50:] = "?"
    loaded = through_skops(estimator.fit(con, y))
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


@pytest.mark.parametrize("inputs", ["features", "both"])
@pytest.mark.parametrize("decoder", [False, True])
def test_skops_round_trip_of_networks(decoder, inputs):
    X = np.random.default_rng(0).normal(size=(60, 5))
    numap = NUMAP(
        n_epochs=20,
        encoder=MLPEncoder(max_epochs=2, inputs=inputs),
        warm_start=True,
        decoder=decoder,
        random_state=0,
    ).fit(X)
    loaded = through_skops(numap)
    np.testing.assert_array_equal(loaded.transform(X), numap.embedding_)
    np.testing.assert_array_equal(loaded.graph_.toarray(), numap.graph_.toarray())
    if decoder:
        back = numap.inverse_transform(numap.embedding_)
        np.testing.assert_array_equal(loaded.inverse_transform(numap.embedding_), back)
    np.testing.assert_array_equal(
        loaded.fit(X[:50]).embedding_, numap.fit(X[:50]).embedding_
    )


@pytest.mark.parametrize(
    ("options", "layout", "way"),
    [
        ({}, sparse.csr_array, "skops"),
        ({}, np.asarray, "joblib"),
        (
            {"reject_threshold": 1.01, "scaling": "standard", "dropout": 0.1},
            np.asarray,
            "skops",
        ),
        (
            {"adaptation": "never", "hidden_layer_sizes": (8, 4)},
            sparse.csr_array,
            "pickle",
        ),
    ],
    ids=str,
)
def test_round_trip_of_a_classifier_and_its_adaptations(options, layout, way, tmp_path):
    rng = np.random.default_rng(0)
    codes = np.arange(120) % 3
    X = np.maximum(4 * np.eye(3, 10)[codes] + rng.normal(size=(120, 10)), 0)
    y = np.where(np.arange(120) < 60, np.array(["B", "Mono", "T"])[codes], "?")
    X[60:], new = 0.7 * X[60:], layout(1.5 * X + 0.1 * rng.uniform(size=X.shape))
    itclust = ItClustClassifier(n_networks=2, max_epochs=5, random_state=0, **options)
    itclust.fit(layout(X), y)
    for fitted in (itclust, itclust.adapt(new)):
        if way == "joblib":
            joblib.dump(fitted, tmp_path / "itclust.joblib")
            loaded = joblib.load(tmp_path / "itclust.joblib")
        else:
            loaded = {"pickle": through_pickle, "skops": through_skops}[way](fitted)
        assert set(vars(loaded)) == set(vars(fitted))
        for name in ("transduction_", "label_confidence_", "cluster_confidence_"):
            np.testing.assert_array_equal(getattr(loaded, name), getattr(fitted, name))
        for method in ("predict", "predict_proba", "transform"):
            found, expected = (
                getattr(model, method)(new) for model in (loaded, fitted)
            )
            np.testing.assert_array_equal(found, expected)
        again, expected = (model.adapt(layout(X)) for model in (loaded, fitted))
        for name in ("labels", "centroids"):
            np.testing.assert_array_equal(
                again.trajectory_[name], expected.trajectory_[name]
            )
        np.testing.assert_array_equal(again.predict(new), expected.predict(new))
        refitted = loaded.fit(layout(X), y)
        np.testing.assert_array_equal(refitted.predict(new), itclust.predict(new))
