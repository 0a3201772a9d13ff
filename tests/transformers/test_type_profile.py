"""TypeProfile: counts of the partners' types, as a transformer."""

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
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler

from celltyping import Connectome, SeedShuffleSplit, TypeProfile
from celltyping._kernels import _threads
from celltyping.datasets import make_connectome
from celltyping.transformers import _type_profile
from tests._ntac import FORMS, write_as

TRANSFORMS = {"linear": lambda x: x, "sqrt": np.sqrt, "log1p": np.log1p}


@pytest.fixture(scope="module")
def brain():
    """Return a connectome and its types, half of them known."""
    sample = make_connectome(120, n_types=4, n_edges=3000, noise=0.05, random_state=0)
    y = sample.target.copy()
    y[np.random.default_rng(0).permutation(120)[60:]] = "?"
    return sample.data, y, sample.target


def one_hot(y, classes):
    """Return types as 0 and 1; what is in no class, as the unknown, has zeros."""
    return (np.asarray(y)[:, np.newaxis] == classes).astype(float)


@pytest.mark.parametrize("edge_weighting", TRANSFORMS)
def test_counts_are_products_with_the_types(brain, edge_weighting):
    con, y, _ = brain
    profile = TypeProfile(edge_weighting=edge_weighting).fit(con, y)
    weights = TRANSFORMS[edge_weighting](con.adjacency.toarray().astype(float))
    members = one_hot(y, profile.classes_)
    expected = np.hstack([weights.T @ members, weights @ members])
    counts = profile.transform(con)
    assert isinstance(counts, sparse.csr_array)
    assert counts.dtype == np.float32
    assert counts.has_sorted_indices
    np.testing.assert_allclose(counts.toarray(), expected, rtol=1e-6)
    assert profile.n_features_in_ == 120


def test_fit_transform_and_views(brain):
    con, y, _ = brain
    profile = TypeProfile().fit(con, y)
    expected = profile.transform(con).toarray()
    found = TypeProfile().fit_transform(con, y).toarray()
    np.testing.assert_array_equal(found, expected)
    order = np.random.default_rng(0).permutation(120)[:50]
    np.testing.assert_array_equal(
        profile.transform(con[order]).toarray(), expected[order]
    )
    assert profile.transform(con[[]]).shape == (0, 8)


def test_only_nodes_in_view_at_fit_are_counted(brain):
    con, y, target = brain
    known = np.flatnonzero(y != "?")
    everything = TypeProfile().fit(con, y).transform(con).toarray()
    in_view = TypeProfile().fit(con[known], target[known]).transform(con).toarray()
    np.testing.assert_array_equal(in_view, everything)


def test_permuting_the_nodes_permutes_the_rows(brain):
    con, y, _ = brain
    order = np.random.default_rng(0).permutation(120)
    permuted = Connectome(con.adjacency[order][:, order])
    expected = TypeProfile().fit_transform(con, y).toarray()[order]
    found = TypeProfile().fit_transform(permuted, y[order]).toarray()
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_threads_and_blocks_change_no_bit(brain, monkeypatch):
    con, y, _ = brain
    expected = TypeProfile().fit_transform(con, y)
    monkeypatch.setattr(_threads, "BLOCK", 7)
    for n_jobs in (1, 2):
        found = TypeProfile(n_jobs=n_jobs).fit_transform(con, y)
        for name in ("data", "indices", "indptr"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_nodes_without_typed_partners_have_empty_rows():
    adjacency = np.zeros((6, 6))
    adjacency[0, 1] = adjacency[2, 3] = adjacency[4, 4] = 2
    profile = TypeProfile(edge_weighting="linear")
    counts = profile.fit_transform(
        Connectome(adjacency), ["A", "?", "?", "?", "B", "C"]
    )
    expected = np.zeros((6, 6))
    expected[1, 0] = 2  # from an A
    expected[4, [1, 4]] = 2  # from and onto a B, itself
    assert counts.toarray().tolist() == expected.tolist()


def test_rows_of_an_adjacency_have_out_counts(brain, subtests):
    con, y, _ = brain
    dense = con.adjacency.toarray()
    on_graph = TypeProfile().fit(con, y)
    expected = on_graph.transform(con).toarray()[:, 4:]
    for form, index_dtype, dtype in FORMS:
        with subtests.test(form=form, index_dtype=index_dtype, dtype=dtype):
            matrix = write_as(dense, form, index_dtype, dtype)
            on_matrix = TypeProfile(affinity="precomputed").fit(matrix, y)
            first = matrix[:1] if form == np.asarray else matrix.toarray()[:1]
            for profile in (on_matrix, on_graph):
                counts = profile.transform(matrix)
                assert isinstance(counts, sparse.csr_array)
                assert counts.dtype == np.float32
                np.testing.assert_allclose(counts.toarray(), expected, rtol=1e-6)
                one = profile.transform(first)
                np.testing.assert_array_equal(one.toarray(), counts.toarray()[:1])


@pytest.mark.parametrize("affinity", ["auto", "rbf", "nearest_neighbors"])
def test_a_table_of_features(affinity):
    X = np.random.default_rng(0).normal(size=(30, 2))
    y = np.where(X[:, 0] > 0, "right", "left").astype(object)
    y[20:] = "?"
    profile = TypeProfile(affinity=affinity, n_graph_neighbors=5).fit(X, y)
    counts = profile.transform(X)
    assert counts.shape == (30, 2)
    nearest = profile.classes_[counts.toarray().argmax(axis=1)]
    assert accuracy_score(y[:20], nearest[:20]) > 0.75
    np.testing.assert_array_equal(
        profile.transform(X[3:4]).toarray(), counts.toarray()[3:4]
    )


def test_every_parameter_does_something(subtests):
    X = np.random.default_rng(0).normal(size=(30, 3))
    y = np.arange(30) % 3
    for name, one, other in (
        ("edge_weighting", "sqrt", "log1p"),
        ("affinity", "rbf", "nearest_neighbors"),
        ("gamma", None, 3.0),
        ("n_graph_neighbors", 3, 15),
    ):
        with subtests.test(name):
            is_of_graph = name == "n_graph_neighbors"
            shared = {"affinity": "nearest_neighbors"} if is_of_graph else {}
            tables = [
                TypeProfile(**{**shared, name: value}).fit_transform(X, y).toarray()
                for value in (one, other)
            ]
            assert not np.allclose(*tables)


def test_every_parameter_is_tested():
    tested = {"edge_weighting", "affinity", "gamma", "n_graph_neighbors"}
    apart = {"unlabeled_marker", "sparse_output", "n_jobs"}
    assert tested | apart == TypeProfile().get_params().keys()


def test_unknown_types(subtests):
    con = Connectome(np.array([[0, 1, 2], [3, 0, 4], [5, 6, 0]]))
    for known_as, unknown, marker in (
        (["A", "B"], "?", "auto"),
        (["A", "B"], None, "auto"),
        (["A", "B"], np.nan, "auto"),
        ([0, 1], -1, "auto"),
        ([-1, 1], 0, 0),
        (["A", "B"], "none", "none"),
        (["A", "B"], "?", "none"),
        (["A", "B"], "", "auto"),
        (["A", "B"], "nan", "auto"),
        (["A", "B"], "x", ["y", "x"]),
    ):
        with subtests.test(known_as=known_as, unknown=unknown, marker=marker):
            y = [known_as[0], unknown, known_as[1]]
            profile = TypeProfile(edge_weighting="linear", unlabeled_marker=marker)
            profile.fit(con, y)
            assert profile.classes_.tolist() == known_as
            assert profile.transform(con).toarray().tolist() == [
                [0, 5, 0, 2],
                [1, 6, 3, 4],
                [2, 0, 5, 0],
            ]


def test_dense_output(brain):
    con, y, _ = brain
    expected = TypeProfile().fit_transform(con, y)
    profile = TypeProfile(sparse_output=False).fit(con, y)
    counts = profile.transform(con)
    assert type(counts) is np.ndarray
    assert counts.dtype == np.float32
    np.testing.assert_array_equal(counts, expected.toarray())
    frame = profile.set_output(transform="pandas").transform(con[:5])
    assert frame.columns.tolist() == profile.get_feature_names_out().tolist()
    np.testing.assert_array_equal(frame, expected[:5].toarray())
    with pytest.raises(
        ValueError, match=r"needs dense .* TypeProfile\(sparse_output=False"
    ):
        TypeProfile().set_output(transform="pandas").fit_transform(con, y)


def test_a_pipeline_of_known_nodes_loses_nothing(brain):
    con, y, target = brain
    known = y != "?"
    classifier = KNeighborsClassifier(3, metric="cosine")
    pipeline = make_pipeline(TypeProfile(), clone(classifier))
    pipeline.fit(con[known], y[known])
    profile = TypeProfile().fit(con, y)
    classifier.fit(profile.transform(con[known]), y[known])
    assert "?" not in pipeline.classes_
    np.testing.assert_array_equal(
        pipeline.predict_proba(con), classifier.predict_proba(profile.transform(con))
    )
    score = pipeline.score(con[~known], target[~known])
    wrong = pipeline.fit(con, y)
    assert "?" in wrong.classes_
    assert wrong.score(con[~known], target[~known]) < 0.3 < 0.7 < score


def test_a_single_type_will_do():
    con = Connectome(np.ones((2, 2)))
    assert (
        TypeProfile().fit_transform(con, ["A", "?"]).toarray().tolist() == [[1, 1]] * 2
    )


def test_n_jobs_is_the_number_of_threads(brain, monkeypatch):
    con, y, _ = brain
    asked = []

    def parallel(n_jobs, **options):
        asked.append(n_jobs)
        return joblib.Parallel(n_jobs=n_jobs, **options)

    monkeypatch.setattr(_type_profile, "Parallel", parallel)
    TypeProfile(n_jobs=2).fit_transform(con, y)
    assert asked == [2]


def test_names_of_the_columns(brain):
    con, y, _ = brain
    names = TypeProfile().fit(con, y).get_feature_names_out()
    assert names.dtype == object
    assert names.tolist() == [
        *(f"in_T{c}" for c in range(4)),
        *(f"out_T{c}" for c in range(4)),
    ]
    table = TypeProfile(affinity="precomputed").fit(con.adjacency, y)
    assert table.get_feature_names_out().tolist() == names[4:].tolist()
    frame = pd.DataFrame(np.random.default_rng(0).random((6, 2)), columns=["x", "y"])
    profile = TypeProfile().fit(frame, [0, 0, 1, 1, -1, -1])
    assert profile.feature_names_in_.tolist() == ["x", "y"]
    assert profile.get_feature_names_out().tolist() == ["out_0", "out_1"]


def test_a_fit_changes_nothing_it_is_given(brain):
    con, y, _ = brain
    matrix = con.adjacency.toarray()
    before = matrix.copy(), y.copy(), con.graph.adjacency.copy()
    matrix.flags.writeable = False
    TypeProfile(affinity="precomputed").fit(matrix, y).transform(matrix)
    TypeProfile().fit(con, y).transform(con)
    assert (matrix == before[0]).all()
    assert (y == before[1]).all()
    assert (con.graph.adjacency != before[2]).nnz == 0


def test_pickle_and_clone(brain, tmp_path):
    con, y, _ = brain
    profile = TypeProfile(edge_weighting="log1p").fit(con, y)
    joblib.dump((profile, con), tmp_path / "profile.joblib")
    for mmap_mode in (None, "r"):
        loaded, own = joblib.load(tmp_path / "profile.joblib", mmap_mode=mmap_mode)
        np.testing.assert_array_equal(
            loaded.transform(own).toarray(), profile.transform(con).toarray()
        )
    copy = clone(profile)
    assert copy.get_params() == profile.get_params()
    with pytest.raises(NotFittedError):
        copy.transform(con)
    with pytest.raises(NotFittedError):
        copy.get_feature_names_out()


def test_n_jobs_may_be_a_number_of_numpy(brain):
    con, y, _ = brain
    for n_jobs in (np.int64(1), 1):
        assert TypeProfile(n_jobs=n_jobs).fit_transform(con, y).shape == (120, 8)


CON = Connectome(np.ones((3, 3)))


def test_bad_input(subtests):
    for X, y, error, message in (
        (CON, ["A", "B"], ValueError, "inconsistent numbers of samples"),
        (CON, ["?"] * 3, ValueError, "TypeProfile needs labelled samples, but all 3"),
        (CON, None, ValueError, "TypeProfile requires y to be passed"),
        (CON, [0.5, 1, 2], ValueError, "Unknown label type: continuous"),
        (CON[[]], [], ValueError, "TypeProfile needs nodes, but X has none in view"),
        (sparse.eye_array(3), list("ABB"), TypeError, r"pass Connectome\(X\) or"),
        (np.full((3, 2), np.nan), list("ABB"), ValueError, "Input X contains NaN"),
    ):
        with subtests.test(message), pytest.raises(error, match=message):
            TypeProfile().fit(X, y)


def test_bad_X_of_a_fitted_profile(brain):
    con, y, _ = brain
    profile = TypeProfile().fit(con, y)
    with pytest.raises(ValueError, match="X is a view of another graph"):
        profile.transform(CON)
    with pytest.raises(ValueError, match="X has 3 features, but TypeProfile"):
        profile.transform(np.ones((2, 3)))
    with pytest.raises(ValueError, match="Negative values in data"):
        profile.transform(-np.ones((2, 120)))
    table = TypeProfile(affinity="precomputed").fit(con.adjacency, y)
    with pytest.raises(ValueError, match="fitted on a matrix with 120 columns"):
        table.transform(con)


def test_a_square_table_warns_where_it_was_passed():
    with pytest.warns(UserWarning, match="if it is an adjacency matrix") as record:
        TypeProfile().fit(np.eye(3), list("ABB"))
    assert record[0].filename == __file__


@pytest.mark.parametrize(
    "classifier", [LogisticRegression(max_iter=2000), KNeighborsClassifier(3)]
)
def test_pipelines(brain, classifier):
    con, y, target = brain
    typed = y != "?"
    model = make_pipeline(TypeProfile(), MaxAbsScaler(), classifier)
    model.fit(con[typed], y[typed])
    assert accuracy_score(target, model.predict(con)) > 0.7
    predicted = cross_val_predict(model, con[typed], y[typed], cv=3)
    assert accuracy_score(y[typed], predicted) > 0.6


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_grid_search(brain, n_jobs):
    con, _, target = brain
    search = GridSearchCV(
        make_pipeline(TypeProfile(), KNeighborsClassifier()),
        {
            "typeprofile__edge_weighting": list(TRANSFORMS),
            "kneighborsclassifier__n_neighbors": [1, 5],
        },
        cv=SeedShuffleSplit(2, train_size=0.5, random_state=0),
        n_jobs=n_jobs,
        error_score="raise",
    ).fit(con, target)
    assert search.best_score_ > 0.6


def test_a_fold_tells_its_test_nodes_nothing(brain):
    """Random types cannot be predicted: test nodes do not count their own type."""
    con, _, target = brain
    y = np.random.default_rng(0).permutation(target)
    model = make_pipeline(TypeProfile(), KNeighborsClassifier(5))
    chance = np.unique(target, return_counts=True)[1].max() / len(target)
    assert cross_val_score(model, con, y, cv=3).mean() < chance + 0.1
