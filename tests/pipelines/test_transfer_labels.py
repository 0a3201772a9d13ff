"""Transfer of cell types between two AnnData."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import sys
import warnings
from itertools import product

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, OutlierMixin
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer
from sklearn.svm import LinearSVC
from sklearn.utils.multiclass import unique_labels
from xgboost import XGBClassifier

from celltyping._utils._labels import is_unlabeled
from celltyping.datasets import load_blood_transfer
from celltyping.estimators import ItClustClassifier, OutlierFilteredClassifier
from celltyping.pipelines import make_single_cell_pipeline, transfer_labels
from celltyping.transformers import (
    ExpressionNormalizer,
    HighlyVariableGenes,
)

# Indexing an AnnData warns where anndata is older than pandas 3.
pytestmark = pytest.mark.filterwarnings(
    "ignore:The 'mode.chained_assignment' option is deprecated:DeprecationWarning"
)

N_GENES = 600
TYPES = np.array(["B", "Mono", "T"])
CLASSIFIER = make_pipeline(Normalizer(), LogisticRegression(C=100))


def make_experiment(n_cells, seed, genes=None):
    """Return an AnnData of counts; each type has 20 marker genes."""
    codes = np.arange(n_cells) % 3
    means = np.tile(np.random.default_rng(99).gamma(1, 2, size=N_GENES), (n_cells, 1))
    for code in range(3):
        means[np.ix_(codes == code, np.arange(20 * code, 20 * code + 20))] *= 10
    rng = np.random.default_rng(seed)
    counts = rng.poisson(means * rng.uniform(0.5, 2, size=(n_cells, 1)))
    names = [f"GENE{i}" for i in range(N_GENES)]
    adata = anndata.AnnData(
        sparse.csr_matrix(counts.astype(np.float32)),
        obs=pd.DataFrame(
            {"celltype": pd.Categorical(TYPES[codes])},
            index=[f"{seed}-{i}" for i in range(n_cells)],
        ),
        var=pd.DataFrame(index=names),
    )
    return adata if genes is None else adata[:, genes].copy()


@pytest.fixture
def source():
    """Return an annotated experiment."""
    return make_experiment(60, 0)


@pytest.fixture
def target():
    """Return an experiment without types, with its genes in another order."""
    order = np.random.default_rng(0).permutation(N_GENES)
    adata = make_experiment(30, 1, order)
    adata.var_names = adata.var_names.str.lower()
    del adata.obs["celltype"]
    return adata


def truth(n_cells):
    """Return the types of an experiment."""
    return TYPES[np.arange(n_cells) % 3].tolist()


def transfer(target, source, *args, estimator=CLASSIFIER, **kwargs):
    """Call transfer_labels with a fast classifier."""
    return transfer_labels(target, source, *args, estimator=estimator, **kwargs)


class Together(ClassifierMixin, BaseEstimator):
    """Transductive classifier by distance to the mean that records its input.

    Cells at a greater distance from their type's mean than `radius` are rejected.
    """

    _is_transductive = True
    given = ()

    def __init__(self, radius=np.inf, unlabeled_marker="auto"):
        self.radius = radius
        self.unlabeled_marker = unlabeled_marker

    def fit(self, X, y):
        Together.given = X, y
        unlabeled = is_unlabeled(y, self.unlabeled_marker)
        self.classes_ = unique_labels(y[~unlabeled])
        means = [X[y == name].mean(axis=0) for name in self.classes_]
        distances = np.linalg.norm(X.toarray()[:, None] - np.array(means), axis=2)
        self.label_confidence_ = np.exp(-distances.min(axis=1))
        is_text = self.classes_.dtype.kind == "U"
        found = self.classes_[distances.argmin(axis=1)].astype(object)
        found[distances.min(axis=1) > self.radius] = "unknown" if is_text else -1
        self.transduction_ = np.where(unlabeled, found, y.astype(object))
        self.cluster_confidence_ = np.linspace(0.5, 1, len(self.classes_))
        return self

    def predict(self, X):
        raise AssertionError("the answer is transduction_")


def test_table(target, source):
    table = transfer(target, source)
    assert table.columns.tolist() == [
        "type",
        "probability",
        "cluster_confidence",
        "unknown",
    ]
    assert table.index.equals(target.obs_names)
    assert table["type"].tolist() == truth(30)
    assert table["probability"].between(1 / 3, 1).all()
    assert table["cluster_confidence"].isna().all()
    assert table["unknown"].dtype == bool
    assert not table["unknown"].any()


def test_real_experiments():
    blood = load_blood_transfer(as_anndata=True)
    classifier = make_pipeline(Normalizer(), LogisticRegression())
    for target, source, least in [
        (blood.target, blood.source, 0.85),
        (blood.source, blood.target, 0.85),
    ]:
        table = transfer(target, source, "celltype_common", estimator=classifier)
        names = target.obs["celltype_common"]
        known = names.isin(source.obs["celltype_common"])
        assert (table["type"] == names)[known].mean() > least


def test_nothing_is_changed(target, source):
    target.layers["counts"] = target.X.copy()
    source.obs["batch"] = ["1", "2"] * 30
    before = target.copy(), source.copy()
    estimator = make_pipeline(HighlyVariableGenes(100), LogisticRegression())
    transfer(target, source, estimator=estimator, batch_key="batch", return_adata=True)
    assert not hasattr(estimator[-1], "classes_")
    for now, then in zip((target, source), before, strict=True):
        assert (now.X != then.X).nnz == 0
        assert now.X.indices.tolist() == then.X.indices.tolist()
        pd.testing.assert_frame_equal(now.obs, then.obs)
        pd.testing.assert_frame_equal(now.var, then.var)
        assert list(now.layers) == list(then.layers)


def test_return_adata(target, source):
    target.obs["type"] = "old"
    target.obs["patient"] = "p1"
    table, adata = transfer(target, source, return_adata=True)
    assert adata is not target
    assert adata.obs["patient"].tolist() == ["p1"] * 30
    pd.testing.assert_frame_equal(adata.obs[table.columns.tolist()], table)
    assert target.obs.columns.tolist() == ["type", "patient"]
    assert set(target.obs["type"]) == {"old"}
    adata.X.data[0] = 99
    assert target.X.data[0] != 99


def test_labels_of_the_target_are_not_looked_at(target, source):
    expected = transfer(target, source)
    target.obs["celltype"] = "B"
    pd.testing.assert_frame_equal(transfer(target, source), expected)


def test_genes_are_normalised_after_they_were_aligned(target, source):
    # A gene of the target alone with most of the counts, and mitochondrial genes.
    more = sparse.csr_matrix(np.full((30, 2), 1000, dtype=np.float32))
    X = sparse.hstack([target.X, more], format="csr")
    names = [*target.var_names, "OTHER", "mt-co1"]
    wider = anndata.AnnData(X, obs=target.obs, var=pd.DataFrame(index=names))
    var = pd.DataFrame(index=[*source.var_names, "MT-CO1"])
    X = sparse.hstack([source.X, np.full((60, 1), 500)], format="csr")
    with_mt = anndata.AnnData(X, obs=source.obs, var=var)
    expected = transfer(target, source)
    pd.testing.assert_frame_equal(transfer(wider, source), expected)
    pd.testing.assert_frame_equal(transfer(wider, with_mt), expected)
    kept = transfer(wider, with_mt, exclude=())
    assert not np.allclose(kept["probability"], expected["probability"])


@pytest.mark.parametrize("together", [True, False])
def test_what_the_estimator_gets(target, source, together):
    if together:
        transfer(target, source, estimator=Together())
        X, y = Together.given
        assert y.tolist() == truth(60) + ["?"] * 30
    else:
        estimator = Recorder()
        transfer(target, source, estimator=estimator)
        X, y = Recorder.given
        assert y.tolist() == list(range(3)) * 20
    assert isinstance(X, sparse.csr_array)
    aligned = target[:, [name.lower() for name in source.var_names]]
    counts = sparse.vstack([source.X, aligned.X])
    expected = ExpressionNormalizer().fit_transform(counts).toarray()
    np.testing.assert_allclose(X.toarray(), expected[: len(y)], rtol=1e-6)


class Recorder(KNeighborsClassifier):
    """Classifier that records its input."""

    given = ()

    def fit(self, X, y):
        Recorder.given = X, y
        return super().fit(X, y)


def test_transductive_estimator(target, source):
    table = transfer(target, source, estimator=Together())
    assert table["type"].tolist() == truth(30)
    confidence = {"B": 0.5, "Mono": 0.75, "T": 1.0}
    assert table["cluster_confidence"].tolist() == [confidence[n] for n in truth(30)]
    assert table["probability"].between(0, 1, inclusive="neither").all()


def test_pipeline_with_a_transductive_step(target, source):
    estimator = make_pipeline(HighlyVariableGenes(80), Together())
    table = transfer(target, source, estimator=estimator)
    assert table["type"].tolist() == truth(30)
    X, y = Together.given
    assert X.shape == (90, 80)
    # Genes were ranked in source and target separately.
    counts = sparse.vstack(
        [source.X, target[:, [name.lower() for name in source.var_names]].X]
    )
    X = ExpressionNormalizer().fit_transform(counts)
    genes = HighlyVariableGenes(80).fit(X, y)
    assert np.array_equal(Together.given[0].toarray(), genes.transform(X).toarray())


def test_rejected_cells(target, source):
    table = transfer(target, source, estimator=Together(radius=0))
    assert set(table["type"]) == {"unknown"}
    assert table["unknown"].all()
    assert table["cluster_confidence"].isna().all()
    assert table["probability"].notna().all()


def test_estimator_with_a_marker_of_its_own(target, source):
    estimator = Together(unlabeled_marker="new")
    table = transfer(target, source, estimator=estimator)
    assert Together.given[1][60:].tolist() == ["?"] * 30
    assert table["type"].tolist() == truth(30)
    assert estimator.unlabeled_marker == "new"
    source.obs["cluster"] = np.arange(60) % 3
    table = transfer(target, source, "cluster", estimator=estimator)
    assert Together.given[1][60:].tolist() == [-1] * 30
    assert table["type"].tolist() == [0, 1, 2] * 10


def test_estimator_without_probabilities(target, source):
    table = transfer(target, source, estimator=LinearSVC())
    assert table["type"].tolist() == truth(30)
    assert table["probability"].isna().all()


def test_default_estimator(target, source):
    tables = [transfer_labels(target, source, random_state=seed) for seed in (0, 0, 1)]
    assert tables[0]["type"].tolist() == truth(30)
    pd.testing.assert_frame_equal(tables[0], tables[1])
    assert not tables[0]["probability"].equals(tables[2]["probability"])
    # The same, step by step.
    aligned = target[:, [name.lower() for name in source.var_names]]
    X = [ExpressionNormalizer().fit_transform(adata.X) for adata in (source, aligned)]
    pipeline = make_single_cell_pipeline(random_state=0)
    pipeline.fit(sparse.vstack(X), truth(60) + ["?"] * 30)
    itclust = pipeline[-1]
    assert np.array_equal(tables[0]["probability"], itclust.label_confidence_[60:])
    confidence = dict(zip(itclust.classes_, itclust.cluster_confidence_, strict=True))
    expected = [confidence[name] for name in truth(30)]
    assert tables[0]["cluster_confidence"].tolist() == expected
    assert not tables[0]["unknown"].any()


def test_reject_threshold_of_the_default_estimator(target, source):
    table = transfer_labels(target, source, reject_threshold=1.0, random_state=0)
    itclust = ItClustClassifier(reject_threshold=1.0, random_state=0)
    estimator = make_single_cell_pipeline(itclust, kind="log")
    pd.testing.assert_frame_equal(table, transfer(target, source, estimator=estimator))
    assert table["unknown"].any()
    assert not transfer_labels(target, source, random_state=0)["unknown"].any()
    with pytest.raises(ValueError, match=r"reject_threshold=1\.2 is for the default"):
        transfer(target, source, reject_threshold=1.2)
    with pytest.raises(ValueError, match="'reject_threshold' parameter of transfer_l"):
        transfer_labels(target, source, reject_threshold=-1)


def test_estimators_that_predict_no_types(subtests, target, source):
    cases = [
        (LogisticRegression, r"got the class LogisticRegression: .*Regression\(\)$"),
        (KMeans(), r"must be a classifier, got KMeans\(\), which does not predict"),
        (make_pipeline(Normalizer(), Ridge()), "must be a classifier, got Pipeline"),
    ]
    for estimator, message in cases:
        with (
            subtests.test(estimator=estimator),
            pytest.raises(TypeError, match=message),
        ):
            transfer(target, source, estimator=estimator)


def test_default_pipeline_takes_a_classifier(target, source):
    estimator = make_single_cell_pipeline(CLASSIFIER, n_genes=100)
    assert transfer(target, source, estimator=estimator)["type"].tolist() == truth(30)


@pytest.mark.parametrize("routing", [True, False])
def test_metadata_routing_does_not_matter(target, source, routing):
    source.obs["batch"] = ["1", "2"] * 30
    estimator = make_pipeline(HighlyVariableGenes(100), CLASSIFIER)
    with config_context(enable_metadata_routing=routing):
        table = transfer(target, source, estimator=estimator, batch_key="batch")
    assert table["type"].tolist() == truth(30)


# -- Types ----------------------------------------------------------------------------


def test_unlabelled_cells_of_the_source_are_ignored(subtests, target, source):
    for missing in [np.nan, None, "?", "", " ", "nan", "None", "<NA>"]:
        with subtests.test(missing=missing):
            names = source.obs["celltype"].astype(object)
            names.iloc[30:] = missing
            source.obs["celltype"] = names
            table = transfer(target, source)
            pd.testing.assert_frame_equal(table, transfer(target, source[:30].copy()))


def test_types_that_may_mean_unknown(subtests, target, source):
    cases = [
        (CLASSIFIER, "Unknown"),
        (CLASSIFIER, "N/A"),
        (Together(), "unassigned"),
        (ItClustClassifier(n_networks=1, max_epochs=1, random_state=0), "NA"),
    ]
    for estimator, name in cases:
        with subtests.test(estimator=estimator, name=name):
            names = source.obs["celltype"].astype(object)
            names.iloc[30:] = name
            source.obs["celltype"] = names
            message = rf"transfer_labels takes .*: '{name}' \(30\)\. .*=\['{name}'\];"
            with pytest.warns(UserWarning, match=message) as record:
                table = transfer(target, source, estimator=estimator)
            assert [warning.filename for warning in record] == [__file__]
            if estimator is CLASSIFIER:
                assert name in set(table["type"])
            silent = transfer(target, source, estimator=estimator, unlabeled_marker="?")
            pd.testing.assert_frame_equal(silent, table)
            table = transfer(
                target, source, estimator=estimator, unlabeled_marker=[name, "other"]
            )
            expected = transfer(target, source[:30].copy(), estimator=estimator)
            pd.testing.assert_frame_equal(table, expected)


def test_a_type_that_is_also_the_answer_for_unknown_cells(subtests, target, source):
    for marker in ["auto", "?", ["other"]]:
        with subtests.test(marker=marker):
            names = source.obs["celltype"].astype(object)
            names.iloc[30:] = "unknown"
            source.obs["celltype"] = names
            message = (
                r"transfer_labels gives cells the type 'unknown', which must not "
                "be .*: use other names, .* pass unlabeled_marker='unknown' if it "
                "means unknown"
            )
            with pytest.raises(ValueError, match=message):
                transfer(target, source, unlabeled_marker=marker)
            table = transfer(target, source, unlabeled_marker="unknown")
            pd.testing.assert_frame_equal(table, transfer(target, source[:30].copy()))


def test_a_classifier_that_needs_integers(target, source):
    table = transfer(target, source, estimator=XGBClassifier(n_estimators=5, n_jobs=1))
    assert set(table["type"]) == set(TYPES)
    assert (table["type"] == truth(30)).mean() > 0.9
    source.obs["cluster"] = 10 * (np.arange(60) % 3)
    numbers = transfer(
        target, source, "cluster", estimator=XGBClassifier(n_estimators=5, n_jobs=1)
    )
    assert numbers["type"].dtype == np.int64
    assert numbers["type"].tolist() == [
        10 * TYPES.tolist().index(n) for n in table["type"]
    ]


def test_parameters_that_name_types(target, source):
    weights = {"B": 1e-9, "Mono": 1, "T": 1e-9}
    classifier = LogisticRegression(class_weight=weights)
    estimator = make_pipeline(Normalizer(), classifier)
    table = transfer(target, source, estimator=estimator)
    assert set(table["type"]) == {"Mono"}
    assert classifier.class_weight == weights
    classifier.set_params(class_weight={"NK": 1})
    with pytest.raises(ValueError, match=r"contains \['NK'\], which are not classes"):
        transfer(target, source, estimator=estimator)


def test_classifier_that_rejects_cells(subtests, target, source):
    for label in ["unknown", "outlier", -1, "T"]:
        with subtests.test(label=label):
            estimator = OutlierFilteredClassifier(
                CLASSIFIER, outlier_detector=RejectsAll(), outlier_label=label
            )
            table = transfer(target, source, estimator=estimator)
            rejects = "T" if label == "T" else "unknown"
            assert table["type"].tolist() == [rejects] * 30
            assert (table["unknown"] == (rejects == "unknown")).all()


class RejectsAll(OutlierMixin, BaseEstimator):
    """Outlier detector that rejects the cells it has not seen in fit."""

    def fit(self, X, y=None):
        self.n_rows_ = X.shape[0]
        return self

    def predict(self, X):
        return np.full(X.shape[0], 1 if X.shape[0] == self.n_rows_ else -1)


class Names(KNeighborsClassifier):
    """Classifier that predicts something else than the classes it got."""

    def predict(self, X):
        return super().predict(X).astype(str)


def test_predictions_of_names(target, source):
    with pytest.raises(ValueError, match=r"as integers from 0 to 2, .* got np\.str_"):
        transfer(target, source, estimator=Names())


def test_unused_categories_are_no_types(target, source):
    expected = transfer(target, source, estimator=Together())
    source.obs["celltype"] = source.obs["celltype"].cat.add_categories("NK")
    table = transfer(target, source, estimator=Together())
    pd.testing.assert_frame_equal(table, expected)


def test_types_may_be_numbers(subtests, target, source):
    for dtype, estimator in product(
        [np.int64, np.float64, "Int64", "category"], [CLASSIFIER, Together()]
    ):
        with subtests.test(dtype=dtype, estimator=estimator):
            numbers = pd.Series(np.arange(60) % 3, index=source.obs_names)
            source.obs["cluster"] = numbers.astype(dtype)
            table = transfer(target, source, "cluster", estimator=estimator)
            assert table["type"].dtype == np.int64
            assert table["type"].tolist() == [0, 1, 2] * 10


def test_unknown_among_numbers(target, source):
    source.obs["cluster"] = np.where(np.arange(60) < 6, -1, np.arange(60) % 3)
    expected = transfer(target, source[6:].copy(), "cluster")
    pd.testing.assert_frame_equal(transfer(target, source, "cluster"), expected)
    table = transfer(target, source, "cluster", estimator=Together(radius=0))
    assert table["type"].tolist() == [-1] * 30
    assert table["unknown"].all()


def test_types_may_be_true_and_false(target, source):
    source.obs["is_T"] = source.obs["celltype"] == "T"
    table = transfer(target, source, "is_T")
    assert table["type"].tolist() == ["False", "False", "True"] * 10


def test_a_type_with_one_cell(target, source):
    # Cell 3 is the only B.
    kept = np.array([i for i in range(60) if i % 3 or i == 3])
    for estimator in (CLASSIFIER, Together()):
        table = transfer(target, source[kept].copy(), estimator=estimator)
        others = np.arange(30) % 3 > 0
        assert table["type"][others].tolist() == np.array(truth(30))[others].tolist()


def test_minus_one_and_one(target, source):
    source.obs["sign"] = np.where(np.arange(60) % 2, 1, -1)
    with pytest.raises(ValueError, match=r"the type -1, .* y is source.obs\['sign'\]"):
        transfer(target, source, "sign")


def test_no_label_column(target, source):
    message = (
        r"source.obs has no column 'cell_type' \(label_key\); its columns: 'celltype'$"
    )
    with pytest.raises(ValueError, match=message):
        transfer(target, source, "cell_type")
    del source.obs["celltype"]
    with pytest.raises(ValueError, match=r"'celltype' .*; its columns: none"):
        transfer(target, source)


def test_swapped_experiments(target, source):
    message = (
        r"source.obs has no column 'celltype' .*: none\. target.obs has it: the "
        r"annotated experiment comes second, transfer_labels\(target, source\)$"
    )
    with pytest.raises(ValueError, match=message):
        transfer(source, target)


def test_many_columns_are_not_all_listed(target, source):
    source.obs = source.obs.join(
        pd.DataFrame(0, index=source.obs_names, columns=[f"c{i}" for i in range(99)])
    )
    with pytest.raises(ValueError, match=r"'c18', \.\.\. \(100 in all\)$"):
        transfer(target, source, "type")


def test_no_labelled_cell(target, source):
    source.obs["celltype"] = "?"
    message = r"needs labelled samples, but all 60 labels .*source.obs\['celltype'\]"
    with pytest.raises(ValueError, match=message):
        transfer(target, source)


def test_one_type(target, source):
    source.obs["celltype"] = "B"
    message = r"transfer_labels needs at least 2 classes.*'B'.*source.obs\['celltype'\]"
    with pytest.raises(ValueError, match=message):
        transfer(target, source)


# -- Genes and cells ------------------------------------------------------------------


def test_too_few_shared_genes(target, source):
    target.var_names = [f"OTHER{i}" for i in range(N_GENES)]
    message = r"at least 50 genes, but 0 genes .*'GENE0'.*'OTHER0'"
    with pytest.raises(ValueError, match=message):
        transfer(target, source)


def test_few_shared_genes(target, source):
    with pytest.warns(UserWarning, match="only 100 genes have") as caught:
        transfer(target[:, :100].copy(), source)
    assert caught[0].filename == __file__


def test_genes_without_names(target, source):
    bare = anndata.AnnData(target.X, obs=target.obs)
    bare.var["symbol"] = target.var_names
    message = (
        r"target has no gene names but row numbers, '0', '1', .* \(600 in all\), and "
        r".*Names may be in target.var\['symbol'\].* assign them to target.var_names"
    )
    with pytest.raises(ValueError, match=message):
        transfer(bare, source)
    with pytest.raises(ValueError, match="has no gene names but row numbers"):
        transfer(bare, anndata.AnnData(source.X, obs=source.obs))
    bare.var_names = bare.var["symbol"]
    pd.testing.assert_frame_equal(transfer(bare, source), transfer(target, source))


def test_cells_that_are_in_both(target, source):
    some = source[10:25].copy()
    some.var_names = some.var_names.str.lower()
    both = anndata.concat([target[:, some.var_names], some])
    message = (
        "15 of 45 cells of target are also in source, with a type, the same name and "
        "the same expression"
    )
    with pytest.warns(UserWarning, match=message) as caught:
        transfer(both, source)
    assert caught[0].filename == __file__
    # Not where their types are unknown, nor where only names are equal.
    source.obs["celltype"] = source.obs["celltype"].astype(object)
    source.obs.iloc[10:25, 0] = "?"
    transfer(both, source)
    source.obs.iloc[10:25, 0] = truth(60)[10:25]
    both.obs_names = [*target.obs_names, *source.obs_names[:15]]
    transfer(both, source)


def test_genes_that_come_twice(target, source):
    target.var_names = ["gene0" if n == "gene1" else n for n in target.var_names]
    table = transfer(target, source)
    assert table["type"].tolist() == truth(30)
    assert (target.var_names == "gene0").sum() == 2


def test_cells_that_come_twice(target, source):
    source.obs_names = ["a"] * 60
    assert transfer(target, source)["type"].tolist() == truth(30)
    target.obs_names = ["a", "a", "b", "b", "b", *"cdefghijklmnopqrstuvwxyz1"]
    message = r"target must have different names, but 2 names occur .* such as 'a'"
    with pytest.raises(ValueError, match=message):
        transfer(target, source)


def test_all_genes_excluded(target, source):
    with pytest.raises(ValueError, match=r"No gene is left .* exclude=\['GENE'\]"):
        transfer(target, source, exclude=["GENE"])


def test_cells_that_express_nothing(target, source):
    X = target.X.toarray()
    X[[4, 9]] = 0
    target.X = sparse.csr_matrix(X)
    with pytest.warns(UserWarning, match="2 of 30 cells of target express none") as w:
        table = transfer(target, source)
    assert w[0].filename == __file__
    unknown = np.isin(np.arange(30), [4, 9])
    assert table["unknown"].tolist() == unknown.tolist()
    assert set(table["type"][unknown]) == {"unknown"}
    assert table["probability"].isna().tolist() == unknown.tolist()
    assert table["type"][~unknown].tolist() == np.array(truth(30))[~unknown].tolist()

    X = source.X.toarray()
    X[:3] = 0
    source.X = sparse.csr_matrix(X)
    with (
        pytest.warns(
            UserWarning, match="3 of 60 cells of source .*: they are left out"
        ),
        pytest.warns(UserWarning, match="2 of 30 cells of target"),
    ):
        transfer(target, source, estimator=Recorder())
    assert Recorder.given[0].shape[0] == len(Recorder.given[1]) == 57

    target.X = sparse.csr_matrix(target.shape, dtype=np.float32)
    target.obs["celltype"] = truth(30)
    with pytest.raises(ValueError, match="no cell of source expresses any of the 600"):
        transfer(source, target)


def test_impossible_values(subtests, target, source):
    for name, (value, message) in product(
        ["source", "target"],
        [
            (-3, r"Negative values .* transfer_labels \({}\): the least is -3"),
            (np.nan, "expression of {} contains NaN"),
            (np.inf, "expression of {} contains infinity"),
        ],
    ):
        with subtests.test(name=name, value=value):
            data = {"source": source.copy(), "target": target.copy()}
            data[name].X.data[5] = value
            with pytest.raises(ValueError, match=message.format(name)):
                transfer(data["target"], data["source"])


# -- Kinds of expression --------------------------------------------------------------


def test_kinds_are_told_for_each_experiment(target, source):
    expected = transfer(target, source)
    # Normalised over all genes, which are the shared ones here.
    logs = source.copy()
    logs.X = ExpressionNormalizer().fit_transform(source.X)
    found = transfer(target, logs)
    assert found["type"].tolist() == expected["type"].tolist()
    np.testing.assert_allclose(found["probability"], expected["probability"], rtol=1e-3)
    tpm = target.copy()
    tpm.X = ExpressionNormalizer(target_sum=1e6, log=False).fit_transform(target.X)
    found = transfer(tpm, logs)
    np.testing.assert_allclose(found["probability"], expected["probability"], rtol=1e-3)


def test_fractions_of_a_subset_of_genes_are_no_logarithms(target, source):
    expected = transfer(target, source)
    totals = target.X.sum(axis=1).A1 * np.linspace(1.2, 2, 30)  # over more genes
    target.X = sparse.csr_matrix(target.X / totals[:, None])
    for kind in ("auto", "tpm"):  # neither warns
        found = transfer(target, source, kind=kind)
        np.testing.assert_allclose(found["probability"], expected["probability"], 1e-3)


@pytest.mark.parametrize("kind", ["counts", "log", "tpm"])
def test_kind_is_what_the_user_says(target, source, kind):
    for adata in (target, source):
        adata.X = sparse.csr_matrix(ExpressionNormalizer().fit_transform(adata.X))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        transfer(target, source, estimator=Recorder(), kind=kind)
    X = Recorder.given[0].toarray()
    expected = source.X.toarray()
    if kind != "log":
        expected = np.log1p(expected * 1e4 / expected.sum(axis=1, keepdims=True))
    np.testing.assert_allclose(X, expected, rtol=1e-5)


def test_counts_as_logarithms_warn(target, source):
    with pytest.warns(UserWarning, match="kind='log', but in") as caught:
        transfer(target, source, kind="log")
    messages = [str(warning.message) for warning in caught]
    start = "kind='log', but in {} all values are whole numbers and the largest is "
    assert messages[0] == start.format("source") + f"{source.X.max():.0f}"
    assert messages[1] == start.format("target") + f"{target.X.max():.0f}"
    assert len(messages) == 2
    assert {warning.filename for warning in caught} == {__file__}


def test_logarithms_as_counts_warn(target, source):
    source.X = sparse.csr_matrix(ExpressionNormalizer().fit_transform(source.X))
    message = (
        r"kind='counts', but in source not all values are whole .* largest is only"
    )
    with pytest.warns(UserWarning, match=message):
        transfer(target, source, kind="counts")


# -- Forms of AnnData -----------------------------------------------------------------


def test_dense_and_sparse_are_one(target, source):
    expected = transfer(target, source)
    for convert in (np.asarray, sparse.csc_matrix, lambda X: X.astype(np.float64)):
        other = source.copy()
        other.X = convert(source.X.toarray() if convert is np.asarray else source.X)
        found = transfer(target, other)
        assert found["type"].tolist() == expected["type"].tolist()
        np.testing.assert_allclose(found["probability"], expected["probability"], 1e-4)


def test_integers(target, source):
    expected = transfer(target, source)
    source.X = source.X.astype(np.int32)
    found = transfer(target, source)
    np.testing.assert_allclose(found["probability"], expected["probability"], rtol=1e-4)


def test_views(target, source):
    table = transfer(target[5:], source[:30])
    expected = transfer(target[5:].copy(), source[:30].copy())
    pd.testing.assert_frame_equal(table, expected)


def test_layer(target, source):
    expected = transfer(target, source)
    for adata in (target, source):
        adata.layers["counts"] = adata.X.copy()
        adata.X = sparse.csr_matrix(adata.shape, dtype=np.float32)
    table = transfer(target, source, layer="counts")
    pd.testing.assert_frame_equal(table, expected)
    del target.layers["counts"]
    with pytest.raises(ValueError, match=r"target has no layer 'counts'; .*: none"):
        transfer(target, source, layer="counts")
    with pytest.raises(ValueError, match=r"source has no layer 'raw'; .*: 'counts'"):
        transfer(target, source, layer="raw")


def test_layers_may_differ(target, source):
    expected = transfer(target, source)
    source.layers["counts"] = source.X.copy()
    source.X = sparse.csr_matrix(source.shape, dtype=np.float32)
    table = transfer(target, source, layer={"source": "counts"})
    pd.testing.assert_frame_equal(table, expected)
    target.layers["umi"], target.X = target.X, None
    table = transfer(target, source, layer={"source": "counts", "target": "umi"})
    pd.testing.assert_frame_equal(table, expected)
    with pytest.raises(ValueError, match=r"with the keys 'source' and 'target', got"):
        transfer(target, source, layer={"target": "umi", "reference": "counts"})
    with pytest.raises(ValueError, match=r"target has no layer 'counts'; .*: 'umi'"):
        transfer(target, source, layer={"source": "counts", "target": "counts"})


def scaled(adata):
    """Return an experiment with scaled genes, and the counts of all genes in `raw`."""
    adata = adata.copy()
    adata.raw = adata
    adata = adata[:, ::2].copy()
    adata.X = adata.X.toarray() - adata.X.toarray().mean(axis=0)
    return adata


def test_raw(target, source):
    expected = transfer(target, source)
    table = transfer(target, scaled(source), layer={"source": "raw"})
    pd.testing.assert_frame_equal(table, expected)
    table = transfer(scaled(target), scaled(source), layer="raw")
    pd.testing.assert_frame_equal(table, expected)
    view = scaled(source)[:30]
    table = transfer(target, view, layer={"source": "raw"})
    pd.testing.assert_frame_equal(table, transfer(target, source[:30].copy()))
    # A layer of this name comes first.
    odd = scaled(target)
    odd.layers["raw"] = odd.X
    with pytest.raises(ValueError, match="Negative values"):
        transfer(odd, scaled(source), layer="raw")


def test_other_expression_is_named(target, source):
    atlas = scaled(source)
    atlas.layers["log"] = ExpressionNormalizer().fit_transform(source[:, ::2].X)
    atlas.layers["scaled"] = atlas.X
    message = (
        r"Negative values .*transfer_labels \(source\).*\. source has usable "
        r"expression in log \(logarithms\), raw \(counts\): pass layer="
        r"\{'source': \.\.\.\} with its name, and None for X$"
    )
    with pytest.raises(ValueError, match=message):
        transfer(target, atlas)
    with pytest.raises(ValueError, match=r"in log .*, raw"):
        transfer(target, atlas, layer={"source": "scaled"})
    atlas.X = None
    with pytest.raises(ValueError, match=r"its X is None.* in log .*, raw"):
        transfer(target, atlas)
    atlas.X, atlas.raw = source[:, ::2].X, None
    del atlas.layers["log"]
    with pytest.raises(ValueError, match=r"in X \(counts\): pass layer"):
        transfer(target, atlas, layer={"source": "scaled"})
    atlas.X = -source[:, ::2].X
    with pytest.raises(ValueError, match=r"before genes were centred or scaled$"):
        transfer(target, atlas)


def test_no_expression(target, source):
    empty = anndata.AnnData(obs=target.obs, var=target.var)
    with pytest.raises(ValueError, match="target has no expression: its X is None"):
        transfer(empty, source)


def test_backed(target, source, tmp_path):
    expected = transfer(target, source)
    # Some releases of anndata cannot write the strings that pandas has since 3.0.
    target.obs.index = target.obs_names.astype(object)
    target.var.index = target.var_names.astype(object)
    target.write_h5ad(tmp_path / "target.h5ad")
    backed = anndata.read_h5ad(tmp_path / "target.h5ad", backed="r")
    try:
        table, adata = transfer(backed, source, return_adata=True)
        assert backed.isbacked
        assert not adata.isbacked
    finally:
        backed.file.close()
    assert table["type"].tolist() == expected["type"].tolist()
    np.testing.assert_allclose(table["probability"], expected["probability"])


def test_no_anndata(target, source):
    with pytest.raises(TypeError, match="source must be an AnnData, got DataFrame"):
        transfer(target, source.to_df())
    with pytest.raises(TypeError, match="target must be an AnnData, got csr_matrix"):
        transfer(target.X, source)


def test_the_same_object(source):
    with pytest.raises(ValueError, match="target and source are the same object"):
        transfer(source, source)


def test_without_the_extra(target, source, monkeypatch):
    monkeypatch.setitem(sys.modules, "anndata", None)
    with pytest.raises(ImportError, match="transfer_labels needs anndata, which"):
        transfer(target, source)


# -- Batches --------------------------------------------------------------------------


class Batched(HighlyVariableGenes):
    """Selector that records its batches."""

    given = ()

    def fit(self, X, y=None, *, batch=None):
        Batched.given = batch
        return super().fit(X, y, batch=batch)


@pytest.mark.parametrize("together", [True, False])
def test_batches(target, source, together):
    source.obs["batch"] = ["1", "2"] * 30
    target.obs["batch"] = 1
    last = Together() if together else KNeighborsClassifier()
    estimator = make_pipeline(Batched(100), last)
    transfer(target, source, estimator=estimator, batch_key="batch")
    of_source = ["source 1", "source 2"] * 30
    expected = of_source + ["target 1"] * 30 if together else of_source
    assert Batched.given.tolist() == expected
    transfer(target, source, estimator=estimator)
    assert Batched.given is None


def test_an_experiment_without_batches_is_one(target, source):
    source.obs["batch"] = ["1", "2"] * 30
    estimator = make_pipeline(Batched(100), Together())
    transfer(target, source, estimator=estimator, batch_key="batch")
    assert Batched.given.tolist() == ["source 1", "source 2"] * 30 + ["target"] * 30


def test_batches_change_the_genes(target, source):
    # Genes that differ between the two batches alone.
    X = source.X.toarray()
    X[30:, 100:140] += 40
    source.X = sparse.csr_matrix(X)
    source.obs["batch"] = np.repeat(["1", "2"], 30)
    estimator = make_pipeline(HighlyVariableGenes(40), Together())
    transfer(target, source, estimator=estimator)
    plain = Together.given[0].toarray()
    transfer(target, source, estimator=estimator, batch_key="batch")
    assert not np.array_equal(Together.given[0].toarray(), plain)


def test_estimator_that_takes_batches_itself(target, source):
    source.obs["batch"] = ["1", "2"] * 30
    transfer(target, source, estimator=TakesBatch(), batch_key="batch")
    assert TakesBatch.given.tolist() == ["source 1", "source 2"] * 30


class TakesBatch(KNeighborsClassifier):
    """Classifier with the parameter `batch` in `fit`."""

    given = ()

    def fit(self, X, y, batch=None):
        TakesBatch.given = batch
        return super().fit(X, y)


def test_bad_batches(target, source):
    estimator = make_pipeline(Batched(100), Together())
    with pytest.raises(ValueError, match=r"no column 'batch' \(batch_key\)"):
        transfer(target, source, estimator=estimator, batch_key="batch")
    source.obs["batch"] = ["1", None] * 30
    message = r"source.obs\['batch'\] must name the batch .* missing for 30 of 60"
    with pytest.raises(ValueError, match=message):
        transfer(target, source, estimator=estimator, batch_key="batch")
    source.obs["batch"] = "1"
    with pytest.raises(ValueError, match="no step of estimator takes batch in fit"):
        transfer(target, source, batch_key="batch")
