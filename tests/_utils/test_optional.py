"""Imports of optional dependencies."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import json

import pytest

from celltyping._utils._optional import import_optional


def test_returns_the_module():
    assert import_optional("json", extra="io", needed_by="a test") is json
    decoder = import_optional("json.decoder", extra="io", needed_by="a test")
    assert decoder is json.decoder


@pytest.mark.parametrize("module", ["no_such_package", "no_such_package.part"])
def test_missing_package_names_the_extra_and_the_command(module):
    message = (
        r"read_edges needs no_such_package, which the extra 'io' brings: "
        r'pip install "celltyping\[io\]"'
    )
    with pytest.raises(ImportError, match=message) as caught:
        import_optional(module, extra="io", needed_by="read_edges")
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_a_missing_dependency_of_a_package_is_named(tmp_path, monkeypatch):
    (tmp_path / "breaks_on_import.py").write_text("import no_such_dependency\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_dependency") as caught:
        import_optional("breaks_on_import", extra="io", needed_by="a test")
    assert caught.value.name == "no_such_dependency"
