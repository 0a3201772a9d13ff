"""
============================================
The types of one blood sample, given another
============================================

One experiment on human blood is annotated, another is new. Half of the new cells were
stimulated with interferon, which changes what they express. We carry the types over,
look at what came out in four ways, and then ask for types that the source does not
have.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

# %%
# Two experiments in, a table out
# -------------------------------
# :func:`~celltyping.transfer_labels` aligns genes by name, normalises both experiments
# and returns a row per cell of the new one.

from celltyping import transfer_labels
from celltyping.datasets import load_blood_transfer

blood = load_blood_transfer(as_anndata=True)
source, target = blood.source, blood.target
table = transfer_labels(target, source, "celltype_common", random_state=0)
table.head()

# %%
# ``probability`` is that of the cell's type. ``cluster_confidence`` is the share of all
# cells of this type that would have been called so without a look at the new
# experiment. Here somebody has typed the new cells as well, so we can tell what is
# right.

import pandas as pd

true = target.obs["celltype_common"].astype(str)
right = table["type"] == true
print(f"{right.mean():.1%} of {len(table)} cells are right")
sure = pd.cut(table["probability"], [0, 0.5, 0.7, 0.9, 1])
right.groupby(sure, observed=True).agg(cells="size", right="mean").round(2)

# %%
# Cells of which the classifier is less sure are wrong more often. Which types go where?
# Ribbons lead from the true types to the predicted ones.

from celltyping.plotting import TransferDisplay

_ = TransferDisplay.from_predictions(true, table["type"])

# %%
# What the new cells changed
# --------------------------
# The same as an estimator: expression of both experiments in one table, and "?" for the
# type of each new cell. After the networks have learnt the types of the source, the new
# cells move the types' centroids to where they lie. This picture has no truth in it, so
# it is there for every experiment: on the left what the networks say that have seen the
# source alone, on the right what was left of it.

from celltyping import make_single_cell_pipeline

blood = load_blood_transfer()
pipeline = make_single_cell_pipeline(gene_names=blood.gene_names, random_state=0)
pipeline.fit(blood.data, blood.target)
_ = TransferDisplay.from_estimator(pipeline)

# %%
# Many cells that change their type at this point are a reason to look closer, as is a
# small share behind a name on the right, which is ``cluster_confidence``: such a type
# may have swallowed a part of another one.
#
# A map
# -----
# The last step of the pipeline can also transform: into the latents of its networks, in
# which types are apart. :class:`~celltyping.NUMAP` draws the new cells by these.

import matplotlib.pyplot as plt

from celltyping import NUMAP
from celltyping.plotting import EmbeddingDisplay

is_new = blood.target == "?"
new = blood.data[is_new]
classifier = pipeline[-1]
types = classifier.transduction_[is_new]
places = NUMAP(random_state=0).fit(pipeline.transform(new)).embedding_

fig, axes = plt.subplots(2, 2, figsize=(11, 8.6), layout="compressed")
first = EmbeddingDisplay.from_predictions(
    places, color=types, name="predicted type", ax=axes[0, 0]
)
for color, name, ax in [
    (blood.types[is_new], "true type", axes[0, 1]),
    (blood.stim[is_new], "interferon", axes[1, 0]),
    (classifier.label_confidence_[is_new], "probability", axes[1, 1]),
]:
    cmap = first.colors_ if name == "true type" else None
    EmbeddingDisplay.from_predictions(places, color=color, name=name, cmap=cmap, ax=ax)

# %%
# Where interferon has pulled the cells of one type apart, look at both parts: do they
# have one name, and how probable is it? Doubt is not spread evenly. It is where types
# meet, and where cells have changed most.
#
# Do the markers agree?
# ---------------------
# A look that needs no truth either. Genes that are expressed in one predicted type more
# than in any other should be genes that are known for it. A type of a few cells has
# such genes by chance.

from celltyping.plotting import MarkerGenesDisplay

log_expression = pipeline[:2].transform(new)
names = pipeline["filter"].get_feature_names_out(blood.gene_names)
_ = MarkerGenesDisplay.from_expression(log_expression, types, names, n_genes=4)

# %%
# Types that the source does not have
# -----------------------------------
# Now the other way round. The experiment with interferon is annotated, and the other
# one has three types more: natural killer cells, dendritic cells and platelets. Every
# cell gets a type all the same, unless ``reject_threshold`` is given.

from celltyping import ItClustClassifier

classifier = ItClustClassifier(reject_threshold=1.2, random_state=0)
table = transfer_labels(
    source,
    target,
    "celltype_common",
    estimator=make_single_cell_pipeline(classifier),
)
true = source.obs["celltype_common"].astype(str)
_ = TransferDisplay.from_predictions(true, table["type"])

# %%
# Which types are called unknown?

table["unknown"].groupby(true).agg(cells="size", unknown="mean").round(2)

# %%
# Nearly all natural killer cells are, and most platelets, few as they are. Dendritic
# cells are not: they express much of what monocytes and B cells express, and get these
# types.
#
# The price is paid where a type has changed as a whole: with the experiments as they
# were at first, the same threshold takes nearly all stimulated monocytes (CD14) for
# something new. So rejection is off by default, and
# :ref:`the user guide <single_cell>` has its measured price.
