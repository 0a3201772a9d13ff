"""A progress bar for those who ask for it, and silence for the others."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import pytest

from celltyping._utils._progress import progress_bar


@pytest.mark.parametrize("verbose", [False, 0])
def test_silence(verbose, capsys):
    with progress_bar(3, description="steps", verbose=verbose) as bar:
        bar.update()
        bar.set_postfix(changed="1%")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("verbose", [True, 1, 2])
def test_a_bar(verbose, capsys):
    with progress_bar(3, description="steps", verbose=verbose) as bar:
        for _ in range(3):
            bar.update()
    out, err = capsys.readouterr()
    assert out == ""
    assert "steps" in err
    assert "3/3" in err
