"""Files that clients upload for later jobs, such as tables of inputs: each has a name, a version and a file name.

They are GitLab's generic packages, in the data folder. A file is removed a month after its last upload or, as the table
of a map, its last use, unless it is the table of a schedule or of a pipeline that has not ended
(`generator.service.retention.ended`).
Jobs and schedules name files by their places, so only the owner of a place replaces its file. A table of a map has a
place named by its content; it belongs to nobody.
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

import sqlalchemy as sa

from generator.service.store.tokens import Identity, is_replaced
from generator.service.store.upload_tables import upload_owners
from generator.shared import durable_files

_NAME = re.compile(r"[A-Za-z0-9][\w.+-]{0,254}", re.ASCII)
"""A part of an address that is also a name in a folder; the rules of GitLab are wider."""
_TABLES = "packmill-tables"
"""The generic package with the tables of maps, as `query.py` names it; their version is the digest of the content."""
_DIGEST = 32
"""Hexadecimal digits of a table's SHA-256 in its version."""
_STALE = 3600.0
"""Seconds after which an upload that did not end is removed."""
_NEW = 3600.0
"""Seconds in which the use of a file changes nothing, so that its ETag stays for a download in parts."""


class BadNameError(ValueError):
    """A name has characters that an uploaded file may not have."""


class NotOwnerError(Exception):
    """A file is another token's."""


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
        """Yield a file that gets its path, on the disk as well, when the block ends; one that fails leaves what was."""
        durable_files.make_folder(self.folder, 0o700)
        new = self.folder / f".{secrets.token_hex(8)}.new"
        try:
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                yield file
            durable_files.make_folder(path.parent, 0o700)  # `remove` may have removed it meanwhile
            durable_files.replace(new, path)
        finally:
            new.unlink(missing_ok=True)

    def note_use(self, place: str, *, table_only: bool = False) -> None:
        """Keep a file, if it exists, as long as one that is uploaded now: a pipeline that is starting needs it.

        ``table_only``: only if it is the table of a map, which `query.py` does not upload again.
        """
        names = place.strip().split("/")
        if len(names) != 3 or (table_only and names[0] != _TABLES):
            return
        with suppress(BadNameError, OSError):
            path = self.path(*names)
            if path.stat().st_mtime < time.time() - _NEW:
                os.utime(path)

    def place(self, path: Path) -> str:
        """Return the name of a file's path for jobs: NAME/VERSION/FILE."""
        return path.relative_to(self.folder).as_posix()

    def check_content(self, path: Path, sha256: str) -> None:
        """Check the content of a table, whose version is its digest; ``sha256`` in hexadecimal digits.

        Raises:
            BadNameError: the version of a table is not the digest of its content.
        """
        package, version, _ = path.relative_to(self.folder).parts
        if package == _TABLES and version != sha256[:_DIGEST]:
            raise BadNameError(f"the version of {_TABLES} must be the first {_DIGEST} digits of the file's SHA-256")

    def claim(self, connection: sa.Connection, path: Path, user: Identity) -> bool:
        """Make a user the owner of a new place, in the transaction that records the upload; return whether it is new.

        The places of a token that was replaced go to the new one, which the operator gave the same name.

        Raises:
            NotOwnerError: the place is another token's, and the user has not the role ``admin``.
        """
        place = self.place(path)
        if place.startswith(f"{_TABLES}/"):
            return False
        mine = sa.select(upload_owners.c.user_id).where(upload_owners.c.place == place)
        owner: int | None = connection.execute(mine).scalar()
        if owner is None and not path.exists():
            connection.execute(sa.insert(upload_owners).values(place=place, user_id=user.id))
            return True
        if owner and is_replaced(connection, owner, by=user):
            this = sa.update(upload_owners).where(upload_owners.c.place == place)
            connection.execute(this.values(user_id=user.id))
            return False
        if not user.may_change_of(owner or 0):  # the owner of a file of an earlier version is unknown
            raise NotOwnerError(place)
        return False

    def release(self, connection: sa.Connection, path: Path) -> None:
        """Give up a new place whose file could not be stored; others may use its name again."""
        if not path.exists():
            connection.execute(sa.delete(upload_owners).where(upload_owners.c.place == self.place(path)))

    def keep_table(self, table: Path) -> str:
        """Store a table for jobs; return its place, NAME/VERSION/FILE, which is the same for the same content."""
        digest = hashlib.sha256()
        with table.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
            version = digest.hexdigest()[:_DIGEST]
            file.seek(0)
            with self.writing(self.path(_TABLES, version, table.name)) as target:
                shutil.copyfileobj(file, target)
        return f"{_TABLES}/{version}/{table.name}"

    def remove_stale(self) -> None:
        """Remove what is left of uploads that were killed."""
        before = time.time() - _STALE
        for path in self.folder.glob(".*.new"):
            self.remove(path, before=before)

    def oldest(self, *, before: float) -> list[Path]:
        """Return the files that were uploaded before a time in Unix seconds, oldest first."""
        found = list[tuple[float, Path]]()
        for path in self.folder.glob("*/*/*"):
            with suppress(OSError):
                found.append((path.stat().st_mtime, path))
        return [path for uploaded, path in sorted(found) if uploaded < before]

    def remove(self, path: Path, *, before: float) -> int:
        """Remove a file unless it was uploaded since a time in Unix seconds, with empty folders; return its bytes."""
        size = 0
        with suppress(OSError):
            found = path.stat()
            if found.st_mtime < before:
                path.unlink()
                size = found.st_size
                path.parent.rmdir()
                path.parent.parent.rmdir()
        return size
