"""HighlyVariableGenes: dispersions, ranks, batches."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import sys

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from celltyping import ExpressionNormalizer, GeneFilter, HighlyVariableGenes
from celltyping.transformers import _highly_variable_genes

SPARSE = [sparse.csr_array, sparse.csr_matrix, sparse.csc_array]
FORMS = [np.asarray, np.asfortranarray, *SPARSE]


def make_counts(n_cells, n_genes, seed=0):
    """Simulate sparse counts of two types, with different totals and means."""
    rng = np.random.default_rng(seed)
    means = np.exp(rng.normal(-2, 1.5, size=n_genes))
    fold = np.where(rng.random((2, n_genes)) < 0.05, rng.gamma(2, 4, (2, n_genes)), 1)
    y = np.arange(n_cells) % 2
    depth = rng.lognormal(sigma=0.4, size=(n_cells, 1))
    counts = rng.poisson(depth * means * fold[y] * rng.gamma(2, 0.5, (n_cells, 1)))
    return sparse.csr_array(counts.astype(np.float32)), y


@pytest.fixture(scope="module")
def counts():
    """Return counts of 300 cells and 900 genes, some of which no cell expresses."""
    return make_counts(300, 900)[0]


@pytest.fixture(scope="module")
def logs(counts):
    """Return the same cells, log-normalised."""
    return ExpressionNormalizer().fit_transform(counts)


def plain_dispersions(X, n_bins):
    """Return the published formula, with loops over genes and intervals."""
    values = np.expm1(np.asarray(X, dtype=float))
    mean, variance = values.mean(axis=0), values.var(axis=0, ddof=1)
    dispersion = np.array(
        [
            np.log(v / m) if v > 0 else np.nan
            for m, v in zip(mean, variance, strict=True)
        ]
    )
    intervals = pd.cut(np.log1p(mean), n_bins).codes
    found = np.full(len(mean), np.nan)
    for interval in np.unique(intervals):
        genes = np.flatnonzero((intervals == interval) & np.isfinite(dispersion))
        here = dispersion[genes]
        if len(genes) == 1:
            found[genes] = 1
        elif len(genes) > 1:
            found[genes] = (here - here.mean()) / here.std(ddof=1)
    return found


@pytest.mark.parametrize(
    ("n_bins", "dtype"),
    [(1, np.float32), (5, np.float64), (20, np.float32), (400, np.float64)],
)
def test_dispersions_are_those_of_the_plain_formula(logs, n_bins, dtype, subtests):
    X = logs.toarray().astype(dtype)
    expected = plain_dispersions(X, n_bins)
    for form in FORMS:
        with subtests.test(form=form):
            genes = HighlyVariableGenes(n_genes=100, n_bins=n_bins).fit(form(X))
            assert genes.dispersions_.shape == (1, 900)
            np.testing.assert_allclose(genes.dispersions_[0], expected, atol=1e-9)
            order = np.argsort(-np.nan_to_num(expected, nan=-np.inf), kind="stable")
            if n_bins < 400:  # with 400, genes that are alone have the same dispersion
                assert sorted(order[:100]) == genes.get_support(indices=True).tolist()
            assert sorted(genes.ranks_) == list(range(1, 901))
            np.testing.assert_array_equal(genes.support_, genes.ranks_ <= 100)


@pytest.mark.parametrize(
    ("form", "n_genes"),
    [(np.asarray, 1), (sparse.csr_matrix, 50), (np.asarray, 300)],
)
def test_same_as_scanpy(logs, form, n_genes, subtests):
    anndata = pytest.importorskip("anndata")
    scanpy = pytest.importorskip("scanpy")
    for dtype in (np.float32, np.float64):
        with subtests.test(dtype=dtype):
            X = form(logs.toarray().astype(dtype))
            table = scanpy.pp.highly_variable_genes(
                anndata.AnnData(X.copy()),
                flavor="seurat",
                n_top_genes=n_genes,
                inplace=False,
            )
            genes = HighlyVariableGenes(n_genes).fit(X)
            np.testing.assert_array_equal(genes.support_, table["highly_variable"])
            np.testing.assert_allclose(
                genes.dispersions_[0], table["dispersions_norm"], atol=1e-5
            )


@pytest.mark.parametrize("flavor", ["seurat", "cell_ranger", "seurat_v3"])
def test_flavors_of_scanpy(counts, logs, flavor, subtests):
    anndata = pytest.importorskip("anndata")
    scanpy = pytest.importorskip("scanpy")
    expressed = GeneFilter(1).fit(counts)
    X = expressed.transform(counts if flavor == "seurat_v3" else logs)
    table = scanpy.pp.highly_variable_genes(
        anndata.AnnData(sparse.csr_matrix(X)),
        flavor=flavor,
        n_top_genes=80,
        inplace=False,
    )
    # Genes that no cell expresses have no effect, and are last.
    silent = sparse.hstack([sparse.csr_array((300, 500)), X], format="csr")
    found = HighlyVariableGenes(80, flavor=flavor).fit(silent)
    assert np.isnan(found.dispersions_[0, :500]).all()
    for form in FORMS:
        with subtests.test(form=form):
            genes = HighlyVariableGenes(80, flavor=flavor).fit(form(X.toarray()))
            agreeing = genes.support_ & table["highly_variable"].to_numpy()
            assert agreeing.sum() >= 79  # ties
            np.testing.assert_array_equal(found.support_[500:], genes.support_)


def test_flavors_differ(counts, logs):
    supports = {
        flavor: HighlyVariableGenes(100, flavor=flavor)
        .fit(counts if flavor == "seurat_v3" else logs)
        .support_.tobytes()
        for flavor in ("dispersion", "cell_ranger", "seurat_v3")
    }
    assert len(set(supports.values())) == 3


@pytest.mark.parametrize(
    ("module", "flavor"),
    [("anndata", "seurat"), ("scanpy", "cell_ranger"), ("skmisc", "seurat_v3")],
)
def test_a_missing_package(logs, counts, monkeypatch, module, flavor):
    monkeypatch.setitem(sys.modules, module, None)
    message = (
        rf"HighlyVariableGenes\(flavor='{flavor}'\) needs {module}, which the extra "
        "'single-cell' brings"
    )
    X = counts if flavor == "seurat_v3" else logs
    with pytest.raises(ImportError, match=message):
        HighlyVariableGenes(flavor=flavor).fit(X)
    HighlyVariableGenes().fit(logs)  # needs none of them


def test_too_little_for_scanpy():
    X = np.random.default_rng(0).poisson(5, size=(20, 9))
    with pytest.raises(ValueError, match=r"cannot rank the 9 genes .*: it takes 10"):
        HighlyVariableGenes(flavor="seurat_v3").fit(X)
    with pytest.raises(ValueError, match="cannot rank the 1 genes that vary among 20"):
        HighlyVariableGenes(flavor="cell_ranger").fit(np.log1p(X[:, :1]))
    genes = HighlyVariableGenes(2, flavor="seurat_v3").fit(X[:1])
    assert genes.get_support(indices=True).tolist() == [0, 1]


def test_all_genes_stay_where_there_are_no_more(logs):
    for n_genes in (900, 901, 5000):
        genes = HighlyVariableGenes(n_genes).fit(logs)
        assert genes.support_.all()
        assert (genes.transform(logs) != logs).nnz == 0


def test_columns_keep_their_order(logs, subtests):
    for form in FORMS:
        with subtests.test(form=form):
            X = form(logs.toarray())
            genes = HighlyVariableGenes(30).fit(X)
            found = genes.transform(X)
            assert sparse.issparse(found) == sparse.issparse(X)
            kept = np.flatnonzero(genes.support_)
            found = found.toarray() if sparse.issparse(found) else found
            np.testing.assert_array_equal(found, logs.toarray()[:, kept])
            names = [f"gene{i}" for i in range(900)]
            expected = [names[gene] for gene in kept]
            assert genes.get_feature_names_out(names).tolist() == expected
            back = genes.inverse_transform(found)
            np.testing.assert_array_equal(back[:, kept], found)
            assert np.count_nonzero(back) == np.count_nonzero(found)


def test_permuting_the_genes_permutes_the_answer(logs):
    order = np.random.default_rng(0).permutation(900)
    expected = HighlyVariableGenes(100).fit(logs).support_[order]
    found = HighlyVariableGenes(100).fit(logs[:, order]).support_
    np.testing.assert_array_equal(found, expected)


def ranks(dispersions):
    """Return the descending rank of each gene; NaN has the last."""
    order = np.argsort(-dispersions)  # NaN goes to the end
    rank = np.empty(len(order))
    rank[order] = np.arange(1, len(order) + 1)
    rank[np.isnan(dispersions)] = len(order)
    return rank


def test_batches_are_ranked_one_by_one(logs, subtests):
    batch = np.where(np.arange(300) < 110, "old", "new")
    parts = [plain_dispersions(logs.toarray()[batch == b], 5) for b in ("new", "old")]
    sums = ranks(parts[0]) + ranks(parts[1])
    expected = np.sort(np.argsort(sums, kind="stable")[:100])
    genes = HighlyVariableGenes(100, n_bins=5)
    for form in FORMS:
        with subtests.test(form=form):
            genes.fit(form(logs.toarray()), batch=batch)
            np.testing.assert_allclose(genes.dispersions_, parts, atol=1e-9)
            np.testing.assert_array_equal(genes.get_support(indices=True), expected)
    together = HighlyVariableGenes(100, n_bins=5).fit(logs)
    assert (together.get_support(indices=True) != expected).any()


@pytest.mark.parametrize(
    ("y", "parameters"),
    [
        (np.where(np.arange(300) < 110, "B", "?"), {}),
        (np.where(np.arange(300) < 110, 2, -1), {}),
        (pd.Series(np.where(np.arange(300) < 110, "B", None)), {}),
        (np.where(np.arange(300) < 110, "B", "new"), {"unlabeled_marker": "new"}),
    ],
)
def test_source_and_target_are_two_batches(logs, y, parameters):
    genes = HighlyVariableGenes(100, **parameters).fit(logs, y)
    batch = np.arange(300) < 110
    expected = HighlyVariableGenes(100).fit(logs, batch=batch)
    np.testing.assert_array_equal(genes.ranks_, expected.ranks_)
    assert genes.dispersions_.shape == (2, 900)
    # `batch` takes precedence.
    genes.fit(logs, y, batch=np.zeros(300, dtype=int))
    np.testing.assert_array_equal(
        genes.ranks_, HighlyVariableGenes(100).fit(logs).ranks_
    )


def test_types_that_make_no_batches(logs):
    expected = HighlyVariableGenes(100).fit(logs)
    for y in (
        None,
        np.full(300, "B"),
        np.full(300, "?"),
        np.ones((300, 2)),
        np.arange(300) / 7,
    ):
        genes = HighlyVariableGenes(100).fit(logs, y)
        np.testing.assert_array_equal(genes.dispersions_, expected.dispersions_)


def test_a_gene_that_differs_between_batches_alone_is_not_kept(logs):
    batch = np.arange(300) < 110
    X = logs.toarray()
    X[:, 0] = np.where(batch, 6, 0)
    genes = HighlyVariableGenes(20, n_bins=1)
    assert genes.fit(X).support_[0]
    assert not genes.fit(X, batch=batch).support_[0]


def test_constant_genes_and_empty_cells(subtests):
    for form in FORMS:
        with subtests.test(form=form):
            rng = np.random.default_rng(0)
            X = np.log1p(rng.poisson(3, size=(50, 8)) * 1.1)
            X[:, 2] = 0
            X[:, 5] = 1 / 3
            genes = HighlyVariableGenes(6, n_bins=2).fit(form(X))
            constant = [2, 5]
            assert np.isnan(genes.dispersions_[0, constant]).all()
            assert not genes.support_[constant].any()
            assert genes.ranks_[constant].tolist() == [7, 8]
            assert HighlyVariableGenes(7, n_bins=2).fit(form(X)).support_[2]
            X[::4] = 0
            found = HighlyVariableGenes(6, n_bins=2).fit(form(X)).dispersions_[0]
            assert np.isfinite(found[[0, 1, 3, 4, 5, 6, 7]]).all()


@pytest.mark.parametrize(
    ("X", "expected"),
    [
        (np.full((9, 4), 0.5), [np.nan] * 4),
        (np.zeros((9, 4)), [np.nan] * 4),
        (np.array([[0.5, 0.1, 2.5]]), [np.nan] * 3),  # one cell
        (np.array([[0.5], [0.1], [2.5]]), [1]),  # one gene
        (np.log1p([[1, 1], [2, 2], [4, 4]]), [0, 0]),  # equally variable
    ],
)
def test_little_to_go_by(X, expected, subtests):
    for form in FORMS:
        with subtests.test(form=form):
            genes = HighlyVariableGenes(2).fit(form(X))
            np.testing.assert_array_equal(genes.dispersions_[0], expected)
            assert genes.get_support(indices=True).tolist() == [0, 1][: X.shape[1]]


def test_warnings_name_the_evidence(counts, logs, subtests):
    raw = counts.toarray()
    raw[0, 0] = 5000  # exp of which is no float
    expressed = raw.any(axis=0)
    no_logs = (
        "^flavor='dispersion' takes log-normalised expression, but all values are "
        "whole numbers and the largest is 5000$"
    )
    no_counts = (
        r"^flavor='seurat_v3' takes counts, but not all values are whole .* only \d"
    )
    for form in FORMS:
        with subtests.test(form=form):
            with pytest.warns(UserWarning, match=no_logs) as caught:
                genes = HighlyVariableGenes(30).fit(form(raw))
            assert len(caught) == 1
            assert caught[0].filename == __file__
            assert np.isfinite(genes.dispersions_[0, expressed]).all()
            with pytest.warns(UserWarning, match=no_counts):
                HighlyVariableGenes(30, flavor="seurat_v3").fit(form(logs.toarray()))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (-0.5, "Negative values in data passed to X in HighlyVariableGenes: the least"),
        (np.nan, "contains NaN"),
        (np.inf, "contains infinity"),
    ],
)
def test_bad_values(logs, value, message, subtests):
    X = logs.toarray()
    X[3, 2] = value
    for form in FORMS:
        with subtests.test(form=form), pytest.raises(ValueError, match=message):
            HighlyVariableGenes().fit(form(X))


def test_bad_lengths(logs):
    with pytest.raises(
        ValueError, match=r"inconsistent numbers of samples: \[300, 2\]"
    ):
        HighlyVariableGenes().fit(logs, batch=["a", "b"])
    with pytest.raises(
        ValueError, match=r"inconsistent numbers of samples: \[300, 2\]"
    ):
        HighlyVariableGenes().fit(logs, ["a", "?"])
    with pytest.raises(NotFittedError):
        HighlyVariableGenes().transform(logs)


@pytest.mark.parametrize(
    ("flavor", "dtype"),
    [
        ("dispersion", np.float32),
        ("dispersion", np.float64),
        ("seurat", np.float32),
        ("seurat_v3", np.float64),
    ],
)
def test_dtype_is_kept_and_input_unchanged(counts, logs, dtype, flavor, subtests):
    for form in FORMS:
        with subtests.test(form=form):
            X = form(
                (counts if flavor == "seurat_v3" else logs).toarray().astype(dtype)
            )
            before = X.copy()
            for part in (X.data, X.indices, X.indptr) if sparse.issparse(X) else (X,):
                part.flags.writeable = False
            found = HighlyVariableGenes(20, flavor=flavor).fit_transform(X)
            assert found.dtype == dtype
            difference = X - before
            assert not (difference.nnz if sparse.issparse(X) else difference.any())


def test_values_stored_twice(logs):
    X = logs.copy()
    once = X.data.copy()
    X.data /= 2
    twice = sparse.csr_array(
        (np.repeat(X.data, 2), np.repeat(X.indices, 2), 2 * X.indptr), shape=X.shape
    )
    found = HighlyVariableGenes().fit(twice).dispersions_
    np.testing.assert_allclose(found, HighlyVariableGenes().fit(logs).dispersions_)
    assert twice.nnz == 2 * len(once)


def test_a_sparse_matrix_is_not_made_dense():
    # Dense, this would be 80 GB.
    X = sparse.random_array((100_000, 100_000), density=1e-7, rng=0, format="csr")
    batch = np.arange(100_000) % 2
    genes = HighlyVariableGenes(50).fit(X, batch=batch)
    assert genes.transform(X).shape == (100_000, 50)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_any_size_of_the_parts_gives_the_same(logs, form, monkeypatch):
    X = form(logs.toarray())
    expected = HighlyVariableGenes().fit(X).dispersions_
    monkeypatch.setattr(_highly_variable_genes, "BLOCK", 7)
    monkeypatch.setattr(_highly_variable_genes, "CHUNK", 1000)
    found = HighlyVariableGenes().fit(X).dispersions_
    np.testing.assert_allclose(found, expected, atol=1e-10)


def test_set_output(logs):
    table = pd.DataFrame(
        logs.toarray(),
        columns=[f"gene{i}" for i in range(900)],
        index=[f"cell{i}" for i in range(300)],
    )
    genes = HighlyVariableGenes(25).set_output(transform="pandas")
    found = genes.fit_transform(table)
    pd.testing.assert_frame_equal(found, table.loc[:, genes.support_])


def test_clone_and_pickle(logs, tmp_path):
    genes = HighlyVariableGenes(25, n_bins=7)
    assert clone(genes).get_params() == genes.get_params()
    joblib.dump(genes.fit(logs), tmp_path / "genes")
    loaded = joblib.load(tmp_path / "genes")
    assert (loaded.transform(logs) != genes.transform(logs)).nnz == 0


def test_grid_search_over_n_genes():
    counts, y = make_counts(120, 400, seed=1)
    pipeline = make_pipeline(
        GeneFilter(),
        ExpressionNormalizer(),
        HighlyVariableGenes(),
        LogisticRegression(),
    )
    grid = {"highlyvariablegenes__n_genes": [1, 60]}
    search = GridSearchCV(pipeline, grid, cv=3).fit(counts, y)
    assert search.best_params_ == {"highlyvariablegenes__n_genes": 60}
    assert search.best_estimator_[-1].coef_.shape == (1, 60)
    assert search.best_score_ > 0.9


def test_batches_through_a_pipeline(counts, logs):
    batch = np.arange(300) % 2
    with config_context(enable_metadata_routing=True):
        normalizer = ExpressionNormalizer()
        normalizer.set_fit_request(batch=True).set_transform_request(batch=True)
        genes = HighlyVariableGenes(50).set_fit_request(batch=True)
        pipeline = make_pipeline(normalizer, genes).fit(counts, batch=batch)
        found = pipeline.transform(counts)
    expected = HighlyVariableGenes(50).fit(logs, batch=batch)
    np.testing.assert_array_equal(genes.ranks_, expected.ranks_)
    assert (found != expected.transform(logs)).nnz == 0
