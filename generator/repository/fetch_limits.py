"""Limits of a fetch: how much a repository may take on the disk with its history and submodules, and how long.

git has neither limit. A thread measures the folder while git runs, and ends git's processes there beyond a limit, so
that a huge repository fills no disk.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from generator.shared.errors import RepositoryError

_MIB = 2**20
_PAUSE = 0.2
"""Seconds between two measurements, or as long as the last one took."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FetchLimits:
    """The limits of one fetch: ``size`` in MiB, ``seconds``."""

    size: int = 20_480
    seconds: float = 3600.0

    def problem(self, folder: Path, began: float) -> str:
        """Return the limit that the fetch into ``folder`` exceeds, or an empty text."""
        if time.monotonic() - began > self.seconds:
            return f"not fetched within {self.seconds:.0f} seconds; PACKMILL_REPOSITORY_TIME is the limit"
        if _size(folder) > self.size * _MIB:
            return (
                f"takes more than {self.size} MiB with its history and submodules; leave large files out of it, or ask "
                "the operator for a higher limit, which is PACKMILL_REPOSITORY_SIZE"
            )
        return ""


usual_limits = FetchLimits()


@contextmanager
def within_limits(folder: Path, limits: FetchLimits, address: str) -> Iterator[None]:
    """Fetch into a folder within limits.

    Raises:
        RepositoryError: the repository exceeds a limit; the message names it.
    """
    watch = _Watch(folder, limits)
    watch.start()
    try:
        yield
    except Exception:
        watch.end()
        if watch.problem:
            raise RepositoryError(f"{address}: {watch.problem}") from None
        raise
    finally:
        watch.end()
    if problem := watch.problem or limits.problem(folder, watch.began):
        raise RepositoryError(f"{address}: {problem}")


class _Watch(threading.Thread):
    """Measures a folder until its end; beyond a limit, ends the programs that run in it."""

    def __init__(self, folder: Path, limits: FetchLimits) -> None:
        super().__init__(daemon=True)
        self.folder, self.limits, self.began, self.problem = folder, limits, time.monotonic(), ""
        self._ended = threading.Event()

    def run(self) -> None:
        """Measure again and again; git may start its next program after one was ended."""
        took = 0.0
        while not self._ended.wait(max(_PAUSE, took)):
            start = time.monotonic()
            self.problem = self.problem or self.limits.problem(self.folder, self.began)
            took = time.monotonic() - start
            if self.problem:
                _end_programs(self.folder)

    def end(self) -> None:
        """Stop measuring."""
        self._ended.set()
        self.join()


def _size(folder: Path) -> int:
    """Return the bytes that the files of a folder take on the disk; files may come and go meanwhile."""
    total, open_folders = 0, [str(folder)]
    while open_folders:
        with suppress(OSError), os.scandir(open_folders.pop()) as entries:
            for entry in entries:
                with suppress(OSError):
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        open_folders.append(entry.path)
    return total


def _end_programs(folder: Path) -> None:
    """Kill the programs whose current folder is inside of ``folder``: git, and those that it started."""
    top = folder.resolve()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError):
            if (process / "cwd").resolve().is_relative_to(top) and int(process.name) != os.getpid():
                os.kill(int(process.name), signal.SIGKILL)
