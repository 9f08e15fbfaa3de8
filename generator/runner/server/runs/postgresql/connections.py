"""Connections to PostgreSQL; no message shows the password of the URL."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import psycopg
from procrastinate.exceptions import ConnectorException
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool, PoolTimeout
from typing_extensions import LiteralString

from generator.runner.server.runs.postgresql.queue import Connection
from generator.runner.server.runs.store import StoreUnavailableError
from generator.shared.failures import BadInputsError
from generator.shared.postgresql_timeouts import client_timeouts, server_timeouts

_OPTIONS: dict[str, Any] = {
    "autocommit": True,
    "row_factory": dict_row,
}
_TIMEOUT = 3.0
_TIMEOUT_WHILE_DOWN = 0.2
"""Seconds that calls wait for a connection: during an outage they would only use up the threads of the server."""
_LOG_INTERVAL = 60.0
_READ_ONLY = psycopg.errors.ReadOnlySqlTransaction
"""The server became a standby, or an administrator keeps others from writing; another server may be the primary now."""
_NO_ANSWER = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    PoolTimeout,
    _READ_ONLY,
    psycopg.errors.IdleInTransactionSessionTimeout,
)


class _Rarely(logging.Filter):
    """Let one of the pool's warnings through a minute: it has one for each attempt to connect."""

    _next = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is logged."""
        if record.levelno > logging.WARNING:
            return True
        if time.monotonic() < self._next:
            return False
        self._next = time.monotonic() + _LOG_INTERVAL
        record.msg, record.args = " ".join(record.getMessage().split()), ()
        return True


_filter = _Rarely()


class Connections:
    """A pool of connections; broken ones are replaced before they are used."""

    def __init__(self, url: str, *, most: int) -> None:
        self._url = url.replace("postgresql+psycopg://", "postgresql://", 1)
        self._options = {**_parameters(self._url), **_OPTIONS}
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            self._url,
            kwargs=self._options,
            min_size=1,
            max_size=most,
            timeout=_TIMEOUT,
            reconnect_timeout=1,  # then the next call tries again, however long the database was down
            num_workers=1,
            configure=_set_timeouts,
            check=ConnectionPool.check_connection,
            open=False,
        )
        self._reachable_since: float | None = None
        self._is_down = False
        logging.getLogger("psycopg.pool").addFilter(_filter)

    def open(self) -> None:
        """Open the first connection.

        Raises:
            BadInputsError: the URL is invalid, or the database refuses the connection.
        """
        try:
            with self.connect():
                self._pool.open()
        except psycopg.OperationalError as error:
            raise BadInputsError(f"--database {self.place()}: {' '.join(str(error).split())}") from None
        except psycopg.Error:
            raise BadInputsError("--database: invalid URL; write postgresql://USER:PASSWORD@HOST/DATABASE") from None

    def connect(self) -> Connection:
        """Open a connection outside of the pool."""
        connection = cast("Connection", psycopg.connect(self._url, **self._options))
        _set_timeouts(connection)
        return connection

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Borrow a connection in which each statement is a transaction.

        Raises:
            StoreUnavailableError: the database does not answer.
        """
        try:
            with self._pool.connection(_TIMEOUT_WHILE_DOWN if self._is_down else _TIMEOUT) as connection:
                self._is_down = False
                self._reachable_since = self._reachable_since or time.monotonic()
                with _closed_if_read_only(connection):
                    yield connection
        except (*_NO_ANSWER, ConnectorException) as error:
            cause = _cause(error)
            if not isinstance(cause, _NO_ANSWER):
                raise
            self._reachable_since, self._is_down = None, True
            raise StoreUnavailableError(" ".join(str(cause).split())) from None

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Borrow a connection for one transaction (`connection`)."""
        with self.connection() as connection, connection.transaction():
            yield connection

    def execute(self, query: LiteralString, values: Mapping[str, Any]) -> int:
        """Execute a statement, and return how many rows it changed or found.

        Raises:
            StoreUnavailableError: the database does not answer.
        """
        with self.connection() as connection:
            return connection.execute(query, values).rowcount

    def seconds_reachable(self) -> float:
        """Return for how long each call was answered."""
        return time.monotonic() - (self._reachable_since or time.monotonic())

    def close(self) -> None:
        """Close all connections of the pool."""
        self._pool.close()

    def place(self) -> str:
        """Return the URL without user, password and options."""
        parts = conninfo_to_dict(self._url)
        return f"postgresql://{parts.get('host', '')}/{parts.get('dbname', '')}"


@contextmanager
def _closed_if_read_only(connection: Connection) -> Iterator[None]:
    """Close a connection that no longer takes changes, so that the pool replaces it: it stays open otherwise."""
    try:
        yield
    except (_READ_ONLY, ConnectorException) as error:
        if isinstance(_cause(error), _READ_ONLY):
            connection.close()
        raise


def _cause(error: Exception) -> BaseException | None:
    return error.__cause__ if isinstance(error, ConnectorException) else error


def _set_timeouts(connection: Connection) -> None:
    connection.execute(server_timeouts)


def _parameters(url: str) -> dict[str, str | int]:
    """Return what libpq's variables, such as PGPASSWORD, and timeouts add to a URL.

    A worker has the variables only when it starts.
    """
    try:
        given = conninfo_to_dict(url)
    except psycopg.Error:  # reported by the first connection
        return {}
    found = psycopg.pq.Conninfo.get_defaults()
    set_by = {one.keyword.decode(): one.val.decode() for one in found if one.val and one.envvar and _is_set(one.envvar)}
    return {
        **client_timeouts({*given, *set_by}),
        **{name: value for name, value in set_by.items() if name not in given},
    }


def _is_set(variable: bytes) -> bool:
    return variable.decode() in os.environ
