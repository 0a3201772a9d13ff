"""
=================================
Where on a neuron synapses gather
=================================

Synapses of inhibitory neurons have been measured: where they are, and how large. Do
they form clusters that neurons share? We look at the table, align the neurons, cluster
all synapses and then each kind by itself, place thirty new ones, and ask how far all
this can be believed.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

# %%
# The table
# ---------
# A row is a synapse on the dendrites of one of nine neurons. The table is simulated, so
# that we know the clusters in it. It is larger than
# :func:`~celltyping.datasets.make_synapses` makes it by default, because we want to
# cluster parts of it too.

from celltyping.datasets import make_synapses

synapses = make_synapses(min_synapses=30, max_synapses=400, random_state=0)
frame = synapses.frame
frame.round(2).head()

# %%
# Asymmetric synapses ("as") excite the neuron, symmetric ones ("ss") inhibit it.
# Neurons are of three types, by the protein that binds calcium in them.

frame.pivot_table(
    index=["NeuronType", "NeuronId"], columns="SynType", values="x", aggfunc="count"
)

# %%
# Sizes against each other, and against the distance from the soma. All have long tails,
# so they stand on logarithmic axes.

import numpy as np

from celltyping.plotting import PairPlotDisplay

places, soma = ["x", "y", "z"], ["soma_x", "soma_y", "soma_z"]
offsets = frame[places].to_numpy() - frame[soma].to_numpy()
frame["Distance"] = np.linalg.norm(offsets, axis=1)
sizes = ["SynArea", "BoutonArea", "BoutonVolume"]
features = [*sizes, "Distance"]
_ = PairPlotDisplay.from_predictions(
    frame, frame["SynType"], features=features, log=features, color_name="synapse"
)

# %%
# The volume of a bouton follows its area. Synapses lie in two ranges of distance, and
# all symmetric ones in the nearer. And some cannot be right: boutons that are far too
# large, places that are too far away.
#
# One frame for all neurons
# -------------------------
# Neurons lie anywhere, turned any way. :class:`~celltyping.NeuronAligner` counts from
# the soma, along the main axes of each neuron's synapses; and if neurons are built
# alike, it can then turn them until they lie on each other. The pictures leave out what
# is far away.

import matplotlib.pyplot as plt

from celltyping import NeuronAligner
from celltyping.plotting import EmbeddingDisplay

columns = {"coordinates": places, "soma": soma}
tables = {
    "as measured": frame,
    "main axes": NeuronAligner("NeuronId", **columns).fit_transform(frame),
    "registered": NeuronAligner("NeuronId", **columns, register=True).fit_transform(
        frame
    ),
}
near = frame["Distance"] < 150
fig, axes = plt.subplots(1, 3, figsize=(15, 4.2), layout="compressed")
for (name, table), ax in zip(tables.items(), axes, strict=True):
    EmbeddingDisplay.from_embedding(
        table.loc[near, places[:2]],
        color=frame.loc[near, "NeuronId"],
        color_name="neuron",
        axis_names=["x (µm)", "y (µm)"],
        legend=ax is axes[-1],
        name=name,
        ax=ax,
    )

# %%
# By their main axes, cb2, cr2 and pv2 are turned some ten degrees against the others,
# since main axes depend on how many synapses a neuron has in each spot. Registered, all
# neurons lie on top of each other, and synapses gather in spots.
#
# Clusters of all synapses
# ------------------------
# :func:`~celltyping.make_synapse_pipeline` aligns and registers, takes logarithms of
# sizes, scales, sets outliers apart, embeds what is left and finds clusters in the
# embedding. "umap" is the default; "numap" places new synapses each by itself.

from celltyping import make_synapse_pipeline

pipeline = make_synapse_pipeline("numap", random_state=0).fit(frame)
clusters = pipeline.predict(frame)
embedding = pipeline[:-1].transform(frame)

fig, axes = plt.subplots(1, 3, figsize=(15, 4.2), layout="compressed")
for name, color, ax in zip(
    ["neuron", "cluster", "planted cluster"],
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
# Synapses without a place are outliers. The clusters are those that were planted. With
# measured synapses there is no third picture; count the neurons in each cluster.

import pandas as pd

pd.crosstab(clusters, frame["NeuronId"], rownames=["cluster"])

# %%
# All neurons have synapses in all clusters. A cluster that only some neurons have is a
# reason to look at the aligned neurons first, before a biological one is sought: with
# ``register=False``, three clusters here fall in two pieces each, and cb2, cr2 and pv2
# have one of them to themselves.
#
# The same in space. Three dimensions are there to look at; two are enough for clusters.

spatial = make_synapse_pipeline("numap", n_components=3, random_state=0).fit(frame)
_ = EmbeddingDisplay.from_embedding(
    spatial[:-1].transform(frame), color=clusters, color_name="cluster", cmap=colors
)

# %%
# How firm is a cluster? Its persistence says over which range of densities it stays
# one. The strength of a synapse's membership is 1 in the dense part of a cluster. Noise
# is what has a place in the embedding and no cluster, or no place: outliers.

from celltyping.plotting import ClusterPersistenceDisplay

_ = ClusterPersistenceDisplay.from_estimator(pipeline, cmap=colors)

# %%
# Each type of neuron by itself
# -----------------------------
# ``group`` makes one pipeline for each value of a column. Of the default table,
# with 6 to 250 synapses on a neuron, calbindin neurons would have only 49 in all: too
# few for six clusters of at least 15.

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
# Clusters of different types have different numbers, even where they are in the same
# place on their neurons.
#
# Each kind of synapse by itself
# ------------------------------
# A neuron's synapses of one kind may be few, and all near the soma. That does no harm:
# neurons are aligned by all of their synapses, before these are split into groups.

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
        f"{group}, agreement with planted clusters (ARI): "
        f"{adjusted_rand_score(true, found[rows]):.2f}"
    )

# %%
# Thirty new synapses
# -------------------
# They are on the same nine neurons. The pipeline places each by the stored centre and
# axes of its neuron, and a classifier, which has learnt the clusters, names its
# cluster.

from celltyping import synapse_table

new = synapses.new_frame
placed = synapse_table(pipeline, new)
placed.assign(neuron=new["NeuronId"], planted=synapses.new_target).head(10)

# %%
# They have no say in where the old ones lie.

_ = EmbeddingDisplay.from_embedding(
    embedding,
    color=clusters,
    color_name="cluster",
    new_embedding=pipeline[:-1].transform(new),
    new_color=placed["cluster"],
    cmap=colors,
)

# %%
# How good is this?
# -----------------
# It is tempting to cluster all synapses, to split them afterwards, to train a
# classifier on one part and to test it on the other.

from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split


def tempting_accuracy(pipeline, table):
    """Test on synapses that had a part in the clusters."""
    places, labels = pipeline[:-1].transform(table), pipeline.predict(table)
    is_in = labels >= 0
    X_train, X_test, y_train, y_test = train_test_split(
        places[is_in], labels[is_in], test_size=0.3, random_state=0
    )
    forest = RandomForestClassifier(random_state=0).fit(X_train, y_train)
    return forest.score(X_test, y_test)


print(f"accuracy {tempting_accuracy(pipeline, frame):.3f}")

# %%
# That is no news about synapses. The test rows have shaped the embedding, and their
# labels were read off it: the classifier only repeats a drawing in which it sees the
# regions. It would repeat any other as well, whatever its clusters are worth. Here is a
# table with nothing to find in it: the synapses of each neuron lie in one cloud about
# the soma.

rng = np.random.default_rng(0)
cloud = frame.copy()
cloud[places] = frame[soma].to_numpy() + rng.normal(0, 40, size=(len(frame), 3))
empty = make_synapse_pipeline("numap", random_state=0).fit(cloud)
n_clusters = empty[-1].n_clusters_
print(f"{n_clusters} clusters, accuracy {tempting_accuracy(empty, cloud):.3f}")

# %%
# So split first. The pipeline sees the training part alone: axes, scales, outliers,
# embedding and clusters come from it. Then it places synapses that had no part in any
# of these.

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
_ = display.ax_.set_ylabel("Planted cluster")
display.colorbar_.set_label("Share of synapses")

# %%
# "(noise)" is what the pipeline calls an outlier. In numbers, for synapses that are no
# planted outliers, with each cluster named by the training part:

from celltyping.metrics import match_clusters

names = dict(zip(*match_clusters(true_train, model.predict(train)), strict=True))
named = pd.Series(held_out).map(names).to_numpy()
print(f"accuracy {np.mean((named == true_test)[true_test >= 0]):.3f}")

# %%
# Measured synapses come without planted clusters. What one can still ask is whether the
# same comes out again. Two pipelines see half of the training part each, and both place
# the held-out synapses. Do they agree on which of them belong together?


def agreement(table):
    """Compare what two halves say of held-out synapses (ARI)."""
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
# Clusters that are there come out of both halves, and the others do not: this is a test
# that a wrong clustering can fail.
