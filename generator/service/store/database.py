"""The tables, in SQLite (WAL) or whatever SQLAlchemy speaks; times are seconds since 1970, UTC."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, OperationalError, SQLAlchemyError

from generator.shared.errors import UsageError

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
    sqlite_autoincrement=True,
)
"""``variables``: a list of ``{key, value, variable_type}``; those that are ``hidden`` have their value elsewhere."""

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
    sa.Column("token_hash", sa.String(64), index=True),
    sa.Column("dotenv", sa.JSON, nullable=False, default=dict),
    sa.Column("tests", sa.JSON),
    sa.Column("artifacts_size", sa.BigInteger),
    sa.Column("artifacts_expire_at", sa.Float, index=True),
    sa.Column("erased_at", sa.Float),
    sqlite_autoincrement=True,
)
"""``lane`` is whose turn it is in the queue; ``retried`` jobs have a younger one of the same name."""

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
)

sessions = sa.Table(
    "sessions",
    _tables,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("token_id", sa.ForeignKey("tokens.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("expires_at", sa.Float, nullable=False, index=True),
)
"""Who is signed in to the pages; ``id`` is the digest of a word that only the cookie has."""

Row = sa.RowMapping
_CLAIM = int.from_bytes(b"packmill", "big")
"""The number of the advisory lock."""


class Database:
    """Where rows live. Reads go side by side; writes one after another, which is what SQLite does anyway."""

    def __init__(self, url: str) -> None:
        """Opens the database and makes what is missing in it.

        Raises:
            UsageError: it cannot be reached, or its driver is not installed.
        """
        try:
            # what someone asked for may hold a password, and errors end up in the log
            self._engine = sa.create_engine(url, hide_parameters=True, **_options(url))
            if self._engine.dialect.name == "sqlite":
                sa.event.listen(self._engine, "connect", _tune_sqlite)
            _tables.create_all(self._engine)
        except ModuleNotFoundError as error:
            raise UsageError(f"the driver of the database is not installed: pip install {error.name}") from None
        except (ArgumentError, OperationalError, SQLAlchemyError) as error:
            cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
            raise UsageError(f"the database cannot be opened: {cause}") from None
        self._writing = threading.Lock()
        self._claim: sa.Connection | int | None = None

    def claim(self) -> None:
        """Takes the database for one service; given back when the process ends, however it does.

        Raises:
            UsageError: another service has it: it would take this one's jobs for its own that were killed.
        """
        if self._engine.dialect.name == "postgresql":
            self._claim = self._engine.connect()
            taken = bool(self._claim.execute(sa.select(sa.func.pg_try_advisory_lock(_CLAIM))).scalar())
            self._claim.commit()  # the lock is the session's, not the transaction's
        elif self._engine.url.database and self._engine.dialect.name == "sqlite":
            self._claim = os.open(f"{self._engine.url.database}.lock", os.O_RDWR | os.O_CREAT, 0o600)
            taken = _locked(self._claim)
        else:
            taken = True
        if not taken:
            raise UsageError("another 'packmill serve' uses this database: name another --data or --database")

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection to read with."""
        with self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction: all of it is on disk when the block ends, or nothing."""
        with self._writing, self._engine.begin() as connection:
            yield connection

    def forget_deleted(self) -> None:
        """Write an SQLite file anew, without what rows held before they changed; PostgreSQL's autovacuum does it."""
        if self._engine.dialect.name != "sqlite":
            return
        with self._writing, self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("VACUUM"))
            connection.execute(sa.text("PRAGMA wal_checkpoint(TRUNCATE)"))

    def close(self) -> None:
        """Gives all connections back."""
        self._engine.dispose()


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def sqlite_url(file: Path) -> str:
    """The URL of a database in a file."""
    return f"sqlite:///{file}"


def _options(url: str) -> dict[str, Any]:
    if url.startswith("sqlite"):
        return {"connect_args": {"timeout": 30, "check_same_thread": False}, "pool_size": 8, "max_overflow": 64}
    return {"pool_pre_ping": True, "pool_size": 8, "max_overflow": 32}


def _tune_sqlite(connection: Any, _record: object) -> None:
    """WAL lets readers go on while one writes; FULL has what was promised on disk before it is promised."""
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "cache_size = -8000"):
        connection.execute(f"PRAGMA {pragma}")


def rows(connection: sa.Connection, statement: sa.Select[Any]) -> list[Row]:
    """All rows of a query."""
    return list(connection.execute(statement).mappings())


def row(connection: sa.Connection, statement: sa.Select[Any]) -> Row | None:
    """The first row of a query."""
    return connection.execute(statement).mappings().first()
