"""Small, fast configurations of every public estimator, and checks of their answers."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

from typing import NamedTuple

import numpy as np
from hdbscan import HDBSCAN
from imblearn.over_sampling import SMOTE
from sklearn.base import BaseEstimator, clone
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from celltyping import (
    NUMAP,
    ColumnSelector,
    ColumnWeighter,
    Connectome,
    ExpressionNormalizer,
    GeneFilter,
    GrEASE,
    GroupedEstimator,
    HighlyVariableGenes,
    InductiveClusterer,
    ItClustClassifier,
    MLPEncoder,
    NeuronAligner,
    NtacClassifier,
    NtacClusterer,
    OutlierFilteredClassifier,
    OutlierFilteredTransformer,
    OutlierRowRemover,
    TypeProfile,
)
from tests._hostile import check_answer, check_call

# Methods for X, apart from `predict`, whose answers are labels.
METHODS = ("predict", "predict_proba", "transform", "rank_types", "predict_outlier")

# They let NaN through, for an imputer after them, or return it for outliers.
PASS_NAN = (ColumnSelector, ColumnWeighter, OutlierFilteredTransformer)

# Text that means "type unknown", so cannot be a class.
UNKNOWN = {"?", "", " ", "nan", "NaN", "None", "<NA>"}


class Subject(NamedTuple):
    """An estimator, and X and y that it can be fitted on."""

    estimator: BaseEstimator
    X: object
    y: np.ndarray

    def fitted(self):
        """Return a fitted clone."""
        return clone(self.estimator).fit(self.X, self.y)

    def __str__(self):
        text = repr(self.estimator).replace("\n", "")
        kind = " on a connectome" if isinstance(self.X, Connectome) else ""
        return " ".join(text.split())[:60] + kind


def subjects():
    """Return a list of subjects; together they are all public estimators."""
    rng = np.random.RandomState(0)
    codes = np.arange(24) % 3
    y = np.array(["a", "b", "c"])[codes]
    # Integers, since some estimators expect counts.
    X = rng.poisson(1.0 + 4.0 * (codes[:, None] == np.arange(12) % 4), (24, 12)).astype(
        float
    )
    pull = codes[:, None] == codes
    graph = rng.poisson(0.5 + 2.0 * pull).astype(float)
    encoder = MLPEncoder((8,), max_epochs=1, fine_tune_epochs=0)
    quick = {"n_epochs": 2, "encoder": encoder, "n_neighbors": 5, "random_state": 0}
    tables = [
        ColumnSelector(),
        ColumnWeighter(),
        ExpressionNormalizer(),
        ExpressionNormalizer(scale=True),
        GeneFilter(),
        GrEASE(n_neighbors=5, max_epochs=1, random_state=0),
        GroupedEstimator(KNeighborsClassifier(1)),
        HighlyVariableGenes(2),
        HighlyVariableGenes(2, flavor="seurat"),
        InductiveClusterer(HDBSCAN(3)),
        InductiveClusterer(HDBSCAN(3), membership="clusterer"),
        ItClustClassifier(
            (8,), n_networks=1, max_epochs=1, adaptation="always", random_state=0
        ),
        ItClustClassifier(
            (8,),
            n_networks=1,
            max_epochs=1,
            scaling="standard",
            reject_threshold=0.5,
            random_state=0,
        ),
        MLPEncoder(),
        NUMAP(**quick),
        NUMAP(init="pca", decoder=True, densmap=True, **quick),
        NeuronAligner(),
        NtacClassifier(),
        NtacClassifier(affinity="nearest_neighbors"),
        NtacClusterer(3, random_state=0),
        OutlierFilteredClassifier(LogisticRegression()),
        OutlierFilteredClassifier(
            KNeighborsClassifier(1), resampler=SMOTE(k_neighbors=1), outlier_label="out"
        ),
        OutlierFilteredTransformer(PCA(2, svd_solver="covariance_eigh")),
        OutlierRowRemover(),
        TypeProfile(),
    ]
    found = [Subject(one, X, y) for one in tables if hasattr(one, "fit")]
    # Its regression needs dozens of genes.
    counts = rng.poisson(rng.gamma(2, 2, 40), (24, 40)).astype(float)
    found.append(Subject(HighlyVariableGenes(2, flavor="seurat_v3"), counts, y))
    precomputed = [
        NtacClassifier(affinity="precomputed"),
        NtacClusterer(3, affinity="precomputed", random_state=0),
        TypeProfile(affinity="precomputed"),
    ]
    found += [Subject(one, graph, y) for one in precomputed]
    on_graphs = [NtacClassifier(), NtacClusterer(3, random_state=0), TypeProfile()]
    found += [Subject(one, Connectome(graph), y) for one in on_graphs]
    return found


def check_fit(estimator, X, y, name):
    """Fit an estimator; check it and its answers for X, if it takes them."""
    fitted = check_call(
        lambda: estimator.fit(X, y), [X, y], estimator=estimator, name=name
    )
    if fitted is not None:
        assert fitted is estimator, name
        classes = getattr(estimator, "classes_", [])
        assert not UNKNOWN & set(map(str, classes)), f"{name}: classes_ {classes}"
        check_methods(estimator, X, name)


def check_methods(estimator, X, name):
    """Check the answers of all methods for X, which they may refuse."""
    for method in METHODS:
        if not hasattr(estimator, method):
            continue
        case = f"{name}, {method}"
        answer = check_call(
            lambda method=method: getattr(estimator, method)(X),
            [X],
            estimator=estimator,
            name=case,
        )
        if method == "predict" and hasattr(estimator, "classes_"):
            others = [getattr(estimator, "outlier_label", None), "unknown", -1]
            check_answer(answer, case, [*estimator.classes_.tolist(), *others])
        elif method != "rank_types" and not isinstance(estimator, PASS_NAN):
            check_answer(answer, case)
