"""The choice of the store of schedules by the address of the database."""

from __future__ import annotations

from pathlib import Path

from generator.runner.server.schedules.sqlite import SqliteScheduleStore
from generator.runner.server.schedules.store import ScheduleStore


def open_schedule_store(data: Path, database: str | None) -> ScheduleStore:
    """Open the store of schedules: in the data folder, or in the database at an address.

    Raises:
        BadInputsError: the database cannot be opened.
    """
    if database is None:
        return SqliteScheduleStore(data)
    from generator.runner.server.schedules.postgresql import PostgresqlScheduleStore

    return PostgresqlScheduleStore(database)
