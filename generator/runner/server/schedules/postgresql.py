"""Schedules in PostgreSQL, for several replicas of the server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from generator.runner.server.runs.postgresql.connections import Connections
from generator.runner.server.runs.postgresql.schema import create_tables
from generator.runner.server.runs.rows import storable
from generator.runner.server.schedules.model import Schedule
from generator.runner.server.schedules.rows import COLUMNS, NAMES, REPLACED
from generator.runner.server.schedules.store import ScheduleMissingError

_TABLES = """
CREATE TABLE IF NOT EXISTS packmill_schedule (
    id text PRIMARY KEY, process text NOT NULL, cron text NOT NULL, time_zone text NOT NULL, title text NOT NULL,
    owner text NOT NULL, options text NOT NULL, created timestamptz NOT NULL, due timestamptz, problem text,
    paused boolean NOT NULL
);
"""
_CONNECTIONS = 2


class PostgresqlScheduleStore:
    """Schedules in the table ``packmill_schedule``."""

    def __init__(self, url: str) -> None:
        """Open the database, and create a missing table.

        Raises:
            BadInputsError: the database cannot be opened.
        """
        self._connections = Connections(url, most=_CONNECTIONS)
        self._connections.open()
        with self._connections.connection() as connection:
            create_tables(connection, _TABLES)

    def add(self, schedule: Schedule) -> None:
        """Add a schedule (`ScheduleStore.add`)."""
        marks = ", ".join(f"%({name})s" for name in NAMES)
        self._connections.execute(f"INSERT INTO packmill_schedule ({COLUMNS}) VALUES ({marks})", _row(schedule))

    def get(self, schedule_id: str) -> Schedule:
        """Return a schedule (`ScheduleStore.get`)."""
        found = self._select("WHERE id = %(id)s", id=storable(schedule_id))
        if not found:
            raise ScheduleMissingError(schedule_id)
        return found[0]

    def list(self) -> tuple[Schedule, ...]:
        """List all schedules, oldest first."""
        return self._select("ORDER BY created, id")

    def replace(self, schedule: Schedule, *, before: Schedule) -> bool:
        """Replace a schedule (`ScheduleStore.replace`)."""
        settings = ", ".join(f"{name} = %({name})s" for name in REPLACED)
        same = " AND ".join(f"{name} IS NOT DISTINCT FROM %(before_{name})s" for name in REPLACED)
        values = _row(schedule) | {f"before_{name}": value for name, value in _row(before).items()}
        query = f"UPDATE packmill_schedule SET {settings} WHERE id = %(id)s AND {same}"
        is_changed = bool(self._connections.execute(query, values))
        if not is_changed:
            self.get(schedule.id)
        return is_changed

    def remove(self, schedule_id: str) -> None:
        """Remove a schedule (`ScheduleStore.remove`)."""
        if not self._connections.execute(
            "DELETE FROM packmill_schedule WHERE id = %(id)s", {"id": storable(schedule_id)}
        ):
            raise ScheduleMissingError(schedule_id)

    def due(self, now: datetime) -> tuple[Schedule, ...]:
        """Return the schedules that are due."""
        return self._select("WHERE due <= %(now)s ORDER BY due", now=now)

    def first_due(self) -> datetime | None:
        """Return the next time at which a schedule is due."""
        with self._connections.connection() as connection:
            row = connection.execute("SELECT min(due) AS due FROM packmill_schedule").fetchone()
        return row["due"] if row else None

    def advance(self, schedule: Schedule, *, due: datetime | None, problem: str | None) -> None:
        """Set the next time (`ScheduleStore.advance`)."""
        query = (
            "UPDATE packmill_schedule SET due = %(due)s, problem = %(problem)s "
            "WHERE id = %(id)s AND due IS NOT DISTINCT FROM %(before)s"
        )
        values = {"due": due, "problem": storable(problem), "id": schedule.id, "before": schedule.due}
        self._connections.execute(query, values)

    def close(self) -> None:
        """Close the connections."""
        self._connections.close()

    def _select(self, clauses: str, **values: Any) -> tuple[Schedule, ...]:
        query = f"SELECT {COLUMNS} FROM packmill_schedule {clauses}"
        with self._connections.connection() as connection:
            return tuple(map(_schedule, connection.execute(query, values)))


def _row(schedule: Schedule) -> dict[str, Any]:
    row = {name: getattr(schedule, name) for name in NAMES}
    texts = {name: storable(value) for name, value in row.items() if isinstance(value, str)}
    return {**row, **texts, "options": json.dumps(dict(schedule.options))}


def _schedule(row: Mapping[str, Any]) -> Schedule:
    return Schedule(**{**row, "options": json.loads(row["options"])})
