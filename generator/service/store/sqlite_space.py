"""Return the free pages of an SQLite file to the disk.

Pages of deleted rows stay in the file. They leave it in short transactions, between which others write; unlike
``VACUUM``, this needs no space for a copy of the file.
"""

from __future__ import annotations

import math
import sqlite3
from contextlib import AbstractContextManager, closing, suppress
from pathlib import Path
from typing import Any

_PAGES = 1000
"""In one transaction; then SQLite takes over its write-ahead log by itself (``wal_autocheckpoint``)."""
_PATIENCE = 1.0
"""Seconds for which the log waits for readers, during which nobody writes."""


def give_back(file: Path, most: float, *, writing: AbstractContextManager[Any]) -> int:
    """Shrink an SQLite file and its write-ahead log by up to about ``most`` bytes; return by how many.

    A file of an earlier version, without ``auto_vacuum``, keeps its pages until the next ``VACUUM``; the log shrinks.
    Each transaction is within ``writing``.

    Raises:
        sqlite3.Error: the database is locked, or the disk fails.
    """
    before = _size(file)
    with closing(sqlite3.connect(file, timeout=_PATIENCE, isolation_level=None)) as connection:
        left = math.ceil(min(most, before) / _pragma(connection, "page_size"))
        while left > 0:
            with writing:
                moved = _shrink(connection, min(left, _PAGES))
            left = left - moved if moved > 0 else 0
        with writing:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return max(0, before - _size(file))


def _shrink(connection: sqlite3.Connection, pages: int) -> int:
    """Remove free pages from the file; return how many."""
    free = _pragma(connection, "freelist_count")
    connection.executescript(f"PRAGMA incremental_vacuum({pages})")  # ``execute`` would end after the first page
    return free - _pragma(connection, "freelist_count")


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _size(file: Path) -> int:
    size = 0
    for one in (file, Path(f"{file}-wal")):
        with suppress(OSError):
            size += one.stat().st_size
    return size
