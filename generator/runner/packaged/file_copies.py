"""Copies of a repository's files for a working copy, with limits of their total; the other files become links.

A link leads to the user's own file, so a large file that this user may write is copied as well, as long as the disk and
the limits of the run have space for it. Where the file system can share the content of two files, that costs nothing.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
from dataclasses import dataclass, field
from pathlib import Path

from generator.shared.passing_errors import is_full_disk
from generator.shared.write_limits import counted_size

SMALL = 8 * 1024**2
"""Bytes of a file that is copied in any case, within the first budget."""
_SMALL_TOTAL = 256 * 1024**2
_LARGE_TOTAL = 1024**3
"""Bytes of further files that are copied because the run could change them."""
_FICLONE = 0x40049409
"""ioctl_ficlone(2): two files share their content until one of them is written."""


@dataclass(slots=True)
class CopyBudget:
    """The bytes that may still be copied; ``room`` is what the limit of the run's output leaves for large files.

    ``copied`` are the bytes of large files that were copied: with links, the run has its whole limit for its results.
    """

    room: float = float("inf")
    small: int = _SMALL_TOTAL
    large: int = _LARGE_TOTAL
    copied: int = 0
    _is_measured: bool = field(default=False, init=False)

    def takes_small(self, size: int) -> bool:
        """Whether a file is small enough for a copy."""
        return size <= SMALL and size <= self.small

    def copy_large(self, source: Path, target: Path, size: int) -> bool:
        """Copy a file that this user may write; return whether there was space, and it can be read.

        Raises:
            OSError: it was removed, or the folder of the copy cannot be written.
        """
        before = self.copied
        self.copied += size  # the run is measured while the file is copied
        if size > self.room or not self._copy(source, target, size):
            self.copied = before
            return False
        self.room -= size
        self.copied = before + counted_size(target.lstat())
        return True

    def _copy(self, source: Path, target: Path, size: int) -> bool:
        if _share_content(source, target):
            return True
        if not self._is_measured:
            self._is_measured, self.large = True, min(self.large, shutil.disk_usage(target.parent).free // 4)
        if size > self.large or not _copy_if_it_fits(source, target):
            return False
        self.large -= size
        return True


def copy(source: Path, target: Path) -> bool:
    """Copy a file, which its owner may then write; return whether this user may read it.

    Raises:
        OSError: it was removed, or the copy cannot be written.
    """
    try:
        shutil.copy2(source, target)
    except (PermissionError, shutil.SpecialFileError):
        target.unlink(missing_ok=True)
        return False
    target.chmod(target.stat().st_mode | stat.S_IWUSR)
    return True


def is_writable(path: Path) -> bool:
    """Return whether this user may write a file; not in the read-only file system of a container, even as root."""
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def _copy_if_it_fits(source: Path, target: Path) -> bool:
    try:
        return copy(source, target)
    except OSError as error:
        if not is_full_disk(error) and error.errno != errno.EFBIG:
            raise
        target.unlink(missing_ok=True)
        return False


def _share_content(source: Path, target: Path) -> bool:
    """Make a file with the content of another where the file system can; return whether it could.

    Raises:
        OSError: the source was removed, or the file cannot be made.
    """
    try:
        with open(source, "rb", opener=_open_at_once) as content, open(target, "xb") as clone:
            fcntl.ioctl(clone.fileno(), _FICLONE, content.fileno())
    except FileNotFoundError:
        raise
    except OSError:  # not readable, on another file system, or on one that cannot
        target.unlink(missing_ok=True)
        return False
    shutil.copystat(source, target)
    target.chmod(target.stat().st_mode | stat.S_IWUSR)
    return True


def _open_at_once(path: str, flags: int) -> int:
    """Open a file without waiting, such as for the writer of a pipe that has taken its place."""
    return os.open(path, flags | os.O_NONBLOCK)
