"""One helper for imports of packages that only some parts of celltyping need."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import importlib


def import_optional(module, *, extra, needed_by):
    """Import a module that an extra of celltyping brings.

    Parameters
    ----------
    module : str
        Name of the module, such as ``"matplotlib.pyplot"``.
    extra : str
        The extra of celltyping that installs it, such as ``"plot"``.
    needed_by : str
        What the user called, for the message: ``"Connectome.from_networkx"``.

    Returns
    -------
    module : module
        The imported module.

    Raises
    ------
    ImportError
        If the package is not installed; the message names the extra and the command
        that installs it.

    Examples
    --------
    >>> from celltyping._utils._optional import import_optional
    >>> import_optional("json", extra="io", needed_by="this example").dumps([1])
    '[1]'
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as exc:
        package = module.partition(".")[0]
        if exc.name is None or exc.name.partition(".")[0] != package:
            raise  # the package is there, but something that it needs is not
        raise ImportError(
            f"{needed_by} needs {package}, which the extra {extra!r} brings: "
            f'pip install "celltyping[{extra}]"'
        ) from exc
