"""
=======================================
Choose settings with partly known types
=======================================

Grid search and cross-validation work on a connectome as on any table. The splitter
needs care: it has to leave as few types known as in the later use.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

# %%
# Suppose that a tenth of the neurons of a new brain will be typed by hand. To choose
# the settings and to estimate the accuracy, we use the larva, of which about half is
# typed already.

import numpy as np

from celltyping import NtacClassifier, SeedShuffleSplit
from celltyping.datasets import load_larva_connectome

connectome, y = load_larva_connectome(return_X_y=True)

# %%
# The usual five folds are wrong here
# -----------------------------------
# Five folds train on four fifths of the typed neurons. That is far more than the tenth
# of the later use, so the estimate is too high. And they test on untyped neurons, too,
# all of which scikit-learn's own accuracy counts as errors.
#
# :class:`~celltyping.SeedShuffleSplit` trains on a tenth, at least one neuron per type,
# and tests on typed neurons alone. For other splitters,
# :func:`~celltyping.metrics.make_typed_scorer` turns any metric into a scorer that
# leaves untyped neurons out.

from sklearn.metrics import accuracy_score
from sklearn.model_selection import KFold, cross_validate

from celltyping.metrics import make_typed_scorer

model = NtacClassifier(damping=0.5, tol=0.02)
five_folds = KFold(5, shuffle=True, random_state=0)
seed_splits = SeedShuffleSplit(n_splits=3, train_size=0.1, random_state=0)
scoring = {"all": "accuracy", "typed": make_typed_scorer(accuracy_score)}
folds = cross_validate(model, connectome, y, cv=five_folds, scoring=scoring)
splits = cross_validate(model, connectome, y, cv=seed_splits, scoring=scoring["typed"])
scores = {
    "five folds, scikit-learn's accuracy": folds["test_all"],
    "five folds, typed neurons alone": folds["test_typed"],
    "SeedShuffleSplit, a tenth typed": splits["test_score"],
}
for name, score in scores.items():
    print(f"{name:40} {score.mean():.3f}")

# %%
# The first figure is too low, the second too high. The third is the one to expect.

import matplotlib.pyplot as plt

fig, ax = plt.subplots(figsize=(8, 2.5), layout="constrained")
colors = ["0.7", "0.7", "#0072B2"]
for row, (values, color) in enumerate(zip(scores.values(), colors, strict=True)):
    ax.barh(row, values.mean(), color=color)
    ax.plot(values, np.full(len(values), row), "o", color="0.2", markersize=4)
ax.set_yticks(range(len(scores)), scores)
ax.invert_yaxis()
ax.set(xlabel="Accuracy (points: single folds)", xlim=(0, 1))
ax.spines[["top", "right"]].set_visible(False)

# %%
# Grid search
# -----------
# A connectome can be sliced, so :class:`~sklearn.model_selection.GridSearchCV` takes
# it directly. A fold has all edges of the graph, while only its seeds have types.
#
# Accuracy depends mostly on the large types; a macro average weights all types equally.
# One row per setting, with both:

from sklearn.metrics import f1_score
from sklearn.model_selection import GridSearchCV

search = GridSearchCV(
    model,
    {"edge_weighting": ["linear", "sqrt"], "second_order_weight": [0, 0.5]},
    cv=seed_splits,
    scoring={
        "accuracy": scoring["typed"],
        "macro F1": make_typed_scorer(f1_score, average="macro", zero_division=0),
    },
    refit="macro F1",
)
search.fit(connectome, y)

import pandas as pd

columns = ["param_edge_weighting", "param_second_order_weight"]
columns += ["mean_test_accuracy", "mean_test_macro F1", "std_test_macro F1"]
pd.DataFrame(search.cv_results_)[columns].round(3)

# %%
# Three splits are enough for an example, not for a decision: settings that differ by
# less than the standard deviation between splits (the last column) are equivalent. In
# the end the best setting is fitted to all typed neurons, and types the others:

print(search.best_params_)
untyped = y == "?"
print(search.predict(connectome[untyped])[:5])
