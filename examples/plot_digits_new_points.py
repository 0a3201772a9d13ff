"""
==================================
Map new data into an old embedding
==================================

We embed handwritten digits. A week later more digits arrive, and
:meth:`celltyping.NUMAP.transform` maps them into the same embedding, in milliseconds,
without a new fit. How good are their positions, and where does a new kind of digit go?
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

# %%
# The first week
# --------------
# Digits of 8 by 8 pixels stand in for any table of numbers. We take them in the order
# in which they are stored. So the later ones may be by other writers than the first,
# which is harder than a random split, and more realistic. The embedding does not use
# the labels.

from sklearn.datasets import load_digits

from celltyping import NUMAP

X, y = load_digits(return_X_y=True)
X_old, y_old = X[:1200], y[:1200]
X_new, y_new = X[1200:], y[1200:]
numap = NUMAP(decoder=True, warm_start=True, random_state=0).fit(X_old)

# %%
# A week later
# ------------
# New digits have a dark rim.

from celltyping.plotting import EmbeddingDisplay

display = EmbeddingDisplay.from_estimator(
    numap, X_new, color=y_old, new_color=y_new, color_name="digit"
)

# %%
# Most new points fall among old ones of their kind. The accuracy of new digits that get
# the most frequent kind of their five nearest old ones:

from sklearn.decomposition import PCA

from celltyping.metrics import neighbor_accuracy_score

pca = PCA(2).fit(X_old)
for name, old, new in [
    ("map", numap.embedding_, numap.transform(X_new)),
    ("first two principal components", pca.transform(X_old), pca.transform(X_new)),
    ("all 64 pixels", X_old, X_new),
]:
    print(f"{neighbor_accuracy_score(old, y_old, new, y_new):.3f}  {name}")

# %%
# Two dimensions keep nearly what the pixels know. What not to read from the map: how
# far apart two groups lie, which of them are beside each other, and how large they are.
# Only who is near whom counts.
#
# Did it learn enough?
# --------------------
# The loss of the network has become flat. If it had not, ``max_epochs`` of the
# :class:`~celltyping.MLPEncoder` should be larger.

_ = display.plot_loss()

# %%
# A new kind of digit
# -------------------
# Suppose nobody had written a 9 in the first week.

import numpy as np
from sklearn.neighbors import NearestNeighbors

known = y_old != 9
without = NUMAP(random_state=0).fit(X_old[known])
nines = without.transform(X_new[y_new == 9])
nearest = NearestNeighbors(n_neighbors=1).fit(without.embedding_)
neighbors = nearest.kneighbors(nines, return_distance=False).ravel()
counts = np.bincount(y_old[known][neighbors])
for kind in np.flatnonzero(counts):
    print(f"{counts[kind]:2} nines lie beside a {kind}")

# %%
# They fall into the existing groups, and nothing in the map warns of it: *every* new
# point gets a position. The distance of a sample to its neighbours in the table does
# warn. Look at that first if new data may contain a new kind.

before = NearestNeighbors(n_neighbors=5).fit(X_old[known])
distances = before.kneighbors(X_new)[0][:, -1]
for name, rows in [("nines", y_new == 9), ("other new digits", y_new != 9)]:
    print(f"{name}: {np.median(distances[rows]):.0f} to the fifth neighbour, in pixels")

# %%
# In a pipeline
# -------------
# As a step like any other. A pipeline passes ``y`` on, which makes the map a supervised
# one: it pulls digits of a kind together. ``target_weight=0`` switches that off.

from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

for target_weight in [0.5, 0]:
    model = make_pipeline(
        MinMaxScaler(),
        NUMAP(target_weight=target_weight, random_state=0),
        KNeighborsClassifier(),
    )
    score = model.fit(X_old, y_old).score(X_new, y_new)
    print(f"target_weight={target_weight}: {score:.3f}")

# %%
# It makes little difference to new digits here. The groups of a supervised map are
# always clean for the samples that it was shown, so do not judge it by them.
#
# From positions to features
# --------------------------
# ``decoder=True`` has also trained a decoder, from positions to pixels. Here are its
# results on straight lines between the medians of two groups.

import matplotlib.pyplot as plt

pairs = [(3, 9), (5, 9), (4, 7), (6, 0)]
fig, axes = plt.subplots(len(pairs), 11, figsize=(8, 3.2), layout="constrained")
for row, (first, last) in zip(axes, pairs, strict=True):
    start, end = (
        np.median(numap.embedding_[y_old == kind], axis=0) for kind in (first, last)
    )
    way = start + np.linspace(0, 1, 11)[:, np.newaxis] * (end - start)
    for ax, pixels in zip(row, numap.inverse_transform(way), strict=True):
        ax.imshow(pixels.reshape(8, 8), cmap="gray_r", vmin=0, vmax=16)
        ax.set_axis_off()

# %%
# Both ends are digits, each a mean of many. Between them, where the map is empty, the
# results mean nothing.
#
# The map grows
# -------------
# After some weeks the new digits become part of the map. A fit from scratch would give
# another one. With ``warm_start=True``, samples start from their positions, and few
# epochs of the layout leave most of them there. Names stand at the median of a kind.

old_map = numap.embedding_.copy()
numap.set_params(n_epochs=50).fit(X)
scratch = NUMAP(random_state=0).fit(X)

fig, axes = plt.subplots(1, 3, figsize=(12, 4.4), layout="compressed")
for name, positions, ax in [
    ("the old map", old_map, axes[0]),
    ("warm start", numap.embedding_, axes[1]),
    ("from scratch", scratch.embedding_, axes[2]),
]:
    kinds = y[: len(positions)]
    EmbeddingDisplay.from_embedding(
        positions, color=kinds, label_types=True, legend=False, name=name, ax=ax
    )

size = np.sqrt(np.sum(np.var(old_map, axis=0)))
for name, model in [("warm start", numap), ("scratch", scratch)]:
    moves = model.embedding_[: len(old_map)] - old_map
    moved = np.median(np.linalg.norm(moves, axis=1))
    print(f"{name}: the median old digit moved by {moved / size:.2f} of the map's size")
