"""The errors of Python's zipfile for archives that are damaged, encrypted, or compressed by an unknown method."""

from __future__ import annotations

import errno
import zipfile
import zlib
from importlib import import_module


def _errors_of_methods() -> tuple[type[Exception], ...]:
    """Return the errors of the methods that not every Python has: LZMA, and Zstandard from Python 3.14 on."""
    found = []
    for module, name in (("lzma", "LZMAError"), ("compression.zstd", "ZstdError")):
        try:
            found.append(getattr(import_module(module), name))
        except ImportError:
            continue
    return tuple(found)


_DAMAGE: tuple[type[Exception], ...] = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    *_errors_of_methods(),
    EOFError,
    LookupError,
    OverflowError,
    RuntimeError,
    ValueError,
)
archive_errors: tuple[type[Exception], ...] = (OSError, *_DAMAGE)
"""These errors, with those of a file that cannot be read."""


def is_damage(error: Exception) -> bool:
    """Return whether an error is the archive's, not one of the system, such as that of a full disk."""
    if isinstance(error, OSError):
        return error.errno in (None, errno.EINVAL)  # of bzip2, and of an offset before the archive's beginning
    return isinstance(error, _DAMAGE)
