"""A kernel's runtime: a private folder, and a masked log for output outside its channels."""

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
    folder = _make_folder()
    try:
        yield folder
    finally:
        _remove_folder(folder)


def _make_folder() -> Path:
    folder = Path(os.environ.get("TMPDIR") or "/tmp", f"packmill-{os.urandom(8).hex()}")  # noqa: S108 - 64 random bits
    try:
        folder.mkdir(mode=0o700)
    except OSError:
        from tempfile import mkdtemp

        return Path(mkdtemp(prefix="packmill-"))
    return folder.absolute()


def _remove_folder(folder: Path) -> None:
    try:
        for entry in os.scandir(folder):
            Path(entry).unlink()
        folder.rmdir()
    except OSError:
        from shutil import rmtree

        rmtree(folder, ignore_errors=True)


@contextmanager
def masked_log(hide: Callable[[str], str] | None) -> Iterator[int | None]:
    """Open a file descriptor for a kernel's output outside its channels; None, for stderr, without secrets."""
    if hide is None:
        yield None
        return
    reading, writing = os.pipe()

    def pump() -> None:
        with os.fdopen(reading, encoding="utf-8", errors="replace") as stream:
            for line in stream:
                with suppress(OSError, ValueError):  # stderr is closed; the kernel must not wait
                    sys.stderr.write(hide(line))

    thread = threading.Thread(target=pump, daemon=True)
    thread.start()
    try:
        yield writing
    finally:
        os.close(writing)
        thread.join(timeout=1)
