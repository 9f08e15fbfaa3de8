"""Failures of an SQLite file, as errors of the stores that use it. The log has them, each once a minute."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from generator.runner.server.runs.store import StoreMisfitError, StoreUnavailableError
from generator.shared.sqlite_errors import is_misfit

_log = logging.getLogger(__name__)
_LOG_INTERVAL = 60.0
_logged: dict[str, float] = {}
"""When a message was logged last, by its text; SQLite has few."""
_guard = threading.Lock()


@contextmanager
def failures_as_unavailable() -> Iterator[None]:
    """Report that SQLite cannot work.

    Raises:
        StoreUnavailableError: the disk is full or broken, the file is damaged, too many files are open, or a lock is
            held for too long.
        StoreMisfitError: the file lacks a table or a column.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        kind = StoreMisfitError if is_misfit(error) else StoreUnavailableError
        _report(kind, str(error))
        raise kind(str(error)) from None
    except sqlite3.DatabaseError as error:
        if type(error) is not sqlite3.DatabaseError:  # its subclasses are for mistakes of the caller
            raise
        _report(StoreUnavailableError, str(error))
        raise StoreUnavailableError(str(error)) from None


def _report(kind: type[StoreUnavailableError], message: str) -> None:
    with _guard:
        now = time.monotonic()
        if now < _logged.get(message, -_LOG_INTERVAL) + _LOG_INTERVAL:
            return
        _logged[message] = now
    if kind is StoreMisfitError:
        advice = "was changed by another program or version; stop the server; restore the file or name another --data"
        _log.error("the database %s: %s", advice, message)
    else:
        _log.warning("the database is unavailable: %s", message)
