"""Files that clients upload for later jobs, such as tables of inputs: each has a name, a version and a file name.

They are GitLab's generic packages, in the data folder. A file is removed a month after its last upload, as artifacts.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_NAME = re.compile(r"[A-Za-z0-9][\w.+-]{0,254}", re.ASCII)
"""A part of an address that is also a name in a folder; the rules of GitLab are wider."""
_TABLES = "packmill-tables"
"""The generic package with the tables of maps, as `query.py` names it."""
_KEPT = 30 * 24 * 3600.0
_STALE = 3600.0
"""Seconds after which an upload that did not end is removed."""


class BadNameError(ValueError):
    """A name has characters that an uploaded file may not have."""


@dataclass(frozen=True, slots=True)
class Uploads:
    """The uploaded files of a service."""

    folder: Path

    def path(self, package: str, version: str, file: str) -> Path:
        """Return the path of a file, whether it exists or not.

        Raises:
            BadNameError: a name is not one of letters, digits and ``.``, ``_``, ``+``, ``-``.
        """
        names = (package, version, file)
        if not all(_NAME.fullmatch(name) for name in names):
            raise BadNameError("names need letters, digits, '.', '_', '+' and '-'")
        return self.folder.joinpath(*names)

    @contextmanager
    def writing(self, path: Path) -> Iterator[BinaryIO]:
        """Yield a file that gets its path when the block ends; a block that fails leaves what was there."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        new = self.folder / f".{secrets.token_hex(8)}.new"
        try:
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                yield file
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)

    def keep_table(self, table: Path) -> str:
        """Store a table for jobs; return its place, NAME/VERSION/FILE, which is the same for the same content."""
        digest = hashlib.sha256()
        with table.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
            version = digest.hexdigest()[:32]
            file.seek(0)
            with self.writing(self.path(_TABLES, version, table.name)) as target:
                shutil.copyfileobj(file, target)
        return f"{_TABLES}/{version}/{table.name}"

    def remove_old(self) -> None:
        """Remove files that were uploaded a month ago, and what is left of uploads that were killed."""
        now = time.time()
        ages = ((self.folder.glob("*/*/*"), _KEPT), (self.folder.glob(".*.new"), _STALE))
        for paths, age in ages:
            for path in paths:
                with suppress(OSError):
                    if path.stat().st_mtime < now - age:
                        path.unlink()
                        path.parent.rmdir()
                        path.parent.parent.rmdir()
