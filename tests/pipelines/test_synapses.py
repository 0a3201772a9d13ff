"""Pipeline for the clustering of synapses."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import subprocess
import sys

import joblib
import numpy as np
import pandas as pd
import pytest
from imblearn.over_sampling import RandomOverSampler
from imblearn.pipeline import Pipeline
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from celltyping import (
    NUMAP,
    ColumnSelector,
    ColumnWeighter,
    GroupedEstimator,
    InductiveClusterer,
    NeuronAligner,
    OutlierFilteredClassifier,
    OutlierFilteredTransformer,
    OutlierRowRemover,
    make_synapse_pipeline,
    synapse_table,
)
from celltyping.datasets import make_synapses
from celltyping.pipelines._synapses import log_sizes
from tests._synapses import check_far_outliers, check_pickled, make_few_synapses

STEPS = ["select", "align", "log", "remove", "scale", "weight", "embed", "cluster"]
FEW = "ignore:X has neurons with few synapses:UserWarning"


def quick(align_first=True, **params):
    """Make a fast pipeline, with two principal components as the embedding."""
    params = {"embedding": PCA(2), "classifier": "knn", "random_state": 0, **params}
    pipeline = make_synapse_pipeline(**params)
    return pipeline if align_first else pipeline.set_params(align="passthrough")


@pytest.fixture(scope="module")
def synapses():
    """Give the default synapses."""
    return make_synapses(random_state=0)


@pytest.fixture(scope="module")
def few():
    """Give some four hundred synapses of five neurons in four clusters."""
    return make_few_synapses()


@pytest.fixture(scope="module")
def numap(synapses):
    """Give a fitted pipeline with a NUMAP."""
    return make_synapse_pipeline("numap", random_state=0).fit(synapses.frame)


@pytest.fixture(scope="module")
def plain(few):
    """Give a fitted pipeline that embeds by principal components."""
    return quick().fit(few.frame)


# -------------------------------------------------------------------------- the parts


def test_steps():
    pipeline = make_synapse_pipeline(random_state=3)
    assert isinstance(pipeline, Pipeline)
    assert list(pipeline.named_steps) == STEPS
    without = make_synapse_pipeline("numap", morphology=())
    assert list(without.named_steps) == [n for n in STEPS if n != "log"]
    parameters = clone(pipeline).get_params()
    assert parameters["embed__random_state"] == 3
    assert parameters["embed__transformer__random_state"] == 3
    assert parameters["cluster__random_state"] == 3
    assert parameters["cluster__classifier__random_state"] == 3


def test_defaults_are_the_published_ones():
    parameters = make_synapse_pipeline().get_params()
    umap = parameters["embed__transformer"]
    assert type(umap).__name__ == "UMAP"
    assert (umap.n_components, umap.n_neighbors, umap.min_dist) == (2, 20, 0.1)
    clusterer = parameters["cluster__clusterer"]
    assert type(clusterer).__module__.startswith("hdbscan")
    assert (clusterer.min_cluster_size, clusterer.min_samples) == (15, 3)
    assert clusterer.cluster_selection_epsilon == 0.5
    assert type(parameters["cluster__classifier"]).__name__ == "XGBClassifier"
    assert parameters["embed__outlier_detector"] is None


def test_parameters_reach_their_steps():
    detector = IsolationForest()
    pipeline = make_synapse_pipeline(
        "numap",
        n_components=3,
        n_neighbors=7,
        min_dist=0.3,
        min_cluster_size=9,
        min_samples=2,
        classifier="random_forest",
        outlier_detector=detector,
        coordinate_weight=2.0,
        morphology_weight=0.5,
        handle_unknown="fit",
        random_state=4,
    )
    parameters = pipeline.get_params()
    numap = parameters["embed__transformer"]
    assert isinstance(numap, NUMAP)
    assert (numap.n_components, numap.n_neighbors, numap.min_dist) == (3, 7, 0.3)
    assert parameters["cluster__clusterer__min_cluster_size"] == 9
    assert parameters["cluster__clusterer__min_samples"] == 2
    assert isinstance(parameters["cluster__classifier"], RandomForestClassifier)
    assert parameters["embed__outlier_detector"] is detector
    assert parameters["align__handle_unknown"] == "fit"
    weights = {"x": 2.0, "SynArea": 0.5, "BoutonVolume": 0.5}
    assert weights.items() <= parameters["weight__weights"].items()
    own = KMeans(3)
    assert make_synapse_pipeline("numap", clusterer=own)[-1].clusterer is own
    assert make_synapse_pipeline("numap", classifier=own)[-1].classifier is own
    assert make_synapse_pipeline(own)["embed"].transformer is own


def test_names_of_columns(few, plain):
    names = {"NeuronId": "cell", "x": "px", "y": "py", "z": "pz", "SynArea": "area"}
    names |= {"soma_x": "sx", "soma_y": "sy", "soma_z": "sz"}
    pipeline = quick(
        neuron="cell",
        coordinates=("px", "py", "pz"),
        soma=("sx", "sy", "sz"),
        morphology=["area", "BoutonArea", "BoutonVolume"],
    )
    frame = few.frame.rename(columns=names)
    assert_array_equal(pipeline.fit(frame).predict(frame), plain.predict(few.frame))


def test_without_soma_without_sizes_without_neurons(few):
    pipeline = quick(soma=None, morphology=())
    needed = few.frame[["NeuronId", "x", "y", "z"]]
    pipeline.fit(needed)
    assert adjusted_rand_score(few.target, pipeline.predict(needed)) > 0.2
    one = few.frame[few.frame["NeuronId"] == few.frame["NeuronId"].iloc[-1]]
    alone = quick(neuron=None, min_cluster_size=5).fit(one.drop(columns="NeuronId"))
    assert alone.predict(one).max() >= 1
    named = quick(min_cluster_size=5).fit(one)
    assert_array_equal(alone.predict(one), named.predict(one))


def test_scaled_and_weighted_features(few):
    def features(**weights):
        pipeline = quick(**weights).fit(few.frame)
        return pipeline[: STEPS.index("embed")].transform(few.frame)

    plain = features(coordinate_weight=1, morphology_weight=1)
    other = features(coordinate_weight=3, morphology_weight=0.5)
    assert plain.columns.tolist() == other.columns.tolist()
    assert plain.columns.tolist() == [
        *("x", "y", "z"),
        *("SynArea", "BoutonArea", "BoutonVolume"),
    ]
    assert plain.index.equals(few.frame.index)
    assert_array_equal(other.iloc[:, :3], 3 * plain.iloc[:, :3])
    assert_array_equal(other.iloc[:, 3:], plain.iloc[:, 3:] / 2)
    assert plain.median().abs().max() < 0.1
    # Sizes are logarithms, scaled by the rows that were not removed.
    logs = np.log(few.frame["SynArea"])
    assert plain["SynArea"].corr(logs) == pytest.approx(1)


def test_synapses_are_removed_in_fit_alone(few):
    frame = few.frame.copy()
    frame.loc[:4, "BoutonVolume"] = 1e6
    pipeline = quick().fit(frame)
    kept = pipeline["remove"].sample_indices_
    assert len(kept) < len(frame)
    assert not set(range(5)) & set(kept)
    assert len(pipeline[-1].labels_) == len(kept)
    assert len(pipeline.predict(frame)) == len(frame)
    assert len(pipeline[:-1].transform(frame)) == len(frame)
    assert (pipeline.predict(frame)[:5] == -1).all()


# -------------------------------------------------------------------------- embeddings


def test_numap_and_xgboost(synapses, numap):
    labels = numap.predict(synapses.frame)
    assert adjusted_rand_score(synapses.target, labels) >= 0.8
    assert labels.shape == synapses.target.shape
    assert set(labels) == {-1, *numap[-1].clusters_}
    embedded = numap[:-1].transform(synapses.frame)
    assert embedded.shape == (661, 2)
    assert_array_equal(np.isnan(embedded).any(axis=1), labels == -1)
    outliers = synapses.target == -1
    assert (labels[outliers] == -1).mean() >= 0.8
    assert (labels[~outliers] == -1).mean() <= 0.06
    new = numap.predict(synapses.new_frame)
    assert new.shape == (30,)
    assert adjusted_rand_score(synapses.new_target, new) > 0.7


@pytest.mark.parametrize("classifier", ["random_forest", "knn"])
def test_numap_and_other_classifiers(few, classifier):
    pipeline = make_synapse_pipeline(
        "numap", n_components=3, classifier=classifier, random_state=0
    ).fit(few.frame)
    assert adjusted_rand_score(few.target, pipeline.predict(few.frame)) > 0.8
    assert adjusted_rand_score(few.new_target, pipeline.predict(few.new_frame)) > 0.7
    assert pipeline[:-1].transform(few.new_frame).shape == (40, 3)


def test_same_random_state_same_clusters(few):
    def made(random_state):
        pipeline = make_synapse_pipeline(
            "numap", classifier="random_forest", random_state=random_state
        ).fit(few.frame)
        return pipeline[:-1].transform(few.frame), pipeline.predict(few.frame)

    one, same, other = made(1), made(np.int64(1)), made(2)
    for found, expected in zip(same, one, strict=True):
        assert_array_equal(found, expected)
    assert not np.array_equal(one[0], other[0], equal_nan=True)


def test_a_row_alone_is_what_it_is_in_a_table(synapses, numap):
    frame = synapses.frame.iloc[::40]
    together = numap[:-1].transform(synapses.frame)[::40]
    labels, table = numap.predict(synapses.frame)[::40], synapse_table(numap, frame)
    for i in range(len(frame)):
        alone = frame.iloc[[i]]
        assert_array_equal(numap[:-1].transform(alone), together[[i]])
        assert numap.predict(alone)[0] == labels[i]
        pd.testing.assert_frame_equal(synapse_table(numap, alone), table.iloc[[i]])


def test_tables_in_another_order_with_other_columns(few, plain, numap, synapses):
    for pipeline, frame in ((plain, few.frame), (numap, synapses.new_frame)):
        expected = pipeline.predict(frame)
        order = np.random.default_rng(0).permutation(len(frame))
        other = frame.assign(note="?", id=1.5).iloc[order, ::-1]
        kept = other.copy()
        assert_array_equal(pipeline.predict(other), expected[order])
        needed = other.drop(columns=["NeuronType", "SynType"])
        assert_array_equal(pipeline.predict(needed), expected[order])
        assert other.equals(kept), "input is not changed"


def test_far_outliers_are_noise(few, plain, numap, synapses):
    check_far_outliers(plain, few.frame)
    check_far_outliers(numap, synapses.frame)


# ------------------------------------------------------------------------------- tables


def test_table(few, plain):
    frame = few.new_frame.set_axis([f"s{i}" for i in range(40)])
    table = synapse_table(plain, frame)
    assert table.index.equals(frame.index)
    assert table.columns.tolist() == ["cluster", "probability", "outlier"]
    assert table.dtypes.astype(str).tolist() == ["int64", "float64", "bool"]
    assert_array_equal(table["cluster"], plain.predict(frame))
    assert_array_equal(table["cluster"] == -1, table["probability"].isna())
    embedded = plain[:-1].transform(frame)
    assert_array_equal(table["outlier"], np.isnan(embedded).any(axis=1))
    placed = table["cluster"] >= 0
    assert 20 < placed.sum() < 40
    columns = np.searchsorted(plain[-1].clusters_, table["cluster"][placed])
    proba = plain.predict_proba(frame)[placed]
    assert_array_equal(table["probability"][placed], proba[range(len(proba)), columns])


def test_table_of_classifiers_without_probabilities_or_with_refusal(few):
    table = synapse_table(quick(classifier=LinearSVC()).fit(few.frame), few.frame)
    assert table["probability"].isna().all()
    assert table["cluster"].max() > 0
    refusing = OutlierFilteredClassifier(
        outlier_detector=IsolationForest(contamination=0.3), outlier_label=-1
    )
    table = synapse_table(quick(classifier=refusing).fit(few.frame), few.frame)
    refused = (table["cluster"] == -1) & ~table["outlier"]
    assert refused.mean() > 0.1
    assert_array_equal(table["probability"].isna(), table["cluster"] == -1)


def test_table_of_soft_memberships(few):
    pipeline = quick().set_params(cluster__membership="clusterer").fit(few.frame)
    assert pipeline[-1].membership_.shape[0] == len(pipeline[-1].labels_)
    table = synapse_table(pipeline, few.frame)
    assert_array_equal(table["cluster"], pipeline.predict(few.frame))
    assert table["probability"].between(0, 1)[table["cluster"] >= 0].all()


def test_table_wants_a_synapse_pipeline(few):
    with pytest.raises(NotFittedError):
        synapse_table(quick(), few.frame)
    with pytest.raises(TypeError, match=r"needs a pipeline of .* got KMeans"):
        synapse_table(KMeans(2).fit([[0.0], [1.0]]), few.frame)


# ------------------------------------------------------------------------------- groups


@pytest.mark.filterwarnings(FEW)
@pytest.mark.parametrize("by", ["SynType", "NeuronType"])
def test_groups(by):
    synapses = make_synapses(min_synapses=40, max_synapses=150, random_state=0)
    frame = synapses.frame.iloc[::-1].set_index(np.arange(len(synapses.frame)) + 10)
    pipeline = quick(group=by, handle_unknown="fit").fit(frame)
    assert isinstance(pipeline, GroupedEstimator)
    assert pipeline.groups_ == sorted(set(frame[by]))
    labels = pipeline.predict(frame)
    assert_array_equal(labels, pipeline.labels_)
    table = synapse_table(pipeline, frame)
    assert table.index.equals(frame.index)
    assert_array_equal(table["cluster"], labels)
    assert_array_equal(table["cluster"] == -1, table["probability"].isna())
    clusters = []
    # Neurons are aligned by the synapses of all groups.
    aligned = quick()[:2].fit(frame).transform(frame)
    for group, copy in pipeline.estimators_.items():
        rows = (frame[by] == group).to_numpy()
        alone = quick(align_first=False).fit(aligned[rows])
        assert_array_equal(alone.predict(aligned[rows]), copy.predict(frame[rows]))
        own = set(labels[rows]) - {-1}
        assert own == {k + pipeline.offsets_[group] for k in copy[-1].clusters_}
        clusters += own
        embedded = copy[:-1].transform(frame[rows])
        assert_array_equal(table["outlier"][rows], np.isnan(embedded).any(axis=1))
    assert len(clusters) == len(set(clusters)) == len(pipeline.clusters_)
    new = pipeline.predict(synapses.new_frame)
    assert new.shape == (30,)
    one = synapses.new_frame[by] == pipeline.groups_[0]
    assert_array_equal(pipeline.predict(synapses.new_frame[one]), new[one])
    again = pipeline.predict(frame.assign(note="?").iloc[::-1, ::-1])
    assert_array_equal(again[::-1], labels)


@pytest.mark.filterwarnings(FEW)
def test_groups_with_numap(synapses):
    pipeline = make_synapse_pipeline("numap", group="SynType", random_state=0)
    labels = pipeline.fit(synapses.frame).predict(synapses.frame)
    for kind, copy in pipeline.estimators_.items():
        rows = synapses.frame["SynType"] == kind
        assert copy[:-1].transform(synapses.frame[rows]).shape == (rows.sum(), 2)
        assert set(labels[rows]) - {-1} == set(
            copy[-1].clusters_ + pipeline.offsets_[kind]
        )
    rows = synapses.frame["SynType"] == "as"
    assert adjusted_rand_score(synapses.target[rows], labels[rows]) > 0.6
    again = clone(pipeline).fit(synapses.frame)
    assert_array_equal(again.labels_, pipeline.labels_)


@pytest.mark.filterwarnings(FEW)
def test_handle_small(few):
    frame = few.frame.copy()
    frame["SynType"] = np.where(np.arange(len(frame)) % 40 == 0, "ns", "as")
    message = r"fewer than min_group_size=21 samples: 'ns' \(11\)"
    with pytest.raises(ValueError, match=message):
        quick(group="SynType").fit(frame)
    pipeline = quick(group="SynType", handle_small="noise").fit(frame)
    small = (frame["SynType"] == "ns").to_numpy()
    table = synapse_table(pipeline, frame)
    assert (pipeline.predict(frame)[small] == -1).all()
    assert (table["cluster"][small] == -1).all()
    assert not table["outlier"][small].any()
    assert table["cluster"].max() >= 1
    larger = quick(group="SynType", n_neighbors=5, min_cluster_size=30)
    assert larger.min_group_size == 30


def test_min_group_size(few):
    frame = few.frame.assign(
        SynType=np.where(np.arange(len(few.frame)) < 18, "ns", "as")
    )
    pipeline = quick(group="SynType", min_group_size=18, min_cluster_size=5)
    assert pipeline.fit(frame).predict(frame).max() >= 1
    message = r"fewer than min_group_size=19 samples: 'ns' \(18\)"
    with pytest.raises(ValueError, match=message):
        quick(group="SynType", min_group_size=19).fit(frame)


def test_diagram(few, plain):
    grouped = quick(group="NeuronType", min_cluster_size=5)
    for pipeline in (plain, quick(), grouped, clone(grouped).fit(few.frame)):
        assert "ColumnTransformer" in pipeline._repr_html_()
    names = plain["log"].get_feature_names_out().tolist()
    assert names[:3] == ["SynArea", "BoutonArea", "BoutonVolume"]


def test_diagrams_of_the_parts(subtests):
    cases = [
        ColumnSelector([0]),
        ColumnWeighter({0: 2.0}),
        GroupedEstimator(make_pipeline(StandardScaler(), KMeans(2)), 0),
        InductiveClusterer(KMeans(2), membership="clusterer"),
        NeuronAligner(0),
        OutlierFilteredClassifier(resampler=RandomOverSampler()),
        OutlierFilteredTransformer(PCA(1)),
        OutlierRowRemover(),
    ]
    for part in cases:
        with subtests.test(part=part):
            codes = np.arange(40) % 2
            X = np.column_stack([codes, np.random.default_rng(0).normal(size=(40, 2))])
            assert type(part).__name__ in part._repr_html_()
            assert type(part).__name__ in clone(part).fit(X, codes)._repr_html_()


def test_repeated_rows_count_once(subtests, few):
    for params in [{}, {"morphology": ()}, {"group": "NeuronType"}]:
        with subtests.test(params=params):
            pipeline = quick(min_cluster_size=5, **params)
            expected = clone(pipeline).fit(few.frame).predict(few.frame)
            again = pd.concat([few.frame] * 3)
            with pytest.warns(
                UserWarning, match=r"of \d+ rows of X equal an earlier row"
            ):
                pipeline.fit(again)
            assert_array_equal(pipeline.predict(again), np.tile(expected, 3))


def test_neuron_ids_of_another_kind(few):
    codes = pd.factorize(few.frame["NeuronId"])[0] + 1000
    pipeline = quick().fit(few.frame.assign(NeuronId=codes))
    message = "which are text, but those in fit are numbers such as 1000: convert"
    with pytest.raises(ValueError, match=message):
        pipeline.predict(few.frame.assign(NeuronId=codes.astype(str)))


def test_groups_are_not_what_pipelines_need(few):
    with pytest.raises(ValueError, match=r"the column 'NeuronId', .*neuron=None"):
        make_synapse_pipeline("numap", group="NeuronId")
    pipeline = quick(group="NeuronId", neuron=None, min_cluster_size=5)
    assert len(pipeline.fit(few.frame).estimators_) == 5
    pipeline = quick(group="NeuronType", min_cluster_size=5).fit(few.frame)
    with pytest.raises(ValueError, match=r"'NeuronType' of X contains groups .* 'xs'"):
        pipeline.predict(few.frame.assign(NeuronType="xs"))


# ---------------------------------------------------------------------------- bad input


def test_bad_tables(few, plain):
    frame = few.frame
    lacking = frame.drop(columns=["x", "SynArea", "NeuronId"])
    dirty = frame.astype({"x": object})
    dirty.loc[3, "x"] = "12,3"
    low = frame.assign(SynArea=frame["SynArea"].where(frame.index != 3, 0.0))
    for call in (plain.predict, quick().fit):
        with pytest.raises(ValueError, match=r"\['NeuronId', 'x', 'SynArea'\]: its"):
            call(lacking)
        with pytest.raises(ValueError, match="column 'x' of X contains '12,3', which"):
            call(dirty)
        with pytest.raises(
            ValueError, match=r"must be positive, .* 'SynArea' \(1 rows"
        ):
            call(low)
        with pytest.raises(ValueError, match="column 'z' of X contains NaN in 1 of"):
            call(frame.assign(z=frame["z"].where(frame.index != 7)))
        with pytest.raises(ValueError, match="column 'z' of X contains infinity in 1"):
            call(frame.assign(z=frame["z"].where(frame.index != 7, np.inf)))
        with pytest.raises(ValueError, match=r"'NeuronId' .* missing in 1 of"):
            call(frame.assign(NeuronId=frame["NeuronId"].where(frame.index != 7)))
        with pytest.raises(ValueError, match="0 sample"):
            call(frame[:0])


def test_unseen_neurons(few, plain):
    new = few.new_frame.assign(NeuronId="zz9")
    new[["soma_x", "soma_y", "soma_z"]] = few.frame.iloc[0][
        ["soma_x", "soma_y", "soma_z"]
    ].to_numpy(dtype=float)
    with pytest.raises(ValueError, match=r"neurons that were not in fit: 'zz9'"):
        plain.predict(new)
    pipeline = quick(handle_unknown="fit").fit(few.frame)
    assert_array_equal(pipeline.predict(few.frame), plain.predict(few.frame))
    assert pipeline.predict(new).shape == (40,)


def test_neurons_with_few_synapses_are_centred(few):
    rare = few.frame.iloc[:2].assign(NeuronId="zz9")
    with pytest.warns(UserWarning, match=r"few synapses: 'zz9: 2'"):
        pipeline = quick().fit(pd.concat([few.frame, rare], ignore_index=True))
    assert len(pipeline.predict(rare)) == 2


@pytest.mark.filterwarnings("ignore:n_neighbors .20. must be less:UserWarning")
def test_few_synapses_make_no_cluster(few):
    pipeline = make_synapse_pipeline("numap", random_state=0)
    some = few.frame.iloc[-12:]
    with pytest.warns(UserWarning, match=r"finds no cluster in \d+ .*min_cluster_size"):
        pipeline.fit(some)
    same = few.frame[few.frame["NeuronId"] == some["NeuronId"].iloc[0]]
    assert (pipeline.predict(same) == -1).all()
    table = synapse_table(pipeline, same)
    assert table["probability"].isna().all()
    assert 0 < table["outlier"].mean() < 1
    with pytest.raises(ValueError, match="outlier_detector rejects all 3 samples"):
        quick(outlier_detector=Refuser()).fit(few.frame.iloc[-3:])


class Refuser(IsolationForest):
    """A detector that rejects everything."""

    def predict(self, X):
        return np.full(len(X), -1)


def test_refuses(subtests):
    cases = [
        ({"embedding": "tsne"}, r"a str among {.*'numap'.*} or .* Got 'tsne'"),
        ({"classifier": "svm"}, r"a str among {.*'xgboost'.*} or .* Got 'svm'"),
        ({"n_components": 0}, r"'n_components' .* \[1, inf\). Got 0 instead"),
        ({"n_components": "2"}, r"'n_components' .* Got '2' instead"),
        ({"n_neighbors": 1}, r"'n_neighbors' .* \[2, inf\). Got 1 instead"),
        ({"n_neighbors": None}, "'n_neighbors' .* Got None instead"),
        ({"min_dist": -0.1}, "'min_dist' .* Got -0.1 instead"),
        ({"min_cluster_size": 1}, r"'min_cluster_size' .* \[2, inf\). Got 1 instead"),
        ({"min_samples": 0}, r"'min_samples' .* \[1, inf\). Got 0 instead"),
        ({"coordinates": 5}, "'coordinates' .* Got 5 instead"),
        ({"handle_unknown": "skip"}, "'handle_unknown' .* Got 'skip' instead"),
        ({"handle_small": "drop"}, "'handle_small' .* Got 'drop' instead"),
        ({"morphology_weight": -1}, "'morphology_weight' .* Got -1 instead"),
        ({"handle_small": "noise"}, "handle_small='noise' .* and group is None: name"),
        ({"min_group_size": 9}, "min_group_size=9 are about groups, and group is None"),
        (
            {"group": "NeuronId", "neuron": None, "handle_small": "pool"},
            "the neurons of several groups as one, as neuron is None: use .*'noise'",
        ),
    ]
    for params, message in cases:
        with subtests.test(params=params), pytest.raises(ValueError, match=message):
            make_synapse_pipeline(**{"embedding": "numap", **params})


def test_refuses_at_fit(subtests, few):
    cases = [
        ({"group": "Kind"}, r"not have the columns \['Kind'\] of group"),
        ({"soma": ["soma_x"]}, "soma names 1 columns, but there are 3 coordinates"),
        ({"neuron": None}, "must have one soma, but X has several, .* or pass soma=N"),
        (
            {"coordinates": ["x", "y", "w"]},
            r"^X does not have the columns \['w'\]: its",
        ),
    ]
    for params, message in cases:
        with subtests.test(params=params), pytest.raises(ValueError, match=message):
            quick(**params).fit(few.frame)


@pytest.mark.parametrize("package", ["imblearn", "hdbscan", "umap", "xgboost"])
def test_missing_packages(monkeypatch, package):
    for name in list(sys.modules):
        if name.partition(".")[0] == package:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        ImportError, match=rf"make_synapse_pipeline.* needs {package}, .*'synapse'"
    ):
        make_synapse_pipeline()
    if package != "imblearn":
        assert make_synapse_pipeline("numap", classifier="knn", clusterer=KMeans(2))


def test_log_sizes(few):
    frame = few.frame[["SynArea", "BoutonArea"]]
    logs = log_sizes(frame)
    assert logs.columns.tolist() == ["SynArea", "BoutonArea"]
    assert logs.index.equals(frame.index)
    assert_array_equal(logs, np.log(frame.to_numpy()))
    for low in (0.0, -2.0):
        with pytest.raises(ValueError, match=r"'BoutonArea' \(2 rows\): leave"):
            log_sizes(frame.assign(BoutonArea=[low] * 2 + [1.0] * (len(frame) - 2)))
    with pytest.raises(ValueError, match=r"columns 0 \(1 rows\), 1 \(2 rows\): "):
        log_sizes([[0.0, -1.0], [1.0, 0.0]])


# ------------------------------------------------------------------------- persistence


READER = """
import sys
import joblib, numpy as np, pandas as pd
pipeline = joblib.load(sys.argv[1])
frame = pd.read_pickle(sys.argv[2])
from celltyping import synapse_table
np.save(sys.argv[3], synapse_table(pipeline, frame).to_numpy(dtype=float))
"""


def test_fresh_process_predicts_the_same(synapses, numap, tmp_path):
    paths = [tmp_path / name for name in ("pipeline.joblib", "frame.pkl", "out.npy")]
    joblib.dump(numap, paths[0])
    synapses.frame.to_pickle(paths[1])
    subprocess.run([sys.executable, "-c", READER, *paths], check=True, timeout=120)
    expected = synapse_table(numap, synapses.frame).to_numpy(dtype=float)
    assert_array_equal(np.load(paths[2]), expected)


def test_pickle(few):
    check_pickled(quick(group="NeuronType", min_cluster_size=5).fit(few.frame), few)


def test_the_last_step_is_an_inductive_clusterer(few, plain):
    cluster = plain[-1]
    assert isinstance(cluster, InductiveClusterer)
    embedded = plain[:-1].transform(few.frame)
    assert_array_equal(cluster.predict(embedded), plain.predict(few.frame))
    kept = plain["remove"].sample_indices_
    noise = np.isnan(embedded[kept]).any(axis=1)
    assert (cluster.labels_[noise] == -1).all()


def test_one_name_is_no_sequence_of_columns():
    message = r"morphology must be a sequence .* 'SynArea': pass \['SynArea'\]"
    with pytest.raises(ValueError, match=message):
        quick(morphology="SynArea")
    assert "log" not in quick(morphology=None).named_steps


def test_arrays_with_text_are_refused_by_name(few, plain):
    with pytest.raises(ValueError, match=r"contains text, .*: pass a DataFrame"):
        plain.predict(few.frame.to_numpy())


@pytest.mark.filterwarnings("error")
def test_table_of_a_pipeline_that_gives_frames(few, plain):
    framed = quick().set_output(transform="pandas").fit(few.frame)
    pd.testing.assert_frame_equal(
        synapse_table(framed, few.new_frame), synapse_table(plain, few.new_frame)
    )
    assert framed[:-1].transform(few.new_frame).columns.tolist() == ["pca0", "pca1"]
