"""Saves of the executed notebook while it runs: frequent enough to lose little, rare enough to cost little.

papermill writes the whole notebook twice per cell, so that the cost grows with the square of the cells. Here a save
waits twenty times as long as the previous one took, at least a second; the last save always happens. Each save is
written to a temporary file and renamed, so that the notebook is complete even after ``kill -9``.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from generator.runner.document.document import Document
from generator.shared.passing_errors import insist, is_full_disk

AT_LEAST = 1.0
"""Minimum seconds between two saves."""
_SHARE = 20
_PATIENCE = 10.0
"""Seconds in which a failure of the last save may pass."""


def rest_after(seconds: float, *, at_least: float = AT_LEAST) -> float:
    """Return the seconds to wait after a save that took ``seconds``."""
    return max(at_least, _SHARE * seconds)


Write = Callable[[Iterable[bytes]], None]


class Saver:
    """Writes one notebook to one place."""

    def __init__(
        self,
        document: Document,
        write: Write,
        *,
        folder: Path | None = None,
        at_least: float | None = AT_LEAST,
        at_start: bool = True,
    ) -> None:
        """``folder`` holds finished cells during the run; ``at_least`` (seconds) None saves only at the end.

        Without ``at_start`` the first save may come ``at_least`` seconds from now, so that a short run has one.
        """
        self.document = document
        self.folder = folder
        self._write = write
        self._at_least = at_least
        self._next = 0.0 if at_start else time.monotonic() + (at_least or 0.0)

    def save(self, *, now: bool = False) -> None:
        """Write the notebook if a save is due, or ``now``."""
        started = time.monotonic()
        if not now and (self._at_least is None or started < self._next):
            return
        try:
            self._write(self.document.text())
        except OSError as error:
            if not now or not is_full_disk(error):
                raise
            self.document.load_all()  # the disk is full: free the space of finished cells
            self._write(self.document.text())
        ended = time.monotonic()
        self._next = ended + rest_after(ended - started, at_least=self._at_least or 0.0)

    def save_at_the_end(self) -> None:
        """Write the notebook; try again for a while if the disk or its server fails."""
        insist(partial(self.save, now=True), patience=_PATIENCE, passes=lambda error: not is_full_disk(error))

    def store_cell(self, index: int) -> None:
        """Move a finished cell to disk."""
        self.document.store_cell(index, self.folder)


_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
_NOT_REPLACEABLE = (errno.EBUSY, errno.EPERM, errno.EACCES, errno.EROFS, errno.EXDEV)
"""Errors for a file mounted into a container, or in a folder of another user."""


def file_writer(path: Path) -> Write:
    """Return a function that replaces a file atomically; devices such as ``/dev/stdout`` are written to directly."""

    def write(parts: Iterable[bytes]) -> None:
        if not is_file_or_nothing(path):
            _write_over(path, parts)
            return
        place = path.resolve()
        temporary = place.with_name(f".{os.urandom(6).hex()}.saving")
        try:
            descriptor = os.open(temporary, _NEW, 0o666)
        except OSError as error:
            if error.errno not in _NOT_REPLACEABLE or not place.exists():
                raise OSError(error.errno, error.strerror, str(path)) from None  # nobody knows the temporary file
            _write_over(place, parts)
            return
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.writelines(parts)
                if place.exists():
                    os.fchmod(stream.fileno(), stat.S_IMODE(place.stat().st_mode))
            _replace(temporary, place)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from None
        finally:
            temporary.unlink(missing_ok=True)

    return write


def _replace(temporary: Path, place: Path) -> None:
    try:
        temporary.replace(place)
    except OSError as error:
        if error.errno not in _NOT_REPLACEABLE:
            raise
        with temporary.open("rb") as stream:
            _write_over(place, iter(lambda: stream.read(1024**2), b""))


def _write_over(path: Path, parts: Iterable[bytes]) -> None:
    with path.open("wb") as stream:
        stream.writelines(parts)


def is_file_or_nothing(path: Path) -> bool:
    """Check whether a path is a regular file or does not exist; devices and pipes are neither."""
    return not path.exists() or stat.S_ISREG(path.stat().st_mode)
