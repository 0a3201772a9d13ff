"""
======================================
Type profiles for any other classifier
======================================

:class:`~celltyping.TypeProfile` turns the connectivity of a neuron into a row of
numbers, its synapses from and onto each type, for any classifier of scikit-learn. This
example compares such pipelines with :class:`~celltyping.NtacClassifier`.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

# %%
# A profile has two columns per known type, one for inputs and one for outputs.

import numpy as np

from celltyping import NtacClassifier, SeedShuffleSplit, TypeProfile
from celltyping.datasets import load_larva_connectome

connectome, y = load_larva_connectome(return_X_y=True)
profile = TypeProfile(edge_weighting="linear").fit(connectome, y)
rows = profile.transform(connectome)
names = profile.get_feature_names_out()
print(f"{rows.shape[0]:,} neurons, {rows.shape[1]} columns, of which 3 are:")
print(names[[0, 1, -1]])

# %%
# The largest entries identify this neuron: a projection neuron, which gets input from
# olfactory receptor neurons.

neuron = int(np.flatnonzero(y == "uPN")[0])
row = rows[[neuron]].toarray().ravel()
for column in np.argsort(-row)[:5]:
    print(f"{names[column]:15} {row[column]:4.0f} synapses")

# %%
# In a pipeline
# -------------
# The profile counts only partners whose type is known in ``fit``. In a pipeline it is
# fitted anew in each fold, so no type leaks from the test neurons.

from sklearn.ensemble import ExtraTreesClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

models = {
    "NtacClassifier": NtacClassifier(damping=0.5, tol=0.02),
    "TypeProfile, extremely random trees": make_pipeline(
        TypeProfile(), ExtraTreesClassifier(200, random_state=0)
    ),
    "TypeProfile, nearest neighbours": make_pipeline(
        TypeProfile(), KNeighborsClassifier(5, metric="cosine", weights="distance")
    ),
}

# %%
# Accuracy with few seeds and with many:

from sklearn.metrics import accuracy_score
from sklearn.model_selection import cross_val_score

from celltyping.metrics import make_typed_scorer

shares = [0.1, 0.2, 0.4]
scores = {name: [] for name in models}
for share in shares:
    splitter = SeedShuffleSplit(n_splits=3, train_size=share, random_state=0)
    for name, model in models.items():
        scores[name].append(
            cross_val_score(
                model,
                connectome,
                y,
                cv=splitter,
                scoring=make_typed_scorer(accuracy_score),
            )
        )

# %%
import matplotlib.pyplot as plt

fig, ax = plt.subplots(figsize=(6.5, 4), layout="constrained")
looks = [("#0072B2", "o"), ("#D55E00", "s"), ("#009E73", "^")]
for (name, values), (color, marker) in zip(scores.items(), looks, strict=True):
    values = np.array(values)
    ax.errorbar(
        shares,
        values.mean(axis=1),
        yerr=values.std(axis=1, ddof=1),
        color=color,
        marker=marker,
        capsize=3,
        label=name,
    )
ax.set(
    xscale="log",
    xlabel="Share of the known types used as seeds",
    ylabel="Accuracy (mean ± s.d. of 3 splits)",
)
ax.set_xticks(shares, [f"{share:.0%}" for share in shares])
ax.minorticks_off()
ax.spines[["top", "right"]].set_visible(False)
_ = ax.legend(frameon=False)

# %%
# The pipelines describe a neuron by those of its partners that are seeds, which are
# few. NtacClassifier types the partners, too, and repeats the comparison. So its lead
# is large with a tenth of the types, and smaller with many of them.
