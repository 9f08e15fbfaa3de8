"""Limits of what a run may write: the space of its files, and their number.

A thread measures the folders while the run writes, so that it ends before the disk is full.
"""

from __future__ import annotations

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


@dataclass(frozen=True, kw_only=True, slots=True)
class WriteLimits:
    """The most that a run may write: ``size`` in bytes, and ``files`` with folders and links; 0 for no limit."""

    size: int = 0
    files: int = 0

    @property
    def are_set(self) -> bool:
        """Whether there is a limit at all."""
        return bool(self.size or self.files)

    def problem(self, folders: Iterable[Path]) -> str:
        """Return which limit the content of folders exceeds, empty if none.

        Files count with their length, since copies and archives of a file with holes have no holes.
        """
        size = 0
        for files, status in enumerate(_entries(folders) if self.are_set else (), start=1):
            size += max(status.st_size, status.st_blocks * 512) if stat.S_ISREG(status.st_mode) else 0
            if problem := self.excess(size=size, files=files):
                return problem
        return ""

    def excess(self, *, size: int, files: int) -> str:
        """Return which limit a size in bytes and a number of files exceed, empty if none."""
        if self.size and size > self.size:
            return f"the run wrote more than {self.size / _MIB:g} MiB, which is the limit of its output"
        if self.files and files > self.files:
            return f"the run wrote more than {self.files} files and folders, which is the limit"
        return ""


no_limits = WriteLimits()


def _entries(folders: Iterable[Path]) -> Iterator[os.stat_result]:
    """Yield the status of everything below folders, without following links; files may come and go meanwhile."""
    waiting = [str(folder) for folder in folders if not os.path.islink(folder)]
    while waiting:
        with suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                with suppress(OSError):
                    yield entry.stat(follow_symlinks=False)
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)


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
