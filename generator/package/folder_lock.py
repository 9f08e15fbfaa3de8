"""Locks of folders, so that one build writes to a folder at a time."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class _Held(threading.local):
    """The folders, by device and number, that this thread holds the locks of."""

    def __init__(self) -> None:
        self.folders: set[tuple[int, int]] = set()


_held = _Held()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder's lock: one writer at a time; the lock goes with the process that holds it.

    A thread may hold it twice: a link can lead from a package's place to a folder that is locked already.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        status = os.fstat(descriptor)
        added = {(status.st_dev, status.st_ino)} - _held.folders
        if added:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        _held.folders |= added
        try:
            yield
        finally:
            _held.folders -= added
    finally:
        os.close(descriptor)
