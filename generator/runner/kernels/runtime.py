"""A kernel's runtime: a private folder, and a log for output outside its channels."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def private_folder() -> Iterator[Path]:
    """Create a folder that no other user can enter, and remove it on exit.

    Importing `tempfile.TemporaryDirectory` for this would cost a hundredth of a short run.
    """
    folder = make_private_folder()
    try:
        yield folder
    finally:
        remove_private_folder(folder)


@contextmanager
def private_path() -> Iterator[Path]:
    """Yield the path of a folder that does not exist; if it does on exit, remove it.

    Raises:
        FileNotFoundError: no folder for temporary files can be written to.
    """
    folder = _choose_path()
    try:
        yield folder
    finally:
        if folder.exists():
            remove_private_folder(folder)


def make_private_folder() -> Path:
    """Create a folder that no other user can enter.

    Raises:
        FileNotFoundError: no folder for temporary files can be written to.
    """
    folder = _choose_path()
    folder.mkdir(mode=0o700)
    return folder


def _choose_path() -> Path:
    folder = os.environ.get("TMPDIR") or "/tmp"  # noqa: S108 - 64 random bits follow
    if not os.access(folder, os.W_OK | os.X_OK):
        from tempfile import gettempdir

        folder = gettempdir()
    return Path(folder, f"packmill-{os.urandom(8).hex()}").absolute()


def remove_private_folder(folder: Path) -> None:
    """Remove a folder."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                Path(entry).unlink()
        folder.rmdir()
    except OSError:
        from generator.shared.removal import remove_tree

        remove_tree(folder)


_NOISE = "Kernel is running over TCP without encryption."
"""ipykernel 7.4 warns about every such kernel; packmill's messages are signed and stay on the machine."""


class KernelLog:
    """Where a kernel's output outside of its channels goes: stderr, through a filter if it needs one."""

    def __init__(self, hide: Callable[[str], str] | None = None) -> None:
        """``hide`` returns a line without secrets."""
        self._hide = hide
        self._writing: int | None = None
        self._thread: threading.Thread | None = None

    def descriptor(self, *, transport: str = "") -> int | None:
        """Return a file descriptor for a kernel with a transport, if it has one; None for stderr itself, as it is.

        It is closed by `close`.
        """
        if self._hide is None and transport != "tcp":
            return None
        if self._writing is None:
            reading, self._writing = os.pipe()
            self._thread = threading.Thread(target=self._pump, args=(reading,), daemon=True)
            self._thread.start()
        return self._writing

    def _pump(self, reading: int) -> None:
        with os.fdopen(reading, encoding="utf-8", errors="replace") as stream:
            for line in stream:
                if _NOISE in line:
                    continue
                with suppress(OSError, ValueError):  # stderr is closed; the kernel must not wait
                    sys.stderr.write(self._hide(line) if self._hide else line)

    def close(self) -> None:
        """Write what a kernel has left, after its end."""
        if self._writing is not None and self._thread is not None:
            os.close(self._writing)
            self._thread.join(timeout=1)
            self._writing = None
