"""
===========================================
Two circles: spectral coordinates and a map
===========================================

No straight line separates two concentric circles. The graph of nearest neighbours
does: :class:`~celltyping.GrEASE` computes the eigenvectors of its Laplacian, and
:class:`~celltyping.NUMAP` starts its layout from these. Both map new points.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

# %%
# The points
# ----------

import numpy as np
from sklearn.datasets import make_circles
from sklearn.model_selection import train_test_split

X, inner = make_circles((540, 360), factor=0.5, noise=0.04, random_state=0)
circle = np.where(inner == 1, "inner", "outer")
X_train, X_new, y_train, y_new = train_test_split(
    X, circle, test_size=1 / 3, random_state=0
)

# %%
# Spectral coordinates
# --------------------
# The first one is the Fiedler vector: of all functions that are not constant, the one
# that changes least between neighbours. With 40 neighbours a few edges join the
# circles, so its eigenvalue, the Fiedler value, is not quite 0.

from celltyping import GrEASE

grease = GrEASE(n_components=5, n_neighbors=40).fit(X_train)
print("Eigenvalues:", *(f"{value:.5f}" for value in grease.eigenvalues_))

# %%
# On the left the points where they are, coloured by the Fiedler vector. The next two
# coordinates go round the outer circle, the last two round the inner one, and each pair
# has all of the other circle in one place. New points have a dark rim.

import matplotlib.pyplot as plt

from celltyping.plotting import EmbeddingDisplay

old, new = grease.embedding_, grease.transform(X_new)
fig, axes = plt.subplots(1, 3, figsize=(13, 4.4), layout="compressed")
EmbeddingDisplay.from_embedding(
    X_train,
    new_embedding=X_new,
    color=old[:, 0],
    new_color=new[:, 0],
    color_name="Fiedler vector",
    name="the data",
    ax=axes[0],
)
for first, ax in zip([1, 3], axes[1:], strict=True):
    pair = slice(first, first + 2)
    EmbeddingDisplay.from_embedding(
        old[:, pair],
        new_embedding=new[:, pair],
        color=y_train,
        new_color=y_new,
        axis_names=[f"grease{first}", f"grease{first + 1}"],
        name="GrEASE",
        ax=ax,
    )

# %%
# The sign of the Fiedler vector says which circle a point belongs to, for new points as
# well:

positive_is = y_train[np.argmax(old[:, 0])]
right = np.mean((new[:, 0] > 0) == (y_new == positive_is))
print(f"New points on the right side of 0: {right:.1%}")

# %%
# Each coordinate alone says little, and five do not fit into a plot.
#
# The map
# -------
# NUMAP starts from the first two spectral coordinates, pulls neighbours together,
# pushes all others apart, and a network learns the result. Two other ways stand beside
# it: all 600 training points are stored as *anchors*, which refine the positions of new
# ones; and a start from principal components.

from celltyping import NUMAP
from celltyping.metrics import neighbor_accuracy_score

fig, axes = plt.subplots(1, 3, figsize=(13, 4.4), layout="compressed")
for options, ax in zip([{}, {"n_anchors": 600}, {"init": "pca"}], axes, strict=True):
    numap = NUMAP(n_neighbors=60, random_state=0, **options).fit(X_train)
    name = ", ".join(f"{key}={value}" for key, value in options.items()) or "default"
    display = EmbeddingDisplay.from_estimator(
        numap,
        X_new,
        color=y_train,
        new_color=y_new,
        label_types=True,
        name=name,
        ax=ax,
    )
    accuracy = neighbor_accuracy_score(
        numap.embedding_, y_train, display.new_embedding, y_new
    )
    print(
        f"{name}: {numap.n_anchors_} anchors, the circle of "
        f"{accuracy:.1%} of the new points is right"
    )

# %%
# By default both rings are there. From spectral coordinates, they lie side by side, as
# parts do that little joins; from principal components, which are the plane of the
# data, they stay in each other. All of these know the circle of new points equally
# well: the start decides where parts lie, not who is near whom.
#
# In the middle, rings are torn, and where is chance. That is what the pulls and pushes
# do to a long, even thread. The network, which is smooth, closes the gaps. On groups it
# is less accurate than anchors, which keep a new point near to points that it is like.
# So NUMAP tries both on training points, and keeps anchors only where they help. Gaps
# in a map with anchors may not be in the data: ``n_anchors=0`` is a way to find out.
