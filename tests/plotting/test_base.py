"""Base of the displays: axes, options, names, predictions, checks, seriation."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import re

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from celltyping import Connectome
from celltyping.plotting._base import (
    _Display,
    check_connectome,
    counted,
    get_axes,
    get_fitted,
    last_step,
    name_after,
    percent,
    predict_types,
    seriate,
    style,
    type_names,
    with_known,
)
from celltyping.plotting._checks import check_options


class Line(_Display):
    """A display of one line."""

    @check_options()
    def plot(self, *, ax=None, height=0, name=None):
        """Draw the line."""
        self._start(ax, (4, 3)).axhline(height)
        self._finish("One line", name)
        return self

    @classmethod
    @check_options("plot")
    def from_estimator(cls, estimator, **plot_options):
        """Draw the line of an estimator.

        Parameters
        ----------
        |**plot_options|
        |Returns|

        Examples
        --------
        """
        return cls().plot(**name_after(plot_options, estimator))


def test_get_axes_makes_a_figure_of_the_size_asked_for():
    ax = get_axes(None, (4, 3))
    np.testing.assert_array_equal(ax.figure.get_size_inches(), [4, 3])
    assert get_axes(None, (4, 3), projection="3d").name == "3d"


def test_get_axes_takes_the_axes_given(pyplot):
    _, axes = pyplot.subplots(1, 2)
    assert get_axes(axes[1], (4, 3)) is axes[1]
    assert len(pyplot.get_fignums()) == 1


def test_without_matplotlib_the_error_names_the_extra(no_matplotlib):
    with pytest.raises(ImportError, match=re.escape('pip install "celltyping[plot]"')):
        Line().plot()


def test_options_go_to_plot(pyplot):
    _, ax = pyplot.subplots()
    line = Line.from_estimator([], ax=ax, height=2)
    assert line.ax_ is ax
    assert line.figure_ is ax.figure
    assert line.ax_.lines[0].get_ydata()[0] == 2


def test_unknown_options_are_refused():
    message = r"Line.from_estimator .* 'colour', 'names'; allowed are ax, height, name$"
    with pytest.raises(TypeError, match=message):
        Line.from_estimator([], height=2, colour="r", names=3)


def test_titles_begin_with_the_name_of_the_method(subtests):
    cases = [
        ({}, "list: one line"),
        ({"name": None}, "list: one line"),
        ({"name": "NTAC"}, "NTAC: one line"),
    ]
    for options, title in cases:
        with subtests.test(options=options, title=title):
            assert Line.from_estimator([], **options).ax_.get_title() == title
            assert Line().plot().ax_.get_title() == "One line"


def test_style_knows_aliases():
    merged = style({"color": "k", "linewidth": 1}, {"lw": 3}, "matplotlib.lines.Line2D")
    assert merged == {"color": "k", "linewidth": 3}


def test_style_refuses_a_property_given_twice():
    with pytest.raises(TypeError, match="aliases of one another"):
        style({}, {"lw": 3, "linewidth": 2}, "matplotlib.lines.Line2D")


def test_style_drops_defaults_that_would_win_or_warn(subtests):
    cases = [
        ({"facecolor": "r"}, {"edgecolor": "w", "facecolor": "r"}),
        ({"c": [1]}, {"edgecolor": "w", "c": [1]}),
        ({"marker": "x"}, {"color": "k", "marker": "x"}),
    ]
    for given, expected in cases:
        with subtests.test(given=given):
            defaults = {"color": "k", "edgecolor": "w"}
            kind = "matplotlib.collections.PathCollection"
            assert style(defaults, given, kind) == expected
            both = {"facecolor": "w", "edgecolor": "w"}
            kind = "matplotlib.patches.Patch"
            assert style(both, {"color": "r"}, kind) == {"color": "r"}


def test_shared_parts_of_docstrings():
    lines = [line.strip() for line in Line.from_estimator.__doc__.splitlines()]
    start = lines.index("**plot_options : dict")
    assert lines[start + 1].startswith("Keyword arguments of `plot`.")
    assert lines[lines.index("Returns") - 1] == ""
    assert lines[lines.index("Examples") - 2] == "The display, drawn."


def test_type_names_are_short_and_never_a_formula(pyplot):
    names = type_names(["a" * 40, "$x$", 3, "KC"])
    assert [len(name) for name in names[:1]] == [25]
    assert names[2:] == ["3", "KC"]
    _, ax = pyplot.subplots()
    as_text = ax.text(0, 0, names[1]).get_window_extent().width
    as_formula = ax.text(0, 0, "$x$").get_window_extent().width
    assert as_text > 2 * as_formula


def test_get_fitted_tells_what_is_missing():
    message = r"caller needs .* has labels_, got KMeans, a class; pass labels"
    with pytest.raises(TypeError, match=message):
        get_fitted(KMeans, "labels_", "caller", "pass labels")
    with pytest.raises(NotFittedError):
        get_fitted(KMeans(), "labels_", "caller")
    fitted = KMeans(1).fit([[0.0], [1.0]])
    assert get_fitted(fitted, "labels_", "caller").tolist() == [0, 0]
    with pytest.raises(TypeError, match=r"has embedding_, got KMeans$"):
        get_fitted(fitted, "embedding_", "caller")


def test_last_step_of_a_pipeline():
    kmeans = KMeans()
    assert last_step(make_pipeline(PCA(), kmeans)) is kmeans
    assert last_step(kmeans) is kmeans


def test_predict_types_refuses_what_does_not_predict():
    with pytest.raises(
        TypeError, match=r"caller needs a fitted .* has predict, got int"
    ):
        predict_types(3, [[0]], ["KC"], "caller")


def test_predict_types_refuses_a_class(oracle):
    with pytest.raises(TypeError, match="got Oracle, a class"):
        predict_types(oracle, [[0]], ["KC"], "caller")


def test_predict_types_refuses_other_lengths_before_it_predicts(oracle):
    class Busy(oracle):
        def predict(self, X):
            raise AssertionError("predicted")

    with pytest.raises(ValueError, match=r"one entry for each of the 2 .*, got 1"):
        predict_types(Busy(None), [[0], [1]], ["KC"], "caller")


def test_with_known_leaves_the_predictions_as_they_are():
    predicted = np.array(["KC", "KC", "PN"])
    merged = with_known(predicted, ["?", "LHN", None], "auto")
    assert merged.tolist() == ["KC", "LHN", "PN"]
    assert predicted.tolist() == ["KC", "KC", "PN"]


def test_with_known_heeds_the_marker():
    assert with_known([1, 2], [-1, -1], -1).tolist() == [1, 2]
    assert with_known([1, 2], [0, 7], 0).tolist() == [1, 7]


def test_check_connectome():
    with pytest.raises(TypeError, match=r"got ndarray: make one .* Connectome\("):
        check_connectome(np.eye(2), "caller")
    connectome = Connectome(np.eye(2))
    (types,) = check_connectome(connectome, "caller", types=["KC", "PN"])
    assert types.tolist() == ["KC", "PN"]
    with pytest.raises(ValueError, match=r"types must .* of the 2 neurons, got 1"):
        check_connectome(connectome, "caller", types=["KC"])


def test_seriate_puts_blocks_together():
    rng = np.random.RandomState(0)
    group = rng.permutation(np.repeat([0, 1, 2], 4))
    profiles = (group[:, None] == group[None, :]) * 10.0 + rng.rand(12, 12)
    ordered = group[seriate(profiles)]
    assert np.count_nonzero(np.diff(ordered)) == 2


def test_seriate_of_few_types(subtests):
    for n_types in [0, 1, 2, 3]:
        with subtests.test(n_types=n_types):
            order = seriate(np.eye(3)[:n_types])
            assert sorted(order) == list(range(n_types))


def test_seriate_puts_empty_rows_last():
    profiles = np.array([[0, 0], [1, 2], [0, 0], [3, 4], [5, 0]])
    assert seriate(profiles)[-2:].tolist() == [0, 2]


def test_seriate_of_very_many_types_skips_the_best_order(monkeypatch):
    monkeypatch.setattr("celltyping.plotting._base.MOST_LEAVES", 3)
    profiles = np.random.RandomState(0).rand(6, 6)
    assert sorted(seriate(profiles)) == list(range(6))


def test_counted(subtests):
    cases = [(0, "0 types"), (np.int64(1), "1 type"), (1234.0, "1,234 types")]
    for number, text in cases:
        with subtests.test(number=number, text=text):
            assert counted(number, "type") == text


def test_percent(subtests):
    cases = [
        (1, "100 %"),
        (0.9996, "> 99 %"),
        (0.423, "42 %"),
        (0.001, "< 1 %"),
        (0, "0 %"),
    ]
    for share, text in cases:
        with subtests.test(share=share, text=text):
            assert percent(share) == text
