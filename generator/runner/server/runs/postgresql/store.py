"""The runs of several servers, whose workers are known to live by their heartbeats, on any machine."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from procrastinate.exceptions import ConnectorException
from psycopg import Error

from generator.runner.server.runs.model import NewRun, Outcome, Run
from generator.runner.server.runs.postgresql.connections import Connections
from generator.runner.server.runs.postgresql.listener import CHANNEL, Listener
from generator.runner.server.runs.postgresql.queue import Connection, Queue
from generator.runner.server.runs.postgresql.run_rows import RunRows
from generator.runner.server.runs.postgresql.schema import prepare_database
from generator.runner.server.runs.rows import COLUMNS, END_LOST, ending, run_of_row, storable
from generator.runner.server.runs.store import (
    ChangeKind,
    QueueFullError,
    RunLostError,
    ShareFullError,
    StoreUnavailableError,
)
from generator.shared.failures import BadInputsError

Result = TypeVar("Result")
_STALLED_AFTER = 10.0
_BEATS = 5
"""Heartbeats in the time after which a worker counts as dead."""
_PATIENCE = 60.0
"""Seconds for which a worker tries to note what its run does."""
_PRUNE_AFTER = 3600.0
_SHARE_LOCK = int.from_bytes(b"pmsh", "big")
"""With the digest of an owner: its runs are added one after another, wherever that is."""
_LOST_LOCK = int.from_bytes(b"pm-lost", "big")
_CHECK_CHANGES = "SELECT 1 FROM packmill_folder FOR UPDATE"
"""Fails while the database can only be read, which keeps heartbeats out, too."""
_END_LOST = END_LOST.format(now="now()")
_SHARE = "SELECT count(*) FROM packmill_run WHERE state = 'queued' AND owner = %(owner)s"
_OWNED = "id = %(id)s AND state = 'running' AND (worker = %(worker)s OR %(worker)s::text IS NULL)"


class PostgresqlRunStore(RunRows):
    """Runs in PostgreSQL, each with a job in the queue from its beginning to its end.

    Transactions lock a job before its run, so that two never wait for each other.
    """

    blocking = True

    def __init__(
        self,
        url: str,
        data: Path,
        *,
        stalled_after: float = _STALLED_AFTER,
        patience: float = _PATIENCE,
        connections: int = 8,
    ) -> None:
        """Open the database, and create missing tables; ``data`` is the folder of the runs' files.

        Raises:
            BadInputsError: the database cannot be opened, lets the user create no tables, or has another folder.
        """
        self._stalled_after, self._patience = stalled_after, patience
        super().__init__(Connections(url, most=connections))
        self._connections.open()
        try:
            with self._connections.connection() as connection:
                prepare_database(connection, data)
        except Error as error:
            self._connections.close()
            problem = f"cannot create tables: {error.diag.message_primary}"
            raise BadInputsError(f"--database {self._connections.place()}: {problem}") from None
        except BaseException:
            self._connections.close()
            raise
        self._listener: Listener | None = None
        self._worker: str | None = None
        self._registration: int | None = None

    def add(self, run: NewRun, *, run_id: str, queue_limit: int, owner_limit: int | None = None) -> Run:
        """Queue a run (`RunStore.add`). Runs that several replicas add at the same moment may exceed the limit."""
        values = {
            "id": run_id,
            "process": storable(run.process),
            "owner": storable(run.owner),
            "protocol": run.protocol,
            "options": json.dumps(dict(run.options)),
            "key": storable(run.idempotency_key),
            "schedule": storable(run.schedule),
            "limit": queue_limit,
            "owner_limit": owner_limit,
        }
        try:
            return self._add(values)
        except StoreUnavailableError:  # perhaps after the row was stored: then the second attempt finds it
            return self._add(values)

    def claim(self, worker: str) -> Run | None:
        """Give the oldest queued run to a worker (`RunStore.claim`).

        A broken connection leaves open whether the worker got a run. So the worker registers again, and a run of its
        earlier registration is a lost one.
        """
        self._worker = worker
        self._listen()
        try:
            with self._connections.transaction() as connection:
                return self._claim(connection, worker)
        except (StoreUnavailableError, ConnectorException) as error:
            self._registration = None
            raise StoreUnavailableError(str(error)) from None

    def listen(self, *kinds: ChangeKind) -> Listener:
        """Listen to changes by other servers (`RunStore.listen`)."""
        listener = self._listen()
        listener.kinds = frozenset(kinds)
        return listener

    def set_progress(self, run_id: str, *, cell: int, cells: int) -> None:
        """Note the running cell (`RunStore.set_progress`)."""
        query = f"UPDATE packmill_run SET cell = %(cell)s, cells = %(cells)s WHERE {_OWNED}"
        values = {"id": run_id, "cell": cell, "cells": cells, "worker": self._worker}
        if not self._insist(lambda: self._connections.execute(query, values)):
            raise RunLostError(run_id)

    def finish(self, run_id: str, outcome: Outcome) -> None:
        """End a running run (`RunStore.finish`)."""
        self._insist(lambda: self._finish(run_id, outcome))

    def dismiss(self, run_id: str) -> Run:
        """End a queued run as dismissed, or mark a running one (`RunStore.dismiss`)."""
        with self._connections.transaction() as connection:
            row = connection.execute("SELECT job FROM packmill_run WHERE id = %s", (storable(run_id),)).fetchone()
            if row and row["job"] is not None and Queue(connection).cancel(row["job"]):
                query = "UPDATE packmill_run SET state = 'dismissed', reason = 'dismissed', ended = now() WHERE id = %s"
                connection.execute(query, (run_id,))
                _notify(connection, ChangeKind.ENDED, run_id)
            elif row:
                query = "UPDATE packmill_run SET dismissed = true WHERE id = %s AND state = 'running'"
                if connection.execute(query, (run_id,)).rowcount:
                    _notify(connection, ChangeKind.DISMISSED, run_id)
        return self.get(run_id)

    def is_dismissed(self, run_id: str) -> bool:
        """Whether the end of the run was asked for."""
        query = "SELECT 1 FROM packmill_run WHERE id = %(id)s AND dismissed"
        return bool(self._insist(lambda: self._connections.execute(query, {"id": storable(run_id)})))

    def end_lost_runs(self, *, dead: Iterable[str] = ()) -> tuple[Run, ...]:
        """End the running runs whose workers have died, or queue them again (`RunStore.end_lost_runs`).

        An outage of the database delays all heartbeats, so the first calls after one end only the runs of ``dead``.
        """
        with self._connections.transaction() as connection:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOST_LOCK,))  # replicas take turns
            connection.execute(_CHECK_CHANGES)
            query = "SELECT job FROM packmill_run WHERE state = 'running' AND worker = ANY(%s)"
            jobs = {row["job"] for row in connection.execute(query, (list(dead),))}
            if self._connections.seconds_reachable() > self._stalled_after:
                jobs.update(Queue(connection).stalled(seconds=self._stalled_after))
                Queue(connection).prune_workers(seconds=_PRUNE_AFTER)
            lost = [_end_lost_run(connection, job) for job in sorted(jobs)]
        return tuple(run for run in lost if run is not None)

    def close(self) -> None:
        """Stop listening, and close the connections."""
        if self._listener:
            self._listener.close()
        if self._registration is not None:
            with suppress(StoreUnavailableError), self._connections.connection() as connection:
                Queue(connection).unregister_worker(self._registration)
        self._connections.close()

    def _add(self, values: dict[str, Any]) -> Run:
        with self._connections.transaction() as connection:
            if values["owner_limit"] is not None:
                connection.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", (_SHARE_LOCK, values["owner"]))
            row = connection.execute(
                "INSERT INTO packmill_run (id, process, owner, protocol, options, state, idempotency_key, schedule) "
                "SELECT %(id)s, %(process)s, %(owner)s, %(protocol)s, %(options)s, 'queued', %(key)s, %(schedule)s "
                "WHERE (SELECT count(*) FROM packmill_run WHERE state = 'queued') < %(limit)s "
                f"AND (%(owner_limit)s::bigint IS NULL OR ({_SHARE}) < %(owner_limit)s) "
                f"ON CONFLICT DO NOTHING RETURNING {COLUMNS}",
                values,
            ).fetchone()
            if row is None:
                return self._earlier(connection, values)
            values["job"] = Queue(connection).add(values["id"])
            connection.execute("UPDATE packmill_run SET job = %(job)s WHERE id = %(id)s", values)
        return run_of_row(row)

    def _earlier(self, connection: Connection, values: Mapping[str, Any]) -> Run:
        """Return the run that kept a new one out."""
        same = "id = %(id)s OR (owner = %(owner)s AND idempotency_key = %(key)s)"
        row = connection.execute(f"SELECT {COLUMNS} FROM packmill_run WHERE {same}", values).fetchone()
        if row is not None:
            return run_of_row(row)
        share = connection.execute(f"{_SHARE} HAVING count(*) >= %(owner_limit)s::bigint", values).fetchone()
        raise ShareFullError if share else QueueFullError

    def _claim(self, connection: Connection, worker: str) -> Run | None:
        queue = Queue(connection)
        if self._registration is None:
            self._registration = queue.register_worker()
        job = queue.fetch(self._registration)
        if job is None:
            return None
        row = connection.execute(
            "UPDATE packmill_run SET state = 'running', worker = %s, started = now() "
            f"WHERE job = %s AND state = 'queued' RETURNING {COLUMNS}",
            (worker, job),
        ).fetchone()
        if row is None:  # somebody emptied the table
            queue.finish(job)
            return None
        return run_of_row(row)

    def _finish(self, run_id: str, outcome: Outcome) -> bool:
        with self._connections.transaction() as connection:
            values = {"id": run_id, "worker": self._worker, **ending(outcome)}
            connection.execute(
                f"SELECT 1 FROM procrastinate_jobs WHERE id = (SELECT job FROM packmill_run WHERE {_OWNED}) FOR UPDATE",
                values,
            )
            row = connection.execute(
                "UPDATE packmill_run SET ended = greatest(now(), started), "
                "state = %(state)s, reason = %(reason)s, message = %(message)s, "
                "exit_code = %(exit_code)s, status_code = %(status_code)s, way = %(way)s, note = %(note)s "
                f"WHERE {_OWNED} RETURNING job",
                values,
            ).fetchone()
            if row is not None:
                Queue(connection).finish(row["job"])
                _notify(connection, ChangeKind.ENDED, run_id)
        return row is not None

    def _insist(self, operation: Callable[[], Result]) -> Result:
        """Repeat an operation of a worker while the database is down, which must cost no run."""
        deadline = time.monotonic() + self._patience
        while True:
            try:
                return operation()
            except StoreUnavailableError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)

    def _listen(self) -> Listener:
        if self._listener is None:
            self._listener = Listener(self._connections.connect, self._beat, every=self._stalled_after / _BEATS)
        return self._listener

    def _beat(self, connection: Connection) -> None:
        if self._registration is not None:
            Queue(connection).update_heartbeat(self._registration)


def _end_lost_run(connection: Connection, job: int) -> Run | None:
    """End a run, or queue it again; None if it has ended meanwhile."""
    queue = Queue(connection)
    if not queue.lock(job):
        return None
    query = f"UPDATE packmill_run SET {_END_LOST} WHERE job = %s AND state = 'running' RETURNING {COLUMNS}"
    row = connection.execute(query, (job,)).fetchone()
    run = run_of_row(row) if row else None
    if run and not run.state.final:
        queue.requeue(job)
        _notify(connection, ChangeKind.QUEUED, run.id)
    else:
        queue.finish(job)
        if run:
            _notify(connection, ChangeKind.ENDED, run.id)
    return run


def _notify(connection: Connection, kind: ChangeKind, run_id: str) -> None:
    connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, f"{kind.value} {run_id}"))
