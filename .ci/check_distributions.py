"""Completeness of the wheel and the sdist in a folder: `check_distributions.py DIR`."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

DATA = [
    "celltyping/datasets/data/blood_transfer.npz",
    "celltyping/datasets/data/LICENSE-blood_transfer.txt",
    "celltyping/datasets/data/larva_edges.csv.gz",
    "celltyping/datasets/data/larva_nodes.csv.gz",
    "celltyping/datasets/data/LICENSE-larva_connectome.txt",
]
IN_WHEEL = [
    "celltyping/__init__.py",
    *DATA,
    ".dist-info/licenses/LICENSE",
    ".dist-info/licenses/celltyping/datasets/data/LICENSE-blood_transfer.txt",
    ".dist-info/licenses/celltyping/datasets/data/LICENSE-larva_connectome.txt",
]
IN_SDIST = [
    "LICENSE",
    "README.md",
    "CHANGELOG.md",
    "CITATION.cff",
    "CONTRIBUTING.md",
    "Makefile",
    "constraints.txt",
    "constraints-oldest.txt",
    "pyproject.toml",
    "docs/conf.py",
    "tests/test_import.py",
    *DATA,
]

# Run in a process of its own, so that nothing but the unpacked wheel is celltyping.
SMOKE_TEST = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import celltyping
from celltyping.datasets import load_blood_transfer, load_larva_connectome
unpacked = Path(sys.argv[1]).resolve()
if unpacked not in Path(celltyping.__file__).resolve().parents:
    sys.exit(f"imported {celltyping.__file__}, not the wheel in {unpacked}")
for name in celltyping.__all__:
    getattr(celltyping, name)
n_neurons = len(load_larva_connectome().data)
if n_neurons != 3554:
    sys.exit(f"the larva in the wheel has {n_neurons} neurons, expected 3554")
n_cells = load_blood_transfer().data.shape[0]
if n_cells != 3470:
    sys.exit(f"the blood in the wheel has {n_cells} cells, expected 3470")
"""


def missing(expected, names):
    """Return the entries of `expected` that no name ends with."""
    return [entry for entry in expected if not any(n.endswith(entry) for n in names)]


def only(folder, pattern):
    """Return the one file in `folder` that matches, or stop."""
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        sys.exit(f"expected one {pattern} in {folder}, found {len(found)}")
    return found[0]


def main(folder):
    """Stop with a message if something is missing or the wheel does not work."""
    wheel, sdist = only(folder, "*.whl"), only(folder, "*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = archive.namelist()
    with tarfile.open(sdist) as archive:
        in_sdist = archive.getnames()
    lacking = missing(IN_WHEEL, in_wheel)
    if lacking:
        sys.exit(f"{wheel.name} lacks {', '.join(lacking)}")
    lacking = missing([f"/{entry}" for entry in IN_SDIST], in_sdist)
    if lacking:
        sys.exit(f"{sdist.name} lacks {', '.join(lacking)}")
    strangers = [
        name
        for name in in_wheel
        if not name.startswith("celltyping/") and ".dist-info/" not in name
    ]
    if strangers:
        sys.exit(f"{wheel.name} would install more than celltyping: {strangers}")

    with tempfile.TemporaryDirectory() as unpacked:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(unpacked)
        command = [sys.executable, "-I", "-c", SMOKE_TEST, unpacked]
        if subprocess.run(command, cwd=unpacked).returncode:
            sys.exit(f"{wheel.name}, unpacked, does not work")
    sys.stdout.write(f"{wheel.name} and {sdist.name} are complete\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: check_distributions.py DIR")
    main(Path(sys.argv[1]))
