"""scikit-learn's common checks, for every public estimator, from one table."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import importlib
import inspect

import hdbscan
import pytest
from imblearn.over_sampling import RandomOverSampler
from numpydoc.docscrape import ClassDoc
from sklearn.base import BaseEstimator, clone
from sklearn.cluster import KMeans
from sklearn.covariance import EllipticEnvelope
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
from sklearn.utils import get_tags
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
    NeuronAligner,
    NtacClassifier,
    NtacClusterer,
    OutlierFilteredClassifier,
    OutlierFilteredTransformer,
    OutlierRowRemover,
    TypeProfile,
)
from celltyping.datasets import make_connectome

TWO_COLUMNS = "clusters a table with two columns, which is no adjacency matrix"

# One line per configuration: the estimator, and {check that fails: why it has to}. An
# entry without parameters is the default configuration and has no such check.
ESTIMATORS = [
    (ColumnSelector(), {}),
    (ColumnWeighter(), {}),
    (ExpressionNormalizer(), {}),
    (ExpressionNormalizer(kind="counts"), {}),
    (ExpressionNormalizer(kind="tpm", log=False, scale=True), {}),
    (GeneFilter(), {}),
    (GeneFilter(min_cells=0), {}),
    (GrEASE(), {}),
    (GrEASE(n_anchors=0, max_epochs=3), {}),
    (GrEASE(solver="minibatch", max_epochs=3), {}),
    (GrEASE(laplacian="symmetric"), {}),
    (GroupedEstimator(), {}),
    (GroupedEstimator(KMeans(3)), {}),
    (GroupedEstimator(LogisticRegression()), {}),
    (GroupedEstimator(Ridge()), {}),
    (HighlyVariableGenes(), {}),
    (HighlyVariableGenes(n_genes=1, n_bins=2), {}),
    (HighlyVariableGenes(flavor="seurat"), {}),
    (InductiveClusterer(), {}),
    (InductiveClusterer(KMeans(3), membership="clusterer"), {}),
    (InductiveClusterer(hdbscan.HDBSCAN(3), random_state=0), {}),
    (InductiveClusterer(hdbscan.HDBSCAN(3), membership="clusterer"), {}),
    (ItClustClassifier(), {}),
    (ItClustClassifier((8, 4), n_networks=2, dropout=0.1, pretrain_epochs=2), {}),
    (NUMAP(), {}),
    (NUMAP(n_anchors=0, spectral=None), {}),
    (NUMAP(decoder=True, densmap=True, learn_from="both", max_epochs=5), {}),
    (NeuronAligner(), {}),
    (NeuronAligner(handle_small="center", iqr_factor=None, register=True), {}),
    (NtacClassifier(), {}),
    (NtacClassifier(affinity="precomputed"), {}),
    (NtacClassifier(affinity="rbf"), {}),
    (NtacClassifier(affinity="nearest_neighbors"), {}),
    (NtacClusterer(), {}),
    (NtacClusterer(init="spectral"), {}),
    (NtacClusterer(affinity="precomputed"), {"check_clustering": TWO_COLUMNS}),
    (NtacClusterer(affinity="nearest_neighbors"), {}),
    (NtacClusterer(n_clusters="auto"), {}),
    (OutlierFilteredClassifier(), {}),
    (
        OutlierFilteredClassifier(
            KNeighborsClassifier(3), outlier_detector=EllipticEnvelope()
        ),
        {},
    ),
    (OutlierFilteredClassifier(SVC(), resampler=RandomOverSampler()), {}),
    (OutlierFilteredTransformer(), {}),
    (
        OutlierFilteredTransformer(
            PCA(1), outlier_detector=IsolationForest(n_estimators=20)
        ),
        {},
    ),
    (OutlierFilteredTransformer(SelectKBest(k=1)), {}),
    (OutlierRowRemover(), {}),
    (OutlierRowRemover(iqr_factor=0.5), {}),
    (TypeProfile(), {}),
]


def expected_failures(estimator):
    """Return the checks that `estimator`, one of the table's, is known to fail."""
    for candidate, failures in ESTIMATORS:
        if repr(candidate) == repr(estimator):
            return failures
    raise LookupError(f"{estimator} is not in ESTIMATORS")


# The checks' tables of random numbers are neither counts nor logarithms.
@pytest.mark.filterwarnings("ignore:(kind|flavor)=.*, but :UserWarning")
@pytest.mark.filterwarnings("ignore:ExpressionNormalizer was fitted on:UserWarning")
@pytest.mark.filterwarnings("ignore:n_neighbors .* must be less:UserWarning")
@pytest.mark.filterwarnings("ignore:HDBSCAN finds no cluster in:UserWarning")
@parametrize_with_checks(
    [estimator for estimator, _ in ESTIMATORS],
    expected_failed_checks=expected_failures,
)
def test_common_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("kind", sorted({type(e) for e, _ in ESTIMATORS}, key=repr))
def test_values_outside_the_constraints_are_refused(kind):
    check_param_validation(kind.__name__, kind())


def test_every_public_estimator_is_in_the_table(public_name):
    module, _, name = public_name.rpartition(".")
    public = getattr(importlib.import_module(module), name)
    if not (inspect.isclass(public) and issubclass(public, BaseEstimator)):
        pytest.skip("not an estimator")
    assert public in {type(estimator) for estimator, _ in ESTIMATORS}


@pytest.mark.parametrize(("estimator", "failures"), ESTIMATORS, ids=lambda x: repr(x))
def test_expected_failures_have_a_reason(estimator, failures):
    assert all(len(reason) > 10 for reason in failures.values())
    if repr(estimator) == repr(type(estimator)()):
        assert failures == {}, "the default configuration passes every check"


@pytest.mark.filterwarnings("ignore:HDBSCAN finds no cluster in:UserWarning")
@pytest.mark.parametrize("kind", sorted({type(e) for e, _ in ESTIMATORS}, key=repr))
def test_learnt_attributes_are_documented(kind):
    sample = make_connectome(n_neurons=60, n_types=3, n_edges=600, random_state=0)
    wired = kind in (NtacClassifier, NtacClusterer, TypeProfile)
    X = sample.data if wired else sample.data.adjacency.log1p()
    if not (wired or get_tags(kind()).input_tags.sparse):
        X = X.toarray()
    estimator = clone(kind()).fit(X, sample.target)
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
