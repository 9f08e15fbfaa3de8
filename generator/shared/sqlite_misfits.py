"""Tell a database that lacks a table or a column, which stays so, from one that fails for a while.

SQLite reports both as an operational error, with the same code (https://sqlite.org/rescode.html#error).
"""

from __future__ import annotations

_MISFITS = ("no such table", "no such column", "has no column named")


def is_misfit(error: BaseException) -> bool:
    """Return whether an error of SQLite means that a table or a column is missing."""
    return any(words in str(error) for words in _MISFITS)
