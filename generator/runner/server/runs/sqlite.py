"""Runs in an SQLite file (WAL), for the workers of one machine.

A worker holds a lock on a file as long as it lives, so that any process can tell the runs of dead workers.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from generator.runner.server.runs.model import NewRun, Outcome, Run, RunState
from generator.runner.server.runs.store import QueueFullError, RunFilter, RunMissingError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS run (
    id TEXT PRIMARY KEY, process TEXT NOT NULL, owner TEXT NOT NULL, protocol TEXT NOT NULL, options TEXT NOT NULL,
    state TEXT NOT NULL, created REAL NOT NULL, started REAL, ended REAL,
    cell INTEGER NOT NULL DEFAULT 0, cells INTEGER NOT NULL DEFAULT 0, worker TEXT,
    reason TEXT, message TEXT, exit_code INTEGER, status_code INTEGER, way TEXT, note TEXT,
    idempotency_key TEXT, schedule TEXT, dismissed INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS run_queue ON run (id) WHERE state = 'queued';
CREATE INDEX IF NOT EXISTS run_running ON run (worker) WHERE state = 'running';
CREATE INDEX IF NOT EXISTS run_ended ON run (ended) WHERE ended IS NOT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS run_key ON run (owner, idempotency_key) WHERE idempotency_key IS NOT NULL;
"""
_COLUMNS = (
    "id, process, owner, protocol, options, state, created, started, ended, cell, cells, worker, reason, message, "
    "exit_code, status_code, way, note, idempotency_key, schedule"
)
_END_LOST = """
UPDATE run SET state = CASE WHEN cell = 0 THEN 'queued' ELSE 'failed' END,
    ended = CASE WHEN cell = 0 THEN NULL ELSE ? END,
    reason = CASE WHEN cell = 0 THEN NULL ELSE 'interrupted' END,
    message = CASE WHEN cell = 0 THEN NULL ELSE 'the worker process of the run died' END,
    exit_code = CASE WHEN cell = 0 THEN NULL ELSE 137 END,
    worker = NULL
WHERE state = 'running' AND worker = ?
"""
_TIMES = ("created", "started", "ended")
_EXPIRED_AT_ONCE = 1000


class SqliteRunStore:
    """Runs in the file ``runs.sqlite`` of a folder; ids sort by time, and so order the queue."""

    blocking = False

    def __init__(self, folder: Path) -> None:
        """Open or create the database.

        Raises:
            OSError: the folder cannot be written to, or the file is not a database.
        """
        self._path = folder / "runs.sqlite"
        self._workers = folder / "workers"
        self._workers.mkdir(parents=True, exist_ok=True)
        self._path.touch(mode=0o600)
        self._local = threading.local()
        self._locks: list[int] = []
        try:
            self._connection().executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            raise OSError(None, f"cannot be opened: {error}", str(self._path)) from None

    def add(self, run: NewRun, *, run_id: str, queue_limit: int) -> Run:
        """Queue a run (`RunStore.add`)."""
        with self._writing() as database:
            if run.idempotency_key is not None:
                earlier = database.execute(
                    f"SELECT {_COLUMNS} FROM run WHERE owner = ? AND idempotency_key = ?",  # noqa: S608 - constant names
                    (run.owner, run.idempotency_key),
                ).fetchone()
                if earlier:
                    return _run(earlier)
            (waiting,) = database.execute("SELECT count(*) FROM run WHERE state = 'queued'").fetchone()
            if waiting >= queue_limit:
                raise QueueFullError
            row = database.execute(
                "INSERT INTO run (id, process, owner, protocol, options, state, created, idempotency_key, schedule) "  # noqa: S608
                f"VALUES (?, ?, ?, ?, ?, 'queued', ?, ?, ?) RETURNING {_COLUMNS}",
                (
                    run_id,
                    run.process,
                    run.owner,
                    run.protocol,
                    json.dumps(dict(run.options)),
                    _now(),
                    run.idempotency_key,
                    run.schedule,
                ),
            ).fetchone()
        return _run(row)

    def get(self, run_id: str) -> Run:
        """Return a run (`RunStore.get`)."""
        row = self._connection().execute(f"SELECT {_COLUMNS} FROM run WHERE id = ?", (run_id,)).fetchone()  # noqa: S608
        if row is None:
            raise RunMissingError(run_id)
        return _run(row)

    def list(self, chosen: RunFilter) -> tuple[Run, ...]:
        """List runs, newest first."""
        conditions, values = ["1"], list[Any]()
        if chosen.states:
            conditions.append(f"state IN ({', '.join('?' * len(chosen.states))})")
            values += [state.value for state in chosen.states]
        for name in ("process", "owner", "protocol", "schedule"):
            if (value := getattr(chosen, name)) is not None:
                conditions.append(f"{name} = ?")
                values.append(value)
        if chosen.before is not None:
            conditions.append("id < ?")
            values.append(chosen.before)
        query = f"SELECT {_COLUMNS} FROM run WHERE {' AND '.join(conditions)} ORDER BY id DESC LIMIT ?"  # noqa: S608
        return tuple(map(_run, self._connection().execute(query, (*values, chosen.limit)).fetchall()))

    def claim(self, worker: str) -> Run | None:
        """Give the oldest queued run to a worker (`RunStore.claim`)."""
        if not self._connection().execute("SELECT 1 FROM run WHERE state = 'queued' LIMIT 1").fetchone():
            return None
        self._lock(worker)
        with self._writing() as database:
            row = database.execute(
                "UPDATE run SET state = 'running', worker = ?, started = ? WHERE id = "  # noqa: S608
                f"(SELECT id FROM run WHERE state = 'queued' ORDER BY id LIMIT 1) RETURNING {_COLUMNS}",
                (worker, _now()),
            ).fetchone()
        return _run(row) if row else None

    def set_progress(self, run_id: str, *, cell: int, cells: int) -> None:
        """Note the running cell."""
        with self._writing() as database:
            database.execute("UPDATE run SET cell = ?, cells = ? WHERE id = ?", (cell, cells, run_id))

    def finish(self, run_id: str, outcome: Outcome) -> None:
        """End a running run (`RunStore.finish`)."""
        values = (
            outcome.state.value,
            _now(),
            outcome.reason,
            outcome.message,
            outcome.exit_code,
            outcome.status_code,
            outcome.way,
            outcome.note,
            run_id,
        )
        with self._writing() as database:
            database.execute(
                "UPDATE run SET state = ?, ended = ?, reason = ?, message = ?, exit_code = ?, status_code = ?, way = ?,"
                " note = ? WHERE id = ? AND state = 'running'",
                values,
            )

    def dismiss(self, run_id: str) -> Run:
        """End a queued run as dismissed, or mark a running one (`RunStore.dismiss`)."""
        with self._writing() as database:
            database.execute(
                "UPDATE run SET state = 'dismissed', ended = ?, reason = 'dismissed' WHERE id = ? AND state = 'queued'",
                (_now(), run_id),
            )
            database.execute("UPDATE run SET dismissed = 1 WHERE id = ? AND state = 'running'", (run_id,))
        return self.get(run_id)

    def is_dismissed(self, run_id: str) -> bool:
        """Whether the end of the run was asked for."""
        row = self._connection().execute("SELECT dismissed FROM run WHERE id = ?", (run_id,)).fetchone()
        return bool(row and row[0])

    def end_lost_runs(self) -> tuple[Run, ...]:
        """End the running runs whose workers have died, or queue them again (`RunStore.end_lost_runs`)."""
        rows = self._connection().execute("SELECT DISTINCT worker FROM run WHERE state = 'running'").fetchall()
        dead = [worker for (worker,) in rows if not self._lives(worker)]
        lost: list[Run] = []
        for worker in dead:
            with self._writing() as database:
                lost += map(
                    _run,
                    database.execute(
                        f"{_END_LOST} RETURNING {_COLUMNS}",
                        (_now(), worker),
                    ).fetchall(),
                )
            with suppress(OSError):
                self._lock_file(worker).unlink()
        return tuple(lost)

    def count(self) -> Mapping[RunState, int]:
        """Count the runs in each state."""
        rows = self._connection().execute("SELECT state, count(*) FROM run GROUP BY state").fetchall()
        return dict.fromkeys(RunState, 0) | {RunState(state): number for state, number in rows}

    def expired(self, *, before: datetime) -> tuple[Run, ...]:
        """Return runs that ended before a time, oldest first."""
        query = f"SELECT {_COLUMNS} FROM run WHERE ended < ? ORDER BY ended LIMIT ?"  # noqa: S608
        return tuple(map(_run, self._connection().execute(query, (before.timestamp(), _EXPIRED_AT_ONCE)).fetchall()))

    def delete(self, run_ids: Iterable[str]) -> None:
        """Delete rows of ended runs."""
        with self._writing() as database:
            database.executemany(
                "DELETE FROM run WHERE id = ? AND ended IS NOT NULL", [(run_id,) for run_id in run_ids]
            )

    def close(self) -> None:
        """Close this thread's connection, and release the locks of this process's workers."""
        self._connection().close()
        del self._local.connection
        for descriptor in self._locks:
            os.close(descriptor)
        self._locks.clear()

    def _connection(self) -> sqlite3.Connection:
        """Return this thread's connection."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self._path, timeout=30, isolation_level=None, check_same_thread=False)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(
                "PRAGMA synchronous = NORMAL"
            )  # a killed process loses nothing, a power cut the last runs
            self._local.connection = connection
        return connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection()
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    def _lock_file(self, worker: str) -> Path:
        return self._workers / f"{worker}.lock"

    def _lock(self, worker: str) -> None:
        """Hold the worker's lock until this process ends."""
        if self._locks:
            return
        descriptor = os.open(self._lock_file(worker), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        self._locks.append(descriptor)

    def _lives(self, worker: str) -> bool:
        try:
            descriptor = os.open(self._lock_file(worker), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False


def _now() -> float:
    return datetime.now(timezone.utc).timestamp()


def _run(row: tuple[Any, ...]) -> Run:
    fields = dict(zip(_COLUMNS.split(", "), row, strict=True))
    fields["state"] = RunState(fields["state"])
    fields["options"] = json.loads(fields["options"])
    for name in _TIMES:
        if fields[name] is not None:
            fields[name] = datetime.fromtimestamp(fields[name], timezone.utc)
    return Run(**fields)
