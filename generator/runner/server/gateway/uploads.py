"""The folder of a gateway for uploads: a gateway removes its own at its end, and those of killed ones at its start."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from generator.shared.failures import BadInputsError
from generator.shared.removal import remove_tree

_PREFIX = "packmill-gateway-"


@contextmanager
def upload_folder() -> Iterator[Path]:
    """Create a folder among the temporary ones, and remove it on exit.

    The gateway holds a lock on it, and removes those of this user that nobody has locked.

    Raises:
        BadInputsError: no folder for temporary files can be written to.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix="packmill-new-"))
    except OSError as error:
        raise BadInputsError(f"no folder for temporary files: {error.strerror}; set TMPDIR to another one") from None
    for left in folder.parent.glob(f"{_PREFIX}*"):
        if (lock := _lock(left)) is not None:
            remove_tree(left)
            os.close(lock)
    lock = _lock(folder)
    folder = folder.rename(folder.with_name(f"{_PREFIX}{os.urandom(8).hex()}"))  # others see it once it is locked
    try:
        yield folder
    finally:
        remove_tree(folder)
        if lock is not None:
            os.close(lock)


def _lock(folder: Path) -> int | None:
    """Lock a folder until the returned descriptor is closed; None if it is not this user's, or another one holds it."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if os.fstat(descriptor).st_uid == os.geteuid():
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
    except OSError:  # locked, or on a file system without locks
        pass
    os.close(descriptor)
    return None
