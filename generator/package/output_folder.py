"""What a folder of results may have before a run: links, and files of its user.

Git carries links, so a repository can ship such a folder: a run or a map in a clone would write to, or remove, what a
link leads to. Files of the user have any name, as the results of a stranger's image do.
"""

from __future__ import annotations

import json
import os
import posixpath
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile

from generator.shared import contract
from generator.shared.errors import UsageError
from generator.shared.regular_files import open_regular_file

_NAMES = ".packmill-results"
"""The names of results that runs left next to ``output``, a JSON text a line; most packages have none."""
_LARGEST = 16 << 20


def find_link(outdir: Path | str, path: str) -> Path | None:
    """Return the first link of a path below an output folder; its user named the folder, which may be a link itself."""
    found = Path(outdir)
    for name in posixpath.normpath(path).split("/"):
        found /= name
        if found.is_symlink():
            return found
    return None


def refuse_links(outdir: Path, *paths: str) -> None:
    """Refuse links among the paths below an output folder that packmill writes to, or removes.

    Raises:
        UsageError: one of them, or a folder above it in the output folder, is a link.
    """
    for path in paths:
        if link := find_link(outdir, path):
            raise UsageError(
                f"{link}: is a link, and results do not go through links; remove it, or choose another --outdir"
            )


def make_writable(outdir: Path) -> None:
    """Create an output folder, and write a temporary file to it: a run of hours would lose its results at the end.

    Raises:
        OSError: the folder cannot be written, such as one of another user or on a read-only disk, or the disk is full.
    """
    outdir.mkdir(parents=True, exist_ok=True)
    for folder in (outdir, outdir / contract.output_folder):
        if folder.is_dir():
            with TemporaryFile(dir=folder) as file:
                file.write(b"x")


class NamesOfResults:
    """The names in an output folder that a run may replace: ``output``, and those of results of earlier runs."""

    def __init__(self, outdir: Path) -> None:
        self._outdir, self._file = outdir, outdir / _NAMES
        self._own = {contract.output_folder, *_read_names(self._file)}
        self._new: list[str] = []

    def free_name(self, name: str) -> str:
        """Return the name for a result: its own, or with a number if the user has a file of that name."""
        free, number = name, 1
        while free not in self._own and os.path.lexists(self._outdir / free):
            number += 1
            free = f"{name}_{number}"
        if free not in self._own:
            self._own.add(free)
            self._new.append(free)
        return free

    def another_name(self, name: str) -> str:
        """Return a name for a result in whose place something is that it cannot replace."""
        number = 2
        while (free := f"{name}_{number}") in self._own or os.path.lexists(self._outdir / free):
            number += 1
        self._own.add(free)
        self._new.append(free)
        return free

    def store(self) -> None:
        """Store new names for later runs; without space for that, these leave the results as they are."""
        if not self._new:
            return
        with suppress(OSError):
            self._outdir.mkdir(parents=True, exist_ok=True)
            with open(self._file, "a", encoding="utf-8", opener=_without_links) as file:
                file.writelines(f"{json.dumps(name)}\n" for name in self._new)
            self._new = []


def _without_links(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


def _read_names(path: Path) -> Iterator[str]:
    """Yield the names in a list; one that is too long, or that packmill did not write, has none or fewer."""
    with suppress(OSError), open_regular_file(path, follow_links=False) as file:
        for line in file.read(_LARGEST).splitlines():
            with suppress(ValueError, RecursionError):
                name = json.loads(line)
                if isinstance(name, str):
                    yield name
