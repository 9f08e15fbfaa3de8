"""Schedules in the SQLite file of the runs."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from generator.runner.server.runs.sqlite_failures import failures_as_unavailable
from generator.runner.server.runs.store import StoreUnavailableError
from generator.runner.server.schedules.model import Schedule
from generator.runner.server.schedules.rows import COLUMNS, NAMES, REPLACED
from generator.runner.server.schedules.store import ScheduleMissingError
from generator.shared.failures import BadInputsError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS schedule (
    id TEXT PRIMARY KEY, process TEXT NOT NULL, cron TEXT NOT NULL, time_zone TEXT NOT NULL, title TEXT NOT NULL,
    owner TEXT NOT NULL, options TEXT NOT NULL, created REAL NOT NULL, due REAL, problem TEXT, paused INTEGER NOT NULL
)
"""


class SqliteScheduleStore:
    """Schedules in the file ``runs.sqlite`` of a folder; each call opens the file, since calls are rare."""

    def __init__(self, folder: Path) -> None:
        """Open or create the table.

        Raises:
            BadInputsError: the file is not a database.
            OSError: the folder cannot be written to.
        """
        self._path = folder / "runs.sqlite"
        self._path.touch(mode=0o600)
        try:
            with self._open() as database:
                database.execute(_SCHEMA)
        except (sqlite3.DatabaseError, StoreUnavailableError) as error:
            raise BadInputsError(f"{self._path}: cannot be opened: {error}") from None

    def add(self, schedule: Schedule) -> None:
        """Add a schedule (`ScheduleStore.add`)."""
        marks = ", ".join(f":{name}" for name in NAMES)
        with self._open() as database:
            database.execute(f"INSERT INTO schedule ({COLUMNS}) VALUES ({marks})", _row(schedule))

    def get(self, schedule_id: str) -> Schedule:
        """Return a schedule (`ScheduleStore.get`)."""
        found = self._select("WHERE id = ?", schedule_id)
        if not found:
            raise ScheduleMissingError(schedule_id)
        return found[0]

    def list(self) -> tuple[Schedule, ...]:
        """List all schedules, oldest first."""
        return self._select("ORDER BY created, id")

    def replace(self, schedule: Schedule, *, before: Schedule) -> bool:
        """Replace a schedule (`ScheduleStore.replace`)."""
        settings = ", ".join(f"{name} = :{name}" for name in REPLACED)
        same = " AND ".join(f"{name} IS :before_{name}" for name in REPLACED)
        values = _row(schedule) | {f"before_{name}": value for name, value in _row(before).items()}
        with self._open() as database:
            changed = database.execute(f"UPDATE schedule SET {settings} WHERE id = :id AND {same}", values)
        if changed.rowcount == 0:
            self.get(schedule.id)
        return changed.rowcount > 0

    def remove(self, schedule_id: str) -> None:
        """Remove a schedule (`ScheduleStore.remove`)."""
        with self._open() as database:
            removed = database.execute("DELETE FROM schedule WHERE id = ?", (schedule_id,))
        if removed.rowcount == 0:
            raise ScheduleMissingError(schedule_id)

    def due(self, now: datetime) -> tuple[Schedule, ...]:
        """Return the schedules that are due."""
        return self._select("WHERE due <= ? ORDER BY due", now.timestamp())

    def first_due(self) -> datetime | None:
        """Return the next time at which a schedule is due."""
        with self._open() as database:
            (due,) = database.execute("SELECT min(due) FROM schedule").fetchone()
        return _time(due)

    def advance(self, schedule: Schedule, *, due: datetime | None, problem: str | None) -> None:
        """Set the next time (`ScheduleStore.advance`)."""
        values = (_number(due), problem, schedule.id, _number(schedule.due))
        with self._open() as database:
            database.execute("UPDATE schedule SET due = ?, problem = ? WHERE id = ? AND due IS ?", values)

    def close(self) -> None:
        """Close nothing: no connection stays open."""

    def _select(self, clauses: str, *values: Any) -> tuple[Schedule, ...]:
        with self._open() as database:
            rows = database.execute(f"SELECT {COLUMNS} FROM schedule {clauses}", values).fetchall()
        return tuple(map(_schedule, rows))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with failures_as_unavailable(), closing(sqlite3.connect(self._path, timeout=30)) as database, database:
            yield database


def _row(schedule: Schedule) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(schedule, name) for name in NAMES}
    times = {name: _number(row[name]) for name in ("created", "due")}
    return {**row, **times, "options": json.dumps(dict(schedule.options)), "paused": int(schedule.paused)}


def _schedule(row: tuple[Any, ...]) -> Schedule:
    fields = dict(zip(NAMES, row, strict=True))
    times = {name: _time(fields[name]) for name in ("created", "due")}
    return Schedule(**{**fields, **times, "options": json.loads(fields["options"]), "paused": bool(fields["paused"])})


def _number(time: datetime | None) -> float | None:
    return None if time is None else time.timestamp()


def _time(number: float | None) -> datetime | None:
    return None if number is None else datetime.fromtimestamp(number, timezone.utc)
