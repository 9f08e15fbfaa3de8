"""The tables: ours and procrastinate's, which its migrations bring up to date."""

from __future__ import annotations

from pathlib import Path

from procrastinate.schema import SchemaManager

from generator.runner.server.runs.postgresql.queue import Connection, Queue

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
CREATE TABLE IF NOT EXISTS packmill_queue (migration text NOT NULL);
"""


def create_tables(connection: Connection) -> None:
    """Create missing tables, and apply procrastinate's newer migrations; replicas that start at once take turns."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        connection.execute(_TABLES)
        applied = connection.execute("SELECT max(migration) AS name FROM packmill_queue").fetchone()
        migrations = sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))
        if applied is None or applied["name"] is None:
            if not Queue(connection).has_tables():
                connection.execute(SchemaManager.get_schema())
        else:
            for migration in migrations:
                if migration.name > applied["name"]:
                    connection.execute(migration.read_text(encoding="utf-8"))
        connection.execute("DELETE FROM packmill_queue")
        connection.execute("INSERT INTO packmill_queue VALUES (%s)", (migrations[-1].name,))
