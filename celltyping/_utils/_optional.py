"""Imports of optional dependencies."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import importlib


def import_optional(module, *, extra, needed_by):
    """Import an optional module, or raise an ImportError that names its extra.

    `needed_by` is the public function or class in the message.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as exc:
        package = module.partition(".")[0]
        if exc.name is None or exc.name.partition(".")[0] != package:
            raise  # a dependency of the package is missing
        raise ImportError(
            f"{needed_by} needs {package}, which the extra {extra!r} brings: "
            f'pip install "celltyping[{extra}]"'
        ) from exc
