"""Common checks of every public estimator: scikit-learn's and own ones."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import anndata
import hdbscan
import joblib
import networkx
import numpy as np
import pandas as pd
import pytest
from imblearn.over_sampling import RandomOverSampler
from numpydoc.docscrape import ClassDoc
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import (
    check_param_validation,
    parametrize_with_checks,
)

from celltyping import (
    NUMAP,
    ColumnSelector,
    ColumnWeighter,
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
from celltyping.datasets import make_connectome
from tests._public import public_estimators

ENCODER = MLPEncoder(max_epochs=1)

# Estimators whose X may be a connectome.
ON_GRAPHS = (NtacClassifier, NtacClusterer, TypeProfile)

# The default of each public estimator, and one configuration per further way of
# checking X or of taking over the kind of a sub-estimator. No check may fail.
ESTIMATORS = [
    ColumnSelector(),
    ColumnWeighter(),
    ExpressionNormalizer(),
    GeneFilter(),
    GrEASE(),
    GrEASE(solver="minibatch", n_anchors=0, max_epochs=3),
    GrEASE(metric="precomputed"),
    GroupedEstimator(),
    GroupedEstimator(LogisticRegression()),
    GroupedEstimator(Ridge()),
    HighlyVariableGenes(),
    InductiveClusterer(),
    InductiveClusterer(hdbscan.HDBSCAN(3), membership="clusterer"),
    ItClustClassifier(),
    NUMAP(),
    NUMAP(metric="precomputed"),
    NUMAP(init="pca", decoder=True, densmap=True, n_epochs=5, encoder=ENCODER),
    NeuronAligner(),
    NtacClassifier(),
    NtacClassifier(affinity="precomputed"),
    NtacClusterer(),
    OutlierFilteredClassifier(),
    OutlierFilteredClassifier(SVC(), resampler=RandomOverSampler()),
    OutlierFilteredTransformer(),
    OutlierRowRemover(),
    TypeProfile(),
]


# The checks' tables of random numbers are neither counts nor logarithms.
@pytest.mark.filterwarnings("ignore:(kind|flavor)=.*, but :UserWarning")
@pytest.mark.filterwarnings("ignore:ExpressionNormalizer was fitted on:UserWarning")
@pytest.mark.filterwarnings("ignore:n_neighbors .* must be less:UserWarning")
@pytest.mark.filterwarnings("ignore:HDBSCAN finds no cluster in:UserWarning")
@parametrize_with_checks(ESTIMATORS)
def test_common_checks(estimator, check):
    check(estimator)


def test_the_table_has_the_default_of_every_public_estimator():
    shown = [repr(estimator) for estimator in ESTIMATORS]
    assert sorted(shown) == sorted(set(shown))
    assert {repr(kind()) for kind in public_estimators()} <= set(shown)


@pytest.mark.parametrize("kind", public_estimators())
def test_values_outside_the_constraints_are_refused(kind):
    check_param_validation(kind.__name__, kind())


def make_data(kind, random_state=0):
    """Draw what an estimator of that class learns from, and targets."""
    sample = make_connectome(
        n_neurons=60, n_types=3, n_edges=600, random_state=random_state
    )
    if kind in ON_GRAPHS:
        return sample.data, sample.target
    table = sample.data.adjacency.log1p().toarray()
    return pd.DataFrame(table).add_prefix("gene"), sample.target


@pytest.mark.filterwarnings("ignore:HDBSCAN finds no cluster in:UserWarning")
@pytest.mark.parametrize("kind", public_estimators())
def test_learnt_attributes_are_documented(kind):
    estimator = kind().fit(*make_data(kind))
    learnt = {
        name
        for name in vars(estimator)
        if name.endswith("_") and not name.startswith("_")
    }
    documented = {
        entry.name: " ".join(entry.desc) for entry in ClassDoc(kind)["Attributes"]
    }
    assert learnt <= set(documented), "fitted, but not in the docstring"
    always = {name for name, text in documented.items() if "Defined only" not in text}
    missing = {name for name in always if not hasattr(estimator, name)}
    assert missing == set(), "in the docstring, but not there after fit"


def set_and_raise(estimator, name, value):
    """Replace `__setattr__` of an estimator: raise once the last attribute is set."""
    object.__setattr__(estimator, name, value)
    if name == estimator.raise_after:
        raise RuntimeError("too late")


@pytest.mark.filterwarnings("ignore:HDBSCAN finds no cluster in:UserWarning")
@pytest.mark.parametrize("failure", ["no rows in X", "too late"])
@pytest.mark.parametrize("kind", public_estimators())
def test_a_fit_that_raises_changes_nothing(kind, failure, monkeypatch):
    estimator = kind().fit(*make_data(kind))
    before = vars(estimator).copy()
    content = joblib.hash(before)
    X, y = make_data(kind, random_state=1)
    X, y = (X[:59] if kind in ON_GRAPHS else X.iloc[:59, 1:]), y[:59]
    if failure == "no rows in X":
        X, y = (np.empty((0, 5)) if kind in ON_GRAPHS else X.iloc[:0]), y[:0]
        error, message = ValueError, r"\b0 (sample|rows)"
    else:
        monkeypatch.setattr(kind, "raise_after", list(before)[-1], raising=False)
        monkeypatch.setattr(kind, "__setattr__", set_and_raise)
        error, message = RuntimeError, "too late"
    with pytest.raises(error, match=message):
        estimator.fit(X, y)
    monkeypatch.undo()
    assert set(vars(estimator)) == set(before)
    assert all(value is before[name] for name, value in vars(estimator).items())
    assert joblib.hash(vars(estimator)) == content


@pytest.mark.parametrize("kind", public_estimators())
def test_containers_are_refused_at_once(kind):
    method = "fit_resample" if hasattr(kind, "fit_resample") else "fit"
    for container, way_on in (
        (anndata.AnnData(np.ones((9, 4))), r"AnnData: pass its expression, adata\.X"),
        (networkx.path_graph(9), r"[Gg]raph: .*Connectome\.from_networkx"),
    ):
        with pytest.raises(TypeError, match=rf"X must be an? .*{way_on}"):
            getattr(kind(), method)(container, np.arange(9) % 3)


@pytest.mark.parametrize(
    "kind",
    [
        *(NUMAP, GrEASE, ItClustClassifier, NtacClassifier, NtacClusterer, TypeProfile),
        *(ExpressionNormalizer, GeneFilter, HighlyVariableGenes),
    ],
)
def test_columns_of_text_are_named(kind):
    X = pd.DataFrame(np.ones((9, 4)), columns=list("abcd"))
    X["celltype"] = pd.Categorical(["1", "T", "B"] * 3)
    X["count"] = ["1", "2", "3"] * 3
    message = (
        r"X must hold numbers, but 1 of its 6 columns contain text: 'celltype', such "
        r"as 'T' in 'celltype'\. Pass the others .* X\.select_dtypes\('number'\)"
    )
    if kind in ON_GRAPHS:
        message = r"X must be a matrix, got a DataFrame with text in 'celltype'"
    with pytest.raises((TypeError, ValueError), match=message):
        kind().fit(X, np.arange(9) % 3)
