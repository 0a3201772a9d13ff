"""ExpressionNormalizer: totals, logarithm, scaling."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from celltyping import ExpressionNormalizer

SPARSE = [sparse.csr_array, sparse.csr_matrix, sparse.csc_array, sparse.coo_matrix]
FORMS = [np.asarray, np.asfortranarray, *SPARSE]


def dense(X):
    """Return `X` as an array."""
    return X.toarray() if sparse.issparse(X) else np.asarray(X)


@pytest.fixture
def counts():
    """Return counts of 60 cells with different totals; cell 7 is empty."""
    rng = np.random.default_rng(0)
    depth = rng.lognormal(sigma=0.7, size=(60, 1))
    X = rng.poisson(depth * rng.lognormal(sigma=1.5, size=30))
    X[7] = 0
    return X


def per_cell(X, target_sum):
    """Return normalised counts, cell by cell."""
    return np.array([row / max(row.sum(), 1) * target_sum for row in X.astype(float)])


@pytest.mark.parametrize(("target_sum", "log"), [(1, True), (1e4, False)])
def test_counts(counts, target_sum, log, subtests):
    expected = per_cell(counts, target_sum)
    expected = np.log1p(expected) if log else expected
    for form in FORMS:
        with subtests.test(form=form):
            X = form(counts)
            normalizer = ExpressionNormalizer(target_sum=target_sum, log=log)
            found = normalizer.fit_transform(X)
            np.testing.assert_allclose(dense(found), expected, rtol=1e-12)
            assert normalizer.kind_ == "counts"
            assert sparse.issparse(found) == sparse.issparse(X)
            assert isinstance(found, sparse.sparray) == isinstance(X, sparse.sparray)
            assert (dense(found)[7] == 0).all()
            np.testing.assert_array_equal(
                dense(normalizer.fit(X).transform(X)), dense(found)
            )


def test_same_as_scanpy(counts):
    anndata = pytest.importorskip("anndata")
    scanpy = pytest.importorskip("scanpy")
    counts = np.delete(counts, 7, axis=0)  # scanpy warns of empty cells
    cells = anndata.AnnData(sparse.csr_matrix(counts, dtype=np.float32))
    found = ExpressionNormalizer().fit_transform(cells.X)
    scanpy.pp.normalize_total(cells, target_sum=1e4)
    scanpy.pp.log1p(cells)
    np.testing.assert_allclose(found.toarray(), cells.X.toarray(), rtol=1e-6)


def test_tpm_is_treated_as_counts_are(counts, subtests):
    tpm = per_cell(counts, 1e6)
    normalizer = ExpressionNormalizer()
    expected = normalizer.fit_transform(counts)
    for form in FORMS:
        with subtests.test(form=form):
            found = normalizer.fit_transform(form(tpm))
            assert normalizer.kind_ == "tpm"
            np.testing.assert_allclose(dense(found), expected, rtol=1e-12)


@pytest.mark.parametrize(("kind", "log"), [("auto", False), ("log", True)])
def test_logarithms_are_left_as_they_are(counts, kind, log, subtests):
    for form in FORMS:
        with subtests.test(form=form):
            X = form(np.log1p(per_cell(counts, 1e4)))
            normalizer = ExpressionNormalizer(kind=kind, log=log, target_sum=5)
            found = normalizer.fit_transform(X)
            assert normalizer.kind_ == "log"
            np.testing.assert_array_equal(dense(found), dense(X))
            if isinstance(X, np.ndarray):
                assert not np.shares_memory(found, X)
            elif X.format == "csr":
                assert not np.shares_memory(found.data, X.data)


def test_the_kind_is_decided_in_fit(counts):
    normalizer = ExpressionNormalizer().fit(per_cell(counts, 1e6))
    found = normalizer.transform(counts)  # counts are as good as TPM
    np.testing.assert_allclose(found, np.log1p(per_cell(counts, 1e4)))
    alone = [normalizer.transform(counts[[cell]])[0] for cell in range(60)]
    np.testing.assert_array_equal(alone, found)


def test_warnings_name_the_evidence(counts, subtests):
    whole = f"all values are whole numbers and the largest is {counts.max()}"
    fractions = r"not all values are whole numbers .* the largest is only \d\.\d+$"
    for form in FORMS:
        with subtests.test(form=form):
            logs = form(np.log1p(per_cell(counts, 1e4)))
            with pytest.warns(
                UserWarning, match=f"^kind='log', but {whole}$"
            ) as caught:
                found = ExpressionNormalizer(kind="log").fit_transform(form(counts))
            assert len(caught) == 1
            np.testing.assert_array_equal(dense(found), counts)
            for kind in ("counts", "tpm"):
                with pytest.warns(
                    UserWarning, match=f"^kind='{kind}', but {fractions}"
                ):
                    ExpressionNormalizer(kind=kind).fit(logs)
            fitted = ExpressionNormalizer().fit(form(counts))
            with pytest.warns(
                UserWarning, match=f"fitted on 'counts', but in X {fractions}"
            ):
                fitted.transform(logs)
            fitted = ExpressionNormalizer().fit(logs)
            with pytest.warns(
                UserWarning, match=f"fitted on 'log', but in X {whole}"
            ) as seen:
                fitted.transform(form(counts))
            assert seen[0].filename == __file__


@pytest.mark.parametrize("max_value", [None, 6.0, 1.5])
def test_scale(counts, max_value, subtests):
    counts[:, 4] = 0
    logs = np.log1p(per_cell(counts, 1e4))
    spread = logs.std(axis=0)
    spread[4] = 1
    expected = (logs - logs.mean(axis=0)) / spread
    if max_value is not None:
        assert expected.max() > max_value, "there is something to clip"
        expected = expected.clip(-max_value, max_value)
    normalizer = ExpressionNormalizer(scale=True, max_value=max_value)
    for form in FORMS:
        with subtests.test(form=form):
            found = normalizer.fit_transform(form(counts))
            assert isinstance(found, np.ndarray)
            np.testing.assert_allclose(found, expected, atol=1e-12)
            assert normalizer.mean_.shape == normalizer.scale_.shape == (1, 30)
            assert normalizer.batches_ is None
            some = normalizer.transform(form(counts[3:9]))
            np.testing.assert_allclose(some, expected[3:9], atol=1e-12)


def test_constant_genes_become_zero(subtests):
    # Each cell has a third of its total in each gene, which no float equals.
    X = np.outer(np.arange(1, 41), np.ones(3))
    normalizer = ExpressionNormalizer(scale=True, target_sum=0.1)
    for form in FORMS:
        for dtype in (np.float32, np.float64):
            with subtests.test(form=form, dtype=dtype):
                found = normalizer.fit_transform(form(X.astype(dtype)))
                np.testing.assert_allclose(found, np.zeros((40, 3)), atol=1e-6)


def test_a_single_gene(subtests):
    X = np.arange(12)[:, np.newaxis]
    for form in FORMS:
        with subtests.test(form=form):
            found = ExpressionNormalizer(target_sum=1).fit_transform(form(X))
            np.testing.assert_allclose(dense(found), np.log(1.0 + (X > 0)))


@pytest.mark.parametrize("names", [["old", "new"], [3, 1]])
def test_batches_are_scaled_one_by_one(counts, names, subtests):
    batch = np.array(names)[(np.arange(60) % 3 == 0).astype(int)]
    for form in FORMS:
        with subtests.test(form=form):
            together = ExpressionNormalizer(scale=True)
            found = together.fit_transform(form(counts), batch=batch)
            assert together.batches_.tolist() == sorted(names)
            assert together.mean_.shape == (2, 30)
            for name in names:
                cells = batch == name
                alone = ExpressionNormalizer(scale=True).fit_transform(
                    form(counts[cells])
                )
                np.testing.assert_allclose(found[cells], alone, atol=1e-12)
            new = together.transform(form(counts[:5]), batch=batch[:5].tolist())
            np.testing.assert_allclose(new, found[:5], atol=1e-12)


def test_batches_in_fit_and_transform_have_to_agree(counts):
    batch = np.repeat(["a", "b"], 30)
    normalizer = ExpressionNormalizer(scale=True).fit(counts, batch=batch)
    message = r"batch holds \['c'\], but fit has only seen \['a', 'b'\]"
    with pytest.raises(ValueError, match=message):
        normalizer.transform(counts[:2], batch=["b", "c"])
    message = r"batch must be passed, since fit scaled \['a', 'b'\] separately"
    with pytest.raises(ValueError, match=message):
        normalizer.transform(counts)
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[60, 2\]"):
        normalizer.transform(counts, batch=["a", "b"])
    with pytest.raises(ValueError, match="batch was passed, but not to fit"):
        normalizer.fit(counts).transform(counts, batch=batch)
    # Without scaling the batches do not matter.
    plain = ExpressionNormalizer().fit(counts, batch=batch)
    np.testing.assert_array_equal(
        plain.transform(counts[:1], batch=["c"]), plain.transform(counts[:1])
    )


def test_batches_of_different_kinds(counts, subtests):
    batch = np.repeat(["old", "new"], 60)
    message = (
        r"kind='auto' takes X for 'tpm' \(not all .*\), but in batch 'new' not all "
        "values are whole numbers .*: normalise batches of different kinds separately"
    )
    for form in FORMS:
        with subtests.test(form=form):
            X = form(np.vstack([counts, np.log1p(per_cell(counts, 1e4))]))
            with pytest.raises(ValueError, match=message):
                ExpressionNormalizer().fit(X, batch=batch)
            both_linear = form(np.vstack([counts, per_cell(counts, 1e6)]))
            assert ExpressionNormalizer().fit(both_linear, batch=batch).kind_ == "tpm"
            given = ExpressionNormalizer(kind="counts").fit(X, batch=batch)
            assert given.kind_ == "counts"


@pytest.mark.parametrize(
    ("dtype", "parameters"),
    [(np.float32, {}), (np.float64, {"scale": True}), (np.int32, {"log": False})],
)
def test_dtype_is_kept_and_input_unchanged(counts, dtype, parameters, subtests):
    for form in FORMS:
        with subtests.test(form=form):
            X = form(counts.astype(dtype))
            before = X.copy()
            for name in {"data", "indices", "indptr", "row", "col"} & set(dir(X)):
                if sparse.issparse(X):
                    getattr(X, name).flags.writeable = False
            if isinstance(X, np.ndarray):
                X.flags.writeable = False
            normalizer = ExpressionNormalizer(**parameters)
            found = normalizer.fit_transform(X)
            assert found.dtype == (dtype if dtype != np.int32 else np.float64)
            assert normalizer.transform(X).dtype == found.dtype
            np.testing.assert_array_equal(dense(X), dense(before))


def test_values_stored_twice_and_stored_zeros():
    for kind in (sparse.csr_array, sparse.csr_matrix):
        X = kind(
            (np.array([1.0, 2.0, 0.0, 1.0]), [1, 1, 0, 0], [0, 3, 4]), shape=(2, 2)
        )
        found = ExpressionNormalizer(target_sum=1).fit_transform(X)
        np.testing.assert_allclose(found.toarray(), np.log([[1, 2], [2, 1]]))
        assert X.data.tolist() == [1, 2, 0, 1]


def test_a_sparse_matrix_is_not_made_dense():
    # Dense, this would be 80 GB.
    X = sparse.random_array((100_000, 100_000), density=1e-7, rng=0, format="csr")
    found = ExpressionNormalizer().fit_transform(X * 1000)
    assert found.nnz == X.nnz


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            -0.5,
            "Negative values in data passed to X in ExpressionNormalizer: the least",
        ),
        (np.nan, "contains NaN"),
        (np.inf, "contains infinity"),
    ],
)
def test_bad_values(counts, value, message, subtests):
    normalizer = ExpressionNormalizer().fit(counts)
    counts = counts.astype(float)
    counts[3, 2] = value
    for form in FORMS:
        with subtests.test(form=form):
            with pytest.raises(ValueError, match=message):
                ExpressionNormalizer().fit(form(counts))
            with pytest.raises(ValueError, match=message):
                normalizer.transform(form(counts))


def test_set_output_and_names(counts):
    table = pd.DataFrame(
        counts,
        columns=[f"gene{i}" for i in range(30)],
        index=[f"cell{i}" for i in range(60)],
    )
    normalizer = ExpressionNormalizer().set_output(transform="pandas")
    found = normalizer.fit_transform(table)
    assert normalizer.get_feature_names_out().tolist() == table.columns.tolist()
    pd.testing.assert_index_equal(found.index, table.index)
    pd.testing.assert_index_equal(found.columns, table.columns)
    np.testing.assert_allclose(found, np.log1p(per_cell(counts, 1e4)))


def test_batches_through_a_pipeline(counts):
    batch = np.repeat(["a", "b"], 30)
    y = np.arange(60) % 2
    with config_context(enable_metadata_routing=True):
        normalizer = ExpressionNormalizer(scale=True)
        normalizer.set_fit_request(batch=True).set_transform_request(batch=True)
        pipeline = make_pipeline(normalizer, LogisticRegression())
        pipeline.fit(counts, y, batch=batch)
        found = pipeline.predict(counts, batch=batch)
    scaled = ExpressionNormalizer(scale=True).fit_transform(counts, batch=batch)
    np.testing.assert_array_equal(pipeline[0].mean_.shape, (2, 30))
    expected = LogisticRegression().fit(scaled, y).predict(scaled)
    np.testing.assert_array_equal(found, expected)


def test_grid_search_and_clone(counts):
    y = np.arange(60) % 2
    counts[:, 0] += 30 * y
    pipeline = make_pipeline(ExpressionNormalizer(), LogisticRegression())
    grid = {
        "expressionnormalizer__scale": [True, False],
        "expressionnormalizer__max_value": [1.0, None],
    }
    search = GridSearchCV(pipeline, grid, cv=3).fit(sparse.csr_array(counts), y)
    assert search.best_score_ > 0.9
    best = search.best_estimator_[0]
    assert clone(best).get_params() == best.get_params()


def test_pickle(counts, tmp_path):
    batch = np.repeat(["a", "b"], 30)
    normalizer = ExpressionNormalizer(scale=True).fit(counts, batch=batch)
    joblib.dump(normalizer, tmp_path / "normalizer")
    loaded = joblib.load(tmp_path / "normalizer")
    np.testing.assert_array_equal(
        loaded.transform(counts, batch=batch), normalizer.transform(counts, batch=batch)
    )
