"""Limits of what a run may write: the space of its files, and their number.

A thread measures the folders while the run writes, so that it ends before the disk is full.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
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
            if self.size and size > self.size:
                return f"the run wrote more than {self.size / _MIB:g} MiB, which is the limit of its output"
            if self.files and files > self.files:
                return f"the run wrote more than {self.files} files and folders, which is the limit"
        return ""


no_limits = WriteLimits()


def _entries(folders: Iterable[Path]) -> Iterator[os.stat_result]:
    """Yield the status of everything below folders, without following links; files may come and go meanwhile."""
    waiting = [str(folder) for folder in folders]
    while waiting:
        with suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                with suppress(OSError):
                    yield entry.stat(follow_symlinks=False)
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)


@contextmanager
def watched(limits: WriteLimits, folders: Sequence[Path], on_excess: Callable[[str], None]) -> Iterator[None]:
    """Measure folders while the block runs; call ``on_excess`` once, in another thread, with the limit exceeded."""
    ended = threading.Event()

    def measure() -> None:
        took = 0.0
        while not ended.wait(max(_PAUSE, 10 * took)):
            began = time.monotonic()
            if problem := limits.problem(folders):
                on_excess(problem)
                return
            took = time.monotonic() - began

    thread = threading.Thread(target=measure, daemon=True)
    if limits.are_set:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        if limits.are_set:
            thread.join()
