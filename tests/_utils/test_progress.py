"""Progress bar."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import pytest

from celltyping._utils._progress import progress_bar


def test_not_verbose(capsys):
    with progress_bar(3, description="steps", verbose=0) as bar:
        bar.update()
        bar.set_postfix(changed="1%")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("verbose", [True, 2])
def test_verbose(verbose, capsys):
    with progress_bar(3, description="steps", verbose=verbose) as bar:
        for _ in range(3):
            bar.update()
    out, err = capsys.readouterr()
    assert out == ""
    assert "steps" in err
    assert "3/3" in err
