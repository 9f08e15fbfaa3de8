"""Limits of what a run may write: the space of its files, and their number.

A thread measures the folders while the run writes, so that it ends before the disk is full.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_PAUSE = 0.5
"""Seconds between two measurements, or ten times as long as the last one took."""
_MIB = 1 << 20
_LIST = stat.S_IRUSR | stat.S_IXUSR


@dataclass(frozen=True, kw_only=True, slots=True)
class WriteLimits:
    """The most that a run may write: ``size`` in bytes, and ``files`` with folders and links; 0 for no limit."""

    size: int = 0
    files: int = 0

    @property
    def are_set(self) -> bool:
        """Whether there is a limit at all."""
        return bool(self.size or self.files)

    def problem(self, folders: Iterable[Path], *, given: int = 0, has_ended: bool = False) -> str:
        """Return which limit the content of folders exceeds, empty if none.

        Files count with their length, since copies and archives of a file with holes have no holes. ``given`` bytes of
        them are not what the run wrote. ``has_ended`` is whether nothing writes any more: then folders that their owner
        may not read become readable, and count as well.
        """
        size = -given
        try:
            for files, status in enumerate(_entries(folders, allow=has_ended) if self.are_set else (), start=1):
                size += counted_size(status)
                if problem := self.excess(size=size, files=files):
                    return problem
        except PathTooLongError as error:
            return str(error)
        return ""

    def excess(self, *, size: int, files: int) -> str:
        """Return which limit a size in bytes and a number of files exceed, empty if none."""
        if self.size and size > self.size:
            return f"the run wrote more than {self.size / _MIB:g} MiB, which is the limit of its output"
        if self.files and files > self.files:
            return f"the run wrote more than {self.files} files and folders, which is the limit"
        return ""


no_limits = WriteLimits()


class PathTooLongError(Exception):
    """Something cannot be measured: a program reaches it from the folder that it is in."""


def counted_size(status: os.stat_result) -> int:
    """Return the bytes for which a file counts; folders and links count as files alone."""
    return max(status.st_size, status.st_blocks * 512) if stat.S_ISREG(status.st_mode) else 0


def measure(folders: Iterable[Path]) -> tuple[int, int]:
    """Return the size of what a run that has ended left in folders, and the number of files, folders and links.

    Raises:
        PathTooLongError: a path is longer than the system takes.
    """
    size = files = 0
    for status in _entries(folders, allow=True):
        size, files = size + counted_size(status), files + 1
    return size, files


def _entries(folders: Iterable[Path], *, allow: bool) -> Iterator[os.stat_result]:
    """Yield the status of everything below folders, without following links; files may come and go meanwhile.

    Raises:
        PathTooLongError: a path is longer than the system takes.
    """
    waiting = [str(folder) for folder in folders if not os.path.islink(folder)]
    while waiting:
        folder = waiting.pop()
        if allow:
            _make_readable(folder)
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    try:
                        yield entry.stat(follow_symlinks=False)
                        if entry.is_dir(follow_symlinks=False):
                            waiting.append(entry.path)
                    except OSError as error:
                        _refuse_long_path(error)
        except OSError as error:
            _refuse_long_path(error)


def _refuse_long_path(error: OSError) -> None:
    if error.errno == errno.ENAMETOOLONG:
        raise PathTooLongError(
            "the run wrote folders in each other whose path is longer than the system takes"
        ) from None


def _make_readable(folder: str) -> None:
    """Let the owner of a folder list it, but not what a link leads to."""
    with suppress(OSError):
        named = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            mode = stat.S_IMODE(os.fstat(named).st_mode)
            if mode & _LIST != _LIST:
                os.chmod(f"/proc/self/fd/{named}", mode | _LIST)  # noqa: PTH101 - not the name of a folder
        finally:
            os.close(named)


@contextmanager
def watched(measure: Callable[[], str], on_excess: Callable[[str], None]) -> Iterator[None]:
    """Measure again and again while the block runs, in another thread.

    ``measure`` returns which limit is exceeded, empty if none. ``on_excess`` is called with it after each measurement
    that finds one, because what it does may fail, such as ending a container by an engine that is busy.
    """
    ended = threading.Event()

    def watch() -> None:
        pause = _PAUSE
        while not ended.wait(pause):
            began = time.monotonic()
            problem = measure()
            pause = max(_PAUSE, 10 * (time.monotonic() - began))
            if problem:
                on_excess(problem)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
