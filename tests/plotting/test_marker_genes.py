"""MarkerGenesDisplay: expression of marker genes in each type."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import warnings

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from scipy import sparse

from celltyping.plotting import MarkerGenesDisplay

FORMATS = [np.asarray, sparse.csr_array, sparse.csc_matrix, sparse.coo_array]


@pytest.fixture
def blood():
    """Give the log expression of 60 cells, two markers for each of three types."""
    rng = np.random.RandomState(0)
    types = np.array(["B", "NK", "T"], dtype=object)[np.arange(60) % 3]
    names = ["ACTB", "MS4A1", "NKG7", "CD3D", "IL7R", "GNLY", "CD79A", "MT-CO1"]
    means = {"B": ("MS4A1", "CD79A"), "NK": ("NKG7", "GNLY"), "T": ("CD3D", "IL7R")}
    counts = rng.poisson(0.1, (60, 8))
    counts[:, [0, 7]] = rng.poisson(6, (60, 2))
    for name, (first, second) in means.items():
        rows = types == name
        counts[rows, names.index(first)] = rng.poisson(9, rows.sum())
        counts[rows, names.index(second)] = rng.poisson(4, rows.sum())
    totals = counts.sum(axis=1, keepdims=True)
    return np.log1p(20 * counts / totals), types, names


def sizes(display):
    """Return the areas of the dots as a matrix."""
    return display.dots_.get_sizes().reshape(np.shape(display.mean))


def values(display):
    """Return what the colours of the dots stand for, as a matrix."""
    return np.asarray(display.dots_.get_array()).reshape(np.shape(display.mean))


@pytest.mark.parametrize("as_format", FORMATS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers(blood, as_format, dtype):
    X, types, names = blood
    display = MarkerGenesDisplay.from_expression(
        as_format(X.astype(dtype)), types, names, genes=["CD3D", "ACTB", "MS4A1"]
    )
    assert display.genes.tolist() == ["CD3D", "ACTB", "MS4A1"]
    assert sorted(display.types) == ["B", "NK", "T"]
    assert display.marks is None
    assert display.frames_ == []
    for row, name in enumerate(display.types):
        own = X[types == name][:, [3, 0, 1]]
        np.testing.assert_allclose(display.mean[row], own.mean(axis=0), rtol=1e-6)
        np.testing.assert_allclose(display.share[row], (own > 0).mean(axis=0))
        assert display.n_cells[row] == 20


def test_stored_zeros_are_no_expression():
    X = sparse.csr_array(([0.0, 1.5, 2.0, 0.0], [0, 1, 0, 1], [0, 2, 4]), shape=(2, 2))
    display = MarkerGenesDisplay.from_expression(
        X, ["B", "T"], ["a", "b"], genes=["a", "b"]
    )
    order = np.argsort(display.types)
    assert display.share[order].tolist() == [[0, 1], [1, 0]]


def test_finds_markers(blood):
    X, types, names = blood
    display = MarkerGenesDisplay.from_expression(X, types, names, n_genes=2)
    found = {name: [] for name in display.types}
    for gene, mark in zip(display.genes, display.marks, strict=True):
        found[display.types[mark]].append(gene)
    # The best one first.
    assert found == {
        "B": ["MS4A1", "CD79A"],
        "NK": ["NKG7", "GNLY"],
        "T": ["CD3D", "IL7R"],
    }
    # The markers of the first row come first.
    assert display.marks.tolist() == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("n_genes", [1, 3, 100])
def test_markers_by_the_plain_way(blood, n_genes):
    X, types, names = blood
    display = MarkerGenesDisplay.from_expression(X, types, names, n_genes=n_genes)
    means = {name: X[types == name].mean(axis=0) for name in ("B", "NK", "T")}
    for row, name in enumerate(display.types):
        others = np.max([means[other] for other in means if other != name], axis=0)
        score = means[name] - others
        best = [i for i in np.argsort(-score, kind="stable") if score[i] > 0][:n_genes]
        found = display.genes[display.marks == row].tolist()
        assert found == [names[i] for i in best]


def test_markers_are_framed(blood):
    display = MarkerGenesDisplay.from_expression(*blood, n_genes=2)
    frames = [
        (frame.get_x() + 0.5, frame.get_y() + 0.5, frame.get_width())
        for frame in display.frames_
    ]
    assert frames == [(0, 0, 2), (2, 1, 2), (4, 2, 2)]
    assert display.ax_.get_xlabel() == "Gene (framed: markers of the type)"
    assert display.ax_.get_title() == "6 marker genes in 3 types, 60 cells"


def test_a_type_without_markers_has_no_frame():
    X = [[2.0, 2.0], [2.0, 1.0], [0.5, 1.0]]
    display = MarkerGenesDisplay.from_expression(X, ["B", "T", "NK"], ["a", "b"])
    # Of gene a, B and T have the same; b marks B.
    assert display.genes.tolist() == ["b"]
    assert len(display.frames_) == 1
    assert len(display.types) == 3


def test_one_type_is_compared_with_nothing():
    display = MarkerGenesDisplay.from_expression(
        [[0.0, 1.0, 2.0], [0.0, 1.5, 2.0]], ["B", "B"], ["a", "b", "c"]
    )
    assert display.genes.tolist() == ["c", "b"]


def test_dots(blood):
    display = MarkerGenesDisplay.from_expression(*blood, n_genes=2)
    areas = sizes(display)
    diameter = np.sqrt(areas.max())
    np.testing.assert_allclose(areas, display.share * areas.max())
    width, height = display.ax_.get_window_extent().size * 72 / display.figure_.dpi
    assert 4 < diameter < min(width / 6, height / 3)
    low, high = display.mean.min(axis=0), display.mean.max(axis=0)
    scaled = values(display)
    np.testing.assert_allclose(scaled, (display.mean - low) / (high - low))
    assert display.dots_.get_clim() == (0, 1)
    where = display.dots_.get_offsets()
    assert where[7].tolist() == [1, 1]  # six genes a row


def test_scale(blood):
    display = MarkerGenesDisplay.from_expression(*blood, scale="none")
    np.testing.assert_array_equal(values(display), display.mean)
    assert display.dots_.get_clim() == (0, display.mean.max())
    assert display.colorbar_.ax.get_ylabel() == "Mean log expression"
    display.plot()
    assert display.colorbar_.ax.get_ylabel() == (
        "Mean log expression,\n0 to 1 for each gene"
    )


def test_a_gene_alike_in_all_types_or_nowhere_expressed():
    X = np.array([[1.0, 0.0], [1.0, 0.0]])
    for scale in ("gene", "none"):
        display = MarkerGenesDisplay.from_expression(
            X, ["B", "T"], ["a", "b"], genes=["a", "b"], scale=scale
        )
        assert values(display).tolist() == [[scale == "none", 0]] * 2
        assert display.share.tolist() == [[1, 0]] * 2
    display = MarkerGenesDisplay.from_expression(X, ["B", "T"], "ab", genes=["b"])
    assert display.dots_.get_clim() == (0, 1)
    display.figure_.draw_without_rendering()


def test_legends(blood):
    display = MarkerGenesDisplay.from_expression(*blood)
    texts = [text.get_text() for text in display.legend_.get_texts()]
    assert texts == ["10 %", "50 %", "100 %"]
    assert display.legend_.get_title().get_text() == "Cells that\nexpress it"
    full = np.sqrt(sizes(display).max() / display.share.max())
    drawn = [handle.get_markersize() for handle in display.legend_.legend_handles]
    np.testing.assert_allclose(drawn, full * np.sqrt([0.1, 0.5, 1]))
    assert display.colorbar_.ax.get_legend() is display.legend_
    display.plot(legend=False)
    assert display.legend_ is None
    assert display.colorbar_ is None
    assert len(display.figure_.axes) == 1


def test_labels(blood):
    display = MarkerGenesDisplay.from_expression(*blood, n_genes=1, name="Ours")
    rows = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert rows == [f"{name} (20)" for name in display.types]
    columns = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert columns == display.genes.tolist()
    assert display.ax_.get_title() == "Ours: 3 marker genes in 3 types, 60 cells"
    display = MarkerGenesDisplay.from_expression(*blood, genes=["ACTB"])
    assert display.ax_.get_title() == "1 gene in 3 types, 60 cells"
    assert display.ax_.get_xlabel() == "Gene"


def test_look(blood):
    display = MarkerGenesDisplay.from_expression(
        *blood, cmap="gray", dot_kw={"edgecolors": "red", "vmax": 0.5}
    )
    assert display.dots_.get_cmap().name == "gray"
    assert display.dots_.get_clim() == (0, 0.5)
    np.testing.assert_array_equal(display.dots_.get_edgecolors(), [to_rgba("red")])


def test_cells_of_unknown_type_are_left_out(blood):
    X, types, names = blood
    types[:6] = "?"
    display = MarkerGenesDisplay.from_expression(X, types, names)
    assert display.n_cells.sum() == 54
    assert "?" not in display.types
    for row, name in enumerate(display.types):
        own = X[types == name][:, names.index(display.genes[0])]
        assert display.mean[row, 0] == pytest.approx(own.mean())
    display = MarkerGenesDisplay.from_expression(
        X, types, names, unlabeled_marker="NK", n_genes=1
    )
    assert sorted(display.types) == ["?", "B", "T"]


def test_rejected_cells_have_a_row(blood):
    X, types, names = blood
    types[types == "NK"] = "unknown"
    display = MarkerGenesDisplay.from_expression(X, types, names, n_genes=1)
    marks = dict(zip(display.types[display.marks], display.genes, strict=True))
    assert marks["unknown"] == "NKG7"


def test_columns_of_a_table(blood):
    pandas = pytest.importorskip("pandas")
    X, types, names = blood
    table = pandas.DataFrame(X, columns=names)
    display = MarkerGenesDisplay.from_expression(table, types, genes=["CD3D"])
    expected = MarkerGenesDisplay.from_expression(X, types, names, genes=["CD3D"])
    np.testing.assert_array_equal(display.mean, expected.mean)


def test_sparse_is_not_made_dense(blood, monkeypatch):
    X, types, names = blood
    X = sparse.csr_array(X)
    made = []
    plain = sparse.csr_array.toarray

    def toarray(self, *args, **kwargs):
        made.append(self.shape)
        return plain(self, *args, **kwargs)

    monkeypatch.setattr(sparse.csr_array, "toarray", toarray)
    MarkerGenesDisplay.from_expression(X, types, names, n_genes=1)
    assert made == [(3, 8), (3, 3)]


def test_unknown_genes(blood):
    message = (
        r"genes names 2 that gene_names lacks: 'Ms4a1' \(close to 'MS4A1'\), 'XIST'$"
    )
    with pytest.raises(ValueError, match=message):
        MarkerGenesDisplay.from_expression(*blood, genes=["CD3D", "Ms4a1", "XIST"])
    with pytest.raises(ValueError, match=r"'CD3' \(close to 'CD3D'.*\)$"):
        MarkerGenesDisplay.from_expression(*blood, genes=["CD3"])
    with pytest.raises(ValueError, match=r"names 9 .* 'x4', \.\.\.$"):
        MarkerGenesDisplay.from_expression(*blood, genes=[f"x{i}" for i in range(9)])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"genes": "CD3D"}, "genes must be a list of names, got the text 'CD3D'"),
        ({"genes": []}, "genes must name at least one gene, got none"),
        ({"n_genes": 0}, "n_genes must be an integer of at least 1, got 0"),
        ({"n_genes": 1.5}, "n_genes must be an integer of at least 1, got 1.5"),
        ({"scale": "row"}, "scale must be 'gene' or 'none', got 'row'"),
        ({"unlabeled_marker": "B", "types": ["B"] * 60}, "all 60 labels in y are unkn"),
        ({"types": ["B"] * 3}, r"inconsistent numbers of samples: \[60, 3\]"),
        ({"gene_names": ["a", "b"]}, "one name for each of the 8 columns of X, got 2"),
        ({"gene_names": None}, "gene_names must be given where X is no DataFrame"),
        (
            {"gene_names": ["a"] * 8, "genes": ["a"]},
            "genes names 'a', but 8 columns of X have this name",
        ),
        ({"X": -np.ones((60, 8))}, "Negative values in data passed to X in MarkerGene"),
        ({"X": np.full((60, 8), np.nan)}, "Input X contains NaN"),
        ({"X": np.ones((60, 8))}, "no gene is expressed more in one type than in all"),
    ],
)
def test_bad_input(blood, options, message, pyplot):
    data = dict(zip(("X", "types", "gene_names"), blood, strict=True)) | options
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of whole numbers
        with pytest.raises(ValueError, match=message):
            MarkerGenesDisplay.from_expression(**data)
    assert pyplot.get_fignums() == []


def test_counts_are_warned_of(blood):
    X, types, names = blood
    counts = np.round(100 * X)
    with pytest.warns(UserWarning, match=r"log-normalised .* all values are whole num"):
        MarkerGenesDisplay.from_expression(counts, types, names)


def test_from_estimator(blood, oracle, pyplot):
    X, types, names = blood
    _, ax = pyplot.subplots(layout="constrained")
    display = MarkerGenesDisplay.from_estimator(
        oracle(types), X, gene_names=names, n_genes=1, ax=ax, cmap="Reds"
    )
    assert display.ax_ is ax
    assert sorted(display.genes) == ["CD3D", "MS4A1", "NKG7"]
    assert display.dots_.get_cmap().name == "Reds"
    assert ax.get_title().replace("\n", " ").startswith("Oracle: 3 marker genes")


def test_from_estimator_that_takes_something_else(blood, oracle):
    X, types, names = blood
    latent = np.zeros((60, 2))
    display = MarkerGenesDisplay.from_estimator(
        oracle(types), latent, X, names, genes=["CD3D"], name="Ours"
    )
    assert display.mean.max() == pytest.approx(X[types == "T", 3].mean())
    assert display.ax_.get_title().startswith("Ours: 1 gene")
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        MarkerGenesDisplay.from_estimator(oracle(types), latent, X[:9], names)
    with pytest.raises(TypeError, match="fitted estimator that has predict, got list"):
        MarkerGenesDisplay.from_estimator([], X, None, names)


def test_nothing_given_is_changed(blood):
    X, types, names = blood
    X = sparse.csr_array(X)
    before = X.copy(), types.copy()
    genes = ["CD3D", "ACTB"]
    MarkerGenesDisplay.from_expression(X, types, names, genes=genes)
    assert (before[0] != X).nnz == 0
    assert (types == before[1]).all()
    assert genes == ["CD3D", "ACTB"]


def test_stored_numbers_are_enough():
    display = MarkerGenesDisplay(
        types=["B", "T"],
        genes=["MS4A1", "$x$"],
        mean=[[2.0, 0.0], [0.0, 1.0]],
        share=[[0.5, 0.0], [0.0, 1.0]],
        n_cells=[3, 1200],
    )
    assert display.plot() is display
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert labels == ["B (3)", "T (1,200)"]
    assert display.ax_.get_title() == "2 genes in 2 types, 1,203 cells"


def test_draws_without_pyplot_on_a_figure(blood):
    ax = Figure(layout="constrained").subplots()
    assert MarkerGenesDisplay.from_expression(*blood, ax=ax).ax_ is ax


@pytest.mark.parametrize("n_types", [2, 8, 30])
def test_nothing_is_clipped_or_covered(n_types, clipped):
    rng = np.random.RandomState(0)
    codes = np.arange(20 * n_types) % n_types
    X = rng.rand(len(codes), 3 * n_types) * (rng.rand(len(codes), 3 * n_types) < 0.5)
    X[np.arange(len(codes)), codes] += 2
    types = np.array([f"a type of cells {i}" for i in range(n_types)])[codes]
    names = [f"RP11-290F{i}.3" for i in range(3 * n_types)]
    display = MarkerGenesDisplay.from_expression(X, types, names)
    assert clipped(display.figure_) == []
    bar, legend = display.colorbar_.ax, display.legend_.get_window_extent()
    assert not bar.yaxis.label.get_window_extent().overlaps(legend)
    assert not display.ax_.get_window_extent().overlaps(bar.get_window_extent())
    assert legend.x1 <= display.figure_.bbox.x1 + 1
    label = bar.yaxis.label.get_window_extent()
    assert label.height <= 1.05 * bar.get_window_extent().height


def test_without_matplotlib(blood, oracle, no_matplotlib):
    X, types, names = blood
    with pytest.raises(ImportError, match=r"MarkerGenesDisplay\.from_expression needs"):
        MarkerGenesDisplay.from_expression(X, types, names)
    with pytest.raises(ImportError, match=r"MarkerGenesDisplay\.from_estimator needs"):
        MarkerGenesDisplay.from_estimator(oracle(types), X, None, names)
