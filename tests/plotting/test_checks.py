"""Checks of options and data: rules, messages, state after an error."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pytest
from matplotlib.figure import Figure

from celltyping.plotting import ElbowDisplay, EmbeddingDisplay, TypeProfileDisplay
from celltyping.plotting._base import _Display
from celltyping.plotting._checks import (
    RULES,
    as_floats,
    check_options,
    check_vectors,
    integer,
    number,
    one_of,
    optional,
)


def test_rules(subtests):
    cases = [
        (integer(1), [1, np.int64(3), 2**70], [0, True, 1.0, "1", None, np.nan]),
        (
            number(lambda x: x > 0, "> 0"),
            [0.5, np.float32(1)],
            [0, True, "1", np.nan],
        ),
        (one_of("a", "b"), ["a"], ["c", None, ["a"], np.array(["a", "b"])]),
        (optional(one_of("a")), [None, "a"], ["b"]),
        (RULES["name"], ["NTAC", "$k$-means", "5 $", ""], [3, "$\\frac$", "\ud800"]),
        (RULES["legend"], [True, np.bool_(False)], [1, "yes", None]),
        (RULES["cmap"], ["viridis", None, {"KC": "red"}], ["rot", ["red"], 3]),
        (RULES["line_kw"], [{"lw": 2}], [{"lw": 1e308}, {"transform": 1}, {1: 2}, 1]),
        (
            RULES["point_kw"],
            [{"s": [9e3, 1]}, {"c": [9e4]}],
            [{"s": [1, 1e5]}, {"lw": np.nan}],
        ),
        (RULES["im_kw"], [{"vmax": 1e9}], [{"extent": (0, 1, 0, 1)}]),
    ]
    for rule, good, bad in cases:
        with subtests.test(rule=rule, good=good, bad=bad):
            test, _ = rule
            assert [test(value) for value in good] == [True] * len(good)
            assert [test(value) for value in bad] == [False] * len(bad)


def test_colours_of_types_are_known():
    message = "colour that matplotlib knows for each type, got 'rot' for 'PN'"
    with pytest.raises(ValueError, match=message):
        RULES["cmap"][0]({"KC": "red", "PN": "rot"})


def test_axes(pyplot):
    good = Figure().subplots()
    removed, tiny = Figure().subplots(), Figure().add_axes([0, 0, 0, 0])
    removed.remove()
    bad = [1, Figure(), Figure().subplots(1, 2), removed, tiny]
    bad += [Figure((1e6, 1e6)).subplots(), Figure((1e4, 1e4)).subplots()]
    bad += [
        Figure().add_subplot(projection=one) for one in ("polar", "mollweide", "3d")
    ]
    for ax in bad:
        with pytest.raises(ValueError, match="ax must be rectilinear axes in a figure"):
            ElbowDisplay.from_path([1, 2], [2, 1], ax=ax)
    assert ElbowDisplay.from_path([1, 2], [2, 1], ax=good).ax_ is good
    with pytest.raises(ValueError, match="ax must be rectilinear or 3d axes"):
        EmbeddingDisplay.from_embedding(np.eye(2), ax=bad[-3])
    assert pyplot.get_fignums() == []


class Lines(_Display):
    """A display that fails where it is told to."""

    def __init__(self, kind="auto"):
        self.kind = kind

    @check_options()
    def plot(self, *, ax=None, alpha=None, fail=False, line_kw=None):
        """Draw a line, or half of it."""
        self._start(ax, (4, 3)).axhline(0, **(line_kw or {}))
        if fail:
            raise KeyboardInterrupt
        return self

    @classmethod
    @check_options("__init__", "plot", without=("ax",))
    def from_data(cls, data, *, least=0, **options):
        """Draw a line without axes."""
        assert data is not None
        return cls(options.pop("kind", "auto")).plot(**options)


def test_all_allowed_options_are_named():
    message = r"Lines.from_data .* 'bogus'; allowed are least, alpha, fail, line_kw$"
    with pytest.raises(TypeError, match=message):
        Lines.from_data(None, bogus=1)
    with pytest.raises(TypeError, match="'ax'; allowed"):
        Lines.from_data(None, ax=None)
    with pytest.raises(
        TypeError, match=r"'figsize'; .*; for a figure of another size, p"
    ):
        Lines().plot(figsize=(4, 3))


def test_options_are_checked_before_the_method_runs():
    with pytest.raises(ValueError, match="alpha must be a number from 0 to 1, or None"):
        Lines.from_data(None, alpha=2)
    with pytest.raises(ValueError, match=r"kind must be one of 'auto', .* got 3"):
        Lines(3).plot()


def test_an_interrupted_plot_leaves_nothing(pyplot):
    lines = Lines().plot()
    before, figure = lines.ax_, pyplot.get_fignums()
    with pytest.raises(KeyboardInterrupt):
        lines.plot(fail=True)
    assert lines.ax_ is before
    assert pyplot.get_fignums() == figure


def test_properties_are_tried_on_another_figure(subtests, pyplot):
    cases = [
        ({"colour": "red"}, r"line_kw .* got {'colour': 'red'}: .* 'colour'"),
        ({"color": "rot"}, "line_kw must hold properties that matplotlib can draw"),
        ({"linewidth": "a"}, "line_kw must hold properties that matplotlib can draw"),
        ({"zorder": "a"}, "line_kw must hold properties that matplotlib can draw"),
        (1, "line_kw must be a dict of properties of the artist, .*, or None, got 1"),
    ]
    for line_kw, message in cases:
        with subtests.test(line_kw=line_kw):
            ax = Figure().subplots()
            with pytest.raises(ValueError, match=message):
                Lines().plot(ax=ax, line_kw=line_kw)
            assert len(ax.lines) == 0
            assert pyplot.get_fignums() == []


def test_any_property_overrides_the_default(subtests, typed_connectome):
    for point_kw in [{"ms": 9}, {"ls": "-"}, {"label": "a"}]:
        with subtests.test(point_kw=point_kw):
            display = TypeProfileDisplay.from_predictions(
                *typed_connectome, compare=("KC", "PN"), point_kw=point_kw
            )
            line = display.containers_[0].lines[0]
            ((name, value),) = point_kw.items()
            found = display.containers_[0] if name == "label" else line
            assert getattr(found, f"get_{name}")() == value


def test_check_vectors():
    first, second = check_vectors({"a": ["x", 1], "b": np.array([[1], [2]])})
    assert first.tolist() == ["x", 1]
    assert second.tolist() == [1, 2]
    for bad in (None, "xy", [], [[1, 2]], [[1], [1, 2]], {1, 2}, [1j, 2]):
        with pytest.raises(ValueError, match="b must be a list of names or numbers"):
            check_vectors({"a": [1, 2], "b": bad})
    with pytest.raises(ValueError, match=r"a must .* of the 3 neurons, got 2"):
        check_vectors({"a": [1, 2]}, ("neurons", 3))


def test_as_floats():
    column = np.array([1, None, 2.5], dtype=object)
    np.testing.assert_array_equal(as_floats(column, "x", "here"), [1, np.nan, 2.5])
    with pytest.raises(ValueError, match=r"x must hold numbers to be drawn here: .*KC"):
        as_floats(np.array(["KC"], dtype=object), "x", "here")
    for large in (np.inf, -1e308, np.longdouble("1e400")):
        with pytest.raises(ValueError, match="x holds infinity or values too large"):
            as_floats(np.array([large]), "x", "here")
    for other in (np.array(["2020-01-01"], "M8[D]"), np.array([2**2000], object)):
        with pytest.raises(ValueError, match="x must hold numbers"):
            as_floats(other, "x", "here")
