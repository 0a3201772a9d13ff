"""Files: paths, content of another kind than the name says, and damage."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import os
import re
from contextlib import contextmanager
from pathlib import Path

# First bytes of a file -> its content.
_SIGNATURES = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "zip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstandard",
    b"PAR1": "parquet",
    b"ARROW1": "feather",
    b"FEA1": "feather of version 1",
    b"\x89HDF\r\n": "HDF5",
    b"version https://git-lfs": "a pointer of Git LFS",
}
_MARKUP = re.compile(rb"\s*<(!doctype|html|\?xml)", re.IGNORECASE)


def find_file(path, formats, *, advice):
    """Return the path of an existing file, and its format by the ending of its name.

    Parameters
    ----------
    path : str or path-like
        Path of a file; "~" is the home folder.
    formats : dict of str
        Format by ending, such as {".csv.gz": "csv"}.
    advice : str
        What to do with a file of another kind, for the message.

    Returns
    -------
    path : Path
        The path.
    file_format : str
        Value of `formats`.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"path must be a str or path-like, got {type(path).__name__}")
    path = Path(path).expanduser()
    name = path.name.lower()
    endings = [ending for ending in formats if name.endswith(ending)]
    if not endings:
        raise ValueError(
            f"path must end in {', '.join(formats)}, got {path.name!r}: {advice}"
        )
    if path.is_dir():
        raise ValueError(f"path must be a file, but {str(path)!r} is a folder")
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {str(path)!r}")
    return path, formats[max(endings, key=len)]


def check_content(path, expected):
    """Raise a ValueError if a file's first bytes contradict the ending of its name.

    `expected` is a content such as "gzip" or "parquet", or "text".
    """
    with path.open("rb") as file:
        start = file.read(256)
    found = "text" if expected == "text" else "something else"
    for signature, content in _SIGNATURES.items():
        if start.startswith(signature):
            found = content
    if not start:
        found = "nothing"
    elif _MARKUP.match(start):
        found = "a web page (HTML or XML)"
    if found != expected:
        raise ValueError(
            f"{path.name} must hold {expected} by its name, but holds {found}: rename "
            "it by its content, or download it again"
        )


@contextmanager
def reading(path, content):
    """Turn what a reader raises into a ValueError that names the file."""
    try:
        yield
    except (FileNotFoundError, PermissionError, ImportError):
        raise
    except Exception as exc:  # readers of damaged files raise anything
        raise ValueError(
            f"{path.name} cannot be read as {content} and may be damaged "
            f"({type(exc).__name__}: {exc})"
        ) from exc
