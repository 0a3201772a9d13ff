"""
==================================================
Find the types of a brain's neurons without labels
==================================================

Nobody has typed the brain yet. :class:`~celltyping.NtacClusterer` looks at the wiring
alone and puts neurons with the same partners together. What does it find in the brain
of a fly larva, whose types are known to us, but not to it?
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

# %%
# Cluster
# -------
# The typed half of the larva's neurons has 59 types, so we ask for 59 clusters. What to
# do when nobody knows a number, stands further down. No type goes into the fit.

import numpy as np

from celltyping import NtacClusterer
from celltyping.datasets import load_larva_connectome

larva = load_larva_connectome()
connectome, y = larva.data, larva.target
ntac = NtacClusterer(n_clusters=59, warm_start=True, random_state=0, n_jobs=-1)
labels = ntac.fit_predict(connectome)
print("Neurons per cluster:", *np.bincount(labels))

# %%
# The typed neurons tell how good that is, in two numbers. The adjusted Rand index says
# how well pairs agree, of one type and in one cluster, of two types and in two: it is 0
# for clusters made at random and 1 for clusters that are the types. Matched accuracy is
# the share of neurons that are right when each cluster is named after one type, each
# type names one cluster, and all that is done as well as it can be.

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
# Some types nearly are clusters: all 42 olfactory receptor neurons (``sens-ORN``) are
# in one, all 42 projection neurons of single glomeruli (``uPN``) in another, each with
# a few other neurons. The rest of the picture is of two kinds.
#
# Merged types
# ------------
# Here are the clusters with at least half of the neurons of two types or more:

import pandas as pd

counts = pd.crosstab(y[typed], labels[typed], rownames=["type"], colnames=["cluster"])
share = counts.div(counts.sum(axis="columns"), axis="index")
home = share.idxmax(axis="columns")[share.max(axis="columns") >= 0.5]
for cluster, types in home.groupby(home):
    if len(types) > 1:
        print(f"{cluster:2}: {', '.join(types.index)}")

# %%
# Nearly all are families. One cluster has most input and output neurons of the mushroom
# body (``MBIN-DAN``, ``MBON``, ``APL``), another one the local neurons of the antennal
# lobe (``pLN``, ``cLN``, ...); others have both types of photoreceptors, three of four
# types of ring gland neurons (``RGN``), or the other projection neurons. Types of a
# dozen neurons and fewer hardly ever get a cluster of their own. Kenyon cells have one
# cluster for one and two claws, one for three to five, and two for other ones.
#
# Split types
# -----------
# These types have two or more clusters of at least 25 typed neurons each. Are they the
# left and the right side? And if not, what are they? ``in`` and ``out`` are synapses of
# the median neuron; ``from`` and ``onto`` the two known types with the most synapses.

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
# They are not the sides: about half of every piece is left. They differ in their
# partners, or in how many synapses they have.
#
# - ``LHN``, neurons of the lateral horn: one cluster is next to the projection neurons
#   (``uPN``), the other one passes on to convergence neurons (``CN``).
# - ``dVNC``, which descend to the nerve cord: three of their five clusters listen
#   to ``CX``, two do not. The type says where they go, which lies outside of this
#   brain.
# - ``sens-AN`` and ``sens-MN`` are sensory neurons, typed by the nerve that they come
#   through. They are split by whom they speak to, and those of either nerve that speak
#   to the same types (``dSEZ``, ``mPN-multi``) share a cluster.
# - ``KC``, Kenyon cells whose claws have no number: about half of them have hardly any
#   synapse.
#
# So types that are defined by something other than wiring do not come back from wiring.
# Such a cluster may be right, but it is not the type that anatomists have named.
#
# The method has not been told about left and right. Still, most pairs of left-right
# partners, typed or not, are in one cluster:

pairs = larva.frame.assign(cluster=labels).query("pair_id >= 0")
pairs = pairs.groupby("pair_id")["cluster"].agg(["size", "nunique"])
pairs = pairs[pairs["size"] == 2]
together = np.mean(pairs["nunique"] == 1)
by_chance = np.sum(np.square(np.bincount(labels) / len(labels)))
print(f"{together:.0%} of {len(pairs):,} pairs, {by_chance:.0%} by chance")

# %%
# How many clusters?
# ------------------
# With ``n_clusters="auto"`` the cost decides: how far neurons are from the mean of
# their cluster. The first clusters save much, later ones little. ``warm_start`` lets
# the fit go on from the clusters that it has.

from celltyping.plotting import ElbowDisplay

ntac.set_params(n_clusters="auto").fit(connectome)
_ = ElbowDisplay.from_estimator(ntac)

# %%
# The elbow is at about half the number of types. Nothing in this curve points to 59,
# and it has a first, weaker bend near 10. An elbow is where to begin; it does not tell
# how many types there are.
#
# A coarser look
# --------------
# :meth:`~celltyping.NtacClusterer.labels_at` gives fewer clusters without a new fit.

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
# One has most Kenyon cells and their partners in the mushroom body. One goes from the
# receptor neurons of smell (``sens-ORN``) over their projection neurons to a part of
# ``LHN`` and ``CN``. One is mainly descending neurons, and three share nearly all other
# sensory neurons. Coarse clusters are regions and pathways more than they are types.
