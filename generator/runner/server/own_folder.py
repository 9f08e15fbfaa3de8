"""A folder of one process; the next process removes the folders of those that were killed."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from generator.shared.removal import remove_tree

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class OwnFolder:
    """A folder that this process holds a lock on until it ends."""

    def __init__(self, parent: Path, name: str, *, pattern: str = "*") -> None:
        """Create the folder ``name`` below ``parent``, and remove those of this user whose processes ended.

        ``pattern`` is what names of such folders have in common.

        Raises:
            OSError: the folder cannot be created.
        """
        parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _remove_abandoned(parent, pattern)
        self.path = parent / name
        self._lock = _create_locked(self.path)

    def remove(self) -> None:
        """Remove the folder."""
        remove_tree(self.path)
        os.close(self._lock)


def _create_locked(path: Path) -> int:
    """Create and lock a folder; again if another process removed it in between, as abandoned."""
    while True:
        path.mkdir(mode=0o700)
        with suppress(FileNotFoundError):
            descriptor = os.open(path, _OPEN)
            try:
                with suppress(OSError):  # a file system without locks, on which nobody removes it
                    fcntl.flock(descriptor, fcntl.LOCK_EX)
                is_there = path.exists()
            except BaseException:
                os.close(descriptor)
                raise
            if is_there:
                return descriptor
            os.close(descriptor)


def _remove_abandoned(parent: Path, pattern: str) -> None:
    for folder in parent.glob(pattern):
        try:
            descriptor = os.open(folder, _OPEN)
        except OSError:
            continue
        try:
            if os.fstat(descriptor).st_uid == os.geteuid():
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove_tree(folder)
        except OSError:  # its process lives
            continue
        finally:
            os.close(descriptor)
