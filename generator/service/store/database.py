"""The database tables, in SQLite (WAL) or another database of SQLAlchemy; times are seconds since 1970, UTC."""

from __future__ import annotations

import fcntl
import math
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, OperationalError, SQLAlchemyError

from generator.service.log import log
from generator.service.store import (
    audit_tables,
    folder_tables,
    hook_tables,
    run_tables,
    schedule_tables,
    status_tables,
    submission_tables,
    upload_tables,
)
from generator.service.store.sqlite_space import give_back
from generator.service.store.upgrades import add_what_is_missing
from generator.shared.errors import UsageError
from generator.shared.postgresql_timeouts import client_timeouts, server_timeouts
from generator.shared.sqlite_errors import is_misfit

_tables = sa.MetaData()

pipelines = sa.Table(
    "pipelines",
    _tables,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("sha", sa.String(64), nullable=False),
    sa.Column("ref", sa.String(255), nullable=False),
    sa.Column("tag", sa.Boolean, nullable=False),
    sa.Column("source", sa.String(32), nullable=False),
    sa.Column("status", sa.String(32), nullable=False, index=True),
    sa.Column("user", sa.String(255), nullable=False),
    sa.Column("variables", sa.JSON, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("updated_at", sa.Float, nullable=False, index=True),
    sa.Column("started_at", sa.Float),
    sa.Column("finished_at", sa.Float),
    sa.Column("announced", sa.String(32), info={"fill": "status"}),
    sa.Column("name", sa.String(255)),
    sa.Column("schedule_id", sa.Integer),
    sa.Column(
        "user_id",
        sa.Integer,
        info={"fill": '(SELECT min(tokens.id) FROM tokens WHERE tokens.name = pipelines."user")'},
    ),
    sa.Index("ix_pipelines_status_user_id", "status", "user_id"),
    sqlite_autoincrement=True,
)
"""``variables``: a list of ``{key, value, variable_type}``; the values of ``hidden`` ones are stored elsewhere.

``announced``: the status of which hooks have got an event. An index counts pipelines that wait, without reading their
variables: gigabytes of them may wait.
"""

jobs = sa.Table(
    "jobs",
    _tables,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("pipeline_id", sa.ForeignKey("pipelines.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("stage", sa.String(255), nullable=False),
    sa.Column("stage_index", sa.Integer, nullable=False),
    sa.Column("when", sa.String(16), nullable=False),
    sa.Column("allow_failure", sa.Boolean, nullable=False),
    sa.Column("status", sa.String(32), nullable=False, index=True),
    sa.Column("lane", sa.String(255), nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("queued_at", sa.Float),
    sa.Column("started_at", sa.Float),
    sa.Column("finished_at", sa.Float),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("retried", sa.Boolean, nullable=False, default=False),
    sa.Column("exit_code", sa.Integer),
    sa.Column("failure_reason", sa.String(64)),
    sa.Column("reason", sa.Text),
    sa.Column("token_hash", sa.String(64), index=True),
    sa.Column("dotenv", sa.JSON, nullable=False, default=dict),
    sa.Column("tests", sa.JSON),
    sa.Column("artifacts_size", sa.BigInteger),
    sa.Column("artifacts_expire_at", sa.Float, index=True),
    sa.Column("erased_at", sa.Float),
    sa.Column("announced", sa.String(32), info={"fill": "status"}),
    sqlite_autoincrement=True,
)
"""``lane`` groups jobs for fair queueing (`generator.service.store.lanes`).

A ``retried`` job has a newer one of the same name.

``failure_reason`` is GitLab's word for a failure, ``reason`` a sentence about it.
"""

tokens = sa.Table(
    "tokens",
    _tables,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False, unique=True),
    sa.Column("scopes", sa.JSON, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("expires_at", sa.Float),
    sa.Column("revoked_at", sa.Float),
    sa.Column("role", sa.String(16), info={"fill": "'admin'"}),
)

sessions = sa.Table(
    "sessions",
    _tables,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("token_id", sa.ForeignKey("tokens.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("expires_at", sa.Float, nullable=False, index=True),
)
"""Signed-in sessions of the pages; ``id`` is the digest of a secret that only the cookie holds."""

Row = sa.RowMapping
Within = Callable[[sa.Connection, int], None]
"""Adds to the transaction that stores a pipeline or a schedule, given its number."""
_CLAIM = int.from_bytes(b"packmill", "big")
"""The ID of the advisory lock."""
_RETURNS_SPACE = "auto_vacuum = INCREMENTAL"
"""The setting of an SQLite file that can return free pages, from its first table or a ``VACUUM`` on."""
_LIBPQ_DRIVERS = ("psycopg", "psycopg2")
_READ_ONLY, _IDLE = "25006", "25P03"
"""SQLSTATE of PostgreSQL: the server became a standby, or it ended a transaction in which nothing happened."""


class Database:
    """A database; reads run in parallel, writes one at a time, as in SQLite."""

    def __init__(self, url: str) -> None:
        """Open the database and create missing tables.

        Raises:
            UsageError: the database cannot be opened, or its driver is not installed.
            OperationalError: the file of SQLite cannot be opened, read or written now.
        """
        try:
            # parameters may hold passwords, and errors end up in the log
            self._engine = sa.create_engine(url, hide_parameters=True, **_options(url))
            if self._engine.dialect.name == "sqlite":
                sa.event.listen(self._engine, "connect", _tune_sqlite)
            if self._engine.dialect.name == "postgresql":
                sa.event.listen(self._engine, "connect", _set_timeouts)
                sa.event.listen(self._engine, "handle_error", _close_if_read_only)
            others = (
                audit_tables,
                folder_tables,
                hook_tables,
                run_tables,
                schedule_tables,
                status_tables,
                submission_tables,
                upload_tables,
            )
            for tables in (_tables, *(one.metadata for one in others)):
                tables.create_all(self._engine)
                add_what_is_missing(self._engine, tables)
            audit_tables.refuse_changes(self._engine)
        except ModuleNotFoundError as error:
            raise UsageError(f"--database: the driver is not installed; run: pip install {error.name}") from None
        except (ArgumentError, OperationalError, SQLAlchemyError) as error:
            if url.startswith("sqlite") and is_unavailable(error):
                raise
            raise UsageError(f"--database: cannot open the database: {reason_of(error)}") from None
        self._writing = threading.Lock()
        self._claim: sa.Connection | int | None = None

    @property
    def like_ignores_case(self) -> bool:
        """Return whether LIKE ignores the case of ASCII letters, as in SQLite."""
        return self._engine.dialect.name == "sqlite"

    def claim(self) -> None:
        """Lock the database for one service until the process exits.

        Two services on one database would each rerun the other's jobs.

        Raises:
            UsageError: another service has locked the database.
        """
        if self._engine.dialect.name == "postgresql":
            self._claim = self._engine.connect()
            locked = bool(self._claim.execute(sa.select(sa.func.pg_try_advisory_lock(_CLAIM))).scalar())
            self._claim.commit()  # the lock is the session's, not the transaction's
        elif self._engine.url.database and self._engine.dialect.name == "sqlite":
            self._claim = os.open(f"{self._engine.url.database}.lock", os.O_RDWR | os.O_CREAT, 0o600)
            locked = _try_lock(self._claim)
        else:
            locked = True
        if not locked:
            raise UsageError("another 'packmill serve' uses this database; name another --data or --database")

    @contextmanager
    def connection(self) -> Iterator[sa.Connection]:
        """Open a connection for reading."""
        with self._engine.connect() as connection:
            yield connection

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """Open a transaction; when the block ends, all or nothing of it is on disk."""
        with self._writing, self._engine.begin() as connection:
            yield connection

    def forget_deleted(self) -> None:
        """Vacuum an SQLite file, to remove deleted content from it; PostgreSQL's autovacuum does so by itself."""
        if self._engine.dialect.name != "sqlite":
            return
        with self._writing, self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for statement in (f"PRAGMA {_RETURNS_SPACE}", "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
                connection.execute(sa.text(statement))

    def give_back(self, most: float = math.inf) -> int:
        """Shrink an SQLite file by up to about so many bytes that deleted rows left; return by how many.

        Raises:
            sqlite3.Error: the database is locked, or the disk fails.
        """
        file = self.file
        return give_back(file, most, writing=self._writing) if file else 0

    @property
    def file(self) -> Path | None:
        """The file of an SQLite database."""
        url = self._engine.url
        return Path(url.database).resolve() if url.database and self._engine.dialect.name == "sqlite" else None

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def sqlite_url(file: Path) -> str:
    """Return the URL of an SQLite database file."""
    return f"sqlite:///{file}"


def _options(url: str) -> dict[str, Any]:
    if url.startswith("sqlite"):
        return {"connect_args": {"timeout": 30, "check_same_thread": False}, "pool_size": 8, "max_overflow": 64}
    options: dict[str, Any] = {"pool_pre_ping": True, "pool_size": 8, "max_overflow": 32}
    parts = sa.make_url(url)
    if parts.get_backend_name() == "postgresql" and parts.get_driver_name() in _LIBPQ_DRIVERS:
        by_variables = {"connect_timeout"} if "PGCONNECT_TIMEOUT" in os.environ else set[str]()
        options["connect_args"] = client_timeouts({*parts.query, *by_variables})
    return options


def _set_timeouts(connection: Any, _record: object) -> None:
    """Configure a connection to PostgreSQL, whose settings a rollback would undo."""
    with closing(connection.cursor()) as cursor:
        cursor.execute(server_timeouts)
    connection.commit()


def _close_if_read_only(failure: sa.engine.ExceptionContext) -> None:
    """Close the connections to a server that became a standby: the next ones may reach the new primary."""
    if getattr(failure.original_exception, "sqlstate", None) == _READ_ONLY:
        failure.is_disconnect = True


def reason_of(error: BaseException) -> str:
    """Return what the database itself reports of an error, without the statement."""
    return (str(getattr(error, "orig", None) or error).strip() or type(error).__name__).splitlines()[0]


def is_unavailable(error: BaseException) -> bool:
    """Return whether a database cannot work for now; not that it lacks a table or a column, which stays so."""
    if isinstance(error, sa.exc.DBAPIError) and getattr(error.orig, "sqlstate", None) in (_READ_ONLY, _IDLE):
        return True
    passing = (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError)
    return isinstance(error, passing) and not is_misfit(error)


@contextmanager
def despite_outages() -> Iterator[None]:
    """Do what a stored change does not need, such as to read its row; go on behind the block if the database fails.

    A client that got 503 would repeat its request, and make the change again.
    """
    try:
        yield
    except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
        if not is_unavailable(error):
            raise
        log(f"the answer to a stored change is shorter: {reason_of(error)}")


def _tune_sqlite(connection: Any, _record: object) -> None:
    """Configure a connection: WAL lets reads continue during a write, FULL makes a commit durable.

    A new file gets the setting with which it can return free pages. To set it is a write, also if nothing changes:
    a reader would wait for the writer, and fail on a full disk.
    """
    ((pages,),) = connection.execute("PRAGMA page_count").fetchall()
    pragmas = ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "cache_size = -8000")
    for pragma in pragmas if pages else (_RETURNS_SPACE, *pragmas):
        connection.execute(f"PRAGMA {pragma}")


def rows(connection: sa.Connection, statement: sa.Select[Any]) -> list[Row]:
    """Return all rows of a query."""
    return list(connection.execute(statement).mappings())


def row(connection: sa.Connection, statement: sa.Select[Any]) -> Row | None:
    """Return the first row of a query."""
    return connection.execute(statement).mappings().first()
