"""GeneFilter: numbers of cells, names."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from celltyping import GeneFilter

FORMS = [np.asarray, sparse.csr_array, sparse.csr_matrix, sparse.csc_array]
NAMES = ["CD3E", "MT-CO1", "ERCC-0002", "mt-Nd1", "MTOR", "CD3E"]


@pytest.fixture
def counts():
    """Return counts of 40 cells; gene j is expressed in the first 8 j of them."""
    X = np.zeros((40, 6))
    for gene in range(6):
        X[: 8 * gene, gene] = gene + 0.5
    return X


def test_min_cells(counts, subtests):
    for form in FORMS:
        for min_cells in (0, 1, 8, 9, 24, 40):
            with subtests.test(form=form, min_cells=min_cells):
                genes = GeneFilter(min_cells).fit(form(counts))
                assert genes.n_cells_.tolist() == [0, 8, 16, 24, 32, 40]
                expected = genes.n_cells_ >= min_cells
                np.testing.assert_array_equal(genes.get_support(), expected)
                np.testing.assert_array_equal(genes.support_, expected)
                found = genes.transform(form(counts))
                assert sparse.issparse(found) == sparse.issparse(form(counts))
                found = found.toarray() if sparse.issparse(found) else found
                np.testing.assert_array_equal(found, counts[:, expected])


def test_stored_zeros_and_values_stored_twice_are_not_counted():
    X = sparse.csr_array(
        ([1.0, 2.0, 0.0, 4.0], [0, 0, 1, 1], [0, 2, 3, 4]), shape=(3, 2)
    )
    assert GeneFilter(1).fit(X).n_cells_.tolist() == [1, 1]
    assert X.nnz == 4


def test_fewer_cells_than_min_cells(counts):
    genes = GeneFilter(min_cells=3).fit(counts[:2])
    assert genes.get_support(indices=True).tolist() == [1, 2, 3, 4, 5]
    assert GeneFilter(min_cells=3).fit(counts[:3]).support_.sum() == 5


def test_exclude(counts, subtests):
    for exclude, kept in (
        ((), [1, 2, 3, 4, 5]),
        (["^MT-"], [2, 4, 5]),
        (("mt-",), [2, 4, 5]),
        (("^ERCC-", "^MT-"), [4, 5]),
        (("cd3e",), [1, 2, 3, 4]),
        (("CO1",), [1, 2, 3, 4, 5]),  # a name has to begin with the match
        ((".*CO1",), [2, 3, 4, 5]),
    ):
        with subtests.test(exclude=exclude):
            given = GeneFilter(exclude=exclude, gene_names=NAMES).fit(counts)
            assert given.get_support(indices=True).tolist() == kept
            # Two genes are named CD3E; each column is filtered separately.
            names = [NAMES[gene] for gene in kept]
            assert given.get_feature_names_out(NAMES).tolist() == names


def test_names_of_columns(counts):
    names = [*NAMES[:5], "CD4"]
    by_column = GeneFilter(exclude=["MT-"]).fit(pd.DataFrame(counts, columns=names))
    assert by_column.get_feature_names_out().tolist() == ["ERCC-0002", "MTOR", "CD4"]


def test_columns_of_the_same_name(counts):
    # scikit-learn refuses duplicate columns; `gene_names` accepts them.
    with pytest.raises(ValueError, match=r"unique column names.*\n- 'CD3E' 2 times"):
        GeneFilter().fit(pd.DataFrame(counts, columns=NAMES))


def test_names_that_are_given_win(counts):
    table = pd.DataFrame(counts, columns=[f"ENSG{i}" for i in range(6)])
    genes = GeneFilter(exclude=["MT-", "ERCC"], gene_names=np.array(NAMES)).fit(table)
    assert genes.get_feature_names_out().tolist() == ["ENSG4", "ENSG5"]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"exclude": ["^MT-"]}, r"exclude=\['\^MT-'\] needs the names of the genes"),
        ({"gene_names": NAMES[:4]}, "gene_names has 4 names, but X has 6 genes"),
        (
            {"exclude": ["MT-("], "gene_names": NAMES},
            r"exclude must hold regular expressions, got 'MT-\('",
        ),
        (
            {"exclude": [5], "gene_names": NAMES},
            "exclude must hold regular expressions, got 5",
        ),
        (
            {"exclude": ["CD", "MT"], "gene_names": NAMES, "min_cells": 20},
            r"No gene is left of the 6 in X: 3 are expressed in fewer than 20 of 40 "
            r"cells \(min_cells=20\), and 5 have a name that exclude=",
        ),
    ],
)
def test_bad_parameters(counts, parameters, message):
    with pytest.raises(ValueError, match=message):
        GeneFilter(**parameters).fit(counts)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (-2.0, "Negative values in data passed to X in GeneFilter: the least is -2"),
        (np.nan, "contains NaN"),
        (np.inf, "contains infinity"),
    ],
)
def test_bad_values(counts, value, message, subtests):
    counts[3, 2] = value
    for form in FORMS:
        with subtests.test(form=form), pytest.raises(ValueError, match=message):
            GeneFilter().fit(form(counts))


def test_no_expression_at_all():
    with pytest.raises(ValueError, match="No gene is left of the 3 in X"):
        GeneFilter(min_cells=1).fit(np.zeros((5, 3)))
    assert GeneFilter(min_cells=0).fit(np.zeros((5, 3))).support_.all()


def test_dtype_is_kept_and_input_unchanged(counts, subtests):
    for form in FORMS:
        for dtype in (np.float32, np.float64, np.int64, np.uint16):
            with subtests.test(form=form, dtype=dtype):
                X = form(counts.astype(dtype))
                for name in {"data", "indices", "indptr", "flags"} & set(dir(X)):
                    part = X if name == "flags" else getattr(X, name)
                    if isinstance(part, np.ndarray):
                        part.flags.writeable = False
                genes = GeneFilter().fit(X)
                found = genes.transform(X)
                assert found.dtype == dtype
                back = genes.inverse_transform(found)
                difference = back - X
                assert not (
                    difference.nnz if sparse.issparse(difference) else difference.any()
                )


def test_a_sparse_matrix_is_not_made_dense():
    # Dense, this would be 80 GB.
    X = sparse.random_array((100_000, 100_000), density=1e-6, rng=0, format="csr")
    assert GeneFilter(min_cells=2).fit_transform(X).shape[1] < 10_000


def test_set_output_and_names(counts):
    cells = [f"cell{i}" for i in range(40)]
    table = pd.DataFrame(counts, columns=[*NAMES[:5], "CD4"], index=cells)
    genes = GeneFilter(exclude=["MT-"]).set_output(transform="pandas")
    found = genes.fit_transform(table)
    pd.testing.assert_frame_equal(found, table.iloc[:, [2, 4, 5]])
    unnamed = GeneFilter().fit(counts)
    assert unnamed.get_feature_names_out().tolist() == ["x1", "x2", "x3", "x4", "x5"]


def test_clone_and_pickle(counts, tmp_path):
    genes = GeneFilter(4, exclude=["MT-"], gene_names=NAMES)
    copy = clone(genes)
    assert copy.get_params() == genes.get_params()
    joblib.dump(genes.fit(counts), tmp_path / "genes")
    loaded = joblib.load(tmp_path / "genes")
    np.testing.assert_array_equal(loaded.transform(counts), genes.transform(counts))
    with pytest.raises(NotFittedError):
        copy.transform(counts)


def test_grid_search(counts):
    y = np.arange(40) % 2
    counts[:, 1] = 0
    counts[::13, 1] = 1
    counts[:, 5] += 5 * y
    pipeline = make_pipeline(GeneFilter(), LogisticRegression())
    search = GridSearchCV(pipeline, {"genefilter__min_cells": [1, 20]}, cv=3)
    search.fit(sparse.csr_array(counts), y)
    assert search.best_score_ == 1
    assert search.best_estimator_[0].n_features_in_ == 6
