"""The rows of runs: find, list, count and delete them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from generator.runner.server.runs.model import Outcome, Run, RunState
from generator.runner.server.runs.postgresql.connections import Connections
from generator.runner.server.runs.rows import COLUMNS, ending, run_of_row, storable
from generator.runner.server.runs.store import RunFilter, RunMissingError

_EXPIRED_AT_ONCE = 1000


class RunRows:
    """The table ``packmill_run``, without the queue."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def get(self, run_id: str) -> Run:
        """Return a run (`RunStore.get`)."""
        with self._connections.connection() as connection:
            row = connection.execute(
                f"SELECT {COLUMNS} FROM packmill_run WHERE id = %s", (storable(run_id),)
            ).fetchone()
        if row is None:
            raise RunMissingError(run_id)
        return run_of_row(row)

    def list(self, chosen: RunFilter) -> tuple[Run, ...]:
        """List runs, newest first."""
        conditions, values = ["true"], list[Any]()
        if chosen.states:
            conditions.append("state = ANY(%s)")
            values.append([state.value for state in chosen.states])
        for name in ("process", "owner", "protocol", "schedule"):
            if (value := getattr(chosen, name)) is not None:
                conditions.append(f"{name} = %s")
                values.append(storable(value))
        if chosen.before is not None:
            conditions.append("id < %s")
            values.append(storable(chosen.before))
        query = f"SELECT {COLUMNS} FROM packmill_run WHERE {' AND '.join(conditions)} ORDER BY id DESC LIMIT %s"
        with self._connections.connection() as connection:
            return tuple(map(run_of_row, connection.execute(query, (*values, chosen.limit))))

    def count(self) -> Mapping[RunState, int]:
        """Count the runs in each state."""
        with self._connections.connection() as connection:
            rows = connection.execute("SELECT state, count(*) AS number FROM packmill_run GROUP BY state").fetchall()
        return dict.fromkeys(RunState, 0) | {RunState(row["state"]): row["number"] for row in rows}

    def expired(self, *, before: datetime) -> tuple[Run, ...]:
        """Return runs that ended before a time, oldest first."""
        query = f"SELECT {COLUMNS} FROM packmill_run WHERE ended < %s ORDER BY ended LIMIT %s"
        with self._connections.connection() as connection:
            return tuple(map(run_of_row, connection.execute(query, (before, _EXPIRED_AT_ONCE))))

    def lose(self, run_id: str, outcome: Outcome) -> None:
        """End a run as failed that had succeeded (`RunStore.lose`)."""
        query = (
            "UPDATE packmill_run SET state = %(state)s, reason = %(reason)s, message = %(message)s, "
            "exit_code = %(exit_code)s WHERE id = %(id)s AND state = 'succeeded'"
        )
        self._connections.execute(query, {"id": run_id, **ending(outcome)})

    def sync(self) -> None:
        """Do nothing: the database has written what it stored (`RunStore.sync`)."""

    def delete(self, run_ids: Iterable[str]) -> None:
        """Delete rows of ended runs."""
        query = "DELETE FROM packmill_run WHERE id = ANY(%(ids)s) AND ended IS NOT NULL"
        self._connections.execute(query, {"ids": list(run_ids)})
