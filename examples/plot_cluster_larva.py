"""
==================================================
Find the types of a brain's neurons without labels
==================================================

Without any known type, :class:`~celltyping.NtacClusterer` groups neurons with the same
partners, by connectivity alone. This example applies it to the brain of a fly larva,
and compares the clusters with the known types.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

# %%
# Cluster
# -------
# The typed half of the larva's neurons has 59 types, so we ask for 59 clusters. A later
# section chooses the number without the types. The fit does not use any type.

import numpy as np

from celltyping import NtacClusterer
from celltyping.datasets import load_larva_connectome

larva = load_larva_connectome()
connectome, y = larva.data, larva.target
ntac = NtacClusterer(n_clusters=59, warm_start=True, random_state=0, n_jobs=-1)
labels = ntac.fit_predict(connectome)
print("Neurons per cluster:", *np.bincount(labels))

# %%
# Two scores on the typed neurons: The adjusted Rand index compares pairs of neurons,
# which may share a type and a cluster or not. It is 0 for random clusters and 1 for
# clusters that equal the types. Matched accuracy is the fraction of neurons that are
# right under the best one-to-one naming of clusters by types.

from sklearn.metrics import adjusted_rand_score

from celltyping.metrics import matched_accuracy_score

typed = y != "?"
print(f"Adjusted Rand index: {adjusted_rand_score(y[typed], labels[typed]):.2f}")
print(f"Matched accuracy:    {matched_accuracy_score(y, labels):.2f}")

# %%
# Which cluster is which type?
# ----------------------------
# Types are rows, and clusters columns. A row with several coloured cells is a type that
# is split; a column with several is a cluster in which types are merged. Clusters
# without any typed neuron have no column.

from celltyping.plotting import ClusterTypesDisplay

_ = ClusterTypesDisplay.from_estimator(ntac, connectome, y)

# %%
# Some types nearly equal a cluster: all 42 olfactory receptor neurons (``sens-ORN``)
# are in one, all 42 projection neurons of single glomeruli (``uPN``) in another, each
# with a few other neurons. Other types are merged or split.
#
# Merged types
# ------------
# Here are the clusters with at least half of the neurons of two types or more:

import pandas as pd

counts = pd.crosstab(y[typed], labels[typed], rownames=["type"], colnames=["cluster"])
share = counts.div(counts.sum(axis="columns"), axis="index")
main = share.idxmax(axis="columns")[share.max(axis="columns") >= 0.5]
for cluster, types in main.groupby(main):
    if len(types) > 1:
        print(f"{cluster:2}: {', '.join(types.index)}")

# %%
# Nearly all are related types. One cluster has most input and output neurons of the
# mushroom body (``MBIN-DAN``, ``MBON``, ``APL``), another one the local neurons of the
# antennal lobe (``pLN``, ``cLN``, ...); others have both types of photoreceptors, three
# of four types of ring gland neurons (``RGN``), or the other projection neurons. Types
# of a dozen neurons and fewer hardly ever get a cluster of their own. Kenyon cells have
# one cluster for one and two claws, one for three to five, and two for other ones.
#
# Split types
# -----------
# These types have two or more clusters of at least 25 typed neurons each. The table
# shows whether they are the left and the right side, and how they differ otherwise.
# ``in`` and ``out`` are synapses of the median neuron; ``from`` and ``onto`` the two
# known types with the most synapses.

from celltyping import TypeProfile

profile = TypeProfile(edge_weighting="linear").fit(connectome, y)
partners = pd.DataFrame(
    profile.transform(connectome).toarray(), columns=profile.get_feature_names_out()
)
n_in = connectome.adjacency.sum(axis=0)
n_out = connectome.adjacency.sum(axis=1)


def strongest(synapses, side):
    """Name the two types with the most synapses on one side."""
    columns = synapses[synapses.index.str.startswith(side)]
    return ", ".join(columns.nlargest(2).index.str.removeprefix(side))


pieces = {}
for name, sizes in counts.iterrows():
    large = sizes[sizes >= 25].sort_values(ascending=False)
    for cluster in large.index if len(large) > 1 else []:
        piece = (y == name) & (labels == cluster)
        side = larva.frame["hemisphere"][piece]
        synapses = partners[piece].sum()
        pieces[name, cluster] = {
            "left": np.sum(side == "L"),
            "right": np.sum(side == "R"),
            "in": np.median(n_in[piece]),
            "out": np.median(n_out[piece]),
            "from": strongest(synapses, "in_"),
            "onto": strongest(synapses, "out_"),
        }
pd.DataFrame(pieces).T.rename_axis(["type", "cluster"])

# %%
# They are not the sides: about half of every part is left. They differ in their
# partners, or in their number of synapses.
#
# - ``LHN``, neurons of the lateral horn: one cluster gets input from the projection
#   neurons (``uPN``), the other one projects to convergence neurons (``CN``).
# - ``dVNC``, which descend to the nerve cord: three of their five clusters get input
#   from ``CX``, two do not. The type is defined by a target outside of this brain.
# - ``sens-AN`` and ``sens-MN`` are sensory neurons, typed by their nerve. They are
#   split by their targets, and those of either nerve with the same targets (``dSEZ``,
#   ``mPN-multi``) share a cluster.
# - ``KC``, Kenyon cells without a number of claws: about half of them have hardly any
#   synapse.
#
# So connectivity does not recover types that are defined by something else. Such a
# cluster may be meaningful, but it is not a type that anatomists have named.
#
# The method does not use the sides. Still, most left-right pairs, typed or not, are in
# one cluster:

pairs = larva.frame.assign(cluster=labels).query("pair_id >= 0")
pairs = pairs.groupby("pair_id")["cluster"].agg(["size", "nunique"])
pairs = pairs[pairs["size"] == 2]
together = np.mean(pairs["nunique"] == 1)
by_chance = np.sum(np.square(np.bincount(labels) / len(labels)))
print(f"{together:.0%} of {len(pairs):,} pairs, {by_chance:.0%} by chance")

# %%
# How many clusters?
# ------------------
# ``n_clusters="auto"`` uses the cost, the mean distance of neurons to the mean of their
# cluster. The first clusters reduce it much, later ones little. With ``warm_start`` the
# fit continues from the earlier runs.

from celltyping.plotting import ElbowDisplay

ntac.set_params(n_clusters="auto").fit(connectome)
_ = ElbowDisplay.from_estimator(ntac)

# %%
# The elbow is at about half the number of types. Nothing in this curve points to 59,
# and it has a first, weaker bend near 10. An elbow is a starting point; it does not
# determine the number of types.
#
# A coarser look
# --------------
# :meth:`~celltyping.NtacClusterer.labels_at` returns fewer clusters without a new fit.

for n_clusters in [10, 20, 40, 59, 80]:
    labels = ntac.labels_at(n_clusters)
    print(
        f"{n_clusters:2} clusters: "
        f"adjusted Rand index {adjusted_rand_score(y[typed], labels[typed]):.2f}, "
        f"matched accuracy {matched_accuracy_score(y, labels):.2f}"
    )

# %%
# Agreement grows little from 40 clusters to 59, and is less with 80. Of ten clusters,
# these eight have typed neurons:

_ = ClusterTypesDisplay.from_predictions(y, ntac.labels_at(10), max_types=20)

# %%
# One has most Kenyon cells and their partners in the mushroom body. One has the
# olfactory receptor neurons (``sens-ORN``), their projection neurons, and a part of
# ``LHN`` and ``CN``. One has mainly descending neurons, and three have nearly all other
# sensory neurons. Coarse clusters are regions and pathways rather than types.
