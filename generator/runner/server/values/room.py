"""How much one request may write to the disk: bytes of unpacked archives, and files and folders."""

from __future__ import annotations

from pathlib import Path

from generator.notebook.literals import MisfitError

MOST_ENTRIES = 10_000
"""Files and folders that one request may make."""


class Room:
    """What is left for a request, which all of its archives and files share."""

    def __init__(self, size: int = 0) -> None:
        """Leave room for ``size`` bytes of unpacked archives, and for `MOST_ENTRIES` files and folders."""
        self.size = size
        self._bytes = size
        self._entries = MOST_ENTRIES

    def count(self, folder: Path) -> None:
        """Count what the request has written to a folder already: files of a form, and what its archives held."""
        for path in folder.rglob("*"):
            self._entries -= 1
            self._bytes -= path.stat().st_size if path.is_file() else 0

    def take_bytes(self, count: int) -> None:
        """Count bytes that are about to be written.

        Raises:
            MisfitError: the request is larger than it may be.
        """
        self._bytes -= count
        if self._bytes < 0:
            raise MisfitError("is an archive whose files are larger than this server takes")

    def take_entry(self) -> None:
        """Count a file or a folder that is about to be made.

        Raises:
            MisfitError: the request makes more of them than it may.
        """
        self._entries -= 1
        if self._entries < 0:
            raise MisfitError(f"makes more than {MOST_ENTRIES} files and folders of this request")

    def make_folder(self, path: Path) -> None:
        """Make a folder and those above it that are missing, for the owner alone.

        Raises:
            MisfitError: see `take_entry`.
            FileExistsError: there is a file in its place, or in that of a folder above it.
        """
        missing = []
        while not path.is_dir():
            missing.append(path)
            path = path.parent
        for folder in reversed(missing):
            self.take_entry()
            folder.mkdir(mode=0o700)
