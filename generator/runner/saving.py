"""Saves the executed notebook while it runs: often enough to lose little, seldom enough to cost little.

papermill writes the whole notebook twice a cell, so that the cost grows with the square of the cells. Here a save waits
until twenty times as long has passed as the last one took, at least a second; the last one always happens. Each is
written beside its place and renamed into it, so that what is there after a ``kill -9`` is whole.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from generator.runner.document import Document

_AT_LEAST = 1.0
_SHARE = 20

Write = Callable[[Iterable[bytes]], None]


class Saver:
    """Writes one notebook to one place."""

    def __init__(
        self, document: Document, write: Write, *, folder: Path | None = None, at_least: float | None = _AT_LEAST
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
        self._write(self.document.text())
        ended = time.monotonic()
        self._next = ended + max(self._at_least or 0.0, _SHARE * (ended - started))

    def settle(self, index: int) -> None:
        """A cell is done."""
        self.document.settle(index, self.folder)


def file_writer(path: Path) -> Write:
    """Replaces a file by what it is given, at once; what is no file, such as ``/dev/stdout``, is written to."""

    def write(parts: Iterable[bytes]) -> None:
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):
            with path.open("wb") as stream:
                stream.writelines(parts)
            return
        place = path.resolve()
        beside = place.with_name(f".{place.name}.saving")
        try:
            with beside.open("wb") as stream:
                stream.writelines(parts)
                if place.exists():
                    os.fchmod(stream.fileno(), stat.S_IMODE(place.stat().st_mode))
            beside.replace(place)
        except BaseException:
            with suppress(OSError):
                beside.unlink()
            raise

    return write
