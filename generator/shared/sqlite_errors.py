"""Tell errors of SQLite apart that have one code, or another one than their reason.

https://sqlite.org/rescode.html
"""

from __future__ import annotations

import os
from pathlib import Path

_MISFITS = ("no such table", "no such column", "has no column named")
_FULL = "database or disk is full"
_WITHOUT_REASON = ("unable to open database file", "disk I/O error")
_NEEDED = 64 * 1024
"""Bytes: the smallest files that SQLite makes next to a database (``-shm``, ``-wal``) are half as large."""


def is_misfit(error: BaseException) -> bool:
    """Return whether a table or a column is missing, which stays so, with the code of failures that pass."""
    return any(words in str(error) for words in _MISFITS)


def is_without_space(error: BaseException, folder: Path) -> bool:
    """Return whether the disk of a database's folder is full; SQLite has the code of a broken disk for some writes."""
    if any(words in str(error) for words in _WITHOUT_REASON):
        state = os.statvfs(folder)
        return state.f_bavail * state.f_frsize < _NEEDED
    return _FULL in str(error)
