"""Synapses and checks that the tests of their pipelines share."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import pickle

import numpy as np
import pandas as pd
from numpy.testing import assert_array_equal

from celltyping import synapse_table
from celltyping.datasets import make_synapses


def make_few_synapses():
    """Make some four hundred synapses of five neurons in four clusters."""
    return make_synapses(
        5, n_clusters=4, min_synapses=40, max_synapses=150, n_new=40, random_state=0
    )


def check_far_outliers(pipeline, frame):
    """Check that far and huge synapses are noise."""
    far = frame.iloc[::50].copy()
    for axis, away in zip("xyz", (500.0, -400.0, 300.0), strict=True):
        far[axis] = far[f"soma_{axis}"] + away
    huge = frame.iloc[::50].copy()
    huge[["SynArea", "BoutonArea", "BoutonVolume"]] *= 1e4
    for table in (far, huge):
        assert (pipeline.predict(table) == -1).all()
        assert np.isnan(pipeline[:-1].transform(table)).all()
        assert synapse_table(pipeline, table)["outlier"].all()


def check_pickled(pipeline, synapses):
    """Check that a pickled pipeline predicts the same."""
    loaded = pickle.loads(pickle.dumps(pipeline))
    expected = pipeline.predict(synapses.new_frame)
    assert_array_equal(loaded.predict(synapses.new_frame), expected)
    pd.testing.assert_frame_equal(
        synapse_table(loaded, synapses.frame), synapse_table(pipeline, synapses.frame)
    )
