"""Pipeline from counts to types."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from celltyping import GeneFilter, ItClustClassifier
from celltyping.datasets import load_blood_transfer
from celltyping.pipelines import make_single_cell_pipeline


@pytest.fixture(scope="module")
def blood():
    """Return the two experiments on blood cells."""
    return load_blood_transfer()


def test_steps():
    pipeline = make_single_cell_pipeline(random_state=3)
    assert list(pipeline.named_steps) == ["filter", "normalize", "select", "classify"]
    classifier = pipeline[-1]
    assert isinstance(classifier, ItClustClassifier)
    assert classifier.random_state == 3
    assert clone(pipeline).get_params()["classify__random_state"] == 3


def test_parameters_reach_their_steps():
    classifier = LogisticRegression(random_state=5)
    pipeline = make_single_cell_pipeline(
        classifier,
        n_genes=7,
        kind="log",
        exclude=["^RPL"],
        gene_names=["A", "B"],
        min_cells=9,
        random_state=3,
    )
    parameters = pipeline.get_params()
    assert pipeline[-1] is classifier
    assert parameters["classify__random_state"] == 5
    assert parameters["select__n_genes"] == 7
    assert parameters["normalize__kind"] == "log"
    assert parameters["filter__exclude"] == ["^RPL"]
    assert parameters["filter__gene_names"] == ["A", "B"]
    assert parameters["filter__min_cells"] == 9


def test_genes_are_excluded_by_name():
    rng = np.random.default_rng(0)
    X, y = rng.poisson(3, size=(40, 6)), np.arange(40) % 2
    names = ["CD3E", "MT-CO1", "LYZ", "ERCC-00002", "mt-Nd1", "ERCC6"]
    classifier = LogisticRegression()
    pipeline = make_single_cell_pipeline(classifier, gene_names=names).fit(X, y)
    assert pipeline[:-1].get_feature_names_out(names).tolist() == [
        "CD3E",
        "LYZ",
        "ERCC6",
    ]
    pipeline = make_single_cell_pipeline(classifier).fit(X, y)
    assert pipeline[:-1].get_feature_names_out(names).tolist() == names


def test_classifier_gets_sparse_log_normalised_genes(blood):
    y = blood.target
    pipeline = make_single_cell_pipeline(LogisticRegression(), n_genes=300)
    X = pipeline[:-1].fit_transform(blood.data, y)
    assert sparse.issparse(X)
    assert X.shape == (3470, 300)
    assert (np.expm1(X).sum(axis=1) <= 1e4 * (1 + 1e-5)).all()


@pytest.mark.parametrize("form", ["sparse", "dense"])
def test_types_of_a_new_experiment(blood, form):
    some = slice(None, None, 3)
    X, y, types = blood.data[some], blood.target[some], blood.types[some]
    X = X.toarray() if form == "dense" else X
    known = y != "?"
    classifier = make_pipeline(Normalizer(), LogisticRegression())
    pipeline = make_single_cell_pipeline(classifier, n_genes=500)
    pipeline.fit(X[known], y[known])
    assert np.mean(pipeline.predict(X[~known]) == types[~known]) > 0.8


def test_default_learns_from_both_experiments(blood):
    classifier = ItClustClassifier(n_networks=1, random_state=0)
    pipeline = make_single_cell_pipeline(classifier).fit(blood.data, blood.target)
    is_target = blood.target == "?"
    found = pipeline[-1].transduction_
    assert np.array_equal(found[~is_target], blood.types[~is_target])
    assert np.mean(found[is_target] == blood.types[is_target]) > 0.85
    # DC, NK and Platelet are in the source alone, and keep their columns.
    assert pipeline.classes_.tolist() == blood.target_names.tolist()
    assert pipeline.predict_proba(blood.data[is_target]).shape == (832, 8)


def test_bad_parameters_come_at_fit(blood):
    with pytest.raises(ValueError, match="'n_genes' parameter of HighlyVariableGenes"):
        make_single_cell_pipeline(n_genes=0).fit(blood.data[:50], blood.target[:50])
    with pytest.raises(ValueError, match="gene_names has 2 names, but X has 2500"):
        make_single_cell_pipeline(gene_names=["A", "B"]).fit(
            blood.data[:50], blood.target[:50]
        )


# Indexing an AnnData warns where anndata is older than pandas 3.
@pytest.mark.filterwarnings(
    "ignore:The 'mode.chained_assignment' option is deprecated:DeprecationWarning"
)
def test_an_annotated_experiment_is_refused_by_every_wrapper():
    adata = load_blood_transfer(as_anndata=True).source[:60]
    y = adata.obs["celltype_common"].to_numpy()
    pipeline = make_single_cell_pipeline(LogisticRegression())
    search = GridSearchCV(pipeline, {"select__n_genes": [10]}, cv=2)
    message = r"got AnnData: pass its expression, adata\.X, .*transfer_label"
    for estimator, error in [
        (pipeline, TypeError),
        (make_pipeline(GeneFilter(), pipeline), TypeError),
        (search, ValueError),  # scikit-learn's, with the messages of the fits
    ]:
        with pytest.raises(error, match=message):
            estimator.fit(adata, y)
    fitted = pipeline.fit(adata.X, y)
    for method in (fitted.predict, fitted.predict_proba, fitted[0].transform):
        with pytest.raises(TypeError, match=message):
            method(adata)
