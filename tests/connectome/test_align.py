"""Alignment of types by id with the nodes in view."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pandas as pd
import pytest

from celltyping.connectome import Connectome


@pytest.fixture
def con():
    return Connectome(np.ones((4, 4)), node_ids=[10, 20, 30, 40])


@pytest.mark.parametrize("make", [dict, lambda pairs: pd.Series(dict(pairs))])
def test_strings(con, make):
    y = con.align(make([(40, "KC"), (10, "PN"), (20, None), (30, np.nan)]))
    assert y.dtype == object
    assert y.tolist() == ["PN", "?", "?", "KC"]


def test_integers(subtests, con):
    cases = [
        {40: 7, 10: 3},
        {40: 7, 10: 3, 20: None},
        {40: 7.0, 10: 3.0, 20: np.nan},
        {40: np.int8(7), 10: 3},
        pd.Series({40: 7, 10: 3}),
        pd.Series({40: 7, 10: 3, 20: np.nan}),
        pd.Series({40: 7, 10: 3, 20: None}, dtype="Int64"),
        pd.Series({40: 7, 10: 3}, dtype="category"),
    ]
    for labels in cases:
        with subtests.test(labels=labels):
            y = con.align(labels)
            assert y.dtype == np.int64
            assert y.tolist() == [3, -1, -1, 7]


def test_dtypes_of_pandas(subtests, con):
    for dtype in [None, "string", "category", object]:
        with subtests.test(dtype=dtype):
            labels = pd.Series(["PN", None], index=[20, 30], dtype=dtype)
            assert con.align(labels).tolist() == ["?", "PN", "?", "?"]


def test_texts_of_missing_types(con):
    types = pd.Series(["PN", None, np.nan, "KC"], index=con.node_ids)
    expected = ["PN", "?", "?", "KC"]
    assert con.align(types.fillna("")).tolist() == expected
    assert con.align(types.fillna("?")).tolist() == expected
    assert con.align(types.astype(object).map(str)).tolist() == expected
    expected = ["PN", "none", "none", "KC"]
    assert con.align(types.fillna(" "), missing="none").tolist() == expected
    assert con.align({10: 3, 20: "?"}).tolist() == [3, -1, -1, -1]


def test_nothing_known(con):
    assert con.align({}).tolist() == ["?"] * 4
    assert con.align({10: None}).tolist() == ["?"] * 4
    y = con.align(pd.Series([np.nan], index=[10]))
    assert y.dtype == np.int64
    assert y.tolist() == [-1] * 4


def test_missing_value_among_strings(subtests, con):
    for missing, expected in [("", ["PN", ""]), (None, ["PN", None]), (-1, ["PN", -1])]:
        with subtests.test(missing=missing):
            assert con[:2].align({10: "PN"}, missing=missing).tolist() == expected


@pytest.mark.parametrize(("missing", "dtype"), [(0, np.int64), ("?", object)])
def test_missing_value_among_integers(con, missing, dtype):
    y = con[:2].align({10: 5}, missing=missing)
    assert y.dtype == dtype
    assert y.tolist() == [5, missing]


def test_a_view_takes_labels_of_the_whole_graph(con):
    labels = {10: "PN", 20: "KC", 30: "LN", 40: "MBON"}
    assert con[[3, 0, 0]].align(labels).tolist() == ["MBON", "PN", "PN"]


def test_text_ids():
    con = Connectome(np.ones((2, 2)), node_ids=["a", "bb"])
    labels = pd.Series(["PN"], index=["bb"])
    assert con.align(labels).tolist() == ["?", "PN"]


def test_ids_of_18_digits():
    ids = [720575940612345678, 720575940612345679]
    con = Connectome(np.ones((2, 2)), node_ids=ids)
    assert con.align({ids[1]: "PN"}).tolist() == ["?", "PN"]
    assert con.align(pd.Series(["PN"], index=ids[:1])).tolist() == ["PN", "?"]


def test_unknown_ids_are_refused_by_name_and_number(con):
    message = (
        "4 of the 5 ids in labels are not in the connectome: 1, 2, 3, 4; "
        "unknown_ids='ignore' leaves them out$"
    )
    with pytest.raises(ValueError, match=message):
        con.align(dict.fromkeys([10, 1, 2, 3, 4], "PN"))
    with pytest.raises(ValueError, match="1 of the 1 ids in labels"):
        con.align({99: None})


def test_unknown_ids_are_ignored_on_request(con):
    labels = {99: "LN", 40: "KC", 10: None, 98: 5}
    assert con.align(labels, unknown_ids="ignore").tolist() == ["?", "?", "?", "KC"]
    assert con.align({}, unknown_ids="ignore").tolist() == ["?"] * 4
    message = "2 of the 2 ids in labels are not in .*: 1, 2, which has 10, 20, 30, ..."
    with pytest.raises(ValueError, match=message):
        con.align({1: "PN", 2: "KC"}, unknown_ids="ignore")
    with pytest.raises(ValueError, match="unknown_ids must be 'raise' or 'ignore', go"):
        con.align({10: "PN"}, unknown_ids="drop")


def test_ids_of_another_kind_are_refused(con):
    message = r"ids in labels are strings \('10', \.\.\.\), but the ids in the conn"
    with pytest.raises(TypeError, match=message):
        con.align({"10": "PN"})


def test_repeated_ids_are_refused(con):
    labels = pd.Series(["PN", "KC"], index=[10, 10])
    message = r"ids of labels must be unique, but repeat the ids 10; .*\.duplicated"
    with pytest.raises(ValueError, match=message):
        con.align(labels)


def test_labels_by_position_are_refused(con):
    for labels in (["PN"] * 4, np.array(["PN"] * 4)):
        with pytest.raises(TypeError, match="labels must be a Series or a dict by id"):
            con.align(labels)
    table = pd.DataFrame({"id": [10], "type": ["PN"]})
    with pytest.raises(TypeError, match=r"a DataFrame: .*set_index\('id'\)\['type'\]"):
        con.align(table)
    message = "which has 10, 20, 30, ..."  # the ids are not in the index
    with pytest.raises(ValueError, match=message):
        con.align(table["type"])


def test_a_missing_value_that_is_no_scalar_is_refused(subtests, con):
    for missing in [[1, 2], (1, 2), {}, np.zeros(2)]:
        with (
            subtests.test(missing=missing),
            pytest.raises(TypeError, match="missing must be a scalar, got"),
        ):
            con.align({10: "PN"}, missing=missing)


def test_a_missing_value_beyond_int64(con):
    assert con[:2].align({10: 5}, missing=2**70).tolist() == [5, 2**70]


def test_types_of_another_kind_are_refused(subtests, con):
    cases = [
        ([1, "PN"], TypeError, "labels must be all integers or all strings, got int"),
        ([True, False], TypeError, "got bool"),
        ([("a",), ("b",)], ValueError, "got tuple such as"),
        ([0.5, 1.0], ValueError, "labels must be integers or strings, got floats"),
    ]
    for types, error, found in cases:
        with subtests.test(types=types), pytest.raises(error, match=found):
            con.align(dict(zip([10, 20], types, strict=True)))


def test_minus_one_must_not_become_a_class(con):
    message = "labels holds only the types 1 and -1, so that -1 for the 2 unknown nodes"
    with pytest.raises(ValueError, match=message):
        con.align({10: 1, 20: -1})
    with pytest.raises(ValueError, match="use strings as types"):
        con.align({10: 1}, missing=-1)
    # These cases are not ambiguous:
    assert con.align({10: 1, 20: -1}, missing=0).tolist() == [1, -1, 0, 0]
    assert con.align({10: 1, 20: -1, 30: 2}).tolist() == [1, -1, 2, -1]
    assert con[:2].align({10: 1, 20: -1}).tolist() == [1, -1]
    assert con.align({10: -1}).tolist() == [-1] * 4


def test_labels_are_not_changed(con):
    labels = pd.Series({40: "KC", 10: None})
    before = labels.copy()
    con.align(labels)[0] = "x"
    pd.testing.assert_series_equal(labels, before)
