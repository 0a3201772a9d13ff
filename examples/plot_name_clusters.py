"""
======================
From clusters to names
======================

Clusters have no names. Here an expert names the ten largest clusters of
:class:`~celltyping.NtacClusterer` by a few of their neurons, and
:class:`~celltyping.NtacClassifier` types the other neurons from these. The example
measures the gain over naming whole clusters, and the limits.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

# %%
# Cluster
# -------
# This fit does not use any type. ``representatives_`` are the neurons of each cluster
# nearest to its mean, at most five.

import numpy as np

from celltyping import NtacClassifier, NtacClusterer
from celltyping.datasets import load_larva_connectome

connectome, y = load_larva_connectome(return_X_y=True)
ntac = NtacClusterer(n_clusters=59, random_state=0, n_jobs=-1).fit(connectome)

# %%
# The expert
# ----------
# The expert is simulated: the published types of the representatives are known, where
# they exist. A cluster is named after the most frequent type of its representatives; in
# a tie, after that of the neuron nearest to the mean.

from collections import Counter

names = {}
for cluster, neurons in enumerate(ntac.representatives_[:10]):
    seen = [name for name in y[neurons] if name != "?"]
    if seen:
        names[cluster] = Counter(seen).most_common(1)[0][0]
    print(f"{cluster}: {names.get(cluster, '?'):8} from {', '.join(y[neurons])}")

# %%
# A cluster without a representative of known type gets no name, and clusters with the
# same name are parts of one type. Ten clusters have become four types.
#
# Type the other neurons
# ----------------------
# The representatives of the named clusters are the only seeds of the classifier. Two
# simpler methods are compared with it: each member of a named cluster gets the name of
# the cluster, and the others none; or each neuron gets the name of the nearest named
# cluster.

given, whole = np.full((2, len(y)), "?", dtype=object)
for cluster, name in names.items():
    given[ntac.representatives_[cluster]] = name
    whole[ntac.labels_ == cluster] = name
similarities = ntac.transform(connectome)[:, list(names)]
nearest = np.array(list(names.values()), dtype=object)[similarities.argmax(axis=1)]
classifier = NtacClassifier().fit(connectome, given)
typings = {
    "whole clusters": whole,
    "nearest named cluster": nearest,
    "NtacClassifier": classifier.transduction_,
}

# %%
# The classifier assigns one of its types to every neuron, also to those of unnamed
# types. Seeds for these are possible, too: the representatives of each unnamed cluster
# become seeds of a type of their own, which stands for "something else".

with_others = given.copy()
for cluster, neurons in enumerate(ntac.representatives_):
    if cluster not in names:
        with_others[neurons] = f"cluster {cluster}"
model = NtacClassifier().fit(connectome, with_others)
typings["NtacClassifier, all clusters"] = model.transduction_

# %%
# How good is it?
# ---------------
# The scores use typed neurons that are not seeds. *Found*: the fraction of the neurons
# of a named type that get its name (recall). *Right*: the fraction of the neurons with
# a name for which it is correct (precision).

import pandas as pd

named_types = list(set(names.values()))
judged = (y != "?") & (given == "?")
of_named_type = judged & np.isin(y, named_types)
rows = {}
for method, typing in typings.items():
    has_name = judged & np.isin(typing, named_types)
    rows[method] = {
        "found": np.mean(typing[of_named_type] == y[of_named_type]),
        "right": np.mean(typing[has_name] == y[has_name]),
    }
pd.DataFrame(rows).T.round(2)

# %%
# The classifier finds far more neurons of the named types than there are in the named
# clusters. But so does the nearest named cluster, which needs no second fit. Both have
# a cost: neurons of all other types get one of the four names, too. The columns of this
# figure are the assigned names.

from celltyping.plotting import ConfusedTypesDisplay

_ = ConfusedTypesDisplay.from_predictions(
    y[judged], classifier.transduction_[judged], name="Four types named"
)

# %%
# Each gets the named type with the most similar partners: ``sens-AN`` and half of
# ``dSEZ`` get ``sens-MN``, neurons of the antennal lobe (``sens-ORN``, ``uPN``) get
# ``LHN``, most Kenyon cells ``CN``, most of ``dVNC`` ``FBN``. Confidence does not
# separate them. For that, this area under the ROC curve would have to be near 1; chance
# is 0.5:

from sklearn.metrics import roc_auc_score

confidence = classifier.label_confidence_[judged]
print(f"{roc_auc_score(of_named_type[judged], confidence):.2f}")

# %%
# With seeds in all clusters, names are right as often as those of whole clusters, and
# about as many neurons are found. So if only ten clusters can be named, name whole
# clusters: the classifier adds nothing reliable.
#
# Which neurons to inspect first
# ------------------------------
# It is better to inspect *every* cluster. The expert goes through the representatives
# of each, nearest to the mean first, until one has a known type. Each of these neurons
# is a seed of its own type; then the classifier types all neurons. The alternative is
# the same number of typed neurons drawn at random. Then the same with all
# representatives.


def accuracy(seeds):
    """Fit with these seeds, and score on all other typed neurons."""
    given = np.full_like(y, "?")
    given[seeds] = y[seeds]
    rest = (y != "?") & (given == "?")
    model = NtacClassifier(damping=0.5, tol=0.02).fit(connectome, given)
    return model.score(connectome[rest], y[rest])


typed = np.flatnonzero(y != "?")
looked_at = [neurons[y[neurons] != "?"] for neurons in ntac.representatives_]
rows = {}
for which, n_each in [("one per cluster", 1), ("all representatives", 5)]:
    seeds = np.concatenate([neurons[:n_each] for neurons in looked_at])
    at_random = [
        accuracy(np.random.RandomState(draw).permutation(typed)[: len(seeds)])
        for draw in range(3)
    ]
    rows[which] = {
        "seeds": len(seeds),
        "accuracy": f"{accuracy(seeds):.2f}",
        "drawn at random": ", ".join(f"{value:.2f}" for value in at_random),
    }
pd.DataFrame(rows).T.rename_axis("looked at")

# %%
# One neuron from each cluster is worth more than the same number at random. With all
# representatives, the advantage is lost: those of one cluster are similar, so that a
# second one adds little information. Inspect one neuron per cluster, then others.
