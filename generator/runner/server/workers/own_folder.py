"""A folder for what one worker keeps between runs; later workers remove the folders of those that were killed."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from generator.shared.removal import remove_tree

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class OwnFolder:
    """A folder that this process holds a lock on until it ends."""

    def __init__(self, parent: Path, name: str) -> None:
        """Create the folder ``name`` below ``parent``, and remove those of dead processes.

        Raises:
            OSError: the folder cannot be created.
        """
        parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _remove_abandoned(parent)
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
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                is_there = path.exists()
            except BaseException:
                os.close(descriptor)
                raise
            if is_there:
                return descriptor
            os.close(descriptor)


def _remove_abandoned(parent: Path) -> None:
    for folder in parent.iterdir():
        try:
            descriptor = os.open(folder, _OPEN)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue  # its process lives
        else:
            remove_tree(folder)
        finally:
            os.close(descriptor)
