"""Numbers that estimators take: magnitudes, sparse forms, kinds of parameters.

One table of small estimators; every test holds for all of them.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import contextlib
import signal
import time

import joblib
import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import MaxAbsScaler
from sklearn.svm import OneClassSVM

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
from celltyping._utils._compat import Interval
from celltyping._utils._validation import LARGEST, LARGEST_SINGLE
from celltyping.datasets import make_connectome
from celltyping.metrics import (
    density_correlation,
    hierarchy_correlation,
    make_typed_scorer,
    neighbor_accuracy_score,
    neighborhood_overlap_score,
    spectrum_distance,
)
from tests._public import public_estimators

N_ROWS = 40
rng = np.random.RandomState(0)

# A square table of counts, which is an adjacency matrix, too; with zeros.
X = rng.poisson(np.geomspace(0.3, 8, N_ROWS), (N_ROWS, N_ROWS)).astype(float)
X[:, 0] = np.arange(N_ROWS) % 2
TYPES = np.array(["a", "b", "c"])[np.arange(N_ROWS) % 3]
Y = np.where(np.arange(N_ROWS) % 5, TYPES, "?")

FILTER = {"outlier_detector": OneClassSVM(nu=0.1, gamma=0.1)}
ENCODER = MLPEncoder((8,), max_epochs=2, fine_tune_epochs=1)
NETS = {"hidden_layer_sizes": (8,), "max_epochs": 2}

# Estimators, and the largest magnitude of values that they take.
ON_TABLES = [
    (ColumnSelector([1, 2], numeric=[2]), None),
    (ColumnWeighter(), None),
    (NeuronAligner(coordinates=[1, 2, 3]), LARGEST),
    (NeuronAligner(0, coordinates=[2, 3], register=True), LARGEST),
    (OutlierRowRemover(), LARGEST),
    (NtacClassifier(), LARGEST),
    (NtacClusterer(3), LARGEST),
    (TypeProfile(), LARGEST),
]
ON_SPARSE = [
    (ExpressionNormalizer(), LARGEST),
    (ExpressionNormalizer(kind="counts", scale=True), LARGEST),
    (GeneFilter(), LARGEST),
    (GrEASE(n_neighbors=5), LARGEST_SINGLE),
    (GrEASE(n_neighbors=5, metric="manhattan"), LARGEST_SINGLE),
    (GrEASE(n_neighbors=5, n_anchors=0, **NETS), LARGEST_SINGLE),
    (GroupedEstimator(KNeighborsClassifier()), LARGEST),
    (HighlyVariableGenes(5), LARGEST),
    (HighlyVariableGenes(5, flavor="seurat_v3", unlabeled_marker="-"), 1e15),
    (InductiveClusterer(KMeans(2, random_state=0)), LARGEST),
    (ItClustClassifier(n_networks=2, **NETS), LARGEST),
    (ItClustClassifier(n_networks=2, scaling="standard", **NETS), LARGEST),
    (NUMAP(n_neighbors=5, n_epochs=3, encoder=ENCODER), LARGEST_SINGLE),
    (NtacClassifier(affinity="precomputed"), 1e30),
    (NtacClassifier(affinity="nearest_neighbors"), LARGEST),
    (NtacClusterer(3, affinity="precomputed"), 1e30),
    (NtacClusterer(3, affinity="nearest_neighbors"), LARGEST),
    (OutlierFilteredClassifier(LogisticRegression(), **FILTER), LARGEST),
    (OutlierFilteredTransformer(MaxAbsScaler(), **FILTER), LARGEST),
    (TypeProfile(affinity="precomputed"), 1e30),
]
ALL = ON_TABLES + ON_SPARSE
METHODS = ("predict", "predict_proba", "transform", "rank_types", "outlier_score")

# Small tables of counts, some without zeros or with huge values, are not what some
# estimators are made for.
pytestmark = [
    pytest.mark.filterwarnings(f"ignore:{message}:UserWarning")
    for message in (
        "X is a square matrix without negative",
        "kind=",
        "flavor=",
        ".* was fitted on",
        "the graph of neighbours has",
        "outlier_detector rejects all samples of",
    )
] + [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]


def fresh(estimator):
    """Return a clone with seeds."""
    estimator = clone(estimator)
    if "random_state" in estimator.get_params():
        estimator.set_params(random_state=0)
    return estimator


def learn(estimator, X):
    """Fit a clone with seeds."""
    return fresh(estimator).fit(X, types_for(estimator))


def types_for(estimator):
    """Return types, all known for an estimator that refuses unknown ones."""
    needs_all = isinstance(estimator, OutlierFilteredClassifier | GroupedEstimator)
    return TYPES if needs_all else Y


def answers(estimator, X):
    """Return the numbers that an estimator answers for rows of X, as dense arrays."""
    found = []
    for name in METHODS:
        if hasattr(estimator, name):
            answer = getattr(estimator, name)(X)
            found += answer if isinstance(answer, tuple) else [answer]
    if hasattr(estimator, "fit_resample"):
        found.append(estimator.fit_resample(X)[0])
    assert found
    found = [each.toarray() if sparse.issparse(each) else each for each in found]
    if isinstance(estimator, OutlierFilteredTransformer):
        found[0] = found[0][~estimator.predict_outlier(X)]  # others are NaN
    return found


def is_finite(answer):
    """Return whether an answer has only finite numbers."""
    return answer.dtype.kind != "f" or np.isfinite(answer).all()


# ------------------------------------------------------------------------- magnitudes


@pytest.mark.parametrize(("estimator", "limit"), ALL)
def test_too_large_values_are_refused_before_anything_is_set(estimator, limit):
    bad = X.copy()
    bad[1, 3] = 1e200
    before = bad.copy()
    fitted, unfitted = learn(estimator, X), fresh(estimator)
    state = joblib.hash(vars(fitted))
    if limit is None:
        assert all(map(is_finite, answers(learn(fitted, bad), bad)))
        return
    message = r"(X|column .* of X) holds values too large for .*: 1e\+200 in row 1"
    with pytest.raises(ValueError, match=message):
        unfitted.fit(bad, types_for(unfitted))
    if not hasattr(fitted, "fit_resample"):
        with pytest.raises(NotFittedError):
            answers(unfitted, X)
    if not hasattr(fitted, "get_support"):  # a selection computes nothing
        with pytest.raises(ValueError, match=message):
            answers(fitted, bad)
    assert joblib.hash(vars(fitted)) == state
    np.testing.assert_array_equal(bad, before)


@pytest.mark.parametrize(("estimator", "limit"), ALL)
def test_answers_at_any_scale_are_finite(estimator, limit, subtests):
    limit = limit or np.finfo(float).max
    single = min(limit, LARGEST_SINGLE)
    scales = [(np.float64, e) for e in (5e-324, 1e-310, 1e-160, 1e-40, 0.99 * limit)]
    # The first is 0 in single precision, the second is subnormal.
    scales += [(np.float32, e) for e in (1e-160, 1e-40, 0.99 * single)]
    for dtype, largest in scales:
        if estimator.get_params().get("affinity") == "precomputed":
            largest /= X.size  # the limit of the sum
        scaled = (X / X.max() * largest).astype(dtype)
        # Distances of tiny rows are 0, as those of equal rows.
        refused = contextlib.suppress(ValueError if largest < 1 else ())
        with subtests.test(dtype=dtype, largest=largest), refused:
            found = answers(learn(estimator, scaled), scaled)
            assert all(map(is_finite, found))


@pytest.mark.parametrize(("estimator", "limit"), ALL)
def test_integers_of_any_size(estimator, limit, subtests):
    whole = np.array([[int(value) << 60 for value in row] for row in X], dtype=object)
    tables = [whole, whole.astype(np.uint64)]
    assert whole.max() == tables[1].max() >= 2**63
    if limit is not None and limit < 2**63:
        for table in tables:
            with pytest.raises(ValueError, match=r"too large for .*e\+1\d in row 0"):
                learn(estimator, table)
        return
    as_float = whole.astype(float)
    expected = answers(learn(estimator, as_float), as_float)
    for table in tables:
        with subtests.test(dtype=table.dtype):
            found = answers(learn(estimator, table), table)
            for one, other in zip(found, expected, strict=True):
                np.testing.assert_array_equal(one.astype(other.dtype), other)
    whole[2, 3] = 10**400
    with pytest.raises(ValueError, match=r"X (holds|contains)|of X contains"):
        learn(estimator, whole)


def test_new_rows_far_from_tiny_training_rows():
    for estimator in (
        GrEASE(n_neighbors=5),
        NUMAP(n_neighbors=5, n_epochs=3, encoder=ENCODER),
        ItClustClassifier(n_networks=2, scaling="standard", **NETS),
    ):
        fitted = learn(estimator, X * 1e-150)
        with pytest.raises(ValueError, match=r"X, in units of .* too large for"):
            fitted.transform(X * 1e13)


@pytest.mark.parametrize("weights", [[1e300, 1.0], {0: 1e300}])
def test_products_with_weights_that_overflow(weights):
    table = np.array([[1.0, 2.0], [1e100, 3.0]])
    weighter = ColumnWeighter(weights).fit(table)
    assert np.isfinite(weighter.transform(table[:1])).all()
    with pytest.raises(ValueError, match="column 0 of X times or divided by its weigh"):
        weighter.transform(table)
    weighter = ColumnWeighter([1e-300, 1.0]).fit(table)
    with pytest.raises(ValueError, match="column 0 of X times or divided by its weigh"):
        weighter.inverse_transform(table)


@pytest.mark.parametrize(
    "metric",
    [
        lambda table: neighbor_accuracy_score(table, Y, X, Y),
        lambda table: neighbor_accuracy_score(X, Y, table, Y),
        lambda table: neighborhood_overlap_score(X, table),
        lambda table: density_correlation(table, X),
        lambda table: hierarchy_correlation(table, X, Y),
    ],
)
def test_too_large_values_for_metrics(metric):
    assert np.isfinite(metric(X * 1e65))
    with pytest.raises(ValueError, match="holds values too large for"):
        metric(X * 1e100)


def test_distances_of_spectra_at_any_scale():
    true, pred = np.array([0.0, 3.0, 4.0]), np.array([4.0, 0.0, 4.0])
    expected = pytest.approx(spectrum_distance(true, pred))
    for factor in (1e-310, 1e-200, 1e200, 1e307):
        assert spectrum_distance(true * factor, pred * factor) == expected, factor


def test_distances_too_large_for_single_precision():
    def far(x, y):
        return 1e100 * np.abs(x - y).sum()

    with pytest.raises(ValueError, match="gives distances that are not finite, such a"):
        GrEASE(n_neighbors=5, metric=far).fit(X)


# ---------------------------------------------------------------------- sparse forms


def unsorted_with_duplicates(table):
    """Return a CSR matrix with falling indices, half of its entries stored twice."""
    rows, columns = np.nonzero(table)
    values = table[rows, columns]
    parts = np.where(np.arange(len(rows)) % 2, 0.25, 0.0) * values
    twice = parts > 0
    entries = np.concatenate([values - parts, parts[twice]])
    rows = np.concatenate([rows, rows[twice]])
    columns = np.concatenate([columns, columns[twice]])
    order = np.lexsort((-columns, rows))
    starts = np.searchsorted(rows[order], np.arange(len(table) + 1))
    return sparse.csr_array((entries[order], columns[order], starts), shape=table.shape)


@pytest.mark.parametrize("estimator", [estimator for estimator, _ in ON_SPARSE])
def test_any_legal_sparse_form_is_the_same_table(estimator, subtests):
    plain = sparse.csr_array(X)
    expected = answers(learn(estimator, plain), plain)
    unsorted = unsorted_with_duplicates(X)
    coo = sparse.coo_array(unsorted)
    for given in (unsorted, coo.tocsc(), coo, sparse.csr_matrix(unsorted)):
        arrays = {
            name: value
            for name, value in vars(given).items()
            if isinstance(value, np.ndarray)
        }
        contents = {name: value.copy() for name, value in arrays.items()}
        with subtests.test(form=type(given)):
            found = answers(learn(estimator, given), given)
            for one, other in zip(found, expected, strict=True):
                np.testing.assert_array_equal(one, other)
            for name, value in arrays.items():
                assert vars(given)[name] is value, name
                np.testing.assert_array_equal(value, contents[name], err_msg=name)


def damaged(table, name, place, value):
    """Return a CSR array with one wrong number in its arrays."""
    bad = sparse.csr_array(table)
    assert bad.has_canonical_format
    getattr(bad, name)[place] = value
    return bad


DAMAGES = [("indptr", 5, 10**6), ("indices", 7, 10**6), ("indices", 7, -9)]


@pytest.mark.parametrize("estimator", [estimator for estimator, _ in ON_SPARSE])
def test_damaged_sparse_matrices_are_refused(estimator, subtests):
    fitted = learn(estimator, X)
    for damage in DAMAGES:
        bad = damaged(X, *damage)
        with subtests.test(damage=damage):
            with pytest.raises(ValueError, match="X is a damaged sparse matrix"):
                learn(estimator, bad)
            with pytest.raises(ValueError, match="X is a damaged sparse matrix"):
                answers(fitted, bad)


def test_functions_refuse_damaged_sparse_matrices():
    fitted = OutlierFilteredClassifier(LogisticRegression(), **FILTER).fit(X, TYPES)
    scorer = make_typed_scorer(lambda true, pred: np.mean(true == pred))
    for damage in DAMAGES:
        bad = damaged(X, *damage)
        with pytest.raises(ValueError, match="adjacency is a damaged sparse"):
            Connectome(bad)
        with pytest.raises(ValueError, match="neighbor_graph is a damaged sparse"):
            NUMAP().fit(X, neighbor_graph=bad)
        with pytest.raises(ValueError, match="X is a damaged sparse"):
            neighborhood_overlap_score(bad, X)
        with pytest.raises(ValueError, match="X is a damaged sparse"):
            scorer(fitted, bad, Y)


# ------------------------------------------------------------------------- parameters


def own_numbers(estimator):
    """Return the parameters that are numbers, those of an MLPEncoder, too."""
    params = estimator.get_params(deep=False)
    if isinstance(estimator, NUMAP):
        params |= {f"encoder__{k}": v for k, v in ENCODER.get_params().items()}
    return {
        name: value
        for name, value in params.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


@pytest.mark.parametrize("estimator", [estimator for estimator, _ in ALL])
def test_numbers_of_numpy_are_numbers(estimator, subtests):
    for whole, real in ((np.int64, np.float64), (np.uint8, np.float32)):
        plain, same = fresh(estimator), fresh(estimator)
        for name, value in own_numbers(plain).items():
            is_whole = isinstance(value, int)
            number = whole(min(value, 255)) if is_whole else real(value)
            same.set_params(**{name: number})
            plain.set_params(**{name: int(number) if is_whole else float(number)})
        if "hidden_layer_sizes" in same.get_params():
            same.set_params(hidden_layer_sizes=np.array([8]))
            plain.set_params(hidden_layer_sizes=(8,))
        with subtests.test(whole=whole, real=real):
            pairs = answers(learn(same, X), X), answers(learn(plain, X), X)
            for one, other in zip(*pairs, strict=True):
                np.testing.assert_array_equal(one, other)


def test_booleans_are_no_numbers():
    for kind in (*public_estimators(), MLPEncoder):
        for name, constraints in kind._parameter_constraints.items():
            if any(isinstance(each, Interval) for each in constraints):
                message = f"The '{name}' parameter of {kind.__name__} .* Got True"
                with pytest.raises(ValueError, match=message):
                    kind(**{name: True})._validate_params()


def test_more_neighbors_than_references():
    few, many = NtacClassifier(n_neighbors=N_ROWS), NtacClassifier(n_neighbors=10**30)
    for one, other in zip(
        answers(learn(many, X), X), answers(learn(few, X), X), strict=True
    ):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("params", [{"repulsion_strength": 1e30}, {"spread": 1e308}])
def test_forces_of_extreme_parameters_are_finite(params):
    numap = NUMAP(n_neighbors=5, n_epochs=3, encoder=ENCODER, **params)
    assert np.isfinite(learn(numap, X).layout_).all()


def test_networks_that_diverge_are_an_error():
    numap = NUMAP(n_neighbors=5, n_epochs=3, encoder=ENCODER, repulsion_strength=1e308)
    with pytest.raises(FloatingPointError, match="diverged"):
        learn(numap, X)


def test_a_grid_of_epochs():
    grid = {"max_epochs": np.arange(1, 3)}
    search = GridSearchCV(ItClustClassifier((8,), n_networks=1), grid, cv=2)
    assert search.fit(X, TYPES).best_params_["max_epochs"] in (1, 2)


# -------------------------------------------------------------------------- interrupts


# Python prints an interrupt within `__del__` instead of raising it.
@pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <function tqdm.__del__"
    ":pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.parametrize("kind", [NtacClassifier, NtacClusterer])
def test_an_interrupt_of_a_fit_is_a_keyboard_interrupt(kind):
    sample = make_connectome(200, n_types=4, n_edges=8000, random_state=0)
    X, y = sample.data, np.where(np.arange(200) % 2, sample.target, "?")
    kind().fit(X, y)
    start = time.perf_counter()
    kind().fit(X, y)
    duration = time.perf_counter() - start
    handler = signal.signal(signal.SIGALRM, signal.default_int_handler)
    n_interrupts = 0
    try:
        for share in np.linspace(0.02, 0.9, 12):
            signal.setitimer(signal.ITIMER_REAL, share * duration)
            try:
                kind().fit(X, y)
            except KeyboardInterrupt:
                n_interrupts += 1
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.signal(signal.SIGALRM, handler)
    assert n_interrupts > 0
