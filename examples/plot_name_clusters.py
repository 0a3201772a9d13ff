"""
======================
From clusters to names
======================

Clusters have no names. So an expert looks at a few neurons of the ten largest clusters
of :class:`~celltyping.NtacClusterer` and names them. Can
:class:`~celltyping.NtacClassifier` finish the job from there? What does that gain, and
what does it not?
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

# %%
# Cluster
# -------
# No type goes into this fit. ``representatives_`` are the neurons of each cluster that
# are nearest to its mean, five at most.

import numpy as np

from celltyping import NtacClassifier, NtacClusterer
from celltyping.datasets import load_larva_connectome

connectome, y = load_larva_connectome(return_X_y=True)
ntac = NtacClusterer(n_clusters=59, random_state=0, n_jobs=-1).fit(connectome)

# %%
# The expert
# ----------
# Ours is simulated. They know the published type of a neuron, if it has one, and look
# at nothing but the representatives. A cluster is named after the type that most of
# them have; among equals, after that of the neuron nearest to the mean.

from collections import Counter

names = {}
for cluster, neurons in enumerate(ntac.representatives_[:10]):
    seen = [name for name in y[neurons] if name != "?"]
    if seen:
        names[cluster] = Counter(seen).most_common(1)[0][0]
    print(f"{cluster}: {names.get(cluster, '?'):8} from {', '.join(y[neurons])}")

# %%
# Where no representative has a known type, the expert has no name to give, and where
# two clusters get the same name, they are two parts of one type. Ten clusters have
# become four types.
#
# Finish the job
# --------------
# The representatives of the named clusters, and they alone, are seeds of the
# classifier. Two simpler ways stand beside it: each member of a named cluster gets the
# cluster's name, and the others none; or each neuron gets the name of the nearest among
# the named clusters.

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
# The classifier gives one of its types to every neuron, also to those of types that
# nobody has named. We can let it know of these: the representatives of each unnamed
# cluster become seeds of a type of their own, which stands for "something else".

with_others = given.copy()
for cluster, neurons in enumerate(ntac.representatives_):
    if cluster not in names:
        with_others[neurons] = f"cluster {cluster}"
model = NtacClassifier().fit(connectome, with_others)
typings["NtacClassifier, all clusters"] = model.transduction_

# %%
# How good is it?
# ---------------
# We judge on typed neurons that are no seeds. *Found*: of those that are of a named
# type, the share that gets its name. *Right*: of those that get a name, whatever they
# are, the share for which it is the right one.

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
# clusters. But so does the nearest named cluster, which needs no second fit. And both
# pay for it: neurons of all other types get one of the four names, too. The columns of
# this picture are what they get.

from celltyping.plotting import ConfusedTypesDisplay

_ = ConfusedTypesDisplay.from_predictions(
    y[judged], classifier.transduction_[judged], name="Four types named"
)

# %%
# Each goes to the named type whose partners are most like its own: ``sens-AN`` and half
# of ``dSEZ`` to ``sens-MN``, neurons of the antennal lobe (``sens-ORN``, ``uPN``) to
# ``LHN``, most Kenyon cells to ``CN``, most of ``dVNC`` to ``FBN``. Confidence does not
# give them away. For that, this number would have to be near 1; chance is 0.5:

from sklearn.metrics import roc_auc_score

confidence = classifier.label_confidence_[judged]
print(f"{roc_auc_score(of_named_type[judged], confidence):.2f}")

# %%
# With seeds in all clusters, names are right as often as those of whole clusters are,
# and about as many neurons are found. So if ten clusters are all that will ever be
# named, name whole clusters: the classifier adds nothing that can be trusted.
#
# Whom to look at first
# ---------------------
# What pays is to look into *every* cluster. The expert goes through the representatives
# of each, nearest to the mean first, until one has a known type. Each of these neurons
# is a seed of its own type; then the classifier types all neurons. The same number of
# typed neurons, drawn at random, is the alternative. Then the same again with all
# representatives.


def accuracy(seeds):
    """Fit with these seeds, and judge on all other typed neurons."""
    given = np.full_like(y, "?")
    given[seeds] = y[seeds]
    rest = (y != "?") & (given == "?")
    model = NtacClassifier(learning_rate=0.5, tol=0.02).fit(connectome, given)
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
# One neuron from each cluster is worth more than as many at random. With all
# representatives, nothing is left of that: those of one cluster are alike, so that the
# second tells little that the first has not told. Look at one, then look elsewhere.
