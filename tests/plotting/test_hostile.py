"""Every display against options and data of a wrong kind, size or length."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import inspect

import numpy as np
import pytest
from matplotlib.figure import Figure

from celltyping import plotting
from tests.plotting.test_all_displays import (
    DISPLAYS,
    NEEDED,
    Data,
    draw,
    without_estimator,
)

# Values that are wrong for most options. No option takes the last ones.
VALUES = {
    "None": None,
    "True": True,
    "-1": -1,
    "0": 0,
    "1": 1,
    "half": 0.5,
    "NaN": np.nan,
    "infinity": np.inf,
    "1e308": 1e308,
    "huge integer": 2**70,
    "text": "nope",
    "formula": r"$\frac$",
    "long text": "word " * 300,
    "surrogate": "\ud800",
    "empty list": [],
    "dict": {},
    "dict of no property": {"colour": "red"},
    "dict of huge sizes": {"linewidth": 1e308},
    "dict of numbers": {1: 2},
    "figure": Figure(),
    "polar axes": Figure().add_subplot(projection="polar"),
    "removed axes": Figure().subplots(),
    "axes without room": Figure().add_axes([0, 0, 0, 0]),
    "axes of a huge figure": Figure((1e6, 1e6)).subplots(),
    "bytes": b"a",
    "array": np.ones((2, 2)),
    "mixed list": [[1, "a"], {}],
    "object": object(),
}
VALUES["removed axes"].remove()
NEVER = ("bytes", "mixed list", "object", "axes of a huge figure", "figure")

# Data that some displays can draw.
DRAWABLE = ("None", "unknown", "1e308", "fractions", "infinite")


def options_of(display):
    """Return the names of all options of the methods that make a display."""
    methods = [display.plot, without_estimator(display)]
    if issubclass(display, plotting._scatter._PointsDisplay):
        methods.append(display)
    parameters = [
        one for m in methods for one in inspect.signature(m).parameters.values()
    ]
    names = {one.name for one in parameters if one.kind == one.KEYWORD_ONLY}
    # Of no use without colours, or before `plot_loss`.
    return sorted(names - {"unlabeled_marker", "loss_curve"})


def hostile_vectors(values):
    """Return arrays that break a rule, made from a valid one."""
    n = len(values)
    return {
        "None": None,
        "number": 3,
        "text": "y",
        "set": {"a"},
        "empty": values[:0],
        "too short": values[:-1],
        "two columns": np.stack([values, values], axis=1),
        "ragged": [["a"], ["a", "b"]] * (n // 2),
        "mixed": np.array(["a", 1] * (n // 2), dtype=object),
        "complex": np.full(n, 1j),
        "objects": [object() for _ in range(n)],
        "infinite": np.r_[np.inf, np.arange(1, n)],
        "fractions": np.arange(n) + 0.5,
        "1e308": np.r_[1e308, np.arange(1, n)],
        "unknown": np.full(n, "?"),
    }


def hostile_tables(X):
    """Return tables that break a rule, made from a valid one of floats."""
    return {
        "None": None,
        "number": 3,
        "text": "X",
        "vector": X[:, 0],
        "three dimensions": X[:, :, None],
        "one column": X[:, :1],
        "no rows": X[:0],
        "ragged": [[1.0], [1.0, 2.0]],
        "words": np.full(X.shape, "a"),
        "objects": np.full(X.shape, {}, dtype=object),
        "complex": X + 1j,
        "NaN": np.full(X.shape, np.nan),
        "infinity": np.where(X.max() == X, np.inf, X),
        "1e308": np.where(X.max() == X, -1e308, X),
        "huge integers": np.full(X.shape, 2**2000, dtype=object),
    }


class Drawn(BaseException):
    """Raised instead of a new figure: all checks have passed."""


@pytest.fixture(autouse=True)
def undrawn(monkeypatch, pyplot):
    """Let displays check everything, but make no figure."""

    def refuse(*args, **options):
        raise Drawn

    monkeypatch.setattr(pyplot, "subplots", refuse)
    monkeypatch.setattr(plotting.PairPlotDisplay, "_make_grid", refuse)
    yield
    assert pyplot.get_fignums() == []


def is_refused(names, function, *args, **options):
    """Return whether a call raises, with a message that has one of the names."""
    try:
        function(*args, **options)
    except Drawn:
        return False
    except (TypeError, ValueError) as exc:
        if not any(name.lower() in str(exc).lower() for name in names):
            raise AssertionError(f"none of {names} is named: {exc}") from exc
        return True
    raise AssertionError("neither drawn nor refused")


def test_wrong_options_are_refused_by_name(subtests):
    for display in DISPLAYS:
        with subtests.test(display=display):
            data = Data(4, "KC")
            new = {"EmbeddingDisplay": "new_embedding", "PairPlotDisplay": "X_new"}
            for option in options_of(display):
                options = {}
                if option == "new_color":
                    (points, *_) = data.arguments(display, of_estimator=False)
                    options[new[display.__name__]] = points
                for case, value in VALUES.items():
                    options[option] = value
                    refused = is_refused([option], draw, display, data, **options)
                    assert refused or case not in NEVER, (option, case)


def test_wrong_data_are_refused_by_name(subtests):
    for display in DISPLAYS:
        with subtests.test(display=display):
            data = Data(4, "KC")
            valid = data.arguments(display, of_estimator=False)
            method, options = without_estimator(display), data.options(display, NEEDED)
            parameters = list(inspect.signature(method).parameters)
            for i, given in enumerate(valid):
                is_vector = isinstance(given, np.ndarray) and given.ndim == 1
                hostile = (
                    hostile_vectors(given) if is_vector else hostile_tables(data.X)
                )
                for case, value in hostile.items():
                    arguments = [*valid[:i], value, *valid[i + 1 :]]
                    # Those of the types in `y`, and of lengths that differ.
                    names = [
                        parameters[i],
                        " y ",
                        "types",
                        "probabilities",
                        "persistence",
                    ]
                    refused = is_refused(names, method, *arguments, **options)
                    assert refused or case in DRAWABLE, (parameters[i], case)
