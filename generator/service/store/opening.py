"""Open the database of a data folder, and report its failures to those who run a command."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from generator.service.store.database import Database, reason_of, sqlite_url
from generator.service.store.job_folders import DataFolder
from generator.shared.errors import DiskFullError, UsageError
from generator.shared.passing_errors import is_full_disk
from generator.shared.sqlite_errors import is_without_space

_REMEDY = "make it available, or free space on its disk and in the folder of temporary files, and try again"


@contextmanager
def failures_named(data: Path) -> Iterator[None]:
    """Raise failures of the database as errors of the command, which name the data folder.

    Raises:
        UsageError: the database cannot be opened, or fails.
        DiskFullError: the disk of an SQLite database is full.
    """
    try:
        yield
    except SQLAlchemyError as error:
        reason = reason_of(error)
        if is_without_space(error, data):
            raise DiskFullError(OSError(errno.ENOSPC, "the disk is full", str(DataFolder(data).database))) from None
        raise UsageError(f"--data {data}: the database failed: {reason}; {_REMEDY}") from None


def open_database(data: Path, url: str | None) -> Database:
    """Open the database of a data folder, and create the folder if it does not exist.

    Raises:
        UsageError: the folder cannot be created, or a database at a URL cannot be opened.
        SQLAlchemyError: the SQLite database of the folder cannot be opened.
    """
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        if is_full_disk(error):
            raise
        raise UsageError(f"{data}: {error.strerror}; name another folder with --data") from None
    if not url:
        _restrict_to_owner(DataFolder(data).database)
    return Database(url or sqlite_url(DataFolder(data).database))


def _restrict_to_owner(database: Path) -> None:
    """Restrict an SQLite database and the files that SQLite creates next to it to their owner."""
    try:
        database.touch(mode=0o600)
        for file in database.parent.glob(f"{database.name}*"):
            file.chmod(0o600)
    except OSError as error:
        if is_full_disk(error):
            raise
        raise UsageError(f"{database}: {error.strerror}; name another folder with --data") from None
