"""Runs in an SQLite file (WAL), for the workers of one machine.

A worker holds a lock on a file as long as it lives, so that any process can tell the runs of dead workers.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from generator.runner.server.runs.model import NewRun, Outcome, Run, RunState
from generator.runner.server.runs.rows import COLUMNS, END_LOST, ending, run_of_row, storable
from generator.runner.server.runs.sqlite_failures import failures_as_unavailable
from generator.runner.server.runs.store import (
    ChangeKind,
    QueueFullError,
    RunFilter,
    RunLostError,
    RunMissingError,
    ShareFullError,
)
from generator.runner.server.runs.ties import check_unused, folder_file
from generator.shared import durable_files
from generator.shared.failures import BadInputsError

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
CREATE INDEX IF NOT EXISTS run_schedule ON run (schedule, id) WHERE schedule IS NOT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS run_key ON run (owner, idempotency_key) WHERE idempotency_key IS NOT NULL;
"""
_NAMES = COLUMNS.split(", ")
_TIMES = ("created", "started", "ended")
_EXPIRED_AT_ONCE = 1000


class SqliteRunStore:
    """Runs in the file ``runs.sqlite`` of a folder; ids sort by time, and so order the queue."""

    blocking = False

    def __init__(self, folder: Path) -> None:
        """Open or create the database.

        Raises:
            BadInputsError: the file is not a database, or the folder has runs of another one.
            OSError: the folder cannot be written to.
        """
        self._path = folder / "runs.sqlite"
        self._workers = folder / "workers"
        self._workers.mkdir(parents=True, exist_ok=True)
        self._check_folder(folder)
        self._path.touch(mode=0o600)
        self._local = threading.local()
        self._locks: list[int] = []
        try:
            connection = self._connection()
            connection.execute("PRAGMA synchronous = FULL")  # a folder of a run on the disk needs the table there
            connection.executescript(_SCHEMA)
            connection.execute("PRAGMA synchronous = NORMAL")
            durable_files.sync(folder)
        except sqlite3.DatabaseError as error:
            raise BadInputsError(f"{self._path}: cannot be opened: {error}") from None

    def add(self, run: NewRun, *, run_id: str, queue_limit: int, owner_limit: int | None = None) -> Run:
        """Queue a run (`RunStore.add`)."""
        with self._writing() as database:
            if run.idempotency_key is not None:
                earlier = database.execute(
                    f"SELECT {COLUMNS} FROM run WHERE owner = ? AND idempotency_key = ?",
                    (storable(run.owner), storable(run.idempotency_key)),
                ).fetchone()
                if earlier:
                    return _run(earlier)
            if owner_limit is not None:
                query = "SELECT count(*) FROM run WHERE state = 'queued' AND owner = ?"
                if database.execute(query, (storable(run.owner),)).fetchone()[0] >= owner_limit:
                    raise ShareFullError
            (waiting,) = database.execute("SELECT count(*) FROM run WHERE state = 'queued'").fetchone()
            if waiting >= queue_limit:
                raise QueueFullError
            row = database.execute(
                "INSERT INTO run (id, process, owner, protocol, options, state, created, idempotency_key, schedule) "
                f"VALUES (?, ?, ?, ?, ?, 'queued', ?, ?, ?) RETURNING {COLUMNS}",
                (
                    run_id,
                    storable(run.process),
                    storable(run.owner),
                    run.protocol,
                    json.dumps(dict(run.options)),
                    _now(),
                    storable(run.idempotency_key),
                    storable(run.schedule),
                ),
            ).fetchone()
        return _run(row)

    def get(self, run_id: str) -> Run:
        """Return a run (`RunStore.get`)."""
        rows = self._select(f"SELECT {COLUMNS} FROM run WHERE id = ?", storable(run_id))
        if not rows:
            raise RunMissingError(run_id)
        return _run(rows[0])

    def list(self, chosen: RunFilter) -> tuple[Run, ...]:
        """List runs, newest first."""
        conditions, values = ["1"], list[Any]()
        if chosen.states:
            conditions.append(f"state IN ({', '.join('?' * len(chosen.states))})")
            values += [state.value for state in chosen.states]
        for name in ("process", "owner", "protocol", "schedule"):
            if (value := getattr(chosen, name)) is not None:
                conditions.append(f"{name} = ?")
                values.append(storable(value))
        if chosen.before is not None:
            conditions.append("id < ?")
            values.append(storable(chosen.before))
        query = f"SELECT {COLUMNS} FROM run WHERE {' AND '.join(conditions)} ORDER BY id DESC LIMIT ?"
        return tuple(map(_run, self._select(query, *values, chosen.limit)))

    def claim(self, worker: str) -> Run | None:
        """Give the oldest queued run to a worker (`RunStore.claim`)."""
        if not self._select("SELECT 1 FROM run WHERE state = 'queued' LIMIT 1"):
            return None
        self._lock(worker)
        with self._writing() as database:
            row = database.execute(
                "UPDATE run SET state = 'running', worker = ?, started = ? WHERE id = "
                f"(SELECT id FROM run WHERE state = 'queued' ORDER BY id LIMIT 1) RETURNING {COLUMNS}",
                (worker, _now()),
            ).fetchone()
        return _run(row) if row else None

    def listen(self, *_kinds: ChangeKind) -> None:
        """Return nothing: the processes of the one server tell each other."""

    def set_progress(self, run_id: str, *, cell: int, cells: int) -> None:
        """Note the running cell (`RunStore.set_progress`)."""
        query = "UPDATE run SET cell = ?, cells = ? WHERE id = ? AND state = 'running'"
        with self._writing() as database:
            if not database.execute(query, (cell, cells, run_id)).rowcount:
                raise RunLostError(run_id)

    def finish(self, run_id: str, outcome: Outcome) -> None:
        """End a running run (`RunStore.finish`)."""
        with self._writing() as database:
            database.execute(
                "UPDATE run SET ended = max(:ended, coalesce(started, :ended)), "
                "state = :state, reason = :reason, message = :message, way = :way, "
                "exit_code = :exit_code, status_code = :status_code, note = :note WHERE id = :id AND state = 'running'",
                {"id": run_id, "ended": _now(), **ending(outcome)},
            )

    def lose(self, run_id: str, outcome: Outcome) -> None:
        """End a run as failed that had succeeded (`RunStore.lose`)."""
        with self._writing() as database:
            database.execute(
                "UPDATE run SET state = :state, reason = :reason, message = :message, exit_code = :exit_code "
                "WHERE id = :id AND state = 'succeeded'",
                {"id": run_id, **ending(outcome)},
            )

    def sync(self) -> None:
        """Write the log of the database to the disk (`RunStore.sync`); a checkpoint, which empties it, syncs itself."""
        durable_files.sync(self._path.with_name(f"{self._path.name}-wal"))

    def dismiss(self, run_id: str) -> Run:
        """End a queued run as dismissed, or mark a running one (`RunStore.dismiss`)."""
        with self._writing() as database:
            database.execute(
                "UPDATE run SET state = 'dismissed', ended = ?, reason = 'dismissed' WHERE id = ? AND state = 'queued'",
                (_now(), storable(run_id)),
            )
            database.execute("UPDATE run SET dismissed = 1 WHERE id = ? AND state = 'running'", (storable(run_id),))
        return self.get(run_id)

    def is_dismissed(self, run_id: str) -> bool:
        """Whether the end of the run was asked for."""
        rows = self._select("SELECT dismissed FROM run WHERE id = ?", storable(run_id))
        return bool(rows and rows[0][0])

    def end_lost_runs(self, *, dead: Iterable[str] = ()) -> tuple[Run, ...]:  # noqa: ARG002 - their locks are free
        """End the running runs whose workers have died, or queue them again (`RunStore.end_lost_runs`)."""
        rows = self._select("SELECT DISTINCT worker FROM run WHERE state = 'running'")
        return tuple(run for (worker,) in rows if not self._lives(worker) for run in self._end_runs_of(worker))

    def count(self) -> Mapping[RunState, int]:
        """Count the runs in each state."""
        rows = self._select("SELECT state, count(*) FROM run GROUP BY state")
        return dict.fromkeys(RunState, 0) | {RunState(state): number for state, number in rows}

    def expired(self, *, before: datetime) -> tuple[Run, ...]:
        """Return runs that ended before a time, oldest first."""
        query = f"SELECT {COLUMNS} FROM run WHERE ended < ? ORDER BY ended LIMIT ?"
        return tuple(map(_run, self._select(query, before.timestamp(), _EXPIRED_AT_ONCE)))

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

    def _check_folder(self, folder: Path) -> None:
        """Check that the folder belongs to this file, which has the table of runs unless the folder is new.

        Raises:
            BadInputsError: the folder belongs to another database, or the file is not a database.
        """
        if (folder / folder_file).exists() or not self._path.exists():
            check_unused(folder, "SQLite file")
            return
        try:
            with closing(sqlite3.connect(self._path, timeout=30)) as database:
                found = database.execute("SELECT 1 FROM sqlite_master WHERE name = 'run'").fetchone()
        except sqlite3.DatabaseError as error:
            raise BadInputsError(f"{self._path}: cannot be opened: {error}") from None
        if found is None:
            check_unused(folder, "SQLite file")

    def _connection(self) -> sqlite3.Connection:
        """Return this thread's connection."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self._path, timeout=30, isolation_level=None, check_same_thread=False)
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = NORMAL")  # a killed process loses nothing; see `sync`
            except BaseException:
                connection.close()
                raise
            self._local.connection = connection
        return connection

    def _select(self, query: str, *values: object) -> Sequence[tuple[Any, ...]]:
        with failures_as_unavailable():
            return self._connection().execute(query, values).fetchall()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with failures_as_unavailable():
            connection = self._connection()
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def _end_runs_of(self, worker: str) -> Iterator[Run]:
        with self._writing() as database:
            query = (
                f"UPDATE run SET {END_LOST.format(now='?')} WHERE state = 'running' AND worker = ? RETURNING {COLUMNS}"
            )
            rows = database.execute(query, (_now(), worker)).fetchall()
        with suppress(OSError):
            self._lock_file(worker).unlink()
        return map(_run, rows)

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
    fields = dict(zip(_NAMES, row, strict=True))
    for name in _TIMES:
        if fields[name] is not None:
            fields[name] = datetime.fromtimestamp(fields[name], timezone.utc)
    return run_of_row(fields)
