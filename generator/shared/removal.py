"""Removal of folders that code of others filled."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(folder: Path | str) -> None:
    """Remove a folder as far as possible, without following links.

    It may have more levels than Python can follow, longer paths than the system takes, and folders to which their owner
    may not write. ``shutil.rmtree`` calls itself for each level before Python 3.13, also with ``ignore_errors``.
    """
    with suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)
    left = Path(folder)
    with suppress(OSError):
        if left.is_dir() and not left.is_symlink():
            _remove_by_levels(left)


def _remove_by_levels(top: Path) -> None:
    """Remove a folder whose folders are moved up to its first level, one after another, and are emptied there.

    Each name is used below the descriptor of its folder: a process may put a link in the place of a folder meanwhile.
    """
    with _opened(str(top)) as upper:
        waiting = _names_in(upper)
        moved = 0
        while waiting:
            name = waiting.pop()
            with suppress(OSError):
                if _unlink(name, upper):
                    continue
                with _opened(name, upper) as folder:
                    for inner in _names_in(folder):
                        with suppress(OSError):
                            if not _unlink(inner, folder):
                                moved += 1
                                waiting.append(_move_up(inner, folder, upper, moved))
                os.rmdir(name, dir_fd=upper)
    top.rmdir()


def _names_in(folder: int) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries]


def _unlink(name: str, folder: int) -> bool:
    """Remove what is not a folder; return whether it was."""
    try:
        os.unlink(name, dir_fd=folder)
    except (IsADirectoryError, PermissionError):  # the latter for a folder on some file systems
        return False
    return True


def _move_up(name: str, folder: int, upper: int, number: int) -> str:
    """Move a folder to the first level, and return its new name; its owner needs to write to it for that."""
    new = f".removed-{os.getpid()}-{number}-{os.urandom(4).hex()}"
    with _opened(name, folder):
        os.rename(name, new, src_dir_fd=folder, dst_dir_fd=upper)
    return new


@contextmanager
def _opened(name: str, folder: int | None = None) -> Iterator[int]:
    """Yield the descriptor of a folder to which its owner may write from now on."""
    with suppress(OSError):
        named = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        try:
            os.chmod(f"/proc/self/fd/{named}", 0o700)  # noqa: PTH101 - not the name of a folder
        finally:
            os.close(named)
    descriptor = os.open(name, _FOLDER, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
