"""
================================
Preserve local density (densMAP)
================================

UMAP gives each sample about the same area, so a tight type and a loose one look the
same. With ``densmap=True``, :class:`~celltyping.NUMAP` preserves local density, for new
points as well.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

# %%
# Six groups of 200 samples in 20 dimensions. The loosest one is four times as wide as
# the tightest one. A third of the samples is not used in the fit.

import numpy as np
from sklearn.datasets import make_blobs
from sklearn.model_selection import train_test_split

width = np.geomspace(0.4, 1.6, 6)
centers = np.random.RandomState(1).normal(scale=2, size=(6, 20))
X, group = make_blobs([200] * 6, centers=centers, cluster_std=width, random_state=0)
names = np.array([f"width {w:.1f}" for w in width])[group]
X_train, X_new, y_train, y_new = train_test_split(
    X, names, test_size=1 / 3, random_state=0
)

# %%
# Without and with
# ----------------

import matplotlib.pyplot as plt

from celltyping import NUMAP
from celltyping.plotting import EmbeddingDisplay

fig, axes = plt.subplots(1, 2, figsize=(11, 4.8), layout="compressed")
maps = {}
for densmap, ax in zip([False, True], axes, strict=True):
    maps[densmap] = NUMAP(densmap=densmap, random_state=0).fit(X_train)
    EmbeddingDisplay.from_estimator(
        maps[densmap],
        X_new,
        color=y_train,
        new_color=y_new,
        label_types=True,
        name=f"densmap={densmap}",
        ax=ax,
    )

# %%
# On the left all groups are about as wide. This misleads: *the area of a group on such
# a map tells how many samples it has*, not how different they are. On the right it
# tells both. Distances between groups mean little on either side.
#
# In numbers
# ----------
# :func:`~celltyping.metrics.density_correlation` compares local radii, the mean
# squared distance of a sample to its 15 nearest ones, before and after. And the groups
# are told from the nearest neighbours in the map, which must not get worse.

from celltyping.metrics import density_correlation, neighbor_accuracy_score

for densmap, numap in maps.items():
    new = numap.transform(X_new)
    accuracy = neighbor_accuracy_score(numap.embedding_, y_train, new, y_new)
    print(
        f"densmap={densmap!s:5}: density "
        f"{density_correlation(X_train, numap.embedding_):.2f} on training points, "
        f"{density_correlation(X_new, new):.2f} on new ones; "
        f"neighbours' votes {accuracy:.3f}"
    )
