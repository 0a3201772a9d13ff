"""
===========================================
Type the neurons of a brain from its wiring
===========================================

:class:`~celltyping.NtacClassifier` predicts the types of the neurons of a fly larva's
brain from a tenth of the known types. The example shows the types, their confidence and
the errors.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

# %%
# The data
# --------
# About half of the 3,554 neurons have one of 59 known types. The others have ``"?"``.

import numpy as np

from celltyping import NtacClassifier, SeedShuffleSplit
from celltyping.datasets import load_larva_connectome

larva = load_larva_connectome()
connectome, y = larva.data, larva.target
print(connectome)
print(f"{np.sum(y != '?'):,} of {len(y):,} neurons are typed")

# %%
# To measure the accuracy, nine tenths of the known types are hidden. The rest are the
# *seeds*, at least one per type.

splitter = SeedShuffleSplit(n_splits=1, train_size=0.1, random_state=0)
seeds, hidden = next(splitter.split(connectome, y))
given = np.full_like(y, "?")
given[seeds] = y[seeds]
print(f"{len(seeds)} seeds, {len(hidden):,} hidden types")

# %%
# Fit
# ---
# The fit uses all neurons, typed or not, since untyped neurons are partners, too.

model = NtacClassifier().fit(connectome, given)
print(f"{model.n_iter_} steps")

# %%
# ``transduction_`` holds the types of all neurons.
# :meth:`~celltyping.Connectome.to_series` adds the ids of the neurons:

import pandas as pd

ranked, similarities = model.rank_types(connectome, k=3)
table = pd.DataFrame(
    {
        "type": connectome.to_series(model.transduction_),
        "confidence": connectome.to_series(model.label_confidence_),
        "second": connectome.to_series(ranked[:, 1]),
        "third": connectome.to_series(ranked[:, 2]),
        "known": connectome.to_series(y),
    }
)
table.head(8).round(2)

# %%
# How good is it?
# ---------------
# Accuracy on the hidden types alone:

from celltyping.metrics import ranked_accuracy_score

print(f"right:                  {model.score(connectome[hidden], y[hidden]):.3f}")
print(
    f"right among the first 3: {ranked_accuracy_score(y[hidden], ranked[hidden]):.3f}"
)

# %%
# One number hides a lot. Each point below is a type; those with the most errors have
# their names. Small types are found surprisingly often; several large ones are the
# trouble.

from celltyping.plotting import TypeAccuracyDisplay

_ = TypeAccuracyDisplay.from_estimator(model, connectome[hidden], y[hidden])

# %%
# Which types are taken for which? The numbers are neurons. Most errors stay within a
# family: Kenyon cells by their number of claws, neurons that are sensory, neurons that
# descend.

from celltyping.plotting import ConfusedTypesDisplay

_ = ConfusedTypesDisplay.from_estimator(model, connectome[hidden], y[hidden])

# %%
# The composition of one predicted type: neurons of another type have bars of another
# colour.

from celltyping.plotting import TypeCompositionDisplay

_ = TypeCompositionDisplay.from_estimator(
    model, connectome[hidden], y[hidden], predicted_type="CN"
)

# %%
# ``LHN`` and ``LHN;CN`` are confused because they have the same partners in similar
# numbers, and neurons within either type differ widely.

from celltyping.plotting import TypeProfileDisplay

_ = TypeProfileDisplay.from_predictions(connectome, y, compare=("LHN", "LHN;CN"))

# %%
# The wiring of types
# -------------------
# With every neuron typed, all 376,091 synapses can be summed from type to type. Types
# with similar partners stand side by side. Among the blocks are the mushroom body
# (``KC``, ``MBIN``, ``MBON``) and the antennal lobe (``sens-ORN``, ``uPN``, ``pLN``).

from celltyping.plotting import TypeConnectivityDisplay

_ = TypeConnectivityDisplay.from_estimator(model, connectome, given)
