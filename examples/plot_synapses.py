"""
===================
Clustering synapses
===================

Positions and sizes of the synapses of inhibitory neurons are known. Do they form
clusters that the neurons have in common? We explore the table, align the neurons,
cluster all synapses and then each type separately, predict the clusters of thirty new
ones, and validate the result.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

# %%
# The table
# ---------
# Each row is a synapse on the dendrites of one of nine neurons. The table is simulated,
# so its clusters are known. It is larger than the default of
# :func:`~celltyping.datasets.make_synapses`, because we also cluster parts of it.

from celltyping.datasets import make_synapses

synapses = make_synapses(min_synapses=30, max_synapses=400, random_state=0)
frame = synapses.frame
frame.round(2).head()

# %%
# Asymmetric synapses ("as") excite the neuron, symmetric ones ("ss") inhibit it.
# Neurons are of three types, by their calcium-binding protein.

frame.pivot_table(
    index=["NeuronType", "NeuronId"], columns="SynType", values="x", aggfunc="count"
)

# %%
# Sizes and the distance from the soma, in pairs. Their distributions are skewed, so the
# axes are logarithmic.

import numpy as np

from celltyping.plotting import PairPlotDisplay

positions, soma = ["x", "y", "z"], ["soma_x", "soma_y", "soma_z"]
offsets = frame[positions].to_numpy() - frame[soma].to_numpy()
frame["Distance"] = np.linalg.norm(offsets, axis=1)
sizes = ["SynArea", "BoutonArea", "BoutonVolume"]
features = [*sizes, "Distance"]
_ = PairPlotDisplay.from_predictions(
    frame, frame["SynType"], features=features, log=features, color_name="synapse"
)

# %%
# Volume and area of boutons are correlated. Synapses lie in two ranges of distance, and
# all symmetric ones in the nearer one. Some are outliers: boutons that are far too
# large, positions that are too far away.
#
# Alignment of neurons
# --------------------
# Neurons have different positions and orientations. :class:`~celltyping.NeuronAligner`
# transforms coordinates to the principal axes of each neuron's synapses about its soma;
# neurons of the same shape can then be registered, that is, rotated onto each other.
# The pictures leave out far synapses.

import matplotlib.pyplot as plt

from celltyping import NeuronAligner
from celltyping.plotting import EmbeddingDisplay

columns = {"coordinates": positions, "soma": soma}
tables = {
    "as measured": frame,
    "principal axes": NeuronAligner("NeuronId", **columns).fit_transform(frame),
    "registered": NeuronAligner("NeuronId", **columns, register=True).fit_transform(
        frame
    ),
}
near = frame["Distance"] < 150
fig, axes = plt.subplots(1, 3, figsize=(15, 4.2), layout="compressed")
for (name, table), ax in zip(tables.items(), axes, strict=True):
    EmbeddingDisplay.from_embedding(
        table.loc[near, positions[:2]],
        color=frame.loc[near, "NeuronId"],
        color_name="neuron",
        axis_names=["x (µm)", "y (µm)"],
        legend=ax is axes[-1],
        name=name,
        ax=ax,
    )

# %%
# The principal axes of cb2, cr2 and pv2 differ from the others by some ten degrees,
# because principal axes depend on the number of synapses in each spot. After the
# registration, all neurons agree, and clusters of synapses are visible.
#
# Clusters of all synapses
# ------------------------
# :func:`~celltyping.make_synapse_pipeline` aligns and registers neurons, takes
# logarithms of sizes, scales, detects outliers, embeds the inliers and clusters the
# embedding. "umap" is the default; "numap" embeds new synapses independently of each
# other.

from celltyping import make_synapse_pipeline

pipeline = make_synapse_pipeline("numap", random_state=0).fit(frame)
clusters = pipeline.predict(frame)
embedding = pipeline[:-1].transform(frame)

fig, axes = plt.subplots(1, 3, figsize=(15, 4.2), layout="compressed")
for name, color, ax in zip(
    ["neuron", "cluster", "true cluster"],
    [frame["NeuronId"], clusters, synapses.target],
    axes,
    strict=True,
):
    display = EmbeddingDisplay.from_embedding(
        embedding, color=color, color_name=name, ax=ax
    )
    if name == "cluster":
        colors = display.colors_

# %%
# Outliers have no position in the embedding. The clusters are the true ones. Measured
# synapses have no third picture; count the neurons in each cluster instead.

import pandas as pd

pd.crosstab(clusters, frame["NeuronId"], rownames=["cluster"])

# %%
# All neurons have synapses in all clusters. If a cluster has synapses of only some
# neurons, check the alignment first: with ``register=False``, three clusters are split
# into two pieces each, one of which consists of cb2, cr2 and pv2.
#
# The embedding in three dimensions, for visualization; two are enough for clusters.

spatial = make_synapse_pipeline("numap", n_components=3, random_state=0).fit(frame)
_ = EmbeddingDisplay.from_embedding(
    spatial[:-1].transform(frame), color=clusters, color_name="cluster", cmap=colors
)

# %%
# The persistence of a cluster is the range of densities over which it exists. The
# membership strength of a synapse is 1 in the dense part of a cluster. Noise consists
# of embedded synapses without a cluster, and of outliers.

from celltyping.plotting import ClusterPersistenceDisplay

_ = ClusterPersistenceDisplay.from_estimator(pipeline, cmap=colors)

# %%
# Each type of neuron separately
# ------------------------------
# ``group`` fits one pipeline to each value of a column. In the default table, with 6 to
# 250 synapses per neuron, calbindin neurons have only 49 synapses: too few for six
# clusters of at least 15.

by_neuron = make_synapse_pipeline("numap", group="NeuronType", random_state=0)
by_neuron.fit(frame)
found = by_neuron.predict(frame)

fig, axes = plt.subplots(1, 3, figsize=(15, 4.2), layout="compressed")
for group, ax in zip(by_neuron.groups_, axes, strict=True):
    rows = frame["NeuronType"] == group
    part = by_neuron.estimators_[group][:-1].transform(frame[rows])
    EmbeddingDisplay.from_embedding(
        part, color=found[rows], color_name="cluster", name=group, ax=ax
    )

# %%
# Clusters of different types have different numbers, even at the same position on
# their neurons.
#
# Each type of synapse separately
# -------------------------------
# A neuron may have few synapses of one type, all near the soma. This does not affect
# the alignment, which uses the synapses of all groups.

from sklearn.metrics import adjusted_rand_score

by_kind = make_synapse_pipeline("numap", group="SynType", random_state=0)
found = by_kind.fit_predict(frame)

fig, axes = plt.subplots(1, 2, figsize=(10.5, 4.2), layout="compressed")
for group, ax in zip(by_kind.groups_, axes, strict=True):
    rows = frame["SynType"] == group
    part = by_kind.estimators_[group][:-1].transform(frame[rows])
    EmbeddingDisplay.from_embedding(
        part, color=found[rows], color_name="cluster", name=group, ax=ax
    )
    true = synapses.target[rows]
    print(
        f"{group}, agreement with true clusters (ARI): "
        f"{adjusted_rand_score(true, found[rows]):.2f}"
    )

# %%
# Thirty new synapses
# -------------------
# They are on the same nine neurons. The pipeline aligns them with the stored centre and
# axes of their neuron, and the classifier predicts their clusters.

from celltyping import synapse_table

new = synapses.new_frame
placed = synapse_table(pipeline, new)
placed.assign(neuron=new["NeuronId"], true=synapses.new_target).head(10)

# %%
# They do not change the embedding of the others.

_ = EmbeddingDisplay.from_embedding(
    embedding,
    color=clusters,
    color_name="cluster",
    new_embedding=pipeline[:-1].transform(new),
    new_color=placed["cluster"],
    cmap=colors,
)

# %%
# Validation
# ----------
# A tempting but wrong test: cluster all synapses, split them, train a classifier on one
# part and test it on the other.

from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split


def tempting_accuracy(pipeline, table):
    """Test on synapses that were used for the clusters."""
    embedding, labels = pipeline[:-1].transform(table), pipeline.predict(table)
    is_in = labels >= 0
    X_train, X_test, y_train, y_test = train_test_split(
        embedding[is_in], labels[is_in], test_size=0.3, random_state=0
    )
    forest = RandomForestClassifier(random_state=0).fit(X_train, y_train)
    return forest.score(X_test, y_test)


print(f"accuracy {tempting_accuracy(pipeline, frame):.3f}")

# %%
# This says nothing about synapses. The test rows were used for the embedding, and their
# labels are regions of it, which the classifier reproduces for any clustering. As an
# example, here is a table without clusters: the synapses of each neuron are normally
# distributed about the soma.

rng = np.random.default_rng(0)
cloud = frame.copy()
cloud[positions] = frame[soma].to_numpy() + rng.normal(0, 40, size=(len(frame), 3))
empty = make_synapse_pipeline("numap", random_state=0).fit(cloud)
n_clusters = empty[-1].n_clusters_
print(f"{n_clusters} clusters, accuracy {tempting_accuracy(empty, cloud):.3f}")

# %%
# So split first. Axes, scales, outliers, embedding and clusters are then fitted to the
# training part alone, and the pipeline predicts the clusters of the test part.

from celltyping.plotting import ClusterTypesDisplay

train, test, true_train, true_test = train_test_split(
    frame,
    synapses.target,
    test_size=0.3,
    stratify=frame["NeuronId"],
    random_state=0,
)
model = make_synapse_pipeline("numap", random_state=0).fit(train)
held_out = model.predict(test)
kinds = np.where(true_test < 0, "outlier", true_test.astype(str))
display = ClusterTypesDisplay.from_predictions(kinds, held_out)
_ = display.ax_.set_ylabel("True cluster")
display.colorbar_.set_label("Share of synapses")

# %%
# "(noise)" are outliers in the predictions. The accuracy for synapses that are not
# simulated outliers, with clusters matched in the training part:

from celltyping.metrics import match_clusters

names = dict(zip(*match_clusters(true_train, model.predict(train)), strict=True))
named = pd.Series(held_out).map(names).to_numpy()
print(f"accuracy {np.mean((named == true_test)[true_test >= 0]):.3f}")

# %%
# For measured synapses, the true clusters are unknown, but the stability of clusters
# can be tested: two pipelines are fitted to one half of the training part each. Do
# their predictions for the held-out synapses agree?


def agreement(table):
    """Compare the predictions of two halves for held-out synapses (ARI)."""
    train, test = train_test_split(
        table, test_size=0.3, stratify=table["NeuronId"], random_state=0
    )
    halves = train_test_split(
        train, test_size=0.5, stratify=train["NeuronId"], random_state=0
    )
    first, second = (
        make_synapse_pipeline("numap", random_state=0).fit(half).predict(test)
        for half in halves
    )
    return adjusted_rand_score(first, second)


print(f"our table: {agreement(frame):.2f}")
print(f"one cloud: {agreement(cloud):.2f}")

# %%
# True clusters are found in both halves, others are not: unlike the first test, this
# one can fail.
