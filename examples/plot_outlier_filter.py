"""
=====================================
Classification with outlier detection
=====================================

A classifier predicts one of its classes even for samples unlike any training sample.
:class:`~celltyping.OutlierFilteredClassifier` adds an outlier detector. We draw its
decision regions in two dimensions, and tune all sub-estimators together.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

# %%
# Three types and outliers
# ------------------------
# Two features of neurons of three types, of which C is rare. Further neurons have been
# labeled as outliers.

import numpy as np
from sklearn.datasets import make_blobs

rng = np.random.default_rng(0)
X, y = make_blobs(
    [400, 300, 60],
    centers=[[-2.0, 0.0], [2.0, 0.5], [0.8, 2.6]],
    cluster_std=[0.9, 0.8, 0.5],
    random_state=0,
)
X = np.vstack([X, rng.uniform([-9, -7], [9, 9], size=(80, 2))])
y = np.append(np.array(["A", "B", "C"])[y], ["outlier"] * 80)

# %%
# Decision regions
# ----------------
# Four classifiers are fitted to the same neurons: nearest neighbours with outliers as a
# fourth class, and three with an outlier detector. The detector is fitted to all
# neurons, the classifier to those that it accepts. The ``outlier_label`` is not a
# class. A sampler of imbalanced-learn balances the types in the last model.

import matplotlib.pyplot as plt
from imblearn.over_sampling import RandomOverSampler
from matplotlib.colors import ListedColormap
from sklearn.covariance import EllipticEnvelope
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import OneClassSVM

from celltyping import OutlierFilteredClassifier

names = ["A", "B", "C", "outlier"]
colors = ["#0072b2", "#d55e00", "#009e73", "#999999"]
x1, x2 = np.meshgrid(np.linspace(-9.5, 9.5, 300), np.linspace(-7.5, 9.5, 270))
grid = np.column_stack([x1.ravel(), x2.ravel()])


def draw(model, name, ax):
    """Draw the decision regions, and the boundary of the outlier detector."""
    region = np.searchsorted(names, model.predict(grid)).reshape(x1.shape)
    look = {"cmap": ListedColormap(colors), "vmin": 0, "vmax": 3}
    ax.pcolormesh(x1, x2, region, alpha=0.25, rasterized=True, **look)
    if hasattr(model, "outlier_score"):
        score = model.outlier_score(grid).reshape(x1.shape)
        ax.contour(x1, x2, score, levels=[0], colors="0.2", linewidths=1)
    for i, kind in enumerate(names):
        ax.scatter(*X[y == kind].T, s=6, color=colors[i], label=kind)
    ax.set(title=name, xticks=[], yticks=[], aspect="equal")


neighbors = KNeighborsClassifier()
models = {
    "no filter": neighbors,
    "one-class SVM": OutlierFilteredClassifier(
        neighbors, outlier_detector=OneClassSVM(nu=0.1), outlier_label="outlier"
    ),
    "elliptic envelope": OutlierFilteredClassifier(
        neighbors,
        outlier_detector=EllipticEnvelope(contamination=0.1),
        outlier_label="outlier",
        random_state=0,
    ),
    "one-class SVM, oversampling": OutlierFilteredClassifier(
        neighbors,
        outlier_detector=OneClassSVM(nu=0.1),
        resampler=RandomOverSampler(),
        outlier_label="outlier",
        random_state=0,
    ),
}
fig, axes = plt.subplots(2, 2, figsize=(9, 8.6), layout="compressed")
for (name, model), ax in zip(models.items(), axes.flat, strict=True):
    draw(model.fit(X, y), name, ax)
_ = fig.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=4)

# %%
# Without outlier detection, the regions of types extend into empty space up to the next
# outliers. With it (black line: boundary), they are limited to regions with neurons.
# The one-class SVM follows the neurons, and here also some outliers. The ellipse is too
# simple: it excludes a part of type C, and includes empty space. Oversampling enlarges
# the region of C, but does not change the boundary.
#
# Outliers inside the region of a type cannot be detected with these two features.
#
# Tuning of all sub-estimators
# ----------------------------
# The parameters of sub-estimators have nested names, and sub-estimators are parameters
# themselves. Balanced accuracy is the mean recall of A, B, C and outliers, so both
# outliers with a type and rejected neurons of a type are errors.

from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GridSearchCV, train_test_split

X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.4, stratify=y, random_state=0
)
search = GridSearchCV(
    models["one-class SVM"],
    {
        "estimator__n_neighbors": [5, 15],
        "outlier_detector__nu": [0.03, 0.06, 0.1, 0.15],
        "outlier_detector__gamma": [0.03, 0.1, 0.3, 1],
        "resampler": [None, RandomOverSampler(random_state=0)],
    },
    scoring="balanced_accuracy",
)
models["tuned"] = search.fit(X_train, y_train).best_estimator_
print(search.best_params_)

# %%
# Balanced accuracy on held-out neurons:

for name, model in models.items():
    found = model.fit(X_train, y_train).predict(X_test)
    print(f"{balanced_accuracy_score(y_test, found):.2f}  {name}")

fig, ax = plt.subplots(figsize=(5.4, 4.8), layout="compressed")
draw(search.best_estimator_, "tuned", ax)

# %%
# The search has chosen a wider kernel, which does not follow single outliers. The
# accuracy is not higher than that of our first choice: with 24 held-out neurons of type
# C, one neuron makes a difference of one percent.
