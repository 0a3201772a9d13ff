"""Files that the demo writes, and its options."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import re
import runpy
from pathlib import Path
from types import SimpleNamespace

import matplotlib.pyplot as plt
import pandas as pd
import pytest

DEMO = runpy.run_path(str(Path(__file__).parents[1] / "examples" / "run_demo.py"))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Run the demo once and return its folder."""
    folder = tmp_path_factory.mktemp("demo") / "a" / "new" / "folder"
    DEMO["main"](["--output", str(folder)])
    plt.close("all")
    return folder


def test_table_of_all_neurons(run):
    table = pd.read_csv(run / "neuron_types.csv", index_col="neuron_id")
    assert len(table) == 3554
    assert table.index.is_unique
    assert table["predicted_type"].nunique() <= 59
    assert table["confidence"].between(0, 1).all()
    assert table["is_seed"].sum() == 194
    seeds = table[table["is_seed"]]
    assert (seeds["predicted_type"] == seeds["known_type"]).all()
    assert table["known_type"].notna().sum() == 1939
    hidden = table[table["known_type"].notna() & ~table["is_seed"]]
    assert (hidden["predicted_type"] == hidden["known_type"]).mean() > 0.55
    ranked = table[
        ["predicted_type", "alternative_1", "alternative_2", "alternative_3"]
    ]
    named = ranked.dropna()
    assert len(named) > 3500
    assert (named.nunique(axis=1) == 4).all()


def test_figures_and_nothing_else(run):
    figures = ["type_accuracy.png", "type_connectivity.png"]
    names = sorted(path.name for path in run.iterdir())
    assert names == ["neuron_types.csv", *figures]
    for name in figures:
        assert min(plt.imread(run / name).shape[:2]) > 500


def test_a_failure_keeps_the_old_results(tmp_path):
    def fail(*args, **kwargs):
        raise OSError("the disk is full")

    old = tmp_path / "neuron_types.csv"
    old.write_text("old", encoding="utf-8")
    broken = SimpleNamespace(figure_=SimpleNamespace(savefig=fail))
    with pytest.raises(OSError, match="the disk is full"):
        DEMO["write_results"](tmp_path, pd.DataFrame({"a": [1]}), {"a.png": broken})
    assert list(tmp_path.iterdir()) == [old]
    assert old.read_text(encoding="utf-8") == "old"


@pytest.mark.parametrize("share", ["0", "1", "10"])
def test_bad_train_size(share, capsys):
    with pytest.raises(SystemExit):
        DEMO["parse_arguments"](["--train-size", share])
    message = f"--train-size must be between 0 and 1, got {float(share)}"
    assert message in capsys.readouterr().err


def test_output_that_is_a_file(tmp_path, capsys):
    path = tmp_path / "results"
    path.write_text("", encoding="utf-8")
    with pytest.raises(SystemExit):
        DEMO["parse_arguments"](["--output", str(path)])
    assert re.search("--output must be a folder, .* is a file", capsys.readouterr().err)


def test_random_state_chooses_the_seeds():
    options = DEMO["parse_arguments"](["--random-state", "7"])
    assert options.random_state == 7
    assert (options.train_size, str(options.output)) == (0.1, "demo_output")
