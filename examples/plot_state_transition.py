"""
=========================================
Cells in transition from one state to two
=========================================

Cells were taken on eleven days while they turned into one of two types. We embed the
cells of some days with :class:`~celltyping.NUMAP` and map the cells of the other days.
The result depends on whether similar cells were in the fit.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

# %%
# Simulated cells
# ---------------
# Each of 200 genes is switched on or off once, sooner or later. Genes that are switched
# after day 5 belong to one fate alone, so there are two paths from there. A cell is
# known by 200 noisy numbers; its time and its fate are used for nothing but colours and
# scores.

import numpy as np

rng = np.random.RandomState(0)
n_cells, n_genes = 2000, 200
time = rng.uniform(0, 11, n_cells)
day = time.astype(int)
fate = rng.randint(2, size=n_cells)
switch, width = rng.uniform(0, 11, n_genes), rng.uniform(0.4, 1.5, n_genes)
change, gene_fate = rng.normal(size=n_genes), rng.randint(2, size=n_genes)
concerned = (switch < 5) | (gene_fate == fate[:, np.newaxis])
progress = 1 / (1 + np.exp(-(time[:, np.newaxis] - switch) / width))
X = concerned * change * progress + rng.normal(scale=0.6, size=(n_cells, n_genes))

# %%
# Every second day
# ----------------
# The embedding is fitted to the even days. The cells of the odd days are new: they have
# a dark rim.

from celltyping import NUMAP
from celltyping.plotting import EmbeddingDisplay

even = day % 2 == 0
numap = NUMAP(random_state=0).fit(X[even])
_ = EmbeddingDisplay.from_estimator(
    numap, X[~even], color=time[even], new_color=time[~even], color_name="time (days)"
)

# %%
# Cells that the map has never seen fall between the days before and after theirs. How
# well, tell their neighbours: the median time of the 15 nearest old cells in the map
# against the true time, and the most frequent fate of those against the true one, for
# cells from day 7 on.

from scipy.stats import spearmanr
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

new = numap.transform(X[~even])
clock = KNeighborsRegressor(15).fit(numap.embedding_, time[even])
order = spearmanr(clock.predict(new), time[~even]).statistic
votes = KNeighborsClassifier(15).fit(numap.embedding_, fate[even])
late = time[~even] >= 7
right = votes.score(new[late], fate[~even][late])
print(f"Rank correlation with time: {order:.2f}; fate right: {right:.1%}")

# %%
# What is near is near in truth, and the fork is there. But the *length* of a branch and
# its bends say nothing about how long a cell takes or how much it changes. And a
# plainer picture would do here: principal components show this fork, too, since it is
# the largest difference between the cells. A map of neighbours is for more branches
# than two components can show.

import matplotlib.pyplot as plt
from sklearn.decomposition import PCA

pca = PCA(2).fit(X[even])
_ = EmbeddingDisplay.from_embedding(
    pca.transform(X[even]),
    new_embedding=pca.transform(X[~even]),
    color=time[even],
    new_color=time[~even],
    color_name="time (days)",
    name="PCA",
)

# %%
# Only the beginning and the end
# ------------------------------
# Now nobody took cells between day 3 and day 8. When they come later, there is nothing
# on the map that they could lie between. With *anchors*, which are training cells, a
# new cell is mapped to the most similar ones. With ``n_anchors=0``, the network alone
# maps it. (By default NUMAP chooses the way that keeps more neighbours among the
# training cells.)

ends = (day < 3) | (day > 7)
fig, axes = plt.subplots(1, 2, figsize=(11, 4.8), layout="compressed")
maps = {}
for n_anchors, ax in zip([np.sum(ends), 0], axes, strict=True):
    maps[n_anchors] = NUMAP(n_anchors=n_anchors, random_state=0).fit(X[ends])
    EmbeddingDisplay.from_estimator(
        maps[n_anchors],
        X[~ends],
        color=time[ends],
        new_color=time[~ends],
        color_name="time (days)",
        name=f"n_anchors={n_anchors}",
        ax=ax,
    )

# %%
# How far along is a cell? We measure along the straight line from the middle of the
# beginning to the middle of the end of its fate: 0 and 1.

for n_anchors, numap in maps.items():
    new, along = numap.transform(X[~ends]), np.empty(np.sum(~ends))
    start = numap.embedding_[time[ends] < 3].mean(axis=0)
    for k in [0, 1]:
        end = numap.embedding_[(time[ends] > 8) & (fate[ends] == k)].mean(axis=0)
        cells = fate[~ends] == k
        along[cells] = (new[cells] - start) @ (end - start) / np.sum((end - start) ** 2)
    order = spearmanr(along, time[~ends]).statistic
    between = np.mean((along > 0.3) & (along < 0.7))
    print(
        f"{n_anchors:4} anchors: rank correlation with time {order:.2f}, "
        f"{between:.0%} of the cells in the middle"
    )

# %%
# So before you trust the position of a new point, ask: were there similar cells? On the
# left nearly all new cells went to the end of a known state, as if nothing lay between;
# that is the price of anchors, which are good for cells that are like old ones. On the
# right the network, which is smooth, fills the gap. What it draws there is its guess:
# that cells lie between is right, where exactly the paths part is not known.
