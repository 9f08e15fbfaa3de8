"""Locks that keep two processes from writing to one place; the kernel ends a lock with its process."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from generator.shared.failures import StagingError
from generator.staging.transfer.transfer import without_links

_MOST_ATTEMPTS = 1000
"""More are needed only if a file system gives one file another number at each look."""


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Lock a folder for one stage-in. File systems without locks have none, NFS one for each host.

    The folder itself is locked, since a lock file in it would be part of the result.

    Raises:
        StagingError: another stage-in writes to the folder.
    """
    descriptor = None
    try:
        with suppress(OSError):  # a folder that may be written, but not read
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        if descriptor is not None and not _try_lock(descriptor):
            raise StagingError(f"{folder}: another stage-in writes here; wait for its end, or choose another --output")
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    """Lock a file or folder; return whether no other process has its lock."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


@contextmanager
def part_lock(part: Path) -> Iterator[BinaryIO]:
    """Wait until no other process writes a partial file, lock it, and yield it open; it is created if missing.

    The block renames or removes the file. Processes that waited for it then lock a new one.

    Raises:
        OSError: the file cannot be created, or its name is a link.
    """
    for attempt in range(_MOST_ATTEMPTS):
        with open(part, "ab", opener=without_links) as file:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(file, fcntl.LOCK_EX)
            if has_name(file.fileno(), part) or attempt == _MOST_ATTEMPTS - 1:
                yield file
                return


def has_name(descriptor: int, path: Path) -> bool:
    """Whether an open file has a name: another process may have renamed or replaced it."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
