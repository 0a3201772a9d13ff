"""Kinds of expression, and checks of expression tables."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from celltyping._utils import _expression
from celltyping._utils._expression import (
    check_not_negative,
    conflicting_evidence,
    encode_batch,
    infer_kind,
)
from celltyping.datasets import load_blood_transfer

COUNTS = np.random.default_rng(0).poisson(np.geomspace(0.1, 200, 40), size=(30, 40))
CPM = COUNTS / COUNTS.sum(axis=1, keepdims=True) * 1e6
SHARES = COUNTS / COUNTS.sum(axis=1, keepdims=True)

# (what it is, X, kind)
KINDS = [
    ("counts", COUNTS, "counts"),
    ("counts as floats", COUNTS.astype(np.float32), "counts"),
    ("0 and 1", (COUNTS > 3).astype(bool), "counts"),
    ("nothing", np.zeros((4, 3)), "counts"),
    ("counts per million", CPM, "tpm"),
    ("some genes of it", CPM[:, 20:], "tpm"),
    ("fractions of molecules", COUNTS + 0.25, "tpm"),
    ("shares of each cell", SHARES, "tpm"),
    ("shares of some genes", SHARES[:, :30], "tpm"),
    ("normalised values of some genes", CPM[:, :14] / 1000, "tpm"),
    ("natural logarithm", np.log1p(CPM / 100), "log"),
    ("binary logarithm", np.log2(1 + CPM), "log"),
    ("some genes of it", np.log1p(CPM)[:, :7], "log"),
    ("logarithm of counts", np.log1p(COUNTS), "log"),
    ("one cell", np.log1p(CPM)[:1], "log"),
    ("one gene a cell", np.log1p(1e4) * np.eye(12), "log"),
    ("all the same", np.full((9, 4), 0.5), "log"),
]

FORMS = [np.asarray, np.asfortranarray, np.ndarray.tolist, pd.DataFrame]
FORMATS = ["csr", "csc", "coo", "lil"]


def test_kind(subtests):
    for name, X, kind in KINDS:
        with subtests.test(name):
            found = infer_kind(X)
            assert found[0] == kind
            assert infer_kind(sparse.csr_matrix(X)) == found


# Transforms of the counts of cells, given their totals over all genes.
TRANSFORMS = {
    "counts": (lambda X, totals: X, "counts"),
    "fractions": (lambda X, totals: X / totals, "tpm"),
    "percent": (lambda X, totals: X / totals * 100, "tpm"),
    "counts per 10,000": (lambda X, totals: X / totals * 1e4, "tpm"),
    "natural logarithm": (lambda X, totals: np.log1p(X / totals * 1e4), "log"),
    "binary logarithm": (lambda X, totals: np.log2(1 + X / totals * 1e6), "log"),
    "rounded logarithm": (
        lambda X, totals: np.round(np.log1p(X / totals * 1e4), 1),
        "log",
    ),
    "logarithm of counts": (lambda X, totals: np.log1p(X), "log"),
}


@pytest.mark.parametrize("experiment", ["pbmc3k", "kang"])
def test_kind_of_a_subset_of_genes(experiment, subtests):
    blood = load_blood_transfer()
    cells = np.flatnonzero(blood.batch == experiment)[:250]
    for genes in (slice(None), slice(300), slice(2400, None)):
        counts = blood.data[cells][:, genes].toarray()
        for name, (transform, kind) in TRANSFORMS.items():
            with subtests.test(name, genes=genes):
                X = transform(counts, blood.n_counts[cells, None]).astype(np.float32)
                assert infer_kind(X)[0] == kind
                assert infer_kind(sparse.csr_array(X))[0] == kind
                assert conflicting_evidence(X, kind) is None


@pytest.mark.parametrize(("X", "kind"), [(COUNTS, "counts"), (SHARES, "tpm")])
def test_kind_of_a_table(X, kind, subtests):
    for form in FORMS:
        with subtests.test(form=form):
            assert infer_kind(form(X))[0] == kind


@pytest.mark.parametrize(("X", "kind"), [(COUNTS, "counts"), (SHARES, "tpm")])
def test_kind_of_a_sparse_matrix(X, kind, subtests):
    for format in FORMATS:
        with subtests.test(format=format):
            table = sparse.csr_array(X).asformat(format)
            stored = table.copy()
            assert infer_kind(table)[0] == kind
            assert (stored != table).nnz == 0


def test_a_sparse_matrix_is_not_made_dense():
    # Dense, this would be 80 GB.
    X = sparse.random_array((100_000, 100_000), density=1e-7, rng=0, format="csr")
    assert infer_kind(X)[0] == "log"
    assert conflicting_evidence(X, "counts") is not None


def test_evidence_names_what_was_seen():
    assert infer_kind([[0, 419], [3, 1]])[1] == (
        "all values are whole numbers and the largest is 419"
    )
    assert infer_kind(np.zeros((2, 2)))[1] == "all values are zero"
    assert infer_kind([[0.5, 1234.5]])[1] == (
        "not all values are whole numbers (one is 0.5) and the largest is 1234.5, too "
        "large for a log"
    )
    assert infer_kind([[0.25, 0.75], [0.5, 0.5]])[1] == (
        "not all values are whole numbers (one is 0.25) and every cell has the total 1"
    )
    assert infer_kind([[0.25, 0.5], [0.5, 0.5]])[1] == (
        "not all values are whole numbers (one is 0.25) and no cell has a total above 1"
    )
    assert infer_kind(CPM[:, :14] / 1000)[1].endswith(
        " and values are multiples of a number per cell"
    )
    assert infer_kind([[0, 2.5], [1, 0]])[1] == (
        "not all values are whole numbers (one is 2.5) and the largest is only 2.5"
    )


def test_a_fraction_is_found_wherever_it_is(monkeypatch):
    monkeypatch.setattr(_expression, "CHUNK", 7)
    X = COUNTS.astype(float)
    assert infer_kind(X)[0] == "counts"
    X[-1, -1] += 0.5
    assert infer_kind(X)[0] == "tpm"


@pytest.mark.parametrize(
    ("X", "kind", "contradicted"),
    [
        (COUNTS, "log", True),
        (CPM, "log", True),
        (np.log1p(CPM), "counts", True),
        (np.log1p(CPM), "tpm", True),
        (COUNTS, "counts", False),
        (CPM, "counts", False),
        (COUNTS, "tpm", False),
        (np.log1p(CPM), "log", False),
        (COUNTS[:1, :5], "log", False),
        (np.zeros((9, 9)), "log", False),
    ],
)
def test_conflicting_evidence(X, kind, contradicted):
    expected = infer_kind(X)[1] if contradicted else None
    for form in (np.asarray, sparse.csr_array):
        assert conflicting_evidence(form(X), kind) == expected


def test_negative_values():
    for form in (np.asarray, sparse.csr_array, sparse.csr_matrix):
        check_not_negative(form([[0.0, 1.0]]), "GeneFilter")
        message = (
            r"Negative values in data passed to X in GeneFilter: the least is -1\.5\. "
            "Expression is zero or more"
        )
        with pytest.raises(ValueError, match=message):
            check_not_negative(form([[0.0, 1.0], [-1.0, -1.5]]), "GeneFilter")


@pytest.mark.parametrize(
    ("batch", "names", "codes"),
    [
        (["b", "a", "b"], ["a", "b"], [1, 0, 1]),
        (np.array([7, 3, 3]), [3, 7], [1, 0, 0]),
        (pd.Series(["b", "a", "b"], dtype="category"), ["a", "b"], [1, 0, 1]),
        (pd.Series(["?", "a", "a"]), ["?", "a"], [0, 1, 1]),
    ],
)
def test_batches(batch, names, codes):
    found, found_codes = encode_batch(batch, np.ones((3, 2)))
    assert found.tolist() == names
    assert found_codes.tolist() == codes


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (["a", "b"], r"inconsistent numbers of samples: \[3, 2\]"),
        (["a", None, np.nan], "missing for 2 of 3, the first at position 1"),
        ([1.0, np.nan, 1.0], "missing for 1 of 3, the first at position 1"),
        (["a", 1, "a"], "names of one kind, got a mix of int, str"),
        ([["a", "b"]] * 3, "should be a 1d array"),
    ],
)
def test_bad_batches(batch, message):
    with pytest.raises(ValueError, match=message):
        encode_batch(batch, sparse.csr_array((3, 2)))
