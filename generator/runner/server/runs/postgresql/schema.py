"""The tables: ours and procrastinate's, which its migrations bring up to date."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from procrastinate.schema import SchemaManager

from generator.runner.server.runs.postgresql.queue import Connection, Queue
from generator.runner.server.runs.ties import check_unused, folder_file
from generator.shared import durable_files
from generator.shared.failures import BadInputsError

_LOCK = int.from_bytes(b"packmill", "big")
_TABLES = """
CREATE TABLE IF NOT EXISTS packmill_run (
    id text COLLATE "C" PRIMARY KEY, process text NOT NULL, owner text NOT NULL, protocol text NOT NULL,
    options text NOT NULL, state text NOT NULL, created timestamptz NOT NULL DEFAULT now(), started timestamptz,
    ended timestamptz, cell integer NOT NULL DEFAULT 0, cells integer NOT NULL DEFAULT 0, worker text, reason text,
    message text, exit_code integer, status_code integer, way text, note text, idempotency_key text, schedule text,
    dismissed boolean NOT NULL DEFAULT false, job bigint
);
CREATE INDEX IF NOT EXISTS packmill_run_queue ON packmill_run (id) WHERE state = 'queued';
CREATE INDEX IF NOT EXISTS packmill_run_running ON packmill_run (worker) WHERE state = 'running';
CREATE INDEX IF NOT EXISTS packmill_run_job ON packmill_run (job) WHERE job IS NOT NULL;
CREATE INDEX IF NOT EXISTS packmill_run_ended ON packmill_run (ended) WHERE ended IS NOT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS packmill_run_key ON packmill_run (owner, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX IF NOT EXISTS packmill_run_schedule ON packmill_run (schedule, id) WHERE schedule IS NOT NULL;
CREATE TABLE IF NOT EXISTS packmill_queue (migration text NOT NULL);
CREATE TABLE IF NOT EXISTS packmill_folder (id text NOT NULL);
"""


def prepare_database(connection: Connection, data: Path) -> None:
    """Create or update the tables, and tie the database to the data folder; servers that start at once take turns.

    Raises:
        BadInputsError: other servers of the database use another data folder, or the folder has another database.
    """
    with _alone(connection):
        with connection.transaction():
            connection.execute(_TABLES)
            _check_folder(connection, data)
        _update_queue(connection)


def create_tables(connection: Connection, tables: str) -> None:
    """Create missing tables of another room; servers that start at once take turns."""
    with _alone(connection):
        connection.execute(tables)


@contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
    try:
        yield
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))


def _update_queue(connection: Connection) -> None:
    """Create procrastinate's tables, or apply its newer migrations, each in its own transaction as some need that."""
    migrations = sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))
    applied = connection.execute("SELECT migration FROM packmill_queue").fetchone()
    if applied is None:
        with connection.transaction():
            if not Queue(connection).has_tables():
                connection.execute(SchemaManager.get_schema())
            connection.execute("INSERT INTO packmill_queue VALUES (%s)", (migrations[-1].name,))
        return
    for migration in migrations:
        if migration.name > applied["migration"]:
            with connection.transaction():
                connection.execute(migration.read_text(encoding="utf-8"))
                connection.execute("UPDATE packmill_queue SET migration = %s", (migration.name,))


def _check_folder(connection: Connection, data: Path) -> None:
    file = data / folder_file
    known = connection.execute("SELECT id FROM packmill_folder").fetchone()
    found = file.read_text(encoding="ascii") if file.exists() else None
    if known and known["id"] != found:
        problem = "not the data folder of the other servers of this database; share theirs, or use another database"
        raise BadInputsError(f"--data {data}: {problem}")
    if not known:
        check_unused(data, "PostgreSQL database")
        found = secrets.token_hex(16)
        connection.execute("INSERT INTO packmill_folder VALUES (%s)", (found,))
        file.write_text(found, encoding="ascii")  # last: a file that a failed start leaves keeps others out
        durable_files.sync(file)
        durable_files.sync(data)
