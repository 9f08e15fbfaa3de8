"""A folder of one process; the next process removes the folders of those that were killed."""

from __future__ import annotations

import fcntl
import os
from contextlib import ExitStack, suppress
from pathlib import Path

from generator.shared.removal import remove_tree

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN_FILE = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_LOCK = ".lock"
"""A file in the folder. On NFS, the lock of a folder holds for one host, and that of a file for all, if it is open for
writing; earlier versions lock the folder alone."""


class OwnFolder:
    """A folder that this process holds locks of until it ends."""

    def __init__(self, parent: Path, name: str, *, pattern: str = "*") -> None:
        """Create the folder ``name`` below ``parent``, and remove those of this user whose processes ended.

        ``pattern`` is what names of such folders have in common. Servers of several hosts may share ``parent``.

        Raises:
            OSError: the folder cannot be created.
        """
        parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _remove_abandoned(parent, pattern)
        self.path = parent / name
        self._locks = _create_locked(self.path)

    def remove(self) -> None:
        """Remove the folder."""
        with ExitStack() as stack:
            for descriptor in self._locks:
                stack.callback(os.close, descriptor)
            remove_tree(self.path)
        _remove_emptied(self.path)


def _create_locked(path: Path) -> tuple[int, ...]:
    """Create and lock a folder; again if another process removed it in between, as abandoned."""
    while True:
        path.mkdir(mode=0o700)
        with suppress(FileNotFoundError), ExitStack() as stack:
            folder = _locked(os.open(path, _OPEN), fcntl.LOCK_EX, stack, needed=False)
            file = _locked(_open_lock(path), fcntl.LOCK_EX, stack, needed=False)
            if os.path.samestat(os.fstat(file), (path / _LOCK).stat()):
                stack.pop_all()
                return folder, file


def _remove_abandoned(parent: Path, pattern: str) -> None:
    for folder in parent.glob(pattern):
        with suppress(OSError), ExitStack() as stack:  # OSError: its process lives
            descriptor = os.open(folder, _OPEN)
            stack.callback(os.close, descriptor)
            if os.fstat(descriptor).st_uid == os.geteuid():
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _locked(_open_lock(folder), fcntl.LOCK_EX | fcntl.LOCK_NB, stack)
                remove_tree(folder)
                stack.close()
                _remove_emptied(folder)


def _locked(descriptor: int, how: int, stack: ExitStack, *, needed: bool = True) -> int:
    """Lock what was opened until the stack closes it; where file systems have no locks, nobody removes the folder.

    Raises:
        OSError: it cannot be locked, and this is ``needed``.
    """
    stack.callback(os.close, descriptor)
    try:
        fcntl.flock(descriptor, how)
    except OSError:
        if needed:
            raise
    return descriptor


def _open_lock(folder: Path) -> int:
    """Open the file of a folder's lock; a notebook can have put something else in its place.

    Raises:
        OSError: there is no such folder, or the file cannot be opened.
    """
    path = folder / _LOCK
    with suppress(OSError):
        return os.open(path, _OPEN_FILE, 0o600)
    remove_tree(path)
    path.unlink(missing_ok=True)
    return os.open(path, _OPEN_FILE, 0o600)


def _remove_emptied(folder: Path) -> None:
    """Remove a folder that was kept since NFS keeps the name of an open file until it is closed."""
    with suppress(OSError):
        folder.rmdir()
