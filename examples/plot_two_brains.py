"""
=======================================
Carry the types of one brain to another
=======================================

One brain is typed, another is not. There is no synapse between the two, but the types
are the same, and so are their partners. :meth:`~celltyping.Connectome.concat` joins the
brains into one graph, and a few seeds in the new brain are enough.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

# %%
# Two brains made of one
# ----------------------
# The two halves of the larva's brain have the same types. We separate them and drop all
# synapses between them, nearly a third. The result are two small brains with missing
# edges, a harder case than two whole brains.

import numpy as np

from celltyping import Connectome, NtacClassifier
from celltyping.datasets import load_larva_connectome

larva = load_larva_connectome()
hemisphere = larva.frame["hemisphere"].to_numpy()


def half(side):
    """Return the connectome of one half of the brain, and its types."""
    inside = hemisphere == side
    view = larva.data[inside]
    return Connectome(view.adjacency, view.node_ids), larva.target[inside]


typed_brain, typed_y = half("L")
new_brain, new_y = half("R")
both = Connectome.concat([typed_brain, new_brain])
print(typed_brain, new_brain, both, sep="\n")

# %%
# Some neurons of the new brain need a type, so that others have partners of known type.
# Without any, no neuron of the new brain is similar to a typed one, and all get the
# most frequent type with a confidence of 0.

all_y = np.concatenate([typed_y, np.full_like(new_y, "?")])
model = NtacClassifier(damping=0.5, tol=0.02).fit(both, all_y)
in_new = np.arange(len(typed_brain), len(both))
print(np.unique(model.predict(both[in_new])), model.label_confidence_[in_new].max())

# %%
# A few seeds
# -----------
# A few neurons of each type are typed in the new brain. The others are predicted, once
# from the new brain alone and once together with the typed brain.


def draw_seeds(n_per_type, random_state):
    """Draw up to `n_per_type` neurons of each type in the new brain."""
    rng = np.random.RandomState(random_state)
    seeds = []
    for name in np.unique(new_y[new_y != "?"]):
        members = np.flatnonzero(new_y == name)
        seeds.extend(rng.permutation(members)[:n_per_type])
    return np.array(seeds, dtype=int)


def accuracy_in_new(brain, y, judged):
    """Fit, and return the accuracy on the test neurons of the new brain."""
    model = NtacClassifier(damping=0.5, tol=0.02).fit(brain, y)
    predicted = model.predict(brain)[-len(new_brain) :]
    return np.mean(predicted[judged] == new_y[judged])


numbers, n_draws = [1, 3, 9], 3
alone, beside = np.zeros((2, len(numbers), n_draws))
for i, n_per_type in enumerate(numbers):
    for draw in range(n_draws):
        seeds = draw_seeds(n_per_type, random_state=draw)
        given = np.full_like(new_y, "?")
        given[seeds] = new_y[seeds]
        judged = (new_y != "?") & (given == "?")
        alone[i, draw] = accuracy_in_new(new_brain, given, judged)
        both_y = np.concatenate([typed_y, given])
        beside[i, draw] = accuracy_in_new(both, both_y, judged)
    print(
        f"{n_per_type} per type: {alone[i].mean():.3f} alone, "
        f"{beside[i].mean():.3f} with the typed brain"
    )

# %%
# The typed brain replaces many seeds. Points are single draws of the seeds, lines their
# means.

import matplotlib.pyplot as plt

fig, ax = plt.subplots(figsize=(6.5, 4), layout="constrained")
for name, values, color, marker in [
    ("with the typed brain", beside, "#0072B2", "o"),
    ("new brain alone", alone, "#D55E00", "s"),
]:
    ax.plot(numbers, values.mean(axis=1), color=color, label=name)
    ax.plot(numbers, values, color=color, marker=marker, linestyle="none")
ax.set_xscale("log")
ax.set_xticks(numbers, numbers)
ax.minorticks_off()
ax.set(
    xlabel="Neurons typed by hand in the new brain, per type (at most)",
    ylabel="Accuracy on its other neurons",
    ylim=(0, 1),
)
ax.spines[["top", "right"]].set_visible(False)
_ = ax.legend(frameon=False)

# %%
# In one brain
# ------------
# In practice the halves need not be separated. Synapses cross the midline, so the typed
# half helps to type the other one even without a seed there, and far more with one seed
# per type:

right = np.flatnonzero(hemisphere == "R")
for n_per_type in [0, 1]:
    given = larva.target.copy()
    given[right] = "?"
    seeds = right[draw_seeds(n_per_type, random_state=0)]
    given[seeds] = larva.target[seeds]
    model = NtacClassifier(damping=0.5, tol=0.02).fit(larva.data, given)
    judged = (larva.target != "?") & (given == "?")
    accuracy = model.score(larva.data[judged], larva.target[judged])
    print(f"{len(seeds):3} seeds: {accuracy:.3f}")
