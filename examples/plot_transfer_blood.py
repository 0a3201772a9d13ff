"""
============================================
The types of one blood sample, given another
============================================

One experiment on human blood is annotated, another is new. Half of the new cells were
stimulated with interferon, which changes their expression. We transfer the types,
examine the result in four ways, and then look for types that the source does not have.
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
# ``probability`` is the probability of the cell's type. ``cluster_confidence`` is the
# share of all cells of this type that had it before the adaptation to the new
# experiment. Here the types of the new cells are known as well, so we can compare.

import pandas as pd

true = target.obs["celltype_common"].astype(str)
right = table["type"] == true
print(f"{right.mean():.1%} of {len(table)} cells are typed correctly")
sure = pd.cut(table["probability"], [0, 0.5, 0.7, 0.9, 1])
right.groupby(sure, observed=True).agg(cells="size", right="mean").round(2)

# %%
# Types with a low probability are wrong more often. Which types are confused? Ribbons
# lead from the true types to the predicted ones.

from celltyping.plotting import LabelFlowDisplay

_ = LabelFlowDisplay.from_predictions(true, table["type"])

# %%
# Effect of the adaptation
# ------------------------
# The same with an estimator: expression of both experiments in one table, and "?" for
# the type of each new cell. After the networks have learnt the types of the source, the
# types' centroids are moved to fit the new cells. This figure needs no true types: on
# the left are the types predicted before the adaptation, on the right those after it.

from celltyping import make_single_cell_pipeline

blood = load_blood_transfer()
pipeline = make_single_cell_pipeline(gene_names=blood.gene_names, random_state=0)
pipeline.fit(blood.data, blood.target)
_ = LabelFlowDisplay.from_estimator(pipeline)

# %%
# Look closer if many cells change their type here, or if the number behind a name on
# the right, its ``cluster_confidence``, is small: such a type may have absorbed a part
# of another one.
#
# An embedding
# ------------
# The last step of the pipeline is also a transformer: it returns the latents of its
# networks, in which types are separate. :class:`~celltyping.NUMAP` embeds them in two
# dimensions.

import matplotlib.pyplot as plt

from celltyping import NUMAP
from celltyping.plotting import EmbeddingDisplay

is_new = blood.target == "?"
new = blood.data[is_new]
classifier = pipeline[-1]
types = classifier.transduction_[is_new]
embedding = NUMAP(random_state=0).fit(pipeline.transform(new)).embedding_

fig, axes = plt.subplots(2, 2, figsize=(11, 8.6), layout="compressed")
first = EmbeddingDisplay.from_embedding(
    embedding, color=types, name="predicted type", ax=axes[0, 0]
)
for color, name, ax in [
    (blood.types[is_new], "true type", axes[0, 1]),
    (blood.stim[is_new], "interferon", axes[1, 0]),
    (classifier.label_confidence_[is_new], "probability", axes[1, 1]),
]:
    cmap = first.colors_ if name == "true type" else None
    EmbeddingDisplay.from_embedding(embedding, color=color, name=name, cmap=cmap, ax=ax)

# %%
# Where interferon has separated the cells of one type, compare both parts: do they have
# the same predicted type, and with what probability? Probabilities are lowest between
# types, and where cells have changed most.
#
# Marker genes
# ------------
# A check that needs no true types either. The genes whose mean expression in one
# predicted type exceeds their mean in any other most should be known markers of it. A
# type of a few cells has such genes by chance.

import anndata
import scanpy
from scipy import sparse

cells = anndata.AnnData(
    sparse.csr_matrix(pipeline[:2].transform(new)),
    obs=pd.DataFrame({"type": pd.Categorical(types)}, index=blood.cell_names[is_new]),
    var=pd.DataFrame(index=pipeline["filter"].get_feature_names_out(blood.gene_names)),
)
means = cells.to_df().groupby(types).mean()
markers = {
    name: (means.loc[name] - means.drop(name).max()).nlargest(4).index.tolist()
    for name in means.index
}
axes = scanpy.pl.dotplot(cells, markers, groupby="type", show=False)
axes["mainplot_ax"].figure.subplots_adjust(bottom=0.3)  # room for the genes

# %%
# Types that the source does not have
# -----------------------------------
# Now source and target are exchanged. The experiment with interferon is annotated, and
# the other one has three types more: natural killer cells, dendritic cells and
# platelets. Without ``reject_threshold``, every cell gets one of the annotated types.

from celltyping import ItClustClassifier

classifier = ItClustClassifier(reject_threshold=1.2, random_state=0)
table = transfer_labels(
    source,
    target,
    "celltype_common",
    estimator=make_single_cell_pipeline(classifier),
)
true = source.obs["celltype_common"].astype(str)
_ = LabelFlowDisplay.from_predictions(true, table["type"])

# %%
# Share of each type that is rejected:

table["unknown"].groupby(true).agg(cells="size", unknown="mean").round(2)

# %%
# Nearly all natural killer cells are rejected, and most of the few platelets. Dendritic
# cells are not: they share much of their expression with monocytes and B cells, and get
# these types.
#
# Rejection fails if a type has changed as a whole: with source and target as at first,
# the same threshold rejects nearly all stimulated monocytes (CD14). So it is off by
# default; :ref:`the user guide <single_cell>` has measurements.
