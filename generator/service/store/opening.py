"""Open the database of a data folder."""

from __future__ import annotations

from pathlib import Path

from generator.service.store.database import Database, sqlite_url
from generator.service.store.job_folders import DataFolder
from generator.shared.errors import UsageError


def open_database(data: Path, url: str | None) -> Database:
    """Open the database of a data folder, and create the folder if it does not exist.

    Raises:
        UsageError: the folder cannot be created or the database cannot be opened.
    """
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
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
        raise UsageError(f"{database}: {error.strerror}; name another folder with --data") from None
