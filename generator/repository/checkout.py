"""Read files of a checkout without leaving it through links."""

from __future__ import annotations

import codecs
import os
from pathlib import Path

from generator.shared.errors import PackmillError, RepositoryError

_text_limit = 16 * 1024**2
_LARGEST_FILE = 256 * 1024**2
"""Bytes of a notebook or another file that is read whole; a few kilobytes of a repository can stand for any number."""


def inside(folder: Path, path: str) -> Path | None:
    """Return the file at ``path`` with links resolved, or None if it is outside of ``folder``."""
    try:
        top = folder.resolve()
        real = (top / path).resolve()
        real.is_file()
    except (OSError, RuntimeError, ValueError):  # a name too long, a link to itself, a null byte
        return None
    return real if real.is_relative_to(top) else None


def is_file(path: Path) -> bool:
    """Return whether a path of a checkout is a file, or a link to one; pathlib raises for a link with a long target."""
    return os.path.isfile(path)  # noqa: PTH113 - has no errors


def is_folder(path: Path) -> bool:
    """Return whether a path of a checkout is a folder, or a link to one; see `is_file`."""
    return os.path.isdir(path)  # noqa: PTH112 - has no errors


def repository_files(folder: Path) -> list[str]:
    """List the names at the top of a checkout and in its binder folders, as `find_environment` takes them.

    Of a binder folder that is a link out of the checkout, nothing is listed.

    Raises:
        RepositoryError: a folder cannot be listed, such as one of another user.
    """
    try:
        names = [entry.name for entry in folder.iterdir() if not is_folder(entry)]
        for binder in ("binder", ".binder"):
            real = inside(folder, binder)
            if real is not None and is_folder(real):
                names += [f"{binder}/{entry.name}" for entry in real.iterdir()] or [f"{binder}/"]
    except OSError as problem:
        where = problem.filename or folder
        raise RepositoryError(f"{where}: cannot be listed: {problem.strerror}; check its permissions") from None
    return names


def read_bytes(file: Path, path: str, error: type[PackmillError]) -> bytes:
    """Return the content of a file; ``path`` is its path in the checkout, for messages.

    Raises:
        PackmillError: it cannot be read, or is larger than 256 MiB; raised as ``error``.
    """
    try:
        with file.open("rb") as opened:
            data = opened.read(_LARGEST_FILE + 1)
    except OSError as problem:
        raise error(f"{path}: cannot be read: {problem.strerror}") from None
    if len(data) > _LARGEST_FILE:
        raise error(f"{path}: larger than {_LARGEST_FILE >> 20} MiB, and not read; make it smaller")
    return data


def read_text(folder: Path, path: str) -> str | None:
    """Return a file's text with LF and without a byte order mark.

    None if it is missing, outside of the checkout, or over the size limit.

    Raises:
        RepositoryError: it cannot be read, such as one of another user.
    """
    file = inside(folder, path)
    try:
        if file is None or not file.is_file() or file.stat().st_size > _text_limit:
            return None
        data = file.read_bytes()
    except OSError as problem:
        raise RepositoryError(f"{path}: cannot be read: {problem.strerror}; check its permissions") from None
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))  # as PowerShell's ">" writes it
    return data.decode("utf-16" if utf16 else "utf-8-sig", errors="replace").replace("\r\n", "\n").replace("\r", "\n")
