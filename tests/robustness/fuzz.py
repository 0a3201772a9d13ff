"""Random combinations of hostile data, labels and parameters: `make fuzz`.

Not collected by `make test`. FUZZ_EXAMPLES is the number of examples.
"""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from celltyping import Connectome
from tests._hostile import (
    HOSTILE_PARAMETERS,
    WORK,
    hostile_labels,
    hostile_tables,
)
from tests._subjects import check_fit, subjects

SUBJECTS = subjects()

pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.timeout(0)]


@settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "2000")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(st.data())
def test_random_combinations(data):
    subject = data.draw(st.sampled_from(SUBJECTS), label="subject")
    names = sorted(subject.estimator.get_params(deep=False))
    parameters = data.draw(
        st.dictionaries(
            st.sampled_from(names),
            st.sampled_from(sorted(HOSTILE_PARAMETERS)),
            max_size=2,
        ),
        label="parameters",
    )
    tables = {"valid": lambda: subject.X}
    if not isinstance(subject.X, Connectome):
        tables = hostile_tables(subject.X)
    labels = hostile_labels(subject.y)
    table = data.draw(st.sampled_from(sorted(tables)), label="X")
    label = data.draw(st.sampled_from(sorted(labels)), label="y")
    estimator = clone(subject.estimator).set_params(
        **{
            name: HOSTILE_PARAMETERS[value]
            for name, value in parameters.items()
            if not (name in WORK and value == "huge integer")
        }
    )
    case = f"{subject}, {parameters}, X {table}, y {label}"
    check_fit(estimator, tables[table](), labels[label](), case)
