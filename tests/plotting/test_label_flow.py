"""LabelFlowDisplay: ribbons from type to type."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from sklearn.base import BaseEstimator
from sklearn.datasets import make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Bunch

from celltyping import ItClustClassifier
from celltyping.plotting import EmbeddingDisplay, LabelFlowDisplay
from celltyping.plotting._scatter import OTHERS_GREY, PALETTE, UNKNOWN_GREY

SAME = "cells have the same type at both ends"


@pytest.fixture
def cells():
    """Give types of 100 cells at both ends: NK is lost, some cells are unknown."""
    start = ["B"] * 30 + ["NK"] * 10 + ["T"] * 50 + ["?"] * 10
    end = ["B"] * 29 + ["T"] + ["T"] * 10 + ["T"] * 42 + ["unknown"] * 8
    end += ["B"] * 3 + [None] * 7
    return np.array(start, dtype=object), np.array(end, dtype=object)


def many(n_types=30, n_cells=3000, seed=0):
    """Return types of many sizes at both ends, which agree in part."""
    rng = np.random.RandomState(seed)
    start = (n_types * rng.rand(n_cells) ** 2).astype(int)
    end = start.copy()
    astray = rng.rand(n_cells) < 0.2
    end[astray] = (start[astray] + rng.choice([-1, 1, 5], astray.sum())) % n_types
    names = np.array([f"a type of cells {i}" for i in rng.permutation(n_types)])
    return names[start], names[end]


def flow(display, start, end):
    """Return the number of cells between two types; None is unknown."""
    places = [*display.types, "others", None]
    return display.flows[places.index(start), places.index(end)]


def written(display):
    """Return the names that can be seen, those on the left and those on the right."""
    shown = [text for text in display.names_ if text.get_visible()]
    sides = ("right", "left")
    return [
        [text.get_text() for text in shown if text.get_ha() == side] for side in sides
    ]


def heights(display):
    """Return the heights of the bars, those on the left and those on the right."""
    left = [bar.get_height() for bar in display.bars_ if bar.get_x() < 0.5]
    right = [bar.get_height() for bar in display.bars_ if bar.get_x() > 0.5]
    return left, right


def test_numbers(cells):
    display = LabelFlowDisplay.from_predictions(*cells)
    assert sorted(display.types) == ["B", "NK", "T"]
    expected = {
        ("B", "B"): 29,
        ("B", "T"): 1,
        ("NK", "T"): 10,
        ("T", "T"): 42,
        ("T", None): 8,
        (None, "B"): 3,
        (None, None): 7,
    }
    for pair, number in expected.items():
        assert flow(display, *pair) == number
    assert display.flows.sum() == sum(expected.values()) == 100
    assert display.n_same == 71
    assert display.n_types_in_all == 3


def test_bars_and_ribbons_have_the_height_of_their_cells(cells):
    display = LabelFlowDisplay.from_predictions(*cells, min_share=0)
    left, right = heights(display)
    assert left == [n for n in display.flows.sum(axis=1) if n]
    assert right == [n for n in display.flows.sum(axis=0) if n]
    assert len(display.ribbons_) == 7
    ends = {0: [], 1: []}
    for patch in display.ribbons_:
        outline = patch.get_path().to_polygons(closed_only=True)[0]
        for side, x in enumerate((outline[:, 0].min(), outline[:, 0].max())):
            y = outline[np.isclose(outline[:, 0], x), 1]
            ends[side].append((y.min(), y.max()))
    # Together, the ends of ribbons cover the bars, and none covers another.
    for side in (0, 1):
        bars = [bar for bar in display.bars_ if (bar.get_x() > 0.5) == side]
        edges = np.array(sorted(ends[side]))
        assert (edges[1:, 0] >= edges[:-1, 1] - 1e-9).all()
        for bar in bars:
            inside = (edges[:, 0] >= bar.get_y() - 1e-9) & (
                edges[:, 1] <= bar.get_y() + bar.get_height() + 1e-9
            )
            covered = np.diff(edges[inside], axis=1).sum()
            assert covered == pytest.approx(bar.get_height())


def test_bars_of_a_side_do_not_touch():
    display = LabelFlowDisplay.from_predictions(*many())
    for is_right in (False, True):
        bars = [bar for bar in display.bars_ if (bar.get_x() > 0.5) == is_right]
        ends = np.array([(bar.get_y(), bar.get_y() + bar.get_height()) for bar in bars])
        assert len(ends) == 30
        assert (ends[1:, 0] > ends[:-1, 1]).all()


def test_names_and_numbers(cells):
    display = LabelFlowDisplay.from_predictions(*cells)
    left, right = written(display)
    order = display.types.tolist()
    numbers = {"B": "B (30)", "NK": "NK (10)", "T": "T (50)"}
    assert left == [*(numbers[name] for name in order), "(unknown) (10)"]
    # 29 of 32 cells called B were B, 42 of 53 cells called T were T.
    numbers = {"B": "B (32, 91 %)", "T": "T (53, 79 %)"}
    assert right == [
        *(numbers[name] for name in order if name != "NK"),
        "(unknown) (15)",
    ]
    headings = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert headings == [
        "True type\n(cells)",
        "Predicted type\n(cells, share from the same type)",
    ]
    assert display.plot(include_values=False) is display
    assert written(display)[0] == [*order, "(unknown)"]
    headings = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert headings == ["True type", "Predicted type"]


def test_start_name_and_end_name(cells):
    display = LabelFlowDisplay.from_predictions(
        *cells, start_name="Before", end_name="After", include_values=False
    )
    headings = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert headings == ["Before", "After"]


def test_title(cells):
    display = LabelFlowDisplay.from_predictions(*cells, min_share=0)
    assert display.ax_.get_title() == f"71 % of 100 {SAME}"
    display.plot(name="Ours")
    title = display.ax_.get_title().replace("\n", " ")
    assert title == (f"Ours: 71 % of 100 {SAME} (1 cell in 1 small ribbon not drawn)")


def test_small_ribbons_are_hidden_and_counted():
    # 3 % of B and 9 % of NK; 2 % of B and 2 % of T.
    start = ["B"] * 100 + ["NK"] * 30 + ["T"] * 100
    end = ["B"] * 95 + ["NK"] * 3 + ["T"] * 2 + ["NK"] * 30 + ["T"] * 100
    display = LabelFlowDisplay.from_predictions(start, end)
    assert len(display.ribbons_) == 4
    assert display.n_hidden_ == 2
    assert sum(heights(display)[0]) == sum(heights(display)[1]) == 230
    display.plot(min_share=0.01)
    assert len(display.ribbons_) == 5
    assert display.n_hidden_ == 0
    assert "not drawn" not in display.ax_.get_title()
    display.plot(min_share=0.1)
    assert len(display.ribbons_) == 3
    assert display.n_hidden_ == 5
    assert "(5 cells in 2 small ribbons not drawn)" in display.ax_.get_title().replace(
        "\n", " "
    )


def test_colours(cells):
    display = LabelFlowDisplay.from_predictions(*cells, min_share=0)
    expected = dict(zip(["B", "NK", "T"], PALETTE, strict=False))
    assert display.colors_ == {name: hex_.lower() for name, hex_ in expected.items()}
    order = display.types.tolist()
    faces = [bar.get_facecolor() for bar in display.bars_]
    left = [*(expected[name] for name in order), UNKNOWN_GREY]
    right = [*(expected[name] for name in order if name != "NK"), UNKNOWN_GREY]
    np.testing.assert_allclose(
        faces, [to_rgba(color) for color in left + right], atol=0.5 / 255
    )
    # A ribbon has the colour of its start, and is paler where the type stays.
    ways = np.argwhere(display.flows)
    for patch, (i, j) in zip(display.ribbons_, ways, strict=True):
        color = [*order, None, None][i]
        color = UNKNOWN_GREY if color is None else expected[color]
        assert patch.get_facecolor()[:3] == pytest.approx(to_rgba(color)[:3], abs=0.002)
        assert patch.get_alpha() == (0.3 if i == j else 0.65)


def test_colours_are_those_of_a_map(cells):
    start, end = cells
    embedding = np.random.RandomState(0).randn(100, 2)
    first = EmbeddingDisplay.from_embedding(embedding, color=start)
    assert LabelFlowDisplay.from_predictions(start, start).colors_ == first.colors_
    # Without NK, T would have another colour.
    same = LabelFlowDisplay.from_predictions(end, end, cmap=first.colors_)
    assert same.colors_ == {name: first.colors_[name] for name in ("B", "T")}
    assert LabelFlowDisplay.from_predictions(end, end).colors_ != same.colors_
    back = EmbeddingDisplay.from_embedding(
        embedding, color=end, unlabeled_marker="unknown", cmap=same.colors_
    )
    assert back.colors_ == same.colors_


def test_ribbon_kw(cells):
    display = LabelFlowDisplay.from_predictions(
        *cells, ribbon_kw={"lw": 2, "alpha": 0.5, "color": "red"}
    )
    assert {patch.get_linewidth() for patch in display.ribbons_} == {2}
    faces = {patch.get_facecolor() for patch in display.ribbons_}
    assert faces == {to_rgba("red", 0.5)}


def test_types_that_are_not_shown_share_a_bar():
    start, end = many()
    display = LabelFlowDisplay.from_predictions(start, end, max_types=5)
    assert len(display.types) == 5
    assert display.flows.shape == (7, 7)
    assert display.flows.sum() == 3000
    sizes = {name: np.sum(start == name) + np.sum(end == name) for name in set(start)}
    largest = sorted(sizes, key=sizes.get)[-5:]
    assert sorted(display.types) == sorted(largest)
    np.testing.assert_array_equal(
        display.flows.sum(axis=0)[:5], [np.sum(end == name) for name in display.types]
    )
    left, right = written(display)
    n_others = np.sum(~np.isin(start, largest))
    assert left[-1] == f"(25 other types) ({n_others:,})"
    assert right[-1].startswith("(25 other types) (")
    face = display.bars_[5].get_facecolor()
    assert face == to_rgba(OTHERS_GREY)
    # Cells that go from one of the others to another have another type at the end.
    share = round(100 * np.mean(start == end))
    assert display.ax_.get_title().startswith(f"{share} % of 3,000 cells")


def test_share_stays_that_of_all_types():
    all_shown = LabelFlowDisplay.from_predictions(*many())
    some = LabelFlowDisplay.from_predictions(*many(), max_types=5)
    assert set(written(some)[1][:5]) < set(written(all_shown)[1])


def overlaps(display):
    """Return the pairs of names that cover each other."""
    display.figure_.draw_without_rendering()
    shown = [text for text in display.names_ if text.get_visible()]
    boxes = [text.get_window_extent() for text in shown]
    return [
        (shown[i].get_text(), shown[j].get_text())
        for i in range(len(boxes))
        for j in range(i)
        if boxes[i].padded(-1).overlaps(boxes[j].padded(-1))
    ]


def test_names_do_not_cover_each_other(subtests, clipped):
    for n_types in [2, 12, 30]:
        with subtests.test(n_types=n_types):
            display = LabelFlowDisplay.from_predictions(*many(n_types))
            assert overlaps(display) == []
            assert clipped(display.figure_) == []
            assert len(written(display)[0]) == n_types


def test_small_axes_have_the_names_of_the_largest_bars(pyplot):
    _, ax = pyplot.subplots(figsize=(6, 1.8), layout="constrained")
    start, end = many()
    display = LabelFlowDisplay.from_predictions(start, end, ax=ax)
    left, _ = written(display)
    assert 3 < len(left) < 20
    sizes = [int(name.rpartition("(")[2][:-1].replace(",", "")) for name in left]
    assert (
        sorted(sizes) == sorted(np.unique(start, return_counts=True)[1])[-len(left) :]
    )
    assert overlaps(display) == []


def test_stored_numbers_are_enough():
    display = LabelFlowDisplay(
        types=np.array(["B", "T"]),
        flows=np.array([[3, 1, 0, 0], [0, 2, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0]]),
    )
    assert display.plot() is display
    assert display.ax_.get_title() == "71 % of 7 cells have the same type at both ends"
    assert written(display)[1] == ["B (3, 100 %)", "T (3, 67 %)", "(unknown) (1)"]
    display.confidence = np.array([0.25, 0.996])
    display.plot()
    assert written(display)[1][:2] == ["B (3, 25 %)", "T (3, > 99 %)"]


def test_numbers_as_types():
    display = LabelFlowDisplay.from_predictions([0, 0, 1, 1, 2], [0, 0, 1, -1, 1])
    assert sorted(display.types) == [0, 1, 2]
    assert flow(display, 1, None) == 1
    assert set(display.colors_) == {0, 1, 2}
    display = LabelFlowDisplay.from_predictions(
        [0, 0, 1, 1, 2], [0, 0, 1, -1, 1], unlabeled_marker=2
    )
    assert sorted(display.types) == [-1, 0, 1]
    assert flow(display, None, 1) == 1


def test_unlabeled_marker(cells):
    display = LabelFlowDisplay.from_predictions(*cells, unlabeled_marker="T")
    assert sorted(display.types) == ["B", "NK", "unknown"]
    assert flow(display, None, "unknown") == 8
    for marker in (["T", "unknown"], ["T", "auto"]):
        display = LabelFlowDisplay.from_predictions(*cells, unlabeled_marker=marker)
        assert sorted(display.types) == ["B", "NK"]


def test_all_cells_of_one_type_or_unknown():
    display = LabelFlowDisplay.from_predictions(["B", "B"], ["?", "?"])
    assert written(display) == [["B (2)"], ["(unknown) (2)"]]
    assert display.ax_.get_title() == "0 % of 2 cells have the same type at both ends"


class Adapted(BaseEstimator):
    """A classifier with the trajectory of an adaptation."""

    def fit(self, X, y=None):
        """Keep a trajectory of three steps."""
        self.classes_ = np.array(["B", "DC", "NK", "T"])
        start = [0] * 10 + [2] * 10 + [3] * 20
        middle = [0] * 10 + [3] * 30
        end = [0] * 11 + [2] * 4 + [3] * 25
        self.trajectory_ = Bunch(labels=np.array([start, middle, end]))
        # No cell of the target is a DC.
        self.cluster_confidence_ = np.array([10 / 11, np.nan, 1, 0.8])
        return self


def test_from_estimator(pyplot):
    model = Adapted().fit(None)
    _, ax = pyplot.subplots(layout="constrained")
    display = LabelFlowDisplay.from_estimator(model, ax=ax, min_share=0)
    assert display.ax_ is ax
    assert sorted(display.types) == ["B", "NK", "T"]
    assert flow(display, "NK", "B") == 1
    assert flow(display, "NK", "T") == 5
    assert flow(display, "T", "T") == 20
    expected = dict(zip(model.classes_, model.cluster_confidence_, strict=True))
    assert [expected[name] for name in display.types] == display.confidence.tolist()
    # What the estimator says is what the ribbons say.
    same = np.diagonal(display.flows)[:-2] / display.flows.sum(axis=0)[:-2]
    np.testing.assert_allclose(same, display.confidence)
    title = ax.get_title().replace("\n", " ")
    assert title == "Adapted: 85 % of 40 cells have the same type at both ends"
    headings = [label.get_text() for label in ax.get_xticklabels()]
    assert headings[0].startswith("Source networks\n")
    assert headings[1].startswith("After adaptation\n")


def test_from_estimator_of_a_pipeline():
    pipeline = make_pipeline(StandardScaler(), Adapted()).fit(np.eye(3))
    display = LabelFlowDisplay.from_estimator(pipeline, name="Ours", max_types=2)
    assert sorted(display.types) == ["B", "T"]
    assert display.n_types_in_all == 3
    assert display.ax_.get_title().startswith("Ours: 85 % of 40 cells")


@pytest.fixture(scope="module")
def itclust():
    """Give a classifier that rejects some of 150 target cells, and these cells."""
    X, codes = make_blobs(300, 5, random_state=0)
    y = np.array(["B", "Mono", "T"])[codes]
    y[150:] = "?"
    X[150:] += 2.5
    model = ItClustClassifier(
        n_networks=1, reject_threshold=1.05, adaptation="always", random_state=0
    )
    return model.fit(X, y), X[150:]


@pytest.mark.parametrize("is_adapted", [False, True])
def test_from_itclust_with_rejected_cells(itclust, is_adapted):
    model, target = itclust
    if is_adapted:
        # Another order of the same cells; without any source in `transduction_`.
        model = model.adapt(target[::-1])
    display = LabelFlowDisplay.from_estimator(model, min_share=0)
    start = model.classes_[model.trajectory_.labels[0]]
    end = model.transduction_[-150:]
    assert 10 < np.sum(end == "unknown") < 100
    for before in model.classes_:
        for after in (*model.classes_, None):
            name = "unknown" if after is None else after
            expected = np.sum((start == before) & (end == name))
            assert flow(display, before, after) == expected
    assert display.flows.sum() == 150
    chosen = np.searchsorted(model.classes_, display.types)
    np.testing.assert_array_equal(display.confidence, model.cluster_confidence_[chosen])
    _, right = written(display)
    assert right[-1] == f"(unknown) ({np.sum(end == 'unknown')})"
    assert display.ax_.get_title().startswith("ItClustClassifier: ")


def test_from_itclust_without_a_target():
    X, y = make_blobs(60, 5, random_state=0)
    model = ItClustClassifier(n_networks=1, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="ItClustClassifier was fitted without one"):
        LabelFlowDisplay.from_estimator(model)


def test_from_estimator_says_what_is_missing():
    with pytest.raises(TypeError, match="has trajectory_, got StandardScaler; of"):
        LabelFlowDisplay.from_estimator(StandardScaler().fit(np.eye(3)))
    with pytest.raises(TypeError, match="got Adapted, a class"):
        LabelFlowDisplay.from_estimator(Adapted)
    with pytest.raises(NotFittedError):
        LabelFlowDisplay.from_estimator(Adapted())
    with pytest.raises(NotFittedError):
        LabelFlowDisplay.from_estimator(make_pipeline(StandardScaler(), Adapted()))
    model = Adapted().fit(None)
    model.trajectory_ = Bunch(labels=np.empty((1, 0), dtype=int))
    with pytest.raises(ValueError, match="Adapted was fitted without one: pass unlab"):
        LabelFlowDisplay.from_estimator(model)
    with pytest.raises(ValueError, match=r"max_types must be .* at least 1, got 0"):
        LabelFlowDisplay.from_estimator(Adapted().fit(None), max_types=0)


def test_bad_options(subtests, cells, pyplot):
    cases = [
        ({"max_types": 0}, "max_types must be an integer of at least 1, got 0"),
        ({"max_types": 2.5}, "max_types must be an integer of at least 1, got 2.5"),
        ({"min_share": -0.1}, "min_share must be a number from 0 to 1, got -0.1"),
        ({"min_share": "5%"}, "min_share must be a number from 0 to 1, got '5%'"),
        ({"cmap": {"B": "rot"}}, "matplotlib knows for each type, got 'rot' for 'B'"),
    ]
    for options, message in cases:
        with subtests.test(options=options):
            with pytest.raises(ValueError, match=message):
                LabelFlowDisplay.from_predictions(*cells, **options)
            assert pyplot.get_fignums() == []


def test_bad_types():
    with pytest.raises(ValueError, match=r"one entry for each of the 2 .*, got 1"):
        LabelFlowDisplay.from_predictions(["B", "T"], ["B"])
    with pytest.raises(ValueError, match="all 4 labels in y are unknown"):
        LabelFlowDisplay.from_predictions(["?", "?"], ["unknown", "?"])
    with pytest.raises(ValueError, match="types of one kind, got a mix of int, str"):
        LabelFlowDisplay.from_predictions(["B", "T"], [1, 2])
