"""Limits of a fetch: what a repository may take on the disk with its history and submodules, of memory, and how long.

git has no such limits. A thread measures the folder and git's processes there while they run, and ends them beyond a
limit, so that a huge repository fills no disk, and a server that lists branches without end fills no memory.
"""

from __future__ import annotations

import errno
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from generator.shared.errors import PackmillError, RepositoryError

_MIB = 2**20
_HALF_OF_MEMORY = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // (2 * _MIB)
_MEMORY = min(8192, _HALF_OF_MEMORY)
_PAUSE = 0.2
"""Seconds between two measurements, or as long as the last one took."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FetchLimits:
    """The limits of one fetch: ``size`` and ``memory`` of git in MiB, ``seconds``."""

    size: int = 20_480
    seconds: float = 3600.0
    memory: int = _MEMORY

    def problem(self, folder: Path, began: float) -> str:
        """Return the limit that the fetch into ``folder`` exceeds, or an empty text."""
        if time.monotonic() - began > self.seconds:
            return f"not fetched within {self.seconds:.0f} seconds; PACKMILL_REPOSITORY_TIME is the limit"
        try:
            size = _size(folder)
        except _PathTooLongError:
            return "has a path that is longer than the system takes; shorten the names of its folders"
        if size > self.size * _MIB:
            return (
                f"takes more than {self.size} MiB with its history and submodules; leave large files out of it, or ask "
                "the operator for a higher limit, which is PACKMILL_REPOSITORY_SIZE"
            )
        if sum(map(_memory, _programs(folder))) > self.memory * _MIB:
            return f"takes more than {self.memory} MiB of memory to be listed or fetched, which is the limit"
        return ""


usual_limits = FetchLimits()


@contextmanager
def within_limits(
    folder: Path, limits: FetchLimits, address: str, error: type[PackmillError] = RepositoryError
) -> Iterator[Callable[[], None]]:
    """Fetch into a folder within limits; yield a function that checks them now, before the next step.

    Raises:
        PackmillError: the repository exceeds a limit, which the message names; raised as ``error``.
    """
    watch = _Watch(folder, limits)

    def check() -> None:
        if problem := watch.problem or limits.problem(folder, watch.began):
            raise error(f"{address}: {problem}")

    watch.start()
    try:
        yield check
    except Exception:
        watch.end()
        if watch.problem:
            raise error(f"{address}: {watch.problem}") from None
        raise
    finally:
        watch.end()
    check()


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


class _PathTooLongError(Exception):
    """A file cannot be measured, but git, which reaches it from the folder, can go on writing it."""


def _size(folder: Path) -> int:
    """Return the bytes that the files of a folder take on the disk; files may come and go meanwhile.

    Raises:
        _PathTooLongError: a path is longer than the system takes.
    """
    total, open_folders = 0, [str(folder)]
    while open_folders:
        try:
            with os.scandir(open_folders.pop()) as entries:
                for entry in entries:
                    try:
                        total += entry.stat(follow_symlinks=False).st_blocks * 512
                        if entry.is_dir(follow_symlinks=False):
                            open_folders.append(entry.path)
                    except OSError as error:
                        _refuse_long_path(error)
        except OSError as error:
            _refuse_long_path(error)
    return total


def _refuse_long_path(error: OSError) -> None:
    if error.errno == errno.ENAMETOOLONG:
        raise _PathTooLongError from None


def _end_programs(folder: Path) -> None:
    """Kill the programs whose current folder is inside of ``folder``: git, and those that it started."""
    for process in _programs(folder):
        with suppress(OSError):
            os.kill(int(process.name), signal.SIGKILL)


def _programs(folder: Path) -> Iterator[Path]:
    """Yield the folders in /proc of the other programs whose current folder is inside of ``folder``."""
    top = folder.resolve()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError):
            if (process / "cwd").resolve().is_relative_to(top) and int(process.name) != os.getpid():
                yield process


def _memory(process: Path) -> int:
    """Return the bytes of memory that a process has written to, without files (proc_pid_status(5), RssAnon)."""
    with suppress(OSError):
        for line in (process / "status").read_text(errors="replace").splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    return 0
