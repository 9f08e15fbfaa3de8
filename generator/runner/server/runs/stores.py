"""The choice of the store by the address of the database."""

from __future__ import annotations

from pathlib import Path

from generator.runner.server.runs.sqlite import SqliteRunStore
from generator.runner.server.runs.store import RunStore


def open_store(data: Path, database: str | None) -> RunStore:
    """Open the store of runs: in the data folder, or in the database at an address.

    Raises:
        OSError: the database cannot be opened.
        BadInputsError: the address is of an unknown kind.
    """
    if database is None:
        return SqliteRunStore(data)
    from generator.shared.failures import BadInputsError

    raise BadInputsError("--database: not supported")
