"""Every public function and splitter against hostile arguments, readers too."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import gzip
import inspect

import anndata as ad
import networkx as nx
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from celltyping import (
    Connectome,
    NtacClassifier,
    SeedShuffleSplit,
    compare_partners,
    datasets,
    find_label_issues,
    make_single_cell_pipeline,
    make_synapse_pipeline,
    match_connectomes,
    metrics,
    model_selection,
    pipelines,
    read_edges,
    read_expression,
    read_types,
    synapse_table,
    transfer_labels,
    transfer_types,
)
from tests._hostile import (
    HOSTILE_PARAMETERS,
    check_call,
    collect,
    hostile_labels,
    hostile_tables,
)

pytestmark = pytest.mark.filterwarnings("default")

RNG = np.random.RandomState(0)
X = RNG.poisson(2.0, (24, 4)).astype(float)
Y = np.array(["a", "b", "c"])[np.arange(24) % 3]
RANKED = np.stack([Y, np.roll(Y, 1)], axis=1)
CONNECTOME = Connectome(RNG.poisson(1.0, (24, 24)))
EDGES = pd.DataFrame(
    {"pre": [1, 1, 2, 3], "post": [2, 3, 3, 1], "weight": [1, 2, 3, 4]}
)


def make_adata():
    """Return annotated counts of 24 cells."""
    adata = ad.AnnData(X.copy())
    adata.var_names = [f"gene{k}" for k in range(4)]
    adata.obs_names = [f"cell{k}" for k in range(24)]
    adata.obs["celltype"] = Y
    return adata


TARGET, SOURCE = make_adata(), make_adata()

# Public functions with valid arguments, positional and by keyword.
FUNCTIONS = {
    "Connectome": (Connectome, {"adjacency": np.ones((4, 4))}),
    "Connectome.from_edges": (Connectome.from_edges, {"edges": EDGES}),
    "Connectome.from_networkx": (
        Connectome.from_networkx,
        {"graph": nx.path_graph(4, create_using=nx.DiGraph)},
    ),
    "Connectome.concat": (Connectome.concat, {"connectomes": [CONNECTOME]}),
    "Connectome.align": (CONNECTOME.align, {"labels": dict(enumerate(Y))}),
    "Connectome.to_series": (CONNECTOME.to_series, {"values": Y}),
    "Connectome.is_same_graph": (CONNECTOME.is_same_graph, {"other": CONNECTOME}),
    "Connectome.__getitem__": (CONNECTOME.__getitem__, {"key": [1, 2]}),
    "density_correlation": (
        metrics.density_correlation,
        {"X": X, "X_embedded": X[:, :2], "n_neighbors": 3},
    ),
    "fiedler_distance": (metrics.fiedler_distance, {"u": X[:, 0], "v": X[:, 1]}),
    "grassmann_score": (metrics.grassmann_score, {"U": X[:, :2], "V": X[:, 2:]}),
    "hierarchy_correlation": (
        metrics.hierarchy_correlation,
        {"X": X, "X_embedded": X[:, :2], "y": Y},
    ),
    "make_neighborhood_scorer": (metrics.make_neighborhood_scorer, {}),
    "make_typed_scorer": (
        metrics.make_typed_scorer,
        {"score_func": metrics.matched_accuracy_score},
    ),
    "match_clusters": (metrics.match_clusters, {"labels_true": Y, "labels_pred": Y}),
    "matched_accuracy_score": (
        metrics.matched_accuracy_score,
        {"labels_true": Y, "labels_pred": Y},
    ),
    "neighbor_accuracy_score": (
        metrics.neighbor_accuracy_score,
        {"X_train": X, "y_train": Y, "X_test": X, "y_test": Y},
    ),
    "neighborhood_overlap_score": (
        metrics.neighborhood_overlap_score,
        {"X": X, "X_embedded": X[:, :2], "n_neighbors": 3},
    ),
    "ranked_accuracy_score": (
        metrics.ranked_accuracy_score,
        {"y_true": Y, "ranked_types": RANKED},
    ),
    "spectrum_distance": (
        metrics.spectrum_distance,
        {"eigenvalues_true": X[:, 0], "eigenvalues_pred": X[:, 1]},
    ),
    "type_report": (metrics.type_report, {"y_true": Y, "y_pred": Y}),
    "make_connectome": (
        datasets.make_connectome,
        {"n_neurons": 30, "n_types": 3, "n_edges": 100},
    ),
    "make_synapses": (datasets.make_synapses, {"n_neurons": 2, "n_new": 3}),
    "load_blood_transfer": (datasets.load_blood_transfer, {}),
    "load_larva_connectome": (datasets.load_larva_connectome, {}),
    "make_single_cell_pipeline": (make_single_cell_pipeline, {}),
    "make_synapse_pipeline": (make_synapse_pipeline, {}),
    "read_edges": (read_edges, {"path": "missing.csv"}),
    "read_expression": (read_expression, {"path": "missing.csv"}),
    "read_types": (read_types, {"path": "missing.csv"}),
    "synapse_table": (
        synapse_table,
        {"pipeline": make_synapse_pipeline(), "X": pd.DataFrame(X)},
    ),
    "transfer_labels": (
        transfer_labels,
        {"target": TARGET, "source": SOURCE, "estimator": LogisticRegression()},
    ),
    "match_connectomes": (
        match_connectomes,
        {"reference": CONNECTOME[:12], "other": CONNECTOME[12:]},
    ),
    "transfer_types": (
        transfer_types,
        {
            "other": CONNECTOME[12:],
            "reference": CONNECTOME[:12],
            "types": dict(enumerate(Y)),
        },
    ),
    "compare_partners": (
        compare_partners,
        {"connectome": CONNECTOME, "y": Y, "node_id": 0, "types": ["a", "b"]},
    ),
    "find_label_issues": (
        find_label_issues,
        {"estimator": NtacClassifier(), "connectome": CONNECTOME, "y": Y, "cv": 2},
    ),
    "SeedShuffleSplit": (
        lambda n_splits=2, **options: list(
            SeedShuffleSplit(n_splits, **options).split(X, Y)
        ),
        {},
    ),
    "SeedShuffleSplit.split": (
        lambda X=X, y=Y: list(SeedShuffleSplit(2).split(X, y)),
        {"X": X, "y": Y},
    ),
}

# Errors of another kind that callers expect of some functions.
EXCEPTIONS = {
    "Connectome.__getitem__": IndexError,
    "read_edges": FileNotFoundError,
    "read_expression": FileNotFoundError,
    "read_types": FileNotFoundError,
}

# Parameters of the lambda above.
SPLITTER_PARAMETERS = list(inspect.signature(SeedShuffleSplit).parameters)


def test_every_public_function_is_called():
    parts = (metrics, model_selection, pipelines, datasets)
    public = [name for part in parts for name in part.__all__]
    assert set(public) <= set(FUNCTIONS)


def hostile_values(valid):
    """Return the hostile values for an argument, by name."""
    values = {
        name: lambda value=value: value for name, value in HOSTILE_PARAMETERS.items()
    }
    if isinstance(valid, np.ndarray) and valid.ndim == 2 and valid.dtype.kind == "f":
        values |= hostile_tables(valid)
    elif isinstance(valid, np.ndarray) and valid.ndim == 1 and valid.dtype.kind == "f":
        values |= {f"table, {name}": make for name, make in hostile_tables(X).items()}
    elif isinstance(valid, np.ndarray) and valid.dtype.kind == "U":
        values |= hostile_labels(Y)
    elif not isinstance(valid, (int, float, str, bool, type(None))):
        values |= hostile_tables(X) | {"adata": make_adata}
    return values


@pytest.mark.parametrize("name", FUNCTIONS)
def test_hostile_arguments(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    function, valid = FUNCTIONS[name]
    parameters = inspect.signature(function).parameters
    names = [key for key, one in parameters.items() if one.kind != one.VAR_KEYWORD]
    if name == "SeedShuffleSplit":
        names = SPLITTER_PARAMETERS
    huge = {"n_neurons", "n_edges", "n_types", "n_new", "n_clusters", "max_synapses"}

    def check(argument, case, make):
        value = make()
        arguments = valid | {argument: value}

        def call():
            try:
                return function(**arguments)
            except EXCEPTIONS.get(name, ()):
                raise ValueError("as documented") from None

        check_call(call, [value], name=f"{argument}={case}")

    collect(
        lambda case=(argument, case, make): check(*case)
        for argument in names
        for case, make in hostile_values(valid.get(argument)).items()
        if not (argument in huge and case in ("huge integer", "1e308"))
    )


# Contents of files that are not what their name says.
CONTENTS = {
    "empty": b"",
    "blank": b"\n\n\n",
    "header": b"pre,post,weight\n",
    "text": b"to be or not to be\n" * 9,
    "html": b"<!DOCTYPE html><html><body>404</body></html>",
    "binary": bytes(range(256)) * 8,
    "zeros": bytes(2000),
    "truncated gzip": gzip.compress(b"pre,post,weight\n1,2,3\n" * 99, mtime=0)[:50],
    "gzip": gzip.compress(b"pre,post,weight\n1,2,3\n", mtime=0),
    "quotes": b'pre,post,weight\n"1,2,3\n4,5,6\n',
    "ragged": b"pre,post,weight\n1,2\n3,4,5,6\n",
    "utf-16": "pre,post,weight\n1,2,3\n".encode("utf-16"),
    "semicolons": b"pre;post;weight\n1;2;3\n",
    "parquet magic": b"PAR1" + bytes(50) + b"PAR1",
    "hdf5 magic": b"\x89HDF\r\n\x1a\n" + bytes(80),
    "zip magic": b"PK\x03\x04" + bytes(80),
    "matrix market": b"%%MatrixMarket matrix coordinate integer general\n9 9 9\n1 1\n",
}
ENDINGS = {
    read_edges: ("csv", "csv.gz", "tsv", "parquet", "feather", "txt", "xlsx", "xyz"),
    read_types: ("csv", "csv.gz", "tsv", "parquet", "feather", "txt", "xyz"),
    read_expression: ("csv", "csv.gz", "tsv", "h5", "h5ad", "mtx", "mtx.gz", "xyz"),
}


@pytest.mark.parametrize("reader", ENDINGS, ids=lambda one: one.__name__)
def test_hostile_files(reader, tmp_path):
    def check(content, ending):
        path = tmp_path / f"file.{ending}"
        path.write_bytes(CONTENTS[content])
        check_call(lambda: reader(path), [], name=f"{content}.{ending}")

    collect(
        lambda case=(content, ending): check(*case)
        for content in CONTENTS
        for ending in ENDINGS[reader]
    )
    with pytest.raises(FileNotFoundError):
        reader(tmp_path / "missing" / "file.csv")
    with pytest.raises((ValueError, FileNotFoundError)):
        reader(tmp_path)
