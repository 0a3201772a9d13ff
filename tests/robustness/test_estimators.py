"""Every public estimator against hostile data, labels and parameters."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.utils import get_tags

from celltyping import Connectome
from tests._hostile import (
    HOSTILE_PARAMETERS,
    WORK,
    check_answer,
    check_call,
    collect,
    hostile_labels,
    hostile_tables,
)
from tests._public import public_estimators
from tests._subjects import METHODS, check_fit, check_methods, subjects

SUBJECTS = subjects()
ON_TABLES = [one for one in SUBJECTS if not isinstance(one.X, Connectome)]

pytestmark = pytest.mark.filterwarnings("default")

# One of each class, for what does not depend on X.
ONE_EACH = list({type(one.estimator): one for one in SUBJECTS}.values())

every_subject = pytest.mark.parametrize("subject", SUBJECTS, ids=str)
every_subject_on_tables = pytest.mark.parametrize("subject", ON_TABLES, ids=str)
one_subject_per_class = pytest.mark.parametrize("subject", ONE_EACH, ids=str)


def test_every_public_estimator_is_a_subject():
    assert {type(one.estimator) for one in SUBJECTS} == set(public_estimators())


@every_subject_on_tables
def test_fit_on_hostile_data(subject):
    estimator = subject.fitted()
    tables = hostile_tables(subject.X)
    collect(
        lambda name=name, make=make: check_fit(estimator, make(), subject.y, name)
        for name, make in tables.items()
    )


@every_subject_on_tables
def test_hostile_new_rows(subject):
    estimator = subject.fitted()
    tables = hostile_tables(subject.X)
    collect(
        lambda name=name, make=make: check_methods(estimator, make(), name)
        for name, make in tables.items()
    )


@one_subject_per_class
def test_hostile_labels(subject):
    estimator = subject.fitted()
    labels = hostile_labels(subject.y)
    collect(
        lambda name=name, make=make: check_fit(estimator, subject.X, make(), name)
        for name, make in labels.items()
    )


@one_subject_per_class
def test_score_on_hostile_labels(subject):
    estimator = subject.fitted()
    if not hasattr(estimator, "score"):
        return
    cases = [
        (f"score, {name}", {"y": make()})
        for name, make in hostile_labels(subject.y).items()
    ]
    cases += [
        (f"score, sample_weight {name}", {"y": subject.y, "sample_weight": weight})
        for name, weight in {
            "too short": np.ones(3),
            "two columns": np.ones((len(subject.y), 2)),
            "number": 2.0,
            "text": "a",
            "NaN": np.full(len(subject.y), np.nan),
        }.items()
    ]

    def check(name, values):
        answer = check_call(
            lambda: estimator.score(subject.X, **values),
            list(values.values()),
            estimator=estimator,
            name=name,
        )
        check_answer(answer, name)

    collect(lambda case=case: check(*case) for case in cases)


@one_subject_per_class
def test_hostile_parameters(subject):
    def check(parameter, name, value):
        estimator = clone(subject.estimator).set_params(**{parameter: value})
        check_fit(estimator, subject.X, subject.y, f"{parameter}={name}")

    collect(
        lambda case=(parameter, name, value): check(*case)
        for parameter in subject.estimator.get_params(deep=False)
        for name, value in HOSTILE_PARAMETERS.items()
        if not (parameter in WORK and name == "huge integer")
    )


@every_subject_on_tables
def test_sparse_forms_get_one_answer(subject):
    if not get_tags(subject.estimator).input_tags.sparse:
        return
    tables = hostile_tables(subject.X)

    def answers(name):
        X = tables[name]()
        estimator = clone(subject.estimator).fit(X, subject.y)
        for method in METHODS[:3]:
            if hasattr(estimator, method):
                answer = getattr(estimator, method)(X)
                yield answer.toarray() if sparse.issparse(answer) else answer

    expected = list(answers("csr"))
    for form in ("csc", "coo", "csr with duplicates", "csr unsorted"):
        for one, other in zip(answers(form), expected, strict=True):
            np.testing.assert_array_equal(one, other, err_msg=form)
