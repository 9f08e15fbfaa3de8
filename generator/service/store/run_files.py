"""Files that people upload for a run, in a folder for each run: a folder for each input, with the files of its value.

The values of a run name them by their path, ``uploads/INPUT/NAME``, at which the run's job finds them.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from generator.shared import durable_files
from generator.shared.removal import remove_tree
from generator.shared.safe_names import safe_name

FOLDER = "uploads"
"""The folder in a job's work folder."""
_STALE = 24 * 3600.0


class SameNameError(ValueError):
    """Two files of an input have one name."""


@dataclass(frozen=True, slots=True)
class RunFiles:
    """The uploaded files of a service's runs."""

    folder: Path

    def receive(self) -> Path:
        """Return a new folder for the files of a run that has no number yet."""
        new = self.folder / f"new-{secrets.token_hex(8)}"
        durable_files.make_folder(self.folder, 0o700)
        new.mkdir(mode=0o700)
        return new

    def keep(self, received: Path, number: int) -> None:
        """Give received files to a run that has none, on the disk as well."""
        durable_files.sync_tree(received)
        received.rename(self._of(number))
        durable_files.sync(self.folder)

    def listed(self, number: int) -> list[tuple[Path, str]]:
        """Return the files of a run, each with its path in the work folder."""
        top = self._of(number)
        return [(one, f"{FOLDER}/{one.relative_to(top)}") for one in sorted(top.glob("*/*")) if one.is_file()]

    def find(self, number: int, path: str) -> Path | None:
        """Return the file of a run at a path that a value has, None if it does not exist."""
        return next((file for file, inside in self.listed(number) if inside == path), None)

    def remove(self, number: int) -> None:
        """Remove the files of a run."""
        remove_tree(self._of(number))

    def remove_stale(self, known: Iterable[int]) -> None:
        """Remove files of runs that do not exist, and those that were received for a run that never started."""
        kept = {str(number) for number in known}
        for place in self.folder.glob("*"):
            with suppress(OSError):
                old = place.stat().st_mtime < time.time() - _STALE
                if old and place.name not in kept:
                    remove_tree(place)

    def _of(self, number: int) -> Path:
        return self.folder / str(number)


def add_file(received: Path, *, field: str, name: str, content: BinaryIO) -> dict[str, Any]:
    """Copy an upload to received files, under a name that every program accepts; return it as CWL's File object.

    Raises:
        SameNameError: the input has a file of this name.
        OSError: the disk is full.
    """
    target = _target(received, field, safe_name(name))
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        shutil.copyfileobj(content, file, 1 << 20)
    return _file_object(received, target)


def add_link(received: Path, *, field: str, file: Path) -> dict[str, Any]:
    """Add a file of an earlier run, whose content both share; return it as CWL's File object.

    Raises:
        SameNameError: the input has a file of this name.
    """
    target = _target(received, field, file.name)
    target.hardlink_to(file)  # neither run writes to it: jobs get copies
    return _file_object(received, target)


def _file_object(received: Path, target: Path) -> dict[str, Any]:
    """Return a File with its size and checksum (CWL v1.2, "File"), by which runs are compared."""
    digest = hashlib.sha1(usedforsecurity=False)  # CWL's own choice
    with target.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    path = f"{FOLDER}/{target.relative_to(received)}"
    return {"class": "File", "path": path, "size": target.stat().st_size, "checksum": f"sha1${digest.hexdigest()}"}


def _target(received: Path, field: str, name: str) -> Path:
    target = received / safe_name(field) / name
    target.parent.mkdir(exist_ok=True, mode=0o700)
    if target.exists():
        raise SameNameError(f"two files have the name {name}; rename one")
    return target
