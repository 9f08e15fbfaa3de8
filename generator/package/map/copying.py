"""A copy of the results of a row, which nothing in the row's container can change.

A container runs further rows while the results of one are read. What has a folder of these results open can still put
links into it, also after the folder was moved out of the container's sight: between a check and its use, they would
lead packmill elsewhere. So results are copied first. Each name is opened below the descriptor of its folder, and no
link is followed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from generator.shared.write_limits import WriteLimits, no_limits

COPIED_AT_MOST = 256 << 20
"""Bytes of results that are copied. To end their container first, and move them, takes less time for more."""
_DEEPEST = 200
"""Folders in each other: one descriptor is open for each."""
_PIECE = 1 << 20
_NAMED = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


class LimitExceededError(Exception):
    """The results exceed a limit, which the message names."""


def is_large(left: Path) -> bool:
    """Return whether what a row left is moved once its container has ended, instead of copied."""
    return bool(WriteLimits(size=COPIED_AT_MOST).problem((left,)))


def copy_folder(source: Path, target: Path, limits: WriteLimits = no_limits) -> None:
    """Copy a folder with everything in it to the new folder ``target``; links stay links.

    Raises:
        LimitExceededError: it has more than the limits allow.
        OSError: it is not a folder, has too many folders in each other, or cannot be read or written.
    """
    with _named(str(source)) as folder:
        _Copy(limits).folder(folder, target, 0)


class _Copy:
    def __init__(self, limits: WriteLimits) -> None:
        self._limits, self._size, self._files = limits, 0, 0

    def folder(self, named: int, target: Path, depth: int) -> None:
        if depth > _DEEPEST:
            raise OSError(f"more than {_DEEPEST} folders in each other")
        target.mkdir()
        with _opened(named, os.O_DIRECTORY, stat.S_IRWXU) as folder:
            for name in sorted(os.listdir(folder)):  # noqa: PTH208 - a descriptor
                with _named(name, folder) as one:
                    self._entry(one, target / name, depth)
            status = os.fstat(folder)
        target.chmod(_permissions(status) | stat.S_IRWXU)

    def _entry(self, named: int, target: Path, depth: int) -> None:
        status = os.fstat(named)
        self._count(status)
        if stat.S_ISDIR(status.st_mode):
            self.folder(named, target, depth + 1)
        elif stat.S_ISREG(status.st_mode):
            _copy_file(named, status, target)
        elif stat.S_ISLNK(status.st_mode):
            target.symlink_to(os.readlink("", dir_fd=named))  # readlinkat(2): an empty path is the link itself
        else:  # refused later, with the name of its kind
            os.mknod(target, stat.S_IFSOCK if stat.S_ISSOCK(status.st_mode) else stat.S_IFIFO)

    def _count(self, status: os.stat_result) -> None:
        self._files += 1
        self._size += max(status.st_size, status.st_blocks * 512) if stat.S_ISREG(status.st_mode) else 0
        if problem := self._limits.excess(size=self._size, files=self._files):
            raise LimitExceededError(problem)


@contextmanager
def _named(name: str, folder: int | None = None) -> Iterator[int]:
    """Yield a descriptor of what has a name now; it stays the same when another one takes its name."""
    descriptor = os.open(name, _NAMED, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _opened(named: int, flags: int, needed: int) -> Iterator[int]:
    """Open what `_named` gave for reading; permissions that its owner took from himself are added."""
    place, mode = f"/proc/self/fd/{named}", os.fstat(named).st_mode
    if mode & needed != needed:
        os.chmod(place, stat.S_IMODE(mode) | needed)  # noqa: PTH101 - not the name of a file
    descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC | flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _copy_file(named: int, status: os.stat_result, target: Path) -> None:
    """Copy no more of a file than it had: it may grow meanwhile."""
    left = status.st_size
    with _opened(named, os.O_NONBLOCK, stat.S_IRUSR) as source, target.open("xb") as file:
        while left > 0 and (piece := _copy_piece(source, file.fileno(), left)):
            left -= piece
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
    target.chmod(_permissions(status))


def _copy_piece(source: int, target: int, most: int) -> int:
    """Copy some bytes, within the file system if it can do so; return how many."""
    try:
        return os.copy_file_range(source, target, most)
    except OSError:  # of a file system without it, or of a full disk, which writing will report
        piece = os.read(source, min(most, _PIECE))
        written = 0
        while written < len(piece):
            written += os.write(target, piece[written:])
        return written


def _permissions(status: os.stat_result) -> int:
    """Return the permissions, without the bits that run a file as its owner or group."""
    return stat.S_IMODE(status.st_mode) & ~(stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX)
