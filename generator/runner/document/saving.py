"""Saves the executed notebook while it runs: often enough to lose little, seldom enough to cost little.

papermill writes the whole notebook twice a cell, so that the cost grows with the square of the cells. Here a save waits
until twenty times as long has passed as the last one took, at least a second; the last one always happens. Each is
written beside its place and renamed into it, so that what is there after a ``kill -9`` is whole.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from generator.runner.document.document import Document

AT_LEAST = 1.0
"""Seconds between two saves at the least."""
_SHARE = 20


def rest_after(seconds: float, *, at_least: float = AT_LEAST) -> float:
    """How long to wait, in seconds, after a save that took ``seconds``."""
    return max(at_least, _SHARE * seconds)


Write = Callable[[Iterable[bytes]], None]


class Saver:
    """Writes one notebook to one place."""

    def __init__(
        self, document: Document, write: Write, *, folder: Path | None = None, at_least: float | None = AT_LEAST
    ) -> None:
        """``folder`` is where finished cells are kept meanwhile; ``at_least`` (seconds) None saves at the end alone."""
        self.document = document
        self.folder = folder
        self._write = write
        self._at_least = at_least
        self._next = 0.0

    def save(self, *, now: bool = False) -> None:
        """Writes the notebook when it is time to, or ``now``."""
        started = time.monotonic()
        if not now and (self._at_least is None or started < self._next):
            return
        try:
            self._write(self.document.text())
        except OSError as error:
            if not now or error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            self.document.load_all()  # the disk is full: what finished cells took there is given to the notebook
            self._write(self.document.text())
        ended = time.monotonic()
        self._next = ended + rest_after(ended - started, at_least=self._at_least or 0.0)

    def store_cell(self, index: int) -> None:
        """A cell is done."""
        self.document.store_cell(index, self.folder)


_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
_NOT_TO_BE_REPLACED = (errno.EBUSY, errno.EPERM, errno.EACCES, errno.EROFS, errno.EXDEV)
"""A file that is mounted into a container, or that lies in a folder that belongs to someone else."""


def file_writer(path: Path) -> Write:
    """Replaces a file by what it is given, at once; what is no file, such as ``/dev/stdout``, is written to."""

    def write(parts: Iterable[bytes]) -> None:
        if not is_file_or_nothing(path):
            _write_over(path, parts)
            return
        place = path.resolve()
        beside = place.with_name(f".{os.urandom(6).hex()}.saving")
        try:
            descriptor = os.open(beside, _NEW, 0o666)
        except OSError as error:
            if error.errno not in _NOT_TO_BE_REPLACED or not place.exists():
                raise
            _write_over(place, parts)
            return
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.writelines(parts)
                if place.exists():
                    os.fchmod(stream.fileno(), stat.S_IMODE(place.stat().st_mode))
            _replace(beside, place)
        finally:
            beside.unlink(missing_ok=True)

    return write


def _replace(beside: Path, place: Path) -> None:
    try:
        beside.replace(place)
    except OSError as error:
        if error.errno not in _NOT_TO_BE_REPLACED:
            raise
        with beside.open("rb") as stream:
            _write_over(place, iter(lambda: stream.read(1024**2), b""))


def _write_over(path: Path, parts: Iterable[bytes]) -> None:
    with path.open("wb") as stream:
        stream.writelines(parts)


def is_file_or_nothing(path: Path) -> bool:
    """Whether a path is an ordinary file, or free for one; a device and a pipe are neither."""
    return not path.exists() or stat.S_ISREG(path.stat().st_mode)
